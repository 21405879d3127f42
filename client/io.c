/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "list.h"
#include "lookup.h"
#include "transport.h"

#define READ_BYTES 16384
#define READS_MAX 16 /* A turn: callers and heartbeats have theirs too. */

void io_wake(const struct permit_client *client)
{
    transport_raise(client->wake_fd);
}

static void drain_counter(int fd)
{
    uint64_t count;

    (void)!read(fd, &count, sizeof(count)); /* Empty is as good. */
}

static void arm_timer(struct permit_client *client)
{
    int64_t core_ns = core_next_deadline(client->core);
    int64_t connector_ns = connector_deadline(&client->connector);
    int64_t local_ns = local_limit_deadline(&client->local);
    int64_t at_ns = core_ns < connector_ns ? core_ns : connector_ns;
    int64_t open_ns = core_wants_line(client->core)
                          ? backoff_next_ns(&client->backoff)
                          : CORE_NEVER;
    struct itimerspec when = {{0, 0}, {0, 0}};

    at_ns = at_ns < open_ns ? at_ns : open_ns;
    at_ns = local_ns < at_ns ? local_ns : at_ns;
    if (at_ns == client->armed_ns) {
        return;
    }
    client->armed_ns = at_ns;
    if (at_ns != CORE_NEVER) {
        at_ns = at_ns < 1 ? 1 : at_ns; /* 0 would disarm it. */
        when.it_value.tv_sec = at_ns / 1000000000;
        when.it_value.tv_nsec = at_ns % 1000000000;
    }
    if (timerfd_settime(client->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0) {
        client->armed_ns = CORE_NEVER;
        io_wake(client); /* The next turn arms it. */
    }
}

/* Writes what the socket takes. Returns 0, or the errno that broke it. */
static int write_line(struct permit_client *client)
{
    size_t length;
    const uint8_t *bytes = core_output(client->core, &length);
    ssize_t written;

    while (client->fd != -1 && length > 0) {
        written = transport_write(client->fd, bytes, length);
        if (written <= 0) {
            return (int)-written;
        }
        core_sent(client->core, (size_t)written);
        bytes = core_output(client->core, &length);
    }
    return 0;
}

void io_push(struct permit_client *client)
{
    size_t left;
    int error = write_line(client);

    (void)core_output(client->core, &left);
    arm_timer(client);
    if (error != 0 || left > 0) {
        io_wake(client); /* It polls for the rest, or finds what broke. */
    }
}

/* ------------------------------------------------------------------- events
 */

static void take_page(struct call *call, const struct wire_page *page)
{
    call->status = list_append(call->list, page);
    call->total = page->total;
    call->page_count = page->count;
    if (call->status != PERMIT_OK) {
        (void)call_fail(call, call->status,
                        call->status == PERMIT_E_PROTOCOL
                            ? "the server's page is not the one asked for"
                            : permit_strerror(call->status));
    }
}

static void take_semaphore(struct call *call,
                           const struct permit_semaphore_info *semaphore)
{
    const struct wire_page page = {.kind = WIRE_LIST_SEMAPHORES,
                                   .total = 1,
                                   .count = 1,
                                   .semaphores = semaphore};

    take_page(call, &page);
}

/* What the server refuses says why by itself; what else failed names the
 * server.
 */
static void call_end(const struct permit_client *client, struct call *call,
                     const struct core_event *event)
{
    const struct wire_server_message *message = event->message;

    call->status = event->status;
    if (event->status >= PERMIT_OK) {
        return;
    }
    if (message == NULL) {
        connector_describe(&client->connector, event->status, event->text,
                           call->text, sizeof(call->text));
        return;
    }
    (void)call_fail(call, event->status,
                    *event->text != '\0' ? event->text
                                         : permit_strerror(event->status));
    if (message->type == WIRE_REFUSED) {
        ask_read_refusal(&message->refused, &call->refusal);
    }
}

static void take_granted(struct call *call, const struct core_event *event)
{
    if (event->is_held) {
        grant_take(call->grant, event);
    } else {
        grant_free(call->grant);
        call->grant = NULL;
    }
}

static void take_outcome(struct call *call, struct wire_bytes outcome)
{
    if (call->ret_outcome != NULL) {
        call->ret_outcome->bytes = outcome.length;
        if (outcome.length > 0) { /* Else data may be NULL. */
            memcpy(call->ret_outcome->data, outcome.data, outcome.length);
        }
    }
}

/* On PERMIT_OK the message is the one that answers what the call asked. */
static void take_answer(struct permit_client *client,
                        const struct core_event *event)
{
    const struct wire_server_message *message = event->message;
    struct call *call = event->arg;

    call_end(client, call, event);
    if (event->status == PERMIT_OK && message->type == WIRE_GRANTED) {
        take_granted(call, event);
    } else if (event->status == PERMIT_JOINED) {
        take_outcome(call, message->joined.outcome);
    } else if (event->status == PERMIT_OK && message->type == WIRE_RENEWED) {
        grant_set_hold(call->grant, event->until_ns);
    } else if (event->status == PERMIT_OK && message->type == WIRE_POSTED) {
        call->available = message->posted.available;
    } else if (event->status == PERMIT_OK && message->type == WIRE_SEMAPHORE) {
        take_semaphore(call, &message->semaphore);
    } else if (event->status == PERMIT_OK && message->type == WIRE_PAGE) {
        take_page(call, &message->page);
    }
    call->is_done = true;
    call_wake(call);
}

static const char *keep_text(struct call *call, size_t index, const char *text)
{
    (void)snprintf(call->waiting_text[index], sizeof(call->waiting_text[index]),
                   "%s", text);
    return call->waiting_text[index];
}

static void take_waiting(const struct core_event *event)
{
    struct call *call = event->arg;
    struct permit_client_info *oldest = &call->waiting.oldest;

    call->waiting = event->message->waiting;
    oldest->name = keep_text(call, 0, oldest->name);
    oldest->host = keep_text(call, 1, oldest->host);
    oldest->purpose = keep_text(call, 2, oldest->purpose);
    call->waiting.semaphore = keep_text(call, 3, call->waiting.semaphore);
    call->has_waiting = true;
    call_wake(call);
}

static void take_lost(struct permit_client *client,
                      const struct core_event *event)
{
    struct permit_grant *grant = event->arg;

    grant_lose(grant, event);
    loss_note(client, grant);
    (void)pthread_cond_broadcast(&client->changed);
}

static void take_ready(struct permit_client *client)
{
    transport_set_timeout(client->fd, core_session_timeout_ns(client->core));
    backoff_succeed(&client->backoff);
    settings_log(
        &client->settings, PERMIT_LOG_INFO, "connected to %s, session %" PRIu64,
        client->connector.address.written, core_session_id(client->core));
    (void)pthread_cond_broadcast(&client->changed);
}

static void drop_lookup(struct permit_client *client)
{
    lookup_drop(client->lookup);
    client->lookup = NULL;
}

static void close_line(int *fd)
{
    if (*fd != -1) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void take_down(struct permit_client *client,
                      const struct core_event *event)
{
    client->down_status = event->status;
    connector_describe(&client->connector, event->status, event->text,
                       client->error, sizeof(client->error));
    settings_log(&client->settings, PERMIT_LOG_WARNING, "%s", client->error);
    backoff_end(&client->backoff, clock_now_ns(), event->retry_after_ms,
                event->status, client->error);
    connector_stop(&client->connector);
    drop_lookup(client);
    if (event->is_silent) {
        close_line(&client->silent_fd);
        client->silent_fd = client->fd;
        client->fd = -1;
    }
    close_line(&client->fd);
    (void)pthread_cond_broadcast(&client->changed);
}

static void take_event(struct permit_client *client,
                       const struct core_event *event)
{
    switch (event->type) {
    case CORE_EVENT_READY:
        take_ready(client);
        break;
    case CORE_EVENT_ANSWER:
        take_answer(client, event);
        break;
    case CORE_EVENT_WAITING:
        take_waiting(event);
        break;
    case CORE_EVENT_LOST:
        take_lost(client, event);
        break;
    case CORE_EVENT_DOWN:
        take_down(client, event);
        break;
    }
}

/* The belief is published before callers can wake up on what it belongs to. */
static void drain_events(struct permit_client *client)
{
    struct core_event event;
    bool has_event = true;

    while (has_event) {
        has_event = core_next_event(client->core, &event);
        atomic_store(&client->belief.until_ns,
                     core_believed_until(client->core));
        if (has_event) {
            take_event(client, &event);
        }
    }
    if (core_has_line(client->core) || core_session_id(client->core) == 0) {
        close_line(&client->silent_fd); /* Nobody takes it for the session. */
    }
}

/* --------------------------------------------------------------- connecting
 */

/* Looks up what the connector asks for, and takes what it has connected.
 * Locked. */
static void drive_connector(struct permit_client *client)
{
    struct connector *connector = &client->connector;
    const struct addrinfo *addresses;
    const char *text;

    while (connector->state == CONNECTOR_LOOKING_UP) {
        if (client->lookup == NULL) {
            client->lookup =
                lookup_start(connector->address.host, connector->address.port,
                             client->wake_fd);
        }
        if (client->lookup == NULL) {
            connector_resolved(connector, NULL, "out of memory or threads",
                               clock_now_ns());
        } else if (lookup_is_done(client->lookup, &addresses, &text)) {
            connector_resolved(connector, addresses, text, clock_now_ns());
            drop_lookup(client);
        } else {
            return;
        }
    }
    if (connector->state == CONNECTOR_CONNECTED) {
        client->fd = connector_take_fd(connector);
    }
}

void io_open_line(struct permit_client *client, int64_t deadline_ns)
{
    int64_t now_ns = clock_now_ns();

    backoff_begin(&client->backoff);
    core_open(client->core, now_ns, deadline_ns);
    connector_start(&client->connector, client->settings.servers, now_ns,
                    deadline_ns);
    drive_connector(client);
    io_wake(client); /* To watch what there is now, or to say that it failed. */
}

/* Goes on with connecting, if that is under way. */
static void advance_connector(struct permit_client *client, int64_t now_ns)
{
    if (connector_deadline(&client->connector) <= now_ns) {
        drop_lookup(client);
    }
    connector_advance(&client->connector, now_ns);
    drive_connector(client);
    if (client->connector.state == CONNECTOR_FAILED) {
        core_break(client->core, client->connector.status,
                   client->connector.text);
    }
}

/* A session that has lost its line goes on with another. */
static void go_on(struct permit_client *client, int64_t now_ns)
{
    if (core_wants_line(client->core) &&
        backoff_next_ns(&client->backoff) <= now_ns) {
        io_open_line(client, clock_after_ms(
                                 now_ns, client->settings.connect_timeout_ms));
    }
}

/* -------------------------------------------------------------------- loop */

static void break_line(struct permit_client *client, int error)
{
    char buffer[128];

    core_break(client->core, PERMIT_E_DISCONNECTED,
               error == ECONNRESET ? "the server closed the connection"
                                   : strerror_r(error, buffer, sizeof(buffer)));
    drain_events(client);
}

/* Feeds what came; what came before the end of the line counts. */
static void read_line(struct permit_client *client)
{
    uint8_t bytes[READ_BYTES];
    ssize_t length = 1;
    size_t used;

    for (int i = 0; i < READS_MAX && client->fd != -1 && length > 0; i++) {
        length = transport_read(client->fd, bytes, sizeof(bytes));
        if (length < 0) {
            break_line(client, (int)-length);
            return;
        }
        for (used = 0; used < (size_t)length;) {
            used +=
                core_feed(client->core, bytes + used, (size_t)length - used);
            drain_events(client);
        }
    }
}

/* Waits unlocked. Returns whether the connection has something to say. */
static bool wait_for_something(struct permit_client *client)
{
    struct pollfd poll_fds[3] = {{.fd = client->wake_fd, .events = POLLIN},
                                 {.fd = client->timer_fd, .events = POLLIN},
                                 {.fd = client->fd, .events = POLLIN}};
    size_t left;

    (void)core_output(client->core, &left);
    if (client->connector.state == CONNECTOR_CONNECTING) {
        poll_fds[2].fd = client->connector.fd;
        poll_fds[2].events = POLLOUT;
    } else if (left > 0) {
        poll_fds[2].events |= POLLOUT;
    }
    (void)pthread_mutex_unlock(&client->mutex);
    /* It can fail for want of kernel memory only; then it is tried again. */
    (void)poll(poll_fds, 3, -1);
    (void)pthread_mutex_lock(&client->mutex);
    if (poll_fds[0].revents != 0) {
        drain_counter(client->wake_fd);
    }
    if (poll_fds[1].revents != 0) {
        drain_counter(client->timer_fd);
        client->armed_ns = CORE_NEVER;
    }
    return (poll_fds[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

void *io_main(void *arg)
{
    struct permit_client *client = arg;
    bool is_readable = false;
    int error;

    (void)pthread_mutex_lock(&client->mutex);
    while (!client->is_stopping) {
        int64_t now_ns = clock_now_ns();

        advance_connector(client, now_ns);
        core_advance(client->core, now_ns);
        drain_events(client);
        client_end_local_waits(client);
        if (is_readable) {
            read_line(client);
        }
        error = write_line(client);
        if (error != 0) {
            read_line(client); /* What came before it broke. */
            break_line(client, error);
        }
        go_on(client, now_ns);
        arm_timer(client);
        loss_tell(client);
        is_readable = wait_for_something(client);
    }
    (void)pthread_mutex_unlock(&client->mutex);
    return NULL;
}
