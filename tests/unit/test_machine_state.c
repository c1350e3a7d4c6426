/* Building machines, and saving, loading and comparing the state of all their devices. */
#include "tests/fixtures/machine_fixture.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

static uint8_t image[256 * 1024];

static struct hwaccl_machine_config usable_config(void)
{
        return (struct hwaccl_machine_config){
                .memory_size = 16 * MIB,
                .tsc_khz = 1000000,
                .backed = true,
                .firmware = image,
                .firmware_size = sizeof(image),
        };
}

static void assert_refused(const struct hwaccl_machine_config *config, const char *part)
{
        struct hwaccl_error error = {""};

        assert_null(hwaccl_machine_create(config, &error));
        if (!strstr(error.message, part))
                fail_msg("\"%s\" does not say \"%s\"", error.message, part);
}

static void sizes_out_of_range_are_refused(void **state)
{
        (void)state;
        struct hwaccl_machine_config config = usable_config();

        config.memory_size = MIB - 4096;
        assert_refused(&config, "memory size");
        config.memory_size = HWACCL_MEMORY_SIZE_MAX + 4096;
        assert_refused(&config, "memory size");
        config.memory_size = MIB + 1;
        assert_refused(&config, "page size");
        config = usable_config();
        config.tsc_khz = 0;
        assert_refused(&config, "TSC");
        for (unsigned i = 0; i < 3; i++) {
                static const size_t size[] = {32 * 1024, 100000, 17 << 20};
                config = usable_config();
                config.firmware_size = size[i];
                assert_refused(&config, "firmware size");
        }
        config = usable_config();
        config.raw_count = HWACCL_RAW_MAX + 1;
        assert_refused(&config, "raw images");
        config.raw_count = 0;
        config.firmware_size = 0;
        assert_refused(&config, "nothing to run");
        config.raw_count = 1;
        config.raw[0] = (struct hwaccl_raw_image){MIB, image, 4};
        assert_refused(&config, "below 1 MiB");
        config.raw[0] = (struct hwaccl_raw_image){0x9fffe, image, 4};
        assert_refused(&config, "does not fit");
        config = usable_config();
        config.raw_count = 1;
        config.raw[0] = (struct hwaccl_raw_image){UINT64_C(0x100000000) - 64 * KIB, image, 4};
        assert_refused(&config, "does not fit"); /* no way into ROM */
        config.raw[0] = (struct hwaccl_raw_image){UINT64_MAX, image, 4};
        assert_refused(&config, "does not fit");
}

static void firmware_ends_at_4_gib_and_its_last_128_kib_below_1_mib(void **state)
{
        (void)state;
        struct hwaccl_machine_config config = usable_config();
        struct hwaccl_error error;
        uint8_t byte;

        for (size_t i = 0; i < sizeof(image); i++)
                image[i] = (uint8_t)(i >> 12);
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        assert_non_null(machine);
        static const struct {
                uint64_t address;
                uint8_t byte;
        } known[] = {{0xfffc0000, 0}, {0xffffffff, 63}, {0xfffff, 63}, {0xe0000, 32}, {0xdffff, 0}};
        for (unsigned i = 0; i < 5; i++) {
                assert_true(hwaccl_guest_memory_read(&machine->board.memory, known[i].address, &byte, 1));
                assert_int_equal(byte, known[i].byte);
        }
        assert_true(hwaccl_guest_memory_write(&machine->board.memory, 0xfffff, &byte, 1, false));
        assert_false(hwaccl_guest_memory_write(&machine->board.memory, 0xffffffff, &byte, 1, false));
        assert_false(hwaccl_guest_memory_covers(&machine->board.memory, 0xa0000, 1));
        assert_false(hwaccl_guest_memory_covers(&machine->board.memory, 0xbffff, 1));
        assert_false(hwaccl_guest_memory_covers(&machine->board.memory, 16 * MIB, 1));
        struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
        assert_non_null(vcpu);
        assert_int_equal(vcpu->context.rip, 0xfff0);
        assert_int_equal(vcpu->context.segment[HWACCL_CS].base, 0xffff0000);
        hwaccl_vcpu_destroy(vcpu);
        hwaccl_machine_destroy(machine);
}

static void a_raw_guest_starts_in_real_mode_at_its_first_image(void **state)
{
        (void)state;
        static const struct {
                uint64_t address, cs, ip;
        } known[] = {{0x7c00, 0, 0x7c00}, {0xfff0, 0, 0xfff0}, {0x10005, 0x1000, 5}, {0x9fff0, 0x9fff, 0}};

        for (unsigned i = 0; i < 4; i++) {
                struct hwaccl_machine_config config = usable_config();
                struct hwaccl_error error;

                config.firmware_size = 0;
                config.raw_count = 2;
                config.raw[0] = (struct hwaccl_raw_image){known[i].address, image, 16};
                config.raw[1] = (struct hwaccl_raw_image){MIB, image, 16};
                struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
                assert_non_null(machine);
                struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
                assert_non_null(vcpu);
                const struct hwaccl_machine_context *context = &vcpu->context;
                assert_int_equal(context->segment[HWACCL_CS].selector, known[i].cs);
                assert_int_equal(context->segment[HWACCL_CS].base, known[i].cs << 4);
                assert_int_equal(context->rip, known[i].ip);
                assert_int_equal(context->gpr[HWACCL_RSP], 0x7000);
                assert_int_equal(context->cr0 & 1, 0);
                hwaccl_vcpu_destroy(vcpu);
                hwaccl_machine_destroy(machine);
        }
}

/* All states of a machine, one after the other. */
static size_t save_all(struct hwaccl_machine *machine, uint8_t *to)
{
        size_t size = 0;

        for (size_t i = 0; i < machine->board.device_count; i++) {
                hwaccl_device_save(machine->board.device[i], to + size);
                size += hwaccl_device_state_size(machine->board.device[i]);
        }
        return size;
}

static void load_all(struct hwaccl_machine *machine, const uint8_t *from)
{
        for (size_t i = 0; i < machine->board.device_count; i++) {
                struct hwaccl_error error = {""};
                size_t size = hwaccl_device_state_size(machine->board.device[i]);
                if (!hwaccl_device_load(machine->board.device[i], from, size, &error))
                        fail_msg("%s", error.message);
                from += size;
        }
}

/* Something in every device. */
static void use_all(struct fixture *f)
{
        init_pics(f, 0x30, 0x38);
        out8(f, 0x43, 0x36);
        out8(f, 0x40, 0x55);
        out8(f, 0x40, 0x12);
        out8(f, 0x70, 0x0b);
        out8(f, 0x71, 0x72);
        out8(f, 0x70, 0x04);
        in8(f, 0x71);
        strcpy(f->typed, "typed");
        out8(f, 0x3fa, 0x01);
        in8(f, 0x3fd);
        out8(f, 0x60, 0xf2);
        out8(f, 0x61, 0x03);
        out32(f, 0xcf8, 0x80000b40);
        out32(f, 0xcfc, 0xb000);
        out32(f, 0xcf8, 0x80000b80);
        out32(f, 0xcfc, 1);
        out16(f, 0xb002, 1);
        out16(f, 0xb004, 1);
        out16(f, 0x510, 0x19);
        in8(f, 0x511);
        out8(f, 0x82, 0x12);
        raise_line(f, 9);
}

static void a_loaded_machine_goes_on_as_the_saved_one_would(void **state)
{
        (void)state;
        static uint8_t saved[16384];
        static uint8_t of_first[16384];
        static uint8_t of_second[16384];
        struct fixture first;
        struct fixture second;

        fixture_init(&first, NULL, 0);
        fixture_init(&second, NULL, 0);
        first.wall_time = 1709208000;
        set_clock(&first, 12345678);
        use_all(&first);
        set_clock(&first, 98765432);
        size_t size = save_all(first.machine, saved);
        assert_true(size < sizeof(saved));

        second.vcpu->host.now_ns = first.clock;
        load_all(second.machine, saved);
        assert_int_equal(save_all(second.machine, of_second), size);
        assert_memory_equal(of_second, saved, size);
        assert_true(hwaccl_board_deadline(&second.machine->board) == hwaccl_board_deadline(&first.machine->board));

        for (unsigned i = 1; i <= 200; i++) {
                uint64_t next = hwaccl_board_deadline(&first.machine->board) + i;
                set_clock(&first, next);
                set_clock(&second, next);
                uint16_t port = (uint16_t[]){0x40, 0x61, 0x71, 0x3f8, 0x60, 0xb008, 0x511, 0x20, 0xb000, 0x3fa}[i % 10];
                assert_int_equal(in8(&first, port), in8(&second, port));
                save_all(first.machine, of_first);
                save_all(second.machine, of_second);
                assert_memory_equal(of_first, of_second, size);
        }
        fixture_destroy(&first);
        fixture_destroy(&second);
}

static struct hwaccl_device *device_named(struct fixture *f, const char *name)
{
        for (size_t i = 0; i < f->machine->board.device_count; i++)
                if (strcmp(f->machine->board.device[i]->ops->name, name) == 0)
                        return f->machine->board.device[i];
        fail_msg("no device %s", name);
        return NULL;
}

static void values_that_cannot_be_are_refused(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *device, *field;
                uint8_t value; /* of every byte of the field */
        } impossible[] = {
                {"pic", "master.step", 5},
                {"pic", "slave.lowest", 8},
                {"pic", "master.base", 0x21},
                {"pic", "master.lines", 4},
                {"pic", "slave.poll", 2},
                {"pit", "channel[0].mode", 6},
                {"pit", "channel[1].access", 0},
                {"pit", "channel[2].latched", 3},
                {"pit", "channel[0].counting", 1},
                {"pit", "channel[0].next", 1},
                {"pit", "channel[0].count", 0xff},
                {"pit", "synchronized", 0xff},
                {"rtc", "started", 2},
                {"rtc", "weekday_shift", 7},
                {"rtc", "second_start", 0x11},
                {"rtc", "cmos", 0xff},
                {"uart", "received_count", 17},
                {"uart", "mcr", 0x20},
                {"uart", "fcr", 0x02},
                {"i8042", "count", 17},
                {"i8042", "source", 4},
                {"i8042", "scan_code_set", 0},
                {"system_control", "a20", 2},
                {"system_control", "port_b", 0x10},
                {"acpi", "pm1_control", 0xff},
                {"acpi", "synchronized", 0xff},
                {"pci", "address", 0xff},
                {"pci", "reset_control", 1},
        };

        for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
                struct hwaccl_device *device = device_named(f, impossible[i].device);
                uint8_t saved[HWACCL_DEVICE_STATE_MAX];
                uint8_t changed[HWACCL_DEVICE_STATE_MAX];
                struct hwaccl_error error = {""};
                size_t size = hwaccl_device_state_size(device);
                size_t offset = 0;
                const struct hwaccl_device_field *field = device->ops->fields;

                while (strcmp(field->name, impossible[i].field) != 0)
                        offset += (field++)->size;
                hwaccl_device_save(device, saved);
                memcpy(changed, saved, size);
                memset(changed + offset, impossible[i].value, field->size);
                if (hwaccl_device_load(device, changed, size, &error))
                        fail_msg("%s takes %s = %u", impossible[i].device, impossible[i].field, impossible[i].value);
                assert_non_null(strstr(error.message, impossible[i].device));
                assert_true(hwaccl_device_load(device, saved, size, &error));
                assert_false(hwaccl_device_load(device, saved, size - 1, &error));
        }
}

#define DISK_SECTORS 200u

/* A machine with disks on both channels, so that it has every device. */
static int set_up_with_disks(void **state)
{
        static uint8_t contents[3][DISK_SECTORS * HWACCL_DISK_SECTOR_SIZE];
        static const struct hwaccl_disk disks[] = {{DISK_SECTORS, false}, {DISK_SECTORS, true}, {DISK_SECTORS, false}};
        struct fixture *f = malloc(sizeof(*f));

        if (!f)
                return -1;
        fixture_init_with_disks(f, NULL, 0, disks, 3);
        for (unsigned i = 0; i < 3; i++)
                f->disk[i] = contents[i];
        *state = f;
        return 0;
}

static uint32_t next_random(uint32_t *seed)
{
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

/* Bytes of a state that a device saved, some of them others. */
static void change_some(uint8_t *state, size_t size, uint32_t *seed)
{
        for (unsigned changes = 1 + next_random(seed) % 8; changes; changes--)
                state[next_random(seed) % size] = (uint8_t)next_random(seed);
}

static void a_refused_state_leaves_the_device_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_error error;
        uint32_t seed = 1;
        unsigned refused = 0;

        for (size_t i = 0; i < f->machine->board.device_count; i++) {
                struct hwaccl_device *device = f->machine->board.device[i];
                size_t size = hwaccl_device_state_size(device);
                for (unsigned round = 0; round < 300; round++) {
                        uint8_t before[HWACCL_DEVICE_STATE_MAX], given[HWACCL_DEVICE_STATE_MAX];
                        uint8_t after[HWACCL_DEVICE_STATE_MAX];
                        hwaccl_device_save(device, before);
                        memcpy(given, before, size);
                        change_some(given, size, &seed);
                        bool possible = hwaccl_device_check(device, given, size, &error);
                        hwaccl_device_save(device, after);
                        assert_memory_equal(after, before, size);
                        assert_int_equal(hwaccl_device_load(device, given, size, &error), possible);
                        hwaccl_device_save(device, after);
                        if (!possible)
                                assert_memory_equal(after, before, size);
                        refused += !possible;
                }
        }
        assert_true(refused > 100);
}

static const uint16_t every_port[] = {0x00,  0x08,  0x20,  0x21,  0x40,  0x41,  0x42,   0x43,  0x60,  0x61,
                                      0x64,  0x70,  0x71,  0x81,  0x92,  0xa0,  0xa1,   0xb2,  0xb3,  0xc0,
                                      0xdf,  0xf4,  0x1f0, 0x1f1, 0x1f2, 0x1f6, 0x1f7,  0x3f6, 0x170, 0x177,
                                      0x376, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd,  0x3fe, 0x402, 0x510,
                                      0x511, 0x514, 0x518, 0xcf8, 0xcf9, 0xcfc, 0xb000, 0xb008};

/* No check stands between: what memory holds may be anything, and an access must stay within the device all the same.
 * The sanitizers look on. */
static void devices_stay_within_their_bounds_whatever_their_fields_hold(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_board *board = &f->machine->board;
        uint32_t seed = 2;

        for (unsigned round = 0; round < 2000; round++) {
                /* the first is the processor, whose state is the vCPU's */
                struct hwaccl_device *device = board->device[1 + next_random(&seed) % (board->device_count - 1)];
                for (unsigned changes = 1 + next_random(&seed) % 4; changes; changes--) {
                        const struct hwaccl_device_field *field =
                                &device->ops->fields[next_random(&seed) % device->ops->field_count];
                        uint8_t *bytes = (uint8_t *)device + field->offset;
                        for (unsigned i = 0; i < field->size; i++)
                                bytes[i] = round % 3 ? (uint8_t)next_random(&seed) : 0xff * (round % 2);
                }
                for (unsigned access = 0; access < 40; access++) {
                        uint16_t port = every_port[next_random(&seed) % (sizeof(every_port) / sizeof(every_port[0]))];
                        unsigned size = 1u << next_random(&seed) % 3;
                        if (next_random(&seed) % 2)
                                (void)hwaccl_bus_port_read(&board->bus, port, size);
                        else
                                hwaccl_bus_port_write(&board->bus, port, size, next_random(&seed));
                }
                if (device->ops->advance)
                        device->ops->advance(device);
                if (device->ops->deadline)
                        (void)device->ops->deadline(device);
                board->end = HWACCL_END_NONE;
                board->host->failed = false;
        }
}

static void every_device_is_saved_in_a_fixed_order(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = {"processor",      "pic",  "pit", "uart",   "rtc", "i8042",
                                            "system_control", "acpi", "pci", "fw_cfg", "dma"};

        assert_int_equal(f->machine->board.device_count, sizeof(names) / sizeof(names[0]));
        for (size_t i = 0; i < f->machine->board.device_count; i++)
                assert_string_equal(f->machine->board.device[i]->ops->name, names[i]);
}

/* A replay has sizes and addresses only: everything that exit handling depends on must come out the same. */
static void a_machine_without_images_is_the_same_but_for_its_memory(void **state)
{
        (void)state;
        static uint8_t live[16384];
        static uint8_t replayed[16384];
        struct hwaccl_machine_config config = usable_config();
        struct hwaccl_error error;

        config.raw_count = 1;
        config.raw[0] = (struct hwaccl_raw_image){MIB, image, 16};
        struct hwaccl_machine *first = hwaccl_machine_create(&config, &error);
        config.backed = false;
        config.firmware = NULL;
        config.raw[0].data = NULL;
        struct hwaccl_machine *second = hwaccl_machine_create(&config, &error);
        assert_non_null(first);
        assert_non_null(second);
        struct hwaccl_vcpu *first_vcpu = hwaccl_vcpu_create(first, &error);
        struct hwaccl_vcpu *second_vcpu = hwaccl_vcpu_create(second, &error);
        assert_non_null(first_vcpu);
        assert_non_null(second_vcpu);
        size_t size = save_all(first, live);
        assert_int_equal(save_all(second, replayed), size);
        assert_memory_equal(live, replayed, size);
        assert_int_equal(first->board.memory.run_count, second->board.memory.run_count);
        assert_memory_equal(&first_vcpu->context, &second_vcpu->context, sizeof(first_vcpu->context));
        hwaccl_vcpu_destroy(first_vcpu);
        hwaccl_vcpu_destroy(second_vcpu);
        const struct hwaccl_fw_cfg *a = &first->fw_cfg;
        const struct hwaccl_fw_cfg *b = &second->fw_cfg;
        assert_memory_equal(a->content, b->content, sizeof(a->content));
        hwaccl_machine_destroy(first);
        hwaccl_machine_destroy(second);
}

static void ends_have_names(void **state)
{
        (void)state;
        for (unsigned i = 0; i < HWACCL_END_COUNT; i++)
                assert_string_not_equal(hwaccl_end_name(i), "unknown");
        assert_string_equal(hwaccl_end_name(HWACCL_END_TRIPLE_FAULT), "triple fault");
        assert_string_equal(hwaccl_end_name(HWACCL_END_COUNT), "unknown");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes_out_of_range_are_refused),
                cmocka_unit_test(firmware_ends_at_4_gib_and_its_last_128_kib_below_1_mib),
                cmocka_unit_test(a_raw_guest_starts_in_real_mode_at_its_first_image),
                cmocka_unit_test(a_loaded_machine_goes_on_as_the_saved_one_would),
                FIXTURE_TEST(values_that_cannot_be_are_refused),
                cmocka_unit_test_setup_teardown(a_refused_state_leaves_the_device_as_it_was, set_up_with_disks,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(devices_stay_within_their_bounds_whatever_their_fields_hold,
                                                set_up_with_disks, fixture_teardown),
                FIXTURE_TEST(every_device_is_saved_in_a_fixed_order),
                cmocka_unit_test(a_machine_without_images_is_the_same_but_for_its_memory),
                cmocka_unit_test(ends_have_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
