/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-collateral.h"
#include "base/error.h"
#include "base/hex.h"

#include <string.h>

#define TCB_INFO "TCB info"
#define QE_IDENTITY "QE identity"
#define TCB_INFO_VERSION 3
#define QE_IDENTITY_VERSION 2

static const char *const status_names[] = {
    [CVS_TCB_UP_TO_DATE] = "UpToDate",
    [CVS_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [CVS_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [CVS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [CVS_TCB_OUT_OF_DATE] = "OutOfDate",
    [CVS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [CVS_TCB_REVOKED] = "Revoked",
    [CVS_TCB_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [CVS_TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
    [CVS_TCB_NOT_SUPPORTED] = "NotSupported",
};

const char *
cvs_tcb_status_name(CvsTcbStatus status)
{
    return status_names[status];
}

static void
level_free(gpointer data)
{
    CvsTcbLevel *level = data;

    g_free(level->advisories);
    g_free(level);
}

static void
module_free(gpointer data)
{
    CvsTdxModule *module = data;

    g_free(module->id);
    g_clear_pointer(&module->levels, g_ptr_array_unref);
    g_free(module);
}

static void
base_clear(CvsCollateral *base)
{
    g_clear_pointer(&base->raw, g_bytes_unref);
    g_free(base->id);
}

void
cvs_tcb_info_free(CvsTcbInfo *info)
{
    base_clear(&info->base);
    g_clear_pointer(&info->module, module_free);
    g_clear_pointer(&info->identities, g_ptr_array_unref);
    g_clear_pointer(&info->levels, g_ptr_array_unref);
    g_free(info);
}

void
cvs_qe_identity_free(CvsQeIdentity *identity)
{
    base_clear(&identity->base);
    g_clear_pointer(&identity->levels, g_ptr_array_unref);
    g_free(identity);
}

static gboolean bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
bad(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, text);
    return FALSE;
}

/* Intel sends digits of both cases. */
static gboolean
get_hex(const json_t *object, const char *name, void *out, gsize size, const char *what,
        GError **error)
{
    const char *text = cvs_json_get_string(object, name, what, error);
    g_autoptr(GBytes) bytes = NULL;

    if (text == NULL)
        return FALSE;
    bytes = cvs_hex_decode(text, -1, NULL);
    if (bytes == NULL || g_bytes_get_size(bytes) != size)
        return bad(error, "%s: %s is not %zu bytes in hexadecimal digits", what, name, size);
    memcpy(out, g_bytes_get_data(bytes, NULL), size);
    return TRUE;
}

static gboolean
get_u64(const json_t *object, const char *name, guint64 *ret_value, const char *what,
        GError **error)
{
    guint8 bytes[8];
    guint64 value = 0;

    if (!get_hex(object, name, bytes, sizeof(bytes), what, error))
        return FALSE;
    for (guint i = 8; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    *ret_value = value;
    return TRUE;
}

static gboolean
get_u16(const json_t *object, const char *name, guint16 *ret_value, const char *what,
        GError **error)
{
    gint64 value = 0;

    if (!cvs_json_get_int(object, name, 0, G_MAXUINT16, what, &value, error))
        return FALSE;
    *ret_value = (guint16)value;
    return TRUE;
}

/* "2025-06-19T10:32:27Z" and no other form. */
static gboolean
get_time(const json_t *object, const char *name, gint64 *ret_time, const char *what, GError **error)
{
    const char *text = cvs_json_get_string(object, name, what, error);
    g_autoptr(GDateTime) time = NULL;

    if (text == NULL)
        return FALSE;
    if (strlen(text) == 20 && text[10] == 'T' && text[19] == 'Z')
        time = g_date_time_new_from_iso8601(text, NULL);
    if (time == NULL)
        return bad(error, "%s: %s is not a time like 2025-06-19T10:32:27Z", what, name);
    *ret_time = g_date_time_to_unix(time);
    return TRUE;
}

static gboolean
get_status(const json_t *object, gboolean platform, CvsTcbStatus *ret_status, const char *what,
           GError **error)
{
    const char *text = cvs_json_get_string(object, "tcbStatus", what, error);

    if (text == NULL)
        return FALSE;
    for (guint i = 0; i <= CVS_TCB_REVOKED; i++) {
        /* Modules and enclaves have nothing to configure. */
        if (!platform && i != CVS_TCB_UP_TO_DATE && i != CVS_TCB_OUT_OF_DATE &&
            i != CVS_TCB_REVOKED)
            continue;
        if (g_str_equal(text, status_names[i])) {
            *ret_status = (CvsTcbStatus)i;
            return TRUE;
        }
    }
    return bad(error, "%s: tcbStatus is none that is known", what);
}

static gboolean
get_advisories(const json_t *object, char **ret_text, const char *what, GError **error)
{
    json_t *list = json_object_get(object, "advisoryIDs");
    g_autoptr(GString) text = g_string_new(NULL);
    json_t *item = NULL;
    gsize i = 0;

    if (list && !json_is_array(list))
        return bad(error, "%s: advisoryIDs is not a list", what);
    json_array_foreach (list, i, item) {
        if (!json_is_string(item))
            return bad(error, "%s: advisoryIDs has something that is not a string", what);
        g_string_append_printf(text, "%s%s", i > 0 ? "," : "", json_string_value(item));
    }
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return TRUE;
}

static gboolean
get_components(const json_t *tcb, const char *name, guint16 *out, const char *what, GError **error)
{
    json_t *list = cvs_json_get_array(tcb, name, what, error);

    if (list == NULL)
        return FALSE;
    if (json_array_size(list) != CVS_TCB_COMPONENTS)
        return bad(error, "%s: %s has %zu components instead of %d", what, name,
                   json_array_size(list), CVS_TCB_COMPONENTS);
    for (guint i = 0; i < CVS_TCB_COMPONENTS; i++) {
        const json_t *component = json_array_get(list, i);

        if (!json_is_object(component))
            return bad(error, "%s: %s has a component that is not an object", what, name);
        if (!get_u16(component, "svn", &out[i], what, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
parse_level(const json_t *json, gboolean platform, gboolean tdx, CvsTcbLevel *level,
            const char *what, GError **error)
{
    const json_t *tcb = NULL;

    if (!json_is_object(json))
        return bad(error, "%s: a TCB level that is not an object", what);
    tcb = cvs_json_get_object(json, "tcb", what, error);
    if (tcb == NULL)
        return FALSE;
    if (platform) {
        if (!get_components(tcb, "sgxtcbcomponents", level->sgx, what, error) ||
            !get_u16(tcb, "pcesvn", &level->pce_svn, what, error))
            return FALSE;
        if (tdx && !get_components(tcb, "tdxtcbcomponents", level->tdx, what, error))
            return FALSE;
    } else if (!get_u16(tcb, "isvsvn", &level->isv_svn, what, error)) {
        return FALSE;
    }
    return get_time(json, "tcbDate", &level->date, what, error) &&
           get_status(json, platform, &level->status, what, error) &&
           get_advisories(json, &level->advisories, what, error);
}

static GPtrArray *
parse_levels(const json_t *object, gboolean platform, gboolean tdx, const char *what,
             GError **error)
{
    json_t *list = cvs_json_get_array(object, "tcbLevels", what, error);
    g_autoptr(GPtrArray) levels = g_ptr_array_new_with_free_func(level_free);

    if (list == NULL)
        return NULL;
    if (json_array_size(list) == 0 || json_array_size(list) > CVS_TCB_LEVELS_MAX) {
        bad(error, "%s: %zu TCB levels, 1 to %d are allowed", what, json_array_size(list),
            CVS_TCB_LEVELS_MAX);
        return NULL;
    }
    for (gsize i = 0; i < json_array_size(list); i++) {
        CvsTcbLevel *level = g_new0(CvsTcbLevel, 1);

        g_ptr_array_add(levels, level);
        if (!parse_level(json_array_get(list, i), platform, tdx, level, what, error))
            return NULL;
    }
    return g_steal_pointer(&levels);
}

static CvsTdxModule *
parse_module(const json_t *json, gboolean identity, GError **error)
{
    CvsTdxModule *module = g_new0(CvsTdxModule, 1);
    gboolean good = FALSE;

    if (!json_is_object(json)) {
        bad(error, TCB_INFO ": a TDX module that is not an object");
    } else {
        good = get_hex(json, "mrsigner", module->mr_signer, 48, TCB_INFO, error) &&
               get_u64(json, "attributes", &module->attributes, TCB_INFO, error) &&
               get_u64(json, "attributesMask", &module->attributes_mask, TCB_INFO, error);
        if (good && identity) {
            module->id = g_strdup(cvs_json_get_string(json, "id", TCB_INFO, error));
            if (module->id)
                module->levels = parse_levels(json, FALSE, FALSE, TCB_INFO, error);
            good = module->levels != NULL;
        }
    }
    if (!good)
        g_clear_pointer(&module, module_free);
    return module;
}

static gboolean
parse_modules(CvsTcbInfo *info, const json_t *json, GError **error)
{
    const json_t *module = cvs_json_get_object(json, "tdxModule", TCB_INFO, error);
    json_t *identities = json_object_get(json, "tdxModuleIdentities");

    if (module == NULL)
        return FALSE;
    info->module = parse_module(module, FALSE, error);
    if (info->module == NULL)
        return FALSE;
    if (identities == NULL)
        return TRUE;
    if (!json_is_array(identities) || json_array_size(identities) > CVS_TCB_IDENTITIES_MAX)
        return bad(error, TCB_INFO ": tdxModuleIdentities is no list of at most %d",
                   CVS_TCB_IDENTITIES_MAX);
    info->identities = g_ptr_array_new_with_free_func(module_free);
    for (gsize i = 0; i < json_array_size(identities); i++) {
        CvsTdxModule *identity = parse_module(json_array_get(identities, i), TRUE, error);

        if (identity == NULL)
            return FALSE;
        for (guint j = 0; j < info->identities->len; j++) {
            const CvsTdxModule *other = g_ptr_array_index(info->identities, j);

            if (g_ascii_strcasecmp(other->id, identity->id) == 0) {
                module_free(identity);
                return bad(error, TCB_INFO ": two identities of one TDX module");
            }
        }
        g_ptr_array_add(info->identities, identity);
    }
    return TRUE;
}

/* The members that both have. The object is parsed from the very bytes that are signed. */
static json_t *
parse_base(CvsCollateral *base, GBytes *raw, const guint8 *signature, gint64 version,
           const char *what, GError **error)
{
    g_autoptr(json_t) json = NULL;
    gsize size = 0;
    const void *data = g_bytes_get_data(raw, &size);
    const char *id = NULL;
    gint64 number = 0;

    if (size > CVS_COLLATERAL_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %zu bytes, at most %d are read",
                    what, size, CVS_COLLATERAL_MAX);
        return NULL;
    }
    json = cvs_json_parse(data, size, what, error);
    if (json == NULL)
        return NULL;
    base->raw = g_bytes_ref(raw);
    memcpy(base->signature, signature, sizeof(base->signature));
    id = cvs_json_get_string(json, "id", what, error);
    if (id == NULL || !cvs_json_get_int(json, "version", 0, G_MAXUINT16, what, &number, error))
        return NULL;
    base->id = g_strdup(id);
    if (number != version) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "%s: version %" G_GINT64_FORMAT " instead of %" G_GINT64_FORMAT, what, number,
                    version);
        return NULL;
    }
    if (!cvs_json_get_int(json, "tcbEvaluationDataNumber", 0, G_MAXUINT32, what, &number, error) ||
        !get_time(json, "issueDate", &base->issue_date, what, error) ||
        !get_time(json, "nextUpdate", &base->next_update, what, error))
        return NULL;
    base->evaluation = (guint32)number;
    if (base->next_update < base->issue_date) {
        bad(error, "%s: nextUpdate lies before issueDate", what);
        return NULL;
    }
    return g_steal_pointer(&json);
}

CvsTcbInfo *
cvs_tcb_info_parse_signed(GBytes *raw, const guint8 signature[static 64], GError **error)
{
    g_autoptr(CvsTcbInfo) info = g_new0(CvsTcbInfo, 1);
    g_autoptr(json_t) json =
        parse_base(&info->base, raw, signature, TCB_INFO_VERSION, TCB_INFO, error);
    gboolean tdx = FALSE;

    if (json == NULL)
        return NULL;
    tdx = g_str_equal(info->base.id, "TDX");
    if (!get_hex(json, "fmspc", info->fmspc, sizeof(info->fmspc), TCB_INFO, error) ||
        !get_hex(json, "pceId", info->pce_id, sizeof(info->pce_id), TCB_INFO, error) ||
        (tdx && !parse_modules(info, json, error)))
        return NULL;
    info->levels = parse_levels(json, TRUE, tdx, TCB_INFO, error);
    if (info->levels == NULL)
        return NULL;
    return g_steal_pointer(&info);
}

CvsQeIdentity *
cvs_qe_identity_parse_signed(GBytes *raw, const guint8 signature[static 64], GError **error)
{
    g_autoptr(CvsQeIdentity) qe = g_new0(CvsQeIdentity, 1);
    g_autoptr(json_t) json =
        parse_base(&qe->base, raw, signature, QE_IDENTITY_VERSION, QE_IDENTITY, error);

    if (json == NULL || !get_hex(json, "miscselect", qe->miscselect, 4, QE_IDENTITY, error) ||
        !get_hex(json, "miscselectMask", qe->miscselect_mask, 4, QE_IDENTITY, error) ||
        !get_hex(json, "attributes", qe->attributes, 16, QE_IDENTITY, error) ||
        !get_hex(json, "attributesMask", qe->attributes_mask, 16, QE_IDENTITY, error) ||
        !get_hex(json, "mrsigner", qe->mr_signer, 32, QE_IDENTITY, error) ||
        !get_u16(json, "isvprodid", &qe->isv_prod_id, QE_IDENTITY, error))
        return NULL;
    qe->levels = parse_levels(json, FALSE, FALSE, QE_IDENTITY, error);
    if (qe->levels == NULL)
        return NULL;
    return g_steal_pointer(&qe);
}

static const char *
skip_space(const char *text, const char *end)
{
    while (text < end && strchr(" \t\r\n", *text) && *text != '\0')
        text++;
    return text;
}

/* Behind the value that begins at text, which is part of valid JSON. */
static const char *
skip_value(const char *text, const char *end)
{
    guint depth = 0;
    gboolean in_string = FALSE;

    for (; text < end; text++) {
        if (in_string) {
            if (*text == '\\')
                text++;
            else if (*text == '"')
                in_string = FALSE;
        } else if (*text == '"') {
            in_string = TRUE;
        } else if (*text == '{' || *text == '[') {
            depth++;
        } else if (*text == '}' || *text == ']') {
            if (depth == 0)
                return text;
            if (--depth == 0)
                return text + 1;
        } else if (*text == ',' && depth == 0) {
            return text;
        }
    }
    return end;
}

/* The bytes of a member's value in an object that has passed the strict parser: what was signed is
 * what was sent, and no serialiser gives it back. A name that is written with escapes is not found.
 * NULL if there is none or it is not an object. */
static GBytes *
raw_member(const char *text, gsize size, const char *name)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", name);
    const char *end = text + size;
    const char *at = skip_space(text, end);

    at = skip_space(at + 1, end); /* the brace */
    while (at < end && *at == '"') {
        const char *key = at;
        const char *value = NULL;

        for (at++; at < end && *at != '"'; at++) {
            if (*at == '\\')
                at++;
        }
        at++;
        value = skip_space(skip_space(at, end) + 1, end); /* the colon */
        if (value >= end)
            return NULL;
        if ((gsize)(at - key) == strlen(quoted) && memcmp(key, quoted, (gsize)(at - key)) == 0)
            return *value == '{' ? g_bytes_new(value, (gsize)(skip_value(value, end) - value))
                                 : NULL;
        at = skip_space(skip_value(value, end), end);
        if (at < end && *at == ',')
            at = skip_space(at + 1, end);
    }
    return NULL;
}

/* {"NAME": {…}, "signature": "…"} */
static GBytes *
split_answer(const void *data, gsize size, const char *name, guint8 signature[static 64],
             const char *what, GError **error)
{
    g_autoptr(json_t) json = NULL;
    GBytes *raw = NULL;

    if (size > CVS_COLLATERAL_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %zu bytes, at most %d are read",
                    what, size, CVS_COLLATERAL_MAX);
        return NULL;
    }
    json = cvs_json_parse(data, size, what, error);
    if (json == NULL || !get_hex(json, "signature", signature, 64, what, error))
        return NULL;
    raw = raw_member(data, size, name);
    if (raw == NULL)
        bad(error, "%s: there is no object %s", what, name);
    return raw;
}

CvsTcbInfo *
cvs_tcb_info_parse(const void *data, gsize size, GError **error)
{
    guint8 signature[64];
    g_autoptr(GBytes) raw = split_answer(data, size, "tcbInfo", signature, TCB_INFO, error);

    return raw ? cvs_tcb_info_parse_signed(raw, signature, error) : NULL;
}

CvsQeIdentity *
cvs_qe_identity_parse(const void *data, gsize size, GError **error)
{
    guint8 signature[64];
    g_autoptr(GBytes) raw =
        split_answer(data, size, "enclaveIdentity", signature, QE_IDENTITY, error);

    return raw ? cvs_qe_identity_parse_signed(raw, signature, error) : NULL;
}
