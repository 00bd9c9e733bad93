/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/attesting.h"
#include "tpm/tpm-private.h"
#include "tpm/wire.h"

#include <string.h>

static void
assert_nothing_left(TestTpm *tpm, CvsTpm *client)
{
    cvs_tpm_idle(client);
    g_assert_cmpuint(test_tpm_count_handles(tpm), ==, 0);
}

/* A key that tpm2_createek makes from its template is found by its public area and by its key, also
 * when it is nowhere persistent. */
static void
test_template(gconstpointer data)
{
    const char *algorithm = data;
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, algorithm), found = NULL;
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL;
    GBytes *srk = NULL;

    found = cvs_tpm_find_ek(client, ek->key, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_public_area_equal(found, ek));
    assert_nothing_left(tpm, client);
    (void)cvs_tpm_pin_ek(client, ek, TRUE, &error);
    g_assert_no_error(error);
    srk = cvs_tpm_get_srk_name(client, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(srk), ==, 34);
    assert_nothing_left(tpm, client);
}

static void
test_persistent(gconstpointer data)
{
    const char *const *parts = data; /* algorithm, handle */
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = NULL, found = NULL;
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL;

    /* Beside others of the same range. */
    g_free(test_tpm_run(tpm, "tpm2_createek -G rsa -c 0x81010005 -u other.pub"));
    g_free(test_tpm_run(tpm, "tpm2_createek -G %s -c %s -u ek.pub", parts[0], parts[1]));
    ek = attest_read_public(tpm, "ek.pub");
    found = cvs_tpm_find_ek(client, ek->key, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_public_area_equal(found, ek));
    (void)cvs_tpm_pin_ek(client, ek, TRUE, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tpm_mux_sent(test_tpm_mux(tpm), "main", TPM2_CC_CreatePrimary), ==, 1);
    assert_nothing_left(tpm, client);
}

/* A key that no template makes, but that is persistent: its area decides. */
static void
test_own_template(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = NULL;
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL, gone = NULL;

    g_free(test_tpm_run(tpm, "tpm2_createprimary -C e -G ecc384:aes256cfb -c key.ctx -a "
                             "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|"
                             "decrypt'"));
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c key.ctx -o key.pub"));
    g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c key.ctx 0x81010016"));
    ek = attest_read_public(tpm, "key.pub");
    (void)cvs_tpm_pin_ek(client, ek, TRUE, &error);
    g_assert_no_error(error);
    g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c 0x81010016"));
    g_assert_false(cvs_tpm_pin_ek(client, ek, TRUE, &gone));
    assert_refused(gone, TPM_REPLACED, CVS_REASON_EK_CHANGED);
}

/* What is not this TPM's key, or no longer. */
static void
test_refused(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "rsa"), foreign = NULL, changed = NULL;
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL, by_key = NULL, by_area = NULL, by_template = NULL, none = NULL,
                      password = NULL;
    g_autofree guint8 *bytes = NULL;
    gsize size = g_bytes_get_size(ek->bytes);

    g_assert_false(cvs_tpm_pin_ek(client, ek, FALSE, &none));
    g_assert_error(none, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);

    /* A key of an unlike template. */
    bytes = g_memdup2(g_bytes_get_data(ek->bytes, NULL), size);
    bytes[7] ^= 0x40; /* userWithAuth */
    changed = cvs_public_area_parse(bytes, size, "the key", &error);
    g_assert_no_error(error);
    g_assert_false(cvs_tpm_pin_ek(client, changed, TRUE, &by_template));
    assert_refused(by_template, TPM_REPLACED, CVS_REASON_EK_CHANGED);

    test_tpm_replace(tpm, 1);
    foreign = attest_create_ek(tpm, "rsa");
    test_tpm_replace(tpm, 0);
    g_assert_false(cvs_tpm_pin_ek(client, foreign, TRUE, &by_area));
    assert_refused(by_area, TPM_REPLACED, CVS_REASON_EK_CHANGED);
    g_assert_null(cvs_tpm_find_ek(client, foreign->key, &by_key));
    assert_refused(by_key, TPM_REPLACED, CVS_REASON_EK_CHANGED);
    assert_nothing_left(tpm, client);

    g_free(test_tpm_run(tpm, "tpm2_changeauth -c e password"));
    g_assert_false(cvs_tpm_pin_ek(client, ek, TRUE, &password));
    g_assert_error(password, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_nonnull(strstr(password->message, "password"));
    g_assert_null(client->pinned_srk);
    assert_nothing_left(tpm, client);
}

/* A signing key that an attacker put at a handle of the range is no endorsement key. */
static void
test_unfit(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) key = NULL;
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL;

    g_free(test_tpm_run(tpm, "tpm2_createprimary -C e -G ecc256 -c key.ctx -a "
                             "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|"
                             "decrypt'"));
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c key.ctx -o key.pub"));
    g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c key.ctx 0x81010001"));
    key = attest_read_public(tpm, "key.pub");
    g_assert_null(cvs_tpm_find_ek(client, key->key, &error));
    assert_refused(error, TPM_REPLACED, CVS_REASON_EK_CHANGED);
}

/* Pinned, every function refuses another TPM; and knows its own again. */
static void
test_replaced(gconstpointer data)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, data);
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1};
    CvsPcrValues values;

    for (guint other_has_srk = 0; other_has_srk < 2; other_has_srk++) {
        g_autoptr(GError) gone = NULL, again = NULL, pinning = NULL, after = NULL;

        test_tpm_replace(tpm, 1);
        if (other_has_srk) {
            g_autoptr(CvsTpm) own = cvs_tpm_new(test_tpm_port(tpm, "other"));

            g_assert_nonnull(cvs_tpm_get_srk_name(own, TRUE, NULL));
            cvs_tpm_idle(own);
        }
        /* The line may have broken with the power. */
        g_assert_false(cvs_tpm_read_pcrs(client, &selection, &values, &gone));
        if (!g_error_matches(gone, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE))
            assert_refused(gone, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
        g_assert_false(cvs_tpm_read_pcrs(client, &selection, &values, &again));
        assert_refused(again, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
        g_assert_false(cvs_tpm_pin_ek(client, ek, TRUE, &pinning));
        g_assert_error(pinning, CVS_ERROR, CVS_ERROR_TPM_REPLACED);

        test_tpm_replace(tpm, 0);
        cvs_tpm_disconnect(client);
        (void)cvs_tpm_read_pcrs(client, &selection, &values, &after);
        g_assert_no_error(after);
    }
    assert_nothing_left(tpm, client);
}

/* Somebody stands between, with another TPM, and answers with what the first one said where that is
 * public: its keys. */
typedef struct {
    guint32 code; /* whose answers are noted, then replayed */
    gboolean replay;
    GByteArray *answer;
    guint n_replayed;
} Man;

static TpmMuxVerdict
stand_between(TpmMuxEvent *event, gpointer data)
{
    Man *man = data;
    guint32 handle = 0;

    /* Those in a session have an HMAC. */
    if (!g_str_equal(event->port, "main") || !event->after || event->code != man->code ||
        (event->code == TPM2_CC_ReadPublic && event->command->data[1] != 0x01))
        return TPM_MUX_PASS;
    if (!man->replay) {
        g_byte_array_set_size(man->answer, 0);
        g_byte_array_append(man->answer, event->response->data, event->response->len);
        return TPM_MUX_PASS;
    }
    memcpy(&handle, event->response->data + 10, 4);
    g_byte_array_set_size(event->response, 0);
    g_byte_array_append(event->response, man->answer->data, man->answer->len);
    /* The object that there is now. */
    if (event->code == TPM2_CC_CreatePrimary)
        memcpy(event->response->data + 10, &handle, 4);
    man->n_replayed++;
    return TPM_MUX_PASS;
}

static void
make_srk(CvsTpm *tpm)
{
    g_autoptr(GError) error = NULL;

    (void)cvs_tpm_get_srk_name(tpm, TRUE, &error);
    g_assert_no_error(error);
    cvs_tpm_disconnect(tpm);
}

/* The endorsement key's public area is shown as the right one. */
static void
test_man_in_the_middle(gconstpointer data)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, data);
    g_autoptr(CvsTpm) client = attest_open(tpm), other = cvs_tpm_new(test_tpm_port(tpm, "other"));
    g_autoptr(GError) good = NULL, error = NULL;
    Man man = {.code = TPM2_CC_CreatePrimary, .answer = g_byte_array_new()};

    make_srk(other);
    tpm_mux_set_hook(test_tpm_mux(tpm), stand_between, &man);
    g_assert_true(cvs_tpm_pin_ek(client, ek, FALSE, &good));
    g_assert_no_error(good);
    g_clear_pointer(&client, cvs_tpm_free);
    g_assert_cmpuint(man.answer->len, >, 100);

    test_tpm_replace(tpm, 1);
    make_srk(other);
    man.replay = TRUE;
    client = attest_open(tpm);
    g_assert_false(cvs_tpm_pin_ek(client, ek, FALSE, &error));
    assert_refused(error, TPM_REPLACED, CVS_REASON_EK_CHANGED);
    g_assert_cmpuint(man.n_replayed, ==, 2);
    g_assert_null(client->pinned_srk);
    tpm_mux_set_hook(test_tpm_mux(tpm), NULL, NULL);
    g_byte_array_unref(man.answer);
}

/* The pinned storage root key is shown, and the TPM is another. */
static void
test_srk_shown(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsTpm) client = attest_open(tpm), other = cvs_tpm_new(test_tpm_port(tpm, "other"));
    g_autoptr(GBytes) name = NULL;
    g_autoptr(GError) error = NULL, shown = NULL;
    CvsClock clock = {0};
    Man man = {.code = TPM2_CC_ReadPublic, .answer = g_byte_array_new()};

    name = g_bytes_ref(cvs_tpm_get_srk_name(client, TRUE, &error));
    g_assert_no_error(error);
    cvs_tpm_disconnect(client);
    cvs_tpm_pin_srk(client, name);
    tpm_mux_set_hook(test_tpm_mux(tpm), stand_between, &man);
    (void)cvs_tpm_read_clock(client, &clock, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(man.answer->len, >, 100);

    test_tpm_replace(tpm, 1);
    make_srk(other);
    cvs_tpm_disconnect(client);
    man.replay = TRUE;
    g_assert_false(cvs_tpm_read_clock(client, &clock, &shown));
    assert_refused(shown, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
    g_assert_cmpuint(man.n_replayed, ==, 1);
    tpm_mux_set_hook(test_tpm_mux(tpm), NULL, NULL);
    g_byte_array_unref(man.answer);
}

/* Another key under the right Name: nothing may be said in a session salted to it, for who shows it
 * has its private part. */
typedef struct {
    GByteArray *area; /* TPM2B_PUBLIC of the attacker's */
    guint n_shown;
    guint n_started;
} Painter;

static TpmMuxVerdict
paint(TpmMuxEvent *event, gpointer data)
{
    Painter *painter = data;
    guint8 *response = event->response->data;

    if (!g_str_equal(event->port, "main"))
        return TPM_MUX_PASS;
    if (!event->after) {
        painter->n_started += event->code == TPM2_CC_StartAuthSession;
    } else if (event->code == TPM2_CC_ReadPublic && event->command->data[1] == 0x01) {
        g_assert_cmpuint(event->response->len, >, 10 + painter->area->len);
        memcpy(response + 10, painter->area->data, painter->area->len);
        painter->n_shown++;
    }
    return TPM_MUX_PASS;
}

static void
test_other_key_under_the_name(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsTpm) client = attest_open(tpm), other = cvs_tpm_new(test_tpm_port(tpm, "other"));
    g_autoptr(GBytes) name = NULL, foreign = NULL;
    g_autoptr(GError) error = NULL, shown = NULL;
    CvsClock clock = {0};
    Painter painter = {.area = g_byte_array_new()};

    test_tpm_replace(tpm, 1);
    make_srk(other);
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c 0x81000001 -o foreign.pub"));
    foreign = attest_read_file(tpm, "foreign.pub");
    g_byte_array_append(painter.area, g_bytes_get_data(foreign, NULL),
                        (guint)g_bytes_get_size(foreign));
    test_tpm_replace(tpm, 0);
    name = g_bytes_ref(cvs_tpm_get_srk_name(client, TRUE, &error));
    g_assert_no_error(error);
    cvs_tpm_disconnect(client);

    cvs_tpm_pin_srk(client, name);
    tpm_mux_set_hook(test_tpm_mux(tpm), paint, &painter);
    g_assert_false(cvs_tpm_read_clock(client, &clock, &shown));
    assert_refused(shown, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
    tpm_mux_set_hook(test_tpm_mux(tpm), NULL, NULL);
    g_assert_cmpuint(painter.n_shown, ==, 1);
    g_assert_cmpuint(painter.n_started, ==, 0);
    g_byte_array_unref(painter.area);
}

/* The owner clears the TPM: the storage root key is another then, the endorsement key is not. */
static void
test_cleared(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "ecc");
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek), fresh = NULL;
    g_autoptr(GError) error = NULL, pinning = NULL;
    CvsClock clock = {0};

    cvs_tpm_disconnect(client);
    g_free(test_tpm_run(tpm, "tpm2_clear"));
    g_assert_false(cvs_tpm_read_clock(client, &clock, &error));
    assert_refused(error, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
    g_assert_false(cvs_tpm_pin_ek(client, ek, TRUE, &pinning));
    assert_refused(pinning, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
    fresh = cvs_tpm_new(test_tpm_port(tpm, "fresh"));
    g_assert_true(cvs_tpm_pin_ek(fresh, ek, TRUE, NULL));
}

static void
test_clock_is_cheap(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "ecc");
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    g_autoptr(GError) error = NULL;
    CvsClock clock = {0};
    guint64 before = 0;

    g_assert_true(cvs_tpm_read_clock(client, &clock, &error));
    before = cvs_tpm_commands_sent(client);
    g_assert_true(cvs_tpm_read_clock(client, &clock, &error));
    g_assert_cmpuint(cvs_tpm_commands_sent(client) - before, ==, 1);
}

int
main(int argc, char **argv)
{
    static const char *const rsa[] = {"rsa", "0x81010001"}, *const ecc[] = {"ecc", "0x81010002"},
                             *const ecc384[] = {"ecc384", "0x81010016"};

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/tpm/ek/template/rsa", "rsa", test_template);
    g_test_add_data_func("/tpm/ek/template/ecc", "ecc", test_template);
    g_test_add_data_func("/tpm/ek/template/rsa2048-high", "rsa2048", test_template);
    g_test_add_data_func("/tpm/ek/template/ecc256-high", "ecc256", test_template);
    g_test_add_data_func("/tpm/ek/template/ecc384-high", "ecc384", test_template);
    g_test_add_data_func("/tpm/ek/persistent/rsa", rsa, test_persistent);
    g_test_add_data_func("/tpm/ek/persistent/ecc", ecc, test_persistent);
    g_test_add_data_func("/tpm/ek/persistent/ecc384", ecc384, test_persistent);
    g_test_add_func("/tpm/ek/own-template", test_own_template);
    g_test_add_func("/tpm/ek/refused", test_refused);
    g_test_add_func("/tpm/ek/unfit", test_unfit);
    g_test_add_data_func("/tpm/ek/replaced/rsa", "rsa", test_replaced);
    g_test_add_data_func("/tpm/ek/replaced/ecc", "ecc", test_replaced);
    g_test_add_data_func("/tpm/ek/man-in-the-middle/rsa", "rsa", test_man_in_the_middle);
    g_test_add_data_func("/tpm/ek/man-in-the-middle/ecc", "ecc", test_man_in_the_middle);
    g_test_add_func("/tpm/ek/srk-shown", test_srk_shown);
    g_test_add_func("/tpm/ek/other-key-under-the-name", test_other_key_under_the_name);
    g_test_add_func("/tpm/ek/cleared", test_cleared);
    g_test_add_func("/tpm/ek/clock-is-cheap", test_clock_is_cheap);
    return g_test_run();
}
