/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/prompt.h"
#include "ctl/report.h"
#include "tee/eventlog.h"

#include <unistd.h>

static struct {
    gboolean all;
    gboolean pin;
    char *pin_file;
    gboolean recovery_key;
    char *recovery_key_file;
    gboolean allow_unmeasured;
    char *to;
    gboolean keep_others;
    char *drop;
    CvsPredicted predicted;
    CvsDrop dropped;
} args;

static const GOptionEntry entries[] = {
    {"all", 0, 0, G_OPTION_ARG_NONE, &args.all, "All keys of the owner", NULL},
    {"recovery-key", 0, 0, G_OPTION_ARG_NONE, &args.recovery_key,
     "Open the key by its recovery key; asks for it", NULL},
    {"recovery-key-file", 0, 0, G_OPTION_ARG_FILENAME, &args.recovery_key_file,
     "Read the recovery key from a file", "FILE"},
    {"pin", 0, 0, G_OPTION_ARG_NONE, &args.pin, "Ask for the PIN right away", NULL},
    {"pin-file", 0, 0, G_OPTION_ARG_FILENAME, &args.pin_file, "Read the PIN from a file", "FILE"},
    {"allow-unmeasured", 0, 0, G_OPTION_ARG_NONE, &args.allow_unmeasured,
     "Seal to PCRs that nothing was measured into", NULL},
    {"to", 0, 0, G_OPTION_ARG_FILENAME, &args.to,
     "Seal to a state that is to come, beside the present one: an event log, or values in JSON",
     "FILE"},
    {"keep-others", 0, 0, G_OPTION_ARG_NONE, &args.keep_others,
     "Registers that the FILE of --to does not know keep their present values", NULL},
    {"drop", 0, 0, G_OPTION_ARG_STRING, &args.drop,
     "Do without: pin, derived-key, prepared (what waits for states to come)", "WHAT,..."},
    {NULL},
};

static gboolean
read_predicted(GError **error)
{
    g_autoptr(GBytes) bytes = NULL;

    if (args.to == NULL) {
        if (args.keep_others)
            g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                                "--keep-others goes with --to FILE only");
        return !args.keep_others;
    }
    bytes = cvs_file_read_path(args.to, CVS_EVENT_LOG_MAX, error);
    if (bytes == NULL || !cvs_predicted_parse(bytes, args.to, &args.predicted, error))
        return FALSE;
    args.predicted.keep_others = args.keep_others;
    return TRUE;
}

static gboolean
call(CvsCli *cli, const char *name, const CvsResealRequest *request, GError **error)
{
    CvsProgress *progress = cvs_progress_start("Resealing \"%s\"", name);
    gboolean ok =
        cli->backend->class->reseal(cli->backend, cli->options.owner, name, request, error);

    cvs_progress_stop(progress);
    return ok;
}

static gboolean
reseal(CvsCli *cli, const char *name, GError **error)
{
    CvsResealRequest request = {.allow_unmeasured = args.allow_unmeasured,
                                .to = args.to ? &args.predicted : NULL,
                                .drop = args.dropped};
    g_autoptr(CvsSecret) pin = NULL;
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GError) local = NULL;

    if (!cvs_cli_begin(cli, "reseal", name, error))
        return FALSE;
    if (args.recovery_key || args.recovery_key_file) {
        recovery_key = cvs_ask_recovery_key(name, args.recovery_key_file, error);
        if (recovery_key == NULL)
            return FALSE;
        request.recovery_key = recovery_key;
    }
    if (args.pin || args.pin_file) {
        pin = cvs_ask_pin(name, args.pin_file, FALSE, error);
        if (pin == NULL)
            return FALSE;
        request.pin = pin;
    }
    if (call(cli, name, &request, &local))
        return TRUE;
    if (pin == NULL && cvs_prompt_possible() &&
        g_error_matches(local, CVS_ERROR, CVS_ERROR_PIN_REQUIRED)) {
        /* With the recovery key nobody proves the PIN, so it is asked for as a new one is. */
        pin = cvs_ask_pin(name, NULL, recovery_key != NULL, error);
        if (pin == NULL)
            return FALSE;
        request.pin = pin;
        return call(cli, name, &request, error);
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static json_t *
result_to_json(const char *name, const GError *failure)
{
    return failure ? json_pack("{s:s, s:b, s:o}", "name", name, "resealed", 0, "error",
                               cvs_report_json(failure))
                   : json_pack("{s:s, s:b}", "name", name, "resealed", 1);
}

/* Tells of one key; the worst of all exit codes becomes that of the program. */
static gboolean
tell(CvsCli *cli, const char *name, const GError *failure, json_t *results, GError **error)
{
    g_autofree char *text = NULL;

    if (failure)
        cli->exit_code = MAX(cli->exit_code, cvs_error_exit_code(failure));
    if (cli->options.json) {
        (void)json_array_append_new(results, result_to_json(name, failure));
        return TRUE;
    }
    if (failure) {
        text = cvs_report_text(cli, failure);
        return cvs_output_write(STDERR_FILENO, text, error);
    }
    if (args.to)
        text = g_strdup_printf("Sealed \"%s\" to the state in %s too, which could not be tried "
                               "here: keep the recovery "
                               "key at hand. The present state opens the key until that one has.\n",
                               name, args.to);
    else
        text = g_strdup_printf("Resealed \"%s\".\n", name);
    return cvs_cli_print(cli, text, error);
}

static gboolean
reseal_all(CvsCli *cli, json_t *results, GError **error)
{
    g_autoptr(GPtrArray) keys = NULL;

    cli->doing = g_strdup("list keys");
    keys = cli->backend->class->list(cli->backend, cli->options.owner, error);
    for (guint i = 0; keys && i < keys->len; i++) {
        const CvsKeyInfo *info = g_ptr_array_index(keys, i);
        g_autoptr(GError) failure = NULL;

        /* One key's trouble is no other's. */
        (void)reseal(cli, info->name, &failure);
        if (!tell(cli, info->name, failure, results, error))
            return FALSE;
    }
    return keys != NULL;
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(json_t) json = NULL;
    json_t *results = NULL;

    if (args.all == (words[0] != NULL)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "name one key, or give --all");
        return FALSE;
    }
    if (args.drop && !cvs_drop_parse(args.drop, &args.dropped, error))
        return FALSE;
    if (!read_predicted(error) || !cvs_cli_get_backend(cli, error))
        return FALSE;
    if (!args.all && !reseal(cli, words[0], error))
        return FALSE;
    if (!args.all && !cli->options.json)
        return tell(cli, words[0], NULL, NULL, error);

    results = json_array();
    json = json_pack("{s:o}", "keys", results);
    if (args.all ? !reseal_all(cli, results, error) : !tell(cli, words[0], NULL, results, error))
        return FALSE;
    return !cli->options.json || cvs_cli_print_json(cli, json, error);
}

const CvsCommand cvs_cmd_reseal = {
    .name = "reseal",
    .usage =
        {
            .program = "cvmseal reseal",
            .words = "NAME|--all",
            .summary = "Seal a key anew to the present state, after a change that was meant",
            .description =
                "The key has to open now, or by its recovery key, which an update of what is\n"
                "measured makes necessary. Profile, registers and PIN stay as they are, but for\n"
                "what the profile has come to require. A PIN or a derived key that it has come to\n"
                "forbid goes only with --drop.\n"
                "With --to the key is sealed ahead of time to the registers of a boot that is to\n"
                "come, as its event log has them or a file says:\n"
                "{\"pcrs\": {\"sha256\": {\"7\": \"HEX\"}}, \"rtmrs\": {\"0\": \"HEX\"}}. Every "
                "register that\n"
                "the key is sealed to must be in it; claims about the TEE stay as they are now.\n"
                "What is prepared so waits until it has opened the key, or goes with --drop "
                "prepared.\n"
                "With --all a key that fails does not stop the others; each failure is reported,\n"
                "and the exit code is the highest of all. --json gives\n"
                "{\"keys\": [{\"name\", \"resealed\", \"error\"}]}.\n",
            .entries = entries,
            .max_words = 1,
        },
    .run = run,
};
