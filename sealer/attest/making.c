/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/making.h"
#include "attest/binding.h"
#include "attest/challenge-answer.h"
#include "attest/proof.h"
#include "attest/svsm-manifest.h"
#include "attest/td-quote.h"
#include "attest/vtpm-td-read.h"
#include "base/error.h"
#include "tee/hcl-report.h"
#include "tpm/ak.h"
#include "tpm/ek.h"
#include "tpm/nv.h"

#include <string.h>

/* A paravisor makes its report anew when two seconds have passed since the last one. */
#define HCL_WAIT_US (G_GINT64_CONSTANT(2500) * 1000)
#define HCL_TRIES 4
/* So long one may have the paravisor for itself: what it takes, and the worker's other work. */
#define HCL_OWNED_US (G_GINT64_CONSTANT(30000) * 1000)

/* Whom to ask for a report. */
typedef enum {
    WAY_UNKNOWN, /* not yet found out */
    WAY_NOBODY,
    WAY_TEE,
    WAY_PARAVISOR,
} Way;

struct _CvsMaking {
    const CvsAttesterConfig *config;
    CvsMakings *all;
    CvsPcrSelection selection;
    gint64 at;
    const CvsChallenge *challenge; /* or NULL */
    CvsEvidenceBundle *bundle;
    Way way;
    gboolean has_svsm;
    gboolean has_keys;  /* read, and the binding made of them */
    gboolean has_asked; /* the paravisor, or a TEE, whether or not it has answered */
    CvsErrand *errand;  /* of this one */
    guint tries;        /* of a paravisor's report */
    GBytes *tdreport;   /* of a paravisor's, to which there is to be a quote; NULL: there is none */
    guint32 ak_handle;
    guint8 binding[CVS_BINDING_SIZE];
    gboolean challenged;
};

CvsMaking *
cvs_making_new(const CvsAttesterConfig *config, CvsMakings *all, GBytes *nonce, GBytes *user_data,
               const CvsPcrSelection *selection, gint64 at)
{
    CvsMaking *making = g_new0(CvsMaking, 1);

    making->config = config;
    making->all = all;
    making->selection = *selection;
    making->at = at;
    making->bundle = g_new0(CvsEvidenceBundle, 1);
    making->bundle->nonce = g_bytes_ref(nonce);
    making->bundle->user_data = user_data ? g_bytes_ref(user_data) : NULL;
    return making;
}

/* ret_anew: not ours until now. FALSE: another's. */
static gboolean
take_paravisor(const CvsMaking *making, gboolean *ret_anew)
{
    const CvsPaceClock *clock = making->config->clock;
    CvsMakings *all = making->all;
    gint64 now = clock->now(clock->data);
    gboolean ours = FALSE;

    g_mutex_lock(&all->mutex);
    *ret_anew = all->owner == NULL || (all->owner != making && now >= all->owned_until);
    if (*ret_anew) {
        all->owner = making;
        all->owned_until = now + HCL_OWNED_US;
    }
    ours = all->owner == making;
    all->wanted |= !ours;
    g_mutex_unlock(&all->mutex);
    return ours;
}

static void
give_paravisor_back(const CvsMaking *making)
{
    CvsMakings *all = making->all;
    gboolean tell = FALSE;

    g_mutex_lock(&all->mutex);
    if (all->owner == making) {
        tell = all->wanted;
        all->owner = NULL;
        all->wanted = FALSE;
    }
    g_mutex_unlock(&all->mutex);
    if (tell && making->config->back)
        making->config->back(making->config->back_data);
}

void
cvs_making_free(CvsMaking *making)
{
    if (making == NULL)
        return;
    give_paravisor_back(making);
    g_bytes_unref(making->tdreport);
    cvs_errand_unref(making->errand);
    cvs_evidence_bundle_free(making->bundle);
    g_free(making);
}

void
cvs_making_set_challenge(CvsMaking *making, const CvsChallenge *challenge)
{
    making->challenge = challenge;
}

gboolean
cvs_making_has_asked(const CvsMaking *making)
{
    return making->has_asked;
}

gint64
cvs_making_at(const CvsMaking *making)
{
    return making->at;
}

const CvsEvidenceBundle *
cvs_making_bundle(const CvsMaking *making)
{
    return making->bundle;
}

CvsEvidenceBundle *
cvs_making_steal_bundle(CvsMaking *making)
{
    return g_steal_pointer(&making->bundle);
}

/* The TPM's keys, which the report commits to. Nothing here is trusted yet: the endorsement key
 * that the report names proves them (prove_keys()). */
static gboolean
read_keys(CvsMaking *making, guint32 ak_handle, GError **error)
{
    CvsEvidenceBundle *bundle = making->bundle;
    CvsTpm *tpm = making->config->tpm;
    GBytes *srk = NULL;

    if (making->has_keys)
        return TRUE;
    srk = cvs_tpm_get_srk_name(tpm, TRUE, error);
    if (srk == NULL)
        return FALSE;
    bundle->srk_name.size = g_bytes_get_size(srk);
    g_return_val_if_fail(bundle->srk_name.size <= sizeof bundle->srk_name.bytes, FALSE);
    memcpy(bundle->srk_name.bytes, g_bytes_get_data(srk, NULL), bundle->srk_name.size);
    bundle->ak = cvs_tpm_read_ak(tpm, ak_handle, NULL, error);
    if (bundle->ak == NULL)
        return FALSE;
    making->ak_handle = ak_handle;
    cvs_binding_compute(bundle->nonce, &bundle->ak->name, &bundle->srk_name, bundle->user_data,
                        making->binding);
    making->has_keys = TRUE;
    return TRUE;
}

static gboolean
under_way(GError **error)
{
    GError *busy =
        g_error_new_literal(CVS_ERROR, CVS_ERROR_BUSY,
                            "attestation is under way: the TEE or the host has been asked and has "
                            "not answered yet, which can take minutes; try again");

    cvs_error_add_reason(busy, CVS_REASON_ATTESTATION_UNDER_WAY, NULL, NULL, "%s", busy->message);
    g_propagate_error(error, busy);
    return FALSE;
}

/* Takes data. */
static gboolean
send_out(CvsMaking *making, CvsErrandFunc run, gpointer data, GDestroyNotify free_data,
         GError **error)
{
    const CvsAttesterConfig *config = making->config;
    const CvsErrandKind kind = {run, free_data, config->back, config->back_data};

    if (making->all->out && cvs_errand_get(making->all->out) == NULL) {
        free_data(data);
        return under_way(error);
    }
    g_clear_pointer(&making->all->out, cvs_errand_unref);
    making->errand = cvs_errand_new(&kind, data, error);
    if (making->errand == NULL)
        return FALSE;
    making->has_asked = TRUE;
    making->all->out = cvs_errand_ref(making->errand);
    return TRUE;
}

/* What was sent out; NULL while it is not back. */
static gpointer
await(CvsMaking *making, GError **error)
{
    gpointer data = cvs_errand_get(making->errand);

    if (data == NULL)
        under_way(error);
    return data;
}

/* A question to the TEE. */
typedef struct {
    CvsTeeSource *source;
    CvsTeeRequest request;
    CvsTeeEvidence *evidence;
    GError *error;
} Question;

static void
question_free(gpointer data)
{
    Question *question = data;

    cvs_tee_source_free(question->source);
    cvs_tee_evidence_free(question->evidence);
    g_clear_error(&question->error);
    g_free(question);
}

static void
ask_tee(gpointer data)
{
    Question *question = data;

    question->evidence = cvs_tee_source_get(question->source, &question->request, &question->error);
}

static gboolean
send_question(CvsMaking *making, GError **error)
{
    Question *question = g_new0(Question, 1);

    question->source = cvs_tee_source_ref(making->config->source);
    question->request = (CvsTeeRequest){.privlevel = -1, .svsm = making->has_svsm};
    memcpy(question->request.report_data, making->binding, sizeof question->request.report_data);
    if (making->has_svsm) {
        question->request.service_guid = CVS_TEE_SVSM_VTPM;
        question->request.manifest_version = making->config->manifest_version;
    }
    return send_out(making, ask_tee, question, question_free, error);
}

static GBytes *
take_part(GBytes *part)
{
    return part ? g_bytes_ref(part) : NULL;
}

static gboolean
get_report(CvsMaking *making, GError **error)
{
    CvsEvidenceBundle *bundle = making->bundle;
    const Question *question = NULL;

    if (!read_keys(making, CVS_AK_OWN, error) ||
        (making->errand == NULL && !send_question(making, error)))
        return FALSE;
    question = await(making, error);
    if (question == NULL)
        return FALSE;
    if (question->evidence == NULL) {
        g_propagate_error(error, g_error_copy(question->error));
        return FALSE;
    }
    bundle->report = take_part(question->evidence->report);
    bundle->auxblob = take_part(question->evidence->auxblob);
    bundle->manifest = take_part(question->evidence->manifest);
    bundle->tdreport = take_part(question->evidence->tdreport);
    if (bundle->manifest) {
        bundle->ek = cvs_svsm_manifest_get_ek(bundle->manifest, error);
        return bundle->ek != NULL;
    }
    return bundle->tdreport == NULL || cvs_vtpm_td_read(making->config->tpm, bundle, error);
}

static void
wait_for_paravisor(gpointer data)
{
    const CvsPaceClock *clock = data;

    clock->sleep(clock->data, HCL_WAIT_US);
}

static gboolean
ask_paravisor(CvsMaking *making, GError **error)
{
    gboolean anew = FALSE;

    if (!take_paravisor(making, &anew))
        return under_way(error);
    if (!anew)
        return TRUE;
    /* Rounds of a former turn say nothing of this one. */
    g_clear_pointer(&making->errand, cvs_errand_unref);
    making->tries = 0;
    if (!cvs_tpm_nv_write(making->config->tpm, CVS_NV_AZURE_USER_DATA, making->binding,
                          sizeof making->binding, error))
        return FALSE;
    making->has_asked = TRUE;
    return TRUE;
}

/* A report that says it was made for us; of firmware that does not say, the one there is. */
static CvsHclReport *
read_fresh_hcl(CvsMaking *making, GError **error)
{
    for (;;) {
        g_autoptr(CvsHclReport) report = NULL;
        g_autoptr(GBytes) bytes = NULL;

        if (making->errand && await(making, error) == NULL)
            return NULL;
        g_clear_pointer(&making->errand, cvs_errand_unref);
        bytes = cvs_tpm_nv_read(making->config->tpm, CVS_NV_AZURE_REPORT, error);
        report = bytes ? cvs_hcl_report_parse(bytes, error) : NULL;
        if (report == NULL || !report->has_user_data ||
            memcmp(report->user_data, making->binding, sizeof making->binding) == 0 ||
            ++making->tries == HCL_TRIES)
            return g_steal_pointer(&report);
        if (!send_out(making, wait_for_paravisor,
                      g_memdup2(making->config->clock, sizeof *making->config->clock), g_free,
                      error))
            return NULL;
    }
}

/* A wish for the quote of a paravisor's TDREPORT. */
typedef struct {
    char *run_dir;
    GBytes *tdreport;
    CvsPaceClock clock;
    GBytes *quote;
    GError *error;
} Wish;

static void
wish_free(gpointer data)
{
    Wish *wish = data;

    g_free(wish->run_dir);
    g_bytes_unref(wish->tdreport);
    g_bytes_unref(wish->quote);
    g_clear_error(&wish->error);
    g_free(wish);
}

static void
await_quote(gpointer data)
{
    Wish *wish = data;

    wish->quote = cvs_td_quote_get(wish->run_dir, wish->tdreport, &wish->clock, &wish->error);
}

static gboolean
send_wish(CvsMaking *making, GError **error)
{
    Wish *wish = g_new0(Wish, 1);

    wish->run_dir = g_strdup(cvs_tee_source_paths(making->config->source)->run_dir);
    wish->tdreport = g_bytes_ref(making->tdreport);
    wish->clock = *making->config->clock;
    return send_out(making, await_quote, wish, wish_free, error);
}

static gboolean
get_hcl_report(CvsMaking *making, GError **error)
{
    CvsEvidenceBundle *bundle = making->bundle;
    g_autoptr(CvsHclReport) report = NULL;
    EVP_PKEY *key = NULL;

    if (!read_keys(making, CVS_AK_AZURE, error) || !ask_paravisor(making, error))
        return FALSE;
    report = read_fresh_hcl(making, error);
    if (report == NULL)
        return FALSE;
    if (report->ek.n == NULL) {
        GError *refusal = g_error_new_literal(
            CVS_ERROR, CVS_ERROR_VTPM_NOT_TRUSTED,
            "this paravisor is too old: its report names no endorsement key, so that nothing ties "
            "a connection to its TPM");

        cvs_error_add_reason(refusal, CVS_REASON_EK_MISSING, NULL, NULL, "%s", refusal->message);
        g_propagate_error(error, refusal);
        return FALSE;
    }
    key = cvs_hcl_key_to_pkey(&report->ek, error);
    bundle->ek = key ? cvs_tpm_find_ek(making->config->tpm, key, error) : NULL;
    EVP_PKEY_free(key);
    if (bundle->ek == NULL)
        return FALSE;
    if (report->type == CVS_HCL_TDX)
        making->tdreport = g_bytes_new(report->hardware, report->hardware_size);
    bundle->hcl = g_bytes_ref(report->bytes);
    return TRUE;
}

static gboolean
get_from_paravisor(CvsMaking *making, GError **error)
{
    const Wish *wish = NULL;

    if (making->bundle->hcl == NULL && !get_hcl_report(making, error))
        return FALSE;
    if (making->tdreport == NULL) {
        give_paravisor_back(making);
        return TRUE;
    }
    /* Another's errand may be out, of one that was given up. */
    if (making->errand == NULL && !send_wish(making, error))
        return FALSE;
    wish = await(making, error);
    if (wish == NULL)
        return FALSE;
    if (wish->quote == NULL) {
        g_propagate_error(error, g_error_copy(wish->error));
        return FALSE;
    }
    making->bundle->report = g_bytes_ref(wish->quote);
    give_paravisor_back(making);
    return TRUE;
}

/* Azure's guests cannot ask their TEE, but have the paravisor's report in the TPM. */
static gboolean
find_way(CvsMaking *making, GError **error)
{
    CvsTpm *tpm = making->config->tpm;
    CvsTeeInfo info = {0};
    g_autoptr(GBytes) hcl = NULL;
    g_autoptr(GError) local = NULL;

    if (!cvs_tpm_get_srk_name(tpm, TRUE, error) ||
        !cvs_tee_source_probe(making->config->source, &info, error))
        return FALSE;
    making->has_svsm = info.has_svsm;
    /* A TD that can be read and not quoted may be a paravisor's. */
    if (info.kind == CVS_TEE_NONE ||
        (info.kind == CVS_TEE_TDX && g_str_equal(info.provider, "tdx-guest-device"))) {
        hcl = cvs_tpm_nv_read(tpm, CVS_NV_AZURE_REPORT, &local);
        if (hcl == NULL && !cvs_error_has_reason(local, CVS_REASON_NV_MISSING)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    if (hcl)
        making->way = WAY_PARAVISOR;
    else
        making->way = info.kind == CVS_TEE_NONE ? WAY_NOBODY : WAY_TEE;
    return TRUE;
}

static gboolean
get_any_report(CvsMaking *making, GError **error)
{
    if (making->way == WAY_UNKNOWN && !find_way(making, error))
        return FALSE;
    switch (making->way) {
    case WAY_TEE:
        return get_report(making, error);
    case WAY_PARAVISOR:
        return get_from_paravisor(making, error);
    case WAY_NOBODY:
    case WAY_UNKNOWN:
        break;
    }
    return read_keys(making, CVS_AK_OWN, error);
}

static gboolean
answer_challenge(CvsMaking *making, GError **error)
{
    return making->challenge == NULL ||
           cvs_challenge_answer(making->challenge, making->config->tpm, making->ak_handle,
                                making->bundle, error);
}

gboolean
cvs_making_go_on(CvsMaking *making, json_t **ret_claims, GError **error)
{
    return get_any_report(making, error) &&
           cvs_proof_keys(making->config->tpm, making->bundle, &making->challenged, error) &&
           answer_challenge(making, error) &&
           cvs_proof_quote(making->config, making->bundle, &making->selection, error) &&
           cvs_proof_verify(making->config, making->bundle, &making->selection, making->challenged,
                            making->at, ret_claims, error);
}
