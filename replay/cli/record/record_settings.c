/* The command line of `hwaccl record`. */
#include "replay/cli/parse.h"
#include "replay/cli/record/record.h"

#include "core/muen/vmm_operation.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEMORY_DEFAULT    (UINT64_C(128) << 20)
#define WALL_TIME_VIRTUAL UINT64_C(946684800) /* 2000-01-01: where a virtual clock starts */
#define KEYFRAME_MAX      UINT64_C(1000000)

enum {
        OPTION_FIRMWARE,
        OPTION_RAW,
        OPTION_KERNEL,
        OPTION_INITRD,
        OPTION_APPEND,
        OPTION_MODULE,
        OPTION_LINUX_ENTRY,
        OPTION_DISK,
        OPTION_MEMORY,
        OPTION_SMP,
        OPTION_OUTPUT,
        OPTION_FORCE,
        OPTION_NO_DB,
        OPTION_NO_RECORD,
        OPTION_LTTNG,
        OPTION_ACCEL,
        OPTION_SUBJECT_DIR,
        OPTION_SUBJECT_DOORBELLS,
        OPTION_SUBJECT_TIMEOUT,
        OPTION_VERIFY,
        OPTION_CLOCK,
        OPTION_WALL_TIME,
        OPTION_TSC_KHZ,
        OPTION_MAX_EXITS,
        OPTION_TIMEOUT,
        OPTION_UNTIL,
        OPTION_EXPECT_EXIT,
        OPTION_CONSOLE,
        OPTION_INPUT,
        OPTION_SAVE_MEMORY,
        OPTION_QUIET_DEBUG,
        OPTION_KEYFRAME_INTERVAL,
        OPTION_FLIGHT_RECORDER,
        OPTION_TRIGGER,
};

const struct cli_option record_option_table[] = {
        [OPTION_FIRMWARE] = {"firmware", 'f', "FILE", "start FILE as firmware: 64 KiB to 16 MiB, a multiple of 64 KiB"},
        [OPTION_RAW] = {"raw", 'r', "FILE@ADDR",
                        "copy FILE to guest memory at ADDR; may be repeated. Without\n"
                        "firmware the guest starts at the first one, in real mode"},
        [OPTION_KERNEL] = {"kernel", 'k', "FILE",
                           "start FILE without firmware: a Linux bzImage, a Multiboot\n"
                           "image, or an ELF image with a PVH entry"},
        [OPTION_INITRD] = {"initrd", 0, "FILE", "initial RAM disk of a Linux kernel"},
        [OPTION_APPEND] = {"append", 0, "TEXT", "the kernel's command line"},
        [OPTION_MODULE] = {"module", 0, "'FILE [TEXT]'",
                           "load FILE beside a Multiboot or PVH kernel, which is told TEXT;\n"
                           "may be repeated"},
        [OPTION_LINUX_ENTRY] = {"linux-entry", 0, "32|64",
                                "enter a Linux bzImage in 32-bit or 64-bit mode (default: 64\n"
                                "where the kernel has it)"},
        [OPTION_DISK] = {"disk", 'd', "FILE[,ro|cow]",
                         "attach FILE as an ATA disk; may be repeated, up to 4. What the guest\n"
                         "writes goes to FILE; with ro the guest may not write, with cow it is\n"
                         "forgotten at the end"},
        [OPTION_MEMORY] = {"memory", 'm', "SIZE", "guest memory, 1M to 3G, with K, M or G (default 128M)"},
        [OPTION_SMP] = {"smp", 0, "N", "virtual CPUs, 1; also -smp N"},
        [OPTION_OUTPUT] = {"output", 'o', "FILE", "the recording, an SQLite database"},
        [OPTION_FORCE] = {"force", 0, NULL, "replace the recording if it exists"},
        [OPTION_NO_DB] = {"no-db", 0, NULL, "without a database: trace with --lttng, or just run the guest"},
        [OPTION_NO_RECORD] = {"no-record", 0, NULL, "the same as --no-db"},
        [OPTION_LTTNG] = {"lttng", 0, NULL,
                          "give the exits to LTTng too, as user-space events hwaccl:*; see\n"
                          "lttng-session and hwaccl import"},
        [OPTION_ACCEL] = {"accel", 0, "NAME",
                          "kvm, soft, muen or auto (default: $HWACCL_ACCEL, or else auto: KVM\n"
                          "where it works, and one line that says why where it does not)"},
        [OPTION_SUBJECT_DIR] = {"subject-dir", 0, "DIR",
                                "with --accel muen: the pages and doorbells shared with the side\n"
                                "that runs the guest, which says what memory and images it has"},
        [OPTION_SUBJECT_DOORBELLS] = {"subject-doorbells", 0, "FDS",
                                      "use open file descriptors, such as eventfds, as doorbells:\n"
                                      "RUN,EXIT,POKE[,ALIVE], by their numbers"},
        [OPTION_SUBJECT_TIMEOUT] = {"subject-timeout", 0, "SECONDS",
                                    "how long the guest may go on after it was told to exit (default 10)"},
        [OPTION_VERIFY] = {"verify", 0, NULL,
                           "have KVM carry out each instruction too, and end the guest where it\n"
                           "comes to another state than the exit's handler"},
        [OPTION_CLOCK] = {"clock", 0, "KIND",
                          "host: real time (default); virtual: time that the guest makes\n"
                          "by executing, so that two runs are identical"},
        [OPTION_WALL_TIME] = {"wall-time", 0, "TIME",
                              "the guest's date at its start: seconds since 1970 or\n"
                              "YYYY-MM-DDThh:mm:ss, UTC (default: now; 2000-01-01 with --clock\n"
                              "virtual)"},
        [OPTION_TSC_KHZ] = {"tsc-khz", 0, "KHZ",
                            "frequency of the guest's time-stamp counter (default 1000000; with\n"
                            "KVM that of the host)"},
        [OPTION_MAX_EXITS] = {"max-exits", 'n', "N", "stop after N exits"},
        [OPTION_TIMEOUT] = {"timeout", 't', "SECONDS", "stop after that much time of the host"},
        [OPTION_UNTIL] = {"until", 0, "TEXT", "stop when the guest has printed TEXT"},
        [OPTION_EXPECT_EXIT] = {"expect-exit", 0, "CODE", "exit status 1 unless the guest ends with this exit code"},
        [OPTION_CONSOLE] = {"console", 0, "FILE", "write what the guest prints to FILE instead of the terminal"},
        [OPTION_INPUT] = {"input", 0, "FILE",
                          "what is typed on the guest's serial port; - is standard input\n"
                          "(default: the terminal with --clock host, else nothing)"},
        [OPTION_SAVE_MEMORY] = {"save-memory", 0, "FILE",
                                "write the guest's RAM to FILE when the guest has ended: a byte's place\n"
                                "is its address, pages of zeros are holes"},
        [OPTION_QUIET_DEBUG] = {"quiet-debug", 'q', NULL,
                                "leave the debug log of port 402h to the recording: it is not printed,\n"
                                "and --until does not look at it"},
        [OPTION_KEYFRAME_INTERVAL] = {"keyframe-interval", 0, "N", "save all state every N exits (default 256)"},
        [OPTION_FLIGHT_RECORDER] = {"flight-recorder", 0, "WINDOW",
                                    "keep only the newest exits: 100000exits, 64M, 30s, or several of\n"
                                    "them; written out when the guest ends and on SIGUSR1 (FILE-1 ...)"},
        [OPTION_TRIGGER] = {"trigger", 0, "CONDITION",
                            "have the flight recorder write its window out too, once, at an exit\n"
                            "with reason=NAME, port=FIRST-LAST, rip=FIRST-LAST or verdict=NAME, or\n"
                            "several with commas between; may be repeated"},
        {NULL, 0, NULL, NULL},
};

static bool wrong_value(const struct cli_command *command, int option, const char *value, const char *expected)
{
        (void)cli_misused(command, "--%s: '%s' is not %s", record_option_table[option].name, value, expected);
        return false;
}

static bool parse_flight_recorder(struct record_settings *settings, const char *value)
{
        struct hwaccl_error error;

        settings->flight_text = value;
        if (hwaccl_flight_window_parse(value, &settings->flight_window, &error))
                return true;
        (void)cli_misused(settings->command, "--flight-recorder: %s", error.message);
        return false;
}

static bool parse_trigger(struct record_settings *settings, const char *value)
{
        struct hwaccl_error error;

        if (settings->trigger_count == HWACCL_FLIGHT_TRIGGER_MAX)
                (void)cli_misused(settings->command, "--trigger: at most %u", HWACCL_FLIGHT_TRIGGER_MAX);
        else if (hwaccl_flight_trigger_parse(value, &settings->trigger[settings->trigger_count++], &error))
                return true;
        else
                (void)cli_misused(settings->command, "--trigger: %s", error.message);
        return false;
}

/* FILE@ADDR; a file's name may have an @ itself. */
static bool parse_raw(struct record_settings *settings, const char *value)
{
        const char *at = strrchr(value, '@');
        struct record_image *raw = &settings->raw[settings->raw_count];

        if (settings->raw_count == RECORD_RAW_MAX) {
                (void)cli_misused(settings->command, "--raw: at most %d images", RECORD_RAW_MAX);
                return false;
        }
        if (!at || at == value || !cli_parse_number(at + 1, &raw->address))
                return wrong_value(settings->command, OPTION_RAW, value, "FILE@ADDR, such as guest.bin@0x7c00");
        raw->path = strndup(value, (size_t)(at - value));
        if (!raw->path) {
                (void)cli_complain(settings->command, "out of memory");
                return false;
        }
        settings->raw_count++;
        return true;
}

/* Another file beside the kernel. */
static bool add_module(struct record_settings *settings, int option, const char *path, size_t length, const char *text)
{
        struct record_kernel *kernel = &settings->kernel;

        if (!length)
                return wrong_value(settings->command, option, path, "a file");
        if (kernel->module_count == HWACCL_LOADER_MODULE_MAX) {
                (void)cli_misused(settings->command, "--%s: at most %u modules", record_option_table[option].name,
                                  HWACCL_LOADER_MODULE_MAX);
                return false;
        }
        kernel->module[kernel->module_count].path = strndup(path, length);
        if (!kernel->module[kernel->module_count].path) {
                (void)cli_complain(settings->command, "out of memory");
                return false;
        }
        kernel->module_text[kernel->module_count++] = text;
        return true;
}

static bool parse_initrd(struct record_settings *settings, const char *value)
{
        if (settings->kernel.initrd) {
                (void)cli_misused(settings->command, "--initrd can be given once");
                return false;
        }
        settings->kernel.initrd = true;
        return add_module(settings, OPTION_INITRD, value, strlen(value), NULL);
}

/* FILE TEXT: the text is everything behind the first blank. */
static bool parse_module(struct record_settings *settings, const char *value)
{
        size_t length = strcspn(value, " ");
        return add_module(settings, OPTION_MODULE, value, length, value[length] ? value + length + 1 : NULL);
}

static bool parse_linux_entry(struct record_settings *settings, const char *value)
{
        settings->kernel.linux_entry = strcmp(value, "32") == 0 ? 32 : strcmp(value, "64") == 0 ? 64 : 0;
        return settings->kernel.linux_entry || wrong_value(settings->command, OPTION_LINUX_ENTRY, value, "32 or 64");
}

static bool parse_number(struct record_settings *settings, int option, const char *value, uint64_t min, uint64_t max,
                         uint64_t *number)
{
        char expected[96];
        (void)snprintf(expected, sizeof(expected), "a number from %" PRIu64 " to %" PRIu64, min, max);
        if (!cli_parse_number(value, number) || *number < min || *number > max)
                return wrong_value(settings->command, option, value, expected);
        return true;
}

static bool parse_clock(struct record_settings *settings, const char *value)
{
        if (strcmp(value, "host") == 0)
                settings->clock = HWACCL_CLOCK_HOST;
        else if (strcmp(value, "virtual") == 0)
                settings->clock = HWACCL_CLOCK_VIRTUAL;
        else
                return wrong_value(settings->command, OPTION_CLOCK, value, "host or virtual");
        return true;
}

static bool parse_accel(struct record_settings *settings, const char *value)
{
        settings->accel = value;
        return strcmp(value, "auto") == 0 || strcmp(value, "soft") == 0 || strcmp(value, "kvm") == 0 ||
               strcmp(value, "muen") == 0 ||
               wrong_value(settings->command, OPTION_ACCEL, value, "kvm, soft, muen or auto");
}

static bool parse_memory(struct record_settings *settings, const char *value)
{
        uint64_t size;
        if (!cli_parse_size(value, &size) || size < HWACCL_MEMORY_SIZE_MIN || size > HWACCL_MEMORY_SIZE_MAX ||
            size % HWACCL_PAGE_SIZE)
                return wrong_value(settings->command, OPTION_MEMORY, value,
                                   "a size from 1M to 3G that is a multiple of 4K");
        settings->memory_size = size;
        settings->memory_given = true;
        return true;
}

static bool parse_smp(struct record_settings *settings, const char *value)
{
        struct hwaccl_error error;
        uint64_t count;

        if (!cli_parse_number(value, &count))
                return wrong_value(settings->command, OPTION_SMP, value, "a number of virtual CPUs");
        if (!hwaccl_vmm_check_cpu_count(count, &error)) {
                (void)cli_misused(settings->command, "--smp: %s", error.message);
                return false;
        }
        return true;
}

static bool parse_option(struct record_settings *settings, int option, const char *value)
{
        uint64_t number;

        switch (option) {
        case OPTION_FIRMWARE: settings->firmware.path = value; return true;
        case OPTION_RAW: return parse_raw(settings, value);
        case OPTION_KERNEL: settings->kernel.image.path = value; return true;
        case OPTION_INITRD: return parse_initrd(settings, value);
        case OPTION_APPEND: settings->kernel.command_line = value; return true;
        case OPTION_MODULE: return parse_module(settings, value);
        case OPTION_LINUX_ENTRY: return parse_linux_entry(settings, value);
        case OPTION_DISK: return record_parse_disk(settings, value);
        case OPTION_MEMORY: return parse_memory(settings, value);
        case OPTION_SMP: return parse_smp(settings, value);
        case OPTION_OUTPUT: settings->output = value; return true;
        case OPTION_FORCE: settings->force = true; return true;
        case OPTION_NO_DB:
        case OPTION_NO_RECORD: settings->no_record = true; return true;
        case OPTION_LTTNG: settings->lttng = true; return true;
        case OPTION_ACCEL: return parse_accel(settings, value);
        case OPTION_SUBJECT_DIR:
                settings->subject_dir = value;
                return *value || wrong_value(settings->command, option, value, "a directory");
        case OPTION_SUBJECT_DOORBELLS:
                settings->subject_doorbells_given = true;
                return record_parse_doorbells(value, &settings->subject_doorbells) ||
                       wrong_value(settings->command, option, value,
                                   "RUN,EXIT,POKE[,ALIVE], all open file descriptors");
        case OPTION_SUBJECT_TIMEOUT:
                return (cli_parse_seconds(value, &settings->subject_timeout_ns) && settings->subject_timeout_ns) ||
                       wrong_value(settings->command, option, value, "a number of seconds, such as 2.5");
        case OPTION_VERIFY: settings->verify = true; return true;
        case OPTION_CLOCK: return parse_clock(settings, value);
        case OPTION_WALL_TIME:
                settings->wall_time_given = true;
                return cli_parse_time(value, &settings->wall_time) ||
                       wrong_value(settings->command, option, value, "a time such as 2026-11-22T20:34:00");
        case OPTION_TSC_KHZ: return parse_number(settings, option, value, 1000, 100000000, &settings->tsc_khz);
        case OPTION_MAX_EXITS: return parse_number(settings, option, value, 1, INT64_MAX, &settings->max_exits);
        case OPTION_TIMEOUT:
                return (cli_parse_seconds(value, &settings->timeout_ns) && settings->timeout_ns) ||
                       wrong_value(settings->command, option, value, "a number of seconds, such as 2.5");
        case OPTION_UNTIL:
                settings->until = value;
                return *value || wrong_value(settings->command, option, value, "a text");
        case OPTION_EXPECT_EXIT:
                settings->expect_exit = true;
                return parse_number(settings, option, value, 0, UINT32_MAX, &settings->exit_expected);
        case OPTION_CONSOLE: settings->console = value; return true;
        case OPTION_INPUT: settings->input = value; return true;
        case OPTION_SAVE_MEMORY: settings->save_memory = value; return true;
        case OPTION_QUIET_DEBUG: settings->quiet_debug = true; return true;
        case OPTION_FLIGHT_RECORDER: return parse_flight_recorder(settings, value);
        case OPTION_TRIGGER: return parse_trigger(settings, value);
        case OPTION_KEYFRAME_INTERVAL:
                if (!parse_number(settings, option, value, 1, KEYFRAME_MAX, &number))
                        return false;
                settings->keyframe_interval = (uint32_t)number;
                return true;
        default: return false;
        }
}

static bool check_settings(struct record_settings *settings)
{
        const struct cli_command *command = settings->command;

        if (!record_check_kernel(settings) || !record_check_subject(settings))
                return false;
        if (!settings->firmware.path && !settings->raw_count && !settings->kernel.image.path && !settings->subject_dir)
                (void)cli_misused(command, "nothing to run: give --firmware FILE, --kernel FILE or --raw FILE@ADDR");
        else if (!settings->output && !settings->no_record)
                (void)cli_misused(command, "no recording given: use -o FILE, or --no-db");
        else if (settings->output && settings->no_record)
                (void)cli_misused(command, "-o and --no-db exclude each other");
        else if (settings->flight_text && settings->no_record)
                (void)cli_misused(command, "--flight-recorder and --no-db exclude each other");
        else if (settings->trigger_count && !settings->flight_text)
                (void)cli_misused(command, "--trigger is for a flight recorder: give --flight-recorder WINDOW too");
        else if (settings->verify && strcmp(settings->accel, "soft") == 0)
                (void)cli_misused(command, "--verify needs KVM: there is nothing to compare the soft accelerator with");
        else
                return true;
        return false;
}

/* -smp, as other virtual machine monitors spell it, would be three short options. */
static void spell_out_smp(int argc, char **argv)
{
        static char smp[] = "--smp";

        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "-smp") == 0)
                        argv[i] = smp;
}

int record_parse(struct record_settings *settings, const struct cli_command *command, int argc, char **argv)
{
        const char *value;
        int option;

        memset(settings, 0, sizeof(*settings));
        settings->command = command;
        settings->memory_size = MEMORY_DEFAULT;

        spell_out_smp(argc, argv);
        const char *accel = getenv("HWACCL_ACCEL");
        if (!parse_accel(settings, accel && *accel ? accel : "auto"))
                return CLI_OPTION_WRONG;
        while ((option = cli_next_option(command, argc, argv, &value)) >= 0)
                if (!parse_option(settings, option, value))
                        return CLI_OPTION_WRONG;
        if (option != CLI_OPTION_END)
                return option;
        if (optind < argc) {
                (void)cli_misused(command, "unexpected argument '%s'", argv[optind]);
                return CLI_OPTION_WRONG;
        }
        if (!settings->wall_time_given)
                settings->wall_time =
                        settings->clock == HWACCL_CLOCK_VIRTUAL ? WALL_TIME_VIRTUAL : (uint64_t)time(NULL);
        return check_settings(settings) ? CLI_OPTION_END : CLI_OPTION_WRONG;
}

void record_free_settings(struct record_settings *settings)
{
        for (size_t i = 0; i < settings->raw_count; i++)
                free((char *)(uintptr_t)settings->raw[i].path);
        settings->raw_count = 0;
        for (size_t i = 0; i < settings->kernel.module_count; i++)
                free((char *)(uintptr_t)settings->kernel.module[i].path);
        settings->kernel.module_count = 0;
        free(settings->subject_firmware);
        settings->subject_firmware = NULL;
        record_free_disks(settings);
}
