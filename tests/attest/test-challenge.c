/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Challenges: their files, and that nothing but the challenged TPM's evidence for this very
 * challenge answers one. */

#include "attest/attest-bed.h"
#include "attest/binding.h"
#include "attest/challenge.h"
#include "base/writer.h"

#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define LISTED "Measurements=%M\n[vTPM]\nKinds=svsm azure"

typedef struct {
    AttestBed bed;
    CvsEvidenceBundle *first; /* for which the challenge was made */
    CvsChallenge *challenge;
    CvsChallengeRecord *record;
    CvsEvidenceBundle *answered;
} Round;

static void
round_clear(Round *round)
{
    cvs_evidence_bundle_free(round->first);
    cvs_evidence_bundle_free(round->answered);
    cvs_challenge_free(round->challenge);
    cvs_challenge_record_free(round->record);
    attest_bed_clear(&round->bed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Round, round_clear)

static CvsEvidenceBundle *
answer(AttestBed *bed, const CvsChallenge *challenge, GError **error)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x85};

    return cvs_attester_answer(bed->attester, challenge, "user", 4, &selection, error);
}

static gboolean
round_init(Round *round, TeeSimType type, const char *machine)
{
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init(&round->bed, type, machine))
        return FALSE;
    round->first = attest_bed_evidence(&round->bed, "one", &error);
    g_assert_no_error(error);
    (void)cvs_challenge_make(round->first, &round->challenge, &round->record, &error);
    g_assert_no_error(error);
    round->answered = answer(&round->bed, round->challenge, &error);
    g_assert_no_error(error);
    return TRUE;
}

static CvsEvidenceBundle *
copy(const CvsEvidenceBundle *bundle)
{
    g_autofree char *text = cvs_evidence_bundle_format(bundle);
    g_autoptr(GError) error = NULL;
    CvsEvidenceBundle *other = cvs_evidence_bundle_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return other;
}

/* Reasons of the verdict; ak: the claim. */
static void
expect(Round *round, const CvsEvidenceBundle *bundle, const CvsChallengeRecord *record,
       const char *reasons, const char *ak)
{
    g_autoptr(CvsProfile) profile = attest_bed_profile(&round->bed, LISTED);
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsCollateralStore) store = cvs_collateral_store_open(
        round->bed.store, FALSE, round->bed.snp_roots, round->bed.tdx_roots, &error);
    const CvsBundleInput input = {.bundle = bundle,
                                  .name = "bundle",
                                  .nonce = record->nonce,
                                  .challenge = record,
                                  .evidence = evidence,
                                  .store = store,
                                  .snp_roots = round->bed.snp_roots,
                                  .tdx_roots = round->bed.tdx_roots,
                                  .at = round->bed.now};
    g_autoptr(CvsVerdict) verdict = NULL;
    g_autofree char *found = NULL;

    g_assert_no_error(error);
    verdict = cvs_bundle_verdict_new(&input, profile, &error);
    g_assert_no_error(error);
    found = attest_bed_reasons(verdict->reasons);
    g_assert_cmpstr(found, ==, reasons);
    g_assert_cmpstr(json_string_value(json_object_get(verdict->claims, "vtpm.ak")), ==, ak);
}

static void
test_answered(void)
{
    g_auto(Round) round = {0};
    g_autoptr(CvsEvidenceBundle) changed = NULL, without = NULL, second = NULL;
    g_autoptr(CvsChallenge) other = NULL;
    g_autoptr(CvsChallengeRecord) other_record = NULL;
    g_autoptr(GError) error = NULL;
    guint8 zeros[CVS_CHALLENGE_ANSWER_SIZE] = {0};

    if (!round_init(&round, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    expect(&round, round.answered, round.record, "", "challenged");

    without = copy(round.answered);
    g_clear_pointer(&without->answer, g_bytes_unref);
    expect(&round, without, round.record, "AkUnproven ChallengeUnanswered", "guest-asserted");
    changed = copy(round.answered);
    g_bytes_unref(changed->answer);
    changed->answer = g_bytes_new(zeros, sizeof zeros);
    expect(&round, changed, round.record, "AkUnproven ChallengeUnanswered", "guest-asserted");
    /* A second challenge for the same keys: each has its own answer. */
    g_assert_true(cvs_challenge_make(round.first, &other, &other_record, &error));
    second = answer(&round.bed, other, &error);
    g_assert_no_error(error);
    expect(&round, second, other_record, "", "challenged");
    g_bytes_unref(second->answer);
    second->answer = g_bytes_ref(round.answered->answer);
    expect(&round, second, other_record, "AkUnproven ChallengeUnanswered", "guest-asserted");
}

/* The paravisor names the AK; a challenge that was made is to be answered all the same. */
static void
test_azure(void)
{
    g_auto(Round) round = {0};

    if (!round_init(&round, TEE_SIM_AZURE_SNP, NULL))
        return;
    expect(&round, round.answered, round.record, "", "attested");
    g_clear_pointer(&round.answered->answer, g_bytes_unref);
    expect(&round, round.answered, round.record, "ChallengeUnanswered", "attested");
}

/* Evidence of another TPM, or with another key, under the same nonce. */
static void
test_other_keys(void)
{
    g_auto(Round) round = {0};
    CvsChallengeRecord other_ak = {0}, other_ek = {0};
    g_autoptr(GError) error = NULL;

    if (!round_init(&round, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    other_ak = other_ek = *round.record;
    other_ak.ak_name.bytes[5] ^= 1;
    other_ek.ek_name.bytes[5] ^= 1;
    expect(&round, round.answered, &other_ak, "AkUnproven ChallengeUnanswered", "guest-asserted");
    expect(&round, round.answered, &other_ek, "AkUnproven ChallengeUnanswered", "guest-asserted");

    attest_bed_change_tpm(&round.bed, 1);
    g_assert_null(answer(&round.bed, round.challenge, &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_CREDENTIAL_REFUSED);
}

/* Names that fit, and a credential of somebody else: the TPM says no. */
static void
test_credential_changed(void)
{
    g_auto(Round) round = {0};
    g_autofree guint8 *bytes = NULL;
    gsize size = 0;
    g_autoptr(GError) error = NULL;

    if (!round_init(&round, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    bytes = g_memdup2(g_bytes_get_data(round.challenge->credential.id_object, &size),
                      g_bytes_get_size(round.challenge->credential.id_object));
    bytes[size - 1] ^= 1;
    g_bytes_unref(round.challenge->credential.id_object);
    round.challenge->credential.id_object = g_bytes_new(bytes, size);
    g_assert_null(answer(&round.bed, round.challenge, &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_CREDENTIAL_REFUSED);
}

/* Nothing vouches for an EK: no challenge is made, and none answered. */
static void
test_host(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(CvsChallenge) challenge = NULL;
    g_autoptr(CvsChallengeRecord) record = NULL;
    g_autoptr(GError) error = NULL, unanswered = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, NULL))
        return;
    bundle = attest_bed_evidence(&bed, "one", &error);
    g_assert_no_error(error);
    g_assert_false(cvs_challenge_make(bundle, &challenge, &record, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    /* The guest says that this is one. */
    bundle->ek = cvs_public_area_copy(bed.ek);
    g_clear_error(&error);
    g_assert_true(cvs_challenge_make(bundle, &challenge, &record, &error));
    g_assert_null(answer(&bed, challenge, &unanswered));
    g_assert_error(unanswered, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    /* It answers outside of us; that shows nothing of a TPM for which nothing vouches. */
    {
        g_autoptr(CvsProfile) profile = attest_bed_profile(&bed, "[vTPM]\nKinds=host");
        g_autoptr(CvsVerdict) verdict = attest_bed_judge(&bed, bundle, "one", TRUE, profile);

        g_assert_cmpstr(json_string_value(json_object_get(verdict->claims, "vtpm.ak")), ==,
                        "guest-asserted");
    }
}

static void
put_2b(CvsWriter *writer, const void *data, gsize size)
{
    cvs_writer_u16_be(writer, (guint16)size);
    cvs_writer_bytes(writer, data, size);
}

/* TPMS_ATTEST, as nobody but a TPM should write it, of registers as their owner wishes them. */
static void
write_quote(CvsWriter *writer, const CvsEvidenceBundle *bundle, const guint8 *nonce)
{
    static const guint8 endorsement[] = {0x40, 0x00, 0x00, 0x0b};
    const guint8 selected[] = {3, (guint8)bundle->quote.values.selection.mask, 0, 0};
    CvsName qualified = {0};
    guint8 digest[32];

    cvs_name_qualify(endorsement, sizeof endorsement, bundle->ak, &qualified);
    cvs_pcr_values_digest(&bundle->quote.values, digest);
    cvs_writer_u32_be(writer, TPM2_GENERATED_VALUE);
    cvs_writer_u16_be(writer, TPM2_ST_ATTEST_QUOTE);
    put_2b(writer, qualified.bytes, qualified.size);
    put_2b(writer, nonce, CVS_BINDING_QUOTE_NONCE_SIZE);
    cvs_writer_zero(writer, 8 + 4 + 4); /* clock, counts */
    cvs_writer_u8(writer, 1);           /* safe */
    cvs_writer_zero(writer, 8);         /* firmware */
    cvs_writer_u32_be(writer, 1);
    cvs_writer_u16_be(writer, TPM2_ALG_SHA256);
    cvs_writer_bytes(writer, selected, sizeof selected);
    put_2b(writer, digest, sizeof digest);
}

static void
sign_quote(CvsEvidenceBundle *bundle, EVP_PKEY *key, const CvsWriter *attest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    guint8 signature[256];
    size_t size = sizeof signature;
    g_auto(CvsWriter) writer = {0};

    g_assert_cmpint(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), ==, 1);
    g_assert_cmpint(
        EVP_DigestSign(ctx, signature, &size, cvs_writer_data(attest), cvs_writer_size(attest)), ==,
        1);
    EVP_MD_CTX_free(ctx);
    cvs_writer_init(&writer);
    cvs_writer_u16_be(&writer, TPM2_ALG_RSASSA);
    cvs_writer_u16_be(&writer, TPM2_ALG_SHA256);
    put_2b(&writer, signature, size);
    g_bytes_unref(bundle->quote.attest);
    bundle->quote.attest = g_bytes_new(cvs_writer_data(attest), cvs_writer_size(attest));
    g_bytes_unref(bundle->quote.signature);
    bundle->quote.signature = g_bytes_new(cvs_writer_data(&writer), cvs_writer_size(&writer));
}

static EVP_PKEY *
read_private_key(TestTpm *tpm, const char *name)
{
    g_autoptr(GBytes) pem = attest_read_file(tpm, name);
    BIO *bio = BIO_new_mem_buf(g_bytes_get_data(pem, NULL), (int)g_bytes_get_size(pem));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    g_assert_nonnull(key);
    BIO_free(bio);
    return key;
}

/* Everything is the guest's that can be: a report for its own key, and registers as of a machine
 * that is in order. */
static void
take_over(AttestBed *bed, CvsEvidenceBundle *bundle, const CvsPublicArea *ak, EVP_PKEY *key)
{
    CvsTeeRequest request = {
        .privlevel = -1, .svsm = TRUE, .service_guid = CVS_TEE_SVSM_VTPM, .manifest_version = 0};
    g_autoptr(CvsTeeEvidence) evidence = NULL;
    g_autoptr(GError) error = NULL;
    guint8 binding[CVS_BINDING_SIZE], nonce[CVS_BINDING_QUOTE_NONCE_SIZE];
    g_auto(CvsWriter) attest = {0};

    cvs_public_area_free(bundle->ak);
    bundle->ak = cvs_public_area_copy(ak);
    cvs_binding_compute(bundle->nonce, &ak->name, &bundle->srk_name, bundle->user_data, binding);
    memcpy(request.report_data, binding, sizeof binding);
    evidence = cvs_tee_source_get(bed->tee.source, &request, &error);
    g_assert_no_error(error);
    g_bytes_unref(bundle->report);
    bundle->report = g_bytes_ref(evidence->report);
    g_bytes_unref(bundle->manifest);
    bundle->manifest = g_bytes_ref(evidence->manifest);
    memset(bundle->quote.values.value[7], 0x47, 32);
    cvs_binding_quote_nonce(binding, bundle->report, nonce);
    cvs_writer_init(&attest);
    write_quote(&attest, bundle, nonce);
    sign_quote(bundle, key, &attest);
}

/* The TPM's answer for the key that was loaded into it. */
static CvsSecret *
activate(TestTpm *tpm, const CvsCredential *credential)
{
    static const guint8 header[] = {0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GBytes) file = NULL, answer = NULL;

    g_byte_array_append(bytes, header, sizeof header);
    g_byte_array_append(bytes, g_bytes_get_data(credential->id_object, NULL),
                        (guint)g_bytes_get_size(credential->id_object));
    g_byte_array_append(bytes, g_bytes_get_data(credential->encrypted_secret, NULL),
                        (guint)g_bytes_get_size(credential->encrypted_secret));
    file = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
    attest_write_file(tpm, "file", file);
    g_free(test_tpm_run(tpm, "tpm2_startauthsession --policy-session -S session"));
    g_free(test_tpm_run(tpm, "tpm2_policysecret -S session -c e"));
    g_free(test_tpm_run(tpm, "tpm2_activatecredential -c evil.ctx -C ek.ctx -i file -o answer "
                             "-P session:session"));
    answer = attest_read_file(tpm, "answer");
    return cvs_secret_new_copy(g_bytes_get_data(answer, NULL), g_bytes_get_size(answer));
}

/* A key that is software's, loaded into the real TPM from outside, answers: the TPM does not mind.
 */
static void
test_software_key(void)
{
    g_auto(Round) round = {0};
    AttestBed *bed = &round.bed;
    g_autoptr(CvsPublicArea) ak = NULL;
    g_autoptr(CvsSecret) secret = NULL, answered = NULL;
    g_autoptr(GError) error = NULL;
    CvsChallenge challenge = {0};
    CvsChallengeRecord record = {0};
    guint8 answer_bytes[CVS_CHALLENGE_ANSWER_SIZE];
    EVP_PKEY *key = NULL;

    if (!attest_bed_init(bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    g_free(test_tpm_run(bed->tpm, "openssl genrsa -out evil.pem 2048"));
    g_free(test_tpm_run(
        bed->tpm,
        "tpm2_loadexternal -C n -G rsa2048:rsassa-sha256:null -r evil.pem -a 'userwithauth|sign' "
        "-c evil.ctx"));
    g_free(test_tpm_run(bed->tpm, "tpm2_readpublic -c evil.ctx -o evil.pub"));
    ak = attest_read_public(bed->tpm, "evil.pub");
    key = read_private_key(bed->tpm, "evil.pem");
    round.first = attest_bed_evidence(bed, "one", &error);
    g_assert_no_error(error);
    take_over(bed, round.first, ak, key);
    EVP_PKEY_free(key);

    /* None is made for it; if one were, this is what would be said of the answer. */
    g_assert_false(cvs_challenge_make(round.first, &round.challenge, &round.record, &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_AK_UNFIT);
    g_clear_error(&error);
    challenge.nonce = record.nonce = round.first->nonce;
    challenge.ek_name = record.ek_name = round.first->ek->name;
    challenge.ak_name = record.ak_name = ak->name;
    secret = cvs_secret_new_random(32, &error);
    g_assert_no_error(error);
    (void)cvs_credential_make(round.first->ek, &ak->name, secret, &challenge.credential, &error);
    g_assert_no_error(error);
    cvs_challenge_compute_answer(&challenge, secret, answer_bytes);
    cvs_hash_bytes(CVS_SHA256, answer_bytes, sizeof answer_bytes, record.answer_sha256);
    answered = activate(bed->tpm, &challenge.credential);
    g_assert_true(cvs_secret_equal(answered, secret));
    cvs_challenge_compute_answer(&challenge, answered, answer_bytes);
    round.first->answer = g_bytes_new(answer_bytes, sizeof answer_bytes);
    cvs_credential_clear(&challenge.credential);
    expect(&round, round.first, &record, "AkUnfit VtpmKindRefused", "guest-asserted");
}

/* Each member taken out, and one that is not known. */
static void
check_members(const char *text, gboolean (*parses)(const char *text))
{
    g_autoptr(json_t) json = json_loads(text, 0, NULL);
    const char *name = NULL;
    json_t *value = NULL;
    void *next = NULL;
    char *more = NULL;

    g_assert_true(parses(text));
    json_object_foreach_safe(json, next, name, value)
    {
        g_autoptr(json_t) less = json_deep_copy(json);
        char *shorter = NULL;

        (void)json_object_del(less, name);
        shorter = json_dumps(less, 0);
        if (parses(shorter))
            g_error("it is taken without %s", name);
        free(shorter);
        (void)json_object_set_new(less, name, json_string("AA"));
        shorter = json_dumps(less, 0);
        /* A nonce, and what the TPM itself will look at, may be of one byte. */
        if (!g_strv_contains((const char *const[]){"nonce", "credential", "secret", NULL}, name) &&
            parses(shorter))
            g_error("it is taken with a %s of one byte", name);
        free(shorter);
    }
    (void)json_object_set_new(json, "also", json_string("AA"));
    more = json_dumps(json, 0);
    g_assert_false(parses(more));
    free(more);
}

static gboolean
challenge_parses(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsChallenge) challenge = cvs_challenge_parse(text, strlen(text), &error);

    if (challenge == NULL)
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    return challenge != NULL;
}

static gboolean
record_parses(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsChallengeRecord) record = cvs_challenge_record_parse(text, strlen(text), &error);

    if (record == NULL)
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    return record != NULL;
}

/* The files, and what they do not say. */
static void
test_files(void)
{
    g_auto(Round) round = {0};
    g_autoptr(CvsChallenge) challenge = NULL;
    g_autoptr(CvsChallengeRecord) record = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL, *kept = NULL, *again = NULL, *kept_again = NULL, *newer = NULL;
    g_autofree char *huge = g_strnfill(CVS_CHALLENGE_SIZE_MAX + 1, ' ');
    g_auto(GStrv) parts = NULL;

    if (!round_init(&round, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    text = cvs_challenge_format(round.challenge);
    challenge = cvs_challenge_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    again = cvs_challenge_format(challenge);
    g_assert_cmpstr(text, ==, again);
    kept = cvs_challenge_record_format(round.record);
    record = cvs_challenge_record_parse(kept, strlen(kept), &error);
    g_assert_no_error(error);
    kept_again = cvs_challenge_record_format(record);
    g_assert_cmpstr(kept, ==, kept_again);
    expect(&round, round.answered, record, "", "challenged");

    check_members(text, challenge_parses);
    check_members(kept, record_parses);
    g_assert_false(challenge_parses(kept));
    g_assert_false(record_parses(text));
    parts = g_strsplit(text, "\"version\": 1", 2);
    newer = g_strjoinv("\"version\": 2", parts);
    g_assert_null(cvs_challenge_parse(newer, strlen(newer), &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    g_assert_null(cvs_challenge_parse(huge, strlen(huge), &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
}

static char *
read_golden(const char *file)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "attest", "golden", file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    (void)g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

/* As they were written once, they are read for ever. */
static void
test_golden(void)
{
    g_autofree char *text = read_golden("challenge-v1.json");
    g_autofree char *kept = read_golden("challenge-record-v1.json");
    g_autofree char *again = NULL, *kept_again = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsChallenge) challenge = cvs_challenge_parse(text, strlen(text), &error);
    g_autoptr(CvsChallengeRecord) record = cvs_challenge_record_parse(kept, strlen(kept), NULL);

    g_assert_no_error(error);
    g_assert_nonnull(record);
    g_assert_true(g_bytes_equal(challenge->nonce, record->nonce));
    again = cvs_challenge_format(challenge);
    kept_again = cvs_challenge_record_format(record);
    g_assert_cmpstr(text, ==, again);
    g_assert_cmpstr(kept, ==, kept_again);
    check_members(text, challenge_parses);
    check_members(kept, record_parses);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/challenge/answered", test_answered);
    g_test_add_func("/attest/challenge/azure", test_azure);
    g_test_add_func("/attest/challenge/other-keys", test_other_keys);
    g_test_add_func("/attest/challenge/credential-changed", test_credential_changed);
    g_test_add_func("/attest/challenge/host", test_host);
    g_test_add_func("/attest/challenge/software-key", test_software_key);
    g_test_add_func("/attest/challenge/files", test_files);
    g_test_add_func("/attest/challenge/golden", test_golden);
    return g_test_run();
}
