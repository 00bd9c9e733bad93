/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Gives a fuzz target, built by any compiler, every file of a folder, and for a second what becomes
 * of these when bytes are changed: the same each time, but for how much of it a second is enough
 * for. What libFuzzer looks for it finds by luck alone; it is there so that a target which no
 * longer builds, or promises what is no longer so, fails the tests.
 *
 *   replay-NAME FOLDER
 *
 * What makes it fail is then finding-replay-NAME in the current folder. */

#define SIZE_MAX_CHANGED 65536
#define SECONDS 1

static const char *finding;
static const guint8 *last_input;
static gsize last_size;

/* Only what a signal handler may call. */
static void
keep_input(int signal_number)
{
    int fd = open(finding, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd >= 0 && write(fd, last_input, last_size) == (gssize)last_size)
        (void)!write(STDERR_FILENO, "# the input was kept\n", 21);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* With its bounds where a sanitizer sees them. */
static void
feed(const guint8 *data, gsize size)
{
    g_autofree guint8 *copy = size > 0 ? g_memdup2(data, size) : NULL;

    last_input = copy;
    last_size = size;
    (void)LLVMFuzzerTestOneInput(copy, size);
    last_input = NULL;
    last_size = 0;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
read_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GPtrArray *inputs = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    const char *name = NULL;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        char *text = NULL;
        gsize size = 0;

        g_assert_true(g_file_get_contents(g_ptr_array_index(names, i), &text, &size, NULL));
        g_ptr_array_add(inputs, g_bytes_new_take(text, size));
    }
    return inputs;
}

static GBytes *
pick(GRand *random, GPtrArray *inputs)
{
    return g_ptr_array_index(inputs, g_rand_int_range(random, 0, (gint32)inputs->len));
}

/* Some bytes of any input, with their number before them in *ret_size. */
static const guint8 *
pick_part(GRand *random, GPtrArray *inputs, guint *ret_size)
{
    GBytes *from = pick(random, inputs);
    gsize size = g_bytes_get_size(from);
    guint at = size > 0 ? (guint)g_rand_int_range(random, 0, (gint32)size) : 0;
    guint most = (guint)g_rand_int_range(random, 0, 64);

    *ret_size = MIN(most, (guint)size - at);
    return (const guint8 *)g_bytes_get_data(from, NULL) + at;
}

static void
change(GRand *random, GPtrArray *inputs, GByteArray *data)
{
    static const guint8 edges[] = {0, 1, 0x7f, 0x80, 0xff, '"', '0', '9', '\n'};
    guint at = data->len > 0 ? (guint)g_rand_int_range(random, 0, (gint32)data->len) : 0;
    guint size = 0;
    const guint8 *part = pick_part(random, inputs, &size);

    switch (g_rand_int_range(random, 0, 5)) {
    case 0:
        if (data->len > 0)
            data->data[at] ^= (guint8)(1u << g_rand_int_range(random, 0, 8));
        break;
    case 1:
        if (data->len > 0)
            data->data[at] = edges[g_rand_int_range(random, 0, G_N_ELEMENTS(edges))];
        break;
    case 2:
        g_byte_array_remove_range(data, at, MIN(size, data->len - at));
        break;
    case 3:
        size = MIN(size, data->len - at);
        if (size > 0)
            memcpy(data->data + at, part, size);
        break;
    default:
        if (size > 0 && data->len + size <= SIZE_MAX_CHANGED) {
            guint tail = data->len - at;

            g_byte_array_set_size(data, data->len + size);
            memmove(data->data + at + size, data->data + at, tail);
            memcpy(data->data + at, part, size);
        }
        break;
    }
}

static guint
feed_changed(GPtrArray *inputs)
{
    gint64 end = g_get_monotonic_time() + SECONDS * G_USEC_PER_SEC;
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    guint n = 0;

    for (; g_get_monotonic_time() < end; n++) {
        g_autoptr(GByteArray) data = g_byte_array_new();
        GBytes *from = pick(random, inputs);

        g_byte_array_append(data, g_bytes_get_data(from, NULL), (guint)g_bytes_get_size(from));
        for (gint32 left = g_rand_int_range(random, 1, 5); left > 0; left--)
            change(random, inputs, data);
        feed(data->data, data->len);
    }
    return n;
}

int
main(int argc, char **argv)
{
    g_autofree char *program = g_path_get_basename(argv[0]);
    g_autofree char *path = g_strconcat("finding-", program, NULL);
    g_autoptr(GPtrArray) inputs = NULL;
    guint seeds = 0;
    guint changed = 0;

    g_assert_cmpint(argc, ==, 2);
    inputs = read_folder(argv[1]);
    seeds = inputs->len;
    /* Also what has nothing at all in it. */
    g_ptr_array_add(inputs, g_bytes_new(NULL, 0));
    finding = path;
    signal(SIGABRT, keep_input);
    signal(SIGSEGV, keep_input);
    for (guint i = 0; i < inputs->len; i++)
        feed(g_bytes_get_data(g_ptr_array_index(inputs, i), NULL),
             g_bytes_get_size(g_ptr_array_index(inputs, i)));
    changed = feed_changed(inputs);
    g_print("1..1\nok 1 %u inputs and %u changed ones\n", seeds, changed);
    return 0;
}
