/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "ctl/cli.h"
#include "ctl/new-file.h"
#include "ctl/progress.h"
#include "ctl/view.h"

#define RANDOM_SIZE 32

static char *nonce_text;
static char *user_data_text;
static char *challenge_file;
static char *out_file;

static const GOptionEntry entries[] = {
    {"nonce", 0, 0, G_OPTION_ARG_STRING, &nonce_text,
     "What the verifier sent: 1 to 64 bytes; default: random", "HEX"},
    {"user-data", 0, 0, G_OPTION_ARG_STRING, &user_data_text,
     "What the evidence shall vouch for too: up to 1024 bytes", "HEX"},
    {"challenge", 0, 0, G_OPTION_ARG_FILENAME, &challenge_file,
     "Answer this challenge, which brings its own nonce", "FILE"},
    {"out", 0, 0, G_OPTION_ARG_FILENAME, &out_file,
     "Write it to this file, which must not be there; default: stdout", "FILE"},
    {NULL},
};

/* Bytes of an option; text NULL: none. */
static gboolean
take_hex(const char *text, const char *option, gsize max, GBytes **ret_bytes, GError **error)
{
    g_autoptr(GBytes) bytes = text ? cvs_hex_decode(text, -1, NULL) : NULL;

    if (text && (bytes == NULL || g_bytes_get_size(bytes) == 0 || g_bytes_get_size(bytes) > max)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s: not 1 to %zu bytes in hexadecimal digits", option, max);
        return FALSE;
    }
    *ret_bytes = g_steal_pointer(&bytes);
    return TRUE;
}

static GBytes *
random_nonce(GError **error)
{
    g_autoptr(CvsSecret) random = cvs_secret_new_random(RANDOM_SIZE, error);

    return random ? g_bytes_new(cvs_secret_peek(random), RANDOM_SIZE) : NULL;
}

static CvsChallenge *
read_challenge(GError **error)
{
    g_autoptr(GBytes) bytes = cvs_file_read_path(challenge_file, CVS_CHALLENGE_SIZE_MAX, error);
    CvsChallenge *challenge = NULL;

    if (bytes == NULL)
        return NULL;
    challenge = cvs_challenge_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
    if (challenge == NULL)
        g_prefix_error(error, "%s: ", challenge_file);
    return challenge;
}

/* What goes to stdout is for others, who know their own roots: it is us who have to know. */
static void
say_test_roots(const CvsCli *cli)
{
    g_autoptr(GString) text = g_string_new(NULL);

    cvs_view_append_test_roots(&cli->err, text);
    g_printerr("%s", text->str);
}

static char *
attest(CvsCli *cli, const CvsAttestRequest *request, GError **error)
{
    CvsBackend *backend = cvs_cli_get_backend(cli, error);
    g_autoptr(CvsProgress) progress = NULL;
    gboolean test_roots = FALSE;
    char *text = NULL;

    if (backend == NULL)
        return NULL;
    progress = cvs_progress_start("Asking TEE and TPM");
    text = backend->class->attest(backend, request, &test_roots, error);
    cvs_progress_silence(progress);
    if (text && test_roots)
        say_test_roots(cli);
    return text;
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(GBytes) nonce = NULL, user_data = NULL;
    g_autoptr(CvsChallenge) challenge = NULL;
    CvsAttestRequest request = {0};
    g_autofree char *text = NULL;

    cli->verb = "attest";
    cli->doing = g_strdup("attest this machine");
    if (!take_hex(nonce_text, "--nonce", CVS_BUNDLE_NONCE_MAX, &nonce, error) ||
        !take_hex(user_data_text, "--user-data", CVS_BUNDLE_USER_DATA_MAX, &user_data, error))
        return FALSE;
    if (nonce && challenge_file) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--nonce: a challenge brings its own");
        return FALSE;
    }
    /* Before the TEE is asked, which it bears only so often. */
    if (out_file && !cvs_new_file_check(out_file, "--out", error))
        return FALSE;
    if (challenge_file) {
        challenge = read_challenge(error);
        if (challenge == NULL)
            return FALSE;
    } else if (nonce == NULL) {
        nonce = random_nonce(error);
        if (nonce == NULL)
            return FALSE;
    }
    request = (CvsAttestRequest){.nonce = nonce, .challenge = challenge, .user_data = user_data};
    text = attest(cli, &request, error);
    if (text == NULL)
        return FALSE;
    return out_file ? cvs_new_file_write(out_file, text, 0644, error)
                    : cvs_cli_print(cli, text, error);
}

const CvsCommand cvs_cmd_attest = {
    .name = "attest",
    .usage =
        {
            .program = "cvmseal attest",
            .summary = "Make evidence of TEE and TPM for a verifier",
            .description =
                "Needs root, or the polkit action org.cvmseal1.attest. The evidence is JSON: the "
                "TEE's\nreport and a quote of PCRs 0 to 15, each of which refers to the other and "
                "to the nonce.\nIt has passed all that does not depend on a profile; \"cvmseal "
                "verify\" judges it.\n",
            .entries = entries,
        },
    .run = run,
};
