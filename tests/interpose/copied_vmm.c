/*
 * A VMM that copies its descriptors of KVM and uses the copies. Usage: copied_vmm COUNT: each way of copying runs COUNT
 * exits. Exit status 7; 99 when something fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : die(#condition))

static void die(const char *what)
{
        perror(what);
        _exit(99);
}

static void run(int vcpu, long count)
{
        for (long i = 0; i < count; i++)
                CHECK(ioctl(vcpu, KVM_RUN, NULL) == 0);
}

/* Through a socket: a descriptor of another number, which nothing but the kernel knows to be the same. */
static int pass(int fd)
{
        int ends[2];
        char byte = 0, room[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec data = {&byte, 1};
        struct msghdr message = {
                .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};

        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof(fd));
        CHECK(sendmsg(ends[0], &message, 0) == 1 && recvmsg(ends[1], &message, 0) == 1);
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        return fd;
}

int main(int argc, char **argv)
{
        long count = argc > 1 ? atol(argv[1]) : 1;
        int first = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        int kvm = dup(first);

        CHECK(first >= 0 && kvm >= 0 && close(first) == 0);
        int vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
        int vm_copy = dup2(vm, 300);
        CHECK(vm >= 0 && vm_copy == 300 && close(vm) == 0);
        int vcpu = ioctl(vm_copy, KVM_CREATE_VCPU, 5UL);
        int copy = fcntl(vcpu, F_DUPFD_CLOEXEC, 2000);
        CHECK(vcpu >= 0 && copy >= 2000);
        size_t size = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
        void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0); /* of the copy */
        CHECK(mapping != MAP_FAILED);
        run(vcpu, count);
        run(copy, count);
        CHECK(dup3(copy, 400, O_CLOEXEC) == 400);
        run(400, count);
        int passed = pass(copy);
        run(passed, 1); /* not recorded, but it runs */
        CHECK(close(vcpu) == 0 && close_range(2000, 2100, 0) == 0);
        run(400, count);
        CHECK(dup2(open("/dev/null", O_RDWR), 400) == 400); /* the number is a file's now */
        CHECK(ioctl(400, KVM_RUN, NULL) == -1 && errno == ENOTTY);
        CHECK(fcntl(400, F_DUPFD, 2000) == 2000 && ioctl(2000, KVM_RUN, NULL) == -1 && errno == ENOTTY);
        CHECK(ioctl(vcpu, KVM_RUN, NULL) == -1);
        run(passed, 1);
        return 7;
}
