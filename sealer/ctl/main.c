/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/error.h"
#include "base/json.h"
#include "ctl/cli.h"
#include "ctl/report.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const CvsCommand *const commands[] = {
    &cvs_cmd_status,     &cvs_cmd_seal,    &cvs_cmd_generate,      &cvs_cmd_unseal,
    &cvs_cmd_list,       &cvs_cmd_show,    &cvs_cmd_explain,       &cvs_cmd_reseal,
    &cvs_cmd_remove,     &cvs_cmd_recover, &cvs_cmd_verify_report, &cvs_cmd_eventlog,
    &cvs_cmd_collateral, &cvs_cmd_report,  &cvs_cmd_attest,        &cvs_cmd_verify,
    &cvs_cmd_measure,    &cvs_cmd_policy,
};

/* A file that is opened while a standard descriptor is closed would take its place, and a secret
 * for stdout would be written into it. So the place is taken, by what gives an error when used. */
static void
fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

/* No core dump, and no debugger of the same user at a process that holds secrets. */
static void
protect_memory(void)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static char *
help_text(void)
{
    GString *text = g_string_new("Usage:\n  cvmseal [OPTION...] COMMAND [OPTION...] [NAME]\n\n"
                                 "Seals keys to the state of this machine and gives them back only "
                                 "in it.\n\nCommands:\n");
    g_autofree char *common = cvs_options_common_help();

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        g_string_append_printf(text, "  %-23s %s\n", commands[i]->name, commands[i]->usage.summary);
    g_string_append_printf(
        text,
        "%s"
        "\n\"cvmseal COMMAND --help\" tells more of a command, \"cvmseal --version\" the version.\n"
        "\nWith --json errors are {\"error\": {\"name\", \"message\", \"reasons\"}} on stdout, and "
        "on\n"
        "stderr for unseal and recover, whose stdout belongs to the secret.\n"
        "\nExit codes: 0 done, 1 failed, 2 usage, 3 refused (state, policy or verdict),\n"
        "4 not authorised, 5 malformed input.\n",
        common);
    return g_string_free(text, FALSE);
}

static const CvsCommand *
find_command(const char *name, GError **error)
{
    g_autofree char *safe = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(commands[i]->name, name))
            return commands[i];
    }
    safe = cvs_text_safe(name);
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                "there is no command \"%s\"; \"cvmseal --help\" lists them", safe);
    return NULL;
}

/* Errors of the parser are to be JSON too, and then the parser cannot tell. */
static gboolean
wants_json(char **argv)
{
    for (guint i = 1; argv[i] && !g_str_equal(argv[i], "--"); i++) {
        if (g_str_equal(argv[i], "--json"))
            return TRUE;
    }
    return FALSE;
}

static int
report(const CvsCli *cli, const CvsCommand *command, const GError *error)
{
    g_autofree char *text = NULL;

    /* Whoever closed the pipe does not want to hear of it. */
    if (cvs_output_is_broken_pipe(error))
        return CVS_EXIT_FAILED;
    if (cli->options.json) {
        g_autoptr(json_t) json = json_pack("{s:o}", "error", cvs_report_json(error));
        g_autofree char *pretty = cvs_json_pretty(json);

        text = g_strconcat(pretty, g_str_has_suffix(pretty, "\n") ? "" : "\n", NULL);
        (void)cvs_output_write(command && command->secret_on_stdout ? STDERR_FILENO : STDOUT_FILENO,
                               text, NULL);
    } else {
        text = cvs_report_text(cli, error);
        (void)cvs_output_write(STDERR_FILENO, text, NULL);
    }
    return cvs_error_exit_code(error);
}

/* *ret_command is set as soon as it is known, for the report of an error. */
static gboolean
run(CvsCli *cli, char **argv, const CvsCommand **ret_command, GError **error)
{
    g_auto(GStrv) rest = NULL;
    g_auto(GStrv) words = NULL;
    g_autofree char *help = NULL;
    gboolean want_help = FALSE;
    gboolean want_version = FALSE;

    if (!cvs_options_parse_front(&cli->options, argv, &want_help, &want_version, &rest, error))
        return FALSE;
    if (want_version)
        return cvs_cli_print(cli, "cvmseal " CVS_VERSION "\n", error);
    if (want_help) {
        help = help_text();
        return cvs_cli_print(cli, help, error);
    }
    if (rest[0] == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "a command is missing; \"cvmseal --help\" lists them");
        return FALSE;
    }
    *ret_command = find_command(rest[0], error);
    if (*ret_command == NULL)
        return FALSE;
    if (!cvs_options_parse(&cli->options, &(*ret_command)->usage, rest, &words, &help, error))
        return FALSE;
    if (help)
        return cvs_cli_print(cli, help, error);
    cli->options.direct |= (*ret_command)->local;
    return cvs_options_finish(&cli->options, error) && (*ret_command)->run(cli, words, error);
}

int
main(int argc, char **argv)
{
    CvsCli cli = {0};
    const CvsCommand *command = NULL;
    g_autoptr(GError) error = NULL;

    (void)setlocale(LC_ALL, "");
    /* The TPM library tells its own story of each error on stderr; ours is enough, unless asked. */
    (void)g_setenv("TSS2_LOG", "all+none", FALSE);
    fill_standard_descriptors();
    protect_memory();
    /* A reader that went away is an error of write(), which leaves us time to clean up. */
    (void)signal(SIGPIPE, SIG_IGN);
    cli.options.json = wants_json(argv);
    cvs_output_init(&cli.out, STDOUT_FILENO);
    cvs_output_init(&cli.err, STDERR_FILENO);

    if (!run(&cli, argv, &command, &error))
        cli.exit_code = report(&cli, command, error);

    cvs_backend_free(cli.backend);
    cvs_options_clear(&cli.options);
    g_free(cli.doing);
    g_free(cli.key);
    return cli.exit_code;
}
