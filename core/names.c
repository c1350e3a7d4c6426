/* Names of recorded numbers, from the tables that declare these. */
#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"

#define X(number, identifier, name) [number] = (name),
#define NAMES(table)                                                                                                   \
        {                                                                                                              \
                table(X)                                                                                               \
        }

static const char *const ends[HWACCL_END_COUNT] = NAMES(HWACCL_ENDS);
static const char *const inputs[HWACCL_INPUT_KIND_COUNT] = NAMES(HWACCL_INPUT_KINDS);
static const char *const effects[HWACCL_EFFECT_KIND_COUNT] = NAMES(HWACCL_EFFECT_KINDS);
static const char *const verdicts[HWACCL_VERDICT_COUNT] = NAMES(HWACCL_VERDICTS);
static const char *const outcomes[HWACCL_OUTCOME_COUNT] = NAMES(HWACCL_OUTCOMES);
static const char *const sources[HWACCL_EVENT_SOURCE_COUNT] = NAMES(HWACCL_EVENT_SOURCES);
static const char *const steps[HWACCL_DELIVERY_STEP_COUNT] = NAMES(HWACCL_DELIVERY_STEPS);

static const char *name_of(const char *const *names, unsigned count, unsigned number)
{
        return number < count ? names[number] : "unknown";
}

const char *hwaccl_end_name(unsigned end)
{
        return name_of(ends, HWACCL_END_COUNT, end);
}

const char *hwaccl_input_kind_name(unsigned kind)
{
        return name_of(inputs, HWACCL_INPUT_KIND_COUNT, kind);
}

const char *hwaccl_effect_kind_name(unsigned kind)
{
        return name_of(effects, HWACCL_EFFECT_KIND_COUNT, kind);
}

const char *hwaccl_verdict_name(enum hwaccl_verdict verdict)
{
        return name_of(verdicts, HWACCL_VERDICT_COUNT, verdict);
}

const char *hwaccl_outcome_name(enum hwaccl_outcome outcome)
{
        return name_of(outcomes, HWACCL_OUTCOME_COUNT, outcome);
}

const char *hwaccl_event_source_name(unsigned source)
{
        return name_of(sources, HWACCL_EVENT_SOURCE_COUNT, source);
}

const char *hwaccl_delivery_step_name(unsigned step)
{
        return name_of(steps, HWACCL_DELIVERY_STEP_COUNT, step);
}
