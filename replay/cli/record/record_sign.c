/* record --sign. */
#include "replay/cli/record/record.h"

#include "replay/cli/message.h"

#include "hwaccl/seal.h"

bool record_check_sign(const struct record_settings *settings)
{
        struct hwaccl_error error;

        if (!settings->sign)
                return true;
        if (!settings->output)
                (void)cli_usage_error(settings->command, "--sign needs a recording: give --output FILE");
        else if (!hwaccl_seal_key_check(settings->sign, &error))
                (void)cli_error(settings->command, "%s", error.message);
        else
                return true;
        return false;
}

bool record_sign(const struct record_settings *settings)
{
        struct hwaccl_error error;

        if (!settings->sign || hwaccl_recording_sign(settings->output, settings->sign, &error))
                return true;
        (void)cli_error(settings->command, "%s", error.message);
        return false;
}
