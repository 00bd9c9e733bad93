/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "tee/collateral-store.h"

#include <glib/gstdio.h>

/* A memory that was damaged is kept, each time. */
static void
remove_set_aside(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_str_has_prefix(name, "seen.json.damaged-"))
            g_assert_cmpint(g_unlink(path), ==, 0);
    }
}

/* A file of the store that somebody else wrote, its memory too, and the same imported. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const char *const names[] = {"vcek-0123456789abcdef.der",
                                        "tcb-info-0123456789abcdef.json", "seen.json"};
    static char *folder;
    g_autoptr(CvsSnpRoots) snp_roots = cvs_snp_roots_new();
    g_autoptr(CvsTdxRoots) tdx_roots = cvs_tdx_roots_new();
    g_autoptr(CvsCollateralStore) store = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GPtrArray) items = NULL;
    g_autoptr(GPtrArray) results = NULL;
    g_autoptr(GPtrArray) after = NULL;
    CvsCollateralInput input = {.name = "input", .bytes = bytes};

    if (folder == NULL)
        folder = g_dir_make_tmp("cvmseal-fuzz-XXXXXX", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);

        g_assert_true(g_file_set_contents(path, (const char *)data, (gssize)size, NULL));
    }
    store = cvs_collateral_store_open(folder, FALSE, snp_roots, tdx_roots, NULL);
    g_assert_nonnull(store);
    items = cvs_collateral_store_list(store, NULL);
    g_assert_nonnull(items);
    g_assert_cmpuint(items->len, >=, 2);
    g_assert_true(cvs_collateral_store_import(store, &input, 1, &results, NULL));
    after = cvs_collateral_store_list(store, NULL);
    for (guint i = 0; i < after->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(after, i);

        /* What is not damaged is one of the roots, and named by its contents: it stays no longer.
         */
        if (item->error == NULL)
            g_assert_true(cvs_collateral_store_remove(store, item->id, NULL));
    }
    remove_set_aside(folder);
    return 0;
}
