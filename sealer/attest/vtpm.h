/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which kind of vTPM this is: decided by what is proven, never by what the machine looks like. */

#include "policy/profile.h"
#include "tee/claims.h"
#include "tpm/public-area.h"
#include "tpm/quote.h"

#define CVS_CLAIMS_VTPM(X)                                                                         \
    X("vtpm.kind", STRING,                                                                         \
      "svsm, azure, vtpm-td, host, none; judged by a profile also svsm-unlisted, azure-unlisted, " \
      "vtpm-td-unlisted")                                                                          \
    X("vtpm.manifest", INT, "version of the SVSM's manifest: 0 names the EK, 1 EK and AK")         \
    X("vtpm.fresh", BOOL, "the hardware report itself was made for this request")                  \
    X("vtpm.ek_name", HEX, "Name of the endorsement key that is vouched for")                      \
    X("vtpm.ak", STRING,                                                                           \
      "who says that the AK is in this TPM: attested, challenged, "                                \
      "guest-asserted")                                                                            \
    X("vtpm.ak_name", HEX, "Name of the attestation key, which made the quote")                    \
    X("vtpm.srk_name", HEX, "Name of the storage root key, as the guest says")                     \
    X("vtpm.user_data", HEX, "what the guest had to say")                                          \
    X("vtpm.firmware", MASK, "the TPM's firmware version")                                         \
    X("vtpm.clock", INT, "milliseconds of the TPM's clock")                                        \
    X("vtpm.reset_count", INT, "how often the TPM was reset: a boot each")                         \
    X("vtpm.restart_count", INT, "how often it was resumed since")                                 \
    X("vtpm.pcrs_bind_host", BOOL, "PCRs, and what is sealed to them, are out of the host's reach")

/* Whether those of a TPM of this kind are: it was shown to be in the TEE. */
gboolean cvs_vtpm_kind_binds_host(const char *kind);

typedef struct {
    const json_t *tee;     /* claims of a report that cvs_report_verify() has seen; tee.type "none"
                            * where there is none */
    const guint8 *binding; /* CVS_BINDING_SIZE bytes that the report must have been made for; NULL:
                            * that is not asked, and nothing is fresh */
    GBytes *manifest;      /* of an SVSM, or NULL */
    GBytes *hcl;           /* of a paravisor, or NULL */
    gboolean vtpm_td;      /* cvs_vtpm_td_judge() was told to judge, whatever it found */
    const CvsPublicArea *ek; /* what the evidence says are the TPM's keys; ek may be NULL */
    const CvsPublicArea *ak;
    const CvsName *srk_name;
    gboolean challenged; /* the AK answered a challenge for it and this EK */
} CvsVtpmEvidence;

/* Adds vtpm.kind, .pcrs_bind_host (but where there is no TEE), .manifest, .fresh, .ek_name, .ak,
 * .ak_name, .srk_name to the claims, and to the refusal a reason for each thing that is not as it
 * must be:
 *
 *   ManifestMalformed   the manifest does not name the keys of a vTPM
 *   ManifestVmpl        it came with a report that was not made at VMPL 0, or of no SNP guest
 *   ReportDataMismatch  the report was not made for the binding (and manifest)
 *   EkMismatch, EkMissing   of what report or paravisor vouches for
 *   AkMismatch          the paravisor names another
 *   HclStale            the paravisor's report says for which user data it was made, and it is not
 *                       the binding
 *
 * The kind is svsm, azure or vtpm-td only if none of it was found, nothing was refused before, and
 * the guest can neither be debugged nor migrated; else it is host. Lists are the profile's:
 * cvs_vtpm_appraise().
 *
 * What a manifest or claims leave open (another AK than the one that the manifest names) is not
 * refused here, but is "guest-asserted". */
void cvs_vtpm_classify(const CvsVtpmEvidence *evidence, json_t *claims, GError *refusal);

/* Adds what a quote says, once it was judged. */
void cvs_vtpm_add_quote(json_t *claims, const CvsQuoteFacts *facts);

/* Judges the claims by the profile's [vTPM], and changes vtpm.kind of an SVSM, a paravisor or a
 * vTPM's TD that the profile does not list to svsm-unlisted, azure-unlisted or vtpm-td-unlisted: a
 * report at VMPL 0 alone proves nothing, since where there is neither, the guest makes such a
 * report itself, and anybody can start a TD; then its PCRs do not bind the host either. Of a vTPM's
 * TD the MRTD must be listed, and each RTMR that is not zero: its program is measured into RTMR1.
 * Adds
 *
 *   SvsmUnlisted, ParavisorUnlisted, VtpmTdUnlisted, VtpmKindRefused   the kind is not among Kinds=
 *   AkUnproven          the AK is guest-asserted, on a kind that could show more
 *   ClaimMissing        there is no vtpm.kind */
void cvs_vtpm_appraise(const CvsProfile *profile, json_t *claims, GError *refusal);
