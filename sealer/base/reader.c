/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/reader.h"
#include "base/error.h"

#include <string.h>

void
cvs_reader_init(CvsReader *reader, const void *data, gsize size)
{
    /* A non-NULL pointer also for nothing, so that a read of 0 bytes can succeed. */
    *reader = (CvsReader){.data = data ? data : (const void *)"", .size = data ? size : 0};
}

const guint8 *
cvs_reader_bytes(CvsReader *reader, gsize size)
{
    const guint8 *bytes = NULL;

    if (reader->failed || size > reader->size - reader->pos) {
        reader->failed = TRUE;
        return NULL;
    }
    bytes = reader->data + reader->pos;
    reader->pos += size;
    return bytes;
}

static guint64
read_be(CvsReader *reader, gsize size)
{
    const guint8 *bytes = cvs_reader_bytes(reader, size);
    guint64 value = 0;

    for (gsize i = 0; bytes && i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static guint64
read_le(CvsReader *reader, gsize size)
{
    const guint8 *bytes = cvs_reader_bytes(reader, size);
    guint64 value = 0;

    for (gsize i = size; bytes && i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

guint8
cvs_reader_u8(CvsReader *reader)
{
    return (guint8)read_be(reader, 1);
}

guint16
cvs_reader_u16_be(CvsReader *reader)
{
    return (guint16)read_be(reader, 2);
}

guint32
cvs_reader_u32_be(CvsReader *reader)
{
    return (guint32)read_be(reader, 4);
}

guint64
cvs_reader_u64_be(CvsReader *reader)
{
    return read_be(reader, 8);
}

guint16
cvs_reader_u16_le(CvsReader *reader)
{
    return (guint16)read_le(reader, 2);
}

guint32
cvs_reader_u32_le(CvsReader *reader)
{
    return (guint32)read_le(reader, 4);
}

guint64
cvs_reader_u64_le(CvsReader *reader)
{
    return read_le(reader, 8);
}

gboolean
cvs_reader_copy(CvsReader *reader, void *dest, gsize size)
{
    const guint8 *bytes = cvs_reader_bytes(reader, size);

    if (size == 0)
        return bytes != NULL;
    if (bytes == NULL) {
        memset(dest, 0, size);
        return FALSE;
    }
    memcpy(dest, bytes, size);
    return TRUE;
}

gboolean
cvs_reader_skip(CvsReader *reader, gsize size)
{
    return cvs_reader_bytes(reader, size) != NULL;
}

gboolean
cvs_reader_skip_zero(CvsReader *reader, gsize size)
{
    const guint8 *bytes = cvs_reader_bytes(reader, size);
    guint8 any = 0;

    if (bytes == NULL)
        return FALSE;
    for (gsize i = 0; i < size; i++)
        any |= bytes[i];
    return any == 0;
}

gboolean
cvs_reader_seek(CvsReader *reader, gsize pos)
{
    if (reader->failed || pos > reader->size) {
        reader->failed = TRUE;
        return FALSE;
    }
    reader->pos = pos;
    return TRUE;
}

CvsReader
cvs_reader_sub(CvsReader *reader, gsize size)
{
    const guint8 *bytes = cvs_reader_bytes(reader, size);
    CvsReader sub = {0};

    cvs_reader_init(&sub, bytes, size);
    sub.failed = bytes == NULL;
    return sub;
}

gsize
cvs_reader_left(const CvsReader *reader)
{
    return reader->failed ? 0 : reader->size - reader->pos;
}

gsize
cvs_reader_pos(const CvsReader *reader)
{
    return reader->pos;
}

gboolean
cvs_reader_ok(const CvsReader *reader)
{
    return !reader->failed;
}

gboolean
cvs_reader_done(const CvsReader *reader)
{
    return !reader->failed && reader->pos == reader->size;
}

gboolean
cvs_reader_finish(const CvsReader *reader, const char *what, GError **error)
{
    if (reader->failed)
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s is cut short at byte %zu of %zu",
                    what, reader->pos, reader->size);
    else if (reader->pos != reader->size)
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s has %zu bytes too many", what,
                    reader->size - reader->pos);
    return cvs_reader_done(reader);
}
