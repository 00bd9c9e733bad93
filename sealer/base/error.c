/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* GLib's extended errors: the reasons travel inside the GError, so that no function needs a second
 * way out for them, and they survive g_propagate_prefixed_error() and g_error_copy(). */
typedef struct {
    GPtrArray *reasons;
} CvsErrorPrivate;

static void
reason_free(gpointer data)
{
    CvsReason *reason = data;

    g_free(reason->code);
    g_free(reason->detail);
    g_free(reason->seen);
    g_free(reason->wanted);
    g_free(reason);
}

static CvsReason *
reason_new(const char *code, const char *detail, const char *seen, const char *wanted)
{
    CvsReason *reason = g_new0(CvsReason, 1);

    reason->code = g_strdup(code);
    reason->detail = g_utf8_make_valid(detail, -1);
    reason->seen = g_utf8_make_valid(seen ? seen : "", -1);
    reason->wanted = g_utf8_make_valid(wanted ? wanted : "", -1);
    return reason;
}

static void
cvs_error_private_init(CvsErrorPrivate *priv)
{
    priv->reasons = g_ptr_array_new_with_free_func(reason_free);
}

static void
cvs_error_private_copy(const CvsErrorPrivate *src, CvsErrorPrivate *dest)
{
    /* GLib has initialised the copy before it comes here. */
    for (guint i = 0; i < src->reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(src->reasons, i);

        g_ptr_array_add(dest->reasons,
                        reason_new(reason->code, reason->detail, reason->seen, reason->wanted));
    }
}

static void
cvs_error_private_clear(CvsErrorPrivate *priv)
{
    g_ptr_array_unref(priv->reasons);
}

/* GLib puts the private part in front of the error, aligned; clang does not see that in its macro.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-align"
G_DEFINE_EXTENDED_ERROR(CvsError, cvs_error)
#pragma GCC diagnostic pop

#define X(symbol, code, text) const char CVS_REASON_##symbol[] = code;
CVS_REASONS(X)
#undef X

static const struct {
    const char *name;
    int exit_code;
    const char *summary;
} errors[] = {
#define X(symbol, name, exit, text) [CVS_ERROR_##symbol] = {name, exit, text},
    CVS_ERRORS(X)
#undef X
};

const char *
cvs_error_name(int code)
{
    return errors[code >= 0 && code < CVS_N_ERRORS ? code : CVS_ERROR_FAILED].name;
}

const char *
cvs_error_summary(int code)
{
    return errors[code >= 0 && code < CVS_N_ERRORS ? code : CVS_ERROR_FAILED].summary;
}

gboolean
cvs_error_from_name(const char *name, int *ret_code)
{
    for (int i = 0; i < CVS_N_ERRORS; i++) {
        if (g_str_equal(errors[i].name, name)) {
            *ret_code = i;
            return TRUE;
        }
    }
    return FALSE;
}

int
cvs_error_exit_code(const GError *error)
{
    if (error->domain != CVS_ERROR || error->code < 0 || error->code >= CVS_N_ERRORS)
        return CVS_EXIT_FAILED;
    return errors[error->code].exit_code;
}

void
cvs_error_add_reason(GError *error, const char *code, const char *seen, const char *wanted,
                     const char *format, ...)
{
    g_autofree char *detail = NULL;
    va_list args;

    if (error == NULL || error->domain != CVS_ERROR)
        return;

    va_start(args, format);
    detail = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(cvs_error_get_private(error)->reasons, reason_new(code, detail, seen, wanted));
}

const GPtrArray *
cvs_error_get_reasons(const GError *error)
{
    if (error == NULL || error->domain != CVS_ERROR)
        return NULL;
    return cvs_error_get_private((GError *)error)->reasons;
}

void
cvs_error_add_reasons_of(GError *to, const GError *from)
{
    const GPtrArray *reasons = cvs_error_get_reasons(from);

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        cvs_error_add_reason(to, reason->code, reason->seen, reason->wanted, "%s", reason->detail);
    }
}

gboolean
cvs_error_has_reason(const GError *error, const char *code)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (g_str_equal(reason->code, code))
            return TRUE;
    }
    return FALSE;
}

void
cvs_error_set_errno(GError **error, int code, int errnum, const char *format, ...)
{
    g_autofree char *context = NULL;
    va_list args;

    va_start(args, format);
    context = g_strdup_vprintf(format, args);
    va_end(args);

    if (errnum == EACCES || errnum == EPERM)
        code = CVS_ERROR_NOT_AUTHORIZED;
    g_set_error(error, CVS_ERROR, code, "%s: %s", context, g_strerror(errnum));
}
