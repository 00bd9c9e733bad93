/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/judge.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "ctl/cli.h"
#include "ctl/verify-input.h"
#include "ctl/view-verdict.h"
#include "tee/test-roots.h"

static char *nonce_text;
static char *policy_name;
static char **certs_files;
static char **collateral_files;
static char **crl_files;
static char *store_dir;
static char *roots_dir;
static char *at_text;

static const GOptionEntry entries[] = {
    {"nonce", 0, 0, G_OPTION_ARG_STRING, &nonce_text,
     "What the machine was asked with; without it, old evidence is as good", "HEX"},
    {"policy", 0, 0, G_OPTION_ARG_FILENAME, &policy_name,
     "A profile; default: a strict one that is built in", "FILE|NAME"},
    {"certs", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &certs_files,
     "Certificates: DER, PEM, or the host's table; may be repeated", "FILE"},
    {"collateral", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &collateral_files,
     "TCB info, QE identity, issuer chains; may be repeated", "FILE"},
    {"crl", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &crl_files,
     "A revocation list, DER or PEM; may be repeated", "FILE"},
    {"store", 0, 0, G_OPTION_ARG_FILENAME, &store_dir,
     "Take what else is needed from this collateral store", "DIR"},
    {"roots", 0, 0, G_OPTION_ARG_FILENAME, &roots_dir, "Test roots; the output says so", "DIR"},
    {"at", 0, 0, G_OPTION_ARG_STRING, &at_text, "Judge as of this time; default: now", "RFC3339"},
    {NULL},
};

typedef struct {
    CvsBundleInput input;
    CvsEvidenceBundle *bundle;
    CvsProfile *profile;
} Run;

static gboolean
usage(GError **error, const char *text)
{
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, text);
    return FALSE;
}

static gboolean
read_options(Run *run, GError **error)
{
    run->input.at = g_get_real_time() / G_USEC_PER_SEC;
    if (at_text && !cvs_verify_parse_time(at_text, &run->input.at))
        return usage(error, "--at: not a time like 2026-11-24T13:45:00Z");
    if (nonce_text == NULL)
        return TRUE;
    run->input.nonce = cvs_hex_decode(nonce_text, -1, NULL);
    return (run->input.nonce && g_bytes_get_size(run->input.nonce) > 0 &&
            g_bytes_get_size(run->input.nonce) <= CVS_BUNDLE_NONCE_MAX) ||
           usage(error, "--nonce: not 1 to 64 bytes in hexadecimal digits");
}

static gboolean
read_bundle(Run *run, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_file_read_path(run->input.name, CVS_BUNDLE_SIZE_MAX, error);

    if (bytes == NULL)
        return FALSE;
    run->bundle =
        cvs_evidence_bundle_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
    if (run->bundle == NULL)
        g_prefix_error(error, "%s: ", run->input.name);
    run->input.bundle = run->bundle;
    return run->bundle != NULL;
}

typedef gboolean (*AddFunction)(CvsEvidence *evidence, const void *data, gsize size,
                                const char *what, GError **error);

static gboolean
read_evidence(Run *run, char **files, AddFunction add, GError **error)
{
    for (guint i = 0; files && files[i]; i++) {
        g_autoptr(GBytes) bytes = cvs_file_read_path(files[i], CVS_COLLATERAL_MAX, error);

        if (bytes == NULL || !add(run->input.evidence, g_bytes_get_data(bytes, NULL),
                                  g_bytes_get_size(bytes), files[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_roots(Run *run, GError **error)
{
    g_autoptr(GPtrArray) certs = roots_dir ? cvs_test_roots_load(roots_dir, error) : NULL;

    if (roots_dir && certs == NULL)
        return FALSE;
    if (certs) {
        cvs_snp_roots_add_test(run->input.snp_roots, certs);
        cvs_tdx_roots_add_test(run->input.tdx_roots, certs);
    }
    return TRUE;
}

static gboolean
read_profile(Run *run, const CvsCli *cli, GError **error)
{
    run->profile =
        policy_name ? cvs_verify_load_profile(cli, policy_name, error) : cvs_profile_strict_new();
    if (run->profile == NULL)
        return FALSE;
    /* Whoever names test roots on the command line allows them, unless his profile says no. */
    if (roots_dir)
        cvs_tee_rules_allow_test_roots(&run->profile->tee);
    run->input.grace = cvs_tee_rules_grace(&run->profile->tee);
    return TRUE;
}

static gboolean
open_store(Run *run, GError **error)
{
    if (store_dir == NULL)
        return TRUE;
    run->input.store = cvs_collateral_store_open(store_dir, FALSE, run->input.snp_roots,
                                                 run->input.tdx_roots, error);
    return run->input.store != NULL;
}

static gboolean
show(CvsCli *cli, const Run *run, const CvsVerdict *verdict, GError **error)
{
    const CvsView view = {&cli->out, run->input.at, NULL};
    g_autofree char *text = NULL;
    g_autoptr(json_t) json = NULL;

    cli->exit_code = cvs_verdict_exit_code(verdict->kind);
    if (cli->options.json) {
        json = cvs_verdict_to_json(verdict);
        (void)json_object_set_new(json, "pcrs", cvs_pcr_values_to_json(&run->bundle->quote.values));
        return cvs_cli_print_json(cli, json, error);
    }
    text = cvs_view_verdict(&view, verdict, run->input.name);
    return cvs_cli_print(cli, text, error);
}

static void
clear(Run *run)
{
    g_bytes_unref(run->input.nonce);
    cvs_evidence_free(run->input.evidence);
    g_clear_pointer(&run->input.store, cvs_collateral_store_free);
    cvs_snp_roots_unref(run->input.snp_roots);
    cvs_tdx_roots_unref(run->input.tdx_roots);
    cvs_evidence_bundle_free(run->bundle);
    g_clear_pointer(&run->profile, cvs_profile_unref);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    Run run = {.input = {.name = words[0],
                         .evidence = cvs_evidence_new(),
                         .snp_roots = cvs_snp_roots_new(),
                         .tdx_roots = cvs_tdx_roots_new()}};
    g_autoptr(CvsVerdict) verdict = NULL;
    gboolean ok = FALSE;

    cli->doing = g_strdup("verify the evidence");
    ok = read_options(&run, error) && read_bundle(&run, error) &&
         read_evidence(&run, certs_files, cvs_evidence_add, error) &&
         read_evidence(&run, collateral_files, cvs_evidence_add, error) &&
         read_evidence(&run, crl_files, cvs_evidence_add_crls, error) && read_roots(&run, error) &&
         read_profile(&run, cli, error) && open_store(&run, error);
    if (ok)
        verdict = cvs_bundle_verdict_new(&run.input, run.profile, error);
    ok = verdict && show(cli, &run, verdict, error);
    clear(&run);
    return ok;
}

const CvsCommand cvs_cmd_verify = {
    .name = "verify",
    .usage =
        {
            .program = "cvmseal verify",
            .words = "EVIDENCE",
            .summary = "Verify the evidence of another machine: its TEE and its TPM",
            .description =
                "EVIDENCE is what \"cvmseal attest\" wrote. Nothing is fetched, and neither TPM "
                "nor "
                "TEE\nis needed here. Without --policy no SVSM and no paravisor is listed, and all "
                "are refused.\n"
                "\n"
                "--json gives what verify-report gives, and \"pcrs\": the values quoted.\n"
                "\n"
                "Exit codes: 0 accepted, 2 usage, 3 refused, 5 malformed.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 1,
        },
    .local = TRUE,
    .run = run,
};
