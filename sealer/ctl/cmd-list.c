/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "ctl/cli.h"
#include "ctl/key-json.h"
#include "ctl/progress.h"
#include "ctl/view.h"

static gboolean all;

static const GOptionEntry list_entries[] = {
    {"all", 0, 0, G_OPTION_ARG_NONE, &all, "The keys of all owners", NULL},
    {NULL},
};

static gboolean
print_list_json(const CvsCli *cli, const GPtrArray *keys, GError **error)
{
    g_autoptr(json_t) json = json_object();
    json_t *array = json_array();

    for (guint i = 0; i < keys->len; i++)
        (void)json_array_append_new(array, cvs_key_info_to_json(g_ptr_array_index(keys, i), FALSE));
    (void)json_object_set_new(json, "keys", array);
    return cvs_cli_print_json(cli, json, error);
}

static gboolean
run_list(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    const CvsView view = {&cli->out, g_get_real_time() / G_USEC_PER_SEC, zone};
    g_autoptr(CvsProgress) progress = NULL;
    g_autoptr(GPtrArray) keys = NULL;
    g_autofree char *text = NULL;
    CvsBackend *backend = NULL;

    cli->doing = g_strdup("list keys");
    backend = cvs_cli_get_backend(cli, error);
    if (backend == NULL)
        return FALSE;
    progress = cvs_progress_start("Listing keys");
    keys = backend->class->list(backend, all ? NULL : cli->options.owner, error);
    cvs_progress_silence(progress);
    if (keys == NULL)
        return FALSE;
    if (cli->options.json)
        return print_list_json(cli, keys, error);
    if (keys->len == 0)
        text =
            all ? g_strdup("There are no keys.\n")
            : g_str_equal(cli->options.owner, CVS_OWNER_SELF)
                ? g_strdup("You have no keys. Those of others are listed with --owner or --all.\n")
                : g_strdup_printf("There are no keys of %s.\n", cli->options.owner);
    else
        text = cvs_view_list(&view, keys, all);
    return cvs_cli_print(cli, text, error);
}

static gboolean
run_show(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    const CvsView view = {&cli->out, g_get_real_time() / G_USEC_PER_SEC, zone};
    g_autoptr(CvsProgress) progress = NULL;
    g_autoptr(CvsKeyInfo) info = NULL;
    g_autofree char *text = NULL;

    if (!cvs_cli_begin(cli, "show", words[0], error) || !cvs_cli_get_backend(cli, error))
        return FALSE;
    progress = cvs_progress_start("Reading \"%s\"", words[0]);
    info = cli->backend->class->describe(cli->backend, cli->options.owner, words[0], error);
    cvs_progress_silence(progress);
    if (info == NULL)
        return FALSE;
    if (cli->options.json) {
        g_autoptr(json_t) json = cvs_key_info_to_json(info, TRUE);

        return cvs_cli_print_json(cli, json, error);
    }
    text = cvs_view_key(&view, info);
    return cvs_cli_print(cli, text, error);
}

const CvsCommand cvs_cmd_list = {
    .name = "list",
    .usage =
        {
            .program = "cvmseal list",
            .summary = "List the keys of an owner",
            .description = "A key that cannot be read is listed with the reason. --json gives\n"
                           "{\"keys\": [{\"name\", \"owner\", \"id\", \"size\", \"created\", "
                           "\"pcrs\", \"bank\",\n"
                           "\"pin\", \"recovery\", \"profile\", \"claims\", \"rtmrs\", "
                           "\"store-key\", \"tee-key\"}]}, or {\"name\", \"owner\", "
                           "\"error\"} for such a\n"
                           "key.\n",
            .entries = list_entries,
        },
    .run = run_list,
};

const CvsCommand cvs_cmd_show = {
    .name = "show",
    .usage =
        {
            .program = "cvmseal show",
            .words = "NAME",
            .summary = "Show what a key is sealed to; opens nothing",
            .description = "--json gives what list gives, and \"slots\".\n",
            .min_words = 1,
            .max_words = 1,
        },
    .run = run_show,
};
