/* SPDX-License-Identifier: MIT */
#include "async_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "transport.h"

#define READS_MAX 16 /* A turn: the rest of the loop has its own. */
#define NS_PER_MS INT64_C(1000000)

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* -------------------------------------------------------------------- hooks
 */

/* Adds or deletes, unless that is so already. Returns false if it failed. */
static bool turn(const struct permit_async *client, bool *is_on, bool is_wanted,
                 int (*add)(void *arg, int fd), void (*del)(void *arg, int fd))
{
    if (is_wanted && !*is_on) {
        *is_on = add(client->loop.arg, client->watched_fd) == 0;
        return *is_on;
    }
    if (!is_wanted && *is_on) {
        del(client->loop.arg, client->watched_fd);
        *is_on = false;
    }
    return true;
}

static bool watch(struct permit_async *client, bool for_read, bool for_write)
{
    const struct permit_loop *loop = &client->loop;

    return turn(client, &client->is_reading, for_read, loop->add_read,
                loop->del_read) &&
           turn(client, &client->is_writing, for_write, loop->add_write,
                loop->del_write);
}

/* Before a descriptor is closed, or may be. */
static void unwatch(struct permit_async *client)
{
    (void)watch(client, false, false);
}

static bool watch_line(struct permit_async *client)
{
    size_t left;

    if (client->connector.state == CONNECTOR_CONNECTING) {
        client->watched_fd = client->connector.fd;
        return watch(client, false, true);
    }
    if (client->fd == -1) {
        return true;
    }
    (void)core_output(client->core, &left);
    client->watched_fd = client->fd;
    return watch(client, true, left > 0);
}

/* When the loop is to call at the latest. */
static int64_t deadline_of(const struct permit_async *client)
{
    if (client->lost.first != NULL || client->ended_first != NULL ||
        client->connector.state == CONNECTOR_FAILED) {
        return 0;
    }
    return min_of(min_of(core_next_deadline(client->core),
                         connector_deadline(&client->connector)),
                  min_of(local_limit_deadline(&client->local),
                         core_wants_line(client->core)
                             ? backoff_next_ns(&client->backoff)
                             : CORE_NEVER));
}

/* Rounded up: what is called then finds it due. */
int64_t async_ms_until(int64_t at_ns)
{
    int64_t left_ns = at_ns - clock_now_ns();

    return left_ns <= 0 ? 0 : (left_ns - 1) / NS_PER_MS + 1;
}

static bool arm_timer(struct permit_async *client)
{
    int64_t at_ns = deadline_of(client);

    if (at_ns == client->armed_ns) {
        return true;
    }
    client->armed_ns = at_ns;
    if (at_ns == CORE_NEVER) {
        return client->loop.set_timer(client->loop.arg, -1) == 0;
    }
    if (client->loop.set_timer(client->loop.arg, async_ms_until(at_ns)) == 0) {
        return true;
    }
    client->armed_ns = CORE_NEVER;
    return false;
}

void async_settle(struct permit_async *client)
{
    if (client->is_dispatching) {
        return;
    }
    if (!watch_line(client)) {
        core_break(client->core, PERMIT_E_NOMEM,
                   "the loop does not watch the connection");
    }
    if (!arm_timer(client)) {
        core_break(client->core, PERMIT_E_NOMEM, "the loop has no timer");
        /* Once more: what was broken is to be told as soon as can be. */
        (void)arm_timer(client);
    }
}

/* --------------------------------------------------------------- connecting
 */

void async_drive(struct permit_async *client)
{
    struct connector *connector = &client->connector;

    client->is_driving = true;
    while (connector->state == CONNECTOR_LOOKING_UP && !client->is_looking_up) {
        if (client->resolve == NULL) {
            connector_resolved(connector, NULL,
                               "a name needs permit_async_set_resolver()",
                               clock_now_ns());
        } else {
            client->is_looking_up = true;
            client->resolve(client->resolve_arg, client, ++client->lookup_id,
                            connector->address.host, connector->address.port);
        }
    }
    client->is_driving = false;
    if (connector->state == CONNECTOR_CONNECTED) {
        client->fd = connector_take_fd(connector);
    }
}

/* No line has more time than the request that began it. */
void async_open(struct permit_async *client, int64_t now_ns)
{
    int64_t timeout_ms = min_of(client->settings.connect_timeout_ms,
                                client->settings.answer_timeout_ms);
    int64_t deadline_ns = clock_after_ms(now_ns, timeout_ms);

    client->lines_total++;
    backoff_begin(&client->backoff);
    core_open(client->core, now_ns, deadline_ns);
    connector_start(&client->connector, client->settings.servers, now_ns,
                    deadline_ns);
    async_drive(client);
}

static void close_line(int *fd)
{
    if (*fd != -1) {
        (void)close(*fd);
        *fd = -1;
    }
}

void async_close(struct permit_async *client, bool is_silent)
{
    unwatch(client);
    connector_stop(&client->connector);
    client->is_looking_up = false;
    if (!core_wants_line(client->core)) {
        close_line(&client->silent_fd);
    }
    if (is_silent) {
        close_line(&client->silent_fd);
        client->silent_fd = client->fd;
        client->fd = -1;
    }
    close_line(&client->fd);
}

void async_go_on(struct permit_async *client)
{
    int64_t now_ns = clock_now_ns();

    if (core_has_line(client->core) || core_session_id(client->core) == 0) {
        close_line(&client->silent_fd);
    }
    if (core_wants_line(client->core) &&
        backoff_next_ns(&client->backoff) <= now_ns) {
        async_open(client, now_ns);
    }
}

void async_connect(struct permit_async *client, bool is_writable)
{
    struct connector *connector = &client->connector;
    int64_t now_ns;

    if (connector->state == CONNECTOR_IDLE) {
        return;
    }
    now_ns = clock_now_ns();
    /* A loop that comes late may have missed more than one address. */
    while (is_writable || connector_deadline(connector) <= now_ns) {
        if (connector->state == CONNECTOR_CONNECTING) {
            unwatch(client); /* It may close the descriptor. */
        }
        client->is_looking_up =
            client->is_looking_up && connector_deadline(connector) > now_ns;
        connector_advance(connector, now_ns);
        async_drive(client);
        is_writable = false;
    }
    if (connector->state == CONNECTOR_FAILED) {
        core_break(client->core, connector->status, connector->text);
    }
}

/* --------------------------------------------------------------- the line */

static void break_line(struct permit_async *client, int error)
{
    char buffer[128];

    core_break(client->core, PERMIT_E_DISCONNECTED,
               error == ECONNRESET ? "the server closed the connection"
                                   : strerror_r(error, buffer, sizeof(buffer)));
}

/* A callback may have ended this line, and begun another. */
static bool is_line(const struct permit_async *client, uint64_t line)
{
    return client->lines_total == line && client->fd != -1 &&
           !client->is_destroyed && !async_is_forked(client);
}

void async_read(struct permit_async *client)
{
    uint64_t line = client->lines_total;
    ssize_t length = READ_BYTES;
    size_t used;

    /* What did not fill the room was the last of it. */
    for (int i = 0;
         i < READS_MAX && length == READ_BYTES && is_line(client, line); i++) {
        length = transport_read(client->fd, client->input, READ_BYTES);
        if (length < 0) {
            break_line(client, (int)-length);
            async_drain(client);
            return;
        }
        for (used = 0; used < (size_t)length && is_line(client, line);) {
            used += core_feed(client->core, client->input + used,
                              (size_t)length - used);
            async_drain(client);
        }
    }
}

void async_write(struct permit_async *client)
{
    uint64_t line = client->lines_total;
    size_t length;
    const uint8_t *bytes = core_output(client->core, &length);
    ssize_t written = 1;

    while (client->fd != -1 && length > 0 && written > 0) {
        written = transport_write(client->fd, bytes, length);
        if (written > 0) {
            core_sent(client->core, (size_t)written);
            bytes = core_output(client->core, &length);
        }
    }
    if (written < 0) {
        async_read(client);
        if (is_line(client, line)) {
            break_line(client, (int)-written);
        }
        async_drain(client);
    }
}
