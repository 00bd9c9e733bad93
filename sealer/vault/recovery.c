/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/recovery.h"
#include "base/error.h"

#include <string.h>

#define RECOVERY_KEY_BYTES 32
#define GROUP 8 /* characters between two dashes */
#define CHARACTERS (2 * RECOVERY_KEY_BYTES)

static const char modhex[] = "cbdefghijklnrtuv";

/* Puts the n-th character where it stands in the written form, with the dash that goes before it.
 */
static void
put(guint8 *written, guint n, guint8 character)
{
    guint at = n + n / GROUP;

    if (n > 0 && n % GROUP == 0)
        written[at - 1] = '-';
    written[at] = character;
}

CvsSecret *
cvs_recovery_key_new(GError **error)
{
    g_autoptr(CvsSecret) random = cvs_secret_new_random(RECOVERY_KEY_BYTES, error);
    g_autoptr(CvsSecret) key = NULL;

    if (random == NULL)
        return NULL;
    key = cvs_secret_new(CVS_RECOVERY_KEY_LENGTH);
    for (guint n = 0; n < CHARACTERS; n++) {
        guint8 byte = cvs_secret_peek(random)[n / 2];

        put(cvs_secret_data(key), n, (guint8)modhex[n % 2 == 0 ? byte >> 4 : byte & 15]);
    }
    return g_steal_pointer(&key);
}

CvsSecret *
cvs_recovery_key_normalise(const CvsSecret *text, GError **error)
{
    const guint8 *bytes = cvs_secret_peek(text);
    gsize begin = 0, end = cvs_secret_size(text);
    g_autoptr(CvsSecret) key = cvs_secret_new(CVS_RECOVERY_KEY_LENGTH);
    guint n = 0;

    while (begin < end && g_ascii_isspace(bytes[begin]))
        begin++;
    while (end > begin && g_ascii_isspace(bytes[end - 1]))
        end--;

    for (gsize i = begin; i < end; i++) {
        int c = g_ascii_tolower((char)bytes[i]);

        /* A dash only where one belongs, and once. */
        if (c == '-' && n > 0 && n < CHARACTERS && n % GROUP == 0 && bytes[i - 1] != '-')
            continue;
        if (c == '\0' || strchr(modhex, c) == NULL) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "not a recovery key: position %zu holds what does not belong there; it is "
                        "written with the letters %s and a dash every %d",
                        i - begin + 1, modhex, GROUP);
            return NULL;
        }
        if (n == CHARACTERS) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "not a recovery key: more than %d letters", CHARACTERS);
            return NULL;
        }
        put(cvs_secret_data(key), n++, (guint8)c);
    }
    if (n < CHARACTERS) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "not a recovery key: it ends after %u of %d letters", n, CHARACTERS);
        return NULL;
    }
    return g_steal_pointer(&key);
}
