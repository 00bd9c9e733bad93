/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "release/conditions.h"
#include "release/release.h"
#include "release/slot.h"
#include "release/state.h"

/* The file as it is now, under the key's lock. before: as it was read. */
static gboolean
is_as_it_was_read(const CvsRelease *release, const CvsKeyFile *key, GBytes *before)
{
    g_autoptr(CvsKeyFile) again = cvs_store_load(release->store, cvs_key_file_get_owner(key),
                                                 cvs_key_file_get_name(key), NULL);
    g_autoptr(GBytes) now = again ? cvs_key_file_serialise(again, NULL) : NULL;

    return now && g_bytes_equal(before, now);
}

/* Those for states to come do not count: they are newer, and nothing shows that they will come. */
static gboolean
is_newest_of_those_that_came(const CvsKeyFile *key, guint opened)
{
    const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, opened);
    g_autoptr(GArray) genuine = cvs_slot_genuine(key);

    for (guint i = 0; i < genuine->len; i++) {
        const CvsTpm2Slot *other =
            cvs_key_file_get_tpm2_slot(key, g_array_index(genuine, guint, i));

        if (!other->predicted && other->generation > slot->generation)
            return FALSE;
    }
    return TRUE;
}

/* A slot for a state to come waits for it, whatever else opens. One for the state that is here has
 * nothing to wait for. */
static gboolean
is_awaited(const CvsKeyFile *key, guint slot, const CvsTpm2Slot *opened)
{
    const CvsTpm2Slot *tpm2 = cvs_key_file_get_tpm2_slot(key, slot);

    return tpm2->predicted && cvs_key_file_slot_is_genuine(key, slot) &&
           !cvs_slots_are_for_one_state(tpm2, opened);
}

static gboolean
remove_superseded(CvsKeyFile *key, guint opened)
{
    const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, opened);
    gboolean any = FALSE;

    for (guint i = cvs_key_file_get_n_slots(key); i > 0; i--) {
        if (i - 1 == opened || cvs_key_file_get_slot_kind(key, i - 1) != CVS_SLOT_TPM2 ||
            is_awaited(key, i - 1, slot))
            continue;
        cvs_key_file_remove_slot(key, i - 1);
        any = TRUE;
    }
    return any;
}

/* If the newest of the key's own slots has opened, all others for a TPM have no use any more: those
 * that it superseded, and those that somebody else put there; but those for states to come. The key
 * is read again under its lock: somebody may have resealed it meanwhile, and then the older slots
 * are not ours to judge.
 *
 * That it opened in a later boot than the one it was made in would say more, but nothing at hand
 * tells boots apart: the daemon does not see the kernel's boot id (ProcSubset=pid), and the TPM's
 * reset count would cost a command more for each release with more than one slot. */
static void
drop_superseded(const CvsRelease *release, CvsKeyFile *key, GBytes *before, guint opened,
                gboolean arrived)
{
    g_autoptr(CvsKeyLock) lock = NULL;

    if (!is_newest_of_those_that_came(key, opened) || !(remove_superseded(key, opened) || arrived))
        return;
    lock = cvs_store_lock(release->store, cvs_key_file_get_owner(key), cvs_key_file_get_name(key),
                          FALSE, 0, NULL);
    if (lock && is_as_it_was_read(release, key, before))
        (void)cvs_store_save(release->store, lock, key, TRUE, NULL);
}

/* Why nothing opens. */
typedef struct {
    GError *error;
    gboolean waits; /* it is that of a slot for a state to come */
} Refusal;

/* The first error stands, with the reasons of the others added: the newest slot is the one that was
 * meant to open, but for those whose state is still to come. And one that ends the search says more
 * than what came before it. */
static void
collect(Refusal *refusal, GError *next, gboolean final, gboolean predicted)
{
    const GPtrArray *reasons = NULL;
    const char *which = predicted ? "slot for a state to come" : "older slot";

    if (final)
        g_clear_error(&refusal->error);
    if (refusal->error == NULL) {
        refusal->error = next;
        refusal->waits = predicted;
        return;
    }
    if (refusal->waits && !predicted) {
        GError *waiting = refusal->error;

        refusal->error = next;
        refusal->waits = FALSE;
        next = waiting;
        which = "slot for a state to come";
    }
    reasons = cvs_error_get_reasons(next);
    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        cvs_error_add_reason(refusal->error, reason->code, reason->seen, reason->wanted, "%s: %s",
                             which, reason->detail);
    }
    g_error_free(next);
}

static gboolean
has_predicted(const CvsKeyFile *key)
{
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, i);

        if (slot && slot->predicted)
            return TRUE;
    }
    return FALSE;
}

CvsSecret *
cvs_release_unseal(const CvsRelease *release, const CvsOwner *owner, const char *name,
                   const CvsSecret *pin, GError **error)
{
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(GArray) order = NULL;
    g_autoptr(GBytes) before = NULL;
    Refusal refusal = {0};
    g_auto(CvsAttested) attested = {.release = release};

    if (!cvs_key_name_check(name, error))
        return NULL;
    key = cvs_store_load(release->store, owner, name, error);
    if (key == NULL)
        return NULL;
    order = cvs_slot_order(key);
    /* A key with one slot is the usual case, in which there is nothing to change. */
    if (order->len > 1 || has_predicted(key))
        before = cvs_key_file_serialise(key, NULL);
    for (guint i = 0; i < order->len; i++) {
        guint index = g_array_index(order, guint, i);
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, index);
        g_autoptr(CvsSecret) secret = NULL;
        GError *local = NULL;
        gboolean predicted = slot->predicted;
        gboolean holds = cvs_conditions_check_slot(&attested, slot, &local);
        gboolean final = FALSE;

        if (!holds)
            cvs_state_explain_rtmrs(&attested, key, slot, local, NULL);
        else if (cvs_slot_open(&attested, key, index, pin, &local))
            secret = cvs_key_file_decrypt(key, &local);
        if (secret) {
            if (before)
                drop_superseded(release, key, before, index,
                                predicted && !cvs_key_file_get_tpm2_slot(key, index)->predicted);
            g_clear_error(&refusal.error);
            return g_steal_pointer(&secret);
        }
        /* What an attestation failed by is nothing to a slot that needs none. */
        final = holds && cvs_slot_error_is_final(local);
        collect(&refusal, local, final, predicted);
        if (final)
            break;
    }
    if (refusal.error == NULL) {
        refusal.error = g_error_new(
            CVS_ERROR, CVS_ERROR_BAD_FORMAT,
            "the key %s has no slot for a TPM; it opens by its recovery key only", name);
        cvs_error_add_reason(refusal.error, CVS_REASON_NO_SLOT_OPENS, NULL, NULL,
                             "no tpm2 slot in the file");
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&refusal.error), "cannot unseal %s: ", name);
    return NULL;
}
