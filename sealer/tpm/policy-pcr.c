/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/writer.h"
#include "tpm/policy-element.h"
#include "tpm/rc.h"
#include "tpm/wire.h"

#include <string.h>

/* TPM2_PolicyPCR (Part 3, 23.7). */
typedef struct {
    CvsPolicyElement head;
    CvsPcrSelection selection;
    guint8 digest[CVS_POLICY_DIGEST_SIZE];
} PcrElement;

static CvsPolicyElement *
pcr_new(const CvsPcrSelection *selection, const guint8 *digest)
{
    PcrElement *element = g_new0(PcrElement, 1);

    element->head.class = &cvs_policy_pcr_class;
    element->selection = *selection;
    memcpy(element->digest, digest, sizeof element->digest);
    return &element->head;
}

/* policyDigest = H(policyDigest ‖ TPM_CC_PolicyPCR ‖ TPML_PCR_SELECTION ‖ pcrDigest) */
static void
pcr_calculate(const CvsPolicyElement *element, guint8 digest[static 32])
{
    const PcrElement *self = (const PcrElement *)element;
    g_auto(CvsWriter) data = {0};

    cvs_writer_init(&data);
    cvs_writer_u32_be(&data, 1);
    cvs_writer_u16_be(&data, cvs_hash_to_tpm(self->selection.bank));
    cvs_writer_u8(&data, CVS_PCR_COUNT / 8);
    for (guint i = 0; i < CVS_PCR_COUNT / 8; i++)
        cvs_writer_u8(&data, (guint8)(self->selection.mask >> (8 * i)));
    cvs_writer_bytes(&data, self->digest, sizeof self->digest);
    cvs_policy_extend(digest, TPM2_CC_PolicyPCR, cvs_writer_data(&data), cvs_writer_size(&data));
}

static gboolean
pcr_execute(const CvsPolicyElement *element, CvsPolicyRun *run, const guint8 before[static 32],
            GError **error)
{
    const PcrElement *self = (const PcrElement *)element;
    TPM2B_DIGEST digest = {.size = sizeof self->digest};
    TPML_PCR_SELECTION selection = {0};
    TSS2_RC rc = TSS2_RC_SUCCESS;

    memcpy(digest.buffer, self->digest, sizeof self->digest);
    cvs_pcr_selection_to_tpm(&self->selection, &selection);
    rc = Esys_PolicyPCR(run->tpm->esys, run->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                        &digest, &selection);
    if (cvs_rc_base(rc) == TPM2_RC_VALUE && (rc & TPM2_RC_P)) {
        g_autofree char *pcrs = cvs_pcr_mask_format(self->selection.mask);

        run->tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_PCR_MISMATCH,
                    "the PCRs %s (%s) are not those the key was sealed to", pcrs,
                    cvs_hash_name(self->selection.bank));
        return FALSE;
    }
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(run->tpm, rc, "comparing PCRs", error);
    return TRUE;
}

static void
pcr_to_json(const CvsPolicyElement *element, json_t *json)
{
    const PcrElement *self = (const PcrElement *)element;
    g_autofree char *pcrs = cvs_pcr_mask_format(self->selection.mask);

    (void)json_object_set_new(json, "bank", json_string(cvs_hash_name(self->selection.bank)));
    (void)json_object_set_new(json, "pcrs", json_string(pcrs));
    cvs_json_set_bytes(json, "digest", self->digest, sizeof self->digest);
}

static CvsPolicyElement *
pcr_from_json(const json_t *json, const char *what, guint depth, GError **error)
{
    CvsPcrSelection selection = {0};
    const char *bank = NULL, *pcrs = NULL;
    g_autofree char *canonical = NULL;
    g_autoptr(GBytes) digest = NULL;

    if (!cvs_json_only(json, what, error, "type", "bank", "pcrs", "digest", NULL))
        return NULL;
    bank = cvs_json_get_string(json, "bank", what, error);
    pcrs = bank ? cvs_json_get_string(json, "pcrs", what, error) : NULL;
    digest = pcrs ? cvs_json_get_bytes(json, "digest", CVS_POLICY_DIGEST_SIZE,
                                       CVS_POLICY_DIGEST_SIZE, what, error)
                  : NULL;
    if (digest == NULL)
        return NULL;
    if (!cvs_pcr_bank_parse(bank, &selection.bank, NULL)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: unknown bank \"%.20s\"", what,
                    bank);
        return NULL;
    }
    /* One text for one selection: what is written again is what was read. */
    if (cvs_pcr_mask_parse(pcrs, &selection.mask, NULL))
        canonical = cvs_pcr_mask_format(selection.mask);
    if (canonical == NULL || !g_str_equal(canonical, pcrs)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: \"%.80s\" is not an ascending list of PCRs", what, pcrs);
        return NULL;
    }
    return pcr_new(&selection, g_bytes_get_data(digest, NULL));
}

static void
pcr_free(CvsPolicyElement *element)
{
    g_free((PcrElement *)element);
}

const CvsPolicyElementClass cvs_policy_pcr_class = {
    .type = "pcr",
    .calculate = pcr_calculate,
    .execute = pcr_execute,
    .to_json = pcr_to_json,
    .from_json = pcr_from_json,
    .free = pcr_free,
};

void
cvs_policy_add_pcr(CvsPolicy *policy, const CvsPcrSelection *selection,
                   const guint8 pcr_digest[static 32])
{
    g_return_if_fail(selection->mask != 0 && (selection->mask & ~CVS_PCR_MASK_ALL) == 0);
    cvs_policy_add(policy, pcr_new(selection, pcr_digest));
}

void
cvs_policy_pcr_get(const CvsPolicyElement *element, CvsPcrSelection *ret_selection,
                   guint8 ret_digest[static 32])
{
    const PcrElement *self = (const PcrElement *)element;

    *ret_selection = self->selection;
    memcpy(ret_digest, self->digest, sizeof self->digest);
}
