/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A folder with the collateral of this machine, and of others: so that reports are verified without
 * a network, and what an administrator, or a unit, brings once serves everybody.
 *
 * Files are named after their contents, never after where they came from, one object each. What
 * does not chain to a root is not taken in, so that nobody fills the store with what is worthless;
 * and as the disk is the host's, each object is found authentic again whenever it is read. A
 * damaged file is that file's error alone.
 *
 * Newer versions of a thing (tee/collateral-item.h, series) replace older ones; but a CRL that
 * lists what the newer one does not stays beside it. The highest CRL number and date of each issuer
 * and the highest tcbEvaluationDataNumber of each platform that were ever taken in are remembered
 * beside them (tee/collateral-seen.h), also when the object is removed: what is older is refused
 * when it is imported, and left out when it is used. That is as safe as the disk: keys carry
 * numbers of their own.
 *
 * Writers hold a lock; readers need none. */

#include "tee/collateral-item.h"
#include "tee/snp-report.h"

#define CVS_COLLATERAL_FILES_MAX 512

typedef struct _CvsCollateralStore CvsCollateralStore;

/* create: the folder is made if it is not there (not those above it). Takes references of the
 * roots; test roots are below what this call was given, and nothing else. Errors of the folder. */
CvsCollateralStore *cvs_collateral_store_open(const char *path, gboolean create,
                                              CvsSnpRoots *snp_roots, CvsTdxRoots *tdx_roots,
                                              GError **error);
void cvs_collateral_store_free(CvsCollateralStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsCollateralStore, cvs_collateral_store_free)

typedef struct {
    const char *name; /* of the file, for messages */
    GBytes *bytes;    /* anything that cvs_evidence_add() takes; NULL: error says why not */
    GError *error;    /* owned by the caller */
} CvsCollateralInput;

/* What became of one input: all of it is in the store, or nothing. */
typedef struct {
    char *name;
    GPtrArray *ids; /* char*, what is there now, or was before in this or a newer version */
    guint added;    /* how many of these are new */
    GError *error; /* NULL: taken in. AttestationFailed and its kin with reasons (CollateralRollback
                    * among them), BadFormat, TooLarge (the store is full) */
} CvsCollateralResult;

/* One result (CvsCollateralResult*) for each input, in their order; issuers may come from any of
 * them. FALSE only if the store itself cannot be read or written. */
gboolean cvs_collateral_store_import(CvsCollateralStore *store, const CvsCollateralInput *inputs,
                                     guint n_inputs, GPtrArray **ret_results, GError **error);

/* All files (CvsCollateralItem*), sorted by their ids; item->error says what is wrong with one, and
 * then nothing but its id may be there. */
GPtrArray *cvs_collateral_store_list(CvsCollateralStore *store, GError **error);
/* BadFormat with the remedy if the file that says what was seen is damaged. All else goes on as if
 * it were not there; what is collected from such a store says so in the log. */
gboolean cvs_collateral_store_check_seen(CvsCollateralStore *store, GError **error);

/* NoSuchKey if there is none of that id. */
gboolean cvs_collateral_store_remove(CvsCollateralStore *store, const char *id, GError **error);

/* Adds to the evidence what the store has for the report: leaves of its chip and REPORTED_TCB
 * (VLEKs: of its TCB), and AMD's issuers and CRLs. */
gboolean cvs_collateral_store_collect_snp(CvsCollateralStore *store, const CvsSnpReport *report,
                                          CvsEvidence *evidence, GError **error);
/* The same for a platform of Intel's (6 bytes; NULL: unknown): its TCB info, QE identities, issuers
 * and CRLs; and sets evaluation_seen. */
gboolean cvs_collateral_store_collect_tdx(CvsCollateralStore *store, const guint8 *fmspc,
                                          CvsEvidence *evidence, GError **error);
