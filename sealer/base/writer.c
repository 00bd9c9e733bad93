/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/writer.h"

#include <string.h>

void
cvs_writer_init(CvsWriter *writer)
{
    writer->bytes = g_byte_array_new();
}

void
cvs_writer_clear(CvsWriter *writer)
{
    g_clear_pointer(&writer->bytes, g_byte_array_unref);
}

static void
write_be(CvsWriter *writer, guint64 value, gsize size)
{
    guint8 bytes[8];

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)(value >> 8 * (size - 1 - i));
    cvs_writer_bytes(writer, bytes, size);
}

static void
write_le(CvsWriter *writer, guint64 value, gsize size)
{
    guint8 bytes[8];

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)(value >> 8 * i);
    cvs_writer_bytes(writer, bytes, size);
}

void
cvs_writer_u8(CvsWriter *writer, guint8 value)
{
    write_be(writer, value, 1);
}

void
cvs_writer_u16_be(CvsWriter *writer, guint16 value)
{
    write_be(writer, value, 2);
}

void
cvs_writer_u32_be(CvsWriter *writer, guint32 value)
{
    write_be(writer, value, 4);
}

void
cvs_writer_u64_be(CvsWriter *writer, guint64 value)
{
    write_be(writer, value, 8);
}

void
cvs_writer_u16_le(CvsWriter *writer, guint16 value)
{
    write_le(writer, value, 2);
}

void
cvs_writer_u32_le(CvsWriter *writer, guint32 value)
{
    write_le(writer, value, 4);
}

void
cvs_writer_u64_le(CvsWriter *writer, guint64 value)
{
    write_le(writer, value, 8);
}

void
cvs_writer_bytes(CvsWriter *writer, const void *data, gsize size)
{
    if (size > 0)
        g_byte_array_append(writer->bytes, data, (guint)size);
}

void
cvs_writer_zero(CvsWriter *writer, gsize size)
{
    guint old = writer->bytes->len;

    if (size == 0)
        return;
    g_byte_array_set_size(writer->bytes, old + (guint)size);
    memset(writer->bytes->data + old, 0, size);
}

void
cvs_writer_field(CvsWriter *writer, const void *data, gsize size)
{
    g_return_if_fail(size <= G_MAXUINT32);

    cvs_writer_u32_be(writer, (guint32)size);
    cvs_writer_bytes(writer, data, size);
}

void
cvs_writer_field_string(CvsWriter *writer, const char *text)
{
    cvs_writer_field(writer, text, strlen(text));
}

const guint8 *
cvs_writer_data(const CvsWriter *writer)
{
    return writer->bytes->data;
}

gsize
cvs_writer_size(const CvsWriter *writer)
{
    return writer->bytes->len;
}

GBytes *
cvs_writer_steal(CvsWriter *writer)
{
    GBytes *bytes = g_byte_array_free_to_bytes(writer->bytes);

    writer->bytes = g_byte_array_new();
    return bytes;
}
