#include "core/loop/vcpu_internal.h"
#include "core/muen/tsc_update.h"
#include "core/muen/vmm_operation.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct hwaccl_subject_info info;
static struct hwaccl_subject_state state_page;
static struct hwaccl_pending_interrupts interrupts_page;
static struct hwaccl_vmm vmm;
static struct hwaccl_error error;
static uint64_t unmappable;
static unsigned run_count;
static unsigned kick_count;
static unsigned clock_count;

static void *map(void *opaque, uint64_t address, uint64_t size)
{
        assert_ptr_equal(opaque, &info);
        assert_true(size >= 32);
        if (address == unmappable)
                return NULL;
        return address == 0x1000 ? (void *)&state_page : (void *)&interrupts_page;
}

static bool fake_run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                     struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                     struct hwaccl_error *run_error)
{
        (void)accel;
        run_count++;
        assert_ptr_equal(state, &state_page);
        assert_ptr_equal(pending, &interrupts_page);
        assert_int_equal(request->deadline_ns, 77);
        if (run_count > 1)
                return hwaccl_error_set(run_error, "no more");
        state->exit_reason = HWACCL_EXIT_CPUID;
        return true;
}

static void fake_kick(struct hwaccl_accel *accel)
{
        (void)accel;
        kick_count++;
}

static bool fake_clock(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *clock_error)
{
        (void)inputs;
        (void)clock_error;
        *now_ns = ++clock_count;
        return true;
}

static const struct hwaccl_accel_ops accel_ops = {.name = "fake", .run = fake_run, .kick = fake_kick};
static struct hwaccl_accel accel = {&accel_ops};
static const struct hwaccl_inputs_ops inputs_ops = {.clock = fake_clock};
static struct hwaccl_inputs inputs = {.ops = &inputs_ops};

static void add_region(const char *name, uint64_t address, uint64_t size)
{
        struct hwaccl_subject_resource *resource = &info.resource[info.resource_count++];
        info.region[info.region_count++] = (struct hwaccl_subject_region){.address = address, .size = size};
        resource->name_length = (uint8_t)strlen(name);
        memcpy(resource->name, name, strlen(name));
        resource->region_index = info.region_count;
}

static int open_vmm(void **state)
{
        (void)state;
        memset(&info, 0, sizeof(info));
        add_region("monitor_state", 0x1000, 0x1000);
        add_region("monitor_interrupts", 0x2000, 0x1000);
        memset(&state_page, 0, sizeof(state_page));
        memset(&error, 0, sizeof(error));
        unmappable = 0;
        run_count = kick_count = clock_count = 0;
        struct hwaccl_vmm_platform platform = {
                .info = &info, .map = map, .opaque = &info, .accel = &accel, .inputs = &inputs};
        assert_true(hwaccl_vmm_init(&vmm, &platform, &error));
        return 0;
}

static int close_vmm(void **state)
{
        (void)state;
        hwaccl_vmm_destroy(&vmm);
        return 0;
}

static enum hwaccl_vmm_status create_vm(uint32_t cpu_count)
{
        struct hwaccl_vmm_arguments arguments = {.cpu_count = cpu_count};
        return hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_CREATE_VM, &arguments, &error);
}

static void query_vtx_and_the_operations_with_nothing_to_do_succeed(void **state)
{
        (void)state;
        const unsigned operations[] = {HWACCL_VMM_QUERY_VTX_SUPPORT, HWACCL_VMM_GVMM_SCHED_POLL,
                                       HWACCL_VMM_GVMM_DESTROY_VM,   HWACCL_VMM_VMMR0_TERM,
                                       HWACCL_VMM_HM_SETUP_VM,       HWACCL_VMM_HM_ENABLE};
        for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
                assert_int_equal(hwaccl_vmm_call(&vmm, operations[i], NULL, &error), HWACCL_VMM_OK);
        assert_int_equal(run_count + kick_count, 0);
}

static void vmmr0_init_reports_features_and_masks(void **state)
{
        (void)state;
        vmm.features.svm_supported = true;
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_VMMR0_INIT, NULL, &error), HWACCL_VMM_OK);
        assert_false(vmm.features.svm_supported);
        assert_true(vmm.features.vtx_supported);
        assert_true(vmm.features.unrestricted_guest);
        assert_int_equal(vmm.features.cr0_mask, 0x60000020);
        assert_int_equal(vmm.features.cr4_mask, 0x2000);
}

static void create_vm_maps_both_pages(void **state)
{
        (void)state;
        assert_int_equal(create_vm(1), HWACCL_VMM_OK);
        assert_ptr_equal(vmm.vcpu->state, &state_page);
        assert_ptr_equal(vmm.vcpu->pending, &interrupts_page);
        assert_int_equal(vmm.vcpu->context.rip, 0xfff0);
}

static void pages_that_just_hold_what_they_must_are_large_enough(void **state)
{
        (void)state;
        info.region[0].size = 512;
        info.region[1].size = 32;
        assert_int_equal(create_vm(1), HWACCL_VMM_OK);
}

static void any_other_number_of_cpus_is_an_invalid_parameter(void **state)
{
        (void)state;
        assert_int_equal(create_vm(0), HWACCL_VMM_INVALID_PARAMETER);
        assert_int_equal(create_vm(2), HWACCL_VMM_INVALID_PARAMETER);
        assert_string_equal(error.message, "VMM operation GVMM create VM: a VM has exactly one virtual CPU, not 2");
        assert_int_equal(create_vm(UINT32_MAX), HWACCL_VMM_INVALID_PARAMETER);
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_CREATE_VM, NULL, &error), HWACCL_VMM_INVALID_PARAMETER);
}

static void each_absent_page_is_an_error_of_its_own(void **state)
{
        (void)state;
        info.resource[0].name[0] = 'x';
        assert_int_equal(create_vm(1), HWACCL_VMM_NO_STATE_PAGE);
        assert_non_null(strstr(error.message, "no memory region monitor_state"));
        info.resource[0].name[0] = 'm';
        info.resource[1].name[0] = 'x';
        assert_int_equal(create_vm(1), HWACCL_VMM_NO_INTERRUPTS_PAGE);
        assert_non_null(strstr(error.message, "no memory region monitor_interrupts"));
}

static void a_page_that_is_too_small_or_cannot_be_mapped_is_an_error(void **state)
{
        (void)state;
        info.region[0].size = 511;
        assert_int_equal(create_vm(1), HWACCL_VMM_NO_STATE_PAGE);
        assert_non_null(strstr(error.message, "511 bytes, 512 are needed"));
        info.region[0].size = 0x1000;
        info.region[1].size = 31;
        assert_int_equal(create_vm(1), HWACCL_VMM_NO_INTERRUPTS_PAGE);
        info.region[1].size = 0x1000;
        unmappable = 0x1000;
        assert_int_equal(create_vm(1), HWACCL_VMM_NO_STATE_PAGE);
        assert_non_null(strstr(error.message, "monitor_state at 1000h cannot be mapped"));
        unmappable = 0x2000;
        assert_int_equal(create_vm(1), HWACCL_VMM_NO_INTERRUPTS_PAGE);
        assert_non_null(strstr(error.message, "cannot be mapped"));
}

static void hm_run_is_one_trip(void **state)
{
        (void)state;
        struct hwaccl_vmm_arguments arguments = {.request = {.deadline_ns = 77}};
        assert_int_equal(create_vm(1), HWACCL_VMM_OK);
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_HM_RUN, &arguments, &error), HWACCL_VMM_OK);
        assert_int_equal(arguments.verdict, HWACCL_VERDICT_EMULATE);
        assert_int_equal(run_count, 1);
        assert_int_equal(vmm.vcpu->exit_count, 1);
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_HM_RUN, &arguments, &error), HWACCL_VMM_FAILED);
        assert_string_equal(error.message, "VMM operation HM run: no more");
}

static void hm_run_without_a_vm_is_an_error(void **state)
{
        (void)state;
        struct hwaccl_vmm_arguments arguments = {.request = {.deadline_ns = 77}};
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_HM_RUN, &arguments, &error), HWACCL_VMM_NO_VM);
        assert_int_equal(create_vm(1), HWACCL_VMM_OK);
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_DESTROY_VM, NULL, &error), HWACCL_VMM_OK);
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_HM_RUN, &arguments, &error), HWACCL_VMM_NO_VM);
        assert_string_equal(error.message, "VMM operation HM run: there is no VM to run");
        assert_int_equal(run_count, 0);
}

static void kick_gets_the_accelerator_to_exit(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_SCHED_POKE, NULL, &error), HWACCL_VMM_OK);
        assert_int_equal(kick_count, 1);
}

static atomic_bool awake;

static void *sleep_until_woken(void *opaque)
{
        struct hwaccl_error halt_error;
        (void)opaque;
        enum hwaccl_vmm_status status = hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_SCHED_HALT, NULL, &halt_error);
        atomic_store(&awake, status == HWACCL_VMM_OK);
        return NULL;
}

static void sched_halt_blocks_until_a_wake_up(void **state)
{
        (void)state;
        pthread_t sleeper;
        atomic_store(&awake, false);
        assert_int_equal(pthread_create(&sleeper, NULL, sleep_until_woken, NULL), 0);
        struct timespec pause = {0, 20000000};
        assert_int_equal(nanosleep(&pause, NULL), 0);
        assert_false(atomic_load(&awake));
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_SCHED_WAKE_UP, NULL, &error), HWACCL_VMM_OK);
        assert_int_equal(pthread_join(sleeper, NULL), 0);
        assert_true(atomic_load(&awake));
}

static void a_wake_up_before_the_halt_is_not_lost(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_SCHED_WAKE_UP, NULL, &error), HWACCL_VMM_OK);
        assert_int_equal(hwaccl_vmm_call(&vmm, HWACCL_VMM_GVMM_SCHED_HALT, NULL, &error), HWACCL_VMM_OK);
}

static void anything_else_is_an_error_that_names_the_operation(void **state)
{
        (void)state;
        unsigned refused = 0;
        for (unsigned i = 0; i < HWACCL_VMM_OPERATION_COUNT; i++) {
                const char *name = hwaccl_vmm_operation_name(i);
                assert_non_null(name);
                if (i == HWACCL_VMM_GVMM_SCHED_HALT || i == HWACCL_VMM_HM_RUN || i == HWACCL_VMM_GVMM_CREATE_VM)
                        continue;
                if (hwaccl_vmm_call(&vmm, i, NULL, &error) == HWACCL_VMM_NOT_SUPPORTED) {
                        char expected[128];
                        (void)snprintf(expected, sizeof(expected), "VMM operation %u (%s) is not supported", i, name);
                        assert_string_equal(error.message, expected);
                        refused++;
                }
        }
        assert_int_equal(refused, HWACCL_VMM_OPERATION_COUNT - 12);
        assert_int_equal(hwaccl_vmm_call(&vmm, 4711, NULL, &error), HWACCL_VMM_NOT_SUPPORTED);
        assert_string_equal(error.message, "VMM operation 4711 is unknown");
        assert_null(hwaccl_vmm_operation_name(HWACCL_VMM_OPERATION_COUNT));
}

static void count_update(void *opaque)
{
        atomic_fetch_add((atomic_uint *)opaque, 1);
}

static void tsc_update_calls_back_every_period_until_stopped(void **state)
{
        (void)state;
        atomic_uint count = 0;
        struct timespec pause = {0, 10000000};
        struct hwaccl_tsc_update *update = hwaccl_tsc_update_start(2000, count_update, &count, &error);
        assert_non_null(update);
        while (atomic_load(&count) < 3)
                assert_int_equal(nanosleep(&pause, NULL), 0);
        hwaccl_tsc_update_stop(update);
        unsigned stopped_at = atomic_load(&count);
        assert_int_equal(nanosleep(&pause, NULL), 0);
        assert_int_equal(atomic_load(&count), stopped_at);
}

static void a_long_period_of_tsc_update_stops_at_once(void **state)
{
        (void)state;
        atomic_uint count = 0;
        struct hwaccl_tsc_update *update = hwaccl_tsc_update_start(UINT32_MAX, count_update, &count, &error);
        assert_non_null(update);
        hwaccl_tsc_update_stop(update);
        assert_int_equal(atomic_load(&count), 0);
        hwaccl_tsc_update_stop(NULL);
}

static void a_tsc_update_period_of_zero_is_an_error(void **state)
{
        (void)state;
        assert_null(hwaccl_tsc_update_start(0, count_update, NULL, &error));
        assert_string_equal(error.message, "TSC update: a period of 0 microseconds");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_vmm, close_vmm)
        const struct CMUnitTest tests[] = {
                TEST(query_vtx_and_the_operations_with_nothing_to_do_succeed),
                TEST(vmmr0_init_reports_features_and_masks),
                TEST(create_vm_maps_both_pages),
                TEST(pages_that_just_hold_what_they_must_are_large_enough),
                TEST(any_other_number_of_cpus_is_an_invalid_parameter),
                TEST(each_absent_page_is_an_error_of_its_own),
                TEST(a_page_that_is_too_small_or_cannot_be_mapped_is_an_error),
                TEST(hm_run_is_one_trip),
                TEST(hm_run_without_a_vm_is_an_error),
                TEST(kick_gets_the_accelerator_to_exit),
                TEST(sched_halt_blocks_until_a_wake_up),
                TEST(a_wake_up_before_the_halt_is_not_lost),
                TEST(anything_else_is_an_error_that_names_the_operation),
                TEST(tsc_update_calls_back_every_period_until_stopped),
                TEST(a_long_period_of_tsc_update_stops_at_once),
                TEST(a_tsc_update_period_of_zero_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
