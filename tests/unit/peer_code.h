/* Runs one 16- or 32-bit instruction on Unicorn, for what a 64-bit process cannot run natively. */
#ifndef HWACCL_TEST_PEER_CODE_H
#define HWACCL_TEST_PEER_CODE_H

#include "hwaccl/assert.h"
#include "unit/native_code.h"

#include <unicorn/unicorn.h>

#define PEER_CODE      UINT64_C(0x30000) /* linear; 16-bit code has its segment there */
#define PEER_CODE_SIZE 0x10000u

struct peer {
        uc_engine *engine;
        unsigned bits;
        unsigned used; /* bytes of code: every instruction has an address of its own, nothing is retranslated */
};

static const int peer_registers[8] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
                                      UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI};

#define PEER(call) hwaccl_assert((call) == UC_ERR_OK)

/* Flat 32-bit protected mode, or real mode. @data is the memory at @address. */
static inline void peer_create(struct peer *peer, unsigned bits, uint64_t address, void *data, size_t size)
{
        uint16_t selector = PEER_CODE >> 4;

        *peer = (struct peer){.bits = bits};
        PEER(uc_open(UC_ARCH_X86, bits == 32 ? UC_MODE_32 : UC_MODE_16, &peer->engine));
        PEER(uc_mem_map_ptr(peer->engine, address, size, UC_PROT_READ | UC_PROT_WRITE, data));
        PEER(uc_mem_map(peer->engine, PEER_CODE, PEER_CODE_SIZE, UC_PROT_ALL));
        if (bits == 16)
                PEER(uc_reg_write(peer->engine, UC_X86_REG_CS, &selector));
}

static inline void peer_destroy(struct peer *peer)
{
        if (peer->engine)
                PEER(uc_close(peer->engine));
        peer->engine = NULL;
}

/* Returns the offset of the instruction in the code. */
static inline unsigned peer_place(struct peer *peer, const void *instruction, size_t size)
{
        unsigned place = peer->used;

        hwaccl_assert(place + 16 <= PEER_CODE_SIZE);
        PEER(uc_mem_write(peer->engine, PEER_CODE + place, instruction, size));
        peer->used += 16;
        return place;
}

static inline void peer_run(struct peer *peer, unsigned place, size_t size, struct native_exchange *exchange)
{
        uint32_t value = (uint32_t)exchange->before.rflags;

        PEER(uc_reg_write(peer->engine, UC_X86_REG_EFLAGS, &value));
        for (unsigned i = 0; i < 8; i++) {
                value = (uint32_t)exchange->before.gpr[i];
                PEER(uc_reg_write(peer->engine, peer_registers[i], &value));
        }
        PEER(uc_emu_start(peer->engine, PEER_CODE + place, PEER_CODE + place + size, 0, 0));
        PEER(uc_reg_read(peer->engine, UC_X86_REG_EFLAGS, &value));
        exchange->after.rflags = value;
        for (unsigned i = 0; i < 8; i++) {
                PEER(uc_reg_read(peer->engine, peer_registers[i], &value));
                exchange->after.gpr[i] = value;
        }
}

#endif
