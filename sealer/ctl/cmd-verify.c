/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/judge.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "ctl/cli.h"
#include "ctl/new-file.h"
#include "ctl/verify-input.h"

#include <glib/gstdio.h>

static char *nonce_text;
static char *policy_name;
static char **certs_files;
static char **collateral_files;
static char **crl_files;
static char *store_dir;
static char *roots_dir;
static char *at_text;
static char *make_file;
static char *answer_file;

static const GOptionEntry entries[] = {
    {"nonce", 0, 0, G_OPTION_ARG_STRING, &nonce_text,
     "What the machine was asked with; without it, old evidence is as good", "HEX"},
    {"make-challenge", 0, 0, G_OPTION_ARG_FILENAME, &make_file,
     "Make a challenge for its keys, and FILE.answer to be kept here", "FILE"},
    {"challenge-answer", 0, 0, G_OPTION_ARG_FILENAME, &answer_file,
     "It has to answer the challenge of which this was kept; removed when it does", "FILE"},
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
    CvsChallengeRecord *challenge; /* of --challenge-answer */
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
    if (!cvs_verify_read_time(at_text, &run->input.at, error))
        return FALSE;
    if (make_file && answer_file)
        return usage(error, "--make-challenge and --challenge-answer: one challenge at a time");
    if (make_file && !cvs_new_file_check(make_file, "--make-challenge", error))
        return FALSE;
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

static gboolean
read_profile(Run *run, const CvsCli *cli, GError **error)
{
    run->profile = cvs_verify_read_profile(cli, policy_name, roots_dir, error);
    if (run->profile == NULL)
        return FALSE;
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

/* What was kept of the challenge, whose nonce the evidence must have. */
static gboolean
read_challenge(Run *run, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;

    if (answer_file == NULL)
        return TRUE;
    bytes = cvs_file_read_path(answer_file, CVS_CHALLENGE_SIZE_MAX, error);
    if (bytes == NULL)
        return FALSE;
    run->challenge =
        cvs_challenge_record_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
    if (run->challenge == NULL) {
        g_prefix_error(error, "%s: ", answer_file);
        return FALSE;
    }
    if (run->input.nonce && !g_bytes_equal(run->input.nonce, run->challenge->nonce))
        return usage(error, "--nonce: not that of the challenge, which brings its own");
    if (run->input.nonce == NULL)
        run->input.nonce = g_bytes_ref(run->challenge->nonce);
    run->input.challenge = run->challenge;
    return TRUE;
}

/* It is good once. Whoever comes second, with another evidence or at the same time, finds none. */
static gboolean
use_up_challenge(const CvsVerdict *verdict, GError **error)
{
    g_autofree char *folder = NULL;
    g_autofree char *name = NULL;
    CVS_AUTO_FD int dir = -1;

    if (answer_file == NULL || verdict->kind != CVS_VERDICT_ACCEPTED)
        return TRUE;
    folder = g_path_get_dirname(answer_file);
    name = g_path_get_basename(answer_file);
    dir = cvs_dir_open(folder, FALSE, 0, error);
    if (dir >= 0 && cvs_file_remove(dir, name, error))
        return TRUE;
    g_prefix_error(error, "the challenge is answered, but cannot be used up: ");
    return FALSE;
}

/* Nothing is against the evidence, or only that its AK has answered no challenge yet. */
static gboolean
is_worth_a_challenge(const CvsVerdict *verdict)
{
    const GPtrArray *reasons = cvs_error_get_reasons(verdict->reasons);

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (!g_str_equal(reason->code, CVS_REASON_AK_UNPROVEN))
            return FALSE;
    }
    return verdict->kind != CVS_VERDICT_MALFORMED;
}

/* Both or none. What is kept comes first: without it the challenge is of no use. */
static gboolean
write_challenge(const CvsChallenge *challenge, const CvsChallengeRecord *record, const char *kept,
                GError **error)
{
    g_autofree char *challenge_text = cvs_challenge_format(challenge);
    g_autofree char *record_text = cvs_challenge_record_format(record);

    if (!cvs_new_file_write(kept, record_text, 0600, error))
        return FALSE;
    if (cvs_new_file_write(make_file, challenge_text, 0644, error))
        return TRUE;
    (void)g_unlink(kept);
    return FALSE;
}

static gboolean
show_challenge(CvsCli *cli, const CvsVerdict *verdict, const char *kept, GError **error)
{
    g_autofree char *file = cvs_text_safe(make_file);
    g_autofree char *record = cvs_text_safe(kept);
    g_autofree char *text = NULL;
    g_autoptr(json_t) json = NULL;

    if (cli->options.json) {
        json = json_pack("{s:s, s:s, s:O}", "challenge", file, "answer", record, "claims",
                         verdict->claims);
        return cvs_cli_print_json(cli, json, error);
    }
    text = g_strdup_printf("There is a challenge in %s, and nothing is decided yet. The machine "
                           "answers it with\n"
                           "  cvmseal attest --challenge FILE --out EVIDENCE\n"
                           "and that evidence is verified with\n"
                           "  cvmseal verify EVIDENCE --challenge-answer %s\n",
                           file, record);
    return cvs_cli_print(cli, text, error);
}

static gboolean
make_challenge(CvsCli *cli, const Run *run, const CvsVerdict *verdict, GError **error)
{
    g_autofree char *kept = g_strconcat(make_file, ".answer", NULL);
    g_autoptr(CvsChallenge) challenge = NULL;
    g_autoptr(CvsChallengeRecord) record = NULL;

    if (json_object_get(verdict->claims, "vtpm.ek_name") == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "nothing in the evidence vouches for an endorsement key, so that no "
                            "challenge to one says anything");
        return FALSE;
    }
    return cvs_challenge_make(run->bundle, &challenge, &record, error) &&
           write_challenge(challenge, record, kept, error) &&
           show_challenge(cli, verdict, kept, error);
}

static gboolean
end(CvsCli *cli, const Run *run, const CvsVerdict *verdict, GError **error)
{
    if (make_file && is_worth_a_challenge(verdict))
        return make_challenge(cli, run, verdict, error);
    return use_up_challenge(verdict, error) &&
           cvs_verify_show(cli, verdict, run->input.name, run->input.at,
                           cvs_pcr_values_to_json(&run->bundle->quote.values), error);
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
    cvs_challenge_record_free(run->challenge);
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
    ok = read_options(&run, error) && read_challenge(&run, error) && read_bundle(&run, error) &&
         cvs_verify_read_files(run.input.evidence, certs_files, cvs_evidence_add, NULL, error) &&
         cvs_verify_read_files(run.input.evidence, collateral_files, cvs_evidence_add, NULL,
                               error) &&
         cvs_verify_read_files(run.input.evidence, crl_files, cvs_evidence_add_crls, NULL, error) &&
         cvs_verify_add_roots(roots_dir, run.input.snp_roots, run.input.tdx_roots, error) &&
         read_profile(&run, cli, error) && open_store(&run, error);
    if (ok)
        verdict = cvs_bundle_verdict_new(&run.input, run.profile, error);
    ok = verdict && end(cli, &run, verdict, error);
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
                "An attestation key for which only the guest vouches is refused until it has "
                "answered a\nchallenge: --make-challenge here, \"cvmseal attest --challenge\" "
                "there, "
                "and here\n--challenge-answer.\n"
                "\n"
                "--json gives what verify-report gives, and \"pcrs\": the values quoted; with\n"
                "--make-challenge {\"challenge\", \"answer\", \"claims\"}.\n"
                "\n"
                "Exit codes: 0 accepted, or a challenge was made; 2 usage, 3 refused, 5 "
                "malformed.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 1,
        },
    .local = TRUE,
    .run = run,
};
