/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* configfs-tsm: Documentation/ABI/testing/configfs-tsm-report. What holds for all binary attributes
 * is fs/configfs/file.c's: what was written is given to the driver at close(), its answer is lost,
 * and what was once read through a descriptor stays the same for it. */

#include "tee-sim-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INBLOB_MAX 64
#define OUTBLOB_MAX (16u << 20)
#define AUXBLOB_MAX (16 * 1024) /* what the driver has room for */

typedef enum {
    GENERATION,
    PROVIDER,
    PRIVLEVEL,
    PRIVLEVEL_FLOOR,
    SERVICE_PROVIDER,
    SERVICE_GUID,
    SERVICE_MANIFEST_VERSION,
    INBLOB,
    OUTBLOB,
    AUXBLOB,
    MANIFESTBLOB,
} Attribute;

static const struct {
    const char *name;
    guint mode;
    gboolean binary;
} attributes[TSM_ATTRIBUTES] = {
    [GENERATION] = {"generation", 0444, FALSE},
    [PROVIDER] = {"provider", 0444, FALSE},
    [PRIVLEVEL] = {"privlevel", 0200, FALSE},
    [PRIVLEVEL_FLOOR] = {"privlevel_floor", 0444, FALSE},
    [SERVICE_PROVIDER] = {"service_provider", 0200, FALSE},
    [SERVICE_GUID] = {"service_guid", 0200, FALSE},
    [SERVICE_MANIFEST_VERSION] = {"service_manifest_version", 0200, FALSE},
    [INBLOB] = {"inblob", 0200, TRUE},
    [OUTBLOB] = {"outblob", 0444, TRUE},
    [AUXBLOB] = {"auxblob", 0444, TRUE},
    [MANIFESTBLOB] = {"manifestblob", 0444, TRUE},
};

struct _TsmReport {
    gint refs;
    gboolean removed;
    gulong write_generation;
    gulong read_generation;
    guint8 inblob[INBLOB_MAX];
    gsize inblob_size;
    guint privlevel;
    char *service_provider;
    guint8 guid[16];
    guint manifest_version;
    GBytes *out, *aux, *manifest; /* out: NULL until it was made */
};

struct _TsmFile {
    TsmReport *report;
    Attribute attribute;
    GByteArray *written; /* by a binary write that was not taken yet, or NULL */
    GBytes *seen;        /* by a read, or NULL */
};

const char *
tsm_attribute_name(guint attribute)
{
    return attributes[attribute].name;
}

guint
tsm_attribute_mode(guint attribute)
{
    return attributes[attribute].mode;
}

guint
tsm_attribute_size(guint attribute)
{
    return attributes[attribute].binary ? 0 : 4096;
}

gboolean
tsm_attribute_visible(const TeeSim *sim, guint attribute)
{
    switch ((Attribute)attribute) {
    case GENERATION:
    case PROVIDER:
    case INBLOB:
    case OUTBLOB:
        return TRUE;
    case PRIVLEVEL:
    case PRIVLEVEL_FLOOR:
    case AUXBLOB:
        return sim->type == TEE_SIM_SNP;
    case SERVICE_PROVIDER:
    case SERVICE_GUID:
    case SERVICE_MANIFEST_VERSION:
    case MANIFESTBLOB:
        return sim->type == TEE_SIM_SNP && tee_sim_vmpl(sim) > 0;
    }
    g_assert_not_reached();
}

int
tsm_attribute_find(const TeeSim *sim, const char *name)
{
    for (guint i = 0; i < TSM_ATTRIBUTES; i++)
        if (strcmp(attributes[i].name, name) == 0 && tsm_attribute_visible(sim, i))
            return (int)i;
    return -1;
}

static gboolean
has_provider(const TeeSim *sim)
{
    return sim->type == TEE_SIM_SNP || sim->type == TEE_SIM_TDX;
}

static void
drop_blobs(TsmReport *report)
{
    g_clear_pointer(&report->out, g_bytes_unref);
    g_clear_pointer(&report->aux, g_bytes_unref);
    g_clear_pointer(&report->manifest, g_bytes_unref);
}

void
tsm_report_unref(TsmReport *report)
{
    if (--report->refs > 0)
        return;
    drop_blobs(report);
    g_free(report->service_provider);
    g_free(report);
}

int
tsm_mkdir(TeeSim *sim, const char *name)
{
    TsmReport *report = NULL;

    if (!has_provider(sim))
        return -ENXIO;
    if (g_hash_table_contains(sim->reports, name))
        return -EEXIST;
    report = g_new0(TsmReport, 1);
    report->refs = 1;
    g_hash_table_insert(sim->reports, g_strdup(name), report);
    return 0;
}

int
tsm_rmdir(TeeSim *sim, const char *name)
{
    TsmReport *report = g_hash_table_lookup(sim->reports, name);

    if (report == NULL)
        return -ENOENT;
    report->removed = TRUE;
    g_hash_table_remove(sim->reports, name);
    return 0;
}

TsmFile *
tsm_open(TeeSim *sim, TsmReport *report, guint attribute)
{
    TsmFile *file = g_new0(TsmFile, 1);

    report->refs++;
    file->report = report;
    file->attribute = attribute;
    return file;
}

void
tsm_close(TsmFile *file)
{
    if (file->written)
        g_byte_array_unref(file->written);
    g_clear_pointer(&file->seen, g_bytes_unref);
    tsm_report_unref(file->report);
    g_free(file);
}

/* A write is about to be taken: FALSE where it would lap the reader. */
static gboolean
advance(TsmReport *report)
{
    if (report->write_generation == report->read_generation - 1)
        return FALSE;
    report->write_generation++;
    return TRUE;
}

/* Making a report. */

static int
make_tdx(TeeSim *sim, TsmReport *report)
{
    g_autoptr(GBytes) quote = NULL;
    GByteArray *spoilt = NULL;
    int fault = 0;

    if (report->inblob_size != 64)
        return -EINVAL;
    fault = tee_sim_request(sim, TEE_SIM_HANG_REPORT);
    if (fault)
        return fault;
    quote = tee_sim_tdx_quote(sim, report->inblob);
    spoilt = tee_sim_spoil(sim, g_bytes_get_data(quote, NULL), g_bytes_get_size(quote));
    report->out = g_byte_array_free_to_bytes(spoilt);
    return 0;
}

static gboolean
is_null_guid(const guint8 *guid)
{
    static const guint8 null[16];

    return memcmp(guid, null, 16) == 0;
}

static int
make_snp(TeeSim *sim, TsmReport *report)
{
    guint8 snp[CVS_SNP_REPORT_SIZE];
    g_autoptr(GBytes) manifest = NULL;
    g_autoptr(GBytes) certs = NULL;
    int fault = 0;

    if (report->inblob_size != 64)
        return -EINVAL;
    if (report->service_provider && strcmp(report->service_provider, "svsm") != 0)
        return -EINVAL;
    fault = tee_sim_request(sim, TEE_SIM_HANG_REPORT);
    if (report->service_provider) {
        /* Whatever the SVSM says, Linux says EINVAL. */
        if (fault || !tee_sim_svsm_attest(sim, report->inblob,
                                          is_null_guid(report->guid) ? NULL : report->guid,
                                          report->manifest_version, snp, &manifest))
            return -EINVAL;
    } else {
        if (fault)
            return fault;
        if (tee_sim_snp_report(sim, report->inblob, report->privlevel, tee_sim_vmpl(sim), snp) != 0)
            return -EINVAL;
    }
    certs = tee_sim_snp_certs(sim);
    if (g_bytes_get_size(certs) > AUXBLOB_MAX)
        return -EIO;
    report->out = g_byte_array_free_to_bytes(tee_sim_spoil(sim, snp, sizeof(snp)));
    report->aux = g_steal_pointer(&certs);
    report->manifest = g_steal_pointer(&manifest);
    return 0;
}

static int
make(TeeSim *sim, TsmReport *report)
{
    int result = 0;

    if (!has_provider(sim))
        return -ENXIO;
    if (report->out && report->read_generation == report->write_generation)
        return 0;
    drop_blobs(report);
    result = sim->type == TEE_SIM_TDX ? make_tdx(sim, report) : make_snp(sim, report);
    if (result == 0)
        report->read_generation = report->write_generation;
    return result;
}

/* Reading. */

static int
read_blob(TeeSim *sim, TsmFile *file)
{
    TsmReport *report = file->report;
    int result = make(sim, report);
    GBytes *blob = NULL;

    if (result)
        return result;
    blob = file->attribute == OUTBLOB   ? report->out
           : file->attribute == AUXBLOB ? report->aux
                                        : report->manifest;
    if (blob && g_bytes_get_size(blob) > OUTBLOB_MAX)
        return -EFBIG;
    file->seen = blob ? g_bytes_ref(blob) : g_bytes_new(NULL, 0);
    return 0;
}

static char *
read_text(const TeeSim *sim, const TsmFile *file)
{
    switch (file->attribute) {
    case GENERATION:
        return g_strdup_printf("%lu\n", file->report->write_generation);
    case PROVIDER:
        return g_strdup(sim->type == TEE_SIM_TDX ? "tdx_guest\n" : "sev_guest\n");
    case PRIVLEVEL_FLOOR:
        return g_strdup_printf("%u\n", tee_sim_vmpl(sim));
    default:
        g_assert_not_reached();
    }
}

gssize
tsm_read(TeeSim *sim, TsmFile *file, char *data, gsize size, guint64 offset)
{
    const char *all = NULL;
    gsize all_size = 0;

    if (file->report->removed)
        return -ENOENT;
    if (file->written)
        return -ETXTBSY;
    if (file->seen == NULL) {
        if (attributes[file->attribute].binary) {
            int result = read_blob(sim, file);

            if (result)
                return result;
        } else {
            char *text = read_text(sim, file);

            file->seen = g_bytes_new_take(text, strlen(text));
        }
    }
    all = g_bytes_get_data(file->seen, &all_size);
    if (offset >= all_size)
        return 0;
    size = MIN(size, all_size - (gsize)offset);
    memcpy(data, all + offset, size);
    return (gssize)size;
}

/* Writing. */

/* As kstrtouint(): base by prefix, at most one newline behind it, nothing else. */
static int
parse_uint(const char *text, guint *ret_value)
{
    char *end = NULL;
    guint64 value = 0;

    if (*text == '+')
        text++;
    if (!g_ascii_isdigit(*text))
        return -EINVAL;
    errno = 0;
    value = strtoull(text, &end, 0);
    if (*end == '\n')
        end++;
    if (*end != '\0')
        return -EINVAL;
    if (errno || value > G_MAXUINT)
        return -ERANGE;
    *ret_value = (guint)value;
    return 0;
}

/* As guid_parse(): 36 characters, and what comes after them is not looked at. */
static gboolean
parse_guid(const char *text, guint8 guid[static 16])
{
    static const guint8 places[16] = {6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34};

    if (strlen(text) < 36)
        return FALSE;
    for (guint i = 0; i < 36; i++) {
        gboolean dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !g_ascii_isxdigit(text[i]))
            return FALSE;
    }
    for (guint i = 0; i < 16; i++)
        guid[i] = (guint8)(g_ascii_xdigit_value(text[places[i]]) << 4 |
                           g_ascii_xdigit_value(text[places[i] + 1]));
    return TRUE;
}

static int
write_text(TeeSim *sim, TsmFile *file, const char *text)
{
    TsmReport *report = file->report;
    guint number = 0;
    int result = 0;

    switch (file->attribute) {
    case PRIVLEVEL:
        result = parse_uint(text, &number);
        if (result)
            return result;
        if (!has_provider(sim))
            return -ENXIO;
        if (number < tee_sim_vmpl(sim) || number > 3)
            return -EINVAL;
        if (!advance(report))
            return -EBUSY;
        report->privlevel = number;
        return 0;
    case SERVICE_PROVIDER:
        if (!advance(report))
            return -EBUSY;
        g_free(report->service_provider);
        report->service_provider = g_strdup(text);
        if (g_str_has_suffix(text, "\n"))
            report->service_provider[strlen(text) - 1] = '\0';
        return 0;
    case SERVICE_GUID:
        if (!advance(report))
            return -EBUSY;
        memset(report->guid, 0, sizeof(report->guid));
        return parse_guid(text, report->guid) ? 0 : -EINVAL;
    case SERVICE_MANIFEST_VERSION:
        result = parse_uint(text, &number);
        if (result)
            return result;
        if (!advance(report))
            return -EBUSY;
        report->manifest_version = number;
        return 0;
    default:
        g_assert_not_reached();
    }
}

gssize
tsm_write(TeeSim *sim, TsmFile *file, const char *data, gsize size, guint64 offset)
{
    if (file->report->removed)
        return -ENOENT;
    if (!attributes[file->attribute].binary) {
        g_autofree char *text = g_strndup(data, size);
        int result = write_text(sim, file, text);

        return result ? result : (gssize)size;
    }
    if (file->seen)
        return -ETXTBSY;
    if (offset + size > INBLOB_MAX)
        return -EFBIG;
    if (file->written == NULL)
        file->written = g_byte_array_new();
    if (file->written->len < offset + size) {
        guint old = file->written->len;

        g_byte_array_set_size(file->written, (guint)(offset + size));
        memset(file->written->data + old, 0, file->written->len - old);
    }
    memcpy(file->written->data + offset, data, size);
    return (gssize)size;
}

void
tsm_flush(TeeSim *sim, TsmFile *file)
{
    TsmReport *report = file->report;

    if (file->written == NULL)
        return;
    if (!report->removed && advance(report)) {
        report->inblob_size = file->written->len;
        memcpy(report->inblob, file->written->data, file->written->len);
    }
    g_byte_array_unref(file->written);
    file->written = NULL;
}
