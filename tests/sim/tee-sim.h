/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A TEE that is not there: a file system that presents what Linux presents in a confidential VM,
 * and behind it a chip, its vendor and a host, which signs real formats with keys of its own and
 * tells every lie that it is told to tell.
 *
 * Below the mount point:
 *   config/tsm/report/                     configfs-tsm (drivers/virt/coco/guest/report.c)
 *   dev/sev-guest, dev/tdx_guest           the ioctls; pointers lead into the caller's memory
 *   sys/devices/virtual/misc/tdx_guest/measurements/   registers (tsm-mr.c); a write extends
 *   sys/firmware/acpi/tables/{CCEL,data/CCEL}          a log that explains RTMR0 to RTMR2
 *   sys/kernel/security/tpm0/binary_bios_measurements  if a TPM log was given
 *   control                                read: the switches, and how many reports were asked for;
 *                                          write: lines "NAME=VALUE"
 * What a machine of the type has not is not there. Attributes are hidden, and calls fail, as in
 * Linux; that inblob's fate is lost at close, too.
 *
 * In the state folder, written anew whenever a switch changes them:
 *   roots/{ark,intel-root}.pem             to be named as test roots
 *   collateral/                            what an administrator would import: ask.pem, asvk.pem,
 *                                          crl.der, leaf.der of SNP; tcb-info.json,
 *                                          qe-identity.json (answers of the PCS, and
 *                                          *-issuer-chain.pem), pck-chain.pem, root-crl.der,
 *                                          pck-crl.der of TDX
 *   hcl-report.bin                         what Azure's NV index 0x01400001 has, once EK and AK are
 *                                          given (Azure types)
 *
 * Needs /dev/fuse and fusermount3, which unmounts when the process dies, by whatever. A caller in
 * another process is read and written with process_vm_readv(): the simulator must be allowed to
 * trace it (root; the same user where Yama does not forbid it; one's own process always).
 *
 * All functions may be called from any thread. */

#include "tee/snp-report.h"

#include <glib.h>

typedef enum {
    TEE_SIM_NONE, /* a plain VM: no provider, no devices */
    TEE_SIM_SNP,
    TEE_SIM_TDX,
    TEE_SIM_AZURE_SNP, /* a paravisor's guest: no provider; the report is in the NV index */
    TEE_SIM_AZURE_TDX,
} TeeSimType;

typedef struct {
    TeeSimType type;
    CvsSnpLine line;       /* SNP; LINE_UNKNOWN: Genoa */
    gint64 now;            /* certificates are made around it; 0: the clock */
    const char *machine;   /* chip and TD with their secrets follow from it; NULL: "machine" */
    const char *state_dir; /* made if it is not there; NULL: nothing is written */
    const char *ccel;      /* a file with the log of a TD; NULL: one made here */
    const char *tpm_log;   /* a file; NULL: none */
} TeeSimConfig;

typedef struct _TeeSim TeeSim;

/* NULL if this machine lets us mount; else why not, for a skip. */
const char *tee_sim_is_impossible(void);

/* Each one is a VM started anew on the chip of that name: another REPORT_ID, registers as after
 * boot, another root. */
TeeSim *tee_sim_new(const TeeSimConfig *config, GError **error);
/* Stops and frees. */
void tee_sim_free(TeeSim *sim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TeeSim, tee_sim_free)

/* Mounts on a folder, made if it is not there. It is served by a process of its own, which ends
 * with this one, however that ends. */
gboolean tee_sim_start(TeeSim *sim, const char *mount_point, GError **error);
/* Unmounts, whoever has files open there: they get ENOTCONN. Does nothing if it is not mounted. */
void tee_sim_stop(TeeSim *sim);
/* MOUNT/path in a new string. */
char *tee_sim_path(TeeSim *sim, const char *path);

/* "NAME=VALUE" of tee-sim-switches.h, or of these: ek=FILE and ak=FILE, the public areas
 * (TPMT_PUBLIC, big-endian) of the vTPM's keys; user-data=HEX, 64 bytes, as if written to Azure's
 * NV index 0x01400002; reset=on: every lie off. InvalidArgument naming what would do. */
gboolean tee_sim_set(TeeSim *sim, const char *assignment, GError **error);
/* The same for one that cannot fail. */
void tee_sim_must(TeeSim *sim, const char *assignment);
/* Lines "NAME=VALUE". */
char *tee_sim_describe(TeeSim *sim);
/* The same as a file's contents would do: ek and ak. Either may be NULL: none. */
gboolean tee_sim_set_keys(TeeSim *sim, GBytes *ek, GBytes *ak, GError **error);

/* RTMR: extended with 48 bytes by another way than the measurement files, which show it late. */
void tee_sim_extend(TeeSim *sim, guint rtmr, const guint8 digest[static 48]);
/* The launch measurement of the guest, or of its SVSM or paravisor: what a profile lists. */
void tee_sim_measurement(TeeSim *sim, guint8 measurement[static 48]);
/* What the NV index has now; NULL without the keys. */
GBytes *tee_sim_hcl_report(TeeSim *sim);
/* A quote of Azure's quoting service (IMDS) for a TDREPORT's report data. */
GBytes *tee_sim_quote(TeeSim *sim, const guint8 report_data[static 64]);
/* A quote of another TD on a TD's platform, one that has a vTPM: MRTD and RTMR1 of its own, the
 * other RTMRs zero, unless told otherwise. */
typedef enum {
    TEE_SIM_TD_OTHER = 1 << 0,      /* of another one than that of the guest's vTPM */
    TEE_SIM_TD_GUEST = 1 << 1,      /* with the guest's MRTD */
    TEE_SIM_TD_DEBUG = 1 << 2,      /* which may be debugged */
    TEE_SIM_TD_MIGRATABLE = 1 << 3, /* which may be migrated */
    TEE_SIM_TD_FAMILY = 1 << 4,     /* on a family of platforms of which there is no collateral */
    TEE_SIM_TD_SIGNATURE = 1 << 5,  /* the signature does not hold */
} TeeSimTdFlags;
GBytes *tee_sim_vtpm_td_quote(TeeSim *sim, const guint8 report_data[static 64], guint flags);
/* What a profile lists of that TD: MRTD, RTMR1. */
void tee_sim_vtpm_td_measurements(TeeSim *sim, guint8 measurement[static 48],
                                  guint8 rtmr1[static 48]);
/* How many reports were asked for, by whichever way; refused ones too. */
guint tee_sim_requests(TeeSim *sim);
