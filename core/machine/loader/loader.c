/* Selects the loader, and what all loaders have in common. */
#include "core/machine/loader/loader.h"

#include "core/host/guest_memory.h"
#include "core/machine/loader/elf.h"
#include "core/machine/loader/loader_internal.h"

#include <inttypes.h>
#include <string.h>

#define LINUX_HEADER_MAGIC    0x202u /* "HdrS": there since protocol 2.00 */
#define LINUX_BOOT_FLAG       0x1feu
#define LINUX_BOOT_FLAG_VALUE 0xaa55u

typedef bool (*loader_function)(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                                struct hwaccl_error *error);

static const struct {
        const char *name;
        loader_function load;
} loaders[] = {
        [HWACCL_IMAGE_UNKNOWN] = {"unknown", NULL},
        [HWACCL_IMAGE_LINUX] = {"linux", hwaccl_loader_load_linux},
        [HWACCL_IMAGE_MULTIBOOT] = {"multiboot", hwaccl_loader_load_multiboot},
        [HWACCL_IMAGE_PVH] = {"pvh", hwaccl_loader_load_pvh},
};

const char *hwaccl_image_format_name(unsigned format)
{
        return loaders[format < sizeof(loaders) / sizeof(loaders[0]) ? format : HWACCL_IMAGE_UNKNOWN].name;
}

const char *hwaccl_entry_mode_name(unsigned mode)
{
        static const char *const name[] = {
                [HWACCL_ENTRY_REAL] = "real",
                [HWACCL_ENTRY_PROTECTED] = "protected",
                [HWACCL_ENTRY_LONG] = "long",
        };
        return mode < sizeof(name) / sizeof(name[0]) ? name[mode] : "unknown";
}

static bool is_linux(const uint8_t *kernel, size_t size)
{
        return size >= LINUX_HEADER_MAGIC + 4 && hwaccl_load16(kernel + LINUX_BOOT_FLAG) == LINUX_BOOT_FLAG_VALUE &&
               memcmp(kernel + LINUX_HEADER_MAGIC, "HdrS", 4) == 0;
}

enum hwaccl_image_format hwaccl_loader_format(const uint8_t *kernel, size_t size)
{
        if (is_linux(kernel, size))
                return HWACCL_IMAGE_LINUX;
        if (hwaccl_image_is_multiboot(kernel, size))
                return HWACCL_IMAGE_MULTIBOOT;
        if (hwaccl_image_is_pvh(kernel, size))
                return HWACCL_IMAGE_PVH;
        return HWACCL_IMAGE_UNKNOWN;
}

static bool check_input(const struct hwaccl_loader_input *input, struct hwaccl_error *error)
{
        if (input->memory_size < HWACCL_MEMORY_SIZE_MIN || input->memory_size > HWACCL_MEMORY_SIZE_MAX ||
            input->memory_size % HWACCL_PAGE_SIZE)
                return hwaccl_error_set(
                        error, "memory size %" PRIu64 " is not a multiple of %u between %u and %" PRIu64 " bytes",
                        input->memory_size, HWACCL_PAGE_SIZE, HWACCL_MEMORY_SIZE_MIN, HWACCL_MEMORY_SIZE_MAX);
        if (input->module_count > HWACCL_LOADER_MODULE_MAX)
                return hwaccl_error_set(error, "%zu modules, at most %u can be loaded", input->module_count,
                                        HWACCL_LOADER_MODULE_MAX);
        return true;
}

/* Boot loaders decompress what is shipped compressed; by the first bytes of what gzip and others write. */
static bool refuse_compressed(const struct hwaccl_loader_input *input, struct hwaccl_error *error)
{
        static const struct {
                const char *name;
                uint8_t magic[6];
                size_t size;
        } known[] = {
                {"gzip", {0x1f, 0x8b}, 2},
                {"bzip2", {'B', 'Z', 'h'}, 3},
                {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6},
                {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4},
                {"lz4", {0x04, 0x22, 0x4d, 0x18}, 4},
        };

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (input->kernel_size >= known[i].size && memcmp(input->kernel, known[i].magic, known[i].size) == 0) {
                        (void)hwaccl_error_set(error, "the kernel is compressed: decompress it with %s -d first",
                                               known[i].name);
                        return true;
                }
        return false;
}

/* Report the error of the format that the image resembles most. */
static bool refuse_unknown(const struct hwaccl_loader_input *input, struct hwaccl_error *error)
{
        struct hwaccl_elf elf;

        if (refuse_compressed(input, error) || hwaccl_multiboot_explain(input->kernel, input->kernel_size, error))
                return false;
        if (!hwaccl_elf_recognize(input->kernel, input->kernel_size))
                return hwaccl_error_set(
                        error,
                        "unknown kernel format: not a Linux bzImage (no \"HdrS\" at 0x%x), not an ELF image, no "
                        "Multiboot header in its first 8192 bytes",
                        LINUX_HEADER_MAGIC);
        if (!hwaccl_elf_open(&elf, input->kernel, input->kernel_size, error))
                return false;
        return hwaccl_error_set(error, "the ELF image has neither a Multiboot header in its first 8192 bytes nor a PVH "
                                       "entry note (type 18 from \"Xen\")");
}

bool hwaccl_loader_load(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                        struct hwaccl_error *error)
{
        if (!check_input(input, error))
                return false;
        loader_function load = loaders[hwaccl_loader_format(input->kernel, input->kernel_size)].load;
        return load ? load(input, loaded, error) : refuse_unknown(input, error);
}
