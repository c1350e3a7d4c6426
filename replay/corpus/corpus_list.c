#include "replay/corpus/corpus_list.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX    ".db"
#define DEPTH_MAX 64 /* directories in directories */

/* Takes @path over, also where it fails. */
static struct corpus_file *append(struct corpus_list *list, char *path, struct hwaccl_error *error)
{
        if (list->count == list->room) {
                size_t room = list->room ? 2 * list->room : 64;
                struct corpus_file *file = reallocarray(list->file, room, sizeof(*file));
                if (!file) {
                        free(path);
                        hwaccl_error_set(error, "out of memory");
                        return NULL;
                }
                list->file = file;
                list->room = room;
        }
        struct corpus_file *file = &list->file[list->count++];
        memset(file, 0, sizeof(*file));
        file->path = path;
        return file;
}

static bool append_unreadable(struct corpus_list *list, char *path, int code, struct hwaccl_error *error)
{
        struct corpus_file *file = append(list, path, error);

        if (!file)
                return false;
        corpus_result_fail(&file->result, CORPUS_UNREADABLE, strerror(code));
        return true;
}

static bool append_found(struct corpus_list *list, char *path, const struct stat *status, struct hwaccl_error *error)
{
        struct corpus_file *file = append(list, path, error);

        if (!file)
                return false;
        file->device = status->st_dev;
        file->inode = status->st_ino;
        file->size = (uint64_t)status->st_size;
        return true;
}

static bool is_recording_name(const char *name)
{
        size_t length = strlen(name), suffix = strlen(SUFFIX);

        return name[0] != '.' && length > suffix && strcmp(name + length - suffix, SUFFIX) == 0;
}

static bool add_directory(struct corpus_list *list, const char *path, unsigned depth, struct hwaccl_error *error);

/* Takes @path over. */
static bool add_entry(struct corpus_list *list, char *path, const char *name, unsigned depth,
                      struct hwaccl_error *error)
{
        struct stat status;

        if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
                bool good = add_directory(list, path, depth + 1, error);
                free(path);
                return good;
        }
        if (!is_recording_name(name)) {
                free(path);
                return true;
        }
        if (stat(path, &status) != 0)
                return append_unreadable(list, path, errno, error);
        if (!S_ISREG(status.st_mode)) { /* a socket, a link to a directory */
                free(path);
                return true;
        }
        return append_found(list, path, &status, error);
}

static bool add_entries(struct corpus_list *list, DIR *directory, const char *path, unsigned depth,
                        struct hwaccl_error *error)
{
        size_t length = strlen(path);
        const char *slash = length && path[length - 1] == '/' ? "" : "/";
        struct dirent *entry;

        for (errno = 0; (entry = readdir(directory)); errno = 0) {
                char *name;
                if (entry->d_name[0] == '.')
                        continue;
                if (asprintf(&name, "%s%s%s", path, slash, entry->d_name) < 0)
                        return hwaccl_error_set(error, "out of memory");
                if (!add_entry(list, name, entry->d_name, depth, error))
                        return false;
        }
        if (!errno)
                return true;
        char *name = strdup(path);
        return name ? append_unreadable(list, name, errno, error) : hwaccl_error_set(error, "out of memory");
}

static bool add_directory(struct corpus_list *list, const char *path, unsigned depth, struct hwaccl_error *error)
{
        DIR *directory = depth < DEPTH_MAX ? opendir(path) : (errno = ELOOP, NULL);

        if (!directory) {
                int code = errno;
                char *name = strdup(path);
                return name ? append_unreadable(list, name, code, error) : hwaccl_error_set(error, "out of memory");
        }
        bool good = add_entries(list, directory, path, depth, error);
        (void)closedir(directory);
        return good;
}

bool corpus_list_add(struct corpus_list *list, const char *path, struct hwaccl_error *error)
{
        struct stat status;
        int code = stat(path, &status) == 0 ? 0 : errno;

        if (!code && S_ISDIR(status.st_mode))
                return add_directory(list, path, 0, error);
        char *name = strdup(path);
        if (!name)
                return hwaccl_error_set(error, "out of memory");
        return code ? append_unreadable(list, name, code, error) : append_found(list, name, &status, error);
}

static int by_path(const void *a, const void *b)
{
        return strcmp(((const struct corpus_file *)a)->path, ((const struct corpus_file *)b)->path);
}

static int by_inode(const void *a, const void *b)
{
        const struct corpus_file *x = a, *y = b;

        if (x->device != y->device)
                return x->device < y->device ? -1 : 1;
        if (x->inode != y->inode)
                return x->inode < y->inode ? -1 : 1;
        return by_path(a, b);
}

static void release_file(struct corpus_file *file)
{
        corpus_result_release(&file->result);
        free(file->path);
}

/* Keep those for which @keep says so. */
static void reduce(struct corpus_list *list, bool (*keep)(const struct corpus_list *, size_t, void *), void *opaque)
{
        size_t kept = 0;

        for (size_t i = 0; i < list->count; i++) {
                if (keep(list, i, opaque))
                        list->file[kept++] = list->file[i];
                else
                        release_file(&list->file[i]);
        }
        list->count = kept;
}

struct identity {
        dev_t device;
        ino_t inode;
};

/* Of neighbours that are the same file, the first. */
static bool is_first(const struct corpus_list *list, size_t index, void *opaque)
{
        struct identity *last = opaque;
        const struct corpus_file *file = &list->file[index];
        bool same = file->inode && file->inode == last->inode && file->device == last->device;

        *last = (struct identity){file->device, file->inode};
        return !same;
}

void corpus_list_sort(struct corpus_list *list)
{
        struct identity last = {0, 0};

        if (!list->count)
                return;
        qsort(list->file, list->count, sizeof(*list->file), by_inode);
        reduce(list, is_first, &last);
        qsort(list->file, list->count, sizeof(*list->file), by_path);
}

static bool matches(const struct corpus_list *list, size_t index, void *opaque)
{
        const char *pattern = *(const char **)opaque, *path = list->file[index].path;
        const char *slash = strrchr(path, '/');

        return fnmatch(pattern, strchr(pattern, '/') || !slash ? path : slash + 1, 0) == 0;
}

void corpus_list_filter(struct corpus_list *list, const char *pattern)
{
        reduce(list, matches, &pattern);
}

struct shard {
        uint64_t index, count;
};

static bool is_in_shard(const struct corpus_list *list, size_t index, void *opaque)
{
        const struct shard *shard = opaque;

        (void)list;
        return index % shard->count == shard->index - 1;
}

void corpus_list_shard(struct corpus_list *list, uint64_t index, uint64_t count)
{
        struct shard shard = {index, count};

        reduce(list, is_in_shard, &shard);
}

void corpus_list_release(struct corpus_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                release_file(&list->file[i]);
        free(list->file);
        memset(list, 0, sizeof(*list));
}
