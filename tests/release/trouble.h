/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of TPM trouble share: every operation that talks to the TPM, run from the same
 * start each time, and the state that every trouble has to leave behind. */

#include "release/bed.h"
#include "tpm/credential.h"

/* A bed with the keys "db", "pin" (with a PIN) and "old", whose PCR 7 has changed since. */
typedef struct {
    Bed *bed;
    CvsSecret *pin;
    CvsPublicArea *ek; /* the TPM's */
    CvsPublicArea *ak;
    CvsCredential credential; /* a challenge for both, "the answer" */
    guint failures;
    char *what; /* what is tried now, for messages */
} Trouble;

typedef struct _TroubleOperation TroubleOperation;

struct _TroubleOperation {
    const char *name;
    gboolean cold;   /* starts with a TPM that is not connected; else with its sessions kept */
    gboolean idle;   /* unless it was idle before */
    gboolean no_srk; /* and with no SRK in the TPM */
    gboolean quick;  /* stands for the others where a quick run leaves some out */
    gboolean writes; /* the vault, if it succeeds */
    int refusal;     /* the error of a clean run; 0: it succeeds */
    /* What it gives without an error is held against the truth: an error of G_FILE_ERROR says that
     * it is another. */
    gboolean (*run)(Trouble *trouble, GError **error);
};

extern const TroubleOperation trouble_operations[];
extern const guint trouble_n_operations;
/* By its name. */
const TroubleOperation *trouble_operation(const char *name);

Trouble *trouble_new(TpmMuxFlags flags);
/* Fails the test if there was any failure. */
void trouble_free(Trouble *trouble);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trouble, trouble_free)

TpmMux *trouble_mux(Trouble *trouble);

/* Prints what was tried and what is wrong, and counts it; the test goes on. */
void trouble_complain(Trouble *trouble, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Brings TPM, connection and vault to where the operation starts. */
void trouble_prepare(Trouble *trouble, const TroubleOperation *operation);

/* Runs the operation. FALSE with an error in CVS_ERROR; anything wrong given is complained about
 * and is TRUE. Complains if it takes more than the time, or if it failed and the vault changed. */
gboolean trouble_run(Trouble *trouble, const TroubleOperation *operation, guint max_ms,
                     GError **error);

/* After the trouble: the very next request works, so does an unseal, nothing lies about in the
 * vault, and after the idle time nothing is left in the TPM. leaked: how many handles there may be
 * that nobody can know of; they are flushed here. */
void trouble_assert_over(Trouble *trouble, const TroubleOperation *operation, guint leaked);
