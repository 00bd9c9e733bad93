/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection: TPMs that are not there, go away, come back, or were never started; answers that
 * ask for patience; the way to the TPM itself. */

#include "tpm/rc.h"
#include "tpm/sealing.h"
#include "tpm/session.h"
#include "tpm/tpm-private.h"

#include <string.h>

static void
assert_unavailable(CvsTpm *tpm, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_tpm_get_srk_name(tpm, FALSE, &error));
    assert_refused(error, TPM_UNAVAILABLE);
    if (strstr(error->message, text) == NULL)
        g_error("no \"%s\" in: %s", text, error->message);
}

static void
test_no_tpm(void)
{
    g_autoptr(CvsTpm) missing = cvs_tpm_new("device:/nonexistent/tpm");
    g_autoptr(CvsTpm) nonsense = cvs_tpm_new("nonsense:");
    g_autoptr(CvsTpm) nobody = cvs_tpm_new("swtpm:path=/nonexistent/socket");

    assert_unavailable(missing, "/nonexistent/tpm: No such file");
    assert_unavailable(nonsense, "nonsense");
    assert_unavailable(nobody, "/nonexistent/socket");
    g_assert_cmpuint(cvs_tpm_commands_sent(missing), ==, 0);
}

static void
test_not_started(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));

    swtpm_kill(swtpm);
    swtpm_without_startup(swtpm);
    swtpm_start(swtpm);
    assert_unavailable(tpm, "not started");
    assert_unavailable(tpm, "not started");
    g_free(swtpm_tool(swtpm, "tpm2_startup -c"));
    g_assert_nonnull(cvs_tpm_get_srk_name(tpm, TRUE, NULL));
}

/* Killed while idle, killed while we hold sessions, and reset without our noticing. */
static void
test_loss_and_return(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = present_policy(tpm, "0", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};

    seal_text(tpm, policy, "secret", NULL, &object);
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) gone = NULL, still_gone = NULL;

        assert_unseals(tpm, policy, &object, NULL, "secret");
        if (i == 1)
            cvs_tpm_idle(tpm);
        swtpm_kill(swtpm);
        gone = refusal(tpm, policy, &object, NULL);
        assert_refused(gone, TPM_UNAVAILABLE);
        still_gone = refusal(tpm, policy, &object, NULL);
        assert_refused(still_gone, TPM_UNAVAILABLE);
        cvs_tpm_idle(tpm);
        g_assert_false(cvs_tpm_holds_sessions(tpm));
        swtpm_start(swtpm);
        assert_unseals(tpm, policy, &object, NULL, "secret");
        /* All sessions are lost, and nothing said so. */
        swtpm_kill(swtpm);
        swtpm_start(swtpm);
        assert_unseals(tpm, policy, &object, NULL, "secret");
    }
}

/* The TPM behind the line is another one, and nothing said so. */
static void
test_swapped(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = present_policy(tpm, "0", CVS_SHA256);
    g_autoptr(CvsPolicy) with_pin = cvs_policy_new();
    g_auto(CvsSealedObject) object = {0}, pin_object = {0};

    cvs_policy_add_auth_value(with_pin);
    seal_text(tpm, policy, "secret", NULL, &object);
    seal_text(tpm, with_pin, "secret", "1234", &pin_object);
    for (guint i = 0; i < 2; i++) {
        const CvsPolicy *which = i ? with_pin : policy;
        const CvsSealedObject *sealed = i ? &pin_object : &object;
        const char *pin = i ? "1234" : NULL;
        g_autoptr(CvsTpm) other = cvs_tpm_new(swtpm_tcti(swtpm));
        g_autoptr(GError) first = NULL, second = NULL;

        g_assert_nonnull(cvs_tpm_get_srk_name(tpm, TRUE, NULL));
        swtpm_kill(swtpm);
        swtpm_forget_state(swtpm);
        swtpm_start(swtpm);
        g_assert_nonnull(cvs_tpm_get_srk_name(other, TRUE, NULL));
        cvs_tpm_idle(other);
        first = refusal(tpm, which, sealed, pin);
        if (!g_error_matches(first, CVS_ERROR, CVS_ERROR_TPM_REPLACED))
            assert_refused(first, TPM_UNAVAILABLE);
        second = refusal(tpm, which, sealed, pin);
        assert_refused(second, TPM_REPLACED);
    }
}

typedef struct {
    TSS2_RC code;
    guint times;
    guint seen;
} Nagging;

static gboolean
nag(guint32 command, guint8 *response, gsize *size, gpointer data)
{
    Nagging *nagging = data;

    nagging->seen++;
    if (nagging->times > 0) {
        guint8 header[10] = {0x80, 0x01, 0, 0, 0, 10};

        nagging->times--;
        header[8] = (guint8)(nagging->code >> 8);
        header[9] = (guint8)nagging->code;
        memcpy(response, header, sizeof header);
        *size = sizeof header;
    }
    return TRUE;
}

static TSS2_RC
get_random(CvsTpm *tpm)
{
    TPM2B_DIGEST *bytes = NULL;
    TSS2_RC rc = Esys_GetRandom(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8, &bytes);

    if (rc == TSS2_RC_SUCCESS)
        g_assert_cmpuint(bytes->size, ==, 8);
    Esys_Free(bytes);
    return rc;
}

static void
test_retries(void)
{
    static const TSS2_RC codes[] = {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING,
                                    TPM2_RC_NV_RATE};
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));

    g_assert_true(cvs_tpm_connect(tpm, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
        Nagging nagging = {.code = codes[i], .times = 5};
        guint64 before = cvs_tpm_commands_sent(tpm);

        tpm->watch.hook = nag;
        tpm->watch.hook_data = &nagging;
        g_assert_cmphex(get_random(tpm), ==, TSS2_RC_SUCCESS);
        g_assert_cmpuint(cvs_tpm_commands_sent(tpm) - before, ==, 6);
    }
    {
        /* For ever: an end is made of it, and the next command is none the worse. */
        Nagging nagging = {.code = TPM2_RC_RETRY, .times = G_MAXUINT};
        g_autoptr(GError) error = NULL;
        TSS2_RC rc = TSS2_RC_SUCCESS;

        tpm->watch.hook_data = &nagging;
        rc = get_random(tpm);
        g_assert_cmphex(rc, ==, TPM2_RC_RETRY);
        g_assert_cmpuint(nagging.seen, <, 30);
        g_assert_false(cvs_tpm_fail(tpm, rc, "testing", &error));
        assert_refused(error, TPM_UNAVAILABLE);
        nagging.times = 2;
        g_assert_cmphex(get_random(tpm), ==, TSS2_RC_SUCCESS);
    }
    tpm->watch.hook = NULL;
}

typedef struct {
    guint32 command;
    gboolean tag;
} Damage;

static gboolean
damage(guint32 command, guint8 *response, gsize *size, gpointer data)
{
    const Damage *what = data;

    if (command != what->command)
        return TRUE;
    if (what->tag)
        response[1] ^= 0x03; /* from one tag to the other */
    else
        (*size)--;
    return TRUE;
}

/* What a bad answer leaves in the TPM is known all the same, and flushed without a resource
 * manager. */
static void
test_nothing_left_behind(void)
{
    static const guint32 commands[] = {TPM2_CC_StartAuthSession, TPM2_CC_Load,
                                       TPM2_CC_CreatePrimary,    TPM2_CC_PolicyPCR,
                                       TPM2_CC_Unseal,           TPM2_CC_ReadPublic};
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = present_policy(tpm, "0", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};

    seal_text(tpm, policy, "secret", NULL, &object);
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(commands); i++) {
        Damage what = {.command = commands[i / 2], .tag = i % 2};
        g_autoptr(GError) error = NULL;

        cvs_tpm_disconnect(tpm);
        tpm->watch.hook = damage;
        tpm->watch.hook_data = &what;
        if (what.command == TPM2_CC_CreatePrimary) {
            g_free(swtpm_tool(swtpm, "tpm2_evictcontrol -C o -c 0x81000001"));
            g_assert_null(cvs_tpm_get_srk_name(tpm, TRUE, &error));
        } else {
            error = refusal(tpm, policy, &object, NULL);
        }
        assert_refused(error, TPM_UNAVAILABLE);
        tpm->watch.hook = NULL;
        g_assert_cmpuint(swtpm_count_handles(tpm), ==, 0);
        g_assert_nonnull(cvs_tpm_get_srk_name(tpm, TRUE, NULL));
        assert_unseals(tpm, policy, &object, NULL, "secret");
    }
}

static void
test_info(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    CvsTpmInfo fresh, info, later;
    g_autoptr(GError) none = NULL;

    g_free(swtpm_tool(swtpm, "tpm2_dictionarylockout -s -n 5 -t 60 -l 10"));
    g_assert_true(cvs_tpm_get_info(tpm, &fresh, NULL));
    g_assert_null(cvs_tpm_get_srk_name(tpm, FALSE, &none)); /* looking made none */
    g_assert_cmpstr(fresh.manufacturer, ==, "IBM");
    g_assert_nonnull(strstr(fresh.vendor, "SW"));
    g_assert_cmphex(fresh.firmware, !=, 0);
    g_assert_true(fresh.has_sha256 && fresh.has_sha384);
    g_assert_false(fresh.in_lockout);
    g_assert_cmpuint(fresh.lockout_max, ==, 5);
    g_assert_cmpuint(fresh.lockout_recovery_s, ==, 60);

    g_assert_nonnull(cvs_tpm_get_srk_name(tpm, TRUE, NULL));
    g_assert_true(cvs_tpm_get_info(tpm, &info, NULL));
    g_assert_cmpstr(info.manufacturer, ==, "IBM");
    g_assert_cmpuint(info.reset_count, ==, fresh.reset_count);
    swtpm_kill(swtpm);
    swtpm_start(swtpm);
    g_assert_true(cvs_tpm_get_info(tpm, &later, NULL));
    g_assert_cmpuint(later.reset_count, ==, fresh.reset_count + 1);
}

/* Two of us beside each other, as the daemon and a CLI are. */
static void
test_two_clients(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) one = cvs_tpm_new(swtpm_tcti(swtpm)), two = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = present_policy(one, "0", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};

    seal_text(one, policy, "secret", NULL, &object);
    cvs_tpm_idle(one);
    for (guint i = 0; i < 20; i++) {
        assert_unseals(one, policy, &object, NULL, "secret");
        assert_unseals(two, policy, &object, NULL, "secret");
    }
    cvs_tpm_idle(one);
    cvs_tpm_idle(two);
    g_assert_cmpuint(swtpm_count_handles(one), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/tpm/no-tpm", test_no_tpm);
    g_test_add_func("/tpm/tpm/not-started", test_not_started);
    g_test_add_func("/tpm/tpm/loss-and-return", test_loss_and_return);
    g_test_add_func("/tpm/tpm/swapped", test_swapped);
    g_test_add_func("/tpm/tpm/retries", test_retries);
    g_test_add_func("/tpm/tpm/nothing-left-behind", test_nothing_left_behind);
    g_test_add_func("/tpm/tpm/info", test_info);
    g_test_add_func("/tpm/tpm/two-clients", test_two_clients);
    return g_test_run();
}
