/* A kernel, started without firmware or by it: its files, and their layout in guest memory. */
#include "replay/cli/record/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool record_check_kernel(const struct record_settings *settings)
{
        const struct record_kernel *kernel = &settings->kernel;
        const struct cli_command *command = settings->command;
        const char *without = kernel->initrd         ? "initrd"
                              : kernel->module_count ? "module"
                              : kernel->command_line ? "append"
                              : kernel->linux_entry  ? "linux-entry"
                                                     : NULL;

        if (!kernel->image.path && without)
                (void)cli_usage_error(command, "--%s requires --kernel FILE", without);
        else if (kernel->initrd && kernel->module_count > 1)
                (void)cli_usage_error(command, "--initrd and --module exclude each other");
        else
                return true;
        return false;
}

static bool read_files(struct record_settings *settings)
{
        struct record_kernel *kernel = &settings->kernel;
        char limit[96];

        (void)snprintf(limit, sizeof(limit), "at most 0x%" PRIx64 " bytes, the size of guest memory",
                       settings->memory_size);
        if (!record_read_image(settings->command, &kernel->image, settings->memory_size, limit))
                return false;
        for (size_t i = 0; i < kernel->module_count; i++)
                if (!record_read_image(settings->command, &kernel->module[i], settings->memory_size, limit))
                        return false;
        return true;
}

/* Which options apply to which format; modules of a Multiboot or PVH kernel come from --module. */
static bool check_format(const struct record_settings *settings, enum hwaccl_image_format format)
{
        const struct record_kernel *kernel = &settings->kernel;
        const struct cli_command *command = settings->command;
        const char *name = hwaccl_image_format_name(format);
        bool is_linux = format == HWACCL_IMAGE_LINUX;

        if (format == HWACCL_IMAGE_UNKNOWN)
                return true; /* the loader reports which formats it supports */
        if (kernel->linux_entry && !is_linux)
                (void)cli_usage_error(command, "--linux-entry requires a Linux bzImage: %s is a %s image",
                                      kernel->image.path, name);
        else if (kernel->module_count && !kernel->initrd && is_linux)
                (void)cli_usage_error(command, "--module does not apply to a Linux bzImage (%s); use --initrd FILE",
                                      kernel->image.path);
        else if (kernel->initrd && format == HWACCL_IMAGE_MULTIBOOT)
                (void)cli_usage_error(command, "--initrd does not apply to a Multiboot image (%s); use --module FILE",
                                      kernel->image.path);
        else
                return true;
        return false;
}

/* Real-mode code calls firmware; every other entry is one past it. */
static bool check_firmware(const struct record_settings *settings)
{
        const char *path = settings->kernel.image.path;
        bool real = settings->kernel.loaded.entry.mode == HWACCL_ENTRY_REAL;

        if (real && !settings->firmware.path)
                (void)cli_error(settings->command,
                                "%s: its real-mode code is entered, which calls the BIOS; add --firmware FILE "
                                "(SeaBIOS)",
                                path);
        else if (!real && settings->firmware.path)
                (void)cli_error(settings->command,
                                "%s: is entered past the firmware; omit --firmware, or start a Linux bzImage with "
                                "--linux-entry 16",
                                path);
        else
                return true;
        return false;
}

static bool overlaps(const struct record_image *raw, const struct hwaccl_loaded_range *range)
{
        return raw->address < range->address + range->size && range->address < raw->address + raw->size;
}

static bool check_raw_images(const struct record_settings *settings)
{
        const struct hwaccl_loaded *loaded = &settings->kernel.loaded;

        for (size_t i = 0; i < settings->raw_count; i++) {
                const struct record_image *raw = &settings->raw[i];
                for (size_t k = 0; k < loaded->range_count; k++) {
                        const struct hwaccl_loaded_range *range = &loaded->range[k];
                        if (!overlaps(raw, range))
                                continue;
                        (void)cli_error(settings->command,
                                        "%s: 0x%zx bytes at 0x%" PRIx64 " overlap %s, 0x%" PRIx64
                                        " bytes at 0x%" PRIx64,
                                        raw->path, raw->size, raw->address, range->what, range->size, range->address);
                        return false;
                }
        }
        return true;
}

bool record_load_kernel(struct record_settings *settings)
{
        struct record_kernel *kernel = &settings->kernel;
        struct hwaccl_loader_module module[HWACCL_LOADER_MODULE_MAX];
        struct hwaccl_error error;

        if (!kernel->image.path)
                return true;
        if (!read_files(settings) ||
            !check_format(settings, hwaccl_loader_format(kernel->image.data, kernel->image.size)))
                return false;
        for (size_t i = 0; i < kernel->module_count; i++)
                module[i] = (struct hwaccl_loader_module){kernel->module[i].data, kernel->module[i].size,
                                                          kernel->module_text[i]};
        struct hwaccl_loader_input input = {
                .kernel = kernel->image.data,
                .kernel_size = kernel->image.size,
                .kernel_name = record_file_name(settings, kernel->image.path),
                .command_line = kernel->command_line,
                .module = module,
                .module_count = kernel->module_count,
                .memory_size = settings->memory_size,
                .apic = record_machine_kind(settings) == HWACCL_MACHINE_APIC,
                .entry_32 = kernel->linux_entry == 32,
                .entry_16 = kernel->linux_entry == 16,
        };
        kernel->is_loaded = hwaccl_loader_load(&input, &kernel->loaded, &error);
        if (!kernel->is_loaded) {
                (void)cli_file_error(settings->command, kernel->image.path, error.message);
                return false;
        }
        if (kernel->linux_entry == 64 && kernel->loaded.entry.mode != HWACCL_ENTRY_LONG) {
                (void)cli_error(settings->command, "%s: no 64-bit entry; use --linux-entry 32", kernel->image.path);
                return false;
        }
        return check_firmware(settings) && check_raw_images(settings);
}

void record_place_kernel(const struct record_settings *settings, struct hwaccl_machine_config *config)
{
        const struct hwaccl_loaded *loaded = &settings->kernel.loaded;

        if (!settings->kernel.is_loaded)
                return;
        config->entry = loaded->entry;
        config->setup_address = loaded->setup_address;
        for (size_t i = 0; i < loaded->piece_count; i++)
                config->raw[config->raw_count++] = (struct hwaccl_raw_image){
                        loaded->piece[i].address, loaded->piece[i].data, loaded->piece[i].size};
}

void record_free_kernel(struct record_settings *settings)
{
        struct record_kernel *kernel = &settings->kernel;

        free(kernel->image.data);
        kernel->image.data = NULL;
        for (size_t i = 0; i < kernel->module_count; i++) {
                free(kernel->module[i].data);
                kernel->module[i].data = NULL;
        }
        if (kernel->is_loaded)
                hwaccl_loader_free(&kernel->loaded);
}
