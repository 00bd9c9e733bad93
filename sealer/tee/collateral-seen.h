/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a collateral store has seen (seen.json in its folder): for each series of
 * tee/collateral-item.h the highest number, and for CRLs the newest date of issue too, since all of
 * Intel's have the number 1. In memory an object, series to hexadecimal digits. */

#include "tee/collateral-item.h"

#include <jansson.h>

/* An empty one where there is no such file. What is damaged is taken for nothing seen, since
 * whoever can damage the file can also remove it; but it is told: ret_damage (NULL: nobody wants to
 * know) is set beside what could be read, to BadFormat with what is wrong and the remedy. */
json_t *cvs_collateral_seen_load(int dir, GError **ret_damage);
/* FALSE with that error if it is damaged. */
gboolean cvs_collateral_seen_is_whole(int dir, GError **error);
/* Puts it into the log. It ends no verification. */
void cvs_collateral_seen_warn(int dir);
/* A damaged file is kept as seen.json.damaged-TIME, and the log says so. */
gboolean cvs_collateral_seen_save(int dir, json_t *seen, GError **error);

/* For authentic items. */
void cvs_collateral_seen_note(json_t *seen, const CvsCollateralItem *item);
/* Those that have no error. What a store holds was seen, whatever became of the file that says so.
 */
void cvs_collateral_seen_note_all(json_t *seen, const GPtrArray *items);

/* FALSE, and the reason CollateralRollback, if a newer one was seen. */
gboolean cvs_collateral_seen_check(const json_t *seen, const CvsCollateralItem *item,
                                   GError *refusal);

/* The highest tcbEvaluationDataNumber of the platform (12 digits) below Intel's root. */
guint32 cvs_collateral_seen_evaluation(const json_t *seen, const char *fmspc);
