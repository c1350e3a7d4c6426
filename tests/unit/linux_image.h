/* A bzImage of 64 KiB that has the header of boot protocol 2.15 and no code: what the Linux loader looks at. */
#ifndef HWACCL_TESTS_LINUX_IMAGE_H
#define HWACCL_TESTS_LINUX_IMAGE_H

#include <stdint.h>
#include <string.h>

#define LINUX_IMAGE_SETUP   2048u /* three setup sectors */
#define LINUX_IMAGE_CODE    (62u * 1024u)
#define LINUX_IMAGE_SIZE    (LINUX_IMAGE_SETUP + LINUX_IMAGE_CODE)
#define LINUX_IMAGE_PREF    0x1000000u
#define LINUX_IMAGE_INIT    0x200000u
#define LINUX_IMAGE_CMDLINE 255u

static void image_put(uint8_t *image, unsigned offset, unsigned size, uint64_t value)
{
        for (unsigned i = 0; i < size; i++)
                image[offset + i] = (uint8_t)(value >> i * 8);
}

static void linux_image_fill(uint8_t image[LINUX_IMAGE_SIZE])
{
        memset(image, 0, LINUX_IMAGE_SIZE);
        for (unsigned i = 0; i < LINUX_IMAGE_CODE; i++)
                image[LINUX_IMAGE_SETUP + i] = (uint8_t)(i * 7 + 1);
        image_put(image, 0x1f1, 1, 3);                     /* setup_sects */
        image_put(image, 0x1f4, 4, LINUX_IMAGE_CODE / 16); /* syssize */
        image_put(image, 0x1fe, 2, 0xaa55);
        image_put(image, 0x200, 2, 0x6aeb); /* jmp over the header: it ends at 26ch */
        memcpy(image + 0x202, "HdrS", 4);
        image_put(image, 0x206, 2, 0x20f);
        image_put(image, 0x211, 1, 1);          /* LOADED_HIGH */
        image_put(image, 0x214, 4, 0x100000);   /* code32_start */
        image_put(image, 0x22c, 4, 0x7fffffff); /* initrd_addr_max */
        image_put(image, 0x230, 4, 0x200000);   /* kernel_alignment */
        image_put(image, 0x234, 1, 1);          /* relocatable */
        image_put(image, 0x236, 2, 3);          /* 64-bit entry, anything above 4 GiB */
        image_put(image, 0x238, 4, LINUX_IMAGE_CMDLINE);
        image_put(image, 0x258, 8, LINUX_IMAGE_PREF);
        image_put(image, 0x260, 4, LINUX_IMAGE_INIT);
}

#endif
