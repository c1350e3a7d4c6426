/* QEMU's firmware configuration device: what firmware asks about the machine, by port or by DMA. */
#ifndef HWACCL_MACHINE_FW_CFG_H
#define HWACCL_MACHINE_FW_CFG_H

#include "core/machine/board/board.h"

#define HWACCL_FW_CFG_ITEM_MAX     20
#define HWACCL_FW_CFG_FILE_MAX     10
#define HWACCL_FW_CFG_CONTENT_SIZE 6144

struct hwaccl_fw_cfg_item {
        uint16_t key;
        uint16_t offset; /* into the content */
        uint16_t size;   /* bytes */
};

struct hwaccl_fw_cfg {
        struct hwaccl_device device;
        uint16_t key;         /* selected item */
        uint32_t offset;      /* of the next byte in it */
        uint32_t dma_address; /* high half, as written to 514h */
        /* determined by the machine's configuration, not by its images: no part of the state */
        struct hwaccl_fw_cfg_item item[HWACCL_FW_CFG_ITEM_MAX];
        unsigned item_count;
        uint8_t content[HWACCL_FW_CFG_CONTENT_SIZE];
        unsigned content_size;
};

void hwaccl_fw_cfg_init(struct hwaccl_fw_cfg *fw_cfg, struct hwaccl_board *board);

/** hwaccl_fw_cfg_fill - build the items: fw_cfg_items.c */
void hwaccl_fw_cfg_fill(struct hwaccl_fw_cfg *fw_cfg, const struct hwaccl_board *board);

#endif
