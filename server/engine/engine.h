/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/* The permit engine: who holds permits, who waits for them, and until when.
 *
 * A pure state machine. It opens no socket, reads no clock, writes no log and
 * allocates nothing after engine_create(). Feed it one event with
 * engine_apply(), then drain engine_next_effect() and carry out what it says;
 * while engine_has_work(), go on with engine_continue() and drain again; then
 * arm one timer for engine_next_deadline(). The same events always produce the
 * same effects.
 *
 * It does not know: connections, request bodies, who a client is, whether a
 * request id was used before (the caller sees to it that no two live acquires
 * of a session have one id).
 *
 * Law of time: first everything that fell due up to now_ns is done, each at its
 * own time, in the order (time, what gives permits back before what ends waits,
 * order in which the deadlines were set), and waiters are served after each;
 * then the event is applied at now_ns and waiters are served again. So nothing
 * depends on when a timer ran. A deadline at t is due when now_ns >= t.
 *
 * Law of order: all queues have one key, (arrival - priority x the step of the
 * engine, number of the arrival); an arrival does not wait behind a greater
 * one. An acquire can be granted when all its parts fit at once, no session
 * would hold more than its share, and on each of its semaphores everyone before
 * it who is not set aside has passes left there: fewer than `bypass` grants
 * went to later keys since it came (set aside or not), so none without a
 * bypass. Of those of a semaphore that can be granted the first is, and after
 * every event no waiter waits that could be. A semaphore in shadow refuses
 * nothing, makes nobody wait and knows no share.
 *
 * Law of parts: an acquire gets all its parts in one step, or nothing. What is
 * taken for good (RATE; COUNTING with consume) is no part of the grant, but of
 * a RATE with settle. A grant without a part has ended at its birth.
 *
 * Law of rates: at any time a RATE has exactly min(burst, tokens at first +
 * what flowed in since) tokens, as if counted in rationals; a waiter is granted
 * at the first nanosecond at which its tokens exist.
 *
 * Law of templates: what a template (a name that ends with a star) made exists
 * while it is held, waited for, or not as it was at first; then it is forgotten
 * in the same call. Its definition is the template's at its making, until it is
 * defined by its own name, which makes it one like others.
 *
 * Law of effects: a record comes before the answer or Lost that tells of it.
 * An event's own answer comes before what the event causes (grants to others,
 * waiters refused, grants revoked), but POST's, which tells what is left after
 * that. Semaphores are served in the order in which something happened to them
 * that may let a waiter fit.
 *
 * Law of slots: a permit of a semaphore with slots is granted with the lowest
 * that is free, counted from 0; of a part that is released the highest of its
 * grant come back. So none is given twice, and none at or above the semaphore's
 * permits. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine_limits.h"
#include "permit/error.h"

#define ENGINE_HASH_SECRET_BYTES 192

struct engine;

enum engine_kind { ENGINE_BOUNDED = 1, ENGINE_COUNTING = 2, ENGINE_RATE = 3 };

/* What a definition sets. */
enum engine_field {
    ENGINE_FIELD_KIND = 1 << 0,
    ENGINE_FIELD_PERMITS = 1 << 1,
    ENGINE_FIELD_MAX_QUEUE = 1 << 2,
    ENGINE_FIELD_MAX_WAIT = 1 << 3,
    ENGINE_FIELD_HOLD = 1 << 4,
    ENGINE_FIELD_SLOTS = 1 << 5,
    ENGINE_FIELD_RATE = 1 << 6,
    ENGINE_FIELD_PER_MS = 1 << 7,
    ENGINE_FIELD_BURST = 1 << 8,
    ENGINE_FIELD_BYPASS = 1 << 9,
    ENGINE_FIELD_PER_SESSION = 1 << 10,
    ENGINE_FIELD_SHADOW = 1 << 11,
    ENGINE_FIELD_REFUSE_HOPELESS = 1 << 12
};

struct engine_definition {
    uint32_t fields; /* Which of the following are set: enum engine_field. */
    enum engine_kind kind; /* Default BOUNDED. */
    uint32_t permits;      /* BOUNDED: the limit. COUNTING: the start. Def. 1.
                            * RATE: 0. */
    uint32_t rate;        /* RATE: tokens per per_ms; 1 to LIMIT_PERMITS_MAX. */
    uint32_t burst;       /* RATE: the most tokens; 1 to LIMIT_PERMITS_MAX. */
    uint64_t per_ms;      /* RATE: 1 to LIMIT_PER_MS_MAX. All three are 0 for
                           * other kinds. */
    uint32_t bypass;      /* Passes of a waiter; to LIMIT_BYPASS_MAX. */
    uint32_t per_session; /* The most one session holds; 0 (default) has no
                           * limit. Not for RATE. */
    uint32_t max_queue;   /* Waiters. Default DEFAULT_MAX_QUEUE. */
    int64_t max_wait_ms;  /* Caps waits; -1 (default) does not. */
    int64_t hold_ms;      /* Caps holds; 0 (default) does not. */
    bool slots;  /* BOUNDED, to LIMIT_SLOTS_MAX permits: each permit of a grant
                  * has a slot. It changes only while no grant is out. */
    bool shadow; /* Not with slots, nor for COUNTING. */
    bool refuse_hopeless; /* Of who would wait longer than it may, by the mean
                           * of the latest LIMIT_HOLDS holds, or the rate: but
                           * not before LIMIT_HOLDS_MIN holds have ended. */
};

/* A part of a request. Names are borrowed for the call. */
struct engine_part {
    const char *semaphore;
    uint32_t permits;        /* 1 to LIMIT_PERMITS_MAX; SETTLE: from 0 on. */
    uint32_t expect_permits; /* ACQUIRE: 0: not asked. RATE: the burst. */
    bool consume;            /* ACQUIRE. RATE: either. */
};

/* Slot n is bit n % 64 of words[n / 64]. */
struct engine_slots {
    uint64_t words[LIMIT_SLOTS_MAX / 64];
};

/* ------------------------------------------------------------------ events */

enum engine_event_type {
    ENGINE_TICK = 1, /* Only time passes. */
    /* Opens a session, or goes on with a former one, whose waiters get their
     * places back: they kept their keys and their deadlines. */
    ENGINE_SESSION_OPEN,
    /* The session has no connection now. Its waiters are set aside; it ends
     * linger_ms from now if the client closed the line (at once if it has no
     * linger: as by SESSION_END), else timeout_ms + linger_ms after it was last
     * heard, unless it is resumed before. No answer. It cannot send any more:
     * later events of it, but for SESSION_END, are dropped. */
    ENGINE_SESSION_DISCONNECT,
    /* The client ended it (Bye): its waiters are forgotten without an answer,
     * those behind them are served, then what it holds is given back, in the
     * order in which it was granted, serving after each. No answer but
     * ENGINE_EFFECT_SESSION_ENDED, at the end. */
    ENGINE_SESSION_END,
    ENGINE_ACQUIRE,
    ENGINE_CANCEL,
    ENGINE_RELEASE,
    ENGINE_SETTLE, /* Refunds what was not used of its RATE parts. */
    ENGINE_WHY,    /* What a try would be answered; nothing changes. */
    ENGINE_RENEW,  /* Counts a hold anew from now. */
    ENGINE_VERIFY, /* Is a grant, of whatever session, alive? */
    ENGINE_POST,
    ENGINE_DEFINE,
    ENGINE_DELETE,
    /* From now on acquires, and all waiters, get DRAINING: semaphores in the
     * order of their names, each queue in its order. No answer, no record. */
    ENGINE_DRAIN
};

/* An event of a session that is not there (any more) is dropped: only time
 * passes. DEFINE, DELETE and POST may have session_id 0: the server's own, with
 * an answer all the same. Names are 1 to LIMIT_NAME_BYTES_MAX bytes, end with a
 * NUL, and are borrowed for the call. */
struct engine_event {
    enum engine_event_type type;
    uint64_t now_ns; /* Never less than in an earlier event. */
    uint64_t session_id;
    uint64_t request_id; /* Of the request that this event is. */
    uint64_t body_hash;  /* Of the request; the engine only records it. */
    union {
        struct {
            int64_t timeout_ms; /* Of silence; > 0. */
            int64_t linger_ms;  /* Without a connection; 0 or more. */
            uint64_t resume_id; /* Go on with this one, if it is there: it
                                 * keeps its timeout and linger. 0: none. */
            uint64_t end_id;    /* End this one first, if it is there; 0. */
        } session_open;
        struct {
            bool by_client; /* FIN or RST. */
        } session_disconnect;
        struct {
            const struct engine_part *parts; /* No semaphore twice. */
            uint32_t parts_count;            /* 1 to LIMIT_PARTS_MAX. */
            uint32_t priority;               /* 0 to LIMIT_PRIORITY_MAX. */
            int64_t wait_ms;                 /* 0 tries, -1 has no limit. */
            int64_t hold_ms;                 /* 0 has no limit. */
            bool settle; /* Keep RATE parts for SETTLE; INVALID without one. */
            bool join;   /* A holder's outcome would do; one part. */
        } acquire;       /* WHY too: parts and priority. */
        struct {
            uint64_t acquire_id;
        } cancel;
        struct {
            uint64_t acquire_id;
            const struct engine_part *parts; /* No semaphore twice. */
            uint32_t parts_count;            /* 0: all that it holds. */
            /* For those that wait to join, of any of its semaphores; NULL: no
             * outcome. Borrowed for the call. Only with all that it holds. */
            const uint8_t *outcome;
            uint32_t outcome_bytes;
        } release;
        struct {
            uint64_t acquire_id;
            const struct engine_part *actual; /* Used; no semaphore twice. */
            uint32_t actual_count; /* Who is not named has used all. */
        } settle;
        struct {
            uint64_t acquire_id;
            int64_t hold_ms; /* 0: the one in force. */
        } renew;
        struct {
            uint64_t grant_id;
            uint64_t fence;
        } verify;
        struct {
            const char *semaphore;
            uint32_t permits; /* INVALID but for 1 to LIMIT_PERMITS_MAX. */
        } post;
        struct {
            const char *semaphore;
            struct engine_definition definition;
        } define;
        struct {
            const char *semaphore;
            bool force;
            int64_t grace_ms; /* From Lost to the end of the grants. */
        } delete;
    };
};

/* ----------------------------------------------------------------- records */

enum engine_record_type {
    ENGINE_RECORD_DEFINED = 1, /* Made or changed: the whole definition. */
    ENGINE_RECORD_DELETED,     /* The name is free; its grants live on. */
    ENGINE_RECORD_SESSION_OPENED,
    ENGINE_RECORD_SESSION_ENDED, /* All that it held is given back, or
                                  * will be before the next event. */
    ENGINE_RECORD_GRANTED,       /* One a part, in the order of the request, all
                                  * but the last with `more`. With consume:
                                  * taken for good, as of each RATE but one that
                                  * is kept for SETTLE. */
    ENGINE_RECORD_RELEASED,      /* permits of one part of the grant, maybe all
                                  * of it. One a part, like GRANTED. */
    ENGINE_RECORD_REVOKED,       /* Lost is pushed; ends with EXPIRED or
                                  * RELEASED. */
    ENGINE_RECORD_EXPIRED,       /* The grant is over by its hold or grace. */
    ENGINE_RECORD_POSTED,
    ENGINE_RECORD_RENEWED,
    ENGINE_RECORD_SETTLED /* Its RATE parts are over. */
};

/* A change of state. Applied to an engine without them, in order, the records
 * of a run rebuild its state, but for waiters, time, and the tokens of RATEs:
 * none are there. What a template made is forgotten only by its DELETED; what
 * only waiters had kept, at the first event. */
struct engine_record {
    enum engine_record_type type;
    uint64_t seq;          /* 1, 2, 3, ... */
    uint64_t session_id;   /* 0: the server's own. */
    uint64_t request_id;   /* That made it, if a request did. GRANTED: of the
                            * acquire. */
    uint64_t body_hash;    /* Of that request. */
    uint64_t acquire_id;   /* RELEASED, REVOKED, EXPIRED, RENEWED: the request
                            * id of the acquire that got the grant. */
    uint64_t grant_id;     /* The same, and GRANTED. It is the fence, too. */
    uint32_t permits;      /* GRANTED, RELEASED, POSTED. */
    bool consume;          /* GRANTED. */
    bool more;             /* The next record goes with this one: a batch that
                            * ends here is torn. */
    bool by_template;      /* DEFINED: made by a template, for session_id. */
    enum permit_loss loss; /* REVOKED, EXPIRED. */
    int64_t hold_ms;       /* GRANTED, RENEWED: in force; 0 has no limit. */
    int64_t waited_ms;     /* GRANTED. */
    int64_t timeout_ms;    /* SESSION_OPENED; REVOKED: its grace. */
    int64_t linger_ms;     /* SESSION_OPENED. */
    union {
        struct engine_definition definition; /* DEFINED, all fields. */
        struct engine_slots slots; /* GRANTED: one a permit, or none. */
    };
    char semaphore[LIMIT_NAME_BYTES_MAX + 1]; /* DEFINED, DELETED, GRANTED,
                                               * RELEASED, POSTED; else empty.
                                               */
};

/* ----------------------------------------------------------------- effects */

enum engine_effect_type {
    ENGINE_EFFECT_RECORD = 1,
    /* The final answer of request_id of session_id. To SESSION_OPEN too (its
     * request_id), which tells the id of the session: a new one, unless it is
     * the one to be resumed. */
    ENGINE_EFFECT_ANSWER,
    /* Push to session_id: its grant is lost. With grace_ms > 0 its permits are
     * free at its Release or when that is over; else they are free already. */
    ENGINE_EFFECT_LOST,
    /* session_id was not heard for its timeout: from now on it has no
     * connection, and lingers. Without a linger it ends instead. */
    ENGINE_EFFECT_SESSION_SILENT,
    /* session_id is no more; all that it held is given back. */
    ENGINE_EFFECT_SESSION_ENDED
};

enum engine_session_end {
    ENGINE_SESSION_ENDED_BY_CLIENT = 1, /* Bye, end_id, or no linger. */
    ENGINE_SESSION_ENDED_BY_SILENCE     /* Its timeout or linger is over. */
};

enum engine_cancel_outcome {
    ENGINE_CANCEL_CANCELLED = 1, /* The acquire's own answer went before. */
    ENGINE_CANCEL_GRANTED,       /* It is held. */
    ENGINE_CANCEL_NOT_FOUND
};

/* What is in the way of an acquire that cannot be granted now. */
struct engine_obstacle {
    const char *semaphore; /* The first of its parts that it could not have;
                            * until the next engine call. NULL: nothing. */
    uint64_t position;     /* It would have there, or has; 1 is next. */
    uint64_t permits_in_the_way; /* To come, or come back, before it fits. */
    uint64_t retry_after_ms;     /* When it would be granted if nobody else
                                  * came: exact if only RATEs are in the way; by
                                  * the mean of holds if one refuses the
                                  * hopeless; 0: not known. */
    uint64_t oldest_session_id;  /* Of its oldest grant; 0 without one. */
    uint64_t oldest_hold_ns;     /* When that was made. */
};

struct engine_answer {
    enum engine_event_type to; /* What is answered. */
    enum permit_status status; /* PERMIT_OK, or -1 to -21. */
    const char *detail;        /* A constant for people; NULL if none. */
    /* ACQUIRE, granted. */
    uint64_t grant_id; /* It is the fence, too. */
    int64_t waited_ms;
    int64_t hold_ms; /* RENEW too: in force; 0 has no limit. */
    /* One a part, until the next engine call. */
    const struct engine_record *granted;
    uint32_t granted_count;
    /* ACQUIRE with join: status is PERMIT_OK, grant_id 0, and this its outcome,
     * until the next engine call; else NULL. */
    const uint8_t *outcome;
    uint32_t outcome_bytes;
    /* ACQUIRE, WHY, refused: WOULD_BLOCK, RATE_LIMITED, QUEUE_FULL, TIMEOUT. */
    struct engine_obstacle obstacle;
    enum engine_cancel_outcome cancelled; /* CANCEL. */
    uint64_t available;                   /* POST: after serving. */
};

struct engine_effect {
    enum engine_effect_type type;
    uint64_t session_id;
    uint64_t request_id; /* ANSWER; LOST: of the acquire. */
    union {
        const struct engine_record *record; /* Until the next engine call. */
        struct engine_answer answer;
        struct {
            uint64_t grant_id;
            enum permit_loss reason;
            int64_t grace_ms;
        } lost;
        enum engine_session_end ended;
    };
};

/* --------------------------------------------------------- create, destroy */

/* Returns an engine without semaphores or sessions, all memory for its limits
 * taken, or NULL if there is not so much. `secret` keys its hashes and is
 * copied. The first fence is above first_fence: a start's wall clock in seconds
 * << 24 (or a restored one's last, if that is more). */
struct engine *engine_create(const struct engine_limits *limits,
                             uint64_t first_fence,
                             const uint8_t secret[ENGINE_HASH_SECRET_BYTES]);

/* What a new semaphore gets where its definition names nothing; copied. They
 * must make a valid definition. */
void engine_set_defaults(struct engine *engine,
                         const struct engine_definition *defaults);

/* How much earlier each level of priority counts as having come. Default
 * DEFAULT_PRIORITY_STEP_MS. Those that wait keep their keys. */
void engine_set_priority_step(struct engine *engine, int64_t step_ms);

/* Accepts NULL. */
void engine_destroy(struct engine *engine);

/* ------------------------------------------------------------------- verbs */

/* Lets time pass to event->now_ns, then applies the event. Not while
 * engine_has_work(), nor before all effects were drained. Does at most
 * LIMIT_STEPS_MAX steps; if that is not enough, the rest (the event itself
 * included, which is copied) waits for engine_continue(). */
void engine_apply(struct engine *engine, const struct engine_event *event);

/* Is work left of the last event? */
bool engine_has_work(const struct engine *engine);

/* Goes on with it, by at most LIMIT_STEPS_MAX steps. */
void engine_continue(struct engine *engine);

/* Takes the next effect, in the order in which they happened. Returns false
 * when there is none. */
bool engine_next_effect(struct engine *engine,
                        struct engine_effect *ret_effect);

/* Stamps that bytes of the session were received at now_ns. Allowed at any
 * time, also while work is left; unknown sessions are ignored. The deadline of
 * the session moves, and keeps the place of its opening in the order in which
 * deadlines were set. A session past its deadline lives on if it is heard
 * before time is let pass over it. */
void engine_session_heard(struct engine *engine, uint64_t session_id,
                          uint64_t now_ns);

/* Applies one record, in the order of seq, to an engine that has had no event
 * yet. Restored sessions have no connection; they count as heard, and holds and
 * graces start in full, at the first event. Emits nothing. Returns PERMIT_OK,
 * or PERMIT_E_INVALID if the record does not fit the state: it is not of this
 * store, or the limits are smaller than they were. */
enum permit_status engine_restore(struct engine *engine,
                                  const struct engine_record *record);

/* ----------------------------------------------------------------- queries */

/* When to call engine_apply() at the latest, with ENGINE_TICK if with nothing
 * else: the next deadline, or TIME_NEVER. It may be early for a session that
 * was heard, and is 0 while a restored engine's clock has not started. */
uint64_t engine_next_deadline(const struct engine *engine);

/* How far its time has come: the now_ns of the latest event. */
uint64_t engine_now_ns(const struct engine *engine);

/* The seq of the newest record; 0 before the first. */
uint64_t engine_seq(const struct engine *engine);

/* Asserts everything that must hold between events; O(everything), for tests.
 */
void engine_check(const struct engine *engine);

#include "engine_views.h" /* What an operator sees of all this. */

#endif
