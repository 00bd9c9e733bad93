/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/reader.h"

#include <string.h>

static const guint8 bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09};

static void
test_numbers(void)
{
    CvsReader r;

    cvs_reader_init(&r, bytes, sizeof bytes);
    g_assert_cmphex(cvs_reader_u8(&r), ==, 0x01);
    g_assert_cmphex(cvs_reader_u64_be(&r), ==, 0x0203040506070809);
    g_assert_true(cvs_reader_done(&r));
    cvs_reader_init(&r, bytes, sizeof bytes);
    g_assert_cmphex(cvs_reader_u16_be(&r), ==, 0x0102);
    g_assert_cmphex(cvs_reader_u32_be(&r), ==, 0x03040506);
    g_assert_cmpuint(cvs_reader_left(&r), ==, 3);
    cvs_reader_init(&r, bytes, sizeof bytes);
    g_assert_cmphex(cvs_reader_u16_le(&r), ==, 0x0201);
    g_assert_cmphex(cvs_reader_u32_le(&r), ==, 0x06050403);
    g_assert_cmpuint(cvs_reader_pos(&r), ==, 6);
    cvs_reader_init(&r, bytes, sizeof bytes);
    g_assert_cmphex(cvs_reader_u64_le(&r), ==, 0x0807060504030201);
}

typedef guint64 (*ReadFunction)(CvsReader *r);

#define READ(name, expression)                                                                     \
    static guint64 read_##name(CvsReader *r)                                                       \
    {                                                                                              \
        return expression;                                                                         \
    }
READ(u8, cvs_reader_u8(r))
READ(u16_be, cvs_reader_u16_be(r))
READ(u32_be, cvs_reader_u32_be(r))
READ(u64_be, cvs_reader_u64_be(r))
READ(u16_le, cvs_reader_u16_le(r))
READ(u32_le, cvs_reader_u32_le(r))
READ(u64_le, cvs_reader_u64_le(r))
READ(bytes3, cvs_reader_bytes(r, 3) != NULL)
READ(skip3, (guint64)cvs_reader_skip(r, 3))
READ(sub3, (guint64)({
         CvsReader sub = cvs_reader_sub(r, 3);

         cvs_reader_ok(&sub);
     }))

/* Every read at every length, from a buffer on the heap of exactly that size, so that a sanitizer
 * or valgrind sees one byte too far. */
static void
test_bounds(void)
{
    static const struct {
        ReadFunction read;
        gsize size;
    } reads[] = {
        {read_u8, 1},     {read_u16_be, 2}, {read_u32_be, 4}, {read_u64_be, 8}, {read_u16_le, 2},
        {read_u32_le, 4}, {read_u64_le, 8}, {read_bytes3, 3}, {read_skip3, 3},  {read_sub3, 3},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(reads); i++) {
        for (gsize size = 0; size <= sizeof bytes; size++) {
            g_autofree guint8 *exact = g_memdup2(bytes, size);
            CvsReader r;

            cvs_reader_init(&r, exact, size);
            if (size >= reads[i].size) {
                g_assert_cmpuint(reads[i].read(&r), !=, 0);
                g_assert_true(cvs_reader_ok(&r));
                g_assert_cmpuint(cvs_reader_pos(&r), ==, reads[i].size);
                g_assert_cmpuint(cvs_reader_left(&r), ==, size - reads[i].size);
            } else {
                g_assert_cmpuint(reads[i].read(&r), ==, 0);
                g_assert_false(cvs_reader_ok(&r));
                g_assert_false(cvs_reader_done(&r));
                g_assert_cmpuint(cvs_reader_left(&r), ==, 0);
                /* It stays failed, also for what would fit. */
                for (gsize j = 0; j < G_N_ELEMENTS(reads); j++)
                    g_assert_cmpuint(reads[j].read(&r), ==, 0);
                g_assert_false(cvs_reader_seek(&r, 0));
            }
        }
    }
}

static void
test_huge(void)
{
    static const gsize sizes[] = {G_MAXSIZE, G_MAXSIZE - 1, G_MAXSIZE - 4, (gsize)G_MAXSSIZE};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        CvsReader r;

        cvs_reader_init(&r, bytes, sizeof bytes);
        (void)cvs_reader_u32_be(&r);
        g_assert_null(cvs_reader_bytes(&r, sizes[i]));
        cvs_reader_init(&r, bytes, sizeof bytes);
        g_assert_false(cvs_reader_seek(&r, sizes[i]));
        g_assert_false(cvs_reader_ok(&r));
    }
}

static void
test_nothing(void)
{
    CvsReader r;

    cvs_reader_init(&r, NULL, 0);
    g_assert_true(cvs_reader_done(&r));
    g_assert_nonnull(cvs_reader_bytes(&r, 0));
    g_assert_true(cvs_reader_skip(&r, 0));
    g_assert_true(cvs_reader_skip_zero(&r, 0));
    g_assert_true(cvs_reader_copy(&r, NULL, 0));
    g_assert_cmpuint(cvs_reader_u8(&r), ==, 0);
    g_assert_false(cvs_reader_ok(&r));
    g_assert_null(cvs_reader_bytes(&r, 0));
    /* A size without bytes is no licence to read. */
    cvs_reader_init(&r, NULL, 10);
    g_assert_cmpuint(cvs_reader_left(&r), ==, 0);
}

static void
test_copy(void)
{
    guint8 dest[6];
    CvsReader r;

    cvs_reader_init(&r, bytes, 4);
    g_assert_true(cvs_reader_copy(&r, dest, 4));
    g_assert_cmpmem(dest, 4, bytes, 4);
    memset(dest, 0x5a, sizeof dest);
    cvs_reader_init(&r, bytes, 4);
    g_assert_false(cvs_reader_copy(&r, dest, 5));
    g_assert_cmpmem(dest, 6, "\0\0\0\0\0\x5a", 6);
}

static void
test_skip_zero(void)
{
    static const guint8 mostly[] = {0, 0, 0, 1};
    CvsReader r;

    cvs_reader_init(&r, mostly, sizeof mostly);
    g_assert_true(cvs_reader_skip_zero(&r, 3));
    g_assert_false(cvs_reader_skip_zero(&r, 1));
    g_assert_true(cvs_reader_done(&r));
    cvs_reader_init(&r, mostly, 2);
    g_assert_false(cvs_reader_skip_zero(&r, 3));
    g_assert_false(cvs_reader_ok(&r));
}

static void
test_sub(void)
{
    CvsReader r, sub;

    cvs_reader_init(&r, bytes, sizeof bytes);
    (void)cvs_reader_u8(&r);
    sub = cvs_reader_sub(&r, 2);
    g_assert_cmphex(cvs_reader_u16_be(&sub), ==, 0x0203);
    g_assert_true(cvs_reader_done(&sub));
    /* The part does not reach into the rest, and its failure is not the whole's. */
    g_assert_cmpuint(cvs_reader_u8(&sub), ==, 0);
    g_assert_false(cvs_reader_ok(&sub));
    g_assert_true(cvs_reader_ok(&r));
    g_assert_cmphex(cvs_reader_u8(&r), ==, 0x04);
    sub = cvs_reader_sub(&r, 6);
    g_assert_false(cvs_reader_ok(&sub));
    g_assert_false(cvs_reader_ok(&r));
    g_assert_cmpuint(cvs_reader_left(&sub), ==, 0);
}

static void
test_finish(void)
{
    g_autoptr(GError) too_long = NULL;
    g_autoptr(GError) short_error = NULL;
    CvsReader r;

    cvs_reader_init(&r, bytes, 4);
    (void)cvs_reader_u8(&r);
    g_assert_false(cvs_reader_finish(&r, "a quote", &too_long));
    g_assert_error(too_long, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(too_long->message, ==, "a quote has 3 bytes too many");
    (void)cvs_reader_u64_le(&r);
    g_assert_false(cvs_reader_finish(&r, "a quote", &short_error));
    g_assert_cmpstr(short_error->message, ==, "a quote is cut short at byte 1 of 4");
    cvs_reader_init(&r, bytes, 1);
    (void)cvs_reader_u8(&r);
    g_assert_true(cvs_reader_finish(&r, "a quote", NULL));
    g_assert_true(cvs_reader_seek(&r, 1));
    g_assert_true(cvs_reader_seek(&r, 0));
    g_assert_false(cvs_reader_finish(&r, "a quote", NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reader/numbers", test_numbers);
    g_test_add_func("/reader/bounds", test_bounds);
    g_test_add_func("/reader/huge", test_huge);
    g_test_add_func("/reader/nothing", test_nothing);
    g_test_add_func("/reader/copy", test_copy);
    g_test_add_func("/reader/skip-zero", test_skip_zero);
    g_test_add_func("/reader/sub", test_sub);
    g_test_add_func("/reader/finish", test_finish);
    return g_test_run();
}
