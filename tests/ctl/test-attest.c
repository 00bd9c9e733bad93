/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cvmseal attest, cvmseal verify and cvmseal policy as a user meets them, with a simulated guest of
 * an SVSM. */

#include "attest/attest-bed.h"
#include "program.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    AttestBed bed;
    char *config, *direct, *roots, *listed, *asserted, *out;
} World;

static char *
write_file(World *world, const char *name, const char *text)
{
    char *path = g_build_filename(world->bed.tee.dir, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

/* vtpm_td: a TD, whose TPM is another one; else an SNP guest. */
static gboolean
world_init_whole(World *world, const char *switches, gboolean vtpm_td)
{
    const CvsTeePaths *paths = NULL;
    g_autofree char *config = NULL, *direct = NULL, *listed = NULL, *asserted = NULL;
    g_autofree char *lists = NULL;

    if (!(vtpm_td ? attest_bed_init_vtpm_td(&world->bed, NULL, VTPM_TD_MEASURED_LATER)
                  : attest_bed_init(&world->bed, TEE_SIM_SNP, switches)))
        return FALSE;
    paths = world->bed.tee.paths;
    config = g_strdup_printf("[TEE]\nConfigfsPath=%s\nSevGuestPath=%s\nSevVmplPath=%s\n"
                             "TdxGuestPath=%s\nCcelTablePath=%s\nCcelDataPath=%s\n"
                             "TpmLogPath=%s\nRunPath=%s\n",
                             paths->configfs, paths->sev_guest, paths->sev_vmpl, paths->tdx_guest,
                             paths->ccel_table, paths->ccel_data, paths->tpm_log, paths->run_dir);
    world->config = write_file(world, "cvmseal.conf", config);
    lists = vtpm_td ? vtpm_td_lists(world->bed.tee.sim) : g_strdup("");
    listed = g_strdup_printf("[Registers]\nPCRs=7\n[TEE]\nTypes=%s\nMeasurements=%s\n[vTPM]\n%s",
                             vtpm_td ? "tdx" : "snp", world->bed.measurement, lists);
    asserted = g_strconcat(listed, "AllowAssertedAK=yes\n", NULL);
    world->listed = write_file(world, "listed.policy", listed);
    world->asserted = write_file(world, "asserted.policy", asserted);
    world->roots = g_build_filename(world->bed.tee.state, "roots", NULL);
    direct = g_strdup_printf("%sTestRoots=%s\nCollateralPath=%s\n", config, world->roots,
                             world->bed.store);
    world->direct = write_file(world, "direct.conf", direct);
    world->out = g_build_filename(world->bed.tee.dir, "evidence.json", NULL);
    return TRUE;
}

static gboolean
world_init_with(World *world, const char *switches)
{
    return world_init_whole(world, switches, FALSE);
}

static gboolean
world_init(World *world)
{
    return world_init_with(world, "svsm=on vmpl=2");
}

static void
world_clear(World *world)
{
    if (world->config == NULL)
        return;
    attest_bed_clear(&world->bed);
    g_free(world->config);
    g_free(world->direct);
    g_free(world->roots);
    g_free(world->listed);
    g_free(world->asserted);
    g_free(world->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

/* Runs it, and asserts how it ends; stdout, or stderr where there is nothing. */
static char *
run(int code, const char *first, ...)
{
    const char *const before[] = {NULL};
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    va_list list;
    int got = 0;

    va_start(list, first);
    got = program_run_list(&out, &err, before, first, list);
    va_end(list);
    if (got != code)
        g_error("ends with %d: %s%s", got, out, err);
    return *out ? g_steal_pointer(&out) : g_steal_pointer(&err);
}

static void
assert_says(char *text, const char *says)
{
    if (strstr(text, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", text, says);
    g_free(text);
}

static void
test_whole(void)
{
    g_auto(World) world = {0};
    const char *tcti = NULL;
    g_autofree char *verdict = NULL;
    g_autoptr(json_t) json = NULL;

    if (!world_init(&world))
        return;
    tcti = test_tpm_port(world.bed.tpm, "program");
#define ATTEST "attest", "--direct", "--config", world.direct, "--tcti", tcti
#define VERIFY "verify", world.out, "--roots", world.roots, "--store", world.bed.store
    g_free(run(0, ATTEST, "--nonce", "6f6e65", "--user-data", "cafe", "--out", world.out, NULL));
    verdict = run(0, VERIFY, "--nonce", "6f6e65", "--policy", world.asserted, "--json", NULL);
    json = json_loads(verdict, JSON_REJECT_DUPLICATES, NULL);
    g_assert_nonnull(json);
    g_assert_cmpstr(json_string_value(json_object_get(json, "verdict")), ==, "accepted");
    g_assert_true(json_is_true(json_object_get(json, "test_roots")));
    g_assert_cmpuint(json_object_size(json_object_get(json_object_get(json, "pcrs"), "pcrs")), ==,
                     16);
    json_t *claims = json_object_get(json, "claims");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, "svsm");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.user_data")), ==, "cafe");

    assert_says(run(0, VERIFY, "--policy", world.asserted, NULL), "svsm");
    assert_says(run(3, VERIFY, "--policy", world.listed, NULL), "AkUnproven");
    assert_says(run(3, VERIFY, NULL), "SvsmUnlisted");
    assert_says(run(3, VERIFY, "--nonce", "6f6e66", "--policy", world.asserted, NULL),
                "NonceMismatch");
    assert_says(
        run(3, "verify", world.out, "--policy", world.asserted, "--store", world.bed.store, NULL),
        "ChainIncomplete");
    assert_says(run(3, VERIFY, "--policy", world.asserted, "--at", "2001-01-01T00:00:00Z", NULL),
                "CertNotYetValid");
    /* It is not written over. */
    assert_says(run(2, ATTEST, "--out", world.out, NULL), "is there already");
    g_assert_cmpuint(tee_sim_requests(world.bed.tee.sim), ==, 1);
}

static void
assert_no_file(const char *path)
{
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        g_error("%s is there", path);
}

/* As a reader of the manual does it: an SVSM names no AK, so the verifier challenges it. */
static void
test_challenge(void)
{
    g_auto(World) world = {0};
    const char *tcti = NULL;
    g_autofree char *challenge = NULL, *kept = NULL, *answered = NULL, *verdict = NULL;
    g_autofree char *copy = NULL, *copied = NULL, *made = NULL;
    g_autoptr(json_t) json = NULL;
    GStatBuf st = {0};

    if (!world_init(&world))
        return;
    tcti = test_tpm_port(world.bed.tpm, "program");
    challenge = g_build_filename(world.bed.tee.dir, "challenge", NULL);
    kept = g_strconcat(challenge, ".answer", NULL);
    answered = g_build_filename(world.bed.tee.dir, "answered.json", NULL);
    g_free(run(0, ATTEST, "--out", world.out, NULL));
    assert_says(run(3, VERIFY, "--policy", world.listed, NULL), "AkUnproven");

    /* Not for evidence that is refused for anything else. */
    assert_says(run(3, VERIFY, "--make-challenge", challenge, NULL), "SvsmUnlisted");
    assert_no_file(challenge);
    assert_no_file(kept);
    made = run(0, VERIFY, "--policy", world.listed, "--make-challenge", challenge, "--json", NULL);
    json = json_loads(made, JSON_REJECT_DUPLICATES, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(json, "challenge")), ==, challenge);
    g_assert_cmpstr(json_string_value(json_object_get(json, "answer")), ==, kept);
    g_assert_cmpint(g_stat(kept, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
    assert_says(run(2, VERIFY, "--policy", world.listed, "--make-challenge", challenge, NULL),
                "is there already");

    g_free(
        run(0, ATTEST, "--challenge", challenge, "--user-data", "cafe", "--out", answered, NULL));
#define ANSWERED "verify", answered, "--roots", world.roots, "--store", world.bed.store
    /* Without what was kept the answer is worth nothing. */
    assert_says(run(3, ANSWERED, "--policy", world.listed, NULL), "AkUnproven");
    /* What is refused does not use it up. */
    assert_says(run(3, ANSWERED, "--challenge-answer", kept, NULL), "SvsmUnlisted");
    assert_says(run(3, VERIFY, "--policy", world.listed, "--challenge-answer", kept, NULL),
                "ChallengeUnanswered");
    assert_says(run(2, ANSWERED, "--challenge-answer", kept, "--nonce", "6f6e65", NULL), "--nonce");
    g_assert_true(g_file_get_contents(kept, &copy, NULL, NULL));
    verdict =
        run(0, ANSWERED, "--policy", world.listed, "--challenge-answer", kept, "--json", NULL);
    json_decref(json);
    json = json_loads(verdict, JSON_REJECT_DUPLICATES, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(json_object_get(json, "claims"), "vtpm.ak")),
                    ==, "challenged");
    /* Once. */
    assert_no_file(kept);
    assert_says(run(2, ANSWERED, "--policy", world.listed, "--challenge-answer", kept, NULL), kept);

    /* Another TPM has other keys, and is not asked. */
    copied = write_file(&world, "copy.answer", copy);
    attest_bed_change_tpm(&world.bed, 1);
    g_assert_cmpint(g_unlink(answered), ==, 0);
    assert_says(run(3, ATTEST, "--challenge", challenge, "--out", answered, NULL), "another TPM");
    assert_no_file(answered);
}

/* The same of a TPM that is a TD. */
static void
test_vtpm_td(void)
{
    g_auto(World) world = {0};
    const char *tcti = NULL;
    g_autofree char *challenge = NULL, *kept = NULL, *answered = NULL, *verdict = NULL;
    g_autofree char *plain = NULL;
    g_autoptr(json_t) json = NULL;
    json_t *claims = NULL;

    if (!world_init_whole(&world, NULL, TRUE))
        return;
    tcti = test_tpm_port(world.bed.tpm, "program");
    challenge = g_build_filename(world.bed.tee.dir, "challenge", NULL);
    kept = g_strconcat(challenge, ".answer", NULL);
    answered = g_build_filename(world.bed.tee.dir, "answered.json", NULL);
    plain = write_file(&world, "plain.policy", "[Registers]\nPCRs=7\n[TEE]\nTypes=tdx\n");
    g_free(run(0, ATTEST, "--out", world.out, NULL));
    assert_says(run(3, VERIFY, "--policy", plain, "--json", NULL), "VtpmTdUnlisted");
    assert_says(run(3, VERIFY, "--policy", world.listed, NULL), "AkUnproven");
    g_free(run(0, VERIFY, "--policy", world.listed, "--make-challenge", challenge, NULL));
    g_free(run(0, ATTEST, "--challenge", challenge, "--out", answered, NULL));
    assert_says(run(3, ANSWERED, "--policy", world.listed, NULL), "AkUnproven");
    verdict =
        run(0, ANSWERED, "--policy", world.listed, "--challenge-answer", kept, "--json", NULL);
    json = json_loads(verdict, JSON_REJECT_DUPLICATES, NULL);
    claims = json_object_get(json, "claims");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, "vtpm-td");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.ak")), ==, "challenged");
    /* For whoever writes the lists. */
    assert_says(run(3, ANSWERED, "--policy", plain, NULL),
                json_string_value(json_object_get(claims, "vtpm.td.measurement")));
    assert_says(run(3, ANSWERED, "--policy", plain, NULL),
                json_string_value(json_object_get(claims, "vtpm.td.rtmr1")));
}

static void
assert_file(const char *path, const char *wanted)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, wanted);
}

#define HEAD "# mine\n[Registers]\nPCRs=7\n"
#define OTHER                                                                                      \
    "ffffffffffffffffffffffffffffffffffffffffffffffff"                                             \
    "ffffffffffffffffffffffffffffffffffffffffffffffff"

/* The machine is listed in a profile, and in no other way than by adding to the list. */
static void
test_pin(void)
{
    g_auto(World) world = {0};
    const char *tcti = NULL, *dir = NULL;
    g_autofree char *mine = NULL, *strict = NULL, *host = NULL, *pinned = NULL;
    g_autofree char *verdict = NULL, *wanted = NULL, *twice = NULL, *list = NULL, *plain = NULL;
    g_autoptr(json_t) json = NULL;
    GStatBuf st = {0};

    if (!world_init(&world))
        return;
    tcti = test_tpm_port(world.bed.tpm, "program");
    dir = world.bed.tee.dir;
#define PIN                                                                                        \
    "policy", "pin", "--config", world.config, "--tcti", tcti, "--roots", world.roots, "--store",  \
        world.bed.store, "--policies", dir
    mine = write_file(&world, "mine.policy",
                      HEAD "[TEE]\nAllowTestRoots=yes\nMeasurements=" OTHER "\n# end\n");
    g_assert_cmpint(g_chmod(mine, 0640), ==, 0);
    wanted = g_strdup_printf(HEAD "[TEE]\nAllowTestRoots=yes\nMeasurements=" OTHER " %s\n# end\n",
                             world.bed.measurement);
    pinned = run(0, PIN, "mine", "--json", NULL);
    json = json_loads(pinned, JSON_REJECT_DUPLICATES, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(json, "measurement")), ==,
                    world.bed.measurement);
    g_assert_cmpstr(json_string_value(json_object_get(json, "kind")), ==, "svsm");
    g_assert_true(json_is_true(json_object_get(json, "added")));
    assert_file(mine, wanted);
    g_assert_cmpint(g_stat(mine, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0640);
    assert_says(run(0, PIN, "mine", NULL), "already");
    assert_file(mine, wanted);

    /* Refused for more than that it is not listed: nothing is written. */
    strict = write_file(&world, "strict.policy",
                        HEAD "[TEE]\nTypes=snp\nAllowTestRoots=yes\n[SNP]\nLines=Milan\n");
    assert_says(run(3, PIN, "strict", "--json", NULL), "LineRefused");
    assert_file(strict, HEAD "[TEE]\nTypes=snp\nAllowTestRoots=yes\n[SNP]\nLines=Milan\n");
    host = write_file(&world, "roots.policy", HEAD "[TEE]\n");
    assert_says(run(3, PIN, "roots", "--json", NULL), "TestRoots");
    assert_file(host, HEAD "[TEE]\n");
    assert_says(run(2, PIN, "missing", NULL), "missing");

    /* One that is named is not attested. */
    list = g_strdup_printf("%s%s", HEAD, "\n[TEE]\nMeasurements=" OTHER "\n");
    twice = write_file(&world, "named.policy", HEAD);
    assert_says(run(0, "policy", "pin", "named", "--policies", dir, "--measurement", OTHER, NULL),
                OTHER);
    assert_file(twice, list);
    assert_says(run(0, "policy", "pin", "named", "--policies", dir, "--measurement", OTHER, NULL),
                "pass itself off");
    g_free(write_file(&world, "plain.policy", HEAD "[vTPM]\nKinds=host\n"));
    plain = run(0, "policy", "pin", "plain", "--policies", dir, "--measurement", OTHER, NULL);
    g_assert_nonnull(strstr(plain, OTHER));
    g_assert_null(strstr(plain, "pass itself off"));
    assert_says(run(2, "policy", "pin", "named", "--policies", dir, "--measurement", "ff", NULL),
                "48 bytes");
}

/* A guest without SVSM is listed only where nothing else could be meant by it. */
static void
test_pin_host(void)
{
    g_auto(World) world = {0};
    const char *tcti = NULL, *dir = NULL;
    g_autofree char *both = NULL, *alone = NULL, *wanted = NULL;

    if (!world_init_with(&world, NULL))
        return;
    tcti = test_tpm_port(world.bed.tpm, "program");
    dir = world.bed.tee.dir;
    both = write_file(&world, "both.policy",
                      HEAD "[TEE]\nAllowTestRoots=yes\n[vTPM]\nKinds=svsm host\n");
    assert_says(run(2, PIN, "both", NULL), "pass itself off");
    assert_file(both, HEAD "[TEE]\nAllowTestRoots=yes\n[vTPM]\nKinds=svsm host\n");
    alone =
        write_file(&world, "alone.policy", HEAD "[TEE]\nAllowTestRoots=yes\n[vTPM]\nKinds=host\n");
    g_free(run(0, PIN, "alone", NULL));
    wanted =
        g_strdup_printf(HEAD "[TEE]\nMeasurements=%s\nAllowTestRoots=yes\n[vTPM]\nKinds=host\n",
                        world.bed.measurement);
    assert_file(alone, wanted);
}

static void
test_policy(void)
{
    g_autofree char *dir = g_dir_make_tmp("cvs-policy-XXXXXX", NULL);
    g_autofree char *good = g_build_filename(dir, "good.policy", NULL);
    g_autofree char *bad = g_build_filename(dir, "bad.policy", NULL);
    g_autofree char *line = g_strconcat(bad, ":3: ", NULL);
    g_autofree char *shown = NULL;
    g_autoptr(json_t) json = NULL;
    json_t *groups = NULL;

    g_assert_true(g_file_set_contents(good, "[Registers]\nPCRs=7\n[TEE]\nTypes=snp\n", -1, NULL));
    g_assert_true(g_file_set_contents(bad, "[Registers]\nPCRs=7\nPCRs=8\n", -1, NULL));
    assert_says(run(0, "policy", "check", good, NULL), "good.policy is a profile");
    assert_says(run(5, "policy", "check", bad, NULL), line);
    assert_says(run(5, "policy", "check", bad, "--json", NULL), line);
    assert_says(run(2, "policy", "check", "/nonexistent", NULL), "/nonexistent");
    assert_says(run(2, "policy", "check", NULL), "policy show");
    assert_says(run(0, "policy", "show", "good", "--policies", dir, NULL), "\n#AllowDebug=no\n");
    assert_says(run(5, "policy", "show", "bad", "--policies", dir, NULL), line);
    assert_says(run(2, "policy", "show", "--policies", dir, NULL), "default");
    shown = run(0, "policy", "show", "good", "--policies", dir, "--json", NULL);
    json = json_loads(shown, JSON_REJECT_DUPLICATES, NULL);
    groups = json_object_get(json, "profile");
    g_assert_cmpstr(json_string_value(json_object_get(json, "file")), ==, good);
    g_assert_cmpstr(json_string_value(json_object_get(json_object_get(groups, "TEE"), "Types")), ==,
                    "snp");
    g_assert_cmpuint(json_array_size(json_object_get(json, "defaults")), ==, 9);
    test_remove_tree(dir);
}

static void
test_usage(void)
{
    g_autofree char *path = NULL, *long_challenge = NULL, *filling = NULL;
    g_autofree char *dir = g_dir_make_tmp("cvs-attest-XXXXXX", NULL);

    path = g_build_filename(dir, "bad.json", NULL);
    g_assert_true(g_file_set_contents(path, "{}", -1, NULL));
    assert_says(run(5, "verify", path, NULL), "type");
    assert_says(run(2, "verify", path, "--nonce", "", NULL), "--nonce");
    assert_says(run(2, "verify", path, "--at", "now", NULL), "--at");
    assert_says(run(2, "verify", NULL), "EVIDENCE");
    assert_says(run(2, "verify", "/nonexistent", NULL), "/nonexistent");
    assert_says(run(2, "attest", "--nonce", "0", NULL), "--nonce");
    assert_says(run(2, "attest", "--user-data", "x", NULL), "--user-data");
    assert_says(run(2, "attest", "--nonce", "00", "--challenge", path, NULL), "--nonce");
    assert_says(run(5, "attest", "--challenge", path, NULL), "type");
    assert_says(run(2, "attest", "--tcti", "none", NULL), "--direct");
    filling = g_strnfill(CVS_CHALLENGE_SIZE_MAX + 1, ' ');
    long_challenge = g_build_filename(dir, "long.json", NULL);
    g_assert_true(g_file_set_contents(long_challenge, filling, -1, NULL));
    assert_says(run(5, "attest", "--challenge", long_challenge, NULL), long_challenge);
    assert_says(run(5, "verify", path, "--challenge-answer", path, NULL), "type");
    assert_says(run(2, "verify", path, "--make-challenge", "x", "--challenge-answer", "y", NULL),
                "one challenge");
    test_remove_tree(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* No test roots are taken that a group could have written. */
    (void)umask(022);
    g_test_add_func("/ctl/attest/whole", test_whole);
    g_test_add_func("/ctl/attest/challenge", test_challenge);
    g_test_add_func("/ctl/attest/vtpm-td", test_vtpm_td);
    g_test_add_func("/ctl/policy/pin", test_pin);
    g_test_add_func("/ctl/policy/pin-host", test_pin_host);
    g_test_add_func("/ctl/policy/show-and-check", test_policy);
    g_test_add_func("/ctl/attest/usage", test_usage);
    return g_test_run();
}
