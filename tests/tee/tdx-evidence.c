/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tdx-evidence.h"
#include "base/error.h"
#include "base/hex.h"

#include "captures.h"

#include <string.h>

TdxEvidence *
tdx_evidence_new(void)
{
    TdxEvidence *evidence = g_new0(TdxEvidence, 1);

    evidence->roots = cvs_tdx_roots_new();
    evidence->certs = cvs_x509_certs_new();
    evidence->crls = cvs_x509_crls_new();
    return evidence;
}

void
tdx_evidence_free(TdxEvidence *evidence)
{
    cvs_tdx_roots_unref(evidence->roots);
    g_ptr_array_unref(evidence->certs);
    g_ptr_array_unref(evidence->crls);
    g_clear_pointer(&evidence->quote, g_bytes_unref);
    g_clear_pointer(&evidence->tcb_info, cvs_tcb_info_free);
    g_clear_pointer(&evidence->qe_identity, cvs_qe_identity_free);
    g_free(evidence);
}

gint64
tdx_time(const char *text)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);

    g_assert_nonnull(time);
    return g_date_time_to_unix(time);
}

void
tdx_evidence_set_quote(TdxEvidence *evidence, GBytes *quote)
{
    g_clear_pointer(&evidence->quote, g_bytes_unref);
    evidence->quote = g_bytes_ref(quote);
}

static void
load(TdxEvidence *evidence, const void *data, gsize size)
{
    g_autoptr(GError) error = NULL;

    cvs_x509_load(data, size, "test data", evidence->certs, evidence->crls, &error);
    g_assert_no_error(error);
}

void
tdx_evidence_add_pem(TdxEvidence *evidence, const char *capture)
{
    g_autoptr(GBytes) bytes = captures_read(capture);

    load(evidence, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

void
tdx_evidence_add_crl(TdxEvidence *evidence, GBytes *crl)
{
    load(evidence, g_bytes_get_data(crl, NULL), g_bytes_get_size(crl));
}

void
tdx_evidence_set_tcb_info(TdxEvidence *evidence, const char *capture)
{
    g_autoptr(GBytes) bytes = captures_read(capture);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&evidence->tcb_info, cvs_tcb_info_free);
    evidence->tcb_info =
        cvs_tcb_info_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
    g_assert_no_error(error);
}

void
tdx_evidence_set_qe_identity(TdxEvidence *evidence, const char *capture)
{
    g_autoptr(GBytes) bytes = captures_read(capture);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&evidence->qe_identity, cvs_qe_identity_free);
    evidence->qe_identity =
        cvs_qe_identity_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
    g_assert_no_error(error);
}

static GBytes *
string_bytes(const json_t *set, const char *member)
{
    const char *text = json_string_value(json_object_get(set, member));

    g_assert_nonnull(text);
    return g_bytes_new(text, strlen(text));
}

void
tdx_evidence_add_set(TdxEvidence *evidence, const char *capture)
{
    static const char *const chains[] = {"pck_crl_issuer_chain", "tcb_info_issuer_chain",
                                         "qe_identity_issuer_chain"};
    static const char *const crls[] = {"root_ca_crl", "pck_crl"};
    g_autoptr(json_t) set = captures_json(capture);
    g_autoptr(GBytes) info = string_bytes(set, "tcb_info");
    g_autoptr(GBytes) identity = string_bytes(set, "qe_identity");
    g_autoptr(GBytes) info_signature = captures_hex(set, "tcb_info_signature");
    g_autoptr(GBytes) identity_signature = captures_hex(set, "qe_identity_signature");
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(chains); i++) {
        g_autoptr(GBytes) chain = string_bytes(set, chains[i]);

        load(evidence, g_bytes_get_data(chain, NULL), g_bytes_get_size(chain));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(crls); i++) {
        g_autoptr(GBytes) crl = captures_hex(set, crls[i]);

        tdx_evidence_add_crl(evidence, crl);
    }
    g_clear_pointer(&evidence->tcb_info, cvs_tcb_info_free);
    g_clear_pointer(&evidence->qe_identity, cvs_qe_identity_free);
    evidence->tcb_info =
        cvs_tcb_info_parse_signed(info, g_bytes_get_data(info_signature, NULL), &error);
    g_assert_no_error(error);
    evidence->qe_identity =
        cvs_qe_identity_parse_signed(identity, g_bytes_get_data(identity_signature, NULL), &error);
    g_assert_no_error(error);
}

static int
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *
tdx_evidence_verify(const TdxEvidence *evidence, json_t **ret_claims)
{
    g_autoptr(CvsTdxVerifier) verifier = cvs_tdx_verifier_new(evidence->roots);
    CvsTdxEvidence given = {
        .quote = evidence->quote,
        .certs = evidence->certs,
        .crls = evidence->crls,
        .tcb_info = evidence->tcb_info,
        .qe_identity = evidence->qe_identity,
        .at = evidence->at,
        .grace = evidence->grace,
        .evaluation_seen = evidence->evaluation_seen,
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) codes = g_ptr_array_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(json_t) claims = NULL;
    gboolean accepted = cvs_tdx_verify(verifier, &given, &claims, &error);
    const GPtrArray *reasons = cvs_error_get_reasons(error);

    g_assert_cmpint(accepted, ==, error == NULL);
    if (error && error->code == CVS_ERROR_BAD_FORMAT)
        return g_strdup("malformed");
    g_assert_nonnull(claims);
    g_assert_cmpint(accepted, ==, json_is_true(json_object_get(claims, "tee.verified")));
    if (ret_claims)
        *ret_claims = json_incref(claims);
    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        g_test_message("%s: %s", reason->code, reason->detail);
        if (!g_ptr_array_find_with_equal_func(codes, reason->code, g_str_equal, NULL))
            g_ptr_array_add(codes, reason->code);
    }
    g_ptr_array_sort(codes, compare_text);
    for (guint i = 0; i < codes->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "",
                               (const char *)g_ptr_array_index(codes, i));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void
tdx_evidence_expect(const TdxEvidence *evidence, const char *reasons)
{
    g_autofree char *seen = tdx_evidence_verify(evidence, NULL);

    g_assert_cmpstr(seen, ==, reasons);
}
