/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/cli.h"
#include "ctl/progress.h"

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    g_autoptr(CvsProgress) progress = NULL;
    g_autofree char *text = NULL;

    if (!cvs_cli_begin(cli, "remove", words[0], error) || !cvs_cli_get_backend(cli, error))
        return FALSE;
    progress = cvs_progress_start("Removing \"%s\"", words[0]);
    if (!cli->backend->class->remove(cli->backend, cli->options.owner, words[0], error))
        return FALSE;
    cvs_progress_silence(progress);
    if (cli->options.json) {
        g_autoptr(json_t) json = json_pack("{s:s, s:b}", "name", words[0], "removed", 1);

        return cvs_cli_print_json(cli, json, error);
    }
    text = g_strdup_printf("Removed \"%s\".\n", words[0]);
    return cvs_cli_print(cli, text, error);
}

const CvsCommand cvs_cmd_remove = {
    .name = "remove",
    .usage =
        {
            .program = "cvmseal remove",
            .words = "NAME",
            .summary = "Remove a key for good; only a backup of its file brings it back",
            .min_words = 1,
            .max_words = 1,
        },
    .run = run,
};
