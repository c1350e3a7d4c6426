/* A place for a ring in the memory that is shared with the recorder. */
#ifndef HWACCL_INTERPOSE_SLOT_H
#define HWACCL_INTERPOSE_SLOT_H

#include "tracer/interpose/control.h"
#include "tracer/ring/lane.h"

/** slot_take - take the next slot of a kind: @taken counts them. Its number, which may be too large */
uint32_t slot_take(struct interpose_control *control, _Atomic uint32_t *taken);

/** slot_attach - wait for the slot's ring, and make *lane write to it */
bool slot_attach(struct interpose_slot *slot, struct interpose_control *control, struct ring *ring, struct lane *lane);

#endif
