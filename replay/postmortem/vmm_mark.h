/* What the recorder of another VMM noted of an exit: KVM's own exits, and errors of KVM_RUN. */
#ifndef HWACCL_POSTMORTEM_VMM_MARK_H
#define HWACCL_POSTMORTEM_VMM_MARK_H

#include "replay/postmortem/evidence.h"

#define VMM_MARK_ROOM 240u

/** vmm_mark - the last mark of exit @exit that names KVM, safe to print; false where there is none */
bool vmm_mark(const struct hwaccl_evidence *evidence, uint64_t exit, char text[static VMM_MARK_ROOM]);

/** vmm_is_attached - whether the recorder was attached to a VMM that ran already: of the state it knows what the
 * kernel's events say, and nothing of what the VMM did */
bool vmm_is_attached(const struct hwaccl_evidence *evidence);

/** vmm_wait_status - how the VMM ended, as wait(2) says; false where it was not recorded from outside */
bool vmm_wait_status(const struct hwaccl_evidence *evidence, int *status);

/** vmm_waits_in_hlt - whether its handler waits at this exit, the vCPU's last. Of a VMM that was recorded from outside,
 * HLT is handled when it enters the guest again */
bool vmm_waits_in_hlt(const struct hwaccl_evidence *evidence, const struct evidence_exit *last);

#endif
