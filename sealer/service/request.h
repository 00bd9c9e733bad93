/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One method call from its arrival to its answer, the same way for all methods:
 *   arguments, options and descriptors checked -> who calls -> whose keys -> may he (bouncer,
 * polkit)
 *   -> secrets read -> the worker does it -> answer and audit record.
 * What needs an answer of TEE or host is not waited for by the worker, but done again when they
 * have answered; Busy if that is not within some seconds. A few at a time may wait for longer, if
 * their method says so, until their callers leave the bus. */

#include "service/operations.h"
#include "service/service.h"

typedef enum {
    CVS_TAKES_NAME = 1 << 0,
    CVS_TAKES_SECRET = 1 << 1,
    CVS_TAKES_SIZE = 1 << 2,
    CVS_TAKES_NONCE = 1 << 3,
} CvsTakes;

/* What is special about a method. */
typedef struct {
    const char *name;
    guint takes;          /* CvsTakes, in the order of these flags; then the options */
    guint options;        /* CvsOptionKey */
    const char *audit_id; /* NULL: only refusals for want of authorisation are recorded */
    CvsOperationFunc run;
    guint patience_s; /* how long it waits for TEE and host; 0: as most do */
} CvsMethod;

/* Consumes the invocation. */
void cvs_request_begin(CvsService *service, const CvsMethod *method,
                       GDBusMethodInvocation *invocation);

/* TEE or host have answered: what waits for it is tried again. */
void cvs_request_on_answer(CvsService *service);
/* Ends what waits, since the service is stopping. */
void cvs_request_end_waiting(CvsService *service);
