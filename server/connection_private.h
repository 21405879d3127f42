/* SPDX-License-Identifier: MIT */
#ifndef CONNECTION_PRIVATE_H
#define CONNECTION_PRIVATE_H

/* What connection.c (one connection: its socket, its deadline, its end) and
 * connections.c (the set: hosts, limits, whose turn it is) share. Nobody else
 * includes it.
 *
 * Law: only connections.c changes the lists, the counts and the table of the
 * set; connection.c asks it to, and frees no connection. */

#include "connection.h"

#include <event2/bufferevent.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->is_unhashed = true)
#include <uthash.h>

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

/* connection.c */

/* Makes what a connection needs; the caller destroys it if that fails. */
bool connection_set_up(struct connection *connection, int fd, bool is_tcp);

/* Starts the time in which Hello, a frame or the farewell must come. */
void connection_set_deadline(struct connection *connection, int64_t ms);

/* Gives the session what has come, as far as it takes it now. */
void connection_feed(struct connection *connection, uint64_t now_ns);

/* Sends what the gate let out; a client that does not read is ended. */
void connection_write(struct connection *connection,
                      const struct gate_chunk *chunk);

/* Tells the session, once, that its connection is at its end. */
void connection_end_session(struct connection *connection);

/* Lets the client hear what was said last: closing at once, with input unread,
 * would reset the line and take that away. */
void connection_begin_farewell(struct connection *connection);

/* Is nothing unsent, here or in the gate? */
bool connection_is_drained(const struct connection *connection);

/* connections.c */

/* Has it whole frames that wait for a turn? */
void connections_set_pending(struct connection *connection, bool is_pending);

/* Has it looked at, each turn, until it is closed. */
void connections_set_closing(struct connection *connection);

/* Hello was said, or never will be. */
void connections_leave_host(struct connection *connection);

#endif
