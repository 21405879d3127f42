/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

/* What the engine is made of, for its own files only.
 *
 * An acquire is one object from its arrival until what it got is given back: it
 * waits, then it is held, then it may be lost, which is remembered so that a
 * late Release learns it. Its parts are objects of their own: one for each
 * semaphore that it waits for, or holds permits of.
 *
 * It changes nothing; changes.h does.
 *
 * Law: a part of an acquire that waits is in its semaphore's queue, one of an
 * acquire that is held among its holders; one that is lost has none. Each
 * acquire is in one list of its session. */

#include "bucket.h"
#include "deadlines.h"
#include "engine.h"
#include "holds.h"
#include "pool.h"
#include "queue.h"
#include "shares.h"
#include "slots.h"
#include "table.h"
#include "tree.h"

enum acquire_state { ACQUIRE_WAITING = 1, ACQUIRE_HELD, ACQUIRE_LOST };
#define ACQUIRE_STATE_COUNT 3

struct link {
    uint32_t previous;
    uint32_t next;
};

/* Of acquires or of parts. */
struct list {
    uint32_t first; /* The oldest. */
    uint32_t last;
    uint32_t count;
};

struct part {
    uint32_t acquire;
    uint32_t semaphore;
    uint32_t next; /* Of the same acquire, in the order of the request. */
    uint32_t permits;
    union {
        uint32_t place;         /* While it waits, in the queue. */
        struct link in_holders; /* While it is held. */
    };
    union {
        uint16_t consume; /* While it waits: a bool. */
        uint16_t slots;   /* While it is held: the head of their chain, or 0. */
    };
};

struct acquire {
    struct deadline deadline; /* Of its wait; or of its hold or grace. */
    struct session *session;
    uint64_t request_id;
    union {
        uint64_t body_hash;  /* While it waits. */
        int64_t waited_ms;   /* While it is held. */
        struct link in_lost; /* When it is lost. */
    };
    uint64_t grant_id; /* 0 while it waits. */
    uint64_t since_ns; /* When it came; when it was granted. */
    int64_t hold_ms;   /* Asked for; in force. */
    struct link in_session;
    uint32_t parts; /* The first. */
    uint8_t state;  /* enum acquire_state */
    uint8_t loss;   /* enum permit_loss, once Lost was pushed; else 0. */
    uint8_t aside;  /* enum engine_aside, while it waits. */
    uint8_t priority : 3;
    bool settle : 1;
    bool join : 1;
};

struct session {
    struct deadline deadline;
    uint64_t id;
    uint64_t heard_ns;
    int64_t timeout_ms;
    int64_t linger_ms;
    struct list acquires[ACQUIRE_STATE_COUNT]; /* By state, less 1. */
    uint32_t made; /* Semaphores that templates made for it. */
    bool is_connected;
    uint8_t ended; /* enum engine_session_end, once it ends; else 0. */
};

/* What few semaphores have: a RATE's tokens, who made it, rare counters. */
struct rarity {
    struct deadline deadline; /* When tokens let something happen. */
    struct bucket bucket;
    uint64_t number;   /* In the order of their making. */
    uint64_t maker_id; /* The session that a template made it for. */
    uint64_t hopeless_total;
    uint64_t joined_total;
    uint64_t would_refuse_total;
    uint64_t would_wait_total;
    uint32_t semaphore;
};

struct semaphore {
    struct tree_node by_name;
    uint32_t serve_next; /* In the list of those to be served. */
    const char *name;
    struct queue queue;
    uint8_t kind;           /* enum engine_kind */
    uint8_t template_bytes; /* Of the prefix of the template that made it. */
    bool is_deleted : 1;
    bool is_to_be_served : 1;
    bool is_template : 1;
    bool counts_shares : 1; /* All that is held of it is in `shares`. */
    bool shadow : 1;
    bool refuse_hopeless : 1;
    uint16_t bypass;
    uint32_t permits; /* As defined. */
    uint32_t max_queue;
    uint32_t per_session;
    uint32_t value; /* COUNTING: what is left. */
    uint64_t held;
    uint32_t slot_map;   /* Index; 0: it has no slots. */
    uint32_t holds;      /* Index; 0: none are kept. */
    uint32_t rarity;     /* Index, or 0. */
    struct list holders; /* Of parts. */
    int64_t max_wait_ms;
    int64_t hold_ms;
    uint64_t fence;
    uint64_t grants_total;
    uint64_t timeouts_total;
    uint64_t queue_full_total;
    uint64_t lost_total[PERMIT_LOSS_COUNT];
};

_Static_assert(sizeof(struct acquire) + sizeof(struct part) +
                       sizeof(struct queue_place) + sizeof(struct deadline *) +
                       3 * sizeof(uint32_t) <=
                   200,
               "a waiter of one semaphore costs 200 bytes at most, its places "
               "in the heap, the chain and two buckets included");
#define NAME_BYTES_SHORT 33
_Static_assert(sizeof(struct semaphore) + NAME_BYTES_SHORT +
                       3 * sizeof(uint32_t) <=
                   256,
               "a semaphore with a name of 32 bytes costs 256 bytes at most");

#define NAME_CLASS_COUNT 3
#define ENGINE_FIELD_ALL (2 * ENGINE_FIELD_REFUSE_HOPELESS - 1)

/* Of one step: what a template made for each part, and the parts. Two effects
 * may come with them, an answer and a push. */
#define STEP_RECORDS_MAX (2 * LIMIT_PARTS_MAX)
#define RECORDS_MAX (LIMIT_STEPS_MAX + STEP_RECORDS_MAX)
#define EFFECTS_MAX (RECORDS_MAX + 2 * LIMIT_STEPS_MAX)

/* What looks at all of a semaphore, one a step: its holders are counted in
 * shares; waiters that can never be served are refused; waiters are looked at
 * again; waiters are refused and grants revoked; waiters are refused. */
enum sweep {
    SWEEP_NONE = 0,
    SWEEP_COUNTED,
    SWEEP_SHRUNK,
    SWEEP_SHARED,
    SWEEP_DELETED,
    SWEEP_DRAINING
};

struct engine {
    struct engine_limits limits;
    struct engine_definition defaults; /* Of a new semaphore. */
    uint8_t secret[ENGINE_HASH_SECRET_BYTES];
    uint64_t id_key;

    struct pool acquires;
    struct pool parts;
    struct pool sessions;
    struct pool semaphores;
    struct pool slot_maps;
    struct pool holds;
    struct pool rarities;
    struct shares shares;
    char *names[NAME_CLASS_COUNT]; /* By size, then the semaphore's index. */
    struct table acquires_by_id;
    struct table acquires_by_grant; /* Held or lost. */
    struct table sessions_by_id;
    struct table semaphores_by_name;
    struct tree names_tree;
    uint32_t names_root;
    struct queues queues;
    struct deadlines deadlines;
    uint32_t acquires_count[ACQUIRE_STATE_COUNT]; /* By state, less 1. */
    uint32_t held_parts;
    struct list lost;
    uint32_t sessions_disconnected;

    bool is_started; /* The clock runs: there was an event. */
    bool is_draining;
    uint64_t started_ns; /* What was restored counts from then on. */
    uint64_t now_ns;
    uint64_t fence;
    uint64_t seq;
    uint64_t arrivals;
    uint64_t making;    /* Of the latest rarity. */
    uint32_t templates; /* That are defined. */
    uint32_t made;      /* Semaphores that templates made. */
    int64_t priority_step_ms;
    uint64_t grants_total;
    uint64_t releases_total;
    uint64_t timeouts_total;
    uint64_t lost_total;
    uint64_t lost_parts_total[PERMIT_LOSS_COUNT];
    uint64_t would_refuse_total;
    uint64_t would_wait_total;

    /* What is under way. */
    bool has_work;
    bool is_event_pending;
    struct engine_event event;
    struct engine_part event_parts[LIMIT_PARTS_MAX];
    char event_names[LIMIT_PARTS_MAX][LIMIT_NAME_BYTES_MAX + 1];
    uint8_t event_outcome[LIMIT_OUTCOME_BYTES_MAX];
    struct semaphore *posted; /* The event added to it; its answer is due. */
    struct session *leaving;  /* It ends, or its waiters are set aside or get
                               * their places back. */
    uint32_t leaving_waiter;  /* The next of these. */
    enum sweep sweep;         /* What refuses the waiters of ... */
    struct semaphore *swept;  /* ... this one; NULL when it is done. */
    uint32_t swept_next;      /* The part of a holder, or the place. */
    struct acquire *joining;  /* Released with an outcome: it ends when all that
                               * join have it. */
    uint32_t joining_part;
    uint32_t joining_place;
    struct session *sharing; /* What it holds changed: its waiters are looked */
    uint32_t sharing_waiter; /* at again. This is the next. */
    uint32_t serve_first;    /* Semaphores that may grant. */
    uint32_t serve_last;
    uint32_t serve_place; /* In the queue of the first of them: up to here
                           * none can be granted. */

    struct engine_effect effects[EFFECTS_MAX];
    char obstacles[EFFECTS_MAX][LIMIT_NAME_BYTES_MAX + 1]; /* Their names. */
    uint32_t effects_count;
    uint32_t effects_taken;
    struct engine_record records[RECORDS_MAX];
    uint32_t records_count;
};

#endif
