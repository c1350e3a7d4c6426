/*
 * Threads of a VMM beside those of its vCPUs, without a guest: each vCPU writes requests to the port of a disk, whose
 * thread does the work and raises an interrupt line, which the vCPU lowers; a timer's thread sends messages. What they
 * ask of the hypervisor is in the recording, in one order with the exits. Usage: threaded_vmm RECORDING REQUESTS
 */
#include <hwaccl/trace.h>

#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VCPUS     2u
#define DISK_PORT 0x1f7u

static struct hwaccl_trace *trace;
static unsigned long requests;

/* A vCPU and its disk. */
struct machine {
        unsigned number;
        pthread_t vcpu, disk;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned long asked, done; /* requests */
};

/* Wait until *counter, which the lock of the machine protects, is @value. */
static void wait_for(struct machine *machine, const unsigned long *counter, unsigned long value)
{
        (void)pthread_mutex_lock(&machine->lock);
        while (*counter < value)
                (void)pthread_cond_wait(&machine->changed, &machine->lock);
        (void)pthread_mutex_unlock(&machine->lock);
}

static void count(struct machine *machine, unsigned long *counter)
{
        (void)pthread_mutex_lock(&machine->lock);
        ++*counter;
        (void)pthread_cond_broadcast(&machine->changed);
        (void)pthread_mutex_unlock(&machine->lock);
}

static void *run_disk(void *opaque)
{
        struct machine *machine = opaque;
        char name[16];

        (void)snprintf(name, sizeof(name), "disk %u", machine->number);
        struct hwaccl_trace_thread *thread = hwaccl_trace_thread(trace, name, NULL);
        for (unsigned long i = 1; i <= requests; i++) {
                wait_for(machine, &machine->asked, i);
                hwaccl_trace_thread_irq_line(thread, 0, 14 + machine->number, 1);
                count(machine, &machine->done);
        }
        return NULL;
}

static void *run_timer(void *opaque)
{
        struct hwaccl_trace_thread *thread = hwaccl_trace_thread(trace, "timer", NULL);

        (void)opaque;
        for (unsigned long i = 0; i < requests; i++)
                hwaccl_trace_thread_msi(thread, 0, 0xfee00000, 0x40, i % 2 == 0);
        return NULL;
}

/* ioctl(vcpu, KVM_INTERRUPT, &interrupt), as a KVM without its own interrupt controller would answer it. */
static void inject(struct hwaccl_trace_vcpu *vcpu, unsigned number, unsigned vector)
{
        const struct kvm_interrupt interrupt = {vector};
        const struct hwaccl_trace_call call = {.request = KVM_INTERRUPT,
                                               .role = HWACCL_TRACE_ROLE_VCPU,
                                               .object = number,
                                               .input = &interrupt,
                                               .input_size = sizeof(interrupt)};
        uint64_t sequence = hwaccl_trace_vcpu_call(vcpu, &call);

        hwaccl_trace_vcpu_called(vcpu, sequence, 0, 0, NULL, 0);
}

static void *run_vcpu(void *opaque)
{
        struct machine *machine = opaque;
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, machine->number);

        for (unsigned long i = 1; i <= requests; i++) {
                struct hwaccl_trace_state state = {.known = {0, 0}};
                const unsigned char command = 0x20;
                hwaccl_trace_vcpu_entry(vcpu, NULL);
                hwaccl_trace_put(&state, rip, 0x1000);
                hwaccl_trace_put_exit(&state, HWACCL_EXIT_IO_INSTRUCTION, (uint64_t)DISK_PORT << 16, 1);
                hwaccl_trace_vcpu_exit(vcpu, &state);
                hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_PORT_WRITE, DISK_PORT, 1, &command, 1);
                count(machine, &machine->asked);
                wait_for(machine, &machine->done, i);
                inject(vcpu, machine->number, 0x2e);
                hwaccl_trace_vcpu_irq_line(vcpu, 0, 14 + machine->number, 0);
                hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED);
        }
        return NULL;
}

static int start(struct machine *machine, unsigned number)
{
        memset(machine, 0, sizeof(*machine));
        machine->number = number;
        return pthread_mutex_init(&machine->lock, NULL) != 0 || pthread_cond_init(&machine->changed, NULL) != 0 ||
               pthread_create(&machine->disk, NULL, run_disk, machine) != 0 ||
               pthread_create(&machine->vcpu, NULL, run_vcpu, machine) != 0;
}

int main(int argc, char **argv)
{
        const struct hwaccl_trace_config config = {
                .size = sizeof(config), .vmm = "threaded_vmm 1.0", .vcpu_count = VCPUS, .thread_max = VCPUS + 1};
        struct machine machine[VCPUS];
        struct hwaccl_error error;
        pthread_t timer;

        if (argc != 3)
                return 99;
        requests = strtoul(argv[2], NULL, 10);
        trace = hwaccl_trace_open(argv[1], &config, &error);
        if (!trace) {
                (void)fprintf(stderr, "threaded_vmm: %s\n", error.message);
                return 99;
        }
        for (unsigned i = 0; i < VCPUS; i++)
                if (start(&machine[i], i) != 0)
                        return 99;
        if (pthread_create(&timer, NULL, run_timer, NULL) != 0)
                return 99;
        for (unsigned i = 0; i < VCPUS; i++) {
                (void)pthread_join(machine[i].vcpu, NULL);
                (void)pthread_join(machine[i].disk, NULL);
        }
        (void)pthread_join(timer, NULL);
        if (!hwaccl_trace_close(trace, HWACCL_TRACE_END_STOPPED, 0, "no more requests", &error)) {
                (void)fprintf(stderr, "threaded_vmm: %s\n", error.message);
                return 99;
        }
        return 0;
}
