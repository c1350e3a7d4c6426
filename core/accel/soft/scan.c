/* Tables of blocks and sites, and the decoding that fills them. */
#include "core/accel/soft/scan.h"

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

bool soft_scan_open(struct soft_scan *scan, struct soft_engine *engine, struct soft_memory *memory,
                    uc_cb_hookcode_t on_site, void *opaque, bool checked, struct hwaccl_error *error)
{
        static const cs_mode modes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
        scan->engine = engine;
        scan->memory = memory;
        scan->on_site = on_site;
        scan->opaque = opaque;
        scan->checked = checked;
        for (unsigned i = 0; i < 3; i++) {
                cs_err status = cs_open(CS_ARCH_X86, modes[i], &scan->decoder[i]);
                if (status == CS_ERR_OK && checked)
                        status = cs_option(scan->decoder[i], CS_OPT_DETAIL, CS_OPT_ON);
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

void soft_scan_close(struct soft_scan *scan)
{
        for (unsigned i = 0; i < 3; i++)
                if (scan->decoder[i])
                        cs_close(&scan->decoder[i]);
        free(scan->site);
        free(scan->block);
        free(scan->hooked);
        free(scan->pool);
        free(scan->aligned);
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
static bool hook(struct soft_scan *scan, uint64_t address, bool *added, struct hwaccl_error *error)
{
        uint64_t *slot = hooked_slot(scan, address);
        uc_hook handle;

        if (*slot == address)
                return true;
        if (scan->hooked_count == SITES_MAX)
                return hwaccl_error_set(error, "the guest has more than %u instructions that exit" SOFT_ADVICE,
                                        SITES_MAX);
        uc_err status =
                scan->engine->unicorn.hook_add(scan->engine->handle, &handle, UC_HOOK_CODE,
                                               (void *)(uintptr_t)scan->on_site, scan->opaque, address, address);
        if (status != UC_ERR_OK)
                return hwaccl_error_set(error, "the soft accelerator cannot hook an instruction: %s",
                                        scan->engine->unicorn.strerror(status));
        *slot = address;
        *added = true;
        if (++scan->hooked_count * 2 > scan->hooked_room && !grow_hooked(scan))
                return no_memory(error);
        return true;
}

bool soft_scan_hook(struct soft_scan *scan, uint64_t address, struct hwaccl_error *error)
{
        bool added;

        return hook(scan, address, &added, error);
}

static bool put_site(struct soft_scan *scan, const struct soft_site *site, bool *added, struct hwaccl_error *error)
{
        struct soft_site *slot = site_slot(scan, site->address, site->bits);

        if (!slot->bits)
                scan->site_count++;
        *slot = *site;
        if (scan->site_count * 2 > scan->site_room && !grow_sites(scan))
                return no_memory(error);
        bool at_start = site->kind == SOFT_SITE_ALIGNED && site->bits == 64; /* see find_aligned() */
        return scan->checked || at_start || hook(scan, site->address, added, error);
}

/* The bytes of a block; they may lie in two regions. False when part of them has no memory. */
static bool copy_code(struct soft_scan *scan, uint64_t address, uint8_t *buffer, size_t size)
{
        while (size) {
                uint64_t rest;
                const uint8_t *code = soft_memory_code(scan->memory, address, &rest);
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

/* Out of line: the copy would cost every block its room on the stack. */
static __attribute__((noinline)) bool same_in_pieces(struct soft_scan *scan, uint64_t address, const uint8_t *then,
                                                     size_t size)
{
        uint8_t copy[BLOCK_MAX];

        return copy_code(scan, address, copy, size) && memcmp(copy, then, size) == 0;
}

/* A block may be translated shorter than before: one instruction, in a single step. */
static bool same_code(struct soft_scan *scan, const struct soft_block *block, uint32_t size)
{
        const uint8_t *then = scan->pool + block->bytes;
        uint64_t rest;
        const uint8_t *now = soft_memory_code(scan->memory, block->address, &rest);

        if (size > block->size)
                size = block->size;
        if (now && rest >= size)
                return memcmp(now, then, size) == 0;
        return same_in_pieces(scan, block->address, then, size);
}

/* Bytes of blocks that were replaced stay in the pool until it is full; then everything is decoded anew. */
static bool pool_put(struct soft_scan *scan, const uint8_t *bytes, size_t size, uint32_t *place)
{
        if (scan->pool_size + size > POOL_MAX) {
                memset(scan->block, 0, scan->block_room * sizeof(*scan->block));
                scan->block_count = 0;
                scan->aligned_count = 0;
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

/* Of the memory operand. The flat engine need not know it: any but 0 will do. */
static uint8_t operand_size(const struct soft_scan *scan, const cs_insn *instruction)
{
        if (!scan->checked)
                return 1;
        const cs_x86 *x86 = &instruction->detail->x86;
        for (unsigned i = 0; i < x86->op_count; i++)
                if (x86->operands[i].type == X86_OP_MEM)
                        return x86->operands[i].size;
        return 0;
}

/*
 * Segments are checked before every instruction in the checked engine. In the flat one they allow everything, or the
 * block does not use them: they are looked at when a block starts behind one that loaded a segment register, and before
 * instructions that use one which the same block has loaded.
 */
static bool is_site(const struct soft_scan *scan, struct soft_site *site, uint8_t *segments, uint8_t *loaded)
{
        const struct soft_reference *reference = &site->reference;
        bool load = site->kind == SOFT_SITE_LOAD_SEGMENT || site->kind == SOFT_SITE_LOAD_SS;

        if (reference->operand)
                *segments |= reference->segments & (1u << HWACCL_FS | 1u << HWACCL_GS | SOFT_WRITES_CODE);
        if (scan->checked)
                return site->kind != SOFT_SITE_NONE || reference->segments;
        site->after_load = reference->segments & *loaded;
        if (load) {
                *segments |= SOFT_BLOCK_LOADS;
                *loaded |= (uint8_t)(1u << soft_loaded_segment(site));
        }
        if (site->kind == SOFT_SITE_LOAD_SEGMENT)
                site->kind = SOFT_SITE_NONE;
        if (site->after_load && site->kind == SOFT_SITE_NONE)
                site->kind = SOFT_SITE_REFERENCE;
        return site->kind != SOFT_SITE_NONE;
}

static bool find_sites(struct soft_scan *scan, const uint8_t *code, uint32_t size, uint64_t address, uint8_t bits,
                       bool *added, uint8_t *segments, bool *has_aligned, struct hwaccl_error *error)
{
        csh decoder = scan->decoder[decoder_of(bits)];
        cs_insn *instruction = cs_malloc(decoder);
        const uint8_t *at = code;
        size_t left = size;
        uint8_t loaded = 0;
        bool good = instruction != NULL || no_memory(error);

        while (good && left) {
                uint64_t here = address + (uint64_t)(at - code);
                const uint8_t *start = at;
                uint64_t next = here;
                struct soft_site site = {.address = here};

                uint8_t rest = (uint8_t)(left < sizeof(site.bytes) ? left : sizeof(site.bytes));

                if (cs_disasm_iter(decoder, &at, &left, &next, instruction) && instruction->size <= rest) {
                        soft_decode(&site, start, (uint8_t)instruction->size, bits);
                        if (bits != 64 && site.kind != SOFT_SITE_UNDEFINED)
                                soft_decode_reference(&site, operand_size(scan, instruction));
                } else {
                        soft_decode(&site, start, rest, bits); /* Capstone refuses LOCK where it is undefined */
                        if (site.kind != SOFT_SITE_UNDEFINED)
                                site.kind = SOFT_SITE_UNDECODED;
                        left = 0;
                }
                *has_aligned |= site.kind == SOFT_SITE_ALIGNED;
                struct soft_site *before = soft_scan_site(scan, here, bits);
                if (is_site(scan, &site, segments, &loaded))
                        good = put_site(scan, &site, added, error);
                else if (before)
                        *before = (struct soft_site){.address = here, .bits = bits}; /* another one was here */
        }
        if (instruction)
                cs_free(instruction, 1);
        return good;
}

static bool put_aligned(struct soft_scan *scan, const struct soft_aligned *aligned)
{
        if (scan->aligned_count + 1 >= scan->aligned_room) {
                uint32_t room = scan->aligned_room ? scan->aligned_room * 2 : 256;
                struct soft_aligned *larger = realloc(scan->aligned, room * sizeof(*larger));
                if (!larger)
                        return false;
                scan->aligned = larger;
                scan->aligned_room = room;
        }
        scan->aligned[++scan->aligned_count] = *aligned;
        return true;
}

/* One aligned operand of a block: checked when the block starts, or by a hook. */
static bool note_aligned(struct soft_scan *scan, const struct soft_tracker *tracker, const cs_insn *instruction,
                         uint32_t *first, bool *added, struct hwaccl_error *error)
{
        struct soft_aligned aligned = {0};

        if (!soft_tracker_operand(tracker, instruction, &aligned))
                return hook(scan, instruction->address, added, error);
        if (*first)
                scan->aligned[scan->aligned_count].more = true;
        if (!put_aligned(scan, &aligned))
                return no_memory(error);
        if (!*first)
                *first = scan->aligned_count;
        return true;
}

/* The aligned operands of a block of 64-bit code. */
static bool find_aligned(struct soft_scan *scan, const uint8_t *code, size_t size, uint64_t address, uint32_t *first,
                         bool *added, struct hwaccl_error *error)
{
        csh decoder = scan->decoder[2];
        struct soft_tracker tracker;
        bool good = cs_option(decoder, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK;
        cs_insn *instruction = good ? cs_malloc(decoder) : NULL;

        good = instruction || no_memory(error);
        soft_tracker_begin(&tracker);
        while (good && cs_disasm_iter(decoder, &code, &size, &address, instruction)) {
                const struct soft_site *site = soft_scan_site(scan, instruction->address, 64);
                if (site && site->kind == SOFT_SITE_ALIGNED)
                        good = note_aligned(scan, &tracker, instruction, first, added, error);
                soft_tracker_step(&tracker, decoder, instruction);
        }
        if (instruction)
                cs_free(instruction, 1);
        return cs_option(decoder, CS_OPT_DETAIL, CS_OPT_OFF) == CS_ERR_OK && good;
}

static __attribute__((noinline)) enum soft_scan_result scan_block(struct soft_scan *scan, uint64_t address,
                                                                  uint32_t size, uint8_t bits, uint8_t *segments,
                                                                  struct hwaccl_error *error)
{
        uint8_t code[BLOCK_MAX];
        uint32_t place, aligned = 0;
        bool added = false, has_aligned = false;

        if (size == 0 || size > BLOCK_MAX || !copy_code(scan, address, code, size)) {
                hwaccl_error_set(error,
                                 "the guest runs code at linear address 0x%" PRIx64 " (%" PRIu32
                                 " bytes) that the soft accelerator cannot read; use --accel kvm",
                                 address, size);
                return SOFT_SCAN_FAILED;
        }
        *segments = 0;
        if (!find_sites(scan, code, size, address, bits, &added, segments, &has_aligned, error))
                return SOFT_SCAN_FAILED;
        if (!pool_put(scan, code, size, &place)) {
                no_memory(error);
                return SOFT_SCAN_FAILED;
        }
        if (has_aligned && bits == 64 && !scan->checked &&
            !find_aligned(scan, code, size, address, &aligned, &added, error))
                return SOFT_SCAN_FAILED;
        struct soft_block *block = block_slot(scan, address, bits);
        /* a translation of bytes that are no longer there may still be around */
        bool again = added || (block->bits && !same_code(scan, block, size));
        if (!block->bits)
                scan->block_count++;
        *block = (struct soft_block){address, bits, *segments, (uint16_t)size, place, aligned};
        if (scan->block_count * 2 > scan->block_room && !grow_blocks(scan)) {
                no_memory(error);
                return SOFT_SCAN_FAILED;
        }
        if (!again)
                return SOFT_SCAN_KNOWN;
        uc_err status = scan->engine->unicorn.ctl(scan->engine->handle, UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2),
                                                  address, address + size);
        if (status == UC_ERR_OK)
                return SOFT_SCAN_AGAIN;
        hwaccl_error_set(error, "the soft accelerator cannot drop translated code: %s",
                         scan->engine->unicorn.strerror(status));
        return SOFT_SCAN_FAILED;
}

enum soft_scan_result soft_scan_block(struct soft_scan *scan, uint64_t address, uint32_t size, uint8_t bits,
                                      uint8_t *segments, const struct soft_aligned **aligned,
                                      struct hwaccl_error *error)
{
        const struct soft_block *block = block_slot(scan, address, bits);

        if (!block->bits || size > block->size || !same_code(scan, block, size)) {
                enum soft_scan_result result = scan_block(scan, address, size, bits, segments, error);
                if (result != SOFT_SCAN_KNOWN)
                        return result;
                block = block_slot(scan, address, bits);
        }
        *segments = block->segments;
        *aligned = block->aligned ? &scan->aligned[block->aligned] : NULL;
        return SOFT_SCAN_KNOWN;
}

bool soft_scan_decode(struct soft_scan *scan, uint64_t linear, uint8_t bits, struct soft_site *site)
{
        csh decoder = scan->decoder[decoder_of(bits)];
        uint8_t code[15];
        size_t size = sizeof(code);

        while (size && !copy_code(scan, linear, code, size))
                size--;
        size_t left = size;
        cs_insn *instruction = cs_malloc(decoder);
        const uint8_t *at = code;
        uint64_t address = linear;
        bool good = instruction && cs_disasm_iter(decoder, &at, &size, &address, instruction);
        site->address = linear;
        soft_decode(site, code, good ? (uint8_t)instruction->size : (uint8_t)left, bits);
        if (instruction)
                cs_free(instruction, 1);
        return good;
}

static bool is_near_branch(const struct soft_site *site)
{
        uint8_t opcode = site->opcode;

        if (site->two_byte)
                return opcode >= 0x80 && opcode <= 0x8f;
        if (opcode == 0xff)
                return ((site->modrm >> 3) & 7) == 2 || ((site->modrm >> 3) & 7) == 4;
        return (opcode >= 0x70 && opcode <= 0x7f) || (opcode >= 0xe0 && opcode <= 0xe3) || opcode == 0xe8 ||
               opcode == 0xe9 || opcode == 0xeb || opcode == 0xc2 || opcode == 0xc3;
}

bool soft_scan_branch(struct soft_scan *scan, uint64_t address, struct soft_site *site)
{
        const struct soft_block *block = block_slot(scan, address, 64);
        uint64_t end = address + (block->bits ? block->size : 1u);

        for (; address < end && soft_scan_decode(scan, address, 64, site); address += site->length)
                if (is_near_branch(site))
                        return true;
        return false;
}

uint8_t soft_scan_length(struct soft_scan *scan, uint64_t linear, uint8_t bits)
{
        struct soft_site site = {0};

        return soft_scan_decode(scan, linear, bits, &site) ? site.length : 0;
}
