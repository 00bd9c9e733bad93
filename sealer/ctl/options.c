/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/options.h"
#include "base/error.h"
#include "vault/owner.h"

#include <string.h>

#define N_COMMON 8

void
cvs_options_clear(CvsOptions *options)
{
    g_clear_pointer(&options->owner, g_free);
    g_clear_pointer(&options->config, g_free);
    g_clear_pointer(&options->tcti, g_free);
    g_clear_pointer(&options->vault, g_free);
    g_clear_pointer(&options->policies, g_free);
    g_clear_pointer(&options->bus, g_free);
}

static void
take_text(char **to, char **from)
{
    if (*from == NULL)
        return;
    g_free(*to);
    *to = g_steal_pointer(from);
}

/* Later options win. */
static void
take_options(CvsOptions *to, CvsOptions *from)
{
    take_text(&to->owner, &from->owner);
    take_text(&to->config, &from->config);
    take_text(&to->tcti, &from->tcti);
    take_text(&to->vault, &from->vault);
    take_text(&to->policies, &from->policies);
    take_text(&to->bus, &from->bus);
    to->json |= from->json;
    to->direct |= from->direct;
}

static void
common_entries(CvsOptions *options, GOptionEntry entries[static N_COMMON + 1])
{
    const GOptionEntry common[N_COMMON + 1] = {
        {"owner", 0, 0, G_OPTION_ARG_STRING, &options->owner,
         "Whose key: self (default), unit, system, unit:NAME.service, uid:N", "OWNER"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Write results and errors as JSON", NULL},
        {"bus", 0, 0, G_OPTION_ARG_STRING, &options->bus,
         "Where the daemon is: system (default), session, or an address", "BUS"},
        {"direct", 0, 0, G_OPTION_ARG_NONE, &options->direct,
         "Use vault and TPM without the daemon (needs root)", NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options->config,
         "With --direct: configuration in place of the daemon's", "FILE"},
        {"tcti", 0, 0, G_OPTION_ARG_STRING, &options->tcti,
         "With --direct: the TPM, in place of the configuration's", "TCTI"},
        {"vault", 0, 0, G_OPTION_ARG_FILENAME, &options->vault,
         "With --direct: the vault, in place of the configuration's", "DIR"},
        {"policies", 0, 0, G_OPTION_ARG_FILENAME, &options->policies,
         "With --direct: the only folder with profiles", "DIR"},
        {NULL},
    };

    memcpy(entries, common, sizeof common);
}

/* "Unknown option --pin=1234": whoever writes a secret there by mistake need not read it again. */
static char *
hide_values(const char *message)
{
    GString *text = g_string_new(NULL);

    for (const char *p = message; *p != '\0'; p++) {
        g_string_append_c(text, *p);
        if (*p == '=') {
            g_string_append(text, "...");
            break;
        }
    }
    return g_string_free(text, FALSE);
}

static void
set_usage_error(GError **error, const char *program, const char *message)
{
    g_autofree char *hidden = hide_values(message);

    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%s; \"%s --help\" lists the options",
                hidden, program);
}

/* GOption takes "--pin=1234" for "--pin" and drops the rest, so that somebody would believe that he
 * has set a PIN. */
static const char *
find_flag_with_value(char **argv, const GOptionEntry *entries)
{
    for (guint i = 1; argv[i] && !g_str_equal(argv[i], "--"); i++) {
        const char *sign = strchr(argv[i], '=');

        if (!g_str_has_prefix(argv[i], "--") || sign == NULL)
            continue;
        for (guint j = 0; entries && entries[j].long_name; j++) {
            if (entries[j].arg == G_OPTION_ARG_NONE &&
                strlen(entries[j].long_name) == (gsize)(sign - argv[i]) - 2 &&
                g_str_has_prefix(argv[i] + 2, entries[j].long_name))
                return entries[j].long_name;
        }
    }
    return NULL;
}

static gboolean
check_flags(char **argv, const GOptionEntry *entries, const char *program, GError **error)
{
    const char *flag = find_flag_with_value(argv, entries);
    g_autofree char *message = NULL;

    if (flag == NULL)
        return TRUE;
    message = g_strdup_printf("--%s takes no value", flag);
    set_usage_error(error, program, message);
    return FALSE;
}

static void
append_entries(GString *text, const char *title, const GOptionEntry *entries)
{
    g_string_append_printf(text, "\n%s\n", title);
    for (guint i = 0; entries[i].long_name; i++) {
        g_autofree char *option =
            g_strdup_printf("--%s%s%s", entries[i].long_name, entries[i].arg_description ? "=" : "",
                            entries[i].arg_description ? entries[i].arg_description : "");

        g_string_append_printf(text, "  %-23s %s\n", option, entries[i].description);
    }
}

char *
cvs_options_common_help(void)
{
    GString *text = g_string_new(NULL);
    CvsOptions options = {0};
    GOptionEntry common[N_COMMON + 1];

    common_entries(&options, common);
    append_entries(text, "Common options, before or after the command:", common);
    return g_string_free(text, FALSE);
}

static char *
help_text(const CvsUsage *usage)
{
    g_autofree char *common = cvs_options_common_help();
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "Usage:\n  %s [OPTION...]%s%s\n\n%s.\n", usage->program,
                           usage->words ? " " : "", usage->words ? usage->words : "",
                           usage->summary);
    if (usage->entries)
        append_entries(text, "Options:", usage->entries);
    g_string_append(text, common);
    if (usage->description)
        g_string_append_printf(text, "\n%s", usage->description);
    return g_string_free(text, FALSE);
}

gboolean
cvs_options_parse(CvsOptions *options, const CvsUsage *usage, char **argv, char ***ret_words,
                  char **ret_help, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_auto(GStrv) args = g_strdupv(argv);
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) local = NULL;
    /* GOption does not free what a variable held before. */
    g_auto(CvsOptions) given = {0};
    gboolean help = FALSE;
    guint n_words = 0;
    GOptionEntry common[N_COMMON + 1];
    const GOptionEntry own[] = {
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, NULL, NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL, NULL},
        {NULL},
    };

    g_free(args[0]);
    args[0] = g_strdup(usage->program);
    common_entries(&given, common);
    if (!check_flags(args, usage->entries, usage->program, error) ||
        !check_flags(args, common, usage->program, error) ||
        !check_flags(args, own, usage->program, error))
        return FALSE;
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, own, NULL);
    if (usage->entries)
        g_option_context_add_main_entries(context, usage->entries, NULL);
    g_option_context_add_main_entries(context, common, NULL);

    g_set_prgname(usage->program);
    if (!g_option_context_parse_strv(context, &args, &local)) {
        set_usage_error(error, usage->program, local->message);
        return FALSE;
    }
    if (help) {
        *ret_help = help_text(usage);
        return TRUE;
    }
    n_words = words ? g_strv_length(words) : 0;
    if (n_words < usage->min_words || n_words > usage->max_words) {
        g_autofree char *message = g_strdup_printf(
            n_words < usage->min_words ? "%s is missing" : "too many words: this takes %s",
            usage->max_words > 0 ? usage->words : "none");

        set_usage_error(error, usage->program, message);
        return FALSE;
    }
    take_options(options, &given);
    *ret_words = words ? g_steal_pointer(&words) : g_new0(char *, 1);
    return TRUE;
}

gboolean
cvs_options_parse_front(CvsOptions *options, char **argv, gboolean *ret_help, gboolean *ret_version,
                        char ***ret_rest, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_auto(GStrv) args = g_strdupv(argv);
    g_autoptr(GError) local = NULL;
    gboolean help = FALSE;
    gboolean version = FALSE;
    GOptionEntry common[N_COMMON + 1];
    const GOptionEntry own[] = {
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, NULL, NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, NULL, NULL},
        {NULL},
    };

    common_entries(options, common);
    if (!check_flags(args, common, "cvmseal", error) || !check_flags(args, own, "cvmseal", error))
        return FALSE;
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, own, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    if (!g_option_context_parse_strv(context, &args, &local)) {
        set_usage_error(error, "cvmseal", local->message);
        return FALSE;
    }
    *ret_help = help;
    *ret_version = version;
    *ret_rest = args[0] ? g_strdupv(args + 1) : g_new0(char *, 1);
    return TRUE;
}

gboolean
cvs_options_finish(CvsOptions *options, GError **error)
{
    CvsOwner owner;

    if (options->owner == NULL)
        options->owner = g_strdup(CVS_OWNER_SELF);
    if (!g_str_equal(options->owner, CVS_OWNER_SELF) && !g_str_equal(options->owner, "unit") &&
        !cvs_owner_parse(options->owner, &owner, error)) {
        g_prefix_error(error, "--owner: ");
        return FALSE;
    }
    if (options->direct && options->bus) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--bus and --direct exclude each other: --direct uses no bus");
        return FALSE;
    }
    if (!options->direct &&
        (options->config || options->tcti || options->vault || options->policies)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s needs --direct: the daemon has its own from its configuration",
                    options->config  ? "--config"
                    : options->tcti  ? "--tcti"
                    : options->vault ? "--vault"
                                     : "--policies");
        return FALSE;
    }
    if (options->direct && g_str_equal(options->owner, "unit")) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--owner unit is known to the daemon only; with --direct write "
                            "unit:NAME.service");
        return FALSE;
    }
    if (options->bus == NULL)
        options->bus = g_strdup("system");
    if (!g_str_equal(options->bus, "system") && !g_str_equal(options->bus, "session") &&
        strchr(options->bus, ':') == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--bus: not \"system\", \"session\" or an address such as "
                            "unix:path=/run/bus");
        return FALSE;
    }
    return TRUE;
}

static void
repeat(GString *text, const char *option, const char *value)
{
    g_autofree char *quoted = NULL;

    if (value == NULL)
        return;
    /* Quotes only where the shell would need them: it is read by a person first. */
    quoted = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "._-+=:,/@") == strlen(value)
                 ? g_strdup(value)
                 : g_shell_quote(value);
    g_string_append_printf(text, " %s %s", option, quoted);
}

char *
cvs_options_repeat(const CvsOptions *options)
{
    GString *text = g_string_new(NULL);

    if (options->owner && !g_str_equal(options->owner, CVS_OWNER_SELF))
        repeat(text, "--owner", options->owner);
    if (options->bus && !options->direct && !g_str_equal(options->bus, "system"))
        repeat(text, "--bus", options->bus);
    if (options->direct)
        g_string_append(text, " --direct");
    repeat(text, "--config", options->config);
    repeat(text, "--tcti", options->tcti);
    repeat(text, "--vault", options->vault);
    repeat(text, "--policies", options->policies);
    return g_string_free(text, FALSE);
}
