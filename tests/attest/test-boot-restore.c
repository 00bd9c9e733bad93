/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The attestation of a boot outlives the program that made it: the next one does not ask TEE and
 * host again, unless anything is another than it was. */

#include "attest/attest-bed.h"
#include "attest/boot-restore.h"
#include "attest/boot-cache.h"
#include "base/boot-id.h"
#include "base/hex.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND G_GINT64_CONSTANT(1000000)

static char *
path_of(const AttestBed *bed)
{
    return g_build_filename(bed->tee.paths->run_dir, CVS_BOOT_CACHE_NAME, NULL);
}

static gboolean
is_kept(const AttestBed *bed)
{
    g_autofree char *path = path_of(bed);

    return access(path, F_OK) == 0;
}

static json_t *
claims_within(AttestBed *bed, gint64 max_age)
{
    g_autoptr(GError) error = NULL;
    json_t *claims = NULL;

    (void)cvs_attester_claims(bed->attester, bed->now, max_age, &claims, &error);
    g_assert_no_error(error);
    return claims;
}

/* How often TEE or paravisor were asked. */
static guint
requests(AttestBed *bed)
{
    return bed->azure ? bed->hcl_reads : (guint)tee_sim_requests(bed->tee.sim);
}

/* But for the time of the quote, which is made anew. */
static void
assert_same_claims(json_t *a, json_t *b)
{
    g_autoptr(json_t) left = json_copy(a), right = json_copy(b);

    g_assert_cmpint(json_integer_value(json_object_get(a, "vtpm.clock")), <=,
                    json_integer_value(json_object_get(b, "vtpm.clock")));
    (void)json_object_del(left, "vtpm.clock");
    (void)json_object_del(right, "vtpm.clock");
    if (!json_equal(left, right)) {
        g_autofree char *left_text = cvs_json_pretty(left), *right_text = cvs_json_pretty(right);

        g_error("%s\nis not\n%s", left_text, right_text);
    }
}

/* Of each kind: the claims are the same, and nobody was asked for them. */
static void
test_restart(void)
{
    static const struct {
        TeeSimType type;
        const char *switches;
        guint manifest_version;
        const char *kind, *ak;
        gboolean vtpm_td;
    } machines[] = {
        {TEE_SIM_SNP, "svsm=on vmpl=2", 0, "svsm", "challenged"},
        {TEE_SIM_SNP, "svsm=on vmpl=2 manifest-v1=on", 1, "svsm", "attested"},
        {TEE_SIM_AZURE_SNP, NULL, 0, "azure", "attested"},
        {TEE_SIM_AZURE_TDX, NULL, 0, "azure", "attested"},
        {TEE_SIM_SNP, NULL, 0, "host", "guest-asserted"},
        {TEE_SIM_TDX, NULL, 0, "host", "guest-asserted"},
        {TEE_SIM_TDX, NULL, 0, "vtpm-td", "challenged", .vtpm_td = TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_auto(AttestBed) bed = {.keep = TRUE, .manifest_version = machines[i].manifest_version};
        g_autoptr(json_t) first = NULL, second = NULL, warm = NULL;
        guint64 cold = 0, restored = 0;
        CvsAttesterState state;
        guint asked = 0;

        if (!(machines[i].vtpm_td ? attest_bed_init_vtpm_td(&bed, NULL, VTPM_TD_MEASURED_LATER)
                                  : attest_bed_init(&bed, machines[i].type, machines[i].switches)))
            return;
        g_assert_false(is_kept(&bed));
        cold = cvs_tpm_commands_sent(bed.client);
        first = claims_within(&bed, 0);
        cold = cvs_tpm_commands_sent(bed.client) - cold;
        asked = requests(&bed);
        g_assert_cmpuint(asked, >, 0);
        g_assert_true(is_kept(&bed));

        attest_bed_restart(&bed);
        test_tpm_extend(bed.tpm, 7, "since");
        second = claims_within(&bed, 0);
        restored = cvs_tpm_commands_sent(bed.client);
        g_assert_cmpuint(requests(&bed), ==, asked);
        assert_same_claims(first, second);
        g_assert_cmpstr(json_string_value(json_object_get(second, "vtpm.kind")), ==,
                        machines[i].kind);
        g_assert_cmpstr(json_string_value(json_object_get(second, "vtpm.ak")), ==, machines[i].ak);
        g_assert_true(is_kept(&bed));
        /* The registers are those of now. */
        state = cvs_attester_look(bed.attester);
        {
            guint8 pcr[32];

            test_tpm_read_pcr(bed.tpm, CVS_SHA256, 7, pcr);
            g_assert_cmpmem(state.pcrs->value[7], sizeof pcr, pcr, sizeof pcr);
        }
        /* And then it is this program's own. */
        warm = claims_within(&bed, 0);
        g_assert_true(json_equal(second, warm));
        g_assert_cmpuint(cvs_tpm_commands_sent(bed.client), ==, restored + 1);
        g_test_message("%s: %" G_GUINT64_FORMAT " TPM commands to attest, %" G_GUINT64_FORMAT
                       " to take what is kept, connecting included",
                       machines[i].kind, cold, restored);
        attest_bed_clear(&bed);
        memset(&bed, 0, sizeof bed);
    }
}

/* The file's JSON, to be changed. */
static json_t *
read_file(const AttestBed *bed)
{
    g_autofree char *path = path_of(bed);
    json_t *root = json_load_file(path, 0, NULL);

    g_assert_nonnull(root);
    return root;
}

static void
write_text(const AttestBed *bed, const char *text, gsize size)
{
    g_autofree char *path = path_of(bed);

    g_assert_true(g_file_set_contents(path, text, (gssize)size, NULL));
    g_assert_cmpint(g_chmod(path, 0600), ==, 0);
}

static void
write_file(const AttestBed *bed, const json_t *root)
{
    g_autofree char *text = cvs_json_canonical(root);

    write_text(bed, text, strlen(text));
}

/* One member of the file, or of an object in it: "evidence.tpm.ek". NULL: it goes. */
static void
edit(const AttestBed *bed, const char *member, json_t *value)
{
    g_autoptr(json_t) root = read_file(bed);
    g_auto(GStrv) names = g_strsplit(member, ".", -1);
    json_t *object = root;
    guint last = g_strv_length(names) - 1;

    for (guint i = 0; i < last; i++)
        object = json_object_get(object, names[i]);
    g_assert_true(json_is_object(object));
    g_assert_nonnull(json_object_get(object, names[last]) ? object : value ? object : NULL);
    if (value)
        (void)json_object_set_new(object, names[last], value);
    else
        (void)json_object_del(object, names[last]);
    write_file(bed, root);
}

/* The lowest bit of one byte of base64url of such a member. */
static void
flip(const AttestBed *bed, const char *member, gsize at)
{
    g_autoptr(json_t) root = read_file(bed);
    g_auto(GStrv) names = g_strsplit(member, ".", -1);
    g_autoptr(GBytes) bytes = NULL;
    g_autofree guint8 *data = NULL;
    json_t *object = root;
    guint last = g_strv_length(names) - 1;
    gsize size = 0;

    for (guint i = 0; i < last; i++)
        object = json_object_get(object, names[i]);
    bytes = cvs_json_get_bytes(object, names[last], 1, 1 << 20, member, NULL);
    g_assert_nonnull(bytes);
    data = g_memdup2(g_bytes_get_data(bytes, &size), g_bytes_get_size(bytes));
    g_assert_cmpuint(at, <, size);
    data[at] ^= 1;
    cvs_json_set_bytes(object, names[last], data, size);
    write_file(bed, root);
}

static void
other_boot(AttestBed *bed)
{
    edit(bed, "boot_id", json_string("00000000000000000000000000000000"));
}

static void
later(AttestBed *bed)
{
    edit(bed, "made", json_integer(bed->clock.now(bed->clock.data) + 1));
}

static void
older(AttestBed *bed)
{
    test_clock_advance(&bed->tee.test, 100 * SECOND + 1);
}

static void
reset_tpm(AttestBed *bed)
{
    test_tpm_power_cycle(bed->tpm);
}

static void
change_tpm(AttestBed *bed)
{
    attest_bed_change_tpm(bed, 1);
}

static void
add(AttestBed *bed, const char *member, int number)
{
    g_autoptr(json_t) root = read_file(bed);

    edit(bed, member, json_integer(json_integer_value(json_object_get(root, member)) + number));
}

static void
put_tpm_back(AttestBed *bed)
{
    add(bed, "reset_count", 1);
}

static void
restarted_since(AttestBed *bed)
{
    add(bed, "reset_count", -1);
}

/* Of a resume it was made after, by its own word: then it is of a TPM that was put back. */
static void
resumed_since(AttestBed *bed)
{
    add(bed, "restart_count", 1);
}

static void
refreshed(AttestBed *bed)
{
    cvs_attester_refresh(bed->attester);
    g_assert_false(is_kept(bed));
}

static void
empty(AttestBed *bed)
{
    write_text(bed, "", 0);
}

static void
huge(AttestBed *bed)
{
    g_autofree char *blanks = g_strnfill(CVS_BOOT_CACHE_SIZE_MAX + 1, ' ');

    write_text(bed, blanks, CVS_BOOT_CACHE_SIZE_MAX + 1);
}

static void
readable(AttestBed *bed)
{
    g_autofree char *path = path_of(bed);

    g_assert_cmpint(g_chmod(path, 0644), ==, 0);
}

static void
folder(AttestBed *bed)
{
    g_autofree char *path = path_of(bed);

    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

static void
other_nonce(AttestBed *bed)
{
    flip(bed, "evidence.nonce", 0);
}

static void
other_report(AttestBed *bed)
{
    flip(bed, "evidence.tee.report", 0x90); /* the measurement */
}

static void
other_manifest(AttestBed *bed)
{
    flip(bed, "evidence.tee.manifest", 300);
}

static void
no_manifest(AttestBed *bed)
{
    edit(bed, "evidence.tee.manifest", NULL);
}

static void
no_manifest_nor_ek(AttestBed *bed)
{
    edit(bed, "evidence.tee.manifest", NULL);
    edit(bed, "evidence.tpm.ek", NULL);
}

static void
no_ek(AttestBed *bed)
{
    edit(bed, "evidence.tpm.ek", NULL);
}

static void
other_srk(AttestBed *bed)
{
    flip(bed, "evidence.tpm.srk_name", 5);
}

static void
other_quote(AttestBed *bed)
{
    flip(bed, "evidence.tpm.signature", 20);
}

static void
other_pcrs(AttestBed *bed)
{
    g_autoptr(json_t) root = read_file(bed);
    g_autofree char *text = cvs_json_canonical(
        json_object_get(json_object_get(json_object_get(root, "evidence"), "tpm"), "pcrs"));
    char *value = strstr(text, "\"7\":\"");

    g_assert_nonnull(value);
    value[5] = value[5] == 'a' ? 'b' : 'a';
    edit(bed, "evidence.tpm.pcrs", json_loads(text, 0, NULL));
}

/* What another machine has kept: all of it is good, but of another TPM. */
static void
moved(AttestBed *bed)
{
    g_autoptr(json_t) root = read_file(bed);
    CvsClock clock = {0};

    attest_bed_change_tpm(bed, 2);
    g_assert_nonnull(cvs_tpm_get_srk_name(bed->client, TRUE, NULL));
    g_assert_true(cvs_tpm_read_clock(bed->client, &clock, NULL));
    (void)json_object_set_new(root, "clock", json_integer(0));
    (void)json_object_set_new(root, "reset_count", json_integer(clock.reset_count));
    (void)json_object_set_new(root, "restart_count", json_integer(clock.restart_count));
    write_file(bed, root);
}

/* What happens between two programs, and what is said of it. */
typedef struct {
    const char *name;
    void (*happens)(AttestBed *bed);
    const char *message; /* pattern; NULL: nothing is said */
} Change;

static const Change changes[] = {
    {"boot-id", other_boot, "*not taken*another boot*"},
    {"future", later, "*not taken*later than now*"},
    {"too-old", older, NULL},
    {"tpm-reset", reset_tpm, "*not taken*reset or resumed*"},
    {"tpm-put-back", put_tpm_back, "*not taken*put back*"},
    {"reset-count", restarted_since, "*not taken*reset or resumed*"},
    {"restart-count", resumed_since, "*not taken*put back*"},
    {"refreshed", refreshed, NULL},
    {"empty", empty, "*not taken*line 1*"},
    {"huge", huge, "*not taken*"},
    {"readable", readable, "*not taken*mode*"},
    {"nonce", other_nonce, "*not taken*not the answer to this request*"},
    {"report", other_report, "*not taken*"},
    {"manifest", other_manifest, "*not taken*"},
    {"manifest-gone", no_manifest, "*not taken*nothing vouches*"},
    {"manifest-and-ek-gone", no_manifest_nor_ek, "*not taken*not made for this request*"},
    {"ek-gone", no_ek, "*not taken*lacks the endorsement key*"},
    {"srk", other_srk, "*not taken*not the answer to this request*"},
    {"quote", other_quote, "*not taken*"},
    {"pcrs", other_pcrs, "*not taken*"},
    {"tpm-changed", change_tpm, "*not taken*"},
    {"moved", moved, "*not taken*"},
};

/* The next program attests anew, and what it then has is right and kept. */
static void
expect_anew(AttestBed *bed, const char *message)
{
    g_autoptr(json_t) claims = NULL, again = NULL;
    guint asked = requests(bed);

    attest_bed_restart(bed);
    if (message)
        g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, message);
    claims = claims_within(bed, 100);
    g_test_assert_expected_messages();
    g_assert_cmpuint(requests(bed), ==, asked + 1);
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, "svsm");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.ak")), ==, "challenged");
    g_assert_true(is_kept(bed));
    attest_bed_restart(bed);
    again = claims_within(bed, 100);
    g_assert_cmpuint(requests(bed), ==, asked + 1);
    assert_same_claims(claims, again);
}

static void
test_changes(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_within(&bed, 0));
    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_test_message("%s", changes[i].name);
        changes[i].happens(&bed);
        expect_anew(&bed, changes[i].message);
    }
}

/* Where nothing vouches for the TPM, it is at least the one that the report was asked for. */
static void
test_host_moved(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, NULL))
        return;
    json_decref(claims_within(&bed, 0));
    moved(&bed);
    attest_bed_restart(&bed);
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*not taken*the TPM was another*");
    json_decref(claims_within(&bed, 0));
    g_test_assert_expected_messages();
    g_assert_cmpuint(requests(&bed), ==, 2);
}

/* Cut at many lengths: none is taken for one that is whole. All of them: test-boot-cache. */
static void
test_cut(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};
    g_autofree char *path = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    path = path_of(&bed);
    json_decref(claims_within(&bed, 0));
    for (guint i = 1; i < 8; i++) {
        g_autofree char *text = NULL;
        gsize size = 0;

        g_assert_true(g_file_get_contents(path, &text, &size, NULL));
        write_text(&bed, text, size * i / 8);
        expect_anew(&bed, "*not taken*");
    }
}

/* Something that cannot even be removed. */
static void
test_folder(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_within(&bed, 0));
    folder(&bed);
    attest_bed_restart(&bed);
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*not taken*");
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*cannot be removed*");
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*cannot be kept*");
    json_decref(claims_within(&bed, 0));
    g_test_assert_expected_messages();
    g_assert_cmpuint(requests(&bed), ==, 2);
    /* It is this program's all the same, and looked for once. */
    json_decref(claims_within(&bed, 0));
    g_assert_cmpuint(requests(&bed), ==, 2);
}

/* The age goes on counting in the next program, by the time since the boot: the clock on the wall
 * may have been set meanwhile. */
static void
test_age(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_within(&bed, 100));
    g_assert_cmpuint(requests(&bed), ==, 1);
    test_clock_advance(&bed.tee.test, 99 * SECOND);
    bed.now -= 3600;
    attest_bed_restart(&bed);
    json_decref(claims_within(&bed, 100));
    g_assert_cmpuint(requests(&bed), ==, 1);
    bed.now += 1;
    json_decref(claims_within(&bed, 100));
    g_assert_cmpuint(requests(&bed), ==, 1);
    bed.now += 1;
    json_decref(claims_within(&bed, 100));
    g_assert_cmpuint(requests(&bed), ==, 2);
}

/* What revokes what was attested by, or takes away the root, counts for what is kept too. */
static void
test_collateral(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_within(&bed, 0));
    attest_bed_set(&bed, "revoked=ca");
    attest_bed_restart(&bed);
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*not taken*");
    g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error));
    g_test_assert_expected_messages();
    g_assert_error(error, CVS_ERROR, CVS_ERROR_COLLATERAL_MISSING);
    g_assert_false(is_kept(&bed));
    attest_bed_set(&bed, "reset=on");
    json_decref(claims_within(&bed, 0));
    g_assert_true(is_kept(&bed));

    g_clear_pointer(&bed.snp_roots, cvs_snp_roots_unref);
    bed.snp_roots = cvs_snp_roots_new();
    attest_bed_restart(&bed);
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*not taken*");
    g_clear_error(&error);
    g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error));
    g_test_assert_expected_messages();
    g_assert_false(is_kept(&bed));
}

/* A TPM that does not answer for once: neither when the next program starts, nor while one runs, is
 * that a reason to ask the TEE again. */
static void
test_tpm_away(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};
    g_autoptr(json_t) first = NULL, second = NULL;
    guint64 total = 0;
    guint failed = 0;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    first = claims_within(&bed, 0);
    attest_bed_restart(&bed);
    second = claims_within(&bed, 0);
    total = cvs_tpm_commands_sent(bed.client);
    for (guint nth = 1; nth <= total + 1; nth++) {
        const TpmMuxFault fault = {.port = "main", .nth = nth, .kind = TPM_MUX_DROP};
        g_autoptr(json_t) claims = NULL, again = NULL;

        attest_bed_restart(&bed);
        (void)tpm_mux_add_fault(test_tpm_mux(bed.tpm), &fault);
        for (guint i = 0; i < 2; i++) {
            g_autoptr(GError) error = NULL;

            g_clear_pointer(&claims, json_decref);
            if (!cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error)) {
                g_assert_error(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE);
                failed++;
            }
        }
        tpm_mux_clear_faults(test_tpm_mux(bed.tpm));
        again = claims_within(&bed, 0);
        assert_same_claims(first, again);
        g_assert_cmpuint(requests(&bed), ==, 1);
        g_assert_true(is_kept(&bed));
    }
    g_test_message("%u of %u calls met a TPM that was away", failed, (guint)(2 * (total + 1)));
    g_assert_cmpuint(failed, >, total / 2);
}

/* The file was written early in the boot: what was seen of the TPM since counts too. */
static void
test_put_back_since(void)
{
    static const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0xff};
    g_auto(AttestBed) bed = {.keep = TRUE};
    CvsAttesterConfig config = {0};
    CvsClock seen = {0};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_within(&bed, 0));
    attest_bed_restart(&bed);
    config = (CvsAttesterConfig){.tpm = bed.client,
                                 .source = bed.tee.source,
                                 .collateral_dir = bed.store,
                                 .snp_roots = bed.snp_roots,
                                 .tdx_roots = bed.tdx_roots,
                                 .keep = TRUE,
                                 .clock = &bed.clock};
    for (guint back = 0; back < 2; back++) {
        g_auto(CvsBootRestored) restored = {0};
        g_autoptr(GError) error = NULL;
        gboolean taken = cvs_boot_restore(&config, &selection, bed.now, &seen, &restored, &error);

        if (back > 0) {
            g_assert_false(taken);
            g_assert_true(cvs_error_has_reason(error, CVS_REASON_TPM_CLOCK_BACK));
            g_assert_null(restored.claims);
        } else {
            g_assert_no_error(error);
            g_assert_nonnull(restored.claims);
            /* Hours later, and then it was put back. */
            seen = restored.clock;
            seen.clock_ms += 5 * 3600 * 1000;
        }
    }
}

/* Somebody between us and the TPM turns over a bit of one answer after the other: what is taken
 * then is the truth, and if nothing is, it is made anew or refused. */
static void
test_man_in_the_middle(void)
{
    g_auto(AttestBed) bed = {.keep = TRUE};
    g_autofree char *ak = NULL, *ek = NULL;
    guint total = 0, fired = 0;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    ak = cvs_hex_encode(bed.ak->name.bytes, bed.ak->name.size);
    ek = cvs_hex_encode(bed.ek->name.bytes, bed.ek->name.size);
    json_decref(claims_within(&bed, 0));
    attest_bed_restart(&bed);
    json_decref(claims_within(&bed, 0));
    total = (guint)cvs_tpm_commands_sent(bed.client);
    for (guint nth = 1; nth <= total; nth++) {
        const TpmMuxFault fault = {
            .port = "main", .nth = nth, .kind = TPM_MUX_FLIP, .after = TRUE, .value = 60};
        g_autoptr(json_t) claims = NULL;
        g_autoptr(GError) error = NULL;
        guint number = 0;

        attest_bed_restart(&bed);
        number = tpm_mux_add_fault(test_tpm_mux(bed.tpm), &fault);
        if (cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error)) {
            g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, "svsm");
            g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.ak_name")), ==, ak);
            g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.ek_name")), ==, ek);
        }
        fired += tpm_mux_fault_fired(test_tpm_mux(bed.tpm), number);
        tpm_mux_clear_faults(test_tpm_mux(bed.tpm));
    }
    g_assert_cmpuint(fired, >, 5);
}

/* Nothing is written where it is not asked for, and where there is no TEE. */
static void
test_not_kept(void)
{
    g_auto(AttestBed) bed = {0}, none = {.keep = TRUE};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_within(&bed, 0));
    g_assert_false(is_kept(&bed));
    attest_bed_restart(&bed);
    json_decref(claims_within(&bed, 0));
    g_assert_cmpuint(requests(&bed), ==, 2);
    attest_bed_clear(&bed);
    memset(&bed, 0, sizeof bed);
    if (!attest_bed_init(&none, TEE_SIM_NONE, NULL))
        return;
    json_decref(claims_within(&none, 0));
    g_assert_false(is_kept(&none));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/boot-restore/restart", test_restart);
    g_test_add_func("/attest/boot-restore/changes", test_changes);
    g_test_add_func("/attest/boot-restore/host-moved", test_host_moved);
    g_test_add_func("/attest/boot-restore/cut", test_cut);
    g_test_add_func("/attest/boot-restore/folder", test_folder);
    g_test_add_func("/attest/boot-restore/age", test_age);
    g_test_add_func("/attest/boot-restore/collateral", test_collateral);
    g_test_add_func("/attest/boot-restore/tpm-away", test_tpm_away);
    g_test_add_func("/attest/boot-restore/put-back-since", test_put_back_since);
    g_test_add_func("/attest/boot-restore/man-in-the-middle", test_man_in_the_middle);
    g_test_add_func("/attest/boot-restore/not-kept", test_not_kept);
    return g_test_run();
}
