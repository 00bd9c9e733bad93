/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What ties report, quote and request: each part of it counts, and the bytes are for ever. */

#include "attest/binding.h"
#include "base/hex.h"

#include <string.h>

static CvsName
name_of(const char *text)
{
    CvsName name = {.size = strlen(text)};

    memcpy(name.bytes, text, name.size);
    return name;
}

static char *
binding(const char *nonce, const char *ak, const char *srk, const char *user)
{
    g_autoptr(GBytes) nonce_bytes = g_bytes_new_static(nonce, strlen(nonce));
    g_autoptr(GBytes) user_bytes = user ? g_bytes_new_static(user, strlen(user)) : NULL;
    const CvsName ak_name = name_of(ak), srk_name = name_of(srk);
    guint8 out[CVS_BINDING_SIZE];

    cvs_binding_compute(nonce_bytes, &ak_name, &srk_name, user_bytes, out);
    return cvs_hex_encode(out, sizeof out);
}

/* By another program: the fields with their lengths before them, hashed by Python. */
static void
test_known(void)
{
    static const guint8 zeros[CVS_BINDING_SIZE] = {0};
    g_autofree char *out = binding("nonce", "ak", "srk", "user");
    g_autoptr(GBytes) report = g_bytes_new_static("report", 6);
    guint8 nonce[CVS_BINDING_QUOTE_NONCE_SIZE];
    g_autofree char *quote = NULL;

    g_assert_cmpstr(out, ==,
                    "70707e9689b62165dbe098c91686177a05b8c6afce5b982c22825b58e71f2a68"
                    "7dd59c518c4115f51969a41559a5829a8e17400295697068db13dfe1f66d9141");
    cvs_binding_quote_nonce(zeros, report, nonce);
    quote = cvs_hex_encode(nonce, sizeof nonce);
    g_assert_cmpstr(quote, ==, "15c8c032dfa36210017c5d51f2ca10679cba14ecab98ecac9ef848c02df1774e");
}

static void
test_each_counts(void)
{
    g_autofree char *all = binding("nonce", "ak", "srk", "user");
    const char *const others[][4] = {
        {"noncf", "ak", "srk", "user"}, {"nonce", "al", "srk", "user"},
        {"nonce", "ak", "srl", "user"}, {"nonce", "ak", "srk", "uses"},
        {"nonce", "ak", "srk", ""},     {"noncea", "k", "srk", "user"},
        {"nonce", "aks", "rk", "user"}, {"nonce", "ak", "srku", "ser"},
        {"nonce", "srk", "ak", "user"},
    };
    g_autofree char *none = binding("nonce", "ak", "srk", NULL);
    g_autofree char *empty = binding("nonce", "ak", "srk", "");

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *other = binding(others[i][0], others[i][1], others[i][2], others[i][3]);

        g_assert_cmpstr(all, !=, other);
    }
    g_assert_cmpstr(none, ==, empty);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/binding/known", test_known);
    g_test_add_func("/attest/binding/each-counts", test_each_counts);
    return g_test_run();
}
