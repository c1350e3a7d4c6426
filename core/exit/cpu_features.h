/*
 * What the virtual processor has (SDM 2A, CPUID), and the register bits that come with each feature. CPUID's leaves and
 * the checks of CR4, IA32_EFER and IA32_MISC_ENABLE take it from here: a bit whose feature is missing is reserved.
 */
#ifndef HWACCL_CPU_FEATURES_H
#define HWACCL_CPU_FEATURES_H

#include <stdint.h>

#define HWACCL_CPUID_BIT(n) (UINT32_C(1) << (n))

/* Machine checks, which never happen: firmware sets CR4.MCE unasked (EDK2). Not in recordings without a machine's name.
 */
#define HWACCL_CPUID_MCE HWACCL_CPUID_BIT(7)

/* A 64-bit processor with SSE3 and nothing later, without virtual-8086 extensions and XSAVE.
 * HWACCL_CPUID_LEAF_REGISTER. */
#define HWACCL_CPUID_1_EDX                                                                                             \
        (HWACCL_CPUID_BIT(0) /* FPU */ | HWACCL_CPUID_BIT(2) /* DE */ | HWACCL_CPUID_BIT(3) /* PSE */ |                \
         HWACCL_CPUID_BIT(4) /* TSC */ | HWACCL_CPUID_BIT(5) /* MSR */ | HWACCL_CPUID_BIT(6) /* PAE */ |               \
         HWACCL_CPUID_MCE | HWACCL_CPUID_BIT(8) /* CMPXCHG8B */ | HWACCL_CPUID_BIT(11) /* SEP */ |                     \
         HWACCL_CPUID_BIT(12) /* MTRR */ | HWACCL_CPUID_BIT(13) /* PGE */ | HWACCL_CPUID_BIT(15) /* CMOV */ |          \
         HWACCL_CPUID_BIT(16) /* PAT */ | HWACCL_CPUID_BIT(17) /* PSE-36 */ | HWACCL_CPUID_BIT(19) /* CLFLUSH */ |     \
         HWACCL_CPUID_BIT(23) /* MMX */ | HWACCL_CPUID_BIT(24) /* FXSR */ | HWACCL_CPUID_BIT(25) /* SSE */ |           \
         HWACCL_CPUID_BIT(26) /* SSE2 */)
#define HWACCL_CPUID_1_ECX (HWACCL_CPUID_BIT(0) /* SSE3 */ | HWACCL_CPUID_BIT(13) /* CMPXCHG16B */)
#define HWACCL_CPUID_6_EAX UINT32_C(0)
#define HWACCL_CPUID_7_EBX UINT32_C(0)
#define HWACCL_CPUID_7_ECX UINT32_C(0)
#define HWACCL_CPUID_7_EDX UINT32_C(0)
#define HWACCL_CPUID_80000001_EDX                                                                                      \
        (HWACCL_CPUID_BIT(11) /* SYSCALL */ | HWACCL_CPUID_BIT(20) /* NX */ | HWACCL_CPUID_BIT(27) /* RDTSCP */ |      \
         HWACCL_CPUID_BIT(29) /* 64-bit mode */)
#define HWACCL_CPUID_80000001_ECX HWACCL_CPUID_BIT(0) /* LAHF and SAHF in 64-bit mode */
#define HWACCL_CPUID_ALWAYS       HWACCL_CPUID_BIT(0) /* no feature is needed */

/*
 * X(register, bit, leaf and register of CPUID, bit there). SDM 3A, 2.5 (CR4), SDM 4, table 2-2 (IA32_EFER) and 2-3
 * (IA32_MISC_ENABLE of family 6, model 15). XCR0 and XSETBV come with CR4.OSXSAVE.
 */
#define HWACCL_FEATURE_BITS(X)                                                                                         \
        X(CR4, 0, 1_EDX, 1)                  /* VME */                                                                 \
        X(CR4, 1, 1_EDX, 1)                  /* PVI */                                                                 \
        X(CR4, 2, 1_EDX, 4)                  /* TSD */                                                                 \
        X(CR4, 3, 1_EDX, 2)                  /* DE */                                                                  \
        X(CR4, 4, 1_EDX, 3)                  /* PSE */                                                                 \
        X(CR4, 5, 1_EDX, 6)                  /* PAE */                                                                 \
        X(CR4, 6, 1_EDX, 7)                  /* MCE */                                                                 \
        X(CR4, 7, 1_EDX, 13)                 /* PGE */                                                                 \
        X(CR4, 8, ALWAYS, 0)                 /* PCE */                                                                 \
        X(CR4, 9, 1_EDX, 24)                 /* OSFXSR */                                                              \
        X(CR4, 10, 1_EDX, 25)                /* OSXMMEXCPT */                                                          \
        X(CR4, 11, 7_ECX, 2)                 /* UMIP */                                                                \
        X(CR4, 12, 7_ECX, 16)                /* LA57 */                                                                \
        X(CR4, 13, 1_ECX, 5)                 /* VMXE */                                                                \
        X(CR4, 14, 1_ECX, 6)                 /* SMXE */                                                                \
        X(CR4, 16, 7_EBX, 0)                 /* FSGSBASE */                                                            \
        X(CR4, 17, 1_ECX, 17)                /* PCIDE */                                                               \
        X(CR4, 18, 1_ECX, 26)                /* OSXSAVE */                                                             \
        X(CR4, 19, 7_ECX, 23)                /* KL */                                                                  \
        X(CR4, 20, 7_EBX, 7)                 /* SMEP */                                                                \
        X(CR4, 21, 7_EBX, 20)                /* SMAP */                                                                \
        X(CR4, 22, 7_ECX, 3)                 /* PKE */                                                                 \
        X(CR4, 23, 7_ECX, 7)                 /* CET */                                                                 \
        X(CR4, 24, 7_ECX, 31)                /* PKS */                                                                 \
        X(CR4, 25, 7_EDX, 5)                 /* UINTR */                                                               \
        X(EFER, 0, 80000001_EDX, 11)         /* SCE */                                                                 \
        X(EFER, 8, 80000001_EDX, 29)         /* LME */                                                                 \
        X(EFER, 10, 80000001_EDX, 29)        /* LMA, which a write does not change */                                  \
        X(EFER, 11, 80000001_EDX, 20)        /* NXE */                                                                 \
        X(MISC_ENABLE, 0, ALWAYS, 0)         /* fast strings */                                                        \
        X(MISC_ENABLE, 3, ALWAYS, 0)         /* automatic thermal control circuit */                                   \
        X(MISC_ENABLE, 9, ALWAYS, 0)         /* hardware prefetcher disable */                                         \
        X(MISC_ENABLE, 10, ALWAYS, 0)        /* FERR# multiplexing */                                                  \
        X(MISC_ENABLE, 13, 1_ECX, 8)         /* TM2 */                                                                 \
        X(MISC_ENABLE, 16, ALWAYS, 0)        /* enhanced SpeedStep */                                                  \
        X(MISC_ENABLE, 18, ALWAYS, 0)        /* MONITOR FSM */                                                         \
        X(MISC_ENABLE, 19, ALWAYS, 0)        /* adjacent cache line prefetch disable */                                \
        X(MISC_ENABLE, 20, 1_ECX, 7)         /* enhanced SpeedStep select lock */                                      \
        X(MISC_ENABLE, 22, ALWAYS, 0)        /* limit CPUID maxval */                                                  \
        X(MISC_ENABLE, 23, ALWAYS, 0)        /* xTPR message disable */                                                \
        X(MISC_ENABLE, 34, 80000001_EDX, 20) /* XD bit disable */                                                      \
        X(MISC_ENABLE, 37, ALWAYS, 0)        /* DCU prefetcher disable */                                              \
        X(MISC_ENABLE, 38, 6_EAX, 1)         /* dynamic acceleration disable */                                        \
        X(MISC_ENABLE, 39, ALWAYS, 0)        /* IP prefetcher disable */

enum { HWACCL_BITS_OF_CR4, HWACCL_BITS_OF_EFER, HWACCL_BITS_OF_MISC_ENABLE };

#define HWACCL_BIT_WITH_FEATURE(wanted, name, bit, word, feature)                                                      \
        | (uint64_t)(HWACCL_BITS_OF_##name == (wanted) && (HWACCL_CPUID_##word >> (feature)&1)) << (bit)
#define HWACCL_CR4_BIT(name, bit, word, feature)  HWACCL_BIT_WITH_FEATURE(HWACCL_BITS_OF_CR4, name, bit, word, feature)
#define HWACCL_EFER_BIT(name, bit, word, feature) HWACCL_BIT_WITH_FEATURE(HWACCL_BITS_OF_EFER, name, bit, word, feature)
#define HWACCL_MISC_ENABLE_BIT(name, bit, word, feature)                                                               \
        HWACCL_BIT_WITH_FEATURE(HWACCL_BITS_OF_MISC_ENABLE, name, bit, word, feature)

/* What a guest may set. */
#define HWACCL_CR4_DEFINED         (UINT64_C(0) HWACCL_FEATURE_BITS(HWACCL_CR4_BIT))
#define HWACCL_EFER_DEFINED        (UINT64_C(0) HWACCL_FEATURE_BITS(HWACCL_EFER_BIT))
#define HWACCL_MISC_ENABLE_DEFINED (UINT64_C(0) HWACCL_FEATURE_BITS(HWACCL_MISC_ENABLE_BIT))

/* Kept without the feature that they control, as QEMU and KVM do: kvm-unit-tests writes them. #GP in recordings without
 * a machine's name. */
#define HWACCL_MISC_ENABLE_IDLE        UINT64_C(0x850008)
#define HWACCL_MISC_ENABLE_LIMIT_CPUID (UINT64_C(1) << 22)
#define HWACCL_MISC_ENABLE_XD_DISABLE  (UINT64_C(1) << 34)

#endif
