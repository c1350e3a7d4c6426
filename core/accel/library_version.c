#include "hwaccl/library_version.h"

#include <capstone/capstone.h>
#include <unicorn/unicorn.h>

struct hwaccl_library_version hwaccl_unicorn_version(void)
{
        struct hwaccl_library_version version;
        (void)uc_version(&version.major, &version.minor);
        return version;
}

struct hwaccl_library_version hwaccl_capstone_version(void)
{
        int major;
        int minor;
        (void)cs_version(&major, &minor);
        return (struct hwaccl_library_version){(unsigned)major, (unsigned)minor};
}
