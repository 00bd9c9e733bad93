/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The real quotes and TDREPORTs: what must come out of each, with the real collateral. */

#include "tee/tdx-claims.h"
#include "tee/tdreport.h"
#include "base/error.h"
#include "base/hex.h"

#include "captures.h"
#include "tdx-evidence.h"

#include <string.h>

#define YEARS (366 * 24 * 3600)

static void
check_hex(const json_t *object, const char *member, const void *data, gsize size)
{
    g_autofree char *hex = cvs_hex_encode(data, size);

    g_assert_cmpstr(hex, ==, json_string_value(json_object_get(object, member)));
}

static void
check_mask(const json_t *object, const char *member, guint64 value)
{
    guint8 little[8];

    for (guint i = 0; i < 8; i++)
        little[i] = (guint8)(value >> (8 * i));
    check_hex(object, member, little, 8);
}

static gint64
expected_int(const json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    g_assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void
check_bool(const json_t *object, const char *member, gboolean value)
{
    json_t *wanted = json_object_get(object, member);

    /* "00" and "ff" in the recorded extension */
    g_assert_true(json_is_string(wanted));
    g_assert_cmpint(value, ==, g_str_equal(json_string_value(wanted), "ff"));
}

static void
check_pck(const json_t *wanted, const CvsTdxQuote *quote)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;
    CvsPck pck = {0};

    cvs_x509_load(quote->cert_data, quote->cert_size, "chain", certs, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(certs->len, ==, 3);
    cvs_pck_parse(g_ptr_array_index(certs, 0), &pck, &error);
    g_assert_no_error(error);
    check_hex(wanted, "fmspc", pck.fmspc, 6);
    check_hex(wanted, "pceid", pck.pce_id, 2);
    check_hex(wanted, "ppid", pck.ppid, 16);
    check_hex(wanted, "cpusvn", pck.cpu_svn, 16);
    g_assert_cmpint(pck.pce_svn, ==, expected_int(wanted, "pcesvn"));
    for (guint i = 0; i < 16; i++)
        g_assert_cmpint(
            pck.components[i], ==,
            json_integer_value(json_array_get(json_object_get(wanted, "cpusvn_components"), i)));
    g_assert_true(pck.has_instance && pck.has_configuration);
    check_hex(wanted, "platform_instance_id", pck.instance_id, 16);
    check_hex(wanted, "sgx_type", &pck.sgx_type, 1);
    check_bool(wanted, "dynamic_platform", pck.dynamic_platform);
    check_bool(wanted, "cached_keys", pck.cached_keys);
    check_bool(wanted, "smt_enabled", pck.smt);
}

static void
check_quote(const char *name, const json_t *wanted)
{
    g_autofree char *path = g_strdup_printf("tdx/%s", name);
    g_autoptr(GBytes) bytes = captures_read(path);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(bytes, &error);
    const CvsTdBody *body = NULL;
    const json_t *qe = json_object_get(wanted, "qe_report");
    guint8 miscselect[4];

    g_assert_no_error(error);
    body = &quote->body;
    g_assert_cmpint(quote->version, ==, expected_int(wanted, "version"));
    g_assert_cmpint((gint64)quote->size, ==, expected_int(wanted, "bytes_used"));
    g_assert_cmpint((gint64)(g_bytes_get_size(bytes) - quote->size), ==,
                    expected_int(wanted, "trailing_bytes"));
    g_assert_cmpint(quote->cert_type, ==, expected_int(wanted, "inner_certification_data_type"));
    g_assert_cmpint((gint64)quote->qe_auth_size, ==, expected_int(wanted, "qe_auth_data_len"));
    check_hex(wanted, "user_data", quote->user_data, 20);
    check_hex(wanted, "tee_tcb_svn", body->tee_tcb_svn, 16);
    check_hex(wanted, "mr_seam", body->mr_seam, 48);
    check_hex(wanted, "mrsigner_seam", body->mrsigner_seam, 48);
    check_mask(wanted, "seam_attributes", body->seam_attributes);
    check_mask(wanted, "td_attributes", body->td_attributes);
    check_mask(wanted, "xfam", body->xfam);
    check_hex(wanted, "mr_td", body->mr_td, 48);
    check_hex(wanted, "mr_config_id", body->mr_config_id, 48);
    check_hex(wanted, "mr_owner", body->mr_owner, 48);
    check_hex(wanted, "mr_owner_config", body->mr_owner_config, 48);
    check_hex(wanted, "rtmr0", body->rtmr[0], 48);
    check_hex(wanted, "rtmr1", body->rtmr[1], 48);
    check_hex(wanted, "rtmr2", body->rtmr[2], 48);
    check_hex(wanted, "rtmr3", body->rtmr[3], 48);
    check_hex(wanted, "report_data", body->report_data, 64);
    g_assert_cmpint(body->has_15, ==, quote->version == 5);
    if (body->has_15) {
        check_hex(wanted, "tee_tcb_svn2", body->tee_tcb_svn2, 16);
        check_hex(wanted, "mr_servicetd", body->mr_servicetd, 48);
    }
    check_hex(qe, "mrenclave", quote->qe.mr_enclave, 32);
    check_hex(qe, "mrsigner", quote->qe.mr_signer, 32);
    check_hex(qe, "cpusvn", quote->qe.cpu_svn, 16);
    check_hex(qe, "attributes", quote->qe.attributes, 16);
    for (guint i = 0; i < 4; i++)
        miscselect[i] = (guint8)(quote->qe.miscselect >> (8 * i));
    check_hex(qe, "miscselect", miscselect, 4);
    g_assert_cmpint(quote->qe.isv_prod_id, ==, expected_int(qe, "isvprodid"));
    g_assert_cmpint(quote->qe.isv_svn, ==, expected_int(qe, "isvsvn"));
    check_pck(json_object_get(wanted, "pck_sgx_extension"), quote);
}

static void
test_fields(void)
{
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *wanted = NULL;
    guint count = 0;

    if (!captures_there())
        return;
    all = captures_json("tdx/expected.json");
    json_object_foreach (all, name, wanted) {
        if (g_str_equal(name, "quote-v3-sgx.dat"))
            continue;
        check_quote(name, wanted);
        count++;
    }
    g_assert_cmpuint(count, ==, 7);
}

/* The set of July 2025 for everything that a test does not bring itself. */
static TdxEvidence *
evidence_of(const char *quote, const char *at, gint64 grace)
{
    TdxEvidence *evidence = tdx_evidence_new();
    g_autoptr(GBytes) bytes = captures_read(quote);

    tdx_evidence_set_quote(evidence, bytes);
    tdx_evidence_add_set(evidence, "tdx/quote-v4-uptodate.collateral.json");
    evidence->at = tdx_time(at);
    evidence->grace = grace;
    return evidence;
}

static const char *
claim(const json_t *claims, const char *name)
{
    return json_string_value(json_object_get(claims, name));
}

static void
test_up_to_date(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;
    g_autofree char *reasons = NULL;
    g_autoptr(json_t) claims = NULL;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v4-uptodate.dat", "2025-07-01T00:00:00Z", 0);
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "");
    g_assert_cmpstr(claim(claims, "tee.tcb.status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.tcb.sgx_status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.tcb.platform_status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.tcb.module_status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.tcb.qe_status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.pck.crl"), ==, "fresh");
    g_assert_cmpstr(claim(claims, "tee.root.crl"), ==, "fresh");
    g_assert_cmpstr(claim(claims, "tee.pck.ca"), ==, "platform");
    g_assert_cmpstr(claim(claims, "tee.fmspc"), ==, "b0c06f000000");
    g_assert_cmpint(expected_int(claims, "tee.tcb.evaluation"), ==, 17);
    g_assert_false(json_is_true(json_object_get(claims, "tee.test_roots")));
    g_assert_false(json_is_true(json_object_get(claims, "tee.policy.debug")));
    g_assert_true(json_is_true(json_object_get(claims, "tee.rtmrs_used")));
}

/* The window in which all of it holds is the one that the README names. */
static void
test_window(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v4-uptodate.dat", "2025-06-19T10:32:27Z", 0);
    tdx_evidence_expect(evidence, "");
    evidence->at = tdx_time("2025-06-19T10:32:26Z");
    tdx_evidence_expect(evidence, "CollateralNotYetValid");
    evidence->at = tdx_time("2025-07-19T10:00:34Z");
    tdx_evidence_expect(evidence, "");
    evidence->at = tdx_time("2025-07-19T10:00:36Z");
    tdx_evidence_expect(evidence, "CrlStale");
    evidence->at = tdx_time("2025-07-20T00:00:00Z");
    tdx_evidence_expect(evidence, "CollateralExpired CrlStale");
    evidence->grace = 24 * 3600;
    tdx_evidence_expect(evidence, "");
    evidence->at = tdx_time("2025-07-21T00:00:00Z");
    tdx_evidence_expect(evidence, "CollateralExpired CrlStale");
    /* No grace makes a certificate live longer: the PCK ends on 2032-02-06. */
    evidence->at = tdx_time("2032-02-08T00:00:00Z");
    evidence->grace = 20ll * YEARS;
    tdx_evidence_expect(evidence, "CertExpired");
}

static void
test_rollback(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v4-uptodate.dat", "2025-07-01T00:00:00Z", 0);
    evidence->evaluation_seen = 17;
    tdx_evidence_expect(evidence, "");
    evidence->evaluation_seen = 18;
    tdx_evidence_expect(evidence, "CollateralRollback");
}

/* What is wrong with each of the others, and nothing else. */
static void
test_others(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;
    g_autofree char *reasons = NULL;
    g_autoptr(json_t) claims = NULL;

    if (!captures_there())
        return;
    /* The answer of 2023, for which today's signer vouches as well. */
    evidence = evidence_of("tdx/quote-v4-spr-e4.dat", "2025-07-01T00:00:00Z", 3ll * YEARS);
    tdx_evidence_set_tcb_info(evidence, "tdx/pcs-tdx-tcbinfo-50806f000000-2023.json");
    tdx_evidence_set_qe_identity(evidence, "tdx/pcs-tdx-qeidentity-2023.json");
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "TcbNotSupported");
    g_assert_cmpstr(claim(claims, "tee.tcb.status"), ==, "NotSupported");
    g_clear_pointer(&reasons, g_free);
    g_clear_pointer(&claims, json_decref);
    g_clear_pointer(&evidence, tdx_evidence_free);

    evidence = evidence_of("tdx/quote-v5-td15.dat", "2026-02-10T00:00:00Z", YEARS);
    tdx_evidence_set_tcb_info(evidence, "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json");
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "");
    g_assert_cmpstr(claim(claims, "tee.tcb.status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.tcb.module_status"), ==, "UpToDate");
    g_assert_cmpstr(claim(claims, "tee.td_body"), ==, "1.5");
    g_assert_false(json_is_true(json_object_get(claims, "tee.service_td")));
    g_assert_true(json_is_true(json_object_get(claims, "tee.tcb.in_grace")));
    g_clear_pointer(&reasons, g_free);
    g_clear_pointer(&claims, json_decref);
    g_clear_pointer(&evidence, tdx_evidence_free);

    evidence = evidence_of("tdx/quote-v5-td15-servtd.dat", "2026-02-10T00:00:00Z", YEARS);
    tdx_evidence_set_tcb_info(evidence, "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json");
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "TcbNotSupported");
    g_assert_true(json_is_true(json_object_get(claims, "tee.service_td")));
    g_assert_true(g_str_has_prefix(claim(claims, "tee.mr_servicetd"), "383c87d3"));
    g_clear_pointer(&reasons, g_free);
    g_clear_pointer(&claims, json_decref);
    g_clear_pointer(&evidence, tdx_evidence_free);

    evidence = evidence_of("tdx/quote-v4-debug.dat", "2025-07-01T00:00:00Z", 3ll * YEARS);
    tdx_evidence_set_tcb_info(evidence, "tdx/pcs-tdx-tcbinfo-50806f000000-2023.json");
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "");
    g_assert_cmpstr(claim(claims, "tee.tcb.status"), ==, "UpToDate");
    g_assert_true(json_is_true(json_object_get(claims, "tee.policy.debug")));
    g_assert_true(json_is_true(json_object_get(claims, "tee.td_attributes.tud")));
}

/* Quotes for whose platforms there is no TCB info here: everything else about them holds. */
static void
test_without_collateral(void)
{
    static const char *const quotes[] = {"tdx/quote-v4-cos113-padded.dat",
                                         "hcl/az-tdx-td-quote.dat"};

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(quotes); i++) {
        g_autoptr(TdxEvidence) evidence = evidence_of(quotes[i], "2025-07-01T00:00:00Z", 0);

        tdx_evidence_expect(evidence, "FmspcMismatch");
        g_clear_pointer(&evidence->tcb_info, cvs_tcb_info_free);
        tdx_evidence_expect(evidence, "CollateralMissing");
        g_clear_pointer(&evidence->qe_identity, cvs_qe_identity_free);
        tdx_evidence_expect(evidence, "CollateralMissing");
    }
}

/* A missing CRL is a claim, and no reason. */
static void
test_without_crls(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;
    g_autofree char *reasons = NULL;
    g_autoptr(json_t) claims = NULL;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v4-uptodate.dat", "2025-07-01T00:00:00Z", 0);
    g_ptr_array_set_size(evidence->crls, 0);
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "");
    g_assert_cmpstr(claim(claims, "tee.pck.crl"), ==, "missing");
    g_assert_cmpstr(claim(claims, "tee.root.crl"), ==, "missing");
}

/* Names like Intel's, and keys that are not: the pre-production root, and one of a test set. */
static void
test_other_roots(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v4-preproduction-root.dat", "2025-07-01T00:00:00Z", 0);
    tdx_evidence_expect(evidence, "FmspcMismatch RootUntrusted");
    g_clear_pointer(&evidence, tdx_evidence_free);

    evidence = evidence_of("tdx/intel-qvl-selfmade/quote.dat", "2025-07-01T00:00:00Z", 0);
    tdx_evidence_expect(evidence, "FmspcMismatch PceIdMismatch RootUntrusted");
}

/* The sample set of Intel's library with its root allowed as a test root. Its leaf is in DER. Its
 * module has version 0xc1, for which there is no identity: Intel's own tool says so too. */
static void
test_selfmade(void)
{
    g_autoptr(TdxEvidence) evidence = tdx_evidence_new();
    g_autoptr(GBytes) quote = NULL;
    g_autoptr(GBytes) root = NULL;
    g_autoptr(GPtrArray) roots = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *reasons = NULL;
    g_autoptr(json_t) claims = NULL;

    if (!captures_there())
        return;
    quote = captures_read("tdx/intel-qvl-selfmade/quote.dat");
    root = captures_read("tdx/intel-qvl-selfmade/trustedRootCaCert.pem");
    cvs_x509_load(g_bytes_get_data(root, NULL), g_bytes_get_size(root), "root", roots, NULL,
                  &error);
    g_assert_no_error(error);
    cvs_tdx_roots_add_test(evidence->roots, roots);
    tdx_evidence_set_quote(evidence, quote);
    tdx_evidence_add_pem(evidence, "tdx/intel-qvl-selfmade/pckSignChain.pem");
    tdx_evidence_add_pem(evidence, "tdx/intel-qvl-selfmade/tcbSignChain.pem");
    tdx_evidence_add_pem(evidence, "tdx/intel-qvl-selfmade/rootCaCrl.der");
    tdx_evidence_add_pem(evidence, "tdx/intel-qvl-selfmade/intermediateCaCrl.der");
    tdx_evidence_set_tcb_info(evidence, "tdx/intel-qvl-selfmade/tcbInfo.json");
    tdx_evidence_set_qe_identity(evidence, "tdx/intel-qvl-selfmade/qeIdentity.json");
    evidence->at = tdx_time("2023-01-01T00:00:00Z");
    reasons = tdx_evidence_verify(evidence, &claims);
    g_assert_cmpstr(reasons, ==, "QeIdentityMismatch TcbNotSupported TdxModuleUnknown");
    g_assert_null(strstr(reasons, "Signature"));
    g_assert_null(strstr(reasons, "RootUntrusted"));
    g_assert_null(strstr(reasons, "FmspcMismatch"));
    g_assert_true(json_is_true(json_object_get(claims, "tee.test_roots")));
    g_assert_cmpstr(claim(claims, "tee.pck.crl"), ==, "fresh");
    g_assert_cmpstr(claim(claims, "tee.pck.ca"), ==, "processor");
}

/* An SGX quote, and SGX collateral beside a TD quote. */
static void
test_sgx(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;
    g_autoptr(GBytes) sgx = NULL;
    g_autoptr(GError) error = NULL;

    if (!captures_there())
        return;
    sgx = captures_read("tdx/quote-v3-sgx.dat");
    g_assert_null(cvs_tdx_quote_parse(sgx, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_QUOTE_UNSUPPORTED));

    evidence = evidence_of("tdx/quote-v4-uptodate.dat", "2025-07-01T00:00:00Z", 0);
    tdx_evidence_add_set(evidence, "tdx/quote-v3-sgx.collateral.json");
    {
        g_autofree char *reasons = tdx_evidence_verify(evidence, NULL);

        g_assert_nonnull(strstr(reasons, "TcbInfoMismatch"));
    }
}

static CvsTdReport
parse_tdreport(const char *capture)
{
    g_autoptr(GBytes) bytes = captures_read(capture);
    g_autoptr(GError) error = NULL;
    CvsTdReport report = {0};

    cvs_tdreport_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &report, &error);
    g_assert_no_error(error);
    return report;
}

static void
test_tdreport(void)
{
    CvsTdReport report = {0};
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GBytes) malformed = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL;
    const guint8 *data = NULL;
    gsize size = 0;

    if (!captures_there())
        return;
    report = parse_tdreport("tdx/tdreport-v1.bin");
    g_assert_cmpint(report.version, ==, 1);
    g_assert_cmphex(report.tcb_info_valid, ==, 0x301ff);
    claims = cvs_td_claims_new(&report.body, "tdreport");
    g_assert_cmpstr(claim(claims, "tee.source"), ==, "tdreport");

    malformed = captures_read("tdx/tdreport-malformed.bin");
    g_assert_false(cvs_tdreport_parse(g_bytes_get_data(malformed, NULL), 1024, &report, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_clear_error(&error);

    bytes = captures_read("tdx/tdreport-v1.bin");
    data = g_bytes_get_data(bytes, &size);
    g_assert_cmpuint(size, ==, 1024);
    for (gsize cut = 0; cut < size; cut++)
        g_assert_false(cvs_tdreport_parse(data, cut, &report, NULL));
    for (gsize at = 0; at < size; at++) {
        for (guint bit = 0; bit < 8; bit++) {
            guint8 edited[1024];
            gboolean taken = FALSE;
            /* Neither hash is over these: CPUSVN, REPORTDATA and the MAC, which only the CPU can
             * check; and the version, of which there are two. */
            gboolean unprotected = (at >= 16 && at < 32) || (at >= 128 && at < 192) ||
                                   (at >= 224 && at < 256) || (at == 2 && bit == 0);

            memcpy(edited, data, size);
            edited[at] ^= 1u << bit;
            taken = cvs_tdreport_parse(edited, size, &report, &error);
            g_assert_cmpint(taken, ==, unprotected);
            if (at >= 32 && at < 128)
                g_assert_true(cvs_error_has_reason(error, CVS_REASON_TD_REPORT_HASH));
            g_clear_error(&error);
        }
    }
}

static GBytes *
copy(GBytes *bytes, gsize size)
{
    return g_bytes_new(g_bytes_get_data(bytes, NULL), size);
}

static void
cut_quote(const char *name)
{
    g_autoptr(GBytes) bytes = captures_read(name);
    g_autoptr(CvsTdxQuote) whole = cvs_tdx_quote_parse(bytes, NULL);

    g_assert_nonnull(whole);
    for (gsize size = 0; size <= g_bytes_get_size(bytes); size++) {
        g_autoptr(GBytes) part = copy(bytes, size);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(part, &error);

        g_assert_cmpint(quote != NULL, ==, size >= whole->size);
        if (quote == NULL) {
            g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
            g_assert_true(cvs_error_has_reason(error, CVS_REASON_QUOTE_MALFORMED));
        }
    }
}

static void
test_cut(void)
{
    if (!captures_there())
        return;
    cut_quote("tdx/quote-v4-uptodate.dat");
    cut_quote("tdx/quote-v4-cos113-padded.dat");
    cut_quote("tdx/quote-v5-td15.dat");
    cut_quote("tdx/intel-qvl-selfmade/quote.dat");
}

/* What lies behind the quote is never looked at. */
static void
test_padding(void)
{
    g_autoptr(TdxEvidence) evidence = NULL;
    g_autoptr(CvsTdxQuote) quote = NULL;
    gsize used = 0;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v4-uptodate.dat", "2025-07-01T00:00:00Z", 0);
    quote = cvs_tdx_quote_parse(evidence->quote, NULL);
    used = quote->size;
    for (gsize more = 0; more <= 70; more += 35) {
        guint8 fills[] = {0x00, 0xff, 0x5a};

        for (gsize i = 0; i < G_N_ELEMENTS(fills); i++) {
            guint8 *data = g_malloc(used + more);
            g_autoptr(GBytes) padded = NULL;

            memset(data, fills[i], used + more);
            memcpy(data, g_bytes_get_data(quote->bytes, NULL), used);
            padded = g_bytes_new_take(data, used + more);
            tdx_evidence_set_quote(evidence, padded);
            tdx_evidence_expect(evidence, "");
        }
    }
}

/* Each byte of a good quote flipped: refused, unless the byte is one of the certificates above the
 * leaf, which the evidence has as well, or of the text around them; and then nothing that was
 * verified has changed. */
static void
flip_quote(TdxEvidence *evidence, gboolean certs_too)
{
    g_autoptr(CvsTdxVerifier) verifier = cvs_tdx_verifier_new(evidence->roots);
    g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(evidence->quote, NULL);
    const guint8 *start = g_bytes_get_data(evidence->quote, NULL);
    gsize certs = (gsize)(quote->cert_data - start);
    g_autofree char *reasons = NULL;
    g_autoptr(json_t) good = NULL;
    guint parsed = 0;

    reasons = tdx_evidence_verify(evidence, &good);
    g_assert_cmpstr(reasons, ==, "");
    for (gsize at = 0; at < (certs_too ? quote->size : certs); at++) {
        gsize size = 0;
        guint8 *data =
            g_bytes_unref_to_data(copy(evidence->quote, g_bytes_get_size(evidence->quote)), &size);
        g_autoptr(GBytes) edited = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) claims = NULL;
        CvsTdxEvidence given = {
            .certs = evidence->certs,
            .crls = evidence->crls,
            .tcb_info = evidence->tcb_info,
            .qe_identity = evidence->qe_identity,
            .at = evidence->at,
            .grace = evidence->grace,
        };

        data[at] ^= 1u << at % 8;
        edited = g_bytes_new_take(data, size);
        given.quote = edited;
        if (cvs_tdx_verify(verifier, &given, &claims, &error)) {
            g_assert_cmpuint(at, >=, certs);
            g_assert_true(json_equal(claims, good));
        } else if (claims) {
            g_assert_nonnull(cvs_error_get_reasons(error));
            g_assert_cmpuint(cvs_error_get_reasons(error)->len, >, 0);
            g_assert_false(json_is_true(json_object_get(claims, "tee.verified")));
            parsed++;
        }
    }
    g_assert_cmpuint(parsed, >, 1000);
}

static void
test_flip(void)
{
    g_autoptr(TdxEvidence) v4 = NULL;
    g_autoptr(TdxEvidence) v5 = NULL;

    if (!captures_there())
        return;
    v4 = evidence_of("tdx/quote-v4-uptodate.dat", "2025-07-01T00:00:00Z", 0);
    flip_quote(v4, TRUE);
    v5 = evidence_of("tdx/quote-v5-td15.dat", "2026-02-10T00:00:00Z", YEARS);
    tdx_evidence_set_tcb_info(v5, "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json");
    flip_quote(v5, FALSE);
}

/* Each byte of a good answer flipped: no longer Intel's, or no longer readable. */
static void
test_flip_collateral(void)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(TdxEvidence) evidence = NULL;
    g_autoptr(CvsTcbInfo) good = NULL;
    gsize size = 0;
    guint parsed = 0;

    if (!captures_there())
        return;
    evidence = evidence_of("tdx/quote-v5-td15.dat", "2026-02-10T00:00:00Z", YEARS);
    bytes = captures_read("tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json");
    size = g_bytes_get_size(bytes);
    good = cvs_tcb_info_parse(g_bytes_get_data(bytes, NULL), size, NULL);
    g_assert_nonnull(good);
    for (gsize at = 0; at < size; at++) {
        guint8 *data = g_bytes_unref_to_data(copy(bytes, size), &size);
        g_autofree char *reasons = NULL;

        data[at] ^= 1u << at % 7;
        g_clear_pointer(&evidence->tcb_info, cvs_tcb_info_free);
        evidence->tcb_info = cvs_tcb_info_parse(data, size, NULL);
        g_free(data);
        if (evidence->tcb_info == NULL)
            continue;
        parsed++;
        if (at % 8 != 0)
            continue; /* ECDSA is slow; what parses is checked by samples */
        /* The case of a digit of the signature, say. */
        if (g_bytes_equal(evidence->tcb_info->base.raw, good->base.raw) &&
            memcmp(evidence->tcb_info->base.signature, good->base.signature, 64) == 0)
            continue;
        reasons = tdx_evidence_verify(evidence, NULL);
        if (strstr(reasons, "TcbInfoSignature") == NULL)
            g_error("byte %zu of the TCB info can be changed", at);
    }
    g_assert_cmpuint(parsed, >, 500);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tdx/captures/fields", test_fields);
    g_test_add_func("/tee/tdx/captures/up-to-date", test_up_to_date);
    g_test_add_func("/tee/tdx/captures/window", test_window);
    g_test_add_func("/tee/tdx/captures/rollback", test_rollback);
    g_test_add_func("/tee/tdx/captures/others", test_others);
    g_test_add_func("/tee/tdx/captures/without-collateral", test_without_collateral);
    g_test_add_func("/tee/tdx/captures/without-crls", test_without_crls);
    g_test_add_func("/tee/tdx/captures/other-roots", test_other_roots);
    g_test_add_func("/tee/tdx/captures/selfmade", test_selfmade);
    g_test_add_func("/tee/tdx/captures/sgx", test_sgx);
    g_test_add_func("/tee/tdx/captures/tdreport", test_tdreport);
    g_test_add_func("/tee/tdx/captures/cut", test_cut);
    g_test_add_func("/tee/tdx/captures/padding", test_padding);
    g_test_add_func("/tee/tdx/captures/flip", test_flip);
    g_test_add_func("/tee/tdx/captures/flip-collateral", test_flip_collateral);
    return g_test_run();
}
