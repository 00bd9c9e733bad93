/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hex.h"
#include "tpm/policy-element.h"
#include "tpm/sealed-public.h"
#include "tpm/sealing.h"
#include "tpm/session.h"
#include "tpm/tpm-private.h"
#include "tpm/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#ifdef __has_feature
#define UNDER_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define UNDER_CLANG_ASAN 0
#endif

typedef struct {
    Swtpm *swtpm;
    CvsTpm *tpm;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->swtpm = swtpm_new();
    f->tpm = cvs_tpm_new(swtpm_tcti(f->swtpm));
    for (guint pcr = 0; pcr < 8; pcr++)
        swtpm_extend(f->tpm, pcr);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    /* Whatever happened in the test, nothing of ours is left in the TPM. */
    cvs_tpm_idle(f->tpm);
    g_assert_cmpuint(swtpm_count_handles(f->tpm), ==, 0);
    cvs_tpm_free(f->tpm);
    swtpm_free(f->swtpm);
}

static void
test_round_trip(Fixture *f, gconstpointer data)
{
    CvsHash bank = GPOINTER_TO_INT(data);
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "0+2+7", bank);
    g_auto(CvsSealedObject) object = {0};

    seal_text(f->tpm, policy, "0123456789abcdef", NULL, &object);
    assert_unseals(f->tpm, policy, &object, NULL, "0123456789abcdef");
    g_assert_cmpuint(g_bytes_get_size(object.public_area), ==, CVS_SEALED_PUBLIC_SIZE);
}

static void
test_sizes(Fixture *f, gconstpointer data)
{
    static const gsize sizes[] = {1, 127, CVS_TPM_SEALED_MAX};
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsSecret) large = cvs_secret_new(CVS_TPM_SEALED_MAX + 1);
    g_auto(CvsSealedObject) none = {0};
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(CvsSecret) secret = cvs_secret_new_random(sizes[i], NULL);
        g_auto(CvsSealedObject) object = {0};
        g_autoptr(CvsSecret) out = NULL;

        g_assert_true(cvs_tpm_seal(f->tpm, policy, secret, NULL, &object, &error));
        out = cvs_tpm_unseal(f->tpm, policy, &object, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(out, secret));
    }
    g_assert_false(cvs_tpm_seal(f->tpm, policy, large, NULL, &none, &error));
    assert_refused(error, TOO_LARGE);
    g_assert_null(none.public_area);
}

/* The promise of DESIGN: PolicyPCR, Load, Unseal, FlushContext. */
static void
test_command_counts(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "0+2+7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    guint64 before = 0;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    cvs_tpm_disconnect(f->tpm);

    /* Cold: also find the SRK, start the session, check the SRK in it. */
    before = cvs_tpm_commands_sent(f->tpm);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 7);
    g_assert_true(cvs_tpm_holds_sessions(f->tpm));

    for (guint i = 0; i < 20; i++) {
        before = cvs_tpm_commands_sent(f->tpm);
        assert_unseals(f->tpm, policy, &object, NULL, "secret");
        g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 4);
    }

    /* After idling only the session is new. */
    cvs_tpm_idle(f->tpm);
    g_assert_false(cvs_tpm_holds_sessions(f->tpm));
    before = cvs_tpm_commands_sent(f->tpm);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 5);
}

/* The secret does not wait for FlushContext; and where nobody calls cvs_tpm_settle(), the next one
 * does it first, so that objects do not pile up. */
static void
test_flush_waits(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};

    seal_text(f->tpm, policy, "secret", NULL, &object);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    for (guint i = 0; i < 5; i++) {
        guint64 before = cvs_tpm_commands_sent(f->tpm);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) secret = cvs_tpm_unseal(f->tpm, policy, &object, NULL, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, i == 0 ? 3 : 4);
        g_assert_cmpuint(swtpm_count_handles(f->tpm), ==, 2);
    }
    cvs_tpm_settle(f->tpm);
    g_assert_cmpuint(swtpm_count_handles(f->tpm), ==, 1);
    /* Nothing is left to be flushed, and nothing is. */
    for (guint i = 0; i < 2; i++) {
        guint64 before = cvs_tpm_commands_sent(f->tpm);

        cvs_tpm_settle(f->tpm);
        g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm), ==, before);
    }
}

static guint
count_sessions(const CvsTpm *tpm)
{
    guint n = 0;

    for (guint i = 0; i < CVS_N_SESSIONS; i++)
        n += tpm->sessions[i].tr != ESYS_TR_NONE;
    return n;
}

/* The session that was sealed in waits for one more sealing, past the unsealing that proves the
 * first, and is given back when it does not come. A PIN keeps it. */
static void
test_spare_session(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsPolicy) with_pin = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) first = {0}, second = {0}, pinned = {0};
    guint64 before = 0;

    cvs_policy_add_auth_value(with_pin);
    seal_text(f->tpm, policy, "first", NULL, &first);
    assert_unseals(f->tpm, policy, &first, NULL, "first");
    g_assert_cmpuint(count_sessions(f->tpm), ==, 2);
    before = cvs_tpm_commands_sent(f->tpm);
    seal_text(f->tpm, policy, "second", NULL, &second);
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 1);

    assert_unseals(f->tpm, policy, &second, NULL, "second");
    before = cvs_tpm_commands_sent(f->tpm);
    assert_unseals(f->tpm, policy, &first, NULL, "first");
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 5);
    g_assert_cmpuint(count_sessions(f->tpm), ==, 1);
    g_assert_cmpuint(swtpm_count_handles(f->tpm), ==, 1);

    seal_text(f->tpm, with_pin, "pinned", "1234", &pinned);
    for (guint i = 0; i < 3; i++) {
        assert_unseals(f->tpm, with_pin, &pinned, "1234", "pinned");
        g_assert_cmpuint(count_sessions(f->tpm), ==, 2);
    }
}

static void
test_each_pcr_counts(Fixture *f, gconstpointer data)
{
    static const guint pcrs[] = {0, 2, 4, 7};
    CvsHash bank = GPOINTER_TO_INT(data);
    gsize size = cvs_hash_size(bank);

    for (gsize i = 0; i < G_N_ELEMENTS(pcrs); i++) {
        g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "0+2+4+7", bank);
        CvsPcrValues wanted = read_pcrs(f->tpm, "0+2+4+7", bank), seen;
        g_auto(CvsSealedObject) object = {0};
        g_autoptr(GError) error = NULL;

        seal_text(f->tpm, policy, "secret", NULL, &object);
        swtpm_extend(f->tpm, 1); /* not among them */
        assert_unseals(f->tpm, policy, &object, NULL, "secret");
        swtpm_extend(f->tpm, pcrs[i]);
        error = refusal(f->tpm, policy, &object, NULL);
        assert_refused(error, PCR_MISMATCH);
        seen = read_pcrs(f->tpm, "0+2+4+7", bank);
        for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++)
            g_assert_cmpint(memcmp(seen.value[pcr], wanted.value[pcr], size) != 0, ==,
                            pcr == pcrs[i]);
    }
}

/* After a refusal, the kept session serves the next key. */
static void
test_session_after_refusal(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) stale = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsPolicy) fresh = NULL;
    g_auto(CvsSealedObject) old = {0}, present = {0};
    guint64 before = 0;

    seal_text(f->tpm, stale, "old", NULL, &old);
    swtpm_extend(f->tpm, 7);
    fresh = present_policy(f->tpm, "7", CVS_SHA256);
    seal_text(f->tpm, fresh, "new", NULL, &present);
    /* Past the session that was sealed in. */
    assert_unseals(f->tpm, fresh, &present, NULL, "new");
    assert_unseals(f->tpm, fresh, &present, NULL, "new");
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) error = refusal(f->tpm, stale, &old, NULL);

        assert_refused(error, PCR_MISMATCH);
        before = cvs_tpm_commands_sent(f->tpm);
        assert_unseals(f->tpm, fresh, &present, NULL, "new");
        /* PolicyRestart on top. */
        g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 5);
    }
}

static void
test_pin(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsPolicy) plain = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0}, without = {0}, none = {0};
    g_autoptr(CvsSecret) secret = secret_of("secret"), pin = secret_of("1234");
    g_autoptr(GError) missing = NULL, wrong = NULL, unasked = NULL, not_given = NULL;
    guint64 before = 0;

    cvs_policy_add_auth_value(policy);
    seal_text(f->tpm, policy, "secret", "1234", &object);
    seal_text(f->tpm, plain, "plain", NULL, &without);
    assert_unseals(f->tpm, policy, &object, "1234", "secret");

    before = cvs_tpm_commands_sent(f->tpm);
    missing = refusal(f->tpm, policy, &object, NULL);
    assert_refused(missing, PIN_REQUIRED);
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm), ==, before);

    wrong = refusal(f->tpm, policy, &object, "1235");
    assert_refused(wrong, PIN_WRONG);
    assert_unseals(f->tpm, policy, &object, "1234", "secret");
    before = cvs_tpm_commands_sent(f->tpm);
    assert_unseals(f->tpm, policy, &object, "1234", "secret");
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - before, ==, 5);

    /* A key with a PIN and one without, in turns, over the same connection. */
    for (guint i = 0; i < 3; i++) {
        assert_unseals(f->tpm, plain, &without, NULL, "plain");
        assert_unseals(f->tpm, policy, &object, "1234", "secret");
    }

    g_assert_false(cvs_tpm_seal(f->tpm, plain, secret, pin, &none, &unasked));
    assert_refused(unasked, INVALID_ARGUMENT);
    g_assert_false(cvs_tpm_seal(f->tpm, policy, secret, NULL, &none, &not_given));
    assert_refused(not_given, PIN_REQUIRED);
}

/* A TPM takes the zeros off the end of an auth value. */
static void
test_pin_with_a_zero_at_the_end_of_its_hash(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_auto(CvsSealedObject) object = {0};
    g_autofree char *pin = NULL;
    guint8 digest[32] = {1};
    g_autoptr(GError) error = NULL;

    digest[31] = 1;
    for (guint i = 0; digest[31] != 0; i++) {
        g_free(pin);
        pin = g_strdup_printf("%u", i);
        cvs_hash_bytes(CVS_SHA256, pin, strlen(pin), digest);
    }
    cvs_policy_add_auth_value(policy);
    seal_text(f->tpm, policy, "secret", pin, &object);
    assert_unseals(f->tpm, policy, &object, pin, "secret");
    error = refusal(f->tpm, policy, &object, "other");
    assert_refused(error, PIN_WRONG);
}

static void
test_long_pins_differ(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_auto(CvsSealedObject) object = {0};
    g_autofree char *pin = g_strnfill(300, 'x');
    g_autoptr(GError) error = NULL;

    cvs_policy_add_auth_value(policy);
    seal_text(f->tpm, policy, "secret", pin, &object);
    assert_unseals(f->tpm, policy, &object, pin, "secret");
    pin[299] = 'y';
    error = refusal(f->tpm, policy, &object, pin);
    assert_refused(error, PIN_WRONG);
}

static void
test_lockout(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_autoptr(CvsPolicy) plain = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0}, without = {0};
    g_autoptr(GError) locked = NULL, error = NULL;
    CvsTpmInfo info;
    guint32 failed = 0, max = 0;
    guint64 sent = 0;

    cvs_policy_add_auth_value(policy);
    seal_text(f->tpm, policy, "secret", "1234", &object);
    seal_text(f->tpm, plain, "plain", NULL, &without);
    cvs_tpm_disconnect(f->tpm);
    g_free(swtpm_tool(f->swtpm, "tpm2_dictionarylockout -s -n 3 -t 777 -l 10"));

    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) wrong = refusal(f->tpm, policy, &object, "guess");

        assert_refused(wrong, PIN_WRONG);
        sent = cvs_tpm_commands_sent(f->tpm);
        g_assert_true(cvs_tpm_read_tries(f->tpm, &failed, &max, &error));
        g_assert_cmpuint(failed, ==, i + 1);
        g_assert_cmpuint(max, ==, 3);
        g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm) - sent, ==, 1);
    }
    /* The right PIN does not help now. */
    locked = refusal(f->tpm, policy, &object, "1234");
    assert_refused(locked, TPM_LOCKOUT);
    g_assert_nonnull(strstr(locked->message, "777"));
    g_assert_true(cvs_error_has_reason(locked, CVS_REASON_LOCKED_OUT));
    g_assert_true(cvs_tpm_get_info(f->tpm, &info, &error));
    g_assert_true(info.in_lockout);
    g_assert_cmpuint(info.lockout_counter, ==, 3);
    g_assert_cmpuint(info.lockout_max, ==, 3);
    g_assert_cmpuint(info.lockout_recovery_s, ==, 777);
    /* What has no PIN has noDA, and opens. */
    assert_unseals(f->tpm, plain, &without, NULL, "plain");

    cvs_tpm_disconnect(f->tpm);
    g_free(swtpm_tool(f->swtpm, "tpm2_dictionarylockout -c"));
    assert_unseals(f->tpm, policy, &object, "1234", "secret");
}

static void
test_or(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) branches =
        g_ptr_array_new_with_free_func((GDestroyNotify)cvs_policy_unref);
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "0", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) error = NULL;

    /* Three states of PCR 7 to come, the second being the one that does not come back. */
    for (guint i = 0; i < 3; i++) {
        g_ptr_array_add(branches, present_policy(f->tpm, "7", CVS_SHA256));
        if (i < 2)
            swtpm_extend(f->tpm, 7);
    }
    g_assert_true(cvs_policy_add_or(policy, branches, &error));
    seal_text(f->tpm, policy, "secret", NULL, &object);
    assert_unseals(f->tpm, policy, &object, NULL, "secret"); /* by the last branch */
    assert_unseals(f->tpm, policy, &object, NULL, "secret");

    /* The same boot again, as far as the first and the second branch. */
    cvs_tpm_disconnect(f->tpm);
    swtpm_kill(f->swtpm);
    swtpm_start(f->swtpm);
    swtpm_extend(f->tpm, 0);
    error = refusal(f->tpm, policy, &object, NULL);
    assert_refused(error, PCR_MISMATCH);
    swtpm_extend(f->tpm, 7);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    swtpm_extend(f->tpm, 7);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    swtpm_extend(f->tpm, 0);
    g_clear_error(&error);
    error = refusal(f->tpm, policy, &object, NULL);
    assert_refused(error, PCR_MISMATCH);
}

/* A PIN in place of a state that is lost. */
static void
test_or_with_pin(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) branches =
        g_ptr_array_new_with_free_func((GDestroyNotify)cvs_policy_unref);
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    CvsPolicy *by_pin = cvs_policy_new();
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) error = NULL;

    cvs_policy_add_auth_value(by_pin);
    g_ptr_array_add(branches, present_policy(f->tpm, "7", CVS_SHA256));
    g_ptr_array_add(branches, by_pin);
    g_assert_true(cvs_policy_add_or(policy, branches, &error));
    g_assert_true(cvs_policy_needs_pin(policy));
    seal_text(f->tpm, policy, "secret", "1234", &object);
    assert_unseals(f->tpm, policy, &object, "1234", "secret");
    assert_unseals(f->tpm, policy, &object, "no matter", "secret");
    swtpm_extend(f->tpm, 7);
    assert_unseals(f->tpm, policy, &object, "1234", "secret");
    error = refusal(f->tpm, policy, &object, "guess");
    assert_refused(error, PIN_WRONG);
    assert_unseals(f->tpm, policy, &object, "1234", "secret");
}

/* A branch that asks for the PIN, and is given up, before one that does not; and keys opened by the
 * one and by the other in turns. None of it may count as a wrong PIN. */
static void
test_or_after_pin(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) branches =
        g_ptr_array_new_with_free_func((GDestroyNotify)cvs_policy_unref);
    g_autoptr(CvsPolicy) either = cvs_policy_new(), by_pin = cvs_policy_new();
    CvsPolicy *stale = cvs_policy_new();
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1};
    g_auto(CvsSealedObject) object = {0}, pin_object = {0};
    CvsTpmInfo info;

    cvs_policy_add_auth_value(stale);
    cvs_policy_add_pcr(stale, &selection, (const guint8[32]){0});
    g_ptr_array_add(branches, stale);
    g_ptr_array_add(branches, present_policy(f->tpm, "7", CVS_SHA256));
    g_assert_true(cvs_policy_add_or(either, branches, NULL));
    cvs_policy_add_auth_value(by_pin);
    seal_text(f->tpm, either, "secret", "1234", &object);
    seal_text(f->tpm, by_pin, "other", "1234", &pin_object);
    for (guint i = 0; i < 3; i++) {
        assert_unseals(f->tpm, either, &object, "1234", "secret");
        assert_unseals(f->tpm, by_pin, &pin_object, "1234", "other");
    }
    g_assert_true(cvs_tpm_get_info(f->tpm, &info, NULL));
    g_assert_cmpuint(info.lockout_counter, ==, 0);
}

static void
test_wrong_policy(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsPolicy) other = present_policy(f->tpm, "0+7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) error = NULL;
    guint64 before = 0;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    before = cvs_tpm_commands_sent(f->tpm);
    error = refusal(f->tpm, other, &object, NULL);
    assert_refused(error, BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_POLICY_DIFFERS));
    g_assert_cmpuint(cvs_tpm_commands_sent(f->tpm), ==, before);
}

/* The TPM itself refuses the object in a session under another policy, or with its password. */
static void
test_tpm_enforces_policy(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsPolicy) other = present_policy(f->tpm, "0", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    TPM2B_PUBLIC public_area = {0};
    TPM2B_PRIVATE private_area = {0};
    TPM2B_SENSITIVE_DATA *out = NULL;
    guint8 digest[32];
    gsize offset = 0;
    ESYS_TR session = ESYS_TR_NONE, loaded = ESYS_TR_NONE;
    g_autoptr(GError) error = NULL;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    cvs_policy_calculate(policy, digest);
    g_assert_true(cvs_sealed_public_parse(g_bytes_get_data(object.public_area, NULL),
                                          g_bytes_get_size(object.public_area), digest, FALSE,
                                          &public_area, &error));
    g_assert_cmphex(Tss2_MU_TPM2B_PRIVATE_Unmarshal(g_bytes_get_data(object.private_area, NULL),
                                                    g_bytes_get_size(object.private_area), &offset,
                                                    &private_area),
                    ==, TSS2_RC_SUCCESS);
    g_assert_cmphex(Esys_Load(f->tpm->esys, f->tpm->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, &private_area, &public_area, &loaded),
                    ==, TSS2_RC_SUCCESS);
    session = cvs_session_open_policy(f->tpm, FALSE, FALSE, &error);
    g_assert_true(cvs_policy_execute(other, f->tpm, session, NULL, 0, &error));
    g_assert_cmphex(Esys_Unseal(f->tpm->esys, loaded, session, ESYS_TR_NONE, ESYS_TR_NONE, &out) &
                        0xbf,
                    ==, TPM2_RC_POLICY_FAIL);
    g_assert_cmphex(
        Esys_Unseal(f->tpm->esys, loaded, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &out), ==,
        TPM2_RC_AUTH_UNAVAILABLE);
    cvs_tpm_flush(f->tpm, &loaded);
}

/* An object that its password opens must never pass for one under a policy, whoever made it. */
static void
test_user_with_auth(Fixture *f, gconstpointer data)
{
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcrs = {0};
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data = {.size = 4, .buffer = "evil"}};
    CVS_AUTO_ESYS(TPM2B_PUBLIC) public_area = NULL;
    CVS_AUTO_ESYS(TPM2B_PRIVATE) private_area = NULL;
    TPM2B_PUBLIC template;
    guint8 digest[32], bytes[sizeof(TPM2B_PUBLIC)];
    gsize size = 0;
    g_autoptr(GError) error = NULL;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    cvs_policy_calculate(policy, digest);
    cvs_sealed_public_template(digest, FALSE, &template);
    template.publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
    g_assert_cmphex(Esys_Create(f->tpm->esys, f->tpm->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, &sensitive, &template, &no_data, &no_pcrs,
                                &private_area, &public_area, NULL, NULL, NULL),
                    ==, TSS2_RC_SUCCESS);
    g_assert_cmphex(Tss2_MU_TPM2B_PUBLIC_Marshal(public_area, bytes, sizeof bytes, &size), ==,
                    TSS2_RC_SUCCESS);
    g_bytes_unref(object.public_area);
    object.public_area = g_bytes_new(bytes, size);
    size = 0;
    g_assert_cmphex(Tss2_MU_TPM2B_PRIVATE_Marshal(private_area, bytes, sizeof bytes, &size), ==,
                    TSS2_RC_SUCCESS);
    g_bytes_unref(object.private_area);
    object.private_area = g_bytes_new(bytes, size);

    error = refusal(f->tpm, policy, &object, NULL);
    assert_refused(error, BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_POLICY_DIFFERS));
}

static void
test_damaged_object(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    gsize private_size = 0, public_size = 0;
    const guint8 *private_bytes = NULL, *public_bytes = NULL;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    private_bytes = g_bytes_get_data(object.private_area, &private_size);
    public_bytes = g_bytes_get_data(object.public_area, &public_size);
    for (gsize i = 0; i < private_size; i++) {
        g_autofree guint8 *copy = g_memdup2(private_bytes, private_size);
        g_autoptr(GBytes) bytes = NULL;
        CvsSealedObject damaged = object;
        g_autoptr(GError) error = NULL;

        copy[i] ^= 1;
        damaged.private_area = bytes = g_bytes_new(copy, private_size);
        error = refusal(f->tpm, policy, &damaged, NULL);
        assert_refused(error, BAD_FORMAT);
    }
    for (gsize i = 0; i < public_size; i++) {
        g_autofree guint8 *copy = g_memdup2(public_bytes, public_size);
        g_autoptr(GBytes) bytes = NULL;
        CvsSealedObject damaged = object;
        g_autoptr(GError) error = NULL;

        copy[i] ^= 1;
        damaged.public_area = bytes = g_bytes_new(copy, public_size);
        error = refusal(f->tpm, policy, &damaged, NULL);
        assert_refused(error, BAD_FORMAT);
    }
    for (gsize size = 0; size < private_size; size++) {
        g_autoptr(GBytes) bytes = g_bytes_new(private_bytes, size);
        CvsSealedObject cut = object;
        g_autoptr(GError) error = NULL;

        cut.private_area = bytes;
        error = refusal(f->tpm, policy, &cut, NULL);
        assert_refused(error, BAD_FORMAT);
    }
    {
        g_autofree guint8 *huge = g_malloc0(0xffff + 2);
        g_autoptr(GBytes) bytes = NULL;
        CvsSealedObject large = object;
        g_autoptr(GError) error = NULL;

        huge[0] = huge[1] = 0xff;
        large.private_area = bytes = g_bytes_new(huge, 0xffff + 2);
        error = refusal(f->tpm, policy, &large, NULL);
        assert_refused(error, BAD_FORMAT);
    }
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
}

static void
test_other_tpm(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) none = NULL, other = NULL, error = NULL;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    cvs_tpm_disconnect(f->tpm);
    swtpm_kill(f->swtpm);
    swtpm_forget_state(f->swtpm);
    swtpm_start(f->swtpm);
    swtpm_extend(f->tpm, 7);

    none = refusal(f->tpm, policy, &object, NULL);
    assert_refused(none, TPM_REPLACED);
    g_assert_true(cvs_error_has_reason(none, CVS_REASON_SRK_CHANGED));
    g_assert_nonnull(cvs_tpm_get_srk_name(f->tpm, TRUE, &error));
    other = refusal(f->tpm, policy, &object, NULL);
    assert_refused(other, TPM_REPLACED);
    g_assert_true(cvs_error_has_reason(other, CVS_REASON_SRK_CHANGED));
}

/* tpm2-tools open our object in the right state only. */
static void
test_tools_agree(Fixture *f, gconstpointer data)
{
    CvsHash bank = GPOINTER_TO_INT(data);
    const char *name = cvs_hash_name(bank);
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "0+2+7", bank);
    g_auto(CvsSealedObject) object = {0};
    g_autofree char *out = NULL;

    seal_text(f->tpm, policy, "the secret", NULL, &object);
    write_file(f->swtpm, "public", object.public_area);
    write_file(f->swtpm, "private", object.private_area);
    cvs_tpm_disconnect(f->tpm);

    g_free(swtpm_tool(f->swtpm, "tpm2_load -C 0x81000001 -u public -r private -c object"));
    g_free(swtpm_tool(f->swtpm, "tpm2_flushcontext -t"));
    out = swtpm_tool(f->swtpm, "tpm2_unseal -c object -p pcr:%s:0,2,7", name);
    g_assert_cmpstr(out, ==, "the secret");
    g_free(swtpm_tool(f->swtpm, "tpm2_flushcontext -t"));
    g_assert_false(swtpm_tool_try(f->swtpm, "tpm2_unseal -c object"));
    g_free(swtpm_tool(f->swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(f->swtpm, "tpm2_flushcontext -l"));

    swtpm_extend(f->tpm, 2);
    cvs_tpm_disconnect(f->tpm);
    g_assert_false(swtpm_tool_try(f->swtpm, "tpm2_unseal -c object -p pcr:%s:0,2,7", name));
    g_free(swtpm_tool(f->swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(f->swtpm, "tpm2_flushcontext -l"));
}

typedef struct {
    Swtpm *swtpm;
    guint32 command;
    guint times;
    guint pcr;
} Between;

static gboolean
extend_between(guint32 command, guint8 *response, gsize *size, gpointer data)
{
    Between *between = data;

    if (command == between->command && between->times > 0) {
        between->times--;
        swtpm_raw_extend(between->swtpm, between->pcr);
    }
    return TRUE;
}

/* Some PCR is extended between PolicyPCR and Unseal: the TPM says so, and the policy runs again. */
static void
test_pcr_changed(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0};
    Between between = {.swtpm = f->swtpm, .command = TPM2_CC_PolicyPCR, .times = 3, .pcr = 1};
    g_autoptr(GError) busy = NULL, error = NULL;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    f->tpm->watch.hook = extend_between;
    f->tpm->watch.hook_data = &between;
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    g_assert_cmpuint(between.times, ==, 0);

    /* For ever: an end is made of it. */
    between.times = G_MAXUINT;
    busy = refusal(f->tpm, policy, &object, NULL);
    assert_refused(busy, BUSY);

    /* One of those that count. */
    between = (Between){.swtpm = f->swtpm, .command = TPM2_CC_PolicyPCR, .times = 1, .pcr = 7};
    error = refusal(f->tpm, policy, &object, NULL);
    assert_refused(error, PCR_MISMATCH);
    f->tpm->watch.hook = NULL;
}

/* Somebody flushed our session (a resource manager, an administrator): a new one is made. */
static void
test_lost_session(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_auto(CvsSealedObject) object = {0}, again = {0};
    TPM2_HANDLE handle = 0;

    seal_text(f->tpm, policy, "secret", NULL, &object);
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    for (guint i = 0; i < CVS_N_SESSIONS; i++) {
        g_assert_cmphex(Esys_TR_GetTpmHandle(f->tpm->esys, f->tpm->sessions[i].tr, &handle), ==,
                        TSS2_RC_SUCCESS);
        swtpm_raw_flush(f->swtpm, handle);
    }
    assert_unseals(f->tpm, policy, &object, NULL, "secret");
    g_assert_cmphex(
        Esys_TR_GetTpmHandle(f->tpm->esys, f->tpm->sessions[CVS_SESSION_POLICY].tr, &handle), ==,
        TSS2_RC_SUCCESS);
    seal_text(f->tpm, policy, "secret", NULL, &again);
    (void)read_pcrs(f->tpm, "7", CVS_SHA256);
}

/* Whether the bytes, which are given so that they do not stand in memory for being looked for, are
 * anywhere in writable memory but the stack. */
static gboolean
memory_has(const guint8 *inverted, gsize size)
{
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    gboolean found = FALSE;

    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (guint i = 0; lines[i] != NULL && !found; i++) {
        guintptr from = 0, to = 0;
        char mode[5];

        if (sscanf(lines[i], "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, mode) != 3 ||
            !g_str_has_prefix(mode, "rw") || strstr(lines[i], "[stack]") != NULL)
            continue;
        for (const guint8 *p = (const guint8 *)from; p + size <= (const guint8 *)to; p++) {
            gsize j = 0;

            while (j < size && (p[j] ^ inverted[j]) == 0xff)
                j++;
            found |= j == size;
        }
    }
    return found;
}

/* ESYS keeps what it sends and what it gets. What was unsealed is wiped there at once; what was
 * sealed goes with the next Load, which everybody does who checks what he sealed. */
static void
test_nothing_secret_stays(Fixture *f, gconstpointer data)
{
    const char *pin_text = data;
    g_autoptr(CvsPolicy) policy = present_policy(f->tpm, "7", CVS_SHA256);
    g_autoptr(CvsSecret) secret = cvs_secret_new_random(CVS_TPM_SEALED_MAX, NULL);
    g_autoptr(CvsSecret) pin = secret_of(pin_text), out = NULL;
    g_auto(CvsSealedObject) object = {0};
    guint8 inverted[CVS_TPM_SEALED_MAX];
    g_autoptr(GError) error = NULL;

    /* Else the C library has overwritten what was freed. */
    g_assert_cmpstr(g_getenv("MALLOC_PERTURB_"), ==, "0");
#if defined __SANITIZE_ADDRESS__ || UNDER_CLANG_ASAN
    g_test_skip("AddressSanitizer keeps what was freed");
    return;
#endif
    if (pin != NULL)
        cvs_policy_add_auth_value(policy);
    for (gsize i = 0; i < sizeof inverted; i++)
        inverted[i] = (guint8)~cvs_secret_peek(secret)[i];
    g_assert_true(cvs_tpm_seal(f->tpm, policy, secret, pin, &object, &error));
    g_assert_true(memory_has(inverted, 32));
    g_clear_pointer(&secret, cvs_secret_unref);
    out = cvs_tpm_unseal(f->tpm, policy, &object, pin, &error);
    g_assert_no_error(error);
    g_clear_pointer(&out, cvs_secret_unref);
    g_assert_false(memory_has(inverted, 32));
    g_assert_false(memory_has(inverted + CVS_TPM_SEALED_MAX - 32, 32));
}

#define ADD(path, function, data)                                                                  \
    g_test_add("/tpm/seal/" path, Fixture, GINT_TO_POINTER(data), set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("round-trip/sha256", test_round_trip, CVS_SHA256);
    ADD("round-trip/sha384", test_round_trip, CVS_SHA384);
    ADD("sizes", test_sizes, 0);
    ADD("command-counts", test_command_counts, 0);
    ADD("flush-waits", test_flush_waits, 0);
    ADD("spare-session", test_spare_session, 0);
    ADD("each-pcr-counts/sha256", test_each_pcr_counts, CVS_SHA256);
    ADD("each-pcr-counts/sha384", test_each_pcr_counts, CVS_SHA384);
    ADD("session-after-refusal", test_session_after_refusal, 0);
    ADD("pin", test_pin, 0);
    ADD("pin-with-a-zero-at-the-end-of-its-hash", test_pin_with_a_zero_at_the_end_of_its_hash, 0);
    ADD("long-pins-differ", test_long_pins_differ, 0);
    ADD("lockout", test_lockout, 0);
    ADD("or", test_or, 0);
    ADD("or-with-pin", test_or_with_pin, 0);
    ADD("or-after-pin", test_or_after_pin, 0);
    ADD("wrong-policy", test_wrong_policy, 0);
    ADD("tpm-enforces-policy", test_tpm_enforces_policy, 0);
    ADD("user-with-auth", test_user_with_auth, 0);
    ADD("damaged-object", test_damaged_object, 0);
    ADD("other-tpm", test_other_tpm, 0);
    ADD("tools-agree/sha256", test_tools_agree, CVS_SHA256);
    ADD("tools-agree/sha384", test_tools_agree, CVS_SHA384);
    ADD("pcr-changed", test_pcr_changed, 0);
    ADD("lost-session", test_lost_session, 0);
    g_test_add("/tpm/seal/nothing-secret-stays/plain", Fixture, NULL, set_up,
               test_nothing_secret_stays, tear_down);
    g_test_add("/tpm/seal/nothing-secret-stays/pin", Fixture, "1234", set_up,
               test_nothing_secret_stays, tear_down);
    return g_test_run();
}
