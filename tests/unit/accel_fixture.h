/* A guest of a few bytes of code on an accelerator of its own, in any mode. */
#ifndef HWACCL_TESTS_ACCEL_FIXTURE_H
#define HWACCL_TESTS_ACCEL_FIXTURE_H

#include "hwaccl/accel.h"
#include "hwaccl/control_register.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/transfer.h"

#include <stdlib.h>
#include <string.h>

#define CODE         UINT64_C(0x1000)
#define STACK        UINT64_C(0x8000)
#define GDT          UINT64_C(0x2000)
#define IDT          UINT64_C(0x3000)
#define TABLES       UINT64_C(0x100000)
#define RAM_SIZE     UINT64_C(0x400000)
#define ROM          UINT64_C(0x800000)
#define MMIO         UINT64_C(0xa00000)
#define FLAG_TF      UINT64_C(0x100)
#define FLAG_IF      UINT64_C(0x200)
#define CODE_32      0x08u
#define DATA_32      0x10u
#define CODE_64      0x18u
#define CODE_16      0x20u
#define HANDLER(vec) (UINT64_C(0x4000) + (uint64_t)(vec)*0x10) /* each is HLT */

struct guest {
        struct hwaccl_guest_memory memory;
        struct hwaccl_accel *accel;
        struct hwaccl_subject_state state;
        struct hwaccl_pending_interrupts pending;
        struct hwaccl_run_request request;
        struct hwaccl_error error;
};

static inline void poke_memory(struct guest *guest, uint64_t address, const void *bytes, size_t size)
{
        assert_true(hwaccl_guest_memory_write(&guest->memory, address, bytes, size, true));
}

static inline void put64(struct guest *guest, uint64_t address, uint64_t value)
{
        poke_memory(guest, address, &value, sizeof(value));
}

static inline uint64_t get(struct guest *guest, uint64_t address, size_t size)
{
        uint64_t value = 0;
        assert_true(hwaccl_guest_memory_read(&guest->memory, address, &value, size));
        return value;
}

static inline struct guest *guest_new_with(uint64_t (*clock)(void *), void *opaque)
{
        static const uint8_t hlt = 0xf4;
        struct guest *guest = calloc(1, sizeof(*guest));

        assert_non_null(guest);
        hwaccl_guest_memory_init(&guest->memory, true);
        assert_true(hwaccl_guest_memory_add(&guest->memory, 0, RAM_SIZE, true, &guest->error));
        assert_true(hwaccl_guest_memory_add(&guest->memory, ROM, 0x10000, false, &guest->error));
        guest->accel = hwaccl_accel_soft_create(&guest->memory, clock, opaque, &guest->error);
        if (!guest->accel)
                fail_msg("%s", guest->error.message);
        for (unsigned vector = 0; vector < 256; vector++) {
                uint32_t entry = (uint32_t)HANDLER(vector);
                poke_memory(guest, HANDLER(vector), &hlt, 1);
                poke_memory(guest, vector * 4u, &entry, sizeof(entry)); /* real mode: 0000:handler */
                uint64_t gate = (HANDLER(vector) & 0xffff) | (uint64_t)CODE_32 << 16 | UINT64_C(0x8e00) << 32;
                put64(guest, IDT + vector * 8u, gate);
        }
        put64(guest, GDT + CODE_32, UINT64_C(0x00cf9b000000ffff));
        put64(guest, GDT + DATA_32, UINT64_C(0x00cf93000000ffff));
        put64(guest, GDT + CODE_64, UINT64_C(0x00af9b000000ffff));
        put64(guest, GDT + CODE_16, UINT64_C(0x000f9b000000ffff));
        put64(guest, GDT + 0x28, UINT64_C(0x00cff3000000ffff)); /* data of privilege level 3 */
        put64(guest, GDT + 0x30, UINT64_C(0x00cffb000000ffff)); /* code of privilege level 3 */
        guest->request.deadline_ns = UINT64_MAX;
        guest->state.rip = CODE;
        guest->state.rsp = STACK;
        guest->state.rflags = 2;
        hwaccl_cr0_put(&guest->state, 0x10);
        hwaccl_cr4_put(&guest->state, 0);
        guest->state.tr.access_rights = 0x8b;
        guest->state.ldtr.access_rights = 0x82;
        guest->state.gdtr = (struct hwaccl_segment){.base = GDT, .limit = 0xff};
        guest->state.idtr = (struct hwaccl_segment){.base = 0, .limit = 0x3ff};
        struct hwaccl_segment data = {0, 0, 0xffff, 0x93};
        guest->state.ds = guest->state.es = guest->state.ss = guest->state.fs = guest->state.gs = data;
        guest->state.cs = (struct hwaccl_segment){0, 0, 0xffff, 0x9b};
        return guest;
}

static inline struct guest *guest_new(void)
{
        return guest_new_with(NULL, NULL);
}

static inline void protect(struct guest *guest, uint32_t code_selector)
{
        static const uint32_t rights[] = {[CODE_32 >> 3] = 0xc09b, [CODE_64 >> 3] = 0xa09b, [CODE_16 >> 3] = 0x009b};
        struct hwaccl_segment data = {DATA_32, 0, UINT32_MAX, 0xc093};

        hwaccl_cr0_put(&guest->state, hwaccl_cr0_guest(&guest->state) | 0x11);
        guest->state.ds = guest->state.es = guest->state.ss = guest->state.fs = guest->state.gs = data;
        guest->state.cs = (struct hwaccl_segment){code_selector, 0, code_selector == CODE_16 ? 0xfffff : UINT32_MAX,
                                                  rights[code_selector >> 3]};
        guest->state.idtr = (struct hwaccl_segment){.base = IDT, .limit = 0x7ff};
}

/* 4-level tables: linear 0 to 1 GiB identical, and 0xffff800000000000 on to physical 0, in 2 MiB pages. */
static inline void enter_long_mode(struct guest *guest)
{
        protect(guest, CODE_64);
        put64(guest, TABLES, (TABLES + 0x1000) | 3);
        put64(guest, TABLES + 256 * 8, (TABLES + 0x1000) | 3);
        put64(guest, TABLES + 0x1000, (TABLES + 0x2000) | 3);
        for (uint64_t i = 0; i < 512; i++)
                put64(guest, TABLES + 0x2000 + i * 8, i << 21 | 0x83);
        for (unsigned vector = 0; vector < 256; vector++) {
                uint64_t gate = (HANDLER(vector) & 0xffff) | (uint64_t)CODE_64 << 16 | UINT64_C(0x8e00) << 32;
                put64(guest, IDT + vector * 16u, gate);
                put64(guest, IDT + vector * 16u + 8, 0);
        }
        guest->state.idtr.limit = 0xfff;
        guest->state.cr3 = TABLES;
        guest->state.efer = HWACCL_EFER_LME | HWACCL_EFER_LMA | HWACCL_EFER_NXE;
        hwaccl_cr4_put(&guest->state, HWACCL_CR4_PAE);
        hwaccl_cr0_put(&guest->state, hwaccl_cr0_guest(&guest->state) | HWACCL_CR0_PG | HWACCL_CR0_WP);
}

/* PAE tables: 4 KiB pages, the first 2 MiB identical. */
static inline void enter_pae(struct guest *guest)
{
        protect(guest, CODE_32);
        put64(guest, TABLES, (TABLES + 0x1000) | 1);
        put64(guest, TABLES + 0x1000, (TABLES + 0x2000) | 3);
        for (uint64_t i = 0; i < 512; i++)
                put64(guest, TABLES + 0x2000 + i * 8, i << 12 | 3);
        guest->state.cr3 = TABLES;
        hwaccl_cr4_put(&guest->state, HWACCL_CR4_PAE);
        hwaccl_cr0_put(&guest->state, hwaccl_cr0_guest(&guest->state) | HWACCL_CR0_PG | HWACCL_CR0_WP);
}

static inline void guest_free(struct guest *guest)
{
        guest->accel->ops->destroy(guest->accel);
        hwaccl_guest_memory_destroy(&guest->memory);
        free(guest);
}

#define code(guest, ...)                                                                                               \
        do {                                                                                                           \
                static const uint8_t bytes_[] = {__VA_ARGS__};                                                         \
                poke_memory(guest, CODE, bytes_, sizeof(bytes_));                                                      \
        } while (0)

static inline bool try_run(struct guest *guest)
{
        return guest->accel->ops->run(guest->accel, &guest->state, &guest->pending, &guest->request, &guest->error);
}

/* Run to the next exit, which must be of the given reason, at the given place. */
#define run_to(guest, reason, at)                                                                                      \
        do {                                                                                                           \
                if (!try_run(guest))                                                                                   \
                        fail_msg("%s", (guest)->error.message);                                                        \
                assert_int_equal((guest)->state.exit_reason, reason);                                                  \
                assert_int_equal((guest)->state.rip, at);                                                              \
        } while (0)

#define step_past(guest) ((guest)->state.rip += (guest)->state.instruction_length, (guest)->state.interruptibility = 0)

#define refused(guest, text)                                                                                           \
        do {                                                                                                           \
                assert_false(try_run(guest));                                                                          \
                if (!strstr((guest)->error.message, text) || !strstr((guest)->error.message, "kvm"))                   \
                        fail_msg("another error than \"%s\": %s", text, (guest)->error.message);                       \
        } while (0)

#endif
