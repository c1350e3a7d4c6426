/* The recording's option table. Names of rows that depend on the host or the time begin with host_: with a virtual
 * clock all others are the same in every recording of a guest. */
#include "replay/cli/record/record_host.h"

#include "core/accel/soft/accel_soft.h"
#include "core/exit/emulate/emulator.h"
#include "replay/machine_options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* @name may have a place for @index. */
static void add_indexed(struct record_options *options, const char *name, size_t index, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

#define add(options, name, ...) add_indexed(options, name, 0, __VA_ARGS__)

static bool make_room(struct record_options *options)
{
        if (options->count < options->room)
                return true;
        size_t room = options->room ? options->room * 2 : 32;
        struct hwaccl_recording_option *row = realloc(options->row, room * sizeof(*row));
        if (!row)
                return false;
        options->row = row;
        options->room = room;
        return true;
}

static void add_indexed(struct record_options *options, const char *name, size_t index, const char *format, ...)
{
        char *own_name = NULL, *value = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&value, format, arguments) < 0)
                value = NULL;
        va_end(arguments);
        if (asprintf(&own_name, name, index) < 0)
                own_name = NULL;
        if (options->failed || !own_name || !value || !make_room(options)) {
                options->failed = true;
                free(own_name);
                free(value);
                return;
        }
        options->row[options->count++] = (struct hwaccl_recording_option){own_name, value};
}

static void add_cpu_model(struct record_options *options)
{
        FILE *file = fopen("/proc/cpuinfo", "re");
        char line[256];

        while (file && fgets(line, sizeof(line), file)) {
                char *value = strchr(line, ':');
                if (strncmp(line, "model name", 10) != 0 || !value)
                        continue;
                value += 1 + strspn(value + 1, " ");
                value[strcspn(value, "\n")] = '\0';
                add(options, "host_cpu", "%s", value);
                break;
        }
        if (file)
                (void)fclose(file);
}

static void add_host(struct record_options *options, const struct record_settings *settings)
{
        struct utsname name;
        if (uname(&name) == 0) {
                if (!settings->anonymous)
                        add(options, "host_name", "%s", name.nodename);
                add(options, "host_kernel", "%s %s %s", name.sysname, name.release, name.machine);
        }
        add_cpu_model(options);

        time_t seconds = time(NULL);
        struct tm date;
        char text[32];
        if (gmtime_r(&seconds, &date) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &date))
                add(options, "host_start_time", "%s", text);
        unsigned major, minor;
        if (hwaccl_accel_soft_version(&major, &minor))
                add(options, "host_unicorn_version", "%u.%u", major, minor);
        hwaccl_instruction_decoder_version(&major, &minor);
        add(options, "host_capstone_version", "%u.%u", major, minor);
        add(options, "host_sqlite_version", "%s", hwaccl_recording_sqlite_version());
}

const char *record_file_name(const struct record_settings *settings, const char *path)
{
        const char *slash = settings->anonymous ? strrchr(path, '/') : NULL;

        return slash ? slash + 1 : path;
}

/* Words with anything unusual in them are quoted, so that the line can be pasted into a shell. */
static void add_command_line(struct record_options *options, int argc, char **argv)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        if (!stream) {
                options->failed = true;
                return;
        }
        (void)fputs("hwaccl", stream);
        for (int i = 0; i < argc; i++) {
                (void)fputc(' ', stream);
                if (argv[i][0] && argv[i][strspn(argv[i], plain)] == '\0') {
                        (void)fputs(argv[i], stream);
                        continue;
                }
                (void)fputc('\'', stream);
                for (const char *c = argv[i]; *c; c++)
                        (void)(*c == '\'' ? fputs("'\\''", stream) : fputc(*c, stream));
                (void)fputc('\'', stream);
        }
        if (fclose(stream) != 0)
                options->failed = true;
        else
                add(options, "host_command_line", "%s", text);
        free(text);
}

static void add_guest(struct record_options *options, const struct record_settings *settings)
{
        add(options, HWACCL_OPTION_MEMORY_SIZE, "%" PRIu64, settings->memory_size);
        add(options, HWACCL_OPTION_TSC_KHZ, "%" PRIu64, settings->tsc_khz);
        add(options, HWACCL_OPTION_MACHINE, "%s", hwaccl_machine_kind_name(record_machine_kind(settings)));
        if (settings->testdev)
                add(options, HWACCL_OPTION_DEVICE, HWACCL_DEVICE_TESTDEV);
        add(options, "cr0_mask", "0x%" PRIx64, HWACCL_CR0_MASK);
        add(options, "cr4_mask", "0x%" PRIx64, HWACCL_CR4_MASK);
        add(options, HWACCL_OPTION_FIRMWARE_SIZE, "%zu", settings->firmware.size);
        if (settings->firmware.path) {
                add(options, "firmware", "%s", record_file_name(settings, settings->firmware.path));
                add(options, "firmware_sha256", "%s", settings->firmware.sha256);
        }
        add(options, HWACCL_OPTION_RAW_COUNT, "%zu", settings->raw_count);
        for (size_t i = 0; i < settings->raw_count; i++) {
                const struct record_image *raw = &settings->raw[i];
                add_indexed(options, "raw_%zu", i, "%s", record_file_name(settings, raw->path));
                add_indexed(options, HWACCL_OPTION_RAW_ADDRESS, i, "%" PRIu64, raw->address);
                add_indexed(options, HWACCL_OPTION_RAW_SIZE, i, "%zu", raw->size);
                add_indexed(options, "raw_%zu_sha256", i, "%s", raw->sha256);
        }
}

static void add_entry(struct record_options *options, const struct hwaccl_entry_point *entry)
{
        add(options, HWACCL_OPTION_ENTRY_MODE, "%s", hwaccl_entry_mode_name(entry->mode));
        add(options, HWACCL_OPTION_ENTRY_RIP, "%" PRIu64, entry->rip);
        add(options, HWACCL_OPTION_ENTRY_RAX, "%" PRIu64, entry->rax);
        add(options, HWACCL_OPTION_ENTRY_RBX, "%" PRIu64, entry->rbx);
        add(options, HWACCL_OPTION_ENTRY_RSI, "%" PRIu64, entry->rsi);
        add(options, HWACCL_OPTION_ENTRY_RSP, "%" PRIu64, entry->rsp);
        add(options, HWACCL_OPTION_ENTRY_CR3, "%" PRIu64, entry->cr3);
        add(options, HWACCL_OPTION_ENTRY_GDT_BASE, "%" PRIu64, entry->gdt_base);
        add(options, HWACCL_OPTION_ENTRY_GDT_LIMIT, "%" PRIu32, entry->gdt_limit);
        add(options, HWACCL_OPTION_ENTRY_CODE_SELECTOR, "%u", entry->code_selector);
        add(options, HWACCL_OPTION_ENTRY_DATA_SELECTOR, "%u", entry->data_selector);
}

static void add_kernel(struct record_options *options, const struct record_settings *settings)
{
        const struct record_kernel *kernel = &settings->kernel;

        if (!kernel->is_loaded)
                return;
        add(options, "kernel", "%s", record_file_name(settings, kernel->image.path));
        add(options, "kernel_size", "%zu", kernel->image.size);
        add(options, "kernel_sha256", "%s", kernel->image.sha256);
        add(options, "kernel_format", "%s", hwaccl_image_format_name(kernel->loaded.format));
        if (kernel->command_line)
                add(options, "kernel_command_line", "%s", kernel->command_line);
        add(options, "module_count", "%zu", kernel->module_count);
        for (size_t i = 0; i < kernel->module_count; i++) {
                const struct record_image *module = &kernel->module[i];
                add_indexed(options, "module_%zu", i, "%s", record_file_name(settings, module->path));
                add_indexed(options, "module_%zu_size", i, "%zu", module->size);
                add_indexed(options, "module_%zu_sha256", i, "%s", module->sha256);
                if (kernel->module_text[i])
                        add_indexed(options, "module_%zu_text", i, "%s", kernel->module_text[i]);
        }
        for (size_t i = 0; i < kernel->loaded.piece_count; i++) {
                const struct hwaccl_loaded_piece *piece = &kernel->loaded.piece[i];
                add_indexed(options, "loaded_%zu", i, "0x%" PRIx64 "+0x%zx", piece->address, piece->size);
        }
        if (kernel->loaded.setup_address)
                add(options, HWACCL_OPTION_SETUP_ADDRESS, "%" PRIu64, kernel->loaded.setup_address);
        add_entry(options, &kernel->loaded.entry);
}

/* A large image has no digest, which would take longer than the run; its time of modification is a fact of the host. */
static void add_disks(struct record_options *options, const struct record_settings *settings)
{
        if (settings->disk_count)
                add(options, HWACCL_OPTION_DISK_COUNT, "%zu", settings->disk_count);
        for (size_t i = 0; i < settings->disk_count; i++) {
                const struct record_disk *disk = &settings->disk[i];
                add_indexed(options, "disk_%zu", i, "%s", record_file_name(settings, disk->path));
                add_indexed(options, HWACCL_OPTION_DISK_SIZE, i, "%" PRIu64, hwaccl_live_disk_size(disk->image));
                add_indexed(options, HWACCL_OPTION_DISK_MODE, i, "%s", record_disk_mode(disk->mode));
                if (disk->sha256[0])
                        add_indexed(options, "disk_%zu_sha256", i, "%s", disk->sha256);
                else
                        add_indexed(options, "host_disk_%zu_modified", i, "%" PRId64,
                                    hwaccl_live_disk_modified(disk->image));
        }
}

static void add_limits(struct record_options *options, const struct record_settings *settings)
{
        if (settings->max_exits)
                add(options, "max_exits", "%" PRIu64, settings->max_exits);
        if (settings->timeout_ns)
                add(options, "timeout_ns", "%" PRIu64, settings->timeout_ns);
}

bool record_options_collect(struct record_options *options, const struct record_settings *settings,
                            const struct hwaccl_accel *accel, int argc, char **argv)
{
        memset(options, 0, sizeof(*options));
        add(options, "hwaccl_version", "%s", HWACCL_VERSION);
        add(options, "accel", "%s", accel->ops->name);
        if (settings->verify)
                add(options, "verify", "yes");
        add(options, "clock", "%s", settings->clock == HWACCL_CLOCK_VIRTUAL ? "virtual" : "host");
        add(options, "clock_source", "%s",
            settings->clock == HWACCL_CLOCK_VIRTUAL ? "instructions executed by the accelerator" : "CLOCK_MONOTONIC");
        if (settings->clock == HWACCL_CLOCK_VIRTUAL && settings->virtual_rate != 1)
                add(options, "clock_rate", "%" PRIu64, settings->virtual_rate);
        /* with the host's clock the wall time is a fact of the moment, and an input of the guest's first exits */
        add(options,
            settings->clock == HWACCL_CLOCK_VIRTUAL || settings->wall_time_given ? "wall_time" : "host_wall_time",
            "%" PRIu64, settings->wall_time);
        add_limits(options, settings);
        if (settings->until)
                add(options, "until", "%s", settings->until);
        add_guest(options, settings);
        add_kernel(options, settings);
        add_disks(options, settings);
        add_host(options, settings);
        if (strcmp(accel->ops->name, "kvm") == 0)
                record_host_add(options);
        if (settings->subject_dir && !settings->anonymous)
                add(options, "host_subject_dir", "%s", settings->subject_dir);
        if (!settings->anonymous)
                add_command_line(options, argc, argv);
        if (options->failed)
                (void)cli_error(settings->command, "out of memory");
        return !options->failed;
}

/* What is alike of every recording of another VMM: before and after what was not recorded. */
static void begin_vmm(struct record_options *options, const char *program)
{
        memset(options, 0, sizeof(*options));
        add(options, "hwaccl_version", "%s", HWACCL_VERSION);
        add(options, HWACCL_OPTION_VMM, "%s", program);
        add(options, "accel", "kvm");
        add(options, "clock", "host");
        add(options, "clock_source", "CLOCK_MONOTONIC");
}

static bool finish_vmm(struct record_options *options, const struct record_settings *settings, int argc, char **argv)
{
        add_limits(options, settings);
        add_host(options, settings);
        record_host_add(options);
        if (!settings->anonymous)
                add_command_line(options, argc, argv);
        if (options->failed)
                (void)cli_error(settings->command, "out of memory");
        return !options->failed;
}

bool record_options_collect_vmm(struct record_options *options, const struct record_settings *settings, int argc,
                                char **argv)
{
        const char *slash = strrchr(settings->vmm[0], '/');

        begin_vmm(options, slash ? slash + 1 : settings->vmm[0]);
        add(options, "not_recorded", "guest memory, what threads do beside calls of KVM, the clock%s",
            settings->kernel_exits ? "" : ", what the kernel handles");
        if (settings->kernel_exits)
                add(options, "kernel_exits", "yes");
        return finish_vmm(options, settings, argc, argv);
}

bool record_options_collect_attached(struct record_options *options, const struct record_settings *settings,
                                     const char *program, int argc, char **argv)
{
        begin_vmm(options, program);
        add(options, "not_recorded",
            "what was before, registers but those of the kernel's events, what the VMM answered, its calls of KVM, "
            "guest memory, what threads without a vCPU do, the clock");
        add(options, "attached", "yes");
        add(options, "host_attached_process", "%" PRIu64, settings->attach);
        add(options, "kernel_exits", "yes");
        return finish_vmm(options, settings, argc, argv);
}

void record_options_add(struct record_options *options, const char *name, const char *value)
{
        add(options, name, "%s", value);
}

void record_options_free(struct record_options *options)
{
        for (size_t i = 0; i < options->count; i++) {
                free((char *)(uintptr_t)options->row[i].name);
                free((char *)(uintptr_t)options->row[i].value);
        }
        free(options->row);
        options->row = NULL;
        options->count = options->room = 0;
}
