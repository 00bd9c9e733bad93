/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tpm-mux-private.h"

#include <string.h>

void
mux_rule_free(gpointer data)
{
    Rule *rule = data;

    g_free(rule->port);
    g_free(rule);
}

guint
tpm_mux_add_fault(TpmMux *mux, const TpmMuxFault *fault)
{
    Rule *rule = g_new0(Rule, 1);
    guint number;

    rule->fault = *fault;
    rule->port = g_strdup(fault->port);
    rule->fault.port = rule->port;

    g_mutex_lock(&mux->lock);
    number = mux->rules->len + 1;
    rule->number = number;
    g_ptr_array_add(mux->rules, rule);
    g_mutex_unlock(&mux->lock);
    return number;
}

guint
tpm_mux_fault_fired(TpmMux *mux, guint number)
{
    guint fired = 0;

    g_mutex_lock(&mux->lock);
    for (guint i = 0; i < mux->rules->len; i++) {
        const Rule *rule = g_ptr_array_index(mux->rules, i);

        if (rule->number == number)
            fired = rule->fired;
    }
    g_mutex_unlock(&mux->lock);
    return fired;
}

void
tpm_mux_clear_faults(TpmMux *mux)
{
    g_mutex_lock(&mux->lock);
    g_ptr_array_set_size(mux->rules, 0);
    g_mutex_unlock(&mux->lock);
}

static gboolean
rule_matches(const Rule *rule, const Client *client, guint32 code)
{
    const TpmMuxFault *fault = &rule->fault;

    return (fault->port == NULL || g_str_equal(fault->port, client->port->name)) &&
           (fault->client == 0 || fault->client == client->number) &&
           (fault->code == 0 || fault->code == code);
}

Rule *
mux_match_fault(TpmMux *mux, const Client *client, guint32 code)
{
    Rule *found = NULL;

    for (guint i = 0; i < mux->rules->len; i++) {
        Rule *rule = g_ptr_array_index(mux->rules, i);

        if (!rule_matches(rule, client, code))
            continue;
        rule->matched++;
        if (found == NULL && (rule->fault.nth == 0 || rule->fault.nth == rule->matched))
            found = rule;
    }
    return found;
}

gboolean
mux_fault_needs_answer(TpmMuxFaultKind kind)
{
    return kind == TPM_MUX_CUT || kind == TPM_MUX_SHRINK || kind == TPM_MUX_GARBAGE ||
           kind == TPM_MUX_FLIP;
}

void
mux_set_code(GByteArray *response, guint32 rc)
{
    static const guint8 empty[TPM_HEADER_SIZE] = {0x80, 0x01, 0, 0, 0, TPM_HEADER_SIZE};

    g_byte_array_set_size(response, 0);
    g_byte_array_append(response, empty, sizeof empty);
    tpm_put_u32(response->data + 6, rc);
}

gboolean
mux_spoil(const TpmMuxFault *fault, GByteArray *response, gboolean *ret_close)
{
    *ret_close = FALSE;
    switch (fault->kind) {
    case TPM_MUX_DROP:
        g_byte_array_set_size(response, 0);
        *ret_close = TRUE;
        return TRUE;
    case TPM_MUX_RC:
        mux_set_code(response, fault->value);
        return TRUE;
    case TPM_MUX_CUT:
        if (fault->value >= response->len)
            return FALSE;
        g_byte_array_set_size(response, fault->value);
        *ret_close = TRUE;
        return TRUE;
    case TPM_MUX_SHRINK:
        if (fault->value >= response->len || fault->value < TPM_HEADER_SIZE)
            return FALSE;
        g_byte_array_set_size(response, fault->value);
        tpm_put_u32(response->data + 2, response->len);
        return TRUE;
    case TPM_MUX_GARBAGE:
        /* Not random, so that a test that fails can be run again; the size is kept, or the client
         * would wait for bytes that never come. */
        for (guint i = 0; i < response->len; i++) {
            if (i < 2 || i >= 6)
                response->data[i] ^= (guint8)(0xa5 + 7 * i) | 1;
        }
        return TRUE;
    case TPM_MUX_FLIP:
        if (fault->value >= response->len)
            return FALSE;
        response->data[fault->value] ^= 1;
        return TRUE;
    case TPM_MUX_HANG:
        return TRUE;
    }
    return FALSE;
}

guint
mux_count_held(const TpmMux *mux)
{
    guint n = 0;

    for (guint i = 0; i < mux->conns->len; i++) {
        const Conn *conn = g_ptr_array_index(mux->conns, i);

        n += conn->held != NOT_HELD;
    }
    return n;
}

gboolean
tpm_mux_wait_hung(TpmMux *mux, guint n, guint timeout_ms)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    gboolean ok = TRUE;

    g_mutex_lock(&mux->lock);
    while (ok && mux_count_held(mux) < n)
        ok = g_cond_wait_until(&mux->hung_changed, &mux->lock, deadline);
    ok = mux_count_held(mux) >= n;
    g_mutex_unlock(&mux->lock);
    return ok;
}

void
tpm_mux_release(TpmMux *mux)
{
    g_mutex_lock(&mux->lock);
    for (guint i = mux->conns->len; i > 0; i--) {
        Conn *conn = g_ptr_array_index(mux->conns, i - 1);

        if (conn->held != NOT_HELD)
            mux_release_conn(mux, conn);
    }
    g_mutex_unlock(&mux->lock);
    mux_wake(mux);
}

void
tpm_mux_set_hook(TpmMux *mux, TpmMuxHook hook, gpointer data)
{
    g_mutex_lock(&mux->lock);
    mux->hook = hook;
    mux->hook_data = data;
    g_mutex_unlock(&mux->lock);
}
