/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The collateral store: what is taken in, what is refused, and what it finds again. */

#include "tee/collateral-store.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/snp-verify.h"

#include "captures.h"
#include "snp-maker.h"

#include <glib/gstdio.h>
#include <string.h>

#define SET "tdx/quote-v4-uptodate.collateral.json"
#define MILAN "snp/roots/ask_ark_milan.pem"
#define VCEK "snp/reports/milan-v3.vcek.der"
#define NOW G_GINT64_CONSTANT(1782864000) /* 2026-07-01 */

typedef struct {
    char *dir;
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
    CvsCollateralStore *store;
} Fixture;

static void
reopen(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&f->store, cvs_collateral_store_free);
    f->store = cvs_collateral_store_open(f->dir, TRUE, f->snp_roots, f->tdx_roots, &error);
    g_assert_no_error(error);
}

static Fixture *
fixture_new(void)
{
    Fixture *f = g_new0(Fixture, 1);

    f->dir = g_dir_make_tmp("cvmseal-collateral-XXXXXX", NULL);
    f->snp_roots = cvs_snp_roots_new();
    f->tdx_roots = cvs_tdx_roots_new();
    reopen(f);
    return f;
}

static void
fixture_free(Fixture *f)
{
    g_autoptr(GDir) dir = g_dir_open(f->dir, 0, NULL);
    const char *name = NULL;

    cvs_collateral_store_free(f->store);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(f->dir, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    cvs_snp_roots_unref(f->snp_roots);
    cvs_tdx_roots_unref(f->tdx_roots);
    g_free(f->dir);
    g_free(f);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

static GPtrArray *
import_inputs(Fixture *f, const CvsCollateralInput *inputs, guint n)
{
    GPtrArray *results = NULL;
    g_autoptr(GError) error = NULL;

    cvs_collateral_store_import(f->store, inputs, n, &results, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(results->len, ==, n);
    return results;
}

/* added: how many; -1: refused, with that first reason, or none. */
static void
import_bytes(Fixture *f, GBytes *bytes, int added, const char *reason)
{
    CvsCollateralInput input = {.name = "FILE", .bytes = bytes};
    g_autoptr(GPtrArray) results = import_inputs(f, &input, 1);
    const CvsCollateralResult *result = g_ptr_array_index(results, 0);

    if (added >= 0) {
        g_assert_no_error(result->error);
        g_assert_cmpint((int)result->added, ==, added);
        g_assert_cmpuint(result->ids->len, >=, result->added);
        return;
    }
    g_assert_nonnull(result->error);
    g_test_message("%s", result->error->message);
    g_assert_cmpuint(result->ids->len, ==, 0);
    if (reason && !cvs_error_has_reason(result->error, reason))
        g_error("no reason %s in: %s", reason, result->error->message);
}

static void
import_capture(Fixture *f, const char *name, int added, const char *reason)
{
    g_autoptr(GBytes) bytes = captures_read(name);

    g_test_message("%s", name);
    import_bytes(f, bytes, added, reason);
}

/* How many there are, and how many of them are not used. */
static void
expect_list(Fixture *f, guint all, guint bad)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) items = cvs_collateral_store_list(f->store, &error);
    guint seen_bad = 0;

    g_assert_no_error(error);
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);

        if (item->error)
            g_test_message("%s", item->error->message);
        seen_bad += item->error != NULL;
    }
    g_assert_cmpuint(items->len, ==, all);
    g_assert_cmpuint(seen_bad, ==, bad);
}

/* The id of the only item of the kind. */
static char *
find_id(Fixture *f, CvsCollateralKind kind)
{
    g_autoptr(GPtrArray) items = cvs_collateral_store_list(f->store, NULL);
    char *id = NULL;

    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);

        if (g_str_has_prefix(item->id, cvs_collateral_kind_name(kind))) {
            g_assert_null(id);
            id = g_strdup(item->id);
        }
    }
    g_assert_nonnull(id);
    return id;
}

static gboolean
verifies(Fixture *f, const char *capture)
{
    g_autoptr(GBytes) bytes = captures_read(capture);
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(f->snp_roots);
    g_autoptr(GError) error = NULL;
    CvsSnpReport report;
    CvsSnpEvidence given = {.report = g_bytes_get_data(bytes, NULL),
                            .report_size = g_bytes_get_size(bytes),
                            .certs = evidence->certs,
                            .crls = evidence->crls,
                            .at = NOW};

    g_assert_true(cvs_snp_report_parse(given.report, given.report_size, &report, NULL));
    cvs_collateral_store_collect_snp(f->store, &report, evidence, &error);
    g_assert_no_error(error);
    return cvs_snp_verify(verifier, &given, NULL, NULL, NULL);
}

static void
test_snp(void)
{
    g_autoptr(Fixture) f = fixture_new();

    expect_list(f, 0, 0);
    if (!captures_there())
        return;
    /* without its issuers it shows nothing */
    import_capture(f, VCEK, -1, CVS_REASON_CHAIN_INCOMPLETE);
    expect_list(f, 0, 0);
    import_capture(f, MILAN, 2, NULL);
    import_capture(f, MILAN, 0, NULL);
    import_capture(f, VCEK, 1, NULL);
    import_capture(f, VCEK, 0, NULL);
    import_capture(f, "snp/reports/milan-v3-b.vcek.der", 1, NULL);
    import_capture(f, "snp/roots/milan_crl.pem", 1, NULL);
    /* The same key certified anew takes the place of the older certificate, whichever that is. */
    import_capture(f, "snp/reports/milan-v3.vcek-reissue.der", 0, NULL);
    import_capture(f, "snp/roots/ask_ark_milan_vlek.pem", 1, NULL);
    import_capture(f, "snp/reports/milan-v3-vlek-vmpl1.vlek.der", 1, NULL);
    expect_list(f, 7, 0);
    reopen(f);
    expect_list(f, 7, 0);
}

static void
test_snp_lookup(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    CvsSnpReport report;

    if (!captures_there())
        return;
    import_capture(f, MILAN, 2, NULL);
    import_capture(f, "snp/roots/ask_ark_turin_vcek.pem", 2, NULL);
    import_capture(f, VCEK, 1, NULL);
    import_capture(f, "snp/reports/turin-v5.vcek.der", 1, NULL);
    import_capture(f, "snp/reports/turin-preproduction.vcek.der", 1, NULL);
    g_assert_true(verifies(f, "snp/reports/milan-v3.report.bin"));
    g_assert_true(verifies(f, "snp/reports/turin-v5.report.bin"));
    g_assert_false(verifies(f, "snp/reports/milan-v3-b.report.bin"));
    /* one leaf, of this chip and TCB, beside the four issuers */
    bytes = captures_read("snp/reports/turin-v5.report.bin");
    g_assert_true(cvs_snp_report_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                       &report, NULL));
    g_assert_true(cvs_collateral_store_collect_snp(f->store, &report, evidence, NULL));
    g_assert_cmpuint(evidence->certs->len, ==, 5);
    report.reported_tcb[0]++;
    g_clear_pointer(&evidence, cvs_evidence_free);
    evidence = cvs_evidence_new();
    g_assert_true(cvs_collateral_store_collect_snp(f->store, &report, evidence, NULL));
    g_assert_cmpuint(evidence->certs->len, ==, 4);
}

/* What is not the vendor's stays outside, however it is called. */
static void
test_poison(void)
{
    g_autoptr(Fixture) f = fixture_new();

    if (!captures_there())
        return;
    import_capture(f, MILAN, 2, NULL);
    import_capture(f, SET, 7, NULL);
    import_capture(f, "snp/negative/vcek-invalid-new.der", -1, CVS_REASON_CERT_SIGNATURE);
    import_capture(f, "tdx/intel-qvl-selfmade/trustedRootCaCert.pem", -1,
                   CVS_REASON_ROOT_UNTRUSTED);
    import_capture(f, "tdx/intel-qvl-selfmade/tcbSignChain.pem", -1, NULL);
    import_capture(f, "tdx/intel-qvl-selfmade/tcbInfo.json", -1, CVS_REASON_TCB_INFO_SIGNATURE);
    import_capture(f, "tdx/intel-qvl-selfmade/qeIdentity.json", -1,
                   CVS_REASON_QE_IDENTITY_SIGNATURE);
    import_capture(f, "tdx/intel-qvl-selfmade/rootCaCrl.der", -1, CVS_REASON_CRL_INVALID);
    import_capture(f, "tdx/intel-qvl-selfmade/pckCert.pem", -1, CVS_REASON_CERT_UNFIT);
    import_capture(f, "hcl/az-snp-tpm-quote.msg", -1, NULL);
    import_capture(f, "snp/roots/genoa_crl.pem", -1, CVS_REASON_CHAIN_INCOMPLETE);
    expect_list(f, 9, 0);
}

/* One bad object in a file: none of that file is taken in, and the next file is. */
static void
test_all_or_nothing(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) good = NULL;
    g_autoptr(GBytes) bad = NULL;
    g_autoptr(GBytes) mixed = NULL;
    g_autoptr(GByteArray) both = g_byte_array_new();
    g_autoptr(GPtrArray) results = NULL;
    CvsCollateralInput inputs[3] = {{.name = "mixed"}, {.name = "missing"}, {.name = "good"}};

    if (!captures_there())
        return;
    good = captures_read(MILAN);
    bad = captures_read("tdx/intel-qvl-selfmade/trustedRootCaCert.pem");
    g_byte_array_append(both, g_bytes_get_data(good, NULL), (guint)g_bytes_get_size(good));
    g_byte_array_append(both, g_bytes_get_data(bad, NULL), (guint)g_bytes_get_size(bad));
    mixed = g_bytes_new(both->data, both->len);
    inputs[0].bytes = mixed;
    inputs[1].error = g_error_new(CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "no such file");
    import_bytes(f, mixed, -1, CVS_REASON_ROOT_UNTRUSTED);
    expect_list(f, 0, 0);
    inputs[2].bytes = good;
    results = import_inputs(f, inputs, 3);
    g_assert_nonnull(((CvsCollateralResult *)g_ptr_array_index(results, 0))->error);
    g_assert_error(((CvsCollateralResult *)g_ptr_array_index(results, 1))->error, CVS_ERROR,
                   CVS_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint(((CvsCollateralResult *)g_ptr_array_index(results, 2))->added, ==, 2);
    expect_list(f, 2, 0);
    g_error_free(inputs[1].error);
}

/* Issuers may come with a later file of the same call. */
static void
test_order(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) leaf = NULL;
    g_autoptr(GBytes) issuers = NULL;
    g_autoptr(GPtrArray) results = NULL;
    CvsCollateralInput inputs[2] = {{.name = "leaf"}, {.name = "issuers"}};

    if (!captures_there())
        return;
    leaf = captures_read(VCEK);
    issuers = captures_read(MILAN);
    inputs[0].bytes = leaf;
    inputs[1].bytes = issuers;
    results = import_inputs(f, inputs, 2);
    g_assert_cmpuint(((CvsCollateralResult *)g_ptr_array_index(results, 0))->added, ==, 1);
    g_assert_cmpuint(((CvsCollateralResult *)g_ptr_array_index(results, 1))->added, ==, 2);
}

static void
test_tdx(void)
{
    static const guint8 fmspc[] = {0xb0, 0xc0, 0x6f, 0, 0, 0};
    static const guint8 other[] = {1, 2, 3, 4, 5, 6};
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(CvsEvidence) none = cvs_evidence_new();
    g_autoptr(CvsEvidence) again = cvs_evidence_new();
    g_autofree char *identity = NULL;
    g_autofree char *seen = NULL;

    if (!captures_there())
        return;
    import_capture(f, "tdx/pcs-tdx-qeidentity-2023.json", -1, CVS_REASON_CHAIN_INCOMPLETE);
    /* root, PCK CA, signer, two CRLs, TCB info, QE identity */
    import_capture(f, SET, 7, NULL);
    import_capture(f, SET, 0, NULL);
    g_assert_true(cvs_collateral_store_collect_tdx(f->store, fmspc, evidence, NULL));
    g_assert_cmpuint(evidence->certs->len, ==, 3);
    g_assert_cmpuint(evidence->crls->len, ==, 2);
    g_assert_cmpuint(evidence->tcb_infos->len, ==, 1);
    g_assert_cmpuint(evidence->qe_identities->len, ==, 1);
    g_assert_cmpuint(evidence->evaluation_seen, ==, 17);
    g_assert_true(cvs_collateral_store_collect_tdx(f->store, other, none, NULL));
    g_assert_cmpuint(none->tcb_infos->len, ==, 0);
    g_assert_cmpuint(none->qe_identities->len, ==, 1);
    g_assert_cmpuint(none->evaluation_seen, ==, 0);
    /* What it holds tells, too. */
    seen = g_build_filename(f->dir, "seen.json", NULL);
    g_assert_cmpint(g_unlink(seen), ==, 0);
    g_assert_true(cvs_collateral_store_collect_tdx(f->store, fmspc, again, NULL));
    g_assert_cmpuint(again->evaluation_seen, ==, 17);

    /* of another platform, and with another number; the identity is one for all */
    import_capture(f, "tdx/pcs-tdx-tcbinfo-50806f000000-2023.json", 1, NULL);
    import_capture(f, "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json", 1, NULL);
    import_capture(f, "tdx/pcs-tdx-qeidentity-2023.json", -1, CVS_REASON_COLLATERAL_ROLLBACK);
    import_capture(f, "tdx/root-ca-2023.crl.der", -1, CVS_REASON_COLLATERAL_ROLLBACK);
    import_capture(f, "tdx/pck-platform-2023.crl.der", -1, CVS_REASON_COLLATERAL_ROLLBACK);
    expect_list(f, 9, 0);

    /* What was seen is remembered when it is gone, by another process too. */
    identity = find_id(f, CVS_COLLATERAL_QE_IDENTITY);
    g_assert_true(cvs_collateral_store_remove(f->store, identity, NULL));
    expect_list(f, 8, 0);
    reopen(f);
    import_capture(f, "tdx/pcs-tdx-qeidentity-2023.json", -1, CVS_REASON_COLLATERAL_ROLLBACK);
}

/* Somebody puts an older one back by hand: it is not used. */
static void
test_rollback_at_use(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Fixture) old = fixture_new();
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autofree char *id = NULL;
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;

    if (!captures_there())
        return;
    import_capture(old, "tdx/derived-tcb-signing-chain.pem", 2, NULL);
    import_capture(old, "tdx/pcs-tdx-qeidentity-2023.json", 1, NULL);
    id = find_id(old, CVS_COLLATERAL_QE_IDENTITY);
    import_capture(f, SET, 7, NULL);
    name = g_strconcat(id, ".json", NULL);
    from = g_build_filename(old->dir, name, NULL);
    to = g_build_filename(f->dir, name, NULL);
    g_assert_true(g_file_get_contents(from, &text, &size, NULL));
    g_assert_true(g_file_set_contents(to, text, (gssize)size, NULL));
    expect_list(f, 8, 1);
    g_assert_true(cvs_collateral_store_collect_tdx(f->store, NULL, evidence, NULL));
    g_assert_cmpuint(evidence->qe_identities->len, ==, 1);
    g_assert_cmpuint(
        ((CvsQeIdentity *)g_ptr_array_index(evidence->qe_identities, 0))->base.evaluation, ==, 17);
}

static GBytes *
crl_bytes(X509_CRL *crl)
{
    guint8 *der = NULL;
    int size = i2d_X509_CRL(crl, &der);
    GBytes *bytes = g_bytes_new(der, (gsize)size);

    OPENSSL_free(der);
    return bytes;
}

/* Roots of somebody's making: only where they are named, and what they vouch for says so. */
static void
test_test_roots(void)
{
    g_autoptr(SnpHierarchy) hierarchy = snp_hierarchy_new(CVS_SNP_LINE_GENOA);
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) ark = snp_cert_der(hierarchy->ark);
    g_autoptr(GBytes) ask = snp_cert_der(hierarchy->ask);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) items = NULL;
    guint test_roots = 0;

    import_bytes(f, ark, -1, CVS_REASON_ROOT_UNTRUSTED);
    import_bytes(f, ask, -1, NULL);
    snp_add_cert(certs, hierarchy->ark);
    cvs_snp_roots_add_test(f->snp_roots, certs);
    import_bytes(f, ask, 1, NULL);
    import_bytes(f, ark, 1, NULL);
    items = cvs_collateral_store_list(f->store, NULL);
    for (guint i = 0; i < items->len; i++)
        test_roots += ((CvsCollateralItem *)g_ptr_array_index(items, i))->test_root ? 1 : 0;
    g_assert_cmpuint(test_roots, ==, 2);
    expect_list(f, 2, 0);
    /* Without the roots they are worth nothing. */
    g_clear_pointer(&f->snp_roots, cvs_snp_roots_unref);
    f->snp_roots = cvs_snp_roots_new();
    reopen(f);
    expect_list(f, 2, 2);
}

static void
expect_collected(Fixture *f, const SnpHierarchy *hierarchy, guint certs, guint crls)
{
    const CvsSnpReport report = {.line = hierarchy->line};
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();

    g_assert_true(cvs_collateral_store_collect_snp(f->store, &report, evidence, NULL));
    g_assert_cmpuint(evidence->certs->len, ==, certs);
    g_assert_cmpuint(evidence->crls->len, ==, crls);
}

/* As if newer lists than those that are here had been seen. */
static void
raise_seen_lists(Fixture *f)
{
    g_autofree char *file = g_build_filename(f->dir, "seen.json", NULL);
    g_autoptr(json_t) root = json_load_file(file, 0, NULL);
    const char *series = NULL;
    json_t *number = NULL;
    void *next = NULL;

    json_object_foreach_safe(json_object_get(root, "seen"), next, series, number)
    {
        if (g_str_has_prefix(series, "crl/"))
            (void)json_object_set_new(json_object_get(root, "seen"), series,
                                      json_string("ffffffffffffffff"));
    }
    g_assert_cmpint(json_dump_file(root, file, 0), ==, 0);
}

static void
test_crls(void)
{
    g_autoptr(SnpHierarchy) hierarchy = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) ask = snp_cert_der(hierarchy->ask);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    static const struct {
        long number;
        long revoked;
        gboolean critical;
        int added;
        const char *reason;
    } lists[] = {
        {0x1f, 0, FALSE, 1, NULL},
        {0x1e, 0, FALSE, -1, CVS_REASON_COLLATERAL_ROLLBACK},
        {0x100, 0, FALSE, 1, NULL},
        {0xff, 0, FALSE, -1, CVS_REASON_COLLATERAL_ROLLBACK},
        {0x101, 0, TRUE, -1, CVS_REASON_CRL_INVALID},
        {0x102, 0x10001, FALSE, 1, NULL},
    };

    snp_add_cert(certs, hierarchy->ark);
    cvs_snp_roots_add_test(f->snp_roots, certs);
    import_bytes(f, ask, 1, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(X509_CRL) crl = snp_make_crl(
            hierarchy->ark, hierarchy->ark_key, SNP_MAKER_NOW - 100 + (gint64)i,
            SNP_MAKER_NOW + 86400, lists[i].number,
            lists[i].revoked ? ASN1_INTEGER_get(X509_get0_serialNumber(hierarchy->ask)) : 0,
            lists[i].critical);
        g_autoptr(GBytes) bytes = crl_bytes(crl);

        g_test_message("CRL number %lx", lists[i].number);
        import_bytes(f, bytes, lists[i].added, lists[i].reason);
        /* A newer one takes the place of the older one. */
        expect_list(f, 2, i == G_N_ELEMENTS(lists) - 1 ? 1 : 0);
    }
    /* The last one revoked the ASK. */
    import_bytes(f, ask, -1, CVS_REASON_CERT_REVOKED);
    /* It is given out with the list that says so, and not without. */
    expect_collected(f, hierarchy, 1, 1);
    raise_seen_lists(f);
    expect_collected(f, hierarchy, 0, 0);
}

static GBytes *
make_list(const SnpHierarchy *hierarchy, gint64 issued)
{
    g_autoptr(X509_CRL) crl = snp_make_crl(hierarchy->ark, hierarchy->ark_key, issued,
                                           SNP_MAKER_NOW + 86400, 1, 0, FALSE);

    return crl_bytes(crl);
}

/* Intel gives all of its lists the number 1: what is older is told by its date, also when the newer
 * one was removed, and when what was seen is lost while the newer one is there. */
static void
test_one_number(void)
{
    g_autoptr(SnpHierarchy) hierarchy = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GBytes) old = make_list(hierarchy, SNP_MAKER_NOW - 200);
    g_autoptr(GBytes) new = make_list(hierarchy, SNP_MAKER_NOW - 100);
    g_autoptr(GBytes) ask = snp_cert_der(hierarchy->ask);

    snp_add_cert(certs, hierarchy->ark);
    for (int lost = 0; lost < 3; lost++) {
        g_autoptr(Fixture) f = fixture_new();
        g_autofree char *id = NULL;
        g_autofree char *seen = g_build_filename(f->dir, "seen.json", NULL);
        g_autoptr(GError) error = NULL;

        cvs_snp_roots_add_test(f->snp_roots, certs);
        import_bytes(f, old, 1, NULL);
        import_bytes(f, new, 1, NULL);
        import_bytes(f, old, -1, CVS_REASON_COLLATERAL_ROLLBACK);
        if (lost)
            g_assert_cmpint(g_unlink(seen), ==, 0);
        id = find_id(f, CVS_COLLATERAL_CRL);
        if (lost == 2) {
            g_autofree char *name = g_strconcat(id, ".der", NULL);
            g_autofree char *path = g_build_filename(f->dir, name, NULL);

            import_bytes(f, ask, 1, NULL);
            g_assert_cmpint(g_unlink(path), ==, 0);
        } else {
            g_assert_true(cvs_collateral_store_remove(f->store, id, &error));
            g_assert_no_error(error);
        }
        reopen(f);
        import_bytes(f, old, -1, CVS_REASON_COLLATERAL_ROLLBACK);
        import_bytes(f, new, 1, NULL);
        expect_list(f, lost == 2 ? 2 : 1, 0);
    }
}

/* All files of the one into the other; how many. */
static int
copy_folder(const char *from, const char *to)
{
    g_autoptr(GDir) dir = g_dir_open(from, 0, NULL);
    const char *name = NULL;
    int n = 0;

    for (; (name = g_dir_read_name(dir)) != NULL; n++) {
        g_autofree char *source = g_build_filename(from, name, NULL);
        g_autofree char *target = g_build_filename(to, name, NULL);
        g_autofree char *text = NULL;
        gsize size = 0;

        g_assert_true(g_file_get_contents(source, &text, &size, NULL));
        g_assert_true(g_file_set_contents(target, text, (gssize)size, NULL));
    }
    return n;
}

static void
remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_assert_cmpint(g_unlink(file), ==, 0);
    }
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

/* AMD has a list of revoked ASKs and one of ASVKs, both the ARK's: the one that is newer must not
 * end what the other says. One that says both takes the place of both. */
static void
test_two_lists(void)
{
    g_autoptr(SnpHierarchy) hierarchy = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) ask = snp_cert_der(hierarchy->ask);
    g_autofree char *kept = g_dir_make_tmp("cvmseal-kept-XXXXXX", NULL);
    g_autofree char *seen = NULL;
    g_autofree char *id = NULL;
    static const struct {
        long number;
        gboolean revoked;
        guint left;
        guint bad;
    } lists[] = {{1, TRUE, 2, 1}, {2, FALSE, 3, 1}, {3, FALSE, 3, 1}, {4, TRUE, 2, 1}};

    snp_add_cert(certs, hierarchy->ark);
    cvs_snp_roots_add_test(f->snp_roots, certs);
    import_bytes(f, ask, 1, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(X509_CRL) crl = snp_make_crl(
            hierarchy->ark, hierarchy->ark_key, SNP_MAKER_NOW - 100 + (gint64)i,
            SNP_MAKER_NOW + 86400, lists[i].number,
            lists[i].revoked ? ASN1_INTEGER_get(X509_get0_serialNumber(hierarchy->ask)) : 0, FALSE);
        g_autoptr(GBytes) bytes = crl_bytes(crl);

        g_test_message("list %ld", lists[i].number);
        import_bytes(f, bytes, 1, NULL);
        reopen(f);
        /* Bad is the ASK, and it alone. */
        expect_list(f, lists[i].left, lists[i].bad);
        import_bytes(f, bytes, 0, NULL);
        if (i == 2)
            g_assert_cmpint(copy_folder(f->dir, kept), ==, 4);
    }
    import_bytes(f, ask, -1, CVS_REASON_CERT_REVOKED);

    /* Both older ones put back by hand, without the newest: neither vouches for the other. */
    id = find_id(f, CVS_COLLATERAL_CRL);
    g_assert_true(cvs_collateral_store_remove(f->store, id, NULL));
    seen = g_build_filename(kept, "seen.json", NULL);
    g_assert_cmpint(g_unlink(seen), ==, 0);
    g_assert_cmpint(copy_folder(kept, f->dir), ==, 3);
    expect_list(f, 3, 3);
    remove_folder(kept);
}

/* Several versions in one file: the newest is taken, and takes the place of the one that is there.
 */
static void
test_versions(void)
{
    g_autoptr(SnpHierarchy) hierarchy = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GString) bundle = g_string_new(NULL);
    g_autoptr(GBytes) text = NULL;
    g_autoptr(GPtrArray) items = NULL;

    snp_add_cert(certs, hierarchy->ark);
    cvs_snp_roots_add_test(f->snp_roots, certs);
    for (long number = 1; number <= 4; number++) {
        /* 1 alone, then 3, 4, 2 together */
        long shuffled = number == 1 ? 1 : number == 4 ? 2 : number + 1;
        g_autoptr(X509_CRL) crl =
            snp_make_crl(hierarchy->ark, hierarchy->ark_key, SNP_MAKER_NOW - 100 + shuffled,
                         SNP_MAKER_NOW + 86400, shuffled, 0, FALSE);
        g_autoptr(GBytes) der = crl_bytes(crl);
        g_autofree char *base64 =
            g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));

        if (number == 1) {
            import_bytes(f, der, 1, NULL);
            continue;
        }
        g_string_append(bundle, "-----BEGIN X509 CRL-----\n");
        for (gsize i = 0; i < strlen(base64); i += 64)
            g_string_append_printf(bundle, "%.64s\n", base64 + i);
        g_string_append(bundle, "-----END X509 CRL-----\n");
    }
    text = g_bytes_new(bundle->str, bundle->len);
    import_bytes(f, text, 1, NULL);
    items = cvs_collateral_store_list(f->store, NULL);
    g_assert_cmpuint(items->len, ==, 1);
    g_assert_cmpstr(((CvsCollateralItem *)g_ptr_array_index(items, 0))->number, ==, "4");
    g_assert_no_error(((CvsCollateralItem *)g_ptr_array_index(items, 0))->error);
}

/* A damaged file is that file's error alone. */
static void
test_damage(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *id = NULL;
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    g_autofree char *strange = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;

    if (!captures_there())
        return;
    import_capture(f, MILAN, 2, NULL);
    import_capture(f, VCEK, 1, NULL);
    id = find_id(f, CVS_COLLATERAL_VCEK);
    name = g_strconcat(id, ".der", NULL);
    path = g_build_filename(f->dir, name, NULL);
    g_assert_true(g_file_get_contents(path, &text, &size, NULL));
    g_assert_true(verifies(f, "snp/reports/milan-v3.report.bin"));
    for (gsize at = 0; at < size; at += 97) {
        text[at] ^= 4;
        g_assert_true(g_file_set_contents(path, text, (gssize)size, NULL));
        expect_list(f, 3, 1);
        text[at] ^= 4;
    }
    g_assert_false(verifies(f, "snp/reports/milan-v3.report.bin"));
    /* Importing it again repairs it. */
    import_capture(f, VCEK, 1, NULL);
    g_assert_true(verifies(f, "snp/reports/milan-v3.report.bin"));
    /* Nor does a strange file stand in the way. */
    strange = g_build_filename(f->dir, "vcek-0123456789abcdef.der", NULL);
    /* What is good under another name than its own is none of ours. */
    g_assert_true(g_file_set_contents(strange, text, (gssize)size, NULL));
    expect_list(f, 4, 1);
    g_assert_cmpint(g_unlink(strange), ==, 0);
    g_assert_cmpint(g_mkdir(strange, 0700), ==, 0);
    expect_list(f, 4, 1);
    import_capture(f, "snp/roots/milan_crl.pem", 1, NULL);
    expect_list(f, 5, 1);
    g_assert_cmpint(g_rmdir(strange), ==, 0);
}

/* The text of what was set aside, and its file is gone. */
static char *
take_set_aside(const Fixture *f)
{
    g_autoptr(GDir) dir = g_dir_open(f->dir, 0, NULL);
    char *text = NULL;
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(f->dir, name, NULL);

        if (!g_str_has_prefix(name, "seen.json.damaged-"))
            continue;
        g_assert_null(text);
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    return text;
}

/* A store that has lost its memory works on, says so, and throws nothing away. */
static void
test_damaged_memory(void)
{
    static const struct {
        const char *text;
        const char *says;
    } damages[] = {
        {"", "seen.json: "},
        {"rubbish", "seen.json: not valid JSON at line 1"},
        {"{\"version\":2,\"seen\":{}}", "version"},
        {"{\"version\":1}", "seen"},
        {"{\"version\":1,\"seen\":{\"a\":\"12\",\"b\":12}}", "\"b\""},
        {"{\"version\":1,\"seen\":{\"a\":\"12\",\"b\":\"0x12\"}}", "\"b\""},
        {"{\"version\":1,\"seen\":{\"a\":\"12\",\"b\":\"\"}}", "\"b\""},
    };
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *seen = g_build_filename(f->dir, "seen.json", NULL);

    if (!captures_there())
        return;
    import_capture(f, MILAN, 2, NULL);
    import_capture(f, VCEK, 1, NULL);
    g_assert_true(cvs_collateral_store_check_seen(f->store, NULL));
    g_assert_cmpint(g_unlink(seen), ==, 0);
    g_assert_true(cvs_collateral_store_check_seen(f->store, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *id = NULL;
        g_autofree char *kept = NULL;
        g_autofree char *now = NULL;

        g_assert_true(g_file_set_contents(seen, damages[i].text, -1, NULL));
        g_assert_false(cvs_collateral_store_check_seen(f->store, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_nonnull(strstr(error->message, damages[i].says));
        g_assert_nonnull(strstr(error->message, "from a backup, or import"));
        g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*seen.json*from a backup*");
        g_assert_true(verifies(f, "snp/reports/milan-v3.report.bin"));
        g_test_assert_expected_messages();

        g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING,
                              "*seen.json*kept as seen.json.damaged-*");
        import_capture(f, "snp/roots/milan_crl.pem", 1, NULL);
        g_test_assert_expected_messages();
        kept = take_set_aside(f);
        g_assert_cmpstr(kept, ==, damages[i].text);
        g_assert_true(cvs_collateral_store_check_seen(f->store, NULL));
        /* What could be read is not lost either. */
        g_assert_true(g_file_get_contents(seen, &now, NULL, NULL));
        g_assert_cmpint(strstr(now, "\"a\":\"12\"") != NULL, ==,
                        strstr(damages[i].text, "\"a\"") != NULL);
        g_assert_null(strstr(now, "\"b\""));
        id = find_id(f, CVS_COLLATERAL_CRL);
        g_assert_true(cvs_collateral_store_remove(f->store, id, NULL));
        g_assert_null(take_set_aside(f));
    }
}

static void
test_remove(void)
{
    static const char *const names[] = {"../seen", "seen",   "vcek-0123456789abcde/",
                                        "",        ".lock.", "vcek-0123456789ABCDEF"};
    g_autoptr(Fixture) f = fixture_new();

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(cvs_collateral_store_remove(f->store, names[i], &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    }
}

/* More leaves than it holds. */
static void
test_full(void)
{
    g_autoptr(SnpHierarchy) hierarchy = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GBytes) ask = snp_cert_der(hierarchy->ask);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) contents =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))g_bytes_unref);
    g_autoptr(GPtrArray) results = NULL;
    g_autofree CvsCollateralInput *inputs = g_new0(CvsCollateralInput, CVS_COLLATERAL_FILES_MAX);
    guint8 report[CVS_SNP_REPORT_SIZE];
    guint refused = 0;

    snp_add_cert(certs, hierarchy->ark);
    cvs_snp_roots_add_test(f->snp_roots, certs);
    import_bytes(f, ask, 1, NULL);
    snp_make_report(report, CVS_SNP_LINE_MILAN, 3);
    for (guint i = 0; i < CVS_COLLATERAL_FILES_MAX; i++) {
        SnpLeafSpec spec = snp_leaf_spec(report, CVS_SNP_LINE_MILAN);
        EVP_PKEY *key = snp_make_p384_key();
        X509 *leaf = NULL;

        spec.key = key;
        leaf = snp_make_leaf(hierarchy, &spec);
        inputs[i].name = "leaf";
        inputs[i].bytes = snp_cert_der(leaf);
        g_ptr_array_add(contents, inputs[i].bytes);
        X509_free(leaf);
        EVP_PKEY_free(key);
    }
    results = import_inputs(f, inputs, CVS_COLLATERAL_FILES_MAX);
    for (guint i = 0; i < results->len; i++) {
        const CvsCollateralResult *result = g_ptr_array_index(results, i);

        if (result->error) {
            g_assert_error(result->error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
            refused++;
        }
    }
    g_assert_cmpuint(refused, ==, 1);
    expect_list(f, CVS_COLLATERAL_FILES_MAX, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/collateral-store/snp", test_snp);
    g_test_add_func("/tee/collateral-store/snp-lookup", test_snp_lookup);
    g_test_add_func("/tee/collateral-store/poison", test_poison);
    g_test_add_func("/tee/collateral-store/all-or-nothing", test_all_or_nothing);
    g_test_add_func("/tee/collateral-store/order", test_order);
    g_test_add_func("/tee/collateral-store/tdx", test_tdx);
    g_test_add_func("/tee/collateral-store/rollback-at-use", test_rollback_at_use);
    g_test_add_func("/tee/collateral-store/test-roots", test_test_roots);
    g_test_add_func("/tee/collateral-store/crls", test_crls);
    g_test_add_func("/tee/collateral-store/one-number", test_one_number);
    g_test_add_func("/tee/collateral-store/two-lists", test_two_lists);
    g_test_add_func("/tee/collateral-store/versions", test_versions);
    g_test_add_func("/tee/collateral-store/damage", test_damage);
    g_test_add_func("/tee/collateral-store/damaged-memory", test_damaged_memory);
    g_test_add_func("/tee/collateral-store/remove", test_remove);
    g_test_add_func("/tee/collateral-store/full", test_full);
    return g_test_run();
}
