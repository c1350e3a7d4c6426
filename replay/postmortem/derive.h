/*
 * Derives the fault chain of a triple fault that the processor did not show (KVM, Muen), from the registers at the exit
 * and the guest's memory at the end. The same code delivers the events that delivers them in a run; it works on a copy
 * of what it writes, and ends where a byte is not known.
 */
#ifndef HWACCL_POSTMORTEM_DERIVE_H
#define HWACCL_POSTMORTEM_DERIVE_H

#include "hwaccl/recording.h"

struct hwaccl_derived_faults {
        struct hwaccl_fault_chain chain; /* count 0: nothing was derived */
        bool guess;                      /* the registers may be those of the entry: the guest may have gone on (SVM) */
        const char *problem;             /* why nothing was derived, or where the chain ends; NULL: it is complete */
};

/** hwaccl_derive_faults - of exit @number. False with *error set if the recording is damaged there */
bool hwaccl_derive_faults(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                          struct hwaccl_derived_faults *derived, struct hwaccl_error *error);

/** hwaccl_known_faults - the chain that was recorded, or else the derived one; false where there is neither */
bool hwaccl_known_faults(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t exit,
                         struct hwaccl_fault_chain *chain);

#endif
