#include "core/machine/board/bus.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A device that answers with its number and remembers the last access. */
struct fake {
        struct hwaccl_device device;
        uint32_t number;
        unsigned accesses;
        uint64_t address;
        unsigned size;
        uint64_t value;
        uint8_t array[5];
        uint16_t word;
        bool refuses;
        unsigned saved;
};

static void remember(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value)
{
        struct fake *fake = (struct fake *)device;
        fake->accesses++;
        fake->address = address;
        fake->size = size;
        fake->value = value;
}

static uint32_t port_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        remember(device, port, size, 0);
        return 0xabcdef00u | ((struct fake *)device)->number;
}

static void port_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        remember(device, port, size, value);
}

static uint64_t mmio_read(struct hwaccl_device *device, uint64_t address, unsigned size)
{
        remember(device, address, size, 0);
        return UINT64_C(0x1122334455667700) | ((struct fake *)device)->number;
}

static void mmio_write(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value)
{
        remember(device, address, size, value);
}

static void saving(struct hwaccl_device *device)
{
        ((struct fake *)device)->saved++;
}

static bool valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        if (((const struct fake *)device)->refuses)
                return hwaccl_error_set(error, "out of range");
        return true;
}

static const struct hwaccl_device_field fields[] = {
        HWACCL_DEVICE_FIELD(struct fake, number),
        HWACCL_DEVICE_FIELD(struct fake, array),
        HWACCL_DEVICE_FIELD(struct fake, word),
};
static const struct hwaccl_device_ops ops = {
        .name = "fake",
        .fields = fields,
        .field_count = 3,
        .port_read = port_read,
        .port_write = port_write,
        .mmio_read = mmio_read,
        .mmio_write = mmio_write,
        .saving = saving,
        .size = sizeof(struct fake),
        .valid = valid,
};
static const struct hwaccl_device_ops mute_ops = {.name = "mute"};

static struct hwaccl_bus bus;
static struct fake one;
static struct fake two;
static struct fake mute;

static int fill(void **state)
{
        (void)state;
        memset(&bus, 0, sizeof(bus));
        memset(&one, 0, sizeof(one));
        memset(&two, 0, sizeof(two));
        memset(&mute, 0, sizeof(mute));
        one.device.ops = two.device.ops = &ops;
        mute.device.ops = &mute_ops;
        one.number = 1;
        two.number = 2;
        hwaccl_bus_claim_ports(&bus, &one.device, 0x60, 1);
        hwaccl_bus_claim_ports(&bus, &one.device, 0x70, 4);
        hwaccl_bus_claim_ports(&bus, &two.device, 0x74, 2);
        hwaccl_bus_claim_ports(&bus, &mute.device, 0x80, 2);
        hwaccl_bus_claim_ports(&bus, &two.device, 0xffff, 1);
        hwaccl_bus_claim_mmio(&bus, &one.device, 0xfed00000, 0x1000);
        hwaccl_bus_claim_mmio(&bus, &two.device, 0xfed01000, 0x1000);
        hwaccl_bus_claim_mmio(&bus, &mute.device, 0xfee00000, 0x1000);
        return 0;
}

static void an_access_goes_to_the_owner_of_the_port(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x60, 1), 0x01);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x71, 2), 0xef01);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x70, 4), 0xabcdef01);
        assert_int_equal(one.accesses, 3);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x75, 1), 0x02);
        assert_int_equal(two.address, 0x75);
        hwaccl_bus_port_write(&bus, 0x72, 2, 0x12345678);
        assert_int_equal(one.address, 0x72);
        assert_int_equal(one.size, 2);
        assert_int_equal(one.value, 0x5678);
}

static void unclaimed_ports_read_as_ones_and_swallow_writes(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x100, 1), 0xff);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x100, 2), 0xffff);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x100, 4), 0xffffffff);
        hwaccl_bus_port_write(&bus, 0x100, 4, 1);
        assert_int_equal(one.accesses + two.accesses, 0);
}

static void an_access_across_owners_is_split_into_bytes(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x72, 4), 0x02020101);
        assert_int_equal(one.accesses, 2);
        assert_int_equal(two.accesses, 2);
        assert_int_equal(two.size, 1);
        hwaccl_bus_port_write(&bus, 0x73, 2, 0xaabb);
        assert_int_equal(one.address, 0x73);
        assert_int_equal(one.value, 0xbb);
        assert_int_equal(two.address, 0x74);
        assert_int_equal(two.value, 0xaa);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x5f, 2), 0x01ff);
}

static void the_port_space_does_not_wrap(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_bus_port_read(&bus, 0xffff, 1), 0x02);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0xffff, 2), 0xff02);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0xffff, 4), 0xffffff02);
        hwaccl_bus_port_write(&bus, 0xffff, 4, 0x11223344);
        assert_int_equal(two.value, 0x44);
        assert_int_equal(two.accesses, 4);
}

static void a_device_without_handlers_is_like_no_device(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x80, 2), 0xffff);
        hwaccl_bus_port_write(&bus, 0x80, 1, 0);
        assert_int_equal(hwaccl_bus_mmio_read(&bus, 0xfee00000, 4), 0xffffffff);
        hwaccl_bus_mmio_write(&bus, 0xfee00000, 4, 0);
}

static void mmio_goes_to_the_owner_of_the_address(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_bus_mmio_read(&bus, 0xfed00ff8, 8), UINT64_C(0x1122334455667701));
        assert_int_equal(hwaccl_bus_mmio_read(&bus, 0xfed01000, 4), 0x55667702);
        assert_int_equal(hwaccl_bus_mmio_read(&bus, 0xfed01fff, 1), 0x02);
        hwaccl_bus_mmio_write(&bus, 0xfed01004, 2, 0xdeadbeef);
        assert_int_equal(two.address, 0xfed01004);
        assert_int_equal(two.value, 0xbeef);
}

static void unclaimed_mmio_reads_as_ones(void **state)
{
        (void)state;
        for (unsigned size = 1; size <= 8; size *= 2)
                assert_int_equal(hwaccl_bus_mmio_read(&bus, 0xfecfffff - size, size), UINT64_MAX >> (64 - 8 * size));
        assert_int_equal(hwaccl_bus_mmio_read(&bus, 0xfed02000, 8), UINT64_MAX);
        hwaccl_bus_mmio_write(&bus, UINT64_MAX, 1, 0);
        assert_int_equal(one.accesses + two.accesses, 0);
}

static bool aborts(void (*call)(void))
{
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)signal(SIGABRT, SIG_DFL);
                (void)close(STDERR_FILENO);
                call();
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_mapped_range_takes_what_is_free_and_gives_back_what_it_took(void **state)
{
        (void)state;
        hwaccl_bus_map_ports(&bus, &two.device, 0x6e, 4); /* 70h and 71h are claimed already */
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x6d, 1), 0xff);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x6e, 1), 2);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x6f, 1), 2);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x70, 1), 1);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x72, 1), 1);
        hwaccl_bus_unmap_ports(&bus, &two.device, 0x6e, 3);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x6e, 2), 0xffff);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0x70, 1), 1);

        hwaccl_bus_map_ports(&bus, &two.device, 0xfff8, 64); /* the port space ends before the range does */
        assert_int_equal(hwaccl_bus_port_read(&bus, 0xfff8, 1), 2);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0, 1), 0xff);
        hwaccl_bus_unmap_ports(&bus, &two.device, 0xfff8, 64);
        assert_int_equal(hwaccl_bus_port_read(&bus, 0xfffe, 1), 0xff);
}

static void claim_taken_port(void)
{
        hwaccl_bus_claim_ports(&bus, &two.device, 0x72, 4);
}

static void claim_taken_mmio(void)
{
        hwaccl_bus_claim_mmio(&bus, &two.device, 0xfed00fff, 2);
}

static void claim_beyond_the_ports(void)
{
        hwaccl_bus_claim_ports(&bus, &two.device, 0xfff0, 17);
}

static void claim_free_ports(void)
{
        hwaccl_bus_claim_ports(&bus, &two.device, 0xfff0, 15);
}

static void overlapping_claims_are_a_broken_invariant(void **state)
{
        (void)state;
        assert_true(aborts(claim_taken_port));
        assert_true(aborts(claim_taken_mmio));
        assert_true(aborts(claim_beyond_the_ports));
        assert_false(aborts(claim_free_ports));
}

static void a_device_is_saved_packed_and_loaded_again(void **state)
{
        (void)state;
        struct hwaccl_error error;
        uint8_t saved[11];
        one.number = 0x04030201;
        memcpy(one.array, "array", 5);
        one.word = 0x0605;
        assert_int_equal(hwaccl_device_state_size(&one.device), sizeof(saved));
        hwaccl_device_save(&one.device, saved);
        assert_memory_equal(saved, "\1\2\3\4array\5\6", sizeof(saved));
        assert_int_equal(one.saved, 1);
        assert_true(hwaccl_device_load(&two.device, saved, sizeof(saved), &error));
        assert_int_equal(two.number, 0x04030201);
        assert_memory_equal(two.array, "array", 5);
        assert_int_equal(two.word, 0x0605);
}

static void a_state_of_the_wrong_size_or_content_is_refused(void **state)
{
        (void)state;
        struct hwaccl_error error;
        const uint8_t saved[12] = {0};
        assert_false(hwaccl_device_load(&two.device, saved, 10, &error));
        assert_string_equal(error.message, "state of device fake has 10 bytes, expected 11");
        assert_false(hwaccl_device_load(&two.device, saved, 12, &error));
        assert_int_equal(two.number, 2);
        two.refuses = true;
        assert_false(hwaccl_device_load(&two.device, saved, 11, &error));
        assert_string_equal(error.message, "state of device fake: out of range");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill)
        const struct CMUnitTest tests[] = {
                TEST(an_access_goes_to_the_owner_of_the_port),
                TEST(unclaimed_ports_read_as_ones_and_swallow_writes),
                TEST(an_access_across_owners_is_split_into_bytes),
                TEST(the_port_space_does_not_wrap),
                TEST(a_device_without_handlers_is_like_no_device),
                TEST(mmio_goes_to_the_owner_of_the_address),
                TEST(unclaimed_mmio_reads_as_ones),
                TEST(a_mapped_range_takes_what_is_free_and_gives_back_what_it_took),
                TEST(overlapping_claims_are_a_broken_invariant),
                TEST(a_device_is_saved_packed_and_loaded_again),
                TEST(a_state_of_the_wrong_size_or_content_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
