/* SPDX-License-Identifier: MIT */
#include "connection_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

#include "log.h"

#define TURN_NS_MAX (5 * NS_PER_MS)

/* uthash is macros: what they nest is not ours to cut. */
/* NOLINTBEGIN(readability-function-size) */

/* Returns the connection of that number, or NULL if it is gone. */
static struct connection *find(const struct connections *all, uint64_t id)
{
    struct connection *connection;

    HASH_FIND(hh, all->by_id, &id, sizeof(id), connection);
    return connection;
}

/* Enters a connection by its number. Returns false without memory. */
static bool enter(struct connections *all, struct connection *connection)
{
    HASH_ADD(hh, all->by_id, id, sizeof(connection->id), connection);
    return !connection->is_unhashed;
}

static struct host *host_get(struct connections *all, const char *name)
{
    struct host *host;

    HASH_FIND_STR(all->hosts, name, host);
    if (host != NULL) {
        return host;
    }
    host = calloc(1, sizeof(*host));
    if (host == NULL) {
        return NULL;
    }
    (void)snprintf(host->name, sizeof(host->name), "%s", name);
    HASH_ADD_STR(all->hosts, name, host);
    if (host->is_unhashed) {
        free(host);
        return NULL;
    }
    return host;
}

/* NOLINTEND(readability-function-size) */

static void host_put(struct connections *all, struct host *host)
{
    if (host->before_hello == 0) {
        HASH_DEL(all->hosts, host);
        free(host);
    }
}

void connections_leave_host(struct connection *connection)
{
    struct connections *all = connection->all;

    if (connection->host == NULL) {
        return;
    }
    assert(connection->host->before_hello > 0 && all->before_hello > 0);
    connection->host->before_hello--;
    all->before_hello--;
    host_put(all, connection->host);
    connection->host = NULL;
}

void connections_set_pending(struct connection *connection, bool is_pending)
{
    struct connections *all = connection->all;

    if (connection->is_pending == is_pending) {
        return;
    }
    connection->is_pending = is_pending;
    if (is_pending) {
        DL_APPEND(all->pending, connection);
    } else {
        DL_DELETE(all->pending, connection);
    }
}

void connections_set_closing(struct connection *connection)
{
    if (!connection->is_closing) {
        connection->is_closing = true;
        DL_APPEND2(connection->all->closing, connection, prev_closing,
                   next_closing);
    }
}

static void destroy(struct connection *connection)
{
    struct connections *all = connection->all;
    int fd;

    assert(connection->session == NULL);
    gate_forget(all->options.gate, connection->id);
    connections_leave_host(connection);
    connections_set_pending(connection, false);
    if (connection->is_closing) {
        DL_DELETE2(all->closing, connection, prev_closing, next_closing);
    }
    HASH_DEL(all->by_id, connection);
    all->count--;
    event_free(connection->deadline);
    fd = bufferevent_getfd(connection->events);
    bufferevent_free(connection->events);
    (void)close(fd);
    free(connection);
}

/* Ends the sessions whose connections are at their end, all input obeyed. */
static void end_sessions(struct connections *all)
{
    struct connection *connection;

    DL_FOREACH2(all->closing, connection, next_closing)
    {
        if (sessions_have_work(all->options.sessions)) {
            return;
        }
        if (connection->session != NULL && connection->is_at_end &&
            !connection->is_pending) {
            connection_end_session(connection);
        }
    }
}

static void finish(struct connections *all)
{
    struct connection *connection;
    struct connection *next;

    DL_FOREACH_SAFE2(all->closing, connection, next, next_closing)
    {
        bool is_done = connection->is_dead || connection_is_drained(connection);
        if (connection->session == NULL && is_done) {
            destroy(connection);
        } else if (connection->session != NULL && is_done &&
                   !connection->is_at_end && !connection->is_shut) {
            connection_begin_farewell(connection);
        }
    }
}

static void deliver(struct connections *all, const struct gate_chunk *chunk)
{
    struct connection *connection = find(all, chunk->connection_id);

    if (connection == NULL) {
        return; /* It is gone; so is its session. */
    }
    all->has_moved |= chunk->answers > 0;
    connection_write(connection, chunk);
}

static void feed_pending(struct connections *all)
{
    uint64_t begin_ns = clock_now_ns(all->options.clock);
    uint64_t now_ns = begin_ns;
    struct connection *last =
        all->pending == NULL ? NULL : all->pending->prev; /* The list's tail. */

    while (all->pending != NULL && !sessions_have_work(all->options.sessions) &&
           now_ns - begin_ns < TURN_NS_MAX) {
        struct connection *connection = all->pending;
        bool is_last = connection == last;

        connections_set_pending(connection,
                                false); /* Goes to the end, if to anywhere. */
        connection_feed(connection, now_ns);
        now_ns = clock_now_ns(all->options.clock);
        if (is_last) {
            break;
        }
    }
}

enum permit_status connections_turn(struct connections *connections)
{
    const struct connections_options *options = &connections->options;
    struct connection *connection;
    struct gate_chunk chunk;
    enum permit_status status;
    uint64_t id;

    if (sessions_have_work(options->sessions)) {
        sessions_continue(options->sessions);
    }
    connections->has_moved = false;
    feed_pending(connections);
    while (sessions_next_closing(options->sessions, &id)) {
        connection = find(connections, id);
        if (connection != NULL) {
            connections_set_closing(connection);
        }
    }
    end_sessions(connections);
    status = gate_flush(options->gate);
    while (gate_next(options->gate, &chunk)) {
        deliver(connections, &chunk);
    }
    finish(connections);
    /* What waits for the store or for a slow reader waits for their events. */
    if ((connections->pending != NULL && connections->has_moved) ||
        sessions_have_work(options->sessions)) {
        options->want_turn(options->arg, true);
    }
    if (sessions_have_failed(options->sessions)) {
        return PERMIT_E_NOMEM;
    }
    return status;
}

/* Undoes what connections_add() has done of a connection. */
static void abandon(struct connection *connection, int fd)
{
    log_event(LOG_WARNING, "connection_rejected", "reason=memory address=%s",
              connection->address);
    if (connection->session != NULL) {
        session_disconnect(connection->session, SESSION_DISCONNECT_BY_CLIENT,
                           clock_now_ns(connection->all->options.clock));
    }
    if (!connection->is_unhashed) {
        HASH_DEL(connection->all->by_id, connection);
    }
    if (connection->deadline != NULL) {
        event_free(connection->deadline);
    }
    if (connection->events != NULL) {
        bufferevent_free(connection->events);
    }
    (void)close(fd);
    free(connection);
}

struct connections *
connections_create(const struct connections_options *options)
{
    struct connections *connections = calloc(1, sizeof(*connections));

    if (connections != NULL) {
        connections->options = *options;
    }
    return connections;
}

void connections_destroy(struct connections *connections)
{
    struct connection *connection;
    struct connection *next;

    if (connections == NULL) {
        return;
    }
    HASH_ITER(hh, connections->by_id, connection, next)
    {
        if (connection->session != NULL &&
            !session_is_open(connection->session)) {
            session_disconnect(connection->session,
                               SESSION_DISCONNECT_BY_CLIENT, 0);
        }
        connection->session = NULL;
        destroy(connection);
    }
    free(connections);
}

static const char *limit_reached(const struct connections *all,
                                 const struct host *host)
{
    const struct session_limits *limits = all->options.limits;

    if (all->count >= limits->max_connections) {
        return "max_connections";
    }
    if (all->before_hello >= limits->max_connections_before_hello) {
        return "max_connections_before_hello";
    }
    if (host->name[0] != '\0' &&
        host->before_hello >=
            limits->max_connections_per_address_before_hello) {
        return "max_connections_per_address_before_hello";
    }
    return NULL;
}

void connections_add(struct connections *connections, int fd, const char *host,
                     const char *address)
{
    struct host *entry = host_get(connections, host);
    const char *reached =
        entry == NULL ? "memory" : limit_reached(connections, entry);
    struct connection *connection =
        reached != NULL ? NULL : calloc(1, sizeof(*connection));

    if (connection == NULL) {
        log_event(LOG_WARNING, "connection_rejected", "reason=%s address=%s",
                  reached != NULL ? reached : "memory", address);
        if (entry != NULL) {
            host_put(connections, entry);
        }
        (void)close(fd);
        return;
    }
    connection->all = connections;
    connection->id = ++connections->last_id;
    connection->how = SESSION_DISCONNECT_BY_SERVER;
    connection->close_reason = "";
    (void)snprintf(connection->address, sizeof(connection->address), "%s",
                   address);
    if (!enter(connections, connection) ||
        !connection_set_up(connection, fd, host[0] != '\0')) {
        abandon(connection, fd);
        host_put(connections, entry);
        return;
    }
    connections->count++;
    connections->before_hello++;
    connection->host = entry;
    entry->before_hello++;
    connection_set_deadline(connection,
                            connections->options.limits->hello_timeout_ms);
}

void connections_goaway(struct connections *connections,
                        enum wire_goaway_reason reason, int64_t retry_after_ms,
                        const char *detail)
{
    struct connection *connection;
    struct connection *next;

    HASH_ITER(hh, connections->by_id, connection, next)
    {
        if (connection->session != NULL &&
            (reason != WIRE_GOAWAY_DRAINING ||
             session_holds_nothing(connection->session))) {
            session_goaway(connection->session, reason, retry_after_ms, detail);
            connections_set_closing(connection);
        }
    }
    connections->options.want_turn(connections->options.arg, false);
}

bool connections_can_push(void *connections, uint64_t connection_id)
{
    struct connection *connection = find(connections, connection_id);

    return connection != NULL && connection_is_drained(connection);
}

uint32_t connections_count(const struct connections *connections)
{
    return connections->count;
}
