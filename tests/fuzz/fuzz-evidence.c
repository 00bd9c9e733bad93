/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "tee/collateral-item.h"

static guint
count(const CvsEvidence *evidence)
{
    return evidence->certs->len + evidence->host_leaves->len + evidence->crls->len +
           evidence->tcb_infos->len + evidence->qe_identities->len;
}

/* Whatever loads can be turned into items, and these load again as what they are. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(CvsEvidence) crls = cvs_evidence_new();
    g_autoptr(GPtrArray) items = cvs_collateral_items_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = cvs_evidence_add(evidence, data, size, "input", &error);

    g_assert_true(ok == (error == NULL));
    g_assert_true(ok || count(evidence) == 0);
    (void)cvs_evidence_find_tcb_info(evidence, NULL, 1782864000);
    (void)cvs_evidence_find_qe_identity(evidence, 1782864000);
    if (cvs_evidence_add_crls(crls, data, size, "input", NULL))
        g_assert_cmpuint(crls->crls->len, ==, count(crls));
    if (!ok || !cvs_collateral_items_add(items, evidence, NULL))
        return 0;
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);
        g_autoptr(CvsEvidence) again = cvs_evidence_new();
        g_autoptr(GPtrArray) same = cvs_collateral_items_new();
        g_autofree char *text = cvs_collateral_item_describe(item);

        g_assert_nonnull(text);
        g_assert_true(cvs_evidence_add(again, g_bytes_get_data(item->content, NULL),
                                       g_bytes_get_size(item->content), "item", NULL));
        g_assert_true(cvs_collateral_items_add(same, again, NULL));
        g_assert_cmpuint(same->len, ==, 1);
        g_assert_cmpstr(((CvsCollateralItem *)g_ptr_array_index(same, 0))->id, ==, item->id);
    }
    return 0;
}
