#include "hwaccl/recording.h"

#include <sqlite3.h>

const char *hwaccl_recording_sqlite_version(void)
{
        return sqlite3_libversion();
}
