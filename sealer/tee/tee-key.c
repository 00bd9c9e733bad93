/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tee-key.h"
#include "base/digest.h"
#include "base/error.h"
#include "tee/snp-report.h"

#include <string.h>

#define VMPL_MAX 3

typedef struct {
    CvsTeeKind kind;
    const char *algorithm;
    /* Fills in the parameters but the check. */
    gboolean (*describe)(CvsTeeSource *source, guint timeout_ms, CvsTeeKeyParams *params,
                         GError **error);
    CvsSecret *(*derive)(CvsTeeSource *source, const CvsTeeKeyParams *params, guint timeout_ms,
                         GError **error);
} Deriver;

/* From the secure processor by its encrypted channel: no signature is needed for one's own use. */
static gboolean
snp_describe(CvsTeeSource *source, guint timeout_ms, CvsTeeKeyParams *params, GError **error)
{
    const CvsTeeRequest request = {.privlevel = -1, .timeout_ms = timeout_ms};
    g_autoptr(CvsTeeEvidence) evidence = cvs_tee_source_get(source, &request, error);
    CvsSnpReport report;

    if (evidence == NULL ||
        !cvs_snp_report_parse(g_bytes_get_data(evidence->report, NULL),
                              g_bytes_get_size(evidence->report), &report, error))
        return FALSE;
    memcpy(params->tcb, report.committed_tcb, sizeof params->tcb);
    params->vmpl = evidence->privlevel;
    return TRUE;
}

static CvsSecret *
snp_derive(CvsTeeSource *source, const CvsTeeKeyParams *params, guint timeout_ms, GError **error)
{
    CvsSevKeyRequest request = {
        .root = CVS_SEV_KEY_CHIP, .fields = CVS_SEV_KEY_TCB_VERSION, .vmpl = params->vmpl};

    memcpy(request.tcb, params->tcb, sizeof request.tcb);
    return cvs_tee_source_derive_key(source, &request, timeout_ms, error);
}

static const Deriver derivers[] = {
    {CVS_TEE_SNP, "snp-1", snp_describe, snp_derive},
};

static gboolean
refuse_unavailable(CvsTeeKind kind, GError **error)
{
    GError *refusal = g_error_new(
        CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
        "this machine derives no key for itself: only a guest of AMD SEV-SNP does, and the TEE "
        "here is %s%s",
        cvs_tee_kind_name(kind),
        kind == CVS_TEE_TDX ? ", which has no such request. A key broker is the way there" : "");

    cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_UNAVAILABLE, cvs_tee_kind_name(kind),
                         "snp", "%s", refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

/* algorithm NULL: whichever there is for this machine. */
static const Deriver *
find(CvsTeeSource *source, const char *algorithm, GError **error)
{
    CvsTeeInfo info;

    if (!cvs_tee_source_probe(source, &info, error))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(derivers); i++) {
        if (derivers[i].kind == info.kind &&
            (algorithm == NULL || g_str_equal(derivers[i].algorithm, algorithm)))
            return &derivers[i];
    }
    (void)refuse_unavailable(info.kind, error);
    return NULL;
}

static void
make_check(const CvsSecret *key, guint8 ret_check[static CVS_TEE_KEY_CHECK_SIZE])
{
    static const char label[] = "cvmseal tee key";
    guint8 mac[32];

    cvs_hmac(CVS_SHA256, cvs_secret_peek(key), cvs_secret_size(key), label, strlen(label), mac);
    memcpy(ret_check, mac, CVS_TEE_KEY_CHECK_SIZE);
}

/* Whoever has the turn is most likely an attestation; a device that is not there is no key. */
static void
add_cause(GError *error)
{
    if (g_error_matches(error, CVS_ERROR, CVS_ERROR_BUSY))
        cvs_error_add_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY, NULL, NULL, "%s",
                             error->message);
    if (cvs_error_get_reasons(error)->len > 0)
        return;
    if (g_error_matches(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED))
        cvs_error_add_reason(error, CVS_REASON_DERIVED_KEY_UNAVAILABLE, NULL, NULL, "%s",
                             error->message);
    else if (g_error_matches(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED))
        cvs_error_add_reason(error, CVS_REASON_DERIVED_KEY_REFUSED, NULL, NULL, "%s",
                             error->message);
}

CvsSecret *
cvs_tee_key_new(CvsTeeSource *source, guint timeout_ms, CvsTeeKeyParams *ret_params, GError **error)
{
    g_autoptr(GError) local = NULL;
    const Deriver *deriver = find(source, NULL, error);
    g_autoptr(CvsSecret) key = NULL;
    CvsTeeKeyParams params = {0};

    if (deriver == NULL)
        return NULL;
    params.algorithm = deriver->algorithm;
    if (deriver->describe(source, timeout_ms, &params, &local))
        key = deriver->derive(source, &params, timeout_ms, &local);
    if (key == NULL) {
        add_cause(local);
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    make_check(key, params.check);
    *ret_params = params;
    return g_steal_pointer(&key);
}

CvsSecret *
cvs_tee_key_derive(CvsTeeSource *source, const CvsTeeKeyParams *params, guint timeout_ms,
                   GError **error)
{
    g_autoptr(GError) local = NULL;
    const Deriver *deriver = find(source, params->algorithm, &local);
    CvsSecret *key = deriver ? deriver->derive(source, params, timeout_ms, &local) : NULL;

    if (key)
        return key;
    add_cause(local);
    g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
}

gboolean
cvs_tee_key_check(const CvsSecret *key, const CvsTeeKeyParams *params, GError **error)
{
    guint8 check[CVS_TEE_KEY_CHECK_SIZE];
    GError *refusal = NULL;

    make_check(key, check);
    if (cvs_equal_bytes(check, params->check, sizeof check))
        return TRUE;
    refusal = g_error_new_literal(
        CVS_ERROR, CVS_ERROR_TEE_REFUSED,
        "this TEE derives another key than the one that the key was sealed with: it is on another "
        "chip, of another launch measurement or guest policy, or the host has moved its TCB");
    cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_DIFFERS, NULL, NULL, "%s",
                         refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

gboolean
cvs_tee_key_params_equal(const CvsTeeKeyParams *a, const CvsTeeKeyParams *b)
{
    return g_strcmp0(a->algorithm, b->algorithm) == 0 && a->vmpl == b->vmpl &&
           memcmp(a->tcb, b->tcb, sizeof a->tcb) == 0 &&
           memcmp(a->check, b->check, sizeof a->check) == 0;
}

json_t *
cvs_tee_key_params_to_json(const CvsTeeKeyParams *params)
{
    json_t *json = json_pack("{s:s, s:i}", "alg", params->algorithm, "vmpl", (int)params->vmpl);

    cvs_json_set_bytes(json, "check", params->check, sizeof params->check);
    cvs_json_set_bytes(json, "tcb", params->tcb, sizeof params->tcb);
    return json;
}

static gboolean
get_fixed(const json_t *object, const char *name, const char *what, guint8 *data, gsize size,
          GError **error)
{
    g_autoptr(GBytes) bytes = cvs_json_get_bytes(object, name, size, size, what, error);

    if (bytes == NULL)
        return FALSE;
    memcpy(data, g_bytes_get_data(bytes, NULL), size);
    return TRUE;
}

gboolean
cvs_tee_key_params_parse(const json_t *object, const char *what, CvsTeeKeyParams *ret_params,
                         GError **error)
{
    CvsTeeKeyParams params = {0};
    const char *algorithm = NULL;
    gint64 vmpl = 0;

    if (!cvs_json_only(object, what, error, "alg", "check", "tcb", "vmpl", NULL))
        return FALSE;
    algorithm = cvs_json_get_string(object, "alg", what, error);
    if (algorithm == NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(derivers); i++) {
        if (g_str_equal(derivers[i].algorithm, algorithm))
            params.algorithm = derivers[i].algorithm;
    }
    if (params.algorithm == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: \"alg\": a way to derive a key that this version does not know", what);
        return FALSE;
    }
    if (!cvs_json_get_int(object, "vmpl", 0, VMPL_MAX, what, &vmpl, error) ||
        !get_fixed(object, "check", what, params.check, sizeof params.check, error) ||
        !get_fixed(object, "tcb", what, params.tcb, sizeof params.tcb, error))
        return FALSE;
    params.vmpl = (guint)vmpl;
    *ret_params = params;
    return TRUE;
}
