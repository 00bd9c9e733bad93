/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes the attestation of this boot that is kept (boot-cache.h), for attester.c. */

#include "attest/attester.h"
#include "tpm/clock.h"

typedef struct {
    json_t *claims;
    CvsPcrValues pcrs;
    CvsClock clock; /* the TPM's, now */
    gint64 age;     /* seconds since it was begun, rounded up */
} CvsBootRestored;

void cvs_boot_restored_clear(CvsBootRestored *restored);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsBootRestored, cvs_boot_restored_clear)

/* TEE and host are not asked. What they said then is verified anew, with the collateral and the
 * test roots of now and at the time at; the TPM that answers now proves the keys, and quotes its
 * registers. An error if
 *
 *   it is of another boot, or of the future;
 *   the TPM was reset or resumed since, was put back, or has other keys;
 *   its clock is before what was seen of it last (zeros: nothing), which the file cannot know;
 *   the file or the evidence are not as they must be.
 *
 * NoSuchKey: there is none. TpmUnavailable says nothing of it: it may be taken later. Nothing is
 * pinned before the evidence has been found good. */
gboolean cvs_boot_restore(const CvsAttesterConfig *config, const CvsPcrSelection *selection,
                          gint64 at, const CvsClock *seen, CvsBootRestored *ret_restored,
                          GError **error);
