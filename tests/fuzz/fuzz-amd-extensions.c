/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "base/reader.h"
#include "tee/snp-certs.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

static const char *const oids[] = {
    "1.3.6.1.4.1.3704.1.1",   "1.3.6.1.4.1.3704.1.2",   "1.3.6.1.4.1.3704.1.3.1",
    "1.3.6.1.4.1.3704.1.3.2", "1.3.6.1.4.1.3704.1.3.3", "1.3.6.1.4.1.3704.1.3.4",
    "1.3.6.1.4.1.3704.1.3.5", "1.3.6.1.4.1.3704.1.3.6", "1.3.6.1.4.1.3704.1.3.7",
    "1.3.6.1.4.1.3704.1.3.8", "1.3.6.1.4.1.3704.1.3.9", "1.3.6.1.4.1.3704.1.4",
    "1.3.6.1.4.1.3704.1.5",   "1.3.6.1.4.1.3704.1.6",
};

static X509 *
new_leaf(const char *cn)
{
    static EVP_PKEY *key;
    X509 *cert = X509_new();

    if (key == NULL)
        key = EVP_EC_gen("P-384");
    g_assert_true(X509_set_pubkey(cert, key) == 1);
    g_assert_true(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                             (const guint8 *)cn, -1, -1, 0) == 1);
    return cert;
}

/* Byte 0: VCEK or VLEK. Then, again and again: which extension, how many bytes, the bytes. What
 * wraps them, OpenSSL parses; so the certificate is built, not parsed, and kept for the next run,
 * since its key is what takes time. */
static X509 *
build(const guint8 *data, gsize size)
{
    static X509 *leaves[2];
    X509 *cert = NULL;
    CvsReader reader;

    if (leaves[0] == NULL) {
        leaves[0] = new_leaf("SEV-VCEK");
        leaves[1] = new_leaf("SEV-VLEK");
    }
    cvs_reader_init(&reader, data, size);
    cert = leaves[cvs_reader_u8(&reader) & 1];
    while (X509_get_ext_count(cert) > 0)
        X509_EXTENSION_free(X509_delete_ext(cert, 0));
    while (cvs_reader_left(&reader) >= 2 && X509_get_ext_count(cert) < 32) {
        ASN1_OBJECT *oid = OBJ_txt2obj(oids[cvs_reader_u8(&reader) % G_N_ELEMENTS(oids)], 1);
        gsize length = cvs_reader_u8(&reader);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        X509_EXTENSION *extension = NULL;

        length = MIN(length, cvs_reader_left(&reader));
        g_assert_true(
            ASN1_OCTET_STRING_set(value, cvs_reader_bytes(&reader, length), (int)length) == 1);
        extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
        g_assert_true(X509_add_ext(cert, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(value);
        ASN1_OBJECT_free(oid);
    }
    return cert;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    X509 *cert = build(data, size);
    g_autoptr(GError) error = NULL;
    CvsSnpLeaf leaf;

    if (!cvs_snp_leaf_parse(cert, &leaf, &error)) {
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        return 0;
    }
    g_assert_no_error(error);
    g_assert_true(strlen(leaf.product_name) >= 1 && strlen(leaf.product_name) < 128);
    if (leaf.kind == CVS_SNP_CERT_VCEK)
        g_assert_true((leaf.hwid_size == 8 || leaf.hwid_size == 64) && leaf.csp_id[0] == '\0');
    else
        g_assert_true(leaf.hwid_size == 0 && leaf.csp_id[0] != '\0');
    g_assert_true(leaf.layout == CVS_SNP_TCB_TURIN || leaf.tcb.fmc == 0);
    return 0;
}
