#include "tracer/ring/ring_files.h"

#include "tracer/ring/ring_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool check(const char *recording, const char *ring, bool discard, struct hwaccl_error *error)
{
        uint32_t process = 0;

        switch (ring_state(ring, &process)) {
        case HWACCL_RING_NONE: return true;
        case HWACCL_RING_IN_USE:
                return hwaccl_error_set(error, "%s: is being recorded or recovered by process %" PRIu32, recording,
                                        process);
        case HWACCL_RING_LEFT: break;
        }
        return discard || hwaccl_error_set(error,
                                           "%s: was left by a recorder that died: 'hwaccl recover %s' saves the exits "
                                           "in it; --force discards them",
                                           ring, recording);
}

static bool remove_left(const char *ring, struct hwaccl_error *error)
{
        return unlink(ring) == 0 || errno == ENOENT ||
               hwaccl_error_set(error, "%s: cannot remove: %s", ring, strerror(errno));
}

static bool for_each_ring(const char *recording, bool discard, bool clear, struct hwaccl_error *error)
{
        bool good = true;

        for (unsigned i = 0; i < RING_FILES_MAX && good; i++) {
                char *ring = ring_file_path(recording, i);
                good = ring ? clear ? remove_left(ring, error) : check(recording, ring, discard, error)
                            : hwaccl_error_set(error, "out of memory");
                free(ring);
        }
        return good;
}

bool ring_files_check(const char *recording, bool discard, struct hwaccl_error *error)
{
        return for_each_ring(recording, discard, false, error);
}

bool ring_files_clear(const char *recording, bool discard, struct hwaccl_error *error)
{
        return ring_files_check(recording, discard, error) && for_each_ring(recording, discard, true, error);
}
