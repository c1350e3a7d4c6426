#include "hwaccl/event.h"

const char *hwaccl_end_name(unsigned end)
{
        static const char *const name[HWACCL_END_COUNT] = {
                [HWACCL_END_NONE] = "running",        [HWACCL_END_EXIT_CODE] = "exit code",
                [HWACCL_END_HALTED] = "halted",       [HWACCL_END_TRIPLE_FAULT] = "triple fault",
                [HWACCL_END_RESET] = "reset",         [HWACCL_END_ENTRY_FAILURE] = "entry failure",
                [HWACCL_END_ERROR] = "error",         [HWACCL_END_STOPPED] = "stopped",
                [HWACCL_END_POWER_OFF] = "power off", [HWACCL_END_RECORDER_DIED] = "recorder died",
        };
        return end < HWACCL_END_COUNT ? name[end] : "unknown";
}
