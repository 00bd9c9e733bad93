/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Claims of Azure's paravisor, beside those of the hardware report that it comes with. They are the
 * paravisor's word, as much worth as the hardware report: nothing where hcl.bound is false or
 * tee.verified is. */

#include "tee/claims.h"
#include "tee/hcl-report.h"

#define CVS_CLAIMS_HCL(X)                                                                          \
    X("hcl.version", INT, "of the header, 1 or 2")                                                 \
    X("hcl.hash", STRING, "sha256, sha384, sha512: how the claims are bound")                      \
    X("hcl.bound", BOOL, "the hardware report was made for exactly these claims")                  \
    X("hcl.ak_modulus", HEX, "HCLAkPub, the vTPM's RSA attestation key; exponent 65537")           \
    X("hcl.ak_signs", BOOL, "its key_ops have sign; older firmware says encrypt of every key")     \
    X("hcl.ek_modulus", HEX, "HCLEkPub, the vTPM's RSA endorsement key; exponent 65537")           \
    X("hcl.user_data", HEX, "64 bytes that the guest wrote to NV 0x01400002: its freshness")       \
    X("hcl.vm_id", STRING, "vmUniqueId")                                                           \
    X("hcl.secure_boot", BOOL, "secure-boot")                                                      \
    X("hcl.tpm_enabled", BOOL, "tpm-enabled")                                                      \
    X("hcl.tpm_persisted", BOOL, "tpm-persisted: the report is not suppressed; no proof of state") \
    X("hcl.console_enabled", BOOL, "console-enabled")                                              \
    X("hcl.interactive_console_enabled", BOOL, "interactive-console-enabled")                      \
    X("hcl.filtered_vpci_devices_allowed", BOOL, "filtered-vpci-devices-allowed")                  \
    X("hcl.root_cert_thumbprint", STRING, "root-cert-thumbprint")                                  \
    X("hcl.hardware_sealing_policy", STRING, "hardware-sealing-policy: none, hash, signer")

/* Adds them; bound: what cvs_hcl_report_check_binding() found. */
void cvs_hcl_claims_add(json_t *claims, const CvsHclReport *report, gboolean bound);
