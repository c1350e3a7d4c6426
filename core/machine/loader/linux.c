/*
 * Linux: a bzImage, entered past its real-mode code (Documentation/arch/x86/boot.rst, "32-bit Boot Protocol" and
 * "64-bit Boot Protocol"), or in it, by firmware (setup_rom.h): the segment lies above the kernel until then, and the
 * memory map and all tables are firmware's. Memory, otherwise:
 *
 *      6000h        descriptors of the flat segments
 *      10000h       boot_params, the "zero page"
 *      11000h       page tables, for the 64-bit entry
 *      20000h       command line
 *      f0000h       ACPI tables
 *      pref_address the kernel, with the room that it needs to decompress itself
 *      at the top   initrd
 */
#include "core/machine/loader/acpi_tables.h"
#include "core/machine/loader/loader.h"
#include "core/machine/loader/loader_internal.h"
#include "core/machine/loader/setup_rom.h"

#include <inttypes.h>
#include <string.h>

#define GDT_ADDRESS          UINT64_C(0x6000)
#define PARAMS_ADDRESS       UINT64_C(0x10000)
#define PAGE_TABLES_ADDRESS  UINT64_C(0x11000)
#define COMMAND_LINE_ADDRESS UINT64_C(0x20000)
#define ONE_MIB              UINT64_C(0x100000)
#define PAGE                 UINT64_C(4096)
#define SECTOR               512u
#define PARAGRAPH            16u
#define SETUP_SECTS_DEFAULT  4u
#define ENTRY_64_OFFSET      0x200u
#define SETUP_SIZE_MAX       0x8000u
#define FIRMWARE_AT_TOP      UINT64_C(0x400000)

/* boot_params: struct setup_header has the same offsets in it and in the image. */
#define PARAMS_SIZE            4096u
#define PARAMS_ACPI_RSDP       0x070u
#define PARAMS_E820_COUNT      0x1e8u
#define PARAMS_E820            0x2d0u
#define PARAMS_E820_ENTRY_SIZE 20u
#define HEADER_SETUP_SECTS     0x1f1u
#define HEADER_SYSSIZE         0x1f4u
#define HEADER_BOOT_FLAG       0x1feu
#define HEADER_JUMP_OFFSET     0x201u
#define HEADER_MAGIC           0x202u
#define HEADER_VERSION         0x206u
#define HEADER_LOADER_TYPE     0x210u
#define HEADER_LOADFLAGS       0x211u
#define HEADER_CODE32_START    0x214u
#define HEADER_RAMDISK_IMAGE   0x218u
#define HEADER_RAMDISK_SIZE    0x21cu
#define HEADER_HEAP_END_PTR    0x224u
#define HEADER_CMD_LINE_PTR    0x228u
#define HEADER_INITRD_ADDR_MAX 0x22cu
#define HEADER_ALIGNMENT       0x230u
#define HEADER_RELOCATABLE     0x234u
#define HEADER_XLOADFLAGS      0x236u
#define HEADER_CMDLINE_SIZE    0x238u
#define HEADER_SETUP_DATA      0x250u
#define HEADER_PREF_ADDRESS    0x258u
#define HEADER_INIT_SIZE       0x260u
#define HEADER_END_MAX         0x290u /* what comes behind it in boot_params */

#define VERSION_OLDEST      0x206u
#define VERSION_SETUP_DATA  0x209u
#define VERSION_PREF        0x20au /* pref_address and init_size */
#define VERSION_XLOADFLAGS  0x20cu
#define VERSION_RSDP        0x20eu
#define LOADED_HIGH         0x01u
#define CAN_USE_HEAP        0x80u
#define HEAP_END_MARGIN     0x200u /* heap_end_ptr is an offset from the end of the first sector */
#define XLF_KERNEL_64       0x0001u
#define XLF_ABOVE_4G        0x0002u
#define LOADER_TYPE_UNKNOWN 0xffu

static const uint8_t boot_flag[2] = {0x55, 0xaa};

/* What is needed of the image's header; absent fields have the values that go without saying. */
struct header {
        unsigned version;
        size_t end; /* of the header in the image */
        size_t setup_size;
        size_t code_size; /* of the protected-mode code behind it */
        uint64_t load_address;
        uint64_t load_size; /* what the kernel uses from there on before it knows the memory map */
        uint64_t alignment;
        bool relocatable;
        bool enters_64;
        bool enters_16;
        bool is_16; /* it has no other entry */
        uint64_t initrd_limit;
        uint64_t command_line_max; /* without the NUL */
};

static size_t header_end_of(unsigned version)
{
        return version >= VERSION_PREF ? HEADER_INIT_SIZE + 4 : HEADER_CMDLINE_SIZE + 4;
}

/* The magic numbers, the version, and that everything is there that the version has. */
static bool check_format(const struct hwaccl_loader_input *input, struct header *header, struct hwaccl_error *error)
{
        const uint8_t *image = input->kernel;

        if (input->kernel_size < HEADER_VERSION + 2 || memcmp(image + HEADER_BOOT_FLAG, boot_flag, 2) != 0 ||
            memcmp(image + HEADER_MAGIC, "HdrS", 4) != 0)
                return hwaccl_error_set(error, "not a Linux bzImage: no \"HdrS\" at 0x%x", HEADER_MAGIC);
        header->version = hwaccl_load16(image + HEADER_VERSION);
        if (header->version < VERSION_OLDEST)
                return hwaccl_error_set(error, "Linux boot protocol %u.%02u; 2.06 (Linux 2.6.22) or later is needed",
                                        header->version >> 8, header->version & 0xff);
        header->end = HEADER_MAGIC + image[HEADER_JUMP_OFFSET];
        if (header->end < header_end_of(header->version) || header->end > HEADER_END_MAX)
                return hwaccl_error_set(error,
                                        "Linux header ends at 0x%zx; boot protocol %u.%02u has it end between 0x%zx "
                                        "and 0x%x",
                                        header->end, header->version >> 8, header->version & 0xff,
                                        header_end_of(header->version), HEADER_END_MAX);
        if (header->end > input->kernel_size)
                return hwaccl_error_set(error, "Linux image of %zu bytes ends within its header, which takes 0x%zx",
                                        input->kernel_size, header->end);
        if (!(image[HEADER_LOADFLAGS] & LOADED_HIGH))
                return hwaccl_error_set(error, "Linux image is a zImage, for low memory; a bzImage is needed");
        return true;
}

static bool check_code(const struct hwaccl_loader_input *input, struct header *header, struct hwaccl_error *error)
{
        const uint8_t *image = input->kernel;
        unsigned sectors = image[HEADER_SETUP_SECTS] ? image[HEADER_SETUP_SECTS] : SETUP_SECTS_DEFAULT;
        uint64_t code_size = (uint64_t)hwaccl_load32(image + HEADER_SYSSIZE) * PARAGRAPH;

        header->setup_size = (sectors + 1) * (size_t)SECTOR;
        size_t rest = input->kernel_size > header->setup_size ? input->kernel_size - header->setup_size : 0;
        if (!code_size)
                return hwaccl_error_set(error, "Linux header says that there is no protected-mode code (syssize 0)");
        /* syssize counts whole paragraphs: the last one may be a part (memtest86+) */
        if (rest + PARAGRAPH <= code_size)
                return hwaccl_error_set(error,
                                        "Linux image is cut short: %zu bytes of real-mode and %" PRIu64
                                        " bytes of protected-mode code are announced, the file has %zu",
                                        header->setup_size, code_size, input->kernel_size);
        header->code_size = code_size < rest ? (size_t)code_size : rest;
        return true;
}

static bool check_real_mode(const struct hwaccl_loader_input *input, struct header *header, struct hwaccl_error *error)
{
        if (header->setup_size > SETUP_SIZE_MAX)
                return hwaccl_error_set(error, "Linux real-mode code of %zu bytes; at most %u fit into its segment",
                                        header->setup_size, SETUP_SIZE_MAX);
        if (header->command_line_max >= HWACCL_SETUP_SEGMENT_SIZE - HWACCL_SETUP_COMMAND_LINE)
                header->command_line_max = HWACCL_SETUP_SEGMENT_SIZE - HWACCL_SETUP_COMMAND_LINE - 1;
        /* firmware has its tables at the top of memory, and works there */
        uint64_t limit = input->memory_size > FIRMWARE_AT_TOP ? input->memory_size - FIRMWARE_AT_TOP : 0;
        if (header->initrd_limit > limit)
                header->initrd_limit = limit;
        return true;
}

/* Where the kernel goes, and how it is entered. */
static bool check_placement(const struct hwaccl_loader_input *input, struct header *header, struct hwaccl_error *error)
{
        const uint8_t *image = input->kernel;
        unsigned xloadflags = header->version >= VERSION_XLOADFLAGS ? hwaccl_load16(image + HEADER_XLOADFLAGS) : 0;

        header->relocatable = image[HEADER_RELOCATABLE];
        header->alignment = hwaccl_load32(image + HEADER_ALIGNMENT);
        if (header->relocatable && (!header->alignment || header->alignment & (header->alignment - 1)))
                return hwaccl_error_set(error, "Linux kernel_alignment 0x%" PRIx64 " is not a power of 2",
                                        header->alignment);
        header->load_address = ONE_MIB;
        header->load_size = header->code_size;
        if (header->version >= VERSION_PREF) {
                header->load_address = hwaccl_load64(image + HEADER_PREF_ADDRESS);
                header->load_size = hwaccl_load32(image + HEADER_INIT_SIZE);
                if (header->load_size < header->code_size)
                        return hwaccl_error_set(error,
                                                "Linux init_size 0x%" PRIx64 " is less than the code of 0x%zx bytes",
                                                header->load_size, header->code_size);
        }
        /* Linux says 1 MiB. Others have nothing there that a loader could enter (iPXE) */
        header->is_16 = !hwaccl_load32(image + HEADER_CODE32_START);
        if (header->is_16 && input->entry_32)
                return hwaccl_error_set(error, "the image has no 32-bit entry: its code32_start is 0");
        header->enters_16 = header->is_16 || input->entry_16;
        header->enters_64 = xloadflags & XLF_KERNEL_64 && !input->entry_32 && !header->enters_16;
        if (header->enters_64 && header->code_size <= ENTRY_64_OFFSET)
                return hwaccl_error_set(error, "Linux image is to be entered at 0x%x of its 0x%zx bytes of code",
                                        ENTRY_64_OFFSET, header->code_size);
        /* a kernel that can have its initrd anywhere gives the limit for loaders that know no better */
        header->initrd_limit =
                xloadflags & XLF_ABOVE_4G ? UINT64_MAX : (uint64_t)hwaccl_load32(image + HEADER_INITRD_ADDR_MAX) + 1;
        header->command_line_max = hwaccl_load32(image + HEADER_CMDLINE_SIZE);
        return !header->enters_16 || check_real_mode(input, header, error);
}

static bool place_kernel(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input, struct header *header,
                         struct hwaccl_error *error)
{
        if (header->relocatable &&
            !hwaccl_layout_find_above(layout, "the Linux kernel", header->load_size, header->alignment,
                                      header->load_address, UINT64_MAX, &header->load_address, error))
                return false;
        if (!hwaccl_layout_reserve(layout, "the Linux kernel", header->load_address, header->load_size, error))
                return false;
        uint8_t *code = hwaccl_layout_fill(layout, header->load_address, header->code_size, error);
        if (!code)
                return false;
        memcpy(code, input->kernel + header->setup_size, header->code_size);
        return true;
}

static bool place_initrd(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                         const struct header *header, uint8_t *params, struct hwaccl_error *error)
{
        const struct hwaccl_loader_module *initrd = input->module;
        uint64_t address;

        if (input->module_count > 1)
                return hwaccl_error_set(error, "Linux takes one initrd: %zu modules were given", input->module_count);
        if (!input->module_count || !initrd->size)
                return true;
        if (initrd->command_line && *initrd->command_line)
                return hwaccl_error_set(error, "Linux' initrd has no command line of its own");
        if (!hwaccl_layout_find_below(layout, "the initrd", initrd->size, PAGE, ONE_MIB, header->initrd_limit, &address,
                                      error) ||
            !hwaccl_layout_copy(layout, "the initrd", address, initrd->data, initrd->size, error))
                return false;
        hwaccl_store32(params + HEADER_RAMDISK_IMAGE, (uint32_t)address);
        hwaccl_store32(params + HEADER_RAMDISK_SIZE, (uint32_t)initrd->size);
        return true;
}

static bool choose_command_line(const struct hwaccl_loader_input *input, const struct header *header, const char **text,
                                size_t *length, struct hwaccl_error *error)
{
        *text = input->command_line ? input->command_line : header->is_16 ? "" : HWACCL_LINUX_COMMAND_LINE;
        *length = strlen(*text);
        return *length <= header->command_line_max ||
               hwaccl_error_set(error, "command line of %zu characters; this Linux kernel takes at most %" PRIu64,
                                *length, header->command_line_max);
}

static bool place_command_line(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                               const struct header *header, uint8_t *params, struct hwaccl_error *error)
{
        const char *text;
        size_t length;

        if (!choose_command_line(input, header, &text, &length, error))
                return false;
        hwaccl_store32(params + HEADER_CMD_LINE_PTR, (uint32_t)COMMAND_LINE_ADDRESS);
        return hwaccl_layout_copy(layout, "the command line", COMMAND_LINE_ADDRESS, text, length + 1, error);
}

/* The loader's fields of the header, which are at the same offsets in boot_params. */
static void fill_header(const struct header *header, uint8_t *params)
{
        params[HEADER_LOADER_TYPE] = LOADER_TYPE_UNKNOWN;
        hwaccl_store32(params + HEADER_CODE32_START, (uint32_t)header->load_address);
        hwaccl_store32(params + HEADER_RAMDISK_IMAGE, 0);
        hwaccl_store32(params + HEADER_RAMDISK_SIZE, 0);
        if (header->version >= VERSION_SETUP_DATA)
                hwaccl_store64(params + HEADER_SETUP_DATA, 0);
}

/* The header of the image with the loader's fields filled in; everything else stays zero, as the protocol asks. */
static void fill_params(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                        const struct header *header, uint8_t *params)
{
        struct hwaccl_memory_map_entry map[HWACCL_MEMORY_MAP_MAX];
        size_t count = hwaccl_layout_memory_map(layout, map);

        memcpy(params + HEADER_SETUP_SECTS, input->kernel + HEADER_SETUP_SECTS, header->end - HEADER_SETUP_SECTS);
        fill_header(header, params);
        if (header->version >= VERSION_RSDP)
                hwaccl_store64(params + PARAMS_ACPI_RSDP, HWACCL_LOADER_ACPI_ADDRESS);
        params[PARAMS_E820_COUNT] = (uint8_t)count;
        for (size_t i = 0; i < count; i++) {
                uint8_t *entry = params + PARAMS_E820 + i * PARAMS_E820_ENTRY_SIZE;
                hwaccl_store64(entry, map[i].address);
                hwaccl_store64(entry + 8, map[i].size);
                hwaccl_store32(entry + 16, map[i].type);
        }
}

/* The segment of the real-mode code as it is to be at 10000h: code, room for heap and stack, command line. */
static bool place_real_mode(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                            struct header *header, struct hwaccl_error *error)
{
        static const char name[] = "the real-mode code";
        const char *text;
        size_t length;
        uint64_t address;

        if (!choose_command_line(input, header, &text, &length, error) || !place_kernel(layout, input, header, error) ||
            !hwaccl_layout_find_above(layout, name, HWACCL_SETUP_SEGMENT_SIZE, PAGE, ONE_MIB, UINT64_MAX, &address,
                                      error))
                return false;
        uint8_t *segment = hwaccl_layout_add(layout, name, address, HWACCL_SETUP_SEGMENT_SIZE, error);
        if (!segment)
                return false;
        memcpy(segment, input->kernel, header->setup_size);
        fill_header(header, segment);
        segment[HEADER_LOADFLAGS] |= CAN_USE_HEAP;
        hwaccl_store16(segment + HEADER_HEAP_END_PTR, HWACCL_SETUP_COMMAND_LINE - HEAP_END_MARGIN);
        hwaccl_store32(segment + HEADER_CMD_LINE_PTR, (uint32_t)(HWACCL_SETUP_SEGMENT + HWACCL_SETUP_COMMAND_LINE));
        memcpy(segment + HWACCL_SETUP_COMMAND_LINE, text, length + 1);
        layout->loaded->setup_address = address;
        return place_initrd(layout, input, header, segment, error);
}

static bool place(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input, struct header *header,
                  struct hwaccl_error *error)
{
        enum hwaccl_entry_mode mode = header->enters_64 ? HWACCL_ENTRY_LONG : HWACCL_ENTRY_PROTECTED;
        uint8_t tables[HWACCL_LOADER_ACPI_SIZE];

        if (header->enters_16)
                return place_real_mode(layout, input, header, error);
        uint8_t *params = hwaccl_layout_add(layout, "boot_params", PARAMS_ADDRESS, PARAMS_SIZE, error);
        if (!params)
                return false;
        size_t size = hwaccl_loader_acpi_tables(tables, layout->apic);
        if (!hwaccl_layout_copy(layout, "the ACPI tables", HWACCL_LOADER_ACPI_ADDRESS, tables, size, error) ||
            (header->enters_64 && !hwaccl_layout_add_identity_tables(layout, PAGE_TABLES_ADDRESS, error)) ||
            !place_kernel(layout, input, header, error))
                return false;
        fill_params(layout, input, header, params);
        if (!place_command_line(layout, input, header, params, error) ||
            !place_initrd(layout, input, header, params, error))
                return false;
        uint64_t rip = header->load_address + (header->enters_64 ? ENTRY_64_OFFSET : 0);
        layout->loaded->entry.rsi = PARAMS_ADDRESS;
        return hwaccl_layout_enter(layout, mode, rip, GDT_ADDRESS, error);
}

bool hwaccl_loader_load_linux(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                              struct hwaccl_error *error)
{
        struct hwaccl_layout layout;
        struct header header;

        hwaccl_layout_begin(&layout, input, HWACCL_IMAGE_LINUX, loaded);
        if (check_format(input, &header, error) && check_code(input, &header, error) &&
            check_placement(input, &header, error) && place(&layout, input, &header, error))
                return true;
        hwaccl_loader_free(loaded);
        return false;
}
