/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 300
#define STEPS 4000

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695;
    return (uint32_t)(random_state >> 33) % below;
}

/* The model: an array in order. */
struct row {
    uint64_t key_ns;
    uint64_t number;
    uint32_t waiter;
    uint32_t permits;
    uint32_t place;
    uint32_t passes;
    bool is_set_aside;
};

struct model {
    struct row rows[PLACES_MAX];
    uint32_t count;
};

/* Of one that comes now: time goes on, and eight priorities move it forward. */
static uint64_t draw_key(uint64_t number)
{
    return number / 4 + (7 - draw(8)) * 20;
}

static void model_insert(struct model *model, struct queues *queues,
                         struct queue *queue, uint64_t number)
{
    uint64_t key_ns = draw_key(number);
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
    model->rows[at].passes = 0;
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

/* Passes all that are before a key, as a grant does. */
static void model_pass(struct model *model, struct queues *queues,
                       const struct queue *queue, uint64_t key_ns,
                       uint64_t number)
{
    queue_pass(queues, queue, key_ns, number);
    for (uint32_t i = 0; i < model->count; i++) {
        struct row *row = &model->rows[i];
        row->passes += row->key_ns < key_ns ||
                       (row->key_ns == key_ns && row->number < number);
    }
}

/* What does not depend on `bypass`; at the key of a row or of a newcomer. */
static void model_compare_before(const struct model *model,
                                 const struct queues *queues,
                                 const struct queue *queue, uint64_t key_ns,
                                 uint64_t number)
{
    uint32_t rank = 0;
    uint64_t permits = 0;

    for (; rank < model->count; rank++) {
        const struct row *row = &model->rows[rank];
        if (row->key_ns > key_ns ||
            (row->key_ns == key_ns && row->number >= number)) {
            break;
        }
        permits += row->is_set_aside ? 0 : row->permits;
    }
    ck_assert_uint_eq(queue_rank_of(queues, queue, key_ns, number), rank);
    ck_assert_uint_eq(queue_permits_before(queues, queue, key_ns, number),
                      permits);
}

static void model_compare_bypass(const struct model *model,
                                 const struct queues *queues,
                                 const struct queue *queue, uint32_t bypass)
{
    const struct row *exhausted = NULL;
    uint32_t least = 0;
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < model->count; i++) {
        const struct row *row = &model->rows[i];
        wrong += queue_is_blocked(queues, queue, row->key_ns, row->number,
                                  bypass) != (exhausted != NULL);
        if (row->is_set_aside || exhausted != NULL) {
            continue;
        }
        least = least == 0 || row->permits < least ? row->permits : least;
        exhausted = row->passes >= bypass ? row : NULL;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(queue_first_exhausted(queues, queue, bypass),
                      exhausted == NULL ? 0 : exhausted->place);
    ck_assert(queue_is_blocked(queues, queue, UINT64_MAX, 0, bypass) ==
              (exhausted != NULL));
    ck_assert_uint_eq(queue_least_permits(queues, queue, bypass), least);
}

/* From behind every place, and from the front. */
static void model_compare_fitting(const struct model *model,
                                  const struct queues *queues,
                                  const struct queue *queue, uint32_t permits)
{
    uint32_t next = 0;
    uint32_t wrong = 0;

    for (uint32_t i = model->count; i > 0; i--) {
        const struct row *row = &model->rows[i - 1];
        wrong += queue_next_fitting(queues, queue, row->place, permits) != next;
        if (!row->is_set_aside && row->permits <= permits) {
            next = row->place;
        }
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(queue_next_fitting(queues, queue, 0, permits), next);
}

static void model_compare(const struct model *model,
                          const struct queues *queues,
                          const struct queue *queue)
{
    uint32_t above = 0;
    uint64_t permits = 0;
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < model->count; i++) {
        bool is_right =
            queue_nth(queues, queue, i) == model->rows[i].waiter &&
            queue_passes(queues, model->rows[i].place) ==
                model->rows[i].passes &&
            queue_next(queues, model->rows[i].place) ==
                (i + 1 < model->count ? model->rows[i + 1].place : 0);
        wrong += is_right ? 0 : 1; /* One assert for all: Check's cost. */
        if (!model->rows[i].is_set_aside) {
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
    ck_assert_uint_eq(queue_first_above(queues, queue, 7), above);
    ck_assert_uint_eq(queue_eligible_permits(queues, queue), permits);
    (void)queue_check(queues, queue);
    model_compare_fitting(model, queues, queue, draw(11)); /* 9 fits all. */
    model_compare_bypass(model, queues, queue, 0);
    model_compare_bypass(model, queues, queue, draw(20));
}

/* A grant to one who came just now, or to one who waited. */
static void model_grant(struct model *model, struct queues *queues,
                        struct queue *queue, uint64_t number)
{
    uint32_t at = draw(model->count + 1);
    struct row row = {.key_ns = draw_key(number), .number = number};

    if (at < model->count) {
        row = model->rows[at];
    }
    model_compare_before(model, queues, queue, row.key_ns, row.number);
    if (at < model->count) {
        model_remove(model, queues, queue, at);
    }
    model_pass(model, queues, queue, row.key_ns, row.number);
}

START_TEST(a_queue_does_what_a_sorted_array_does)
{
    struct queues queues;
    struct queue queues_of[2] = {{0}}; /* Two of them share the places. */
    struct model models[2] = {{.count = 0}};

    random_state = (uint64_t)_i;
    ck_assert(queues_init(&queues, 2 * PLACES_MAX, 12345));
    for (uint64_t number = 1; number <= STEPS; number++) {
        struct queue *queue = &queues_of[number % 2];
        struct model *model = &models[number % 2];
        uint32_t what = draw(16);
        if (model->count < PLACES_MAX && (what < 7 || model->count == 0)) {
            model_insert(model, &queues, queue, number);
        } else if (what < 10) {
            struct row *row = &model->rows[draw(model->count)];
            row->is_set_aside = !row->is_set_aside;
            queue_set_aside(&queues, row->place, row->is_set_aside);
        } else if (what < 12) {
            model_remove(model, &queues, queue, draw(model->count));
        } else {
            model_grant(model, &queues, queue, number);
        }
        model_compare(model, &queues, queue);
    }
    for (uint32_t i = 0; i < 2; i++) {
        while (models[i].count > 0) {
            model_remove(&models[i], &queues, &queues_of[i],
                         draw(models[i].count));
            model_compare(&models[i], &queues, &queues_of[i]);
        }
    }
    ck_assert_uint_eq(queues.places.used, 0);
    queues_deinit(&queues);
}
END_TEST

START_TEST(an_empty_queue_has_nobody_in_the_way)
{
    struct queues queues;
    struct queue queue = {0};
    struct model model = {.count = 0};

    ck_assert(queues_init(&queues, 1, 1));
    queue_pass(&queues, &queue, UINT64_MAX, 1);
    model_compare(&model, &queues, &queue);
    ck_assert_uint_eq(queue_rank_of(&queues, &queue, UINT64_MAX, 1), 0);
    ck_assert_uint_eq(queue_permits_before(&queues, &queue, UINT64_MAX, 1), 0);
    queues_deinit(&queues);
}
END_TEST

START_TEST(whoever_is_set_aside_is_passed_but_blocks_nobody)
{
    struct queues queues;
    struct queue queue = {0};
    uint32_t first;
    uint32_t second;

    ck_assert(queues_init(&queues, 2, 1));
    first = queue_insert(&queues, &queue, 1, 5, 10, 1);
    second = queue_insert(&queues, &queue, 2, 3, 20, 2);
    queue_set_aside(&queues, first, true);
    queue_pass(&queues, &queue, 20, 2); /* A key is not earlier than itself. */
    ck_assert_uint_eq(queue_passes(&queues, first), 1);
    ck_assert_uint_eq(queue_passes(&queues, second), 0);
    ck_assert_uint_eq(queue_first_exhausted(&queues, &queue, 1), 0);
    ck_assert(!queue_is_blocked(&queues, &queue, 20, 2, 1));
    ck_assert_uint_eq(queue_least_permits(&queues, &queue, 1), 3);
    queue_set_aside(&queues, first, false);
    ck_assert_uint_eq(queue_first_exhausted(&queues, &queue, 1), first);
    ck_assert(queue_is_blocked(&queues, &queue, 20, 2, 1));
    ck_assert(!queue_is_blocked(&queues, &queue, 20, 2, 2));
    ck_assert(!queue_is_blocked(&queues, &queue, 10, 1, 0));
    ck_assert_uint_eq(queue_least_permits(&queues, &queue, 1), 5);
    queues_deinit(&queues);
}
END_TEST

/* Passes are counted in 16 bits, while a grant may come every microsecond. */
START_TEST(passes_never_wrap)
{
    struct queues queues;
    struct queue queue = {0};

    ck_assert(queues_init(&queues, 64, 1));
    for (uint32_t i = 1; i <= 63; i++) {
        (void)queue_insert(&queues, &queue, i, 1, i, i);
    }
    for (uint32_t i = 0; i < QUEUE_PASSES_MAX - 1; i++) {
        queue_pass(&queues, &queue, 64, 64);
    }
    ck_assert_uint_eq(queue_first_exhausted(&queues, &queue, QUEUE_PASSES_MAX),
                      0);
    for (uint32_t i = 0; i < 3; i++) { /* Those before 32 have three more. */
        queue_pass(&queues, &queue, 32, 32);
    }
    (void)queue_insert(&queues, &queue, 64, 1, 31, 64); /* Moves others. */
    ck_assert_uint_eq(queue_passes(&queues, 64), 0);
    for (uint32_t i = 1; i <= 63; i++) {
        ck_assert_uint_eq(queue_passes(&queues, i),
                          QUEUE_PASSES_MAX - (i < 32 ? 0 : 1));
    }
    ck_assert_uint_eq(queue_first_exhausted(&queues, &queue, QUEUE_PASSES_MAX),
                      1);
    (void)queue_check(&queues, &queue);
    queues_deinit(&queues);
}
END_TEST

START_TEST(the_greatest_of_all_fit_into_a_place)
{
    struct queues queues;
    struct queue queue = {0};
    uint64_t number = (UINT64_C(1) << QUEUE_NUMBER_BITS) - 2;
    uint32_t first;

    ck_assert(queues_init(&queues, 2, 1));
    (void)queue_insert(&queues, &queue, UINT32_MAX, INT32_MAX, UINT64_MAX,
                       number + 1);
    first = queue_insert(&queues, &queue, 1, INT32_MAX, UINT64_MAX, number);
    ck_assert_uint_eq(queue_first(&queues, &queue), 1);
    ck_assert_uint_eq(queue_nth(&queues, &queue, 1), UINT32_MAX);
    ck_assert_uint_eq(queue_eligible_permits(&queues, &queue),
                      UINT64_C(2) * INT32_MAX);
    ck_assert_uint_eq(queue_rank_of(&queues, &queue, UINT64_MAX, number + 1),
                      1);
    ck_assert_uint_eq(queue_next_fitting(&queues, &queue, 0, INT32_MAX - 1), 0);
    ck_assert_uint_eq(queue_next_fitting(&queues, &queue, 0, UINT32_MAX),
                      first);
    ck_assert_uint_eq(queue_first_above(&queues, &queue, INT32_MAX), 0);
    (void)queue_check(&queues, &queue);
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

/* In order, as waiters come: the worst for a plain tree; then with priorities,
 * so that they come in between as well. */
static const struct {
    uint32_t count;
    uint32_t log2; /* Rounded up. */
    uint32_t priorities;
} depth_cases[] = {
    {1000000, 20, 1},
    {131072, 17, 8},
};

START_TEST(a_million_waiters_are_no_deeper_than_logarithmic)
{
    uint32_t count = depth_cases[_i].count;
    uint32_t middle = count / 3;
    struct queues queues;
    struct queue queue = {0};
    uint32_t deepest = 0;

    ck_assert(queues_init(&queues, count, 987654321));
    for (uint32_t i = 1; i <= count; i++) {
        uint64_t key_ns = i + i % depth_cases[_i].priorities * (count / 4);
        (void)queue_insert(&queues, &queue, i, 1, key_ns, i);
    }
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t depth = depth_of(&queues, i);
        deepest = depth > deepest ? depth : deepest;
    }
    ck_assert_uint_le(deepest, 5 * depth_cases[_i].log2);
    /* Each removal in the middle walks one such path at most. */
    for (uint32_t i = middle; i < middle + 1000; i++) {
        queue_remove(&queues, &queue, i);
    }
    ck_assert_uint_eq(queue_count(&queues, &queue), count - 1000);
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
    tcase_add_loop_test(tcase, a_queue_does_what_a_sorted_array_does, 0, 5);
    tcase_add_test(tcase, an_empty_queue_has_nobody_in_the_way);
    tcase_add_test(tcase, whoever_is_set_aside_is_passed_but_blocks_nobody);
    tcase_add_test(tcase, passes_never_wrap);
    tcase_add_test(tcase, the_greatest_of_all_fit_into_a_place);
    tcase_add_loop_test(tcase, a_million_waiters_are_no_deeper_than_logarithmic,
                        0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
