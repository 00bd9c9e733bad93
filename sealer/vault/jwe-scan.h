/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The short way of reading a JWE: a file that stands there just as cvs_jwe_serialise() wrote it
 * needs no JSON parser, which is most of what reading costs when thousands of keys are listed.
 * Whatever is not in that form goes the long way in jwe.c, which also says what is wrong with it.
 * The short way takes nothing that the long way does not: a test and a fuzzer hold them against
 * each other. */

#include "vault/jwe.h"

/* NULL if the text is not in the form that we write. The protected header is not looked into. */
CvsJwe *cvs_jwe_scan(const void *data, gsize size);
