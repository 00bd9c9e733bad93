/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The paravisor's reports: the real ones, each of their bytes flipped, each of their lengths, and
 * edited ones. */

#include "tee/hcl-report.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/reader.h"
#include "tee/refusal.h"
#include "tee/tdx-quote.h"

#include "captures.h"

#include <string.h>

#define CLAIMS_OFFSET 1236
#define TD_REPORT_DATA (32 + 128)

static CvsHclReport *
parse_ok(GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    CvsHclReport *report = cvs_hcl_report_parse(bytes, &error);

    g_assert_no_error(error);
    return report;
}

static gboolean
is_bound(const CvsHclReport *report)
{
    GError *refusal = cvs_refusal_new();
    gboolean bound = FALSE;

    cvs_hcl_report_check_binding(report, refusal);
    bound = cvs_refusal_count(refusal) == 0;
    if (!bound)
        g_assert_true(cvs_error_has_reason(refusal, CVS_REASON_HCL_BINDING));
    g_error_free(refusal);
    return bound;
}

static void
check_hex(const json_t *object, const char *member, const guint8 *data, gsize size)
{
    g_autofree char *hex = cvs_hex_encode(data, size);

    g_assert_cmpstr(hex, ==, json_string_value(json_object_get(object, member)));
}

static guint64
expected_int(const json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    g_assert_true(json_is_integer(value));
    return (guint64)json_integer_value(value);
}

static void
check_key(const json_t *expected, const char *member, const CvsHclKey *key)
{
    json_t *hash = json_object_get(expected, member);
    guint8 digest[32];
    gsize size = 0;

    if (hash == NULL) {
        g_assert_null(key->n);
        return;
    }
    g_assert_nonnull(key->n);
    cvs_hash_bytes(CVS_SHA256, g_bytes_get_data(key->n, &size), g_bytes_get_size(key->n), digest);
    check_hex(expected, member, digest, sizeof(digest));
}

static void
check_td(const json_t *expected, const CvsHclReport *report)
{
    const json_t *td = json_object_get(expected, "tdreport");
    const CvsTdBody *body = &report->td.body;
    guint8 little[8];

    check_hex(td, "mr_td", body->mr_td, 48);
    check_hex(td, "servtd_hash", body->mr_servicetd, 48);
    check_hex(td, "tee_tcb_svn", body->tee_tcb_svn, 16);
    check_hex(td, "tee_tcb_svn2", body->tee_tcb_svn2, 16);
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        g_autofree char *hex = cvs_hex_encode(body->rtmr[i], 48);

        g_assert_cmpstr(hex, ==, json_string_value(json_array_get(json_object_get(td, "rtmr"), i)));
    }
    for (guint i = 0; i < 8; i++)
        little[i] = (guint8)(body->xfam >> (8 * i));
    check_hex(td, "xfam", little, 8);
    for (guint i = 0; i < 8; i++)
        little[i] = (guint8)(body->td_attributes >> (8 * i));
    check_hex(td, "td_attributes", little, 8);
}

static void
check_expected(const char *name, const json_t *expected)
{
    g_autofree char *path = g_strdup_printf("hcl/%s", name);
    g_autoptr(GBytes) bytes = captures_read(path);
    g_autoptr(CvsHclReport) report = parse_ok(bytes);
    json_t *vm = json_object_get(expected, "vm_configuration");
    json_t *value = NULL;
    const char *member = NULL;
    guint8 digest[32];

    g_assert_cmpuint(g_bytes_get_size(bytes), ==, expected_int(expected, "size"));
    g_assert_cmpuint(report->version, ==, expected_int(expected, "header_version"));
    g_assert_cmpuint(report->request_type, ==, expected_int(expected, "header_request_type"));
    g_assert_cmpuint(report->status, ==, expected_int(expected, "header_status"));
    g_assert_cmpuint(report->request_version, ==, expected_int(expected, "request_version"));
    g_assert_cmpuint(report->type, ==, expected_int(expected, "report_type"));
    g_assert_cmpuint(report->claims_size, ==, expected_int(expected, "variable_data_size"));
    g_assert_cmpint(report->hash, ==, CVS_SHA256);
    check_hex(expected, "hw_report_data", report->report_data, 64);
    cvs_hash_bytes(CVS_SHA256, report->claims, report->claims_size, digest);
    check_hex(expected, "variable_data_sha256", digest, 32);
    check_key(expected, "rsa_modulus_sha256_HCLAkPub", &report->ak);
    check_key(expected, "rsa_modulus_sha256_HCLEkPub", &report->ek);
    g_assert_true(json_is_true(json_object_get(expected, "report_data_binding_ok")));
    g_assert_true(is_bound(report));

    g_assert_cmpint(report->has_user_data, ==,
                    json_is_string(json_object_get(expected, "user_data")));
    if (report->has_user_data) {
        g_autofree char *hex = cvs_hex_encode(report->user_data, 64);

        g_assert_cmpint(
            g_ascii_strcasecmp(hex, json_string_value(json_object_get(expected, "user_data"))), ==,
            0);
    }
    if (report->type == CVS_HCL_TDX)
        check_td(expected, report);
    json_object_foreach (vm, member, value) {
        gboolean truth = FALSE;

        if (json_is_boolean(value)) {
            g_assert_true(cvs_hcl_report_get_bool(report, member, &truth));
            g_assert_cmpint(truth, ==, json_is_true(value));
        } else if (json_is_string(value)) {
            g_assert_cmpstr(cvs_hcl_report_get_string(report, member), ==,
                            json_string_value(value));
        }
    }
}

static void
test_expected(void)
{
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *expected = NULL;
    guint count = 0;

    if (!captures_there())
        return;
    all = captures_json("hcl/expected.json");
    json_object_foreach (all, name, expected) {
        if (strstr(name, "hcl") == NULL)
            continue;
        check_expected(name, expected);
        count++;
    }
    g_assert_cmpuint(count, ==, 4);
}

/* Claims of another report do not fit any of these. */
static void
test_foreign_claims(void)
{
    static const char *const reports[] = {"hcl/az-tdx-hcl-report.bin", "hcl/az-snp-hcl-report.bin",
                                          "hcl/hcl-snp-v1-akonly.bin",
                                          "hcl/hcl-tdx-v2-kinvolk.bin"};
    g_autoptr(GBytes) claims = NULL;

    if (!captures_there())
        return;
    claims = captures_read("hcl/kinvolk-var-data.json");
    for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
        g_autoptr(GBytes) bytes = captures_read(reports[i]);
        g_autoptr(CvsHclReport) report = parse_ok(bytes);

        report->claims = g_bytes_get_data(claims, &report->claims_size);
        g_assert_false(is_bound(report));
    }
}

/* The quote of the same TD, from the evidence beside it; the quote of another. */
static void
test_quote_of_report(void)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GBytes) other_bytes = NULL;
    g_autoptr(GBytes) quote_bytes = NULL;
    g_autoptr(CvsHclReport) report = NULL;
    g_autoptr(CvsHclReport) other = NULL;
    g_autoptr(CvsTdxQuote) quote = NULL;
    g_autoptr(GError) error = NULL;
    GError *refusal = cvs_refusal_new();

    if (!captures_there()) {
        g_error_free(refusal);
        return;
    }
    bytes = captures_read("hcl/az-tdx-hcl-report.bin");
    quote_bytes = captures_read("hcl/az-tdx-td-quote.dat");
    other_bytes = captures_read("hcl/hcl-tdx-v2-kinvolk.bin");
    report = parse_ok(bytes);
    other = parse_ok(other_bytes);
    quote = cvs_tdx_quote_parse(quote_bytes, &error);
    g_assert_no_error(error);
    cvs_td_body_compare(&report->td.body, &quote->body, refusal);
    g_assert_cmpuint(cvs_refusal_count(refusal), ==, 0);
    cvs_td_body_compare(&other->td.body, &quote->body, refusal);
    g_assert_cmpuint(cvs_refusal_count(refusal), >=, 2);
    g_assert_true(cvs_error_has_reason(refusal, CVS_REASON_QUOTE_MISMATCH));
    g_error_free(refusal);
}

static GBytes *
copy(GBytes *bytes, gsize size)
{
    return g_bytes_new(g_bytes_get_data(bytes, NULL), size);
}

static void
test_cut(void)
{
    static const char *const reports[] = {"hcl/az-tdx-hcl-report.bin", "hcl/az-snp-hcl-report.bin"};

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
        g_autoptr(GBytes) bytes = captures_read(reports[i]);
        g_autoptr(CvsHclReport) report = parse_ok(bytes);
        gsize used = CLAIMS_OFFSET + report->claims_size;

        for (gsize size = 0; size <= g_bytes_get_size(bytes); size++) {
            g_autoptr(GBytes) part = copy(bytes, size);
            g_autoptr(GError) error = NULL;
            g_autoptr(CvsHclReport) cut = cvs_hcl_report_parse(part, &error);

            g_assert_cmpint(cut != NULL, ==, size >= used);
            if (cut == NULL)
                g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        }
    }
}

/* Which bytes a changed report may have and still be taken: those that nothing measures. */
static void
test_flip(void)
{
    static const char *const reports[] = {"hcl/az-tdx-hcl-report.bin", "hcl/az-snp-hcl-report.bin",
                                          "hcl/hcl-snp-v1-akonly.bin"};

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
        g_autoptr(GBytes) bytes = captures_read(reports[i]);
        g_autoptr(CvsHclReport) report = parse_ok(bytes);
        gsize report_data = report->type == CVS_HCL_TDX ? TD_REPORT_DATA : (gsize)(32 + 0x50);

        for (gsize at = 0; at < g_bytes_get_size(bytes); at++) {
            for (guint bit = 0; bit < 8; bit++) {
                gsize size = 0;
                guint8 *data = g_bytes_unref_to_data(copy(bytes, g_bytes_get_size(bytes)), &size);
                g_autoptr(GBytes) flipped = NULL;
                g_autoptr(CvsHclReport) parsed = NULL;
                gboolean in_claims =
                    at >= CLAIMS_OFFSET && at < CLAIMS_OFFSET + report->claims_size;
                gboolean in_report_data = at >= report_data && at < report_data + 64;

                data[at] ^= 1u << bit;
                flipped = g_bytes_new_take(data, size);
                parsed = cvs_hcl_report_parse(flipped, NULL);
                if (parsed == NULL)
                    continue;
                if (in_claims || in_report_data)
                    g_assert_false(is_bound(parsed));
                /* A TDREPORT has hashes of its own over TEE_TCB_INFO and TDINFO. */
                if (report->type == CVS_HCL_TDX)
                    g_assert_false(at >= 32 + 256 && at < 32 + 1024);
            }
        }
    }
}

/* A report with other claims that is bound to them, as a paravisor would make it. */
static GBytes *
with_claims(const char *claims, guint32 hash_type, CvsHash hash, guint32 request_version)
{
    g_autoptr(GBytes) bytes = captures_read("hcl/az-tdx-hcl-report.bin");
    g_autoptr(GByteArray) array = g_byte_array_new();
    gsize size = strlen(claims);
    guint32 numbers[6] = {
        GUINT32_TO_LE(0),         GUINT32_TO_LE(request_version), GUINT32_TO_LE(4),
        GUINT32_TO_LE(hash_type), GUINT32_TO_LE((guint32)size),   GUINT32_TO_LE(0x55)};
    gsize header = request_version == 2 ? 24 : 20;
    guint32 total = 0;

    numbers[0] = GUINT32_TO_LE((guint32)(header + size));
    g_byte_array_append(array, g_bytes_get_data(bytes, NULL), 1216);
    g_byte_array_append(array, (const guint8 *)numbers, (guint)header);
    g_byte_array_append(array, (const guint8 *)claims, (guint)size);
    total = GUINT32_TO_LE(array->len);
    memcpy(array->data + 8, &total, 4);
    memset(array->data + TD_REPORT_DATA, 0, 64);
    cvs_hash_bytes(hash, claims, size, array->data + TD_REPORT_DATA);
    return g_byte_array_free_to_bytes(g_steal_pointer(&array));
}

#define N256                                                                                       \
    "yJsXggAApem3jnAqQlvmgBIYzq1yR1W1ZQnfdb3DV-5nPKxEEyUwt15NmB_LfZ0YKXZ7n4xNG4w_Io7GmxytrOxh6zpN" \
    "v-Ci-kSOLjx9q1PQFwMAmQf4GJVFNa9EPqoI_Ysh7dpIKzZKzvrMs7yeBCsf9fTiNfiMzyCGjUOC3gId9XyM82j8qMu3" \
    "k8jWnV6ewdo_UQL0FZKZHxZFF2Q1jsaNaPAFWabmxAMfYHbhIvkhNaATZDQTWo-eSu19R1SAJ2-5w3CDv-Jln3Qx8xQx" \
    "9OzjrvQwaQNHMVh4DdEpntQTHNoIZAd-uf7OpERWXFokejUbMn3iX3wIef--D6Xq2w"
#define AK                                                                                         \
    "{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N256    \
    "\"}"

/* No real report has another hash than SHA-256, or capabilities. */
static void
test_hashes(void)
{
    static const CvsHash hashes[] = {CVS_SHA256, CVS_SHA384, CVS_SHA512};

    if (!captures_there())
        return;
    for (guint i = 0; i < 3; i++) {
        for (guint32 version = 1; version <= 2; version++) {
            g_autoptr(GBytes) bytes = with_claims("{\"keys\":[" AK "]}", i + 1, hashes[i], version);
            g_autoptr(CvsHclReport) report = parse_ok(bytes);
            gsize size = 0;
            guint8 *data = NULL;
            g_autoptr(GBytes) edited = NULL;
            g_autoptr(CvsHclReport) other = NULL;

            g_assert_cmpint(report->hash, ==, hashes[i]);
            g_assert_true(report->ak.signs);
            g_assert_true(is_bound(report));
            /* All 64 bytes count, not only as many as the hash has. */
            data = g_bytes_unref_to_data(copy(bytes, g_bytes_get_size(bytes)), &size);
            data[TD_REPORT_DATA + 63] ^= 1;
            edited = g_bytes_new_take(data, size);
            other = parse_ok(edited);
            g_assert_false(is_bound(other));
        }
        /* The header, which nobody measures, must not choose a weaker or another hash. */
        {
            g_autoptr(GBytes) bytes =
                with_claims("{\"keys\":[" AK "]}", i + 1, hashes[(i + 1) % 3], 1);
            g_autoptr(CvsHclReport) report = parse_ok(bytes);

            g_assert_false(is_bound(report));
        }
    }
}

static void
refused_claims(const char *claims, const char *text)
{
    g_autoptr(GBytes) bytes = with_claims(claims, 1, CVS_SHA256, 1);
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_hcl_report_parse(bytes, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" is not in \"%s\"", text, error->message);
}

static void
test_claims(void)
{
    if (!captures_there())
        return;
    refused_claims("{\"keys\":[]}", "do not name the attestation key");
    refused_claims("{}", "keys");
    refused_claims("{\"keys\":[" AK "," AK "]}", "HCLAkPub twice");
    refused_claims("{\"keys\":[" AK "],\"keys\":[]}", "twice");
    refused_claims("{\"keys\":[7]}", "key 0");
    refused_claims("{\"keys\":[1,2,3,4,5,6,7,8,9]}", "9 keys");
    refused_claims("{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"EC\"}]}", "not an RSA key");
    refused_claims("{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"
                   "]}",
                   "n");
    refused_claims("{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"" N256
                   "\"}]}",
                   "exponent");
    refused_claims(
        "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AAAA" N256 "\"}]}",
        "begins with a zero");
    refused_claims("{\"keys\":[" AK "],\"user-data\":\"00\"}", "64 bytes");
    refused_claims("{\"keys\":[" AK "],\"user-data\":7}", "not a string");
    refused_claims("{\"keys\":[" AK "]} x", "JSON");
}

static void
refused_edit(gsize at, guint32 value, int code, const char *text)
{
    g_autoptr(GBytes) bytes = captures_read("hcl/az-tdx-hcl-report.bin");
    gsize size = 0;
    guint8 *data = g_bytes_unref_to_data(copy(bytes, g_bytes_get_size(bytes)), &size);
    g_autoptr(GBytes) edited = NULL;
    g_autoptr(GError) error = NULL;

    value = GUINT32_TO_LE(value);
    memcpy(data + at, &value, 4);
    edited = g_bytes_new_take(data, size);
    g_assert_null(cvs_hcl_report_parse(edited, &error));
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" is not in \"%s\"", text, error->message);
}

static void
test_headers(void)
{
    static const guint32 types[] = {0, 1, 3, 5, 0x102};

    if (!captures_there())
        return;
    refused_edit(0, 0x414c4349, CVS_ERROR_BAD_FORMAT, "HCLA");
    refused_edit(4, 3, CVS_ERROR_BAD_FORMAT, "version 3");
    refused_edit(4, 0, CVS_ERROR_BAD_FORMAT, "version 0");
    refused_edit(8, 2438, CVS_ERROR_BAD_FORMAT, "it says 2438 bytes");
    refused_edit(1216, 1220, CVS_ERROR_BAD_FORMAT, "bytes of data");
    refused_edit(1216, 3, CVS_ERROR_BAD_FORMAT, "bytes of data");
    refused_edit(1220, 3, CVS_ERROR_BAD_FORMAT, "request version 3");
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        refused_edit(1224, types[i], CVS_ERROR_NOT_SUPPORTED, "report type");
    refused_edit(1228, 0, CVS_ERROR_NOT_SUPPORTED, "hash type 0");
    refused_edit(1228, 4, CVS_ERROR_NOT_SUPPORTED, "hash type 4");
    refused_edit(1232, 0xffffffff, CVS_ERROR_BAD_FORMAT, "run past the end");
    refused_edit(1232, 2600, CVS_ERROR_BAD_FORMAT, "run past the end");
    refused_edit(32 + 1100, 1, CVS_ERROR_BAD_FORMAT, "behind the TDREPORT");
    /* An SNP report is not one of a TD. */
    refused_edit(32, 2, CVS_ERROR_BAD_FORMAT, "not a TD's report");
}

static void
test_too_large(void)
{
    g_autoptr(GBytes) bytes =
        g_bytes_new_take(g_malloc0(CVS_HCL_REPORT_MAX + 1), CVS_HCL_REPORT_MAX + 1);
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_hcl_report_parse(bytes, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/hcl-report/expected", test_expected);
    g_test_add_func("/tee/hcl-report/foreign-claims", test_foreign_claims);
    g_test_add_func("/tee/hcl-report/quote", test_quote_of_report);
    g_test_add_func("/tee/hcl-report/cut", test_cut);
    g_test_add_func("/tee/hcl-report/flip", test_flip);
    g_test_add_func("/tee/hcl-report/hashes", test_hashes);
    g_test_add_func("/tee/hcl-report/claims", test_claims);
    g_test_add_func("/tee/hcl-report/headers", test_headers);
    g_test_add_func("/tee/hcl-report/too-large", test_too_large);
    return g_test_run();
}
