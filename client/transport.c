/* SPDX-License-Identifier: MIT */
#include "transport.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define MS_PER_S 1000
#define KEEPALIVE_COUNT 3

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

void transport_set_timeout(int fd, int64_t session_timeout_ns)
{
    int64_t timeout_ms = session_timeout_ns / NS_PER_MS;
    int user_timeout_ms = timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
    int probe_s = user_timeout_ms / MS_PER_S / KEEPALIVE_COUNT + 1;
    int count = KEEPALIVE_COUNT;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
                     sizeof(user_timeout_ms));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &probe_s, sizeof(probe_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof(probe_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

void transport_raise(int event_fd)
{
    static const uint64_t one = 1;

    while (write(event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}
