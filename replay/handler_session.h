/* A replay of another VMM's exit handler (hwaccl/session.h). */
#ifndef HWACCL_REPLAY_HANDLER_SESSION_H
#define HWACCL_REPLAY_HANDLER_SESSION_H

#include "hwaccl/recording.h"
#include "hwaccl/session.h"
#include "replay/comparison.h"

#define SESSION_ACCESS_MAX                                                                                             \
        256u /* KVM collects at most 169; of more, the last ones before the exit's own are left out */

struct hwaccl_session {
        struct hwaccl_recording *recording;
        struct hwaccl_exit_cursor *cursor; /* NULL: it stands nowhere */
        uint32_t vcpu;
        uint64_t next;
        uint64_t end;  /* one more than the last exit's number */
        bool handling; /* an exit was handed over, and its handling has not ended */
        bool failed;   /* a load is due */
        bool offered;  /* for the next entry */
        uint8_t vector;
        uint64_t exits;
        uint64_t divergences;
        struct hwaccl_recorded_vmm_state snapshot;
        struct replay_comparison comparison;
        struct hwaccl_session_exit exit;
        struct hwaccl_session_access access[SESSION_ACCESS_MAX];
        uint8_t register_data[4]; /* of an OUT whose data is known from RAX */
};

/** session_input_is_write - whether step hands inputs of the kind over, as accesses */
static inline bool session_input_is_write(unsigned kind)
{
        return kind >= HWACCL_INPUT_PORT_WRITE && kind <= HWACCL_INPUT_COALESCED_MMIO_WRITE;
}

/** session_hand_over - session->exit := what the handler gets of @recorded */
void session_hand_over(struct hwaccl_session *session, const struct hwaccl_recorded_exit *recorded);

/** session_describe_access - "out port 0xe9, 1 byte", from reason and qualification; "" if there is no access */
void session_describe_access(const struct hwaccl_recorded_exit *recorded, char *text, size_t room);

#endif
