/* SPDX-License-Identifier: MIT */
#include "connection.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->is_unhashed = true)
#include <uthash.h>
#include <utlist.h>

#include "frame.h"
#include "log.h"

/* How long a connection that was told to go may take to hear it. */
#define FAREWELL_MS 1000
#define TURN_NS_MAX (5 * NS_PER_MS)
#define READ_BYTES_MAX (FRAME_HEADER_BYTES + FRAME_BYTES_MAX)

/* How many connections of one host have not said Hello. */
struct host {
    char name[CONNECTION_ADDRESS_BYTES];
    uint32_t before_hello;
    bool is_unhashed;
    UT_hash_handle hh;
};

struct connection {
    struct connections *all;
    uint64_t id;
    struct bufferevent *events;
    struct session *session; /* NULL once its end was told. */
    struct event *deadline;  /* For Hello, a frame, or the farewell. */
    struct host *host;       /* While it has not said Hello. */
    struct connection *next; /* In `pending`. */
    struct connection *prev;
    struct connection *next_closing; /* In `closing`. */
    struct connection *prev_closing;
    const char *close_reason; /* Why, where the session does not know. */
    uint64_t in_bytes;
    uint64_t out_bytes;
    bool is_closing;     /* Looked at, each turn, until it is closed. */
    bool is_pending;     /* Has whole frames that wait for a turn. */
    bool is_frame_begun; /* The deadline is that of a frame. */
    bool is_at_end;      /* The client sends nothing more. */
    bool is_dead;        /* Nor does it read. */
    bool is_shut;        /* The farewell has begun. */
    bool is_unhashed;
    enum session_disconnect how;
    char address[CONNECTION_ADDRESS_BYTES];
    UT_hash_handle hh;
};

struct connections {
    struct connections_options options;
    struct connection *by_id;
    struct connection *pending;
    struct connection *closing;
    struct host *hosts;
    uint64_t last_id;
    uint32_t count;
    uint32_t before_hello;
    bool has_moved; /* This turn used input, or let answers out. */
};

/* ------------------------------------------------------------------- limits */

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
    (void)strncpy(host->name, name, sizeof(host->name) - 1);
    HASH_ADD_STR(all->hosts, name, host);
    if (host->is_unhashed) {
        free(host);
        return NULL;
    }
    return host;
}

static void host_put(struct connections *all, struct host *host)
{
    if (host->before_hello == 0) {
        HASH_DEL(all->hosts, host);
        free(host);
    }
}

/* Hello was said, or never will be. */
static void leave_host(struct connection *connection)
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

static void set_pending(struct connection *connection, bool is_pending)
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

static void set_closing(struct connection *connection)
{
    if (!connection->is_closing) {
        connection->is_closing = true;
        DL_APPEND2(connection->all->closing, connection, prev_closing,
                   next_closing);
    }
}

/* Its session is told in this turn or the next, and nobody else. */
static void end_by_server(struct connection *connection, const char *reason)
{
    connection->close_reason = reason;
    connection->is_at_end = true;
    connection->is_dead = true;
    connection->how = SESSION_DISCONNECT_BY_SERVER;
    set_pending(connection, false);
    set_closing(connection);
}

/* ----------------------------------------------------------------- deadline */

static void set_deadline(struct connection *connection, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    (void)event_add(connection->deadline, &after);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;
    struct clock *clock = connection->all->options.clock;

    (void)fd;
    (void)what;
    (void)clock_now_ns(clock);
    if (clock->polls_due > 0) {
        set_deadline(connection, CLOCK_LOOK_MS); /* It may have come. */
        return;
    }
    end_by_server(connection, connection->is_shut        ? "farewell"
                              : connection->host != NULL ? "hello_timeout"
                                                         : "frame_timeout");
    (void)bufferevent_disable(connection->events, EV_READ);
    connection->all->options.want_turn(connection->all->options.arg, false);
}

/* A frame that has begun must be whole within its time; it began when the last
 * whole one before it was used. */
static void watch_frame(struct connection *connection, size_t left, bool used)
{
    if (connection->host != NULL) {
        return; /* Hello's own deadline is still running. */
    }
    if (left == 0 || connection->is_pending) {
        if (connection->is_frame_begun) {
            (void)event_del(connection->deadline);
            connection->is_frame_begun = false;
        }
    } else if (used || !connection->is_frame_begun) {
        set_deadline(connection,
                     connection->all->options.limits->frame_timeout_ms);
        connection->is_frame_begun = true;
    }
}

/* ------------------------------------------------------------------ reading */

/* A client that does not read its answers gets no more of them made. */
static bool is_output_high(const struct connection *connection)
{
    return connection->host == NULL && !connection->is_dead &&
           evbuffer_get_length(bufferevent_get_output(connection->events)) >=
               connection->all->options.limits->max_output_buffer /
                   SESSION_FEED_SHARE;
}

/* Is what is left more than a part of a frame, so that it can go on without
 * more bytes? */
static bool can_go_on(const struct connection *connection, const uint8_t *bytes,
                      size_t length)
{
    enum session_stage stage = session_get_stage(connection->session);
    struct frame frame;

    if (length == 0 || sessions_have_work(connection->all->options.sessions)) {
        return length > 0;
    }
    return stage != SESSION_STAGE_PREFACE &&
           frame_parse(bytes, length,
                       stage == SESSION_STAGE_HELLO
                           ? FRAME_BYTES_MAX_BEFORE_WELCOME
                           : FRAME_BYTES_MAX,
                       &frame) != 0;
}

/* Gives the session what has come, as far as it takes it now. */
static void feed(struct connection *connection, uint64_t now_ns)
{
    struct evbuffer *input = bufferevent_get_input(connection->events);
    size_t length = evbuffer_get_length(input);
    const uint8_t *bytes;
    size_t used;

    if (connection->session == NULL) {
        (void)evbuffer_drain(input, length);
        return;
    }
    bytes = evbuffer_pullup(input, -1);
    if (length > 0 && bytes == NULL) {
        end_by_server(connection, "unavailable");
        return;
    }
    used = length == 0 || is_output_high(connection)
               ? 0
               : session_feed(connection->session, bytes, length, now_ns);
    connection->all->has_moved |= used > 0;
    set_pending(connection, can_go_on(connection, bytes + used, length - used));
    (void)evbuffer_drain(input, used);
    connection->in_bytes += used;
    if (session_get_stage(connection->session) == SESSION_STAGE_CLOSING) {
        set_closing(connection);
    }
    if (connection->host != NULL &&
        session_get_stage(connection->session) == SESSION_STAGE_READY) {
        leave_host(connection);
        (void)event_del(connection->deadline);
    }
    watch_frame(connection, length - used, used > 0);
}

/* Only stamps and marks: what came is obeyed at the end of the turn, when every
 * socket that was readable has been read, and in turn with the others, so that
 * nobody's flood keeps the rest waiting. */
static void on_read(struct bufferevent *events, void *arg)
{
    struct connection *connection = arg;
    const struct connections_options *options = &connection->all->options;

    (void)events;
    if (connection->session != NULL) {
        session_heard(connection->session, clock_now_ns(options->clock));
    }
    set_pending(connection, true);
    options->want_turn(options->arg, false);
}

/* Was it the client that ended the connection? A time-out of the socket was
 * not. */
static enum session_disconnect who_ended(int error)
{
    return error == ECONNRESET || error == EPIPE ? SESSION_DISCONNECT_BY_CLIENT
                                                 : SESSION_DISCONNECT_BY_SERVER;
}

static void on_event(struct bufferevent *events, short what, void *arg)
{
    struct connection *connection = arg;
    const struct connections_options *options = &connection->all->options;
    int error = EVUTIL_SOCKET_ERROR();

    (void)events;
    connection->is_at_end = true;
    connection->how = SESSION_DISCONNECT_BY_CLIENT;
    if ((what & BEV_EVENT_EOF) != 0) {
        connection->close_reason = "eof";
    } else if ((what & BEV_EVENT_TIMEOUT) != 0) {
        end_by_server(connection, "slow_consumer");
    } else {
        connection->close_reason = error == ETIMEDOUT ? "silence" : "reset";
        connection->is_dead = true;
        connection->how = who_ended(error);
    }
    set_closing(connection);
    options->want_turn(options->arg, false);
}

/* ------------------------------------------------------------------ the end */

static bool is_drained(const struct connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->events)) ==
               0 &&
           !gate_holds(connection->all->options.gate, connection->id);
}

/* Tells the session, once, that its connection is at its end. */
static void end_session(struct connection *connection)
{
    const struct connections_options *options = &connection->all->options;
    struct session *session = connection->session;
    char client[LOG_TEXT_BYTES];

    if (session_get_stage(session) == SESSION_STAGE_CLOSING) {
        connection->close_reason = session_close_reason(session);
        connection->how = SESSION_DISCONNECT_BY_SERVER; /* FIN or not. */
    }
    log_event(LOG_INFO, "connection_closed",
              "reason=%s connection=%" PRIu64 " session=%" PRIu64
              " client=%s address=%s in_bytes=%" PRIu64 " out_bytes=%" PRIu64,
              connection->close_reason, connection->id, session_get_id(session),
              log_text(client, session_client_name(session)),
              connection->address, connection->in_bytes, connection->out_bytes);
    connection->session = NULL;
    session_disconnect(session, connection->how, clock_now_ns(options->clock));
}

static void destroy(struct connection *connection)
{
    struct connections *all = connection->all;
    int fd;

    assert(connection->session == NULL);
    gate_forget(all->options.gate, connection->id);
    leave_host(connection);
    set_pending(connection, false);
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

/* Lets the client hear what was said last: closing at once, with input unread,
 * would reset the line and take that away. */
static void begin_farewell(struct connection *connection)
{
    connection->is_shut = true;
    connection->is_frame_begun = false;
    leave_host(connection);
    (void)shutdown(bufferevent_getfd(connection->events), SHUT_WR);
    set_deadline(connection, FAREWELL_MS);
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
            end_session(connection);
        }
    }
}

static void finish(struct connections *all)
{
    struct connection *connection;
    struct connection *next;

    DL_FOREACH_SAFE2(all->closing, connection, next, next_closing)
    {
        bool is_done = connection->is_dead || is_drained(connection);
        if (connection->session == NULL && is_done) {
            destroy(connection);
        } else if (connection->session != NULL && is_done &&
                   !connection->is_at_end && !connection->is_shut) {
            begin_farewell(connection);
        }
    }
}

/* ------------------------------------------------------------------ writing */

static void on_written(struct bufferevent *events, void *arg)
{
    struct connection *connection = arg;
    const struct connections_options *options = &connection->all->options;

    (void)events;
    if (connection->is_closing || connection->is_pending) {
        options->want_turn(options->arg, false);
    }
}

static void deliver(struct connections *all, const struct gate_chunk *chunk)
{
    const struct session_limits *limits = all->options.limits;
    struct connection *connection;
    uint32_t unsent_max;

    HASH_FIND(hh, all->by_id, &chunk->connection_id,
              sizeof(chunk->connection_id), connection);
    if (connection == NULL) {
        return; /* It is gone; so is its session. */
    }
    all->has_moved |= chunk->answers > 0;
    if (connection->session != NULL) {
        session_answered(connection->session, chunk->answers);
    }
    if (connection->is_dead) {
        return;
    }
    connection->out_bytes += chunk->length;
    unsent_max = connection->host != NULL ? limits->max_output_before_hello
                                          : limits->max_output_buffer;
    if (bufferevent_write(connection->events, chunk->bytes, chunk->length) ==
            0 &&
        evbuffer_get_length(bufferevent_get_output(connection->events)) <=
            unsent_max) {
        return;
    }
    if (connection->session != NULL) {
        session_goaway(connection->session, WIRE_GOAWAY_SLOW_CONSUMER, 0, "");
    }
    end_by_server(connection, "slow_consumer");
    all->options.want_turn(all->options.arg, true);
}

/* ----------------------------------------------------------------- the turn */

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

        set_pending(connection, false); /* Goes to the end, if to anywhere. */
        feed(connection, now_ns);
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
        HASH_FIND(hh, connections->by_id, &id, sizeof(id), connection);
        if (connection != NULL) {
            set_closing(connection);
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

/* ---------------------------------------------------------- all connections */

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
        /* The sessions that the engine knows go with their set. */
        if (connection->session != NULL &&
            session_get_id(connection->session) == 0) {
            session_disconnect(connection->session,
                               SESSION_DISCONNECT_BY_CLIENT, 0);
        }
        connection->session = NULL;
        destroy(connection);
    }
    free(connections);
}

static void set_socket_options(int fd, int64_t session_timeout_ms)
{
    int one = 1;
    int idle_seconds = (int)(session_timeout_ms / 3000) + 1;
    int probes = 3;
    unsigned user_timeout_ms = (unsigned)session_timeout_ms;

    /* Each is a help and none a need: a failure changes nothing. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds,
                     sizeof(idle_seconds));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_seconds,
                     sizeof(idle_seconds));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
                     sizeof(user_timeout_ms));
}

/* Makes what a connection needs; the caller destroys it if that fails. */
static bool set_up(struct connection *connection, int fd)
{
    struct connections *all = connection->all;
    const struct session_limits *limits = all->options.limits;
    struct timeval slow = {.tv_sec = limits->slow_client_timeout_ms / 1000,
                           .tv_usec =
                               limits->slow_client_timeout_ms % 1000 * 1000};

    connection->deadline =
        evtimer_new(all->options.base, on_deadline, connection);
    connection->session = session_create(all->options.sessions, connection->id,
                                         connection->address);
    connection->events = bufferevent_socket_new(all->options.base, fd, 0);
    if (connection->deadline == NULL || connection->session == NULL ||
        connection->events == NULL) {
        return false;
    }
    bufferevent_setcb(connection->events, on_read, on_written, on_event,
                      connection);
    bufferevent_setwatermark(connection->events, EV_READ, 0,
                             limits->max_input_buffer > READ_BYTES_MAX
                                 ? limits->max_input_buffer
                                 : READ_BYTES_MAX);
    return bufferevent_set_timeouts(connection->events, NULL, &slow) == 0 &&
           bufferevent_enable(connection->events, EV_READ | EV_WRITE) == 0;
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
    if (host[0] != '\0') {
        set_socket_options(fd, connections->options.session_timeout_ms);
    }
    connection->all = connections;
    connection->id = ++connections->last_id;
    connection->how = SESSION_DISCONNECT_BY_SERVER;
    connection->close_reason = "";
    (void)strncpy(connection->address, address,
                  sizeof(connection->address) - 1);
    HASH_ADD(hh, connections->by_id, id, sizeof(connection->id), connection);
    if (connection->is_unhashed || !set_up(connection, fd)) {
        abandon(connection, fd);
        host_put(connections, entry);
        return;
    }
    connections->count++;
    connections->before_hello++;
    connection->host = entry;
    entry->before_hello++;
    set_deadline(connection, connections->options.limits->hello_timeout_ms);
}

void connections_goaway(struct connections *connections,
                        enum wire_goaway_reason reason, int64_t retry_after_ms,
                        const char *detail)
{
    struct connection *connection;
    struct connection *next;

    HASH_ITER(hh, connections->by_id, connection, next)
    {
        if (connection->session != NULL) {
            session_goaway(connection->session, reason, retry_after_ms, detail);
            set_closing(connection);
        }
    }
    connections->options.want_turn(connections->options.arg, false);
}

bool connections_can_push(void *connections, uint64_t connection_id)
{
    struct connections *all = connections;
    struct connection *connection;

    HASH_FIND(hh, all->by_id, &connection_id, sizeof(connection_id),
              connection);
    return connection != NULL && is_drained(connection);
}

uint32_t connections_count(const struct connections *connections)
{
    return connections->count;
}
