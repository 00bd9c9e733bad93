/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-claims.h"

#include <string.h>

static gboolean
is_zero(const guint8 *data, gsize size)
{
    guint8 any = 0;

    for (gsize i = 0; i < size; i++)
        any |= data[i];
    return any == 0;
}

static void
set_bit(json_t *claims, const char *name, guint64 mask, guint bit)
{
    cvs_claims_set_bool(claims, name, (mask >> bit & 1) != 0);
}

json_t *
cvs_td_claims_new(const CvsTdBody *body, const char *source)
{
    json_t *claims = json_object();
    guint64 attributes = body->td_attributes;

    cvs_claims_set_string(claims, "tee.type", "tdx");
    cvs_claims_set_string(claims, "tee.source", source);
    cvs_claims_set_hex(claims, "tee.measurement", body->mr_td, CVS_TD_MR_SIZE);
    cvs_claims_set_hex(claims, "tee.report_data", body->report_data, sizeof(body->report_data));
    set_bit(claims, "tee.policy.debug", attributes, CVS_TD_ATTR_DEBUG);
    set_bit(claims, "tee.policy.migrate_ma", attributes, CVS_TD_ATTR_MIGRATABLE);

    cvs_claims_set_string(claims, "tee.td_body", body->has_15 ? "1.5" : "1.0");
    cvs_claims_set_hex(claims, "tee.tcb_svn", body->tee_tcb_svn, sizeof(body->tee_tcb_svn));
    cvs_claims_set_hex(claims, "tee.mr_seam", body->mr_seam, CVS_TD_MR_SIZE);
    cvs_claims_set_hex(claims, "tee.mrsigner_seam", body->mrsigner_seam, CVS_TD_MR_SIZE);
    cvs_claims_set_mask(claims, "tee.seam_attributes", body->seam_attributes);
    cvs_claims_set_mask(claims, "tee.td_attributes", attributes);
    cvs_claims_set_bool(claims, "tee.td_attributes.tud", (attributes & CVS_TD_ATTR_TUD_MASK) != 0);
    set_bit(claims, "tee.td_attributes.sept_ve_disable", attributes, CVS_TD_ATTR_SEPT_VE_DISABLE);
    set_bit(claims, "tee.td_attributes.migratable", attributes, CVS_TD_ATTR_MIGRATABLE);
    set_bit(claims, "tee.td_attributes.pks", attributes, CVS_TD_ATTR_PKS);
    set_bit(claims, "tee.td_attributes.kl", attributes, CVS_TD_ATTR_KL);
    set_bit(claims, "tee.td_attributes.perfmon", attributes, CVS_TD_ATTR_PERFMON);
    cvs_claims_set_mask(claims, "tee.xfam", body->xfam);
    cvs_claims_set_hex(claims, "tee.mr_config_id", body->mr_config_id, CVS_TD_MR_SIZE);
    cvs_claims_set_hex(claims, "tee.mr_owner", body->mr_owner, CVS_TD_MR_SIZE);
    cvs_claims_set_hex(claims, "tee.mr_owner_config", body->mr_owner_config, CVS_TD_MR_SIZE);
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        char name[16];

        g_snprintf(name, sizeof(name), "tee.rtmr%u", i);
        cvs_claims_set_hex(claims, name, body->rtmr[i], CVS_TD_MR_SIZE);
    }
    cvs_claims_set_bool(claims, "tee.rtmrs_used",
                        !is_zero((const guint8 *)body->rtmr, sizeof(body->rtmr)));
    if (body->has_15) {
        cvs_claims_set_hex(claims, "tee.tcb_svn2", body->tee_tcb_svn2, sizeof(body->tee_tcb_svn2));
        cvs_claims_set_hex(claims, "tee.mr_servicetd", body->mr_servicetd, CVS_TD_MR_SIZE);
        cvs_claims_set_bool(claims, "tee.service_td", !is_zero(body->mr_servicetd, CVS_TD_MR_SIZE));
    }
    return claims;
}

void
cvs_td_claims_add_quote(json_t *claims, const CvsTdxQuote *quote)
{
    cvs_claims_set_int(claims, "tee.quote_version", quote->version);
    cvs_claims_set_hex(claims, "tee.qe.mr_enclave", quote->qe.mr_enclave,
                       sizeof(quote->qe.mr_enclave));
    cvs_claims_set_int(claims, "tee.qe.isv_svn", quote->qe.isv_svn);
}

void
cvs_td_claims_add_pck(json_t *claims, const CvsPck *pck)
{
    cvs_claims_set_hex(claims, "tee.fmspc", pck->fmspc, sizeof(pck->fmspc));
    cvs_claims_set_hex(claims, "tee.pce_id", pck->pce_id, sizeof(pck->pce_id));
    cvs_claims_set_int(claims, "tee.pce_svn", pck->pce_svn);
    cvs_claims_set_hex(claims, "tee.cpu_svn", pck->components, sizeof(pck->components));
    if (pck->has_instance)
        cvs_claims_set_hex(claims, "tee.platform_instance_id", pck->instance_id,
                           sizeof(pck->instance_id));
    if (pck->has_configuration) {
        cvs_claims_set_bool(claims, "tee.platform.smt", pck->smt);
        cvs_claims_set_bool(claims, "tee.platform.dynamic", pck->dynamic_platform);
        cvs_claims_set_bool(claims, "tee.platform.cached_keys", pck->cached_keys);
    }
}

void
cvs_td_claims_add_tcb(json_t *claims, const CvsTdxTcb *tcb)
{
    cvs_claims_set_string(claims, "tee.tcb.status", cvs_tcb_status_name(tcb->status));
    cvs_claims_set_string(claims, "tee.tcb.sgx_status", cvs_tcb_status_name(tcb->sgx));
    cvs_claims_set_string(claims, "tee.tcb.platform_status", cvs_tcb_status_name(tcb->platform));
    cvs_claims_set_string(claims, "tee.tcb.module_status", cvs_tcb_status_name(tcb->module));
    cvs_claims_set_string(claims, "tee.tcb.qe_status", cvs_tcb_status_name(tcb->qe));
    if (tcb->date != 0)
        cvs_claims_set_int(claims, "tee.tcb.date", tcb->date);
    cvs_claims_set_string(claims, "tee.tcb.advisories", tcb->advisories);
}
