/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/ask.h"
#include "ctl/prompt.h"
#include "ctl/secret-io.h"
#include "vault/recovery.h"

/* Dashes, spaces and line ends around it are forgiven; nobody types more than that. */
#define RECOVERY_TEXT_MAX 256

CvsSecret *
cvs_ask_pin(const char *key, const char *file, gboolean is_new, GError **error)
{
    g_autofree char *question = g_strdup_printf("%s for \"%s\": ", is_new ? "New PIN" : "PIN", key);

    if (file)
        return cvs_secret_io_read_line(file, CVS_PIN_MAX, "the PIN", error);
    if (is_new)
        return cvs_prompt_secret_twice(question, CVS_PIN_MAX, "the PIN", "--pin-file FILE", error);
    return cvs_prompt_secret(question, CVS_PIN_MAX, "the PIN", "--pin-file FILE", error);
}

CvsSecret *
cvs_ask_recovery_key(const char *key, const char *file, GError **error)
{
    g_autofree char *question =
        key ? g_strdup_printf("Recovery key for \"%s\": ", key) : g_strdup("Recovery key: ");
    g_autoptr(CvsSecret) text = NULL;

    text = file ? cvs_secret_io_read_line(file, RECOVERY_TEXT_MAX, "the recovery key", error)
                : cvs_prompt_secret(question, RECOVERY_TEXT_MAX, "the recovery key",
                                    "--recovery-key-file FILE", error);
    return text ? cvs_recovery_key_normalise(text, error) : NULL;
}

gboolean
cvs_ask_to_keep_recovery_key(const char *key, const CvsSecret *recovery_key, GError **error)
{
    g_autofree char *before = g_strdup_printf("\nRecovery key for \"%s\":\n\n    ", key);

    return cvs_prompt_show(before, recovery_key,
                           "\n\nIt opens the key without the TPM and in any state, and is shown "
                           "only now.\nKeep it off this machine.\n\n",
                           "--recovery-key-out FILE", error);
}
