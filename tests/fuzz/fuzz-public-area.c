/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "tpm/public-area.h"

#include <string.h>

static void
check(const CvsPublicArea *area, const guint8 *data, gsize size)
{
    g_assert_cmpmem(g_bytes_get_data(area->bytes, NULL), g_bytes_get_size(area->bytes), data, size);
    g_assert_cmpuint(area->name.size, ==, 2 + cvs_hash_size(area->name_alg));
    g_assert_cmpuint(area->unique_at, <, size);
    g_assert_nonnull(area->key);
    g_assert_true(EVP_PKEY_get_bits(area->key) >= 256);
}

/* As one area, and as a list of areas with their sizes before them. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsPublicArea) area = cvs_public_area_parse(data, size, "area", NULL);
    CvsReader reader = {0};

    if (area != NULL)
        check(area, data, size);
    cvs_reader_init(&reader, data, size);
    while (cvs_reader_ok(&reader) && !cvs_reader_done(&reader)) {
        gsize start = cvs_reader_pos(&reader);
        g_autoptr(CvsPublicArea) next = cvs_public_area_read(&reader, "list", NULL);

        g_assert_cmpuint(cvs_reader_pos(&reader), <=, size);
        if (next != NULL)
            check(next, data + start + 2, cvs_reader_pos(&reader) - start - 2);
    }
    return 0;
}
