/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/swtpm-fixture.h"
#include "base/file.h"
#include "tpm/tpm-private.h"
#include "tpm/wire.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* As TPM2_TRANSIENT_FIRST, whose shift of 0x80 overflows an int, which a sanitizer minds. */
#define TRANSIENT_FIRST 0x80000000u

struct _Swtpm {
    char *dir;
    char *socket;
    char *tcti;
    gboolean without_startup;
    GSubprocess *process;
};

/* swtpm gets its sockets ready, so that nobody has to wait for them. */
static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(strlen(path), <, sizeof address.sun_path);
    strcpy(address.sun_path, path);
    (void)unlink(path);
    g_assert_no_errno(bind(fd, (struct sockaddr *)&address, sizeof address));
    g_assert_no_errno(listen(fd, 8));
    return fd;
}

static void
die_with_parent(gpointer data)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void
swtpm_start(Swtpm *swtpm)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
    g_autofree char *control = g_strconcat(swtpm->socket, ".ctrl", NULL);
    g_autofree char *state = g_strconcat("dir=", swtpm->dir, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(swtpm->process);
    g_subprocess_launcher_take_fd(launcher, listen_at(swtpm->socket), 3);
    g_subprocess_launcher_take_fd(launcher, listen_at(control), 4);
    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
    swtpm->process = g_subprocess_launcher_spawn(
        launcher, &error, "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server",
        "type=unixio,fd=3", "--ctrl", "type=unixio,fd=4", "--flags",
        swtpm->without_startup ? "not-need-init" : "not-need-init,startup-clear", NULL);
    g_assert_no_error(error);
}

Swtpm *
swtpm_new(void)
{
    Swtpm *swtpm = g_new0(Swtpm, 1);
    g_autoptr(GError) error = NULL;

    swtpm->dir = g_dir_make_tmp("cvmseal-swtpm-XXXXXX", &error);
    g_assert_no_error(error);
    swtpm->socket = g_build_filename(swtpm->dir, "tpm", NULL);
    swtpm->tcti = g_strconcat("swtpm:path=", swtpm->socket, NULL);
    swtpm_start(swtpm);
    return swtpm;
}

void
swtpm_kill(Swtpm *swtpm)
{
    g_subprocess_force_exit(swtpm->process);
    (void)g_subprocess_wait(swtpm->process, NULL, NULL);
    g_clear_object(&swtpm->process);
}

void
swtpm_forget_state(Swtpm *swtpm)
{
    g_autoptr(GDir) dir = g_dir_open(swtpm->dir, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(swtpm->dir, name, NULL);

        g_assert_no_errno(g_unlink(path));
    }
}

void
swtpm_without_startup(Swtpm *swtpm)
{
    swtpm->without_startup = TRUE;
}

void
swtpm_free(Swtpm *swtpm)
{
    if (swtpm->process != NULL)
        swtpm_kill(swtpm);
    swtpm_forget_state(swtpm);
    g_assert_no_errno(g_rmdir(swtpm->dir));
    g_free(swtpm->dir);
    g_free(swtpm->socket);
    g_free(swtpm->tcti);
    g_free(swtpm);
}

const char *
swtpm_tcti(const Swtpm *swtpm)
{
    return swtpm->tcti;
}

char *
swtpm_path(const Swtpm *swtpm, const char *name)
{
    return g_build_filename(swtpm->dir, name, NULL);
}

static gboolean
run_tool(Swtpm *swtpm, const char *line, char **ret_output, char **ret_errors)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;

    g_assert_true(g_shell_parse_argv(line, NULL, &argv, &error));
    g_subprocess_launcher_set_cwd(launcher, swtpm->dir);
    g_subprocess_launcher_setenv(launcher, "TPM2TOOLS_TCTI", swtpm->tcti, TRUE);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    g_assert_no_error(error);
    g_assert_true(
        g_subprocess_communicate_utf8(process, NULL, NULL, ret_output, ret_errors, &error));
    g_assert_no_error(error);
    return g_subprocess_get_successful(process);
}

char *
swtpm_tool(Swtpm *swtpm, const char *format, ...)
{
    g_autofree char *line = NULL, *errors = NULL;
    char *output = NULL;
    va_list args;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    if (!run_tool(swtpm, line, &output, &errors))
        g_error("%s: %s", line, errors);
    return output;
}

gboolean
swtpm_tool_try(Swtpm *swtpm, const char *format, ...)
{
    g_autofree char *line = NULL, *output = NULL, *errors = NULL;
    va_list args;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    return run_tool(swtpm, line, &output, &errors);
}

void
swtpm_extend(CvsTpm *tpm, guint pcr)
{
    TPML_DIGEST_VALUES digests = {
        .count = 2,
        .digests = {{.hashAlg = TPM2_ALG_SHA256}, {.hashAlg = TPM2_ALG_SHA384}},
    };

    memset(&digests.digests[0].digest, 0x11, 32);
    memset(&digests.digests[1].digest, 0x22, 48);
    g_assert_true(cvs_tpm_connect(tpm, NULL));
    g_assert_cmphex(Esys_PCR_Extend(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &digests),
                    ==, TSS2_RC_SUCCESS);
}

/* guint32 of each session and transient object. */
static GArray *
list_handles(CvsTpm *tpm)
{
    /* Sessions of both kinds are listed together: those that are loaded under the first number,
     * those that are saved under the second (Part 2, 7.2). */
    static const guint32 firsts[] = {TPM2_LOADED_SESSION_FIRST, TPM2_ACTIVE_SESSION_FIRST,
                                     TRANSIENT_FIRST};
    GArray *handles = g_array_new(FALSE, FALSE, sizeof(guint32));

    g_assert_true(cvs_tpm_connect(tpm, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(firsts); i++) {
        CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
        TPMI_YES_NO more = TPM2_NO;

        g_assert_cmphex(Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                           TPM2_CAP_HANDLES, firsts[i], TPM2_MAX_CAP_HANDLES, &more,
                                           &data),
                        ==, TSS2_RC_SUCCESS);
        for (guint j = 0; j < data->data.handles.count; j++) {
            guint32 type = data->data.handles.handle[j] >> 24;
            gboolean is_session = type == TPM2_HT_HMAC_SESSION || type == TPM2_HT_POLICY_SESSION;

            if (type == firsts[i] >> 24 || (is_session && firsts[i] != TRANSIENT_FIRST))
                g_array_append_val(handles, data->data.handles.handle[j]);
        }
    }
    return handles;
}

guint
swtpm_count_handles(CvsTpm *tpm)
{
    g_autoptr(GArray) handles = list_handles(tpm);

    return handles->len;
}

void
swtpm_flush_all(Swtpm *swtpm)
{
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm->tcti);
    g_autoptr(GArray) handles = list_handles(tpm);

    for (guint i = 0; i < handles->len; i++)
        swtpm_raw_flush(swtpm, g_array_index(handles, guint32, i));
}

/* tcti-swtpm holds its line only from a command to its answer, so there is room for another. */
static int
connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    strcpy(address.sun_path, path);
    g_assert_no_errno(connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

guint32
swtpm_raw(Swtpm *swtpm, const guint8 *command, gsize size)
{
    CVS_AUTO_FD int line = connect_to(swtpm->socket);
    guint8 response[4096];
    gsize got = 0;

    g_assert_true(cvs_write_all(line, command, size));
    while (got < 10 || got < ((gsize)response[4] << 8 | response[5])) {
        GPollFD fd = {.fd = line, .events = G_IO_IN};
        gssize n = 0;

        g_assert_cmpint(g_poll(&fd, 1, -1), ==, 1);
        n = read(line, response + got, sizeof response - got);
        g_assert_cmpint(n, >, 0);
        got += (gsize)n;
    }
    return (guint32)response[6] << 24 | (guint32)response[7] << 16 | (guint32)response[8] << 8 |
           response[9];
}

void
swtpm_raw_extend(Swtpm *swtpm, guint pcr)
{
    guint8 command[65] = {0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, (guint8)pcr,
                          /* authorization by an empty password */
                          0, 0, 0, 9, 0x40, 0, 0, 0x09, 0, 0, 0, 0, 0,
                          /* one digest, SHA-256 */
                          0, 0, 0, 1, 0x00, 0x0b};

    command[64] = 1;
    g_assert_cmphex(swtpm_raw(swtpm, command, sizeof command), ==, 0);
}

void
swtpm_raw_flush(Swtpm *swtpm, guint32 handle)
{
    guint8 command[14] = {0x80,
                          0x01,
                          0,
                          0,
                          0,
                          14,
                          0,
                          0,
                          0x01,
                          0x65,
                          (guint8)(handle >> 24),
                          (guint8)(handle >> 16),
                          (guint8)(handle >> 8),
                          (guint8)handle};

    g_assert_cmphex(swtpm_raw(swtpm, command, sizeof command), ==, 0);
}
