/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee-sim-private.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *values; /* NULL: a number */
    guint start;
    gboolean lie;
} SwitchInfo;

static const SwitchInfo switches[] = {
#define X(symbol, name, values, start, text) [TEE_SIM_##symbol] = {name, values, start, FALSE},
    TEE_SIM_HONEST(X)
#undef X
#define X(symbol, name, values, start, text) [TEE_SIM_##symbol] = {name, values, start, TRUE},
        TEE_SIM_LIES(X)
#undef X
};

void
tee_sim_derive(const TeeSim *sim, const char *purpose, guint8 *data, gsize size)
{
    guint8 mac[64];

    g_assert_cmpuint(size, <=, sizeof(mac));
    cvs_hmac(CVS_SHA512, sim->machine, strlen(sim->machine), purpose, strlen(purpose), mac);
    memcpy(data, mac, size);
}

gboolean
tee_sim_is_snp(const TeeSim *sim)
{
    return sim->type == TEE_SIM_SNP || sim->type == TEE_SIM_AZURE_SNP;
}

gboolean
tee_sim_is_tdx(const TeeSim *sim)
{
    return sim->type == TEE_SIM_TDX || sim->type == TEE_SIM_AZURE_TDX;
}

guint
tee_sim_vmpl(const TeeSim *sim)
{
    /* COCONUT runs its guest at level 2. */
    if (sim->sw[TEE_SIM_SVSM] && sim->sw[TEE_SIM_VMPL] == 0)
        return 2;
    return sim->sw[TEE_SIM_VMPL];
}

/* How often is looked whether whoever asked is being killed. */
#define HANG_LOOK_MS 20

static const int fail_once[] = {0, EIO, ENXIO, EINVAL, ETIMEDOUT, EBADMSG, EINTR};

/* As Linux does it: a signal that kills ends the waiting. */
static int
hang(TeeSim *sim, guint what)
{
    while (sim->sw[TEE_SIM_HANG] == what && !sim->ending) {
        if (tee_sim_interrupted())
            return -EINTR;
        (void)g_cond_wait_until(&sim->changed, &sim->lock,
                                g_get_monotonic_time() + HANG_LOOK_MS * G_TIME_SPAN_MILLISECOND);
    }
    return sim->ending ? -ENOTCONN : 0;
}

int
tee_sim_request(TeeSim *sim, guint what)
{
    int error = 0;
    int hung = 0;

    sim->requests++;
    hung = hang(sim, what);
    if (hung)
        return hung;
    error = fail_once[sim->sw[TEE_SIM_FAIL_ONCE]];
    if (sim->sw[TEE_SIM_WIPED] && sim->type == TEE_SIM_SNP)
        return -ENOTTY;
    if (sim->sw[TEE_SIM_BUSY] > 0) {
        sim->sw[TEE_SIM_BUSY]--;
        return -EBUSY;
    }
    if (error == 0)
        return 0;
    sim->sw[TEE_SIM_FAIL_ONCE] = 0;
    /* Its counter might be used twice: drivers/virt/coco/sev-guest never uses that key again. */
    if (sim->type == TEE_SIM_SNP && (error == EIO || error == ETIMEDOUT || error == EBADMSG))
        sim->sw[TEE_SIM_WIPED] = 1;
    return -error;
}

void
tee_sim_report_data(TeeSim *sim, const guint8 asked[static 64], guint8 data[static 64])
{
    memcpy(data, sim->sw[TEE_SIM_STALE_REPORT] ? sim->last_data : asked, 64);
    if (sim->sw[TEE_SIM_WRONG_REPORT_DATA])
        data[63] ^= 1;
    memcpy(sim->last_data, asked, 64);
}

GByteArray *
tee_sim_spoil(const TeeSim *sim, const void *report, gsize size)
{
    GByteArray *out = g_byte_array_new();
    guint flip = sim->sw[TEE_SIM_FLIP];

    if (sim->sw[TEE_SIM_EMPTY_OUTBLOB])
        return out;
    g_byte_array_append(out, report, (guint)size);
    if (flip > 0 && flip <= out->len)
        out->data[flip - 1] ^= 1;
    if (sim->sw[TEE_SIM_TRAILING] > 0) {
        g_byte_array_set_size(out, (guint)size + sim->sw[TEE_SIM_TRAILING]);
        memset(out->data + size, 0xee, sim->sw[TEE_SIM_TRAILING]);
    }
    return out;
}

/* Setting. */

static gboolean
refuse(GError **error, const SwitchInfo *info, const char *value)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "tee-sim: %s=%s is none of: %s",
                info->name, value, info->values ? info->values : "a number of up to 9 digits");
    return FALSE;
}

static gboolean
parse_value(const SwitchInfo *info, const char *value, guint *ret_value, GError **error)
{
    g_auto(GStrv) values = info->values ? g_strsplit(info->values, "|", 0) : NULL;
    guint64 number = 0;

    for (guint i = 0; values && values[i]; i++) {
        if (strcmp(values[i], value) == 0) {
            *ret_value = i;
            return TRUE;
        }
    }
    if (values || !g_ascii_string_to_unsigned(value, 10, 0, 999999999, &number, NULL))
        return refuse(error, info, value);
    *ret_value = (guint)number;
    return TRUE;
}

static gboolean
in_range(const TeeSim *sim, guint number, guint value)
{
    switch (number) {
    case TEE_SIM_REPORT_VERSION:
        return value >= CVS_SNP_VERSION_MIN && value <= CVS_SNP_VERSION_MAX;
    case TEE_SIM_QUOTE_VERSION:
        return value == 4 || value == 5;
    case TEE_SIM_VMPL:
        return value <= 3;
    case TEE_SIM_TRAILING:
        return value <= 64 << 20;
    case TEE_SIM_LOW_TCB: /* the line has such a component */
        return value != 1 || sim->line == CVS_SNP_LINE_TURIN;
    default:
        return TRUE;
    }
}

static void
tell_truth(TeeSim *sim)
{
    for (guint i = 0; i < TEE_SIM_N_SWITCHES; i++)
        if (switches[i].lie)
            sim->sw[i] = switches[i].start;
}

static gboolean
read_key(GBytes **key, const char *path, GError **error)
{
    char *data = NULL;
    gsize size = 0;

    if (!g_file_get_contents(path, &data, &size, error))
        return FALSE;
    g_clear_pointer(key, g_bytes_unref);
    *key = g_bytes_new_take(data, size);
    return TRUE;
}

static gboolean
set_user_data(TeeSim *sim, const char *value, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_hex_decode(value, -1, error);

    if (bytes == NULL)
        return FALSE;
    if (g_bytes_get_size(bytes) != 64) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "tee-sim: user-data has %zu bytes instead of 64", g_bytes_get_size(bytes));
        return FALSE;
    }
    memcpy(sim->old_user_data, sim->user_data, 64);
    memcpy(sim->user_data, g_bytes_get_data(bytes, NULL), 64);
    return TRUE;
}

gboolean
tee_sim_assign(TeeSim *sim, const char *assignment, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(assignment, "=", 2);
    gboolean good = TRUE;
    guint value = 0;

    if (g_strv_length(parts) != 2) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "tee-sim: \"%s\" is not NAME=VALUE", assignment);
        return FALSE;
    }
    if (strcmp(parts[0], "reset") == 0) {
        tell_truth(sim);
    } else if (strcmp(parts[0], "ek") == 0) {
        good = read_key(&sim->ek, parts[1], error);
    } else if (strcmp(parts[0], "ak") == 0) {
        good = read_key(&sim->ak, parts[1], error);
    } else if (strcmp(parts[0], "user-data") == 0) {
        good = set_user_data(sim, parts[1], error);
    } else {
        guint number = 0;

        while (number < TEE_SIM_N_SWITCHES && strcmp(switches[number].name, parts[0]) != 0)
            number++;
        if (number == TEE_SIM_N_SWITCHES) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "tee-sim: there is no switch \"%s\"", parts[0]);
            return FALSE;
        }
        if (!parse_value(&switches[number], parts[1], &value, error))
            return FALSE;
        if (!in_range(sim, number, value)) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "tee-sim: %s is out of range here", assignment);
            return FALSE;
        }
        sim->sw[number] = value;
    }
    if (!good)
        return FALSE;
    g_cond_broadcast(&sim->changed);
    if (tee_sim_is_tdx(sim))
        tee_sim_tdx_apply(sim);
    return tee_sim_write_state(sim, error);
}

char *
tee_sim_list(const TeeSim *sim)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < TEE_SIM_N_SWITCHES; i++) {
        g_auto(GStrv) values = switches[i].values ? g_strsplit(switches[i].values, "|", 0) : NULL;

        if (values)
            g_string_append_printf(text, "%s=%s\n", switches[i].name, values[sim->sw[i]]);
        else
            g_string_append_printf(text, "%s=%u\n", switches[i].name, sim->sw[i]);
    }
    return g_string_free(text, FALSE);
}

/* What the header promises. */

TeeSim *
tee_sim_new_here(const TeeSimConfig *config, GError **error)
{
    g_autoptr(TeeSim) sim = g_new0(TeeSim, 1);
    char *data = NULL;
    gsize size = 0;

    g_mutex_init(&sim->lock);
    g_cond_init(&sim->changed);
    sim->link = -1;
    sim->type = config->type;
    sim->line = config->line == CVS_SNP_LINE_UNKNOWN ? CVS_SNP_LINE_GENOA : config->line;
    sim->now = config->now ? config->now : g_get_real_time() / G_USEC_PER_SEC;
    sim->machine = g_strdup(config->machine ? config->machine : "machine");
    sim->state_dir = g_strdup(config->state_dir);
    sim->reports =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)tsm_report_unref);
    for (guint i = 0; i < TEE_SIM_N_SWITCHES; i++)
        sim->sw[i] = switches[i].start;
    if (tee_sim_is_snp(sim))
        tee_sim_snp_init(sim);
    if (config->ccel) {
        if (!g_file_get_contents(config->ccel, &data, &size, error))
            return NULL;
        sim->ccel = g_bytes_new_take(data, size);
    } else if (sim->type == TEE_SIM_TDX) {
        sim->ccel = tee_sim_ccel_new();
    }
    if (config->tpm_log) {
        if (!g_file_get_contents(config->tpm_log, &data, &size, error))
            return NULL;
        sim->tpm_log = g_bytes_new_take(data, size);
    }
    if (tee_sim_is_tdx(sim) && !tee_sim_tdx_init(sim, error))
        return NULL;
    if (!tee_sim_write_state(sim, error))
        return NULL;
    return g_steal_pointer(&sim);
}

TeeSim *
tee_sim_new(const TeeSimConfig *config, GError **error)
{
    g_autoptr(TeeSim) sim = tee_sim_new_here(config, error);

    return sim && tee_sim_part(sim, error) ? g_steal_pointer(&sim) : NULL;
}

/* The other process is asked for what has no value. */
static gboolean
ask(TeeSim *sim, char letter, const void *data, gsize size, GError **error)
{
    g_autoptr(GBytes) answer = tee_sim_ask(sim, letter, data, size, error);

    return answer != NULL;
}

void
tee_sim_free(TeeSim *sim)
{
    tee_sim_stop(sim);
    tee_sim_join(sim);
    g_hash_table_unref(sim->reports);
    tee_sim_snp_clear(sim);
    tee_sim_tdx_clear(sim);
    g_clear_pointer(&sim->ek, g_bytes_unref);
    g_clear_pointer(&sim->ak, g_bytes_unref);
    g_clear_pointer(&sim->ccel, g_bytes_unref);
    g_clear_pointer(&sim->tpm_log, g_bytes_unref);
    g_free(sim->machine);
    g_free(sim->state_dir);
    g_free(sim->mount_point);
    g_mutex_clear(&sim->lock);
    g_cond_clear(&sim->changed);
    g_free(sim);
}

gboolean
tee_sim_start(TeeSim *sim, const char *mount_point, GError **error)
{
    g_autofree char *path = g_canonicalize_filename(mount_point, NULL);

    g_assert_null(sim->mount_point);
    if (sim->link >= 0) {
        if (!ask(sim, 'm', path, strlen(path), error))
            return FALSE;
    } else {
        sim->ending = FALSE;
        sim->mount = tee_sim_mount_new(sim, path, error);
        if (sim->mount == NULL)
            return FALSE;
    }
    sim->mount_point = g_steal_pointer(&path);
    return TRUE;
}

void
tee_sim_stop(TeeSim *sim)
{
    if (sim->mount_point == NULL)
        return;
    if (sim->link >= 0)
        (void)ask(sim, 'u', NULL, 0, NULL);
    g_mutex_lock(&sim->lock);
    sim->ending = TRUE;
    g_cond_broadcast(&sim->changed);
    g_mutex_unlock(&sim->lock);
    /* Without the lock: the threads that are to end may want it. */
    g_clear_pointer(&sim->mount, tee_sim_mount_free);
    g_clear_pointer(&sim->mount_point, g_free);
}

char *
tee_sim_path(TeeSim *sim, const char *path)
{
    g_assert_nonnull(sim->mount_point);
    return g_build_filename(sim->mount_point, path, NULL);
}

gboolean
tee_sim_set(TeeSim *sim, const char *assignment, GError **error)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (sim->link >= 0)
        return ask(sim, 's', assignment, strlen(assignment), error);
    locker = g_mutex_locker_new(&sim->lock);
    return tee_sim_assign(sim, assignment, error);
}

void
tee_sim_must(TeeSim *sim, const char *assignment)
{
    g_autoptr(GError) error = NULL;

    (void)tee_sim_set(sim, assignment, &error);
    g_assert_no_error(error);
}

char *
tee_sim_describe(TeeSim *sim)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (sim->link >= 0) {
        g_autoptr(GBytes) text = tee_sim_ask(sim, 'd', NULL, 0, NULL);

        return g_strndup(g_bytes_get_data(text, NULL), g_bytes_get_size(text));
    }
    locker = g_mutex_locker_new(&sim->lock);
    return tee_sim_list(sim);
}

gboolean
tee_sim_set_keys(TeeSim *sim, GBytes *ek, GBytes *ak, GError **error)
{
    g_autoptr(GMutexLocker) locker = NULL;
    g_autoptr(GBytes) new_ek = ek ? g_bytes_ref(ek) : NULL;
    g_autoptr(GBytes) new_ak = ak ? g_bytes_ref(ak) : NULL;

    if (sim->link >= 0)
        return ask(sim, 'e', ek ? g_bytes_get_data(ek, NULL) : NULL, ek ? g_bytes_get_size(ek) : 0,
                   error) &&
               ask(sim, 'a', ak ? g_bytes_get_data(ak, NULL) : NULL, ak ? g_bytes_get_size(ak) : 0,
                   error);
    locker = g_mutex_locker_new(&sim->lock);
    g_clear_pointer(&sim->ek, g_bytes_unref);
    g_clear_pointer(&sim->ak, g_bytes_unref);
    sim->ek = g_steal_pointer(&new_ek);
    sim->ak = g_steal_pointer(&new_ak);
    return tee_sim_write_state(sim, error);
}

void
tee_sim_measurement(TeeSim *sim, guint8 measurement[static 48])
{
    tee_sim_derive(sim, "measurement", measurement, 48);
}

GBytes *
tee_sim_hcl_report(TeeSim *sim)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (sim->link >= 0)
        return tee_sim_ask(sim, 'h', NULL, 0, NULL);
    locker = g_mutex_locker_new(&sim->lock);
    return tee_sim_azure_report(sim);
}

GBytes *
tee_sim_quote(TeeSim *sim, const guint8 report_data[static 64])
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (sim->link >= 0)
        return tee_sim_ask(sim, 'q', report_data, 64, NULL);
    locker = g_mutex_locker_new(&sim->lock);
    return tee_sim_tdx_quote(sim, report_data);
}

GBytes *
tee_sim_vtpm_td_quote(TeeSim *sim, const guint8 report_data[static 64], guint flags)
{
    g_autoptr(GMutexLocker) locker = NULL;
    guint8 argument[65];

    memcpy(argument, report_data, 64);
    argument[64] = (guint8)flags;
    if (sim->link >= 0)
        return tee_sim_ask(sim, 'v', argument, sizeof(argument), NULL);
    locker = g_mutex_locker_new(&sim->lock);
    return tee_sim_tdx_other_quote(sim, report_data, flags);
}

void
tee_sim_vtpm_td_measurements(TeeSim *sim, guint8 measurement[static 48], guint8 rtmr1[static 48])
{
    tee_sim_derive(sim, "vTPM's TD", measurement, 48);
    tee_sim_derive(sim, "vTPM's program", rtmr1, 48);
}

guint
tee_sim_requests(TeeSim *sim)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (sim->link >= 0) {
        g_autoptr(GBytes) answer = tee_sim_ask(sim, 'r', NULL, 0, NULL);
        guint number = 0;

        memcpy(&number, g_bytes_get_data(answer, NULL), sizeof(number));
        return number;
    }
    locker = g_mutex_locker_new(&sim->lock);
    return sim->requests;
}

void
tee_sim_extend(TeeSim *sim, guint rtmr, const guint8 digest[static 48])
{
    g_autoptr(GMutexLocker) locker = NULL;
    guint8 argument[49] = {(guint8)rtmr};

    g_assert_cmpuint(rtmr, <, 4);
    memcpy(argument + 1, digest, 48);
    if (sim->link >= 0) {
        (void)ask(sim, 'x', argument, sizeof(argument), NULL);
        return;
    }
    locker = g_mutex_locker_new(&sim->lock);
    tee_sim_tdx_extend(sim, rtmr, digest);
}
