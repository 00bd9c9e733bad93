/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/binding.h"
#include "base/writer.h"

#define DOMAIN_REPORT "cvmseal report data 1"
#define DOMAIN_QUOTE "cvmseal quote nonce 1"

static void
add_bytes(CvsWriter *writer, GBytes *bytes)
{
    gsize size = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;

    cvs_writer_field(writer, data, size);
}

void
cvs_binding_compute(GBytes *nonce, const CvsName *ak, const CvsName *srk, GBytes *user_data,
                    guint8 ret_binding[static CVS_BINDING_SIZE])
{
    g_auto(CvsWriter) writer = {0};

    cvs_writer_init(&writer);
    cvs_writer_field_string(&writer, DOMAIN_REPORT);
    add_bytes(&writer, nonce);
    cvs_writer_field(&writer, ak->bytes, ak->size);
    cvs_writer_field(&writer, srk->bytes, srk->size);
    add_bytes(&writer, user_data);
    cvs_hash_bytes(CVS_SHA512, cvs_writer_data(&writer), cvs_writer_size(&writer), ret_binding);
}

void
cvs_binding_quote_nonce(const guint8 binding[static CVS_BINDING_SIZE], GBytes *report,
                        guint8 ret_nonce[static CVS_BINDING_QUOTE_NONCE_SIZE])
{
    g_auto(CvsWriter) writer = {0};
    gsize size = 0;
    const void *data = report ? g_bytes_get_data(report, &size) : NULL;
    guint8 digest[32];

    cvs_hash_bytes(CVS_SHA256, data, size, digest);
    cvs_writer_init(&writer);
    cvs_writer_field_string(&writer, DOMAIN_QUOTE);
    cvs_writer_field(&writer, binding, CVS_BINDING_SIZE);
    cvs_writer_field(&writer, digest, sizeof digest);
    cvs_hash_bytes(CVS_SHA256, cvs_writer_data(&writer), cvs_writer_size(&writer), ret_nonce);
}

void
cvs_binding_svsm(const guint8 nonce[static CVS_BINDING_SIZE], GBytes *manifest,
                 guint8 ret_report_data[static CVS_BINDING_SIZE])
{
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA512);

    cvs_hasher_update(hasher, nonce, CVS_BINDING_SIZE);
    cvs_hasher_update(hasher, g_bytes_get_data(manifest, NULL), g_bytes_get_size(manifest));
    cvs_hasher_finish(hasher, ret_report_data);
}
