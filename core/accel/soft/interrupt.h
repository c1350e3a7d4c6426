/* Events into the guest, and the guest memory that they and a few instructions need. */
#ifndef HWACCL_SOFT_INTERRUPT_H
#define HWACCL_SOFT_INTERRUPT_H

#include "core/accel/soft/soft.h"
#include "core/exit/guest_access.h"
#include "core/exit/task_switch.h"

/** soft_physical - guest memory, for page walks */
struct hwaccl_physical_memory soft_physical(const struct soft *soft);

/** soft_context - the subject state as a machine context, for guest_access.h; false with soft->error set */
bool soft_context(const struct soft *soft, struct hwaccl_machine_context *context);

/** soft_access - read or write guest memory at a logical address; false with *exception when the guest would fault */
bool soft_access(const struct hwaccl_machine_context *context, struct soft *soft, enum hwaccl_segment_register segment,
                 uint64_t offset, void *buffer, unsigned size, bool write, struct hwaccl_exception *exception);
bool soft_read_linear(const struct hwaccl_machine_context *context, struct soft *soft, uint64_t linear, void *buffer,
                      unsigned size);

/** soft_deliver, soft_deliver_exception - an event into the guest; an exit when that ends in a triple fault, or goes
 * through a task gate */
enum soft_result soft_deliver(struct soft *soft, const struct hwaccl_event *event);
enum soft_result soft_deliver_exception(struct soft *soft, uint8_t vector, bool has_error_code, uint32_t error_code);

/** soft_switch_tasks - the exit with which the handler switches tasks */
enum soft_result soft_switch_tasks(struct soft *soft, const struct hwaccl_task_switch *task);

#endif
