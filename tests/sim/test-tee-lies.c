/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every lie that a host can tell about a TEE, through the files of a simulated one, verified and
 * appraised as a daemon would: the truth is accepted, and each lie is refused with the reasons that
 * belong to it and no others. Where the verifier has no say (a nonce, a quote and its TDREPORT, an
 * SVSM's manifest) the test compares by itself, and its words for that are ReportData and EkDiffers
 * and so on. */

#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "policy/appraisal.h"
#include "sim/sim-bed.h"
#include "tee/ghcb-certs.h"
#include "tee/hcl-report.h"
#include "tee/refusal.h"
#include "tee/snp-verify.h"
#include "tee/tdx-evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NOW G_GINT64_CONSTANT(1790000000) /* in September 2026 */
#define TDX_CMD_GET_REPORT0 0xc4405401u

/* Another one for each request. */
static guint8 nonce_byte;

static GBytes *
read_file(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    gsize size = 0;

    (void)g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    return g_bytes_new_take(data, size);
}

static void
load(const SimBed *bed, const char *name, GPtrArray *certs, GPtrArray *crls)
{
    g_autofree char *path = g_build_filename("collateral", name, NULL);
    g_autoptr(GBytes) bytes = read_file(bed->state, path);
    g_autoptr(GError) error = NULL;

    (void)cvs_x509_load(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), name, certs, crls,
                        &error);
    g_assert_no_error(error);
}

static int
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The reasons' codes, each once, sorted; "" if there is none. */
static char *
codes_of(const GError *refusal, const char *more)
{
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);
    g_autoptr(GPtrArray) codes = g_ptr_array_new();

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        g_test_message("%s: %s", reason->code, reason->detail);
        if (!g_ptr_array_find_with_equal_func(codes, reason->code, g_str_equal, NULL))
            g_ptr_array_add(codes, reason->code);
    }
    if (more)
        g_ptr_array_add(codes, (gpointer)more);
    g_ptr_array_sort(codes, compare_text);
    g_ptr_array_add(codes, NULL);
    return g_strjoinv(" ", (char **)codes->pdata);
}

/* What was found by verification (its error, NULL if it accepts), then what the profile says. */
static char *
appraise(const char *profile_text, const json_t *claims, GError *verified, const guint8 *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile =
        cvs_profile_parse("test", "test", profile_text, strlen(profile_text), &error);
    g_autoptr(GError) refusal = verified ? verified : cvs_refusal_new();
    g_autofree char *hex = cvs_hex_encode(wanted, 64);

    g_assert_no_error(error);
    cvs_appraise(profile, claims, NOW, refusal);
    return codes_of(refusal,
                    strcmp(json_string_value(json_object_get(claims, "tee.report_data")), hex) == 0
                        ? NULL
                        : "ReportData");
}

static void
set_all(TeeSim *sim, const char *assignments)
{
    g_auto(GStrv) list = g_strsplit(assignments, " ", 0);

    tee_sim_must(sim, "reset=on");
    for (guint i = 0; list[i]; i++)
        if (*list[i])
            tee_sim_must(sim, list[i]);
}

static char *
make_profile(TeeSim *sim, const char *rest)
{
    guint8 measurement[48];
    g_autofree char *hex = NULL;

    tee_sim_measurement(sim, measurement);
    hex = cvs_hex_encode(measurement, 48);
    return g_strdup_printf("[Registers]\nPCRs=7\n[TEE]\nMeasurements=%s\nAllowTestRoots=yes\n%s",
                           hex, rest);
}

/* SNP. */

#define SNP_RULES                                                                                  \
    "Types=snp\nAllowSMT=no\n[SNP]\nLines=Genoa\nVMPL=0\nSigningKeys=vcek\n"                       \
    "MinimumTCB.Genoa=bootloader:4 tee:1 snp:24 microcode:219\n[Collateral]\nCRL=required\n"
#define TURIN_RULES                                                                                \
    "Types=snp\n[SNP]\nMinimumTCB.Turin=fmc:1 bootloader:3 tee:2 snp:5 microcode:97\n"

typedef struct {
    GByteArray *report;
    GPtrArray *certs, *leaves, *crls;
    CvsSnpRoots *roots;
    gboolean bad_table;
} Snp;

static void
snp_clear(Snp *snp)
{
    g_byte_array_unref(snp->report);
    g_ptr_array_unref(snp->certs);
    g_ptr_array_unref(snp->leaves);
    g_ptr_array_unref(snp->crls);
    cvs_snp_roots_unref(snp->roots);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Snp, snp_clear)

/* What a machine has: the roots that are named, the collateral that was imported. */
static void
snp_init(Snp *snp, const SimBed *bed)
{
    g_autofree char *roots = g_build_filename(bed->state, "roots", NULL);
    g_autoptr(GError) error = NULL;

    snp->certs = cvs_x509_certs_new();
    snp->leaves = cvs_x509_certs_new();
    snp->crls = cvs_x509_crls_new();
    snp->roots = cvs_snp_roots_new();
    (void)cvs_snp_roots_add_test_folder(snp->roots, roots, &error);
    g_assert_no_error(error);
    load(bed, "ark.pem", snp->certs, NULL);
    load(bed, "ask.pem", snp->certs, NULL);
    load(bed, "asvk.pem", snp->certs, NULL);
    load(bed, "crl.der", NULL, snp->crls);
}

static void
snp_read(Snp *snp, const SimBed *bed)
{
    g_autoptr(GByteArray) aux = NULL;
    g_autoptr(GError) error = NULL;

    sim_bed_put_inblob(bed, ++nonce_byte);
    snp->report = sim_bed_get(bed, "outblob");
    g_assert_nonnull(snp->report);
    aux = sim_bed_get(bed, "auxblob");
    g_assert_nonnull(aux);
    snp->bad_table = !cvs_ghcb_certs_load(aux->data, aux->len, snp->leaves, &error);
}

static char *
snp_judge(const Snp *snp, const char *profile, const guint8 *wanted)
{
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(snp->roots);
    CvsSnpEvidence evidence = {.report = snp->report->data,
                               .report_size = snp->report->len,
                               .certs = snp->certs,
                               .host_leaves = snp->leaves,
                               .crls = snp->crls,
                               .at = NOW};
    g_autoptr(json_t) claims = NULL;
    GError *error = NULL;

    if (snp->bad_table)
        return g_strdup("bad table");
    (void)cvs_snp_verify(verifier, &evidence, NULL, &claims, &error);
    if (claims == NULL) {
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_error_free(error);
        return g_strdup("malformed");
    }
    return appraise(profile, claims, error, wanted);
}

static char *
snp_answer(const SimBed *bed, const char *profile)
{
    g_auto(Snp) snp = {0};
    guint8 wanted[64];

    snp_init(&snp, bed);
    snp_read(&snp, bed);
    memset(wanted, nonce_byte, sizeof(wanted));
    return snp_judge(&snp, profile, wanted);
}

typedef struct {
    const char *lie; /* assignments */
    const char *codes;
} Row;

static const Row snp_rows[] = {
    {"", ""},
    {"wrong-report-data=on", "ReportData"},
    {"stale-report=on", "ReportData"},
    {"other-guest=on", "MeasurementUnlisted"},
    {"debug=on", "DebugAllowed"},
    {"migration=on", "MigrationAllowed"},
    {"smt=on", "SmtAllowed"},
    {"bad-signature=on", "ReportSignature"},
    {"other-chip=on", "ChipMismatch"},
    {"mask-chip-id=on", "ChipMasked"},
    {"mask-chip-key=on", "ReportSignature SignerUnknown SigningKeyRefused"},
    {"wrong-line=on", "LineMismatch LineRefused"},
    {"low-tcb=bootloader", "TcbBelowFloor"},
    {"low-tcb=tee", "TcbBelowFloor"},
    {"low-tcb=snp", "TcbBelowFloor"},
    {"low-tcb=microcode", "TcbBelowFloor"},
    {"wrong-vmpl=on", "VmplRefused"},
    {"other-leaf=on", "ChipMismatch ReportSignature"},
    {"wrong-leaf-kind=on", "SignerMismatch"},
    {"swapped-ca=on", "IssuerMismatch"},
    {"leaf-tcb=on", "TcbMismatch"},
    {"leaf-dates=expired", "CertExpired"},
    {"leaf-dates=future", "CertNotYetValid"},
    {"revoked=ca", "CertRevoked"},
    {"stale-crl=on", "CrlStale"},
    {"other-root=on", "CrlMissing RootUntrusted"},
    {"other-root=on certs=chain", "CrlMissing RootUntrusted"},
    {"bad-auxblob=on", "bad table"},
    {"empty-outblob=on", "malformed"},
    {"trailing=16", "malformed"},
};

static void
check_rows(const SimBed *bed, const char *profile, char *(*answer)(const SimBed *, const char *),
           const Row *rows, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *codes = NULL;

        g_test_message("%s", rows[i].lie);
        set_all(bed->sim, rows[i].lie);
        codes = answer(bed, profile);
        if (strcmp(codes, rows[i].codes) != 0) {
            g_test_message("\"%s\": \"%s\" instead of \"%s\"", rows[i].lie, codes, rows[i].codes);
            g_test_fail();
        }
    }
    set_all(bed->sim, "certs=leaf");
}

static void
test_snp(void)
{
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP, .now = NOW});
    profile = make_profile(bed.sim, SNP_RULES);
    sim_bed_mkdir(&bed);
    for (guint version = CVS_SNP_VERSION_MIN; version <= CVS_SNP_VERSION_MAX; version++) {
        g_autofree char *set = g_strdup_printf("report-version=%u", version);
        g_autofree char *codes = NULL;

        tee_sim_must(bed.sim, set);
        codes = snp_answer(&bed, profile);
        g_assert_cmpstr(codes, ==, "");
    }
    tee_sim_must(bed.sim, "report-version=3");
    check_rows(&bed, profile, snp_answer, snp_rows, G_N_ELEMENTS(snp_rows));
}

static const Row turin_rows[] = {
    {"", ""},
    {"low-tcb=fmc", "TcbBelowFloor"},
    {"low-tcb=bootloader", "TcbBelowFloor"},
    {"low-tcb=tee", "TcbBelowFloor"},
    {"low-tcb=snp", "TcbBelowFloor"},
    {"low-tcb=microcode", "TcbBelowFloor"},
    {"other-chip=on", "ChipMismatch"},
    {"wrong-line=on", "LineMismatch TcbMismatch"},
};

static void
test_snp_turin(void)
{
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed,
                 &(TeeSimConfig){.type = TEE_SIM_SNP, .line = CVS_SNP_LINE_TURIN, .now = NOW});
    profile = make_profile(bed.sim, TURIN_RULES);
    sim_bed_mkdir(&bed);
    check_rows(&bed, profile, snp_answer, turin_rows, G_N_ELEMENTS(turin_rows));
}

static const Row vlek_rows[] = {
    {"", "SigningKeyRefused"},
    {"wrong-leaf-kind=on", "ChipMasked SignerMismatch SigningKeyRefused"},
    {"swapped-ca=on", "IssuerMismatch SigningKeyRefused"},
    {"revoked=ca", "CertRevoked SigningKeyRefused"},
    {"leaf-dates=expired", "CertExpired SigningKeyRefused"},
};

static void
test_snp_vlek(void)
{
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP, .now = NOW});
    tee_sim_must(bed.sim, "signer=vlek");
    profile = make_profile(bed.sim, SNP_RULES);
    sim_bed_mkdir(&bed);
    check_rows(&bed, profile, snp_answer, vlek_rows, G_N_ELEMENTS(vlek_rows));
}

/* Each field that is signed: whatever else is found, the signature does not hold. */
static void
test_snp_fields(void)
{
    static const guint fields[] = {
        0x00,  0x04,  0x08,  0x0a,  0x0f,  0x10,  0x20,  0x30,  0x34,  0x38,  0x3f,  0x40,  0x48,
        0x4c,  0x50,  0x8f,  0x90,  0xbf,  0xc0,  0xe0,  0x110, 0x140, 0x160, 0x180, 0x187, 0x188,
        0x189, 0x18a, 0x18b, 0x1a0, 0x1df, 0x1e0, 0x1e8, 0x1ec, 0x1f0, 0x1f8, 0x200, 0x208, 0x29f};
    static const guint formal[] = {0x00, 0x0f, 0x34, 0x4c, 0x18b, 0x208, 0x29f};
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;
    guint next_formal = 0;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP, .now = NOW});
    profile = make_profile(bed.sim, SNP_RULES);
    sim_bed_mkdir(&bed);
    tee_sim_must(bed.sim, "report-version=5");
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *set = g_strdup_printf("flip=%u", fields[i] + 1);
        g_autofree char *codes = NULL;

        tee_sim_must(bed.sim, set);
        codes = snp_answer(&bed, profile);
        g_test_message("%#x: %s", fields[i], codes);
        if (strcmp(codes, "malformed") == 0)
            g_assert_cmpuint(fields[i], ==, formal[next_formal++]);
        else
            g_assert_nonnull(strstr(codes, "ReportSignature"));
    }
    g_assert_cmpuint(next_formal, ==, G_N_ELEMENTS(formal));
}

/* TDX. */

#define TDX_RULES                                                                                  \
    "Types=tdx\n[Collateral]\nCRL=required\n[TDX]\nTCBStatus=UpToDate\n"                           \
    "RequireAttributes=sept-ve-disable\nRTMR0=%s\n"

static TdxEvidence *
tdx_read(const SimBed *bed, GBytes *quote)
{
    TdxEvidence *evidence = tdx_evidence_new();
    g_autoptr(GBytes) root = read_file(bed->state, "roots/intel-root.pem");
    g_autoptr(GBytes) tcb_info = read_file(bed->state, "collateral/tcb-info.json");
    g_autoptr(GBytes) identity = read_file(bed->state, "collateral/qe-identity.json");
    g_autoptr(GPtrArray) roots = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;

    (void)cvs_x509_load(g_bytes_get_data(root, NULL), g_bytes_get_size(root), "root", roots, NULL,
                        &error);
    g_assert_no_error(error);
    cvs_tdx_roots_add_test(evidence->roots, roots);
    load(bed, "tcb-info-issuer-chain.pem", evidence->certs, NULL);
    load(bed, "qe-identity-issuer-chain.pem", evidence->certs, NULL);
    load(bed, "root-crl.der", NULL, evidence->crls);
    load(bed, "pck-crl.der", NULL, evidence->crls);
    evidence->tcb_info =
        cvs_tcb_info_parse(g_bytes_get_data(tcb_info, NULL), g_bytes_get_size(tcb_info), &error);
    g_assert_no_error(error);
    evidence->qe_identity =
        cvs_qe_identity_parse(g_bytes_get_data(identity, NULL), g_bytes_get_size(identity), &error);
    g_assert_no_error(error);
    tdx_evidence_set_quote(evidence, quote);
    evidence->at = NOW;
    evidence->evaluation_seen = 18;
    return evidence;
}

static void
get_tdreport(const SimBed *bed, const guint8 *data, CvsTdReport *report)
{
    g_autofree char *path = g_build_filename(bed->mount, "dev/tdx_guest", NULL);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    g_autoptr(GError) error = NULL;
    guint8 io[64 + 1024] = {0};

    g_assert_cmpint(fd, >=, 0);
    memcpy(io, data, 64);
    g_assert_cmpint(ioctl(fd, TDX_CMD_GET_REPORT0, io), ==, 0);
    g_assert_cmpint(close(fd), ==, 0);
    (void)cvs_tdreport_parse(io + 64, 1024, report, &error);
    g_assert_no_error(error);
}

static char *
tdx_judge(const SimBed *bed, GBytes *quote, const char *profile, const guint8 *wanted,
          const CvsTdReport *report)
{
    g_autoptr(TdxEvidence) evidence = tdx_read(bed, quote);
    g_autoptr(CvsTdxVerifier) verifier = cvs_tdx_verifier_new(evidence->roots);
    CvsTdxEvidence given = {
        .quote = quote,
        .certs = evidence->certs,
        .crls = evidence->crls,
        .tcb_info = evidence->tcb_info,
        .qe_identity = evidence->qe_identity,
        .at = NOW,
        .evaluation_seen = evidence->evaluation_seen,
    };
    g_autoptr(CvsTdxQuote) parsed = NULL;
    g_autoptr(json_t) claims = NULL;
    GError *error = NULL;

    (void)cvs_tdx_verify(verifier, &given, &claims, &error);
    if (claims == NULL) {
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_error_free(error);
        return g_strdup("malformed");
    }
    if (report) {
        parsed = cvs_tdx_quote_parse(quote, NULL);
        if (error == NULL)
            error = cvs_refusal_new();
        cvs_td_body_compare(&report->body, &parsed->body, error);
    }
    return appraise(profile, claims, error, wanted);
}

static char *
tdx_answer(const SimBed *bed, const char *profile)
{
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GBytes) quote = NULL;
    guint8 wanted[64];
    CvsTdReport report;

    sim_bed_put_inblob(bed, ++nonce_byte);
    memset(wanted, nonce_byte, sizeof(wanted));
    get_tdreport(bed, wanted, &report);
    out = sim_bed_get(bed, "outblob");
    g_assert_nonnull(out);
    quote = g_bytes_new(out->data, out->len);
    return tdx_judge(bed, quote, profile, wanted, &report);
}

/* Where the collateral cannot be used, no TCB status follows from it, and the profile misses it. */
static const Row tdx_rows[] = {
    {"", ""},
    {"trailing=70", ""}, /* not signed, and not looked at */
    {"wrong-report-data=on", "QuoteMismatch ReportData"},
    {"stale-report=on", "QuoteMismatch ReportData"},
    {"other-guest=on", "MeasurementUnlisted QuoteMismatch"},
    {"debug=on", "DebugAllowed"},
    {"migration=on", "MigrationAllowed"},
    {"zero-rtmrs=on", "RtmrsUnused"},
    {"bad-signature=on", "QuoteSignature"},
    {"leaf-dates=expired", "CertExpired"},
    {"leaf-dates=future", "CertNotYetValid"},
    {"revoked=ca", "CertRevoked"},
    {"revoked=leaf", "CertRevoked"},
    {"revoked=signer", "CertRevoked ClaimMissing"},
    {"stale-crl=on", "CrlStale"},
    {"other-root=on", "CrlMissing RootUntrusted"},
    {"other-fmspc=on", "ClaimMissing FmspcMismatch"},
    {"collateral=older", "CollateralRollback"},
    {"collateral=expired", "CollateralExpired"},
    {"collateral=future", "CollateralNotYetValid"},
    {"tcb-status=SWHardeningNeeded", "TcbStatusRefused"},
    {"tcb-status=ConfigurationNeeded", "TcbStatusRefused"},
    {"tcb-status=ConfigurationAndSWHardeningNeeded", "TcbStatusRefused"},
    {"tcb-status=OutOfDate", "TcbStatusRefused"},
    {"tcb-status=OutOfDateConfigurationNeeded", "TcbStatusRefused"},
    {"tcb-status=Revoked", "TcbRevoked TcbStatusRefused"},
    {"no-module-identity=on", "TcbStatusRefused TdxModuleUnknown"},
    {"qe=identity", "QeIdentityMismatch TcbStatusRefused"},
    {"qe=report-data", "QeReportData"},
    {"qe=signature", "QeReportSignature"},
    {"empty-outblob=on", "malformed"},
};

static char *
tdx_profile(const SimBed *bed)
{
    static const guint8 no_data[64];
    CvsTdReport report;
    g_autofree char *rtmr0 = NULL;
    g_autofree char *rules = NULL;

    get_tdreport(bed, no_data, &report);
    rtmr0 = cvs_hex_encode(report.body.rtmr[0], 48);
    rules = g_strdup_printf(TDX_RULES, rtmr0);
    return make_profile(bed->sim, rules);
}

static void
test_tdx(void)
{
    static const Row service_rows[] = {{"", ""}, {"service-td=on", "ServiceTdUnlisted"}};
    static const Row untold_rows[] = {{"", "ClaimMissing"}, {"service-td=on", "ClaimMissing"}};
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;
    g_autofree char *strict = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_TDX, .now = NOW});
    profile = tdx_profile(&bed);
    sim_bed_mkdir(&bed);
    check_rows(&bed, profile, tdx_answer, tdx_rows, G_N_ELEMENTS(tdx_rows));
    tee_sim_must(bed.sim, "quote-version=5");
    check_rows(&bed, profile, tdx_answer, tdx_rows, G_N_ELEMENTS(tdx_rows));

    /* Only version 5 tells of a service TD, and who asks for none is not satisfied by less. */
    strict = g_strconcat(profile, "ServiceTDs=none\n", NULL);
    check_rows(&bed, strict, tdx_answer, service_rows, G_N_ELEMENTS(service_rows));
    tee_sim_must(bed.sim, "quote-version=4");
    check_rows(&bed, strict, tdx_answer, untold_rows, G_N_ELEMENTS(untold_rows));
}

static void
test_tdx_fields(void)
{
    /* Header; body by its fields. */
    static const guint fields[] = {0,   2,   4,   12,  28,  48,  64,  112, 160, 168, 176,
                                   184, 232, 280, 328, 376, 424, 472, 520, 568, 631};
    static const guint formal[] = {0, 2, 4, 12};
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;
    guint next_formal = 0;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_TDX, .now = NOW});
    profile = tdx_profile(&bed);
    sim_bed_mkdir(&bed);
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *set = g_strdup_printf("flip=%u", fields[i] + 1);
        g_autofree char *codes = NULL;

        tee_sim_must(bed.sim, set);
        codes = tdx_answer(&bed, profile);
        g_test_message("%u: %s", fields[i], codes);
        if (strcmp(codes, "malformed") == 0)
            g_assert_cmpuint(fields[i], ==, formal[next_formal++]);
        else
            g_assert_nonnull(strstr(codes, "QuoteSignature"));
    }
    g_assert_cmpuint(next_formal, ==, G_N_ELEMENTS(formal));
}

/* An RSA key's TPMT_PUBLIC, as of the EK of TCG's template L-1. */
static GBytes *
make_public(guint8 seed)
{
    static const guint8 head[] = {0x00, 0x01, 0x00, 0x0b, 0x00, 0x03, 0x00, 0xb2, 0x00, 0x20};
    static const guint8 parameters[] = {0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10,
                                        0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00};
    GByteArray *out = g_byte_array_new();

    g_byte_array_append(out, head, sizeof(head));
    for (guint i = 0; i < 32; i++)
        g_byte_array_append(out, (const guint8 *)"\x83", 1);
    g_byte_array_append(out, parameters, sizeof(parameters));
    for (guint i = 0; i < 256; i++) {
        guint8 byte = (guint8)(0x80 | (seed + i));

        g_byte_array_append(out, &byte, 1);
    }
    g_assert_cmpuint(out->len, ==, 314);
    return g_byte_array_free_to_bytes(out);
}

/* SVSM. */

#define VTPM "c476f1eb-0123-45a5-9641-b4e7dde5bfe3"

static GBytes *the_ek, *the_ak;
static gboolean manifest_v1;

/* What the manifest should be. */
static GByteArray *
expected_manifest(void)
{
    static const guint8 head[] = {0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x3a};
    GByteArray *out = g_byte_array_new();

    if (manifest_v1)
        g_byte_array_append(out, head, sizeof(head));
    g_byte_array_append(out, g_bytes_get_data(the_ek, NULL), 314);
    if (manifest_v1) {
        g_byte_array_append(out, (const guint8 *)"\x01\x3a", 2);
        g_byte_array_append(out, g_bytes_get_data(the_ak, NULL), 314);
    }
    return out;
}

static char *
svsm_answer(const SimBed *bed, const char *profile)
{
    g_auto(Snp) snp = {0};
    g_autoptr(GByteArray) manifest = NULL;
    g_autoptr(GByteArray) expected = expected_manifest();
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA512);
    g_autofree char *codes = NULL;
    guint8 nonce[64];
    guint8 wanted[64];

    snp_init(&snp, bed);
    snp_read(&snp, bed);
    manifest = sim_bed_get(bed, "manifestblob");
    g_assert_nonnull(manifest);
    memset(nonce, nonce_byte, sizeof(nonce));
    cvs_hasher_update(hasher, nonce, 64);
    cvs_hasher_update(hasher, manifest->data, manifest->len);
    cvs_hasher_finish(hasher, wanted);
    codes = snp_judge(&snp, profile, wanted);
    if (manifest->len == expected->len &&
        memcmp(manifest->data, expected->data, expected->len) == 0)
        return g_steal_pointer(&codes);
    return g_strconcat(codes, *codes ? " " : "", "ManifestDiffers", NULL);
}

static const Row svsm_rows[] = {
    {"", ""},
    {"wrong-report-data=on", "ReportData"},
    {"stale-report=on", "ReportData"},
    {"other-guest=on", "MeasurementUnlisted"},
    {"debug=on", "DebugAllowed"},
    {"migration=on", "MigrationAllowed"},
    {"wrong-vmpl=on", "VmplRefused"},
    {"manifest=other-ek", "ManifestDiffers"},
    {"manifest=truncated", "ManifestDiffers"},
    {"manifest=trailing", "ManifestDiffers"},
};

static void
test_svsm(void)
{
    static const Row swapped = {"manifest=other-ak", "ManifestDiffers"};
    g_auto(SimBed) bed = {0};
    g_autofree char *profile = NULL;
    g_autoptr(GBytes) ek = make_public(1);
    g_autoptr(GBytes) ak = make_public(2);
    g_autoptr(GByteArray) all = NULL;
    g_autoptr(GError) error = NULL;

    if (!sim_bed_possible())
        return;
    the_ek = ek;
    the_ak = ak;
    manifest_v1 = FALSE;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP, .now = NOW});
    profile = make_profile(bed.sim, SNP_RULES);
    tee_sim_must(bed.sim, "svsm=on");
    sim_bed_mkdir(&bed);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_provider", "svsm\n"), ==, 0);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_guid", VTPM "\n"), ==, 0);
    /* Before the vTPM was started. */
    sim_bed_put_inblob(&bed, 1);
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    (void)tee_sim_set_keys(bed.sim, ek, ak, &error);
    g_assert_no_error(error);
    check_rows(&bed, profile, svsm_answer, svsm_rows, G_N_ELEMENTS(svsm_rows));

    /* COCONUT knows no other version. */
    g_assert_cmpint(sim_bed_put_text(&bed, "service_manifest_version", "1"), ==, 0);
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    tee_sim_must(bed.sim, "manifest-v1=on");
    manifest_v1 = TRUE;
    check_rows(&bed, profile, svsm_answer, svsm_rows, G_N_ELEMENTS(svsm_rows));
    check_rows(&bed, profile, svsm_answer, &swapped, 1);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_manifest_version", "2"), ==, 0);
    sim_bed_expect_error(&bed, "outblob", EINVAL);

    /* Of all services: a table in front, and the vTPM's manifest as its one entry. */
    g_assert_cmpint(sim_bed_put_text(&bed, "service_guid", "00000000-0000-0000-0000-000000000000"),
                    ==, 0);
    sim_bed_put_inblob(&bed, 1);
    all = sim_bed_get(&bed, "manifestblob");
    g_assert_nonnull(all);
    g_assert_cmpuint(all->len, ==, 48 + 314);
    g_assert_cmpmem(all->data + 48, 314, g_bytes_get_data(ek, NULL), 314);
    g_assert_cmpuint(all->data[0], ==, 0xbb);
    g_assert_cmpuint(all->data[20], ==, 1);
    g_assert_cmpuint(all->data[24], ==, 0xeb);
    g_assert_cmpuint(all->data[40], ==, 48);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_manifest_version", "0"), ==, 0);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_guid", "a4453a59-9e1b-4787-a033-1986d6adbe55"),
                    ==, 0);
    sim_bed_expect_error(&bed, "outblob", EINVAL);
}

/* Azure. */

static const guint8 azure_user_data[64] = {7, 7, 7};

static CvsHclReport *
hcl_read(const SimBed *bed, GError *refusal, const char **ret_more)
{
    g_autoptr(GBytes) bytes = read_file(bed->state, "hcl-report.bin");
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsHclReport) report = cvs_hcl_report_parse(bytes, &error);
    gsize size = 0;

    *ret_more = "malformed";
    if (report == NULL) {
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        if (cvs_error_has_reason(error, CVS_REASON_TD_REPORT_HASH))
            *ret_more = CVS_REASON_TD_REPORT_HASH;
        return NULL;
    }
    *ret_more = NULL;
    cvs_hcl_report_check_binding(report, refusal);
    g_assert_true(report->has_user_data);
    if (memcmp(report->user_data, azure_user_data, 64) != 0)
        *ret_more = "UserData";
    g_assert_cmpmem(g_bytes_get_data(report->ak.n, &size), 256,
                    (const guint8 *)g_bytes_get_data(the_ak, NULL) + 58, 256);
    g_assert_cmpuint(size, ==, 256);
    return g_steal_pointer(&report);
}

static char *
join(const GError *refusal, const char *more, char *codes)
{
    g_autofree char *own = codes_of(refusal, more);
    char *all = g_strconcat(own, *own && *codes ? " " : "", codes, NULL);

    g_free(codes);
    return all;
}

static char *
azure_snp_answer(const SimBed *bed, const char *profile)
{
    g_autoptr(GError) refusal = cvs_refusal_new();
    const char *more = NULL;
    g_autoptr(CvsHclReport) hcl = hcl_read(bed, refusal, &more);
    g_auto(Snp) snp = {0};

    snp_init(&snp, bed);
    snp.report = g_byte_array_new();
    if (hcl == NULL)
        return g_strdup(more);
    load(bed, "leaf.der", snp.certs, NULL);
    g_byte_array_append(snp.report, hcl->hardware, (guint)hcl->hardware_size);
    return join(refusal, more, snp_judge(&snp, profile, hcl->report_data));
}

static char *
azure_tdx_answer(const SimBed *bed, const char *profile)
{
    g_autoptr(GError) refusal = cvs_refusal_new();
    const char *more = NULL;
    g_autoptr(CvsHclReport) hcl = hcl_read(bed, refusal, &more);
    g_autoptr(GBytes) quote = NULL;

    if (hcl == NULL)
        return g_strdup(more);
    quote = tee_sim_quote(bed->sim, hcl->report_data);
    return join(refusal, more, tdx_judge(bed, quote, profile, hcl->report_data, &hcl->td));
}

static const Row azure_snp_rows[] = {
    {"", ""},
    {"hcl=claims-edited", "HclBinding"},
    {"hcl=stale", "UserData"},
    {"other-guest=on", "MeasurementUnlisted"},
    {"debug=on", "DebugAllowed"},
    {"bad-signature=on", "ReportSignature"},
    {"flip=81", "HclBinding ReportSignature"}, /* REPORT_DATA */
    {"other-leaf=on", "ChipMismatch ReportSignature"},
    {"wrong-report-data=on", "HclBinding"},
};

static const Row azure_tdx_rows[] = {
    {"", ""},
    {"hcl=claims-edited", "HclBinding"},
    {"hcl=stale", "UserData"},
    {"other-guest=on", "MeasurementUnlisted QuoteMismatch"},
    {"debug=on", "DebugAllowed"},
    {"bad-signature=on", "QuoteSignature"},
    {"flip=529", "TdReportHash"}, /* MRTD */
    {"wrong-report-data=on", "QuoteMismatch ReportData"},
};

static void
test_azure(void)
{
    static const struct {
        TeeSimType type;
        const char *rules;
        char *(*answer)(const SimBed *, const char *);
        const Row *rows;
        gsize n;
    } kinds[] = {
        {TEE_SIM_AZURE_SNP, SNP_RULES, azure_snp_answer, azure_snp_rows,
         G_N_ELEMENTS(azure_snp_rows)},
        {TEE_SIM_AZURE_TDX, "Types=tdx\n", azure_tdx_answer, azure_tdx_rows,
         G_N_ELEMENTS(azure_tdx_rows)},
    };
    g_autoptr(GBytes) ek = make_public(1);
    g_autoptr(GBytes) ak = make_public(2);
    g_autofree char *hex = cvs_hex_encode(azure_user_data, 64);
    g_autofree char *set = g_strdup_printf("user-data=%s", hex);

    if (!sim_bed_possible())
        return;
    the_ek = ek;
    the_ak = ak;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_auto(SimBed) bed = {0};
        g_autofree char *profile = NULL;
        g_autofree char *file = NULL;
        g_autoptr(GError) error = NULL;

        sim_bed_init(&bed, &(TeeSimConfig){.type = kinds[i].type, .now = NOW});
        profile = make_profile(bed.sim, kinds[i].rules);
        file = g_build_filename(bed.state, "hcl-report.bin", NULL);
        g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
        (void)tee_sim_set_keys(bed.sim, ek, ak, &error);
        g_assert_no_error(error);
        tee_sim_must(bed.sim, set);
        check_rows(&bed, profile, kinds[i].answer, kinds[i].rows, kinds[i].n);
        /* A paravisor's guest has no provider. */
        g_assert_cmpint(g_mkdir(bed.report, 0700), ==, -1);
        g_assert_cmpint(errno, ==, ENXIO);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee-lies/snp/genoa", test_snp);
    g_test_add_func("/tee-lies/snp/turin", test_snp_turin);
    g_test_add_func("/tee-lies/snp/vlek", test_snp_vlek);
    g_test_add_func("/tee-lies/snp/fields", test_snp_fields);
    g_test_add_func("/tee-lies/tdx/platform", test_tdx);
    g_test_add_func("/tee-lies/tdx/fields", test_tdx_fields);
    g_test_add_func("/tee-lies/svsm", test_svsm);
    g_test_add_func("/tee-lies/azure", test_azure);
    return g_test_run();
}
