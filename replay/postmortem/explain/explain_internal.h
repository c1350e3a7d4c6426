/* Between the parts of an explanation. */
#ifndef HWACCL_POSTMORTEM_EXPLAIN_INTERNAL_H
#define HWACCL_POSTMORTEM_EXPLAIN_INTERNAL_H

#include "replay/device_state.h"
#include "replay/postmortem/explain/explain.h"

/* One exit and what is around it. */
struct explained {
        struct hwaccl_recording *recording;
        const struct hwaccl_recorded_exit *exit;
        const struct hwaccl_subject_state *after; /* NULL: not recorded */
        struct hwaccl_known_fields after_known;
        bool times_known; /* all of them */
        bool previous_known;
        uint64_t previous_end; /* host clock, ns, when the exit before was handled */
        struct hwaccl_device_states devices;
        bool devices_known;
        char no_devices[200]; /* why */
        struct hwaccl_exit_explanation *explanation;
};

/** explain_say - one more sentence */
void explain_say(struct explained *explained, enum hwaccl_topic topic, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/** explain_bytes - "41 42 43 … (12 bytes)" */
void explain_bytes(const void *data, size_t size, char *text, size_t room);

bool explain_guest(struct explained *explained, struct hwaccl_error *error);
void explain_interrupt(struct explained *explained);
void explain_inputs(struct explained *explained);
void explain_effects(struct explained *explained);
void explain_decision(struct explained *explained);
void explain_devices(struct explained *explained);

#endif
