/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/attester.h"
#include "attest/boot-cache.h"
#include "attest/boot-restore.h"
#include "attest/logs.h"
#include "attest/making.h"
#include "attest/vtpm.h"
#include "base/boot-id.h"
#include "base/error.h"
#include "base/hex.h"
#include "policy/appraisal.h"
#include "tee/refusal.h"

#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_NONCE_SIZE 32
/* What the boot's attestation quotes: firmware and boot loader. The values are not looked at. */
static const CvsPcrSelection own_selection = {.bank = CVS_SHA256, .mask = 0xff};

/* Which state of the collateral store an attestation was verified with: each import is seen by its
 * folder's times, which its files change by rename. */
typedef struct {
    dev_t dev;
    ino_t ino; /* 0: there is no store */
    struct timespec changed;
} Collected;

struct _CvsAttester {
    CvsAttesterConfig config; /* what it names is ours, but for TPM and source */
    CvsPaceClock clock;
    CvsMakings makings;
    CvsMaking *making;    /* this boot's attestation, under way; NULL: it is not */
    CvsClock before;      /* the TPM's clock when it was begun */
    gint64 begun;         /* our own clock then */
    gboolean may_restore; /* what another program of this boot has kept is not yet looked at */
    Collected collected_before;
    GBytes *pending; /* the nonce of one that wants a quote that is not there yet; NULL: none */
    json_t *claims;  /* of this boot's attestation; NULL: there is none */
    gint64 made_at;  /* seconds since 1970, as the caller had them, when it was begun */
    gint64 done_at;  /* on the clock */
    CvsClock seen;   /* the TPM's clock then, or since */
    Collected collected;
    CvsPcrValues pcrs;
    GError *failure;     /* of the last attempt; NULL: it did not fail, or there was none */
    gint64 failed_until; /* on the clock: until then calls get it too */
    Collected failed_with;
    gint64 renewed_at; /* on the clock; 0: never */
    guint change;
};

static const char *
run_dir(const CvsAttester *attester)
{
    return cvs_tee_source_paths(attester->config.source)->run_dir;
}

static void
forget(CvsAttester *attester)
{
    g_clear_pointer(&attester->claims, json_decref);
    g_clear_pointer(&attester->making, cvs_making_free);
    g_clear_error(&attester->failure);
    attester->change++;
}

CvsAttester *
cvs_attester_new(const CvsAttesterConfig *config)
{
    CvsAttester *attester = g_new0(CvsAttester, 1);

    g_mutex_init(&attester->makings.mutex);
    attester->config = *config;
    attester->clock = config->clock ? *config->clock : cvs_pace_clock;
    attester->config.clock = &attester->clock;
    attester->config.collateral_dir = g_strdup(config->collateral_dir);
    attester->may_restore = config->keep;
    attester->config.snp_roots =
        config->snp_roots ? cvs_snp_roots_ref(config->snp_roots) : cvs_snp_roots_new();
    attester->config.tdx_roots =
        config->tdx_roots ? cvs_tdx_roots_ref(config->tdx_roots) : cvs_tdx_roots_new();
    return attester;
}

void
cvs_attester_free(CvsAttester *attester)
{
    if (attester == NULL)
        return;
    attester->config.back = NULL;
    forget(attester);
    if (attester->makings.out)
        cvs_errand_silence(attester->makings.out);
    cvs_errand_unref(attester->makings.out);
    g_mutex_clear(&attester->makings.mutex);
    g_bytes_unref(attester->pending);
    g_free((char *)attester->config.collateral_dir);
    cvs_snp_roots_unref(attester->config.snp_roots);
    cvs_tdx_roots_unref(attester->config.tdx_roots);
    g_free(attester);
}

/* Only root has it, and whoever is not root does without. */
static gboolean
is_others(const GError *error)
{
    return g_error_matches(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
}

static void
drop_kept(CvsAttester *attester)
{
    g_autoptr(GError) error = NULL;

    attester->may_restore = FALSE;
    if (attester->config.keep && !cvs_boot_cache_remove(run_dir(attester), &error) &&
        !is_others(error))
        g_message("the attestation of this boot that is kept for other programs is not good any "
                  "more, and cannot be removed: %s",
                  error->message);
}

void
cvs_attester_refresh(CvsAttester *attester)
{
    forget(attester);
    drop_kept(attester);
}

gboolean
cvs_attester_renew(CvsAttester *attester, GError **error)
{
    gint64 now = attester->clock.now(attester->clock.data);

    if (attester->renewed_at > 0 && now < attester->renewed_at + CVS_ATTESTER_FAILURE_US) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BUSY,
                            "the attestation was renewed a moment ago, and TEE and host bear only "
                            "so many requests: try again in some seconds");
        return FALSE;
    }
    attester->renewed_at = now;
    cvs_attester_refresh(attester);
    return TRUE;
}

CvsAttesterState
cvs_attester_look(const CvsAttester *attester)
{
    return (CvsAttesterState){
        .change = attester->change,
        .test_roots = cvs_snp_roots_have_test(attester->config.snp_roots),
        .under_way = attester->making != NULL,
        .claims = attester->claims,
        .pcrs = attester->claims ? &attester->pcrs : NULL,
        .failure = attester->claims ? NULL : attester->failure,
    };
}

static Collected
look_at_store(const CvsAttester *attester)
{
    struct stat st = {0};

    const char *dir = attester->config.collateral_dir;

    if (dir == NULL || stat(dir, &st) != 0)
        return (Collected){0};
    return (Collected){st.st_dev, st.st_ino, st.st_ctim};
}

/* An import since then counts at once. */
static gboolean
is_collected(const CvsAttester *attester, const Collected *then)
{
    Collected now = look_at_store(attester);

    return now.dev == then->dev && now.ino == then->ino &&
           now.changed.tv_sec == then->changed.tv_sec &&
           now.changed.tv_nsec == then->changed.tv_nsec;
}

/* Where no TEE was found there is one as soon as its module is loaded. */
static gboolean
is_same_kind(const CvsAttester *attester)
{
    const char *type = json_string_value(json_object_get(attester->claims, "tee.type"));
    CvsTeeInfo info = {0};

    return g_strcmp0(type, "none") != 0 ||
           (cvs_tee_source_probe(attester->config.source, &info, NULL) &&
            info.kind == CVS_TEE_NONE);
}

static gboolean
is_same_start(const CvsClock *a, const CvsClock *b)
{
    return a->reset_count == b->reset_count && a->restart_count == b->restart_count;
}

/* The TPM is the one that was attested, and has not been reset since, nor set back. What is not
 * current is nobody's any more. */
static gboolean
is_current(CvsAttester *attester, gint64 at, gboolean *ret_current, GError **error)
{
    g_autoptr(GError) local = NULL;
    CvsClock now = {0};

    *ret_current = FALSE;
    if (attester->claims == NULL)
        return TRUE;
    if (!cvs_tpm_read_clock(attester->config.tpm, &now, &local) ||
        !cvs_clock_check_forward(&now, &attester->seen, &local)) {
        /* The one that answers next has to prove that it is the same; then what the TEE said still
         * holds. */
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE)) {
            forget(attester);
            attester->may_restore = attester->config.keep;
        } else {
            cvs_attester_refresh(attester);
        }
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *ret_current = is_same_start(&now, &attester->seen) && at >= attester->made_at &&
                   is_collected(attester, &attester->collected) && is_same_kind(attester);
    attester->seen = now;
    if (!*ret_current)
        cvs_attester_refresh(attester);
    return TRUE;
}

/* Just made is young for everybody: else each of those who waited for it would have another made,
 * and none could ever do with less than a TEE takes. */
static gboolean
is_young(const CvsAttester *attester, gint64 at, gint64 max_age)
{
    gint64 now = attester->clock.now(attester->clock.data);

    return max_age <= 0 || at - attester->made_at <= max_age ||
           now < attester->done_at + CVS_ATTESTER_FAILURE_US;
}

/* Why it failed a moment ago, if it did. A TEE that fails is not asked again by each request. */
static gboolean
has_just_failed(const CvsAttester *attester, GError **error)
{
    gint64 now = attester->clock.now(attester->clock.data);

    if (attester->failure == NULL || now >= attester->failed_until ||
        !is_collected(attester, &attester->failed_with))
        return FALSE;
    g_propagate_error(error, g_error_copy(attester->failure));
    return TRUE;
}

/* Where threads ask, others are to be let be by one that fails. What fails in the TPM costs nobody
 * else's time. */
static void
keep_failure(CvsAttester *attester, const GError *failure)
{
    gboolean counts = attester->config.back && cvs_making_has_asked(attester->making) &&
                      !g_error_matches(failure, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE);

    g_clear_error(&attester->failure);
    attester->failure = g_error_copy(failure);
    attester->failed_until =
        counts ? attester->clock.now(attester->clock.data) + CVS_ATTESTER_FAILURE_US : G_MININT64;
    attester->failed_with = attester->collected_before;
    attester->change++;
}

/* For the next program of this boot. Where there is no TEE, there is nothing to spare it. */
static void
keep(const CvsAttester *attester)
{
    const CvsEvidenceBundle *bundle = cvs_making_bundle(attester->making);
    g_autofree char *boot_id = cvs_boot_id();
    const CvsBootCache cache = {.boot_id = boot_id,
                                .made = attester->begun,
                                .clock = attester->before,
                                .bundle = (CvsEvidenceBundle *)bundle};
    g_autoptr(GError) error = NULL;

    if (attester->config.keep && (bundle->report || bundle->hcl) &&
        !cvs_boot_cache_save(run_dir(attester), &cache, &error) && !is_others(error))
        g_message("the attestation of this boot cannot be kept for other programs: %s",
                  error->message);
}

/* Takes what another program has kept, once: what comes of it is this one's then. Whatever is wrong
 * with it, an attestation made anew is good for. FALSE: the TPM does not answer, which says nothing
 * of it. */
static gboolean
restore(CvsAttester *attester, gint64 at, GError **error)
{
    const Collected collected = look_at_store(attester);
    g_auto(CvsBootRestored) restored = {0};
    g_autoptr(GError) local = NULL;

    if (cvs_boot_restore(&attester->config, &own_selection, at, &attester->seen, &restored,
                         &local)) {
        attester->may_restore = FALSE;
        attester->claims = g_steal_pointer(&restored.claims);
        attester->pcrs = restored.pcrs;
        attester->made_at = at - restored.age;
        attester->seen = restored.clock;
        attester->collected = collected;
        attester->change++;
        return TRUE;
    }
    if (g_error_matches(local, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY) && !is_others(local))
        g_message("the attestation of this boot that was kept is not taken, and a new one made: %s",
                  local->message);
    drop_kept(attester);
    return TRUE;
}

static gboolean
begin(CvsAttester *attester, gint64 at, GError **error)
{
    g_autoptr(GBytes) nonce = g_steal_pointer(&attester->pending);
    guint8 random[OWN_NONCE_SIZE];

    /* Before, so that a reset or an import meanwhile is one that is seen next time. What was seen
     * counts also where the line to the TPM broke since, as it does when its state is put back. */
    if (!cvs_tpm_get_srk_name(attester->config.tpm, TRUE, error) ||
        !cvs_tpm_read_clock(attester->config.tpm, &attester->before, error) ||
        !cvs_clock_check_forward(&attester->before, &attester->seen, error))
        return FALSE;
    attester->begun = attester->clock.now(attester->clock.data);
    attester->collected_before = look_at_store(attester);
    if (nonce == NULL && RAND_bytes(random, sizeof random) != 1) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "no random numbers for a nonce");
        return FALSE;
    }
    if (nonce == NULL)
        nonce = g_bytes_new(random, sizeof random);
    attester->making =
        cvs_making_new(&attester->config, &attester->makings, nonce, NULL, &own_selection, at);
    attester->change++;
    return TRUE;
}

/* One that nobody has gone on with may be of another time by now. But what a slow TEE takes does
 * not make it old: it would never be done. */
static gboolean
drop_old_making(CvsAttester *attester, gint64 at, gint64 max_age, GError **error)
{
    CvsClock now = {0};

    if (attester->making == NULL)
        return TRUE;
    if (!cvs_tpm_read_clock(attester->config.tpm, &now, error))
        return FALSE;
    if (!is_same_start(&now, &attester->before) ||
        !is_collected(attester, &attester->collected_before) ||
        at < cvs_making_at(attester->making) ||
        (max_age > 0 &&
         at - cvs_making_at(attester->making) > MAX(max_age, CVS_ATTESTER_SLOWEST_S)))
        g_clear_pointer(&attester->making, cvs_making_free);
    return TRUE;
}

static gboolean
ensure(CvsAttester *attester, gint64 at, gint64 max_age, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(json_t) claims = NULL;
    gboolean current = FALSE;

    if (!is_current(attester, at, &current, error))
        return FALSE;
    if (!current && attester->may_restore && attester->making == NULL) {
        if (!restore(attester, at, error))
            return FALSE;
        current = attester->claims != NULL;
    }
    /* One that is too old for this caller stays for those whom it is not, until there is another.
     */
    if (current && is_young(attester, at, max_age))
        return TRUE;
    if (has_just_failed(attester, error) || !drop_old_making(attester, at, max_age, error) ||
        (attester->making == NULL && !begin(attester, at, error)))
        return FALSE;
    if (!cvs_making_go_on(attester->making, &claims, &local)) {
        if (!cvs_error_has_reason(local, CVS_REASON_ATTESTATION_UNDER_WAY)) {
            keep_failure(attester, local);
            /* With another one the paravisor would make another report, for another quote. */
            if (cvs_error_has_reason(local, CVS_REASON_QUOTE_MISSING))
                attester->pending = g_bytes_ref(cvs_making_bundle(attester->making)->nonce);
            g_clear_pointer(&attester->making, cvs_making_free);
        }
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_clear_error(&attester->failure);
    attester->change++;
    json_decref(attester->claims);
    attester->claims = g_steal_pointer(&claims);
    attester->pcrs = cvs_making_bundle(attester->making)->quote.values;
    attester->made_at = cvs_making_at(attester->making);
    attester->done_at = attester->clock.now(attester->clock.data);
    /* Of what others were told meanwhile by the former one more may have been seen. */
    if (cvs_clock_check_forward(&attester->before, &attester->seen, NULL))
        attester->seen = attester->before;
    attester->collected = attester->collected_before;
    keep(attester);
    g_clear_pointer(&attester->making, cvs_making_free);
    return TRUE;
}

gboolean
cvs_attester_claims(CvsAttester *attester, gint64 at, gint64 max_age, json_t **ret_claims,
                    GError **error)
{
    if (!ensure(attester, at, max_age, error))
        return FALSE;
    /* They are flat: who changes his replaces values, and none in place. */
    *ret_claims = json_copy(attester->claims);
    return TRUE;
}

static gboolean
is_tdx(const CvsAttester *attester)
{
    const char *source = json_string_value(json_object_get(attester->claims, "tee.type"));

    /* A paravisor's TD is not ours to read; its registers are zero. */
    return g_strcmp0(source, "tdx") == 0 &&
           json_object_get(attester->claims, "hcl.version") == NULL;
}

/* Of this TD, which was attested. */
static gboolean
read_td(CvsAttester *attester, CvsTdBody *ret_body, gboolean *ret_late, GError **error)
{
    const char *wanted = json_string_value(json_object_get(attester->claims, "tee.measurement"));
    g_autofree char *seen = NULL;
    GError *refusal = NULL;

    if (!cvs_tee_source_read_td(attester->config.source, ret_body, ret_late, error))
        return FALSE;
    seen = cvs_hex_encode(ret_body->mr_td, sizeof ret_body->mr_td);
    if (wanted == NULL || g_str_equal(seen, wanted))
        return TRUE;
    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                  "this is not the TD that was attested: MRTD differs");
    cvs_error_add_reason(refusal, CVS_REASON_QUOTE_MISMATCH, seen, wanted, "%s", refusal->message);
    g_propagate_error(error, refusal);
    cvs_attester_refresh(attester);
    return FALSE;
}

gboolean
cvs_attester_read_rtmrs(CvsAttester *attester, guint8 ret_rtmr[static 4][48], GError **error)
{
    CvsTdBody body = {0};
    gboolean late = FALSE;

    if (!read_td(attester, &body, &late, error))
        return FALSE;
    memcpy(ret_rtmr, body.rtmr, sizeof body.rtmr);
    return TRUE;
}

static gboolean
set_registers(CvsAttester *attester, json_t *claims, GError **error)
{
    CvsTdBody body = {0};
    gboolean used = FALSE, late = FALSE;

    if (!is_tdx(attester))
        return TRUE;
    if (!read_td(attester, &body, &late, error))
        return FALSE;
    for (guint i = 0; i < 4; i++) {
        g_autofree char *claim = g_strdup_printf("tee.rtmr%u", i);

        cvs_claims_set_hex(claims, claim, body.rtmr[i], sizeof body.rtmr[i]);
        for (gsize j = 0; j < sizeof body.rtmr[i]; j++)
            used |= body.rtmr[i][j] != 0;
    }
    cvs_claims_set_bool(claims, "tee.rtmrs_used", used);
    cvs_claims_set_bool(claims, "tee.rtmrs_late", late);
    return TRUE;
}

gboolean
cvs_attester_appraise(CvsAttester *attester, const CvsProfile *profile, gint64 at,
                      json_t **ret_claims, GError **error)
{
    const CvsTeeRule *age = &profile->tee.rules[CVS_TEE_MAX_AGE];
    g_autoptr(json_t) claims = NULL;
    GError *refusal = NULL;

    if (!cvs_attester_claims(attester, at, age->given ? (gint64)age->number : 0, &claims, error) ||
        !set_registers(attester, claims, error))
        return FALSE;
    refusal = cvs_refusal_new();
    cvs_appraise(profile, claims, at, refusal);
    cvs_vtpm_appraise(profile, claims, refusal);
    cvs_logs_appraise(claims, FALSE, refusal);
    if (ret_claims)
        *ret_claims = json_incref(claims);
    return cvs_refusal_end(refusal, "this machine", error);
}

CvsMaking *
cvs_attester_begin_evidence(CvsAttester *attester, GBytes *nonce, GBytes *user_data,
                            const CvsPcrSelection *selection, GError **error)
{
    gsize nonce_size = g_bytes_get_size(nonce);
    gsize user_data_size = user_data ? g_bytes_get_size(user_data) : 0;

    if (nonce_size == 0 || nonce_size > CVS_BUNDLE_NONCE_MAX ||
        user_data_size > CVS_BUNDLE_USER_DATA_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a nonce has 1 to %d bytes, and user data have at most %d",
                    CVS_BUNDLE_NONCE_MAX, CVS_BUNDLE_USER_DATA_MAX);
        return NULL;
    }
    return cvs_making_new(&attester->config, &attester->makings, nonce,
                          user_data_size > 0 ? user_data : NULL, selection,
                          g_get_real_time() / G_USEC_PER_SEC);
}

CvsEvidenceBundle *
cvs_attester_evidence(CvsAttester *attester, const void *nonce, gsize nonce_size,
                      const void *user_data, gsize user_data_size, const CvsPcrSelection *selection,
                      GError **error)
{
    g_autoptr(GBytes) nonce_bytes = g_bytes_new(nonce, nonce_size);
    g_autoptr(GBytes) user_bytes =
        user_data_size > 0 ? g_bytes_new(user_data, user_data_size) : NULL;
    g_autoptr(CvsMaking) making =
        cvs_attester_begin_evidence(attester, nonce_bytes, user_bytes, selection, error);

    return making && cvs_making_go_on(making, NULL, error) ? cvs_making_steal_bundle(making) : NULL;
}

CvsEvidenceBundle *
cvs_attester_answer(CvsAttester *attester, const CvsChallenge *challenge, const void *user_data,
                    gsize user_data_size, const CvsPcrSelection *selection, GError **error)
{
    g_autoptr(GBytes) user_bytes =
        user_data_size > 0 ? g_bytes_new(user_data, user_data_size) : NULL;
    g_autoptr(CvsMaking) making =
        cvs_attester_begin_evidence(attester, challenge->nonce, user_bytes, selection, error);

    if (making == NULL)
        return NULL;
    cvs_making_set_challenge(making, challenge);
    return cvs_making_go_on(making, NULL, error) ? cvs_making_steal_bundle(making) : NULL;
}
