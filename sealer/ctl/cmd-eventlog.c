/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"
#include "ctl/cli.h"
#include "ctl/view-eventlog.h"
#include "tee/eventlog-describe.h"

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    const CvsView view = {&cli->out, 0, NULL};
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    g_autofree char *text = NULL;

    cli->doing = g_strdup("read the event log");
    bytes = cvs_file_read_path(words[0], CVS_EVENT_LOG_MAX, error);
    if (bytes == NULL)
        return FALSE;
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, error);
    if (log == NULL) {
        g_prefix_error(error, "%s: ", words[0]);
        return FALSE;
    }
    if (cli->options.json) {
        g_autoptr(json_t) json = cvs_event_log_to_json(log);

        return cvs_cli_print_json(cli, json, error);
    }
    text = cvs_view_eventlog(&view, log);
    return cvs_cli_print(cli, text, error);
}

const CvsCommand cvs_cmd_eventlog = {
    .name = "eventlog",
    .usage =
        {
            .program = "cvmseal eventlog",
            .words = "FILE",
            .summary = "Show an event log and the registers that it leads to",
            .description =
                "FILE is the log of a TPM (/sys/kernel/security/tpm0/binary_bios_measurements)\n"
                "or of a TD (/sys/firmware/acpi/tables/data/CCEL). A log is a claim: it is\n"
                "worth something where the register that it leads to is the real one. DATA\n"
                "says whether the digest is over the data that are shown: yes, part, or no,\n"
                "which makes them text that anybody could have written.\n"
                "\n"
                "--json gives {\"format\", \"registers\": {\"sha256\": {\"0\": \"...\"}}, "
                "\"events\": [...]},\n"
                "with \"rtmr\" instead of banks for a TD.\n"
                "\n"
                "Exit codes: 0 done, 5 the log is cut or malformed.\n",
            .min_words = 1,
            .max_words = 1,
        },
    .run = run,
};
