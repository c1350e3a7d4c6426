/*
 * Runs one instruction on the processor that this test runs on, as 64-bit code with given registers and flags. Code and
 * what it exchanges with the test lie at a fixed address below 4 GiB.
 */
#ifndef HWACCL_TEST_NATIVE_CODE_H
#define HWACCL_TEST_NATIVE_CODE_H

#include "hwaccl/machine_context.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define NATIVE_CODE      UINT64_C(0x10380000)
#define NATIVE_CODE_SIZE 0x2000u

struct native_registers {
        uint64_t gpr[HWACCL_GENERAL_REGISTER_COUNT];
        uint64_t rflags;
};

struct native_exchange {
        struct native_registers before;
        struct native_registers after;
        uint64_t host_rsp;
};

struct native {
        uint8_t *code;
        struct native_exchange *exchange;
        uint8_t *at; /* where the next byte goes */
};

static inline bool native_create(struct native *native)
{
        native->code = mmap((void *)(uintptr_t)NATIVE_CODE, NATIVE_CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        native->exchange = (struct native_exchange *)(native->code + NATIVE_CODE_SIZE / 2);
        return native->code == (void *)(uintptr_t)NATIVE_CODE;
}

static inline void native_destroy(struct native *native)
{
        (void)munmap(native->code, NATIVE_CODE_SIZE);
}

static inline void native_emit(struct native *native, const void *bytes, size_t size)
{
        memcpy(native->at, bytes, size);
        native->at += size;
}

#define EMIT(native, ...) native_emit(native, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* An operand relative to the end of the instruction, which ends with it. */
static inline void native_emit_place(struct native *native, const void *place)
{
        int32_t distance = (int32_t)((const uint8_t *)place - (native->at + 4));

        native_emit(native, &distance, sizeof(distance));
}

/* MOV to every general register (8B) or from it (89). */
static inline void native_emit_moves(struct native *native, uint8_t opcode, uint64_t *registers)
{
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++) {
                EMIT(native, (uint8_t)(i < 8 ? 0x48 : 0x4c), opcode, (uint8_t)(0x05 | (i & 7) << 3));
                native_emit_place(native, &registers[i]);
        }
}

/* Load flags and registers, do the instruction, store them. Returns the instruction's address. */
static inline uint64_t native_generate(struct native *native, const void *instruction, size_t size)
{
        struct native_exchange *exchange = native->exchange;

        native->at = native->code;
        EMIT(native, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* push rbx, rbp, r12-r15 */
        EMIT(native, 0x48, 0x89, 0x25);                                           /* mov [host_rsp], rsp */
        native_emit_place(native, &exchange->host_rsp);
        EMIT(native, 0xff, 0x35); /* push [flags]; popf */
        native_emit_place(native, &exchange->before.rflags);
        EMIT(native, 0x9d);
        native_emit_moves(native, 0x8b, exchange->before.gpr);
        uint64_t address = (uintptr_t)native->at;
        native_emit(native, instruction, size);
        native_emit_moves(native, 0x89, exchange->after.gpr);
        EMIT(native, 0x48, 0x8b, 0x25); /* mov rsp, [host_rsp] */
        native_emit_place(native, &exchange->host_rsp);
        EMIT(native, 0x9c, 0x8f, 0x05); /* pushf; pop [flags] */
        native_emit_place(native, &exchange->after.rflags);
        EMIT(native, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xfc, 0xc3); /* pop …; cld; ret */
        return address;
}

static inline void native_run(struct native *native)
{
        void (*run)(void);

        memcpy(&run, &native->code, sizeof(run));
        run();
}

#endif
