/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The TEE of this machine: which one there is, and its own report. The one entry to configfs-tsm
 * (tsm-report.h), which is preferred, and the devices (sev-guest.h, tdx-guest.h), which serve where
 * configfs is not mounted or the kernel has it not. Each request takes its turn (pace.h).
 *
 * What comes is checked to be for what was asked, and a quote to belong to this TD. It is not
 * verified: that is snp-verify.h's and tdx-verify.h's. Azure's report comes from the TPM instead
 * (hcl-report.h). */

#include "base/secret.h"
#include "tee/pace.h"
#include "tee/sev-guest.h"
#include "tee/tdreport.h"
#include "tee/tee-paths.h"

#include <glib.h>

typedef struct _CvsTeeSource CvsTeeSource;

/* Takes a copy of the paths; clock NULL: the system's. Touches nothing yet. Any number of threads
 * may use one source. */
CvsTeeSource *cvs_tee_source_new(const CvsTeePaths *paths, const CvsPaceClock *clock);
/* For a thread that may be asking when everybody else has freed the source. */
CvsTeeSource *cvs_tee_source_ref(CvsTeeSource *source);
void cvs_tee_source_free(CvsTeeSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTeeSource, cvs_tee_source_free)
const CvsTeePaths *cvs_tee_source_paths(const CvsTeeSource *source);

typedef enum {
    CVS_TEE_NONE,
    CVS_TEE_SNP,
    CVS_TEE_TDX,
} CvsTeeKind;
/* "snp", "tdx", "none" */
const char *cvs_tee_kind_name(CvsTeeKind kind);

typedef struct {
    CvsTeeKind kind;
    const char *provider; /* by configfs "sev_guest", "tdx_guest"; else "sev-guest-device",
                           * "tdx-guest-device"; "none" */
    gboolean has_svsm;    /* SNP: the kernel runs under an SVSM that can be asked */
    guint privlevel;      /* SNP: the least VMPL that may be asked for, the kernel's own */
} CvsTeeInfo;

/* Looks what there is, without a request to firmware or host. A machine without a TEE is no error:
 * kind CVS_TEE_NONE. NotSupported for a TEE that is none of ours, NotAuthorized. */
gboolean cvs_tee_source_probe(CvsTeeSource *source, CvsTeeInfo *ret_info, GError **error);

/* The vTPM's service of an SVSM (AMD 58019). */
#define CVS_TEE_SVSM_VTPM "c476f1eb-0123-45a5-9641-b4e7dde5bfe3"
#define CVS_TEE_TIMEOUT_MS 90000

typedef struct {
    guint8 report_data[64];   /* for an SVSM the nonce */
    int privlevel;            /* SNP: VMPL; -1: the least that may be asked for */
    gboolean svsm;            /* of the SVSM: REPORT_DATA = SHA-512(nonce ‖ manifest) */
    const char *service_guid; /* CVS_TEE_SVSM_VTPM, …; NULL: of all services of the SVSM */
    guint manifest_version;   /* with a GUID */
    guint timeout_ms;         /* for the turn and for what can be tried again; 0: the default */
} CvsTeeRequest;

typedef struct {
    CvsTeeKind kind;
    const char *provider; /* as in CvsTeeInfo */
    guint privlevel;      /* SNP: the VMPL that was asked for; 0 of an SVSM */
    GBytes *report;       /* SNP report of 1184 bytes; or TD quote, of which a part may be fill */
    GBytes *auxblob;      /* SNP: the host's certificate table (ghcb-certs.h), or NULL */
    GBytes *manifest;     /* SNP: of the SVSM, or NULL */
    GBytes *tdreport;     /* TDX: taken with the quote, for the same report data */
    GBytes *hcl;          /* Azure: all of the paravisor's report, else NULL */
} CvsTeeEvidence;

void cvs_tee_evidence_free(CvsTeeEvidence *evidence);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTeeEvidence, cvs_tee_evidence_free)

/* Of what the TPM of an Azure VM has at NV index 0x01400001: provider "azure-hcl", the hardware's
 * part in report, or in tdreport, to which the host has the quote. Errors of hcl-report.h. */
CvsTeeEvidence *cvs_tee_evidence_new_hcl(GBytes *bytes, GError **error);

/* NotSupported if there is no TEE, no SVSM that was asked for, or no way to a quote (a TD without
 * configfs); the errors and reasons of tsm-report.h, sev-guest.h, tdx-guest.h and pace.h. A quote
 * that is not of this TD: AttestationFailed with a reason QuoteMismatch for each field. A TD whose
 * registers are extended each time while it is quoted: Busy.
 *
 * The timeout covers our own waiting. In the kernel a request may block a minute longer: whoever
 * cannot wait asks in a thread of its own. */
CvsTeeEvidence *cvs_tee_source_get(CvsTeeSource *source, const CvsTeeRequest *request,
                                   GError **error);

/* The TD's registers now: by TDREPORT, or else by the files of tsm-mr.h, which may be late; then
 * *ret_late is TRUE and only mr_td, mr_config_id, mr_owner, mr_owner_config and rtmr are set. */
gboolean cvs_tee_source_read_td(CvsTeeSource *source, CvsTdBody *ret_body, gboolean *ret_late,
                                GError **error);

/* SNP: a key of the secure processor (sev-guest.h), by the device, which configfs has no way for.
 * privlevel of the request is taken as it is. */
CvsSecret *cvs_tee_source_derive_key(CvsTeeSource *source, const CvsSevKeyRequest *request,
                                     guint timeout_ms, GError **error);
