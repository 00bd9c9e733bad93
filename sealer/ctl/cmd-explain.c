/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "ctl/cli.h"
#include "ctl/progress.h"
#include "ctl/view.h"

#include <string.h>

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    const CvsView view = {&cli->out, 0, NULL};
    g_autoptr(CvsProgress) progress = NULL;
    g_autofree char *answer = NULL;
    g_autofree char *text = NULL;
    g_autofree char *options = cvs_options_repeat(&cli->options);
    g_autoptr(json_t) json = NULL;

    if (!cvs_cli_begin(cli, "explain", words[0], error) || !cvs_cli_get_backend(cli, error))
        return FALSE;
    progress = cvs_progress_start("Reading the registers");
    answer = cli->backend->class->explain(cli->backend, cli->options.owner, words[0], error);
    cvs_progress_silence(progress);
    if (answer == NULL)
        return FALSE;
    json = cvs_json_parse(answer, strlen(answer), "the explanation", error);
    if (json == NULL)
        return FALSE;
    if (cli->options.json)
        return cvs_cli_print_json(cli, json, error);
    text = cvs_view_explanation(&view, json, options, error);
    return text && cvs_cli_print(cli, text, error);
}

const CvsCommand cvs_cmd_explain = {
    .name = "explain",
    .usage =
        {
            .program = "cvmseal explain",
            .words = "NAME",
            .summary = "Tell whether a key would open now, and if not what changed",
            .description =
                "Nothing is unsealed, and no PIN is needed. The exit code is 0 either\n"
                "way; --json has the answer in \"opens\", and for each slot the reasons.\n",
            .min_words = 1,
            .max_words = 1,
        },
    .run = run,
};
