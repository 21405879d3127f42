/* SPDX-License-Identifier: MIT */

/* What a server may say, and what a client makes of it: FAULTS C19 at the level
 * of one message. */

#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>
/* To say what our own encoder cannot. */
#include <permit.pb-c.h>

#include "frame.h"

static struct wire_arena arena;
static struct wire_server_message decoded;

static void make_arena(void)
{
    arena = (struct wire_arena){.bytes = malloc(WIRE_ARENA_BYTES),
                                .capacity = WIRE_ARENA_BYTES};
    ck_assert_ptr_nonnull(arena.bytes);
}

static void free_arena(void)
{
    free(arena.bytes);
}

/* Decodes *member as the member `member_case` of a message with id 7. Returns
 * its type. */
static enum wire_server_type send_member(int member_case, void *member)
{
    Permit__V1__ServerMessage outer = PERMIT__V1__SERVER_MESSAGE__INIT;
    static uint8_t bytes[FRAME_BYTES_MAX];
    size_t length;

    outer.id = 7;
    outer.message_case = (Permit__V1__ServerMessage__MessageCase)member_case;
    outer.pong = member;
    ck_assert_uint_le(permit__v1__server_message__get_packed_size(&outer),
                      sizeof(bytes));
    length = permit__v1__server_message__pack(&outer, bytes);
    ck_assert_int_eq(wire_decode_server(bytes, length, &arena, &decoded),
                     PERMIT_OK);
    ck_assert_uint_eq(decoded.id, 7);
    return decoded.type;
}

#define SEND(name, member)                                                     \
    send_member(PERMIT__V1__SERVER_MESSAGE__MESSAGE_##name, member)

/* ------------------------------------------------------- enums of a newer one
 */

START_TEST(an_unknown_reason_is_an_unknown_message)
{
    Permit__V1__Refused refused = PERMIT__V1__REFUSED__INIT;
    Permit__V1__Goaway goaway = PERMIT__V1__GOAWAY__INIT;
    Permit__V1__Cancelled cancelled = PERMIT__V1__CANCELLED__INIT;

    for (int value = -1; value <= 30; value++) {
        refused.reason = (Permit__V1__Reason)value;
        ck_assert_int_eq(SEND(REFUSED, &refused), value >= 1 && value <= 21
                                                      ? WIRE_REFUSED
                                                      : WIRE_SERVER_UNKNOWN);
        if (decoded.type == WIRE_REFUSED) {
            ck_assert_int_eq(decoded.refused.reason, -value);
        }
        goaway.reason = (Permit__V1__GoawayReason)value;
        ck_assert_int_eq(SEND(GOAWAY, &goaway), value >= 1 && value <= 6
                                                    ? WIRE_GOAWAY
                                                    : WIRE_SERVER_UNKNOWN);
        cancelled.outcome = (Permit__V1__CancelOutcome)value;
        ck_assert_int_eq(SEND(CANCELLED, &cancelled),
                         value >= 1 && value <= 3 ? WIRE_CANCELLED
                                                  : WIRE_SERVER_UNKNOWN);
    }
}
END_TEST

/* What is lost must not be believed in because its reason is a newer one. */
START_TEST(lost_is_lost_for_an_unknown_reason_too)
{
    Permit__V1__ServerMessage outer = PERMIT__V1__SERVER_MESSAGE__INIT;
    Permit__V1__Lost lost = PERMIT__V1__LOST__INIT;
    uint8_t bytes[64];
    size_t length;

    for (int value = 1; value <= 30; value++) {
        lost.reason = (Permit__V1__LossReason)value;
        ck_assert_int_eq(SEND(LOST, &lost), WIRE_LOST);
        ck_assert_int_eq(decoded.lost.reason, value);
    }
    outer.message_case = PERMIT__V1__SERVER_MESSAGE__MESSAGE_LOST;
    outer.lost = &lost;
    for (int value = -1; value <= 0; value++) {
        lost.reason = (Permit__V1__LossReason)value;
        length = permit__v1__server_message__pack(&outer, bytes);
        ck_assert_int_eq(wire_decode_server(bytes, length, &arena, &decoded),
                         PERMIT_E_PROTOCOL);
    }
}
END_TEST

START_TEST(an_unknown_kind_is_an_unknown_message)
{
    Permit__V1__Semaphore semaphore = PERMIT__V1__SEMAPHORE__INIT;
    Permit__V1__Semaphore *semaphores = &semaphore;
    Permit__V1__Waiter waiter = PERMIT__V1__WAITER__INIT;
    Permit__V1__Waiter *waiters = &waiter;
    Permit__V1__Page page = PERMIT__V1__PAGE__INIT;

    page.n_semaphores = 1;
    page.semaphores = &semaphores;
    for (int value = -1; value <= 4; value++) {
        bool is_known = value >= 1 && value <= 3;

        semaphore.kind = (Permit__V1__Kind)value;
        ck_assert_int_eq(SEND(SEMAPHORE, &semaphore),
                         is_known ? WIRE_SEMAPHORE : WIRE_SERVER_UNKNOWN);
        ck_assert_int_eq(SEND(PAGE, &page),
                         is_known ? WIRE_PAGE : WIRE_SERVER_UNKNOWN);
    }
    page.n_semaphores = 0;
    page.n_waiters = 1;
    page.waiters = &waiters;
    for (int value = -1; value <= 4; value++) {
        waiter.set_aside = (Permit__V1__SetAside)value;
        ck_assert_int_eq(SEND(PAGE, &page), value >= 0 && value <= 3
                                                ? WIRE_PAGE
                                                : WIRE_SERVER_UNKNOWN);
    }
}
END_TEST

START_TEST(rows_behind_one_of_an_unknown_kind_do_not_hide_it)
{
    Permit__V1__Semaphore bounded = PERMIT__V1__SEMAPHORE__INIT;
    Permit__V1__Semaphore unknown = PERMIT__V1__SEMAPHORE__INIT;
    Permit__V1__Semaphore *semaphores[] = {&bounded, &unknown, &bounded};
    Permit__V1__Page page = PERMIT__V1__PAGE__INIT;

    bounded.kind = PERMIT__V1__KIND__BOUNDED;
    unknown.kind = (Permit__V1__Kind)9;
    page.n_semaphores = 3;
    page.semaphores = semaphores;
    ck_assert_int_eq(SEND(PAGE, &page), WIRE_SERVER_UNKNOWN);
    unknown.kind = PERMIT__V1__KIND__COUNTING;
    ck_assert_int_eq(SEND(PAGE, &page), WIRE_PAGE);
    ck_assert_uint_eq(decoded.page.count, 3);
}
END_TEST

/* No server of ours sends it; nobody may read beyond what is there. */
START_TEST(a_live_grant_of_nothing_is_read_as_that)
{
    Permit__V1__LiveGrant grant = PERMIT__V1__LIVE_GRANT__INIT;
    Permit__V1__LiveGrant *rows = &grant;
    Permit__V1__Grants grants = PERMIT__V1__GRANTS__INIT;

    grant.grant_id = 5;
    grants.n_grants = 1;
    grants.grants = &rows;
    ck_assert_int_eq(SEND(GRANTS, &grants), WIRE_GRANTS);
    ck_assert_uint_eq(decoded.grants.count, 1);
    ck_assert_uint_eq(decoded.grants.rows[0].grant_id, 5);
    ck_assert_uint_eq(decoded.grants.rows[0].parts_count, 0);
}
END_TEST

START_TEST(what_is_not_served_yet_is_an_unknown_message)
{
    Permit__V1__Session session = PERMIT__V1__SESSION__INIT;
    Permit__V1__Session *sessions = &session;
    Permit__V1__Page page = PERMIT__V1__PAGE__INIT;

    page.n_sessions = 1;
    page.sessions = &sessions;
    ck_assert_int_eq(SEND(PAGE, &page), WIRE_SERVER_UNKNOWN);
    ck_assert_int_eq(send_member(0, NULL), WIRE_SERVER_UNKNOWN);
}
END_TEST

START_TEST(an_outcome_of_a_server_has_at_most_4096_bytes)
{
    static uint8_t bytes[WIRE_OUTCOME_BYTES_MAX + 1];
    Permit__V1__Joined joined = PERMIT__V1__JOINED__INIT;

    joined.outcome.data = bytes;
    joined.outcome.len = WIRE_OUTCOME_BYTES_MAX;
    ck_assert_int_eq(SEND(JOINED, &joined), WIRE_JOINED);
    ck_assert_uint_eq(decoded.joined.outcome.length, WIRE_OUTCOME_BYTES_MAX);
    joined.outcome.len = WIRE_OUTCOME_BYTES_MAX + 1;
    ck_assert_int_eq(SEND(JOINED, &joined), WIRE_SERVER_UNKNOWN);
}
END_TEST

START_TEST(a_secret_has_sixteen_bytes)
{
    static uint8_t secret[17];
    Permit__V1__Welcome welcome = PERMIT__V1__WELCOME__INIT;

    welcome.secret.data = secret;
    for (size_t length = 0; length <= sizeof(secret); length++) {
        welcome.secret.len = length;
        ck_assert_int_eq(SEND(WELCOME, &welcome), length == WIRE_SECRET_BYTES
                                                      ? WIRE_WELCOME
                                                      : WIRE_SERVER_UNKNOWN);
    }
}
END_TEST

START_TEST(so_many_live_grants_always_fit)
{
    enum { SLOTS = 1024, ROWS_WITH_SLOTS = WIRE_GRANTS_SLOTS_MAX / SLOTS };
    static struct wire_live_grant rows[WIRE_GRANTS_PARTS_MAX];
    static struct permit_part_info parts[WIRE_GRANTS_PARTS_MAX];
    static uint32_t slots[SLOTS];
    static uint8_t frame[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
    char name[WIRE_NAME_BYTES_MAX + 1];
    struct wire_server_message message = {.id = UINT64_MAX,
                                          .type = WIRE_WELCOME};
    struct wire_welcome *welcome = &message.welcome;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i] = SLOTS - 1;
    }
    /* As slots of few rows or of all they have the same bytes, but for a tag
     * and a length each. */
    for (size_t i = 0; i < WIRE_GRANTS_PARTS_MAX; i++) {
        parts[i] = (struct permit_part_info){
            .semaphore = name,
            .permits = UINT32_MAX,
            .slots = slots,
            .slots_count = _i == 1
                               ? WIRE_GRANTS_SLOTS_MAX / WIRE_GRANTS_PARTS_MAX
                           : i < ROWS_WITH_SLOTS ? SLOTS
                                                 : 0};
        rows[i] = (struct wire_live_grant){UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                           &parts[i], 1};
    }
    welcome->session_id = UINT64_MAX;
    welcome->boot_id = welcome->server = name;
    welcome->heartbeat_ms = welcome->session_timeout_ms = welcome->linger_ms =
        INT64_MAX;
    welcome->grants.rows = rows;
    welcome->grants.count = WIRE_GRANTS_PARTS_MAX;
    welcome->grants.more = true;
    ck_assert_uint_gt(wire_encode_server(&message, frame, sizeof(frame)), 0);
}
END_TEST

/* ------------------------------------------------------------------ numbers */

START_TEST(numbers_of_a_server_saturate)
{
    Permit__V1__Granted granted = PERMIT__V1__GRANTED__INIT;
    Permit__V1__Semaphore semaphore = PERMIT__V1__SEMAPHORE__INIT;
    uint64_t lost[6] = {1, 2, 3, 4, 5, 6};

    granted.hold_ms = UINT64_MAX;
    granted.waited_ms = UINT64_MAX;
    ck_assert_int_eq(SEND(GRANTED, &granted), WIRE_GRANTED);
    ck_assert_int_eq(decoded.granted.hold_ms, INT64_MAX);
    ck_assert_int_eq(decoded.granted.waited_ms, INT64_MAX);
    semaphore.kind = PERMIT__V1__KIND__BOUNDED;
    semaphore.permits = UINT64_MAX;
    semaphore.max_wait_ms = INT64_MIN;
    semaphore.oldest_wait_ms_plus_1 = UINT64_MAX;
    semaphore.n_lost_total = 6; /* More losses than are known here. */
    semaphore.lost_total = lost;
    ck_assert_int_eq(SEND(SEMAPHORE, &semaphore), WIRE_SEMAPHORE);
    ck_assert_uint_eq(decoded.semaphore.permits, UINT32_MAX);
    ck_assert_int_eq(decoded.semaphore.max_wait_ms, -1);
    ck_assert_int_eq(decoded.semaphore.oldest_wait_ms, INT64_MAX);
    ck_assert_int_eq(decoded.semaphore.oldest_hold_ms, -1);
    ck_assert_uint_eq(decoded.semaphore.lost_total[4], 5);
    ck_assert_str_eq(decoded.semaphore.name, "");
    semaphore.n_lost_total = 2; /* Fewer. */
    ck_assert_int_eq(SEND(SEMAPHORE, &semaphore), WIRE_SEMAPHORE);
    ck_assert_uint_eq(decoded.semaphore.lost_total[1], 2);
    ck_assert_uint_eq(decoded.semaphore.lost_total[2], 0);
}
END_TEST

/* ------------------------------------------------------------------- memory */

START_TEST(c19_an_endless_page_is_broken_and_takes_only_the_arena)
{
    static uint8_t bytes[FRAME_BYTES_MAX] = {0x72, 0xfc, 0xff, 0x03};

    /* Pairs: empty semaphores (3), holders (4), waiters (5). */
    for (size_t at = 4; at + 1 < sizeof(bytes); at += 2) {
        bytes[at] = (uint8_t)((3 + _i) << 3 | 2);
    }
    decoded.type = WIRE_PONG;
    ck_assert_int_eq(wire_decode_server(bytes, sizeof(bytes), &arena, &decoded),
                     PERMIT_E_PROTOCOL);
    ck_assert_int_eq(decoded.type, WIRE_PONG);
    ck_assert_uint_le(arena.used, arena.capacity);
}
END_TEST

START_TEST(a_nul_in_a_text_ends_it)
{
    Permit__V1__Refused refused = PERMIT__V1__REFUSED__INIT;

    refused.reason = PERMIT__V1__REASON__TIMEOUT;
    refused.detail.data = (uint8_t *)(uintptr_t) "a\0b";
    refused.detail.len = 3;
    ck_assert_int_eq(SEND(REFUSED, &refused), WIRE_REFUSED);
    ck_assert_str_eq(decoded.refused.detail, "a");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_server");
    TCase *tcase = tcase_create("wire_server");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, make_arena, free_arena);
    tcase_add_test(tcase, an_unknown_reason_is_an_unknown_message);
    tcase_add_test(tcase, lost_is_lost_for_an_unknown_reason_too);
    tcase_add_test(tcase, an_unknown_kind_is_an_unknown_message);
    tcase_add_test(tcase, rows_behind_one_of_an_unknown_kind_do_not_hide_it);
    tcase_add_test(tcase, a_live_grant_of_nothing_is_read_as_that);
    tcase_add_test(tcase, what_is_not_served_yet_is_an_unknown_message);
    tcase_add_test(tcase, an_outcome_of_a_server_has_at_most_4096_bytes);
    tcase_add_test(tcase, a_secret_has_sixteen_bytes);
    tcase_add_loop_test(tcase, so_many_live_grants_always_fit, 0, 2);
    tcase_add_test(tcase, numbers_of_a_server_saturate);
    tcase_add_loop_test(
        tcase, c19_an_endless_page_is_broken_and_takes_only_the_arena, 0, 3);
    tcase_add_test(tcase, a_nul_in_a_text_ends_it);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
