/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds bytes: for what is hashed, signed or sent. Not for secrets, whose buffers are wiped. */

#include <glib.h>

typedef struct {
    GByteArray *bytes;
} CvsWriter;

void cvs_writer_init(CvsWriter *writer);
void cvs_writer_clear(CvsWriter *writer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsWriter, cvs_writer_clear)

void cvs_writer_u8(CvsWriter *writer, guint8 value);
void cvs_writer_u16_be(CvsWriter *writer, guint16 value);
void cvs_writer_u32_be(CvsWriter *writer, guint32 value);
void cvs_writer_u64_be(CvsWriter *writer, guint64 value);
void cvs_writer_u16_le(CvsWriter *writer, guint16 value);
void cvs_writer_u32_le(CvsWriter *writer, guint32 value);
void cvs_writer_u64_le(CvsWriter *writer, guint64 value);
void cvs_writer_bytes(CvsWriter *writer, const void *data, gsize size);
void cvs_writer_zero(CvsWriter *writer, gsize size);
/* u32 big-endian length, then the bytes: the form of every field that we hash ourselves, so that
 * no two lists of fields give the same bytes. */
void cvs_writer_field(CvsWriter *writer, const void *data, gsize size);
void cvs_writer_field_string(CvsWriter *writer, const char *text);

const guint8 *cvs_writer_data(const CvsWriter *writer);
gsize cvs_writer_size(const CvsWriter *writer);
/* The bytes; the writer is empty afterwards. */
GBytes *cvs_writer_steal(CvsWriter *writer);
