/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/eventlog-replay.h"

#include <string.h>

#define DRTM_FIRST 17
#define DRTM_LAST 22
#define VARIABLE_HEADER 32 /* UEFI_VARIABLE_DATA: GUID 16, name length u64, data length u64 */
#define TAG_HEADER 8       /* TCG_PCClientTaggedEvent: id u32, size u32 */

void
cvs_register_start(gboolean cc, CvsHash bank, guint reg, guint locality,
                   guint8 value[static CVS_DIGEST_MAX])
{
    gsize size = cvs_hash_size(bank);

    memset(value, 0, CVS_DIGEST_MAX);
    if (cc)
        return;
    if (reg == 0)
        value[size - 1] = (guint8)locality;
    else if (reg >= DRTM_FIRST && reg <= DRTM_LAST)
        memset(value, 0xff, size);
}

static void
start_value(const CvsEventLog *log, CvsHash bank, guint reg, guint8 *value)
{
    cvs_register_start(cvs_event_log_format(log) == CVS_EVENT_LOG_CC, bank, reg,
                       cvs_event_log_startup_locality(log), value);
}

void
cvs_register_extend(CvsHash bank, guint8 *value, const guint8 *digest)
{
    gsize size = cvs_hash_size(bank);
    guint8 both[2 * CVS_DIGEST_MAX];

    memcpy(both, value, size);
    memcpy(both + size, digest, size);
    cvs_hash_bytes(bank, both, 2 * size, value);
}

void
cvs_event_log_replay(const CvsEventLog *log, CvsHash bank,
                     CvsRegister registers[static CVS_EVENT_LOG_REGISTERS])
{
    memset(registers, 0, CVS_EVENT_LOG_REGISTERS * sizeof(CvsRegister));
    for (guint reg = 0; reg < CVS_EVENT_LOG_REGISTERS; reg++)
        start_value(log, bank, reg, registers[reg].value);

    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);
        CvsRegister *reg = NULL;

        if (event->reg < 0)
            continue;
        reg = &registers[event->reg];
        reg->extended++;
        if (event->digest[bank])
            cvs_register_extend(bank, reg->value, event->digest[bank]);
        else
            reg->missing++;
    }
}

const char *
cvs_explain_name(CvsExplain explain)
{
    static const char *const names[] = {
        [CVS_EXPLAIN_MATCH] = "match",     [CVS_EXPLAIN_UNTOUCHED] = "untouched",
        [CVS_EXPLAIN_EARLIER] = "earlier", [CVS_EXPLAIN_NO_RECORD] = "no-record",
        [CVS_EXPLAIN_DIFFERS] = "differs", [CVS_EXPLAIN_INCOMPLETE] = "incomplete",
        [CVS_EXPLAIN_WEAK] = "weak",
    };

    return names[explain];
}

CvsExplain
cvs_event_log_explain(const CvsEventLog *log, CvsHash bank, guint reg, const guint8 *value,
                      int *ret_last)
{
    gsize size = cvs_hash_size(bank);
    guint8 replayed[CVS_DIGEST_MAX];
    guint8 start[CVS_DIGEST_MAX];
    gboolean untouched = FALSE;
    gboolean missing = FALSE;
    guint extended = 0;
    guint reached = 0; /* records after which the replay had the value, the last time */
    int last = -1;
    CvsExplain explain = CVS_EXPLAIN_DIFFERS;

    start_value(log, bank, reg, start);
    memcpy(replayed, start, sizeof(replayed));
    untouched = memcmp(start, value, size) == 0;
    for (guint i = 0; i < cvs_event_log_size(log) && !missing; i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        if (event->reg != (int)reg)
            continue;
        extended++;
        missing = event->digest[bank] == NULL;
        if (missing)
            break;
        cvs_register_extend(bank, replayed, event->digest[bank]);
        if (memcmp(replayed, value, size) == 0) {
            reached = extended;
            last = (int)i;
        }
    }

    if (bank == CVS_SHA1)
        explain = CVS_EXPLAIN_WEAK;
    else if (missing)
        explain = CVS_EXPLAIN_INCOMPLETE;
    else if (extended == 0)
        explain = untouched ? CVS_EXPLAIN_UNTOUCHED : CVS_EXPLAIN_NO_RECORD;
    else if (reached == extended)
        explain = CVS_EXPLAIN_MATCH;
    else if (reached > 0 || untouched)
        explain = CVS_EXPLAIN_EARLIER;
    if (ret_last)
        *ret_last = explain == CVS_EXPLAIN_MATCH || explain == CVS_EXPLAIN_EARLIER ? last : -1;
    return explain;
}

/* The strongest digest that the record has; -1 if only SHA-1 or none. */
static int
judging_bank(const CvsEvent *event)
{
    for (int bank = CVS_SHA256; bank <= (int)CVS_SHA512; bank++) {
        if (event->digest[bank])
            return bank;
    }
    return -1;
}

static gboolean
digest_is_over(const CvsEvent *event, CvsHash bank, gsize offset, gsize size)
{
    guint8 digest[CVS_DIGEST_MAX];

    cvs_hash_bytes(bank, event->data + offset, size, digest);
    return memcmp(digest, event->digest[bank], cvs_hash_size(bank)) == 0;
}

/* Parts of the data over which loaders and firmware are known to make the digest, beside the whole.
 * Returns how many. */
static guint
find_parts(const CvsEvent *event, CvsEventProof parts[static 2])
{
    static const char *const headings[] = {
        "grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ", "grub_kernel_cmdline "};
    const guint8 *data = event->data;
    gsize size = event->size;
    guint count = 0;

    if (event->type == CVS_EV_IPL && size > 0) {
        /* A string is measured without its terminator, and without the heading that GRUB writes
         * into the log. Some builds leave one stray byte behind the terminator. */
        const guint8 *nul = memchr(data, 0, size);
        gsize length = nul ? (gsize)(nul - data) : size;

        for (gsize i = 0; i < G_N_ELEMENTS(headings); i++) {
            gsize heading = strlen(headings[i]);

            if (length >= heading && memcmp(data, headings[i], heading) == 0) {
                parts[count++] = (CvsEventProof){TRUE, heading, length - heading};
                break;
            }
        }
        if (count == 0)
            parts[count++] = (CvsEventProof){TRUE, 0, length};
    } else if (event->type == CVS_EV_EFI_VARIABLE_BOOT && size >= VARIABLE_HEADER) {
        guint64 name_length = 0;
        guint64 data_length = 0;

        for (guint i = 8; i > 0; i--) {
            name_length = name_length << 8 | data[16 + i - 1];
            data_length = data_length << 8 | data[24 + i - 1];
        }
        if (name_length <= (size - VARIABLE_HEADER) / 2 &&
            data_length == size - VARIABLE_HEADER - 2 * name_length)
            parts[count++] = (CvsEventProof){TRUE, size - data_length, data_length};
    } else if (event->type == CVS_EV_EVENT_TAG && size >= TAG_HEADER) {
        parts[count++] = (CvsEventProof){TRUE, TAG_HEADER, size - TAG_HEADER};
    }
    return count;
}

/* An image, a table or a code blob is measured itself; its record only says where it was. */
static gboolean
data_is_never_measured(guint32 type)
{
    return type == CVS_EV_EFI_BOOT_SERVICES_APPLICATION ||
           type == CVS_EV_EFI_BOOT_SERVICES_DRIVER || type == CVS_EV_EFI_RUNTIME_SERVICES_DRIVER;
}

CvsEventProof
cvs_event_log_proof(const CvsEventLog *log, const CvsEvent *event)
{
    CvsEventProof parts[3] = {0};
    guint count = 0;
    int judge = judging_bank(event);

    if (event->reg < 0 || judge < 0 || data_is_never_measured(event->type))
        return (CvsEventProof){0};
    count = find_parts(event, parts);
    parts[count++] = (CvsEventProof){TRUE, 0, event->size};

    for (guint i = 0; i < count; i++) {
        gboolean all = digest_is_over(event, (CvsHash)judge, parts[i].offset, parts[i].size);

        for (int bank = 0; all && bank < CVS_EVENT_LOG_BANKS; bank++) {
            if (bank != judge && event->digest[bank])
                all = digest_is_over(event, (CvsHash)bank, parts[i].offset, parts[i].size);
        }
        if (all)
            return parts[i];
    }
    return (CvsEventProof){0};
}
