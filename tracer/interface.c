/* The recorder and the reader of recordings: see include/hwaccl. */
#include "hwaccl/recorder.h"
#include "hwaccl/recording.h"
