/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text for people: tables that fit the terminal, colours where they are welcome, sizes and dates.
 *
 * What comes from a key file or from the bus may hold anything, so everything that is shown goes
 * through cvs_text_safe(): no escape sequence of a stranger reaches the terminal. */

#include <glib.h>

/* Where text goes and what that place can show. */
typedef struct {
    gboolean tty;
    gboolean colour; /* a tty, NO_COLOR not set, TERM not "dumb" */
    gboolean utf8;   /* the locale's charset */
    guint width;     /* columns; 0: no limit, which is so where it is not a tty */
} CvsOutput;

/* Looks at a descriptor and the environment (NO_COLOR, TERM, COLUMNS). */
void cvs_output_init(CvsOutput *output, int fd);

typedef enum {
    CVS_STYLE_PLAIN,
    CVS_STYLE_BOLD,
    CVS_STYLE_DIM,
    CVS_STYLE_GOOD,
    CVS_STYLE_WARN,
    CVS_STYLE_BAD,
} CvsStyle;

/* The text in that style, or just the text where there is no colour. Appends. */
void cvs_output_styled(const CvsOutput *output, GString *text, CvsStyle style, const char *words);
/* Characters beyond ASCII, or what stands for them where the locale has them not. */
const char *cvs_output_ellipsis(const CvsOutput *output);
const char *cvs_output_mark(const CvsOutput *output, gboolean good);

/* Valid UTF-8 without control, format and line-separating characters: each such character (and each
 * byte that is not UTF-8) becomes "\xNN" of its bytes. */
char *cvs_text_safe(const char *text);
/* "32 B", "1.5 KiB", "64 KiB" */
char *cvs_text_size(guint64 size);
/* Short, for a list: "today 14:02", "yesterday 09:15", "Nov 20 09:15", "2025-11-20". Seconds since
 * 1970, in the zone. */
char *cvs_text_date(gint64 when, gint64 now, GTimeZone *zone);
/* Long: "2026-11-22 21:40:22 +0000 (3 minutes ago)" */
char *cvs_text_date_long(gint64 when, gint64 now, GTimeZone *zone);
/* At most max characters, the ellipsis included. */
char *cvs_text_shorten(const CvsOutput *output, const char *text, guint max);
/* "uid:1000 (alice)" where the user has a name. */
char *cvs_text_owner(const char *owner);

/* A table. A column without any text in its cells is left out. */
typedef struct {
    const char *title;
    gboolean right; /* adjusted to the right */
    guint min;      /* how far it may be cut where the terminal is narrow; 0: never */
} CvsColumn;

typedef struct _CvsTable CvsTable;
/* The columns must outlive the table. */
CvsTable *cvs_table_new(const CvsColumn *columns, guint n_columns);
void cvs_table_free(CvsTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTable, cvs_table_free)
/* One text a column, NULL for none; made safe and copied. */
void cvs_table_add(CvsTable *table, CvsStyle style, const char *const *cells);
/* Appends title and rows, each ended by a newline. */
void cvs_table_format(const CvsTable *table, const CvsOutput *output, GString *text);

/* Writes all of the text to the descriptor. Failed with the system's words; EPIPE is told from the
 * others by cvs_output_is_broken_pipe(). */
gboolean cvs_output_write(int fd, const char *text, GError **error);
gboolean cvs_output_is_broken_pipe(const GError *error);
