/* SPDX-License-Identifier: MIT */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/* What happens to the engine: random events that collide often.
 *
 * Few names, few sessions, small numbers, times on a grid of milliseconds and
 * around the deadlines. Each seed has its own mix, and some have a crowd: so
 * many waiters and grants that one call of the engine cannot do the work. It
 * looks at the model, so that its events hit what is there.
 *
 * Law: what it makes follows from the seed and the model alone. */

#include "engine.h"
#include "model.h"
#include "random.h"

#define WORLD_FIRST_FENCE UINT64_C(1000)

enum world_clock {
    WORLD_STANDS = 1,
    WORLD_NEXT_MS,
    WORLD_SOME_NS,
    WORLD_AT_DEADLINE,
    WORLD_BEFORE_DEADLINE,
    WORLD_AFTER_DEADLINE,
    WORLD_FAR,
    WORLD_CLOCKS
};

struct world {
    struct random random;
    struct engine_limits limits;
    uint64_t now_ns;
    uint64_t next_request_id; /* One row for all: so they rise in each. */
    uint32_t names;           /* How many are in use. */
    uint32_t defined;         /* How many of them were defined at first. */
    uint32_t sessions;        /* How many it keeps open. */
    uint32_t permits_max;
    uint32_t span_ms; /* Of waits, holds and graces. */
    int64_t priority_step_ms;
    uint32_t template_percent; /* Of names that templates make. */
    uint32_t several_percent;  /* Of acquires of several semaphores. */
    uint32_t rate_percent;     /* Of definitions. */
    uint32_t bypass_percent;
    uint32_t share_percent;
    uint32_t shadow_percent;
    uint32_t hopeless_percent;
    uint32_t priority_percent; /* Of acquires. */
    uint32_t join_percent;
    struct engine_part parts[LIMIT_PARTS_MAX]; /* Of the latest event. */
    struct engine_event latest;
    bool crowd;
    uint32_t event_weights[ENGINE_DRAIN + 1];
    uint32_t clock_weights[WORLD_CLOCKS];
};

/* Begins the world of a seed. */
void world_init(struct world *world, uint64_t seed);

/* Makes the next event. Its strings are constant, its parts the world's, until
 * the next. */
struct engine_event world_next(struct world *world, const struct model *model);

/* The hash that the world gives to the body of a request. */
uint64_t world_body_hash(uint64_t request_id);

/* One of the names that semaphores may have, by its number below WORLD_NAMES:
 * first those that are defined at the beginning, last those of templates. */
#define WORLD_PLAIN_NAMES 8
#define WORLD_TEMPLATES 3
#define WORLD_NAMES 16
const char *world_name(uint32_t number);

/* The constant that is the same name; of one that is not in the list another.
 */
const char *world_same_name(const char *name);

/* ------------------------------------------- shared by the parts of the world
 */

/* Fills the words of an event of event->type. */
void world_make_words(struct world *world, const struct model *model,
                      struct engine_event *event);

/* The id of an acquire: of a grant, of a waiter, of a loss or of nothing. Sets
 * the session, too, unless it is to be a foreign one. */
uint64_t world_some_acquire(struct world *world, const struct model *model,
                            uint64_t *session_id);
void world_make_acquire(struct world *world, const struct model *model,
                        struct engine_event *event);
void world_make_release(struct world *world, const struct model *model,
                        struct engine_event *event);
void world_make_settle(struct world *world, const struct model *model,
                       struct engine_event *event);

/* Mostly a semaphore that is there, or would be made; kind 0 is any. */
const char *world_some_name(struct world *world, const struct model *model,
                            enum engine_kind kind);
const char *world_name_to_define(struct world *world);
uint32_t world_some_permits(struct world *world);
int64_t world_some_ms(struct world *world);

#endif
