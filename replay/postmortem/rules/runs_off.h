/* How the guest came to where it executes. */
#ifndef HWACCL_POSTMORTEM_RUNS_OFF_H
#define HWACCL_POSTMORTEM_RUNS_OFF_H

#include "replay/postmortem/finding.h"

/** runs_off_origin - registers and stack slots that hold RIP, or show the CALL that led there: guesses */
void runs_off_origin(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                     struct hwaccl_finding *finding);

#endif
