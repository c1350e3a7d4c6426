/*
 * The guest's memory in its recording: every page that is not all zeros once, compressed, with its SHA-256 (tables
 * memory_range, memory_page and page). Threads compress while the caller writes rows.
 */
#ifndef HWACCL_TRACER_KEPT_MEMORY_H
#define HWACCL_TRACER_KEPT_MEMORY_H

#include "core/host/guest_memory.h"
#include "tracer/record/recorder.h"

/* Memory with more RAM is not kept. */
#define HWACCL_KEPT_MEMORY_MAX (UINT64_C(1) << 30)

/**
 * hwaccl_recorder_keep_memory - hwaccl_recorder_finish() will write this memory too, as it is then
 * @memory: backed, at most HWACCL_KEPT_MEMORY_MAX bytes of RAM; must outlive the recorder
 *
 * A flight recorder writes it into the window of the end of the run. When it cannot be written,
 * hwaccl_recorder_finish() fails, and all exits are in the recording.
 */
void hwaccl_recorder_keep_memory(struct hwaccl_recorder *recorder, const struct hwaccl_guest_memory *memory);

#endif
