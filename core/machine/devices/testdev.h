/* QEMU's pc-testdev, which kvm-unit-tests' images use: memory on the I/O bus, ports that keep what is written, and
 * ports that raise and lower interrupt lines. */
#ifndef HWACCL_MACHINE_TESTDEV_H
#define HWACCL_MACHINE_TESTDEV_H

#include "core/machine/board/device.h"

#define HWACCL_TESTDEV_MEMORY      UINT64_C(0xff000000)
#define HWACCL_TESTDEV_MEMORY_SIZE UINT64_C(0x10000)
#define HWACCL_TESTDEV_BANK_SIZE   HWACCL_DEVICE_STATE_MAX
#define HWACCL_TESTDEV_BANKS       (HWACCL_TESTDEV_MEMORY_SIZE / HWACCL_TESTDEV_BANK_SIZE)

/* A part of the memory, as large as a device's state may be. */
struct hwaccl_testdev_bank {
        struct hwaccl_device device;
        uint64_t address;
        uint8_t memory[HWACCL_TESTDEV_BANK_SIZE];
};

struct hwaccl_testdev {
        struct hwaccl_device device;
        uint32_t data; /* of ports e0h-e3h, which are e8h-ebh too */
        struct hwaccl_testdev_bank bank[HWACCL_TESTDEV_BANKS];
};

void hwaccl_testdev_init(struct hwaccl_testdev *testdev, struct hwaccl_board *board);

#endif
