/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bed.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_S 60

static const char rules[] =
    "polkit.addRule(function(action, subject) {\n"
    "    if (action.id == \"org.cvmseal1.manage\" && subject.user == \"sys\")\n"
    "        return polkit.Result.YES;\n"
    "    if (action.id == \"org.cvmseal1.manage\" && subject.user == \"games\")\n"
    "        return polkit.Result.AUTH_ADMIN;\n"
    "    if (action.id == \"org.cvmseal1.attest\" && subject.user == \"sync\")\n"
    "        return polkit.Result.YES;\n"
    "});\n";

static int
bind_socket(Bed *bed, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", bed->dir, name);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

static void
take_input(Bed *bed, int fd, GPtrArray *into)
{
    char buffer[65536];
    gssize n = read(fd, buffer, sizeof buffer);

    if (n <= 0)
        return;
    g_mutex_lock(&bed->mutex);
    if (fd != bed->notify_fd)
        g_byte_array_append(bed->log, (guint8 *)buffer, (guint)n);
    if (into)
        g_ptr_array_add(into, g_strndup(buffer, (gsize)n));
    g_cond_broadcast(&bed->arrived);
    g_mutex_unlock(&bed->mutex);
}

static gpointer
read_all(gpointer data)
{
    Bed *bed = data;
    struct pollfd fds[] = {
        {.fd = bed->stop_fd, .events = POLLIN},
        {.fd = bed->stderr_fd, .events = POLLIN},
        {.fd = bed->journal_fd, .events = POLLIN},
        {.fd = bed->notify_fd, .events = POLLIN},
    };

    while (poll(fds, G_N_ELEMENTS(fds), -1) >= 0 || errno == EINTR) {
        if (fds[1].revents)
            take_input(bed, bed->stderr_fd, NULL);
        if (fds[2].revents)
            take_input(bed, bed->journal_fd, bed->records);
        if (fds[3].revents)
            take_input(bed, bed->notify_fd, bed->notices);
        if (fds[0].revents && !fds[1].revents && !fds[2].revents && !fds[3].revents)
            break;
    }
    return NULL;
}

static void
write_text(Bed *bed, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(bed->dir, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void
write_files(Bed *bed, const char *config)
{
    g_autofree char *text = g_strdup_printf("[Daemon]\n%s\n", config ? config : "");
    g_autofree char *policies = g_build_filename(bed->dir, "policies", NULL);

    g_assert_cmpint(mkdir(policies, 0755), ==, 0);
    write_text(bed, "policies/default.policy",
               "[Profile]\nDescription=of the test\n[Registers]\nPCRs=0+2+7\nPCRBank=sha256\n");
    write_text(bed, "cvmseal.conf", text);
}

static const char *other_program;

void
bed_use_program(const char *program)
{
    other_program = program;
}

/* The daemon's standard error is a pipe whose write end stays with us, so that a second daemon can
 * have it too. */
static int stderr_write = -1;

Bed *
bed_new(const char *config, gboolean with_polkit)
{
    const char *missing = test_bus_missing(with_polkit);
    Bed *bed = NULL;
    int ends[2] = {-1, -1};

    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return NULL;
    }
    bed = g_new0(Bed, 1);
    bed->dir = g_dir_make_tmp("cvs-XXXXXX", NULL);
    g_assert_cmpint(chmod(bed->dir, 0755), ==, 0);
    bed->vault = g_build_filename(bed->dir, "vault", NULL);
    bed->log = g_byte_array_new();
    bed->records = g_ptr_array_new_with_free_func(g_free);
    bed->notices = g_ptr_array_new_with_free_func(g_free);
    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    bed->stderr_fd = ends[0];
    stderr_write = ends[1];
    bed->journal_fd = bind_socket(bed, "journal");
    bed->notify_fd = bind_socket(bed, "notify");
    bed->stop_fd = eventfd(0, EFD_CLOEXEC);
    bed->reader = g_thread_new("bed", read_all, bed);
    write_files(bed, config);

    bed->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    test_tpm_extend(bed->tpm, 0, "boot");
    test_tpm_extend(bed->tpm, 2, "boot");
    test_tpm_extend(bed->tpm, 7, "boot");
    bed->bus = test_bus_new(bed->dir);
    if (with_polkit)
        test_bus_start_polkit(bed->bus, rules);
    bed_start(bed, 0);
    bed->alice = test_bus_connect(bed->bus, ALICE);
    bed->bob = test_bus_connect(bed->bus, BOB);
    bed->admin = test_bus_connect(bed->bus, ADMIN);
    bed->root = test_bus_connect(bed->bus, 0);
    return bed;
}

static void
in_child(gpointer data)
{
    g_assert_cmpint(dup2(stderr_write, STDERR_FILENO), >=, 0);
}

void
bed_start(Bed *bed, guint watchdog_ms)
{
    g_autofree char *program =
        g_build_filename(g_getenv("CVS_BUILD_ROOT"), "sealer", "service", "cvmseald", NULL);
    g_autofree char *config = g_build_filename(bed->dir, "cvmseal.conf", NULL);
    g_autofree char *policies = g_build_filename(bed->dir, "policies", NULL);
    g_autofree char *journal = g_build_filename(bed->dir, "journal", NULL);
    g_autofree char *notify = g_build_filename(bed->dir, "notify", NULL);
    g_autofree char *watchdog = g_strdup_printf("%u", watchdog_ms * 1000);
    g_auto(GStrv) environment = g_get_environ();
    g_autoptr(GError) error = NULL;
    const char *argv[] = {other_program ? other_program : program,
                          "--config",
                          config,
                          "--tcti",
                          NULL,
                          "--vault",
                          bed->vault,
                          "--policies",
                          policies,
                          "--bus",
                          NULL,
                          "--journal-socket",
                          journal,
                          NULL};

    argv[4] = test_tpm_tcti(bed->tpm);
    argv[10] = test_bus_address(bed->bus);
    environment = g_environ_setenv(environment, "NOTIFY_SOCKET", notify, TRUE);
    /* meson's, which overwrites what the daemon frees: it has to do that by itself. */
    environment = g_environ_unsetenv(environment, "MALLOC_PERTURB_");
    if (watchdog_ms)
        environment = g_environ_setenv(environment, "WATCHDOG_USEC", watchdog, TRUE);
    g_ptr_array_set_size(bed->notices, 0);
    g_spawn_async(NULL, (char **)argv, environment, G_SPAWN_DO_NOT_REAP_CHILD, in_child, NULL,
                  &bed->pid, &error);
    g_assert_no_error(error);
    bed_wait_notice(bed, "READY=1");
}

int
bed_stop(Bed *bed, int signal)
{
    int status = 0;

    if (signal)
        kill(bed->pid, signal);
    g_assert_cmpint(waitpid(bed->pid, &status, 0), ==, bed->pid);
    bed->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
drop_connection(GDBusConnection *connection)
{
    g_dbus_connection_close_sync(connection, NULL, NULL);
    g_object_unref(connection);
}

void
bed_free(Bed *bed)
{
    guint64 one = 1;

    if (bed == NULL)
        return;
    if (bed->pid)
        g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    drop_connection(bed->alice);
    drop_connection(bed->bob);
    drop_connection(bed->admin);
    drop_connection(bed->root);
    test_bus_free(bed->bus);
    test_tpm_free(bed->tpm);
    g_assert_true(cvs_write_all(bed->stop_fd, &one, sizeof one));
    g_thread_join(bed->reader);
    close(bed->stop_fd);
    close(bed->stderr_fd);
    close(stderr_write);
    close(bed->journal_fd);
    close(bed->notify_fd);
    test_remove_tree(bed->dir);
    g_byte_array_unref(bed->log);
    g_ptr_array_unref(bed->records);
    g_ptr_array_unref(bed->notices);
    g_free(bed->vault);
    g_free(bed->dir);
    g_free(bed);
}

/* With the mutex held. */
static void
wait_more(Bed *bed, const char *for_what)
{
    if (!g_cond_wait_until(&bed->arrived, &bed->mutex,
                           g_get_monotonic_time() + WAIT_S * G_TIME_SPAN_SECOND))
        g_error("nothing came of %s; the log has: %.*s", for_what, (int)bed->log->len,
                (const char *)bed->log->data);
}

static guint
count_notices(Bed *bed, const char *text)
{
    guint count = 0;

    for (guint i = 0; i < bed->notices->len; i++)
        count += strstr(g_ptr_array_index(bed->notices, i), text) != NULL;
    return count;
}

void
bed_wait_notice(Bed *bed, const char *text)
{
    g_mutex_lock(&bed->mutex);
    while (count_notices(bed, text) == 0)
        wait_more(bed, text);
    g_mutex_unlock(&bed->mutex);
}

guint
bed_count_notices(Bed *bed, const char *text)
{
    guint count = 0;

    g_mutex_lock(&bed->mutex);
    count = count_notices(bed, text);
    g_mutex_unlock(&bed->mutex);
    return count;
}

static gboolean
has_field(const char *record, const char *field)
{
    g_auto(GStrv) lines = g_strsplit(record, "\n", -1);

    return g_strv_contains((const char *const *)lines, field);
}

char *
bed_wait_record(Bed *bed, const char *field, ...)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new();
    char *found = NULL;
    va_list args;

    va_start(args, field);
    for (const char *f = field; f; f = va_arg(args, const char *))
        g_ptr_array_add(fields, (gpointer)f);
    va_end(args);

    g_mutex_lock(&bed->mutex);
    for (guint i = 0; found == NULL; i++) {
        const char *record = NULL;
        gboolean all = TRUE;

        while (i >= bed->records->len)
            wait_more(bed, field);
        record = g_ptr_array_index(bed->records, i);
        for (guint f = 0; f < fields->len; f++)
            all = all && has_field(record, g_ptr_array_index(fields, f));
        if (all)
            found = g_strdup(record);
    }
    g_mutex_unlock(&bed->mutex);
    return found;
}

int
bed_pipe(const void *data, gsize size)
{
    int ends[2] = {-1, -1};

    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    if (size > 65536)
        g_assert_cmpint(fcntl(ends[1], F_SETPIPE_SZ, (int)size), >=, (int)size);
    g_assert_true(cvs_write_all(ends[1], data, size));
    close(ends[1]);
    return ends[0];
}

GBytes *
bed_read_all(int fd)
{
    GByteArray *all = g_byte_array_new();
    guint8 buffer[8192];
    gssize n = 0;

    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        g_byte_array_append(all, buffer, (guint)n);
    g_assert_cmpint(n, ==, 0);
    return g_byte_array_free_to_bytes(all);
}

GVariant *
bed_options(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) given =
        g_variant_parse(G_VARIANT_TYPE_VARDICT, text ? text : "{}", NULL, NULL, &error);
    GVariantDict dict;

    g_assert_no_error(error);
    g_variant_dict_init(&dict, given);
    g_variant_dict_insert(&dict, "reasons", "b", TRUE);
    return g_variant_dict_end(&dict);
}

TestReply *
bed_seal(GDBusConnection *who, const char *name, const void *data, gsize size, const char *options)
{
    CVS_AUTO_FD int fd = bed_pipe(data, size);

    return test_call(who, "Seal", g_variant_new("(sh@a{sv})", name, 0, bed_options(options)), &fd,
                     1);
}

TestReply *
bed_unseal(GDBusConnection *who, const char *name, const char *options)
{
    return test_call(who, "Unseal", g_variant_new("(s@a{sv})", name, bed_options(options)), NULL,
                     0);
}

void
bed_assert_sealed(GDBusConnection *who, const char *name, const void *data, gsize size,
                  const char *options)
{
    g_autoptr(TestReply) reply = bed_seal(who, name, data, size, options);
    const char *id = NULL;

    if (reply->error)
        g_error("sealing %s: %s: %s", name, reply->error, reply->message);
    g_variant_get(reply->body, "(&s)", &id);
    g_assert_cmpuint(strlen(id), ==, 32);
}

static void
assert_holds(TestReply *reply, const char *name, const void *data, gsize size)
{
    g_autoptr(GBytes) bytes = NULL;
    CVS_AUTO_FD int fd = -1;

    if (reply->error)
        g_error("unsealing %s: %s: %s", name, reply->error, reply->message);
    g_assert_nonnull(reply->fds);
    fd = g_unix_fd_list_get(reply->fds, 0, NULL);
    g_assert_cmpint(fd, >=, 0);
    bytes = bed_read_all(fd);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), data, size);
}

void
bed_assert_opens(GDBusConnection *who, const char *name, const void *data, gsize size,
                 const char *options)
{
    g_autoptr(TestReply) reply = bed_unseal(who, name, options);

    assert_holds(reply, name, data, size);
}

void
bed_assert_error(TestReply *reply, const char *error)
{
    g_autoptr(TestReply) owned = reply;

    if (g_strcmp0(owned->error, error) != 0)
        g_error("expected %s, got %s: %s", error, owned->error ? owned->error : "success",
                owned->message);
    g_assert_cmpuint(strlen(owned->message), >, 10);
}

guint
bed_count_reasons(const TestReply *reply, const char *code)
{
    guint count = 0;

    for (gsize i = 0; reply->reasons && i < g_variant_n_children(reply->reasons); i++) {
        const char *seen = NULL;

        g_variant_get_child(reply->reasons, i, "(&s&s&s&s)", &seen, NULL, NULL, NULL);
        count += g_str_equal(seen, code);
    }
    return count;
}

guint64
bed_memory(Bed *bed, const char *field)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", bed->pid);
    g_autofree char *text = NULL;
    const char *at = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    at = strstr(text, field);
    g_assert_nonnull(at);
    return g_ascii_strtoull(at + strlen(field) + 1, NULL, 10);
}

double
bed_processor_seconds(Bed *bed)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", bed->pid);
    g_autofree char *text = NULL;
    const char *at = NULL;
    guint64 user = 0, system = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    /* proc(5): behind the name in parentheses, fields 14 and 15 count from field 3. */
    at = strrchr(text, ')');
    g_assert_nonnull(at);
    for (guint field = 3; field <= 15; field++) {
        at = strchr(at + 1, ' ');
        g_assert_nonnull(at);
        if (field == 14)
            user = g_ascii_strtoull(at + 1, NULL, 10);
        if (field == 15)
            system = g_ascii_strtoull(at + 1, NULL, 10);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

guint
bed_count_fds(Bed *bed)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", bed->pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint count = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        count++;
    return count;
}

void
bed_wait_fds(Bed *bed, guint at_most)
{
    gint64 until = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

    while (bed_count_fds(bed) > at_most && g_get_monotonic_time() < until)
        g_usleep(1000);
    g_assert_cmpuint(bed_count_fds(bed), <=, at_most);
}
