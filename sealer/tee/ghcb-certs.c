/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/ghcb-certs.h"
#include "base/error.h"
#include "base/reader.h"
#include "tee/x509.h"

#include <string.h>

#define GUID_SIZE 16
#define ENTRY_SIZE 24

typedef enum {
    ENTRY_VCEK,
    ENTRY_VLEK,
    ENTRY_ASK, /* or ASVK */
    ENTRY_ARK,
    N_KNOWN
} Known;

static const struct {
    const char *name;
    guint8 guid[GUID_SIZE];
} known[N_KNOWN] = {
    /* 63da758d-e664-4564-adc5-f4b93be8accd */
    [ENTRY_VCEK] = {"VCEK",
                    {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b,
                     0xe8, 0xac, 0xcd}},
    /* a8074bc2-a25a-483e-aae6-39c045a0b8a1 */
    [ENTRY_VLEK] = {"VLEK",
                    {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45,
                     0xa0, 0xb8, 0xa1}},
    /* 4ab7b379-bbac-4fe4-a02f-05aef327c782 */
    [ENTRY_ASK] = {"ASK",
                   {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3,
                    0x27, 0xc7, 0x82}},
    /* c0b406a4-a803-4952-9743-3fb6014cd0ae */
    [ENTRY_ARK] = {"ARK",
                   {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01,
                    0x4c, 0xd0, 0xae}},
};

typedef struct {
    guint8 guid[GUID_SIZE];
    guint32 offset;
    guint32 length;
} Entry;

static Known
find_known(const guint8 guid[static GUID_SIZE])
{
    for (gsize i = 0; i < N_KNOWN; i++) {
        if (memcmp(known[i].guid, guid, GUID_SIZE) == 0)
            return (Known)i;
    }
    return N_KNOWN;
}

/* The entries before the one that is all zero; NULL if there is no such one. */
static GArray *
read_entries(CvsReader *reader)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));

    for (;;) {
        static const Entry zero;
        Entry entry = {0};

        (void)cvs_reader_copy(reader, entry.guid, GUID_SIZE);
        entry.offset = cvs_reader_u32_le(reader);
        entry.length = cvs_reader_u32_le(reader);
        if (!cvs_reader_ok(reader))
            return NULL;
        if (memcmp(&entry, &zero, sizeof entry) == 0)
            return g_steal_pointer(&entries);
        g_array_append_val(entries, entry);
    }
}

static gboolean
load_one(const guint8 *data, gsize size, guint number, Known which, GPtrArray *into, GError **error)
{
    g_autofree char *what =
        g_strdup_printf("certificate table: entry %u (%s)", number, known[which].name);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    X509 *cert = NULL;

    if (!cvs_x509_load(data, size, what, certs, NULL, error))
        return FALSE;
    if (certs->len != 1) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %u certificates where one belongs",
                    what, certs->len);
        return FALSE;
    }
    cert = g_ptr_array_index(certs, 0);
    (void)X509_up_ref(cert);
    g_ptr_array_add(into, cert);
    return TRUE;
}

/* The table's entries, each of which lies within the blob and behind the table. */
static GArray *
load_table(const void *data, gsize size, GError **error)
{
    g_autoptr(GArray) entries = NULL;
    gsize table_size = 0;
    CvsReader reader;

    if (size > CVS_GHCB_CERTS_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "certificate table: %zu bytes; at most %d are read", size, CVS_GHCB_CERTS_MAX);
        return NULL;
    }
    cvs_reader_init(&reader, data, size);
    entries = read_entries(&reader);
    if (entries == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "certificate table: %zu bytes without an entry of zeros at the end", size);
        return NULL;
    }
    table_size = cvs_reader_pos(&reader);
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);

        if (entry->offset >= table_size && entry->offset <= size &&
            entry->length <= size - entry->offset)
            continue;
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "certificate table: entry %u: %u bytes at offset %u are not between the "
                    "table's %zu bytes and the end at %zu",
                    i, entry->length, entry->offset, table_size, size);
        return NULL;
    }
    return g_steal_pointer(&entries);
}

gboolean
cvs_ghcb_certs_detect(const void *data, gsize size)
{
    g_autoptr(GArray) entries = NULL;

    if (size < ENTRY_SIZE)
        return FALSE;
    /* Also where the rest is damaged: what is wrong with it is then said in its own terms. */
    if (find_known(data) != N_KNOWN)
        return TRUE;
    entries = load_table(data, size, NULL);
    for (guint i = 0; entries && i < entries->len; i++) {
        if (find_known(g_array_index(entries, Entry, i).guid) != N_KNOWN)
            return TRUE;
    }
    return FALSE;
}

gboolean
cvs_ghcb_certs_load(const void *data, gsize size, GPtrArray *leaves, GError **error)
{
    g_autoptr(GArray) entries = NULL;
    guint before = leaves->len;

    if (size == 0)
        return TRUE;
    entries = load_table(data, size, error);
    if (entries == NULL)
        return FALSE;
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);
        Known which = find_known(entry->guid);

        if ((which != ENTRY_VCEK && which != ENTRY_VLEK) ||
            load_one((const guint8 *)data + entry->offset, entry->length, i, which, leaves, error))
            continue;
        g_ptr_array_set_size(leaves, (int)before);
        return FALSE;
    }
    return TRUE;
}

gboolean
cvs_ghcb_certs_load_issuers(const void *data, gsize size, GPtrArray *certs, GError **error)
{
    g_autoptr(GArray) entries = NULL;

    if (size == 0)
        return TRUE;
    entries = load_table(data, size, error);
    if (entries == NULL)
        return FALSE;
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);
        Known which = find_known(entry->guid);

        if (which == ENTRY_ASK || which == ENTRY_ARK)
            (void)load_one((const guint8 *)data + entry->offset, entry->length, i, which, certs,
                           NULL);
    }
    return TRUE;
}
