/*
 * Devices: what the guest sees on its ports and in MMIO space. Each device is one file and one struct that embeds
 * struct hwaccl_device as its first member. A device's behaviour is a function of its fields, of what the guest does to
 * it and of what it reads through host.h; it keeps no other state.
 */
#ifndef HWACCL_DEVICE_H
#define HWACCL_DEVICE_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_board;
struct hwaccl_device;

/* One named part of a device's state: save, load, comparison and the database's device_state rows come from this table.
 */
struct hwaccl_device_field {
        const char *name;
        uint16_t offset; /* bytes from the start of the device's struct */
        uint16_t size;   /* bytes: 1, 2, 4 or 8 is a little-endian number; anything else a byte array */
};

#define HWACCL_DEVICE_FIELD(type, member)                                                                              \
        {                                                                                                              \
#member, (uint16_t)offsetof(type, member), (uint16_t)sizeof(((type *)NULL)->member)                    \
        }

struct hwaccl_device_ops {
        const char *name; /* unique in a machine; a name in the database: "pic", "pit", "rtc", "uart" … */
        const struct hwaccl_device_field *fields;
        size_t field_count;
        size_t size; /* bytes of the device's struct, where there is valid(); at most HWACCL_DEVICE_STRUCT_MAX */

        /* @size is 1, 2 or 4; a read of a port that the device claimed but does not decode gives all ones */
        uint32_t (*port_read)(struct hwaccl_device *device, uint16_t port, unsigned size);
        void (*port_write)(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value);

        /* NULL for devices without MMIO; @size is 1, 2, 4 or 8 */
        uint64_t (*mmio_read)(struct hwaccl_device *device, uint64_t address, unsigned size);
        void (*mmio_write)(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value);

        /* Bring the device up to hwaccl_host_clock(): raise and lower lines. NULL for devices without time. */
        void (*advance)(struct hwaccl_device *device);
        /* Guest clock, ns, of the next advance(); UINT64_MAX: never. NULL: never. */
        uint64_t (*deadline)(const struct hwaccl_device *device);

        /* Called before the fields are saved or compared: copy in state that is stored elsewhere. NULL for most. */
        void (*saving)(struct hwaccl_device *device);

        /* Can the fields be what they are? Asked of a copy of the device before a state from a recording, which is not
         * trusted, is taken: looks at the fields alone and changes nothing. False with *error set when a value is out
         * of its range. NULL when every value is possible. */
        bool (*valid)(const struct hwaccl_device *device, struct hwaccl_error *error);

        /* The fields were overwritten with a valid state: derive what is not a field. NULL for most. */
        void (*restored)(struct hwaccl_device *device);
};

struct hwaccl_device {
        const struct hwaccl_device_ops *ops;
        struct hwaccl_board *board;
};

#define HWACCL_DEVICE_STATE_MAX  8192u /* bytes of one device's fields together */
#define HWACCL_DEVICE_STRUCT_MAX 16384u

/** hwaccl_device_state_size - bytes of all fields together; what save writes and load reads */
size_t hwaccl_device_state_size(const struct hwaccl_device *device);

/** hwaccl_device_save - pack the fields one after the other, without padding */
void hwaccl_device_save(struct hwaccl_device *device, uint8_t *state);

/** hwaccl_device_check - would hwaccl_device_load() take this state? The device stays as it is */
bool hwaccl_device_check(const struct hwaccl_device *device, const uint8_t *state, size_t size,
                         struct hwaccl_error *error);

/** hwaccl_device_load - the reverse of save. False with *error set when a value cannot be; the device is then as before
 */
bool hwaccl_device_load(struct hwaccl_device *device, const uint8_t *state, size_t size, struct hwaccl_error *error);

#endif
