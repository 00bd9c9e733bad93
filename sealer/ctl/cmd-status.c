/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/vtpm.h"
#include "base/error.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/view.h"

static gboolean refresh;

static const GOptionEntry entries[] = {
    {"refresh", 0, 0, G_OPTION_ARG_NONE, &refresh, "Have the daemon attest the machine anew first",
     NULL},
    {NULL},
};

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
    if (*info->attestation) {
        (void)json_object_set_new(json, "attestation", json_string(info->attestation));
        (void)json_object_set(json, "attestation-reasons", info->attestation_reasons);
        (void)json_object_set_new(json, "tee-type", json_string(info->tee_type));
        (void)json_object_set_new(json, "vtpm-kind", json_string(info->vtpm_kind));
        (void)json_object_set(json, "registers", info->registers);
    }
    if (*info->vtpm_kind && !g_str_equal(info->vtpm_kind, "none"))
        (void)json_object_set_new(json, "pcrs-bind-host",
                                  json_boolean(cvs_vtpm_kind_binds_host(info->vtpm_kind)));
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
    progress = cvs_progress_start(refresh ? "Asking TEE and TPM" : "Asking the TPM");
    if (refresh && !cli->backend->class->refresh(cli->backend, error)) {
        cvs_progress_silence(progress);
        return FALSE;
    }
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
            .summary = "Show daemon, TPM and TEE, and what keys are bound to",
            .description = "Exit code 1 if the TPM is not available.\n",
            .entries = entries,
        },
    .run = run,
};
