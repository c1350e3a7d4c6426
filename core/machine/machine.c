/* Building a machine: its memory map, devices and images; lines and deadlines. */
#include "core/machine/machine.h"

#include "core/assert.h"
#include "core/machine/board/board.h"
#include "core/machine/entry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KIB               UINT64_C(1024)
#define ONE_MIB           UINT64_C(0x100000)
#define FOUR_GIB          UINT64_C(0x100000000)
#define FIRMWARE_COPY_MAX (128 * KIB) /* its last part stands below 1 MiB too */
#define FIRMWARE_SIZE_MIN (64 * KIB)
#define FIRMWARE_SIZE_MAX (16 * 1024 * KIB)
#define DISK_SECTORS_MAX  (UINT64_C(1) << 48)
#define BOARD_ALIGNMENT   64u

const char *hwaccl_end_name(unsigned end)
{
        static const char *const name[HWACCL_END_COUNT] = {
                [HWACCL_END_NONE] = "running",        [HWACCL_END_EXIT_CODE] = "exit code",
                [HWACCL_END_HALTED] = "halted",       [HWACCL_END_TRIPLE_FAULT] = "triple fault",
                [HWACCL_END_RESET] = "reset",         [HWACCL_END_ENTRY_FAILURE] = "entry failure",
                [HWACCL_END_ERROR] = "error",         [HWACCL_END_STOPPED] = "stopped",
                [HWACCL_END_POWER_OFF] = "power off", [HWACCL_END_RECORDER_DIED] = "recorder died",
        };
        return end < HWACCL_END_COUNT ? name[end] : "unknown";
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
                return hwaccl_error_set(error, "a TSC frequency of 0 kHz");
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
                        return hwaccl_error_set(error, "disk %zu has %" PRIu64 " sectors, not 1 to 2^48", i,
                                                config->disk[i].sectors);
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
        struct hwaccl_guest_memory *memory = &machine->memory;

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
        bool placed = (config->lent_ram || hwaccl_guest_memory_write(&machine->memory, FOUR_GIB - config->firmware_size,
                                                                     firmware, config->firmware_size, true)) &&
                      hwaccl_guest_memory_write(&machine->memory, ONE_MIB - copied,
                                                firmware + config->firmware_size - copied, copied, false);
        hwaccl_assert(placed);
}

static bool load_raw_images(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        for (size_t i = 0; i < machine->config.raw_count; i++) {
                const struct hwaccl_raw_image *raw = &machine->config.raw[i];
                if (raw->address + raw->size < raw->address || raw->address + raw->size > machine->config.memory_size ||
                    !hwaccl_guest_memory_covers(&machine->memory, raw->address, raw->size))
                        return hwaccl_error_set(error,
                                                "raw image of %zu bytes at 0x%" PRIx64 " does not fit into guest RAM",
                                                raw->size, raw->address);
                if (machine->config.backed && raw->data && raw->size &&
                    !hwaccl_guest_memory_write(&machine->memory, raw->address, raw->data, raw->size, false))
                        return hwaccl_error_set(error, "raw image at 0x%" PRIx64 " cannot be copied", raw->address);
        }
        return true;
}

void hwaccl_machine_add_device(struct hwaccl_machine *machine, struct hwaccl_device *device,
                               const struct hwaccl_device_ops *ops)
{
        device->ops = ops;
        device->machine = machine;
        hwaccl_assert(hwaccl_device_state_size(device) <= HWACCL_DEVICE_STATE_MAX);
        if (ops->field_count) {
                hwaccl_assert(machine->device_count < HWACCL_BUS_DEVICE_MAX);
                machine->device[machine->device_count++] = device;
        }
}

void hwaccl_machine_add_timed_device(struct hwaccl_machine *machine, struct hwaccl_device *device,
                                     const struct hwaccl_device_ops *ops, unsigned line)
{
        struct hwaccl_board *board = hwaccl_board_of(machine);

        hwaccl_assert(ops->advance && ops->deadline && board->timed_count < HWACCL_BOARD_TIMED_MAX);
        hwaccl_machine_add_device(machine, device, ops);
        board->timed[board->timed_count++] = (struct hwaccl_timed_device){device, line};
}

static void add_devices(struct hwaccl_board *board)
{
        struct hwaccl_machine *machine = &board->machine;

        hwaccl_pic_init(&board->pic, machine);
        machine->pic = &board->pic.source;
        hwaccl_pit_init(&board->pit, machine);
        hwaccl_uart_init(&board->uart, machine);
        hwaccl_rtc_init(&board->rtc, machine);
        hwaccl_i8042_init(&board->i8042, machine);
        hwaccl_system_control_init(&board->system_control, machine);
        hwaccl_acpi_init(&board->acpi, machine);
        hwaccl_pci_init(&board->pci, machine);
        hwaccl_fw_cfg_init(&board->fw_cfg, machine);
        hwaccl_dma_init(&board->dma, machine);
        hwaccl_debug_ports_init(&board->debug_ports, machine);
        for (unsigned i = 0; machine->config.disk_count && i < HWACCL_ATA_CHANNELS; i++)
                hwaccl_ata_init(&board->ata[i], i, machine);
}

/* The images have been copied; what is kept of them is where they were. */
static void forget_images(struct hwaccl_machine_config *config)
{
        config->firmware = NULL;
        config->lent_ram = NULL;
        config->lent_firmware = NULL;
        for (size_t i = 0; i < config->raw_count; i++)
                config->raw[i].data = NULL;
}

static bool build(struct hwaccl_board *board, struct hwaccl_error *error)
{
        struct hwaccl_machine *machine = &board->machine;

        if (!map_memory(machine, error) || !load_raw_images(machine, error))
                return false;
        load_firmware(machine);
        hwaccl_host_init(&machine->host, NULL, NULL, &machine->memory);
        hwaccl_vcpu_init(&machine->vcpu, &machine->state, &machine->pending, NULL, &machine->host, &board->pic.source);
        hwaccl_processor_init(&machine->processor, machine, &machine->vcpu, machine->config.tsc_khz);
        hwaccl_machine_add_device(machine, &machine->processor.device, machine->processor.device.ops);
        add_devices(board);
        hwaccl_machine_enter(machine);
        forget_images(&machine->config);
        machine->emulator = hwaccl_emulator_create(&machine->host, &machine->bus, &machine->processor, error);
        return machine->emulator != NULL;
}

struct hwaccl_machine *hwaccl_machine_create(const struct hwaccl_machine_config *config, struct hwaccl_error *error)
{
        if (!check_config(config, error))
                return NULL;
        size_t size = (sizeof(struct hwaccl_board) + BOARD_ALIGNMENT - 1) / BOARD_ALIGNMENT * BOARD_ALIGNMENT;
        struct hwaccl_board *board = aligned_alloc(BOARD_ALIGNMENT, size);
        if (!board) {
                hwaccl_error_set(error, "no memory for a machine");
                return NULL;
        }
        memset(board, 0, size);
        board->machine.config = *config;
        hwaccl_guest_memory_init(&board->machine.memory, config->backed);
        if (!build(board, error)) {
                hwaccl_machine_destroy(&board->machine);
                return NULL;
        }
        return &board->machine;
}

void hwaccl_machine_destroy(struct hwaccl_machine *machine)
{
        if (!machine)
                return;
        hwaccl_emulator_destroy(machine->emulator);
        hwaccl_guest_memory_destroy(&machine->memory);
        free(hwaccl_board_of(machine));
}

static void tell_accelerator(void *opaque, uint64_t address, uint64_t size)
{
        struct hwaccl_accel *accel = opaque;
        accel->ops->memory_written(accel, address, size);
}

void hwaccl_machine_attach(struct hwaccl_machine *machine, struct hwaccl_accel *accel, struct hwaccl_inputs *inputs,
                           struct hwaccl_probe *probe)
{
        machine->vcpu.accel = accel;
        machine->host.inputs = inputs;
        machine->host.probe = probe;
        machine->host.memory_written = accel && accel->ops->memory_written ? tell_accelerator : NULL;
        machine->host.memory_written_opaque = accel;
}

void hwaccl_machine_set_irq_line(struct hwaccl_machine *machine, unsigned line, bool level)
{
        if (hwaccl_pic_set_line(&hwaccl_board_of(machine)->pic, line, level))
                hwaccl_host_irq_line_changed(&machine->host, line, level);
}

void hwaccl_machine_stop(struct hwaccl_machine *machine, enum hwaccl_end end, uint64_t code)
{
        if (machine->end != HWACCL_END_NONE)
                return; /* the first end is the one */
        machine->end = end;
        machine->exit_code = code;
}

static uint64_t deadline_of(const struct hwaccl_timed_device *timed)
{
        return timed->device->ops->deadline(timed->device);
}

void hwaccl_machine_deadline_changed(struct hwaccl_machine *machine)
{
        hwaccl_board_of(machine)->deadline_known = false;
}

uint64_t hwaccl_machine_deadline(struct hwaccl_machine *machine)
{
        struct hwaccl_board *board = hwaccl_board_of(machine);

        if (!board->deadline_known) {
                board->deadline_ns = UINT64_MAX;
                for (size_t i = 0; i < board->timed_count; i++) {
                        uint64_t deadline = deadline_of(&board->timed[i]);
                        if (deadline < board->deadline_ns)
                                board->deadline_ns = deadline;
                }
                board->deadline_known = true;
        }
        return board->deadline_ns;
}

void hwaccl_machine_advance(struct hwaccl_machine *machine)
{
        struct hwaccl_board *board = hwaccl_board_of(machine);
        uint64_t now = hwaccl_host_clock(&machine->host);

        if (hwaccl_machine_deadline(machine) > now)
                return;
        for (size_t i = 0; i < board->timed_count; i++)
                if (deadline_of(&board->timed[i]) <= now)
                        board->timed[i].device->ops->advance(board->timed[i].device);
        board->deadline_known = false;
}

uint64_t hwaccl_machine_wake_deadline(struct hwaccl_machine *machine)
{
        struct hwaccl_board *board = hwaccl_board_of(machine);
        uint64_t least = UINT64_MAX;

        for (size_t i = 0; i < board->timed_count; i++) {
                uint64_t deadline = deadline_of(&board->timed[i]);
                if (deadline < least && hwaccl_pic_would_interrupt(&board->pic, board->timed[i].line))
                        least = deadline;
        }
        return least;
}
