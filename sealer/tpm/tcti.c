/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/tcti.h"
#include "base/error.h"
#include "base/secret.h"
#include "tpm/rc.h"

#include <errno.h>
#include <string.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#define CVS_TCTI_MAGIC G_GUINT64_CONSTANT(0x6376737463746921)
#define HEADER_SIZE 10u /* tag, size, command or response code */
/* About two seconds in all: 1, 2, 4 … 256 ms, then 500 ms each. */
#define RETRIES_MAX 12
#define RETRY_LONGEST_MS 500u

struct _CvsTcti {
    TSS2_TCTI_CONTEXT_COMMON_V2 common; /* first: this is what the layers above see */
    TSS2_TCTI_CONTEXT *inner;
    CvsTctiWatch *watch;
    GArray *live;      /* guint32: handles that our commands made and that were not flushed */
    gboolean dead;     /* the line is broken */
    gboolean poisoned; /* an answer was none: nothing more from above, only flushing */
    guint retries;     /* spent since the last answer that was not a retry */
    gsize command_size;
    guint8 command[CVS_TCTI_RESPONSE_MAX]; /* kept to be sent again; secrets in it are encrypted */
    gsize response_size;                   /* 0: not received yet */
    guint8 response[CVS_TCTI_RESPONSE_MAX];
};

static CvsTcti *
tcti_cast(TSS2_TCTI_CONTEXT *context)
{
    CvsTcti *tcti = (CvsTcti *)(void *)context;

    return tcti != NULL && tcti->common.v1.magic == CVS_TCTI_MAGIC ? tcti : NULL;
}

static guint32
u32_at(const guint8 *data, gsize offset)
{
    return (guint32)data[offset] << 24 | (guint32)data[offset + 1] << 16 |
           (guint32)data[offset + 2] << 8 | data[offset + 3];
}

static guint16
tag_of(const guint8 *data)
{
    return (guint16)(data[0] << 8 | data[1]);
}

static TSS2_RC
send_command(CvsTcti *tcti)
{
    TSS2_RC rc = TSS2_RC_SUCCESS;

    tcti->response_size = 0;
    tcti->watch->commands_sent++;
    rc = Tss2_Tcti_Transmit(tcti->inner, tcti->command_size, tcti->command);
    if (rc != TSS2_RC_SUCCESS)
        tcti->dead = TRUE;
    return rc;
}

static TSS2_RC
tcti_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    CvsTcti *tcti = tcti_cast(context);

    if (tcti == NULL || command == NULL)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (size < HEADER_SIZE || size > sizeof tcti->command)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (tcti->dead || tcti->poisoned)
        return TSS2_TCTI_RC_NO_CONNECTION;
    memcpy(tcti->command, command, size);
    tcti->command_size = size;
    return send_command(tcti);
}

/* One answer, as it came. */
static TSS2_RC
receive_raw(CvsTcti *tcti, int32_t timeout, gsize *ret_size)
{
    gsize size = sizeof tcti->response;
    TSS2_RC rc = Tss2_Tcti_Receive(tcti->inner, &size, tcti->response, timeout);

    if (rc == TSS2_TCTI_RC_TRY_AGAIN)
        return rc;
    if (rc == TSS2_RC_SUCCESS && size > sizeof tcti->response)
        rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
    if (rc == TSS2_RC_SUCCESS && tcti->watch->hook != NULL &&
        !tcti->watch->hook(u32_at(tcti->command, 6), tcti->response, &size, tcti->watch->hook_data))
        rc = TSS2_TCTI_RC_IO_ERROR;
    if (rc != TSS2_RC_SUCCESS)
        tcti->dead = TRUE;
    *ret_size = size;
    return rc;
}

/* Part 1, 18.x "Command/Response Structure": a success has the command's tag, an error is a bare
 * header without sessions. Part 2, 6.6.1: one of two bits is set in any response code of a TPM 2.0.
 */
static gboolean
is_answer(const CvsTcti *tcti, gsize size)
{
    guint16 tag = 0;
    guint32 code = 0;

    if (size < HEADER_SIZE || u32_at(tcti->response, 2) != size)
        return FALSE;
    tag = tag_of(tcti->response);
    code = u32_at(tcti->response, 6);
    if (code == TPM2_RC_SUCCESS)
        return tag == tag_of(tcti->command);
    return tag == TPM2_ST_NO_SESSIONS && size == HEADER_SIZE && cvs_rc_is_from_tpm(code) &&
           (code & (TPM2_RC_FMT1 | TPM2_RC_VER1)) != 0;
}

/* Also from an answer that is too short or too long: the TPM may have done what it was told. */
static void
note_handles(CvsTcti *tcti, gsize size)
{
    guint32 handle = 0;

    if (size < HEADER_SIZE || u32_at(tcti->response, 6) != TPM2_RC_SUCCESS)
        return;
    switch (u32_at(tcti->command, 6)) {
    case TPM2_CC_StartAuthSession:
    case TPM2_CC_Load:
    case TPM2_CC_LoadExternal:
    case TPM2_CC_CreatePrimary:
    case TPM2_CC_CreateLoaded:
        if (size >= HEADER_SIZE + 4) {
            handle = u32_at(tcti->response, HEADER_SIZE);
            g_array_append_val(tcti->live, handle);
        }
        break;
    case TPM2_CC_FlushContext:
        handle = tcti->command_size >= HEADER_SIZE + 4 ? u32_at(tcti->command, HEADER_SIZE) : 0;
        for (guint i = 0; i < tcti->live->len; i++) {
            if (g_array_index(tcti->live, guint32, i) == handle) {
                g_array_remove_index_fast(tcti->live, i);
                break;
            }
        }
        break;
    default:
        break;
    }
}

/* Fills response and response_size, sending the command again as often as the TPM asks for it. */
static TSS2_RC
receive_answer(CvsTcti *tcti, int32_t timeout)
{
    for (;;) {
        gsize size = 0;
        guint32 code = 0;
        TSS2_RC rc = receive_raw(tcti, timeout, &size);

        if (rc != TSS2_RC_SUCCESS)
            return rc;
        note_handles(tcti, size);
        if (!is_answer(tcti, size)) {
            tcti->poisoned = TRUE;
            return TSS2_TCTI_RC_MALFORMED_RESPONSE;
        }
        code = u32_at(tcti->response, 6);
        if (!cvs_rc_wants_retry(code)) {
            tcti->retries = 0;
            tcti->response_size = size;
            return TSS2_RC_SUCCESS;
        }
        /* ESYS has a few tries of its own on top, without a pause: they pass through. */
        if (tcti->retries >= RETRIES_MAX) {
            tcti->response_size = size;
            return TSS2_RC_SUCCESS;
        }
        g_usleep(1000ul * MIN(1u << tcti->retries, RETRY_LONGEST_MS));
        tcti->retries++;
        rc = send_command(tcti);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
}

/* With response NULL, asks for the size; the answer then waits for the next call (TCTI 1.0,
 * section 3.2.5.2). */
static TSS2_RC
tcti_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    CvsTcti *tcti = tcti_cast(context);
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (tcti == NULL || size == NULL)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (tcti->dead || tcti->poisoned)
        return TSS2_TCTI_RC_NO_CONNECTION;
    if (tcti->response_size == 0) {
        rc = receive_answer(tcti, timeout);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    if (response == NULL) {
        *size = tcti->response_size;
        return TSS2_RC_SUCCESS;
    }
    if (*size < tcti->response_size)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    memcpy(response, tcti->response, tcti->response_size);
    *size = tcti->response_size;
    tcti->response_size = 0;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
tcti_cancel(TSS2_TCTI_CONTEXT *context)
{
    CvsTcti *tcti = tcti_cast(context);

    return tcti == NULL ? TSS2_TCTI_RC_BAD_REFERENCE : Tss2_Tcti_Cancel(tcti->inner);
}

static TSS2_RC
tcti_get_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *n_handles)
{
    CvsTcti *tcti = tcti_cast(context);

    return tcti == NULL ? TSS2_TCTI_RC_BAD_REFERENCE
                        : Tss2_Tcti_GetPollHandles(tcti->inner, handles, n_handles);
}

static TSS2_RC
tcti_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    CvsTcti *tcti = tcti_cast(context);

    return tcti == NULL ? TSS2_TCTI_RC_BAD_REFERENCE : Tss2_Tcti_SetLocality(tcti->inner, locality);
}

static TSS2_RC
tcti_make_sticky(TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
    CvsTcti *tcti = tcti_cast(context);

    return tcti == NULL ? TSS2_TCTI_RC_BAD_REFERENCE
                        : Tss2_Tcti_MakeSticky(tcti->inner, handle, sticky);
}

CvsTcti *
cvs_tcti_open(const char *conf, CvsTctiWatch *watch, GError **error)
{
    TSS2_TCTI_CONTEXT *inner = NULL;
    CvsTcti *tcti = NULL;
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &inner);

    if (rc != TSS2_RC_SUCCESS) {
        /* tctildr keeps the system's error to itself. */
        const char *device = g_str_has_prefix(conf, "device:") ? conf + strlen("device:") : NULL;

        if (device != NULL && access(device, R_OK | W_OK) < 0)
            g_set_error(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE, "no TPM at %s: %s%s", device,
                        g_strerror(errno),
                        errno == EACCES ? " (members of group tss may use it)" : "");
        else
            g_set_error(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE, "no TPM at \"%s\": %s", conf,
                        Tss2_RC_Decode(rc));
        return NULL;
    }
    tcti = g_new0(CvsTcti, 1);
    tcti->inner = inner;
    tcti->watch = watch;
    tcti->live = g_array_new(FALSE, FALSE, sizeof(guint32));
    tcti->common.v1.magic = CVS_TCTI_MAGIC;
    tcti->common.v1.version = 2;
    tcti->common.v1.transmit = tcti_transmit;
    tcti->common.v1.receive = tcti_receive;
    tcti->common.v1.cancel = tcti_cancel;
    tcti->common.v1.getPollHandles = tcti_get_poll_handles;
    tcti->common.v1.setLocality = tcti_set_locality;
    tcti->common.makeSticky = tcti_make_sticky;
    return tcti;
}

/* Without ESYS, whose context may be beyond use by now. Also over a line that broke: where there is
 * no resource manager nobody else would do it, and some lines come back (a TPM behind a socket that
 * is opened for each command). */
static void
flush_live(CvsTcti *tcti)
{
    while (tcti->live->len > 0) {
        guint32 handle = g_array_index(tcti->live, guint32, tcti->live->len - 1);
        guint8 command[HEADER_SIZE + 4] = {
            TPM2_ST_NO_SESSIONS >> 8,
            TPM2_ST_NO_SESSIONS & 0xff,
            0,
            0,
            0,
            sizeof command,
            0,
            0,
            TPM2_CC_FlushContext >> 8,
            TPM2_CC_FlushContext & 0xff,
            (guint8)(handle >> 24),
            (guint8)(handle >> 16),
            (guint8)(handle >> 8),
            (guint8)handle,
        };
        TSS2_RC rc = TSS2_RC_SUCCESS;

        g_array_set_size(tcti->live, tcti->live->len - 1);
        memcpy(tcti->command, command, sizeof command);
        tcti->command_size = sizeof command;
        rc = send_command(tcti);
        if (rc == TSS2_RC_SUCCESS)
            rc = receive_answer(tcti, TSS2_TCTI_TIMEOUT_BLOCK);
        if (rc != TSS2_RC_SUCCESS && rc != TSS2_TCTI_RC_MALFORMED_RESPONSE)
            break;
    }
}

void
cvs_tcti_close(CvsTcti *tcti)
{
    if (tcti == NULL)
        return;
    flush_live(tcti);
    Tss2_TctiLdr_Finalize(&tcti->inner);
    g_array_unref(tcti->live);
    cvs_wipe(tcti, sizeof *tcti);
    g_free(tcti);
}

TSS2_TCTI_CONTEXT *
cvs_tcti_context(CvsTcti *tcti)
{
    return (TSS2_TCTI_CONTEXT *)(void *)tcti;
}
