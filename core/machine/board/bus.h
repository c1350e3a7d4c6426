/* The bus: which device answers a port or an MMIO address. Unclaimed reads give all ones, unclaimed writes are dropped.
 */
#ifndef HWACCL_BUS_H
#define HWACCL_BUS_H

#include "core/machine/board/device.h"

#define HWACCL_BUS_MMIO_MAX   16
#define HWACCL_BUS_DEVICE_MAX 32

struct hwaccl_bus_mmio {
        uint64_t address;
        uint64_t size;
        struct hwaccl_device *device;
};

struct hwaccl_bus {
        struct hwaccl_device *device[HWACCL_BUS_DEVICE_MAX]; /* [0] is unused: 0 in port_owner means unclaimed */
        uint8_t device_count;
        uint8_t port_owner[65536];
        struct hwaccl_bus_mmio mmio[HWACCL_BUS_MMIO_MAX];
        unsigned mmio_count;
};

/** hwaccl_bus_claim_ports, hwaccl_bus_claim_mmio - assign a range to a device; an overlap violates an
 * invariant */
void hwaccl_bus_claim_ports(struct hwaccl_bus *bus, struct hwaccl_device *device, uint16_t first, unsigned count);
void hwaccl_bus_claim_mmio(struct hwaccl_bus *bus, struct hwaccl_device *device, uint64_t address, uint64_t size);

/** hwaccl_bus_map_ports, hwaccl_bus_unmap_ports - for ranges that the guest moves: claim the ports that are free,
 * release those of the device. A fixed claim takes precedence */
void hwaccl_bus_map_ports(struct hwaccl_bus *bus, struct hwaccl_device *device, uint16_t first, unsigned count);
void hwaccl_bus_unmap_ports(struct hwaccl_bus *bus, struct hwaccl_device *device, uint16_t first, unsigned count);

/** hwaccl_bus_move_mmio - the one range of a device, which takes precedence over those claimed after it, is there now;
 * @size 0: nowhere */
void hwaccl_bus_move_mmio(struct hwaccl_bus *bus, const struct hwaccl_device *device, uint64_t address, uint64_t size);

/* @size is 1, 2 or 4 for ports; an access that crosses from one device's ports into another's is split into bytes. */
uint32_t hwaccl_bus_port_read(struct hwaccl_bus *bus, uint16_t port, unsigned size);
void hwaccl_bus_port_write(struct hwaccl_bus *bus, uint16_t port, unsigned size, uint32_t value);

/* @size is 1, 2, 4 or 8. */
uint64_t hwaccl_bus_mmio_read(struct hwaccl_bus *bus, uint64_t address, unsigned size);
void hwaccl_bus_mmio_write(struct hwaccl_bus *bus, uint64_t address, unsigned size, uint64_t value);

#endif
