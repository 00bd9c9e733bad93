/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TD quotes, versions 4 and 5, signed with ECDSA P-256 (Intel TDX DCAP Quoting Library API,
 * appendix A). Little-endian but for keys and signatures.
 *
 * Header 48: version u16, attestation key type u16, TEE type u32, reserved 4, QE vendor id 16, user
 * data 20. Version 4: body (TD 1.0). Version 5: body type u16, body size u32, body (TD 1.0 or
 * 1.5). Then auth data, u32 size in front: signature 64, attestation key 64, certification data of
 * type 6: QE report 384, its signature 64, QE auth data (u16 size in front), certification data
 * (type u16, size u32), of which type 5, the PCK chain, serves without a network.
 *
 * Buffers are often longer than the quote: what lies behind its declared end is not looked at, not
 * hashed and not compared. Parsing judges the form only; tdx-verify.h judges the rest. */

#include "tee/td-body.h"

#define CVS_TDX_QUOTE_MAX (4u << 20) /* what the kernel may ever hand out */
#define CVS_TDX_QE_REPORT_SIZE 384
#define CVS_TDX_CERT_TYPE_PCK_CHAIN 5

/* An SGX report body, of the quoting enclave. */
typedef struct {
    guint8 cpu_svn[16];
    guint32 miscselect;
    guint8 attributes[16];
    guint8 mr_enclave[32];
    guint8 mr_signer[32];
    guint16 isv_prod_id;
    guint16 isv_svn;
    guint8 report_data[64];
} CvsQeReport;

/* Pointers lead into bytes. */
typedef struct {
    GBytes *bytes;
    gsize size; /* of the quote itself */
    guint16 version;
    guint8 user_data[20];
    CvsTdBody body;
    gsize signed_size;             /* the signature covers bytes 0 to signed_size - 1 */
    const guint8 *signature;       /* 64: r, s */
    const guint8 *attestation_key; /* 64: x, y */
    CvsQeReport qe;
    const guint8 *qe_report; /* CVS_TDX_QE_REPORT_SIZE, what the PCK signs */
    const guint8 *qe_signature;
    const guint8 *qe_auth_data;
    gsize qe_auth_size;
    guint16 cert_type; /* inner certification data, 1 to 5 */
    const guint8 *cert_data;
    gsize cert_size;
} CvsTdxQuote;

/* BadFormat, with the reason QuoteUnsupported for another version, TEE, key type, QE vendor or body
 * type (an SGX quote, a CBOR token), QuoteMalformed for sizes that do not fit; an empty quote,
 * which hosts without a quoting service hand out, says so, and so does one beyond the limit. */
CvsTdxQuote *cvs_tdx_quote_parse(GBytes *bytes, GError **error);
void cvs_tdx_quote_free(CvsTdxQuote *quote);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTdxQuote, cvs_tdx_quote_free)
