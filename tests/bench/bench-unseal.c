/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tests/bench/run measures inside one process, one after the other in each round, so that
 * whatever else the machine does meets all of them alike:
 *
 *   floor  the bare TPM commands of an unseal: PolicyPCR, Load, Unseal, FlushContext in one salted
 *          policy session over ESYS, with the daemon's own cryptography, and nothing around it
 *   ping   a call to the daemon that does nothing
 *   NAME   Unseal of that key over D-Bus, with reading the secret
 *
 *   bench-unseal TCTI ADDRESS NAME...
 *
 * Takes a number of rounds from each line of stdin, and answers with a line for each round: the
 * milliseconds of floor, ping and each NAME. */

#include "tpm/crypto-callbacks.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#define SRK_HANDLE 0x81000001u

static void
must(TSS2_RC rc, const char *what)
{
    if (rc != TSS2_RC_SUCCESS)
        g_error("%s: 0x%x", what, rc);
}

typedef struct {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR srk;
    ESYS_TR session;
    TPM2B_PRIVATE *private_area;
    TPM2B_PUBLIC *public_area;
    TPML_PCR_SELECTION pcrs;
} Floor;

/* The policy first, as in the daemon: behind a resource manager an object that is loaded already
 * would be swapped around it. */
static void
floor_once(gpointer data)
{
    Floor *f = data;
    ESYS_TR object = ESYS_TR_NONE;
    TPM2B_SENSITIVE_DATA *secret = NULL;

    must(Esys_PolicyPCR(f->esys, f->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                        &f->pcrs),
         "PolicyPCR");
    must(Esys_Load(f->esys, f->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, f->private_area,
                   f->public_area, &object),
         "Load");
    must(Esys_Unseal(f->esys, object, f->session, ESYS_TR_NONE, ESYS_TR_NONE, &secret), "Unseal");
    must(Esys_FlushContext(f->esys, object), "FlushContext");
    Esys_Free(secret);
}

static void
floor_begin(Floor *f, const char *tcti_conf)
{
    TPMT_SYM_DEF symmetric = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data = {.size = 32}};
    TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_NODA,
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    TPM2B_DATA outside = {0};
    TPML_PCR_SELECTION creation = {0};
    TPM2B_DIGEST *digest = NULL;
    ESYS_TR trial = ESYS_TR_NONE;

    must(Tss2_TctiLdr_Initialize(tcti_conf, &f->tcti), "TCTI");
    must(Esys_Initialize(&f->esys, f->tcti, NULL), "ESYS");
    must(cvs_crypto_callbacks_install(f->esys), "crypto callbacks");
    must(Esys_TR_FromTPMPublic(f->esys, SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               &f->srk),
         "SRK");
    must(Esys_StartAuthSession(f->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               ESYS_TR_NONE, NULL, TPM2_SE_TRIAL, &symmetric, TPM2_ALG_SHA256,
                               &trial),
         "StartAuthSession");
    must(Esys_PolicyPCR(f->esys, trial, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &f->pcrs),
         "PolicyPCR");
    must(Esys_PolicyGetDigest(f->esys, trial, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest),
         "PolicyGetDigest");
    must(Esys_FlushContext(f->esys, trial), "FlushContext");
    template.publicArea.authPolicy = *digest;
    Esys_Free(digest);
    must(Esys_Create(f->esys, f->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                     &template, &outside, &creation, &f->private_area, &f->public_area, NULL, NULL,
                     NULL),
         "Create");
    must(Esys_StartAuthSession(f->esys, f->srk, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &symmetric, TPM2_ALG_SHA256,
                               &f->session),
         "StartAuthSession");
    must(Esys_TRSess_SetAttributes(f->esys, f->session,
                                   TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT, 0xff),
         "attributes");
}

static void
floor_end(Floor *f)
{
    must(Esys_FlushContext(f->esys, f->session), "FlushContext");
    Esys_Free(f->private_area);
    Esys_Free(f->public_area);
    Esys_Finalize(&f->esys);
    Tss2_TctiLdr_Finalize(&f->tcti);
}

typedef struct {
    GDBusConnection *bus;
    const char *name;
} Bus;

static void
unseal_once(gpointer data)
{
    Bus *bus = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) reply = NULL;
    guint8 secret[65536];
    gint32 handle;
    gssize got;
    int fd;

    reply = g_dbus_connection_call_with_unix_fd_list_sync(
        bus->bus, "org.cvmseal1", "/org/cvmseal1", "org.cvmseal1.Manager", "Unseal",
        g_variant_new("(sa{sv})", bus->name, NULL), G_VARIANT_TYPE("(h)"), G_DBUS_CALL_FLAGS_NONE,
        -1, NULL, &fds, NULL, &error);
    if (reply == NULL)
        g_error("Unseal: %s", error->message);
    g_variant_get(reply, "(h)", &handle);
    fd = g_unix_fd_list_get(fds, handle, &error);
    got = read(fd, secret, sizeof secret);
    if (got != 32)
        g_error("Unseal gave %zd bytes", got);
    (void)close(fd);
}

/* What the way over the bus costs by itself: two programs, and dbus-daemon in between. */
static void
ping_once(gpointer data)
{
    Bus *bus = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        bus->bus, "org.cvmseal1", "/org/cvmseal1", "org.freedesktop.DBus.Peer", "Ping", NULL,
        G_VARIANT_TYPE("()"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

    if (reply == NULL)
        g_error("Ping: %s", error->message);
}

static GDBusConnection *
connect_to(const char *address)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    if (bus == NULL)
        g_error("%s: %s", address, error->message);
    return bus;
}

static void
time_once(void (*once)(gpointer data), gpointer data)
{
    gint64 start = g_get_monotonic_time();

    once(data);
    printf("%.3f ", (double)(g_get_monotonic_time() - start) / 1000);
}

int
main(int argc, char **argv)
{
    Floor floor = {
        .pcrs = {.count = 1,
                 .pcrSelections = {{.hash = TPM2_ALG_SHA256,
                                    .sizeofSelect = 3,
                                    .pcrSelect = {1u << 0 | 1u << 2 | 1u << 4 | 1u << 7}}}}};
    Bus bus = {0};
    char line[32];

    if (argc < 3) {
        fprintf(stderr, "usage: bench-unseal TCTI ADDRESS NAME...\n");
        return 2;
    }
    floor_begin(&floor, argv[1]);
    bus.bus = connect_to(argv[2]);
    while (fgets(line, sizeof line, stdin)) {
        for (int left = atoi(line); left > 0; left--) {
            time_once(floor_once, &floor);
            time_once(ping_once, &bus);
            for (int i = 3; i < argc; i++) {
                bus.name = argv[i];
                time_once(unseal_once, &bus);
            }
            printf("\n");
        }
        (void)fflush(stdout);
    }
    g_object_unref(bus.bus);
    floor_end(&floor);
    return 0;
}
