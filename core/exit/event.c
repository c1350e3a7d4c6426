/*
 * Delivery of interrupts and exceptions through the IVT or IDT (SDM 3A, chapter 6; SDM 2A, INT n). An attempt works on
 * a copy of the context, so that a fault in the middle leaves the context as it was.
 */
#include "core/exit/guest_access.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"
#include "core/exit/task_switch.h"
#include "core/irq/trap_manager.h"

#define GATE_TASK         0x05
#define GATE_INTERRUPT_16 0x06
#define GATE_TRAP_16      0x07
#define GATE_INTERRUPT_32 0x0e
#define GATE_TRAP_32      0x0f

#define ERROR_EXT 0x1u
#define ERROR_IDT 0x2u

enum attempt { DELIVERED, FAULTED, REFUSED, SWITCHES };

/* One attempt to deliver one event. */
struct delivery {
        struct hwaccl_machine_context context; /* the copy that becomes the guest's when all went well */
        const struct hwaccl_physical_memory *memory;
        const struct hwaccl_event *event;
        uint32_t ext; /* ERROR_EXT unless the event is a software interrupt */
        struct hwaccl_exception fault;
        struct hwaccl_fault_link link;   /* for the observer: the step that failed, and what it looked at */
        struct hwaccl_task_switch *task; /* where a task gate leads; NULL: it is refused */
        const char *refusal;
};

/* An IDT entry, whatever its size. */
struct gate {
        uint16_t selector;
        uint64_t offset;
        unsigned type;
        unsigned dpl;
        unsigned ist; /* long mode only */
        bool present;
};

/* What goes onto the handler's stack. */
struct frame {
        uint64_t value[6];
        unsigned count;
        unsigned width; /* bytes of each value: 2, 4 or 8 */
};

/* The step that fails if the next access faults, and the linear address of that. */
static void look(struct delivery *delivery, enum hwaccl_delivery_step step, uint64_t address)
{
        delivery->link.step = (uint8_t)step;
        delivery->link.address = address;
        delivery->link.has = HWACCL_FAULT_HAS_ADDRESS;
}

static void found(struct delivery *delivery, uint64_t value)
{
        delivery->link.value = value;
        delivery->link.has |= HWACCL_FAULT_HAS_VALUE;
}

static void exceeded(struct delivery *delivery, uint64_t limit)
{
        delivery->link.limit = limit;
        delivery->link.has |= HWACCL_FAULT_HAS_LIMIT;
}

static enum attempt fault(struct delivery *delivery, enum hwaccl_delivery_step step, enum hwaccl_vector vector,
                          uint32_t error_code)
{
        delivery->link.step = (uint8_t)step;
        delivery->fault = (struct hwaccl_exception){(uint8_t)vector, true, error_code, 0};
        return FAULTED;
}

static bool is_fault_class(const struct hwaccl_event *event)
{
        if (event->kind != HWACCL_EVENT_EXCEPTION)
                return false;
        switch (event->exception.vector) {
        case HWACCL_VECTOR_DB:
        case HWACCL_VECTOR_NMI:
        case HWACCL_VECTOR_BP:
        case HWACCL_VECTOR_OF:
        case HWACCL_VECTOR_DF:
        case HWACCL_VECTOR_MC: return false;
        default: return true;
        }
}

static void frame_push(struct frame *frame, uint64_t value)
{
        frame->value[frame->count++] = value;
}

/* Where the values of a frame go, below the stack pointer of the context's SS: first value at the highest address. */
static bool frame_locate(struct delivery *delivery, const struct frame *frame, unsigned access, uint64_t mask,
                         uint64_t linear[6])
{
        const struct hwaccl_machine_context *context = &delivery->context;
        uint64_t pointer = context->gpr[HWACCL_RSP] & mask;

        for (unsigned i = 0; i < frame->count; i++) {
                pointer = (pointer - frame->width) & mask;
                linear[i] = pointer;
                look(delivery, HWACCL_DELIVERY_FRAME_SEGMENT,
                     frame->width == 8 ? pointer : context->segment[HWACCL_SS].base + pointer);
                if (frame->width != 8 && !hwaccl_segment_translate(context, HWACCL_SS, pointer, frame->width, access,
                                                                   &linear[i], &delivery->fault))
                        return false;
                if (!address_is_canonical(linear[i]) || !address_is_canonical(linear[i] + frame->width - 1))
                        return false;
        }
        return true;
}

/* The whole frame has room, or none of it is written. */
static bool frame_write(struct delivery *delivery, const struct frame *frame, unsigned cpl, uint32_t error_code)
{
        struct hwaccl_machine_context *context = &delivery->context;
        unsigned access = HWACCL_ACCESS_WRITE | HWACCL_ACCESS_SET_ACCESSED |
                          (cpl == 3 ? HWACCL_ACCESS_USER : HWACCL_ACCESS_IMPLICIT);
        uint64_t mask = UINT64_MAX;
        uint64_t linear[6];

        if (frame->width != 8)
                mask = context->segment[HWACCL_SS].access_rights & SEGMENT_D ? UINT32_MAX : UINT16_MAX;
        if (!frame_locate(delivery, frame, access, mask, linear)) {
                found(delivery, context->gpr[HWACCL_RSP] & mask);
                exceeded(delivery, context->segment[HWACCL_SS].limit);
                fault(delivery, frame->width == 8 ? HWACCL_DELIVERY_STACK_POINTER : HWACCL_DELIVERY_FRAME_SEGMENT,
                      HWACCL_VECTOR_SS, error_code);
                return false;
        }
        for (unsigned i = 0; i < frame->count; i++) {
                uint8_t bytes[8];

                for (unsigned j = 0; j < frame->width; j++)
                        bytes[j] = (uint8_t)(frame->value[i] >> (8 * j));
                look(delivery, HWACCL_DELIVERY_FRAME_WRITE, linear[i]);
                if (!linear_write(context, delivery->memory, linear[i], bytes, frame->width, access, &delivery->fault))
                        return false;
        }
        uint64_t pointer = (context->gpr[HWACCL_RSP] - (uint64_t)frame->count * frame->width) & mask;
        context->gpr[HWACCL_RSP] = (context->gpr[HWACCL_RSP] & ~mask) | pointer;
        return true;
}

static uint64_t return_address(const struct delivery *delivery)
{
        const struct hwaccl_machine_context *context = &delivery->context;
        uint64_t rip = context->rip + delivery->event->length;

        return hwaccl_context_code_bits(context) == 64 ? rip : rip & UINT32_MAX;
}

static bool read_table(struct delivery *delivery, enum hwaccl_delivery_step step, uint64_t linear, void *buffer,
                       unsigned size)
{
        look(delivery, step, linear);
        return linear_read(&delivery->context, delivery->memory, linear, buffer, size,
                           HWACCL_ACCESS_IMPLICIT | HWACCL_ACCESS_SET_ACCESSED, &delivery->fault);
}

static void enter_handler(struct hwaccl_machine_context *context, bool masks_interrupts)
{
        context->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
        if (masks_interrupts)
                context->rflags &= ~RFLAGS_IF;
        context->interrupts_inhibited = false;
}

static enum attempt beyond_table(struct delivery *delivery, uint64_t linear, uint32_t error_code)
{
        look(delivery, HWACCL_DELIVERY_TABLE_LIMIT, linear);
        exceeded(delivery, delivery->context.idtr.limit);
        return fault(delivery, HWACCL_DELIVERY_TABLE_LIMIT, HWACCL_VECTOR_GP, error_code);
}

/* RIP of the handler that a gate names. */
static enum attempt beyond_code(struct delivery *delivery, uint64_t rip, uint64_t limit, uint32_t error_code)
{
        look(delivery, HWACCL_DELIVERY_TARGET, 0);
        delivery->link.has = 0;
        found(delivery, rip);
        exceeded(delivery, limit);
        return fault(delivery, HWACCL_DELIVERY_TARGET, HWACCL_VECTOR_GP, error_code);
}

static enum attempt deliver_real(struct delivery *delivery)
{
        struct hwaccl_machine_context *context = &delivery->context;
        unsigned vector = delivery->event->exception.vector;
        struct hwaccl_segment *cs = &context->segment[HWACCL_CS];
        struct frame frame = {.width = 2};
        uint8_t entry[4];

        if (vector * 4 + 3 > context->idtr.limit)
                return beyond_table(delivery, context->idtr.base + vector * 4, 0);
        if (!read_table(delivery, HWACCL_DELIVERY_TABLE_READ, (uint32_t)(context->idtr.base + vector * 4), entry,
                        sizeof(entry)))
                return FAULTED;
        frame_push(&frame, context->rflags);
        frame_push(&frame, cs->selector);
        frame_push(&frame, return_address(delivery));
        if (!frame_write(delivery, &frame, 0, 0))
                return FAULTED;

        cs->selector = (uint64_t)entry[2] | (uint64_t)entry[3] << 8;
        cs->base = cs->selector << 4;
        context->rip = (uint64_t)entry[0] | (uint64_t)entry[1] << 8;
        if (context->rip > cs->limit)
                return beyond_code(delivery, context->rip, cs->limit, 0);
        enter_handler(context, true);
        context->rflags &= ~RFLAGS_AC;
        return DELIVERED;
}

/* The switch itself is the caller's. */
static enum attempt enter_task(struct delivery *delivery, const struct gate *gate)
{
        struct descriptor descriptor;
        const struct hwaccl_task_switch task = {HWACCL_TASK_GATE, gate->selector, *delivery->event};

        if (!delivery->task) {
                delivery->refusal = "an event goes through a task gate, which is not supported here";
                return REFUSED;
        }
        look(delivery, HWACCL_DELIVERY_TASK, delivery->context.gdtr.base + (gate->selector & 0xfff8u));
        if (!hwaccl_task_find(&delivery->context, delivery->memory, &task, &descriptor, &delivery->fault))
                return FAULTED;
        *delivery->task = task;
        return SWITCHES;
}

static enum attempt read_gate(struct delivery *delivery, bool long_mode, struct gate *gate)
{
        const struct hwaccl_machine_context *context = &delivery->context;
        unsigned vector = delivery->event->exception.vector;
        unsigned size = long_mode ? 16 : 8;
        uint32_t error_code = vector * 8 | ERROR_IDT | delivery->ext;
        uint8_t entry[16] = {0};

        if (vector * size + size - 1 > context->idtr.limit)
                return beyond_table(delivery, context->idtr.base + vector * size, error_code);
        if (!read_table(delivery, HWACCL_DELIVERY_TABLE_READ, context->idtr.base + vector * size, entry, size))
                return FAULTED;
        found(delivery, little_endian(entry, 8));
        gate->offset = little_endian(entry, 2) | little_endian(entry + 6, 2) << 16;
        if (long_mode)
                gate->offset |= little_endian(entry + 8, 4) << 32;
        gate->selector = (uint16_t)little_endian(entry + 2, 2);
        gate->ist = long_mode ? entry[4] & 7 : 0;
        gate->type = entry[5] & 0x1f;
        gate->dpl = (entry[5] >> 5) & 3;
        gate->present = entry[5] & 0x80;

        bool known = gate->type == GATE_INTERRUPT_32 || gate->type == GATE_TRAP_32;
        if (!long_mode)
                known |= gate->type == GATE_INTERRUPT_16 || gate->type == GATE_TRAP_16 || gate->type == GATE_TASK;
        if (!known)
                return fault(delivery, HWACCL_DELIVERY_GATE_TYPE, HWACCL_VECTOR_GP, error_code);
        if (delivery->event->kind == HWACCL_EVENT_SOFTWARE && gate->dpl < hwaccl_context_cpl(context))
                return fault(delivery, HWACCL_DELIVERY_GATE_PRIVILEGE, HWACCL_VECTOR_GP, error_code);
        if (!gate->present)
                return fault(delivery, HWACCL_DELIVERY_GATE_ABSENT, HWACCL_VECTOR_NP, error_code);
        return gate->type == GATE_TASK ? enter_task(delivery, gate) : DELIVERED;
}

static enum attempt read_descriptor(struct delivery *delivery, uint16_t selector, enum hwaccl_delivery_step limit,
                                    enum hwaccl_delivery_step read, enum hwaccl_vector vector,
                                    struct descriptor *descriptor)
{
        const struct hwaccl_machine_context *context = &delivery->context;
        const struct hwaccl_segment *table = selector & 4 ? &context->ldtr : &context->gdtr;

        look(delivery, read, table->base + (selector & 0xfff8u));
        switch (descriptor_read(context, delivery->memory, selector, descriptor, &delivery->fault)) {
        case DESCRIPTOR_READ: found(delivery, descriptor->bytes); return DELIVERED;
        case DESCRIPTOR_FAULT: return FAULTED;
        default: break;
        }
        exceeded(delivery, table->limit);
        return fault(delivery, limit, vector, (selector & 0xfffcu) | delivery->ext);
}

/* The code segment that a gate names, checked as for a call to the same or an inner ring. */
static enum attempt load_code(struct delivery *delivery, const struct gate *gate, bool long_mode,
                              struct hwaccl_segment *code)
{
        struct hwaccl_machine_context *context = &delivery->context;
        uint32_t error_code = (gate->selector & 0xfffcu) | delivery->ext;
        struct descriptor descriptor;

        if (!(gate->selector & 0xfffc))
                return fault(delivery, HWACCL_DELIVERY_CODE_NULL, HWACCL_VECTOR_GP, delivery->ext);
        enum attempt attempt = read_descriptor(delivery, gate->selector, HWACCL_DELIVERY_CODE_LIMIT,
                                               HWACCL_DELIVERY_CODE_READ, HWACCL_VECTOR_GP, &descriptor);
        if (attempt != DELIVERED)
                return attempt;

        uint32_t rights = descriptor.segment.access_rights;
        unsigned dpl = (rights >> SEGMENT_DPL_SHIFT) & 3;
        if (!(rights & SEGMENT_S) || !(rights & SEGMENT_TYPE_CODE))
                return fault(delivery, HWACCL_DELIVERY_CODE_TYPE, HWACCL_VECTOR_GP, error_code);
        if (dpl > hwaccl_context_cpl(context))
                return fault(delivery, HWACCL_DELIVERY_CODE_PRIVILEGE, HWACCL_VECTOR_GP, error_code);
        if (long_mode && (!(rights & SEGMENT_L) || (rights & SEGMENT_D)))
                return fault(delivery, HWACCL_DELIVERY_CODE_MODE, HWACCL_VECTOR_GP, error_code);
        if (!(rights & SEGMENT_P))
                return fault(delivery, HWACCL_DELIVERY_CODE_ABSENT, HWACCL_VECTOR_NP, error_code);
        if (!descriptor_set_accessed(context, delivery->memory, &descriptor, &delivery->fault))
                return FAULTED;
        *code = descriptor.segment;
        return DELIVERED;
}

static enum attempt beyond_tss(struct delivery *delivery, unsigned place)
{
        const struct hwaccl_segment *tss = &delivery->context.tr;

        look(delivery, HWACCL_DELIVERY_TSS_LIMIT, tss->base + place);
        exceeded(delivery, tss->limit);
        return fault(delivery, HWACCL_DELIVERY_TSS_LIMIT, HWACCL_VECTOR_TS,
                     ((uint32_t)tss->selector & 0xfffcu) | delivery->ext);
}

/* SS and (E)SP for an inner ring from a 16- or 32-bit TSS. */
static enum attempt load_inner_stack(struct delivery *delivery, unsigned dpl)
{
        struct hwaccl_machine_context *context = &delivery->context;
        bool wide = context->tr.access_rights & 0x8;
        unsigned size = wide ? 4 : 2;
        unsigned place = wide ? 4 + dpl * 8 : 2 + dpl * 4;
        uint8_t entry[6];

        if (place + size + 1 > context->tr.limit)
                return beyond_tss(delivery, place);
        if (!read_table(delivery, HWACCL_DELIVERY_TSS_READ, (uint32_t)(context->tr.base + place), entry, size + 2))
                return FAULTED;

        uint16_t selector = (uint16_t)little_endian(entry + size, 2);
        uint32_t error_code = (selector & 0xfffcu) | delivery->ext;
        struct descriptor descriptor;
        if (!(selector & 0xfffc))
                return fault(delivery, HWACCL_DELIVERY_STACK_NULL, HWACCL_VECTOR_TS, delivery->ext);
        enum attempt attempt = read_descriptor(delivery, selector, HWACCL_DELIVERY_STACK_LIMIT,
                                               HWACCL_DELIVERY_STACK_READ, HWACCL_VECTOR_TS, &descriptor);
        if (attempt != DELIVERED)
                return attempt;
        uint32_t rights = descriptor.segment.access_rights;
        bool data = (rights & SEGMENT_S) && !(rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_TYPE_WRITABLE);
        if ((selector & 3u) != dpl || ((rights >> SEGMENT_DPL_SHIFT) & 3) != dpl)
                return fault(delivery, HWACCL_DELIVERY_STACK_PRIVILEGE, HWACCL_VECTOR_TS, error_code);
        if (!data)
                return fault(delivery, HWACCL_DELIVERY_STACK_TYPE, HWACCL_VECTOR_TS, error_code);
        if (!(rights & SEGMENT_P))
                return fault(delivery, HWACCL_DELIVERY_STACK_ABSENT, HWACCL_VECTOR_SS, error_code);
        if (!descriptor_set_accessed(context, delivery->memory, &descriptor, &delivery->fault))
                return FAULTED;
        context->segment[HWACCL_SS] = descriptor.segment;
        context->gpr[HWACCL_RSP] = little_endian(entry, size);
        return DELIVERED;
}

uint64_t hwaccl_event_saved_flags(const struct hwaccl_machine_context *context, const struct hwaccl_event *event)
{
        uint64_t flags = context->rflags;

        if (event->length)
                flags &= ~RFLAGS_RF; /* the instruction is complete */
        return is_fault_class(event) ? flags | RFLAGS_RF : flags;
}

static void frame_push_state(struct frame *frame, const struct delivery *delivery,
                             const struct hwaccl_machine_context *before)
{
        frame_push(frame, hwaccl_event_saved_flags(&delivery->context, delivery->event));
        frame_push(frame, before->segment[HWACCL_CS].selector);
        frame_push(frame, return_address(delivery));
        if (delivery->event->kind == HWACCL_EVENT_EXCEPTION && delivery->event->exception.has_error_code)
                frame_push(frame, delivery->event->exception.error_code);
}

static void enter_code(struct hwaccl_machine_context *context, const struct hwaccl_segment *code, unsigned cpl,
                       uint64_t rip)
{
        context->segment[HWACCL_CS] = *code;
        context->segment[HWACCL_CS].selector = (code->selector & 0xfffcu) | cpl;
        context->rip = rip;
        context->changed |= HWACCL_CHANGED_HIDDEN_SELECTORS;
}

static enum attempt deliver_protected(struct delivery *delivery, const struct hwaccl_machine_context *before)
{
        struct hwaccl_machine_context *context = &delivery->context;
        unsigned cpl = hwaccl_context_cpl(before);
        struct gate gate;
        struct hwaccl_segment code;

        if (before->rflags & RFLAGS_VM) {
                delivery->refusal = "an event arrives in virtual-8086 mode, which is not supported";
                return REFUSED;
        }
        enum attempt attempt = read_gate(delivery, false, &gate);
        if (attempt == DELIVERED)
                attempt = load_code(delivery, &gate, false, &code);
        if (attempt != DELIVERED)
                return attempt;

        unsigned dpl = (code.access_rights >> SEGMENT_DPL_SHIFT) & 3;
        bool inner = !(code.access_rights & SEGMENT_TYPE_CONFORMING) && dpl < cpl;
        struct frame frame = {.width = gate.type == GATE_INTERRUPT_16 || gate.type == GATE_TRAP_16 ? 2 : 4};
        uint32_t stack_error = delivery->ext;
        if (inner) {
                attempt = load_inner_stack(delivery, dpl);
                if (attempt != DELIVERED)
                        return attempt;
                cpl = dpl;
                stack_error |= (uint32_t)context->segment[HWACCL_SS].selector & 0xfffcu;
                frame_push(&frame, before->segment[HWACCL_SS].selector);
                frame_push(&frame, before->gpr[HWACCL_RSP]);
        }
        frame_push_state(&frame, delivery, before);
        if (!frame_write(delivery, &frame, cpl, stack_error))
                return FAULTED;
        uint64_t rip = gate.offset & (frame.width == 2 ? UINT16_MAX : UINT32_MAX);
        if (rip > code.limit)
                return beyond_code(delivery, rip, code.limit, delivery->ext);
        enter_code(context, &code, cpl, rip);
        enter_handler(context, gate.type == GATE_INTERRUPT_16 || gate.type == GATE_INTERRUPT_32);
        return DELIVERED;
}

/* RSP for an inner ring or an IST entry from the 64-bit TSS. */
static enum attempt load_long_stack(struct delivery *delivery, const struct gate *gate, unsigned dpl)
{
        struct hwaccl_machine_context *context = &delivery->context;
        unsigned place = gate->ist ? 28 + gate->ist * 8 : 4 + dpl * 8;
        uint8_t entry[8];

        if (place + 7 > context->tr.limit)
                return beyond_tss(delivery, place);
        if (!read_table(delivery, HWACCL_DELIVERY_TSS_READ, context->tr.base + place, entry, sizeof(entry)))
                return FAULTED;
        context->gpr[HWACCL_RSP] = little_endian(entry, 8);
        found(delivery, context->gpr[HWACCL_RSP]);
        if (!address_is_canonical(context->gpr[HWACCL_RSP]))
                return fault(delivery, HWACCL_DELIVERY_STACK_POINTER, HWACCL_VECTOR_SS, delivery->ext);
        return DELIVERED;
}

static enum attempt deliver_long(struct delivery *delivery, const struct hwaccl_machine_context *before)
{
        struct hwaccl_machine_context *context = &delivery->context;
        unsigned cpl = hwaccl_context_cpl(before);
        struct gate gate;
        struct hwaccl_segment code;
        enum attempt attempt = read_gate(delivery, true, &gate);

        if (attempt == DELIVERED)
                attempt = load_code(delivery, &gate, true, &code);
        if (attempt != DELIVERED)
                return attempt;

        unsigned dpl = (code.access_rights >> SEGMENT_DPL_SHIFT) & 3;
        bool inner = !(code.access_rights & SEGMENT_TYPE_CONFORMING) && dpl < cpl;
        if (inner || gate.ist) {
                attempt = load_long_stack(delivery, &gate, dpl);
                if (attempt != DELIVERED)
                        return attempt;
        }
        if (inner) {
                cpl = dpl;
                context->segment[HWACCL_SS] = (struct hwaccl_segment){
                        .selector = dpl, .access_rights = HWACCL_SEGMENT_UNUSABLE | dpl << SEGMENT_DPL_SHIFT};
        }
        context->gpr[HWACCL_RSP] &= ~UINT64_C(15);

        struct frame frame = {.width = 8};
        frame_push(&frame, before->segment[HWACCL_SS].selector);
        frame_push(&frame, before->gpr[HWACCL_RSP]);
        frame_push_state(&frame, delivery, before);
        if (!frame_write(delivery, &frame, cpl, delivery->ext))
                return FAULTED;
        if (!address_is_canonical(gate.offset))
                return beyond_code(delivery, gate.offset, code.limit, delivery->ext);
        enter_code(context, &code, cpl, gate.offset);
        enter_handler(context, gate.type == GATE_INTERRUPT_32);
        return DELIVERED;
}

static enum attempt attempt_delivery(struct delivery *delivery, const struct hwaccl_machine_context *before)
{
        if (!(before->cr0 & HWACCL_CR0_PE))
                return deliver_real(delivery);
        return before->efer & HWACCL_EFER_LMA ? deliver_long(delivery, before) : deliver_protected(delivery, before);
}

/* False when the attempt read what is not known: it ends nowhere. */
static bool observe(struct delivery *delivery, struct hwaccl_delivery_observer *observer, enum attempt attempt,
                    const struct hwaccl_machine_context *before)
{
        struct hwaccl_fault_link *link = &delivery->link;
        bool known = !observer->unknown || !*observer->unknown;

        if (!known) {
                look(delivery, HWACCL_DELIVERY_UNKNOWN, link->address);
        } else if (attempt == DELIVERED || attempt == SWITCHES) {
                look(delivery, HWACCL_DELIVERY_DELIVERED, delivery->context.rip);
        } else if (attempt == REFUSED) {
                link->step = HWACCL_DELIVERY_NOT_FOLLOWED;
        } else {
                hwaccl_event_describe_raised(link, &delivery->fault);
        }
        hwaccl_event_describe(link, delivery->event, before);
        observer->link(observer->opaque, link);
        return known;
}

enum hwaccl_event_end hwaccl_event_follow(struct hwaccl_machine_context *context,
                                          const struct hwaccl_physical_memory *memory, const struct hwaccl_event *event,
                                          struct hwaccl_delivery_observer *observer, struct hwaccl_task_switch *task,
                                          const char **refusal)
{
        struct hwaccl_machine_context before = *context;
        struct hwaccl_event current = *event;
        uint32_t ext = event->kind == HWACCL_EVENT_SOFTWARE ? 0 : ERROR_EXT;

        *refusal = NULL;
        if (event->kind == HWACCL_EVENT_EXCEPTION && event->exception.vector == HWACCL_VECTOR_PF)
                before.cr2 = event->exception.fault_address;
        for (;;) {
                struct delivery delivery = {
                        .context = before, .memory = memory, .event = &current, .ext = ext, .task = task};
                enum attempt attempt = attempt_delivery(&delivery, &before);
                if (observer && !observe(&delivery, observer, attempt, &before))
                        return HWACCL_EVENT_SHUTDOWN;
                switch (attempt) {
                case DELIVERED: *context = delivery.context; return HWACCL_EVENT_DELIVERED;
                case SWITCHES: context->cr2 = before.cr2; return HWACCL_EVENT_TASK;
                case REFUSED: *refusal = delivery.refusal; return HWACCL_EVENT_REFUSED;
                case FAULTED: break;
                }
                /* CR2 is written when the page fault is found, even if it ends up as a double fault */
                if (delivery.fault.vector == HWACCL_VECTOR_PF)
                        before.cr2 = delivery.fault.fault_address;
                struct hwaccl_event next;
                if (!hwaccl_event_combine(&current, &delivery.fault, &next))
                        return HWACCL_EVENT_SHUTDOWN;
                current = next;
                ext = ERROR_EXT;
        }
}

bool hwaccl_event_deliver(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                          const struct hwaccl_event *event, struct hwaccl_delivery_observer *observer,
                          const char **refusal)
{
        return hwaccl_event_follow(context, memory, event, observer, NULL, refusal) == HWACCL_EVENT_DELIVERED;
}
