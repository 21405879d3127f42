/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

/* What the engine is made of, for its own files only.
 *
 * An acquire is one object from its arrival until what it got is given back: it
 * waits, then it is held, then it may be lost, which is remembered so that a
 * late Release learns it.
 *
 * Law: what is restored from records and what events do go through the same
 * functions of state.c, which emit nothing. */

#include "deadlines.h"
#include "engine.h"
#include "pool.h"
#include "queue.h"
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
    bool consume;
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
     ENGINE_FIELD_MAX_WAIT | ENGINE_FIELD_HOLD)

/* A step emits at most one record and two effects. */
#define EFFECTS_MAX (2 * LIMIT_STEPS_MAX)

enum sweep { SWEEP_NONE = 0, SWEEP_SHRUNK, SWEEP_DELETED, SWEEP_DRAINING };

struct engine {
    struct engine_limits limits;
    uint8_t secret[ENGINE_HASH_SECRET_BYTES];
    uint64_t id_key;

    struct pool acquires;
    struct pool sessions;
    struct pool semaphores;
    char *names[NAME_CLASS_COUNT]; /* By size, then the semaphore's index. */
    struct table acquires_by_id;
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
    struct session *leaving;  /* It ends, or its waiters are set aside. */
    uint32_t leaving_waiter;  /* The next to be set aside. */
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

/* ------------------------------------------------- state.c: emits nothing */

/* By index; NULL for 0. */
struct acquire *acquire_at(const struct engine *engine, uint32_t index);
struct session *engine_session_at(const struct engine *engine, uint32_t index);
struct semaphore *semaphore_at(const struct engine *engine, uint32_t index);
uint32_t semaphore_index(const struct engine *engine,
                         const struct semaphore *semaphore);

/* NULL if there is none. */
struct session *engine_session_find(const struct engine *engine, uint64_t id);
struct acquire *acquire_find(const struct engine *engine,
                             const struct session *session,
                             uint64_t request_id);
struct semaphore *semaphore_find(const struct engine *engine, const char *name);

/* The session's acquires in one state. */
struct acquire_list *engine_session_list(struct session *session,
                                         enum acquire_state state);
uint32_t acquire_count(const struct engine *engine, enum acquire_state state);

/* Take and give the memory. Init may stop half way; deinit is due then, too. */
bool semaphores_init(struct engine *engine);
void semaphores_deinit(struct engine *engine);

/* NULL if there are max_sessions. */
struct session *engine_session_add(struct engine *engine, uint64_t id,
                                   int64_t timeout_ms);
void engine_session_set_disconnected(struct engine *engine,
                                     struct session *session);

/* All its acquires must be gone, but for lost ones. */
void engine_session_remove(struct engine *engine, struct session *session);

/* A new one, or NULL if there are max_semaphores; definition has all fields. */
struct semaphore *semaphore_add(struct engine *engine, const char *name,
                                const struct engine_definition *definition);
void semaphore_change(struct semaphore *semaphore,
                      const struct engine_definition *definition);
struct engine_definition
semaphore_definition(const struct semaphore *semaphore);

/* Why it cannot be that, a constant, or NULL if it can; semaphore is NULL if it
 * is new. */
const char *definition_refusal(const struct semaphore *semaphore,
                               const struct engine_definition *definition);

/* Frees its name. It stays until semaphore_remove_if_idle() finds no grants. */
void semaphore_delete(struct engine *engine, struct semaphore *semaphore);
void semaphore_remove_if_idle(struct engine *engine,
                              struct semaphore *semaphore);

/* Permits that are free: negative after a shrink. */
int64_t semaphore_free_permits(const struct semaphore *semaphore);

/* Something happened that may let its first waiter be served. */
void semaphore_mark_to_be_served(struct engine *engine,
                                 struct semaphore *semaphore);

/* Takes the first of those that are marked from their list. */
void semaphore_unmark_first(struct engine *engine);

/* Takes permits, which must be free, for the grant of a record. Without an
 * acquire_hold() they are taken for good. */
void semaphore_take(struct engine *engine, struct semaphore *semaphore,
                    const struct engine_record *record);

/* A new one without a state; there must be room for the state that follows, and
 * no other of its id but a lost one, which is forgotten. */
struct acquire *acquire_add(struct engine *engine, struct session *session,
                            struct semaphore *semaphore, uint64_t request_id);

/* Forgets it. It must not be held. */
void acquire_remove(struct engine *engine, struct acquire *acquire);

/* Puts it into the queue. deadline_ns may be TIME_NEVER. */
void acquire_wait(struct engine *engine, struct acquire *acquire,
                  const struct engine_event *event, uint64_t deadline_ns);

/* Takes it out of the queue, and marks the semaphore. */
void acquire_unqueue(struct engine *engine, struct acquire *acquire);

/* Takes the permits; its hold counts from now. It must be in no queue. */
void acquire_hold(struct engine *engine, struct acquire *acquire,
                  const struct engine_record *record);

/* Gives back some of what it holds; all of it is acquire_end(). */
void acquire_give_back(struct engine *engine, struct acquire *acquire,
                       uint32_t permits);

/* Gives back all that it holds, and removes it, or its deleted semaphore's last
 * trace. */
void acquire_end(struct engine *engine, struct acquire *acquire);

/* Lost is pushed: it ends when its grace is over, or its hold before. */
void acquire_revoke(struct engine *engine, struct acquire *acquire,
                    enum permit_loss loss, int64_t grace_ms);

/* Gives back all that it holds, because it is lost; with is_remembered it stays
 * for its session's late Release, else it is removed. */
void acquire_lose(struct engine *engine, struct acquire *acquire,
                  enum permit_loss loss, bool is_remembered);

#endif
