#include "tracer/record/flight/flight_files.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

bool flight_is_segment(const char *name)
{
        size_t digits = strspn(name, "0123456789");

        return digits >= 12 && digits < FLIGHT_NAME_SIZE - 4 && !name[digits];
}

bool flight_directory_remove(const char *directory, struct hwaccl_error *error)
{
        DIR *files = opendir(directory);
        struct dirent *entry;
        bool good = files != NULL;

        while (good && (entry = readdir(files)))
                if (flight_is_segment(entry->d_name) || strcmp(entry->d_name, FLIGHT_KEPT) == 0 ||
                    strncmp(entry->d_name, FLIGHT_FRAME, strlen(FLIGHT_FRAME)) == 0 ||
                    strncmp(entry->d_name, FLIGHT_NEW, strlen(FLIGHT_NEW)) == 0)
                        good = unlinkat(dirfd(files), entry->d_name, 0) == 0;
        int reason = errno;
        if (files)
                (void)closedir(files);
        if (good && rmdir(directory) == 0)
                return true;
        return hwaccl_error_set(error, "%s: cannot remove: %s", directory, strerror(good ? errno : reason));
}
