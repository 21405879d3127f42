/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "changes.h"
#include "claims.h"

uint64_t engine_next_deadline(const struct engine *engine)
{
    const struct deadline *first = deadlines_first(&engine->deadlines);

    if (first == NULL) {
        return TIME_NEVER;
    }
    return engine->is_started ? first->time_ns : 0;
}

uint64_t engine_now_ns(const struct engine *engine)
{
    return engine->now_ns;
}

uint64_t engine_seq(const struct engine *engine)
{
    return engine->seq;
}

void engine_get_totals(const struct engine *engine,
                       struct engine_totals *ret_totals)
{
    assert(ret_totals != NULL);
    *ret_totals = (struct engine_totals){
        .fence = engine->fence,
        .sessions = engine->sessions.used,
        .sessions_disconnected = engine->sessions_disconnected,
        .semaphores = tree_size(&engine->names_tree, engine->names_root),
        .grants = acquire_count(engine, ACQUIRE_HELD),
        .waiters = acquire_count(engine, ACQUIRE_WAITING),
        .grants_total = engine->grants_total,
        .releases_total = engine->releases_total,
        .timeouts_total = engine->timeouts_total,
        .lost_total = engine->lost_total,
        .would_refuse_total = engine->would_refuse_total,
        .would_wait_total = engine->would_wait_total,
        .draining = engine->is_draining,
    };
    memcpy(ret_totals->lost_parts_total, engine->lost_parts_total,
           sizeof(ret_totals->lost_parts_total));
}

/* When it came, or was granted: what was restored, at the first event. */
static uint64_t since_ns(const struct engine *engine,
                         const struct acquire *acquire)
{
    return acquire == NULL                          ? TIME_NEVER
           : acquire->since_ns < engine->started_ns ? engine->started_ns
                                                    : acquire->since_ns;
}

static const struct acquire *oldest_holder(const struct engine *engine,
                                           const struct semaphore *semaphore)
{
    const struct part *part = part_at(engine, semaphore->holders.first);

    return part == NULL ? NULL : acquire_at(engine, part->acquire);
}

static void fill_rare(const struct engine *engine,
                      const struct semaphore *semaphore,
                      struct engine_semaphore_view *view)
{
    const struct rarity *rarity;

    if (semaphore->rarity == 0) {
        return;
    }
    rarity = pool_at(&engine->rarities, semaphore->rarity);
    view->hopeless_total = rarity->hopeless_total;
    view->joined_total = rarity->joined_total;
    view->would_refuse_total = rarity->would_refuse_total;
    view->would_wait_total = rarity->would_wait_total;
}

static void fill_semaphore(const struct engine *engine,
                           const struct semaphore *semaphore,
                           struct engine_semaphore_view *ret_view)
{
    int64_t free_permits = semaphore_free_permits(engine, semaphore);

    assert(!semaphore->is_deleted);
    *ret_view = (struct engine_semaphore_view){
        .name = semaphore->name,
        .definition = semaphore_definition(engine, semaphore),
        .held = semaphore->held,
        .available = free_permits > 0 ? (uint64_t)free_permits : 0,
        .holders = semaphore->holders.count,
        .waiters = queue_count(&engine->queues, &semaphore->queue),
        .waiting_permits = semaphore->queue.permits,
        .fence = semaphore->fence,
        .oldest_wait_ns = since_ns(
            engine, acquire_at(engine, queue_first(&engine->queues,
                                                   &semaphore->queue))),
        .oldest_hold_ns = since_ns(engine, oldest_holder(engine, semaphore)),
        .grants_total = semaphore->grants_total,
        .timeouts_total = semaphore->timeouts_total,
        .queue_full_total = semaphore->queue_full_total,
        .template_bytes = semaphore->template_bytes,
    };
    fill_rare(engine, semaphore, ret_view);
    memcpy(ret_view->lost_total, semaphore->lost_total,
           sizeof(ret_view->lost_total));
}

static uint32_t fill_parts(const struct engine *engine,
                           const struct acquire *acquire,
                           struct engine_part_view parts[LIMIT_PARTS_MAX])
{
    uint32_t count = 0;

    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        parts[count++] = (struct engine_part_view){
            .semaphore = semaphore_at(engine, part->semaphore)->name,
            .permits = part->permits};
    }
    return count;
}

static void fill_grant(const struct engine *engine,
                       const struct acquire *acquire,
                       struct engine_grant_view *ret_view)
{
    assert(acquire->state == ACQUIRE_HELD);
    *ret_view = (struct engine_grant_view){
        .grant_id = acquire->grant_id,
        .session_id = acquire->session->id,
        .acquire_id = acquire->request_id,
        .granted_ns = since_ns(engine, acquire),
        .waited_ms = acquire->waited_ms,
        .expires_ns = acquire->deadline.position == 0
                          ? TIME_NEVER
                          : acquire->deadline.time_ns,
        .lost = acquire->loss != 0,
    };
    ret_view->parts_count = fill_parts(engine, acquire, ret_view->parts);
}

static void fill_waiter(const struct engine *engine,
                        const struct acquire *acquire, uint64_t position,
                        struct engine_waiter_view *ret_view)
{
    assert(acquire->state == ACQUIRE_WAITING);
    *ret_view = (struct engine_waiter_view){
        .session_id = acquire->session->id,
        .acquire_id = acquire->request_id,
        .position = position,
        .priority = acquire->priority,
        .queued_ns = acquire->since_ns,
        .deadline_ns = acquire->deadline.position == 0
                           ? TIME_NEVER
                           : acquire->deadline.time_ns,
        .aside = acquire->aside,
    };
    ret_view->parts_count = fill_parts(engine, acquire, ret_view->parts);
}

bool engine_view_semaphore(const struct engine *engine, const char *name,
                           struct engine_semaphore_view *ret_view)
{
    const struct semaphore *semaphore = semaphore_find(engine, name);

    assert(ret_view != NULL);
    if (semaphore == NULL) {
        return false;
    }
    fill_semaphore(engine, semaphore, ret_view);
    return true;
}

/* How many names come before those with the prefix; with_them: and they too. */
static uint32_t prefix_rank(const struct engine *engine, const char *prefix,
                            bool with_them)
{
    size_t length = strlen(prefix);
    uint32_t index = engine->names_root;
    uint32_t rank = 0;

    while (index != 0) {
        const struct semaphore *semaphore = semaphore_at(engine, index);
        int order = strncmp(semaphore->name, prefix, length);
        if (order < 0 || (order == 0 && with_them)) {
            rank += 1 + tree_size(&engine->names_tree, semaphore->by_name.left);
            index = semaphore->by_name.right;
        } else {
            index = semaphore->by_name.left;
        }
    }
    return rank;
}

size_t engine_view_semaphores(const struct engine *engine, const char *prefix,
                              size_t offset,
                              struct engine_semaphore_view *views,
                              size_t views_max, size_t *ret_total)
{
    uint32_t before = prefix_rank(engine, prefix, false);
    uint32_t total = prefix_rank(engine, prefix, true) - before;
    size_t count = 0;
    uint32_t index = 0;

    assert(views != NULL || views_max == 0);
    if (offset < total) {
        index = tree_nth(&engine->names_tree, engine->names_root,
                         before + (uint32_t)offset);
    }
    while (count < views_max && offset + count < total) {
        fill_semaphore(engine, semaphore_at(engine, index), &views[count++]);
        index = tree_next(&engine->names_tree, index);
    }
    *ret_total = total;
    return count;
}

size_t engine_view_holders(const struct engine *engine, const char *semaphore,
                           size_t offset, struct engine_grant_view *views,
                           size_t views_max, size_t *ret_total)
{
    const struct semaphore *found = semaphore_find(engine, semaphore);
    const struct part *part;
    size_t count = 0;

    assert(views != NULL || views_max == 0);
    *ret_total = found == NULL ? 0 : found->holders.count;
    if (offset >= *ret_total) {
        return 0;
    }
    part = part_at(engine, found->holders.first);
    for (; offset > 0; offset--) {
        part = part_at(engine, part->in_holders.next);
    }
    while (count < views_max && part != NULL) {
        fill_grant(engine, acquire_at(engine, part->acquire), &views[count++]);
        part = part_at(engine, part->in_holders.next);
    }
    return count;
}

size_t engine_view_waiters(const struct engine *engine, const char *semaphore,
                           size_t offset, struct engine_waiter_view *views,
                           size_t views_max, size_t *ret_total)
{
    const struct semaphore *found = semaphore_find(engine, semaphore);
    uint32_t place;
    size_t count = 0;

    assert(views != NULL || views_max == 0);
    *ret_total =
        found == NULL ? 0 : queue_count(&engine->queues, &found->queue);
    if (offset >= *ret_total) {
        return 0;
    }
    place = tree_nth(&engine->queues.tree, found->queue.root, (uint32_t)offset);
    while (count < views_max && place != 0) {
        fill_waiter(
            engine,
            acquire_at(engine, queue_place_at(&engine->queues, place)->waiter),
            offset + count + 1, &views[count]);
        count++;
        place = queue_next(&engine->queues, place);
    }
    return count;
}

size_t engine_view_session_grants(const struct engine *engine,
                                  uint64_t session_id, size_t offset,
                                  struct engine_grant_view *views,
                                  size_t views_max, size_t *ret_total)
{
    struct session *session = engine_session_find(engine, session_id);
    const struct list *list;
    const struct acquire *acquire;
    size_t count = 0;

    assert(views != NULL || views_max == 0);
    *ret_total = 0;
    if (session == NULL) {
        return 0;
    }
    list = engine_session_list(session, ACQUIRE_HELD);
    *ret_total = list->count;
    acquire = acquire_at(engine, list->first);
    for (; offset > 0 && acquire != NULL; offset--) {
        acquire = acquire_at(engine, acquire->in_session.next);
    }
    while (count < views_max && acquire != NULL) {
        fill_grant(engine, acquire, &views[count++]);
        acquire = acquire_at(engine, acquire->in_session.next);
    }
    return count;
}

/* The chain falls. */
size_t engine_view_slots(const struct engine *engine, uint64_t grant_id,
                         const char *semaphore, uint32_t list[LIMIT_SLOTS_MAX])
{
    const struct acquire *acquire = acquire_find_grant(engine, grant_id);
    const struct part *part = acquire == NULL || acquire->state != ACQUIRE_HELD
                                  ? NULL
                                  : part_at(engine, acquire->parts);
    const struct slot_map *slot_map;
    size_t count = 0;

    while (part != NULL && strcmp(semaphore_at(engine, part->semaphore)->name,
                                  semaphore) != 0) {
        part = part_at(engine, part->next);
    }
    if (part == NULL || part->slots == 0) {
        return 0;
    }
    slot_map =
        semaphore_slot_map(engine, semaphore_at(engine, part->semaphore));
    for (uint32_t next = part->slots; next != 0;
         next = slot_map->next[next - 1]) {
        count++;
        list[part->permits - count] = next - 1;
    }
    assert(count == part->permits);
    return count;
}

bool engine_view_session(const struct engine *engine, uint64_t session_id,
                         struct engine_session_view *ret_view)
{
    struct session *session = engine_session_find(engine, session_id);

    if (session == NULL) {
        return false;
    }
    *ret_view = (struct engine_session_view){
        .connected = session->is_connected,
        .linger_ms = session->linger_ms,
        .grants = engine_session_list(session, ACQUIRE_HELD)->count,
        .waiters = engine_session_list(session, ACQUIRE_WAITING)->count};
    return true;
}

/* The acquire of a session in one state, or NULL. */
static const struct acquire *find(const struct engine *engine,
                                  uint64_t session_id, uint64_t acquire_id,
                                  enum acquire_state state)
{
    const struct session *session = engine_session_find(engine, session_id);
    const struct acquire *acquire =
        session == NULL ? NULL : acquire_find(engine, session, acquire_id);

    return acquire != NULL && acquire->state == state ? acquire : NULL;
}

bool engine_view_waiter(const struct engine *engine, uint64_t session_id,
                        uint64_t acquire_id,
                        struct engine_waiter_view *ret_view,
                        struct engine_obstacle *ret_obstacle)
{
    const struct acquire *acquire =
        find(engine, session_id, acquire_id, ACQUIRE_WAITING);
    struct claim claim;
    uint32_t part = 0;

    if (acquire == NULL) {
        return false;
    }
    claim_of_waiter(engine, acquire, &claim);
    /* It may fit, and be set aside as its session has no connection. */
    (void)claim_fits(engine, &claim, &part);
    claim_obstacle(engine, &claim, part, ret_obstacle);
    fill_waiter(engine, acquire, ret_obstacle->position, ret_view);
    return true;
}

bool engine_view_grant(const struct engine *engine, uint64_t session_id,
                       uint64_t acquire_id, struct engine_grant_view *ret_view)
{
    const struct acquire *acquire =
        find(engine, session_id, acquire_id, ACQUIRE_HELD);

    if (acquire == NULL) {
        return false;
    }
    fill_grant(engine, acquire, ret_view);
    return true;
}
