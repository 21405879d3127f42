/* SPDX-License-Identifier: MIT */

/* Several semaphores in one message, and definitions of rates: what of them is
 * refused at the level of one message. */

#include <stdlib.h>
#include <string.h>

#include <check.h>
/* To say what our own encoder cannot: numbers that make no sense. */
#include <permit.pb-c.h>

#include "frame.h"
#include "wire.h"

static struct wire_arena arena;
static struct wire_client_message decoded;

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

/* Decodes *member as the member `member_case` of a message. */
static enum permit_status send_member(int member_case, void *member)
{
    Permit__V1__ClientMessage outer = PERMIT__V1__CLIENT_MESSAGE__INIT;
    static uint8_t bytes[FRAME_BYTES_MAX];
    size_t length;

    outer.message_case = (Permit__V1__ClientMessage__MessageCase)member_case;
    outer.ping = member;
    length = permit__v1__client_message__pack(&outer, bytes);
    ck_assert_int_eq(wire_decode_client(bytes, length, &arena, &decoded),
                     PERMIT_OK);
    return decoded.status;
}

#define SEND(name, member)                                                     \
    send_member(PERMIT__V1__CLIENT_MESSAGE__MESSAGE_##name, member)

static ProtobufCBinaryData text(const char *from)
{
    return (ProtobufCBinaryData){strlen(from), (uint8_t *)(uintptr_t)from};
}

/* A Release, a Settle, an Acquire and a Why of so many parts. */
struct request {
    Permit__V1__Part parts[9];
    Permit__V1__Part *part_pointers[9];
    Permit__V1__AcquirePart acquire_parts[9];
    Permit__V1__AcquirePart *acquire_pointers[9];
    Permit__V1__Release release;
    Permit__V1__Settle settle;
    Permit__V1__Acquire acquire;
    Permit__V1__Why why;
};

static void fill(struct request *request, size_t count)
{
    static const char *const names[9] = {"a", "b", "c", "d", "e",
                                         "f", "g", "h", "i"};

    permit__v1__release__init(&request->release);
    permit__v1__settle__init(&request->settle);
    permit__v1__acquire__init(&request->acquire);
    permit__v1__why__init(&request->why);
    for (size_t i = 0; i < 9; i++) {
        permit__v1__part__init(&request->parts[i]);
        permit__v1__acquire_part__init(&request->acquire_parts[i]);
        request->parts[i].semaphore = text(names[i]);
        request->acquire_parts[i].semaphore = text(names[i]);
        request->parts[i].permits = request->acquire_parts[i].permits = 1;
        request->part_pointers[i] = &request->parts[i];
        request->acquire_pointers[i] = &request->acquire_parts[i];
    }
    request->release.n_parts = request->settle.n_actual = count;
    request->release.parts = request->settle.actual = request->part_pointers;
    request->acquire.n_parts = request->why.n_parts = count;
    request->acquire.parts = request->why.parts = request->acquire_pointers;
}

static void assert_all(struct request *request, enum permit_status expected)
{
    ck_assert_int_eq(SEND(RELEASE, &request->release), expected);
    ck_assert_int_eq(SEND(SETTLE, &request->settle), expected);
    ck_assert_int_eq(SEND(ACQUIRE, &request->acquire), expected);
    ck_assert_int_eq(SEND(WHY, &request->why), expected);
}

START_TEST(a_request_names_at_most_eight_semaphores)
{
    struct request request;

    fill(&request, 8);
    assert_all(&request, PERMIT_OK);
    ck_assert_uint_eq(decoded.acquire.parts_count, 8);
    fill(&request, 9);
    assert_all(&request, PERMIT_E_INVALID);
}
END_TEST

/* Whatever stands before or behind it. */
START_TEST(a_part_that_makes_no_sense_is_refused)
{
    struct request request;

    fill(&request, 3);
    request.parts[_i].semaphore = text("not a name");
    request.acquire_parts[_i].semaphore = text("not a name");
    assert_all(&request, PERMIT_E_INVALID);
}
END_TEST

START_TEST(no_semaphore_is_named_twice)
{
    struct request request;

    fill(&request, 3);
    request.parts[2].semaphore = text("a");
    request.acquire_parts[2].semaphore = text("a");
    assert_all(&request, PERMIT_E_INVALID);
}
END_TEST

START_TEST(a_priority_is_at_most_seven)
{
    struct request request;

    fill(&request, 1);
    request.acquire.priority = request.why.priority = (uint32_t)_i;
    ck_assert_int_eq(SEND(ACQUIRE, &request.acquire),
                     _i <= 7 ? PERMIT_OK : PERMIT_E_INVALID);
    ck_assert_int_eq(SEND(WHY, &request.why),
                     _i <= 7 ? PERMIT_OK : PERMIT_E_INVALID);
}
END_TEST

/* A Granted says only those that have some. */
START_TEST(a_part_without_slots_is_not_said)
{
    static const uint32_t slot = 3;
    static const struct permit_part_info parts[] = {
        {.semaphore = "a", .permits = 1},
        {.semaphore = "b", .permits = 1, .slots = &slot, .slots_count = 1}};
    const struct wire_server_message message = {
        .type = WIRE_GRANTED,
        .granted = {.grant_id = 5, .parts = parts, .parts_count = 2}};
    struct wire_server_message said;
    uint8_t frame[256];
    size_t length = wire_encode_server(&message, frame, sizeof(frame));

    ck_assert_uint_gt(length, 0);
    ck_assert_int_eq(wire_decode_server(frame + FRAME_HEADER_BYTES,
                                        length - FRAME_HEADER_BYTES, &arena,
                                        &said),
                     PERMIT_OK);
    ck_assert_uint_eq(said.granted.parts_count, 1);
    ck_assert_str_eq(said.granted.parts[0].semaphore, "b");
}
END_TEST

/* Else those who joined could be answered by a part of the work. */
START_TEST(an_outcome_goes_with_everything)
{
    Permit__V1__Part part = PERMIT__V1__PART__INIT;
    Permit__V1__Part *parts = &part;
    Permit__V1__Release release = PERMIT__V1__RELEASE__INIT;

    part.semaphore = (ProtobufCBinaryData){1, (uint8_t *)"a"};
    part.permits = 1;
    release.n_parts = 1;
    release.parts = &parts;
    ck_assert_int_eq(SEND(RELEASE, &release), PERMIT_OK);
    ck_assert(!decoded.release.has_outcome);
    release.has_outcome = true;
    ck_assert_int_eq(SEND(RELEASE, &release), PERMIT_E_INVALID);
}
END_TEST

/* The same numbers in a Release are INVALID. */
START_TEST(nothing_used_may_be_settled)
{
    Permit__V1__Part part = PERMIT__V1__PART__INIT;
    Permit__V1__Part *parts[9] = {&part, &part, &part, &part, &part,
                                  &part, &part, &part, &part};
    Permit__V1__Settle settle = PERMIT__V1__SETTLE__INIT;
    Permit__V1__Release release = PERMIT__V1__RELEASE__INIT;

    part.semaphore = (ProtobufCBinaryData){1, (uint8_t *)"a"};
    settle.n_actual = release.n_parts = 1;
    settle.actual = release.parts = parts;
    ck_assert_int_eq(SEND(SETTLE, &settle), PERMIT_OK);
    ck_assert_int_eq(SEND(RELEASE, &release), PERMIT_E_INVALID);
    settle.n_actual = 2; /* The same one twice. */
    ck_assert_int_eq(SEND(SETTLE, &settle), PERMIT_E_INVALID);
    settle.n_actual = 9;
    ck_assert_int_eq(SEND(SETTLE, &settle), PERMIT_E_INVALID);
}
END_TEST

static const struct {
    int field;
    uint64_t value;
    enum permit_status expected;
} number_cases[] = {
    {PERMIT__V1__DEFINE_FIELD__FIELD_RATE, 0, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_RATE, 1, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_RATE, 2147483647, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_RATE, 2147483648, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_RATE, UINT64_MAX, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_PER_MS, 0, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_PER_MS, 31622400000, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_PER_MS, 31622400001, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_BURST, 0, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_BURST, 2147483647, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_BURST, 2147483648, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_BYPASS, 0, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_BYPASS, 65535, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_BYPASS, 65536, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_PER_SESSION, 0, PERMIT_OK},
    {PERMIT__V1__DEFINE_FIELD__FIELD_PER_SESSION, 2147483648, PERMIT_E_INVALID},
    {PERMIT__V1__DEFINE_FIELD__FIELD_KIND, UINT64_MAX, PERMIT_OK},
};

/* What the fields do not name may be anything: it is not read. */
START_TEST(a_number_of_a_definition_is_in_its_range)
{
    Permit__V1__DefineField field =
        (Permit__V1__DefineField)number_cases[_i].field;
    Permit__V1__Define define = PERMIT__V1__DEFINE__INIT;

    define.semaphore = (ProtobufCBinaryData){1, (uint8_t *)"a"};
    define.fields = &field;
    define.n_fields = 1;
    define.kind = PERMIT__V1__KIND__RATE;
    define.rate = define.per_ms = define.burst = number_cases[_i].value;
    define.bypass = define.per_session = number_cases[_i].value;
    ck_assert_int_eq(SEND(DEFINE, &define), number_cases[_i].expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, make_arena, free_arena);
    tcase_add_test(tcase, a_request_names_at_most_eight_semaphores);
    tcase_add_loop_test(tcase, a_part_that_makes_no_sense_is_refused, 0, 3);
    tcase_add_test(tcase, no_semaphore_is_named_twice);
    tcase_add_loop_test(tcase, a_priority_is_at_most_seven, 6, 9);
    tcase_add_test(tcase, a_part_without_slots_is_not_said);
    tcase_add_test(tcase, an_outcome_goes_with_everything);
    tcase_add_test(tcase, nothing_used_may_be_settled);
    tcase_add_loop_test(tcase, a_number_of_a_definition_is_in_its_range, 0,
                        sizeof(number_cases) / sizeof(number_cases[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
