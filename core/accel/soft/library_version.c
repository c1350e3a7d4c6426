#include "core/accel/soft/library_version.h"

#include "core/accel/soft/unicorn_library.h"

#include <capstone/capstone.h>

struct hwaccl_library_version hwaccl_unicorn_version(void)
{
        struct hwaccl_library_version version = {0, 0};
        (void)unicorn_library_version(&version.major, &version.minor);
        return version;
}

struct hwaccl_library_version hwaccl_capstone_version(void)
{
        int major;
        int minor;
        (void)cs_version(&major, &minor);
        return (struct hwaccl_library_version){(unsigned)major, (unsigned)minor};
}
