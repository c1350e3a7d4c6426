/* The PC's system control ports: 61h (speaker, timer 2), 92h (A20, fast reset). */
#ifndef HWACCL_MACHINE_SYSTEM_CONTROL_H
#define HWACCL_MACHINE_SYSTEM_CONTROL_H

#include "core/machine/devices/pit.h"

struct hwaccl_system_control {
        struct hwaccl_device device;
        struct hwaccl_pit *pit;
        uint8_t port_b; /* 61h, bits 3:0 as written: timer 2 gate, speaker, parity checks */
        uint8_t a20;    /* kept for the ports that show it; memory never wraps at 1 MiB */
};

void hwaccl_system_control_init(struct hwaccl_system_control *control, struct hwaccl_pit *pit,
                                struct hwaccl_board *board);

#endif
