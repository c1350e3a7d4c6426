/*
 * A tap: gets each record that a recorder's thread takes from its rings, on that thread, before it is decoded. Nothing
 * is added where records are produced.
 */
#ifndef HWACCL_TRACER_RECORD_TAP_H
#define HWACCL_TRACER_RECORD_TAP_H

#include "tracer/ring/ring_records.h"
#include "tracer/ring/timestamps.h"

/* Implementations embed this as their first member. */
struct record_tap {
        /* @lane: its number. @clock: of the record's time stamps. A record comes once, and in the lane's order; after
         * the first failure of the recorder none does */
        void (*record)(struct record_tap *tap, uint32_t lane, const struct ring_record *record,
                       const struct stamp_clock *clock);
};

#endif
