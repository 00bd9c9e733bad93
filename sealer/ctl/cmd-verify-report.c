/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "ctl/cli.h"
#include "ctl/verify-input.h"
#include "tee/collateral-store.h"
#include "tee/test-roots.h"

#include <string.h>

static char *type_name;
static char *quote_file;
static char **certs_files;
static char **collateral_files;
static char **crl_files;
static char *roots_dir;
static char *store_dir;
static char *at_text;
static char *report_data_text;
static char *policy_name;

static const GOptionEntry entries[] = {
    {"type", 0, 0, G_OPTION_ARG_STRING, &type_name,
     "snp, tdx, hcl or tdreport; default: found from the bytes", "TYPE"},
    {"quote", 0, 0, G_OPTION_ARG_FILENAME, &quote_file, "The TD quote of a TDREPORT or HCL report",
     "FILE"},
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
    {"report-data", 0, 0, G_OPTION_ARG_STRING, &report_data_text,
     "REPORT_DATA must be these 64 bytes (128 digits)", "HEX"},
    {"policy", 0, 0, G_OPTION_ARG_FILENAME, &policy_name,
     "A profile; default: a strict one that is built in", "FILE|NAME"},
    {NULL},
};

/* What one call has, with the files that turned out to be malformed. */
typedef struct {
    CvsReportInput input;
    CvsReportType asked;
    GBytes *bytes; /* of FILE, as read */
    CvsEvidence *evidence;
    CvsProfile *profile;
    GPtrArray *malformed; /* GError* */
} Run;

static void
free_error(gpointer error)
{
    g_error_free(error);
}

static gboolean
usage(GError **error, const char *text)
{
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, text);
    return FALSE;
}

/* What can be said without reading a file. */
static gboolean
read_options(Run *run, guint8 report_data[static CVS_REPORT_DATA_SIZE], GError **error)
{
    if (!cvs_verify_read_time(at_text, &run->input.at, error))
        return FALSE;
    if (type_name) {
        run->asked = cvs_report_type_from_name(type_name);
        if (run->asked == CVS_REPORT_UNKNOWN)
            return usage(error, "--type: not snp, tdx, hcl or tdreport");
        run->input.type = run->asked;
    }
    if (report_data_text) {
        g_autoptr(GBytes) bytes = cvs_hex_decode(report_data_text, -1, NULL);

        if (bytes == NULL || g_bytes_get_size(bytes) != CVS_REPORT_DATA_SIZE)
            return usage(error, "--report-data: not 128 hexadecimal digits; what is shorter than "
                                "64 bytes is filled up with zeros at the end");
        memcpy(report_data, g_bytes_get_data(bytes, NULL), CVS_REPORT_DATA_SIZE);
        run->input.report_data = report_data;
    }
    return TRUE;
}

/* A report or quote, from bytes or digits; *ret_bytes stays NULL where it is malformed. */
static gboolean
read_report(Run *run, const char *path, GBytes **ret_bytes, GError **error)
{
    g_autoptr(GError) found = NULL;
    g_autoptr(GBytes) input = cvs_file_read_path(path, CVS_REPORT_INPUT_MAX, &found);

    if (input)
        *ret_bytes = cvs_report_decode(input, path, &found);
    return found == NULL ||
           cvs_verify_keep_malformed(run->malformed, g_steal_pointer(&found), error);
}

static gboolean
read_roots(Run *run, GError **error)
{
    g_autoptr(GPtrArray) certs = NULL;
    g_autoptr(GError) found = NULL;

    run->input.snp_roots = cvs_snp_roots_new();
    run->input.tdx_roots = cvs_tdx_roots_new();
    if (roots_dir == NULL)
        return TRUE;
    certs = cvs_test_roots_load(roots_dir, &found);
    if (certs == NULL) {
        if (g_error_matches(found, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY) ||
            !g_file_test(roots_dir, G_FILE_TEST_IS_DIR))
            found->code = CVS_ERROR_INVALID_ARGUMENT;
        /* Asked for all the same, and the output has to say so. */
        certs = cvs_x509_certs_new();
        if (!cvs_verify_keep_malformed(run->malformed, g_steal_pointer(&found), error))
            return FALSE;
    }
    cvs_snp_roots_add_test(run->input.snp_roots, certs);
    cvs_tdx_roots_add_test(run->input.tdx_roots, certs);
    return TRUE;
}

static gboolean
read_profile(Run *run, const CvsCli *cli, GError **error)
{
    g_autoptr(GError) found = NULL;

    run->profile = cvs_verify_read_profile(cli, policy_name, roots_dir, &found);
    if (run->profile == NULL) {
        run->profile = cvs_verify_read_profile(cli, NULL, roots_dir, NULL);
        if (!cvs_verify_keep_malformed(run->malformed, g_steal_pointer(&found), error))
            return FALSE;
    }
    run->input.grace = cvs_tee_rules_grace(&run->profile->tee);
    return TRUE;
}

static gboolean
read_store(Run *run, GError **error)
{
    g_autoptr(CvsCollateralStore) store = NULL;

    if (store_dir == NULL || run->input.report == NULL)
        return TRUE;
    store = cvs_collateral_store_open(store_dir, FALSE, run->input.snp_roots, run->input.tdx_roots,
                                      error);
    return store && cvs_report_collect(&run->input, store, run->evidence, error);
}

static CvsVerdict *
judge(Run *run, GError **error)
{
    CvsVerdict *verdict = NULL;

    if (run->input.report) {
        verdict = cvs_verdict_new(&run->input, run->profile, error);
        if (verdict == NULL)
            return NULL;
    } else {
        verdict = cvs_verdict_new_empty(run->asked);
        verdict->test_roots = roots_dir != NULL;
    }
    for (guint i = 0; i < run->malformed->len; i++)
        cvs_verdict_add_malformed(verdict, g_ptr_array_index(run->malformed, i));
    return verdict;
}

static void
clear(Run *run)
{
    g_clear_pointer(&run->input.report, g_bytes_unref);
    g_clear_pointer(&run->input.quote, g_bytes_unref);
    cvs_snp_roots_unref(run->input.snp_roots);
    cvs_tdx_roots_unref(run->input.tdx_roots);
    cvs_evidence_free(run->evidence);
    g_clear_pointer(&run->profile, cvs_profile_unref);
    g_ptr_array_unref(run->malformed);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    guint8 report_data[CVS_REPORT_DATA_SIZE];
    g_autoptr(CvsVerdict) verdict = NULL;
    gboolean ok = FALSE;
    Run run = {.input = {.name = words[0], .quote_name = quote_file},
               .evidence = cvs_evidence_new(),
               .malformed = g_ptr_array_new_with_free_func(free_error)};

    run.input.evidence = run.evidence;
    cli->doing = g_strdup("verify the report");
    ok = read_options(&run, report_data, error) &&
         read_report(&run, words[0], &run.input.report, error) &&
         (quote_file == NULL || read_report(&run, quote_file, &run.input.quote, error)) &&
         cvs_verify_read_files(run.evidence, certs_files, cvs_evidence_add, run.malformed, error) &&
         cvs_verify_read_files(run.evidence, collateral_files, cvs_evidence_add, run.malformed,
                               error) &&
         cvs_verify_read_files(run.evidence, crl_files, cvs_evidence_add_crls, run.malformed,
                               error) &&
         read_roots(&run, error) && read_profile(&run, cli, error) && read_store(&run, error);
    if (ok)
        verdict = judge(&run, error);
    ok = verdict && cvs_verify_show(cli, verdict, run.input.name, run.input.at, NULL, error);
    clear(&run);
    return ok;
}

const CvsCommand cvs_cmd_verify_report = {
    .name = "verify-report",
    .usage =
        {
            .program = "cvmseal verify-report",
            .words = "FILE",
            .summary = "Verify a TEE's report down to the vendor's root",
            .description =
                "FILE is an SEV-SNP report, a TD quote, a TDREPORT or the report of Azure's\n"
                "paravisor, as bytes or hexadecimal text. Nothing is fetched: what the report\n"
                "rests on has to be given. Without --policy signature, chain and collateral\n"
                "must hold, debugging and migration must be off, and a TD's TCB be UpToDate.\n"
                "\n"
                "--json gives {\"verdict\": \"accepted|refused|malformed\", \"type\", "
                "\"reasons\":\n"
                "[{\"code\", \"detail\", \"seen\", \"wanted\"}], \"claims\"}, and "
                "\"test_roots\": true with\n"
                "--roots.\n"
                "\n"
                "Exit codes: 0 accepted, 2 usage, 3 refused, 5 malformed.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 1,
        },
    .run = run,
};
