/*
 * Named steps of producer, writer and recovery: the places between which a recorder can die. Nothing in the library
 * that users get; the tests build it a second time with HWACCL_STEPS, kill the process at each of them, and explore
 * the interleavings of the ring's two sides at them.
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
