/* An IDE channel: ATA disks 0 and 1 behind one set of task-file registers. Private to the ata_*.c files but for init.
 */
#ifndef HWACCL_MACHINE_ATA_H
#define HWACCL_MACHINE_ATA_H

#include "core/machine/board/device.h"

#define HWACCL_ATA_CHANNELS     2
#define HWACCL_ATA_MULTIPLE_MAX 8u                               /* sectors of a block of READ and WRITE MULTIPLE */
#define HWACCL_ATA_BUFFER_SIZE  (HWACCL_ATA_MULTIPLE_MAX * 512u) /* is one input, and one effect */

enum hwaccl_ata_direction {
        HWACCL_ATA_IDLE = 0,
        HWACCL_ATA_TO_HOST = 1,
        HWACCL_ATA_FROM_HOST = 2,
};

/* Registers with two bytes hold what was written last and, for 48-bit commands, what was written before. */
struct hwaccl_ata_drive {
        uint8_t feature[2];
        uint8_t count[2];
        uint8_t lba_low[2];
        uint8_t lba_middle[2];
        uint8_t lba_high[2];
        uint8_t error;
        uint8_t status;    /* without BSY and DRQ, which follow from the channel's state */
        uint8_t interrupt; /* INTRQ is asserted when this drive is selected and nIEN is clear */
        uint8_t multiple;  /* sectors of a block, 0: READ and WRITE MULTIPLE are not to be used */
        uint8_t heads;     /* of the translation in force, 1-16 */
        uint8_t sectors;   /* of a track, 1-255 */
        uint8_t power;     /* enum ata_power */
        uint8_t write_through;
        uint8_t no_look_ahead;
        uint8_t reverting_off; /* a software reset keeps what SET FEATURES and SET MULTIPLE set */
};

struct hwaccl_ata {
        struct hwaccl_device device;
        /* what does not change */
        unsigned channel;
        unsigned line;
        uint16_t base;            /* of the command block */
        uint16_t control_port;    /* alternate status and device control */
        struct hwaccl_disk *disk; /* the machine's, of device 0 on */
        unsigned disk_count;

        /* state */
        struct hwaccl_ata_drive drive[2];
        uint8_t select;    /* device register, as both devices have it */
        uint8_t control;   /* device control register */
        uint8_t direction; /* enum hwaccl_ata_direction: a block waits in the buffer, or for bytes into it */
        uint8_t owner;     /* drive that the block belongs to */
        uint8_t extended;  /* by a 48-bit command */
        uint8_t block;     /* sectors of a block */
        uint16_t position; /* next byte of the buffer */
        uint16_t size;     /* bytes of this block */
        uint32_t rest;     /* sectors after this block */
        uint64_t sector;   /* first one of the block if it is to be written, of the next block if it is being read */
        uint8_t buffer[HWACCL_ATA_BUFFER_SIZE];
};

/** hwaccl_ata_init - add a channel to a machine that has disks
 * @channel: 0 at 1f0h and 3f6h, line 14, with the machine's disks 0 and 1; 1 at 170h and 376h, line 15, with 2 and 3 */
void hwaccl_ata_init(struct hwaccl_ata *ata, unsigned channel, struct hwaccl_board *board);

#endif
