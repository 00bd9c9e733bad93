/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/attester.h"
#include "attest/binding.h"
#include "attest/judge.h"
#include "attest/svsm-manifest.h"
#include "attest/vtpm.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/hcl-report.h"
#include "tee/refusal.h"
#include "tpm/ak.h"
#include "tpm/credential-activate.h"
#include "tpm/ek.h"
#include "tpm/nv.h"
#include "tpm/quote-make.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_NONCE_SIZE 32
#define SECRET_SIZE 32
/* A paravisor makes its report anew when two seconds have passed since the last one. */
#define HCL_WAIT_US (G_GINT64_CONSTANT(2500) * 1000)
#define HCL_TRIES 4
/* What the boot's attestation quotes: firmware and boot loader. The values are not looked at. */
#define OWN_PCRS 0xffu

/* Which state of the collateral store an attestation was verified with: each import is seen by its
 * folder's times, which its files change by rename. */
typedef struct {
    dev_t dev;
    ino_t ino; /* 0: there is no store */
    struct timespec changed;
} Collected;

struct _CvsAttester {
    CvsTpm *tpm;
    CvsTeeSource *source;
    char *collateral_dir;
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
    guint manifest_version;
    CvsPaceClock clock;
    CvsAttesterQuoteFunc td_quote;
    gpointer td_quote_data;
    json_t *claims; /* of this boot's attestation; NULL: there is none */
    gint64 made_at; /* seconds since 1970, as the caller had them */
    CvsClock seen;  /* the TPM's clock then, or since */
    Collected collected;
};

/* One attestation in the making. */
typedef struct {
    CvsAttester *attester;
    CvsEvidenceBundle *bundle;
    guint32 ak_handle;
    guint8 binding[CVS_BINDING_SIZE];
    gint64 at;
    gboolean challenged;
} Making;

CvsAttester *
cvs_attester_new(const CvsAttesterConfig *config)
{
    CvsAttester *attester = g_new0(CvsAttester, 1);

    attester->tpm = config->tpm;
    attester->source = config->source;
    attester->collateral_dir = g_strdup(config->collateral_dir);
    attester->snp_roots =
        config->snp_roots ? cvs_snp_roots_ref(config->snp_roots) : cvs_snp_roots_new();
    attester->tdx_roots =
        config->tdx_roots ? cvs_tdx_roots_ref(config->tdx_roots) : cvs_tdx_roots_new();
    attester->manifest_version = config->manifest_version;
    attester->clock = config->clock ? *config->clock : cvs_pace_clock;
    attester->td_quote = config->td_quote;
    attester->td_quote_data = config->td_quote_data;
    return attester;
}

void
cvs_attester_free(CvsAttester *attester)
{
    if (attester == NULL)
        return;
    cvs_attester_refresh(attester);
    g_free(attester->collateral_dir);
    cvs_snp_roots_unref(attester->snp_roots);
    cvs_tdx_roots_unref(attester->tdx_roots);
    g_free(attester);
}

void
cvs_attester_refresh(CvsAttester *attester)
{
    g_clear_pointer(&attester->claims, json_decref);
}

/* The TPM's keys, which the report commits to. Nothing here is trusted yet: the endorsement key
 * that the report names proves them (prove_keys()). */
static gboolean
read_keys(Making *making, guint32 ak_handle, GError **error)
{
    CvsEvidenceBundle *bundle = making->bundle;
    CvsTpm *tpm = making->attester->tpm;
    GBytes *srk = cvs_tpm_get_srk_name(tpm, TRUE, error);

    if (srk == NULL)
        return FALSE;
    bundle->srk_name.size = g_bytes_get_size(srk);
    g_return_val_if_fail(bundle->srk_name.size <= sizeof bundle->srk_name.bytes, FALSE);
    memcpy(bundle->srk_name.bytes, g_bytes_get_data(srk, NULL), bundle->srk_name.size);
    bundle->ak = cvs_tpm_read_ak(tpm, ak_handle, NULL, error);
    if (bundle->ak == NULL)
        return FALSE;
    making->ak_handle = ak_handle;
    cvs_binding_compute(bundle->nonce, &bundle->ak->name, &bundle->srk_name, bundle->user_data,
                        making->binding);
    return TRUE;
}

static GBytes *
take_part(GBytes *part)
{
    return part ? g_bytes_ref(part) : NULL;
}

static gboolean
get_report(Making *making, const CvsTeeInfo *info, GError **error)
{
    CvsEvidenceBundle *bundle = making->bundle;
    CvsTeeRequest request = {.privlevel = -1, .svsm = info->has_svsm};
    g_autoptr(CvsTeeEvidence) evidence = NULL;

    if (!read_keys(making, CVS_AK_OWN, error))
        return FALSE;
    memcpy(request.report_data, making->binding, sizeof request.report_data);
    if (info->has_svsm) {
        request.service_guid = CVS_TEE_SVSM_VTPM;
        request.manifest_version = making->attester->manifest_version;
    }
    evidence = cvs_tee_source_get(making->attester->source, &request, error);
    if (evidence == NULL)
        return FALSE;
    bundle->report = take_part(evidence->report);
    bundle->auxblob = take_part(evidence->auxblob);
    bundle->manifest = take_part(evidence->manifest);
    bundle->tdreport = take_part(evidence->tdreport);
    if (bundle->manifest) {
        g_autoptr(CvsSvsmManifest) manifest = cvs_svsm_manifest_parse(
            g_bytes_get_data(bundle->manifest, NULL), g_bytes_get_size(bundle->manifest), error);

        if (manifest == NULL)
            return FALSE;
        bundle->ek = g_steal_pointer(&manifest->ek);
    }
    return TRUE;
}

static EVP_PKEY *
rsa_key(GBytes *n, GError **error)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(g_bytes_get_data(n, NULL), (int)g_bytes_get_size(n), NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (build && modulus && context &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &&
        OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, 65537))
        params = OSSL_PARAM_BLD_to_param(build);
    if (params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED,
                            "OpenSSL does not take the paravisor's endorsement key");
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    BN_free(modulus);
    return key;
}

/* A report that says it was made for us; of firmware that does not say, the one there is. */
static CvsHclReport *
read_fresh_hcl(Making *making, GError **error)
{
    CvsAttester *attester = making->attester;
    g_autoptr(CvsHclReport) report = NULL;

    if (!cvs_tpm_nv_write(attester->tpm, CVS_NV_AZURE_USER_DATA, making->binding,
                          sizeof making->binding, error))
        return NULL;
    for (guint i = 0; i < HCL_TRIES; i++) {
        g_autoptr(GBytes) bytes = cvs_tpm_nv_read(attester->tpm, CVS_NV_AZURE_REPORT, error);

        g_clear_pointer(&report, cvs_hcl_report_free);
        report = bytes ? cvs_hcl_report_parse(bytes, error) : NULL;
        if (report == NULL || !report->has_user_data ||
            memcmp(report->user_data, making->binding, sizeof making->binding) == 0)
            break;
        if (i + 1 < HCL_TRIES)
            attester->clock.sleep(attester->clock.data, HCL_WAIT_US);
    }
    return g_steal_pointer(&report);
}

static gboolean
get_hcl_report(Making *making, GError **error)
{
    CvsAttester *attester = making->attester;
    CvsEvidenceBundle *bundle = making->bundle;
    g_autoptr(CvsHclReport) report = NULL;
    EVP_PKEY *key = NULL;

    if (!read_keys(making, CVS_AK_AZURE, error))
        return FALSE;
    report = read_fresh_hcl(making, error);
    if (report == NULL)
        return FALSE;
    bundle->hcl = g_bytes_ref(report->bytes);
    if (report->ek.n == NULL) {
        GError *refusal = g_error_new_literal(
            CVS_ERROR, CVS_ERROR_VTPM_NOT_TRUSTED,
            "this paravisor is too old: its report names no endorsement key, so that nothing ties "
            "a connection to its TPM");

        cvs_error_add_reason(refusal, CVS_REASON_EK_MISSING, NULL, NULL, "%s", refusal->message);
        g_propagate_error(error, refusal);
        return FALSE;
    }
    key = rsa_key(report->ek.n, error);
    bundle->ek = key ? cvs_tpm_find_ek(attester->tpm, key, error) : NULL;
    EVP_PKEY_free(key);
    if (bundle->ek && report->type == CVS_HCL_TDX && attester->td_quote) {
        g_autoptr(GBytes) tdreport = g_bytes_new(report->hardware, report->hardware_size);

        bundle->report = attester->td_quote(tdreport, attester->td_quote_data, error);
        return bundle->report != NULL;
    }
    return bundle->ek != NULL;
}

/* Azure's guests cannot ask their TEE, but have the paravisor's report in the TPM. */
static gboolean
get_from_paravisor(Making *making, const CvsTeeInfo *info, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = cvs_tpm_nv_read(making->attester->tpm, CVS_NV_AZURE_REPORT, &local);

    if (bytes)
        return get_hcl_report(making, error);
    if (!cvs_error_has_reason(local, CVS_REASON_NV_MISSING)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return info->kind == CVS_TEE_NONE ? read_keys(making, CVS_AK_OWN, error)
                                      : get_report(making, info, error);
}

/* The TPM behind the connection holds the endorsement key that is vouched for, this storage root
 * key and this attestation key. */
static gboolean
prove_keys(Making *making, GError **error)
{
    CvsTpm *tpm = making->attester->tpm;
    CvsEvidenceBundle *bundle = making->bundle;
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(CvsSecret) answer = NULL;
    g_auto(CvsCredential) credential = {0};

    if (bundle->ek == NULL)
        return TRUE;
    if (!cvs_tpm_pin_ek(tpm, bundle->ek, FALSE, error))
        return FALSE;
    secret = cvs_secret_new_random(SECRET_SIZE, error);
    if (secret == NULL ||
        !cvs_credential_make(bundle->ek, &bundle->ak->name, secret, &credential, error))
        return FALSE;
    answer = cvs_tpm_activate_credential(tpm, bundle->ek, making->ak_handle, &credential, error);
    if (answer == NULL)
        return FALSE;
    making->challenged = cvs_secret_equal(secret, answer);
    return TRUE;
}

static gboolean
quote(Making *making, const CvsPcrSelection *selection, GError **error)
{
    CvsEvidenceBundle *bundle = making->bundle;
    guint8 nonce[CVS_BINDING_QUOTE_NONCE_SIZE];
    CvsQuoteFacts facts = {0};

    cvs_binding_quote_nonce(making->binding, bundle->hcl ? bundle->hcl : bundle->report, nonce);
    return cvs_tpm_quote(making->attester->tpm, making->ak_handle, bundle->ak, selection, nonce,
                         sizeof nonce, &bundle->quote, &facts, error);
}

static gboolean
make(Making *making, const CvsPcrSelection *selection, GError **error)
{
    CvsTeeInfo info = {0};
    gboolean paravisor = FALSE;

    if (!cvs_tpm_get_srk_name(making->attester->tpm, TRUE, error) ||
        !cvs_tee_source_probe(making->attester->source, &info, error))
        return FALSE;
    /* A TD that can be read and not quoted may be a paravisor's. */
    paravisor = info.kind == CVS_TEE_NONE ||
                (info.kind == CVS_TEE_TDX && g_str_equal(info.provider, "tdx-guest-device"));
    return (paravisor ? get_from_paravisor(making, &info, error)
                      : get_report(making, &info, error)) &&
           prove_keys(making, error) && quote(making, selection, error);
}

static CvsCollateralStore *
open_store(const CvsAttester *attester, GError **error)
{
    if (attester->collateral_dir == NULL ||
        !g_file_test(attester->collateral_dir, G_FILE_TEST_IS_DIR))
        return NULL;
    return cvs_collateral_store_open(attester->collateral_dir, FALSE, attester->snp_roots,
                                     attester->tdx_roots, error);
}

/* Dates are the appraisal's to judge, and so is whether test roots are taken. */
static gboolean
verify(const Making *making, const CvsPcrSelection *selection, json_t **ret_claims, GError **error)
{
    CvsAttester *attester = making->attester;
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GError) local = NULL;
    g_autoptr(CvsCollateralStore) store = open_store(attester, &local);
    g_autoptr(json_t) claims = NULL;
    GError *refusal = NULL;
    CvsBundleInput input = {.bundle = making->bundle,
                            .name = "the attestation",
                            .nonce = making->bundle->nonce,
                            .selection = selection,
                            .challenged = making->challenged,
                            .evidence = evidence,
                            .store = store,
                            .snp_roots = attester->snp_roots,
                            .tdx_roots = attester->tdx_roots,
                            .at = making->at,
                            .grace = CVS_TEE_SPAN_MAX};

    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    refusal = cvs_refusal_new();
    if (!cvs_bundle_verify(&input, &claims, refusal, error)) {
        g_error_free(refusal);
        return FALSE;
    }
    if (!cvs_refusal_end(refusal, "the attestation", error))
        return FALSE;
    if (ret_claims)
        *ret_claims = g_steal_pointer(&claims);
    return TRUE;
}

static CvsEvidenceBundle *
attest(CvsAttester *attester, GBytes *nonce, GBytes *user_data, const CvsPcrSelection *selection,
       gint64 at, json_t **ret_claims, GError **error)
{
    g_autoptr(CvsEvidenceBundle) bundle = g_new0(CvsEvidenceBundle, 1);
    Making making = {.attester = attester, .bundle = bundle, .at = at};

    bundle->nonce = g_bytes_ref(nonce);
    bundle->user_data = user_data ? g_bytes_ref(user_data) : NULL;
    if (!make(&making, selection, error) || !verify(&making, selection, ret_claims, error))
        return NULL;
    return g_steal_pointer(&bundle);
}

static CvsEvidenceBundle *
attest_boot(CvsAttester *attester, gint64 at, json_t **ret_claims, GError **error)
{
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = OWN_PCRS};
    guint8 random[OWN_NONCE_SIZE];
    g_autoptr(GBytes) nonce = NULL;

    if (RAND_bytes(random, sizeof random) != 1) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "no random numbers for a nonce");
        return NULL;
    }
    nonce = g_bytes_new(random, sizeof random);
    return attest(attester, nonce, NULL, &selection, at, ret_claims, error);
}

static Collected
look_at_store(const CvsAttester *attester)
{
    struct stat st = {0};

    if (attester->collateral_dir == NULL || stat(attester->collateral_dir, &st) != 0)
        return (Collected){0};
    return (Collected){st.st_dev, st.st_ino, st.st_ctim};
}

static gboolean
is_collected(const CvsAttester *attester)
{
    Collected now = look_at_store(attester);
    const Collected *then = &attester->collected;

    return now.dev == then->dev && now.ino == then->ino &&
           now.changed.tv_sec == then->changed.tv_sec &&
           now.changed.tv_nsec == then->changed.tv_nsec;
}

/* Where no TEE was found there is one as soon as its module is loaded. */
static gboolean
is_same_kind(const CvsAttester *attester)
{
    const char *type = json_string_value(json_object_get(attester->claims, "tee.type"));
    CvsTeeInfo info = {0};

    return g_strcmp0(type, "none") != 0 ||
           (cvs_tee_source_probe(attester->source, &info, NULL) && info.kind == CVS_TEE_NONE);
}

/* The TPM is the one that was attested, and has not been reset since, nor set back. */
static gboolean
is_current(CvsAttester *attester, gint64 at, gint64 max_age, gboolean *ret_current, GError **error)
{
    CvsClock now = {0};

    *ret_current = FALSE;
    if (attester->claims == NULL)
        return TRUE;
    if (!cvs_tpm_read_clock(attester->tpm, &now, error) ||
        !cvs_clock_check_forward(&now, &attester->seen, error)) {
        cvs_attester_refresh(attester);
        return FALSE;
    }
    *ret_current = now.reset_count == attester->seen.reset_count &&
                   now.restart_count == attester->seen.restart_count && at >= attester->made_at &&
                   is_collected(attester) && is_same_kind(attester) &&
                   (max_age <= 0 || at - attester->made_at <= max_age);
    attester->seen = now;
    if (!*ret_current)
        cvs_attester_refresh(attester);
    return TRUE;
}

static gboolean
ensure(CvsAttester *attester, gint64 at, gint64 max_age, GError **error)
{
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL;
    CvsClock before = {0};
    Collected collected = {0};
    gboolean current = FALSE;

    if (!is_current(attester, at, max_age, &current, error))
        return FALSE;
    if (current)
        return TRUE;
    /* Before, so that a reset or an import meanwhile is one that is seen next time. What was seen
     * counts also where the line to the TPM broke since, as it does when its state is put back. */
    if (!cvs_tpm_get_srk_name(attester->tpm, TRUE, error) ||
        !cvs_tpm_read_clock(attester->tpm, &before, error) ||
        !cvs_clock_check_forward(&before, &attester->seen, error))
        return FALSE;
    collected = look_at_store(attester);
    bundle = attest_boot(attester, at, &claims, error);
    if (bundle == NULL)
        return FALSE;
    attester->claims = g_steal_pointer(&claims);
    attester->made_at = at;
    attester->seen = before;
    attester->collected = collected;
    return TRUE;
}

gboolean
cvs_attester_claims(CvsAttester *attester, gint64 at, gint64 max_age, json_t **ret_claims,
                    GError **error)
{
    if (!ensure(attester, at, max_age, error))
        return FALSE;
    *ret_claims = json_deep_copy(attester->claims);
    return TRUE;
}

static gboolean
is_tdx(const CvsAttester *attester)
{
    const char *source = json_string_value(json_object_get(attester->claims, "tee.type"));

    /* A paravisor's TD is not ours to read; its registers are zero. */
    return g_strcmp0(source, "tdx") == 0 &&
           json_object_get(attester->claims, "hcl.version") == NULL;
}

/* Of this TD, which was attested. */
static gboolean
read_td(CvsAttester *attester, CvsTdBody *ret_body, GError **error)
{
    const char *wanted = json_string_value(json_object_get(attester->claims, "tee.measurement"));
    g_autofree char *seen = NULL;
    gboolean late = FALSE;
    GError *refusal = NULL;

    if (!cvs_tee_source_read_td(attester->source, ret_body, &late, error))
        return FALSE;
    seen = cvs_hex_encode(ret_body->mr_td, sizeof ret_body->mr_td);
    if (wanted == NULL || g_str_equal(seen, wanted))
        return TRUE;
    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                  "this is not the TD that was attested: MRTD differs");
    cvs_error_add_reason(refusal, CVS_REASON_QUOTE_MISMATCH, seen, wanted, "%s", refusal->message);
    g_propagate_error(error, refusal);
    cvs_attester_refresh(attester);
    return FALSE;
}

gboolean
cvs_attester_read_rtmrs(CvsAttester *attester, guint8 ret_rtmr[static 4][48], GError **error)
{
    CvsTdBody body = {0};

    if (!read_td(attester, &body, error))
        return FALSE;
    memcpy(ret_rtmr, body.rtmr, sizeof body.rtmr);
    return TRUE;
}

static gboolean
set_registers(CvsAttester *attester, json_t *claims, GError **error)
{
    CvsTdBody body = {0};
    gboolean used = FALSE;

    if (!is_tdx(attester))
        return TRUE;
    if (!read_td(attester, &body, error))
        return FALSE;
    for (guint i = 0; i < 4; i++) {
        g_autofree char *claim = g_strdup_printf("tee.rtmr%u", i);

        cvs_claims_set_hex(claims, claim, body.rtmr[i], sizeof body.rtmr[i]);
        for (gsize j = 0; j < sizeof body.rtmr[i]; j++)
            used |= body.rtmr[i][j] != 0;
    }
    cvs_claims_set_bool(claims, "tee.rtmrs_used", used);
    return TRUE;
}

gboolean
cvs_attester_appraise(CvsAttester *attester, const CvsProfile *profile, gint64 at,
                      json_t **ret_claims, GError **error)
{
    const CvsTeeRule *age = &profile->tee.rules[CVS_TEE_MAX_AGE];
    g_autoptr(json_t) claims = NULL;
    GError *refusal = NULL;

    if (!cvs_attester_claims(attester, at, age->given ? (gint64)age->number : 0, &claims, error) ||
        !set_registers(attester, claims, error))
        return FALSE;
    refusal = cvs_refusal_new();
    cvs_appraise(profile, claims, at, refusal);
    cvs_vtpm_appraise(profile, claims, refusal);
    if (ret_claims)
        *ret_claims = json_incref(claims);
    return cvs_refusal_end(refusal, "this machine", error);
}

CvsEvidenceBundle *
cvs_attester_evidence(CvsAttester *attester, const void *nonce, gsize nonce_size,
                      const void *user_data, gsize user_data_size, const CvsPcrSelection *selection,
                      GError **error)
{
    g_autoptr(GBytes) nonce_bytes = g_bytes_new(nonce, nonce_size);
    g_autoptr(GBytes) user_bytes =
        user_data_size > 0 ? g_bytes_new(user_data, user_data_size) : NULL;

    if (nonce_size == 0 || nonce_size > CVS_BUNDLE_NONCE_MAX ||
        user_data_size > CVS_BUNDLE_USER_DATA_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a nonce has 1 to %d bytes, and user data have at most %d",
                    CVS_BUNDLE_NONCE_MAX, CVS_BUNDLE_USER_DATA_MAX);
        return NULL;
    }
    return attest(attester, nonce_bytes, user_bytes, selection, g_get_real_time() / G_USEC_PER_SEC,
                  NULL, error);
}
