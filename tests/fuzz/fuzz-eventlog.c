/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/json.h"
#include "tee/eventlog-describe.h"

/* Whatever parses can be replayed and described, and no proof leads outside of its record. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    CvsEventLogFormat format = size > 0 ? (CvsEventLogFormat)(data[0] % 4) : CVS_EVENT_LOG_AUTO;
    g_autoptr(GBytes) bytes = size > 0 ? g_bytes_new(data + 1, size - 1) : g_bytes_new(NULL, 0);
    g_autoptr(CvsEventLog) log = cvs_event_log_parse(bytes, format, NULL);
    g_autoptr(json_t) json = NULL;
    const guint8 zero[CVS_DIGEST_MAX] = {0};

    if (log == NULL)
        return 0;
    g_assert_cmpuint(cvs_event_log_end(log), <=, g_bytes_get_size(bytes));
    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);
        CvsEventProof proof = cvs_event_log_proof(log, event);

        g_assert_cmpint(event->reg, <, CVS_EVENT_LOG_REGISTERS);
        g_assert_cmpuint(proof.size, <=, event->size);
        g_assert_cmpuint(proof.offset, <=, event->size - proof.size);
    }
    for (guint reg = 0; reg < 4; reg++)
        (void)cvs_event_log_explain(log, CVS_SHA384, reg, zero, NULL);
    json = cvs_event_log_to_json(log);
    g_assert_nonnull(json);
    return 0;
}
