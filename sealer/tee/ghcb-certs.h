/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The certificate table that the host hands to a guest with an extended report (the auxblob of
 * configfs-tsm): "SEV-ES Guest-Hypervisor Communication Block Standardization" (AMD 56421), SNP
 * Extended Guest Request. Entries of 24 bytes (GUID in the order of its text, offset u32, length
 * u32, little-endian, from the start of the table) up to one that is all zero, then the contents.
 *
 * All of it is the host's word. A guest that appraises itself takes leaves alone from it. */

#include <glib.h>

#define CVS_GHCB_CERTS_MAX (64 * 1024) /* bytes; Linux passes 16 KiB */

/* Appends the VCEK's and VLEK's certificates (X509*) to leaves, each of which is one certificate in
 * DER or PEM; entries of other GUIDs are skipped, wherever they point to is checked. An empty table
 * and no bytes at all are no error and append nothing. BadFormat, naming the entry, for a table
 * without an end, for contents outside of the blob or inside the table, and for a leaf that is no
 * certificate; then nothing was appended. */
gboolean cvs_ghcb_certs_load(const void *data, gsize size, GPtrArray *leaves, GError **error);

/* Appends what the table has as ASK or ASVK and as ARK, for somebody who has nothing else to build
 * a chain from: they are candidates like any other, and prove nothing until they are found below a
 * pinned root. Entries that are no certificate are passed over, since they can only be missed. The
 * errors are those of the table itself. */
gboolean cvs_ghcb_certs_load_issuers(const void *data, gsize size, GPtrArray *certs,
                                     GError **error);

/* The bytes begin with an entry of a known GUID, or are a whole table that has one: hosts put
 * entries of their own anywhere. To tell a table from DER and PEM. */
gboolean cvs_ghcb_certs_detect(const void *data, gsize size);
