/*
 * Linear to guest-physical addresses (SDM 3A, chapter 4). The three paging modes differ in entry size, levels and
 * reserved bits; a table per mode says how, and one loop walks them.
 */
#include "core/exit/guest_access.h"

#include "core/exit/registers.h"

#define ENTRY_P  UINT64_C(0x1)
#define ENTRY_W  UINT64_C(0x2)
#define ENTRY_U  UINT64_C(0x4)
#define ENTRY_A  UINT64_C(0x20)
#define ENTRY_D  UINT64_C(0x40)
#define ENTRY_PS UINT64_C(0x80)
#define ENTRY_G  UINT64_C(0x100)
#define ENTRY_NX (UINT64_C(1) << 63)

#define FAULT_P    0x1u
#define FAULT_W    0x2u
#define FAULT_U    0x4u
#define FAULT_RSVD 0x8u
#define FAULT_I    0x10u

#define LEVEL_MAX  4
#define SMALL_PAGE UINT64_C(4096)

/* Bits 51:40, beyond the physical address, are reserved in 8-byte entries. */
#define RESERVED_HIGH (((UINT64_C(1) << 52) - 1) & ~((UINT64_C(1) << HWACCL_PHYSICAL_ADDRESS_BITS) - 1))

struct level {
        uint8_t shift;          /* of the linear address bits that index the table */
        uint16_t index_mask;    /* entries of the table, less one */
        bool rights;            /* entries have W, U, A and NX bits (the PDPTEs of PAE paging do not) */
        bool may_be_leaf;       /* PS makes the entry map a large page */
        uint64_t reserved;      /* bits that must be 0 in any entry */
        uint64_t leaf_reserved; /* more of them in an entry that maps a large page */
};

struct paging_mode {
        unsigned level_count;
        unsigned entry_size; /* bytes */
        uint64_t base_mask;  /* address bits of CR3 */
        struct level level[LEVEL_MAX];
};

static const struct paging_mode two_level = {
        2,
        4,
        0xfffff000,
        {{22, 0x3ff, true, true, 0, UINT64_C(1) << 21}, {12, 0x3ff, true, false, 0, 0}},
};

static const struct paging_mode two_level_without_pse = {
        2,
        4,
        0xfffff000,
        {{22, 0x3ff, true, false, 0, 0}, {12, 0x3ff, true, false, 0, 0}},
};

static const struct paging_mode pae = {
        3,
        8,
        0xffffffe0,
        /* bit 5 is reserved in a PDPTE too, but QEMU's processor uses it as an accessed bit */
        {{30, 3, false, false, UINT64_C(0xfff00000000001c6) | RESERVED_HIGH, 0},
         {21, 0x1ff, true, true, UINT64_C(0x7ff0000000000000) | RESERVED_HIGH, 0x1fe000},
         {12, 0x1ff, true, false, UINT64_C(0x7ff0000000000000) | RESERVED_HIGH, 0}},
};

static const struct paging_mode four_level = {
        4,
        8,
        UINT64_C(0xffffffffff000),
        {{39, 0x1ff, true, false, RESERVED_HIGH | ENTRY_PS, 0},
         {30, 0x1ff, true, true, RESERVED_HIGH, 0x3fffe000},
         {21, 0x1ff, true, true, RESERVED_HIGH, 0x1fe000},
         {12, 0x1ff, true, false, RESERVED_HIGH, 0}},
};

static const struct paging_mode *paging_mode(const struct hwaccl_machine_context *context)
{
        if (context->efer & HWACCL_EFER_LMA)
                return &four_level;
        if (context->cr4 & HWACCL_CR4_PAE)
                return &pae;
        return context->cr4 & HWACCL_CR4_PSE ? &two_level : &two_level_without_pse;
}

/* The path of one walk: what each level's entry held and where it lies. */
struct walk {
        const struct paging_mode *mode;
        struct hwaccl_table_entry entry[LEVEL_MAX];
        unsigned count; /* of entries that were read */
        unsigned leaf;  /* level of the entry that maps the page */
        bool writable;
        bool user;
        bool executable;
};

static bool page_fault(const struct hwaccl_machine_context *context, uint64_t linear, unsigned access, uint32_t cause,
                       struct hwaccl_exception *exception)
{
        bool reports_fetches = (context->cr4 & HWACCL_CR4_SMEP) ||
                               ((context->cr4 & HWACCL_CR4_PAE) && (context->efer & HWACCL_EFER_NXE));

        if (access & HWACCL_ACCESS_WRITE)
                cause |= FAULT_W;
        if (access & HWACCL_ACCESS_USER)
                cause |= FAULT_U;
        if ((access & HWACCL_ACCESS_EXECUTE) && reports_fetches)
                cause |= FAULT_I;
        *exception = (struct hwaccl_exception){HWACCL_VECTOR_PF, true, cause, linear};
        return false;
}

/* Little endian, as the host is too. */
static bool read_entry(const struct hwaccl_physical_memory *memory, uint64_t address, unsigned size, uint64_t *entry)
{
        *entry = 0;
        return memory->read(memory->opaque, address, entry, size);
}

/* The address bits of an entry that refers to a table or a 4-KiB page. */
static uint64_t frame_mask(const struct paging_mode *mode)
{
        return mode->entry_size == 4 ? UINT64_C(0xfffff000) : UINT64_C(0xffffffffff000);
}

/* From CR3 down to the entry that maps the page. Returns false with the fault's cause (P and RSVD) when there is none.
 */
static bool descend(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                    uint64_t linear, struct walk *walk, uint32_t *cause)
{
        const struct paging_mode *mode = walk->mode;
        uint64_t table = context->cr3 & mode->base_mask;

        for (unsigned i = 0; i < mode->level_count; i++) {
                const struct level *level = &mode->level[i];
                uint64_t reserved = level->reserved;
                struct hwaccl_table_entry *step = &walk->entry[i];

                *cause = 0;
                step->address = table + ((linear >> level->shift) & level->index_mask) * mode->entry_size;
                if (!read_entry(memory, step->address, mode->entry_size, &step->value))
                        return false;
                walk->count++;
                uint64_t entry = step->value;
                if (!(entry & ENTRY_P))
                        return false;
                bool leaf = i + 1 == mode->level_count || (level->may_be_leaf && (entry & ENTRY_PS));
                if (leaf && i + 1 != mode->level_count)
                        reserved |= level->leaf_reserved;
                if (mode->entry_size == 8 && level->rights && !(context->efer & HWACCL_EFER_NXE))
                        reserved |= ENTRY_NX;
                if (entry & reserved) {
                        *cause = FAULT_P | FAULT_RSVD;
                        return false;
                }
                if (level->rights) {
                        walk->writable &= !!(entry & ENTRY_W);
                        walk->user &= !!(entry & ENTRY_U);
                        walk->executable &= mode->entry_size == 4 || !(entry & ENTRY_NX);
                }
                if (leaf) {
                        walk->leaf = i;
                        return true;
                }
                table = entry & frame_mask(mode);
        }
        return false;
}

/* Which accesses the rights of the path allow (SDM 3A, 4.6.1). */
static void settle_rights(const struct hwaccl_machine_context *context, unsigned access, struct walk *walk,
                          bool *readable)
{
        *readable = true;
        if (access & HWACCL_ACCESS_USER) {
                *readable = walk->user;
                walk->writable &= walk->user;
                walk->executable &= walk->user;
                return;
        }
        if (!(context->cr0 & HWACCL_CR0_WP))
                walk->writable = true;
        if (!walk->user)
                return;
        if (context->cr4 & HWACCL_CR4_SMEP)
                walk->executable = false;
        bool implicit = (access & HWACCL_ACCESS_IMPLICIT) || hwaccl_context_cpl(context) == 3;
        if ((context->cr4 & HWACCL_CR4_SMAP) && (implicit || !(context->rflags & RFLAGS_AC))) {
                *readable = false;
                walk->writable = false;
        }
}

static void set_accessed(const struct hwaccl_physical_memory *memory, unsigned access, struct walk *walk)
{
        for (unsigned i = 0; i <= walk->leaf; i++) {
                if (!walk->mode->level[i].rights)
                        continue;
                uint64_t bits = ENTRY_A;
                if (i == walk->leaf && (access & HWACCL_ACCESS_WRITE))
                        bits |= ENTRY_D;
                struct hwaccl_table_entry *step = &walk->entry[i];
                if ((step->value & bits) == bits)
                        continue;
                step->value |= bits;
                /* tables in ROM keep their bits, as on hardware */
                (void)memory->write(memory->opaque, step->address, &step->value, walk->mode->entry_size);
        }
}

bool hwaccl_page_walk(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                      uint64_t linear, unsigned access, struct hwaccl_translation *translation,
                      struct hwaccl_exception *exception)
{
        if (!(context->cr0 & HWACCL_CR0_PG)) {
                *translation = (struct hwaccl_translation){linear, SMALL_PAGE, true, true, true, false, true};
                return true;
        }

        struct walk walk = {.mode = paging_mode(context), .writable = true, .user = true, .executable = true};
        uint32_t cause;
        bool readable;

        bool mapped = descend(context, memory, linear, &walk, &cause);
        if (memory->walked && walk.count)
                memory->walked(memory->opaque, walk.entry, walk.count, walk.mode->entry_size);
        if (!mapped)
                return page_fault(context, linear, access, cause, exception);
        settle_rights(context, access, &walk, &readable);
        bool allowed = access & HWACCL_ACCESS_EXECUTE ? walk.executable
                       : access & HWACCL_ACCESS_WRITE ? walk.writable
                                                      : readable;
        if (!allowed)
                return page_fault(context, linear, access, FAULT_P, exception);
        if (access & HWACCL_ACCESS_SET_ACCESSED)
                set_accessed(memory, access, &walk);

        uint64_t entry = walk.entry[walk.leaf].value;
        uint64_t page_size = UINT64_C(1) << walk.mode->level[walk.leaf].shift;
        uint64_t frame = entry & frame_mask(walk.mode) & ~(page_size - 1);
        if (walk.mode->entry_size == 4 && page_size > SMALL_PAGE)
                frame |= ((entry >> 13) & 0xff) << 32; /* PSE-36 */
        *translation = (struct hwaccl_translation){
                .physical = frame | (linear & (page_size - 1)),
                .page_size = page_size,
                .writable = walk.writable,
                .executable = walk.executable,
                .user = walk.user,
                .global = entry & ENTRY_G,
                .dirty = entry & ENTRY_D,
        };
        return true;
}
