/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/tee-keys.h"
#include "base/error.h"

#include <string.h>

struct _CvsTeeAsker {
    gatomicrefcount refs; /* the owner's, the requests' and those of questions */
    CvsTeeSource *source;
    guint timeout_ms;
    gboolean threaded;
    GMutex mutex;
    /* under the mutex */
    gboolean asking; /* there is a thread */
    CvsErrandFunc back;
    gpointer back_data;
};

/* With its answer. */
typedef struct {
    CvsTeeAsker *asker;
    gboolean anew;
    CvsTeeKeyParams params; /* of a new key: once there is one */
    CvsSecret *key;
    GError *error;
} Question;

typedef struct {
    gboolean anew;
    CvsTeeKeyParams params;
    CvsErrand *errand; /* with a Question */
} Asked;

struct _CvsTeeKeys {
    CvsTeeAsker *asker;
    GPtrArray *asked;
};

CvsTeeAsker *
cvs_tee_asker_new(CvsTeeSource *source, guint timeout_ms, CvsErrandFunc back, gpointer back_data)
{
    CvsTeeAsker *asker = g_new0(CvsTeeAsker, 1);

    g_atomic_ref_count_init(&asker->refs);
    g_mutex_init(&asker->mutex);
    asker->source = cvs_tee_source_ref(source);
    asker->timeout_ms = timeout_ms;
    asker->threaded = back != NULL;
    asker->back = back;
    asker->back_data = back_data;
    return asker;
}

static CvsTeeAsker *
asker_ref(CvsTeeAsker *asker)
{
    g_atomic_ref_count_inc(&asker->refs);
    return asker;
}

static void
asker_unref(CvsTeeAsker *asker)
{
    if (!g_atomic_ref_count_dec(&asker->refs))
        return;
    cvs_tee_source_free(asker->source);
    g_mutex_clear(&asker->mutex);
    g_free(asker);
}

void
cvs_tee_asker_free(CvsTeeAsker *asker)
{
    if (asker == NULL)
        return;
    g_mutex_lock(&asker->mutex);
    asker->back = NULL;
    g_mutex_unlock(&asker->mutex);
    asker_unref(asker);
}

static void
set_asking(CvsTeeAsker *asker, gboolean asking)
{
    g_mutex_lock(&asker->mutex);
    asker->asking = asking;
    g_mutex_unlock(&asker->mutex);
}

/* FALSE: a thread asks already. */
static gboolean
take_turn(CvsTeeAsker *asker)
{
    gboolean free_now = FALSE;

    g_mutex_lock(&asker->mutex);
    free_now = !asker->asking;
    asker->asking = TRUE;
    g_mutex_unlock(&asker->mutex);
    return free_now;
}

/* In the thread. */
static void
on_back(gpointer data)
{
    CvsTeeAsker *asker = data;

    g_mutex_lock(&asker->mutex);
    if (asker->back)
        asker->back(asker->back_data);
    g_mutex_unlock(&asker->mutex);
}

static void
question_free(gpointer data)
{
    Question *question = data;

    g_clear_pointer(&question->key, cvs_secret_unref);
    g_clear_error(&question->error);
    asker_unref(question->asker);
    g_free(question);
}

static void
ask(gpointer data)
{
    Question *question = data;
    CvsTeeAsker *asker = question->asker;

    question->key = question->anew ? cvs_tee_key_new(asker->source, asker->timeout_ms,
                                                     &question->params, &question->error)
                                   : cvs_tee_key_derive(asker->source, &question->params,
                                                        asker->timeout_ms, &question->error);
    set_asking(asker, FALSE);
}

static void
asked_free(gpointer data)
{
    Asked *asked = data;

    cvs_errand_unref(asked->errand);
    g_free(asked);
}

CvsTeeKeys *
cvs_tee_keys_new(CvsTeeAsker *asker)
{
    CvsTeeKeys *keys = g_new0(CvsTeeKeys, 1);

    keys->asker = asker_ref(asker);
    keys->asked = g_ptr_array_new_with_free_func(asked_free);
    return keys;
}

void
cvs_tee_keys_free(CvsTeeKeys *keys)
{
    if (keys == NULL)
        return;
    g_ptr_array_unref(keys->asked);
    asker_unref(keys->asker);
    g_free(keys);
}

static gboolean
under_way(GError **error)
{
    GError *busy = g_error_new_literal(CVS_ERROR, CVS_ERROR_BUSY,
                                       "the TEE has been asked for the key that it derives, and "
                                       "the host has not let it answer yet; try again");

    cvs_error_add_reason(busy, CVS_REASON_ATTESTATION_UNDER_WAY, NULL, NULL, "%s", busy->message);
    g_propagate_error(error, busy);
    return FALSE;
}

static gboolean
send_out(CvsTeeKeys *keys, Asked *asked, GError **error)
{
    CvsTeeAsker *asker = keys->asker;
    const CvsErrandKind kind = {ask, question_free, asker->threaded ? on_back : NULL, asker};
    Question *question = NULL;

    if (!take_turn(asker))
        return under_way(error);
    question = g_new0(Question, 1);
    question->asker = asker_ref(asker);
    question->anew = asked->anew;
    question->params = asked->params;
    asked->errand = cvs_errand_new(&kind, question, error);
    if (asked->errand == NULL)
        set_asking(asker, FALSE);
    return asked->errand != NULL;
}

/* What a key is derived from; whether it is the one that was meant is another question. */
static gboolean
is_same(const CvsTeeKeyParams *a, const CvsTeeKeyParams *b)
{
    return g_strcmp0(a->algorithm, b->algorithm) == 0 && a->vmpl == b->vmpl &&
           memcmp(a->tcb, b->tcb, sizeof a->tcb) == 0;
}

/* params NULL: a new key. */
static Asked *
find(const CvsTeeKeys *keys, const CvsTeeKeyParams *params)
{
    for (guint i = 0; i < keys->asked->len; i++) {
        Asked *asked = g_ptr_array_index(keys->asked, i);

        if (asked->anew == (params == NULL) && (params == NULL || is_same(&asked->params, params)))
            return asked;
    }
    return NULL;
}

/* The answer, with a key. */
static const Question *
get_answer(CvsTeeKeys *keys, const CvsTeeKeyParams *params, GError **error)
{
    Asked *asked = find(keys, params);
    const Question *question = NULL;

    if (asked == NULL) {
        asked = g_new0(Asked, 1);
        asked->anew = params == NULL;
        if (params)
            asked->params = *params;
        if (!send_out(keys, asked, error)) {
            asked_free(asked);
            return NULL;
        }
        g_ptr_array_add(keys->asked, asked);
    }
    question = cvs_errand_get(asked->errand);
    if (question == NULL) {
        (void)under_way(error);
        return NULL;
    }
    if (question->key)
        return question;
    g_propagate_error(error, g_error_copy(question->error));
    /* It was not asked: another program was. */
    if (g_error_matches(question->error, CVS_ERROR, CVS_ERROR_BUSY))
        (void)g_ptr_array_remove(keys->asked, asked);
    return NULL;
}

CvsSecret *
cvs_tee_keys_make(CvsTeeKeys *keys, CvsTeeKeyParams *ret_params, GError **error)
{
    const Question *question = get_answer(keys, NULL, error);

    if (question == NULL)
        return NULL;
    *ret_params = question->params;
    return cvs_secret_ref(question->key);
}

CvsSecret *
cvs_tee_keys_derive(CvsTeeKeys *keys, const CvsTeeKeyParams *params, GError **error)
{
    const Question *question = get_answer(keys, params, error);

    return question && cvs_tee_key_check(question->key, params, error)
               ? cvs_secret_ref(question->key)
               : NULL;
}
