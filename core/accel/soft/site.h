/*
 * The sites: instructions that exit, with the exit information that VT-x gives (SDM 3C, 26.1.2, 26.1.3, 28.2.1), and
 * instructions that the engine would perform wrongly and that are performed here.
 *
 * Control registers: MOV to CR0 and CR4 exits when it changes a bit of the masks against the read shadow; MOV to CR3
 * exits always (CR3-load exiting), MOV from CR3 never; CR8 accesses exit always, as CR8 is not part of the subject
 * state; CLTS and LMSW touch no bit of the masks and never exit. PAUSE does not exit (PAUSE exiting off).
 */
#ifndef HWACCL_SOFT_SITE_H
#define HWACCL_SOFT_SITE_H

#include "core/accel/soft/soft.h"

/** soft_site_hook - the code hook of a site */
void soft_site_hook(uc_engine *engine, uint64_t address, uint32_t size, void *opaque);

/** soft_site_run - the engine stopped before soft->site: exit, or do what the instruction does */
enum soft_result soft_site_run(struct soft *soft);

#endif
