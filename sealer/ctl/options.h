/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Options: those that every command has, and the parser of them all. There is no option that takes
 * a secret as its value: what stands in argv, all users can read. */

#include "base/digest.h"

#include <glib.h>

#define CVS_OWNER_SELF "self"

typedef struct {
    char
        *owner; /* "self", "unit", "system", "unit:NAME.service", "uid:N"; never NULL when parsed */
    gboolean json;
    gboolean direct;
    char *config; /* these four with --direct only; NULL: as the daemon has it */
    char *tcti;
    char *vault;
    char *policies;
    char *bus; /* "system", "session" or an address; never NULL when parsed */
} CvsOptions;

void cvs_options_clear(CvsOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsOptions, cvs_options_clear)

/* A command's own options and words. */
typedef struct {
    const char *program;         /* "cvmseal seal" */
    const char *words;           /* "NAME", for the usage line; NULL: none */
    const char *summary;         /* one line */
    const char *description;     /* what stands below the options; NULL: nothing */
    const GOptionEntry *entries; /* NULL: none */
    guint min_words;
    guint max_words;
} CvsUsage;

/* Parses argv (argv[0] is skipped) into options, the variables that the entries point to, and the
 * words that are left. InvalidArgument for anything that is not as the usage says; a value that
 * follows a "=" is not repeated in the message. With --help *ret_help is the text and nothing else
 * is looked at. Options that were set before (those before the command's name) are kept. */
gboolean cvs_options_parse(CvsOptions *options, const CvsUsage *usage, char **argv,
                           char ***ret_words, char **ret_help, GError **error);

/* The options in front of the command's name: stops at the first word. ret_rest: what is left,
 * beginning with that word; empty if there is none. */
gboolean cvs_options_parse_front(CvsOptions *options, char **argv, gboolean *ret_help,
                                 gboolean *ret_version, char ***ret_rest, GError **error);

/* Whether the options fit together; sets the defaults. InvalidArgument. */
gboolean cvs_options_finish(CvsOptions *options, GError **error);

/* The part of cvmseal --help that lists the common options. */
char *cvs_options_common_help(void);

/* "--owner system --direct" and so on: what a command that is suggested to the user has to repeat,
 * with a space in front; "" if nothing. */
char *cvs_options_repeat(const CvsOptions *options);
