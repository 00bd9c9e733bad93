/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/view.h"
#include "base/error.h"
#include "base/json.h"
#include "tpm/pcr.h"

#include <string.h>

/* Columns of the label in `show` and `status`. */
#define LABEL_WIDTH 10

#define WAITS ", for a state to come"

static char *
opens_with(const CvsKeyInfo *info)
{
    GString *text = g_string_new(NULL);

    if (*info->pcrs)
        g_string_append_printf(text, "TPM%s%s", *info->claims || *info->rtmrs ? " + TEE" : "",
                               info->pin ? " + PIN" : "");
    if (info->recovery)
        g_string_append(text, text->len > 0 ? ", recovery" : "recovery");
    return g_string_free(text, FALSE);
}

/* A bank other than the usual one is worth a word. */
static char *
text_pcrs(const char *pcrs, const char *bank)
{
    if (*pcrs == '\0')
        return g_strdup("-");
    return g_str_equal(bank, "sha256") ? g_strdup(pcrs) : g_strdup_printf("%s %s", pcrs, bank);
}

static void
append_unreadable(const CvsView *view, const GPtrArray *keys, guint n, GString *text)
{
    g_autofree char *title = g_strdup_printf("\n%u key%s cannot be read:\n", n, n == 1 ? "" : "s");

    cvs_output_styled(view->output, text, CVS_STYLE_WARN, title);
    for (guint i = 0; i < keys->len; i++) {
        const CvsKeyInfo *info = g_ptr_array_index(keys, i);

        if (info->error) {
            g_autofree char *name = cvs_text_safe(info->name);
            g_autofree char *message = cvs_text_safe(info->error);

            g_string_append_printf(text, "  %s: %s\n", name, message);
        }
    }
}

char *
cvs_view_list(const CvsView *view, const GPtrArray *keys, gboolean owners)
{
    static const CvsColumn columns[] = {
        {"NAME", FALSE, 12},      {"OWNER", FALSE, 8},   {"SIZE", TRUE, 0},     {"PCRS", FALSE, 8},
        {"OPENS WITH", FALSE, 9}, {"PROFILE", FALSE, 7}, {"CREATED", FALSE, 0},
    };
    g_autoptr(CvsTable) table = cvs_table_new(columns, G_N_ELEMENTS(columns));
    GString *text = g_string_new(NULL);
    guint unreadable = 0;

    for (guint i = 0; i < keys->len; i++) {
        const CvsKeyInfo *info = g_ptr_array_index(keys, i);
        g_autofree char *owner = owners ? cvs_text_owner(info->owner) : NULL;

        if (info->error) {
            cvs_table_add(
                table, CVS_STYLE_WARN,
                (const char *[]){info->name, owner, "-", "-", "cannot be read", "-", "-"});
            unreadable++;
        } else {
            g_autofree char *size = cvs_text_size(info->size);
            g_autofree char *pcrs = text_pcrs(info->pcrs, info->bank);
            g_autofree char *with = opens_with(info);
            g_autofree char *created = cvs_text_date(info->created, view->now, view->zone);

            cvs_table_add(table, CVS_STYLE_PLAIN,
                          (const char *[]){info->name, owner, size, pcrs, with,
                                           *info->profile ? info->profile : "-", created});
        }
    }
    cvs_table_format(table, view->output, text);
    if (unreadable > 0)
        append_unreadable(view, keys, unreadable, text);
    return g_string_free(text, FALSE);
}

static void
append_label(const CvsView *view, GString *text, const char *label)
{
    g_autofree char *padded = g_strdup_printf("  %-*s  ", LABEL_WIDTH, label);

    cvs_output_styled(view->output, text, CVS_STYLE_DIM, padded);
}

G_GNUC_PRINTF(4, 5)
static void
append_field(const CvsView *view, GString *text, const char *label, const char *format, ...)
{
    g_autofree char *raw = NULL;
    g_autofree char *value = NULL;
    va_list list;

    va_start(list, format);
    raw = g_strdup_vprintf(format, list);
    va_end(list);
    value = cvs_text_safe(raw);
    append_label(view, text, label);
    g_string_append_printf(text, "%s\n", value);
}

/* One line a register, with what the TCG profile has it measure. */
static void
append_pcrs(const CvsView *view, GString *text, const char *pcrs, const char *bank)
{
    guint32 mask = 0;
    const char *label = "PCRs";

    append_field(view, text, "PCR bank", "%s", bank);
    if (!cvs_pcr_mask_parse(pcrs, &mask, NULL)) {
        append_field(view, text, label, "%s", pcrs);
        return;
    }
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (!(mask & 1u << pcr))
            continue;
        append_field(view, text, label, "%2u  %s", pcr, cvs_pcr_title(pcr));
        label = "";
    }
}

/* One line a claim. */
static void
append_claims(const CvsView *view, GString *text, const char *claims)
{
    g_auto(GStrv) names = g_strsplit(claims, " ", -1);

    for (guint i = 0; names[i]; i++)
        append_field(view, text, i == 0 ? "Claims" : "", "%s", names[i]);
}

static void
append_hosts_pcrs(const CvsView *view, GString *text, const char *label)
{
    append_label(view, text, label);
    cvs_output_styled(view->output, text, CVS_STYLE_WARN, CVS_VIEW_HOSTS_PCRS);
    g_string_append_c(text, '\n');
}

static void
append_slot(const CvsView *view, GString *text, guint n, const CvsSlotInfo *slot)
{
    g_autofree char *label = g_strdup_printf("Slot %u", n);
    g_autofree char *pcrs = NULL;

    if (!g_str_equal(slot->kind, "tpm2")) {
        append_field(view, text, label, "%s", slot->kind);
        return;
    }
    pcrs = text_pcrs(slot->pcrs, slot->bank);
    append_field(view, text, label, "tpm2, PCRs %s%s%s%s%s%s%s, profile %s, generation %u%s", pcrs,
                 *slot->rtmrs ? ", RTMRs " : "", slot->rtmrs, *slot->claims ? ", claims" : "",
                 slot->store_key ? ", store key" : "", slot->tee_key ? ", TEE's key" : "",
                 slot->pin ? ", PIN" : "", slot->profile, slot->generation,
                 slot->predicted ? WAITS : "");
}

char *
cvs_view_key(const CvsView *view, const CvsKeyInfo *info)
{
    GString *text = g_string_new(NULL);
    g_autofree char *name = cvs_text_safe(info->name);
    g_autofree char *owner = cvs_text_owner(info->owner);
    g_autofree char *size = cvs_text_size(info->size);
    g_autofree char *with = opens_with(info);
    g_autofree char *created = cvs_text_date_long(info->created, view->now, view->zone);

    cvs_output_styled(view->output, text, CVS_STYLE_BOLD, name);
    g_string_append_c(text, '\n');
    append_field(view, text, "Owner", "%s", owner);
    if (info->error) {
        append_field(view, text, "Error", "%s", info->error);
        return g_string_free(text, FALSE);
    }
    append_field(view, text, "Id", "%s", info->id);
    append_field(view, text, "Size", "%s", size);
    append_field(view, text, "Created", "%s", created);
    append_field(view, text, "Opens with", "%s", with);
    if (*info->pcrs) {
        append_field(view, text, "Profile", "%s", info->profile);
        append_pcrs(view, text, info->pcrs, info->bank);
    }
    if (*info->rtmrs)
        append_field(view, text, "RTMRs", "%s", info->rtmrs);
    append_claims(view, text, info->claims);
    if (info->store_key)
        append_field(view, text, "Store key", "needed");
    if (info->tee_key)
        append_field(view, text, "TEE's key", "needed");
    if (!info->pcrs_bind_host)
        append_hosts_pcrs(view, text, "");
    for (guint i = 0; i < info->slots->len; i++)
        append_slot(view, text, i, g_ptr_array_index(info->slots, i));
    return g_string_free(text, FALSE);
}

static gboolean
append_reason(const CvsView *view, const json_t *reason, GString *text, GError **error)
{
    const char *detail = cvs_json_get_string(reason, "detail", "the explanation", error);
    const char *seen =
        detail ? cvs_json_get_string(reason, "seen", "the explanation", error) : NULL;
    const char *wanted =
        seen ? cvs_json_get_string(reason, "wanted", "the explanation", error) : NULL;
    g_autofree char *safe = NULL;
    g_autofree char *mark = NULL;

    if (wanted == NULL)
        return FALSE;
    safe = cvs_text_safe(detail);
    mark = g_strdup_printf("    %s ", cvs_output_mark(view->output, FALSE));
    cvs_output_styled(view->output, text, CVS_STYLE_BAD, mark);
    g_string_append_printf(text, "%s\n", safe);
    if (*seen)
        append_field(view, text, "    is", "%s", seen);
    if (*wanted)
        append_field(view, text, "    wanted", "%s", wanted);
    return TRUE;
}

/* What does not keep the slot from opening, but a reseal from doing what it did. */
static gboolean
append_forbidden(const CvsView *view, const json_t *slot, GString *text, GError **error)
{
    const json_t *reasons = json_object_get(slot, "forbidden");

    for (gsize i = 0; i < json_array_size(reasons); i++) {
        const char *detail =
            cvs_json_get_string(json_array_get(reasons, i), "detail", "the explanation", error);
        g_autofree char *safe = detail ? cvs_text_safe(detail) : NULL;

        if (detail == NULL)
            return FALSE;
        g_string_append(text, "    ");
        cvs_output_styled(view->output, text, CVS_STYLE_WARN, safe);
        g_string_append_c(text, '\n');
    }
    return TRUE;
}

static gboolean
append_slot_explanation(const CvsView *view, const json_t *slot, GString *text,
                        gboolean *ret_recovery, GError **error)
{
    const char *what = "the explanation";
    const char *kind = cvs_json_get_string(slot, "kind", what, error);
    const char *profile = NULL;
    const char *pcrs = NULL;
    const char *bank = NULL;
    const json_t *reasons = NULL;
    g_autofree char *line = NULL;
    g_autofree char *safe = NULL;
    g_autofree char *registers = NULL;
    gint64 number = 0;
    gint64 generation = 0;

    if (kind == NULL || !cvs_json_get_int(slot, "slot", 0, G_MAXINT32, what, &number, error))
        return FALSE;
    if (!g_str_equal(kind, "tpm2")) {
        *ret_recovery |= g_str_equal(kind, "recovery");
        safe = cvs_text_safe(kind);
        g_string_append_printf(text, "  Slot %d: %s\n", (int)number, safe);
        return TRUE;
    }
    profile = cvs_json_get_string(slot, "profile", what, error);
    pcrs = profile ? cvs_json_get_string(slot, "pcrs", what, error) : NULL;
    bank = pcrs ? cvs_json_get_string(slot, "bank", what, error) : NULL;
    reasons = bank ? cvs_json_get_array(slot, "reasons", what, error) : NULL;
    if (reasons == NULL ||
        !cvs_json_get_int(slot, "generation", 0, G_MAXUINT32, what, &generation, error))
        return FALSE;
    registers = text_pcrs(pcrs, bank);
    line = g_strdup_printf("tpm2, PCRs %s%s, profile %s, generation %u%s", registers,
                           json_is_true(json_object_get(slot, "pin")) ? ", PIN" : "", profile,
                           (guint)generation,
                           json_is_true(json_object_get(slot, "predicted")) ? WAITS : "");
    safe = cvs_text_safe(line);
    g_string_append_printf(text, "  Slot %d: %s\n", (int)number, safe);
    if (json_is_true(json_object_get(slot, "matches"))) {
        g_autofree char *mark = g_strdup_printf("    %s ", cvs_output_mark(view->output, TRUE));

        cvs_output_styled(view->output, text, CVS_STYLE_GOOD, mark);
        g_string_append(text, "matches the present state\n");
    }
    if (json_is_false(json_object_get(slot, "pcrs_bind_host"))) {
        g_string_append(text, "    ");
        cvs_output_styled(view->output, text, CVS_STYLE_WARN, CVS_VIEW_HOSTS_PCRS);
        g_string_append_c(text, '\n');
    }
    for (gsize i = 0; i < json_array_size(reasons); i++) {
        if (!append_reason(view, json_array_get(reasons, i), text, error))
            return FALSE;
    }
    return append_forbidden(view, slot, text, error);
}

char *
cvs_view_explanation(const CvsView *view, const json_t *explanation, const char *options,
                     GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *raw = cvs_json_get_string(explanation, "name", "the explanation", error);
    const json_t *slots =
        raw ? cvs_json_get_array(explanation, "slots", "the explanation", error) : NULL;
    gboolean opens = json_is_true(json_object_get(explanation, "opens"));
    gboolean recovery = FALSE;
    g_autofree char *name = NULL;
    g_autofree char *title = NULL;

    if (slots == NULL)
        return NULL;
    name = cvs_text_safe(raw);
    title = g_strdup_printf("\"%s\" %s now.", name, opens ? "opens" : "does not open");
    cvs_output_styled(view->output, text, opens ? CVS_STYLE_GOOD : CVS_STYLE_BAD, title);
    g_string_append_c(text, '\n');
    if (json_is_true(json_object_get(explanation, "test_roots"))) {
        g_string_append(text, "  ");
        cvs_view_append_test_roots(view->output, text);
    }
    for (gsize i = 0; i < json_array_size(slots); i++) {
        if (!append_slot_explanation(view, json_array_get(slots, i), text, &recovery, error))
            return NULL;
    }
    if (!opens && recovery)
        g_string_append_printf(text,
                               "\nIf the change is meant, seal it to the present state with its "
                               "recovery key:\n  cvmseal reseal %s --recovery-key%s\n",
                               name, options);
    else if (!opens)
        g_string_append(text, "\nIt has no recovery key: only the state it was sealed to opens "
                              "it.\n");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static const char *
lock2_text(const char *lock2)
{
    if (g_str_equal(lock2, "store-key"))
        return "store key: what is sealed now opens only after a boot that has it";
    if (g_str_equal(lock2, "unfit"))
        return "the file of the store key is not as it must be; nothing is sealed, see cvmseald(8)";
    return "unmeasured: there is no store key, and nothing shows that what judges the TEE is "
           "itself measured";
}

void
cvs_view_append_test_roots(const CvsOutput *output, GString *text)
{
    cvs_output_styled(output, text, CVS_STYLE_WARN, "TEST ROOTS");
    g_string_append(text, " were allowed: this proves nothing about real hardware\n");
}

/* What the daemon knows of the machine. */
static const struct {
    const char *state;
    const char *text;
} attestations[] = {
    {"",
     "not asked: with --direct each command that needs one takes what is kept, or makes its own"},
    {"none", "not yet: it is made when the first key wants it, or by --refresh"},
    {"under-way", "not yet: TEE or host were asked and have not answered"},
    {"attested", "yes"},
    {"failed", "no"},
};

static void
append_attestation(const CvsView *view, const CvsStatusInfo *info, GString *text)
{
    const char *state = info->attestation;
    const char *name = NULL;
    const json_t *value = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(attestations); i++) {
        if (g_str_equal(attestations[i].state, info->attestation))
            state = attestations[i].text;
    }
    append_field(view, text, "Attested", "%s", state);
    for (gsize i = 0; i < json_array_size(info->attestation_reasons); i++)
        (void)append_reason(view, json_array_get(info->attestation_reasons, i), text, NULL);
    if (*info->tee_type)
        append_field(view, text, "TEE", "%s", info->tee_type);
    if (*info->vtpm_kind)
        append_field(view, text, "vTPM", "%s", info->vtpm_kind);
    if (g_str_equal(info->vtpm_kind, "host"))
        append_hosts_pcrs(view, text, "");
    json_object_foreach (info->registers, name, value)
        append_field(view, text, name, "%s", json_string_value(value));
}

char *
cvs_view_status(const CvsView *view, const CvsStatusInfo *info)
{
    GString *text = g_string_new(NULL);

    append_field(view, text, "Daemon", "%s", info->server);
    if (!info->tpm_available) {
        append_field(view, text, "TPM", "not available: %s", info->tpm_error);
    } else {
        append_field(view, text, "TPM", "%s, firmware %u.%u.%u.%u",
                     *info->tpm_manufacturer ? info->tpm_manufacturer : "unknown maker",
                     (guint)(info->tpm_firmware >> 48), (guint)(info->tpm_firmware >> 32 & 0xffff),
                     (guint)(info->tpm_firmware >> 16 & 0xffff),
                     (guint)(info->tpm_firmware & 0xffff));
        append_field(view, text, "PCR banks", "%s", *info->tpm_banks ? info->tpm_banks : "none");
        append_field(view, text, "Root key", "%s",
                     *info->tpm_srk_name ? info->tpm_srk_name
                     : *info->tpm_error  ? info->tpm_error
                                         : "none yet, made at the first sealing");
        append_field(view, text, "PINs", "%s, %u of %u wrong tries counted",
                     info->tpm_in_lockout ? "locked out" : "not locked out",
                     info->tpm_lockout_counter, info->tpm_lockout_max);
    }
    append_field(view, text, "Memory", "%s",
                 info->memory_locked ? "secrets are locked into memory"
                                     : "secrets could be swapped out: raise LimitMEMLOCK");
    append_field(view, text, "Lock 2", "%s", lock2_text(info->lock2));
    if (info->test_roots) {
        append_label(view, text, "Roots");
        cvs_view_append_test_roots(view->output, text);
    }
    append_attestation(view, info, text);
    return g_string_free(text, FALSE);
}
