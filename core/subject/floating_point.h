/* What the subject state does not hold: the registers of FPU, MMX and SSE, which only the accelerator has. */
#ifndef HWACCL_FLOATING_POINT_H
#define HWACCL_FLOATING_POINT_H

#include <stdint.h>

#define HWACCL_FLOATING_POINT_SIZE 512u

struct hwaccl_floating_point {
        uint8_t image[HWACCL_FLOATING_POINT_SIZE]; /* as FXSAVE writes it in 64-bit mode; the unused end is zero */
};

#endif
