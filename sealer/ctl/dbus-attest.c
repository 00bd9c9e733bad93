/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "ctl/dbus-attest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ctl/dbus-call.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is in a file in memory, from its beginning. */
static char *
read_text(int fd, GError **error)
{
    g_autofree char *text = NULL;
    struct stat st = {0};
    gsize size = 0, filled = 0;

    if (fstat(fd, &st) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot read the evidence");
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || st.st_size > CVS_BUNDLE_SIZE_MAX) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "the daemon's evidence is not in a file in memory, or is longer than "
                            "any evidence");
        return NULL;
    }
    size = (gsize)st.st_size;
    text = g_malloc0(size + 1);
    while (filled < size) {
        gssize n = pread(fd, text + filled, size - filled, (off_t)filled);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            cvs_error_set_errno(error, CVS_ERROR_FAILED, n < 0 ? errno : EIO,
                                "cannot read the evidence");
            return NULL;
        }
        filled += (gsize)n;
    }
    return g_steal_pointer(&text);
}

static GVariant *
bytes_to_variant(GBytes *bytes)
{
    return g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static gboolean
add_options(CvsDbusCall *call, const CvsAttestRequest *request, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(CvsSecret) challenge = NULL;

    if (request->user_data)
        g_variant_builder_add(&call->options, "{sv}", "user-data",
                              bytes_to_variant(request->user_data));
    if (request->challenge == NULL)
        return TRUE;
    /* It is none, but goes the same way. */
    text = cvs_challenge_format(request->challenge);
    challenge = cvs_secret_new_copy(text, strlen(text));
    return cvs_dbus_call_add_secret_option(call, "challenge", challenge, error);
}

char *
cvs_dbus_attest(GDBusConnection *bus, const CvsAttestRequest *request, gboolean *ret_test_roots,
                GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(json_t) verdict = NULL;
    CVS_AUTO_FD int fd = -1;
    char *text = NULL;
    const char *said = NULL;

    cvs_dbus_call_init(&call, NULL);
    if (!add_options(&call, request, error))
        return NULL;
    reply = cvs_dbus_call_send(
        bus, CVS_DBUS_INTERFACE, "Attest",
        g_variant_new("(@aya{sv})", bytes_to_variant(request->nonce ? request->nonce : none),
                      &call.options),
        call.fds, "(hs)", error);
    if (reply == NULL)
        return NULL;
    g_variant_get_child(g_dbus_message_get_body(reply), 1, "&s", &said);
    verdict = cvs_json_parse(said, strlen(said), "the daemon's verdict", error);
    fd = verdict ? cvs_dbus_call_take_fd(reply, "evidence", error) : -1;
    text = fd < 0 ? NULL : read_text(fd, error);
    if (text)
        *ret_test_roots = json_is_true(json_object_get(verdict, "test_roots"));
    return text;
}
