/* Exits like those of a firmware's boot, given to a probe: what the measuring programs share. */
#ifndef HWACCL_TESTS_BENCH_FIRMWARE_MIX_H
#define HWACCL_TESTS_BENCH_FIRMWARE_MIX_H

#include "core/host/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now(clockid_t clock)
{
        struct timespec time = {0, 0};

        (void)clock_gettime(clock, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static void die(const char *what, const struct hwaccl_error *error)
{
        (void)fprintf(stderr, "bench: %s: %s\n", what, error->message);
        exit(2);
}

/* The probe of a run that nobody records: what driving it costs is taken off. */
static void ignore_state(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        (void)probe;
        (void)state;
}

static void ignore_entry(struct hwaccl_probe *probe)
{
        (void)probe;
}

static void ignore_exit(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                        const struct hwaccl_pending_interrupts *pending)
{
        (void)probe;
        (void)state;
        (void)pending;
}

static void ignore_verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        (void)probe;
        (void)verdict;
}

static void ignore_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        (void)probe;
        (void)input;
}

static void ignore_effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        (void)probe;
        (void)effect;
}

static bool ignore_handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        (void)probe;
        (void)outcome;
        (void)error;
        return true;
}

static const struct hwaccl_probe_ops ignoring = {
        .transfer_in = ignore_state,
        .entry = ignore_entry,
        .exit = ignore_exit,
        .verdict = ignore_verdict,
        .input = ignore_input,
        .effect = ignore_effect,
        .handled = ignore_handled,
};

/* One access of the mix: port, width, direction, and where its code lies. */
struct access {
        uint16_t port;
        uint8_t size;
        bool in;
        uint32_t rip;
        uint8_t bytes[2];
};

static const struct access mix[] = {
        {0x402, 1, false, 0xff2f5, {0xee, 0}},   {0xcf8, 4, false, 0xf1a31, {0xef, 0}},
        {0xcfc, 2, true, 0xf1a44, {0x66, 0xed}}, {0x402, 1, false, 0xff2f5, {0xee, 0}},
        {0x608, 4, true, 0xf0c10, {0xed, 0}},    {0x70, 1, false, 0xf33a0, {0xee, 0}},
        {0x71, 1, true, 0xf33a3, {0xec, 0}},     {0x608, 4, true, 0xf0c10, {0xed, 0}},
        {0xcf8, 4, false, 0xf1a31, {0xef, 0}},   {0xcfe, 1, true, 0xf1a52, {0xec, 0}},
        {0x511, 1, true, 0xf2222, {0xec, 0}},    {0x402, 1, false, 0xff2f5, {0xee, 0}},
};

#define RARE 1000000u /* one exit of so many has another reason */

static void run_mix(struct hwaccl_probe *probe, uint64_t exits)
{
        struct hwaccl_subject_state state;
        struct hwaccl_pending_interrupts pending = {{0, 0, 0, 0}};
        struct hwaccl_error error;
        uint64_t clock = 0;

        memset(&state, 0, sizeof(state));
        state.rsp = 0x6f00;
        state.rflags = 2;
        state.cs.access_rights = 0xc09b;
        for (uint64_t i = 0; i < exits; i++) {
                const struct access *access = &mix[i % (sizeof(mix) / sizeof(mix[0]))];
                probe->ops->transfer_in(probe, &state);
                hwaccl_probe_entry(probe);
                state.exit_reason = (i + 1) % RARE ? HWACCL_EXIT_IO_INSTRUCTION : HWACCL_EXIT_CPUID;
                state.exit_qualification =
                        (uint64_t)access->port << 16 | (access->in ? 8u : 0) | (unsigned)(access->size - 1);
                state.instruction_length = access->bytes[1] ? 2 : 1;
                state.rip = access->rip;
                state.rdx = access->port;
                state.rax = i * 2654435761u & 0xffffffff;
                state.rbx = 0xf5000 + (i & 0xff);
                if (i % 5 == 0) {
                        state.rcx = i & 0xffff;
                        state.rsp = 0x6f00 - (i % 7) * 4;
                        state.rsi = 0xf6000 + i;
                }
                state.rflags = i % 3 ? 0x46 : 2;
                probe->ops->exit(probe, &state, &pending);
                clock += 1500 + (i & 1023);
                const struct hwaccl_input time = {HWACCL_INPUT_CLOCK, 0, clock, NULL, 0};
                probe->ops->input(probe, &time);
                probe->ops->verdict(probe, HWACCL_VERDICT_EMULATE);
                const struct hwaccl_input code = {HWACCL_INPUT_INSTRUCTION, access->rip, 0, access->bytes,
                                                  (uint32_t)state.instruction_length};
                probe->ops->input(probe, &code);
                if (access->port == 0x402) {
                        const struct hwaccl_effect print = {HWACCL_EFFECT_CONSOLE, HWACCL_CHANNEL_DEBUG_402, 0,
                                                            &state.rax, 1};
                        probe->ops->effect(probe, &print);
                }
                if (access->in)
                        state.rax = i & 0xff;
                state.rip += state.instruction_length;
                if (!probe->ops->handled(probe, HWACCL_OUTCOME_COMPLETED, &error))
                        die("the recording stopped", &error);
        }
        probe->ops->transfer_in(probe, &state);
}

#endif
