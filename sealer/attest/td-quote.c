/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/td-quote.h"
#include "base/error.h"
#include "base/file.h"
#include "tee/refusal.h"
#include "tee/tdreport.h"
#include "tee/tdx-quote.h"

#include <fcntl.h>
#include <sys/stat.h>

#define REQUEST "tdreport"
#define ANSWER "quote"
/* As much as evidence holds of one (evidence-bundle.h). */
#define QUOTE_MAX (256 * 1024)
/* Whoever brings quotes acts when the request is written, and may have failed then. */
#define AGAIN_S 30
#define NAP_US (G_GINT64_CONSTANT(250) * 1000)

static int
open_folder(const char *run_dir, GError **error)
{
    CVS_AUTO_FD int run = cvs_dir_open(run_dir, TRUE, 0700, error);

    return run < 0 ? -1 : cvs_dir_open_at(run, CVS_TD_QUOTE_FOLDER, TRUE, 0700, error);
}

static gboolean
is_same(const CvsTdBody *report, const CvsTdBody *other)
{
    g_autoptr(GError) refusal = cvs_refusal_new();

    cvs_td_body_compare(report, other, refusal);
    return cvs_refusal_count(refusal) == 0;
}

/* By a clock that may have been set back meanwhile. */
static gboolean
is_recent(int dir)
{
    struct stat st = {0};
    gint64 age = 0;

    if (fstatat(dir, REQUEST, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return FALSE;
    age = g_get_real_time() / G_USEC_PER_SEC - (gint64)st.st_mtim.tv_sec;
    return age >= -1 && age < AGAIN_S;
}

/* Whether it lies there already, and not for long. Anything else gives way. */
static gboolean
was_asked(int dir, const CvsTdReport *report)
{
    g_autoptr(GBytes) bytes = cvs_file_read(dir, REQUEST, CVS_TDREPORT_SIZE, NULL);
    CvsTdReport former;

    return bytes && is_recent(dir) &&
           cvs_tdreport_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &former,
                              NULL) &&
           is_same(&former.body, &report->body);
}

/* The quote that is there, if it is of this TDREPORT. What it is else, of a former one or rubbish,
 * is only not the one. */
static GBytes *
look(int dir, const CvsTdReport *report)
{
    g_autoptr(GBytes) bytes = cvs_file_read(dir, ANSWER, QUOTE_MAX, NULL);
    g_autoptr(CvsTdxQuote) quote = bytes ? cvs_tdx_quote_parse(bytes, NULL) : NULL;

    return quote && is_same(&report->body, &quote->body) ? g_steal_pointer(&bytes) : NULL;
}

static gboolean
ask(int dir, GBytes *tdreport, GError **error)
{
    return cvs_file_write(dir, REQUEST, g_bytes_get_data(tdreport, NULL),
                          g_bytes_get_size(tdreport), 0600, CVS_WRITE_REPLACE, error);
}

static void
refuse(const char *run_dir, GError **error)
{
    g_autofree char *folder = g_build_filename(run_dir, CVS_TD_QUOTE_FOLDER, NULL);
    GError *refusal = g_error_new(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                  "the TDREPORT in %s/" REQUEST " has no quote yet, which only the "
                                  "host's service gives: enable cvmseal-td-quote.path, or put its "
                                  "quote into %s/" ANSWER ", and try again",
                                  folder, folder);

    cvs_error_add_reason(refusal, CVS_REASON_QUOTE_MISSING, NULL, NULL, "%s", refusal->message);
    g_propagate_error(error, refusal);
}

GBytes *
cvs_td_quote_get(const char *run_dir, GBytes *tdreport, const CvsPaceClock *clock, GError **error)
{
    CVS_AUTO_FD int dir = -1;
    CvsTdReport report;
    GBytes *quote = NULL;

    if (!cvs_tdreport_parse(g_bytes_get_data(tdreport, NULL), g_bytes_get_size(tdreport), &report,
                            error))
        return NULL;
    dir = open_folder(run_dir, error);
    if (dir < 0)
        return NULL;
    quote = look(dir, &report);
    if (quote == NULL && !was_asked(dir, &report)) {
        if (!ask(dir, tdreport, error))
            return NULL;
        for (gint64 left = CVS_TD_QUOTE_WAIT_US; quote == NULL && left > 0; left -= NAP_US) {
            clock->sleep(clock->data, NAP_US);
            quote = look(dir, &report);
        }
    }
    if (quote == NULL)
        refuse(run_dir, error);
    return quote;
}
