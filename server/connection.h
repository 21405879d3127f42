/* SPDX-License-Identifier: MIT */
#ifndef CONNECTION_H
#define CONNECTION_H

/* The connections of clients: sockets on one side, sessions and the gate on the
 * other. They carry bytes, keep the limits of time and size that a socket
 * needs, and know no message.
 *
 * Law: every byte that came before the end of a connection is obeyed before its
 * end is; and what is closed is closed for one reason, which the log names. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "clock.h"
#include "gate.h"
#include "session.h"

#define CONNECTION_ADDRESS_BYTES 128

struct connections;

struct connections_options {
    struct event_base *base; /* All borrowed. */
    struct sessions *sessions;
    struct gate *gate;
    struct clock *clock;
    const struct session_limits *limits;
    int64_t session_timeout_ms; /* For the kernel's own time-outs. */
    /* Makes connections_turn() be called at the end of this turn of the loop,
     * or, with `later`, in the next one. */
    void (*want_turn)(void *arg, bool later);
    void *arg;
};

/* Returns NULL without memory. */
struct connections *
connections_create(const struct connections_options *options);

/* Closes them all. Accepts NULL. */
void connections_destroy(struct connections *connections);

/* Takes fd, an accepted socket, and serves it; or closes it if a limit is
 * reached. `host` is its peer's address without the port, "" for a Unix socket;
 * `address` the whole, for people. */
void connections_add(struct connections *connections, int fd, const char *host,
                     const char *address);

/* Ends a turn: feeds input that was left over, gives what the gate lets out to
 * its connections, and closes those that are done. Returns PERMIT_OK, or what
 * makes the daemon stop: PERMIT_E_NOMEM (a record was lost),
 * PERMIT_E_UNAVAILABLE (the store has failed). */
enum permit_status connections_turn(struct connections *connections);

/* Sends Goaway to all, and closes each when it was told, or after a second.
 * With DRAINING only to those that have said Hello and hold nothing: holders go
 * on, and who says Hello next may be one. */
void connections_goaway(struct connections *connections,
                        enum wire_goaway_reason reason, int64_t retry_after_ms,
                        const char *detail);

/* Has the connection nothing unsent? */
bool connections_can_push(void *connections, uint64_t connection_id);

uint32_t connections_count(const struct connections *connections);

#endif
