/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 300
#define MANY 1000000

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695;
    return (uint32_t)(random_state >> 33) % below;
}

/* The model: an array in order. */
struct model {
    struct {
        uint64_t key_ns;
        uint64_t number;
        uint32_t waiter;
        uint32_t permits;
        uint32_t place;
        bool is_set_aside;
    } rows[PLACES_MAX];
    uint32_t count;
};

static void model_insert(struct model *model, struct queues *queues,
                         struct queue *queue, uint64_t number)
{
    uint64_t key_ns = draw(50);
    uint32_t permits = draw(9) + 1;
    uint32_t at = 0;

    while (at < model->count && model->rows[at].key_ns <= key_ns) {
        at++; /* Numbers rise, so it goes behind its equals. */
    }
    memmove(&model->rows[at + 1], &model->rows[at],
            (model->count - at) * sizeof(model->rows[0]));
    model->count++;
    model->rows[at].key_ns = key_ns;
    model->rows[at].number = number;
    model->rows[at].waiter = (uint32_t)number;
    model->rows[at].permits = permits;
    model->rows[at].is_set_aside = false;
    model->rows[at].place =
        queue_insert(queues, queue, (uint32_t)number, permits, key_ns, number);
}

static void model_remove(struct model *model, struct queues *queues,
                         struct queue *queue, uint32_t at)
{
    queue_remove(queues, queue, model->rows[at].place);
    model->count--;
    memmove(&model->rows[at], &model->rows[at + 1],
            (model->count - at) * sizeof(model->rows[0]));
}

static void model_compare(const struct model *model,
                          const struct queues *queues,
                          const struct queue *queue)
{
    uint32_t eligible = 0;
    uint32_t above = 0;
    uint64_t permits = 0;
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < model->count; i++) {
        bool is_right =
            queue_nth(queues, queue, i) == model->rows[i].waiter &&
            queue_rank(queues, model->rows[i].place) == i &&
            queue_next(queues, model->rows[i].place) ==
                (i + 1 < model->count ? model->rows[i + 1].place : 0);
        wrong += is_right ? 0 : 1; /* One assert for all: Check's cost. */
        if (!model->rows[i].is_set_aside) {
            eligible = eligible == 0 ? model->rows[i].waiter : eligible;
            permits += model->rows[i].permits;
        }
        if (above == 0 && model->rows[i].permits > 7) {
            above = model->rows[i].waiter;
        }
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(queue_count(queues, queue), model->count);
    ck_assert_uint_eq(queue_nth(queues, queue, model->count), 0);
    ck_assert_uint_eq(queue_first(queues, queue),
                      model->count == 0 ? 0 : model->rows[0].waiter);
    ck_assert_uint_eq(queue_first_eligible(queues, queue), eligible);
    ck_assert_uint_eq(queue_first_above(queues, queue, 7), above);
    ck_assert_uint_eq(queue_eligible_permits(queues, queue), permits);
    (void)queue_check(queues, queue);
}

START_TEST(a_queue_does_what_a_sorted_array_does)
{
    struct queues queues;
    struct queue queue = {0};
    struct model model = {.count = 0};

    random_state = (uint64_t)_i;
    ck_assert(queues_init(&queues, PLACES_MAX, 12345));
    for (uint64_t number = 1; number <= 600; number++) {
        uint32_t what = draw(10);
        if (model.count < PLACES_MAX && (what < 5 || model.count == 0)) {
            model_insert(&model, &queues, &queue, number);
        } else if (what < 7) {
            uint32_t at = draw(model.count);
            model.rows[at].is_set_aside = !model.rows[at].is_set_aside;
            queue_set_aside(&queues, model.rows[at].place,
                            model.rows[at].is_set_aside);
        } else {
            model_remove(&model, &queues, &queue, draw(model.count));
        }
        if (number % 7 == 0) {
            model_compare(&model, &queues, &queue);
        }
    }
    while (model.count > 0) {
        model_remove(&model, &queues, &queue, draw(model.count));
        model_compare(&model, &queues, &queue);
    }
    queues_deinit(&queues);
}
END_TEST

/* How many nodes there are from a place to the root. */
static uint32_t depth_of(const struct queues *queues, uint32_t place)
{
    uint32_t depth = 0;

    for (; place != 0; place = queue_place_at(queues, place)->node.parent) {
        depth++;
    }
    return depth;
}

START_TEST(a_million_waiters_are_no_deeper_than_logarithmic)
{
    struct queues queues;
    struct queue queue = {0};
    uint32_t deepest = 0;

    ck_assert(queues_init(&queues, MANY, 987654321));
    for (uint32_t i = 1; i <= MANY; i++) {
        /* In order, as waiters come: the worst for a plain tree. */
        (void)queue_insert(&queues, &queue, i, 1, i, i);
    }
    for (uint32_t i = 1; i <= MANY; i++) {
        uint32_t depth = depth_of(&queues, i);
        deepest = depth > deepest ? depth : deepest;
    }
    ck_assert_uint_le(deepest, 5 * 20); /* 20 = log2 of a million. */
    /* Each removal in the middle walks one such path at most. */
    for (uint32_t i = MANY / 3; i < MANY / 3 + 1000; i++) {
        ck_assert_uint_eq(queue_rank(&queues, i), MANY / 3 - 1);
        queue_remove(&queues, &queue, i);
    }
    ck_assert_uint_eq(queue_count(&queues, &queue), MANY - 1000);
    queues_deinit(&queues);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_queue_does_what_a_sorted_array_does, 0, 10);
    tcase_add_test(tcase, a_million_waiters_are_no_deeper_than_logarithmic);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
