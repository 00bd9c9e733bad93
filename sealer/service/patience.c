/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/patience.h"

#define US_PER_MS 1000

typedef struct {
    GSource source;
    const CvsPaceClock *clock;
    gint64 until;
} Patience;

static gint64
left(const GSource *source)
{
    const Patience *patience = (const Patience *)source;

    return patience->until - patience->clock->now(patience->clock->data);
}

static gboolean
prepare(GSource *source, gint *timeout_ms)
{
    gint64 us = MAX(left(source), 0);

    *timeout_ms = (gint)MIN((us + US_PER_MS - 1) / US_PER_MS, G_MAXINT);
    return us == 0;
}

static gboolean
check(GSource *source)
{
    return left(source) <= 0;
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    return callback(data);
}

GSource *
cvs_patience_new(const CvsPaceClock *clock, gint64 until)
{
    static GSourceFuncs funcs = {.prepare = prepare, .check = check, .dispatch = dispatch};
    GSource *source = g_source_new(&funcs, sizeof(Patience));
    Patience *patience = (Patience *)source;

    patience->clock = clock;
    patience->until = until;
    return source;
}
