/* SPDX-License-Identifier: MIT */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

/* What the engine ought to do, a second time, as dumb as it can be written.
 *
 * Plain arrays that are scanned at every step: no heap, no tree, no table, no
 * steps that could be left for later. It was written from the design and from
 * the rules in engine.h, and knows nothing of how the engine does it.
 *
 * Law: after model_apply(), effects[] is all that the event causes, in order,
 * but for the records. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "owners.h"

#define MODEL_SESSIONS_MAX 64
#define MODEL_SEMAPHORES_MAX 64
#define MODEL_GRANTS_MAX 4096
#define MODEL_WAITERS_MAX 4096
#define MODEL_LOST_MAX 4096
#define MODEL_EFFECTS_MAX 16384
#define MODEL_TOLD_MAX (2 * MODEL_EFFECTS_MAX)

/* Of a RATE, at one time: there are so many tokens, and a fraction of one in
 * 1 / per_ns. */
struct model_tokens {
    uint64_t at_ns;
    uint64_t whole;
    uint64_t fraction;
    uint64_t per_ns;
};

struct model_hold {
    uint32_t permits;
    uint64_t held_ms;
};

struct model_semaphore {
    bool used;    /* The row is taken: it has a name, or grants are out. */
    bool deleted; /* It has no name any more. */
    char name[LIMIT_NAME_BYTES_MAX + 1];
    struct engine_definition definition;
    uint64_t made_order;        /* They are numbered as they are made. */
    size_t template_bytes;      /* Of the template that made it; 0: none. */
    uint64_t template_session;  /* For which that was. */
    uint64_t held;              /* Not of a RATE. */
    uint64_t value;             /* COUNTING: what can be taken now. */
    struct model_tokens tokens; /* RATE. */
    struct owners owners;       /* Of its slots, if it has them. */
    struct model_hold holds[LIMIT_HOLDS]; /* The latest that ended. */
    size_t holds_count;
    uint64_t fence;
    uint64_t grants_total;
    uint64_t timeouts_total;
    uint64_t queue_full_total;
    uint64_t hopeless_total;
    uint64_t joined_total;
    uint64_t would_refuse_total;
    uint64_t would_wait_total;
    uint64_t lost_total[PERMIT_LOSS_COUNT];
};

struct model_session {
    uint64_t id;
    uint64_t request_id; /* Of its SESSION_OPEN. */
    uint64_t deadline_ns;
    uint64_t deadline_order; /* Deadlines are numbered as they are set. */
    int64_t timeout_ms;
    int64_t linger_ms;
    bool heard; /* Since it was opened. */
    bool disconnected;
};

struct model_part {
    size_t semaphore; /* Row. */
    uint32_t permits; /* Asked for; of a grant: not given back yet. */
    bool consume;
    uint32_t passes; /* Of a waiter: grants to later keys since it came. */
};

struct model_grant { /* Oldest first. */
    uint64_t id;
    uint64_t session_id;
    uint64_t acquire_id;
    struct model_part parts[LIMIT_PARTS_MAX]; /* That are kept. */
    size_t parts_count;
    int64_t waited_ms;
    int64_t hold_ms;
    int64_t grace_ms; /* While it is lost. */
    uint64_t granted_ns;
    uint64_t deadline_ns;
    uint64_t deadline_order;
    bool lost; /* Its grace runs. */
};

struct model_waiter { /* In the order of their keys. */
    uint64_t key_ns;
    uint64_t arrival; /* Its number. */
    uint64_t session_id;
    uint64_t acquire_id;
    struct model_part parts[LIMIT_PARTS_MAX];
    size_t parts_count;
    uint32_t priority;
    bool settle;
    bool join;
    bool over_share; /* Set aside for that. */
    int64_t hold_ms;
    uint64_t queued_ns;
    uint64_t deadline_ns;
    uint64_t deadline_order;
};

struct model_lost { /* In the order of the losses. */
    uint64_t session_id;
    uint64_t acquire_id;
    uint64_t grant_id;
};

struct model {
    struct engine_limits limits;
    uint64_t priority_step_ns;
    uint64_t now_ns;
    uint64_t fence;
    uint64_t order;    /* Of the deadline that was set last. */
    uint64_t made;     /* Of the semaphore that was made last. */
    uint64_t arrivals; /* Of the waiter that came last. */
    bool draining;
    struct model_semaphore semaphores[MODEL_SEMAPHORES_MAX];
    size_t marked[MODEL_SEMAPHORES_MAX]; /* Rows to be served, in order. */
    size_t marked_count;
    struct model_session sessions[MODEL_SESSIONS_MAX];
    size_t sessions_count;
    struct model_grant grants[MODEL_GRANTS_MAX];
    size_t grants_count;
    struct model_waiter waiters[MODEL_WAITERS_MAX];
    size_t waiters_count;
    struct model_lost lost[MODEL_LOST_MAX];
    size_t lost_count;
    uint64_t timeouts_total;
    uint64_t grants_total;
    uint64_t releases_total;
    uint64_t lost_total;
    bool restarted; /* Its counters began anew. */
    size_t effects_count;
    size_t told_count;
    struct engine_effect effects[MODEL_EFFECTS_MAX]; /* No RECORD. */
    struct engine_record told[MODEL_TOLD_MAX]; /* Parts of those effects. */
};

/* Empties *model. The limits are not above the sizes of the arrays. */
void model_init(struct model *model, const struct engine_limits *limits,
                uint64_t first_fence);

/* As engine_apply(), with all the work done, and all effects in effects[]. */
void model_apply(struct model *model, const struct engine_event *event);

/* As engine_session_heard(). */
void model_session_heard(struct model *model, uint64_t session_id,
                         uint64_t now_ns);

/* The daemon is started again: nobody waits or is connected, and all holds,
 * graces and silences begin anew at now_ns, that of the next event. */
void model_restart(struct model *model, uint64_t now_ns);

/* When something happens next if no event comes, or TIME_NEVER. */
uint64_t model_next_deadline(const struct model *model);

/* May an engine wake up at that time for tokens, though it need not? */
bool model_may_wake(const struct model *model, uint64_t time_ns);

/* NULL if there is no such session. */
struct model_session *model_find_session(struct model *model,
                                         uint64_t session_id);

/* The row of a semaphore, or MODEL_SEMAPHORES_MAX. */
size_t model_find_semaphore(const struct model *model, const char *name);

/* The row of the template that would make a semaphore of this name, or
 * MODEL_SEMAPHORES_MAX. */
size_t model_find_template(const struct model *model, const char *name);

/* Those that could be taken if nobody waited. */
uint64_t model_available(const struct model *model, size_t semaphore);

/* The part of an acquire that is of a semaphore, or NULL. */
const struct model_part *model_part_of(const struct model_part *parts,
                                       size_t count, size_t semaphore);

/* Is a waiter's session without a connection? */
bool model_is_disconnected(const struct model *model,
                           const struct model_waiter *waiter);

/* What is in the way of a waiter; without a name if nothing is. */
struct engine_obstacle model_obstacle(const struct model *model,
                                      const struct model_waiter *waiter);

#endif
