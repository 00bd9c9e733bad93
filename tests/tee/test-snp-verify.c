/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every lie that a host can tell with a report and certificates, each with the reason of its own,
 * on hierarchies made here. What real hardware writes is test-snp-captures.c's. */

#include "base/error.h"
#include "snp-maker.h"
#include "tee/snp-verify.h"
#include "tee/x509-chain.h"

#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <string.h>

#define DAY (24 * 3600)

/* A world in which all is well, until a test changes something. */
typedef struct {
    guint8 report[CVS_SNP_REPORT_SIZE];
    CvsSnpLine line;
    const SnpHierarchy *h;
    SnpLeafSpec spec;
    GPtrArray *certs;
    GPtrArray *host_leaves;
    GPtrArray *crls;
    gint64 at;
    gint64 grace;
    json_t *claims;
} World;

/* RSA keys are slow to make: one hierarchy a line for the whole program. impostor: the same names
 * with other keys. */
static SnpHierarchy *hierarchies[CVS_SNP_N_LINES];
static SnpHierarchy *impostor;
static CvsSnpRoots *test_roots;

static void
put_root(const char *dir, CvsSnpLine line)
{
    g_autofree char *path = g_build_filename(dir, cvs_snp_line_name(line), NULL);
    FILE *file = g_fopen(path, "w");

    g_assert_nonnull(file);
    /* The ASK beside it is to be left alone. */
    g_assert_cmpint(PEM_write_X509(file, hierarchies[line]->ask), ==, 1);
    g_assert_cmpint(PEM_write_X509(file, hierarchies[line]->ark), ==, 1);
    g_assert_cmpint(fclose(file), ==, 0);
}

static void
remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_assert_cmpint(g_remove(file), ==, 0);
    }
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void
make_hierarchies(void)
{
    const CvsSnpLine lines[] = {CVS_SNP_LINE_MILAN, CVS_SNP_LINE_GENOA, CVS_SNP_LINE_TURIN};
    g_autofree char *dir = g_dir_make_tmp("cvs-roots-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;

    test_roots = cvs_snp_roots_new();
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        hierarchies[lines[i]] = snp_hierarchy_new(lines[i]);
        put_root(dir, lines[i]);
    }
    impostor = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    (void)cvs_snp_roots_add_test_folder(test_roots, dir, &error);
    g_assert_no_error(error);
    remove_folder(dir);
}

static void
free_hierarchies(void)
{
    for (int line = 0; line < CVS_SNP_N_LINES; line++)
        g_clear_pointer(&hierarchies[line], snp_hierarchy_free);
    g_clear_pointer(&impostor, snp_hierarchy_free);
    g_clear_pointer(&test_roots, cvs_snp_roots_unref);
}

static void
world_init(World *world, CvsSnpLine line, guint32 version)
{
    memset(world, 0, sizeof *world);
    world->line = line;
    world->h = hierarchies[line];
    world->certs = cvs_x509_certs_new();
    world->host_leaves = cvs_x509_certs_new();
    world->crls = cvs_x509_crls_new();
    world->at = SNP_MAKER_NOW;
    snp_make_report(world->report, line, version);
    snp_sign_report(world->report, world->h->leaf_key);
    world->spec = snp_leaf_spec(world->report, line);
}

static void
world_clear(World *world)
{
    g_ptr_array_unref(world->certs);
    g_ptr_array_unref(world->host_leaves);
    g_ptr_array_unref(world->crls);
    json_decref(world->claims);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

static void
add_leaf(World *world)
{
    g_ptr_array_add(world->certs, snp_make_leaf(world->h, &world->spec));
}

static void
add_cas(World *world, const SnpHierarchy *h)
{
    snp_add_cert(world->certs, h->ark);
    snp_add_cert(world->certs, h->ask);
    snp_add_cert(world->certs, h->asvk);
}

/* A changed report, signed anew by the same key. */
static void
resign(World *world)
{
    snp_sign_report(world->report, world->h->leaf_key);
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Verifies and compares all reasons, sorted. "" is: verified. */
static void
expect_with(World *world, CvsSnpRoots *roots, const char *wanted)
{
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(roots);
    CvsSnpEvidence evidence = {.report = world->report,
                               .report_size = sizeof world->report,
                               .certs = world->certs,
                               .host_leaves = world->host_leaves,
                               .crls = world->crls,
                               .at = world->at,
                               .grace = world->grace};

    /* Cold and warm must not differ. */
    for (int round = 0; round < 2; round++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) codes = g_ptr_array_new();
        g_autofree char *seen = NULL;
        const GPtrArray *reasons = NULL;
        CvsSnpReport report;
        gboolean ok = FALSE;

        g_clear_pointer(&world->claims, json_decref);
        ok = cvs_snp_verify(verifier, &evidence, &report, &world->claims, &error);
        reasons = cvs_error_get_reasons(error);
        for (guint i = 0; reasons && i < reasons->len; i++) {
            const CvsReason *reason = g_ptr_array_index(reasons, i);

            g_test_message("%s: %s", reason->code, reason->detail);
            g_ptr_array_add(codes, reason->code);
        }
        g_ptr_array_sort(codes, compare_strings);
        g_ptr_array_add(codes, NULL);
        seen = g_strjoinv(" ", (char **)codes->pdata);
        g_assert_cmpstr(seen, ==, wanted);
        g_assert_cmpint(ok, ==, wanted[0] == '\0');
        g_assert_cmpint(error == NULL, ==, ok);
        g_assert_cmpuint(report.version, ==, world->report[0]);
        g_assert_cmpint(json_is_true(json_object_get(world->claims, "tee.verified")), ==, ok);
    }
}

static void
expect(World *world, const char *wanted)
{
    expect_with(world, test_roots, wanted);
    g_assert_true(json_is_true(json_object_get(world->claims, "tee.test_roots")));
}

static const char *
claim(const World *world, const char *name)
{
    return json_string_value(json_object_get(world->claims, name));
}

/* Every line, version and leaf kind that there is. */
static void
test_good(void)
{
    const CvsSnpLine lines[] = {CVS_SNP_LINE_MILAN, CVS_SNP_LINE_GENOA, CVS_SNP_LINE_TURIN};

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        for (guint version = 2; version <= 5; version++) {
            for (int vlek = 0; vlek < 2; vlek++) {
                g_auto(World) world;

                world_init(&world, lines[i], version);
                if (vlek) {
                    world.report[0x48] = CVS_SNP_SIGNER_VLEK << 2;
                    memset(world.report + 0x1a0, 0, 64);
                    resign(&world);
                    world.spec = snp_leaf_spec(world.report, lines[i]);
                }
                add_leaf(&world);
                add_cas(&world, world.h);
                g_test_message("%s, version %u, vlek %d", cvs_snp_line_name(lines[i]), version,
                               vlek);
                expect(&world, "");
                g_assert_cmpstr(claim(&world, "tee.line"), ==, cvs_snp_line_name(lines[i]));
                g_assert_cmpstr(claim(&world, "tee.csp_id"), ==, vlek ? "CN=cloud.example" : NULL);
                g_assert_cmpint(
                    json_integer_value(json_object_get(world.claims, "tee.tcb.reported.microcode")),
                    ==, lines[i] == CVS_SNP_LINE_TURIN ? 97 : 219);
            }
        }
    }
}

/* Both ways in which a hwID is written; one that begins like a DER header; levels over 127. */
static void
test_encodings(void)
{
    for (int line = CVS_SNP_LINE_MILAN; line <= CVS_SNP_LINE_TURIN; line += 2) {
        for (int wrapped = 0; wrapped < 2; wrapped++) {
            g_auto(World) world;

            world_init(&world, (CvsSnpLine)line, 5);
            world.report[0x1a0] = 0x04;
            world.report[0x1a1] = line == CVS_SNP_LINE_TURIN ? 0x06 : 0x3e;
            world.report[0x187] = 0xff;
            resign(&world);
            world.spec = snp_leaf_spec(world.report, (CvsSnpLine)line);
            world.spec.hwid_wrapped = wrapped;
            add_leaf(&world);
            add_cas(&world, world.h);
            expect(&world, "");
        }
    }
}

static void
test_missing(void)
{
    g_auto(World) none;
    g_auto(World) no_ask;
    g_auto(World) no_ark;

    world_init(&none, CVS_SNP_LINE_MILAN, 3);
    expect(&none, "CollateralMissing");
    add_cas(&none, none.h);
    expect(&none, "CollateralMissing");

    world_init(&no_ask, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&no_ask);
    snp_add_cert(no_ask.certs, no_ask.h->ark);
    expect(&no_ask, "ChainIncomplete");

    /* A test root is at hand by its folder; a pinned one has to be brought. */
    world_init(&no_ark, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&no_ark);
    snp_add_cert(no_ark.certs, no_ark.h->ask);
    expect(&no_ark, "");
}

/* Without the folder that names them, test roots are nobody. */
static void
test_roots_of_nobody(void)
{
    g_autoptr(CvsSnpRoots) pinned = cvs_snp_roots_new();
    g_auto(World) world;

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&world);
    add_cas(&world, world.h);
    expect_with(&world, pinned, "RootUntrusted");
    g_assert_true(json_is_false(json_object_get(world.claims, "tee.test_roots")));
}

/* Another hierarchy with the same names, whole; and its parts mixed with the true ones. */
static void
test_impostor(void)
{
    g_auto(World) whole;
    g_auto(World) ask;
    g_auto(World) leaf;

    world_init(&whole, CVS_SNP_LINE_MILAN, 3);
    whole.h = impostor;
    resign(&whole);
    add_leaf(&whole);
    snp_add_cert(whole.certs, impostor->ask);
    snp_add_cert(whole.certs, impostor->ark);
    expect(&whole, "RootUntrusted");

    world_init(&ask, CVS_SNP_LINE_MILAN, 3);
    ask.h = impostor;
    resign(&ask);
    add_leaf(&ask);
    /* Only the true root is at hand for the false ASK. */
    snp_add_cert(ask.certs, impostor->ask);
    snp_add_cert(ask.certs, hierarchies[CVS_SNP_LINE_MILAN]->ark);
    expect(&ask, "CertSignature");

    world_init(&leaf, CVS_SNP_LINE_MILAN, 3);
    leaf.h = impostor;
    resign(&leaf);
    add_leaf(&leaf);
    snp_add_cert(leaf.certs, hierarchies[CVS_SNP_LINE_MILAN]->ask);
    snp_add_cert(leaf.certs, hierarchies[CVS_SNP_LINE_MILAN]->ark);
    expect(&leaf, "CertSignature");
}

/* Two ASKs of one name (Genoa has them) and a false root: the leaf says whose it is, and what is
 * not part of its path does not matter. */
static void
test_same_names(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_autoptr(X509) second_ask = snp_make_cert(&(SnpCertSpec){.cn = "SEV-Milan",
                                                              .key = impostor->ask_key,
                                                              .issuer = h->ark,
                                                              .issuer_key = h->ark_key,
                                                              .serial = 0x10002,
                                                              .ca = TRUE,
                                                              .key_usage = "critical,keyCertSign"});
    X509 *const cas[] = {second_ask, impostor->ask, impostor->ark, h->ask, h->ark};

    for (gsize first = 0; first < G_N_ELEMENTS(cas); first++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        for (gsize i = 0; i < G_N_ELEMENTS(cas); i++)
            snp_add_cert(world.certs, cas[(first + i) % G_N_ELEMENTS(cas)]);
        add_leaf(&world);
        expect(&world, "");
    }
}

/* A certificate around the pinned key that the pinned key did not sign. */
static void
test_root_of_pinned_key(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    X509 *forged = snp_make_cert(&(SnpCertSpec){.cn = "ARK-Milan",
                                                .key = h->ark_key,
                                                .issuer_key = impostor->ark_key,
                                                .serial = 1,
                                                .ca = TRUE,
                                                .path_length = -1});
    g_autoptr(GPtrArray) anchors = cvs_x509_certs_new();
    g_autoptr(GPtrArray) path = NULL;
    g_autoptr(GError) refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED, "");
    CvsX509Chain chain = {.leaf = h->ask, .anchors = anchors, .at = SNP_MAKER_NOW};

    g_ptr_array_add(anchors, forged);
    path = cvs_x509_chain_verify(&chain, refusal);
    g_assert_null(path);
    g_assert_true(cvs_error_has_reason(refusal, CVS_REASON_CERT_SIGNATURE));
}

/* The leaf below the other intermediate, or below the root itself. */
static void
test_issuers(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_auto(World) vcek;
    g_auto(World) vlek;
    g_auto(World) root;

    world_init(&vcek, CVS_SNP_LINE_MILAN, 3);
    vcek.spec.issuer = h->asvk;
    vcek.spec.issuer_key = h->asvk_key;
    add_leaf(&vcek);
    add_cas(&vcek, h);
    expect(&vcek, "IssuerMismatch");

    world_init(&vlek, CVS_SNP_LINE_MILAN, 3);
    vlek.report[0x48] = CVS_SNP_SIGNER_VLEK << 2;
    resign(&vlek);
    vlek.spec = snp_leaf_spec(vlek.report, CVS_SNP_LINE_MILAN);
    vlek.spec.issuer = h->ask;
    vlek.spec.issuer_key = h->ask_key;
    add_leaf(&vlek);
    add_cas(&vlek, h);
    expect(&vlek, "IssuerMismatch");

    world_init(&root, CVS_SNP_LINE_MILAN, 3);
    root.spec.issuer = h->ark;
    root.spec.issuer_key = h->ark_key;
    add_leaf(&root);
    add_cas(&root, h);
    expect(&root, "CertUnfit IssuerMismatch");
}

/* An ASK of one line's name below another line's root. */
static void
test_lines_in_chain(void)
{
    const SnpHierarchy *genoa = hierarchies[CVS_SNP_LINE_GENOA];
    g_autoptr(X509) ask = snp_make_cert(&(SnpCertSpec){.cn = "SEV-Milan",
                                                       .key = impostor->ask_key,
                                                       .issuer = genoa->ark,
                                                       .issuer_key = genoa->ark_key,
                                                       .serial = 5,
                                                       .ca = TRUE,
                                                       .key_usage = "critical,keyCertSign"});
    g_auto(World) milan;
    g_auto(World) other;

    world_init(&milan, CVS_SNP_LINE_MILAN, 3);
    milan.spec.issuer = ask;
    milan.spec.issuer_key = impostor->ask_key;
    add_leaf(&milan);
    snp_add_cert(milan.certs, ask);
    snp_add_cert(milan.certs, genoa->ark);
    expect(&milan, "LineMismatch LineMismatch");

    world_init(&other, CVS_SNP_LINE_GENOA, 3);
    other.spec.issuer = ask;
    other.spec.issuer_key = impostor->ask_key;
    add_leaf(&other);
    snp_add_cert(other.certs, ask);
    snp_add_cert(other.certs, genoa->ark);
    expect(&other, "LineMismatch");
}

static void
test_line_of_report(void)
{
    g_auto(World) other;
    g_auto(World) unknown;
    g_auto(World) venice;
    g_auto(World) shape;

    /* Same layout, same chip, same TCB: the model alone differs. */
    world_init(&other, CVS_SNP_LINE_MILAN, 3);
    other.report[0x189] = 0x11;
    resign(&other);
    add_leaf(&other);
    add_cas(&other, other.h);
    expect(&other, "LineMismatch");

    world_init(&unknown, CVS_SNP_LINE_MILAN, 3);
    unknown.report[0x189] = 0x20;
    resign(&unknown);
    add_leaf(&unknown);
    add_cas(&unknown, unknown.h);
    expect(&unknown, "LineUnknown");

    world_init(&venice, CVS_SNP_LINE_TURIN, 5);
    venice.report[0x189] = 0x50;
    resign(&venice);
    add_leaf(&venice);
    add_cas(&venice, venice.h);
    expect(&venice, "LineMismatch LineUnknown");

    /* Version 2 says no line, but a chip id of 8 bytes is none of family 19h. */
    world_init(&shape, CVS_SNP_LINE_MILAN, 2);
    memset(shape.report + 0x1a8, 0, 56);
    resign(&shape);
    memset(shape.spec.hwid + 8, 0, 56);
    add_leaf(&shape);
    add_cas(&shape, shape.h);
    expect(&shape, "LineMismatch TcbMismatch");
}

static void
test_signer(void)
{
    const struct {
        guint8 signing_key;
        CvsSnpCertKind kind;
        const char *reasons;
    } cases[] = {
        {CVS_SNP_SIGNER_VCEK, CVS_SNP_CERT_VLEK, "SignerMismatch"},
        {CVS_SNP_SIGNER_VLEK, CVS_SNP_CERT_VCEK, "SignerMismatch"},
        {2, CVS_SNP_CERT_VCEK, "SignerUnknown"},
        {6, CVS_SNP_CERT_VLEK, "SignerUnknown"},
        {CVS_SNP_SIGNER_NONE, CVS_SNP_CERT_VCEK, "SignerUnknown"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        world.report[0x48] = (guint8)(cases[i].signing_key << 2);
        resign(&world);
        world.spec.kind = cases[i].kind;
        add_leaf(&world);
        add_cas(&world, world.h);
        expect(&world, cases[i].reasons);
    }
}

/* Of several leaves the one that fits is taken, whatever the order. */
static void
test_choice(void)
{
    for (int order = 0; order < 2; order++) {
        g_auto(World) world;
        SnpLeafSpec right;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        right = world.spec;
        if (order == 0)
            add_leaf(&world);
        world.spec.tcb.microcode--;
        add_leaf(&world);
        world.spec = right;
        world.spec.hwid[0] ^= 1;
        add_leaf(&world);
        world.spec = right;
        world.spec.kind = CVS_SNP_CERT_VLEK;
        add_leaf(&world);
        if (order == 1) {
            world.spec = right;
            add_leaf(&world);
        }
        add_cas(&world, world.h);
        expect(&world, "");
    }
}

/* Leaves that say the same differ in key and dates: the one that signed is taken, then the one
 * whose time it is, whatever the order. */
static void
test_choice_among_equals(void)
{
    const CvsSnpCertKind kinds[] = {CVS_SNP_CERT_VCEK, CVS_SNP_CERT_VLEK};

    for (int i = 0; i < 2 * 2 * 3; i++) {
        g_auto(World) world;
        gboolean right_first = i % 2;
        int fault = i / 4;
        SnpLeafSpec right;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        world.report[0x48] = kinds[i / 2 % 2] == CVS_SNP_CERT_VLEK ? CVS_SNP_SIGNER_VLEK << 2 : 0;
        resign(&world);
        world.spec = right = snp_leaf_spec(world.report, CVS_SNP_LINE_MILAN);
        g_assert_cmpint(right.kind, ==, kinds[i / 2 % 2]);
        if (right_first)
            add_leaf(&world);
        if (fault == 0) {
            world.spec.key = impostor->leaf_key;
        } else if (fault == 1) {
            world.spec.not_after = SNP_MAKER_NOW - DAY;
        } else {
            world.spec.not_before = SNP_MAKER_NOW + DAY;
        }
        add_leaf(&world);
        world.spec = right;
        if (!right_first)
            add_leaf(&world);
        add_cas(&world, world.h);
        g_test_message("case %d", i);
        expect(&world, "");
    }
}

/* The host may bring the leaf, and nothing else. */
static void
test_host_leaves(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_auto(World) leaf;
    g_auto(World) chain;

    world_init(&leaf, CVS_SNP_LINE_MILAN, 3);
    g_ptr_array_add(leaf.host_leaves, snp_make_leaf(h, &leaf.spec));
    add_cas(&leaf, h);
    expect(&leaf, "");

    world_init(&chain, CVS_SNP_LINE_MILAN, 3);
    g_ptr_array_add(chain.host_leaves, snp_make_leaf(h, &chain.spec));
    snp_add_cert(chain.host_leaves, h->ask);
    snp_add_cert(chain.host_leaves, h->ark);
    expect(&chain, "ChainIncomplete");
}

static void
test_chip(void)
{
    g_auto(World) other;
    g_auto(World) masked;
    g_auto(World) tail;
    g_auto(World) shorter;

    world_init(&other, CVS_SNP_LINE_MILAN, 3);
    other.spec.hwid[63] ^= 1;
    add_leaf(&other);
    add_cas(&other, other.h);
    expect(&other, "ChipMismatch");

    world_init(&masked, CVS_SNP_LINE_MILAN, 3);
    memset(masked.report + 0x1a0, 0, 64);
    resign(&masked);
    add_leaf(&masked);
    add_cas(&masked, masked.h);
    expect(&masked, "ChipMasked");
    g_assert_null(json_object_get(masked.claims, "tee.chip_id"));
    /* Not even with a certificate for the chip zero. */
    g_ptr_array_set_size(masked.certs, 0);
    memset(masked.spec.hwid, 0, 64);
    add_leaf(&masked);
    add_cas(&masked, masked.h);
    expect(&masked, "ChipMasked");

    /* Turin: something behind the 8 bytes. */
    world_init(&tail, CVS_SNP_LINE_TURIN, 5);
    tail.report[0x1df] = 1;
    resign(&tail);
    add_leaf(&tail);
    add_cas(&tail, tail.h);
    expect(&tail, "ChipMismatch");

    /* Milan: a chip whose last 56 bytes are zero, and a certificate of 8 bytes. */
    world_init(&shorter, CVS_SNP_LINE_MILAN, 3);
    memset(shorter.report + 0x1a8, 0, 56);
    resign(&shorter);
    shorter.spec.hwid_size = 8;
    add_leaf(&shorter);
    add_cas(&shorter, shorter.h);
    expect(&shorter, "ChipMismatch");
}

/* Each level one below and one above what is reported. */
static void
test_tcb(void)
{
    for (int line = CVS_SNP_LINE_MILAN; line <= CVS_SNP_LINE_TURIN; line += 2) {
        for (gsize byte = 0; byte < 8; byte++) {
            for (int step = -1; step <= 1; step += 2) {
                g_auto(World) world;

                world_init(&world, (CvsSnpLine)line, 5);
                world.report[0x180 + byte] = (guint8)(world.report[0x180 + byte] + step);
                resign(&world);
                add_leaf(&world);
                add_cas(&world, world.h);
                expect(&world, "TcbMismatch");
            }
        }
    }
}

/* The other three TCBs do not choose the key. */
static void
test_other_tcbs(void)
{
    const gsize offsets[] = {0x38, 0x1e0, 0x1f0};

    for (gsize i = 0; i < G_N_ELEMENTS(offsets); i++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        world.report[offsets[i] + 7]++;
        resign(&world);
        add_leaf(&world);
        add_cas(&world, world.h);
        expect(&world, "");
    }
}

/* A leaf in the other family's form. */
static void
test_layout(void)
{
    g_auto(World) world;

    world_init(&world, CVS_SNP_LINE_TURIN, 5);
    memset(world.report + 0x180, 0, 8);
    resign(&world);
    world.spec.layout = CVS_SNP_TCB_LEGACY;
    memset(&world.spec.tcb, 0, sizeof world.spec.tcb);
    add_leaf(&world);
    add_cas(&world, world.h);
    expect(&world, "ChipMismatch TcbMismatch");
}

static void
test_signature(void)
{
    EVP_PKEY *key = snp_make_p384_key();
    g_auto(World) foreign;
    g_auto(World) zero;
    g_auto(World) masked;

    world_init(&foreign, CVS_SNP_LINE_MILAN, 3);
    snp_sign_report(foreign.report, key);
    add_leaf(&foreign);
    add_cas(&foreign, foreign.h);
    expect(&foreign, "ReportSignature");

    world_init(&zero, CVS_SNP_LINE_MILAN, 3);
    memset(zero.report + 0x2a0, 0, 512);
    add_leaf(&zero);
    add_cas(&zero, zero.h);
    expect(&zero, "ReportSignature");

    world_init(&masked, CVS_SNP_LINE_MILAN, 3);
    masked.report[0x48] = 2 | CVS_SNP_SIGNER_NONE << 2;
    memset(masked.report + 0x2a0, 0, 512);
    add_leaf(&masked);
    add_cas(&masked, masked.h);
    expect(&masked, "ReportSignature SignerUnknown");
    EVP_PKEY_free(key);
}

static void
test_dates(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_auto(World) late;
    g_auto(World) early;
    g_auto(World) ask;
    g_auto(World) all;
    g_autoptr(X509) old_ask = NULL;

    world_init(&late, CVS_SNP_LINE_MILAN, 3);
    late.spec.not_after = SNP_MAKER_NOW - 1;
    add_leaf(&late);
    add_cas(&late, h);
    expect(&late, "CertExpired");
    late.at = SNP_MAKER_NOW - 2;
    expect(&late, "");

    world_init(&early, CVS_SNP_LINE_MILAN, 3);
    early.spec.not_before = SNP_MAKER_NOW + 1;
    add_leaf(&early);
    add_cas(&early, h);
    expect(&early, "CertNotYetValid");
    early.at = SNP_MAKER_NOW + 1;
    expect(&early, "");

    world_init(&ask, CVS_SNP_LINE_MILAN, 3);
    old_ask = snp_make_cert(&(SnpCertSpec){.cn = "SEV-Milan",
                                           .key = h->ask_key,
                                           .issuer = h->ark,
                                           .issuer_key = h->ark_key,
                                           .serial = 9,
                                           .not_after = SNP_MAKER_NOW - DAY,
                                           .ca = TRUE,
                                           .key_usage = "critical,keyCertSign"});
    add_leaf(&ask);
    snp_add_cert(ask.certs, old_ask);
    snp_add_cert(ask.certs, h->ark);
    expect(&ask, "CertExpired");

    world_init(&all, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&all);
    add_cas(&all, h);
    all.at = SNP_MAKER_NOW + 10 * 365 * DAY;
    expect(&all, "CertExpired CertExpired CertExpired");
}

/* What is remembered is the signature: dates and revocation are looked at again each time. */
static void
test_warm(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(test_roots);
    g_auto(World) world;
    g_autoptr(GError) expired = NULL;
    g_autoptr(GError) revoked = NULL;
    g_autoptr(GError) forged = NULL;
    CvsSnpEvidence evidence;

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&world);
    add_cas(&world, h);
    evidence = (CvsSnpEvidence){.report = world.report,
                                .report_size = sizeof world.report,
                                .certs = world.certs,
                                .crls = world.crls,
                                .at = SNP_MAKER_NOW};
    g_assert_true(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));

    /* The leaf, the remembered ASK, and the ARK above it, which OpenSSL does not see any more. */
    evidence.at = SNP_MAKER_NOW + 10 * 365 * DAY;
    g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, NULL, &expired));
    g_assert_cmpuint(cvs_error_get_reasons(expired)->len, ==, 3);
    g_assert_error(expired, CVS_ERROR, CVS_ERROR_COLLATERAL_EXPIRED);

    evidence.at = SNP_MAKER_NOW;
    g_ptr_array_add(world.crls, snp_make_crl(h->ark, h->ark_key, SNP_MAKER_NOW - DAY,
                                             SNP_MAKER_NOW + DAY, 1, 0x10001, FALSE));
    g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, NULL, &revoked));
    g_assert_true(cvs_error_has_reason(revoked, CVS_REASON_CERT_REVOKED));
    g_ptr_array_set_size(world.crls, 0);

    g_ptr_array_set_size(world.certs, 0);
    world.h = impostor;
    resign(&world);
    add_leaf(&world);
    add_cas(&world, h);
    g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, NULL, &forged));
    g_assert_true(cvs_error_has_reason(forged, CVS_REASON_CERT_SIGNATURE));
}

/* What the verifier was given once is at hand each time. */
static void
test_kept_certs(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(test_roots);
    g_autoptr(GPtrArray) cas = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;
    g_auto(World) world;
    CvsSnpEvidence evidence;

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&world);
    evidence = (CvsSnpEvidence){.report = world.report,
                                .report_size = sizeof world.report,
                                .certs = world.certs,
                                .at = SNP_MAKER_NOW};
    g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, NULL, &error));
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_CHAIN_INCOMPLETE));
    snp_add_cert(cas, h->ask);
    cvs_snp_verifier_add_certs(verifier, cas);
    g_assert_true(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));
    cvs_snp_verifier_add_certs(verifier, world.certs);
    evidence.certs = NULL;
    g_assert_true(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));
}

static void
test_crls(void)
{
    const gint64 now = SNP_MAKER_NOW;
    const struct {
        gint64 from, to;
        long revoked;
        gboolean critical;
        gboolean foreign_key;
        const char *reasons;
        const char *status;
    } cases[] = {
        {now - DAY, now + DAY, 0, FALSE, FALSE, "", "fresh"},
        {now, now + DAY, 0, FALSE, FALSE, "", "fresh"},
        {now - DAY, now + DAY, 0x99, FALSE, FALSE, "", "fresh"},
        {now - DAY, now + DAY, 0x10001, FALSE, FALSE, "CertRevoked", "bad"},
        {now - DAY, now + DAY, 0x10101, FALSE, FALSE, "", "fresh"}, /* the ASVK is not in use */
        {now - DAY, now, 0, FALSE, FALSE, "CrlStale", "stale"},
        {now - 2 * DAY, now - DAY, 0, FALSE, FALSE, "CrlStale", "stale"},
        {now + DAY, now + 2 * DAY, 0, FALSE, FALSE, "CrlStale", "stale"},
        {now - 2 * DAY, now - DAY, 0x10001, FALSE, FALSE, "CertRevoked CrlStale", "bad"},
        {now - DAY, now + DAY, 0, TRUE, FALSE, "CrlInvalid", "bad"},
        {now - DAY, 0, 0, FALSE, FALSE, "CrlInvalid", "bad"},
        {now - DAY, now + DAY, 0, FALSE, TRUE, "CrlInvalid", "bad"},
    };
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        add_leaf(&world);
        add_cas(&world, h);
        g_ptr_array_add(world.crls,
                        snp_make_crl(h->ark, cases[i].foreign_key ? impostor->ark_key : h->ark_key,
                                     cases[i].from, cases[i].to, 0x1f, cases[i].revoked,
                                     cases[i].critical));
        g_test_message("case %zu", i);
        expect(&world, cases[i].reasons);
        g_assert_cmpstr(claim(&world, "tee.crl"), ==, cases[i].status);
        if (!g_str_equal(cases[i].status, "bad") || cases[i].revoked)
            g_assert_cmpstr(claim(&world, "tee.crl.number"), ==, "1f");
    }
}

/* The grace is the list's alone, from its end on, and forgives no entry. */
static void
test_grace(void)
{
    const gint64 now = SNP_MAKER_NOW;
    const struct {
        gint64 from, to, grace;
        long revoked;
        const char *reasons;
        const char *status;
    } cases[] = {
        {now - 9 * DAY, now - DAY, DAY, 0, "", "stale"},
        {now - 9 * DAY, now - DAY, DAY - 1, 0, "CrlStale", "stale"},
        {now - 9 * DAY, now - DAY, 0, 0, "CrlStale", "stale"},
        {now - 9 * DAY, now - DAY, DAY, 0x10001, "CertRevoked CrlStale", "bad"},
        {now + DAY, now + 9 * DAY, 30 * DAY, 0, "CrlStale", "stale"},
        {now - DAY, now + DAY, DAY, 0, "", "fresh"},
    };
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_auto(World) late;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        world.grace = cases[i].grace;
        add_leaf(&world);
        add_cas(&world, h);
        g_ptr_array_add(world.crls, snp_make_crl(h->ark, h->ark_key, cases[i].from, cases[i].to,
                                                 0x1f, cases[i].revoked, FALSE));
        g_test_message("case %zu", i);
        expect(&world, cases[i].reasons);
        g_assert_cmpstr(claim(&world, "tee.crl"), ==, cases[i].status);
    }

    world_init(&late, CVS_SNP_LINE_MILAN, 3);
    late.grace = 30 * DAY;
    late.spec.not_after = now - 1;
    add_leaf(&late);
    add_cas(&late, h);
    expect(&late, "CertExpired");
}

/* One line's root signs the lists of ASKs and of ASVKs: none hides what the other says, whatever
 * their dates and order. */
static void
test_two_crls(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];

    for (int order = 0; order < 2; order++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        world.report[0x48] = CVS_SNP_SIGNER_VLEK << 2;
        resign(&world);
        world.spec = snp_leaf_spec(world.report, CVS_SNP_LINE_MILAN);
        add_leaf(&world);
        add_cas(&world, h);
        for (int i = 0; i < 2; i++) {
            gboolean vlek_list = i == order;

            g_ptr_array_add(world.crls, snp_make_crl(h->ark, h->ark_key,
                                                     SNP_MAKER_NOW - (vlek_list ? 2 : 1) * DAY,
                                                     SNP_MAKER_NOW + DAY, i,
                                                     vlek_list ? 0x10101 : 0x10001, FALSE));
        }
        expect(&world, "CertRevoked");
    }
}

static void
test_crl_of_other_line(void)
{
    const SnpHierarchy *genoa = hierarchies[CVS_SNP_LINE_GENOA];
    g_auto(World) world;

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&world);
    add_cas(&world, world.h);
    g_ptr_array_add(world.crls, snp_make_crl(genoa->ark, genoa->ark_key, SNP_MAKER_NOW - DAY,
                                             SNP_MAKER_NOW + DAY, 1, 0x10001, FALSE));
    expect(&world, "");
    g_assert_cmpstr(claim(&world, "tee.crl"), ==, "missing");
}

/* Expired and revoked at once: both are said. */
static void
test_every_reason(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_auto(World) world;

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    world.spec.not_after = SNP_MAKER_NOW - DAY;
    world.spec.hwid[5] ^= 1;
    world.spec.tcb.tee++;
    add_leaf(&world);
    add_cas(&world, h);
    g_ptr_array_add(world.crls, snp_make_crl(h->ark, h->ark_key, SNP_MAKER_NOW - 2 * DAY,
                                             SNP_MAKER_NOW - DAY, 1, 0x10001, FALSE));
    world.report[0x90] ^= 1;
    expect(&world, "CertExpired CertRevoked ChipMismatch CrlStale ReportSignature TcbMismatch");
}

static void
test_unfit(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    const SnpExtension critical = {"1.3.6.1.4.1.3704.1.77", "\x02\x01\x00", 3, TRUE};
    const SnpExtension harmless = {"1.3.6.1.4.1.3704.1.77", "\x02\x01\x00", 3, FALSE};
    g_autoptr(X509) no_ca = snp_make_cert(&(SnpCertSpec){.cn = "SEV-Milan",
                                                         .key = h->ask_key,
                                                         .issuer = h->ark,
                                                         .issuer_key = h->ark_key,
                                                         .serial = 7});
    g_auto(World) not_ca;
    g_auto(World) unknown;
    g_auto(World) known;

    world_init(&not_ca, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&not_ca);
    snp_add_cert(not_ca.certs, no_ca);
    snp_add_cert(not_ca.certs, h->ark);
    expect(&not_ca, "CertUnfit");

    world_init(&unknown, CVS_SNP_LINE_MILAN, 3);
    unknown.spec.more = &critical;
    unknown.spec.n_more = 1;
    add_leaf(&unknown);
    add_cas(&unknown, h);
    expect(&unknown, "CertUnfit");

    world_init(&known, CVS_SNP_LINE_MILAN, 3);
    known.spec.more = &harmless;
    known.spec.n_more = 1;
    add_leaf(&known);
    add_cas(&known, h);
    expect(&known, "");
}

/* Well signed, but not as AMD does. */
static void
test_algorithms(void)
{
    for (int i = 0; i < 2; i++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        if (i == 0)
            world.spec.pkcs1 = TRUE;
        else
            world.spec.digest = EVP_sha256();
        add_leaf(&world);
        add_cas(&world, world.h);
        expect(&world, "CertUnfit");
    }
}

/* A leaf of the chip, by name an ASK: with it one could make leaves. */
static void
test_leaf_as_issuer(void)
{
    const SnpHierarchy *h = hierarchies[CVS_SNP_LINE_MILAN];
    g_auto(World) world;
    g_autoptr(X509) sub = snp_make_cert(&(SnpCertSpec){.cn = "SEV-Milan",
                                                       .key = impostor->ask_key,
                                                       .issuer = h->ask,
                                                       .issuer_key = h->ask_key,
                                                       .serial = 8,
                                                       .ca = TRUE,
                                                       .key_usage = "critical,keyCertSign"});

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    world.spec.issuer = sub;
    world.spec.issuer_key = impostor->ask_key;
    add_leaf(&world);
    snp_add_cert(world.certs, sub);
    snp_add_cert(world.certs, h->ask);
    snp_add_cert(world.certs, h->ark);
    /* Whichever of the two of that name is tried, no such chain holds. */
    {
        g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(test_roots);
        CvsSnpEvidence evidence = {.report = world.report,
                                   .report_size = sizeof world.report,
                                   .certs = world.certs,
                                   .at = world.at};

        g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));
    }
    g_ptr_array_remove_index(world.certs, 2);
    g_ptr_array_insert(world.certs, 1, X509_dup(h->ask));
    {
        g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(test_roots);
        CvsSnpEvidence evidence = {.report = world.report,
                                   .report_size = sizeof world.report,
                                   .certs = world.certs,
                                   .at = world.at};

        g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));
    }
}

static void
test_malformed_leaf(void)
{
    EVP_PKEY *p256 = EVP_EC_gen("P-256");
    g_auto(World) omitted;
    g_auto(World) curve;

    world_init(&omitted, CVS_SNP_LINE_MILAN, 3);
    omitted.spec.omit = "1.3.6.1.4.1.3704.1.4";
    add_leaf(&omitted);
    add_cas(&omitted, omitted.h);
    expect(&omitted, "LeafMalformed");

    world_init(&curve, CVS_SNP_LINE_MILAN, 3);
    curve.spec.key = p256;
    add_leaf(&curve);
    add_cas(&curve, curve.h);
    expect(&curve, "LeafMalformed ReportSignature");
    EVP_PKEY_free(p256);
}

static void
test_bad_format(void)
{
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(test_roots);
    g_auto(World) world;
    CvsSnpEvidence evidence;

    world_init(&world, CVS_SNP_LINE_MILAN, 3);
    add_leaf(&world);
    add_cas(&world, world.h);
    evidence = (CvsSnpEvidence){.report = world.report, .certs = world.certs, .at = SNP_MAKER_NOW};
    for (gsize size = 0; size < sizeof world.report; size++) {
        g_autoptr(GError) error = NULL;
        json_t *claims = NULL;

        evidence.report_size = size;
        g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, &claims, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_null(claims);
    }
}

/* Every claim is in the table, with its type; and every one of the table can come. */
static void
test_claims_table(void)
{
    static const struct {
        const char *name;
        CvsClaimType type;
    } table[] = {
#define X(claim, kind, text) {claim, CVS_CLAIM_##kind},
        CVS_CLAIMS_COMMON(X) CVS_CLAIMS_SNP(X)
#undef X
    };
    gboolean seen[G_N_ELEMENTS(table)] = {FALSE};

    for (int vlek = 0; vlek < 2; vlek++) {
        g_auto(World) world;
        const char *name = NULL;
        json_t *value = NULL;

        world_init(&world, CVS_SNP_LINE_TURIN, 5);
        if (vlek) {
            world.report[0x48] = CVS_SNP_SIGNER_VLEK << 2;
            resign(&world);
            world.spec = snp_leaf_spec(world.report, CVS_SNP_LINE_TURIN);
        }
        add_leaf(&world);
        add_cas(&world, world.h);
        g_ptr_array_add(world.crls,
                        snp_make_crl(world.h->ark, world.h->ark_key, SNP_MAKER_NOW - DAY,
                                     SNP_MAKER_NOW + DAY, 1, 0, FALSE));
        expect(&world, "");
        json_object_foreach (world.claims, name, value) {
            gsize i = 0;

            while (i < G_N_ELEMENTS(table) && !g_str_equal(table[i].name, name))
                i++;
            if (i == G_N_ELEMENTS(table))
                g_error("the claim %s is not in the table", name);
            if (!cvs_claim_has_type(value, table[i].type))
                g_error("the claim %s is not of its type", name);
            seen[i] = TRUE;
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (!seen[i])
            g_error("the claim %s never comes", table[i].name);
    }
}

/* Each bit of POLICY and PLATFORM_INFO is its own claim. */
static void
test_claims_of_bits(void)
{
    const struct {
        gsize offset;
        guint bit;
        const char *name;
    } bits[] = {
        {0x08, 16, "tee.policy.smt"},
        {0x08, 18, "tee.policy.migrate_ma"},
        {0x08, 19, "tee.policy.debug"},
        {0x08, 20, "tee.policy.single_socket"},
        {0x08, 21, "tee.policy.cxl"},
        {0x08, 22, "tee.policy.mem_aes_256_xts"},
        {0x08, 23, "tee.policy.rapl_dis"},
        {0x08, 24, "tee.policy.ciphertext_hiding"},
        {0x08, 25, "tee.policy.page_swap_disable"},
        {0x40, 0, "tee.platform_info.smt"},
        {0x40, 1, "tee.platform_info.tsme"},
        {0x40, 2, "tee.platform_info.ecc"},
        {0x40, 3, "tee.platform_info.rapl_dis"},
        {0x40, 4, "tee.platform_info.ciphertext_hiding"},
        {0x40, 5, "tee.platform_info.alias_check_complete"},
        {0x40, 7, "tee.platform_info.tio"},
        {0x48, 0, "tee.author_key_en"},
        {0x48, 1, "tee.mask_chip_key"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bits); i++) {
        g_auto(World) world;

        world_init(&world, CVS_SNP_LINE_MILAN, 3);
        memset(world.report + 0x40, 0, 8);
        world.report[0x0a] = 0x02;
        world.report[bits[i].offset + bits[i].bit / 8] |= (guint8)(1 << bits[i].bit % 8);
        expect(&world, "CollateralMissing");
        for (gsize j = 0; j < G_N_ELEMENTS(bits); j++)
            g_assert_cmpint(json_is_true(json_object_get(world.claims, bits[j].name)), ==, i == j);
    }
}

int
main(int argc, char **argv)
{
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    make_hierarchies();
    g_test_add_func("/tee/snp-verify/good", test_good);
    g_test_add_func("/tee/snp-verify/encodings", test_encodings);
    g_test_add_func("/tee/snp-verify/missing", test_missing);
    g_test_add_func("/tee/snp-verify/roots-of-nobody", test_roots_of_nobody);
    g_test_add_func("/tee/snp-verify/impostor", test_impostor);
    g_test_add_func("/tee/snp-verify/same-names", test_same_names);
    g_test_add_func("/tee/snp-verify/root-of-pinned-key", test_root_of_pinned_key);
    g_test_add_func("/tee/snp-verify/issuers", test_issuers);
    g_test_add_func("/tee/snp-verify/lines-in-chain", test_lines_in_chain);
    g_test_add_func("/tee/snp-verify/line-of-report", test_line_of_report);
    g_test_add_func("/tee/snp-verify/signer", test_signer);
    g_test_add_func("/tee/snp-verify/choice", test_choice);
    g_test_add_func("/tee/snp-verify/choice-among-equals", test_choice_among_equals);
    g_test_add_func("/tee/snp-verify/host-leaves", test_host_leaves);
    g_test_add_func("/tee/snp-verify/chip", test_chip);
    g_test_add_func("/tee/snp-verify/tcb", test_tcb);
    g_test_add_func("/tee/snp-verify/other-tcbs", test_other_tcbs);
    g_test_add_func("/tee/snp-verify/layout", test_layout);
    g_test_add_func("/tee/snp-verify/signature", test_signature);
    g_test_add_func("/tee/snp-verify/dates", test_dates);
    g_test_add_func("/tee/snp-verify/warm", test_warm);
    g_test_add_func("/tee/snp-verify/kept-certs", test_kept_certs);
    g_test_add_func("/tee/snp-verify/crls", test_crls);
    g_test_add_func("/tee/snp-verify/grace", test_grace);
    g_test_add_func("/tee/snp-verify/two-crls", test_two_crls);
    g_test_add_func("/tee/snp-verify/crl-of-other-line", test_crl_of_other_line);
    g_test_add_func("/tee/snp-verify/every-reason", test_every_reason);
    g_test_add_func("/tee/snp-verify/unfit", test_unfit);
    g_test_add_func("/tee/snp-verify/algorithms", test_algorithms);
    g_test_add_func("/tee/snp-verify/leaf-as-issuer", test_leaf_as_issuer);
    g_test_add_func("/tee/snp-verify/malformed-leaf", test_malformed_leaf);
    g_test_add_func("/tee/snp-verify/bad-format", test_bad_format);
    g_test_add_func("/tee/snp-verify/claims-table", test_claims_table);
    g_test_add_func("/tee/snp-verify/claims-of-bits", test_claims_of_bits);
    result = g_test_run();
    free_hierarchies();
    return result;
}
