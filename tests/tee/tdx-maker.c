/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tdx-maker.h"
#include "base/digest.h"
#include "base/hex.h"
#include "tee/p256.h"

#include "log-builder.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string.h>

#define SGX_OID "1.2.840.113741.1.13.1"
#define FROM "2020-01-01T00:00:00Z"
#define TO "2040-01-01T00:00:00Z"
#define AT "2026-01-01T00:00:00Z"
#define VENDOR "\x93\x9a\x72\x33\xf7\x9c\x4c\xa9\x94\x0a\x0d\xb3\x95\x7f\x06\x07"
#define QE_SIGNER 0x77 /* each byte of MRSIGNER */

typedef struct {
    EVP_PKEY *key;
    X509 *cert;
} Pair;

struct _TdxPlatform {
    Pair root, ca, leaf, signer;
    EVP_PKEY *attestation;
    EVP_PKEY *stranger;
};
typedef TdxPlatform Platform;

static void
ok(gboolean good)
{
    g_assert_true(good);
}

static void
set_hex(guint8 *out, guint8 value, gsize size)
{
    memset(out, value, size);
}

TdxMaker *
tdx_maker_new(void)
{
    TdxMaker *maker = g_new0(TdxMaker, 1);

    maker->version = 5;
    maker->body_type = 3;
    for (gsize i = 0; i < sizeof(maker->body); i++)
        maker->body[i] = (guint8)i;
    set_hex(maker->body, 5, 16);       /* TEE_TCB_SVN */
    maker->body[1] = 1;                /* version of the module */
    set_hex(maker->body + 64, 0, 48);  /* MRSIGNERSEAM */
    set_hex(maker->body + 112, 0, 16); /* SEAMATTRIBUTES, TDATTRIBUTES */
    set_hex(maker->body + 584, 5, 16); /* TEE_TCB_SVN2 */
    maker->body[585] = 1;
    set_hex(maker->body + 600, 0, 48); /* MRSERVICETD */
    maker->qe_report[48] = 0x15;
    set_hex(maker->qe_report + 128, QE_SIGNER, 32);
    maker->qe_report[256] = 2; /* ISVPRODID */
    maker->qe_report[258] = 4; /* ISVSVN */
    set_hex(maker->qe_auth, 0xaa, sizeof(maker->qe_auth));
    maker->cert_type = 5;
    maker->pck = (CvsPck){.pce_svn = 11, .fmspc = {0x50, 0x80, 0x6f, 0, 0, 1}, .sgx_type = 1};
    set_hex(maker->pck.components, 5, 16);
    set_hex(maker->pck.cpu_svn, 5, 16);
    maker->tcb_id = g_strdup("TDX");
    maker->qe_id = g_strdup("TD_QE");
    maker->levels = g_string_new(NULL);
    maker->identities = g_string_new(NULL);
    maker->qe_levels = g_string_new(NULL);
    maker->module_mrsigner = g_strnfill(96, '0');
    maker->issue_date = "2025-12-20T00:00:00Z";
    maker->next_update = "2026-01-19T00:00:00Z";
    maker->evaluation = 18;
    maker->crl_from = tdx_time("2025-12-20T00:00:00Z");
    maker->crl_to = tdx_time("2026-01-19T00:00:00Z");
    tdx_maker_add_level(maker, 5, 11, 5, 0, 5, "UpToDate");
    tdx_maker_add_identity(maker, 1, 5, "UpToDate", 0u, NULL);
    tdx_maker_add_qe_level(maker, 4, "UpToDate");
    return maker;
}

void
tdx_maker_free(TdxMaker *maker)
{
    g_free(maker->tcb_id);
    g_free(maker->qe_id);
    g_free(maker->module_mrsigner);
    g_string_free(maker->levels, TRUE);
    if (maker->identities)
        g_string_free(maker->identities, TRUE);
    g_string_free(maker->qe_levels, TRUE);
    g_free(maker);
}

void
tdx_maker_clear_levels(TdxMaker *maker)
{
    g_string_truncate(maker->levels, 0);
    g_string_truncate(maker->identities, 0);
    g_string_truncate(maker->qe_levels, 0);
}

static void
append_comma(GString *text)
{
    if (text->len > 0)
        g_string_append_c(text, ',');
}

static void
append_components(GString *text, const guint *values, guint n)
{
    for (guint i = 0; i < 16; i++)
        g_string_append_printf(text, "%s{\"svn\":%u}", i > 0 ? "," : "",
                               i < n ? values[i] : values[n - 1]);
}

void
tdx_maker_add_level(TdxMaker *maker, guint sgx, guint pce, guint tdx0, guint tdx1, guint tdx2,
                    const char *status)
{
    guint tdx[4] = {tdx0, tdx1, tdx2, 0};

    append_comma(maker->levels);
    g_string_append(maker->levels, "{\"tcb\":{\"sgxtcbcomponents\":[");
    append_components(maker->levels, &sgx, 1);
    g_string_append_printf(maker->levels, "],\"pcesvn\":%u,\"tdxtcbcomponents\":[", pce);
    append_components(maker->levels, tdx, 4);
    g_string_append_printf(maker->levels,
                           "]},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"%s\","
                           "\"advisoryIDs\":[\"INTEL-SA-00001\"]}",
                           status);
}

static void
append_svn_level(GString *text, guint svn, const char *status, const char *date)
{
    g_string_append_printf(text,
                           "{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"}", svn,
                           date, status);
}

void
tdx_maker_add_identity(TdxMaker *maker, guint version, guint svn, const char *status, ...)
{
    va_list args;
    gboolean first = TRUE;

    append_comma(maker->identities);
    g_string_append_printf(maker->identities,
                           "{\"id\":\"TDX_%02X\",\"mrsigner\":\"%s\",\"attributes\":"
                           "\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\","
                           "\"tcbLevels\":[",
                           version, maker->module_mrsigner);
    va_start(args, status);
    while (status) {
        if (!first)
            g_string_append_c(maker->identities, ',');
        first = FALSE;
        append_svn_level(maker->identities, svn, status, "2024-02-02T00:00:00Z");
        svn = va_arg(args, guint);
        status = va_arg(args, const char *);
    }
    va_end(args);
    g_string_append(maker->identities, "]}");
}

void
tdx_maker_add_qe_level(TdxMaker *maker, guint svn, const char *status)
{
    append_comma(maker->qe_levels);
    append_svn_level(maker->qe_levels, svn, status, "2024-04-04T00:00:00Z");
}

/* DER: tag, length in the shortest form, contents. */
static void
der_append(GByteArray *out, guint8 tag, const void *data, gsize size)
{
    guint8 header[4] = {tag, (guint8)size};
    guint length = 2;

    if (size >= 0x100) {
        header[1] = 0x82;
        header[2] = (guint8)(size >> 8);
        header[3] = (guint8)size;
        length = 4;
    } else if (size >= 0x80) {
        header[1] = 0x81;
        header[2] = (guint8)size;
        length = 3;
    }
    g_byte_array_append(out, header, length);
    g_byte_array_append(out, data, (guint)size);
}

/* SEQUENCE { OID, value } */
static void
der_member(GByteArray *out, const char *oid, guint8 tag, const void *data, gsize size)
{
    g_autoptr(GByteArray) pair = g_byte_array_new();
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    guint8 *encoded = NULL;
    int length = i2d_ASN1_OBJECT(object, &encoded);

    g_byte_array_append(pair, encoded, (guint)length);
    der_append(pair, tag, data, size);
    der_append(out, 0x30, pair->data, pair->len);
    OPENSSL_free(encoded);
    ASN1_OBJECT_free(object);
}

static GByteArray *
pck_extension(const CvsPck *pck)
{
    g_autoptr(GByteArray) tcb = g_byte_array_new();
    g_autoptr(GByteArray) fields = g_byte_array_new();
    GByteArray *whole = g_byte_array_new();

    for (guint i = 1; i <= 16; i++) {
        g_autofree char *oid = g_strdup_printf(SGX_OID ".2.%u", i);

        g_assert_cmpuint(pck->components[i - 1], <, 0x80);
        der_member(tcb, oid, 0x02, &pck->components[i - 1], 1);
    }
    {
        guint8 svn = (guint8)pck->pce_svn;

        der_member(tcb, SGX_OID ".2.17", 0x02, &svn, 1);
    }
    der_member(tcb, SGX_OID ".2.18", 0x04, pck->cpu_svn, 16);
    der_member(fields, SGX_OID ".1", 0x04, pck->ppid, 16);
    der_member(fields, SGX_OID ".2", 0x30, tcb->data, tcb->len);
    der_member(fields, SGX_OID ".3", 0x04, pck->pce_id, 2);
    der_member(fields, SGX_OID ".4", 0x04, pck->fmspc, 6);
    der_member(fields, SGX_OID ".5", 0x0a, &pck->sgx_type, 1);
    der_append(whole, 0x30, fields->data, fields->len);
    return whole;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    ok(extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void
add_name(X509_NAME *name, const char *text)
{
    ok(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const guint8 *)text, -1, -1, 0) == 1);
    ok(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const guint8 *)"Test", -1, -1, 0) ==
       1);
}

static Pair
make_cert(const char *name, const TdxCertChange *change, const Pair *issuer, gboolean ca,
          const CvsPck *pck)
{
    static gint serial = 1000;
    Pair pair = {.key = EVP_EC_gen(change->other_curve ? "P-384" : "P-256"), .cert = X509_new()};
    X509 *cert = pair.cert;

    ok(pair.key && cert && X509_set_version(cert, 2) == 1);
    ok(ASN1_INTEGER_set(X509_get_serialNumber(cert), g_atomic_int_add(&serial, 1)) == 1);
    ok(ASN1_TIME_set(X509_getm_notBefore(cert),
                     (time_t)(change->from ? change->from : tdx_time(FROM))) != NULL);
    ok(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(change->to ? change->to : tdx_time(TO))) !=
       NULL);
    add_name(X509_get_subject_name(cert), change->name ? change->name : name);
    ok(X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer->cert : cert)) == 1);
    ok(X509_set_pubkey(cert, pair.key) == 1);
    add_extension(cert, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(cert, NID_key_usage,
                  ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (pck && !change->no_extension) {
        g_autoptr(GByteArray) der = pck_extension(pck);
        ASN1_OBJECT *oid = OBJ_txt2obj(SGX_OID, 1);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        X509_EXTENSION *extension = NULL;

        ok(ASN1_OCTET_STRING_set(value, der->data, (int)der->len) == 1);
        extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
        ok(extension && X509_add_ext(cert, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(value);
        ASN1_OBJECT_free(oid);
    }
    ok(X509_sign(cert, issuer ? issuer->key : pair.key, EVP_sha256()) > 0);
    return pair;
}

static GBytes *
make_crl(const TdxMaker *maker, const Pair *issuer, EVP_PKEY *key, X509 *const *revoked, guint n)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)maker->crl_from);
    ASN1_TIME *to = ASN1_TIME_set(NULL, (time_t)maker->crl_to);
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    guint8 *der = NULL;
    int size = 0;
    GBytes *bytes = NULL;

    ok(X509_CRL_set_version(crl, 1) == 1);
    ok(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert)) == 1);
    ok(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1);
    ok(ASN1_INTEGER_set(number, 7) == 1 &&
       X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1);
    for (guint i = 0; i < n; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();

        ok(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked[i])) == 1);
        ok(X509_REVOKED_set_revocationDate(entry, from) == 1);
        ok(X509_CRL_add0_revoked(crl, entry) == 1);
    }
    ok(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    size = i2d_X509_CRL(crl, &der);
    bytes = g_bytes_new(der, (gsize)size);
    OPENSSL_free(der);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(crl);
    return bytes;
}

static GBytes *
make_root_crl(const TdxMaker *maker, const Platform *p)
{
    X509 *revoked[2];
    guint n = 0;

    if (maker->revoke_ca)
        revoked[n++] = p->ca.cert;
    if (maker->revoke_signer)
        revoked[n++] = p->signer.cert;
    return make_crl(maker, &p->root, maker->wrong_crl_key ? p->stranger : p->root.key, revoked, n);
}

static GBytes *
make_ca_crl(const TdxMaker *maker, const Platform *p)
{
    return make_crl(maker, &p->ca, maker->wrong_crl_key ? p->stranger : p->ca.key, &p->leaf.cert,
                    maker->revoke_leaf ? 1 : 0);
}

static Pair
make_leaf(const TdxMaker *maker, const Platform *p)
{
    return make_cert("Intel SGX PCK Certificate", &maker->leaf,
                     maker->leaf_by_root ? &p->root : &p->ca, FALSE, &maker->pck);
}

static Platform
platform_new(const TdxMaker *maker)
{
    Platform p = {0};

    p.root = make_cert("Intel SGX Root CA", &maker->root, NULL, TRUE, NULL);
    p.ca =
        make_cert(maker->processor_ca ? "Intel SGX PCK Processor CA" : "Intel SGX PCK Platform CA",
                  &maker->ca, &p.root, TRUE, NULL);
    p.leaf = make_leaf(maker, &p);
    p.signer = make_cert("Intel SGX TCB Signing", &maker->signer, &p.root, FALSE, NULL);
    p.attestation = EVP_EC_gen("P-256");
    p.stranger = EVP_EC_gen("P-256");
    return p;
}

static void
platform_clear(Platform *p)
{
    Pair *pairs[] = {&p->root, &p->ca, &p->leaf, &p->signer};

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        EVP_PKEY_free(pairs[i]->key);
        X509_free(pairs[i]->cert);
    }
    EVP_PKEY_free(p->attestation);
    EVP_PKEY_free(p->stranger);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Platform, platform_clear)

/* r and s, each padded to 32 bytes. A key of P-384 gives what does not fit; then zeros. */
static void
sign_raw(EVP_PKEY *key, const void *data, gsize size, guint8 signature[static 64])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    guint8 der[160];
    gsize der_size = sizeof(der);
    const guint8 *at = der;
    ECDSA_SIG *sig = NULL;

    ok(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1);
    ok(EVP_DigestSign(ctx, der, &der_size, data, size) == 1);
    sig = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    memset(signature, 0, 64);
    (void)BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32);
    (void)BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
}

static void
public_point(EVP_PKEY *key, guint8 point[static 64])
{
    guint8 encoded[65];
    gsize size = 0;

    ok(EVP_PKEY_get_octet_string_param(key, "pub", encoded, sizeof(encoded), &size) == 1);
    g_assert_cmpuint(size, ==, 65);
    memcpy(point, encoded + 1, 64);
}

static void
append_pem(GString *text, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long size = 0;

    ok(PEM_write_bio_X509(bio, cert) == 1);
    size = BIO_get_mem_data(bio, &data);
    g_string_append_len(text, data, size);
    BIO_free(bio);
}

static GBytes *
make_quote(const TdxMaker *maker, const Platform *p)
{
    LogBuilder *out = log_builder_new();
    g_autoptr(GString) chain = g_string_new(NULL);
    gsize body_size = maker->version == 5 && maker->body_type == 3 ? 648 : 584;
    guint8 point[64];
    guint8 signature[64];
    guint8 qe_report[384];
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA256);

    if (maker->cert_type == 5) {
        append_pem(chain, p->leaf.cert);
        append_pem(chain, p->ca.cert);
        append_pem(chain, p->root.cert);
    } else {
        g_string_append(chain, "a PPID");
    }
    log_builder_u16(out, maker->version);
    log_builder_u16(out, 2);
    log_builder_u32(out, 0x81);
    log_builder_u32(out, 0);
    log_builder_bytes(out, VENDOR, 16);
    log_builder_fill(out, 0, 20);
    if (maker->version == 5) {
        log_builder_u16(out, maker->body_type);
        log_builder_u32(out, (guint32)body_size);
    }
    log_builder_bytes(out, maker->body, body_size);
    sign_raw(maker->wrong_attestation_key ? p->stranger : p->attestation, out->data, out->len,
             signature);
    public_point(p->attestation, point);

    memcpy(qe_report, maker->qe_report, sizeof(qe_report));
    if (!maker->keep_qe_report_data) {
        cvs_hasher_update(hasher, point, 64);
        cvs_hasher_update(hasher, maker->qe_auth, sizeof(maker->qe_auth));
        memset(qe_report + 320, 0, 64);
        cvs_hasher_finish(hasher, qe_report + 320);
    }
    log_builder_u32(out, (guint32)(64 + 64 + 6 + 384 + 64 + 2 + 32 + 6 + chain->len));
    log_builder_bytes(out, signature, 64);
    log_builder_bytes(out, point, 64);
    log_builder_u16(out, 6);
    log_builder_u32(out, (guint32)(384 + 64 + 2 + 32 + 6 + chain->len));
    log_builder_bytes(out, qe_report, 384);
    sign_raw(maker->wrong_pck_key ? p->stranger : p->leaf.key, qe_report, 384, signature);
    log_builder_bytes(out, signature, 64);
    log_builder_u16(out, 32);
    log_builder_bytes(out, maker->qe_auth, 32);
    log_builder_u16(out, maker->cert_type);
    log_builder_u32(out, (guint32)chain->len);
    log_builder_bytes(out, chain->str, chain->len);
    return log_builder_end(out);
}

static char *
answer(const char *name, const char *object, EVP_PKEY *key)
{
    guint8 signature[64];
    g_autofree char *hex = NULL;

    sign_raw(key, object, strlen(object), signature);
    hex = cvs_hex_encode(signature, 64);
    return g_strdup_printf("{\"%s\":%s,\"signature\":\"%s\"}", name, object, hex);
}

static char *
make_tcb_info(const TdxMaker *maker, const Platform *p)
{
    g_autofree char *fmspc = cvs_hex_encode(maker->pck.fmspc, 6);
    g_autofree char *identities =
        maker->identities ? g_strdup_printf("\"tdxModuleIdentities\":[%s],", maker->identities->str)
                          : g_strdup("");
    g_autofree char *object = g_strdup_printf(
        "{\"id\":\"%s\",\"version\":3,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",\"fmspc\":\"%s\","
        "\"pceId\":\"0000\",\"tcbType\":0,\"tcbEvaluationDataNumber\":%u,\"tdxModule\":{"
        "\"mrsigner\":\"%s\",\"attributes\":\"0000000000000000\",\"attributesMask\":"
        "\"FFFFFFFFFFFFFFFF\"},%s\"tcbLevels\":[%s]}",
        maker->tcb_id, maker->issue_date, maker->next_update, fmspc, maker->evaluation,
        maker->module_mrsigner, identities, maker->levels->str);

    return answer("tcbInfo", object, maker->wrong_tcb_signature ? p->stranger : p->signer.key);
}

static char *
make_qe_identity(const TdxMaker *maker, const Platform *p)
{
    g_autofree char *object = g_strdup_printf(
        "{\"id\":\"%s\",\"version\":2,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
        "\"tcbEvaluationDataNumber\":%u,\"miscselect\":\"00000000\",\"miscselectMask\":"
        "\"FFFFFFFF\",\"attributes\":\"11000000000000000000000000000000\",\"attributesMask\":"
        "\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":"
        "\"7777777777777777777777777777777777777777777777777777777777777777\",\"isvprodid\":2,"
        "\"tcbLevels\":[%s]}",
        maker->qe_id, maker->issue_date, maker->next_update, maker->evaluation,
        maker->qe_levels->str);

    return answer("enclaveIdentity", object,
                  maker->wrong_qe_signature ? p->stranger : p->signer.key);
}

/* As Intel does: another certificate of the same key. */
static X509 *
make_old_signer(const TdxMaker *maker, const Platform *p)
{
    X509 *cert = X509_dup(p->signer.cert);

    ok(cert && ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)maker->old_signer_to) != NULL);
    ok(X509_sign(cert, p->root.key, EVP_sha256()) > 0);
    return cert;
}

TdxEvidence *
tdx_maker_make(TdxMaker *maker)
{
    g_auto(Platform) p = platform_new(maker);
    TdxEvidence *evidence = tdx_evidence_new();
    g_autoptr(GPtrArray) roots = cvs_x509_certs_new();
    g_autoptr(GBytes) quote = make_quote(maker, &p);
    g_autofree char *tcb_info = make_tcb_info(maker, &p);
    g_autofree char *qe_identity = make_qe_identity(maker, &p);
    g_autoptr(GError) error = NULL;

    ok(X509_up_ref(p.root.cert) == 1 && X509_up_ref(p.signer.cert) == 1);
    g_ptr_array_add(roots, p.root.cert);
    g_ptr_array_add(evidence->certs, p.signer.cert);
    if (maker->old_signer_to)
        g_ptr_array_insert(evidence->certs, maker->old_signer_last ? -1 : 0,
                           make_old_signer(maker, &p));
    cvs_tdx_roots_add_test(evidence->roots, roots);
    tdx_evidence_set_quote(evidence, quote);
    evidence->tcb_info = cvs_tcb_info_parse(tcb_info, strlen(tcb_info), &error);
    g_assert_no_error(error);
    evidence->qe_identity = cvs_qe_identity_parse(qe_identity, strlen(qe_identity), &error);
    g_assert_no_error(error);
    if (!maker->no_crls) {
        g_autoptr(GBytes) root_crl = make_root_crl(maker, &p);
        g_autoptr(GBytes) ca_crl = make_ca_crl(maker, &p);

        tdx_evidence_add_crl(evidence, root_crl);
        tdx_evidence_add_crl(evidence, ca_crl);
    }
    evidence->at = tdx_time(AT);
    return evidence;
}

char *
tdx_maker_tcb_info(TdxMaker *maker)
{
    g_auto(Platform) p = platform_new(maker);

    return make_tcb_info(maker, &p);
}

char *
tdx_maker_qe_identity(TdxMaker *maker)
{
    g_auto(Platform) p = platform_new(maker);

    return make_qe_identity(maker, &p);
}

GBytes *
tdx_maker_quote(TdxMaker *maker)
{
    g_auto(Platform) p = platform_new(maker);

    return make_quote(maker, &p);
}

TdxPlatform *
tdx_platform_new(const TdxMaker *maker)
{
    TdxPlatform *p = g_new(TdxPlatform, 1);

    *p = platform_new(maker);
    return p;
}

void
tdx_platform_free(TdxPlatform *p)
{
    platform_clear(p);
    g_free(p);
}

void
tdx_platform_renew_pck(TdxPlatform *p, const TdxMaker *maker)
{
    EVP_PKEY_free(p->leaf.key);
    X509_free(p->leaf.cert);
    p->leaf = make_leaf(maker, p);
}

X509 *
tdx_platform_cert(const TdxPlatform *p, TdxRole role)
{
    const Pair *pairs[] = {&p->root, &p->ca, &p->leaf, &p->signer};

    return pairs[role]->cert;
}

GBytes *
tdx_platform_quote(const TdxPlatform *p, const TdxMaker *maker)
{
    return make_quote(maker, p);
}

char *
tdx_platform_tcb_info(const TdxPlatform *p, const TdxMaker *maker)
{
    return make_tcb_info(maker, p);
}

char *
tdx_platform_qe_identity(const TdxPlatform *p, const TdxMaker *maker)
{
    return make_qe_identity(maker, p);
}

GBytes *
tdx_platform_crl(const TdxPlatform *p, const TdxMaker *maker, TdxRole issuer)
{
    g_assert_true(issuer == TDX_ROOT || issuer == TDX_CA);
    return issuer == TDX_ROOT ? make_root_crl(maker, p) : make_ca_crl(maker, p);
}
