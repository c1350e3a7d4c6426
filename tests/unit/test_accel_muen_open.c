/* Opening the subject of the Muen accelerator: what its directory has to hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/muen_fixture.h"

static void refused(const char *mention)
{
        muen = hwaccl_muen_open(config(), &error);
        assert_null(muen);
        if (!strstr(error.message, mention) || !strstr(error.message, directory))
                fail_msg("another error than \"%s\": %s", mention, error.message);
}

static void the_subject_is_what_its_directory_says(void **state)
{
        (void)state;
        muen = hwaccl_muen_open(config(), &error);
        assert_non_null(muen);
        const struct hwaccl_muen_subject *subject = hwaccl_muen_subject(muen);
        assert_int_equal(subject->tsc_khz, 2000000);
        assert_int_equal(subject->ram_size, 4 * RAM_PART);
        assert_int_equal((uintptr_t)subject->ram % HWACCL_PAGE_SIZE, 0);
        assert_int_equal(subject->image_address, 0x7c00);
        assert_int_equal(subject->image_size, 512);
        assert_null(subject->firmware);
        assert_int_equal(subject->firmware_size, 0);
        for (unsigned i = 0; i < 4; i++) { /* one behind the other, and shared */
                char name[16];
                char byte = 'x';
                (void)snprintf(name, sizeof(name), "vm_ram_%u", i + 1);
                assert_memory_equal(subject->ram + i * RAM_PART, name, strlen(name));
                subject->ram[i * RAM_PART + 5] = (uint8_t)i;
                int file = open(path_of(name), O_RDONLY);
                assert_int_equal(pread(file, &byte, 1, 5), 1);
                (void)close(file);
                assert_int_equal(byte, i);
        }
}

static void firmware_is_taken_where_it_is_named(void **state)
{
        (void)state;
        add_region("vm_firmware", 0, 0x20000);
        write_info();
        write_file("vm_firmware", "firm", 4, 0x20000);
        muen = hwaccl_muen_open(config(), &error);
        assert_non_null(muen);
        const struct hwaccl_muen_subject *subject = hwaccl_muen_subject(muen);
        assert_int_equal(subject->firmware_size, 0x20000);
        assert_memory_equal(subject->firmware, "firm", 5);
        assert_int_equal(subject->image_size, 0);
}

static void what_is_missing_or_short_is_named(void **state)
{
        static const struct {
                const char *name;
                size_t size; /* 0: it is not there */
                const char *mention;
        } cases[] = {
                {"subject_info_page", 0, "subject_info_page: cannot open: No such file"},
                {"subject_info_page", 28599, "subject_info_page: has 28599 bytes, 28600 are needed"},
                {"monitor_state", 0, "monitor_state: cannot open"},
                {"monitor_state", 512, "monitor_state: has 512 bytes, 4096 are needed"},
                {"monitor_interrupts", 4095, "monitor_interrupts: has 4095 bytes"},
                {"monitor_timed_event", 24, "monitor_timed_event: has 24 bytes"},
                {"vm_ram_1", 4096, "vm_ram_1: has 4096 bytes, 4194304 are needed"},
                {"vm_ram_4", 0, "vm_ram_4: cannot open"},
                {"doorbell_run", 0, "doorbell_run: cannot open"},
                {"doorbell_exit", 0, "doorbell_exit: cannot open"},
                {"doorbell_poke", 0, "doorbell_poke: cannot open"},
                {"doorbell_exit", 8, "doorbell_exit: not a FIFO or a device"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char kept[128];
                (void)snprintf(kept, sizeof(kept), "%s/kept", directory);
                assert_int_equal(rename(path_of(cases[i].name), kept), 0);
                if (cases[i].size)
                        write_file(cases[i].name, NULL, 0, cases[i].size);
                refused(cases[i].mention);
                assert_int_equal(rename(kept, path_of(cases[i].name)), 0);
        }
        assert_int_equal(unlink(path_of("monitor_state")), 0);
        assert_int_equal(mkfifo(path_of("monitor_state"), 0600), 0);
        refused("monitor_state: not a file or a device");
}

static void what_subject_info_says_is_checked(void **state)
{
        const struct hwaccl_subject_info good = info;
        (void)state;

#define WRONG(statement, mention)                                                                                      \
        do {                                                                                                           \
                info = good;                                                                                           \
                statement;                                                                                             \
                write_info();                                                                                          \
                refused(mention);                                                                                      \
        } while (0)
        WRONG(info.magic++, "magic is");
        WRONG(info.tsc_khz = 0, "frequency of the TSC is zero");
        WRONG(info.tsc_khz = 999, "a TSC of 999 kHz");
        WRONG(info.tsc_khz = 100000001, "a TSC of 100000001 kHz");
        WRONG(info.tsc_khz = UINT64_MAX, "TSC");
        WRONG(info.resource[0].name_length--, "no memory region monitor_state");
        WRONG(info.resource[1].region_index = 0, "no memory region monitor_interrupts");
        WRONG(region("monitor_timed_event")->size = 4095, "monitor_timed_event is not a writable page: 4095 bytes");
        WRONG(region("monitor_state")->flags = 2, "monitor_state is not a writable page");
        WRONG(info.resource[3].name[0] = 'w', "no memory region vm_ram_1");
        WRONG(info.resource[5].name[0] = 'w', "no memory region vm_ram_3");
        WRONG(region("vm_ram_2")->address++, "vm_ram_2 begins at");
        WRONG(region("vm_ram_3")->size -= 4096, "vm_ram_4 begins at");
        WRONG(region("vm_ram_4")->size -= 1, "not a multiple of the page size");
        WRONG(region("vm_ram_4")->size = 0, "not a multiple of the page size");
        WRONG(region("vm_ram_4")->address = 0, "ends at");
        WRONG(region("vm_ram_4")->size = UINT64_C(0xc0000000), "VM RAM has");
        WRONG(region("vm_ram_1")->address = RAM_BASE + 4 * RAM_PART - 4096, "VM RAM has 4096 bytes");
        WRONG(region("vm_ram_1")->size = UINT64_MAX - RAM_BASE, "not a multiple of the page size");
        WRONG(region("vm_ram_2")->flags = 2, "vm_ram_2 is not writable");
        WRONG(region("vm_image")->address = MIB, "below 1 MiB");
        WRONG(region("vm_image")->size = 4 * RAM_PART - 0x7bff, "vm_image");
        WRONG(region("vm_image")->size = 0, "is empty");
        WRONG(add_region("vm_firmware", 0, 0x8000), "vm_firmware has 32768 bytes");
        WRONG(add_region("vm_firmware", 0, 17 * MIB), "vm_firmware has");
        WRONG(add_region("vm_firmware", 0, 0x20000), "vm_firmware: cannot open");
#undef WRONG
}

static void a_directory_without_a_listener_is_refused(void **state)
{
        (void)state;
        (void)close(run_bell);
        run_bell = -1;
        refused("doorbell_run: no process has it open for reading");
}

static void a_directory_without_a_ringer_is_refused(void **state)
{
        (void)state;
        (void)close(exit_bell);
        exit_bell = -1;
        refused("doorbell_exit: no process has it open for writing");
}

static void a_ring_before_the_first_run_is_refused(void **state)
{
        const uint64_t one = 1;
        (void)state;
        assert_int_equal(write(exit_bell, &one, sizeof(one)), sizeof(one));
        refused("doorbell_exit: was rung before the subject ran");
}

static void a_subject_may_bring_nothing_to_run(void **state)
{
        (void)state;
        info.resource[7].name[0] = 'w';
        write_info();
        muen = hwaccl_muen_open(config(), &error);
        assert_non_null(muen);
        assert_null(hwaccl_muen_subject(muen)->firmware);
        assert_int_equal(hwaccl_muen_subject(muen)->image_size, 0);
}

static void a_name_that_is_too_long_is_an_error(void **state)
{
        char longer[8192];
        (void)state;
        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        struct hwaccl_muen_config wanted = {.directory = longer};
        assert_null(hwaccl_muen_open(&wanted, &error));
        assert_non_null(strstr(error.message, "too long"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_subject_is_what_its_directory_says, make_directory,
                                                remove_directory),
                cmocka_unit_test_setup_teardown(firmware_is_taken_where_it_is_named, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(what_is_missing_or_short_is_named, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(what_subject_info_says_is_checked, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(a_directory_without_a_listener_is_refused, make_directory,
                                                remove_directory),
                cmocka_unit_test_setup_teardown(a_directory_without_a_ringer_is_refused, make_directory,
                                                remove_directory),
                cmocka_unit_test_setup_teardown(a_ring_before_the_first_run_is_refused, make_directory,
                                                remove_directory),
                cmocka_unit_test_setup_teardown(a_subject_may_bring_nothing_to_run, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_an_error, make_directory, remove_directory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
