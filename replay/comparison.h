/*
 * One exit of a recording beside its handling in a replay: which inputs the handler asked for, which effects it had,
 * how it ended. Used by the engine, which reruns hwaccl's handlers, and by the sessions of other VMMs' handlers
 * (hwaccl/session.h): the differences and their words are the same.
 */
#ifndef HWACCL_REPLAY_COMPARISON_H
#define HWACCL_REPLAY_COMPARISON_H

#include "replay/report.h"

struct replay_comparison {
        const struct hwaccl_recorded_exit *exit; /* the one being replayed */
        bool ended;                              /* the recording has the end of its handling: nothing may be missing */
        size_t input_next;                       /* next in exit->inputs */
        size_t effect_next;                      /* next in exit->effects */
        bool inputs_lost;                        /* a wrong input was requested: suppress consequential differences */
        bool cut_short; /* the recording ends during this exit's handling: do not compare further */
        struct replay_report report;
};

/** replay_comparison_begin - the handling of @exit begins; @ended: see above */
void replay_comparison_begin(struct replay_comparison *comparison, const struct hwaccl_recorded_exit *exit, bool ended);

/** replay_comparison_peek - the input that was read next; NULL: none */
const struct hwaccl_input *replay_comparison_peek(const struct replay_comparison *comparison);

/** replay_comparison_lost - report a request for another input than the recorded one. Only the first of an exit is
 * reported; later ones are its consequences */
void replay_comparison_lost(struct replay_comparison *comparison, enum hwaccl_input_kind kind, uint64_t address,
                            size_t size);

/** replay_comparison_take - the next input, if it is the requested one. One of the same kind is used even if address or
 * size differ: it is the best available value. NULL where it is of another kind */
const struct hwaccl_input *replay_comparison_take(struct replay_comparison *comparison, enum hwaccl_input_kind kind,
                                                  uint64_t address, size_t size);

/** replay_comparison_give - copy the data of an input, padded with zeros. Returns the number of bytes copied */
size_t replay_comparison_give(const struct hwaccl_input *input, void *buffer, size_t size);

/** replay_comparison_effect - compare the next effect */
void replay_comparison_effect(struct replay_comparison *comparison, const struct hwaccl_effect *replayed);

/** replay_comparison_offer - compare the vector that was offered before the entry */
void replay_comparison_offer(struct replay_comparison *comparison, bool offered, uint8_t vector);

/** replay_comparison_fields - compare the @known fields of two states. @suffix: behind the fields' names, or "".
 * Returns true if they are the same */
bool replay_comparison_fields(struct replay_comparison *comparison, const struct hwaccl_subject_state *recorded,
                              const struct hwaccl_known_fields *known, const struct hwaccl_subject_state *replayed,
                              const char *suffix);

/** replay_comparison_outcome - compare how the handling ended */
void replay_comparison_outcome(struct replay_comparison *comparison, enum hwaccl_outcome replayed);

/** replay_comparison_effects_end, replay_comparison_inputs_end - report those that the handler left out */
void replay_comparison_effects_end(struct replay_comparison *comparison);
void replay_comparison_inputs_end(struct replay_comparison *comparison);

#endif
