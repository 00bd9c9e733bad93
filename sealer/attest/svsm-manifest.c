/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/svsm-manifest.h"
#include "base/error.h"
#include "base/writer.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define FIXED (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN)

static gboolean
refuse(GError **error, const char *text)
{
    GError *refusal = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT, "the SVSM's manifest: %s", text);

    cvs_error_add_reason(refusal, CVS_REASON_MANIFEST_MALFORMED, NULL, NULL, "%s",
                         refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

static gboolean
refuse_for(GError **error, GError *cause)
{
    (void)refuse(error, cause->message);
    g_error_free(cause);
    return FALSE;
}

/* TPM2_PolicySecret(endorsement hierarchy) with an empty policyRef (Part 3, 23.4). */
static gsize
endorsement_policy(CvsHash hash, guint8 digest[static CVS_DIGEST_MAX])
{
    gsize size = cvs_hash_size(hash);
    g_auto(CvsWriter) writer = {0};
    guint8 first[CVS_DIGEST_MAX];

    cvs_writer_init(&writer);
    cvs_writer_zero(&writer, size);
    cvs_writer_u32_be(&writer, TPM2_CC_PolicySecret);
    cvs_writer_u32_be(&writer, TPM2_RH_ENDORSEMENT);
    cvs_hash_bytes(hash, cvs_writer_data(&writer), cvs_writer_size(&writer), first);
    cvs_hash_bytes(hash, first, size, digest);
    return size;
}

/* TPMT_PUBLIC: type, nameAlg, attributes, then the policy. */
static gboolean
has_endorsement_policy(const CvsPublicArea *area)
{
    guint8 digest[CVS_DIGEST_MAX];
    gsize size = endorsement_policy(area->name_alg, digest);
    const guint8 *policy = NULL;
    CvsReader reader = {0};

    cvs_reader_init(&reader, g_bytes_get_data(area->bytes, NULL), g_bytes_get_size(area->bytes));
    (void)cvs_reader_skip(&reader, 8);
    if (cvs_reader_u16_be(&reader) != size)
        return FALSE;
    policy = cvs_reader_bytes(&reader, size);
    return policy && memcmp(policy, digest, size) == 0;
}

static gboolean
is_ek(const CvsPublicArea *area)
{
    const guint32 wanted =
        FIXED | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

    return (area->attributes & (wanted | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT)) ==
               wanted &&
           has_endorsement_policy(area);
}

static gboolean
is_ak(const CvsPublicArea *area)
{
    const guint32 wanted = FIXED | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;

    return (area->attributes & (wanted | TPMA_OBJECT_DECRYPT)) == wanted;
}

/* The place of a key that must be there once. */
static gboolean
take(CvsPublicArea **place, CvsPublicArea **area, const char *twice, GError **error)
{
    if (*place)
        return refuse(error, twice);
    *place = g_steal_pointer(area);
    return TRUE;
}

static gboolean
parse_list(CvsSvsmManifest *manifest, CvsReader *reader, GError **error)
{
    guint32 count = 0;

    (void)cvs_reader_u32_be(reader);
    count = cvs_reader_u32_be(reader);
    if (!cvs_reader_ok(reader) || count < 2 || count > CVS_SVSM_MANIFEST_KEYS_MAX)
        return refuse(error, "byte 4: the number of keys is not 2 to 8");
    for (guint32 i = 0; i < count; i++) {
        GError *cause = NULL;
        g_autoptr(CvsPublicArea) area = cvs_public_area_read(reader, "a key", &cause);

        if (area == NULL)
            return refuse_for(error, cause);
        if ((is_ek(area) && !take(&manifest->ek, &area, "it names two endorsement keys", error)) ||
            (area && is_ak(area) &&
             !take(&manifest->ak, &area, "it names two attestation keys", error)))
            return FALSE;
    }
    if (!cvs_reader_done(reader))
        return refuse(error, "there are bytes behind its last key");
    if (manifest->ek == NULL || manifest->ak == NULL)
        return refuse(error, "it has to name an endorsement key and an attestation key");
    return TRUE;
}

static gboolean
parse_bare(CvsSvsmManifest *manifest, const void *data, gsize size, GError **error)
{
    GError *cause = NULL;

    manifest->ek = cvs_public_area_parse(data, size, "the key", &cause);
    if (manifest->ek == NULL)
        return refuse_for(error, cause);
    return is_ek(manifest->ek) ||
           refuse(error, "the key is not an endorsement key as the TCG's templates make it");
}

CvsSvsmManifest *
cvs_svsm_manifest_parse(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsSvsmManifest) manifest = g_new0(CvsSvsmManifest, 1);
    CvsReader reader = {0}, ahead = {0};
    gboolean ok = FALSE;

    if (size > CVS_SVSM_MANIFEST_SIZE_MAX) {
        (void)refuse(error, "it is longer than any list of keys");
        return NULL;
    }
    cvs_reader_init(&reader, data, size);
    ahead = reader;
    /* No public area begins so: its first two bytes are an algorithm. */
    manifest->version = cvs_reader_u32_be(&ahead) == 1 ? 1 : 0;
    ok = manifest->version == 1 ? parse_list(manifest, &reader, error)
                                : parse_bare(manifest, data, size, error);
    return ok ? g_steal_pointer(&manifest) : NULL;
}

void
cvs_svsm_manifest_free(CvsSvsmManifest *manifest)
{
    if (manifest == NULL)
        return;
    cvs_public_area_free(manifest->ek);
    cvs_public_area_free(manifest->ak);
    g_free(manifest);
}

CvsPublicArea *
cvs_svsm_manifest_get_ek(GBytes *bytes, GError **error)
{
    g_autoptr(CvsSvsmManifest) manifest =
        cvs_svsm_manifest_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);

    return manifest ? g_steal_pointer(&manifest->ek) : NULL;
}
