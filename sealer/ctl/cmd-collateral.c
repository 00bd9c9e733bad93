/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/error.h"
#include "base/file.h"
#include "ctl/cli.h"
#include "ctl/report.h"
#include "ctl/view-collateral.h"
#include "tee/collateral-store.h"
#include "tee/test-roots.h"

#define DAY 86400
#define COLLATERAL_DIR CVS_STATE_DIR "/collateral"

static char *store_dir;
static char *roots_dir;

static const GOptionEntry entries[] = {
    {"store", 0, 0, G_OPTION_ARG_FILENAME, &store_dir,
     "The store's folder, default " COLLATERAL_DIR, "DIR"},
    {"roots", 0, 0, G_OPTION_ARG_FILENAME, &roots_dir, "Test roots, beside the vendors'", "DIR"},
    {NULL},
};

static CvsCollateralStore *
open_store(gboolean create, GError **error)
{
    g_autoptr(CvsSnpRoots) snp = cvs_snp_roots_new();
    g_autoptr(CvsTdxRoots) tdx = cvs_tdx_roots_new();

    if (roots_dir) {
        g_autoptr(GPtrArray) certs = cvs_test_roots_load(roots_dir, error);

        if (certs == NULL)
            return NULL;
        cvs_snp_roots_add_test(snp, certs);
        cvs_tdx_roots_add_test(tdx, certs);
    }
    return cvs_collateral_store_open(store_dir ? store_dir : COLLATERAL_DIR, create, snp, tdx,
                                     error);
}

static json_t *
result_to_json(const CvsCollateralResult *result)
{
    g_autofree char *name = g_utf8_make_valid(result->name, -1);
    json_t *ids = json_array();

    for (guint i = 0; i < result->ids->len; i++)
        (void)json_array_append_new(ids, json_string(g_ptr_array_index(result->ids, i)));
    if (result->error) {
        json_decref(ids);
        return json_pack("{s:s, s:o}", "file", name, "error", cvs_report_json(result->error));
    }
    return json_pack("{s:s, s:o, s:i}", "file", name, "ids", ids, "added", (int)result->added);
}

/* A file of a version that is not known is as good as malformed, as it is to "verify-report". */
static int
exit_code_of(const GError *error)
{
    return g_error_matches(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED) ? CVS_EXIT_MALFORMED
                                                                      : cvs_error_exit_code(error);
}

static gboolean
show_results(CvsCli *cli, const GPtrArray *results, GError **error)
{
    const CvsView view = {&cli->out, 0, NULL};
    g_autofree char *text = NULL;
    json_t *files = NULL;
    g_autoptr(json_t) json = NULL;

    for (guint i = 0; i < results->len; i++) {
        const CvsCollateralResult *result = g_ptr_array_index(results, i);

        if (result->error && cli->exit_code == CVS_EXIT_DONE)
            cli->exit_code = exit_code_of(result->error);
    }
    if (!cli->options.json) {
        text = cvs_view_collateral_import(&view, results);
        return cvs_cli_print(cli, text, error);
    }
    files = json_array();
    for (guint i = 0; i < results->len; i++)
        (void)json_array_append_new(files, result_to_json(g_ptr_array_index(results, i)));
    json = json_pack("{s:o}", "files", files);
    return cvs_cli_print_json(cli, json, error);
}

static gboolean
run_import(CvsCli *cli, char **files, GError **error)
{
    guint n = g_strv_length(files);
    g_autofree CvsCollateralInput *inputs = g_new0(CvsCollateralInput, n);
    g_autoptr(CvsCollateralStore) store = open_store(TRUE, error);
    g_autoptr(GPtrArray) results = NULL;
    gboolean ok = FALSE;

    if (store == NULL)
        return FALSE;
    for (guint i = 0; i < n; i++) {
        inputs[i].name = files[i];
        inputs[i].bytes = cvs_file_read_path(files[i], CVS_COLLATERAL_MAX, &inputs[i].error);
    }
    ok = cvs_collateral_store_import(store, inputs, n, &results, error) &&
         show_results(cli, results, error);
    for (guint i = 0; i < n; i++) {
        g_clear_pointer(&inputs[i].bytes, g_bytes_unref);
        g_clear_error(&inputs[i].error);
    }
    return ok;
}

static json_t *
item_to_json(const CvsCollateralItem *item, gint64 now)
{
    json_t *json = json_pack("{s:s}", "id", item->id);

    if (item->content) {
        g_autofree char *raw = cvs_collateral_item_describe(item);
        g_autofree char *whom = cvs_text_safe(raw);

        (void)json_object_set_new(json, "kind", json_string(cvs_collateral_kind_name(item->kind)));
        (void)json_object_set_new(json, "for", json_string(whom));
        (void)json_object_set_new(json, "not_before", json_integer(item->not_before));
        (void)json_object_set_new(json, "not_after", json_integer(item->not_after));
        (void)json_object_set_new(json, "days_left", json_integer((item->not_after - now) / DAY));
        if (item->number)
            (void)json_object_set_new(json, "number", json_string(item->number));
        if (item->test_root)
            (void)json_object_set_new(json, "test_root", json_true());
    }
    if (item->error)
        (void)json_object_set_new(json, "error", cvs_report_json(item->error));
    return json;
}

static gboolean
run_list(CvsCli *cli, GError **error)
{
    const CvsView view = {&cli->out, g_get_real_time() / G_USEC_PER_SEC, NULL};
    g_autoptr(CvsCollateralStore) store = open_store(FALSE, error);
    g_autoptr(GPtrArray) items = store ? cvs_collateral_store_list(store, error) : NULL;
    g_autoptr(GError) damage = NULL;
    g_autoptr(json_t) json = NULL;
    g_autofree char *text = NULL;
    json_t *array = NULL;

    if (items == NULL)
        return FALSE;
    (void)cvs_collateral_store_check_seen(store, &damage);
    if (!cli->options.json) {
        text = cvs_view_collateral(&view, items, damage);
        return cvs_cli_print(cli, text, error);
    }
    array = json_array();
    for (guint i = 0; i < items->len; i++)
        (void)json_array_append_new(array, item_to_json(g_ptr_array_index(items, i), view.now));
    json = json_pack("{s:o}", "collateral", array);
    if (damage)
        (void)json_object_set_new(json, "damage", cvs_report_json(damage));
    return cvs_cli_print_json(cli, json, error);
}

static gboolean
run_remove(CvsCli *cli, const char *id, GError **error)
{
    g_autoptr(CvsCollateralStore) store = open_store(FALSE, error);
    g_autoptr(json_t) json = NULL;

    if (store == NULL || !cvs_collateral_store_remove(store, id, error))
        return FALSE;
    if (!cli->options.json)
        return TRUE;
    json = json_pack("{s:s}", "removed", id);
    return cvs_cli_print_json(cli, json, error);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    guint n = g_strv_length(words) - 1;

    if (g_str_equal(words[0], "import") && n >= 1) {
        cli->doing = g_strdup("import collateral");
        return run_import(cli, words + 1, error);
    }
    if (g_str_equal(words[0], "list") && n == 0) {
        cli->doing = g_strdup("list the collateral");
        return run_list(cli, error);
    }
    if (g_str_equal(words[0], "remove") && n == 1) {
        cli->doing = g_strdup("remove collateral");
        return run_remove(cli, words[1], error);
    }
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "it is collateral import FILE..., collateral list, or collateral remove "
                        "ID; \"cvmseal collateral --help\" tells more");
    return FALSE;
}

const CvsCommand cvs_cmd_collateral = {
    .name = "collateral",
    .usage =
        {
            .program = "cvmseal collateral",
            .words = "import FILE...|list|remove ID",
            .summary = "Keep what reports are verified with",
            .description =
                "A file is a certificate, a revocation list, a PEM bundle, the certificate\n"
                "table of a host, TCB info or QE identity. All of it is taken in, or nothing;\n"
                "what does not chain to a vendor's root is refused, and so is what is older\n"
                "than what was seen before. Issuers may come with the same call.\n"
                "\n"
                "With --json, import gives {\"files\": [{\"file\", \"ids\", \"added\"}]}, or "
                "{\"file\",\n"
                "\"error\"} for what was refused, and list {\"collateral\": [{\"id\", \"kind\", "
                "\"for\",\n"
                "\"not_before\", \"not_after\", \"days_left\"}]}, and \"damage\" if the store has "
                "lost its\n"
                "memory of what was seen before.\n"
                "\n"
                "Exit codes: 0 done, 3 something was refused, 5 a file is malformed.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = G_MAXINT,
        },
    .run = run,
};
