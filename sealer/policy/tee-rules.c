/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/tee-rules.h"
#include "base/error.h"
#include "policy/value.h"

#include <string.h>

#define GRACE_DEFAULT ((gint64)30 * 24 * 3600)
#define ZERO_48                                                                                    \
    "00000000000000000000000000000000"                                                             \
    "00000000000000000000000000000000"                                                             \
    "00000000000000000000000000000000"

/* How a value is written. */
typedef enum {
    TYPES,
    LINES,
    VMPLS,
    SIGNERS,
    STATUSES,
    POLICY_BITS,
    PLATFORM_BITS,
    ATTRIBUTES,
    HEX48,
    HEX32,
    CHIP_ID,
    TEXT,
    VTPMS,
    SERVICE_TDS,
    BOOLEAN,
    PRESENCE,
    LEVELS,
    LEVELS_FMC,
    VERSION,
    NUMBER,
    MASK,
    DATE,
    SPAN,
} Form;

static const struct {
    CvsTeeGroup group;
    const char *name;
    Form form;
    const char *claim;
    const char *reason;
} keys[] = {
#define X(symbol, group, key, form, claim, reason)                                                 \
    [CVS_TEE_##symbol] = {CVS_TEE_GROUP_##group, key, form, claim, CVS_REASON_##reason},
    CVS_TEE_KEYS(X)
#undef X
};

static const char *const level_names[] = {"fmc", "bootloader", "tee", "snp", "microcode"};

/* The words of lists that take only certain ones, and how an error names them. What no report can
 * have and be verified is not among them: the signing key "none", the statuses Revoked and
 * NotSupported. */
static const struct {
    const char *wanted;
    const char *const words[10];
} vocabularies[] = {
    [TYPES] = {"snp, tdx or none", {"snp", "tdx", "none"}},
    [LINES] = {"Milan, Genoa, Turin or Venice", {"Milan", "Genoa", "Turin", "Venice"}},
    [VMPLS] = {"a privilege level from 0 to 3", {"0", "1", "2", "3"}},
    [SIGNERS] = {"vcek or vlek", {"vcek", "vlek"}},
    [STATUSES] = {"a TCB status that can be taken",
                  {"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded",
                   "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded",
                   "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded"}},
    [POLICY_BITS] = {"a bit of the guest policy",
                     {"single-socket", "cxl", "mem-aes-256-xts", "rapl-dis", "ciphertext-hiding",
                      "page-swap-disable"}},
    [PLATFORM_BITS] = {"a bit of PLATFORM_INFO",
                       {"tsme", "ecc", "rapl-dis", "ciphertext-hiding", "alias-check-complete",
                        "tio"}},
    [VTPMS] = {"a kind of vTPM",
               {"svsm", "svsm-unlisted", "azure", "azure-unlisted", "vtpm-td", "vtpm-td-unlisted",
                "host", "none"}},
    [ATTRIBUTES] = {"a TD attribute", {"sept-ve-disable", "pks", "kl", "perfmon"}},
};

void
cvs_tee_rules_clear(CvsTeeRules *rules)
{
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++)
        g_strfreev(rules->rules[i].list);
    memset(rules, 0, sizeof *rules);
}

const char *
cvs_tee_group_name(CvsTeeGroup group)
{
    static const char *const names[] = {"TEE", "SNP", "TDX", "Collateral", "vTPM"};

    return names[group];
}

CvsTeeGroup
cvs_tee_key_group(CvsTeeKey key)
{
    return keys[key].group;
}

const char *
cvs_tee_key_name(CvsTeeKey key)
{
    return keys[key].name;
}

const char *
cvs_tee_key_claim(CvsTeeKey key)
{
    return keys[key].claim;
}

const char *
cvs_tee_key_reason(CvsTeeKey key)
{
    return keys[key].reason;
}

const char *
cvs_tee_level_name(CvsTeeLevel level)
{
    return level_names[level];
}

static gboolean
check_word(Form form, const char *word, GError **error)
{
    for (guint i = 0; vocabularies[form].words[i]; i++) {
        if (g_str_equal(word, vocabularies[form].words[i]))
            return TRUE;
    }
    return cvs_value_bad(error, word, vocabularies[form].wanted);
}

/* Made lower case in place, as claims have it. */
static gboolean
check_hex(char *word, gsize bytes, gsize or_bytes, const char *wanted, GError **error)
{
    gsize length = strspn(word, "0123456789abcdefABCDEF");

    if (word[length] != '\0' || (length != 2 * bytes && length != 2 * or_bytes))
        return cvs_value_bad(error, word, wanted);
    for (char *p = word; *p; p++)
        *p = g_ascii_tolower(*p);
    return TRUE;
}

/* It is shown in terminals. */
static gboolean
check_text(const char *word, GError **error)
{
    for (const char *p = word; *p; p = g_utf8_next_char(p)) {
        if (!g_unichar_isprint(g_utf8_get_char(p)))
            return cvs_value_bad(error, word, "printable text");
    }
    return TRUE;
}

static gboolean
check_item(Form form, char **word, GError **error)
{
    switch (form) {
    case HEX48:
        return check_hex(*word, 48, 48, "48 bytes in hexadecimal digits", error);
    case HEX32:
        return check_hex(*word, 32, 32, "32 bytes in hexadecimal digits", error);
    case CHIP_ID:
        return check_hex(*word, 64, 8, "a chip id: 64 bytes, of Turin 8, in hexadecimal digits",
                         error);
    case SERVICE_TDS:
        if (g_str_equal(*word, "none")) {
            g_free(*word);
            *word = g_strdup(ZERO_48);
            return TRUE;
        }
        return check_hex(*word, 48, 48, "any, none, or 48 bytes in hexadecimal digits", error);
    case TEXT:
        return check_text(*word, error);
    default:
        return check_word(form, *word, error);
    }
}

static gboolean
parse_list(CvsTeeRule *rule, Form form, const char *value, GError **error)
{
    g_auto(GStrv) words = cvs_value_words(value);

    if (words[0] == NULL)
        return cvs_value_bad(error, value, "a list of one or more values");
    if (form == SERVICE_TDS && g_str_equal(words[0], "any") && words[1] == NULL)
        return TRUE;
    for (guint i = 0; words[i]; i++) {
        if (!check_item(form, &words[i], error))
            return FALSE;
    }
    rule->list = g_steal_pointer(&words);
    return TRUE;
}

static gboolean
parse_level(CvsTeeRule *rule, Form form, const char *word, GError **error)
{
    const char *colon = strchr(word, ':');

    for (guint i = form == LEVELS ? CVS_TEE_LEVEL_BOOTLOADER : CVS_TEE_LEVEL_FMC;
         colon && i < CVS_TEE_N_LEVELS; i++) {
        guint64 number = 0;

        if (strlen(level_names[i]) != (gsize)(colon - word) ||
            !g_str_has_prefix(word, level_names[i]))
            continue;
        if (rule->levels[i] >= 0)
            return cvs_value_bad(error, word, "the only floor of this component");
        if (!g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT8, &number, NULL))
            break;
        rule->levels[i] = (gint)number;
        return TRUE;
    }
    return cvs_value_bad(error, word,
                         form == LEVELS
                             ? "bootloader, tee, snp or microcode, a colon, and 0 to 255"
                             : "fmc, bootloader, tee, snp or microcode, a colon, and 0 to 255");
}

static gboolean
parse_levels(CvsTeeRule *rule, Form form, const char *value, GError **error)
{
    g_auto(GStrv) words = cvs_value_words(value);

    for (guint i = 0; i < CVS_TEE_N_LEVELS; i++)
        rule->levels[i] = -1;
    if (words[0] == NULL)
        return cvs_value_bad(error, value, "a list of one or more COMPONENT:LEVEL");
    for (guint i = 0; words[i]; i++) {
        if (!parse_level(rule, form, words[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
parse_version(CvsTeeRule *rule, const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(value, ".", 4);
    guint64 number = 0;

    for (guint i = 0; i < 3; i++) {
        guint64 part = 0;

        if (g_strv_length(parts) != 3 ||
            !g_ascii_string_to_unsigned(parts[i], 10, 0, G_MAXUINT8, &part, NULL))
            return cvs_value_bad(error, value, "a firmware version as in 1.55.29");
        number = number << 8 | part;
    }
    rule->number = number;
    return TRUE;
}

static gboolean
parse_mask(CvsTeeRule *rule, const char *value, GError **error)
{
    if (!g_str_has_prefix(value, "0x") || !g_ascii_isxdigit(value[2]) ||
        !g_ascii_string_to_unsigned(value + 2, 16, 1, G_MAXUINT64, &rule->number, NULL))
        return cvs_value_bad(error, value, "a mask of bits as in 0x3f, not zero");
    return TRUE;
}

static gboolean
parse_date(CvsTeeRule *rule, const char *value, GError **error)
{
    g_autofree char *text = g_strdup_printf("%sT00:00:00Z", value);
    g_autoptr(GDateTime) date =
        strlen(value) == strlen("2025-01-31") ? g_date_time_new_from_iso8601(text, NULL) : NULL;
    gint64 seconds = date ? g_date_time_to_unix(date) : 0;

    if (seconds <= 0)
        return cvs_value_bad(error, value, "a date as in 2025-01-31, after 1970-01-01");
    rule->number = (guint64)seconds;
    return TRUE;
}

static gboolean
parse_span(CvsTeeRule *rule, const char *value, GError **error)
{
    static const struct {
        const char *name;
        guint64 seconds;
    } units[] = {{"", 1}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    gsize digits = strspn(value, "0123456789");
    g_autofree char *text = g_strndup(value, digits);
    guint64 number = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(value + digits, units[i].name) &&
            g_ascii_string_to_unsigned(text, 10, 0, (guint64)CVS_TEE_SPAN_MAX / units[i].seconds,
                                       &number, NULL)) {
            rule->number = number * units[i].seconds;
            return TRUE;
        }
    }
    return cvs_value_bad(error, value,
                         "a time span as in 30d: a number and s, min, h, d or w, up to ten years");
}

static gboolean
parse_presence(CvsTeeRule *rule, const char *value, GError **error)
{
    rule->number = g_str_equal(value, "required");
    return rule->number == 1 || g_str_equal(value, "optional") ||
           cvs_value_bad(error, value, "required or optional");
}

static gboolean
parse_boolean(CvsTeeRule *rule, const char *value, GError **error)
{
    gboolean yes = FALSE;

    if (!cvs_value_boolean(value, &yes, error))
        return FALSE;
    rule->number = yes ? 1 : 0;
    return TRUE;
}

static gboolean
parse_number(CvsTeeRule *rule, const char *value, GError **error)
{
    return g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32, &rule->number, NULL) ||
           cvs_value_bad(error, value, "a number from 0 to 4294967295");
}

gboolean
cvs_tee_rules_parse(CvsTeeRules *rules, CvsTeeKey key, const char *value, GError **error)
{
    CvsTeeRule *rule = &rules->rules[key];
    Form form = keys[key].form;

    rule->given = TRUE;
    switch (form) {
    case BOOLEAN:
        return parse_boolean(rule, value, error);
    case PRESENCE:
        return parse_presence(rule, value, error);
    case LEVELS:
    case LEVELS_FMC:
        return parse_levels(rule, form, value, error);
    case VERSION:
        return parse_version(rule, value, error);
    case NUMBER:
        return parse_number(rule, value, error);
    case MASK:
        return parse_mask(rule, value, error);
    case DATE:
        return parse_date(rule, value, error);
    case SPAN:
        return parse_span(rule, value, error);
    default:
        return parse_list(rule, form, value, error);
    }
}

gboolean
cvs_tee_rules_take_type(const CvsTeeRules *rules, const char *type)
{
    static const char *const both[] = {"snp", "tdx", NULL};
    const CvsTeeRule *rule = &rules->rules[CVS_TEE_TYPES];

    return g_strv_contains(rule->given ? (const char *const *)rule->list : both, type);
}

void
cvs_tee_rules_allow_test_roots(CvsTeeRules *rules)
{
    if (!rules->rules[CVS_TEE_ALLOW_TEST_ROOTS].given)
        rules->rules[CVS_TEE_ALLOW_TEST_ROOTS] = (CvsTeeRule){.given = TRUE, .number = 1};
}

gint64
cvs_tee_rules_grace(const CvsTeeRules *rules)
{
    const CvsTeeRule *rule = &rules->rules[CVS_TEE_GRACE];

    return rule->given ? (gint64)rule->number : GRACE_DEFAULT;
}

static char *
format_levels(const CvsTeeRule *rule)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < CVS_TEE_N_LEVELS; i++) {
        if (rule->levels[i] >= 0)
            g_string_append_printf(text, "%s%s:%d", text->len > 0 ? " " : "", level_names[i],
                                   rule->levels[i]);
    }
    return g_string_free(text, FALSE);
}

static char *
format_date(guint64 seconds)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc((gint64)seconds);

    return g_date_time_format(date, "%Y-%m-%d");
}

char *
cvs_tee_rules_format(const CvsTeeRules *rules, CvsTeeKey key)
{
    const CvsTeeRule *rule = &rules->rules[key];

    if (!rule->given)
        return NULL;
    switch (keys[key].form) {
    case BOOLEAN:
        return g_strdup(rule->number ? "yes" : "no");
    case PRESENCE:
        return g_strdup(rule->number ? "required" : "optional");
    case LEVELS:
    case LEVELS_FMC:
        return format_levels(rule);
    case VERSION:
        return g_strdup_printf("%u.%u.%u", (guint)(rule->number >> 16),
                               (guint)(rule->number >> 8) & 0xff, (guint)rule->number & 0xff);
    case NUMBER:
        return g_strdup_printf("%" G_GUINT64_FORMAT, rule->number);
    case MASK:
        return g_strdup_printf("0x%" G_GINT64_MODIFIER "x", rule->number);
    case DATE:
        return format_date(rule->number);
    case SPAN:
        return rule->number > 0 && rule->number % 86400 == 0
                   ? g_strdup_printf("%" G_GUINT64_FORMAT "d", rule->number / 86400)
                   : g_strdup_printf("%" G_GUINT64_FORMAT "s", rule->number);
    default:
        return rule->list ? g_strjoinv(" ", rule->list) : g_strdup("any");
    }
}

const char *
cvs_tee_key_default(CvsTeeKey key)
{
    switch (key) {
    case CVS_TEE_TYPES:
        return "snp tdx";
    case CVS_TEE_ALLOW_DEBUG:
    case CVS_TEE_ALLOW_MIGRATION:
    case CVS_TEE_ALLOW_TEST_ROOTS:
    case CVS_TEE_ALLOW_ASSERTED_AK:
        return "no";
    case CVS_TEE_TCB_STATUS:
        return "UpToDate";
    case CVS_TEE_CRL:
        return "optional";
    case CVS_TEE_GRACE:
        return "30d";
    case CVS_TEE_VTPM_KINDS:
        return "svsm azure vtpm-td";
    case CVS_TEE_MAX_AGE:
        return "0s";
    default:
        return NULL;
    }
}
