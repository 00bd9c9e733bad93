/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The attestation of this boot, in a file that outlives the program that made it: the initrd's is
 * the daemon's too, and a daemon that starts anew need not ask an SVSM or a paravisor again, which
 * bear few requests.
 *
 * RUN/boot-attestation, owned by who made it, mode 0600; a JSON object:
 *
 *   "type"           "cvmseal-boot-attestation"
 *   "version"        1
 *   "boot_id"        base/boot-id.h; "" where it was hidden from who made it
 *   "made"           CLOCK_BOOTTIME before the TEE was asked, in microseconds
 *   "clock", "reset_count", "restart_count"   the TPM's then; the clock in milliseconds
 *   "evidence"       evidence-bundle.h
 *
 * It is not believed for where it lies. Who takes it judges the evidence in full, as one that came
 * just now (boot-restore.h); what the file itself says can at most make it too old. Nothing of it
 * is secret. */

#include "attest/evidence-bundle.h"
#include "tpm/clock.h"

#define CVS_BOOT_CACHE_NAME "boot-attestation"
#define CVS_BOOT_CACHE_SIZE_MAX (CVS_BUNDLE_SIZE_MAX + 1024)

typedef struct {
    char *boot_id;
    gint64 made;
    CvsClock clock; /* but for safe, which is not kept */
    CvsEvidenceBundle *bundle;
} CvsBootCache;

void cvs_boot_cache_free(CvsBootCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsBootCache, cvs_boot_cache_free)

/* Strict: BadFormat with the name of the member; a newer version is NotSupported. */
CvsBootCache *cvs_boot_cache_parse(const void *data, gsize size, GError **error);
/* Canonical. */
char *cvs_boot_cache_format(const CvsBootCache *cache);

/* NoSuchKey where there is none; StorageError, also for a file that is not this user's own or has
 * another mode; TooLarge, NotAuthorized, and those of parsing. */
CvsBootCache *cvs_boot_cache_load(const char *run_dir, GError **error);
/* The folder is made, for root alone, if it is not there. */
gboolean cvs_boot_cache_save(const char *run_dir, const CvsBootCache *cache, GError **error);
/* That there is none is no error. */
gboolean cvs_boot_cache_remove(const char *run_dir, GError **error);
