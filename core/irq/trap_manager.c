#include "core/irq/trap_manager.h"

#include "core/assert.h"

#include <stddef.h>

void hwaccl_trap_manager_init(struct hwaccl_trap_manager *traps, struct hwaccl_interrupt_source *source)
{
        *traps = (struct hwaccl_trap_manager){false, 0, source};
}

bool hwaccl_trap_manager_pending(struct hwaccl_trap_manager *traps)
{
        return traps->active || (traps->source && traps->source->pending(traps->source));
}

bool hwaccl_trap_manager_nmi(const struct hwaccl_trap_manager *traps)
{
        return traps->source && traps->source->nmi;
}

uint8_t hwaccl_trap_manager_take(struct hwaccl_trap_manager *traps)
{
        if (traps->active) {
                traps->active = false;
                return traps->vector;
        }
        hwaccl_assert(traps->source);
        return traps->source->acknowledge(traps->source);
}

void hwaccl_trap_manager_restore(struct hwaccl_trap_manager *traps, uint8_t vector)
{
        hwaccl_assert(!traps->active);
        traps->active = true;
        traps->vector = vector;
}
