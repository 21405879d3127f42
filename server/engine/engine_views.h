/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ENGINE_VIEWS_H
#define ENGINE_ENGINE_VIEWS_H

/* What the engine shows of itself: totals, and rows of semaphores, holders,
 * waiters and grants. Part of engine.h.
 *
 * A view is a snapshot as of the latest event, which names point into, until
 * the next event. It changes nothing.
 *
 * Law: rows come in one order that does not depend on how they are asked for.
 */

#include "engine.h"

struct engine_totals {
    uint64_t fence; /* Of the latest grant or session. */
    uint32_t sessions;
    uint32_t sessions_disconnected;
    uint32_t semaphores;
    uint32_t grants;
    uint32_t waiters;
    uint64_t grants_total;
    uint64_t releases_total; /* Whole grants given back by their sessions. */
    uint64_t timeouts_total;
    uint64_t lost_total; /* Grants lost, for whatever reason. */
    /* What all semaphores counted, with those that are gone. */
    uint64_t lost_parts_total[PERMIT_LOSS_COUNT]; /* By loss, less 1. */
    uint64_t would_refuse_total;
    uint64_t would_wait_total;
    bool draining;
};

void engine_get_totals(const struct engine *engine,
                       struct engine_totals *ret_totals);

struct engine_semaphore_view {
    const char *name;
    struct engine_definition definition; /* All fields. */
    uint64_t held;
    uint64_t available; /* BOUNDED: permits - held, not below 0. */
    uint32_t holders;
    uint32_t waiters;
    uint64_t waiting_permits;
    uint64_t fence;          /* Of the latest grant; 0 before the first. */
    uint64_t oldest_wait_ns; /* When the first waiter came; TIME_NEVER. */
    uint64_t oldest_hold_ns; /* When the oldest grant was made; TIME_NEVER. */
    uint64_t grants_total;
    uint64_t timeouts_total;
    uint64_t queue_full_total;
    uint64_t hopeless_total;     /* Refused at once, see refuse_hopeless. */
    uint64_t joined_total;       /* Answered by a holder's outcome. */
    uint64_t would_refuse_total; /* In shadow: granted all the same. */
    uint64_t would_wait_total;
    uint64_t lost_total[PERMIT_LOSS_COUNT]; /* By enum permit_loss, less 1. */
    uint32_t template_bytes; /* The template that made it is so many bytes of
                              * its name, and a star; 0: none did. */
};

struct engine_part_view {
    const char *semaphore;
    uint32_t permits; /* Not given back yet. */
};

enum engine_aside {
    ENGINE_ASIDE_NO = 0,
    ENGINE_ASIDE_SHARE = 1 << 0,       /* Its session would hold too much. */
    ENGINE_ASIDE_DISCONNECTED = 1 << 1 /* Its session has no connection. */
};

struct engine_grant_view {
    uint64_t grant_id;
    uint64_t session_id;
    uint64_t acquire_id;
    struct engine_part_view parts[LIMIT_PARTS_MAX];
    uint32_t parts_count;
    uint64_t granted_ns;
    int64_t waited_ms;
    uint64_t expires_ns; /* End of its hold or grace; TIME_NEVER. */
    bool lost;           /* Lost was pushed, its grace is not over. */
};

struct engine_waiter_view {
    uint64_t session_id;
    uint64_t acquire_id;
    uint64_t position; /* 1 is the first in the queue that was asked for, of
                        * one acquire in that of its obstacle. */
    struct engine_part_view parts[LIMIT_PARTS_MAX];
    uint32_t parts_count;
    uint32_t priority;
    uint64_t queued_ns;
    uint64_t deadline_ns; /* TIME_NEVER: none. */
    uint32_t aside;       /* enum engine_aside, added up. */
};

/* Returns false if there is no such semaphore. */
bool engine_view_semaphore(const struct engine *engine, const char *name,
                           struct engine_semaphore_view *ret_view);

/* Fill at most views_max rows from row `offset` on and return how many;
 * *ret_total is how many there are in all. Semaphores whose names begin with
 * `prefix`, in the order of their names' bytes, in O(log n + rows); holders of
 * a semaphore, oldest first; its waiters, in the order of the queue, in
 * O(log n + rows). An unknown semaphore has 0 of them. */
size_t engine_view_semaphores(const struct engine *engine, const char *prefix,
                              size_t offset,
                              struct engine_semaphore_view *views,
                              size_t views_max, size_t *ret_total);
size_t engine_view_holders(const struct engine *engine, const char *semaphore,
                           size_t offset, struct engine_grant_view *views,
                           size_t views_max, size_t *ret_total);
size_t engine_view_waiters(const struct engine *engine, const char *semaphore,
                           size_t offset, struct engine_waiter_view *views,
                           size_t views_max, size_t *ret_total);

/* The waiter, or the grant, of one acquire of a session. Returns false if there
 * is none. */
bool engine_view_waiter(const struct engine *engine, uint64_t session_id,
                        uint64_t acquire_id,
                        struct engine_waiter_view *ret_view,
                        struct engine_obstacle *ret_obstacle);
bool engine_view_grant(const struct engine *engine, uint64_t session_id,
                       uint64_t acquire_id, struct engine_grant_view *ret_view);

/* Write slots in their order, and return how many. Of one part of a grant that
 * is held (none if its semaphore has no slots, or nobody holds it); and those
 * of an answer. */
size_t engine_view_slots(const struct engine *engine, uint64_t grant_id,
                         const char *semaphore, uint32_t list[LIMIT_SLOTS_MAX]);
size_t engine_slots_list(const struct engine_slots *slots,
                         uint32_t list[LIMIT_SLOTS_MAX]);

/* As holders of a semaphore, but of a session: what it holds, oldest first. */
size_t engine_view_session_grants(const struct engine *engine,
                                  uint64_t session_id, size_t offset,
                                  struct engine_grant_view *views,
                                  size_t views_max, size_t *ret_total);

struct engine_session_view {
    bool connected;
    int64_t linger_ms;
    uint32_t grants;
    uint32_t waiters;
};

/* Returns false if there is no such session. */
bool engine_view_session(const struct engine *engine, uint64_t session_id,
                         struct engine_session_view *ret_view);

#endif
