/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/hcl-report.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/reader.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#define HARDWARE_OFFSET 32
#define HARDWARE_SIZE 1184
#define DATA_OFFSET 1216
#define DATA_HEADER 20       /* what "data size" counts beside the claims */
#define SNP_REPORT_DATA 0x50 /* in an SNP report */
#define TDX_REPORT_DATA 128  /* in a TDREPORT */
#define RSA_EXPONENT "\x01\x00\x01"
#define KEYS_MAX 8
#define AK_ID "HCLAkPub"
#define EK_ID "HCLEkPub"

void
cvs_hcl_report_free(CvsHclReport *report)
{
    g_clear_pointer(&report->bytes, g_bytes_unref);
    g_clear_pointer(&report->json, json_decref);
    g_clear_pointer(&report->ak.n, g_bytes_unref);
    g_clear_pointer(&report->ek.n, g_bytes_unref);
    g_free(report);
}

static gboolean bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
bad(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "HCL report: %s", text);
    return FALSE;
}

static gboolean
parse_headers(CvsHclReport *report, CvsReader *r, GError **error)
{
    static const CvsHash hashes[] = {[1] = CVS_SHA256, [2] = CVS_SHA384, [3] = CVS_SHA512};
    const guint8 *signature = cvs_reader_bytes(r, 4);
    guint32 report_size = 0;
    guint32 data_size = 0;
    guint32 type = 0;
    guint32 hash = 0;
    guint32 claims_size = 0;

    report->version = cvs_reader_u32_le(r);
    report_size = cvs_reader_u32_le(r);
    report->request_type = cvs_reader_u32_le(r);
    report->status = cvs_reader_u32_le(r);
    cvs_reader_skip(r, 12);
    report->hardware = cvs_reader_bytes(r, HARDWARE_SIZE);
    data_size = cvs_reader_u32_le(r);
    report->request_version = cvs_reader_u32_le(r);
    type = cvs_reader_u32_le(r);
    hash = cvs_reader_u32_le(r);
    claims_size = cvs_reader_u32_le(r);
    if (!cvs_reader_ok(r))
        return bad(error, "byte %zu: it ends there, in its %s", r->size,
                   r->size < HARDWARE_OFFSET ? "header"
                   : r->size < DATA_OFFSET   ? "hardware report"
                                             : "second header");
    if (memcmp(signature, "HCLA", 4) != 0)
        return bad(error, "byte 0: it does not begin with HCLA");
    if (report->version != 1 && report->version != 2)
        return bad(error, "byte 4: version %u is not known", report->version);
    if (report->request_version != 1 && report->request_version != 2)
        return bad(error, "byte %d: request version %u is not known", DATA_OFFSET + 4,
                   report->request_version);
    if (type != CVS_HCL_SNP && type != CVS_HCL_TDX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "HCL report, byte %d: report type %u is neither SNP (2) nor TDX (4)",
                    DATA_OFFSET + 8, type);
        return FALSE;
    }
    if (hash == 0 || hash >= G_N_ELEMENTS(hashes)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "HCL report, byte %d: hash type %u is not known", DATA_OFFSET + 12, hash);
        return FALSE;
    }
    report->type = (CvsHclType)type;
    report->hash = hashes[hash];

    if (report->request_version == 2)
        cvs_reader_skip(r, 4); /* capabilities */
    report->claims = cvs_reader_bytes(r, claims_size);
    report->claims_size = claims_size;
    if (!cvs_reader_ok(r))
        return bad(error, "byte %d: the claims have %u bytes and run past the end at %zu",
                   DATA_OFFSET + 16, claims_size, r->size);
    if (report_size != cvs_reader_pos(r))
        return bad(error, "byte 8: it says %u bytes and has %zu", report_size, cvs_reader_pos(r));
    if (data_size < DATA_HEADER || data_size != cvs_reader_pos(r) - DATA_OFFSET)
        return bad(error, "byte %d: it says %u bytes of data and has %zu", DATA_OFFSET, data_size,
                   cvs_reader_pos(r) - DATA_OFFSET);
    return TRUE;
}

static gboolean
parse_hardware(CvsHclReport *report, GError **error)
{
    CvsReader rest;

    if (report->type == CVS_HCL_SNP) {
        report->hardware_size = CVS_HCL_SNP_REPORT_SIZE;
        memcpy(report->report_data, report->hardware + SNP_REPORT_DATA, 64);
        return TRUE;
    }
    report->hardware_size = CVS_TDREPORT_SIZE;
    if (!cvs_tdreport_parse(report->hardware, CVS_TDREPORT_SIZE, &report->td, error)) {
        g_prefix_error(error, "HCL report, byte %d: ", HARDWARE_OFFSET);
        return FALSE;
    }
    memcpy(report->report_data, report->hardware + TDX_REPORT_DATA, 64);
    cvs_reader_init(&rest, report->hardware + CVS_TDREPORT_SIZE, HARDWARE_SIZE - CVS_TDREPORT_SIZE);
    if (!cvs_reader_skip_zero(&rest, HARDWARE_SIZE - CVS_TDREPORT_SIZE))
        return bad(error, "byte %d: data behind the TDREPORT", HARDWARE_OFFSET + CVS_TDREPORT_SIZE);
    return TRUE;
}

static gboolean
parse_key(CvsHclReport *report, const json_t *key, GError **error)
{
    const char *kid = cvs_json_get_string(key, "kid", "HCL claims, a key", error);
    const char *kty = NULL;
    json_t *ops = json_object_get(key, "key_ops");
    json_t *op = NULL;
    gsize i = 0;
    CvsHclKey *into = NULL;
    g_autoptr(GBytes) n = NULL;
    g_autoptr(GBytes) e = NULL;

    if (kid == NULL)
        return FALSE;
    if (g_str_equal(kid, AK_ID))
        into = &report->ak;
    else if (g_str_equal(kid, EK_ID))
        into = &report->ek;
    else
        return TRUE;
    if (into->n)
        return bad(error, "the claims name %s twice", kid);

    kty = cvs_json_get_string(key, "kty", kid, error);
    if (kty == NULL)
        return FALSE;
    if (!g_str_equal(kty, "RSA"))
        return bad(error, "%s is not an RSA key", kid);
    n = cvs_json_get_bytes(key, "n", CVS_HCL_KEY_MIN, CVS_HCL_KEY_MAX, kid, error);
    if (n == NULL)
        return FALSE;
    e = cvs_json_get_bytes(key, "e", 1, 8, kid, error);
    if (e == NULL)
        return FALSE;
    if (*(const guint8 *)g_bytes_get_data(n, NULL) == 0)
        return bad(error, "the modulus of %s begins with a zero", kid);
    if (g_bytes_get_size(e) != 3 || memcmp(g_bytes_get_data(e, NULL), RSA_EXPONENT, 3) != 0)
        return bad(error, "the exponent of %s is not 65537", kid);
    json_array_foreach (ops, i, op) {
        if (g_strcmp0(json_string_value(op), "sign") == 0)
            into->signs = TRUE;
    }
    into->n = g_steal_pointer(&n);
    return TRUE;
}

static gboolean
parse_claims(CvsHclReport *report, GError **error)
{
    json_t *keys = NULL;
    json_t *key = NULL;
    json_t *user_data = NULL;
    gsize i = 0;

    report->json = cvs_json_parse(report->claims, report->claims_size, "HCL claims", error);
    if (report->json == NULL)
        return FALSE;
    keys = cvs_json_get_array(report->json, "keys", "HCL claims", error);
    if (keys == NULL)
        return FALSE;
    if (json_array_size(keys) > KEYS_MAX)
        return bad(error, "the claims have %zu keys, at most %d are read", json_array_size(keys),
                   KEYS_MAX);
    json_array_foreach (keys, i, key) {
        if (!json_is_object(key))
            return bad(error, "key %zu of the claims is not an object", i);
        if (!parse_key(report, key, error))
            return FALSE;
    }
    if (report->ak.n == NULL)
        return bad(error, "the claims do not name the attestation key %s", AK_ID);

    user_data = json_object_get(report->json, "user-data");
    if (user_data) {
        g_autoptr(GBytes) bytes = NULL;

        if (!json_is_string(user_data))
            return bad(error, "user-data is not a string");
        bytes = cvs_hex_decode(json_string_value(user_data), -1, NULL);
        if (bytes == NULL || g_bytes_get_size(bytes) != sizeof(report->user_data))
            return bad(error, "user-data is not 64 bytes in hexadecimal digits");
        memcpy(report->user_data, g_bytes_get_data(bytes, NULL), sizeof(report->user_data));
        report->has_user_data = TRUE;
    }
    return TRUE;
}

CvsHclReport *
cvs_hcl_report_parse(GBytes *bytes, GError **error)
{
    g_autoptr(CvsHclReport) report = g_new0(CvsHclReport, 1);
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    CvsReader reader;

    if (size > CVS_HCL_REPORT_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "HCL report: %zu bytes, at most %d are read", size, CVS_HCL_REPORT_MAX);
        return NULL;
    }
    report->bytes = g_bytes_ref(bytes);
    cvs_reader_init(&reader, data, size);
    if (!parse_headers(report, &reader, error) || !parse_hardware(report, error) ||
        !parse_claims(report, error))
        return NULL;
    return g_steal_pointer(&report);
}

void
cvs_hcl_report_check_binding(const CvsHclReport *report, GError *refusal)
{
    guint8 wanted[64] = {0};
    g_autofree char *seen_text = NULL;
    g_autofree char *wanted_text = NULL;

    cvs_hash_bytes(report->hash, report->claims, report->claims_size, wanted);
    if (cvs_equal_bytes(report->report_data, wanted, sizeof(wanted)))
        return;
    seen_text = cvs_hex_encode(report->report_data, sizeof(wanted));
    wanted_text = cvs_hex_encode(wanted, sizeof(wanted));
    cvs_error_add_reason(refusal, CVS_REASON_HCL_BINDING, seen_text, wanted_text,
                         "the report data are not the %s of the claims: the claims were edited or "
                         "belong to another report",
                         cvs_hash_name(report->hash));
}

static json_t *
vm_configuration(const CvsHclReport *report, const char *name)
{
    return json_object_get(json_object_get(report->json, "vm-configuration"), name);
}

gboolean
cvs_hcl_report_get_bool(const CvsHclReport *report, const char *name, gboolean *ret_value)
{
    const json_t *value = vm_configuration(report, name);

    if (!json_is_boolean(value))
        return FALSE;
    *ret_value = json_is_true(value);
    return TRUE;
}

const char *
cvs_hcl_report_get_string(const CvsHclReport *report, const char *name)
{
    return json_string_value(vm_configuration(report, name));
}

EVP_PKEY *
cvs_hcl_key_to_pkey(const CvsHclKey *hcl_key, GError **error)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *modulus =
        BN_bin2bn(g_bytes_get_data(hcl_key->n, NULL), (int)g_bytes_get_size(hcl_key->n), NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (build && modulus && context &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &&
        OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, 65537))
        params = OSSL_PARAM_BLD_to_param(build);
    if (params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED,
                            "OpenSSL does not take the paravisor's key");
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    BN_free(modulus);
    return key;
}
