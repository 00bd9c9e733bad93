/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/crash-trace.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)
/* Stops a traced thread on its way, and means nothing to a program that is not stopped. */
#define WAKE_SIGNAL SIGCONT
#define SYSCALL_STOP (SIGTRAP | 0x80)

struct _Crash {
    GThread *thread;
    GMutex lock;
    GCond changed;
    gboolean attached;
    gboolean ended;
    gboolean detach; /* asked for by crash_finish() */

    pid_t pid;
    gboolean is_foreign;
    gboolean counting;
    CrashWhen when;
    guint n;
    guint n_files; /* calls that touch files below from_path */
    int error;
    char *from_path;
    GHashTable *pending; /* thread to the CrashCall it is in */
    CrashResult result;
};

void
crash_result_clear(CrashResult *result)
{
    g_clear_pointer(&result->trace, g_ptr_array_unref);
}

static Crash *
crash_new(pid_t pid, CrashWhen when, guint n, const CrashOptions *options)
{
    Crash *crash = g_new0(Crash, 1);

    g_mutex_init(&crash->lock);
    g_cond_init(&crash->changed);
    crash->pid = pid;
    crash->when = when;
    crash->n = n;
    crash->from_path = g_strdup(options ? options->from_path : NULL);
    crash->error = options ? options->error : 0;
    crash->pending = g_hash_table_new_full(NULL, NULL, NULL, crash_call_free);
    crash->result.trace = g_ptr_array_new_with_free_func(crash_call_free);
    return crash;
}

static void
tell(Crash *crash, gboolean *what)
{
    g_mutex_lock(&crash->lock);
    *what = TRUE;
    g_cond_broadcast(&crash->changed);
    g_mutex_unlock(&crash->lock);
}

static gboolean
detach_wanted(Crash *crash)
{
    gboolean wanted;

    g_mutex_lock(&crash->lock);
    wanted = crash->detach;
    g_mutex_unlock(&crash->lock);
    return wanted;
}

/* The kernel does not carry out a call at whose entry the thread is killed. */
static void
kill_it(Crash *crash)
{
    crash->result.crashed = TRUE;
    (void)kill(crash->pid, SIGKILL);
}

#if defined(__x86_64__)
gboolean
crash_can_fail(void)
{
    return TRUE;
}

/* There is no call of this number, so nothing is done; what it returns is set when it has. */
static void
skip_call(pid_t tid)
{
    struct user_regs_struct registers;

    if (ptrace(PTRACE_GETREGS, tid, NULL, &registers) == 0) {
        registers.orig_rax = (guint64)-1;
        (void)ptrace(PTRACE_SETREGS, tid, NULL, &registers);
    }
}

static void
set_result(pid_t tid, gint64 result)
{
    struct user_regs_struct registers;

    if (ptrace(PTRACE_GETREGS, tid, NULL, &registers) == 0) {
        registers.rax = (guint64)result;
        (void)ptrace(PTRACE_SETREGS, tid, NULL, &registers);
    }
}
#else
gboolean
crash_can_fail(void)
{
    return FALSE;
}

static void
skip_call(pid_t tid)
{
}

static void
set_result(pid_t tid, gint64 result)
{
}
#endif

static void
fail_if_wanted(Crash *crash, pid_t tid, CrashCall *call)
{
    if (crash->from_path && strstr(call->path, crash->from_path) == NULL)
        return;
    crash->n_files++;
    call->failed = crash->when == CRASH_FAIL && crash->n_files == crash->n;
    if (call->failed)
        skip_call(tid);
}

static void
enter_call(Crash *crash, pid_t tid, const struct __ptrace_syscall_info *info)
{
    const guint64 args[6] = {info->entry.args[0], info->entry.args[1], info->entry.args[2],
                             info->entry.args[3], info->entry.args[4], info->entry.args[5]};
    CrashCall *call = crash_call_read(tid, info->entry.nr, args);

    if (!crash->counting && crash->from_path) {
        g_autofree char *path = crash_call_path(tid, info->entry.nr, args);

        crash->counting = path && strstr(path, crash->from_path) != NULL;
    } else if (!crash->counting) {
        crash->counting = TRUE;
    }
    if (crash->counting)
        crash->result.calls++;
    if (call)
        call->number = crash->counting ? crash->result.calls : 0;
    if (call && crash->counting)
        fail_if_wanted(crash, tid, call);
    g_hash_table_replace(crash->pending, GINT_TO_POINTER(tid), call);
    if (crash->when == CRASH_BEFORE && crash->counting && crash->result.calls == crash->n)
        kill_it(crash);
}

static void
leave_call(Crash *crash, pid_t tid, const struct __ptrace_syscall_info *info)
{
    gpointer key = GINT_TO_POINTER(tid);
    CrashCall *call = g_hash_table_lookup(crash->pending, key);

    if (call) {
        (void)g_hash_table_steal(crash->pending, key);
        call->result = call->failed ? -crash->error : info->exit.rval;
        if (call->failed)
            set_result(tid, call->result);
        g_ptr_array_add(crash->result.trace, call);
    }
    /* With several threads another may have counted on since; the crash is then a little later in
     * the count, but still right behind a call. */
    if (crash->when == CRASH_AFTER && crash->counting && crash->result.calls >= crash->n)
        kill_it(crash);
}

/* What to pass on when the thread goes on. */
static int
handle_stop(Crash *crash, pid_t tid, int status)
{
    struct __ptrace_syscall_info info;

    if (WSTOPSIG(status) == SYSCALL_STOP) {
        if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0) {
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                enter_call(crash, tid, &info);
            else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
                leave_call(crash, tid, &info);
        }
        return 0;
    }
    /* Events: a new thread, an exec, a stop that we asked for. Else a signal of the program's. */
    return status >> 16 != 0 ? 0 : WSTOPSIG(status);
}

static void
seize_threads(Crash *crash)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)crash->pid);
    gboolean found = TRUE;
    g_autoptr(GHashTable) seized = g_hash_table_new(NULL, NULL);

    /* Until a pass finds nothing new: threads that start meanwhile are traced through the one that
     * starts them, or are found here. */
    while (found) {
        DIR *dir = opendir(path);
        struct dirent *entry = NULL;

        found = FALSE;
        while (dir && (entry = readdir(dir)) != NULL) {
            int tid = atoi(entry->d_name);

            if (tid > 0 && g_hash_table_add(seized, GINT_TO_POINTER(tid)) &&
                ptrace(PTRACE_SEIZE, tid, NULL, OPTIONS) == 0) {
                found = TRUE;
                (void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
            }
        }
        if (dir)
            (void)closedir(dir);
    }
}

static void
interrupt_threads(const Crash *crash)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)crash->pid);
    DIR *dir = opendir(path);
    struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir)) != NULL) {
        int tid = atoi(entry->d_name);

        if (tid > 0)
            (void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    }
    if (dir)
        (void)closedir(dir);
}

static void
trace(Crash *crash)
{
    gboolean detaching = FALSE;

    for (;;) {
        siginfo_t info = {0};
        int status = 0;
        pid_t tid;

        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        tid = info.si_pid;
        /* The end of a process that is not ours is for its parent, which may well be another
         * thread of this one. */
        if (crash->is_foreign && tid == crash->pid && info.si_code != CLD_TRAPPED &&
            info.si_code != CLD_STOPPED)
            break;
        if (waitpid(tid, &status, __WALL | __WNOTHREAD) != tid)
            continue;
        if (!WIFSTOPPED(status)) {
            if (tid == crash->pid)
                crash->result.status = status;
            continue;
        }
        if (!detaching && detach_wanted(crash)) {
            detaching = TRUE;
            crash->when = CRASH_NEVER;
            interrupt_threads(crash);
        }
        if (detaching && WSTOPSIG(status) == WAKE_SIGNAL && status >> 16 == 0)
            (void)ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
        else if (detaching && status >> 16 == PTRACE_EVENT_STOP)
            (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
        else
            (void)ptrace(PTRACE_SYSCALL, tid, NULL,
                         (void *)(guintptr)handle_stop(crash, tid, status));
    }
    tell(crash, &crash->ended);
}

static gpointer
attach_and_trace(gpointer data)
{
    Crash *crash = data;

    seize_threads(crash);
    tell(crash, &crash->attached);
    trace(crash);
    return NULL;
}

static int
open_for_child(const char *path, int flags)
{
    return open(path ? path : "/dev/null", flags | O_CLOEXEC, 0600);
}

/* Only calls that are safe between fork() and exec() in a program with threads. */
G_GNUC_NORETURN static void
run_child(const char *program, const char *const *argv, const char *const *envp, const int fds[3],
          int gate)
{
    char go;

    for (int i = 0; i < 3; i++) {
        if (dup2(fds[i], i) < 0)
            _exit(126);
    }
    while (read(gate, &go, 1) < 0 && errno == EINTR)
        ;
    execve(program, (char *const *)argv, (char *const *)envp);
    _exit(127);
}

/* A program built with AddressSanitizer looks for leaks at its end, which fails under a tracer. */
static char **
child_environment(const CrashOptions *options)
{
    char **envp = g_strdupv(options->envp ? (char **)options->envp : environ);
    const char *asan = g_environ_getenv(envp, "ASAN_OPTIONS");
    g_autofree char *value = g_strconcat(asan ? asan : "", ":detect_leaks=0", NULL);

    return g_environ_setenv(envp, "ASAN_OPTIONS", value, TRUE);
}

typedef struct {
    Crash *crash;
    const char *const *argv;
    const CrashOptions *options;
} Start;

/* In the tracing thread, so that the child is this thread's. */
static gpointer
start_and_trace(gpointer data)
{
    const Start *start = data;
    static const CrashOptions none;
    const CrashOptions *options = start->options ? start->options : &none;
    g_auto(GStrv) envp = child_environment(options);
    g_autofree char *program = g_find_program_in_path(start->argv[0]);
    const int output = O_WRONLY | O_CREAT | O_APPEND;
    CVS_AUTO_FD int in = open_for_child(options->stdin_path, O_RDONLY);
    CVS_AUTO_FD int out = open_for_child(options->stdout_path, output);
    CVS_AUTO_FD int err = open_for_child(options->stderr_path, output);
    const int fds[3] = {in, out, err};
    int gate[2];
    pid_t pid;
    int status;

    if (program == NULL || in < 0 || out < 0 || err < 0 || pipe2(gate, O_CLOEXEC) < 0)
        g_error("cannot run %s under trace: not found, or no descriptors", start->argv[0]);
    pid = fork();
    if (pid < 0)
        g_error("cannot fork: %s", g_strerror(errno));
    if (pid == 0)
        run_child(program, start->argv, (const char *const *)envp, fds, gate[0]);

    start->crash->pid = pid;
    if (ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS | PTRACE_O_EXITKILL) < 0)
        g_error("cannot trace %s: %s", program, g_strerror(errno));
    (void)cvs_write_all(gate[1], "", 1);
    (void)close(gate[0]);
    (void)close(gate[1]);
    /* What comes before the program itself is ours. */
    while (waitpid(pid, &status, __WALL | __WNOTHREAD) == pid && WIFSTOPPED(status) &&
           status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8))
        (void)ptrace(PTRACE_CONT, pid, NULL, (void *)(guintptr)WSTOPSIG(status));
    if (!WIFSTOPPED(status))
        g_error("%s cannot be executed", program);
    (void)ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    trace(start->crash);
    return NULL;
}

static CrashResult
finish(Crash *crash)
{
    CrashResult result;

    (void)g_thread_join(crash->thread);
    result = crash->result;
    g_hash_table_unref(crash->pending);
    g_mutex_clear(&crash->lock);
    g_cond_clear(&crash->changed);
    g_free(crash->from_path);
    g_free(crash);
    return result;
}

CrashResult
crash_run(const char *const *argv, CrashWhen when, guint n, const CrashOptions *options)
{
    Start start = {crash_new(0, when, n, options), argv, options};

    start.crash->thread = g_thread_new("crash", start_and_trace, &start);
    return finish(start.crash);
}

Crash *
crash_attach(pid_t pid, CrashWhen when, guint n, const CrashOptions *options)
{
    Crash *crash = crash_new(pid, when, n, options);

    crash->is_foreign = TRUE;
    crash->thread = g_thread_new("crash", attach_and_trace, crash);
    g_mutex_lock(&crash->lock);
    while (!crash->attached)
        g_cond_wait(&crash->changed, &crash->lock);
    g_mutex_unlock(&crash->lock);
    return crash;
}

gboolean
crash_wait(Crash *crash, guint timeout_ms)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    gboolean ended;

    g_mutex_lock(&crash->lock);
    while (!crash->ended && g_cond_wait_until(&crash->changed, &crash->lock, deadline))
        ;
    ended = crash->ended;
    g_mutex_unlock(&crash->lock);
    return ended;
}

CrashResult
crash_finish(Crash *crash)
{
    g_mutex_lock(&crash->lock);
    crash->detach = TRUE;
    /* A program that waits for something gives the tracer nothing to notice it by. */
    if (!crash->ended)
        (void)kill(crash->pid, WAKE_SIGNAL);
    g_mutex_unlock(&crash->lock);
    return finish(crash);
}

int
crash_find(const CrashResult *result, int from, const char *name, const char *glob)
{
    g_autoptr(GPatternSpec) pattern = g_pattern_spec_new(glob);

    for (guint i = (guint)MAX(from, 0); i < result->trace->len; i++) {
        const CrashCall *call = g_ptr_array_index(result->trace, i);
        const char *path = call->new_path ? call->new_path : call->path;

        if (call->result >= 0 && g_pattern_match_simple(name, call->name) &&
            g_pattern_spec_match_string(pattern, path))
            return (int)i;
    }
    return -1;
}

char *
crash_describe(const CrashResult *result)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < result->trace->len; i++) {
        const CrashCall *call = g_ptr_array_index(result->trace, i);

        g_string_append_printf(text, "%4u %s %s%s%s = %" G_GINT64_FORMAT "\n", call->number,
                               call->name, call->path, call->new_path ? " -> " : "",
                               call->new_path ? call->new_path : "", call->result);
    }
    return g_string_free(text, FALSE);
}

const char *
crash_is_impossible(void)
{
    static const char *const argv[] = {"true", NULL};
    static const char *why;
    static gsize once;

    if (g_once_init_enter(&once)) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
            _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            why = "this process may not trace (ptrace is refused)";
        } else {
            g_auto(CrashResult) result = crash_run(argv, CRASH_NEVER, 0, NULL);

            if (result.calls == 0)
                why = "the kernel does not tell a tracer about system calls (before Linux 5.3)";
        }
        g_once_init_leave(&once, 1);
    }
    return why;
}
