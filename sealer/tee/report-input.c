/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/report-input.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/reader.h"
#include "tee/snp-report.h"
#include "tee/tdreport.h"

#include <string.h>

#define TEE_SGX 0
#define TEE_TDX 0x81
#define QUOTE_VERSION_MIN 3
#define QUOTE_VERSION_MAX 5
#define KEY_P256 2
#define KEY_P384 3
#define SNP_VERSION_PLAUSIBLE 0xff

static const char *const names[] = {
    [CVS_REPORT_SNP] = "snp",
    [CVS_REPORT_TDX] = "tdx",
    [CVS_REPORT_HCL] = "hcl",
    [CVS_REPORT_TDREPORT] = "tdreport",
};

const char *
cvs_report_type_name(CvsReportType type)
{
    return names[type];
}

CvsReportType
cvs_report_type_from_name(const char *name)
{
    for (gsize i = CVS_REPORT_SNP; i < G_N_ELEMENTS(names); i++) {
        if (g_str_equal(names[i], name))
            return (CvsReportType)i;
    }
    return CVS_REPORT_UNKNOWN;
}

static gsize
skip_blanks(const char *text, gsize size, gsize at)
{
    while (at < size && g_ascii_isspace(text[at]))
        at++;
    return at;
}

/* Where the digits begin: behind blanks and 0x. */
static gsize
digits_start(const char *text, gsize size)
{
    gsize at = skip_blanks(text, size, 0);

    if (size - at >= 2 && text[at] == '0' && (text[at + 1] == 'x' || text[at + 1] == 'X'))
        at += 2;
    return at;
}

/* The offset of the first byte that is neither digit nor blank, or the size. */
static gsize
find_stranger(const char *text, gsize size)
{
    gsize at = digits_start(text, size);

    while (at < size && (g_ascii_isxdigit(text[at]) || g_ascii_isspace(text[at])))
        at++;
    return at;
}

gboolean
cvs_report_is_hex_text(const void *data, gsize size)
{
    return skip_blanks(data, size, 0) < size && find_stranger(data, size) == size;
}

static gboolean
is_text(const char *data, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isprint(data[i]) && !g_ascii_isspace(data[i]))
            return FALSE;
    }
    return size > 0;
}

GBytes *
cvs_report_decode(GBytes *input, const char *what, GError **error)
{
    gsize size = 0;
    const char *text = g_bytes_get_data(input, &size);
    g_autoptr(GString) digits = NULL;
    gsize stranger = 0;

    if (!is_text(text, size))
        return g_bytes_ref(input);
    stranger = find_stranger(text, size);
    if (stranger < size) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: byte %zu: text that is not hexadecimal digits ('%c')", what, stranger,
                    text[stranger]);
        return NULL;
    }
    digits = g_string_sized_new(size);
    for (gsize i = digits_start(text, size); i < size; i++) {
        if (!g_ascii_isspace(text[i]))
            g_string_append_c(digits, text[i]);
    }
    if (digits->len == 0 || digits->len % 2 != 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: byte %zu: the text ends after %zu hexadecimal digits; %s", what, size,
                    digits->len, digits->len == 0 ? "there are none" : "a byte has two of them");
        return NULL;
    }
    return cvs_hex_decode(digits->str, (gssize)digits->len, error);
}

static gboolean
read_quote_header(const void *data, gsize size, guint32 *ret_tee)
{
    CvsReader reader;
    guint16 version = 0;
    guint16 key = 0;

    cvs_reader_init(&reader, data, size);
    version = cvs_reader_u16_le(&reader);
    key = cvs_reader_u16_le(&reader);
    *ret_tee = cvs_reader_u32_le(&reader);
    return cvs_reader_ok(&reader) && version >= QUOTE_VERSION_MIN && version <= QUOTE_VERSION_MAX &&
           (key == KEY_P256 || key == KEY_P384);
}

gboolean
cvs_report_is_quote(const void *data, gsize size)
{
    guint32 tee = 0;

    return read_quote_header(data, size, &tee) && (tee == TEE_TDX || tee == TEE_SGX);
}

CvsReportType
cvs_report_type_detect(const void *data, gsize size)
{
    const guint8 *bytes = data;
    guint32 tee = 0;
    guint32 first = 0;

    if (size < 4)
        return CVS_REPORT_UNKNOWN;
    first = (guint32)bytes[0] | (guint32)bytes[1] << 8 | (guint32)bytes[2] << 16 |
            (guint32)bytes[3] << 24;
    if (memcmp(bytes, "HCLA", 4) == 0)
        return CVS_REPORT_HCL;
    if (read_quote_header(bytes, size, &tee))
        return tee == TEE_TDX ? CVS_REPORT_TDX : CVS_REPORT_UNKNOWN;
    if (first >= CVS_SNP_VERSION_MIN && first <= CVS_SNP_VERSION_MAX)
        return CVS_REPORT_SNP;
    /* A TDREPORT's type, subtype and version. */
    if (bytes[0] == TEE_TDX && bytes[1] == 0 && bytes[2] <= 1 && bytes[3] == 0)
        return CVS_REPORT_TDREPORT;
    if (size == CVS_SNP_REPORT_SIZE && first <= SNP_VERSION_PLAUSIBLE)
        return CVS_REPORT_SNP;
    if (size == CVS_TDREPORT_SIZE && bytes[0] == TEE_TDX)
        return CVS_REPORT_TDREPORT;
    return CVS_REPORT_UNKNOWN;
}
