/* The subject directory: pages, RAM, subject info. */
#include "tests/peers/muen_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE     UINT64_C(4096)
#define RAM_BASE UINT64_C(0x100000000) /* where vm_ram_1 is in the other side's address space */

/* Subject info: where things are in it, and how big they are. */
#define INFO_SIZE       28600u
#define AT_COUNTS       8u /* resources, regions, channels, devices */
#define AT_TSC_KHZ      16u
#define AT_RESOURCES    40u
#define RESOURCE_SIZE   72u
#define AT_REGION_INDEX 64u /* in a resource */
#define AT_REGIONS      18400u
#define REGION_SIZE     24u
#define REGION_WRITABLE 1u
#define REGION_EXECUTE  2u
#define RAM_NAMES       "vm_ram_1", "vm_ram_2", "vm_ram_3", "vm_ram_4"

static const char *const names[] = {"subject_info_page",   "monitor_state", "monitor_interrupts",
                                    "monitor_timed_event", RAM_NAMES,       "vm_firmware",
                                    "doorbell_run",        "doorbell_exit", "doorbell_poke"};

const char *peer_path(const struct peer *peer, const char *name)
{
        static char path[PATH_LENGTH];
        int length = snprintf(path, sizeof(path), "%s/%s", peer->directory, name);

        if (length < 0 || (size_t)length >= sizeof(path))
                die("%s: the name is too long", peer->directory);
        return path;
}

static void write_all(int file, const void *bytes, size_t size, const char *path)
{
        const uint8_t *from = bytes;
        while (size) {
                ssize_t part = write(file, from, size);
                if (part <= 0)
                        die("%s: cannot write: %s", path, strerror(errno));
                from += part;
                size -= (size_t)part;
        }
}

static int make_file(const struct peer *peer, const char *name, uint64_t size)
{
        const char *path = peer_path(peer, name);
        int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (file < 0 || ftruncate(file, (off_t)size) != 0)
                die("%s: cannot create: %s", path, strerror(errno));
        return file;
}

static void make_page(const struct peer *peer, const char *name, uint64_t size)
{
        (void)close(make_file(peer, name, size));
}

static uint64_t file_size(int file, const char *path)
{
        struct stat status;
        if (file < 0 || fstat(file, &status) != 0)
                die("%s: cannot open: %s", path, strerror(errno));
        return (uint64_t)status.st_size;
}

static uint64_t load(const char *path, uint8_t *to, uint64_t room)
{
        int file = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t size = file_size(file, path);

        if (size > room)
                die("%s: %" PRIu64 " bytes do not fit into %" PRIu64, path, size, room);
        for (uint64_t done = 0; done < size;) {
                ssize_t part = read(file, to + done, size - done);
                if (part <= 0)
                        die("%s: cannot read: %s", path, part < 0 ? strerror(errno) : "it became shorter");
                done += (uint64_t)part;
        }
        (void)close(file);
        return size;
}

static uint64_t ram_part(const struct peer *peer, unsigned part)
{
        uint64_t quarter = peer->memory_size / RAM_PARTS / PAGE * PAGE;
        return part < RAM_PARTS - 1 ? quarter : peer->memory_size - quarter * (RAM_PARTS - 1);
}

static void make_ram(struct peer *peer)
{
        static const char *const part_names[RAM_PARTS] = {RAM_NAMES};
        uint8_t *ram = mmap(NULL, peer->memory_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        uint64_t done = 0;

        if (ram == MAP_FAILED)
                die("no address space for RAM: %s", strerror(errno));
        for (unsigned i = 0; i < RAM_PARTS; i++) {
                uint64_t size = ram_part(peer, i);
                int file = make_file(peer, part_names[i], size);
                if (mmap(ram + done, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
                        die("%s: cannot map: %s", part_names[i], strerror(errno));
                done += size;
                (void)close(file);
        }
        peer->ram = ram;
        for (size_t i = 0; i < peer->raw_count; i++) {
                const struct peer_image *image = &peer->raw[i];
                if (image->address >= peer->memory_size)
                        die("%s: %" PRIx64 "h is not in RAM", image->path, image->address);
                uint64_t size = load(image->path, ram + image->address, peer->memory_size - image->address);
                if (i == 0)
                        peer->image_size = size;
        }
        if (peer->fault == FAULT_SHORT_RAM && truncate(peer_path(peer, "vm_ram_4"), (off_t)PAGE) != 0)
                die("vm_ram_4: cannot cut: %s", strerror(errno));
}

static void make_firmware(struct peer *peer)
{
        const char *source = peer->firmware.path;

        if (!source)
                return;
        int file = open(source, O_RDONLY | O_CLOEXEC);
        uint64_t size = file_size(file, source);
        (void)close(file);
        int made = make_file(peer, "vm_firmware", size);
        uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
        if (bytes == MAP_FAILED)
                die("vm_firmware: cannot map: %s", strerror(errno));
        (void)load(source, bytes, size);
        (void)close(made);
        peer->firmware_bytes = bytes;
        peer->firmware_size = size;
}

static void put(uint8_t *page, size_t at, uint64_t value, unsigned bytes)
{
        for (unsigned i = 0; i < bytes; i++)
                page[at + i] = (uint8_t)(value >> (8 * i));
}

static void add_region(uint8_t *info, const char *name, uint64_t address, uint64_t size, unsigned flags)
{
        unsigned index = info[AT_COUNTS];
        size_t resource = AT_RESOURCES + (size_t)index * RESOURCE_SIZE;
        size_t region = AT_REGIONS + (size_t)index * REGION_SIZE;

        uint8_t length = 0; /* the name has one, and no terminator */
        for (; name[length]; length++)
                info[resource + 1 + length] = (uint8_t)name[length];
        info[resource] = length;
        info[resource + AT_REGION_INDEX] = (uint8_t)(index + 1);
        put(info, region, address, 8);
        put(info, region + 8, size, 8);
        put(info, region + 16, flags, 1);
        info[AT_COUNTS]++;
        info[AT_COUNTS + 1]++;
}

static void add_ram(const struct peer *peer, uint8_t *info)
{
        static const char *const part_names[RAM_PARTS] = {RAM_NAMES};
        uint64_t address = RAM_BASE;

        for (unsigned i = 0; i < RAM_PARTS; i++) {
                if (i == 2 && peer->fault == FAULT_RAM_GAP)
                        address += PAGE;
                if (i != 2 || peer->fault != FAULT_NO_RAM)
                        add_region(info, part_names[i], address, ram_part(peer, i), REGION_WRITABLE | REGION_EXECUTE);
                address += ram_part(peer, i);
        }
}

static void make_info(const struct peer *peer)
{
        static const char magic[8] = {'m', 'u', 'i', 'n', 'f', 'o', 0, 1};
        static uint8_t info[INFO_SIZE];

        memcpy(info, magic, sizeof(magic));
        if (peer->fault == FAULT_WRONG_MAGIC)
                info[7] = 2;
        put(info, AT_TSC_KHZ, peer->fault == FAULT_NO_TSC ? 0 : peer->tsc_khz, 8);
        add_region(info, "monitor_state", 0x1000, PAGE, REGION_WRITABLE);
        add_region(info, "monitor_interrupts", 0x2000, PAGE, REGION_WRITABLE);
        if (peer->fault != FAULT_NO_TIMED_EVENT)
                add_region(info, "monitor_timed_event", 0x3000, PAGE, REGION_WRITABLE);
        add_ram(peer, info);
        if (peer->fault != FAULT_NO_IMAGE && peer->firmware_size)
                add_region(info, "vm_firmware", 0x10000000, peer->firmware_size, REGION_EXECUTE);
        else if (peer->fault != FAULT_NO_IMAGE && peer->raw_count)
                add_region(info, "vm_image", peer->raw[0].address, peer->image_size, REGION_WRITABLE | REGION_EXECUTE);
        if (peer->fault == FAULT_BAD_INDEX)
                info[AT_RESOURCES + AT_REGION_INDEX] = 200;
        int file = make_file(peer, "subject_info_page", 0);
        write_all(file, info, peer->fault == FAULT_SHORT_INFO ? PAGE : sizeof(info), "subject_info_page");
        (void)close(file);
}

void pages_make(struct peer *peer)
{
        if (mkdir(peer->directory, 0700) != 0 && errno != EEXIST)
                die("%s: cannot create: %s", peer->directory, strerror(errno));
        make_ram(peer);
        make_firmware(peer);
        make_info(peer);
        if (peer->fault != FAULT_NO_STATE)
                make_page(peer, "monitor_state", peer->fault == FAULT_SHORT_STATE ? 512 : PAGE);
        make_page(peer, "monitor_interrupts", peer->fault == FAULT_SHORT_INTERRUPTS ? 32 : PAGE);
        make_page(peer, "monitor_timed_event", PAGE);
}

void pages_remove(const struct peer *peer)
{
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                (void)unlink(peer_path(peer, names[i]));
        (void)rmdir(peer->directory);
}
