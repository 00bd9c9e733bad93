/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree: which files the machine has, and who answers for them. */

#define FUSE_USE_VERSION 312
#include "tee-sim-private.h"
#include "base/error.h"

#include <errno.h>
#include <fuse.h>
#include <string.h>
#include <unistd.h>

#define REPORTS "/config/tsm/report"
#define MEASUREMENTS "/sys/devices/virtual/misc/tdx_guest/measurements"
#define MR_SIZE 48

typedef enum {
    NODE_FOLDER,
    NODE_REPORT, /* a private folder */
    NODE_ATTRIBUTE,
    NODE_SEV_GUEST,
    NODE_TDX_GUEST,
    NODE_MR,
    NODE_CCEL_TABLE,
    NODE_CCEL,
    NODE_TPM_LOG,
    NODE_CONTROL,
} NodeKind;

typedef struct {
    NodeKind kind;
    mode_t mode;
    gsize size;
    guint number; /* of the attribute or register */
    TsmReport *report;
} Node;

/* The fixed files; folders follow from them. */
static const struct {
    const char *path;
    NodeKind kind;
    mode_t mode;
} files[] = {
    {REPORTS, NODE_FOLDER, 0755},
    {"/dev/sev-guest", NODE_SEV_GUEST, 0600},
    {"/dev/tdx_guest", NODE_TDX_GUEST, 0600},
    {MEASUREMENTS, NODE_FOLDER, 0755},
    {"/sys/firmware/acpi/tables/CCEL", NODE_CCEL_TABLE, 0400},
    {"/sys/firmware/acpi/tables/data/CCEL", NODE_CCEL, 0400},
    {"/sys/kernel/security/tpm0/binary_bios_measurements", NODE_TPM_LOG, 0440},
    {"/control", NODE_CONTROL, 0644},
};

typedef struct {
    Node node;
    TsmFile *tsm;
    GBytes *seen; /* of the control file */
} Handle;

static TeeSim *
get_sim(void)
{
    return fuse_get_context()->private_data;
}

gboolean
tee_sim_interrupted(void)
{
    return fuse_interrupted();
}

static gboolean
is_there(const TeeSim *sim, guint file)
{
    switch (files[file].kind) {
    case NODE_SEV_GUEST:
        return sim->type == TEE_SIM_SNP;
    case NODE_TDX_GUEST:
        return tee_sim_is_tdx(sim);
    case NODE_CCEL_TABLE:
    case NODE_CCEL:
        return sim->ccel != NULL;
    case NODE_TPM_LOG:
        return sim->tpm_log != NULL;
    default:
        return strcmp(files[file].path, MEASUREMENTS) != 0 || tee_sim_is_tdx(sim);
    }
}

/* The rest of path behind "FOLDER/", or NULL. */
static const char *
below(const char *path, const char *folder)
{
    gsize length = strlen(folder);

    return g_str_has_prefix(path, folder) && path[length] == '/' && path[length + 1] != '\0'
               ? path + length + 1
               : NULL;
}

static int
find_report(TeeSim *sim, const char *rest, Node *node)
{
    const char *slash = strchr(rest, '/');
    g_autofree char *name = slash ? g_strndup(rest, (gsize)(slash - rest)) : g_strdup(rest);
    int attribute = 0;

    node->report = g_hash_table_lookup(sim->reports, name);
    if (node->report == NULL)
        return -ENOENT;
    node->kind = NODE_REPORT;
    node->mode = S_IFDIR | 0755;
    if (slash == NULL)
        return 0;
    attribute = tsm_attribute_find(sim, slash + 1);
    if (attribute < 0)
        return -ENOENT;
    node->kind = NODE_ATTRIBUTE;
    node->number = (guint)attribute;
    node->mode = S_IFREG | tsm_attribute_mode(node->number);
    node->size = tsm_attribute_size(node->number);
    return 0;
}

static int
find_mr(const TeeSim *sim, const char *name, Node *node)
{
    if (!tee_sim_is_tdx(sim))
        return -ENOENT;
    for (guint i = 0; i < TEE_SIM_MRS; i++) {
        if (strcmp(tee_sim_tdx_mr_name(i), name) != 0)
            continue;
        node->kind = NODE_MR;
        node->number = i;
        node->mode = S_IFREG | (tee_sim_tdx_mr_writable(i) ? 0644 : 0444);
        node->size = MR_SIZE;
        return 0;
    }
    return -ENOENT;
}

static gsize
size_of(const TeeSim *sim, NodeKind kind)
{
    switch (kind) {
    case NODE_CCEL_TABLE:
        return 56;
    case NODE_CCEL:
        return g_bytes_get_size(sim->ccel);
    default:
        return 0;
    }
}

static int
find(TeeSim *sim, const char *path, Node *node)
{
    const char *rest = NULL;

    memset(node, 0, sizeof(*node));
    rest = below(path, REPORTS);
    if (rest)
        return find_report(sim, rest, node);
    rest = below(path, MEASUREMENTS);
    if (rest)
        return find_mr(sim, rest, node);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        if (!is_there(sim, i))
            continue;
        if (strcmp(files[i].path, path) == 0 && files[i].kind != NODE_FOLDER) {
            node->kind = files[i].kind;
            node->mode = S_IFREG | files[i].mode;
            node->size = size_of(sim, node->kind);
            return 0;
        }
        if (strcmp(files[i].path, path) == 0 || strcmp(path, "/") == 0 ||
            below(files[i].path, path)) {
            node->mode = S_IFDIR | 0755;
            return 0;
        }
    }
    return -ENOENT;
}

static int
fs_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    Node node;
    int result = find(sim, path, &node);

    if (result)
        return result;
    memset(st, 0, sizeof(*st));
    st->st_mode = node.mode;
    st->st_nlink = S_ISDIR(node.mode) ? 2 : 1;
    st->st_size = (off_t)node.size;
    st->st_uid = getuid();
    st->st_gid = getgid();
    return 0;
}

static int
fs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
           struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer name = NULL;
    Node node;
    int result = find(sim, path, &node);

    if (result)
        return result;
    if (!S_ISDIR(node.mode))
        return -ENOTDIR;
    if (node.kind == NODE_REPORT) {
        for (guint i = 0; i < TSM_ATTRIBUTES; i++)
            if (tsm_attribute_visible(sim, i))
                g_hash_table_add(names, g_strdup(tsm_attribute_name(i)));
    } else if (strcmp(path, REPORTS) == 0) {
        g_hash_table_iter_init(&iter, sim->reports);
        while (g_hash_table_iter_next(&iter, &name, NULL))
            g_hash_table_add(names, g_strdup(name));
    } else if (strcmp(path, MEASUREMENTS) == 0) {
        for (guint i = 0; i < TEE_SIM_MRS; i++)
            g_hash_table_add(names, g_strdup(tee_sim_tdx_mr_name(i)));
    } else {
        for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
            const char *rest = !is_there(sim, i)        ? NULL
                               : strcmp(path, "/") == 0 ? files[i].path + 1
                                                        : below(files[i].path, path);

            if (rest)
                g_hash_table_add(names, g_strndup(rest, strcspn(rest, "/")));
        }
    }
    (void)fill(buffer, ".", NULL, 0, 0);
    (void)fill(buffer, "..", NULL, 0, 0);
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        (void)fill(buffer, name, NULL, 0, 0);
    return 0;
}

static int
fs_mkdir(const char *path, mode_t mode)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    const char *name = below(path, REPORTS);

    return name && strchr(name, '/') == NULL ? tsm_mkdir(sim, name) : -EPERM;
}

static int
fs_rmdir(const char *path)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    const char *name = below(path, REPORTS);

    return name && strchr(name, '/') == NULL ? tsm_rmdir(sim, name) : -EPERM;
}

static int
fs_unlink(const char *path)
{
    return -EPERM;
}

static int
fs_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    return -EACCES;
}

/* open() with O_TRUNC, as a shell's redirection has it. */
static int
fs_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    return 0;
}

static int
fs_open(const char *path, struct fuse_file_info *info)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    gboolean reads = (info->flags & O_ACCMODE) != O_WRONLY;
    gboolean writes = (info->flags & O_ACCMODE) != O_RDONLY;
    Handle *handle = NULL;
    Node node;
    int result = find(sim, path, &node);

    if (result)
        return result;
    /* What cannot be read cannot be read by root. */
    if ((reads && !(node.mode & 0444)) || (writes && !(node.mode & 0222)))
        return -EACCES;
    handle = g_new0(Handle, 1);
    handle->node = node;
    if (node.kind == NODE_ATTRIBUTE)
        handle->tsm = tsm_open(sim, node.report, node.number);
    g_hash_table_add(sim->handles, handle);
    info->fh = (guint64)GPOINTER_TO_SIZE(handle);
    info->direct_io = 1;
    return 0;
}

static void
free_handle(gpointer data)
{
    Handle *handle = data;

    g_clear_pointer(&handle->tsm, tsm_close);
    g_clear_pointer(&handle->seen, g_bytes_unref);
    g_free(handle);
}

static Handle *
get_handle(const struct fuse_file_info *info)
{
    return GSIZE_TO_POINTER(info->fh);
}

static int
fs_flush(const char *path, struct fuse_file_info *info)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    Handle *handle = get_handle(info);

    if (handle->tsm)
        tsm_flush(sim, handle->tsm);
    return 0;
}

static int
fs_release(const char *path, struct fuse_file_info *info)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);

    g_hash_table_remove(sim->handles, get_handle(info));
    return 0;
}

static int
read_from(GBytes *bytes, char *data, gsize size, off_t offset)
{
    gsize all = g_bytes_get_size(bytes);

    if (offset < 0 || (gsize)offset >= all)
        return 0;
    size = MIN(size, all - (gsize)offset);
    memcpy(data, (const char *)g_bytes_get_data(bytes, NULL) + offset, size);
    return (int)size;
}

static int
fs_read(const char *path, char *data, size_t size, off_t offset, struct fuse_file_info *info)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    Handle *handle = get_handle(info);
    g_autoptr(GBytes) bytes = NULL;
    guint8 mr[MR_SIZE];

    switch (handle->node.kind) {
    case NODE_ATTRIBUTE:
        return (int)tsm_read(sim, handle->tsm, data, size, (guint64)offset);
    case NODE_MR:
        if (offset >= MR_SIZE)
            return 0;
        tee_sim_tdx_mr_read(sim, handle->node.number, mr);
        bytes = g_bytes_new(mr, sizeof(mr));
        return read_from(bytes, data, size, offset);
    case NODE_CCEL_TABLE:
        bytes = tee_sim_ccel_table(sim);
        return read_from(bytes, data, size, offset);
    case NODE_CCEL:
        return read_from(sim->ccel, data, size, offset);
    case NODE_TPM_LOG:
        return read_from(sim->tpm_log, data, size, offset);
    case NODE_CONTROL:
        if (handle->seen == NULL) {
            g_autofree char *list = tee_sim_list(sim);
            char *text = g_strdup_printf("%srequests=%u\n", list, sim->requests);

            handle->seen = g_bytes_new_take(text, strlen(text));
        }
        return read_from(handle->seen, data, size, offset);
    default:
        return -EINVAL;
    }
}

static int
write_mr(TeeSim *sim, guint number, const char *data, gsize size, off_t offset)
{
    /* sysfs cuts at the file's size before the driver is asked. */
    if (offset >= MR_SIZE)
        return -EFBIG;
    size = MIN(size, MR_SIZE - (gsize)offset);
    if (offset != 0 || size != MR_SIZE)
        return -EINVAL;
    tee_sim_tdx_mr_extend(sim, number, (const guint8 *)data);
    return (int)size;
}

static int
write_control(TeeSim *sim, const char *data, gsize size)
{
    g_autofree char *text = g_strndup(data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    for (guint i = 0; lines[i]; i++) {
        g_autoptr(GError) error = NULL;

        if (*lines[i] == '\0' || tee_sim_assign(sim, lines[i], &error))
            continue;
        g_printerr("%s\n", error->message);
        return -EINVAL;
    }
    return (int)size;
}

static int
fs_write(const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *info)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    Handle *handle = get_handle(info);

    switch (handle->node.kind) {
    case NODE_ATTRIBUTE:
        return (int)tsm_write(sim, handle->tsm, data, size, (guint64)offset);
    case NODE_MR:
        return write_mr(sim, handle->node.number, data, size, offset);
    case NODE_CONTROL:
        return write_control(sim, data, size);
    default:
        return -EINVAL;
    }
}

static int
fs_ioctl(const char *path, unsigned cmd, void *arg, struct fuse_file_info *info, unsigned flags,
         void *data)
{
    TeeSim *sim = get_sim();
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    Handle *handle = get_handle(info);

    if (flags & FUSE_IOCTL_COMPAT)
        return -ENOSYS;
    switch (handle->node.kind) {
    case NODE_SEV_GUEST:
        return tee_sim_sev_ioctl(sim, cmd, data, (guint64)GPOINTER_TO_SIZE(arg),
                                 fuse_get_context()->pid);
    case NODE_TDX_GUEST:
        return tee_sim_tdx_ioctl(sim, cmd, data);
    default:
        return -ENOTTY;
    }
}

static void *
fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    TeeSim *sim = get_sim();

    sim->handles = g_hash_table_new_full(NULL, NULL, free_handle, NULL);
    /* What is visible changes with the switches. */
    config->entry_timeout = 0;
    config->attr_timeout = 0;
    config->negative_timeout = 0;
    return sim;
}

/* Files that are open at the end are never released. */
static void
fs_destroy(void *data)
{
    TeeSim *sim = data;

    g_clear_pointer(&sim->handles, g_hash_table_unref);
}

const struct fuse_operations tee_sim_operations = {
    .init = fs_init,
    .destroy = fs_destroy,
    .getattr = fs_getattr,
    .readdir = fs_readdir,
    .mkdir = fs_mkdir,
    .rmdir = fs_rmdir,
    .unlink = fs_unlink,
    .create = fs_create,
    .truncate = fs_truncate,
    .open = fs_open,
    .flush = fs_flush,
    .release = fs_release,
    .read = fs_read,
    .write = fs_write,
    .ioctl = fs_ioctl,
};
