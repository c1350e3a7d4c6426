/*
 * What recording costs the vCPU thread while Linux boots on KVM. One boot is recorded for 64 exits, then not for 64,
 * and so on to its end, and the time from KVM's exit to the next entry is compared: the difference of two boots would
 * be lost in what the host does meanwhile. Prints one JSON object; microseconds per exit, the slowest tenth left out.
 *
 *      bench-linux-cost KERNEL INITRD DATABASE BOOTS
 */
#include "core/accel/kvm/accel_kvm.h"
#include "core/host/live_inputs.h"
#include "core/loop/vcpu.h"
#include "core/machine/loader/loader.h"
#include "core/machine/machine.h"
#include "tracer/record/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define TURN        64u /* exits */
#define SAMPLES_MAX 400000u
#define MEMORY      (UINT64_C(128) << 20)

enum { UNRECORDED, RECORDED, SIDES };

/* The accelerator, and when it began and ended to run the guest. */
struct watch {
        struct hwaccl_accel accel;
        struct hwaccl_accel *kvm;
        uint64_t entered; /* ns */
        uint64_t left;
};

struct samples {
        size_t count;
        uint32_t handling[SAMPLES_MAX]; /* ns */
        uint32_t guest[SAMPLES_MAX];
};

static struct samples samples[SIDES];

static _Noreturn void die(const char *what, const char *why)
{
        (void)fprintf(stderr, "bench: %s: %s\n", what, why);
        exit(2);
}

static uint64_t now(void)
{
        struct timespec time = {0, 0};

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static struct watch *watch_of(const struct hwaccl_accel *accel)
{
        return (struct watch *)(void *)(uintptr_t)accel;
}

static bool watch_run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                      struct hwaccl_error *error)
{
        struct watch *watch = watch_of(accel);

        watch->entered = now();
        bool good = watch->kvm->ops->run(watch->kvm, state, pending, request, error);
        watch->left = now();
        return good;
}

static void watch_kick(struct hwaccl_accel *accel)
{
        watch_of(accel)->kvm->ops->kick(watch_of(accel)->kvm);
}

static uint64_t watch_virtual_ns(const struct hwaccl_accel *accel)
{
        return watch_of(accel)->kvm->ops->virtual_ns(watch_of(accel)->kvm);
}

static void watch_destroy(struct hwaccl_accel *accel)
{
        watch_of(accel)->kvm->ops->destroy(watch_of(accel)->kvm);
}

static const struct hwaccl_accel_ops watch_ops = {
        .name = "kvm",
        .run = watch_run,
        .kick = watch_kick,
        .virtual_ns = watch_virtual_ns,
        .destroy = watch_destroy,
};

static uint8_t *read_file(const char *path, size_t *size)
{
        FILE *file = fopen(path, "rb");
        struct stat status;

        if (!file || fstat(fileno(file), &status) != 0)
                die(path, "cannot open");
        *size = (size_t)status.st_size;
        uint8_t *data = malloc(*size);
        if (!data || fread(data, 1, *size, file) != *size)
                die(path, "cannot read");
        (void)fclose(file);
        return data;
}

static struct hwaccl_machine *make_machine(const char *kernel, const char *initrd, uint64_t tsc_khz)
{
        struct hwaccl_error error;
        struct hwaccl_loader_module module = {NULL, 0, NULL};
        struct hwaccl_loader_input input = {.module = &module, .module_count = 1, .memory_size = MEMORY};
        struct hwaccl_machine_config config = {.memory_size = MEMORY, .tsc_khz = tsc_khz, .backed = true};
        struct hwaccl_loaded loaded;

        uint8_t *image = read_file(kernel, &input.kernel_size);
        uint8_t *disk = read_file(initrd, &module.size);
        input.kernel = image;
        module.data = disk;
        if (!hwaccl_loader_load(&input, &loaded, &error))
                die(kernel, error.message);
        config.entry = loaded.entry;
        for (size_t i = 0; i < loaded.piece_count; i++)
                config.raw[config.raw_count++] =
                        (struct hwaccl_raw_image){loaded.piece[i].address, loaded.piece[i].data, loaded.piece[i].size};
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        if (!machine)
                die("machine", error.message);
        hwaccl_loader_free(&loaded);
        free(image);
        free(disk);
        return machine;
}

static void print_nothing(void *opaque, enum hwaccl_channel channel, const void *data, size_t size)
{
        (void)opaque;
        (void)channel;
        (void)data;
        (void)size;
}

static void sample(unsigned side, uint64_t handling, uint64_t guest)
{
        struct samples *to = &samples[side];

        if (to->count == SAMPLES_MAX)
                return;
        to->handling[to->count] = handling > UINT32_MAX ? UINT32_MAX : (uint32_t)handling;
        to->guest[to->count++] = guest > UINT32_MAX ? UINT32_MAX : (uint32_t)guest;
}

/* What lies between an exit and the next entry belongs to the turn of both, so the first of each turn is left out. */
static void boot(struct hwaccl_machine *machine, struct hwaccl_vcpu *vcpu, struct watch *watch,
                 struct hwaccl_inputs *inputs, struct hwaccl_probe *probe)
{
        struct hwaccl_error error;
        uint64_t left = 0;
        bool more = true;

        for (uint64_t exits = 0; more; exits++) {
                unsigned side = exits / TURN % SIDES;
                hwaccl_vcpu_attach(vcpu, &watch->accel, inputs, side == RECORDED ? probe : NULL);
                more = hwaccl_vcpu_step(vcpu, &error);
                if (exits % TURN != 0)
                        sample(side, watch->entered - left, watch->left - watch->entered);
                left = watch->left;
        }
        enum hwaccl_end end = hwaccl_machine_end(machine);
        if (end != HWACCL_END_POWER_OFF)
                die("the guest ended", end == HWACCL_END_ERROR ? error.message : hwaccl_end_name(end));
}

static int compare(const void *a, const void *b)
{
        uint32_t first = *(const uint32_t *)a;
        uint32_t second = *(const uint32_t *)b;

        return (first > second) - (first < second);
}

static double usual_us(uint32_t *ns, size_t count)
{
        size_t kept = count - count / 10;
        double sum = 0;

        qsort(ns, count, sizeof(*ns), compare);
        for (size_t i = 0; i < kept; i++)
                sum += ns[i];
        return kept ? sum / (double)kept / 1e3 : 0;
}

static void print_samples(uint64_t exits)
{
        (void)printf("{\"exits\": %" PRIu64, exits);
        for (unsigned side = 0; side < SIDES; side++) {
                const char *name = side == RECORDED ? "recorded" : "unrecorded";
                (void)printf(", \"%s_handling_us\": %.3f, \"%s_guest_us\": %.3f", name,
                             usual_us(samples[side].handling, samples[side].count), name,
                             usual_us(samples[side].guest, samples[side].count));
                samples[side].count = 0;
        }
        (void)printf("}\n");
        (void)fflush(stdout);
}

static void measure(const char *kernel, const char *initrd, const char *database)
{
        struct hwaccl_error error;
        struct hwaccl_kvm *kvm = hwaccl_kvm_open(&error);

        if (!kvm)
                die("KVM", error.message);
        struct hwaccl_machine *machine = make_machine(kernel, initrd, hwaccl_kvm_tsc_khz(kvm));
        struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
        if (!vcpu)
                die("vCPU", error.message);
        const struct hwaccl_live_inputs_config inputs = {
                .clock = HWACCL_CLOCK_HOST, .memory = hwaccl_machine_memory(machine), .console_fd = -1};
        struct hwaccl_live_inputs *live = hwaccl_live_inputs_create(&inputs, &error);
        if (!live)
                die("inputs", error.message);
        const struct hwaccl_accel_kvm_config config = {.memory = hwaccl_machine_memory(machine),
                                                       .processor = hwaccl_machine_processor(machine),
                                                       .clock = hwaccl_live_inputs_clock,
                                                       .opaque = live};
        struct watch watch = {{&watch_ops}, hwaccl_accel_kvm_create(kvm, &config, &error), 0, 0};
        if (!watch.kvm)
                die("KVM", error.message);
        size_t device_count;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(machine, &device_count);
        const struct hwaccl_recorder_config recording = {
                .path = database, .force = true, .devices = devices, .device_count = device_count};
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&recording, &error);
        if (!recorder)
                die(database, error.message);

        hwaccl_vcpu_attach_console(vcpu, print_nothing, NULL);
        hwaccl_live_inputs_attach(live, &watch.accel);
        boot(machine, vcpu, &watch, hwaccl_live_inputs_interface(live), hwaccl_recorder_probe(recorder));
        if (!hwaccl_recorder_finish(recorder, hwaccl_machine_end(machine), hwaccl_machine_exit_code(machine), NULL,
                                    &error))
                die(database, error.message);
        print_samples(hwaccl_vcpu_exit_count(vcpu));
        hwaccl_live_inputs_attach(live, NULL);
        watch_destroy(&watch.accel);
        hwaccl_live_inputs_destroy(live);
        hwaccl_vcpu_destroy(vcpu);
        hwaccl_machine_destroy(machine);
}

int main(int argc, char **argv)
{
        unsigned long boots = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;

        if (boots == 0) {
                (void)fprintf(stderr, "usage: bench-linux-cost KERNEL INITRD DATABASE BOOTS\n");
                return 2;
        }
        while (boots-- > 0)
                measure(argv[1], argv[2], argv[3]);
        return 0;
}
