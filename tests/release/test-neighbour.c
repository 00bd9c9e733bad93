/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Another program uses the TPM beside us, both behind the resource manager. Neither may meet an
 * error that the other made, least of all TPM_RC_CONTEXT_GAP: a TPM counts how often sessions were
 * saved, and once the oldest saved session is 65,535 saves behind it starts no further session, for
 * nobody (Part 1, "Context Management"). The kernel's resource
 * manager saves each session after each command, and does not bring old ones forward. */

#include "base/error.h"
#include "release/bed.h"
#include "sim/test-esys.h"

#include <string.h>

#define OPERATIONS 1000
#define NEIGHBOURS_SESSIONS 3
/* Saves after which a session that idled is too old, in commands of the neighbour. */
#define COMMANDS_TO_GAP (65535 / NEIGHBOURS_SESSIONS + 10)

typedef struct {
    const char *tcti;
    gint stop;      /* atomic */
    guint rounds;   /* done when the thread has ended */
    const char *at; /* where it failed */
    TSS2_RC rc;
} Neighbour;

/* Sessions come and go, contexts of objects and sessions are saved and loaded by hand. */
static TSS2_RC
round_of_work(ESYS_CONTEXT *esys, ESYS_TR key, const char **at)
{
    TPMS_CONTEXT *key_context = NULL, *session_context = NULL;
    ESYS_TR session = ESYS_TR_NONE, again = ESYS_TR_NONE;
    TSS2_RC rc = test_esys_start_session(esys, TPM2_SE_HMAC, &session);

    *at = "starting a session";
    if (rc == TSS2_RC_SUCCESS) {
        *at = "using a session";
        rc = test_esys_get_random(esys, session);
    }
    if (rc == TSS2_RC_SUCCESS) {
        *at = "saving a session";
        rc = Esys_ContextSave(esys, session, &session_context);
    }
    if (rc == TSS2_RC_SUCCESS) {
        *at = "loading a session";
        rc = Esys_ContextLoad(esys, session_context, &session);
    }
    if (rc == TSS2_RC_SUCCESS) {
        *at = "saving a key";
        rc = Esys_ContextSave(esys, key, &key_context);
    }
    if (rc == TSS2_RC_SUCCESS) {
        *at = "loading a key";
        rc = Esys_ContextLoad(esys, key_context, &again);
    }
    if (rc == TSS2_RC_SUCCESS) {
        *at = "flushing a key";
        rc = Esys_FlushContext(esys, again);
    }
    if (rc == TSS2_RC_SUCCESS) {
        *at = "flushing a session";
        rc = Esys_FlushContext(esys, session);
    }
    Esys_Free(session_context);
    Esys_Free(key_context);
    return rc;
}

static gpointer
be_busy(gpointer data)
{
    Neighbour *neighbour = data;
    ESYS_CONTEXT *esys = test_esys_open(neighbour->tcti);
    ESYS_TR key = ESYS_TR_NONE;

    neighbour->at = "making a key";
    neighbour->rc = test_esys_create_primary(esys, &key);
    while (neighbour->rc == TSS2_RC_SUCCESS && !g_atomic_int_get(&neighbour->stop)) {
        neighbour->rc = round_of_work(esys, key, &neighbour->at);
        neighbour->rounds++;
    }
    if (neighbour->rc == TSS2_RC_SUCCESS)
        neighbour->rc = Esys_FlushContext(esys, key);
    test_esys_close(esys);
    return NULL;
}

/* Mostly unseals, as a machine's day has them, and everything else now and then. */
static void
operate(Bed *bed, guint i, const CvsSecret *pin)
{
    const CvsSealOptions options = {.replace = TRUE}, with_pin = {.replace = TRUE, .pin = pin};
    const CvsResealOptions reseal = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *explanation = NULL;

    switch (i % 20) {
    case 5:
        bed_seal(bed, "db", &options);
        break;
    case 10:
        explanation = cvs_release_explain(&bed->release, &bed->owner, "db", &error);
        g_assert_no_error(error);
        break;
    case 13:
        bed_seal(bed, "pin", &with_pin);
        break;
    case 15:
        (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &reseal, &error);
        g_assert_no_error(error);
        break;
    case 18:
        bed_assert_opens(bed, "pin", pin);
        break;
    default:
        bed_assert_opens(bed, "db", NULL);
        break;
    }
}

static void
test_busy(gconstpointer data)
{
    /* The owner of a CvsTpm flushes it when there was nothing to do for a while. */
    guint idle_every = GPOINTER_TO_UINT(data);
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("1234 horses");
    const CvsSealOptions with_pin = {.pin = pin};
    Neighbour neighbour = {.tcti = test_tpm_port(bed->test_tpm, "neighbour")};
    GThread *thread = NULL;

    bed_seal(bed, "db", NULL);
    bed_seal(bed, "pin", &with_pin);
    thread = g_thread_new("neighbour", be_busy, &neighbour);
    for (guint i = 0; i < OPERATIONS; i++) {
        operate(bed, i, pin);
        if (i % idle_every == idle_every - 1) {
            cvs_tpm_idle(bed->tpm);
            g_assert_false(cvs_tpm_holds_sessions(bed->tpm));
        }
    }
    g_atomic_int_set(&neighbour.stop, 1);
    g_thread_join(thread);
    if (neighbour.rc != TSS2_RC_SUCCESS)
        g_error("the neighbour, %s: 0x%x", neighbour.at, neighbour.rc);
    g_test_message("%d operations beside %u rounds of the neighbour's", OPERATIONS,
                   neighbour.rounds);
    g_assert_cmpuint(neighbour.rounds, >, 10);
    cvs_tpm_idle(bed->tpm);
    tpm_mux_end_clients(test_tpm_mux(bed->test_tpm), "neighbour");
    g_assert_cmpuint(test_tpm_count_handles(bed->test_tpm), ==, 0);
}

/* The neighbour has the TPM for itself, long enough for the gap. */
static TSS2_RC
use_up_the_gap(ESYS_CONTEXT *esys, guint *ret_commands)
{
    ESYS_TR sessions[NEIGHBOURS_SESSIONS];
    ESYS_TR late = ESYS_TR_NONE;
    TSS2_RC rc = TSS2_RC_SUCCESS;
    guint n = 0;

    for (guint i = 0; i < NEIGHBOURS_SESSIONS; i++)
        g_assert_cmphex(test_esys_start_session(esys, TPM2_SE_HMAC, &sessions[i]), ==,
                        TSS2_RC_SUCCESS);
    for (; rc == TSS2_RC_SUCCESS && n < COMMANDS_TO_GAP; n++)
        rc = test_esys_get_random(esys, ESYS_TR_NONE);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_FlushContext(esys, sessions[0]);
    if (rc == TSS2_RC_SUCCESS)
        rc = test_esys_start_session(esys, TPM2_SE_HMAC, &late);
    *ret_commands = n;
    return rc;
}

static void
test_long_idle(gconstpointer data)
{
    gboolean flush = GPOINTER_TO_INT(data);
    g_autoptr(Bed) bed = bed_new();
    ESYS_CONTEXT *esys = test_esys_open(test_tpm_port(bed->test_tpm, "neighbour"));
    guint n = 0;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    bed_seal(bed, "db", NULL);
    bed_assert_opens(bed, "db", NULL);
    g_assert_true(cvs_tpm_holds_sessions(bed->tpm));
    if (flush)
        cvs_tpm_idle(bed->tpm);
    rc = use_up_the_gap(esys, &n);
    if (flush)
        g_assert_cmphex(rc, ==, TSS2_RC_SUCCESS);
    else
        /* As the kernel does: the command that cannot be cleaned up after fails as a whole. */
        g_assert_cmphex(rc, ==, TSS2_TCTI_RC_IO_ERROR);
    g_test_message("the neighbour sent %u commands", n);
    /* We go on in either case. */
    bed_assert_opens(bed, "db", NULL);
    test_esys_close(esys);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/release/neighbour/busy", GUINT_TO_POINTER(OPERATIONS + 1), test_busy);
    g_test_add_data_func("/release/neighbour/busy-with-pauses", GUINT_TO_POINTER(7), test_busy);
    g_test_add_data_func("/release/neighbour/long-idle", GINT_TO_POINTER(TRUE), test_long_idle);
    g_test_add_data_func("/release/neighbour/long-idle-sessions-kept", GINT_TO_POINTER(FALSE),
                         test_long_idle);
    return g_test_run();
}
