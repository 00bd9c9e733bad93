/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-quote.h"
#include "base/error.h"
#include "base/reader.h"

#include <stdarg.h>
#include <string.h>

#define HEADER_SIZE 48
#define KEY_TYPE_P256 2
#define TEE_TDX 0x81
#define BODY_TD_10 2
#define BODY_TD_15 3
#define CERT_TYPE_QE_REPORT 6
#define CERT_TYPE_MAX 5 /* of the inner certification data */

static const guint8 intel_qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

void
cvs_tdx_quote_free(CvsTdxQuote *quote)
{
    g_bytes_unref(quote->bytes);
    g_free(quote);
}

static gboolean refuse(GError **error, const char *reason, gsize offset, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
refuse(GError **error, const char *reason, gsize offset, const char *format, ...)
{
    g_autofree char *text = NULL;
    GError *made = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    made = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT, "TD quote, byte %zu: %s", offset, text);
    cvs_error_add_reason(made, reason, NULL, NULL, "%s", text);
    g_propagate_error(error, made);
    return FALSE;
}

static gboolean
parse_header(CvsTdxQuote *quote, CvsReader *r, GError **error)
{
    guint16 key_type = 0;
    guint32 tee = 0;
    const guint8 *vendor = NULL;

    quote->version = cvs_reader_u16_le(r);
    key_type = cvs_reader_u16_le(r);
    tee = cvs_reader_u32_le(r);
    cvs_reader_skip(r, 4);
    vendor = cvs_reader_bytes(r, sizeof(intel_qe_vendor));
    cvs_reader_copy(r, quote->user_data, sizeof(quote->user_data));
    if (!cvs_reader_ok(r))
        return refuse(error, CVS_REASON_QUOTE_MALFORMED, 0, "%zu bytes, too short for a header",
                      r->size);
    if (quote->version == 3)
        return refuse(error, CVS_REASON_QUOTE_UNSUPPORTED, 0, "version 3, which is an SGX quote");
    if (quote->version != 4 && quote->version != 5)
        return refuse(error, CVS_REASON_QUOTE_UNSUPPORTED, 0,
                      "not a TD quote of version 4 or 5 (it begins with 0x%04x)", quote->version);
    if (tee != TEE_TDX)
        return refuse(error, CVS_REASON_QUOTE_UNSUPPORTED, 4, "TEE type 0x%x is not TDX (0x81)",
                      tee);
    if (key_type != KEY_TYPE_P256)
        return refuse(error, CVS_REASON_QUOTE_UNSUPPORTED, 2,
                      "attestation key type %u is not ECDSA P-256 (2)", key_type);
    if (memcmp(vendor, intel_qe_vendor, sizeof(intel_qe_vendor)) != 0)
        return refuse(error, CVS_REASON_QUOTE_UNSUPPORTED, 12,
                      "the quoting enclave is not Intel's");
    return TRUE;
}

static gboolean
parse_body(CvsTdxQuote *quote, CvsReader *r, GError **error)
{
    gsize size = CVS_TD_BODY_10_SIZE;
    const guint8 *body = NULL;

    if (quote->version == 5) {
        guint16 type = cvs_reader_u16_le(r);
        guint32 declared = cvs_reader_u32_le(r);

        if (!cvs_reader_ok(r))
            return refuse(error, CVS_REASON_QUOTE_MALFORMED, HEADER_SIZE, "it ends in its header");
        if (type != BODY_TD_10 && type != BODY_TD_15)
            return refuse(error, CVS_REASON_QUOTE_UNSUPPORTED, HEADER_SIZE,
                          "body type %u is neither TD 1.0 (2) nor TD 1.5 (3)", type);
        if (type == BODY_TD_15)
            size = CVS_TD_BODY_15_SIZE;
        if (declared != size)
            return refuse(error, CVS_REASON_QUOTE_MALFORMED, HEADER_SIZE + 2,
                          "a body of %u bytes, and type %u has %zu", declared, type, size);
    }
    body = cvs_reader_bytes(r, size);
    if (body == NULL)
        return refuse(error, CVS_REASON_QUOTE_MALFORMED, cvs_reader_pos(r), "it ends in its body");
    cvs_td_body_parse(body, size, &quote->body);
    quote->signed_size = cvs_reader_pos(r);
    return TRUE;
}

static void
parse_qe_report(CvsTdxQuote *quote)
{
    CvsQeReport *qe = &quote->qe;
    CvsReader r;

    cvs_reader_init(&r, quote->qe_report, CVS_TDX_QE_REPORT_SIZE);
    cvs_reader_copy(&r, qe->cpu_svn, sizeof(qe->cpu_svn));
    qe->miscselect = cvs_reader_u32_le(&r);
    cvs_reader_seek(&r, 48);
    cvs_reader_copy(&r, qe->attributes, sizeof(qe->attributes));
    cvs_reader_copy(&r, qe->mr_enclave, sizeof(qe->mr_enclave));
    cvs_reader_seek(&r, 128);
    cvs_reader_copy(&r, qe->mr_signer, sizeof(qe->mr_signer));
    cvs_reader_seek(&r, 256);
    qe->isv_prod_id = cvs_reader_u16_le(&r);
    qe->isv_svn = cvs_reader_u16_le(&r);
    cvs_reader_seek(&r, 320);
    cvs_reader_copy(&r, qe->report_data, sizeof(qe->report_data));
    g_assert(cvs_reader_done(&r));
}

/* The offset of the sub-reader r in the quote. */
static gsize
offset_of(const CvsTdxQuote *quote, const CvsReader *r)
{
    return (gsize)(r->data - (const guint8 *)g_bytes_get_data(quote->bytes, NULL)) + r->pos;
}

static gboolean
parse_auth_data(CvsTdxQuote *quote, CvsReader *r, GError **error)
{
    gsize start = cvs_reader_pos(r);
    guint32 size = cvs_reader_u32_le(r);
    CvsReader auth = cvs_reader_sub(r, size);
    CvsReader certification = {0};
    guint16 type = 0;

    if (!cvs_reader_ok(r))
        return refuse(error, CVS_REASON_QUOTE_MALFORMED, start,
                      "%u bytes of signature data run past the end at %zu", size, r->size);
    quote->size = cvs_reader_pos(r);
    quote->signature = cvs_reader_bytes(&auth, 64);
    quote->attestation_key = cvs_reader_bytes(&auth, 64);
    type = cvs_reader_u16_le(&auth);
    size = cvs_reader_u32_le(&auth);
    certification = cvs_reader_sub(&auth, size);
    if (!cvs_reader_done(&auth))
        return refuse(error, CVS_REASON_QUOTE_MALFORMED, start,
                      "the certification data do not fill the signature data");
    if (type != CERT_TYPE_QE_REPORT)
        return refuse(error, CVS_REASON_QUOTE_MALFORMED, start + 4 + 128,
                      "certification data type %u, and only 6 can be in a TD quote", type);

    quote->qe_report = cvs_reader_bytes(&certification, CVS_TDX_QE_REPORT_SIZE);
    quote->qe_signature = cvs_reader_bytes(&certification, 64);
    quote->qe_auth_size = cvs_reader_u16_le(&certification);
    quote->qe_auth_data = cvs_reader_bytes(&certification, quote->qe_auth_size);
    quote->cert_type = cvs_reader_u16_le(&certification);
    quote->cert_size = cvs_reader_u32_le(&certification);
    quote->cert_data = cvs_reader_bytes(&certification, quote->cert_size);
    if (!cvs_reader_done(&certification))
        return refuse(error, CVS_REASON_QUOTE_MALFORMED, offset_of(quote, &certification),
                      "the parts of the certification data do not fill it");
    if (quote->cert_type == 0 || quote->cert_type > CERT_TYPE_MAX)
        return refuse(error, CVS_REASON_QUOTE_MALFORMED,
                      offset_of(quote, &certification) - quote->cert_size - 6,
                      "inner certification data type %u, 1 to %d exist", quote->cert_type,
                      CERT_TYPE_MAX);
    parse_qe_report(quote);
    return TRUE;
}

CvsTdxQuote *
cvs_tdx_quote_parse(GBytes *bytes, GError **error)
{
    g_autoptr(CvsTdxQuote) quote = g_new0(CvsTdxQuote, 1);
    CvsReader reader;
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(bytes, &size);

    quote->bytes = g_bytes_ref(bytes);
    if (size == 0) {
        refuse(error, CVS_REASON_QUOTE_MALFORMED, 0,
               "it is empty: the host's quoting service does not run or does not know this TD");
        return NULL;
    }
    if (size > CVS_TDX_QUOTE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "TD quote: %zu bytes, at most %u are read", size, CVS_TDX_QUOTE_MAX);
        return NULL;
    }
    cvs_reader_init(&reader, data, size);
    if (!parse_header(quote, &reader, error) || !parse_body(quote, &reader, error) ||
        !parse_auth_data(quote, &reader, error))
        return NULL;
    return g_steal_pointer(&quote);
}
