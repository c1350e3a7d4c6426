/*
 * The local APIC (SDM 3A, chapter 11): acceptance, priorities, delivery. Its registers are in local_apic_registers.c,
 * its timer in local_apic_timer.c. There is one processor, so a message is for it or for nobody.
 */
#include "core/machine/devices/local_apic.h"

#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/local_apic_internal.h"
#include "core/machine/devices/pic.h"

#include <inttypes.h>

#define PAGE_SIZE UINT64_C(0x1000)

#define LINT0_LEVEL_INTR 0x8700u /* ExtINT */
#define LINT1_LEVEL_NMI  0x8400u

#define ISA_LINES    16u
#define LINE_CASCADE 2u
#define LINE_PIT     0u
#define PIN_PIT      2u /* as in every PC since the first with an I/O APIC */
#define MODEL_FLAT   15u
#define X2APIC_LDR   1u /* cluster 0, processor 0 */
#define VECTOR_FIRST 16u
#define CLASS_SHIFT  4

static struct hwaccl_local_apic *of_controller(const struct hwaccl_interrupt_controller *controller)
{
        return (struct hwaccl_local_apic *)((uintptr_t)controller - offsetof(struct hwaccl_local_apic, controller));
}

static struct hwaccl_local_apic *of_source(struct hwaccl_interrupt_source *source)
{
        return (struct hwaccl_local_apic *)((uintptr_t)source - offsetof(struct hwaccl_local_apic, controller.source));
}

static bool is_enabled(const struct hwaccl_local_apic *apic)
{
        return apic->processor->apic_base & HWACCL_APIC_BASE_ENABLED;
}

bool hwaccl_local_apic_is_extended(const struct hwaccl_local_apic *apic)
{
        return apic->processor->apic_base & HWACCL_APIC_BASE_EXTENDED;
}

static void set_bit(uint64_t *words, unsigned vector, bool value)
{
        uint64_t bit = UINT64_C(1) << (vector % 64);

        words[vector / 64] = value ? words[vector / 64] | bit : words[vector / 64] & ~bit;
}

static bool test_bit(const uint64_t *words, unsigned vector)
{
        return words[vector / 64] >> (vector % 64) & 1;
}

/* The highest vector that is set, or -1. */
static int highest(const uint64_t *words)
{
        for (int i = 3; i >= 0; i--)
                if (words[i])
                        return i * 64 + 63 - __builtin_clzll(words[i]);
        return -1;
}

uint8_t hwaccl_local_apic_tpr(const struct hwaccl_local_apic *apic)
{
        const struct hwaccl_machine_context *context = apic->processor->context;

        return (uint8_t)(context->cr8 << CLASS_SHIFT | context->tpr_sub_class);
}

uint8_t hwaccl_local_apic_ppr(const struct hwaccl_local_apic *apic)
{
        unsigned tpr = hwaccl_local_apic_tpr(apic);
        int serviced = highest(apic->isr);
        unsigned service = serviced < 0 ? 0 : (unsigned)serviced;

        return (uint8_t)(tpr >> CLASS_SHIFT >= service >> CLASS_SHIFT ? tpr : service & 0xf0);
}

uint8_t hwaccl_local_apic_apr(const struct hwaccl_local_apic *apic)
{
        unsigned tpr = hwaccl_local_apic_tpr(apic);
        int requested = highest(apic->irr), serviced = highest(apic->isr);
        unsigned request = requested < 0 ? 0 : (unsigned)requested & 0xf0;
        unsigned service = serviced < 0 ? 0 : (unsigned)serviced & 0xf0;

        if ((tpr & 0xf0) >= request && (tpr & 0xf0) > service)
                return (uint8_t)tpr;
        unsigned most = request > service ? request : service;
        return (uint8_t)(most > (tpr & 0xf0) ? most : tpr & 0xf0);
}

static bool above_priority(const struct hwaccl_local_apic *apic, unsigned vector)
{
        return vector >> CLASS_SHIFT > (unsigned)hwaccl_local_apic_ppr(apic) >> CLASS_SHIFT;
}

/* The request that may interrupt now, or -1. */
static int deliverable(const struct hwaccl_local_apic *apic)
{
        int vector = highest(apic->irr);

        return vector >= 0 && above_priority(apic, (unsigned)vector) ? vector : -1;
}

static enum hwaccl_delivery_mode lvt_mode(const struct hwaccl_local_apic *apic, enum hwaccl_local_vector source)
{
        return (enum hwaccl_delivery_mode)(apic->lvt[source] >> HWACCL_LVT_MODE_SHIFT & 7);
}

static bool lvt_open(const struct hwaccl_local_apic *apic, enum hwaccl_local_vector source)
{
        return !(apic->lvt[source] & HWACCL_LVT_MASKED);
}

/* Whether INTR of the 8259s reaches the processor as it would without a local APIC. */
static bool passes_intr(const struct hwaccl_local_apic *apic)
{
        return !is_enabled(apic) ||
               (lvt_open(apic, HWACCL_LVT_LINT0) && lvt_mode(apic, HWACCL_LVT_LINT0) == HWACCL_DELIVER_EXTINT);
}

static bool apic_pending(struct hwaccl_interrupt_source *source)
{
        struct hwaccl_local_apic *apic = of_source(source);

        return deliverable(apic) >= 0 ||
               (passes_intr(apic) && apic->pic->controller.source.pending(&apic->pic->controller.source));
}

/* With nothing to deliver any more: the spurious vector, without an in-service bit. */
static uint8_t apic_acknowledge(struct hwaccl_interrupt_source *source)
{
        struct hwaccl_local_apic *apic = of_source(source);
        struct hwaccl_interrupt_source *intr = &apic->pic->controller.source;
        int vector = deliverable(apic);

        if (vector < 0)
                return passes_intr(apic) && intr->pending(intr) ? intr->acknowledge(intr) : (uint8_t)apic->svr;
        set_bit(apic->irr, (unsigned)vector, false);
        set_bit(apic->isr, (unsigned)vector, true);
        return (uint8_t)vector;
}

void hwaccl_local_apic_error(struct hwaccl_local_apic *apic, uint8_t error)
{
        if (apic->errors & error)
                return;
        apic->errors |= error;
        hwaccl_local_apic_signal(apic, HWACCL_LVT_ERROR);
}

bool hwaccl_local_apic_accept(struct hwaccl_local_apic *apic, uint8_t vector, bool level)
{
        if (!(apic->svr & HWACCL_SVR_ENABLED))
                return false;
        if (vector < VECTOR_FIRST) {
                hwaccl_local_apic_error(apic, HWACCL_ESR_RECEIVED_VECTOR);
                return false;
        }
        set_bit(apic->irr, vector, true);
        set_bit(apic->tmr, vector, level);
        return true;
}

bool hwaccl_local_apic_deliver(struct hwaccl_local_apic *apic, enum hwaccl_delivery_mode mode, uint8_t vector,
                               bool level)
{
        switch (mode) {
        case HWACCL_DELIVER_FIXED:
        case HWACCL_DELIVER_LOWEST_PRIORITY: return hwaccl_local_apic_accept(apic, vector, level);
        case HWACCL_DELIVER_NMI: apic->controller.source.nmi = 1; break;
        case HWACCL_DELIVER_INIT: apic->init = true; break;
        default: break; /* no SMM; a processor that runs ignores SIPI; ExtINT is LINT0's */
        }
        return false;
}

bool hwaccl_local_apic_would_take(const struct hwaccl_local_apic *apic, enum hwaccl_delivery_mode mode, uint8_t vector,
                                  bool enabled)
{
        switch (mode) {
        case HWACCL_DELIVER_FIXED:
        case HWACCL_DELIVER_LOWEST_PRIORITY:
                return enabled && apic->svr & HWACCL_SVR_ENABLED && vector >= VECTOR_FIRST &&
                       above_priority(apic, vector);
        case HWACCL_DELIVER_NMI:
        case HWACCL_DELIVER_INIT: return true;
        default: return false;
        }
}

bool hwaccl_local_apic_is_destination(const struct hwaccl_local_apic *apic, uint32_t destination, bool logical)
{
        bool extended = hwaccl_local_apic_is_extended(apic);

        if (!is_enabled(apic))
                return false;
        if (destination == UINT32_MAX)
                return true;
        if (!logical)
                return destination == (extended ? 0 : apic->id);
        if (extended)
                return destination >> 16 == 0 && destination & X2APIC_LDR;
        if (apic->model == MODEL_FLAT)
                return destination & apic->logical;
        return destination >> 4 == (apic->logical & 0xf0u) >> 4 && destination & apic->logical & 0xf;
}

void hwaccl_local_apic_signal(struct hwaccl_local_apic *apic, enum hwaccl_local_vector source)
{
        uint32_t lvt = apic->lvt[source];
        bool level = lvt & HWACCL_LVT_LEVEL && lvt_mode(apic, source) == HWACCL_DELIVER_FIXED;

        if (lvt & (HWACCL_LVT_MASKED | HWACCL_LVT_REMOTE_IRR))
                return;
        if (hwaccl_local_apic_deliver(apic, lvt_mode(apic, source), (uint8_t)lvt, level) && level)
                apic->lvt[source] |= HWACCL_LVT_REMOTE_IRR;
}

/* A level-triggered LINT0 asks again as long as it is high; edges were seen when they came. */
void hwaccl_local_apic_offer_lint0(struct hwaccl_local_apic *apic)
{
        if (apic->lint0 && apic->lvt[HWACCL_LVT_LINT0] & HWACCL_LVT_LEVEL &&
            lvt_mode(apic, HWACCL_LVT_LINT0) == HWACCL_DELIVER_FIXED)
                hwaccl_local_apic_signal(apic, HWACCL_LVT_LINT0);
}

static void lint0_changed(void *opaque, bool level)
{
        struct hwaccl_local_apic *apic = opaque;
        bool rises = level && !apic->lint0;

        apic->lint0 = level;
        if (rises && is_enabled(apic))
                hwaccl_local_apic_signal(apic, HWACCL_LVT_LINT0);
}

void hwaccl_local_apic_end_of_interrupt(struct hwaccl_local_apic *apic)
{
        int vector = highest(apic->isr);
        uint32_t *lint0 = &apic->lvt[HWACCL_LVT_LINT0];

        if (vector < 0)
                return;
        set_bit(apic->isr, (unsigned)vector, false);
        if (!test_bit(apic->tmr, (unsigned)vector))
                return;
        if (*lint0 & HWACCL_LVT_REMOTE_IRR && (*lint0 & HWACCL_LVT_VECTOR) == (unsigned)vector) {
                *lint0 &= ~HWACCL_LVT_REMOTE_IRR;
                hwaccl_local_apic_offer_lint0(apic);
        }
        hwaccl_io_apic_end_of_interrupt(apic->io_apic, (uint8_t)vector);
}

static bool apic_set_line(struct hwaccl_interrupt_controller *controller, unsigned line, bool level)
{
        struct hwaccl_local_apic *apic = of_controller(controller);
        bool changed = false;

        if (line < ISA_LINES && line != LINE_CASCADE)
                changed = apic->pic->controller.set_line(&apic->pic->controller, line, level);
        return hwaccl_io_apic_set_pin(apic->io_apic, line == LINE_PIT ? PIN_PIT : line, level) || changed;
}

/* Whether a request that the 8259s pass on would reach the processor. */
static bool lint0_would_interrupt(const struct hwaccl_local_apic *apic, bool enabled)
{
        if (passes_intr(apic))
                return enabled;
        return lvt_open(apic, HWACCL_LVT_LINT0) &&
               hwaccl_local_apic_would_take(apic, lvt_mode(apic, HWACCL_LVT_LINT0),
                                            (uint8_t)apic->lvt[HWACCL_LVT_LINT0], enabled);
}

static bool apic_would_interrupt(const struct hwaccl_interrupt_controller *controller, unsigned line, bool enabled)
{
        const struct hwaccl_local_apic *apic = of_controller(controller);
        const struct hwaccl_interrupt_controller *pic = &apic->pic->controller;

        if (line == HWACCL_LINE_APIC_TIMER)
                return lvt_open(apic, HWACCL_LVT_TIMER) &&
                       hwaccl_local_apic_would_take(apic, HWACCL_DELIVER_FIXED, (uint8_t)apic->lvt[HWACCL_LVT_TIMER],
                                                    enabled);
        if (line < ISA_LINES && line != LINE_CASCADE && lint0_would_interrupt(apic, enabled) &&
            pic->would_interrupt(pic, line, true))
                return true;
        return hwaccl_io_apic_would_interrupt(apic->io_apic, line == LINE_PIT ? PIN_PIT : line, enabled);
}

static void reset(struct hwaccl_local_apic *apic)
{
        for (unsigned i = 0; i < 4; i++)
                apic->irr[i] = apic->isr[i] = apic->tmr[i] = 0;
        for (unsigned i = 0; i < HWACCL_LVT_COUNT; i++)
                apic->lvt[i] = HWACCL_LVT_MASKED;
        apic->timer_start = apic->timer_settled = apic->tsc_deadline = 0;
        apic->timer_initial = apic->timer_divide = apic->timer_running = 0;
        apic->icr = apic->icr_destination = 0;
        apic->svr = 0xff;
        apic->model = MODEL_FLAT;
        apic->logical = apic->esr = apic->errors = 0;
        hwaccl_board_deadline_changed(apic->device.board);
}

static void reset_priority(struct hwaccl_local_apic *apic)
{
        apic->processor->context->cr8 = 0;
        apic->processor->context->tpr_sub_class = 0;
}

void hwaccl_local_apic_take_init(struct hwaccl_local_apic *apic)
{
        apic->init = false;
        reset(apic);
        reset_priority(apic);
}

void hwaccl_local_apic_enter_virtual_wire(struct hwaccl_local_apic *apic)
{
        apic->svr |= HWACCL_SVR_ENABLED;
        apic->lvt[HWACCL_LVT_LINT0] = LINT0_LEVEL_INTR;
        apic->lvt[HWACCL_LVT_LINT1] = LINT1_LEVEL_NMI;
}

/* The page is where IA32_APIC_BASE says. */
static void remap(struct hwaccl_local_apic *apic)
{
        uint64_t base = apic->processor->apic_base;
        bool mapped = is_enabled(apic) && !hwaccl_local_apic_is_extended(apic);

        hwaccl_bus_move_mmio(&apic->device.board->bus, &apic->device, base & ~(PAGE_SIZE - 1), mapped ? PAGE_SIZE : 0);
        hwaccl_board_deadline_changed(apic->device.board);
}

static void base_restored(struct hwaccl_processor_apic *msrs)
{
        remap((struct hwaccl_local_apic *)((uintptr_t)msrs - offsetof(struct hwaccl_local_apic, msrs)));
}

/* Modes change as SDM 3A, figure 11-27 has it: not from the x2APIC to the xAPIC, nor from none to the x2APIC. */
bool hwaccl_local_apic_set_base(struct hwaccl_local_apic *apic, uint64_t value)
{
        const uint64_t mode = HWACCL_APIC_BASE_ENABLED | HWACCL_APIC_BASE_EXTENDED;
        uint64_t old = apic->processor->apic_base & mode;

        if ((old == mode && (value & mode) == HWACCL_APIC_BASE_ENABLED) || (!old && (value & mode) == mode))
                return false;
        apic->processor->apic_base = value;
        if ((value & mode) == mode && old != mode)
                apic->icr_destination = 0; /* it has another form */
        if (old && !(value & mode)) {
                reset(apic);
                reset_priority(apic);
                apic->id = 0;
        }
        remap(apic);
        return true;
}

static void apic_advance(struct hwaccl_device *device)
{
        hwaccl_apic_timer_settle((struct hwaccl_local_apic *)device);
}

static uint64_t apic_deadline(const struct hwaccl_device *device)
{
        return hwaccl_apic_timer_deadline((const struct hwaccl_local_apic *)device);
}

static void apic_saving(struct hwaccl_device *device)
{
        struct hwaccl_local_apic *apic = (struct hwaccl_local_apic *)device;

        apic->sub_class = apic->processor->context->tpr_sub_class;
}

static void apic_restored(struct hwaccl_device *device)
{
        struct hwaccl_local_apic *apic = (struct hwaccl_local_apic *)device;

        apic->processor->context->tpr_sub_class = apic->sub_class;
        hwaccl_board_deadline_changed(device->board);
}

#define FIELD(member) HWACCL_DEVICE_FIELD(struct hwaccl_local_apic, member)

static const struct hwaccl_device_field apic_fields[] = {
        {"nmi", offsetof(struct hwaccl_local_apic, controller.source.nmi), sizeof(uint8_t)},
        FIELD(irr),
        FIELD(isr),
        FIELD(tmr),
        FIELD(timer_start),
        FIELD(timer_settled),
        FIELD(tsc_deadline),
        FIELD(timer_initial),
        FIELD(timer_divide),
        FIELD(timer_running),
        FIELD(lvt),
        FIELD(icr),
        FIELD(icr_destination),
        FIELD(svr),
        FIELD(id),
        FIELD(logical),
        FIELD(model),
        FIELD(esr),
        FIELD(errors),
        FIELD(lint0),
        FIELD(sub_class),
};

static const struct hwaccl_device_ops apic_ops = {
        .name = "local_apic",
        .size = sizeof(struct hwaccl_local_apic),
        .fields = apic_fields,
        .field_count = sizeof(apic_fields) / sizeof(apic_fields[0]),
        .mmio_read = hwaccl_local_apic_read,
        .mmio_write = hwaccl_local_apic_write,
        .advance = apic_advance,
        .deadline = apic_deadline,
        .saving = apic_saving,
        .valid = hwaccl_local_apic_valid,
        .restored = apic_restored,
};

void hwaccl_local_apic_init(struct hwaccl_local_apic *apic, struct hwaccl_processor *processor, struct hwaccl_pic *pic,
                            struct hwaccl_io_apic *io_apic, struct hwaccl_board *board)
{
        apic->processor = processor;
        apic->pic = pic;
        apic->io_apic = io_apic;
        apic->controller = (struct hwaccl_interrupt_controller){
                .line_count = HWACCL_LINE_COUNT,
                .source = {.pending = apic_pending, .acknowledge = apic_acknowledge},
                .set_line = apic_set_line,
                .would_interrupt = apic_would_interrupt,
        };
        board->controller = &apic->controller;
        hwaccl_board_add_timed_device(board, &apic->device, &apic_ops, HWACCL_LINE_APIC_TIMER);
        hwaccl_bus_claim_mmio(&board->bus, &apic->device, HWACCL_APIC_BASE, PAGE_SIZE);
        reset(apic);
        apic->msrs = (struct hwaccl_processor_apic){hwaccl_local_apic_rdmsr, hwaccl_local_apic_wrmsr, base_restored};
        processor->apic = &apic->msrs;
        processor->apic_base = HWACCL_APIC_BASE | HWACCL_APIC_BASE_ENABLED | HWACCL_APIC_BASE_BSP;
        hwaccl_pic_connect(pic, lint0_changed, apic);
}
