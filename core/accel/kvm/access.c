/* Why /dev/kvm cannot be opened, in one line that says what to do about it. */
#include "core/accel/kvm/kvm.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_member(gid_t group)
{
        gid_t groups[256];
        int count = getgroups(sizeof(groups) / sizeof(groups[0]), groups);

        for (int i = 0; i < count; i++)
                if (groups[i] == group)
                        return true;
        return getegid() == group;
}

/* Which of the mode's bits deny access: access(2) asks the owner's of the owner, the group's of its members, then the
 * others'. */
static bool explain_mode(struct hwaccl_error *error, const struct stat *status)
{
        mode_t both = geteuid() == status->st_uid ? S_IRUSR | S_IWUSR
                      : is_member(status->st_gid) ? S_IRGRP | S_IWGRP
                                                  : S_IROTH | S_IWOTH;
        struct group group;
        struct group *found = NULL;
        char names[1024];
        char number[16];

        if ((status->st_mode & both) == both)
                return hwaccl_error_set(error,
                                        KVM_DEVICE
                                        " cannot be opened although its mode, %03o, allows it: an access control "
                                        "list or a security module refuses",
                                        status->st_mode & 0777u);
        if (both != (S_IROTH | S_IWOTH) || (status->st_mode & (S_IRGRP | S_IWGRP)) != (S_IRGRP | S_IWGRP))
                return hwaccl_error_set(error,
                                        KVM_DEVICE
                                        " of user %u and group %u has mode %03o, which does not let this user "
                                        "read and write it",
                                        status->st_uid, status->st_gid, status->st_mode & 0777u);
        (void)snprintf(number, sizeof(number), "%u", status->st_gid);
        (void)getgrgid_r(status->st_gid, &group, names, sizeof(names), &found);
        const char *name = found ? found->gr_name : number;
        return hwaccl_error_set(error,
                                KVM_DEVICE " may be opened by members of group %s only: this user is not a member (run "
                                           "'usermod -aG %s USER' and log in again)",
                                name, name);
}

bool kvm_explain_access(struct hwaccl_error *error)
{
        struct stat status;
        int cause = errno;

        switch (cause) {
        case ENOENT:
        case ENXIO:
        case ENODEV:
                return hwaccl_error_set(error,
                                        "there is no %s: this machine has no hardware virtualization, or the kernel's "
                                        "kvm_intel or kvm_amd module is not loaded",
                                        cause == ENOENT ? KVM_DEVICE : "driver behind " KVM_DEVICE);
        case EPERM:
                return hwaccl_error_set(error,
                                        KVM_DEVICE " cannot be opened: the container or control group that this runs "
                                                   "in does not allow the device");
        case EACCES:
                if (stat(KVM_DEVICE, &status) == 0)
                        return explain_mode(error, &status);
                break;
        default: break;
        }
        return hwaccl_error_set(error, KVM_DEVICE " cannot be opened: %s", strerror(cause));
}
