/* What fw_cfg holds: QEMU, docs/specs/fw_cfg.rst and include/standard-headers/linux/qemu_fw_cfg.h; the files are those
 * that SeaBIOS (docs/Runtime_config.md) reads. */
#include "core/assert.h"
#include "core/machine/devices/fw_cfg.h"

#include <string.h>

#define KEY_SIGNATURE  0x0000
#define KEY_ID         0x0001
#define KEY_RAM_SIZE   0x0003
#define KEY_CPUS       0x0005
#define KEY_BOOT_MENU  0x000e
#define KEY_MAX_CPUS   0x000f
#define KEY_DIRECTORY  0x0019
#define KEY_FIRST_FILE 0x0020
#define KEY_IRQ0_PIN_2 0x8002 /* the MADT and MP tables that firmware makes are to say that line 0 is pin 2 */

#define ID_PORTS 1u
#define ID_DMA   2u
#define E820_RAM 1u
#define COM1     0x3f8u

/* A file of numbers and the directory entry that names it. Directory numbers are big-endian. */
struct file {
        const char *name;
        uint8_t data[20];
        uint32_t size;
};

#define DIRECTORY_NAME_SIZE  56
#define DIRECTORY_ENTRY_SIZE 64

static void put_little(uint8_t *to, uint64_t value, unsigned size)
{
        for (unsigned i = 0; i < size; i++)
                to[i] = (uint8_t)(value >> i * 8);
}

static void put_big(uint8_t *to, uint64_t value, unsigned size)
{
        for (unsigned i = 0; i < size; i++)
                to[i] = (uint8_t)(value >> (size - 1 - i) * 8);
}

static void add_item(struct hwaccl_fw_cfg *fw_cfg, uint16_t key, const void *data, size_t size)
{
        hwaccl_assert(fw_cfg->item_count < HWACCL_FW_CFG_ITEM_MAX);
        hwaccl_assert(size <= sizeof(fw_cfg->content) - fw_cfg->content_size);
        memcpy(fw_cfg->content + fw_cfg->content_size, data, size);
        fw_cfg->item[fw_cfg->item_count++] =
                (struct hwaccl_fw_cfg_item){key, (uint16_t)fw_cfg->content_size, (uint16_t)size};
        fw_cfg->content_size += (unsigned)size;
}

static void add_number(struct hwaccl_fw_cfg *fw_cfg, uint16_t key, uint64_t value, unsigned size)
{
        uint8_t bytes[8];

        put_little(bytes, value, size);
        add_item(fw_cfg, key, bytes, size);
}

static struct file number_file(const char *name, uint64_t value, unsigned size)
{
        struct file file = {.name = name, .size = size};

        put_little(file.data, value, size);
        return file;
}

/* One entry: u64 address, u64 size, u32 type. */
static struct file e820_file(uint64_t memory_size)
{
        struct file file = {.name = "etc/e820", .size = 20};

        put_little(file.data, 0, 8);
        put_little(file.data + 8, memory_size, 8);
        put_little(file.data + 16, E820_RAM, 4);
        return file;
}

void hwaccl_fw_cfg_fill(struct hwaccl_fw_cfg *fw_cfg, uint64_t memory_size, bool apic)
{
        const struct file file[] = {
                number_file("etc/boot-fail-wait", UINT32_MAX, 4), /* for ever: no reboot when nothing can be booted */
                e820_file(memory_size),
                number_file("etc/sercon-port", COM1, 2), /* what goes to the screen goes to the serial port */
        };
        enum { FILE_COUNT = sizeof(file) / sizeof(file[0]) };
        uint8_t directory[4 + FILE_COUNT * DIRECTORY_ENTRY_SIZE] = {0};

        add_item(fw_cfg, KEY_SIGNATURE, "QEMU", 4);
        add_number(fw_cfg, KEY_ID, ID_PORTS | ID_DMA, 4);
        add_number(fw_cfg, KEY_RAM_SIZE, memory_size, 8);
        add_number(fw_cfg, KEY_CPUS, 1, 2);
        add_number(fw_cfg, KEY_BOOT_MENU, 0, 2);
        add_number(fw_cfg, KEY_MAX_CPUS, 1, 2);
        if (apic)
                add_number(fw_cfg, KEY_IRQ0_PIN_2, 1, 1);
        put_big(directory, FILE_COUNT, 4);
        for (unsigned i = 0; i < FILE_COUNT; i++) {
                uint8_t *entry = directory + 4 + i * DIRECTORY_ENTRY_SIZE;
                size_t length = strlen(file[i].name);
                hwaccl_assert(length < DIRECTORY_NAME_SIZE);
                put_big(entry, file[i].size, 4);
                put_big(entry + 4, KEY_FIRST_FILE + i, 2);
                memcpy(entry + 8, file[i].name, length);
                add_item(fw_cfg, (uint16_t)(KEY_FIRST_FILE + i), file[i].data, file[i].size);
        }
        add_item(fw_cfg, KEY_DIRECTORY, directory, sizeof(directory));
}
