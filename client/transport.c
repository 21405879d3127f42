/* SPDX-License-Identifier: MIT */
#include "transport.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_only_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

ssize_t transport_read(int fd, void *bytes, size_t length)
{
    ssize_t count = recv(fd, bytes, length, MSG_DONTWAIT);

    if (count == 0) {
        return -ECONNRESET;
    }
    if (count < 0) {
        return is_only_later(errno) ? 0 : -errno;
    }
    return count;
}

ssize_t transport_write(int fd, const void *bytes, size_t length)
{
    ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (count < 0) {
        return is_only_later(errno) ? 0 : -errno;
    }
    return count;
}

void transport_raise(int event_fd)
{
    static const uint64_t one = 1;

    while (write(event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}
