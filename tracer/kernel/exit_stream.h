/*
 * The events of one vCPU's thread, in order, and the exits that they make. The kernel's order is
 *
 *      kvm_entry kvm_exit {event}… kvm_entry kvm_exit {event}… kvm_userspace_exit {event}… kvm_entry …
 *
 * An item is one exit with the entry before it and the events behind it, up to the next entry: the kernel handled it.
 * One that ends with kvm_userspace_exit was given to the VMM. Items without an exit: events, or kvm_userspace_exit
 * alone, where KVM_RUN came back without a VM exit (a signal, the second part of a string instruction).
 */
#ifndef HWACCL_TRACER_KERNEL_EXIT_STREAM_H
#define HWACCL_TRACER_KERNEL_EXIT_STREAM_H

#include "tracer/kernel/kvm_event.h"
#include "tracer/ring/lane.h"

struct exit_stream {
        struct kvm_event *event;
        size_t first; /* not taken yet */
        size_t count;
        size_t room;
};

/* Points into the stream: valid until the next event is put. */
struct exit_item {
        const struct kvm_event *event; /* all */
        size_t count;
        const struct kvm_event *entry; /* NULL: not known */
        const struct kvm_event *exit;  /* NULL: there is none */
        const struct kvm_event *user;  /* NULL: the kernel handled it */
        size_t others;                 /* events that are none of these */
        uint64_t end;                  /* time of the next entry, or of the last event */
};

/** exit_stream_put - in the order of time; false if out of memory */
bool exit_stream_put(struct exit_stream *stream, const struct kvm_event *event);
void exit_stream_free(struct exit_stream *stream);

/** exit_stream_next - the first item. False if there is none, or it may go on; with @all an open one too */
bool exit_stream_next(const struct exit_stream *stream, bool all, struct exit_item *item);

/** exit_stream_drop - the first item is dealt with */
void exit_stream_drop(struct exit_stream *stream, const struct exit_item *item);

/** exit_item_reached_user - whether the item's exit is the one that the VMM got, and not one that the kernel had
 * handled before KVM_RUN came back for another reason */
bool exit_item_reached_user(const struct exit_item *item);

/** exit_item_reason - exit reason of the item's exit, as it is recorded; UINT64_MAX: not known */
uint64_t exit_item_reason(const struct exit_item *item);

/** exit_item_write - the exit with its entry, events and end, as records; without an exit the events only */
bool exit_item_write(const struct exit_item *item, struct lane *lane);

/** exit_item_open - the same, but the exit's handling has not ended: exit_item_close() does that */
bool exit_item_open(const struct exit_item *item, struct lane *lane);

/** exit_item_close - @reason: exit_item_reason() of that exit; @stamp: the end of its handling */
bool exit_item_close(struct lane *lane, uint64_t reason, uint64_t stamp);

/** exit_item_write_details - what the kernel says of an exit that is recorded already, and the events */
bool exit_item_write_details(const struct exit_item *item, struct lane *lane);

#endif
