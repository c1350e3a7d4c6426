/*
 * Records of perf_event_open(2)'s ring, read from a copy in memory: samples with thread, time and raw data, and the
 * number of those that the kernel had no room for. Bounds are checked: a record never reaches beyond the bytes given.
 */
#ifndef HWACCL_TRACER_KERNEL_PERF_RECORD_H
#define HWACCL_TRACER_KERNEL_PERF_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* perf_event_attr.sample_type of the events whose records these are, with sample_id_all. */
#define PERF_RECORD_SAMPLE_TYPE (PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW)

enum perf_record_kind {
        PERF_ITEM_SAMPLE,
        PERF_ITEM_LOST,
        PERF_ITEM_OTHER, /* nothing of it is needed */
        PERF_ITEM_BAD,   /* it contradicts itself; the next one can be read if its length is good */
};

struct perf_item {
        enum perf_record_kind kind;
        uint32_t process, thread;
        uint64_t time; /* as the event's clock says */
        uint64_t lost; /* samples */
        const uint8_t *raw;
        uint32_t raw_size;
};

/** perf_record_next - *item from @data at *@at, which is moved behind it. False at the end, and where no record follows
 */
bool perf_record_next(const uint8_t *data, size_t size, size_t *at, struct perf_item *item);

/** perf_time_to_tsc - a time of perf's own clock as time-stamp counter, with what struct perf_event_mmap_page says
 * where it has cap_user_time_zero */
uint64_t perf_time_to_tsc(uint64_t time, uint64_t zero, uint32_t multiplier, uint16_t shift);

#endif
