/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A refusal in the making: verification does not stop at the first fault but adds a reason for each
 * (cvs_error_add_reason()), and at the end the refusal becomes the caller's error, or nothing. */

#include <glib.h>

GError *cvs_refusal_new(void);
/* How many reasons it has by now. */
guint cvs_refusal_count(const GError *refusal);

/* Frees a refusal that has no reason and returns TRUE. Else it moves into error and FALSE is
 * returned: the message is "WHAT is refused: " and the first reason's detail, with the number of
 * the others. The code is that of the gravest reason, in this order:
 *
 *   AttestationFailed   every reason that is not named below: the evidence is no evidence.
 *                       NotVerified, ClaimMalformed and TestRoots among them
 *   VtpmNotTrusted      VtpmKindRefused, SvsmUnlisted, ParavisorUnlisted, AkUnproven, and all that
 *                       begin with VtpmTd
 *   TeeRefused          what a profile refuses about guest and platform (policy/appraisal.h)
 *   TcbTooOld           TcbBelowFloor, LaunchTcbBelowFloor, FirmwareTooOld, FirmwareProvisional,
 *                       MitigationMissing, TcbStatusRefused, TcbDateTooOld
 *   CollateralMissing   CollateralMissing, ChainIncomplete, CrlMissing
 *   CollateralExpired   CertExpired, CrlStale, CollateralExpired, CollateralTooOld
 *   TeeRefused          ClaimMissing: a claim may be missing because its certificate is
 *
 * error may be NULL. */
gboolean cvs_refusal_end(GError *refusal, const char *what, GError **error);
