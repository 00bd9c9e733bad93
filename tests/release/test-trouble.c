/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every command of every operation that talks to the TPM is made to fail in turn, in each of these
 * ways. Whatever happens: the right secret or a named error that fits, in a bounded time; the vault
 * as it was; nothing left in the TPM; and the next request works. */

#include "base/error.h"
#include "release/trouble.h"

#include <tss2/tss2_tpm2_types.h>

#define MAX_MS 1500
/* The TPM asks to try again as long as we do. */
#define MAX_RETRYING_MS 6000

#define UNAVAILABLE (1u << CVS_ERROR_TPM_UNAVAILABLE)
#define LOCKOUT (1u << CVS_ERROR_TPM_LOCKOUT)
#define BUSY (1u << CVS_ERROR_BUSY)
/* The request goes through. */
#define NOTHING 0u

typedef struct {
    const char *name;
    TpmMuxFaultKind kind;
    gboolean after;
    guint32 value;
    guint errors;        /* which are right, as bits; NOTHING: it has to succeed */
    gboolean warm_heals; /* a session that was kept is lost by it, which nobody may notice */
    gboolean hides;      /* the TPM did what it was told, and the answer does not get here */
    gboolean slow;       /* left out of a quick run: much like another */
} Fault;

static const Fault faults[] = {
    {"drop", TPM_MUX_DROP, FALSE, 0, UNAVAILABLE},
    {"drop-after", TPM_MUX_DROP, TRUE, 0, UNAVAILABLE, .hides = TRUE},
    {"cut-0", TPM_MUX_CUT, TRUE, 0, UNAVAILABLE, .hides = TRUE, .slow = TRUE},
    {"cut-5", TPM_MUX_CUT, TRUE, 5, UNAVAILABLE, .hides = TRUE},
    {"cut-10", TPM_MUX_CUT, TRUE, 10, UNAVAILABLE, .hides = TRUE, .slow = TRUE},
    {"cut-20", TPM_MUX_CUT, TRUE, 20, UNAVAILABLE, .hides = TRUE, .slow = TRUE},
    {"shrink-10", TPM_MUX_SHRINK, TRUE, 10, UNAVAILABLE, .hides = TRUE},
    {"shrink-14", TPM_MUX_SHRINK, TRUE, 14, UNAVAILABLE, .slow = TRUE},
    {"shrink-40", TPM_MUX_SHRINK, TRUE, 40, UNAVAILABLE},
    {"garbage", TPM_MUX_GARBAGE, TRUE, 0, UNAVAILABLE, .hides = TRUE},
    {"FAILURE", TPM_MUX_RC, FALSE, TPM2_RC_FAILURE, UNAVAILABLE},
    {"INITIALIZE", TPM_MUX_RC, FALSE, TPM2_RC_INITIALIZE, UNAVAILABLE, .slow = TRUE},
    {"LOCKOUT", TPM_MUX_RC, FALSE, TPM2_RC_LOCKOUT, LOCKOUT},
    {"RETRY", TPM_MUX_RC, FALSE, TPM2_RC_RETRY, NOTHING},
    {"YIELDED", TPM_MUX_RC, FALSE, TPM2_RC_YIELDED, NOTHING, .slow = TRUE},
    {"TESTING", TPM_MUX_RC, FALSE, TPM2_RC_TESTING, NOTHING, .slow = TRUE},
    {"NV_RATE", TPM_MUX_RC, FALSE, TPM2_RC_NV_RATE, NOTHING, .slow = TRUE},
    {"SESSION_MEMORY", TPM_MUX_RC, FALSE, TPM2_RC_SESSION_MEMORY, BUSY},
    {"OBJECT_MEMORY", TPM_MUX_RC, FALSE, TPM2_RC_OBJECT_MEMORY, BUSY, .slow = TRUE},
    {"CONTEXT_GAP", TPM_MUX_RC, FALSE, TPM2_RC_CONTEXT_GAP, BUSY, .warm_heals = TRUE, .slow = TRUE},
    {"REFERENCE_S0", TPM_MUX_RC, FALSE, TPM2_RC_REFERENCE_S0, BUSY | UNAVAILABLE,
     .warm_heals = TRUE},
    {"REFERENCE_H0", TPM_MUX_RC, FALSE, TPM2_RC_REFERENCE_H0, BUSY | UNAVAILABLE,
     .warm_heals = TRUE, .slow = TRUE},
};

/* The codes of the commands of a clean run. */
static TpmMuxVerdict
note_command(TpmMuxEvent *event, gpointer data)
{
    GArray *codes = data;

    if (!event->after)
        g_array_append_val(codes, event->code);
    return TPM_MUX_PASS;
}

static GArray *
clean_run(Trouble *trouble, const TroubleOperation *operation)
{
    GArray *codes = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GError) error = NULL;

    trouble_prepare(trouble, operation);
    tpm_mux_set_hook(trouble_mux(trouble), note_command, codes);
    if (!trouble_run(trouble, operation, MAX_MS, &error))
        g_assert_error(error, CVS_ERROR, operation->refusal);
    tpm_mux_set_hook(trouble_mux(trouble), NULL, NULL);
    g_assert_cmpuint(codes->len, >, 0);
    return codes;
}

static gboolean
makes_handle(guint32 code)
{
    return code == TPM2_CC_StartAuthSession || code == TPM2_CC_Load ||
           code == TPM2_CC_CreatePrimary;
}

static void
judge(Trouble *trouble, const TroubleOperation *operation, const Fault *fault, gboolean ok,
      const GError *error)
{
    guint errors = fault->errors;

    if (ok)
        return;
    /* That the state is the wrong one is said whether it can be explained or not. */
    if (operation->refusal != 0)
        errors |= 1u << operation->refusal;
    if (fault->warm_heals && !operation->cold && !operation->idle)
        errors = NOTHING;
    if (!(errors & 1u << error->code))
        trouble_complain(trouble, "%s: %s", cvs_error_name(error->code), error->message);
}

static void
run_faults(Trouble *trouble, const TroubleOperation *operation, TpmMuxFlags flags,
           guint *n_combinations)
{
    g_autoptr(GArray) codes = clean_run(trouble, operation);

    for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (faults[i].slow && g_test_quick())
            continue;
        for (guint nth = 1; nth <= codes->len; nth++) {
            const Fault *fault = &faults[i];
            guint32 code = g_array_index(codes, guint32, nth - 1);
            const TpmMuxFault script = {
                .nth = nth, .kind = fault->kind, .after = fault->after, .value = fault->value};
            g_autoptr(GError) error = NULL;
            guint number, fired;
            gboolean ok;

            trouble_prepare(trouble, operation);
            g_free(trouble->what);
            trouble->what = g_strdup_printf("%s, command %u (0x%x), %s", operation->name, nth, code,
                                            fault->name);
            number = tpm_mux_add_fault(trouble_mux(trouble), &script);
            ok = trouble_run(trouble, operation, MAX_MS, &error);
            fired = tpm_mux_fault_fired(trouble_mux(trouble), number);
            tpm_mux_clear_faults(trouble_mux(trouble));
            judge(trouble, operation, fault, ok, error);
            trouble_assert_over(trouble, operation,
                                (flags & TPM_MUX_NO_RM) && fault->hides && makes_handle(code) ? 1
                                                                                              : 0);
            *n_combinations += fired > 0;
        }
    }
}

static void
test_faults(gconstpointer data)
{
    TpmMuxFlags flags = (TpmMuxFlags)GPOINTER_TO_UINT(data);
    g_autoptr(Trouble) trouble = trouble_new(flags);
    guint n_combinations = 0;

    for (guint i = 0; i < trouble_n_operations; i++) {
        if (g_test_quick() && (!trouble_operations[i].quick ||
                               ((flags & TPM_MUX_NO_RM) && trouble_operations[i].writes)))
            continue;
        run_faults(trouble, &trouble_operations[i], flags, &n_combinations);
    }
    g_test_message("%u combinations of operation, command and fault", n_combinations);
}

/* The TPM is busy from a command on. */
typedef struct {
    gint from; /* atomic */
    gint seen; /* atomic */
} Stubborn;

static TpmMuxVerdict
always_retry(TpmMuxEvent *event, gpointer data)
{
    static const guint8 retry[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x22};
    Stubborn *stubborn = data;

    if (event->after || g_atomic_int_add(&stubborn->seen, 1) + 1 < stubborn->from)
        return TPM_MUX_PASS;
    g_byte_array_set_size(event->response, 0);
    g_byte_array_append(event->response, retry, sizeof retry);
    return TPM_MUX_ANSWER;
}

static void
test_retry_for_ever(void)
{
    static const Fault fault = {.errors = UNAVAILABLE};
    g_autoptr(Trouble) trouble = trouble_new(TPM_MUX_DEFAULT);
    guint n_combinations = 0;

    for (guint i = 0; i < trouble_n_operations; i++) {
        const TroubleOperation *operation = &trouble_operations[i];
        g_autoptr(GArray) codes = clean_run(trouble, operation);

        for (guint nth = 1; nth <= codes->len; nth++) {
            Stubborn stubborn = {.from = (gint)nth};
            g_autoptr(GError) error = NULL;
            gboolean ok;

            /* Two seconds each. */
            if (g_test_quick() && !(operation->quick && nth == codes->len))
                continue;
            trouble_prepare(trouble, operation);
            g_free(trouble->what);
            trouble->what =
                g_strdup_printf("%s, RETRY for ever from command %u", operation->name, nth);
            tpm_mux_set_hook(trouble_mux(trouble), always_retry, &stubborn);
            ok = trouble_run(trouble, operation, MAX_RETRYING_MS, &error);
            tpm_mux_set_hook(trouble_mux(trouble), NULL, NULL);
            judge(trouble, operation, &fault, ok, error);
            trouble_assert_over(trouble, operation, 0);
            n_combinations++;
        }
    }
    g_test_message("%u combinations of operation and command", n_combinations);
}

typedef struct {
    Trouble *trouble;
    const TroubleOperation *operation;
    GError *error;
    gboolean ok;
} Waiting;

static gpointer
wait_for_tpm(gpointer data)
{
    Waiting *waiting = data;

    waiting->ok = trouble_run(waiting->trouble, waiting->operation, G_MAXUINT, &waiting->error);
    return NULL;
}

/* A TPM that is slow is not one that is broken. */
static void
test_hang(void)
{
    g_autoptr(Trouble) trouble = trouble_new(TPM_MUX_DEFAULT);
    guint n_combinations = 0;

    for (guint i = 0; i < trouble_n_operations; i++) {
        const TroubleOperation *operation = &trouble_operations[i];
        g_autoptr(GArray) codes = NULL;

        if (g_test_quick() && !operation->quick)
            continue;
        codes = clean_run(trouble, operation);

        for (guint nth = 1; nth <= 2 * codes->len; nth++) {
            const TpmMuxFault script = {
                .nth = (nth + 1) / 2, .kind = TPM_MUX_HANG, .after = nth % 2};
            Waiting waiting = {.trouble = trouble, .operation = operation};
            GThread *thread = NULL;

            trouble_prepare(trouble, operation);
            g_free(trouble->what);
            trouble->what = g_strdup_printf("%s, command %u hangs", operation->name, script.nth);
            (void)tpm_mux_add_fault(trouble_mux(trouble), &script);
            thread = g_thread_new("operation", wait_for_tpm, &waiting);
            g_assert_true(tpm_mux_wait_hung(trouble_mux(trouble), 1, 10000));
            tpm_mux_clear_faults(trouble_mux(trouble));
            tpm_mux_release(trouble_mux(trouble));
            g_thread_join(thread);
            judge(trouble, operation, &(const Fault){.errors = NOTHING}, waiting.ok, waiting.error);
            g_clear_error(&waiting.error);
            trouble_assert_over(trouble, operation, 0);
            n_combinations++;
        }
    }
    g_test_message("%u combinations of operation and command", n_combinations);
}

static CvsSecret *
unseal_object(Trouble *trouble, const CvsPolicy *policy, const CvsSealedObject *object,
              GBytes *private_area, GError **error)
{
    const CvsSealedObject other = {.srk_name = object->srk_name,
                                   .public_area = object->public_area,
                                   .private_area = private_area};

    return cvs_tpm_unseal(trouble->bed->tpm, policy, &other, trouble->pin, error);
}

/* Here it is the file that is at fault, and not the TPM: the other side of telling them apart. */
static void
test_damaged_object(gconstpointer data)
{
    gboolean with_pin = GPOINTER_TO_INT(data);
    g_autoptr(Trouble) trouble = trouble_new(TPM_MUX_DEFAULT);
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1u << 7};
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_autoptr(CvsSecret) secret = bed_secret("the secret");
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) error = NULL;
    CvsPcrValues values;
    guint8 digest[32];
    gsize size;

    g_assert_true(cvs_tpm_read_pcrs(trouble->bed->tpm, &selection, &values, &error));
    cvs_pcr_values_digest(&values, digest);
    cvs_policy_add_pcr(policy, &selection, digest);
    if (with_pin)
        cvs_policy_add_auth_value(policy);
    g_assert_true(cvs_tpm_seal(trouble->bed->tpm, policy, secret, with_pin ? trouble->pin : NULL,
                               &object, &error));
    size = g_bytes_get_size(object.private_area);
    for (gsize i = 2; i < size; i += 9) {
        g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(object.private_area, NULL), size);
        g_autoptr(GBytes) damaged = NULL;
        g_autoptr(CvsSecret) none = NULL, back = NULL;

        bytes[i] ^= 1;
        damaged = g_bytes_new(bytes, size);
        none = unseal_object(trouble, policy, &object, damaged, &error);
        g_assert_null(none);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_clear_error(&error);
        back = unseal_object(trouble, policy, &object, object.private_area, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(back, secret));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/release/trouble/faults", GUINT_TO_POINTER(TPM_MUX_DEFAULT), test_faults);
    g_test_add_data_func("/release/trouble/faults-without-resource-manager",
                         GUINT_TO_POINTER(TPM_MUX_NO_RM), test_faults);
    g_test_add_func("/release/trouble/retry-for-ever", test_retry_for_ever);
    g_test_add_func("/release/trouble/hang", test_hang);
    g_test_add_data_func("/release/trouble/damaged-object", GINT_TO_POINTER(FALSE),
                         test_damaged_object);
    g_test_add_data_func("/release/trouble/damaged-object-with-pin", GINT_TO_POINTER(TRUE),
                         test_damaged_object);
    return g_test_run();
}
