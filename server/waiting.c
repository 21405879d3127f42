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
                 struct wire_waiting *ret_waiting, uint64_t *ret_oldest)
{
    const struct sessions *sessions = watcher->session->all;
    const struct engine *engine = sessions->options.engine;
    struct engine_waiter_view waiter;
    struct engine_semaphore_view semaphore;
    struct engine_grant_view oldest;
    size_t holders;

    if (!engine_view_waiter(engine, watcher->session->id, watcher->acquire_id,
                            &waiter) ||
        !engine_view_semaphore(engine, waiter.semaphore, &semaphore)) {
        return false;
    }
    *ret_waiting =
        (struct wire_waiting){.position = waiter.position,
                              .queue_length = semaphore.waiters,
                              .held = semaphore.held,
                              .permits = semaphore.definition.permits};
    *ret_oldest = 0;
    if (engine_view_holders(engine, waiter.semaphore, 0, &oldest, 1,
                            &holders) == 1) {
        *ret_oldest = oldest.grant_id;
        ret_waiting->has_oldest = true;
        ret_waiting->oldest_held_ms = age_ms(now_ns, oldest.granted_ns);
        session_describe(sessions, oldest.session_id, &ret_waiting->oldest);
    }
    return true;
}

static void push(struct watcher *watcher, uint64_t now_ns)
{
    struct wire_server_message message = {.id = watcher->acquire_id,
                                          .type = WIRE_WAITING};
    struct wire_waiting *waiting = &message.waiting;
    uint64_t oldest;

    if (!look(watcher, now_ns, waiting, &oldest)) {
        return; /* Its answer is on its way. */
    }
    if (waiting->position == watcher->sent.position &&
        waiting->queue_length == watcher->sent.queue_length &&
        waiting->held == watcher->sent.held &&
        waiting->permits == watcher->sent.permits &&
        oldest == watcher->sent_oldest) {
        return;
    }
    watcher->sent = *waiting;
    watcher->sent_oldest = oldest;
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
