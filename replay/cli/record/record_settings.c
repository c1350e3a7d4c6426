/* The command line of `hwaccl record`. */
#include "replay/cli/parse.h"
#include "replay/cli/record/record.h"
#include "replay/machine_options.h"

#include "core/muen/vmm_operation.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEMORY_DEFAULT    (UINT64_C(128) << 20)
#define WALL_TIME_VIRTUAL UINT64_C(946684800) /* 2000-01-01, the start of a virtual clock */
#define KEYFRAME_MAX      UINT64_C(1000000)

static bool parse_flight_recorder(const struct cli_command *command, const struct cli_option *option, const char *text,
                                  void *field)
{
        struct record_settings *settings = field;
        struct hwaccl_error error;

        settings->flight_text = text;
        if (hwaccl_flight_window_parse(text, &settings->flight_window, &error))
                return true;
        (void)cli_usage_error(command, "--%s: %s", option->name, error.message);
        return false;
}

static bool parse_trigger(const struct cli_command *command, const struct cli_option *option, const char *text,
                          void *field)
{
        struct record_settings *settings = field;
        struct hwaccl_error error;

        if (settings->trigger_count == HWACCL_FLIGHT_TRIGGER_MAX)
                (void)cli_usage_error(command, "--%s: at most %u triggers", option->name, HWACCL_FLIGHT_TRIGGER_MAX);
        else if (hwaccl_flight_trigger_parse(text, &settings->trigger[settings->trigger_count++], &error))
                return true;
        else
                (void)cli_usage_error(command, "--%s: %s", option->name, error.message);
        return false;
}

/* FILE@ADDR; a file's name may have an @ itself. */
static bool parse_raw(const struct cli_command *command, const struct cli_option *option, const char *text, void *field)
{
        struct record_settings *settings = field;
        struct record_image *raw = &settings->raw[settings->raw_count];
        const char *at = strrchr(text, '@');

        if (settings->raw_count == RECORD_RAW_MAX) {
                (void)cli_usage_error(command, "--%s: at most %d images", option->name, RECORD_RAW_MAX);
                return false;
        }
        if (!at || at == text || !cli_parse_number(at + 1, &raw->address))
                return cli_value_error(command, option, text, "FILE@ADDR, such as guest.bin@0x7c00");
        raw->path = strndup(text, (size_t)(at - text));
        if (!raw->path) {
                (void)cli_error(command, "out of memory");
                return false;
        }
        settings->raw_count++;
        return true;
}

/* Another file beside the kernel. @text: its command line, or NULL */
static bool add_module(const struct cli_command *command, const struct cli_option *option, const char *path,
                       size_t length, const char *text, struct record_kernel *kernel)
{
        if (!length)
                return cli_value_error(command, option, path, "a file");
        if (kernel->module_count == HWACCL_LOADER_MODULE_MAX) {
                (void)cli_usage_error(command, "--%s: at most %u modules", option->name, HWACCL_LOADER_MODULE_MAX);
                return false;
        }
        kernel->module[kernel->module_count].path = strndup(path, length);
        if (!kernel->module[kernel->module_count].path) {
                (void)cli_error(command, "out of memory");
                return false;
        }
        kernel->module_text[kernel->module_count++] = text;
        return true;
}

static bool parse_initrd(const struct cli_command *command, const struct cli_option *option, const char *text,
                         void *field)
{
        struct record_kernel *kernel = &((struct record_settings *)field)->kernel;

        if (kernel->initrd) {
                (void)cli_usage_error(command, "--initrd: at most one");
                return false;
        }
        kernel->initrd = true;
        return add_module(command, option, text, strlen(text), NULL, kernel);
}

/* FILE TEXT: the text is everything after the first blank. */
static bool parse_module(const struct cli_command *command, const struct cli_option *option, const char *text,
                         void *field)
{
        struct record_kernel *kernel = &((struct record_settings *)field)->kernel;
        size_t length = strcspn(text, " ");

        return add_module(command, option, text, length, text[length] ? text + length + 1 : NULL, kernel);
}

static bool parse_linux_entry(const struct cli_command *command, const struct cli_option *option, const char *text,
                              void *field)
{
        unsigned *bits = &((struct record_settings *)field)->kernel.linux_entry;

        *bits = strcmp(text, "16") == 0 ? 16 : strcmp(text, "32") == 0 ? 32 : strcmp(text, "64") == 0 ? 64 : 0;
        return *bits || cli_value_error(command, option, text, "16, 32 or 64");
}

static bool parse_memory(const struct cli_command *command, const struct cli_option *option, const char *text,
                         void *field)
{
        uint64_t *size = &((struct record_settings *)field)->memory_size;

        return (cli_parse_size(text, size) && *size >= HWACCL_MEMORY_SIZE_MIN && *size <= HWACCL_MEMORY_SIZE_MAX &&
                *size % HWACCL_PAGE_SIZE == 0) ||
               cli_value_error(command, option, text, "a size from 1M to 3G that is a multiple of 4K");
}

static bool parse_wall_time(const struct cli_command *command, const struct cli_option *option, const char *text,
                            void *field)
{
        return cli_parse_time(text, &((struct record_settings *)field)->wall_time) ||
               cli_value_error(command, option, text, "a time such as 2026-11-22T20:34:00");
}

/* host, virtual, or virtual,RATE */
static bool parse_clock(const struct cli_command *command, const struct cli_option *option, const char *text,
                        void *field)
{
        struct record_settings *settings = field;
        static const char virtual_rate[] = "virtual,";
        bool is_virtual = strcmp(text, "virtual") == 0;

        settings->clock = HWACCL_CLOCK_VIRTUAL;
        settings->virtual_rate = 1;
        if (strncmp(text, virtual_rate, sizeof(virtual_rate) - 1) == 0)
                is_virtual = cli_parse_number(text + sizeof(virtual_rate) - 1, &settings->virtual_rate) &&
                             settings->virtual_rate >= 1 && settings->virtual_rate <= HWACCL_VIRTUAL_RATE_MAX;
        if (is_virtual)
                return true;
        settings->clock = HWACCL_CLOCK_HOST;
        return strcmp(text, "host") == 0 ||
               cli_value_error(command, option, text,
                               "host, virtual, or virtual and a rate from 1 to 1000: virtual,10");
}

static bool parse_device(const struct cli_command *command, const struct cli_option *option, const char *text,
                         void *field)
{
        bool *testdev = &((struct record_settings *)field)->testdev;

        *testdev = strcmp(text, HWACCL_DEVICE_TESTDEV) == 0;
        return *testdev || cli_value_error(command, option, text, HWACCL_DEVICE_TESTDEV);
}

static bool parse_smp(const struct cli_command *command, const struct cli_option *option, const char *text, void *field)
{
        struct hwaccl_error error;
        uint64_t count;

        (void)field;
        if (!cli_parse_number(text, &count))
                return cli_value_error(command, option, text, "a number of virtual CPUs");
        if (hwaccl_vmm_check_cpu_count(count, &error))
                return true;
        (void)cli_usage_error(command, "--%s: %s", option->name, error.message);
        return false;
}

#define S struct record_settings

const struct cli_option record_option_table[] = {
        {"firmware", 'f', "FILE", "start FILE as firmware (64 KiB to 16 MiB, a multiple of 64 KiB)",
         CLI_FILE(S, firmware.path)},
        {"raw", 'r', "FILE@ADDR",
         "copy FILE to guest memory at ADDR; may be repeated; without firmware and kernel the guest starts at the "
         "first one, in real mode",
         CLI_PARSED(CLI_VALUE_FILE, parse_raw)},
        {"kernel", 'k', "FILE", "start FILE: a Linux bzImage, a Multiboot image, or an ELF image with a PVH entry",
         CLI_FILE(S, kernel.image.path)},
        {"initrd", 0, "FILE", "load FILE as the initial RAM disk of a Linux kernel",
         CLI_PARSED(CLI_VALUE_FILE, parse_initrd)},
        {"append", 0, "TEXT", "pass TEXT to the kernel as its command line", CLI_TEXT(S, kernel.command_line)},
        {"module", 0, "'FILE [TEXT]'",
         "load FILE as a module of a Multiboot or PVH kernel, with TEXT as its command line; may be repeated",
         CLI_PARSED(CLI_VALUE_FILE, parse_module)},
        {"linux-entry", 0, "16|32|64",
         "enter a Linux bzImage in 32-bit or 64-bit mode (default: 64 where the kernel has it), or with 16 in its "
         "real-mode code, which needs --firmware",
         CLI_PARSED(CLI_VALUE_KEYWORD, parse_linux_entry), .keywords = "16 32 64"},
        {"disk", 'd', "FILE[,ro|cow]",
         "attach FILE as an ATA disk; may be repeated, up to 4; the guest writes to FILE, with ro its writes fail, "
         "with cow they are discarded at the end",
         CLI_PARSED(CLI_VALUE_FILE, record_parse_disk)},
        {"memory", 'm', "SIZE", "size of guest memory, 1M to 3G (default 128M)",
         CLI_PARSED(CLI_VALUE_TEXT, parse_memory), .given = CLI_FIELD(bool, S, memory_given)},
        {"machine", 0, "KIND",
         "what interrupts the processor: apic, a local APIC and an I/O APIC with two 8259s (default), or pic, the "
         "8259s "
         "alone",
         CLI_KEYWORD(S, machine, RECORD_MACHINES)},
        {"device", 0, "NAME",
         "add a device: testdev, with which kvm-unit-tests' images make accesses and interrupts (ports e0h-ebh and "
         "2000h-2017h, memory at ff000000h)",
         CLI_PARSED(CLI_VALUE_KEYWORD, parse_device), .keywords = HWACCL_DEVICE_TESTDEV},
        {"smp", 0, "N", "number of virtual CPUs, always 1; also -smp N", CLI_PARSED(CLI_VALUE_NUMBER, parse_smp)},
        {"output", 'o', "FILE", "write the recording to FILE, an SQLite database", CLI_FILE(S, output)},
        {"force", 0, NULL, "replace the recording if it exists", CLI_FLAG(S, force)},
        CLI_OPTION_MODE(S, mode),
        {"anonymous", 0, NULL,
         "record neither the host's name, nor the command line, nor the directories of the files in it",
         CLI_FLAG(S, anonymous)},
        {"no-db", 0, NULL, "write no database: trace with --lttng, or only run the guest", CLI_FLAG(S, no_record)},
        {"no-record", 0, NULL, "the same as --no-db", CLI_FLAG(S, no_record)},
        {"lttng", 0, NULL, "emit every exit as LTTng user-space events hwaccl:*; see hwaccl import",
         CLI_FLAG(S, lttng)},
        {"accel", 0, "NAME",
         "accelerator: kvm, soft, muen or auto (default: $HWACCL_ACCEL, else auto: KVM where it works)",
         CLI_KEYWORD(S, accel, RECORD_ACCELS)},
        {"subject-dir", 0, "DIR", "with --accel muen: directory of the pages and doorbells shared with the other side",
         CLI_DIRECTORY(S, subject_dir), .min = 1},
        {"subject-doorbells", 0, "RUN,EXIT,POKE[,ALIVE]",
         "use these open file descriptors, such as eventfds, as doorbells",
         CLI_PARSED(CLI_VALUE_TEXT, record_parse_doorbells), .given = CLI_FIELD(bool, S, subject_doorbells_given)},
        {"subject-timeout", 0, "SECONDS", "time the guest may take to exit after it was asked to (default 10)",
         CLI_SECONDS(S, subject_timeout_ns)},
        {"verify", 0, NULL,
         "let KVM execute each instruction that exited too, and stop where its state differs from the handler's",
         CLI_FLAG(S, verify)},
        {"clock", 0, "KIND",
         "guest time: host, real time (default), or virtual[,RATE], which advances with what is executed, so that two "
         "runs are identical: RATE (1 to 1000, default 1) times 4 ns for each block of instructions and 1 us for each "
         "exit; a higher rate ends loops sooner that poll a clock",
         CLI_PARSED(CLI_VALUE_KEYWORD, parse_clock), .keywords = "host virtual"},
        {"wall-time", 0, "TIME",
         "date of the guest's clock at its start: seconds since 1970 or YYYY-MM-DDThh:mm:ss, UTC (default: now; "
         "2000-01-01 with --clock virtual)",
         CLI_PARSED(CLI_VALUE_TEXT, parse_wall_time), .given = CLI_FIELD(bool, S, wall_time_given)},
        {"tsc-khz", 0, "KHZ", "frequency of the guest's time-stamp counter (default 1000000; with KVM the host's)",
         CLI_NUMBER(S, tsc_khz, 1000, 100000000)},
        {"max-exits", 'n', "N", "stop after N exits", CLI_NUMBER(S, max_exits, 1, INT64_MAX)},
        {"timeout", 't', "SECONDS", "stop after SECONDS of host time", CLI_SECONDS(S, timeout_ns)},
        {"until", 0, "TEXT", "stop when the guest has printed TEXT", CLI_TEXT(S, until), .min = 1},
        {"no-report", 0, NULL, "do not say at the end why the guest failed", CLI_FLAG(S, no_report)},
        {"expect-exit", 0, "CODE", "exit status 1 unless the guest ends with exit code CODE",
         CLI_NUMBER(S, exit_expected, 0, UINT32_MAX), .given = CLI_FIELD(bool, S, expect_exit)},
        {"console", 0, "FILE", "write what the guest prints to FILE instead of standard output", CLI_FILE(S, console)},
        {"input", 0, "FILE",
         "read the input of the guest's serial port from FILE, or - for standard input (default: the terminal with "
         "--clock host, else none)",
         CLI_FILE(S, input)},
        {"save-memory", 0, "FILE", "write the guest's RAM to FILE when the guest has ended", CLI_FILE(S, save_memory)},
        {"keep-memory", 0, "WHEN",
         "keep the guest's memory, up to 1 GiB, in the recording: on-failure (default), final or never",
         CLI_KEYWORD(S, keep_memory, RECORD_KEEPS)},
        {"quiet-debug", 'q', NULL, "do not print the debug log of port 402h, and do not search it for --until",
         CLI_FLAG(S, quiet_debug)},
        {"keyframe-interval", 0, "N", "save the full state every N exits (default 256)",
         CLI_NUMBER_32(S, keyframe_interval, 1, KEYFRAME_MAX)},
        {"flight-recorder", 0, "WINDOW",
         "keep only the newest exits: 100000exits, 64M, 30s, or several with commas between; written when the guest "
         "ends and on SIGUSR1",
         CLI_PARSED(CLI_VALUE_TEXT, parse_flight_recorder)},
        {"together", 0, NULL, "with a VMM of its own (after --): kill it if the recorder is killed",
         CLI_FLAG(S, together)},
        {"kernel-exits", 0, NULL,
         "with a VMM after --: record the exits too that the kernel's KVM handles by itself, from its trace points",
         CLI_FLAG(S, kernel_exits)},
        {"attach", 0, "PID",
         "record the exits of a VMM that runs already, as the kernel's trace points show them; it goes on when the "
         "recording ends",
         CLI_NUMBER(S, attach, 1, INT32_MAX)},
        {"trigger", 0, "CONDITION",
         "have the flight recorder write its window once, at an exit with reason=NAME, port=FIRST-LAST, rip=FIRST-LAST "
         "or verdict=NAME, or several with commas between; may be repeated",
         CLI_PARSED(CLI_VALUE_TEXT, parse_trigger)},
        {.name = NULL},
};

#undef S

/* What applies to a VMM that runs by itself; the others are the machine's. */
static bool is_for_machine(const struct cli_option *option)
{
        static const char *const common[] = {
                "output",   "force",        "mode",   "anonymous",       "max-exits", "timeout", "keyframe-interval",
                "together", "kernel-exits", "attach", "flight-recorder", "trigger",   "lttng"};

        for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
                if (strcmp(option->name, common[i]) == 0)
                        return false;
        return true;
}

static bool check_flight(const struct record_settings *settings)
{
        if (settings->trigger_count && !settings->flight_text)
                (void)cli_usage_error(settings->command, "--trigger requires --flight-recorder WINDOW");
        else if (settings->kernel_exits && settings->flight_text)
                (void)cli_usage_error(settings->command, "--kernel-exits and --flight-recorder exclude each other");
        else
                return true;
        return false;
}

/* What it decides about an exit is not seen from outside. */
static bool check_vmm_triggers(const struct record_settings *settings)
{
        for (size_t i = 0; i < settings->trigger_count; i++)
                if (settings->trigger[i].by_verdict) {
                        (void)cli_usage_error(
                                settings->command,
                                "--trigger: '%s': verdict does not apply to a VMM of its own (after --, or "
                                "--attach), which has none",
                                settings->trigger[i].text);
                        return false;
                }
        return true;
}

static bool check_vmm(const struct record_settings *settings, int argc, char **argv)
{
        const struct cli_command *command = settings->command;
        const struct cli_option *option = cli_find_option(command, argc, argv, is_for_machine);

        if (settings->attach)
                (void)cli_usage_error(command, "--attach and a VMM after -- exclude each other");
        else if (option)
                (void)cli_usage_error(command, "--%s does not apply to a VMM of its own (after --)", option->name);
        else if (!settings->output)
                (void)cli_usage_error(command, "no recording given; use -o FILE");
        else
                return check_flight(settings) && check_vmm_triggers(settings);
        return false;
}

static bool check_attach(const struct record_settings *settings, int argc, char **argv)
{
        const struct cli_command *command = settings->command;
        const struct cli_option *option = cli_find_option(command, argc, argv, is_for_machine);

        if (option)
                (void)cli_usage_error(command, "--%s does not apply to --attach", option->name);
        else if (settings->together)
                (void)cli_usage_error(command, "--together does not apply to --attach: the VMM always goes on");
        else if (settings->lttng)
                (void)cli_usage_error(command, "--lttng does not apply to --attach");
        else if (!settings->output)
                (void)cli_usage_error(command, "no recording given; use -o FILE");
        else
                return check_flight(settings) && check_vmm_triggers(settings);
        return false;
}

static bool check_settings(struct record_settings *settings)
{
        const struct cli_command *command = settings->command;

        if (!record_check_kernel(settings) || !record_check_subject(settings))
                return false;
        if (!settings->firmware.path && !settings->raw_count && !settings->kernel.image.path && !settings->subject_dir)
                (void)cli_usage_error(command,
                                      "nothing to run; give --firmware FILE, --kernel FILE or --raw FILE@ADDR");
        else if (!settings->output && !settings->no_record)
                (void)cli_usage_error(command, "no recording given; use -o FILE, or --no-db");
        else if (settings->output && settings->no_record)
                (void)cli_usage_error(command, "-o and --no-db exclude each other");
        else if (settings->together)
                (void)cli_usage_error(command, "--together requires a VMM of its own (after --)");
        else if (settings->flight_text && settings->no_record)
                (void)cli_usage_error(command, "--flight-recorder and --no-db exclude each other");
        else if (!check_flight(settings))
                return false;
        else if (settings->kernel_exits)
                (void)cli_usage_error(command, "--kernel-exits requires a VMM of its own (after --)");
        else if (settings->verify && settings->accel == RECORD_ACCEL_SOFT)
                (void)cli_usage_error(command, "--verify requires KVM, not --accel soft");
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

/* The environment names an accelerator as --accel would. */
static bool accel_from_environment(struct record_settings *settings)
{
        static const struct cli_option variable = {"accel", 0, "NAME", "",
                                                   CLI_KEYWORD(struct record_settings, accel, RECORD_ACCELS)};
        const char *accel = getenv("HWACCL_ACCEL");

        return !accel || !*accel || cli_parse_value(settings->command, &variable, accel, settings);
}

enum hwaccl_machine_kind record_machine_kind(const struct record_settings *settings)
{
        return settings->machine ? HWACCL_MACHINE_PIC : HWACCL_MACHINE_APIC;
}

bool record_parse(struct record_settings *settings, const struct cli_command *command, int argc, char **argv,
                  enum cli_status *status)
{
        memset(settings, 0, sizeof(*settings));
        settings->command = command;
        settings->memory_size = MEMORY_DEFAULT;
        *status = CLI_CANNOT;

        spell_out_smp(argc, argv);
        if (!accel_from_environment(settings) || !cli_parse_options(command, argc, argv, settings, status))
                return false;
        if (optind < argc && strcmp(argv[optind - 1], "--") == 0) {
                settings->vmm = &argv[optind];
                return check_vmm(settings, argc, argv);
        }
        if (optind < argc) {
                *status = cli_usage_error(command, "unexpected argument '%s'", argv[optind]);
                return false;
        }
        if (settings->attach)
                return check_attach(settings, argc, argv);
        if (!settings->wall_time_given)
                settings->wall_time =
                        settings->clock == HWACCL_CLOCK_VIRTUAL ? WALL_TIME_VIRTUAL : (uint64_t)time(NULL);
        *status = CLI_CANNOT;
        return check_settings(settings);
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
