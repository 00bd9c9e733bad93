/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/pcr.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"

#include <string.h>

/* PCRs 0 to 7 as the TCG profile has them, 8 to 15 as Linux systems have come to use what it leaves
 * to the operating system. */
static const char *const titles[CVS_PCR_COUNT] = {
    [0] = "firmware code",
    [1] = "firmware configuration",
    [2] = "option ROM code",
    [3] = "option ROM configuration",
    [4] = "boot loader code",
    [5] = "boot loader configuration and partition table",
    [6] = "platform manufacturer",
    [7] = "Secure Boot policy",
    [8] = "boot loader commands",
    [9] = "kernel and initrd",
    [10] = "integrity measurement of files",
    [11] = "unified kernel image",
    [12] = "kernel command line",
    [13] = "system extensions and boot latch",
    [14] = "machine owner keys",
    [15] = "machine and volume identity",
    [16] = "debug",
    [17] = "dynamic launch",
    [18] = "dynamic launch authorities",
    [19] = "trusted operating system",
    [20] = "trusted operating system",
    [21] = "trusted operating system",
    [22] = "trusted operating system",
    [23] = "application",
};

/* A decimal number from 0 to 23 without leading zeros; moves *text behind it. */
static gboolean
parse_number(const char **text, guint *ret_pcr)
{
    const char *p = *text;
    guint pcr = 0;

    if (!g_ascii_isdigit(*p))
        return FALSE;
    if (*p == '0' && g_ascii_isdigit(p[1]))
        return FALSE;
    for (; g_ascii_isdigit(*p); p++) {
        pcr = pcr * 10 + (guint)(*p - '0');
        if (pcr >= CVS_PCR_COUNT)
            return FALSE;
    }
    *text = p;
    *ret_pcr = pcr;
    return TRUE;
}

gboolean
cvs_pcr_mask_parse(const char *text, guint32 *ret_mask, GError **error)
{
    const char *p = text;
    guint32 mask = 0;

    for (;;) {
        guint pcr = 0;

        if (!parse_number(&p, &pcr) || (*p != '\0' && *p != '+' && *p != ',')) {
            g_set_error(
                error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                "\"%.80s\" is not a list of PCRs: write numbers from 0 to %d joined by \"+\", "
                "as in 0+2+7",
                text, CVS_PCR_COUNT - 1);
            return FALSE;
        }
        if (mask & 1u << pcr) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "PCR %u stands twice in \"%.80s\"", pcr, text);
            return FALSE;
        }
        mask |= 1u << pcr;
        if (*p == '\0')
            break;
        p++;
    }
    *ret_mask = mask;
    return TRUE;
}

char *
cvs_pcr_mask_format(guint32 mask)
{
    GString *text = g_string_new(NULL);

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (mask & 1u << pcr)
            g_string_append_printf(text, "%s%u", text->len > 0 ? "+" : "", pcr);
    }
    return g_string_free(text, FALSE);
}

static gboolean
bank_is_ours(CvsHash bank)
{
    return bank == CVS_SHA256 || bank == CVS_SHA384;
}

gboolean
cvs_pcr_bank_parse(const char *text, CvsHash *ret_bank, GError **error)
{
    CvsHash bank = CVS_SHA256;

    if (!cvs_hash_from_name(text, &bank) || !bank_is_ours(bank)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "\"%.40s\" is not a PCR bank: sha256 or sha384 is", text);
        return FALSE;
    }
    *ret_bank = bank;
    return TRUE;
}

const char *
cvs_pcr_title(guint pcr)
{
    g_return_val_if_fail(pcr < CVS_PCR_COUNT, "");
    return titles[pcr];
}

void
cvs_pcr_values_digest(const CvsPcrValues *values, guint8 digest[static 32])
{
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA256);
    gsize size = cvs_hash_size(values->selection.bank);

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (values->selection.mask & 1u << pcr)
            cvs_hasher_update(hasher, values->value[pcr], size);
    }
    cvs_hasher_finish(hasher, digest);
}

static gboolean
all_bytes_are(const guint8 *data, gsize size, guint8 byte)
{
    for (gsize i = 0; i < size; i++) {
        if (data[i] != byte)
            return FALSE;
    }
    return TRUE;
}

gboolean
cvs_pcr_values_check_measured(const CvsPcrValues *values, GError **error)
{
    g_autoptr(GError) local = NULL;
    gsize size = cvs_hash_size(values->selection.bank);

    local =
        g_error_new(CVS_ERROR, CVS_ERROR_PCR_UNMEASURED,
                    "a selected PCR says nothing about this boot: leave it out, or allow it with "
                    "allow-unmeasured");
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        const guint8 *value = values->value[pcr];

        if (!(values->selection.mask & 1u << pcr))
            continue;
        if (CVS_PCR_MASK_RESETTABLE & 1u << pcr)
            cvs_error_add_reason(local, CVS_REASON_PCR_RESETTABLE, NULL, NULL,
                                 "PCR %u (%s) can be reset by any program", pcr, titles[pcr]);
        else if (all_bytes_are(value, size, 0x00))
            cvs_error_add_reason(local, CVS_REASON_PCR_ZERO, NULL, NULL,
                                 "PCR %u (%s) is all 0x00: nothing was measured into it", pcr,
                                 titles[pcr]);
        else if (all_bytes_are(value, size, 0xff))
            cvs_error_add_reason(local, CVS_REASON_PCR_ONES, NULL, NULL,
                                 "PCR %u (%s) is all 0xff: it was never started", pcr, titles[pcr]);
    }
    if (cvs_error_get_reasons(local)->len == 0)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

json_t *
cvs_pcr_values_to_json(const CvsPcrValues *values)
{
    json_t *pcrs = json_object();

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        g_autofree char *hex = NULL;
        char name[4];

        if (!(values->selection.mask & 1u << pcr))
            continue;
        hex = cvs_hex_encode(values->value[pcr], cvs_hash_size(values->selection.bank));
        (void)g_snprintf(name, sizeof name, "%u", pcr);
        (void)json_object_set_new(pcrs, name, json_string(hex));
    }
    return json_pack("{s:s, s:o}", "bank", cvs_hash_name(values->selection.bank), "pcrs", pcrs);
}

gboolean
cvs_pcr_values_from_json(const json_t *json, CvsPcrValues *ret_values, GError **error)
{
    static const char what[] = "PCR values";
    CvsPcrValues values = {0};
    const char *bank = NULL;
    json_t *pcrs = NULL, *value = NULL;
    const char *name = NULL;

    if (!json_is_object(json)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not a JSON object", what);
        return FALSE;
    }
    if (!cvs_json_only(json, what, error, "bank", "pcrs", NULL))
        return FALSE;
    bank = cvs_json_get_string(json, "bank", what, error);
    pcrs = bank ? cvs_json_get_object(json, "pcrs", what, error) : NULL;
    if (pcrs == NULL)
        return FALSE;
    if (!cvs_hash_from_name(bank, &values.selection.bank) || !bank_is_ours(values.selection.bank)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: unknown bank \"%.20s\"", what,
                    bank);
        return FALSE;
    }
    json_object_foreach (pcrs, name, value) {
        const char *p = name;
        guint pcr = 0;
        g_autoptr(GBytes) bytes = NULL;

        if (!parse_number(&p, &pcr) || *p != '\0') {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: \"%.20s\" is not a PCR", what,
                        name);
            return FALSE;
        }
        bytes = json_is_string(value) ? cvs_hex_decode(json_string_value(value),
                                                       (gssize)json_string_length(value), NULL)
                                      : NULL;
        if (bytes == NULL || g_bytes_get_size(bytes) != cvs_hash_size(values.selection.bank)) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "%s: PCR %u is not %zu bytes in hexadecimal", what, pcr,
                        cvs_hash_size(values.selection.bank));
            return FALSE;
        }
        values.selection.mask |= 1u << pcr;
        memcpy(values.value[pcr], g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    }
    if (values.selection.mask == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: no PCR among them", what);
        return FALSE;
    }
    *ret_values = values;
    return TRUE;
}

void
cvs_pcr_values_explain(const CvsPcrValues *seen, const CvsPcrValues *wanted, GError *error)
{
    gsize size = cvs_hash_size(wanted->selection.bank);

    g_return_if_fail(seen->selection.bank == wanted->selection.bank);
    g_return_if_fail(seen->selection.mask == wanted->selection.mask);

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        g_autofree char *seen_hex = NULL, *wanted_hex = NULL;

        if (!(wanted->selection.mask & 1u << pcr) ||
            memcmp(seen->value[pcr], wanted->value[pcr], size) == 0)
            continue;
        seen_hex = cvs_hex_encode(seen->value[pcr], size);
        wanted_hex = cvs_hex_encode(wanted->value[pcr], size);
        cvs_error_add_reason(error, CVS_REASON_PCR_DIFFERS, seen_hex, wanted_hex,
                             "PCR %u (%s) differs", pcr, titles[pcr]);
    }
}
