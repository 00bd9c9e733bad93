/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/daemon-config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "ctl/cli.h"
#include "ctl/local-attester.h"
#include "ctl/progress.h"
#include "policy/profile-edit.h"
#include "policy/profile-format.h"

#include <string.h>
#include <sys/stat.h>

#define MEASUREMENT_SIZE 48

static char *measurement_text;
static char *store_dir;
static char *roots_dir;

static const GOptionEntry entries[] = {
    {"measurement", 0, 0, G_OPTION_ARG_STRING, &measurement_text,
     "pin: list this one in place of this machine's, and attest nothing", "HEX"},
    {"store", 0, 0, G_OPTION_ARG_FILENAME, &store_dir,
     "pin: the collateral store, default " CVS_STATE_DIR "/collateral", "DIR"},
    {"roots", 0, 0, G_OPTION_ARG_FILENAME, &roots_dir, "pin: test roots", "DIR"},
    {NULL},
};

/* A profile as it is installed. */
typedef struct {
    char *name;
    char *folder;
    char *file; /* the path */
    char *text;
    CvsProfile *profile;
} Installed;

static void
installed_clear(Installed *installed)
{
    g_free(installed->name);
    g_free(installed->folder);
    g_free(installed->file);
    g_free(installed->text);
    g_clear_pointer(&installed->profile, cvs_profile_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Installed, installed_clear)

/* The folders, most important first: the first one is the administrator's. */
static void
get_folders(const CvsCli *cli, const char *folders[static 3])
{
    const char *const *usual = cvs_config_profile_folders();

    folders[0] = cli->options.policies ? cli->options.policies : usual[0];
    folders[1] = cli->options.policies ? NULL : usual[1];
    folders[2] = NULL;
}

/* In one folder; FALSE without an error if it is not there. */
static gboolean
read_from(Installed *installed, const char *folder, GError **error)
{
    g_autofree char *base = g_strconcat(installed->name, ".policy", NULL);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(folder, FALSE, 0, &local);

    if (dir >= 0)
        bytes = cvs_file_read(dir, base, CVS_PROFILE_SIZE_MAX, &local);
    if (bytes) {
        installed->folder = g_strdup(folder);
        installed->file = g_build_filename(folder, base, NULL);
        installed->text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    } else if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY)) {
        g_propagate_prefixed_error(error, g_steal_pointer(&local), "profile in %s: ", folder);
    }
    return bytes != NULL;
}

static gboolean
find_profile(const CvsCli *cli, const char *name, Installed *installed, GError **error)
{
    const char *folders[3];
    g_autoptr(GError) local = NULL;

    get_folders(cli, folders);
    /* What is wrong with it, or with its name, it says better. */
    installed->profile = cvs_profile_load(folders, name, error);
    if (installed->profile == NULL)
        return FALSE;
    installed->name = g_strdup(name);
    for (guint i = 0; folders[i] && installed->text == NULL && local == NULL; i++)
        (void)read_from(installed, folders[i], &local);
    if (installed->text)
        return TRUE;
    if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_set_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR, "%s.policy is gone", name);
    return FALSE;
}

static gboolean
run_show(CvsCli *cli, const char *name, GError **error)
{
    g_auto(Installed) installed = {0};
    g_autofree char *profile_text = NULL;
    g_autofree char *file = NULL;
    g_autofree char *text = NULL;
    g_autoptr(json_t) json = NULL;
    json_t *groups = NULL, *defaults = NULL;

    if (!find_profile(cli, name, &installed, error))
        return FALSE;
    file = cvs_text_safe(installed.file);
    if (cli->options.json) {
        groups = cvs_profile_to_json(installed.profile, &defaults);
        json = json_pack("{s:s, s:s, s:o, s:o}", "name", name, "file", file, "profile", groups,
                         "defaults", defaults);
        return cvs_cli_print_json(cli, json, error);
    }
    profile_text = cvs_profile_format(installed.profile);
    text = g_strdup_printf("# %s\n\n%s", file, profile_text);
    return cvs_cli_print(cli, text, error);
}

static gboolean
run_check(CvsCli *cli, const char *file, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_file_read_path(file, CVS_PROFILE_SIZE_MAX, error);
    g_autoptr(CvsProfile) profile = NULL;
    g_autofree char *safe = NULL;
    g_autofree char *text = NULL;
    g_autoptr(json_t) json = NULL;

    if (bytes == NULL)
        return FALSE;
    profile = cvs_profile_parse("(checked)", file, g_bytes_get_data(bytes, NULL),
                                g_bytes_get_size(bytes), error);
    if (profile == NULL)
        return FALSE;
    safe = cvs_text_safe(file);
    if (cli->options.json) {
        json = json_pack("{s:s, s:b}", "file", safe, "good", TRUE);
        return cvs_cli_print_json(cli, json, error);
    }
    text = g_strdup_printf("%s is a profile.\n", safe);
    return cvs_cli_print(cli, text, error);
}

/* What is to be pinned, and from where it is known. */
typedef struct {
    char *measurement;
    CvsLocalAttester *local; /* NULL: it was named */
    char *kind;              /* of the vTPM; NULL: likewise */
} Pin;

static void
pin_clear(Pin *pin)
{
    g_free(pin->measurement);
    g_free(pin->kind);
    g_clear_pointer(&pin->local, cvs_local_attester_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pin, pin_clear)

static gboolean
take_measurement(Pin *pin, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_hex_decode(measurement_text, -1, NULL);

    if (bytes == NULL || g_bytes_get_size(bytes) != MEASUREMENT_SIZE) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "--measurement: not 48 bytes in hexadecimal digits");
        return FALSE;
    }
    pin->measurement = cvs_hex_encode(g_bytes_get_data(bytes, NULL), MEASUREMENT_SIZE);
    return TRUE;
}

/* The machine is refused for nothing but that its measurement is not listed. */
static gboolean
lacks_only_listing(const GError *refusal)
{
    static const char *const codes[] = {CVS_REASON_MEASUREMENT_UNLISTED, CVS_REASON_SVSM_UNLISTED,
                                        CVS_REASON_PARAVISOR_UNLISTED, NULL};
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);

    for (guint i = 0; reasons && i < reasons->len; i++) {
        if (!g_strv_contains(codes, ((const CvsReason *)g_ptr_array_index(reasons, i))->code))
            return FALSE;
    }
    return reasons && reasons->len > 0;
}

static gint64
now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

static gboolean
attest(const CvsCli *cli, const CvsProfile *profile, Pin *pin, GError **error)
{
    g_autoptr(CvsProgress) progress = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) local = NULL;
    const char *measurement = NULL;

    pin->local = cvs_local_attester_new(cli, store_dir, roots_dir, error);
    if (pin->local == NULL)
        return FALSE;
    progress = cvs_progress_start("Asking TEE and TPM");
    (void)cvs_attester_appraise(pin->local->attester, profile, now(), &claims, &local);
    cvs_progress_silence(progress);
    if (local && !lacks_only_listing(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    measurement = json_string_value(json_object_get(claims, "tee.measurement"));
    if (measurement == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "this machine has no TEE, and so no measurement");
        return FALSE;
    }
    pin->measurement = g_strdup(measurement);
    return TRUE;
}

static gboolean
takes(const CvsProfile *profile, const char *kind)
{
    const CvsTeeRule *kinds = &profile->tee.rules[CVS_TEE_VTPM_KINDS];

    return !kinds->given || g_strv_contains((const char *const *)kinds->list, kind);
}

/* Whoever may choose the report data of a listed measurement can pass for any SVSM or paravisor. */
static gboolean
check_kind(const CvsProfile *profile, const Pin *pin, GError **error)
{
    static const char *const vouching[] = {"svsm", "azure", "vtpm-td"};

    for (gsize i = 0; g_strcmp0(pin->kind, "host") == 0 && i < G_N_ELEMENTS(vouching); i++) {
        if (takes(profile, vouching[i])) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "nothing vouches for this machine's TPM, and the profile takes %s too: "
                        "with its measurement on the list, this guest could pass itself off as "
                        "one; use a profile of its own, with Kinds=host",
                        vouching[i]);
            return FALSE;
        }
    }
    return TRUE;
}

/* The profile as it would be accepts this machine, wholly. */
static gboolean
check_outcome(const CvsProfile *profile, Pin *pin, GError **error)
{
    g_autoptr(json_t) claims = NULL;

    if (pin->local == NULL)
        return TRUE;
    if (!cvs_attester_appraise(pin->local->attester, profile, now(), &claims, error)) {
        g_prefix_error(error, "with its measurement on the list: ");
        return FALSE;
    }
    pin->kind = g_strdup(json_string_value(json_object_get(claims, "vtpm.kind")));
    return check_kind(profile, pin, error);
}

/* Into the administrator's folder; a file there keeps its mode. */
static gboolean
write_profile(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *base = g_strconcat(name, ".policy", NULL);
    g_autofree char *path = g_build_filename(folder, base, NULL);
    CVS_AUTO_FD int dir = cvs_dir_open(folder, TRUE, 0755, error);
    struct stat st = {0};
    mode_t mode = lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_mode & 0777 : 0644;

    return dir >= 0 &&
           cvs_file_write(dir, base, text, strlen(text), mode, CVS_WRITE_REPLACE, error);
}

static gboolean
tell(CvsCli *cli, const Installed *from, const CvsProfile *profile, const char *file,
     const Pin *pin, gboolean added, gboolean copied, GError **error)
{
    g_autofree char *safe = cvs_text_safe(file);
    g_autofree char *origin = cvs_text_safe(from->file);
    g_autoptr(json_t) json = NULL;
    GString *text = NULL;
    g_autofree char *whole = NULL;

    if (cli->options.json) {
        json = json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", from->name, "file", safe,
                         "measurement", pin->measurement, "added", added, "copied", copied);
        if (pin->kind)
            (void)json_object_set_new(json, "kind", json_string(pin->kind));
        return cvs_cli_print_json(cli, json, error);
    }
    text = g_string_new(NULL);
    if (copied)
        g_string_append_printf(text, "%s is a copy of %s now.\n", safe, origin);
    if (added)
        g_string_append_printf(text, "%s lists the measurement %s, beside what it listed before.\n",
                               safe, pin->measurement);
    else
        g_string_append_printf(text, "%s lists the measurement %s already.\n", safe,
                               pin->measurement);
    if (added && (g_strcmp0(pin->kind, "svsm") == 0 || g_strcmp0(pin->kind, "azure") == 0))
        g_string_append_printf(text,
                               "From now on the %s of this machine is trusted, whoever chose it.\n",
                               g_str_equal(pin->kind, "svsm") ? "SVSM" : "paravisor");
    /* Nobody has looked at what it is the measurement of. */
    if (pin->local == NULL && (takes(profile, "svsm") || takes(profile, "azure")))
        g_string_append(text, "Whatever has this measurement is trusted to vouch for a TPM: pin "
                              "none of a guest that is no SVSM and no paravisor, which could pass "
                              "itself off as one.\n");
    whole = g_string_free(text, FALSE);
    return cvs_cli_print(cli, whole, error);
}

static gboolean
run_pin(CvsCli *cli, const char *name, GError **error)
{
    const char *folders[3];
    g_auto(Installed) installed = {0};
    g_auto(Pin) pin = {0};
    g_autoptr(CvsProfile) changed = NULL;
    g_autofree char *text = NULL;
    g_autofree char *base = g_strconcat(name, ".policy", NULL);
    g_autofree char *file = NULL;
    gboolean added = FALSE, copied = FALSE;

    get_folders(cli, folders);
    file = g_build_filename(folders[0], base, NULL);
    if (!find_profile(cli, name, &installed, error) ||
        !(measurement_text ? take_measurement(&pin, error)
                           : attest(cli, installed.profile, &pin, error)))
        return FALSE;
    text = cvs_profile_add_measurement(installed.text, pin.measurement, &added);
    changed = cvs_profile_parse(name, file, text, strlen(text), error);
    if (changed == NULL || !check_outcome(changed, &pin, error))
        return FALSE;
    copied = added && !g_str_equal(installed.folder, folders[0]);
    if (added && !write_profile(folders[0], name, text, error))
        return FALSE;
    return tell(cli, &installed, changed, added ? file : installed.file, &pin, added, copied,
                error);
}

static gboolean
run(CvsCli *cli, char **words, GError **error)
{
    guint n = g_strv_length(words) - 1;

    if (g_str_equal(words[0], "show") && n <= 1) {
        cli->doing = g_strdup("show the profile");
        return run_show(cli, n == 1 ? words[1] : CVS_PROFILE_DEFAULT, error);
    }
    if (g_str_equal(words[0], "check") && n == 1) {
        cli->doing = g_strdup("check the profile");
        return run_check(cli, words[1], error);
    }
    if (g_str_equal(words[0], "pin") && n == 1) {
        cli->doing = g_strdup("pin the measurement");
        return run_pin(cli, words[1], error);
    }
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "it is policy show [NAME], policy check FILE, or policy pin NAME; "
                        "\"cvmseal policy --help\" tells more");
    return FALSE;
}

const CvsCommand cvs_cmd_policy = {
    .name = "policy",
    .usage =
        {
            .program = "cvmseal policy",
            .words = "show [NAME]|check FILE|pin NAME",
            .summary = "Show and check profiles, and list this machine in one",
            .description =
                "show prints all that holds in a profile; what only a default says is behind a #.\n"
                "check reads a file as the daemon would, and names the line that is wrong.\n"
                "pin attests this machine, which needs root, and adds its measurement to\n"
                "Measurements= of the administrator's profile; a shipped one is copied first.\n"
                "Nothing else is changed, and nothing at all if the profile refuses the machine\n"
                "for anything but that it is not listed.\n"
                "\n"
                "With --json, show gives {\"name\", \"file\", \"profile\": {GROUP: {KEY: VALUE}},\n"
                "\"defaults\": [\"GROUP.KEY\"]}, check {\"file\", \"good\"}, and pin {\"name\", "
                "\"file\",\n"
                "\"measurement\", \"kind\", \"added\", \"copied\"}.\n"
                "\n"
                "Exit codes: 0 done, 2 usage, 3 refused, 5 a profile is malformed.\n",
            .entries = entries,
            .min_words = 1,
            .max_words = 2,
        },
    .local = TRUE,
    .run = run,
};
