/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <gio/gio.h>

int
program_run(char **ret_out, char **ret_err, const char *const *words)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *program =
        g_build_filename(g_getenv("CVS_BUILD_ROOT"), "sealer/ctl/cvmseal", NULL);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_ptr_array_add(argv, program);
    for (guint i = 0; words[i]; i++)
        g_ptr_array_add(argv, (gpointer)words[i]);
    g_ptr_array_add(argv, NULL);
    process =
        g_subprocess_newv((const char *const *)argv->pdata,
                          G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
    g_assert_no_error(error);
    (void)g_subprocess_communicate_utf8(process, NULL, NULL, &out, &err, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_if_exited(process));
    if (ret_out)
        *ret_out = g_steal_pointer(&out);
    if (ret_err)
        *ret_err = g_steal_pointer(&err);
    return g_subprocess_get_exit_status(process);
}

int
program_run_list(char **ret_out, char **ret_err, const char *const *before, const char *first,
                 va_list list)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (guint i = 0; before[i]; i++)
        g_ptr_array_add(words, (gpointer)before[i]);
    for (const char *word = first; word; word = va_arg(list, const char *))
        g_ptr_array_add(words, (gpointer)word);
    g_ptr_array_add(words, NULL);
    return program_run(ret_out, ret_err, (const char *const *)words->pdata);
}
