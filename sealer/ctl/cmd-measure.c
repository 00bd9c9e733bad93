/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/daemon-config.h"
#include "base/error.h"
#include "base/hex.h"
#include "ctl/cli.h"
#include "release/measure.h"

/* Others are done in a moment. */
#define LOCK_TIMEOUT_MS 10000

static int option_pcr = -1;
static int option_rtmr = -1;

static json_t *
to_json(const CvsMeasured *record)
{
    g_autofree char *name = g_strdup_printf("%s%u", record->rtmr ? "rtmr" : "pcr", record->index);
    json_t *digests = json_object();

    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        g_autofree char *hex = cvs_hex_encode(record->digest[bank], cvs_hash_size((CvsHash)bank));

        if (record->has[bank])
            (void)json_object_set_new(digests, cvs_hash_name((CvsHash)bank), json_string(hex));
    }
    return json_pack("{s:s, s:o, s:s}", "register", name, "digests", digests, "text", record->text);
}

static char *
to_text(const CvsMeasured *record)
{
    g_autofree char *safe = cvs_text_safe(record->text);

    return record->rtmr ? g_strdup_printf("Measured into RTMR %u: %s\n", record->index, safe)
                        : g_strdup_printf("Measured into PCR %u (%s): %s\n", record->index,
                                          cvs_pcr_title(record->index), safe);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(CvsConfig) config = NULL;
    g_autoptr(CvsTeePaths) paths = NULL;
    g_autoptr(CvsTeeSource) source = NULL;
    g_autoptr(CvsTpm) tpm = NULL;
    g_autoptr(CvsMeasured) record = NULL;
    g_autofree char *text = NULL;
    CvsMeasurer measurer = {.lock_timeout_ms = LOCK_TIMEOUT_MS};
    gboolean rtmr = option_rtmr >= 0;

    cli->doing = g_strdup("measure");
    if ((option_pcr >= 0) == rtmr) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "one register is needed: --pcr=N or --rtmr=N");
        return FALSE;
    }
    config = cvs_config_load(cli->options.config, error);
    if (config == NULL)
        return FALSE;
    paths = cvs_tee_paths_new(config);
    source = cvs_tee_source_new(paths, NULL);
    tpm = cvs_tpm_new(cli->options.tcti ? cli->options.tcti : config->tcti);
    measurer.source = source;
    measurer.tpm = tpm;
    if (!cvs_measure(&measurer, rtmr, (guint)(rtmr ? option_rtmr : option_pcr), words[0], &record,
                     error))
        return FALSE;
    if (cli->options.json) {
        g_autoptr(json_t) json = to_json(record);

        return cvs_cli_print_json(cli, json, error);
    }
    text = to_text(record);
    return cvs_cli_print(cli, text, error);
}

static const GOptionEntry entries[] = {
    {"pcr", 0, 0, G_OPTION_ARG_INT, &option_pcr, "Into this PCR: 11 to 15", "N"},
    {"rtmr", 0, 0, G_OPTION_ARG_INT, &option_rtmr, "Into this register of a TD: 2 or 3", "N"},
    {NULL},
};

const CvsCommand cvs_cmd_measure = {
    .name = "measure",
    .usage =
        {
            .program = "cvmseal measure",
            .words = "TEXT",
            .summary = "Measure a text into a PCR or an RTMR, and keep a record of it",
            .description =
                "Needs root. It cannot be undone before the next boot: keys that are sealed to\n"
                "the register do not open until then. \"cvmseal explain\" names it by its "
                "record.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 1,
        },
    .local = TRUE,
    .run = run,
};
