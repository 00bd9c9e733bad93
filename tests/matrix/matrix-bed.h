/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A confidential VM with the real daemon in it: the simulated TEE with its roots and collateral,
 * swtpm behind the multiplexer, a bus with polkit, a profile, and one key "db" of root. One VM
 * serves all lies of a test program: each is told, has its effect, and is taken back. */

#include "attest/vtpm-td-bed.h"
#include "quote-bringer.h"
#include "service/bed.h"
#include "sim/tee-sim.h"

#define MATRIX_SECRET "the secret of the key"

typedef struct {
    Bed *bed;
    TeeSim *sim;
    char *dir;
    char *state;       /* of the simulator */
    char *tpm_log;     /* the TPM's event log, which is not there at first */
    char *store;       /* collateral */
    char *roots;       /* test roots */
    char *store_key;   /* the file, which is not there at first */
    char *measurement; /* as a profile lists it */
    const char *more;  /* lines for [Daemon] at the next matrix_configure() */
    const char *profile;
    const char *options; /* how "db" is sealed */
    gboolean azure;
    char *lists; /* of a TPM that is a TD, as a profile has them; NULL: it is none */
    QuoteBringer *bringer; /* NULL: nobody brings quotes */
} Matrix;

typedef struct {
    TeeSimType type;
    const char *switches; /* of an honest machine: "svsm=on vmpl=2" */
    const char *program;  /* below the build's root; NULL: cvmseald */
    const char *profile;  /* matrix_set_profile() */
    const char *options;  /* "{'require': <'measurement'>}"; NULL: none */
    gboolean vtpm_td;     /* the TPM is a TD of its own (attest/vtpm-td-bed.h) */
} MatrixMachine;

/* NULL if it cannot be here; then the plan of a skipped program was printed. */
Matrix *matrix_new(const MatrixMachine *machine);
void matrix_free(Matrix *matrix);

/* The whole profile "default"; "%M" is the measurement, "%V" what lists the vTPM's TD. */
void matrix_set_profile(Matrix *matrix, const char *text);
/* Switches between blanks, and the collateral that an administrator has then. */
void matrix_set(Matrix *matrix, const char *switches);
/* The daemon anew: nothing is pinned, nothing kept, and nobody has to wait for the TEE's turn. */
void matrix_restart(Matrix *matrix);
/* The next request to the TEE is made at once. */
void matrix_forget_pace(Matrix *matrix);
/* Power off and on, and firmware and boot loader measure as they did. */
void matrix_boot_tpm(Matrix *matrix);
/* The same where the TPM is a TD, and has this of the guest in PCR 0. */
void matrix_measure(Matrix *matrix, VtpmTdMeasured how);
/* Another TPM in the place of this one, in which the same is measured, and this one again, which is
 * vouched for. */
void matrix_swap_tpm(Matrix *matrix);
void matrix_swap_tpm_back(Matrix *matrix);
/* The public keys of the TPM that is there now, for SVSM or paravisor to vouch for. */
void matrix_vouch(Matrix *matrix);
/* cvmseald's configuration, with or without TestRoots=. */
void matrix_configure(Matrix *matrix, gboolean test_roots);

/* Seals "db" anew to what is there now. */
void matrix_seal(Matrix *matrix);
/* "" if the key opened, and then with the right secret; else "ERROR: REASON REASON …", each once,
 * sorted. */
char *matrix_unseal(Matrix *matrix, const char *name);
/* Of any reply. */
char *matrix_outcome(const TestReply *reply);
void matrix_assert_opens(Matrix *matrix);
/* Runs cvmseal with these words (between blanks) and asserts how it ends; what it wrote to stdout
 * and stderr. */
char *matrix_run(Matrix *matrix, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* The same by that user, over the bus. */
char *matrix_run_as(Matrix *matrix, uid_t uid, int code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* One lie. */
typedef struct {
    const char *name;
    const char *tell;             /* switches; NULL: none */
    const char *profile;          /* instead of the machine's; NULL: that */
    const char *outcome;          /* of matrix_unseal() */
    void (*act)(Matrix *matrix);  /* what switches cannot say; may be NULL */
    void (*undo)(Matrix *matrix); /* takes back what act did; may be NULL */
    guint flags;
} Lie;

#define LIE_LIVE (1u << 0)   /* the daemon goes on running, with its attestation */
#define LIE_SEAL (1u << 1)   /* the outcome is of an attempt to seal */
#define LIE_RESEAL (1u << 2) /* cannot be taken back: the key is sealed anew behind it */
#define LIE_TWICE (1u << 3)  /* the outcome is of a second attempt, the first fails as well */

/* Adds one test for each. */
void matrix_add_lies(Matrix *matrix, const char *prefix, const Lie *lies, gsize n);
/* What main() does where there is nothing but them; g_test_init() was called. */
int matrix_run_lies(const MatrixMachine *machine, const char *prefix, const Lie *lies, gsize n);
