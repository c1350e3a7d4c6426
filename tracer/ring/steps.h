/*
 * Named steps of producer, writer and recovery: points at which a recorder may die. They expand to nothing in the
 * library that is installed; the tests build it again with HWACCL_STEPS, kill the process at each step, and explore the
 * interleavings of the ring's two sides at the steps.
 */
#ifndef HWACCL_TRACER_STEPS_H
#define HWACCL_TRACER_STEPS_H

#ifdef HWACCL_STEPS
void hwaccl_step(const char *name);
#define STEP(name) hwaccl_step(name)
#else
#define STEP(name) ((void)0)
#endif

#endif
