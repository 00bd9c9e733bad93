/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "attest/attester.h"
#include "base/daemon-config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/view.h"
#include "tee/tee-roots.h"
#include "tee/test-roots.h"

#include <string.h>

#define COLLATERAL_DIR CVS_STATE_DIR "/collateral"
#define RANDOM_SIZE 32
/* What firmware, boot loader and system measure: all that software cannot reset. */
#define PCRS 0xffffu

static char *nonce_text;
static char *user_data_text;
static char *out_file;
static char *store_dir;
static char *roots_dir;

static const GOptionEntry entries[] = {
    {"nonce", 0, 0, G_OPTION_ARG_STRING, &nonce_text,
     "What the verifier sent: 1 to 64 bytes; default: random", "HEX"},
    {"user-data", 0, 0, G_OPTION_ARG_STRING, &user_data_text,
     "What the evidence shall vouch for too: up to 1024 bytes", "HEX"},
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

/* Those of the configuration and of --roots. What goes to stdout is for others, who know their own
 * roots: it is us who have to know. */
static gboolean
take_roots(const CvsCli *cli, const CvsConfig *config, CvsSnpRoots **ret_snp, CvsTdxRoots **ret_tdx,
           GError **error)
{
    g_autoptr(GPtrArray) certs = NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    if (!cvs_tee_roots_new(config, ret_snp, ret_tdx, error))
        return FALSE;
    if (roots_dir) {
        certs = cvs_test_roots_load(roots_dir, error);
        if (certs == NULL)
            return FALSE;
        cvs_snp_roots_add_test(*ret_snp, certs);
        cvs_tdx_roots_add_test(*ret_tdx, certs);
    }
    if (cvs_snp_roots_have_test(*ret_snp)) {
        cvs_view_append_test_roots(&cli->err, text);
        g_printerr("%s", text->str);
    }
    return TRUE;
}

static CvsEvidenceBundle *
attest(const CvsCli *cli, GBytes *nonce, GBytes *user_data, GError **error)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = PCRS};
    g_autoptr(CvsConfig) config = cvs_config_load(cli->options.config, error);
    g_autoptr(CvsTeePaths) paths = config ? cvs_tee_paths_new(config) : NULL;
    g_autoptr(CvsTeeSource) source = paths ? cvs_tee_source_new(paths, NULL) : NULL;
    g_autoptr(CvsSnpRoots) snp = NULL;
    g_autoptr(CvsTdxRoots) tdx = NULL;
    g_autoptr(CvsTpm) tpm = NULL;
    g_autoptr(CvsAttester) attester = NULL;
    g_autoptr(CvsProgress) progress = NULL;
    CvsAttesterConfig with = {.source = source};
    CvsEvidenceBundle *bundle = NULL;
    gsize user_size = 0;
    const void *user = user_data ? g_bytes_get_data(user_data, &user_size) : NULL;

    if (source == NULL || !take_roots(cli, config, &snp, &tdx, error))
        return NULL;
    with.collateral_dir = store_dir ? store_dir : paths->collateral;
    with.snp_roots = snp;
    with.tdx_roots = tdx;
    tpm = cvs_tpm_new(cli->options.tcti ? cli->options.tcti : config->tcti);
    with.tpm = tpm;
    attester = cvs_attester_new(&with);
    progress = cvs_progress_start("Asking TEE and TPM");
    bundle = cvs_attester_evidence(attester, g_bytes_get_data(nonce, NULL), g_bytes_get_size(nonce),
                                   user, user_size, &selection, error);
    cvs_progress_silence(progress);
    return bundle;
}

static gboolean
write_out(const char *text, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(out_file);
    g_autofree char *name = g_path_get_basename(out_file);
    CVS_AUTO_FD int dir = cvs_dir_open(folder, FALSE, 0, error);

    return dir >= 0 && cvs_file_write(dir, name, text, strlen(text), 0644, CVS_WRITE_CREATE, error);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(GBytes) nonce = NULL, user_data = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autofree char *text = NULL;

    cli->doing = g_strdup("attest this machine");
    if (!take_hex(nonce_text, "--nonce", CVS_BUNDLE_NONCE_MAX, &nonce, error) ||
        !take_hex(user_data_text, "--user-data", CVS_BUNDLE_USER_DATA_MAX, &user_data, error))
        return FALSE;
    /* Before the TEE is asked, which it bears only so often. */
    if (out_file && g_file_test(out_file, G_FILE_TEST_EXISTS)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "--out: %s is there already",
                    out_file);
        return FALSE;
    }
    if (nonce == NULL) {
        nonce = random_nonce(error);
        if (nonce == NULL)
            return FALSE;
    }
    bundle = attest(cli, nonce, user_data, error);
    if (bundle == NULL)
        return FALSE;
    text = cvs_evidence_bundle_format(bundle);
    return out_file ? write_out(text, error) : cvs_cli_print(cli, text, error);
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
