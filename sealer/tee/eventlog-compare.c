/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/eventlog-compare.h"
#include "tee/eventlog-describe.h"

#include <string.h>

#define RTMRS 3 /* that are those of PCRs */

static const guint32 types[] = {
    CVS_EV_EFI_VARIABLE_DRIVER_CONFIG,
    CVS_EV_EFI_VARIABLE_BOOT,
    CVS_EV_EFI_VARIABLE_BOOT2,
    CVS_EV_EFI_VARIABLE_AUTHORITY,
    CVS_EV_EFI_BOOT_SERVICES_APPLICATION,
    CVS_EV_EFI_BOOT_SERVICES_DRIVER,
    CVS_EV_EFI_RUNTIME_SERVICES_DRIVER,
    CVS_EV_EFI_GPT_EVENT,
    CVS_EV_EFI_GPT_EVENT2,
    CVS_EV_EFI_ACTION,
    CVS_EV_IPL,
    CVS_EV_EVENT_TAG,
};

/* Of a PCR; -1: none. */
static int
rtmr_of(int pcr)
{
    if (pcr == 1 || pcr == 7)
        return 0;
    if (pcr >= 2 && pcr <= 6)
        return 1;
    return pcr >= 8 && pcr <= 15 ? 2 : -1;
}

/* The records of that type which are in that RTMR. */
static GPtrArray *
select_events(const CvsEventLog *log, int rtmr, guint32 type)
{
    gboolean cc = cvs_event_log_format(log) == CVS_EVENT_LOG_CC;
    GPtrArray *events = g_ptr_array_new();

    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        if (event->reg >= 0 && event->type == type &&
            (cc ? event->reg : rtmr_of(event->reg)) == rtmr)
            g_ptr_array_add(events, (gpointer)event);
    }
    return events;
}

static gboolean
events_are_equal(const CvsEvent *a, const CvsEvent *b)
{
    if (a->size != b->size || memcmp(a->data, b->data, a->size) != 0)
        return FALSE;
    return a->digest[CVS_SHA384] == NULL || b->digest[CVS_SHA384] == NULL ||
           memcmp(a->digest[CVS_SHA384], b->digest[CVS_SHA384], cvs_hash_size(CVS_SHA384)) == 0;
}

static char *
describe(const CvsEvent *event)
{
    g_autofree char *text = event ? cvs_event_describe(event) : NULL;

    return text ? g_strdup_printf("\"%s\"", text) : g_strdup("nothing");
}

/* NULL: they agree. */
static char *
compare_type(const CvsEventLog *tpm, const CvsEventLog *cc, int rtmr, guint32 type)
{
    g_autoptr(GPtrArray) a = select_events(tpm, rtmr, type);
    g_autoptr(GPtrArray) b = select_events(cc, rtmr, type);

    if (a->len == 0 || b->len == 0)
        return NULL;
    for (guint i = 0; i < MAX(a->len, b->len); i++) {
        const CvsEvent *x = i < a->len ? g_ptr_array_index(a, i) : NULL;
        const CvsEvent *y = i < b->len ? g_ptr_array_index(b, i) : NULL;
        g_autofree char *x_text = NULL;
        g_autofree char *y_text = NULL;

        if (x && y && events_are_equal(x, y))
            continue;
        x_text = describe(x);
        y_text = describe(y);
        return g_strdup_printf("%s, number %u in RTMR %d: the TPM's log has %s, the TD's %s%s",
                               cvs_event_type_name(type), i + 1, rtmr, x_text, y_text,
                               g_str_equal(x_text, y_text) ? " with another digest" : "");
    }
    return NULL;
}

char *
cvs_event_logs_compare(const CvsEventLog *tpm, const CvsEventLog *cc)
{
    for (int rtmr = 0; rtmr < RTMRS; rtmr++) {
        for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
            char *difference = compare_type(tpm, cc, rtmr, types[i]);

            if (difference)
                return difference;
        }
    }
    return NULL;
}
