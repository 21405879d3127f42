/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "late_store.h"

static struct late_store *late;
static struct store *memory;
static struct gate *gate;
static uint64_t seq;

static void setup_late(void)
{
    late = late_store_create();
    gate = gate_create(late_store_as_store(late));
    seq = 0;
}

static void teardown_late(void)
{
    ck_assert_ptr_null(late_store_violation(late));
    gate_destroy(gate);
    late_store_destroy(late);
}

static void setup_memory(void)
{
    memory = store_memory_create();
    gate = gate_create(memory);
    seq = 0;
}

static void teardown_memory(void)
{
    gate_destroy(gate);
    memory->destroy(memory);
}

static void record(void)
{
    struct engine_record next = {.type = ENGINE_RECORD_POSTED, .seq = ++seq};

    ck_assert_int_eq(gate_record(gate, &next), PERMIT_OK);
}

static void frame(uint64_t connection_id, const char *text, bool passes)
{
    ck_assert_int_eq(gate_frame(gate, connection_id, (const uint8_t *)text,
                                strlen(text), true, passes),
                     PERMIT_OK);
}

static void answer(uint64_t connection_id, const char *text)
{
    frame(connection_id, text, false);
}

static void passing(uint64_t connection_id, const char *text)
{
    frame(connection_id, text, true);
}

static void flush(void)
{
    ck_assert_int_eq(gate_flush(gate), PERMIT_OK);
}

/* Everything that may leave now: "1:ab/2 2:c/1 " is one chunk of two answers to
 * connection 1, then one to 2. */
static void expect(const char *expected)
{
    char text[512] = "";
    size_t used = 0;
    struct gate_chunk chunk;

    while (gate_next(gate, &chunk)) {
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "%d:%.*s/%u ",
                             (int)chunk.connection_id, (int)chunk.length,
                             (const char *)chunk.bytes, chunk.answers);
        ck_assert_uint_lt(used, sizeof(text));
    }
    ck_assert_str_eq(text, expected);
}

START_TEST(a_memory_store_lets_a_turn_leave_in_order_at_its_end)
{
    answer(1, "a");
    record();
    answer(1, "b");
    passing(1, "p");
    answer(2, "c");
    answer(1, "d");
    expect("1:a/1 "); /* No record was made before it. */
    flush();
    expect("1:bp/2 2:c/1 1:d/1 ");
    expect("");
}
END_TEST

START_TEST(no_answer_leaves_before_the_newest_record_is_durable)
{
    record();
    answer(1, "a");
    flush();
    answer(2, "b"); /* A refusal: it too says what the state is. */
    expect("");
    record();
    answer(1, "c");
    flush(); /* The store is busy: this one joins the next batch. */
    ck_assert_uint_eq(late_store_batches(late), 1);
    late_store_finish(late);
    flush();
    ck_assert_uint_eq(late_store_batches(late), 2);
    expect("1:a/1 2:b/1 ");
    late_store_finish(late);
    flush();
    expect("1:c/1 ");
}
END_TEST

START_TEST(only_frames_that_pass_overtake_a_late_store)
{
    record();
    answer(1, "a");
    passing(1, "p");
    answer(2, "b");
    passing(2, "q");
    passing(1, "r");
    expect(""); /* The turn is not over. */
    flush();
    expect("1:p/1 2:q/1 1:r/1 ");
    passing(3, "s");
    expect("3:s/1 ");
    ck_assert(gate_holds(gate, 1));
    ck_assert(!gate_holds(gate, 3));
    late_store_finish(late);
    expect("1:a/1 2:b/1 ");
    ck_assert(!gate_holds(gate, 1));
}
END_TEST

START_TEST(a_part_of_a_batch_lets_its_answers_go)
{
    record();
    answer(1, "a");
    record();
    answer(1, "b");
    passing(1, "p");
    flush();
    late_store_advance(late, 1);
    expect("1:a/1 1:p/1 ");
    late_store_advance(late, 2);
    expect("1:b/1 ");
}
END_TEST

START_TEST(nothing_leaves_to_a_connection_that_is_gone)
{
    record();
    answer(1, "a");
    answer(2, "b");
    passing(1, "p");
    answer(1, "c");
    gate_forget(gate, 1);
    ck_assert(!gate_holds(gate, 1));
    ck_assert(gate_holds(gate, 2));
    flush();
    expect("");
    late_store_finish(late);
    expect("2:b/1 ");
}
END_TEST

START_TEST(a_failed_store_lets_nothing_go_but_what_passes)
{
    record();
    answer(1, "a");
    passing(1, "p");
    late_store_fail(late);
    ck_assert_int_eq(gate_flush(gate), PERMIT_E_UNAVAILABLE);
    ck_assert_int_eq(gate_flush(gate), PERMIT_E_UNAVAILABLE);
    expect("1:p/1 ");
}
END_TEST

/* What passes for long before a late store leaves no holes that grow, and what
 * waits is still whole and in order. */
START_TEST(many_passing_frames_take_no_memory_that_stays)
{
    char text[1024];
    struct gate_chunk chunk;

    record();
    answer(1, "first");
    flush();
    fault_arm(0, false);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "%01000d", i);
        fault_begin();
        (void)gate_frame(gate, 2, (const uint8_t *)text, 1000, true, true);
        fault_end();
        if (i % 300 == 17) {
            answer(3, "x");
        }
        ck_assert(gate_next(gate, &chunk));
        ck_assert_uint_eq(chunk.connection_id, 2);
        ck_assert_uint_eq(chunk.length, 1000);
        ck_assert_int_eq(memcmp(chunk.bytes, text, 1000), 0);
    }
    ck_assert_uint_lt(fault_count(), 8); /* Doublings to some 256 KiB. */
    late_store_finish(late);
    expect("1:first/1 3:xxxxxxxxxx/10 ");
}
END_TEST

/* While more waits than has passed, the holes are not worth the moving. */
START_TEST(holes_that_are_the_lesser_part_stay_and_disturb_nothing)
{
    char text[1001] = "";
    struct gate_chunk chunk;

    record();
    for (int i = 0; i < 200; i++) {
        memset(text, i % 2 == 0 ? 'w' : 'p', sizeof(text) - 1);
        frame(1, text, i % 2 == 1);
    }
    flush();
    for (int i = 0; i < 100; i++) {
        ck_assert(gate_next(gate, &chunk));
        ck_assert_uint_eq(chunk.length, 1000);
        ck_assert_int_eq(chunk.bytes[0], 'p');
        answer(2, "b");
    }
    late_store_finish(late);
    for (int i = 0; i < 100; i++) {
        ck_assert(gate_next(gate, &chunk));
        ck_assert_uint_eq(chunk.length, 1000);
        ck_assert_int_eq(chunk.bytes[0], 'w');
        ck_assert_int_eq(chunk.bytes[999], 'w');
    }
    ck_assert(gate_next(gate, &chunk));
    ck_assert_uint_eq(chunk.answers, 100);
}
END_TEST

START_TEST(every_answer_of_a_random_run_leaves_once_and_in_order)
{
    char text[16];
    unsigned next_in[4] = {0};
    unsigned next_out[4] = {0};
    struct gate_chunk chunk;

    srandom((unsigned)_i + 1);
    for (int turn = 0; turn < 400; turn++) {
        for (long i = random() % 60; i > 0; i--) {
            unsigned to = (unsigned)random() % 4;

            if (random() % 2 == 0) {
                record();
            }
            snprintf(text, sizeof(text), "%08u", next_in[to]++);
            answer(to, text);
        }
        flush();
        if (turn % 3 == 2 || turn == 399) {
            late_store_finish(late);
            flush();
            late_store_finish(late);
        }
        /* Not all of it at once, but in the last turn. */
        for (int i = 0; (i < 50 || turn == 399) && gate_next(gate, &chunk);
             i++) {
            for (size_t at = 0; at < chunk.length; at += 8) {
                snprintf(text, sizeof(text), "%08u",
                         next_out[chunk.connection_id]++);
                ck_assert_int_eq(memcmp(chunk.bytes + at, text, 8), 0);
            }
            ck_assert_uint_eq(chunk.answers, chunk.length / 8);
        }
    }
    ck_assert_int_eq(memcmp(next_in, next_out, sizeof(next_in)), 0);
}
END_TEST

/* D3. */
START_TEST(a_failed_allocation_changes_nothing)
{
    const uint8_t *bytes = (const uint8_t *)"a";
    struct engine_record first = {.type = ENGINE_RECORD_POSTED, .seq = 1};
    enum permit_status of_record;
    enum permit_status of_frame;
    enum permit_status of_entry;
    struct gate *none;

    fault_arm(1, true);
    fault_begin();
    none = gate_create(late_store_as_store(late));
    of_record = gate_record(gate, &first);
    of_frame = gate_frame(gate, 1, bytes, 1, true, true);
    fault_end();
    fault_arm(2, false); /* The bytes have room, the entry has none. */
    fault_begin();
    of_entry = gate_frame(gate, 1, bytes, 1, true, true);
    fault_end();
    fault_arm(0, false);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(of_record, PERMIT_E_NOMEM);
    ck_assert_int_eq(of_frame, PERMIT_E_NOMEM);
    ck_assert_int_eq(of_entry, PERMIT_E_NOMEM);
    ck_assert(!gate_holds(gate, 1));
    record();
    answer(1, "b");
    flush();
    late_store_finish(late);
    expect("1:b/1 ");
}
END_TEST

START_TEST(a_gate_that_grew_allocates_nothing_more)
{
    struct gate_chunk chunk;
    struct engine_record next = {.type = ENGINE_RECORD_POSTED};
    uint64_t answers = 0;

    fault_begin();
    for (int turn = 0; turn < 100; turn++) {
        if (turn <= 1) {
            fault_arm(0, false); /* Counts from the second turn on. */
        }
        for (int i = 0; i < 1000; i++) {
            next.seq++;
            (void)gate_record(gate, &next);
            (void)gate_frame(gate, 1, (const uint8_t *)"answer", 6, true,
                             false);
        }
        (void)gate_flush(gate);
        while (gate_next(gate, &chunk)) {
            answers += chunk.answers;
        }
    }
    fault_end();
    ck_assert_uint_eq(answers, 100000);
    ck_assert_uint_eq(fault_count(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *late_case = tcase_create("late");
    TCase *memory_case = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(late_case, setup_late, teardown_late);
    tcase_add_test(late_case,
                   no_answer_leaves_before_the_newest_record_is_durable);
    tcase_add_test(late_case, only_frames_that_pass_overtake_a_late_store);
    tcase_add_test(late_case, a_part_of_a_batch_lets_its_answers_go);
    tcase_add_test(late_case, nothing_leaves_to_a_connection_that_is_gone);
    tcase_add_test(late_case, a_failed_store_lets_nothing_go_but_what_passes);
    tcase_add_test(late_case, many_passing_frames_take_no_memory_that_stays);
    tcase_add_test(late_case,
                   holes_that_are_the_lesser_part_stay_and_disturb_nothing);
    tcase_add_loop_test(
        late_case, every_answer_of_a_random_run_leaves_once_and_in_order, 0, 8);
    tcase_add_test(late_case, a_failed_allocation_changes_nothing);
    suite_add_tcase(suite, late_case);
    tcase_add_checked_fixture(memory_case, setup_memory, teardown_memory);
    tcase_add_test(memory_case,
                   a_memory_store_lets_a_turn_leave_in_order_at_its_end);
    tcase_add_test(memory_case, a_gate_that_grew_allocates_nothing_more);
    suite_add_tcase(suite, memory_case);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
