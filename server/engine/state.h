/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

/* What the engine is made of, for its own files only.
 *
 * An acquire is one object from its arrival until what it got is given back: it
 * waits, then it is held, then it may be lost, which is remembered so that a
 * late Release learns it.
 *
 * It changes nothing; changes.h does.
 *
 * Law: an acquire that waits is in its semaphore's queue, one that is held
 * among its holders; each is in one list of its session. */

#include "deadlines.h"
#include "engine.h"
#include "pool.h"
#include "queue.h"
#include "slots.h"
#include "table.h"
#include "tree.h"

enum acquire_state { ACQUIRE_WAITING = 1, ACQUIRE_HELD, ACQUIRE_LOST };
#define ACQUIRE_STATE_COUNT 3

/* The two chains that an acquire is in: one of its session's lists, by state;
 * and the holders of its semaphore, or the lost ones. */
enum acquire_chain { CHAIN_SESSION = 0, CHAIN_HOLDER = 1 };

struct acquire_link {
    uint32_t previous;
    uint32_t next;
};

struct acquire_list {
    uint32_t first; /* The oldest. */
    uint32_t last;
    uint32_t count;
};

struct acquire {
    struct deadline deadline; /* Of its wait; or of its hold or grace. */
    struct session *session;
    struct semaphore *semaphore; /* NULL when it is lost. */
    uint64_t request_id;
    union {
        uint64_t body_hash; /* While it waits. */
        int64_t waited_ms;  /* While it is held. */
    };
    uint64_t grant_id; /* 0 while it waits. */
    uint64_t since_ns; /* When it came; when it was granted. */
    int64_t hold_ms;   /* Asked for; in force. */
    uint32_t permits;
    uint8_t state; /* enum acquire_state */
    uint8_t loss;  /* enum permit_loss, once Lost was pushed; else 0. */
    union {
        bool consume;   /* While it waits. */
        uint16_t slots; /* While it is held: the head of their chain, or 0. */
    };
    struct acquire_link in_session;
    union {
        struct acquire_link in_holders;
        uint32_t place; /* While it waits, in the queue. */
    };
};

struct session {
    struct deadline deadline;
    uint64_t id;
    uint64_t heard_ns;
    int64_t timeout_ms;
    int64_t linger_ms;
    struct acquire_list acquires[ACQUIRE_STATE_COUNT]; /* By state, less 1. */
    bool is_connected;
    uint8_t ended; /* enum engine_session_end, once it ends; else 0. */
};

struct semaphore {
    struct tree_node by_name;
    uint32_t serve_next; /* In the list of those to be served. */
    const char *name;
    struct queue queue;
    uint8_t kind; /* enum engine_kind */
    bool is_deleted;
    bool is_to_be_served;
    uint32_t permits; /* As defined. */
    uint32_t max_queue;
    uint32_t value; /* COUNTING: what is left. */
    uint32_t held;
    uint32_t slot_map; /* Index; 0: it has no slots. */
    struct acquire_list holders;
    int64_t max_wait_ms;
    int64_t hold_ms;
    uint64_t fence;
    uint64_t grants_total;
    uint64_t timeouts_total;
    uint64_t queue_full_total;
    uint64_t lost_total[PERMIT_LOSS_COUNT];
};

_Static_assert(sizeof(struct acquire) + sizeof(struct queue_place) +
                       sizeof(struct deadline *) + 3 * sizeof(uint32_t) <=
                   200,
               "a waiter costs 200 bytes at most, its places in the heap, the "
               "chain and two buckets included");
#define NAME_BYTES_SHORT 33
_Static_assert(sizeof(struct semaphore) + NAME_BYTES_SHORT +
                       3 * sizeof(uint32_t) <=
                   256,
               "a semaphore with a name of 32 bytes costs 256 bytes at most");

#define NAME_CLASS_COUNT 3
#define ENGINE_FIELD_ALL                                                       \
    (ENGINE_FIELD_KIND | ENGINE_FIELD_PERMITS | ENGINE_FIELD_MAX_QUEUE |       \
     ENGINE_FIELD_MAX_WAIT | ENGINE_FIELD_HOLD | ENGINE_FIELD_SLOTS)

/* A step emits at most one record and two effects. */
#define EFFECTS_MAX (2 * LIMIT_STEPS_MAX)

enum sweep { SWEEP_NONE = 0, SWEEP_SHRUNK, SWEEP_DELETED, SWEEP_DRAINING };

struct engine {
    struct engine_limits limits;
    struct engine_definition defaults; /* Of a new semaphore. */
    uint8_t secret[ENGINE_HASH_SECRET_BYTES];
    uint64_t id_key;

    struct pool acquires;
    struct pool sessions;
    struct pool semaphores;
    struct pool slot_maps;
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
    struct acquire_list lost;
    uint32_t sessions_disconnected;

    bool is_started; /* The clock runs: there was an event. */
    bool is_draining;
    uint64_t started_ns; /* What was restored counts from then on. */
    uint64_t now_ns;
    uint64_t fence;
    uint64_t seq;
    uint64_t arrivals;
    uint64_t grants_total;
    uint64_t releases_total;
    uint64_t timeouts_total;
    uint64_t lost_total;

    /* What is under way. */
    bool has_work;
    bool is_event_pending;
    struct engine_event event;
    char event_name[LIMIT_NAME_BYTES_MAX + 1];
    struct semaphore *posted; /* The event added to it; its answer is due. */
    struct session *leaving;  /* It ends, or its waiters are set aside or get
                               * their places back. */
    uint32_t leaving_waiter;  /* The next of these. */
    enum sweep sweep;         /* What refuses the waiters of ... */
    struct semaphore *swept;  /* ... this one; NULL when it is done. */
    uint32_t swept_grant;     /* The next to be revoked. */
    uint32_t serve_first;     /* Semaphores that may grant. */
    uint32_t serve_last;

    struct engine_effect effects[EFFECTS_MAX];
    uint32_t effects_count;
    uint32_t effects_taken;
    struct engine_record records[LIMIT_STEPS_MAX];
    uint32_t records_count;
};

#endif
