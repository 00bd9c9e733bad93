/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/trouble.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/writer.h"
#include "release/state.h"
#include "tpm/credential-activate.h"
#include "tpm/ek.h"
#include "tpm/quote-make.h"

#include <stdarg.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define WRONG g_quark_from_static_string("cvs-test-wrong")

static gboolean
wrong(GError **error, const char *text)
{
    g_set_error_literal(error, WRONG, 0, text);
    return FALSE;
}

static gboolean
unseal(Trouble *trouble, const char *name, const CvsSecret *pin, GError **error)
{
    Bed *bed = trouble->bed;
    g_autofree char *text = g_strconcat("the secret of ", name, NULL);
    g_autoptr(CvsSecret) wanted = bed_secret(text);
    g_autoptr(CvsSecret) secret = NULL;

    secret = cvs_release_unseal(&bed->release, &bed->owner, name, pin, error);
    if (secret == NULL)
        return FALSE;
    return cvs_secret_equal(secret, wanted) || wrong(error, "a wrong secret was given");
}

static gboolean
run_unseal(Trouble *trouble, GError **error)
{
    return unseal(trouble, "db", NULL, error);
}

static gboolean
run_unseal_pin(Trouble *trouble, GError **error)
{
    return unseal(trouble, "pin", trouble->pin, error);
}

static gboolean
run_refused(Trouble *trouble, GError **error)
{
    if (unseal(trouble, "old", NULL, error))
        return wrong(error, "a key was opened in the wrong state");
    return FALSE;
}

/* The record of the newest slot has the values that the PCRs really have. */
static gboolean
check_record(Trouble *trouble, const char *name, GError **error)
{
    Bed *bed = trouble->bed;
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, name, error);
    g_autoptr(GArray) order = NULL;
    const CvsTpm2Slot *slot = NULL;
    g_auto(CvsState) state = {0};
    guint8 truth[CVS_DIGEST_MAX];

    if (key == NULL)
        return FALSE;
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        const CvsTpm2Slot *other = cvs_key_file_get_tpm2_slot(key, i);

        if (other && (slot == NULL || other->generation > slot->generation))
            slot = other;
    }
    if (slot == NULL || !cvs_state_load(&bed->release, key, slot, &state, error))
        return FALSE;
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (!(state.pcrs.selection.mask & 1u << pcr))
            continue;
        test_tpm_read_pcr(bed->test_tpm, CVS_SHA256, pcr, truth);
        if (memcmp(truth, state.pcrs.value[pcr], 32) != 0)
            return wrong(error, "sealed to PCR values that are not the real ones");
    }
    return TRUE;
}

static gboolean
seal(Trouble *trouble, const char *name, const CvsSecret *pin, GError **error)
{
    const CvsSealOptions options = {.replace = TRUE, .pin = pin};
    Bed *bed = trouble->bed;
    g_autofree char *text = g_strconcat("the secret of ", name, NULL);
    g_autoptr(CvsSecret) secret = bed_secret(text);
    g_autofree char *id = NULL;

    return cvs_release_seal(&bed->release, &bed->owner, name, secret, &options, &id, error) &&
           check_record(trouble, name, error);
}

static gboolean
run_seal(Trouble *trouble, GError **error)
{
    return seal(trouble, "db", NULL, error);
}

static gboolean
run_seal_pin(Trouble *trouble, GError **error)
{
    return seal(trouble, "pin", trouble->pin, error);
}

static gboolean
run_reseal(Trouble *trouble, GError **error)
{
    const CvsResealOptions options = {0};
    Bed *bed = trouble->bed;

    return cvs_release_reseal(&bed->release, &bed->owner, "db", &options, error) &&
           check_record(trouble, "db", error);
}

/* As the daemon does for users. */
static gboolean
run_unseal_pin_spared(Trouble *trouble, GError **error)
{
    gboolean ok = FALSE;

    trouble->bed->release.spares_tries = TRUE;
    ok = run_unseal_pin(trouble, error);
    trouble->bed->release.spares_tries = FALSE;
    return ok;
}

/* "old" does not open, and PCR 7 is why. */
static gboolean
run_explain(Trouble *trouble, GError **error)
{
    Bed *bed = trouble->bed;
    g_autofree char *text = cvs_release_explain(&bed->release, &bed->owner, "old", error);
    g_autoptr(json_t) json = NULL;
    const json_t *reasons = NULL, *reason = NULL;
    guint8 truth[CVS_DIGEST_MAX];
    g_autofree char *hex = NULL;

    if (text == NULL)
        return FALSE;
    json = cvs_json_parse(text, strlen(text), "explanation", error);
    if (json == NULL)
        return FALSE;
    reasons = json_object_get(json_array_get(json_object_get(json, "slots"), 0), "reasons");
    if (json_is_true(json_object_get(json, "opens")) || json_array_size(reasons) != 1)
        return wrong(error, text);
    reason = json_array_get(reasons, 0);
    test_tpm_read_pcr(bed->test_tpm, CVS_SHA256, 7, truth);
    hex = cvs_hex_encode(truth, 32);
    if (g_strcmp0(json_string_value(json_object_get(reason, "code")), CVS_REASON_PCR_DIFFERS) !=
            0 ||
        g_strcmp0(json_string_value(json_object_get(reason, "seen")), hex) != 0)
        return wrong(error, text);
    return TRUE;
}

static gboolean
run_info(Trouble *trouble, GError **error)
{
    CvsTpmInfo info;

    if (!cvs_tpm_get_info(trouble->bed->tpm, &info, error))
        return FALSE;
    if (!g_str_equal(info.manufacturer, "IBM") || !info.has_sha256 || !info.has_sha384 ||
        info.in_lockout || info.lockout_counter != 0 || info.reset_count != 1) {
        g_set_error(error, WRONG, 0, "manufacturer %s, lockout %d (%u), reset %u",
                    info.manufacturer, info.in_lockout, info.lockout_counter, info.reset_count);
        return FALSE;
    }
    return TRUE;
}

/* The proof that the TPM is the one with the endorsement key, and a quote. */
static gboolean
run_attest(Trouble *trouble, GError **error)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1u << 7};
    Bed *bed = trouble->bed;
    g_auto(CvsQuote) quote = {0};
    CvsQuoteFacts facts = {0};
    guint8 truth[CVS_DIGEST_MAX];

    if (!cvs_tpm_pin_ek(bed->tpm, trouble->ek, FALSE, error) ||
        !cvs_tpm_quote(bed->tpm, CVS_AK_OWN, trouble->ak, &selection, "nonce", 5, &quote, &facts,
                       error))
        return FALSE;
    test_tpm_read_pcr(bed->test_tpm, CVS_SHA256, 7, truth);
    return memcmp(truth, quote.values.value[7], 32) == 0 || wrong(error, "quoted what is not so");
}

static gboolean
run_challenge(Trouble *trouble, GError **error)
{
    g_autoptr(CvsSecret) wanted = bed_secret("the answer");
    g_autoptr(CvsSecret) answer = cvs_tpm_activate_credential(
        trouble->bed->tpm, trouble->ek, CVS_AK_OWN, &trouble->credential, error);

    if (answer == NULL)
        return FALSE;
    return cvs_secret_equal(answer, wanted) || wrong(error, "a wrong answer was given");
}

const TroubleOperation trouble_operations[] = {
    {.name = "unseal-warm", .run = run_unseal, .quick = TRUE},
    {.name = "unseal-cold", .run = run_unseal, .cold = TRUE},
    {.name = "unseal-idle", .run = run_unseal, .idle = TRUE},
    {.name = "unseal-pin-warm", .run = run_unseal_pin},
    {.name = "unseal-pin-cold", .run = run_unseal_pin, .cold = TRUE, .quick = TRUE},
    {.name = "unseal-pin-idle", .run = run_unseal_pin, .idle = TRUE},
    {.name = "unseal-pin-spared-warm", .run = run_unseal_pin_spared, .quick = TRUE},
    {.name = "unseal-pin-spared-cold", .run = run_unseal_pin_spared, .cold = TRUE},
    {.name = "refused",
     .run = run_refused,
     .cold = TRUE,
     .refusal = CVS_ERROR_PCR_MISMATCH,
     .quick = TRUE},
    {.name = "seal-warm", .run = run_seal, .writes = TRUE},
    {.name = "seal-cold", .run = run_seal, .writes = TRUE, .cold = TRUE},
    {.name = "seal-pin", .run = run_seal_pin, .writes = TRUE, .cold = TRUE},
    {.name = "seal-first",
     .run = run_seal,
     .writes = TRUE,
     .cold = TRUE,
     .no_srk = TRUE,
     .quick = TRUE},
    {.name = "reseal", .run = run_reseal, .writes = TRUE, .cold = TRUE},
    {.name = "explain", .run = run_explain, .cold = TRUE},
    {.name = "info", .run = run_info, .cold = TRUE, .quick = TRUE},
    {.name = "attest", .run = run_attest, .cold = TRUE, .quick = TRUE},
    {.name = "attest-warm", .run = run_attest},
    {.name = "challenge", .run = run_challenge, .cold = TRUE},
    {.name = "challenge-warm", .run = run_challenge},
};
const guint trouble_n_operations = G_N_ELEMENTS(trouble_operations);

const TroubleOperation *
trouble_operation(const char *name)
{
    for (guint i = 0; i < trouble_n_operations; i++) {
        if (g_str_equal(trouble_operations[i].name, name))
            return &trouble_operations[i];
    }
    g_error("no operation %s", name);
}

TpmMux *
trouble_mux(Trouble *trouble)
{
    return test_tpm_mux(trouble->bed->test_tpm);
}

void
trouble_complain(Trouble *trouble, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_test_message("%s: %s", trouble->what ? trouble->what : "", text);
    trouble->failures++;
}

/* Straight to the TPM: a header, handles, and, with a password, its empty authorization. */
static guint32
transact(Trouble *trouble, guint32 code, gboolean password, const guint32 *words, guint n_words,
         guint n_handles, GByteArray *response)
{
    g_auto(CvsWriter) command;
    guint32 rc = 0;

    cvs_writer_init(&command);
    cvs_writer_u16_be(&command, password ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS);
    cvs_writer_u32_be(&command, 10 + 4 * n_words + (password ? 13 : 0));
    cvs_writer_u32_be(&command, code);
    for (guint i = 0; i < n_words; i++) {
        if (password && i == n_handles) {
            cvs_writer_u32_be(&command, 9);
            cvs_writer_u32_be(&command, TPM2_RS_PW);
            cvs_writer_zero(&command, 5);
        }
        cvs_writer_u32_be(&command, words[i]);
    }
    g_assert_true(tpm_mux_transact(trouble_mux(trouble), cvs_writer_data(&command),
                                   cvs_writer_size(&command), response));
    g_assert_cmpuint(response->len, >=, 10);
    memcpy(&rc, response->data + 6, 4);
    return GUINT32_FROM_BE(rc);
}

static void
evict_srk(Trouble *trouble)
{
    const guint32 words[] = {TPM2_RH_OWNER, CVS_TPM_SRK_HANDLE, CVS_TPM_SRK_HANDLE};
    g_autoptr(GByteArray) response = g_byte_array_new();

    g_assert_cmphex(transact(trouble, TPM2_CC_EvictControl, TRUE, words, 3, 2, response), ==,
                    TPM2_RC_SUCCESS);
}

static void
flush_all(Trouble *trouble)
{
    static const guint32 first[] = {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST};

    for (gsize i = 0; i < G_N_ELEMENTS(first); i++) {
        const guint32 ask[] = {TPM2_CAP_HANDLES, first[i], 16};
        g_autoptr(GByteArray) list = g_byte_array_new();
        guint32 n = 0;

        g_assert_cmphex(transact(trouble, TPM2_CC_GetCapability, FALSE, ask, 3, 0, list), ==,
                        TPM2_RC_SUCCESS);
        memcpy(&n, list->data + 15, 4);
        n = GUINT32_FROM_BE(n);
        for (guint j = 0; j < n; j++) {
            g_autoptr(GByteArray) response = g_byte_array_new();
            guint32 handle = 0;

            memcpy(&handle, list->data + 19 + 4 * j, 4);
            handle = GUINT32_FROM_BE(handle);
            g_assert_cmphex(transact(trouble, TPM2_CC_FlushContext, FALSE, &handle, 1, 0, response),
                            ==, TPM2_RC_SUCCESS);
        }
    }
}

static void
make_challenge(Trouble *trouble)
{
    Bed *bed = trouble->bed;
    g_autofree char *path = g_build_filename(test_tpm_dir(bed->test_tpm), "ek.pub", NULL);
    g_autoptr(CvsSecret) secret = bed_secret("the answer");
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    CvsReader reader = {0};
    gsize size = 0;

    /* A TPM has room for three sessions. */
    cvs_tpm_idle(bed->tpm);
    g_free(test_tpm_run(bed->test_tpm, "tpm2_createek -G ecc -c ek.ctx -u ek.pub"));
    flush_all(trouble);
    g_assert_true(g_file_get_contents(path, &data, &size, &error));
    cvs_reader_init(&reader, data, size);
    trouble->ek = cvs_public_area_read(&reader, "ek.pub", &error);
    g_assert_no_error(error);
    trouble->ak = cvs_tpm_read_ak(bed->tpm, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    (void)cvs_credential_make(trouble->ek, &trouble->ak->name, secret, &trouble->credential,
                              &error);
    g_assert_no_error(error);
}

Trouble *
trouble_new(TpmMuxFlags flags)
{
    Trouble *trouble = g_new0(Trouble, 1);
    CvsSealOptions with_pin = {0};

    trouble->bed = bed_new_with(flags);
    trouble->pin = bed_secret("1234 horses");
    with_pin.pin = trouble->pin;
    bed_seal(trouble->bed, "old", NULL);
    test_tpm_extend(trouble->bed->test_tpm, 7, "update");
    bed_seal(trouble->bed, "db", NULL);
    bed_seal(trouble->bed, "pin", &with_pin);
    make_challenge(trouble);
    return trouble;
}

void
trouble_free(Trouble *trouble)
{
    g_assert_cmpuint(trouble->failures, ==, 0);
    cvs_secret_unref(trouble->pin);
    cvs_public_area_free(trouble->ek);
    cvs_public_area_free(trouble->ak);
    cvs_credential_clear(&trouble->credential);
    bed_free(trouble->bed);
    g_free(trouble->what);
    g_free(trouble);
}

static void
reconnect(Trouble *trouble)
{
    Bed *bed = trouble->bed;

    cvs_tpm_free(bed->tpm);
    bed->tpm = cvs_tpm_new(test_tpm_tcti(bed->test_tpm));
    bed->release.tpm = bed->tpm;
}

void
trouble_prepare(Trouble *trouble, const TroubleOperation *operation)
{
    g_autoptr(GError) error = NULL;

    /* Drops what a reseal left of older slots. */
    if (operation->writes)
        bed_assert_opens(trouble->bed, "db", NULL);
    if (operation->cold) {
        reconnect(trouble);
    } else {
        cvs_tpm_idle(trouble->bed->tpm);
        if (!operation->run(trouble, &error))
            g_error("%s: %s", operation->name, error->message);
        if (operation->idle)
            cvs_tpm_idle(trouble->bed->tpm);
    }
    if (operation->no_srk)
        evict_srk(trouble);
}

static int
compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names and contents of all in the vault; sorted, so that two can be compared. */
static char *
picture(Trouble *trouble)
{
    g_autofree char *path = bed_key_path(trouble->bed, "db");
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(folder, name, NULL);
        g_autofree char *contents = NULL;
        g_autofree char *digest = NULL;
        gsize size = 0;

        g_assert_true(g_file_get_contents(file, &contents, &size, NULL));
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guint8 *)contents, size);
        g_ptr_array_add(lines, g_strdup_printf("%s %s", name, digest));
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

gboolean
trouble_run(Trouble *trouble, const TroubleOperation *operation, guint max_ms, GError **error)
{
    g_autofree char *before = picture(trouble);
    g_autofree char *after = NULL;
    gint64 start = g_get_monotonic_time();
    GError *local = NULL;
    gboolean ok = operation->run(trouble, &local);
    gint64 ms = (g_get_monotonic_time() - start) / 1000;

    if (ms > max_ms)
        trouble_complain(trouble, "took %" G_GINT64_FORMAT " ms", ms);
    after = picture(trouble);
    if (!(ok && operation->writes) && !g_str_equal(before, after))
        trouble_complain(trouble, "changed the vault from\n%s\nto\n%s", before, after);
    if (!ok && local->domain != CVS_ERROR) {
        trouble_complain(trouble, "%s", local->message);
        g_clear_error(&local);
        return TRUE;
    }
    if (!ok)
        g_propagate_error(error, local);
    return ok;
}

static void
run_clean(Trouble *trouble, const TroubleOperation *operation)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = operation->run(trouble, &error);

    if (operation->refusal != 0 ? !g_error_matches(error, CVS_ERROR, operation->refusal) ||
                                      !cvs_error_has_reason(error, CVS_REASON_PCR_DIFFERS)
                                : !ok)
        trouble_complain(trouble, "the next %s: %s", operation->name,
                         error ? error->message : "no error");
}

void
trouble_assert_over(Trouble *trouble, const TroubleOperation *operation, guint leaked)
{
    g_autofree char *vault = NULL;
    TpmMuxHandles handles;

    run_clean(trouble, operation);
    run_clean(trouble, trouble_operation("unseal-warm"));
    cvs_tpm_idle(trouble->bed->tpm);
    handles = tpm_mux_handles(trouble_mux(trouble), NULL);
    if (handles.objects + handles.sessions > leaked)
        trouble_complain(trouble, "left %u objects and %u sessions", handles.objects,
                         handles.sessions);
    if (handles.objects + handles.sessions > 0) {
        reconnect(trouble);
        flush_all(trouble);
    }
    vault = picture(trouble);
    if (strstr(vault, ".tmp-") != NULL)
        trouble_complain(trouble, "left in the vault:\n%s", vault);
}
