/* SPDX-License-Identifier: MIT */
#include "server_private.h"

#include <signal.h>

#include "log.h"

#define STOP_MS 4000        /* SIGTERM to exit, at most. */
#define RETRY_AFTER_MS 1000 /* What a client is told that must go. */

void server_begin_stop(struct server *server, const char *why)
{
    struct timeval limit = server_after_ms(STOP_MS);

    if (server->is_stopping) {
        return;
    }
    server->is_stopping = true;
    log_event(LOG_INFO, "stopping", "why=%s", why);
    server_set_accepting(server, false);
    connections_goaway(server->connections, WIRE_GOAWAY_SHUTDOWN,
                       RETRY_AFTER_MS, "the daemon stops");
    (void)event_add(server->stop_timer, &limit);
}

static void on_stop_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    server_stop(arg, SERVER_EXIT_STOPPED);
}

static void on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    server_begin_stop(arg, "drain_timeout");
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    server_begin_stop(arg, "signal");
}

void server_go_on_draining(struct server *server)
{
    struct engine_event event = {.type = ENGINE_DRAIN,
                                 .now_ns = clock_now_ns(&server->clock)};
    struct engine_totals totals;

    if (server->drain == DRAIN_NONE || sessions_have_work(server->sessions)) {
        return;
    }
    if (server->drain == DRAIN_DUE) {
        server->drain = DRAIN_REFUSING;
        sessions_apply(server->sessions, &event);
        server_want_turn(server, true);
        return;
    }
    if (server->drain == DRAIN_REFUSING) {
        server->drain = DRAIN_HOLDING;
        connections_goaway(server->connections, WIRE_GOAWAY_DRAINING,
                           RETRY_AFTER_MS, "the daemon drains");
    }
    engine_get_totals(server->engine, &totals);
    if (totals.grants == 0) {
        server_begin_stop(server, "drained");
    }
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    if (server->drain != DRAIN_NONE) {
        return;
    }
    server->drain = DRAIN_DUE;
    log_event(LOG_INFO, "draining", "why=signal");
    if (server->config->drain_timeout_ms >= 0) {
        struct timeval limit =
            server_after_ms(server->config->drain_timeout_ms);
        (void)event_add(server->drain_timer, &limit);
    }
    server_want_turn(server, false);
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    server_reload(arg);
}

static const struct {
    int number;
    event_callback_fn callback;
} handlers[SIGNALS_COUNT] = {{SIGTERM, on_term},
                             {SIGINT, on_term},
                             {SIGUSR2, on_drain},
                             {SIGHUP, on_reload}};

bool server_heed_signals(struct server *server)
{
    server->stop_timer = evtimer_new(server->base, on_stop_limit, server);
    server->drain_timer = evtimer_new(server->base, on_drain_limit, server);
    if (server->stop_timer == NULL || server->drain_timer == NULL) {
        return false;
    }
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        server->signals[i] = evsignal_new(server->base, handlers[i].number,
                                          handlers[i].callback, server);
        if (server->signals[i] == NULL ||
            event_add(server->signals[i], NULL) != 0) {
            return false;
        }
    }
    return true;
}

void server_ignore_signals(struct server *server)
{
    sigset_t ours;

    /* Without its event a signal would kill; but the end is decided. */
    (void)sigemptyset(&ours);
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        (void)sigaddset(&ours, handlers[i].number);
    }
    (void)sigprocmask(SIG_BLOCK, &ours, NULL);
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        server_free_event(server->signals[i]);
    }
    server_free_event(server->stop_timer);
    server_free_event(server->drain_timer);
}
