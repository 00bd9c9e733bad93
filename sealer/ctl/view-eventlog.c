/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/view-eventlog.h"
#include "base/hex.h"
#include "tee/eventlog-describe.h"

#include <string.h>

#define DIGITS_SHOWN 12 /* of a digest in the table; --json has all */

static const char *
format_title(CvsEventLogFormat format)
{
    switch (format) {
    case CVS_EVENT_LOG_SHA1:
        return "TPM event log, SHA-1 alone";
    case CVS_EVENT_LOG_TPM:
        return "TPM event log";
    case CVS_EVENT_LOG_CC:
        return "event log of a TD (CCEL)";
    case CVS_EVENT_LOG_AUTO:
        break;
    }
    return "event log";
}

/* The digest of the first bank but SHA-1, if there is one. */
static char *
digest_text(const CvsView *view, const CvsEvent *event)
{
    static const CvsHash order[] = {CVS_SHA256, CVS_SHA384, CVS_SHA512, CVS_SHA1};

    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        if (event->digest[order[i]]) {
            g_autofree char *hex = cvs_hex_encode(event->digest[order[i]], cvs_hash_size(order[i]));

            return cvs_text_shorten(view->output, hex, DIGITS_SHOWN + 1);
        }
    }
    return NULL;
}

static const char *
proof_text(const CvsEventLog *log, const CvsEvent *event)
{
    CvsEventProof proof = cvs_event_log_proof(log, event);

    if (!proof.proven)
        return "no";
    return proof.size == event->size ? "yes" : "part";
}

static void
append_events(const CvsView *view, const CvsEventLog *log, GString *text)
{
    static const CvsColumn columns[] = {
        {"#", TRUE, 0},       {"REGISTER", FALSE, 0}, {"TYPE", FALSE, 12},
        {"DIGEST", FALSE, 8}, {"DATA", FALSE, 0},     {"WHAT", FALSE, 20},
    };
    g_autoptr(CvsTable) table = cvs_table_new(columns, G_N_ELEMENTS(columns));
    gboolean cc = cvs_event_log_format(log) == CVS_EVENT_LOG_CC;

    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);
        const char *name = cvs_event_type_name(event->type);
        g_autofree char *number = g_strdup_printf("%u", i);
        g_autofree char *type = name ? g_strdup(name) : g_strdup_printf("0x%08x", event->type);
        g_autofree char *reg =
            event->reg < 0 ? g_strdup("-") : g_strdup_printf(cc ? "RTMR%d" : "PCR %d", event->reg);
        g_autofree char *digest = digest_text(view, event);
        g_autofree char *what = cvs_event_describe(event);

        cvs_table_add(table, event->type == CVS_EV_SEPARATOR ? CVS_STYLE_DIM : CVS_STYLE_PLAIN,
                      (const char *[]){number, reg, type, digest, proof_text(log, event), what});
    }
    cvs_table_format(table, view->output, text);
}

static void
append_registers(const CvsView *view, const CvsEventLog *log, CvsHash bank, GString *text)
{
    gboolean cc = cvs_event_log_format(log) == CVS_EVENT_LOG_CC;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    g_autofree char *title = g_strdup_printf("\nReplayed, %s\n", cvs_hash_name(bank));

    cvs_event_log_replay(log, bank, registers);
    cvs_output_styled(view->output, text, CVS_STYLE_BOLD, title);
    for (guint i = 0; i < CVS_EVENT_LOG_REGISTERS; i++) {
        g_autofree char *hex = NULL;

        if (registers[i].extended == 0 && (i != 0 || cvs_event_log_startup_locality(log) == 0))
            continue;
        hex = registers[i].missing > 0
                  ? g_strdup_printf("cannot be replayed: %u records have no digest here",
                                    registers[i].missing)
                  : cvs_hex_encode(registers[i].value, cvs_hash_size(bank));
        g_string_append_printf(text, cc ? "  RTMR%-2u  %s\n" : "  PCR %-2u  %s\n", i, hex);
    }
}

char *
cvs_view_eventlog(const CvsView *view, const CvsEventLog *log)
{
    GString *text = g_string_new(NULL);
    g_autofree char *head =
        g_strdup_printf("%s, %u records, %zu bytes\n\n", format_title(cvs_event_log_format(log)),
                        cvs_event_log_size(log), cvs_event_log_end(log));

    cvs_output_styled(view->output, text, CVS_STYLE_BOLD, head);
    append_events(view, log, text);
    if (cvs_event_log_old_numbering(log))
        g_string_append(text, "\nThis firmware recorded the number of the RTMR instead of the "
                              "measurement register's.\n");
    if (cvs_event_log_startup_locality(log) != 0)
        g_string_append_printf(text, "\nPCR 0 starts with locality %u.\n",
                               cvs_event_log_startup_locality(log));
    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        if (cvs_event_log_has_bank(log, (CvsHash)bank))
            append_registers(view, log, (CvsHash)bank, text);
    }
    return g_string_free(text, FALSE);
}
