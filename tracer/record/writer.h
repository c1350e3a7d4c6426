/*
 * The writer: the sink that drains the rings of one recording into its database.
 *
 * When the disk is full, the rings' files give back at the end what is not needed of them, which usually makes room for
 * the rest.
 */
#ifndef HWACCL_TRACER_WRITER_H
#define HWACCL_TRACER_WRITER_H

#include "tracer/record/sink.h"

extern const struct recorder_sink_ops recorder_writer;

#endif
