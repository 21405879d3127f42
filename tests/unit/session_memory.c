/* SPDX-License-Identifier: MIT */
/* FAULTS D3: the n-th allocation fails, once and from n on, for every n of
 * making the parts and of a script of 300 requests. */
#include "session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conversation.h"
#include "fault.h"

#define ROUNDS 50 /* Of six requests. */

/* Six requests: define, acquire, a wait, list, release, release. */
static void round_of(struct conversation *talk, uint64_t round)
{
    struct wire_client_message message = {.id = 10 * round + 4,
                                          .type = WIRE_LIST};

    say_define(talk, 1, 10 * round + 1, "jobs", 1);
    say_acquire(talk, 1, 10 * round + 2, "jobs", 1, 0);
    memset(&message.acquire, 0, sizeof(message.acquire));
    message.id = 10 * round + 3;
    message.type = WIRE_ACQUIRE;
    message.acquire.parts[0].semaphore = "jobs";
    message.acquire.parts[0].permits = 1;
    message.acquire.parts_count = 1;
    message.acquire.wait_ms = -1;
    message.acquire.waiting = true;
    message.acquire.labels[0] = (struct permit_label){"job", "nightly"};
    message.acquire.labels_count = 1;
    conversation_say(talk, 2, &message);
    message.id = 10 * round + 4;
    message.type = WIRE_LIST;
    memset(&message.list, 0, sizeof(message.list));
    message.list.kind = WIRE_LIST_WAITERS;
    message.list.name = "jobs";
    conversation_say(talk, 2, &message);
    say_release(talk, 1, 10 * round + 5, 10 * round + 2);
    say_release(talk, 2, 10 * round + 6, 10 * round + 3);
    conversation_turn(talk);
    talk->length = 0;
}

/* Both take for good, the first breaks, comes back on line 3, and asks again.
 */
static void come_back(struct conversation *talk)
{
    struct wire_client_message message = {.id = 1001, .type = WIRE_DEFINE};

    message.define.semaphore = "pool";
    message.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_PERMITS;
    message.define.kind = PERMIT_COUNTING;
    message.define.permits = 2;
    conversation_say(talk, 1, &message);
    memset(&message.acquire, 0, sizeof(message.acquire));
    message.id = 1002;
    message.type = WIRE_ACQUIRE;
    message.acquire.parts[0].semaphore = "pool";
    message.acquire.parts[0].permits = 1;
    message.acquire.parts[0].consume = true;
    message.acquire.parts_count = 1;
    conversation_say(talk, 1, &message);
    conversation_say(talk, 2, &message);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_cut(talk, 2, SESSION_DISCONNECT_BY_CLIENT);
    if (conversation_return(talk, 3, 1000, 1, 2)) {
        conversation_say(talk, 3, &message);
    }
    conversation_turn(talk);
    talk->length = 0;
}

/* Line 1 holds several limits; line 2 joins, and gets its outcome. */
static void join(struct conversation *talk)
{
    struct wire_client_message message = {.id = 901, .type = WIRE_DEFINE};

    message.define.semaphore = "api/*";
    message.define.is_template = true;
    message.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_RATE;
    message.define.kind = PERMIT_RATE;
    message.define.rate = 3;
    conversation_say(talk, 1, &message);
    message = (struct wire_client_message){.id = 902, .type = WIRE_ACQUIRE};
    message.acquire.parts[0] = (struct wire_part){"jobs", 1, false, 0};
    message.acquire.parts[1] = (struct wire_part){"api/x", 1, false, 0};
    message.acquire.parts_count = 2;
    message.acquire.settle = true;
    conversation_say(talk, 1, &message);
    message.acquire.parts_count = 1;
    message.acquire.settle = false;
    message.acquire.join = true;
    message.acquire.wait_ms = -1;
    conversation_say(talk, 2, &message);
    message = (struct wire_client_message){.id = 903, .type = WIRE_RELEASE};
    message.release.acquire_id = 902;
    message.release.has_outcome = true;
    message.release.outcome.data = (const uint8_t *)"red";
    message.release.outcome.length = 3;
    conversation_say(talk, 1, &message);
    conversation_turn(talk);
    talk->length = 0;
}

/* Whatever fails: never more out than one permit, never a crash, no leak. */
static void run_script(void)
{
    struct conversation *talk = conversation_create(false, NULL);
    struct permit_semaphore_info jobs;

    if (talk == NULL) {
        return;
    }
    if (conversation_return(talk, 1, 1000, 0, 0) &&
        conversation_hello(talk, 2)) {
        for (uint64_t round = 1; round <= ROUNDS; round++) {
            round_of(talk, round);
            if (sessions_view_semaphore(talk->sessions, "jobs", talk->now_ns,
                                        &jobs)) {
                ck_assert_uint_le(jobs.held, 1);
            }
            if (sessions_have_failed(talk->sessions)) {
                break; /* The daemon stops here: a record was lost. */
            }
        }
        if (!sessions_have_failed(talk->sessions)) {
            join(talk);
        }
        if (!sessions_have_failed(talk->sessions)) {
            come_back(talk);
        }
    }
    engine_check(talk->engine);
    conversation_destroy(talk);
}

START_TEST(every_allocation_may_fail)
{
    size_t allocations;

    fault_arm(0, false);
    run_script();
    allocations = fault_count();
    ck_assert_uint_gt(allocations, 50);
    for (size_t n = 1; n <= allocations; n++) {
        fault_arm(n, _i == 1); /* Once, or from n on. */
        run_script();
    }
}
END_TEST

START_TEST(a_request_that_finds_no_memory_is_unavailable_and_changes_nothing)
{
    struct conversation *talk = conversation_create(false, NULL);
    uint64_t seq;

    ck_assert(conversation_hello(talk, 1));
    say_define(talk, 1, 2, "jobs", 1);
    conversation_turn(talk);
    talk->length = 0;
    seq = engine_seq(talk->engine);
    for (uint64_t id = 3; id < 18; id++) {
        say_acquire(talk, 1, id, "none", 1, 0); /* Fills the ring of answers. */
    }
    conversation_turn(talk);
    talk->length = 0;
    fault_arm(1, true);
    say_acquire(talk, 1, 18, "jobs", 1, 0);
    fault_arm(0, false);
    conversation_expect(talk, "c1 #18 refused unavailable\n");
    ck_assert_uint_eq(engine_seq(talk->engine), seq);
    say_acquire(talk, 1, 18, "jobs", 1, 0);
    conversation_expect(talk, "c1 #18 granted\n");
    conversation_destroy(talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_memory");
    TCase *tcase = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_allocation_may_fail, 0, 2);
    tcase_add_test(
        tcase,
        a_request_that_finds_no_memory_is_unavailable_and_changes_nothing);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
