/* SPDX-License-Identifier: MIT */
/* Waiting pushes: where an acquire stands in its queue, told when it begins to
 * wait and then at most once a second, if something changed. */
#include "session_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define PERIOD_NS (1000 * NS_PER_MS)
#define WATCHERS_MAX 256 /* Looked at in one call. */

struct watcher *watcher_create(struct session *session, uint64_t acquire_id)
{
    struct watcher *watcher = calloc(1, sizeof(*watcher));

    if (watcher != NULL) {
        watcher->session = session;
        watcher->acquire_id = acquire_id;
    }
    return watcher;
}

void watcher_start(struct watcher *watcher)
{
    watcher->due_ns = 0; /* At once, so before all others. */
    DL_PREPEND(watcher->session->all->watchers, watcher);
    DL_APPEND2(watcher->session->watchers, watcher, prev_own, next_own);
}

/* Takes it off all lists. */
static void stop(struct watcher *watcher)
{
    DL_DELETE2(watcher->session->watchers, watcher, prev_own, next_own);
    DL_DELETE(watcher->session->all->watchers, watcher);
    free(watcher);
}

void watcher_stop(struct session *session, uint64_t acquire_id)
{
    struct watcher *watcher;

    /* In the order of arrival, so those that a queue serves are in front. */
    DL_FOREACH2(session->watchers, watcher, next_own)
    {
        if (watcher->acquire_id == acquire_id) {
            stop(watcher);
            return;
        }
    }
}

void watcher_stop_all(struct session *session)
{
    struct watcher *watcher;
    struct watcher *next;

    DL_FOREACH_SAFE2(session->watchers, watcher, next, next_own)
    {
        stop(watcher);
    }
}

/* Returns false if the acquire waits no more. */
static bool look(const struct watcher *watcher, uint64_t now_ns,
                 struct wire_waiting *ret_waiting, struct watched *ret_facts)
{
    const struct sessions *sessions = watcher->session->all;
    const struct engine *engine = sessions->options.engine;
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;
    struct engine_semaphore_view semaphore;

    if (!engine_view_waiter(engine, watcher->session->id, watcher->acquire_id,
                            &waiter, &obstacle) ||
        obstacle.semaphore == NULL ||
        !engine_view_semaphore(engine, obstacle.semaphore, &semaphore)) {
        return false;
    }
    *ret_facts =
        (struct watched){.position = obstacle.position,
                         .permits_in_the_way = obstacle.permits_in_the_way,
                         .queue_length = semaphore.waiters,
                         .held = semaphore.held,
                         .permits = semaphore.definition.kind == ENGINE_RATE
                                        ? semaphore.definition.burst
                                        : semaphore.definition.permits,
                         .semaphore_hash = session_hash_name(semaphore.name),
                         .oldest_session_id = obstacle.oldest_session_id,
                         .oldest_hold_ns = obstacle.oldest_hold_ns};
    *ret_waiting = (struct wire_waiting){
        .semaphore = semaphore.name,
        .position = ret_facts->position,
        .permits_in_the_way = ret_facts->permits_in_the_way,
        .retry_after_ms = session_ms(obstacle.retry_after_ms),
        .queue_length = ret_facts->queue_length,
        .held = ret_facts->held,
        .permits = ret_facts->permits};
    if (obstacle.oldest_session_id != 0) {
        ret_waiting->has_oldest = true;
        ret_waiting->oldest_held_ms = age_ms(now_ns, obstacle.oldest_hold_ns);
        session_describe(sessions, obstacle.oldest_session_id,
                         &ret_waiting->oldest);
    }
    return true;
}

static void push(struct watcher *watcher, uint64_t now_ns)
{
    struct wire_server_message message = {.id = watcher->acquire_id,
                                          .type = WIRE_WAITING};
    struct watched facts;

    if (!look(watcher, now_ns, &message.waiting, &facts)) {
        return; /* Its answer is on its way. */
    }
    if (memcmp(&facts, &watcher->told, sizeof(facts)) == 0) {
        return;
    }
    watcher->told = facts;
    session_send(watcher->session, &message, false);
}

void sessions_push_waiting(struct sessions *sessions, uint64_t now_ns,
                           bool (*can_push)(void *arg, uint64_t connection_id),
                           void *arg)
{
    struct watcher *watcher;

    for (uint32_t i = 0; i < WATCHERS_MAX; i++) {
        watcher = sessions->watchers;
        if (watcher == NULL || watcher->due_ns > now_ns ||
            sessions_have_work(sessions)) {
            break;
        }
        if (can_push(arg, watcher->session->connection_id)) {
            push(watcher, now_ns);
        }
        watcher->due_ns = now_ns + PERIOD_NS;
        DL_DELETE(sessions->watchers, watcher);
        DL_APPEND(sessions->watchers, watcher);
    }
}

uint64_t sessions_waiting_due(const struct sessions *sessions, uint64_t now_ns)
{
    const struct watcher *watcher = sessions->watchers;

    return watcher == NULL || watcher->due_ns > now_ns + PERIOD_NS
               ? now_ns + PERIOD_NS
               : watcher->due_ns;
}
