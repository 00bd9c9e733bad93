/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Three of the things that tests/bench/run compares:
 *
 *   bench-unseal floor TCTI N       the bare TPM commands of an unseal in a loop: Load, PolicyPCR,
 *                                   Unseal, FlushContext in one salted policy session over ESYS, with
 *                                   the daemon's own cryptography, and nothing around it
 *   bench-unseal dbus ADDRESS NAME N  Unseal over D-Bus, with reading the secret
 *   bench-unseal ping ADDRESS N     a call to the daemon that does nothing, by the same client
 *
 * Prints the median and the fastest time of one of them in milliseconds: "MEDIAN FASTEST". */

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
#define WARM_UP 20

static void
must(TSS2_RC rc, const char *what)
{
    if (rc != TSS2_RC_SUCCESS)
        g_error("%s: 0x%x", what, rc);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    gdouble x = *(const gdouble *)a, y = *(const gdouble *)b;

    return (x > y) - (x < y);
}

typedef void (*Once)(gpointer data);

static void
measure(guint n, Once once, gpointer data)
{
    g_autofree gdouble *times = g_new(gdouble, n);

    for (guint i = 0; i < WARM_UP; i++)
        once(data);
    for (guint i = 0; i < n; i++) {
        gint64 start = g_get_monotonic_time();

        once(data);
        times[i] = (gdouble)(g_get_monotonic_time() - start) / 1000;
    }
    qsort(times, n, sizeof *times, compare);
    printf("%.3f %.3f\n", times[n / 2], times[0]);
}

typedef struct {
    ESYS_CONTEXT *esys;
    ESYS_TR srk;
    ESYS_TR session;
    TPM2B_PRIVATE *private_area;
    TPM2B_PUBLIC *public_area;
    TPML_PCR_SELECTION pcrs;
} Floor;

static void
floor_once(gpointer data)
{
    Floor *f = data;
    ESYS_TR object = ESYS_TR_NONE;
    TPM2B_SENSITIVE_DATA *secret = NULL;

    must(Esys_Load(f->esys, f->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, f->private_area,
                   f->public_area, &object),
         "Load");
    must(Esys_PolicyPCR(f->esys, f->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                        &f->pcrs),
         "PolicyPCR");
    must(Esys_Unseal(f->esys, object, f->session, ESYS_TR_NONE, ESYS_TR_NONE, &secret), "Unseal");
    must(Esys_FlushContext(f->esys, object), "FlushContext");
    Esys_Free(secret);
}

static void
floor_run(const char *tcti_conf, guint n)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;
    Floor f = {.pcrs = {.count = 1,
                        .pcrSelections = {{.hash = TPM2_ALG_SHA256,
                                           .sizeofSelect = 3,
                                           .pcrSelect = {1u << 0 | 1u << 2 | 1u << 4 | 1u << 7}}}}};
    TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_AES,
                              .keyBits.aes = 128,
                              .mode.aes = TPM2_ALG_CFB};
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

    must(Tss2_TctiLdr_Initialize(tcti_conf, &tcti), "TCTI");
    must(Esys_Initialize(&f.esys, tcti, NULL), "ESYS");
    must(cvs_crypto_callbacks_install(f.esys), "crypto callbacks");
    must(Esys_TR_FromTPMPublic(f.esys, SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               &f.srk),
         "SRK");
    must(Esys_StartAuthSession(f.esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               ESYS_TR_NONE, NULL, TPM2_SE_TRIAL, &symmetric, TPM2_ALG_SHA256,
                               &trial),
         "StartAuthSession");
    must(Esys_PolicyPCR(f.esys, trial, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &f.pcrs),
         "PolicyPCR");
    must(Esys_PolicyGetDigest(f.esys, trial, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest),
         "PolicyGetDigest");
    must(Esys_FlushContext(f.esys, trial), "FlushContext");
    template.publicArea.authPolicy = *digest;
    Esys_Free(digest);
    must(Esys_Create(f.esys, f.srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                     &template, &outside, &creation, &f.private_area, &f.public_area, NULL, NULL,
                     NULL),
         "Create");
    must(Esys_StartAuthSession(f.esys, f.srk, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &symmetric, TPM2_ALG_SHA256,
                               &f.session),
         "StartAuthSession");
    must(Esys_TRSess_SetAttributes(f.esys, f.session,
                                   TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT, 0xff),
         "attributes");
    measure(n, floor_once, &f);
    must(Esys_FlushContext(f.esys, f.session), "FlushContext");
    Esys_Free(f.private_area);
    Esys_Free(f.public_area);
    Esys_Finalize(&f.esys);
    Tss2_TctiLdr_Finalize(&tcti);
}

typedef struct {
    GDBusConnection *bus;
    const char *name;
} Bus;

static void
dbus_once(gpointer data)
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

static void
bus_run(const char *address, Once once, const char *name, guint n)
{
    g_autoptr(GError) error = NULL;
    Bus bus = {.name = name};

    bus.bus = g_dbus_connection_new_for_address_sync(
        address,
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &error);
    if (bus.bus == NULL)
        g_error("%s: %s", address, error->message);
    measure(n, once, &bus);
    g_object_unref(bus.bus);
}

int
main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "floor") == 0) {
        floor_run(argv[2], (guint)atoi(argv[3]));
    } else if (argc == 5 && strcmp(argv[1], "dbus") == 0) {
        bus_run(argv[2], dbus_once, argv[3], (guint)atoi(argv[4]));
    } else if (argc == 4 && strcmp(argv[1], "ping") == 0) {
        bus_run(argv[2], ping_once, NULL, (guint)atoi(argv[3]));
    } else {
        fprintf(stderr, "usage: bench-unseal floor TCTI N | dbus ADDRESS NAME N | "
                        "ping ADDRESS N\n");
        return 2;
    }
    return 0;
}
