/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text of evidence: golden files for ever, and everything else refused by name. */

#include "attest/evidence-bundle.h"
#include "base/error.h"

#include <string.h>

/* Of the simulator: an SVSM's guest, and a plain TPM without a TEE; Azure's, with the answer to a
 * challenge; a TD with logs; and a TD whose TPM is another TD. */
static const struct {
    const char *file;
    const char *nonce; /* NULL: the challenge's */
    gboolean report, auxblob, ek, ca_cert, hcl, answer, boot_logs, measured;
} golden[] = {
    {.file = "svsm-v1.json", .nonce = "one", .report = TRUE, .auxblob = TRUE, .ek = TRUE},
    {.file = "none-v1.json", .nonce = "one"},
    {.file = "azure-answer-v1.json", .report = FALSE, .ek = TRUE, .hcl = TRUE, .answer = TRUE},
    {.file = "tdx-v2.json", .nonce = "one", .report = TRUE, .boot_logs = TRUE, .measured = TRUE},
    {.file = "vtpm-td-v3.json",
     .nonce = "one",
     .report = TRUE,
     .ek = TRUE,
     .ca_cert = TRUE,
     .boot_logs = TRUE},
};

static char *
read_golden(const char *name, gsize *ret_size)
{
    g_autofree char *path =
        g_build_filename(g_getenv("CVS_SOURCE_ROOT"), "tests", "attest", "golden", name, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    (void)g_file_get_contents(path, &text, ret_size, &error);
    g_assert_no_error(error);
    return text;
}

static json_t *
golden_json(const char *name)
{
    gsize size = 0;
    g_autofree char *text = read_golden(name, &size);
    json_t *json = json_loads(text, 0, NULL);

    g_assert_nonnull(json);
    return json;
}

static void
test_golden(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(golden); i++) {
        gsize size = 0;
        g_autofree char *text = read_golden(golden[i].file, &size);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsEvidenceBundle) bundle = cvs_evidence_bundle_parse(text, size, &error);
        g_autofree char *again = NULL;

        g_test_message("%s", golden[i].file);
        g_assert_no_error(error);
        if (golden[i].nonce)
            g_assert_cmpmem(g_bytes_get_data(bundle->nonce, NULL), g_bytes_get_size(bundle->nonce),
                            golden[i].nonce, strlen(golden[i].nonce));
        else
            g_assert_cmpuint(g_bytes_get_size(bundle->nonce), ==, 32);
        g_assert_cmpuint(bundle->srk_name.size, ==, 34);
        g_assert_cmpuint(bundle->quote.values.selection.mask, ==, 0x85);
        g_assert_true((bundle->report != NULL) == golden[i].report);
        g_assert_true((bundle->auxblob != NULL) == golden[i].auxblob);
        g_assert_true((bundle->hcl != NULL) == golden[i].hcl);
        g_assert_true((bundle->ek != NULL) == golden[i].ek);
        g_assert_true((bundle->ca_cert != NULL) == golden[i].ca_cert);
        g_assert_true((bundle->answer != NULL) == golden[i].answer);
        g_assert_true((bundle->tpm_log != NULL) == golden[i].boot_logs);
        g_assert_true((bundle->cc_log != NULL) == golden[i].boot_logs);
        g_assert_true((bundle->measured_log != NULL) == golden[i].measured);
        again = cvs_evidence_bundle_format(bundle);
        g_assert_cmpstr(again, ==, text);
        for (gsize cut = 0; cut + 2 < size; cut += 7) {
            g_autoptr(CvsEvidenceBundle) part = cvs_evidence_bundle_parse(text, cut, NULL);

            g_assert_null(part);
        }
    }
}

static void
expect(const json_t *json, int code, const char *says)
{
    char *text = json_dumps(json, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = cvs_evidence_bundle_parse(text, strlen(text), &error);

    g_assert_null(bundle);
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
    free(text);
}

/* One member set to what is wrong (JSON text; NULL: it is taken out). */
static const struct {
    const char *in; /* "", "tee", "tpm" */
    const char *member;
    const char *value;
    int code;
    const char *says;
} bad[] = {
    {"", "type", "\"cvmseal-evidencf\"", CVS_ERROR_BAD_FORMAT, "\"type\""},
    {"", "type", NULL, CVS_ERROR_BAD_FORMAT, "type"},
    {"", "version", "4", CVS_ERROR_NOT_SUPPORTED, "version 4"},
    {"", "version", "0", CVS_ERROR_BAD_FORMAT, "version"},
    {"", "nonce", NULL, CVS_ERROR_BAD_FORMAT, "nonce"},
    {"", "nonce", "\"\"", CVS_ERROR_BAD_FORMAT, "nonce"},
    {"", "nonce", "\"b25l=\"", CVS_ERROR_BAD_FORMAT, "nonce"},
    {"", "nonce", "@65", CVS_ERROR_BAD_FORMAT, "nonce"},
    {"", "user_data", "\"\"", CVS_ERROR_BAD_FORMAT, "user_data"},
    {"", "user_data", "@1025", CVS_ERROR_BAD_FORMAT, "user_data"},
    {"", "more", "1", CVS_ERROR_BAD_FORMAT, "more"},
    {"", "tee", "[]", CVS_ERROR_BAD_FORMAT, "tee"},
    {"", "tee", "{}", CVS_ERROR_BAD_FORMAT, "neither"},
    {"", "tpm", NULL, CVS_ERROR_BAD_FORMAT, "tpm"},
    {"tee", "report", NULL, CVS_ERROR_BAD_FORMAT, "neither"},
    {"tee", "hcl", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "both"},
    {"tee", "more", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "more"},
    {"tee", "manifest", "@16385", CVS_ERROR_BAD_FORMAT, "manifest"},
    {"tee", "auxblob", "1", CVS_ERROR_BAD_FORMAT, "auxblob"},
    {"tpm", "ak", NULL, CVS_ERROR_BAD_FORMAT, "ak"},
    {"tpm", "ak", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "ak"},
    {"tpm", "ek", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "ek"},
    {"tpm", "srk_name", "@67", CVS_ERROR_BAD_FORMAT, "srk_name"},
    {"tpm", "attest", NULL, CVS_ERROR_BAD_FORMAT, "attest"},
    {"tpm", "signature", "@1025", CVS_ERROR_BAD_FORMAT, "signature"},
    {"tpm", "pcrs", "{}", CVS_ERROR_BAD_FORMAT, "PCR values"},
    {"tpm", "ek_cert", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "ek_cert"},
    {"tpm", "ca_cert", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "ca_cert"},
    {"tpm", "ak_qualified", "\"AAAA\"", CVS_ERROR_BAD_FORMAT, "ak_qualified"},
};

static void
test_bad(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(json_t) json = golden_json(golden[0].file);
        json_t *in = *bad[i].in ? json_object_get(json, bad[i].in) : json;

        if (bad[i].value == NULL) {
            json_object_del(in, bad[i].member);
        } else if (bad[i].value[0] == '@') {
            gsize size = (gsize)g_ascii_strtoull(bad[i].value + 1, NULL, 10);
            g_autofree guint8 *zeros = g_malloc0(size);

            cvs_json_set_bytes(in, bad[i].member, zeros, size);
        } else {
            json_object_set_new(in, bad[i].member, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
        }
        expect(json, bad[i].code, bad[i].says);
    }
}

static void
test_too_large(void)
{
    g_autofree char *text = g_strnfill(CVS_BUNDLE_SIZE_MAX + 1, ' ');
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsEvidenceBundle) bundle =
        cvs_evidence_bundle_parse(text, CVS_BUNDLE_SIZE_MAX + 1, &error);

    g_assert_null(bundle);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

/* Logs come with version 2, and only then is the text of it: a program that does not know them says
 * that it is too old. */
static void
test_logs(void)
{
    static const char *const wrong[] = {
        "1", "[]", "{\"more\":\"AAAA\"}", "{\"tpm\":1}", "{\"cc\":\"\"}", "{\"measured\":\"=\"}"};
    g_autoptr(json_t) json = golden_json("none-v1.json");
    g_autoptr(json_t) written = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(CvsEvidenceBundle) back = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;
    g_autofree char *golden_text = read_golden("none-v1.json", &size);

    bundle = cvs_evidence_bundle_parse(golden_text, size, &error);
    g_assert_no_error(error);
    bundle->tpm_log = g_bytes_new_static("one", 3);
    bundle->measured_log = g_bytes_new_static("two", 3);
    text = cvs_evidence_bundle_format(bundle);
    back = cvs_evidence_bundle_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(back->tpm_log, bundle->tpm_log));
    g_assert_true(g_bytes_equal(back->measured_log, bundle->measured_log));
    g_assert_null(back->cc_log);
    written = json_loads(text, 0, NULL);
    g_assert_cmpint(json_integer_value(json_object_get(written, "version")), ==, 2);

    /* Not in version 1, and nothing else in version 2. */
    (void)json_object_set_new(json, "logs", json_object());
    expect(json, CVS_ERROR_BAD_FORMAT, "logs");
    (void)json_object_set_new(json, "version", json_integer(2));
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        (void)json_object_set_new(json, "logs", json_loads(wrong[i], JSON_DECODE_ANY, NULL));
        expect(json, CVS_ERROR_BAD_FORMAT, "the evidence");
    }
}

/* Certificates come with version 3, both, and only beside the report of a guest that can have such
 * a TPM. */
static void
test_certs(void)
{
    g_autoptr(json_t) plain = golden_json("none-v1.json"), svsm = golden_json("svsm-v1.json");
    g_autoptr(json_t) written = NULL, one = NULL, large = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL, back = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL, *zeros = g_malloc0(65536);
    json_t *tpm = NULL;
    char *dump = NULL;

    /* A report, without the manifest. */
    (void)json_object_del(json_object_get(svsm, "tee"), "manifest");
    dump = json_dumps(svsm, 0);
    bundle = cvs_evidence_bundle_parse(dump, strlen(dump), &error);
    g_assert_no_error(error);
    free(dump);
    bundle->ek_cert = g_bytes_new_static("one", 3);
    bundle->ca_cert = g_bytes_new_static("two", 3);
    bundle->tpm_log = g_bytes_new_static("three", 5);
    text = cvs_evidence_bundle_format(bundle);
    back = cvs_evidence_bundle_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(back->ek_cert, bundle->ek_cert));
    g_assert_true(g_bytes_equal(back->ca_cert, bundle->ca_cert));
    g_assert_true(g_bytes_equal(back->tpm_log, bundle->tpm_log));
    written = json_loads(text, 0, NULL);
    g_assert_cmpint(json_integer_value(json_object_get(written, "version")), ==, 3);

    one = json_deep_copy(written);
    (void)json_object_del(json_object_get(one, "tpm"), "ek_cert");
    expect(one, CVS_ERROR_BAD_FORMAT, "without each other");
    large = json_deep_copy(written);
    cvs_json_set_bytes(json_object_get(large, "tpm"), "ca_cert", zeros, 65536);
    expect(large, CVS_ERROR_BAD_FORMAT, "ca_cert");
    (void)json_object_set_new(written, "version", json_integer(2));
    expect(written, CVS_ERROR_BAD_FORMAT, "ek_cert");

    tpm = json_object_get(plain, "tpm");
    (void)json_object_set_new(plain, "version", json_integer(3));
    (void)json_object_set_new(tpm, "ek_cert", json_string("AAAA"));
    (void)json_object_set_new(tpm, "ca_cert", json_string("AAAA"));
    expect(plain, CVS_ERROR_BAD_FORMAT, "no quote of a guest");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/evidence-bundle/golden", test_golden);
    g_test_add_func("/attest/evidence-bundle/bad", test_bad);
    g_test_add_func("/attest/evidence-bundle/too-large", test_too_large);
    g_test_add_func("/attest/evidence-bundle/logs", test_logs);
    g_test_add_func("/attest/evidence-bundle/certs", test_certs);
    return g_test_run();
}
