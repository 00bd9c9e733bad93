/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/vtpm.h"
#include "attest/binding.h"
#include "attest/svsm-manifest.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/hcl-report.h"
#include "tee/refusal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

static void
set_name(json_t *claims, const char *claim, const CvsName *name)
{
    if (name->size > 0)
        cvs_claims_set_hex(claims, claim, name->bytes, name->size);
}

static const char *
get_string(const json_t *claims, const char *claim)
{
    return json_string_value(json_object_get(claims, claim));
}

static gboolean
is_true(const json_t *claims, const char *claim)
{
    return json_is_true(json_object_get(claims, claim));
}

static void
refuse_names(GError *refusal, const char *reason, const CvsName *seen, const CvsName *wanted,
             const char *text)
{
    g_autofree char *seen_hex = cvs_hex_encode(seen->bytes, seen->size);
    g_autofree char *wanted_hex = cvs_hex_encode(wanted->bytes, wanted->size);

    cvs_error_add_reason(refusal, reason, seen_hex, wanted_hex, "%s", text);
}

/* Whether the report is for this data. Without a binding nobody has asked. */
static void
check_report_data(const CvsVtpmEvidence *evidence, const guint8 wanted[static CVS_BINDING_SIZE],
                  GError *refusal)
{
    const char *seen = get_string(evidence->tee, "tee.report_data");
    g_autofree char *hex = cvs_hex_encode(wanted, CVS_BINDING_SIZE);

    if (g_strcmp0(seen, hex) != 0)
        cvs_error_add_reason(refusal, CVS_REASON_REPORT_DATA_MISMATCH, seen, hex,
                             "the report was not made for this request, these keys and what "
                             "vouches for them");
}

static void
check_svsm_report(const CvsVtpmEvidence *evidence, GError *refusal)
{
    const json_t *vmpl = json_object_get(evidence->tee, "tee.vmpl");
    g_autofree char *seen = NULL;

    if (json_is_integer(vmpl) && json_integer_value(vmpl) == 0)
        return;
    seen = json_is_integer(vmpl)
               ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(vmpl))
               : g_strdup("no VMPL");
    cvs_error_add_reason(refusal, CVS_REASON_MANIFEST_VMPL, seen, "0",
                         "an SVSM's reports are made at VMPL 0; this one was made at %s", seen);
}

static const char *
classify_svsm(const CvsVtpmEvidence *evidence, json_t *claims, GError *refusal)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSvsmManifest) manifest = cvs_svsm_manifest_parse(
        g_bytes_get_data(evidence->manifest, NULL), g_bytes_get_size(evidence->manifest), &error);
    guint8 wanted[CVS_BINDING_SIZE];

    check_svsm_report(evidence, refusal);
    if (evidence->binding) {
        cvs_binding_svsm(evidence->binding, evidence->manifest, wanted);
        check_report_data(evidence, wanted, refusal);
    }
    cvs_claims_set_bool(claims, "vtpm.fresh", evidence->binding != NULL);
    if (manifest == NULL) {
        cvs_error_add_reasons_of(refusal, error);
        return "guest-asserted";
    }
    cvs_claims_set_int(claims, "vtpm.manifest", (gint64)manifest->version);
    set_name(claims, "vtpm.ek_name", &manifest->ek->name);
    if (evidence->ek == NULL)
        cvs_error_add_reason(refusal, CVS_REASON_EK_MISSING, NULL, NULL,
                             "the evidence leaves out the endorsement key of the manifest");
    else if (!cvs_public_area_equal(evidence->ek, manifest->ek))
        refuse_names(refusal, CVS_REASON_EK_MISMATCH, &evidence->ek->name, &manifest->ek->name,
                     "the TPM's endorsement key is not the one that the SVSM names");
    return manifest->ak && cvs_name_equal(&manifest->ak->name, &evidence->ak->name)
               ? "attested"
               : "guest-asserted";
}

/* An RSA key with this modulus and the exponent 65537. */
static gboolean
is_rsa_key(EVP_PKEY *key, GBytes *n)
{
    BIGNUM *modulus = NULL, *exponent = NULL;
    g_autoptr(GBytes) seen = NULL;
    gboolean same = FALSE;

    if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent)) {
        gsize size = (gsize)BN_num_bytes(modulus);
        guint8 *bytes = g_malloc0(size);

        (void)BN_bn2bin(modulus, bytes);
        seen = g_bytes_new_take(bytes, size);
        same = g_bytes_equal(seen, n) && BN_is_word(exponent, 65537);
    }
    BN_free(modulus);
    BN_free(exponent);
    return same;
}

static void
check_hcl_freshness(const CvsVtpmEvidence *evidence, const CvsHclReport *report, json_t *claims,
                    GError *refusal)
{
    gboolean fresh = evidence->binding && report->has_user_data &&
                     cvs_equal_bytes(report->user_data, evidence->binding, CVS_BINDING_SIZE);

    cvs_claims_set_bool(claims, "vtpm.fresh", fresh);
    if (evidence->binding && report->has_user_data && !fresh) {
        g_autofree char *seen = cvs_hex_encode(report->user_data, CVS_BINDING_SIZE);
        g_autofree char *wanted = cvs_hex_encode(evidence->binding, CVS_BINDING_SIZE);

        cvs_error_add_reason(refusal, CVS_REASON_HCL_STALE, seen, wanted,
                             "the paravisor's report was made for another request");
    }
}

static const char *
classify_azure(const CvsVtpmEvidence *evidence, json_t *claims, GError *refusal)
{
    g_autoptr(CvsHclReport) report = cvs_hcl_report_parse(evidence->hcl, NULL);

    /* Then cvs_report_verify() has refused it. */
    if (report == NULL)
        return "guest-asserted";
    check_hcl_freshness(evidence, report, claims, refusal);
    if (evidence->ek && report->ek.n) {
        if (is_rsa_key(evidence->ek->key, report->ek.n))
            set_name(claims, "vtpm.ek_name", &evidence->ek->name);
        else
            cvs_error_add_reason(refusal, CVS_REASON_EK_MISMATCH, NULL, NULL,
                                 "the TPM's endorsement key is not the one that the paravisor "
                                 "names");
    } else if (evidence->ek) {
        cvs_error_add_reason(refusal, CVS_REASON_EK_MISMATCH, NULL, NULL,
                             "this paravisor names no endorsement key");
    }
    if (is_rsa_key(evidence->ak->key, report->ak.n))
        return "attested";
    cvs_error_add_reason(refusal, CVS_REASON_AK_MISMATCH, NULL, NULL,
                         "the attestation key is not the one that the paravisor names");
    return "guest-asserted";
}

static const char *
classify_plain(const CvsVtpmEvidence *evidence, json_t *claims, GError *refusal)
{
    if (evidence->binding)
        check_report_data(evidence, evidence->binding, refusal);
    cvs_claims_set_bool(claims, "vtpm.fresh", evidence->binding != NULL);
    return "guest-asserted";
}

gboolean
cvs_vtpm_kind_binds_host(const char *kind)
{
    return g_str_equal(kind, "svsm") || g_str_equal(kind, "azure") || g_str_equal(kind, "vtpm-td");
}

static void
set_kind(json_t *claims, const char *kind)
{
    cvs_claims_set_string(claims, "vtpm.kind", kind);
    if (!g_str_equal(kind, "none"))
        cvs_claims_set_bool(claims, "vtpm.pcrs_bind_host", cvs_vtpm_kind_binds_host(kind));
}

void
cvs_vtpm_classify(const CvsVtpmEvidence *evidence, json_t *claims, GError *refusal)
{
    gboolean none = g_strcmp0(get_string(evidence->tee, "tee.type"), "none") == 0;
    const char *kind = "host";
    const char *ak = "guest-asserted";

    if (evidence->manifest)
        ak = classify_svsm(evidence, claims, refusal);
    else if (evidence->hcl)
        ak = classify_azure(evidence, claims, refusal);
    else if (!none)
        ak = classify_plain(evidence, claims, refusal);
    else
        kind = "none";
    /* Whoever can read or move the guest's memory has the TPM's keys too. */
    if (cvs_refusal_count(refusal) == 0 && is_true(evidence->tee, "tee.verified") &&
        !is_true(evidence->tee, "tee.policy.debug") &&
        !is_true(evidence->tee, "tee.policy.migrate_ma") &&
        !is_true(evidence->tee, "tee.migration_agent")) {
        if (evidence->manifest)
            kind = "svsm";
        else if (evidence->hcl)
            kind = "azure";
        else if (evidence->vtpm_td)
            kind = "vtpm-td";
    }
    /* Who has not proven what he is vouches for nobody. */
    if (g_str_equal(kind, "host"))
        ak = "guest-asserted";
    /* An answer says that it is in the TPM of that EK, for which something has to vouch itself. */
    if (evidence->challenged && get_string(claims, "vtpm.ek_name") &&
        g_str_equal(ak, "guest-asserted"))
        ak = "challenged";
    set_kind(claims, kind);
    cvs_claims_set_string(claims, "vtpm.ak", ak);
    set_name(claims, "vtpm.ak_name", &evidence->ak->name);
    set_name(claims, "vtpm.srk_name", evidence->srk_name);
}

void
cvs_vtpm_add_quote(json_t *claims, const CvsQuoteFacts *facts)
{
    cvs_claims_set_mask(claims, "vtpm.firmware", facts->firmware);
    cvs_claims_set_int(claims, "vtpm.clock", (gint64)MIN(facts->clock.clock_ms, G_MAXINT64));
    cvs_claims_set_int(claims, "vtpm.reset_count", (gint64)facts->clock.reset_count);
    cvs_claims_set_int(claims, "vtpm.restart_count", (gint64)facts->clock.restart_count);
}

static gboolean
lists(const CvsProfile *profile, CvsTeeKey key, const json_t *claims)
{
    const CvsTeeRule *rule = &profile->tee.rules[key];
    const char *value = get_string(claims, cvs_tee_key_claim(key));

    return rule->given && rule->list && value &&
           g_strv_contains((const char *const *)rule->list, value);
}

/* The key that signed the ID block vouches for the image, together with a floor that keeps out the
 * old ones. */
static gboolean
lists_signer(const CvsProfile *profile, const json_t *claims)
{
    const CvsTeeRule *floor = &profile->tee.rules[CVS_TEE_GUEST_SVN];
    const json_t *svn = json_object_get(claims, "tee.guest_svn");

    return lists(profile, CVS_TEE_ID_KEYS, claims) && floor->given && json_is_integer(svn) &&
           json_integer_value(svn) >= (json_int_t)floor->number;
}

/* A register that nothing was measured into needs no list, but one that there is holds. */
static gboolean
lists_td(const CvsProfile *profile, const json_t *claims)
{
    static const CvsTeeKey rtmrs[] = {CVS_TEE_TD_RTMR0, CVS_TEE_TD_RTMR1, CVS_TEE_TD_RTMR2,
                                      CVS_TEE_TD_RTMR3};

    for (gsize i = 0; i < G_N_ELEMENTS(rtmrs); i++) {
        const char *value = get_string(claims, cvs_tee_key_claim(rtmrs[i]));

        if (value == NULL ||
            (!lists(profile, rtmrs[i], claims) &&
             (profile->tee.rules[rtmrs[i]].given || value[strspn(value, "0")] != '\0')))
            return FALSE;
    }
    return lists(profile, CVS_TEE_TD_MEASUREMENTS, claims);
}

static const char *
effective_kind(const CvsProfile *profile, const json_t *claims, const char *kind)
{
    gboolean listed = lists(profile, CVS_TEE_MEASUREMENTS, claims);

    if (g_str_equal(kind, "svsm"))
        return listed ? "svsm" : "svsm-unlisted";
    if (g_str_equal(kind, "azure"))
        return listed || lists_signer(profile, claims) ? "azure" : "azure-unlisted";
    if (g_str_equal(kind, "vtpm-td"))
        return lists_td(profile, claims) ? "vtpm-td" : "vtpm-td-unlisted";
    return kind;
}

static gboolean
takes(const CvsProfile *profile, const char *kind)
{
    static const char *const usual[] = {"svsm", "azure", "vtpm-td", NULL};
    const CvsTeeRule *rule = &profile->tee.rules[CVS_TEE_VTPM_KINDS];

    if (rule->given)
        return g_strv_contains((const char *const *)rule->list, kind);
    return g_strv_contains(usual, kind) ||
           (g_str_equal(kind, "none") && cvs_tee_rules_take_type(&profile->tee, "none"));
}

static void
refuse_kind(const CvsProfile *profile, const json_t *claims, const char *kind, GError *refusal)
{
    const CvsTeeRule *rule = &profile->tee.rules[CVS_TEE_VTPM_KINDS];
    g_autofree char *wanted =
        rule->given ? g_strjoinv(" ", rule->list) : g_strdup("svsm azure vtpm-td");
    const char *measurement = get_string(claims, "tee.measurement");

    if (g_str_equal(kind, "svsm-unlisted"))
        cvs_error_add_reason(refusal, CVS_REASON_SVSM_UNLISTED, measurement, NULL,
                             "Measurements= does not list the measurement of this SVSM, and "
                             "without an SVSM any guest can vouch for any TPM so");
    else if (g_str_equal(kind, "azure-unlisted"))
        cvs_error_add_reason(refusal, CVS_REASON_PARAVISOR_UNLISTED, measurement, NULL,
                             "neither Measurements= nor IDKeyDigests= with MinimumGuestSVN= lists "
                             "this paravisor, and without one any guest can vouch for any TPM so");
    else if (g_str_equal(kind, "vtpm-td-unlisted"))
        cvs_error_add_reason(refusal, CVS_REASON_VTPM_TD_UNLISTED,
                             get_string(claims, "vtpm.td.measurement"), NULL,
                             "TDMeasurements= and TDRTMR0= to TDRTMR3= do not list this vTPM's TD, "
                             "and anybody can start a TD that vouches for any TPM");
    else
        cvs_error_add_reason(refusal, CVS_REASON_VTPM_KIND_REFUSED, kind, wanted, "%s",
                             g_str_equal(kind, "host")
                                 ? "nothing shows that the TPM is in the TEE: its PCRs and what is "
                                   "sealed by it are the host's"
                                 : "the profile does not take this kind of vTPM");
}

void
cvs_vtpm_appraise(const CvsProfile *profile, json_t *claims, GError *refusal)
{
    const char *kind = get_string(claims, "vtpm.kind");
    const char *ak = get_string(claims, "vtpm.ak");

    if (kind == NULL) {
        cvs_error_add_reason(refusal, CVS_REASON_CLAIM_MISSING, NULL, NULL,
                             "nothing says what kind of vTPM this is");
        return;
    }
    kind = effective_kind(profile, claims, kind);
    if (!takes(profile, kind))
        refuse_kind(profile, claims, kind, refusal);
    if (!g_str_equal(kind, "host") && !g_str_equal(kind, "none") &&
        g_strcmp0(ak, "attested") != 0 && g_strcmp0(ak, "challenged") != 0 &&
        profile->tee.rules[CVS_TEE_ALLOW_ASSERTED_AK].number != 1)
        cvs_error_add_reason(refusal, CVS_REASON_AK_UNPROVEN, ak, "attested, challenged",
                             "only the guest says that the attestation key is in this TPM: it has "
                             "to answer a challenge");
    /* Last: the text may be that of the claims. */
    if (g_strcmp0(kind, get_string(claims, "vtpm.kind")) != 0)
        set_kind(claims, kind);
}
