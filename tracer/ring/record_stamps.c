#include "tracer/ring/record_stamps.h"

unsigned record_stamps(struct ring_record *record, uint64_t *stamp[RECORD_STAMPS_MAX])
{
        void *body = record;

        switch ((enum ring_record_type)record->type) {
        case RING_RECORD_EXIT: {
                struct ring_exit *exit = body;
                stamp[0] = &exit->entry_stamp;
                stamp[1] = &exit->exit_stamp;
                return 2;
        }
        case RING_RECORD_OFFER:
        case RING_RECORD_RECLAIM: stamp[0] = &((struct ring_stamped *)body)->stamp; return 1;
        case RING_RECORD_HANDLED:
        case RING_RECORD_UNHANDLED: stamp[0] = &((struct ring_handled *)body)->stamp; return 1;
        case RING_RECORD_MARK: stamp[0] = &((struct ring_text *)body)->stamp; return 1;
        case RING_RECORD_THREAD_TIME: stamp[0] = &((struct ring_thread_time *)body)->stamp; return 1;
        case RING_RECORD_CALL: stamp[0] = &((struct ring_call *)body)->stamp; return 1;
        case RING_RECORD_CALLED: stamp[0] = &((struct ring_called *)body)->stamp; return 1;
        case RING_RECORD_KERNEL_EVENT: stamp[0] = &((struct ring_kernel_event *)body)->stamp; return 1;
        case RING_RECORD_ENTRY:
        case RING_RECORD_CLOCK:
        case RING_RECORD_INPUT:
        case RING_RECORD_EFFECT:
        case RING_RECORD_SNAPSHOT:
        case RING_RECORD_ANNOTATION:
        case RING_RECORD_WALK:
        case RING_RECORD_FAULT:
        case RING_RECORD_KVM_RUN:
        case RING_RECORD_VMM_STATE:
        case RING_RECORD_LANE:
        case RING_RECORD_CALL_DATA:
        case RING_RECORD_KERNEL_EXIT: break;
        }
        return 0;
}
