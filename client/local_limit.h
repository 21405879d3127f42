/* SPDX-License-Identifier: MIT */
#ifndef LOCAL_LIMIT_H
#define LOCAL_LIMIT_H

/* A limit within the process, the same for each semaphore's name, for while the
 * daemon is away: who has it, and who waits for it.
 *
 * It knows nothing of the daemon's limits and grants, has no clock, no lock and
 * no thread: whoever drives it says when a wait is over, and pulls those that
 * ended.
 *
 * Law: of one name no more than `permits` are out, waiters are served in the
 * order in which they came, and nobody passes one of them. A name takes memory
 * only while somebody has it or waits for it. */

#include <stdbool.h>
#include <stdint.h>

#include "permit/request.h"

#define LOCAL_LIMIT_NONE UINT32_MAX /* As `permits`: everything is granted. */
#define LOCAL_LIMIT_NAMES_MAX 256u  /* At a time. */
#define LOCAL_LIMIT_WAITS_MAX 65536u
#define LOCAL_LIMIT_TEXT                                                       \
    "the daemon is away, and the client's own permits are taken"

struct local_name;

/* One that waits: embedded in what it stands for. */
struct local_wait {
    void *arg; /* Of whoever waits. */
    struct local_name *name;
    uint32_t permits;
    int64_t until_ns;
    bool has_ended;
    bool is_granted;         /* Once it has ended; else its time was over. */
    struct local_wait *next; /* Of its name, or of those that ended. */
    struct local_wait *prev;
    struct local_wait *next_due; /* Of all that wait, by until_ns. */
    struct local_wait *prev_due;
};

struct local_limit {
    struct permit_allocator allocator;
    uint32_t permits;
    struct local_name *names;
    uint32_t names_count;
    uint32_t waits_count;
    struct local_wait *due;
    struct local_wait *ended;
};

enum local_answer {
    LOCAL_TAKEN = 1,
    LOCAL_WAITS, /* Somebody has it, or is before it. */
    LOCAL_NEVER  /* More than `permits`, or no memory or name left for it. */
};

void local_limit_init(struct local_limit *limit,
                      const struct permit_allocator *allocator,
                      uint32_t permits);

/* Nobody waits any more; what is out is forgotten. */
void local_limit_deinit(struct local_limit *limit);

/* Is the limit for a request that ended so? For one that no server had, or that
 * none answered, if anything is granted here at all; never for one that a
 * server has refused, or where what listens is none. */
bool local_limit_serves(const struct local_limit *limit,
                        enum permit_status status);

/* Takes `permits` (at least 1) of `name`, which is copied. On LOCAL_TAKEN the
 * caller owns them, to be given back with local_limit_give() of *ret_name. On
 * LOCAL_WAITS it may call local_limit_wait() with *ret_name, before anything
 * else is done with the limit. */
enum local_answer local_limit_take(struct local_limit *limit, const char *name,
                                   uint32_t permits,
                                   struct local_name **ret_name);

/* Gives back; those behind are served. */
void local_limit_give(struct local_limit *limit, struct local_name *name,
                      uint32_t permits);

/* Waits until until_ns; wait->arg is kept, the rest is set. Returns false if
 * too many wait already. */
bool local_limit_wait(struct local_limit *limit, struct local_wait *wait,
                      struct local_name *name, uint32_t permits,
                      int64_t until_ns);

/* It waits no longer, or does without what it got; not once it was taken by
 * local_limit_next(). */
void local_limit_cancel(struct local_limit *limit, struct local_wait *wait);

/* Takes the next wait that has ended, by a grant or by its time. Returns NULL
 * if there is none. What it was granted is to be given back as if taken; if it
 * was not, wait->name is gone. */
struct local_wait *local_limit_next(struct local_limit *limit, int64_t now_ns);

/* When to call local_limit_next() at the latest; INT64_MAX: nobody waits. */
int64_t local_limit_deadline(const struct local_limit *limit);

#endif
