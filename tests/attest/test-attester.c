/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The attestation of a machine, whole: honest machines of every kind, and each lie refused for its
 * own reason. */

#include "attest/attest-bed.h"
#include "attest/making.h"
#include "attest/td-quote.h"
#include "base/hex.h"
#include "tee/pace.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

static const char *
claim(const json_t *claims, const char *name)
{
    const char *value = json_string_value(json_object_get(claims, name));

    return value ? value : "(none)";
}

static json_t *
claims_of(AttestBed *bed)
{
    g_autoptr(GError) error = NULL;
    json_t *claims = NULL;

    (void)cvs_attester_claims(bed->attester, bed->now, 0, &claims, &error);
    g_assert_no_error(error);
    return claims;
}

static void
expect_appraisal(AttestBed *bed, const char *lines, const char *kind, const char *reasons)
{
    g_autoptr(CvsProfile) profile = attest_bed_profile(bed, lines);
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;
    gboolean ok = cvs_attester_appraise(bed->attester, profile, bed->now, &claims, &error);

    found = attest_bed_reasons(error);
    if (!g_str_equal(found, reasons))
        g_error("\"%s\" gives %s: %s", lines, found, error ? error->message : "accepted");
    g_assert_cmpint(ok, ==, *reasons == '\0');
    g_assert_cmpstr(claim(claims, "vtpm.kind"), ==, kind);
}

static void
expect_error(AttestBed *bed, int code, const char *reasons)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *found = NULL;

    g_assert_false(cvs_attester_claims(bed->attester, bed->now, 0, &claims, &error));
    found = attest_bed_reasons(error);
    if (error->domain != CVS_ERROR || error->code != code || !g_str_equal(found, reasons))
        g_error("%s with %s: %s", cvs_error_name(error->code), found, error->message);
    g_assert_null(claims);
}

static void
expect_verdict(AttestBed *bed, const CvsEvidenceBundle *bundle, gboolean challenged,
               const char *lines, const char *kind, const char *reasons)
{
    g_autoptr(CvsProfile) profile = attest_bed_profile(bed, lines);
    g_autoptr(CvsVerdict) verdict = attest_bed_judge(bed, bundle, "one", challenged, profile);
    g_autofree char *found = attest_bed_reasons(verdict->reasons);

    g_assert_cmpstr(found, ==, reasons);
    g_assert_cmpstr(claim(verdict->claims, "vtpm.kind"), ==, kind);
    g_assert_cmpint(verdict->kind, ==, *reasons ? CVS_VERDICT_REFUSED : CVS_VERDICT_ACCEPTED);
}

static CvsEvidenceBundle *
evidence_of(AttestBed *bed, const char *nonce)
{
    g_autoptr(GError) error = NULL;
    CvsEvidenceBundle *bundle = attest_bed_evidence(bed, nonce, &error);

    g_assert_no_error(error);
    return bundle;
}

static void
test_svsm(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(json_t) claims = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    claims = claims_of(&bed);
    g_assert_cmpstr(claim(claims, "vtpm.kind"), ==, "svsm");
    g_assert_cmpstr(claim(claims, "vtpm.ak"), ==, "challenged");
    g_assert_cmpint(json_integer_value(json_object_get(claims, "vtpm.manifest")), ==, 0);
    g_assert_true(json_is_true(json_object_get(claims, "vtpm.fresh")));
    g_assert_true(json_is_true(json_object_get(claims, "tee.verified")));
    expect_appraisal(&bed, "Measurements=%M", "svsm", "");
    expect_appraisal(&bed, "", "svsm-unlisted", "SvsmUnlisted");
    expect_appraisal(&bed, "[vTPM]\nKinds=svsm-unlisted", "svsm-unlisted", "");
    expect_appraisal(&bed, "Measurements=%M\n[vTPM]\nKinds=azure", "svsm", "VtpmKindRefused");
    /* One attestation serves all. */
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 1);

    bundle = evidence_of(&bed, "one");
    expect_verdict(&bed, bundle, FALSE, "Measurements=%M", "svsm", "AkUnproven");
    expect_verdict(&bed, bundle, TRUE, "Measurements=%M", "svsm", "");
    expect_verdict(&bed, bundle, FALSE, "Measurements=%M\n[vTPM]\nAllowAssertedAK=yes", "svsm", "");
    expect_verdict(&bed, bundle, TRUE, "", "svsm-unlisted", "SvsmUnlisted");
}

/* The manifest names the AK too. */
static void
test_svsm_v1(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL, other = NULL;

    bed.manifest_version = 1;
    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2 manifest-v1=on"))
        return;
    bundle = evidence_of(&bed, "one");
    expect_verdict(&bed, bundle, FALSE, "Measurements=%M", "svsm", "");
    /* It names another: then ours is only what the guest says. */
    attest_bed_set(&bed, "manifest=other-ak");
    attest_bed_restart(&bed);
    other = attest_bed_evidence(&bed, "one", NULL);
    if (other)
        expect_verdict(&bed, other, FALSE, "Measurements=%M", "svsm", "AkUnproven");
}

/* An honest TEE, and nothing that shows where its TPM is. */
static void
test_host(void)
{
    const TeeSimType types[] = {TEE_SIM_SNP, TEE_SIM_TDX};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(AttestBed) bed = {0};
        g_autoptr(CvsEvidenceBundle) bundle = NULL;

        if (!attest_bed_init(&bed, types[i], NULL))
            return;
        expect_appraisal(&bed, "Measurements=%M", "host", "VtpmKindRefused");
        expect_appraisal(&bed, "Measurements=%M\n[vTPM]\nKinds=host", "host", "");
        bundle = evidence_of(&bed, "one");
        expect_verdict(&bed, bundle, FALSE, "", "host", "VtpmKindRefused");
        expect_verdict(&bed, bundle, FALSE, "[vTPM]\nKinds=host", "host", "");
        attest_bed_clear(&bed);
        memset(&bed, 0, sizeof bed);
    }
}

static void
test_none(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_NONE, NULL))
        return;
    expect_appraisal(&bed, "Types=none", "none", "");
    expect_appraisal(&bed, "Types=none\n[vTPM]\nKinds=svsm", "none", "VtpmKindRefused");
    bundle = evidence_of(&bed, "one");
    expect_verdict(&bed, bundle, FALSE, "Types=none", "none", "");
    expect_verdict(&bed, bundle, FALSE, "Types=snp", "none",
                   "ClaimMissing NotVerified TeeTypeRefused VtpmKindRefused");
}

/* The TEE's module can be loaded after the first key was wanted. */
static void
test_tee_appears(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsTeePaths) paths = NULL;
    g_autofree char *device = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL, again = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_NONE, NULL))
        return;
    device = g_build_filename(bed.tee.dir, "late", NULL);
    paths = cvs_tee_paths_copy(cvs_tee_source_paths(bed.tee.source));
    g_free(paths->sev_guest);
    paths->sev_guest = g_strdup(device);
    cvs_tee_source_free(bed.tee.source);
    bed.tee.source = cvs_tee_source_new(paths, &bed.tee.clock);
    attest_bed_restart(&bed);
    claims = claims_of(&bed);
    g_assert_cmpstr(claim(claims, "tee.type"), ==, "none");
    /* A device that gives no report, but is one: "none" is not true any more. */
    (void)g_file_set_contents(device, "", 0, &error);
    g_assert_no_error(error);
    g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &again, &error));
    g_assert_nonnull(error);
}

static void
test_azure(void)
{
    const TeeSimType types[] = {TEE_SIM_AZURE_SNP, TEE_SIM_AZURE_TDX};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(AttestBed) bed = {0};
        g_autoptr(CvsEvidenceBundle) bundle = NULL;
        g_autoptr(json_t) claims = NULL;

        if (!attest_bed_init(&bed, types[i], NULL))
            return;
        claims = claims_of(&bed);
        g_assert_cmpstr(claim(claims, "vtpm.kind"), ==, "azure");
        g_assert_cmpstr(claim(claims, "vtpm.ak"), ==, "attested");
        g_assert_true(json_is_true(json_object_get(claims, "vtpm.fresh")));
        expect_appraisal(&bed, "Measurements=%M", "azure", "");
        expect_appraisal(&bed, "", "azure-unlisted", "ParavisorUnlisted");
        bundle = evidence_of(&bed, "one");
        expect_verdict(&bed, bundle, FALSE, "Measurements=%M", "azure", "");

        /* The paravisor takes its time. */
        bed.hcl_lag = 2;
        cvs_attester_refresh(bed.attester);
        expect_appraisal(&bed, "Measurements=%M", "azure", "");
        g_assert_cmpuint(bed.hcl_lag, ==, 0);
        bed.hcl_lag = 1000;
        cvs_attester_refresh(bed.attester);
        expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "HclStale");
        bed.hcl_lag = 0;
        attest_bed_set(&bed, "hcl=claims-edited");
        expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "HclBinding");
        attest_bed_set(&bed, "reset=on");
        expect_appraisal(&bed, "Measurements=%M", "azure", "");
        attest_bed_clear(&bed);
        memset(&bed, 0, sizeof bed);
    }
}

/* Nobody brings the quote of a paravisor's TDREPORT, then an old one, then the right one. */
static void
test_azure_quote(void)
{
    g_auto(AttestBed) bed = {0};
    const gint64 ages[] = {31, -3600};
    g_autofree char *answer = NULL;
    g_autofree char *request = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(GError) error = NULL;
    gint64 before = 0;

    if (!attest_bed_init(&bed, TEE_SIM_AZURE_TDX, NULL))
        return;
    answer = g_build_filename(bed.tee.paths->run_dir, CVS_TD_QUOTE_FOLDER, "quote", NULL);
    bed.no_quotes = TRUE;
    before = bed.tee.test.slept;
    expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "QuoteMissing");
    g_assert_cmpint(bed.tee.test.slept - before, ==, CVS_TD_QUOTE_WAIT_US);
    /* It is waited for once. */
    expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "QuoteMissing");
    g_assert_cmpint(bed.tee.test.slept - before, ==, CVS_TD_QUOTE_WAIT_US);
    /* Whoever failed to bring it is asked again, but not at once; also where the clock was set
     * back. */
    request = g_build_filename(bed.tee.paths->run_dir, CVS_TD_QUOTE_FOLDER, "tdreport", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(ages); i++) {
        gint64 now = g_get_real_time() / G_USEC_PER_SEC;
        const struct utimbuf then = {.actime = now - ages[i], .modtime = now - ages[i]};
        GStatBuf st = {0};

        before = bed.tee.test.slept;
        g_assert_cmpint(g_utime(request, (struct utimbuf *)&then), ==, 0);
        expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "QuoteMissing");
        g_assert_cmpint(bed.tee.test.slept - before, ==, CVS_TD_QUOTE_WAIT_US);
        g_assert_cmpint(g_stat(request, &st), ==, 0);
        g_assert_cmpint(st.st_mtime, >=, now);
        g_assert_cmpint(st.st_mtime, <, now + 30);
    }
    g_assert_true(g_file_set_contents(answer, "no quote", -1, NULL));
    expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "QuoteMissing");
    attest_bed_bring_quote(&bed);
    expect_appraisal(&bed, "Measurements=%M", "azure", "");
    /* That of another request is not taken for this one's. */
    g_assert_null(attest_bed_evidence(&bed, "one", &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_QUOTE_MISSING);
    if (strstr(error->message, answer) == NULL)
        g_error("\"%s\" does not say where", error->message);
    attest_bed_bring_quote(&bed);
    bundle = evidence_of(&bed, "one");
    expect_verdict(&bed, bundle, FALSE, "Measurements=%M", "azure", "");
    /* Nor that of another TD, though it is of the same report data. */
    g_clear_pointer(&bundle, cvs_evidence_bundle_free);
    tee_sim_must(bed.tee.sim, "other-guest=on");
    attest_bed_bring_quote(&bed);
    tee_sim_must(bed.tee.sim, "other-guest=off");
    g_clear_error(&error);
    g_assert_null(attest_bed_evidence(&bed, "one", &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_QUOTE_MISSING);
}

/* An attester as the daemon has it, whose threads wait until we let them go on. */
typedef struct {
    AttestBed *bed;
    CvsPaceClock clock;
    CvsAttester *attester;
    GThread *thread; /* ours */
    GMutex mutex;
    GCond cond;
    gboolean open; /* under the mutex */
    GAsyncQueue *over;
    guint woken; /* by a making that was over */
} Threaded;

static gint64
threaded_now(gpointer data)
{
    const Threaded *threaded = data;

    return threaded->bed->tee.clock.now(threaded->bed->tee.clock.data);
}

static void
threaded_sleep(gpointer data, gint64 us)
{
    Threaded *threaded = data;

    g_mutex_lock(&threaded->mutex);
    while (!threaded->open)
        g_cond_wait(&threaded->cond, &threaded->mutex);
    g_mutex_unlock(&threaded->mutex);
    attest_bed_bring_quote(threaded->bed);
    threaded->bed->tee.clock.sleep(threaded->bed->tee.clock.data, us);
}

static void
threaded_back(gpointer data)
{
    Threaded *threaded = data;

    if (g_thread_self() == threaded->thread)
        threaded->woken++;
    else
        g_async_queue_push(threaded->over, threaded);
}

static void
threaded_init(Threaded *threaded, AttestBed *bed)
{
    CvsAttesterConfig config = {.tpm = bed->client,
                                .source = bed->tee.source,
                                .collateral_dir = bed->store,
                                .snp_roots = bed->snp_roots,
                                .tdx_roots = bed->tdx_roots,
                                .clock = &threaded->clock,
                                .back = threaded_back,
                                .back_data = threaded};

    threaded->bed = bed;
    threaded->clock = (CvsPaceClock){threaded_now, threaded_sleep, threaded};
    threaded->thread = g_thread_self();
    g_mutex_init(&threaded->mutex);
    g_cond_init(&threaded->cond);
    threaded->over = g_async_queue_new();
    threaded->attester = cvs_attester_new(&config);
}

static void
threaded_clear(Threaded *threaded)
{
    cvs_attester_free(threaded->attester);
    g_async_queue_unref(threaded->over);
    g_mutex_clear(&threaded->mutex);
    g_cond_clear(&threaded->cond);
}

/* Lets the one that is out go on to its end. */
static void
let_go_on(Threaded *threaded)
{
    g_mutex_lock(&threaded->mutex);
    threaded->open = TRUE;
    g_cond_signal(&threaded->cond);
    g_mutex_unlock(&threaded->mutex);
    if (g_async_queue_timeout_pop(threaded->over, 60 * G_USEC_PER_SEC) == NULL)
        g_error("nobody will call again");
    g_mutex_lock(&threaded->mutex);
    threaded->open = FALSE;
    g_mutex_unlock(&threaded->mutex);
}

static CvsMaking *
begin_evidence(Threaded *threaded, const char *nonce)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x85};
    g_autoptr(GBytes) bytes = g_bytes_new(nonce, strlen(nonce));

    return cvs_attester_begin_evidence(threaded->attester, bytes, NULL, &selection, NULL);
}

/* FALSE: under way. */
static gboolean
go_on(CvsMaking *making)
{
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) error = NULL;

    if (cvs_making_go_on(making, &claims, &error)) {
        g_assert_true(json_is_true(json_object_get(claims, "vtpm.fresh")));
        return TRUE;
    }
    if (!cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY))
        g_error("not made: %s", error->message);
    return FALSE;
}

static void
finish(Threaded *threaded, CvsMaking *making)
{
    while (!go_on(making))
        let_go_on(threaded);
}

/* Two at once, of which the second is always asked first; each is told when it is to be asked
 * again. lag: of the paravisor's report. */
static void
make_two(AttestBed *bed, guint lag)
{
    Threaded threaded = {0};
    CvsMaking *makings[2] = {NULL};
    gboolean done[2] = {FALSE};

    threaded_init(&threaded, bed);
    makings[0] = begin_evidence(&threaded, "one");
    makings[1] = begin_evidence(&threaded, "two");
    bed->hcl_lag = lag;
    done[0] = go_on(makings[0]);
    for (;;) {
        for (guint i = 2; i > 0; i--)
            done[i - 1] = done[i - 1] || go_on(makings[i - 1]);
        if (done[0] && done[1])
            break;
        if (threaded.woken > 0)
            threaded.woken = 0;
        else
            let_go_on(&threaded);
    }
    for (guint i = 0; i < 2; i++)
        cvs_making_free(makings[i]);
    threaded_clear(&threaded);
}

/* One that is given up, or that nobody goes on with, does not keep the paravisor from others. */
static void
give_up(AttestBed *bed, gboolean freed)
{
    Threaded threaded = {0};
    CvsMaking *left = NULL, *other = NULL;

    threaded_init(&threaded, bed);
    left = begin_evidence(&threaded, "left");
    other = begin_evidence(&threaded, "other");
    bed->hcl_lag = 3;
    g_assert_false(go_on(left));
    g_assert_false(go_on(other));
    if (freed) {
        g_clear_pointer(&left, cvs_making_free);
        g_assert_cmpuint(threaded.woken, ==, 1);
        /* The errand of the other is still out. */
        bed->hcl_lag = 0;
        (void)go_on(other);
    }
    let_go_on(&threaded);
    if (left) {
        g_assert_false(go_on(other));
        test_clock_advance(&bed->tee.test, G_GINT64_CONSTANT(30000000));
    }
    finish(&threaded, other);
    if (left)
        finish(&threaded, left);
    cvs_making_free(left);
    cvs_making_free(other);
    threaded_clear(&threaded);
}

static void
test_azure_at_once(void)
{
    const TeeSimType types[] = {TEE_SIM_AZURE_SNP, TEE_SIM_AZURE_TDX};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(AttestBed) bed = {0};

        if (!attest_bed_init(&bed, types[i], NULL))
            return;
        make_two(&bed, 3);
        make_two(&bed, 0);
        give_up(&bed, TRUE);
        give_up(&bed, FALSE);
        attest_bed_clear(&bed);
        memset(&bed, 0, sizeof bed);
    }
}

/* The store's file whose name begins so. */
static char *
find_collateral(AttestBed *bed, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(bed->store, 0, NULL);

    g_assert_nonnull(dir);
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        if (g_str_has_prefix(name, prefix))
            return g_build_filename(bed->store, name, NULL);
    }
    g_assert_not_reached();
}

/* What is brought to the store counts at once: a list that revokes what was attested by, most of
 * all. */
static void
test_revoked_meanwhile(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(json_t) claims = NULL;
    g_autofree char *ask = NULL;
    g_autofree char *der = NULL;
    gsize size = 0;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    claims = claims_of(&bed);
    ask = find_collateral(&bed, "ask-");
    g_assert_true(g_file_get_contents(ask, &der, &size, NULL));
    attest_bed_set(&bed, "revoked=ca");
    /* An import takes in nothing that is revoked. */
    expect_error(&bed, CVS_ERROR_COLLATERAL_MISSING, "ChainIncomplete");
    /* What was there before is refused for what it is. */
    g_assert_true(g_file_set_contents(ask, der, (gssize)size, NULL));
    expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "CertRevoked");
}

/* A warm one costs one command; a reset of the TPM, age and Refresh make it anew. */
static void
test_kept(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(json_t) first = NULL, again = NULL, reset = NULL;
    g_autoptr(GError) error = NULL;
    guint64 before = 0;
    CvsClock clock = {0};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    first = claims_of(&bed);
    before = cvs_tpm_commands_sent(bed.client);
    again = claims_of(&bed);
    g_assert_cmpuint(cvs_tpm_commands_sent(bed.client) - before, ==, 1);
    g_assert_true(json_equal(first, again));
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 1);

    bed.now += 100;
    g_clear_pointer(&again, json_decref);
    g_assert_true(cvs_attester_claims(bed.attester, bed.now, 100, &again, &error));
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 1);
    /* What was just made is young. */
    g_clear_pointer(&again, json_decref);
    g_assert_true(cvs_attester_claims(bed.attester, bed.now, 99, &again, &error));
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 1);
    test_clock_advance(&bed.tee.test, CVS_ATTESTER_FAILURE_US);
    g_clear_pointer(&again, json_decref);
    g_assert_true(cvs_attester_claims(bed.attester, bed.now, 99, &again, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 2);
    cvs_attester_refresh(bed.attester);
    json_decref(claims_of(&bed));
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 3);
    /* The SVSM was let be meanwhile. */
    g_assert_cmpint(bed.tee.test.slept, >=, CVS_PACE_SVSM_US);

    test_tpm_power_cycle(bed.tpm);
    /* The line breaks with the power, and is mended before we are asked. */
    if (!cvs_tpm_read_clock(bed.client, &clock, NULL))
        g_assert_true(cvs_tpm_read_clock(bed.client, &clock, NULL));
    reset = claims_of(&bed);
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 4);
    g_assert_cmpint(json_integer_value(json_object_get(reset, "vtpm.reset_count")), >,
                    json_integer_value(json_object_get(first, "vtpm.reset_count")));
}

/* Of that age at most: NULL, or why not. */
static GError *
try_claims(CvsAttester *attester, gint64 at, gint64 max_age, json_t **ret_claims)
{
    GError *error = NULL;

    if (!cvs_attester_claims(attester, at, max_age, ret_claims, &error))
        g_assert_nonnull(error);
    return error;
}

static void
expect_kept(CvsAttester *attester, gint64 at, const json_t *wanted)
{
    CvsAttesterState state = cvs_attester_look(attester);
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) error = try_claims(attester, at, 0, &claims);

    g_assert_no_error(error);
    g_assert_true(json_equal(claims, (json_t *)wanted));
    g_assert_nonnull(state.claims);
    g_assert_null(state.failure);
}

/* One who wants a younger attestation than others throws away nobody's, neither while it is made
 * nor when it fails, and a failing TEE is let be. */
static void
test_max_age(void)
{
    g_auto(AttestBed) bed = {0};
    Threaded threaded = {0};
    g_autoptr(json_t) first = NULL, younger = NULL;
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    threaded_init(&threaded, &bed);
    error = try_claims(threaded.attester, bed.now, 99, &first);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY));
    g_clear_error(&error);
    let_go_on(&threaded);
    error = try_claims(threaded.attester, bed.now, 99, &first);
    g_assert_no_error(error);

    bed.now += 100;
    test_clock_advance(&bed.tee.test, 100 * G_USEC_PER_SEC);
    tee_sim_must(bed.tee.sim, "other-chip=on");
    error = try_claims(threaded.attester, bed.now, 99, &younger);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY));
    g_clear_error(&error);
    expect_kept(threaded.attester, bed.now, first);
    let_go_on(&threaded);
    expect_kept(threaded.attester, bed.now, first);
    for (guint i = 0; i < 3; i++) {
        error = try_claims(threaded.attester, bed.now, 99, &younger);
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_CHIP_MISMATCH));
        g_clear_error(&error);
        expect_kept(threaded.attester, bed.now, first);
    }
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 2);

    tee_sim_must(bed.tee.sim, "reset=on");
    test_clock_advance(&bed.tee.test, CVS_ATTESTER_FAILURE_US);
    error = try_claims(threaded.attester, bed.now, 99, &younger);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY));
    g_clear_error(&error);
    let_go_on(&threaded);
    error = try_claims(threaded.attester, bed.now, 99, &younger);
    g_assert_no_error(error);
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 3);
    /* It is everybody's from now on, and one that took long is not made again at once. */
    g_clear_pointer(&younger, json_decref);
    error = try_claims(threaded.attester, bed.now + 100, 1, &younger);
    g_assert_no_error(error);
    g_assert_cmpuint(tee_sim_requests(bed.tee.sim), ==, 3);
    threaded_clear(&threaded);
}

/* Another TPM in the place of the attested one, and that one again. */
static void
test_tpm_swapped(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(GError) error = NULL, again = NULL;
    g_autoptr(json_t) claims = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_of(&bed));
    test_tpm_replace(bed.tpm, 1);
    g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error));
    g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &claims, &again));
    assert_refused(again, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
    test_tpm_replace(bed.tpm, 0);
    if (!cvs_attester_claims(bed.attester, bed.now, 0, &claims, NULL))
        claims = claims_of(&bed);
    g_assert_cmpstr(claim(claims, "vtpm.kind"), ==, "svsm");
}

/* While the paravisor makes its report: what was read first does not hold afterwards. */
static void
test_srk_changes(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_AZURE_SNP, NULL))
        return;
    bed.change_srk = TRUE;
    g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error));
    g_assert_false(bed.change_srk);
    assert_refused(error, TPM_REPLACED, CVS_REASON_SRK_CHANGED);
    claims = claims_of(&bed);
    g_assert_cmpstr(claim(claims, "vtpm.kind"), ==, "azure");
}

/* Somebody between us and the TPM turns over a bit of one answer after the other. Either nothing is
 * attested, or what is attested is the truth: never another key. */
static void
test_man_in_the_middle(gconstpointer data)
{
    const guint32 byte = GPOINTER_TO_UINT(data);
    g_auto(AttestBed) bed = {0};
    guint fired = 0, refused = 0, total = 0;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    json_decref(claims_of(&bed));
    total = (guint)cvs_tpm_commands_sent(bed.client);
    for (guint nth = 1; nth <= total; nth++) {
        const TpmMuxFault fault = {
            .port = "main", .nth = nth, .kind = TPM_MUX_FLIP, .after = TRUE, .value = byte};
        g_autoptr(json_t) claims = NULL;
        g_autoptr(GError) error = NULL;
        guint number = 0;

        attest_bed_restart(&bed);
        number = tpm_mux_add_fault(test_tpm_mux(bed.tpm), &fault);
        if (cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error)) {
            g_autofree char *ak = cvs_hex_encode(bed.ak->name.bytes, bed.ak->name.size);
            g_autofree char *ek = cvs_hex_encode(bed.ek->name.bytes, bed.ek->name.size);

            g_assert_cmpstr(claim(claims, "vtpm.kind"), ==, "svsm");
            g_assert_cmpstr(claim(claims, "vtpm.ak_name"), ==, ak);
            g_assert_cmpstr(claim(claims, "vtpm.ek_name"), ==, ek);
        } else {
            refused++;
            g_assert_error(error, CVS_ERROR, error->code);
        }
        fired += tpm_mux_fault_fired(test_tpm_mux(bed.tpm), number);
        tpm_mux_clear_faults(test_tpm_mux(bed.tpm));
    }
    g_test_message("%u of %u answers changed at byte %u, %u refused", fired, total, byte, refused);
    g_assert_cmpuint(fired, >, 8);
    g_assert_cmpuint(refused, >, 5);
    tpm_mux_clear_faults(test_tpm_mux(bed.tpm));
    attest_bed_restart(&bed);
    expect_appraisal(&bed, "Measurements=%M", "svsm", "");
}

/* The source fails for a while. */
static void
test_source_fails(void)
{
    g_auto(AttestBed) bed = {0};

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    tee_sim_must(bed.tee.sim, "fail-once=ENXIO");
    {
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) claims = NULL;

        g_assert_false(cvs_attester_claims(bed.attester, bed.now, 0, &claims, &error));
        g_assert_error(error, CVS_ERROR, error->code);
    }
    tee_sim_must(bed.tee.sim, "empty-outblob=on");
    expect_error(&bed, CVS_ERROR_ATTESTATION_FAILED, "AnswerEmpty");
    tee_sim_must(bed.tee.sim, "reset=on");
    expect_appraisal(&bed, "Measurements=%M", "svsm", "");
}

/* What an SVSM's guest is told wrong by SVSM or host. Each row is a test. */
typedef struct {
    const char *name;
    TeeSimType type;
    const char *machine; /* switches */
    const char *lie;
    int code;          /* of the attestation; 0: it is made */
    const char *lines; /* of the profile, if it is made */
    const char *kind;
    const char *reasons;
} Lie;

#define SVSM TEE_SIM_SNP, "svsm=on vmpl=2"
#define TDX TEE_SIM_TDX, NULL
#define FAILED CVS_ERROR_ATTESTATION_FAILED

static const Lie lies[] = {
    {"other-ek", SVSM, "manifest=other-ek", CVS_ERROR_TPM_REPLACED, NULL, NULL, "EkChanged"},
    {"manifest-cut", SVSM, "manifest=truncated", CVS_ERROR_BAD_FORMAT, NULL, NULL,
     "ManifestMalformed"},
    {"manifest-trailing", SVSM, "manifest=trailing", CVS_ERROR_BAD_FORMAT, NULL, NULL,
     "ManifestMalformed"},
    {"nonce", SVSM, "wrong-report-data=on", FAILED, NULL, NULL, "AnswerDiffers"},
    {"signature", SVSM, "bad-signature=on", FAILED, NULL, NULL, "ReportSignature"},
    {"other-chip", SVSM, "other-chip=on", FAILED, NULL, NULL, "ChipMismatch"},
    {"other-root", SVSM, "other-root=on", CVS_ERROR_COLLATERAL_MISSING, NULL, NULL,
     "ChainIncomplete"},
    {"debug", SVSM, "debug=on", 0, "Measurements=%M", "host", "DebugAllowed VtpmKindRefused"},
    {"debug-allowed", SVSM, "debug=on", 0, "Measurements=%M\nAllowDebug=yes", "host",
     "VtpmKindRefused"},
    {"migration", SVSM, "migration=on", 0, "Measurements=%M", "host",
     "MigrationAllowed VtpmKindRefused"},
    {"other-guest", SVSM, "other-guest=on", 0, "Measurements=%M", "svsm-unlisted",
     "MeasurementUnlisted SvsmUnlisted"},
    {"td-signature", TDX, "bad-signature=on", FAILED, NULL, NULL, "QuoteSignature"},
    {"td-stale", TDX, "wrong-report-data=on", FAILED, NULL, NULL, "AnswerDiffers"},
    {"td-debug", TDX, "debug=on", 0, "[vTPM]\nKinds=host", "host", "DebugAllowed"},
    {"td-zero-rtmrs", TDX, "zero-rtmrs=on", 0, "Types=tdx\n[TDX]\nRTMR0=%M\n[vTPM]\nKinds=host",
     "host", "RtmrsUnused"},
};

static void
test_lie(gconstpointer data)
{
    const Lie *lie = data;
    g_auto(AttestBed) bed = {0};

    if (!attest_bed_init(&bed, lie->type, lie->machine))
        return;
    attest_bed_set(&bed, lie->lie);
    if (lie->code == 0)
        expect_appraisal(&bed, lie->lines, lie->kind, lie->reasons);
    else
        expect_error(&bed, lie->code, lie->reasons);
    /* Nothing of it is kept. */
    attest_bed_set(&bed, "reset=on");
    attest_bed_restart(&bed);
    expect_appraisal(&bed, lie->type == TEE_SIM_TDX ? "[vTPM]\nKinds=host" : "Measurements=%M",
                     lie->type == TEE_SIM_TDX ? "host" : "svsm", "");
}

/* A register is extended by another way than that of the measurement files. */
static void
test_rtmr_now(void)
{
    g_auto(AttestBed) bed = {0};
    guint8 digest[48] = {1}, before[4][48], after[4][48];
    g_autofree char *hex = NULL;
    g_autofree char *lines = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_TDX, NULL))
        return;
    claims = claims_of(&bed);
    g_assert_true(cvs_attester_read_rtmrs(bed.attester, before, &error));
    lines = g_strdup_printf("Types=tdx\n[TDX]\nRTMR2=%s\n[vTPM]\nKinds=host",
                            claim(claims, "tee.rtmr2"));
    expect_appraisal(&bed, lines, "host", "");
    tee_sim_extend(bed.tee.sim, 2, digest);
    expect_appraisal(&bed, lines, "host", "RtmrDiffers");
    g_assert_true(cvs_attester_read_rtmrs(bed.attester, after, &error));
    g_assert_cmpmem(before[0], 48, after[0], 48);
    g_assert_cmpint(memcmp(before[2], after[2], 48), !=, 0);
}

/* The device goes, and what the kernel's files have of the registers may be late. */
static void
test_rtmrs_late(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsTeePaths) paths = NULL;
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(json_t) before = NULL, after = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *link = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_TDX, NULL))
        return;
    link = g_build_filename(bed.tee.dir, "device", NULL);
    paths = cvs_tee_paths_copy(cvs_tee_source_paths(bed.tee.source));
    g_assert_cmpint(symlink(paths->tdx_guest, link), ==, 0);
    g_free(paths->tdx_guest);
    paths->tdx_guest = g_strdup(link);
    cvs_tee_source_free(bed.tee.source);
    bed.tee.source = cvs_tee_source_new(paths, &bed.tee.clock);
    attest_bed_restart(&bed);
    profile = attest_bed_profile(&bed, "[vTPM]\nKinds=host");
    (void)cvs_attester_appraise(bed.attester, profile, bed.now, &before, &error);
    g_assert_no_error(error);
    g_assert_true(json_is_false(json_object_get(before, "tee.rtmrs_late")));
    g_assert_cmpint(unlink(link), ==, 0);
    (void)cvs_attester_appraise(bed.attester, profile, bed.now, &after, &error);
    g_assert_no_error(error);
    g_assert_true(json_is_true(json_object_get(after, "tee.rtmrs_late")));
    g_assert_cmpstr(claim(after, "tee.rtmr2"), ==, claim(before, "tee.rtmr2"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/attester/revoked-meanwhile", test_revoked_meanwhile);
    g_test_add_func("/attest/attester/svsm", test_svsm);
    g_test_add_func("/attest/attester/svsm-v1", test_svsm_v1);
    g_test_add_func("/attest/attester/host", test_host);
    g_test_add_func("/attest/attester/none", test_none);
    g_test_add_func("/attest/attester/tee-appears", test_tee_appears);
    g_test_add_func("/attest/attester/azure", test_azure);
    g_test_add_func("/attest/attester/azure-quote", test_azure_quote);
    g_test_add_func("/attest/attester/azure-at-once", test_azure_at_once);
    g_test_add_func("/attest/attester/kept", test_kept);
    g_test_add_func("/attest/attester/max-age", test_max_age);
    g_test_add_func("/attest/attester/tpm-swapped", test_tpm_swapped);
    g_test_add_func("/attest/attester/srk-changes", test_srk_changes);
    g_test_add_data_func("/attest/attester/man-in-the-middle/30", GUINT_TO_POINTER(30),
                         test_man_in_the_middle);
    g_test_add_data_func("/attest/attester/man-in-the-middle/60", GUINT_TO_POINTER(60),
                         test_man_in_the_middle);
    g_test_add_func("/attest/attester/source-fails", test_source_fails);
    g_test_add_func("/attest/attester/rtmr-now", test_rtmr_now);
    g_test_add_func("/attest/attester/rtmrs-late", test_rtmrs_late);
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *path = g_strconcat("/attest/attester/lie/", lies[i].name, NULL);

        g_test_add_data_func(path, &lies[i], test_lie);
    }
    return g_test_run();
}
