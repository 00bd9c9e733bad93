/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cvmseal as a user of a confidential VM meets it: over the bus, with the daemon, a TPM and a TEE.
 */

#include "base/hex.h"
#include "base/json.h"
#include "matrix-bed.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define LISTED "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=snp\nMeasurements=%M\n"
#define TIGHTENED                                                                                  \
    "[Registers]\nPCRs=0+2+7\nRequirePCRs=0+2+7\n"                                                 \
    "[TEE]\nAllowTestRoots=yes\nTypes=snp\nMeasurements=%M\n"
#define EPHEMERAL LISTED "[vTPM]\nPersistent=no\n"
#define HOST "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=snp\n[vTPM]\nKinds=host\n"
#define SENTENCE "PCRs do not bind the host"
#define ROOT 0

static Matrix *matrix;

static char *
file_of(const char *name)
{
    return g_build_filename(matrix->dir, name, NULL);
}

static char *
write_file(const char *name, const char *text)
{
    char *path = file_of(name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0644), ==, 0);
    return path;
}

static void
assert_says(char *text, const char *says)
{
    if (strstr(text, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", text, says);
    g_free(text);
}

static void
assert_silent(char *text, const char *about)
{
    if (strstr(text, about))
        g_error("\"%s\" says \"%s\"", text, about);
    g_free(text);
}

/* The program's JSON; nothing may stand on stderr. */
static json_t *
json_of(uid_t uid, const char *line)
{
    g_autofree char *text = matrix_run_as(matrix, uid, 0, "%s --json", line);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (json == NULL)
        g_error("no JSON: %s", text);
    return json;
}

static const char *
string_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    g_assert_nonnull(text);
    return text;
}

/* It opens over the bus, and nothing but the secret comes. */
static void
assert_opens(uid_t uid, const char *words)
{
    g_autofree char *text = matrix_run_as(matrix, uid, 0, "unseal %s", words);

    g_assert_cmpstr(text, ==, MATRIX_SECRET);
}

static void
assert_refused(uid_t uid, const char *words, const char *reason)
{
    assert_says(matrix_run_as(matrix, uid, 3, "unseal %s --json", words), reason);
}

static guint
count_slots(const char *line)
{
    g_autoptr(json_t) json = json_of(ROOT, line);

    return (guint)json_array_size(json_object_get(json, "slots"));
}

/* A machine without an SVSM, whose TPM nothing vouches for. */
static void
become_host(void)
{
    matrix_set(matrix, "svsm=off vmpl=0");
    matrix_set_profile(matrix, HOST);
    matrix_restart(matrix);
}

static void
become_svsm(void)
{
    matrix_set(matrix, "svsm=on vmpl=2");
    matrix_set_profile(matrix, LISTED);
    matrix_restart(matrix);
}

/* A file of a policy that verifies elsewhere. */
static char *
write_policy(const char *name, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "[Registers]\nPCRs=7\n[TEE]\nTypes=snp\nMeasurements=%s\n%s", matrix->measurement, more);

    return write_file(name, text);
}

/* Evidence in a new file, with these words. */
static char *
attest(const char *name, const char *words)
{
    char *path = file_of(name);

    (void)g_unlink(path);
    matrix_forget_pace(matrix);
    assert_says(matrix_run_as(matrix, ROOT, 0, "attest --out %s%s", path, words), "TEST ROOTS");
    return path;
}

/* code and what is said when it is verified with these words. */
static char *
verify(const char *path, int code, const char *words)
{
    return matrix_run(matrix, code, "verify %s --roots %s --store %s --json %s", path,
                      matrix->roots, matrix->store, words);
}

static void
test_attest(void)
{
    g_autofree char *nonce = g_strnfill(130, 'a');
    g_autofree char *data = g_strnfill(2050, 'a');
    g_autofree char *policy = write_policy("asserted.policy", "[vTPM]\nAllowAssertedAK=yes\n");
    g_autofree char *with = g_strdup_printf("--policy %s --nonce 6f6e65", policy);
    g_autofree char *other = g_strdup_printf("--policy %s --nonce 6f6e66", policy);
    g_autofree char *path = attest("evidence.json", " --nonce 6f6e65 --user-data cafe");
    g_autofree char *text = verify(path, 0, with);
    g_autoptr(json_t) json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *claims = json_object_get(json, "claims");

    g_assert_cmpstr(string_of(claims, "vtpm.kind"), ==, "svsm");
    g_assert_cmpstr(string_of(claims, "vtpm.user_data"), ==, "cafe");
    g_assert_true(json_is_true(json_object_get(claims, "vtpm.pcrs_bind_host")));
    assert_says(verify(path, 3, other), "NonceMismatch");
    matrix_forget_pace(matrix);
    assert_says(matrix_run_as(matrix, ROOT, 0, "attest"), "\"cvmseal-evidence\"");
    /* Before the TEE is asked. */
    assert_says(matrix_run_as(matrix, ROOT, 2, "attest --out %s", path), "is there already");
    assert_says(matrix_run_as(matrix, ROOT, 2, "attest --nonce %s", nonce), "--nonce");
    assert_says(matrix_run_as(matrix, ROOT, 2, "attest --user-data %s", data), "--user-data");
}

/* The same file with one member of its JSON replaced. */
static char *
edit_challenge(const char *path, const char *name, json_t *value)
{
    g_autoptr(json_t) json = json_load_file(path, 0, NULL);
    g_autofree char *text = NULL;

    g_assert_cmpint(json_object_set(json, name, value), ==, 0);
    text = cvs_json_pretty(json);
    return write_file("edited", text);
}

static void
test_challenge(void)
{
    g_autofree char *policy = write_policy("strict.policy", "");
    g_autofree char *challenge = file_of("challenge");
    g_autofree char *make = g_strdup_printf("--policy %s --make-challenge %s", policy, challenge);
    g_autofree char *with = g_strdup_printf(" --challenge %s --user-data cafe", challenge);
    g_autofree char *answer =
        g_strdup_printf("--policy %s --challenge-answer %s.answer", policy, challenge);
    g_autofree char *first = attest("first.json", "");
    g_autofree char *second = NULL, *verdict = NULL, *edited = NULL, *flipped = NULL, *large = NULL;
    g_autofree char *filling = g_strnfill(16385, ' ');
    g_autoptr(json_t) json = NULL, all = NULL, bad = NULL;
    json_t *claims = NULL;

    g_free(verify(first, 0, make));
    second = attest("second.json", with);
    verdict = verify(second, 0, answer);
    json = json_loads(verdict, JSON_REJECT_DUPLICATES, NULL);
    claims = json_object_get(json, "claims");
    g_assert_cmpstr(string_of(claims, "vtpm.ak"), ==, "challenged");
    g_assert_cmpstr(string_of(claims, "vtpm.user_data"), ==, "cafe");

    all = json_load_file(challenge, 0, NULL);
    edited = edit_challenge(challenge, "ak_name", json_object_get(all, "ek_name"));
    matrix_forget_pace(matrix);
    assert_says(matrix_run_as(matrix, ROOT, 3, "attest --challenge %s --json", edited),
                "CredentialRefused");
    flipped = g_strdup(string_of(all, "credential"));
    flipped[20] = flipped[20] == 'A' ? 'B' : 'A';
    bad = json_string(flipped);
    g_free(edited);
    edited = edit_challenge(challenge, "credential", bad);
    matrix_forget_pace(matrix);
    assert_says(matrix_run_as(matrix, ROOT, 3, "attest --challenge %s --json", edited),
                "CredentialRefused");
    large = write_file("large", filling);
    assert_says(matrix_run_as(matrix, ROOT, 5, "attest --challenge %s", large), "large");
    assert_says(matrix_run_as(matrix, ROOT, 2, "attest --challenge %s --nonce 00", challenge),
                "--nonce");
    g_assert_cmpint(g_chmod(challenge, 0644), ==, 0);
    assert_says(matrix_run_as(matrix, ALICE, 4, "attest --challenge %s", challenge),
                "org.cvmseal1.attest");
}

static void
test_attest_unprivileged(void)
{
    assert_says(matrix_run_as(matrix, ALICE, 4, "attest --nonce 00"), "org.cvmseal1.attest");
    /* Who may use the keys of others may not do this too. */
    assert_says(matrix_run_as(matrix, ADMIN, 4, "attest --nonce 00"), "org.cvmseal1.attest");
    matrix_forget_pace(matrix);
    assert_says(matrix_run_as(matrix, ATTESTER, 0, "attest --nonce 00"), "\"cvmseal-evidence\"");
}

static void
test_status(void)
{
    g_autoptr(json_t) before = NULL, after = NULL, failed = NULL;
    json_t *reasons = NULL;

    matrix_restart(matrix);
    before = json_of(ALICE, "status");
    g_assert_cmpstr(string_of(before, "attestation"), ==, "none");
    g_assert_null(json_object_get(before, "pcrs-bind-host"));
    assert_says(matrix_run_as(matrix, ALICE, 0, "status"), "not yet");
    matrix_assert_opens(matrix);
    after = json_of(ALICE, "status");
    g_assert_cmpstr(string_of(after, "attestation"), ==, "attested");
    g_assert_cmpstr(string_of(after, "tee-type"), ==, "snp");
    g_assert_cmpstr(string_of(after, "vtpm-kind"), ==, "svsm");
    g_assert_true(json_is_true(json_object_get(after, "pcrs-bind-host")));
    g_assert_true(json_is_true(json_object_get(after, "test-roots")));
    g_assert_cmpuint(json_object_size(json_object_get(after, "registers")), ==, 8);
    g_assert_cmpuint(strlen(string_of(json_object_get(after, "registers"), "pcr7")), ==, 64);
    assert_says(matrix_run_as(matrix, ALICE, 0, "status"), "svsm");
    assert_says(matrix_run_as(matrix, ALICE, 0, "status"), "pcr7");
    assert_says(matrix_run_as(matrix, ALICE, 0, "status"), "TEST ROOTS");
    assert_silent(matrix_run_as(matrix, ALICE, 0, "status"), SENTENCE);

    /* Why it failed, each reason of it. */
    matrix_set(matrix, "bad-signature=on");
    matrix_restart(matrix);
    assert_refused(ROOT, "db", "ReportSignature");
    failed = json_of(ALICE, "status");
    g_assert_cmpstr(string_of(failed, "attestation"), ==, "failed");
    reasons = json_object_get(failed, "attestation-reasons");
    g_assert_cmpuint(json_array_size(reasons), ==, 1);
    g_assert_cmpstr(string_of(json_array_get(reasons, 0), "code"), ==, "ReportSignature");
    assert_says(matrix_run_as(matrix, ALICE, 0, "status"),
                string_of(json_array_get(reasons, 0), "detail"));
    matrix_set(matrix, "reset=on");
    matrix_restart(matrix);
}

/* Wherever the TPM is not shown to be in the TEE. */
static void
test_says_host(void)
{
    g_autofree char *secret = write_file("secret", MATRIX_SECRET);
    g_autofree char *path = NULL, *policy = NULL, *with = NULL, *verdict = NULL;
    g_autoptr(json_t) status = NULL, explained = NULL, shown = NULL, listed = NULL, json = NULL;
    json_t *slot = NULL;

    assert_silent(matrix_run_as(matrix, ROOT, 0, "seal here --in %s", secret), SENTENCE);
    assert_silent(matrix_run_as(matrix, ROOT, 0, "explain here"), SENTENCE);
    assert_silent(matrix_run_as(matrix, ROOT, 0, "show here"), SENTENCE);
    g_free(matrix_run_as(matrix, ROOT, 0, "remove here"));

    become_host();
    assert_says(matrix_run_as(matrix, ROOT, 0, "seal hosts --in %s --derived-key", secret),
                "cvmseal: warning: " SENTENCE);
    assert_says(matrix_run_as(matrix, ROOT, 0, "generate made --size 32 --derived-key --json"),
                "cvmseal: warning: " SENTENCE);
    g_free(matrix_run_as(matrix, ROOT, 0, "remove made"));
    assert_says(matrix_run_as(matrix, ALICE, 0, "status"), SENTENCE);
    status = json_of(ALICE, "status");
    g_assert_true(json_is_false(json_object_get(status, "pcrs-bind-host")));
    g_assert_cmpstr(string_of(status, "vtpm-kind"), ==, "host");
    assert_says(matrix_run_as(matrix, ROOT, 0, "explain hosts"), SENTENCE);
    explained = json_of(ROOT, "explain hosts");
    slot = json_array_get(json_object_get(explained, "slots"), 0);
    g_assert_true(json_is_false(json_object_get(slot, "pcrs_bind_host")));
    assert_says(matrix_run_as(matrix, ROOT, 0, "show hosts"), SENTENCE);
    shown = json_of(ROOT, "show hosts");
    g_assert_true(json_is_false(json_object_get(shown, "pcrs-bind-host")));
    slot = json_array_get(json_object_get(shown, "slots"), 0);
    g_assert_true(json_is_false(json_object_get(slot, "pcrs-bind-host")));
    /* Without the daemon the same. */
    matrix_forget_pace(matrix);
    assert_says(
        matrix_run(matrix, 0,
                   "generate made --size 32 --derived-key --direct --config %s/cvmseal.conf "
                   "--vault %s --policies %s/policies --tcti %s",
                   matrix->bed->dir, matrix->bed->vault, matrix->bed->dir,
                   test_tpm_port(matrix->bed->tpm, "program")),
        "cvmseal: warning: " SENTENCE);
    g_free(matrix_run_as(matrix, ROOT, 0, "remove made"));
    assert_says(matrix_run(matrix, 0, "show hosts --direct --config %s/cvmseal.conf --vault %s",
                           matrix->bed->dir, matrix->bed->vault),
                SENTENCE);
    path = attest("host.json", "");
    policy = write_policy("host.policy", "[vTPM]\nKinds=host\n");
    with = g_strdup_printf("--policy %s", policy);
    verdict = verify(path, 0, with);
    json = json_loads(verdict, JSON_REJECT_DUPLICATES, NULL);
    g_assert_true(
        json_is_false(json_object_get(json_object_get(json, "claims"), "vtpm.pcrs_bind_host")));
    g_free(matrix_run_as(matrix, ROOT, 0, "remove hosts"));
    become_svsm();
}

static void
lose_device(void)
{
    g_autofree char *path = g_build_filename(matrix->bed->dir, "cvmseal.conf", NULL);
    g_autofree char *text = NULL, *without = NULL;
    g_auto(GStrv) parts = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    parts = g_strsplit(text, "/dev/sev-guest\n", -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    without = g_strjoinv("/dev/none\n", parts);
    g_assert_true(g_file_set_contents(path, without, -1, NULL));
    matrix_restart(matrix);
}

/* The key of the TEE is one factor: another measurement derives another (and is refused before it
 * is asked for one), and no device none. */
static void
test_derived_key(void)
{
    g_autofree char *secret = write_file("secret", MATRIX_SECRET);
    g_autoptr(json_t) shown = NULL;

    become_host();
    assert_says(matrix_run_as(matrix, ROOT, 3, "seal derived --in %s", secret), "--derived-key");
    g_free(matrix_run_as(matrix, ROOT, 0, "seal derived --in %s --derived-key", secret));
    shown = json_of(ROOT, "show derived");
    g_assert_true(json_is_true(json_object_get(shown, "tee-key")));
    matrix_forget_pace(matrix);
    assert_opens(ROOT, "derived");

    matrix_set(matrix, "other-guest=on");
    matrix_restart(matrix);
    assert_refused(ROOT, "derived", "ClaimDiffers");
    assert_says(matrix_run_as(matrix, ROOT, 0, "explain derived --json"), "DerivedKeyDiffers");
    matrix_set(matrix, "reset=on svsm=off vmpl=0");
    matrix_restart(matrix);
    assert_opens(ROOT, "derived");

    lose_device();
    assert_says(matrix_run_as(matrix, ROOT, 1, "unseal derived --json"), "DerivedKeyUnavailable");
    assert_says(matrix_run_as(matrix, ROOT, 0, "explain derived --json"), "DerivedKeyUnavailable");
    matrix_configure(matrix, TRUE);
    matrix_restart(matrix);
    assert_opens(ROOT, "derived");
    g_free(matrix_run_as(matrix, ROOT, 0, "remove derived"));
    become_svsm();
}

/* In a TPM that is new at each boot, as COCONUT's is. */
static void
test_this_boot(void)
{
    g_autofree char *secret = write_file("secret", MATRIX_SECRET);

    matrix_set_profile(matrix, EPHEMERAL);
    assert_says(matrix_run_as(matrix, ROOT, 1, "seal brief --in %s --json", secret),
                "TpmEphemeral");
    assert_says(matrix_run_as(matrix, ROOT, 1, "seal brief --in %s", secret), "--this-boot");
    g_free(matrix_run_as(matrix, ROOT, 0, "seal brief --in %s --this-boot", secret));
    assert_opens(ROOT, "brief");
    matrix_restart(matrix);
    assert_opens(ROOT, "brief");

    matrix_swap_tpm(matrix);
    matrix_vouch(matrix);
    matrix_restart(matrix);
    assert_refused(ROOT, "brief", "SrkChanged");
    assert_says(matrix_run_as(matrix, ROOT, 0, "explain brief --json"), "SrkChanged");
    matrix_swap_tpm_back(matrix);
    matrix_set_profile(matrix, LISTED);
    matrix_restart(matrix);
    g_free(matrix_run_as(matrix, ROOT, 0, "remove brief"));
}

/* A boot with an update of what PCR 7 measures. */
static void
boot_updated(void)
{
    test_tpm_power_cycle(matrix->bed->tpm);
    test_tpm_extend(matrix->bed->tpm, 0, "boot");
    test_tpm_extend(matrix->bed->tpm, 2, "boot");
    test_tpm_extend(matrix->bed->tpm, 7, "updated");
    matrix_restart(matrix);
}

static void
boot_as_before(void)
{
    matrix_boot_tpm(matrix);
    matrix_restart(matrix);
}

/* The register as it will be, in the form that --to takes. */
static char *
predict(void)
{
    g_autofree char *hex = NULL, *text = NULL;
    guint8 digest[CVS_DIGEST_MAX];

    boot_updated();
    test_tpm_read_pcr(matrix->bed->tpm, CVS_SHA256, 7, digest);
    hex = cvs_hex_encode(digest, 32);
    text = g_strdup_printf("{\"pcrs\": {\"sha256\": {\"7\": \"%s\"}}}", hex);
    boot_as_before();
    return write_file("next.json", text);
}

/* Before an update: either boot opens it, until the new one has. */
static void
test_reseal_to(void)
{
    g_autofree char *secret = write_file("secret", MATRIX_SECRET);
    g_autofree char *next = predict();

    g_free(matrix_run_as(matrix, ROOT, 0, "seal next --in %s", secret));
    assert_says(matrix_run_as(matrix, ROOT, 2, "reseal next --to %s --json", next),
                "RegisterNotPredicted");
    g_assert_cmpuint(count_slots("show next"), ==, 1);
    g_free(matrix_run_as(matrix, ROOT, 0, "reseal next --to %s --keep-others", next));
    g_assert_cmpuint(count_slots("show next"), ==, 2);
    /* The update is put off. */
    assert_opens(ROOT, "next");
    boot_as_before();
    assert_opens(ROOT, "next");
    g_assert_cmpuint(count_slots("show next"), ==, 2);
    /* Something else happens. */
    test_tpm_extend(matrix->bed->tpm, 7, "tampered");
    assert_refused(ROOT, "next", "PcrDiffers");
    boot_updated();
    assert_opens(ROOT, "next");
    g_assert_cmpuint(count_slots("show next"), ==, 1);
    boot_as_before();
    assert_refused(ROOT, "next", "PcrDiffers");
    assert_says(matrix_run_as(matrix, ROOT, 0, "explain next --json"), "PcrDiffers");
    g_free(matrix_run_as(matrix, ROOT, 0, "remove next"));
}

/* A profile came to want a register that a key was not sealed to. Whether it is good now its owner
 * does not know, unless he has the recovery key. */
static void
test_reseal_authorized(void)
{
    g_autofree char *secret = write_file("secret", MATRIX_SECRET);
    g_autofree char *home = file_of("alice");
    g_autofree char *recovery = g_build_filename(home, "recovery", NULL);

    g_assert_cmpint(g_mkdir(home, 0700), ==, 0);
    g_assert_cmpint(chown(home, ALICE, ALICE), ==, 0);
    for (const char *const *name = (const char *const[]){"one", "two", "three", NULL}; *name;
         name++) {
        (void)g_unlink(recovery);
        g_free(matrix_run_as(matrix, ALICE, 0, "seal %s --in %s --pcrs 0+2 --recovery-key-out %s",
                             *name, secret, recovery));
        /* As long as it opens, its owner may. */
        g_free(matrix_run_as(matrix, ALICE, 0, "reseal %s", *name));
        assert_opens(ALICE, *name);
    }
    matrix_set_profile(matrix, TIGHTENED);
    assert_refused(ALICE, "one", "PcrNotSelected");
    assert_says(matrix_run_as(matrix, ALICE, 4, "reseal one --json"), "ResealNotAuthorized");
    assert_says(matrix_run_as(matrix, BOB, 4, "reseal one --owner uid:%d", ALICE),
                "org.cvmseal1.manage");
    assert_refused(ALICE, "one", "PcrNotSelected");

    g_free(matrix_run_as(matrix, ROOT, 0, "reseal one --owner uid:%d", ALICE));
    assert_opens(ALICE, "one");
    g_free(matrix_run_as(matrix, ADMIN, 0, "reseal two --owner uid:%d", ALICE));
    assert_opens(ALICE, "two");
    g_free(matrix_run_as(matrix, ALICE, 0, "reseal three --recovery-key-file %s", recovery));
    assert_opens(ALICE, "three");
    matrix_set_profile(matrix, LISTED);
}

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {.type = TEE_SIM_SNP,
                                   .switches = "svsm=on vmpl=2 certs=chain",
                                   .profile = LISTED,
                                   .options =
                                       "{'replace': <true>, 'require': <'measurement,tcb'>}"};
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    matrix = matrix_new(&machine);
    if (matrix == NULL)
        return 0;
    g_test_add_func("/matrix/program/attest", test_attest);
    g_test_add_func("/matrix/program/challenge", test_challenge);
    g_test_add_func("/matrix/program/attest-unprivileged", test_attest_unprivileged);
    g_test_add_func("/matrix/program/status", test_status);
    g_test_add_func("/matrix/program/says-host", test_says_host);
    g_test_add_func("/matrix/program/derived-key", test_derived_key);
    g_test_add_func("/matrix/program/this-boot", test_this_boot);
    g_test_add_func("/matrix/program/reseal-to", test_reseal_to);
    g_test_add_func("/matrix/program/reseal-authorized", test_reseal_authorized);
    result = g_test_run();
    matrix_free(matrix);
    return result;
}
