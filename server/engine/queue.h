/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

/* Queues of waiters, in the order of one key: (key_ns, arrival number).
 *
 * A place in a queue is an object of its own, so that one waiter can stand in
 * several. A place that is set aside keeps its key, is not served and blocks
 * nobody. The queue does not know what a waiter is, nor whether it fits.
 *
 * Law: everything is O(log n), from the middle as from the ends; no recursion.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "tree.h"

struct queue_place {
    struct tree_node node;
    uint32_t waiter; /* What the caller calls it. */
    uint32_t permits;
    uint32_t permits_max;    /* Of its subtree, like all that follows. */
    uint32_t eligible_count; /* Not set aside. */
    uint32_t is_set_aside;   /* Only of itself. */
    uint64_t eligible_permits;
    uint64_t key_ns;
    uint64_t number;
};

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

/* Returns the place; there must be one left. No two places of a queue have the
 * same number. */
uint32_t queue_insert(struct queues *queues, struct queue *queue,
                      uint32_t waiter, uint32_t permits, uint64_t key_ns,
                      uint64_t number);
void queue_remove(struct queues *queues, struct queue *queue, uint32_t place);
void queue_set_aside(struct queues *queues, uint32_t place, bool is_set_aside);

/* The waiter that is first, that is the first not set aside, that is the first
 * asking for more than `permits`, that has `rank` before it; 0 if there is
 * none. */
uint32_t queue_first(const struct queues *queues, const struct queue *queue);
uint32_t queue_first_eligible(const struct queues *queues,
                              const struct queue *queue);
uint32_t queue_first_above(const struct queues *queues,
                           const struct queue *queue, uint32_t permits);
uint32_t queue_nth(const struct queues *queues, const struct queue *queue,
                   uint32_t rank);

/* The place behind, or 0; the waiter of a place. */
uint32_t queue_next(const struct queues *queues, uint32_t place);
uint32_t queue_rank(const struct queues *queues, uint32_t place);
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
