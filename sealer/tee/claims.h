/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Claims: what is known about a TEE, as one flat JSON object whose members have the same names and
 * meanings whatever the TEE is. A claim that does not apply, or is not known, is absent: it is
 * never there with a made-up value. Claims say what a report says; whether it was verified is a
 * claim of its own, and a refused report has its claims too.
 *
 * Types: BOOL; INT; STRING; HEX, bytes as lower-case hexadecimal digits; MASK, a number of up to 64
 * bits as "0x" and lower-case digits without leading zeros; TIME, an INT of seconds since 1970. */

#include "base/json.h"

#include <glib.h>

/* X(name, type, one line) */
#define CVS_CLAIMS_COMMON(X)                                                                       \
    X("tee.type", STRING, "snp, tdx; none where there is no TEE")                                  \
    X("tee.verified", BOOL, "signature, chain and collateral hold: nothing was refused")           \
    X("tee.test_roots", BOOL, "roots that are not the vendor's were allowed")                      \
    X("tee.measurement", HEX, "launch measurement (SNP MEASUREMENT, TDX MRTD)")                    \
    X("tee.report_data", HEX, "64 bytes that the guest gave")                                      \
    X("tee.policy.debug", BOOL, "the host may read and change the guest's memory")                 \
    X("tee.policy.migrate_ma", BOOL, "a migration agent or service TD may move the guest")         \
    X("tee.collateral.not_after", TIME, "the first certificate of the chain ends then")

#define CVS_CLAIMS_SNP(X)                                                                          \
    X("tee.report_version", INT, "VERSION, 2 to 5")                                                \
    X("tee.line", STRING, "Milan, Genoa, Turin, Venice; version 2: once the chain has told")       \
    X("tee.cpuid", HEX, "combined family, model, stepping; version 3 on")                          \
    X("tee.guest_svn", INT, "GUEST_SVN of the ID block")                                           \
    X("tee.family_id", HEX, "FAMILY_ID of the ID block")                                           \
    X("tee.image_id", HEX, "IMAGE_ID of the ID block")                                             \
    X("tee.vmpl", INT, "the privilege level that the report was asked for")                        \
    X("tee.host_data", HEX, "HOST_DATA, chosen by the host at launch")                             \
    X("tee.id_key_digest", HEX, "SHA-384 of the key that signed the ID block; zero without one")   \
    X("tee.author_key_en", BOOL, "the ID key is certified by an author key")                       \
    X("tee.author_key_digest", HEX, "SHA-384 of the author key; zero without one")                 \
    X("tee.report_id", HEX, "the guest instance, new at each launch")                              \
    X("tee.report_id_ma", HEX, "REPORT_ID of the migration agent, all ff if there is none")        \
    X("tee.migration_agent", BOOL, "there is a migration agent")                                   \
    X("tee.chip_id", HEX, "CHIP_ID, 64 bytes, of family 1Ah the 8 that count; absent if masked")   \
    X("tee.mask_chip_key", BOOL, "the host forbade the chip's key: the report is not signed")      \
    X("tee.signing_key", STRING, "vcek, vlek, none, reserved")                                     \
    X("tee.csp_id", STRING, "the provider whom the VLEK belongs to")                               \
    X("tee.cert.product_name", STRING, "productName of the leaf certificate, to be shown")         \
    X("tee.cert.not_before", TIME, "the leaf certificate's notBefore")                             \
    X("tee.cert.not_after", TIME, "the leaf certificate's notAfter")                               \
    X("tee.crl", STRING, "the ASK's or ASVK's revocation list: missing, fresh, stale, bad")        \
    X("tee.crl.number", STRING, "its CRL number in hexadecimal digits")                            \
    X("tee.crl.this_update", TIME, "its thisUpdate")                                               \
    X("tee.crl.next_update", TIME, "its nextUpdate")                                               \
    X("tee.policy", MASK, "POLICY")                                                                \
    X("tee.policy.abi_major", INT, "least ABI version")                                            \
    X("tee.policy.abi_minor", INT, "least ABI version")                                            \
    X("tee.policy.smt", BOOL, "allowed where SMT is on")                                           \
    X("tee.policy.single_socket", BOOL, "only on one socket")                                      \
    X("tee.policy.cxl", BOOL, "CXL devices and memory allowed")                                    \
    X("tee.policy.mem_aes_256_xts", BOOL, "memory encryption with AES-256-XTS required")           \
    X("tee.policy.rapl_dis", BOOL, "power reporting must be off")                                  \
    X("tee.policy.ciphertext_hiding", BOOL, "ciphertext hiding required")                          \
    X("tee.policy.page_swap_disable", BOOL, "pages may not be swapped or moved by the host")       \
    X("tee.platform_info", MASK, "PLATFORM_INFO")                                                  \
    X("tee.platform_info.smt", BOOL, "SMT is on")                                                  \
    X("tee.platform_info.tsme", BOOL, "transparent SME is on")                                     \
    X("tee.platform_info.ecc", BOOL, "memory has ECC")                                             \
    X("tee.platform_info.rapl_dis", BOOL, "power reporting is off")                                \
    X("tee.platform_info.ciphertext_hiding", BOOL, "ciphertext hiding is on")                      \
    X("tee.platform_info.alias_check_complete", BOOL, "no aliased memory since the last reset")    \
    X("tee.platform_info.tio", BOOL, "SEV-TIO is on")                                              \
    X("tee.platform_info.unknown", MASK, "bits of PLATFORM_INFO without a known meaning")          \
    X("tee.tcb.current.fmc", INT, "CURRENT_TCB; fmc on Turin only, in each of the four")           \
    X("tee.tcb.current.bootloader", INT, "CURRENT_TCB")                                            \
    X("tee.tcb.current.tee", INT, "CURRENT_TCB")                                                   \
    X("tee.tcb.current.snp", INT, "CURRENT_TCB")                                                   \
    X("tee.tcb.current.microcode", INT, "CURRENT_TCB")                                             \
    X("tee.tcb.reported.fmc", INT, "REPORTED_TCB, which the signing key is derived from")          \
    X("tee.tcb.reported.bootloader", INT, "REPORTED_TCB")                                          \
    X("tee.tcb.reported.tee", INT, "REPORTED_TCB")                                                 \
    X("tee.tcb.reported.snp", INT, "REPORTED_TCB")                                                 \
    X("tee.tcb.reported.microcode", INT, "REPORTED_TCB")                                           \
    X("tee.tcb.committed.fmc", INT, "COMMITTED_TCB, below which the firmware cannot go back")      \
    X("tee.tcb.committed.bootloader", INT, "COMMITTED_TCB")                                        \
    X("tee.tcb.committed.tee", INT, "COMMITTED_TCB")                                               \
    X("tee.tcb.committed.snp", INT, "COMMITTED_TCB")                                               \
    X("tee.tcb.committed.microcode", INT, "COMMITTED_TCB")                                         \
    X("tee.tcb.launch.fmc", INT, "LAUNCH_TCB, the current one at launch or import")                \
    X("tee.tcb.launch.bootloader", INT, "LAUNCH_TCB")                                              \
    X("tee.tcb.launch.tee", INT, "LAUNCH_TCB")                                                     \
    X("tee.tcb.launch.snp", INT, "LAUNCH_TCB")                                                     \
    X("tee.tcb.launch.microcode", INT, "LAUNCH_TCB")                                               \
    X("tee.firmware.current.major", INT, "firmware version that runs")                             \
    X("tee.firmware.current.minor", INT, "firmware version that runs")                             \
    X("tee.firmware.current.build", INT, "firmware version that runs")                             \
    X("tee.firmware.committed.major", INT, "firmware version below which it cannot go back")       \
    X("tee.firmware.committed.minor", INT, "firmware version below which it cannot go back")       \
    X("tee.firmware.committed.build", INT, "firmware version below which it cannot go back")       \
    X("tee.mit_vector.launch", MASK, "mitigations at launch; version 5 on")                        \
    X("tee.mit_vector.current", MASK, "mitigations now; version 5 on")

typedef enum {
    CVS_CLAIM_BOOL,
    CVS_CLAIM_INT,
    CVS_CLAIM_STRING,
    CVS_CLAIM_HEX,
    CVS_CLAIM_MASK,
    CVS_CLAIM_TIME,
} CvsClaimType;

void cvs_claims_set_bool(json_t *claims, const char *name, gboolean value);
/* TIME too. */
void cvs_claims_set_int(json_t *claims, const char *name, gint64 value);
void cvs_claims_set_string(json_t *claims, const char *name, const char *value);
void cvs_claims_set_hex(json_t *claims, const char *name, const void *data, gsize size);
void cvs_claims_set_mask(json_t *claims, const char *name, guint64 value);
/* The value has the form of the type. */
gboolean cvs_claim_has_type(const json_t *value, CvsClaimType type);
