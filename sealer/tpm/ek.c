/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "tpm/ek-private.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/srk.h"
#include "tpm/wire.h"

#include <string.h>

#define PERSISTENT_FIRST 0x81010000u
#define PERSISTENT_LAST 0x8101ffffu
/* Handles that are looked at: a TPM has room for a few persistent keys in all. */
#define PERSISTENT_MAX 16

#define EK_ATTRIBUTES                                                                              \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |            \
     TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

/* PolicyA and PolicyB of the EK Credential Profile, B.6: PolicySecret(endorsement), and that or the
 * policy in an NV index. */
static const guint8 policy_a_sha256[32] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};
static const guint8 policy_b_sha256[32] = {
    0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06, 0xf7, 0xa3, 0x34, 0x24, 0x14, 0xef, 0xcf, 0xb3,
    0xa3, 0x85, 0xd4, 0x4c, 0xd1, 0xfd, 0x45, 0x90, 0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0,
};
static const guint8 policy_b_sha384[48] = {
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a,
    0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,
    0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12,
};

/* One template. The low range fills the field that will be the public key with zeros, the high
 * range leaves it empty; the keys differ by it. */
typedef struct {
    TPM2_ALG_ID type;
    TPM2_ALG_ID name_alg;
    TPM2_ECC_CURVE curve;
    guint16 aes_bits;
    gboolean high;
    const guint8 *policy;
    guint16 policy_size;
} Template;

static const Template templates[] = {
    {TPM2_ALG_RSA, TPM2_ALG_SHA256, 0, 128, FALSE, policy_a_sha256, 32},                  /* L-1 */
    {TPM2_ALG_ECC, TPM2_ALG_SHA256, TPM2_ECC_NIST_P256, 128, FALSE, policy_a_sha256, 32}, /* L-2 */
    {TPM2_ALG_RSA, TPM2_ALG_SHA256, 0, 128, TRUE, policy_b_sha256, 32},                   /* H-1 */
    {TPM2_ALG_ECC, TPM2_ALG_SHA256, TPM2_ECC_NIST_P256, 128, TRUE, policy_b_sha256, 32},  /* H-2 */
    {TPM2_ALG_ECC, TPM2_ALG_SHA384, TPM2_ECC_NIST_P384, 256, TRUE, policy_b_sha384, 48},  /* H-3 */
};

/* What is looked for: a public area, or a key whatever its area. */
typedef struct {
    const CvsPublicArea *area;
    EVP_PKEY *key;
} Wanted;

static void
fill_template(const Template *template, TPM2B_PUBLIC *ret_public)
{
    TPMT_PUBLIC *area = &ret_public->publicArea;
    const TPMT_SYM_DEF_OBJECT aes = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = template->aes_bits, .mode.aes = TPM2_ALG_CFB};

    *ret_public = (TPM2B_PUBLIC){0};
    area->type = template->type;
    area->nameAlg = template->name_alg;
    area->objectAttributes = EK_ATTRIBUTES | (template->high ? TPMA_OBJECT_USERWITHAUTH : 0);
    area->authPolicy.size = template->policy_size;
    memcpy(area->authPolicy.buffer, template->policy, template->policy_size);
    if (template->type == TPM2_ALG_RSA) {
        area->parameters.rsaDetail.symmetric = aes;
        area->parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
        area->parameters.rsaDetail.keyBits = 2048;
        area->unique.rsa.size = template->high ? 0 : 256;
    } else {
        area->parameters.eccDetail.symmetric = aes;
        area->parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
        area->parameters.eccDetail.curveID = template->curve;
        area->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
        area->unique.ecc.x.size = area->unique.ecc.y.size = template->high ? 0 : 32;
    }
}

/* The template is that of the public area but for the key, or could be that of the key. */
static gboolean
template_fits(const TPM2B_PUBLIC *template, const Wanted *wanted)
{
    TPM2B_PUBLIC area = {0};
    TPM2B_NAME of_area = {0}, of_template = {0};
    gboolean rsa = template->publicArea.type == TPM2_ALG_RSA;

    if (wanted->area == NULL)
        return rsa ? EVP_PKEY_is_a(wanted->key, "RSA") && EVP_PKEY_get_bits(wanted->key) == 2048
                   : EVP_PKEY_is_a(wanted->key, "EC") &&
                         EVP_PKEY_get_bits(wanted->key) ==
                             (template->publicArea.parameters.eccDetail.curveID ==
                                      TPM2_ECC_NIST_P256
                                  ? 256
                                  : 384);
    if (wanted->area->type != template->publicArea.type ||
        !cvs_public_area_to_tpm(wanted->area, &area))
        return FALSE;
    area.publicArea.unique = template->publicArea.unique;
    return cvs_tpm_name_of(&area.publicArea, &of_area) &&
           cvs_tpm_name_of(&template->publicArea, &of_template) &&
           cvs_tpm_name_equal(&of_area, &of_template);
}

static gboolean
is_ek(guint32 attributes)
{
    const guint32 needed = EK_ATTRIBUTES & ~(guint32)TPMA_OBJECT_ADMINWITHPOLICY;

    return (attributes & needed) == needed && !(attributes & TPMA_OBJECT_SIGN_ENCRYPT);
}

/* The public area of what ESYS has found or made, if it is what is looked for. */
static CvsPublicArea *
take_if_wanted(CvsTpm *tpm, ESYS_TR key, const Wanted *wanted)
{
    g_autoptr(CvsPublicArea) area = NULL;
    TPM2B_PUBLIC public_area = {0};
    TPM2B_NAME name = {0};

    if (!cvs_esys_public_of(tpm->esys, key, &public_area, &name))
        return NULL;
    area = cvs_public_area_from_tpm(&public_area.publicArea, "endorsement key", NULL);
    if (area == NULL)
        return NULL;
    if (wanted->area != NULL ? !cvs_public_area_equal(area, wanted->area)
                             : EVP_PKEY_eq(area->key, wanted->key) != 1 || !is_ek(area->attributes))
        return NULL;
    return g_steal_pointer(&area);
}

static gboolean
try_persistent(CvsTpm *tpm, guint32 handle, const Wanted *wanted, CvsEk *ek,
               CvsPublicArea **ret_area, GError **error)
{
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ek->tr);

    ek->transient = FALSE;
    if (rc == TSS2_RC_SUCCESS) {
        *ret_area = take_if_wanted(tpm, ek->tr, wanted);
        if (*ret_area == NULL)
            cvs_tpm_let_go(tpm, &ek->tr, FALSE);
        return TRUE;
    }
    ek->tr = ESYS_TR_NONE;
    /* It was removed since it was listed. */
    if (cvs_rc_base(rc) == TPM2_RC_HANDLE)
        return TRUE;
    return cvs_tpm_fail(tpm, rc, "reading an endorsement key", error);
}

static gboolean
look_at_persistent(CvsTpm *tpm, const Wanted *wanted, CvsEk *ek, CvsPublicArea **ret_area,
                   GError **error)
{
    CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
    TPMI_YES_NO more = TPM2_NO;
    const TPML_HANDLE *list = NULL;
    TSS2_RC rc =
        Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
                           PERSISTENT_FIRST, PERSISTENT_MAX, &more, &data);

    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "looking for endorsement keys", error);
    if (data->capability != TPM2_CAP_HANDLES)
        return cvs_tpm_nonsense(tpm, "looking for endorsement keys", error);
    list = &data->data.handles;
    for (guint i = 0; i < list->count && i < PERSISTENT_MAX && *ret_area == NULL; i++) {
        if (list->handle[i] >= PERSISTENT_FIRST && list->handle[i] <= PERSISTENT_LAST &&
            !try_persistent(tpm, list->handle[i], wanted, ek, ret_area, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
make(CvsTpm *tpm, const TPM2B_PUBLIC *template, const Wanted *wanted, CvsEk *ek,
     CvsPublicArea **ret_area, GError **error)
{
    static const TPM2B_SENSITIVE_CREATE no_sensitive = {0};
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcrs = {0};
    TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                    ESYS_TR_NONE, ESYS_TR_NONE, &no_sensitive, template, &no_data,
                                    &no_pcrs, &ek->tr, NULL, NULL, NULL, NULL);

    ek->transient = TRUE;
    if (rc == TSS2_RC_SUCCESS) {
        *ret_area = take_if_wanted(tpm, ek->tr, wanted);
        if (*ret_area == NULL)
            cvs_tpm_let_go(tpm, &ek->tr, TRUE);
        return TRUE;
    }
    ek->tr = ESYS_TR_NONE;
    if (cvs_rc_base(rc) == TPM2_RC_BAD_AUTH || cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL ||
        cvs_rc_base(rc) == TPM2_RC_HIERARCHY) {
        tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "the endorsement key is not in the TPM, and cannot be made again: the "
                    "endorsement hierarchy has a password or is disabled");
        return FALSE;
    }
    /* The TPM does not know such keys. */
    if (cvs_rc_is_from_tpm(rc) && (rc & TPM2_RC_FMT1) && (rc & TPM2_RC_P))
        return TRUE;
    return cvs_tpm_fail(tpm, rc, "making the endorsement key", error);
}

static void
set_changed_error(const Wanted *wanted, const char *detail, GError **error)
{
    g_autofree char *hex =
        wanted->area ? cvs_hex_encode(wanted->area->name.bytes, wanted->area->name.size) : NULL;
    GError *local =
        g_error_new(CVS_ERROR, CVS_ERROR_TPM_REPLACED,
                    "the TPM does not hold the endorsement key that was attested: %s", detail);

    cvs_error_add_reason(local, CVS_REASON_EK_CHANGED, NULL, hex, "%s", detail);
    g_propagate_error(error, local);
}

/* Persistent keys first: to make one can take a TPM seconds. */
static gboolean
find(CvsTpm *tpm, const Wanted *wanted, CvsEk *ek, CvsPublicArea **ret_area, GError **error)
{
    g_autoptr(CvsPublicArea) area = NULL;

    *ek = (CvsEk){.tr = ESYS_TR_NONE};
    if (!look_at_persistent(tpm, wanted, ek, &area, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(templates) && area == NULL; i++) {
        TPM2B_PUBLIC template = {0};

        fill_template(&templates[i], &template);
        if (template_fits(&template, wanted) && !make(tpm, &template, wanted, ek, &area, error))
            return FALSE;
    }
    if (area == NULL) {
        set_changed_error(wanted, "no key in it has this public part", error);
        return FALSE;
    }
    *ret_area = g_steal_pointer(&area);
    return TRUE;
}

gboolean
cvs_ek_load(CvsTpm *tpm, const CvsPublicArea *ek, CvsEk *ret_ek, GError **error)
{
    const Wanted wanted = {.area = ek};
    g_autoptr(CvsPublicArea) area = NULL;

    return find(tpm, &wanted, ret_ek, &area, error);
}

typedef struct {
    EVP_PKEY *key;
    CvsPublicArea *found;
} Finding;

static gboolean
find_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Finding *finding = data;
    const Wanted wanted = {.key = finding->key};
    CvsEk ek = {.tr = ESYS_TR_NONE};

    if (!cvs_tpm_connect(tpm, error) || !find(tpm, &wanted, &ek, &finding->found, error))
        return FALSE;
    cvs_tpm_let_go(tpm, &ek.tr, ek.transient);
    return TRUE;
}

CvsPublicArea *
cvs_tpm_find_ek(CvsTpm *tpm, EVP_PKEY *key, GError **error)
{
    Finding finding = {.key = key};

    return cvs_tpm_run(tpm, find_step, &finding, error) ? finding.found : NULL;
}

typedef struct {
    const CvsPublicArea *ek;
    gboolean make_srk;
} Pinning;

/* A session salted to the key, which itself is needed no more then. */
static gboolean
start_session(CvsTpm *tpm, const CvsPublicArea *area, ESYS_TR *ret_session, GError **error)
{
    CvsEk ek = {.tr = ESYS_TR_NONE};
    gboolean ok = FALSE;

    if (!cvs_ek_load(tpm, area, &ek, error))
        return FALSE;
    ok = cvs_session_start(tpm, CVS_SESSION_HMAC, ek.tr, ret_session, error);
    cvs_tpm_let_go(tpm, &ek.tr, ek.transient);
    if (ok && tpm->esys == NULL)
        return cvs_tpm_nonsense(tpm, "unloading the endorsement key", error);
    return ok;
}

static gboolean
pin_once(CvsTpm *tpm, const Pinning *pinning, GError **error)
{
    ESYS_TR session = ESYS_TR_NONE;
    gboolean ok = FALSE;

    tpm->last_rc = TSS2_RC_SUCCESS;
    if (!cvs_tpm_connect(tpm, error) ||
        (tpm->srk == ESYS_TR_NONE && !cvs_srk_find(tpm, pinning->make_srk, error)))
        return FALSE;
    ok = start_session(tpm, pinning->ek, &session, error) && cvs_srk_check(tpm, session, error);
    if (ok)
        cvs_tpm_pin_srk(tpm, tpm->srk_name);
    cvs_tpm_flush(tpm, &session);
    return ok;
}

/* That the key is not there is said only when it is so twice: a line that spoils one answer makes
 * it look the same. */
static gboolean
pin_step(CvsTpm *tpm, gpointer data, GError **error)
{
    const Pinning *pinning = data;
    const Wanted wanted = {.area = pinning->ek};
    g_autoptr(GError) local = NULL;

    for (guint tries = 0; tries < 2; tries++) {
        g_clear_error(&local);
        if (pin_once(tpm, pinning, &local))
            return TRUE;
        if (!cvs_tpm_lacks_key(tpm) && tpm->last_rc != TSS2_ESYS_RC_MALFORMED_RESPONSE)
            break;
        cvs_tpm_disconnect(tpm);
    }
    if (cvs_tpm_lacks_key(tpm))
        set_changed_error(&wanted, "whoever answers does not have its private part", error);
    else
        g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
cvs_tpm_pin_ek(CvsTpm *tpm, const CvsPublicArea *ek, gboolean make_srk, GError **error)
{
    Pinning pinning = {.ek = ek, .make_srk = make_srk};

    return cvs_tpm_run(tpm, pin_step, &pinning, error);
}
