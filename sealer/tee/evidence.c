/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/evidence.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "tee/ghcb-certs.h"
#include "tee/report-input.h"

#include <string.h>

#define PERCENT_ENCODED "-----BEGIN%20"

static void
free_info(gpointer info)
{
    cvs_tcb_info_free(info);
}

static void
free_identity(gpointer identity)
{
    cvs_qe_identity_free(identity);
}

CvsEvidence *
cvs_evidence_new(void)
{
    CvsEvidence *evidence = g_new0(CvsEvidence, 1);

    evidence->certs = cvs_x509_certs_new();
    evidence->host_leaves = cvs_x509_certs_new();
    evidence->crls = cvs_x509_crls_new();
    evidence->tcb_infos = g_ptr_array_new_with_free_func(free_info);
    evidence->qe_identities = g_ptr_array_new_with_free_func(free_identity);
    return evidence;
}

void
cvs_evidence_free(CvsEvidence *evidence)
{
    g_ptr_array_unref(evidence->certs);
    g_ptr_array_unref(evidence->host_leaves);
    g_ptr_array_unref(evidence->crls);
    g_ptr_array_unref(evidence->tcb_infos);
    g_ptr_array_unref(evidence->qe_identities);
    g_free(evidence);
}

static guint
count(const CvsEvidence *evidence)
{
    return evidence->certs->len + evidence->host_leaves->len + evidence->crls->len +
           evidence->tcb_infos->len + evidence->qe_identities->len;
}

static gboolean
bad(GError **error, const char *what, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s", what, text);
    return FALSE;
}

/* Certificates and CRLs as DER or PEM, bare, percent-encoded or in digits. crls_only: certificates
 * are an error. */
static gboolean
add_x509(CvsEvidence *evidence, const void *data, gsize size, gboolean crls_only, const char *what,
         GError **error)
{
    GPtrArray *certs = crls_only ? NULL : evidence->certs;
    g_autofree char *plain = NULL;
    g_autoptr(GBytes) decoded = NULL;

    if (size > sizeof(PERCENT_ENCODED) &&
        memcmp(data, PERCENT_ENCODED, strlen(PERCENT_ENCODED)) == 0) {
        plain = g_uri_unescape_segment(data, (const char *)data + size, NULL);
        if (plain == NULL)
            return bad(error, what, "percent-encoded PEM that breaks its encoding");
        return cvs_x509_load(plain, strlen(plain), what, certs, evidence->crls, error);
    }
    if (cvs_report_is_hex_text(data, size)) {
        g_autoptr(GBytes) text = g_bytes_new_static(data, size);

        decoded = cvs_report_decode(text, what, error);
        if (decoded == NULL)
            return FALSE;
        data = g_bytes_get_data(decoded, &size);
    }
    return cvs_x509_load(data, size, what, certs, evidence->crls, error);
}

static gboolean
take_info(CvsEvidence *evidence, CvsTcbInfo *info, const char *what, GError **error)
{
    if (info == NULL)
        g_prefix_error(error, "%s: ", what);
    else
        g_ptr_array_add(evidence->tcb_infos, info);
    return info != NULL;
}

static gboolean
take_identity(CvsEvidence *evidence, CvsQeIdentity *identity, const char *what, GError **error)
{
    if (identity == NULL)
        g_prefix_error(error, "%s: ", what);
    else
        g_ptr_array_add(evidence->qe_identities, identity);
    return identity != NULL;
}

/* A member of a collection that is text; *ret_text NULL if it is not there. */
static gboolean
get_text(const json_t *set, const char *member, const char **ret_text, const char *what,
         GError **error)
{
    const json_t *value = json_object_get(set, member);

    *ret_text = json_string_value(value);
    if (value && *ret_text == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s is not text", what, member);
        return FALSE;
    }
    return TRUE;
}

/* The signed text with its signature beside it, or the service's answer as text. */
static gboolean
add_document(CvsEvidence *evidence, const json_t *set, const char *member, gboolean is_info,
             const char *what, GError **error)
{
    g_autofree char *signature_member = g_strconcat(member, "_signature", NULL);
    g_autofree char *name = g_strdup_printf("%s: %s", what, member);
    g_autoptr(GBytes) signature = NULL;
    g_autoptr(GBytes) raw = NULL;
    const char *text = NULL;
    const char *digits = NULL;

    if (!get_text(set, member, &text, what, error) ||
        !get_text(set, signature_member, &digits, what, error))
        return FALSE;
    if (text == NULL)
        return TRUE;
    if (digits == NULL)
        return is_info
                   ? take_info(evidence, cvs_tcb_info_parse(text, strlen(text), error), name, error)
                   : take_identity(evidence, cvs_qe_identity_parse(text, strlen(text), error), name,
                                   error);
    signature = cvs_hex_decode(digits, -1, NULL);
    if (signature == NULL || g_bytes_get_size(signature) != 64) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: %s is not 64 bytes in hexadecimal digits", what, signature_member);
        return FALSE;
    }
    raw = g_bytes_new(text, strlen(text));
    return is_info
               ? take_info(evidence,
                           cvs_tcb_info_parse_signed(raw, g_bytes_get_data(signature, NULL), error),
                           name, error)
               : take_identity(
                     evidence,
                     cvs_qe_identity_parse_signed(raw, g_bytes_get_data(signature, NULL), error),
                     name, error);
}

static gboolean
add_collection(CvsEvidence *evidence, const json_t *set, const char *what, GError **error)
{
    static const char *const members[] = {"pck_crl_issuer_chain", "tcb_info_issuer_chain",
                                          "qe_identity_issuer_chain", "root_ca_crl", "pck_crl"};
    guint before = count(evidence);

    if (!add_document(evidence, set, "tcb_info", TRUE, what, error) ||
        !add_document(evidence, set, "qe_identity", FALSE, what, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *name = g_strdup_printf("%s: %s", what, members[i]);
        const char *text = NULL;

        if (!get_text(set, members[i], &text, what, error) ||
            (text && !add_x509(evidence, text, strlen(text), FALSE, name, error)))
            return FALSE;
    }
    return count(evidence) > before ||
           bad(error, what, "JSON that is no answer of Intel's service, nor a collection of them");
}

static gboolean
add_json(CvsEvidence *evidence, const void *data, gsize size, const char *what, GError **error)
{
    g_autoptr(json_t) json = cvs_json_parse(data, size, what, error);

    if (json == NULL)
        return FALSE;
    if (json_object_get(json, "tcbInfo"))
        return take_info(evidence, cvs_tcb_info_parse(data, size, error), what, error);
    if (json_object_get(json, "enclaveIdentity"))
        return take_identity(evidence, cvs_qe_identity_parse(data, size, error), what, error);
    return add_collection(evidence, json, what, error);
}

static gboolean
add_table(CvsEvidence *evidence, const void *data, gsize size, const char *what, GError **error)
{
    if (!cvs_ghcb_certs_load(data, size, evidence->host_leaves, error) ||
        !cvs_ghcb_certs_load_issuers(data, size, evidence->certs, error)) {
        g_prefix_error(error, "%s: ", what);
        return FALSE;
    }
    return TRUE;
}

static gboolean
is_json(const char *data, gsize size)
{
    gsize at = 0;

    while (at < size && g_ascii_isspace(data[at]))
        at++;
    return at < size && data[at] == '{';
}

static gboolean
add(CvsEvidence *evidence, const void *data, gsize size, gboolean crls_only, const char *what,
    GError **error)
{
    guint old[] = {evidence->certs->len, evidence->host_leaves->len, evidence->crls->len,
                   evidence->tcb_infos->len, evidence->qe_identities->len};
    gboolean ok = FALSE;

    if (size == 0)
        return bad(error, what, "it is empty");
    if (size > CVS_COLLATERAL_MAX)
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %zu bytes; at most %d are read",
                    what, size, CVS_COLLATERAL_MAX);
    else if (crls_only)
        ok = add_x509(evidence, data, size, TRUE, what, error);
    else if (cvs_ghcb_certs_detect(data, size))
        ok = add_table(evidence, data, size, what, error);
    else if (is_json(data, size))
        ok = add_json(evidence, data, size, what, error);
    else
        ok = add_x509(evidence, data, size, FALSE, what, error);
    if (ok && count(evidence) > CVS_EVIDENCE_OBJECTS_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: more than %d certificates in all",
                    what, CVS_EVIDENCE_OBJECTS_MAX);
        ok = FALSE;
    }
    if (!ok) {
        g_ptr_array_set_size(evidence->certs, (int)old[0]);
        g_ptr_array_set_size(evidence->host_leaves, (int)old[1]);
        g_ptr_array_set_size(evidence->crls, (int)old[2]);
        g_ptr_array_set_size(evidence->tcb_infos, (int)old[3]);
        g_ptr_array_set_size(evidence->qe_identities, (int)old[4]);
    }
    return ok;
}

gboolean
cvs_evidence_add(CvsEvidence *evidence, const void *data, gsize size, const char *what,
                 GError **error)
{
    return add(evidence, data, size, FALSE, what, error);
}

gboolean
cvs_evidence_add_crls(CvsEvidence *evidence, const void *data, gsize size, const char *what,
                      GError **error)
{
    return add(evidence, data, size, TRUE, what, error);
}

/* The rest of a score: whether it holds at the time, then how new it is. */
static gboolean
is_better(const CvsCollateral *one, guint one_fits, const CvsCollateral *other, guint other_fits,
          gint64 at)
{
    gboolean one_valid = one->issue_date <= at && at <= one->next_update;
    gboolean other_valid = other->issue_date <= at && at <= other->next_update;

    if (one_fits != other_fits)
        return one_fits > other_fits;
    if (one_valid != other_valid)
        return one_valid;
    if (one->evaluation != other->evaluation)
        return one->evaluation > other->evaluation;
    return one->issue_date > other->issue_date;
}

static guint
info_fits(const CvsTcbInfo *info, const guint8 *fmspc)
{
    gboolean platform = fmspc && memcmp(info->fmspc, fmspc, sizeof info->fmspc) == 0;

    return (platform ? 2 : 0) + (g_str_equal(info->base.id, "TDX") ? 1 : 0);
}

const CvsTcbInfo *
cvs_evidence_find_tcb_info(const CvsEvidence *evidence, const guint8 *fmspc, gint64 at)
{
    const CvsTcbInfo *best = NULL;

    for (guint i = 0; i < evidence->tcb_infos->len; i++) {
        const CvsTcbInfo *info = g_ptr_array_index(evidence->tcb_infos, i);

        if (best == NULL ||
            is_better(&info->base, info_fits(info, fmspc), &best->base, info_fits(best, fmspc), at))
            best = info;
    }
    return best;
}

const CvsQeIdentity *
cvs_evidence_find_qe_identity(const CvsEvidence *evidence, gint64 at)
{
    const CvsQeIdentity *best = NULL;

    for (guint i = 0; i < evidence->qe_identities->len; i++) {
        const CvsQeIdentity *identity = g_ptr_array_index(evidence->qe_identities, i);

        if (best == NULL || is_better(&identity->base, g_str_equal(identity->base.id, "TD_QE"),
                                      &best->base, g_str_equal(best->base.id, "TD_QE"), at))
            best = identity;
    }
    return best;
}
