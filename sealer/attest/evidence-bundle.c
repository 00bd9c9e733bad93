/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/evidence-bundle.h"
#include "attest/svsm-manifest.h"
#include "base/error.h"
#include "tee/ghcb-certs.h"
#include "tee/hcl-report.h"
#include "tee/tdreport.h"
#include "tee/vtpm-td-cert.h"

#include <string.h>

#define TYPE "cvmseal-evidence"
#define VERSION 3
#define VERSION_WITH_LOGS 2
#define VERSION_WITHOUT_LOGS 1
/* As much as a TD quote may have, and still all of it in a bundle. */
#define REPORT_MAX (256 * 1024)
/* TPM2B_ATTEST and TPMU_SIGNATURE of RSA-4096 with their heads (Part 2, 10.12.13 and 11.3.3). */
#define ATTEST_MAX 2304
#define SIGNATURE_MAX 1024
#define PUBLIC_MAX 1024

static const char what[] = "the evidence";
static const char what_tee[] = "the evidence, \"tee\"";
static const char what_tpm[] = "the evidence, \"tpm\"";
static const char what_logs[] = "the evidence, \"logs\"";

/* The parts of the TEE, each of which may be missing. */
static const struct {
    const char *name;
    gsize offset;
    gsize max;
} parts[] = {
    {"report", G_STRUCT_OFFSET(CvsEvidenceBundle, report), REPORT_MAX},
    {"auxblob", G_STRUCT_OFFSET(CvsEvidenceBundle, auxblob), CVS_GHCB_CERTS_MAX},
    {"manifest", G_STRUCT_OFFSET(CvsEvidenceBundle, manifest), CVS_SVSM_MANIFEST_SIZE_MAX},
    {"tdreport", G_STRUCT_OFFSET(CvsEvidenceBundle, tdreport), CVS_TDREPORT_SIZE},
    {"hcl", G_STRUCT_OFFSET(CvsEvidenceBundle, hcl), CVS_HCL_REPORT_MAX},
};

/* The logs, likewise. */
static const struct {
    const char *name;
    gsize offset;
} logs[] = {
    {"tpm", G_STRUCT_OFFSET(CvsEvidenceBundle, tpm_log)},
    {"cc", G_STRUCT_OFFSET(CvsEvidenceBundle, cc_log)},
    {"measured", G_STRUCT_OFFSET(CvsEvidenceBundle, measured_log)},
};

static GBytes **
log_of(const CvsEvidenceBundle *bundle, gsize i)
{
    return G_STRUCT_MEMBER_P(bundle, logs[i].offset);
}

static GBytes **
part_of(const CvsEvidenceBundle *bundle, gsize i)
{
    return G_STRUCT_MEMBER_P(bundle, parts[i].offset);
}

void
cvs_evidence_bundle_free(CvsEvidenceBundle *bundle)
{
    if (bundle == NULL)
        return;
    g_bytes_unref(bundle->nonce);
    g_bytes_unref(bundle->user_data);
    g_bytes_unref(bundle->answer);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
        g_bytes_unref(*part_of(bundle, i));
    for (gsize i = 0; i < G_N_ELEMENTS(logs); i++)
        g_bytes_unref(*log_of(bundle, i));
    cvs_public_area_free(bundle->ek);
    cvs_public_area_free(bundle->ak);
    g_bytes_unref(bundle->ek_cert);
    g_bytes_unref(bundle->ca_cert);
    cvs_quote_clear(&bundle->quote);
    g_free(bundle);
}

/* A member that may be missing. */
static gboolean
read_optional(const json_t *object, const char *name, gsize max, const char *of, GBytes **ret_bytes,
              GError **error)
{
    if (json_object_get(object, name) == NULL)
        return TRUE;
    *ret_bytes = cvs_json_get_bytes(object, name, 1, max, of, error);
    return *ret_bytes != NULL;
}

static gboolean
read_tee(CvsEvidenceBundle *bundle, const json_t *root, GError **error)
{
    json_t *tee = NULL;

    if (json_object_get(root, "tee") == NULL)
        return TRUE;
    tee = cvs_json_get_object(root, "tee", what, error);
    if (tee == NULL || !cvs_json_only(tee, what_tee, error, "report", "auxblob", "manifest",
                                      "tdreport", "hcl", NULL))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (!read_optional(tee, parts[i].name, parts[i].max, what_tee, part_of(bundle, i), error))
            return FALSE;
    }
    /* Each says by itself which TEE this is. */
    if ((bundle->report == NULL && bundle->hcl == NULL) || (bundle->hcl && bundle->manifest)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s", what_tee,
                    bundle->hcl ? "both a manifest and a paravisor's report"
                                : "neither a report nor a paravisor's report");
        return FALSE;
    }
    return TRUE;
}

static CvsPublicArea *
read_key(const json_t *tpm, const char *name, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_json_get_bytes(tpm, name, 1, PUBLIC_MAX, what_tpm, error);
    CvsPublicArea *area = NULL;

    if (bytes == NULL)
        return NULL;
    area =
        cvs_public_area_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), name, error);
    if (area == NULL)
        g_prefix_error(error, "%s: ", what_tpm);
    return area;
}

/* Only a TD's, beside its own quote. */
static gboolean
read_certs(CvsEvidenceBundle *bundle, const json_t *tpm, GError **error)
{
    if (!read_optional(tpm, "ek_cert", CVS_VTPM_TD_EK_MAX, what_tpm, &bundle->ek_cert, error) ||
        !read_optional(tpm, "ca_cert", CVS_VTPM_TD_CA_MAX, what_tpm, &bundle->ca_cert, error))
        return FALSE;
    if ((bundle->ek_cert == NULL) == (bundle->ca_cert == NULL) &&
        (bundle->ca_cert == NULL || (bundle->report && !bundle->hcl && !bundle->manifest)))
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s", what_tpm,
                (bundle->ek_cert == NULL) != (bundle->ca_cert == NULL)
                    ? "ek_cert and ca_cert do not go without each other"
                    : "certificates of a vTPM that is a TD, and no quote of a guest that is one");
    return FALSE;
}

static gboolean
read_tpm(CvsEvidenceBundle *bundle, const json_t *root, gint64 version, GError **error)
{
    json_t *tpm = cvs_json_get_object(root, "tpm", what, error);
    const char *certs = version == VERSION ? "ek_cert" : NULL;
    json_t *pcrs = NULL;

    if (tpm == NULL ||
        !cvs_json_only(tpm, what_tpm, error, "ek", "ak", "srk_name", "attest", "signature", "pcrs",
                       certs, "ca_cert", NULL) ||
        !read_certs(bundle, tpm, error))
        return FALSE;
    if (json_object_get(tpm, "ek")) {
        bundle->ek = read_key(tpm, "ek", error);
        if (bundle->ek == NULL)
            return FALSE;
    }
    bundle->ak = read_key(tpm, "ak", error);
    if (bundle->ak == NULL ||
        !cvs_name_from_json(tpm, "srk_name", what_tpm, &bundle->srk_name, error))
        return FALSE;
    bundle->quote.attest = cvs_json_get_bytes(tpm, "attest", 1, ATTEST_MAX, what_tpm, error);
    if (bundle->quote.attest == NULL)
        return FALSE;
    bundle->quote.signature =
        cvs_json_get_bytes(tpm, "signature", 1, SIGNATURE_MAX, what_tpm, error);
    if (bundle->quote.signature == NULL)
        return FALSE;
    pcrs = cvs_json_get_object(tpm, "pcrs", what_tpm, error);
    return pcrs && cvs_pcr_values_from_json(pcrs, &bundle->quote.values, error);
}

static gboolean
read_logs(CvsEvidenceBundle *bundle, const json_t *root, GError **error)
{
    json_t *json = NULL;

    if (json_object_get(root, "logs") == NULL)
        return TRUE;
    json = cvs_json_get_object(root, "logs", what, error);
    if (json == NULL || !cvs_json_only(json, what_logs, error, "tpm", "cc", "measured", NULL))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(logs); i++) {
        if (!read_optional(json, logs[i].name, CVS_BUNDLE_LOG_MAX, what_logs, log_of(bundle, i),
                           error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_answer(CvsEvidenceBundle *bundle, const json_t *root, GError **error)
{
    if (json_object_get(root, "answer") == NULL)
        return TRUE;
    bundle->answer = cvs_json_get_bytes(root, "answer", CVS_CHALLENGE_ANSWER_SIZE,
                                        CVS_CHALLENGE_ANSWER_SIZE, what, error);
    return bundle->answer != NULL;
}

CvsEvidenceBundle *
cvs_evidence_bundle_parse(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsEvidenceBundle) bundle = g_new0(CvsEvidenceBundle, 1);
    g_autoptr(json_t) root = NULL;
    gint64 version = 0;

    if (size > CVS_BUNDLE_SIZE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: more than %u bytes", what,
                    CVS_BUNDLE_SIZE_MAX);
        return NULL;
    }
    root = cvs_json_parse(data, size, what, error);
    if (root == NULL || !cvs_json_check_head(root, TYPE, VERSION, what, error) ||
        !cvs_json_get_int(root, "version", 1, VERSION, what, &version, error) ||
        !cvs_json_only(root, what, error, "type", "version", "nonce", "user_data", "tee", "tpm",
                       "answer", version == VERSION_WITHOUT_LOGS ? NULL : "logs", NULL))
        return NULL;
    bundle->nonce = cvs_json_get_bytes(root, "nonce", 1, CVS_BUNDLE_NONCE_MAX, what, error);
    if (bundle->nonce == NULL ||
        !read_optional(root, "user_data", CVS_BUNDLE_USER_DATA_MAX, what, &bundle->user_data,
                       error) ||
        !read_tee(bundle, root, error) || !read_tpm(bundle, root, version, error) ||
        !read_logs(bundle, root, error) || !read_answer(bundle, root, error))
        return NULL;
    return g_steal_pointer(&bundle);
}

static void
set_bytes(json_t *object, const char *name, GBytes *bytes)
{
    if (bytes)
        cvs_json_set_bytes(object, name, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

char *
cvs_evidence_bundle_format(const CvsEvidenceBundle *bundle)
{
    g_autoptr(json_t) root = json_pack("{s:s, s:i}", "type", TYPE, "version", VERSION_WITHOUT_LOGS);
    g_autoptr(json_t) with_logs = json_object();
    json_t *tee = json_object();
    json_t *tpm = json_object();
    g_autofree char *text = NULL;

    set_bytes(root, "nonce", bundle->nonce);
    set_bytes(root, "user_data", bundle->user_data);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
        set_bytes(tee, parts[i].name, *part_of(bundle, i));
    if (json_object_size(tee) > 0)
        (void)json_object_set(root, "tee", tee);
    json_decref(tee);
    set_bytes(tpm, "ek", bundle->ek ? bundle->ek->bytes : NULL);
    set_bytes(tpm, "ak", bundle->ak->bytes);
    set_bytes(tpm, "ek_cert", bundle->ek_cert);
    set_bytes(tpm, "ca_cert", bundle->ca_cert);
    cvs_json_set_bytes(tpm, "srk_name", bundle->srk_name.bytes, bundle->srk_name.size);
    set_bytes(tpm, "attest", bundle->quote.attest);
    set_bytes(tpm, "signature", bundle->quote.signature);
    (void)json_object_set_new(tpm, "pcrs", cvs_pcr_values_to_json(&bundle->quote.values));
    (void)json_object_set_new(root, "tpm", tpm);
    for (gsize i = 0; i < G_N_ELEMENTS(logs); i++)
        set_bytes(with_logs, logs[i].name, *log_of(bundle, i));
    if (json_object_size(with_logs) > 0) {
        (void)json_object_set(root, "logs", with_logs);
        (void)json_object_set_new(root, "version", json_integer(VERSION_WITH_LOGS));
    }
    if (bundle->ca_cert)
        (void)json_object_set_new(root, "version", json_integer(VERSION));
    set_bytes(root, "answer", bundle->answer);
    text = cvs_json_pretty(root);
    return g_str_has_suffix(text, "\n") ? g_steal_pointer(&text) : g_strconcat(text, "\n", NULL);
}
