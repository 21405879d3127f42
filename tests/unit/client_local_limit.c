/* SPDX-License-Identifier: MIT */

/* The process' own limit, for while the daemon is away. Its time is the test's.
 */

#include "local_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "memory.h"
#include "random.h"

#define NEVER INT64_MAX

static struct local_limit limit;
static struct local_name *name;

static void setup(void)
{
    local_limit_init(&limit, &memory_default, 3);
}

static void teardown(void)
{
    local_limit_deinit(&limit);
}

static enum local_answer take(const char *text, uint32_t permits)
{
    return local_limit_take(&limit, text, permits, &name);
}

/* Has to wait. */
static void wait_for(struct local_wait *wait, uint32_t permits,
                     int64_t until_ns)
{
    ck_assert_int_eq(take("a", permits), LOCAL_WAITS);
    ck_assert(local_limit_wait(&limit, wait, name, permits, until_ns));
}

static void expect_next(const struct local_wait *wait, bool is_granted)
{
    ck_assert_ptr_eq(local_limit_next(&limit, 0), wait);
    ck_assert(wait->is_granted == is_granted);
}

START_TEST(each_name_has_its_own_permits)
{
    ck_assert_int_eq(take("a", 2), LOCAL_TAKEN);
    ck_assert_int_eq(take("b", 3), LOCAL_TAKEN);
    ck_assert_int_eq(take("a", 2), LOCAL_WAITS);
    ck_assert_int_eq(take("a", 1), LOCAL_TAKEN);
    ck_assert_int_eq(take("a", 1), LOCAL_WAITS);
    local_limit_give(&limit, name, 1);
    ck_assert_int_eq(take("a", 1), LOCAL_TAKEN);
    ck_assert_int_eq(take("a", 4), LOCAL_NEVER);
}
END_TEST

START_TEST(waiters_are_served_in_order_and_nobody_passes_them)
{
    struct local_wait waits[3];

    ck_assert_int_eq(take("a", 2), LOCAL_TAKEN);
    wait_for(&waits[0], 2, NEVER);
    wait_for(&waits[1], 1, NEVER); /* Would have one, but is behind. */
    wait_for(&waits[2], 2, NEVER);
    ck_assert_int_eq(local_limit_deadline(&limit), NEVER);
    ck_assert_ptr_null(local_limit_next(&limit, 1000));
    local_limit_give(&limit, name, 2);
    ck_assert_int_eq(local_limit_deadline(&limit), 0);
    expect_next(&waits[0], true);
    expect_next(&waits[1], true);
    ck_assert_ptr_null(local_limit_next(&limit, 0));
    local_limit_give(&limit, waits[1].name, 1);
    ck_assert_ptr_null(local_limit_next(&limit, 0));
    local_limit_give(&limit, waits[0].name, 1); /* Of its two. */
    expect_next(&waits[2], true);
}
END_TEST

START_TEST(a_wait_ends_at_its_time_and_those_behind_are_served)
{
    struct local_wait waits[3];

    ck_assert_int_eq(take("a", 2), LOCAL_TAKEN);
    wait_for(&waits[0], 3, 20);
    wait_for(&waits[1], 1, 30);
    wait_for(&waits[2], 1, 10);
    ck_assert_int_eq(local_limit_deadline(&limit), 10);
    ck_assert_ptr_null(local_limit_next(&limit, 9));
    ck_assert_ptr_eq(local_limit_next(&limit, 10), &waits[2]);
    ck_assert(!waits[2].is_granted);
    ck_assert_int_eq(local_limit_deadline(&limit), 20);
    ck_assert_ptr_eq(local_limit_next(&limit, 20), &waits[0]);
    ck_assert(!waits[0].is_granted);
    expect_next(&waits[1], true);
    ck_assert_int_eq(local_limit_deadline(&limit), NEVER);
}
END_TEST

START_TEST(a_cancelled_wait_leaves_what_it_had_or_stood_before)
{
    struct local_wait waits[3];
    struct local_name *taken;

    ck_assert_int_eq(take("a", 2), LOCAL_TAKEN);
    taken = name;
    wait_for(&waits[0], 2, NEVER);
    wait_for(&waits[1], 1, NEVER);
    local_limit_cancel(&limit, &waits[0]);
    expect_next(&waits[1], true);
    wait_for(&waits[0], 2, NEVER);
    wait_for(&waits[2], 2, NEVER);
    local_limit_give(&limit, taken, 2); /* It has ended, unseen. */
    local_limit_cancel(&limit, &waits[0]);
    expect_next(&waits[2], true);
    local_limit_give(&limit, waits[2].name, 2);
    local_limit_give(&limit, waits[1].name, 1);
    ck_assert_uint_eq(limit.names_count, 0);
}
END_TEST

START_TEST(names_are_bounded_and_forgotten)
{
    struct local_name *names[LOCAL_LIMIT_NAMES_MAX];
    char text[16];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < LOCAL_LIMIT_NAMES_MAX; i++) {
            (void)snprintf(text, sizeof(text), "%u/%u", round, i);
            ck_assert_int_eq(take(text, 1), LOCAL_TAKEN);
            names[i] = name;
        }
        ck_assert_int_eq(take("one more", 1), LOCAL_NEVER);
        ck_assert_int_eq(take(text, 1), LOCAL_TAKEN);
        local_limit_give(&limit, name, 1);
        for (unsigned i = 0; i < LOCAL_LIMIT_NAMES_MAX; i++) {
            local_limit_give(&limit, names[i], 1);
        }
    }
}
END_TEST

START_TEST(waits_are_bounded)
{
    static struct local_wait waits[LOCAL_LIMIT_WAITS_MAX];
    struct local_wait one_more;

    ck_assert_int_eq(take("a", 3), LOCAL_TAKEN);
    for (unsigned i = 0; i < LOCAL_LIMIT_WAITS_MAX; i++) {
        (void)local_limit_wait(&limit, &waits[i], name, 1, 10);
    }
    ck_assert(!local_limit_wait(&limit, &one_more, name, 1, 10));
    for (unsigned i = 0; i < LOCAL_LIMIT_WAITS_MAX; i++) {
        if (local_limit_next(&limit, 10) != &waits[i]) {
            ck_abort_msg("%u ends out of turn", i);
        }
    }
    ck_assert(local_limit_wait(&limit, &one_more, name, 1, 10));
    ck_assert_ptr_eq(local_limit_next(&limit, 10), &one_more);
}
END_TEST

static void *no_memory(void *arg, size_t bytes)
{
    (void)arg;
    (void)bytes;
    return NULL;
}

static void free_nothing(void *arg, void *memory)
{
    (void)arg;
    (void)memory;
}

START_TEST(without_memory_nothing_is_taken)
{
    static const struct permit_allocator none = {no_memory, free_nothing, NULL};

    local_limit_init(&limit, &none, 1);
    ck_assert_int_eq(take("a", 1), LOCAL_NEVER);
    /* Which an open one needs not. */
    local_limit_init(&limit, &none, LOCAL_LIMIT_NONE);
    ck_assert_int_eq(take("a", UINT32_MAX), LOCAL_TAKEN);
    ck_assert_int_eq(take("a", UINT32_MAX), LOCAL_TAKEN);
    local_limit_give(&limit, name, 1);
}
END_TEST

/* ----------------------------------------------------------------- at random
 */

#define CALLERS 40

struct caller {
    enum { IDLE, HAS, WAITS } state;
    uint32_t name;
    uint32_t permits;
    uint64_t since; /* Its place. */
    struct local_name *taken;
    struct local_wait wait;
};

static struct caller callers[CALLERS];
static uint64_t places;

static uint32_t out_of(uint32_t which)
{
    uint32_t out = 0;

    for (int i = 0; i < CALLERS; i++) {
        out += callers[i].state == HAS && callers[i].name == which
                   ? callers[i].permits
                   : 0;
    }
    return out;
}

static const struct caller *first_of(uint32_t which)
{
    const struct caller *first = NULL;

    for (int i = 0; i < CALLERS; i++) {
        if (callers[i].state == WAITS && callers[i].name == which &&
            (first == NULL || callers[i].since < first->since)) {
            first = &callers[i];
        }
    }
    return first;
}

/* Nobody waits in vain, nobody has too much. */
static void check_all(void)
{
    for (uint32_t which = 0; which < 3; which++) {
        const struct caller *first = first_of(which);

        ck_assert_uint_le(out_of(which), 3);
        ck_assert(first == NULL || first->permits + out_of(which) > 3);
    }
}

static void ask(struct caller *caller, struct random *random, int64_t now_ns)
{
    char text[2] = "a";
    enum local_answer answer;
    bool is_free;

    caller->name = random_below(random, 3);
    caller->permits = random_between(random, 1, 3);
    text[0] = (char)('a' + caller->name);
    is_free = first_of(caller->name) == NULL &&
              out_of(caller->name) + caller->permits <= 3;
    answer = local_limit_take(&limit, text, caller->permits, &caller->taken);
    ck_assert_int_eq(answer, is_free ? LOCAL_TAKEN : LOCAL_WAITS);
    if (is_free) {
        caller->state = HAS;
    } else if (random_chance(random, 80)) {
        caller->state = WAITS;
        caller->since = places++;
        ck_assert(local_limit_wait(&limit, &caller->wait, caller->taken,
                                   caller->permits,
                                   now_ns + random_below(random, 50)));
    }
}

static void pull(int64_t now_ns)
{
    struct local_wait *wait;

    while ((wait = local_limit_next(&limit, now_ns)) != NULL) {
        for (int i = 0; i < CALLERS; i++) {
            struct caller *caller = &callers[i];

            if (wait == &caller->wait) {
                ck_assert(wait->is_granted ? first_of(caller->name) == caller
                                           : wait->until_ns <= now_ns);
                caller->state = wait->is_granted ? HAS : IDLE;
                caller->taken = wait->name;
            }
        }
    }
    ck_assert_int_gt(local_limit_deadline(&limit), now_ns);
}

START_TEST(whatever_happens_nobody_waits_in_vain_or_has_too_much)
{
    struct random random = {(uint64_t)_i};

    for (int64_t now_ns = 0; now_ns < 5000; now_ns++) {
        struct caller *caller = &callers[random_below(&random, CALLERS)];

        if (caller->state == IDLE) {
            ask(caller, &random, now_ns);
        } else if (caller->state == HAS) {
            caller->state = IDLE;
            local_limit_give(&limit, caller->taken, caller->permits);
        } else if (random_chance(&random, 20)) {
            caller->state = IDLE;
            local_limit_cancel(&limit, &caller->wait);
        }
        pull(now_ns);
        check_all();
    }
    for (int i = 0; i < CALLERS; i++) {
        if (callers[i].state == WAITS) {
            local_limit_cancel(&limit, &callers[i].wait);
        }
    }
    pull(0);
    for (int i = 0; i < CALLERS; i++) {
        if (callers[i].state == HAS) {
            local_limit_give(&limit, callers[i].taken, callers[i].permits);
        }
    }
    ck_assert_uint_eq(limit.names_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_local_limit");
    TCase *tcase = tcase_create("local_limit");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_name_has_its_own_permits);
    tcase_add_test(tcase, waiters_are_served_in_order_and_nobody_passes_them);
    tcase_add_test(tcase, a_wait_ends_at_its_time_and_those_behind_are_served);
    tcase_add_test(tcase, a_cancelled_wait_leaves_what_it_had_or_stood_before);
    tcase_add_test(tcase, names_are_bounded_and_forgotten);
    tcase_add_test(tcase, waits_are_bounded);
    tcase_add_test(tcase, without_memory_nothing_is_taken);
    tcase_add_loop_test(
        tcase, whatever_happens_nobody_waits_in_vain_or_has_too_much, 0, 5);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
