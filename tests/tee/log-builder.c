/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-builder.h"
#include "base/digest.h"

#include <stdarg.h>

#define EV_NO_ACTION 3

LogBuilder *
log_builder_new(void)
{
    return g_byte_array_new();
}

static void
append_le(LogBuilder *log, guint64 value, guint size)
{
    for (guint i = 0; i < size; i++)
        log_builder_u8(log, (guint8)(value >> (8 * i)));
}

void
log_builder_u8(LogBuilder *log, guint8 value)
{
    g_byte_array_append(log, &value, 1);
}

void
log_builder_u16(LogBuilder *log, guint16 value)
{
    append_le(log, value, 2);
}

void
log_builder_u32(LogBuilder *log, guint32 value)
{
    append_le(log, value, 4);
}

void
log_builder_u64(LogBuilder *log, guint64 value)
{
    append_le(log, value, 8);
}

void
log_builder_bytes(LogBuilder *log, const void *data, gsize size)
{
    g_byte_array_append(log, data, (guint)size);
}

void
log_builder_fill(LogBuilder *log, guint8 value, gsize size)
{
    for (gsize i = 0; i < size; i++)
        log_builder_u8(log, value);
}

static CvsHash
hash_of(guint16 alg)
{
    switch (alg) {
    case ALG_SHA1:
        return CVS_SHA1;
    case ALG_SHA256:
        return CVS_SHA256;
    case ALG_SHA384:
        return CVS_SHA384;
    case ALG_SHA512:
        return CVS_SHA512;
    default:
        g_assert_not_reached();
    }
}

void
log_builder_header(LogBuilder *log, guint32 index, ...)
{
    va_list args;
    guint16 algs[8];
    guint n = 0;
    guint alg = 0;

    va_start(args, index);
    while ((alg = va_arg(args, guint)) != 0)
        algs[n++] = (guint16)alg;
    va_end(args);

    log_builder_u32(log, index);
    log_builder_u32(log, EV_NO_ACTION);
    log_builder_fill(log, 0, 20);
    log_builder_u32(log, 16 + 12 + 4 * n + 1);
    log_builder_bytes(log, "Spec ID Event03", 16);
    log_builder_u32(log, 0);
    log_builder_bytes(log, "\x00\x02\x00\x02", 4);
    log_builder_u32(log, n);
    for (guint i = 0; i < n; i++) {
        log_builder_u16(log, algs[i]);
        log_builder_u16(log, algs[i] == ALG_SM3 ? 32 : (guint16)cvs_hash_size(hash_of(algs[i])));
    }
    log_builder_u8(log, 0);
}

void
log_builder_event_over(LogBuilder *log, guint32 index, guint32 type, guint16 alg,
                       const void *measured, gsize measured_size, const void *data, gsize size)
{
    guint8 digest[CVS_DIGEST_MAX];

    cvs_hash_bytes(hash_of(alg), measured, measured_size, digest);
    log_builder_u32(log, index);
    log_builder_u32(log, type);
    log_builder_u32(log, 1);
    log_builder_u16(log, alg);
    log_builder_bytes(log, digest, cvs_hash_size(hash_of(alg)));
    log_builder_u32(log, (guint32)size);
    log_builder_bytes(log, data, size);
}

void
log_builder_event(LogBuilder *log, guint32 index, guint32 type, guint16 alg, const void *data,
                  gsize size)
{
    log_builder_event_over(log, index, type, alg, data, size, data, size);
}

void
log_builder_event1(LogBuilder *log, guint32 index, guint32 type, const void *data, gsize size)
{
    guint8 digest[CVS_DIGEST_MAX];

    cvs_hash_bytes(CVS_SHA1, data, size, digest);
    log_builder_u32(log, index);
    log_builder_u32(log, type);
    log_builder_bytes(log, digest, 20);
    log_builder_u32(log, (guint32)size);
    log_builder_bytes(log, data, size);
}

GBytes *
log_builder_end(LogBuilder *log)
{
    return g_byte_array_free_to_bytes(log);
}
