/*
 * An exit loop without a guest, for machines without KVM: two vCPUs on threads of their own, and what the interface for
 * embedding looks like without anything around it. Usage: loop_vmm RECORDING EXITS
 */
#include <hwaccl/trace.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define VCPUS 2

struct vcpu {
        struct hwaccl_trace_vcpu *trace;
        unsigned long exits;
        pthread_barrier_t *third; /* each waits for the other twice: whoever runs first, their spans of time overlap */
        pthread_t thread;
};

/* Every fourth exit is a HLT that ends with an interrupt, the others write the letters of the alphabet to port e9h. */
static void *run(void *opaque)
{
        struct vcpu *vcpu = opaque;

        hwaccl_trace_vcpu_mark(vcpu->trace, "the loop begins");
        for (unsigned long i = 0; i < vcpu->exits; i++) {
                struct hwaccl_trace_state state = {.known = {0, 0}};
                const struct hwaccl_kvm_run fields = {.if_flag = 1, .cr8 = i / 100};
                unsigned char letter = (unsigned char)('a' + i % 26);
                if (i == vcpu->exits / 3 || i == vcpu->exits / 3 * 2)
                        (void)pthread_barrier_wait(vcpu->third);
                if (hwaccl_trace_vcpu_snapshot_due(vcpu->trace))
                        hwaccl_trace_vcpu_snapshot(vcpu->trace, "exits", &i, sizeof(i));
                if (i % 4 == 1)
                        hwaccl_trace_vcpu_irq_offered(vcpu->trace, 0x20);
                hwaccl_trace_vcpu_entry(vcpu->trace, NULL);

                hwaccl_trace_put(&state, rip, 0x1000 + i % 4 * 2);
                if (i % 4 == 0) {
                        hwaccl_trace_put_exit(&state, HWACCL_EXIT_HLT, 0, 1);
                        hwaccl_trace_vcpu_exit(vcpu->trace, &state);
                        hwaccl_trace_vcpu_verdict(vcpu->trace, HWACCL_VERDICT_EMULATE);
                        hwaccl_trace_vcpu_handled(vcpu->trace, HWACCL_OUTCOME_HALTED);
                        continue;
                }
                hwaccl_trace_put_exit(&state, HWACCL_EXIT_IO_INSTRUCTION, 0xe90000, 2);
                hwaccl_trace_put(&state, rax, letter);
                hwaccl_trace_vcpu_exit(vcpu->trace, &state);
                if (i % 4 == 1)
                        hwaccl_trace_vcpu_irq_taken(vcpu->trace, 0x20);
                hwaccl_trace_vcpu_kvm_run(vcpu->trace, &fields);
                hwaccl_trace_vcpu_input(vcpu->trace, HWACCL_TRACE_INPUT_PORT_WRITE, 0xe9, 1, &letter, 1);
                hwaccl_trace_vcpu_effect(vcpu->trace, HWACCL_TRACE_EFFECT_CONSOLE, 2, 0, &letter, 1);
                hwaccl_trace_vcpu_handled(vcpu->trace, HWACCL_TRACE_OUTCOME_UNKNOWN);
        }
        return NULL;
}

int main(int argc, char **argv)
{
        static const struct hwaccl_trace_option options[] = {{"guest", "none"}};
        struct hwaccl_trace_config config = {.size = sizeof(config),
                                             .vmm = "loop_vmm 1.0",
                                             .vcpu_count = VCPUS,
                                             .options = options,
                                             .option_count = 1};
        struct vcpu vcpu[VCPUS];
        struct hwaccl_error error;
        pthread_barrier_t third;

        if (argc != 3 || pthread_barrier_init(&third, NULL, VCPUS) != 0)
                return 99;
        struct hwaccl_trace *trace = hwaccl_trace_open(argv[1], &config, &error);
        if (!trace) {
                (void)fprintf(stderr, "loop_vmm: %s\n", error.message);
                return 99;
        }
        for (unsigned i = 0; i < VCPUS; i++) {
                vcpu[i].trace = hwaccl_trace_vcpu(trace, i);
                vcpu[i].exits = strtoul(argv[2], NULL, 10);
                vcpu[i].third = &third;
                if (pthread_create(&vcpu[i].thread, NULL, run, &vcpu[i]) != 0)
                        return 99;
        }
        for (unsigned i = 0; i < VCPUS; i++)
                (void)pthread_join(vcpu[i].thread, NULL);
        (void)pthread_barrier_destroy(&third);
        if (!hwaccl_trace_close(trace, HWACCL_TRACE_END_STOPPED, 0, "the loop is over", &error)) {
                (void)fprintf(stderr, "loop_vmm: %s\n", error.message);
                return 99;
        }
        return 0;
}
