/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where AMD's key distribution service has the certificates that a report needs ("VCEK Certificate
 * and KDS Interface Specification", AMD 57230, chapter 4). Nothing is fetched: the addresses are
 * for a person, or for a unit that brings collateral. */

#include "tee/snp-report.h"

/* The VCEK of the report's chip at its REPORTED_TCB. line: the report's, or what else is known for
 * version 2. NULL where the service has none to ask for: a VLEK's report (the provider has it), a
 * masked chip id, an unknown line. */
char *cvs_snp_kds_vcek_url(const CvsSnpReport *report, CvsSnpLine line);
