/* SPDX-License-Identifier: MIT */
/* Acquires of several semaphores, outcomes and settling: what a repeat gets,
 * and what comes back of what nobody was told. */
#include "session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conversation.h"
#include "fault.h"

#define YEAR_MS UINT64_C(31622400000)

static struct conversation *talk;

static void define(uint64_t id, const char *name, enum permit_kind kind,
                   uint32_t permits, bool slots)
{
    struct wire_client_message message = {.id = id, .type = WIRE_DEFINE};
    struct wire_define *define = &message.define;

    define->semaphore = name;
    define->is_template = strchr(name, '*') != NULL;
    define->kind = kind;
    define->fields = WIRE_FIELD_KIND;
    if (kind == PERMIT_RATE) {
        define->fields |= WIRE_FIELD_RATE | WIRE_FIELD_PER | WIRE_FIELD_BURST;
        define->rate = 1;
        define->per_ms = YEAR_MS;
        define->burst = permits;
    } else {
        define->fields |= WIRE_FIELD_PERMITS | WIRE_FIELD_SLOTS;
        define->permits = permits;
        define->slots = slots;
    }
    conversation_say(talk, 2, &message);
}

/* Line 1 has a session that lingers for 1 s; line 2 has one that does not. */
static void setup(void)
{
    talk = conversation_create(false, NULL);
    ck_assert_ptr_nonnull(talk);
    ck_assert(conversation_return(talk, 1, 1000, 0, 0));
    ck_assert(conversation_hello(talk, 2));
    define(2, "db", PERMIT_BOUNDED, 4, true);
    define(3, "api", PERMIT_RATE, 10, false);
    define(4, "pool", PERMIT_COUNTING, 10, false);
    define(5, "api/*", PERMIT_RATE, 10, false);
    conversation_turn(talk);
    talk->length = 0;
}

static void teardown(void)
{
    engine_check(talk->engine);
    conversation_destroy(talk);
}

/* An acquire of 2 of db, 3 of api and 4 of pool, these for good; or of what
 * `names` has. */
static struct wire_client_message acquire_of(uint64_t id, const char *names)
{
    static const struct wire_part parts[] = {
        {"db", 2, false, 0}, {"api", 3, false, 0}, {"pool", 4, true, 0}};
    struct wire_client_message message = {.id = id, .type = WIRE_ACQUIRE};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(names, parts[i].semaphore) != NULL) {
            message.acquire.parts[message.acquire.parts_count++] = parts[i];
        }
    }
    return message;
}

static void say_parts(int number, uint64_t id, const char *names, bool settle)
{
    struct wire_client_message message = acquire_of(id, names);

    message.acquire.settle = settle;
    conversation_say(talk, number, &message);
}

static void say_settle(int number, uint64_t id, uint64_t acquire_id,
                       uint32_t actual)
{
    struct wire_client_message message = {.id = id, .type = WIRE_SETTLE};

    message.release.acquire_id = acquire_id;
    message.release.parts[0] =
        (struct wire_part){.semaphore = "api", .permits = actual};
    message.release.parts_count = 1;
    conversation_say(talk, number, &message);
}

static void say_join(int number, uint64_t id)
{
    struct wire_client_message message = acquire_of(id, "db");

    message.acquire.parts[0].permits = 4;
    message.acquire.wait_ms = -1;
    message.acquire.join = true;
    conversation_say(talk, number, &message);
}

static void say_outcome(int number, uint64_t id, uint64_t acquire_id,
                        const char *outcome)
{
    struct wire_client_message message = {.id = id, .type = WIRE_RELEASE};

    message.release.acquire_id = acquire_id;
    message.release.has_outcome = true;
    message.release.outcome.data = (const uint8_t *)outcome;
    message.release.outcome.length = strlen(outcome);
    conversation_say(talk, number, &message);
}

static uint64_t available(const char *semaphore)
{
    struct engine_semaphore_view view;

    ck_assert(engine_view_semaphore(talk->engine, semaphore, &view));
    return view.available;
}

/* ------------------------------------------------------------------ repeats */

START_TEST(a_repeat_of_several_limits_gets_the_first_answer)
{
    say_parts(1, 2, "db api pool", false);
    say_parts(1, 2, "db api pool", false);
    say_parts(1, 2, "db api", false);
    say_release(talk, 1, 3, 2);
    say_parts(1, 2, "db api pool", false);
    conversation_expect(talk, "c1 #2 granted db[0-1] taken 6\n"
                              "c1 #2 granted db[0-1] taken 6\n"
                              "c1 #2 refused conflict\n"
                              "c1 #3 done\n"
                              "c1 #2 granted taken 6\n");
    ck_assert_uint_eq(available("api"), 7);
    ck_assert_uint_eq(available("pool"), 6);
}
END_TEST

START_TEST(who_comes_back_is_told_all_parts_that_are_left)
{
    say_parts(1, 2, "db api pool", true);
    say_parts(1, 3, "api", true);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_turn(talk);
    talk->length = 0;
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_settle(3, 4, 2, 1);
    say_parts(3, 2, "db api pool", true);
    conversation_expect(talk,
                        "c3 preface\n"
                        "c3 #1 welcome resumed #2:db*2[0-1]+api*3 #3:api*3\n"
                        "c3 #4 done\n"
                        "c3 #2 granted db[0-1] taken 6\n");
    ck_assert_uint_eq(available("api"), 6);
}
END_TEST

START_TEST(an_acquire_is_settled_once)
{
    say_parts(1, 2, "api", true);
    say_settle(1, 3, 2, 1);
    say_settle(1, 3, 2, 1);
    say_settle(1, 3, 2, 2);
    say_settle(1, 4, 2, 1);
    conversation_expect(talk, "c1 #2 granted taken 1\n"
                              "c1 #3 done\n"
                              "c1 #3 done\n"
                              "c1 #3 refused conflict\n"
                              "c1 #4 refused not_held\n");
    ck_assert_uint_eq(available("api"), 9);
}
END_TEST

START_TEST(who_joined_gets_the_outcome_again_on_another_line_too)
{
    say_acquire(talk, 2, 6, "db", 4, 0);
    say_join(1, 2);
    say_join(1, 3);
    say_join(1, 3); /* Under way: its answer will come. */
    say_outcome(2, 7, 6, "red");
    say_acquire(talk, 2, 8, "db", 4, 0);
    say_join(1, 4);
    say_outcome(2, 9, 8, "");
    say_join(1, 2);
    conversation_expect(talk, "c2 #6 granted db[0-3]\n"
                              "c2 #7 done\n"
                              "c1 #2 joined red\n"
                              "c1 #3 joined red\n"
                              "c2 #8 granted db[0-3]\n"
                              "c2 #9 done\n"
                              "c1 #4 joined \n"
                              "c1 #2 joined red\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_join(3, 3);
    say_join(3, 4);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 joined red\n"
                              "c3 #4 joined \n");
}
END_TEST

START_TEST(an_outcome_that_cannot_be_kept_is_told_once)
{
    say_acquire(talk, 2, 6, "db", 4, 0);
    say_join(1, 2);
    conversation_turn(talk);
    talk->length = 0;
    /* The gate has room, so that the copy alone is not to be had. The Release's
     * own answer takes no memory any more. */
    fault_arm(1, true);
    say_outcome(2, 7, 6, "red");
    fault_arm(0, false);
    say_join(1, 2);
    conversation_expect(talk, "c2 #7 done\n"
                              "c1 #2 joined red\n"
                              "c1 #2 refused invalid\n");
}
END_TEST

/* ------------------------------------------------ what nobody was told of */

static const struct {
    const char *names;
    bool settle; /* It asked for that, and has the grant. */
    bool is_settled;
    uint64_t api; /* What is there of each when the session has ended. */
    uint64_t pool;
} undo_cases[] = {
    {"api", false, false, 10, 10},      {"db api pool", false, false, 10, 10},
    {"api", true, false, 10, 10},       {"db api pool", true, false, 10, 10},
    {"api", true, true, 9, 10}, /* It says that it used one. */
    {"db api pool", true, true, 9, 10},
};

START_TEST(tokens_that_nobody_was_told_of_come_back)
{
    say_parts(1, 2, undo_cases[_i].names, undo_cases[_i].settle);
    if (undo_cases[_i].is_settled) {
        say_settle(1, 3, 2, 1);
    }
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 999);
    ck_assert_uint_lt(available("api"), 10);
    conversation_advance(talk, 1);
    ck_assert_uint_eq(available("api"), undo_cases[_i].api);
    ck_assert_uint_eq(available("pool"), undo_cases[_i].pool);
    ck_assert_uint_eq(available("db"), 4);
}
END_TEST

START_TEST(what_was_told_does_not_come_back_whatever_its_parts)
{
    say_parts(1, 2, "db api pool", false);
    conversation_turn(talk);
    say_parts(1, 3, "api pool", false); /* Nobody is told of this one. */
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("api"), 7);
    ck_assert_uint_eq(available("pool"), 6);
}
END_TEST

START_TEST(a_deleted_semaphore_leaves_the_others_what_they_get)
{
    struct wire_client_message delete = {.id = 905, .type = WIRE_DELETE};

    delete.delete.semaphore = "pool";
    conversation_plug(talk, 1);
    say_parts(1, 2, "api pool", false);
    conversation_turn(talk); /* Now in the buffer; this one in the gate: */
    say_parts(1, 3, "api pool", false);
    conversation_say(talk, 2, &delete);
    define(906, "pool", PERMIT_COUNTING, 5, false);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("api"), 10);
    ck_assert_uint_eq(available("pool"), 5);
}
END_TEST

START_TEST(what_a_template_made_is_forgotten_when_its_tokens_are_back)
{
    struct wire_client_message message = acquire_of(2, "api");
    struct engine_semaphore_view view;

    message.acquire.parts[0].semaphore = "api/x";
    conversation_say(talk, 1, &message);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_turn(talk);
    ck_assert_uint_eq(available("api/x"), 7);
    conversation_advance(talk, 1000);
    ck_assert(!engine_view_semaphore(talk->engine, "api/x", &view));
}
END_TEST

START_TEST(who_waits_to_settle_may_come_back_on_another_line)
{
    struct wire_client_message message = acquire_of(2, "db api");

    message.acquire.settle = true;
    message.acquire.wait_ms = -1;
    say_acquire(talk, 2, 6, "db", 4, 0);
    conversation_say(talk, 1, &message);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    conversation_turn(talk);
    conversation_plug(talk, 3);
    say_release(talk, 2, 7, 6);
    conversation_turn(talk);
    ck_assert_uint_eq(available("api"), 7);
    conversation_cut(talk, 3, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("api"), 10);
}
END_TEST

/* To forget it was invisible, so what was taken before comes back after. */
START_TEST(what_a_template_made_again_gets_what_nobody_was_told_of)
{
    struct wire_client_message define = {.id = 6, .type = WIRE_DEFINE};
    struct wire_client_message message = acquire_of(2, "api");
    struct engine_semaphore_view view;

    define.define.semaphore = "fast/*";
    define.define.is_template = true;
    define.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_RATE;
    define.define.kind = PERMIT_RATE;
    define.define.rate = 10;
    conversation_say(talk, 2, &define);
    message.acquire.parts[0].semaphore = "fast/x";
    ck_assert(conversation_hello(talk, 3));
    conversation_turn(talk);
    conversation_plug(talk, 3);
    conversation_say(talk, 3, &message);
    conversation_advance(talk, 300);
    ck_assert(!engine_view_semaphore(talk->engine, "fast/x", &view));
    conversation_say(talk, 1, &message);
    say_acquire(talk, 1, 3, "fast/x", 3, 0);
    conversation_cut(talk, 3, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert_uint_eq(available("fast/x"), 7);
}
END_TEST

#define COUNT(cases) ((int)(sizeof(cases) / sizeof((cases)[0])))

int main(void)
{
    Suite *suite = suite_create("session_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_repeat_of_several_limits_gets_the_first_answer);
    tcase_add_test(tcase, who_comes_back_is_told_all_parts_that_are_left);
    tcase_add_test(tcase, an_acquire_is_settled_once);
    tcase_add_test(tcase,
                   who_joined_gets_the_outcome_again_on_another_line_too);
    tcase_add_test(tcase, an_outcome_that_cannot_be_kept_is_told_once);
    tcase_add_loop_test(tcase, tokens_that_nobody_was_told_of_come_back, 0,
                        COUNT(undo_cases));
    tcase_add_test(tcase, what_was_told_does_not_come_back_whatever_its_parts);
    tcase_add_test(tcase, a_deleted_semaphore_leaves_the_others_what_they_get);
    tcase_add_test(tcase,
                   what_a_template_made_is_forgotten_when_its_tokens_are_back);
    tcase_add_test(tcase, who_waits_to_settle_may_come_back_on_another_line);
    tcase_add_test(tcase,
                   what_a_template_made_again_gets_what_nobody_was_told_of);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
