/* SPDX-License-Identifier: MIT */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    return false;
}

static void print_bound(int fd, char bound[LISTENER_TEXT_BYTES])
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(address);
    char host[64] = "?";
    char port[16] = "?";

    (void)getsockname(fd, (struct sockaddr *)&address, &length);
    (void)getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
                      port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(bound, LISTENER_TEXT_BYTES,
                   address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                   port);
}

/* Binds and listens; takes fd, also when it fails. Returns -1 then. */
static int start(int fd, const struct sockaddr *address, socklen_t length)
{
    int saved;

    if (fd >= 0 && bind(fd, address, length) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    saved = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = saved;
    return -1;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits >= 1 && digits <= 5 && text[digits] == '\0' &&
           atoi(text) <= UINT16_MAX;
}

/* Splits "HOST:PORT" or "[HOST]:PORT". */
static bool split(const char *address, char host[64], const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    const char *begin = address;
    size_t length;

    if (colon == NULL || !is_port(colon + 1)) {
        return false;
    }
    length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
        begin++;
        length -= 2;
    } else if (memchr(address, ':', length) != NULL) {
        return false; /* An IPv6 address needs its brackets. */
    }
    if (length == 0 || length >= 64) {
        return false;
    }
    memcpy(host, begin, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

static void complain_form(const char *address, char error[LISTENER_TEXT_BYTES])
{
    (void)snprintf(error, LISTENER_TEXT_BYTES,
                   "%.100s: must be HOST:PORT, [IPv6]:PORT or unix:PATH",
                   address);
}

static void complain_insecure(const char *address,
                              char error[LISTENER_TEXT_BYTES])
{
    (void)snprintf(error, LISTENER_TEXT_BYTES,
                   "%.80s: is not loopback, and there is no TLS yet: set "
                   "insecure_listen: true if the network is trusted",
                   address);
}

static enum listener_result open_inet(const char *address, bool insecure,
                                      int *ret_fd,
                                      char bound[LISTENER_TEXT_BYTES],
                                      char error[LISTENER_TEXT_BYTES])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[64];
    const char *port;
    int one = 1;
    int unknown;
    int fd;

    if (!split(address, host, &port)) {
        complain_form(address, error);
        return LISTENER_INVALID;
    }
    unknown = getaddrinfo(host, port, &hints, &found);
    if (unknown != 0) {
        (void)snprintf(error, LISTENER_TEXT_BYTES, "%.100s: %s", address,
                       gai_strerror(unknown));
        return LISTENER_UNAVAILABLE;
    }
    if (!insecure && !is_loopback(found->ai_addr)) {
        freeaddrinfo(found);
        complain_insecure(address, error);
        return LISTENER_INVALID;
    }
    fd =
        socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (found->ai_family == AF_INET6) {
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
        }
    }
    fd = start(fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (fd < 0) {
        (void)snprintf(error, LISTENER_TEXT_BYTES, "%.100s: %s", address,
                       strerror(errno));
        return LISTENER_UNAVAILABLE;
    }
    print_bound(fd, bound);
    *ret_fd = fd;
    return LISTENER_OPEN;
}

/* Is a socket file left behind by a process that is gone? */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int fd;
    bool is_refused;

    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    is_refused =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno == ECONNREFUSED;
    (void)close(fd);
    return is_refused;
}

static bool check_path(const char *path, char error[LISTENER_TEXT_BYTES])
{
    size_t bytes_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (path[0] == '\0' || strlen(path) > bytes_max) {
        (void)snprintf(error, LISTENER_TEXT_BYTES,
                       "unix:%.100s: the path must have 1 to %zu bytes", path,
                       bytes_max);
        return false;
    }
    return true;
}

static enum listener_result open_unix(const char *path, int *ret_fd,
                                      char bound[LISTENER_TEXT_BYTES],
                                      char error[LISTENER_TEXT_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (!check_path(path, error)) {
        return LISTENER_INVALID;
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (is_stale(&address)) {
        (void)unlink(path);
    }
    fd = start(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
               (struct sockaddr *)&address, sizeof(address));
    if (fd < 0) {
        (void)snprintf(error, LISTENER_TEXT_BYTES, "unix:%.120s: %s", path,
                       strerror(errno));
        return LISTENER_UNAVAILABLE;
    }
    (void)snprintf(bound, LISTENER_TEXT_BYTES, "unix:%s", path);
    *ret_fd = fd;
    return LISTENER_OPEN;
}

bool listener_check(const char *address, bool insecure,
                    char error[LISTENER_TEXT_BYTES])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[64];
    const char *port;
    bool is_outside;

    if (strncmp(address, "unix:", 5) == 0) {
        return check_path(address + 5, error);
    }
    if (!split(address, host, &port)) {
        complain_form(address, error);
        return false;
    }
    if (insecure || getaddrinfo(host, port, &hints, &found) != 0) {
        return true; /* A name is looked up when it is opened. */
    }
    is_outside = !is_loopback(found->ai_addr);
    freeaddrinfo(found);
    if (is_outside) {
        complain_insecure(address, error);
    }
    return !is_outside;
}

enum listener_result listener_open(const char *address, bool insecure,
                                   int *ret_fd, char bound[LISTENER_TEXT_BYTES],
                                   char error[LISTENER_TEXT_BYTES])
{
    if (strncmp(address, "unix:", 5) == 0) {
        return open_unix(address + 5, ret_fd, bound, error);
    }
    return open_inet(address, insecure, ret_fd, bound, error);
}
