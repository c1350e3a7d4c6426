/* The parts of the evidence, in the order in which they are gathered. */
#ifndef HWACCL_POSTMORTEM_EVIDENCE_INTERNAL_H
#define HWACCL_POSTMORTEM_EVIDENCE_INTERNAL_H

#include "replay/postmortem/evidence.h"

void evidence_read_memory_map(struct hwaccl_evidence *evidence);
void evidence_read_console(struct hwaccl_evidence *evidence);
void evidence_compare_vcpus(struct hwaccl_evidence *evidence);
void evidence_find_loop(struct hwaccl_evidence *evidence);

#endif
