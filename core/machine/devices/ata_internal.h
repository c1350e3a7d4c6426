/* Shared by the files of the ATA device. */
#ifndef HWACCL_MACHINE_ATA_INTERNAL_H
#define HWACCL_MACHINE_ATA_INTERNAL_H

#include "core/machine/board/board.h"
#include "core/machine/devices/ata.h"

#include <stddef.h>

#define ATA_SECTOR HWACCL_DISK_SECTOR_SIZE

#define ATA_STATUS_ERR  0x01u
#define ATA_STATUS_DRQ  0x08u
#define ATA_STATUS_DSC  0x10u /* obsolete; software looks for it */
#define ATA_STATUS_DRDY 0x40u
#define ATA_STATUS_BSY  0x80u

#define ATA_ERROR_ABRT 0x04u
#define ATA_ERROR_IDNF 0x10u
#define ATA_ERROR_UNC  0x40u
#define ATA_ERROR_PASS 0x01u /* diagnostic code: no error */

#define ATA_DEVICE_DEV 0x10u
#define ATA_DEVICE_LBA 0x40u

#define ATA_CONTROL_NIEN 0x02u
#define ATA_CONTROL_SRST 0x04u
#define ATA_CONTROL_HOB  0x80u

enum ata_power { ATA_ACTIVE = 0, ATA_IDLING = 1, ATA_STANDBY = 2, ATA_SLEEPING = 3 };

#define ATA_HEADS_DEFAULT   16u
#define ATA_SECTORS_DEFAULT 63u

/** ata_disk - of drive 0 or 1 of the channel; NULL: there is none */
static inline const struct hwaccl_disk *ata_disk(const struct hwaccl_ata *ata, unsigned drive)
{
        return drive < ata->disk_count ? &ata->disk[drive] : NULL;
}

/** ata_disk_number - its number in the machine, as inputs and effects have it */
static inline unsigned ata_disk_number(const struct hwaccl_ata *ata, unsigned drive)
{
        return ata->channel * 2 + drive;
}

/** ata_cylinders - of a disk with that translation, at most @limit */
static inline unsigned ata_cylinders(const struct hwaccl_disk *disk, unsigned heads, unsigned sectors, unsigned limit)
{
        uint64_t cylinder = (uint64_t)heads * sectors; /* 0 in a state that no check has seen only */
        uint64_t cylinders = cylinder ? disk->sectors / cylinder : 0;

        return cylinders > limit ? limit : cylinders ? (unsigned)cylinders : 1;
}

/* ata_command.c */

/** ata_set_signature - what a drive's registers hold after a reset or diagnostic */
void ata_set_signature(struct hwaccl_ata *ata);

/** ata_execute - the selected drive, which is there, was given a command */
void ata_execute(struct hwaccl_ata *ata, uint8_t command);

/** ata_block_done - the guest has read or written the last byte of the block in the buffer */
void ata_block_done(struct hwaccl_ata *ata);

/* ata_identify.c */

/** ata_identify - IDENTIFY DEVICE data of a drive, 512 bytes */
void ata_identify(const struct hwaccl_ata *ata, unsigned number, uint8_t *data);

#endif
