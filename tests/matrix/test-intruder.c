/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What somebody can do who has the disk, the way to the TPM, the TPM's state, or the evidence that
 * goes out: the daemon refuses each, and a verifier each bundle of which a part is another's. */

#include "base/file.h"
#include "base/json.h"
#include "matrix-bed.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define LISTED "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=snp\nMeasurements=%M\n"
#define STORE_KEY "0123456789abcdef0123456789abcdef"

static Matrix *matrix;

static char *
key_path(const char *name)
{
    return g_build_filename(matrix->bed->vault, "keys", "uid-0", name, NULL);
}

static void
expect_outcome(const char *wanted)
{
    g_autofree char *outcome = matrix_unseal(matrix, "db");

    g_assert_cmpstr(outcome, ==, wanted);
}

static void
give_store_key(void)
{
    g_assert_true(g_file_set_contents(matrix->store_key, STORE_KEY, 32, NULL));
    g_assert_cmpint(g_chmod(matrix->store_key, 0400), ==, 0);
}

/* The base64url text of a slot, with one text in its JSON replaced. */
static char *
edit_slot(const char *slot, const char *what, const char *with)
{
    g_autofree char *padded = g_strdup_printf("%s%s", slot, &"==="[(strlen(slot) + 3) % 4]);
    g_autofree guchar *decoded = NULL;
    g_autofree char *json = NULL;
    g_autofree char *edited = NULL;
    g_auto(GStrv) parts = NULL;
    gsize size = 0;
    char *encoded = NULL;

    g_strdelimit(padded, "-", '+');
    g_strdelimit(padded, "_", '/');
    decoded = g_base64_decode(padded, &size);
    json = g_strndup((const char *)decoded, size);
    parts = g_strsplit(json, what, 2);
    if (parts[0] == NULL || parts[1] == NULL)
        g_error("no %s in %s", what, json);
    edited = g_strjoinv(with, parts);
    encoded = g_base64_encode((const guchar *)edited, strlen(edited));
    g_strdelimit(encoded, "+", '-');
    g_strdelimit(encoded, "/", '_');
    *strchrnul(encoded, '=') = '\0';
    return encoded;
}

static json_t *
load_json(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);

    g_assert_nonnull(json);
    return json;
}

static void
save_json(const char *path, json_t *json)
{
    g_assert_cmpint(json_dump_file(json, path, JSON_COMPACT), ==, 0);
}

typedef struct {
    const char *name;
    const char *what;
    const char *with;
    const char *outcome;
} Edit;

static const Edit edits[] = {
    /* What holds now, so that only the TPM's secret and the slot's own bytes are between. */
    {"floor-lowered", "\"tee.tcb.reported.snp\":2", "\"tee.tcb.reported.snp\":1",
     "BadFormat: SlotAltered"},
    {"claim-dropped", ",\"vtpm.kind\":\"svsm\"", "", "BadFormat: SlotAltered"},
    {"profile", "\"profile\":\"default\"", "\"profile\":\"other\"", "BadFormat: SlotAltered"},
    {"claim", "\"tee.policy.debug\":false", "\"tee.policy.debug\":true",
     "TeeRefused: ClaimDiffers"},
    {"bank", "\"bank\":\"sha256\"", "\"bank\":\"sha384\"", "BadFormat: PolicyDiffers"},
};

/* The host edits a condition in the file: the key of the slot depends on it. */
static void
test_edited(gconstpointer data)
{
    const Edit *edit = data;
    g_autofree char *path = key_path("db");
    g_autoptr(json_t) key = load_json(path);
    g_autofree char *before = NULL;
    g_autofree char *slot = NULL;
    json_t *header =
        json_object_get(json_array_get(json_object_get(key, "recipients"), 0), "header");

    g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
    slot = edit_slot(json_string_value(json_object_get(header, "slot")), edit->what, edit->with);
    (void)json_object_set_new(header, "slot", json_string(slot));
    save_json(path, key);
    expect_outcome(edit->outcome);
    g_assert_true(g_file_set_contents(path, before, -1, NULL));
    matrix_assert_opens(matrix);
}

/* A secret that somebody sealed to our TPM, under our policy and profile, in the place of a key. */
static void
test_planted(void)
{
    g_autofree char *ours = key_path("db");
    g_autofree char *vault = g_build_filename(matrix->dir, "vault", NULL);
    g_autofree char *theirs = g_build_filename(vault, "keys", "uid-0", "db", NULL);
    g_autofree char *secret = g_build_filename(matrix->dir, "secret", NULL);
    g_autofree char *required = NULL;
    g_autofree char *planted = NULL;
    g_autofree char *before = NULL;

    g_assert_true(g_file_set_contents(secret, "theirs", -1, NULL));
    matrix_forget_pace(matrix);
    g_free(matrix_run(matrix, 0,
                      "seal db --direct --config %s/cvmseal.conf --vault %s --policies "
                      "%s/policies --tcti %s --in %s",
                      matrix->bed->dir, vault, matrix->bed->dir,
                      test_tpm_port(matrix->bed->tpm, "program"), secret));
    g_assert_true(g_file_get_contents(theirs, &planted, NULL, NULL));

    give_store_key();
    matrix->more = "RequireStoreKey=yes\n";
    matrix_configure(matrix, TRUE);
    matrix_restart(matrix);
    expect_outcome("TeeRefused: StoreKeyMissing");
    matrix_seal(matrix);
    matrix_assert_opens(matrix);
    g_assert_true(g_file_get_contents(ours, &before, NULL, NULL));
    g_assert_true(g_file_set_contents(ours, planted, -1, NULL));
    expect_outcome("TeeRefused: StoreKeyMissing");
    g_assert_true(g_file_set_contents(ours, before, -1, NULL));
    matrix_assert_opens(matrix);
    /* Nothing is sealed without it either. */
    g_assert_cmpint(g_unlink(matrix->store_key), ==, 0);
    {
        g_autoptr(TestReply) reply = bed_seal(matrix->bed->root, "other", "x", 1, NULL);

        required = matrix_outcome(reply);
    }
    g_assert_cmpstr(required, ==, "TeeRefused: StoreKeyMissing");
    matrix->more = "";
    matrix_configure(matrix, TRUE);
    matrix_restart(matrix);
    matrix_seal(matrix);
    matrix_assert_opens(matrix);
}

/* Somebody between daemon and TPM turns over a bit of one answer after the other, of a release with
 * its attestation: it fails, or it gives the secret. */
static void
test_transport(gconstpointer data)
{
    const guint32 byte = GPOINTER_TO_UINT(data);
    TpmMux *mux = test_tpm_mux(matrix->bed->tpm);
    guint fired = 0, refused = 0, total = 0;

    matrix_restart(matrix);
    tpm_mux_reset_counts(mux);
    matrix_assert_opens(matrix);
    total = (guint)tpm_mux_sent(mux, "main", 0);
    for (guint nth = 1; nth <= total; nth += g_test_slow() ? 1 : 2) {
        const TpmMuxFault fault = {
            .port = "main", .nth = nth, .kind = TPM_MUX_FLIP, .after = TRUE, .value = byte};
        g_autofree char *outcome = NULL;
        guint number = 0;

        matrix_restart(matrix);
        number = tpm_mux_add_fault(mux, &fault);
        outcome = matrix_unseal(matrix, "db");
        fired += tpm_mux_fault_fired(mux, number);
        tpm_mux_clear_faults(mux);
        refused += *outcome != '\0';
        g_test_message("answer %u: %s", nth, outcome);
    }
    g_test_message("%u of %u answers changed at byte %u, %u refused", fired, total, byte, refused);
    g_assert_cmpuint(fired, >=, 5);
    g_assert_cmpuint(refused, >=, 3);
    matrix_restart(matrix);
    matrix_assert_opens(matrix);
}

/* The host puts the vTPM's state back to what it was boots ago, or starts a copy of it. */
static void
test_cloned(void)
{
    g_autofree char *dir = g_build_filename(test_tpm_dir(matrix->bed->tpm), "tpm-0", NULL);
    g_autofree char *copy = g_strconcat(matrix->dir, "/copy", NULL);
    g_autofree char *save = g_strdup_printf("cp -a %s %s", dir, copy);
    g_autofree char *back = g_strdup_printf("cp -aT %s %s", copy, dir);
    g_autofree char *first = NULL;
    g_autofree char *outcome = NULL;
    TpmMux *mux = test_tpm_mux(matrix->bed->tpm);
    g_autoptr(GError) error = NULL;
    int status = 0;

    tpm_mux_power_off(mux);
    g_assert_true(g_spawn_command_line_sync(save, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    g_assert_true(tpm_mux_power_on(mux, 0, &error));
    matrix_boot_tpm(matrix);
    matrix_boot_tpm(matrix);
    matrix_restart(matrix);
    matrix_assert_opens(matrix);

    tpm_mux_power_off(mux);
    g_assert_true(g_spawn_command_line_sync(back, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    g_assert_true(tpm_mux_power_on(mux, 0, &error));
    test_tpm_extend(matrix->bed->tpm, 0, "boot");
    test_tpm_extend(matrix->bed->tpm, 2, "boot");
    test_tpm_extend(matrix->bed->tpm, 7, "boot");
    /* The line broke with the power. */
    first = matrix_unseal(matrix, "db");
    g_assert_cmpstr(first, !=, "");
    outcome = matrix_unseal(matrix, "db");
    if (strstr(first, "TpmClockBack") == NULL)
        g_assert_cmpstr(outcome, ==, "AttestationFailed: NotAttested TpmClockBack");
    matrix_boot_tpm(matrix);
    matrix_restart(matrix);
    matrix_assert_opens(matrix);
}

/* Evidence of this machine for a nonce, in a file of that name. */
static char *
attest(const char *name, const char *nonce)
{
    char *path = g_build_filename(matrix->dir, name, NULL);

    matrix_forget_pace(matrix);
    g_free(matrix_run(matrix, 0,
                      "attest --direct --config %s/cvmseal.conf --tcti %s --nonce %s --out %s",
                      matrix->bed->dir, test_tpm_port(matrix->bed->tpm, "program"), nonce, path));
    return path;
}

static char *
verify(const char *path, const char *nonce, const char *profile, int code)
{
    return matrix_run(matrix, code, "verify %s --nonce %s --roots %s --store %s --policy %s", path,
                      nonce, matrix->roots, matrix->store, profile);
}

static char *
write_profile(const char *name, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "%M", -1);
    g_autofree char *filled = g_strjoinv(matrix->measurement, parts);
    char *path = g_build_filename(matrix->dir, name, NULL);

    g_assert_true(g_file_set_contents(path, filled, -1, NULL));
    return path;
}

static void
assert_says(char *text, const char *says)
{
    if (!strstr(text, says))
        g_error("\"%s\" does not say %s", text, says);
    g_free(text);
}

/* A guest can have the report commit to a key of software. Only a challenge shows more. */
static void
test_asserted(void)
{
    g_autofree char *evidence = attest("asserted.json", "01");
    g_autofree char *strict = write_profile("strict.policy", LISTED);
    g_autofree char *lax = write_profile("lax.policy", LISTED "[vTPM]\nAllowAssertedAK=yes\n");

    assert_says(verify(evidence, "01", lax, 0), "TEST ROOTS");
    assert_says(verify(evidence, "01", strict, 3), "AkUnproven");
    assert_says(verify(evidence, "02", lax, 3), "NonceMismatch");
}

typedef struct {
    const char *name;
    const char *members; /* "tee.report tee.auxblob": taken from the other run */
    const char *says;
    guint other; /* which other: 0 the same TPM for another nonce, 1 another TPM */
    int code;
} Splice;

static const Splice splices[] = {
    {"none", "", "accepted", 0, 0},
    {"report", "tee.report", "ReportDataMismatch", 0, 3},
    {"report-of-another-tpm", "tee.report", "ReportDataMismatch", 1, 3},
    {"manifest-of-another-tpm", "tee.manifest", "ReportDataMismatch", 1, 3},
    {"report-and-manifest-of-another-tpm", "tee.report tee.manifest", "ReportDataMismatch", 1, 3},
    {"ek-of-another-tpm", "tpm.ek", "EkMismatch", 1, 3},
    {"ak-of-another-tpm", "tpm.ak", "ReportDataMismatch", 1, 3},
    {"ak-and-quote-of-another-tpm", "tpm.ak tpm.attest tpm.signature tpm.pcrs",
     "ReportDataMismatch", 1, 3},
    {"srk-of-another-tpm", "tpm.srk_name", "ReportDataMismatch", 1, 3},
    {"quote-replayed", "tpm.attest tpm.signature tpm.pcrs", "TpmQuoteNonce", 0, 3},
    {"quote-of-another-tpm", "tpm.attest tpm.signature tpm.pcrs", "TpmQuoteSignature", 1, 3},
    {"attest", "tpm.attest", "TpmQuoteSignature", 0, 3},
    {"signature", "tpm.signature", "TpmQuoteSignature", 0, 3},
    {"pcrs-of-another-tpm", "tpm.pcrs", "TpmQuoteDigest", 1, 3},
    {"user-data", "user_data", "ReportDataMismatch", 2, 3},
};

static char *one, *others[2];

static void
take_member(json_t *into, json_t *from, const char *member)
{
    g_auto(GStrv) path = g_strsplit(member, ".", 2);

    if (path[1]) {
        into = json_object_get(into, path[0]);
        from = json_object_get(from, path[0]);
    }
    g_assert_cmpint(json_object_set(into, path[1] ? path[1] : path[0],
                                    json_object_get(from, path[1] ? path[1] : path[0])),
                    ==, 0);
}

static void
make_bundles(void)
{
    if (one)
        return;
    one = attest("one.json", "01");
    others[0] = attest("again.json", "02");
    test_tpm_replace(matrix->bed->tpm, 1);
    test_tpm_extend(matrix->bed->tpm, 7, "another");
    matrix_vouch(matrix);
    others[1] = attest("other.json", "01");
    test_tpm_replace(matrix->bed->tpm, 0);
    matrix_boot_tpm(matrix);
    matrix_vouch(matrix);
    matrix_restart(matrix);
}

/* Each part of a bundle is tied to the others. */
static void
test_splice(gconstpointer data)
{
    const Splice *splice = data;
    g_autofree char *lax = write_profile("lax.policy", LISTED "[vTPM]\nAllowAssertedAK=yes\n");
    g_autofree char *path = g_build_filename(matrix->dir, "spliced.json", NULL);
    g_auto(GStrv) members = g_strsplit(splice->members, " ", -1);
    g_autoptr(json_t) into = NULL;
    g_autoptr(json_t) from = NULL;

    make_bundles();
    into = load_json(one);
    from = splice->other == 2 ? json_pack("{s:s}", "user_data", "Ynl0ZXM")
                              : load_json(others[splice->other]);
    for (guint i = 0; members[i]; i++)
        take_member(into, from, members[i]);
    save_json(path, into);
    assert_says(verify(path, "01", lax, splice->code), splice->says);
}

/* The quoted values say other PCRs, or another bank, than the TPM has signed. */
static void
test_quoted(void)
{
    g_autofree char *lax = write_profile("lax.policy", LISTED "[vTPM]\nAllowAssertedAK=yes\n");
    g_autofree char *path = g_build_filename(matrix->dir, "spliced.json", NULL);

    for (guint i = 0; i < 2; i++) {
        g_autoptr(json_t) bundle = NULL;
        json_t *pcrs = NULL;

        make_bundles();
        bundle = load_json(one);
        pcrs = json_object_get(json_object_get(bundle, "tpm"), "pcrs");
        if (i == 0) {
            g_assert_cmpint(json_object_del(json_object_get(pcrs, "pcrs"), "7"), ==, 0);
        } else {
            json_t *values = json_object_get(pcrs, "pcrs");
            json_t *value = NULL;
            const char *name = NULL;
            void *next = NULL;

            (void)json_object_set_new(pcrs, "bank", json_string("sha384"));
            json_object_foreach_safe(values, next, name, value)
            {
                g_autofree char *longer =
                    g_strconcat(json_string_value(value), "00000000000000000000000000000000", NULL);

                (void)json_object_set_new(values, name, json_string(longer));
            }
        }
        save_json(path, bundle);
        assert_says(verify(path, "01", lax, 3), "TpmQuoteSelection");
    }
}

/* An SVSM is asked again only after a while: one that is asked too often can end attestation until
 * the next boot. */
static void
test_pace(void)
{
    guint before = 0;
    gint64 began = 0;

    matrix_restart(matrix);
    before = tee_sim_requests(matrix->sim);
    matrix_assert_opens(matrix);
    g_assert_cmpint(bed_stop(matrix->bed, SIGTERM), ==, 0);
    bed_start(matrix->bed, 0);
    began = g_get_monotonic_time();
    matrix_assert_opens(matrix);
    g_assert_cmpuint(tee_sim_requests(matrix->sim) - before, ==, 2);
    g_assert_cmpint(g_get_monotonic_time() - began, >, 3 * G_TIME_SPAN_SECOND);
}

static void
add_cases(void)
{
    g_test_add_func("/matrix/intruder/planted-secret", test_planted);
    for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autofree char *path = g_strconcat("/matrix/intruder/slot-edited/", edits[i].name, NULL);

        g_test_add_data_func(path, &edits[i], test_edited);
    }
    g_test_add_func("/matrix/intruder/vtpm-cloned", test_cloned);
    g_test_add_func("/matrix/intruder/ak-of-software", test_asserted);
    for (gsize i = 0; i < G_N_ELEMENTS(splices); i++) {
        g_autofree char *path = g_strconcat("/matrix/intruder/splice/", splices[i].name, NULL);

        g_test_add_data_func(path, &splices[i], test_splice);
    }
    g_test_add_func("/matrix/intruder/quote-over-other-pcrs-or-bank", test_quoted);
    g_test_add_data_func("/matrix/intruder/transport/20", GUINT_TO_POINTER(20), test_transport);
    if (g_test_slow()) {
        g_test_add_data_func("/matrix/intruder/transport/60", GUINT_TO_POINTER(60), test_transport);
        g_test_add_func("/matrix/intruder/second-attestation-at-once", test_pace);
    }
}

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {.type = TEE_SIM_SNP,
                                   .switches = "svsm=on vmpl=2 certs=chain",
                                   .profile = LISTED,
                                   .options =
                                       "{'replace': <true>, 'require': <'measurement,tcb'>}"};
    g_autofree char *other = NULL;
    g_autofree char *policies = NULL;
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    matrix = matrix_new(&machine);
    if (matrix == NULL)
        return 0;
    /* Another profile, which takes the machine as well. */
    other = write_profile("other.policy", LISTED);
    policies = g_build_filename(matrix->bed->dir, "policies", "other.policy", NULL);
    g_assert_cmpint(g_rename(other, policies), ==, 0);
    add_cases();
    result = g_test_run();
    matrix_free(matrix);
    g_free(one);
    g_free(others[0]);
    g_free(others[1]);
    return result;
}
