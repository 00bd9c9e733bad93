/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/hex.h"
#include "vault/slot-mac.h"

#include <string.h>

#define SLOT "{\"a\":1}"

static CvsJwe *
make_jwe(const char *protected_text)
{
    CvsJwe *jwe = cvs_jwe_new();

    jwe->protected_text = g_strdup(protected_text);
    jwe->ciphertext = g_bytes_new("x", 1);
    return jwe;
}

static CvsJweRecipient *
make_recipient(const char *slot, const char *p2s, guint p2c, guint8 last)
{
    CvsJweRecipient *recipient = g_new0(CvsJweRecipient, 1);

    if (slot != NULL)
        recipient->slot = g_bytes_new(slot, strlen(slot));
    if (p2s != NULL)
        recipient->p2s = g_bytes_new(p2s, strlen(p2s));
    recipient->p2c = p2c;
    for (guint i = 0; i < sizeof recipient->encrypted_key; i++)
        recipient->encrypted_key[i] = (guint8)i;
    recipient->encrypted_key[sizeof recipient->encrypted_key - 1] = last;
    return recipient;
}

static char *
mac_of(const char *protected_text, const char *slot, const char *p2s, guint p2c, guint8 last,
       guint secret)
{
    g_autoptr(CvsJwe) jwe = make_jwe(protected_text);
    g_autoptr(CvsJweRecipient) recipient = make_recipient(slot, p2s, p2c, last);
    g_autoptr(CvsSecret) cek = fixture_tpm_secret(secret);
    g_autoptr(CvsSecret) key = cvs_slot_mac_key(jwe, cek);
    guint8 mac[CVS_JWE_MAC_SIZE];

    cvs_slot_mac(recipient, key, mac);
    g_assert_false(cvs_slot_mac_holds(recipient, key));
    memcpy(recipient->mac, mac, sizeof mac);
    g_assert_true(cvs_slot_mac_holds(recipient, key));
    return cvs_hex_encode(mac, sizeof mac);
}

/* Computed from the text of slot-mac.h with the hmac module of Python. */
static void
test_vectors(void)
{
    g_autofree char *tpm2 = mac_of("eyJhIjoxfQ", SLOT, NULL, 0, 39, 0);
    g_autofree char *recovery = mac_of("eyJhIjoxfQ", NULL, "12345678", 32768, 39, 0);

    g_assert_cmpstr(tpm2, ==, "b62147c5a7bf7e752892bbcf75e905c05107452d370c1eb9a520913275aa97b6");
    g_assert_cmpstr(recovery, ==,
                    "68c31b8c014651074a9735d86035bdb1d0b2dd88647f8d7c7fed22eb916090c5");
}

/* Everything that goes in counts: the header, the kind and the text of the slot, the wrapped key,
 * the count of rounds, the CEK. */
static void
test_differs(void)
{
    g_autoptr(GPtrArray) macs = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(macs, mac_of("eyJhIjoxfQ", SLOT, NULL, 0, 39, 0));
    g_ptr_array_add(macs, mac_of("eyJhIjoyfQ", SLOT, NULL, 0, 39, 0));
    g_ptr_array_add(macs, mac_of("eyJhIjoxfQ", "{\"a\":2}", NULL, 0, 39, 0));
    g_ptr_array_add(macs, mac_of("eyJhIjoxfQ", NULL, SLOT, 0, 39, 0));
    g_ptr_array_add(macs, mac_of("eyJhIjoxfQ", NULL, SLOT, 1000, 39, 0));
    g_ptr_array_add(macs, mac_of("eyJhIjoxfQ", SLOT, NULL, 0, 40, 0));
    g_ptr_array_add(macs, mac_of("eyJhIjoxfQ", SLOT, NULL, 0, 39, 1));
    for (guint i = 0; i < macs->len; i++) {
        for (guint j = 0; j < i; j++)
            g_assert_cmpstr(g_ptr_array_index(macs, i), !=, g_ptr_array_index(macs, j));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/slot-mac/vectors", test_vectors);
    g_test_add_func("/vault/slot-mac/differs", test_differs);
    return g_test_run();
}
