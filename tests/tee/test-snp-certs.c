/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "snp-maker.h"
#include "tee/snp-certs.h"
#include "tee/snp-roots.h"

#include <glib/gstdio.h>
#include <string.h>

#define AMD "1.3.6.1.4.1.3704.1."

static SnpHierarchy *milan;

static SnpLeafSpec
good_spec(CvsSnpLine line)
{
    guint8 report[CVS_SNP_REPORT_SIZE];

    snp_make_report(report, line, 5);
    return snp_leaf_spec(report, line);
}

/* Without a message: it must parse. */
static CvsSnpLeaf
parse(const SnpLeafSpec *spec, const char *message)
{
    g_autoptr(X509) cert = snp_make_leaf(milan, spec);
    g_autoptr(GError) error = NULL;
    CvsSnpLeaf leaf = {0};
    gboolean ok = cvs_snp_leaf_parse(cert, &leaf, &error);

    if (message == NULL) {
        g_assert_no_error(error);
        g_assert_true(ok);
        return leaf;
    }
    g_assert_false(ok);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    if (strstr(error->message, message) == NULL)
        g_error("\"%s\" is not in \"%s\"", message, error->message);
    return leaf;
}

static void
test_missing(void)
{
    const char *const legacy[] = {AMD "1",   AMD "2",   AMD "3.1", AMD "3.2", AMD "3.3", AMD "3.4",
                                  AMD "3.5", AMD "3.6", AMD "3.7", AMD "3.8", AMD "4"};
    const char *const turin[] = {AMD "1",   AMD "2",   AMD "3.1", AMD "3.2", AMD "3.3",
                                 AMD "3.5", AMD "3.6", AMD "3.7", AMD "3.8", AMD "4"};

    for (gsize i = 0; i < G_N_ELEMENTS(legacy); i++) {
        SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);

        spec.omit = legacy[i];
        (void)parse(&spec, legacy[i]);
        (void)parse(&spec, "is missing");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(turin); i++) {
        SnpLeafSpec spec = good_spec(CVS_SNP_LINE_TURIN);

        spec.omit = turin[i];
        (void)parse(&spec, turin[i]);
    }
    {
        SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);

        spec.kind = CVS_SNP_CERT_VLEK;
        spec.omit = AMD "5";
        (void)parse(&spec, "cspID");
    }
}

static void
test_twice(void)
{
    const SnpExtension more[] = {{AMD "3.8", "\x02\x01\x05", 3, FALSE}};
    SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);

    spec.more = more;
    spec.n_more = 1;
    (void)parse(&spec, "ucodeSPL (1.3.6.1.4.1.3704.1.3.8) is there twice");
}

/* The one in place of the level that is left out. */
static void
test_integers(void)
{
    const struct {
        const char *der;
        gsize size;
        int value; /* -1: refused */
    } cases[] = {
        {"\x02\x01\x00", 3, 0},
        {"\x02\x01\x7f", 3, 0x7f},
        {"\x02\x02\x00\x80", 4, 0x80},
        {"\x02\x02\x00\xff", 4, 255},
        {"\x02\x01\x80", 3, -1},
        {"\x02\x01\xff", 3, -1},
        {"\x02\x02\x00\x7f", 4, -1},
        {"\x02\x02\x01\x00", 4, -1},
        {"\x02\x02\xff\x80", 4, -1},
        {"\x02\x00", 2, -1},
        {"\x02\x03\x00\x00\x80", 5, -1},
        {"\x02\x01\x05\x00", 4, -1},
        {"\x02\x02\x05", 3, -1},
        {"\x04\x01\x05", 3, -1},
        {"\x05", 1, -1},
        {"", 0, -1},
        {"\x02", 1, -1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const SnpExtension more[] = {{AMD "3.8", cases[i].der, cases[i].size, FALSE}};
        SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);
        CvsSnpLeaf leaf;

        spec.omit = AMD "3.8";
        spec.more = more;
        spec.n_more = 1;
        leaf = parse(&spec, cases[i].value < 0 ? "is not a DER INTEGER from 0 to 255" : NULL);
        if (cases[i].value >= 0)
            g_assert_cmpint(leaf.tcb.microcode, ==, cases[i].value);
    }
}

static void
test_hwid_sizes(void)
{
    guint8 bytes[80];

    for (gsize size = 0; size <= sizeof bytes; size++) {
        for (int header = 0; header < 2; header++) {
            const SnpExtension more[] = {{AMD "4", bytes, size, FALSE}};
            SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);
            gboolean wrapped = size == 66 || size == 10;
            CvsSnpLeaf leaf;

            /* A raw one may look like a wrapped one of 62 or 6 bytes. */
            for (gsize i = 0; i < sizeof bytes; i++)
                bytes[i] = (guint8)(0x80 + i);
            if (header && size >= 2) {
                bytes[0] = 0x04;
                bytes[1] = (guint8)(size - 2);
            }
            spec.omit = AMD "4";
            spec.more = more;
            spec.n_more = 1;
            leaf = parse(&spec, size == 64 || size == 8 ? NULL
                                : wrapped && header     ? NULL
                                : wrapped               ? "is not a DER OCTET STRING"
                                                        : "has neither 64 nor 8 bytes");
            if (size == 64 || size == 8) {
                g_assert_cmpuint(leaf.hwid_size, ==, size);
                g_assert_cmpmem(leaf.hwid, size, bytes, size);
            } else if (wrapped && header) {
                g_assert_cmpuint(leaf.hwid_size, ==, size - 2);
                g_assert_cmpmem(leaf.hwid, size - 2, bytes + 2, size - 2);
            }
        }
    }
}

static void
test_texts(void)
{
    char longest[130] = "\x16\x7f";
    const struct {
        const char *der;
        gsize size;
        const char *text; /* NULL: refused */
    } cases[] = {
        {"\x16\x05Genoa", 7, "Genoa"},
        {longest, 129, longest + 2},
        {"\x16\x00", 2, NULL},
        {"\x16\x05Geno", 6, NULL},
        {"\x16\x04Genoa", 7, NULL},
        {"\x0c\x05Genoa", 7, NULL},
        {"\x16\x03G\x00n", 5, NULL},
        {"\x16\x02G\n", 4, NULL},
        {"\x16\x01\xe4", 3, NULL},
        {"\x16\x81\x05Genoa", 8, NULL},
        {"", 0, NULL},
    };

    memset(longest + 2, 'x', 127);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const SnpExtension more[] = {{AMD "2", cases[i].der, cases[i].size, FALSE}};
        SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);
        CvsSnpLeaf leaf;

        spec.omit = AMD "2";
        spec.more = more;
        spec.n_more = 1;
        leaf = parse(&spec, cases[i].text ? NULL : "productName");
        if (cases[i].text)
            g_assert_cmpstr(leaf.product_name, ==, cases[i].text);
    }
}

/* What belongs to the other kind is refused, and a Turin's levels have no spl_4. */
static void
test_kinds(void)
{
    const SnpExtension csp = {AMD "5", "\x16\x01x", 3, FALSE};
    const SnpExtension hwid = {AMD "4", "12345678", 8, FALSE};
    const SnpExtension spl_4 = {AMD "3.4", "\x02\x01\x00", 3, FALSE};
    const SnpExtension unknown = {AMD "99", "\x02\x01\x00", 3, FALSE};
    SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);
    CvsSnpLeaf leaf;

    spec.n_more = 1;
    spec.more = &csp;
    (void)parse(&spec, "cspID (1.3.6.1.4.1.3704.1.5) belongs to a VLEK");
    spec.more = &unknown;
    leaf = parse(&spec, NULL);
    g_assert_cmpint(leaf.kind, ==, CVS_SNP_CERT_VCEK);
    g_assert_cmpstr(leaf.csp_id, ==, "");

    spec.kind = CVS_SNP_CERT_VLEK;
    spec.more = &hwid;
    (void)parse(&spec, "hwID (1.3.6.1.4.1.3704.1.4) belongs to a VCEK");
    spec.n_more = 0;
    leaf = parse(&spec, NULL);
    g_assert_cmpint(leaf.kind, ==, CVS_SNP_CERT_VLEK);
    g_assert_cmpuint(leaf.hwid_size, ==, 0);
    g_assert_cmpstr(leaf.csp_id, ==, "CN=cloud.example");

    spec = good_spec(CVS_SNP_LINE_TURIN);
    leaf = parse(&spec, NULL);
    g_assert_cmpint(leaf.layout, ==, CVS_SNP_TCB_TURIN);
    g_assert_cmpuint(leaf.tcb.fmc, ==, 1);
    spec.n_more = 1;
    spec.more = &spl_4;
    (void)parse(&spec, "stands beside an fmcSPL");
}

static void
test_keys(void)
{
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-521"), snp_make_rsa_key()};

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        SnpLeafSpec spec = good_spec(CVS_SNP_LINE_MILAN);

        spec.key = keys[i];
        (void)parse(&spec, "not one on the curve P-384");
        EVP_PKEY_free(keys[i]);
    }
}

static void
test_names(void)
{
    const struct {
        const char *cn;
        CvsSnpCertKind kind;
        CvsSnpLine line;
    } cases[] = {
        {"SEV-VCEK", CVS_SNP_CERT_VCEK, CVS_SNP_LINE_UNKNOWN},
        {"SEV-VLEK", CVS_SNP_CERT_VLEK, CVS_SNP_LINE_UNKNOWN},
        {"VCEK", CVS_SNP_CERT_OTHER, CVS_SNP_LINE_UNKNOWN},
        {"SEV-VCEK ", CVS_SNP_CERT_OTHER, CVS_SNP_LINE_UNKNOWN},
        {"sev-vcek", CVS_SNP_CERT_OTHER, CVS_SNP_LINE_UNKNOWN},
        {"SEV-Milan", CVS_SNP_CERT_ASK, CVS_SNP_LINE_MILAN},
        {"SEV-Genoa", CVS_SNP_CERT_ASK, CVS_SNP_LINE_GENOA},
        {"SEV-VLEK-Turin", CVS_SNP_CERT_ASVK, CVS_SNP_LINE_TURIN},
        {"ARK-Venice", CVS_SNP_CERT_ARK, CVS_SNP_LINE_VENICE},
        {"SEV-Rome", CVS_SNP_CERT_OTHER, CVS_SNP_LINE_UNKNOWN},
        {"ARK-unknown", CVS_SNP_CERT_OTHER, CVS_SNP_LINE_UNKNOWN},
        {"SEV-VLEK-", CVS_SNP_CERT_OTHER, CVS_SNP_LINE_UNKNOWN},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(X509) cert =
            snp_make_cert(&(SnpCertSpec){.cn = cases[i].cn, .key = milan->leaf_key});
        g_autoptr(GError) error = NULL;
        CvsSnpLine line = CVS_SNP_LINE_VENICE;
        CvsSnpLeaf leaf;

        g_assert_cmpint(cvs_snp_cert_kind(cert, &line), ==, cases[i].kind);
        g_assert_cmpint(line, ==, cases[i].line);
        g_assert_nonnull(cvs_snp_cert_kind_name(cases[i].kind));
        g_assert_false(cvs_snp_leaf_parse(cert, &leaf, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        if (cases[i].kind != CVS_SNP_CERT_VCEK && cases[i].kind != CVS_SNP_CERT_VLEK)
            g_assert_nonnull(strstr(error->message, "neither SEV-VCEK nor SEV-VLEK"));
    }
    {
        /* An ARK that somebody else issued is none. */
        g_autoptr(X509) cert = snp_make_cert(&(SnpCertSpec){.cn = "ARK-Milan",
                                                            .key = milan->leaf_key,
                                                            .issuer = milan->ask,
                                                            .issuer_key = milan->ask_key});

        g_assert_cmpint(cvs_snp_cert_kind(cert, NULL), ==, CVS_SNP_CERT_OTHER);
    }
}

static void
write_der(const char *dir, const char *name, X509 *cert)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GBytes) der = snp_cert_der(cert);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(path, g_bytes_get_data(der, NULL), (gssize)g_bytes_get_size(der),
                              &error);
    g_assert_no_error(error);
}

static void
test_roots(void)
{
    g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();
    g_autoptr(CvsSnpRoots) broken = cvs_snp_roots_new();
    g_autofree char *dir = g_dir_make_tmp("cvs-roots-XXXXXX", NULL);
    g_autofree char *sub = g_build_filename(dir, "folder", NULL);
    g_autofree char *bad = g_build_filename(dir, "bad.pem", NULL);
    g_autofree char *ark = g_build_filename(dir, "ark.der", NULL);
    g_autofree char *ask = g_build_filename(dir, "ask.der", NULL);
    g_autofree char *nowhere = g_build_filename(dir, "nowhere", NULL);
    /* The pinned key of nobody here under the pinned name. */
    g_autoptr(X509) same_name = snp_make_cert(&(SnpCertSpec){
        .cn = "ARK-Milan", .key = milan->ask_key, .serial = 1, .ca = TRUE, .path_length = -1});
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) missing = NULL;
    gboolean test = FALSE;

    g_assert_cmpint(cvs_snp_roots_find(roots, milan->ark, &test), ==, CVS_SNP_LINE_UNKNOWN);
    g_assert_false(cvs_snp_roots_have_test(roots));

    write_der(dir, "ark.der", milan->ark);
    write_der(dir, "ask.der", milan->ask);
    g_assert_cmpint(g_mkdir(sub, 0700), ==, 0);
    g_assert_true(cvs_snp_roots_add_test_folder(roots, dir, &error));
    g_assert_no_error(error);
    g_assert_true(cvs_snp_roots_have_test(roots));
    g_assert_cmpuint(cvs_snp_roots_test_certs(roots)->len, ==, 1);
    g_assert_cmpint(cvs_snp_roots_find(roots, milan->ark, &test), ==, CVS_SNP_LINE_MILAN);
    g_assert_true(test);
    g_assert_cmpint(cvs_snp_roots_find(roots, milan->ask, &test), ==, CVS_SNP_LINE_UNKNOWN);
    g_assert_false(test);
    g_assert_cmpint(cvs_snp_roots_find(roots, same_name, NULL), ==, CVS_SNP_LINE_UNKNOWN);

    g_assert_true(g_file_set_contents(bad, "nothing", -1, NULL));
    g_assert_false(cvs_snp_roots_add_test_folder(broken, dir, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_nonnull(strstr(error->message, "bad.pem"));
    g_assert_false(cvs_snp_roots_have_test(broken));
    g_assert_cmpuint(cvs_snp_roots_test_certs(broken)->len, ==, 0);
    g_assert_false(cvs_snp_roots_add_test_folder(broken, nowhere, &missing));
    g_assert_nonnull(missing);

    g_assert_cmpint(g_unlink(bad), ==, 0);
    g_assert_cmpint(g_unlink(ark), ==, 0);
    g_assert_cmpint(g_unlink(ask), ==, 0);
    g_assert_cmpint(g_rmdir(sub), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int
main(int argc, char **argv)
{
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    milan = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_test_add_func("/tee/snp-certs/missing", test_missing);
    g_test_add_func("/tee/snp-certs/twice", test_twice);
    g_test_add_func("/tee/snp-certs/integers", test_integers);
    g_test_add_func("/tee/snp-certs/hwid-sizes", test_hwid_sizes);
    g_test_add_func("/tee/snp-certs/texts", test_texts);
    g_test_add_func("/tee/snp-certs/kinds", test_kinds);
    g_test_add_func("/tee/snp-certs/keys", test_keys);
    g_test_add_func("/tee/snp-certs/names", test_names);
    g_test_add_func("/tee/snp-roots", test_roots);
    result = g_test_run();
    snp_hierarchy_free(milan);
    return result;
}
