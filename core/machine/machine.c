/* Building a machine: its memory map, devices and images. */
#include "core/assert.h"
#include "core/machine/entry.h"
#include "core/machine/loader/setup_rom.h"
#include "core/machine/machine_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KIB               UINT64_C(1024)
#define ONE_MIB           UINT64_C(0x100000)
#define FOUR_GIB          UINT64_C(0x100000000)
#define FIRMWARE_COPY_MAX (128 * KIB) /* its last part is also below 1 MiB */
#define FIRMWARE_SIZE_MIN (64 * KIB)
#define FIRMWARE_SIZE_MAX (16 * 1024 * KIB)
#define DISK_SECTORS_MAX  (UINT64_C(1) << 48)

const char *hwaccl_machine_kind_name(enum hwaccl_machine_kind kind)
{
        static const char *const name[] = {"", "pic", "apic"};

        return name[kind];
}

static bool check_config(const struct hwaccl_machine_config *config, struct hwaccl_error *error)
{
        if (config->memory_size < HWACCL_MEMORY_SIZE_MIN || config->memory_size > HWACCL_MEMORY_SIZE_MAX)
                return hwaccl_error_set(error, "memory size %" PRIu64 " is not between %u and %" PRIu64 " bytes",
                                        config->memory_size, HWACCL_MEMORY_SIZE_MIN, HWACCL_MEMORY_SIZE_MAX);
        if (config->memory_size % HWACCL_PAGE_SIZE)
                return hwaccl_error_set(error, "memory size %" PRIu64 " is not a multiple of the page size, %u",
                                        config->memory_size, HWACCL_PAGE_SIZE);
        if (!config->tsc_khz)
                return hwaccl_error_set(error, "TSC frequency is 0 kHz");
        uint64_t firmware = config->firmware_size;
        if (firmware && (firmware < FIRMWARE_SIZE_MIN || firmware > FIRMWARE_SIZE_MAX || firmware % (64 * KIB)))
                return hwaccl_error_set(error,
                                        "firmware size %" PRIu64 " is not a multiple of 64 KiB between 64 KiB and "
                                        "16 MiB",
                                        firmware);
        if (config->raw_count > HWACCL_RAW_MAX)
                return hwaccl_error_set(error, "%zu raw images, at most %u can be loaded", config->raw_count,
                                        HWACCL_RAW_MAX);
        if (config->disk_count > HWACCL_DISK_MAX)
                return hwaccl_error_set(error, "%zu disks, at most %d can be attached", config->disk_count,
                                        HWACCL_DISK_MAX);
        for (size_t i = 0; i < config->disk_count; i++)
                if (!config->disk[i].sectors || config->disk[i].sectors > DISK_SECTORS_MAX)
                        return hwaccl_error_set(error, "disk %zu has %" PRIu64 " sectors, expected 1 to 2^48", i,
                                                config->disk[i].sectors);
        if (config->testdev && firmware > FOUR_GIB - HWACCL_TESTDEV_MEMORY - HWACCL_TESTDEV_MEMORY_SIZE)
                return hwaccl_error_set(error, "firmware of %" PRIu64 " bytes lies where the test device's memory is",
                                        firmware);
        uint64_t setup = config->setup_address;
        if (setup && (setup < HWACCL_HIGH_MEMORY_START || setup >= config->memory_size ||
                      config->memory_size - setup < HWACCL_SETUP_SEGMENT_SIZE))
                return hwaccl_error_set(error, "real-mode code at 0x%" PRIx64 " is not within guest RAM", setup);
        return hwaccl_machine_check_entry(config, error);
}

/* The same runs as below, of memory that is there already. */
static bool map_lent_memory(const struct hwaccl_machine_config *config, struct hwaccl_guest_memory *memory,
                            struct hwaccl_error *error)
{
        uint8_t *ram = config->lent_ram;

        return hwaccl_guest_memory_lend(memory, 0, HWACCL_LOW_MEMORY_END, ram, true, error) &&
               hwaccl_guest_memory_lend(memory, HWACCL_HIGH_MEMORY_START,
                                        config->memory_size - HWACCL_HIGH_MEMORY_START, ram + HWACCL_HIGH_MEMORY_START,
                                        true, error) &&
               (!config->firmware_size ||
                hwaccl_guest_memory_lend(memory, FOUR_GIB - config->firmware_size, config->firmware_size,
                                         (uint8_t *)(uintptr_t)config->lent_firmware, false, error));
}

/* Everything from the BIOS area up is one run, however the guest sets the PAM registers: fewer runs run faster. */
static bool map_memory(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        const struct hwaccl_machine_config *config = &machine->config;
        struct hwaccl_guest_memory *memory = &machine->board.memory;

        if (config->lent_ram)
                return map_lent_memory(config, memory, error);
        return hwaccl_guest_memory_add(memory, 0, HWACCL_LOW_MEMORY_END, true, error) &&
               hwaccl_guest_memory_add(memory, HWACCL_HIGH_MEMORY_START, config->memory_size - HWACCL_HIGH_MEMORY_START,
                                       true, error) &&
               (!config->firmware_size ||
                hwaccl_guest_memory_add(memory, FOUR_GIB - config->firmware_size, config->firmware_size, false, error));
}

static void load_firmware(struct hwaccl_machine *machine)
{
        const struct hwaccl_machine_config *config = &machine->config;
        size_t copied = config->firmware_size < FIRMWARE_COPY_MAX ? config->firmware_size : FIRMWARE_COPY_MAX;

        if (!config->firmware_size || !config->backed)
                return;
        const uint8_t *firmware = config->lent_ram ? config->lent_firmware : config->firmware;
        hwaccl_assert(firmware);
        bool placed =
                (config->lent_ram || hwaccl_guest_memory_write(&machine->board.memory, FOUR_GIB - config->firmware_size,
                                                               firmware, config->firmware_size, true)) &&
                hwaccl_guest_memory_write(&machine->board.memory, ONE_MIB - copied,
                                          firmware + config->firmware_size - copied, copied, false);
        hwaccl_assert(placed);
}

static bool load_raw_images(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        for (size_t i = 0; i < machine->config.raw_count; i++) {
                const struct hwaccl_raw_image *raw = &machine->config.raw[i];
                if (raw->address + raw->size < raw->address || raw->address + raw->size > machine->config.memory_size ||
                    !hwaccl_guest_memory_covers(&machine->board.memory, raw->address, raw->size))
                        return hwaccl_error_set(error,
                                                "raw image of %zu bytes at 0x%" PRIx64 " does not fit into guest RAM",
                                                raw->size, raw->address);
                if (machine->config.backed && raw->data && raw->size &&
                    !hwaccl_guest_memory_write(&machine->board.memory, raw->address, raw->data, raw->size, false))
                        return hwaccl_error_set(error, "raw image at 0x%" PRIx64 " cannot be copied", raw->address);
        }
        return true;
}

static void add_devices(struct hwaccl_machine *machine)
{
        struct hwaccl_board *board = &machine->board;

        hwaccl_processor_init(&machine->processor, board, machine->config.tsc_khz);
        hwaccl_pic_init(&machine->pic, board);
        hwaccl_pit_init(&machine->pit, board);
        hwaccl_uart_init(&machine->uart, board);
        hwaccl_rtc_init(&machine->rtc, board);
        hwaccl_i8042_init(&machine->i8042, &machine->system_control, board);
        hwaccl_system_control_init(&machine->system_control, &machine->pit, board);
        hwaccl_acpi_init(&machine->acpi, board);
        hwaccl_pci_init(&machine->pci, &machine->acpi, board);
        hwaccl_fw_cfg_init(&machine->fw_cfg, board);
        hwaccl_dma_init(&machine->dma, board);
        hwaccl_debug_ports_init(&machine->debug_ports, !machine->config.testdev, board);
        for (unsigned i = 0; board->disk_count && i < HWACCL_ATA_CHANNELS; i++)
                hwaccl_ata_init(&machine->ata[i], i, board);
        if (machine->config.kind == HWACCL_MACHINE_APIC) {
                hwaccl_local_apic_init(&machine->local_apic, &machine->processor, &machine->pic, &machine->io_apic,
                                       board);
                hwaccl_io_apic_init(&machine->io_apic, &machine->local_apic, board);
        }
        if (machine->config.testdev)
                hwaccl_testdev_init(&machine->testdev, board);
}

/* The images have been copied; keep only their addresses and sizes. */
static void forget_images(struct hwaccl_machine_config *config)
{
        config->firmware = NULL;
        config->lent_ram = NULL;
        config->lent_firmware = NULL;
        for (size_t i = 0; i < config->raw_count; i++)
                config->raw[i].data = NULL;
}

static bool build(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        const struct hwaccl_machine_config *config = &machine->config;
        struct hwaccl_board *board = &machine->board;

        if (!map_memory(machine, error) || !load_raw_images(machine, error))
                return false;
        load_firmware(machine);
        board->memory_size = config->memory_size;
        board->kind = config->kind;
        board->setup_address = config->setup_address;
        board->disk_count = config->disk_count;
        memcpy(board->disk, config->disk, sizeof(board->disk));
        add_devices(machine);
        forget_images(&machine->config);
        return true;
}

struct hwaccl_machine *hwaccl_machine_create(const struct hwaccl_machine_config *config, struct hwaccl_error *error)
{
        if (!check_config(config, error))
                return NULL;
        struct hwaccl_machine *machine = calloc(1, sizeof(*machine));
        if (!machine) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        machine->config = *config;
        hwaccl_guest_memory_init(&machine->board.memory, config->backed);
        if (!build(machine, error)) {
                hwaccl_machine_destroy(machine);
                return NULL;
        }
        return machine;
}

void hwaccl_machine_destroy(struct hwaccl_machine *machine)
{
        if (!machine)
                return;
        hwaccl_guest_memory_destroy(&machine->board.memory);
        free(machine);
}

void hwaccl_machine_connect(struct hwaccl_machine *machine, struct hwaccl_host *host,
                            struct hwaccl_machine_context *context, struct hwaccl_trap_manager *traps)
{
        machine->board.host = host;
        hwaccl_trap_manager_init(traps, &machine->board.controller->source);
        hwaccl_processor_connect(&machine->processor, context, traps, host);
        hwaccl_machine_enter(machine, context);
}

struct hwaccl_guest_memory *hwaccl_machine_memory(struct hwaccl_machine *machine)
{
        return &machine->board.memory;
}

struct hwaccl_processor *hwaccl_machine_processor(struct hwaccl_machine *machine)
{
        return &machine->processor;
}

struct hwaccl_device *const *hwaccl_machine_devices(struct hwaccl_machine *machine, size_t *count)
{
        *count = machine->board.device_count;
        return machine->board.device;
}

enum hwaccl_end hwaccl_machine_end(const struct hwaccl_machine *machine)
{
        return machine->board.end;
}

uint64_t hwaccl_machine_exit_code(const struct hwaccl_machine *machine)
{
        return machine->board.exit_code;
}

void hwaccl_machine_resume(struct hwaccl_machine *machine)
{
        machine->board.end = HWACCL_END_NONE;
        machine->processor.halted = 0;
}

struct hwaccl_board *hwaccl_machine_board(struct hwaccl_machine *machine)
{
        return &machine->board;
}

bool hwaccl_machine_has_init(const struct hwaccl_machine *machine)
{
        return machine->local_apic.init;
}

void hwaccl_machine_take_init(struct hwaccl_machine *machine)
{
        hwaccl_local_apic_take_init(&machine->local_apic);
        hwaccl_processor_take_init(&machine->processor);
        machine->processor.halted = 0;
}

void hwaccl_machine_set_halted(struct hwaccl_machine *machine, bool halted)
{
        machine->processor.halted = halted;
}

void hwaccl_machine_poll_console(struct hwaccl_machine *machine)
{
        hwaccl_uart_poll(&machine->uart);
}

bool hwaccl_machine_console_can_wake(const struct hwaccl_machine *machine, bool enabled)
{
        const struct hwaccl_interrupt_controller *controller = machine->board.controller;

        return hwaccl_uart_can_interrupt(&machine->uart) &&
               controller->would_interrupt(controller, HWACCL_UART_LINE, enabled);
}
