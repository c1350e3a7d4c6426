/* libhwaccl-interpose.so in one process: its connection to the recorder, and the functions behind the interposed ones.
 */
#ifndef HWACCL_INTERPOSE_PROCESS_H
#define HWACCL_INTERPOSE_PROCESS_H

#include "tracer/interpose/control.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the process would call without us: the next library's functions, or the system calls until they are known. */
int next_ioctl(int fd, unsigned long request, void *argument);
void *next_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int next_munmap(void *address, size_t size);

int next_prctl(int option, const unsigned long argument[4]);

/** process_find - the next library's function of this name; NULL if there is none */
void *process_find(const char *name);

/** process_control - what is shared with the recorder; NULL without one, and before this library is initialized */
struct interpose_control *process_control(void);

/** process_number - of this process, as the recorder sees it: they may be in different PID namespaces */
pid_t process_number(void);

/** process_thread_number - of the calling thread, as the recorder sees it; 0: not known. Without a system call where
 * they may be restricted */
pid_t process_thread_number(void);

/** process_recorder_gone - whether the recorder has ended. No system call. Async-signal-safe */
bool process_recorder_gone(void);

/** process_note_filter - it restricts its system calls from now on: seccomp(2) */
void process_note_filter(void);
/** process_may_sleep - whether nanosleep(2) is known to be permitted: filters allow what the VMM itself calls */
bool process_may_sleep(void);

#endif
