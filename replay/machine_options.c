#include "hwaccl/machine_options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An option that is a decimal number; @fallback when it is absent, or an error when that is NULL. */
static bool read_number(const struct hwaccl_recording *recording, const char *name, const uint64_t *fallback,
                        uint64_t *number, struct hwaccl_error *error)
{
        const char *text = hwaccl_recording_option(recording, name);
        if (!text && fallback) {
                *number = *fallback;
                return true;
        }
        if (!text)
                return hwaccl_error_set(error, "the recording has no option %s: the machine cannot be built", name);

        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (!isdigit((unsigned char)text[0]) || errno || *end)
                return hwaccl_error_set(error, "option %s of the recording is no number: '%.64s'", name, text);
        *number = value;
        return true;
}

static bool read_raw(const struct hwaccl_recording *recording, size_t index, struct hwaccl_raw_image *raw,
                     struct hwaccl_error *error)
{
        char name[48];
        uint64_t size;

        (void)snprintf(name, sizeof(name), HWACCL_OPTION_RAW_ADDRESS, index);
        if (!read_number(recording, name, NULL, &raw->address, error))
                return false;
        (void)snprintf(name, sizeof(name), HWACCL_OPTION_RAW_SIZE, index);
        if (!read_number(recording, name, NULL, &size, error))
                return false;
        raw->data = NULL;
        raw->size = (size_t)size;
        return true;
}

bool hwaccl_machine_options_read(const struct hwaccl_recording *recording, struct hwaccl_machine_config *config,
                                 struct hwaccl_error *error)
{
        static const uint64_t none = 0;
        uint64_t firmware_size, raw_count;

        memset(config, 0, sizeof(*config));
        if (!read_number(recording, HWACCL_OPTION_MEMORY_SIZE, NULL, &config->memory_size, error) ||
            !read_number(recording, HWACCL_OPTION_TSC_KHZ, NULL, &config->tsc_khz, error) ||
            !read_number(recording, HWACCL_OPTION_FIRMWARE_SIZE, &none, &firmware_size, error) ||
            !read_number(recording, HWACCL_OPTION_RAW_COUNT, &none, &raw_count, error))
                return false;
        if (!config->tsc_khz)
                return hwaccl_error_set(error, "option %s of the recording is 0", HWACCL_OPTION_TSC_KHZ);
        if (raw_count > HWACCL_RAW_MAX)
                return hwaccl_error_set(error, "option %s of the recording is %" PRIu64 "; at most %d are possible",
                                        HWACCL_OPTION_RAW_COUNT, raw_count, HWACCL_RAW_MAX);
        config->backed = false;
        config->firmware_size = (size_t)firmware_size;
        config->raw_count = (size_t)raw_count;
        for (size_t i = 0; i < config->raw_count; i++)
                if (!read_raw(recording, i, &config->raw[i], error))
                        return false;
        return true;
}
