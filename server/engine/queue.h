/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

/* Queues of waiters, in the order of one key: (key_ns, arrival number).
 *
 * A place in a queue is an object of its own, so that one waiter can stand in
 * several. A place that is set aside keeps its key, is not served and blocks
 * nobody; one that is not is eligible. A place counts its passes: how many
 * grants went to later keys. One is exhausted if it is eligible and has no
 * passes left, that is at least `bypass` of them; it blocks all behind it.
 * The queue does not know what a waiter is, nor whether it fits.
 *
 * Law: everything is O(log n), from the middle as from the ends; no recursion.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "tree.h"

#define QUEUE_NUMBER_BITS 48        /* Of an arrival number. */
#define QUEUE_PASSES_MAX UINT16_MAX /* They are not counted any further. */

struct queue_place {
    struct tree_node node;
    uint32_t waiter; /* What the caller calls it. */
    uint64_t key_ns;
    uint64_t number : QUEUE_NUMBER_BITS;
    uint64_t passes : 16; /* Those that are put off above it come on top. */
    uint32_t permits : 31;
    uint32_t is_set_aside : 1;
    uint16_t passes_put_off; /* For all below it, but not for itself. */
    uint16_t passes_max;     /* Of its subtree's eligible ones, itself too, */
    uint32_t permits_min;    /* like this; 0 if there is none; */
    uint32_t permits_max;    /* of all in its subtree; */
    uint64_t eligible_permits;
};

_Static_assert(sizeof(struct queue_place) == 64,
               "a waiter has one in each of its queues");

struct queue {
    uint32_t root;
    uint64_t permits; /* That all ask for, set aside or not. */
};

/* The places of all queues. */
struct queues {
    struct pool places;
    struct tree tree;
    uint64_t secret;
};

/* Returns false without memory. */
bool queues_init(struct queues *queues, uint32_t places_max, uint64_t secret);

/* Accepts zeroes. */
void queues_deinit(struct queues *queues);

/* Returns the place, which has no passes; there must be one left. No two places
 * of a queue have the same number. */
uint32_t queue_insert(struct queues *queues, struct queue *queue,
                      uint32_t waiter, uint32_t permits, uint64_t key_ns,
                      uint64_t number);
void queue_remove(struct queues *queues, struct queue *queue, uint32_t place);
void queue_set_aside(struct queues *queues, uint32_t place, bool is_set_aside);

/* The waiter that is first, that is the first asking for more than `permits`,
 * that has `rank` before it; 0 if there is none. */
uint32_t queue_first(const struct queues *queues, const struct queue *queue);
uint32_t queue_first_above(const struct queues *queues,
                           const struct queue *queue, uint32_t permits);
uint32_t queue_nth(const struct queues *queues, const struct queue *queue,
                   uint32_t rank);

/* One pass more for every place with an earlier key, set aside or not. */
void queue_pass(struct queues *queues, const struct queue *queue,
                uint64_t key_ns, uint64_t number);
uint32_t queue_passes(const struct queues *queues, uint32_t place);

/* The first exhausted place, that is with bypass 0 the first eligible one; the
 * first eligible one behind `place` (0: of all) that asks for at most
 * `permits`; 0 if there is none. */
uint32_t queue_first_exhausted(const struct queues *queues,
                               const struct queue *queue, uint32_t bypass);
uint32_t queue_next_fitting(const struct queues *queues,
                            const struct queue *queue, uint32_t place,
                            uint32_t permits);

/* Whether a place with an earlier key is exhausted. */
bool queue_is_blocked(const struct queues *queues, const struct queue *queue,
                      uint64_t key_ns, uint64_t number, uint32_t bypass);

/* The least that an eligible place asks for, up to the first exhausted one and
 * that included; 0 if there is none. */
uint32_t queue_least_permits(const struct queues *queues,
                             const struct queue *queue, uint32_t bypass);

/* How many places have an earlier key; what the eligible ones among them ask
 * for. */
uint32_t queue_rank_of(const struct queues *queues, const struct queue *queue,
                       uint64_t key_ns, uint64_t number);
uint64_t queue_permits_before(const struct queues *queues,
                              const struct queue *queue, uint64_t key_ns,
                              uint64_t number);

/* The place behind, or 0. */
uint32_t queue_next(const struct queues *queues, uint32_t place);
uint32_t queue_count(const struct queues *queues, const struct queue *queue);

/* That the waiters who are not set aside ask for. */
uint64_t queue_eligible_permits(const struct queues *queues,
                                const struct queue *queue);

/* Asserts everything that must hold; O(n). Returns the depth of the tree. */
uint32_t queue_check(const struct queues *queues, const struct queue *queue);

static inline struct queue_place *queue_place_at(const struct queues *queues,
                                                 uint32_t place)
{
    return pool_at(&queues->places, place);
}

#endif
