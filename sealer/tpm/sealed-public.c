/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/sealed-public.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/reader.h"

#include <string.h>

#define DIGEST_SIZE 32

static TPMA_OBJECT
attributes_for(gboolean with_pin)
{
    return TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_ADMINWITHPOLICY |
           (with_pin ? 0 : TPMA_OBJECT_NODA);
}

void
cvs_sealed_public_template(const guint8 policy[static 32], gboolean with_pin,
                           TPM2B_PUBLIC *ret_public)
{
    *ret_public = (TPM2B_PUBLIC){
        .publicArea =
            {
                .type = TPM2_ALG_KEYEDHASH,
                .nameAlg = TPM2_ALG_SHA256,
                .objectAttributes = attributes_for(with_pin),
                .authPolicy.size = DIGEST_SIZE,
                .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
            },
    };
    memcpy(ret_public->publicArea.authPolicy.buffer, policy, DIGEST_SIZE);
}

static void
set_policy_error(const char *text, const char *seen, const char *wanted, GError **error)
{
    GError *local = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT, "sealed object: %s", text);

    cvs_error_add_reason(local, CVS_REASON_POLICY_DIFFERS, seen, wanted, "%s", text);
    g_propagate_error(error, local);
}

static gboolean
check_attributes(TPMA_OBJECT attributes, gboolean with_pin, GError **error)
{
    g_autofree char *seen = NULL, *wanted = NULL;

    if (attributes == attributes_for(with_pin))
        return TRUE;
    seen = g_strdup_printf("0x%x", attributes);
    wanted = g_strdup_printf("0x%x", attributes_for(with_pin));
    if (attributes & TPMA_OBJECT_USERWITHAUTH)
        set_policy_error("userWithAuth is set: it opens without its policy", seen, wanted, error);
    else
        set_policy_error("its attributes are not those of a sealed object", seen, wanted, error);
    return FALSE;
}

static gboolean
check_policy(const guint8 *seen, const guint8 *wanted, GError **error)
{
    g_autofree char *seen_hex = NULL, *wanted_hex = NULL;

    if (memcmp(seen, wanted, DIGEST_SIZE) == 0)
        return TRUE;
    seen_hex = cvs_hex_encode(seen, DIGEST_SIZE);
    wanted_hex = cvs_hex_encode(wanted, DIGEST_SIZE);
    set_policy_error("its policy is not the one that stands beside it", seen_hex, wanted_hex,
                     error);
    return FALSE;
}

gboolean
cvs_sealed_public_parse(const void *data, gsize size, const guint8 policy[static 32],
                        gboolean with_pin, TPM2B_PUBLIC *ret_public, GError **error)
{
    CvsReader reader = {0};
    guint16 area_size = 0, type = 0, name_alg = 0, policy_size = 0, scheme = 0, unique_size = 0;
    TPMA_OBJECT attributes = 0;
    guint8 auth_policy[DIGEST_SIZE] = {0}, unique[DIGEST_SIZE] = {0};

    cvs_reader_init(&reader, data, size);
    area_size = cvs_reader_u16_be(&reader);
    type = cvs_reader_u16_be(&reader);
    name_alg = cvs_reader_u16_be(&reader);
    attributes = cvs_reader_u32_be(&reader);
    policy_size = cvs_reader_u16_be(&reader);
    /* An object without a policy is shorter; all others have one of this size. */
    if (cvs_reader_ok(&reader) && policy_size == 0) {
        set_policy_error("it has no policy", "", "", error);
        return FALSE;
    }
    (void)cvs_reader_copy(&reader, auth_policy, sizeof auth_policy);
    scheme = cvs_reader_u16_be(&reader);
    unique_size = cvs_reader_u16_be(&reader);
    (void)cvs_reader_copy(&reader, unique, sizeof unique);
    if (!cvs_reader_finish(&reader, "sealed object's public area", error))
        return FALSE;
    if (area_size != size - 2 || type != TPM2_ALG_KEYEDHASH || name_alg != TPM2_ALG_SHA256 ||
        policy_size != DIGEST_SIZE || scheme != TPM2_ALG_NULL || unique_size != DIGEST_SIZE) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the public area is not that of a sealed object");
        return FALSE;
    }
    if (!check_attributes(attributes, with_pin, error) || !check_policy(auth_policy, policy, error))
        return FALSE;

    cvs_sealed_public_template(policy, with_pin, ret_public);
    ret_public->publicArea.unique.keyedHash.size = DIGEST_SIZE;
    memcpy(ret_public->publicArea.unique.keyedHash.buffer, unique, DIGEST_SIZE);
    return TRUE;
}
