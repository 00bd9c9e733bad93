/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a command gets, and what a command is: a row in the table of main.c. */

#include "base/json.h"
#include "ctl/backend.h"
#include "ctl/options.h"
#include "ctl/output.h"

typedef struct {
    CvsOptions options;
    CvsOutput out; /* stdout */
    CvsOutput err; /* stderr */
    /* For the message of an error: "unseal \"db\"". Set by the command as soon as it is known. */
    char *doing;
    const char *verb; /* "unseal", "attest"; NULL: unknown */
    char *key;        /* the key's name, for the remedy; NULL: none */
    int exit_code;    /* what a command that succeeded in parts ends with */
    CvsBackend *backend;
} CvsCli;

/* The daemon or the TPM, as the options say; made at the first call. Borrowed. */
CvsBackend *cvs_cli_get_backend(CvsCli *cli, GError **error);
/* Sets what an error says that we were doing, "VERB \"NAME\"", after a check of the name. */
gboolean cvs_cli_begin(CvsCli *cli, const char *verb, const char *name, GError **error);

/* Writes to stdout. */
gboolean cvs_cli_print(const CvsCli *cli, const char *text, GError **error);
gboolean cvs_cli_print_json(const CvsCli *cli, const json_t *value, GError **error);

typedef struct {
    const char *name;
    CvsUsage usage;
    /* stdout belongs to the secret: errors as JSON go to stderr. */
    gboolean secret_on_stdout;
    /* It asks no daemon, so that the options for --direct are good without it. */
    gboolean local;
    gboolean (*run)(CvsCli *cli, char **words, GError **error);
} CvsCommand;

extern const CvsCommand cvs_cmd_status;
extern const CvsCommand cvs_cmd_seal;
extern const CvsCommand cvs_cmd_generate;
extern const CvsCommand cvs_cmd_unseal;
extern const CvsCommand cvs_cmd_list;
extern const CvsCommand cvs_cmd_show;
extern const CvsCommand cvs_cmd_explain;
extern const CvsCommand cvs_cmd_reseal;
extern const CvsCommand cvs_cmd_remove;
extern const CvsCommand cvs_cmd_recover;
extern const CvsCommand cvs_cmd_verify_report;
extern const CvsCommand cvs_cmd_eventlog;
extern const CvsCommand cvs_cmd_collateral;
extern const CvsCommand cvs_cmd_measure;
extern const CvsCommand cvs_cmd_report;
extern const CvsCommand cvs_cmd_attest;
extern const CvsCommand cvs_cmd_verify;
extern const CvsCommand cvs_cmd_policy;
