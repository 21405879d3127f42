/* SPDX-License-Identifier: MIT */
#include "connection_private.h"

#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "frame.h"
#include "log.h"

/* How long a connection that was told to go may take to hear it. */
#define FAREWELL_MS 1000
#define READ_BYTES_MAX (FRAME_HEADER_BYTES + FRAME_BYTES_MAX)

/* Its session is told in this turn or the next, and nobody else. */
static void end_by_server(struct connection *connection, const char *reason)
{
    connection->close_reason = reason;
    connection->is_at_end = true;
    connection->is_dead = true;
    connection->how = SESSION_DISCONNECT_BY_SERVER;
    connections_set_pending(connection, false);
    connections_set_closing(connection);
}

void connection_set_deadline(struct connection *connection, int64_t ms)
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
        connection_set_deadline(connection,
                                CLOCK_LOOK_MS); /* It may have come. */
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
        connection_set_deadline(
            connection, connection->all->options.limits->frame_timeout_ms);
        connection->is_frame_begun = true;
    }
}

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

/* Hello was obeyed: in the call that fed it, or turns later. */
static void leave_host_if_ready(struct connection *connection)
{
    if (connection->host != NULL &&
        session_get_stage(connection->session) == SESSION_STAGE_READY) {
        connections_leave_host(connection);
        (void)event_del(connection->deadline);
    }
}

void connection_feed(struct connection *connection, uint64_t now_ns)
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
    connections_set_pending(connection,
                            can_go_on(connection, bytes + used, length - used));
    (void)evbuffer_drain(input, used);
    connection->in_bytes += used;
    if (session_get_stage(connection->session) == SESSION_STAGE_CLOSING) {
        connections_set_closing(connection);
    }
    leave_host_if_ready(connection);
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
    connections_set_pending(connection, true);
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
        connection->how = who_ended(error);
        connection->close_reason =
            connection->how == SESSION_DISCONNECT_BY_CLIENT ? "reset"
                                                            : "silence";
        connection->is_dead = true;
    }
    connections_set_closing(connection);
    options->want_turn(options->arg, false);
}

bool connection_is_drained(const struct connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->events)) ==
               0 &&
           !gate_holds(connection->all->options.gate, connection->id);
}

/* Of all output, what the kernel has. */
static uint64_t written_bytes(const struct connection *connection)
{
    return connection->out_bytes -
           evbuffer_get_length(bufferevent_get_output(connection->events));
}

void connection_end_session(struct connection *connection)
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
    if (connection->is_dead) {
        session_cut(session, written_bytes(connection));
    }
    session_disconnect(session, connection->how, clock_now_ns(options->clock));
}

void connection_begin_farewell(struct connection *connection)
{
    connection->is_shut = true;
    connection->is_frame_begun = false;
    connections_leave_host(connection);
    (void)shutdown(bufferevent_getfd(connection->events), SHUT_WR);
    connection_set_deadline(connection, FAREWELL_MS);
}

static void on_written(struct bufferevent *events, void *arg)
{
    struct connection *connection = arg;
    const struct connections_options *options = &connection->all->options;

    (void)events;
    if (connection->is_closing || connection->is_pending) {
        options->want_turn(options->arg, false);
    }
}

/* Gives the socket what it takes at once. Where nothing waits before it, that
 * saves a turn of the loop, and two calls to watch for when it may be written.
 * Returns the bytes it took; an error shows when the rest is written. */
static size_t write_at_once(struct connection *connection,
                            const struct gate_chunk *chunk)
{
    ssize_t sent;

    if (evbuffer_get_length(bufferevent_get_output(connection->events)) > 0) {
        return 0;
    }
    sent = send(bufferevent_getfd(connection->events), chunk->bytes,
                chunk->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : (size_t)sent;
}

void connection_write(struct connection *connection,
                      const struct gate_chunk *chunk)
{
    struct connections *all = connection->all;
    const struct session_limits *limits = all->options.limits;
    uint64_t offset = connection->out_bytes;
    uint32_t unsent_max;
    size_t sent;

    if (connection->session != NULL) {
        leave_host_if_ready(connection);
    }
    if (connection->is_dead) {
        if (connection->session != NULL) {
            session_answered(connection->session, chunk, UINT64_MAX, 0);
        }
        return;
    }
    unsent_max = connection->host != NULL ? limits->max_output_before_hello
                                          : limits->max_output_buffer;
    sent = write_at_once(connection, chunk);
    connection->out_bytes += sent;
    if (connection->session != NULL) {
        session_answered(connection->session, chunk, offset,
                         written_bytes(connection));
    }
    connection->out_bytes += chunk->length - sent;
    if (sent == chunk->length) {
        return;
    }
    if (bufferevent_write(connection->events, chunk->bytes + sent,
                          chunk->length - sent) == 0 &&
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

static void set_socket_options(int fd, int64_t session_timeout_ms)
{
    int one = 1;
    int idle_seconds = (int)(session_timeout_ms / 3000) + 1;
    int probes = 3;
    unsigned user_timeout_ms = (unsigned)session_timeout_ms;

    /* The kernel gives a line up when what was sent is not acknowledged for a
     * session timeout, as silence of that length does: no earlier. Each is a
     * help and none a need: a failure changes nothing. */
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

bool connection_set_up(struct connection *connection, int fd, bool is_tcp)
{
    struct connections *all = connection->all;
    const struct session_limits *limits = all->options.limits;
    struct timeval slow = {
        .tv_sec = limits->slow_client_timeout_ms / 1000,
        .tv_usec = (suseconds_t)(limits->slow_client_timeout_ms % 1000) * 1000};

    if (is_tcp) {
        set_socket_options(fd, all->options.session_timeout_ms);
    }
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
