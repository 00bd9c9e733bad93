/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whoever brings the quotes of a paravisor's TDREPORTs in a TD of Azure's (attest/td-quote.h), in a
 * thread of its own. */

#include "sim/tee-sim.h"

typedef enum {
    QUOTES_HONEST,
    QUOTES_NONE,
    QUOTES_FORMER, /* the first that was ever brought */
} QuotesBrought;

typedef struct _QuoteBringer QuoteBringer;

QuoteBringer *quote_bringer_new(TeeSim *sim, const char *run_dir);
/* Not NULL. */
void quote_bringer_free(QuoteBringer *bringer);
void quote_bringer_set(QuoteBringer *bringer, QuotesBrought brought);
