/* Two 8259A interrupt controllers, the second on input 2 of the first, with the edge/level registers of the PIIX. */
#ifndef HWACCL_MACHINE_PIC_H
#define HWACCL_MACHINE_PIC_H

#include "core/machine/board/board.h"

/* Which command word the data port expects; PIC_UNINITIALIZED and PIC_READY take OCW1 (the mask). */
enum hwaccl_pic_step {
        HWACCL_PIC_UNINITIALIZED = 0, /* since reset: raises nothing */
        HWACCL_PIC_EXPECTS_ICW2 = 1,
        HWACCL_PIC_EXPECTS_ICW3 = 2,
        HWACCL_PIC_EXPECTS_ICW4 = 3,
        HWACCL_PIC_READY = 4,
};

struct hwaccl_pic_chip {
        uint8_t step;     /* enum hwaccl_pic_step */
        uint8_t lines;    /* levels of the inputs */
        uint8_t irr;      /* interrupt requests; bit 2 of the master follows the slave's output */
        uint8_t isr;      /* in service */
        uint8_t imr;      /* masked */
        uint8_t base;     /* vector of input 0; a multiple of 8 */
        uint8_t lowest;   /* input of lowest priority, 0-7: 7 unless rotated */
        uint8_t icw1;     /* bit 0: ICW4 follows; bit 1: single; bit 3: all inputs level-triggered */
        uint8_t icw3;     /* kept as written: the wiring is fixed */
        uint8_t icw4;     /* bit 1: automatic EOI; bit 4: special fully nested mode */
        uint8_t level;    /* edge/level control register: inputs that are level-triggered */
        uint8_t read_isr; /* a read of the command port gives the ISR, not the IRR */
        uint8_t poll;     /* the next read is a poll */
        uint8_t special_mask;
        uint8_t rotate_on_auto_eoi;
};

struct hwaccl_pic {
        struct hwaccl_device device;
        struct hwaccl_interrupt_controller controller;
        void (*output)(void *opaque, bool level); /* watches INTR; NULL: nobody does */
        void *output_opaque;
        struct hwaccl_pic_chip master;
        struct hwaccl_pic_chip slave;
};

void hwaccl_pic_init(struct hwaccl_pic *pic, struct hwaccl_board *board);

/** hwaccl_pic_connect - @output gets the level of INTR after everything that may change it */
void hwaccl_pic_connect(struct hwaccl_pic *pic, void (*output)(void *opaque, bool level), void *opaque);

#endif
