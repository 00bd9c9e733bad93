/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said to callers and to the journal. */
#include "base/error.h"
#include "base/file.h"
#include "service/audit.h"
#include "service/bouncer.h"
#include "service/dbus-error.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static GError *
mismatch(void)
{
    GError *error = g_error_new(CVS_ERROR, CVS_ERROR_PCR_MISMATCH, "PCRs differ");

    cvs_error_add_reason(error, CVS_REASON_PCR_DIFFERS, "00", "11", "PCR 7 differs");
    cvs_error_add_reason(error, CVS_REASON_PCR_DIFFERS, NULL, NULL, "PCR 2 \xff differs");
    return error;
}

static void
test_error_body(void)
{
    g_autoptr(GError) error = mismatch();
    g_autofree char *name = cvs_dbus_error_name(error);
    g_autoptr(GVariant) body = g_variant_ref_sink(cvs_dbus_error_body(error, TRUE));
    g_autofree char *text = g_variant_print(body, FALSE);
    g_autoptr(GError) other = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "other");
    g_autofree char *other_name = cvs_dbus_error_name(other);

    g_assert_cmpstr(name, ==, "org.cvmseal1.Error.PcrMismatch");
    g_assert_cmpstr(text, ==,
                    "('PCRs differ', [('PcrDiffers', 'PCR 7 differs', '00', '11'), "
                    "('PcrDiffers', 'PCR 2 \xef\xbf\xbd differs', '', '')])");
    g_assert_cmpstr(other_name, ==, "org.cvmseal1.Error.Failed");
}

/* What a client of GDBus gets that knows nothing of the reasons. */
static void
test_error_for_plain_clients(void)
{
    g_autoptr(GError) error = mismatch();
    g_autoptr(GError) received = NULL;
    g_autofree char *name = cvs_dbus_error_name(error);
    g_autofree char *remote = NULL;
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call("a.b", "/", "a.b", "C");
    g_autoptr(GDBusMessage) reply = NULL;

    g_dbus_message_set_serial(call, 1);
    reply = g_dbus_message_new_method_error_literal(call, name, "");
    g_dbus_message_set_body(reply, cvs_dbus_error_body(error, FALSE));
    g_assert_true(g_dbus_message_to_gerror(reply, &received));
    remote = g_dbus_error_get_remote_error(received);
    g_dbus_error_strip_remote_error(received);
    g_assert_cmpstr(remote, ==, name);
    g_assert_cmpstr(received->message, ==,
                    "PCRs differ: PCR 7 differs; PCR 2 \xef\xbf\xbd differs");
}

static const CvsOwner alice = {.kind = CVS_OWNER_UID, .uid = 1000};

static void
test_audit_fields(void)
{
    g_autoptr(GError) error = mismatch();
    CvsAuditRecord record = {CVS_AUDIT_RELEASED, "Unseal", 1000, "a.service", &alice, "db", NULL};
    GString *good = cvs_audit_format(&record);
    GString *bad = NULL;

    g_assert_cmpstr(
        good->str, ==,
        "MESSAGE=Unseal of key db of uid:1000 by uid 1000 (a.service): done\n"
        "MESSAGE_ID=" CVS_AUDIT_RELEASED "\nPRIORITY=5\nSYSLOG_IDENTIFIER=cvmseald\n"
        "CVMSEAL_METHOD=Unseal\nCVMSEAL_CALLER_UID=1000\nCVMSEAL_CALLER_UNIT=a.service\n"
        "CVMSEAL_OWNER=uid:1000\nCVMSEAL_KEY=db\nCVMSEAL_VERDICT=done\n");
    record.unit = NULL;
    record.error = error;
    bad = cvs_audit_format(&record);
    g_assert_cmpstr(bad->str, ==,
                    "MESSAGE=Unseal of key db of uid:1000 by uid 1000: refused, PcrMismatch\n"
                    "MESSAGE_ID=" CVS_AUDIT_REFUSED "\nPRIORITY=4\nSYSLOG_IDENTIFIER=cvmseald\n"
                    "CVMSEAL_METHOD=Unseal\nCVMSEAL_CALLER_UID=1000\n"
                    "CVMSEAL_OWNER=uid:1000\nCVMSEAL_KEY=db\nCVMSEAL_VERDICT=refused\n"
                    "CVMSEAL_ERROR=PcrMismatch\nCVMSEAL_REASON=PcrDiffers\n"
                    "CVMSEAL_REASON=PcrDiffers\n");
    g_string_free(good, TRUE);
    g_string_free(bad, TRUE);
}

/* A line break cannot start a field of its own. */
static void
test_audit_line_break(void)
{
    CvsAuditRecord record = {CVS_AUDIT_RELEASED, "x\nPRIORITY=0", 1, NULL, NULL, NULL, NULL};
    GString *out = cvs_audit_format(&record);
    const char *at = memmem(out->str, out->len, "CVMSEAL_METHOD\n", strlen("CVMSEAL_METHOD\n"));
    const guint8 size[8] = {12};

    g_assert_nonnull(at);
    g_assert_cmpmem(at + strlen("CVMSEAL_METHOD\n"), 8, size, 8);
    g_assert_cmpmem(at + strlen("CVMSEAL_METHOD\n") + 8, 13, "x\nPRIORITY=0\n", 13);
    g_string_free(out, TRUE);
}

static void
test_audit_socket(void)
{
    g_autofree char *dir = g_dir_make_tmp("cvs-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "journal", NULL);
    g_autoptr(CvsAudit) audit = cvs_audit_new(path);
    CvsAuditRecord record = {CVS_AUDIT_SEALED, "Seal", 1, NULL, &alice, "db", NULL};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CVS_AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    GString *expected = cvs_audit_format(&record);
    char buffer[4096];
    gssize n = 0;

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    cvs_audit_write(audit, &record);
    n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    g_assert_cmpmem(buffer, (gsize)n, expected->str, expected->len);
    g_string_free(expected, TRUE);
    g_unlink(path);
    g_rmdir(dir);
}

static void
test_audit_without_journal(void)
{
    if (g_test_subprocess()) {
        g_autoptr(CvsAudit) audit = cvs_audit_new("/nonexistent/journal");
        CvsAuditRecord record = {CVS_AUDIT_SEALED, "Seal", 1, NULL, &alice, "db", NULL};

        cvs_audit_write(audit, &record);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*audit: Seal of key db of uid:1000 by uid 1: done*");
}

static CvsVerdict
judge(const char *method, uid_t uid, const char *unit, const char *owner_text)
{
    CvsCaller caller = {.uid = uid, .unit = (char *)unit, .has_pidfd = unit != NULL};
    CvsOwner owner = {0};
    g_autoptr(GError) error = NULL;

    if (owner_text)
        g_assert_true(cvs_bouncer_resolve_owner(&caller, owner_text, &owner, &error));
    return cvs_bouncer_judge(method, &caller, owner_text ? &owner : NULL);
}

static void
test_bouncer(void)
{
    g_assert_cmpint(judge("Unseal", 7, NULL, "self"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Unseal", 7, NULL, "uid:7"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Unseal", 7, NULL, "uid:8"), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("Unseal", 7, NULL, "uid:0"), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("Unseal", 7, NULL, "system"), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("Unseal", 7, "a.service", "unit"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Unseal", 7, "a.service", "unit:a.service"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Unseal", 7, "a.service", "unit:b.service"), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("Unseal", 7, NULL, "unit:a.service"), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("List", 7, NULL, NULL), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("List", 0, NULL, NULL), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Unseal", 0, NULL, "system"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Status", 7, NULL, "self"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Attest", 7, NULL, "self"), ==, CVS_VERDICT_ASK);
    g_assert_cmpint(judge("Attest", 0, NULL, "self"), ==, CVS_VERDICT_ALLOWED);
    g_assert_cmpint(judge("Refresh", 7, NULL, "self"), ==, CVS_VERDICT_ASK);
    g_assert_cmpstr(cvs_bouncer_action("Attest"), ==, CVS_ACTION_ATTEST);
    g_assert_cmpstr(cvs_bouncer_action("Refresh"), ==, CVS_ACTION_MANAGE);
    g_assert_cmpint(judge("Enrol", 7, NULL, "self"), ==, CVS_VERDICT_REFUSED);
    g_assert_cmpint(judge("Enrol", 0, NULL, "self"), ==, CVS_VERDICT_REFUSED);
    g_assert_cmpint(cvs_bouncer_property_rule("Version"), ==, CVS_BOUNCE_ANYBODY);
    g_assert_cmpint(cvs_bouncer_property_rule("Keys"), ==, CVS_BOUNCE_REFUSE);
}

static void
test_owner_refused(void)
{
    CvsCaller old_bus = {.uid = 7};
    CvsCaller session = {.uid = 7, .has_pidfd = TRUE};
    CvsOwner owner = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(cvs_bouncer_resolve_owner(&old_bus, "unit", &owner, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_assert_nonnull(strstr(error->message, "pidfd"));
    g_clear_error(&error);
    g_assert_false(cvs_bouncer_resolve_owner(&session, "unit", &owner, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    g_assert_false(cvs_bouncer_resolve_owner(&session, "me", &owner, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/service/error/body", test_error_body);
    g_test_add_func("/service/error/plain-clients", test_error_for_plain_clients);
    g_test_add_func("/service/audit/fields", test_audit_fields);
    g_test_add_func("/service/audit/line-break", test_audit_line_break);
    g_test_add_func("/service/audit/socket", test_audit_socket);
    g_test_add_func("/service/audit/without-journal", test_audit_without_journal);
    g_test_add_func("/service/bouncer/verdicts", test_bouncer);
    g_test_add_func("/service/bouncer/owners", test_owner_refused);
    return g_test_run();
}
