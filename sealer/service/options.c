/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/options.h"
#include "attest/evidence-bundle.h"
#include "base/error.h"
#include "policy/pinnable.h"
#include "policy/profile.h"
#include "service/listing.h"

/* Bytes; an owner and a name have far fewer. */
#define AFTER_MAX 1024

static const struct {
    const char *name;
    const char *type;
    CvsOptionKey key;
} table[] = {
    {"owner", "s", CVS_OPTION_OWNER},
    {"profile", "s", CVS_OPTION_PROFILE},
    {"pcrs", "s", CVS_OPTION_PCRS},
    {"bank", "s", CVS_OPTION_BANK},
    {"rtmrs", "s", CVS_OPTION_RTMRS},
    {"require", "s", CVS_OPTION_REQUIRE},
    {"user-data", "ay", CVS_OPTION_USER_DATA},
    {"challenge", "h", CVS_OPTION_CHALLENGE},
    {"replace", "b", CVS_OPTION_REPLACE},
    {"allow-unmeasured", "b", CVS_OPTION_ALLOW_UNMEASURED},
    {"pin", "h", CVS_OPTION_PIN},
    {"recovery-output", "h", CVS_OPTION_RECOVERY_OUTPUT},
    {"recovery-key", "h", CVS_OPTION_RECOVERY_KEY},
    {"derived-key", "b", CVS_OPTION_DERIVED_KEY},
    {"this-boot", "b", CVS_OPTION_THIS_BOOT},
    {"to", "s", CVS_OPTION_TO},
    {"keep-others", "b", CVS_OPTION_KEEP_OTHERS},
    {"drop", "s", CVS_OPTION_DROP},
    {"all", "b", CVS_OPTION_ALL},
    {"after", "s", CVS_OPTION_AFTER},
    {"limit", "u", CVS_OPTION_LIMIT},
    {"reasons", "b", CVS_OPTION_REASONS},
};

void
cvs_options_init(CvsOptions *options)
{
    *options = (CvsOptions){.limit = CVS_LISTING_MAX,
                            .pin_fd = -1,
                            .recovery_output_fd = -1,
                            .recovery_key_fd = -1,
                            .challenge_fd = -1};
}

void
cvs_options_clear(CvsOptions *options)
{
    g_clear_pointer(&options->owner, g_free);
    g_clear_pointer(&options->profile, g_free);
    g_clear_pointer(&options->after, g_free);
    g_clear_pointer(&options->claims, g_strfreev);
    g_clear_pointer(&options->user_data, g_bytes_unref);
    g_clear_pointer(&options->to, g_free);
    cvs_fds_bury(&options->pin_fd);
    cvs_fds_bury(&options->recovery_output_fd);
    cvs_fds_bury(&options->recovery_key_fd);
    cvs_fds_bury(&options->challenge_fd);
}

static gboolean
take_fd(GVariant *value, CvsFds *fds, const char *what, int *ret_fd, GError **error)
{
    *ret_fd = cvs_fds_take(fds, g_variant_get_handle(value), what, error);
    return *ret_fd >= 0;
}

static gboolean
set_profile(GVariant *value, CvsOptions *options, GError **error)
{
    const char *name = g_variant_get_string(value, NULL);

    if (!cvs_profile_name_is_valid(name)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "\"%s\" is no profile's name",
                    name);
        return FALSE;
    }
    options->profile = g_strdup(name);
    return TRUE;
}

static gboolean
set_limit(GVariant *value, CvsOptions *options, GError **error)
{
    options->limit = g_variant_get_uint32(value);
    if (options->limit >= 1 && options->limit <= CVS_LISTING_MAX)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                "the limit of a listing is 1 to %d keys, not %u", CVS_LISTING_MAX, options->limit);
    return FALSE;
}

static gboolean
set_after(GVariant *value, CvsOptions *options, GError **error)
{
    gsize size = 0;
    const char *after = g_variant_get_string(value, &size);

    if (size > AFTER_MAX) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "option \"after\" is not what a listing gave as \"next\"");
        return FALSE;
    }
    options->after = g_strdup(after);
    return TRUE;
}

static gboolean
set_user_data(GVariant *value, CvsOptions *options, GError **error)
{
    if (g_variant_get_size(value) > CVS_BUNDLE_USER_DATA_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "user data have at most %d bytes",
                    CVS_BUNDLE_USER_DATA_MAX);
        return FALSE;
    }
    options->user_data = g_variant_get_data_as_bytes(value);
    return TRUE;
}

static gboolean
set_to(GVariant *value, CvsOptions *options, GError **error)
{
    gsize size = 0;
    const char *text = g_variant_get_string(value, &size);

    options->to = g_new0(CvsPredicted, 1);
    return cvs_predicted_parse_json(text, size, "option \"to\"", options->to, error);
}

static gboolean
set_option(CvsOptionKey key, GVariant *value, CvsFds *fds, CvsOptions *options, GError **error)
{
    switch (key) {
    case CVS_OPTION_OWNER:
        options->owner = g_variant_dup_string(value, NULL);
        return TRUE;
    case CVS_OPTION_PROFILE:
        return set_profile(value, options, error);
    case CVS_OPTION_PCRS:
        return cvs_pcr_mask_parse(g_variant_get_string(value, NULL), &options->pcrs, error);
    case CVS_OPTION_BANK:
        options->has_bank = TRUE;
        return cvs_pcr_bank_parse(g_variant_get_string(value, NULL), &options->bank, error);
    case CVS_OPTION_RTMRS:
        return cvs_rtmr_mask_parse(g_variant_get_string(value, NULL), &options->rtmrs, error);
    case CVS_OPTION_REQUIRE:
        options->claims = cvs_pinnable_parse(g_variant_get_string(value, NULL), error);
        return options->claims != NULL;
    case CVS_OPTION_USER_DATA:
        return set_user_data(value, options, error);
    case CVS_OPTION_CHALLENGE:
        return take_fd(value, fds, "challenge", &options->challenge_fd, error);
    case CVS_OPTION_REPLACE:
        options->replace = g_variant_get_boolean(value);
        return TRUE;
    case CVS_OPTION_ALLOW_UNMEASURED:
        options->allow_unmeasured = g_variant_get_boolean(value);
        return TRUE;
    case CVS_OPTION_PIN:
        return take_fd(value, fds, "PIN", &options->pin_fd, error);
    case CVS_OPTION_RECOVERY_OUTPUT:
        return take_fd(value, fds, "recovery-output", &options->recovery_output_fd, error);
    case CVS_OPTION_RECOVERY_KEY:
        return take_fd(value, fds, "recovery key", &options->recovery_key_fd, error);
    case CVS_OPTION_DERIVED_KEY:
        options->derived_key = g_variant_get_boolean(value);
        return TRUE;
    case CVS_OPTION_THIS_BOOT:
        options->this_boot = g_variant_get_boolean(value);
        return TRUE;
    case CVS_OPTION_TO:
        return set_to(value, options, error);
    case CVS_OPTION_KEEP_OTHERS:
        options->keep_others = g_variant_get_boolean(value);
        return TRUE;
    case CVS_OPTION_DROP:
        return cvs_drop_parse(g_variant_get_string(value, NULL), &options->drop, error);
    case CVS_OPTION_ALL:
        options->all = g_variant_get_boolean(value);
        return TRUE;
    case CVS_OPTION_AFTER:
        return set_after(value, options, error);
    case CVS_OPTION_LIMIT:
        return set_limit(value, options, error);
    case CVS_OPTION_REASONS:
        options->reasons = g_variant_get_boolean(value);
        return TRUE;
    }
    return FALSE;
}

static gboolean
parse_one(const char *name, GVariant *value, guint allowed, guint *seen, CvsFds *fds,
          CvsOptions *options, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (!g_str_equal(table[i].name, name) || !((allowed | CVS_OPTION_REASONS) & table[i].key))
            continue;
        if (*seen & table[i].key) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "option \"%s\" is given twice", name);
            return FALSE;
        }
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE(table[i].type))) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "option \"%s\" is of type %s, and was given as %s", name, table[i].type,
                        g_variant_get_type_string(value));
            return FALSE;
        }
        *seen |= table[i].key;
        return set_option(table[i].key, value, fds, options, error);
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "this method has no option \"%s\"",
                name);
    return FALSE;
}

gboolean
cvs_options_parse(GVariant *dict, guint allowed, CvsFds *fds, CvsOptions *options, GError **error)
{
    gsize n = g_variant_n_children(dict);
    guint seen = 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) value = NULL;
        const char *name = NULL;

        g_variant_get_child(dict, i, "{&sv}", &name, &value);
        if (!parse_one(name, value, allowed, &seen, fds, options, error))
            return FALSE;
    }
    if (options->keep_others && options->to == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the option \"keep-others\" says something about \"to\", which is not given");
        return FALSE;
    }
    if (options->to)
        options->to->keep_others = options->keep_others;
    if (options->all && options->owner) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the options \"all\" and \"owner\" exclude each other");
        return FALSE;
    }
    return TRUE;
}
