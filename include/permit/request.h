/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_REQUEST_H
#define PERMIT_REQUEST_H

/* What a user of libpermit fills in, for both faces: options and requests.
 *
 * Nothing here is a handle, and nothing is kept: all of it, strings too, is
 * borrowed for the call that takes it.
 *
 * Law: every struct begins with its size and starts from its _INIT macro. A
 * library that knows more fields takes their defaults; one that knows fewer
 * refuses what it does not know (PERMIT_E_UNSUPPORTED), unless it is zero.
 *
 * Durations are milliseconds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/error.h"
#include "permit/info.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PERMIT_DEFAULT_SERVER "permit://127.0.0.1:7417"

struct permit_grant;

/* ------------------------------------------------------------------- options
 */

/* Where a client takes its memory. Both functions may be called from any
 * thread of the blocking face; alloc returns NULL without memory, and what it
 * returns is aligned as malloc() aligns; free accepts what alloc returned. What
 * the system's own functions take by themselves (a thread's stack, the
 * resolver) does not come from here. */
struct permit_allocator {
    void *(*alloc)(void *arg, size_t bytes);
    void (*free)(void *arg, void *memory);
    void *arg;
};

/* Whoever has it may end the session, or take it over. */
struct permit_session_key {
    uint64_t id; /* 0: of none. */
    unsigned char secret[16];
};

enum permit_log_level {
    PERMIT_LOG_INFO = 1, /* Connected; the session began or ended. */
    PERMIT_LOG_WARNING   /* A connection was lost or not to be had. */
};

struct permit_options {
    size_t struct_size;
    /* A comma list of "permit://HOST[:7417]", "unix:///PATH" or HOST:PORT;
     * NULL: $PERMIT_SERVER, else PERMIT_DEFAULT_SERVER. */
    const char *server;
    const char *name;    /* Who; NULL: $PERMIT_CLIENT_NAME, else user@host:pid.
                          * At most 128 bytes, as purpose. */
    const char *purpose; /* What for; NULL: "". */
    int64_t connect_timeout_ms; /* 5,000: for all servers of the list. */
    int64_t answer_timeout_ms; /* 5,000: beyond its wait, how long a request may
                                * last. */
    const struct permit_allocator *allocator; /* Copied; NULL: malloc(). */
    /* Gets one line for people, without a newline. Called from any thread of
     * the blocking face, one call at a time; it must not call the library.
     * NULL: nothing is said anywhere. */
    void (*log)(void *arg, enum permit_log_level level, const char *text);
    void *log_arg;
    /* How long the session outlives its connection; 0 (default): not at all.
     * With a linger of the session timeout or more a break of the connection
     * that ends in time costs nothing: the client connects again by itself, its
     * grants and places in queues are kept, and what has no answer is asked
     * again, once. What is asked anew while there is no connection waits for
     * one, or fails at once when an attempt has failed. The server may cap it.
     */
    int64_t linger_ms;
    int64_t heartbeat_ms; /* Ping at least so often; 0 (default): as often as
                           * the server says. */
    /* While the daemon is away: how many permits of each semaphore this client
     * grants by itself, under a limit of its own (permit_grant_is_local()).
     * 0 (default): none, an acquire fails. -1: as many as are asked for. */
    int64_t local_permits;
    /* A session of before that is to end first, so that its client does not
     * queue behind itself: see permit_client_session_key(). NULL: none. */
    const struct permit_session_key *end;
};
#define PERMIT_OPTIONS_INIT                                                    \
    {                                                                          \
        sizeof(struct permit_options), NULL, NULL, NULL, 5000, 5000, NULL,     \
            NULL, NULL, 0, 0, 0, NULL                                          \
    }

/* ------------------------------------------------------------------- acquire
 */

/* A waiter's place, given to permit_acquire_request.on_waiting. */
struct permit_waiting {
    uint64_t position; /* 1 is next. */
    uint64_t queue_length;
    uint64_t held;                           /* Permits out. */
    uint64_t permits;                        /* As defined. */
    const struct permit_client_info *oldest; /* Holder; NULL if none. */
    int64_t oldest_held_ms;
    const char *semaphore; /* All this is of: the first that it could not have
                            * now. */
    uint64_t permits_in_the_way; /* To come, or come back, before it fits. */
    int64_t retry_after_ms;      /* When its turn comes; 0: not known. */
};

/* What a refusal says besides its status; 0 and "" where it says nothing. Also
 * of the client's own, while the daemon is away. */
struct permit_refusal {
    uint64_t position; /* That it had, or would have had; 1 is next. */
    uint64_t permits_in_the_way; /* To come, or come back, before it fits. */
    int64_t retry_after_ms;      /* Earlier it makes no sense to ask again. Of
                                  * RATEs it is exact: who comes back then has
                                  * it, if nobody else came. */
    char semaphore[PERMIT_NAME_BYTES]; /* The first that it could not have, */
    bool has_oldest;                   /* and its oldest holder, if it has one:
                                        * who it says it is. */
    char oldest_name[PERMIT_TEXT_BYTES];
    char oldest_host[PERMIT_TEXT_BYTES];
    char oldest_purpose[PERMIT_TEXT_BYTES];
    uint64_t oldest_pid;
    int64_t oldest_held_ms;
};

/* What a holder left for those who joined it. */
#define PERMIT_OUTCOME_BYTES_MAX 4096
struct permit_outcome {
    size_t bytes;
    unsigned char data[PERMIT_OUTCOME_BYTES_MAX];
};

/* One more semaphore of an acquire, with the fields of the first. */
struct permit_acquire_part {
    const char *semaphore;
    uint32_t permits;        /* At least 1. */
    uint32_t expect_permits; /* 0: whatever its definition says. */
    bool consume;
};

/* Permits of one semaphore of a grant: to be given back, or that were used. */
struct permit_part {
    const char *semaphore;
    uint32_t permits;
};

struct permit_acquire_request {
    size_t struct_size;
    const char *semaphore;
    uint32_t permits;        /* 1. */
    uint32_t expect_permits; /* 0: whatever its definition says (of a RATE: its
                              * burst). */
    int64_t wait_ms;         /* 0 tries, -1 (default) has no limit. */
    int64_t hold_ms;         /* 0 (default) has no limit. */
    bool consume;            /* From a COUNTING one: for good. A RATE always
                              * gives for good. */
    /* Shown to operators, at most 8: keys and values of at most 128 bytes. */
    const struct permit_label *labels;
    size_t labels_count;
    /* Called when it begins to wait and then at most once a second: by the
     * blocking face in the thread of the acquire. May be NULL. */
    void (*on_waiting)(void *arg, const struct permit_waiting *waiting);
    void *on_waiting_arg;
    /* Called once when the grant is lost, never after it was released or
     * destroyed: permit_grant_destroy() waits for one that has begun. Who calls
     * it, and what it may do, is at permit_acquire() and in permit/async.h. May
     * be NULL. */
    void (*on_lost)(void *arg, struct permit_grant *grant,
                    enum permit_loss loss);
    void *on_lost_arg;
    /* Blocking face only (-1 for the non-blocking one): readable, it cancels
     * the acquire (a signal's eventfd, a pipe). -1: none. */
    int cancel_fd;
    /* Blocking face only: gets what a refusal says. May be NULL. */
    struct permit_refusal *ret_refusal;
    /* Semaphores besides the first, at most 7, none twice: all at once, or
     * nothing; while it waits it holds nothing. */
    const struct permit_acquire_part *also;
    size_t also_count;
    uint32_t priority; /* 0 (default) to 7: each counts as having come earlier,
                        * by the daemon's priority_step. */
    bool settle;       /* Keep the grant for permit_grant_settle(): of RATEs. */
    bool join; /* A holder's outcome would do as well: PERMIT_JOINED. Of one
                * semaphore only. */
    /* Blocking face only: gets the outcome of PERMIT_JOINED. May be NULL. */
    struct permit_outcome *ret_outcome;
};
#define PERMIT_ACQUIRE_REQUEST_INIT                                            \
    {                                                                          \
        sizeof(struct permit_acquire_request), NULL, 1, 0, -1, 0, false, NULL, \
            0, NULL, NULL, NULL, NULL, -1, NULL, NULL, 0, 0, false, false,     \
            NULL                                                               \
    }

/* -------------------------------------------------------------------- define
 */

/* What a definition may set; the others keep their value, or take the server's
 * default on a new semaphore. */
enum permit_define_field {
    PERMIT_DEFINE_KIND = 1 << 0,
    PERMIT_DEFINE_PERMITS = 1 << 1,
    PERMIT_DEFINE_MAX_QUEUE = 1 << 2,
    PERMIT_DEFINE_MAX_WAIT = 1 << 3,
    PERMIT_DEFINE_HOLD = 1 << 4,
    PERMIT_DEFINE_SLOTS = 1 << 5,
    PERMIT_DEFINE_RATE = 1 << 6,
    PERMIT_DEFINE_PER = 1 << 7,
    PERMIT_DEFINE_BURST = 1 << 8,
    PERMIT_DEFINE_BYPASS = 1 << 9,
    PERMIT_DEFINE_PER_SESSION = 1 << 10,
    PERMIT_DEFINE_SHADOW = 1 << 11,
    PERMIT_DEFINE_REFUSE_HOPELESS = 1 << 12
};

struct permit_definition {
    size_t struct_size;
    uint32_t fields; /* enum permit_define_field, or-ed. */
    enum permit_kind kind;
    uint32_t permits;
    uint32_t max_queue;
    int64_t max_wait_ms; /* -1: no limit. */
    int64_t hold_ms;     /* 0: no limit. */
    bool slots; /* BOUNDED: each permit of a grant has a slot, a number of its
                 * own; at most PERMIT_SLOTS_MAX permits. */
    uint64_t per_ms;      /* RATE: `rate` tokens more every per_ms, to a leap */
    uint32_t rate;        /* year; */
    uint32_t burst;       /* the most that it ever has. At least 1 each. */
    uint32_t bypass;      /* How often a later request that fits passes a
                           * waiter; at most 65,535. */
    uint32_t per_session; /* The most that one session holds; 0: no limit. Not
                           * for RATE. */
    bool shadow;          /* Grants everything, and counts what it would have
                           * refused or made wait. Not for COUNTING. */
    bool refuse_hopeless; /* PERMIT_E_TIMEOUT at once for who would wait longer
                           * than it may, by the latest 1,000 holds. */
};
#define PERMIT_DEFINITION_INIT                                                 \
    {                                                                          \
        sizeof(struct permit_definition), 0, PERMIT_BOUNDED, 1, 0, -1, 0,      \
            false, 0, 0, 0, 0, 0, false, false                                 \
    }

#ifdef __cplusplus
}
#endif

#endif
