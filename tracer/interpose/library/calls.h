/* Calls of KVM other than KVM_RUN: passed on, and recorded in the lane of the thread that makes them. */
#ifndef HWACCL_INTERPOSE_CALLS_H
#define HWACCL_INTERPOSE_CALLS_H

#include "tracer/interpose/control.h"

/** calls_ioctl - ioctl(fd, request, argument), recorded */
__attribute__((noinline)) int calls_ioctl(struct interpose_control *control, int fd, unsigned long request,
                                          void *argument);

#endif
