/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/daemon-config.h"
#include "base/error.h"
#include "base/hex.h"
#include "ctl/backend.h"
#include "release/attester.h"
#include "release/slot.h"
#include "tee/tee-roots.h"

#include "config.h"

#include <unistd.h>

/* The daemon may be at the same key. */
#define LOCK_TIMEOUT_MS 10000

typedef struct {
    CvsBackend parent;
    char *vault;
    char *store_key_file;
    gboolean require_store_key;
    gboolean test_roots;
    char *only_folder[2];
    const char *const *folders;
    CvsTpm *tpm;
    CvsTeeSource *tee;
    CvsTeeAsker *asker;
    CvsTeeKeys *tee_keys; /* of the present call */
    CvsAttester *attester;
    CvsReleaseAttester release_attester;
    CvsStore *store; /* opened by the first call that needs it */
} Direct;

static void
direct_free(CvsBackend *backend)
{
    Direct *direct = (Direct *)backend;

    g_clear_pointer(&direct->store, cvs_store_close);
    cvs_attester_free(direct->attester);
    cvs_tee_keys_free(direct->tee_keys);
    cvs_tee_asker_free(direct->asker);
    cvs_tee_source_free(direct->tee);
    g_clear_pointer(&direct->tpm, cvs_tpm_free);
    g_free(direct->vault);
    g_free(direct->store_key_file);
    g_free(direct->only_folder[0]);
    g_free(direct);
}

static gboolean
resolve_owner(const char *text, CvsOwner *ret_owner, GError **error)
{
    if (!g_str_equal(text, "self"))
        return cvs_owner_parse(text, ret_owner, error);
    *ret_owner = (CvsOwner){.kind = CVS_OWNER_UID, .uid = geteuid()};
    return TRUE;
}

static gboolean
open_store(Direct *direct, gboolean create, GError **error)
{
    if (direct->store == NULL)
        direct->store = cvs_store_open(direct->vault, create, error);
    return direct->store != NULL;
}

static CvsRelease
release_of(Direct *direct)
{
    cvs_tee_keys_free(direct->tee_keys);
    direct->tee_keys = cvs_tee_keys_new(direct->asker);
    return (CvsRelease){
        .tpm = direct->tpm,
        .store = direct->store,
        .profile_folders = direct->folders,
        .lock_timeout_ms = LOCK_TIMEOUT_MS,
        .store_key_file = direct->store_key_file,
        .require_store_key = direct->require_store_key,
        .attester = &direct->release_attester,
        .tee_keys = direct->tee_keys,
        .tee_paths = cvs_tee_source_paths(direct->tee),
        .test_roots = direct->test_roots,
    };
}

static gboolean
direct_seal(CvsBackend *backend, const char *owner_text, const char *name, const CvsSecret *secret,
            const CvsSealRequest *request, char **ret_id, GError **error)
{
    Direct *direct = (Direct *)backend;
    const CvsSealOptions options = {
        .profile = request->profile,
        .pcrs = request->pcrs,
        .bank = request->bank,
        .rtmrs = request->rtmrs,
        .claims = request->claims,
        .allow_unmeasured = request->allow_unmeasured,
        .derived_key = request->derived_key,
        .this_boot = request->this_boot,
        .replace = request->replace,
        .pin = request->pin,
        .want_recovery_key = request->deliver_recovery_key != NULL,
        .deliver_recovery_key = request->deliver_recovery_key,
        .deliver_data = request->deliver_data,
    };
    CvsRelease release;
    CvsOwner owner;

    if (!resolve_owner(owner_text, &owner, error) || !open_store(direct, TRUE, error))
        return FALSE;
    release = release_of(direct);
    return cvs_release_seal(&release, &owner, name, secret, &options, ret_id, error);
}

static gboolean
direct_generate(CvsBackend *backend, const char *owner, const char *name, guint32 size,
                const CvsSealRequest *request, char **ret_id, GError **error)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_random(size, error);

    return secret && direct_seal(backend, owner, name, secret, request, ret_id, error);
}

static CvsSecret *
direct_unseal(CvsBackend *backend, const char *owner_text, const char *name, const CvsSecret *pin,
              GError **error)
{
    Direct *direct = (Direct *)backend;
    CvsRelease release;
    CvsOwner owner;

    if (!resolve_owner(owner_text, &owner, error) || !open_store(direct, FALSE, error))
        return NULL;
    release = release_of(direct);
    return cvs_release_unseal(&release, &owner, name, pin, error);
}

static void
fill_slot(CvsKeyInfo *info, const CvsKeyFile *key, guint n, guint32 *newest)
{
    gboolean is_tpm2 = cvs_key_file_get_slot_kind(key, n) == CVS_SLOT_TPM2;
    CvsSlotInfo *slot = cvs_key_info_add_slot(info, is_tpm2 ? "tpm2" : "recovery");
    const CvsTpm2Slot *tpm2 = cvs_key_file_get_tpm2_slot(key, n);
    CvsPcrSelection selection;
    guint8 digest[32];

    if (tpm2 == NULL) {
        info->recovery = TRUE;
        return;
    }
    slot->generation = tpm2->generation;
    slot->pin = cvs_policy_needs_pin(tpm2->policy);
    g_free(slot->profile);
    slot->profile = g_strdup(tpm2->profile);
    if (cvs_policy_get_pcr(tpm2->policy, &selection, digest)) {
        g_free(slot->pcrs);
        slot->pcrs = cvs_pcr_mask_format(selection.mask);
        g_free(slot->bank);
        slot->bank = g_strdup(cvs_hash_name(selection.bank));
    }
    slot->store_key = (tpm2->factors & CVS_FACTOR_STORE_KEY) != 0;
    slot->tee_key = (tpm2->factors & CVS_FACTOR_TEE_KEY) != 0;
    slot->pcrs_bind_host = cvs_slot_pcrs_bind_host(tpm2);
    slot->predicted = tpm2->predicted;
    g_free(slot->claims);
    slot->claims = cvs_slot_conditions_names(&tpm2->conditions);
    g_free(slot->rtmrs);
    slot->rtmrs = cvs_pcr_mask_format(tpm2->conditions.rtmrs);
    if (tpm2->generation < *newest)
        return;
    *newest = tpm2->generation;
    info->pin = slot->pin;
    g_free(info->profile);
    info->profile = g_strdup(slot->profile);
    g_free(info->pcrs);
    info->pcrs = g_strdup(slot->pcrs);
    g_free(info->bank);
    info->bank = g_strdup(slot->bank);
    info->store_key = slot->store_key;
    info->tee_key = slot->tee_key;
    info->pcrs_bind_host = slot->pcrs_bind_host;
    g_free(info->claims);
    info->claims = g_strdup(slot->claims);
    g_free(info->rtmrs);
    info->rtmrs = g_strdup(slot->rtmrs);
}

static CvsKeyInfo *
describe_key(const CvsKeyFile *key)
{
    g_autofree char *owner = cvs_owner_format(cvs_key_file_get_owner(key));
    CvsKeyInfo *info = cvs_key_info_new(cvs_key_file_get_name(key), owner);
    guint32 newest = 0;

    g_free(info->id);
    info->id = g_strdup(cvs_key_file_get_id(key));
    info->size = cvs_key_file_get_secret_size(key);
    info->created = cvs_key_file_get_created(key);
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++)
        fill_slot(info, key, i, &newest);
    return info;
}

static void
free_info(gpointer data)
{
    cvs_key_info_free(data);
}

static GPtrArray *
direct_list(CvsBackend *backend, const char *owner_text, GError **error)
{
    Direct *direct = (Direct *)backend;
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(free_info);
    g_autoptr(GPtrArray) entries = NULL;
    CvsOwner owner;

    if ((owner_text && !resolve_owner(owner_text, &owner, error)) ||
        !open_store(direct, FALSE, error))
        return NULL;
    entries = cvs_store_list(direct->store, owner_text ? &owner : NULL, error);
    if (entries == NULL)
        return NULL;
    for (guint i = 0; i < entries->len; i++) {
        const CvsStoreEntry *entry = g_ptr_array_index(entries, i);

        if (entry->key) {
            g_ptr_array_add(keys, describe_key(entry->key));
        } else {
            g_autofree char *formatted = cvs_owner_format(&entry->owner);
            CvsKeyInfo *info = cvs_key_info_new(entry->name, formatted);

            info->error = g_strdup(entry->error->message);
            g_ptr_array_add(keys, info);
        }
    }
    return g_steal_pointer(&keys);
}

static CvsKeyInfo *
direct_describe(CvsBackend *backend, const char *owner_text, const char *name, GError **error)
{
    Direct *direct = (Direct *)backend;
    g_autoptr(CvsKeyFile) key = NULL;
    CvsOwner owner;

    if (!resolve_owner(owner_text, &owner, error) || !open_store(direct, FALSE, error))
        return NULL;
    key = cvs_store_load(direct->store, &owner, name, error);
    return key ? describe_key(key) : NULL;
}

static char *
direct_explain(CvsBackend *backend, const char *owner_text, const char *name, GError **error)
{
    Direct *direct = (Direct *)backend;
    CvsRelease release;
    CvsOwner owner;

    if (!resolve_owner(owner_text, &owner, error) || !open_store(direct, FALSE, error))
        return NULL;
    release = release_of(direct);
    return cvs_release_explain(&release, &owner, name, error);
}

static gboolean
direct_reseal(CvsBackend *backend, const char *owner_text, const char *name,
              const CvsResealRequest *request, GError **error)
{
    Direct *direct = (Direct *)backend;
    const CvsResealOptions options = {
        .pin = request->pin,
        .recovery_key = request->recovery_key,
        .allow_unmeasured = request->allow_unmeasured,
        /* Who has the vault and the TPM needs nobody's leave. */
        .authorized = TRUE,
        .to = request->to,
        .drop = request->drop,
    };
    CvsRelease release;
    CvsOwner owner;

    if (!resolve_owner(owner_text, &owner, error) || !open_store(direct, FALSE, error))
        return FALSE;
    release = release_of(direct);
    return cvs_release_reseal(&release, &owner, name, &options, error);
}

static gboolean
direct_remove(CvsBackend *backend, const char *owner_text, const char *name, GError **error)
{
    Direct *direct = (Direct *)backend;
    CvsRelease release;
    CvsOwner owner;

    if (!resolve_owner(owner_text, &owner, error) || !open_store(direct, FALSE, error))
        return FALSE;
    release = release_of(direct);
    return cvs_release_remove(&release, &owner, name, error);
}

static char *
direct_attest(CvsBackend *backend, const CvsAttestRequest *request, gboolean *ret_test_roots,
              GError **error)
{
    Direct *direct = (Direct *)backend;
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = CVS_ATTESTER_PCRS};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    gsize user_size = 0;
    const void *user = request->user_data ? g_bytes_get_data(request->user_data, &user_size) : NULL;

    bundle = request->challenge
                 ? cvs_attester_answer(direct->attester, request->challenge, user, user_size,
                                       &selection, error)
                 : cvs_attester_evidence(direct->attester, g_bytes_get_data(request->nonce, NULL),
                                         g_bytes_get_size(request->nonce), user, user_size,
                                         &selection, error);
    if (bundle == NULL)
        return NULL;
    *ret_test_roots = direct->test_roots;
    return cvs_evidence_bundle_format(bundle);
}

static void
replace_text(char **text, char *with)
{
    g_free(*text);
    *text = with;
}

static CvsStatusInfo *
direct_status(CvsBackend *backend, GError **error)
{
    Direct *direct = (Direct *)backend;
    g_autoptr(CvsStatusInfo) info = cvs_status_info_new();
    g_autoptr(GError) local = NULL;
    CvsTpmInfo tpm;
    const char *banks[3] = {NULL};
    guint n_banks = 0;
    const char *kind = NULL;
    GBytes *srk = NULL;

    /* So that there was one of which it can be said. */
    cvs_secret_unref(cvs_secret_new(1));
    replace_text(&info->server, g_strdup("none: this process"));
    replace_text(&info->lock2, g_strdup(cvs_release_lock2(direct->store_key_file)));
    info->test_roots = direct->test_roots;
    /* Of an attestation that a call before has made. */
    kind =
        json_string_value(json_object_get(cvs_attester_look(direct->attester).claims, "vtpm.kind"));
    replace_text(&info->vtpm_kind, g_strdup(kind ? kind : ""));
    info->tpm_available = cvs_tpm_get_info(direct->tpm, &tpm, &local);
    if (!info->tpm_available) {
        replace_text(&info->tpm_error, g_strdup(local->message));
        info->memory_locked = cvs_secret_all_locked();
        return g_steal_pointer(&info);
    }
    replace_text(&info->tpm_manufacturer, g_strdup(tpm.manufacturer));
    info->tpm_firmware = tpm.firmware;
    if (tpm.has_sha256)
        banks[n_banks++] = "sha256";
    if (tpm.has_sha384)
        banks[n_banks++] = "sha384";
    replace_text(&info->tpm_banks, g_strjoinv(", ", (char **)banks));
    info->tpm_in_lockout = tpm.in_lockout;
    info->tpm_lockout_counter = tpm.lockout_counter;
    info->tpm_lockout_max = tpm.lockout_max;
    srk = cvs_tpm_get_srk_name(direct->tpm, FALSE, &local);
    if (srk)
        replace_text(&info->tpm_srk_name,
                     cvs_hex_encode(g_bytes_get_data(srk, NULL), g_bytes_get_size(srk)));
    else if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED))
        replace_text(&info->tpm_error, g_strdup(local->message));
    info->memory_locked = cvs_secret_all_locked();
    return g_steal_pointer(&info);
}

static gboolean
direct_refresh(CvsBackend *backend, GError **error)
{
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "--refresh is for the daemon, which goes on with the attestation: leave "
                        "out --direct");
    return FALSE;
}

static const CvsBackendClass direct_class = {
    .free = direct_free,
    .seal = direct_seal,
    .generate = direct_generate,
    .unseal = direct_unseal,
    .list = direct_list,
    .describe = direct_describe,
    .explain = direct_explain,
    .reseal = direct_reseal,
    .remove = direct_remove,
    .attest = direct_attest,
    .status = direct_status,
    .refresh = direct_refresh,
};

static void
start_attester(Direct *direct, const CvsConfig *config, CvsSnpRoots *snp, CvsTdxRoots *tdx)
{
    g_autoptr(CvsTeePaths) paths = cvs_tee_paths_new(config);
    CvsAttesterConfig attester = {.tpm = direct->tpm,
                                  .keep = TRUE,
                                  .collateral_dir = paths->collateral,
                                  .snp_roots = snp,
                                  .tdx_roots = tdx};

    direct->tee = cvs_tee_source_new(paths, NULL);
    direct->asker = cvs_tee_asker_new(direct->tee, 0, NULL, NULL);
    attester.source = direct->tee;
    direct->attester = cvs_attester_new(&attester);
    direct->release_attester = cvs_release_attester(direct->attester);
}

CvsBackend *
cvs_backend_direct_new(const char *config_file, const char *tcti, const char *vault,
                       const char *policies, GError **error)
{
    g_autoptr(CvsConfig) config = cvs_config_load(config_file, error);
    g_autoptr(CvsSnpRoots) snp = NULL;
    g_autoptr(CvsTdxRoots) tdx = NULL;
    Direct *direct = NULL;

    if (config == NULL || !cvs_tee_roots_new(config, &snp, &tdx, error))
        return NULL;
    direct = g_new0(Direct, 1);
    direct->parent.class = &direct_class;
    direct->vault = g_strdup(vault ? vault : config->vault_dir);
    direct->store_key_file = g_strdup(config->store_key_file);
    direct->only_folder[0] = g_strdup(policies);
    direct->folders =
        policies ? (const char *const *)direct->only_folder : cvs_config_profile_folders();
    direct->tpm = cvs_tpm_new(tcti ? tcti : config->tcti);
    direct->require_store_key = config->require_store_key;
    direct->test_roots = config->test_roots != NULL;
    start_attester(direct, config, snp, tdx);
    return &direct->parent;
}
