/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A bounded reader over bytes from outside. It never reads past the end; the first read that would
 * marks the reader as failed, and from then on every read fails too, so a parser may read a whole
 * structure and ask once at its end. What a failed read returns is 0 or NULL, never stale bytes.
 *
 * The reader does not own the bytes: they must outlive it and every pointer it gave out. */

#include <glib.h>

typedef struct {
    const guint8 *data;
    gsize size;
    gsize pos;
    gboolean failed;
} CvsReader;

/* data may be NULL if size is 0. */
void cvs_reader_init(CvsReader *reader, const void *data, gsize size);

guint8 cvs_reader_u8(CvsReader *reader);
guint16 cvs_reader_u16_be(CvsReader *reader);
guint32 cvs_reader_u32_be(CvsReader *reader);
guint64 cvs_reader_u64_be(CvsReader *reader);
guint16 cvs_reader_u16_le(CvsReader *reader);
guint32 cvs_reader_u32_le(CvsReader *reader);
guint64 cvs_reader_u64_le(CvsReader *reader);

/* size bytes in place, or NULL. A read of 0 bytes gives a valid pointer unless the reader failed.
 */
const guint8 *cvs_reader_bytes(CvsReader *reader, gsize size);
/* Copies size bytes out; dest is zeroed if they are not there. */
gboolean cvs_reader_copy(CvsReader *reader, void *dest, gsize size);
gboolean cvs_reader_skip(CvsReader *reader, gsize size);
/* Skips size bytes and tells whether all of them were zero (FALSE also when they are not there). */
gboolean cvs_reader_skip_zero(CvsReader *reader, gsize size);
/* Moves to an absolute position, at most the size. */
gboolean cvs_reader_seek(CvsReader *reader, gsize pos);
/* A reader over the next size bytes, which are skipped in the parent. Failed if they are not
 * there. */
CvsReader cvs_reader_sub(CvsReader *reader, gsize size);

gsize cvs_reader_left(const CvsReader *reader);
gsize cvs_reader_pos(const CvsReader *reader);
/* No read failed so far. */
gboolean cvs_reader_ok(const CvsReader *reader);
/* No read failed and nothing is left. */
gboolean cvs_reader_done(const CvsReader *reader);
/* As cvs_reader_done(), with an error BadFormat that names what was being read: "WHAT is cut short
 * at byte N" or "WHAT has N bytes too many". */
gboolean cvs_reader_finish(const CvsReader *reader, const char *what, GError **error);
