/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <assert.h>
#include <string.h>

#include "table.h"

#define NUMBER_MASK ((UINT64_C(1) << QUEUE_NUMBER_BITS) - 1)

static bool is_before(const void *item, const void *other)
{
    const struct queue_place *a = item;
    const struct queue_place *b = other;

    return a->key_ns != b->key_ns ? a->key_ns < b->key_ns
                                  : a->number < b->number;
}

static bool is_earlier(const struct queue_place *place, uint64_t key_ns,
                       uint64_t number)
{
    const struct queue_place other = {
        .key_ns = key_ns,
        .number = number & NUMBER_MASK,
    };

    assert(number <= NUMBER_MASK);
    return is_before(place, &other);
}

/* Saturates: more than any bypass is enough to know, however long a place is
 * set aside. */
static uint16_t add_passes(uint32_t passes, uint32_t more)
{
    uint32_t total = passes + more;

    return (uint16_t)(total < QUEUE_PASSES_MAX ? total : QUEUE_PASSES_MAX);
}

/* Of its subtree. */
static bool has_eligible(const struct queue_place *place)
{
    return place->permits_min != 0;
}

static void add_child(struct queue_place *place,
                      const struct queue_place *child)
{
    if (child == NULL) {
        return;
    }
    if (place->permits_max < child->permits_max) {
        place->permits_max = child->permits_max;
    }
    if (has_eligible(child)) {
        uint16_t passes = add_passes(child->passes_max, place->passes_put_off);
        if (!has_eligible(place) || place->permits_min > child->permits_min) {
            place->permits_min = child->permits_min;
        }
        if (place->passes_max < passes) {
            place->passes_max = passes;
        }
        place->eligible_permits += child->eligible_permits;
    }
}

static void sum(void *item, const void *left, const void *right)
{
    struct queue_place *place = item;
    bool is_eligible = !place->is_set_aside;

    place->permits_max = place->permits;
    place->permits_min = is_eligible ? place->permits : 0;
    place->eligible_permits = is_eligible ? place->permits : 0;
    place->passes_max = is_eligible ? place->passes : 0;
    add_child(place, left);
    add_child(place, right);
}

/* Gives passes to a place, or NULL, and to all below it. */
static void pass_subtree(struct queue_place *place, uint32_t passes)
{
    if (place != NULL) {
        place->passes = add_passes(place->passes, passes);
        place->passes_put_off = add_passes(place->passes_put_off, passes);
        if (has_eligible(place)) {
            place->passes_max = add_passes(place->passes_max, passes);
        }
    }
}

static void hand_down(void *item, void *left, void *right)
{
    struct queue_place *place = item;

    if (place->passes_put_off > 0) { /* Else leaves the children's memory. */
        pass_subtree(left, place->passes_put_off);
        pass_subtree(right, place->passes_put_off);
        place->passes_put_off = 0;
    }
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
        .hand_down = hand_down,
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

    assert(waiter != 0 && permits > 0 && permits <= INT32_MAX);
    assert(number <= NUMBER_MASK);
    place->node.priority = (uint32_t)table_mix(number, queues->secret);
    place->waiter = waiter;
    place->permits = permits & INT32_MAX;
    place->key_ns = key_ns;
    place->number = number & NUMBER_MASK;
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

/* The place, or NULL for 0. */
static struct queue_place *place_at(const struct queues *queues, uint32_t place)
{
    return place == 0 ? NULL : queue_place_at(queues, place);
}

void queue_pass(struct queues *queues, const struct queue *queue,
                uint64_t key_ns, uint64_t number)
{
    uint32_t index = queue->root;
    uint32_t last = 0;

    while (index != 0) {
        struct queue_place *place = queue_place_at(queues, index);
        last = index;
        if (is_earlier(place, key_ns, number)) {
            place->passes = add_passes(place->passes, 1);
            pass_subtree(place_at(queues, place->node.left), 1);
            index = place->node.right;
        } else {
            index = place->node.left;
        }
    }
    if (last != 0) {
        tree_changed(&queues->tree, last);
    }
}

uint32_t queue_passes(const struct queues *queues, uint32_t place)
{
    uint32_t passes = queue_place_at(queues, place)->passes;

    for (uint32_t i = queue_place_at(queues, place)->node.parent; i != 0;
         i = queue_place_at(queues, i)->node.parent) {
        passes = add_passes(passes, queue_place_at(queues, i)->passes_put_off);
    }
    return passes;
}

uint32_t queue_first_exhausted(const struct queues *queues,
                               const struct queue *queue, uint32_t bypass)
{
    uint32_t index = queue->root;
    uint32_t above = 0; /* Put off on the way down. */

    assert(bypass <= QUEUE_PASSES_MAX);
    while (index != 0) {
        const struct queue_place *place = queue_place_at(queues, index);
        const struct queue_place *left = place_at(queues, place->node.left);
        uint32_t below = add_passes(above, place->passes_put_off);
        if (left != NULL && has_eligible(left) &&
            add_passes(left->passes_max, below) >= bypass) {
            index = place->node.left;
        } else if (!place->is_set_aside &&
                   add_passes(place->passes, above) >= bypass) {
            return index;
        } else {
            index = place->node.right;
        }
        above = below;
    }
    return 0;
}

bool queue_is_blocked(const struct queues *queues, const struct queue *queue,
                      uint64_t key_ns, uint64_t number, uint32_t bypass)
{
    uint32_t exhausted = queue_first_exhausted(queues, queue, bypass);

    return exhausted != 0 &&
           is_earlier(queue_place_at(queues, exhausted), key_ns, number);
}

/* Whether an eligible one of a subtree (0: of none) asks for at most
 * `permits`. */
static bool has_fitting(const struct queues *queues, uint32_t root,
                        uint32_t permits)
{
    const struct queue_place *place = place_at(queues, root);

    return place != NULL && has_eligible(place) &&
           place->permits_min <= permits;
}

/* The first of them, which there must be. */
static uint32_t first_fitting(const struct queues *queues, uint32_t root,
                              uint32_t permits)
{
    uint32_t index = root;

    assert(has_fitting(queues, root, permits));
    for (;;) {
        const struct queue_place *place = queue_place_at(queues, index);
        if (has_fitting(queues, place->node.left, permits)) {
            index = place->node.left;
        } else if (!place->is_set_aside && place->permits <= permits) {
            return index;
        } else {
            index = place->node.right;
        }
    }
}

uint32_t queue_next_fitting(const struct queues *queues,
                            const struct queue *queue, uint32_t place,
                            uint32_t permits)
{
    uint32_t index = place;
    uint32_t behind =
        place == 0 ? queue->root : queue_place_at(queues, place)->node.right;

    while (!has_fitting(queues, behind, permits)) {
        const struct queue_place *parent;
        uint32_t child = index;
        if (child == 0) {
            return 0;
        }
        index = queue_place_at(queues, child)->node.parent;
        parent = place_at(queues, index);
        behind = 0; /* A right child's parent is not behind it. */
        if (parent != NULL && parent->node.left == child) {
            if (!parent->is_set_aside && parent->permits <= permits) {
                return index;
            }
            behind = parent->node.right;
        }
    }
    return first_fitting(queues, behind, permits);
}

/* The lesser, where 0 stands for none. */
static uint32_t lesser(uint32_t permits, uint32_t other)
{
    return other == 0 || (permits != 0 && permits < other) ? permits : other;
}

uint32_t queue_least_permits(const struct queues *queues,
                             const struct queue *queue, uint32_t bypass)
{
    uint32_t index = queue_first_exhausted(queues, queue, bypass);
    uint32_t least = 0;
    bool is_counted = true; /* It and what is left of it are. */

    if (index == 0) {
        return queue->root == 0
                   ? 0
                   : queue_place_at(queues, queue->root)->permits_min;
    }
    while (index != 0) {
        const struct queue_place *place = queue_place_at(queues, index);
        const struct queue_place *left = place_at(queues, place->node.left);
        const struct queue_place *parent = place_at(queues, place->node.parent);
        if (is_counted) {
            least = lesser(least, place->is_set_aside ? 0 : place->permits);
            least = lesser(least, left == NULL ? 0 : left->permits_min);
        }
        is_counted = parent != NULL && parent->node.right == index;
        index = place->node.parent;
    }
    return least;
}

uint32_t queue_rank_of(const struct queues *queues, const struct queue *queue,
                       uint64_t key_ns, uint64_t number)
{
    uint32_t index = queue->root;
    uint32_t rank = 0;

    while (index != 0) {
        const struct queue_place *place = queue_place_at(queues, index);
        if (is_earlier(place, key_ns, number)) {
            rank += 1 + tree_size(&queues->tree, place->node.left);
            index = place->node.right;
        } else {
            index = place->node.left;
        }
    }
    return rank;
}

/* That the eligible ones of a subtree (0: of none) ask for. */
static uint64_t eligible_permits(const struct queues *queues, uint32_t root)
{
    return root == 0 ? 0 : queue_place_at(queues, root)->eligible_permits;
}

uint64_t queue_permits_before(const struct queues *queues,
                              const struct queue *queue, uint64_t key_ns,
                              uint64_t number)
{
    uint32_t index = queue->root;
    uint64_t permits = 0;

    while (index != 0) {
        const struct queue_place *place = queue_place_at(queues, index);
        if (is_earlier(place, key_ns, number)) {
            permits += place->is_set_aside ? 0 : place->permits;
            permits += eligible_permits(queues, place->node.left);
            index = place->node.right;
        } else {
            index = place->node.left;
        }
    }
    return permits;
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

uint32_t queue_count(const struct queues *queues, const struct queue *queue)
{
    return tree_size(&queues->tree, queue->root);
}

uint64_t queue_eligible_permits(const struct queues *queues,
                                const struct queue *queue)
{
    return eligible_permits(queues, queue->root);
}

/* Asserts what a place sums up; its children's sums are right. */
static void check_sums(const struct queues *queues,
                       const struct queue_place *place)
{
    struct queue_place copy = *place;

    sum(&copy, place_at(queues, place->node.left),
        place_at(queues, place->node.right));
    assert(copy.passes_max == place->passes_max);
    assert(copy.permits_min == place->permits_min);
    assert(copy.permits_max == place->permits_max);
    assert(copy.eligible_permits == place->eligible_permits);
}

uint32_t queue_check(const struct queues *queues, const struct queue *queue)
{
    struct queue_place total = {.permits_min = 0}; /* Without a tree. */
    uint64_t permits = 0;
    uint32_t depth = tree_check(&queues->tree, queue->root);

    for (uint32_t i = tree_nth(&queues->tree, queue->root, 0); i != 0;
         i = queue_next(queues, i)) {
        struct queue_place one = *queue_place_at(queues, i);
        assert(one.waiter != 0 && one.permits > 0);
        check_sums(queues, &one);
        one.passes = queue_passes(queues, i) & QUEUE_PASSES_MAX;
        sum(&one, NULL, NULL);
        add_child(&total, &one);
        permits += one.permits;
    }
    assert(permits == queue->permits);
    assert(total.eligible_permits == queue_eligible_permits(queues, queue));
    if (queue->root != 0) {
        const struct queue_place *root = queue_place_at(queues, queue->root);
        assert(root->permits_min == total.permits_min);
        assert(root->permits_max == total.permits_max);
        assert(root->passes_max == total.passes_max);
    }
    return depth;
}
