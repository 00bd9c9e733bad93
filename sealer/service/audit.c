/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/audit.h"
#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PRIORITY_NOTICE 5
#define PRIORITY_WARNING 4
#define REASONS_MAX 32

struct _CvsAudit {
    int fd;
    struct sockaddr_un address;
    socklen_t address_size;
};

CvsAudit *
cvs_audit_new(const char *socket_path)
{
    CvsAudit *audit = g_new0(CvsAudit, 1);

    audit->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    audit->address.sun_family = AF_UNIX;
    g_strlcpy(audit->address.sun_path, socket_path, sizeof audit->address.sun_path);
    audit->address_size = sizeof audit->address;
    return audit;
}

void
cvs_audit_free(CvsAudit *audit)
{
    if (audit == NULL)
        return;
    cvs_close_fd(&audit->fd);
    g_free(audit);
}

/* "NAME=value", or if the value has a line break the binary form, in which it cannot pretend to be
 * another field. */
static void
add_field(GString *out, const char *name, const char *value)
{
    guint64 size = GUINT64_TO_LE(strlen(value));

    g_string_append(out, name);
    if (strchr(value, '\n') == NULL) {
        g_string_append_c(out, '=');
    } else {
        g_string_append_c(out, '\n');
        g_string_append_len(out, (const char *)&size, sizeof size);
    }
    g_string_append(out, value);
    g_string_append_c(out, '\n');
}

static void
add_number(GString *out, const char *name, guint value)
{
    g_string_append_printf(out, "%s=%u\n", name, value);
}

static const char *
error_name(const GError *error)
{
    return cvs_error_name(error->domain == CVS_ERROR ? error->code : CVS_ERROR_FAILED);
}

static char *
sentence(const CvsAuditRecord *record)
{
    g_autofree char *owner = record->owner ? cvs_owner_format(record->owner) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "%s", record->method);
    if (record->key)
        g_string_append_printf(text, " of key %s", record->key);
    if (owner)
        g_string_append_printf(text, " of %s", owner);
    g_string_append_printf(text, " by uid %u", record->uid);
    if (record->unit)
        g_string_append_printf(text, " (%s)", record->unit);
    if (record->error)
        g_string_append_printf(text, ": refused, %s", error_name(record->error));
    else
        g_string_append(text, ": done");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

GString *
cvs_audit_format(const CvsAuditRecord *record)
{
    const GPtrArray *reasons = cvs_error_get_reasons(record->error);
    g_autofree char *owner = record->owner ? cvs_owner_format(record->owner) : NULL;
    g_autofree char *message = sentence(record);
    GString *out = g_string_new(NULL);

    add_field(out, "MESSAGE", message);
    add_field(out, "MESSAGE_ID", record->error ? CVS_AUDIT_REFUSED : record->message_id);
    add_number(out, "PRIORITY", record->error ? PRIORITY_WARNING : PRIORITY_NOTICE);
    add_field(out, "SYSLOG_IDENTIFIER", "cvmseald");
    add_field(out, "CVMSEAL_METHOD", record->method);
    add_number(out, "CVMSEAL_CALLER_UID", record->uid);
    if (record->unit)
        add_field(out, "CVMSEAL_CALLER_UNIT", record->unit);
    if (owner)
        add_field(out, "CVMSEAL_OWNER", owner);
    if (record->key)
        add_field(out, "CVMSEAL_KEY", record->key);
    add_field(out, "CVMSEAL_VERDICT", record->error ? "refused" : "done");
    if (record->error)
        add_field(out, "CVMSEAL_ERROR", error_name(record->error));
    for (guint i = 0; reasons && i < MIN(reasons->len, REASONS_MAX); i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        add_field(out, "CVMSEAL_REASON", reason->code);
    }
    return out;
}

void
cvs_audit_write(CvsAudit *audit, const CvsAuditRecord *record)
{
    g_autofree char *message = NULL;
    GString *out = cvs_audit_format(record);
    gssize sent = sendto(audit->fd, out->str, out->len, MSG_DONTWAIT | MSG_NOSIGNAL,
                         (const struct sockaddr *)&audit->address, audit->address_size);

    if (sent != (gssize)out->len) {
        message = sentence(record);
        /* All of it is ASCII: nothing to convert for anybody's locale. */
        fprintf(stderr, "audit: %s\n", message);
    }
    g_string_free(out, TRUE);
}
