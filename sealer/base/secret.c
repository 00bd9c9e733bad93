/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/secret.h"
#include "base/error.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

struct _CvsSecret {
    gatomicrefcount refs;
    guint8 *data; /* at the start of its own pages, between two that nobody may touch */
    gsize size;
    gsize mapped; /* without those two */
};

static gint some_unlocked;
static gint alive;

/* Mappings of one page that are wiped and closed to everybody, for the next secret: making one
 * costs more than most of what is done with it. */
#define SPARE_MAX 16
static GMutex spare_mutex;
static guint8 *spare[SPARE_MAX];
static guint n_spare;

static gsize
page_size(void)
{
    return (gsize)sysconf(_SC_PAGESIZE);
}

/* What a forked child inherits is not locked. */
static void
forget_spare(void)
{
    g_mutex_init(&spare_mutex);
    n_spare = 0;
}

static guint8 *
take_spare(void)
{
    guint8 *data = NULL;

    g_mutex_lock(&spare_mutex);
    if (n_spare > 0)
        data = spare[--n_spare];
    g_mutex_unlock(&spare_mutex);
    return data;
}

/* FALSE if there are enough, or if the page cannot be closed. */
static gboolean
keep_spare(guint8 *data)
{
    static gsize once;
    gboolean kept = FALSE;

    if (g_once_init_enter(&once)) {
        (void)pthread_atfork(NULL, NULL, forget_spare);
        g_once_init_leave(&once, 1);
    }
    if (mprotect(data, page_size(), PROT_NONE) < 0)
        return FALSE;
    g_mutex_lock(&spare_mutex);
    if (n_spare < SPARE_MAX) {
        spare[n_spare++] = data;
        kept = TRUE;
    }
    g_mutex_unlock(&spare_mutex);
    return kept;
}

/* Pages without access, between two that stay so: the kernel puts mappings side by side, and only
 * that keeps neighbours apart. */
static guint8 *
map(gsize size)
{
    const gsize page = page_size();
    guint8 *mapping = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapping == MAP_FAILED)
        return NULL;
    /* Neither in a core dump nor in a forked child. */
    (void)madvise(mapping + page, size, MADV_DONTDUMP);
    (void)madvise(mapping + page, size, MADV_WIPEONFORK);
    return mapping + page;
}

CvsSecret *
cvs_secret_new(gsize size)
{
    CvsSecret *secret = NULL;
    const gsize page = page_size();
    gboolean is_spare = FALSE;

    g_return_val_if_fail(size > 0 && size <= G_MAXSSIZE - 4 * page, NULL);

    secret = g_new0(CvsSecret, 1);
    g_atomic_ref_count_init(&secret->refs);
    secret->size = size;
    secret->mapped = (size + page - 1) / page * page;
    secret->data = secret->mapped == page ? take_spare() : NULL;
    is_spare = secret->data != NULL;
    if (!is_spare)
        secret->data = map(secret->mapped);
    if (secret->data == NULL || mprotect(secret->data, secret->mapped, PROT_READ | PROT_WRITE) < 0)
        g_error("out of memory for a secret of %zu bytes", size);
    /* A spare one is locked already. */
    if (!is_spare && mlock(secret->data, secret->mapped) < 0)
        g_atomic_int_set(&some_unlocked, 1);
    g_atomic_int_inc(&alive);
    return secret;
}

CvsSecret *
cvs_secret_new_copy(const void *data, gsize size)
{
    CvsSecret *secret = cvs_secret_new(size);

    memcpy(secret->data, data, size);
    return secret;
}

CvsSecret *
cvs_secret_new_random(gsize size, GError **error)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new(size);
    gsize done = 0;

    while (done < size) {
        gssize n = getrandom(secret->data + done, size - done, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "the kernel gives no random bytes");
            return NULL;
        }
        done += (gsize)n;
    }
    return g_steal_pointer(&secret);
}

CvsSecret *
cvs_secret_ref(CvsSecret *secret)
{
    g_atomic_ref_count_inc(&secret->refs);
    return secret;
}

void
cvs_secret_unref(CvsSecret *secret)
{
    if (secret == NULL || !g_atomic_ref_count_dec(&secret->refs))
        return;
    cvs_wipe(secret->data, secret->mapped);
    if (secret->mapped > page_size() || !keep_spare(secret->data))
        (void)munmap(secret->data - page_size(), secret->mapped + 2 * page_size());
    g_free(secret);
    (void)g_atomic_int_dec_and_test(&alive);
}

guint8 *
cvs_secret_data(CvsSecret *secret)
{
    return secret->data;
}

const guint8 *
cvs_secret_peek(const CvsSecret *secret)
{
    return secret->data;
}

gsize
cvs_secret_size(const CvsSecret *secret)
{
    return secret->size;
}

void
cvs_secret_truncate(CvsSecret *secret, gsize size)
{
    g_return_if_fail(size > 0 && size <= secret->size);

    cvs_wipe(secret->data + size, secret->size - size);
    secret->size = size;
}

gboolean
cvs_secret_equal(const CvsSecret *a, const CvsSecret *b)
{
    return a->size == b->size && CRYPTO_memcmp(a->data, b->data, a->size) == 0;
}

gboolean
cvs_secret_all_locked(void)
{
    return g_atomic_int_get(&some_unlocked) == 0;
}

guint
cvs_secret_count_alive(void)
{
    return (guint)g_atomic_int_get(&alive);
}

void
cvs_wipe(void *data, gsize size)
{
    if (size > 0)
        explicit_bzero(data, size);
}

void
cvs_wipe_span_clear(CvsWipeSpan *span)
{
    cvs_wipe(span->data, span->size);
}
