/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE

/* cvmseal verify-report, the program itself: what it says of every real capture, and each option.
 */

#include "base/error.h"
#include "base/hex.h"
#include "captures.h"
#include "policy/verdict.h"
#include "program.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NOW "2026-07-01T00:00:00Z"
#define MARCH "2026-03-31T00:00:00Z" /* AMD's list of Milan is of that time */
#define SET "tdx/quote-v4-uptodate.collateral.json"
#define MILAN "snp/roots/ask_ark_milan.pem"
#define GENOA "snp/roots/ask_ark_genoa.pem"
#define TURIN "snp/roots/ask_ark_turin_vcek.pem"
#define MILAN_VLEK "snp/roots/ask_ark_milan_vlek.pem"
#define SELFMADE "tdx/intel-qvl-selfmade/"

typedef struct {
    int code;
    char *out;
    char *err;
    json_t *json; /* of out, if it is that and nothing else */
} Result;

static void
result_free(Result *result)
{
    g_free(result->out);
    g_free(result->err);
    json_decref(result->json);
    g_free(result);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Result, result_free)

/* Words with a colon in front are captures: ":snp/…". */
static Result *
run_words(const char *const *words)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    Result *result = g_new0(Result, 1);

    for (; *words; words++)
        g_ptr_array_add(list, **words == ':' ? captures_path(*words + 1) : g_strdup(*words));
    g_ptr_array_add(list, NULL);
    result->code = program_run(&result->out, &result->err, (const char *const *)list->pdata);
    result->json = json_loads(result->out, JSON_REJECT_DUPLICATES, NULL);
    return result;
}

/* line: words divided by blanks. */
static Result *run(const char *line, ...) G_GNUC_PRINTF(1, 2);

static Result *
run(const char *line, ...)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;
    va_list list;

    va_start(list, line);
    text = g_strdup_vprintf(line, list);
    va_end(list);
    g_test_message("%s", text);
    words = g_strsplit(text, " ", -1);
    return run_words((const char *const *)words);
}

static const char *
string_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    g_assert_nonnull(text);
    return text;
}

static int
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The codes of the reasons, each once, sorted, with blanks between. */
static char *
codes_of(const json_t *json)
{
    g_autoptr(GPtrArray) codes = g_ptr_array_new();
    const json_t *reason = NULL;
    gsize i = 0;

    json_array_foreach (json_object_get(json, "reasons"), i, reason) {
        const char *code = string_of(reason, "code");

        if (!g_ptr_array_find_with_equal_func(codes, code, g_str_equal, NULL))
            g_ptr_array_add(codes, (gpointer)code);
    }
    g_ptr_array_sort(codes, compare_text);
    g_ptr_array_add(codes, NULL);
    return g_strjoinv(" ", (char **)codes->pdata);
}

/* Exactly the members that are promised, and of their types. */
static void
check_shape(const Result *result, gboolean test_roots)
{
    static const char *const members[] = {"code", "detail", "seen", "wanted"};
    const char *verdict = NULL;
    const json_t *type = NULL;
    const json_t *reason = NULL;
    const json_t *value = NULL;
    const char *name = NULL;
    gsize i = 0;

    g_assert_nonnull(result->json);
    g_assert_cmpuint(json_object_size(result->json), ==, test_roots ? 5 : 4);
    verdict = string_of(result->json, "verdict");
    type = json_object_get(result->json, "type");
    g_assert_true(json_is_null(type) ||
                  cvs_report_type_from_name(json_string_value(type)) != CVS_REPORT_UNKNOWN);
    g_assert_true(json_is_array(json_object_get(result->json, "reasons")));
    json_array_foreach (json_object_get(result->json, "reasons"), i, reason) {
        g_assert_cmpuint(json_object_size(reason), ==, 4);
        for (gsize j = 0; j < G_N_ELEMENTS(members); j++)
            g_assert_true(json_is_string(json_object_get(reason, members[j])));
        g_assert_cmpstr(string_of(reason, "detail"), !=, "");
    }
    g_assert_true(json_is_object(json_object_get(result->json, "claims")));
    json_object_foreach (json_object_get(result->json, "claims"), name, value)
        g_assert_true(g_str_has_prefix(name, "tee.") || g_str_has_prefix(name, "hcl."));
    if (test_roots)
        g_assert_true(json_is_true(json_object_get(result->json, "test_roots")));
    g_assert_cmpint(result->code, ==,
                    g_str_equal(verdict, "accepted")    ? 0
                    : g_str_equal(verdict, "refused")   ? 3
                    : g_str_equal(verdict, "malformed") ? 5
                                                        : -1);
    g_assert_cmpint(json_array_size(json_object_get(result->json, "reasons")) == 0, ==,
                    result->code == 0);
    g_assert_cmpstr(result->err, ==, "");
}

typedef struct {
    const char *words; /* behind verify-report */
    const char *type;  /* NULL: null */
    const char *verdict;
    const char *reasons; /* sorted */
} Case;

#define SNP(name, leaf, roots) ":snp/" name " --certs :snp/" leaf " --certs :" roots " --at " NOW

static const Case cases[] = {
    /* SEV-SNP, as their README has them */
    {SNP("reports/milan-v2.report.bin", "reports/milan-v2.vcek.der", MILAN), "snp", "accepted", ""},
    {SNP("reports/milan-v2-debug.report.bin", "reports/milan-v2-debug.vcek.der", MILAN), "snp",
     "refused", "DebugAllowed"},
    {SNP("reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", MILAN), "snp", "accepted", ""},
    {SNP("reports/milan-v3.report.bin", "reports/milan-v3.vcek-reissue.der", MILAN), "snp",
     "accepted", ""},
    {SNP("reports/milan-v3-b.report.bin", "reports/milan-v3-b.vcek.der", MILAN), "snp", "accepted",
     ""},
    {SNP("reports/genoa-v3.report.bin", "reports/genoa-v3.vcek.der", GENOA), "snp", "accepted", ""},
    {SNP("reports/genoa-v3-b.report.bin", "reports/genoa-v3-b.vcek.der", GENOA), "snp", "accepted",
     ""},
    {SNP("reports/genoa-modela0-v3.report.bin", "reports/genoa-modela0-v3.vcek.der", GENOA), "snp",
     "accepted", ""},
    {SNP("reports/turin-v5.report.bin", "reports/turin-v5.vcek.der", TURIN), "snp", "accepted", ""},
    {SNP("reports/turin-v5-mit0.report.bin", "reports/turin-v5-mit0.vcek.der", TURIN), "snp",
     "accepted", ""},
    {":snp/reports/milan-v3-vlek-vmpl1.report.bin --certs "
     ":snp/reports/milan-v3-vlek-vmpl1.vlek.der --certs :" MILAN_VLEK " --at 2025-06-01T00:00:00Z",
     "snp", "accepted", ""},
    {SNP("reports/milan-v3-vlek-vmpl1.report.bin", "reports/milan-v3-vlek-vmpl1.vlek.der",
         MILAN_VLEK),
     "snp", "refused", "CertExpired"},
    {":snp/reports/milan-v4-novcek.report.bin --certs :" MILAN " --at " NOW, "snp", "refused",
     "CollateralMissing"},
    {":snp/reports/milan-v4-novcek.report.bin --at " NOW, "snp", "refused", "CollateralMissing"},
    {":snp/reports/genoa-v2-novcek.report.bin --certs :" GENOA " --at " NOW, "snp", "refused",
     "CollateralMissing"},
    {":snp/reports/milan-v3.report.bin --certs :snp/reports/milan-v3.vcek.der --at " NOW, "snp",
     "refused", "ChainIncomplete"},
    {SNP("reports/turin-v5.report.bin", "reports/turin-preproduction.vcek.der", TURIN), "snp",
     "refused", "ChipMismatch ReportSignature TcbMismatch"},
    {SNP("reports/milan-v3.report.bin", "negative/vcek-invalid-legacy.der", MILAN), "snp",
     "refused", "CertSignature ChipMismatch ReportSignature TcbMismatch"},
    {SNP("reports/milan-v3.report.bin", "negative/vcek-invalid-new.der", MILAN), "snp", "refused",
     "CertSignature ChipMismatch ReportSignature TcbMismatch"},
    {SNP("reports/milan-v3.report.bin", "reports/milan-v3-b.vcek.der", MILAN), "snp", "refused",
     "ChipMismatch ReportSignature"},
    {SNP("reports/milan-v3.report.bin", "reports/milan-v3.vcek.der",
         MILAN) " --crl :snp/roots/milan_crl.pem --at " MARCH,
     "snp", "accepted", ""},
    {SNP("reports/genoa-v3.report.bin", "reports/genoa-v3.vcek.der",
         GENOA) " --crl :snp/roots/genoa_crl.pem",
     "snp", "refused", "CrlStale"},
    /* Azure's paravisor */
    {SNP("azure/milan-v2.hcl.bin", "azure/milan-v2.vcek.der", MILAN), "hcl", "accepted", ""},
    {SNP("azure/genoa-v3-noquote.hcl.bin", "azure/genoa-v3-noquote.vcek.der", GENOA), "hcl",
     "accepted", ""},
    {SNP("negative/azure-wrongchip.hcl.bin", "negative/azure-wrongchip.vcek.der", MILAN), "hcl",
     "refused", "ChipMismatch ReportSignature"},
    {":hcl/az-snp-hcl-report.bin --certs :hcl/az-snp-vcek-chain.pem --at " NOW, "hcl", "accepted",
     ""},
    {":hcl/az-snp-hcl-report.bin --certs :hcl/kinvolk-snp-vcek-chain-otherchip.pem --at " NOW,
     "hcl", "refused", "ChipMismatch ReportSignature"},
    {":hcl/hcl-snp-v1-akonly.bin --certs :hcl/amd-milan-ask-ark-asvk.pem --at " NOW, "hcl",
     "refused", "CollateralMissing"},
    {":hcl/az-tdx-hcl-report.bin --at " NOW, "hcl", "refused", "QuoteMissing"},
    {":hcl/hcl-tdx-v2-kinvolk.bin --at " NOW, "hcl", "refused", "QuoteMissing"},
    {":hcl/az-tdx-hcl-report.bin --quote :hcl/az-tdx-td-quote.dat --at " NOW, "hcl", "refused",
     "CollateralMissing"},
    {":hcl/hcl-tdx-v2-kinvolk.bin --quote :hcl/az-tdx-td-quote.dat --at " NOW, "hcl", "refused",
     "CollateralMissing QuoteMismatch"},
    {":hcl/az-tdx-td-quote.dat --at " NOW, "tdx", "refused", "CollateralMissing"},
    /* TDX */
    {":tdx/quote-v4-uptodate.dat --collateral :" SET " --at 2025-07-01T00:00:00Z", "tdx",
     "accepted", ""},
    {":tdx/quote-v4-uptodate.dat --collateral :" SET " --at 2025-07-20T00:00:00Z", "tdx", "refused",
     "CollateralExpired CrlStale"},
    {":tdx/quote-v4-uptodate.dat --collateral :" SET " --at 2025-06-19T10:32:26Z", "tdx", "refused",
     "CollateralNotYetValid"},
    {":tdx/quote-v4-uptodate.dat --at 2025-07-01T00:00:00Z", "tdx", "refused", "CollateralMissing"},
    {":tdx/quote-v4-spr-e4.dat --collateral :" SET
     " --collateral :tdx/pcs-tdx-tcbinfo-50806f000000-2023.json --at 2025-07-01T00:00:00Z",
     "tdx", "refused", "CollateralExpired TcbNotSupported TcbStatusRefused"},
    {":tdx/quote-v5-td15.dat --collateral :" SET
     " --collateral :tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json --at 2026-02-10T00:00:00Z",
     "tdx", "refused", "CollateralExpired CrlStale"},
    {":tdx/quote-v5-td15-servtd.dat --collateral :" SET
     " --collateral :tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json --at 2026-02-10T00:00:00Z",
     "tdx", "refused", "CollateralExpired CrlStale TcbNotSupported TcbStatusRefused"},
    {":tdx/quote-v4-debug.dat --collateral :" SET " --at 2025-07-01T00:00:00Z", "tdx", "refused",
     "DebugAllowed FmspcMismatch"},
    {":tdx/quote-v4-debug.dat --at 2025-07-01T00:00:00Z", "tdx", "refused",
     "CollateralMissing DebugAllowed"},
    {":tdx/quote-v4-cos113-padded.dat --at 2025-07-01T00:00:00Z", "tdx", "refused",
     "CollateralMissing"},
    {":tdx/quote-v4-preproduction-root.dat --at 2025-07-01T00:00:00Z", "tdx", "refused",
     "CollateralMissing RootUntrusted"},
    {":" SELFMADE "quote.dat --at 2023-01-01T00:00:00Z", "tdx", "refused",
     "CollateralMissing RootUntrusted"},
    {":tdx/quote-v3-sgx.dat", NULL, "malformed", "QuoteUnsupported"},
    {":tdx/quote-v4-uptodate.dat --collateral :tdx/quote-v3-sgx.collateral.json --at "
     "2025-07-01T00:00:00Z",
     "tdx", "refused", "FmspcMismatch TcbInfoMismatch"},
    {":tdx/tdreport-v1.bin", "tdreport", "refused", "NotVerifiable"},
    {":tdx/tdreport-malformed.bin", NULL, "malformed", "Malformed"},
    {":tdx/tdreport-malformed.bin --type tdreport", "tdreport", "malformed", "Malformed"},
    {":tdx/tdreport-v1.bin --quote :tdx/quote-v5-td15-servtd.dat --at " NOW, "tdreport", "refused",
     "CollateralMissing QuoteMismatch"},
    /* What is none at all */
    {":tdx/root-ca-2025.crl.der", NULL, "malformed", "Malformed"},
    {":hcl/kinvolk-var-data.json", NULL, "malformed", "Malformed"},
    {":snp/reports/milan-v3.report.bin --type tdx", "tdx", "malformed", "QuoteUnsupported"},
    {":hcl/az-snp-hcl-report.bin --type snp", "snp", "malformed", "Malformed"},
};

static void
test_captures(void)
{
    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        g_autoptr(Result) result = run("verify-report %s --json", c->words);
        g_autofree char *codes = NULL;

        check_shape(result, FALSE);
        codes = codes_of(result->json);
        g_assert_cmpstr(codes, ==, c->reasons);
        g_assert_cmpstr(string_of(result->json, "verdict"), ==, c->verdict);
        g_assert_cmpstr(json_string_value(json_object_get(result->json, "type")), ==, c->type);
    }
}

/* Every report that there is stands in the table, so that a new one is not forgotten. */
static void
test_complete(void)
{
    static const struct {
        const char *folder;
        const char *ending;
    } kinds[] = {
        {"snp/reports", ".report.bin"}, {"snp/azure", ".hcl.bin"}, {"snp/negative", ".hcl.bin"},
        {"hcl", "report.bin"},          {"tdx", ".dat"},           {"tdx", ".bin"},
    };

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = captures_path(kinds[i].folder);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name = NULL;

        while ((name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *word = g_strdup_printf(":%s/%s ", kinds[i].folder, name);
            g_autofree char *alone = g_strdup_printf(":%s/%s", kinds[i].folder, name);
            gboolean found = !g_str_has_suffix(name, kinds[i].ending);

            for (gsize j = 0; j < G_N_ELEMENTS(cases) && !found; j++)
                found =
                    g_str_has_prefix(cases[j].words, word) || g_str_equal(cases[j].words, alone);
            if (!found)
                g_error("%s is in no case", alone);
        }
    }
}

static const char *
claim(const Result *result, const char *name)
{
    return json_string_value(json_object_get(json_object_get(result->json, "claims"), name));
}

/* Claims are there whenever the bytes parse, whatever the verdict. */
static void
test_claims(void)
{
    g_autoptr(Result) snp = NULL;
    g_autoptr(Result) v2 = NULL;
    g_autoptr(Result) hcl = NULL;
    g_autoptr(Result) bare = NULL;
    g_autoptr(Result) bad_certs = NULL;

    if (!captures_there())
        return;
    snp = run("verify-report :snp/reports/milan-v4-novcek.report.bin --json");
    g_assert_cmpstr(claim(snp, "tee.type"), ==, "snp");
    g_assert_cmpstr(claim(snp, "tee.line"), ==, "Milan");
    g_assert_true(
        json_is_false(json_object_get(json_object_get(snp->json, "claims"), "tee.verified")));
    v2 = run("verify-report :snp/reports/genoa-v2-novcek.report.bin --json");
    g_assert_nonnull(strstr(v2->out, "https://kdsintf.amd.com/vcek/v1/Milan/d932d021261a3010"));
    g_assert_nonnull(strstr(v2->out, "https://kdsintf.amd.com/vcek/v1/Genoa/d932d021261a3010"));
    /* and where the VCEK is to be had */
    g_assert_nonnull(strstr(snp->out, "https://kdsintf.amd.com/vcek/v1/Milan/12d937a2e0fa6469"));

    hcl = run("verify-report :hcl/az-tdx-hcl-report.bin --quote :hcl/az-tdx-td-quote.dat --json");
    g_assert_cmpstr(claim(hcl, "tee.source"), ==, "quote");
    g_assert_cmpuint(strlen(claim(hcl, "hcl.ak_modulus")), ==, 512);
    g_assert_cmpuint(strlen(claim(hcl, "hcl.ek_modulus")), ==, 512);
    g_assert_true(json_is_true(json_object_get(json_object_get(hcl->json, "claims"), "hcl.bound")));
    bare = run("verify-report :hcl/az-tdx-hcl-report.bin --json");
    g_assert_cmpstr(claim(bare, "tee.source"), ==, "tdreport");

    /* A malformed file of certificates: the report is still read. */
    bad_certs = run("verify-report :snp/reports/milan-v3.report.bin --certs "
                    ":hcl/az-snp-tpm-quote.msg --certs :" MILAN " --json");
    check_shape(bad_certs, FALSE);
    g_assert_cmpint(bad_certs->code, ==, 5);
    g_assert_cmpuint(json_array_size(json_object_get(bad_certs->json, "reasons")), ==, 1);
    g_assert_nonnull(strstr(bad_certs->out, "az-snp-tpm-quote.msg"));
    g_assert_cmpstr(claim(bad_certs, "tee.line"), ==, "Milan");
}

typedef struct {
    char *dir;
} Folder;

static Folder *
folder_new(void)
{
    Folder *folder = g_new0(Folder, 1);
    g_autoptr(GError) error = NULL;

    folder->dir = g_dir_make_tmp("cvmseal-verify-XXXXXX", &error);
    g_assert_no_error(error);
    return folder;
}

static void
folder_free(Folder *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder->dir, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder->dir, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(folder->dir), ==, 0);
    g_free(folder->dir);
    g_free(folder);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Folder, folder_free)

static char *
folder_write(const Folder *folder, const char *name, const void *data, gssize size)
{
    char *path = g_build_filename(folder->dir, name, NULL);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(path, data, size, &error);
    g_assert_no_error(error);
    return path;
}

static char *
folder_copy(const Folder *folder, const char *name, const char *capture, gsize size)
{
    g_autoptr(GBytes) bytes = captures_read(capture);

    return folder_write(folder, name, g_bytes_get_data(bytes, NULL),
                        (gssize)MIN(size, g_bytes_get_size(bytes)));
}

static void expect(const char *verdict, const char *reasons, const char *line, ...)
    G_GNUC_PRINTF(3, 4);

static void
expect(const char *verdict, const char *reasons, const char *line, ...)
{
    g_autofree char *text = NULL;
    g_autoptr(Result) result = NULL;
    g_autofree char *codes = NULL;
    va_list list;

    va_start(list, line);
    text = g_strdup_vprintf(line, list);
    va_end(list);
    result = run("verify-report %s --json", text);
    check_shape(result, strstr(text, "--roots") != NULL);
    codes = codes_of(result->json);
    if (reasons)
        g_assert_cmpstr(codes, ==, reasons);
    g_assert_cmpstr(string_of(result->json, "verdict"), ==, verdict);
}

#define GOOD ":snp/reports/milan-v3.report.bin --at " NOW " --certs "
#define GOOD_LEAF ":snp/reports/milan-v3.vcek.der"

/* Digits of both cases, in lines, with 0x; the quote too. */
static void
test_hex(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autoptr(GBytes) report = NULL;
    g_autofree char *digits = NULL;
    g_autofree char *upper = NULL;
    g_autoptr(GString) lines = g_string_new("0x");
    g_autofree char *path = NULL;
    g_autofree char *odd = NULL;
    g_autofree char *text = NULL;
    g_autofree char *quote = NULL;
    g_autoptr(GBytes) quote_bytes = NULL;
    g_autofree char *quote_digits = NULL;

    if (!captures_there())
        return;
    report = captures_read("snp/reports/milan-v3.report.bin");
    digits = cvs_hex_encode(g_bytes_get_data(report, NULL), g_bytes_get_size(report));
    path = folder_write(folder, "hex", digits, -1);
    expect("accepted", "", "%s --at " NOW " --certs " GOOD_LEAF " --certs :" MILAN, path);
    upper = g_ascii_strup(digits, -1);
    for (gsize i = 0; i < strlen(upper); i += 32)
        g_string_append_printf(lines, "%.32s\r\n", upper + i);
    g_free(path);
    path = folder_write(folder, "hex", lines->str, -1);
    expect("accepted", "", "%s --at " NOW " --certs " GOOD_LEAF " --certs :" MILAN, path);

    digits[strlen(digits) - 1] = '\0';
    odd = folder_write(folder, "odd", digits, -1);
    expect("malformed", "Malformed", "%s", odd);
    digits[100] = 'q';
    text = folder_write(folder, "text", digits, -1);
    expect("malformed", "Malformed", "%s --type snp", text);

    quote_bytes = captures_read("hcl/az-tdx-td-quote.dat");
    quote_digits =
        cvs_hex_encode(g_bytes_get_data(quote_bytes, NULL), g_bytes_get_size(quote_bytes));
    quote = folder_write(folder, "quote", quote_digits, -1);
    expect("refused", "CollateralMissing", ":hcl/az-tdx-hcl-report.bin --at " NOW " --quote %s",
           quote);
}

/* Bundles in any order, and what a host hands out. */
static void
test_certs(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autoptr(GBytes) chain = NULL;
    g_autofree char *text = NULL;
    g_autofree char *reversed = NULL;
    g_autoptr(GString) other = g_string_new("words in front\n");
    g_auto(GStrv) blocks = NULL;
    g_autofree char *empty = NULL;
    guint n = 0;

    if (!captures_there())
        return;
    chain = captures_read("hcl/az-snp-vcek-chain.pem");
    text = g_strndup(g_bytes_get_data(chain, NULL), g_bytes_get_size(chain));
    blocks = g_strsplit(text, "-----BEGIN CERTIFICATE-----", -1);
    n = g_strv_length(blocks);
    g_assert_cmpuint(n, ==, 4);
    for (guint i = n - 1; i > 0; i--)
        g_string_append_printf(other, "-----BEGIN CERTIFICATE-----%s", blocks[i]);
    reversed = folder_write(folder, "reversed.pem", other->str, -1);
    expect("accepted", "", ":hcl/az-snp-hcl-report.bin --at " NOW " --certs %s", reversed);
    /* certificates may come as collateral, and CRLs among certificates */
    expect("accepted", "",
           GOOD GOOD_LEAF " --collateral :" MILAN " --certs :snp/roots/milan_crl.pem --at " MARCH);
    empty = folder_write(folder, "empty", "", 0);
    expect("malformed", "Malformed", GOOD "%s", empty);
    expect("malformed", "Malformed", GOOD GOOD_LEAF " --crl :" MILAN);
    expect("malformed", "Malformed",
           GOOD GOOD_LEAF " --collateral :eventlog/tpm-short-no-action.bin");
}

/* The table of an extended report with leaf, ASK and ARK, alone and with issuers beside it. */
static void
test_table(void)
{
    static const char *const guids[] = {"63da758de6644564adc5f4b93be8accd",
                                        "4ab7b379bbac4fe4a02f05aef327c782",
                                        "c0b406a4a80349529743"
                                        "3fb6014cd0ae"};
    g_autoptr(Folder) folder = folder_new();
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GByteArray) table = g_byte_array_new();
    g_autoptr(GByteArray) contents = g_byte_array_new();
    g_autofree char *whole = NULL;
    g_autofree char *cut = NULL;
    static const char *const files[] = {"snp/reports/milan-v3.vcek.der", MILAN};

    if (!captures_there())
        return;
    for (gsize i = 0; i < 2; i++) {
        g_autoptr(GBytes) bytes = captures_read(files[i]);

        g_assert_true(cvs_x509_load(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "",
                                    certs, NULL, NULL));
    }
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GBytes) guid = cvs_hex_decode(guids[i], -1, NULL);
        guint8 *der = NULL;
        int size = i2d_X509(g_ptr_array_index(certs, i), &der);
        guint32 words[2] = {GUINT32_TO_LE(4 * 24 + contents->len), GUINT32_TO_LE((guint32)size)};

        g_byte_array_append(table, g_bytes_get_data(guid, NULL), 16);
        g_byte_array_append(table, (const guint8 *)words, 8);
        g_byte_array_append(contents, der, (guint)size);
        OPENSSL_free(der);
    }
    g_byte_array_set_size(table, 4 * 24);
    memset(table->data + 3 * 24, 0, 24);
    g_byte_array_append(table, contents->data, contents->len);
    whole = folder_write(folder, "table", table->data, (gssize)table->len);
    expect("accepted", "", GOOD "%s", whole);
    expect("accepted", "", GOOD "%s --certs :" MILAN, whole);
    cut = folder_write(folder, "cut", table->data, (gssize)table->len - 1);
    expect("malformed", "Malformed", GOOD "%s", cut);
    /* The host's ASK of another line helps nobody. */
    expect("refused", "ChipMismatch LineMismatch ReportSignature TcbMismatch",
           ":snp/reports/genoa-v3.report.bin --at " NOW " --certs %s", whole);
}

static void
test_roots(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autofree char *root = NULL;
    g_autofree char *profile = NULL;
    g_autofree char *strict = NULL;
    const char *const everything =
        "--certs :" SELFMADE "pckSignChain.pem --collateral :" SELFMADE
        "tcbSignChain.pem --collateral :" SELFMADE "tcbInfo.json --collateral :" SELFMADE
        "qeIdentity.json --crl :" SELFMADE "rootCaCrl.der --crl :" SELFMADE
        "intermediateCaCrl.der --at 2023-01-01T00:00:00Z";

    if (!captures_there())
        return;
    expect("refused", NULL, ":" SELFMADE "quote.dat %s --roots %s", everything, folder->dir);
    root = folder_copy(folder, "root.pem", SELFMADE "trustedRootCaCert.pem", G_MAXSIZE);
    /* Intel's own tool finds TDX_MODULE_MISMATCH first; no root is wrong with it any more. */
    expect("refused", "QeIdentityMismatch TcbNotSupported TcbStatusRefused TdxModuleUnknown",
           ":" SELFMADE "quote.dat %s --roots %s", everything, folder->dir);
    /* Real reports are as good as before, and yet the output says it. */
    expect("accepted", "", GOOD GOOD_LEAF " --certs :" MILAN " --roots %s", folder->dir);
    {
        g_autoptr(Result) shown =
            run("verify-report " GOOD GOOD_LEAF " --certs :" MILAN " --roots %s", folder->dir);

        g_assert_cmpint(shown->code, ==, 0);
        g_assert_nonnull(strstr(shown->out, "TEST ROOTS"));
    }
    g_free(folder_write(folder, "rubbish", "rubbish", -1));
    expect("malformed", "Malformed", GOOD GOOD_LEAF " --roots %s", folder->dir);
}

static void
test_report_data(void)
{
    g_autofree char *zeros = g_strnfill(128, '0');
    g_autofree char *ones = g_strnfill(128, 'F');
    g_autoptr(Result) result = NULL;
    const json_t *reason = NULL;

    if (!captures_there())
        return;
    expect("accepted", "", GOOD GOOD_LEAF " --certs :" MILAN " --report-data %s", zeros);
    result =
        run("verify-report " GOOD GOOD_LEAF " --certs :" MILAN " --report-data %s --json", ones);
    g_assert_cmpint(result->code, ==, 3);
    reason = json_array_get(json_object_get(result->json, "reasons"), 0);
    g_assert_cmpstr(string_of(reason, "code"), ==, "ReportDataMismatch");
    g_assert_cmpstr(string_of(reason, "seen"), ==, zeros);
    g_assert_true(
        json_is_true(json_object_get(json_object_get(result->json, "claims"), "tee.verified")));
    expect("refused", "CollateralMissing ReportDataMismatch",
           ":hcl/az-tdx-td-quote.dat --at " NOW " --report-data %s", zeros);
    /* of an HCL report: the hardware report's, which is the hash of the claims */
    expect("refused", "ReportDataMismatch",
           ":hcl/az-snp-hcl-report.bin --certs :hcl/az-snp-vcek-chain.pem --at " NOW
           " --report-data %s",
           zeros);
}

#define BASE "[Registers]\nPCRs=7\n"

static void
test_policy(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autofree char *debug = NULL;
    g_autofree char *strict = NULL;
    g_autofree char *grace = NULL;
    g_autofree char *bad = NULL;
    g_autofree char *empty = NULL;
    g_autofree char *no_test = NULL;
    g_autoptr(Folder) roots = folder_new();

    if (!captures_there())
        return;
    debug = folder_write(folder, "debug.policy", "[TEE]\nAllowDebug=yes\n", -1);
    expect("accepted", "",
           SNP("reports/milan-v2-debug.report.bin", "reports/milan-v2-debug.vcek.der",
               MILAN) " --policy %s",
           debug);
    strict = folder_write(folder, "crl.policy",
                          BASE "[TEE]\nTypes=snp\n[Collateral]\nCRL=required\n", -1);
    expect("refused", "CrlMissing", GOOD GOOD_LEAF " --certs :" MILAN " --policy %s", strict);
    expect("accepted", "",
           GOOD GOOD_LEAF " --certs :" MILAN
                          " --crl :snp/roots/milan_crl.pem --policy %s --at " MARCH,
           strict);
    grace = folder_write(folder, "grace.policy", BASE "[Collateral]\nCollateralGrace=366d\n", -1);
    expect("accepted", "",
           ":tdx/quote-v5-td15.dat --collateral :" SET
           " --collateral :tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json --at 2026-02-10T00:00:00Z "
           "--policy %s",
           grace);
    no_test = folder_write(folder, "roots.policy", BASE "[TEE]\nAllowTestRoots=no\n", -1);
    expect("refused", "TestRoots", GOOD GOOD_LEAF " --certs :" MILAN " --policy %s --roots %s",
           no_test, roots->dir);
    /* The list of 2025-05-06 was to be replaced by 2026-05-12, 50 days before. */
    expect("refused", "CrlStale",
           GOOD GOOD_LEAF " --certs :" MILAN " --crl :snp/roots/milan_crl.pem");
    expect("accepted", "",
           GOOD GOOD_LEAF " --certs :" MILAN " --crl :snp/roots/milan_crl.pem --policy %s", grace);
    empty = folder_write(folder, "empty.policy", "", 0);
    expect("malformed", "Malformed", GOOD GOOD_LEAF " --certs :" MILAN " --policy %s", empty);
    bad = folder_write(folder, "bad.policy", BASE "[Nonsense]\n", -1);
    expect("malformed", "Malformed", GOOD GOOD_LEAF " --certs :" MILAN " --policy %s", bad);
}

/* What is wrong with the call itself: nothing on stdout but the error, and exit code 2. */
static void
test_usage(void)
{
    static const char *const lines[] = {
        "",
        "--type sgx :snp/reports/milan-v3.report.bin",
        "--type= :snp/reports/milan-v3.report.bin",
        "--at yesterday :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01 :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00 :snp/reports/milan-v3.report.bin",
        "--at 20260701T000000Z :snp/reports/milan-v3.report.bin",
        "--at 2026-13-01T00:00:00Z :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00Zx :snp/reports/milan-v3.report.bin",
        "--at 2026-06-30T23:59:60Z :snp/reports/milan-v3.report.bin",
        "--at 2026-06-30T23:60:00Z :snp/reports/milan-v3.report.bin",
        "--at 2026-06-30T24:00:00Z :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00+24:00 :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00+00:60 :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00+0a:00 :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00+02:0 :snp/reports/milan-v3.report.bin",
        "--at 2026-07-01T00:00:00+02 :snp/reports/milan-v3.report.bin",
        "--report-data 00 :snp/reports/milan-v3.report.bin",
        "--report-data xx :snp/reports/milan-v3.report.bin",
        "--policy no-such-profile :snp/reports/milan-v3.report.bin",
        "--policy /no/such.policy :snp/reports/milan-v3.report.bin",
        "--quote :hcl/az-tdx-td-quote.dat :snp/reports/milan-v3.report.bin",
        "--quote :hcl/az-tdx-td-quote.dat :hcl/az-tdx-td-quote.dat",
        "--quote :hcl/az-tdx-td-quote.dat :hcl/az-snp-hcl-report.bin",
        "--certs /no/such/file :snp/reports/milan-v3.report.bin",
        "--collateral /no/such/file :snp/reports/milan-v3.report.bin",
        "--crl /no/such/file :snp/reports/milan-v3.report.bin",
        "--roots /no/such/folder :snp/reports/milan-v3.report.bin",
        "--roots :snp/reports/milan-v3.report.bin :snp/reports/milan-v3.report.bin",
        "--unknown :snp/reports/milan-v3.report.bin",
        "/no/such/file",
        "/",
        ":snp/reports/milan-v3.report.bin :snp/reports/milan-v2.report.bin",
    };

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Result) json = run("verify-report --json %s", lines[i]);
        g_autoptr(Result) text = run("verify-report %s", lines[i]);

        g_assert_cmpint(json->code, ==, 2);
        g_assert_cmpstr(json->err, ==, "");
        g_assert_nonnull(json->json);
        g_assert_cmpstr(string_of(json_object_get(json->json, "error"), "name"), ==,
                        "InvalidArgument");
        g_assert_cmpint(text->code, ==, 2);
        g_assert_cmpstr(text->out, ==, "");
    }
}

static void
test_times(void)
{
    static const char *const good[] = {"2026-07-01T00:00:00Z", "2026-07-01t00:00:00z",
                                       "2026-07-01T02:00:00.5+02:00", "2026-06-30T22:00:00-02:00"};

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        expect("accepted", "",
               ":snp/reports/milan-v3.report.bin --certs " GOOD_LEAF " --certs :" MILAN " --at %s",
               good[i]);
    /* 2026-02-05T01:04:33Z is the first second of that VCEK. */
    expect("refused", "CertNotYetValid",
           ":snp/reports/milan-v3.report.bin --certs " GOOD_LEAF " --certs :" MILAN
           " --at 2026-02-05T02:04:32+01:00");
    expect("accepted", "",
           ":snp/reports/milan-v3.report.bin --certs " GOOD_LEAF " --certs :" MILAN
           " --at 2026-02-05T02:04:33+01:00");
}

/* A copy with some bytes changed; where is an offset, or behind a text that is found. */
static char *
folder_edit(const Folder *folder, const char *capture, const char *behind, gsize where, char value)
{
    g_autoptr(GBytes) bytes = captures_read(capture);
    gsize size = 0;
    g_autofree char *data = g_memdup2(g_bytes_get_data(bytes, &size), g_bytes_get_size(bytes));
    const char *found = behind ? memmem(data, size, behind, strlen(behind)) : NULL;

    if (behind) {
        g_assert_nonnull(found);
        where += (gsize)(found - data) + strlen(behind);
    }
    g_assert_cmpint(data[where], !=, value);
    data[where] = value;
    return folder_write(folder, "edited", data, (gssize)size);
}

/* What an HCL report adds to its hardware report. */
static void
test_edited(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autofree char *vmpl = NULL;
    g_autofree char *claims = NULL;
    g_autofree char *td_claims = NULL;
    g_autofree char *td = NULL;
    g_autofree char *quote = NULL;

    if (!captures_there())
        return;
    vmpl = folder_edit(folder, "hcl/az-snp-hcl-report.bin", NULL, 32 + 0x30, 1);
    expect("refused", "HclVmpl ReportSignature", "%s --certs :hcl/az-snp-vcek-chain.pem --at " NOW,
           vmpl);
    claims = folder_edit(folder, "hcl/az-snp-hcl-report.bin", "\"user-data\":\"", 0, '1');
    expect("refused", "HclBinding", "%s --certs :hcl/az-snp-vcek-chain.pem --at " NOW, claims);
    td_claims = folder_edit(folder, "hcl/az-tdx-hcl-report.bin", "\"n\":\"", 20, '_');
    expect("refused", "CollateralMissing HclBinding",
           "%s --quote :hcl/az-tdx-td-quote.dat --at " NOW, td_claims);
    /* A TDREPORT vouches for its own parts: another MRTD is no TDREPORT. */
    td = folder_edit(folder, "hcl/az-tdx-hcl-report.bin", NULL, 32 + 528, 1);
    expect("malformed", "TdReportHash", "%s --quote :hcl/az-tdx-td-quote.dat", td);
    quote = folder_edit(folder, "hcl/az-tdx-td-quote.dat", NULL, 48 + 136, 1);
    expect("refused", "CollateralMissing QuoteMismatch QuoteSignature",
           ":hcl/az-tdx-hcl-report.bin --quote %s --at " NOW, quote);
    g_free(quote);
    quote = folder_write(folder, "rubbish", "\4\0\2\0\x81", 5);
    expect("malformed", "QuoteMalformed", ":hcl/az-tdx-hcl-report.bin --quote %s --at " NOW, quote);
}

static void
test_cut(void)
{
    static const struct {
        const char *capture;
        const char *reason;
    } captures[] = {
        {"snp/reports/milan-v3.report.bin", "Malformed"},
        {"tdx/quote-v4-uptodate.dat", "QuoteMalformed"},
        {"hcl/az-snp-hcl-report.bin", "Malformed"},
        {"tdx/tdreport-v1.bin", "Malformed"},
    };
    static const gsize sizes[] = {0, 1, 3, 4, 40, 600, 1000};
    g_autoptr(Folder) folder = folder_new();

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(captures); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(sizes); j++) {
            g_autofree char *path = folder_copy(folder, "cut", captures[i].capture, sizes[j]);
            g_autoptr(Result) result = run("verify-report %s --json", path);
            g_autofree char *codes = NULL;
            const char *detail = NULL;

            check_shape(result, FALSE);
            g_assert_cmpint(result->code, ==, 5);
            codes = codes_of(result->json);
            g_assert_true(g_str_equal(codes, captures[i].reason) ||
                          (sizes[j] < 8 && g_str_equal(codes, "Malformed")));
            detail =
                string_of(json_array_get(json_object_get(result->json, "reasons"), 0), "detail");
            g_assert_true(g_str_has_prefix(detail, path));
            g_assert_true(strstr(detail, " byte ") || strstr(detail, " offset "));
        }
    }
}

static void expect_code(int code, const char *words, const char *line, ...) G_GNUC_PRINTF(3, 4);

/* Another command, its exit code, and what it says somewhere. */
static void
expect_code(int code, const char *words, const char *line, ...)
{
    g_autofree char *text = NULL;
    g_autoptr(Result) result = NULL;
    va_list list;

    va_start(list, line);
    text = g_strdup_vprintf(line, list);
    va_end(list);
    result = run("%s", text);
    if (result->code != code || !(strstr(result->out, words) || strstr(result->err, words)))
        g_error("exit code %d, wanted %d and \"%s\": %s%s", result->code, code, words, result->out,
                result->err);
}

/* From an import to a verdict that rests on the store alone. */
static void
test_store(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autoptr(Result) imported = NULL;
    g_autoptr(Result) listed = NULL;
    g_autoptr(Result) removed = NULL;
    g_autofree char *id = NULL;
    g_autofree char *identity = NULL;
    g_autofree char *seen = NULL;
    const json_t *item = NULL;
    const json_t *files = NULL;
    gsize i = 0;

    if (!captures_there())
        return;
    expect("refused", "CollateralMissing",
           ":snp/reports/milan-v3.report.bin --at " NOW " --store %s", folder->dir);
    imported = run("collateral import :" MILAN " " GOOD_LEAF " :" SET
                   " :snp/negative/vcek-invalid-new.der --store %s --json",
                   folder->dir);
    g_assert_cmpint(imported->code, ==, 3);
    files = json_object_get(imported->json, "files");
    g_assert_cmpuint(json_array_size(files), ==, 4);
    g_assert_cmpint(json_integer_value(json_object_get(json_array_get(files, 0), "added")), ==, 2);
    g_assert_cmpint(json_integer_value(json_object_get(json_array_get(files, 2), "added")), ==, 7);
    g_assert_cmpstr(string_of(json_object_get(json_array_get(files, 3), "error"), "name"), ==,
                    "AttestationFailed");

    expect("accepted", "", ":snp/reports/milan-v3.report.bin --at " NOW " --store %s", folder->dir);
    expect("refused", "CollateralMissing",
           ":snp/reports/milan-v3-b.report.bin --at " NOW " --store %s", folder->dir);
    expect("accepted", "", ":tdx/quote-v4-uptodate.dat --at 2025-07-01T00:00:00Z --store %s",
           folder->dir);
    expect("refused", "CollateralMissing",
           ":tdx/quote-v4-cos113-padded.dat --at 2025-07-01T00:00:00Z --store %s", folder->dir);
    listed = run("collateral list --store %s --json", folder->dir);
    g_assert_cmpint(listed->code, ==, 0);
    g_assert_cmpuint(json_array_size(json_object_get(listed->json, "collateral")), ==, 10);
    json_array_foreach (json_object_get(listed->json, "collateral"), i, item) {
        g_assert_true(g_str_has_prefix(string_of(item, "id"), string_of(item, "kind")));
        g_assert_true(json_is_integer(json_object_get(item, "not_before")));
        g_assert_true(json_is_integer(json_object_get(item, "not_after")));
        g_assert_true(json_is_integer(json_object_get(item, "days_left")));
        g_assert_null(json_object_get(item, "error"));
        if (g_str_equal(string_of(item, "kind"), "vcek"))
            id = g_strdup(string_of(item, "id"));
        if (g_str_equal(string_of(item, "kind"), "qe-identity"))
            identity = g_strdup(string_of(item, "id"));
    }
    /* What the store has seen stands against what is brought by hand. */
    expect_code(0, "", "collateral remove %s --store %s", identity, folder->dir);
    expect("refused", "CollateralExpired CollateralRollback",
           ":tdx/quote-v4-uptodate.dat --at 2025-07-01T00:00:00Z --store %s --collateral "
           ":tdx/pcs-tdx-qeidentity-2023.json",
           folder->dir);
    expect_code(0, "Milan, chip 4ffb5cb4fd594f3f", "collateral list --store %s", folder->dir);
    removed = run("collateral remove %s --store %s --json", id, folder->dir);
    g_assert_cmpint(removed->code, ==, 0);
    g_assert_cmpstr(string_of(removed->json, "removed"), ==, id);
    expect_code(1, id, "collateral remove %s --store %s", id, folder->dir);
    expect("refused", "CollateralMissing",
           ":snp/reports/milan-v3.report.bin --at " NOW " --store %s", folder->dir);
    expect_code(0, "1 taken in", "collateral import " GOOD_LEAF " --store %s", folder->dir);
    expect_code(0, "1 there already", "collateral import " GOOD_LEAF " --store %s", folder->dir);
    expect_code(5, "az-snp-tpm-quote.msg", "collateral import :hcl/az-snp-tpm-quote.msg --store %s",
                folder->dir);
    expect_code(2, "/no/such/file", "collateral import /no/such/file --store %s", folder->dir);
    expect_code(2, "collateral import FILE", "collateral import --store %s", folder->dir);
    expect_code(2, "collateral import FILE", "collateral list x --store %s", folder->dir);
    expect_code(2, "collateral import FILE", "collateral remove --store %s", folder->dir);
    expect_code(2, "collateral import FILE", "collateral frobnicate --store %s", folder->dir);
    expect_code(2, "is missing", "collateral");
    /* A store that has lost its memory says so wherever it is used, with the remedy. */
    seen = folder_write(folder, "seen.json", "{", 1);
    expect_code(0, "damaged: collateral store: seen.json: not valid JSON",
                "collateral list --store %s", folder->dir);
    expect_code(0, "\"damage\"", "collateral list --store %s --json", folder->dir);
    expect_code(0, "from a backup, or import the newest",
                "verify-report :snp/reports/milan-v3.report.bin --at " NOW " --store %s --json",
                folder->dir);
    expect_code(0, "it is kept as seen.json.damaged-",
                "collateral import :snp/roots/milan_crl.pem --store %s", folder->dir);
    g_assert_null(json_object_get(listed->json, "damage"));
    expect_code(1, "/no/such/store", "collateral list --store /no/such/store");
}

/* A file that is longer than any of its kind is malformed, whatever command it is given to, and is
 * named with the limit. */
static void
test_too_long(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autofree char *zeros = g_malloc0(CVS_COLLATERAL_MAX + 1);
    g_autofree char *path = folder_write(folder, "zeros", zeros, CVS_COLLATERAL_MAX + 1);
    g_autofree char *report = g_build_filename(folder->dir, "report", NULL);
    g_autofree char *store = g_strconcat("--store ", folder->dir, NULL);
    g_autofree char *says = g_strdup_printf("%s: longer than %d bytes", path, CVS_COLLATERAL_MAX);
    g_autofree char *report_says =
        g_strdup_printf("%s: longer than %u bytes", report, CVS_REPORT_INPUT_MAX);

    g_assert_true(g_file_set_contents(report, "", 0, NULL));
    g_assert_cmpint(truncate(report, CVS_REPORT_INPUT_MAX + 1), ==, 0);

    expect_code(5, says, "collateral import %s %s", path, store);
    expect_code(5, report_says, "verify-report %s", report);
    expect_code(5, report_says, "verify-report %s --quote %s", path, report);
    expect_code(5, says, "verify-report %s --certs %s", path, path);
    expect_code(5, "longer than 65536 bytes", "verify-report %s --policy %s", path, path);
    expect_code(5, says, "verify %s", path);
}

/* TCB info of a version to come, which cannot be read. */
static void
test_unknown_version(void)
{
    g_autoptr(Folder) folder = folder_new();
    g_autofree char *signature = g_strnfill(128, '0');
    g_autofree char *text = g_strdup_printf(
        "{\"tcbInfo\":{\"id\":\"TDX\",\"version\":4},\"signature\":\"%s\"}", signature);
    g_autofree char *path = folder_write(folder, "tcb.json", text, (gssize)strlen(text));

    expect_code(5, "version 4", "collateral import %s --store %s", path, folder->dir);
    expect_code(5, "\"NotSupported\"", "collateral import %s --store %s --json", path, folder->dir);
    if (captures_there())
        expect_code(5, "version 4",
                    "verify-report :snp/reports/milan-v3.report.bin --collateral %s", path);
}

/* What is read in a terminal is told from what is read by programs. */
static void
test_text(void)
{
    g_autoptr(Result) accepted = NULL;
    g_autoptr(Result) refused = NULL;

    if (!captures_there())
        return;
    accepted = run("verify-report " GOOD GOOD_LEAF " --certs :" MILAN);
    g_assert_cmpint(accepted->code, ==, 0);
    g_assert_nonnull(strstr(accepted->out, "accepted: "));
    g_assert_nonnull(strstr(accepted->out, "\n  Measurement "));
    g_assert_nonnull(strstr(accepted->out, "bootloader 4, tee 0, snp 24, microcode 219"));
    g_assert_null(strchr(accepted->out, '\033'));
    refused = run("verify-report :tdx/quote-v4-debug.dat --at 2025-07-01T00:00:00Z");
    g_assert_cmpint(refused->code, ==, 3);
    g_assert_nonnull(strstr(refused->out, "DebugAllowed"));
    g_assert_nonnull(strstr(refused->out, "api.trustedservices.intel.com/tdx/certification/v4/"
                                          "tcb?fmspc=50806f000000"));
}

/* Every single byte of a report changed, by the way that the program goes: never accepted, unless
 * the byte means nothing and all claims are as before. */
static void
flip(const char *report, const char *quote, const char *const *files, const char *at, gsize step)
{
    g_autoptr(CvsSnpRoots) snp_roots = cvs_snp_roots_new();
    g_autoptr(CvsTdxRoots) tdx_roots = cvs_tdx_roots_new();
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(CvsProfile) profile = cvs_profile_strict_new();
    g_autoptr(GBytes) good = captures_read(report);
    g_autoptr(GBytes) beside = quote ? captures_read(quote) : NULL;
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(at, NULL);
    CvsReportInput input = {.name = report,
                            .report = good,
                            .quote = beside,
                            .quote_name = quote,
                            .evidence = evidence,
                            .snp_roots = snp_roots,
                            .tdx_roots = tdx_roots,
                            .at = g_date_time_to_unix(time)};
    g_autoptr(CvsVerdict) first = NULL;
    guint accepted = 0;

    for (; *files; files++) {
        g_autoptr(GBytes) bytes = captures_read(*files);

        g_assert_true(cvs_evidence_add(evidence, g_bytes_get_data(bytes, NULL),
                                       g_bytes_get_size(bytes), *files, NULL));
    }
    first = cvs_verdict_new(&input, profile, NULL);
    g_assert_cmpint(first->kind, ==, CVS_VERDICT_ACCEPTED);
    for (gsize i = 0; i < g_bytes_get_size(good); i += step) {
        gsize size = 0;
        guint8 *data = g_memdup2(g_bytes_get_data(good, &size), g_bytes_get_size(good));
        g_autoptr(GBytes) edited = NULL;
        g_autoptr(CvsVerdict) verdict = NULL;
        g_autoptr(GError) error = NULL;

        data[i] ^= 1u << i % 8;
        edited = g_bytes_new_take(data, size);
        input.report = edited;
        verdict = cvs_verdict_new(&input, profile, &error);
        /* HCL: a type that no quote goes with */
        if (verdict == NULL) {
            g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
            continue;
        }
        if (verdict->kind == CVS_VERDICT_ACCEPTED) {
            g_assert_true(json_equal(verdict->claims, first->claims));
            accepted++;
        } else {
            g_assert_cmpuint(cvs_error_get_reasons(verdict->reasons)->len, >, 0);
        }
    }
    g_test_message("%s: %u changes that mean nothing", report, accepted);
    if (!g_str_has_prefix(report, "tdx") && !g_str_has_prefix(report, "hcl"))
        g_assert_cmpuint(accepted, ==, 0);
    g_assert_cmpuint(accepted, <, g_bytes_get_size(good) / step / 2 + 1);
}

static void
test_flip(void)
{
    static const char *const snp[] = {"snp/reports/milan-v3.vcek.der", MILAN, NULL};
    static const char *const tdx[] = {SET, NULL};
    static const char *const hcl[] = {"hcl/az-snp-vcek-chain.pem", NULL};

    if (!captures_there())
        return;
    flip("snp/reports/milan-v3.report.bin", NULL, snp, NOW, 1);
    flip("tdx/quote-v4-uptodate.dat", NULL, tdx, "2025-07-01T00:00:00Z", 3);
    flip("hcl/az-snp-hcl-report.bin", NULL, hcl, NOW, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl/verify-report/captures", test_captures);
    g_test_add_func("/ctl/verify-report/complete", test_complete);
    g_test_add_func("/ctl/verify-report/claims", test_claims);
    g_test_add_func("/ctl/verify-report/hex", test_hex);
    g_test_add_func("/ctl/verify-report/certs", test_certs);
    g_test_add_func("/ctl/verify-report/table", test_table);
    g_test_add_func("/ctl/verify-report/roots", test_roots);
    g_test_add_func("/ctl/verify-report/report-data", test_report_data);
    g_test_add_func("/ctl/verify-report/policy", test_policy);
    g_test_add_func("/ctl/verify-report/usage", test_usage);
    g_test_add_func("/ctl/verify-report/times", test_times);
    g_test_add_func("/ctl/verify-report/edited", test_edited);
    g_test_add_func("/ctl/verify-report/cut", test_cut);
    g_test_add_func("/ctl/verify-report/store", test_store);
    g_test_add_func("/ctl/verify-report/too-long", test_too_long);
    g_test_add_func("/ctl/verify-report/unknown-version", test_unknown_version);
    g_test_add_func("/ctl/verify-report/text", test_text);
    g_test_add_func("/ctl/verify-report/flip", test_flip);
    return g_test_run();
}
