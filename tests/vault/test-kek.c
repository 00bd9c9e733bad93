/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/hex.h"
#include "vault/kek.h"

#include <string.h>

#define SLOT "{\"a\":1}"
#define PROTECTED "eyJhIjoxfQ"

static char *
derive(const CvsSecret *const *factors, gsize n, const char *slot, const char *protected_text)
{
    g_autoptr(GBytes) json = g_bytes_new(slot, strlen(slot));
    g_autoptr(CvsSecret) kek = cvs_kek_derive(factors, n, json, protected_text);

    return cvs_hex_encode(cvs_secret_peek(kek), cvs_secret_size(kek));
}

/* Computed from the text of kek.h with the hmac module of Python. */
static void
test_vectors(void)
{
    g_autoptr(CvsSecret) first = fixture_tpm_secret(0);
    g_autoptr(CvsSecret) second = fixture_tpm_secret(1);
    const CvsSecret *const factors[] = {first, second};
    g_autofree char *one = derive(factors, 1, SLOT, PROTECTED);
    g_autofree char *two = derive(factors, 2, SLOT, PROTECTED);

    g_assert_cmpstr(one, ==, "7a75e5e8cc3a3ece2801c5795d60de3bcf1f72ec5b82380ab15a59d1690c0574");
    g_assert_cmpstr(two, ==, "baddffcc4c89d66fd4e9b299f75bf362acf185c473afa6190f196884cd4f1705");
}

/* Everything that goes in counts: the factors with their borders and order, the slot, the header.
 */
static void
test_differs(void)
{
    g_autoptr(CvsSecret) ab = fixture_secret_text("ab");
    g_autoptr(CvsSecret) c = fixture_secret_text("c");
    g_autoptr(CvsSecret) a = fixture_secret_text("a");
    g_autoptr(CvsSecret) bc = fixture_secret_text("bc");
    const CvsSecret *const one[] = {ab, c};
    const CvsSecret *const two[] = {a, bc};
    const CvsSecret *const turned[] = {c, ab};
    g_autoptr(GPtrArray) keks = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(keks, derive(one, 2, SLOT, PROTECTED));
    g_ptr_array_add(keks, derive(two, 2, SLOT, PROTECTED));
    g_ptr_array_add(keks, derive(turned, 2, SLOT, PROTECTED));
    g_ptr_array_add(keks, derive(one, 1, SLOT, PROTECTED));
    g_ptr_array_add(keks, derive(one, 2, "{\"a\":2}", PROTECTED));
    g_ptr_array_add(keks, derive(one, 2, SLOT, "eyJhIjoyfQ"));
    for (guint i = 0; i < keks->len; i++) {
        for (guint j = 0; j < i; j++)
            g_assert_cmpstr(g_ptr_array_index(keks, i), !=, g_ptr_array_index(keks, j));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/kek/vectors", test_vectors);
    g_test_add_func("/vault/kek/differs", test_differs);
    return g_test_run();
}
