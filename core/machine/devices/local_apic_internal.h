/* What the parts of the local APIC share. */
#ifndef HWACCL_MACHINE_LOCAL_APIC_INTERNAL_H
#define HWACCL_MACHINE_LOCAL_APIC_INTERNAL_H

#include "core/machine/devices/local_apic.h"

#define HWACCL_SVR_ENABLED 0x100u

#define HWACCL_LVT_VECTOR     0xffu
#define HWACCL_LVT_MODE_SHIFT 8
#define HWACCL_LVT_REMOTE_IRR 0x4000u
#define HWACCL_LVT_LEVEL      0x8000u
#define HWACCL_LVT_MASKED     0x10000u

/* Error status (SDM 3A, 11.5.3). */
#define HWACCL_ESR_SENT_VECTOR      0x20u
#define HWACCL_ESR_RECEIVED_VECTOR  0x40u
#define HWACCL_ESR_ILLEGAL_REGISTER 0x80u

/* local_apic.c */

bool hwaccl_local_apic_is_extended(const struct hwaccl_local_apic *apic);

/* The task, processor and arbitration priorities. */
uint8_t hwaccl_local_apic_tpr(const struct hwaccl_local_apic *apic);
uint8_t hwaccl_local_apic_ppr(const struct hwaccl_local_apic *apic);
uint8_t hwaccl_local_apic_apr(const struct hwaccl_local_apic *apic);

/** hwaccl_local_apic_error - note errors, and interrupt if they are new */
void hwaccl_local_apic_error(struct hwaccl_local_apic *apic, uint8_t error);

/** hwaccl_local_apic_accept - request an interrupt; false when the APIC is off, or the vector illegal */
bool hwaccl_local_apic_accept(struct hwaccl_local_apic *apic, uint8_t vector, bool level);

/** hwaccl_local_apic_signal - a local vector's source raises its interrupt, unless it is masked */
void hwaccl_local_apic_signal(struct hwaccl_local_apic *apic, enum hwaccl_local_vector source);

/** hwaccl_local_apic_offer_lint0 - request LINT0's interrupt if that is level-triggered and high */
void hwaccl_local_apic_offer_lint0(struct hwaccl_local_apic *apic);

void hwaccl_local_apic_end_of_interrupt(struct hwaccl_local_apic *apic);

/** hwaccl_local_apic_set_base - WRMSR to IA32_APIC_BASE with a possible value. False: #GP(0) */
bool hwaccl_local_apic_set_base(struct hwaccl_local_apic *apic, uint64_t value);

/* local_apic_registers.c */

#define HWACCL_MSR_APIC_BASE UINT32_C(0x1b)
bool hwaccl_local_apic_rdmsr(struct hwaccl_processor_apic *msrs, uint32_t index, uint64_t *value);
bool hwaccl_local_apic_wrmsr(struct hwaccl_processor_apic *msrs, uint32_t index, uint64_t value);

uint64_t hwaccl_local_apic_read(struct hwaccl_device *device, uint64_t address, unsigned size);
void hwaccl_local_apic_write(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value);
bool hwaccl_local_apic_valid(const struct hwaccl_device *device, struct hwaccl_error *error);

/* local_apic_timer.c */

/** hwaccl_apic_timer_settle - deliver what the timer did up to now */
void hwaccl_apic_timer_settle(struct hwaccl_local_apic *apic);

/** hwaccl_apic_timer_deadline - guest clock, ns, at which the timer interrupts next; UINT64_MAX: it does not */
uint64_t hwaccl_apic_timer_deadline(const struct hwaccl_local_apic *apic);

/* Its registers. */
void hwaccl_apic_timer_set_lvt(struct hwaccl_local_apic *apic, uint32_t value);
void hwaccl_apic_timer_set_initial(struct hwaccl_local_apic *apic, uint32_t count);
void hwaccl_apic_timer_set_divide(struct hwaccl_local_apic *apic, uint32_t value);
uint32_t hwaccl_apic_timer_current(const struct hwaccl_local_apic *apic);
uint64_t hwaccl_apic_timer_tsc_deadline(struct hwaccl_local_apic *apic);
void hwaccl_apic_timer_set_tsc_deadline(struct hwaccl_local_apic *apic, uint64_t deadline);

#endif
