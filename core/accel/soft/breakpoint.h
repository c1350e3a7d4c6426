/*
 * Breakpoints of the debug registers (SDM 3B, 17.2), while DR7 enables some. Instruction breakpoints are hooks. A page
 * with a data breakpoint is mapped for one instruction at a time, which is stepped over, and whose accesses are
 * hooked. Guests without breakpoints pay nothing.
 */
#ifndef HWACCL_SOFT_BREAKPOINT_H
#define HWACCL_SOFT_BREAKPOINT_H

#include "core/accel/soft/soft.h"

#define HWACCL_DR6_BS UINT64_C(0x4000) /* a single step */

/** soft_breakpoint_begin - take over the breakpoints of a run; NULL: none. False with soft->error set */
bool soft_breakpoint_begin(struct soft *soft, const struct hwaccl_breakpoints *breakpoints);

/** soft_breakpoint_reached - is there an instruction breakpoint at the linear address of the next instruction? */
bool soft_breakpoint_reached(struct soft *soft, uint64_t address, uint64_t rflags);

/** soft_breakpoint_watches - does a data breakpoint lie in the page of a linear address? */
bool soft_breakpoint_watches(const struct soft *soft, uint64_t linear);

/**
 * soft_breakpoint_open - the page may be mapped now, for the instruction that is stepped over
 *
 * SOFT_GO_ON with *wait when the instruction has to be stepped over first.
 */
enum soft_result soft_breakpoint_open(struct soft *soft, bool *wait);

/** soft_breakpoint_code_mapped - the page of a linear address has become executable: drop older translations of it */
bool soft_breakpoint_code_mapped(struct soft *soft, uint64_t linear);

/** soft_breakpoint_close - the engine stopped: take watched pages away again unless the instruction must go on */
bool soft_breakpoint_close(struct soft *soft, bool stepped);

/** soft_breakpoint_exit - the guest's debug exception, with these conditions (DR6's bits) and those held back */
enum soft_result soft_breakpoint_exit(struct soft *soft, uint64_t conditions);

#endif
