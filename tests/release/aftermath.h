/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A vault before a change that will be cut short, and what must hold of it afterwards: the key is
 * as before the change or as after it and opens, no other key is touched, and nothing that is left
 * lies in anybody's way. Whatever does not hold ends the test program.
 *
 * The vault has the owner's keys "key" (where the operation starts from one), "other" and
 * "key.other", and the system's key "key". */

#include "release/release.h"
#include "sim/crash.h"

typedef enum {
    OPERATION_FIRST,   /* seal where there is no vault yet */
    OPERATION_SEAL,    /* seal; the name is free */
    OPERATION_REPLACE, /* seal over a key */
    OPERATION_RESEAL,
    OPERATION_REMOVE,
    OPERATION_DROP, /* unseal, which drops a slot that a reseal had kept */
    N_OPERATIONS,
} Operation;

const char *operation_name(Operation operation);

#define AFTERMATH_KEY "key"
#define AFTERMATH_OLD                                                                              \
    "the old secret"                   /* of the key at first, and all along for RESEAL and DROP   \
                                        */
#define AFTERMATH_NEW "the new secret" /* what FIRST, SEAL and REPLACE are to seal */

typedef struct _Aftermath Aftermath;

/* tcti: of a port of its own. policies: a folder with "default". The vault's folder need not be
 * there. */
Aftermath *aftermath_new(const char *tcti, const char *policies, const char *vault,
                         const CvsOwner *owner);
void aftermath_free(Aftermath *aftermath);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Aftermath, aftermath_free)

/* Puts the vault into the state before the operation. Folders stay as they are, for programs that
 * hold them open; for FIRST nothing stays. */
void aftermath_prepare(Aftermath *aftermath, Operation operation);

/* Does it here, without waiting for anybody's lock. */
gboolean aftermath_do(Aftermath *aftermath, Operation operation, GError **error);

/* Looks at what the operation left; when: for messages. FALSE: all is as before; TRUE: it has
 * happened. May drop a slot that a reseal kept, as any unseal does. */
gboolean aftermath_check(Aftermath *aftermath, Operation operation, const char *when);

/* Changes the key again without waiting for anybody's lock, in a way that varies with n, and then
 * sweeps: of what was left nothing may be there. */
void aftermath_go_on(Aftermath *aftermath, guint n, const char *when);

/* All keys but "key" are listed without an error and open. */
void aftermath_check_others_open(Aftermath *aftermath, const char *when);

/* Only keys and the state records that they name lie in the vault, and the other keys are as they
 * were. */
void aftermath_check_tidy(Aftermath *aftermath, const char *when);

/* In the trace of an undisturbed run: each file is written, synced and renamed and then its folder
 * synced, the record before the key that names it; a key is removed and the folder synced before
 * its records go; a folder that is made lasts before anything is in it. */
void aftermath_check_order(Aftermath *aftermath, Operation operation, const CrashResult *result);

/* The key's file. */
const char *aftermath_key_path(Aftermath *aftermath);
/* The folder that it lies in. */
const char *aftermath_folder(Aftermath *aftermath);
