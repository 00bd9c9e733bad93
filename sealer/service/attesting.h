/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon tells of the machine's attestation: evidence for others, and its properties. */

#include "service/operations.h"

/* The evidence's JSON in a memfd that cannot be changed, and the verdict on it by the profile. */
void cvs_operation_attest(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_refresh(CvsTpm *tpm, CvsStore *store, CvsOperation *op);

/* The properties that change, a{sv} by their names in the interface; not floating. */
GVariant *cvs_attesting_properties(const CvsAttesterState *state);
