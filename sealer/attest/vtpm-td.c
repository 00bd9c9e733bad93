/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/vtpm-td.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/eventlog-replay.h"
#include "tee/refusal.h"
#include "tee/tdreport.h"
#include "tee/vtpm-td-cert.h"

#include <string.h>

#define OWN_PREFIX "vtpm.td."
#define TEE_PREFIX "tee."

/* Places in a TDREPORT (tee/tdreport.h). */
#define TD_INFO_HASH 80
#define REPORT_DATA 128
#define REPORT_DATA_SIZE 64
#define MAC 224
#define MAC_SIZE 32
#define TD_INFO 512
#define TD_INFO_SIZE 512
#define RTMR0 720

/* RTMRs that a guest may have extended before its vTPM: RTMR3 is found zero. */
#define EARLY_RTMRS 3

static const char *const own_claims[] = {
#define X(name, type, text) name,
    CVS_CLAIMS_VTPM_TD(X)
#undef X
};

static void
take_claims(json_t *claims, const json_t *td)
{
    for (gsize i = 0; i < G_N_ELEMENTS(own_claims); i++) {
        g_autofree char *name = g_strconcat(TEE_PREFIX, own_claims[i] + strlen(OWN_PREFIX), NULL);
        json_t *value = json_object_get(td, name);

        if (value)
            (void)json_object_set(claims, own_claims[i], value);
    }
}

static gboolean
is_true(const json_t *claims, const char *name)
{
    return json_is_true(json_object_get(claims, name));
}

static void
check_ek(const CvsEvidenceBundle *bundle, const CvsVtpmTdCerts *certs, json_t *claims,
         GError *refusal)
{
    if (bundle->ek == NULL)
        cvs_error_add_reason(refusal, CVS_REASON_EK_MISSING, NULL, NULL,
                             "the evidence leaves out the endorsement key of the certificate");
    else if (EVP_PKEY_eq(bundle->ek->key, certs->ek_key) != 1)
        cvs_error_add_reason(refusal, CVS_REASON_EK_MISMATCH, NULL, NULL,
                             "the TPM's endorsement key is not the one that the vTPM's TD has "
                             "certified");
    else
        cvs_claims_set_hex(claims, "vtpm.ek_name", bundle->ek->name.bytes, bundle->ek->name.size);
}

/* What the quote says of the vTPM's TD. */
static void
check_td(const CvsVtpmTdCerts *certs, const json_t *td, const json_t *claims, GError *refusal)
{
    const char *seen = json_string_value(json_object_get(td, "tee.report_data"));
    const char *measurement = json_string_value(json_object_get(td, "tee.measurement"));
    const char *guest = json_string_value(json_object_get(claims, "tee.measurement"));
    g_autofree char *wanted = cvs_hex_encode(certs->report_data, sizeof certs->report_data);

    if (g_strcmp0(seen, wanted) != 0)
        cvs_error_add_reason(refusal, CVS_REASON_VTPM_TD_REPORT_DATA, seen, wanted,
                             "the quote in the vTPM's CA certificate was not made for the key of "
                             "that CA: nothing shows that the TD has it");
    /* DEBUG is among the bits 7:0. */
    if (is_true(td, "tee.td_attributes.tud") || is_true(td, "tee.policy.migrate_ma"))
        cvs_error_add_reason(refusal, CVS_REASON_VTPM_TD_OPEN,
                             json_string_value(json_object_get(td, "tee.td_attributes")), NULL,
                             "the vTPM's TD can be debugged or migrated: whoever does that has the "
                             "TPM's keys");
    if (g_strcmp0(measurement, guest) == 0)
        cvs_error_add_reason(refusal, CVS_REASON_VTPM_TD_IS_GUEST, measurement, NULL,
                             "the vTPM's TD has the launch measurement of this guest, which could "
                             "have made these certificates itself");
}

static gboolean
verify_quote(const CvsVtpmTdCerts *certs, const CvsReportInput *guest, CvsEvidence *evidence,
             CvsCollateralStore *store, json_t *claims, GError *refusal, GError **error)
{
    static const char what[] = "the quote of the vTPM's TD";
    const CvsReportInput input = {.type = CVS_REPORT_TDX,
                                  .report = certs->quote,
                                  .name = what,
                                  .quote_name = what,
                                  .evidence = evidence,
                                  .snp_roots = guest->snp_roots,
                                  .tdx_roots = guest->tdx_roots,
                                  .at = guest->at,
                                  .grace = guest->grace};
    g_autoptr(GError) found = cvs_refusal_new();
    g_autoptr(json_t) td = NULL;
    const GPtrArray *reasons = NULL;

    if ((store && !cvs_report_collect(&input, store, evidence, error)) ||
        !cvs_report_verify(&input, &td, found, error))
        return FALSE;
    reasons = cvs_error_get_reasons(found);
    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        cvs_error_add_reason(refusal, reason->code, reason->seen, reason->wanted, "%s: %s", what,
                             reason->detail);
    }
    take_claims(claims, td);
    check_td(certs, td, claims, refusal);
    return TRUE;
}

static gboolean
is_zero(const guint8 *data, gsize size)
{
    guint8 any = 0;

    for (gsize i = 0; i < size; i++)
        any |= data[i];
    return any == 0;
}

/* H(D) of the TDREPORT with these registers. */
static void
digest_of(const guint8 report[static CVS_TDREPORT_SIZE],
          const guint8 rtmr[static EARLY_RTMRS][CVS_TD_MR_SIZE], CvsHash bank, guint8 *digest)
{
    guint8 then[CVS_TDREPORT_SIZE];
    guint8 d[48];

    memcpy(then, report, sizeof then);
    memset(then + REPORT_DATA, 0, REPORT_DATA_SIZE);
    memset(then + MAC, 0, MAC_SIZE);
    memset(then + RTMR0, 0, CVS_TD_RTMRS * CVS_TD_MR_SIZE);
    memcpy(then + RTMR0, rtmr, EARLY_RTMRS * CVS_TD_MR_SIZE);
    cvs_hash_bytes(CVS_SHA384, then + TD_INFO, TD_INFO_SIZE, then + TD_INFO_HASH);
    cvs_hash_bytes(CVS_SHA384, then, sizeof then, d);
    cvs_hash_bytes(bank, d, sizeof d, digest);
}

/* The log goes on from these registers to those that the guest has now. */
static gboolean
leads_on(const CvsEventLog *cc, const guint8 report[static CVS_TDREPORT_SIZE],
         const guint8 rtmr[static EARLY_RTMRS][CVS_TD_MR_SIZE])
{
    for (guint i = 0; i < EARLY_RTMRS; i++) {
        if (!is_zero(rtmr[i], CVS_TD_MR_SIZE) &&
            cvs_event_log_explain(cc, CVS_SHA384, i, report + RTMR0 + (gsize)i * CVS_TD_MR_SIZE,
                                  NULL) != CVS_EXPLAIN_MATCH)
            return FALSE;
    }
    return TRUE;
}

/* A state that this guest was in before its vTPM knew it has this digest. cc: NULL: none. */
static gboolean
was_measured(const guint8 report[static CVS_TDREPORT_SIZE], const CvsEventLog *cc, CvsHash bank,
             const guint8 *wanted)
{
    guint8 rtmr[EARLY_RTMRS][CVS_TD_MR_SIZE] = {{0}};
    guint n = cc ? cvs_event_log_size(cc) : 0;

    for (guint i = 0;; i++) {
        const CvsEvent *event = NULL;
        guint8 digest[CVS_DIGEST_MAX];

        digest_of(report, rtmr, bank, digest);
        if (cvs_equal_bytes(digest, wanted, cvs_hash_size(bank)))
            return leads_on(cc, report, rtmr);
        while (i < n && cvs_event_log_event(cc, i)->reg < 0)
            i++;
        if (i >= n)
            return FALSE;
        event = cvs_event_log_event(cc, i);
        if (event->reg >= EARLY_RTMRS || event->digest[CVS_SHA384] == NULL)
            return FALSE;
        cvs_register_extend(CVS_SHA384, rtmr[event->reg], event->digest[CVS_SHA384]);
    }
}

/* The first that PCR 0 was extended with. */
static const CvsEvent *
first_of_pcr0(const CvsEventLog *log)
{
    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        if (event->reg == 0)
            return event;
    }
    return NULL;
}

static void
no_guest(GError *refusal, const char *text)
{
    cvs_error_add_reason(refusal, CVS_REASON_VTPM_TD_NO_GUEST, NULL, NULL,
                         "nothing shows that the vTPM's TD serves this guest: %s", text);
}

static void
check_guest(const CvsEvidenceBundle *bundle, GError *refusal)
{
    const CvsPcrValues *pcrs = &bundle->quote.values;
    CvsHash bank = pcrs->selection.bank;
    g_autoptr(CvsEventLog) log =
        bundle->tpm_log ? cvs_event_log_parse(bundle->tpm_log, CVS_EVENT_LOG_TPM, NULL) : NULL;
    g_autoptr(CvsEventLog) cc =
        bundle->cc_log ? cvs_event_log_parse(bundle->cc_log, CVS_EVENT_LOG_CC, NULL) : NULL;
    const CvsEvent *first = log ? first_of_pcr0(log) : NULL;
    const guint8 *report = NULL;

    if (bundle->tdreport == NULL) {
        no_guest(refusal, "there is no TDREPORT of it");
        return;
    }
    report = g_bytes_get_data(bundle->tdreport, NULL);
    if (!(pcrs->selection.mask & 1u))
        no_guest(refusal, "PCR 0 was not quoted");
    else if (log == NULL)
        no_guest(refusal, "there is no event log of the TPM");
    else if (first == NULL || first->type != CVS_EV_EFI_HCRTM_EVENT || first->digest[bank] == NULL)
        no_guest(refusal, "PCR 0 does not begin with a TDREPORT (EV_EFI_HCRTM_EVENT)");
    else if (cvs_event_log_explain(log, bank, 0, pcrs->value[0], NULL) != CVS_EXPLAIN_MATCH)
        no_guest(refusal, "the event log does not lead to the quoted value of PCR 0");
    else if (is_zero(report + RTMR0 + (gsize)EARLY_RTMRS * CVS_TD_MR_SIZE, CVS_TD_MR_SIZE))
        no_guest(refusal, "its RTMR3 is zero, so that its firmware knows of no vTPM");
    else if (!was_measured(report, cc, bank, first->digest[bank])) {
        g_autofree char *seen = cvs_hex_encode(first->digest[bank], cvs_hash_size(bank));

        cvs_error_add_reason(refusal, CVS_REASON_VTPM_TD_OTHER_GUEST, seen, NULL,
                             "the vTPM's TD serves another guest: PCR 0 does not begin with a "
                             "TDREPORT that this one has had");
    }
}

gboolean
cvs_vtpm_td_judge(const CvsEvidenceBundle *bundle, const CvsReportInput *guest,
                  CvsEvidence *evidence, CvsCollateralStore *store, json_t *claims, GError *refusal,
                  GError **error)
{
    g_autoptr(CvsVtpmTdCerts) certs =
        cvs_vtpm_td_certs_parse(bundle->ek_cert, bundle->ca_cert, error);

    if (certs == NULL)
        return FALSE;
    cvs_vtpm_td_certs_check(certs, guest->at, refusal);
    if (!verify_quote(certs, guest, evidence, store, claims, refusal, error))
        return FALSE;
    check_ek(bundle, certs, claims, refusal);
    if (guest->type == CVS_REPORT_TDX)
        check_guest(bundle, refusal);
    else
        no_guest(refusal, "it is no TD");
    return TRUE;
}
