/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hexadecimal and base64url text. */

#include <glib.h>

/* Lower-case digits, no separators. */
char *cvs_hex_encode(const void *data, gsize size);
/* Digits of either case, an even number of them, nothing else. InvalidArgument otherwise. */
GBytes *cvs_hex_decode(const char *text, gssize length, GError **error);

/* base64url without padding (RFC 7515, section 2). */
char *cvs_base64url_encode(const void *data, gsize size);
/* Strict: no padding, no white space, unused bits zero, so that one text stands for one value.
 * BadFormat otherwise. */
GBytes *cvs_base64url_decode(const char *text, gssize length, GError **error);
