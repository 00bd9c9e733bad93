/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "snp-maker.h"
#include "tee/ghcb-certs.h"

#include <openssl/pem.h>
#include <string.h>

/* In the order of the text: 63da758d-e664-4564-adc5-f4b93be8accd and so on. */
static const char vcek[] = "\x63\xda\x75\x8d\xe6\x64\x45\x64\xad\xc5\xf4\xb9\x3b\xe8\xac\xcd";
static const char vlek[] = "\xa8\x07\x4b\xc2\xa2\x5a\x48\x3e\xaa\xe6\x39\xc0\x45\xa0\xb8\xa1";
static const char ask[] = "\x4a\xb7\xb3\x79\xbb\xac\x4f\xe4\xa0\x2f\x05\xae\xf3\x27\xc7\x82";
static const char ark[] = "\xc0\xb4\x06\xa4\xa8\x03\x49\x52\x97\x43\x3f\xb6\x01\x4c\xd0\xae";
static const char foreign[] = "\xec\xae\x0c\x0f\x95\x02\x43\xb1\xaf\xa2\x0a\xe2\xe0\xd5\x65\xb6";
/* The VCEK's as the mixed-endian GUIDs of other tables have it. */
static const char mixed[] = "\x8d\x75\xda\x63\x64\xe6\x64\x45\xad\xc5\xf4\xb9\x3b\xe8\xac\xcd";

static SnpHierarchy *milan;
static GBytes *leaf;

static void
put_u32(GByteArray *out, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(out, (guint8 *)&value, sizeof value);
}

static void
put_entry(GByteArray *out, const char *guid, gsize offset, gsize length)
{
    g_byte_array_append(out, (const guint8 *)guid, 16);
    put_u32(out, (guint32)offset);
    put_u32(out, (guint32)length);
}

static void
put_end(GByteArray *out)
{
    static const guint8 zero[24];

    g_byte_array_append(out, zero, sizeof zero);
}

static void
put_bytes(GByteArray *out, GBytes *bytes)
{
    g_byte_array_append(out, g_bytes_get_data(bytes, NULL), (guint)g_bytes_get_size(bytes));
}

/* The number of leaves, or -1 if it is refused with the message. An exact copy is read, so that a
 * sanitizer sees every byte past the end. */
static int
load(const GByteArray *blob, const char *message)
{
    g_autofree guint8 *copy = g_memdup2(blob->data, blob->len);
    g_autoptr(GPtrArray) leaves = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;

    snp_add_cert(leaves, milan->ark);
    if (cvs_ghcb_certs_load(copy, blob->len, leaves, &error)) {
        g_assert_no_error(error);
        return (int)leaves->len - 1;
    }
    g_assert_nonnull(error);
    g_assert_cmpuint(leaves->len, ==, 1);
    if (message && strstr(error->message, message) == NULL)
        g_error("\"%s\" is not in \"%s\"", message, error->message);
    return -1;
}

static void
test_good(void)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();
    gsize size = g_bytes_get_size(leaf);
    gsize start = 6 * 24 + 3; /* a gap is allowed */

    /* Any order, contents shared, an empty foreign one at the very end of the blob. */
    put_entry(blob, ark, start, size);
    put_entry(blob, vlek, start, size);
    put_entry(blob, foreign, start + size, 0);
    put_entry(blob, ask, start, 5);
    put_entry(blob, vcek, start, size);
    put_end(blob);
    g_byte_array_append(blob, (const guint8 *)"gap", 3);
    put_bytes(blob, leaf);
    g_assert_true(cvs_ghcb_certs_detect(blob->data, blob->len));
    g_assert_cmpint(load(blob, NULL), ==, 2);
    for (guint cut = 1; cut < blob->len; cut++) {
        g_autoptr(GByteArray) part = g_byte_array_new();

        g_byte_array_append(part, blob->data, cut);
        g_assert_cmpint(load(part, "certificate table"), ==, -1);
    }
}

/* Only leaves are taken; an ASK or ARK of the host's is not even looked at. */
static void
test_only_leaves(void)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();

    put_entry(blob, ask, 3 * 24, 4);
    put_entry(blob, ark, 3 * 24, 4);
    put_end(blob);
    g_byte_array_append(blob, (const guint8 *)"junk", 4);
    g_assert_cmpint(load(blob, NULL), ==, 0);
}

static void
test_empty(void)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();
    g_autoptr(GPtrArray) leaves = cvs_x509_certs_new();

    g_assert_true(cvs_ghcb_certs_load(NULL, 0, leaves, NULL));
    put_end(blob);
    g_assert_cmpint(load(blob, NULL), ==, 0);
    g_assert_false(cvs_ghcb_certs_detect(blob->data, blob->len));
    g_byte_array_set_size(blob, 4096);
    memset(blob->data, 0, blob->len);
    g_assert_cmpint(load(blob, NULL), ==, 0);
}

static void
test_pem(void)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();
    g_autoptr(GByteArray) two = g_byte_array_new();
    const guint8 *der = g_bytes_get_data(leaf, NULL);
    g_autoptr(X509) cert = d2i_X509(NULL, &der, (long)g_bytes_get_size(leaf));
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size = 0;

    g_assert_cmpint(PEM_write_bio_X509(bio, cert), ==, 1);
    size = BIO_get_mem_data(bio, &text);
    put_entry(blob, vcek, 48, (gsize)size);
    put_end(blob);
    g_byte_array_append(blob, (guint8 *)text, (guint)size);
    g_assert_cmpint(load(blob, NULL), ==, 1);

    put_entry(two, vcek, 48, 2 * (gsize)size);
    put_end(two);
    g_byte_array_append(two, (guint8 *)text, (guint)size);
    g_byte_array_append(two, (guint8 *)text, (guint)size);
    g_assert_cmpint(load(two, "entry 0 (VCEK): 2 certificates"), ==, -1);
    BIO_free(bio);
}

static void
test_bounds(void)
{
    gsize size = g_bytes_get_size(leaf);
    const struct {
        guint32 offset;
        guint32 length;
        gboolean ok;
    } cases[] = {
        {48, (guint32)size, TRUE},
        {47, (guint32)size, FALSE}, /* inside the table */
        {0, 4, FALSE},
        {24, 4, FALSE},
        {49, (guint32)size, FALSE},
        {48, (guint32)size + 1, FALSE},
        {(guint32)(48 + size), 1, FALSE},
        {(guint32)(49 + size), 0, FALSE},
        {G_MAXUINT32, 1, FALSE},
        {48, G_MAXUINT32, FALSE},
        {G_MAXUINT32 - 47, 48 + 48, FALSE}, /* the sum wraps around to 48 */
    };
    const char *const guids[] = {vcek, vlek, foreign, ark};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(guids); j++) {
            g_autoptr(GByteArray) blob = g_byte_array_new();

            put_entry(blob, guids[j], cases[i].offset, cases[i].length);
            put_end(blob);
            put_bytes(blob, leaf);
            g_assert_cmpint(load(blob, "entry 0: "), ==, !cases[i].ok ? -1 : j < 2 ? 1 : 0);
        }
    }
}

static void
test_leaf_is_no_certificate(void)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();
    g_autoptr(GByteArray) none = g_byte_array_new();

    put_entry(blob, foreign, 72, 4);
    put_entry(blob, vlek, 72, 4);
    put_end(blob);
    g_byte_array_append(blob, (const guint8 *)"junk", 4);
    g_assert_cmpint(load(blob, "entry 1 (VLEK)"), ==, -1);

    put_entry(none, vcek, 48, 0);
    put_end(none);
    g_assert_cmpint(load(none, "entry 0 (VCEK)"), ==, -1);
}

/* The VCEK's GUID is in the order of its text here: the other order is a foreign entry. */
static void
test_guid_order(void)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();

    put_entry(blob, mixed, 48, g_bytes_get_size(leaf));
    put_end(blob);
    put_bytes(blob, leaf);
    g_assert_false(cvs_ghcb_certs_detect(blob->data, blob->len));
    g_assert_cmpint(load(blob, NULL), ==, 0);
}

static void
test_too_large(void)
{
    g_autofree guint8 *zero = g_malloc0(CVS_GHCB_CERTS_MAX + 1);
    g_autoptr(GPtrArray) leaves = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_ghcb_certs_load(zero, CVS_GHCB_CERTS_MAX, leaves, NULL));
    g_assert_false(cvs_ghcb_certs_load(zero, CVS_GHCB_CERTS_MAX + 1, leaves, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

static void
test_detect(void)
{
    g_autoptr(GByteArray) first = g_byte_array_new();

    g_assert_false(cvs_ghcb_certs_detect(NULL, 0));
    g_assert_false(cvs_ghcb_certs_detect(vcek, 16));
    /* The host's own entries may come first; then the whole has to be a table. */
    put_entry(first, foreign, 3 * 24, 0);
    put_entry(first, vlek, 3 * 24, g_bytes_get_size(leaf));
    put_end(first);
    put_bytes(first, leaf);
    g_assert_true(cvs_ghcb_certs_detect(first->data, first->len));
    g_assert_cmpint(load(first, NULL), ==, 1);
    g_assert_false(cvs_ghcb_certs_detect(first->data, first->len - 1));
    g_assert_false(cvs_ghcb_certs_detect(g_bytes_get_data(leaf, NULL), g_bytes_get_size(leaf)));
}

int
main(int argc, char **argv)
{
    guint8 report[CVS_SNP_REPORT_SIZE];
    SnpLeafSpec spec;
    X509 *cert = NULL;
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    milan = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    snp_make_report(report, CVS_SNP_LINE_MILAN, 3);
    spec = snp_leaf_spec(report, CVS_SNP_LINE_MILAN);
    cert = snp_make_leaf(milan, &spec);
    leaf = snp_cert_der(cert);
    g_test_add_func("/tee/ghcb-certs/good", test_good);
    g_test_add_func("/tee/ghcb-certs/only-leaves", test_only_leaves);
    g_test_add_func("/tee/ghcb-certs/empty", test_empty);
    g_test_add_func("/tee/ghcb-certs/pem", test_pem);
    g_test_add_func("/tee/ghcb-certs/bounds", test_bounds);
    g_test_add_func("/tee/ghcb-certs/leaf-is-no-certificate", test_leaf_is_no_certificate);
    g_test_add_func("/tee/ghcb-certs/guid-order", test_guid_order);
    g_test_add_func("/tee/ghcb-certs/too-large", test_too_large);
    g_test_add_func("/tee/ghcb-certs/detect", test_detect);
    result = g_test_run();
    g_bytes_unref(leaf);
    X509_free(cert);
    snp_hierarchy_free(milan);
    return result;
}
