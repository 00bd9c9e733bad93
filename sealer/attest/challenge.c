/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/challenge.h"
#include "base/error.h"
#include "base/writer.h"
#include "tpm/ak-public.h"

#include <openssl/rand.h>
#include <string.h>

#define DOMAIN_ANSWER "cvmseal challenge answer 1"
#define TYPE_CHALLENGE "cvmseal-challenge"
#define TYPE_RECORD "cvmseal-challenge-answer"
#define VERSION 1
#define SECRET_SIZE 32
/* TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET with the largest hash and RSA-4096 (Part 2, 12.4.3 and
 * 11.4.33). */
#define ID_OBJECT_MAX 256
#define ENCRYPTED_MAX 640

static const char what_challenge[] = "the challenge";
static const char what_record[] = "the challenge's answer";

void
cvs_challenge_free(CvsChallenge *challenge)
{
    if (challenge == NULL)
        return;
    g_bytes_unref(challenge->nonce);
    cvs_credential_clear(&challenge->credential);
    g_free(challenge);
}

void
cvs_challenge_record_free(CvsChallengeRecord *record)
{
    if (record == NULL)
        return;
    g_bytes_unref(record->nonce);
    g_free(record);
}

void
cvs_challenge_compute_answer(const CvsChallenge *challenge, const CvsSecret *secret,
                             guint8 ret_answer[static CVS_CHALLENGE_ANSWER_SIZE])
{
    gsize size = 0;
    const void *nonce = g_bytes_get_data(challenge->nonce, &size);
    g_auto(CvsWriter) writer = {0};

    cvs_writer_init(&writer);
    cvs_writer_field_string(&writer, DOMAIN_ANSWER);
    cvs_writer_field(&writer, nonce, size);
    cvs_writer_field(&writer, challenge->ek_name.bytes, challenge->ek_name.size);
    cvs_writer_field(&writer, challenge->ak_name.bytes, challenge->ak_name.size);
    cvs_hmac(CVS_SHA256, cvs_secret_peek(secret), cvs_secret_size(secret), cvs_writer_data(&writer),
             cvs_writer_size(&writer), ret_answer);
}

static gboolean
check_keys(const CvsEvidenceBundle *bundle, GError **error)
{
    const char *lack = cvs_ak_lacks(bundle->ak);
    GError *unfit = NULL;

    if (bundle->ek == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "the evidence names no endorsement key to which a challenge could be "
                            "made");
        return FALSE;
    }
    if (lack == NULL)
        return TRUE;
    unfit = g_error_new(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                        "no answer would say anything of the attestation key: %s", lack);
    cvs_error_add_reason(unfit, CVS_REASON_AK_UNFIT, NULL, NULL, "%s", lack);
    g_propagate_error(error, unfit);
    return FALSE;
}

gboolean
cvs_challenge_make(const CvsEvidenceBundle *bundle, CvsChallenge **ret_challenge,
                   CvsChallengeRecord **ret_record, GError **error)
{
    g_autoptr(CvsChallenge) challenge = g_new0(CvsChallenge, 1);
    g_autoptr(CvsChallengeRecord) record = g_new0(CvsChallengeRecord, 1);
    g_autoptr(CvsSecret) secret = NULL;
    guint8 nonce[CVS_CHALLENGE_NONCE_SIZE], answer[CVS_CHALLENGE_ANSWER_SIZE];

    CVS_WIPE_ON_RETURN(answer);

    if (!check_keys(bundle, error))
        return FALSE;
    if (RAND_bytes(nonce, sizeof nonce) != 1) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "no random numbers for a nonce");
        return FALSE;
    }
    secret = cvs_secret_new_random(SECRET_SIZE, error);
    if (secret == NULL ||
        !cvs_credential_make(bundle->ek, &bundle->ak->name, secret, &challenge->credential, error))
        return FALSE;
    challenge->nonce = g_bytes_new(nonce, sizeof nonce);
    challenge->ek_name = bundle->ek->name;
    challenge->ak_name = bundle->ak->name;
    cvs_challenge_compute_answer(challenge, secret, answer);
    record->nonce = g_bytes_ref(challenge->nonce);
    record->ek_name = challenge->ek_name;
    record->ak_name = challenge->ak_name;
    cvs_hash_bytes(CVS_SHA256, answer, sizeof answer, record->answer_sha256);
    *ret_challenge = g_steal_pointer(&challenge);
    *ret_record = g_steal_pointer(&record);
    return TRUE;
}

gboolean
cvs_challenge_check(const CvsChallengeRecord *record, const CvsEvidenceBundle *bundle,
                    GError *refusal)
{
    const char *fault = NULL;
    guint8 digest[32];

    if (bundle->answer == NULL) {
        fault = "the evidence answers no challenge";
    } else if (!g_bytes_equal(bundle->nonce, record->nonce)) {
        fault = "the evidence answers another challenge: it is an old one, or was made for others";
    } else if (bundle->ek == NULL || !cvs_name_equal(&bundle->ek->name, &record->ek_name) ||
               !cvs_name_equal(&bundle->ak->name, &record->ak_name)) {
        fault = "the evidence has other keys than those that were challenged";
    } else {
        cvs_hash_bytes(CVS_SHA256, g_bytes_get_data(bundle->answer, NULL),
                       g_bytes_get_size(bundle->answer), digest);
        if (cvs_equal_bytes(digest, record->answer_sha256, sizeof digest))
            return TRUE;
        fault = "the answer is wrong: the TPM with this endorsement key has not given it";
    }
    cvs_error_add_reason(refusal, CVS_REASON_CHALLENGE_UNANSWERED, NULL, NULL, "%s", fault);
    return FALSE;
}

static json_t *
parse(const void *data, gsize size, const char *type, const char *what, GError **error)
{
    g_autoptr(json_t) root = NULL;

    if (size > CVS_CHALLENGE_SIZE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s: more than %u bytes", what,
                    CVS_CHALLENGE_SIZE_MAX);
        return NULL;
    }
    root = cvs_json_parse(data, size, what, error);
    return root && cvs_json_check_head(root, type, VERSION, what, error) ? g_steal_pointer(&root)
                                                                         : NULL;
}

/* What both files begin with. */
static gboolean
read_subject(const json_t *root, const char *what, GBytes **ret_nonce, CvsName *ret_ek,
             CvsName *ret_ak, GError **error)
{
    *ret_nonce = cvs_json_get_bytes(root, "nonce", 1, CVS_BUNDLE_NONCE_MAX, what, error);
    return *ret_nonce && cvs_name_from_json(root, "ek_name", what, ret_ek, error) &&
           cvs_name_from_json(root, "ak_name", what, ret_ak, error);
}

CvsChallenge *
cvs_challenge_parse(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsChallenge) challenge = g_new0(CvsChallenge, 1);
    g_autoptr(json_t) root = parse(data, size, TYPE_CHALLENGE, what_challenge, error);

    if (root == NULL ||
        !cvs_json_only(root, what_challenge, error, "type", "version", "nonce", "ek_name",
                       "ak_name", "credential", "secret", NULL) ||
        !read_subject(root, what_challenge, &challenge->nonce, &challenge->ek_name,
                      &challenge->ak_name, error))
        return NULL;
    challenge->credential.id_object =
        cvs_json_get_bytes(root, "credential", 1, ID_OBJECT_MAX, what_challenge, error);
    if (challenge->credential.id_object == NULL)
        return NULL;
    challenge->credential.encrypted_secret =
        cvs_json_get_bytes(root, "secret", 1, ENCRYPTED_MAX, what_challenge, error);
    return challenge->credential.encrypted_secret ? g_steal_pointer(&challenge) : NULL;
}

CvsChallengeRecord *
cvs_challenge_record_parse(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsChallengeRecord) record = g_new0(CvsChallengeRecord, 1);
    g_autoptr(json_t) root = parse(data, size, TYPE_RECORD, what_record, error);
    g_autoptr(GBytes) digest = NULL;

    if (root == NULL ||
        !cvs_json_only(root, what_record, error, "type", "version", "nonce", "ek_name", "ak_name",
                       "answer_sha256", NULL) ||
        !read_subject(root, what_record, &record->nonce, &record->ek_name, &record->ak_name, error))
        return NULL;
    digest = cvs_json_get_bytes(root, "answer_sha256", sizeof record->answer_sha256,
                                sizeof record->answer_sha256, what_record, error);
    if (digest == NULL)
        return NULL;
    memcpy(record->answer_sha256, g_bytes_get_data(digest, NULL), sizeof record->answer_sha256);
    return g_steal_pointer(&record);
}

static void
set_bytes(json_t *root, const char *name, GBytes *bytes)
{
    cvs_json_set_bytes(root, name, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static json_t *
format(const char *type, GBytes *nonce, const CvsName *ek, const CvsName *ak)
{
    json_t *root = json_pack("{s:s, s:i}", "type", type, "version", VERSION);

    set_bytes(root, "nonce", nonce);
    cvs_json_set_bytes(root, "ek_name", ek->bytes, ek->size);
    cvs_json_set_bytes(root, "ak_name", ak->bytes, ak->size);
    return root;
}

static char *
to_text(const json_t *root)
{
    g_autofree char *text = cvs_json_pretty(root);

    return g_str_has_suffix(text, "\n") ? g_steal_pointer(&text) : g_strconcat(text, "\n", NULL);
}

char *
cvs_challenge_format(const CvsChallenge *challenge)
{
    g_autoptr(json_t) root =
        format(TYPE_CHALLENGE, challenge->nonce, &challenge->ek_name, &challenge->ak_name);

    set_bytes(root, "credential", challenge->credential.id_object);
    set_bytes(root, "secret", challenge->credential.encrypted_secret);
    return to_text(root);
}

char *
cvs_challenge_record_format(const CvsChallengeRecord *record)
{
    g_autoptr(json_t) root = format(TYPE_RECORD, record->nonce, &record->ek_name, &record->ak_name);

    cvs_json_set_bytes(root, "answer_sha256", record->answer_sha256, sizeof record->answer_sha256);
    return to_text(root);
}
