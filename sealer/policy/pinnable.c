/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/pinnable.h"
#include "base/error.h"
#include "tee/td-body.h"

/* What says something about one boot only (tee.report_id, tee.report_data), or about dates, cannot
 * be a condition of a later one. */
static const struct {
    const char *name;
    CvsClaimType type;
} pinnable[] = {
    {"tee.type", CVS_CLAIM_STRING},
    {"tee.measurement", CVS_CLAIM_HEX},
    {"tee.policy.debug", CVS_CLAIM_BOOL},
    {"tee.policy.migrate_ma", CVS_CLAIM_BOOL},
    {"vtpm.kind", CVS_CLAIM_STRING},
    /* SNP */
    {"tee.line", CVS_CLAIM_STRING},
    {"tee.guest_svn", CVS_CLAIM_INT},
    {"tee.family_id", CVS_CLAIM_HEX},
    {"tee.image_id", CVS_CLAIM_HEX},
    {"tee.vmpl", CVS_CLAIM_INT},
    {"tee.host_data", CVS_CLAIM_HEX},
    {"tee.id_key_digest", CVS_CLAIM_HEX},
    {"tee.author_key_digest", CVS_CLAIM_HEX},
    {"tee.chip_id", CVS_CLAIM_HEX},
    {"tee.signing_key", CVS_CLAIM_STRING},
    {"tee.csp_id", CVS_CLAIM_STRING},
    {"tee.policy", CVS_CLAIM_MASK},
    /* TDX */
    {"tee.mr_seam", CVS_CLAIM_HEX},
    {"tee.mrsigner_seam", CVS_CLAIM_HEX},
    {"tee.td_attributes", CVS_CLAIM_MASK},
    {"tee.xfam", CVS_CLAIM_MASK},
    {"tee.mr_config_id", CVS_CLAIM_HEX},
    {"tee.mr_owner", CVS_CLAIM_HEX},
    {"tee.mr_owner_config", CVS_CLAIM_HEX},
    {"tee.mr_servicetd", CVS_CLAIM_HEX},
    {"tee.fmspc", CVS_CLAIM_HEX},
    {"tee.platform_instance_id", CVS_CLAIM_HEX},
};

/* Whole numbers that only rise as long as nobody turns firmware or collateral back. */
static const char *const floors[] = {
    "tee.guest_svn",
    "tee.tcb.reported.fmc",
    "tee.tcb.reported.bootloader",
    "tee.tcb.reported.tee",
    "tee.tcb.reported.snp",
    "tee.tcb.reported.microcode",
    "tee.tcb.date",
    "tee.tcb.evaluation",
    "tee.pck.crl.this_update",
    "tee.root.crl.this_update",
};

gboolean
cvs_pinnable_get_type(const char *name, CvsClaimType *ret_type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pinnable); i++) {
        if (g_str_equal(pinnable[i].name, name)) {
            *ret_type = pinnable[i].type;
            return TRUE;
        }
    }
    return FALSE;
}

gboolean
cvs_pinnable_is_floor(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(floors); i++) {
        if (g_str_equal(floors[i], name))
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_known(const char *name)
{
    CvsClaimType type;

    return g_str_equal(name, CVS_PINNABLE_TCB) || cvs_pinnable_get_type(name, &type) ||
           cvs_pinnable_is_floor(name);
}

GStrv
cvs_pinnable_parse(const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(text, ",+ ", -1);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; words[i]; i++) {
        g_autofree char *name =
            is_known(words[i]) ? g_strdup(words[i]) : g_strconcat("tee.", words[i], NULL);

        if (words[i][0] == '\0')
            continue;
        if (!is_known(name)) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "\"%.80s\" is no claim that a key can be sealed to; cvmseal.claims(5) says "
                        "which ones can",
                        words[i]);
            return NULL;
        }
        for (guint j = 0; j < names->len; j++) {
            if (g_str_equal(g_ptr_array_index(names, j), name)) {
                g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "the claim %s stands twice in \"%.80s\"", name, text);
                return NULL;
            }
        }
        g_ptr_array_add(names, g_steal_pointer(&name));
    }
    if (names->len == 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "no claim is named: write names joined by commas, as in "
                            "measurement,host_data");
        return NULL;
    }
    g_ptr_array_add(names, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

gboolean
cvs_rtmr_mask_parse(const char *text, guint32 *ret_mask, GError **error)
{
    guint32 mask = 0;

    for (const char *p = text;; p += 2) {
        guint32 bit = p[0] >= '0' && p[0] < '0' + CVS_TD_RTMRS ? 1u << (p[0] - '0') : 0;

        if (bit == 0 || (p[1] != '\0' && p[1] != '+' && p[1] != ',')) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "\"%.80s\" is not a list of RTMRs: write numbers from 0 to %d joined by "
                        "\"+\", as in 0+1+2",
                        text, CVS_TD_RTMRS - 1);
            return FALSE;
        }
        if (mask & bit) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "RTMR %c stands twice in \"%.80s\"", p[0], text);
            return FALSE;
        }
        mask |= bit;
        if (p[1] == '\0')
            break;
    }
    *ret_mask = mask;
    return TRUE;
}
