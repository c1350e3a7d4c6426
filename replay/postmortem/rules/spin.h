/* A loop without exits at the end: the instructions at RIP, from the memory that was kept, only read and jump back. */
#ifndef HWACCL_POSTMORTEM_SPIN_H
#define HWACCL_POSTMORTEM_SPIN_H

#include "replay/postmortem/evidence.h"

struct spin {
        uint64_t first; /* offsets of its first instruction, and of the jump back */
        uint64_t last;
        char read[64]; /* the instruction that reads memory; empty: it reads none, and nothing ends it */
        char jump[64];
};

/** spin_find - false where the guest does not spin, or the memory was not kept */
bool spin_find(const struct hwaccl_evidence *evidence, struct spin *spin);

#endif
