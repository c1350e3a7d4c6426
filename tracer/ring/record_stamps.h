/* Times in records: for those who pass records on to where the stamps' clock is not known. */
#ifndef HWACCL_TRACER_RECORD_STAMPS_H
#define HWACCL_TRACER_RECORD_STAMPS_H

#include "tracer/ring/ring_records.h"

#define RECORD_STAMPS_MAX 2u

/** record_stamps - the time stamps of a record that is trusted, as far as it has any; how many. The earliest first */
unsigned record_stamps(struct ring_record *record, uint64_t *stamp[RECORD_STAMPS_MAX]);

#endif
