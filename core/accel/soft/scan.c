/*
 * Finding the sites: every block of code is decoded when it first runs, and when its bytes are no longer those it had
 * then. That comparison, at the start of every block, is what makes self-modifying code, aliased pages and writes by
 * the handler safe: the engine never runs a translation of other bytes than those in memory.
 */
#include "core/accel/soft/soft.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096u
#define BLOCK_MAX  4096u /* bytes; the engine makes none that are longer */
#define SITES_MAX  (1u << 18)
#define POOL_MAX   (256u << 20)

static size_t slot_of(uint64_t address, uint8_t bits, size_t room)
{
        return (size_t)(((address ^ ((uint64_t)bits << 56)) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (room - 1);
}

static unsigned decoder_of(uint8_t bits)
{
        return bits == 64 ? 2 : bits == 32 ? 1 : 0;
}

static struct soft_block *block_slot(struct soft_scan *scan, uint64_t address, uint8_t bits)
{
        size_t i = slot_of(address, bits, scan->block_room);
        while (scan->block[i].bits && (scan->block[i].address != address || scan->block[i].bits != bits))
                i = (i + 1) & (scan->block_room - 1);
        return &scan->block[i];
}

static struct soft_site *site_slot(struct soft_scan *scan, uint64_t address, uint8_t bits)
{
        size_t i = slot_of(address, bits, scan->site_room);
        while (scan->site[i].bits && (scan->site[i].address != address || scan->site[i].bits != bits))
                i = (i + 1) & (scan->site_room - 1);
        return &scan->site[i];
}

struct soft_site *soft_scan_site(struct soft_scan *scan, uint64_t address, uint8_t bits)
{
        struct soft_site *site = site_slot(scan, address, bits);
        return site->bits ? site : NULL;
}

static bool no_memory(struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "out of memory");
}

bool soft_scan_open(struct soft *soft, struct hwaccl_error *error)
{
        static const cs_mode modes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
        struct soft_scan *scan = &soft->scan;

        for (unsigned i = 0; i < 3; i++) {
                cs_err status = cs_open(CS_ARCH_X86, modes[i], &scan->decoder[i]);
                if (status != CS_ERR_OK)
                        return hwaccl_error_set(error, "cannot open the disassembler: %s", cs_strerror(status));
        }
        scan->site_room = scan->block_room = scan->hooked_room = FIRST_ROOM;
        scan->pool_room = FIRST_ROOM * 16;
        scan->site = calloc(scan->site_room, sizeof(*scan->site));
        scan->block = calloc(scan->block_room, sizeof(*scan->block));
        scan->hooked = malloc(scan->hooked_room * sizeof(*scan->hooked));
        scan->pool = malloc(scan->pool_room);
        if (!scan->site || !scan->block || !scan->hooked || !scan->pool)
                return no_memory(error);
        memset(scan->hooked, 0xff, scan->hooked_room * sizeof(*scan->hooked));
        return true;
}

void soft_scan_close(struct soft *soft)
{
        struct soft_scan *scan = &soft->scan;
        for (unsigned i = 0; i < 3; i++)
                if (scan->decoder[i])
                        cs_close(&scan->decoder[i]);
        free(scan->site);
        free(scan->block);
        free(scan->hooked);
        free(scan->pool);
}

static bool grow_blocks(struct soft_scan *scan)
{
        struct soft_block *old = scan->block;
        size_t room = scan->block_room;

        scan->block = calloc(room * 2, sizeof(*scan->block));
        if (!scan->block) {
                scan->block = old;
                return false;
        }
        scan->block_room = room * 2;
        for (size_t i = 0; i < room; i++)
                if (old[i].bits)
                        *block_slot(scan, old[i].address, old[i].bits) = old[i];
        free(old);
        return true;
}

static bool grow_sites(struct soft_scan *scan)
{
        struct soft_site *old = scan->site;
        size_t room = scan->site_room;

        scan->site = calloc(room * 2, sizeof(*scan->site));
        if (!scan->site) {
                scan->site = old;
                return false;
        }
        scan->site_room = room * 2;
        for (size_t i = 0; i < room; i++)
                if (old[i].bits)
                        *site_slot(scan, old[i].address, old[i].bits) = old[i];
        free(old);
        return true;
}

static uint64_t *hooked_slot(struct soft_scan *scan, uint64_t address)
{
        size_t i = slot_of(address, 0, scan->hooked_room);
        while (scan->hooked[i] != UINT64_MAX && scan->hooked[i] != address)
                i = (i + 1) & (scan->hooked_room - 1);
        return &scan->hooked[i];
}

static bool grow_hooked(struct soft_scan *scan)
{
        uint64_t *old = scan->hooked;
        size_t room = scan->hooked_room;

        scan->hooked = malloc(room * 2 * sizeof(*scan->hooked));
        if (!scan->hooked) {
                scan->hooked = old;
                return false;
        }
        scan->hooked_room = room * 2;
        memset(scan->hooked, 0xff, scan->hooked_room * sizeof(*scan->hooked));
        for (size_t i = 0; i < room; i++)
                if (old[i] != UINT64_MAX)
                        *hooked_slot(scan, old[i]) = old[i];
        free(old);
        return true;
}

/* Hooks stay for good: one at an address that no longer holds a site costs a look-up. */
static bool hook(struct soft *soft, uint64_t address, bool *added, struct hwaccl_error *error)
{
        struct soft_scan *scan = &soft->scan;
        uint64_t *slot = hooked_slot(scan, address);
        uc_hook handle;

        if (*slot == address)
                return true;
        if (scan->hooked_count == SITES_MAX)
                return hwaccl_error_set(error, "the guest has more than %u instructions that exit%s", SITES_MAX,
                                        soft_advice);
        uc_err status = soft->unicorn.hook_add(soft->engine, &handle, UC_HOOK_CODE, (void *)(uintptr_t)soft_site_hook,
                                               soft, address, address);
        if (status != UC_ERR_OK)
                return hwaccl_error_set(error, "the soft accelerator cannot hook an instruction: %s",
                                        soft->unicorn.strerror(status));
        *slot = address;
        *added = true;
        if (++scan->hooked_count * 2 > scan->hooked_room && !grow_hooked(scan))
                return no_memory(error);
        return true;
}

static bool put_site(struct soft *soft, const struct soft_site *site, bool *added, struct hwaccl_error *error)
{
        struct soft_scan *scan = &soft->scan;
        struct soft_site *slot = site_slot(scan, site->address, site->bits);

        if (!slot->bits)
                scan->site_count++;
        *slot = *site;
        if (scan->site_count * 2 > scan->site_room && !grow_sites(scan))
                return no_memory(error);
        return hook(soft, site->address, added, error);
}

/* The bytes of a block; they may lie in two regions. False when part of them has no memory. */
static bool copy_code(struct soft *soft, uint64_t address, uint8_t *buffer, size_t size)
{
        while (size) {
                uint64_t rest;
                const uint8_t *code = soft_memory_code(&soft->memory, address, &rest);
                if (!code)
                        return false;
                size_t part = rest < size ? (size_t)rest : size;
                memcpy(buffer, code, part);
                buffer += part;
                address += part;
                size -= part;
        }
        return true;
}

/* A block may be translated shorter than before: one instruction, in a single step. */
static bool same_code(struct soft *soft, const struct soft_block *block, uint32_t size)
{
        const uint8_t *then = soft->scan.pool + block->bytes;
        uint64_t rest;
        const uint8_t *now = soft_memory_code(&soft->memory, block->address, &rest);
        uint8_t copy[BLOCK_MAX];

        if (size > block->size)
                size = block->size;
        if (now && rest >= size)
                return memcmp(now, then, size) == 0;
        return copy_code(soft, block->address, copy, size) && memcmp(copy, then, size) == 0;
}

/* Bytes of blocks that were replaced stay in the pool until it is full; then everything is decoded anew. */
static bool pool_put(struct soft_scan *scan, const uint8_t *bytes, size_t size, uint32_t *place)
{
        if (scan->pool_size + size > POOL_MAX) {
                memset(scan->block, 0, scan->block_room * sizeof(*scan->block));
                scan->block_count = 0;
                scan->pool_size = 0;
        }
        if (scan->pool_size + size > scan->pool_room) {
                uint8_t *larger = realloc(scan->pool, scan->pool_room * 2);
                if (!larger)
                        return false;
                scan->pool = larger;
                scan->pool_room *= 2;
        }
        memcpy(scan->pool + scan->pool_size, bytes, size);
        *place = (uint32_t)scan->pool_size;
        scan->pool_size += size;
        return true;
}

static bool find_sites(struct soft *soft, const uint8_t *code, uint32_t size, uint64_t address, bool *added,
                       struct hwaccl_error *error)
{
        csh decoder = soft->scan.decoder[decoder_of(soft->bits)];
        cs_insn *instruction = cs_malloc(decoder);
        const uint8_t *at = code;
        size_t left = size;
        bool good = instruction != NULL || no_memory(error);

        while (good && left) {
                uint64_t here = address + (uint64_t)(at - code);
                const uint8_t *start = at;
                uint64_t next = here;
                struct soft_site site = {.address = here};

                if (cs_disasm_iter(decoder, &at, &left, &next, instruction)) {
                        soft_decode(&site, start, (uint8_t)instruction->size, soft->bits);
                } else {
                        site.bits = soft->bits;
                        site.kind = SOFT_SITE_UNDECODED;
                        left = 0;
                }
                struct soft_site *before = soft_scan_site(&soft->scan, here, soft->bits);
                if (site.kind != SOFT_SITE_NONE)
                        good = put_site(soft, &site, added, error);
                else if (before)
                        before->kind = SOFT_SITE_NONE; /* another instruction was here */
        }
        if (instruction)
                cs_free(instruction, 1);
        return good;
}

static bool scan_block(struct soft *soft, uint64_t address, uint32_t size, bool *again, struct hwaccl_error *error)
{
        struct soft_scan *scan = &soft->scan;
        uint8_t code[BLOCK_MAX];
        uint32_t place;

        if (size == 0 || size > BLOCK_MAX || !copy_code(soft, address, code, size))
                return hwaccl_error_set(error,
                                        "the guest runs code at linear address 0x%" PRIx64 " (%" PRIu32
                                        " bytes) that the soft accelerator cannot read%s",
                                        address, size, soft_advice);
        bool added = false;
        if (!find_sites(soft, code, size, address, &added, error))
                return false;
        if (!pool_put(scan, code, size, &place))
                return no_memory(error);
        struct soft_block *block = block_slot(scan, address, soft->bits);
        /* a translation of bytes that are no longer there may still be around */
        *again = added || (block->bits && !same_code(soft, block, size));
        if (!block->bits)
                scan->block_count++;
        *block = (struct soft_block){address, soft->bits, (uint16_t)size, place};
        return scan->block_count * 2 <= scan->block_room || grow_blocks(scan) || no_memory(error);
}

bool soft_scan_block(struct soft *soft, uint64_t address, uint32_t size)
{
        const struct soft_block *block = block_slot(&soft->scan, address, soft->bits);
        bool again = false;

        if (block->bits && size <= block->size && same_code(soft, block, size))
                return true;
        if (!scan_block(soft, address, size, &again, soft->error)) {
                soft_stop(soft, SOFT_STOP_ERROR);
                return false;
        }
        if (!again)
                return true;
        uc_err status =
                soft->unicorn.ctl(soft->engine, UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2), address, address + size);
        if (status != UC_ERR_OK) {
                hwaccl_error_set(soft->error, "the soft accelerator cannot drop translated code: %s",
                                 soft->unicorn.strerror(status));
                soft_stop(soft, SOFT_STOP_ERROR);
                return false;
        }
        soft_stop(soft, SOFT_STOP_RESCAN);
        return false;
}

uint8_t soft_scan_length(struct soft *soft, uint64_t linear, uint8_t bits)
{
        csh decoder = soft->scan.decoder[decoder_of(bits)];
        uint8_t code[15];
        size_t size = sizeof(code);
        uint8_t length = 0;

        while (size && !copy_code(soft, linear, code, size))
                size--;
        cs_insn *instruction = cs_malloc(decoder);
        const uint8_t *at = code;
        uint64_t address = linear;
        if (instruction && cs_disasm_iter(decoder, &at, &size, &address, instruction))
                length = (uint8_t)instruction->size;
        if (instruction)
                cs_free(instruction, 1);
        return length;
}
