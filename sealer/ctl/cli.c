/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/cli.h"
#include "base/error.h"
#include "base/json.h"
#include "vault/owner.h"

#include <unistd.h>

CvsBackend *
cvs_cli_get_backend(CvsCli *cli, GError **error)
{
    const CvsOptions *options = &cli->options;

    if (cli->backend == NULL)
        cli->backend = options->direct
                           ? cvs_backend_direct_new(options->config, options->tcti, options->vault,
                                                    options->policies, error)
                           : cvs_backend_dbus_new(options->bus, error);
    return cli->backend;
}

gboolean
cvs_cli_begin(CvsCli *cli, const char *verb, const char *name, GError **error)
{
    g_autofree char *safe = cvs_text_safe(name);

    cli->verb = verb;
    g_free(cli->doing);
    cli->doing = g_strdup_printf("%s \"%s\"", verb, safe);
    if (!cvs_key_name_check(name, error))
        return FALSE;
    g_free(cli->key);
    cli->key = g_strdup(name);
    return TRUE;
}

gboolean
cvs_cli_print(const CvsCli *cli, const char *text, GError **error)
{
    return cvs_output_write(STDOUT_FILENO, text, error);
}

gboolean
cvs_cli_print_json(const CvsCli *cli, const json_t *value, GError **error)
{
    g_autofree char *pretty = cvs_json_pretty(value);
    g_autofree char *text = g_strconcat(pretty, g_str_has_suffix(pretty, "\n") ? "" : "\n", NULL);

    return cvs_cli_print(cli, text, error);
}
