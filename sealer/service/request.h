/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One method call from its arrival to its answer, the same way for all methods:
 *   arguments, options and descriptors checked -> who calls -> whose keys -> may he (bouncer,
 * polkit)
 *   -> secrets read -> the worker does it -> answer and audit record.
 * What needs an attestation that is under way is not waited for by the worker, but done again when
 * TEE or host have answered; Busy if that is not within some seconds. */

#include "service/operations.h"
#include "service/service.h"

typedef enum {
    CVS_TAKES_NAME = 1 << 0,
    CVS_TAKES_SECRET = 1 << 1,
    CVS_TAKES_SIZE = 1 << 2,
} CvsTakes;

/* What is special about a method. */
typedef struct {
    const char *name;
    guint takes;          /* CvsTakes, in the order of these flags; then the options */
    guint options;        /* CvsOptionKey */
    const char *audit_id; /* NULL: only refusals for want of authorisation are recorded */
    CvsOperationFunc run;
} CvsMethod;

/* Consumes the invocation. */
void cvs_request_begin(CvsService *service, const CvsMethod *method,
                       GDBusMethodInvocation *invocation);

/* TEE or host have answered: what waits for it is tried again. */
void cvs_request_on_answer(CvsService *service);
/* Ends what waits, since the service is stopping. */
void cvs_request_end_waiting(CvsService *service);
