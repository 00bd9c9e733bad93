/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cvmseal report as a user meets it, with a simulated TEE. */

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "ctl/new-folder.h"
#include "program.h"
#include "sim/test-tpm.h"
#include "tee/tee-bed.h"
#include "tee/answer.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHALLENGE                                                                                  \
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"                             \
    "2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40"

typedef struct {
    TeeBed tee;
    char *config;
    char *out; /* the folder to be made */
} Bed;

static gboolean
bed_init(Bed *bed, TeeSimType type)
{
    g_autofree char *text = NULL;

    if (!tee_bed_init(&bed->tee, type))
        return FALSE;
    bed->config = g_build_filename(bed->tee.dir, "cvmseal.conf", NULL);
    bed->out = g_build_filename(bed->tee.dir, "evidence", NULL);
    text = g_strdup_printf("[TEE]\nConfigfsPath=%s\nSevGuestPath=%s\nSevVmplPath=%s\n"
                           "TdxGuestPath=%s\nRunPath=%s\n",
                           bed->tee.paths->configfs, bed->tee.paths->sev_guest,
                           bed->tee.paths->sev_vmpl, bed->tee.paths->tdx_guest,
                           bed->tee.paths->run_dir);
    g_assert_true(g_file_set_contents(bed->config, text, -1, NULL));
    return TRUE;
}

static void
bed_clear(Bed *bed)
{
    if (bed->config == NULL)
        return;
    tee_bed_clear(&bed->tee);
    g_free(bed->config);
    g_free(bed->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bed, bed_clear)

/* Runs it; *ret_out and *ret_err may be NULL. */
static int
run(const Bed *bed, char **ret_out, char **ret_err, const char *first, ...)
{
    const char *const before[] = {"report", "--config", bed->config, NULL};
    va_list list;
    int code = 0;

    va_start(list, first);
    code = program_run_list(ret_out, ret_err, before, first, list);
    va_end(list);
    return code;
}

static GBytes *
read_out(const Bed *bed, const char *name)
{
    g_autofree char *path = g_build_filename(bed->out, name, NULL);
    char *data = NULL;
    gsize size = 0;

    if (!g_file_get_contents(path, &data, &size, NULL))
        return NULL;
    return g_bytes_new_take(data, size);
}

static void
challenge(guint8 data[static 64])
{
    g_autoptr(GBytes) bytes = cvs_hex_decode(CHALLENGE, -1, NULL);

    memcpy(data, g_bytes_get_data(bytes, NULL), 64);
}

static void
check_files(const Bed *bed, const char *const *names)
{
    g_autoptr(GDir) dir = g_dir_open(bed->out, 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        n++;
    g_assert_cmpuint(n, ==, g_strv_length((char **)names));
    for (guint i = 0; names[i]; i++) {
        g_autoptr(GBytes) bytes = read_out(bed, names[i]);

        g_assert_nonnull(bytes);
        g_assert_cmpuint(g_bytes_get_size(bytes), >, 0);
    }
}

static void
test_snp(void)
{
    const char *const names[] = {"report.bin", "certs.bin", "report-data.bin", NULL};
    g_auto(Bed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    g_autofree char *json_text = NULL;
    g_autoptr(GBytes) report = NULL;
    g_autoptr(GBytes) data_file = NULL;
    g_autoptr(json_t) json = NULL;
    guint8 data[64];

    if (!bed_init(&bed, TEE_SIM_SNP))
        return;
    challenge(data);
    g_assert_cmpint(run(&bed, &out, NULL, "--report-data", CHALLENGE, "--out", bed.out, NULL), ==,
                    0);
    g_assert_nonnull(strstr(out, "SEV-SNP report by sev_guest. Nothing of it was verified."));
    g_assert_nonnull(strstr(out, CHALLENGE));
    g_assert_null(strstr(out, "random"));
    check_files(&bed, names);
    report = read_out(&bed, "report.bin");
    g_assert_true(cvs_answer_check_snp(report, data, 0, &error));
    g_assert_no_error(error);
    data_file = read_out(&bed, "report-data.bin");
    g_assert_cmpmem(g_bytes_get_data(data_file, NULL), g_bytes_get_size(data_file), data, 64);

    g_assert_cmpint(run(&bed, &json_text, NULL, "--json", "--report-data", CHALLENGE, NULL), ==, 0);
    json = cvs_json_parse(json_text, strlen(json_text), "report", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(cvs_json_get_string(json, "tee", "", &error), ==, "snp");
    g_assert_cmpstr(cvs_json_get_string(json, "report-data", "", &error), ==, CHALLENGE);
    g_assert_true(json_is_false(json_object_get(json, "random")));
    g_assert_null(json_object_get(json, "files"));
    g_assert_cmpstr(
        cvs_json_get_string(json_object_get(json, "claims"), "tee.report_data", "", &error), ==,
        CHALLENGE);
    g_assert_null(json_object_get(json_object_get(json, "claims"), "tee.verified"));
}

static void
test_svsm(void)
{
    const char *const names[] = {"report.bin", "certs.bin", "manifest.bin", "report-data.bin",
                                 NULL};
    g_auto(Bed) bed = {0};
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    if (!bed_init(&bed, TEE_SIM_SNP))
        return;
    g_assert_cmpint(run(&bed, NULL, &err, "--svsm", NULL), ==, 1);
    g_assert_nonnull(strstr(err, "no SVSM can be asked"));
    tee_sim_must(bed.tee.sim, "svsm=on");
    tee_bed_give_keys(&bed.tee);
    g_assert_cmpint(
        run(&bed, &out, NULL, "--svsm", "--report-data", CHALLENGE, "--out", bed.out, NULL), ==, 0);
    g_assert_nonnull(strstr(out, "Nonce: " CHALLENGE));
    check_files(&bed, names);
}

static void
test_tdx(void)
{
    const char *const names[] = {"quote.bin", "tdreport.bin", "report-data.bin", NULL};
    g_auto(Bed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    g_autofree char *json_text = NULL;
    g_autoptr(GBytes) quote = NULL;
    g_autoptr(json_t) json = NULL;
    guint8 data[64];

    if (!bed_init(&bed, TEE_SIM_TDX))
        return;
    challenge(data);
    g_assert_cmpint(
        run(&bed, &json_text, NULL, "--json", "--report-data", CHALLENGE, "--out", bed.out, NULL),
        ==, 0);
    json = cvs_json_parse(json_text, strlen(json_text), "report", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(cvs_json_get_string(json, "tee", "", &error), ==, "tdx");
    g_assert_cmpuint(json_array_size(json_object_get(json, "files")), ==, 3);
    check_files(&bed, names);
    quote = read_out(&bed, "quote.bin");
    g_assert_true(cvs_answer_check_quote(quote, data, &error));
    g_assert_no_error(error);
    /* Without --report-data another one each time, and it says so. */
    g_assert_cmpint(run(&bed, &out, NULL, NULL, NULL), ==, 0);
    g_assert_nonnull(strstr(out, " (random)\n"));
    g_assert_nonnull(strstr(out, "tee.rtmr3"));
    {
        g_autofree char *again = NULL;

        g_assert_cmpint(run(&bed, &again, NULL, NULL, NULL), ==, 0);
        g_assert_cmpstr(strstr(out, "Report data"), !=, strstr(again, "Report data"));
    }
}

/* Usage and refusals: nothing is written, and for a wrong word the TEE is not even asked. */
static void
test_refused(void)
{
    g_auto(Bed) bed = {0};
    g_autofree char *below = NULL;
    g_autofree char *err = NULL;
    g_autofree char *out = NULL;
    const char *const wrong[] = {"", "12", "xy", CHALLENGE "00"};

    if (!bed_init(&bed, TEE_SIM_SNP))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_cmpint(run(&bed, NULL, NULL, "--report-data", wrong[i], NULL), ==, 2);
    below = g_build_filename(bed.out, "x", NULL);
    g_assert_cmpint(run(&bed, NULL, NULL, "--out", below, NULL), ==, 2);
    g_assert_cmpint(run(&bed, NULL, &err, "--out", bed.tee.dir, NULL), ==, 2);
    g_assert_nonnull(strstr(err, "is there already"));
    g_assert_cmpint(run(&bed, NULL, NULL, "word", NULL), ==, 2);
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 0);
    tee_sim_must(bed.tee.sim, "wrong-report-data=on");
    g_assert_cmpint(run(&bed, &out, NULL, "--json", "--out", bed.out, NULL), ==, 3);
    g_assert_nonnull(strstr(out, "\"AnswerDiffers\""));
    g_assert_false(g_file_test(bed.out, G_FILE_TEST_EXISTS));
}

static void
test_none(void)
{
    g_auto(Bed) bed = {0};
    g_autofree char *err = NULL;

    if (!bed_init(&bed, TEE_SIM_NONE))
        return;
    g_assert_cmpint(run(&bed, NULL, &err, NULL, NULL), ==, 1);
    g_assert_nonnull(strstr(err, "there is no TEE here"));
}

/* The folder alone: whole or not at all. */
static void
test_new_folder(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("cvs-folder-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "new", NULL);
    g_autofree char *slash = g_strconcat(path, "/", NULL);
    g_autoptr(GPtrArray) files = cvs_new_folder_files();
    g_autoptr(GPtrArray) twice = cvs_new_folder_files();
    g_autoptr(GBytes) bytes = g_bytes_new_static("text", 4);
    g_autoptr(GDir) listing = NULL;
    guint n = 0;

    cvs_new_folder_add(files, "a", bytes);
    cvs_new_folder_add(files, "none", NULL);
    cvs_new_folder_add(files, "b", bytes);
    g_assert_cmpuint(files->len, ==, 2);
    g_assert_cmpstr(cvs_new_folder_name(files, 1), ==, "b");
    /* A file that cannot be written takes all of them with it. */
    cvs_new_folder_add(twice, "a", bytes);
    cvs_new_folder_add(twice, "a", bytes);
    g_assert_false(cvs_new_folder_write(path, twice, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    listing = g_dir_open(dir, 0, NULL);
    g_assert_null(g_dir_read_name(listing));

    g_assert_true(cvs_new_folder_check(slash, &error));
    g_assert_true(cvs_new_folder_write(slash, files, &error));
    g_assert_no_error(error);
    g_assert_false(cvs_new_folder_check(path, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    /* Somebody made one after the check. */
    g_assert_false(cvs_new_folder_write(path, files, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_dir_rewind(listing);
    while (g_dir_read_name(listing))
        n++;
    g_assert_cmpuint(n, ==, 1);
    test_remove_tree(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl/report/snp", test_snp);
    g_test_add_func("/ctl/report/svsm", test_svsm);
    g_test_add_func("/ctl/report/tdx", test_tdx);
    g_test_add_func("/ctl/report/refused", test_refused);
    g_test_add_func("/ctl/report/none", test_none);
    g_test_add_func("/ctl/report/new-folder", test_new_folder);
    return g_test_run();
}
