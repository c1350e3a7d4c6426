/*
 * Access to the kernel's trace points kvm:*. What lacks is an error of one line that says what to do: they are those
 * that users see who ask for the kernel's exits.
 */
#ifndef HWACCL_TRACER_KERNEL_KVM_TRACING_H
#define HWACCL_TRACER_KERNEL_KVM_TRACING_H

#include "tracer/kernel/kvm_event.h"

/**
 * kvm_tracing_open - read the formats of the trace points, and try whether this process may use them
 * @root: where tracefs is; NULL: where it usually is
 *
 * False with *error set: tracefs is not mounted or not readable, the kernel has no trace points of KVM (the module is
 * not loaded), a needed one lacks, or the permission does.
 */
bool kvm_tracing_open(struct kvm_formats *formats, const char *root, struct hwaccl_error *error);

/** kvm_tracing_missing - names of the trace points that this kernel does not have, with blanks between; "": none */
void kvm_tracing_missing(const struct kvm_formats *formats, char *text, size_t room);

/** kvm_tracing_try - whether this process may open events of the trace points */
bool kvm_tracing_try(const struct kvm_formats *formats, struct hwaccl_error *error);

#endif
