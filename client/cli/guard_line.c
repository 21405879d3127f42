/* SPDX-License-Identifier: MIT */
#include "guard_line.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES offsetof(struct guard_message, text)

/* Room for one descriptor, aligned as cmsghdr wants it. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int guard_line_create(int ret_line[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_line) < 0) {
        return -errno;
    }
    return 0;
}

int guard_line_send(int line, const struct guard_message *message,
                    int descriptor)
{
    union control control;
    struct iovec bytes = {.iov_base = (void *)message,
                          .iov_len = HEADER_BYTES + message->text_bytes};
    struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1};

    if (descriptor != -1) {
        struct cmsghdr *header;

        memset(&control, 0, sizeof(control));
        packet.msg_control = control.bytes;
        packet.msg_controllen = sizeof(control.bytes);
        header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    }
    if (sendmsg(line, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* It died with something unread. */
        return errno == ECONNRESET ? -EPIPE : -errno;
    }
    return 0;
}

int guard_line_receive(int line, struct guard_message *ret_message,
                       int *ret_descriptor)
{
    union control control;
    struct iovec bytes = {.iov_base = ret_message,
                          .iov_len = sizeof(*ret_message)};
    struct msghdr packet = {.msg_iov = &bytes,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *header;
    ssize_t length;

    do {
        length = recvmsg(line, &packet, MSG_CMSG_CLOEXEC);
        /* The other end died with something unread: what it said before that
         * is still to be read. */
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    if (length < (ssize_t)HEADER_BYTES) {
        return 0; /* The end, or a reset, which is one. */
    }
    *ret_descriptor = -1;
    header = CMSG_FIRSTHDR(&packet);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        memcpy(ret_descriptor, CMSG_DATA(header), sizeof(*ret_descriptor));
    }
    return 1;
}
