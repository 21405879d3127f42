/* SPDX-License-Identifier: MIT */
#include "connector.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport.h"

/* How long a peer may acknowledge nothing, until Welcome says another. */
#define TIMEOUT_NS INT64_C(25000000000)

/* An equal share of what is left, so that a dead address does not take the
 * others' time. */
static int64_t share_of(int64_t now_ns, int64_t until_ns, size_t left)
{
    return until_ns <= now_ns ? now_ns
                              : now_ns + (until_ns - now_ns) / (int64_t)left;
}

static void say(struct connector *connector, const char *why)
{
    connector->status = PERMIT_E_DISCONNECTED;
    (void)snprintf(connector->text, sizeof(connector->text), "%s", why);
}

static void say_errno(struct connector *connector, int error)
{
    char buffer[128];

    say(connector, strerror_r(error, buffer, sizeof(buffer)));
}

/* -------------------------------------------------------------- one attempt
 */

/* Tuning that the line works without. */
static void tune(int fd)
{
    static const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    transport_set_timeout(fd, TIMEOUT_NS);
}

static socklen_t name_bytes(const struct sockaddr_storage *name)
{
    switch (name->ss_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return sizeof(struct sockaddr_un);
    }
}

/* Begins to connect. Returns 0 or an errno; then there is no descriptor. */
static int begin(struct connector *connector,
                 const struct sockaddr_storage *name)
{
    int fd =
        socket(name->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0) {
        return errno;
    }
    if (name->ss_family != AF_UNIX) {
        tune(fd);
    }
    connector->state = CONNECTOR_CONNECTED;
    if (connect(fd, (const struct sockaddr *)name, name_bytes(name)) < 0) {
        error = errno;
        connector->state = CONNECTOR_CONNECTING;
    }
    if (error != 0 && error != EINPROGRESS && error != EINTR) {
        (void)close(fd);
        return error;
    }
    connector->fd = fd;
    return 0;
}

/* Tries the names of this address that are left. Returns false if none of them
 * can be connected to. */
static bool try_names(struct connector *connector, int64_t now_ns)
{
    while (connector->next_name < connector->names_count) {
        size_t left = connector->names_count - connector->next_name;
        int error = begin(connector, &connector->names[connector->next_name++]);

        if (error == 0) {
            connector->try_until_ns =
                share_of(now_ns, connector->address_until_ns, left);
            return true;
        }
        say_errno(connector, error);
    }
    return false;
}

/* Returns 0, an errno, or EINPROGRESS while nothing is known yet. */
static int outcome_of(const struct connector *connector, int64_t now_ns)
{
    struct pollfd poll_fd = {.fd = connector->fd, .events = POLLOUT};
    int error;
    socklen_t error_bytes = sizeof(error);

    if (poll(&poll_fd, 1, 0) <= 0) {
        return now_ns < connector->try_until_ns ? EINPROGRESS : ETIMEDOUT;
    }
    return getsockopt(connector->fd, SOL_SOCKET, SO_ERROR, &error,
                      &error_bytes) < 0
               ? errno
               : error;
}

/* ------------------------------------------------------------- the addresses
 */

static void take_names(struct connector *connector,
                       const struct addrinfo *addresses)
{
    connector->names_count = 0;
    connector->next_name = 0;
    for (; addresses != NULL && connector->names_count < CONNECTOR_NAMES_MAX;
         addresses = addresses->ai_next) {
        bool is_ip =
            addresses->ai_family == AF_INET || addresses->ai_family == AF_INET6;

        if (is_ip && addresses->ai_addrlen <= sizeof(*connector->names)) {
            memcpy(&connector->names[connector->names_count++],
                   addresses->ai_addr, addresses->ai_addrlen);
        }
    }
}

static void take_path(struct connector *connector)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    assert(strlen(connector->address.host) < sizeof(name.sun_path));
    memcpy(name.sun_path, connector->address.host,
           strlen(connector->address.host) + 1);
    memcpy(&connector->names[0], &name, sizeof(name));
    connector->names_count = 1;
    connector->next_name = 0;
}

/* Returns false if the host is a name, to be looked up. */
static bool take_numbers(struct connector *connector)
{
    static const struct addrinfo hints = {.ai_flags =
                                              AI_NUMERICSERV | AI_NUMERICHOST,
                                          .ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;

    if (getaddrinfo(connector->address.host, connector->address.port, &hints,
                    &addresses) != 0) {
        return false;
    }
    take_names(connector, addresses);
    freeaddrinfo(addresses);
    return true;
}

/* Takes the next address of the list. Returns false if its name is to be looked
 * up first. */
static bool take_address(struct connector *connector, int64_t now_ns)
{
    connector->address_until_ns = share_of(now_ns, connector->deadline_ns,
                                           address_count(connector->servers));
    connector->status = address_read(&connector->servers, &connector->address,
                                     connector->text, sizeof(connector->text));
    assert(connector->status == PERMIT_OK); /* It was checked. */
    if (connector->address.is_unix) {
        take_path(connector);
        return true;
    }
    return take_numbers(connector);
}

/* Goes on until something is to be waited for, or nothing is left. */
static void go_on(struct connector *connector, int64_t now_ns)
{
    while (!try_names(connector, now_ns)) {
        if (*connector->servers == '\0') {
            connector->state = CONNECTOR_FAILED;
            return;
        }
        if (!take_address(connector, now_ns)) {
            connector->state = CONNECTOR_LOOKING_UP;
            return;
        }
    }
}

/* ------------------------------------------------------------ from outside */

void connector_start(struct connector *connector, const char *servers,
                     int64_t now_ns, int64_t deadline_ns)
{
    assert(connector->state == CONNECTOR_IDLE);
    connector->servers = servers;
    connector->deadline_ns = deadline_ns;
    connector->names_count = 0;
    connector->next_name = 0;
    go_on(connector, now_ns);
}

void connector_resolved(struct connector *connector,
                        const struct addrinfo *addresses, const char *text,
                        int64_t now_ns)
{
    assert(connector->state == CONNECTOR_LOOKING_UP);
    take_names(connector, addresses);
    if (connector->names_count == 0) {
        say(connector, text);
    }
    go_on(connector, now_ns);
}

void connector_advance(struct connector *connector, int64_t now_ns)
{
    int error;

    if (connector->state == CONNECTOR_LOOKING_UP &&
        now_ns >= connector->address_until_ns) {
        say(connector, "the name was not looked up in time");
        connector->names_count = 0;
        connector->next_name = 0;
        go_on(connector, now_ns);
        return;
    }
    if (connector->state != CONNECTOR_CONNECTING) {
        return;
    }
    error = outcome_of(connector, now_ns);
    if (error == 0) {
        connector->state = CONNECTOR_CONNECTED;
    } else if (error != EINPROGRESS) {
        (void)close(connector->fd);
        say_errno(connector, error);
        go_on(connector, now_ns);
    }
}

int64_t connector_deadline(const struct connector *connector)
{
    switch (connector->state) {
    case CONNECTOR_LOOKING_UP:
        return connector->address_until_ns;
    case CONNECTOR_CONNECTING:
        return connector->try_until_ns;
    case CONNECTOR_IDLE:
    case CONNECTOR_CONNECTED:
    case CONNECTOR_FAILED:
        break;
    }
    return INT64_MAX;
}

int connector_take_fd(struct connector *connector)
{
    assert(connector->state == CONNECTOR_CONNECTED);
    connector->state = CONNECTOR_IDLE;
    return connector->fd;
}

void connector_stop(struct connector *connector)
{
    if (connector->state == CONNECTOR_CONNECTING ||
        connector->state == CONNECTOR_CONNECTED) {
        (void)close(connector->fd);
    }
    connector->state = CONNECTOR_IDLE;
}

void connector_describe(const struct connector *connector,
                        enum permit_status status, const char *why, char *text,
                        size_t text_bytes)
{
    bool is_unknown = status == PERMIT_E_OUTCOME_UNKNOWN;

    (void)snprintf(text, text_bytes, "%.*s: %.*s%s%s", CONNECTOR_TEXT_BYTES / 2,
                   connector->address.written, CONNECTOR_TEXT_BYTES / 4,
                   *why != '\0' ? why : permit_strerror(status),
                   is_unknown ? ": " : "",
                   is_unknown ? permit_strerror(status) : "");
}
