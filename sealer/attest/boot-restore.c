/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/boot-restore.h"
#include "attest/boot-cache.h"
#include "attest/proof.h"
#include "base/boot-id.h"
#include "base/error.h"
#include "tpm/ak.h"

#include <string.h>

void
cvs_boot_restored_clear(CvsBootRestored *restored)
{
    g_clear_pointer(&restored->claims, json_decref);
}

static gboolean
refuse(GError **error, const char *text)
{
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED, text);
    return FALSE;
}

static gboolean
check_boot(const CvsAttesterConfig *config, const CvsBootCache *cache, gint64 *ret_age,
           GError **error)
{
    g_autofree char *boot_id = cvs_boot_id();
    gint64 age = config->clock->now(config->clock->data) - cache->made;

    /* A sandbox may hide it from one of us, and not from the other. */
    if (*boot_id && *cache->boot_id && !g_str_equal(boot_id, cache->boot_id))
        return refuse(error, "it was made in another boot");
    if (age < 0)
        return refuse(error, "it was made later than now, by the time since the boot");
    *ret_age = age / G_USEC_PER_SEC + (age % G_USEC_PER_SEC > 0);
    return TRUE;
}

static gboolean
check_start(CvsTpm *tpm, const CvsBootCache *cache, const CvsClock *seen, CvsClock *now,
            GError **error)
{
    if (!cvs_tpm_read_clock(tpm, now, error) ||
        !cvs_clock_check_forward(now, &cache->clock, error) ||
        !cvs_clock_check_forward(now, seen, error))
        return FALSE;
    return (now->reset_count == cache->clock.reset_count &&
            now->restart_count == cache->clock.restart_count) ||
           refuse(error, "the TPM was reset or resumed since");
}

/* One that is vouched for is proven below, and no other is pinned. */
static gboolean
check_ek(const CvsEvidenceBundle *bundle, GError **error)
{
    gboolean vouched = bundle->manifest || bundle->hcl || bundle->ek_cert;

    return vouched == (bundle->ek != NULL) ||
           refuse(error, vouched ? "it lacks the endorsement key that is vouched for"
                                 : "it has an endorsement key for which nothing vouches");
}

/* The report commits to their Names. */
static gboolean
check_names(CvsTpm *tpm, const CvsEvidenceBundle *bundle, GError **error)
{
    g_autoptr(CvsPublicArea) ak = NULL;

    if (!cvs_tpm_check_srk_name(tpm, &bundle->srk_name, error))
        return FALSE;
    ak = cvs_tpm_read_ak(tpm, cvs_proof_ak_handle(bundle), NULL, error);
    return ak && (cvs_public_area_equal(ak, bundle->ak) ||
                  refuse(error, "the TPM has another attestation key"));
}

gboolean
cvs_boot_restore(const CvsAttesterConfig *config, const CvsPcrSelection *selection, gint64 at,
                 const CvsClock *seen, CvsBootRestored *ret_restored, GError **error)
{
    g_autoptr(CvsBootCache) cache =
        cvs_boot_cache_load(cvs_tee_source_paths(config->source)->run_dir, error);
    g_autoptr(json_t) claims = NULL;
    gboolean challenged = FALSE;
    gint64 age = 0;
    CvsClock now = {0};

    if (cache == NULL || !check_boot(config, cache, &age, error) ||
        !check_ek(cache->bundle, error) || !check_start(config->tpm, cache, seen, &now, error) ||
        !cvs_proof_verify(config, cache->bundle, NULL, FALSE, at, NULL, error) ||
        !check_names(config->tpm, cache->bundle, error) ||
        !cvs_proof_keys(config->tpm, cache->bundle, &challenged, error) ||
        !cvs_proof_quote(config, cache->bundle, selection, error) ||
        !cvs_proof_verify(config, cache->bundle, selection, challenged, at, &claims, error))
        return FALSE;
    *ret_restored = (CvsBootRestored){.claims = g_steal_pointer(&claims),
                                      .pcrs = cache->bundle->quote.values,
                                      .clock = now,
                                      .age = age};
    return TRUE;
}
