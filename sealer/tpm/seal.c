/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/seal.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/reader.h"
#include "tpm/policy-element.h"
#include "tpm/rc.h"
#include "tpm/sealed-public.h"
#include "tpm/session.h"
#include "tpm/srk.h"
#include "tpm/wire.h"

#include <string.h>
#include <tss2/tss2_mu.h>

/* How often a policy is run again because some PCR was extended before Unseal. */
#define PCR_CHANGES_MAX 30

void
cvs_sealed_object_clear(CvsSealedObject *object)
{
    g_clear_pointer(&object->srk_name, g_bytes_unref);
    g_clear_pointer(&object->public_area, g_bytes_unref);
    g_clear_pointer(&object->private_area, g_bytes_unref);
}

/* The digest, not the PIN: a TPM bounds the length of an auth value, and drops zeros at its end. */
static void
auth_from_pin(const CvsSecret *pin, TPM2B_AUTH *ret_auth)
{
    *ret_auth = (TPM2B_AUTH){0};
    if (pin == NULL)
        return;
    ret_auth->size = 32;
    cvs_hash_bytes(CVS_SHA256, cvs_secret_peek(pin), cvs_secret_size(pin), ret_auth->buffer);
}

static gboolean
srk_has_password(TSS2_RC rc)
{
    return cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL || cvs_rc_base(rc) == TPM2_RC_BAD_AUTH;
}

static gboolean
fail_for_srk_password(CvsTpm *tpm, TSS2_RC rc, GError **error)
{
    tpm->last_rc = rc;
    g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                "the storage root key at 0x%x has a password: it must be usable without",
                CVS_TPM_SRK_HANDLE);
    return FALSE;
}

typedef struct {
    const CvsPolicy *policy;
    const CvsSecret *secret;
    const CvsSecret *pin;
    CvsSealedObject object;
} Sealing;

static gboolean
take_created(CvsTpm *tpm, const guint8 *policy, gboolean with_pin, const TPM2B_PUBLIC *public_area,
             const TPM2B_PRIVATE *private_area, CvsSealedObject *ret_object, GError **error)
{
    guint8 public_bytes[sizeof(TPM2B_PUBLIC)], private_bytes[sizeof(TPM2B_PRIVATE)];
    gsize public_size = 0, private_size = 0;
    TPM2B_PUBLIC parsed = {0};

    if (Tss2_MU_TPM2B_PUBLIC_Marshal(public_area, public_bytes, sizeof public_bytes,
                                     &public_size) != TSS2_RC_SUCCESS ||
        Tss2_MU_TPM2B_PRIVATE_Marshal(private_area, private_bytes, sizeof private_bytes,
                                      &private_size) != TSS2_RC_SUCCESS ||
        !cvs_sealed_public_parse(public_bytes, public_size, policy, with_pin, &parsed, NULL))
        return cvs_tpm_nonsense(tpm, "sealing", error);
    ret_object->srk_name = g_bytes_ref(tpm->srk_name);
    ret_object->public_area = g_bytes_new(public_bytes, public_size);
    ret_object->private_area = g_bytes_new(private_bytes, private_size);
    return TRUE;
}

static gboolean
seal_step(CvsTpm *tpm, gpointer data, GError **error)
{
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcrs = {0};
    Sealing *sealing = data;
    CVS_AUTO_ESYS(TPM2B_PUBLIC) public_area = NULL;
    CVS_AUTO_ESYS(TPM2B_PRIVATE) private_area = NULL;
    TPM2B_SENSITIVE_CREATE sensitive = {0};
    TPM2B_PUBLIC template = {0};
    guint8 policy[CVS_POLICY_DIGEST_SIZE];
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, TRUE, error);
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (session == ESYS_TR_NONE)
        return FALSE;
    cvs_policy_calculate(sealing->policy, policy);
    cvs_sealed_public_template(policy, sealing->pin != NULL, &template);
    auth_from_pin(sealing->pin, &sensitive.sensitive.userAuth);
    sensitive.sensitive.data.size = (UINT16)cvs_secret_size(sealing->secret);
    memcpy(sensitive.sensitive.data.buffer, cvs_secret_peek(sealing->secret),
           cvs_secret_size(sealing->secret));
    rc = Esys_Create(tpm->esys, tpm->srk, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                     &template, &no_data, &no_pcrs, &private_area, &public_area, NULL, NULL, NULL);
    cvs_wipe(&sensitive, sizeof sensitive);
    if (srk_has_password(rc))
        return fail_for_srk_password(tpm, rc, error);
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "sealing", error);
    return take_created(tpm, policy, sealing->pin != NULL, public_area, private_area,
                        &sealing->object, error);
}

gboolean
cvs_tpm_seal(CvsTpm *tpm, const CvsPolicy *policy, const CvsSecret *secret, const CvsSecret *pin,
             CvsSealedObject *ret_object, GError **error)
{
    Sealing sealing = {.policy = policy, .secret = secret, .pin = pin};

    if (cvs_secret_size(secret) > CVS_TPM_SEALED_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "a TPM seals at most %d bytes, not %zu",
                    CVS_TPM_SEALED_MAX, cvs_secret_size(secret));
        return FALSE;
    }
    if (cvs_policy_needs_pin(policy) && pin == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED, "the policy asks for a PIN");
        return FALSE;
    }
    if (!cvs_policy_needs_pin(policy) && pin != NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "the policy asks for no PIN");
        return FALSE;
    }
    if (!cvs_tpm_run(tpm, seal_step, &sealing, error))
        return FALSE;
    *ret_object = sealing.object;
    return TRUE;
}

typedef struct {
    const CvsPolicy *policy;
    const CvsSealedObject *object;
    const CvsSecret *pin;
    TPM2B_PUBLIC public_area;
    TPM2B_PRIVATE private_area;
    ESYS_TR session;
    ESYS_TR encryption; /* the HMAC session if there is a PIN */
    ESYS_TR loaded;
    CvsSecret *secret;
} Unsealing;

static gboolean
parse_private(GBytes *bytes, TPM2B_PRIVATE *ret_private, GError **error)
{
    CvsReader reader = {0};

    cvs_reader_init(&reader, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    ret_private->size = cvs_reader_u16_be(&reader);
    if (ret_private->size > sizeof ret_private->buffer) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "sealed object's private area: %u bytes are more than a TPM makes",
                    ret_private->size);
        return FALSE;
    }
    (void)cvs_reader_copy(&reader, ret_private->buffer, ret_private->size);
    return cvs_reader_finish(&reader, "sealed object's private area", error);
}

static void
set_replaced_error(CvsTpm *tpm, GBytes *wanted, GError **error)
{
    g_autofree char *seen_hex = NULL, *wanted_hex = NULL;
    GError *local = g_error_new(CVS_ERROR, CVS_ERROR_TPM_REPLACED,
                                "this is not the TPM that the key was sealed with, or it was "
                                "cleared: use the recovery key");

    if (tpm->srk_name != NULL)
        seen_hex =
            cvs_hex_encode(g_bytes_get_data(tpm->srk_name, NULL), g_bytes_get_size(tpm->srk_name));
    wanted_hex = cvs_hex_encode(g_bytes_get_data(wanted, NULL), g_bytes_get_size(wanted));
    cvs_error_add_reason(local, CVS_REASON_SRK_CHANGED, seen_hex, wanted_hex, "%s",
                         seen_hex ? "the storage root key has another Name"
                                  : "the TPM has no storage root key");
    g_propagate_error(error, local);
}

static gboolean
open_session(CvsTpm *tpm, Unsealing *unsealing, GError **error)
{
    g_autoptr(GError) local = NULL;
    gboolean with_pin = unsealing->pin != NULL;

    unsealing->encryption = ESYS_TR_NONE;
    if (!with_pin)
        cvs_session_not_needed(tpm, CVS_SESSION_HMAC);
    unsealing->session = cvs_session_open_policy(
        tpm, with_pin, cvs_policy_sends_auth_value(unsealing->policy), &local);
    if (unsealing->session != ESYS_TR_NONE && with_pin) {
        unsealing->encryption = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, &local);
        if (unsealing->encryption == ESYS_TR_NONE ||
            !cvs_session_prove(tpm, CVS_SESSION_HMAC, &local))
            unsealing->session = ESYS_TR_NONE;
    }
    if (unsealing->session == ESYS_TR_NONE) {
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED))
            set_replaced_error(tpm, unsealing->object->srk_name, error);
        else
            g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!g_bytes_equal(tpm->srk_name, unsealing->object->srk_name)) {
        set_replaced_error(tpm, unsealing->object->srk_name, error);
        return FALSE;
    }
    return TRUE;
}

/* The SRK's password, if it had one, would be empty; the command carries nothing secret, and Unseal
 * fails unless the TPM loaded the very object of this Name. So no session is needed. */
static gboolean
load(CvsTpm *tpm, Unsealing *unsealing, GError **error)
{
    TPM2B_AUTH auth = {0};
    TSS2_RC rc = Esys_Load(tpm->esys, tpm->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &unsealing->private_area, &unsealing->public_area, &unsealing->loaded);

    if (rc != TSS2_RC_SUCCESS)
        unsealing->loaded = ESYS_TR_NONE;
    if (srk_has_password(rc))
        return fail_for_srk_password(tpm, rc, error);
    if (cvs_rc_is_from_tpm(rc) && (rc & TPM2_RC_FMT1) && (rc & TPM2_RC_P)) {
        /* What does not load under its own parent is damaged, unless the TPM behind this connection
         * is another one by now. */
        if (!cvs_srk_check(tpm,
                           unsealing->encryption != ESYS_TR_NONE
                               ? unsealing->encryption
                               : tpm->sessions[CVS_SESSION_POLICY].tr,
                           error))
            return FALSE;
        tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the sealed object is damaged or was changed");
        return FALSE;
    }
    if (rc == TSS2_RC_SUCCESS && unsealing->pin != NULL) {
        auth_from_pin(unsealing->pin, &auth);
        rc = Esys_TR_SetAuth(tpm->esys, unsealing->loaded, &auth);
        cvs_wipe(&auth, sizeof auth);
    }
    return rc == TSS2_RC_SUCCESS || cvs_tpm_fail(tpm, rc, "loading the sealed object", error);
}

static void
unload(CvsTpm *tpm, Unsealing *unsealing)
{
    static const TPM2B_AUTH zeros = {.size = 0};

    /* The object went with the connection. */
    if (tpm->esys == NULL)
        return;
    /* ESYS frees its copy of the auth value without wiping it. */
    if (unsealing->loaded != ESYS_TR_NONE && unsealing->pin != NULL)
        (void)Esys_TR_SetAuth(tpm->esys, unsealing->loaded, &zeros);
    tpm->unflushed = unsealing->loaded;
}

static gboolean
take_secret(CvsTpm *tpm, TPM2B_SENSITIVE_DATA *data, CvsSecret **ret_secret, GError **error)
{
    gboolean ok = data->size > 0 && data->size <= sizeof data->buffer;

    if (ok)
        *ret_secret = cvs_secret_new_copy(data->buffer, data->size);
    cvs_wipe(data, sizeof *data);
    Esys_Free(data);
    return ok || cvs_tpm_nonsense(tpm, "unsealing", error);
}

static gboolean
unseal_loaded(CvsTpm *tpm, Unsealing *unsealing, GError **error)
{
    static const char doing[] = "unsealing";
    TPM2B_SENSITIVE_DATA *data = NULL;
    /* The policy may have gone on in a new session. */
    TSS2_RC rc = Esys_Unseal(tpm->esys, unsealing->loaded, tpm->sessions[CVS_SESSION_POLICY].tr,
                             unsealing->encryption, ESYS_TR_NONE, &data);

    if (rc == TSS2_RC_SUCCESS) {
        cvs_tpm_wipe_answer(tpm);
        cvs_session_policy_was_used(tpm);
        return take_secret(tpm, data, &unsealing->secret, error);
    }
    if (cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL || cvs_rc_base(rc) == TPM2_RC_BAD_AUTH) {
        /* Without a PIN only the session's key goes into the HMAC of the command. */
        if (unsealing->pin == NULL)
            return cvs_tpm_nonsense(tpm, doing, error);
        tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_WRONG, "the PIN is wrong");
        return FALSE;
    }
    return cvs_tpm_fail(tpm, rc, doing, error);
}

/* The policy comes before the object: if it fails nothing was loaded, and behind a resource manager
 * the object need not be swapped around it. */
static gboolean
unseal_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Unsealing *unsealing = data;
    gboolean ok = FALSE;

    unsealing->loaded = ESYS_TR_NONE;
    if (!open_session(tpm, unsealing, error))
        return FALSE;
    for (guint changes = 0;; changes++) {
        g_autoptr(GError) local = NULL;

        tpm->last_rc = TSS2_RC_SUCCESS;
        ok = cvs_policy_execute(unsealing->policy, tpm, unsealing->session, NULL, 0, &local) &&
             (unsealing->loaded != ESYS_TR_NONE || load(tpm, unsealing, &local)) &&
             unseal_loaded(tpm, unsealing, &local);
        if (ok)
            break;
        if (tpm->esys == NULL || cvs_rc_base(tpm->last_rc) != TPM2_RC_PCR_CHANGED ||
            changes >= PCR_CHANGES_MAX) {
            g_propagate_error(error, g_steal_pointer(&local));
            break;
        }
        unsealing->session = cvs_session_restart_policy(tpm, error);
        if (unsealing->session == ESYS_TR_NONE)
            break;
    }
    unload(tpm, unsealing);
    return ok;
}

CvsSecret *
cvs_tpm_unseal(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
               const CvsSecret *pin, GError **error)
{
    guint8 digest[CVS_POLICY_DIGEST_SIZE];
    gboolean with_pin = cvs_policy_needs_pin(policy);
    Unsealing unsealing = {.policy = policy, .object = object, .pin = with_pin ? pin : NULL};

    cvs_policy_calculate(policy, digest);
    if (!cvs_sealed_public_parse(g_bytes_get_data(object->public_area, NULL),
                                 g_bytes_get_size(object->public_area), digest, with_pin,
                                 &unsealing.public_area, error) ||
        !parse_private(object->private_area, &unsealing.private_area, error))
        return NULL;
    if (with_pin && pin == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED, "the key was sealed with a PIN");
        return NULL;
    }
    if (!cvs_tpm_run(tpm, unseal_step, &unsealing, error))
        return NULL;
    return unsealing.secret;
}

typedef struct {
    const CvsPolicy *policy;
    const CvsSealedObject *object;
    guint8 digest[CVS_POLICY_DIGEST_SIZE];
    TPM2B_PUBLIC public_area;
    TPM2B_PRIVATE private_area;
} Checking;

/* The Name (Part 1, 16): the hash's number and the hash of the TPMT_PUBLIC. */
static gboolean
check_name(CvsTpm *tpm, const Checking *checking, ESYS_TR loaded, GError **error)
{
    CVS_AUTO_ESYS(TPM2B_NAME) name = NULL;
    const guint8 *bytes = g_bytes_get_data(checking->object->public_area, NULL);
    guint8 wanted[2 + 32] = {TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xff};

    cvs_hash_bytes(CVS_SHA256, bytes + 2, CVS_SEALED_PUBLIC_SIZE - 2, wanted + 2);
    if (Esys_TR_GetName(tpm->esys, loaded, &name) == TSS2_RC_SUCCESS &&
        name->size == sizeof wanted && memcmp(name->name, wanted, sizeof wanted) == 0)
        return TRUE;
    return cvs_tpm_nonsense(tpm, "loading the sealed object", error);
}

static gboolean
check_trial(CvsTpm *tpm, const Checking *checking, ESYS_TR session, GError **error)
{
    static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    static const guint8 first = 0;
    CVS_AUTO_ESYS(TPM2B_DIGEST) digest = NULL;
    ESYS_TR trial = ESYS_TR_NONE;
    gboolean ok = FALSE;
    TSS2_RC rc =
        Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, TPM2_SE_TRIAL, &none, TPM2_ALG_SHA256, &trial);

    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "starting a trial session", error);
    ok = cvs_policy_execute(checking->policy, tpm, trial, &first, 1, error);
    if (ok) {
        rc = Esys_PolicyGetDigest(tpm->esys, trial, session, ESYS_TR_NONE, ESYS_TR_NONE, &digest);
        ok = rc == TSS2_RC_SUCCESS || cvs_tpm_fail(tpm, rc, "reading a policy's digest", error);
    }
    if (ok && (digest->size != sizeof checking->digest ||
               memcmp(digest->buffer, checking->digest, sizeof checking->digest) != 0))
        ok = cvs_tpm_nonsense(tpm, "comparing a policy's digest", error);
    cvs_tpm_flush(tpm, &trial);
    return ok;
}

static gboolean
check_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Checking *checking = data;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);
    ESYS_TR loaded = ESYS_TR_NONE;
    TSS2_RC rc = TSS2_RC_SUCCESS;
    gboolean ok = FALSE;

    if (session == ESYS_TR_NONE)
        return FALSE;
    if (!g_bytes_equal(tpm->srk_name, checking->object->srk_name)) {
        set_replaced_error(tpm, checking->object->srk_name, error);
        return FALSE;
    }
    rc = Esys_Load(tpm->esys, tpm->srk, session, ESYS_TR_NONE, ESYS_TR_NONE,
                   &checking->private_area, &checking->public_area, &loaded);
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "loading the sealed object", error);
    ok = check_name(tpm, checking, loaded, error);
    cvs_tpm_flush(tpm, &loaded);
    return ok && check_trial(tpm, checking, session, error);
}

gboolean
cvs_tpm_check_sealed(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
                     GError **error)
{
    Checking checking = {.policy = policy, .object = object};

    cvs_policy_calculate(policy, checking.digest);
    return cvs_sealed_public_parse(g_bytes_get_data(object->public_area, NULL),
                                   g_bytes_get_size(object->public_area), checking.digest,
                                   cvs_policy_needs_pin(policy), &checking.public_area, error) &&
           parse_private(object->private_area, &checking.private_area, error) &&
           cvs_tpm_run(tpm, check_step, &checking, error);
}
