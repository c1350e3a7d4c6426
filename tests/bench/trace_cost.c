/*
 * What libhwaccl-tracer costs the vCPU thread of a VMM that embeds it, through its public interface: exits like those
 * of a firmware's boot, less what driving them costs. Prints one JSON object of ns per exit: with all that there is to
 * say of an exit, as the recorder of `hwaccl record` gets it; and as a VMM on KVM says it, the general registers at the
 * exit and nothing about the entry.
 *
 *      bench-trace-cost EXITS DATABASE
 */
#include "hwaccl/trace.h"

#include "tests/bench/firmware_mix.h"

/* Stands where the recorder's probe does. Without a vCPU it does all but the calls that are measured. */
struct other_vmm {
        struct hwaccl_probe probe;
        struct hwaccl_trace_vcpu *vcpu;
        bool enters_blindly;
        struct hwaccl_trace_state state;
};

static struct other_vmm *of(struct hwaccl_probe *probe)
{
        return (struct other_vmm *)(void *)probe;
}

static void take(struct other_vmm *vmm, const struct hwaccl_subject_state *state)
{
        vmm->state.values = *state;
        __asm__ volatile("" ::: "memory");
}

static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        take(of(probe), state);
}

static void entry(struct hwaccl_probe *probe)
{
        struct other_vmm *vmm = of(probe);

        if (vmm->vcpu)
                (void)hwaccl_trace_vcpu_entry(vmm->vcpu, vmm->enters_blindly ? NULL : &vmm->state);
}

static void exit_(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending)
{
        struct other_vmm *vmm = of(probe);

        (void)pending;
        take(vmm, state);
        if (vmm->vcpu)
                (void)hwaccl_trace_vcpu_exit(vmm->vcpu, &vmm->state);
}

static void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        if (of(probe)->vcpu && !of(probe)->enters_blindly)
                (void)hwaccl_trace_vcpu_verdict(of(probe)->vcpu, verdict);
}

static void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        if (of(probe)->vcpu && !of(probe)->enters_blindly)
                (void)hwaccl_trace_vcpu_input(of(probe)->vcpu, input->kind, input->address, input->value, input->data,
                                              input->size);
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        if (of(probe)->vcpu)
                (void)hwaccl_trace_vcpu_effect(of(probe)->vcpu, effect->kind, effect->address, effect->value,
                                               effect->data, effect->size);
}

static bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        if (!of(probe)->vcpu || hwaccl_trace_vcpu_handled(of(probe)->vcpu, outcome))
                return true;
        (void)snprintf(error->message, sizeof(error->message), "the recording stopped");
        return false;
}

static const struct hwaccl_probe_ops telling = {
        .transfer_in = transfer_in,
        .entry = entry,
        .exit = exit_,
        .verdict = verdict,
        .input = input,
        .effect = effect,
        .handled = handled,
};

static uint64_t thread_time(struct other_vmm *vmm, uint64_t exits)
{
        uint64_t begin = now(CLOCK_THREAD_CPUTIME_ID);

        run_mix(&vmm->probe, exits);
        return now(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static double measure(struct other_vmm *vmm, const char *path, uint64_t exits)
{
        const struct hwaccl_trace_config config = {.size = sizeof(config), .vmm = "bench 1", .force = 1};
        struct hwaccl_error error;

        vmm->probe.ops = &telling;
        vmm->vcpu = NULL;
        (void)thread_time(vmm, exits);
        uint64_t without = thread_time(vmm, exits);
        struct hwaccl_trace *trace = hwaccl_trace_open(path, &config, &error);
        if (!trace)
                die("open", &error);
        vmm->vcpu = hwaccl_trace_vcpu(trace, 0);
        uint64_t with = thread_time(vmm, exits);
        if (!hwaccl_trace_close(trace, HWACCL_TRACE_END_STOPPED, 0, NULL, &error))
                die("close", &error);
        return ((double)with - (double)without) / (double)exits;
}

int main(int argc, char **argv)
{
        uint64_t exits = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
        struct other_vmm whole = {.state.known = {UINT64_MAX, UINT64_MAX}};
        struct other_vmm registers = {.enters_blindly = true};

        if (exits == 0) {
                (void)fprintf(stderr, "usage: bench-trace-cost EXITS DATABASE\n");
                return 2;
        }
        for (unsigned i = HWACCL_FIELD_INDEX_rax; i <= HWACCL_FIELD_INDEX_r15; i++)
                hwaccl_trace_know(&registers.state, (enum hwaccl_field_index)i);
        hwaccl_trace_know(&registers.state, HWACCL_FIELD_INDEX_rip);
        hwaccl_trace_know(&registers.state, HWACCL_FIELD_INDEX_rflags);
        hwaccl_trace_know(&registers.state, HWACCL_FIELD_INDEX_exit_reason);
        hwaccl_trace_know(&registers.state, HWACCL_FIELD_INDEX_exit_qualification);
        double all = measure(&whole, argv[2], exits);
        printf("{\"whole\": %.1f, \"registers\": %.1f}\n", all, measure(&registers, argv[2], exits));
        return 0;
}
