/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/hardening.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ESYS keeps some kilobytes of marshalling buffers on the stack; this leaves ample room. */
#define STACK_SIZE (512 * 1024)

void
cvs_hardening_prepare(void)
{
    pthread_attr_t attr;

    /* No plug-ins in this process: neither gvfs nor proxies nor settings. */
    g_setenv("GIO_USE_VFS", "local", TRUE);
    g_setenv("GIO_MODULE_DIR", "/nonexistent", TRUE);
    g_setenv("GSETTINGS_BACKEND", "memory", TRUE);
    /* Two threads that allocate little; an arena each and no more. */
    mallopt(M_ARENA_MAX, 2);
    /* Overwrites what is freed: ESYS does not wipe what it knew of a session, a PIN among it. */
    mallopt(M_PERTURB, 1);
    if (pthread_attr_init(&attr) == 0) {
        if (pthread_attr_setstacksize(&attr, STACK_SIZE) == 0)
            (void)pthread_setattr_default_np(&attr);
        pthread_attr_destroy(&attr);
    }
}

static void
raise_descriptors(void)
{
    struct rlimit limit;

    /* Each call can bring descriptors, and the default of 1024 is for programs that use select().
     */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static gboolean
lock_memory(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    /* With a finite limit, locking all future memory would make a later allocation fail. */
    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 &&
        (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY)) {
        g_warning("the limit on locked memory is finite (LimitMEMLOCK=infinity): only the secrets "
                  "themselves are locked");
        return FALSE;
    }
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) {
        g_warning("cannot lock the memory: %s", g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

gboolean
cvs_hardening_apply(void)
{
    struct rlimit no_core = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        g_warning("cannot forbid core dumps: %s", g_strerror(errno));
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    return lock_memory();
}
