/* Device fields in words: those of the machine's devices, by the data sheets' names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/machine/devices/device_text.h"
#include "core/machine/machine.h"

#include <stdio.h>
#include <string.h>

static const struct {
        const char *device;
        const char *field;
        uint64_t value;
        const char *text;
} numbers[] = {
        {"pic", "master.step", 4, "ready"},
        {"pic", "master.irr", 0x11, "IRQ 0, 4"},
        {"pic", "master.isr", 0, "none"},
        {"pic", "slave.isr", 0x81, "IRQ 8, 15"},
        {"pic", "slave.imr", 0xff, "IRQ 8, 9, 10, 11, 12, 13, 14, 15"},
        {"pic", "slave.icw4", 3, "8086, automatic EOI"},
        {"local_apic", "svr", 0x1ff, "enabled, spurious vector ffh"},
        {"local_apic", "svr", 0x0f, "disabled, spurious vector 0fh"},
        {"local_apic", "timer_divide", 0xb, "by 1"},
        {"local_apic", "timer_divide", 3, "by 16"},
        {"local_apic", "timer_divide", 8, "by 32"},
        {"local_apic", "esr", 0x60, "illegal vector sent, illegal vector received"},
        {"io_apic", "pins", 0x800004, "pin 2, 23"},
        {"pit", "channel[0].mode", 2, "rate generator"},
        {"pit", "channel[2].gate", 0, "low"},
        {"pit", "channel[1].access", 3, "low then high byte"},
        {"uart", "divisor", 12, "9600 baud"},
        {"uart", "ier", 3, "received data, transmitter empty"},
        {"uart", "ier", 0x10, "bit 4"},
        {"uart", "lcr", 0x9b, "8 data bits, even parity, divisor latch"},
        {"uart", "modem_lines", 0xb0, "CTS, DSR, DCD"},
        {"ata0", "drive[1].status", 0x51, "ERR, DSC, DRDY"},
        {"ata1", "drive[0].error", 0x44, "ABRT, UNC"},
        {"ata0", "direction", 1, "data for the guest waits"},
        {"ata0", "control", 2, "nIEN: no interrupts"},
        {"processor", "halted", 1, "halted"},
};

static size_t size_of_field(struct hwaccl_machine *machine, const char *device, const char *field)
{
        size_t count;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(machine, &count);

        for (size_t i = 0; i < count; i++)
                for (size_t f = 0; f < devices[i]->ops->field_count; f++)
                        if (strcmp(devices[i]->ops->name, device) == 0 &&
                            strcmp(devices[i]->ops->fields[f].name, field) == 0)
                                return devices[i]->ops->fields[f].size;
        fail_msg("the machine has no %s.%s", device, field);
        return 0;
}

static void fields_of_the_machines_devices_have_words(void **state)
{
        const struct hwaccl_machine_config config = {.memory_size = 32 << 20,
                                                     .tsc_khz = 1000000,
                                                     .kind = HWACCL_MACHINE_APIC,
                                                     .raw = {{0x7c00, (const uint8_t *)"\xf4", 1}},
                                                     .raw_count = 1,
                                                     .disk = {{.sectors = 64}, {.sectors = 64}, {.sectors = 64}},
                                                     .disk_count = 3};
        struct hwaccl_error error = {""};
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        char text[HWACCL_DEVICE_TEXT_SIZE];

        (void)state;
        if (!machine)
                fail_msg("%s", error.message);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                size_t size = size_of_field(machine, numbers[i].device, numbers[i].field);
                assert_true(size <= 8);
                assert_true(hwaccl_device_text(numbers[i].device, numbers[i].field, &numbers[i].value, size, text,
                                               sizeof(text)));
                assert_string_equal(text, numbers[i].text);
        }
        assert_int_equal(size_of_field(machine, "local_apic", "isr"), 32);
        assert_int_equal(size_of_field(machine, "local_apic", "lvt"), 24);
        assert_int_equal(size_of_field(machine, "io_apic", "redirection"), 192);
        assert_int_equal(size_of_field(machine, "rtc", "cmos"), 128);
        hwaccl_machine_destroy(machine);
}

static void expect(const char *device, const char *field, const void *data, size_t size, const char *expected)
{
        char text[HWACCL_DEVICE_TEXT_SIZE];

        assert_true(hwaccl_device_text(device, field, data, size, text, sizeof(text)));
        assert_string_equal(text, expected);
}

static void arrays_have_words(void **state)
{
        const uint64_t isr[4] = {UINT64_C(1) << 48, 0, 0, UINT64_C(1) << 63};
        const uint32_t lvt[6] = {0x20030, 0x10000, 0x10000, 0x8700, 0x400, 0x100fe};
        uint64_t redirection[24];
        uint8_t cmos[128] = {0};

        (void)state;
        expect("local_apic", "isr", isr, sizeof(isr), "vector 30h, ffh");
        expect("local_apic", "lvt", lvt, sizeof(lvt),
               "timer vector 30h, periodic; thermal masked; performance masked; LINT0 ExtINT level-triggered; LINT1 "
               "NMI; "
               "error masked");
        for (unsigned i = 0; i < 24; i++)
                redirection[i] = 0x10000;
        expect("io_apic", "redirection", redirection, sizeof(redirection), "all pins masked");
        redirection[4] = 0x34;
        redirection[10] = 0xe03a;
        redirection[11] = 0x1c03b;
        expect("io_apic", "redirection", redirection, sizeof(redirection),
               "pin 4 vector 34h; pin 10 vector 3ah level-triggered awaiting EOI active low; pin 11 masked awaiting "
               "EOI");
        cmos[0x0a] = 0x26;
        cmos[0x0b] = 0x42;
        cmos[0x0c] = 0xc0;
        expect("rtc", "cmos", cmos, sizeof(cmos),
               "A: running, rate 6; B: 24 hours, interrupts enabled: periodic; C: pending: periodic, IRQ 8");
}

/* Recordings are not trusted. */
static void other_values_and_sizes_are_harmless(void **state)
{
        uint8_t ones[512];
        char text[HWACCL_DEVICE_TEXT_SIZE];
        char little[8];

        (void)state;
        memset(ones, 0xff, sizeof(ones));
        assert_false(hwaccl_device_text("pic", "master.base", ones, 1, text, sizeof(text)));
        assert_false(hwaccl_device_text("toaster", "master.irr", ones, 1, text, sizeof(text)));
        assert_false(hwaccl_device_text("pic", "master.step", ones, 1, text, sizeof(text)));
        for (size_t size = 0; size <= sizeof(ones); size++)
                for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                        (void)hwaccl_device_text(numbers[i].device, numbers[i].field, ones, size, text, sizeof(text));
        for (size_t size = 0; size <= sizeof(ones); size++) {
                (void)hwaccl_device_text("local_apic", "isr", ones, size, text, sizeof(text));
                (void)hwaccl_device_text("local_apic", "lvt", ones, size, text, sizeof(text));
                (void)hwaccl_device_text("io_apic", "redirection", ones, size, text, sizeof(text));
                (void)hwaccl_device_text("rtc", "cmos", ones, size, text, sizeof(text));
        }
        assert_true(hwaccl_device_text("pic", "slave.irr", ones, 1, little, sizeof(little)));
        assert_string_equal(little, "IRQ ...");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fields_of_the_machines_devices_have_words),
                cmocka_unit_test(arrays_have_words),
                cmocka_unit_test(other_values_and_sizes_are_harmless),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
