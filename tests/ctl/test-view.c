/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/report.h"
#include "ctl/view.h"

#include <string.h>

/* 2026-11-22 21:40:22 UTC */
#define NOW 1795383622

static const CvsOutput plain = {.utf8 = TRUE};

static void
set_text(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

static CvsKeyInfo *
make_key(const char *name, const char *pcrs, const char *bank, gboolean pin)
{
    CvsKeyInfo *info = cvs_key_info_new(name, "unit:web.service");
    CvsSlotInfo *slot = cvs_key_info_add_slot(info, "tpm2");

    set_text(&info->id, "00112233445566778899aabbccddeeff");
    info->size = 4096;
    info->created = NOW - 7200;
    set_text(&info->pcrs, pcrs);
    set_text(&info->bank, bank);
    set_text(&info->profile, "default");
    info->pin = pin;
    slot->generation = 3;
    slot->pin = pin;
    set_text(&slot->pcrs, pcrs);
    set_text(&slot->bank, bank);
    set_text(&slot->profile, "default");
    return info;
}

static CvsKeyInfo *
make_bad_key(void)
{
    CvsKeyInfo *info = cvs_key_info_new("bad\033[2J", "unit:web.service");

    info->error = g_strdup("cut short\nat byte 7");
    return info;
}

static void
free_key(gpointer data)
{
    cvs_key_info_free(data);
}

static void
test_list(void)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    const CvsView view = {&plain, NOW, zone};
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(free_key);
    g_autofree char *mine = NULL;
    g_autofree char *all = NULL;
    CvsKeyInfo *both = make_key("vpn", "7", "sha384", TRUE);

    both->recovery = TRUE;
    g_ptr_array_add(keys, make_bad_key());
    g_ptr_array_add(keys, make_key("db", "0+2+7", "sha256", FALSE));
    g_ptr_array_add(keys, both);
    mine = cvs_view_list(&view, keys, FALSE);
    g_assert_cmpstr(mine, ==,
                    "NAME         SIZE  PCRS      OPENS WITH           PROFILE  CREATED\n"
                    "bad\\x1b[2J      -  -         cannot be read       -        -\n"
                    "db          4 KiB  0+2+7     TPM                  default  today 19:40\n"
                    "vpn         4 KiB  7 sha384  TPM + PIN, recovery  default  today 19:40\n"
                    "\n1 key cannot be read:\n"
                    "  bad\\x1b[2J: cut short\\x0aat byte 7\n");
    all = cvs_view_list(&view, keys, TRUE);
    g_assert_true(g_str_has_prefix(all, "NAME        OWNER              SIZE"));
    g_assert_nonnull(strstr(all, "\ndb          unit:web.service  4 KiB"));
}

static void
test_key(void)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    const CvsView view = {&plain, NOW, zone};
    g_autoptr(CvsKeyInfo) info = make_key("db", "0+7", "sha256", TRUE);
    g_autoptr(CvsKeyInfo) bad = make_bad_key();
    g_autofree char *text = NULL;
    g_autofree char *bad_text = cvs_view_key(&view, bad);

    info->recovery = TRUE;
    (void)cvs_key_info_add_slot(info, "recovery");
    text = cvs_view_key(&view, info);
    g_assert_cmpstr(text, ==,
                    "db\n"
                    "  Owner       unit:web.service\n"
                    "  Id          00112233445566778899aabbccddeeff\n"
                    "  Size        4 KiB\n"
                    "  Created     2026-11-22 19:40:22 +0000 (2 hours ago)\n"
                    "  Opens with  TPM + PIN, recovery\n"
                    "  Profile     default\n"
                    "  PCR bank    sha256\n"
                    "  PCRs         0  firmware code\n"
                    "               7  Secure Boot policy\n"
                    "  Slot 0      tpm2, PCRs 0+7, PIN, profile default, generation 3\n"
                    "  Slot 1      recovery\n");
    g_assert_cmpstr(bad_text, ==,
                    "bad\\x1b[2J\n"
                    "  Owner       unit:web.service\n"
                    "  Error       cut short\\x0aat byte 7\n");
}

static json_t *
parse(const char *text)
{
    json_t *json = cvs_json_parse(text, strlen(text), "the test", NULL);

    g_assert_nonnull(json);
    return json;
}

#define SLOT                                                                                       \
    "{\"slot\":0,\"kind\":\"tpm2\",\"generation\":1,\"profile\":\"default\",\"pin\":false,"        \
    "\"pcrs\":\"7\",\"bank\":\"sha256\",\"matches\":false,\"reasons\":[{\"code\":\"PcrDiffers\","  \
    "\"detail\":\"PCR 7 differs\",\"seen\":\"aa\",\"wanted\":\"bb\"}]}"

static void
test_explanation(void)
{
    const CvsView view = {&plain, 0, NULL};
    g_autoptr(json_t) changed = parse("{\"name\":\"db\",\"opens\":false,\"slots\":[" SLOT
                                      ",{\"slot\":1,\"kind\":\"recovery\"}]}");
    g_autoptr(json_t) lost = parse("{\"name\":\"db\",\"opens\":false,\"slots\":[" SLOT "]}");
    g_autofree char *with = cvs_view_explanation(&view, changed, " --owner system", NULL);
    g_autofree char *without = cvs_view_explanation(&view, lost, "", NULL);

    g_assert_cmpstr(
        with, ==,
        "\"db\" does not open now.\n"
        "  Slot 0: tpm2, PCRs 7, profile default, generation 1\n"
        "    ✗ PCR 7 differs\n"
        "      is      aa\n"
        "      wanted  bb\n"
        "  Slot 1: recovery\n"
        "\nIf the change is meant, seal it to the present state with its recovery key:\n"
        "  cvmseal reseal db --recovery-key --owner system\n");
    g_assert_true(g_str_has_suffix(without, "It has no recovery key: only the state it was sealed "
                                            "to opens it.\n"));
}

/* What opens and could not be resealed as it is; and what waits. */
static void
test_forbidden(void)
{
    const CvsView view = {&plain, 0, NULL};
    g_autoptr(json_t) json =
        parse("{\"name\":\"db\",\"opens\":true,\"slots\":[{\"slot\":0,\"kind\":\"tpm2\","
              "\"generation\":2,\"profile\":\"default\",\"pin\":true,\"pcrs\":\"7\","
              "\"bank\":\"sha256\",\"matches\":true,\"predicted\":true,\"reasons\":[],"
              "\"forbidden\":[{\"code\":\"PinForbidden\",\"detail\":\"say --drop pin\","
              "\"seen\":\"\",\"wanted\":\"\"}]}]}");
    g_autofree char *text = cvs_view_explanation(&view, json, "", NULL);

    g_assert_cmpstr(
        text, ==,
        "\"db\" opens now.\n"
        "  Slot 0: tpm2, PCRs 7, PIN, profile default, generation 2, for a state to come\n"
        "    ✓ matches the present state\n"
        "    say --drop pin\n");
}

/* An answer that is not as agreed is an error, not a crash. */
static void
test_odd_explanation(void)
{
    const CvsView view = {&plain, 0, NULL};
    static const char *const odd[] = {
        "{}",
        "{\"name\":\"db\"}",
        "{\"name\":7,\"slots\":[]}",
        "{\"name\":\"db\",\"slots\":[7]}",
        "{\"name\":\"db\",\"slots\":[{}]}",
        "{\"name\":\"db\",\"slots\":[{\"slot\":0,\"kind\":\"tpm2\"}]}",
        "{\"name\":\"db\",\"slots\":[{\"slot\":\"0\",\"kind\":\"recovery\"}]}",
        "{\"name\":\"db\",\"slots\":[{\"slot\":0,\"kind\":\"tpm2\",\"generation\":1,"
        "\"profile\":\"p\",\"pcrs\":\"7\",\"bank\":\"sha256\",\"reasons\":[],"
        "\"forbidden\":[7]}]}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(json_t) json = parse(odd[i]);
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_view_explanation(&view, json, "", &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

/* Said wherever they are allowed, and nowhere else. */
static void
test_test_roots(void)
{
    const CvsView view = {&plain, 0, NULL};
    g_autoptr(CvsStatusInfo) info = cvs_status_info_new();
    g_autofree char *without = cvs_view_status(&view, info);
    g_autofree char *with = NULL;
    g_autofree char *explained = NULL;
    g_autoptr(json_t) json = parse("{\"name\":\"db\",\"slots\":[],\"test_roots\":true}");

    info->test_roots = TRUE;
    with = cvs_view_status(&view, info);
    explained = cvs_view_explanation(&view, json, "", NULL);
    g_assert_null(strstr(without, "TEST ROOTS"));
    g_assert_nonnull(strstr(with, "TEST ROOTS"));
    g_assert_nonnull(strstr(explained, "TEST ROOTS"));
}

static void
assert_status(const CvsStatusInfo *info, const char *says)
{
    const CvsView view = {&plain, 0, NULL};
    g_autofree char *text = cvs_view_status(&view, info);

    if (strstr(text, says) == NULL)
        g_error("%s does not say %s", text, says);
}

static void
test_attestation(void)
{
    const CvsView view = {&plain, 0, NULL};
    g_autoptr(CvsStatusInfo) info = cvs_status_info_new();
    g_autofree char *bound = NULL;

    assert_status(info, "  Attested    not asked: ");
    set_text(&info->attestation, "none");
    assert_status(info, "  Attested    not yet: it is made");
    set_text(&info->attestation, "under-way");
    assert_status(info, "  Attested    not yet: TEE or host");
    set_text(&info->attestation, "failed");
    (void)json_array_append_new(info->attestation_reasons,
                                parse("{\"code\":\"A\",\"detail\":\"bad\",\"seen\":\"1\\u001b\","
                                      "\"wanted\":\"2\"}"));
    (void)json_array_append_new(
        info->attestation_reasons,
        parse("{\"code\":\"B\",\"detail\":\"worse\",\"seen\":\"\",\"wanted\":\"\"}"));
    assert_status(info, "  Attested    no\n    ✗ bad\n");
    assert_status(info, "is      1\\x1b\n");
    assert_status(info, "    ✗ worse\n");
    (void)json_array_clear(info->attestation_reasons);
    set_text(&info->attestation, "attested");
    set_text(&info->tee_type, "snp");
    set_text(&info->vtpm_kind, "svsm");
    (void)json_object_set_new(info->registers, "rtmr0", json_string("00ff"));
    assert_status(info, "  Attested    yes\n  TEE         snp\n  vTPM        svsm\n"
                        "  rtmr0       00ff\n");
    bound = cvs_view_status(&view, info);
    g_assert_null(strstr(bound, "PCRs do not bind the host"));
    set_text(&info->vtpm_kind, "host");
    assert_status(info, "  vTPM        host\n              PCRs do not bind the host: ");
    set_text(&info->attestation, "of another version");
    assert_status(info, "  Attested    of another version\n");
}

/* Said of the slot to which it applies, and of the key. */
static void
test_hosts_pcrs(void)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    const CvsView view = {&plain, NOW, zone};
    g_autoptr(CvsKeyInfo) info = make_key("db", "7", "sha256", FALSE);
    g_autofree char *without = cvs_view_key(&view, info);
    g_autofree char *with = NULL, *explained = NULL;
    g_autoptr(json_t) json =
        parse("{\"name\":\"db\",\"opens\":true,\"slots\":[{\"slot\":0,\"kind\":\"tpm2\","
              "\"profile\":\"default\",\"pcrs\":\"7\",\"bank\":\"sha256\",\"reasons\":[],"
              "\"generation\":1,\"matches\":true,\"pcrs_bind_host\":false}]}");

    info->pcrs_bind_host = FALSE;
    with = cvs_view_key(&view, info);
    explained = cvs_view_explanation(&view, json, "", NULL);
    g_assert_null(strstr(without, "PCRs do not bind the host"));
    g_assert_nonnull(strstr(with, "PCRs do not bind the host"));
    g_assert_nonnull(strstr(explained, "PCRs do not bind the host"));
}

static void
test_report(void)
{
    CvsCli cli = {.err = {.utf8 = TRUE}, .key = (char *)"db", .verb = "unseal"};
    g_autoptr(GError) error =
        g_error_new(CVS_ERROR, CVS_ERROR_PCR_MISMATCH, "cannot unseal db: it differs\033[m");
    g_autofree char *text = NULL;
    g_autoptr(json_t) json = NULL;
    g_autofree char *canonical = NULL;

    cli.doing = (char *)"unseal \"db\"";
    cli.options.owner = (char *)"system";
    cvs_error_add_reason(error, "PcrDiffers", "00112233445566778899", "aa", "PCR 7 differs");
    text = cvs_report_text(&cli, error);
    g_assert_cmpstr(
        text, ==,
        "cvmseal: cannot unseal \"db\": it differs\\x1b[m\n"
        "  PCR 7 differs: is 0011223344556677…, wanted aa\n"
        "  What to do: \"cvmseal explain db --owner system\" tells what changed; if the change is "
        "meant, \"cvmseal reseal db --owner system --recovery-key-file FILE\" seals the key to the "
        "present state\n");
    json = cvs_report_json(error);
    canonical = cvs_json_canonical(json);
    g_assert_cmpstr(
        canonical, ==,
        "{\"message\":\"cannot unseal db: it differs\\u001B[m\",\"name\":\"PcrMismatch\","
        "\"reasons\":[{\"code\":\"PcrDiffers\",\"detail\":\"PCR 7 differs\","
        "\"seen\":\"00112233445566778899\",\"wanted\":\"aa\"}]}");
}

/* A reason may know better than the error; without a key nothing is said about one. */
static void
test_remedy(void)
{
    CvsCli cli = {0};
    g_autoptr(GError) mismatch = g_error_new(CVS_ERROR, CVS_ERROR_PCR_MISMATCH, "x");
    g_autoptr(GError) profile = g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "x");
    g_autoptr(GError) foreign = g_error_new(G_FILE_ERROR, G_FILE_ERROR_FAILED, "x");
    g_autoptr(GError) busy = g_error_new(CVS_ERROR, CVS_ERROR_BUSY, "x");
    g_autofree char *remedy = NULL, *again = NULL, *waits = NULL, *direct = NULL;

    g_assert_null(cvs_report_remedy(&cli, mismatch));
    g_assert_null(cvs_report_remedy(&cli, profile));
    g_assert_null(cvs_report_remedy(&cli, foreign));
    cvs_error_add_reason(profile, CVS_REASON_RECOVERY_REQUIRED, NULL, NULL, "x");
    remedy = cvs_report_remedy(&cli, profile);
    g_assert_cmpstr(remedy, ==, "add --recovery-key");

    cvs_error_add_reason(busy, CVS_REASON_ATTESTATION_UNDER_WAY, NULL, NULL, "x");
    again = cvs_report_remedy(&cli, busy);
    g_assert_cmpstr(again, ==, "try again");
    cli.verb = "attest";
    waits = cvs_report_remedy(&cli, busy);
    g_assert_nonnull(strstr(waits, "--direct"));
    cli.options.direct = TRUE;
    direct = cvs_report_remedy(&cli, busy);
    g_assert_cmpstr(direct, ==, "try again");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/view/list", test_list);
    g_test_add_func("/view/key", test_key);
    g_test_add_func("/view/explanation", test_explanation);
    g_test_add_func("/view/forbidden", test_forbidden);
    g_test_add_func("/view/odd-explanation", test_odd_explanation);
    g_test_add_func("/view/test-roots", test_test_roots);
    g_test_add_func("/view/attestation", test_attestation);
    g_test_add_func("/view/hosts-pcrs", test_hosts_pcrs);
    g_test_add_func("/report/text-and-json", test_report);
    g_test_add_func("/report/remedy", test_remedy);
    return g_test_run();
}
