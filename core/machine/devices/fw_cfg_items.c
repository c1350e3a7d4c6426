/* What fw_cfg holds: QEMU, docs/specs/fw_cfg.rst and include/standard-headers/linux/qemu_fw_cfg.h; the files are those
 * that SeaBIOS (docs/Runtime_config.md) reads. */
#include "core/assert.h"
#include "core/machine/devices/fw_cfg_tables.h"
#include "core/machine/loader/setup_rom.h"

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

#define SETUP_ROM_FILE "genroms/linux-setup.bin"

#define ID_PORTS 1u
#define ID_DMA   2u
#define E820_RAM 1u
#define COM1     0x3f8u

/* SeaBIOS makes MP tables for up to 255 processors. */
#define NO_MP_TABLE 256u

/* Numbers in the directory are big-endian. */
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

struct directory {
        uint8_t bytes[4 + HWACCL_FW_CFG_FILE_MAX * DIRECTORY_ENTRY_SIZE];
        unsigned count;
};

static void add_file(struct hwaccl_fw_cfg *fw_cfg, struct directory *directory, const char *name, const void *data,
                     size_t size)
{
        uint8_t *entry = directory->bytes + 4 + directory->count * DIRECTORY_ENTRY_SIZE;
        uint16_t key = (uint16_t)(KEY_FIRST_FILE + directory->count);

        hwaccl_assert(directory->count < HWACCL_FW_CFG_FILE_MAX && strlen(name) < DIRECTORY_NAME_SIZE);
        put_big(entry, size, 4);
        put_big(entry + 4, key, 2);
        for (size_t i = 0; name[i]; i++) /* zeros behind it are there already */
                entry[8 + i] = (uint8_t)name[i];
        add_item(fw_cfg, key, data, size);
        directory->count++;
}

static void add_number_file(struct hwaccl_fw_cfg *fw_cfg, struct directory *directory, const char *name, uint64_t value,
                            unsigned size)
{
        uint8_t bytes[8];

        put_little(bytes, value, size);
        add_file(fw_cfg, directory, name, bytes, size);
}

/* One entry: u64 address, u64 size, u32 type. */
static void add_e820(struct hwaccl_fw_cfg *fw_cfg, struct directory *directory, uint64_t memory_size)
{
        uint8_t entry[20];

        put_little(entry, 0, 8);
        put_little(entry + 8, memory_size, 8);
        put_little(entry + 16, E820_RAM, 4);
        add_file(fw_cfg, directory, "etc/e820", entry, sizeof(entry));
}

/* Tables for firmware that would make its own, with an APIC in them. */
static void add_tables(struct hwaccl_fw_cfg *fw_cfg, struct directory *directory)
{
        struct hwaccl_fw_cfg_tables tables;

        hwaccl_fw_cfg_make_tables(&tables);
        add_file(fw_cfg, directory, HWACCL_FW_CFG_RSDP_FILE, tables.rsdp, sizeof(tables.rsdp));
        add_file(fw_cfg, directory, HWACCL_FW_CFG_ACPI_FILE, tables.acpi, sizeof(tables.acpi));
        add_file(fw_cfg, directory, "etc/table-loader", tables.script, tables.script_size);
        add_file(fw_cfg, directory, "etc/smbios/smbios-anchor", tables.smbios_anchor, sizeof(tables.smbios_anchor));
        add_file(fw_cfg, directory, "etc/smbios/smbios-tables", tables.smbios, sizeof(tables.smbios));
}

/* The option ROM that starts a kernel's real-mode code, and that it comes first. */
static void add_setup_rom(struct hwaccl_fw_cfg *fw_cfg, struct directory *directory, uint64_t address)
{
        static const char order[] = "/rom@" SETUP_ROM_FILE;
        uint8_t rom[HWACCL_SETUP_ROM_SIZE];

        hwaccl_setup_rom_make(address, rom);
        add_file(fw_cfg, directory, SETUP_ROM_FILE, rom, sizeof(rom));
        add_file(fw_cfg, directory, "bootorder", order, sizeof(order));
}

void hwaccl_fw_cfg_fill(struct hwaccl_fw_cfg *fw_cfg, const struct hwaccl_board *board)
{
        enum hwaccl_machine_kind kind = board->kind;
        struct directory directory = {.count = 0};

        add_item(fw_cfg, KEY_SIGNATURE, "QEMU", 4);
        add_number(fw_cfg, KEY_ID, ID_PORTS | ID_DMA, 4);
        add_number(fw_cfg, KEY_RAM_SIZE, board->memory_size, 8);
        add_number(fw_cfg, KEY_CPUS, 1, 2);
        add_number(fw_cfg, KEY_BOOT_MENU, 0, 2);
        add_number(fw_cfg, KEY_MAX_CPUS, kind == HWACCL_MACHINE_PIC ? NO_MP_TABLE : 1, 2);
        if (kind == HWACCL_MACHINE_APIC)
                add_number(fw_cfg, KEY_IRQ0_PIN_2, 1, 1);
        /* for ever: no reboot when nothing can be booted */
        add_number_file(fw_cfg, &directory, "etc/boot-fail-wait", UINT32_MAX, 4);
        add_e820(fw_cfg, &directory, board->memory_size);
        /* what goes to the screen goes to the serial port */
        add_number_file(fw_cfg, &directory, "etc/sercon-port", COM1, 2);
        if (kind == HWACCL_MACHINE_PIC)
                add_tables(fw_cfg, &directory);
        if (board->setup_address)
                add_setup_rom(fw_cfg, &directory, board->setup_address);
        put_big(directory.bytes, directory.count, 4);
        add_item(fw_cfg, KEY_DIRECTORY, directory.bytes, 4 + directory.count * DIRECTORY_ENTRY_SIZE);
}
