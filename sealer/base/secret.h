/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A secret: bytes that are locked into memory, left out of core dumps, and wiped when the last
 * reference goes. Every key, PIN, recovery key, TPM secret and KEK lives in one; nothing else may
 * hold a copy that is not wiped by its own function.
 *
 * The pages are the secret's alone, with a page without access on either side, so that a
 * neighbour's overflow ends in a fault, as does whoever comes back to a secret that is gone: its
 * pages are unmapped, or, of small ones, closed and kept for the next. Locking (mlock) is best
 * effort: without the right to lock, cvs_secret_all_locked() says so and the daemon reports it. */

#include <glib.h>

typedef struct _CvsSecret CvsSecret;

/* A secret of size bytes (1 or more), all zero. Aborts as g_malloc() does when memory is out. */
CvsSecret *cvs_secret_new(gsize size);
/* A copy of the bytes; the caller still has to wipe his own. */
CvsSecret *cvs_secret_new_copy(const void *data, gsize size);
/* Random bytes from the kernel (getrandom). */
CvsSecret *cvs_secret_new_random(gsize size, GError **error);

CvsSecret *cvs_secret_ref(CvsSecret *secret);
/* Wipes at the last reference. NULL is allowed. */
void cvs_secret_unref(CvsSecret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsSecret, cvs_secret_unref)

guint8 *cvs_secret_data(CvsSecret *secret);
const guint8 *cvs_secret_peek(const CvsSecret *secret);
gsize cvs_secret_size(const CvsSecret *secret);
/* Shortens the secret and wipes what is cut off; size at most the present one, at least 1. */
void cvs_secret_truncate(CvsSecret *secret, gsize size);
/* Constant time in the contents; the sizes are not secret. */
gboolean cvs_secret_equal(const CvsSecret *a, const CvsSecret *b);

/* FALSE once any secret of this process could not be locked into memory. */
gboolean cvs_secret_all_locked(void);
/* How many secrets are alive in this process: a test's measure for leaks. */
guint cvs_secret_count_alive(void);

/* Overwrites memory in a way that the compiler keeps. */
void cvs_wipe(void *data, gsize size);

/* Wipes an array of this function when it returns: guint8 key[32]; CVS_WIPE_ON_RETURN(key); */
#define CVS_WIPE_ON_RETURN(array)                                                                  \
    __attribute__((cleanup(cvs_wipe_span_clear), unused))                                          \
    CvsWipeSpan wipe_of_##array = {array, sizeof array}
typedef struct {
    void *data;
    gsize size;
} CvsWipeSpan;
void cvs_wipe_span_clear(CvsWipeSpan *span);
