/*
 * Task switches (SDM 3A, 8.2 to 8.3). All that can fault in the old task comes before the first write; the new task's
 * segments come last, each with its checks. After the first of these that fails the others are still loaded where they
 * can be ("the processor finishes the task switch"), and then the fault is raised in the new task.
 */
#include "core/exit/task_switch.h"

#include "core/exit/registers.h"

#include <string.h>

#define TYPE_MASK     0x1fu /* with S */
#define TYPE_TSS_16   0x01u
#define TYPE_TASK     0x05u
#define TYPE_TSS_32   0x09u
#define TYPE_LDT      0x02u
#define TYPE_BUSY     0x02u
#define TYPE_IS_32    0x08u
#define TSS_CR3       0x1cu /* of 32 bits only */
#define TSS_TRAP      0x64u
#define TSS_SIZE_MAX  0x68u
#define FLAGS_DEFINED UINT64_C(0x3f7fd5)
#define DR6_MET       UINT64_C(0xf)
#define DR6_BT        UINT64_C(0x8000)
#define DR7_LOCAL     UINT64_C(0x155) /* L0 to L3, LE */
#define ERROR_EXT     1u
#define PAGE_MASK     UINT64_C(0xfff)
#define IMPLICIT      (HWACCL_ACCESS_IMPLICIT | HWACCL_ACCESS_SET_ACCESSED)
/* A guest whose GDT is in ROM can switch for ever without executing an instruction. */
#define SWITCHES_MAX 64u

/* Where a TSS has what. */
struct layout {
        unsigned width; /* of a register */
        unsigned size;
        unsigned saved; /* of the old task: (E)IP, (E)FLAGS, eight general registers, segments */
        unsigned segment;
        unsigned segments; /* ES, CS, SS, DS, and FS, GS */
        unsigned ldt;
};

static const struct layout layouts[2] = {
        {.width = 2, .size = 0x2c, .saved = 0x0e, .segment = 0x22, .segments = 4, .ldt = 0x2a},
        {.width = 4, .size = TSS_SIZE_MAX, .saved = 0x20, .segment = 0x48, .segments = 6, .ldt = 0x60},
};

#define GENERAL_COUNT 8u

struct switching {
        struct hwaccl_machine_context *context;
        const struct hwaccl_physical_memory *memory;
        const struct hwaccl_task_switch *task;
        const struct layout *from;
        const struct layout *to;
        struct descriptor tss;       /* the new one */
        uint8_t image[TSS_SIZE_MAX]; /* of the new TSS */
        uint64_t type_byte;          /* linear, of the old TSS's descriptor */
        bool faulted;                /* the fault to raise is the first */
        struct hwaccl_exception fault;
};

static const struct layout *layout_of(const struct hwaccl_segment *tss)
{
        return &layouts[tss->access_rights & TYPE_IS_32 ? 1 : 0];
}

static uint32_t external(const struct hwaccl_task_switch *task)
{
        return task->source == HWACCL_TASK_GATE && task->event.kind != HWACCL_EVENT_SOFTWARE ? ERROR_EXT : 0;
}

static bool nests(const struct hwaccl_task_switch *task)
{
        return task->source == HWACCL_TASK_CALL || task->source == HWACCL_TASK_GATE;
}

static bool refuse(struct hwaccl_exception *fault, enum hwaccl_vector vector, uint16_t selector, uint32_t ext)
{
        *fault = (struct hwaccl_exception){(uint8_t)vector, true, (selector & 0xfffcu) | ext, 0};
        return false;
}

/* ---- finding the task -------------------------------------------------------------------------------------------- */

static bool is_tss(uint32_t rights)
{
        uint32_t type = rights & TYPE_MASK & ~TYPE_BUSY;

        return type == TYPE_TSS_16 || type == TYPE_TSS_32;
}

bool hwaccl_task_find(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                      const struct hwaccl_task_switch *task, struct descriptor *descriptor,
                      struct hwaccl_exception *fault)
{
        enum hwaccl_vector vector = task->source == HWACCL_TASK_IRET ? HWACCL_VECTOR_TS : HWACCL_VECTOR_GP;
        uint32_t ext = external(task);

        if (task->selector & 4)
                return refuse(fault, vector, task->selector, ext);
        switch (descriptor_read(context, memory, task->selector, descriptor, fault)) {
        case DESCRIPTOR_READ: break;
        case DESCRIPTOR_FAULT: return false;
        default: return refuse(fault, vector, task->selector, ext);
        }
        uint32_t rights = descriptor->segment.access_rights;
        bool busy = rights & TYPE_BUSY;
        if (!is_tss(rights) || busy != (task->source == HWACCL_TASK_IRET))
                return refuse(fault, vector, task->selector, ext);
        if (!(rights & SEGMENT_P))
                return refuse(fault, HWACCL_VECTOR_NP, task->selector, ext);
        if (descriptor->segment.limit < layout_of(&descriptor->segment)->size - 1)
                return refuse(fault, HWACCL_VECTOR_TS, task->selector, ext);
        return true;
}

enum hwaccl_task_result hwaccl_task_of_branch(const struct hwaccl_machine_context *context,
                                              const struct hwaccl_physical_memory *memory, uint16_t selector,
                                              struct hwaccl_task_switch *task, struct hwaccl_exception *fault)
{
        unsigned cpl = hwaccl_context_cpl(context);
        struct descriptor descriptor;

        if (!(selector & 0xfffc))
                return HWACCL_TASK_NONE;
        switch (descriptor_read(context, memory, selector, &descriptor, fault)) {
        case DESCRIPTOR_READ: break;
        case DESCRIPTOR_FAULT: return HWACCL_TASK_FAULT;
        default: return HWACCL_TASK_NONE;
        }
        uint32_t rights = descriptor.segment.access_rights;
        unsigned dpl = (rights >> SEGMENT_DPL_SHIFT) & 3;
        bool gate = (rights & TYPE_MASK) == TYPE_TASK;
        if (!gate && !is_tss(rights))
                return HWACCL_TASK_NONE;
        bool allowed = !(context->efer & HWACCL_EFER_LMA) && dpl >= cpl && dpl >= (selector & 3u);
        if (!allowed || (gate && !(rights & SEGMENT_P))) {
                (void)refuse(fault, allowed ? HWACCL_VECTOR_NP : HWACCL_VECTOR_GP, selector, 0);
                return HWACCL_TASK_FAULT;
        }
        task->selector = gate ? (uint16_t)(descriptor.bytes >> 16) : selector;
        return hwaccl_task_find(context, memory, task, &descriptor, fault) ? HWACCL_TASK_SWITCH : HWACCL_TASK_FAULT;
}

enum hwaccl_task_result hwaccl_task_of_return(const struct hwaccl_machine_context *context,
                                              const struct hwaccl_physical_memory *memory,
                                              struct hwaccl_task_switch *task, struct hwaccl_exception *fault)
{
        struct descriptor descriptor;
        uint8_t link[2];

        if (!(context->rflags & RFLAGS_NT) || (context->efer & HWACCL_EFER_LMA))
                return HWACCL_TASK_NONE;
        if (!linear_read(context, memory, context->tr.base, link, sizeof(link), IMPLICIT, fault))
                return HWACCL_TASK_FAULT;
        task->selector = (uint16_t)little_endian(link, sizeof(link));
        return hwaccl_task_find(context, memory, task, &descriptor, fault) ? HWACCL_TASK_SWITCH : HWACCL_TASK_FAULT;
}

/* ---- the old task ------------------------------------------------------------------------------------------------ */

static bool reachable(struct switching *now, uint64_t linear, unsigned size, unsigned access)
{
        struct hwaccl_translation translation;
        uint64_t last = linear + size - 1;

        for (uint64_t at = linear; at <= last; at = (at | PAGE_MASK) + 1)
                if (!hwaccl_page_walk(now->context, now->memory, (uint32_t)at, access | HWACCL_ACCESS_IMPLICIT,
                                      &translation, &now->fault))
                        return false;
        return true;
}

/* Every access of the switch to tables and TSSs, so that none of them faults half-way. */
static bool all_reachable(struct switching *now)
{
        const struct hwaccl_machine_context *context = now->context;

        return reachable(now, now->tss.segment.base, now->to->size, HWACCL_ACCESS_SET_ACCESSED) &&
               reachable(now, context->tr.base + now->from->saved, now->from->ldt - now->from->saved,
                         HWACCL_ACCESS_WRITE) &&
               (!nests(now->task) || reachable(now, now->tss.segment.base, 2, HWACCL_ACCESS_WRITE)) &&
               (nests(now->task) || reachable(now, now->type_byte, 1, HWACCL_ACCESS_WRITE)) &&
               (now->task->source == HWACCL_TASK_IRET || reachable(now, now->tss.linear + 5, 1, HWACCL_ACCESS_WRITE));
}

static bool read_linear(struct switching *now, uint64_t linear, void *buffer, unsigned size)
{
        return linear_read(now->context, now->memory, linear, buffer, size, IMPLICIT, &now->fault);
}

static bool write_linear(struct switching *now, uint64_t linear, const void *data, unsigned size)
{
        return linear_write(now->context, now->memory, linear, data, size, HWACCL_ACCESS_WRITE | IMPLICIT, &now->fault);
}

static void put(uint8_t *bytes, unsigned size, uint64_t value)
{
        for (unsigned i = 0; i < size; i++)
                bytes[i] = (uint8_t)(value >> (8 * i));
}

/* Selectors have 16 bits; what lies beside them in a TSS of 32 bits stays. */
static bool save_old(struct switching *now)
{
        const struct hwaccl_machine_context *context = now->context;
        const struct layout *layout = now->from;
        uint64_t flags = hwaccl_event_saved_flags(context, &now->task->event);
        uint64_t linear = context->tr.base + layout->saved;
        unsigned size = layout->ldt - layout->saved;
        uint8_t image[TSS_SIZE_MAX];
        uint8_t *at = image;

        if (!read_linear(now, linear, image, size))
                return false;
        if (now->task->source == HWACCL_TASK_IRET)
                flags &= ~RFLAGS_NT;
        put(at, layout->width, context->rip + now->task->event.length);
        put(at += layout->width, layout->width, flags);
        for (unsigned i = 0; i < GENERAL_COUNT; i++)
                put(at += layout->width, layout->width, context->gpr[i]);
        for (unsigned i = 0; i < layout->segments; i++)
                put(image + layout->segment - layout->saved + i * layout->width, 2, context->segment[i].selector);
        return write_linear(now, linear, image, size);
}

static bool change_busy(struct switching *now, uint64_t linear, bool busy)
{
        uint8_t byte;

        if (!read_linear(now, linear, &byte, 1))
                return false;
        byte = (uint8_t)((byte & ~TYPE_BUSY) | (busy ? TYPE_BUSY : 0));
        return write_linear(now, linear, &byte, 1);
}

/* Steps 1 to 10 of SDM 3A, 8.3. */
static bool leave_old(struct switching *now)
{
        const struct hwaccl_segment *old = &now->context->tr;
        uint8_t link[2];

        if (!hwaccl_task_find(now->context, now->memory, now->task, &now->tss, &now->fault))
                return false;
        now->from = layout_of(old);
        now->to = layout_of(&now->tss.segment);
        now->type_byte = now->context->gdtr.base + (old->selector & 0xfff8u) + 5;
        if (old->limit < now->from->size - 1)
                return refuse(&now->fault, HWACCL_VECTOR_TS, (uint16_t)old->selector, external(now->task));
        if (!all_reachable(now) || !save_old(now))
                return false;
        put(link, sizeof(link), old->selector);
        if (nests(now->task) ? !write_linear(now, now->tss.segment.base, link, sizeof(link))
                             : !change_busy(now, now->type_byte, false))
                return false;
        if (now->task->source != HWACCL_TASK_IRET && !change_busy(now, now->tss.linear + 5, true))
                return false;
        return read_linear(now, now->tss.segment.base, now->image, now->to->size);
}

/* ---- the new task ------------------------------------------------------------------------------------------------ */

static void raise_new(struct switching *now, enum hwaccl_vector vector, uint16_t selector)
{
        if (!now->faulted)
                (void)refuse(&now->fault, vector, selector, external(now->task));
        now->faulted = true;
}

static uint64_t field(const struct switching *now, unsigned place)
{
        return little_endian(now->image + place, now->to->width);
}

static uint16_t selector_of(const struct switching *now, unsigned number)
{
        if (number >= now->to->segments)
                return 0;
        return (uint16_t)little_endian(now->image + now->to->segment + number * now->to->width, 2);
}

static void load_registers(struct switching *now)
{
        struct hwaccl_machine_context *context = now->context;
        bool wide = now->to->width == 4;
        unsigned place = now->to->saved;

        context->rip = field(now, place);
        context->rflags = (field(now, place += now->to->width) & FLAGS_DEFINED) | RFLAGS_RESERVED_1;
        if (nests(now->task))
                context->rflags |= RFLAGS_NT;
        for (unsigned i = 0; i < GENERAL_COUNT; i++) /* the 286 had no upper half; later processors fill it with ones */
                context->gpr[i] = field(now, place += now->to->width) | (wide ? 0 : UINT64_C(0xffff0000));
        if (wide && (context->cr0 & HWACCL_CR0_PG)) {
                context->cr3 = little_endian(now->image + TSS_CR3, 4);
                context->changed |= HWACCL_CHANGED_CR3;
        }
}

/* A descriptor that its table has, with a type that the register can take. */
static bool read_segment(struct switching *now, uint16_t selector, bool (*takes)(uint32_t rights),
                         struct descriptor *descriptor)
{
        struct hwaccl_exception fault;

        switch (descriptor_read(now->context, now->memory, selector, descriptor, &fault)) {
        case DESCRIPTOR_READ: break;
        case DESCRIPTOR_FAULT:
                if (!now->faulted)
                        now->fault = fault;
                now->faulted = true;
                return false;
        default: raise_new(now, HWACCL_VECTOR_TS, selector); return false;
        }
        if (takes(descriptor->segment.access_rights))
                return true;
        raise_new(now, HWACCL_VECTOR_TS, selector);
        return false;
}

static bool takes_ldt(uint32_t rights)
{
        return (rights & TYPE_MASK) == TYPE_LDT;
}

static bool takes_code(uint32_t rights)
{
        return (rights & SEGMENT_S) && (rights & SEGMENT_TYPE_CODE);
}

static bool takes_stack(uint32_t rights)
{
        return (rights & SEGMENT_S) && !(rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_TYPE_WRITABLE);
}

static bool takes_data(uint32_t rights)
{
        return (rights & SEGMENT_S) && (!(rights & SEGMENT_TYPE_CODE) || (rights & SEGMENT_TYPE_READABLE));
}

static void load_ldt(struct switching *now)
{
        uint16_t selector = (uint16_t)little_endian(now->image + now->to->ldt, 2);
        struct descriptor descriptor;

        now->context->ldtr = (struct hwaccl_segment){.selector = selector, .access_rights = HWACCL_SEGMENT_UNUSABLE};
        now->context->changed |= HWACCL_CHANGED_LDTR;
        if (!(selector & 0xfffc))
                return;
        if (selector & 4)
                raise_new(now, HWACCL_VECTOR_TS, selector);
        else if (read_segment(now, selector, takes_ldt, &descriptor)) {
                if (descriptor.segment.access_rights & SEGMENT_P)
                        now->context->ldtr = descriptor.segment;
                else
                        raise_new(now, HWACCL_VECTOR_TS, selector);
        }
}

/* Privilege as each register wants it; the new CPL is the RPL of CS. */
static bool privilege_fits(unsigned number, uint16_t selector, uint32_t rights, unsigned cpl)
{
        unsigned dpl = (rights >> SEGMENT_DPL_SHIFT) & 3;
        unsigned rpl = selector & 3;
        bool conforming = (rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_TYPE_CONFORMING);

        switch (number) {
        case HWACCL_CS: return conforming ? dpl <= rpl : dpl == rpl;
        case HWACCL_SS: return dpl == cpl && rpl == cpl;
        default: return conforming || (dpl >= cpl && dpl >= rpl);
        }
}

static void load_segment(struct switching *now, unsigned number, unsigned cpl)
{
        uint16_t selector = selector_of(now, number);
        bool special = number == HWACCL_CS || number == HWACCL_SS;
        struct descriptor descriptor;

        if (!(selector & 0xfffc)) {
                if (special)
                        raise_new(now, HWACCL_VECTOR_TS, selector);
                return;
        }
        if (!read_segment(now, selector,
                          number == HWACCL_CS   ? takes_code
                          : number == HWACCL_SS ? takes_stack
                                                : takes_data,
                          &descriptor))
                return;
        uint32_t rights = descriptor.segment.access_rights;
        if (!privilege_fits(number, selector, rights, cpl)) {
                raise_new(now, HWACCL_VECTOR_TS, selector);
        } else if (!(rights & SEGMENT_P)) {
                raise_new(now, number == HWACCL_SS ? HWACCL_VECTOR_SS : HWACCL_VECTOR_NP, selector);
        } else {
                struct hwaccl_exception fault;
                if (!descriptor_set_accessed(now->context, now->memory, &descriptor, &fault)) {
                        if (!now->faulted)
                                now->fault = fault;
                        now->faulted = true;
                        return;
                }
                now->context->segment[number] = descriptor.segment;
        }
}

static void load_virtual_8086(struct switching *now)
{
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++) {
                uint16_t selector = selector_of(now, i);
                now->context->segment[i] = (struct hwaccl_segment){selector, (uint64_t)selector << 4, 0xffff, 0xf3};
        }
}

/* Until a segment is loaded it has its selector, and nothing else. */
static void load_segments(struct switching *now)
{
        static const uint8_t order[HWACCL_SEGMENT_REGISTER_COUNT] = {HWACCL_CS, HWACCL_SS, HWACCL_DS,
                                                                     HWACCL_ES, HWACCL_FS, HWACCL_GS};
        unsigned cpl = selector_of(now, HWACCL_CS) & 3;

        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                now->context->segment[i] = (struct hwaccl_segment){
                        .selector = selector_of(now, i),
                        .access_rights = HWACCL_SEGMENT_UNUSABLE | (i == HWACCL_SS ? cpl << SEGMENT_DPL_SHIFT : 0)};
        load_ldt(now);
        if (now->context->rflags & RFLAGS_VM) {
                load_virtual_8086(now);
                return;
        }
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                load_segment(now, order[i], cpl);
}

/* As wide as the new TSS. */
static bool push_error_code(struct switching *now)
{
        struct hwaccl_machine_context *context = now->context;
        bool user = hwaccl_context_cpl(context) == 3;
        uint64_t mask = context->segment[HWACCL_SS].access_rights & SEGMENT_D ? UINT32_MAX : UINT16_MAX;
        uint64_t pointer = (context->gpr[HWACCL_RSP] - now->to->width) & mask;
        unsigned access = HWACCL_ACCESS_WRITE | HWACCL_ACCESS_SET_ACCESSED | (user ? HWACCL_ACCESS_USER : 0);
        uint64_t linear;
        uint8_t bytes[4];

        if (!hwaccl_segment_translate(context, HWACCL_SS, pointer, now->to->width, access, &linear, &now->fault))
                return refuse(&now->fault, HWACCL_VECTOR_SS, 0, external(now->task));
        put(bytes, sizeof(bytes), now->task->event.exception.error_code);
        if (!linear_write(context, now->memory, linear, bytes, now->to->width, access, &now->fault))
                return false;
        context->gpr[HWACCL_RSP] = (context->gpr[HWACCL_RSP] & ~mask) | pointer;
        return true;
}

/* Steps 11 to 13; the processor has committed to the new task. */
static bool enter_new(struct switching *now, const struct hwaccl_task_debug *debug)
{
        struct hwaccl_machine_context *context = now->context;
        const struct hwaccl_task_switch *task = now->task;

        context->tr = now->tss.segment;
        context->tr.access_rights |= TYPE_BUSY;
        context->cr0 |= HWACCL_CR0_TS;
        context->changed |= HWACCL_CHANGED_TR | HWACCL_CHANGED_CR0 | HWACCL_CHANGED_HIDDEN_SELECTORS;
        context->interrupts_inhibited = false;
        if (task->source == HWACCL_TASK_IRET)
                context->nmi_unblocked = true;
        *debug->dr7 &= ~DR7_LOCAL;
        load_registers(now);
        load_segments(now);
        if (now->faulted)
                return false;
        bool has_error_code = task->source == HWACCL_TASK_GATE && task->event.kind == HWACCL_EVENT_EXCEPTION &&
                              task->event.exception.has_error_code;
        if (has_error_code && !push_error_code(now))
                return false;
        if (context->rip > context->segment[HWACCL_CS].limit)
                return refuse(&now->fault, HWACCL_VECTOR_GP, 0, external(task));
        return true;
}

/* ---- and what follows -------------------------------------------------------------------------------------------- */

/* What one switch raised, if anything. */
enum raised { RAISED_NOTHING, RAISED_EVENT, RAISED_SHUTDOWN };

static void observe(struct hwaccl_delivery_observer *observer, const struct switching *now,
                    const struct hwaccl_machine_context *before)
{
        struct hwaccl_fault_link link = {.step = HWACCL_DELIVERY_TASK,
                                         .address = before->gdtr.base + (now->task->selector & 0xfff8u),
                                         .has = HWACCL_FAULT_HAS_ADDRESS};

        if (!observer || now->task->source != HWACCL_TASK_GATE)
                return;
        hwaccl_event_describe_raised(&link, &now->fault);
        hwaccl_event_describe(&link, &now->task->event, before);
        observer->link(observer->opaque, &link);
}

static enum raised switch_once(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                               const struct hwaccl_task_debug *debug, const struct hwaccl_task_switch *task,
                               struct hwaccl_delivery_observer *observer, struct hwaccl_event *event)
{
        struct switching now = {.context = context, .memory = memory, .task = task};
        struct hwaccl_machine_context before = *context;

        if (leave_old(&now) && enter_new(&now, debug)) {
                if (now.to->width != 4 || !(now.image[TSS_TRAP] & 1))
                        return RAISED_NOTHING;
                *debug->dr6 = (*debug->dr6 & ~DR6_MET) | DR6_BT;
                *event = (struct hwaccl_event){.kind = HWACCL_EVENT_EXCEPTION,
                                               .exception = {.vector = HWACCL_VECTOR_DB}};
                return RAISED_EVENT;
        }
        observe(observer, &now, &before);
        if (now.fault.vector == HWACCL_VECTOR_PF)
                context->cr2 = now.fault.fault_address;
        if (task->source == HWACCL_TASK_GATE)
                return hwaccl_event_combine(&task->event, &now.fault, event) ? RAISED_EVENT : RAISED_SHUTDOWN;
        *event = (struct hwaccl_event){.kind = HWACCL_EVENT_EXCEPTION, .exception = now.fault};
        return RAISED_EVENT;
}

bool hwaccl_task_switch(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                        const struct hwaccl_task_debug *debug, const struct hwaccl_task_switch *task,
                        struct hwaccl_delivery_observer *observer, const char **refusal)
{
        struct hwaccl_task_switch current = *task;
        struct hwaccl_event event;

        *refusal = NULL;
        for (unsigned i = 0; i < SWITCHES_MAX; i++) {
                switch (switch_once(context, memory, debug, &current, observer, &event)) {
                case RAISED_NOTHING: return true;
                case RAISED_SHUTDOWN: return false;
                case RAISED_EVENT: break;
                }
                switch (hwaccl_event_follow(context, memory, &event, observer, &current, refusal)) {
                case HWACCL_EVENT_DELIVERED: return true;
                case HWACCL_EVENT_TASK: break;
                default: return false;
                }
        }
        *refusal = "task switches follow each other without an instruction between them";
        return false;
}

bool hwaccl_task_event(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                       const struct hwaccl_task_debug *debug, const struct hwaccl_event *event,
                       struct hwaccl_delivery_observer *observer, const char **refusal)
{
        struct hwaccl_task_switch task;

        switch (hwaccl_event_follow(context, memory, event, observer, &task, refusal)) {
        case HWACCL_EVENT_DELIVERED: return true;
        case HWACCL_EVENT_TASK: return hwaccl_task_switch(context, memory, debug, &task, observer, refusal);
        default: return false;
        }
}
