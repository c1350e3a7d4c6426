/* Devices with byte-wide registers: wider accesses are made of bytes, lowest port first, as the ISA bus splits them. */
#ifndef HWACCL_MACHINE_PORTS_H
#define HWACCL_MACHINE_PORTS_H

#include "core/machine/board/device.h"

static inline uint32_t hwaccl_ports_read(struct hwaccl_device *device, uint16_t port, unsigned size,
                                         uint8_t (*read)(struct hwaccl_device *device, uint16_t port))
{
        uint32_t value = 0;
        for (unsigned i = 0; i < size; i++)
                value |= (uint32_t)read(device, (uint16_t)(port + i)) << (i * 8);
        return value;
}

static inline void hwaccl_ports_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value,
                                      void (*write)(struct hwaccl_device *device, uint16_t port, uint8_t value))
{
        for (unsigned i = 0; i < size; i++)
                write(device, (uint16_t)(port + i), (uint8_t)(value >> (i * 8)));
}

#endif
