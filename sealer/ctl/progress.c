/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/progress.h"
#include "base/file.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

struct _CvsProgress {
    char *what;
    GThread *thread; /* NULL where nobody would see it */
    GMutex mutex;
    GCond cond;
    gboolean done;
};

static void
say(const char *text)
{
    /* A terminal that went away is no reason to fail. */
    (void)cvs_write_all(STDERR_FILENO, text, strlen(text));
}

static gpointer
show(gpointer data)
{
    CvsProgress *progress = data;
    gint64 start = g_get_monotonic_time();
    gint64 next = start + G_TIME_SPAN_SECOND;
    gboolean shown = FALSE;

    g_mutex_lock(&progress->mutex);
    while (!progress->done) {
        if (g_cond_wait_until(&progress->cond, &progress->mutex, next))
            continue;
        if (!progress->done) {
            g_autofree char *line =
                g_strdup_printf("\r\033[K%s ... %d s", progress->what,
                                (int)((g_get_monotonic_time() - start) / G_TIME_SPAN_SECOND));

            say(line);
            shown = TRUE;
        }
        next += G_TIME_SPAN_SECOND;
    }
    g_mutex_unlock(&progress->mutex);
    if (shown)
        say("\r\033[K");
    return NULL;
}

CvsProgress *
cvs_progress_start(const char *format, ...)
{
    CvsProgress *progress = g_new0(CvsProgress, 1);
    va_list args;

    va_start(args, format);
    progress->what = g_strdup_vprintf(format, args);
    va_end(args);
    g_mutex_init(&progress->mutex);
    g_cond_init(&progress->cond);
    if (isatty(STDERR_FILENO))
        progress->thread = g_thread_new("progress", show, progress);
    return progress;
}

void
cvs_progress_silence(CvsProgress *progress)
{
    if (progress->thread == NULL)
        return;
    g_mutex_lock(&progress->mutex);
    progress->done = TRUE;
    g_cond_signal(&progress->cond);
    g_mutex_unlock(&progress->mutex);
    (void)g_thread_join(g_steal_pointer(&progress->thread));
}

void
cvs_progress_stop(CvsProgress *progress)
{
    if (progress == NULL)
        return;
    cvs_progress_silence(progress);
    g_mutex_clear(&progress->mutex);
    g_cond_clear(&progress->cond);
    g_free(progress->what);
    g_free(progress);
}
