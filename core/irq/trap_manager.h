/*
 * The trap manager: an event that waits for the guest, and the interrupt controller behind it (the original's TRPM).
 */
#ifndef HWACCL_TRAP_MANAGER_H
#define HWACCL_TRAP_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

/* The interrupt controller as the CPU sees it. The machine's two 8259s implement it, and its local APIC. */
struct hwaccl_interrupt_source {
        bool (*pending)(struct hwaccl_interrupt_source *source); /* the INTR line */
        uint8_t (*acknowledge)(
                struct hwaccl_interrupt_source *source); /* INTA: the vector; the request is then in service */
        uint8_t nmi; /* an NMI arrived and the guest has not taken it: 0 or 1; that of the trap manager, set by the
                        controller */
};

/* Saved, compared and loaded at keyframes like a device. */
struct hwaccl_trap_manager {
        bool active;    /* a trap waits: an interrupt that was acknowledged and that the guest has not taken */
        uint8_t vector; /* of the active trap */
        struct hwaccl_interrupt_source *source;
};

#define HWACCL_VECTOR_NMI 2 /* in the pending page and in handoffs it stands for an NMI */

void hwaccl_trap_manager_init(struct hwaccl_trap_manager *traps, struct hwaccl_interrupt_source *source);

/** hwaccl_trap_manager_pending - is there an interrupt for the guest, here or at the controller? */
bool hwaccl_trap_manager_pending(struct hwaccl_trap_manager *traps);

/** hwaccl_trap_manager_nmi - has an NMI arrived that the guest has not taken? */
bool hwaccl_trap_manager_nmi(const struct hwaccl_trap_manager *traps);

/** hwaccl_trap_manager_take - the vector to offer: the active trap's, else by acknowledging the controller. Only when
 * pending */
uint8_t hwaccl_trap_manager_take(struct hwaccl_trap_manager *traps);

/** hwaccl_trap_manager_restore - the subject did not take the vector: it becomes the active trap again */
void hwaccl_trap_manager_restore(struct hwaccl_trap_manager *traps, uint8_t vector);

#endif
