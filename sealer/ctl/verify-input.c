/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/error.h"
#include "base/file.h"
#include "ctl/verify-input.h"

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
