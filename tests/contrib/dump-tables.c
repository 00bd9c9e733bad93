/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints the tables of base/error.h, a line each, for the test of the manual pages. */

#include "base/error.h"

#include <stdio.h>

int
main(void)
{
#define X(symbol, name, exit, text) (void)printf("error\t%s\t%d\t%s\n", name, exit, text);
    CVS_ERRORS(X)
#undef X
#define X(symbol, code, text) (void)printf("reason\t%s\t%s\n", code, text);
    CVS_REASONS(X)
#undef X
    return 0;
}
