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

struct model_semaphore {
    bool used;    /* The row is taken: it has a name, or grants are out. */
    bool deleted; /* It has no name any more. */
    char name[LIMIT_NAME_BYTES_MAX + 1];
    struct engine_definition definition;
    uint64_t value;       /* COUNTING: what can be taken now. */
    struct owners owners; /* Of its slots, if it has them. */
    uint64_t fence;
    uint64_t grants_total;
    uint64_t timeouts_total;
    uint64_t queue_full_total;
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

struct model_grant { /* Oldest first. */
    uint64_t id;
    uint64_t session_id;
    uint64_t acquire_id;
    size_t semaphore; /* Row. */
    uint32_t permits; /* Not given back yet. */
    int64_t waited_ms;
    int64_t hold_ms;
    int64_t grace_ms; /* While it is lost. */
    uint64_t granted_ns;
    uint64_t deadline_ns;
    uint64_t deadline_order;
    bool lost; /* Its grace runs. */
};

struct model_waiter { /* In the order of arrival. */
    uint64_t session_id;
    uint64_t acquire_id;
    size_t semaphore; /* Row. */
    uint32_t permits;
    bool consume;
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
    uint64_t now_ns;
    uint64_t fence;
    uint64_t order; /* Of the deadline that was set last. */
    bool draining;
    struct model_semaphore semaphores[MODEL_SEMAPHORES_MAX];
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
    struct engine_effect effects[MODEL_EFFECTS_MAX]; /* No RECORD. */
    size_t effects_count;
    struct engine_slots slots[MODEL_EFFECTS_MAX]; /* By effect: those told. */
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

/* The least of all deadlines, or TIME_NEVER. */
uint64_t model_next_deadline(const struct model *model);

/* NULL if there is no such session. */
struct model_session *model_find_session(struct model *model,
                                         uint64_t session_id);

/* The row of a semaphore, or MODEL_SEMAPHORES_MAX. */
size_t model_find_semaphore(const struct model *model, const char *name);

/* Permits out in grants, and those that could be taken. */
uint64_t model_held(const struct model *model, size_t semaphore);
uint64_t model_available(const struct model *model, size_t semaphore);

#endif
