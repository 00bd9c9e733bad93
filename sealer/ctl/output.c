/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/output.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Between two columns. */
#define GAP 2
/* Nobody's terminal is wider, and a wrong size must not cost memory. */
#define WIDTH_MAX 1000

static guint
terminal_width(int fd)
{
    const char *columns = g_getenv("COLUMNS");
    struct winsize size;
    guint64 width = 0;

    if (columns && g_ascii_string_to_unsigned(columns, 10, 20, WIDTH_MAX, &width, NULL))
        return (guint)width;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 && size.ws_col <= WIDTH_MAX)
        return size.ws_col;
    return 80;
}

void
cvs_output_init(CvsOutput *output, int fd)
{
    const char *no_color = g_getenv("NO_COLOR");
    const char *term = g_getenv("TERM");

    output->tty = isatty(fd) == 1;
    output->colour = output->tty && (no_color == NULL || *no_color == '\0') && term != NULL &&
                     !g_str_equal(term, "dumb");
    output->utf8 = g_get_charset(NULL);
    output->width = output->tty ? terminal_width(fd) : 0;
}

void
cvs_output_styled(const CvsOutput *output, GString *text, CvsStyle style, const char *words)
{
    static const char *const codes[] = {
        [CVS_STYLE_PLAIN] = NULL, [CVS_STYLE_BOLD] = "1",  [CVS_STYLE_DIM] = "2",
        [CVS_STYLE_GOOD] = "32",  [CVS_STYLE_WARN] = "33", [CVS_STYLE_BAD] = "31",
    };

    if (!output->colour || codes[style] == NULL)
        g_string_append(text, words);
    else
        g_string_append_printf(text, "\033[%sm%s\033[0m", codes[style], words);
}

const char *
cvs_output_ellipsis(const CvsOutput *output)
{
    return output->utf8 ? "…" : "...";
}

const char *
cvs_output_mark(const CvsOutput *output, gboolean good)
{
    if (output->utf8)
        return good ? "✓" : "✗";
    return good ? "+" : "x";
}

static gboolean
is_safe(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* has the characters that turn the direction of writing */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_UNASSIGNED:
        return FALSE;
    default:
        return TRUE;
    }
}

char *
cvs_text_safe(const char *text)
{
    GString *safe = g_string_new(NULL);

    while (*text != '\0') {
        gunichar c = g_utf8_get_char_validated(text, -1);
        gboolean valid = c != (gunichar)-1 && c != (gunichar)-2;
        gsize size = valid ? (gsize)(g_utf8_next_char(text) - text) : 1;

        if (valid && is_safe(c)) {
            g_string_append_len(safe, text, (gssize)size);
        } else {
            for (gsize i = 0; i < size; i++)
                g_string_append_printf(safe, "\\x%02x", (guint8)text[i]);
        }
        text += size;
    }
    return g_string_free(safe, FALSE);
}

char *
cvs_text_size(guint64 size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    guint unit = 0;
    guint64 whole = size;
    guint64 tenth = 0;

    /* Integers, so that no locale turns the point into a comma. */
    while (whole >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        tenth = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit++;
    }
    if (tenth > 0 && whole < 100)
        return g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT " %s", whole, tenth,
                               units[unit]);
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", whole, units[unit]);
}

static GDateTime *
local_time(gint64 when, GTimeZone *zone)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(when);

    return utc ? g_date_time_to_timezone(utc, zone) : NULL;
}

static gint64
day_number(GDateTime *time)
{
    GDate date;

    g_date_clear(&date, 1);
    g_date_set_dmy(&date, (GDateDay)g_date_time_get_day_of_month(time),
                   (GDateMonth)g_date_time_get_month(time), (GDateYear)g_date_time_get_year(time));
    return g_date_get_julian(&date);
}

char *
cvs_text_date(gint64 when, gint64 now, GTimeZone *zone)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) then = local_time(when, zone);
    g_autoptr(GDateTime) today = local_time(now, zone);
    g_autofree char *clock = NULL;
    gint64 days = 0;

    if (then == NULL || today == NULL)
        return g_strdup("?");
    clock = g_date_time_format(then, "%H:%M");
    days = day_number(today) - day_number(then);
    if (days == 0)
        return g_strdup_printf("today %s", clock);
    if (days == 1)
        return g_strdup_printf("yesterday %s", clock);
    if (days > 0 && g_date_time_get_year(then) == g_date_time_get_year(today))
        return g_strdup_printf("%s %2d %s", months[g_date_time_get_month(then) - 1],
                               g_date_time_get_day_of_month(then), clock);
    return g_date_time_format(then, "%Y-%m-%d");
}

static char *
text_ago(gint64 seconds)
{
    static const struct {
        gint64 seconds;
        const char *name;
    } units[] = {
        {365 * 86400, "year"}, {30 * 86400, "month"}, {86400, "day"},
        {3600, "hour"},        {60, "minute"},
    };

    if (seconds < 0)
        return g_strdup("in the future");
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        gint64 n = seconds / units[i].seconds;

        if (n > 0)
            return g_strdup_printf("%" G_GINT64_FORMAT " %s%s ago", n, units[i].name,
                                   n == 1 ? "" : "s");
    }
    return g_strdup("just now");
}

char *
cvs_text_date_long(gint64 when, gint64 now, GTimeZone *zone)
{
    g_autoptr(GDateTime) then = local_time(when, zone);
    g_autofree char *text = then ? g_date_time_format(then, "%Y-%m-%d %H:%M:%S %z") : NULL;
    g_autofree char *ago = text_ago(now - when);

    if (text == NULL)
        return g_strdup("?");
    return g_strdup_printf("%s (%s)", text, ago);
}

char *
cvs_text_shorten(const CvsOutput *output, const char *text, guint max)
{
    const char *ellipsis = cvs_output_ellipsis(output);
    guint room = (guint)g_utf8_strlen(ellipsis, -1);
    g_autofree char *start = NULL;

    if ((gsize)g_utf8_strlen(text, -1) <= max)
        return g_strdup(text);
    if (max <= room)
        return g_utf8_substring(text, 0, (glong)max);
    start = g_utf8_substring(text, 0, (glong)(max - room));
    return g_strconcat(start, ellipsis, NULL);
}

char *
cvs_text_owner(const char *owner)
{
    guint64 uid = 0;
    const struct passwd *user = NULL;

    if (g_str_has_prefix(owner, "uid:") &&
        g_ascii_string_to_unsigned(owner + 4, 10, 0, G_MAXUINT32 - 1, &uid, NULL))
        user = getpwuid((uid_t)uid);
    if (user == NULL || user->pw_name == NULL)
        return g_strdup(owner);
    return g_strdup_printf("%s (%s)", owner, user->pw_name);
}

typedef struct {
    CvsStyle style;
    char **cells;
} Row;

struct _CvsTable {
    const CvsColumn *columns;
    guint n_columns;
    GPtrArray *rows;
};

static void
row_free(gpointer data)
{
    Row *row = data;

    g_strfreev(row->cells);
    g_free(row);
}

CvsTable *
cvs_table_new(const CvsColumn *columns, guint n_columns)
{
    CvsTable *table = g_new0(CvsTable, 1);

    table->columns = columns;
    table->n_columns = n_columns;
    table->rows = g_ptr_array_new_with_free_func(row_free);
    return table;
}

void
cvs_table_free(CvsTable *table)
{
    if (table == NULL)
        return;
    g_ptr_array_unref(table->rows);
    g_free(table);
}

void
cvs_table_add(CvsTable *table, CvsStyle style, const char *const *cells)
{
    Row *row = g_new0(Row, 1);

    row->style = style;
    row->cells = g_new0(char *, table->n_columns + 1);
    for (guint i = 0; i < table->n_columns; i++)
        row->cells[i] = cvs_text_safe(cells[i] ? cells[i] : "");
    g_ptr_array_add(table->rows, row);
}

/* The widths that the texts want; 0 for a column that has none. */
static void
natural_widths(const CvsTable *table, guint *widths)
{
    for (guint i = 0; i < table->n_columns; i++) {
        widths[i] = 0;
        for (guint j = 0; j < table->rows->len; j++) {
            const Row *row = g_ptr_array_index(table->rows, j);

            widths[i] = MAX(widths[i], (guint)g_utf8_strlen(row->cells[i], -1));
        }
        if (widths[i] > 0)
            widths[i] = MAX(widths[i], (guint)g_utf8_strlen(table->columns[i].title, -1));
    }
}

/* Takes from the widest column that may be cut until the row fits, or nothing is left to take. */
static void
fit_widths(const CvsTable *table, guint *widths, guint room)
{
    for (;;) {
        guint total = 0;
        guint shown = 0;
        guint widest = table->n_columns;

        for (guint i = 0; i < table->n_columns; i++) {
            total += widths[i];
            shown += widths[i] > 0;
            if (table->columns[i].min > 0 && widths[i] > table->columns[i].min &&
                (widest == table->n_columns || widths[i] > widths[widest]))
                widest = i;
        }
        if (shown == 0 || total + (shown - 1) * GAP <= room || widest == table->n_columns)
            return;
        widths[widest]--;
    }
}

static void
format_row(const CvsTable *table, const CvsOutput *output, const guint *widths,
           const char *const *cells, CvsStyle style, GString *text)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gboolean first = TRUE;

    for (guint i = 0; i < table->n_columns; i++) {
        g_autofree char *cell = NULL;
        guint pad = 0;

        if (widths[i] == 0)
            continue;
        if (!first)
            g_string_append_printf(line, "%*s", GAP, "");
        first = FALSE;
        cell = cvs_text_shorten(output, cells[i], widths[i]);
        pad = widths[i] - (guint)g_utf8_strlen(cell, -1);
        if (table->columns[i].right)
            g_string_append_printf(line, "%*s%s", (int)pad, "", cell);
        else
            g_string_append_printf(line, "%s%*s", cell, (int)pad, "");
    }
    g_strchomp(line->str);
    cvs_output_styled(output, text, style, line->str);
    g_string_append_c(text, '\n');
}

void
cvs_table_format(const CvsTable *table, const CvsOutput *output, GString *text)
{
    g_autofree guint *widths = g_new0(guint, table->n_columns);
    g_autofree const char **titles = g_new0(const char *, table->n_columns);

    natural_widths(table, widths);
    if (output->width > 0)
        fit_widths(table, widths, output->width);
    for (guint i = 0; i < table->n_columns; i++)
        titles[i] = table->columns[i].title;
    format_row(table, output, widths, titles, CVS_STYLE_BOLD, text);
    for (guint i = 0; i < table->rows->len; i++) {
        const Row *row = g_ptr_array_index(table->rows, i);

        format_row(table, output, widths, (const char *const *)row->cells, row->style, text);
    }
}

static G_DEFINE_QUARK(cvs - broken - pipe, broken_pipe)

    gboolean cvs_output_write(int fd, const char *text, GError **error)
{
    if (cvs_write_all(fd, text, strlen(text)))
        return TRUE;
    if (errno == EPIPE)
        g_set_error_literal(error, broken_pipe_quark(), 0, "nobody reads the output");
    else
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot write the output");
    return FALSE;
}

gboolean
cvs_output_is_broken_pipe(const GError *error)
{
    return error->domain == broken_pipe_quark();
}
