/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snp-maker.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#define AMD "1.3.6.1.4.1.3704.1."
#define YEAR (365 * 24 * 3600)

EVP_PKEY *
snp_make_rsa_key(void)
{
    EVP_PKEY *key = EVP_RSA_gen(1024);

    g_assert_nonnull(key);
    return key;
}

EVP_PKEY *
snp_make_p384_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-384");

    g_assert_nonnull(key);
    return key;
}

static void
set_name(X509_NAME *name, const char *cn)
{
    g_assert_cmpint(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC,
                                               (const guint8 *)"Engineering", -1, -1, 0),
                    ==, 1);
    g_assert_cmpint(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const guint8 *)cn, -1, -1, 0), ==, 1);
}

static void
set_time(ASN1_TIME *time, gint64 seconds)
{
    g_assert_nonnull(ASN1_TIME_adj(time, (time_t)seconds, 0, 0));
}

static EVP_MD_CTX *
signer(EVP_PKEY *key, gboolean pkcs1, const EVP_MD *digest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey = NULL;

    g_assert_cmpint(EVP_DigestSignInit(ctx, &pkey, digest ? digest : EVP_sha384(), NULL, key), ==,
                    1);
    if (EVP_PKEY_is_a(key, "RSA") && !pkcs1) {
        g_assert_cmpint(EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING), ==, 1);
        g_assert_cmpint(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, 48), ==, 1);
    }
    return ctx;
}

static void
add_standard(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    g_assert_nonnull(extension);
    g_assert_cmpint(X509_add_ext(cert, extension, -1), ==, 1);
    X509_EXTENSION_free(extension);
}

static void
add_extension(X509 *cert, const SnpExtension *spec)
{
    ASN1_OBJECT *object = OBJ_txt2obj(spec->oid, 1);
    ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;

    g_assert_cmpint(ASN1_OCTET_STRING_set(data, spec->data, (int)spec->size), ==, 1);
    extension = X509_EXTENSION_create_by_OBJ(NULL, object, spec->critical, data);
    g_assert_nonnull(extension);
    g_assert_cmpint(X509_add_ext(cert, extension, -1), ==, 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(data);
    ASN1_OBJECT_free(object);
}

X509 *
snp_make_cert(const SnpCertSpec *spec)
{
    X509 *cert = X509_new();
    EVP_MD_CTX *ctx =
        signer(spec->issuer_key ? spec->issuer_key : spec->key, spec->pkcs1, spec->digest);

    g_assert_cmpint(X509_set_version(cert, 2), ==, 1);
    g_assert_cmpint(ASN1_INTEGER_set(X509_get_serialNumber(cert), spec->serial), ==, 1);
    set_name(X509_get_subject_name(cert), spec->cn);
    g_assert_cmpint(
        X509_set_issuer_name(cert, X509_get_subject_name(spec->issuer ? spec->issuer : cert)), ==,
        1);
    set_time(X509_getm_notBefore(cert), spec->not_before ? spec->not_before : SNP_MAKER_NOW - YEAR);
    set_time(X509_getm_notAfter(cert), spec->not_after ? spec->not_after : SNP_MAKER_NOW + YEAR);
    g_assert_cmpint(X509_set_pubkey(cert, spec->key), ==, 1);
    if (spec->ca) {
        g_autofree char *value =
            spec->path_length < 0
                ? g_strdup("critical,CA:TRUE")
                : g_strdup_printf("critical,CA:TRUE,pathlen:%d", spec->path_length);

        add_standard(cert, NID_basic_constraints, value);
    }
    if (spec->key_usage)
        add_standard(cert, NID_key_usage, spec->key_usage);
    for (gsize i = 0; i < spec->n_extensions; i++)
        add_extension(cert, &spec->extensions[i]);
    g_assert_cmpint(X509_sign_ctx(cert, ctx), >, 0);
    EVP_MD_CTX_free(ctx);
    return cert;
}

SnpHierarchy *
snp_hierarchy_new_at(CvsSnpLine line, gint64 now)
{
    SnpHierarchy *h = g_new0(SnpHierarchy, 1);
    g_autofree char *ark = g_strdup_printf("ARK-%s", cvs_snp_line_name(line));
    g_autofree char *ask = g_strdup_printf("SEV-%s", cvs_snp_line_name(line));
    g_autofree char *asvk = g_strdup_printf("SEV-VLEK-%s", cvs_snp_line_name(line));

    h->line = line;
    h->ark_key = snp_make_rsa_key();
    h->ask_key = snp_make_rsa_key();
    h->asvk_key = snp_make_rsa_key();
    h->leaf_key = snp_make_p384_key();
    h->ark = snp_make_cert(&(SnpCertSpec){.cn = ark,
                                          .not_before = now - YEAR,
                                          .not_after = now + YEAR,
                                          .key = h->ark_key,
                                          .serial = 0x10000,
                                          .ca = TRUE,
                                          .path_length = -1,
                                          .key_usage = "critical,keyCertSign,cRLSign"});
    h->ask = snp_make_cert(&(SnpCertSpec){.cn = ask,
                                          .not_before = now - YEAR,
                                          .not_after = now + YEAR,
                                          .key = h->ask_key,
                                          .issuer = h->ark,
                                          .issuer_key = h->ark_key,
                                          .serial = 0x10001,
                                          .ca = TRUE,
                                          .key_usage = "critical,keyCertSign"});
    h->asvk = snp_make_cert(&(SnpCertSpec){.cn = asvk,
                                           .not_before = now - YEAR,
                                           .not_after = now + YEAR,
                                           .key = h->asvk_key,
                                           .issuer = h->ark,
                                           .issuer_key = h->ark_key,
                                           .serial = 0x10101,
                                           .ca = TRUE,
                                           .key_usage = "critical,keyCertSign"});
    return h;
}

SnpHierarchy *
snp_hierarchy_new(CvsSnpLine line)
{
    return snp_hierarchy_new_at(line, SNP_MAKER_NOW);
}

void
snp_hierarchy_free(SnpHierarchy *h)
{
    X509_free(h->ark);
    X509_free(h->ask);
    X509_free(h->asvk);
    EVP_PKEY_free(h->ark_key);
    EVP_PKEY_free(h->ask_key);
    EVP_PKEY_free(h->asvk_key);
    EVP_PKEY_free(h->leaf_key);
    g_free(h);
}

SnpLeafSpec
snp_leaf_spec(const guint8 report[static CVS_SNP_REPORT_SIZE], CvsSnpLine line)
{
    SnpLeafSpec spec = {.kind = (report[0x48] >> 2 & 7) == CVS_SNP_SIGNER_VLEK ? CVS_SNP_CERT_VLEK
                                                                               : CVS_SNP_CERT_VCEK,
                        .layout = cvs_snp_line_layout(line),
                        .product = cvs_snp_line_name(line),
                        .csp_id = "CN=cloud.example"};

    spec.tcb = cvs_snp_tcb_decode(report + 0x180, spec.layout);
    spec.struct_version = spec.layout == CVS_SNP_TCB_TURIN;
    spec.hwid_size = spec.layout == CVS_SNP_TCB_TURIN ? 8 : 64;
    memcpy(spec.hwid, report + 0x1a0, 64);
    return spec;
}

/* The extensions of a leaf, each with its bytes. */
typedef struct {
    SnpExtension list[32];
    guint8 bytes[32][160];
    gsize count;
    const char *omit;
} Extensions;

static void
push(Extensions *exts, const char *oid, const void *data, gsize size)
{
    if (g_strcmp0(oid, exts->omit) == 0)
        return;
    memcpy(exts->bytes[exts->count], data, size);
    exts->list[exts->count] = (SnpExtension){oid, exts->bytes[exts->count], size, FALSE};
    exts->count++;
}

static void
push_integer(Extensions *exts, const char *oid, guint8 value)
{
    const guint8 small[] = {0x02, 0x01, value};
    const guint8 large[] = {0x02, 0x02, 0x00, value};

    if (value < 0x80)
        push(exts, oid, small, sizeof small);
    else
        push(exts, oid, large, sizeof large);
}

static void
push_text(Extensions *exts, const char *oid, const char *text)
{
    guint8 der[160] = {0x16, (guint8)strlen(text)};

    memcpy(der + 2, text, strlen(text));
    push(exts, oid, der, 2 + strlen(text));
}

X509 *
snp_make_leaf(const SnpHierarchy *h, const SnpLeafSpec *spec)
{
    gboolean vlek = spec->kind == CVS_SNP_CERT_VLEK;
    gboolean turin = spec->layout == CVS_SNP_TCB_TURIN;
    guint8 wrapped[66] = {0x04, (guint8)spec->hwid_size};
    Extensions exts = {.omit = spec->omit};
    SnpCertSpec cert = {.cn = vlek ? "SEV-VLEK" : "SEV-VCEK",
                        .key = spec->key ? spec->key : h->leaf_key,
                        .issuer = spec->issuer ? spec->issuer
                                  : vlek       ? h->asvk
                                               : h->ask,
                        .issuer_key = spec->issuer_key ? spec->issuer_key
                                      : vlek           ? h->asvk_key
                                                       : h->ask_key,
                        .not_before = spec->not_before,
                        .not_after = spec->not_after,
                        .pkcs1 = spec->pkcs1,
                        .digest = spec->digest};

    push_integer(&exts, AMD "1", spec->struct_version);
    push_text(&exts, AMD "2", spec->product);
    push_integer(&exts, AMD "3.1", spec->tcb.bootloader);
    push_integer(&exts, AMD "3.2", spec->tcb.tee);
    push_integer(&exts, AMD "3.3", spec->tcb.snp);
    if (!turin)
        push_integer(&exts, AMD "3.4", spec->tcb.reserved[0]);
    push_integer(&exts, AMD "3.5", spec->tcb.reserved[turin ? 0 : 1]);
    push_integer(&exts, AMD "3.6", spec->tcb.reserved[turin ? 1 : 2]);
    push_integer(&exts, AMD "3.7", spec->tcb.reserved[turin ? 2 : 3]);
    push_integer(&exts, AMD "3.8", spec->tcb.microcode);
    if (turin)
        push_integer(&exts, AMD "3.9", spec->tcb.fmc);
    if (vlek) {
        push_text(&exts, AMD "5", spec->csp_id);
    } else if (spec->hwid_wrapped) {
        memcpy(wrapped + 2, spec->hwid, spec->hwid_size);
        push(&exts, AMD "4", wrapped, spec->hwid_size + 2);
    } else {
        push(&exts, AMD "4", spec->hwid, spec->hwid_size);
    }
    for (gsize i = 0; i < spec->n_more; i++)
        exts.list[exts.count++] = spec->more[i];
    cert.extensions = exts.list;
    cert.n_extensions = exts.count;
    return snp_make_cert(&cert);
}

X509_CRL *
snp_make_crl(X509 *issuer, EVP_PKEY *key, gint64 this_update, gint64 next_update, long number,
             long revoked, gboolean critical)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_new();
    ASN1_INTEGER *integer = ASN1_INTEGER_new();
    EVP_MD_CTX *ctx = signer(key, FALSE, NULL);

    g_assert_cmpint(X509_CRL_set_version(crl, 1), ==, 1);
    g_assert_cmpint(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)), ==, 1);
    set_time(time, this_update);
    g_assert_cmpint(X509_CRL_set1_lastUpdate(crl, time), ==, 1);
    if (next_update) {
        set_time(time, next_update);
        g_assert_cmpint(X509_CRL_set1_nextUpdate(crl, time), ==, 1);
    }
    g_assert_cmpint(ASN1_INTEGER_set(integer, number), ==, 1);
    g_assert_cmpint(X509_CRL_add1_ext_i2d(crl, NID_crl_number, integer, critical, 0), ==, 1);
    if (revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();

        g_assert_cmpint(ASN1_INTEGER_set(integer, revoked), ==, 1);
        g_assert_cmpint(X509_REVOKED_set_serialNumber(entry, integer), ==, 1);
        set_time(time, this_update);
        g_assert_cmpint(X509_REVOKED_set_revocationDate(entry, time), ==, 1);
        g_assert_cmpint(X509_CRL_add0_revoked(crl, entry), ==, 1);
    }
    g_assert_cmpint(X509_CRL_sort(crl), ==, 1);
    g_assert_cmpint(X509_CRL_sign_ctx(crl, ctx), >, 0);
    EVP_MD_CTX_free(ctx);
    ASN1_INTEGER_free(integer);
    ASN1_TIME_free(time);
    return crl;
}

void
snp_make_report(guint8 report[static CVS_SNP_REPORT_SIZE], CvsSnpLine line, guint32 version)
{
    gboolean turin = cvs_snp_line_layout(line) == CVS_SNP_TCB_TURIN;
    const guint8 legacy_tcb[8] = {4, 1, 0, 0, 0, 0, 24, 219};
    const guint8 turin_tcb[8] = {1, 3, 2, 5, 0, 0, 0, 97};
    const gsize tcbs[] = {0x38, 0x180, 0x1e0, 0x1f0};

    memset(report, 0, CVS_SNP_REPORT_SIZE);
    report[0] = (guint8)version;
    report[4] = 2;
    report[0x0a] = 0x03;
    memset(report + 0x10, 0x11, 16);
    memset(report + 0x20, 0x12, 16);
    report[0x34] = 1;
    for (gsize i = 0; i < G_N_ELEMENTS(tcbs); i++)
        memcpy(report + tcbs[i], turin ? turin_tcb : legacy_tcb, 8);
    report[0x40] = 0x25;
    memset(report + 0x50, 0x13, 64);
    memset(report + 0x90, 0x14, 48);
    memset(report + 0xc0, 0x15, 32);
    memset(report + 0xe0, 0x16, 48);
    memset(report + 0x140, 0x17, 32);
    memset(report + 0x160, 0xff, 32);
    if (version >= 3) {
        report[0x188] = turin ? 0x1a : 0x19;
        report[0x189] = line == CVS_SNP_LINE_GENOA    ? 0x11
                        : line == CVS_SNP_LINE_TURIN  ? 0x02
                        : line == CVS_SNP_LINE_VENICE ? 0x50
                                                      : 0x01;
        report[0x18a] = 1;
    }
    memset(report + 0x1a0, 0xc1, turin ? 8 : 64);
    report[0x1e8] = 29;
    report[0x1e9] = 55;
    report[0x1ea] = 1;
    memcpy(report + 0x1ec, report + 0x1e8, 3);
    if (version >= 5)
        report[0x1f8] = report[0x200] = 0x3f;
}

static void
put_component(guint8 *dest, const BIGNUM *value)
{
    guint8 big[48];

    g_assert_cmpint(BN_bn2binpad(value, big, sizeof big), ==, sizeof big);
    for (gsize i = 0; i < sizeof big; i++)
        dest[i] = big[sizeof big - 1 - i];
}

void
snp_sign_report(guint8 report[static CVS_SNP_REPORT_SIZE], EVP_PKEY *key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    guint8 der[512];
    const guint8 *at = der;
    gsize size = sizeof der;
    ECDSA_SIG *sig = NULL;

    g_assert_cmpint(EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key), ==, 1);
    g_assert_cmpint(EVP_DigestSign(ctx, der, &size, report, CVS_SNP_SIGNED_SIZE), ==, 1);
    sig = d2i_ECDSA_SIG(NULL, &at, (long)size);
    g_assert_nonnull(sig);
    memset(report + 0x2a0, 0, 512);
    put_component(report + 0x2a0, ECDSA_SIG_get0_r(sig));
    put_component(report + 0x2e8, ECDSA_SIG_get0_s(sig));
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
}

GBytes *
snp_cert_der(X509 *cert)
{
    guint8 *der = NULL;
    int size = i2d_X509(cert, &der);
    GBytes *bytes = NULL;

    g_assert_cmpint(size, >, 0);
    bytes = g_bytes_new(der, (gsize)size);
    OPENSSL_free(der);
    return bytes;
}

void
snp_add_cert(GPtrArray *certs, X509 *cert)
{
    (void)X509_up_ref(cert);
    g_ptr_array_add(certs, cert);
}
