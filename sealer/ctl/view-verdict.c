/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/view-verdict.h"
#include "base/error.h"
#include "tee/x509.h"

#include <string.h>

#define LABEL_WIDTH 16
#define DAY 86400
#define DIGITS_SHOWN 49
#define PCS "https://api.trustedservices.intel.com"

/* What is shown of the claims, in this order. A row without its claim is left out, and so is a
 * group without rows. A claim that ends in a dot stands for the components of a TCB or a version.
 */
static const struct {
    const char *group; /* of this row and the next ones */
    const char *label;
    const char *claim;
    enum {
        TEXT,
        START, /* enough to tell two apart */
        YES_NO,
        BAD_YES, /* a truth that is to be seen */
        DATE,
        COMPONENTS,
        VERSION,
    } form;
} rows[] = {
    {"Guest", "Measurement", "tee.measurement", TEXT},
    {NULL, "Report data", "tee.report_data", TEXT},
    {NULL, "Host data", "tee.host_data", TEXT},
    {NULL, "MRCONFIGID", "tee.mr_config_id", TEXT},
    {NULL, "MROWNER", "tee.mr_owner", TEXT},
    {NULL, "RTMR0", "tee.rtmr0", TEXT},
    {NULL, "RTMR1", "tee.rtmr1", TEXT},
    {NULL, "RTMR2", "tee.rtmr2", TEXT},
    {NULL, "RTMR3", "tee.rtmr3", TEXT},
    {NULL, "ID key", "tee.id_key_digest", TEXT},
    {NULL, "Guest SVN", "tee.guest_svn", TEXT},
    {"vTPM", "Kind", "vtpm.kind", TEXT},
    {NULL, "AK", "vtpm.ak", TEXT},
    {NULL, "AK Name", "vtpm.ak_name", TEXT},
    {NULL, "EK Name", "vtpm.ek_name", TEXT},
    {NULL, "MRTD", "vtpm.td.measurement", TEXT},
    {NULL, "RTMR0", "vtpm.td.rtmr0", TEXT},
    {NULL, "RTMR1", "vtpm.td.rtmr1", TEXT},
    {NULL, "RTMR2", "vtpm.td.rtmr2", TEXT},
    {NULL, "RTMR3", "vtpm.td.rtmr3", TEXT},
    {NULL, "Status", "vtpm.td.tcb.status", TEXT},
    {NULL, "User data", "vtpm.user_data", TEXT},
    {NULL, "Resets", "vtpm.reset_count", TEXT},
    {"Event logs", "PCRs", "log.pcrs", TEXT},
    {NULL, "Not PCRs", "log.pcrs_contradicted", TEXT},
    {NULL, "RTMRs", "log.rtmrs", TEXT},
    {NULL, "Not RTMRs", "log.rtmrs_contradicted", TEXT},
    {NULL, "Differ in", "log.difference", TEXT},
    {"Policy", "Debug", "tee.policy.debug", BAD_YES},
    {NULL, "Migration", "tee.policy.migrate_ma", BAD_YES},
    {NULL, "Migration agent", "tee.migration_agent", BAD_YES},
    {NULL, "Service TD", "tee.service_td", YES_NO},
    {NULL, "VMPL", "tee.vmpl", TEXT},
    {NULL, "SMT allowed", "tee.policy.smt", YES_NO},
    {NULL, "POLICY", "tee.policy", TEXT},
    {NULL, "PLATFORM_INFO", "tee.platform_info", TEXT},
    {NULL, "TDATTRIBUTES", "tee.td_attributes", TEXT},
    {NULL, "XFAM", "tee.xfam", TEXT},
    {"Platform", "Line", "tee.line", TEXT},
    {NULL, "Chip", "tee.chip_id", TEXT},
    {NULL, "Signing key", "tee.signing_key", TEXT},
    {NULL, "Provider", "tee.csp_id", TEXT},
    {NULL, "FMSPC", "tee.fmspc", TEXT},
    {NULL, "TDX module", "tee.mr_seam", TEXT},
    {NULL, "Firmware", "tee.firmware.current.", VERSION},
    {"TCB", "Status", "tee.tcb.status", TEXT},
    {NULL, "Advisories", "tee.tcb.advisories", TEXT},
    {NULL, "Level of", "tee.tcb.date", DATE},
    {NULL, "TEE_TCB_SVN", "tee.tcb_svn", TEXT},
    {NULL, "Current", "tee.tcb.current.", COMPONENTS},
    {NULL, "Reported", "tee.tcb.reported.", COMPONENTS},
    {NULL, "Committed", "tee.tcb.committed.", COMPONENTS},
    {NULL, "Launch", "tee.tcb.launch.", COMPONENTS},
    {"Paravisor", "Claims bound", "hcl.bound", YES_NO},
    {NULL, "Attestation key", "hcl.ak_modulus", START},
    {NULL, "Endorsement key", "hcl.ek_modulus", START},
    {NULL, "User data", "hcl.user_data", TEXT},
    {NULL, "Secure boot", "hcl.secure_boot", YES_NO},
    {NULL, "VM", "hcl.vm_id", TEXT},
    {"Collateral", "Certificates to", "tee.collateral.not_after", DATE},
    {NULL, "TCB info to", "tee.tcb.next_update", DATE},
    {NULL, "CRL", "tee.crl", TEXT},
    {NULL, "CRL to", "tee.crl.next_update", DATE},
    {NULL, "PCK's CRL", "tee.pck.crl", TEXT},
    {NULL, "PCK's CRL to", "tee.pck.crl.next_update", DATE},
    {NULL, "Root's CRL", "tee.root.crl", TEXT},
    {NULL, "Root's CRL to", "tee.root.crl.next_update", DATE},
};

static const char *
type_title(CvsReportType type)
{
    switch (type) {
    case CVS_REPORT_SNP:
        return "SEV-SNP report";
    case CVS_REPORT_TDX:
        return "TD quote";
    case CVS_REPORT_HCL:
        return "report of Azure's paravisor";
    case CVS_REPORT_TDREPORT:
        return "TDREPORT";
    case CVS_REPORT_UNKNOWN:
        break;
    }
    return "file of an unknown kind";
}

/* Lines under a label are cut where the terminal ends and go on below. */
static void
append_value(const CvsView *view, GString *text, guint indent, CvsStyle style, const char *label,
             const char *value)
{
    g_autofree char *head = g_strdup_printf("%*s%-*s  ", (int)indent, "", LABEL_WIDTH, label);
    g_autofree char *safe = cvs_text_safe(value);
    guint start = indent + LABEL_WIDTH + 2;
    gsize room = view->output->width > start + 20 ? view->output->width - start : G_MAXUINT;
    const char *p = safe;

    cvs_output_styled(view->output, text, CVS_STYLE_DIM, head);
    /* Only what has no blank, digits that is, is cut anywhere. */
    while (strlen(p) > room && strspn(p, "0123456789abcdef") == strlen(p)) {
        g_autofree char *line = g_strndup(p, room);

        cvs_output_styled(view->output, text, style, line);
        g_string_append_printf(text, "\n%*s", (int)start, "");
        p += room;
    }
    cvs_output_styled(view->output, text, style, p);
    g_string_append_c(text, '\n');
}

static char *
date_text(const CvsView *view, gint64 when)
{
    g_autofree char *iso = cvs_x509_display_time(when);
    gint64 days = (when - view->now) / DAY;

    if (when < view->now)
        return g_strdup_printf("%s, %" G_GINT64_FORMAT " day%s ago", iso, -days,
                               days == -1 ? "" : "s");
    return g_strdup_printf("%s, %" G_GINT64_FORMAT " day%s left", iso, days, days == 1 ? "" : "s");
}

static char *
components_text(const json_t *claims, const char *prefix)
{
    static const char *const components[] = {"fmc", "bootloader", "tee", "snp", "microcode"};
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(components); i++) {
        g_autofree char *name = g_strconcat(prefix, components[i], NULL);
        const json_t *value = json_object_get(claims, name);

        if (value)
            g_string_append_printf(text, "%s%s %" JSON_INTEGER_FORMAT, text->len > 0 ? ", " : "",
                                   components[i], json_integer_value(value));
    }
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static char *
version_text(const json_t *claims, const char *prefix)
{
    static const char *const parts[] = {"major", "minor", "build"};
    json_int_t numbers[G_N_ELEMENTS(parts)] = {0};

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *name = g_strconcat(prefix, parts[i], NULL);
        const json_t *value = json_object_get(claims, name);

        if (value == NULL)
            return NULL;
        numbers[i] = json_integer_value(value);
    }
    return g_strdup_printf("%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT
                           ".%" JSON_INTEGER_FORMAT,
                           numbers[0], numbers[1], numbers[2]);
}

static char *
claim_text(const CvsView *view, const json_t *claims, gsize row)
{
    const json_t *value = json_object_get(claims, rows[row].claim);
    const char *words = NULL;

    switch (rows[row].form) {
    case COMPONENTS:
        return components_text(claims, rows[row].claim);
    case VERSION:
        return version_text(claims, rows[row].claim);
    case DATE:
        return json_is_integer(value) ? date_text(view, json_integer_value(value)) : NULL;
    case YES_NO:
    case BAD_YES:
        return json_is_boolean(value) ? g_strdup(json_is_true(value) ? "yes" : "no") : NULL;
    case START:
        return json_is_string(value)
                   ? cvs_text_shorten(view->output, json_string_value(value), DIGITS_SHOWN)
                   : NULL;
    case TEXT:
        break;
    }
    if (json_is_integer(value))
        return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    words = json_string_value(value);
    if (words == NULL || *words == '\0')
        return NULL;
    /* Nobody counts 128 zeros. */
    return g_strdup(strlen(words) >= 32 && strspn(words, "0") == strlen(words) ? "all zero"
                                                                               : words);
}

static void
append_claims(const CvsView *view, const json_t *claims, GString *text)
{
    const char *group = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *value = claim_text(view, claims, i);
        CvsStyle style = CVS_STYLE_PLAIN;

        if (rows[i].group)
            group = rows[i].group;
        if (value == NULL)
            continue;
        if (group) {
            g_string_append_c(text, '\n');
            cvs_output_styled(view->output, text, CVS_STYLE_BOLD, group);
            g_string_append_c(text, '\n');
            group = NULL;
        }
        if (rows[i].form == BAD_YES && g_str_equal(value, "yes"))
            style = CVS_STYLE_BAD;
        append_value(view, text, 2, style, rows[i].label, value);
    }
}

static void
append_reasons(const CvsView *view, const CvsVerdict *verdict, GString *text)
{
    const GPtrArray *reasons = cvs_error_get_reasons(verdict->reasons);
    g_autofree char *mark = g_strdup_printf("  %s ", cvs_output_mark(view->output, FALSE));

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);
        g_autofree char *detail = cvs_text_safe(reason->detail);

        cvs_output_styled(view->output, text, CVS_STYLE_BAD, mark);
        cvs_output_styled(view->output, text, CVS_STYLE_BOLD, reason->code);
        g_string_append_printf(text, "  %s\n", detail);
        if (*reason->seen)
            append_value(view, text, 6, CVS_STYLE_PLAIN, "is", reason->seen);
        if (*reason->wanted)
            append_value(view, text, 6, CVS_STYLE_PLAIN, "wanted", reason->wanted);
    }
}

/* Of a TD; where the VCEK is to be had stands in the reason itself. */
static void
append_sources(const CvsView *view, const CvsVerdict *verdict, GString *text)
{
    const char *fmspc = json_string_value(json_object_get(verdict->claims, "tee.fmspc"));
    const char *ca = json_string_value(json_object_get(verdict->claims, "tee.pck.ca"));

    if (fmspc == NULL || !(cvs_error_has_reason(verdict->reasons, CVS_REASON_COLLATERAL_MISSING) ||
                           cvs_error_has_reason(verdict->reasons, CVS_REASON_FMSPC_MISMATCH) ||
                           cvs_error_has_reason(verdict->reasons, CVS_REASON_COLLATERAL_EXPIRED)))
        return;
    cvs_output_styled(view->output, text, CVS_STYLE_BOLD, "\n  Intel has the collateral at\n");
    g_string_append_printf(text, "    " PCS "/tdx/certification/v4/tcb?fmspc=%s\n", fmspc);
    g_string_append(text, "    " PCS "/tdx/certification/v4/qe/identity\n");
    if (ca)
        g_string_append_printf(text, "    " PCS "/sgx/certification/v4/pckcrl?ca=%s&encoding=der\n",
                               ca);
    g_string_append(text, "    https://certificates.trustedservices.intel.com/IntelSGXRootCA.der\n"
                          "  and the chain of the TCB signer in the headers of the first two.\n");
}

char *
cvs_view_verdict(const CvsView *view, const CvsVerdict *verdict, const char *file)
{
    GString *text = g_string_new(NULL);
    g_autofree char *name = cvs_text_safe(file);
    g_autofree char *at = cvs_x509_display_time(view->now);
    gboolean good = verdict->kind == CVS_VERDICT_ACCEPTED;
    g_autofree char *head = g_strdup_printf("%s %s", cvs_output_mark(view->output, good),
                                            cvs_verdict_name(verdict->kind));

    cvs_output_styled(view->output, text, good ? CVS_STYLE_GOOD : CVS_STYLE_BAD, head);
    g_string_append_printf(text, ": %s, %s, judged as of %s\n", name, type_title(verdict->type),
                           at);
    if (verdict->test_roots) {
        g_string_append(text, "  ");
        cvs_view_append_test_roots(view->output, text);
    }
    append_reasons(view, verdict, text);
    append_sources(view, verdict, text);
    append_claims(view, verdict->claims, text);
    return g_string_free(text, FALSE);
}
