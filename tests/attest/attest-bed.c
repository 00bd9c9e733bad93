/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/attest-bed.h"
#include "attest/td-quote.h"
#include "base/file.h"
#include "base/hex.h"
#include "tee/test-roots.h"
#include "tpm/ak.h"
#include "tpm/nv.h"

#include <string.h>

/* swtpm has no index that is large enough for a paravisor's report. */
static AttestBed *azure_bed;
GBytes *__real_cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error);
GBytes *__wrap_cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error);

GBytes *
__wrap_cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error)
{
    AttestBed *bed = azure_bed;
    g_autoptr(GBytes) user_data = NULL;

    if (bed == NULL || index != CVS_NV_AZURE_REPORT)
        return __real_cvs_tpm_nv_read(tpm, index, error);
    bed->hcl_reads++;
    user_data = __real_cvs_tpm_nv_read(tpm, CVS_NV_AZURE_USER_DATA, NULL);
    if (user_data && bed->hcl && bed->change_srk) {
        bed->change_srk = FALSE;
        g_free(test_tpm_run(bed->tpm, "tpm2_evictcontrol -C o -c 0x81000001"));
        g_free(test_tpm_run(bed->tpm, "tpm2_createprimary -C o -G rsa2048 -c srk.ctx"));
        g_free(test_tpm_run(bed->tpm, "tpm2_evictcontrol -C o -c srk.ctx 0x81000001"));
    }
    if (user_data && bed->hcl && bed->hcl_lag > 0) {
        bed->hcl_lag--;
        return g_bytes_ref(bed->hcl);
    }
    if (user_data) {
        g_autofree char *hex =
            cvs_hex_encode(g_bytes_get_data(user_data, NULL), g_bytes_get_size(user_data));
        g_autofree char *set = g_strconcat("user-data=", hex, NULL);

        tee_sim_must(bed->tee.sim, set);
    }
    g_clear_pointer(&bed->hcl, g_bytes_unref);
    bed->hcl = tee_sim_hcl_report(bed->tee.sim);
    return g_bytes_ref(bed->hcl);
}

/* Whoever brings quotes, while others wait for one: IMDS and a unit that asks it. */
void
attest_bed_bring_quote(AttestBed *bed)
{
    g_autofree char *request =
        g_build_filename(bed->tee.paths->run_dir, CVS_TD_QUOTE_FOLDER, "tdreport", NULL);
    g_autofree char *answer =
        g_build_filename(bed->tee.paths->run_dir, CVS_TD_QUOTE_FOLDER, "quote", NULL);
    g_autoptr(GBytes) tdreport = cvs_file_read_path(request, CVS_TDREPORT_SIZE, NULL);
    g_autoptr(GBytes) quote = NULL;
    g_autoptr(GError) error = NULL;
    CvsTdReport report;

    if (tdreport == NULL)
        return;
    (void)cvs_tdreport_parse(g_bytes_get_data(tdreport, NULL), g_bytes_get_size(tdreport), &report,
                             &error);
    g_assert_no_error(error);
    quote = tee_sim_quote(bed->tee.sim, report.body.report_data);
    (void)g_file_set_contents(answer, g_bytes_get_data(quote, NULL),
                              (gssize)g_bytes_get_size(quote), &error);
    g_assert_no_error(error);
}

static void
wait_and_bring(gpointer data, gint64 us)
{
    AttestBed *bed = data;

    if (!bed->no_quotes)
        attest_bed_bring_quote(bed);
    bed->tee.clock.sleep(bed->tee.clock.data, us);
}

static gint64
now(gpointer data)
{
    AttestBed *bed = data;

    return bed->tee.clock.now(bed->tee.clock.data);
}

static void
import_collateral(AttestBed *bed)
{
    g_autofree char *folder = g_build_filename(bed->tee.state, "collateral", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(CvsCollateralStore) store = NULL;
    g_autoptr(GArray) inputs = g_array_new(FALSE, TRUE, sizeof(CvsCollateralInput));
    g_autoptr(GPtrArray) results = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) files =
        g_ptr_array_new_with_free_func((GDestroyNotify)(gpointer)g_bytes_unref);
    g_autoptr(GError) error = NULL;

    test_remove_tree(bed->store);
    store = cvs_collateral_store_open(bed->store, TRUE, bed->snp_roots, bed->tdx_roots, &error);
    g_assert_no_error(error);
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        CvsCollateralInput input = {0};

        g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_add(files, cvs_file_read_path(path, CVS_COLLATERAL_MAX, &error));
        g_assert_no_error(error);
        input.name = g_ptr_array_index(names, names->len - 1);
        input.bytes = g_ptr_array_index(files, files->len - 1);
        g_array_append_val(inputs, input);
    }
    /* What a lie has spoilt is not taken in, and that is then the lie's effect. */
    (void)cvs_collateral_store_import(store, (const CvsCollateralInput *)(gpointer)inputs->data,
                                      inputs->len, &results, &error);
    g_assert_no_error(error);
}

static void
make_azure_ak(AttestBed *bed)
{
    g_free(test_tpm_run(bed->tpm,
                        "tpm2_createprimary -C e -G rsa2048:rsassa-sha256:null -g sha256 -a "
                        "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign "
                        "-c ak.ctx"));
    g_free(test_tpm_run(bed->tpm, "tpm2_evictcontrol -C o -c ak.ctx 0x81000003"));
}

void
attest_bed_restart(AttestBed *bed)
{
    CvsAttesterConfig config = {.manifest_version = bed->manifest_version,
                                .keep = bed->keep,
                                .source = bed->tee.source,
                                .collateral_dir = bed->store,
                                .snp_roots = bed->snp_roots,
                                .tdx_roots = bed->tdx_roots,
                                .clock = &bed->clock};

    bed->clock = (CvsPaceClock){now, wait_and_bring, bed};
    g_clear_pointer(&bed->attester, cvs_attester_free);
    g_clear_pointer(&bed->client, cvs_tpm_free);
    bed->client = attest_open(bed->tpm);
    config.tpm = bed->client;
    bed->attester = cvs_attester_new(&config);
}

/* The TPM's keys, and the TEE told of them. */
static void
make_keys(AttestBed *bed)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&bed->ek, cvs_public_area_free);
    g_clear_pointer(&bed->ak, cvs_public_area_free);
    bed->ek = attest_create_ek(bed->tpm, "rsa");
    if (bed->azure)
        make_azure_ak(bed);
    if (bed->vtpm_td)
        vtpm_td_certify(bed->tpm, bed->tee.sim, &bed->wish);
    attest_bed_restart(bed);
    g_assert_nonnull(cvs_tpm_get_srk_name(bed->client, TRUE, &error));
    bed->ak = cvs_tpm_read_ak(bed->client, bed->azure ? CVS_AK_AZURE : CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    (void)tee_sim_set_keys(bed->tee.sim, bed->ek->bytes, bed->ak->bytes, &error);
    g_assert_no_error(error);
    attest_bed_restart(bed);
}

void
attest_bed_change_tpm(AttestBed *bed, guint number)
{
    test_tpm_replace(bed->tpm, number);
    test_tpm_extend(bed->tpm, 7, "another");
    make_keys(bed);
}

gboolean
attest_bed_init(AttestBed *bed, TeeSimType type, const char *switches)
{
    g_auto(GStrv) words = g_strsplit(switches ? switches : "", " ", -1);
    g_autofree char *roots = NULL;
    g_autoptr(GPtrArray) certs = NULL;
    g_autoptr(GError) error = NULL;
    guint8 measurement[48];

    if (!tee_bed_init_with_state(&bed->tee, type))
        return FALSE;
    for (guint i = 0; words[i]; i++)
        tee_sim_must(bed->tee.sim, words[i]);
    bed->now = g_get_real_time() / G_USEC_PER_SEC;
    bed->azure = type == TEE_SIM_AZURE_SNP || type == TEE_SIM_AZURE_TDX;
    azure_bed = bed->azure ? bed : NULL;
    bed->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    bed->snp_roots = cvs_snp_roots_new();
    bed->tdx_roots = cvs_tdx_roots_new();
    roots = g_build_filename(bed->tee.state, "roots", NULL);
    if (type != TEE_SIM_NONE) {
        certs = cvs_test_roots_load(roots, &error);
        g_assert_no_error(error);
        cvs_snp_roots_add_test(bed->snp_roots, certs);
        cvs_tdx_roots_add_test(bed->tdx_roots, certs);
        bed->store = g_build_filename(bed->tee.dir, "store", NULL);
        import_collateral(bed);
    }
    make_keys(bed);
    tee_sim_measurement(bed->tee.sim, measurement);
    bed->measurement = cvs_hex_encode(measurement, sizeof measurement);
    return TRUE;
}

gboolean
attest_bed_init_vtpm_td(AttestBed *bed, const VtpmTdCertsWish *wish, VtpmTdMeasured how)
{
    if (!attest_bed_init(bed, TEE_SIM_TDX, NULL))
        return FALSE;
    bed->vtpm_td = TRUE;
    if (wish)
        bed->wish = *wish;
    g_free(bed->tee.paths->tpm_log);
    bed->tee.paths->tpm_log = g_build_filename(bed->tee.dir, "tpm-log", NULL);
    cvs_tee_source_free(bed->tee.source);
    bed->tee.source = cvs_tee_source_new(bed->tee.paths, &bed->tee.clock);
    vtpm_td_extend_rtmr3(bed->tee.sim);
    vtpm_td_measure(bed->tpm, bed->tee.sim, bed->tee.paths->tpm_log, how, FALSE);
    vtpm_td_certify(bed->tpm, bed->tee.sim, &bed->wish);
    if (how == VTPM_TD_MEASURED_NOT)
        test_tpm_extend(bed->tpm, 0, "boot");
    attest_bed_restart(bed);
    return TRUE;
}

void
attest_bed_clear(AttestBed *bed)
{
    if (bed->tpm == NULL)
        return;
    azure_bed = NULL;
    cvs_attester_free(bed->attester);
    cvs_tpm_free(bed->client);
    test_tpm_free(bed->tpm);
    cvs_public_area_free(bed->ek);
    cvs_public_area_free(bed->ak);
    cvs_snp_roots_unref(bed->snp_roots);
    cvs_tdx_roots_unref(bed->tdx_roots);
    g_bytes_unref(bed->hcl);
    g_free(bed->store);
    g_free(bed->measurement);
    tee_bed_clear(&bed->tee);
}

void
attest_bed_set(AttestBed *bed, const char *assignment)
{
    tee_sim_must(bed->tee.sim, assignment);
    import_collateral(bed);
}

CvsProfile *
attest_bed_profile(AttestBed *bed, const char *lines)
{
    g_auto(GStrv) parts = g_strsplit(lines, "%M", -1);
    g_autofree char *filled = g_strjoinv(bed->measurement, parts);
    g_autofree char *text =
        g_strconcat("[Registers]\nPCRs=7\n[TEE]\nAllowTestRoots=yes\n", filled, "\n", NULL);
    g_autoptr(GError) error = NULL;
    CvsProfile *profile = cvs_profile_parse("test", "test.policy", text, strlen(text), &error);

    g_assert_no_error(error);
    return profile;
}

CvsProfile *
attest_bed_listed(AttestBed *bed)
{
    return attest_bed_profile(bed, "Measurements=%M");
}

CvsEvidenceBundle *
attest_bed_evidence(AttestBed *bed, const char *nonce, GError **error)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x85};

    return cvs_attester_evidence(bed->attester, nonce, strlen(nonce), "user", 4, &selection, error);
}

CvsVerdict *
attest_bed_judge(AttestBed *bed, const CvsEvidenceBundle *bundle, const char *nonce,
                 gboolean challenged, const CvsProfile *profile)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x85};
    g_autoptr(GBytes) nonce_bytes = g_bytes_new(nonce, strlen(nonce));
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsCollateralStore) store =
        bed->store
            ? cvs_collateral_store_open(bed->store, FALSE, bed->snp_roots, bed->tdx_roots, &error)
            : NULL;
    const CvsBundleInput input = {.bundle = bundle,
                                  .name = "bundle",
                                  .nonce = nonce_bytes,
                                  .selection = &selection,
                                  .challenged = challenged,
                                  .evidence = evidence,
                                  .store = store,
                                  .snp_roots = bed->snp_roots,
                                  .tdx_roots = bed->tdx_roots,
                                  .at = bed->now,
                                  .grace = cvs_tee_rules_grace(&profile->tee)};
    CvsVerdict *verdict = NULL;

    g_assert_no_error(error);
    verdict = cvs_bundle_verdict_new(&input, profile, &error);
    g_assert_no_error(error);
    return verdict;
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

char *
attest_bed_reasons(const GError *error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    g_autoptr(GPtrArray) codes = g_ptr_array_new();
    GString *text = g_string_new(NULL);

    for (guint i = 0; reasons && i < reasons->len; i++)
        g_ptr_array_add(codes, ((const CvsReason *)g_ptr_array_index(reasons, i))->code);
    g_ptr_array_sort(codes, compare);
    for (guint i = 0; i < codes->len; i++) {
        if (i > 0 && g_str_equal(codes->pdata[i], codes->pdata[i - 1]))
            continue;
        g_string_append_printf(text, "%s%s", text->len ? " " : "", (const char *)codes->pdata[i]);
    }
    return g_string_free(text, FALSE);
}
