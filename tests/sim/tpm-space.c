/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tpm-space.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define HEADER_SIZE 10
#define SAVED G_MAXUINT32 /* the slot is taken and its object is not loaded */
#define TYPE(handle) ((handle) >> TPM2_HR_SHIFT)

typedef struct {
    guint32 handle; /* 0: free; an object's: physical while it is loaded, else SAVED */
    GBytes *context;
} Slot;

typedef struct {
    Slot objects[TPM_SPACE_SLOTS];
    Slot sessions[TPM_SPACE_SLOTS];
} Table;

struct _TpmSpace {
    Table settled;  /* after the last command that went through */
    Table work;     /* between prepare and commit */
    gboolean stale; /* the TPM has lost its power: the same handles are others' now */
};

typedef enum {
    LOAD_DONE,
    LOAD_GONE, /* somebody else flushed it */
    LOAD_FAILED,
} LoadResult;

static void
slot_set(Slot *slot, guint32 handle, GBytes *context)
{
    GBytes *old = slot->context;

    slot->handle = handle;
    slot->context = context ? g_bytes_ref(context) : NULL;
    g_bytes_unref(old);
}

static void
table_copy(Table *dest, const Table *src)
{
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        slot_set(&dest->objects[i], src->objects[i].handle, src->objects[i].context);
        slot_set(&dest->sessions[i], src->sessions[i].handle, src->sessions[i].context);
    }
}

TpmSpace *
tpm_space_new(void)
{
    return g_new0(TpmSpace, 1);
}

void
tpm_space_free(TpmSpace *space)
{
    static const Table empty;

    table_copy(&space->settled, &empty);
    table_copy(&space->work, &empty);
    g_free(space);
}

static gboolean
transact(Swtpm *swtpm, guint32 code, const void *body, gsize size, GByteArray *response)
{
    g_autoptr(GByteArray) command = g_byte_array_new();
    guint8 header[HEADER_SIZE] = {0x80, 0x01};

    tpm_put_u32(header + 2, (guint32)(HEADER_SIZE + size));
    tpm_put_u32(header + 6, code);
    g_byte_array_append(command, header, sizeof header);
    g_byte_array_append(command, body, (guint)size);
    return swtpm_send(swtpm, command->data, command->len, response);
}

static void
flush(Swtpm *swtpm, guint32 handle)
{
    g_autoptr(GByteArray) response = g_byte_array_new();
    guint8 body[4];

    tpm_put_u32(body, handle);
    (void)transact(swtpm, TPM2_CC_FlushContext, body, sizeof body, response);
}

static LoadResult
load(Swtpm *swtpm, GBytes *context, guint32 *ret_handle)
{
    g_autoptr(GByteArray) response = g_byte_array_new();
    gsize size;
    const void *data = g_bytes_get_data(context, &size);
    guint32 rc;

    if (!transact(swtpm, TPM2_CC_ContextLoad, data, size, response))
        return LOAD_FAILED;
    rc = tpm_response_code(response);
    if (rc == TPM2_RC_REFERENCE_H0 || (rc & ~0xf00u) == TPM2_RC_HANDLE)
        return LOAD_GONE;
    if (rc != TPM2_RC_SUCCESS || response->len < HEADER_SIZE + 4)
        return LOAD_FAILED;
    *ret_handle = tpm_get_u32(response->data + HEADER_SIZE);
    return LOAD_DONE;
}

static LoadResult
save(Swtpm *swtpm, Slot *slot)
{
    g_autoptr(GByteArray) response = g_byte_array_new();
    g_autoptr(GBytes) context = NULL;
    guint8 body[4];
    guint32 rc;

    tpm_put_u32(body, slot->handle);
    if (!transact(swtpm, TPM2_CC_ContextSave, body, sizeof body, response))
        return LOAD_FAILED;
    rc = tpm_response_code(response);
    if (rc == TPM2_RC_REFERENCE_H0)
        return LOAD_GONE;
    if (rc != TPM2_RC_SUCCESS)
        return LOAD_FAILED;
    context = g_bytes_new(response->data + HEADER_SIZE, response->len - HEADER_SIZE);
    slot_set(slot, slot->handle, context);
    return LOAD_DONE;
}

/* As the kernel does when something fails half-way: the sessions are lost for good. */
static void
flush_work(TpmSpace *space, Swtpm *swtpm)
{
    if (space->stale)
        return;
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        guint32 object = space->work.objects[i].handle;

        if (object != 0 && object != SAVED)
            flush(swtpm, object);
    }
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        if (space->work.sessions[i].handle != 0)
            flush(swtpm, space->work.sessions[i].handle);
    }
}

void
tpm_space_lose_power(TpmSpace *space)
{
    space->stale = tpm_space_count_sessions(space) > 0 || tpm_space_count_objects(space) > 0;
}

void
tpm_space_close(TpmSpace *space, Swtpm *swtpm)
{
    if (space->stale)
        return;
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        if (space->settled.sessions[i].handle != 0)
            flush(swtpm, space->settled.sessions[i].handle);
    }
}

static gboolean
load_work(TpmSpace *space, Swtpm *swtpm)
{
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        Slot *slot = &space->work.objects[i];

        if (slot->handle != 0 && load(swtpm, slot->context, &slot->handle) != LOAD_DONE)
            return FALSE;
    }
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        Slot *slot = &space->work.sessions[i];
        guint32 handle = 0;

        if (slot->handle == 0)
            continue;
        switch (load(swtpm, slot->context, &handle)) {
        case LOAD_DONE:
            if (handle != slot->handle)
                return FALSE;
            break;
        case LOAD_GONE:
            slot_set(slot, 0, NULL);
            break;
        case LOAD_FAILED:
            return FALSE;
        }
    }
    return TRUE;
}

/* ContextSave and FlushContext have their handle in the place of a parameter. */
static guint
command_handles(guint32 code, guint32 attributes)
{
    if (code == TPM2_CC_ContextSave || code == TPM2_CC_FlushContext)
        return 1;
    return attributes >> TPMA_CC_CHANDLES_SHIFT & 7;
}

static gboolean
map_command(TpmSpace *space, guint32 attributes, GByteArray *command)
{
    guint n = command_handles(tpm_get_u32(command->data + 6), attributes);

    for (guint i = 0; i < n; i++) {
        guint8 *at = command->data + HEADER_SIZE + 4 * i;
        guint32 handle, slot;

        if (HEADER_SIZE + 4 * (i + 1) > command->len)
            return FALSE;
        handle = tpm_get_u32(at);
        if (TYPE(handle) != TPM2_HT_TRANSIENT)
            continue;
        slot = 0xffffff - (handle & 0xffffff);
        if (slot >= TPM_SPACE_SLOTS || space->work.objects[slot].handle == 0)
            return FALSE;
        tpm_put_u32(at, space->work.objects[slot].handle);
    }
    return TRUE;
}

gboolean
tpm_space_prepare(TpmSpace *space, Swtpm *swtpm, GHashTable *attributes, GByteArray *command)
{
    guint32 code = tpm_get_u32(command->data + 6);
    guint32 attrs = GPOINTER_TO_UINT(g_hash_table_lookup(attributes, GUINT_TO_POINTER(code)));

    table_copy(&space->work, &space->settled);
    if (load_work(space, swtpm)) {
        /* All that is left is in this TPM. */
        space->stale = FALSE;
        if (map_command(space, attrs, command))
            return TRUE;
    }
    flush_work(space, swtpm);
    return FALSE;
}

/* The virtual handle of a physical one; 0 if it is not in the table, or there is no room for it. */
static guint32
virtual_handle(TpmSpace *space, guint32 handle, gboolean add)
{
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        Slot *slot = &space->work.objects[i];

        if (add && slot->handle == 0)
            slot_set(slot, handle, NULL);
        if (slot->handle == handle)
            return TPM_TRANSIENT_FIRST | (0xffffff - i);
    }
    return 0;
}

static gboolean
add_session(TpmSpace *space, guint32 handle)
{
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        if (space->work.sessions[i].handle == 0) {
            slot_set(&space->work.sessions[i], handle, NULL);
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
map_new_handle(TpmSpace *space, Swtpm *swtpm, guint32 attributes, GByteArray *response)
{
    guint8 *at = response->data + HEADER_SIZE;
    guint32 handle, virtual = 0;
    gboolean ok = TRUE;

    if ((attributes & TPMA_CC_RHANDLE) == 0 || response->len < HEADER_SIZE + 4)
        return TRUE;
    handle = tpm_get_u32(at);
    switch (TYPE(handle)) {
    case TPM2_HT_TRANSIENT:
        virtual = virtual_handle(space, handle, TRUE);
        tpm_put_u32(at, virtual);
        ok = virtual != 0;
        break;
    case TPM2_HT_HMAC_SESSION:
    case TPM2_HT_POLICY_SESSION:
        ok = add_session(space, handle);
        break;
    default:
        break;
    }
    if (!ok)
        flush(swtpm, handle);
    return ok;
}

/* A list of handles shows a client its own transient objects, under the names that it knows. Other
 * handles, and so the sessions of everybody, are shown as they are. */
static void
map_capability(TpmSpace *space, GByteArray *response)
{
    guint8 *body = response->data + HEADER_SIZE;
    guint32 kept = 0;
    guint32 n;

    if (response->len < HEADER_SIZE + 9 || tpm_get_u32(body + 1) != TPM2_CAP_HANDLES)
        return;
    n = MIN(tpm_get_u32(body + 5), (response->len - HEADER_SIZE - 9) / 4);
    for (guint32 i = 0; i < n; i++) {
        guint32 handle = tpm_get_u32(body + 9 + 4 * i);

        if (TYPE(handle) == TPM2_HT_TRANSIENT)
            handle = virtual_handle(space, handle, FALSE);
        if (handle != 0)
            tpm_put_u32(body + 9 + 4 * kept++, handle);
    }
    tpm_put_u32(body + 5, kept);
    g_byte_array_set_size(response, HEADER_SIZE + 9 + 4 * kept);
    tpm_put_u32(response->data + 2, response->len);
}

static gboolean
save_work(TpmSpace *space, Swtpm *swtpm)
{
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        Slot *slot = &space->work.objects[i];

        if (slot->handle == 0)
            continue;
        switch (save(swtpm, slot)) {
        case LOAD_DONE:
            flush(swtpm, slot->handle);
            slot->handle = SAVED;
            break;
        case LOAD_GONE:
            slot_set(slot, 0, NULL);
            break;
        case LOAD_FAILED:
            return FALSE;
        }
    }
    for (guint i = 0; i < TPM_SPACE_SLOTS; i++) {
        Slot *slot = &space->work.sessions[i];

        if (slot->handle == 0)
            continue;
        switch (save(swtpm, slot)) {
        case LOAD_DONE:
            break;
        case LOAD_GONE:
            slot_set(slot, 0, NULL);
            break;
        case LOAD_FAILED:
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
tpm_space_commit(TpmSpace *space, Swtpm *swtpm, GHashTable *attributes, guint32 code,
                 GByteArray *response)
{
    guint32 attrs = GPOINTER_TO_UINT(g_hash_table_lookup(attributes, GUINT_TO_POINTER(code)));
    gboolean success = tpm_response_code(response) == TPM2_RC_SUCCESS;

    if (success && !map_new_handle(space, swtpm, attrs, response)) {
        flush_work(space, swtpm);
        return FALSE;
    }
    if (success && code == TPM2_CC_GetCapability)
        map_capability(space, response);
    if (!save_work(space, swtpm)) {
        flush_work(space, swtpm);
        return FALSE;
    }
    table_copy(&space->settled, &space->work);
    return TRUE;
}

static guint
count_slots(const Slot *slots)
{
    guint n = 0;

    for (guint i = 0; i < TPM_SPACE_SLOTS; i++)
        n += slots[i].handle != 0;
    return n;
}

guint
tpm_space_count_objects(const TpmSpace *space)
{
    return count_slots(space->settled.objects);
}

guint
tpm_space_count_sessions(const TpmSpace *space)
{
    return count_slots(space->settled.sessions);
}

GHashTable *
tpm_attributes_read(Swtpm *swtpm)
{
    g_autoptr(GHashTable) attributes = g_hash_table_new(NULL, NULL);
    g_autoptr(GByteArray) response = g_byte_array_new();
    guint32 next = TPM2_CC_FIRST;
    gboolean more = TRUE;

    while (more) {
        guint8 body[12];
        guint32 n;

        tpm_put_u32(body, TPM2_CAP_COMMANDS);
        tpm_put_u32(body + 4, next);
        tpm_put_u32(body + 8, TPM2_MAX_CAP_CC);
        if (!transact(swtpm, TPM2_CC_GetCapability, body, sizeof body, response) ||
            response->len < HEADER_SIZE + 9)
            return NULL;
        more = response->data[HEADER_SIZE] != 0;
        n = tpm_get_u32(response->data + HEADER_SIZE + 5);
        if (n == 0 || HEADER_SIZE + 9 + 4 * n > response->len)
            break;
        for (guint32 i = 0; i < n; i++) {
            guint32 attrs = tpm_get_u32(response->data + HEADER_SIZE + 9 + 4 * i);
            guint32 code = attrs & (TPMA_CC_COMMANDINDEX_MASK | TPMA_CC_V);

            g_hash_table_insert(attributes, GUINT_TO_POINTER(code), GUINT_TO_POINTER(attrs));
            next = code + 1;
        }
    }
    return g_steal_pointer(&attributes);
}
