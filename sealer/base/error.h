/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errors, reasons and exit codes: the whole vocabulary in which cvmseal refuses.
 *
 * An error has a name that a client can act on (CvsErrorCode), a message for a person, and any
 * number of reasons: what exactly was found, as a stable code with the value seen and the value
 * wanted. The names go over D-Bus as org.cvmseal1.Error.NAME; org.cvmseal1(5) lists both tables,
 * and a test holds that page against this file.
 *
 * Nothing secret may be put into an error or a reason: both are logged and shown.
 */

#include <glib.h>

/* X(symbol, name, exit code of the CLI, one line for the manual) */
#define CVS_ERRORS(X)                                                                              \
    X(FAILED, "Failed", 1, "an error of our own or of the system; the message says which")         \
    X(NO_SUCH_KEY, "NoSuchKey", 1, "this owner has no key of that name")                           \
    X(KEY_EXISTS, "KeyExists", 1, "a key of that name is there and replacing it was not asked")    \
    X(INVALID_ARGUMENT, "InvalidArgument", 2, "a name, option or value that is not allowed")       \
    X(NOT_AUTHORIZED, "NotAuthorized", 4, "the caller may not do this")                            \
    X(TOO_LARGE, "TooLarge", 2, "more than the limit says")                                        \
    X(BAD_FORMAT, "BadFormat", 5, "a file or a message is malformed, damaged or was changed")      \
    X(PCR_MISMATCH, "PcrMismatch", 3, "PCRs differ from those the key was sealed to")              \
    X(REGISTER_MISMATCH, "RegisterMismatch", 3, "an RTMR differs from the one sealed to")          \
    X(ATTESTATION_FAILED, "AttestationFailed", 3, "no valid attestation could be made")            \
    X(TEE_REFUSED, "TeeRefused", 3, "the profile or the key's conditions refuse this TEE")         \
    X(TCB_TOO_OLD, "TcbTooOld", 3, "the TCB is below a floor, or has a status that is refused")    \
    X(VTPM_NOT_TRUSTED, "VtpmNotTrusted", 3, "nothing proves that the TPM lives in this TEE")      \
    X(TPM_REPLACED, "TpmReplaced", 3, "this is not the TPM that the key was sealed with")          \
    X(TPM_LOCKOUT, "TpmLockout", 3, "too many wrong PINs: the TPM refuses for a while")            \
    X(TPM_UNAVAILABLE, "TpmUnavailable", 1, "the TPM does not answer, or answers nonsense")        \
    X(PIN_REQUIRED, "PinRequired", 3, "the key was sealed with a PIN and none was given")          \
    X(PIN_WRONG, "PinWrong", 3, "the PIN is wrong")                                                \
    X(PCR_UNMEASURED, "PcrUnmeasured", 3, "a selected PCR is unmeasured or can be reset")          \
    X(COLLATERAL_MISSING, "CollateralMissing", 3, "certificates or TCB data are missing")          \
    X(COLLATERAL_EXPIRED, "CollateralExpired", 3, "certificates or TCB data are out of date")      \
    X(STORAGE_ERROR, "StorageError", 1, "the disk or the file system failed")                      \
    X(BUSY, "Busy", 1, "too many requests in flight, or the key is being changed: try again")      \
    X(NOT_SUPPORTED, "NotSupported", 1, "this machine or this build cannot do that")

typedef enum {
#define X(symbol, name, exit, text) CVS_ERROR_##symbol,
    CVS_ERRORS(X)
#undef X
        CVS_N_ERRORS
} CvsErrorCode;

/* X(symbol, code, one line for the manual). Codes are stable: never renamed, never reused. */
#define CVS_REASONS(X)                                                                             \
    X(PCR_DIFFERS, "PcrDiffers", "the PCR's value is not the one sealed to")                       \
    X(PCR_ZERO, "PcrZero", "the PCR is all 0x00: nothing was measured into it")                    \
    X(PCR_ONES, "PcrOnes", "the PCR is all 0xff: it was never started")                            \
    X(PCR_RESETTABLE, "PcrResettable", "the PCR can be reset by software")                         \
    X(PCR_BANK_MISSING, "PcrBankMissing", "the TPM has no such PCR in this bank")                  \
    X(PCR_STATE_UNKNOWN, "PcrStateUnknown", "the values at sealing are not known any more")        \
    X(PCR_NOT_SELECTED, "PcrNotSelected", "the profile wants this PCR and the key has it not")     \
    X(SRK_CHANGED, "SrkChanged", "the storage root key has another Name")                          \
    X(SRK_UNFIT, "SrkUnfit", "the key at the SRK's handle lacks a property of a root key")         \
    X(SLOT_ALTERED, "SlotAltered", "the slot does not belong to this key or was edited")           \
    X(POLICY_DIFFERS, "PolicyDiffers", "the object's policy is not the one its slot describes")    \
    X(LOCKED_OUT, "LockedOut", "dictionary-attack protection is active")                           \
    X(PIN_REQUIRED_BY_PROFILE, "PinRequiredByProfile",                                             \
      "the profile wants a PIN, the key has none")                                                 \
    X(PROFILE_MISSING, "ProfileMissing", "the profile that the key names is not installed")        \
    X(RECOVERY_REQUIRED, "RecoveryRequired", "the profile wants a recovery key")                   \
    X(OWNER_DIFFERS, "OwnerDiffers", "the file belongs to another owner or name")                  \
    X(NO_SLOT_OPENS, "NoSlotOpens", "none of the key's slots opens here")                          \
    X(COLLATERAL_MISSING, "CollateralMissing", "a certificate or TCB data is not there")           \
    X(ROOT_UNTRUSTED, "RootUntrusted", "the chain ends in a root that is not a pinned one")        \
    X(CHAIN_INCOMPLETE, "ChainIncomplete", "the issuer of a certificate is not there")             \
    X(CERT_SIGNATURE, "CertSignature", "a certificate is not signed by its issuer")                \
    X(CERT_EXPIRED, "CertExpired", "a certificate has expired")                                    \
    X(CERT_NOT_YET_VALID, "CertNotYetValid", "a certificate is not valid yet")                     \
    X(CERT_REVOKED, "CertRevoked", "a certificate is on its issuer's revocation list")             \
    X(CERT_UNFIT, "CertUnfit", "a certificate may not be used for what it is used for")            \
    X(CRL_STALE, "CrlStale", "the revocation list is out of date")                                 \
    X(CRL_INVALID, "CrlInvalid", "the revocation list is not its issuer's, or not usable")         \
    X(REPORT_SIGNATURE, "ReportSignature", "the report is not signed by the certificate's key")    \
    X(SIGNER_UNKNOWN, "SignerUnknown", "the report names no key that could have signed it")        \
    X(SIGNER_MISMATCH, "SignerMismatch", "the certificate is of another kind than the signer")     \
    X(ISSUER_MISMATCH, "IssuerMismatch", "the leaf's issuer is not the one for its kind")          \
    X(LEAF_MALFORMED, "LeafMalformed", "the leaf certificate lacks what its kind must have")       \
    X(CHIP_MISMATCH, "ChipMismatch", "the certificate belongs to another chip")                    \
    X(CHIP_MASKED, "ChipMasked", "the chip id is masked: nothing ties report and certificate")     \
    X(TCB_MISMATCH, "TcbMismatch", "the certificate's TCB is not the reported one")                \
    X(LINE_MISMATCH, "LineMismatch", "report and certificates are of different product lines")     \
    X(LINE_UNKNOWN, "LineUnknown", "there is no root for this product line")                       \
    X(LOG_TRUNCATED, "LogTruncated", "a record of the event log runs past its end")                \
    X(LOG_MALFORMED, "LogMalformed", "the event log breaks its format")                            \
    X(TD_REPORT_HASH, "TdReportHash", "a part of the TDREPORT is not what its hash says")          \
    X(HCL_BINDING, "HclBinding", "the paravisor's claims are not those of the hardware report")    \
    X(QUOTE_MISMATCH, "QuoteMismatch", "the TD quote is not of the given TDREPORT")                \
    X(QUOTE_UNSUPPORTED, "QuoteUnsupported", "the quote is of a kind that is not verified here")   \
    X(QUOTE_MALFORMED, "QuoteMalformed", "the quote breaks its format")                            \
    X(QUOTE_SIGNATURE, "QuoteSignature", "the quote is not signed by its attestation key")         \
    X(QUOTE_MISSING, "QuoteMissing", "a TDREPORT came without the quote that would prove it")      \
    X(NOT_VERIFIABLE, "NotVerifiable", "a TDREPORT proves nothing away from its machine")          \
    X(QE_REPORT_SIGNATURE, "QeReportSignature",                                                    \
      "the PCK did not sign the quoting enclave's report")                                         \
    X(QE_REPORT_DATA, "QeReportData", "the quoting enclave does not vouch for this key")           \
    X(QE_IDENTITY_MISMATCH, "QeIdentityMismatch", "the quoting enclave is not Intel's")            \
    X(QE_IDENTITY_SIGNATURE, "QeIdentitySignature", "the QE identity is not signed by Intel")      \
    X(TCB_INFO_SIGNATURE, "TcbInfoSignature", "the TCB info is not signed by Intel")               \
    X(TCB_INFO_MISMATCH, "TcbInfoMismatch", "the collateral is for another kind of TEE")           \
    X(FMSPC_MISMATCH, "FmspcMismatch", "the TCB info is for another family of platforms")          \
    X(PCE_ID_MISMATCH, "PceIdMismatch", "the TCB info is for another PCE")                         \
    X(COLLATERAL_EXPIRED, "CollateralExpired", "TCB info or QE identity is out of date")           \
    X(COLLATERAL_NOT_YET_VALID, "CollateralNotYetValid", "the collateral is from the future")      \
    X(COLLATERAL_ROLLBACK, "CollateralRollback", "newer collateral was already seen")              \
    X(TDX_MODULE_UNKNOWN, "TdxModuleUnknown", "Intel lists no TDX module of this version")         \
    X(TDX_MODULE_MISMATCH, "TdxModuleMismatch", "the TDX module has another signer or attributes") \
    X(TCB_NOT_SUPPORTED, "TcbNotSupported", "below every TCB level that Intel lists")              \
    X(TCB_REVOKED, "TcbRevoked", "Intel has revoked this TCB level")                               \
    X(SLOT_FORGED, "SlotForged", "the slot's MAC is not that of this key: the file was changed")   \
    X(NOT_VERIFIED, "NotVerified", "nothing shows that the report was verified")                   \
    X(CLAIM_MISSING, "ClaimMissing", "a rule of the profile is about a claim that is not there")   \
    X(CLAIM_MALFORMED, "ClaimMalformed", "a claim has another type than it must have")             \
    X(TEE_TYPE_REFUSED, "TeeTypeRefused", "the profile does not take this kind of TEE")            \
    X(MEASUREMENT_UNLISTED, "MeasurementUnlisted",                                                 \
      "the profile does not list the launch measurement")                                          \
    X(DEBUG_ALLOWED, "DebugAllowed", "the host may read and change the guest's memory")            \
    X(MIGRATION_ALLOWED, "MigrationAllowed", "a migration agent or service TD may move the guest") \
    X(SMT_ALLOWED, "SmtAllowed", "SMT is on, or the guest may run where it is on")                 \
    X(TEST_ROOTS, "TestRoots", "test roots were allowed, and the profile does not take them")      \
    X(LINE_REFUSED, "LineRefused", "the profile does not take this product line")                  \
    X(TCB_BELOW_FLOOR, "TcbBelowFloor", "a component of REPORTED_TCB is below its floor")          \
    X(FIRMWARE_TOO_OLD, "FirmwareTooOld", "the SNP firmware is older than the profile wants")      \
    X(GUEST_SVN_TOO_LOW, "GuestSvnTooLow", "GUEST_SVN of the ID block is below its floor")         \
    X(VMPL_REFUSED, "VmplRefused", "the report was made for another privilege level")              \
    X(SIGNING_KEY_REFUSED, "SigningKeyRefused",                                                    \
      "the profile does not take this kind of signing key")                                        \
    X(CHIP_UNLISTED, "ChipUnlisted",                                                               \
      "the profile does not list the chip, or the report names none")                              \
    X(PROVIDER_UNLISTED, "ProviderUnlisted", "the profile does not list the provider of the VLEK") \
    X(ID_KEY_UNLISTED, "IdKeyUnlisted", "the profile does not list the key of the ID block")       \
    X(AUTHOR_KEY_UNLISTED, "AuthorKeyUnlisted", "the profile does not list the author key")        \
    X(HOST_DATA_UNLISTED, "HostDataUnlisted", "the profile does not list the HOST_DATA")           \
    X(POLICY_BIT_REFUSED, "PolicyBitRefused",                                                      \
      "a bit of the guest policy is not as the profile wants it")                                  \
    X(PLATFORM_REFUSED, "PlatformRefused",                                                         \
      "a bit of PLATFORM_INFO is not as the profile wants it")                                     \
    X(MITIGATION_MISSING, "MitigationMissing",                                                     \
      "the firmware lacks a mitigation that the profile wants")                                    \
    X(TCB_STATUS_REFUSED, "TcbStatusRefused", "the profile does not take this TCB status")         \
    X(TCB_DATE_TOO_OLD, "TcbDateTooOld", "the TCB level is older than the profile wants")          \
    X(SEAM_UNLISTED, "SeamUnlisted", "the profile does not list the TDX module")                   \
    X(ATTRIBUTES_REFUSED, "AttributesRefused", "a bit of TDATTRIBUTES is not as it must be")       \
    X(XFAM_REFUSED, "XfamRefused", "a bit of XFAM is not as the profile wants it")                 \
    X(CONFIG_ID_UNLISTED, "ConfigIdUnlisted", "the profile does not list the MRCONFIGID")          \
    X(OWNER_UNLISTED, "OwnerUnlisted", "the profile does not list the MROWNER")                    \
    X(OWNER_CONFIG_UNLISTED, "OwnerConfigUnlisted", "the profile does not list the MROWNERCONFIG") \
    X(RTMR_DIFFERS, "RtmrDiffers", "the RTMR's value is not one that profile or key take")         \
    X(RTMRS_UNUSED, "RtmrsUnused", "all RTMRs are zero here, so that they describe nothing")       \
    X(SERVICE_TD_UNLISTED, "ServiceTdUnlisted", "the profile does not list the bound service TDs") \
    X(CRL_MISSING, "CrlMissing", "the profile wants a revocation list and there is none")          \
    X(COLLATERAL_TOO_OLD, "CollateralTooOld", "the collateral is older than the profile wants")    \
    X(NOT_ATTESTED, "NotAttested", "the profile asks for a TEE, and none was attested")            \
    X(MALFORMED, "Malformed", "a file breaks its format")                                          \
    X(REPORT_DATA_MISMATCH, "ReportDataMismatch", "the report was made for other report data")     \
    X(HCL_VMPL, "HclVmpl", "the report is not the paravisor's: it was made for another VMPL")      \
    X(PROVIDER_UNKNOWN, "ProviderUnknown", "the kernel's TEE is of a kind that is not known here") \
    X(ANSWER_EMPTY, "AnswerEmpty", "firmware or host gave nothing instead of a report or key")     \
    X(ANSWER_DIFFERS, "AnswerDiffers", "a report is not the one that was asked for")               \
    X(REQUEST_OVERTAKEN, "RequestOvertaken", "another program wrote into our request to the TEE")  \
    X(TEE_CHANNEL_CLOSED, "TeeChannelClosed",                                                      \
      "the kernel asks the secure processor no more until the next reboot")                        \
    X(TPM_QUOTE_MALFORMED, "TpmQuoteMalformed", "the TPM's quote breaks its format")               \
    X(TPM_QUOTE_MAGIC, "TpmQuoteMagic", "what was signed as a TPM's quote was not made by a TPM")  \
    X(TPM_QUOTE_TYPE, "TpmQuoteType", "what the TPM signed is no quote")                           \
    X(TPM_QUOTE_SIGNER, "TpmQuoteSigner", "the TPM's quote names another key as its signer")       \
    X(TPM_QUOTE_NONCE, "TpmQuoteNonce", "the TPM's quote is not the answer to this request")       \
    X(TPM_QUOTE_SELECTION, "TpmQuoteSelection",                                                    \
      "the TPM's quote is about other PCRs than asked for")                                        \
    X(TPM_QUOTE_DIGEST, "TpmQuoteDigest", "the PCR values are not those that were quoted")         \
    X(TPM_QUOTE_SIGNATURE, "TpmQuoteSignature",                                                    \
      "the attestation key did not sign the TPM's quote")                                          \
    X(TPM_CLOCK_BACK, "TpmClockBack", "the TPM's counts went back: an old state, or a copy")       \
    X(EK_CHANGED, "EkChanged", "the TPM does not hold the attested endorsement key")               \
    X(AK_UNFIT, "AkUnfit", "the key lacks a property of an attestation key")                       \
    X(CREDENTIAL_REFUSED, "CredentialRefused", "the challenge is not for this TPM's keys")         \
    X(NV_MISSING, "NvMissing", "the TPM has no such NV index")                                     \
    X(NV_UNFIT, "NvUnfit", "the NV index is not of the kind that is needed")                       \
    X(VTPM_KIND_REFUSED, "VtpmKindRefused", "the profile does not take this kind of vTPM")         \
    X(SVSM_UNLISTED, "SvsmUnlisted",                                                               \
      "the profile does not list the measurement of the SVSM, if it is one")                       \
    X(PARAVISOR_UNLISTED, "ParavisorUnlisted",                                                     \
      "the profile lists neither measurement nor ID key of the paravisor, if it is one")           \
    X(MANIFEST_MALFORMED, "ManifestMalformed",                                                     \
      "what the report vouches for are not the keys of a vTPM")                                    \
    X(MANIFEST_VMPL, "ManifestVmpl", "a manifest whose report no SVSM made: its VMPL is not 0")    \
    X(EK_MISMATCH, "EkMismatch", "the endorsement key is not the one that is vouched for")         \
    X(EK_MISSING, "EkMissing", "the evidence names no endorsement key")                            \
    X(AK_MISMATCH, "AkMismatch", "the attestation key is not the one that is vouched for")         \
    X(AK_UNPROVEN, "AkUnproven", "only the guest says that the attestation key is the TPM's")      \
    X(HCL_STALE, "HclStale", "the paravisor's report was made for another request")                \
    X(NONCE_MISMATCH, "NonceMismatch", "the evidence was made for another nonce")                  \
    X(CLAIM_DIFFERS, "ClaimDiffers", "a claim about the TEE is not what the key was sealed to")    \
    X(RTMRS_MISSING, "RtmrsMissing", "this machine has no RTMRs")                                  \
    X(CCEL_MISSING, "CcelMissing", "there is no event log that explains the RTMRs")                \
    X(VTPM_NOT_BOUND, "VtpmNotBound", "nothing proves that the TPM lives in this TEE")             \
    X(STORE_KEY_MISSING, "StoreKeyMissing", "the key wants the store key, and there is none")      \
    X(STORE_KEY_UNFIT, "StoreKeyUnfit", "the file of the store key is not as it must be")          \
    X(CHALLENGE_UNANSWERED, "ChallengeUnanswered",                                                 \
      "the evidence does not answer the verifier's challenge")                                     \
    X(ATTESTATION_UNDER_WAY, "AttestationUnderWay",                                                \
      "TEE or host were asked and have not answered yet: try again")                               \
    X(EVENT_CHANGED, "EventChanged", "something else was measured in an event's place")            \
    X(EVENT_ADDED, "EventAdded", "something was measured that was not when the key was sealed")    \
    X(EVENT_MISSING, "EventMissing", "something was not measured that was when it was sealed")     \
    X(EVENT_ORDER, "EventOrder", "the same was measured, in another order")                        \
    X(EVENT_UNRECORDED, "EventUnrecorded", "something was measured of which no log has a record")  \
    X(LOG_UNEXPLAINED, "LogUnexplained", "the event log does not lead to the register's value")    \
    X(LOGS_DIFFER, "LogsDiffer", "the logs of TPM and TD do not tell of the same boot")            \
    X(LOG_CONTRADICTS, "LogContradicts",                                                           \
      "the event log does not lead to a register of the firmware")                                 \
    X(RESEAL_NOT_AUTHORIZED, "ResealNotAuthorized",                                                \
      "nothing vouches for what the key would be sealed to; an administrator may reseal it")       \
    X(REGISTER_NOT_PREDICTED, "RegisterNotPredicted",                                              \
      "the state to seal to does not say what the register will be")                               \
    X(NO_REPORT, "NoReport", "TEE, SVSM or host gave no report")                                   \
    X(DERIVED_KEY_UNAVAILABLE, "DerivedKeyUnavailable", "this machine derives no key for itself")  \
    X(DERIVED_KEY_DIFFERS, "DerivedKeyDiffers",                                                    \
      "this TEE derives another key than the one that was sealed with")                            \
    X(TPM_EPHEMERAL, "TpmEphemeral",                                                               \
      "the TPM is new at each boot, and so is what is sealed in it")                               \
    X(DERIVED_KEY_REQUIRED, "DerivedKeyRequired", "the profile wants a key that the TEE derives")  \
    X(LAUNCH_TCB_BELOW_FLOOR, "LaunchTcbBelowFloor",                                               \
      "a component of LAUNCH_TCB is below its floor")                                              \
    X(FIRMWARE_PROVISIONAL, "FirmwareProvisional",                                                 \
      "the host can still go back from the firmware that runs to an older one")                    \
    X(PIN_FORBIDDEN, "PinForbidden", "the profile has come to forbid the key's PIN")               \
    X(DERIVED_KEY_FORBIDDEN, "DerivedKeyForbidden",                                                \
      "the profile has come to forbid the key that the TEE derives")                               \
    X(SLOTS_FULL, "SlotsFull", "the key has no room for another slot")                             \
    X(VTPM_TD_MALFORMED, "VtpmTdMalformed", "the certificates of the vTPM's TD cannot be read")    \
    X(VTPM_TD_CA_UNFIT, "VtpmTdCaUnfit", "what signs for the vTPM's TD is no such CA")             \
    X(VTPM_TD_EK_UNSIGNED, "VtpmTdEkUnsigned",                                                     \
      "the vTPM's TD did not sign the certificate of the endorsement key")                         \
    X(VTPM_TD_REPORT_DATA, "VtpmTdReportData",                                                     \
      "the quote of the vTPM's TD was not made for its CA key")                                    \
    X(VTPM_TD_OPEN, "VtpmTdOpen", "the vTPM's TD can be debugged or migrated")                     \
    X(VTPM_TD_IS_GUEST, "VtpmTdIsGuest", "the vTPM's TD has the guest's own launch measurement")   \
    X(VTPM_TD_NO_GUEST, "VtpmTdNoGuest", "nothing shows which guest the vTPM's TD serves")         \
    X(VTPM_TD_OTHER_GUEST, "VtpmTdOtherGuest", "the vTPM's TD serves another guest")               \
    X(VTPM_TD_UNLISTED, "VtpmTdUnlisted",                                                          \
      "the profile does not list the measurements of the vTPM's TD")                               \
    X(DERIVED_KEY_REFUSED, "DerivedKeyRefused", "secure processor or host gave no derived key")

#define X(symbol, code, text) extern const char CVS_REASON_##symbol[];
CVS_REASONS(X)
#undef X

/* Exit codes of the CLI; the third column of CVS_ERRORS maps errors to them. */
enum {
    CVS_EXIT_DONE = 0,
    CVS_EXIT_FAILED = 1,
    CVS_EXIT_USAGE = 2,
    CVS_EXIT_REFUSED = 3, /* state, policy or verdict */
    CVS_EXIT_NOT_AUTHORIZED = 4,
    CVS_EXIT_MALFORMED = 5,
};

#define CVS_ERROR (cvs_error_quark())
GQuark cvs_error_quark(void);

/* One reason. All strings are UTF-8; seen and wanted may be empty, never NULL. */
typedef struct {
    char *code;
    char *detail; /* for a person: "PCR 7 (Secure Boot policy) differs" */
    char *seen;
    char *wanted;
} CvsReason;

/* "PcrMismatch" for CVS_ERROR_PCR_MISMATCH; "Failed" for what is not in the table. */
const char *cvs_error_name(int code);
/* FALSE if there is no error of that name (without the D-Bus prefix). */
gboolean cvs_error_from_name(const char *name, int *ret_code);
/* The text of CVS_ERRORS for the code. */
const char *cvs_error_summary(int code);
/* What a program ends with on this error; errors of other domains are CVS_EXIT_FAILED. */
int cvs_error_exit_code(const GError *error);

/* Adds a reason to an error of CVS_ERROR (of another domain: does nothing). seen and wanted may be
 * NULL. */
void cvs_error_add_reason(GError *error, const char *code, const char *seen, const char *wanted,
                          const char *format, ...) G_GNUC_PRINTF(5, 6);
/* The reasons, CvsReason*, owned by the error; NULL if it is of another domain. */
const GPtrArray *cvs_error_get_reasons(const GError *error);
/* Adds the reasons of one error to another. */
void cvs_error_add_reasons_of(GError *to, const GError *from);
/* True if the error is of CVS_ERROR and has a reason of that code. */
gboolean cvs_error_has_reason(const GError *error, const char *code);

/* Sets an error of the given code from errno with the message "CONTEXT: strerror"; EACCES and EPERM
 * become NotAuthorized whatever the code. */
void cvs_error_set_errno(GError **error, int code, int errnum, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
