/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the commands that verify have in common: their options and how they end. */

#include "ctl/cli.h"
#include "policy/profile.h"
#include "policy/verdict.h"

/* RFC 3339, section 5.6, without leap seconds. GLib takes more of ISO 8601. */
gboolean cvs_verify_parse_time(const char *text, gint64 *ret_time);
/* --at: this time; NULL: now. InvalidArgument. */
gboolean cvs_verify_read_time(const char *text, gint64 *ret_time, GError **error);

/* With a slash or ".policy" at its end it is a file, else the name of a profile that is installed,
 * and only where there is none of that name a file again. */
CvsProfile *cvs_verify_load_profile(const CvsCli *cli, const char *policy_name, GError **error);
/* --policy and --roots: the same, NULL being the strict one that is built in; whoever names test
 * roots on the command line allows them, unless his profile says no. */
CvsProfile *cvs_verify_read_profile(const CvsCli *cli, const char *policy_name,
                                    const char *roots_dir, GError **error);

/* An error of a file that is not what it should be: such errors are collected, so that the others
 * are still read and the claims shown. TRUE: it is one, and has been added. FALSE: it is another,
 * and has become error. Takes found. */
gboolean cvs_verify_keep_malformed(GPtrArray *malformed, GError *found, GError **error);

typedef gboolean (*CvsVerifyAddFunc)(CvsEvidence *evidence, const void *data, gsize size,
                                     const char *what, GError **error);
/* --certs, --collateral, --crl: each of the files (NULL: none) is added. malformed: as above; NULL:
 * the first error ends it. */
gboolean cvs_verify_read_files(CvsEvidence *evidence, char **files, CvsVerifyAddFunc add,
                               GPtrArray *malformed, GError **error);
/* --roots; roots_dir NULL: does nothing. */
gboolean cvs_verify_add_roots(const char *roots_dir, CvsSnpRoots *snp_roots, CvsTdxRoots *tdx_roots,
                              GError **error);

/* Shows the verdict, and sets the exit code. pcrs: what JSON has of quoted values; NULL: nothing;
 * taken. */
gboolean cvs_verify_show(CvsCli *cli, const CvsVerdict *verdict, const char *name, gint64 at,
                         json_t *pcrs, GError **error);
