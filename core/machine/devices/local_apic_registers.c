/* The local APIC's registers: as words of the xAPIC's page (SDM 3A, table 11-1) and as the x2APIC's MSRs (table 11-6).
 */
#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/local_apic_internal.h"

#include <inttypes.h>

#define MSR_TSC_DEADLINE UINT32_C(0x6e0)
#define MSR_X2APIC       UINT32_C(0x800)

/* The xAPIC's offset / 16; the x2APIC's MSR - 800h. */
enum number {
        ID = 0x02,
        VERSION = 0x03,
        TPR = 0x08,
        APR = 0x09,
        PPR = 0x0a,
        EOI = 0x0b,
        RRD = 0x0c,
        LDR = 0x0d,
        DFR = 0x0e,
        SVR = 0x0f,
        ISR = 0x10,
        TMR = 0x18,
        IRR = 0x20,
        ESR = 0x28,
        ICR = 0x30,
        ICR_HIGH = 0x31,
        LVT = 0x32, /* timer, thermal sensor, performance counters, LINT0, LINT1, error */
        TIMER_INITIAL = 0x38,
        TIMER_CURRENT = 0x39,
        TIMER_DIVIDE = 0x3e,
        SELF_IPI = 0x3f,
        REGISTER_COUNT = 0x40,
};

/* Who may do what. */
#define XR   1u
#define XW   2u
#define X2R  4u
#define X2W  8u
#define READ (XR | X2R)
#define BOTH (XR | XW | X2R | X2W)

#define APIC_VERSION (0x14u | (HWACCL_LVT_COUNT - 1) << 16)
#define X2APIC_LDR   1u

#define LVT_READ_ONLY 0x5000u /* delivery status, remote IRR */
#define ICR_READ_ONLY 0x1000u /* delivery status: messages arrive at once */
#define ICR_MASK      0x000ccfffu
#define ICR_LOGICAL   0x800u
#define ICR_ASSERT    0x4000u
#define ICR_LEVEL     0x8000u

enum shorthand { NO_SHORTHAND, SELF, ALL, ALL_OTHERS };

static const struct {
        uint8_t access;
        uint32_t mask; /* bits that are written; the x2APIC allows no other */
} registers[REGISTER_COUNT] = {
        [ID] = {XR | XW | X2R, 0xff000000},
        [VERSION] = {READ, 0},
        [TPR] = {BOTH, 0xff},
        [APR] = {XR, 0},
        [PPR] = {READ, 0},
        [EOI] = {XR | XW | X2W, 0},
        [RRD] = {XR, 0},
        [LDR] = {XR | XW | X2R, 0xff000000},
        [DFR] = {XR | XW, 0xf0000000},
        [SVR] = {BOTH, 0x3ff},
        [ESR] = {BOTH, 0},
        [ICR] = {BOTH, ICR_MASK},
        [ICR_HIGH] = {XR | XW, 0xff000000},
        [LVT + HWACCL_LVT_TIMER] = {BOTH, 0x700ff},
        [LVT + HWACCL_LVT_THERMAL] = {BOTH, 0x107ff},
        [LVT + HWACCL_LVT_PERFORMANCE] = {BOTH, 0x107ff},
        [LVT + HWACCL_LVT_LINT0] = {BOTH, 0x1a7ff},
        [LVT + HWACCL_LVT_LINT1] = {BOTH, 0x1a7ff},
        [LVT + HWACCL_LVT_ERROR] = {BOTH, 0x100ff},
        [TIMER_INITIAL] = {BOTH, UINT32_MAX},
        [TIMER_CURRENT] = {READ, 0},
        [TIMER_DIVIDE] = {BOTH, 0xb},
        [SELF_IPI] = {X2W, 0xff},
};

static unsigned access_of(unsigned number)
{
        if (number >= ISR && number < IRR + 8)
                return READ;
        return number < REGISTER_COUNT ? registers[number].access : 0;
}

static uint32_t word_of(const uint64_t *words, unsigned index)
{
        return (uint32_t)(words[index / 2] >> (index % 2 * 32));
}

static uint32_t read_register(const struct hwaccl_local_apic *apic, unsigned number)
{
        bool extended = hwaccl_local_apic_is_extended(apic);

        switch (number) {
        case ID: return extended ? 0 : (uint32_t)apic->id << 24;
        case VERSION: return APIC_VERSION;
        case TPR: return hwaccl_local_apic_tpr(apic);
        case APR: return hwaccl_local_apic_apr(apic);
        case PPR: return hwaccl_local_apic_ppr(apic);
        case LDR: return extended ? X2APIC_LDR : (uint32_t)apic->logical << 24;
        case DFR: return (uint32_t)apic->model << 28 | 0x0fffffff;
        case SVR: return apic->svr;
        case ESR: return apic->esr;
        case ICR: return apic->icr;
        case ICR_HIGH: return apic->icr_destination;
        case TIMER_INITIAL: return apic->timer_initial;
        case TIMER_CURRENT: return hwaccl_apic_timer_current(apic);
        case TIMER_DIVIDE: return apic->timer_divide;
        default: break;
        }
        if (number >= ISR && number < ISR + 8)
                return word_of(apic->isr, number - ISR);
        if (number >= TMR && number < TMR + 8)
                return word_of(apic->tmr, number - TMR);
        if (number >= IRR && number < IRR + 8)
                return word_of(apic->irr, number - IRR);
        return number >= LVT && number < LVT + HWACCL_LVT_COUNT ? apic->lvt[number - LVT] : 0;
}

static void write_svr(struct hwaccl_local_apic *apic, uint32_t value)
{
        bool began = value & HWACCL_SVR_ENABLED && !(apic->svr & HWACCL_SVR_ENABLED);

        if (!(value & HWACCL_SVR_ENABLED)) {
                hwaccl_apic_timer_settle(apic);
                for (unsigned i = 0; i < HWACCL_LVT_COUNT; i++)
                        apic->lvt[i] |= HWACCL_LVT_MASKED;
        }
        apic->svr = value;
        if (began)
                hwaccl_io_apic_offer(apic->io_apic);
}

static void write_lvt(struct hwaccl_local_apic *apic, enum hwaccl_local_vector source, uint32_t value)
{
        value |= apic->lvt[source] & HWACCL_LVT_REMOTE_IRR;
        if (!(value & HWACCL_LVT_LEVEL) || value >> HWACCL_LVT_MODE_SHIFT & 7)
                value &= ~HWACCL_LVT_REMOTE_IRR;
        if (!(apic->svr & HWACCL_SVR_ENABLED))
                value |= HWACCL_LVT_MASKED;
        if (source == HWACCL_LVT_TIMER)
                hwaccl_apic_timer_set_lvt(apic, value);
        else
                apic->lvt[source] = value;
        if (source == HWACCL_LVT_LINT0)
                hwaccl_local_apic_offer_lint0(apic);
}

/* Interrupts to oneself: shorthands that include the sender are for fixed interrupts only (SDM 3A, table 11-3). */
static void send(struct hwaccl_local_apic *apic, uint32_t command, uint32_t destination)
{
        enum hwaccl_delivery_mode mode = (enum hwaccl_delivery_mode)(command >> 8 & 7);
        enum shorthand shorthand = (enum shorthand)(command >> 18 & 3);
        uint8_t vector = (uint8_t)command;

        if (mode <= HWACCL_DELIVER_LOWEST_PRIORITY && vector < 16) {
                hwaccl_local_apic_error(apic, HWACCL_ESR_SENT_VECTOR);
                return;
        }
        if (mode == HWACCL_DELIVER_INIT && (command & (ICR_ASSERT | ICR_LEVEL)) == ICR_LEVEL)
                return; /* INIT level de-assert concerns arbitration IDs only */
        bool mine = shorthand == NO_SHORTHAND
                            ? hwaccl_local_apic_is_destination(apic, destination, command & ICR_LOGICAL)
                            : shorthand != ALL_OTHERS && mode == HWACCL_DELIVER_FIXED;
        if (mine)
                (void)hwaccl_local_apic_deliver(apic, mode, vector, false);
}

static void write_register(struct hwaccl_local_apic *apic, unsigned number, uint32_t value)
{
        struct hwaccl_machine_context *context = apic->processor->context;
        uint32_t destination = apic->icr_destination >> 24;

        value &= registers[number].mask;
        switch (number) {
        case ID: apic->id = (uint8_t)(value >> 24); break;
        case TPR:
                context->cr8 = value >> 4;
                context->tpr_sub_class = value & 0xf;
                break;
        case EOI: hwaccl_local_apic_end_of_interrupt(apic); break;
        case LDR: apic->logical = (uint8_t)(value >> 24); break;
        case DFR: apic->model = (uint8_t)(value >> 28); break;
        case SVR: write_svr(apic, value); break;
        case ESR:
                apic->esr = apic->errors;
                apic->errors = 0;
                break;
        case ICR:
                apic->icr = value;
                if (hwaccl_local_apic_is_extended(apic))
                        destination = apic->icr_destination;
                else if (destination == 0xff)
                        destination = UINT32_MAX;
                send(apic, value, destination);
                break;
        case ICR_HIGH: apic->icr_destination = value; break;
        case TIMER_INITIAL: hwaccl_apic_timer_set_initial(apic, value); break;
        case TIMER_DIVIDE: hwaccl_apic_timer_set_divide(apic, value); break;
        case SELF_IPI: send(apic, value | SELF << 18, 0); break;
        default: write_lvt(apic, (enum hwaccl_local_vector)(number - LVT), value); break;
        }
}

/* A register of the page, or REGISTER_COUNT after the error that a reserved one is. */
static unsigned find_register(struct hwaccl_local_apic *apic, uint64_t address)
{
        unsigned number = (unsigned)(address >> 4 & 0xff);

        if (access_of(number) & XR)
                return number;
        hwaccl_local_apic_error(apic, HWACCL_ESR_ILLEGAL_REGISTER);
        return REGISTER_COUNT;
}

/* A register has the first four of its sixteen bytes; only whole ones are written. */
uint64_t hwaccl_local_apic_read(struct hwaccl_device *device, uint64_t address, unsigned size)
{
        struct hwaccl_local_apic *apic = (struct hwaccl_local_apic *)device;
        unsigned number = find_register(apic, address), byte = (unsigned)(address & 0xf);

        (void)size;
        return number == REGISTER_COUNT || byte >= 4 ? 0 : read_register(apic, number) >> (byte * 8);
}

void hwaccl_local_apic_write(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value)
{
        struct hwaccl_local_apic *apic = (struct hwaccl_local_apic *)device;
        unsigned number = find_register(apic, address);

        if (number != REGISTER_COUNT && access_of(number) & XW && size == 4 && address % 16 == 0)
                write_register(apic, number, (uint32_t)value);
}

static struct hwaccl_local_apic *of_msrs(struct hwaccl_processor_apic *msrs)
{
        return (struct hwaccl_local_apic *)((uintptr_t)msrs - offsetof(struct hwaccl_local_apic, msrs));
}

static bool is_allowed(const struct hwaccl_local_apic *apic, uint32_t index, unsigned access)
{
        return hwaccl_local_apic_is_extended(apic) && access_of(index - MSR_X2APIC) & access;
}

bool hwaccl_local_apic_rdmsr(struct hwaccl_processor_apic *msrs, uint32_t index, uint64_t *value)
{
        struct hwaccl_local_apic *apic = of_msrs(msrs);

        if (index == MSR_TSC_DEADLINE) {
                *value = hwaccl_apic_timer_tsc_deadline(apic);
                return true;
        }
        if (!is_allowed(apic, index, X2R))
                return false;
        *value = read_register(apic, index - MSR_X2APIC);
        if (index == MSR_X2APIC + ICR)
                *value |= (uint64_t)apic->icr_destination << 32;
        return true;
}

bool hwaccl_local_apic_wrmsr(struct hwaccl_processor_apic *msrs, uint32_t index, uint64_t value)
{
        struct hwaccl_local_apic *apic = of_msrs(msrs);
        unsigned number = index - MSR_X2APIC;

        if (index == HWACCL_MSR_APIC_BASE)
                return hwaccl_local_apic_set_base(apic, value);
        if (index == MSR_TSC_DEADLINE) {
                hwaccl_apic_timer_set_tsc_deadline(apic, value);
                return true;
        }
        if (!is_allowed(apic, index, X2W))
                return false;
        uint64_t allowed = registers[number].mask;
        if (number == ICR)
                allowed |= ICR_READ_ONLY | ~(uint64_t)UINT32_MAX;
        else if (number >= LVT && number < LVT + HWACCL_LVT_COUNT)
                allowed |= LVT_READ_ONLY;
        if (value & ~allowed)
                return false;
        if (number == ICR)
                apic->icr_destination = (uint32_t)(value >> 32);
        write_register(apic, number, (uint32_t)value);
        return true;
}

bool hwaccl_local_apic_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_local_apic *apic = (const struct hwaccl_local_apic *)device;
        bool enabled = apic->svr & HWACCL_SVR_ENABLED;

        for (unsigned i = 0; i < HWACCL_LVT_COUNT; i++) {
                uint32_t lvt = apic->lvt[i];
                bool level = lvt & HWACCL_LVT_LEVEL && !(lvt >> HWACCL_LVT_MODE_SHIFT & 7);
                if (lvt & ~(registers[LVT + i].mask | (level ? HWACCL_LVT_REMOTE_IRR : 0)) ||
                    (!enabled && !(lvt & HWACCL_LVT_MASKED)))
                        return hwaccl_error_set(error, "entry %u of the local vector table is 0x%" PRIx32, i, lvt);
        }
        if (apic->svr & ~registers[SVR].mask || apic->icr & ~ICR_MASK || apic->timer_divide & ~0xbu ||
            apic->model > 15 || apic->sub_class > 15 || apic->lint0 > 1 || apic->timer_running > 1 ||
            apic->controller.source.nmi > 1)
                return hwaccl_error_set(error, "a register has reserved bits set");
        if (apic->irr[0] & 0xffff || apic->isr[0] & 0xffff || apic->tmr[0] & 0xffff)
                return hwaccl_error_set(error, "an interrupt with a vector below 16");
        if ((apic->timer_running && !apic->timer_initial) || apic->timer_settled > INT64_MAX / 2 ||
            apic->timer_settled - apic->timer_start > INT64_MAX)
                return hwaccl_error_set(error, "the timer's count or times are out of range");
        return true;
}
