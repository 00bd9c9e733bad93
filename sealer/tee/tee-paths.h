/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where Linux has what it has of a TEE, and we what belongs to it. All of it can be elsewhere, by
 * the configuration. */

#include "base/daemon-config.h"

#include <glib.h>

typedef struct {
    char *configfs;     /* /sys/kernel/config/tsm/report */
    char *sev_guest;    /* /dev/sev-guest */
    char *sev_vmpl;     /* /sys/devices/system/cpu/sev/vmpl, the kernel's VMPL */
    char *tdx_guest;    /* /dev/tdx_guest */
    char *measurements; /* /sys/devices/virtual/misc/tdx_guest/measurements */
    char *ccel_table;   /* /sys/firmware/acpi/tables/CCEL */
    char *ccel_data;    /* /sys/firmware/acpi/tables/data/CCEL */
    char *tpm_log;      /* /sys/kernel/security/tpm0/binary_bios_measurements */
    char *system_log;   /* /run/log/systemd/tpm2-measure.log, what systemd has measured */
    char *run_dir;      /* CVS_RUN_DIR; shared by all programs that ask this TEE */
    char *collateral;   /* CVS_STATE_DIR "/collateral", the store; tee/collateral-store.h */
} CvsTeePaths;

/* config NULL, and what it leaves out: as above. */
CvsTeePaths *cvs_tee_paths_new(const CvsConfig *config);
CvsTeePaths *cvs_tee_paths_copy(const CvsTeePaths *paths);
void cvs_tee_paths_free(CvsTeePaths *paths);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTeePaths, cvs_tee_paths_free)
