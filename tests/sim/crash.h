/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Kills a program at each of its system calls in turn, and tells which calls it made on which
 * files.
 *
 * A program is traced with all its threads and one counter over them; processes that it starts are
 * not. A crash is SIGKILL for the whole process, before the call is carried out or when it has
 * been. As a rule a test runs with n = 1, 2, … until a run ends without a crash, and looks at what
 * is left each time. With threads that race, calls are not equally many each time: such a test goes
 * on until a number of runs in all ended without a crash.
 *
 * In place of a crash a call can be made to fail.
 *
 * A thread of its own traces, so that neither other children of the test nor its own waiting come
 * into the way. */

#include <glib.h>
#include <sys/types.h>

typedef enum {
    CRASH_NEVER,
    CRASH_BEFORE,
    CRASH_AFTER,
    /* No crash: the n-th of the calls that touch files (CrashCall) below from_path is not carried
     * out and fails. Only where crash_can_fail(). */
    CRASH_FAIL,
} CrashWhen;

typedef struct {
    /* Counting starts with the first call that names a path with this in it (NULL: at once), so
     * that a program need not be killed at every call of its loader. */
    const char *from_path;
    const char *const *envp;                            /* NULL: as ours */
    const char *stdin_path, *stdout_path, *stderr_path; /* NULL: /dev/null */
    int error;                                          /* of CRASH_FAIL: an errno */
} CrashOptions;

/* A call that touches files, when it returned. */
typedef struct {
    const char *name; /* openat write pwrite64 fsync fdatasync rename renameat renameat2 unlink
                       * unlinkat mkdir mkdirat ftruncate linkat */
    char *path;      /* whole, as far as its folder is known; of a descriptor, what it is open on */
    char *new_path;  /* of a rename or link; else NULL */
    gint64 result;   /* negative: -errno */
    guint number;    /* in the count; 0 before counting started */
    gboolean failed; /* by CRASH_FAIL */
} CrashCall;

typedef struct {
    gboolean crashed;
    guint calls; /* counted */
    int status;  /* as of waitpid(); of crash_attach(): 0, since the end is its parent's to see */
    GPtrArray *trace; /* CrashCall */
} CrashResult;

void crash_result_clear(CrashResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CrashResult, crash_result_clear)

/* FALSE on a machine whose registers we do not know. */
gboolean crash_can_fail(void);
/* NULL if this machine lets us trace; else why not, for a skip. */
const char *crash_is_impossible(void);

/* Runs argv (its first looked for in PATH) to its end or its crash. options may be NULL. */
CrashResult crash_run(const char *const *argv, CrashWhen when, guint n,
                      const CrashOptions *options);

/* The same for a process that runs already, from now on; of the options only from_path counts.
 * Returns when all its threads are traced. */
typedef struct _Crash Crash;
Crash *crash_attach(pid_t pid, CrashWhen when, guint n, const CrashOptions *options);
/* Waits until the process has crashed or ended; FALSE after the time. */
gboolean crash_wait(Crash *crash, guint timeout_ms);
/* Lets go of the process if it lives, and frees. */
CrashResult crash_finish(Crash *crash);

/* The index of the first successful call at or behind the index from, whose name matches the glob
 * name ("rename*": the C library chooses among three) and whose path (new_path, if there is one)
 * matches the glob; -1 if there is none. */
int crash_find(const CrashResult *result, int from, const char *name, const char *glob);
/* One call a line, for a message. */
char *crash_describe(const CrashResult *result);
