/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "ctl/cli.h"
#include "ctl/local-attester.h"
#include "ctl/new-file.h"
#include "ctl/progress.h"

#define COLLATERAL_DIR CVS_STATE_DIR "/collateral"
#define RANDOM_SIZE 32
/* What firmware, boot loader and system measure: all that software cannot reset. */
#define PCRS 0xffffu

static char *nonce_text;
static char *user_data_text;
static char *challenge_file;
static char *out_file;
static char *store_dir;
static char *roots_dir;

static const GOptionEntry entries[] = {
    {"nonce", 0, 0, G_OPTION_ARG_STRING, &nonce_text,
     "What the verifier sent: 1 to 64 bytes; default: random", "HEX"},
    {"user-data", 0, 0, G_OPTION_ARG_STRING, &user_data_text,
     "What the evidence shall vouch for too: up to 1024 bytes", "HEX"},
    {"challenge", 0, 0, G_OPTION_ARG_FILENAME, &challenge_file,
     "Answer this challenge, which brings its own nonce", "FILE"},
    {"out", 0, 0, G_OPTION_ARG_FILENAME, &out_file,
     "Write it to this file, which must not be there; default: stdout", "FILE"},
    {"store", 0, 0, G_OPTION_ARG_FILENAME, &store_dir,
     "The collateral store, default " COLLATERAL_DIR, "DIR"},
    {"roots", 0, 0, G_OPTION_ARG_FILENAME, &roots_dir, "Test roots", "DIR"},
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

static CvsEvidenceBundle *
attest(const CvsCli *cli, GBytes *nonce, GBytes *user_data, const CvsChallenge *challenge,
       GError **error)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = PCRS};
    g_autoptr(CvsLocalAttester) local = cvs_local_attester_new(cli, store_dir, roots_dir, error);
    g_autoptr(CvsProgress) progress = NULL;
    CvsEvidenceBundle *bundle = NULL;
    gsize user_size = 0;
    const void *user = user_data ? g_bytes_get_data(user_data, &user_size) : NULL;

    if (local == NULL)
        return NULL;
    progress = cvs_progress_start("Asking TEE and TPM");
    bundle =
        challenge
            ? cvs_attester_answer(local->attester, challenge, user, user_size, &selection, error)
            : cvs_attester_evidence(local->attester, g_bytes_get_data(nonce, NULL),
                                    g_bytes_get_size(nonce), user, user_size, &selection, error);
    cvs_progress_silence(progress);
    return bundle;
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(GBytes) nonce = NULL, user_data = NULL;
    g_autoptr(CvsChallenge) challenge = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autofree char *text = NULL;

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
    bundle = attest(cli, nonce, user_data, challenge, error);
    if (bundle == NULL)
        return FALSE;
    text = cvs_evidence_bundle_format(bundle);
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
                "Needs root. The evidence is JSON: the TEE's report and a quote of PCRs 0 to 15, "
                "each\nof which refers to the other and to the nonce. It has passed all that does "
                "not depend\non a profile; \"cvmseal verify\" judges it.\n",
            .entries = entries,
        },
    .local = TRUE,
    .run = run,
};
