/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/prompt.h"
#include "ctl/secret-io.h"
#include "ctl/view.h"
#include "policy/pinnable.h"
#include "policy/profile.h"
#include "tpm/pcr.h"
#include "vault/key-file.h"

#include <unistd.h>

static struct {
    char *in;
    char *size;
    char *pcrs;
    char *bank;
    char *rtmrs;
    char *require;
    char *policy;
    gboolean pin;
    char *pin_file;
    gboolean recovery_key;
    char *recovery_key_out;
    gboolean replace;
    gboolean allow_unmeasured;
    gboolean derived_key;
    gboolean this_boot;
} args;

#define SEALING_ENTRIES                                                                              \
    {"pcrs",     0,                                                                                  \
     0,          G_OPTION_ARG_STRING,                                                                \
     &args.pcrs, "PCRs to seal to, such as 0+2+7; default: the profile's",                           \
     "LIST"},                                                                                        \
        {"bank",     0,                                                                              \
         0,          G_OPTION_ARG_STRING,                                                            \
         &args.bank, "Their bank, sha256 or sha384; default: the profile's",                         \
         "HASH"},                                                                                    \
        {"rtmrs",     0,                                                                             \
         0,           G_OPTION_ARG_STRING,                                                           \
         &args.rtmrs, "RTMRs of a TD to seal to, such as 0+1+2; default: the profile's",             \
         "LIST"},                                                                                    \
        {"require",                                                                                  \
         0,                                                                                          \
         0,                                                                                          \
         G_OPTION_ARG_STRING,                                                                        \
         &args.require,                                                                              \
         "Claims of the TEE to seal to, such as measurement,tcb; default: the profile's",            \
         "LIST"},                                                                                    \
        {"policy", 0, 0, G_OPTION_ARG_STRING, &args.policy, "Profile; default: default", "NAME"},    \
        {"pin", 0, 0, G_OPTION_ARG_NONE, &args.pin, "Ask for a PIN that unsealing will need", NULL}, \
        {"pin-file", 0, 0, G_OPTION_ARG_FILENAME, &args.pin_file, "Read the PIN from a file",        \
         "FILE"},                                                                                    \
        {"recovery-key",                                                                             \
         0,                                                                                          \
         0,                                                                                          \
         G_OPTION_ARG_NONE,                                                                          \
         &args.recovery_key,                                                                         \
         "Make a recovery key and show it once on the terminal",                                     \
         NULL},                                                                                      \
        {"recovery-key-out",                                                                         \
         0,                                                                                          \
         0,                                                                                          \
         G_OPTION_ARG_FILENAME,                                                                      \
         &args.recovery_key_out,                                                                     \
         "Make a recovery key and write it to a new file",                                           \
         "FILE"},                                                                                    \
        {"replace", 0, 0, G_OPTION_ARG_NONE, &args.replace, "Replace a key of that name", NULL},     \
        {"allow-unmeasured",                                                                         \
         0,                                                                                          \
         0,                                                                                          \
         G_OPTION_ARG_NONE,                                                                          \
         &args.allow_unmeasured,                                                                     \
         "Seal to PCRs that nothing was measured into",                                              \
         NULL},                                                                                      \
        {"derived-key",                                                                              \
         0,                                                                                          \
         0,                                                                                          \
         G_OPTION_ARG_NONE,                                                                          \
         &args.derived_key,                                                                          \
         "A key that the TEE derives (SNP) is needed too",                                           \
         NULL},                                                                                      \
        {"this-boot",                                                                                \
         0,                                                                                          \
         0,                                                                                          \
         G_OPTION_ARG_NONE,                                                                          \
         &args.this_boot,                                                                            \
         "Seal in a TPM that is new at each boot, too",                                              \
         NULL},                                                                                      \
    {                                                                                                \
        NULL                                                                                         \
    }

static const GOptionEntry seal_entries[] = {
    {"in", 0, 0, G_OPTION_ARG_FILENAME, &args.in, "Read the secret from a file, not from stdin",
     "FILE"},
    SEALING_ENTRIES,
};

static const GOptionEntry generate_entries[] = {
    {"size", 0, 0, G_OPTION_ARG_STRING, &args.size, "Bytes of the key, 1 to 65536", "N"},
    SEALING_ENTRIES,
};

/* Where a new recovery key goes. */
typedef struct {
    const char *key;
    const char *file; /* NULL: the terminal */
    gboolean delivered;
    CvsProgress *progress;
} Recovery;

static gboolean
deliver(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    Recovery *recovery = data;

    cvs_progress_silence(recovery->progress);
    recovery->delivered =
        recovery->file ? cvs_secret_io_write(recovery->file, FALSE, recovery_key, "\n", error)
                       : cvs_ask_to_keep_recovery_key(recovery->key, recovery_key, error);
    return recovery->delivered;
}

/* A recovery key that nobody will see is an error before anything is sealed. */
static gboolean
prepare_recovery(const char *name, CvsSealRequest *request, Recovery *recovery, GError **error)
{
    recovery->key = name;
    recovery->file = args.recovery_key_out;
    if (!args.recovery_key && args.recovery_key_out == NULL)
        return TRUE;
    request->deliver_recovery_key = deliver;
    request->deliver_data = recovery;
    if (recovery->file)
        return cvs_secret_io_check(recovery->file, FALSE, error);
    if (cvs_prompt_possible())
        return TRUE;
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "there is no terminal to show the recovery key on; use "
                        "--recovery-key-out FILE");
    return FALSE;
}

/* bank and claims have to live as long as the request. */
static gboolean
prepare_request(CvsSealRequest *request, CvsHash *bank, GStrv *claims, GError **error)
{
    request->profile = args.policy;
    request->replace = args.replace;
    request->allow_unmeasured = args.allow_unmeasured;
    request->derived_key = args.derived_key;
    request->this_boot = args.this_boot;
    if (args.policy && !cvs_profile_name_is_valid(args.policy)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--policy: not the name of a profile");
        return FALSE;
    }
    if (args.pcrs && !cvs_pcr_mask_parse(args.pcrs, &request->pcrs, error)) {
        g_prefix_error(error, "--pcrs: ");
        return FALSE;
    }
    if (args.rtmrs && !cvs_rtmr_mask_parse(args.rtmrs, &request->rtmrs, error)) {
        g_prefix_error(error, "--rtmrs: ");
        return FALSE;
    }
    if (args.require) {
        *claims = cvs_pinnable_parse(args.require, error);
        if (*claims == NULL) {
            g_prefix_error(error, "--require: ");
            return FALSE;
        }
        request->claims = (const char *const *)*claims;
    }
    if (args.bank) {
        if (!cvs_pcr_bank_parse(args.bank, bank, error)) {
            g_prefix_error(error, "--bank: ");
            return FALSE;
        }
        request->bank = bank;
    }
    return TRUE;
}

static CvsSecret *
read_secret(const char *name, GError **error)
{
    g_autofree char *question = g_strdup_printf("Secret for \"%s\": ", name);

    if (args.in)
        return cvs_secret_io_read_file(args.in, CVS_SECRET_MAX, "the secret", error);
    if (isatty(STDIN_FILENO))
        return cvs_prompt_secret_twice(question, CVS_SECRET_MAX, "the secret", "--in FILE", error);
    return cvs_secret_io_read_fd(STDIN_FILENO, CVS_SECRET_MAX, "the secret", error);
}

static gboolean
parse_size(guint32 *ret_size, GError **error)
{
    guint64 size = 0;

    if (args.size == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--size is missing: how many bytes, 1 to 65536");
        return FALSE;
    }
    if (!g_ascii_string_to_unsigned(args.size, 10, 1, G_MAXUINT32, &size, NULL)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--size: not a number of bytes, 1 to 65536");
        return FALSE;
    }
    if (size > CVS_SECRET_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "--size: more than %d bytes",
                    CVS_SECRET_MAX);
        return FALSE;
    }
    *ret_size = (guint32)size;
    return TRUE;
}

static gboolean
tell(const CvsCli *cli, const char *name, const char *id, guint64 size, GError **error)
{
    g_autofree char *text = NULL;
    g_autofree char *human = cvs_text_size(size);

    if (cli->options.json) {
        g_autoptr(json_t) json =
            json_pack("{s:s, s:s, s:I}", "name", name, "id", id, "size", (json_int_t)size);

        return cvs_cli_print_json(cli, json, error);
    }
    text = g_strdup_printf("Sealed \"%s\" (%s).\n", name, human);
    return cvs_cli_print(cli, text, error);
}

/* By the status, since who may seal for another may be asked for a password again to look at the
 * key. It is sealed by now: what cannot be found out is not its error. */
static void
warn_of_host(const CvsCli *cli)
{
    g_autoptr(CvsStatusInfo) info = cli->backend->class->status(cli->backend, NULL);

    if (info && g_str_equal(info->vtpm_kind, "host"))
        g_printerr("cvmseal: warning: %s\n", CVS_VIEW_HOSTS_PCRS);
}

/* generate: the size instead of a secret. */
static gboolean
run(CvsCli *cli, const char *name, gboolean generate, GError **error)
{
    CvsSealRequest request = {0};
    Recovery recovery = {0};
    CvsHash bank = CVS_SHA256;
    g_auto(GStrv) claims = NULL;
    guint32 size = 0;
    CvsBackend *backend = NULL;
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(CvsSecret) pin = NULL;
    g_autoptr(CvsProgress) progress = NULL;
    g_autofree char *id = NULL;
    gboolean ok = FALSE;

    if (!cvs_cli_begin(cli, generate ? "generate" : "seal", name, error) ||
        !prepare_request(&request, &bank, &claims, error) ||
        (generate && !parse_size(&size, error)) ||
        !prepare_recovery(name, &request, &recovery, error))
        return FALSE;
    backend = cvs_cli_get_backend(cli, error);
    if (backend == NULL)
        return FALSE;
    if (!generate) {
        secret = read_secret(name, error);
        if (secret == NULL)
            return FALSE;
        size = (guint32)cvs_secret_size(secret);
    }
    if (args.pin || args.pin_file) {
        pin = cvs_ask_pin(name, args.pin_file, TRUE, error);
        if (pin == NULL)
            return FALSE;
        request.pin = pin;
    }

    progress = cvs_progress_start("Sealing \"%s\"", name);
    recovery.progress = progress;
    ok = generate ? backend->class->generate(backend, cli->options.owner, name, size, &request, &id,
                                             error)
                  : backend->class->seal(backend, cli->options.owner, name, secret, &request, &id,
                                         error);
    cvs_progress_silence(progress);
    if (!ok) {
        /* A disk that fails at last may keep the key; else the recovery key opens nothing, and
         * would only be taken for one that does. */
        if (recovery.delivered && g_error_matches(*error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR))
            g_prefix_error(error, "the key may be there all the same, so keep its recovery key "
                                  "until you have looked: ");
        else if (recovery.delivered && recovery.file)
            cvs_secret_io_remove(recovery.file);
        else if (recovery.delivered)
            g_prefix_error(error, "the recovery key shown above is void: ");
        return FALSE;
    }
    warn_of_host(cli);
    return tell(cli, name, id, size, error);
}

static gboolean
run_seal(CvsCli *cli, char **words, GError **error)
{
    return run(cli, words[0], FALSE, error);
}

static gboolean
run_generate(CvsCli *cli, char **words, GError **error)
{
    return run(cli, words[0], TRUE, error);
}

const CvsCommand cvs_cmd_seal = {
    .name = "seal",
    .usage =
        {
            .program = "cvmseal seal",
            .words = "NAME",
            .summary = "Seal a secret of 1 to 65536 bytes to the present state of this machine",
            .description =
                "The secret is read from stdin to its end, each byte as it is (\"echo\" adds a\n"
                "line end, \"printf %s\" does not). On a terminal it is asked for, without echo.\n"
                "\n"
                "  pwgen -s 32 1 | tr -d '\\n' | cvmseal seal db\n"
                "  cvmseal seal tls-key --in key.pem --pcrs 0+2+7 --recovery-key\n",
            .entries = seal_entries,
            .min_words = 1,
            .max_words = 1,
        },
    .run = run_seal,
};

const CvsCommand cvs_cmd_generate = {
    .name = "generate",
    .usage =
        {
            .program = "cvmseal generate",
            .words = "NAME",
            .summary = "Seal random bytes that nobody has seen",
            .description = "  cvmseal generate disk --size 32 --recovery-key\n",
            .entries = generate_entries,
            .min_words = 1,
            .max_words = 1,
        },
    .run = run_generate,
};
