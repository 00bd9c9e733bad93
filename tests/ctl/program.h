/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program cvmseal, run to its end without anything on stdin. */

#include <glib.h>
#include <stdarg.h>

/* Its exit code. words: NULL-terminated. ret_out, ret_err: what it wrote; NULL: that is not looked
 * at. */
int program_run(char **ret_out, char **ret_err, const char *const *words);

/* The same with the words before (NULL-terminated) and then those of a function that takes first
 * and what follows it to NULL. */
int program_run_list(char **ret_out, char **ret_err, const char *const *before, const char *first,
                     va_list list);
