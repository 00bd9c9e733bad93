/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a small boot leaves in the log of a TD (UEFI 2.10, section 38.4), and the ACPI table that
 * tells where the log is. */

#include "tee-sim-private.h"
#include "tee/eventlog.h"
#include "tee/log-builder.h"

#include <string.h>

#define AREA_SIZE (64 * 1024)
/* Registers as the log counts them: 0 is MRTD. */
enum { RTMR0 = 1, RTMR1 = 2, RTMR2 = 3 };

static void
add_variable(LogBuilder *log, const char *name, const void *value, gsize size)
{
    /* EFI_GLOBAL_VARIABLE */
    static const guint8 guid[16] = "\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b"
                                   "\x8c";
    g_autoptr(GByteArray) data = log_builder_new();

    log_builder_bytes(data, guid, sizeof(guid));
    log_builder_u64(data, strlen(name));
    log_builder_u64(data, size);
    for (const char *c = name; *c; c++)
        log_builder_u16(data, (guint8)*c);
    log_builder_bytes(data, value, size);
    log_builder_event(log, RTMR0, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, ALG_SHA384, data->data,
                      data->len);
}

static void
add_image(LogBuilder *log, const char *image)
{
    static const guint8 end_of_path[4] = {0x7f, 0xff, 4, 0};
    g_autoptr(GByteArray) data = log_builder_new();

    log_builder_u64(data, 0x7d000000); /* address, length, link-time address, length of the path */
    log_builder_u64(data, 0x100000);
    log_builder_u64(data, 0);
    log_builder_u64(data, sizeof(end_of_path));
    log_builder_bytes(data, end_of_path, sizeof(end_of_path));
    log_builder_event_over(log, RTMR1, CVS_EV_EFI_BOOT_SERVICES_APPLICATION, ALG_SHA384, image,
                           strlen(image), data->data, data->len);
}

static void
add_text(LogBuilder *log, guint32 index, guint32 type, const char *text)
{
    log_builder_event(log, index, type, ALG_SHA384, text, strlen(text));
}

GBytes *
tee_sim_ccel_new(void)
{
    static const guint8 separator[4];
    LogBuilder *log = log_builder_new();

    log_builder_header(log, RTMR0, ALG_SHA384, 0);
    add_variable(log, "SecureBoot", "\1", 1);
    add_variable(log, "PK", "a platform key", 14);
    add_variable(log, "KEK", "an exchange key", 15);
    log_builder_event(log, RTMR0, CVS_EV_SEPARATOR, ALG_SHA384, separator, sizeof(separator));
    add_image(log, "a boot loader");
    add_text(log, RTMR1, CVS_EV_EFI_ACTION, "Calling EFI Application from Boot Option");
    log_builder_event(log, RTMR1, CVS_EV_SEPARATOR, ALG_SHA384, separator, sizeof(separator));
    add_image(log, "a kernel");
    add_text(log, RTMR2, CVS_EV_IPL, "root=/dev/mapper/root ro");
    add_text(log, RTMR1, CVS_EV_EFI_ACTION, "Exit Boot Services Invocation");
    add_text(log, RTMR1, CVS_EV_EFI_ACTION, "Exit Boot Services Returned with Success");
    log_builder_fill(log, 0xff, AREA_SIZE - log->len);
    return log_builder_end(log);
}

GBytes *
tee_sim_ccel_table(const TeeSim *sim)
{
    LogBuilder *table = log_builder_new();
    guint8 sum = 0;

    log_builder_bytes(table, "CCEL", 4);
    log_builder_u32(table, 56);
    log_builder_u8(table, 1);
    log_builder_u8(table, 0); /* the checksum */
    log_builder_bytes(table, "INTEL EDK2    ", 14);
    log_builder_u32(table, 2);
    log_builder_bytes(table, "    ", 4);
    log_builder_u32(table, 0x01000013);
    log_builder_u8(table, 2); /* TDX */
    log_builder_u8(table, 0);
    log_builder_u16(table, 0);
    log_builder_u64(table, g_bytes_get_size(sim->ccel));
    log_builder_u64(table, 0x7e000000);
    for (guint i = 0; i < table->len; i++)
        sum = (guint8)(sum + table->data[i]);
    table->data[9] = (guint8)(0x100 - sum);
    return log_builder_end(table);
}
