/*
 * The VMM's processes, as the recorder sees them: whether they live, and signals for them. A number alone may be that
 * of a zombie, or of another process by now; a pidfd, taken while the process waits for its ring, is not.
 */
#ifndef HWACCL_TRACER_INTERPOSE_PROCESSES_H
#define HWACCL_TRACER_INTERPOSE_PROCESSES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct vmm_process {
        _Atomic pid_t pid;  /* 0: there is none yet */
        _Atomic int handle; /* its pidfd and 1; 0: there is none, and the number has to do */
};

/** vmm_process_take - @pid lives now, and others ask from now on */
void vmm_process_take(struct vmm_process *process, pid_t pid);

/** vmm_process_lives - false if it has ended, also as long as nobody has waited for it */
bool vmm_process_lives(const struct vmm_process *process);

/** vmm_process_signal - to a process that lives; nothing for one that has ended */
void vmm_process_signal(const struct vmm_process *process, int number);

void vmm_process_release(struct vmm_process *process);

#endif
