/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manifest with which an SVSM names the keys of its vTPM (service c476f1eb-…, AMD 58019 for
 * version 0; coconut-svsm, kernel/src/protocols/attest.rs; go-tpm-tools, server, for version 1):
 *
 *   version 0   the TPMT_PUBLIC of the endorsement key, bare
 *   version 1   u32 1, u32 count (2 to CVS_SVSM_MANIFEST_KEYS_MAX), as many TPM2B_PUBLIC: one of an
 *               endorsement key, one of an attestation key, and others
 *
 * big-endian, and nothing behind. The report that vouches for a manifest names no service, so that
 * what another one says could be shown as the vTPM's: that is kept apart by the form alone. An
 * endorsement key must have the attributes of a storage key of the TPM's own making, which is used
 * by the policy of the TCG's low-range templates (EK Credential Profile 2.5, annex B.3). */

#include "tpm/public-area.h"

#define CVS_SVSM_MANIFEST_KEYS_MAX 8
#define CVS_SVSM_MANIFEST_SIZE_MAX 16384

typedef struct {
    guint version;
    CvsPublicArea *ek;
    CvsPublicArea *ak; /* NULL in version 0 */
} CvsSvsmManifest;

/* BadFormat with the reason ManifestMalformed. */
CvsSvsmManifest *cvs_svsm_manifest_parse(const void *data, gsize size, GError **error);
void cvs_svsm_manifest_free(CvsSvsmManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsSvsmManifest, cvs_svsm_manifest_free)
/* The endorsement key alone, of what must be a manifest too. */
CvsPublicArea *cvs_svsm_manifest_get_ek(GBytes *bytes, GError **error);
