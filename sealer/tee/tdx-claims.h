/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Claims of a TD, from its quote or its TDREPORT, beside the common ones of claims.h. */

#include "tee/claims.h"
#include "tee/td-body.h"
#include "tee/tdx-pck.h"
#include "tee/tdx-quote.h"
#include "tee/tdx-tcb.h"

#define CVS_CLAIMS_TDX(X)                                                                          \
    X("tee.source", STRING, "quote, or tdreport, which proves nothing off its machine")            \
    X("tee.quote_version", INT, "4 or 5")                                                          \
    X("tee.td_body", STRING, "1.0 or 1.5: the latter has tcb_svn2 and mr_servicetd")               \
    X("tee.tcb_svn", HEX, "TEE_TCB_SVN: of the module that made the TD")                           \
    X("tee.tcb_svn2", HEX, "TEE_TCB_SVN2: of the module that runs now")                            \
    X("tee.mr_seam", HEX, "MRSEAM, the TDX module")                                                \
    X("tee.mrsigner_seam", HEX, "MRSIGNERSEAM, zero for Intel's modules")                          \
    X("tee.seam_attributes", MASK, "SEAMATTRIBUTES")                                               \
    X("tee.td_attributes", MASK, "TDATTRIBUTES")                                                   \
    X("tee.td_attributes.tud", BOOL, "any of the bits 7:0 is set: the TD is not to be trusted")    \
    X("tee.td_attributes.sept_ve_disable", BOOL, "no #VE on pending pages")                        \
    X("tee.td_attributes.migratable", BOOL, "a service TD may migrate this TD")                    \
    X("tee.td_attributes.pks", BOOL, "supervisor protection keys")                                 \
    X("tee.td_attributes.kl", BOOL, "key locker")                                                  \
    X("tee.td_attributes.perfmon", BOOL, "performance monitoring")                                 \
    X("tee.xfam", MASK, "XFAM")                                                                    \
    X("tee.mr_config_id", HEX, "MRCONFIGID, chosen by the host at launch")                         \
    X("tee.mr_owner", HEX, "MROWNER, chosen by the host at launch")                                \
    X("tee.mr_owner_config", HEX, "MROWNERCONFIG, chosen by the host at launch")                   \
    X("tee.rtmr0", HEX, "RTMR0")                                                                   \
    X("tee.rtmr1", HEX, "RTMR1")                                                                   \
    X("tee.rtmr2", HEX, "RTMR2")                                                                   \
    X("tee.rtmr3", HEX, "RTMR3")                                                                   \
    X("tee.rtmrs_used", BOOL, "any RTMR is not zero; where none is, they describe nothing")        \
    X("tee.rtmrs_late", BOOL, "read from the kernel's files, which may show an extension late")    \
    X("tee.mr_servicetd", HEX, "hash over the bound service TDs")                                  \
    X("tee.service_td", BOOL, "a service TD is bound")                                             \
    X("tee.qe.mr_enclave", HEX, "the quoting enclave")                                             \
    X("tee.qe.isv_svn", INT, "its security version")                                               \
    X("tee.fmspc", HEX, "the platform's family, by which TCB info is looked up")                   \
    X("tee.pce_id", HEX, "PCEID")                                                                  \
    X("tee.pce_svn", INT, "PCESVN")                                                                \
    X("tee.cpu_svn", HEX, "the 16 TCB components of the PCK certificate")                          \
    X("tee.platform_instance_id", HEX, "the physical machine; to be pinned, or kept private")      \
    X("tee.platform.smt", BOOL, "SMT is on")                                                       \
    X("tee.platform.dynamic", BOOL, "packages can be added to the platform")                       \
    X("tee.platform.cached_keys", BOOL, "Intel keeps the platform's root keys")                    \
    X("tee.pck.ca", STRING, "platform or processor")                                               \
    X("tee.pck.not_after", TIME, "the PCK certificate's notAfter")                                 \
    X("tee.pck.crl", STRING, "its CA's revocation list: missing, fresh, stale, bad")               \
    X("tee.pck.crl.number", STRING, "its CRL number in hexadecimal digits")                        \
    X("tee.pck.crl.this_update", TIME, "its thisUpdate")                                           \
    X("tee.pck.crl.next_update", TIME, "its nextUpdate")                                           \
    X("tee.root.crl", STRING, "the root's revocation list: missing, fresh, stale, bad")            \
    X("tee.root.crl.number", STRING, "its CRL number in hexadecimal digits")                       \
    X("tee.root.crl.this_update", TIME, "its thisUpdate")                                          \
    X("tee.root.crl.next_update", TIME, "its nextUpdate")                                          \
    X("tee.tcb.status", STRING,                                                                    \
      "of platform, module and enclave together: UpToDate, OutOfDate and Intel's other words")     \
    X("tee.tcb.sgx_status", STRING, "of the level that the PCK certificate reaches")               \
    X("tee.tcb.platform_status", STRING, "of the level that PCK and TEE_TCB_SVN reach")            \
    X("tee.tcb.module_status", STRING, "of the TDX module")                                        \
    X("tee.tcb.qe_status", STRING, "of the quoting enclave")                                       \
    X("tee.tcb.date", TIME, "oldest tcbDate of the levels that count")                             \
    X("tee.tcb.advisories", STRING, "advisories of these levels, separated by commas")             \
    X("tee.tcb.evaluation", INT, "the lower tcbEvaluationDataNumber of the two documents")         \
    X("tee.tcb.issue_date", TIME, "the older issueDate of the two documents")                      \
    X("tee.tcb.next_update", TIME, "the earlier nextUpdate of the two documents")                  \
    X("tee.tcb.in_grace", BOOL, "collateral is out of date, and within the grace that was given")

/* What a body says by itself. A new reference. */
json_t *cvs_td_claims_new(const CvsTdBody *body, const char *source);
/* Adds what else the quote says. */
void cvs_td_claims_add_quote(json_t *claims, const CvsTdxQuote *quote);
void cvs_td_claims_add_pck(json_t *claims, const CvsPck *pck);
/* Adds tee.tcb.*status, date and advisories. */
void cvs_td_claims_add_tcb(json_t *claims, const CvsTdxTcb *tcb);
