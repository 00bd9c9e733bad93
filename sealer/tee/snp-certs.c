/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/snp-certs.h"
#include "base/error.h"
#include "base/reader.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <string.h>

#define OID_AMD "1.3.6.1.4.1.3704.1."

enum {
    DER_INTEGER = 0x02,
    DER_OCTET_STRING = 0x04,
    DER_IA5STRING = 0x16,
};

typedef enum {
    EXT_STRUCT_VERSION,
    EXT_PRODUCT_NAME,
    EXT_BL_SPL,
    EXT_TEE_SPL,
    EXT_SNP_SPL,
    EXT_SPL_4,
    EXT_SPL_5,
    EXT_SPL_6,
    EXT_SPL_7,
    EXT_UCODE_SPL,
    EXT_FMC_SPL,
    EXT_HWID,
    EXT_CSP_ID,
    N_EXTS
} Ext;

static const struct {
    const char *oid;
    const char *name;
} exts[N_EXTS] = {
    [EXT_STRUCT_VERSION] = {OID_AMD "1", "structVersion"},
    [EXT_PRODUCT_NAME] = {OID_AMD "2", "productName"},
    [EXT_BL_SPL] = {OID_AMD "3.1", "blSPL"},
    [EXT_TEE_SPL] = {OID_AMD "3.2", "teeSPL"},
    [EXT_SNP_SPL] = {OID_AMD "3.3", "snpSPL"},
    [EXT_SPL_4] = {OID_AMD "3.4", "spl_4"},
    [EXT_SPL_5] = {OID_AMD "3.5", "spl_5"},
    [EXT_SPL_6] = {OID_AMD "3.6", "spl_6"},
    [EXT_SPL_7] = {OID_AMD "3.7", "spl_7"},
    [EXT_UCODE_SPL] = {OID_AMD "3.8", "ucodeSPL"},
    [EXT_FMC_SPL] = {OID_AMD "3.9", "fmcSPL"},
    [EXT_HWID] = {OID_AMD "4", "hwID"},
    [EXT_CSP_ID] = {OID_AMD "5", "cspID"},
};

static const char *const kind_names[] = {
    [CVS_SNP_CERT_OTHER] = "other certificate",
    [CVS_SNP_CERT_VCEK] = "VCEK",
    [CVS_SNP_CERT_VLEK] = "VLEK",
    [CVS_SNP_CERT_ASK] = "ASK",
    [CVS_SNP_CERT_ASVK] = "ASVK",
    [CVS_SNP_CERT_ARK] = "ARK",
};

const char *
cvs_snp_cert_kind_name(CvsSnpCertKind kind)
{
    return kind_names[kind];
}

CvsSnpCertKind
cvs_snp_cert_kind(const X509 *cert, CvsSnpLine *ret_line)
{
    /* The longer prefix first: SEV-VLEK-Milan begins with SEV- too. */
    static const struct {
        const char *prefix;
        CvsSnpCertKind kind;
    } cas[] = {
        {"ARK-", CVS_SNP_CERT_ARK},
        {"SEV-VLEK-", CVS_SNP_CERT_ASVK},
        {"SEV-", CVS_SNP_CERT_ASK},
    };
    g_autofree char *name = cvs_x509_common_name(cert);

    if (ret_line)
        *ret_line = CVS_SNP_LINE_UNKNOWN;
    if (name == NULL)
        return CVS_SNP_CERT_OTHER;
    if (g_str_equal(name, "SEV-VCEK"))
        return CVS_SNP_CERT_VCEK;
    if (g_str_equal(name, "SEV-VLEK"))
        return CVS_SNP_CERT_VLEK;
    for (gsize i = 0; i < G_N_ELEMENTS(cas); i++) {
        CvsSnpLine line = CVS_SNP_LINE_UNKNOWN;

        if (!g_str_has_prefix(name, cas[i].prefix))
            continue;
        line = cvs_snp_line_from_name(name + strlen(cas[i].prefix));
        if (line == CVS_SNP_LINE_UNKNOWN)
            continue;
        if (cas[i].kind == CVS_SNP_CERT_ARK &&
            X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) != 0)
            continue;
        if (ret_line)
            *ret_line = line;
        return cas[i].kind;
    }
    return CVS_SNP_CERT_OTHER;
}

static gboolean
malformed(GError **error, CvsSnpCertKind kind, Ext ext, const char *fault)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s certificate: extension %s (%s) %s",
                kind_names[kind], exts[ext].name, exts[ext].oid, fault);
    return FALSE;
}

static gboolean
find_extensions(const X509 *cert, CvsSnpCertKind kind, const ASN1_OCTET_STRING *found[N_EXTS],
                GError **error)
{
    memset(found, 0, N_EXTS * sizeof *found);
    for (int i = 0; i < X509_get_ext_count(cert); i++) {
        X509_EXTENSION *extension = X509_get_ext(cert, i);
        char oid[64];
        int size = OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(extension), 1);

        if (size <= 0 || size >= (int)sizeof oid)
            continue;
        for (gsize ext = 0; ext < N_EXTS; ext++) {
            if (!g_str_equal(oid, exts[ext].oid))
                continue;
            if (found[ext])
                return malformed(error, kind, (Ext)ext, "is there twice");
            found[ext] = X509_EXTENSION_get_data(extension);
        }
    }
    return TRUE;
}

static CvsReader
extension_reader(const ASN1_OCTET_STRING *data)
{
    CvsReader reader;

    cvs_reader_init(&reader, ASN1_STRING_get0_data(data), (gsize)ASN1_STRING_length(data));
    return reader;
}

/* DER INTEGER, 0 to 255, in its one shortest form. */
static gboolean
read_spl(const ASN1_OCTET_STRING *const found[N_EXTS], CvsSnpCertKind kind, Ext ext,
         guint8 *ret_value, GError **error)
{
    CvsReader reader;
    guint8 tag = 0;
    guint8 size = 0;
    guint16 value = 0;

    if (found[ext] == NULL)
        return malformed(error, kind, ext, "is missing");
    reader = extension_reader(found[ext]);
    tag = cvs_reader_u8(&reader);
    size = cvs_reader_u8(&reader);
    value = size == 2 ? cvs_reader_u16_be(&reader) : cvs_reader_u8(&reader);
    if (!cvs_reader_done(&reader) || tag != DER_INTEGER || (size != 1 && size != 2) ||
        (size == 1) != (value < 0x80) || value > 0xff)
        return malformed(error, kind, ext, "is not a DER INTEGER from 0 to 255");
    *ret_value = (guint8)value;
    return TRUE;
}

static gboolean
read_text(const ASN1_OCTET_STRING *const found[N_EXTS], CvsSnpCertKind kind, Ext ext,
          char dest[static CVS_SNP_CERT_TEXT_MAX + 1], GError **error)
{
    CvsReader reader;
    const guint8 *text = NULL;
    guint8 tag = 0;
    guint8 size = 0;

    if (found[ext] == NULL)
        return malformed(error, kind, ext, "is missing");
    reader = extension_reader(found[ext]);
    tag = cvs_reader_u8(&reader);
    size = cvs_reader_u8(&reader);
    /* Up to 127 bytes the length is one byte; longer texts are refused with it. */
    text = cvs_reader_bytes(&reader, size);
    if (!cvs_reader_done(&reader) || tag != DER_IA5STRING || size == 0 || size >= 0x80)
        return malformed(error, kind, ext, "is not an IA5String of 1 to 127 characters");
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isprint((char)text[i]))
            return malformed(error, kind, ext, "has an unprintable character");
    }
    memcpy(dest, text, size);
    dest[size] = '\0';
    return TRUE;
}

static gboolean
read_hwid(const ASN1_OCTET_STRING *data, CvsSnpLeaf *leaf, GError **error)
{
    CvsReader reader = extension_reader(data);
    gsize size = cvs_reader_left(&reader);

    if (size == CVS_SNP_CHIP_ID_SIZE + 2 || size == CVS_SNP_TURIN_HWID_SIZE + 2) {
        size -= 2;
        if (cvs_reader_u8(&reader) != DER_OCTET_STRING || cvs_reader_u8(&reader) != size)
            return malformed(error, leaf->kind, EXT_HWID, "is not a DER OCTET STRING");
    } else if (size != CVS_SNP_CHIP_ID_SIZE && size != CVS_SNP_TURIN_HWID_SIZE) {
        return malformed(error, leaf->kind, EXT_HWID, "has neither 64 nor 8 bytes");
    }
    leaf->hwid_size = size;
    return cvs_reader_copy(&reader, leaf->hwid, size);
}

static gboolean
read_tcb(const ASN1_OCTET_STRING *const found[N_EXTS], CvsSnpLeaf *leaf, GError **error)
{
    const Ext legacy[] = {EXT_SPL_4, EXT_SPL_5, EXT_SPL_6, EXT_SPL_7};
    const Ext turin[] = {EXT_SPL_5, EXT_SPL_6, EXT_SPL_7};
    gboolean is_turin = found[EXT_FMC_SPL] != NULL;
    const Ext *between = is_turin ? turin : legacy;
    gsize n_between = is_turin ? G_N_ELEMENTS(turin) : G_N_ELEMENTS(legacy);

    leaf->layout = is_turin ? CVS_SNP_TCB_TURIN : CVS_SNP_TCB_LEGACY;
    if (is_turin && found[EXT_SPL_4])
        return malformed(error, leaf->kind, EXT_SPL_4, "stands beside an fmcSPL");
    for (gsize i = 0; i < n_between; i++) {
        if (!read_spl(found, leaf->kind, between[i], &leaf->tcb.reserved[i], error))
            return FALSE;
    }
    return read_spl(found, leaf->kind, EXT_BL_SPL, &leaf->tcb.bootloader, error) &&
           read_spl(found, leaf->kind, EXT_TEE_SPL, &leaf->tcb.tee, error) &&
           read_spl(found, leaf->kind, EXT_SNP_SPL, &leaf->tcb.snp, error) &&
           read_spl(found, leaf->kind, EXT_UCODE_SPL, &leaf->tcb.microcode, error) &&
           (!is_turin || read_spl(found, leaf->kind, EXT_FMC_SPL, &leaf->tcb.fmc, error));
}

static gboolean
key_is_p384(const X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[32] = "";
    gboolean ok = key && EVP_PKEY_is_a(key, "EC") &&
                  EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
                  g_str_equal(group, SN_secp384r1);

    ERR_clear_error();
    return ok;
}

gboolean
cvs_snp_leaf_parse(const X509 *cert, CvsSnpLeaf *ret_leaf, GError **error)
{
    CvsSnpLeaf leaf = {.kind = cvs_snp_cert_kind(cert, NULL)};
    const ASN1_OCTET_STRING *found[N_EXTS];

    if (leaf.kind != CVS_SNP_CERT_VCEK && leaf.kind != CVS_SNP_CERT_VLEK) {
        g_autofree char *name = cvs_x509_common_name(cert);

        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the common name %s is neither SEV-VCEK nor SEV-VLEK", name ? name : "(none)");
        return FALSE;
    }
    if (!key_is_p384(cert)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s certificate: its key is not one on the curve P-384", kind_names[leaf.kind]);
        return FALSE;
    }
    if (!find_extensions(cert, leaf.kind, found, error) ||
        !read_spl(found, leaf.kind, EXT_STRUCT_VERSION, &leaf.struct_version, error) ||
        !read_text(found, leaf.kind, EXT_PRODUCT_NAME, leaf.product_name, error) ||
        !read_tcb(found, &leaf, error))
        return FALSE;

    if (leaf.kind == CVS_SNP_CERT_VCEK) {
        if (found[EXT_HWID] == NULL)
            return malformed(error, leaf.kind, EXT_HWID, "is missing");
        if (found[EXT_CSP_ID])
            return malformed(error, leaf.kind, EXT_CSP_ID, "belongs to a VLEK");
        if (!read_hwid(found[EXT_HWID], &leaf, error))
            return FALSE;
    } else {
        if (found[EXT_HWID])
            return malformed(error, leaf.kind, EXT_HWID, "belongs to a VCEK");
        if (!read_text(found, leaf.kind, EXT_CSP_ID, leaf.csp_id, error))
            return FALSE;
    }
    *ret_leaf = leaf;
    return TRUE;
}
