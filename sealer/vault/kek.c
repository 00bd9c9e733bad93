/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/kek.h"
#include "base/digest.h"
#include "base/writer.h"
#include "vault/key-file.h"

#include <string.h>

static CvsSecret *
join(const CvsSecret *const *factors, gsize n_factors)
{
    g_autoptr(CvsSecret) joined = NULL;
    gsize size = 0, at = 0;

    for (gsize i = 0; i < n_factors; i++)
        size += sizeof(guint32) + cvs_secret_size(factors[i]);
    joined = cvs_secret_new(size);
    for (gsize i = 0; i < n_factors; i++) {
        guint32 length = GUINT32_TO_BE((guint32)cvs_secret_size(factors[i]));

        memcpy(cvs_secret_data(joined) + at, &length, sizeof length);
        at += sizeof length;
        memcpy(cvs_secret_data(joined) + at, cvs_secret_peek(factors[i]),
               cvs_secret_size(factors[i]));
        at += cvs_secret_size(factors[i]);
    }
    return g_steal_pointer(&joined);
}

CvsSecret *
cvs_kek_derive(const CvsSecret *const *factors, gsize n_factors, GBytes *slot_json,
               const char *protected_text)
{
    g_autoptr(CvsSecret) ikm = NULL;
    g_auto(CvsWriter) info = {0};
    guint8 digest[32];
    gsize size = 0;
    const void *json = g_bytes_get_data(slot_json, &size);

    g_return_val_if_fail(n_factors > 0, NULL);

    ikm = join(factors, n_factors);
    cvs_writer_init(&info);
    cvs_writer_field_string(&info, "cvmseal kek");
    cvs_writer_u32_be(&info, CVS_KEY_FILE_VERSION);
    cvs_hash_bytes(CVS_SHA256, json, size, digest);
    cvs_writer_bytes(&info, digest, sizeof digest);
    cvs_hash_bytes(CVS_SHA256, protected_text, strlen(protected_text), digest);
    cvs_writer_bytes(&info, digest, sizeof digest);
    return cvs_hkdf(CVS_SHA256, ikm, cvs_writer_data(&info), cvs_writer_size(&info), CVS_KEK_SIZE);
}
