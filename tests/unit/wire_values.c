/* SPDX-License-Identifier: MIT */

/* Names, texts, numbers and counts of a client's message at their boundaries:
 * FAULTS C10 and C11 at the level of one message. */

#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>
/* To say what our own encoder cannot: numbers that make no sense. */
#include <permit.pb-c.h>

#include "frame.h"

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

/* Decodes *member as the member `member_case` of a message with id 7. */
static enum permit_status send_member(int member_case, void *member)
{
    Permit__V1__ClientMessage outer = PERMIT__V1__CLIENT_MESSAGE__INIT;
    static uint8_t bytes[FRAME_BYTES_MAX];
    size_t length;

    outer.id = 7;
    outer.answered_below = 3;
    outer.message_case = (Permit__V1__ClientMessage__MessageCase)member_case;
    outer.ping = member;
    ck_assert_uint_le(permit__v1__client_message__get_packed_size(&outer),
                      sizeof(bytes));
    length = permit__v1__client_message__pack(&outer, bytes);
    ck_assert_int_eq(wire_decode_client(bytes, length, &arena, &decoded),
                     PERMIT_OK);
    ck_assert_uint_eq(decoded.id, 7);
    ck_assert_uint_eq(decoded.answered_below, 3);
    ck_assert_ptr_nonnull(decoded.detail);
    /* A refusal says what to do. */
    ck_assert((decoded.detail[0] == '\0') == (decoded.status == PERMIT_OK));
    return decoded.status;
}

#define SEND(name, member)                                                     \
    send_member(PERMIT__V1__CLIENT_MESSAGE__MESSAGE_##name, member)

static ProtobufCBinaryData data(const char *from, size_t length)
{
    ProtobufCBinaryData bytes = {length, (uint8_t *)(uintptr_t)from};

    return bytes;
}

static ProtobufCBinaryData text(const char *from)
{
    return data(from, strlen(from));
}

/* -------------------------------------------------------------- C10: names */

#define N16 "nnnnnnnnnnnnnnnn"
#define N127 N16 N16 N16 N16 N16 N16 N16 "nnnnnnnnnnnnnnn"
#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *name;
    size_t length;
    bool is_name;
    bool is_template;
} name_cases[] = {
    {BYTES(""), false, false},
    {BYTES("a"), true, true},
    {BYTES(N127 "n"), true, true},
    {BYTES(N127 "nn"), false, false},
    {BYTES(N127 "*"), false, true},
    {BYTES(N127 "n*"), false, false},
    {BYTES("azAZ09._:/@+-"), true, true},
    {BYTES("../x"), true, true},
    {BYTES("/"), true, true},
    {BYTES("-a"), false, false},
    {BYTES("-"), false, false},
    {BYTES("a-"), true, true},
    {BYTES("a\0b"), false, false},
    {BYTES("\0"), false, false},
    {BYTES("a\0"), false, false},
    {BYTES("a b"), false, false},
    {BYTES("a\n"), false, false},
    {BYTES("a\x7f"), false, false},
    {BYTES("a%2F"), false, false},
    {BYTES("\xc3\xa9"), false, false},
    {BYTES("\xff"), false, false},
    {BYTES("a\\b"), false, false},
    {BYTES("a`"), false, false},
    {BYTES("a{"), false, false},
    {BYTES("a["), false, false},
    {BYTES("team/*"), false, true},
    {BYTES("*"), false, false},
    {BYTES("te*am"), false, false},
    {BYTES("te*am*"), false, false},
    {BYTES("**"), false, false},
    {BYTES("-*"), false, false},
};

START_TEST(c10_a_name_is_what_permit_proto_says)
{
    Permit__V1__Query query = PERMIT__V1__QUERY__INIT;
    Permit__V1__Delete delete = PERMIT__V1__DELETE__INIT;
    Permit__V1__Post post = PERMIT__V1__POST__INIT;
    Permit__V1__List list = PERMIT__V1__LIST__INIT;
    Permit__V1__Define define = PERMIT__V1__DEFINE__INIT;
    ProtobufCBinaryData name = {name_cases[_i].length,
                                (uint8_t *)(uintptr_t)name_cases[_i].name};
    enum permit_status as_name =
        name_cases[_i].is_name ? PERMIT_OK : PERMIT_E_INVALID;
    enum permit_status as_either =
        name_cases[_i].is_template ? PERMIT_OK : as_name;

    query.semaphore = name;
    ck_assert_int_eq(SEND(QUERY, &query), as_either);
    if (as_either == PERMIT_OK) {
        ck_assert_str_eq(decoded.query.semaphore, name_cases[_i].name);
    }
    delete.semaphore = name;
    ck_assert_int_eq(SEND(DELETE, &delete), as_either);
    post.semaphore = name;
    post.permits = 1;
    ck_assert_int_eq(SEND(POST, &post), as_name);
    list.name = name;
    list.kind = PERMIT__V1__LIST_KIND__LIST_HOLDERS;
    ck_assert_int_eq(SEND(LIST, &list), as_name);
    list.kind = PERMIT__V1__LIST_KIND__LIST_WAITERS;
    ck_assert_int_eq(SEND(LIST, &list), as_name);
    list.kind = PERMIT__V1__LIST_KIND__LIST_SEMAPHORES;
    ck_assert_int_eq(SEND(LIST, &list), name.len == 0 ? PERMIT_OK : as_either);
    define.semaphore = name;
    ck_assert_int_eq(SEND(DEFINE, &define),
                     name_cases[_i].is_template ? PERMIT_OK : PERMIT_E_INVALID);
    if (decoded.status == PERMIT_OK) {
        ck_assert_int_eq(decoded.define.is_template,
                         as_name == PERMIT_E_INVALID);
    }
}
END_TEST

START_TEST(c10_free_text_has_128_bytes_and_no_nul)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum permit_status expected;
    } cases[] = {
        {BYTES(""), PERMIT_OK},
        {BYTES(N127 "n"), PERMIT_OK},
        {BYTES(N127 "nn"), PERMIT_E_INVALID},
        {BYTES("a\0b"), PERMIT_E_INVALID},
        {BYTES("\xff\xfe\n\x1b[31m"), PERMIT_OK}, /* Escaped where shown. */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int field = 0; field < 4; field++) {
            Permit__V1__Hello hello = PERMIT__V1__HELLO__INIT;
            ProtobufCBinaryData *fields[] = {&hello.name, &hello.host,
                                             &hello.purpose, &hello.client};

            fields[field]->data = (uint8_t *)(uintptr_t)cases[i].bytes;
            fields[field]->len = cases[i].length;
            ck_assert_int_eq(SEND(HELLO, &hello), cases[i].expected);
        }
    }
}
END_TEST

START_TEST(a_token_has_at_most_512_bytes)
{
    static uint8_t token[WIRE_TOKEN_BYTES_MAX + 1];
    Permit__V1__Hello hello = PERMIT__V1__HELLO__INIT;

    hello.token.data = token;
    hello.token.len = WIRE_TOKEN_BYTES_MAX;
    hello.linger_ms = UINT64_MAX;
    ck_assert_int_eq(SEND(HELLO, &hello), PERMIT_OK);
    ck_assert_uint_eq(decoded.hello.token.length, WIRE_TOKEN_BYTES_MAX);
    ck_assert_int_eq(decoded.hello.linger_ms, INT64_MAX);
    ck_assert(!decoded.hello.has_resume && !decoded.hello.has_end);
    hello.token.len++;
    ck_assert_int_eq(SEND(HELLO, &hello), PERMIT_E_INVALID);
}
END_TEST

/* ------------------------------------------------------------ C11: numbers */

static const struct {
    uint64_t permits;
    enum permit_status expected;
} permits_cases[] = {
    {0, PERMIT_E_INVALID},
    {1, PERMIT_OK},
    {2147483647, PERMIT_OK},
    {2147483648, PERMIT_E_INVALID},
    {4294967296, PERMIT_E_INVALID},
    {4294967297, PERMIT_E_INVALID}, /* Would be 1 in 32 bits. */
    {UINT64_MAX, PERMIT_E_INVALID},
};

START_TEST(c11_permits_are_1_to_2147483647)
{
    Permit__V1__Acquire acquire = PERMIT__V1__ACQUIRE__INIT;
    Permit__V1__AcquirePart part = PERMIT__V1__ACQUIRE_PART__INIT;
    Permit__V1__AcquirePart *parts = &part;
    Permit__V1__Release release = PERMIT__V1__RELEASE__INIT;
    Permit__V1__Part given = PERMIT__V1__PART__INIT;
    Permit__V1__Part *givens = &given;
    Permit__V1__Post post = PERMIT__V1__POST__INIT;
    enum permit_status expected = permits_cases[_i].expected;

    part.semaphore = given.semaphore = post.semaphore = text("a");
    part.permits = given.permits = post.permits = permits_cases[_i].permits;
    acquire.n_parts = release.n_parts = 1;
    acquire.parts = &parts;
    release.parts = &givens;
    ck_assert_int_eq(SEND(ACQUIRE, &acquire), expected);
    if (expected == PERMIT_OK) {
        ck_assert_uint_eq(decoded.acquire.parts[0].permits, part.permits);
    }
    ck_assert_int_eq(SEND(RELEASE, &release), expected);
    ck_assert_int_eq(SEND(POST, &post), expected);
    part.permits = 1;
    part.expect_permits = permits_cases[_i].permits; /* 0: not asked. */
    ck_assert_int_eq(SEND(ACQUIRE, &acquire),
                     part.expect_permits == 0 ? PERMIT_OK : expected);
}
END_TEST

START_TEST(c11_waits_holds_and_priorities_have_bounds)
{
    Permit__V1__Acquire acquire = PERMIT__V1__ACQUIRE__INIT;
    Permit__V1__AcquirePart part = PERMIT__V1__ACQUIRE_PART__INIT;
    Permit__V1__AcquirePart *parts = &part;

    part.semaphore = text("a");
    part.permits = 1;
    acquire.n_parts = 1;
    acquire.parts = &parts;
    acquire.wait_ms = -1;
    acquire.hold_ms = UINT64_MAX;
    acquire.priority = 7;
    ck_assert_int_eq(SEND(ACQUIRE, &acquire), PERMIT_OK);
    ck_assert_int_eq(decoded.acquire.wait_ms, -1);
    ck_assert_int_eq(decoded.acquire.hold_ms, INT64_MAX);
    ck_assert_uint_eq(decoded.acquire.priority, 7);
    acquire.wait_ms = INT64_MAX;
    ck_assert_int_eq(SEND(ACQUIRE, &acquire), PERMIT_OK);
    ck_assert_int_eq(decoded.acquire.wait_ms, INT64_MAX);
    acquire.wait_ms = -2;
    ck_assert_int_eq(SEND(ACQUIRE, &acquire), PERMIT_E_INVALID);
    acquire.wait_ms = INT64_MIN;
    ck_assert_int_eq(SEND(ACQUIRE, &acquire), PERMIT_E_INVALID);
    acquire.wait_ms = 0;
    acquire.priority = 8;
    ck_assert_int_eq(SEND(ACQUIRE, &acquire), PERMIT_E_INVALID);
}
END_TEST

/* Parts "a", "b", ...; the last is `last`, if it is not NULL. */
static enum permit_status send_parts(size_t count, const char *last,
                                     enum permit_status *ret_release)
{
    static const char *const names[] = {"a", "b", "c", "d", "e",
                                        "f", "g", "h", "i"};
    Permit__V1__Acquire acquire = PERMIT__V1__ACQUIRE__INIT;
    Permit__V1__AcquirePart parts[9];
    Permit__V1__AcquirePart *pointers[9];
    Permit__V1__Release release = PERMIT__V1__RELEASE__INIT;
    Permit__V1__Part givens[9];
    Permit__V1__Part *given_pointers[9];

    for (size_t i = 0; i < count; i++) {
        permit__v1__acquire_part__init(&parts[i]);
        permit__v1__part__init(&givens[i]);
        parts[i].semaphore =
            text(i + 1 == count && last != NULL ? last : names[i]);
        givens[i].semaphore = parts[i].semaphore;
        parts[i].permits = givens[i].permits = 1;
        pointers[i] = &parts[i];
        given_pointers[i] = &givens[i];
    }
    acquire.n_parts = release.n_parts = count;
    acquire.parts = pointers;
    release.parts = given_pointers;
    *ret_release = SEND(RELEASE, &release);
    return SEND(ACQUIRE, &acquire);
}

START_TEST(c11_one_to_eight_semaphores_none_twice)
{
    enum permit_status release;

    ck_assert_int_eq(send_parts(0, NULL, &release), PERMIT_E_INVALID);
    ck_assert_int_eq(release, PERMIT_OK); /* Everything. */
    ck_assert_int_eq(send_parts(8, NULL, &release), PERMIT_OK);
    ck_assert_int_eq(release, PERMIT_OK);
    ck_assert_uint_eq(decoded.acquire.parts_count, 8);
    ck_assert_int_eq(send_parts(9, NULL, &release), PERMIT_E_INVALID);
    ck_assert_int_eq(release, PERMIT_E_INVALID);
    for (size_t count = 2; count <= 8; count++) {
        ck_assert_int_eq(send_parts(count, "a", &release), PERMIT_E_INVALID);
        ck_assert_int_eq(release, PERMIT_E_INVALID);
    }
    ck_assert_int_eq(send_parts(3, "not a name", &release), PERMIT_E_INVALID);
    ck_assert_int_eq(release, PERMIT_E_INVALID);
}
END_TEST

/* Sends an acquire with so many labels, whose keys are "0", "1", ..., but for
 * the one at `at`: that is *label. */
static enum permit_status send_labels(size_t count, size_t at,
                                      const Permit__V1__Label *label)
{
    Permit__V1__Acquire acquire = PERMIT__V1__ACQUIRE__INIT;
    Permit__V1__AcquirePart part = PERMIT__V1__ACQUIRE_PART__INIT;
    Permit__V1__AcquirePart *parts = &part;
    Permit__V1__Label labels[9];
    Permit__V1__Label *pointers[9];
    char keys[9][2];

    part.semaphore = text("a");
    part.permits = 1;
    acquire.n_parts = 1;
    acquire.parts = &parts;
    for (size_t i = 0; i < count; i++) {
        keys[i][0] = (char)('0' + i);
        keys[i][1] = '\0';
        permit__v1__label__init(&labels[i]);
        labels[i].key = text(keys[i]);
        pointers[i] = &labels[i];
    }
    if (at < count) {
        labels[at] = *label;
    }
    acquire.n_labels = count;
    acquire.labels = pointers;
    return SEND(ACQUIRE, &acquire);
}

static const struct {
    size_t count;
    const char *key;
    size_t key_bytes;
    const char *value;
    size_t value_bytes;
    enum permit_status expected;
} label_cases[] = {
    {0, BYTES(""), BYTES(""), PERMIT_OK},
    {1, BYTES("k"), BYTES("v"), PERMIT_OK},
    {1, BYTES("k"), BYTES(""), PERMIT_OK},
    {8, BYTES(N127 "n"), BYTES(N127 "n"), PERMIT_OK},
    {8, BYTES("\xff =\n\""), BYTES("\xff =\n\""), PERMIT_OK},
    {9, BYTES("k"), BYTES("v"), PERMIT_E_INVALID},
    {1, BYTES(""), BYTES("v"), PERMIT_E_INVALID},
    {1, BYTES(N127 "nn"), BYTES("v"), PERMIT_E_INVALID},
    {1, BYTES("k"), BYTES(N127 "nn"), PERMIT_E_INVALID},
    {1, BYTES("k\0y"), BYTES("v"), PERMIT_E_INVALID},
    {1, BYTES("k"), BYTES("v\0w"), PERMIT_E_INVALID},
    {2, BYTES("0"), BYTES("v"), PERMIT_E_INVALID}, /* The key twice. */
    {8, BYTES("6"), BYTES("v"), PERMIT_E_INVALID},
};

START_TEST(labels_have_bounds)
{
    Permit__V1__Label last = PERMIT__V1__LABEL__INIT;
    size_t count = label_cases[_i].count;

    last.key = data(label_cases[_i].key, label_cases[_i].key_bytes);
    last.value = data(label_cases[_i].value, label_cases[_i].value_bytes);
    ck_assert_int_eq(send_labels(count, count - 1, &last),
                     label_cases[_i].expected);
    if (label_cases[_i].expected == PERMIT_OK) {
        ck_assert_uint_eq(decoded.acquire.labels_count, count);
    }
    if (label_cases[_i].expected == PERMIT_OK && count > 0) {
        ck_assert_str_eq(decoded.acquire.labels[count - 1].key,
                         label_cases[_i].key);
        ck_assert_str_eq(decoded.acquire.labels[count - 1].value,
                         label_cases[_i].value);
    }
    /* What is behind a broken one does not hide it. */
    if (count == 1) {
        ck_assert_int_eq(send_labels(3, 0, &last), label_cases[_i].expected);
    }
}
END_TEST

START_TEST(outcomes_have_a_bound)
{
    static uint8_t outcome[WIRE_OUTCOME_BYTES_MAX + 1];
    Permit__V1__Release release = PERMIT__V1__RELEASE__INIT;

    release.outcome.data = outcome;
    release.outcome.len = WIRE_OUTCOME_BYTES_MAX;
    ck_assert_int_eq(SEND(RELEASE, &release), PERMIT_OK);
    ck_assert(decoded.release.has_outcome);
    release.outcome.len++;
    ck_assert_int_eq(SEND(RELEASE, &release), PERMIT_E_INVALID);
}
END_TEST

/* ------------------------------------------------------------- definitions */

#define KIND PERMIT__V1__DEFINE_FIELD__FIELD_KIND
#define PERMITS PERMIT__V1__DEFINE_FIELD__FIELD_PERMITS

static const struct {
    Permit__V1__DefineField fields[2];
    size_t fields_count;
    int kind;
    uint64_t permits;
    enum permit_status expected;
} define_cases[] = {
    {{KIND, PERMITS}, 2, PERMIT_BOUNDED, 0, PERMIT_E_INVALID},
    {{KIND, PERMITS}, 2, PERMIT_BOUNDED, 1, PERMIT_OK},
    {{KIND, PERMITS}, 2, PERMIT_COUNTING, 0, PERMIT_OK},
    {{KIND, PERMITS}, 2, PERMIT_RATE, 0, PERMIT_OK}, /* UNSUPPORTED later. */
    {{PERMITS}, 1, 0, 0, PERMIT_OK}, /* The engine knows the kind. */
    {{PERMITS}, 1, PERMIT_BOUNDED, 0, PERMIT_OK}, /* Kind is not named. */
    {{PERMITS}, 1, 0, 2147483647, PERMIT_OK},
    {{PERMITS}, 1, 0, 2147483648, PERMIT_E_INVALID},
    {{KIND, PERMITS}, 2, PERMIT_COUNTING, 4294967297, PERMIT_E_INVALID},
    {{KIND}, 1, PERMIT_BOUNDED, 0, PERMIT_OK},
    {{KIND}, 1, PERMIT_BOUNDED, UINT64_MAX, PERMIT_OK}, /* Not named. */
    {{KIND}, 1, 0, 0, PERMIT_E_INVALID},
    {{KIND}, 1, 4, 0, PERMIT_E_INVALID},
    {{KIND}, 1, -1, 0, PERMIT_E_INVALID},
    {{0}, 0, 9, 0, PERMIT_OK}, /* Sets nothing. */
    {{0}, 1, 0, 0, PERMIT_E_INVALID},
    {{1}, 1, 0, 0, PERMIT_E_INVALID},
    {{2}, 1, 0, 0, PERMIT_E_INVALID},
    {{(Permit__V1__DefineField)-1}, 1, 0, 0, PERMIT_E_INVALID},
};

START_TEST(a_definition_sets_what_its_fields_name)
{
    Permit__V1__DefineField fields[2];
    Permit__V1__Define define = PERMIT__V1__DEFINE__INIT;
    bool sets_permits = false;

    memcpy(fields, define_cases[_i].fields, sizeof(fields));
    define.semaphore = text("a");
    define.fields = fields;
    define.n_fields = define_cases[_i].fields_count;
    define.kind = (Permit__V1__Kind)define_cases[_i].kind;
    define.permits = define_cases[_i].permits;
    for (size_t i = 0; i < define.n_fields; i++) {
        sets_permits = sets_permits || fields[i] == PERMITS;
    }
    ck_assert_int_eq(SEND(DEFINE, &define), define_cases[_i].expected);
    if (decoded.status == PERMIT_OK) {
        ck_assert_uint_eq(decoded.define.permits,
                          sets_permits ? define.permits : 0);
    }
}
END_TEST

START_TEST(a_definition_saturates_and_tells_of_newer_fields)
{
    Permit__V1__DefineField fields[] = {
        PERMIT__V1__DEFINE_FIELD__FIELD_MAX_QUEUE,
        PERMIT__V1__DEFINE_FIELD__FIELD_MAX_WAIT,
        PERMIT__V1__DEFINE_FIELD__FIELD_HOLD, (Permit__V1__DefineField)17,
        (Permit__V1__DefineField)1000000};
    Permit__V1__Define define = PERMIT__V1__DEFINE__INIT;

    define.semaphore = text("a");
    define.fields = fields;
    define.n_fields = 3;
    define.max_queue = UINT64_MAX;
    define.max_wait_ms = -1;
    define.hold_ms = UINT64_MAX;
    ck_assert_int_eq(SEND(DEFINE, &define), PERMIT_OK);
    ck_assert_uint_eq(decoded.define.fields, WIRE_FIELD_MAX_QUEUE |
                                                 WIRE_FIELD_MAX_WAIT |
                                                 WIRE_FIELD_HOLD);
    ck_assert_uint_eq(decoded.define.max_queue, UINT32_MAX);
    ck_assert_int_eq(decoded.define.max_wait_ms, -1);
    ck_assert_int_eq(decoded.define.hold_ms, INT64_MAX);
    define.n_fields = 5;
    ck_assert_int_eq(SEND(DEFINE, &define), PERMIT_OK);
    ck_assert((decoded.define.fields & WIRE_FIELD_NEWER) != 0);
    define.max_wait_ms = -2;
    ck_assert_int_eq(SEND(DEFINE, &define), PERMIT_E_INVALID);
}
END_TEST

START_TEST(a_list_is_of_a_kind)
{
    Permit__V1__List list = PERMIT__V1__LIST__INIT;

    ck_assert_int_eq(SEND(LIST, &list), PERMIT_E_INVALID);
    list.kind = (Permit__V1__ListKind)5;
    ck_assert_int_eq(SEND(LIST, &list), PERMIT_E_INVALID);
    list.kind = PERMIT__V1__LIST_KIND__LIST_SESSIONS;
    list.name = text("any text");
    ck_assert_int_eq(SEND(LIST, &list), PERMIT_OK);
    list.name = text(N127 "nn");
    ck_assert_int_eq(SEND(LIST, &list), PERMIT_E_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_values");
    TCase *tcase = tcase_create("wire_values");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, make_arena, free_arena);
    tcase_add_loop_test(tcase, c10_a_name_is_what_permit_proto_says, 0,
                        (int)(sizeof(name_cases) / sizeof(name_cases[0])));
    tcase_add_test(tcase, c10_free_text_has_128_bytes_and_no_nul);
    tcase_add_test(tcase, a_token_has_at_most_512_bytes);
    tcase_add_loop_test(
        tcase, c11_permits_are_1_to_2147483647, 0,
        (int)(sizeof(permits_cases) / sizeof(permits_cases[0])));
    tcase_add_test(tcase, c11_waits_holds_and_priorities_have_bounds);
    tcase_add_test(tcase, c11_one_to_eight_semaphores_none_twice);
    tcase_add_loop_test(tcase, labels_have_bounds, 0,
                        (int)(sizeof(label_cases) / sizeof(label_cases[0])));
    tcase_add_test(tcase, outcomes_have_a_bound);
    tcase_add_loop_test(tcase, a_definition_sets_what_its_fields_name, 0,
                        (int)(sizeof(define_cases) / sizeof(define_cases[0])));
    tcase_add_test(tcase, a_definition_saturates_and_tells_of_newer_fields);
    tcase_add_test(tcase, a_list_is_of_a_kind);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
