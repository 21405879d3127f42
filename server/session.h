/* SPDX-License-Identifier: MIT */
#ifndef SESSION_H
#define SESSION_H

/* The conversations with clients: bytes in; events to the engine, records and
 * frames to the gate.
 *
 * `sessions` is the set of them over one engine and one gate; a `session` is
 * one client's conversation, from its preface to its end, which may come after
 * its connection's, or before, when a newer connection goes on with it. They
 * know messages, request ids and the answers given
 * before; they know neither sockets nor libevent, and read no clock.
 *
 * Law: every request gets exactly one final answer, and is done at most once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "gate.h"
#include "permit/info.h"
#include "wire.h"

/* What part of max_output_buffer one call may fill, and how many frames it
 * obeys: so a Ping waits little behind lines that pipeline. */
#define SESSION_FEED_SHARE 8
#define SESSION_FEED_FRAMES 256

struct sessions;
struct session;

struct sessions_options {
    struct engine *engine;               /* Borrowed. */
    struct gate *gate;                   /* Borrowed. */
    const struct session_limits *limits; /* Borrowed. */
    const char *boot_id;                 /* Borrowed. */
    const char *server;                  /* "permitd/0.1.0"; borrowed. */
    int64_t heartbeat_ms;
    int64_t session_timeout_ms;
    int64_t linger_max_ms; /* The most that a client gets. */
    int64_t grace_ms;
    bool grants_survive_restart;
    /* Fills bytes with what nobody can guess. Returns PERMIT_OK, or
     * PERMIT_E_UNAVAILABLE. */
    enum permit_status (*random)(void *bytes, size_t length);
};

/* Returns NULL without memory. */
struct sessions *sessions_create(const struct sessions_options *options);

/* Ends no session in the engine. Accepts NULL. */
void sessions_destroy(struct sessions *sessions);

/* ------------------------------------------------- one client, by connection
 */

/* A new connection. `address` is copied. Returns NULL without memory. */
struct session *session_create(struct sessions *sessions,
                               uint64_t connection_id, const char *address);

/* Obeys whole frames from the front of bytes, and returns how many bytes it
 * used. It uses less than is there when a frame is not whole, when the limit of
 * requests in flight is reached, when answers of a SESSION_FEED_SHAREth of
 * max_output_buffer came of it, after SESSION_FEED_FRAMES, or while
 * sessions_have_work(): feed the rest again after the next turn. After a Bye, a
 * broken frame, or a refused Hello it uses up everything and obeys nothing. */
size_t session_feed(struct session *session, const uint8_t *bytes,
                    size_t length, uint64_t now_ns);

/* Stamps that bytes came at now_ns, also when they can't be fed yet. */
void session_heard(struct session *session, uint64_t now_ns);

/* A chunk was given to the connection. It lies behind `offset` bytes of output,
 * of all of which the kernel has `written` bytes. */
void session_answered(struct session *session, const struct gate_chunk *chunk,
                      uint64_t offset, uint64_t written);

/* The connection writes nothing more: of its output the kernel has `written`
 * bytes. Call it before session_disconnect() where that is so. */
void session_cut(struct session *session, uint64_t written);

enum session_stage {
    SESSION_STAGE_PREFACE = 1, /* Nothing yet, or part of it. */
    SESSION_STAGE_HELLO,       /* The preface was read. */
    SESSION_STAGE_READY,       /* Welcome was sent. */
    SESSION_STAGE_CLOSING      /* The connection is to be closed when all that
                                * the gate holds for it has left. */
};

enum session_stage session_get_stage(const struct session *session);

/* Why the stage is CLOSING, as logs and metrics name it: "bye", "preface",
 * "denied", "silence", or of Goaway "protocol", "superseded", ...; "" before.
 */
const char *session_close_reason(const struct session *session);

/* For the log: the client's name, "" before Hello, and the session's id, 0. */
const char *session_client_name(const struct session *session);
uint64_t session_get_id(const struct session *session);

/* Has the engine a session for it? Then sessions_destroy() frees it. */
bool session_is_open(const struct session *session);

/* Is it READY, without a grant? */
bool session_holds_nothing(const struct session *session);

/* Sends Goaway and makes the stage CLOSING; nothing more is obeyed. From
 * PREFACE it only becomes CLOSING. */
void session_goaway(struct session *session, enum wire_goaway_reason reason,
                    int64_t retry_after_ms, const char *detail);

enum session_disconnect {
    /* A FIN or RST from the client's side, all bytes before it fed: its linger
     * begins. Or the connection was closed after a Bye or a refused Hello. */
    SESSION_DISCONNECT_BY_CLIENT = 1,
    /* Silence, a time-out of the socket, or the server's own closing. */
    SESSION_DISCONNECT_BY_SERVER
};

/* The connection is gone. The caller must not use *session afterwards: it lives
 * on as long as the engine keeps it. Not while sessions_have_work(). */
void session_disconnect(struct session *session, enum session_disconnect how,
                        uint64_t now_ns);

/* -------------------------------------------------------------- all of them */

/* Applies an event of the server's own: a tick, a definition, drain. The answer
 * to session 0 is kept for sessions_own_answer(). Not while
 * sessions_have_work(). */
void sessions_apply(struct sessions *sessions,
                    const struct engine_event *event);

/* The status of the server's own latest event; *ret_detail may be NULL. */
enum permit_status sessions_own_answer(const struct sessions *sessions,
                                       const char **ret_detail);

/* Is work left in the engine? Then call sessions_continue() in the next turn,
 * after reading sockets. */
bool sessions_have_work(const struct sessions *sessions);
void sessions_continue(struct sessions *sessions);

/* Has memory failed where a record was lost? Then the daemon must stop: what it
 * would say next might not be so after a restart. */
bool sessions_have_failed(const struct sessions *sessions);

/* Takes a connection that is to be looked at (its stage became CLOSING by
 * itself: silence). Returns false when there is none. */
bool sessions_next_closing(struct sessions *sessions,
                           uint64_t *ret_connection_id);

/* Sends the Waiting pushes that are due: to each waiter that asked for it, when
 * it begins to wait and then at most once a second when something in it
 * changed. Looks at no more than a bounded number of waiters a call. can_push
 * says whether a connection has no unsent output, so that only the newest is
 * sent. */
void sessions_push_waiting(struct sessions *sessions, uint64_t now_ns,
                           bool (*can_push)(void *arg, uint64_t connection_id),
                           void *arg);

/* Returns when to call sessions_push_waiting() next, at most a second from now;
 * 0 once somebody has begun to wait. */
uint64_t sessions_waiting_due(const struct sessions *sessions, uint64_t now_ns);

/* ------------------------------------------------------------------- views */

#define SESSION_VIEW_ROWS_MAX 64 /* Of one call. */

/* Pages of what operators ask for, as Query, List and HTTP show it: the
 * engine's views, with what the clients said of themselves. The rows' strings,
 * labels, parts and slots (of the semaphore that was asked for) live until the
 * next call of any function of sessions. They return how many rows they filled;
 * *ret_total is how many there are. */
size_t sessions_view_semaphores(struct sessions *sessions, const char *prefix,
                                size_t offset, uint64_t now_ns,
                                struct permit_semaphore_info *rows,
                                size_t rows_max, size_t *ret_total);
size_t sessions_view_holders(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_holder_info *rows, size_t rows_max,
                             size_t *ret_total);
size_t sessions_view_waiters(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_waiter_info *rows, size_t rows_max,
                             size_t *ret_total);

/* Returns false if there is no such semaphore. */
bool sessions_view_semaphore(struct sessions *sessions, const char *name,
                             uint64_t now_ns,
                             struct permit_semaphore_info *ret_row);

#endif
