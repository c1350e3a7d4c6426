/*
 * Kernel images of any content: refused in one line, or laid out in RAM without an overlap, with an entry that a
 * machine takes and a processor would. The first byte says how much memory there is and what goes in beside the kernel.
 */
#include "core/exit/dispatch.h"
#include "core/loop/vcpu_internal.h"
#include "core/machine/machine.h"
#include "core/subject/transfer.h"

#include "core/machine/loader/loader_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIRMWARE     65536u
#define MEMORY_BITS  0x03u
#define COMMAND_LINE 0x04u
#define ENTRY_32     0x08u
#define MODULES_AT   4u /* two bits: how many */
#define ENTRY_16     0x80u
#define REPAIR       0x40u /* the checksum of a Multiboot header, so that the fuzzer need not find it */

static void expect(bool good)
{
        if (!good)
                abort();
}

static void repair_checksum(uint8_t *kernel, size_t size)
{
        for (size_t at = 0; at + 12 <= size && at + 12 <= 8192; at += 4) {
                if (hwaccl_load32(kernel + at) != 0x1badb002)
                        continue;
                hwaccl_store32(kernel + at + 8, 0 - 0x1badb002u - hwaccl_load32(kernel + at + 4));
                return;
        }
}

static void check_pieces(const struct hwaccl_loaded *loaded, uint64_t memory_size)
{
        expect(loaded->piece_count <= HWACCL_LOADER_PIECE_MAX);
        for (size_t i = 0; i < loaded->piece_count; i++) {
                const struct hwaccl_loaded_piece *piece = &loaded->piece[i];
                uint64_t end = piece->address + piece->size;
                expect(piece->size && end > piece->address && end <= memory_size);
                expect(end <= HWACCL_LOW_MEMORY_END || piece->address >= HWACCL_HIGH_MEMORY_START);
                for (size_t k = 0; k < i; k++)
                        expect(end <= loaded->piece[k].address ||
                               loaded->piece[k].address + loaded->piece[k].size <= piece->address);
        }
}

/* Every piece lies in one of the ranges that the image needs. */
static void check_ranges(const struct hwaccl_loaded *loaded)
{
        expect(loaded->range_count <= HWACCL_LOADER_RANGE_MAX);
        for (size_t i = 0; i < loaded->piece_count; i++) {
                const struct hwaccl_loaded_piece *piece = &loaded->piece[i];
                size_t holding = 0;
                for (size_t k = 0; k < loaded->range_count; k++)
                        holding += piece->address >= loaded->range[k].address &&
                                   piece->address + piece->size <= loaded->range[k].address + loaded->range[k].size;
                expect(holding == 1);
        }
}

/* The machine without bytes, as a replay builds it. */
static void check_entry(const struct hwaccl_loaded *loaded, uint64_t memory_size)
{
        static struct hwaccl_machine_config config;
        struct hwaccl_subject_state state = {0};
        struct hwaccl_error error;
        char broken[512];

        config.memory_size = memory_size;
        config.tsc_khz = 1000000;
        config.entry = loaded->entry;
        config.setup_address = loaded->setup_address;
        config.firmware_size = loaded->entry.mode == HWACCL_ENTRY_REAL ? FIRMWARE : 0;
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        expect(machine != NULL);
        struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
        expect(vcpu != NULL);
        expect(hwaccl_transfer_in(&vcpu->context, &state, &error));
        expect(hwaccl_entry_failure_describe(&state, broken, sizeof(broken)) == 0);
        hwaccl_vcpu_destroy(vcpu);
        hwaccl_machine_destroy(machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const uint64_t memory[] = {UINT64_C(1) << 20, UINT64_C(2) << 20, UINT64_C(16) << 20, UINT64_C(64) << 20};
        static const uint8_t content[6000] = "a module";
        static const struct hwaccl_loader_module module[3] = {
                {content, sizeof(content), "first"}, {content, 1, NULL}, {content, 0, ""}};
        struct hwaccl_loaded loaded;
        struct hwaccl_error error = {""};

        if (!size)
                return 0;
        uint8_t *kernel = malloc(size);
        if (!kernel)
                return 0;
        memcpy(kernel, data + 1, size - 1);
        if (data[0] & REPAIR)
                repair_checksum(kernel, size - 1);
        struct hwaccl_loader_input input = {
                .kernel = kernel,
                .kernel_size = size - 1,
                .command_line = data[0] & COMMAND_LINE ? "a command line" : NULL,
                .module = module,
                .module_count = data[0] >> MODULES_AT & 3u,
                .memory_size = memory[data[0] & MEMORY_BITS],
                .entry_32 = (data[0] & ENTRY_32) != 0,
                .entry_16 = (data[0] & ENTRY_16) != 0,
        };
        if (hwaccl_loader_load(&input, &loaded, &error)) {
                expect(loaded.format == hwaccl_loader_format(input.kernel, input.kernel_size));
                check_pieces(&loaded, input.memory_size);
                check_ranges(&loaded);
                check_entry(&loaded, input.memory_size);
                hwaccl_loader_free(&loaded);
        } else {
                expect(error.message[0] && !strchr(error.message, '\n'));
        }
        free(kernel);
        return 0;
}
