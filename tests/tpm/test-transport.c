/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What stands between us and the TPM lies: every answer is changed, cut, lengthened or lost in
 * every way that is tried here, and nothing wrong may ever be taken for right. */

#include "base/secret.h"
#include "config.h"
#include "tpm/credential-activate.h"
#include "tpm/ek.h"
#include "tpm/nv.h"
#include "tpm/quote-make.h"
#include "tpm/sealing.h"
#include "tpm/tpm-private.h"

#include <string.h>
#include <tss2/tss2_mu.h>

/* Of the places in an answer, which are tried: all of them where a session costs little. */
#if CVS_HAVE_ESYS_CRYPTO_CALLBACKS
#define STRIDE 1
#else
#define STRIDE 11
#endif

typedef enum {
    FLIP,    /* one byte of the answer */
    CUT,     /* the answer ends there, the header says otherwise */
    SHORTEN, /* the answer ends there, and the header says so */
    APPEND,  /* a byte more than the header says */
    GARBAGE, /* all of it */
    LOSE,    /* the line breaks */
    FAIL,    /* TPM_RC_FAILURE in place of the answer */
    EMPTY,   /* a bare success */
} Lie;

typedef struct {
    Lie lie;
    guint nth;    /* which answer */
    gsize offset; /* of FLIP, CUT and SHORTEN */
    guint seen;
    gsize size; /* of that answer, as it came */
    gboolean changed;
    gboolean again;    /* the command was answered once more, without a lie */
    gboolean harmless; /* nobody vouches for this answer, and what depends on it is checked later */
    gboolean vouched;  /* by a session, for what a key is made as */
    guint32 command;
} Liar;

static void
put_header(guint8 *response, gsize *size, guint32 code)
{
    guint8 header[10] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, (guint8)(code >> 8), (guint8)code};

    memcpy(response, header, sizeof header);
    *size = sizeof header;
}

static gboolean
lie(guint32 command, guint8 *response, gsize *size, gpointer data)
{
    Liar *liar = data;
    g_autofree guint8 *before = g_memdup2(response, *size);

    if (liar->seen++ != liar->nth) {
        liar->again |= liar->size != 0 && command == liar->command;
        return TRUE;
    }
    liar->size = *size;
    liar->command = command;
    /* The first look at the SRK comes again in a session salted to what it showed. Load's answer
     * names an object, by whose Name Unseal is then authorized. FlushContext answers nothing. */
    liar->harmless = (command == TPM2_CC_ReadPublic && response[1] == 0x01) ||
                     command == TPM2_CC_Load || command == TPM2_CC_FlushContext;
    /* So does that at an NV index. What a key is made as is compared with the one wanted where no
     * session vouches for it; and a list of handles only says where to look. */
    liar->harmless |= (command == TPM2_CC_NV_ReadPublic || command == TPM2_CC_GetCapability) &&
                      response[1] == 0x01;
    liar->harmless |= command == TPM2_CC_CreatePrimary && !liar->vouched;
    /* A time limit and a ticket, which nobody uses; what the session is worth, the TPM knows. */
    liar->harmless |= command == TPM2_CC_PolicySecret;
    /* The attestation key's authorization is a password, whose attributes in the answer no HMAC
     * covers: behind header, size, parameters and an empty nonce. */
    if (command == TPM2_CC_ActivateCredential && *size > 14)
        liar->harmless |= liar->lie == FLIP && liar->offset == 14u + before[13] + 2;
    switch (liar->lie) {
    case FLIP:
        if (liar->offset < *size)
            response[liar->offset] ^= 0x01;
        break;
    case CUT:
        *size = MIN(*size, liar->offset);
        break;
    case SHORTEN:
        *size = MIN(*size, liar->offset);
        response[2] = response[3] = 0;
        response[4] = (guint8)(*size >> 8);
        response[5] = (guint8)*size;
        break;
    case APPEND:
        response[(*size)++] = 0;
        break;
    case GARBAGE:
        memset(response, 0xa5, *size);
        break;
    case LOSE:
        return FALSE;
    case FAIL:
        put_header(response, size, TPM2_RC_FAILURE);
        break;
    case EMPTY:
        put_header(response, size, TPM2_RC_SUCCESS);
        break;
    }
    liar->changed = *size != liar->size || memcmp(before, response, *size) != 0;
    return TRUE;
}

/* One request, and what it has to come to if it succeeds. */
typedef struct {
    const char *name;
    /* FALSE with an error, or TRUE if the right thing came out; asserts that no wrong one does. */
    gboolean (*run)(CvsTpm *tpm, GError **error);
    gboolean makes_vouched; /* a session vouches for each key that it makes */
    gboolean asks_again;    /* what was spoiled once is asked for a second time */
} Request;

static struct {
    Swtpm *swtpm;
    CvsPolicy *policy;
    CvsPolicy *pin_policy;
    CvsSealedObject object;
    CvsSealedObject pin_object;
    CvsPcrValues values;
    GBytes *srk_name;
    CvsPublicArea *ek;
    CvsPublicArea *ak;
    CvsCredential credential;
} world;

static gboolean
run_unseal_with(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
                const char *pin, GError **error)
{
    g_autoptr(CvsSecret) wanted = secret_of("the secret"), pin_secret = secret_of(pin);
    g_autoptr(CvsSecret) secret = cvs_tpm_unseal(tpm, policy, object, pin_secret, error);

    if (secret == NULL)
        return FALSE;
    g_assert_true(cvs_secret_equal(secret, wanted));
    return TRUE;
}

static gboolean
run_unseal(CvsTpm *tpm, GError **error)
{
    return run_unseal_with(tpm, world.policy, &world.object, NULL, error);
}

static gboolean
run_unseal_pin(CvsTpm *tpm, GError **error)
{
    return run_unseal_with(tpm, world.pin_policy, &world.pin_object, "1234", error);
}

static gboolean
run_read_pcrs(CvsTpm *tpm, GError **error)
{
    CvsPcrValues values;

    if (!cvs_tpm_read_pcrs(tpm, &world.values.selection, &values, error))
        return FALSE;
    g_assert_cmpmem(&values, sizeof values, &world.values, sizeof world.values);
    return TRUE;
}

static gboolean
run_srk_name(CvsTpm *tpm, GError **error)
{
    GBytes *name = cvs_tpm_get_srk_name(tpm, FALSE, error);

    if (name == NULL)
        return FALSE;
    g_assert_true(g_bytes_equal(name, world.srk_name));
    return TRUE;
}

static gboolean
run_seal(CvsTpm *tpm, GError **error)
{
    g_autoptr(CvsSecret) secret = secret_of("the secret");
    g_auto(CvsSealedObject) object = {0};

    if (!cvs_tpm_seal(tpm, world.policy, secret, NULL, &object, error)) {
        g_assert_null(object.private_area);
        return FALSE;
    }
    tpm->watch.hook = NULL;
    assert_unseals(tpm, world.policy, &object, NULL, "the secret");
    return TRUE;
}

static gboolean
run_info(CvsTpm *tpm, GError **error)
{
    CvsTpmInfo info;

    if (!cvs_tpm_get_info(tpm, &info, error))
        return FALSE;
    g_assert_true(info.has_sha256 && info.has_sha384);
    g_assert_cmpuint(info.lockout_recovery_s, ==, 1000);
    return TRUE;
}

static gboolean
run_pin_ek(CvsTpm *tpm, GError **error)
{
    if (!cvs_tpm_pin_ek(tpm, world.ek, FALSE, error)) {
        g_assert_null(tpm->pinned_srk);
        return FALSE;
    }
    g_assert_true(g_bytes_equal(tpm->pinned_srk, world.srk_name));
    /* The next time is like the first. */
    g_clear_pointer(&tpm->pinned_srk, g_bytes_unref);
    return TRUE;
}

static gboolean
run_read_persistent_ak(CvsTpm *tpm, GError **error)
{
    g_autoptr(CvsPublicArea) ak = NULL;
    CvsName qualified = {0};

    ak = cvs_tpm_read_ak(tpm, CVS_AK_AZURE, &qualified, error);
    if (ak == NULL)
        return FALSE;
    g_assert_true(cvs_public_area_equal(ak, world.ak));
    g_assert_cmpuint(qualified.size, ==, 34);
    return TRUE;
}

static gboolean
run_quote(CvsTpm *tpm, GError **error)
{
    g_auto(CvsQuote) quote = {0};
    CvsQuoteFacts facts = {0};

    if (!cvs_tpm_quote(tpm, CVS_AK_OWN, world.ak, &world.values.selection, "nonce", 5, &quote,
                       &facts, error)) {
        g_assert_null(quote.attest);
        return FALSE;
    }
    g_assert_cmpmem(&quote.values, sizeof quote.values, &world.values, sizeof world.values);
    return TRUE;
}

static gboolean
run_activate(CvsTpm *tpm, GError **error)
{
    g_autoptr(CvsSecret) wanted = secret_of("challenge");
    g_autoptr(CvsSecret) secret =
        cvs_tpm_activate_credential(tpm, world.ek, CVS_AK_OWN, &world.credential, error);

    if (secret == NULL)
        return FALSE;
    g_assert_true(cvs_secret_equal(secret, wanted));
    return TRUE;
}

static gboolean
run_nv_read(CvsTpm *tpm, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_tpm_nv_read(tpm, CVS_NV_AZURE_REPORT, error);

    if (bytes == NULL)
        return FALSE;
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "report", 6);
    return TRUE;
}

static gboolean
run_nv_write(CvsTpm *tpm, GError **error)
{
    return cvs_tpm_nv_write(tpm, CVS_NV_AZURE_USER_DATA, "data", 4, error);
}

static gboolean
run_read_clock(CvsTpm *tpm, GError **error)
{
    CvsClock clock = {0};

    if (!cvs_tpm_read_clock(tpm, &clock, error))
        return FALSE;
    g_assert_cmpuint(clock.reset_count, ==, 1);
    return TRUE;
}

static const Request requests[] = {
    {"unseal", run_unseal},
    {"unseal-with-pin", run_unseal_pin},
    {"read-pcrs", run_read_pcrs},
    {"srk-name", run_srk_name},
    {"seal", run_seal},
    {"info", run_info},
    {"pin-ek", run_pin_ek, FALSE, TRUE},
    {"quote", run_quote, TRUE},
    {"read-persistent-ak", run_read_persistent_ak},
    {"activate", run_activate},
    {"nv-read", run_nv_read},
    {"nv-write", run_nv_write},
    {"read-clock", run_read_clock},
};

/* Errors that a lie may come to; which of them depends on what it says. */
static void
assert_clear_error(const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == CVS_ERROR);
    g_assert_cmpuint(strlen(error->message), >, 10);
}

/* Runs the request with a lie in its nth answer. FALSE when there is no such answer. */
static gboolean
try_lie(const Request *request, gboolean warm, Liar *liar)
{
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(world.swtpm));
    g_autoptr(GError) error = NULL, after = NULL;
    gboolean ok = FALSE;

    if (warm)
        g_assert_true(request->run(tpm, &after));
    tpm->watch.hook = lie;
    tpm->watch.hook_data = liar;
    liar->vouched = request->makes_vouched;
    liar->seen = 0;
    liar->size = 0;
    liar->changed = FALSE;
    liar->again = FALSE;
    ok = request->run(tpm, &error);
    tpm->watch.hook = NULL;
    if (liar->size == 0) {
        g_assert_true(ok);
        return FALSE;
    }
    if (ok && liar->changed && !liar->harmless && !(request->asks_again && liar->again))
        g_error("%s: lie %d at byte %zu of answer %u (command 0x%x) was accepted", request->name,
                liar->lie, liar->offset, liar->nth, liar->command);
    if (!ok)
        assert_clear_error(error);
    /* Handles that the line lied about are not known to anybody; behind a resource manager they go
     * with the connection. */
    if (!ok || liar->command == TPM2_CC_FlushContext)
        swtpm_flush_all(world.swtpm);
    /* The next request works, on the same object. That takes most of the time, so it is asked after
     * some of the lies only. */
    if (liar->offset / STRIDE % 13 == 0 && !request->run(tpm, &after))
        g_error("%s: after lie %d at byte %zu of answer %u (command 0x%x): %s", request->name,
                liar->lie, liar->offset, liar->nth, liar->command, after->message);
    return TRUE;
}

static void
test_whole_lies(gconstpointer data)
{
    const Request *request = data;
    static const Lie lies[] = {APPEND, GARBAGE, LOSE, FAIL, EMPTY};

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        for (guint warm = 0; warm < 2; warm++) {
            Liar liar = {.lie = lies[i]};

            while (try_lie(request, warm != 0, &liar))
                liar.nth++;
        }
    }
}

static void
test_cut(gconstpointer data)
{
    const Request *request = data;
    static const Lie lies[] = {CUT, SHORTEN};

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        Liar liar = {.lie = lies[i]};

        for (;;) {
            gsize size = 1;

            for (liar.offset = 0; liar.offset < size; liar.offset += 2 * STRIDE + 1) {
                if (!try_lie(request, FALSE, &liar))
                    break;
                size = liar.size;
            }
            if (liar.size == 0)
                break;
            liar.nth++;
        }
    }
}

static void
test_flip(gconstpointer data)
{
    const Request *request = data;
    Liar liar = {.lie = FLIP};

    for (;;) {
        gsize size = 1;

        for (liar.offset = 0; liar.offset < size; liar.offset += STRIDE) {
            if (!try_lie(request, FALSE, &liar))
                break;
            size = liar.size;
        }
        if (liar.size == 0)
            break;
        liar.nth++;
    }
}

static CvsPublicArea *
read_public(const char *name)
{
    g_autoptr(GBytes) bytes = read_file(world.swtpm, name);
    CvsReader reader = {0};
    g_autoptr(GError) error = NULL;
    CvsPublicArea *area = NULL;

    cvs_reader_init(&reader, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    area = cvs_public_area_read(&reader, name, &error);
    g_assert_no_error(error);
    return area;
}

/* The endorsement key and the attestation key are persistent too, so that to look for the one takes
 * no time; the latter's template is that of our own. */
static void
set_attestation_up(void)
{
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(world.swtpm));
    g_autoptr(CvsSecret) secret = secret_of("challenge");
    g_autoptr(GBytes) report = g_bytes_new_static("report", 6);
    g_autoptr(GError) error = NULL;

    g_free(swtpm_tool(world.swtpm, "tpm2_createek -G ecc -c 0x81010002 -u ek.pub"));
    g_free(swtpm_tool(world.swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(world.swtpm,
                      "tpm2_createprimary -C e -G ecc256:ecdsa-sha256:null -c ak -a "
                      "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|"
                      "sign'"));
    g_free(swtpm_tool(world.swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(world.swtpm, "tpm2_evictcontrol -C o -c ak 0x81000003"));
    g_free(swtpm_tool(world.swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(world.swtpm, "tpm2_nvdefine 0x01400001 -C o -s 6 -a 'ownerread|ownerwrite'"));
    write_file(world.swtpm, "report", report);
    g_free(swtpm_tool(world.swtpm, "tpm2_nvwrite 0x01400001 -C o -i report"));
    world.ek = read_public("ek.pub");
    world.ak = cvs_tpm_read_ak(tpm, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    (void)cvs_credential_make(world.ek, &world.ak->name, secret, &world.credential, &error);
    g_assert_no_error(error);
    (void)cvs_tpm_nv_write(tpm, CVS_NV_AZURE_USER_DATA, "data", 4, &error);
    g_assert_no_error(error);
}

static void
set_world_up(void)
{
    g_autoptr(CvsTpm) tpm = NULL;

    world.swtpm = swtpm_new();
    tpm = cvs_tpm_new(swtpm_tcti(world.swtpm));
    for (guint pcr = 0; pcr < 12; pcr++)
        swtpm_extend(tpm, pcr);
    world.values = read_pcrs(tpm, "0+1+2+3+4+5+6+7+8+9+10", CVS_SHA256);
    world.policy = present_policy(tpm, "0+7", CVS_SHA256);
    world.pin_policy = present_policy(tpm, "0+7", CVS_SHA256);
    cvs_policy_add_auth_value(world.pin_policy);
    seal_text(tpm, world.policy, "the secret", NULL, &world.object);
    seal_text(tpm, world.pin_policy, "the secret", "1234", &world.pin_object);
    world.srk_name = g_bytes_ref(cvs_tpm_get_srk_name(tpm, FALSE, NULL));
    g_free(swtpm_tool(world.swtpm, "tpm2_dictionarylockout -s -n 1000 -t 1000 -l 10"));
    cvs_tpm_disconnect(tpm);
    set_attestation_up();
}

static void
tear_world_down(void)
{
    cvs_sealed_object_clear(&world.object);
    cvs_sealed_object_clear(&world.pin_object);
    cvs_policy_unref(world.policy);
    cvs_policy_unref(world.pin_policy);
    g_bytes_unref(world.srk_name);
    cvs_public_area_free(world.ek);
    cvs_public_area_free(world.ak);
    cvs_credential_clear(&world.credential);
    swtpm_free(world.swtpm);
}

int
main(int argc, char **argv)
{
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    set_world_up();
    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
        static const struct {
            const char *name;
            void (*function)(gconstpointer data);
        } tests[] = {{"whole", test_whole_lies}, {"cut", test_cut}, {"flip", test_flip}};

        for (gsize j = 0; j < G_N_ELEMENTS(tests); j++) {
            g_autofree char *path =
                g_strdup_printf("/tpm/transport/%s/%s", requests[i].name, tests[j].name);

            g_test_add_data_func(path, &requests[i], tests[j].function);
        }
    }
    result = g_test_run();
    tear_world_down();
    return result;
}
