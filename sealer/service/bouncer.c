/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/bouncer.h"
#include "base/error.h"

#include <string.h>

typedef struct {
    const char *name;
    CvsBounceRule rule;
} Entry;

static const Entry methods[] = {
    {"Seal", CVS_BOUNCE_OWNER},    {"Generate", CVS_BOUNCE_OWNER}, {"Unseal", CVS_BOUNCE_OWNER},
    {"List", CVS_BOUNCE_OWNER},    {"Describe", CVS_BOUNCE_OWNER}, {"Explain", CVS_BOUNCE_OWNER},
    {"Remove", CVS_BOUNCE_OWNER},  {"Reseal", CVS_BOUNCE_OWNER},   {"Status", CVS_BOUNCE_ANYBODY},
    {"Attest", CVS_BOUNCE_ATTEST}, {"Refresh", CVS_BOUNCE_MANAGE},
};

static const Entry properties[] = {
    {"Version", CVS_BOUNCE_ANYBODY},
    {"AttestationState", CVS_BOUNCE_ANYBODY},
    {"AttestationReasons", CVS_BOUNCE_ANYBODY},
    {"TeeType", CVS_BOUNCE_ANYBODY},
    {"VtpmKind", CVS_BOUNCE_ANYBODY},
    {"Registers", CVS_BOUNCE_ANYBODY},
    {"TestRoots", CVS_BOUNCE_ANYBODY},
};

static CvsBounceRule
find(const Entry *entries, gsize n, const char *name)
{
    for (gsize i = 0; i < n; i++) {
        if (g_str_equal(entries[i].name, name))
            return entries[i].rule;
    }
    return CVS_BOUNCE_REFUSE;
}

CvsBounceRule
cvs_bouncer_method_rule(const char *method)
{
    return find(methods, G_N_ELEMENTS(methods), method);
}

CvsBounceRule
cvs_bouncer_property_rule(const char *property)
{
    return find(properties, G_N_ELEMENTS(properties), property);
}

static gboolean
resolve_unit(const CvsCaller *caller, CvsOwner *ret_owner, GError **error)
{
    g_autofree char *text = NULL;

    if (caller->unit) {
        text = g_strconcat("unit:", caller->unit, NULL);
        return cvs_owner_parse(text, ret_owner, error);
    }
    g_set_error(
        error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED, "%s",
        caller->unit_unclear
            ? "the caller's unit could not be found out: its process has ended, or "
              "its cgroup cannot be read"
        : caller->has_pidfd
            ? "the caller does not run in a service of system.slice, so it has no unit's keys"
            : "this bus gives no pidfd of its clients (dbus 1.16 or dbus-broker 34 do), so the "
              "caller's unit cannot be known for certain");
    return FALSE;
}

gboolean
cvs_bouncer_resolve_owner(const CvsCaller *caller, const char *text, CvsOwner *ret_owner,
                          GError **error)
{
    if (text && g_str_equal(text, "unit"))
        return resolve_unit(caller, ret_owner, error);
    if (text && !g_str_equal(text, "self"))
        return cvs_owner_parse(text, ret_owner, error);
    memset(ret_owner, 0, sizeof *ret_owner);
    ret_owner->kind = CVS_OWNER_UID;
    ret_owner->uid = caller->uid;
    return TRUE;
}

static gboolean
is_own(const CvsCaller *caller, const CvsOwner *owner)
{
    switch (owner->kind) {
    case CVS_OWNER_UID:
        return owner->uid == caller->uid;
    case CVS_OWNER_UNIT:
        return caller->unit && g_str_equal(caller->unit, owner->unit);
    case CVS_OWNER_SYSTEM:
        break;
    }
    return FALSE;
}

CvsVerdict
cvs_bouncer_judge(const char *method, const CvsCaller *caller, const CvsOwner *owner)
{
    switch (cvs_bouncer_method_rule(method)) {
    case CVS_BOUNCE_REFUSE:
        break;
    case CVS_BOUNCE_ANYBODY:
        return CVS_VERDICT_ALLOWED;
    case CVS_BOUNCE_OWNER:
        if (caller->uid == 0 || (owner && is_own(caller, owner)))
            return CVS_VERDICT_ALLOWED;
        return CVS_VERDICT_ASK;
    case CVS_BOUNCE_MANAGE:
    case CVS_BOUNCE_ATTEST:
        return caller->uid == 0 ? CVS_VERDICT_ALLOWED : CVS_VERDICT_ASK;
    }
    return CVS_VERDICT_REFUSED;
}

const char *
cvs_bouncer_action(const char *method)
{
    return cvs_bouncer_method_rule(method) == CVS_BOUNCE_ATTEST ? CVS_ACTION_ATTEST
                                                                : CVS_ACTION_MANAGE;
}
