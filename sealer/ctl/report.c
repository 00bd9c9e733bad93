/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/report.h"
#include "base/error.h"
#include "ctl/dbus-error.h"

#include <string.h>

/* Hex digits of a digest that are enough to tell two apart by eye. */
#define DIGITS_SHOWN 17

/* %K stands for the key's name (which has no percent sign), %O for the common options of this call
 * with a space in front. A remedy with %K is left out where there is no key. */
static const struct {
    int code;
    const char *remedy;
} remedies[] = {
    {CVS_ERROR_NO_SUCH_KEY, "\"cvmseal list%O\" shows the keys of this owner"},
    {CVS_ERROR_KEY_EXISTS, "add --replace to put the new key in its place"},
    {CVS_ERROR_BAD_FORMAT, "repair the file that is named, or put back its backup"},
    {CVS_ERROR_PCR_MISMATCH,
     "\"cvmseal explain %K%O\" tells what changed; if the change is meant, \"cvmseal "
     "reseal %K%O --recovery-key-file FILE\" seals the key to the present state"},
    {CVS_ERROR_REGISTER_MISMATCH,
     "\"cvmseal explain %K%O\" tells what changed; if the change is meant, \"cvmseal "
     "reseal %K%O --recovery-key-file FILE\" seals the key to the present state"},
    {CVS_ERROR_TPM_REPLACED, "if the change is meant, \"cvmseal reseal %K%O "
                             "--recovery-key-file FILE\" seals the key with this TPM"},
    {CVS_ERROR_TPM_LOCKOUT, "wait; \"cvmseal status%O\" shows the TPM's count of wrong tries"},
    {CVS_ERROR_TPM_UNAVAILABLE,
     "\"cvmseal status%O\" shows the TPM; a virtual machine needs one in its configuration"},
    {CVS_ERROR_PIN_REQUIRED, "add --pin to be asked for it, or --pin-file FILE"},
    {CVS_ERROR_PIN_WRONG, "try again with --pin; the TPM counts wrong tries and locks after some"},
    {CVS_ERROR_PCR_UNMEASURED,
     "choose other registers with --pcrs, or add --allow-unmeasured if this is meant"},
    {CVS_ERROR_BUSY, "try again"},
};

/* Reasons that say better than the error what helps. */
static const struct {
    const char *code;
    const char *remedy;
} reason_remedies[] = {
    {CVS_REASON_PIN_REQUIRED_BY_PROFILE, "seal it with --pin"},
    {CVS_REASON_RECOVERY_REQUIRED, "add --recovery-key"},
    {CVS_REASON_PROFILE_MISSING, "install the profile again, or seal with another (--policy)"},
    {CVS_REASON_PCR_NOT_SELECTED, "choose all registers that the profile wants with --pcrs"},
};

static char *
fill_in(const CvsCli *cli, const char *remedy)
{
    g_autofree char *options = cvs_options_repeat(&cli->options);
    GString *text = NULL;

    if (strstr(remedy, "%K") && cli->key == NULL)
        return NULL;
    text = g_string_new(remedy);
    if (cli->key)
        g_string_replace(text, "%K", cli->key, 0);
    g_string_replace(text, "%O", options, 0);
    return g_string_free(text, FALSE);
}

char *
cvs_report_remedy(const CvsCli *cli, const GError *error)
{
    gboolean is_attest = g_strcmp0(cli->verb, "attest") == 0;

    if (error->domain != CVS_ERROR)
        return NULL;
    if (cvs_dbus_error_is_no_daemon(error))
        return g_strdup("start it with \"systemctl start cvmseald\", or go without it as root: add "
                        "--direct");
    if (error->code == CVS_ERROR_NOT_AUTHORIZED && cli->backend)
        return g_strdup(cli->options.direct ? "--direct needs root"
                        : is_attest ? "this needs root, or the polkit action org.cvmseal1.attest"
                                    : "without --owner a user works with his own keys; "
                                      "those of others need the polkit action "
                                      "org.cvmseal1.manage");
    if (is_attest && !cli->options.direct &&
        cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY))
        return g_strdup("try again, or as root with --direct, which waits as long as TEE and host "
                        "take");
    for (gsize i = 0; i < G_N_ELEMENTS(reason_remedies); i++) {
        if (cvs_error_has_reason(error, reason_remedies[i].code))
            return fill_in(cli, reason_remedies[i].remedy);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(remedies); i++) {
        if (error->code == remedies[i].code)
            return fill_in(cli, remedies[i].remedy);
    }
    return NULL;
}

/* Whoever refused may have said already what we were doing. */
static const char *
without_preface(const CvsCli *cli, const char *message)
{
    g_autofree char *preface =
        cli->verb && cli->key ? g_strdup_printf("cannot %s %s: ", cli->verb, cli->key) : NULL;

    return preface && g_str_has_prefix(message, preface) ? message + strlen(preface) : message;
}

static void
append_reason(const CvsCli *cli, const CvsReason *reason, GString *text)
{
    g_autofree char *detail = cvs_text_safe(reason->detail);
    g_autofree char *seen = cvs_text_safe(reason->seen);
    g_autofree char *wanted = cvs_text_safe(reason->wanted);
    g_autofree char *seen_short = cvs_text_shorten(&cli->err, seen, DIGITS_SHOWN);
    g_autofree char *wanted_short = cvs_text_shorten(&cli->err, wanted, DIGITS_SHOWN);

    g_string_append_printf(text, "  %s", detail);
    if (*seen && *wanted)
        g_string_append_printf(text, ": is %s, wanted %s", seen_short, wanted_short);
    else if (*seen || *wanted)
        g_string_append_printf(text, ": %s %s", *seen ? "is" : "wanted",
                               *seen ? seen_short : wanted_short);
    g_string_append_c(text, '\n');
}

char *
cvs_report_text(const CvsCli *cli, const GError *error)
{
    GString *text = g_string_new(NULL);
    g_autofree char *message = cvs_text_safe(without_preface(cli, error->message));
    g_autofree char *remedy = cvs_report_remedy(cli, error);
    const GPtrArray *reasons = cvs_error_get_reasons(error);

    cvs_output_styled(&cli->err, text, CVS_STYLE_BAD, "cvmseal:");
    g_string_append_c(text, ' ');
    if (cli->doing)
        g_string_append_printf(text, "cannot %s: ", cli->doing);
    g_string_append_printf(text, "%s\n", message);
    for (guint i = 0; reasons && i < reasons->len; i++)
        append_reason(cli, g_ptr_array_index(reasons, i), text);
    if (remedy) {
        cvs_output_styled(&cli->err, text, CVS_STYLE_BOLD, "  What to do:");
        g_string_append_printf(text, " %s\n", remedy);
    }
    return g_string_free(text, FALSE);
}

json_t *
cvs_report_json(const GError *error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    g_autofree char *message = g_utf8_make_valid(error->message, -1);
    json_t *array = json_array();

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "code", reason->code,
                                                     "detail", reason->detail, "seen", reason->seen,
                                                     "wanted", reason->wanted));
    }
    return json_pack("{s:s, s:s, s:o}", "name",
                     cvs_error_name(error->domain == CVS_ERROR ? error->code : CVS_ERROR_FAILED),
                     "message", message, "reasons", array);
}
