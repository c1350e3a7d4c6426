/* What lies behind an exception that could not be delivered. */
#ifndef HWACCL_POSTMORTEM_FAULT_DETAILS_H
#define HWACCL_POSTMORTEM_FAULT_DETAILS_H

#include "replay/postmortem/finding.h"

#include "hwaccl/fault_chain.h"

/** fault_detail_facts - the selector or the address of an error code, with what the tables in the memory at the end
 * have there; a fetch that faulted; an MSR or control register that the VMM refused */
void fault_detail_facts(const struct hwaccl_evidence *evidence, const struct hwaccl_fault_link *link,
                        struct hwaccl_finding *finding);

#endif
