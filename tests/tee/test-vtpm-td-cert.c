/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The certificates of a vTPM that is a TD: taken as its code writes them, and nothing else. */

#include "tee/vtpm-td-cert.h"
#include "base/error.h"
#include "tee/refusal.h"
#include "vtpm-td-maker.h"

#include <string.h>

#define AT G_GINT64_CONSTANT(1767225600) /* 2026-01-01 */

typedef struct {
    EVP_PKEY *ca_key, *ek_key;
    GBytes *quote, *ek, *ca;
} Pair;

static void
pair_clear(Pair *pair)
{
    EVP_PKEY_free(pair->ca_key);
    EVP_PKEY_free(pair->ek_key);
    g_bytes_unref(pair->quote);
    g_bytes_unref(pair->ek);
    g_bytes_unref(pair->ca);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static void
make(Pair *pair, const char *ca_curve, const char *ek_curve, VtpmTdCertLie lie)
{
    pair->ca_key = EVP_EC_gen(ca_curve);
    pair->ek_key = EVP_EC_gen(ek_curve);
    pair->quote = g_bytes_new_static("a quote", 7);
    vtpm_td_make_certs(pair->ca_key, pair->ek_key, pair->quote, lie, &pair->ek, &pair->ca);
}

static void
test_honest(void)
{
    g_auto(Pair) pair = {0};
    g_autoptr(CvsVtpmTdCerts) certs = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) refusal = cvs_refusal_new();
    guint8 data[64];

    make(&pair, "P-384", "P-384", VTPM_TD_CERT_HONEST);
    g_assert_false(cvs_vtpm_td_is_another_ca(pair.ca));
    certs = cvs_vtpm_td_certs_parse(pair.ek, pair.ca, &error);
    g_assert_no_error(error);
    cvs_vtpm_td_certs_check(certs, AT, refusal);
    g_assert_cmpuint(cvs_refusal_count(refusal), ==, 0);
    g_assert_true(g_bytes_equal(certs->quote, pair.quote));
    g_assert_cmpint(EVP_PKEY_eq(certs->ek_key, pair.ek_key), ==, 1);
    g_assert_cmpint(EVP_PKEY_eq(certs->ca_key, pair.ca_key), ==, 1);
    vtpm_td_report_data(pair.ca_key, data);
    g_assert_cmpmem(certs->report_data, 64, data, 64);
}

static const struct {
    VtpmTdCertLie lie;
    const char *reason;
} lies[] = {
    {VTPM_TD_CERT_CA_SIGNATURE, "VtpmTdCaUnfit"},    {VTPM_TD_CERT_CA_NO_CA, "VtpmTdCaUnfit"},
    {VTPM_TD_CERT_CA_NOT_CRITICAL, "VtpmTdCaUnfit"}, {VTPM_TD_CERT_CA_USAGE, "VtpmTdCaUnfit"},
    {VTPM_TD_CERT_CA_CRITICAL, "VtpmTdCaUnfit"},     {VTPM_TD_CERT_CA_EXPIRED, "VtpmTdCaUnfit"},
    {VTPM_TD_CERT_CA_NAME, "VtpmTdCaUnfit"},         {VTPM_TD_CERT_CA_SHA256, "VtpmTdCaUnfit"},
    {VTPM_TD_CERT_EK_SIGNATURE, "VtpmTdEkUnsigned"}, {VTPM_TD_CERT_EK_ISSUER, "VtpmTdEkUnsigned"},
    {VTPM_TD_CERT_EK_IS_CA, "VtpmTdEkUnsigned"},     {VTPM_TD_CERT_EK_USAGE, "VtpmTdEkUnsigned"},
    {VTPM_TD_CERT_EK_EXPIRED, "VtpmTdEkUnsigned"},
};

static void
test_lies(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_auto(Pair) pair = {0};
        g_autoptr(CvsVtpmTdCerts) certs = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) refusal = cvs_refusal_new();

        make(&pair, "P-384", "P-384", lies[i].lie);
        certs = cvs_vtpm_td_certs_parse(pair.ek, pair.ca, &error);
        g_assert_no_error(error);
        cvs_vtpm_td_certs_check(certs, AT, refusal);
        if (cvs_refusal_count(refusal) != 1 || !cvs_error_has_reason(refusal, lies[i].reason))
            g_error("lie %d: %u reasons, not just %s", lies[i].lie, cvs_refusal_count(refusal),
                    lies[i].reason);
    }
}

static void
expect_malformed(GBytes *ek, GBytes *ca, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsVtpmTdCerts) certs = cvs_vtpm_td_certs_parse(ek, ca, &error);

    g_assert_null(certs);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_VTPM_TD_MALFORMED));
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
}

static void
test_quotes(void)
{
    g_auto(Pair) none = {0}, two = {0};
    g_autofree guint8 *chain = NULL;
    g_autoptr(GBytes) both = NULL;
    gsize size = 0;

    make(&none, "P-384", "P-384", VTPM_TD_CERT_NO_QUOTE);
    make(&two, "P-384", "P-384", VTPM_TD_CERT_TWO_QUOTES);
    expect_malformed(none.ek, none.ca, "no quote");
    expect_malformed(two.ek, two.ca, "more than one quote");
    g_assert_true(cvs_vtpm_td_is_another_ca(none.ca));
    size = g_bytes_get_size(none.ca);
    chain = g_malloc(2 * size);
    memcpy(chain, g_bytes_get_data(none.ca, NULL), size);
    memcpy(chain + size, g_bytes_get_data(none.ca, NULL), size);
    both = g_bytes_new(chain, 2 * size);
    g_assert_true(cvs_vtpm_td_is_another_ca(both));
    g_assert_false(cvs_vtpm_td_is_another_ca(two.ca));
}

static void
test_keys(void)
{
    g_auto(Pair) ca = {0}, ek = {0};

    make(&ca, "P-256", "P-384", VTPM_TD_CERT_HONEST);
    make(&ek, "P-384", "P-256", VTPM_TD_CERT_HONEST);
    expect_malformed(ca.ek, ca.ca, "CA certificate of the vTPM's TD: its key");
    expect_malformed(ek.ek, ek.ca, "EK certificate of the vTPM's TD: its key");
}

/* A point that is written in another way has another hash. */
static void
test_compressed(void)
{
    g_auto(Pair) pair = {0};

    make(&pair, "P-384", "P-384", VTPM_TD_CERT_HONEST);
    g_clear_pointer(&pair.ca_key, EVP_PKEY_free);
    g_clear_pointer(&pair.ca, g_bytes_unref);
    g_clear_pointer(&pair.ek, g_bytes_unref);
    pair.ca_key = EVP_EC_gen("P-384");
    g_assert_cmpint(EVP_PKEY_set_utf8_string_param(pair.ca_key, "point-format", "compressed"), ==,
                    1);
    vtpm_td_make_certs(pair.ca_key, pair.ek_key, pair.quote, VTPM_TD_CERT_HONEST, &pair.ek,
                       &pair.ca);
    expect_malformed(pair.ek, pair.ca, "uncompressed");
}

static void
test_bytes(void)
{
    g_auto(Pair) pair = {0};
    gsize size = 0;
    const guint8 *data = NULL;
    g_autofree guint8 *longer = NULL;
    g_autoptr(GBytes) behind = NULL, empty = g_bytes_new_static("", 0);

    make(&pair, "P-384", "P-384", VTPM_TD_CERT_HONEST);
    data = g_bytes_get_data(pair.ca, &size);
    longer = g_malloc0(size + 1);
    memcpy(longer, data, size);
    behind = g_bytes_new(longer, size + 1);
    expect_malformed(pair.ek, behind, "CA certificate of the vTPM's TD: not one certificate");
    expect_malformed(pair.ek, empty, "CA certificate of the vTPM's TD: not one certificate");
    expect_malformed(empty, pair.ca, "EK certificate of the vTPM's TD: not one certificate");
    g_assert_false(cvs_vtpm_td_is_another_ca(behind));
    g_assert_false(cvs_vtpm_td_is_another_ca(empty));
    for (gsize cut = 1; cut < size; cut += 17) {
        g_autoptr(GBytes) part = g_bytes_new(data, cut);

        expect_malformed(pair.ek, part, "not one certificate");
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/vtpm-td-cert/honest", test_honest);
    g_test_add_func("/tee/vtpm-td-cert/lies", test_lies);
    g_test_add_func("/tee/vtpm-td-cert/quotes", test_quotes);
    g_test_add_func("/tee/vtpm-td-cert/keys", test_keys);
    g_test_add_func("/tee/vtpm-td-cert/compressed", test_compressed);
    g_test_add_func("/tee/vtpm-td-cert/bytes", test_bytes);
    return g_test_run();
}
