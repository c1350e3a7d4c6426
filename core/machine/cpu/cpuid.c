/*
 * The virtual CPU's CPUID leaves (SDM 2A, CPUID), with the features of cpu_features.h. The same on every host, so that
 * a recording made here replays there.
 */
#include "core/exit/cpu_features.h"
#include "core/exit/registers.h"
#include "core/machine/cpu/processor.h"

#include <string.h>

enum { EAX, EBX, ECX, EDX };

#define BASIC_MAX    UINT32_C(0x16)
#define BASIC_LIMIT  UINT32_C(2) /* with IA32_MISC_ENABLE's "limit CPUID maxval" */
#define EXTENDED_MAX UINT32_C(0x80000008)

#define BIT(n) HWACCL_CPUID_BIT(n)

/* Leaf 1: family 6, model 15, stepping 11. */
#define SIGNATURE UINT32_C(0x6fb)

#define OSXSAVE BIT(27)
#define NX      BIT(20)

/* With a local APIC. */
#define APIC_EDX             BIT(9) /* while it is enabled */
#define APIC_ECX             (BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */)
#define ALWAYS_RUNNING_TIMER BIT(2)

#define INVARIANT_TSC BIT(8)

static const char vendor[13] = "GenuineIntel";
static const char brand[48] = "hwaccl virtual CPU";

static uint32_t letters(const char *text)
{
        uint32_t value;

        memcpy(&value, text, sizeof(value));
        return value;
}

/* Leaf 4: type, level, and size as sets of 64-byte lines. */
static void cache_leaf(uint32_t subleaf, uint32_t result[4])
{
        static const struct {
                uint32_t type_and_level;
                uint32_t ways;
                uint32_t sets;
        } caches[] = {
                {0x121, 8, 64},   /* data, 32 KiB */
                {0x122, 8, 64},   /* instructions, 32 KiB */
                {0x143, 16, 1024} /* unified, 1 MiB */
        };

        if (subleaf >= sizeof(caches) / sizeof(caches[0]))
                return;
        result[EAX] = caches[subleaf].type_and_level;
        result[EBX] = (caches[subleaf].ways - 1) << 22 | 63;
        result[ECX] = caches[subleaf].sets - 1;
}

/* Leaf Bh: one thread in one core, whose x2APIC ID, 0, has no bits. */
static void topology_leaf(uint32_t subleaf, uint32_t result[4])
{
        static const uint32_t type[] = {1, 2}; /* thread, core */

        result[ECX] = subleaf & 0xff;
        if (subleaf >= sizeof(type) / sizeof(type[0]))
                return;
        result[EBX] = 1;
        result[ECX] |= type[subleaf] << 8;
}

/*
 * Leaf 15h of a processor with a local APIC, whose timer counts the crystal's 1 GHz: TSC = crystal * EBX / EAX, as near
 * as a product of kHz that fits into 32 bits, as Linux computes it, can be (a convergent of the continued fraction).
 */
static void crystal_leaf(uint64_t tsc_khz, uint32_t result[4])
{
        const uint64_t crystal_khz = HWACCL_CRYSTAL_HZ / 1000;
        uint64_t rest = tsc_khz, of = crystal_khz; /* rest / of is still to be expanded */
        uint64_t numerator[2] = {1, 0}, denominator[2] = {0, 1};

        while (of) {
                uint64_t whole = rest / of, next = rest % of;
                uint64_t n = whole * numerator[0] + numerator[1], d = whole * denominator[0] + denominator[1];
                if (n > UINT32_MAX / crystal_khz)
                        break;
                numerator[1] = numerator[0], denominator[1] = denominator[0];
                numerator[0] = n, denominator[0] = d;
                rest = of;
                of = next;
        }
        result[EAX] = (uint32_t)denominator[0];
        result[EBX] = (uint32_t)numerator[0];
        result[ECX] = (uint32_t)HWACCL_CRYSTAL_HZ;
}

static uint32_t basic_max(const struct hwaccl_processor *processor)
{
        return processor->misc_enable & HWACCL_MISC_ENABLE_LIMIT_CPUID ? BASIC_LIMIT : BASIC_MAX;
}

static void basic_leaf(const struct hwaccl_processor *processor, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
        switch (leaf) {
        case 0:
                result[EAX] = basic_max(processor);
                result[EBX] = letters(vendor);
                result[EDX] = letters(vendor + 4);
                result[ECX] = letters(vendor + 8);
                break;
        case 1:
                result[EAX] = SIGNATURE;
                result[EBX] = 8 << 8; /* CLFLUSH line in units of 8 bytes */
                result[ECX] = HWACCL_CPUID_1_ECX | (processor->context->cr4 & HWACCL_CR4_OSXSAVE ? OSXSAVE : 0);
                result[EDX] =
                        HWACCL_CPUID_1_EDX & ~(hwaccl_processor_has_machine_check(processor) ? 0 : HWACCL_CPUID_MCE);
                if (processor->apic) {
                        result[ECX] |= APIC_ECX;
                        result[EDX] |= processor->apic_base & HWACCL_APIC_BASE_ENABLED ? APIC_EDX : 0;
                }
                break;
        case 2: result[EAX] = 0xff01; break; /* no descriptors here: see leaf 4 */
        case 4: cache_leaf(subleaf, result); break;
        case 6: result[EAX] = HWACCL_CPUID_6_EAX | (processor->apic ? ALWAYS_RUNNING_TIMER : 0); break;
        case 7:
                if (subleaf == 0) {
                        result[EBX] = HWACCL_CPUID_7_EBX;
                        result[ECX] = HWACCL_CPUID_7_ECX;
                        result[EDX] = HWACCL_CPUID_7_EDX;
                }
                break;
        case 0xb:
                if (processor->apic)
                        topology_leaf(subleaf, result);
                break;
        case 0x15: /* TSC frequency: crystal (ECX, Hz) times EBX over EAX */
                if (processor->apic) {
                        crystal_leaf(processor->tsc_khz, result);
                        break;
                }
                result[EAX] = 100;
                result[EBX] = (uint32_t)processor->tsc_khz;
                result[ECX] = 100000;
                break;
        case 0x16: /* base, maximum and bus frequency, MHz */
                result[EAX] = (uint32_t)(processor->tsc_khz / 1000) & 0xffff;
                result[EBX] = result[EAX];
                result[ECX] = 100;
                break;
        default: break;
        }
}

static void extended_leaf(const struct hwaccl_processor *processor, uint32_t leaf, uint32_t result[4])
{
        switch (leaf) {
        case 0x80000000: result[EAX] = EXTENDED_MAX; break;
        case 0x80000001:
                result[ECX] = HWACCL_CPUID_80000001_ECX;
                result[EDX] = HWACCL_CPUID_80000001_EDX;
                if (processor->misc_enable & HWACCL_MISC_ENABLE_XD_DISABLE)
                        result[EDX] &= ~NX;
                break;
        case 0x80000002:
        case 0x80000003:
        case 0x80000004:
                for (unsigned i = 0; i < 4; i++)
                        result[i] = letters(brand + (leaf - 0x80000002) * 16 + i * 4);
                break;
        case 0x80000006: result[ECX] = 1024 << 16 | 8 << 12 | 64; break; /* 1 MiB, 16 ways, 64-byte lines */
        case 0x80000007: result[EDX] = INVARIANT_TSC; break;
        case 0x80000008: result[EAX] = 48 << 8 | HWACCL_PHYSICAL_ADDRESS_BITS; break;
        default: break;
        }
}

void hwaccl_processor_cpuid(const struct hwaccl_processor *processor, uint32_t leaf, uint32_t subleaf,
                            uint32_t result[4])
{
        memset(result, 0, 4 * sizeof(result[0]));
        if (leaf >= 0x80000000 && leaf <= EXTENDED_MAX)
                extended_leaf(processor, leaf, result);
        else /* an absent leaf returns the values of the highest basic one */
                basic_leaf(processor, leaf <= basic_max(processor) ? leaf : basic_max(processor), subleaf, result);
}
