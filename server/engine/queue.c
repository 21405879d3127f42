/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <assert.h>
#include <string.h>

#include "table.h"

static bool is_before(const void *item, const void *other)
{
    const struct queue_place *a = item;
    const struct queue_place *b = other;

    return a->key_ns != b->key_ns ? a->key_ns < b->key_ns
                                  : a->number < b->number;
}

static void add_child(struct queue_place *place,
                      const struct queue_place *child)
{
    if (child != NULL) {
        place->eligible_count += child->eligible_count;
        place->eligible_permits += child->eligible_permits;
        if (place->permits_max < child->permits_max) {
            place->permits_max = child->permits_max;
        }
    }
}

static void sum(void *item, const void *left, const void *right)
{
    struct queue_place *place = item;

    place->permits_max = place->permits;
    place->eligible_count = place->is_set_aside ? 0 : 1;
    place->eligible_permits = place->is_set_aside ? 0 : place->permits;
    add_child(place, left);
    add_child(place, right);
}

bool queues_init(struct queues *queues, uint32_t places_max, uint64_t secret)
{
    memset(queues, 0, sizeof(*queues));
    if (!pool_init(&queues->places, sizeof(struct queue_place), places_max)) {
        return false;
    }
    queues->tree = (struct tree){
        .items = queues->places.items,
        .stride = queues->places.stride,
        .is_before = is_before,
        .sum = sum,
    };
    queues->secret = secret;
    return true;
}

void queues_deinit(struct queues *queues)
{
    pool_deinit(&queues->places);
}

uint32_t queue_insert(struct queues *queues, struct queue *queue,
                      uint32_t waiter, uint32_t permits, uint64_t key_ns,
                      uint64_t number)
{
    uint32_t index = pool_take(&queues->places);
    struct queue_place *place = queue_place_at(queues, index);

    assert(waiter != 0 && permits > 0);
    place->node.priority = (uint32_t)table_mix(number, queues->secret);
    place->waiter = waiter;
    place->permits = permits;
    place->key_ns = key_ns;
    place->number = number;
    tree_insert(&queues->tree, &queue->root, index);
    queue->permits += permits;
    return index;
}

void queue_remove(struct queues *queues, struct queue *queue, uint32_t place)
{
    uint32_t permits = queue_place_at(queues, place)->permits;

    assert(queue->permits >= permits);
    queue->permits -= permits;
    tree_remove(&queues->tree, &queue->root, place);
    pool_give(&queues->places, place);
}

void queue_set_aside(struct queues *queues, uint32_t place, bool is_set_aside)
{
    assert(queue_place_at(queues, place)->waiter != 0);
    queue_place_at(queues, place)->is_set_aside = is_set_aside;
    tree_changed(&queues->tree, place);
}

static uint32_t waiter_of(const struct queues *queues, uint32_t place)
{
    return place == 0 ? 0 : queue_place_at(queues, place)->waiter;
}

uint32_t queue_first(const struct queues *queues, const struct queue *queue)
{
    return queue_nth(queues, queue, 0);
}

uint32_t queue_first_eligible(const struct queues *queues,
                              const struct queue *queue)
{
    uint32_t index = queue->root;

    while (index != 0) {
        const struct queue_place *place = queue_place_at(queues, index);
        uint32_t left = place->node.left;
        if (left != 0 && queue_place_at(queues, left)->eligible_count > 0) {
            index = left;
        } else if (!place->is_set_aside) {
            return place->waiter;
        } else {
            index = place->node.right;
        }
    }
    return 0;
}

uint32_t queue_first_above(const struct queues *queues,
                           const struct queue *queue, uint32_t permits)
{
    uint32_t index = queue->root;

    while (index != 0) {
        const struct queue_place *place = queue_place_at(queues, index);
        uint32_t left = place->node.left;
        if (left != 0 && queue_place_at(queues, left)->permits_max > permits) {
            index = left;
        } else if (place->permits > permits) {
            return place->waiter;
        } else {
            index = place->node.right;
        }
    }
    return 0;
}

uint32_t queue_nth(const struct queues *queues, const struct queue *queue,
                   uint32_t rank)
{
    return waiter_of(queues, tree_nth(&queues->tree, queue->root, rank));
}

uint32_t queue_next(const struct queues *queues, uint32_t place)
{
    return tree_next(&queues->tree, place);
}

uint32_t queue_rank(const struct queues *queues, uint32_t place)
{
    return tree_rank(&queues->tree, place);
}

uint32_t queue_count(const struct queues *queues, const struct queue *queue)
{
    return tree_size(&queues->tree, queue->root);
}

uint64_t queue_eligible_permits(const struct queues *queues,
                                const struct queue *queue)
{
    return queue->root == 0
               ? 0
               : queue_place_at(queues, queue->root)->eligible_permits;
}

uint32_t queue_check(const struct queues *queues, const struct queue *queue)
{
    uint64_t permits = 0;
    uint64_t eligible_permits = 0;
    uint32_t eligible_count = 0;
    uint32_t permits_max = 0;
    uint32_t depth = tree_check(&queues->tree, queue->root);

    for (uint32_t i = tree_nth(&queues->tree, queue->root, 0); i != 0;
         i = queue_next(queues, i)) {
        const struct queue_place *place = queue_place_at(queues, i);
        permits += place->permits;
        permits_max =
            place->permits > permits_max ? place->permits : permits_max;
        eligible_count += place->is_set_aside ? 0 : 1;
        eligible_permits += place->is_set_aside ? 0 : place->permits;
    }
    assert(permits == queue->permits);
    assert(eligible_permits == queue_eligible_permits(queues, queue));
    if (queue->root != 0) {
        const struct queue_place *root = queue_place_at(queues, queue->root);
        assert(root->eligible_count == eligible_count);
        assert(root->permits_max == permits_max);
    }
    return depth;
}
