/* SPDX-License-Identifier: MIT */
#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

#define DEFAULT_PORT "7417"
#define ADDRESS_BYTES_MAX 512
#define NS_PER_MS INT64_C(1000000)
/* When a peer's machine is gone, the kernel says so about as soon as the
 * session timeout does, for those who have no heartbeat under way. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3

struct address {
    char written[ADDRESS_BYTES_MAX]; /* As the user wrote it. */
    bool is_unix;
    char host[ADDRESS_BYTES_MAX]; /* Or the path. */
    char port[6];
};

struct text {
    char *data;
    size_t capacity;
};

__attribute__((format(printf, 2, 3))) static void say(const struct text *text,
                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text->data, text->capacity, format, arguments);
    va_end(arguments);
}

static void say_errno(const struct text *text, const struct address *address,
                      int error)
{
    char buffer[128];

    say(text, "%s: %s", address->written,
        strerror_r(error, buffer, sizeof(buffer)));
}

/* ------------------------------------------------------------------ reading
 */

/* Copies length bytes of from, unless they do not fit. */
static bool copy(char *to, size_t capacity, const char *from, size_t length)
{
    if (length == 0 || length >= capacity) {
        return false;
    }
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

static const char *skip(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool read_port(struct address *address, const char *port)
{
    unsigned long number;
    char *end;

    if (*port == '\0') {
        return copy(address->port, sizeof(address->port), DEFAULT_PORT,
                    strlen(DEFAULT_PORT));
    }
    if (port[0] != ':' || port[1] < '0' || port[1] > '9') {
        return false;
    }
    number = strtoul(port + 1, &end, 10);
    return *end == '\0' && number >= 1 && number <= 65535 &&
           copy(address->port, sizeof(address->port), port + 1,
                strlen(port + 1));
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. */
static bool read_host(struct address *address, const char *text)
{
    size_t host_bytes;

    if (*text == '[') {
        host_bytes = strcspn(text, "]");
        return text[host_bytes] == ']' &&
               copy(address->host, sizeof(address->host), text + 1,
                    host_bytes - 1) &&
               read_port(address, text + host_bytes + 1);
    }
    host_bytes = strcspn(text, ":");
    return strcspn(text, "/[] \t") == strlen(text) &&
           copy(address->host, sizeof(address->host), text, host_bytes) &&
           read_port(address, text + host_bytes);
}

static bool read_path(struct address *address, const char *path)
{
    struct sockaddr_un name;

    address->is_unix = true;
    return path[0] == '/' && strlen(path) < sizeof(name.sun_path) &&
           copy(address->host, sizeof(address->host), path, strlen(path));
}

static enum permit_status read_address(struct address *address,
                                       const char *written, size_t length,
                                       const struct text *text)
{
    const char *rest;
    bool is_right;

    memset(address, 0, sizeof(*address));
    if (!copy(address->written, sizeof(address->written), written, length)) {
        say(text, "an address of a server is empty or too long");
        return PERMIT_E_INVALID;
    }
    if (skip(address->written, "permits://") != NULL) {
        say(text, "%s: TLS is not served by this version", address->written);
        return PERMIT_E_UNSUPPORTED;
    }
    if ((rest = skip(address->written, "unix://")) != NULL ||
        (rest = skip(address->written, "unix:")) != NULL) {
        is_right = read_path(address, rest);
    } else {
        rest = skip(address->written, "permit://");
        is_right = read_host(address, rest != NULL ? rest : address->written);
    }
    if (!is_right) {
        say(text,
            "%s: not an address; write permit://HOST:7417 or unix:///PATH",
            address->written);
        return PERMIT_E_INVALID;
    }
    return PERMIT_OK;
}

enum permit_status transport_check(const char *servers, char *text,
                                   size_t text_bytes)
{
    const struct text to = {text, text_bytes};
    enum permit_status status;
    struct address address;
    size_t length;

    for (;; servers += length + 1) {
        length = strcspn(servers, ",");
        status = read_address(&address, servers, length, &to);
        if (status != PERMIT_OK || servers[length] == '\0') {
            return status;
        }
    }
}

/* --------------------------------------------------------------- connecting
 */

/* Waits for the outcome of a connect under way. Returns 0 or an errno. */
static int wait_connected(int fd, int64_t deadline_ns)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error;
    socklen_t error_bytes = sizeof(error);
    int count = -1;

    while (count < 0) {
        int64_t left_ms = (deadline_ns - clock_now_ns()) / NS_PER_MS;

        left_ms = left_ms < 0 ? 0 : left_ms;
        count = poll(&poll_fd, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        if (count == 0 && left_ms > 60000) {
            count = -1;
        }
    }
    if (count == 0) {
        return ETIMEDOUT;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) < 0
               ? errno
               : error;
}

/* Tuning that the line works without. */
static void tune(int fd)
{
    static const int on = 1;
    static const int idle_s = KEEPALIVE_IDLE_S;
    static const int interval_s = KEEPALIVE_INTERVAL_S;
    static const int count = KEEPALIVE_COUNT;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s,
                     sizeof(interval_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* Returns 0 or an errno. */
static int connect_to(const struct sockaddr *name, socklen_t name_bytes,
                      int64_t deadline_ns, int *ret_fd)
{
    int fd =
        socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0) {
        return errno;
    }
    if (name->sa_family != AF_UNIX) {
        tune(fd);
    }
    if (connect(fd, name, name_bytes) < 0) {
        error = errno == EINPROGRESS || errno == EINTR
                    ? wait_connected(fd, deadline_ns)
                    : errno;
    }
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

/* An equal share of what is left, so that a dead address does not take the
 * others' time. */
static int64_t share_of(int64_t deadline_ns, size_t addresses_left)
{
    int64_t now_ns = clock_now_ns();

    return now_ns + (deadline_ns - now_ns) / (int64_t)addresses_left;
}

static enum permit_status connect_unix(const struct address *address,
                                       int64_t deadline_ns, int *ret_fd,
                                       const struct text *text)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int error;

    memcpy(name.sun_path, address->host, strlen(address->host) + 1);
    error = connect_to((const struct sockaddr *)&name, sizeof(name),
                       deadline_ns, ret_fd);
    if (error != 0) {
        say_errno(text, address, error);
        return PERMIT_E_DISCONNECTED;
    }
    return PERMIT_OK;
}

static size_t count_names(const struct addrinfo *names)
{
    size_t count = 0;

    for (; names != NULL; names = names->ai_next) {
        count++;
    }
    return count;
}

static enum permit_status connect_host(const struct address *address,
                                       int64_t deadline_ns, int *ret_fd,
                                       const struct text *text)
{
    static const struct addrinfo hints = {.ai_flags = AI_NUMERICSERV,
                                          .ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM};
    struct addrinfo *names;
    int error = getaddrinfo(address->host, address->port, &hints, &names);

    if (error == EAI_MEMORY) {
        say(text, "%s: out of memory", address->written);
        return PERMIT_E_NOMEM;
    }
    if (error == EAI_SYSTEM) {
        say_errno(text, address, errno);
        return PERMIT_E_DISCONNECTED;
    }
    if (error != 0) {
        say(text, "%s: %s", address->written, gai_strerror(error));
        return PERMIT_E_DISCONNECTED;
    }
    error = EADDRNOTAVAIL;
    for (const struct addrinfo *name = names; name != NULL && error != 0;
         name = name->ai_next) {
        error = connect_to(name->ai_addr, name->ai_addrlen,
                           share_of(deadline_ns, count_names(name)), ret_fd);
    }
    freeaddrinfo(names);
    if (error != 0) {
        say_errno(text, address, error);
        return PERMIT_E_DISCONNECTED;
    }
    return PERMIT_OK;
}

static size_t count_addresses(const char *servers)
{
    size_t count = 1;

    for (; *servers != '\0'; servers++) {
        count += *servers == ',';
    }
    return count;
}

enum permit_status transport_connect(const char *servers, int64_t deadline_ns,
                                     int *ret_fd, char *text, size_t text_bytes)
{
    const struct text to = {text, text_bytes};
    enum permit_status status;
    struct address address;
    size_t length;

    for (;; servers += length + 1) {
        int64_t own_ns = share_of(deadline_ns, count_addresses(servers));

        length = strcspn(servers, ",");
        status = read_address(&address, servers, length, &to);
        if (status == PERMIT_OK) {
            status = address.is_unix
                         ? connect_unix(&address, own_ns, ret_fd, &to)
                         : connect_host(&address, own_ns, ret_fd, &to);
        }
        if (status != PERMIT_E_DISCONNECTED || servers[length] == '\0') {
            return status;
        }
    }
}

/* -------------------------------------------------------------------- bytes
 */

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
