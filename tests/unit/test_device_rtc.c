/* The MC146818: date in all formats, update cycle, alarm, periodic interrupt, and QEMU's CMOS contents. */
#include "tests/fixtures/machine_fixture.h"

#define MILLISECOND UINT64_C(1000000)

static unsigned reg(struct fixture *f, unsigned index)
{
        out8(f, 0x70, index);
        return in8(f, 0x71);
}

static void set_reg(struct fixture *f, unsigned index, unsigned value)
{
        out8(f, 0x70, index);
        out8(f, 0x71, value);
}

static void assert_date(struct fixture *f, unsigned century, unsigned year, unsigned month, unsigned day,
                        unsigned weekday)
{
        assert_int_equal(reg(f, 0x32), century);
        assert_int_equal(reg(f, 9), year);
        assert_int_equal(reg(f, 8), month);
        assert_int_equal(reg(f, 7), day);
        assert_int_equal(reg(f, 6), weekday);
}

static void assert_time(struct fixture *f, unsigned hour, unsigned minute, unsigned second)
{
        assert_int_equal(reg(f, 4), hour);
        assert_int_equal(reg(f, 2), minute);
        assert_int_equal(reg(f, 0), second);
}

static void shows_the_wall_time_and_runs_on(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000; /* 2024-02-29 12:00:00, a Thursday */
        assert_date(f, 0x20, 0x24, 0x02, 0x29, 5);
        assert_time(f, 0x12, 0x00, 0x00);
        set_clock(f, SECOND - 1);
        assert_time(f, 0x12, 0x00, 0x00);
        set_clock(f, SECOND);
        assert_time(f, 0x12, 0x00, 0x01);
        set_clock(f, 12 * 3600 * SECOND);
        assert_date(f, 0x20, 0x24, 0x03, 0x01, 6);
        assert_time(f, 0, 0, 0);
        assert_int_equal(f->wall_time_reads, 1);
}

static void the_calendar_knows_leap_years(void **state)
{
        (void)state;
        static const struct {
                uint64_t seconds;
                unsigned year, month, day, weekday;
        } known[] = {
                {0, 1970, 1, 1, 5},           {951782400, 2000, 2, 29, 3}, /* divisible by 400 */
                {4107542400, 2100, 3, 1, 2},                               /* not a leap year */
                {4107456000, 2100, 2, 28, 1}, {1735689599, 2024, 12, 31, 3}, {253402300799, 9999, 12, 31, 6},
        };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                struct hwaccl_calendar calendar = hwaccl_calendar_from_seconds(known[i].seconds);
                assert_int_equal(calendar.year, known[i].year);
                assert_int_equal(calendar.month, known[i].month);
                assert_int_equal(calendar.day, known[i].day);
                assert_int_equal(calendar.weekday, known[i].weekday);
                assert_true(hwaccl_calendar_to_seconds(&calendar) == known[i].seconds);
        }
        for (uint64_t day = 0; day < 400 * 366; day++) {
                struct hwaccl_calendar calendar = hwaccl_calendar_from_seconds(day * 86400 + 3661);
                assert_true(hwaccl_calendar_to_seconds(&calendar) == day * 86400 + 3661);
        }
}

static void formats_binary_and_twelve_hours(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000 + 11 * 3600 + 59 * 60 + 58; /* 23:59:58 */
        assert_time(f, 0x23, 0x59, 0x58);
        set_reg(f, 11, 0x06);
        assert_time(f, 23, 59, 58);
        set_reg(f, 11, 0x00);
        assert_time(f, 0x91, 0x59, 0x58); /* 11 PM */
        set_reg(f, 11, 0x04);
        assert_time(f, 0x80 | 11, 59, 58);
        set_clock(f, 2 * SECOND);
        assert_time(f, 12, 0, 0); /* midnight is 12 AM */
        set_clock(f, 12 * 3600 * SECOND + 2 * SECOND);
        assert_time(f, 0x80 | 12, 0, 0);
}

static void set_freezes_and_sets_the_time(void **state)
{
        struct fixture *f = *state;

        set_clock(f, SECOND / 4);
        set_reg(f, 11, 0x82);
        set_reg(f, 0x32, 0x19);
        set_reg(f, 9, 0x99);
        set_reg(f, 8, 0x12);
        set_reg(f, 7, 0x31);
        set_reg(f, 6, 0x01); /* the guest counts weekdays as it likes */
        set_reg(f, 4, 0x23);
        set_reg(f, 2, 0x59);
        set_reg(f, 0, 0x59);
        set_clock(f, 10 * SECOND);
        assert_time(f, 0x23, 0x59, 0x59);
        set_clock(f, 10 * SECOND + SECOND / 2);
        set_reg(f, 11, 0x02);
        set_clock(f, 11 * SECOND - 1);
        assert_time(f, 0x23, 0x59, 0x59);
        set_clock(f, 11 * SECOND); /* seconds keep their phase */
        assert_time(f, 0, 0, 0);
        assert_date(f, 0x20, 0x00, 0x01, 0x01, 2);
}

static void a_write_while_it_runs_changes_that_register_only(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000;
        set_clock(f, 5 * SECOND);
        set_reg(f, 2, 0x30);
        assert_time(f, 0x12, 0x30, 0x05);
        set_clock(f, 65 * SECOND);
        assert_time(f, 0x12, 0x31, 0x05);
}

static void a_started_divider_updates_half_a_second_later(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000;
        set_reg(f, 10, 0x70); /* divider reset */
        set_clock(f, 7 * SECOND);
        assert_time(f, 0x12, 0, 0);
        set_reg(f, 10, 0x26);
        set_clock(f, 7 * SECOND + SECOND / 2 - 1);
        assert_time(f, 0x12, 0, 0);
        set_clock(f, 7 * SECOND + SECOND / 2);
        assert_time(f, 0x12, 0, 0x01);
}

static void update_in_progress_warns_of_the_next_second(void **state)
{
        struct fixture *f = *state;

        set_clock(f, SECOND - 3 * MILLISECOND);
        assert_int_equal(reg(f, 10), 0x26);
        set_clock(f, SECOND - 2 * MILLISECOND);
        assert_int_equal(reg(f, 10), 0xa6);
        set_clock(f, SECOND);
        assert_int_equal(reg(f, 10), 0x26);
        set_clock(f, 2 * SECOND - MILLISECOND);
        set_reg(f, 11, 0x82);
        assert_int_equal(reg(f, 10), 0x26); /* SET aborts the update */
}

static void flags_show_without_interrupts_and_reading_clears_them(void **state)
{
        struct fixture *f = *state;

        set_clock(f, SECOND + MILLISECOND);
        assert_int_equal(reg(f, 12), 0x50);
        assert_int_equal(reg(f, 12), 0);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
}

static void the_update_interrupt_comes_every_second(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        set_clock(f, SECOND / 2);
        set_reg(f, 11, 0x12);
        for (unsigned i = 1; i < 4; i++) {
                assert_true(hwaccl_board_deadline(&f->machine->board) == i * SECOND);
                set_clock(f, i * SECOND - 1);
                assert_false(intr(f));
                set_clock(f, i * SECOND);
                assert_int_equal(inta(f), 0x28);
                assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX); /* until C is read */
                assert_int_equal(reg(f, 12) & 0x90, 0x90);
                out8(f, 0xa0, 0x20);
                out8(f, 0x20, 0x20);
                assert_false(intr(f));
        }
        set_reg(f, 11, 0x92);
        assert_int_equal(reg(f, 11), 0x82); /* SET clears the enable */
}

static void the_periodic_interrupt_has_the_rate_of_register_a(void **state)
{
        struct fixture *f = *state;
        static const struct {
                unsigned rate, hz;
        } known[] = {{1, 256}, {2, 128}, {3, 8192}, {6, 1024}, {15, 2}};

        for (unsigned i = 0; i < 5; i++) {
                set_reg(f, 11, 0x42);
                set_reg(f, 10, 0x20 | known[i].rate);
                reg(f, 12);
                unsigned count = 0;
                uint64_t until = f->clock + SECOND;
                while (hwaccl_board_deadline(&f->machine->board) <= until) {
                        set_clock(f, hwaccl_board_deadline(&f->machine->board));
                        assert_int_equal(reg(f, 12) & 0xc0, 0xc0);
                        count++;
                }
                assert_in_range(count, known[i].hz - 1, known[i].hz);
                set_clock(f, until);
        }
        set_reg(f, 10, 0x20);
        reg(f, 12);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
}

static void the_alarm_matches_its_three_registers(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000; /* 12:00:00 */
        set_reg(f, 5, 0x13);
        set_reg(f, 3, 0x05);
        set_reg(f, 1, 0x07);
        set_reg(f, 11, 0x22);
        assert_true(hwaccl_board_deadline(&f->machine->board) == (3600 + 5 * 60 + 7) * SECOND);
        set_clock(f, (3600 + 5 * 60 + 6) * SECOND);
        assert_int_equal(reg(f, 12) & 0x20, 0);
        set_clock(f, (3600 + 5 * 60 + 7) * SECOND);
        assert_int_equal(reg(f, 12) & 0xa0, 0xa0);
        assert_true(hwaccl_board_deadline(&f->machine->board) == (86400 + 3600 + 5 * 60 + 7) * SECOND);
        set_reg(f, 5, 0xff); /* every hour */
        assert_true(hwaccl_board_deadline(&f->machine->board) == (2 * 3600 + 5 * 60 + 7) * SECOND);
        set_reg(f, 3, 0xc0);
        assert_true(hwaccl_board_deadline(&f->machine->board) == (3600 + 6 * 60 + 7) * SECOND);
        set_reg(f, 1, 0x75); /* never */
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
}

static void a_late_look_still_finds_the_alarm(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000;
        set_reg(f, 5, 0x12);
        set_reg(f, 3, 0x00);
        set_reg(f, 1, 0x30);
        reg(f, 12);
        set_clock(f, 25 * SECOND);
        assert_int_equal(reg(f, 12) & 0x20, 0);
        set_clock(f, 100 * SECOND);
        assert_int_equal(reg(f, 12) & 0x20, 0x20);
}

static void the_alarm_follows_the_twelve_hour_format(void **state)
{
        struct fixture *f = *state;

        f->wall_time = 1709208000;
        set_reg(f, 11, 0x00);
        set_reg(f, 5, 0x81); /* 1 PM */
        set_reg(f, 3, 0x00);
        set_reg(f, 1, 0x00);
        set_reg(f, 11, 0x20);
        assert_true(hwaccl_board_deadline(&f->machine->board) == 3600 * SECOND);
}

static void memory_sizes_are_where_firmware_looks(void **state)
{
        struct fixture *f = *state; /* 32 MiB */

        assert_int_equal(reg(f, 0x15) | reg(f, 0x16) << 8, 640);
        assert_int_equal(reg(f, 0x17) | reg(f, 0x18) << 8, 31 * 1024);
        assert_int_equal(reg(f, 0x30) | reg(f, 0x31) << 8, 31 * 1024);
        assert_int_equal(reg(f, 0x34) | reg(f, 0x35) << 8, 256); /* 16 MiB in 64 KiB */
        assert_int_equal(reg(f, 0x5b) | reg(f, 0x5c) << 8 | reg(f, 0x5d) << 16, 0);
        assert_int_equal(reg(f, 0x3d), 0x12);
        unsigned sum = 0;
        for (unsigned i = 0x10; i < 0x2e; i++)
                sum += reg(f, i);
        assert_int_equal(reg(f, 0x2e) << 8 | reg(f, 0x2f), sum);
        assert_int_equal(reg(f, 13), 0x80);
}

static void memory_sizes_are_capped_at_their_width(void **state)
{
        (void)state;
        uint8_t cmos[HWACCL_CMOS_SIZE] = {0};

        hwaccl_cmos_fill(cmos, HWACCL_MEMORY_SIZE_MAX);
        assert_int_equal(cmos[0x17] | cmos[0x18] << 8, 65535);
        assert_int_equal(cmos[0x34] | cmos[0x35] << 8, (3072 - 16) * 16);
        hwaccl_cmos_fill(cmos, HWACCL_MEMORY_SIZE_MIN);
        assert_int_equal(cmos[0x17] | cmos[0x18] << 8, 0);
        assert_int_equal(cmos[0x34] | cmos[0x35] << 8, 0);
}

static void plain_memory_keeps_what_is_written_and_c_and_d_do_not(void **state)
{
        struct fixture *f = *state;

        set_reg(f, 0x80 | 0x40, 0x5a); /* bit 7 of the index masks the NMI */
        assert_int_equal(reg(f, 0x40), 0x5a);
        set_reg(f, 13, 0);
        assert_int_equal(reg(f, 13), 0x80);
        set_reg(f, 12, 0xff);
        assert_int_equal(reg(f, 12), 0);
        assert_int_equal(in8(f, 0x70), 0xff);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(shows_the_wall_time_and_runs_on),
                cmocka_unit_test(the_calendar_knows_leap_years),
                FIXTURE_TEST(formats_binary_and_twelve_hours),
                FIXTURE_TEST(set_freezes_and_sets_the_time),
                FIXTURE_TEST(a_write_while_it_runs_changes_that_register_only),
                FIXTURE_TEST(a_started_divider_updates_half_a_second_later),
                FIXTURE_TEST(update_in_progress_warns_of_the_next_second),
                FIXTURE_TEST(flags_show_without_interrupts_and_reading_clears_them),
                FIXTURE_TEST(the_update_interrupt_comes_every_second),
                FIXTURE_TEST(the_periodic_interrupt_has_the_rate_of_register_a),
                FIXTURE_TEST(the_alarm_matches_its_three_registers),
                FIXTURE_TEST(a_late_look_still_finds_the_alarm),
                FIXTURE_TEST(the_alarm_follows_the_twelve_hour_format),
                FIXTURE_TEST(memory_sizes_are_where_firmware_looks),
                cmocka_unit_test(memory_sizes_are_capped_at_their_width),
                FIXTURE_TEST(plain_memory_keeps_what_is_written_and_c_and_d_do_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
