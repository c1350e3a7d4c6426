#include "replay/postmortem/derive.h"

#include "core/exit/emulate/emulator.h"
#include "core/exit/guest_access.h"
#include "core/exit/registers.h"
#include "core/irq/trap_manager.h"
#include "core/subject/transfer.h"

#include <stdlib.h>
#include <string.h>

#define PAGE        HWACCL_PAGE_SIZE
#define COPIES_MAX  32u /* pages that a chain may write: tables, descriptors, stacks */
#define FETCH_BYTES 15u

struct copied_page {
        uint64_t address;
        uint8_t bytes[PAGE];
};

struct derivation {
        struct hwaccl_inputs inputs; /* first: see inputs_of() */
        struct hwaccl_probe probe;
        struct hwaccl_recording *recording;
        struct hwaccl_guest_memory map; /* without bytes */
        struct hwaccl_physical_memory memory;
        struct hwaccl_machine_context context;
        bool unknown; /* a byte was read that is not known, or there is no room for a copy */
        struct copied_page copy[COPIES_MAX];
        unsigned copy_count;
        /* of the emulator */
        struct hwaccl_host host;
        struct hwaccl_bus bus;
        struct hwaccl_processor processor;
        struct hwaccl_trap_manager traps;
};

static struct copied_page *find_copy(struct derivation *derivation, uint64_t page)
{
        for (unsigned i = 0; i < derivation->copy_count; i++)
                if (derivation->copy[i].address == page)
                        return &derivation->copy[i];
        return NULL;
}

static bool read_memory(void *opaque, uint64_t address, void *buffer, size_t size)
{
        struct derivation *derivation = opaque;
        uint8_t *to = buffer;

        if (!hwaccl_guest_memory_covers(&derivation->map, address, size))
                return false; /* there is no memory, which is known */
        while (size) {
                size_t offset = (size_t)(address % PAGE);
                size_t part = size < PAGE - offset ? size : PAGE - offset;
                const struct copied_page *copy = find_copy(derivation, address - offset);
                if (copy)
                        memcpy(to, copy->bytes + offset, part);
                else if (!hwaccl_recording_memory_read(derivation->recording, address, to, part))
                        derivation->unknown = true;
                to += part;
                address += part;
                size -= part;
        }
        return !derivation->unknown;
}

static bool write_memory(void *opaque, uint64_t address, const void *data, size_t size)
{
        struct derivation *derivation = opaque;
        const uint8_t *from = data;

        if (!hwaccl_guest_memory_covers(&derivation->map, address, size))
                return false;
        while (size) {
                size_t offset = (size_t)(address % PAGE);
                size_t part = size < PAGE - offset ? size : PAGE - offset;
                struct copied_page *copy = find_copy(derivation, address - offset);
                if (!copy && derivation->copy_count == COPIES_MAX) {
                        derivation->unknown = true;
                        return false;
                }
                if (!copy) {
                        copy = &derivation->copy[derivation->copy_count++];
                        copy->address = address - offset;
                        if (!hwaccl_recording_memory_read(derivation->recording, copy->address, copy->bytes, PAGE))
                                derivation->unknown = true;
                }
                if (hwaccl_guest_memory_find(&derivation->map, address)->writable)
                        memcpy(copy->bytes + offset, from, part);
                from += part;
                address += part;
                size -= part;
        }
        return true;
}

/* The emulator's side: it reads memory as an input, and its writes are effects. */
static bool input_memory(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                         size_t size, struct hwaccl_error *error)
{
        (void)kind;
        return read_memory(inputs, address, buffer, size) || hwaccl_error_set(error, "not known");
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        struct derivation *derivation =
                (struct derivation *)(void *)((uint8_t *)probe - offsetof(struct derivation, probe));

        if (effect->kind == HWACCL_EFFECT_MEMORY)
                (void)write_memory(derivation, effect->address, effect->data, effect->size);
}

static void ignore_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        (void)probe;
        (void)input;
}

static const struct hwaccl_inputs_ops inputs_ops = {.memory_read = input_memory};
static const struct hwaccl_probe_ops probe_ops = {.input = ignore_input, .effect = effect};

/* Begin with the memory and registers of the exit again. */
static bool start(struct derivation *derivation, const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        derivation->unknown = false;
        derivation->copy_count = 0;
        memset(&derivation->context, 0, sizeof(derivation->context));
        return hwaccl_transfer_out(state, &derivation->context, error);
}

static bool is_complete(const struct hwaccl_fault_chain *chain)
{
        return chain->count && (chain->link[chain->count - 1].has & HWACCL_FAULT_HAS_RAISED);
}

/* Deliver one event; it is a derivation when it shuts the processor down. A task gate ends it: the switch has changed
 * the descriptors and the TSS that it would be derived from (the new task is busy already). */
static bool deliver(struct derivation *derivation, const struct hwaccl_event *event, struct hwaccl_fault_chain *chain)
{
        struct hwaccl_delivery_observer observer = {hwaccl_fault_chain_add, chain, &derivation->unknown};
        const char *refusal;

        chain->count = 0;
        return !hwaccl_event_deliver(&derivation->context, &derivation->memory, event, &observer, &refusal) &&
               !refusal && chain->count;
}

/* Bytes at CS:RIP, as many as are there and known. */
static size_t fetch(struct derivation *derivation, uint8_t *bytes)
{
        struct hwaccl_exception exception;
        struct hwaccl_translation translation;
        uint64_t linear;
        size_t count = 0;

        for (; count < FETCH_BYTES; count++)
                if (!hwaccl_segment_translate(&derivation->context, HWACCL_CS, derivation->context.rip + count, 1,
                                              HWACCL_ACCESS_EXECUTE, &linear, &exception) ||
                    !hwaccl_page_walk(&derivation->context, &derivation->memory, linear, HWACCL_ACCESS_EXECUTE,
                                      &translation, &exception) ||
                    !read_memory(derivation, translation.physical, bytes + count, 1))
                        break;
        return count;
}

/* Instructions whose only purpose is an event; they never exit, and the emulator does not know them. */
static bool makes_event(const uint8_t *code, size_t size, struct hwaccl_event *event)
{
        bool two = size >= 2;

        *event = (struct hwaccl_event){.kind = HWACCL_EVENT_SOFTWARE};
        if (two && code[0] == 0xcd) {
                event->length = 2;
                event->exception.vector = code[1];
        } else if (size && code[0] == 0xcc) {
                event->length = 1;
                event->exception.vector = HWACCL_VECTOR_BP;
        } else if (two && code[0] == 0x0f && (code[1] == 0x0b || code[1] == 0xb9 || code[1] == 0xff)) {
                event->kind = HWACCL_EVENT_EXCEPTION;
                event->exception.vector = HWACCL_VECTOR_UD;
        } else {
                return false;
        }
        return true;
}

/* Let the emulator execute the instruction. Of an EPT violation it accepts any. */
static bool execute(struct derivation *derivation, const struct hwaccl_subject_state *state,
                    struct hwaccl_fault_chain *chain, struct hwaccl_error *error)
{
        struct hwaccl_subject_state exit = *state;
        struct hwaccl_error refused;

        exit.exit_reason = HWACCL_EXIT_EPT_VIOLATION;
        exit.instruction_length = 0;
        hwaccl_host_init(&derivation->host, &derivation->inputs, &derivation->probe, &derivation->map);
        memset(&derivation->bus, 0, sizeof(derivation->bus));
        hwaccl_trap_manager_init(&derivation->traps, NULL);
        hwaccl_processor_init(&derivation->processor, NULL, 1000000);
        hwaccl_processor_connect(&derivation->processor, &derivation->context, &derivation->traps, &derivation->host);
        struct hwaccl_emulator *emulator =
                hwaccl_emulator_create(&derivation->host, &derivation->bus, &derivation->processor, error);
        if (!emulator)
                return false;
        enum hwaccl_outcome outcome = hwaccl_emulator_run(emulator, &derivation->context, &exit, &refused);
        chain->count = 0;
        if (outcome == HWACCL_OUTCOME_TRIPLE_FAULT)
                *chain = *hwaccl_emulator_faults(emulator);
        hwaccl_emulator_destroy(emulator);
        return true;
}

/* The interrupt that was offered, if the guest may have taken it. */
static bool derive_interrupt(struct derivation *derivation, const struct hwaccl_recorded_exit *exit,
                             struct hwaccl_fault_chain *chain, struct hwaccl_error *error)
{
        const struct hwaccl_event event = {.kind = HWACCL_EVENT_EXTERNAL, .exception.vector = exit->offered_vector};

        chain->count = 0;
        if (!exit->offered || (exit->settled && !exit->taken) || !(exit->exit->rflags & RFLAGS_IF))
                return true;
        if (!start(derivation, exit->exit, error))
                return false;
        if (!deliver(derivation, &event, chain))
                chain->count = 0;
        return true;
}

static bool derive_exception(struct derivation *derivation, const struct hwaccl_recorded_exit *exit,
                             struct hwaccl_derived_faults *derived, struct hwaccl_error *error)
{
        uint8_t code[FETCH_BYTES];
        struct hwaccl_event event;

        if (!start(derivation, exit->exit, error))
                return false;
        size_t size = fetch(derivation, code);
        derivation->unknown = false;
        if (makes_event(code, size, &event)) {
                if (!deliver(derivation, &event, &derived->chain))
                        derived->chain.count = 0;
        } else if (!execute(derivation, exit->exit, &derived->chain, error)) {
                return false;
        }
        if (!derived->chain.count)
                derived->problem = derivation->unknown ? "memory that it needs is not known"
                                                       : "the instruction at RIP raises no fault that cannot be "
                                                         "delivered, as far as it is emulated";
        return true;
}

/* The processor delivers an injected interrupt before the first instruction: RIP is still that of the entry. */
static bool derive(struct derivation *derivation, const struct hwaccl_recorded_exit *exit,
                   struct hwaccl_derived_faults *derived, struct hwaccl_error *error)
{
        struct hwaccl_subject_state entry = *exit->entry;

        if (!hwaccl_known_fields_equal(exit->exit_known, hwaccl_known_fields_all())) {
                derived->problem = "the registers at the exit are not known";
                return true;
        }
        /* the exit information differs in any case */
        entry.exit_reason = exit->exit->exit_reason;
        entry.exit_qualification = exit->exit->exit_qualification;
        entry.guest_physical_address = exit->exit->guest_physical_address;
        entry.interrupt_information = exit->exit->interrupt_information;
        entry.instruction_length = exit->exit->instruction_length;
        derived->guess = memcmp(&entry, exit->exit, sizeof(entry)) == 0;
        if (!derive_interrupt(derivation, exit, &derived->chain, error))
                return false;
        if (!derived->chain.count && !derive_exception(derivation, exit, derived, error))
                return false;
        if (derived->chain.count && !is_complete(&derived->chain))
                derived->problem = "memory that it needs is not known";
        return true;
}

static bool load_map(struct derivation *derivation, struct hwaccl_error *error)
{
        uint64_t address, size;
        bool writable;

        hwaccl_guest_memory_init(&derivation->map, false);
        for (size_t i = 0; hwaccl_recording_memory_range(derivation->recording, i, &address, &size, &writable); i++)
                if (!hwaccl_guest_memory_add(&derivation->map, address, size, writable, error))
                        return false;
        return true;
}

bool hwaccl_derive_faults(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                          struct hwaccl_derived_faults *derived, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit;
        struct derivation *derivation = calloc(1, sizeof(*derivation));

        memset(derived, 0, sizeof(*derived));
        if (!derivation)
                return hwaccl_error_set(error, "out of memory");
        derivation->inputs.ops = &inputs_ops;
        derivation->probe.ops = &probe_ops;
        derivation->recording = recording;
        derivation->memory =
                (struct hwaccl_physical_memory){.read = read_memory, .write = write_memory, .opaque = derivation};
        struct hwaccl_exit_cursor *cursor = NULL;
        bool good = load_map(derivation, error);
        if (good && !derivation->map.run_count)
                derived->problem = "the guest's memory was not kept";
        else if (good)
                good = (cursor = hwaccl_exit_cursor_open(recording, vcpu, number, error)) != NULL &&
                       hwaccl_exit_cursor_next(cursor, &exit, error) == 1 && derive(derivation, exit, derived, error);
        hwaccl_exit_cursor_close(cursor);
        hwaccl_guest_memory_destroy(&derivation->map);
        free(derivation);
        return good;
}

bool hwaccl_known_faults(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t exit,
                         struct hwaccl_fault_chain *chain)
{
        struct hwaccl_derived_faults derived = {.problem = NULL};

        if (hwaccl_recording_faults(recording, vcpu, exit, chain, NULL) && chain->count)
                return true;
        if (!hwaccl_derive_faults(recording, vcpu, exit, &derived, NULL))
                return false;
        *chain = derived.chain;
        return chain->count > 0;
}
