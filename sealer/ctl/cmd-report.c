/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The TEE's own report, as it comes: for somebody else to verify, or to look at. */

#include "base/daemon-config.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/secret.h"
#include "ctl/cli.h"
#include "ctl/new-folder.h"
#include "ctl/progress.h"
#include "tee/snp-claims.h"
#include "tee/snp-report.h"
#include "tee/source.h"
#include "tee/tdx-claims.h"
#include "tee/tdx-quote.h"

#include <string.h>

static char *option_report_data;
static char *option_out;
static gboolean option_svsm;

/* What is asked for. */
typedef struct {
    CvsTeeRequest request;
    gboolean random;
} Asked;

static gboolean
take_report_data(Asked *asked, GError **error)
{
    g_autoptr(CvsSecret) random = NULL;
    g_autoptr(GBytes) given = NULL;

    asked->random = option_report_data == NULL;
    if (asked->random) {
        random = cvs_secret_new_random(sizeof asked->request.report_data, error);
        if (random == NULL)
            return FALSE;
        memcpy(asked->request.report_data, cvs_secret_peek(random),
               sizeof asked->request.report_data);
        return TRUE;
    }
    given = cvs_hex_decode(option_report_data, -1, NULL);
    if (given == NULL || g_bytes_get_size(given) != sizeof asked->request.report_data) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "--report-data: not %zu hexadecimal digits",
                    2 * sizeof asked->request.report_data);
        return FALSE;
    }
    memcpy(asked->request.report_data, g_bytes_get_data(given, NULL),
           sizeof asked->request.report_data);
    return TRUE;
}

static json_t *
snp_claims(const CvsTeeEvidence *evidence, GError **error)
{
    CvsSnpReport report;

    if (!cvs_snp_report_parse(g_bytes_get_data(evidence->report, NULL),
                              g_bytes_get_size(evidence->report), &report, error))
        return NULL;
    return cvs_snp_claims_new(&report, report.line);
}

static json_t *
tdx_claims(const CvsTeeEvidence *evidence, GError **error)
{
    g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(evidence->report, error);
    json_t *claims = NULL;

    if (quote == NULL)
        return NULL;
    claims = cvs_td_claims_new(&quote->body, "quote");
    cvs_td_claims_add_quote(claims, quote);
    return claims;
}

static GPtrArray *
make_files(const CvsTeeEvidence *evidence, const Asked *asked)
{
    gboolean tdx = evidence->kind == CVS_TEE_TDX;
    GPtrArray *files = cvs_new_folder_files();

    cvs_new_folder_add(files, tdx ? "quote.bin" : "report.bin", evidence->report);
    cvs_new_folder_add(files, "tdreport.bin", evidence->tdreport);
    cvs_new_folder_add(files, "certs.bin", evidence->auxblob);
    cvs_new_folder_add(files, "manifest.bin", evidence->manifest);
    {
        g_autoptr(GBytes) data =
            g_bytes_new(asked->request.report_data, sizeof asked->request.report_data);

        cvs_new_folder_add(files, "report-data.bin", data);
    }
    return files;
}

static json_t *
to_json(const CvsTeeEvidence *evidence, const Asked *asked, const GPtrArray *files, json_t *claims)
{
    g_autofree char *data =
        cvs_hex_encode(asked->request.report_data, sizeof asked->request.report_data);
    json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:O}", "tee", cvs_tee_kind_name(evidence->kind),
                             "provider", evidence->provider, "report-data", data, "random",
                             (int)asked->random, "claims", claims);
    json_t *names = NULL;

    if (option_out == NULL)
        return json;
    names = json_array();
    for (guint i = 0; i < files->len; i++)
        (void)json_array_append_new(names, json_string(cvs_new_folder_name(files, i)));
    (void)json_object_set_new(json, "files", names);
    return json;
}

static char *
describe_claim(const json_t *value)
{
    if (json_is_string(value))
        return g_strdup(json_string_value(value));
    if (json_is_boolean(value))
        return g_strdup(json_is_true(value) ? "yes" : "no");
    return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static char *
to_text(const CvsCli *cli, const CvsTeeEvidence *evidence, const Asked *asked,
        const GPtrArray *files, json_t *claims)
{
    static const CvsColumn columns[] = {{"CLAIM", FALSE, 0}, {"VALUE", FALSE, 20}};
    g_autofree char *data =
        cvs_hex_encode(asked->request.report_data, sizeof asked->request.report_data);
    GString *text = g_string_new(NULL);
    g_autoptr(CvsTable) table = NULL;
    const char *name = NULL;
    json_t *value = NULL;

    g_string_append_printf(text, "%s by %s. Nothing of it was verified.\n",
                           evidence->kind == CVS_TEE_TDX ? "TD quote"
                           : evidence->manifest
                               ? "SEV-SNP report of the SVSM with its vTPM's manifest"
                               : "SEV-SNP report",
                           evidence->provider);
    g_string_append_printf(text, "%s: %s%s\n", evidence->manifest ? "Nonce" : "Report data", data,
                           asked->random ? " (random)" : "");
    if (option_out) {
        for (guint i = 0; i < files->len; i++) {
            g_autofree char *path =
                g_build_filename(option_out, cvs_new_folder_name(files, i), NULL);
            g_autofree char *safe = cvs_text_safe(path);

            g_string_append_printf(text, "Written: %s\n", safe);
        }
        return g_string_free(text, FALSE);
    }
    g_string_append_c(text, '\n');
    table = cvs_table_new(columns, G_N_ELEMENTS(columns));
    json_object_foreach (claims, name, value) {
        g_autofree char *shown = describe_claim(value);
        const char *const cells[] = {name, shown};

        cvs_table_add(table, CVS_STYLE_PLAIN, cells);
    }
    cvs_table_format(table, &cli->out, text);
    return g_string_free(text, FALSE);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(CvsConfig) config = NULL;
    g_autoptr(CvsTeePaths) paths = NULL;
    g_autoptr(CvsTeeSource) source = NULL;
    g_autoptr(CvsTeeEvidence) evidence = NULL;
    g_autoptr(CvsProgress) progress = NULL;
    g_autoptr(GPtrArray) files = NULL;
    g_autoptr(json_t) claims = NULL;
    Asked asked = {.request.privlevel = -1};

    cli->doing = g_strdup("get a report");
    asked.request.svsm = option_svsm;
    asked.request.service_guid = CVS_TEE_SVSM_VTPM;
    /* Before the TEE is asked, which it bears only so often. */
    if (!take_report_data(&asked, error) ||
        (option_out && !cvs_new_folder_check(option_out, error)))
        return FALSE;
    config = cvs_config_load(cli->options.config, error);
    if (config == NULL)
        return FALSE;
    paths = cvs_tee_paths_new(config);
    source = cvs_tee_source_new(paths, NULL);
    progress = cvs_progress_start("Asking the TEE");
    evidence = cvs_tee_source_get(source, &asked.request, error);
    cvs_progress_silence(progress);
    if (evidence == NULL)
        return FALSE;
    claims =
        evidence->kind == CVS_TEE_TDX ? tdx_claims(evidence, error) : snp_claims(evidence, error);
    if (claims == NULL)
        return FALSE;
    files = make_files(evidence, &asked);
    if (option_out && !cvs_new_folder_write(option_out, files, error))
        return FALSE;
    if (cli->options.json) {
        g_autoptr(json_t) json = to_json(evidence, &asked, files, claims);

        return cvs_cli_print_json(cli, json, error);
    }
    {
        g_autofree char *text = to_text(cli, evidence, &asked, files, claims);

        return cvs_cli_print(cli, text, error);
    }
}

static const GOptionEntry entries[] = {
    {"report-data", 0, 0, G_OPTION_ARG_STRING, &option_report_data,
     "What it shall vouch for: 64 bytes as 128 digits; default random", "HEX"},
    {"svsm", 0, 0, G_OPTION_ARG_NONE, &option_svsm,
     "Ask the SVSM to attest its vTPM; the report data is the nonce", NULL},
    {"out", 0, 0, G_OPTION_ARG_FILENAME, &option_out, "Write it to files in a new folder", "DIR"},
    {NULL},
};

const CvsCommand cvs_cmd_report = {
    .name = "report",
    .usage =
        {
            .program = "cvmseal report",
            .summary = "Get the TEE's own report: an SNP report or a TD quote",
            .description = "Needs root. It is not verified here; without --out what it says is "
                           "shown.\n",
            .entries = entries,
        },
    .local = TRUE,
    .run = run,
};
