/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Evidence in all the forms in which it is handed around. */

#include "tee/evidence.h"
#include "base/error.h"
#include "base/hex.h"

#include "captures.h"

#include <string.h>

static guint
count(const CvsEvidence *evidence)
{
    return evidence->certs->len + evidence->host_leaves->len + evidence->crls->len +
           evidence->tcb_infos->len + evidence->qe_identities->len;
}

static void
expect(const void *data, gsize size, guint certs, guint crls, guint infos, guint identities)
{
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GError) error = NULL;

    (void)cvs_evidence_add(evidence, data, size, "FILE", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(evidence->certs->len, ==, certs);
    g_assert_cmpuint(evidence->crls->len, ==, crls);
    g_assert_cmpuint(evidence->tcb_infos->len, ==, infos);
    g_assert_cmpuint(evidence->qe_identities->len, ==, identities);
    g_assert_cmpuint(evidence->host_leaves->len, ==, 0);
}

static void
expect_capture(const char *name, guint certs, guint crls, guint infos, guint identities)
{
    g_autoptr(GBytes) bytes = captures_read(name);

    g_test_message("%s", name);
    expect(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), certs, crls, infos, identities);
}

static void
test_captures(void)
{
    if (!captures_there())
        return;
    expect_capture("tdx/quote-v4-uptodate.collateral.json", 6, 2, 1, 1);
    expect_capture("tdx/quote-v3-sgx.collateral.json", 6, 2, 1, 1);
    expect_capture("tdx/pcs-tdx-tcbinfo-50806f000000-2023.json", 0, 0, 1, 0);
    expect_capture("tdx/pcs-tdx-qeidentity-2023.json", 0, 0, 0, 1);
    expect_capture("tdx/derived-tcb-signing-chain.pem", 2, 0, 0, 0);
    expect_capture("tdx/intel-sgx-root-ca.der", 1, 0, 0, 0);
    expect_capture("tdx/root-ca-2025.crl.der", 0, 1, 0, 0);
    expect_capture("tdx/intel-qvl-selfmade/tcbInfo.json", 0, 0, 1, 0);
    expect_capture("snp/roots/milan_crl.pem", 0, 1, 0, 0);
    expect_capture("snp/roots/ask_ark_turin_vlek.pem", 2, 0, 0, 0);
    expect_capture("hcl/amd-milan-ask-ark-asvk.pem", 3, 0, 0, 0);
    expect_capture("snp/reports/milan-v3.vcek.der", 1, 0, 0, 0);
}

/* As the service has chains in the headers of its answers, and CRLs as digits. */
static void
test_encoded(void)
{
    g_autoptr(GBytes) chain = NULL;
    g_autoptr(GBytes) crl = NULL;
    g_autofree char *percent = NULL;
    g_autofree char *text = NULL;
    g_autofree char *digits = NULL;

    if (!captures_there())
        return;
    chain = captures_read("tdx/derived-tcb-signing-chain.pem");
    text = g_strndup(g_bytes_get_data(chain, NULL), g_bytes_get_size(chain));
    percent = g_uri_escape_string(text, NULL, FALSE);
    expect(percent, strlen(percent), 2, 0, 0, 0);
    crl = captures_read("tdx/root-ca-2025.crl.der");
    digits = cvs_hex_encode(g_bytes_get_data(crl, NULL), g_bytes_get_size(crl));
    expect(digits, strlen(digits), 0, 1, 0, 0);
}

/* The collection with the service's answers as text instead of text and signature. */
static void
test_answers_as_text(void)
{
    g_autoptr(json_t) set = NULL;
    g_autofree char *answer = NULL;
    g_autofree char *text = NULL;

    if (!captures_there())
        return;
    set = captures_json("tdx/quote-v4-uptodate.collateral.json");
    answer = g_strdup_printf("{\"tcbInfo\":%s,\"signature\":\"%s\"}",
                             json_string_value(json_object_get(set, "tcb_info")),
                             json_string_value(json_object_get(set, "tcb_info_signature")));
    json_object_clear(set);
    json_object_set_new(set, "tcb_info", json_string(answer));
    json_object_set_new(set, "something else", json_true());
    text = cvs_json_canonical(set);
    expect(text, strlen(text), 0, 0, 1, 0);
}

/* A host's table: leaves are kept apart from what may be an issuer. */
static void
test_table(void)
{
    static const guint8 guids[3][16] = {
        {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
         0xcd}, /* VCEK */
        {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
         0x82}, /* ASK */
        {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
         0xae}, /* ARK */
    };
    g_autoptr(GByteArray) table = g_byte_array_new();
    g_autoptr(GByteArray) contents = g_byte_array_new();
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GBytes) vcek = NULL;
    g_autoptr(GError) error = NULL;
    guint32 offset = 4 * 24;

    if (!captures_there())
        return;
    vcek = captures_read("snp/reports/milan-v3.vcek.der");
    for (gsize i = 0; i < 3; i++) {
        /* One that is none is passed over where an issuer belongs. */
        const void *data = i == 1 ? "rubbish" : g_bytes_get_data(vcek, NULL);
        guint32 size = i == 1 ? 7 : (guint32)g_bytes_get_size(vcek);
        guint32 words[2] = {GUINT32_TO_LE(offset), GUINT32_TO_LE(size)};

        g_byte_array_append(table, guids[i], 16);
        g_byte_array_append(table, (const guint8 *)words, 8);
        g_byte_array_append(contents, data, size);
        offset += size;
    }
    g_byte_array_set_size(table, 4 * 24);
    memset(table->data + 3 * 24, 0, 24);
    g_byte_array_append(table, contents->data, contents->len);
    (void)cvs_evidence_add(evidence, table->data, table->len, "FILE", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(evidence->host_leaves->len, ==, 1);
    g_assert_cmpuint(evidence->certs->len, ==, 1);

    /* A table whose contents lie outside */
    (void)cvs_evidence_add(evidence, table->data, table->len - 1, "FILE", &error);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpuint(count(evidence), ==, 2);
}

static void
check_bad(const char *text, gboolean crls_only)
{
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = crls_only ? cvs_evidence_add_crls(evidence, text, strlen(text), "FILE", &error)
                            : cvs_evidence_add(evidence, text, strlen(text), "FILE", &error);

    g_assert_false(ok);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(g_str_has_prefix(error->message, "FILE"));
    g_assert_cmpuint(count(evidence), ==, 0);
}

static void
test_bad(void)
{
    static const char *const texts[] = {
        "",
        "rubbish",
        "{}",
        "{",
        "[]",
        "{\"tcbInfo\": {}, \"signature\": \"\"}",
        "{\"enclaveIdentity\": 1}",
        "{\"tcb_info\": 1}",
        "{\"tcb_info\": \"{}\", \"tcb_info_signature\": \"00\"}",
        "{\"tcb_info\": \"{}\"}",
        "{\"root_ca_crl\": \"3030\"}",
        "{\"root_ca_crl\": \"303\"}",
        "{\"pck_crl_issuer_chain\": \"\"}",
        "{\"unknown\": \"\"}",
        "-----BEGIN%20CERTIFICATE%ZZ",
        "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n",
        "308201",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_test_message("%s", texts[i]);
        check_bad(texts[i], FALSE);
        check_bad(texts[i], TRUE);
    }
}

/* All or nothing: what is good before the fault is not kept. */
static void
test_all_or_nothing(void)
{
    g_autoptr(json_t) set = NULL;
    g_autofree char *text = NULL;

    if (!captures_there())
        return;
    set = captures_json("tdx/quote-v4-uptodate.collateral.json");
    json_object_set_new(set, "pck_crl", json_string("rubbish"));
    text = cvs_json_canonical(set);
    check_bad(text, FALSE);
}

static void
test_crls_only(void)
{
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GBytes) cert = NULL;
    g_autoptr(GBytes) crl = NULL;
    g_autoptr(GError) error = NULL;

    if (!captures_there())
        return;
    cert = captures_read("tdx/intel-sgx-root-ca.der");
    crl = captures_read("tdx/root-ca-2025.crl.der");
    g_assert_true(cvs_evidence_add_crls(evidence, g_bytes_get_data(crl, NULL),
                                        g_bytes_get_size(crl), "FILE", NULL));
    g_assert_false(cvs_evidence_add_crls(evidence, g_bytes_get_data(cert, NULL),
                                         g_bytes_get_size(cert), "FILE", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpuint(count(evidence), ==, 1);
}

/* Of several documents the one for this platform counts, then the one that is valid, then the
 * newest. */
static void
test_choice(void)
{
    static const char *const names[] = {
        "tdx/quote-v3-sgx.collateral.json", "tdx/quote-v4-uptodate.collateral.json",
        "tdx/pcs-tdx-tcbinfo-50806f000000-2023.json", "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json",
        "tdx/pcs-tdx-qeidentity-2023.json"};
    static const guint8 of_2023[] = {0x50, 0x80, 0x6f, 0, 0, 0};
    static const guint8 of_2025[] = {0xb0, 0xc0, 0x6f, 0, 0, 0};
    static const guint8 nobodys[] = {1, 2, 3, 4, 5, 6};
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    gint64 in_2023 = 1687996800; /* 2023-06-29 */
    gint64 in_2025 = 1751328000; /* 2025-07-01 */

    g_assert_null(cvs_evidence_find_tcb_info(evidence, of_2023, in_2023));
    g_assert_null(cvs_evidence_find_qe_identity(evidence, in_2023));
    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GBytes) bytes = captures_read(names[i]);

        g_assert_true(cvs_evidence_add(evidence, g_bytes_get_data(bytes, NULL),
                                       g_bytes_get_size(bytes), names[i], NULL));
    }
    g_assert_cmpmem(cvs_evidence_find_tcb_info(evidence, of_2023, in_2025)->fmspc, 6, of_2023, 6);
    g_assert_cmpmem(cvs_evidence_find_tcb_info(evidence, of_2025, in_2023)->fmspc, 6, of_2025, 6);
    g_assert_cmpmem(cvs_evidence_find_tcb_info(evidence, nobodys, in_2023)->fmspc, 6, of_2023, 6);
    g_assert_cmpmem(cvs_evidence_find_tcb_info(evidence, NULL, in_2025)->fmspc, 6, of_2025, 6);
    g_assert_cmpuint(cvs_evidence_find_tcb_info(evidence, nobodys, 0)->base.evaluation, ==, 18);
    g_assert_cmpuint(cvs_evidence_find_qe_identity(evidence, in_2023)->base.evaluation, ==, 15);
    g_assert_cmpuint(cvs_evidence_find_qe_identity(evidence, in_2025)->base.evaluation, ==, 17);
    g_assert_cmpstr(cvs_evidence_find_qe_identity(evidence, 0)->base.id, ==, "TD_QE");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/evidence/captures", test_captures);
    g_test_add_func("/tee/evidence/encoded", test_encoded);
    g_test_add_func("/tee/evidence/answers-as-text", test_answers_as_text);
    g_test_add_func("/tee/evidence/table", test_table);
    g_test_add_func("/tee/evidence/bad", test_bad);
    g_test_add_func("/tee/evidence/all-or-nothing", test_all_or_nothing);
    g_test_add_func("/tee/evidence/crls-only", test_crls_only);
    g_test_add_func("/tee/evidence/choice", test_choice);
    return g_test_run();
}
