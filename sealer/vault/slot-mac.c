/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/slot-mac.h"
#include "base/digest.h"
#include "base/writer.h"
#include "vault/key-file.h"

#include <string.h>

#define MAC_KEY_SIZE 32

CvsSecret *
cvs_slot_mac_key(const CvsJwe *jwe, const CvsSecret *cek)
{
    g_auto(CvsWriter) info = {0};
    guint8 digest[32];

    cvs_writer_init(&info);
    cvs_writer_field_string(&info, "cvmseal slot mac");
    cvs_writer_u32_be(&info, CVS_KEY_FILE_VERSION);
    cvs_hash_bytes(CVS_SHA256, jwe->protected_text, strlen(jwe->protected_text), digest);
    cvs_writer_bytes(&info, digest, sizeof digest);
    return cvs_hkdf(CVS_SHA256, cek, cvs_writer_data(&info), cvs_writer_size(&info), MAC_KEY_SIZE);
}

void
cvs_slot_mac(const CvsJweRecipient *recipient, const CvsSecret *mac_key,
             guint8 ret_mac[static CVS_JWE_MAC_SIZE])
{
    g_auto(CvsWriter) data = {0};
    gboolean is_tpm2 = recipient->slot != NULL;
    gsize size = 0;
    const void *says = g_bytes_get_data(is_tpm2 ? recipient->slot : recipient->p2s, &size);

    cvs_writer_init(&data);
    cvs_writer_field_string(&data, is_tpm2 ? CVS_JWE_ALG_KEK : CVS_JWE_ALG_PASSWORD);
    cvs_writer_field(&data, says, size);
    cvs_writer_field(&data, recipient->encrypted_key, sizeof recipient->encrypted_key);
    cvs_writer_u32_be(&data, recipient->p2c);
    cvs_hmac(CVS_SHA256, cvs_secret_peek(mac_key), cvs_secret_size(mac_key), cvs_writer_data(&data),
             cvs_writer_size(&data), ret_mac);
}

gboolean
cvs_slot_mac_holds(const CvsJweRecipient *recipient, const CvsSecret *mac_key)
{
    guint8 wanted[CVS_JWE_MAC_SIZE];

    cvs_slot_mac(recipient, mac_key, wanted);
    return cvs_equal_bytes(recipient->mac, wanted, sizeof wanted);
}
