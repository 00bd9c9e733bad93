/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/appraisal.h"
#include "base/error.h"
#include "policy/judge.h"
#include "tee/refusal.h"
#include "tee/snp-report.h"
#include "tee/td-body.h"

#include <string.h>

static void
judge_verified(CvsJudge *judge)
{
    const json_t *value = json_object_get(judge->claims, "tee.verified");

    if (json_is_true(value) || judge->refused || judge->none)
        return;
    cvs_error_add_reason(judge->refusal, CVS_REASON_NOT_VERIFIED,
                         value == NULL          ? CVS_NOT_THERE
                         : json_is_false(value) ? "false"
                                                : "(malformed)",
                         "true", "nothing shows that these claims were verified");
}

static void
judge_type(CvsJudge *judge, CvsTeeKey key)
{
    static const char *const both[] = {"snp", "tdx", NULL};
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);

    cvs_judge_list(judge, key, rule->given ? (const char *const *)rule->list : both);
}

static void
judge_debug(CvsJudge *judge, CvsTeeKey key)
{
    const char *claim = "tee.td_attributes";
    guint64 attributes = 0;

    if (cvs_judge_rule(judge, key)->number == 1)
        return;
    cvs_judge_flag(judge, key, "tee.policy.debug", FALSE,
                   "debug is allowed: the host may read and change the guest's memory");
    if (!judge->tdx || !cvs_judge_get_mask(judge, key, claim, &attributes))
        return;
    /* Said above already. */
    if (json_is_true(json_object_get(judge->claims, "tee.policy.debug")))
        attributes &= ~(G_GUINT64_CONSTANT(1) << CVS_TD_ATTR_DEBUG);
    if ((attributes & CVS_TD_ATTR_TUD_MASK) != 0) {
        g_autofree char *seen = cvs_judge_mask_text(attributes & CVS_TD_ATTR_TUD_MASK);

        cvs_error_add_reason(judge->refusal, CVS_REASON_ATTRIBUTES_REFUSED, seen, "0x0",
                             "%s has bits among 7:0 (%s), with which a TD is not to be trusted",
                             claim, seen);
    }
}

static void
judge_migration(CvsJudge *judge, CvsTeeKey key)
{
    if (cvs_judge_rule(judge, key)->number == 1)
        return;
    cvs_judge_flag(judge, key, "tee.policy.migrate_ma", FALSE,
                   "the guest may be migrated, by an agent that sees its memory");
    if (judge->snp)
        cvs_judge_flag(judge, key, "tee.migration_agent", FALSE,
                       "there is a migration agent, which sees the guest's memory");
}

static void
judge_smt(CvsJudge *judge, CvsTeeKey key)
{
    if (!cvs_judge_is_given(judge, key) || cvs_judge_rule(judge, key)->number == 1)
        return;
    if (judge->tdx) {
        cvs_judge_flag(judge, key, "tee.platform.smt", FALSE, "SMT is on");
        return;
    }
    cvs_judge_flag(judge, key, "tee.policy.smt", FALSE,
                   "the guest's policy lets it run where SMT is on");
    cvs_judge_flag(judge, key, "tee.platform_info.smt", FALSE, "SMT is on");
}

static void
judge_test_roots(CvsJudge *judge, CvsTeeKey key)
{
    if (cvs_judge_rule(judge, key)->number == 0)
        cvs_judge_flag(judge, key, "tee.test_roots", FALSE,
                       "TEST ROOTS: roots that are not the vendor's were allowed");
}

static gboolean
get_line(CvsJudge *judge, CvsTeeKey key, CvsSnpLine *ret_line)
{
    const json_t *value = cvs_judge_get(judge, key, "tee.line", CVS_CLAIM_STRING, NULL);
    CvsSnpLine line =
        value ? cvs_snp_line_from_name(json_string_value(value)) : CVS_SNP_LINE_UNKNOWN;

    if (value && line == CVS_SNP_LINE_UNKNOWN)
        cvs_judge_add_malformed(judge, key, "tee.line");
    if (line == CVS_SNP_LINE_UNKNOWN)
        return FALSE;
    *ret_line = line;
    return TRUE;
}

/* Component by component: a TCB is no number. A line that has no floor is not judged here: which
 * lines are taken is for Lines= to say. */
static void
judge_levels(CvsJudge *judge, CvsTeeKey key, const char *prefix, const char *field)
{
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);
    CvsSnpLine line = CVS_SNP_LINE_UNKNOWN;

    if (!rule->given || !get_line(judge, key, &line) ||
        !g_str_equal(cvs_snp_line_name(line), strchr(cvs_tee_key_name(key), '.') + 1))
        return;
    for (guint i = 0; i < CVS_TEE_N_LEVELS; i++) {
        const char *name = cvs_tee_level_name((CvsTeeLevel)i);
        g_autofree char *claim = g_strdup_printf("%s.%s", prefix, name);
        g_autofree char *seen = NULL;
        g_autofree char *wanted = NULL;
        gint64 level = 0;

        if (rule->levels[i] < 0 || !cvs_judge_get_int(judge, key, claim, &level) ||
            level >= rule->levels[i])
            continue;
        seen = g_strdup_printf("%s:%" G_GINT64_FORMAT, name, level);
        wanted = g_strdup_printf("%s:%d", name, rule->levels[i]);
        cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                             "%s of %s is %" G_GINT64_FORMAT ", and %s= wants at least %d", name,
                             field, level, cvs_tee_key_name(key), rule->levels[i]);
    }
}

static void
judge_floor(CvsJudge *judge, CvsTeeKey key)
{
    judge_levels(judge, key, "tee.tcb.reported", "REPORTED_TCB");
}

static void
judge_launch_floor(CvsJudge *judge, CvsTeeKey key)
{
    judge_levels(judge, key, "tee.tcb.launch", "LAUNCH_TCB");
}

/* major << 16 | minor << 8 | build, as in a rule. */
static gboolean
get_firmware(CvsJudge *judge, CvsTeeKey key, const char *which, guint64 *ret_number)
{
    static const char *const parts[] = {"major", "minor", "build"};
    guint64 number = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *claim = g_strdup_printf("tee.firmware.%s.%s", which, parts[i]);
        gint64 part = 0;

        if (!cvs_judge_get_int(judge, key, claim, &part))
            return FALSE;
        if (part < 0 || part > G_MAXUINT8) {
            cvs_judge_add_malformed(judge, key, claim);
            return FALSE;
        }
        number = number << 8 | (guint64)part;
    }
    *ret_number = number;
    return TRUE;
}

static char *
firmware_text(guint64 number)
{
    return g_strdup_printf("%u.%u.%u", (guint)(number >> 16), (guint)(number >> 8 & 0xff),
                           (guint)(number & 0xff));
}

static void
judge_firmware(CvsJudge *judge, CvsTeeKey key)
{
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);
    guint64 number = 0;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (!rule->given || !get_firmware(judge, key, "current", &number) || number >= rule->number)
        return;
    seen = firmware_text(number);
    wanted = firmware_text(rule->number);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                         "the firmware that runs has version %s, and MinimumFirmware= wants at "
                         "least %s",
                         seen, wanted);
}

/* What runs and is not committed, the host may replace by what is committed whenever it likes. By
 * the firmware's own rules nothing is committed that does not run, so that any difference counts.
 */
static void
judge_committed_level(CvsJudge *judge, CvsTeeKey key, const char *level)
{
    g_autofree char *current_claim = g_strdup_printf("tee.tcb.current.%s", level);
    g_autofree char *committed_claim = g_strdup_printf("tee.tcb.committed.%s", level);
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;
    gint64 current = 0;
    gint64 committed = 0;

    if (!cvs_judge_get_int(judge, key, current_claim, &current) ||
        !cvs_judge_get_int(judge, key, committed_claim, &committed) || committed == current)
        return;
    seen = g_strdup_printf("%s:%" G_GINT64_FORMAT, level, committed);
    wanted = g_strdup_printf("%s:%" G_GINT64_FORMAT, level, current);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                         "%s of CURRENT_TCB is %" G_GINT64_FORMAT ", and only %" G_GINT64_FORMAT
                         " is committed: the host can go back to that, and "
                         "AllowProvisionalFirmware=no refuses it",
                         level, current, committed);
}

static void
judge_provisional(CvsJudge *judge, CvsTeeKey key)
{
    CvsSnpLine line = CVS_SNP_LINE_UNKNOWN;
    guint64 current = 0;
    guint64 committed = 0;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (!cvs_judge_is_given(judge, key) || cvs_judge_rule(judge, key)->number == 1)
        return;
    for (guint i = get_line(judge, key, &line) ? 0 : CVS_TEE_N_LEVELS; i < CVS_TEE_N_LEVELS; i++) {
        if (i != CVS_TEE_LEVEL_FMC || cvs_snp_line_layout(line) == CVS_SNP_TCB_TURIN)
            judge_committed_level(judge, key, cvs_tee_level_name((CvsTeeLevel)i));
    }
    if (!get_firmware(judge, key, "current", &current) ||
        !get_firmware(judge, key, "committed", &committed) || committed == current)
        return;
    seen = firmware_text(committed);
    wanted = firmware_text(current);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                         "the firmware that runs has version %s, and only %s is committed: the "
                         "host can go back to that, and AllowProvisionalFirmware=no refuses it",
                         wanted, seen);
}

static void
judge_guest_svn(CvsJudge *judge, CvsTeeKey key)
{
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);
    gint64 svn = 0;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (!rule->given || !cvs_judge_get_int(judge, key, "tee.guest_svn", &svn) ||
        svn >= (gint64)rule->number)
        return;
    seen = g_strdup_printf("%" G_GINT64_FORMAT, svn);
    wanted = g_strdup_printf("%" G_GUINT64_FORMAT, rule->number);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                         "the guest's SVN is %s, and MinimumGuestSVN= wants at least %s", seen,
                         wanted);
}

static void
judge_chip(CvsJudge *judge, CvsTeeKey key)
{
    GStrv list = cvs_judge_rule(judge, key)->list;
    const json_t *signer = json_object_get(judge->claims, "tee.signing_key");
    g_autofree char *wanted = NULL;

    if (list == NULL || json_object_get(judge->claims, "tee.chip_id")) {
        cvs_judge_given_list(judge, key);
        return;
    }
    wanted = g_strjoinv(" ", list);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), CVS_NOT_THERE, wanted,
                         "%s, and ChipIDs= wants one of its own",
                         g_strcmp0(json_string_value(signer), "vlek") == 0
                             ? "a report that a VLEK signed names no chip"
                             : "the report names no chip: the host masks it");
}

static void
judge_allowed_xfam(CvsJudge *judge, CvsTeeKey key)
{
    guint64 allowed = cvs_judge_rule(judge, key)->number;
    guint64 seen = 0;
    g_autofree char *extra = NULL;
    g_autofree char *seen_text = NULL;
    g_autofree char *wanted_text = NULL;

    if (!cvs_judge_is_given(judge, key) || !cvs_judge_get_mask(judge, key, "tee.xfam", &seen) ||
        (seen & ~allowed) == 0)
        return;
    extra = cvs_judge_mask_text(seen & ~allowed);
    seen_text = cvs_judge_mask_text(seen);
    wanted_text = cvs_judge_mask_text(allowed);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen_text, wanted_text,
                         "tee.xfam has the bits %s that AllowXFAM= does not allow", extra);
}

static void
judge_status(CvsJudge *judge, CvsTeeKey key)
{
    static const char *const up_to_date[] = {"UpToDate", NULL};
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);

    cvs_judge_list(judge, key, rule->given ? (const char *const *)rule->list : up_to_date);
}

static void
judge_tcb_date(CvsJudge *judge, CvsTeeKey key)
{
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);
    gint64 date = 0;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (!rule->given || !cvs_judge_get_int(judge, key, "tee.tcb.date", &date) ||
        date >= (gint64)rule->number)
        return;
    seen = cvs_judge_time_text(date);
    wanted = cvs_judge_time_text((gint64)rule->number);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                         "the TCB level is of %s, and MinimumTCBDate= wants at least %s", seen,
                         wanted);
}

/* On some platforms no RTMR is ever extended: there a list of zeros would say nothing. */
static void
judge_rtmr(CvsJudge *judge, CvsTeeKey key)
{
    const json_t *used = NULL;

    if (!cvs_judge_is_given(judge, key))
        return;
    used = cvs_judge_get(judge, key, "tee.rtmrs_used", CVS_CLAIM_BOOL, "true");
    if (used == NULL || json_is_true(used))
        cvs_judge_given_list(judge, key);
    else
        cvs_error_add_reason(judge->refusal, CVS_REASON_RTMRS_UNUSED, "false", "true",
                             "all RTMRs are zero on this platform, so that %s= can say nothing "
                             "about the guest",
                             cvs_tee_key_name(key));
}

/* More than limit seconds have passed since then. */
static gboolean
is_older(gint64 at, gint64 since, gint64 limit)
{
    gint64 age = 0;

    if (__builtin_sub_overflow(at, since, &age))
        return at > since;
    return age > limit;
}

/* What was in time when it was verified may not be so any more. A failed verification has looked at
 * the dates itself. */
static void
judge_end(CvsJudge *judge, const char *claim, gint64 grace, const char *reason, const char *what)
{
    gint64 end = 0;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (judge->refused || !cvs_judge_get_int(judge, CVS_TEE_GRACE, claim, &end) ||
        !is_older(judge->at, end, grace))
        return;
    seen = cvs_judge_time_text(judge->at);
    wanted = cvs_judge_time_text(end);
    cvs_error_add_reason(judge->refusal, reason, seen, wanted, "%s ended on %s", what, wanted);
}

static void
judge_crl(CvsJudge *judge, CvsTeeKey key, const char *claim)
{
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);
    const json_t *value = json_object_get(judge->claims, claim);
    const char *status = json_string_value(value);
    g_autofree char *next_update = g_strconcat(claim, ".next_update", NULL);

    if (value && status == NULL) {
        cvs_judge_add_malformed(judge, key, claim);
    } else if (status == NULL || g_str_equal(status, "missing")) {
        if (rule->number == 1)
            cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key),
                                 status ? status : CVS_NOT_THERE, "fresh",
                                 "there is no revocation list (%s), and CRL= requires one", claim);
    } else if (g_str_equal(status, "fresh") || g_str_equal(status, "stale")) {
        judge_end(judge, next_update, cvs_tee_rules_grace(judge->rules), CVS_REASON_CRL_STALE,
                  "the revocation list's time");
    } else if (g_str_equal(status, "bad")) {
        if (!judge->refused)
            cvs_error_add_reason(judge->refusal, CVS_REASON_CRL_INVALID, status, "fresh",
                                 "the revocation list (%s) is not usable", claim);
    } else {
        cvs_judge_add_malformed(judge, key, claim);
    }
}

static void
judge_crls(CvsJudge *judge, CvsTeeKey key)
{
    if (judge->tdx) {
        judge_crl(judge, key, "tee.pck.crl");
        judge_crl(judge, key, "tee.root.crl");
    } else {
        judge_crl(judge, key, "tee.crl");
    }
}

static void
judge_ends(CvsJudge *judge, CvsTeeKey key)
{
    if (judge->none)
        return;
    judge_end(judge, "tee.collateral.not_after", 0, CVS_REASON_CERT_EXPIRED,
              "a certificate's time");
    if (judge->tdx)
        judge_end(judge, "tee.tcb.next_update", cvs_tee_rules_grace(judge->rules),
                  CVS_REASON_COLLATERAL_EXPIRED, "the time of TCB info or QE identity");
}

static void
judge_age(CvsJudge *judge, CvsTeeKey key)
{
    const CvsTeeRule *rule = cvs_judge_rule(judge, key);
    const char *claim = judge->tdx ? "tee.tcb.issue_date" : "tee.crl.this_update";
    gint64 issued = 0;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (!rule->given || !cvs_judge_get_int(judge, key, claim, &issued) ||
        !is_older(judge->at, issued, (gint64)rule->number))
        return;
    seen = cvs_judge_time_text(issued);
    wanted = g_strdup_printf("%" G_GUINT64_FORMAT "s", rule->number);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                         "the collateral was issued on %s, which is longer ago than "
                         "CollateralMaximumAge= allows",
                         seen);
}

static void
judge_policy(CvsJudge *judge, CvsTeeKey key)
{
    cvs_judge_bits(judge, key, "tee.policy", key == CVS_TEE_REQUIRE_POLICY);
}

static void
judge_platform(CvsJudge *judge, CvsTeeKey key)
{
    cvs_judge_bits(judge, key, "tee.platform_info", key == CVS_TEE_REQUIRE_PLATFORM);
}

static void
judge_attributes(CvsJudge *judge, CvsTeeKey key)
{
    cvs_judge_bits(judge, key, "tee.td_attributes", key == CVS_TEE_REQUIRE_ATTRIBUTES);
}

static void
judge_mitigations(CvsJudge *judge, CvsTeeKey key)
{
    cvs_judge_mask(judge, key, "tee.mit_vector.launch");
    cvs_judge_mask(judge, key, "tee.mit_vector.current");
}

static void
judge_required_xfam(CvsJudge *judge, CvsTeeKey key)
{
    cvs_judge_mask(judge, key, "tee.xfam");
}

/* Keys that are not here are lists about one claim. */
static void (*const judges[CVS_TEE_N_KEYS])(CvsJudge *judge, CvsTeeKey key) = {
    [CVS_TEE_TYPES] = judge_type,
    [CVS_TEE_ALLOW_DEBUG] = judge_debug,
    [CVS_TEE_ALLOW_MIGRATION] = judge_migration,
    [CVS_TEE_ALLOW_SMT] = judge_smt,
    [CVS_TEE_ALLOW_TEST_ROOTS] = judge_test_roots,
    [CVS_TEE_TCB_MILAN] = judge_floor,
    [CVS_TEE_TCB_GENOA] = judge_floor,
    [CVS_TEE_TCB_TURIN] = judge_floor,
    [CVS_TEE_TCB_VENICE] = judge_floor,
    [CVS_TEE_LAUNCH_TCB_MILAN] = judge_launch_floor,
    [CVS_TEE_LAUNCH_TCB_GENOA] = judge_launch_floor,
    [CVS_TEE_LAUNCH_TCB_TURIN] = judge_launch_floor,
    [CVS_TEE_LAUNCH_TCB_VENICE] = judge_launch_floor,
    [CVS_TEE_FIRMWARE] = judge_firmware,
    [CVS_TEE_ALLOW_PROVISIONAL] = judge_provisional,
    [CVS_TEE_GUEST_SVN] = judge_guest_svn,
    [CVS_TEE_CHIP_IDS] = judge_chip,
    [CVS_TEE_REQUIRE_POLICY] = judge_policy,
    [CVS_TEE_REFUSE_POLICY] = judge_policy,
    [CVS_TEE_REQUIRE_PLATFORM] = judge_platform,
    [CVS_TEE_REFUSE_PLATFORM] = judge_platform,
    [CVS_TEE_REQUIRE_MITIGATIONS] = judge_mitigations,
    [CVS_TEE_TCB_STATUS] = judge_status,
    [CVS_TEE_TCB_DATE] = judge_tcb_date,
    [CVS_TEE_REQUIRE_ATTRIBUTES] = judge_attributes,
    [CVS_TEE_REFUSE_ATTRIBUTES] = judge_attributes,
    [CVS_TEE_REQUIRE_XFAM] = judge_required_xfam,
    [CVS_TEE_ALLOW_XFAM] = judge_allowed_xfam,
    [CVS_TEE_RTMR0] = judge_rtmr,
    [CVS_TEE_RTMR1] = judge_rtmr,
    [CVS_TEE_RTMR2] = judge_rtmr,
    [CVS_TEE_RTMR3] = judge_rtmr,
    [CVS_TEE_CRL] = judge_crls,
    [CVS_TEE_GRACE] = judge_ends,
    [CVS_TEE_MAXIMUM_AGE] = judge_age,
};

/* The groups [SNP] and [TDX] are about their own TEE, and where there is none only what the profile
 * says itself can be judged. */
static gboolean
is_judged(const CvsJudge *judge, CvsTeeKey key)
{
    switch (cvs_tee_key_group(key)) {
    case CVS_TEE_GROUP_SNP:
        return judge->snp;
    case CVS_TEE_GROUP_TDX:
        return judge->tdx;
    case CVS_TEE_GROUP_VTPM:
        return FALSE;
    default:
        return !judge->none || cvs_judge_is_given(judge, key);
    }
}

static void
run(CvsJudge *judge, CvsTeeKey key)
{
    if (judges[key])
        judges[key](judge, key);
    else
        cvs_judge_given_list(judge, key);
}

/* What is asked of platform and collateral, of the vTPM's TD too. What a guest is to be is not its
 * business; it is shut already (attest/vtpm-td.h) and its measurements have lists of their own. */
static void
judge_vtpm_td(const CvsJudge *guest)
{
    static const CvsTeeKey keys[] = {CVS_TEE_ALLOW_SMT,  CVS_TEE_ALLOW_TEST_ROOTS,
                                     CVS_TEE_TCB_STATUS, CVS_TEE_TCB_DATE,
                                     CVS_TEE_MR_SEAM,    CVS_TEE_CRL,
                                     CVS_TEE_GRACE,      CVS_TEE_MAXIMUM_AGE};
    g_autoptr(json_t) claims = json_object();
    g_autoptr(GError) found = cvs_refusal_new();
    CvsJudge judge = *guest;
    const GPtrArray *reasons = NULL;
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)(gsize)guest->claims, name, value) {
        if (g_str_has_prefix(name, "vtpm.td.")) {
            g_autofree char *same = g_strconcat("tee.", name + strlen("vtpm.td."), NULL);

            (void)json_object_set(claims, same, value);
        }
    }
    judge.claims = claims;
    judge.refusal = found;
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        run(&judge, keys[i]);
    reasons = cvs_error_get_reasons(found);
    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        cvs_error_add_reason(guest->refusal, reason->code, reason->seen, reason->wanted,
                             "of the vTPM's TD: %s", reason->detail);
    }
}

void
cvs_appraise(const CvsProfile *profile, const json_t *claims, gint64 at, GError *refusal)
{
    const char *type = json_string_value(json_object_get(claims, "tee.type"));
    const char *kind = json_string_value(json_object_get(claims, "vtpm.kind"));
    CvsJudge judge = {.rules = &profile->tee,
                      .claims = claims,
                      .at = at,
                      .refusal = refusal,
                      .refused = cvs_refusal_count(refusal) > 0,
                      .none = g_strcmp0(type, "none") == 0 &&
                              cvs_tee_rules_take_type(&profile->tee, type),
                      .snp = g_strcmp0(type, "snp") == 0,
                      .tdx = g_strcmp0(type, "tdx") == 0};

    judge_verified(&judge);
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        if (is_judged(&judge, (CvsTeeKey)i))
            run(&judge, (CvsTeeKey)i);
    }
    if (g_strcmp0(kind, "vtpm-td") == 0)
        judge_vtpm_td(&judge);
}
