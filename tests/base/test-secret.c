/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* AddressSanitizer makes mlock() do nothing. */
#if defined(__SANITIZE_ADDRESS__)
#define LOCKS FALSE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOCKS FALSE
#endif
#endif
#ifndef LOCKS
#define LOCKS TRUE
#endif

/* "VmFlags:" of the mapping that holds the address, with a space before and behind each flag. */
static char *
vm_flags(const void *address)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    g_autofree char *flags = NULL;
    gboolean here = FALSE;
    char line[512];

    g_assert_nonnull(smaps);
    while (flags == NULL && fgets(line, sizeof line, smaps)) {
        unsigned long start, end;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (guintptr)address >= start && (guintptr)address < end;
        else if (here && g_str_has_prefix(line, "VmFlags: "))
            flags = g_strconcat(" ", g_strchomp(line + strlen("VmFlags: ")), " ", NULL);
    }
    (void)fclose(smaps);
    g_assert_nonnull(flags);
    return g_steal_pointer(&flags);
}

static void
test_flags(void)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new(32);
    g_autofree char *flags = vm_flags(cvs_secret_data(secret));

    g_assert_nonnull(strstr(flags, " dd ")); /* not in a core dump */
    g_assert_nonnull(strstr(flags, " wf ")); /* zero in a forked child */
    if (!LOCKS)
        g_test_skip("a sanitizer stands in the way of mlock()");
    else if (cvs_secret_all_locked())
        g_assert_nonnull(strstr(flags, " lo "));
    else
        g_test_skip("this process may not lock memory");
}

/* Whether the process can read the byte, without a fault: the kernel reads it for us. */
static gboolean
is_readable(const void *address)
{
    int fds[2];
    gboolean readable;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    readable = write(fds[1], address, 1) == 1;
    g_assert_true(readable || errno == EFAULT);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return readable;
}

static void
test_guards(void)
{
    const gsize page = (gsize)sysconf(_SC_PAGESIZE);
    const gsize sizes[] = {1, 32, page, page + 1, 65536};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(CvsSecret) one = cvs_secret_new(sizes[i]);
        g_autoptr(CvsSecret) two = cvs_secret_new(sizes[i]);
        gsize mapped = (sizes[i] + page - 1) / page * page;

        g_assert_true(is_readable(cvs_secret_data(one) + mapped - 1));
        g_assert_false(is_readable(cvs_secret_data(one) + mapped));
        g_assert_false(is_readable(cvs_secret_data(one) - 1));
        g_assert_false(is_readable(cvs_secret_data(two) + mapped));
    }
}

/* What is gone is out of reach, whether the kernel has its pages or they wait for the next; there
 * are more secrets here than can be kept waiting. */
static void
test_out_of_reach(void)
{
    CvsSecret *secrets[40];
    guint8 *data[40];

    for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++) {
        secrets[i] = cvs_secret_new(i % 4 == 0 ? 65536 : 100);
        data[i] = cvs_secret_data(secrets[i]);
        g_assert_true(is_readable(data[i]));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++)
        cvs_secret_unref(secrets[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++)
        g_assert_false(is_readable(data[i]));
    cvs_secret_unref(NULL);
}

static gboolean
is_zero(const guint8 *data, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (data[i] != 0)
            return FALSE;
    }
    return TRUE;
}

/* The second look: a file mapped shared in place of the secret's pages keeps what was in them when
 * they are unmapped. So what is left there is what cvs_secret_unref() left. */
static void
test_wiped_at_the_end(void)
{
    const gsize page = (gsize)sysconf(_SC_PAGESIZE);
    CvsSecret *secret = cvs_secret_new(page + 10);
    gsize mapped = 2 * page;
    int file = memfd_create("look", MFD_CLOEXEC);
    const guint8 *look = NULL;

    g_assert_cmpint(file, >=, 0);
    g_assert_cmpint(ftruncate(file, (off_t)mapped), ==, 0);
    look = mmap(NULL, mapped, PROT_READ, MAP_SHARED, file, 0);
    g_assert_true(look != MAP_FAILED);
    g_assert_true(mmap(cvs_secret_data(secret), mapped, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, file, 0) == cvs_secret_data(secret));
    memset(cvs_secret_data(secret), 0x5a, mapped);
    g_assert_cmpuint(look[0], ==, 0x5a);

    g_assert_true(cvs_secret_ref(secret) == secret);
    cvs_secret_unref(secret);
    g_assert_cmpuint(look[0], ==, 0x5a);
    cvs_secret_unref(secret);
    g_assert_true(is_zero(look, mapped));
    g_assert_cmpint(munmap((void *)look, mapped), ==, 0);
    (void)close(file);
}

/* The next small secret gets the pages of the last one, as good as new. */
static void
test_next_in_place(void)
{
    const gsize page = (gsize)sysconf(_SC_PAGESIZE);
    CvsSecret *first = cvs_secret_new(page);
    guint8 *data = cvs_secret_data(first);
    g_autoptr(CvsSecret) next = NULL;
    g_autofree char *flags = NULL;

    memset(data, 0x5a, page);
    cvs_secret_truncate(first, 10);
    memset(data, 0x5a, page);
    cvs_secret_unref(first);
    next = cvs_secret_new(1);
    g_assert_true(cvs_secret_data(next) == data);
    g_assert_true(is_zero(data, page));
    g_assert_false(is_readable(data + page));
    g_assert_false(is_readable(data - 1));
    flags = vm_flags(data);
    g_assert_nonnull(strstr(flags, " dd "));
    g_assert_nonnull(strstr(flags, " wf "));
    g_assert_true(!LOCKS || !cvs_secret_all_locked() || strstr(flags, " lo "));
}

static void
test_truncate(void)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new(64);

    memset(cvs_secret_data(secret), 0x5a, 64);
    cvs_secret_truncate(secret, 64);
    g_assert_cmpuint(cvs_secret_data(secret)[63], ==, 0x5a);
    cvs_secret_truncate(secret, 10);
    g_assert_cmpuint(cvs_secret_size(secret), ==, 10);
    g_assert_cmpuint(cvs_secret_data(secret)[9], ==, 0x5a);
    g_assert_true(is_zero(cvs_secret_data(secret) + 10, 54));
}

static void
test_contents(void)
{
    g_autoptr(CvsSecret) zero = cvs_secret_new(32);
    g_autoptr(CvsSecret) a = cvs_secret_new_copy("secret", 6);
    g_autoptr(CvsSecret) b = cvs_secret_new_copy("secret", 6);
    g_autoptr(CvsSecret) c = cvs_secret_new_copy("secreT", 6);
    g_autoptr(CvsSecret) shorter = cvs_secret_new_copy("secre", 5);

    g_assert_true(is_zero(cvs_secret_peek(zero), 32));
    g_assert_cmpmem(cvs_secret_peek(a), cvs_secret_size(a), "secret", 6);
    g_assert_true(cvs_secret_equal(a, b));
    g_assert_false(cvs_secret_equal(a, c));
    g_assert_false(cvs_secret_equal(a, shorter));
}

static void
test_random(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) a = cvs_secret_new_random(65536, &error);
    g_autoptr(CvsSecret) b = cvs_secret_new_random(65536, &error);

    g_assert_no_error(error);
    g_assert_false(cvs_secret_equal(a, b));
    /* Filled to the end: 32 zero bytes in a row do not come by chance. */
    for (gsize i = 0; i < 65536; i += 32)
        g_assert_false(is_zero(cvs_secret_peek(a) + i, 32));
}

static void
test_count(void)
{
    guint before = cvs_secret_count_alive();
    CvsSecret *a = cvs_secret_new(1);
    CvsSecret *b = cvs_secret_ref(a);

    g_assert_cmpuint(cvs_secret_count_alive(), ==, before + 1);
    cvs_secret_unref(a);
    g_assert_cmpuint(cvs_secret_count_alive(), ==, before + 1);
    cvs_secret_unref(b);
    g_assert_cmpuint(cvs_secret_count_alive(), ==, before);
}

static void
test_fork(void)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("secret", 6);
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(is_zero(cvs_secret_peek(secret), 6) ? 0 : 1);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpmem(cvs_secret_peek(secret), 6, "secret", 6);
}

/* The lock of a page that waits for its next secret is not the child's: it makes one of its own. */
static void
test_fork_next(void)
{
    CvsSecret *gone = cvs_secret_new(1);
    guint8 *data = cvs_secret_data(gone);
    int status = -1;
    pid_t child = 0;

    cvs_secret_unref(gone);
    child = fork();
    if (child == 0) {
        g_autoptr(CvsSecret) secret = cvs_secret_new(1);
        g_autofree char *flags = vm_flags(cvs_secret_data(secret));
        gboolean locked = !LOCKS || !cvs_secret_all_locked() || strstr(flags, " lo ");

        _exit(locked && cvs_secret_data(secret) != data ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

static void
test_wipe(void)
{
    guint8 bytes[16];

    memset(bytes, 0x5a, sizeof bytes);
    cvs_wipe(bytes + 4, 8);
    g_assert_cmpuint(bytes[3], ==, 0x5a);
    g_assert_true(is_zero(bytes + 4, 8));
    g_assert_cmpuint(bytes[12], ==, 0x5a);
    cvs_wipe(NULL, 0);
    {
        CVS_WIPE_ON_RETURN(bytes);
        bytes[0] = 1;
    }
    g_assert_true(is_zero(bytes, sizeof bytes));
}

/* Without the right to lock, secrets work and the process says so. In a child, since it cannot be
 * taken back. */
static void
test_not_locked(void)
{
    if (!LOCKS) {
        g_test_skip("a sanitizer stands in the way of mlock()");
        return;
    }
    if (g_test_subprocess()) {
        const struct rlimit none = {0, 0};
        g_autoptr(CvsSecret) secret = NULL;

        g_assert_true(cvs_secret_all_locked());
        g_assert_cmpint(setrlimit(RLIMIT_MEMLOCK, &none), ==, 0);
        /* Root locks what it wants. */
        if (geteuid() == 0)
            g_assert_cmpint((int)syscall(SYS_setresuid, 65534, 65534, 65534), ==, 0);
        secret = cvs_secret_new_copy("secret", 6);
        g_assert_false(cvs_secret_all_locked());
        g_assert_cmpmem(cvs_secret_peek(secret), 6, "secret", 6);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/secret/flags", test_flags);
    g_test_add_func("/secret/guards", test_guards);
    g_test_add_func("/secret/out-of-reach", test_out_of_reach);
    g_test_add_func("/secret/wiped-at-the-end", test_wiped_at_the_end);
    g_test_add_func("/secret/next-in-place", test_next_in_place);
    g_test_add_func("/secret/truncate", test_truncate);
    g_test_add_func("/secret/contents", test_contents);
    g_test_add_func("/secret/random", test_random);
    g_test_add_func("/secret/count", test_count);
    g_test_add_func("/secret/fork", test_fork);
    g_test_add_func("/secret/fork-next", test_fork_next);
    g_test_add_func("/secret/wipe", test_wipe);
    g_test_add_func("/secret/not-locked", test_not_locked);
    return g_test_run();
}
