/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tee-paths.h"

#include "config.h"

static const CvsTeePaths usual = {
    .configfs = (char *)"/sys/kernel/config/tsm/report",
    .sev_guest = (char *)"/dev/sev-guest",
    .sev_vmpl = (char *)"/sys/devices/system/cpu/sev/vmpl",
    .tdx_guest = (char *)"/dev/tdx_guest",
    .measurements = (char *)"/sys/devices/virtual/misc/tdx_guest/measurements",
    .ccel_table = (char *)"/sys/firmware/acpi/tables/CCEL",
    .ccel_data = (char *)"/sys/firmware/acpi/tables/data/CCEL",
    .tpm_log = (char *)"/sys/kernel/security/tpm0/binary_bios_measurements",
    .system_log = (char *)"/run/log/systemd/tpm2-measure.log",
    .run_dir = (char *)CVS_RUN_DIR,
    .collateral = (char *)CVS_STATE_DIR "/collateral",
};

CvsTeePaths *
cvs_tee_paths_copy(const CvsTeePaths *paths)
{
    CvsTeePaths *copy = g_new0(CvsTeePaths, 1);

#define X(member, key) copy->member = g_strdup(paths->member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    return copy;
}

CvsTeePaths *
cvs_tee_paths_new(const CvsConfig *config)
{
    CvsTeePaths *paths = cvs_tee_paths_copy(&usual);

    if (config == NULL)
        return paths;
#define X(member, key)                                                                             \
    if (config->tee.member) {                                                                      \
        g_free(paths->member);                                                                     \
        paths->member = g_strdup(config->tee.member);                                              \
    }
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    return paths;
}

void
cvs_tee_paths_free(CvsTeePaths *paths)
{
    if (paths == NULL)
        return;
#define X(member, key) g_free(paths->member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    g_free(paths);
}
