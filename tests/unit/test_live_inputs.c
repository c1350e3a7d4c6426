#include "core/host/guest_memory.h"
#include "core/host/live_inputs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MILLISECOND UINT64_C(1000000)

struct fake_accel {
        struct hwaccl_accel accel;
        uint64_t virtual_ns;
        atomic_int kicks;
};

static void fake_kick(struct hwaccl_accel *accel)
{
        atomic_fetch_add(&((struct fake_accel *)accel)->kicks, 1);
        errno = EIO;
}

static uint64_t fake_virtual_ns(const struct hwaccl_accel *accel)
{
        return ((const struct fake_accel *)accel)->virtual_ns;
}

static const struct hwaccl_accel_ops fake_ops = {.name = "fake", .kick = fake_kick, .virtual_ns = fake_virtual_ns};

struct fixture {
        struct fake_accel accel;
        struct hwaccl_guest_memory memory;
        struct hwaccl_live_inputs *live;
        struct hwaccl_inputs *inputs;
        struct hwaccl_error error;
};

static void open_live(struct fixture *f, struct hwaccl_live_inputs_config config)
{
        memset(f, 0, sizeof(*f));
        f->accel.accel.ops = &fake_ops;
        hwaccl_guest_memory_init(&f->memory, true);
        assert_true(hwaccl_guest_memory_add(&f->memory, 0, HWACCL_PAGE_SIZE, true, &f->error));
        config.memory = &f->memory;
        f->live = hwaccl_live_inputs_create(&config, &f->error);
        assert_non_null(f->live);
        f->inputs = hwaccl_live_inputs_interface(f->live);
        hwaccl_live_inputs_attach(f->live, &f->accel.accel);
}

static void close_live(struct fixture *f)
{
        hwaccl_live_inputs_attach(f->live, NULL);
        hwaccl_live_inputs_destroy(f->live);
        hwaccl_guest_memory_destroy(&f->memory);
}

static uint64_t host_ns(void)
{
        struct timespec now;
        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t clock_of(struct fixture *f)
{
        uint64_t now = 0;
        assert_true(f->inputs->ops->clock(f->inputs, &now, &f->error));
        return now;
}

static uint64_t wait_of(struct fixture *f, uint64_t deadline)
{
        uint64_t now = 0;
        assert_true(f->inputs->ops->wait(f->inputs, deadline, &now, &f->error));
        return now;
}

static enum hwaccl_stop_request stop_of(struct fixture *f)
{
        enum hwaccl_stop_request request = HWACCL_STOP_UNTIL;
        assert_true(f->inputs->ops->stop_requested(f->inputs, &request, &f->error));
        return request;
}

static void the_host_clock_starts_near_zero_and_keeps_pace(void **state)
{
        (void)state;
        struct fixture f;
        uint64_t opened = host_ns();
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = -1});

        uint64_t before = host_ns();
        uint64_t first = clock_of(&f);
        assert_true(first <= host_ns() - opened);
        struct timespec pause = {0, 5 * (long)MILLISECOND};
        assert_int_equal(nanosleep(&pause, NULL), 0);
        uint64_t second = clock_of(&f);
        uint64_t passed = host_ns() - before;
        assert_true(second - first >= 5 * MILLISECOND);
        assert_true(second - first <= passed);
        assert_true(hwaccl_live_inputs_clock(f.live) >= second);
        close_live(&f);
}

static void the_clock_stands_at_zero_without_an_accelerator(void **state)
{
        (void)state;
        struct hwaccl_error error;
        struct hwaccl_live_inputs_config config = {.clock = HWACCL_CLOCK_HOST, .console_fd = -1};
        struct hwaccl_live_inputs *live = hwaccl_live_inputs_create(&config, &error);
        assert_non_null(live);
        assert_int_equal(hwaccl_live_inputs_clock(live), 0);
        hwaccl_live_inputs_destroy(live);
        hwaccl_live_inputs_destroy(NULL);
}

static void the_virtual_clock_is_the_accelerators_plus_waits(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});

        assert_int_equal(clock_of(&f), 0);
        f.accel.virtual_ns = 1000;
        assert_int_equal(clock_of(&f), 1000);
        uint64_t before = host_ns();
        assert_int_equal(wait_of(&f, 3600 * 1000 * MILLISECOND), 3600 * 1000 * MILLISECOND);
        assert_true(host_ns() - before < 1000 * MILLISECOND);
        f.accel.virtual_ns = 1500;
        assert_int_equal(clock_of(&f), 3600 * 1000 * MILLISECOND + 500);
        assert_int_equal(hwaccl_live_inputs_clock(f.live), 3600 * 1000 * MILLISECOND + 500);
        close_live(&f);
}

static void a_rate_multiplies_what_is_executed_and_not_what_is_waited(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){
                              .clock = HWACCL_CLOCK_VIRTUAL, .virtual_rate = 10, .console_fd = -1});
        f.accel.virtual_ns = 1000;
        assert_int_equal(clock_of(&f), 10000);
        assert_int_equal(wait_of(&f, 15000), 15000);
        f.accel.virtual_ns = 1001;
        assert_int_equal(clock_of(&f), 15010);
        close_live(&f);
}

static void a_virtual_wait_for_the_past_does_not_move_the_clock(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});
        f.accel.virtual_ns = 500;
        assert_int_equal(wait_of(&f, 400), 500);
        assert_int_equal(wait_of(&f, 500), 500);
        assert_int_equal(clock_of(&f), 500);
        close_live(&f);
}

static void the_clock_never_goes_backwards(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});
        f.accel.virtual_ns = 500;
        assert_int_equal(clock_of(&f), 500);
        f.accel.virtual_ns = 300;
        assert_int_equal(clock_of(&f), 500);
        close_live(&f);
}

static void an_accelerator_without_a_virtual_clock_is_an_error(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});
        f.accel.virtual_ns = UINT64_MAX;
        uint64_t now;
        assert_false(f.inputs->ops->clock(f.inputs, &now, &f.error));
        assert_string_equal(f.error.message, "the fake accelerator has no virtual clock; use --clock host");
        assert_false(f.inputs->ops->wait(f.inputs, 10, &now, &f.error));
        close_live(&f);
}

static void a_host_wait_ends_at_its_deadline(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = -1});
        uint64_t deadline = clock_of(&f) + 20 * MILLISECOND;
        uint64_t before = host_ns();
        assert_true(wait_of(&f, deadline) >= deadline);
        assert_true(host_ns() - before >= 15 * MILLISECOND);
        close_live(&f);
}

static struct hwaccl_live_inputs *interrupted;

static void on_alarm(int signal)
{
        (void)signal;
        hwaccl_live_inputs_stop(interrupted, HWACCL_STOP_INTERRUPTED);
}

static void a_signal_handler_ends_an_endless_wait_and_kicks(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = -1});
        interrupted = f.live;
        struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
        assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
        struct itimerval timer = {.it_value = {0, 20000}};
        assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);

        assert_int_equal(stop_of(&f), HWACCL_STOP_NONE);
        (void)wait_of(&f, UINT64_MAX);
        assert_int_equal(stop_of(&f), HWACCL_STOP_INTERRUPTED);
        assert_int_equal(atomic_load(&f.accel.kicks), 1);
        close_live(&f);
}

static void the_first_stop_request_stays(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});
        hwaccl_live_inputs_stop(f.live, HWACCL_STOP_UNTIL);
        hwaccl_live_inputs_stop(f.live, HWACCL_STOP_INTERRUPTED);
        assert_int_equal(stop_of(&f), HWACCL_STOP_UNTIL);
        (void)wait_of(&f, UINT64_MAX);
        close_live(&f);
}

static void a_stop_before_the_accelerator_is_attached_kicks_it(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});
        hwaccl_live_inputs_attach(f.live, NULL);
        hwaccl_live_inputs_stop(f.live, HWACCL_STOP_INTERRUPTED);
        assert_int_equal(atomic_load(&f.accel.kicks), 0);
        hwaccl_live_inputs_attach(f.live, &f.accel.accel);
        assert_int_equal(atomic_load(&f.accel.kicks), 1);
        close_live(&f);
}

static void max_exits_stops_in_exactly_that_exit(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f,
                  (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1, .max_exits = 3});
        for (int exit = 1; exit <= 2; exit++) {
                (void)clock_of(&f);
                assert_int_equal(stop_of(&f), HWACCL_STOP_NONE);
                assert_int_equal(stop_of(&f), HWACCL_STOP_NONE); /* asking twice is not another exit */
        }
        (void)clock_of(&f);
        assert_int_equal(stop_of(&f), HWACCL_STOP_MAX_EXITS);
        close_live(&f);
}

static void sleep_ms(long milliseconds)
{
        struct timespec pause = {0, milliseconds * (long)MILLISECOND};
        assert_int_equal(nanosleep(&pause, NULL), 0);
}

static void the_time_limit_ends_a_wait_and_kicks(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){
                              .clock = HWACCL_CLOCK_HOST, .console_fd = -1, .timeout_ns = 20 * MILLISECOND});
        (void)wait_of(&f, UINT64_MAX);
        assert_int_equal(stop_of(&f), HWACCL_STOP_TIMEOUT);
        close_live(&f);
        assert_int_equal(atomic_load(&f.accel.kicks), 1);
}

static void the_time_limit_counts_from_the_guests_start(void **state)
{
        (void)state;
        const struct hwaccl_live_inputs_config config = {
                .clock = HWACCL_CLOCK_HOST, .console_fd = -1, .timeout_ns = 10 * MILLISECOND};
        struct fixture f;
        struct hwaccl_live_inputs *live = hwaccl_live_inputs_create(&config, &f.error);

        assert_non_null(live);
        sleep_ms(40);
        assert_false(hwaccl_live_inputs_stopping(live));
        hwaccl_live_inputs_destroy(live);
}

static size_t typed_of(struct fixture *f, enum hwaccl_channel channel, void *buffer, size_t room)
{
        size_t size = room;
        assert_true(f->inputs->ops->console_read(f->inputs, channel, buffer, &size, &f->error));
        return size;
}

static void typed_bytes_end_a_wait_once_and_are_read_in_order(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = ends[0]});
        char buffer[8];
        assert_int_equal(typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, sizeof(buffer)), 0);

        assert_int_equal(write(ends[1], "hello", 5), 5);
        (void)wait_of(&f, UINT64_MAX);
        assert_true(atomic_load(&f.accel.kicks) >= 1);
        uint64_t deadline = clock_of(&f) + 10 * MILLISECOND;
        assert_true(wait_of(&f, deadline) >= deadline); /* nothing new: unread bytes do not end another wait */

        assert_int_equal(typed_of(&f, HWACCL_CHANNEL_DEBUG_E9, buffer, sizeof(buffer)), 0);
        assert_int_equal(typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, 2), 2);
        assert_memory_equal(buffer, "he", 2);
        assert_int_equal(typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, sizeof(buffer)), 3);
        assert_memory_equal(buffer, "llo", 3);
        assert_int_equal(typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, sizeof(buffer)), 0);
        close_live(&f);
        (void)close(ends[0]);
        (void)close(ends[1]);
}

#define LOTS 200000u

static void *type_lots(void *opaque)
{
        int fd = *(int *)opaque;
        for (uint32_t i = 0; i < LOTS; i++) {
                unsigned char byte = (unsigned char)(i * 7 + (i >> 8));
                if (write(fd, &byte, 1) != 1)
                        break;
        }
        (void)close(fd);
        return NULL;
}

static void more_typed_bytes_than_fit_are_neither_lost_nor_reordered(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = ends[0]});
        pthread_t typist;
        assert_int_equal(pthread_create(&typist, NULL, type_lots, &ends[1]), 0);

        uint32_t seen = 0;
        while (seen < LOTS) {
                unsigned char buffer[333];
                size_t size = typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, sizeof(buffer));
                for (size_t i = 0; i < size; i++, seen++)
                        assert_int_equal(buffer[i], (unsigned char)(seen * 7 + (seen >> 8)));
                if (!size && seen < LOTS)
                        (void)wait_of(&f, hwaccl_live_inputs_clock(f.live) + MILLISECOND);
        }
        assert_int_equal(pthread_join(typist, NULL), 0);
        close_live(&f);
        (void)close(ends[0]);
}

/* How often the threads have waited for something: in front of the system's function. */
static atomic_uint waits;

int ppoll(struct pollfd *watched, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
        struct timespec rest = timeout ? *timeout : (struct timespec){0, 0};

        (void)atomic_fetch_add(&waits, 1);
        return (int)syscall(SYS_ppoll, watched, count, timeout ? &rest : NULL, mask, _NSIG / 8);
}

static void a_full_buffer_takes_the_rest_when_there_is_room_again(void **state)
{
        (void)state;
        int ends[2];
        static unsigned char bytes[10000];
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)(i * 13 + (i >> 8));
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = ends[0]});

        atomic_store(&waits, 0);
        sleep_ms(60);                           /* the buffer fills up */
        assert_true(atomic_load(&waits) < 100); /* and no thread spins */
        size_t seen = 0;
        while (seen < sizeof(bytes)) {
                unsigned char buffer[1000];
                size_t size = typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, sizeof(buffer));
                assert_memory_equal(buffer, bytes + seen, size);
                seen += size;
                if (!size)
                        sleep_ms(1);
        }
        assert_int_equal(seen, sizeof(bytes));
        close_live(&f);
        (void)close(ends[0]);
        (void)close(ends[1]);
}

static void a_file_with_the_virtual_clock_is_all_there(void **state)
{
        (void)state;
        static unsigned char bytes[10000];
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)(i * 13 + (i >> 8));
        FILE *file = tmpfile();
        assert_non_null(file);
        assert_int_equal(write(fileno(file), bytes, sizeof(bytes)), sizeof(bytes));
        assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = fileno(file)});
        (void)wait_of(&f, UINT64_MAX); /* does not wait: something was typed */
        size_t seen = 0;
        while (seen < sizeof(bytes)) {
                unsigned char buffer[1000];
                size_t size = typed_of(&f, HWACCL_CHANNEL_SERIAL, buffer, sizeof(buffer));
                assert_int_equal(size, sizeof(buffer));
                assert_memory_equal(buffer, bytes + seen, size);
                seen += size;
        }
        assert_int_equal(typed_of(&f, HWACCL_CHANNEL_SERIAL, bytes, 1), 0);
        assert_int_equal(atomic_load(&f.accel.kicks), 0);
        close_live(&f);
        assert_int_equal(fclose(file), 0);
}

static void the_end_of_what_is_typed_costs_nothing(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){
                              .clock = HWACCL_CLOCK_HOST, .console_fd = ends[0], .timeout_ns = 3600000 * MILLISECOND});
        assert_int_equal(write(ends[1], "x", 1), 1);
        (void)wait_of(&f, UINT64_MAX);
        (void)close(ends[1]);
        atomic_store(&waits, 0);
        (void)wait_of(&f, hwaccl_live_inputs_clock(f.live) + 80 * MILLISECOND);
        assert_true(atomic_load(&waits) < 100);
        close_live(&f);
        (void)close(ends[0]);
}

static void the_host_clock_goes_on_when_an_accelerator_is_attached_again(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_HOST, .console_fd = -1});
        sleep_ms(5);
        hwaccl_live_inputs_attach(f.live, NULL);
        hwaccl_live_inputs_attach(f.live, &f.accel.accel);
        sleep_ms(1);
        uint64_t first = clock_of(&f);
        assert_true(first >= 6 * MILLISECOND);
        sleep_ms(1);
        assert_true(clock_of(&f) >= first + MILLISECOND);
        close_live(&f);
}

static void a_stop_request_leaves_errno_alone(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){.clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1});
        for (int i = 0; i < 2; i++) {
                errno = ENOTTY;
                hwaccl_live_inputs_stop(f.live, HWACCL_STOP_INTERRUPTED);
                assert_int_equal(errno, ENOTTY);
        }
        close_live(&f);
}

static void memory_and_wall_time_come_from_the_configuration(void **state)
{
        (void)state;
        struct fixture f;
        open_live(&f, (struct hwaccl_live_inputs_config){
                              .clock = HWACCL_CLOCK_VIRTUAL, .console_fd = -1, .wall_time = 1234567890});
        uint64_t seconds;
        assert_true(f.inputs->ops->wall_time(f.inputs, &seconds, &f.error));
        assert_int_equal(seconds, 1234567890);

        assert_true(hwaccl_guest_memory_write(&f.memory, 100, "guest", 5, false));
        char buffer[5];
        assert_true(f.inputs->ops->memory_read(f.inputs, HWACCL_INPUT_MEMORY, 100, buffer, 5, &f.error));
        assert_memory_equal(buffer, "guest", 5);
        assert_false(f.inputs->ops->memory_read(f.inputs, HWACCL_INPUT_MEMORY, 4094, buffer, 5, &f.error));
        assert_string_equal(f.error.message, "guest memory at ffe cannot be read: 5 bytes");
        close_live(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_host_clock_starts_near_zero_and_keeps_pace),
                cmocka_unit_test(the_clock_stands_at_zero_without_an_accelerator),
                cmocka_unit_test(the_virtual_clock_is_the_accelerators_plus_waits),
                cmocka_unit_test(a_rate_multiplies_what_is_executed_and_not_what_is_waited),
                cmocka_unit_test(a_virtual_wait_for_the_past_does_not_move_the_clock),
                cmocka_unit_test(the_clock_never_goes_backwards),
                cmocka_unit_test(an_accelerator_without_a_virtual_clock_is_an_error),
                cmocka_unit_test(a_host_wait_ends_at_its_deadline),
                cmocka_unit_test(a_signal_handler_ends_an_endless_wait_and_kicks),
                cmocka_unit_test(the_first_stop_request_stays),
                cmocka_unit_test(a_stop_before_the_accelerator_is_attached_kicks_it),
                cmocka_unit_test(max_exits_stops_in_exactly_that_exit),
                cmocka_unit_test(the_time_limit_ends_a_wait_and_kicks),
                cmocka_unit_test(the_time_limit_counts_from_the_guests_start),
                cmocka_unit_test(typed_bytes_end_a_wait_once_and_are_read_in_order),
                cmocka_unit_test(more_typed_bytes_than_fit_are_neither_lost_nor_reordered),
                cmocka_unit_test(a_full_buffer_takes_the_rest_when_there_is_room_again),
                cmocka_unit_test(a_file_with_the_virtual_clock_is_all_there),
                cmocka_unit_test(the_end_of_what_is_typed_costs_nothing),
                cmocka_unit_test(the_host_clock_goes_on_when_an_accelerator_is_attached_again),
                cmocka_unit_test(a_stop_request_leaves_errno_alone),
                cmocka_unit_test(memory_and_wall_time_come_from_the_configuration),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
