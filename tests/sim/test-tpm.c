/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/test-tpm.h"
#include "sim/swtpm.h"
#include "base/writer.h"

#include <ftw.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

struct _TestTpm {
    char *dir;
    TpmMux *mux;
    GHashTable *ports; /* name to TCTI string */
};

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)remove(path);
    return 0;
}

void
test_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

TestTpm *
test_tpm_new(TpmMuxFlags flags)
{
    g_autoptr(GError) error = NULL;
    TestTpm *tpm = g_new0(TestTpm, 1);

    tpm->dir = g_dir_make_tmp("cvs-tpm-XXXXXX", &error);
    g_assert_no_error(error);
    /* Tests of the daemon have clients of other uids. */
    g_assert_cmpint(chmod(tpm->dir, 0711), ==, 0);
    tpm->ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    tpm->mux = tpm_mux_new(tpm->dir, flags, &error);
    g_assert_no_error(error);
    (void)test_tpm_port(tpm, "main");
    return tpm;
}

void
test_tpm_free(TestTpm *tpm)
{
    tpm_mux_free(tpm->mux);
    g_hash_table_unref(tpm->ports);
    test_remove_tree(tpm->dir);
    g_free(tpm->dir);
    g_free(tpm);
}

TpmMux *
test_tpm_mux(TestTpm *tpm)
{
    return tpm->mux;
}

const char *
test_tpm_dir(TestTpm *tpm)
{
    return tpm->dir;
}

const char *
test_tpm_tcti(TestTpm *tpm)
{
    return test_tpm_port(tpm, "main");
}

const char *
test_tpm_port(TestTpm *tpm, const char *name)
{
    const char *tcti = g_hash_table_lookup(tpm->ports, name);
    g_autoptr(GError) error = NULL;

    if (tcti == NULL) {
        tcti = tpm_mux_add_port(tpm->mux, name, TPM_MUX_PROCESS, &error);
        g_assert_no_error(error);
        g_hash_table_insert(tpm->ports, g_strdup(name), g_strdup(tcti));
        tcti = g_hash_table_lookup(tpm->ports, name);
    }
    return tcti;
}

/* Sends what the writer holds, with its length put in, and asserts success. */
static void
transact(TestTpm *tpm, CvsWriter *command, GByteArray *response)
{
    tpm_put_u32(command->bytes->data + 2, (guint32)cvs_writer_size(command));
    g_assert_true(
        tpm_mux_transact(tpm->mux, cvs_writer_data(command), cvs_writer_size(command), response));
    g_assert_cmphex(tpm_response_code(response), ==, TPM2_RC_SUCCESS);
}

static void
start(CvsWriter *command, guint16 tag, guint32 code)
{
    cvs_writer_init(command);
    cvs_writer_u16_be(command, tag);
    cvs_writer_u32_be(command, 0);
    cvs_writer_u32_be(command, code);
}

static guint16
algorithm(CvsHash bank)
{
    static const guint16 algorithms[] = {
        [CVS_SHA1] = TPM2_ALG_SHA1,
        [CVS_SHA256] = TPM2_ALG_SHA256,
        [CVS_SHA384] = TPM2_ALG_SHA384,
        [CVS_SHA512] = TPM2_ALG_SHA512,
    };

    return algorithms[bank];
}

void
test_tpm_extend_digests(TestTpm *tpm, guint pcr, const guint8 *sha256, const guint8 *sha384)
{
    g_auto(CvsWriter) command;
    g_autoptr(GByteArray) response = g_byte_array_new();

    start(&command, TPM2_ST_SESSIONS, TPM2_CC_PCR_Extend);
    cvs_writer_u32_be(&command, pcr);
    /* An empty password. */
    cvs_writer_u32_be(&command, 9);
    cvs_writer_u32_be(&command, TPM2_RS_PW);
    cvs_writer_zero(&command, 5);
    cvs_writer_u32_be(&command, 2);
    cvs_writer_u16_be(&command, algorithm(CVS_SHA256));
    cvs_writer_bytes(&command, sha256, cvs_hash_size(CVS_SHA256));
    cvs_writer_u16_be(&command, algorithm(CVS_SHA384));
    cvs_writer_bytes(&command, sha384, cvs_hash_size(CVS_SHA384));
    transact(tpm, &command, response);
}

void
test_tpm_extend(TestTpm *tpm, guint pcr, const char *text)
{
    guint8 sha256[CVS_DIGEST_MAX];
    guint8 sha384[CVS_DIGEST_MAX];

    cvs_hash_bytes(CVS_SHA256, text, strlen(text), sha256);
    cvs_hash_bytes(CVS_SHA384, text, strlen(text), sha384);
    test_tpm_extend_digests(tpm, pcr, sha256, sha384);
}

void
test_tpm_read_pcr(TestTpm *tpm, CvsHash bank, guint pcr, guint8 *digest)
{
    /* Header, update counter, one selection, one digest with its size. */
    const gsize before = 10 + 4 + 4 + 6 + 4 + 2;
    guint8 select[3] = {0};
    g_auto(CvsWriter) command;
    g_autoptr(GByteArray) response = g_byte_array_new();

    g_assert_cmpuint(pcr, <, 24);
    select[pcr / 8] = (guint8)(1u << pcr % 8);
    start(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_PCR_Read);
    cvs_writer_u32_be(&command, 1);
    cvs_writer_u16_be(&command, algorithm(bank));
    cvs_writer_u8(&command, sizeof select);
    cvs_writer_bytes(&command, select, sizeof select);
    transact(tpm, &command, response);
    g_assert_cmpuint(response->len, ==, before + cvs_hash_size(bank));
    memcpy(digest, response->data + before, cvs_hash_size(bank));
}

void
test_tpm_set_hcrtm(TestTpm *tpm, const void *data, gsize size)
{
    g_autoptr(GBytes) bytes = data ? g_bytes_new(data, size) : NULL;

    tpm_mux_set_hcrtm(tpm->mux, bytes);
}

void
test_tpm_power_cycle(TestTpm *tpm)
{
    g_autoptr(GError) error = NULL;

    (void)tpm_mux_power_cycle(tpm->mux, &error);
    g_assert_no_error(error);
}

void
test_tpm_replace(TestTpm *tpm, guint number)
{
    g_autoptr(GError) error = NULL;

    tpm_mux_power_off(tpm->mux);
    (void)tpm_mux_power_on(tpm->mux, number, &error);
    g_assert_no_error(error);
}

static gboolean
run(TestTpm *tpm, const char *line, char **ret_stdout, char **ret_stderr)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GSubprocess) process = NULL;
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) error = NULL;

    (void)g_shell_parse_argv(line, NULL, &argv, &error);
    g_assert_no_error(error);
    g_subprocess_launcher_set_cwd(launcher, tpm->dir);
    g_subprocess_launcher_setenv(launcher, "TPM2TOOLS_TCTI", test_tpm_port(tpm, "tools"), TRUE);
    /* The fixture's other users want no log of the TSS; of a tool it says why it failed. */
    g_subprocess_launcher_unsetenv(launcher, "TSS2_LOG");
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    g_assert_no_error(error);
    (void)g_subprocess_communicate_utf8(process, NULL, NULL, ret_stdout, ret_stderr, &error);
    g_assert_no_error(error);
    return g_subprocess_get_successful(process);
}

char *
test_tpm_run(TestTpm *tpm, const char *format, ...)
{
    g_autofree char *line = NULL, *errors = NULL;
    char *output = NULL;
    va_list args;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    if (!run(tpm, line, &output, &errors))
        g_error("%s failed: %s", line, errors);
    return output;
}

char *
test_tpm_run_fails(TestTpm *tpm, const char *format, ...)
{
    g_autofree char *line = NULL, *output = NULL;
    char *errors = NULL;
    va_list args;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    if (run(tpm, line, &output, &errors))
        g_error("%s was expected to fail", line);
    return errors;
}

guint
test_tpm_count_handles(TestTpm *tpm)
{
    TpmMuxHandles handles = tpm_mux_handles(tpm->mux, NULL);

    return handles.objects + handles.sessions;
}
