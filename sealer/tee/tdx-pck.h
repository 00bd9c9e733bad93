/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a PCK certificate says of its platform: the SGX extension, OID 1.2.840.113741.1.13.1 (Intel
 * SGX PCK Certificate and Certificate Revocation List Profile Specification). */

#include "tee/x509.h"

typedef struct {
    guint8 ppid[16];
    guint8 components[16]; /* TCB component SVNs */
    guint16 pce_svn;
    guint8 cpu_svn[16];
    guint8 pce_id[2];
    guint8 fmspc[6];
    guint8 sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
    gboolean has_instance;
    guint8 instance_id[16]; /* the physical machine */
    gboolean has_configuration;
    gboolean dynamic_platform;
    gboolean cached_keys;
    gboolean smt;
} CvsPck;

/* BadFormat, naming the field, if there is no such extension, more than one, or it lacks anything
 * that all PCK certificates have, has it twice, or in another form. */
gboolean cvs_pck_parse(const X509 *cert, CvsPck *ret_pck, GError **error);
