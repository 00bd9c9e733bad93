/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "base/writer.h"
#include "release/bed.h"
#include "tpm/sealed-public.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static CvsPredicted
parse(const char *text)
{
    CvsPredicted predicted;
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_predicted_parse(bytes, "next.json", &predicted, &error));
    g_assert_no_error(error);
    return predicted;
}

/* One register with all its bytes the same. */
static char *
filled(guint8 byte, gsize size)
{
    g_autofree guint8 *bytes = g_malloc(size);

    memset(bytes, byte, size);
    return cvs_hex_encode(bytes, size);
}

static void
test_json(void)
{
    g_autofree char *pcr = filled(0x11, 32);
    g_autofree char *long_pcr = filled(0x22, 48);
    g_autofree char *rtmr = filled(0x33, 48);
    g_autofree char *text =
        g_strdup_printf("{\"pcrs\":{\"sha256\":{\"7\":\"%s\"},\"sha384\":{\"0\":\"%s\"}},"
                        "\"rtmrs\":{\"2\":\"%s\"}}",
                        pcr, long_pcr, rtmr);
    CvsPredicted predicted = parse(text);
    g_autofree char *again = cvs_predicted_to_json(&predicted);

    g_assert_cmphex(predicted.sha256.selection.mask, ==, 1u << 7);
    g_assert_cmpuint(predicted.sha256.value[7][31], ==, 0x11);
    g_assert_cmphex(predicted.sha384.selection.mask, ==, 1u << 0);
    g_assert_cmpuint(predicted.sha384.value[0][47], ==, 0x22);
    g_assert_cmphex(predicted.rtmrs, ==, 1u << 2);
    g_assert_cmpuint(predicted.rtmr[2][47], ==, 0x33);
    g_assert_false(predicted.keep_others);
    g_assert_cmpstr(again, ==, text);
}

static void
test_bad_json(void)
{
    static const char *const bad[] = {
        "{}",
        "{\"pcrs\":{}}",
        "{\"rtmrs\":{}}",
        "{\"pcrs\":{\"sha256\":{}}}",
        "{\"pcrs\":{\"sha1\":{\"7\":\"00\"}}}",
        "{\"pcrs\":{\"sha256\":{\"7\":\"00\"}}}",
        "{\"pcrs\":{\"sha256\":{\"24\":\"00\"}}}",
        "{\"pcrs\":{\"sha256\":7}}",
        "{\"pcrs\":[]}",
        "{\"rtmrs\":{\"4\":\"00\"}}",
        "{\"rtmrs\":{\"00\":\"00\"}}",
        "{\"rtmrs\":{\"0\":\"00\"}}",
        "{\"rtmrs\":{\"0\":0}}",
        "{\"keep_others\":true}",
        "{\"pcrs\":",
    };
    CvsPredicted predicted;
    g_autofree char *large = g_strnfill(CVS_PREDICTED_TEXT_MAX + 1, ' ');
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GBytes) bytes = g_bytes_new(bad[i], strlen(bad[i]));
        g_autoptr(GError) local = NULL;

        g_test_message("%s", bad[i]);
        g_assert_false(cvs_predicted_parse(bytes, "next.json", &predicted, &local));
        g_assert_error(local, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_nonnull(strstr(local->message, "next.json"));
    }
    large[0] = '{';
    g_assert_false(cvs_predicted_parse_json(large, strlen(large), "next.json", &predicted, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
}

/* TCG PC Client Platform Firmware Profile, section 10: a header for SHA-256 and, if with_sha384,
 * SHA-384; then an extension of PCR 7 in both, and of PCR 2 in SHA-256 alone. */
static GBytes *
make_log(gboolean with_sha384)
{
    static const guint8 zeros[48] = {0};
    g_auto(CvsWriter) log = {0};

    cvs_writer_init(&log);
    cvs_writer_u32_le(&log, 0);
    cvs_writer_u32_le(&log, 3); /* EV_NO_ACTION */
    cvs_writer_bytes(&log, zeros, 20);
    cvs_writer_u32_le(&log, with_sha384 ? 37 : 33);
    cvs_writer_bytes(&log, "Spec ID Event03", 16);
    cvs_writer_u32_le(&log, 0);
    cvs_writer_bytes(&log, "\0\2\0\2", 4);
    cvs_writer_u32_le(&log, with_sha384 ? 2 : 1);
    cvs_writer_bytes(&log, "\x0b\0\x20\0", 4);
    if (with_sha384)
        cvs_writer_bytes(&log, "\x0c\0\x30\0", 4);
    cvs_writer_u8(&log, 0);
    for (guint i = 0; i < 2; i++) {
        gboolean both = with_sha384 && i == 0;

        cvs_writer_u32_le(&log, i == 0 ? 7 : 2);
        cvs_writer_u32_le(&log, 4); /* EV_SEPARATOR */
        cvs_writer_u32_le(&log, both ? 2 : 1);
        cvs_writer_bytes(&log, "\x0b\0", 2);
        cvs_writer_bytes(&log, zeros, 32);
        if (both) {
            cvs_writer_bytes(&log, "\x0c\0", 2);
            cvs_writer_bytes(&log, zeros, 48);
        }
        cvs_writer_u32_le(&log, 4);
        cvs_writer_u32_le(&log, 0);
    }
    return g_bytes_new(cvs_writer_data(&log), cvs_writer_size(&log));
}

static void
test_log(void)
{
    static const guint8 zeros[96] = {0};
    g_autoptr(GBytes) one = make_log(FALSE);
    g_autoptr(GBytes) two = make_log(TRUE);
    g_autoptr(GBytes) cut = g_bytes_new_from_bytes(two, 0, g_bytes_get_size(two) - 1);
    g_autoptr(GError) error = NULL;
    CvsPredicted predicted;
    guint8 wanted[48];

    g_assert_true(cvs_predicted_parse(one, "log", &predicted, &error));
    g_assert_no_error(error);
    cvs_hash_bytes(CVS_SHA256, zeros, 64, wanted);
    g_assert_cmphex(predicted.sha256.selection.mask, ==, 1u << 2 | 1u << 7);
    g_assert_cmpmem(predicted.sha256.value[7], 32, wanted, 32);
    g_assert_cmphex(predicted.sha384.selection.mask, ==, 0);
    g_assert_cmphex(predicted.rtmrs, ==, 0);

    /* A record without a digest in the bank: the register is not known in it. */
    g_assert_true(cvs_predicted_parse(two, "log", &predicted, &error));
    g_assert_no_error(error);
    cvs_hash_bytes(CVS_SHA384, zeros, 96, wanted);
    g_assert_cmphex(predicted.sha256.selection.mask, ==, 1u << 2 | 1u << 7);
    g_assert_cmphex(predicted.sha384.selection.mask, ==, 1u << 7);
    g_assert_cmpmem(predicted.sha384.value[7], 48, wanted, 48);

    g_assert_false(cvs_predicted_parse(cut, "log", &predicted, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

/* What the PCRs 0, 2 and 7 will be when PCR 7 has been extended by a word after the next boot;
 * NULL: what they are. */
static char *
state_after(Bed *bed, const char *word, gboolean with_pcr_2)
{
    const CvsPcrSelection selection = {CVS_SHA256, 1u << 0 | 1u << 2 | 1u << 7};
    g_autoptr(GError) error = NULL;
    g_autofree char *pcr_0 = NULL;
    g_autofree char *pcr_2 = NULL;
    g_autofree char *pcr_7 = NULL;
    CvsPcrValues values;
    guint8 both[64];

    g_assert_true(cvs_tpm_read_pcrs(bed->tpm, &selection, &values, &error));
    if (word) {
        memcpy(both, values.value[7], 32);
        cvs_hash_bytes(CVS_SHA256, word, strlen(word), both + 32);
        cvs_hash_bytes(CVS_SHA256, both, sizeof both, values.value[7]);
    }
    pcr_0 = cvs_hex_encode(values.value[0], 32);
    pcr_2 = cvs_hex_encode(values.value[2], 32);
    pcr_7 = cvs_hex_encode(values.value[7], 32);
    return with_pcr_2 ? g_strdup_printf("{\"pcrs\":{\"sha256\":{\"0\":\"%s\",\"2\":\"%s\",\"7\":"
                                        "\"%s\"}}}",
                                        pcr_0, pcr_2, pcr_7)
                      : g_strdup_printf("{\"pcrs\":{\"sha256\":{\"0\":\"%s\",\"7\":\"%s\"}}}",
                                        pcr_0, pcr_7);
}

static char *
next_state(Bed *bed, gboolean with_pcr_2)
{
    return state_after(bed, "update", with_pcr_2);
}

static GError *
reseal(Bed *bed, const CvsPredicted *to, const CvsSecret *pin)
{
    const CvsResealOptions options = {.to = to, .pin = pin};
    GError *error = NULL;

    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    return error;
}

static guint
count_slots(Bed *bed)
{
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, "db", NULL);

    return cvs_key_file_get_n_slots(key);
}

/* The present state opens the key until the new one has; then the former does so no more. */
static void
test_ahead(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = NULL;
    const CvsSealOptions options = {.pin = pin};

    bed_seal(bed, "db", &options);
    error = reseal(bed, &predicted, pin);
    g_assert_no_error(error);
    g_assert_cmpuint(count_slots(bed), ==, 2);
    bed_assert_opens(bed, "db", pin);
    bed_assert_opens(bed, "db", pin);
    g_assert_cmpuint(count_slots(bed), ==, 2);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PIN_REQUIRED);
    g_clear_error(&error);

    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_assert_opens(bed, "db", pin);
    g_assert_cmpuint(count_slots(bed), ==, 1);
    test_tpm_extend(bed->test_tpm, 7, "other");
    error = bed_assert_refused(bed, "db", pin, CVS_ERROR_PCR_MISMATCH);
    /* The values that were predicted explain what differs. */
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PCR_DIFFERS), ==, 1);
}

/* Again and again before the update: the file does not grow. */
static void
test_again(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);

    bed_seal(bed, "db", NULL);
    for (guint i = 0; i < 4; i++) {
        g_autoptr(GError) error = reseal(bed, &predicted, NULL);

        g_assert_no_error(error);
        g_assert_cmpuint(count_slots(bed), ==, 2);
        bed_assert_opens(bed, "db", NULL);
    }
    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed), ==, 1);
}

/* A reseal to the present state before the update has come: what was prepared stays. */
static void
test_between(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    error = reseal(bed, &predicted, NULL);
    g_assert_no_error(error);
    for (guint i = 0; i < 3; i++) {
        error = reseal(bed, NULL, NULL);
        g_assert_no_error(error);
        bed_assert_opens(bed, "db", NULL);
        g_assert_cmpuint(count_slots(bed), <=, 3);
    }
    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed), ==, 1);
}

/* word NULL: the state that the bed has at first. */
static void
boot(Bed *bed, const char *word)
{
    bed_reboot(bed);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
    if (word)
        test_tpm_extend(bed->test_tpm, 7, word);
}

static void
prepare(Bed *bed, const char *word)
{
    g_autofree char *text = state_after(bed, word, TRUE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = reseal(bed, &predicted, NULL);

    g_assert_no_error(error);
}

static void
reseal_plain(Bed *bed)
{
    g_autoptr(GError) error = reseal(bed, NULL, NULL);

    g_assert_no_error(error);
}

static guint
count_waiting(Bed *bed)
{
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, "db", NULL);
    guint n = 0;

    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++)
        n += cvs_key_file_get_tpm2_slot(key, i)->predicted;
    return n;
}

static void
expect_slots(Bed *bed, guint all, guint waiting)
{
    g_assert_cmpuint(count_slots(bed), ==, all);
    g_assert_cmpuint(count_waiting(bed), ==, waiting);
}

/* Two updates are prepared, and either boots first, with reseals to the present state in between:
 * each state opens the key when it comes, and the one that it came from no more. */
static void
test_two(void)
{
    static const char *const words[] = {"A", "B"};

    for (guint i = 0; i < 8; i++) {
        const char *first = words[i & 1], *second = words[!(i & 1)];
        gboolean plain_before = (i & 2) != 0, plain_after = (i & 4) != 0;
        g_autoptr(Bed) bed = bed_new();
        GError *error = NULL;

        bed_seal(bed, "db", NULL);
        prepare(bed, "A");
        if (plain_before)
            reseal_plain(bed);
        prepare(bed, "B");
        bed_assert_opens(bed, "db", NULL);
        expect_slots(bed, 3, 2);
        boot(bed, first);
        bed_assert_opens(bed, "db", NULL);
        expect_slots(bed, 2, 1);
        if (plain_after) {
            reseal_plain(bed);
            expect_slots(bed, 3, 1);
            bed_assert_opens(bed, "db", NULL);
        }
        /* Again, and nothing is written any more. */
        bed_assert_opens(bed, "db", NULL);
        expect_slots(bed, 2, 1);
        boot(bed, NULL);
        error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
        g_clear_error(&error);

        boot(bed, second);
        bed_assert_opens(bed, "db", NULL);
        expect_slots(bed, 1, 0);
        boot(bed, first);
        error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
        g_clear_error(&error);
        boot(bed, second);
        bed_assert_opens(bed, "db", NULL);
    }
}

/* What waits is not written at each release of another slot. */
static void
test_not_written(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = bed_key_path(bed, "db");
    GStatBuf before, after;

    bed_seal(bed, "db", NULL);
    prepare(bed, "A");
    g_assert_cmpint(g_stat(path, &before), ==, 0);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpint(g_stat(path, &after), ==, 0);
    g_assert_cmpuint(before.st_ino, ==, after.st_ino);
    boot(bed, "A");
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpint(g_stat(path, &before), ==, 0);
    g_assert_cmpuint(before.st_ino, !=, after.st_ino);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpint(g_stat(path, &after), ==, 0);
    g_assert_cmpuint(before.st_ino, ==, after.st_ino);
}

/* In the state that was prepared a reseal comes before any release: that has come, too, and goes
 * when what the reseal made has opened. */
static void
test_reseal_first(void)
{
    g_autoptr(Bed) bed = bed_new();

    bed_seal(bed, "db", NULL);
    prepare(bed, "A");
    prepare(bed, "B");
    boot(bed, "A");
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPINMinimumLength=5\n");
    reseal_plain(bed);
    expect_slots(bed, 4, 1);
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 2, 1);
    boot(bed, "B");
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 1, 0);
}

static gboolean
deliver(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    *(CvsSecret **)data =
        cvs_secret_new_copy(cvs_secret_peek(recovery_key), cvs_secret_size(recovery_key));
    return TRUE;
}

static CvsSecret *
seal_with_recovery(Bed *bed)
{
    CvsSecret *recovery_key = NULL;
    const CvsSealOptions options = {
        .want_recovery_key = TRUE, .deliver_recovery_key = deliver, .deliver_data = &recovery_key};

    bed_seal(bed, "db", &options);
    return recovery_key;
}

static void
reseal_by(Bed *bed, const CvsSecret *recovery_key)
{
    const CvsResealOptions options = {.recovery_key = recovery_key};
    g_autoptr(GError) error = NULL;

    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
}

/* Another state came than those that were prepared, and the recovery key was needed: when the slot
 * for it opens, the former state goes, though newer slots wait. */
static void
test_recovered(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;

    prepare(bed, "A");
    boot(bed, "something else");
    reseal_by(bed, recovery_key);
    prepare(bed, "more");
    g_assert_cmpuint(count_slots(bed), ==, 5);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed), ==, 4);
    boot(bed, NULL);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    boot(bed, "A");
    bed_assert_opens(bed, "db", NULL);
}

/* The state that is left is prepared, so that the machine can go back: that a slot is sealed to it
 * already, which ends with the next that opens, is no reason not to wait for it. */
static void
test_way_back(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *here = state_after(bed, NULL, TRUE);
    CvsPredicted back = parse(here);
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;

    boot(bed, "something else");
    reseal_by(bed, recovery_key);
    bed_assert_opens(bed, "db", NULL);
    boot(bed, NULL);
    reseal_by(bed, recovery_key);
    boot(bed, "something else");
    error = reseal(bed, &back, NULL);
    g_assert_no_error(error);
    reseal_plain(bed);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed), ==, 3);
    boot(bed, NULL);
    bed_assert_opens(bed, "db", NULL);
}

/* Nor is the newest slot of a state that came lost to those that wait. */
static void
test_full_by_recovery_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    CvsResealOptions options = {.recovery_key = recovery_key};
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < CVS_SLOTS_MAX - 2; i++) {
        g_autofree char *word = g_strdup_printf("state %u", i);

        prepare(bed, word);
    }
    g_assert_cmpuint(count_slots(bed), ==, CVS_SLOTS_MAX);
    boot(bed, "something else");
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    /* What opens is the newest then: no second one needs a place. */
    boot(bed, "state 7");
    reseal_plain(bed);
    g_assert_cmpuint(count_slots(bed), ==, CVS_SLOTS_MAX);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed), ==, CVS_SLOTS_MAX - 1);
}

/* Where it cannot be noted that a state has come, the key opens all the same, and its slot waits
 * on.
 */
static void
test_disk_full(void)
{
    g_autoptr(Bed) bed = bed_new();
    struct rlimit before, none;

    bed_seal(bed, "db", NULL);
    prepare(bed, "A");
    boot(bed, "A");
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    none = (struct rlimit){0, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    expect_slots(bed, 2, 1);
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 1, 0);
}

/* Somebody who prepares a state while the key is being released. */
typedef struct {
    Bed *bed;
    const CvsReleaseAttester *real;
    gboolean done;
} Meanwhile;

static gboolean
prepare_and_appraise(gpointer data, const CvsProfile *profile, json_t **ret_claims, GError **error)
{
    Meanwhile *meanwhile = data;

    if (!meanwhile->done) {
        meanwhile->done = TRUE;
        prepare(meanwhile->bed, "B");
    }
    return meanwhile->real->appraise(meanwhile->real->data, profile, ret_claims, error);
}

static void
test_meanwhile(void)
{
    g_autoptr(Bed) bed = bed_new();
    Meanwhile meanwhile = {.bed = bed};
    CvsReleaseAttester attester = {.appraise = prepare_and_appraise, .data = &meanwhile};

    bed_attest(bed, "snp");
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[TEE]\n");
    bed_seal(bed, "db", NULL);
    prepare(bed, "A");
    boot(bed, "A");
    meanwhile.real = bed->release.attester;
    bed->release.attester = &attester;
    /* A has come, which the release would write; but what it read is no longer what is there. */
    bed_assert_opens(bed, "db", NULL);
    g_assert_true(meanwhile.done);
    g_assert_cmpuint(count_waiting(bed), ==, 1);
    boot(bed, "A");
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 2, 1);
}

/* A key that has only a slot for a state to come. */
static void
test_alone(void)
{
    g_autoptr(Bed) bed = bed_new();
    json_t *recipients = NULL;

    bed_seal(bed, "db", NULL);
    prepare(bed, "A");
    recipients = bed_read_recipients(bed, "db");
    g_assert_cmpint(json_array_remove(recipients, 0), ==, 0);
    bed_write_recipients(bed, "db", recipients);
    expect_slots(bed, 1, 1);
    boot(bed, "A");
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 1, 0);
    bed_assert_opens(bed, "db", NULL);
}

/* The same state prepared again takes the place of what was prepared; and one that is put back into
 * the file beside the state that came goes with the next release. */
static void
test_same_state(void)
{
    g_autoptr(Bed) bed = bed_new();
    json_t *recipients = NULL;
    json_t *waiting = NULL;

    bed_seal(bed, "db", NULL);
    prepare(bed, "A");
    prepare(bed, "A");
    expect_slots(bed, 2, 1);
    recipients = bed_read_recipients(bed, "db");
    waiting = json_incref(json_array_get(recipients, 1));
    json_decref(recipients);
    boot(bed, "A");
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 1, 0);
    recipients = bed_read_recipients(bed, "db");
    g_assert_cmpint(json_array_append_new(recipients, waiting), ==, 0);
    bed_write_recipients(bed, "db", recipients);
    expect_slots(bed, 2, 1);
    bed_assert_opens(bed, "db", NULL);
    expect_slots(bed, 1, 0);
}

/* What somebody else put into the file and says that it waits, waits for nothing. */
static void
test_forged(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *digest = g_strnfill(43, 'A');

    bed_seal(bed, "db", NULL);
    bed_forge_slot(bed, "db",
                   json_pack("{s:b, s:i, s:[{s:s, s:s, s:s, s:s}]}", "predicted", 1, "generation",
                             7, "policy", "type", "pcr", "bank", "sha256", "pcrs", "0+2+7",
                             "digest", digest));
    expect_slots(bed, 2, 1);
    bed_expect_forged();
    bed_assert_opens(bed, "db", NULL);
    g_test_assert_expected_messages();
    expect_slots(bed, 1, 0);
}

/* Nothing that waits is lost for want of room: what does not fit is refused, until somebody says
 * that what waits may go. */
static void
test_full(void)
{
    g_autoptr(Bed) bed = bed_new();
    CvsResealOptions options = {.drop = CVS_DROP_PREPARED};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);

    bed_seal(bed, "db", NULL);
    for (guint i = 0; i < CVS_SLOTS_MAX - 1; i++) {
        g_autofree char *word = g_strdup_printf("state %u", i);

        prepare(bed, word);
    }
    expect_slots(bed, CVS_SLOTS_MAX, CVS_SLOTS_MAX - 1);
    for (guint to = 0; to < 2; to++) {
        error = reseal(bed, to ? &predicted : NULL, NULL);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_SLOTS_FULL));
        g_assert_nonnull(strstr(error->message, "--drop prepared"));
        g_clear_error(&error);
    }
    expect_slots(bed, CVS_SLOTS_MAX, CVS_SLOTS_MAX - 1);
    /* One that is there already needs no place. */
    prepare(bed, "state 3");
    expect_slots(bed, CVS_SLOTS_MAX, CVS_SLOTS_MAX - 1);

    options.to = &predicted;
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
    expect_slots(bed, 2, 1);
    bed_assert_opens(bed, "db", NULL);
    options.to = NULL;
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
    expect_slots(bed, 2, 0);
    boot(bed, "update");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
}

/* A prediction that does not come true leaves the key as it was. */
static void
test_wrong(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = NULL;

    predicted.sha256.value[0][0] ^= 1;
    bed_seal(bed, "db", NULL);
    error = reseal(bed, &predicted, NULL);
    g_assert_no_error(error);
    bed_assert_opens(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 7, "update");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
}

static void
test_missing_register(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, FALSE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    error = reseal(bed, &predicted, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_REGISTER_NOT_PREDICTED), ==, 1);
    g_assert_nonnull(strstr(error->message, "--keep-others"));
    g_clear_error(&error);
    g_assert_cmpuint(count_slots(bed), ==, 1);

    predicted.keep_others = TRUE;
    error = reseal(bed, &predicted, NULL);
    g_assert_no_error(error);
    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_assert_opens(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 2, "other");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
}

/* Nobody seals to nothing by predicting it; and the key must open now. */
static void
test_refused(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    CvsPredicted zero = predicted;
    g_autoptr(GError) error = NULL;

    memset(zero.sha256.value[2], 0, 32);
    bed_seal(bed, "db", NULL);
    error = reseal(bed, &zero, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_PCR_UNMEASURED);
    g_clear_error(&error);
    test_tpm_extend(bed->test_tpm, 0, "tampered");
    error = reseal(bed, &predicted, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(count_slots(bed), ==, 1);
}

static void
test_rtmrs(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = NULL;
    const CvsSealOptions options = {.rtmrs = 1u << 0 | 1u << 1};

    bed_attest(bed, "tdx");
    bed_seal(bed, "db", &options);
    error = reseal(bed, &predicted, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_REGISTER_NOT_PREDICTED), ==, 2);
    g_clear_error(&error);
    predicted.rtmrs = 1u << 0;
    memset(predicted.rtmr[0], 0x77, CVS_TD_MR_SIZE);
    predicted.keep_others = TRUE;
    error = reseal(bed, &predicted, NULL);
    g_assert_no_error(error);
    bed_assert_opens(bed, "db", NULL);

    test_tpm_extend(bed->test_tpm, 7, "update");
    /* Why the present state's does not open comes first, whatever else there is. */
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_RTMR_DIFFERS), ==, 1);
    memset(bed->rtmr[0], 0x77, CVS_TD_MR_SIZE);
    bed_assert_opens(bed, "db", NULL);
}

/* What was dropped for a state to come is dropped for that alone: the present one's slot says what
 * it wants, whatever else waits, and keeps its PIN when the plan is given up. */
static void
test_dropped_for_one(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    const CvsSealOptions sealing = {.pin = pin};
    CvsResealOptions options = {.to = &predicted, .pin = pin, .drop = CVS_DROP_PIN};
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", &sealing);
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PIN_REQUIRED);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PCR_DIFFERS), ==, 1);
    g_clear_error(&error);
    error = reseal(bed, NULL, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED);
    g_clear_error(&error);

    options = (CvsResealOptions){.pin = pin, .drop = CVS_DROP_PREPARED};
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PIN_REQUIRED);
    bed_assert_opens(bed, "db", pin);
}

/* A state that was prepared before floors rose does not bring them down again. */
static void
test_floors_stay(void)
{
    static const char *const claims[] = {"tcb", NULL};
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    const CvsSealOptions options = {.claims = claims, .rtmrs = 1u << 0 | 1u << 1};
    g_autoptr(GError) error = NULL;

    bed_attest(bed, "tdx");
    bed_set_claim(bed, "tee.tcb.date", json_integer(1700000000));
    bed_seal(bed, "db", &options);
    predicted.rtmrs = 1u << 0;
    memset(predicted.rtmr[0], 0x77, CVS_TD_MR_SIZE);
    predicted.keep_others = TRUE;
    error = reseal(bed, &predicted, NULL);
    g_assert_no_error(error);
    bed_set_claim(bed, "tee.tcb.date", json_integer(1800000000));
    reseal_plain(bed);

    test_tpm_extend(bed->test_tpm, 7, "update");
    memset(bed->rtmr[0], 0x77, CVS_TD_MR_SIZE);
    bed_set_claim(bed, "tee.tcb.date", json_integer(1700000000));
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TCB_TOO_OLD);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_TCB_DATE_TOO_OLD));
    g_clear_error(&error);
    error = reseal(bed, NULL, NULL);
    g_assert_nonnull(error);
    bed_set_claim(bed, "tee.tcb.date", json_integer(1800000000));
    bed_assert_opens(bed, "db", NULL);
    /* Nor when it has come. */
    g_assert_cmpuint(count_slots(bed), ==, 1);
    bed_set_claim(bed, "tee.tcb.date", json_integer(1700000000));
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TCB_TOO_OLD);
}

/* Predicted as zero they say as little as where they are. */
static void
test_zero_rtmrs(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *text = next_state(bed, TRUE);
    CvsPredicted predicted = parse(text);
    g_autoptr(GError) error = NULL;
    const CvsSealOptions options = {.rtmrs = 1u << 0 | 1u << 1};

    bed_attest(bed, "tdx");
    bed_seal(bed, "db", &options);
    predicted.rtmrs = 0xf;
    error = reseal(bed, &predicted, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_RTMRS_UNUSED), ==, 1);
    g_clear_error(&error);
    /* Another one that is not says nothing about these. */
    memset(predicted.rtmr[2], 0x77, CVS_TD_MR_SIZE);
    error = reseal(bed, &predicted, NULL);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_RTMRS_UNUSED), ==, 1);
    g_clear_error(&error);
    g_assert_cmpuint(count_slots(bed), ==, 1);
    predicted.rtmr[1][47] = 1;
    error = reseal(bed, &predicted, NULL);
    g_assert_no_error(error);
}

/* What is proven of an object that cannot be unsealed: that it loads, and under which policy. */
static void
test_check_sealed(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_autoptr(CvsPolicy) other = cvs_policy_new();
    g_autoptr(CvsSecret) secret = bed_secret("0123456789abcdef0123456789abcdef");
    const CvsPcrSelection selection = {CVS_SHA256, 1u << 7};
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *bytes = NULL;
    gsize size = 0;

    cvs_policy_add_pcr(policy, &selection, (const guint8[32]){1});
    cvs_policy_add_pcr(other, &selection, (const guint8[32]){2});
    g_assert_true(cvs_tpm_seal(bed->tpm, policy, secret, NULL, &object, &error));
    g_assert_true(cvs_tpm_check_sealed(bed->tpm, policy, &object, &error));
    g_assert_no_error(error);
    g_assert_false(cvs_tpm_check_sealed(bed->tpm, other, &object, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_POLICY_DIFFERS));
    g_clear_error(&error);

    bytes = g_memdup2(g_bytes_get_data(object.private_area, &size),
                      g_bytes_get_size(object.private_area));
    bytes[g_bytes_get_size(object.private_area) - 1] ^= 1;
    size = g_bytes_get_size(object.private_area);
    g_bytes_unref(object.private_area);
    object.private_area = g_bytes_new(bytes, size);
    g_assert_false(cvs_tpm_check_sealed(bed->tpm, policy, &object, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    bed_replace_tpm(bed, 1);
    g_assert_false(cvs_tpm_check_sealed(bed->tpm, policy, &object, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TPM_REPLACED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/predicted/json", test_json);
    g_test_add_func("/release/predicted/bad-json", test_bad_json);
    g_test_add_func("/release/predicted/log", test_log);
    g_test_add_func("/release/predicted/ahead", test_ahead);
    g_test_add_func("/release/predicted/again", test_again);
    g_test_add_func("/release/predicted/between", test_between);
    g_test_add_func("/release/predicted/wrong", test_wrong);
    g_test_add_func("/release/predicted/missing-register", test_missing_register);
    g_test_add_func("/release/predicted/refused", test_refused);
    g_test_add_func("/release/predicted/rtmrs", test_rtmrs);
    g_test_add_func("/release/predicted/two", test_two);
    g_test_add_func("/release/predicted/not-written", test_not_written);
    g_test_add_func("/release/predicted/reseal-first", test_reseal_first);
    g_test_add_func("/release/predicted/recovered", test_recovered);
    g_test_add_func("/release/predicted/way-back", test_way_back);
    g_test_add_func("/release/predicted/full-by-recovery-key", test_full_by_recovery_key);
    g_test_add_func("/release/predicted/disk-full", test_disk_full);
    g_test_add_func("/release/predicted/meanwhile", test_meanwhile);
    g_test_add_func("/release/predicted/alone", test_alone);
    g_test_add_func("/release/predicted/same-state", test_same_state);
    g_test_add_func("/release/predicted/forged", test_forged);
    g_test_add_func("/release/predicted/full", test_full);
    g_test_add_func("/release/predicted/dropped-for-one", test_dropped_for_one);
    g_test_add_func("/release/predicted/floors-stay", test_floors_stay);
    g_test_add_func("/release/predicted/zero-rtmrs", test_zero_rtmrs);
    g_test_add_func("/release/predicted/check-sealed", test_check_sealed);
    return g_test_run();
}
