/* The registers of the two 8237 DMA controllers and their page registers: kept, without a device that would use them.
 */
#ifndef HWACCL_MACHINE_DMA_H
#define HWACCL_MACHINE_DMA_H

#include "core/machine/board/device.h"

struct hwaccl_dma {
        struct hwaccl_device device;
        uint8_t low[16];  /* 0h-fh */
        uint8_t page[16]; /* 80h-8fh; 80h is where firmware writes its POST codes */
        uint8_t high[32]; /* c0h-dfh */
};

void hwaccl_dma_init(struct hwaccl_dma *dma, struct hwaccl_board *board);

#endif
