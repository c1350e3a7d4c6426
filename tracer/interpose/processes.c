#include "tracer/interpose/processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

void vmm_process_take(struct vmm_process *process, pid_t pid)
{
        int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* with close-on-exec */

        atomic_store(&process->handle, fd + 1);
        atomic_store(&process->pid, pid);
}

bool vmm_process_lives(const struct vmm_process *process)
{
        const int handle = atomic_load(&process->handle);
        const pid_t pid = atomic_load(&process->pid);
        struct pollfd end = {.fd = handle - 1, .events = POLLIN};

        if (pid <= 0)
                return false;
        if (handle)
                return poll(&end, 1, 0) == 0;
        return kill(pid, 0) == 0 || errno == EPERM;
}

void vmm_process_signal(const struct vmm_process *process, int number)
{
        const int handle = atomic_load(&process->handle);
        const pid_t pid = atomic_load(&process->pid);

        if (pid <= 0)
                return;
        if (handle)
                (void)syscall(SYS_pidfd_send_signal, handle - 1, number, NULL, 0);
        else
                (void)kill(pid, number);
}

void vmm_process_release(struct vmm_process *process)
{
        const int handle = atomic_exchange(&process->handle, 0);

        if (handle)
                (void)close(handle - 1);
        atomic_store(&process->pid, 0);
}
