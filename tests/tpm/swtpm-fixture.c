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

guint
swtpm_count_handles(CvsTpm *tpm)
{
    static const guint32 firsts[] = {TPM2_HMAC_SESSION_FIRST, TPM2_POLICY_SESSION_FIRST,
                                     TPM2_TRANSIENT_FIRST};
    guint count = 0;

    g_assert_true(cvs_tpm_connect(tpm, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(firsts); i++) {
        CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
        TPMI_YES_NO more = TPM2_NO;

        g_assert_cmphex(Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                           TPM2_CAP_HANDLES, firsts[i], TPM2_MAX_CAP_HANDLES, &more,
                                           &data),
                        ==, TSS2_RC_SUCCESS);
        for (guint j = 0; j < data->data.handles.count; j++)
            count += data->data.handles.handle[j] >> 24 == firsts[i] >> 24;
    }
    return count;
}
