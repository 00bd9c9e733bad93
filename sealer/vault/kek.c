/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/kek.h"
#include "base/digest.h"
#include "base/writer.h"
#include "vault/key-file.h"

#include <string.h>

CvsSecret *
cvs_kek_derive(const CvsSecret *const *factors, gsize n_factors, GBytes *slot_json,
               const char *protected_text)
{
    g_autoptr(CvsMac) extract = NULL;
    g_auto(CvsWriter) info = {0};
    guint8 digest[32];
    gsize size = 0;
    const void *json = g_bytes_get_data(slot_json, &size);

    g_return_val_if_fail(n_factors > 0, NULL);

    extract = cvs_hkdf_extract(CVS_SHA256);
    for (gsize i = 0; i < n_factors; i++) {
        guint32 length = GUINT32_TO_BE((guint32)cvs_secret_size(factors[i]));

        cvs_mac_update(extract, &length, sizeof length);
        cvs_mac_update(extract, cvs_secret_peek(factors[i]), cvs_secret_size(factors[i]));
    }
    cvs_writer_init(&info);
    cvs_writer_field_string(&info, "cvmseal kek");
    cvs_writer_u32_be(&info, CVS_KEY_FILE_VERSION);
    cvs_hash_bytes(CVS_SHA256, json, size, digest);
    cvs_writer_bytes(&info, digest, sizeof digest);
    cvs_hash_bytes(CVS_SHA256, protected_text, strlen(protected_text), digest);
    cvs_writer_bytes(&info, digest, sizeof digest);
    return cvs_hkdf_expand(CVS_SHA256, extract, cvs_writer_data(&info), cvs_writer_size(&info),
                           CVS_KEK_SIZE);
}
