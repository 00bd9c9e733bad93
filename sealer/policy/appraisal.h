/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Appraisal: do the claims about a TEE (tee/claims.h) satisfy the TEE part of a profile? A pure
 * function of its arguments: no files, no clock, no state. The same for daemon, initrd and a
 * verifier's laptop. */

#include "base/json.h"
#include "policy/profile.h"

/* Adds one reason for each rule that the claims break (tee/refusal.h), with the value seen and the
 * value wanted, and goes on to the next: what is refused is refused with every reason. Nothing is
 * added if, and only if, the profile accepts the claims.
 *
 * The refusal may come with the reasons of a verification that failed. If it comes without any, the
 * claims must say that they were verified:
 *
 *   NotVerified         tee.verified is not true. Not added to a refusal that has a reason already,
 *                       since that says more; the claims are refused either way
 *   ClaimMissing        a rule is about a claim that is not there, which never counts as satisfied;
 *                       for rules that hold without a key of the profile left out like NotVerified
 *   ClaimMalformed      a claim that a rule is about has another type than tee/claims.h says
 *
 * From [TEE]:
 *   TeeTypeRefused      tee.type is not among Types=
 *   DebugAllowed        the host may read and change the guest's memory
 *   MigrationAllowed    the guest may be migrated, or a migration agent is there; a service TD that
 *                       is bound is ServiceTDs='s
 *   SmtAllowed          the guest may run with SMT, or the platform has it on
 *   TestRoots           roots that are not the vendor's were allowed
 *   MeasurementUnlisted
 * From [SNP], for tee.type snp:
 *   LineRefused, VmplRefused, TcbBelowFloor (one for each component of REPORTED_TCB that is below),
 *   LaunchTcbBelowFloor (likewise of LAUNCH_TCB), FirmwareTooOld,
 *   FirmwareProvisional (one for each component of COMMITTED_TCB, and for the committed version,
 *   that is not the current one), GuestSvnTooLow, IdKeyUnlisted, AuthorKeyUnlisted,
 *   ChipUnlisted (also of a VLEK's report and of a masked chip: they name none),
 *   ProviderUnlisted (also of a VCEK's report),
 *   SigningKeyRefused, HostDataUnlisted, PolicyBitRefused, PlatformRefused, MitigationMissing
 * From [TDX], for tee.type tdx:
 *   AttributesRefused (bits 7:0 too, where debug is not allowed), XfamRefused, SeamUnlisted,
 *   ConfigIdUnlisted, OwnerUnlisted, OwnerConfigUnlisted, ServiceTdUnlisted, RtmrDiffers,
 *   RtmrsUnused (all four are zero, and describe nothing), TcbStatusRefused, TcbDateTooOld
 * From [Collateral], with at, in seconds since 1970, since claims may be older than now:
 *   CrlMissing, CrlStale, CrlInvalid, CertExpired, CollateralExpired, CollateralTooOld
 *
 * Where a profile's Types= names none and tee.type is "none", only keys that the profile has are
 * judged, not those that hold by default: there is nothing to verify.
 *
 * Where vtpm.kind is "vtpm-td", the claims vtpm.td. are judged by the same rules as far as they are
 * about platform and collateral: AllowSMT=, AllowTestRoots=, TCBStatus=, MinimumTCBDate=, MRSEAM=
 * and [Collateral].
 *
 * If it comes with reasons, dates are not judged either: the verification has done that. */
void cvs_appraise(const CvsProfile *profile, const json_t *claims, gint64 at, GError *refusal);
