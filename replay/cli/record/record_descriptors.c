/* The descriptors that a VMM inherits: once it runs, they are its own. Whoever waits for the end of a pipe or of a
 * connection would otherwise wait until the recorder ends too. */
#include "replay/cli/record/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool add(struct record_descriptors *inherited, int fd)
{
        int *larger = realloc(inherited->fd, (inherited->count + 1) * sizeof(*larger));

        if (!larger)
                return false;
        inherited->fd = larger;
        larger[inherited->count++] = fd;
        return true;
}

bool record_descriptors_find(struct record_descriptors *inherited, struct hwaccl_error *error)
{
        DIR *directory = opendir("/proc/self/fd");
        bool good = directory != NULL;

        for (const struct dirent *entry; good && (entry = readdir(directory));) {
                char *end;
                long fd = strtol(entry->d_name, &end, 10);
                if (*end || fd == STDERR_FILENO || fd == dirfd(directory))
                        continue; /* the last line goes to standard error */
                int flags = fcntl((int)fd, F_GETFD);
                if (flags >= 0 && !(flags & FD_CLOEXEC))
                        good = add(inherited, (int)fd);
        }
        if (directory)
                (void)closedir(directory);
        return good || hwaccl_error_set(error, "cannot find the open descriptors: %s", strerror(errno));
}

/* The next inherited one, from @fd on; or @most. */
static unsigned next_inherited(const struct record_descriptors *inherited, unsigned fd, unsigned most)
{
        for (size_t i = 0; i < inherited->count; i++)
                if ((unsigned)inherited->fd[i] >= fd && (unsigned)inherited->fd[i] < most)
                        most = (unsigned)inherited->fd[i];
        return most;
}

void record_descriptors_hide(const struct record_descriptors *inherited)
{
        for (unsigned fd = STDERR_FILENO + 1u; fd < INT_MAX;) {
                unsigned kept = next_inherited(inherited, fd, INT_MAX);
                if (kept > fd)
                        (void)close_range(fd, kept - 1, CLOSE_RANGE_CLOEXEC);
                fd = kept + 1;
        }
}

void record_descriptors_leave(struct record_descriptors *inherited)
{
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (size_t i = 0; i < inherited->count; i++)
                if (inherited->fd[i] > STDERR_FILENO)
                        (void)close(inherited->fd[i]);
                else if (nothing >= 0) /* what is opened next must not become standard output */
                        (void)dup2(nothing, inherited->fd[i]);
        if (nothing >= 0)
                (void)close(nothing);
        record_descriptors_free(inherited);
}

void record_descriptors_free(struct record_descriptors *inherited)
{
        free(inherited->fd);
        *inherited = (struct record_descriptors){NULL, 0};
}
