/* What is said of a /dev/kvm that cannot be opened: which group or permission is missing. Its mode and who asks are
 * played. */
#include "core/accel/kvm/kvm.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define USER         1000u
#define NAMELESS     4000000000u /* no group of any machine */
#define GROUP_OF_KVM 4000000001u

static struct stat device;
static gid_t groups[2];
static bool named; /* the device's group has the name kvm */

/* --wrap of the linker */
int __wrap_stat(const char *path, struct stat *status);
uid_t __wrap_geteuid(void);
gid_t __wrap_getegid(void);
int __wrap_getgroups(int room, gid_t *list);
int __wrap_getgrgid_r(gid_t number, struct group *group, char *buffer, size_t room, struct group **found);

int __wrap_stat(const char *path, struct stat *status)
{
        assert_string_equal(path, "/dev/kvm");
        *status = device;
        return 0;
}

uid_t __wrap_geteuid(void)
{
        return USER;
}

gid_t __wrap_getegid(void)
{
        return groups[0];
}

int __wrap_getgroups(int room, gid_t *list)
{
        assert_true(room >= 2);
        memcpy(list, groups, sizeof(groups));
        return 2;
}

int __wrap_getgrgid_r(gid_t number, struct group *group, char *buffer, size_t room, struct group **found)
{
        assert_int_equal(number, device.st_gid);
        *found = NULL;
        if (named) {
                (void)snprintf(buffer, room, "kvm");
                group->gr_name = buffer;
                *found = group;
        }
        return 0;
}

static void expect(int cause, const char *text)
{
        struct hwaccl_error error = {""};

        errno = cause;
        assert_false(kvm_explain_access(&error));
        if (strcmp(error.message, text) != 0)
                fail_msg("said: %s", error.message);
}

/* A device of this mode, owner and group, for a user who is in no other group than @in. */
static void play(mode_t mode, uid_t owner, gid_t group, gid_t in)
{
        device = (struct stat){.st_mode = S_IFCHR | mode, .st_uid = owner, .st_gid = group};
        groups[0] = NAMELESS - 1;
        groups[1] = in;
        named = true;
}

static void a_device_that_is_not_there_is_told_from_one_without_a_driver(void **unused)
{
        (void)unused;
        expect(ENOENT,
               "there is no /dev/kvm: this machine has no hardware virtualization, or the kernel's kvm_intel or "
               "kvm_amd module is not loaded");
        expect(ENODEV,
               "there is no driver behind /dev/kvm: this machine has no hardware virtualization, or the kernel's "
               "kvm_intel or kvm_amd module is not loaded");
}

static void who_is_not_in_the_group_learns_which(void **unused)
{
        (void)unused;
        play(0660, 0, GROUP_OF_KVM, NAMELESS);
        expect(EACCES, "/dev/kvm may be opened by members of group kvm only: this user is not a member (run "
                       "'usermod -aG kvm USER' and log in again)");
        named = false;
        expect(EACCES, "/dev/kvm may be opened by members of group 4000000001 only: this user is not a "
                       "member (run 'usermod -aG 4000000001 USER' and log in again)");
}

static void the_permission_that_is_missing_is_named(void **unused)
{
        (void)unused;
        play(0600, 0, GROUP_OF_KVM, NAMELESS);
        expect(EACCES,
               "/dev/kvm of user 0 and group 4000000001 has mode 600, which does not let this user read and write "
               "it");
        play(0640, 0, GROUP_OF_KVM, GROUP_OF_KVM); /* a member, and the group may not write */
        expect(EACCES,
               "/dev/kvm of user 0 and group 4000000001 has mode 640, which does not let this user read and write "
               "it");
        play(0460, USER, GROUP_OF_KVM, GROUP_OF_KVM); /* the owner's bits count for the owner */
        expect(EACCES, "/dev/kvm of user 1000 and group 4000000001 has mode 460, which does not let this user read and "
                       "write it");
}

static void a_mode_that_allows_it_is_not_blamed(void **unused)
{
        (void)unused;
        static const char text[] =
                "/dev/kvm cannot be opened although its mode, 660, allows it: an access control list or "
                "a security module refuses";
        play(0660, 0, GROUP_OF_KVM, GROUP_OF_KVM);
        expect(EACCES, text);
        play(0660, USER, GROUP_OF_KVM, NAMELESS);
        expect(EACCES, text);
}

static void a_control_group_and_other_causes_are_named(void **unused)
{
        (void)unused;
        expect(EPERM, "/dev/kvm cannot be opened: the container or control group that this runs in does not allow the "
                      "device");
        expect(EMFILE, "/dev/kvm cannot be opened: Too many open files");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_device_that_is_not_there_is_told_from_one_without_a_driver),
                cmocka_unit_test(who_is_not_in_the_group_learns_which),
                cmocka_unit_test(the_permission_that_is_missing_is_named),
                cmocka_unit_test(a_mode_that_allows_it_is_not_blamed),
                cmocka_unit_test(a_control_group_and_other_causes_are_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
