/*
 * Hardware task switches outside IA-32e mode (SDM 3A, 8.2 and 8.3). Every one is a VM exit, after the checks that come
 * before it (SDM 3C, 26.4.2): the accelerator makes these, the handler does the switch.
 */
#ifndef HWACCL_TASK_SWITCH_H
#define HWACCL_TASK_SWITCH_H

#include "core/exit/descriptor.h"
#include "core/exit/guest_access.h"

/* What switches tasks; the numbers are bits 31:30 of the exit qualification (SDM 3C, table 28-2). */
enum hwaccl_task_source {
        HWACCL_TASK_CALL = 0,
        HWACCL_TASK_IRET = 1,
        HWACCL_TASK_JMP = 2,
        HWACCL_TASK_GATE = 3, /* in the IDT */
};

struct hwaccl_task_switch {
        enum hwaccl_task_source source;
        uint16_t selector;         /* of the new TSS */
        struct hwaccl_event event; /* GATE: what goes through it; the others: the length of the instruction alone */
};

/* Registers beside the machine context that a task switch changes. */
struct hwaccl_task_debug {
        uint64_t *dr6;
        uint64_t *dr7;
};

/**
 * hwaccl_task_find - the descriptor of a task's TSS, with the checks that come before a VM exit
 * @task: source and selector; the event decides the EXT bit of error codes
 *
 * In the GDT, available (IRET: busy), present, and long enough. False with *fault set: #GP (IRET: #TS), #NP, #TS, or
 * #PF.
 */
bool hwaccl_task_find(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                      const struct hwaccl_task_switch *task, struct descriptor *descriptor,
                      struct hwaccl_exception *fault);

enum hwaccl_task_result {
        HWACCL_TASK_NONE,   /* no task is concerned */
        HWACCL_TASK_SWITCH, /* *task says to which */
        HWACCL_TASK_FAULT,  /* *fault is raised */
};

/**
 * hwaccl_task_of_branch - does a far JMP or CALL in protected mode go to another task?
 * @selector: of the far pointer
 * @task: source and event.length are set; gets the selector
 *
 * NONE for everything but a TSS or task gate. Both are #GP in IA-32e mode.
 */
enum hwaccl_task_result hwaccl_task_of_branch(const struct hwaccl_machine_context *context,
                                              const struct hwaccl_physical_memory *memory, uint16_t selector,
                                              struct hwaccl_task_switch *task, struct hwaccl_exception *fault);

/** hwaccl_task_of_return - and an IRET, which does with RFLAGS.NT set, outside IA-32e mode? */
enum hwaccl_task_result hwaccl_task_of_return(const struct hwaccl_machine_context *context,
                                              const struct hwaccl_physical_memory *memory,
                                              struct hwaccl_task_switch *task, struct hwaccl_exception *fault);

/* event.c */

enum hwaccl_event_end {
        HWACCL_EVENT_DELIVERED,
        HWACCL_EVENT_SHUTDOWN,
        HWACCL_EVENT_REFUSED, /* *refusal says why */
        HWACCL_EVENT_TASK,    /* *task says to which; of the context, only CR2 has changed */
};

/**
 * hwaccl_event_follow - hwaccl_event_deliver(), up to a task switch
 * @task: NULL: a task gate is refused
 */
enum hwaccl_event_end hwaccl_event_follow(struct hwaccl_machine_context *context,
                                          const struct hwaccl_physical_memory *memory, const struct hwaccl_event *event,
                                          struct hwaccl_delivery_observer *observer, struct hwaccl_task_switch *task,
                                          const char **refusal);

/** hwaccl_event_saved_flags - RFLAGS as the event saves them: RF is clear behind an instruction, set for a fault */
uint64_t hwaccl_event_saved_flags(const struct hwaccl_machine_context *context, const struct hwaccl_event *event);

/* fault_chain.c */

/** hwaccl_event_combine - what a fault in the delivery of an event becomes (SDM 3A, table 6-5). False: shutdown */
bool hwaccl_event_combine(const struct hwaccl_event *first, const struct hwaccl_exception *second,
                          struct hwaccl_event *next);

/** hwaccl_event_describe, hwaccl_event_describe_raised - what a link of the fault chain says about an event, and about
 * the fault in its delivery */
void hwaccl_event_describe(struct hwaccl_fault_link *link, const struct hwaccl_event *event,
                           const struct hwaccl_machine_context *before);
void hwaccl_event_describe_raised(struct hwaccl_fault_link *link, const struct hwaccl_exception *fault);

/* task_switch.c */

/**
 * hwaccl_task_switch - switch tasks, and deliver what that raises: its faults, and the debug trap of the new TSS
 *
 * Before the processor commits to the new task, a fault is one of the old task; behind that, of the new one (SDM 3A,
 * 8.3). What comes of it may switch tasks again. False, as hwaccl_event_deliver(): shutdown, or *refusal is set.
 */
bool hwaccl_task_switch(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                        const struct hwaccl_task_debug *debug, const struct hwaccl_task_switch *task,
                        struct hwaccl_delivery_observer *observer, const char **refusal);

/** hwaccl_task_event - hwaccl_event_deliver(), with the task switches on the way */
bool hwaccl_task_event(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                       const struct hwaccl_task_debug *debug, const struct hwaccl_event *event,
                       struct hwaccl_delivery_observer *observer, const char **refusal);

#endif
