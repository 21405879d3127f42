/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>

/* What looks at all holders or waiters of a semaphore, one a step. */

void sweep_start(struct engine *engine, enum sweep sweep,
                 struct semaphore *semaphore)
{
    assert(engine->sweep == SWEEP_NONE);
    engine->sweep = sweep;
    engine->swept = semaphore;
    engine->swept_next = semaphore == NULL ? 0 : semaphore->holders.first;
}

/* Ends the sweep of a semaphore; of a drain, goes on with the next. */
static void sweep_next(struct engine *engine)
{
    struct semaphore *semaphore = engine->swept;

    if (engine->sweep == SWEEP_DRAINING) {
        engine->swept =
            semaphore_at(engine, tree_next(&engine->names_tree,
                                           semaphore_index(engine, semaphore)));
        return;
    }
    if (engine->sweep == SWEEP_COUNTED) {
        semaphore->counts_shares =
            semaphore->counts_shares || semaphore->per_session != 0;
        engine->sweep = SWEEP_SHRUNK;
        return;
    }
    if (engine->sweep == SWEEP_SHRUNK) {
        engine->sweep = SWEEP_SHARED;
        engine->swept_next = semaphore_first_place(engine, semaphore);
        return;
    }
    engine->swept = NULL;
    if (engine->sweep == SWEEP_DELETED) {
        semaphore_remove_if_idle(engine, semaphore);
    } else {
        semaphore_mark_to_be_served(engine, semaphore);
    }
}

/* Counts the next holder, of a semaphore that is to have shares. Returns false
 * when all are. */
static bool count_step(struct engine *engine)
{
    struct semaphore *semaphore = engine->swept;
    const struct part *part = part_at(engine, engine->swept_next);

    if (part == NULL || semaphore->counts_shares ||
        semaphore->per_session == 0) {
        return false;
    }
    engine->swept_next = part->in_holders.next;
    shares_add(&engine->shares,
               engine_session_index(engine,
                                    acquire_at(engine, part->acquire)->session),
               part->semaphore, part->permits);
    return true;
}

/* Looks at the next waiter again. Returns false when all are. */
static bool look_step(struct engine *engine)
{
    uint32_t place = engine->swept_next;
    struct acquire *acquire;
    unsigned aside;

    if (place == 0) {
        return false;
    }
    engine->swept_next = queue_next(&engine->queues, place);
    acquire =
        acquire_at(engine, queue_place_at(&engine->queues, place)->waiter);
    aside = acquire->aside & ~(unsigned)ENGINE_ASIDE_SHARE;
    if (acquire_is_over_share(engine, acquire)) {
        aside |= ENGINE_ASIDE_SHARE;
    }
    acquire_set_aside(engine, acquire, aside);
    return true;
}

/* Pushes Lost to the next holder of a semaphore that was deleted. Returns false
 * when all have it. */
static bool revoke_step(struct engine *engine)
{
    const struct part *part = part_at(engine, engine->swept_next);
    int64_t grace_ms = engine->event.delete.grace_ms;
    struct acquire *acquire;
    struct engine_record *record;

    if (part == NULL) {
        return false;
    }
    engine->swept_next = part->in_holders.next;
    acquire = acquire_at(engine, part->acquire);
    if (acquire->loss != 0) {
        return true; /* Another of its semaphores was deleted before. */
    }
    record = effect_record(engine, ENGINE_RECORD_REVOKED, acquire->session->id);
    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    record->loss = PERMIT_LOSS_DELETED;
    record->timeout_ms = grace_ms;
    effect_lost(engine, acquire, PERMIT_LOSS_DELETED, grace_ms);
    acquire_revoke(engine, acquire, PERMIT_LOSS_DELETED, grace_ms);
    return true;
}

/* The next waiter that asks for more than can ever be, or NULL. */
static struct acquire *first_impossible(const struct engine *engine,
                                        const struct semaphore *semaphore)
{
    uint32_t most = semaphore->kind == ENGINE_COUNTING ? LIMIT_PERMITS_MAX
                                                       : semaphore->permits;

    if (semaphore->per_session != 0 && semaphore->per_session < most) {
        most = semaphore->per_session;
    }
    return semaphore->shadow
               ? NULL
               : acquire_at(engine, queue_first_above(&engine->queues,
                                                      &semaphore->queue, most));
}

/* Refuses the next waiter of the semaphore that is swept. Returns false if no
 * (further) one is to be refused. */
static bool refuse_step(struct engine *engine)
{
    const struct semaphore *semaphore = engine->swept;
    struct acquire *acquire =
        engine->sweep == SWEEP_SHRUNK
            ? first_impossible(engine, semaphore)
            : acquire_at(engine,
                         queue_first(&engine->queues, &semaphore->queue));

    if (acquire == NULL) {
        return false;
    }
    if (engine->sweep == SWEEP_SHRUNK) {
        acquire_refuse(engine, acquire, PERMIT_E_IMPOSSIBLE,
                       "the semaphore shrank below what was asked for");
    } else if (engine->sweep == SWEEP_DELETED) {
        acquire_refuse(engine, acquire, PERMIT_E_NOT_FOUND,
                       "the semaphore was deleted");
    } else {
        acquire_refuse(engine, acquire, PERMIT_E_DRAINING,
                       "the daemon grants nothing more: ask another");
    }
    return true;
}

/* Returns false when the sweep of this semaphore is done. */
static bool sweep_one(struct engine *engine)
{
    switch (engine->sweep) {
    case SWEEP_NONE: /* Unreached: only a sweep steps. */
        break;
    case SWEEP_COUNTED:
        return count_step(engine);
    case SWEEP_SHARED:
        return look_step(engine);
    case SWEEP_SHRUNK:
    case SWEEP_DRAINING:
        return refuse_step(engine);
    case SWEEP_DELETED:
        return refuse_step(engine) || revoke_step(engine);
    }
    return false;
}

void sweep_step(struct engine *engine)
{
    assert(engine->sweep != SWEEP_NONE);
    if (engine->swept == NULL) {
        engine->sweep = SWEEP_NONE;
    } else if (!sweep_one(engine)) {
        sweep_next(engine);
    }
}
