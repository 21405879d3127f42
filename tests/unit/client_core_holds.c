/* SPDX-License-Identifier: MIT */

/* How long the client's core believes in a hold, also in one that is renewed
 * while its answer is on the way. */

#include <stdlib.h>

#include <check.h>

#include "client_script.h"

#define NS_PER_MS INT64_C(1000000)

static struct client_script script;

static void start(void)
{
    client_script_start(&script);
}

static void stop(void)
{
    client_script_stop(&script);
}

static const struct {
    int64_t asked_ms;
    int64_t waited_ms;
    int64_t in_force_ms;
    const char *expected;
} holds[] = {
    {10000, 0, 10000, "[1500] a OK until 9990.000\n"},
    {10000, 300, 10000, "[1500] a OK until 10290.000\n"},
    {10000, 300, 2000, "[1500] a OK until 2298.000\n"}, /* Capped there. */
    {0, 0, 2000, "[1500] a OK until 1998.000\n"},
    /* What a server may not say: longer than asked, or waited before it. */
    {2000, 0, 0, "[1500] a OK until 1998.000\n"},
    {2000, 0, 9000, "[1500] a OK until 1998.000\n"},
    {2000, 1501, 2000, "[1500] a OK until 3498.000\n"},
    {2000, INT64_MAX, 2000, "[1500] a OK until 3498.000\n"},
    {INT64_MAX, 0, INT64_MAX, "[1500] a OK until 9214148664817.922\n"},
};

START_TEST(a_hold_counts_from_its_sending)
{
    uint64_t a =
        client_script_acquire(&script, "a", 5000, holds[_i].asked_ms, false);

    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n");
    client_script_at(&script, 1500);
    client_script_granted(&script, a, holds[_i].waited_ms,
                          holds[_i].in_force_ms);
    client_script_expect(&script, holds[_i].expected);
}
END_TEST

START_TEST(a_hold_ends_before_the_server_s)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 2000, false);

    client_script_granted(&script, a, 0, 2000);
    client_script_at(&script, 1000);
    ck_assert_int_eq(core_next_deadline(script.core), 1998 * NS_PER_MS);
    client_script_at(&script, 1998);
    client_script_at(&script, 2000);
    client_script_lost(&script, a, 100 + a, PERMIT_LOSS_HOLD);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 1998.000\n"
                                  "[1998] a LOST hold\n");
}
END_TEST

static const struct {
    int64_t asked_ms;
    int64_t in_force_ms;
    const char *expected;
} renewals[] = {
    {3000, 3000, "[1000] r OK until 3597.000\n"},
    {3000, 0, "[1000] r OK until 3597.000\n"},
    {3000, 9000, "[1000] r OK until 3597.000\n"},
    {3000, 1000, "[1000] r OK until 1599.000\n"},
    {0, 2000, "[1000] r OK until 2598.000\n"}, /* As before, */
    {0, 9000, "[1000] r OK until 2598.000\n"}, /* and not longer. */
    /* Over when it is known. */
    {3000, 400, "[1000] r expired\n[1000] a LOST hold\n"},
};

START_TEST(a_renewed_hold_counts_from_the_sending_of_renew)
{
    uint64_t a = client_script_acquire(&script, "a", 5000, 2000, false);
    uint64_t r;

    client_script_granted(&script, a, 0, 2000);
    client_script_at(&script, 600);
    r = client_script_renew(&script, "r", a, renewals[_i].asked_ms);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 1998.000\n"
                                  "[ 600] > 3 RENEW\n");
    client_script_at(&script, 1000);
    client_script_renewed(&script, r, renewals[_i].in_force_ms);
    client_script_expect(&script, renewals[_i].expected);
}
END_TEST

START_TEST(what_was_renewed_is_lost_at_its_new_deadline)
{
    uint64_t a = client_script_acquire(&script, "a", 5000, 2000, false);
    uint64_t r;

    client_script_granted(&script, a, 0, 2000);
    client_script_at(&script, 1000);
    r = client_script_renew(&script, "r", a, 0);
    client_script_renewed(&script, r, 2000);
    client_script_at(&script, 2997);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 1998.000\n"
                                  "[1000] > 3 RENEW\n"
                                  "[1000] r OK until 2998.000\n");
    client_script_at(&script, 2998);
    client_script_expect(&script, "[2998] a LOST hold\n");
}
END_TEST

/* The server may know of it, and its answer be late. */
START_TEST(a_shorter_hold_counts_from_its_asking)
{
    uint64_t a = client_script_acquire(&script, "a", 5000, 5000, false);

    client_script_granted(&script, a, 0, 5000);
    client_script_at(&script, 100);
    (void)client_script_renew(&script, "r", a, 500);
    client_script_at(&script, 599);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 4995.000\n"
                                  "[ 100] > 3 RENEW\n");
    client_script_at(&script, 600);
    client_script_expect(&script, "[ 600] a LOST hold\n");
}
END_TEST

static const struct {
    int64_t asked_ms[3];
    int64_t in_force_ms[3];
    const char *expected;
} pipelined[] = {
    {{9000, 500, 0},
     {9000, 500, 500},
     "[ 200] r1 OK until 599.500\n"
     "[ 200] r2 OK until 599.500\n"
     "[ 200] r3 OK until 599.500\n"},
    {{500, 9000, 0},
     {500, 9000, 9000},
     "[ 200] r1 OK until 599.500\n"
     "[ 200] r2 OK until 599.500\n"
     "[ 200] r3 OK until 9091.000\n"},
    {{9000, 0, 8000},
     {4000, 4000, 3000},
     "[ 200] r1 OK until 4096.000\n"
     "[ 200] r2 OK until 4096.000\n"
     "[ 200] r3 OK until 3097.000\n"},
};

START_TEST(behind_a_renewal_a_shorter_one_may_be_on_its_way)
{
    static const char *const names[] = {"r1", "r2", "r3"};
    uint64_t a = client_script_acquire(&script, "a", 5000, 5000, false);
    uint64_t ids[3];

    client_script_granted(&script, a, 0, 5000);
    client_script_at(&script, 100);
    for (int i = 0; i < 3; i++) {
        ids[i] = client_script_renew(&script, names[i], a,
                                     pipelined[_i].asked_ms[i]);
    }
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 4995.000\n"
                                  "[ 100] > 3 RENEW\n"
                                  "[ 100] > 4 RENEW\n"
                                  "[ 100] > 5 RENEW\n");
    client_script_at(&script, 200);
    for (int i = 0; i < 3; i++) {
        client_script_renewed(&script, ids[i], pipelined[_i].in_force_ms[i]);
    }
    client_script_expect(&script, pipelined[_i].expected);
}
END_TEST

START_TEST(the_renewal_of_another_grant_changes_nothing)
{
    uint64_t a = client_script_acquire(&script, "a", 5000, 5000, false);
    uint64_t b = client_script_acquire(&script, "b", 5000, 5000, false);
    uint64_t ids[3];

    client_script_granted(&script, a, 0, 5000);
    client_script_granted(&script, b, 0, 5000);
    ids[0] = client_script_renew(&script, "r1", a, 9000);
    (void)client_script_ask(&script, "p", WIRE_PING);
    ids[1] = client_script_renew(&script, "r2", b, 500);
    ids[2] = client_script_renew(&script, "r3", 99, 500);
    ck_assert_int_eq(core_hold_until(script.core, a), INT64_C(4995000000));
    ck_assert_int_eq(core_hold_until(script.core, b), 499500000);
    ck_assert_int_eq(core_hold_until(script.core, 99), 0);
    client_script_renewed(&script, ids[0], 9000);
    client_script_renewed(&script, ids[1], 500);
    client_script_refused(&script, ids[2], PERMIT_E_NOT_HELD);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] > 3 ACQUIRE jobs\n"
                                  "[   0] a OK until 4995.000\n"
                                  "[   0] b OK until 4995.000\n"
                                  "[   0] > 4 RENEW\n"
                                  "[   0] > 5 PING\n"
                                  "[   0] > 6 RENEW\n"
                                  "[   0] > 7 RENEW\n"
                                  "[   0] r1 OK until 8991.000\n"
                                  "[   0] r2 OK until 499.500\n"
                                  "[   0] r3 not_held\n");
}
END_TEST

START_TEST(a_renewal_that_nobody_waits_for_makes_no_hold_longer)
{
    uint64_t a = client_script_acquire(&script, "a", 5000, 2000, false);
    uint64_t r;

    client_script_granted(&script, a, 0, 2000);
    r = client_script_renew(&script, "r", a, 9000);
    client_script_at(&script, 1000);
    client_script_renewed(&script, r, 9000);
    client_script_at(&script, 1998);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 1998.000\n"
                                  "[   0] > 3 RENEW\n"
                                  "[1000] r no_answer\n"
                                  "[1998] a LOST hold\n");
}
END_TEST

START_TEST(what_was_lost_is_not_renewed_any_more)
{
    uint64_t a = client_script_acquire(&script, "a", 5000, 2000, false);
    uint64_t r;

    client_script_granted(&script, a, 0, 2000);
    client_script_at(&script, 1900);
    r = client_script_renew(&script, "r", a, 0);
    client_script_at(&script, 1998);
    client_script_renewed(&script, r, 2000);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a OK until 1998.000\n"
                                  "[1900] > 3 RENEW\n"
                                  "[1998] a LOST hold\n"
                                  "[1998] r expired\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_core_holds");
    TCase *belief = tcase_create("belief");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(belief, start, stop);
    tcase_add_loop_test(belief, a_hold_counts_from_its_sending, 0,
                        (int)(sizeof(holds) / sizeof(*holds)));
    tcase_add_test(belief, a_hold_ends_before_the_server_s);
    tcase_add_loop_test(belief, a_renewed_hold_counts_from_the_sending_of_renew,
                        0, (int)(sizeof(renewals) / sizeof(*renewals)));
    tcase_add_test(belief, what_was_renewed_is_lost_at_its_new_deadline);
    tcase_add_test(belief, a_shorter_hold_counts_from_its_asking);
    tcase_add_loop_test(belief,
                        behind_a_renewal_a_shorter_one_may_be_on_its_way, 0,
                        (int)(sizeof(pipelined) / sizeof(*pipelined)));
    tcase_add_test(belief, the_renewal_of_another_grant_changes_nothing);
    tcase_add_test(belief,
                   a_renewal_that_nobody_waits_for_makes_no_hold_longer);
    tcase_add_test(belief, what_was_lost_is_not_renewed_any_more);
    suite_add_tcase(suite, belief);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
