/* The keyboard controller, with a keyboard without key presses, and an auxiliary port without a device. */
#ifndef HWACCL_MACHINE_I8042_H
#define HWACCL_MACHINE_I8042_H

#include "core/machine/devices/system_control.h"

#define HWACCL_I8042_QUEUE_SIZE 16
#define HWACCL_I8042_RAM_SIZE   32

struct hwaccl_i8042 {
        struct hwaccl_device device;
        struct hwaccl_system_control *system_control; /* has the A20 gate */
        uint8_t command;                              /* written to 64h and waiting for its data byte; 0: none */
        uint8_t system;                               /* status bit 2: the self-test passed */
        uint8_t last_64;                              /* status bit 3: the last write was to 64h */
        uint8_t output;                               /* output port, without A20 */
        uint8_t keyboard_command;                     /* of the keyboard, waiting for its parameter; 0: none */
        uint8_t scan_code_set;                        /* 1-3 */
        uint8_t scanning;
        uint8_t keyboard_lights;
        uint8_t count;                           /* bytes in the output queue */
        uint8_t queue[HWACCL_I8042_QUEUE_SIZE];  /* oldest first; [count] and up are 0 */
        uint8_t source[HWACCL_I8042_QUEUE_SIZE]; /* source of each: 0 keyboard, 1 auxiliary device, 2 controller */
        uint8_t ram[HWACCL_I8042_RAM_SIZE];      /* [0]: the controller's command byte */
};

void hwaccl_i8042_init(struct hwaccl_i8042 *controller, struct hwaccl_system_control *system_control,
                       struct hwaccl_board *board);

#endif
