/* What the reader accepts in a recording, and therefore what an import may make. */
#ifndef HWACCL_TRACER_RECORDING_LIMITS_H
#define HWACCL_TRACER_RECORDING_LIMITS_H

#define RECORDING_VCPU_MAX         64u
#define RECORDING_GAP_MAX          (1u << 20)
#define RECORDING_DEVICE_FIELD_MAX 4096u
#define RECORDING_DEVICE_SIZE_MAX  (128u << 10) /* bytes of all devices' state */

#define RECORDING_FOREIGN_MAX 100u /* that `hwaccl check` names */

#endif
