#include "hwaccl/exit_reason.h"

#include "core/exit/svm_reasons.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define REASON_TABLE_SIZE 70

static const struct {
        const char *name;
        const char *identifier;
        enum hwaccl_verdict verdict;
} reasons[REASON_TABLE_SIZE] = {
#define X(number, identifier, name, verdict) [number] = {name, #identifier, HWACCL_VERDICT_##verdict},
        HWACCL_EXIT_REASONS(X)
#undef X
};

#define KVM_TABLE_SIZE 64

static const struct {
        const char *name;
        const char *identifier;
} kvm_exits[KVM_TABLE_SIZE] = {
#define X(number, identifier, name) [number] = {name, #identifier},
        HWACCL_KVM_EXITS(X)
#undef X
};

const char *hwaccl_exit_reason_name(uint64_t basic_reason)
{
        if (basic_reason - HWACCL_EXIT_KVM_FIRST < KVM_TABLE_SIZE)
                return kvm_exits[basic_reason - HWACCL_EXIT_KVM_FIRST].name;
        return basic_reason < REASON_TABLE_SIZE ? reasons[basic_reason].name : svm_reason_name(basic_reason);
}

enum hwaccl_verdict hwaccl_exit_reason_verdict(uint64_t basic_reason)
{
        if (basic_reason >= REASON_TABLE_SIZE || !reasons[basic_reason].name)
                return HWACCL_VERDICT_UNKNOWN;
        return reasons[basic_reason].verdict;
}

/*
 * Exits of which every one is the execution of an instruction (SDM 3C, 28.2.5). Of some others the length is defined
 * when they come by a software interrupt or exception (exceptions, task switches, and EPT violations and APIC accesses
 * during the delivery of one), which the reason alone does not say.
 */
static const bool has_length[REASON_TABLE_SIZE] = {
        [HWACCL_EXIT_CPUID] = true,
        [HWACCL_EXIT_GETSEC] = true,
        [HWACCL_EXIT_HLT] = true,
        [HWACCL_EXIT_INVD] = true,
        [HWACCL_EXIT_INVLPG] = true,
        [HWACCL_EXIT_RDPMC] = true,
        [HWACCL_EXIT_RDTSC] = true,
        [HWACCL_EXIT_RSM] = true,
        [HWACCL_EXIT_VMCALL] = true,
        [HWACCL_EXIT_VMCLEAR] = true,
        [HWACCL_EXIT_VMLAUNCH] = true,
        [HWACCL_EXIT_VMPTRLD] = true,
        [HWACCL_EXIT_VMPTRST] = true,
        [HWACCL_EXIT_VMREAD] = true,
        [HWACCL_EXIT_VMRESUME] = true,
        [HWACCL_EXIT_VMWRITE] = true,
        [HWACCL_EXIT_VMXOFF] = true,
        [HWACCL_EXIT_VMXON] = true,
        [HWACCL_EXIT_CONTROL_REGISTER] = true,
        [HWACCL_EXIT_MOV_DR] = true,
        [HWACCL_EXIT_IO_INSTRUCTION] = true,
        [HWACCL_EXIT_RDMSR] = true,
        [HWACCL_EXIT_WRMSR] = true,
        [HWACCL_EXIT_MWAIT] = true,
        [HWACCL_EXIT_MONITOR] = true,
        [HWACCL_EXIT_PAUSE] = true,
        [HWACCL_EXIT_GDTR_IDTR_ACCESS] = true,
        [HWACCL_EXIT_LDTR_TR_ACCESS] = true,
        [HWACCL_EXIT_INVEPT] = true,
        [HWACCL_EXIT_RDTSCP] = true,
        [HWACCL_EXIT_INVVPID] = true,
        [HWACCL_EXIT_WBINVD] = true,
        [HWACCL_EXIT_XSETBV] = true,
        [HWACCL_EXIT_RDRAND] = true,
        [HWACCL_EXIT_INVPCID] = true,
        [HWACCL_EXIT_ENCLS] = true,
        [HWACCL_EXIT_RDSEED] = true,
        [HWACCL_EXIT_XSAVES] = true,
        [HWACCL_EXIT_XRSTORS] = true,
        [HWACCL_EXIT_UMWAIT] = true,
        [HWACCL_EXIT_TPAUSE] = true,
        [HWACCL_EXIT_LOADIWKEY] = true,
};

bool hwaccl_exit_reason_has_length(uint64_t basic_reason)
{
        return basic_reason < REASON_TABLE_SIZE && has_length[basic_reason];
}

/* "io-instruction" is IO_INSTRUCTION */
static bool same_identifier(const char *text, const char *identifier)
{
        for (; *text && *identifier; text++, identifier++) {
                char letter = *text == '-' ? '_' : *text;
                if (toupper((unsigned char)letter) != *identifier)
                        return false;
        }
        return !*text && !*identifier;
}

bool hwaccl_exit_reason_parse(const char *text, uint32_t *basic_reason)
{
        if (isdigit((unsigned char)*text)) {
                char *end;
                errno = 0;
                unsigned long number = strtoul(text, &end, 0);
                if (errno || *end || number > HWACCL_EXIT_REASON_BASIC_MASK)
                        return false;
                *basic_reason = (uint32_t)number;
                return true;
        }
        for (uint32_t i = 0; i < REASON_TABLE_SIZE; i++) {
                if (reasons[i].name &&
                    (strcasecmp(text, reasons[i].name) == 0 || same_identifier(text, reasons[i].identifier))) {
                        *basic_reason = i;
                        return true;
                }
        }
        for (uint32_t i = 0; i < KVM_TABLE_SIZE; i++) {
                if (kvm_exits[i].name &&
                    (strcasecmp(text, kvm_exits[i].name) == 0 || same_identifier(text, kvm_exits[i].identifier))) {
                        *basic_reason = HWACCL_EXIT_KVM_FIRST + i;
                        return true;
                }
        }
        return svm_reason_parse(text, basic_reason);
}
