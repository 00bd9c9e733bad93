/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A key of a confidential VM, whole: simulated TEE and real TPM, attested, sealed, released; and
 * refused when the TEE is not what it was. */

#include "attest/attest-bed.h"
#include "policy/pinnable.h"
#include "release/attester.h"
#include "release/conditions.h"
#include "tee/tsm-mr.h"

#include <glib/gstdio.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

typedef struct {
    AttestBed vm;
    CvsStore *store;
    char *policies;
    const char *folders[2];
    CvsReleaseAttester attester;
    CvsTeeAsker *asker;
    CvsRelease release;
    CvsOwner owner;
} Machine;

/* What comes now is another request. */
static const CvsRelease *
request(Machine *machine)
{
    if (machine->release.tee_keys)
        cvs_tee_keys_free(machine->release.tee_keys);
    machine->release.tee_keys = machine->asker ? cvs_tee_keys_new(machine->asker) : NULL;
    return &machine->release;
}

static void
set_profile(Machine *machine, const char *lines)
{
    g_auto(GStrv) parts = g_strsplit(lines, "%M", -1);
    g_autofree char *text = g_strjoinv(machine->vm.measurement, parts);
    g_autofree char *whole =
        g_strconcat("[Registers]\nPCRs=7\n[TEE]\nAllowTestRoots=yes\n", text, "\n", NULL);
    g_autofree char *file = g_build_filename(machine->policies, "default.policy", NULL);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(file, whole, -1, &error);
    g_assert_no_error(error);
}

static gboolean
machine_init(Machine *machine, TeeSimType type, const char *switches, const char *lines)
{
    g_autofree char *vault = NULL;
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init(&machine->vm, type, switches))
        return FALSE;
    test_tpm_extend(machine->vm.tpm, 7, "boot");
    vault = g_build_filename(machine->vm.tee.dir, "vault", NULL);
    machine->store = cvs_store_open(vault, TRUE, &error);
    g_assert_no_error(error);
    machine->policies = g_build_filename(machine->vm.tee.dir, "policies", NULL);
    g_assert_cmpint(g_mkdir(machine->policies, 0700), ==, 0);
    machine->folders[0] = machine->policies;
    set_profile(machine, lines);
    machine->attester = cvs_release_attester(machine->vm.attester);
    machine->release = (CvsRelease){
        .tpm = machine->vm.client,
        .store = machine->store,
        .profile_folders = machine->folders,
        .lock_timeout_ms = 1000,
        .attester = &machine->attester,
        .tee_paths = machine->vm.tee.paths,
    };
    machine->asker = cvs_tee_asker_new(machine->vm.tee.source, 0, NULL, NULL);
    machine->owner = (CvsOwner){.kind = CVS_OWNER_SYSTEM};
    return TRUE;
}

static void
machine_clear(Machine *machine)
{
    cvs_tee_keys_free(machine->release.tee_keys);
    cvs_tee_asker_free(machine->asker);
    g_clear_pointer(&machine->store, cvs_store_close);
    g_free(machine->policies);
    attest_bed_clear(&machine->vm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Machine, machine_clear)

/* Our program again, which has to attest anew. */
static void
restart(Machine *machine)
{
    attest_bed_restart(&machine->vm);
    machine->attester = cvs_release_attester(machine->vm.attester);
    machine->release.tpm = machine->vm.client;
}

static void
seal(Machine *machine, guint32 rtmrs)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("secret", 6);
    const CvsSealOptions options = {.rtmrs = rtmrs};
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    (void)cvs_release_seal(request(machine), &machine->owner, "db", secret, &options, &id, &error);
    g_assert_no_error(error);
}

static void
expect(Machine *machine, const char *reasons)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) secret =
        cvs_release_unseal(request(machine), &machine->owner, "db", NULL, &error);
    g_autofree char *found = attest_bed_reasons(error);

    if (!g_str_equal(found, reasons))
        g_error("%s, wanted %s: %s", found, reasons, error ? error->message : "released");
    g_assert_cmpint(secret != NULL, ==, *reasons == '\0');
}

#define SVSM "Measurements=%M"

static void
test_svsm(void)
{
    g_auto(Machine) machine = {0};

    if (!machine_init(&machine, TEE_SIM_SNP, "svsm=on vmpl=2", SVSM))
        return;
    seal(&machine, 0);
    expect(&machine, "");
    /* The profile loosened, and another SVSM started by the host. */
    set_profile(&machine, "[vTPM]\nKinds=svsm svsm-unlisted");
    expect(&machine, "ClaimDiffers");
    set_profile(&machine, SVSM);
    /* A PCR is the TPM's to refuse. */
    test_tpm_extend(machine.vm.tpm, 7, "tampered");
    expect(&machine, "PcrDiffers");
}

static void
test_debug(void)
{
    g_auto(Machine) machine = {0};

    if (!machine_init(&machine, TEE_SIM_SNP, "svsm=on vmpl=2", SVSM))
        return;
    seal(&machine, 0);
    attest_bed_set(&machine.vm, "debug=on");
    restart(&machine);
    expect(&machine, "ClaimDiffers DebugAllowed VtpmKindRefused");
}

#define TD "Types=tdx\n[vTPM]\nKinds=host"

/* RTMRs: extended by sysfs, and by another way that sysfs shows late. */
static void
test_rtmrs(void)
{
    guint8 digest[48] = {1};

    for (guint way = 0; way < 2; way++) {
        g_auto(Machine) machine = {0};
        g_autoptr(GError) error = NULL;

        if (!machine_init(&machine, TEE_SIM_TDX, NULL, TD))
            return;
        seal(&machine, 1 << 0 | 1 << 1 | 1 << 2);
        expect(&machine, "");
        /* One that it is not sealed to. */
        tee_sim_extend(machine.vm.tee.sim, 3, digest);
        expect(&machine, "");
        if (way == 0)
            (void)cvs_tsm_mr_extend(machine.vm.tee.paths->measurements, CVS_TSM_RTMR2, digest,
                                    &error);
        else
            tee_sim_extend(machine.vm.tee.sim, 2, digest);
        g_assert_no_error(error);
        expect(&machine, "EventUnrecorded RtmrDiffers");
    }
}

/* All RTMRs are zero: nothing can be sealed to them. */
static void
test_zero_rtmrs(void)
{
    g_auto(Machine) machine = {0};
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("secret", 6);
    const CvsSealOptions options = {.rtmrs = 7};
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_TDX, "zero-rtmrs=on", TD))
        return;
    g_assert_false(
        cvs_release_seal(request(&machine), &machine.owner, "db", secret, &options, &id, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_RTMRS_UNUSED));
}

static void
expect_plain(Machine *machine)
{
    for (guint i = 0; i < 3; i++) {
        guint64 before = cvs_tpm_commands_sent(machine->vm.client);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) secret =
            cvs_release_unseal(request(machine), &machine->owner, "plain", NULL, &error);

        g_assert_no_error(error);
        g_assert_nonnull(secret);
        if (i > 0)
            g_assert_cmpuint(cvs_tpm_commands_sent(machine->vm.client) - before, <=, 5);
        g_test_message("%" G_GUINT64_FORMAT " commands",
                       cvs_tpm_commands_sent(machine->vm.client) - before);
    }
}

/* A key whose profile says nothing of a TEE opens whatever becomes of attestations beside it, and
 * costs no more. */
static void
test_plain_beside(void)
{
    static const char *const lies[] = {"debug=on", "manifest=other-ek", "manifest=truncated", NULL};
    g_auto(Machine) machine = {0};
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("plain", 5);
    const CvsSealOptions options = {.profile = "plain"};
    g_autofree char *file = NULL;
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;
    guint requests = 0;

    if (!machine_init(&machine, TEE_SIM_SNP, "svsm=on vmpl=2", SVSM))
        return;
    file = g_build_filename(machine.policies, "plain.policy", NULL);
    (void)g_file_set_contents(file, "[Registers]\nPCRs=7\n", -1, &error);
    g_assert_no_error(error);
    (void)cvs_release_seal(request(&machine), &machine.owner, "plain", secret, &options, &id,
                           &error);
    g_assert_no_error(error);
    expect_plain(&machine);
    g_assert_cmpuint(tee_sim_requests(machine.vm.tee.sim), ==, 0);
    seal(&machine, 0);
    expect(&machine, "");
    requests = tee_sim_requests(machine.vm.tee.sim);
    expect_plain(&machine);
    for (guint i = 0; lies[i]; i++) {
        g_autoptr(GError) refusal = NULL;

        attest_bed_set(&machine.vm, lies[i]);
        restart(&machine);
        g_assert_null(cvs_release_unseal(request(&machine), &machine.owner, "db", NULL, &refusal));
        g_test_message("%s: %s", lies[i], refusal->message);
        g_assert_cmpuint(tee_sim_requests(machine.vm.tee.sim), >, requests);
        requests = tee_sim_requests(machine.vm.tee.sim);
        expect_plain(&machine);
        g_assert_cmpuint(tee_sim_requests(machine.vm.tee.sim), ==, requests);
    }
}

static GError *
try_seal(Machine *machine, const CvsSealOptions *options)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("secret", 6);
    g_autofree char *id = NULL;
    GError *error = NULL;

    (void)cvs_release_seal(request(machine), &machine->owner, "db", secret, options, &id, &error);
    return error;
}

static GError *
try_reseal_dropping(Machine *machine, CvsDrop drop)
{
    const CvsResealOptions options = {.authorized = TRUE, .drop = drop};
    GError *error = NULL;

    (void)cvs_release_reseal(request(machine), &machine->owner, "db", &options, &error);
    return error;
}

static GError *
try_reseal(Machine *machine)
{
    return try_reseal_dropping(machine, 0);
}

/* A profile that says nothing of a TEE: what keeps the key is the derived key alone. */
static void
set_plain(Machine *machine, const char *lines)
{
    g_autofree char *file = g_build_filename(machine->policies, "default.policy", NULL);
    g_autofree char *text = g_strconcat("[Registers]\nPCRs=7\n", lines, NULL);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(file, text, -1, &error);
    g_assert_no_error(error);
}

static void
expect_error(Machine *machine, int code, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) secret =
        cvs_release_unseal(request(machine), &machine->owner, "db", NULL, &error);

    g_assert_null(secret);
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
}

/* The same TPM and the same file: another guest, one with another policy, another chip. */
static void
test_derived_key(void)
{
    static const char *const others[] = {"other-guest=on", "debug=on", "migration=on",
                                         "other-chip=on"};
    const CvsSealOptions options = {.derived_key = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, NULL, ""))
        return;
    set_plain(&machine, "");
    error = try_seal(&machine, &options);
    g_assert_no_error(error);
    expect(&machine, "");
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        tee_sim_must(machine.vm.tee.sim, others[i]);
        g_test_message("%s", others[i]);
        expect(&machine, "DerivedKeyDiffers");
        error = try_reseal(&machine);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
        g_clear_error(&error);
        tee_sim_must(machine.vm.tee.sim, "reset=on");
        expect(&machine, "");
    }
    tee_sim_must(machine.vm.tee.sim, "zero-key=on");
    expect(&machine, "AnswerEmpty");
    tee_sim_must(machine.vm.tee.sim, "reset=on");
    /* It is a factor beside the TPM's, not instead of it. */
    test_tpm_extend(machine.vm.tpm, 7, "tampered");
    expect(&machine, "PcrDiffers");
}

static void
test_derived_key_failures(void)
{
    const CvsSealOptions options = {.derived_key = TRUE};
    g_auto(Machine) machine = {0};
    CvsTeeAsker *kept = NULL;
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, NULL, ""))
        return;
    set_plain(&machine, "");
    tee_sim_must(machine.vm.tee.sim, "zero-key=on");
    error = try_seal(&machine, &options);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_ANSWER_EMPTY));
    g_clear_error(&error);
    tee_sim_must(machine.vm.tee.sim, "reset=on");
    error = try_seal(&machine, &options);
    g_assert_no_error(error);
    kept = g_steal_pointer(&machine.asker);
    expect(&machine, "DerivedKeyUnavailable");
    machine.asker = g_steal_pointer(&kept);
    expect(&machine, "");
    tee_sim_must(machine.vm.tee.sim, "fail-once=EIO");
    expect_error(&machine, CVS_ERROR_ATTESTATION_FAILED, "EIO");
}

/* Somebody else has the TEE: whoever waits is told soon, for all slots at once, and nothing is
 * changed. */
static void
test_derived_key_busy(void)
{
    const CvsSealOptions options = {.derived_key = TRUE};
    const CvsSealOptions again = {.derived_key = TRUE, .replace = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(CvsPace) other = NULL;
    g_autofree char *explanation = NULL;
    g_autoptr(GError) error = NULL;
    GError *errors[4] = {NULL};
    gint64 begun = 0;

    if (!machine_init(&machine, TEE_SIM_SNP, NULL, ""))
        return;
    set_plain(&machine, "");
    error = try_seal(&machine, &options);
    g_assert_no_error(error);
    /* A second slot. */
    error = try_reseal(&machine);
    g_assert_no_error(error);
    cvs_tee_asker_free(machine.asker);
    machine.asker = cvs_tee_asker_new(machine.vm.tee.source, 50, NULL, NULL);
    other = cvs_pace_begin(machine.vm.tee.paths->run_dir, CVS_PACE_QUOTE, &machine.vm.tee.clock,
                           G_MAXINT64, &error);
    g_assert_no_error(error);
    begun = g_get_monotonic_time();
    (void)cvs_release_unseal(request(&machine), &machine.owner, "db", NULL, &errors[0]);
    errors[1] = try_reseal(&machine);
    errors[2] = try_seal(&machine, &again);
    explanation = cvs_release_explain(request(&machine), &machine.owner, "db", &errors[3]);
    g_assert_null(explanation);
    /* The default is a minute and a half. */
    g_assert_cmpint(g_get_monotonic_time() - begun, <, 60 * G_USEC_PER_SEC);
    for (gsize i = 0; i < G_N_ELEMENTS(errors); i++) {
        g_assert_error(errors[i], CVS_ERROR, CVS_ERROR_BUSY);
        g_assert_true(cvs_error_has_reason(errors[i], CVS_REASON_ATTESTATION_UNDER_WAY));
        g_assert_cmpuint(cvs_error_get_reasons(errors[i])->len, ==, 1);
        g_clear_error(&errors[i]);
    }
    g_clear_pointer(&other, cvs_pace_end);
    expect(&machine, "");
}

/* There is one request in two seconds, for all: each key costs one, whatever it is wanted for. */
static void
test_derived_key_once(void)
{
    const TpmMuxFault changes = {.code = TPM2_CC_PolicyPCR,
                                 .kind = TPM_MUX_RC,
                                 .value = TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1};
    const CvsSealOptions options = {.derived_key = TRUE};
    const CvsSealOptions again = {.derived_key = TRUE, .replace = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(GError) error = NULL;
    guint before = 0;

    if (!machine_init(&machine, TEE_SIM_SNP, NULL, ""))
        return;
    set_plain(&machine, "");
    error = try_seal(&machine, &options);
    g_assert_no_error(error);
    error = try_reseal(&machine);
    g_assert_no_error(error);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *explanation = NULL;

        before = tee_sim_requests(machine.vm.tee.sim);
        explanation = cvs_release_explain(request(&machine), &machine.owner, "db", &error);
        g_assert_no_error(error);
        g_assert_nonnull(strstr(explanation, "\"generation\":1"));
        g_assert_nonnull(strstr(explanation, "\"generation\":2"));
        g_assert_cmpint(strstr(explanation, "AnswerEmpty") != NULL, ==, i);
        g_assert_cmpuint(tee_sim_requests(machine.vm.tee.sim), ==, before + 1);
        tee_sim_must(machine.vm.tee.sim, "zero-key=on");
    }
    tee_sim_must(machine.vm.tee.sim, "reset=on");
    /* A report and a key, for all tries. */
    before = tee_sim_requests(machine.vm.tee.sim);
    (void)tpm_mux_add_fault(test_tpm_mux(machine.vm.tpm), &changes);
    error = try_seal(&machine, &again);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "PCRs change"));
    g_assert_cmpuint(tee_sim_requests(machine.vm.tee.sim), ==, before + 2);
    tpm_mux_clear_faults(test_tpm_mux(machine.vm.tpm));
    expect(&machine, "");
}

static void
on_back(gpointer data)
{
    g_async_queue_push(data, GINT_TO_POINTER(1));
}

static void
expect_under_way(CvsTeeKeys *keys, const CvsTeeKeyParams *params)
{
    CvsTeeKeyParams made = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) key =
        params ? cvs_tee_keys_derive(keys, params, &error) : cvs_tee_keys_make(keys, &made, &error);

    g_assert_null(key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY));
}

static guint
count_threads(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        n++;
    return n;
}

/* Whoever asked the TEE has its answer. */
static void
await_end_of_turn(TeeBed *bed)
{
    g_autoptr(GError) error = NULL;
    CvsPace *turn =
        cvs_pace_begin(bed->paths->run_dir, CVS_PACE_QUOTE, &bed->clock, G_MAXINT64, &error);

    g_assert_no_error(error);
    cvs_pace_end(turn);
}

/* Threads ask, one at a time; an answer is the request's that has asked, and else nobody's. */
static void
test_derived_key_threads(void)
{
    g_autoptr(GAsyncQueue) queue = g_async_queue_new();
    g_autoptr(CvsTeeAsker) asker = NULL;
    g_autoptr(CvsTeeKeys) first = NULL, second = NULL;
    g_autoptr(CvsSecret) key = NULL, same = NULL;
    g_auto(TeeBed) bed = {0};
    CvsTeeKeyParams params = {0}, other = {0};
    g_autoptr(GError) error = NULL;
    guint before = 0, threads = 0;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    asker = cvs_tee_asker_new(bed.source, 0, on_back, queue);
    first = cvs_tee_keys_new(asker);
    second = cvs_tee_keys_new(asker);
    tee_sim_must(bed.sim, "hang=key");
    expect_under_way(first, NULL);
    expect_under_way(first, NULL);
    while (tee_sim_requests(bed.sim) < 2)
        g_usleep(1000);
    threads = count_threads();
    expect_under_way(second, NULL);
    g_assert_cmpuint(count_threads(), ==, threads);
    g_assert_null(g_async_queue_try_pop(queue));
    tee_sim_must(bed.sim, "reset=on");
    (void)g_async_queue_pop(queue);
    /* What the first got is not the second's. */
    before = tee_sim_requests(bed.sim);
    expect_under_way(second, NULL);
    key = cvs_tee_keys_make(first, &params, &error);
    g_assert_no_error(error);
    (void)g_async_queue_pop(queue);
    same = cvs_tee_keys_make(second, &other, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(key, same));
    g_assert_true(cvs_tee_key_params_equal(&params, &other));
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, before + 2);

    /* A request that is gone leaves its question, and nothing is done with the answer. */
    tee_sim_must(bed.sim, "hang=key");
    expect_under_way(second, &params);
    g_clear_pointer(&second, cvs_tee_keys_free);
    expect_under_way(first, &params);
    tee_sim_must(bed.sim, "reset=on");
    (void)g_async_queue_pop(queue);
    expect_under_way(first, &params);
    (void)g_async_queue_pop(queue);
    g_clear_pointer(&same, cvs_secret_unref);
    same = cvs_tee_keys_derive(first, &params, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(key, same));
    /* One key, whatever it is compared with. */
    params.check[0] ^= 1;
    g_assert_null(cvs_tee_keys_derive(first, &params, &error));
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_DERIVED_KEY_DIFFERS));
    g_clear_error(&error);

    /* And where all are gone nobody is told. */
    tee_sim_must(bed.sim, "hang=key");
    params.vmpl = 1;
    before = tee_sim_requests(bed.sim);
    expect_under_way(first, &params);
    while (tee_sim_requests(bed.sim) == before)
        g_usleep(1000);
    g_clear_pointer(&first, cvs_tee_keys_free);
    g_clear_pointer(&asker, cvs_tee_asker_free);
    g_clear_pointer(&key, cvs_secret_unref);
    g_clear_pointer(&same, cvs_secret_unref);
    tee_sim_must(bed.sim, "reset=on");
    await_end_of_turn(&bed);
    while (cvs_secret_count_alive() > 0)
        g_usleep(1000);
    g_assert_null(g_async_queue_try_pop(queue));
}

/* The TCB of sealing time is explicit: what the firmware commits to later, and what is reported of
 * it, give the same key; a firmware turned back does not. */
static void
test_derived_key_tcb(void)
{
    const CvsSealOptions options = {.derived_key = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, "low-tcb=snp", ""))
        return;
    set_plain(&machine, "");
    error = try_seal(&machine, &options);
    g_assert_no_error(error);
    tee_sim_must(machine.vm.tee.sim, "low-tcb=none");
    expect(&machine, "");
    tee_sim_must(machine.vm.tee.sim, "reported-lags=on");
    expect(&machine, "");
    error = try_reseal(&machine);
    g_assert_no_error(error);
    key = cvs_store_load(machine.store, &machine.owner, "db", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==, 2);
    g_assert_false(cvs_tee_key_params_equal(&cvs_key_file_get_tpm2_slot(key, 0)->tee_key,
                                            &cvs_key_file_get_tpm2_slot(key, 1)->tee_key));
    expect(&machine, "");
    tee_sim_must(machine.vm.tee.sim, "reported-lags=off");
    tee_sim_must(machine.vm.tee.sim, "low-tcb=snp");
    expect_error(&machine, CVS_ERROR_ATTESTATION_FAILED, "0x16");
}

/* A provider's key of its region is of the TCB that is reported, and another is loaded with it. */
static void
test_derived_key_vlek(void)
{
    const CvsSealOptions options = {.derived_key = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, "signer=vlek low-tcb=snp", ""))
        return;
    set_plain(&machine, "");
    error = try_seal(&machine, &options);
    g_assert_no_error(error);
    tee_sim_must(machine.vm.tee.sim, "low-tcb=none");
    expect(&machine, "DerivedKeyDiffers");
    tee_sim_must(machine.vm.tee.sim, "reported-lags=on");
    expect(&machine, "");
}

static void
test_derived_key_profile(void)
{
    const CvsSealOptions none = {0};
    const CvsSealOptions derived = {.derived_key = TRUE, .replace = TRUE};
    g_auto(Machine) machine = {0};
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, NULL, ""))
        return;
    set_plain(&machine, "");
    error = try_seal(&machine, &none);
    g_assert_no_error(error);
    set_plain(&machine, "[Secrets]\nDerivedKey=required\n");
    expect(&machine, "DerivedKeyRequired");
    error = try_reseal(&machine);
    g_assert_no_error(error);
    expect(&machine, "");
    set_plain(&machine, "[Secrets]\nDerivedKey=forbidden\n");
    error = try_seal(&machine, &derived);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    expect(&machine, "");
    /* What it has come to forbid keeps the key still, until somebody says that it may go. */
    g_clear_error(&error);
    error = try_reseal_dropping(&machine, CVS_DROP_PIN);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_DERIVED_KEY_FORBIDDEN));
    g_assert_nonnull(strstr(error->message, "a key that the TEE derives"));
    text = cvs_release_explain(request(&machine), &machine.owner, "db", NULL);
    g_assert_nonnull(strstr(text, "\"forbidden\":[{\"code\":\"DerivedKeyForbidden\""));
    g_clear_error(&error);
    set_plain(&machine, "[Secrets]\nDerivedKey=required\n");
    error = try_reseal_dropping(&machine, CVS_DROP_DERIVED_KEY);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_DERIVED_KEY_REQUIRED));
    g_clear_error(&error);
    set_plain(&machine, "[Secrets]\nDerivedKey=forbidden\n");
    error = try_reseal_dropping(&machine, CVS_DROP_DERIVED_KEY);
    g_assert_no_error(error);
    expect(&machine, "");
    g_clear_pointer(&machine.asker, cvs_tee_asker_free);
    expect(&machine, "");
}

/* The host's TPM: what is sealed in it is the host's too, but for the derived key. */
static void
test_derived_key_host(void)
{
    const CvsSealOptions none = {0};
    const CvsSealOptions derived = {.derived_key = TRUE};
    g_auto(Machine) machine = {0};
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, NULL, "Types=snp"))
        return;
    error = try_seal(&machine, &derived);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_VTPM_KIND_REFUSED));
    g_clear_error(&error);
    set_profile(&machine, "Types=snp\n[vTPM]\nKinds=host");
    error = try_seal(&machine, &none);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_VTPM_NOT_TRUSTED);
    g_assert_nonnull(strstr(error->message, "--derived-key"));
    g_clear_error(&error);
    error = try_seal(&machine, &derived);
    g_assert_no_error(error);
    expect(&machine, "");
    text = cvs_release_explain(request(&machine), &machine.owner, "db", &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "\"pcrs_bind_host\":false"));
    g_assert_nonnull(strstr(text, "\"tee_key\":true"));
}

/* What the profile says of the TPM is all there is to know of it before the next boot. */
static void
test_ephemeral(void)
{
    const CvsSealOptions none = {0};
    const CvsSealOptions this_boot = {.this_boot = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_SNP, "svsm=on vmpl=2", SVSM "\n[vTPM]\nPersistent=no"))
        return;
    error = try_seal(&machine, &none);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_TPM_EPHEMERAL));
    g_assert_nonnull(strstr(error->message, "--this-boot"));
    g_clear_error(&error);
    error = try_seal(&machine, &this_boot);
    g_assert_no_error(error);
    expect(&machine, "");
    attest_bed_change_tpm(&machine.vm, 1);
    restart(&machine);
    expect(&machine, "SrkChanged");
}

/* A vTPM that is a TD is new with that TD: what the profile says of it counts, and else that. */
static void
test_ephemeral_td(void)
{
    static const struct {
        const char *lines;
        gboolean this_boot, refused;
    } cases[] = {
        {"", FALSE, TRUE},
        {"", TRUE, FALSE},
        {"[vTPM]\nPersistent=yes", FALSE, FALSE},
        {"[vTPM]\nPersistent=no", FALSE, TRUE},
        {"[vTPM]\nPersistent=no", TRUE, FALSE},
    };

    for (gsize j = 0; j < 2 * G_N_ELEMENTS(cases); j++) {
        gsize i = j / 2;
        g_autofree char *text =
            g_strconcat("[Registers]\nPCRs=7\n[TEE]\nTypes=tdx\n", cases[i].lines, "\n", NULL);
        g_auto(CvsSlotConditions) td = {
            .claims = json_pack("{s:s}", "vtpm.kind", j % 2 ? "vtpm-td" : "vtpm-td-unlisted")};
        g_auto(CvsSlotConditions) host = {.claims = json_pack("{s:s}", "vtpm.kind", "host")};
        g_autoptr(GError) error = NULL, refused = NULL;
        g_autoptr(CvsProfile) profile =
            cvs_profile_parse("test", "test.policy", text, strlen(text), &error);

        g_assert_no_error(error);
        g_assert_true(cvs_conditions_check_persistent(profile, &td, cases[i].this_boot, &refused) ==
                      !cases[i].refused);
        if (cases[i].refused) {
            assert_refused(refused, NOT_SUPPORTED, CVS_REASON_TPM_EPHEMERAL);
            g_assert_nonnull(strstr(refused->message, "--this-boot"));
        }
        g_assert_true(cvs_conditions_check_persistent(profile, &host, TRUE, &error));
        g_assert_true(cvs_conditions_check_persistent(profile, &host, FALSE, NULL) ==
                      (strstr(cases[i].lines, "=no") == NULL));
    }
}

static void
test_derived_key_tdx(void)
{
    const CvsSealOptions derived = {.derived_key = TRUE};
    g_auto(Machine) machine = {0};
    g_autoptr(GError) error = NULL;

    if (!machine_init(&machine, TEE_SIM_TDX, NULL, TD))
        return;
    error = try_seal(&machine, &derived);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_DERIVED_KEY_UNAVAILABLE));
    g_assert_nonnull(strstr(error->message, "tdx"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/tee/svsm", test_svsm);
    g_test_add_func("/release/tee/debug", test_debug);
    g_test_add_func("/release/tee/rtmrs", test_rtmrs);
    g_test_add_func("/release/tee/zero-rtmrs", test_zero_rtmrs);
    g_test_add_func("/release/tee/plain-beside", test_plain_beside);
    g_test_add_func("/release/tee/derived-key", test_derived_key);
    g_test_add_func("/release/tee/derived-key-failures", test_derived_key_failures);
    g_test_add_func("/release/tee/derived-key-busy", test_derived_key_busy);
    g_test_add_func("/release/tee/derived-key-once", test_derived_key_once);
    g_test_add_func("/release/tee/derived-key-threads", test_derived_key_threads);
    g_test_add_func("/release/tee/derived-key-tcb", test_derived_key_tcb);
    g_test_add_func("/release/tee/derived-key-vlek", test_derived_key_vlek);
    g_test_add_func("/release/tee/derived-key-profile", test_derived_key_profile);
    g_test_add_func("/release/tee/derived-key-host", test_derived_key_host);
    g_test_add_func("/release/tee/ephemeral", test_ephemeral);
    g_test_add_func("/release/tee/ephemeral-td", test_ephemeral_td);
    g_test_add_func("/release/tee/derived-key-tdx", test_derived_key_tdx);
    return g_test_run();
}
