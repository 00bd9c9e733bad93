/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The format seen by others: the `jose` program opens what we write, with the recovery key and
 * nothing of ours; and libjose gets along with our allocator. */

#define _GNU_SOURCE
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <jose/b64.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET_SIZE 300

/* jose asks for the password on its terminal and nowhere else. Gives what it says there. */
static char *
run_on_terminal(const char *const *argv, const char *password, int *ret_status)
{
    GString *said = g_string_new(NULL);
    gboolean answered = FALSE;
    int terminal = -1;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);

    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    for (;;) {
        char buffer[512];
        struct pollfd fd = {terminal, POLLIN, 0};
        gssize n = 0;

        g_assert_cmpint(poll(&fd, 1, 30000), ==, 1);
        n = read(terminal, buffer, sizeof buffer);
        /* EIO is how a terminal without a writer ends. */
        if (n <= 0)
            break;
        g_string_append_len(said, buffer, n);
        if (!answered && strchr(said->str, ':') != NULL) {
            answered = TRUE;
            g_assert_cmpint(write(terminal, password, strlen(password)), ==,
                            (gssize)strlen(password));
            g_assert_cmpint(write(terminal, "\n", 1), ==, 1);
        }
    }
    g_assert_cmpint(waitpid(child, ret_status, 0), ==, child);
    close(terminal);
    return g_string_free(said, FALSE);
}

static gboolean
jose_opens(const CvsKeyFile *key, const char *password)
{
    char *dir = fixture_dir_new();
    g_autofree char *in = g_build_filename(dir, "key.jwe", NULL);
    g_autofree char *out = g_build_filename(dir, "secret", NULL);
    g_autofree char *text = fixture_serialise(key);
    g_autofree char *said = NULL;
    g_autofree char *opened = NULL;
    gsize size = 0;
    const char *const argv[] = {"jose", "jwe", "dec", "-p", "-i", in, "-O", out, NULL};
    g_autoptr(CvsSecret) wanted = fixture_secret(SECRET_SIZE);
    gboolean good = FALSE;
    int status = 0;

    g_assert_true(g_file_set_contents(in, text, -1, NULL));
    said = run_on_terminal(argv, password, &status);
    g_test_message("jose: status %d, \"%s\"", status, said);
    good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (good) {
        g_assert_true(g_file_get_contents(out, &opened, &size, NULL));
        g_assert_cmpmem(opened, size, cvs_secret_peek(wanted), SECRET_SIZE);
    }
    fixture_dir_remove(dir);
    return good;
}

static void
test_program(void)
{
    g_autofree char *program = g_find_program_in_path("jose");
    g_autofree char *wrong = g_strdup(fixture_recovery_key);

    if (program == NULL) {
        g_test_skip("the program jose is not installed");
        return;
    }
    wrong[0] = 'v';
    for (guint tpm2_slots = 0; tpm2_slots <= 2; tpm2_slots++) {
        g_autoptr(CvsKeyFile) key = fixture_key("system", "k", SECRET_SIZE);

        for (guint i = 0; i < tpm2_slots; i++)
            fixture_add_tpm2(key, i);
        fixture_add_recovery(key);
        g_assert_true(jose_opens(key, fixture_recovery_key));
        g_assert_false(jose_opens(key, wrong));
    }
}

/* libjose frees with free() what jansson allocated for json_dumps(). */
static void
test_allocator(void)
{
    g_autoptr(json_t) json = json_pack("{s:s}", "a", "b");
    g_autoptr(json_t) encoded = jose_b64_enc_dump(json);

    g_assert_cmpstr(json_string_value(encoded), ==, "eyJhIjoiYiJ9");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/jose/program", test_program);
    g_test_add_func("/vault/jose/allocator", test_allocator);
    return g_test_run();
}
