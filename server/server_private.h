/* SPDX-License-Identifier: MIT */
#ifndef SERVER_PRIVATE_H
#define SERVER_PRIVATE_H

/* What server.c (the turn, create, run and destroy), acceptors.c (listening),
 * signals.c (stop and drain) and reload.c (the configuration's semaphores)
 * share. Nobody else includes it.
 *
 * Law: the loop ends by server_stop() alone. */

#include "server.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "connection.h"
#include "http/http.h"
#include "listener.h"
#include "session.h"
#include "store/store.h"

#define BOOT_ID_BYTES 26
#define NAME_BYTES 96
#define SIGNALS_COUNT 4

/* What a drain has come to. */
enum drain {
    DRAIN_NONE,
    DRAIN_DUE,      /* When the engine has done what it has to do. */
    DRAIN_REFUSING, /* All who wait, in slices. */
    DRAIN_HOLDING   /* Only who holds something is still here. */
};

struct acceptor {
    struct server *server;
    struct evconnlistener *listener;
    char address[LISTENER_TEXT_BYTES];
};

struct server {
    struct config *started; /* As at the start: limits and addresses. */
    struct config *config;  /* As last loaded: semaphores, log level. */
    const struct config_flags *flags;
    struct event_base *base;
    struct clock clock;
    struct engine *engine;
    struct store *store;
    struct gate *gate;
    struct sessions *sessions;
    struct connections *connections;
    struct http *http;
    struct acceptor acceptors[CONFIG_ADDRESSES_MAX];
    size_t acceptors_count;
    char http_address[LISTENER_TEXT_BYTES];
    struct event *turn;         /* The end of a turn. */
    struct event *timer;        /* What is due next. */
    struct event *accept_pause; /* Listeners off, for want of descriptors. */
    struct event *stop_timer;
    struct event *drain_timer;
    struct event *signals[SIGNALS_COUNT];
    char boot_id[BOOT_ID_BYTES + 1];
    char name[NAME_BYTES];
    int64_t start_ms;
    int64_t config_loaded_ms;
    uint64_t start_ns;
    bool last_reload_ok;
    enum drain drain;
    bool is_stopping;
    bool fd_limit_reached;
    enum server_exit exit;
};

static inline struct timeval server_after_ms(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* server.c */

/* Has the turn's end come, now or, with `later`, in the loop's next turn. */
void server_want_turn(void *server, bool later);

/* Ends the loop. */
void server_stop(struct server *server, enum server_exit exit_code);

/* Accepts NULL. */
void server_free_event(struct event *event);

/* acceptors.c */

enum server_exit server_to_exit(enum listener_result result);

/* Opens what the configuration lists. Returns SERVER_EXIT_STOPPED, or another
 * code and a sentence in error; server_close_listeners() in either case. */
enum server_exit server_open_listeners(struct server *server,
                                       char error[SERVER_ERROR_BYTES]);

void server_close_listeners(struct server *server);

void server_set_accepting(struct server *server, bool is_on);

/* signals.c */

/* Returns false without memory. */
bool server_heed_signals(struct server *server);

/* For good: the process is about to end. */
void server_ignore_signals(struct server *server);

/* Tells every client to go and ends the loop when they are gone, or after 4 s.
 */
void server_begin_stop(struct server *server, const char *why);

/* What a drain does next, once a turn. */
void server_go_on_draining(struct server *server);

/* reload.c */

/* Applies an event of the server's own, and what work it leaves. */
void server_apply(struct server *server, const struct engine_event *event);

/* Applies what differs between two configurations, or all of `after` if before
 * is NULL; what `permit set` changed since stays where the file's entry did not
 * change. */
void server_apply_config(struct server *server, const struct config *before,
                         const struct config *after);

/* Loads the configuration again; the former stays if that fails. */
void server_reload(struct server *server);

#endif
