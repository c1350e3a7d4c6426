/* Which recordings a replay of many takes: the files named, and those below the directories named. */
#ifndef HWACCL_CORPUS_LIST_H
#define HWACCL_CORPUS_LIST_H

#include "hwaccl/error.h"
#include "replay/corpus/corpus_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One recording and what its replay said. */
struct corpus_file {
        char *path;
        dev_t device;
        ino_t inode;   /* 0: the file could not be looked at */
        uint64_t size; /* bytes: the large ones are begun first */
        struct corpus_result result;
};

/* Sorted by the bytes of the path, each file once. */
struct corpus_list {
        struct corpus_file *file;
        size_t count;
        size_t room;
};

/**
 * corpus_list_add - add a file, or every *.db below a directory
 *
 * Names that begin with a period are left out below a directory, and symbolic links to directories are not followed. A
 * file that does not exist and a directory that cannot be read are added with a result: unreadable. False: out of
 * memory.
 */
bool corpus_list_add(struct corpus_list *list, const char *path, struct hwaccl_error *error);

/** corpus_list_sort - after the last one was added */
void corpus_list_sort(struct corpus_list *list);

/**
 * corpus_list_filter - keep what matches a glob(7) pattern: with a slash in it the path, otherwise the file's name
 *
 * An asterisk matches slashes, too.
 */
void corpus_list_filter(struct corpus_list *list, const char *pattern);

/** corpus_list_shard - keep every @count-th file, beginning with number @index of 1 to @count */
void corpus_list_shard(struct corpus_list *list, uint64_t index, uint64_t count);

void corpus_list_release(struct corpus_list *list);

#endif
