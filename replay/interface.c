/* The replay engine: see include/hwaccl. */
#include "hwaccl/replay.h"
