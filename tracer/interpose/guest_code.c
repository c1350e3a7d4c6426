#include "tracer/interpose/guest_code.h"

#include <string.h>

#define CR0_PG   (UINT64_C(1) << 31)
#define CR4_PSE  UINT64_C(0x10)
#define CR4_PAE  UINT64_C(0x20)
#define CR4_LA57 UINT64_C(0x1000)
#define EFER_LMA UINT64_C(0x400)

#define ENTRY_P  UINT64_C(1)
#define ENTRY_PS UINT64_C(0x80)
#define FRAME    UINT64_C(0xffffffffff000)
#define PAGE     UINT64_C(4096)

/* 32-bit paging: two levels of 4-byte entries. */
static bool walk_32(const struct kvm_sregs *sregs, const struct guest_memory *memory, uint32_t linear,
                    uint64_t *physical)
{
        uint32_t entry;

        if (!memory->read(memory->opaque, (sregs->cr3 & 0xfffff000) + (uint64_t)(linear >> 22) * 4, &entry, 4) ||
            !(entry & ENTRY_P))
                return false;
        if (entry & ENTRY_PS && sregs->cr4 & CR4_PSE) {
                *physical = (entry & 0xffc00000) | (uint64_t)(entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
                return true;
        }
        if (!memory->read(memory->opaque, (entry & 0xfffff000) + (uint64_t)(linear >> 12 & 0x3ff) * 4, &entry, 4) ||
            !(entry & ENTRY_P))
                return false;
        *physical = (entry & 0xfffff000) | (linear & 0xfff);
        return true;
}

bool guest_walk(const struct kvm_sregs *sregs, const struct guest_memory *memory, uint64_t linear, uint64_t *physical)
{
        const bool lma = sregs->efer & EFER_LMA;

        if (!(sregs->cr0 & CR0_PG)) {
                *physical = linear;
                return true;
        }
        if (!lma && !(sregs->cr4 & CR4_PAE))
                return walk_32(sregs, memory, (uint32_t)linear, physical);
        unsigned shift = !lma ? 30 : sregs->cr4 & CR4_LA57 ? 48 : 39;
        uint64_t table = lma ? sregs->cr3 & FRAME : sregs->cr3 & 0xffffffe0;
        for (;; shift -= 9) {
                const uint64_t index = linear >> shift & (!lma && shift == 30 ? 3 : 0x1ff);
                uint64_t entry;
                if (!memory->read(memory->opaque, table + index * 8, &entry, 8) || !(entry & ENTRY_P))
                        return false;
                /* large pages: 2 MiB, and 1 GiB in long mode */
                if (shift == 12 || (entry & ENTRY_PS && (shift == 21 || (shift == 30 && lma)))) {
                        const uint64_t size = UINT64_C(1) << shift;
                        *physical = (entry & FRAME & ~(size - 1)) | (linear & (size - 1));
                        return true;
                }
                table = entry & FRAME;
        }
}

static bool is_64_bit(const struct kvm_sregs *sregs)
{
        return sregs->efer & EFER_LMA && sregs->cs.l;
}

static uint64_t linear_of(const struct kvm_sregs *sregs, uint64_t base, uint64_t offset)
{
        return is_64_bit(sregs) ? base + offset : (uint32_t)(base + offset);
}

/* @size bytes, or less where a page is missing; *physical: of the first */
static size_t read_code(const struct kvm_sregs *sregs, const struct guest_memory *memory, uint64_t linear, uint8_t *to,
                        size_t size, uint64_t *physical)
{
        size_t done = 0;

        while (done < size) {
                const uint64_t left = PAGE - ((linear + done) & (PAGE - 1));
                const size_t part = size - done < left ? size - done : (size_t)left;
                uint64_t at;
                if (!guest_walk(sregs, memory, linear + done, &at) ||
                    !memory->read(memory->opaque, at, to + done, part))
                        break;
                if (done == 0)
                        *physical = at;
                done += part;
        }
        return done;
}

bool guest_code_at(const struct kvm_sregs *sregs, const struct guest_memory *memory, uint64_t offset,
                   struct guest_code *code)
{
        const uint64_t base = is_64_bit(sregs) ? 0 : sregs->cs.base;

        code->size = read_code(sregs, memory, linear_of(sregs, base, offset), code->bytes, sizeof(code->bytes),
                               &code->physical);
        return code->size != 0;
}

/* What can be said of an instruction that writes memory, without a table of all instructions. */
struct store {
        size_t length;
        unsigned size;    /* bytes written at most */
        uint64_t address; /* linear, or before adding the segment's base: only the bits in a page count */
        bool repeated;
};

struct decoder {
        const struct guest_state *state;
        const uint8_t *bytes;
        size_t size;
        size_t at;
        unsigned code_bits, operand_bits, address_bits;
        uint8_t rex;
        uint8_t repeat;
        const struct kvm_segment *segment; /* an override; NULL: none */
};

static bool take(struct decoder *decoder, uint8_t *byte)
{
        if (decoder->at >= decoder->size)
                return false;
        *byte = decoder->bytes[decoder->at++];
        return true;
}

static void start(struct decoder *decoder, const struct guest_state *state, const uint8_t *bytes, size_t size)
{
        unsigned bits = is_64_bit(state->sregs) ? 64 : state->sregs->cs.db ? 32 : 16;

        *decoder = (struct decoder){.state = state,
                                    .bytes = bytes,
                                    .size = size,
                                    .code_bits = bits,
                                    .operand_bits = bits == 16 ? 16 : 32,
                                    .address_bits = bits};
}

/* Up to the opcode. */
static bool take_prefixes(struct decoder *decoder, uint8_t *opcode)
{
        const struct kvm_sregs *sregs = decoder->state->sregs;

        while (take(decoder, opcode)) {
                switch (*opcode) {
                case 0x66: decoder->operand_bits = decoder->code_bits == 16 ? 32 : 16; break;
                case 0x67: decoder->address_bits = decoder->code_bits == 32 ? 16 : 32; break;
                case 0x26: decoder->segment = &sregs->es; break;
                case 0x2e: decoder->segment = &sregs->cs; break;
                case 0x36: decoder->segment = &sregs->ss; break;
                case 0x3e: decoder->segment = &sregs->ds; break;
                case 0x64: decoder->segment = &sregs->fs; break;
                case 0x65: decoder->segment = &sregs->gs; break;
                case 0xf2:
                case 0xf3: decoder->repeat = *opcode; break;
                case 0xf0: break;
                default:
                        if (decoder->code_bits != 64 || (*opcode & 0xf0) != 0x40)
                                return true;
                        decoder->rex = *opcode;
                        if (decoder->rex & 8)
                                decoder->operand_bits = 64;
                        return take(decoder, opcode); /* a REX prefix is the last */
                }
        }
        return false;
}

static uint64_t general(const struct decoder *decoder, unsigned number)
{
        const struct kvm_regs *regs = decoder->state->regs;
        const uint64_t values[16] = {regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp,
                                     regs->rsi, regs->rdi, regs->r8,  regs->r9,  regs->r10, regs->r11,
                                     regs->r12, regs->r13, regs->r14, regs->r15};

        return values[number & 15];
}

static bool take_displacement(struct decoder *decoder, unsigned bytes, int64_t *value)
{
        uint64_t raw = 0;

        if (decoder->size - decoder->at < bytes)
                return false;
        memcpy(&raw, decoder->bytes + decoder->at, bytes);
        decoder->at += bytes;
        const unsigned unused = 64 - 8 * bytes;
        *value = bytes ? (int64_t)(raw << unused) >> unused : 0;
        return true;
}

static bool take_address_16(struct decoder *decoder, uint8_t modrm, uint64_t *address)
{
        static const uint8_t first[] = {3, 3, 5, 5, 6, 7, 5, 3}, second[] = {6, 7, 6, 7};
        const unsigned mod = modrm >> 6, rm = modrm & 7;
        const bool absolute = mod == 0 && rm == 6;
        int64_t displacement;

        if (!take_displacement(decoder, mod == 2 || absolute ? 2 : mod, &displacement))
                return false;
        uint64_t sum = absolute ? 0 : general(decoder, first[rm]) + (rm < 4 ? general(decoder, second[rm]) : 0);
        *address = (sum + (uint64_t)displacement) & 0xffff;
        return true;
}

/* *relative: the address is relative to the end of the instruction. */
static bool take_address(struct decoder *decoder, uint8_t modrm, uint64_t *address, bool *relative)
{
        const unsigned mod = modrm >> 6, rm = modrm & 7;
        int64_t displacement;
        uint8_t sib;

        *relative = false;
        if (decoder->address_bits == 16)
                return take_address_16(decoder, modrm, address);
        uint64_t sum = 0;
        unsigned base = rm | (decoder->rex & 1u) << 3;
        bool has_base = true;
        if (rm == 4) {
                if (!take(decoder, &sib))
                        return false;
                const unsigned index = (sib >> 3 & 7u) | (decoder->rex & 2u) << 2;
                base = (sib & 7u) | (decoder->rex & 1u) << 3;
                has_base = !(mod == 0 && (sib & 7) == 5);
                sum = index == 4 ? 0 : general(decoder, index) << (sib >> 6);
        } else if (mod == 0 && rm == 5) {
                has_base = false;
                *relative = decoder->code_bits == 64;
        }
        if (!take_displacement(decoder, mod == 1 ? 1 : mod == 2 || !has_base ? 4 : 0, &displacement))
                return false;
        sum += (uint64_t)displacement + (has_base ? general(decoder, base) : 0);
        *address = decoder->address_bits == 32 ? (uint32_t)sum : sum;
        return true;
}

/* Instructions with ModRM that write memory of general-purpose size, by opcode: bytes of the immediate operand (0x80:
 * of the operand's size, at most 4), or -1. */
static int immediate_of(uint8_t opcode, uint8_t modrm)
{
        const unsigned extension = modrm >> 3 & 7;

        if (opcode < 0x40 && (opcode & 6) == 0)
                return opcode >= 0x38 ? -1 : 0; /* ADD to XOR, but not CMP */
        switch (opcode) {
        case 0x80: return extension == 7 ? -1 : 1;
        case 0x81: return extension == 7 ? -1 : 0x80;
        case 0x83: return extension == 7 ? -1 : 1;
        case 0x86:
        case 0x87:
        case 0x88:
        case 0x89: return 0;
        case 0xc0:
        case 0xc1: return 1;
        case 0xc6: return extension ? -1 : 1;
        case 0xc7: return extension ? -1 : 0x80;
        case 0xd0:
        case 0xd1:
        case 0xd2:
        case 0xd3: return 0;
        case 0xf6:
        case 0xf7: return extension == 2 || extension == 3 ? 0 : -1; /* NOT, NEG */
        case 0xfe:
        case 0xff: return extension < 2 ? 0 : -1; /* INC, DEC */
        default: return -1;
        }
}

static uint64_t segment_base(const struct decoder *decoder, const struct kvm_segment *usual)
{
        const struct kvm_sregs *sregs = decoder->state->sregs;
        const struct kvm_segment *segment = decoder->segment ? decoder->segment : usual;

        /* long mode has the bases of FS and GS only */
        return decoder->code_bits != 64 || segment == &sregs->fs || segment == &sregs->gs ? segment->base : 0;
}

/* MOVS and STOS: KVM has added to RDI. */
static bool take_string(struct decoder *decoder, uint8_t opcode, struct store *store)
{
        const struct kvm_regs *regs = decoder->state->regs;

        store->size = opcode & 1 ? decoder->operand_bits / 8 : 1;
        store->repeated = decoder->repeat;
        store->address = regs->rdi + (regs->rflags & 0x400 ? store->size : -(uint64_t)store->size);
        if (decoder->address_bits < 64)
                store->address &= decoder->address_bits == 16 ? 0xffff : UINT32_MAX;
        decoder->segment = NULL; /* ES always */
        store->address += segment_base(decoder, &decoder->state->sregs->es);
        store->length = decoder->at;
        return true;
}

static bool take_direct(struct decoder *decoder, uint8_t opcode, struct store *store)
{
        int64_t address;

        if (!take_displacement(decoder, decoder->address_bits / 8, &address))
                return false;
        store->size = opcode & 1 ? decoder->operand_bits / 8 : 1;
        store->address = (uint64_t)address + segment_base(decoder, &decoder->state->sregs->ds);
        store->length = decoder->at;
        return true;
}

static bool uses_stack(const struct decoder *decoder, uint8_t modrm)
{
        const unsigned mod = modrm >> 6, rm = modrm & 7;

        if (decoder->address_bits == 16)
                return rm == 2 || rm == 3 || (rm == 6 && mod != 0);
        return (rm == 5 && mod != 0) || rm == 4; /* with SIB: mostly, of ESP */
}

/* The instruction at the beginning of @bytes; @next: RIP behind it. */
static bool decode_store(const struct guest_state *state, const uint8_t *bytes, size_t size, struct store *store)
{
        struct decoder decoder;
        uint8_t opcode, modrm;
        bool relative;

        *store = (struct store){0};
        start(&decoder, state, bytes, size);
        if (!take_prefixes(&decoder, &opcode))
                return false;
        if (opcode == 0xa4 || opcode == 0xa5 || opcode == 0xaa || opcode == 0xab)
                return take_string(&decoder, opcode, store);
        if (opcode == 0xa2 || opcode == 0xa3)
                return take_direct(&decoder, opcode, store);
        bool two = opcode == 0x0f;
        if ((two && (!take(&decoder, &opcode) || opcode != 0xc3)) || !take(&decoder, &modrm) || modrm >> 6 == 3)
                return false; /* of the two-byte ones, MOVNTI */
        int immediate = two ? 0 : immediate_of(opcode, modrm);
        const bool wide = two || opcode & 1;
        if (immediate < 0 || !take_address(&decoder, modrm, &store->address, &relative))
                return false;
        store->size = wide ? decoder.operand_bits / 8 : 1;
        decoder.at += (size_t)(immediate == 0x80 ? (store->size < 4 ? (int)store->size : 4) : immediate);
        store->length = decoder.at;
        if (relative)
                store->address += state->regs->rip; /* this is behind it */
        const struct kvm_segment *usual = uses_stack(&decoder, modrm) ? &state->sregs->ss : &state->sregs->ds;
        store->address += segment_base(&decoder, usual);
        return decoder.at <= size;
}

/* Whether it has written @run's bytes: the address within the page is the same in the guest's and the linear one. */
static bool matches(const struct store *store, const struct kvm_run *run)
{
        const uint64_t into = (run->mmio.phys_addr - store->address) & (PAGE - 1);

        return run->mmio.len <= store->size && into <= store->size - run->mmio.len;
}

/* The bytes before and behind RIP, which are in two pages at most, read once: instructions that may have written are
 * looked for in them. */
struct window {
        uint8_t bytes[2 * GUEST_CODE_MAX]; /* RIP is in the middle */
        size_t first, end;                 /* those that are there */
        size_t second;                     /* index of the first byte of the second page, or the end */
        uint64_t physical[2];              /* of the first byte of each page's part */
};

static void read_window(const struct guest_state *state, const struct guest_memory *memory, struct window *window)
{
        const uint64_t base = is_64_bit(state->sregs) ? 0 : state->sregs->cs.base;
        const uint64_t offset = state->regs->rip - GUEST_CODE_MAX;
        const uint64_t linear = linear_of(state->sregs, base, offset);
        const uint64_t left = PAGE - (linear & (PAGE - 1));

        window->second = left < sizeof(window->bytes) ? (size_t)left : sizeof(window->bytes);
        const size_t rest = sizeof(window->bytes) - window->second;
        uint8_t *const behind = window->bytes + window->second;
        const bool one = read_code(state->sregs, memory, linear, window->bytes, window->second, &window->physical[0]);
        const bool other = rest && read_code(state->sregs, memory, linear_of(state->sregs, base, offset + left), behind,
                                             rest, &window->physical[1]);
        window->first = one ? 0 : window->second;
        window->end = other ? sizeof(window->bytes) : one ? window->second : 0;
}

static bool cut_out(const struct window *window, size_t from, size_t size, struct guest_code *code)
{
        if (from < window->first || from + size > window->end)
                return false;
        code->physical =
                from < window->second ? window->physical[0] + from : window->physical[1] + (from - window->second);
        code->size = size;
        memcpy(code->bytes, window->bytes + from, size);
        return true;
}

/* Before its opcode an instruction that is repeated has a prefix that says so. */
static bool begins_with_prefix(uint8_t byte)
{
        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0x66:
        case 0x67:
        case 0xf0:
        case 0xf2:
        case 0xf3: return true;
        default: return false;
        }
}

static bool wrote(const struct guest_state *state, const struct kvm_run *run, const struct window *window,
                  size_t length, struct store *store)
{
        const size_t from = GUEST_CODE_MAX - length;

        return from >= window->first && GUEST_CODE_MAX <= window->end &&
               decode_store(state, window->bytes + from, length, store) && store->length == length &&
               matches(store, run);
}

static bool find_store(const struct guest_state *state, const struct kvm_run *run, const struct guest_memory *memory,
                       struct guest_code_last *last, struct guest_code *code)
{
        const size_t rip = GUEST_CODE_MAX;
        struct window window;
        struct store store;

        read_window(state, memory, &window);
        /* a string instruction that goes on */
        if (window.first <= rip && window.end > rip && begins_with_prefix(window.bytes[rip]) &&
            decode_store(state, window.bytes + rip, window.end - rip, &store) && store.repeated && matches(&store, run))
                return cut_out(&window, rip, store.length, code);
        /* The one that was found there the last time, if it still is one: loops come back to it. */
        size_t found = last->rip == state->regs->rip ? last->length : 0;
        if (found && wrote(state, run, &window, found, &store) && store.size == run->mmio.len)
                return cut_out(&window, rip - found, found, code);
        /* Prefixes belong to it: of several candidates the longest, but first those that write just as many bytes. */
        bool exact = false;
        found = 0;
        for (size_t length = 1; length <= GUEST_CODE_MAX; length++) {
                if (!wrote(state, run, &window, length, &store) || (exact && store.size != run->mmio.len))
                        continue;
                exact = store.size == run->mmio.len;
                found = length;
        }
        *last = (struct guest_code_last){state->regs->rip, found};
        return found && cut_out(&window, rip - found, found, code);
}

bool guest_code_of_exit(const struct guest_state *state, const struct kvm_run *run, const struct guest_memory *memory,
                        struct guest_code_last *last, struct guest_code *code)
{
        if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write)
                return find_store(state, run, memory, last, code);
        return guest_code_at(state->sregs, memory, state->regs->rip, code);
}
