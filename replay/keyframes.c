/* The devices' states that a recording has, each given to a machine of the recorded kind. */
#include "replay/engine.h"

#include "replay/machine_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One vCPU's keyframes, in order; those behind the last exit with which a replay could begin end the loop. */
static bool check_vcpu(struct hwaccl_recording *recording, struct replay_engine *engine, uint32_t vcpu,
                       void (*finding)(void *opaque, const char *text), void *opaque, struct hwaccl_error *error)
{
        struct hwaccl_error reason;
        uint64_t at = 0, end = 0, start = 0;

        if (!hwaccl_recording_range(recording, vcpu, &at, &end, error))
                return false;
        for (; hwaccl_recording_replay_after(recording, vcpu, at, &start, error); at = start) {
                const struct hwaccl_recorded_device_field *fields;
                char text[640];
                size_t count;
                if (!hwaccl_recording_device_fields(recording, vcpu, start - 1, &fields, &count, error))
                        return false;
                if (replay_devices_load(engine->machine, fields, count, &reason))
                        continue;
                (void)snprintf(text, sizeof(text), "keyframe after exit %" PRIu64 ": %s", start - 1, reason.message);
                finding(opaque, text);
        }
        return !error->message[0];
}

bool hwaccl_replay_check_keyframes(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                                   void *opaque, struct hwaccl_error *error)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        struct hwaccl_machine_config config;
        struct hwaccl_error reason = {""};

        error->message[0] = '\0';
        if (info->vmm)
                return true; /* its devices are not known here */
        struct replay_engine *engine = calloc(1, sizeof(*engine));
        if (!engine)
                return hwaccl_error_set(error, "out of memory");
        bool good = true;
        if (!hwaccl_machine_options_read(recording, &config, &reason) ||
            !replay_engine_build(engine, &config, &reason)) {
                /* an import may lack options: it can be read, and `hwaccl replay` says what it needs */
                if (strncmp(reason.message, HWACCL_OPTION_MISSING, strlen(HWACCL_OPTION_MISSING)) != 0)
                        finding(opaque, reason.message);
        } else
                for (uint32_t i = 0; good && i < info->vcpu_count; i++)
                        good = check_vcpu(recording, engine, hwaccl_recording_vcpu_number(recording, i), finding,
                                          opaque, error);
        replay_engine_destroy(engine);
        free(engine);
        return good;
}
