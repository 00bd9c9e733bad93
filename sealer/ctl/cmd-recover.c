/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/secret-io.h"
#include "vault/key-file.h"

static struct {
    char *out;
    gboolean force;
    char *recovery_key_file;
} args;

static const GOptionEntry entries[] = {
    {"recovery-key-file", 0, 0, G_OPTION_ARG_FILENAME, &args.recovery_key_file,
     "Read the recovery key from a file", "FILE"},
    {"out", 0, 0, G_OPTION_ARG_FILENAME, &args.out,
     "Write to a new file (mode 0600), not to stdout", "FILE"},
    {"force", 0, 0, G_OPTION_ARG_NONE, &args.force,
     "Print to a terminal; with --out replace the file", NULL},
    {NULL},
};

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    const char *path = words[0];
    g_autofree char *safe = cvs_text_safe(path);
    g_autoptr(CvsSecret) text = NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(CvsSecret) secret = NULL;

    cli->doing = g_strdup_printf("recover %s", safe);
    if (!cvs_secret_io_check(args.out, args.force, error))
        return FALSE;
    text = cvs_secret_io_read_file(path, CVS_KEY_FILE_MAX, "the key's file", error);
    if (text == NULL)
        return FALSE;
    key = cvs_key_file_parse(cvs_secret_peek(text), cvs_secret_size(text), error);
    if (key == NULL)
        return FALSE;
    recovery_key = cvs_ask_recovery_key(cvs_key_file_get_name(key), args.recovery_key_file, error);
    if (recovery_key == NULL || !cvs_key_file_open_recovery(key, recovery_key, error))
        return FALSE;
    secret = cvs_key_file_decrypt(key, error);
    return secret && cvs_secret_io_write(args.out, args.force, secret, NULL, error);
}

const CvsCommand cvs_cmd_recover = {
    .name = "recover",
    .usage =
        {
            .program = "cvmseal recover",
            .words = "FILE",
            .summary = "Open a key's file with its recovery key: no daemon, no TPM, any machine",
            .description =
                "FILE is a file of the vault or its backup, /var/lib/cvmseal/keys/OWNER/NAME.\n"
                "The recovery key is asked for without echo. Exit code 4: it does not open this\n"
                "key; 5: the file is damaged. As stdout belongs to the secret, --json writes\n"
                "errors to stderr. The common options about owner, daemon and TPM are not used.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 1,
        },
    .secret_on_stdout = TRUE,
    .run = run,
};
