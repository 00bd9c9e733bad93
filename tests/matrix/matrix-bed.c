/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "matrix-bed.h"
#include "base/file.h"
#include "base/hex.h"
#include "tpm/attesting.h"

#include <glib/gstdio.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AZURE_AK                                                                                   \
    "tpm2_createprimary -C e -G rsa2048:rsassa-sha256:null -g sha256 -a "                          \
    "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign -c ak.ctx"

static char *
file_of(const Matrix *matrix, const char *name)
{
    return g_build_filename(matrix->dir, name, NULL);
}

static char *
configuration(const Matrix *matrix, gboolean test_roots)
{
    g_autofree char *mount = tee_sim_path(matrix->sim, "");

    return g_strdup_printf("StoreKeyFile=%s\n%s[TEE]\nConfigfsPath=%s/config/tsm/"
                           "report\nSevGuestPath=%s/dev/sev-guest\n"
                           "SevVmplPath=%s/vmpl\nTdxGuestPath=%s/dev/tdx_guest\n"
                           "MeasurementsPath=%s/sys/devices/virtual/misc/tdx_guest/measurements\n"
                           "CcelTablePath=%s/sys/firmware/acpi/tables/CCEL\n"
                           "CcelDataPath=%s/sys/firmware/acpi/tables/data/CCEL\n"
                           "TpmLogPath=%s/tpm-log\n"
                           "RunPath=%s/run\nCollateralPath=%s\n%s%s\n",
                           matrix->store_key, matrix->more, mount, mount, matrix->dir, mount, mount,
                           mount, mount, matrix->dir, matrix->dir, matrix->store,
                           test_roots ? "TestRoots=" : "", test_roots ? matrix->roots : "");
}

void
matrix_configure(Matrix *matrix, gboolean test_roots)
{
    g_autofree char *lines = configuration(matrix, test_roots);
    g_autofree char *text = g_strconcat("[Daemon]\n", lines, NULL);
    g_autofree char *path = g_build_filename(matrix->bed->dir, "cvmseal.conf", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

void
matrix_set_profile(Matrix *matrix, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "%M", -1);
    g_autofree char *measured = g_strjoinv(matrix->measurement, parts);
    g_auto(GStrv) rest = g_strsplit(measured, "%V", -1);
    g_autofree char *filled = g_strjoinv(matrix->lists, rest);
    g_autofree char *path = g_build_filename(matrix->bed->dir, "policies", "default.policy", NULL);

    g_assert_true(g_file_set_contents(path, filled, -1, NULL));
}

static void
become(gpointer data)
{
    const uid_t *uid = data;

    if (uid && (setgroups(0, NULL) < 0 || setgid(*uid) < 0 || setuid(*uid) < 0))
        _exit(126);
}

/* uid NULL: root. */
static char *
run_words(const Matrix *matrix, uid_t *uid, const GPtrArray *words, int *ret_code)
{
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;

    g_spawn_sync(matrix->dir, (char **)words->pdata, NULL, G_SPAWN_SEARCH_PATH, become, uid, &out,
                 &err, &status, &error);
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(status));
    *ret_code = WEXITSTATUS(status);
    return g_strconcat(out, err, NULL);
}

static char *
run_line(const Matrix *matrix, uid_t *uid, int code, const char *line)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *program =
        g_build_filename(g_getenv("CVS_BUILD_ROOT"), "sealer/ctl/cvmseal", NULL);
    g_auto(GStrv) parts = g_strsplit(line, " ", -1);
    char *text = NULL;
    int got = 0;

    g_ptr_array_add(words, program);
    for (guint i = 0; parts[i]; i++)
        g_ptr_array_add(words, parts[i]);
    g_ptr_array_add(words, NULL);
    text = run_words(matrix, uid, words, &got);
    if (got != code)
        g_error("cvmseal %s ends with %d: %s", line, got, text);
    return text;
}

char *
matrix_run(Matrix *matrix, int code, const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    return run_line(matrix, NULL, code, line);
}

char *
matrix_run_as(Matrix *matrix, uid_t uid, int code, const char *format, ...)
{
    g_autofree char *words = NULL;
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, format);
    words = g_strdup_vprintf(format, args);
    va_end(args);
    line = g_strdup_printf("--bus %s %s", test_bus_address(matrix->bed->bus), words);
    return run_line(matrix, &uid, code, line);
}

/* What a lie has spoilt is not taken in, and that is then the lie's effect. */
static void
import_collateral(Matrix *matrix)
{
    g_autofree char *folder = g_build_filename(matrix->state, "collateral", NULL);
    g_autofree char *program =
        g_build_filename(g_getenv("CVS_BUILD_ROOT"), "sealer/ctl/cvmseal", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    int code = 0;

    if (dir == NULL)
        return;
    test_remove_tree(matrix->store);
    g_ptr_array_add(words, g_strdup(program));
    for (const char *const *word =
             (const char *const[]){"collateral", "import", "--store", matrix->store, "--roots",
                                   matrix->roots, NULL};
         *word; word++)
        g_ptr_array_add(words, g_strdup(*word));
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir))
        g_ptr_array_add(words, g_build_filename(folder, name, NULL));
    g_ptr_array_add(words, NULL);
    g_free(run_words(matrix, NULL, words, &code));
}

static void
set_switches(Matrix *matrix, const char *switches)
{
    g_auto(GStrv) words = g_strsplit(switches, " ", -1);

    for (guint i = 0; words[i]; i++)
        tee_sim_must(matrix->sim, words[i]);
}

void
matrix_set(Matrix *matrix, const char *switches)
{
    set_switches(matrix, switches);
    import_collateral(matrix);
}

void
matrix_forget_pace(Matrix *matrix)
{
    g_autofree char *file = file_of(matrix, "run/tee-requests");

    (void)g_unlink(file);
}

void
matrix_restart(Matrix *matrix)
{
    g_autofree char *kept = file_of(matrix, "run/boot-attestation");

    if (matrix->bed->pid)
        g_assert_cmpint(bed_stop(matrix->bed, SIGTERM), ==, 0);
    matrix_forget_pace(matrix);
    (void)g_unlink(kept);
    bed_start(matrix->bed, 0);
}

static void
measure_boot(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 0, "boot");
    test_tpm_extend(matrix->bed->tpm, 2, "boot");
    test_tpm_extend(matrix->bed->tpm, 7, "boot");
}

void
matrix_boot_tpm(Matrix *matrix)
{
    test_tpm_power_cycle(matrix->bed->tpm);
    measure_boot(matrix);
}

void
matrix_measure(Matrix *matrix, VtpmTdMeasured how)
{
    vtpm_td_measure(matrix->bed->tpm, matrix->sim, matrix->tpm_log, how, TRUE);
    measure_boot(matrix);
}

void
matrix_vouch(Matrix *matrix)
{
    TestTpm *tpm = matrix->bed->tpm;
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "rsa");
    g_autoptr(CvsPublicArea) ak = NULL;
    g_autoptr(GError) error = NULL;

    if (matrix->azure) {
        g_free(test_tpm_run(tpm, AZURE_AK));
        g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c ak.ctx 0x81000003"));
        g_free(test_tpm_run(tpm, "tpm2_readpublic -c 0x81000003 -o ak.pub"));
        ak = attest_read_public(tpm, "ak.pub");
    }
    (void)tee_sim_set_keys(matrix->sim, ek->bytes, ak ? ak->bytes : NULL, &error);
    g_assert_no_error(error);
}

void
matrix_swap_tpm(Matrix *matrix)
{
    test_tpm_replace(matrix->bed->tpm, 1);
    measure_boot(matrix);
}

void
matrix_swap_tpm_back(Matrix *matrix)
{
    test_tpm_replace(matrix->bed->tpm, 0);
    matrix_boot_tpm(matrix);
    matrix_vouch(matrix);
}

static gboolean
start_tee(Matrix *matrix, const MatrixMachine *machine)
{
    const char *why = tee_sim_is_impossible();
    g_autofree char *mount = NULL;
    TeeSimConfig config = {.type = machine->type};
    g_autoptr(GError) error = NULL;
    guint8 measurement[48];

    if (why) {
        g_print("1..0 # SKIP %s\n", why);
        return FALSE;
    }
    /* The daemon takes no test roots that a group could have written. */
    (void)umask(022);
    matrix->dir = g_dir_make_tmp("cvs-matrix-XXXXXX", NULL);
    g_assert_cmpint(chmod(matrix->dir, 0755), ==, 0);
    mount = file_of(matrix, "mnt");
    matrix->state = file_of(matrix, "state");
    matrix->store = file_of(matrix, "collateral");
    matrix->tpm_log = file_of(matrix, "tpm-log");
    matrix->store_key = file_of(matrix, "store-key");
    matrix->roots = g_build_filename(matrix->state, "roots", NULL);
    matrix->azure = machine->type == TEE_SIM_AZURE_SNP || machine->type == TEE_SIM_AZURE_TDX;
    config.state_dir = matrix->state;
    matrix->sim = tee_sim_new(&config, &error);
    g_assert_no_error(error);
    (void)tee_sim_start(matrix->sim, mount, &error);
    g_assert_no_error(error);
    if (machine->switches)
        set_switches(matrix, machine->switches);
    if (machine->type == TEE_SIM_AZURE_TDX) {
        g_autofree char *run = file_of(matrix, "run");

        matrix->bringer = quote_bringer_new(matrix->sim, run);
    }
    tee_sim_measurement(matrix->sim, measurement);
    matrix->measurement = cvs_hex_encode(measurement, sizeof measurement);
    g_setenv("CVS_TEST_TEE", mount, TRUE);
    g_setenv("CVS_TEST_TEE_STATE", matrix->state, TRUE);
    return TRUE;
}

Matrix *
matrix_new(const MatrixMachine *machine)
{
    Matrix *matrix = g_new0(Matrix, 1);
    g_autofree char *program = NULL;
    g_autofree char *config = NULL;

    matrix->profile = machine->profile;
    matrix->options = machine->options;
    matrix->more = "";
    if (machine->program)
        program = g_build_filename(g_getenv("CVS_BUILD_ROOT"), machine->program, NULL);
    if (test_bus_missing(TRUE) == NULL && !start_tee(matrix, machine)) {
        matrix_free(matrix);
        return NULL;
    }
    bed_use_program(g_intern_string(program));
    config = matrix->sim ? configuration(matrix, TRUE) : NULL;
    matrix->bed = bed_new(config, TRUE);
    if (matrix->bed == NULL) {
        matrix_free(matrix);
        return NULL;
    }
    import_collateral(matrix);
    matrix_vouch(matrix);
    if (machine->vtpm_td) {
        const VtpmTdCertsWish honest = {0};

        vtpm_td_extend_rtmr3(matrix->sim);
        matrix->lists = vtpm_td_lists(matrix->sim);
        matrix_measure(matrix, VTPM_TD_MEASURED);
        vtpm_td_certify(matrix->bed->tpm, matrix->sim, &honest);
        matrix_restart(matrix);
    }
    matrix_set_profile(matrix, matrix->profile);
    matrix_seal(matrix);
    matrix_assert_opens(matrix);
    return matrix;
}

void
matrix_free(Matrix *matrix)
{
    if (matrix == NULL)
        return;
    bed_free(matrix->bed);
    if (matrix->bringer)
        quote_bringer_free(matrix->bringer);
    tee_sim_free(matrix->sim);
    if (matrix->dir)
        test_remove_tree(matrix->dir);
    g_free(matrix->dir);
    g_free(matrix->state);
    g_free(matrix->store);
    g_free(matrix->tpm_log);
    g_free(matrix->store_key);
    g_free(matrix->roots);
    g_free(matrix->measurement);
    g_free(matrix->lists);
    g_free(matrix);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

char *
matrix_outcome(const TestReply *reply)
{
    g_autoptr(GPtrArray) codes = g_ptr_array_new_with_free_func(g_free);
    GString *text = NULL;

    if (reply->error == NULL)
        return g_strdup("");
    text = g_string_new(reply->error);
    g_string_append_c(text, ':');
    for (gsize i = 0; reply->reasons && i < g_variant_n_children(reply->reasons); i++) {
        char *code = NULL;

        g_variant_get_child(reply->reasons, i, "(ssss)", &code, NULL, NULL, NULL);
        g_ptr_array_add(codes, code);
    }
    g_ptr_array_sort(codes, compare);
    for (guint i = 0; i < codes->len; i++) {
        if (i == 0 || !g_str_equal(codes->pdata[i], codes->pdata[i - 1]))
            g_string_append_printf(text, " %s", (const char *)codes->pdata[i]);
    }
    g_test_message("%s", reply->message);
    return g_string_free(text, FALSE);
}

/* Root's keys, with the option "replace". */
static TestReply *
seal_as(Matrix *matrix, const char *name)
{
    return bed_seal(matrix->bed->root, name, MATRIX_SECRET, strlen(MATRIX_SECRET),
                    matrix->options ? matrix->options : "{'replace': <true>}");
}

void
matrix_seal(Matrix *matrix)
{
    g_autoptr(TestReply) reply = seal_as(matrix, "db");
    g_autofree char *outcome = matrix_outcome(reply);

    if (*outcome)
        g_error("the key cannot be sealed: %s: %s", outcome, reply->message);
}

char *
matrix_unseal(Matrix *matrix, const char *name)
{
    g_autoptr(TestReply) reply = bed_unseal(matrix->bed->root, name, NULL);
    g_autoptr(GBytes) bytes = NULL;
    CVS_AUTO_FD int fd = -1;

    if (reply->error)
        return matrix_outcome(reply);
    fd = g_unix_fd_list_get(reply->fds, 0, NULL);
    bytes = bed_read_all(fd);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), MATRIX_SECRET,
                    strlen(MATRIX_SECRET));
    return g_strdup("");
}

void
matrix_assert_opens(Matrix *matrix)
{
    g_autofree char *outcome = matrix_unseal(matrix, "db");

    if (*outcome)
        g_error("the key does not open: %s", outcome);
}

typedef struct {
    Matrix *matrix;
    const Lie *lie;
} Case;

static char *
try_it(Matrix *matrix, const Lie *lie)
{
    g_autoptr(TestReply) reply = NULL;

    if (!(lie->flags & LIE_SEAL))
        return matrix_unseal(matrix, "db");
    reply = seal_as(matrix, "db");
    return matrix_outcome(reply);
}

static void
tell(Matrix *matrix, const Lie *lie)
{
    if (lie->tell)
        matrix_set(matrix, lie->tell);
    if (lie->profile)
        matrix_set_profile(matrix, lie->profile);
    if (lie->act)
        lie->act(matrix);
    if (lie->flags & LIE_LIVE)
        matrix_forget_pace(matrix);
    else
        matrix_restart(matrix);
}

static void
take_back(Matrix *matrix, const Lie *lie)
{
    if (lie->tell)
        matrix_set(matrix, "reset=on");
    if (lie->profile)
        matrix_set_profile(matrix, matrix->profile);
    if (lie->undo)
        lie->undo(matrix);
    matrix_restart(matrix);
    if (lie->flags & LIE_RESEAL)
        matrix_seal(matrix);
}

static void
run_case(gconstpointer data)
{
    const Case *this = data;
    Matrix *matrix = this->matrix;
    g_autofree char *outcome = NULL;

    tell(matrix, this->lie);
    outcome = try_it(matrix, this->lie);
    if (this->lie->flags & LIE_TWICE) {
        g_assert_cmpstr(outcome, !=, "");
        g_free(outcome);
        outcome = try_it(matrix, this->lie);
    }
    if (!g_str_equal(outcome, this->lie->outcome))
        g_printerr("%s: \"%s\", wanted \"%s\"\n", this->lie->name, outcome, this->lie->outcome);

    g_assert_cmpstr(outcome, ==, this->lie->outcome);
    take_back(matrix, this->lie);
    matrix_assert_opens(matrix);
}

void
matrix_add_lies(Matrix *matrix, const char *prefix, const Lie *lies, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *path = g_strconcat(prefix, "/", lies[i].name, NULL);
        Case *this = g_new0(Case, 1);

        this->matrix = matrix;
        this->lie = &lies[i];
        g_test_add_data_func_full(path, this, run_case, g_free);
    }
}

int
matrix_run_lies(const MatrixMachine *machine, const char *prefix, const Lie *lies, gsize n)
{
    Matrix *matrix = matrix_new(machine);
    int result = 0;

    if (matrix == NULL)
        return 0;
    matrix_add_lies(matrix, prefix, lies, n);
    result = g_test_run();
    matrix_free(matrix);
    return result;
}
