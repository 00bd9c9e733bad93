/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/slot-conditions.h"
#include "base/error.h"
#include "base/hex.h"

#include <string.h>

#define WHAT "the slot's conditions"

void
cvs_slot_conditions_clear(CvsSlotConditions *conditions)
{
    g_clear_pointer(&conditions->claims, json_decref);
    g_clear_pointer(&conditions->floors, json_decref);
    memset(conditions, 0, sizeof *conditions);
}

void
cvs_slot_conditions_copy(const CvsSlotConditions *conditions, CvsSlotConditions *ret_copy)
{
    *ret_copy = *conditions;
    ret_copy->claims = json_deep_copy(conditions->claims);
    ret_copy->floors = json_deep_copy(conditions->floors);
}

gboolean
cvs_slot_conditions_is_empty(const CvsSlotConditions *conditions)
{
    return conditions->claims == NULL && conditions->floors == NULL && conditions->rtmrs == 0;
}

gboolean
cvs_slot_conditions_equal(const CvsSlotConditions *a, const CvsSlotConditions *b)
{
    g_autoptr(json_t) json_a = cvs_slot_conditions_to_json(a);
    g_autoptr(json_t) json_b = cvs_slot_conditions_to_json(b);

    return json_equal(json_a, json_b) == 1;
}

static gboolean
is_claim_value(const json_t *value, CvsClaimType type)
{
    return value && cvs_claim_has_type(value, type) &&
           (!json_is_string(value) || json_string_length(value) <= CVS_SLOT_CLAIM_TEXT_MAX);
}

static gboolean
is_floor_value(const json_t *value)
{
    return value && json_is_integer(value) && json_integer_value(value) >= 0;
}

static gboolean
bad(GError **error, const char *part, const char *name, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, WHAT ": \"%s\": \"%.80s\" %s", part, name,
                text);
    return FALSE;
}

/* The member as an object that is not empty; TRUE and NULL if it is not there. */
static gboolean
get_part(const json_t *object, const char *part, json_t **ret_part, GError **error)
{
    *ret_part = NULL;
    if (json_object_get(object, part) == NULL)
        return TRUE;
    *ret_part = cvs_json_get_object(object, part, WHAT, error);
    if (*ret_part == NULL)
        return FALSE;
    if (json_object_size(*ret_part) > 0)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, WHAT ": \"%s\" is empty", part);
    return FALSE;
}

static gboolean
parse_claims(const json_t *object, CvsSlotConditions *conditions, GError **error)
{
    json_t *part = NULL, *value = NULL;
    const char *name = NULL;

    if (!get_part(object, "claims", &part, error))
        return FALSE;
    if (part == NULL)
        return TRUE;
    json_object_foreach (part, name, value) {
        CvsClaimType type;

        if (!cvs_pinnable_get_type(name, &type))
            return bad(error, "claims", name, "is a condition that this version does not know");
        if (!is_claim_value(value, type))
            return bad(error, "claims", name, "has not the form of this claim");
    }
    conditions->claims = json_deep_copy(part);
    return TRUE;
}

static gboolean
parse_floors(const json_t *object, CvsSlotConditions *conditions, GError **error)
{
    json_t *part = NULL, *value = NULL;
    const char *name = NULL;

    if (!get_part(object, "floors", &part, error))
        return FALSE;
    if (part == NULL)
        return TRUE;
    json_object_foreach (part, name, value) {
        if (!cvs_pinnable_is_floor(name))
            return bad(error, "floors", name, "is a condition that this version does not know");
        if (!is_floor_value(value))
            return bad(error, "floors", name, "is no whole number from 0 on");
    }
    conditions->floors = json_deep_copy(part);
    return TRUE;
}

static gboolean
parse_rtmrs(const json_t *object, CvsSlotConditions *conditions, GError **error)
{
    json_t *part = NULL, *value = NULL;
    const char *name = NULL;

    if (!get_part(object, "rtmrs", &part, error))
        return FALSE;
    if (part == NULL)
        return TRUE;
    json_object_foreach (part, name, value) {
        g_autoptr(GBytes) bytes = NULL;
        guint index = (guint)(name[0] - '0');

        if (index >= CVS_TD_RTMRS || name[1] != '\0')
            return bad(error, "rtmrs", name, "is no register");
        /* Upper case is refused with what else is not just what cvs_hex_encode() writes. */
        if (cvs_claim_has_type(value, CVS_CLAIM_HEX))
            bytes = cvs_hex_decode(json_string_value(value), -1, NULL);
        if (bytes == NULL || g_bytes_get_size(bytes) != CVS_TD_MR_SIZE)
            return bad(error, "rtmrs", name, "has not 96 lower-case hexadecimal digits");
        cvs_slot_conditions_set_rtmr(conditions, index, g_bytes_get_data(bytes, NULL));
    }
    return TRUE;
}

gboolean
cvs_slot_conditions_parse(const json_t *object, CvsSlotConditions *ret_conditions, GError **error)
{
    g_auto(CvsSlotConditions) conditions = {0};

    if (!cvs_json_only(object, WHAT, error, "claims", "floors", "rtmrs", NULL) ||
        !parse_claims(object, &conditions, error) || !parse_floors(object, &conditions, error) ||
        !parse_rtmrs(object, &conditions, error))
        return FALSE;
    *ret_conditions = conditions;
    memset(&conditions, 0, sizeof conditions);
    return TRUE;
}

json_t *
cvs_slot_conditions_to_json(const CvsSlotConditions *conditions)
{
    json_t *object = json_object();

    if (conditions->claims)
        (void)json_object_set(object, "claims", conditions->claims);
    if (conditions->floors)
        (void)json_object_set(object, "floors", conditions->floors);
    if (conditions->rtmrs != 0) {
        json_t *rtmrs = json_object();

        for (guint i = 0; i < CVS_TD_RTMRS; i++) {
            const char name[] = {(char)('0' + i), '\0'};

            if (conditions->rtmrs & 1u << i)
                cvs_claims_set_hex(rtmrs, name, conditions->rtmr[i], CVS_TD_MR_SIZE);
        }
        (void)json_object_set_new(object, "rtmrs", rtmrs);
    }
    return object;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
add_names(json_t *object, GPtrArray *names)
{
    json_t *value = NULL;
    const char *name = NULL;

    json_object_foreach (object, name, value)
        g_ptr_array_add(names, (gpointer)name);
}

char *
cvs_slot_conditions_names(const CvsSlotConditions *conditions)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    add_names(conditions->claims, names);
    add_names(conditions->floors, names);
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

static void
set(json_t **object, const char *name, const json_t *value)
{
    if (*object == NULL)
        *object = json_object();
    (void)json_object_set_new(*object, name, json_deep_copy(value));
}

gboolean
cvs_slot_conditions_pin(CvsSlotConditions *conditions, const char *name, const json_t *claims)
{
    const json_t *value = json_object_get(claims, name);
    CvsClaimType type;

    if (!cvs_pinnable_get_type(name, &type) || !is_claim_value(value, type))
        return FALSE;
    set(&conditions->claims, name, value);
    return TRUE;
}

gboolean
cvs_slot_conditions_raise(CvsSlotConditions *conditions, const char *name, const json_t *claims)
{
    const json_t *value = json_object_get(claims, name);
    const json_t *old = json_object_get(conditions->floors, name);

    if (!cvs_pinnable_is_floor(name) || !is_floor_value(value))
        return FALSE;
    if (old == NULL || json_integer_value(old) < json_integer_value(value))
        set(&conditions->floors, name, value);
    return TRUE;
}

void
cvs_slot_conditions_set_rtmr(CvsSlotConditions *conditions, guint index,
                             const guint8 value[static CVS_TD_MR_SIZE])
{
    g_return_if_fail(index < CVS_TD_RTMRS);

    memcpy(conditions->rtmr[index], value, CVS_TD_MR_SIZE);
    conditions->rtmrs |= 1u << index;
}
