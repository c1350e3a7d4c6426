#include "core/exit/guest_access.h"

#include <string.h>

void hwaccl_fault_chain_add(void *chain, const struct hwaccl_fault_link *link)
{
        struct hwaccl_fault_chain *to = chain;

        if (to->count == HWACCL_FAULT_CHAIN_MAX)
                memmove(to->link, to->link + 1, --to->count * sizeof(*to->link));
        to->link[to->count++] = *link;
}
