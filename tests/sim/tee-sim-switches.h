/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The switches of the simulator: what the machine is, and the lies of its host.
 *
 * X(symbol, name, values, default, one line). values: names separated by '|', the default being the
 * number of one, or NULL for a number. */

#define OFF_ON "off|on"

#define TEE_SIM_HONEST(X)                                                                          \
    X(SVSM, "svsm", OFF_ON, 0, "an SVSM runs at VMPL 0 and has a vTPM")                            \
    X(VMPL, "vmpl", NULL, 0, "the guest's own privilege level; at least 1 under an SVSM")          \
    X(REPORT_VERSION, "report-version", NULL, 3, "of SNP reports: 2 to 5")                         \
    X(SIGNER, "signer", "vcek|vlek", 0, "which key signs SNP reports")                             \
    X(CERTS, "certs", "none|leaf|chain", 1, "what the host's certificate table has")               \
    X(MANIFEST_V1, "manifest-v1", OFF_ON, 0, "the SVSM knows manifest version 1 (EK and AK)")      \
    X(QUOTE_VERSION, "quote-version", NULL, 4, "of TD quotes: 4 or 5")

#define TEE_SIM_LIES(X)                                                                            \
    /* what a request ends with */                                                                 \
    X(BUSY, "busy", NULL, 0, "so many next requests end with EBUSY")                               \
    X(FAIL_ONCE, "fail-once", "none|EIO|ENXIO|EINVAL|ETIMEDOUT|EBADMSG|EINTR", 0,                  \
      "the next request ends so; EIO, ETIMEDOUT and EBADMSG wipe an SNP guest's key")              \
    X(HANG, "hang", "none|report|key", 0, "requests for it are not answered until this is over")   \
    X(WIPED, "wiped", OFF_ON, 0, "an SNP guest's VMPCK is wiped: ENOTTY until it is off again")    \
    X(NO_TDREPORT, "no-tdreport", OFF_ON, 0, "TDX_CMD_GET_REPORT0 ends with EIO")                  \
    X(EMPTY_OUTBLOB, "empty-outblob", OFF_ON, 0, "a report of no bytes, and no error")             \
    X(TRAILING, "trailing", NULL, 0, "so many bytes behind the report; above 16 MiB: EFBIG")       \
    X(BAD_AUXBLOB, "bad-auxblob", OFF_ON, 0, "the certificate table points out of itself")         \
    X(FLIP, "flip", NULL, 0, "the lowest bit of byte N-1 of the signed report is turned over")     \
    X(ZERO_KEY, "zero-key", OFF_ON, 0, "derived keys are zero, and the status is good")            \
    /* the report */                                                                               \
    X(WRONG_REPORT_DATA, "wrong-report-data", OFF_ON, 0, "report data that nobody asked for")      \
    X(STALE_REPORT, "stale-report", OFF_ON, 0, "the report data of the request before")            \
    X(OTHER_GUEST, "other-guest", OFF_ON, 0, "of a guest with another measurement")                \
    X(DEBUG, "debug", OFF_ON, 0, "the guest may be debugged")                                      \
    X(MIGRATION, "migration", OFF_ON, 0, "a migration agent; a TD: MIGRATABLE")                    \
    X(BAD_SIGNATURE, "bad-signature", OFF_ON, 0, "the signature does not hold")                    \
    X(OTHER_CHIP, "other-chip", OFF_ON, 0, "CHIP_ID of another chip than the leaf's")              \
    X(WRONG_LINE, "wrong-line", OFF_ON, 0, "the CPU of another line than the chain's")             \
    X(LOW_TCB, "low-tcb", "none|fmc|bootloader|tee|snp|microcode", 0,                              \
      "one less in this component, in report and leaf")                                            \
    X(SMT, "smt", OFF_ON, 0, "SMT is on")                                                          \
    X(MASK_CHIP_KEY, "mask-chip-key", OFF_ON, 0, "the host forbids the chip's key: no signature")  \
    X(MASK_CHIP_ID, "mask-chip-id", OFF_ON, 0, "CHIP_ID is zero")                                  \
    X(WRONG_VMPL, "wrong-vmpl", OFF_ON, 0, "another VMPL than the one asked for")                  \
    X(MANIFEST, "manifest", "honest|other-ek|other-ak|truncated|trailing", 0,                      \
      "the SVSM's manifest, attested as it is")                                                    \
    X(SERVICE_TD, "service-td", OFF_ON, 0, "a service TD is bound")                                \
    X(ZERO_RTMRS, "zero-rtmrs", OFF_ON, 0, "nothing was measured into the RTMRs")                  \
    X(HCL, "hcl", "honest|claims-edited|stale", 0, "the paravisor's report")                       \
    /* certificates and collateral */                                                              \
    X(OTHER_LEAF, "other-leaf", OFF_ON, 0, "the leaf of another chip")                             \
    X(WRONG_LEAF_KIND, "wrong-leaf-kind", OFF_ON, 0, "a VLEK's certificate for a VCEK, or so")     \
    X(SWAPPED_CA, "swapped-ca", OFF_ON, 0, "the VCEK issued by the ASVK, or the VLEK by the ASK")  \
    X(LEAF_TCB, "leaf-tcb", OFF_ON, 0, "the leaf is for another TCB than the reported one")        \
    X(LEAF_DATES, "leaf-dates", "good|expired|future", 0, "when the leaf or PCK is valid")         \
    X(REVOKED, "revoked", "none|ca|leaf|signer", 0,                                                \
      "what the CRLs list: ASK and ASVK; of a TD "                                                 \
      "PCK CA, PCK, TCB signer")                                                                   \
    X(STALE_CRL, "stale-crl", OFF_ON, 0, "the CRLs are out of date")                               \
    X(OTHER_ROOT, "other-root", OFF_ON, 0, "the chain of another root of the same name")           \
    X(OTHER_FMSPC, "other-fmspc", OFF_ON, 0, "the TCB info of another family of platforms")        \
    X(COLLATERAL, "collateral", "fresh|older|expired|future", 0,                                   \
      "older: with a lower tcbEvaluationDataNumber")                                               \
    X(TCB_STATUS, "tcb-status",                                                                    \
      "UpToDate|SWHardeningNeeded|ConfigurationNeeded|ConfigurationAndSWHardeningNeeded|"          \
      "OutOfDate|OutOfDateConfigurationNeeded|Revoked",                                            \
      0, "what TCB info says of the platform")                                                     \
    X(NO_MODULE_IDENTITY, "no-module-identity", OFF_ON, 0, "Intel lists no such TDX module")       \
    X(QE, "qe", "honest|identity|report-data|signature", 0, "the quoting enclave")                 \
    X(REPORTED_LAGS, "reported-lags", OFF_ON, 0, "REPORTED_TCB stays below the committed one")

#define TEE_SIM_SWITCHES(X) TEE_SIM_HONEST(X) TEE_SIM_LIES(X)

typedef enum {
#define X(symbol, name, values, start, text) TEE_SIM_##symbol,
    TEE_SIM_SWITCHES(X)
#undef X
        TEE_SIM_N_SWITCHES
} TeeSimSwitch;

/* Of "leaf-dates" and others, in the order of the table. */
enum { TEE_SIM_HANG_NONE, TEE_SIM_HANG_REPORT, TEE_SIM_HANG_KEY };
enum { TEE_SIM_CERTS_NONE, TEE_SIM_CERTS_LEAF, TEE_SIM_CERTS_CHAIN };
enum { TEE_SIM_DATES_GOOD, TEE_SIM_DATES_EXPIRED, TEE_SIM_DATES_FUTURE };
enum { TEE_SIM_REVOKED_NONE, TEE_SIM_REVOKED_CA, TEE_SIM_REVOKED_LEAF, TEE_SIM_REVOKED_SIGNER };
enum {
    TEE_SIM_MANIFEST_HONEST,
    TEE_SIM_MANIFEST_OTHER_EK,
    TEE_SIM_MANIFEST_OTHER_AK,
    TEE_SIM_MANIFEST_TRUNCATED,
    TEE_SIM_MANIFEST_TRAILING,
};
enum { TEE_SIM_HCL_HONEST, TEE_SIM_HCL_CLAIMS_EDITED, TEE_SIM_HCL_STALE };
enum {
    TEE_SIM_COLLATERAL_FRESH,
    TEE_SIM_COLLATERAL_OLDER,
    TEE_SIM_COLLATERAL_EXPIRED,
    TEE_SIM_COLLATERAL_FUTURE,
};
enum { TEE_SIM_QE_HONEST, TEE_SIM_QE_IDENTITY, TEE_SIM_QE_REPORT_DATA, TEE_SIM_QE_SIGNATURE };
