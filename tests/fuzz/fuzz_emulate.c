/*
 * One instruction of any bytes, in any mode, with any registers and any memory: it is emulated, raises something into
 * the guest, or is refused with a line of text; whatever it is, twice the same.
 */
#include "tests/fixtures/emulate_fixture.h"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
        const uint8_t *data;
        size_t size;
};

/* Zeros follow the end of the input. */
static void take(struct reader *reader, void *to, size_t size)
{
        size_t part = size < reader->size ? size : reader->size;

        memset(to, 0, size);
        if (part)
                memcpy(to, reader->data, part);
        reader->data += part;
        reader->size -= part;
}

static uint8_t take_byte(struct reader *reader)
{
        uint8_t byte;

        take(reader, &byte, 1);
        return byte;
}

static uint64_t take_number(struct reader *reader)
{
        uint64_t number;

        take(reader, &number, sizeof(number));
        return number;
}

static void choose_mode(struct fixture *fixture, struct reader *reader)
{
        struct hwaccl_machine_context *context = fixture->context;
        uint8_t mode = take_byte(reader);

        switch (mode & 3) {
        case 0: fixture_real_mode(fixture); break;
        case 1: fixture_protected_mode(fixture, mode & 0x10 ? 3 : 0); break;
        default: fixture_long_mode(fixture, mode & 0x10 ? 3 : 0); break;
        }
        if (mode & 4) { /* any control registers and segments */
                context->cr0 = take_number(reader);
                context->cr3 = take_number(reader) & 0x3fffff;
                context->cr4 = take_number(reader);
                context->efer = take_number(reader);
                for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                        take(reader, &context->segment[i], sizeof(context->segment[i]));
        }
        if (mode & 8) { /* any tables */
                take(reader, &context->gdtr, sizeof(context->gdtr));
                take(reader, &context->idtr, sizeof(context->idtr));
                take(reader, &context->ldtr, sizeof(context->ldtr));
                take(reader, &context->tr, sizeof(context->tr));
        }
}

static enum hwaccl_outcome run(struct fixture *fixture, struct reader reader)
{
        struct hwaccl_machine_context *context = fixture->context;
        uint8_t code[15];

        if (madvise(fixture->memory.run[0].host, FIXTURE_MEMORY, MADV_DONTNEED) != 0)
                abort();
        memset(fixture->device.bytes, 0, sizeof(fixture->device.bytes));
        fixture->device.access_count = 0;
        fixture->device.port_value = 0;
        fixture->error.message[0] = '\0';
        hwaccl_processor_init(&fixture->processor, NULL, 1000000);
        hwaccl_processor_connect(&fixture->processor, fixture->context, &fixture->traps, &fixture->host);
        choose_mode(fixture, &reader);

        uint8_t length = take_byte(&reader);
        take(&reader, code, sizeof(code));
        fixture->state.exit_reason = take_byte(&reader) & 0x3f;
        fixture->state.exit_qualification = take_number(&reader);
        fixture->state.instruction_length = length & 0x1f;
        uint64_t place = length & 0x80 ? 0x1ff8 : FIXTURE_CODE; /* across two pages, or not */
        context->rip = place;
        context->rflags = take_number(&reader);
        uint16_t given;
        take(&reader, &given, sizeof(given));
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                context->gpr[i] = given & 1u << i ? take_number(&reader) : FIXTURE_MMIO + i * 64;
        while (reader.size) {
                uint32_t address;
                uint8_t bytes[16];
                take(&reader, &address, sizeof(address));
                take(&reader, bytes, sizeof(bytes));
                fixture_poke(fixture, address & 0x3ffff0, bytes, sizeof(bytes));
        }
        fixture_poke(fixture, place, code, sizeof(code));
        return fixture_run(fixture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct fixture *fixture;

        if (!fixture) {
                fixture = malloc(sizeof(*fixture));
                if (!fixture)
                        abort();
                fixture_create(fixture);
        }
        struct reader reader = {data, size};
        enum hwaccl_outcome first = run(fixture, reader);
        struct hwaccl_machine_context after = *fixture->context;

        if ((unsigned)first >= HWACCL_OUTCOME_COUNT || (first == HWACCL_OUTCOME_FAILED) != !!fixture->error.message[0])
                abort();
        /* the second time the instruction comes from the cache */
        if (run(fixture, reader) != first || memcmp(after.gpr, fixture->context->gpr, sizeof(after.gpr)) != 0 ||
            after.rip != fixture->context->rip || after.rflags != fixture->context->rflags)
                abort();
        return 0;
}
