/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A vTPM that is a TD of its own (Intel's vtpm-td): what its certificates prove, and which guest it
 * serves.
 *
 * The chain: the quote in the CA certificate is Intel's word for a TD; its report data are the hash
 * of the CA's key, which so was made in that TD; the CA signs the certificate of the endorsement
 * key. Whether that TD is a vTPM at all, only its measurements say: those that a profile lists.
 *
 * The guest: before the vTPM's TD takes a command from a guest it has it send its TDREPORT, has the
 * module check that, finds RTMR3 zero, and measures it into PCR 0 by the sequence of H-CRTM (guide,
 * chapter 4.3.1; gen_hcrtm_sequence() of intel/vtpm-td):
 *
 *   D = SHA-384(all 1024 bytes of the TDREPORT, with REPORTDATA and MAC zero)
 *   PCR 0 of a bank = H(0…04 ‖ H(D))
 *
 * and the guest's firmware logs it: EV_NO_ACTION StartupLocality 4, then EV_EFI_HCRTM_EVENT with
 * the digests H(D). Here D is made of the guest's present TDREPORT, which belongs to its quote, and
 * of registers that it had before: zeros, or what its CC log leads to after any number of records,
 * if that log goes on to what they have now. RTMR3 was zero then and is not any more: the firmware
 * extends it whether or not the vTPM answered.
 *
 * What this does not tell apart are two TDs of the same image, configuration and platform: their
 * TDREPORTs are the same but for what is zeroed. And it is never so by mistake: when CPUSVN or
 * module were updated under a running guest, or the guest is that of an SVSM in TD partitioning
 * (which has the guest's own launch measurement, and whose published code makes its quote when its
 * registers already are what its guest's quotes show), nothing is proven.
 *
 * Of specification and published code; it was never tried with real hardware. */

#include "attest/evidence-bundle.h"
#include "tee/claims.h"
#include "tee/collateral-store.h"
#include "tee/report-verify.h"

/* Of the quote in the CA certificate; as the claims "tee." of the same names. */
#define CVS_CLAIMS_VTPM_TD(X)                                                                      \
    X("vtpm.td.verified", BOOL, "signature, chain and collateral of its quote hold")               \
    X("vtpm.td.test_roots", BOOL, "roots that are not the vendor's were allowed")                  \
    X("vtpm.td.measurement", HEX, "its MRTD")                                                      \
    X("vtpm.td.rtmr0", HEX, "its RTMR0")                                                           \
    X("vtpm.td.rtmr1", HEX, "its RTMR1, into which its program is measured")                       \
    X("vtpm.td.rtmr2", HEX, "its RTMR2")                                                           \
    X("vtpm.td.rtmr3", HEX, "its RTMR3")                                                           \
    X("vtpm.td.policy.debug", BOOL, "the host may read and change its memory")                     \
    X("vtpm.td.policy.migrate_ma", BOOL, "a service TD may move it")                               \
    X("vtpm.td.td_attributes", MASK, "TDATTRIBUTES")                                               \
    X("vtpm.td.mr_seam", HEX, "MRSEAM, the TDX module")                                            \
    X("vtpm.td.platform.smt", BOOL, "SMT is on")                                                   \
    X("vtpm.td.collateral.not_after", TIME, "the first certificate of the chain ends then")        \
    X("vtpm.td.pck.crl", STRING, "revocation list of the PCK's CA: missing, fresh, stale, bad")    \
    X("vtpm.td.pck.crl.next_update", TIME, "its nextUpdate")                                       \
    X("vtpm.td.root.crl", STRING, "the root's revocation list: missing, fresh, stale, bad")        \
    X("vtpm.td.root.crl.next_update", TIME, "its nextUpdate")                                      \
    X("vtpm.td.tcb.status", STRING, "of platform, module and enclave together")                    \
    X("vtpm.td.tcb.date", TIME, "oldest tcbDate of the levels that count")                         \
    X("vtpm.td.tcb.issue_date", TIME, "the older issueDate of TCB info and QE identity")           \
    X("vtpm.td.tcb.next_update", TIME, "the earlier nextUpdate of the two")

/* Judges evidence that has such certificates. guest: how the guest's own report is verified; all of
 * it but the report counts for the vTPM's too, and collateral of the store (may be NULL) is added
 * to evidence, which is its own. claims: those of the guest's report; those above are added, and
 * vtpm.ek_name. The refusal gets the reasons of tdx-verify.h for the quote, and
 *
 *   VtpmTdCaUnfit, VtpmTdEkUnsigned   of the certificates (tee/vtpm-td-cert.h)
 *   EkMismatch, EkMissing   the certificate is of another endorsement key than the evidence has
 *   VtpmTdReportData        the quote was made for another key than the CA's
 *   VtpmTdOpen              the TD may be debugged or migrated
 *   VtpmTdIsGuest           it has the guest's launch measurement: the guest could be its maker
 *   VtpmTdNoGuest           what is measured, or the log of it, is not there, or leads elsewhere
 *   VtpmTdOtherGuest        what is measured is not this guest's TDREPORT
 *
 * FALSE: malformed (VtpmTdMalformed, or the quote), or the store's error. */
gboolean cvs_vtpm_td_judge(const CvsEvidenceBundle *bundle, const CvsReportInput *guest,
                           CvsEvidence *evidence, CvsCollateralStore *store, json_t *claims,
                           GError *refusal, GError **error);
