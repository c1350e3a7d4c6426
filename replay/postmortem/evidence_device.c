/* The devices at the end. */
#include "replay/postmortem/evidence.h"

#include "core/machine/board/board.h"
#include "core/machine/board/device.h"

#include <string.h>

const void *evidence_device(const struct hwaccl_evidence *evidence, const char *name)
{
        size_t count;

        if (!evidence->machine)
                return NULL;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(evidence->machine, &count);
        for (size_t i = 0; i < count; i++) {
                if (strcmp(devices[i]->ops->name, name) != 0)
                        continue;
                if (devices[i]->ops->saving)
                        devices[i]->ops->saving(devices[i]);
                return devices[i];
        }
        return NULL;
}

const char *evidence_port_owner(const struct hwaccl_evidence *evidence, uint16_t port)
{
        if (!evidence->machine)
                return NULL;
        const struct hwaccl_bus *bus = &hwaccl_machine_board(evidence->machine)->bus;
        uint8_t owner = bus->port_owner[port];
        return owner ? bus->device[owner]->ops->name : "";
}

const char *evidence_memory_owner(const struct hwaccl_evidence *evidence, uint64_t address)
{
        if (!evidence->machine)
                return NULL;
        const struct hwaccl_bus *bus = &hwaccl_machine_board(evidence->machine)->bus;
        for (unsigned i = 0; i < bus->mmio_count; i++)
                if (address - bus->mmio[i].address < bus->mmio[i].size)
                        return bus->mmio[i].device->ops->name;
        return "";
}
