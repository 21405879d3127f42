/* SPDX-License-Identifier: MIT */
#include "local_limit.h"

#include <assert.h>
#include <string.h>

#include <utlist.h>

#include "memory.h"

struct local_name {
    uint32_t out;
    struct local_wait *waits;
    struct local_name *next;
    struct local_name *prev;
    char text[];
};

void local_limit_init(struct local_limit *limit,
                      const struct permit_allocator *allocator,
                      uint32_t permits)
{
    *limit = (struct local_limit){.allocator = *allocator, .permits = permits};
}

void local_limit_deinit(struct local_limit *limit)
{
    struct local_name *name;
    struct local_name *next;

    assert(limit->due == NULL && limit->ended == NULL);
    DL_FOREACH_SAFE(limit->names, name, next)
    {
        memory_give(&limit->allocator, name);
    }
    limit->names = NULL;
    limit->names_count = 0;
}

/* --------------------------------------------------------------------- names
 */

static struct local_name *find(struct local_limit *limit, const char *text)
{
    struct local_name *name;

    DL_FOREACH(limit->names, name)
    {
        if (strcmp(name->text, text) == 0) {
            return name;
        }
    }
    return NULL;
}

/* Returns NULL if there is no memory or no room for it. */
static struct local_name *add(struct local_limit *limit, const char *text)
{
    size_t bytes = strlen(text) + 1;
    struct local_name *name =
        limit->names_count == LOCAL_LIMIT_NAMES_MAX
            ? NULL
            : memory_take(&limit->allocator, sizeof(*name) + bytes);

    if (name != NULL) {
        memcpy(name->text, text, bytes);
        DL_APPEND(limit->names, name);
        limit->names_count++;
    }
    return name;
}

static void remove_if_idle(struct local_limit *limit, struct local_name *name)
{
    if (name->out == 0 && name->waits == NULL) {
        DL_DELETE(limit->names, name);
        limit->names_count--;
        memory_give(&limit->allocator, name);
    }
}

/* --------------------------------------------------------------------- waits
 */

static void end(struct local_limit *limit, struct local_wait *wait,
                bool is_granted)
{
    assert(!wait->has_ended);
    DL_DELETE(wait->name->waits, wait);
    DL_DELETE2(limit->due, wait, prev_due, next_due);
    limit->waits_count--;
    wait->has_ended = true;
    wait->is_granted = is_granted;
    DL_APPEND(limit->ended, wait);
}

/* Grants to those who wait, in their order, as long as it is enough. */
static void serve(struct local_limit *limit, struct local_name *name)
{
    struct local_wait *wait = name->waits;

    while (wait != NULL && wait->permits <= limit->permits - name->out) {
        name->out += wait->permits;
        end(limit, wait, true);
        wait = name->waits;
    }
}

bool local_limit_wait(struct local_limit *limit, struct local_wait *wait,
                      struct local_name *name, uint32_t permits,
                      int64_t until_ns)
{
    struct local_wait *place = limit->due == NULL ? NULL : limit->due->prev_due;

    assert(permits > 0 && permits <= limit->permits);
    if (limit->waits_count == LOCAL_LIMIT_WAITS_MAX) {
        return false;
    }
    limit->waits_count++;
    *wait = (struct local_wait){.arg = wait->arg,
                                .name = name,
                                .permits = permits,
                                .until_ns = until_ns};
    DL_APPEND(name->waits, wait);
    /* From the end: whoever comes later mostly waits until later. */
    while (place != NULL && place->until_ns > until_ns) {
        place = place == limit->due ? NULL : place->prev_due;
    }
    DL_APPEND_ELEM2(limit->due, place, wait, prev_due, next_due);
    return true;
}

void local_limit_cancel(struct local_limit *limit, struct local_wait *wait)
{
    struct local_name *name = wait->name;

    if (!wait->has_ended) {
        end(limit, wait, false);
    }
    DL_DELETE(limit->ended, wait);
    if (wait->is_granted) {
        local_limit_give(limit, name, wait->permits);
    } else if (name != NULL) {
        serve(limit, name);
        remove_if_idle(limit, name);
    }
}

struct local_wait *local_limit_next(struct local_limit *limit, int64_t now_ns)
{
    struct local_wait *wait = limit->due;

    while (wait != NULL && wait->until_ns <= now_ns) {
        struct local_name *name = wait->name;

        end(limit, wait, false);
        wait->name = NULL;
        serve(limit, name);
        remove_if_idle(limit, name);
        wait = limit->due;
    }
    wait = limit->ended;
    if (wait != NULL) {
        DL_DELETE(limit->ended, wait);
    }
    return wait;
}

int64_t local_limit_deadline(const struct local_limit *limit)
{
    if (limit->ended != NULL) {
        return 0;
    }
    return limit->due == NULL ? INT64_MAX : limit->due->until_ns;
}

/* ------------------------------------------------------------- take and give
 */

bool local_limit_serves(const struct local_limit *limit,
                        enum permit_status status)
{
    return limit->permits > 0 &&
           (status == PERMIT_E_DISCONNECTED || status == PERMIT_E_NO_ANSWER);
}

enum local_answer local_limit_take(struct local_limit *limit, const char *name,
                                   uint32_t permits,
                                   struct local_name **ret_name)
{
    struct local_name *found = NULL;

    assert(permits > 0);
    if (limit->permits == LOCAL_LIMIT_NONE) {
        *ret_name = NULL;
        return LOCAL_TAKEN;
    }
    if (permits <= limit->permits) {
        found = find(limit, name);
        found = found != NULL ? found : add(limit, name);
    }
    if (found == NULL) {
        return LOCAL_NEVER;
    }
    *ret_name = found;
    if (found->waits != NULL || permits > limit->permits - found->out) {
        return LOCAL_WAITS;
    }
    found->out += permits;
    return LOCAL_TAKEN;
}

void local_limit_give(struct local_limit *limit, struct local_name *name,
                      uint32_t permits)
{
    if (name == NULL) {
        return; /* Without a limit nothing is counted. */
    }
    assert(permits <= name->out);
    name->out -= permits;
    serve(limit, name);
    remove_if_idle(limit, name);
}
