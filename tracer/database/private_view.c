/* SQLite's file interface (sqlite3_vfs) over a private file: one database, no other file ever. */
#include "tracer/database/private_view.h"

#include "tracer/database/private_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VFS_NAME "hwaccl-private"

struct view_file {
        sqlite3_file file; /* must be first */
        struct private_file view;
};

static struct private_file *view_of(sqlite3_file *file)
{
        return &((struct view_file *)(void *)file)->view;
}

static int view_close(sqlite3_file *file)
{
        private_file_close(view_of(file));
        return SQLITE_OK;
}

static int view_read(sqlite3_file *file, void *buffer, int size, sqlite3_int64 offset)
{
        size_t got = 0;

        if (!private_file_read(view_of(file), (uint64_t)offset, buffer, (size_t)size, &got))
                return SQLITE_IOERR_READ;
        if (got == (size_t)size)
                return SQLITE_OK;
        memset((uint8_t *)buffer + got, 0, (size_t)size - got);
        return SQLITE_IOERR_SHORT_READ;
}

static int view_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
        return private_file_write(view_of(file), (uint64_t)offset, data, (size_t)size) ? SQLITE_OK : SQLITE_IOERR_NOMEM;
}

static int view_truncate(sqlite3_file *file, sqlite3_int64 size)
{
        private_file_truncate(view_of(file), (uint64_t)size);
        return SQLITE_OK;
}

static int view_sync(sqlite3_file *file, int flags)
{
        (void)file;
        (void)flags;
        return SQLITE_OK;
}

static int view_size(sqlite3_file *file, sqlite3_int64 *size)
{
        const struct private_file *view = view_of(file);

        uint64_t bytes = view->pages * view->page_size; /* below 2^48 */
        *size = (sqlite3_int64)bytes;
        return SQLITE_OK;
}

/* Nobody else sees the view. */
static int view_lock(sqlite3_file *file, int level)
{
        (void)file;
        (void)level;
        return SQLITE_OK;
}

static int view_reserved(sqlite3_file *file, int *reserved)
{
        (void)file;
        *reserved = 0;
        return SQLITE_OK;
}

static int view_control(sqlite3_file *file, int operation, void *argument)
{
        (void)file;
        (void)operation;
        (void)argument;
        return SQLITE_NOTFOUND;
}

static int view_sector_size(sqlite3_file *file)
{
        return (int)view_of(file)->page_size;
}

static int view_characteristics(sqlite3_file *file)
{
        (void)file;
        return 0;
}

/* Version 1: without shared memory there is no write-ahead logging, and nothing is mapped. */
static const sqlite3_io_methods view_methods = {
        .iVersion = 1,
        .xClose = view_close,
        .xRead = view_read,
        .xWrite = view_write,
        .xTruncate = view_truncate,
        .xSync = view_sync,
        .xFileSize = view_size,
        .xLock = view_lock,
        .xUnlock = view_lock,
        .xCheckReservedLock = view_reserved,
        .xFileControl = view_control,
        .xSectorSize = view_sector_size,
        .xDeviceCharacteristics = view_characteristics,
};

static bool bring_in(struct private_file *view, const char *path, const char *suffix,
                     bool (*apply)(struct private_file *, const char *, struct hwaccl_error *),
                     struct hwaccl_error *error)
{
        char *beside = NULL;

        if (asprintf(&beside, "%s%s", path, suffix) < 0)
                return hwaccl_error_set(error, "out of memory");
        bool good = apply(view, beside, error);
        free(beside);
        return good;
}

/* The file with what a recorder that died left beside it. Never both: SQLite too rolls a journal back before it looks
 * for a log. */
static bool open_view(struct private_file *view, const char *path, struct hwaccl_error *error)
{
        if (!private_file_open(view, path, error))
                return false;
        if (bring_in(view, path, "-journal", private_journal_apply, error) &&
            (view->beside >= 0 || bring_in(view, path, "-wal", private_log_apply, error)))
                return true;
        private_file_close(view);
        return false;
}

/* Why the last view of this thread could not be opened: SQLite has no way for it. */
static _Thread_local struct hwaccl_error open_error;

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
        struct view_file *opened = (struct view_file *)(void *)file;
        (void)vfs;

        file->pMethods = NULL;
        if (!name || !(flags & SQLITE_OPEN_MAIN_DB)) {
                hwaccl_error_set(&open_error, "a file beside the database was asked for");
                return SQLITE_CANTOPEN;
        }
        if (!open_view(&opened->view, name, &open_error))
                return SQLITE_CANTOPEN;
        file->pMethods = &view_methods;
        if (out_flags)
                *out_flags = flags;
        return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
        (void)vfs;
        (void)name;
        (void)sync;
        return SQLITE_IOERR_DELETE;
}

/* The journal and the log are part of the view: to SQLite they are not there. */
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
        (void)vfs;
        (void)name;
        (void)flags;
        *result = 0;
        return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int room, char *full)
{
        (void)vfs;
        return snprintf(full, (size_t)room, "%s", name) < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* What has nothing to do with files is the default's: time, randomness, sleep. */
static bool make_vfs(void)
{
        const sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
        sqlite3_vfs *vfs = usual ? sqlite3_malloc((int)sizeof(*vfs)) : NULL;

        if (!vfs)
                return false;
        *vfs = *usual;
        vfs->szOsFile = (int)sizeof(struct view_file);
        vfs->zName = VFS_NAME;
        vfs->pNext = NULL;
        vfs->xOpen = vfs_open;
        vfs->xDelete = vfs_delete;
        vfs->xAccess = vfs_access;
        vfs->xFullPathname = vfs_full_name;
        if (sqlite3_vfs_register(vfs, 0) == SQLITE_OK)
                return true;
        sqlite3_free(vfs);
        return false;
}

/* SQLite keeps it for the rest of the process; this library has no state of its own. */
static bool have_vfs(void)
{
        sqlite3_mutex *mutex = sqlite3_initialize() == SQLITE_OK ? sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_VFS3) : NULL;

        sqlite3_mutex_enter(mutex); /* NULL: SQLite was built for one thread */
        bool good = sqlite3_vfs_find(VFS_NAME) || make_vfs();
        sqlite3_mutex_leave(mutex);
        return good;
}

sqlite3 *database_open_private(const char *path, struct hwaccl_error *error)
{
        char text[sizeof(open_error.message)];

        if (!have_vfs()) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        hwaccl_error_set(&open_error, "%s: cannot open", path);
        sqlite3 *db = database_open_with(path, SQLITE_OPEN_READWRITE, VFS_NAME);
        if (db &&
            sqlite3_exec(db, "PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY", NULL, NULL, NULL) == SQLITE_OK)
                return db;
        (void)snprintf(text, sizeof(text), "%s", db ? sqlite3_errmsg(db) : open_error.message);
        (void)sqlite3_close(db);
        hwaccl_error_set(error, "%s%s%s", db ? path : "", db ? ": " : "", text);
        return NULL;
}

struct private_file *database_private_file(sqlite3 *db)
{
        sqlite3_file *file = NULL;

        if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file ||
            file->pMethods != &view_methods)
                return NULL;
        return view_of(file);
}
