/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/hcl-claims.h"

static const struct {
    const char *claim;
    const char *member;
} bools[] = {
    {"hcl.secure_boot", "secure-boot"},
    {"hcl.tpm_enabled", "tpm-enabled"},
    {"hcl.tpm_persisted", "tpm-persisted"},
    {"hcl.console_enabled", "console-enabled"},
    {"hcl.interactive_console_enabled", "interactive-console-enabled"},
    {"hcl.filtered_vpci_devices_allowed", "filtered-vpci-devices-allowed"},
};

static const struct {
    const char *claim;
    const char *member;
} strings[] = {
    {"hcl.vm_id", "vmUniqueId"},
    {"hcl.root_cert_thumbprint", "root-cert-thumbprint"},
    {"hcl.hardware_sealing_policy", "hardware-sealing-policy"},
};

static void
set_modulus(json_t *claims, const char *name, const CvsHclKey *key)
{
    if (key->n)
        cvs_claims_set_hex(claims, name, g_bytes_get_data(key->n, NULL), g_bytes_get_size(key->n));
}

void
cvs_hcl_claims_add(json_t *claims, const CvsHclReport *report, gboolean bound)
{
    cvs_claims_set_int(claims, "hcl.version", report->version);
    cvs_claims_set_string(claims, "hcl.hash", cvs_hash_name(report->hash));
    cvs_claims_set_bool(claims, "hcl.bound", bound);
    set_modulus(claims, "hcl.ak_modulus", &report->ak);
    cvs_claims_set_bool(claims, "hcl.ak_signs", report->ak.signs);
    set_modulus(claims, "hcl.ek_modulus", &report->ek);
    if (report->has_user_data)
        cvs_claims_set_hex(claims, "hcl.user_data", report->user_data, sizeof report->user_data);
    for (gsize i = 0; i < G_N_ELEMENTS(bools); i++) {
        gboolean value = FALSE;

        if (cvs_hcl_report_get_bool(report, bools[i].member, &value))
            cvs_claims_set_bool(claims, bools[i].claim, value);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++) {
        const char *value = cvs_hcl_report_get_string(report, strings[i].member);

        if (value)
            cvs_claims_set_string(claims, strings[i].claim, value);
    }
}
