/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's configuration: GKeyFile text, groups [Daemon] and [TEE], cvmseald(8). The
 * administrator's file lies over the shipped one, key by key. A group or key that is not known is
 * an error: a limit that was misspelt is no limit. The command line reads it too where it does
 * without the daemon, so that both use the same vault and TPM. */

#include <glib.h>

#define CVS_CONFIG_FILE "cvmseal.conf"
#define CVS_CONFIG_SIZE_MAX 65536

/* X(member, key of [TEE]): absolute paths of what the kernel has of a TEE, of the folder that all
 * who ask it share, and of the collateral store. NULL: the usual ones (tee/tee-paths.h). */
#define CVS_CONFIG_TEE_PATHS(X)                                                                    \
    X(configfs, "ConfigfsPath")                                                                    \
    X(sev_guest, "SevGuestPath")                                                                   \
    X(sev_vmpl, "SevVmplPath")                                                                     \
    X(tdx_guest, "TdxGuestPath")                                                                   \
    X(measurements, "MeasurementsPath")                                                            \
    X(ccel_table, "CcelTablePath")                                                                 \
    X(ccel_data, "CcelDataPath")                                                                   \
    X(tpm_log, "TpmLogPath")                                                                       \
    X(system_log, "SystemLogPath")                                                                 \
    X(run_dir, "RunPath")                                                                          \
    X(collateral, "CollateralPath")

typedef struct {
    char *tcti;                  /* TCTI= NULL: what the TPM floor takes by itself */
    char *vault_dir;             /* VaultDir= an absolute path */
    char *store_key_file;        /* StoreKeyFile= an absolute path; vault/store-key.h */
    gboolean require_store_key;  /* RequireStoreKey= yes or no */
    guint max_requests;          /* MaxRequests= in flight, of all callers; 1 to 4096 */
    guint max_requests_per_user; /* MaxRequestsPerUser= in flight, of one uid; 1 to 4096 */
    guint secret_timeout_s;      /* SecretTimeoutSec= seconds to read a descriptor; 1 to 600 */
    guint max_keys_per_owner;    /* MaxKeysPerOwner= 1 to 1000000 */
    guint64 max_bytes_per_owner; /* MaxBytesPerOwner= bytes of key files; 65536 to 2^40 */
    char *
        test_roots; /* [TEE] TestRoots= an absolute path; tee/tee-roots.h. NULL: none are allowed */
    struct {
#define X(member, key) char *member;
        CVS_CONFIG_TEE_PATHS(X)
#undef X
    } tee;
} CvsConfig;

void cvs_config_free(CvsConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsConfig, cvs_config_free)

/* What holds when no file says anything. */
CvsConfig *cvs_config_new(void);

/* Applies one file's text on top. BadFormat with "FILE: …" naming the group or key. */
gboolean cvs_config_apply(CvsConfig *config, const char *file, const char *text, gsize size,
                          GError **error);

/* file NULL: the shipped file and then the administrator's, each only if it is there. Otherwise
 * that file alone, which must be there. */
CvsConfig *cvs_config_load(const char *file, GError **error);

/* The installed folders of profiles, most important first, NULL-terminated. */
const char *const *cvs_config_profile_folders(void);
