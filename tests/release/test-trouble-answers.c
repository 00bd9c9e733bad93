/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The line to the TPM changes any answer of any operation: a bit of every byte in turn. Never a
 * wrong secret, never a key sealed to PCR values that are not the real ones, never another root key
 * for the real one; and the next request works. */

#include "base/error.h"
#include "release/trouble.h"
#include "tpm/tpm-private.h"

#define MAX_MS 3000

typedef struct {
    GArray *sizes; /* of the answers of a clean run, in bytes */
    GArray *codes; /* of their commands */
    GArray *fails; /* gboolean: an error */
    guint answer;  /* which is changed, from 0 */
    gsize byte;
    guint8 mask;
    guint seen;
} Line;

static gboolean
note_size(guint32 code, guint8 *response, gsize *size, gpointer data)
{
    Line *line = data;
    guint32 size32 = (guint32)*size;
    gboolean fails = *size >= 10 && (response[6] | response[7] | response[8] | response[9]) != 0;

    g_array_append_val(line->sizes, size32);
    g_array_append_val(line->codes, code);
    g_array_append_val(line->fails, fails);
    return TRUE;
}

static gboolean
change_byte(guint32 code, guint8 *response, gsize *size, gpointer data)
{
    Line *line = data;

    if (line->seen++ == line->answer && line->byte < *size)
        response[line->byte] ^= line->mask;
    return TRUE;
}

static void
judge(Trouble *trouble, const TroubleOperation *operation, const Line *line, const GError *error)
{
    gboolean of_code = line->byte >= 6 && line->byte < 10;

    /* One error of the TPM can be turned into another. */
    if (of_code && g_array_index(line->fails, gboolean, line->answer) &&
        error->code == CVS_ERROR_FAILED)
        return;
    /* Where nobody vouches for an answer, an error can be forged, but no more than that; and none
     * that blames the key, the PIN or the state, or sends somebody for the recovery key. */
    if (error->code != CVS_ERROR_TPM_UNAVAILABLE && error->code != CVS_ERROR_BUSY &&
        (operation->refusal == 0 || error->code != operation->refusal))
        trouble_complain(trouble, "%s: %s", cvs_error_name(error->code), error->message);
}

static void
change_each_byte(Trouble *trouble, const TroubleOperation *operation, guint stride, guint *n)
{
    g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) codes = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) fails = g_array_new(FALSE, FALSE, sizeof(gboolean));
    Line line = {.sizes = sizes, .codes = codes, .fails = fails};
    CvsTctiWatch *watch = NULL;
    g_autoptr(GError) clean = NULL;

    trouble_prepare(trouble, operation);
    watch = &trouble->bed->tpm->watch;
    watch->hook = note_size;
    watch->hook_data = &line;
    if (!trouble_run(trouble, operation, MAX_MS, &clean))
        g_assert_error(clean, CVS_ERROR, operation->refusal);
    watch->hook = NULL;

    for (line.answer = 0; line.answer < sizes->len; line.answer++) {
        guint32 size = g_array_index(sizes, guint32, line.answer);

        for (line.byte = (line.answer * 3) % stride; line.byte < size; line.byte += stride) {
            g_autoptr(GError) error = NULL;

            line.mask = (guint8)(1u << ((line.byte / stride + line.answer) % 8));
            line.seen = 0;
            trouble_prepare(trouble, operation);
            g_free(trouble->what);
            trouble->what = g_strdup_printf(
                "%s, answer %u (0x%x), byte %zu of %u ^ 0x%x", operation->name, line.answer + 1,
                g_array_index(codes, guint32, line.answer), line.byte, size, line.mask);
            watch = &trouble->bed->tpm->watch;
            watch->hook = change_byte;
            watch->hook_data = &line;
            if (!trouble_run(trouble, operation, MAX_MS, &error))
                judge(trouble, operation, &line, error);
            watch->hook = NULL;
            trouble_assert_over(trouble, operation, 0);
            (*n)++;
        }
    }
}

static void
test_change(gconstpointer data)
{
    const TroubleOperation *operation = data;
    g_autoptr(Trouble) trouble = trouble_new(TPM_MUX_DEFAULT);
    guint n = 0;

    change_each_byte(trouble, operation, g_test_quick() ? 13 : 1, &n);
    g_test_message("%u changes", n);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < trouble_n_operations; i++) {
        g_autofree char *path = NULL;

        if (g_test_quick() && !trouble_operations[i].quick)
            continue;
        path = g_strconcat("/release/trouble-answers/", trouble_operations[i].name, NULL);

        g_test_add_data_func(path, &trouble_operations[i], test_change);
    }
    return g_test_run();
}
