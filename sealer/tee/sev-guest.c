/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/sev-guest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "tee/answer.h"
#include "tee/sev-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/* include/uapi/linux/sev-guest.h, which distributions have in an older form. */
#define MESSAGE_VERSION 1
#define REPORT_HEADER 0x20 /* status u32, size u32, reserved 24 */
#define KEY_OFFSET 32      /* in the answer: status u32, reserved 28 */
#define VMM_INVALID_LENGTH 1
#define VMM_BUSY 2
/* What kernels preset in the low half: the firmware was not asked. */
#define NOT_CALLED G_MAXUINT32
#define NOT_CALLED_OLD 0xff

typedef struct {
    guint8 message_version;
    guint8 padding[7];
    guint64 request;
    guint64 response;
    guint32 firmware_error;
    guint32 vmm_error;
} Call;

typedef struct {
    guint8 user_data[64];
    guint32 vmpl;
    guint8 reserved[28];
} ReportRequest;

typedef struct {
    ReportRequest report;
    guint64 certs_address;
    guint32 certs_size;
    guint8 padding[4];
} ExtendedRequest;

typedef struct {
    guint8 data[4000];
} ReportResponse;

typedef struct {
    guint32 root_key_select;
    guint32 reserved;
    guint64 guest_field_select;
    guint32 vmpl;
    guint32 guest_svn;
    guint64 tcb_version;
} KeyRequest;

typedef struct {
    guint8 data[64];
} KeyResponse;

G_STATIC_ASSERT(sizeof(Call) == 32);
G_STATIC_ASSERT(sizeof(ReportRequest) == 96);
G_STATIC_ASSERT(sizeof(ExtendedRequest) == 112);
G_STATIC_ASSERT(sizeof(KeyRequest) == 32);

#define GET_REPORT _IOWR('S', 0x0, Call)
#define GET_DERIVED_KEY _IOWR('S', 0x1, Call)
#define GET_EXT_REPORT _IOWR('S', 0x2, Call)

static int
open_device(const char *device, GError **error)
{
    int fd = open(device, O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        cvs_error_set_errno(error,
                            errno == ENOENT || errno == ENXIO || errno == ENODEV
                                ? CVS_ERROR_NOT_SUPPORTED
                                : CVS_ERROR_ATTESTATION_FAILED,
                            errno, "cannot open %s", device);
    return fd;
}

static int
call(int fd, unsigned long number, const void *request, void *response, Call *ret_call)
{
    Call arguments = {
        .message_version = MESSAGE_VERSION,
        .request = (guint64)(guintptr)request,
        .response = (guint64)(guintptr)response,
        .firmware_error = NOT_CALLED,
    };
    int errnum = ioctl(fd, number, &arguments) < 0 ? errno : 0;

    *ret_call = arguments;
    return errnum;
}

/* What firmware and host said goes before the errno, which is EIO for all of it. After each of
 * these the kernel closes the channel. */
static void
set_call_error(GError **error, const char *what, int errnum, const Call *result)
{
    g_autofree char *why = NULL;

    if (errnum == EIO && result->vmm_error == VMM_BUSY)
        why = g_strdup("the host throttled the request");
    else if (errnum == EIO && result->vmm_error != 0 && result->vmm_error != NOT_CALLED)
        why = g_strdup_printf("the host refused the request (VMM error %u)", result->vmm_error);
    else if (errnum == EIO && result->firmware_error != 0 && result->firmware_error != NOT_CALLED &&
             result->firmware_error != NOT_CALLED_OLD)
        why = cvs_sev_channel_describe_status(result->firmware_error);
    if (why)
        cvs_sev_channel_set_closed(error, what, why);
    else
        cvs_sev_channel_set_errno(error, errnum, what);
}

/* The report of an answer, as long as it says. */
static GBytes *
unpack_report(const ReportResponse *response, GError **error)
{
    g_autofree char *text = NULL;
    const guint8 *report = NULL;
    guint32 status = 0;
    guint32 size = 0;
    CvsReader r;

    cvs_reader_init(&r, response->data, sizeof response->data);
    status = cvs_reader_u32_le(&r);
    size = cvs_reader_u32_le(&r);
    cvs_reader_seek(&r, REPORT_HEADER);
    if (status != 0) {
        text = cvs_sev_channel_describe_status(status);
        g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                    "the secure processor made no report: %s", text);
        return NULL;
    }
    report = cvs_reader_bytes(&r, size);
    if (report == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the secure processor's answer, byte 4: a report of %u bytes does not fit into "
                    "%zu",
                    size, sizeof response->data);
        return NULL;
    }
    return g_bytes_new(report, size);
}

/* Entries of 24 bytes up to one of zeros; the kernel gives the buffer and no length. A buffer that
 * the host left untouched is no table. */
static GBytes *
take_certs(guint8 *certs)
{
    gsize size = CVS_SEV_CERTS_MAX;

    while (size > 0 && certs[size - 1] == 0)
        size--;
    return size == 0 ? NULL : g_bytes_new(certs, CVS_SEV_CERTS_MAX);
}

gboolean
cvs_sev_guest_get_report(const char *device, const guint8 report_data[static 64], guint vmpl,
                         GBytes **ret_report, GBytes **ret_certs, GError **error)
{
    CVS_AUTO_FD int fd = -1;
    g_autofree ReportResponse *response = g_new0(ReportResponse, 1);
    g_autofree guint8 *certs = ret_certs ? g_malloc0(CVS_SEV_CERTS_MAX) : NULL;
    g_autoptr(GBytes) report = NULL;
    ExtendedRequest request = {
        .report.vmpl = vmpl,
        .certs_address = (guint64)(guintptr)certs,
        .certs_size = CVS_SEV_CERTS_MAX,
    };
    Call result;
    int errnum = 0;

    memcpy(request.report.user_data, report_data, sizeof request.report.user_data);
    fd = open_device(device, error);
    if (fd < 0)
        return FALSE;
    if (certs)
        errnum = call(fd, GET_EXT_REPORT, &request, response, &result);
    else
        errnum = call(fd, GET_REPORT, &request.report, response, &result);
    if (certs && errnum == EIO && result.vmm_error == VMM_INVALID_LENGTH) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "the host has %u bytes of certificates, and Linux takes at most %d",
                    request.certs_size, CVS_SEV_CERTS_MAX);
        return FALSE;
    }
    if (errnum != 0) {
        set_call_error(error, "cannot get a report", errnum, &result);
        return FALSE;
    }
    report = unpack_report(response, error);
    if (report == NULL || !cvs_answer_check_snp(report, report_data, (int)vmpl, error))
        return FALSE;
    *ret_report = g_steal_pointer(&report);
    if (certs)
        *ret_certs = take_certs(certs);
    return TRUE;
}

static gboolean
check_key_request(const CvsSevKeyRequest *request, GError **error)
{
    const guint8 zero[8] = {0};
    const guint known = CVS_SEV_KEY_IMAGE_ID | CVS_SEV_KEY_FAMILY_ID | CVS_SEV_KEY_GUEST_SVN |
                        CVS_SEV_KEY_TCB_VERSION;

    if (request->fields & ~known) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a key of the secure processor: there are no fields 0x%x",
                    request->fields & ~known);
        return FALSE;
    }
    /* The firmware would take them and mix nothing of them in. */
    if ((!(request->fields & CVS_SEV_KEY_GUEST_SVN) && request->guest_svn != 0) ||
        (!(request->fields & CVS_SEV_KEY_TCB_VERSION) && memcmp(request->tcb, zero, 8) != 0)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "a key of the secure processor: an SVN or TCB is given that is not to "
                            "go into the key");
        return FALSE;
    }
    return TRUE;
}

static CvsSecret *
unpack_key(const CvsSecret *answer, GError **error)
{
    const guint8 *data = cvs_secret_peek(answer);
    g_autofree char *text = NULL;
    guint8 any = 0;
    guint32 status = 0;
    CvsReader r;

    cvs_reader_init(&r, data, cvs_secret_size(answer));
    status = cvs_reader_u32_le(&r);
    if (status != 0) {
        text = cvs_sev_channel_describe_status(status);
        g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                    "the secure processor derived no key: %s", text);
        return NULL;
    }
    for (gsize i = 0; i < CVS_SEV_KEY_SIZE; i++)
        any |= data[KEY_OFFSET + i];
    if (any == 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the secure processor's key is all zero: it derived none");
        if (error)
            cvs_error_add_reason(*error, CVS_REASON_ANSWER_EMPTY, NULL, NULL,
                                 "the derived key is all zero");
        return NULL;
    }
    return cvs_secret_new_copy(data + KEY_OFFSET, CVS_SEV_KEY_SIZE);
}

CvsSecret *
cvs_sev_guest_derive_key(const char *device, const CvsSevKeyRequest *request, GError **error)
{
    /* GUEST_POLICY and MEASUREMENT, without which others could derive it. */
    const guint64 always = 1 << 0 | 1 << 3;
    CVS_AUTO_FD int fd = -1;
    g_autoptr(CvsSecret) answer = NULL;
    KeyRequest message = {0};
    Call result;
    int errnum = 0;

    if (!check_key_request(request, error))
        return NULL;
    message.root_key_select = request->root == CVS_SEV_KEY_VM;
    message.guest_field_select = always | request->fields;
    message.vmpl = request->vmpl;
    message.guest_svn = request->guest_svn;
    memcpy(&message.tcb_version, request->tcb, sizeof message.tcb_version);
    fd = open_device(device, error);
    if (fd < 0)
        return NULL;
    answer = cvs_secret_new(sizeof(KeyResponse));
    errnum = call(fd, GET_DERIVED_KEY, &message, cvs_secret_data(answer), &result);
    if (errnum != 0) {
        set_call_error(error, "cannot derive a key", errnum, &result);
        return NULL;
    }
    return unpack_key(answer, error);
}
