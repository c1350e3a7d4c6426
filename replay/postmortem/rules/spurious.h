/* Vectors that a controller gives when the request has gone before it was acknowledged. */
#ifndef HWACCL_POSTMORTEM_SPURIOUS_H
#define HWACCL_POSTMORTEM_SPURIOUS_H

#include "replay/postmortem/evidence.h"

/** spurious_vector - why @vector was, or may have been, spurious; NULL: it was not. Static string */
const char *spurious_vector(const struct hwaccl_evidence *evidence, uint8_t vector);

#endif
