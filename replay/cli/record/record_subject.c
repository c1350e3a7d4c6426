/* --accel muen: memory and images of the guest come from the subject's directory, not from options. */
#include "replay/cli/parse.h"
#include "replay/cli/record/record.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool parse_doorbells(const char *text, struct hwaccl_muen_doorbells *doorbells)
{
        int *const bell[] = {&doorbells->run, &doorbells->exit, &doorbells->poke, &doorbells->alive};
        size_t count = 0;

        doorbells->alive = -1;
        for (; count < sizeof(bell) / sizeof(bell[0]); count++) {
                size_t length = strcspn(text, ",");
                char number[16];
                uint64_t value;
                if (length >= sizeof(number))
                        return false;
                memcpy(number, text, length);
                number[length] = '\0';
                if (!cli_parse_number(number, &value) || value > INT32_MAX || fcntl((int)value, F_GETFD) < 0)
                        return false;
                *bell[count] = (int)value;
                text += length;
                if (!*text)
                        return count >= 2;
                text++;
        }
        return false;
}

bool record_parse_doorbells(const struct cli_command *command, const struct cli_option *option, const char *text,
                            void *field)
{
        return parse_doorbells(text, &((struct record_settings *)field)->subject_doorbells) ||
               cli_value_error(command, option, text, "RUN,EXIT,POKE[,ALIVE], all open file descriptors");
}

bool record_check_subject(const struct record_settings *settings)
{
        const struct cli_command *command = settings->command;
        bool muen = settings->accel == RECORD_ACCEL_MUEN;
        const char *image = settings->firmware.path ? "firmware" : settings->raw_count ? "raw" : NULL;

        if (!muen && (settings->subject_dir || settings->subject_doorbells_given || settings->subject_timeout_ns))
                (void)cli_usage_error(command,
                                      "--subject-dir, --subject-doorbells and --subject-timeout require --accel muen");
        else if (muen && !settings->subject_dir)
                (void)cli_usage_error(command, "--accel muen requires --subject-dir DIR");
        else if (muen && image)
                (void)cli_usage_error(
                        command, "--%s and --accel muen exclude each other: the subject provides its image", image);
        else if (muen && settings->memory_given)
                (void)cli_usage_error(command,
                                      "--memory and --accel muen exclude each other: the subject provides its memory");
        else if (muen && settings->tsc_khz)
                (void)cli_usage_error(command,
                                      "--tsc-khz and --accel muen exclude each other: subject info has the frequency");
        else if (muen && settings->verify)
                (void)cli_usage_error(command, "--verify requires KVM");
        else if (muen && settings->clock == HWACCL_CLOCK_VIRTUAL)
                (void)cli_usage_error(command,
                                      "--clock virtual is not supported with --accel muen: it reports no virtual time");
        else
                return true;
        return false;
}

static struct hwaccl_muen *_Atomic guarded; /* the subject whose pages a SIGBUS may be about */

/* The other side took a page away: end the guest, not this process. Any other bus error kills it as usual. */
static void on_bus_error(int number, siginfo_t *signal_info, void *context)
{
        struct hwaccl_muen *muen = atomic_load(&guarded);

        (void)context;
        if (signal_info->si_code > 0 && muen && hwaccl_muen_replace_page(muen, signal_info->si_addr))
                return;
        (void)signal(number, SIG_DFL);
        (void)raise(number);
}

static void guard(struct hwaccl_muen *muen)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        (void)sigemptyset(&action.sa_mask);
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = on_bus_error;
        atomic_store(&guarded, muen);
        (void)sigaction(SIGBUS, &action, NULL);
}

struct hwaccl_muen *record_open_subject(struct record_settings *settings)
{
        const struct hwaccl_muen_config config = {
                .directory = settings->subject_dir,
                .doorbells = settings->subject_doorbells_given ? &settings->subject_doorbells : NULL,
                .answer_timeout_ns = settings->subject_timeout_ns,
        };
        struct hwaccl_error error;
        struct hwaccl_muen *muen = hwaccl_muen_open(&config, &error);

        if (!muen) {
                (void)cli_error(settings->command, "%s", error.message);
                return NULL;
        }
        guard(muen);
        settings->memory_size = hwaccl_muen_subject(muen)->ram_size;
        settings->tsc_khz = hwaccl_muen_subject(muen)->tsc_khz;
        return muen;
}

void record_close_subject(struct hwaccl_muen *muen)
{
        atomic_store(&guarded, NULL);
        hwaccl_muen_close(muen);
}

/* Either the subject or --kernel provides the image, not both. */
static bool check_images(const struct record_settings *settings, const struct hwaccl_muen_subject *subject)
{
        const char *brought = subject->firmware ? "vm_firmware" : subject->image_size ? "vm_image" : NULL;

        if (settings->kernel.is_loaded && brought)
                (void)cli_usage_error(settings->command, "--kernel excluded: the subject provides its image (%s)",
                                      brought);
        else if (!settings->kernel.is_loaded && !brought)
                (void)cli_error(settings->command,
                                "%s/subject_info_page: nothing to run: expected a memory region vm_firmware or "
                                "vm_image; or give --kernel FILE",
                                settings->subject_dir);
        else
                return true;
        return false;
}

bool record_take_over_images(struct record_settings *settings, const struct hwaccl_muen *muen)
{
        const struct hwaccl_muen_subject *subject = hwaccl_muen_subject(muen);
        char *name = NULL;

        if (!check_images(settings, subject))
                return false;
        if (settings->kernel.is_loaded)
                return true;
        if (asprintf(&name, "%s/%s", settings->subject_dir, subject->firmware ? "vm_firmware" : "vm_ram_1") < 0) {
                (void)cli_error(settings->command, "out of memory");
                return false;
        }
        if (subject->firmware) {
                settings->firmware.path = settings->subject_firmware = name;
                settings->firmware.size = subject->firmware_size;
                record_digest_image(&settings->firmware, subject->firmware, subject->firmware_size);
                return true;
        }
        struct record_image *image = &settings->raw[settings->raw_count++];
        image->path = name;
        image->address = subject->image_address;
        image->size = (size_t)subject->image_size;
        record_digest_image(image, subject->ram + subject->image_address, image->size);
        return true;
}

bool record_subject_failed(const struct hwaccl_muen *muen, struct hwaccl_error *error)
{
        return muen && !hwaccl_muen_check(muen, error) && !hwaccl_error_prefix(error, "muen");
}
