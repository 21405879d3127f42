/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include <check.h>
#include <stdlib.h>

static struct answers answers;

static void setup(void)
{
    answers_init(&answers, 4, 10);
}

static void teardown(void)
{
    answers_deinit(&answers);
}

static void begin(uint64_t id)
{
    ck_assert_int_eq(answers_begin(&answers, id, 10 * id), PERMIT_OK);
}

static void end(uint64_t id)
{
    struct answer answer = {.to = ENGINE_ACQUIRE, .granted.grant_id = 100 + id};

    answers_end(&answers, id, &answer);
}

static enum answers_found find(uint64_t id, uint64_t body_hash)
{
    const struct answer *answer = NULL;
    enum answers_found found = answers_find(&answers, id, body_hash, &answer);

    if (found == ANSWERS_ANSWERED) {
        ck_assert_uint_eq(answer->granted.grant_id, 100 + id);
    } else {
        ck_assert_ptr_null(answer);
    }
    return found;
}

START_TEST(the_same_id_and_body_gets_the_first_answer)
{
    ck_assert_int_eq(find(7, 70), ANSWERS_NEW);
    begin(7);
    ck_assert_int_eq(find(7, 70), ANSWERS_UNDER_WAY);
    ck_assert_int_eq(find(7, 71), ANSWERS_CONFLICT);
    end(7);
    ck_assert_int_eq(find(7, 70), ANSWERS_ANSWERED);
    ck_assert_int_eq(find(7, 71), ANSWERS_CONFLICT);
}
END_TEST

/* Answers with an outcome of so many bytes. */
static void join(uint64_t id, uint32_t bytes)
{
    struct answer answer = {.to = ENGINE_ACQUIRE, .is_joined = true};

    answer.outcome = outcome_create((const uint8_t *)"0123456789ab", bytes);
    ck_assert_ptr_nonnull(answer.outcome);
    begin(id);
    answers_end(&answers, id, &answer);
}

START_TEST(outcomes_are_kept_up_to_so_many_bytes)
{
    const struct answer *answer;

    begin(1);
    end(1);
    join(2, 6);
    join(3, 4);
    ck_assert_int_eq(answers_find(&answers, 2, 20, &answer), ANSWERS_ANSWERED);
    ck_assert_mem_eq(answer->outcome->bytes, "012345", 6);
    join(4, 5); /* The oldest makes room, and other answers stay. */
    ck_assert_int_eq(find(2, 20), ANSWERS_STALE);
    ck_assert_int_eq(answers_find(&answers, 3, 30, &answer), ANSWERS_ANSWERED);
    ck_assert_int_eq(answers_find(&answers, 4, 40, &answer), ANSWERS_ANSWERED);
    ck_assert_int_eq(find(1, 10), ANSWERS_ANSWERED);
    join(5, 11); /* More than fits. */
    ck_assert_int_eq(find(5, 50), ANSWERS_STALE);
    ck_assert_int_eq(find(4, 40), ANSWERS_STALE);
    ck_assert_uint_eq(answers.outcomes_bytes, 0);
}
END_TEST

START_TEST(an_outcome_that_is_forgotten_counts_no_more)
{
    const struct answer *answer;

    begin(1);
    join(2, 10);
    answers_forget(&answers, 3);
    ck_assert_uint_eq(answers.outcomes_bytes, 0);
    for (uint64_t id = 3; id < 8; id++) { /* Four are kept. */
        join(id, 2);
    }
    ck_assert_uint_eq(answers.outcomes_bytes, 8);
    answers_end(
        &answers, 1,
        &(struct answer){.is_joined = true,
                         .outcome = outcome_create((const uint8_t *)"", 0)});
    begin(8);
    answers_end(&answers, 8, NULL); /* As without memory. */
    ck_assert_int_eq(find(8, 80), ANSWERS_STALE);
    ck_assert_int_eq(answers_find(&answers, 7, 70, &answer), ANSWERS_ANSWERED);
}
END_TEST

START_TEST(an_id_that_is_not_above_all_earlier_ones_is_stale)
{
    begin(7);
    ck_assert_int_eq(find(6, 60), ANSWERS_STALE);
    ck_assert_int_eq(find(0, 0), ANSWERS_STALE);
    ck_assert_int_eq(find(8, 80), ANSWERS_NEW);
    end(7);
}
END_TEST

START_TEST(what_the_client_has_is_forgotten)
{
    for (uint64_t id = 1; id <= 4; id++) {
        begin(id);
        end(id);
    }
    answers_forget(&answers, 3);
    ck_assert_int_eq(find(2, 20), ANSWERS_STALE);
    ck_assert_int_eq(find(3, 30), ANSWERS_ANSWERED);
    answers_forget(&answers, 1); /* The mark never falls. */
    ck_assert_int_eq(find(2, 20), ANSWERS_STALE);
    ck_assert_uint_eq(answers.kept, 2);
    answers_forget(&answers, 1000);
    ck_assert_int_eq(find(999, 9990), ANSWERS_STALE);
    ck_assert_int_eq(find(1000, 10000), ANSWERS_NEW);
    ck_assert_uint_eq(answers.count, 0);
}
END_TEST

START_TEST(only_the_latest_are_kept)
{
    for (uint64_t id = 1; id <= 6; id++) {
        begin(id);
        end(id);
    }
    ck_assert_int_eq(find(2, 20), ANSWERS_STALE);
    for (uint64_t id = 3; id <= 6; id++) {
        ck_assert_int_eq(find(id, 10 * id), ANSWERS_ANSWERED);
    }
    ck_assert_uint_eq(answers.kept, 4);
}
END_TEST

START_TEST(a_request_under_way_is_never_forgotten)
{
    begin(1);
    for (uint64_t id = 2; id <= 1000; id++) {
        begin(id);
        end(id);
    }
    ck_assert_int_eq(find(1, 10), ANSWERS_UNDER_WAY);
    ck_assert_int_eq(find(996, 9960), ANSWERS_STALE);
    ck_assert_int_eq(find(997, 9970), ANSWERS_ANSWERED);
    /* The ring is cleared up, not grown. */
    ck_assert_uint_le(answers.capacity, 16);
    end(1);
    /* It is the oldest of those that are kept, so it goes first. */
    ck_assert_int_eq(find(1, 10), ANSWERS_STALE);
    ck_assert_int_eq(find(997, 9970), ANSWERS_ANSWERED);
}
END_TEST

START_TEST(an_answer_below_the_mark_is_not_kept)
{
    begin(1);
    begin(2);
    end(2);
    answers_forget(&answers, 5);
    end(1);
    ck_assert_uint_eq(answers.kept, 0);
    ck_assert_uint_eq(answers.count, 0);
}
END_TEST

START_TEST(ids_may_leave_gaps)
{
    static const uint64_t ids[] = {3, 10, 11, UINT64_MAX - 1};

    for (size_t i = 0; i < 4; i++) {
        begin(ids[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        end(ids[3 - i]);
    }
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(find(ids[i], 10 * ids[i]), ANSWERS_ANSWERED);
    }
    ck_assert_int_eq(find(4, 40), ANSWERS_STALE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answers");
    TCase *tcase = tcase_create("answers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_same_id_and_body_gets_the_first_answer);
    tcase_add_test(tcase, outcomes_are_kept_up_to_so_many_bytes);
    tcase_add_test(tcase, an_outcome_that_is_forgotten_counts_no_more);
    tcase_add_test(tcase, an_id_that_is_not_above_all_earlier_ones_is_stale);
    tcase_add_test(tcase, what_the_client_has_is_forgotten);
    tcase_add_test(tcase, only_the_latest_are_kept);
    tcase_add_test(tcase, a_request_under_way_is_never_forgotten);
    tcase_add_test(tcase, an_answer_below_the_mark_is_not_kept);
    tcase_add_test(tcase, ids_may_leave_gaps);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
