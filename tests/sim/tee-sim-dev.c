/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /dev/sev-guest (include/uapi/linux/sev-guest.h) and /dev/tdx_guest (linux/tdx-guest.h). */

#define _GNU_SOURCE
#include "tee-sim-private.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/uio.h>

#define PAGE 4096
#define CERTS_MAX (4 * PAGE)
#define VMM_INVALID_LENGTH 1u

typedef struct {
    guint8 version;
    guint8 pad[7];
    guint64 request;
    guint64 response;
    guint32 fw_error;
    guint32 vmm_error;
} GuestRequest;
G_STATIC_ASSERT(sizeof(GuestRequest) == 32);

typedef struct {
    guint8 data[64];
    guint32 vmpl;
    guint8 reserved[28];
} ReportRequest;
G_STATIC_ASSERT(sizeof(ReportRequest) == 96);

typedef struct {
    ReportRequest report;
    guint64 certs;
    guint32 certs_size;
} ExtendedRequest;
G_STATIC_ASSERT(sizeof(ExtendedRequest) == 112);

typedef struct {
    guint32 status;
    guint32 size;
    guint8 reserved[24];
    guint8 report[CVS_SNP_REPORT_SIZE];
    guint8 rest[4000 - 32 - CVS_SNP_REPORT_SIZE];
} ReportResponse;
G_STATIC_ASSERT(sizeof(ReportResponse) == 4000);

typedef struct {
    guint32 root_key;
    guint32 reserved;
    guint64 fields;
    guint32 vmpl;
    guint32 guest_svn;
    guint8 tcb[8];
} KeyRequest;
G_STATIC_ASSERT(sizeof(KeyRequest) == 32);

typedef struct {
    guint32 status;
    guint8 reserved[28];
    guint8 key[32];
} KeyResponse;
G_STATIC_ASSERT(sizeof(KeyResponse) == 64);

typedef struct {
    guint8 data[64];
    guint8 report[TEE_SIM_TD_REPORT_SIZE];
} TdRequest;

#define SNP_GET_REPORT _IOWR('S', 0, GuestRequest)
#define SNP_GET_DERIVED_KEY _IOWR('S', 1, GuestRequest)
#define SNP_GET_EXT_REPORT _IOWR('S', 2, GuestRequest)
#define TDX_CMD_GET_REPORT0 _IOWR('T', 1, TdRequest)

static gboolean
copy_in(int pid, guint64 from, void *data, gsize size)
{
    struct iovec local = {data, size};
    struct iovec remote = {GSIZE_TO_POINTER(from), size};

    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (gssize)size;
}

static gboolean
copy_out(int pid, guint64 to, const void *data, gsize size)
{
    struct iovec local = {(void *)data, size};
    struct iovec remote = {GSIZE_TO_POINTER(to), size};

    return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (gssize)size;
}

static int
put_report(TeeSim *sim, const ReportRequest *request, const GuestRequest *io, int pid)
{
    g_autofree ReportResponse *response = g_new0(ReportResponse, 1);
    g_autoptr(GByteArray) out = NULL;

    response->status =
        tee_sim_snp_report(sim, request->data, request->vmpl, tee_sim_vmpl(sim), response->report);
    if (response->status == 0) {
        out = tee_sim_spoil(sim, response->report, CVS_SNP_REPORT_SIZE);
        response->size = MIN(out->len, 4000 - 32);
        memset(response->report, 0, CVS_SNP_REPORT_SIZE);
        if (response->size > 0)
            memcpy((guint8 *)response + 32, out->data, response->size);
    }
    return copy_out(pid, io->response, response, sizeof(*response)) ? 0 : -EFAULT;
}

static int
get_report(TeeSim *sim, const GuestRequest *io, int pid)
{
    ReportRequest request;
    int fault = 0;

    if (!io->request || !io->response)
        return -EINVAL;
    if (!copy_in(pid, io->request, &request, sizeof(request)))
        return -EFAULT;
    fault = tee_sim_request(sim, TEE_SIM_HANG_REPORT);
    return fault ? fault : put_report(sim, &request, io, pid);
}

static int
get_extended_report(TeeSim *sim, GuestRequest *io, int pid)
{
    g_autofree guint8 *certs = g_malloc0(CERTS_MAX);
    g_autoptr(GBytes) table = NULL;
    ExtendedRequest request;
    gsize size = 0;
    int result = 0;

    if (!io->request || !io->response)
        return -EINVAL;
    if (!copy_in(pid, io->request, &request, sizeof(request)))
        return -EFAULT;
    if (request.certs == 0)
        request.certs_size = 0;
    if (request.certs_size > CERTS_MAX || request.certs_size % PAGE != 0)
        return -EINVAL;
    result = tee_sim_request(sim, TEE_SIM_HANG_REPORT);
    if (result)
        return result;
    table = tee_sim_snp_certs(sim);
    size = g_bytes_get_size(table);
    if (size > request.certs_size) {
        request.certs_size = (guint32)((size + PAGE - 1) / PAGE * PAGE);
        io->fw_error = 0;
        io->vmm_error = VMM_INVALID_LENGTH;
        return copy_out(pid, io->request, &request, sizeof(request)) ? -EIO : -EFAULT;
    }
    result = put_report(sim, &request.report, io, pid);
    if (result)
        return result;
    if (size > 0)
        memcpy(certs, g_bytes_get_data(table, NULL), size);
    if (request.certs_size > 0 && !copy_out(pid, request.certs, certs, request.certs_size))
        return -EFAULT;
    return 0;
}

static int
get_key(TeeSim *sim, const GuestRequest *io, int pid)
{
    KeyResponse response = {0};
    TeeSimKeyRequest asked = {0};
    KeyRequest request;
    int fault = 0;

    if (!io->request || !io->response)
        return -EINVAL;
    if (!copy_in(pid, io->request, &request, sizeof(request)))
        return -EFAULT;
    fault = tee_sim_request(sim, TEE_SIM_HANG_KEY);
    if (fault)
        return fault;
    asked.root_key = request.root_key;
    asked.fields = request.fields;
    asked.vmpl = request.vmpl;
    asked.guest_svn = request.guest_svn;
    memcpy(asked.tcb, request.tcb, sizeof(asked.tcb));
    response.status = request.reserved ? TEE_SIM_SNP_INVALID_PARAMETER
                                       : tee_sim_snp_key(sim, &asked, response.key);
    return copy_out(pid, io->response, &response, sizeof(response)) ? 0 : -EFAULT;
}

int
tee_sim_sev_ioctl(TeeSim *sim, guint cmd, guint8 *data, guint64 arg, int pid)
{
    GuestRequest io;
    int result = 0;

    if (cmd != SNP_GET_REPORT && cmd != SNP_GET_DERIVED_KEY && cmd != SNP_GET_EXT_REPORT)
        return -ENOTTY;
    memcpy(&io, data, sizeof(io));
    if (io.version == 0)
        return -EINVAL;
    io.fw_error = 0xff;
    io.vmm_error = 0;
    result = cmd == SNP_GET_REPORT       ? get_report(sim, &io, pid)
             : cmd == SNP_GET_EXT_REPORT ? get_extended_report(sim, &io, pid)
                                         : get_key(sim, &io, pid);
    /* FUSE carries nothing back together with an error, and Linux nothing without one. */
    if (result && !copy_out(pid, arg, &io, sizeof(io)))
        return -EFAULT;
    return result;
}

int
tee_sim_tdx_ioctl(TeeSim *sim, guint cmd, guint8 *data)
{
    TdRequest *request = (TdRequest *)data;

    if (cmd != TDX_CMD_GET_REPORT0)
        return -ENOTTY;
    if (sim->sw[TEE_SIM_NO_TDREPORT])
        return -EIO;
    tee_sim_tdx_report(sim, request->data, request->report);
    return 0;
}
