/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The attestation of this machine (attest/attester.h) as a release asks for it, at the present
 * time. */

#include "attest/attester.h"
#include "release/release.h"

/* The attester is borrowed. */
CvsReleaseAttester cvs_release_attester(CvsAttester *attester);
