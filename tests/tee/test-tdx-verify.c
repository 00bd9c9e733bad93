/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quotes of a platform made in the test: every status, and every lie. */

#include "base/error.h"
#include "tee/tdx-claims.h"

#include "tdx-maker.h"

#include <string.h>

/* Offsets in the body of a quote. */
#define SEAM_ATTRIBUTES 112
#define TD_ATTRIBUTES 120
#define SVN2 584
#define SERVICE_TD 600

static void
expect(TdxMaker *maker, const char *reasons)
{
    g_autoptr(TdxEvidence) evidence = tdx_maker_make(maker);

    tdx_evidence_expect(evidence, reasons);
}

/* Accepted or refused for the given reasons, and with this status. */
static void
expect_status(TdxMaker *maker, const char *reasons, const char *status)
{
    g_autoptr(TdxEvidence) evidence = tdx_maker_make(maker);
    g_autoptr(json_t) claims = NULL;
    g_autofree char *seen = tdx_evidence_verify(evidence, &claims);

    g_assert_cmpstr(seen, ==, reasons);
    g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.tcb.status")), ==, status);
}

static void
test_good(void)
{
    static const struct {
        guint16 version;
        guint16 body_type;
        const char *body;
    } kinds[] = {{4, 0, "1.0"}, {5, 2, "1.0"}, {5, 3, "1.5"}};

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(TdxMaker) maker = tdx_maker_new();
        g_autoptr(TdxEvidence) evidence = NULL;
        g_autoptr(json_t) claims = NULL;
        g_autofree char *reasons = NULL;

        maker->version = kinds[i].version;
        maker->body_type = kinds[i].body_type;
        maker->processor_ca = i == 1;
        evidence = tdx_maker_make(maker);
        reasons = tdx_evidence_verify(evidence, &claims);
        g_assert_cmpstr(reasons, ==, "");
        g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.tcb.status")), ==,
                        "UpToDate");
        g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.td_body")), ==,
                        kinds[i].body);
        g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.pck.ca")), ==,
                        i == 1 ? "processor" : "platform");
        g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.pck.crl.number")), ==, "7");
        g_assert_true(json_is_true(json_object_get(claims, "tee.test_roots")));
        /* The oldest of the three dates. */
        g_assert_cmpint(json_integer_value(json_object_get(claims, "tee.tcb.date")), ==,
                        tdx_time("2024-02-02T00:00:00Z"));
    }
}

/* Every claim is in the vocabulary and has its type. */
static void
test_claims(void)
{
    static const struct {
        const char *name;
        CvsClaimType type;
    } vocabulary[] = {
#define X(name, type, text) {name, CVS_CLAIM_##type},
        CVS_CLAIMS_COMMON(X) CVS_CLAIMS_TDX(X)
#undef X
    };
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autoptr(TdxEvidence) evidence = tdx_maker_make(maker);
    g_autoptr(json_t) claims = NULL;
    g_autofree char *reasons = tdx_evidence_verify(evidence, &claims);
    const char *name = NULL;
    json_t *value = NULL;

    g_assert_cmpstr(reasons, ==, "");
    json_object_foreach (claims, name, value) {
        gsize i = 0;

        while (i < G_N_ELEMENTS(vocabulary) && !g_str_equal(vocabulary[i].name, name))
            i++;
        if (i == G_N_ELEMENTS(vocabulary))
            g_error("%s is not in the vocabulary", name);
        if (!cvs_claim_has_type(value, vocabulary[i].type))
            g_error("%s is of another type than its vocabulary says", name);
    }
}

/* The status of the level that is matched. */
static void
test_platform_statuses(void)
{
    static const char *const statuses[] = {"UpToDate",
                                           "SWHardeningNeeded",
                                           "ConfigurationNeeded",
                                           "ConfigurationAndSWHardeningNeeded",
                                           "OutOfDate",
                                           "OutOfDateConfigurationNeeded"};

    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_autoptr(TdxMaker) maker = tdx_maker_new();

        g_string_truncate(maker->levels, 0);
        tdx_maker_add_level(maker, 5, 11, 5, 0, 5, statuses[i]);
        expect_status(maker, "", statuses[i]);
    }
    {
        g_autoptr(TdxMaker) maker = tdx_maker_new();

        g_string_truncate(maker->levels, 0);
        tdx_maker_add_level(maker, 5, 11, 5, 0, 5, "Revoked");
        expect_status(maker, "TcbRevoked", "Revoked");
    }
}

/* What an outdated module or enclave makes of each status: one table for both. */
static void
test_convergence(void)
{
    static const struct {
        const char *platform;
        const char *outdated;
    } table[] = {
        {"UpToDate", "OutOfDate"},
        {"SWHardeningNeeded", "OutOfDate"},
        {"ConfigurationNeeded", "OutOfDateConfigurationNeeded"},
        {"ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded"},
        {"OutOfDate", "OutOfDate"},
        {"OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        for (guint part = 0; part < 2; part++) {
            for (guint revoked = 0; revoked < 2; revoked++) {
                g_autoptr(TdxMaker) maker = tdx_maker_new();
                const char *status = revoked ? "Revoked" : "OutOfDate";

                maker->version = 4; /* no TEE_TCB_SVN2 that would advise a relaunch */
                tdx_maker_clear_levels(maker);
                tdx_maker_add_level(maker, 5, 11, 5, 0, 5, table[i].platform);
                tdx_maker_add_identity(maker, 1, 5, part == 0 ? status : "UpToDate", 0u, NULL);
                tdx_maker_add_qe_level(maker, 4, part == 1 ? status : "UpToDate");
                expect_status(maker, revoked ? "TcbRevoked" : "",
                              revoked ? "Revoked" : table[i].outdated);
            }
        }
    }
}

/* The levels are walked from the newest: each component one below it falls to the next. */
static void
test_components(void)
{
    for (guint i = 0; i < 16 + 1 + 16; i++) {
        g_autoptr(TdxMaker) maker = tdx_maker_new();

        g_string_truncate(maker->levels, 0);
        tdx_maker_add_level(maker, 5, 11, 5, 5, 5, "UpToDate");
        tdx_maker_add_level(maker, 4, 10, 4, 0, 4, "OutOfDate");
        /* tdx_maker_add_level() leaves the components from the fourth on at 0 */
        if (i < 16)
            maker->pck.components[i]--;
        else if (i == 16)
            maker->pck.pce_svn--;
        else
            maker->body[i - 17]--;
        switch (i) {
        case 17: /* the module's own bytes are its identity's to judge: SVN 4 has no level there */
            expect_status(maker, "TcbNotSupported", "NotSupported");
            break;
        case 18: /* version 0: tdxModule, and the platform's level judges both bytes */
            expect_status(maker, "", "OutOfDate");
            break;
        default:
            expect_status(maker, "", i < 17 || i == 19 ? "OutOfDate" : "UpToDate");
        }
    }
}

static void
test_not_supported(void)
{
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autoptr(TdxMaker) td = tdx_maker_new();
    g_autoptr(TdxMaker) module = tdx_maker_new();
    g_autoptr(TdxMaker) qe = tdx_maker_new();

    maker->pck.components[7] = 4;
    expect_status(maker, "TcbNotSupported", "NotSupported");
    td->body[2] = 4;
    expect_status(td, "TcbNotSupported", "NotSupported");
    module->body[0] = 4;
    expect_status(module, "TcbNotSupported", "NotSupported");
    qe->qe_report[258] = 3;
    expect_status(qe, "TcbNotSupported", "NotSupported");
}

static void
test_module(void)
{
    g_autoptr(TdxMaker) unknown = tdx_maker_new();
    g_autoptr(TdxMaker) without = tdx_maker_new();
    g_autoptr(TdxMaker) signer = tdx_maker_new();
    g_autoptr(TdxMaker) attributes = tdx_maker_new();
    g_autoptr(TdxMaker) old = tdx_maker_new();
    g_autoptr(TdxMaker) old_signer = tdx_maker_new();

    unknown->body[1] = 3;
    expect(unknown, "TdxModuleUnknown");
    g_string_free(without->identities, TRUE);
    without->identities = NULL;
    expect(without, "TdxModuleUnknown");
    signer->body[64] = 1;
    expect(signer, "TdxModuleMismatch");
    attributes->body[SEAM_ATTRIBUTES] = 1;
    expect(attributes, "TdxModuleMismatch");

    /* Modules of version 0 have no identity of their own. */
    g_string_free(old->identities, TRUE);
    old->identities = NULL;
    old->body[1] = 0;
    expect_status(old, "", "UpToDate");
    old_signer->body[1] = 0;
    old_signer->body[64 + 47] = 1;
    expect(old_signer, "TdxModuleMismatch");
}

/* A TD made under an old module, on a machine whose module is current by now. */
static TdxMaker *
relaunch_maker(const char *platform)
{
    TdxMaker *maker = tdx_maker_new();

    tdx_maker_clear_levels(maker);
    tdx_maker_add_level(maker, 5, 11, 7, 0, 5, platform);
    tdx_maker_add_identity(maker, 1, 7, "UpToDate", 5u, "OutOfDate", 0u, NULL);
    tdx_maker_add_qe_level(maker, 4, "UpToDate");
    maker->body[SVN2] = 7;
    return maker;
}

static void
test_relaunch(void)
{
    static const struct {
        const char *platform;
        const char *status;
    } table[] = {
        {"UpToDate", "TDRelaunchAdvised"},
        {"SWHardeningNeeded", "TDRelaunchAdvised"},
        {"ConfigurationNeeded", "TDRelaunchAdvisedConfigurationNeeded"},
        {"ConfigurationAndSWHardeningNeeded", "TDRelaunchAdvisedConfigurationNeeded"},
        {"OutOfDate", "OutOfDate"},
        {"OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(TdxMaker) maker = relaunch_maker(table[i].platform);

        expect_status(maker, "", table[i].status);
    }
    for (guint i = 0; i < 6; i++) {
        g_autoptr(TdxMaker) maker = relaunch_maker("UpToDate");

        switch (i) {
        case 0: /* the module that runs now is old as well */
            maker->body[SVN2] = 6;
            break;
        case 1: /* so is the microcode */
            maker->body[SVN2 + 2] = 4;
            break;
        case 2: /* a body that cannot say what runs now */
            maker->body_type = 2;
            break;
        case 3:
            maker->version = 4;
            break;
        case 4: /* the enclave is outdated too */
            g_string_truncate(maker->qe_levels, 0);
            tdx_maker_add_qe_level(maker, 4, "OutOfDate");
            break;
        default: /* version 0 now: judged by the platform's newest level */
            maker->body[SVN2 + 1] = 0;
            maker->body[SVN2] = 6;
        }
        expect_status(maker, "", "OutOfDate");
    }
    {
        g_autoptr(TdxMaker) maker = relaunch_maker("UpToDate");

        maker->body[SVN2 + 1] = 9;
        expect_status(maker, "TdxModuleUnknown", "NotSupported");
    }
}

static void
test_qe_identity(void)
{
    static const struct {
        guint at;
        guint8 mask;
        const char *reasons;
    } edits[] = {
        {128, 1, "QeIdentityMismatch"},    /* MRSIGNER */
        {159, 0x80, "QeIdentityMismatch"}, /* its last byte */
        {256, 1, "QeIdentityMismatch"},    /* ISVPRODID */
        {16, 1, "QeIdentityMismatch"},     /* MISCSELECT */
        {48, 2, "QeIdentityMismatch"},     /* ATTRIBUTES: DEBUG */
        {48, 4, ""},                       /* MODE64BIT is masked out */
        {56, 1, ""},                       /* so is XFRM */
        {64, 1, ""},                       /* MRENCLAVE is not judged */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autoptr(TdxMaker) maker = tdx_maker_new();

        maker->qe_report[edits[i].at] ^= edits[i].mask;
        expect(maker, edits[i].reasons);
    }
}

static void
test_signatures(void)
{
    g_autoptr(TdxMaker) pck = tdx_maker_new();
    g_autoptr(TdxMaker) data = tdx_maker_new();
    g_autoptr(TdxMaker) quote = tdx_maker_new();
    g_autoptr(TdxMaker) tcb = tdx_maker_new();
    g_autoptr(TdxMaker) qe = tdx_maker_new();

    pck->wrong_pck_key = TRUE;
    expect(pck, "QeReportSignature");
    data->keep_qe_report_data = TRUE;
    expect(data, "QeReportData");
    quote->wrong_attestation_key = TRUE;
    expect(quote, "QuoteSignature");
    tcb->wrong_tcb_signature = TRUE;
    expect(tcb, "TcbInfoSignature");
    qe->wrong_qe_signature = TRUE;
    expect(qe, "QeIdentitySignature");
}

/* An attestation key that is no point of the curve. */
static void
test_attestation_key(void)
{
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autoptr(TdxEvidence) evidence = tdx_maker_make(maker);
    g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(evidence->quote, NULL);
    gsize at =
        (gsize)(quote->attestation_key - (const guint8 *)g_bytes_get_data(evidence->quote, NULL));
    gsize size = 0;
    guint8 *data = g_bytes_unref_to_data(
        g_bytes_new(g_bytes_get_data(evidence->quote, NULL), g_bytes_get_size(evidence->quote)),
        &size);
    g_autoptr(GBytes) edited = NULL;

    memset(data + at, 0, 64);
    edited = g_bytes_new_take(data, size);
    tdx_evidence_set_quote(evidence, edited);
    tdx_evidence_expect(evidence, "QeReportData QuoteSignature");
}

static void
test_certificates(void)
{
    g_autoptr(TdxMaker) expired = tdx_maker_new();
    g_autoptr(TdxMaker) early = tdx_maker_new();
    g_autoptr(TdxMaker) expired_ca = tdx_maker_new();
    g_autoptr(TdxMaker) expired_signer = tdx_maker_new();
    g_autoptr(TdxMaker) name = tdx_maker_new();
    g_autoptr(TdxMaker) ca_name = tdx_maker_new();
    g_autoptr(TdxMaker) bare = tdx_maker_new();
    g_autoptr(TdxMaker) short_chain = tdx_maker_new();
    g_autoptr(TdxMaker) curve = tdx_maker_new();
    g_autoptr(TdxMaker) other = tdx_maker_new();
    g_autoptr(TdxEvidence) evidence = NULL;

    expired->leaf.to = tdx_time("2025-12-31T00:00:00Z");
    expect(expired, "CertExpired");
    early->leaf.from = tdx_time("2026-01-02T00:00:00Z");
    expect(early, "CertNotYetValid");
    expired_ca->ca.to = tdx_time("2025-12-31T00:00:00Z");
    expect(expired_ca, "CertExpired");
    expired_signer->signer.to = tdx_time("2025-12-31T00:00:00Z");
    expect(expired_signer, "CertExpired");
    name->leaf.name = "Intel SGX TCB Signing";
    expect(name, "CertUnfit");
    ca_name->ca.name = "Intel SGX PCK Other CA";
    expect(ca_name, "IssuerMismatch");
    bare->leaf.no_extension = TRUE;
    expect(bare, "LeafMalformed");
    short_chain->leaf_by_root = TRUE;
    expect(short_chain, "CertUnfit IssuerMismatch");
    curve->leaf.other_curve = TRUE;
    expect(curve, "LeafMalformed QeReportSignature");

    /* The root of another maker, of the same name. */
    evidence = tdx_maker_make(other);
    cvs_tdx_roots_unref(evidence->roots);
    evidence->roots = cvs_tdx_roots_new();
    tdx_evidence_expect(evidence, "RootUntrusted");
}

/* Of several certificates of the signer's key the one counts whose time it is, in any order. */
static void
test_renewed_signer(void)
{
    for (int i = 0; i < 2; i++) {
        g_autoptr(TdxMaker) renewed = tdx_maker_new();
        g_autoptr(TdxMaker) both_ended = tdx_maker_new();

        renewed->old_signer_to = tdx_time("2025-12-31T00:00:00Z");
        renewed->old_signer_last = i == 1;
        expect(renewed, "");
        both_ended->old_signer_to = tdx_time("2025-12-30T00:00:00Z");
        both_ended->old_signer_last = i == 1;
        both_ended->signer.to = tdx_time("2025-12-31T00:00:00Z");
        expect(both_ended, "CertExpired");
    }
}

static void
test_revoked(void)
{
    g_autoptr(TdxMaker) leaf = tdx_maker_new();
    g_autoptr(TdxMaker) ca = tdx_maker_new();
    g_autoptr(TdxMaker) signer = tdx_maker_new();
    g_autoptr(TdxMaker) stale = tdx_maker_new();
    g_autoptr(TdxMaker) forged = tdx_maker_new();
    g_autoptr(TdxMaker) stale_and_revoked = tdx_maker_new();
    g_autoptr(TdxEvidence) evidence = NULL;

    leaf->revoke_leaf = TRUE;
    expect(leaf, "CertRevoked");
    ca->revoke_ca = TRUE;
    expect(ca, "CertRevoked");
    signer->revoke_signer = TRUE;
    expect(signer, "CertRevoked");
    stale->crl_to = tdx_time("2025-12-31T00:00:00Z");
    expect(stale, "CrlStale");
    forged->wrong_crl_key = TRUE;
    expect(forged, "CrlInvalid");

    /* The grace forgives the date, never the entry. */
    stale_and_revoked->crl_to = tdx_time("2025-12-31T00:00:00Z");
    stale_and_revoked->revoke_leaf = TRUE;
    evidence = tdx_maker_make(stale_and_revoked);
    evidence->grace = 30 * 24 * 3600;
    tdx_evidence_expect(evidence, "CertRevoked CrlStale");
}

/* A refused document's levels are nobody's word: no status is claimed from them. */
static void
test_no_status_without_signature(void)
{
    g_autoptr(TdxMaker) maker = tdx_maker_new();

    maker->wrong_tcb_signature = TRUE;
    expect_status(maker, "TcbInfoSignature", NULL);
}

static void
test_collateral(void)
{
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autoptr(TdxMaker) other = tdx_maker_new();
    g_autoptr(TdxMaker) qe = tdx_maker_new();
    g_autoptr(TdxMaker) sgx = tdx_maker_new();
    g_autoptr(TdxEvidence) evidence = tdx_maker_make(maker);
    g_autofree char *reasons = NULL;
    g_autoptr(json_t) claims = NULL;

    evidence->tcb_info->fmspc[5] ^= 1;
    tdx_evidence_expect(evidence, "FmspcMismatch");
    evidence->tcb_info->fmspc[5] ^= 1;
    evidence->tcb_info->pce_id[1] ^= 1;
    tdx_evidence_expect(evidence, "PceIdMismatch");
    evidence->tcb_info->pce_id[1] ^= 1;
    evidence->evaluation_seen = 19;
    tdx_evidence_expect(evidence, "CollateralRollback");
    evidence->evaluation_seen = 18;
    tdx_evidence_expect(evidence, "");
    evidence->at = tdx_time("2026-01-20T00:00:00Z");
    tdx_evidence_expect(evidence, "CollateralExpired CrlStale");
    evidence->grace = 24 * 3600;
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "");
    g_assert_true(json_is_true(json_object_get(claims, "tee.tcb.in_grace")));
    evidence->at = tdx_time("2025-12-19T00:00:00Z");
    tdx_evidence_expect(evidence, "CollateralNotYetValid CrlStale");

    g_free(other->tcb_id);
    other->tcb_id = g_strdup("SGX");
    expect(other, "TcbInfoMismatch");
    g_free(qe->qe_id);
    qe->qe_id = g_strdup("QE");
    expect(qe, "TcbInfoMismatch");
    sgx->cert_type = 3;
    expect(sgx, "CollateralMissing");
}

/* What the appraisal judges must reach it as claims. */
static void
test_td_claims(void)
{
    static const struct {
        guint byte;
        guint8 bit;
        const char *claim;
    } bits[] = {
        {TD_ATTRIBUTES, 0x01, "tee.policy.debug"},
        {TD_ATTRIBUTES, 0x10, "tee.td_attributes.tud"},
        {TD_ATTRIBUTES, 0x80, "tee.td_attributes.tud"},
        {TD_ATTRIBUTES + 3, 0x10, "tee.td_attributes.sept_ve_disable"},
        {TD_ATTRIBUTES + 3, 0x20, "tee.policy.migrate_ma"},
        {TD_ATTRIBUTES + 3, 0x40, "tee.td_attributes.pks"},
        {TD_ATTRIBUTES + 3, 0x80, "tee.td_attributes.kl"},
        {TD_ATTRIBUTES + 7, 0x80, "tee.td_attributes.perfmon"},
        {SERVICE_TD + 47, 0x01, "tee.service_td"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bits); i++) {
        for (guint set = 0; set < 2; set++) {
            g_autoptr(TdxMaker) maker = tdx_maker_new();
            g_autoptr(TdxEvidence) evidence = NULL;
            g_autoptr(json_t) claims = NULL;
            g_autofree char *reasons = NULL;

            if (set)
                maker->body[bits[i].byte] |= bits[i].bit;
            evidence = tdx_maker_make(maker);
            reasons = tdx_evidence_verify(evidence, &claims);
            g_assert_cmpstr(reasons, ==, "");
            g_assert_cmpint(json_is_true(json_object_get(claims, bits[i].claim)), ==, set);
        }
    }
}

/* A CRL in the other PCK CA's name says nothing about this one's certificates. */
static void
test_crl_of_other_ca(void)
{
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autoptr(TdxMaker) other = tdx_maker_new();
    g_autoptr(TdxEvidence) evidence = tdx_maker_make(maker);
    g_autoptr(TdxEvidence) processor = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *reasons = NULL;

    other->processor_ca = TRUE;
    processor = tdx_maker_make(other);
    g_ptr_array_remove_index(evidence->crls, 1);
    g_ptr_array_add(evidence->crls, g_ptr_array_steal_index(processor->crls, 1));
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.pck.crl")), ==, "missing");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.root.crl")), ==, "fresh");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tdx-verify/good", test_good);
    g_test_add_func("/tee/tdx-verify/claims", test_claims);
    g_test_add_func("/tee/tdx-verify/platform-statuses", test_platform_statuses);
    g_test_add_func("/tee/tdx-verify/convergence", test_convergence);
    g_test_add_func("/tee/tdx-verify/components", test_components);
    g_test_add_func("/tee/tdx-verify/not-supported", test_not_supported);
    g_test_add_func("/tee/tdx-verify/module", test_module);
    g_test_add_func("/tee/tdx-verify/relaunch", test_relaunch);
    g_test_add_func("/tee/tdx-verify/qe-identity", test_qe_identity);
    g_test_add_func("/tee/tdx-verify/signatures", test_signatures);
    g_test_add_func("/tee/tdx-verify/attestation-key", test_attestation_key);
    g_test_add_func("/tee/tdx-verify/certificates", test_certificates);
    g_test_add_func("/tee/tdx-verify/renewed-signer", test_renewed_signer);
    g_test_add_func("/tee/tdx-verify/revoked", test_revoked);
    g_test_add_func("/tee/tdx-verify/no-status-without-signature",
                    test_no_status_without_signature);
    g_test_add_func("/tee/tdx-verify/collateral", test_collateral);
    g_test_add_func("/tee/tdx-verify/td-claims", test_td_claims);
    g_test_add_func("/tee/tdx-verify/crl-of-other-ca", test_crl_of_other_ca);
    return g_test_run();
}
