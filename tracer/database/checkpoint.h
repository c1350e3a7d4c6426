/*
 * Table checkpoint: for each vCPU the state with which decoding goes on at a position of its ring. Every transaction of
 * the writer replaces the row, so that the database always says up to which byte of the ring it holds everything:
 * recovery repeats nothing and leaves nothing out. The state is struct decoder_state, which has a version.
 */
#ifndef HWACCL_TRACER_CHECKPOINT_H
#define HWACCL_TRACER_CHECKPOINT_H

#include "tracer/database/decoder.h"

/** checkpoint_write - replace the row of the decoder's vCPU. @ring: the ring file's identity; everything before
 * @position was decoded */
bool checkpoint_write(struct decoder *decoder, uint64_t ring, uint64_t position, struct hwaccl_error *error);

enum checkpoint_result {
        CHECKPOINT_READ,
        CHECKPOINT_NONE, /* there is no row: the recording was finished */
        CHECKPOINT_BAD,  /* *error says what is wrong */
};

/**
 * checkpoint_read - bring the decoder to the state of the row, which is checked: a database is not trusted
 * @decoder: initialized, with its devices
 *
 * Sets *ring and *position.
 */
enum checkpoint_result checkpoint_read(struct decoder *decoder, uint64_t *ring, uint64_t *position,
                                       struct hwaccl_error *error);

#endif
