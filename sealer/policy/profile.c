/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/profile.h"
#include "base/error.h"
#include "base/file.h"
#include "policy/pinnable.h"
#include "policy/value.h"

#include <string.h>

#define NAME_MAX_BYTES 64
#define SUFFIX ".policy"
#define PIN_MINIMUM_LENGTH_DEFAULT 4
/* The TPM takes as many bytes of authorisation as the object's name algorithm has, SHA-256. */
#define PIN_MINIMUM_LENGTH_MAX 32

CvsProfile *
cvs_profile_ref(CvsProfile *profile)
{
    g_atomic_ref_count_inc(&profile->refs);
    return profile;
}

void
cvs_profile_unref(CvsProfile *profile)
{
    if (profile == NULL || !g_atomic_ref_count_dec(&profile->refs))
        return;
    g_free(profile->name);
    g_free(profile->description);
    g_strfreev(profile->claims);
    cvs_tee_rules_clear(&profile->tee);
    g_free(profile);
}

/* With the default of each key. */
static CvsProfile *
profile_new(const char *name)
{
    CvsProfile *profile = g_new0(CvsProfile, 1);

    g_atomic_ref_count_init(&profile->refs);
    profile->name = g_strdup(name);
    profile->description = g_strdup("");
    profile->bank = CVS_SHA256;
    profile->pin_min_length = PIN_MINIMUM_LENGTH_DEFAULT;
    return profile;
}

CvsProfile *
cvs_profile_strict_new(void)
{
    CvsProfile *profile = profile_new("(built-in)");

    /* Whoever judges a report without a profile has named its roots himself. */
    cvs_tee_rules_allow_test_roots(&profile->tee);
    profile->tee.rules[CVS_TEE_GRACE] = (CvsTeeRule){.given = TRUE, .number = 0};
    return profile;
}

gboolean
cvs_profile_name_is_valid(const char *name)
{
    gsize length =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return length > 0 && length <= NAME_MAX_BYTES && name[length] == '\0' && name[0] != '.';
}

static gboolean
parse_rule(const char *value, CvsProfileRule *ret, GError **error)
{
    if (g_str_equal(value, "optional"))
        *ret = CVS_PROFILE_OPTIONAL;
    else if (g_str_equal(value, "required"))
        *ret = CVS_PROFILE_REQUIRED;
    else if (g_str_equal(value, "forbidden"))
        *ret = CVS_PROFILE_FORBIDDEN;
    else
        return cvs_value_bad(error, value, "optional, required or forbidden");
    return TRUE;
}

static gboolean
parse_description(CvsProfile *profile, const char *value, GError **error)
{
    /* It is shown in terminals. */
    for (const char *p = value; *p; p = g_utf8_next_char(p))
        if (!g_unichar_isprint(g_utf8_get_char(p)))
            return cvs_value_bad(error, value, "one line of printable text");
    g_free(profile->description);
    profile->description = g_strdup(value);
    return TRUE;
}

static gboolean
parse_pcrs(CvsProfile *profile, const char *value, GError **error)
{
    return cvs_pcr_mask_parse(value, &profile->pcrs, error);
}

static gboolean
parse_bank(CvsProfile *profile, const char *value, GError **error)
{
    return cvs_pcr_bank_parse(value, &profile->bank, error);
}

static gboolean
parse_required_pcrs(CvsProfile *profile, const char *value, GError **error)
{
    if (*value == '\0') {
        profile->required_pcrs = 0;
        return TRUE;
    }
    return cvs_pcr_mask_parse(value, &profile->required_pcrs, error);
}

static gboolean
parse_rtmrs(CvsProfile *profile, const char *value, GError **error)
{
    if (*value == '\0') {
        profile->rtmrs = 0;
        return TRUE;
    }
    return cvs_rtmr_mask_parse(value, &profile->rtmrs, error);
}

static gboolean
parse_claims(CvsProfile *profile, const char *value, GError **error)
{
    if (*value == '\0')
        return TRUE;
    profile->claims = cvs_pinnable_parse(value, error);
    return profile->claims != NULL;
}

static gboolean
parse_allow_unmeasured(CvsProfile *profile, const char *value, GError **error)
{
    return cvs_value_boolean(value, &profile->allow_unmeasured, error);
}

static gboolean
parse_pin(CvsProfile *profile, const char *value, GError **error)
{
    return parse_rule(value, &profile->pin, error);
}

static gboolean
parse_pin_minimum_length(CvsProfile *profile, const char *value, GError **error)
{
    guint64 length;

    if (!g_ascii_string_to_unsigned(value, 10, 1, PIN_MINIMUM_LENGTH_MAX, &length, NULL))
        return cvs_value_bad(error, value,
                             "a number from 1 to " G_STRINGIFY(PIN_MINIMUM_LENGTH_MAX));
    profile->pin_min_length = (guint)length;
    return TRUE;
}

static gboolean
parse_recovery(CvsProfile *profile, const char *value, GError **error)
{
    return parse_rule(value, &profile->recovery, error);
}

static gboolean
parse_derived_key(CvsProfile *profile, const char *value, GError **error)
{
    return parse_rule(value, &profile->derived_key, error);
}

/* The groups of the table below; behind them come those of tee-rules.h. */
static const char *const groups[] = {"Profile", "Registers", "Secrets"};

#define N_OWN_GROUPS G_N_ELEMENTS(groups)
#define N_GROUPS (N_OWN_GROUPS + CVS_TEE_N_GROUPS)

enum {
    KEY_DESCRIPTION,
    KEY_PCRS,
    KEY_BANK,
    KEY_REQUIRED_PCRS,
    KEY_RTMRS,
    KEY_CLAIMS,
    KEY_ALLOW_UNMEASURED,
    KEY_PIN,
    KEY_PIN_MINIMUM_LENGTH,
    KEY_RECOVERY,
    KEY_DERIVED_KEY,
    N_KEYS
};

static const struct {
    guint group;
    const char *name;
    gboolean (*parse)(CvsProfile *profile, const char *value, GError **error);
} keys[N_KEYS] = {
    [KEY_DESCRIPTION] = {0, "Description", parse_description},
    [KEY_PCRS] = {1, "PCRs", parse_pcrs},
    [KEY_BANK] = {1, "PCRBank", parse_bank},
    [KEY_REQUIRED_PCRS] = {1, "RequirePCRs", parse_required_pcrs},
    [KEY_RTMRS] = {1, "RTMRs", parse_rtmrs},
    [KEY_CLAIMS] = {1, "Claims", parse_claims},
    [KEY_ALLOW_UNMEASURED] = {1, "AllowUnmeasured", parse_allow_unmeasured},
    [KEY_PIN] = {2, "PIN", parse_pin},
    [KEY_PIN_MINIMUM_LENGTH] = {2, "PINMinimumLength", parse_pin_minimum_length},
    [KEY_RECOVERY] = {2, "RecoveryKey", parse_recovery},
    [KEY_DERIVED_KEY] = {2, "DerivedKey", parse_derived_key},
};

/* What is known while the lines go by; line numbers start at 1, 0 is "not seen". */
typedef struct {
    CvsProfile *profile;
    const char *file;
    guint line;
    guint group; /* N_GROUPS before the first */
    guint group_line[N_GROUPS];
    guint key_line[N_KEYS + CVS_TEE_N_KEYS];
} Scan;

static const char *
group_name(guint group)
{
    return group < N_OWN_GROUPS ? groups[group]
                                : cvs_tee_group_name((CvsTeeGroup)(group - N_OWN_GROUPS));
}

static guint
key_group(guint key)
{
    return key < N_KEYS ? keys[key].group
                        : (guint)(N_OWN_GROUPS + cvs_tee_key_group((CvsTeeKey)(key - N_KEYS)));
}

static const char *
key_name(guint key)
{
    return key < N_KEYS ? keys[key].name : cvs_tee_key_name((CvsTeeKey)(key - N_KEYS));
}

static gboolean
key_parse(guint key, CvsProfile *profile, const char *value, GError **error)
{
    return key < N_KEYS
               ? keys[key].parse(profile, value, error)
               : cvs_tee_rules_parse(&profile->tee, (CvsTeeKey)(key - N_KEYS), value, error);
}

static void set_error_at(GError **error, const Scan *scan, guint line, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static void
set_error_at(GError **error, const Scan *scan, guint line, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s:%u: %s", scan->file, line, message);
}

static gboolean
scan_group(Scan *scan, const char *name, GError **error)
{
    g_autofree char *quoted = NULL;

    for (guint i = 0; i < N_GROUPS; i++) {
        if (!g_str_equal(name, group_name(i)))
            continue;
        if (scan->group_line[i] != 0) {
            set_error_at(error, scan, scan->line, "the group [%s] is there already, in line %u",
                         name, scan->group_line[i]);
            return FALSE;
        }
        scan->group = i;
        scan->group_line[i] = scan->line;
        scan->profile->tee.present |= i >= N_OWN_GROUPS;
        return TRUE;
    }
    quoted = cvs_value_quote(name);
    set_error_at(error, scan, scan->line,
                 "unknown group %s; there are [Profile], [Registers], [Secrets], [TEE], [SNP], "
                 "[TDX], [Collateral] and [vTPM]",
                 quoted);
    return FALSE;
}

/* The value as GKeyFile reads it: its escapes are the format's, not ours. */
static char *
unescape(const char *raw, GError **error)
{
    g_autoptr(GKeyFile) file = NULL;
    g_autoptr(GError) local = NULL;
    g_autofree char *value = NULL;

    if (strchr(raw, '\\') == NULL)
        return g_strdup(raw);
    file = g_key_file_new();
    g_key_file_set_value(file, "g", "k", raw);
    value = g_key_file_get_string(file, "g", "k", &local);
    /* With an error it can still give a string. */
    if (local) {
        cvs_value_bad(error, raw, "text with valid escapes (\\s \\n \\t \\r \\\\)");
        return NULL;
    }
    return g_steal_pointer(&value);
}

static gboolean
scan_key(Scan *scan, const char *name, const char *raw, GError **error)
{
    g_autofree char *quoted = NULL;
    g_autofree char *value = NULL;
    g_autoptr(GError) local = NULL;

    if (scan->group == N_GROUPS) {
        quoted = cvs_value_quote(name);
        set_error_at(error, scan, scan->line, "the key %s stands before the first group", quoted);
        return FALSE;
    }
    for (guint i = 0; i < N_KEYS + CVS_TEE_N_KEYS; i++) {
        if (key_group(i) != scan->group || !g_str_equal(name, key_name(i)))
            continue;
        if (scan->key_line[i] != 0) {
            set_error_at(error, scan, scan->line, "the key %s is there already, in line %u", name,
                         scan->key_line[i]);
            return FALSE;
        }
        scan->key_line[i] = scan->line;
        value = unescape(raw, &local);
        if (value == NULL || !key_parse(i, scan->profile, value, &local)) {
            set_error_at(error, scan, scan->line, "%s: %s", name, local->message);
            return FALSE;
        }
        return TRUE;
    }
    quoted = cvs_value_quote(name);
    set_error_at(error, scan, scan->line, "unknown key %s in the group [%s]", quoted,
                 group_name(scan->group));
    return FALSE;
}

/* One line without its end, changed in place. */
static gboolean
scan_line(Scan *scan, char *line, GError **error)
{
    g_autofree char *quoted = NULL;
    char *equals;

    g_strstrip(line);
    if (line[0] == '\0' || line[0] == '#')
        return TRUE;

    if (line[0] == '[' && g_str_has_suffix(line, "]")) {
        line[strlen(line) - 1] = '\0';
        return scan_group(scan, line + 1, error);
    }

    equals = strchr(line, '=');
    if (equals == NULL || equals == line) {
        quoted = cvs_value_quote(line);
        set_error_at(error, scan, scan->line, "%s is no group, no KEY=VALUE and no # comment",
                     quoted);
        return FALSE;
    }
    *equals = '\0';
    return scan_key(scan, g_strchomp(line), g_strchug(equals + 1), error);
}

/* A group whose TEE is not taken would look as if it protected something. That the other TEE has no
 * group of its own is for Types= to say, not for its absence. */
static gboolean
check_types(const Scan *scan, CvsTeeGroup group, const char *type, GError **error)
{
    const CvsTeeRules *rules = &scan->profile->tee;
    guint line = scan->group_line[N_OWN_GROUPS + group];

    if (line == 0 || (rules->rules[CVS_TEE_TYPES].given && cvs_tee_rules_take_type(rules, type)))
        return TRUE;
    set_error_at(error, scan, line,
                 "the group [%s] needs the key Types in the group [TEE], with %s among its values",
                 cvs_tee_group_name(group), type);
    return FALSE;
}

/* What no single line shows. */
static gboolean
check_whole(const Scan *scan, GError **error)
{
    const CvsProfile *profile = scan->profile;
    guint32 resettable = (profile->pcrs | profile->required_pcrs) & CVS_PCR_MASK_RESETTABLE;

    /* For reports of others no registers of this machine are needed. */
    if (scan->key_line[KEY_PCRS] == 0 && !profile->tee.present) {
        set_error_at(error, scan, MAX(scan->group_line[keys[KEY_PCRS].group], 1),
                     "the key PCRs is missing in the group [Registers]");
        return FALSE;
    }
    if (profile->required_pcrs != 0 && profile->pcrs == 0) {
        set_error_at(error, scan, scan->key_line[KEY_REQUIRED_PCRS],
                     "RequirePCRs: there is no key PCRs in the group [Registers]");
        return FALSE;
    }
    if ((profile->required_pcrs & ~profile->pcrs) != 0) {
        set_error_at(error, scan, scan->key_line[KEY_REQUIRED_PCRS],
                     "RequirePCRs: PCR %d is not among the PCRs of line %u",
                     g_bit_nth_lsf(profile->required_pcrs & ~profile->pcrs, -1),
                     scan->key_line[KEY_PCRS]);
        return FALSE;
    }
    if (resettable != 0 && !profile->allow_unmeasured) {
        set_error_at(error, scan, scan->key_line[KEY_PCRS],
                     "PCRs: PCR %d can be reset by software; that needs AllowUnmeasured=yes",
                     g_bit_nth_lsf(resettable, -1));
        return FALSE;
    }
    return check_types(scan, CVS_TEE_GROUP_SNP, "snp", error) &&
           check_types(scan, CVS_TEE_GROUP_TDX, "tdx", error);
}

/* The line in which the offset lies. */
static guint
line_of(const char *data, gsize offset)
{
    guint line = 1;

    for (gsize i = 0; i < offset; i++)
        line += data[i] == '\n';
    return line;
}

CvsProfile *
cvs_profile_parse(const char *name, const char *file, const void *data, gsize size, GError **error)
{
    g_autoptr(CvsProfile) profile = profile_new(name);
    g_autofree char *text = NULL;
    char *line = NULL;
    const char *end;
    Scan scan = {.profile = profile, .file = file, .group = N_GROUPS};

    if (size > CVS_PROFILE_SIZE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "%s has %zu bytes; a profile has at most %d", file, size, CVS_PROFILE_SIZE_MAX);
        return NULL;
    }
    /* No bytes may come without an address. */
    if (size == 0)
        data = "";
    /* Stops at a NUL too. */
    if (!g_utf8_validate_len(data, size, &end)) {
        gsize offset = (gsize)(end - (const char *)data);

        set_error_at(error, &scan, line_of(data, offset), "%s",
                     *end == '\0' ? "a NUL byte; a profile is text" : "this is not UTF-8");
        return NULL;
    }

    text = g_strndup(data, size);
    line = text;
    while (line) {
        char *next = strchr(line, '\n');

        if (next)
            *next++ = '\0';
        scan.line++;
        if (!scan_line(&scan, line, error))
            return NULL;
        line = next;
    }
    if (!check_whole(&scan, error))
        return NULL;
    return g_steal_pointer(&profile);
}

/* The file, NULL without an error if the folder or the file is not there. */
static GBytes *
read_from(const char *folder, const char *file, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(folder, FALSE, 0, &local);

    if (dir >= 0)
        bytes = cvs_file_read(dir, file, CVS_PROFILE_SIZE_MAX, &local);
    if (local && !g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
        g_propagate_prefixed_error(error, g_steal_pointer(&local), "profile in %s: ", folder);
    return g_steal_pointer(&bytes);
}

/* Most keys have one profile, so the one that was parsed last is kept, and is the same as long as
 * its file has the same bytes: what they say was parsed once does not change. */
static CvsProfile *
parse_unless_same(const char *name, const char *path, GBytes *bytes, GError **error)
{
    static GMutex mutex;
    static char *last_path;
    static GBytes *last_bytes;
    static CvsProfile *last;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&mutex);
    CvsProfile *profile = NULL;
    gsize size = 0;
    gconstpointer data = g_bytes_get_data(bytes, &size);

    if (last && g_str_equal(last_path, path) && g_bytes_equal(last_bytes, bytes))
        return cvs_profile_ref(last);
    profile = cvs_profile_parse(name, path, data, size, error);
    if (profile == NULL)
        return NULL;
    g_free(last_path);
    g_clear_pointer(&last_bytes, g_bytes_unref);
    cvs_profile_unref(last);
    last_path = g_strdup(path);
    last_bytes = g_bytes_ref(bytes);
    last = cvs_profile_ref(profile);
    return profile;
}

CvsProfile *
cvs_profile_load(const char *const *folders, const char *name, GError **error)
{
    g_autofree char *file = NULL;
    g_autofree char *searched = NULL;
    g_autoptr(GError) missing = NULL;

    if (!cvs_profile_name_is_valid(name)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "no name of a profile: 1 to %d characters of A-Z a-z 0-9 . _ -, "
                    "not starting with a dot",
                    NAME_MAX_BYTES);
        return NULL;
    }

    file = g_strconcat(name, SUFFIX, NULL);
    for (guint i = 0; folders[i]; i++) {
        g_autoptr(GError) local = NULL;
        g_autoptr(GBytes) bytes = read_from(folders[i], file, &local);
        g_autofree char *path = NULL;

        /* A more important file that cannot be read must not give way to a less important one. */
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        if (bytes == NULL)
            continue;
        path = g_build_filename(folders[i], file, NULL);
        return parse_unless_same(name, path, bytes, error);
    }

    searched = g_strjoinv(", ", (char **)folders);
    g_set_error(&missing, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                "there is no profile \"%s\": no %s in %s", name, file, searched);
    cvs_error_add_reason(missing, CVS_REASON_PROFILE_MISSING, "", name,
                         "the profile %s is not installed", name);
    g_propagate_error(error, g_steal_pointer(&missing));
    return NULL;
}
