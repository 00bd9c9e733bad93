/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/prompt.h"
#include "ctl/secret-io.h"

static struct {
    char *out;
    gboolean force;
    gboolean pin;
    char *pin_file;
} args;

static const GOptionEntry entries[] = {
    {"out", 0, 0, G_OPTION_ARG_FILENAME, &args.out,
     "Write to a new file (mode 0600), not to stdout", "FILE"},
    {"force", 0, 0, G_OPTION_ARG_NONE, &args.force,
     "Print to a terminal; with --out replace the file", NULL},
    {"pin", 0, 0, G_OPTION_ARG_NONE, &args.pin, "Ask for the PIN right away", NULL},
    {"pin-file", 0, 0, G_OPTION_ARG_FILENAME, &args.pin_file, "Read the PIN from a file", "FILE"},
    {NULL},
};

static CvsSecret *
unseal(CvsCli *cli, const char *name, const CvsSecret *pin, GError **error)
{
    CvsProgress *progress = cvs_progress_start("Unsealing \"%s\"", name);
    CvsSecret *secret =
        cli->backend->class->unseal(cli->backend, cli->options.owner, name, pin, error);

    cvs_progress_stop(progress);
    return secret;
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    const char *name = words[0];
    g_autoptr(CvsSecret) pin = NULL;
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(GError) local = NULL;

    if (!cvs_cli_begin(cli, "unseal", name, error) ||
        !cvs_secret_io_check(args.out, args.force, error) || !cvs_cli_get_backend(cli, error))
        return FALSE;
    if (args.pin || args.pin_file) {
        pin = cvs_ask_pin(name, args.pin_file, FALSE, error);
        if (pin == NULL)
            return FALSE;
    }
    secret = unseal(cli, name, pin, &local);
    /* Most keys have no PIN, so nobody has to say that this one does. */
    if (secret == NULL && pin == NULL && cvs_prompt_possible() &&
        g_error_matches(local, CVS_ERROR, CVS_ERROR_PIN_REQUIRED)) {
        g_clear_error(&local);
        pin = cvs_ask_pin(name, NULL, FALSE, error);
        if (pin == NULL)
            return FALSE;
        secret = unseal(cli, name, pin, &local);
    }
    if (secret == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return cvs_secret_io_write(args.out, args.force, secret, NULL, error);
}

const CvsCommand cvs_cmd_unseal = {
    .name = "unseal",
    .usage =
        {
            .program = "cvmseal unseal",
            .words = "NAME",
            .summary = "Give a key back, if the machine is in the state it was sealed to",
            .description =
                "The secret goes to stdout, byte for byte, and never to a terminal unless --force\n"
                "is given. A PIN is asked for where the key has one. As stdout belongs to the\n"
                "secret, --json writes errors to stderr.\n"
                "\n"
                "  cvmseal unseal db | psql-with-password-from-stdin\n"
                "  cvmseal unseal tls-key --out /run/app/key.pem\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 1,
        },
    .secret_on_stdout = TRUE,
    .run = run,
};
