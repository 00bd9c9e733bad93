/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quote-bringer.h"
#include "attest/td-quote.h"
#include "base/file.h"
#include "tee/tdreport.h"

#define LOOK_US 10000

struct _QuoteBringer {
    TeeSim *sim;
    char *request;
    char *answer;
    GThread *thread;
    gint ending;  /* atomic */
    gint brought; /* atomic; QuotesBrought */
    GBytes *last; /* the TDREPORT that was answered */
    GBytes *first_quote;
};

static void
bring(QuoteBringer *bringer)
{
    QuotesBrought brought = (QuotesBrought)g_atomic_int_get(&bringer->brought);
    g_autoptr(GBytes) tdreport = cvs_file_read_path(bringer->request, CVS_TDREPORT_SIZE, NULL);
    g_autoptr(GBytes) quote = NULL;
    g_autoptr(GError) error = NULL;
    CvsTdReport report;

    if (tdreport == NULL || brought == QUOTES_NONE ||
        (bringer->last && g_bytes_equal(bringer->last, tdreport)))
        return;
    (void)cvs_tdreport_parse(g_bytes_get_data(tdreport, NULL), g_bytes_get_size(tdreport), &report,
                             &error);
    g_assert_no_error(error);
    quote = brought == QUOTES_FORMER ? g_bytes_ref(bringer->first_quote)
                                     : tee_sim_quote(bringer->sim, report.body.report_data);
    (void)g_file_set_contents(bringer->answer, g_bytes_get_data(quote, NULL),
                              (gssize)g_bytes_get_size(quote), &error);
    g_assert_no_error(error);
    if (bringer->first_quote == NULL)
        bringer->first_quote = g_bytes_ref(quote);
    g_clear_pointer(&bringer->last, g_bytes_unref);
    bringer->last = g_steal_pointer(&tdreport);
}

static gpointer
look(gpointer data)
{
    QuoteBringer *bringer = data;

    while (!g_atomic_int_get(&bringer->ending)) {
        bring(bringer);
        g_usleep(LOOK_US);
    }
    return NULL;
}

QuoteBringer *
quote_bringer_new(TeeSim *sim, const char *run_dir)
{
    QuoteBringer *bringer = g_new0(QuoteBringer, 1);

    bringer->sim = sim;
    bringer->request = g_build_filename(run_dir, CVS_TD_QUOTE_FOLDER, "tdreport", NULL);
    bringer->answer = g_build_filename(run_dir, CVS_TD_QUOTE_FOLDER, "quote", NULL);
    bringer->thread = g_thread_new("brings-quotes", look, bringer);
    return bringer;
}

void
quote_bringer_free(QuoteBringer *bringer)
{
    g_atomic_int_set(&bringer->ending, 1);
    g_thread_join(bringer->thread);
    g_bytes_unref(bringer->last);
    g_bytes_unref(bringer->first_quote);
    g_free(bringer->request);
    g_free(bringer->answer);
    g_free(bringer);
}

void
quote_bringer_set(QuoteBringer *bringer, QuotesBrought brought)
{
    g_atomic_int_set(&bringer->brought, (gint)brought);
}
