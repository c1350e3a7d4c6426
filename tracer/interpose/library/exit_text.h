/* Exits of KVM that are none of the processor's: what KVM says about them, as text. */
#ifndef HWACCL_INTERPOSE_EXIT_TEXT_H
#define HWACCL_INTERPOSE_EXIT_TEXT_H

#include <linux/kvm.h>
#include <stddef.h>

#define EXIT_TEXT_ROOM 512u

/** exit_text - its length; 0 for an exit that the recorded reason describes, or that is usual */
size_t exit_text(const struct kvm_run *run, char text[static EXIT_TEXT_ROOM]);

#endif
