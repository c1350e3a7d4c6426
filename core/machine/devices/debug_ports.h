/* Ports for test guests and firmware: debug logs at 402h and e9h, the debug-exit port at f4h. */
#ifndef HWACCL_MACHINE_DEBUG_PORTS_H
#define HWACCL_MACHINE_DEBUG_PORTS_H

#include "core/machine/board/device.h"

struct hwaccl_debug_ports {
        struct hwaccl_device device; /* no state: what is written leaves the machine at once */
};

/** hwaccl_debug_ports_init - @has_e9: port e9h is not another device's */
void hwaccl_debug_ports_init(struct hwaccl_debug_ports *ports, bool has_e9, struct hwaccl_board *board);

#endif
