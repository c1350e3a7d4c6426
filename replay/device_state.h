/*
 * State of the devices after any exit: what was saved there, at keyframes and at the end, or else what a replay from
 * the last keyframe gives. Recordings of other VMMs have none, and behind a gap there is none until the next keyframe.
 */
#ifndef HWACCL_REPLAY_DEVICE_STATE_H
#define HWACCL_REPLAY_DEVICE_STATE_H

#include "hwaccl/error.h"
#include "hwaccl/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_device_value {
        const char *device;
        const char *field;
        uint32_t size;
        const uint8_t *data;
        const uint8_t *before; /* before the exit was handled; NULL: not known */
};

struct hwaccl_device_states {
        struct hwaccl_device_value *value; /* in the order of a snapshot */
        size_t count;
        uint64_t replayed; /* exits from the last snapshot on; 0: that of the exit itself */
        const char *owner; /* device at the port or address that the exit accessed, "": none; NULL: not known */
        bool diverged;     /* handling differs from the recorded one: the state is that of today's hwaccl */
        uint8_t *bytes;
};

/**
 * hwaccl_device_states_after - state of the devices after the handling of exit @number
 * @states: valid until hwaccl_device_states_free(), and no longer than @recording
 *
 * A recording without exits has the state of its end as that of exit 0. False with *error set when there is none.
 */
bool hwaccl_device_states_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                struct hwaccl_device_states *states, struct hwaccl_error *error);
void hwaccl_device_states_free(struct hwaccl_device_states *states);

/** hwaccl_device_value_format - "0x2e" for a number of 1, 2, 4 or 8 bytes; hexadecimal bytes of others, at most @most
 */
void hwaccl_device_value_format(const uint8_t *data, uint32_t size, size_t most, char *text, size_t room);

#endif
