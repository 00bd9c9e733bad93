/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/error.h"
#include "base/file.h"
#include "ctl/verify-input.h"
#include "ctl/view-verdict.h"
#include "tee/test-roots.h"

#include <string.h>

/* form: d is a digit, T what stands between date and time, all else is itself. */
static gboolean
has_form(const char *text, const char *form)
{
    for (gsize i = 0; form[i]; i++) {
        gboolean good = form[i] == 'd'   ? g_ascii_isdigit(text[i])
                        : form[i] == 'T' ? text[i] == 'T' || text[i] == 't' || text[i] == ' '
                                         : text[i] == form[i];

        if (!good)
            return FALSE;
    }
    return TRUE;
}

/* The two digits are less than the limit. */
static gboolean
is_below(const char *digits, int limit)
{
    return g_ascii_digit_value(digits[0]) * 10 + g_ascii_digit_value(digits[1]) < limit;
}

static gboolean
is_zone(const char *zone)
{
    if (*zone == 'Z' || *zone == 'z')
        return zone[1] == '\0';
    return (*zone == '+' || *zone == '-') && has_form(zone + 1, "dd:dd") && zone[6] == '\0' &&
           is_below(zone + 1, 24) && is_below(zone + 4, 60);
}

gboolean
cvs_verify_parse_time(const char *text, gint64 *ret_time)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    g_autoptr(GDateTime) time = NULL;
    const char *zone = NULL;

    /* A second 60 is one that a table of leap seconds lists, and there is none here. */
    if (!has_form(text, form) || !is_below(text + strlen(form) - 2, 60))
        return FALSE;
    zone = text + strlen(form);
    if (*zone == '.') {
        if (!g_ascii_isdigit(*++zone))
            return FALSE;
        while (g_ascii_isdigit(*zone))
            zone++;
    }
    if (!is_zone(zone))
        return FALSE;
    {
        g_autofree char *upper = g_ascii_strup(text, -1);

        time = g_date_time_new_from_iso8601(upper, NULL);
    }
    if (time == NULL)
        return FALSE;
    *ret_time = g_date_time_to_unix(time);
    return TRUE;
}

CvsProfile *
cvs_verify_load_profile(const CvsCli *cli, const char *policy_name, GError **error)
{
    const char *folders[] = {CVS_SYSCONF_DIR "/policies", CVS_LIB_DIR "/policies", NULL};
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *name = NULL;
    CvsProfile *profile = NULL;

    if (cli->options.policies) {
        folders[0] = cli->options.policies;
        folders[1] = NULL;
    }
    if (strchr(policy_name, '/') == NULL && !g_str_has_suffix(policy_name, ".policy")) {
        profile = cvs_profile_load(folders, policy_name, &local);
        if (profile)
            return profile;
        if (!cvs_error_has_reason(local, CVS_REASON_PROFILE_MISSING) ||
            !g_file_test(policy_name, G_FILE_TEST_IS_REGULAR)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    bytes = cvs_file_read_path(policy_name, CVS_PROFILE_SIZE_MAX, error);
    if (bytes == NULL)
        return NULL;
    name = g_path_get_basename(policy_name);
    if (g_str_has_suffix(name, ".policy"))
        name[strlen(name) - strlen(".policy")] = '\0';
    return cvs_profile_parse(name, policy_name, g_bytes_get_data(bytes, NULL),
                             g_bytes_get_size(bytes), error);
}

gboolean
cvs_verify_read_time(const char *text, gint64 *ret_time, GError **error)
{
    *ret_time = g_get_real_time() / G_USEC_PER_SEC;
    if (text == NULL || cvs_verify_parse_time(text, ret_time))
        return TRUE;
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "--at: not a time like 2026-11-24T13:45:00Z");
    return FALSE;
}

CvsProfile *
cvs_verify_read_profile(const CvsCli *cli, const char *policy_name, const char *roots_dir,
                        GError **error)
{
    CvsProfile *profile =
        policy_name ? cvs_verify_load_profile(cli, policy_name, error) : cvs_profile_strict_new();

    if (profile && roots_dir)
        cvs_tee_rules_allow_test_roots(&profile->tee);
    return profile;
}

gboolean
cvs_verify_keep_malformed(GPtrArray *malformed, GError *found, GError **error)
{
    if (malformed == NULL || found->domain != CVS_ERROR ||
        (found->code != CVS_ERROR_BAD_FORMAT && found->code != CVS_ERROR_TOO_LARGE &&
         found->code != CVS_ERROR_NOT_SUPPORTED)) {
        g_propagate_error(error, found);
        return FALSE;
    }
    g_ptr_array_add(malformed, found);
    return TRUE;
}

gboolean
cvs_verify_read_files(CvsEvidence *evidence, char **files, CvsVerifyAddFunc add,
                      GPtrArray *malformed, GError **error)
{
    for (guint i = 0; files && files[i]; i++) {
        g_autoptr(GError) found = NULL;
        g_autoptr(GBytes) bytes = cvs_file_read_path(files[i], CVS_COLLATERAL_MAX, &found);

        if (bytes)
            (void)add(evidence, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), files[i],
                      &found);
        if (found && !cvs_verify_keep_malformed(malformed, g_steal_pointer(&found), error))
            return FALSE;
    }
    return TRUE;
}

gboolean
cvs_verify_add_roots(const char *roots_dir, CvsSnpRoots *snp_roots, CvsTdxRoots *tdx_roots,
                     GError **error)
{
    g_autoptr(GPtrArray) certs = NULL;

    if (roots_dir == NULL)
        return TRUE;
    certs = cvs_test_roots_load(roots_dir, error);
    if (certs == NULL)
        return FALSE;
    cvs_snp_roots_add_test(snp_roots, certs);
    cvs_tdx_roots_add_test(tdx_roots, certs);
    return TRUE;
}

gboolean
cvs_verify_show(CvsCli *cli, const CvsVerdict *verdict, const char *name, gint64 at, json_t *pcrs,
                GError **error)
{
    const CvsView view = {&cli->out, at, NULL};
    g_autoptr(json_t) values = pcrs;
    g_autofree char *text = NULL;
    g_autoptr(json_t) json = NULL;

    cli->exit_code = cvs_verdict_exit_code(verdict->kind);
    if (cli->options.json) {
        json = cvs_verdict_to_json(verdict);
        if (values)
            (void)json_object_set(json, "pcrs", values);
        return cvs_cli_print_json(cli, json, error);
    }
    text = cvs_view_verdict(&view, verdict, name);
    return cvs_cli_print(cli, text, error);
}
