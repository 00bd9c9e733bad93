/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside the simulator. Everything here but the mount's own is called with sim->lock held. */

#include "sim/tee-sim-switches.h"
#include "sim/tee-sim.h"
#include "tee/snp-maker.h"
#include "tee/tdx-maker.h"

#define TEE_SIM_TD_REPORT_SIZE 1024
#define TEE_SIM_MRS 8 /* measurement files of a TD */

typedef struct _TeeSimMount TeeSimMount;

struct _TeeSim {
    GMutex lock;
    GCond changed; /* a switch, or that it is to end */
    gboolean ending;
    int link;   /* to the process that has the real one; -1: this is it */
    int server; /* its id */
    char *mount_point;
    TeeSimType type;
    CvsSnpLine line;
    gint64 now;
    char *machine;
    char *state_dir;
    guint sw[TEE_SIM_N_SWITCHES];
    guint requests;
    guint8 last_data[64]; /* report data of the request before */
    GBytes *ek, *ak;      /* TPMT_PUBLIC, or NULL */
    guint8 user_data[64]; /* of Azure's guest */
    guint8 old_user_data[64];

    /* SNP */
    SnpHierarchy *vendor;
    SnpHierarchy *impostor;   /* of the same name; made when it is needed */
    guint8 report_id[32];     /* of this launch */
    guint8 launch_secret[32]; /* VMRK */

    /* TDX */
    TdxMaker *maker;
    TdxPlatform *platform;
    TdxPlatform *impostor_platform;
    guint8 rtmr[4][48];
    guint8 shown[4][48]; /* what the measurement files have read */
    gboolean in_sync;    /* with rtmr, as far as the files know */

    GBytes *ccel; /* the log */
    GBytes *tpm_log;

    GHashTable *reports; /* names to TsmReport */
    GHashTable *handles; /* open files of the file system, which owns them; NULL without one */
    TeeSimMount *mount;
};

/* What follows from the machine's name: size bytes (at most 64) for a purpose. */
void tee_sim_derive(const TeeSim *sim, const char *purpose, guint8 *data, gsize size);
gboolean tee_sim_is_snp(const TeeSim *sim);
gboolean tee_sim_is_tdx(const TeeSim *sim);
/* The guest's own privilege level. */
guint tee_sim_vmpl(const TeeSim *sim);
/* Something is asked for, TEE_SIM_HANG_REPORT or TEE_SIM_HANG_KEY: 0, or the negative errno that
 * the host and the kernel make of it. While it is not answered the lock is given up. */
int tee_sim_request(TeeSim *sim, guint what);
/* The report data that the host puts into the report in place of those asked for. */
void tee_sim_report_data(TeeSim *sim, const guint8 asked[static 64], guint8 data[static 64]);
/* What is done to a signed report before it is handed out: a new array. */
GByteArray *tee_sim_spoil(const TeeSim *sim, const void *report, gsize size);
gboolean tee_sim_assign(TeeSim *sim, const char *assignment, GError **error);
char *tee_sim_list(const TeeSim *sim);
/* Writes the state folder; does nothing without one. */
gboolean tee_sim_write_state(TeeSim *sim, GError **error);

/* tee-sim-process.c. tee_sim_part() leaves the simulator to a process of its own, which
 * tee_sim_join() ends; tee_sim_ask() has it carry out what the letter stands for. */
gboolean tee_sim_part(TeeSim *sim, GError **error);
void tee_sim_join(TeeSim *sim);
GBytes *tee_sim_ask(TeeSim *sim, char letter, const void *data, gsize size, GError **error);
/* As tee_sim_new(), but in this process, which must then not use its own mount. */
TeeSim *tee_sim_new_here(const TeeSimConfig *config, GError **error);

/* tee-sim-snp.c */
#define TEE_SIM_SNP_INVALID_PARAMETER 0x16
void tee_sim_snp_init(TeeSim *sim);
void tee_sim_snp_clear(TeeSim *sim);
/* As MSG_REPORT_RSP: a status of the firmware, 0 if there is a report. by: the asking level. */
guint32 tee_sim_snp_report(TeeSim *sim, const guint8 data[static 64], guint vmpl, guint by,
                           guint8 report[static CVS_SNP_REPORT_SIZE]);
/* The host's certificate table; empty if it has none. */
GBytes *tee_sim_snp_certs(TeeSim *sim);
X509 *tee_sim_snp_leaf(TeeSim *sim);
const SnpHierarchy *tee_sim_snp_vendor(TeeSim *sim);
/* As MSG_KEY_REQ; fields in the order of the request. */
typedef struct {
    guint32 root_key;
    guint64 fields;
    guint32 vmpl;
    guint32 guest_svn;
    guint8 tcb[8];
} TeeSimKeyRequest;
guint32 tee_sim_snp_key(TeeSim *sim, const TeeSimKeyRequest *request, guint8 key[static 32]);

/* tee-sim-svsm.c: SVSM_ATTEST. guid as text in lower case; NULL: all services. FALSE for every
 * error, which Linux makes EINVAL of. */
gboolean tee_sim_svsm_attest(TeeSim *sim, const guint8 nonce[static 64], const guint8 *guid,
                             guint version, guint8 report[static CVS_SNP_REPORT_SIZE],
                             GBytes **ret_manifest);

/* tee-sim-tdx.c */
gboolean tee_sim_tdx_init(TeeSim *sim, GError **error);
void tee_sim_tdx_clear(TeeSim *sim);
/* A switch was set: platform and collateral follow it. */
void tee_sim_tdx_apply(TeeSim *sim);
GBytes *tee_sim_tdx_quote(TeeSim *sim, const guint8 data[static 64]);
/* tee_sim_vtpm_td_quote(). */
GBytes *tee_sim_tdx_other_quote(TeeSim *sim, const guint8 data[static 64], guint flags);
const TdxPlatform *tee_sim_tdx_platform(TeeSim *sim);
void tee_sim_tdx_report(TeeSim *sim, const guint8 data[static 64],
                        guint8 report[static TEE_SIM_TD_REPORT_SIZE]);
/* Measurement file number n, up to TEE_SIM_MRS. */
const char *tee_sim_tdx_mr_name(guint n);
gboolean tee_sim_tdx_mr_writable(guint n);
void tee_sim_tdx_mr_read(TeeSim *sim, guint n, guint8 value[static 48]);
/* Past the measurement files. */
void tee_sim_tdx_extend(TeeSim *sim, guint rtmr, const guint8 digest[static 48]);
void tee_sim_tdx_mr_extend(TeeSim *sim, guint n, const guint8 digest[static 48]);

/* tee-sim-ccel.c: the log that boot wrote, of an area's size. */
GBytes *tee_sim_ccel_new(void);
/* The ACPI table that points to it. */
GBytes *tee_sim_ccel_table(const TeeSim *sim);

/* tee-sim-azure.c: NULL without the keys. */
GBytes *tee_sim_azure_report(TeeSim *sim);

/* tee-sim-tsm.c: configfs-tsm. A report is a private folder. Attributes by number. */
typedef struct _TsmReport TsmReport;
typedef struct _TsmFile TsmFile; /* an open attribute */
void tsm_report_unref(TsmReport *report);
/* Negative errno, or 0. */
int tsm_mkdir(TeeSim *sim, const char *name);
int tsm_rmdir(TeeSim *sim, const char *name);
#define TSM_ATTRIBUTES 11
const char *tsm_attribute_name(guint attribute);
/* -1: there is none of that name, or it is hidden here. */
int tsm_attribute_find(const TeeSim *sim, const char *name);
gboolean tsm_attribute_visible(const TeeSim *sim, guint attribute);
guint tsm_attribute_mode(guint attribute);
guint tsm_attribute_size(guint attribute);
/* A new reference is kept by the file. */
TsmFile *tsm_open(TeeSim *sim, TsmReport *report, guint attribute);
gssize tsm_read(TeeSim *sim, TsmFile *file, char *data, gsize size, guint64 offset);
gssize tsm_write(TeeSim *sim, TsmFile *file, const char *data, gsize size, guint64 offset);
/* close(): what a binary attribute was given is taken, and what becomes of it nobody learns. */
void tsm_flush(TeeSim *sim, TsmFile *file);
void tsm_close(TsmFile *file);

/* tee-sim-dev.c: data is the argument's copy, at the place arg of the process pid. */
int tee_sim_sev_ioctl(TeeSim *sim, guint cmd, guint8 *data, guint64 arg, int pid);
int tee_sim_tdx_ioctl(TeeSim *sim, guint cmd, guint8 *data);

/* tee-sim-fs.c */
/* Whoever made the present request has been sent a signal. */
gboolean tee_sim_interrupted(void);
struct fuse_operations;
extern const struct fuse_operations tee_sim_operations;

/* tee-sim-mount.c */
TeeSimMount *tee_sim_mount_new(TeeSim *sim, const char *path, GError **error);
void tee_sim_mount_free(TeeSimMount *mount);
