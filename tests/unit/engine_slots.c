/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

/* The limits of a script have room for two semaphores with slots. */
static struct script script;

static void setup(void)
{
    script_init(&script);
    script_open(&script, 1, 6, 1000000);
    script_slots(&script, "jobs", 4, true);
    script_forget(&script);
}

static void teardown(void)
{
    script_finish(&script);
}

/* Asserts what an acquire holds now, lowest first; -1 ends the list. */
static void assert_slots(int session, uint64_t acquire_id, const int *expected)
{
    uint32_t list[LIMIT_SLOTS_MAX];
    struct engine_grant_view view;
    size_t count = 0;

    ck_assert(engine_view_grant(script.engine, script.session_ids[session],
                                acquire_id, &view));
    while (expected[count] != -1) {
        count++;
    }
    ck_assert_uint_eq(engine_view_slots(script.engine, view.grant_id,
                                        view.parts[0].semaphore, list),
                      count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(list[i], (uint32_t)expected[i]);
    }
}
#define SLOTS(...) ((const int[]){__VA_ARGS__, -1})

START_TEST(a_grant_gets_the_lowest_free_slots)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire(&script, 2, 21, 0);
    script_acquire(&script, 3, 31, 0);
    script_release(&script, 2, 22, 21);
    script_release(&script, 1, 12, 11);
    script_acquire(&script, 4, 41, 0);
    script_acquire_some(&script, 5, 51, -1, 2);
    script_expect(&script, "[   0] s1 r11 GRANTED slots 0-1\n"
                           "[   0] s2 r21 GRANTED slots 2\n"
                           "[   0] s3 r31 GRANTED slots 3\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s4 r41 GRANTED slots 0\n"
                           "[   0] s5 r51 GRANTED slots 1-2\n");
    assert_slots(3, 31, SLOTS(3));
    assert_slots(5, 51, SLOTS(1, 2));
}
END_TEST

START_TEST(who_waited_gets_what_came_back)
{
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire_hold(&script, 2, 21, 0, 100);
    script_acquire(&script, 3, 31, -1);
    script_acquire_some(&script, 4, 41, -1, 2);
    script_forget(&script);
    script_tick(&script, 100);
    script_end(&script, 1);
    script_expect(&script, "[ 100] s2 r21 LOST hold\n"
                           "[ 100] s3 r31 GRANTED waited 100 slots 3\n"
                           "[ 100] s4 r41 GRANTED waited 100 slots 0-1\n"
                           "[ 100] s1 ENDED by client\n");
}
END_TEST

START_TEST(of_a_part_the_highest_come_back)
{
    script_acquire(&script, 1, 11, 0);
    script_acquire_some(&script, 2, 21, 0, 3);
    script_release(&script, 1, 12, 11);
    script_release_some(&script, 2, 22, 21, "jobs 2");
    assert_slots(2, 21, SLOTS(1));
    script_forget(&script);
    script_acquire_some(&script, 3, 31, 0, 3);
    script_expect(&script, "[   0] s3 r31 GRANTED slots 0,2-3\n");
    script_release_some(&script, 3, 32, 31, "jobs 1");
    assert_slots(3, 31, SLOTS(0, 2));
}
END_TEST

START_TEST(c22_after_a_shrink_slots_beyond_retire_as_they_come_back)
{
    for (uint64_t i = 1; i <= 4; i++) {
        script_acquire(&script, (int)i, i * 10 + 1, 0);
    }
    script_slots(&script, "jobs", 2, true);
    script_acquire(&script, 5, 51, -1);
    assert_slots(4, 41, SLOTS(3));
    script_forget(&script);
    script_release(&script, 4, 42, 41); /* Slot 3; three are out. */
    script_release(&script, 2, 22, 21); /* Slot 1; two are out. */
    script_release(&script, 3, 32, 31); /* Slot 2. */
    script_expect(&script, "[   0] s4 r42 OK\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s3 r32 OK\n"
                           "[   0] s5 r51 GRANTED slots 1\n");
    script_acquire_some(&script, 6, 61, -1, 2);
    script_slots(&script, "jobs", 5, true);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s6 r61 GRANTED slots 2-3\n");
}
END_TEST

START_TEST(slots_change_only_while_nothing_is_out)
{
    script_acquire(&script, 1, 11, 0);
    script_slots(&script, "jobs", 4, false);
    script_slots(&script, "jobs", 5, true);
    script_release(&script, 1, 12, 11);
    script_slots(&script, "jobs", 4, false);
    script_acquire(&script, 1, 13, 0);
    script_slots(&script, "jobs", 4, true);
    script_expect(&script, "[   0] s1 r11 GRANTED slots 0\n"
                           "[   0] s0 r1 CONFLICT\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s1 r13 GRANTED\n"
                           "[   0] s0 r1 CONFLICT\n");
    ck_assert(!script_view(&script, "jobs").definition.slots);
    script_release(&script, 1, 14, 13);
    script_slots(&script, "jobs", 4, true);
    ck_assert(script_view(&script, "jobs").definition.slots);
}
END_TEST

START_TEST(who_waits_without_slots_is_granted_with_them)
{
    script_slots(&script, "plain", 2, false);
    script_acquire_of(&script, 1, 11, 0, "plain");
    script_acquire_of(&script, 2, 21, 0, "plain");
    script_disconnect(&script, 3);
    script_open_lingering(&script, 7, 7, 1000000, 1000);
    script_acquire_of(&script, 7, 71, -1, "plain");
    script_disconnect(&script, 7);
    script_release(&script, 1, 12, 11);
    script_release(&script, 2, 22, 21);
    script_slots(&script, "plain", 2, true);
    script_forget(&script);
    script_resume(&script, 7);
    assert_slots(7, 71, SLOTS(0));
}
END_TEST

START_TEST(semaphores_with_slots_are_bounded)
{
    script_slots(&script, "b", 1, true);
    script_slots(&script, "c", 1, true);
    script_slots(&script, "d", 1, false);
    script_slots(&script, "d", 1, true);
    script_slots(&script, "b", 1, false);
    script_slots(&script, "d", 1, true);
    script_delete(&script, "d", false, 0);
    script_slots(&script, "c", 1, true);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s0 r1 TOO_MANY\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s0 r1 TOO_MANY\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s0 r2 OK\n"
                           "[   0] s0 r1 OK\n");
}
END_TEST

START_TEST(a_deleted_semaphore_keeps_its_slots_until_its_grants_are_over)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script_delete(&script, "jobs", true, 100);
    script_slots(&script, "jobs", 1, true);
    script_slots(&script, "more", 1, true);
    script_forget(&script);
    script_acquire(&script, 2, 21, 0);
    script_release_some(&script, 1, 12, 11, "jobs 1");
    assert_slots(1, 11, SLOTS(0));
    script_tick(&script, 100);
    script_slots(&script, "more", 1, true);
    script_expect(&script, "[   0] s2 r21 GRANTED slots 0\n"
                           "[   0] s1 r12 OK\n"
                           "[ 100] s0 r1 OK\n");
}
END_TEST

START_TEST(a_grant_has_up_to_1024_slots)
{
    script_slots(&script, "jobs", LIMIT_SLOTS_MAX, true);
    script_forget(&script);
    script_acquire_some(&script, 1, 11, 0, 64);
    script_acquire_some(&script, 2, 21, 0, LIMIT_SLOTS_MAX - 64);
    script_release_some(&script, 2, 22, 21, "jobs 63");
    script_acquire(&script, 3, 31, 0);
    script_expect(&script, "[   0] s1 r11 GRANTED slots 0-63\n"
                           "[   0] s2 r21 GRANTED slots 64-1023\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s3 r31 GRANTED slots 961\n");
    script_release(&script, 3, 32, 31);
    script_release(&script, 2, 23, 21);
    script_release(&script, 1, 12, 11);
    script_forget(&script);
    script_acquire_some(&script, 1, 13, 0, LIMIT_SLOTS_MAX);
    script_expect(&script, "[   0] s1 r13 GRANTED slots 0-1023\n");
}
END_TEST

START_TEST(without_slots_a_grant_has_none)
{
    uint32_t list[LIMIT_SLOTS_MAX];
    struct engine_grant_view view;

    script_bounded(&script, "plain", 1);
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "plain");
    script_acquire_hold(&script, 2, 21, 0, 1);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s2 r21 GRANTED hold 1 slots 0\n");
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[1], 11, &view));
    ck_assert_uint_eq(
        engine_view_slots(script.engine, view.grant_id, "jobs", list), 0);
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[2], 21, &view));
    script_tick(&script, 1); /* It is lost, and remembered. */
    ck_assert_uint_eq(
        engine_view_slots(script.engine, view.grant_id, "jobs", list), 0);
    ck_assert_uint_eq(engine_view_slots(script.engine, 1, "jobs", list), 0);
}
END_TEST

/* What is wrong with the slots of a record is refused. */
START_TEST(a_record_has_one_free_slot_a_permit)
{
    static const uint64_t wrong[] = {0, 1, 3, 8, 13};
    struct engine *restored;
    struct engine_record record = {.type = ENGINE_RECORD_GRANTED,
                                   .semaphore = "jobs",
                                   .request_id = 99,
                                   .permits = 2};

    script_acquire(&script, 1, 11, 0);
    script_acquire_some(&script, 2, 21, 0, 1);
    script_release(&script, 1, 12, 11); /* Slot 1 is taken. */
    restored = script_restore(&script);
    record.seq = engine_seq(restored) + 1;
    record.session_id = script.session_ids[3];
    record.grant_id = UINT64_C(1) << 40;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        record.slots.words[0] = wrong[i];
        ck_assert_int_eq(engine_restore(restored, &record), PERMIT_E_INVALID);
    }
    record.slots.words[0] = 1;
    record.slots.words[15] = UINT64_C(1) << 63; /* From before a shrink. */
    ck_assert_int_eq(engine_restore(restored, &record), PERMIT_OK);
    engine_check(restored);
    engine_destroy(restored);
}
END_TEST

START_TEST(definitions_in_records_keep_the_rules_of_slots)
{
    struct engine *restored;
    struct engine_record record;

    script_acquire(&script, 1, 11, 0);
    for (size_t i = 0; i < script.records_count; i++) {
        if (script.records[i].type == ENGINE_RECORD_DEFINED) {
            record = script.records[i];
        }
    }
    restored = script_restore(&script);
    record.seq = engine_seq(restored) + 1;
    record.definition.slots = false; /* A grant is out. */
    ck_assert_int_eq(engine_restore(restored, &record), PERMIT_E_INVALID);
    record.definition.slots = true;
    record.definition.permits = LIMIT_SLOTS_MAX + 1;
    ck_assert_int_eq(engine_restore(restored, &record), PERMIT_E_INVALID);
    record.definition.permits = 1;
    ck_assert_int_eq(engine_restore(restored, &record), PERMIT_OK);
    engine_check(restored);
    engine_destroy(restored);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_slots");
    TCase *tcase = tcase_create("slots");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_grant_gets_the_lowest_free_slots);
    tcase_add_test(tcase, who_waited_gets_what_came_back);
    tcase_add_test(tcase, of_a_part_the_highest_come_back);
    tcase_add_test(tcase,
                   c22_after_a_shrink_slots_beyond_retire_as_they_come_back);
    tcase_add_test(tcase, slots_change_only_while_nothing_is_out);
    tcase_add_test(tcase, who_waits_without_slots_is_granted_with_them);
    tcase_add_test(tcase, semaphores_with_slots_are_bounded);
    tcase_add_test(
        tcase, a_deleted_semaphore_keeps_its_slots_until_its_grants_are_over);
    tcase_add_test(tcase, a_grant_has_up_to_1024_slots);
    tcase_add_test(tcase, without_slots_a_grant_has_none);
    tcase_add_test(tcase, a_record_has_one_free_slot_a_permit);
    tcase_add_test(tcase, definitions_in_records_keep_the_rules_of_slots);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
