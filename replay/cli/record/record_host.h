/*
 * Facts of the host that a VMM depends on, as options of the recording, in JSON: views host_cpuid, host_capability,
 * host_parameter and host_file show them. Everything here is done by `hwaccl record`, never by the VMM's threads.
 */
#ifndef HWACCL_CLI_RECORD_HOST_H
#define HWACCL_CLI_RECORD_HOST_H

#include "replay/cli/record/record.h"

#include "tracer/interpose/vmm_recorder.h"

/** record_host_add - options host_cpuid, host_capabilities and host_kvm_parameters */
void record_host_add(struct record_options *options);

/* The files that a VMM consists of and opened. */
struct record_files;

/** record_files_create - NULL without memory; @anonymous: names without directories */
struct record_files *record_files_create(bool anonymous);

/** record_files_look - take digests of the files that are new; @recorder's processes may be running */
void record_files_look(struct record_files *files, const struct vmm_recorder *recorder);

/** record_files_annotate - options host_file_0 and so on, after all processes have ended */
void record_files_annotate(const struct record_files *files, struct vmm_recorder *recorder);

void record_files_free(struct record_files *files);

#endif
