/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/writer.h"

#include <string.h>

static void
assert_holds(const CvsWriter *writer, const char *wanted, gsize size)
{
    g_assert_cmpmem(cvs_writer_data(writer), cvs_writer_size(writer), wanted, size);
}

static void
test_numbers(void)
{
    g_auto(CvsWriter) writer;

    cvs_writer_init(&writer);
    cvs_writer_u8(&writer, 0x01);
    cvs_writer_u16_be(&writer, 0x0203);
    cvs_writer_u32_be(&writer, 0x04050607);
    cvs_writer_u64_be(&writer, 0x08090a0b0c0d0e0f);
    cvs_writer_u16_le(&writer, 0x1110);
    cvs_writer_u32_le(&writer, 0x15141312);
    cvs_writer_u64_le(&writer, 0x1d1c1b1a19181716);
    assert_holds(&writer,
                 "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
                 "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d",
                 29);
}

static void
test_bytes(void)
{
    g_auto(CvsWriter) writer;

    cvs_writer_init(&writer);
    cvs_writer_zero(&writer, 0);
    cvs_writer_bytes(&writer, NULL, 0);
    g_assert_cmpuint(cvs_writer_size(&writer), ==, 0);
    cvs_writer_bytes(&writer, "ab", 2);
    cvs_writer_zero(&writer, 3);
    cvs_writer_bytes(&writer, "c", 1);
    assert_holds(&writer, "ab\0\0\0c", 6);
}

static void
test_fields(void)
{
    g_auto(CvsWriter) one;
    g_auto(CvsWriter) two;

    cvs_writer_init(&one);
    cvs_writer_field_string(&one, "ab");
    cvs_writer_field(&one, "c", 1);
    cvs_writer_field(&one, NULL, 0);
    assert_holds(&one, "\0\0\0\2ab\0\0\0\1c\0\0\0\0", 15);
    /* The same letters cut elsewhere are other bytes. */
    cvs_writer_init(&two);
    cvs_writer_field_string(&two, "a");
    cvs_writer_field_string(&two, "bc");
    cvs_writer_field_string(&two, "");
    g_assert_cmpuint(cvs_writer_size(&one), ==, cvs_writer_size(&two));
    g_assert_cmpint(memcmp(cvs_writer_data(&one), cvs_writer_data(&two), 15), !=, 0);
}

static void
test_steal(void)
{
    g_auto(CvsWriter) writer;
    g_autoptr(GBytes) first = NULL;
    g_autoptr(GBytes) second = NULL;

    cvs_writer_init(&writer);
    cvs_writer_u8(&writer, 7);
    first = cvs_writer_steal(&writer);
    g_assert_cmpuint(cvs_writer_size(&writer), ==, 0);
    cvs_writer_u16_be(&writer, 1);
    second = cvs_writer_steal(&writer);
    g_assert_cmpmem(g_bytes_get_data(first, NULL), g_bytes_get_size(first), "\7", 1);
    g_assert_cmpmem(g_bytes_get_data(second, NULL), g_bytes_get_size(second), "\0\1", 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/writer/numbers", test_numbers);
    g_test_add_func("/writer/bytes", test_bytes);
    g_test_add_func("/writer/fields", test_fields);
    g_test_add_func("/writer/steal", test_steal);
    return g_test_run();
}
