#include "core/host/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PAGE HWACCL_PAGE_SIZE

/* What reaches the probe, in order: "i:KIND:ADDRESS:VALUE:SIZE" and "e:…". */
static char seen[4096];
static uint8_t last_data[HWACCL_INPUT_SIZE_MAX];

static void write_down(char what, unsigned kind, uint64_t address, uint64_t value, const void *data, uint32_t size)
{
        size_t used = strlen(seen);
        (void)snprintf(seen + used, sizeof(seen) - used, "%s%c:%u:%llx:%llx:%u", used ? " " : "", what, kind,
                       (unsigned long long)address, (unsigned long long)value, size);
        assert_true(size <= sizeof(last_data));
        assert_int_equal(data != NULL, size != 0);
        if (data)
                memcpy(last_data, data, size);
}

static void on_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        (void)probe;
        write_down('i', input->kind, input->address, input->value, input->data, input->size);
}

static void on_effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        (void)probe;
        write_down('e', effect->kind, effect->address, effect->value, effect->data, effect->size);
}

static const struct hwaccl_probe_ops probe_ops = {.input = on_input, .effect = on_effect};
static struct hwaccl_probe probe = {&probe_ops};

static struct hwaccl_guest_memory memory;
static struct hwaccl_host host;
static struct hwaccl_error error;
static const char *failing;
static enum hwaccl_stop_request stop;

static bool works(const char *what, struct hwaccl_error *input_error)
{
        if (failing && (!*failing || strcmp(failing, what) == 0))
                return hwaccl_error_set(input_error, "no %s", what);
        return true;
}

static bool clock(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *input_error)
{
        (void)inputs;
        *now_ns = 0x100;
        return works("clock", input_error);
}

static bool wait(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *input_error)
{
        (void)inputs;
        *now_ns = deadline_ns + 1;
        return works("wait", input_error);
}

static bool memory_read(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                        size_t size, struct hwaccl_error *input_error)
{
        (void)inputs;
        (void)kind;
        if (!works("memory", input_error))
                return false;
        return hwaccl_guest_memory_read(&memory, address, buffer, size);
}

static bool console_read(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                         struct hwaccl_error *input_error)
{
        (void)inputs;
        if (!works("console", input_error))
                return false;
        if (channel != HWACCL_CHANNEL_SERIAL)
                *size = 0;
        if (*size > 3)
                *size = 3;
        memcpy(buffer, "key", *size);
        return true;
}

static bool wall_time(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *input_error)
{
        (void)inputs;
        *seconds = 0x5000;
        return works("wall time", input_error);
}

static bool stop_requested(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request,
                           struct hwaccl_error *input_error)
{
        (void)inputs;
        *request = stop;
        return works("stop request", input_error);
}

static bool disk_fault;

static bool disk_read(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                      bool *fault, struct hwaccl_error *input_error)
{
        (void)inputs;
        (void)disk;
        (void)offset;
        memset(buffer, 0x5a, size);
        *fault = disk_fault;
        return works("disk", input_error);
}

static bool disk_write(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                       bool *fault, struct hwaccl_error *input_error)
{
        (void)inputs;
        (void)disk;
        (void)offset;
        (void)data;
        (void)size;
        *fault = disk_fault;
        return works("disk", input_error);
}

static bool disk_flush(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *input_error)
{
        (void)inputs;
        (void)disk;
        *fault = disk_fault;
        return works("disk", input_error);
}

static const struct hwaccl_inputs_ops inputs_ops = {clock,          wait,      memory_read, console_read, wall_time,
                                                    stop_requested, disk_read, disk_write,  disk_flush};
static struct hwaccl_inputs inputs = {.ops = &inputs_ops};

static int open_host(void **state)
{
        (void)state;
        seen[0] = '\0';
        failing = NULL;
        disk_fault = false;
        stop = HWACCL_STOP_NONE;
        hwaccl_guest_memory_init(&memory, true);
        assert_true(hwaccl_guest_memory_add(&memory, 0, 4 * PAGE, true, &error));
        assert_true(hwaccl_guest_memory_add(&memory, 4 * PAGE, PAGE, false, &error));
        hwaccl_host_init(&host, &inputs, &probe, &memory);
        return 0;
}

static int close_host(void **state)
{
        (void)state;
        hwaccl_guest_memory_destroy(&memory);
        return 0;
}

static void every_input_goes_to_the_probe_in_order(void **state)
{
        (void)state;
        char buffer[8];
        hwaccl_host_sample_clock(&host);
        assert_int_equal(hwaccl_host_clock(&host), 0x100);
        assert_int_equal(hwaccl_host_wall_time(&host), 0x5000);
        assert_true(hwaccl_host_instruction_read(&host, 0x10, buffer, 2));
        assert_true(hwaccl_host_guest_memory_read(&host, 0x20, buffer, 8));
        assert_int_equal(hwaccl_host_console_read(&host, HWACCL_CHANNEL_SERIAL, buffer, 8), 3);
        assert_memory_equal(last_data, "key", 3);
        stop = HWACCL_STOP_TIMEOUT;
        assert_int_equal(hwaccl_host_stop_requested(&host), HWACCL_STOP_TIMEOUT);
        hwaccl_host_wait(&host, 0x200);
        assert_int_equal(hwaccl_host_clock(&host), 0x201);
        assert_string_equal(seen, "i:0:0:100:0 i:5:0:5000:0 i:2:10:0:2 i:3:20:0:8 i:4:0:0:3 i:6:0:2:0 i:1:200:201:0");
}

static void a_page_walk_goes_to_the_probe_when_it_is_over(void **state)
{
        (void)state;
        const uint64_t table = 0x2023;
        uint64_t entry = 1;
        assert_true(hwaccl_guest_memory_write(&memory, 0x1000, &table, sizeof(table), false));
        assert_true(hwaccl_host_table_read(&host, 0x1000, &entry, 8));
        assert_int_equal(entry, table);
        assert_false(hwaccl_host_table_read(&host, 5 * PAGE, &entry, 8));
        assert_string_equal(seen, "");
        const struct hwaccl_table_entry walk[] = {{0x1000, table}, {0x2000, 7}};
        hwaccl_host_table_walked(&host, walk, 2, 8);
        assert_string_equal(seen, "i:3:1000:0:8 i:3:2000:0:8");
        assert_memory_equal(last_data, &walk[1].value, 8);
        failing = "memory";
        assert_false(hwaccl_host_table_read(&host, 0x1000, &entry, 8));
        assert_string_equal(host.error.message, "no memory");
        host.probe = NULL;
        hwaccl_host_table_walked(&host, walk, 2, 8);
        assert_string_equal(seen, "i:3:1000:0:8 i:3:2000:0:8");
}

static void every_effect_goes_to_the_probe_in_order(void **state)
{
        (void)state;
        hwaccl_host_irq_line_changed(&host, 4, true);
        assert_true(hwaccl_host_guest_memory_write(&host, 0x30, "data", 4));
        assert_memory_equal(last_data, "data", 4);
        hwaccl_host_console_write(&host, HWACCL_CHANNEL_DEBUG_E9, "text", 4);
        hwaccl_host_irq_line_changed(&host, 4, false);
        hwaccl_host_stopped(&host, 1, 0x55);
        assert_string_equal(seen, "e:2:4:1:0 e:0:30:0:4 e:1:2:0:4 e:2:4:0:0 e:3:1:55:0");
}

static void disks_are_read_as_inputs_and_written_as_effects(void **state)
{
        (void)state;
        uint8_t bytes[512] = "sector";
        assert_true(hwaccl_host_disk_write(&host, 1, 0x400, bytes, 512));
        assert_memory_equal(last_data, bytes, 512);
        assert_true(hwaccl_host_disk_read(&host, 2, 0x800, bytes, 512));
        assert_int_equal(bytes[511], 0x5a);
        assert_int_equal(last_data[511], 0x5a);
        assert_true(hwaccl_host_disk_flush(&host, 3));
        assert_string_equal(seen, "e:4:400:1:512 i:7:800:2:512 e:5:0:3:0");
        assert_false(host.failed);
}

static void a_disk_that_fails_is_an_input_and_no_failure_of_the_host(void **state)
{
        (void)state;
        uint8_t bytes[512] = "sector";
        disk_fault = true;
        assert_false(hwaccl_host_disk_write(&host, 1, 0x400, bytes, 512));
        assert_false(hwaccl_host_disk_read(&host, 2, 0x800, bytes, 512));
        assert_int_equal(bytes[0], 0);
        assert_false(hwaccl_host_disk_flush(&host, 3));
        assert_string_equal(seen, "e:4:400:1:512 i:8:400:1:0 i:8:800:2:0 e:5:0:3:0 i:8:0:3:0");
        assert_false(host.failed);
        failing = "disk";
        disk_fault = false;
        (void)hwaccl_host_disk_read(&host, 2, 0x800, bytes, 512);
        assert_true(host.failed);
        assert_int_equal(bytes[511], 0);
}

static void what_is_nothing_is_no_input(void **state)
{
        (void)state;
        char buffer[8];
        assert_int_equal(hwaccl_host_console_read(&host, HWACCL_CHANNEL_DEBUG_402, buffer, 8), 0);
        assert_int_equal(hwaccl_host_stop_requested(&host), HWACCL_STOP_NONE);
        assert_string_equal(seen, "");
}

static void long_reads_and_writes_are_cut_into_pieces(void **state)
{
        (void)state;
        static uint8_t bytes[2 * PAGE + 5];
        memset(bytes, 7, sizeof(bytes));
        assert_true(hwaccl_host_guest_memory_write(&host, 1, bytes, sizeof(bytes)));
        assert_string_equal(seen, "e:0:1:0:4096 e:0:1001:0:4096 e:0:2001:0:5");
        seen[0] = '\0';
        memset(bytes, 0, sizeof(bytes));
        assert_true(hwaccl_host_guest_memory_read(&host, 1, bytes, sizeof(bytes)));
        assert_string_equal(seen, "i:3:1:0:4096 i:3:1001:0:4096 i:3:2001:0:5");
        assert_int_equal(bytes[0], 7);
        assert_int_equal(bytes[sizeof(bytes) - 1], 7);
}

static void what_is_no_memory_is_neither_read_nor_written(void **state)
{
        (void)state;
        uint8_t bytes[4] = {1, 2, 3, 4};
        assert_false(hwaccl_host_guest_memory_write(&host, 5 * PAGE - 2, bytes, 4));
        assert_false(hwaccl_host_guest_memory_read(&host, 5 * PAGE - 2, bytes, 4));
        assert_memory_equal(bytes, "\0\0\0\0", 4);
        assert_string_equal(seen, "");
        assert_false(host.failed);
}

static void writes_to_rom_are_dropped_and_are_no_effect(void **state)
{
        (void)state;
        assert_true(hwaccl_host_guest_memory_write(&host, 4 * PAGE, "x", 1));
        assert_string_equal(seen, "");
        assert_int_equal(memory.run[1].host[0], 0);
        assert_true(hwaccl_host_guest_memory_write(&host, 4 * PAGE - 1, "xy", 2)); /* the part in RAM is written */
        assert_string_equal(seen, "e:0:3fff:0:1");
        assert_int_equal(memory.run[1].host[0], 0);
}

static uint64_t written_address;
static uint64_t written_size;

static void on_memory_written(void *opaque, uint64_t address, uint64_t size)
{
        assert_ptr_equal(opaque, &host);
        written_address = address;
        written_size = size;
}

static void the_accelerator_is_told_of_writes(void **state)
{
        (void)state;
        host.memory_written = on_memory_written;
        host.memory_written_opaque = &host;
        assert_true(hwaccl_host_guest_memory_write(&host, 0x123, "abc", 3));
        assert_int_equal(written_address, 0x123);
        assert_int_equal(written_size, 3);
        written_size = 0;
        assert_true(hwaccl_host_guest_memory_write(&host, 4 * PAGE, "abc", 3));
        assert_int_equal(written_size, 0);
}

static char printed[16];

static void on_console(void *opaque, enum hwaccl_channel channel, const void *data, size_t size)
{
        assert_ptr_equal(opaque, printed);
        assert_int_equal(channel, HWACCL_CHANNEL_SERIAL);
        memcpy(printed, data, size);
        printed[size] = '\0';
}

static void what_the_guest_prints_goes_to_the_console_and_the_probe(void **state)
{
        (void)state;
        host.console = on_console;
        host.console_opaque = printed;
        hwaccl_host_console_write(&host, HWACCL_CHANNEL_SERIAL, "hello", 5);
        assert_string_equal(printed, "hello");
        assert_string_equal(seen, "e:1:0:0:5");
}

static void all_works_without_a_probe(void **state)
{
        (void)state;
        char buffer[4];
        host.probe = NULL;
        hwaccl_host_sample_clock(&host);
        assert_true(hwaccl_host_guest_memory_write(&host, 0, "abc", 4));
        assert_true(hwaccl_host_guest_memory_read(&host, 0, buffer, 4));
        assert_string_equal(buffer, "abc");
        hwaccl_host_console_write(&host, HWACCL_CHANNEL_SERIAL, "x", 1);
        hwaccl_host_irq_line_changed(&host, 0, true);
        hwaccl_host_stopped(&host, 1, 0);
        assert_string_equal(seen, "");
}

static void a_failed_input_gives_zeros_and_is_no_input(void **state)
{
        (void)state;
        char buffer[4] = {1, 2, 3, 4};
        hwaccl_host_sample_clock(&host);
        seen[0] = '\0';
        failing = ""; /* everything */
        hwaccl_host_sample_clock(&host);
        hwaccl_host_wait(&host, 0x200);
        assert_int_equal(hwaccl_host_clock(&host), 0x100);
        assert_true(hwaccl_host_guest_memory_read(&host, 0, buffer, 4));
        assert_memory_equal(buffer, "\0\0\0\0", 4);
        assert_int_equal(hwaccl_host_console_read(&host, HWACCL_CHANNEL_SERIAL, buffer, 4), 0);
        assert_int_equal(hwaccl_host_wall_time(&host), 0);
        assert_int_equal(hwaccl_host_stop_requested(&host), HWACCL_STOP_NONE);
        assert_string_equal(seen, "");
        assert_true(host.failed);
        assert_string_equal(host.error.message, "no clock");
}

static void the_first_failure_stays(void **state)
{
        (void)state;
        static const char *const inputs_that_fail[] = {"clock",   "wait",      "memory",
                                                       "console", "wall time", "stop request"};
        for (size_t i = 0; i < 6; i++) {
                char buffer[4];
                char expected[32];
                hwaccl_host_init(&host, &inputs, &probe, &memory);
                failing = inputs_that_fail[i];
                hwaccl_host_sample_clock(&host);
                hwaccl_host_wait(&host, 1);
                (void)hwaccl_host_guest_memory_read(&host, 0, buffer, 4);
                (void)hwaccl_host_console_read(&host, HWACCL_CHANNEL_SERIAL, buffer, 4);
                (void)hwaccl_host_wall_time(&host);
                (void)hwaccl_host_stop_requested(&host);
                (void)snprintf(expected, sizeof(expected), "no %s", inputs_that_fail[i]);
                assert_true(host.failed);
                assert_string_equal(host.error.message, expected);
                hwaccl_host_fail(&host, "later");
                assert_string_equal(host.error.message, expected);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_host, close_host)
        const struct CMUnitTest tests[] = {
                TEST(every_input_goes_to_the_probe_in_order),
                TEST(a_page_walk_goes_to_the_probe_when_it_is_over),
                TEST(every_effect_goes_to_the_probe_in_order),
                TEST(disks_are_read_as_inputs_and_written_as_effects),
                TEST(a_disk_that_fails_is_an_input_and_no_failure_of_the_host),
                TEST(what_is_nothing_is_no_input),
                TEST(long_reads_and_writes_are_cut_into_pieces),
                TEST(what_is_no_memory_is_neither_read_nor_written),
                TEST(writes_to_rom_are_dropped_and_are_no_effect),
                TEST(the_accelerator_is_told_of_writes),
                TEST(what_the_guest_prints_goes_to_the_console_and_the_probe),
                TEST(all_works_without_a_probe),
                TEST(a_failed_input_gives_zeros_and_is_no_input),
                TEST(the_first_failure_stays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
