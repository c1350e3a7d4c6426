/* Shared by Shared by hwaccl-ctf's two files: the graph of Babeltrace's components, and the decoding of events. */
#ifndef HWACCL_TRACER_LTTNG_READER_CTF_H
#define HWACCL_TRACER_LTTNG_READER_CTF_H

#include "tracer/lttng/trace_reader.h"

#include <babeltrace2/babeltrace.h>

struct ctf_decoder;

/** ctf_decoder_create - NULL if out of memory */
struct ctf_decoder *ctf_decoder_create(const struct trace_sink *sink);
void ctf_decoder_destroy(struct ctf_decoder *decoder);

/** ctf_decode - pass an event of hwaccl to the sink, ignore others. False with *error set */
bool ctf_decode(struct ctf_decoder *decoder, const bt_event *event, struct hwaccl_error *error);

#endif
