/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/view-collateral.h"
#include "base/error.h"
#include "tee/collateral-store.h"

#define DAY 86400
#define DAYS_WARN 7

static char *
date_text(gint64 when)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(when);

    return time ? g_date_time_format(time, "%Y-%m-%d") : g_strdup("?");
}

static void
append_errors(const CvsView *view, const GPtrArray *items, GString *text)
{
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);
        g_autofree char *message = item->error ? cvs_text_safe(item->error->message) : NULL;

        if (message == NULL)
            continue;
        cvs_output_styled(view->output, text, CVS_STYLE_WARN, "not used: ");
        g_string_append_printf(text, "%s\n", message);
    }
}

char *
cvs_view_collateral(const CvsView *view, const GPtrArray *items, const GError *damage)
{
    static const CvsColumn columns[] = {
        {"ID", FALSE, 0},    {"FOR", FALSE, 20},     {"FROM", FALSE, 0},
        {"UNTIL", FALSE, 0}, {"DAYS LEFT", TRUE, 0}, {"NOTE", FALSE, 0},
    };
    g_autoptr(CvsTable) table = cvs_table_new(columns, G_N_ELEMENTS(columns));
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);
        gboolean readable = item->content != NULL;
        gint64 left = (item->not_after - view->now) / DAY;
        g_autofree char *whom = readable ? cvs_collateral_item_describe(item) : NULL;
        g_autofree char *from = readable ? date_text(item->not_before) : NULL;
        g_autofree char *until = readable ? date_text(item->not_after) : NULL;
        g_autofree char *days = readable ? g_strdup_printf("%" G_GINT64_FORMAT, left) : NULL;
        const char *note = item->error                    ? "not used"
                           : view->now > item->not_after  ? "out of date"
                           : view->now < item->not_before ? "from the future"
                           : item->test_root              ? "TEST ROOT"
                                                          : NULL;

        cvs_table_add(table, note || left < DAYS_WARN ? CVS_STYLE_WARN : CVS_STYLE_PLAIN,
                      (const char *[]){item->id, whom, from, until, days, note});
    }
    if (items->len > 0)
        cvs_table_format(table, view->output, text);
    else
        g_string_append(text, "There is no collateral.\n");
    append_errors(view, items, text);
    if (damage) {
        g_autofree char *message = cvs_text_safe(damage->message);

        cvs_output_styled(view->output, text, CVS_STYLE_BAD, "damaged: ");
        g_string_append_printf(text, "%s\n", message);
    }
    return g_string_free(text, FALSE);
}

static void
append_result(const CvsView *view, const CvsCollateralResult *result, GString *text)
{
    g_autofree char *mark =
        g_strdup_printf("%s ", cvs_output_mark(view->output, result->error == NULL));
    g_autofree char *name = cvs_text_safe(result->name);
    const GPtrArray *reasons = cvs_error_get_reasons(result->error);

    cvs_output_styled(view->output, text, result->error ? CVS_STYLE_BAD : CVS_STYLE_GOOD, mark);
    if (result->error == NULL) {
        g_string_append_printf(text, "%s: %u taken in", name, result->added);
        if (result->ids->len > result->added)
            g_string_append_printf(text, ", %u there already", result->ids->len - result->added);
        g_string_append_c(text, '\n');
        for (guint i = 0; i < result->ids->len; i++)
            g_string_append_printf(text, "    %s\n",
                                   (const char *)g_ptr_array_index(result->ids, i));
        return;
    }
    {
        g_autofree char *message = cvs_text_safe(result->error->message);

        g_string_append_printf(text, "%s\n", message);
    }
    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);
        g_autofree char *detail = cvs_text_safe(reason->detail);

        g_string_append_printf(text, "    %s  %s\n", reason->code, detail);
    }
}

char *
cvs_view_collateral_import(const CvsView *view, const GPtrArray *results)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < results->len; i++)
        append_result(view, g_ptr_array_index(results, i), text);
    return g_string_free(text, FALSE);
}
