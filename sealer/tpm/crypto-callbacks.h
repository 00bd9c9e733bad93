/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The cryptography of ESYS's sessions by OpenSSL, with one library context and each algorithm
 * fetched once for the process. What ESYS has built in makes a library context for every hash,
 * which is where nearly all of its time goes. tpm2-tss 4.0 or later; before that this does nothing.
 */

#include <tss2/tss2_esys.h>

TSS2_RC cvs_crypto_callbacks_install(ESYS_CONTEXT *esys);
