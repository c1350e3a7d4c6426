/* The board: a machine and its devices. Private to the machine: everybody else sees struct hwaccl_machine. */
#ifndef HWACCL_MACHINE_BOARD_H
#define HWACCL_MACHINE_BOARD_H

#include "core/machine/devices/acpi.h"
#include "core/machine/devices/ata.h"
#include "core/machine/devices/debug_ports.h"
#include "core/machine/devices/dma.h"
#include "core/machine/devices/fw_cfg.h"
#include "core/machine/devices/i8042.h"
#include "core/machine/devices/pci.h"
#include "core/machine/devices/pic.h"
#include "core/machine/devices/pit.h"
#include "core/machine/devices/rtc.h"
#include "core/machine/devices/system_control.h"
#include "core/machine/devices/uart.h"
#include "core/machine/machine.h"

#define HWACCL_BOARD_TIMED_MAX 4

struct hwaccl_timed_device {
        struct hwaccl_device *device;
        unsigned line; /* the interrupt line that its deadlines are for */
};

struct hwaccl_board {
        struct hwaccl_machine machine;
        struct hwaccl_pic pic;
        struct hwaccl_pit pit;
        struct hwaccl_uart uart;
        struct hwaccl_rtc rtc;
        struct hwaccl_i8042 i8042;
        struct hwaccl_system_control system_control;
        struct hwaccl_acpi acpi;
        struct hwaccl_pci pci;
        struct hwaccl_fw_cfg fw_cfg;
        struct hwaccl_dma dma;
        struct hwaccl_debug_ports debug_ports;
        struct hwaccl_ata ata[HWACCL_ATA_CHANNELS];

        /* devices that have a deadline, in the order in which they are advanced */
        struct hwaccl_timed_device timed[HWACCL_BOARD_TIMED_MAX];
        size_t timed_count;
        uint64_t deadline_ns; /* least deadline of all devices; holds while deadline_known */
        bool deadline_known;
};

static inline struct hwaccl_board *hwaccl_board_of(struct hwaccl_machine *machine)
{
        return (struct hwaccl_board *)machine;
}

/** hwaccl_machine_add_device - a device becomes part of the machine: of its state, if it has any */
void hwaccl_machine_add_device(struct hwaccl_machine *machine, struct hwaccl_device *device,
                               const struct hwaccl_device_ops *ops);

/** hwaccl_machine_add_timed_device - the same for a device with deadlines, at which it changes an interrupt line */
void hwaccl_machine_add_timed_device(struct hwaccl_machine *machine, struct hwaccl_device *device,
                                     const struct hwaccl_device_ops *ops, unsigned line);

/** hwaccl_machine_deadline_changed - a device's deadline is another one since the guest, or a load, changed its state
 */
void hwaccl_machine_deadline_changed(struct hwaccl_machine *machine);

/** hwaccl_machine_deadline - guest clock, ns, at which the first device wants to be advanced; UINT64_MAX: none does */
uint64_t hwaccl_machine_deadline(struct hwaccl_machine *machine);

/** hwaccl_machine_wake_deadline - the same for devices whose interrupt would reach the processor, which can end HLT */
uint64_t hwaccl_machine_wake_deadline(struct hwaccl_machine *machine);

/** hwaccl_machine_advance - advance every device whose deadline has passed */
void hwaccl_machine_advance(struct hwaccl_machine *machine);

#endif
