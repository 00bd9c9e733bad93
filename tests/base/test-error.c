/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <string.h>

static GError *
error_with_reasons(void)
{
    GError *error = g_error_new(CVS_ERROR, CVS_ERROR_PCR_MISMATCH, "2 PCRs differ");

    cvs_error_add_reason(error, CVS_REASON_PCR_DIFFERS, "aa", "bb", "PCR %d differs", 7);
    cvs_error_add_reason(error, CVS_REASON_PCR_ZERO, NULL, NULL, "PCR %d is zero", 4);
    return error;
}

static void
assert_reasons(const GError *error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    const CvsReason *reason = NULL;

    g_assert_nonnull(reasons);
    g_assert_cmpuint(reasons->len, ==, 2);
    reason = g_ptr_array_index(reasons, 0);
    g_assert_cmpstr(reason->code, ==, "PcrDiffers");
    g_assert_cmpstr(reason->detail, ==, "PCR 7 differs");
    g_assert_cmpstr(reason->seen, ==, "aa");
    g_assert_cmpstr(reason->wanted, ==, "bb");
    reason = g_ptr_array_index(reasons, 1);
    g_assert_cmpstr(reason->code, ==, "PcrZero");
    g_assert_cmpstr(reason->seen, ==, "");
    g_assert_cmpstr(reason->wanted, ==, "");
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_ZERO));
    g_assert_false(cvs_error_has_reason(error, CVS_REASON_SRK_CHANGED));
}

static void
test_reasons(void)
{
    g_autoptr(GError) error = error_with_reasons();

    assert_reasons(error);
}

/* Reasons stay with the error on every way that it may take. */
static void
test_travel(void)
{
    g_autoptr(GError) error = error_with_reasons();
    g_autoptr(GError) copy = g_error_copy(error);
    g_autoptr(GError) propagated = NULL;
    g_autoptr(GError) prefixed = NULL;

    g_propagate_error(&propagated, g_steal_pointer(&error));
    assert_reasons(propagated);
    g_propagate_prefixed_error(&prefixed, g_steal_pointer(&propagated), "key %s: ", "db");
    assert_reasons(prefixed);
    g_assert_cmpstr(prefixed->message, ==, "key db: 2 PCRs differ");

    /* The copy is a copy of its own. */
    cvs_error_add_reason(prefixed, CVS_REASON_SRK_CHANGED, NULL, NULL, "another");
    g_clear_error(&prefixed);
    assert_reasons(copy);
}

static void
test_foreign(void)
{
    g_autoptr(GError) error = g_error_new(G_FILE_ERROR, 1, "not ours");

    cvs_error_add_reason(error, CVS_REASON_PCR_ZERO, NULL, NULL, "ignored");
    cvs_error_add_reason(NULL, CVS_REASON_PCR_ZERO, NULL, NULL, "ignored");
    g_assert_null(cvs_error_get_reasons(error));
    g_assert_null(cvs_error_get_reasons(NULL));
    g_assert_false(cvs_error_has_reason(error, CVS_REASON_PCR_ZERO));
    g_assert_false(cvs_error_has_reason(NULL, CVS_REASON_PCR_ZERO));
    g_assert_cmpint(cvs_error_exit_code(error), ==, CVS_EXIT_FAILED);
}

/* The table is the contract with clients: names are unique, make D-Bus error names, and map to exit
 * codes that the CLI promises. */
static void
test_table(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (int code = 0; code < CVS_N_ERRORS; code++) {
        const char *name = cvs_error_name(code);
        g_autoptr(GError) error = g_error_new_literal(CVS_ERROR, code, "");
        int back = -1;

        g_assert_true(g_hash_table_add(names, (gpointer)name));
        g_assert_true(g_ascii_isupper(name[0]));
        g_assert_cmpuint(strspn(name, G_CSET_A_2_Z G_CSET_a_2_z), ==, strlen(name));
        g_assert_true(cvs_error_from_name(name, &back));
        g_assert_cmpint(back, ==, code);
        g_assert_cmpuint(strlen(cvs_error_summary(code)), >, 10);
        g_assert_cmpint(cvs_error_exit_code(error), >=, CVS_EXIT_FAILED);
        g_assert_cmpint(cvs_error_exit_code(error), <=, CVS_EXIT_MALFORMED);
    }
    g_assert_cmpstr(cvs_error_name(-1), ==, "Failed");
    g_assert_cmpstr(cvs_error_name(CVS_N_ERRORS), ==, "Failed");
    g_assert_cmpstr(cvs_error_summary(CVS_N_ERRORS), ==, cvs_error_summary(CVS_ERROR_FAILED));
}

static void
test_names(void)
{
    int code = 77;

    g_assert_false(cvs_error_from_name("failed", &code));
    g_assert_false(cvs_error_from_name("", &code));
    g_assert_cmpint(code, ==, 77);
}

static void
test_exit_codes(void)
{
    static const struct {
        CvsErrorCode code;
        int exit_code;
    } wanted[] = {
        {CVS_ERROR_INVALID_ARGUMENT, CVS_EXIT_USAGE},
        {CVS_ERROR_PCR_MISMATCH, CVS_EXIT_REFUSED},
        {CVS_ERROR_TPM_REPLACED, CVS_EXIT_REFUSED},
        {CVS_ERROR_PIN_WRONG, CVS_EXIT_REFUSED},
        {CVS_ERROR_NOT_AUTHORIZED, CVS_EXIT_NOT_AUTHORIZED},
        {CVS_ERROR_BAD_FORMAT, CVS_EXIT_MALFORMED},
        {CVS_ERROR_BUSY, CVS_EXIT_FAILED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autoptr(GError) error = g_error_new_literal(CVS_ERROR, (int)wanted[i].code, "");

        g_assert_cmpint(cvs_error_exit_code(error), ==, wanted[i].exit_code);
    }
}

static void
test_errno(void)
{
    g_autoptr(GError) full = NULL;
    g_autoptr(GError) denied = NULL;
    g_autoptr(GError) not_permitted = NULL;

    cvs_error_set_errno(&full, CVS_ERROR_STORAGE_ERROR, ENOSPC, "cannot write %s", "db");
    g_assert_error(full, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_true(g_str_has_prefix(full->message, "cannot write db: "));
    g_assert_true(g_str_has_suffix(full->message, g_strerror(ENOSPC)));
    cvs_error_set_errno(&denied, CVS_ERROR_STORAGE_ERROR, EACCES, "x");
    g_assert_error(denied, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    cvs_error_set_errno(&not_permitted, CVS_ERROR_STORAGE_ERROR, EPERM, "x");
    g_assert_error(not_permitted, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    cvs_error_set_errno(NULL, CVS_ERROR_FAILED, EIO, "nobody asks");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/reasons", test_reasons);
    g_test_add_func("/error/travel", test_travel);
    g_test_add_func("/error/foreign", test_foreign);
    g_test_add_func("/error/table", test_table);
    g_test_add_func("/error/names", test_names);
    g_test_add_func("/error/exit-codes", test_exit_codes);
    g_test_add_func("/error/errno", test_errno);
    return g_test_run();
}
