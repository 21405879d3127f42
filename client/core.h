/* SPDX-License-Identifier: MIT */
#ifndef CORE_H
#define CORE_H

/* A client's side of the protocol: bytes and time in, bytes and events out. A
 * session goes on over several lines; what has no answer is sent again.
 *
 * It opens no socket, reads no clock, has no thread and no lock. Say what time
 * it is with core_advance(), feed it what came, drain core_next_event(), write
 * what core_output() has, come back at core_next_deadline(), and open a line
 * when core_wants_line().
 *
 * Law: it believes in a grant only while the server must still keep it, and
 * trusts the server with nothing else: an answer that nobody asked for closes
 * the line. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/request.h"
#include "permit/result.h"
#include "wire.h"

#define CORE_NEVER INT64_MAX
#define CORE_TEXT_BYTES 512
#define CORE_REQUESTS_MAX 65536u /* Under way; bounds the memory they take. */

struct core;

struct core_options {
    const char *name; /* All copied; at most WIRE_TEXT_BYTES_MAX bytes each. */
    const char *host;
    const char *purpose;
    uint64_t pid;
    int64_t answer_timeout_ms; /* For the answer to an acquire's Cancel. */
    int64_t linger_ms;         /* That is asked for. */
    int64_t heartbeat_ms; /* Ping at least so often; 0: as the server says. */
    const struct permit_session_key *end;     /* By the first Hello; or NULL. */
    const struct permit_allocator *allocator; /* Copied. */
};

enum core_event_type {
    CORE_EVENT_READY = 1, /* There is a line of the session. */
    CORE_EVENT_ANSWER,    /* The one and final answer of a request. */
    CORE_EVENT_WAITING,   /* An acquire waits: message->waiting. */
    CORE_EVENT_LOST,      /* A grant is lost; arg is the grant's. */
    CORE_EVENT_DOWN       /* The line is to be closed. */
};

struct core_event {
    enum core_event_type type;
    void *arg;                 /* Of the request, or of the grant. */
    enum permit_status status; /* ANSWER, DOWN. */
    const char *text;          /* ANSWER, DOWN: for people, never NULL. */
    enum permit_loss loss;     /* LOST. */
    /* ANSWER of an acquire or a Renew: the hold's deadline. LOST: nobody else
     * has it before, by the grace that the server gave. */
    int64_t until_ns;
    uint64_t id;  /* ANSWER: of the request. */
    bool is_held; /* ANSWER PERMIT_OK of an acquire: there is a grant, for not
                   * all was taken for good. */
    /* DOWN: the server may think this line whole, and its end to be the
     * session's: it is closed only when another is ready, or none is wanted. */
    bool is_silent;
    int64_t retry_after_ms; /* DOWN: open no line before; 0: it did not say. */
    /* What the server said; NULL if the client says it by itself. */
    const struct wire_server_message *message;
};

struct core_request {
    /* What to ask; id and answered_below are the core's. Borrowed. */
    struct wire_client_message *message;
    int64_t answer_by_ns; /* The caller waits no longer. */
    void *arg;
    void *grant_arg; /* Acquire. */
};

/* Returns NULL without memory. */
struct core *core_create(const struct core_options *options);

/* Reports nothing. Accepts NULL. */
void core_destroy(struct core *core);

/* A new line: begins with the preface and Hello, which may be sent at any time
 * from now on. Welcome must have come by welcome_by_ns; but the Hello of a
 * session that goes on is waited for as long as its line is whole, since its
 * end might be the session's. Only while core_is_down(). */
void core_open(struct core *core, int64_t now_ns, int64_t welcome_by_ns);

/* The line broke. What that means comes as events, among them
 * CORE_EVENT_DOWN. */
void core_break(struct core *core, enum permit_status status, const char *text);

/* Ends the session without a word, whether it has a line or not. */
void core_end(struct core *core, enum permit_status status, const char *text);

/* Time first: before feeding and before draining. */
void core_advance(struct core *core, int64_t now_ns);

/* Copies bytes that came, and returns how many it took: fewer only when events
 * are to be drained first. */
size_t core_feed(struct core *core, const uint8_t *bytes, size_t length);

/* Takes the next event. Returns false when there is none. What it points to
 * lives until the next call of any function that takes a core that is not
 * const. */
bool core_next_event(struct core *core, struct core_event *ret_event);

/* What is to be written, *ret_length bytes; then say how much was, at the time
 * of the last core_advance(). */
const uint8_t *core_output(struct core *core, size_t *ret_length);
void core_sent(struct core *core, size_t bytes);

/* When to call core_advance() at the latest. */
int64_t core_next_deadline(const struct core *core);

/* ---------------------------------------------------------------- requests
 */

/* Asks, at the time of the last core_advance() or core_open(); what is asked
 * without a line leaves with the next one. On PERMIT_OK exactly one
 * CORE_EVENT_ANSWER follows, and *ret_id is its id. Else PERMIT_E_DISCONNECTED
 * (not core_is_open()), PERMIT_E_TOO_MANY (CORE_REQUESTS_MAX under way) or
 * PERMIT_E_NOMEM, and nothing happens.
 *
 * A request past its deadline is answered PERMIT_E_NO_ANSWER; an acquire is
 * then cancelled, and what still comes of it given back. One that never left
 * for want of a line is PERMIT_E_DISCONNECTED, and never will; only a Release
 * and a Settle leave all the same. */
enum permit_status core_ask(struct core *core,
                            const struct core_request *request,
                            uint64_t *ret_id);

/* Ends the wait of an acquire. Its answer is then anything but a grant: one
 * that crosses the cancel is given back and PERMIT_E_CANCELLED reported; only
 * what was consumed for good stays PERMIT_OK. Returns false if nobody waits for
 * the answer of such an acquire. */
bool core_cancel(struct core *core, uint64_t acquire_id);

/* Asks for a Release or a Settle of a grant. As core_ask(); also
 * PERMIT_E_EXPIRED if the grant went with its session. */
enum permit_status core_release(struct core *core,
                                const struct core_request *request,
                                uint64_t *ret_id);

/* Until when the grant may be believed in by its hold: what a Renew that is
 * under way leaves of it; CORE_NEVER without a hold, 0 without a grant. */
int64_t core_hold_until(const struct core *core, uint64_t acquire_id);

/* No LOST comes of this grant any more; it is given back if it was not. */
void core_forget(struct core *core, uint64_t acquire_id);

/* ------------------------------------------------------------------ asking
 */

/* There is a line of a session. */
bool core_has_line(const struct core *core);

/* There is a session, or a line is being opened: it may be asked. */
bool core_is_open(const struct core *core);

/* The line is closed and all its events are drained. */
bool core_is_down(const struct core *core);

/* Down, and a session wants to go on. */
bool core_wants_line(const struct core *core);

/* Until when the session's grants may be believed in; 0 if they may not. */
int64_t core_believed_until(const struct core *core);

/* 0 without a session; of one, *ret_key is set and true returned. */
uint64_t core_session_id(const struct core *core);
bool core_session_key(const struct core *core,
                      struct permit_session_key *ret_key);

/* How often it pings; 0 before the first Welcome. */
int64_t core_heartbeat_ns(const struct core *core);

/* How long a line may be silent; 0 before the first Welcome. */
int64_t core_session_timeout_ns(const struct core *core);

/* Since core_create(). */
const struct permit_counters *core_counters(const struct core *core);

#endif
