/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Event logs made by hand, also wrong ones. */

#include <glib.h>

#define ALG_SHA1 0x0004
#define ALG_SHA256 0x000b
#define ALG_SHA384 0x000c
#define ALG_SHA512 0x000d
#define ALG_SM3 0x0012

typedef GByteArray LogBuilder;

LogBuilder *log_builder_new(void);
void log_builder_u8(LogBuilder *log, guint8 value);
void log_builder_u16(LogBuilder *log, guint16 value);
void log_builder_u32(LogBuilder *log, guint32 value);
void log_builder_u64(LogBuilder *log, guint64 value);
void log_builder_bytes(LogBuilder *log, const void *data, gsize size);
void log_builder_fill(LogBuilder *log, guint8 value, gsize size);
/* A first record that declares the algorithms (ended by 0), each with its right size. */
void log_builder_header(LogBuilder *log, guint32 index, ...);
/* A crypto-agile record whose one digest is over the data, of an algorithm of ours. */
void log_builder_event(LogBuilder *log, guint32 index, guint32 type, guint16 alg, const void *data,
                       gsize size);
/* The same with the digest over something else. */
void log_builder_event_over(LogBuilder *log, guint32 index, guint32 type, guint16 alg,
                            const void *measured, gsize measured_size, const void *data,
                            gsize size);
/* A SHA-1 record over the data. */
void log_builder_event1(LogBuilder *log, guint32 index, guint32 type, const void *data, gsize size);
/* The bytes so far; frees the builder. */
GBytes *log_builder_end(LogBuilder *log);
