/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real captures of ../shared/vectors/snp, which are no part of the project. Where they are not
 * there, a test that needs them is skipped and says so; in CI (CI=true) it fails. */

#include <glib.h>

/* FALSE after having skipped or failed the running test. */
gboolean snp_vectors_present(void);
/* A file below ../shared/vectors/snp; the test fails if it is not there. */
GBytes *snp_vector(const char *name);
/* The folder. */
char *snp_vectors_path(const char *name);
/* Bytes 0x20 to 0x4C0 of an Azure HCL blob are the SNP report. */
GBytes *snp_vector_hcl_report(const char *name);
