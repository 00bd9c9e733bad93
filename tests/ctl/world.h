/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program cvmseal as a user meets it: the real binary, a TPM, an empty vault, and, where it is
 * asked for, the real daemon on a bus of its own. */

#include "base/json.h"
#include "sim/test-tpm.h"
#include "terminal.h"

#include <gio/gio.h>

typedef struct {
    TestTpm *tpm; /* PCRs 0, 2, 4 and 7 are extended */
    char *dir;    /* for the test's files; removed with the world */
    char *vault;
    char *policies;
    GTestDBus *bus; /* NULL: --direct */
    GSubprocess *daemon;
    GPtrArray *base; /* the program and its common options */
} World;

/* daemon FALSE: every call gets --direct. */
World *world_new(gboolean daemon);
void world_free(World *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

/* What a call did. */
typedef struct {
    int code;
    char *out; /* with a NUL behind */
    gsize out_size;
    char *err;
} Result;
void result_free(Result *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Result, result_free)

/* Runs it without a terminal. line: words divided by spaces, and %s filled in first. in: stdin;
 * NULL: /dev/null. */
Result *world_run(World *world, const void *in, gssize in_size, const char *line, ...)
    G_GNUC_PRINTF(4, 5);
/* Runs it without the common options. */
Result *world_run_plain(World *world, const char *line, ...) G_GNUC_PRINTF(2, 3);
/* By another user; needs root. */
Result *world_run_as(World *world, uid_t uid, const char *line, ...) G_GNUC_PRINTF(3, 4);
/* Under a terminal. */
Pty *world_run_on_terminal(World *world, const char *line, ...) G_GNUC_PRINTF(2, 3);
/* Runs it by the shell, with "$CVMSEAL" for program and common options: for redirections. */
Result *world_run_shell(World *world, const char *script);

/* Runs it and asserts the exit code. */
#define world_expect(world, in, expected, ...)                                                     \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_autoptr(Result) result_ = world_run(world, in, -1, __VA_ARGS__);                         \
        if (result_->code != (expected))                                                           \
            g_error("%s:%d: exit code %d, not %d: %s%s", __FILE__, __LINE__, result_->code,        \
                    (expected), result_->out, result_->err);                                       \
    }                                                                                              \
    G_STMT_END

char *world_path(World *world, const char *name);
char *world_write(World *world, const char *name, const void *data, gssize size);
/* The file of a key of this user. */
char *world_key_path(World *world, const char *name);
/* Files in the vault, of all owners. */
guint world_count_keys(World *world);

/* A new reference; fails the test if the text is not a JSON object. */
json_t *world_json(const char *text);
