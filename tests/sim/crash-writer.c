/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program that test-crash.c kills: writes a file in a folder as the vault does.
 *
 * crash-writer [--thread] [--wait] FOLDER NAME CONTENT [create|replace|remove]
 * --thread: in a thread beside one that is busy. --wait: once for each byte on stdin, each answered
 * with a byte on stdout. */

#include "base/error.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *folder;
    const char *name;
    const char *content;
    const char *how;
} Job;

static gpointer
work(gpointer data)
{
    const Job *job = data;
    g_autoptr(GError) error = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(job->folder, FALSE, 0, &error);
    gboolean ok = dir >= 0;

    if (ok && g_str_equal(job->how, "remove"))
        ok = cvs_file_remove(dir, job->name, &error);
    else if (ok)
        ok = cvs_file_write(dir, job->name, job->content, strlen(job->content), 0600,
                            g_str_equal(job->how, "create") ? CVS_WRITE_CREATE : CVS_WRITE_REPLACE,
                            &error);
    if (!ok)
        g_printerr("crash-writer: %s\n", error->message);
    return GINT_TO_POINTER(ok);
}

int
main(int argc, char **argv)
{
    gboolean thread = FALSE, wait = FALSE, ok = TRUE;
    Job job;
    int i = 1;
    char byte;

    for (; i < argc && argv[i][0] == '-'; i++) {
        thread |= strcmp(argv[i], "--thread") == 0;
        wait |= strcmp(argv[i], "--wait") == 0;
    }
    if (argc - i < 3)
        return 2;
    job = (Job){argv[i], argv[i + 1], argv[i + 2], argc - i > 3 ? argv[i + 3] : "replace"};

    while (wait && read(STDIN_FILENO, &byte, 1) == 1) {
        ok = ok && work(&job);
        if (write(STDOUT_FILENO, ok ? "+" : "-", 1) != 1)
            return 1;
    }
    if (wait)
        return ok ? 0 : 1;
    if (thread) {
        GThread *worker = g_thread_new("worker", work, &job);

        for (int n = 0; n < 50; n++)
            (void)getppid();
        return g_thread_join(worker) ? 0 : 1;
    }
    return work(&job) ? 0 : 1;
}
