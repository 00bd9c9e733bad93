/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/view.h"

static json_t *
to_json(const CvsStatusInfo *info)
{
    g_auto(GStrv) banks = g_strsplit(info->tpm_banks, ", ", -1);
    json_t *array = json_array();
    json_t *json = NULL;

    for (guint i = 0; banks[i]; i++) {
        if (*banks[i])
            (void)json_array_append_new(array, json_string(banks[i]));
    }
    json = json_pack("{s:s, s:b, s:o, s:b, s:s, s:b}", "server", info->server, "tpm-available",
                     (int)info->tpm_available, "tpm-banks", array, "memory-locked",
                     (int)info->memory_locked, "lock2", info->lock2, "test-roots",
                     (int)info->test_roots);
    if (*info->tpm_error)
        (void)json_object_set_new(json, "tpm-error", json_string(info->tpm_error));
    if (!info->tpm_available)
        return json;
    (void)json_object_set_new(json, "tpm-manufacturer", json_string(info->tpm_manufacturer));
    (void)json_object_set_new(json, "tpm-firmware", json_integer((json_int_t)info->tpm_firmware));
    (void)json_object_set_new(json, "tpm-in-lockout", json_boolean(info->tpm_in_lockout));
    (void)json_object_set_new(json, "tpm-lockout-counter", json_integer(info->tpm_lockout_counter));
    (void)json_object_set_new(json, "tpm-lockout-max", json_integer(info->tpm_lockout_max));
    (void)json_object_set_new(json, "tpm-srk-name", json_string(info->tpm_srk_name));
    return json;
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    const CvsView view = {&cli->out, 0, NULL};
    g_autoptr(CvsProgress) progress = NULL;
    g_autoptr(CvsStatusInfo) info = NULL;
    g_autofree char *text = NULL;

    cli->doing = g_strdup("show the status");
    if (!cvs_cli_get_backend(cli, error))
        return FALSE;
    progress = cvs_progress_start("Asking the TPM");
    info = cli->backend->class->status(cli->backend, error);
    cvs_progress_silence(progress);
    if (info == NULL)
        return FALSE;
    if (!info->tpm_available)
        cli->exit_code = CVS_EXIT_FAILED;
    if (cli->options.json) {
        g_autoptr(json_t) json = to_json(info);

        return cvs_cli_print_json(cli, json, error);
    }
    text = cvs_view_status(&view, info);
    return cvs_cli_print(cli, text, error);
}

const CvsCommand cvs_cmd_status = {
    .name = "status",
    .usage =
        {
            .program = "cvmseal status",
            .summary = "Show daemon and TPM, and what keys are bound to",
            .description = "Exit code 1 if the TPM is not available.\n",
        },
    .run = run,
};
