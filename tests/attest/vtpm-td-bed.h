/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes a TPM one that is a TD of its own, as intel/vtpm-td has it, and the simulated TD its guest:
 * P-384 endorsement key at 0x81010016, its certificate and, in pieces, that of the CA in NV, the
 * guest's TDREPORT as H-CRTM in PCR 0 and in the event log. Honest with zeros. */

#include "sim/tee-sim.h"
#include "sim/test-tpm.h"
#include "tee/vtpm-td-maker.h"

typedef enum {
    VTPM_TD_PIECES_WHOLE,
    VTPM_TD_PIECES_CUT,     /* the last one is not there */
    VTPM_TD_PIECES_GARBAGE, /* the first one is something else */
    VTPM_TD_PIECES_NONE,    /* no certificate of the CA */
} VtpmTdPieces;

typedef struct {
    guint td; /* TeeSimTdFlags */
    VtpmTdCertLie cert;
    gboolean other_data; /* the quote is for another key than the CA's */
    gboolean other_ek;   /* the EK's certificate is of a key that is not in this TPM */
    VtpmTdPieces pieces;
} VtpmTdCertsWish;

/* What of a former time is there gives way. */
void vtpm_td_certify(TestTpm *tpm, TeeSim *sim, const VtpmTdCertsWish *wish);

typedef enum {
    VTPM_TD_MEASURED,       /* before anything was measured into the TD's registers */
    VTPM_TD_MEASURED_LATER, /* after three records of its CC log */
    VTPM_TD_MEASURED_OTHER, /* the TDREPORT of another guest */
    VTPM_TD_MEASURED_NOT,   /* nothing: PCR 0 begins with something else */
    VTPM_TD_LOG_NONE,       /* there is no log of it */
    VTPM_TD_LOG_LIES,       /* another guest's, and the log has this one's */
    VTPM_TD_LOG_TYPE,       /* the event is called something else */
} VtpmTdMeasured;

/* Starts the TPM anew. boot: PCR 0 is going to be extended with "boot", as the log says. */
void vtpm_td_measure(TestTpm *tpm, TeeSim *sim, const char *log_path, VtpmTdMeasured how,
                     gboolean boot);
/* As a guest's firmware does whose vTPM answered, or did not: RTMR3 is zero no more. */
void vtpm_td_extend_rtmr3(TeeSim *sim);
/* Lines for a profile's [vTPM]. */
char *vtpm_td_lists(TeeSim *sim);
