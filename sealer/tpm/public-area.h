/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The public area of an asymmetric key: a TPMT_PUBLIC (Part 2, 12.2.4) of an RSA or an ECC key, as
 * evidence names endorsement and attestation keys. Read from bytes that anybody may have made, and
 * without a TPM, so that it also runs where there is none. */

#include "base/digest.h"
#include "base/json.h"
#include "base/reader.h"

#include <glib.h>
#include <openssl/evp.h>

/* Bytes of the longest Name: u16 algorithm, digest (Part 1, section 16). */
#define CVS_NAME_MAX (2 + CVS_DIGEST_MAX)

typedef struct {
    guint8 bytes[CVS_NAME_MAX];
    gsize size; /* 0: none */
} CvsName;

/* A base64url member that is a Name. BadFormat. */
gboolean cvs_name_from_json(const json_t *object, const char *name, const char *what,
                            CvsName *ret_name, GError **error);
/* The same and not empty. */
gboolean cvs_name_equal(const CvsName *a, const CvsName *b);

typedef struct {
    GBytes *bytes;       /* the TPMT_PUBLIC itself */
    CvsName name;        /* nameAlg ‖ H(bytes) */
    CvsHash name_alg;    /* SHA-256, SHA-384 or SHA-512 */
    guint16 type;        /* TPM2_ALG_RSA or TPM2_ALG_ECC */
    guint32 attributes;  /* TPMA_OBJECT */
    gsize unique_at;     /* where the last field begins: the public key, which no template has */
    guint16 aes_bits;    /* of the cipher that protects what the key stores, CFB; 0: none */
    guint16 scheme;      /* TPM2_ALG_NULL: none is laid down */
    guint16 scheme_hash; /* TPM2_ALG_NULL: none */
    EVP_PKEY *key;
} CvsPublicArea;

/* Exactly one TPMT_PUBLIC, nothing behind it: RSA of 2048, 3072 or 4096 bits with the exponent
 * 65537, or ECC P-256 or P-384 with a point of the curve; nameAlg SHA-256, SHA-384 or SHA-512.
 * BadFormat names the field. what: for the message, "the endorsement key". */
CvsPublicArea *cvs_public_area_parse(const void *data, gsize size, const char *what,
                                     GError **error);
/* One TPM2B_PUBLIC (Part 2, 12.2.5), of which more may follow. */
CvsPublicArea *cvs_public_area_read(CvsReader *reader, const char *what, GError **error);
CvsPublicArea *cvs_public_area_copy(const CvsPublicArea *area);
void cvs_public_area_free(CvsPublicArea *area);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsPublicArea, cvs_public_area_free)

/* All bytes are the same. */
gboolean cvs_public_area_equal(const CvsPublicArea *a, const CvsPublicArea *b);

/* The qualified Name of a key right under a parent: nameAlg ‖ H(parent ‖ Name) (Part 1, section
 * 16). parent: the qualified Name of a key, or the four bytes of a hierarchy's handle. */
void cvs_name_qualify(const void *parent, gsize parent_size, const CvsPublicArea *area,
                      CvsName *ret_qualified);
