#include "core/machine/board/bus.h"

#include "core/assert.h"

static uint8_t device_number(struct hwaccl_bus *bus, struct hwaccl_device *device)
{
        for (uint8_t i = 1; i < bus->device_count; i++)
                if (bus->device[i] == device)
                        return i;
        if (!bus->device_count)
                bus->device_count = 1; /* index 0 is unused */
        hwaccl_assert(bus->device_count < HWACCL_BUS_DEVICE_MAX);
        bus->device[bus->device_count] = device;
        return bus->device_count++;
}

void hwaccl_bus_claim_ports(struct hwaccl_bus *bus, struct hwaccl_device *device, uint16_t first, unsigned count)
{
        hwaccl_assert(count && first + count <= 65536);
        uint8_t number = device_number(bus, device);

        for (unsigned i = 0; i < count; i++) {
                hwaccl_assert(!bus->port_owner[first + i]);
                bus->port_owner[first + i] = number;
        }
}

void hwaccl_bus_map_ports(struct hwaccl_bus *bus, struct hwaccl_device *device, uint16_t first, unsigned count)
{
        uint8_t number = device_number(bus, device);

        for (unsigned i = 0; i < count && first + i < 65536; i++)
                if (!bus->port_owner[first + i])
                        bus->port_owner[first + i] = number;
}

void hwaccl_bus_unmap_ports(struct hwaccl_bus *bus, struct hwaccl_device *device, uint16_t first, unsigned count)
{
        uint8_t number = device_number(bus, device);

        for (unsigned i = 0; i < count && first + i < 65536; i++)
                if (bus->port_owner[first + i] == number)
                        bus->port_owner[first + i] = 0;
}

void hwaccl_bus_claim_mmio(struct hwaccl_bus *bus, struct hwaccl_device *device, uint64_t address, uint64_t size)
{
        hwaccl_assert(bus->mmio_count < HWACCL_BUS_MMIO_MAX);
        for (unsigned i = 0; i < bus->mmio_count; i++)
                hwaccl_assert(address + size <= bus->mmio[i].address ||
                              bus->mmio[i].address + bus->mmio[i].size <= address);
        bus->mmio[bus->mmio_count++] = (struct hwaccl_bus_mmio){address, size, device};
}

void hwaccl_bus_move_mmio(struct hwaccl_bus *bus, const struct hwaccl_device *device, uint64_t address, uint64_t size)
{
        for (unsigned i = 0; i < bus->mmio_count; i++)
                if (bus->mmio[i].device == device)
                        bus->mmio[i] = (struct hwaccl_bus_mmio){address, size, bus->mmio[i].device};
}

/* Whether all bytes of an access belong to one device. The port space does not wrap. */
static bool one_owner(const struct hwaccl_bus *bus, uint16_t port, unsigned size)
{
        if (port + size > 65536)
                return false;
        for (unsigned i = 1; i < size; i++)
                if (bus->port_owner[port + i] != bus->port_owner[port])
                        return false;
        return true;
}

static uint32_t all_ones(unsigned size)
{
        return size == 4 ? UINT32_MAX : (UINT32_C(1) << (size * 8)) - 1;
}

uint32_t hwaccl_bus_port_read(struct hwaccl_bus *bus, uint16_t port, unsigned size)
{
        if (!one_owner(bus, port, size)) {
                uint32_t value = 0;
                for (unsigned i = 0; i < size; i++) {
                        uint32_t byte = port + i < 65536 ? hwaccl_bus_port_read(bus, (uint16_t)(port + i), 1) : 0xff;
                        value |= byte << (i * 8);
                }
                return value;
        }
        struct hwaccl_device *device = bus->device[bus->port_owner[port]];
        if (!device || !device->ops->port_read)
                return all_ones(size);
        return device->ops->port_read(device, port, size) & all_ones(size);
}

void hwaccl_bus_port_write(struct hwaccl_bus *bus, uint16_t port, unsigned size, uint32_t value)
{
        if (!one_owner(bus, port, size)) {
                for (unsigned i = 0; i < size && port + i < 65536; i++)
                        hwaccl_bus_port_write(bus, (uint16_t)(port + i), 1, (value >> (i * 8)) & 0xff);
                return;
        }
        struct hwaccl_device *device = bus->device[bus->port_owner[port]];
        if (device && device->ops->port_write)
                device->ops->port_write(device, port, size, value & all_ones(size));
}

static struct hwaccl_device *mmio_owner(const struct hwaccl_bus *bus, uint64_t address)
{
        for (unsigned i = 0; i < bus->mmio_count; i++)
                if (address >= bus->mmio[i].address && address - bus->mmio[i].address < bus->mmio[i].size)
                        return bus->mmio[i].device;
        return NULL;
}

static uint64_t mmio_ones(unsigned size)
{
        return UINT64_MAX >> (64 - size * 8);
}

uint64_t hwaccl_bus_mmio_read(struct hwaccl_bus *bus, uint64_t address, unsigned size)
{
        struct hwaccl_device *device = mmio_owner(bus, address);

        if (!device || !device->ops->mmio_read)
                return mmio_ones(size);
        return device->ops->mmio_read(device, address, size) & mmio_ones(size);
}

void hwaccl_bus_mmio_write(struct hwaccl_bus *bus, uint64_t address, unsigned size, uint64_t value)
{
        struct hwaccl_device *device = mmio_owner(bus, address);
        if (device && device->ops->mmio_write)
                device->ops->mmio_write(device, address, size, value & mmio_ones(size));
}
