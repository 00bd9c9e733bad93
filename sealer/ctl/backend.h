/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a command needs done, by the daemon (backend-dbus.c) or by this process with the TPM and the
 * vault (backend-direct.c). Commands know only this file. All calls block; errors are those of
 * base/error.h with the reasons of whoever refused. */

#include "attest/challenge.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/secret.h"
#include "release/drop.h"
#include "release/predicted.h"

#include <glib.h>

typedef struct {
    char *kind; /* "tpm2", "recovery" */
    guint32 generation;
    char *profile;
    char *pcrs; /* "0+2+7" */
    char *bank;
    char *claims; /* names of those that it is sealed to, between spaces; "": none */
    char *rtmrs;  /* "0+1+2"; "": none */
    gboolean pin;
    gboolean store_key;
    gboolean tee_key;
    gboolean pcrs_bind_host;
    gboolean predicted; /* it waits for a state to come */
} CvsSlotInfo;

/* What is known of a key without opening it. Texts are never NULL; of a key that cannot be read
 * only name, owner and error are set. */
typedef struct {
    char *name;
    char *owner; /* "system", "uid:N", "unit:NAME.service" */
    char *id;
    guint64 size;
    gint64 created;
    char *pcrs; /* of the newest tpm2 slot, as the next three; "" if there is none */
    char *bank;
    char *profile;
    gboolean pin;
    char *claims; /* of that slot too, as in CvsSlotInfo */
    char *rtmrs;
    gboolean store_key;
    gboolean tee_key;
    gboolean pcrs_bind_host; /* cvs_slot_pcrs_bind_host() of that slot */
    gboolean recovery;
    char *error;      /* NULL: the key can be read */
    GPtrArray *slots; /* CvsSlotInfo*, by describe() only; else empty */
} CvsKeyInfo;

CvsKeyInfo *cvs_key_info_new(const char *name, const char *owner);
CvsSlotInfo *cvs_key_info_add_slot(CvsKeyInfo *info, const char *kind);
void cvs_key_info_free(CvsKeyInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsKeyInfo, cvs_key_info_free)

typedef struct {
    char *server; /* "cvmseald 0.1.0", or "no daemon: this process"; never NULL */
    gboolean tpm_available;
    char *tpm_error; /* if it is not available; "" otherwise */
    char *tpm_manufacturer;
    guint64 tpm_firmware;
    char *tpm_banks; /* "sha256, sha384" */
    gboolean tpm_in_lockout;
    guint32 tpm_lockout_counter;
    guint32 tpm_lockout_max;
    char *tpm_srk_name; /* hex; "": none yet */
    gboolean memory_locked;
    char *lock2; /* cvs_release_lock2() */
    gboolean test_roots;
    /* Of the attestation of this boot, which the daemon keeps: "none", "under-way", "attested",
     * "failed"; "": there is no daemon, or one that does not say. */
    char *attestation;
    json_t *attestation_reasons; /* array of objects, as in an explanation: why it failed */
    char *tee_type;              /* "" until it is attested, as the kind */
    char *vtpm_kind;
    json_t *registers; /* object: "pcr0", "rtmr0": hex, then */
} CvsStatusInfo;
CvsStatusInfo *cvs_status_info_new(void);
void cvs_status_info_free(CvsStatusInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsStatusInfo, cvs_status_info_free)

/* How to seal. NULL and 0: as the profile says. */
typedef struct {
    const char *profile;
    guint32 pcrs;
    const CvsHash *bank;
    guint32 rtmrs;
    const char *const *claims; /* of cvs_pinnable_parse() */
    gboolean replace;
    gboolean allow_unmeasured;
    gboolean derived_key;
    gboolean this_boot;
    const CvsSecret *pin;
    /* Set: a recovery key is wanted, and this is called with it, at most once. If it fails, so does
     * the sealing; over the bus the key is sealed by then, and the error says so. */
    gboolean (*deliver_recovery_key)(const CvsSecret *recovery_key, gpointer data, GError **error);
    gpointer deliver_data;
} CvsSealRequest;

typedef struct {
    const CvsSecret *pin;
    const CvsSecret *recovery_key;
    gboolean allow_unmeasured;
    const CvsPredicted *to; /* NULL: to the present state */
    CvsDrop drop;
} CvsResealRequest;

/* What evidence is wanted. */
typedef struct {
    GBytes *nonce;                 /* 1 to CVS_BUNDLE_NONCE_MAX bytes; NULL: the challenge's */
    const CvsChallenge *challenge; /* NULL: none */
    GBytes *user_data;             /* up to CVS_BUNDLE_USER_DATA_MAX bytes; NULL: none */
} CvsAttestRequest;

typedef struct _CvsBackend CvsBackend;

typedef struct {
    void (*free)(CvsBackend *backend);
    gboolean (*seal)(CvsBackend *backend, const char *owner, const char *name,
                     const CvsSecret *secret, const CvsSealRequest *request, char **ret_id,
                     GError **error);
    gboolean (*generate)(CvsBackend *backend, const char *owner, const char *name, guint32 size,
                         const CvsSealRequest *request, char **ret_id, GError **error);
    CvsSecret *(*unseal)(CvsBackend *backend, const char *owner, const char *name,
                         const CvsSecret *pin, GError **error);
    /* CvsKeyInfo*; owner NULL: of all owners. */
    GPtrArray *(*list)(CvsBackend *backend, const char *owner, GError **error);
    CvsKeyInfo *(*describe)(CvsBackend *backend, const char *owner, const char *name,
                            GError **error);
    /* JSON text as cvs_release_explain() gives it. */
    char *(*explain)(CvsBackend *backend, const char *owner, const char *name, GError **error);
    gboolean (*reseal)(CvsBackend *backend, const char *owner, const char *name,
                       const CvsResealRequest *request, GError **error);
    gboolean (*remove)(CvsBackend *backend, const char *owner, const char *name, GError **error);
    /* Evidence of TEE and TPM, as "cvmseal verify" reads it; ret_test_roots: roots are taken that
     * are not the vendors'. */
    char *(*attest)(CvsBackend *backend, const CvsAttestRequest *request, gboolean *ret_test_roots,
                    GError **error);
    CvsStatusInfo *(*status)(CvsBackend *backend, GError **error);
    /* Has the daemon attest the machine anew; InvalidArgument where there is none to keep it. */
    gboolean (*refresh)(CvsBackend *backend, GError **error);
} CvsBackendClass;

/* First member of each backend. */
struct _CvsBackend {
    const CvsBackendClass *class;
};

/* bus: "system", "session" or an address. Failed if there is no such bus. */
CvsBackend *cvs_backend_dbus_new(const char *bus, GError **error);
/* The daemon's configuration (config NULL: the installed one), in which tcti, vault and policies
 * win if they are not NULL. Opens nothing yet. Errors of cvs_config_load(). */
CvsBackend *cvs_backend_direct_new(const char *config_file, const char *tcti, const char *vault,
                                   const char *policies, GError **error);
void cvs_backend_free(CvsBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsBackend, cvs_backend_free)
