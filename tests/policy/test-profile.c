/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "policy/profile.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "/etc/p/x.policy"
#define GROUPS                                                                                     \
    "there are [Profile], [Registers], [Secrets], [TEE], [SNP], [TDX], [Collateral] and [vTPM]"

static CvsProfile *
parse(const char *text, GError **error)
{
    return cvs_profile_parse("x", FILE_NAME, text, strlen(text), error);
}

/* The text is refused with BadFormat and exactly this message behind the file's name. */
static void
assert_refused(const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = parse(text, &error);
    g_autofree char *wanted = g_strconcat(FILE_NAME ":", message, NULL);

    g_assert_null(profile);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void
test_full(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = parse("# a comment\n"
                                          "[Profile]\n"
                                          "Description=Of the tests\n"
                                          "\n"
                                          "[Registers]\n"
                                          "  # PCRs=1 indented comment\n"
                                          "PCRs = 0+2+7\n"
                                          "PCRBank=sha384\r\n"
                                          "RequirePCRs=7\n"
                                          "RTMRs=0+2\n"
                                          "Claims=measurement, tcb\n"
                                          "AllowUnmeasured=yes\n"
                                          "[Secrets]\n"
                                          "PIN=required\n"
                                          "PINMinimumLength=8\n"
                                          "RecoveryKey=forbidden",
                                          &error);

    g_assert_no_error(error);
    g_assert_cmpstr(profile->name, ==, "x");
    g_assert_cmpstr(profile->description, ==, "Of the tests");
    g_assert_cmphex(profile->pcrs, ==, 1 << 0 | 1 << 2 | 1 << 7);
    g_assert_cmpint(profile->bank, ==, CVS_SHA384);
    g_assert_cmphex(profile->required_pcrs, ==, 1 << 7);
    g_assert_cmphex(profile->rtmrs, ==, 1 << 0 | 1 << 2);
    g_assert_cmpuint(g_strv_length(profile->claims), ==, 2);
    g_assert_cmpstr(profile->claims[0], ==, "tee.measurement");
    g_assert_cmpstr(profile->claims[1], ==, "tcb");
    g_assert_false(profile->tee.present);
    g_assert_true(profile->allow_unmeasured);
    g_assert_cmpint(profile->pin, ==, CVS_PROFILE_REQUIRED);
    g_assert_cmpuint(profile->pin_min_length, ==, 8);
    g_assert_cmpint(profile->recovery, ==, CVS_PROFILE_FORBIDDEN);
}

static void
test_defaults(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = parse("[Registers]\nPCRs=7\n", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(profile->description, ==, "");
    g_assert_cmphex(profile->pcrs, ==, 1 << 7);
    g_assert_cmpint(profile->bank, ==, CVS_SHA256);
    g_assert_cmphex(profile->required_pcrs, ==, 0);
    g_assert_cmphex(profile->rtmrs, ==, 0);
    g_assert_null(profile->claims);
    g_assert_false(profile->allow_unmeasured);
    g_assert_cmpint(profile->pin, ==, CVS_PROFILE_OPTIONAL);
    g_assert_cmpuint(profile->pin_min_length, ==, 4);
    g_assert_cmpint(profile->recovery, ==, CVS_PROFILE_OPTIONAL);
}

static void
test_values(void)
{
    static const struct {
        const char *pin;
        CvsProfileRule rule;
        const char *boolean;
        gboolean allow;
        const char *length;
        guint min;
    } cases[] = {
        {"optional", CVS_PROFILE_OPTIONAL, "yes", TRUE, "1", 1},
        {"required", CVS_PROFILE_REQUIRED, "no", FALSE, "32", 32},
        {"forbidden", CVS_PROFILE_FORBIDDEN, "true", TRUE, "6", 6},
        {"optional", CVS_PROFILE_OPTIONAL, "false", FALSE, "6", 6},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf(
            "[Registers]\nPCRs=0,2\nRequirePCRs=\nRTMRs=\nClaims=\nAllowUnmeasured=%s\n"
            "[Secrets]\nPIN=%s\nRecoveryKey=%s\nPINMinimumLength=%s\n",
            cases[i].boolean, cases[i].pin, cases[i].pin, cases[i].length);
        g_autoptr(CvsProfile) profile = parse(text, &error);

        g_assert_no_error(error);
        g_assert_cmphex(profile->pcrs, ==, 1 << 0 | 1 << 2);
        g_assert_cmphex(profile->required_pcrs, ==, 0);
        g_assert_cmphex(profile->rtmrs, ==, 0);
        g_assert_null(profile->claims);
        g_assert_cmpint(profile->allow_unmeasured, ==, cases[i].allow);
        g_assert_cmpint(profile->pin, ==, cases[i].rule);
        g_assert_cmpint(profile->recovery, ==, cases[i].rule);
        g_assert_cmpuint(profile->pin_min_length, ==, cases[i].min);
    }
}

/* GLib's own reader is the oracle for what a description says. */
static void
test_same_as_glib(void)
{
    static const char *const values[] = {
        "plain",         "two  words",    "= starts with one",
        "a=b=c",         "back\\\\slash", "\\sleading",
        "[not a group]", "# no comment",  "Gr\xc3\xbc\xc3\x9f",
        "50% sure",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf(
            "#c\n[Profile]\n Description =  %s\n\n[Registers]\nPCRs=7\n", values[i]);
        g_autoptr(CvsProfile) profile = parse(text, &error);
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autofree char *wanted = NULL;

        g_assert_no_error(error);
        g_assert_true(g_key_file_load_from_data(file, text, strlen(text), 0, &error));
        wanted = g_key_file_get_string(file, "Profile", "Description", &error);
        g_assert_no_error(error);
        g_assert_cmpstr(profile->description, ==, wanted);
    }
}

static void
test_lines(void)
{
    assert_refused("PCRs=7\n", "1: the key \"PCRs\" stands before the first group");
    assert_refused("# c\n\n[Registers]\nPCRs=7\nwhat\n",
                   "5: \"what\" is no group, no KEY=VALUE and no # comment");
    assert_refused("[Registers]\nPCRs=7\n; c\n",
                   "3: \"; c\" is no group, no KEY=VALUE and no # comment");
    assert_refused("[Registers]\nPCRs=7\n=7\n",
                   "3: \"=7\" is no group, no KEY=VALUE and no # comment");
    assert_refused("[Registers\nPCRs=7\n",
                   "1: \"[Registers\" is no group, no KEY=VALUE and no # comment");
    assert_refused("\xef\xbb\xbf[Registers]\nPCRs=7\n",
                   "1: \"?[Registers]\" is no group, no KEY=VALUE and no # comment");
}

static void
test_unknown(void)
{
    assert_refused("[Registers]\nPCRs=7\n[Attest]\n", "3: unknown group \"Attest\"; " GROUPS);
    assert_refused("[registers]\nPCRs=7\n", "1: unknown group \"registers\"; " GROUPS);
    assert_refused("[]\n", "1: unknown group \"\"; " GROUPS);
    /* The comment and the value that hold the same text are not where the key stands. */
    assert_refused("# Pcrs=7\n[Profile]\nDescription=Pcrs=7\n[Registers]\nPCRs=7\nPcrs=7\n",
                   "6: unknown key \"Pcrs\" in the group [Registers]");
    /* A key of another group. */
    assert_refused("[Secrets]\nPCRs=7\n", "2: unknown key \"PCRs\" in the group [Secrets]");
    assert_refused("[Profile]\nDescription[de]=x\n",
                   "2: unknown key \"Description[de]\" in the group [Profile]");
    /* Nothing that a terminal would obey, and not without end. */
    assert_refused("[Profile]\nA\033[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=\n",
                   "2: unknown key \"A?[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" in the group "
                   "[Profile]");
}

static void
test_twice(void)
{
    assert_refused("[Registers]\n# PCRs=1\nPCRs=7\n\nPCRs=7\n",
                   "5: the key PCRs is there already, in line 3");
    assert_refused("[Registers]\nPCRs=7\n[Secrets]\n[Registers]\n",
                   "4: the group [Registers] is there already, in line 1");
    /* The second of two groups is refused before its keys are read. */
    assert_refused("[Secrets]\nPIN=optional\n[Registers]\nPCRs=7\n[Secrets]\nPIN=bogus\n",
                   "5: the group [Secrets] is there already, in line 1");
}

static void
test_bad_values(void)
{
    static const struct {
        const char *text;
        const char *start; /* of the message, where the rest is another floor's */
    } pcr_cases[] = {
        {"[Registers]\nPCRs=24\n", FILE_NAME ":2: PCRs: "},
        {"[Registers]\nPCRs=7+7\n", FILE_NAME ":2: PCRs: "},
        {"[Registers]\nPCRs=\n", FILE_NAME ":2: PCRs: "},
        {"[Registers]\n\nPCRs=7 # Secure Boot\n", FILE_NAME ":3: PCRs: "},
        {"[Registers]\nPCRs=7\nPCRBank=sha1\n", FILE_NAME ":3: PCRBank: "},
        {"[Registers]\nPCRs=7\nPCRBank=\n", FILE_NAME ":3: PCRBank: "},
        {"[Registers]\nPCRs=7\nRTMRs=4\n", FILE_NAME ":3: RTMRs: "},
        {"[Registers]\nPCRs=7\nRTMRs=0+0\n", FILE_NAME ":3: RTMRs: "},
        {"[Registers]\nPCRs=7\nClaims=report_id\n", FILE_NAME ":3: Claims: "},
        {"[Registers]\nPCRs=7\nClaims=,\n", FILE_NAME ":3: Claims: "},
        {"[Registers]\nPCRs=7\nRequirePCRs=seven\n", FILE_NAME ":3: RequirePCRs: "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(pcr_cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsProfile) profile = parse(pcr_cases[i].text, &error);

        g_assert_null(profile);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_true(g_str_has_prefix(error->message, pcr_cases[i].start));
        g_assert_cmpuint(strlen(error->message), >, strlen(pcr_cases[i].start));
    }

    assert_refused("[Registers]\nAllowUnmeasured=1\nPCRs=7\n",
                   "2: AllowUnmeasured: \"1\" is not yes or no");
    assert_refused("[Registers]\nAllowUnmeasured=Yes\nPCRs=7\n",
                   "2: AllowUnmeasured: \"Yes\" is not yes or no");
    assert_refused("[Secrets]\nPIN=yes\n",
                   "2: PIN: \"yes\" is not optional, required or forbidden");
    assert_refused("[Secrets]\nRecoveryKey=\n",
                   "2: RecoveryKey: \"\" is not optional, required or forbidden");
    assert_refused("[Secrets]\nPINMinimumLength=0\n",
                   "2: PINMinimumLength: \"0\" is not a number from 1 to 32");
    assert_refused("[Secrets]\nPINMinimumLength=33\n",
                   "2: PINMinimumLength: \"33\" is not a number from 1 to 32");
    assert_refused("[Secrets]\nPINMinimumLength=8x\n",
                   "2: PINMinimumLength: \"8x\" is not a number from 1 to 32");
    assert_refused("[Secrets]\nPINMinimumLength=-1\n",
                   "2: PINMinimumLength: \"-1\" is not a number from 1 to 32");
    assert_refused("[Profile]\nDescription=a\\nb\n",
                   "2: Description: \"a?b\" is not one line of printable text");
    assert_refused(
        "[Profile]\nDescription=a\\qb\n",
        "2: Description: \"a\\qb\" is not text with valid escapes (\\s \\n \\t \\r \\\\)");
}

static void
test_whole(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = NULL;

    assert_refused("", "1: the key PCRs is missing in the group [Registers]");
    assert_refused("[Registers]\nRequirePCRs=7\n[TEE]\n",
                   "2: RequirePCRs: there is no key PCRs in the group [Registers]");
    assert_refused("# c\n[Secrets]\n[Registers]\nPCRBank=sha256\n",
                   "3: the key PCRs is missing in the group [Registers]");
    assert_refused("[Registers]\nRequirePCRs=7+2\nPCRs=0+7\n",
                   "2: RequirePCRs: PCR 2 is not among the PCRs of line 3");
    assert_refused("[Registers]\nPCRs=7+23\n",
                   "2: PCRs: PCR 23 can be reset by software; that needs AllowUnmeasured=yes");
    assert_refused("[Registers]\nPCRs=16\nAllowUnmeasured=no\n",
                   "2: PCRs: PCR 16 can be reset by software; that needs AllowUnmeasured=yes");
    profile = parse("[Registers]\nPCRs=16\nAllowUnmeasured=yes\n", &error);
    g_assert_no_error(error);
    g_assert_cmphex(profile->pcrs, ==, 1 << 16);
    g_clear_pointer(&profile, cvs_profile_unref);
    /* For reports alone. */
    profile = parse("[Collateral]\nCRL=required\n", &error);
    g_assert_no_error(error);
    g_assert_cmphex(profile->pcrs, ==, 0);
}

static void
test_bytes(void)
{
    static const char nul[] = "[Registers]\nPCRs=7\n\0\n";
    static const char latin1[] = "[Registers]\nPCRs=7\n# caf\xe9\n";
    g_autoptr(GError) error = NULL;
    g_autofree char *large = g_strnfill(CVS_PROFILE_SIZE_MAX + 1, '\n');
    g_autoptr(CvsProfile) profile = NULL;

    memcpy(large, "[Registers]\nPCRs=7\n", 19);

    /* As GBytes gives an empty file. */
    g_assert_null(cvs_profile_parse("x", "f", NULL, 0, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, "f:1: the key PCRs is missing in the group [Registers]");
    g_clear_error(&error);

    g_assert_null(cvs_profile_parse("x", "f", nul, sizeof nul - 1, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, "f:3: a NUL byte; a profile is text");
    g_clear_error(&error);

    g_assert_null(cvs_profile_parse("x", "f", latin1, sizeof latin1 - 1, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, "f:3: this is not UTF-8");
    g_clear_error(&error);

    g_assert_null(cvs_profile_parse("x", "f", large, CVS_PROFILE_SIZE_MAX + 1, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    g_clear_error(&error);
    profile = cvs_profile_parse("x", "f", large, CVS_PROFILE_SIZE_MAX, &error);
    g_assert_no_error(error);
    g_assert_nonnull(profile);
}

/* Every byte of a good profile changed to every other, and every length: an answer, never a crash,
 * and an error if and only if there is no profile. */
static void
test_every_change(void)
{
    static const char good[] = "[Profile]\nDescription=a\\sb\n[Registers]\nPCRs=0+7\n"
                               "RequirePCRs=7\n[Secrets]\nPIN=optional\nPINMinimumLength=6\n";

    for (gsize at = 0; at < sizeof good - 1; at++) {
        for (guint byte = 0; byte < 256; byte++) {
            g_autofree char *text = g_memdup2(good, sizeof good - 1);
            g_autoptr(GError) error = NULL;
            g_autoptr(CvsProfile) profile = NULL;

            text[at] = (char)byte;
            profile = cvs_profile_parse("x", "f", text, sizeof good - 1, &error);
            g_assert_true((profile == NULL) == (error != NULL));
        }
        {
            g_autofree char *cut = g_memdup2(good, at + 1);
            g_autoptr(GError) error = NULL;
            g_autoptr(CvsProfile) profile = cvs_profile_parse("x", "f", cut, at, &error);

            g_assert_true((profile == NULL) == (error != NULL));
        }
    }
}

static void
test_names(void)
{
    g_autofree char *longest = g_strnfill(64, 'a');
    g_autofree char *too_long = g_strnfill(65, 'a');

    g_assert_true(cvs_profile_name_is_valid("default"));
    g_assert_true(cvs_profile_name_is_valid("A-b_c.9"));
    g_assert_true(cvs_profile_name_is_valid(longest));
    g_assert_false(cvs_profile_name_is_valid(too_long));
    g_assert_false(cvs_profile_name_is_valid(""));
    g_assert_false(cvs_profile_name_is_valid("."));
    g_assert_false(cvs_profile_name_is_valid(".."));
    g_assert_false(cvs_profile_name_is_valid(".hidden"));
    g_assert_false(cvs_profile_name_is_valid("a/b"));
    g_assert_false(cvs_profile_name_is_valid("../a"));
    g_assert_false(cvs_profile_name_is_valid("a b"));
    g_assert_false(cvs_profile_name_is_valid("a@b"));
    g_assert_false(cvs_profile_name_is_valid("\xc3\xa9"));
}

static void
test_ref(void)
{
    g_autoptr(GError) error = NULL;
    CvsProfile *profile = parse("[Registers]\nPCRs=7\n", &error);
    CvsProfile *second = cvs_profile_ref(profile);

    g_assert_true(second == profile);
    cvs_profile_unref(profile);
    g_assert_cmpstr(second->name, ==, "x");
    cvs_profile_unref(second);
    cvs_profile_unref(NULL);
}

typedef struct {
    char *root;
    char *admin;
    char *shipped;
    const char *folders[3];
} Folders;

static void
folders_set_up(Folders *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->root = g_dir_make_tmp("cvmseal-profile-XXXXXX", &error);
    g_assert_no_error(error);
    f->admin = g_build_filename(f->root, "etc", NULL);
    f->shipped = g_build_filename(f->root, "lib", NULL);
    g_assert_cmpint(g_mkdir(f->admin, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(f->shipped, 0700), ==, 0);
    f->folders[0] = f->admin;
    f->folders[1] = f->shipped;
}

static void
folders_tear_down(Folders *f, gconstpointer data)
{
    const char *const folders[] = {f->admin, f->shipped, f->root};

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autoptr(GDir) dir = g_dir_open(folders[i], 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
            g_autofree char *path = g_build_filename(folders[i], name, NULL);

            (void)g_remove(path);
        }
        (void)g_rmdir(folders[i]);
    }
    g_free(f->root);
    g_free(f->admin);
    g_free(f->shipped);
}

static void
put(const char *folder, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_load_order(Folders *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    put(f->shipped, "default.policy", "[Registers]\nPCRs=7\n[Secrets]\nPIN=required\n");
    {
        g_autoptr(CvsProfile) profile = cvs_profile_load(f->folders, "default", &error);

        g_assert_no_error(error);
        g_assert_cmpstr(profile->name, ==, "default");
        g_assert_cmphex(profile->pcrs, ==, 1 << 7);
        g_assert_cmpint(profile->pin, ==, CVS_PROFILE_REQUIRED);
    }
    /* The administrator's file is the whole profile: the PIN of the other is gone. */
    put(f->admin, "default.policy", "[Registers]\nPCRs=0\n");
    {
        g_autoptr(CvsProfile) profile = cvs_profile_load(f->folders, "default", &error);

        g_assert_no_error(error);
        g_assert_cmphex(profile->pcrs, ==, 1 << 0);
        g_assert_cmpint(profile->pin, ==, CVS_PROFILE_OPTIONAL);
    }
}

/* What has the same bytes is not parsed again; what has not is, whatever its size and times say. */
static void
test_load_again(Folders *f, gconstpointer data)
{
    static const char seven[] = "[Registers]\nPCRs=7\n", four[] = "[Registers]\nPCRs=4\n";
    g_autofree char *path = g_build_filename(f->admin, "site.policy", NULL);
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    g_autoptr(CvsProfile) first = NULL;
    g_autoptr(CvsProfile) other = NULL;
    g_autoptr(GError) error = NULL;

    put(f->admin, "site.policy", seven);
    put(f->admin, "other.policy", seven);
    first = cvs_profile_load(f->folders, "site", &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 4; i++) {
        g_autoptr(CvsProfile) same = cvs_profile_load(f->folders, "site", &error);

        g_assert_true(same == first);
    }
    for (guint i = 0; i < 4; i++) {
        const char *text = i % 2 == 0 ? four : seven;
        FILE *file = fopen(path, "r+e"); /* in place: the same inode */
        g_autoptr(CvsProfile) changed = NULL;

        g_assert_nonnull(file);
        g_assert_cmpint(fputs(text, file), >=, 0);
        g_assert_cmpint(fclose(file), ==, 0);
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
        changed = cvs_profile_load(f->folders, "site", &error);
        g_assert_no_error(error);
        g_assert_cmphex(changed->pcrs, ==, i % 2 == 0 ? 1 << 4 : 1 << 7);
    }
    other = cvs_profile_load(f->folders, "other", &error);
    g_assert_cmpstr(other->name, ==, "other");
    put(f->admin, "site.policy", "PCRs=7\n");
    g_assert_null(cvs_profile_load(f->folders, "site", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

static void
test_load_missing(Folders *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_strdup_printf(
        "there is no profile \"site\": no site.policy in %s, %s", f->admin, f->shipped);

    g_assert_null(cvs_profile_load(f->folders, "site", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, wanted);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PROFILE_MISSING));
    g_clear_error(&error);

    /* A folder that is not there is an empty one. */
    f->folders[0] = "/nonexistent/policies";
    put(f->shipped, "site.policy", "[Registers]\nPCRs=7\n");
    {
        g_autoptr(CvsProfile) profile = cvs_profile_load(f->folders, "site", &error);

        g_assert_no_error(error);
        g_assert_nonnull(profile);
    }
}

static void
test_load_name(Folders *f, gconstpointer data)
{
    static const char *const names[] = {"../lib/site", "", ".site", "site/../site"};

    put(f->shipped, "site.policy", "[Registers]\nPCRs=7\n");
    put(f->shipped, ".site.policy", "[Registers]\nPCRs=7\n");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_profile_load(f->folders, names[i], &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_false(cvs_error_has_reason(error, CVS_REASON_PROFILE_MISSING));
    }
}

/* A bad file of the administrator's is an error; the shipped one does not stand in for it. */
static void
test_load_bad(Folders *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->admin, "site.policy", NULL);
    g_autofree char *target = g_build_filename(f->shipped, "site.policy", NULL);
    g_autofree char *wanted =
        g_strconcat(path, ":1: the key PCRs is missing in the group [Registers]", NULL);
    g_autofree char *large = g_strnfill(CVS_PROFILE_SIZE_MAX + 1, '\n');
    g_autoptr(GError) error = NULL;

    put(f->shipped, "site.policy", "[Registers]\nPCRs=7\n");

    put(f->admin, "site.policy", "");
    g_assert_null(cvs_profile_load(f->folders, "site", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, wanted);
    g_clear_error(&error);

    put(f->admin, "site.policy", large);
    g_assert_null(cvs_profile_load(f->folders, "site", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    g_assert_nonnull(strstr(error->message, f->admin));
    g_clear_error(&error);

    g_assert_cmpint(g_remove(path), ==, 0);
    g_assert_cmpint(symlink(target, path), ==, 0);
    g_assert_null(cvs_profile_load(f->folders, "site", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);

    g_assert_cmpint(g_remove(path), ==, 0);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_null(cvs_profile_load(f->folders, "site", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

/* Our own parse, have a description, and explain each key in a comment above it. */
static void
test_shipped(void)
{
    static const struct {
        const char *name;
        guint32 pcrs;
    } shipped[] = {
        {CVS_PROFILE_DEFAULT, 1 << 0 | 1 << 2 | 1 << 4 | 1 << 7},
        {"unattested", 1 << 7},
    };
    g_autofree char *folder = g_build_filename(g_getenv("CVS_SOURCE_ROOT"), "policies", NULL);
    const char *const folders[] = {folder, NULL};

    for (gsize i = 0; i < G_N_ELEMENTS(shipped); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsProfile) profile = cvs_profile_load(folders, shipped[i].name, &error);
        g_autofree char *file = g_strdup_printf("%s/%s.policy", folder, shipped[i].name);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        gboolean commented = FALSE;

        g_assert_no_error(error);
        g_assert_cmpstr(profile->description, !=, "");
        g_assert_false(profile->allow_unmeasured);
        g_assert_cmphex(profile->pcrs, ==, shipped[i].pcrs);
        g_assert_cmpint(profile->bank, ==, CVS_SHA256);

        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (guint l = 0; lines[l]; l++) {
            if (strchr(lines[l], '=') && lines[l][0] != '#')
                g_assert_true(commented);
            commented = lines[l][0] == '#';
        }
    }
}

/* The part of the shipped profile that is commented out would be one, but for the values that are
 * shortened. */
static void
test_shipped_comments(void)
{
    g_autofree char *file =
        g_build_filename(g_getenv("CVS_SOURCE_ROOT"), "policies", "default.policy", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GString) profile_text = g_string_new("[Registers]\nPCRs=7\n");
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = NULL;

    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (g_regex_match_simple("^#(\\[\\w+\\]$|[A-Z][\\w.]+=)", lines[i], 0, 0) &&
            strstr(lines[i], "...") == NULL)
            g_string_append_printf(profile_text, "%s\n", lines[i] + 1);
    }
    profile = parse(profile_text->str, &error);
    g_assert_no_error(error);
    g_assert_true(profile->tee.rules[CVS_TEE_TCB_TURIN].given);
    g_assert_cmpint(cvs_tee_rules_grace(&profile->tee), ==, 30 * 86400);
}

/* An example of the page, without roff's escapes. */
static CvsProfile *
parse_example(const char *start)
{
    const char *text = strchr(start, '[');
    g_autofree char *raw = g_strndup(text, (gsize)(strstr(text, ".fi\n") - text));
    g_auto(GStrv) parts = g_strsplit(raw, "\\-", -1);
    g_autofree char *example = g_strjoinv("-", parts);
    g_autoptr(GError) error = NULL;
    CvsProfile *profile = parse(example, &error);

    g_assert_no_error(error);
    return profile;
}

/* The example of cvmseal.policy(5) is a profile, and says what the text above it says. */
static void
test_manual(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_build_filename(g_getenv("CVS_SOURCE_ROOT"), "contrib", "man",
                                             "cvmseal.policy.5.in", NULL);
    g_autofree char *text = NULL;
    static const char begin[] = ".\\\" example: begin\n.nf\n";
    const char *start;
    const char *next;

    g_assert_true(g_file_get_contents(file, &text, NULL, &error));
    g_assert_no_error(error);
    start = strstr(text, begin);
    g_assert_nonnull(start);
    next = strstr(start + 1, begin);
    g_assert_nonnull(next);
    {
        g_autoptr(CvsProfile) profile = parse_example(start);

        g_assert_cmpint(profile->pin, ==, CVS_PROFILE_REQUIRED);
        g_assert_cmphex(profile->required_pcrs, ==, 1 << 7 | 1 << 11);
        g_assert_false(profile->tee.present);
    }
    {
        g_autoptr(CvsProfile) profile = parse_example(next);
        const CvsTeeRules *tee = &profile->tee;

        g_assert_true(cvs_tee_rules_take_type(tee, "snp"));
        g_assert_false(cvs_tee_rules_take_type(tee, "tdx"));
        g_assert_cmpuint(strlen(tee->rules[CVS_TEE_MEASUREMENTS].list[0]), ==, 96);
        g_assert_cmpint(tee->rules[CVS_TEE_TCB_MILAN].levels[CVS_TEE_LEVEL_MICROCODE], ==, 219);
        g_assert_cmpstr(tee->rules[CVS_TEE_REQUIRE_PLATFORM].list[0], ==, "alias-check-complete");
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/profile/full", test_full);
    g_test_add_func("/profile/defaults", test_defaults);
    g_test_add_func("/profile/values", test_values);
    g_test_add_func("/profile/same-as-glib", test_same_as_glib);
    g_test_add_func("/profile/lines", test_lines);
    g_test_add_func("/profile/unknown", test_unknown);
    g_test_add_func("/profile/twice", test_twice);
    g_test_add_func("/profile/bad-values", test_bad_values);
    g_test_add_func("/profile/whole", test_whole);
    g_test_add_func("/profile/bytes", test_bytes);
    g_test_add_func("/profile/every-change", test_every_change);
    g_test_add_func("/profile/names", test_names);
    g_test_add_func("/profile/ref", test_ref);
#define FOLDERS(path, function)                                                                    \
    g_test_add(path, Folders, NULL, folders_set_up, function, folders_tear_down)
    FOLDERS("/profile/load/order", test_load_order);
    FOLDERS("/profile/load/again", test_load_again);
    FOLDERS("/profile/load/missing", test_load_missing);
    FOLDERS("/profile/load/name", test_load_name);
    FOLDERS("/profile/load/bad", test_load_bad);
    g_test_add_func("/profile/shipped", test_shipped);
    g_test_add_func("/profile/shipped-comments", test_shipped_comments);
    g_test_add_func("/profile/manual", test_manual);
    return g_test_run();
}
