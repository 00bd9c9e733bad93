/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/attesting.h"
#include "attest/logs.h"
#include "attest/vtpm.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "policy/verdict.h"
#include "service/dbus-error.h"
#include "tee/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* MFD_NOEXEC_SEAL of linux/memfd.h, for which older headers have no name. */
#define NOEXEC_SEAL 0x0008u

/* Everybody may read it, from its beginning, and nobody can change it or keep another from it. */
static int
seal_in_memory(const char *text, GError **error)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    CVS_AUTO_FD int fd = memfd_create("evidence", MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL);

    /* Linux before 6.3 does not know it; with vm.memfd_noexec=2 nothing else is allowed. */
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("evidence", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || !cvs_write_all(fd, text, strlen(text)) || lseek(fd, 0, SEEK_SET) != 0 ||
        fcntl(fd, F_ADD_SEALS, seals) != 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "no memory to hand out the evidence");
        return -1;
    }
    return cvs_steal_fd(&fd);
}

static char *
judge(const CvsOperation *op, const CvsProfile *profile, json_t *claims)
{
    g_autoptr(CvsVerdict) verdict = cvs_verdict_new_empty(CVS_REPORT_UNKNOWN);
    g_autoptr(json_t) json = NULL;
    const CvsEvidenceBundle *bundle = cvs_making_bundle(op->making);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    cvs_appraise(profile, claims, now, verdict->reasons);
    cvs_vtpm_appraise(profile, claims, verdict->reasons);
    cvs_logs_appraise(claims, TRUE, verdict->reasons);
    if (bundle->hcl)
        verdict->type = CVS_REPORT_HCL;
    else if (bundle->report)
        verdict->type = bundle->tdreport ? CVS_REPORT_TDX : CVS_REPORT_SNP;
    verdict->kind =
        cvs_refusal_count(verdict->reasons) == 0 ? CVS_VERDICT_ACCEPTED : CVS_VERDICT_REFUSED;
    verdict->test_roots = cvs_attester_look(op->machine).test_roots;
    json_decref(verdict->claims);
    verdict->claims = json_incref(claims);
    json = cvs_verdict_to_json(verdict);
    return cvs_json_canonical(json);
}

static gboolean
parse_challenge(CvsOperation *op, GError **error)
{
    if (op->challenge_text == NULL)
        return TRUE;
    op->challenge = cvs_challenge_parse(cvs_secret_peek(op->challenge_text),
                                        cvs_secret_size(op->challenge_text), error);
    return op->challenge != NULL;
}

static gboolean
begin_evidence(CvsOperation *op, GError **error)
{
    CvsPcrSelection selection = {
        .bank = op->options.has_bank ? op->options.bank : CVS_SHA256,
        .mask = op->options.pcrs != 0 ? op->options.pcrs : CVS_ATTESTER_PCRS,
    };

    if (op->making)
        return TRUE;
    if (!parse_challenge(op, error))
        return FALSE;
    op->making =
        cvs_attester_begin_evidence(op->machine, op->challenge ? op->challenge->nonce : op->nonce,
                                    op->options.user_data, &selection, error);
    if (op->making && op->challenge)
        cvs_making_set_challenge(op->making, op->challenge);
    return op->making != NULL;
}

void
cvs_operation_attest(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    const char *name = op->options.profile ? op->options.profile : CVS_PROFILE_DEFAULT;
    g_autoptr(CvsProfile) profile = cvs_profile_load(op->profile_folders, name, &op->error);
    g_autoptr(json_t) claims = NULL;
    g_autofree char *text = NULL;
    g_autofree char *verdict = NULL;

    if (profile == NULL || !begin_evidence(op, &op->error) ||
        !cvs_making_go_on(op->making, &claims, &op->error))
        return;
    text = cvs_evidence_bundle_format(cvs_making_bundle(op->making));
    op->reply_fd = seal_in_memory(text, &op->error);
    if (op->reply_fd < 0)
        return;
    verdict = judge(op, profile, claims);
    op->reply = g_variant_ref_sink(
        g_variant_new("(h@s)", 0, g_variant_new_take_string(g_utf8_make_valid(verdict, -1))));
}

void
cvs_operation_refresh(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    g_autoptr(json_t) claims = NULL;

    if (!op->renewed && !cvs_attester_renew(op->machine, &op->error))
        return;
    op->renewed = TRUE;
    if (cvs_attester_claims(op->machine, g_get_real_time() / G_USEC_PER_SEC, 0, &claims,
                            &op->error))
        op->reply = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));
}

static GVariant *
registers_of(const CvsAttesterState *state)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{ss}"));
    for (guint i = 0; state->pcrs && i < CVS_PCR_COUNT; i++) {
        g_autofree char *name = g_strdup_printf("pcr%u", i);
        g_autofree char *hex =
            cvs_hex_encode(state->pcrs->value[i], cvs_hash_size(state->pcrs->selection.bank));

        if (state->pcrs->selection.mask & 1u << i)
            g_variant_builder_add(&dict, "{ss}", name, hex);
    }
    for (guint i = 0; i < 4; i++) {
        g_autofree char *claim = g_strdup_printf("tee.rtmr%u", i);
        const char *hex = json_string_value(json_object_get(state->claims, claim));

        if (hex)
            g_variant_builder_add(&dict, "{ss}", claim + strlen("tee."), hex);
    }
    return g_variant_builder_end(&dict);
}

static const char *
name_of(const CvsAttesterState *state)
{
    if (state->claims)
        return "attested";
    if (state->under_way)
        return "under-way";
    return state->failure ? "failed" : "none";
}

static void
add_claim(GVariantBuilder *dict, const char *property, const CvsAttesterState *state,
          const char *claim)
{
    const char *value = json_string_value(json_object_get(state->claims, claim));

    g_variant_builder_add(dict, "{sv}", property, g_variant_new_string(value ? value : ""));
}

GVariant *
cvs_attesting_properties(const CvsAttesterState *state)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "AttestationState", g_variant_new_string(name_of(state)));
    g_variant_builder_add(&dict, "{sv}", "AttestationReasons",
                          cvs_dbus_error_reasons(state->failure));
    add_claim(&dict, "TeeType", state, "tee.type");
    add_claim(&dict, "VtpmKind", state, "vtpm.kind");
    g_variant_builder_add(&dict, "{sv}", "Registers", registers_of(state));
    g_variant_builder_add(&dict, "{sv}", "TestRoots", g_variant_new_boolean(state->test_roots));
    return g_variant_ref_sink(g_variant_builder_end(&dict));
}
