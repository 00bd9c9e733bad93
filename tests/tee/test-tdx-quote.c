/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The forms of a quote, of collateral and of a PCK certificate that are refused, each by name. */

#include "tee/tdx-quote.h"
#include "base/error.h"
#include "tee/tdx-collateral.h"

#include "tdx-maker.h"

#include <string.h>

/* Offsets in a quote of version 4. */
#define V4_AUTH 632
#define V4_OUTER_TYPE (636 + 128)
#define V4_OUTER_SIZE (636 + 130)
#define V4_QE_AUTH_SIZE (636 + 134 + 448)
#define V4_INNER_TYPE (V4_QE_AUTH_SIZE + 2 + 32)
#define V4_INNER_SIZE (V4_INNER_TYPE + 2)

static GBytes *
edited(GBytes *bytes, gsize at, guint32 value, guint width)
{
    gsize size = 0;
    guint8 *data = g_bytes_unref_to_data(
        g_bytes_new(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)), &size);

    for (guint i = 0; i < width; i++)
        data[at + i] = (guint8)(value >> (8 * i));
    return g_bytes_new_take(data, size);
}

static void
refused(GBytes *bytes, const char *reason, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_tdx_quote_parse(bytes, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    if (!cvs_error_has_reason(error, reason) || strstr(error->message, text) == NULL)
        g_error("\"%s\" for another reason than %s: %s", error->message, reason, text);
}

static void
test_quote_forms(void)
{
    static const struct {
        guint16 version;
        gsize at;
        guint32 value;
        guint width;
        gboolean malformed;
        const char *text;
    } edits[] = {
        {4, 0, 3, 2, FALSE, "SGX quote"},
        {4, 0, 6, 2, FALSE, "version 4 or 5"},
        {4, 0, 0xd8d2, 2, FALSE, "version 4 or 5"}, /* a CBOR tag */
        {4, 2, 3, 2, FALSE, "key type 3"},
        {4, 4, 0, 4, FALSE, "TEE type 0x0"},
        {4, 12, 0, 1, FALSE, "not Intel's"},
        {4, 27, 0, 1, FALSE, "not Intel's"},
        {4, V4_AUTH, 0xffffffff, 4, TRUE, "run past the end"},
        {4, V4_AUTH, 100, 4, TRUE, "do not fill"},
        {4, V4_OUTER_TYPE, 5, 2, TRUE, "certification data type 5"},
        {4, V4_OUTER_SIZE, 0xffffffff, 4, TRUE, "do not fill"},
        {4, V4_QE_AUTH_SIZE, 0xffff, 2, TRUE, "do not fill"},
        {4, V4_QE_AUTH_SIZE, 31, 2, TRUE, "do not fill"},
        {4, V4_INNER_TYPE, 0, 2, TRUE, "data type 0"},
        {4, V4_INNER_TYPE, 6, 2, TRUE, "data type 6"},
        {4, V4_INNER_SIZE, 0xffffffff, 4, TRUE, "do not fill"},
        {5, 48, 1, 2, FALSE, "body type 1"},
        {5, 48, 4, 2, FALSE, "body type 4"},
        {5, 48, 2, 2, TRUE, "a body of 648 bytes"},
        {5, 50, 584, 4, TRUE, "a body of 584 bytes"},
        {5, 50, 0xffffffff, 4, TRUE, "a body of 4294967295 bytes"},
    };
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autoptr(GBytes) v5 = tdx_maker_quote(maker);
    g_autoptr(GBytes) v4 = NULL;
    g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
    g_autoptr(GBytes) huge =
        g_bytes_new_take(g_malloc0(CVS_TDX_QUOTE_MAX + 1), CVS_TDX_QUOTE_MAX + 1);
    g_autoptr(GError) error = NULL;

    maker->version = 4;
    v4 = tdx_maker_quote(maker);
    for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autoptr(GBytes) bytes =
            edited(edits[i].version == 4 ? v4 : v5, edits[i].at, edits[i].value, edits[i].width);

        refused(bytes,
                edits[i].malformed ? CVS_REASON_QUOTE_MALFORMED : CVS_REASON_QUOTE_UNSUPPORTED,
                edits[i].text);
    }
    refused(empty, CVS_REASON_QUOTE_MALFORMED, "it is empty");
    g_assert_null(cvs_tdx_quote_parse(huge, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

/* Replaces the first occurrence of a text. */
static char *
replaced(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);

    g_assert_nonnull(at);
    return g_strdup_printf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void
refused_collateral(const char *answer, gboolean qe, int code, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (qe)
        g_assert_null(cvs_qe_identity_parse(answer, strlen(answer), &error));
    else
        g_assert_null(cvs_tcb_info_parse(answer, strlen(answer), &error));
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" is not in \"%s\"", text, error->message);
}

static void
test_collateral_forms(void)
{
    static const struct {
        gboolean qe;
        const char *old;
        const char *new;
        int code;
        const char *text;
    } edits[] = {
        {FALSE, "\"version\":3", "\"version\":2", CVS_ERROR_NOT_SUPPORTED, "version 2"},
        {FALSE, "\"version\":3", "\"version\":4", CVS_ERROR_NOT_SUPPORTED, "version 4"},
        {TRUE, "\"version\":2", "\"version\":1", CVS_ERROR_NOT_SUPPORTED, "version 1"},
        {FALSE, "\"issueDate\":\"2025-12-20T", "\"issueDate\":\"2025-12-20 ", CVS_ERROR_BAD_FORMAT,
         "issueDate"},
        {FALSE, "\"issueDate\":\"2025-12", "\"issueDate\":\"2025-13", CVS_ERROR_BAD_FORMAT,
         "issueDate"},
        {FALSE, "\"nextUpdate\":\"2026", "\"nextUpdate\":\"2024", CVS_ERROR_BAD_FORMAT,
         "before issueDate"},
        {FALSE, "\"fmspc\":\"50", "\"fmspc\":\"5", CVS_ERROR_BAD_FORMAT, "fmspc"},
        {FALSE, "\"pceId\":\"0000\"", "\"pceId\":0", CVS_ERROR_BAD_FORMAT, "pceId"},
        {FALSE, "\"tdxModule\":", "\"tdxModul\":", CVS_ERROR_BAD_FORMAT, "tdxModule"},
        {FALSE, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"uptodate\"", CVS_ERROR_BAD_FORMAT,
         "tcbStatus"},
        {FALSE, "{\"svn\":5},", "", CVS_ERROR_BAD_FORMAT, "15 components"},
        {FALSE, "{\"svn\":5}", "{\"svn\":-1}", CVS_ERROR_BAD_FORMAT, "svn"},
        {FALSE, "{\"svn\":5}", "{\"svn\":65536}", CVS_ERROR_BAD_FORMAT, "svn"},
        {FALSE, "{\"svn\":5}", "7", CVS_ERROR_BAD_FORMAT, "component"},
        {FALSE, "[\"INTEL-SA-00001\"]", "[7]", CVS_ERROR_BAD_FORMAT, "advisoryIDs"},
        {FALSE, "[\"INTEL-SA-00001\"]", "{}", CVS_ERROR_BAD_FORMAT, "advisoryIDs"},
        {FALSE, "\"signature\":\"", "\"signature\":\"00", CVS_ERROR_BAD_FORMAT, "signature"},
        {FALSE, "\"tcbInfo\":", "\"tcbInfos\":", CVS_ERROR_BAD_FORMAT, "no object tcbInfo"},
        /* The same name to a JSON parser, and not to one who looks at bytes. */
        {FALSE, "\"tcbInfo\":", "\"tcb\\u0049nfo\":", CVS_ERROR_BAD_FORMAT, "no object tcbInfo"},
        {FALSE, "{\"tcbInfo\":", "{\"tcbInfo\":{},\"tcbInfo\":", CVS_ERROR_BAD_FORMAT, "twice"},
        {TRUE, "\"miscselect\":\"", "\"miscselect\":\"00", CVS_ERROR_BAD_FORMAT, "miscselect"},
        {TRUE, "\"isvprodid\":2", "\"isvprodid\":70000", CVS_ERROR_BAD_FORMAT, "isvprodid"},
        /* An enclave has nothing to configure. */
        {TRUE, "\"UpToDate\"", "\"ConfigurationNeeded\"", CVS_ERROR_BAD_FORMAT, "tcbStatus"},
    };
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autofree char *tcb_info = tdx_maker_tcb_info(maker);
    g_autofree char *qe_identity = tdx_maker_qe_identity(maker);

    for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autofree char *answer =
            replaced(edits[i].qe ? qe_identity : tcb_info, edits[i].old, edits[i].new);

        refused_collateral(answer, edits[i].qe, edits[i].code, edits[i].text);
    }
    tdx_maker_clear_levels(maker);
    {
        g_autofree char *none = tdx_maker_tcb_info(maker);

        refused_collateral(none, FALSE, CVS_ERROR_BAD_FORMAT, "0 TCB levels");
    }
    tdx_maker_add_level(maker, 5, 11, 5, 0, 5, "UpToDate");
    tdx_maker_add_identity(maker, 1, 5, "UpToDate", 0u, NULL);
    tdx_maker_add_identity(maker, 1, 4, "UpToDate", 0u, NULL);
    {
        g_autofree char *twice = tdx_maker_tcb_info(maker);

        refused_collateral(twice, FALSE, CVS_ERROR_BAD_FORMAT, "two identities");
    }
}

/* The object is found where it stands, and taken as it is. */
static void
test_raw_object(void)
{
    g_autoptr(TdxMaker) maker = tdx_maker_new();
    g_autofree char *answer = tdx_maker_tcb_info(maker);
    g_autofree char *decoy = replaced(
        answer, "{\"tcbInfo\":",
        "{ \"x\" : {\"tcbInfo\":{\"a\":\"}{\\\"\"}}, \"y\":[1,[\"tcbInfo\"]] ,\n\t\"tcbInfo\" : ");
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsTcbInfo) plain = cvs_tcb_info_parse(answer, strlen(answer), &error);
    g_autoptr(CvsTcbInfo) among = NULL;

    g_assert_no_error(error);
    among = cvs_tcb_info_parse(decoy, strlen(decoy), &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(plain->base.raw, among->base.raw));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tdx-quote/forms", test_quote_forms);
    g_test_add_func("/tee/tdx-collateral/forms", test_collateral_forms);
    g_test_add_func("/tee/tdx-collateral/raw-object", test_raw_object);
    return g_test_run();
}
