/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What parsing, replaying and proving an event log of 1 MiB costs above the hashing that it cannot
 * do without: each event's data, and each extension, in each bank. Both take turns in the same run.
 *
 *   bench-eventlog [ROUNDS]
 *
 * Exit 1 if it costs more than twice the bare hashing. */

#include "base/digest.h"
#include "tee/eventlog-replay.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SIZE (1u << 20)
#define DATA_SIZE 200 /* the mean of the real logs */
#define MAX_RATIO 2.0

static void
append_le(GByteArray *out, guint32 value, guint size)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = (guint8)(value >> (8 * i));

        g_byte_array_append(out, &byte, 1);
    }
}

/* SHA-256 and SHA-384; a third of the records are proven whole, a third in part, a third not. */
static GBytes *
make_log(void)
{
    GByteArray *out = g_byte_array_new();
    static const guint8 zero[20];

    append_le(out, 0, 4);
    append_le(out, CVS_EV_NO_ACTION, 4);
    g_byte_array_append(out, zero, 20);
    append_le(out, 16 + 12 + 8 + 1, 4);
    g_byte_array_append(out, (const guint8 *)"Spec ID Event03", 16);
    append_le(out, 0, 4);
    append_le(out, 0x02000200, 4);
    append_le(out, 2, 4);
    append_le(out, 0x0020000b, 4);
    append_le(out, 0x0030000c, 4);
    append_le(out, 0, 1);
    for (guint i = 0; out->len < LOG_SIZE; i++) {
        static const guint32 types[] = {CVS_EV_EFI_ACTION, CVS_EV_IPL,
                                        CVS_EV_EFI_BOOT_SERVICES_APPLICATION};
        guint8 data[DATA_SIZE];
        guint8 digest[CVS_DIGEST_MAX];
        gsize from = i % 3 == 1 ? 10 : 0;

        memset(data, 'a' + (int)(i % 26), sizeof(data));
        if (from > 0)
            memcpy(data, "grub_cmd: ", from);
        append_le(out, i % 10, 4);
        append_le(out, types[i % 3], 4);
        append_le(out, 2, 4);
        append_le(out, 0x000b, 2);
        cvs_hash_bytes(CVS_SHA256, data + from, sizeof(data) - from, digest);
        g_byte_array_append(out, digest, 32);
        append_le(out, 0x000c, 2);
        cvs_hash_bytes(CVS_SHA384, data + from, sizeof(data) - from, digest);
        g_byte_array_append(out, digest, 48);
        append_le(out, sizeof(data), 4);
        g_byte_array_append(out, data, sizeof(data));
    }
    return g_byte_array_free_to_bytes(out);
}

static void
bare(const CvsEventLog *log)
{
    const EVP_MD *mds[] = {EVP_MD_fetch(NULL, "SHA256", NULL), EVP_MD_fetch(NULL, "SHA384", NULL)};
    static const guint sizes[] = {32, 48};
    static const CvsHash banks[] = {CVS_SHA256, CVS_SHA384};
    guint8 value[2 * CVS_DIGEST_MAX] = {0};
    guint8 digest[CVS_DIGEST_MAX];

    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        for (guint bank = 0; bank < 2; bank++) {
            memcpy(value + sizes[bank], event->digest[banks[bank]], sizes[bank]);
            if (EVP_Digest(event->data, event->size, digest, NULL, mds[bank], NULL) != 1 ||
                EVP_Digest(value, 2 * sizes[bank], value, NULL, mds[bank], NULL) != 1)
                abort();
        }
    }
    EVP_MD_free((EVP_MD *)mds[0]);
    EVP_MD_free((EVP_MD *)mds[1]);
}

static void
ours(GBytes *bytes)
{
    g_autoptr(CvsEventLog) log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_TPM, NULL);
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    guint proven = 0;

    g_assert_nonnull(log);
    cvs_event_log_replay(log, CVS_SHA256, registers);
    cvs_event_log_replay(log, CVS_SHA384, registers);
    for (guint i = 0; i < cvs_event_log_size(log); i++)
        proven += cvs_event_log_proof(log, cvs_event_log_event(log, i)).proven ? 1 : 0;
    g_assert_cmpuint(proven, >=, cvs_event_log_size(log) / 3 * 2);
}

int
main(int argc, char **argv)
{
    guint rounds = argc > 1 ? (guint)atoi(argv[1]) : 50;
    g_autoptr(GBytes) bytes = make_log();
    g_autoptr(CvsEventLog) log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_TPM, NULL);
    gint64 bare_time = 0;
    gint64 our_time = 0;
    double ratio = 0;

    for (guint i = 0; i < rounds; i++) {
        gint64 start = g_get_monotonic_time();
        gint64 middle = 0;

        bare(log);
        middle = g_get_monotonic_time();
        ours(bytes);
        bare_time += middle - start;
        our_time += g_get_monotonic_time() - middle;
    }
    ratio = (double)our_time / (double)bare_time;
    printf("event log of %zu bytes, %u records: bare hashing %.2f ms, ours %.2f ms, %.2f times\n",
           g_bytes_get_size(bytes), cvs_event_log_size(log), (double)bare_time / rounds / 1000,
           (double)our_time / rounds / 1000, ratio);
    return ratio <= MAX_RATIO ? 0 : 1;
}
