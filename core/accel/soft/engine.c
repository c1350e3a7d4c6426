/* The engine: opening it, finding out where its saved context holds the hidden state, loading and storing the guest. */
#include "core/accel/soft/engine.h"

#include "core/accel/soft/decode.h"
#include "core/exit/guest_access.h"
#include "core/exit/registers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TRANSLATION_BUFFER ((size_t)1 << 30) /* bytes, of an engine of Unicorn 2.0.1 */

/* Flags that code is translated under (the mode word). The rest of the word is left as it is. */
#define MODE_CS32       (1u << 4)
#define MODE_SS32       (1u << 5)
#define MODE_ADD_BASES  (1u << 6) /* some of the bases of DS, ES, SS are not zero */
#define MODE_PE         (1u << 7)
#define MODE_TF         (1u << 8)
#define MODE_CR0_SHIFT  8 /* MP, EM, TS */
#define MODE_LMA        (1u << 14)
#define MODE_CS64       (1u << 15)
#define MODE_OSFXSR     (1u << 22)
#define CR0_MODE_MASK   (HWACCL_CR0_MP | HWACCL_CR0_EM | HWACCL_CR0_TS)
#define CR4_OSFXSR      UINT64_C(0x200)
#define CR4_OSXMMEXCPT  UINT64_C(0x400)
#define RAW_DEFAULT_BIG (1u << 22)
#define RAW_LONG        (1u << 21)
#define RAW_RIGHTS      0x00f0ff00u

static const int general_id[HWACCL_GENERAL_REGISTER_COUNT] = {
        UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
        UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
        UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};

static uint64_t get64(const struct soft_engine *engine, size_t at)
{
        uint64_t value;
        memcpy(&value, engine->saved + at, sizeof(value));
        return value;
}

static uint32_t get32(const struct soft_engine *engine, size_t at)
{
        uint32_t value;
        memcpy(&value, engine->saved + at, sizeof(value));
        return value;
}

static void put64(struct soft_engine *engine, size_t at, uint64_t value)
{
        memcpy(engine->saved + at, &value, sizeof(value));
}

static void put32(struct soft_engine *engine, size_t at, uint32_t value)
{
        memcpy(engine->saved + at, &value, sizeof(value));
}

static bool refuse(const struct soft_engine *engine, struct hwaccl_error *error, const char *what)
{
        unsigned major, minor;
        engine->unicorn.version(&major, &minor);
        return hwaccl_error_set(error,
                                "the soft accelerator cannot use the installed Unicorn %u.%u: %s; use --accel kvm",
                                major, minor, what);
}

/* The only place of a pattern in the saved context; 0 when it is there twice or not at all. */
static size_t find(const struct soft_engine *engine, const void *pattern, size_t size)
{
        size_t place = 0;
        for (size_t i = 0; i + size <= engine->layout.size; i += 4) {
                if (memcmp(engine->saved + i, pattern, size) != 0)
                        continue;
                if (place)
                        return 0;
                place = i;
        }
        return place;
}

static bool save(struct soft_engine *engine)
{
        return engine->unicorn.context_save(engine->handle, engine->context) == UC_ERR_OK;
}

/* Write a sentinel to a register through the library and see where it went. */
static size_t locate(struct soft_engine *engine, int id, unsigned number)
{
        uint64_t sentinel = UINT64_C(0x1122334455660000) + number * 0x101u;
        uint64_t zero = 0;

        if (engine->unicorn.reg_write(engine->handle, id, &sentinel) != UC_ERR_OK || !save(engine))
                return 0;
        size_t place = find(engine, &sentinel, sizeof(sentinel));
        return engine->unicorn.reg_write(engine->handle, id, &zero) == UC_ERR_OK ? place : 0;
}

static bool locate_registers(struct soft_engine *engine, struct hwaccl_error *error)
{
        struct soft_layout *layout = &engine->layout;

        layout->general = locate(engine, general_id[0], 0);
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                if (!layout->general || locate(engine, general_id[i], i) != layout->general + i * sizeof(uint64_t))
                        return refuse(engine, error, "its general registers are not where they were expected");
        layout->rip = locate(engine, UC_X86_REG_RIP, 20);
        layout->control = locate(engine, UC_X86_REG_CR0, 21);
        if (!layout->rip || !layout->control ||
            locate(engine, UC_X86_REG_CR2, 22) != layout->control + 2 * sizeof(uint64_t) ||
            locate(engine, UC_X86_REG_CR3, 23) != layout->control + 3 * sizeof(uint64_t) ||
            locate(engine, UC_X86_REG_CR4, 24) != layout->control + 4 * sizeof(uint64_t))
                return refuse(engine, error, "its control registers are not where they were expected");
        return true;
}

static bool locate_segments(struct soft_engine *engine, struct hwaccl_error *error)
{
        struct soft_layout *layout = &engine->layout;
        uc_x86_mmr ldtr = {
                .selector = 0x1230, .base = UINT64_C(0x7766554433221100), .limit = 0xabcdef01, .flags = 0x8200};
        struct soft_raw_segment pattern = {ldtr.selector, 0, ldtr.base, ldtr.limit, ldtr.flags};

        if (engine->unicorn.reg_write(engine->handle, UC_X86_REG_LDTR, &ldtr) != UC_ERR_OK || !save(engine))
                return refuse(engine, error, "LDTR cannot be written");
        size_t place = find(engine, &pattern, sizeof(pattern));
        if (place < SOFT_LDTR * sizeof(pattern) + 64)
                return refuse(engine, error, "its segment registers are not where they were expected");
        layout->segments = place - SOFT_LDTR * sizeof(pattern);
        /* between the segments and the control registers nothing has room */
        if (layout->segments + SOFT_SEGMENT_COUNT * sizeof(pattern) != layout->control)
                return refuse(engine, error, "its descriptor-table registers are not where they were expected");
        layout->mode = layout->segments - 8;
        return true;
}

/* RFLAGS follow RIP; between them and the mode word is what the engine computes flags from while it runs. */
static bool locate_flags(struct soft_engine *engine, struct hwaccl_error *error)
{
        struct soft_layout *layout = &engine->layout;
        uint64_t flags = RFLAGS_CF | RFLAGS_PF | RFLAGS_OF | RFLAGS_DF | RFLAGS_IF | RFLAGS_RESERVED_1;

        layout->rflags = layout->rip + 8;
        if (layout->rip + 48 != layout->mode)
                return refuse(engine, error, "its flags are not where they were expected");
        if (engine->unicorn.reg_write(engine->handle, UC_X86_REG_EFLAGS, &flags) != UC_ERR_OK || !save(engine))
                return refuse(engine, error, "RFLAGS cannot be written");
        return get64(engine, layout->rflags) == flags || refuse(engine, error, "its flags are not kept as expected");
}

/* A fresh 64-bit engine has LME and LMA set, a fresh 16-bit one has not: that is where EFER is. */
static bool locate_efer(struct soft_engine *engine, const uint8_t *real_mode, struct hwaccl_error *error)
{
        struct soft_layout *layout = &engine->layout;
        uint64_t long_mode = HWACCL_EFER_LME | HWACCL_EFER_LMA;
        uint32_t expected = MODE_LMA | MODE_CS64 | MODE_CS32 | MODE_SS32;

        if (!save(engine))
                return refuse(engine, error, "its state cannot be saved");
        for (size_t i = layout->control + 40; i < layout->control + 256; i += 8) {
                uint64_t other;
                memcpy(&other, real_mode + i, sizeof(other));
                if (get64(engine, i) == long_mode && other == 0) {
                        layout->efer = i;
                        break;
                }
        }
        uint32_t mode;
        memcpy(&mode, real_mode + layout->mode, sizeof(mode));
        if (!layout->efer || (get32(engine, layout->mode) & expected) != expected || mode != MODE_ADD_BASES)
                return refuse(engine, error, "EFER or the mode flags are not where they were expected");
        return true;
}

static bool calibrate(struct soft_engine *engine, uc_engine *real_mode, struct hwaccl_error *error)
{
        struct soft_layout *layout = &engine->layout;
        uc_context *fresh;

        if (!locate_registers(engine, error) || !locate_segments(engine, error) || !locate_flags(engine, error))
                return false;
        if (engine->unicorn.context_alloc(real_mode, &fresh) != UC_ERR_OK)
                return refuse(engine, error, "no context");
        bool good = engine->unicorn.context_save(real_mode, fresh) == UC_ERR_OK;
        if (!good)
                refuse(engine, error, "its state cannot be saved");
        good = good && locate_efer(engine, (const uint8_t *)fresh, error);
        /* the 64-bit engine starts over with the processor of the 16-bit one */
        if (good && engine->unicorn.context_restore(engine->handle, fresh) != UC_ERR_OK)
                good = refuse(engine, error, "its state cannot be restored");
        engine->unicorn.context_free(fresh);
        return good && (save(engine) || refuse(engine, error, "its state cannot be saved")) && layout->efer;
}

/* Unicorn calls exit(3) when it cannot allocate its translation buffers; find out before. There are never more than two
 * engines. */
static bool check_room(unsigned engines, struct hwaccl_error *error)
{
        const int access = PROT_READ | PROT_WRITE | PROT_EXEC;
        void *buffer[2];
        bool good = true;

        for (unsigned i = 0; i < engines; i++) {
                /* cppcheck-suppress invalidFunctionArg ; -1 is what an anonymous mapping asks for */
                buffer[i] = mmap(NULL, TRANSLATION_BUFFER, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (buffer[i] == MAP_FAILED && good)
                        good = hwaccl_error_set(error,
                                                "the soft accelerator needs %zu MiB of address space: %s; raise the "
                                                "limit (ulimit -v), or use --accel kvm",
                                                2 * (TRANSLATION_BUFFER >> 20), strerror(errno));
        }
        for (unsigned i = 0; i < engines; i++)
                if (buffer[i] != MAP_FAILED)
                        (void)munmap(buffer[i], TRANSLATION_BUFFER);
        return good;
}

bool soft_engine_open(struct soft_engine *engine, struct hwaccl_error *error)
{
        uc_engine *real_mode;

        if (!unicorn_library_open(&engine->unicorn, error) || !check_room(2, error))
                return false;
        uc_err status = engine->unicorn.open(UC_ARCH_X86, UC_MODE_64, &engine->handle);
        if (status != UC_ERR_OK)
                return refuse(engine, error, engine->unicorn.strerror(status));
        /* a list of end addresses, left empty: the library looks up an end address at every stop, through our tables */
        status = engine->unicorn.ctl(engine->handle, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1);
        if (status != UC_ERR_OK)
                return refuse(engine, error, engine->unicorn.strerror(status));
        status = engine->unicorn.context_alloc(engine->handle, &engine->context);
        if (status != UC_ERR_OK)
                return refuse(engine, error, engine->unicorn.strerror(status));
        engine->saved = (uint8_t *)engine->context;
        engine->layout.size = engine->unicorn.context_size(engine->handle);
        status = engine->unicorn.open(UC_ARCH_X86, UC_MODE_16, &real_mode);
        if (status != UC_ERR_OK)
                return refuse(engine, error, engine->unicorn.strerror(status));
        bool good = engine->unicorn.context_size(real_mode) == engine->layout.size ||
                    refuse(engine, error, "contexts differ in size");
        good = good && calibrate(engine, real_mode, error);
        engine->unicorn.close(real_mode);
        return good;
}

bool soft_engine_open_another(struct soft_engine *engine, const struct soft_engine *first, struct hwaccl_error *error)
{
        if (!unicorn_library_open(&engine->unicorn, error) || !check_room(1, error))
                return false;
        uc_err status = engine->unicorn.open(UC_ARCH_X86, UC_MODE_64, &engine->handle);
        if (status == UC_ERR_OK)
                status = engine->unicorn.ctl(engine->handle, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1);
        if (status == UC_ERR_OK)
                status = engine->unicorn.context_alloc(engine->handle, &engine->context);
        if (status != UC_ERR_OK)
                return refuse(engine, error, engine->unicorn.strerror(status));
        engine->saved = (uint8_t *)engine->context;
        engine->layout = first->layout;
        return engine->unicorn.context_size(engine->handle) == engine->layout.size ||
               refuse(engine, error, "contexts differ in size");
}

void soft_engine_take_over(struct soft_engine *engine, const struct soft_engine *from)
{
        memcpy(engine->saved, from->saved, engine->layout.size);
}

void soft_engine_close(struct soft_engine *engine)
{
        if (engine->context)
                engine->unicorn.context_free(engine->context);
        if (engine->handle)
                engine->unicorn.close(engine->handle);
        unicorn_library_close(&engine->unicorn);
}

static struct hwaccl_segment *segment_at(struct hwaccl_subject_state *state, unsigned index)
{
        switch (index) {
        case HWACCL_ES: return &state->es;
        case HWACCL_CS: return &state->cs;
        case HWACCL_SS: return &state->ss;
        case HWACCL_DS: return &state->ds;
        case HWACCL_FS: return &state->fs;
        case HWACCL_GS: return &state->gs;
        case SOFT_LDTR: return &state->ldtr;
        case SOFT_TR: return &state->tr;
        case SOFT_GDTR: return &state->gdtr;
        default: return &state->idtr;
        }
}

static struct soft_raw_segment raw_of(const struct hwaccl_segment *segment)
{
        uint32_t rights = segment->access_rights;
        uint32_t flags = rights & HWACCL_SEGMENT_UNUSABLE ? 0 : (rights << 8) & RAW_RIGHTS;
        return (struct soft_raw_segment){(uint32_t)segment->selector, 0, segment->base, segment->limit, flags};
}

static void segment_of(const struct soft_raw_segment *raw, unsigned index, struct hwaccl_segment *segment)
{
        uint32_t rights = (raw->flags & RAW_RIGHTS) >> 8;

        if (index == SOFT_TR)
                rights |= 2; /* the engine sets busy in memory only */
        else if ((rights & SEGMENT_P) && (rights & SEGMENT_S))
                rights |= SEGMENT_TYPE_ACCESSED;
        if (!(rights & SEGMENT_P) || (index == SOFT_LDTR && !(raw->selector & 0xfffcu)))
                rights = HWACCL_SEGMENT_UNUSABLE;
        if (index == SOFT_GDTR || index == SOFT_IDTR)
                rights = 0;
        *segment = (struct hwaccl_segment){raw->selector & 0xffffu, raw->base, raw->limit, rights};
}

static uint32_t mode_of(const struct soft_engine *engine, const struct hwaccl_subject_state *state, uint64_t rflags)
{
        const struct soft_raw_segment *raw = engine->loaded;
        uint32_t mode = 0;

        if (state->cr0 & HWACCL_CR0_PE)
                mode |= MODE_PE;
        mode |= (uint32_t)(state->cr0 & CR0_MODE_MASK) << MODE_CR0_SHIFT;
        mode |= (uint32_t)(rflags & (RFLAGS_TF | RFLAGS_IOPL));
        if (state->cr4 & CR4_OSFXSR)
                mode |= MODE_OSFXSR;
        if (state->efer & HWACCL_EFER_LMA)
                mode |= MODE_LMA;
        if ((mode & MODE_LMA) && (raw[HWACCL_CS].flags & RAW_LONG))
                return mode | MODE_CS32 | MODE_SS32 | MODE_CS64;
        if (raw[HWACCL_CS].flags & RAW_DEFAULT_BIG)
                mode |= MODE_CS32;
        if (raw[HWACCL_SS].flags & RAW_DEFAULT_BIG)
                mode |= MODE_SS32;
        if (!(mode & MODE_PE) || !(mode & MODE_CS32) ||
            (raw[HWACCL_DS].base | raw[HWACCL_ES].base | raw[HWACCL_SS].base) != 0)
                mode |= MODE_ADD_BASES;
        return mode;
}

static bool check_supported(const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        if (!(state->cr0 & HWACCL_CR0_PE))
                return true;
        if (state->rflags & RFLAGS_VM)
                return hwaccl_error_set(error,
                                        "the guest entered virtual-8086 mode at %04" PRIx64 ":%08" PRIx64 SOFT_ADVICE,
                                        state->cs.selector, state->rip);
        if (!(state->ss.access_rights & HWACCL_SEGMENT_UNUSABLE) && (state->ss.access_rights >> SEGMENT_DPL_SHIFT & 3))
                return hwaccl_error_set(error,
                                        "the guest left privilege level 0 at %04" PRIx64 ":%08" PRIx64 SOFT_ADVICE,
                                        state->cs.selector, state->rip);
        return true;
}

/* Before it raises an exception the engine notes: error code, a word, the RIP behind; debug registers; what is in
 * flight. */
bool soft_engine_probe(struct soft_engine *engine, uint64_t root, const uint8_t *vector, struct hwaccl_error *error)
{
        const uint64_t rip = 0x5a5a;
        const uint32_t fetch = 0x10;
        struct soft_layout *layout = &engine->layout;
        struct hwaccl_subject_state state = {.rip = rip, .rflags = RFLAGS_RESERVED_1};
        uint64_t fault_address;

        layout->in_flight = layout->size; /* not known yet */
        if (!soft_engine_load(engine, &state, root, false, error))
                return false;
        uint8_t *before = malloc(layout->size);
        if (!before)
                return hwaccl_error_set(error, "out of memory");
        memcpy(before, engine->saved, layout->size);
        uc_err status = engine->unicorn.emu_start(engine->handle, rip, 0, 0, 0);
        bool good = status == UC_ERR_OK && soft_engine_store(engine, &state, &fault_address, error);
        for (size_t i = layout->efer; good && i + 128 <= layout->size; i += 8) {
                uint32_t then;
                memcpy(&then, before + i + 112, sizeof(then));
                if (get64(engine, i + 8) == rip && get64(engine, i) == fetch && then == UINT32_MAX &&
                    get32(engine, i + 112) == HWACCL_VECTOR_PF) {
                        layout->error_code = i;
                        layout->in_flight = i + 112;
                }
        }
        free(before);
        if (!good || !layout->error_code || *vector != HWACCL_VECTOR_PF || fault_address != rip)
                return refuse(engine, error, "its page faults do not report what was expected");
        return true;
}

uint32_t soft_engine_error_code(const struct soft_engine *engine)
{
        return get32(engine, engine->layout.error_code);
}

bool soft_engine_load(struct soft_engine *engine, struct hwaccl_subject_state *state, uint64_t root, bool trap,
                      struct hwaccl_error *error)
{
        const struct soft_layout *layout = &engine->layout;

        if (!check_supported(state, error))
                return false;
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                put64(engine, layout->general + i * 8, *soft_general(state, i));
        put64(engine, layout->rip, state->rip);
        for (unsigned i = 0; i < SOFT_SEGMENT_COUNT; i++)
                engine->loaded[i] = raw_of(segment_at(state, i));
        memcpy(engine->saved + layout->segments, engine->loaded, sizeof(engine->loaded));

        uint64_t rflags = state->rflags | (trap ? RFLAGS_TF : 0);
        /* whole: the engine takes arithmetic flags and DF apart when it starts, and together when it stops */
        put64(engine, layout->rflags, rflags | RFLAGS_RESERVED_1);
        put32(engine, layout->mode, mode_of(engine, state, rflags));

        put64(engine, layout->control,
              (state->cr0 & (HWACCL_CR0_PE | CR0_MODE_MASK | HWACCL_CR0_NE)) | HWACCL_CR0_ET | HWACCL_CR0_WP |
                      HWACCL_CR0_PG);
        put64(engine, layout->control + 24, root);
        put64(engine, layout->control + 32,
              (state->cr4 & (HWACCL_CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT)) | HWACCL_CR4_PAE);
        put64(engine, layout->efer,
              (state->efer & (HWACCL_EFER_SCE | HWACCL_EFER_LME | HWACCL_EFER_LMA)) | HWACCL_EFER_NXE);
        if (layout->in_flight < layout->size)
                put32(engine, layout->in_flight, UINT32_MAX);
        if (engine->unicorn.context_restore(engine->handle, engine->context) != UC_ERR_OK)
                return hwaccl_error_set(error, "the soft accelerator cannot restore its engine's state");
        return true;
}

bool soft_engine_registers(const struct soft_engine *engine, unsigned registers, struct hwaccl_subject_state *state)
{
        for (; registers; registers &= registers - 1) {
                unsigned i = (unsigned)__builtin_ctz(registers);
                if (engine->unicorn.reg_read(engine->handle, general_id[i], soft_general(state, i)) != UC_ERR_OK)
                        return false;
        }
        return true;
}

bool soft_engine_segments(struct soft_engine *engine, struct hwaccl_segment *segment)
{
        if (!save(engine))
                return false;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++) {
                struct soft_raw_segment raw;
                memcpy(&raw, engine->saved + engine->layout.segments + i * sizeof(raw), sizeof(raw));
                segment_of(&raw, i, &segment[i]);
        }
        return true;
}

uint8_t soft_engine_bits(const struct soft_engine *engine)
{
        uint32_t mode = get32(engine, engine->layout.mode);
        return mode & MODE_CS64 ? 64 : mode & MODE_CS32 ? 32 : 16;
}

bool soft_engine_store(struct soft_engine *engine, struct hwaccl_subject_state *state, uint64_t *fault_address,
                       struct hwaccl_error *error)
{
        const struct soft_layout *layout = &engine->layout;
        uint32_t rflags = 0;

        if (!save(engine) || engine->unicorn.reg_read(engine->handle, UC_X86_REG_EFLAGS, &rflags) != UC_ERR_OK)
                return hwaccl_error_set(error, "the soft accelerator cannot save its engine's state");
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                *soft_general(state, i) = get64(engine, layout->general + i * 8);
        state->rip = get64(engine, layout->rip);
        state->rflags = rflags | RFLAGS_RESERVED_1;
        *fault_address = get64(engine, layout->control + 16);

        struct soft_raw_segment now[SOFT_SEGMENT_COUNT];
        memcpy(now, engine->saved + layout->segments, sizeof(now));
        for (unsigned i = 0; i < SOFT_SEGMENT_COUNT; i++) {
                now[i].padding = 0;
                if (memcmp(&now[i], &engine->loaded[i], sizeof(now[i])) != 0)
                        segment_of(&now[i], i, segment_at(state, i));
        }
        return true;
}
