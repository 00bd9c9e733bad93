/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-tcb.h"
#include "base/error.h"
#include "base/hex.h"

#include <string.h>

/* Bytes of TEE_TCB_SVN. */
#define MODULE_SVN 0
#define MODULE_VERSION 1
#define LATE_MICROCODE 2

void
cvs_tdx_tcb_clear(CvsTdxTcb *tcb)
{
    g_clear_pointer(&tcb->advisories, g_free);
}

static void
add_hex_reason(GError *refusal, const char *code, const void *seen, const void *wanted, gsize size,
               const char *detail)
{
    g_autofree char *seen_text = cvs_hex_encode(seen, size);
    g_autofree char *wanted_text = cvs_hex_encode(wanted, size);

    cvs_error_add_reason(refusal, code, seen_text, wanted_text, "%s", detail);
}

/* What a matched level adds to the result. */
static void
note_level(CvsTdxTcb *tcb, const CvsTcbLevel *level)
{
    g_auto(GStrv) known = g_strsplit(tcb->advisories, ",", -1);
    g_auto(GStrv) more = g_strsplit(level->advisories, ",", -1);
    g_autoptr(GString) text = g_string_new(tcb->advisories);

    if (tcb->date == 0 || level->date < tcb->date)
        tcb->date = level->date;
    for (gsize i = 0; more[i]; i++) {
        if (!g_strv_contains((const char *const *)known, more[i]))
            g_string_append_printf(text, "%s%s", text->len > 0 ? "," : "", more[i]);
    }
    g_free(tcb->advisories);
    tcb->advisories = g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
pck_reaches(const CvsPck *pck, const CvsTcbLevel *level)
{
    for (guint i = 0; i < CVS_TCB_COMPONENTS; i++) {
        if (pck->components[i] < level->sgx[i])
            return FALSE;
    }
    return pck->pce_svn >= level->pce_svn;
}

/* The first two bytes are the module's where it has a version; then its identity judges them. */
static gboolean
td_reaches(const CvsTdBody *body, const CvsTcbLevel *level)
{
    for (guint i = body->tee_tcb_svn[MODULE_VERSION] > 0 ? 2 : 0; i < CVS_TCB_COMPONENTS; i++) {
        if (body->tee_tcb_svn[i] < level->tdx[i])
            return FALSE;
    }
    return TRUE;
}

static gboolean
match_platform(const CvsTcbInfo *info, const CvsPck *pck, const CvsTdBody *body, CvsTdxTcb *tcb,
               GError *refusal)
{
    const CvsTcbLevel *sgx = NULL;

    for (guint i = 0; i < info->levels->len; i++) {
        const CvsTcbLevel *level = g_ptr_array_index(info->levels, i);

        if (!pck_reaches(pck, level))
            continue;
        if (sgx == NULL) {
            sgx = level;
            tcb->sgx = level->status;
        }
        if (td_reaches(body, level)) {
            tcb->platform = level->status;
            note_level(tcb, level);
            return TRUE;
        }
    }
    if (sgx == NULL)
        add_hex_reason(refusal, CVS_REASON_TCB_NOT_SUPPORTED, pck->components, pck->components, 16,
                       "the platform's SVNs are below every TCB level that Intel lists");
    else
        add_hex_reason(refusal, CVS_REASON_TCB_NOT_SUPPORTED, body->tee_tcb_svn, body->tee_tcb_svn,
                       16, "TEE_TCB_SVN is below every TCB level that Intel lists");
    return FALSE;
}

static const CvsTdxModule *
find_module(const CvsTcbInfo *info, guint8 version)
{
    char id[8];

    g_snprintf(id, sizeof(id), "TDX_%02x", version);
    for (guint i = 0; info->identities && i < info->identities->len; i++) {
        const CvsTdxModule *module = g_ptr_array_index(info->identities, i);

        if (g_ascii_strcasecmp(module->id, id) == 0)
            return module;
    }
    return NULL;
}

static const CvsTcbLevel *
find_svn(const GPtrArray *levels, guint svn)
{
    for (guint i = 0; i < levels->len; i++) {
        const CvsTcbLevel *level = g_ptr_array_index(levels, i);

        if (svn >= level->isv_svn)
            return level;
    }
    return NULL;
}

static void
module_unknown(GError *refusal, guint8 version)
{
    g_autofree char *seen = g_strdup_printf("TDX_%02X", version);

    cvs_error_add_reason(refusal, CVS_REASON_TDX_MODULE_UNKNOWN, seen, NULL,
                         "the TCB info has no identity for the TDX module of version %u", version);
}

static gboolean
match_module(const CvsTcbInfo *info, const CvsTdBody *body, CvsTdxTcb *tcb, GError *refusal)
{
    guint8 version = body->tee_tcb_svn[MODULE_VERSION];
    const CvsTdxModule *module = version == 0 ? info->module : find_module(info, version);
    const CvsTcbLevel *level = NULL;
    gboolean good = TRUE;

    if (module == NULL) {
        module_unknown(refusal, version);
        return FALSE;
    }
    if (memcmp(body->mrsigner_seam, module->mr_signer, 48) != 0) {
        add_hex_reason(refusal, CVS_REASON_TDX_MODULE_MISMATCH, body->mrsigner_seam,
                       module->mr_signer, 48, "the TDX module has another signer");
        good = FALSE;
    }
    /* No attribute of a module is defined yet: any that is set is one that nobody can judge. */
    if (body->seam_attributes != 0 ||
        ((body->seam_attributes ^ module->attributes) & module->attributes_mask) != 0) {
        g_autofree char *seen = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", body->seam_attributes);

        cvs_error_add_reason(refusal, CVS_REASON_TDX_MODULE_MISMATCH, seen, "0x0",
                             "the TDX module has other attributes");
        good = FALSE;
    }
    if (version == 0) {
        tcb->module = CVS_TCB_UP_TO_DATE;
        return good;
    }
    level = find_svn(module->levels, body->tee_tcb_svn[MODULE_SVN]);
    if (level == NULL) {
        g_autofree char *seen = g_strdup_printf("%u", body->tee_tcb_svn[MODULE_SVN]);

        cvs_error_add_reason(refusal, CVS_REASON_TCB_NOT_SUPPORTED, seen, NULL,
                             "the TDX module's SVN is below every level that Intel lists");
        return FALSE;
    }
    tcb->module = level->status;
    note_level(tcb, level);
    return good;
}

static gboolean
masked_equal(const guint8 *seen, const guint8 *wanted, const guint8 *mask, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if ((seen[i] ^ wanted[i]) & mask[i])
            return FALSE;
    }
    return TRUE;
}

static gboolean
match_qe(const CvsQeIdentity *identity, const CvsQeReport *qe, CvsTdxTcb *tcb, GError *refusal)
{
    const CvsTcbLevel *level = NULL;
    guint8 miscselect[4];
    gboolean good = TRUE;

    for (guint i = 0; i < 4; i++)
        miscselect[i] = (guint8)(qe->miscselect >> (8 * i));
    if (memcmp(qe->mr_signer, identity->mr_signer, 32) != 0) {
        add_hex_reason(refusal, CVS_REASON_QE_IDENTITY_MISMATCH, qe->mr_signer, identity->mr_signer,
                       32, "the quoting enclave has another signer");
        good = FALSE;
    }
    if (qe->isv_prod_id != identity->isv_prod_id) {
        g_autofree char *seen = g_strdup_printf("%u", qe->isv_prod_id);
        g_autofree char *wanted = g_strdup_printf("%u", identity->isv_prod_id);

        cvs_error_add_reason(refusal, CVS_REASON_QE_IDENTITY_MISMATCH, seen, wanted,
                             "the quoting enclave has another product id");
        good = FALSE;
    }
    if (!masked_equal(miscselect, identity->miscselect, identity->miscselect_mask, 4)) {
        add_hex_reason(refusal, CVS_REASON_QE_IDENTITY_MISMATCH, miscselect, identity->miscselect,
                       4, "the quoting enclave has another MISCSELECT");
        good = FALSE;
    }
    if (!masked_equal(qe->attributes, identity->attributes, identity->attributes_mask, 16)) {
        add_hex_reason(refusal, CVS_REASON_QE_IDENTITY_MISMATCH, qe->attributes,
                       identity->attributes, 16, "the quoting enclave has other attributes");
        good = FALSE;
    }
    level = find_svn(identity->levels, qe->isv_svn);
    if (level == NULL) {
        g_autofree char *seen = g_strdup_printf("%u", qe->isv_svn);

        cvs_error_add_reason(refusal, CVS_REASON_TCB_NOT_SUPPORTED, seen, NULL,
                             "the quoting enclave's SVN is below every level that Intel lists");
        return FALSE;
    }
    tcb->qe = level->status;
    note_level(tcb, level);
    return good;
}

/* A part that is out of date drags the whole down, and hides that nothing else was wrong. */
static CvsTcbStatus
converge(CvsTcbStatus whole, CvsTcbStatus part)
{
    if (part == CVS_TCB_REVOKED)
        return CVS_TCB_REVOKED;
    if (part != CVS_TCB_OUT_OF_DATE)
        return whole;
    if (whole == CVS_TCB_UP_TO_DATE || whole == CVS_TCB_SW_HARDENING_NEEDED)
        return CVS_TCB_OUT_OF_DATE;
    if (whole == CVS_TCB_CONFIGURATION_NEEDED ||
        whole == CVS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
        return CVS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    return whole;
}

static gboolean
needs_configuration(CvsTcbStatus status)
{
    return status == CVS_TCB_CONFIGURATION_NEEDED ||
           status == CVS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           status == CVS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

/* The module that runs now is current, and only the one that made this TD was not: relaunching the
 * TD would do. Known from TD 1.5 bodies alone. FALSE: refused. */
static gboolean
check_relaunch(const CvsTcbInfo *info, const CvsTdBody *body, const CvsTdxTcb *tcb,
               CvsTcbStatus *status, GError *refusal)
{
    const CvsTcbLevel *latest = g_ptr_array_index(info->levels, 0);
    const guint8 *svn2 = body->tee_tcb_svn2;
    guint wanted = latest->tdx[MODULE_SVN];

    if (!body->has_15 || tcb->qe != CVS_TCB_UP_TO_DATE || tcb->module != CVS_TCB_OUT_OF_DATE ||
        (tcb->sgx != CVS_TCB_UP_TO_DATE && tcb->sgx != CVS_TCB_SW_HARDENING_NEEDED &&
         tcb->sgx != CVS_TCB_CONFIGURATION_NEEDED &&
         tcb->sgx != CVS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED) ||
        (*status != CVS_TCB_OUT_OF_DATE && *status != CVS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED))
        return TRUE;

    if (svn2[MODULE_VERSION] > 0) {
        const CvsTdxModule *module = find_module(info, svn2[MODULE_VERSION]);
        const CvsTcbLevel *newest = NULL;

        if (module == NULL) {
            module_unknown(refusal, svn2[MODULE_VERSION]);
            return FALSE;
        }
        newest = g_ptr_array_index(module->levels, 0);
        wanted = newest->isv_svn;
    }
    if (svn2[MODULE_SVN] >= wanted && svn2[LATE_MICROCODE] >= latest->tdx[LATE_MICROCODE])
        *status = needs_configuration(tcb->sgx) || needs_configuration(*status)
                      ? CVS_TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                      : CVS_TCB_RELAUNCH_ADVISED;
    return TRUE;
}

void
cvs_tdx_tcb_evaluate(const CvsTcbInfo *info, const CvsQeIdentity *identity, const CvsPck *pck,
                     const CvsTdBody *body, const CvsQeReport *qe, CvsTdxTcb *ret_tcb,
                     GError *refusal)
{
    CvsTdxTcb tcb = {
        .status = CVS_TCB_NOT_SUPPORTED,
        .sgx = CVS_TCB_NOT_SUPPORTED,
        .platform = CVS_TCB_NOT_SUPPORTED,
        .module = CVS_TCB_NOT_SUPPORTED,
        .qe = CVS_TCB_NOT_SUPPORTED,
        .advisories = g_strdup(""),
    };
    /* All three are looked at, whatever the others say: each has reasons of its own. */
    gboolean platform_good = match_platform(info, pck, body, &tcb, refusal);
    gboolean module_good = match_module(info, body, &tcb, refusal);
    gboolean qe_good = identity && match_qe(identity, qe, &tcb, refusal);

    if (platform_good && module_good && qe_good) {
        tcb.status = converge(tcb.platform, tcb.module);
        if (check_relaunch(info, body, &tcb, &tcb.status, refusal))
            tcb.status = converge(tcb.status, tcb.qe);
        else
            tcb.status = CVS_TCB_NOT_SUPPORTED;
        if (tcb.status == CVS_TCB_REVOKED)
            cvs_error_add_reason(refusal, CVS_REASON_TCB_REVOKED, "Revoked", NULL,
                                 "Intel has revoked this TCB level");
    }
    *ret_tcb = tcb;
}
