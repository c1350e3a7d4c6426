/* The peer: one LTTng event with as many bytes as the recorder packs for one exit. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER hwaccl_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "tests/bench/peer_events.h"

#if !defined(HWACCL_TESTS_BENCH_PEER_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define HWACCL_TESTS_BENCH_PEER_EVENTS_H

#include <lttng/tracepoint.h>

#include <stdint.h>

/* clang-format off: one field a line */
LTTNG_UST_TRACEPOINT_EVENT(hwaccl_bench, payload, LTTNG_UST_TP_ARGS(const uint64_t *, words, unsigned, count),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_sequence_hex(uint64_t, words, words, uint8_t, count)))

#endif

#include <lttng/tracepoint-event.h>
