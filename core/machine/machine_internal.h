/* What a machine is made of. */
#ifndef HWACCL_MACHINE_INTERNAL_H
#define HWACCL_MACHINE_INTERNAL_H

#include "core/machine/board/board.h"
#include "core/machine/cpu/processor.h"
#include "core/machine/devices/acpi.h"
#include "core/machine/devices/ata.h"
#include "core/machine/devices/debug_ports.h"
#include "core/machine/devices/dma.h"
#include "core/machine/devices/fw_cfg.h"
#include "core/machine/devices/i8042.h"
#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/local_apic.h"
#include "core/machine/devices/pci.h"
#include "core/machine/devices/pic.h"
#include "core/machine/devices/pit.h"
#include "core/machine/devices/rtc.h"
#include "core/machine/devices/system_control.h"
#include "core/machine/devices/testdev.h"
#include "core/machine/devices/uart.h"
#include "core/machine/machine.h"

struct hwaccl_machine {
        struct hwaccl_machine_config config;
        struct hwaccl_board board;
        struct hwaccl_processor processor;
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
        struct hwaccl_local_apic local_apic; /* with HWACCL_MACHINE_APIC, as the next */
        struct hwaccl_io_apic io_apic;
        struct hwaccl_testdev testdev; /* if the configuration has it */
};

#endif
