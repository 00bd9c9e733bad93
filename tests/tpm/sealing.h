/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What many tests of this floor do. Each asserts that it succeeds. */

#include "base/error.h"
#include "tpm/seal.h"
#include "tpm/swtpm-fixture.h"

#define assert_refused(error, error_code)                                                          \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_assert_error((error), CVS_ERROR, CVS_ERROR_##error_code);                                \
    }                                                                                              \
    G_STMT_END

CvsPcrValues read_pcrs(CvsTpm *tpm, const char *pcrs, CvsHash bank);
/* A policy of one PolicyPCR over the present values. */
CvsPolicy *present_policy(CvsTpm *tpm, const char *pcrs, CvsHash bank);
/* A secret of the text's bytes. */
CvsSecret *secret_of(const char *text);
void seal_text(CvsTpm *tpm, const CvsPolicy *policy, const char *text, const char *pin,
               CvsSealedObject *ret_object);
/* Unseals and compares. */
void assert_unseals(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
                    const char *pin, const char *text);
/* Unseals, asserts that it fails, and gives the error. */
GError *refusal(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
                const char *pin);
/* Writes bytes to a file of that name in the swtpm's directory. */
void write_file(Swtpm *swtpm, const char *name, GBytes *bytes);
GBytes *read_file(Swtpm *swtpm, const char *name);
