/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "frame.h"
#include "wire_cases_client.h"
#include "wire_cases_server.h"

static struct wire_arena arena;

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

/* Reads hex into memory of exactly its size, so that ASan sees a read behind
 * it. */
static uint8_t *from_hex(const char *hex, size_t *ret_length)
{
    size_t length = strlen(hex) / 2;
    uint8_t *bytes = malloc(length + (length == 0));

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < length; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    *ret_length = length;
    return bytes;
}

static void assert_frame(const uint8_t *frame, size_t frame_bytes,
                         const uint8_t *message, size_t length)
{
    ck_assert_uint_eq(frame_bytes, FRAME_HEADER_BYTES + length);
    ck_assert_mem_eq(frame + FRAME_HEADER_BYTES, message, length);
}

/* ------------------------------------------------------------- both ways */

START_TEST(every_message_of_a_client_goes_both_ways)
{
    const struct wire_client_message *message = &client_cases[_i].message;
    struct wire_client_message decoded;
    uint8_t frame[4096];
    size_t length;
    uint8_t *bytes = from_hex(client_cases[_i].hex, &length);

    assert_frame(frame, wire_encode_client(message, frame, sizeof(frame)),
                 bytes, length);
    ck_assert_int_eq(wire_decode_client(bytes, length, &arena, &decoded),
                     PERMIT_OK);
    ck_assert_int_eq(decoded.status, PERMIT_OK);
    ck_assert_str_eq(decoded.detail, "");
    ck_assert_int_eq(decoded.type, message->type);
    memset(frame, 0, sizeof(frame));
    assert_frame(frame, wire_encode_client(&decoded, frame, sizeof(frame)),
                 bytes, length);
    ck_assert_uint_eq(wire_body_hash(&decoded), wire_body_hash(message));
    free(bytes);
}
END_TEST

START_TEST(every_message_of_a_server_goes_both_ways)
{
    const struct wire_server_message *message = &server_cases[_i].message;
    struct wire_server_message decoded;
    uint8_t frame[4096];
    size_t length;
    uint8_t *bytes = from_hex(server_cases[_i].hex, &length);

    assert_frame(frame, wire_encode_server(message, frame, sizeof(frame)),
                 bytes, length);
    ck_assert_int_eq(wire_decode_server(bytes, length, &arena, &decoded),
                     PERMIT_OK);
    ck_assert_int_eq(decoded.type, message->type);
    memset(frame, 0, sizeof(frame));
    assert_frame(frame, wire_encode_server(&decoded, frame, sizeof(frame)),
                 bytes, length);
    free(bytes);
}
END_TEST

START_TEST(no_string_of_a_decoded_message_is_null)
{
    struct wire_server_message decoded;
    /* A page with one empty holder. */
    ck_assert_int_eq(wire_decode_server((const uint8_t *)"\x72\x02\x22\x00", 4,
                                        &arena, &decoded),
                     PERMIT_OK);
    ck_assert_int_eq(decoded.type, WIRE_PAGE);
    ck_assert_uint_eq(decoded.page.count, 1);
    ck_assert_str_eq(decoded.page.holders[0].semaphore, "");
    ck_assert_str_eq(decoded.page.holders[0].client.name, "");
    ck_assert_str_eq(decoded.page.holders[0].client.host, "");
    ck_assert_str_eq(decoded.page.holders[0].client.purpose, "");
    ck_assert_str_eq(decoded.page.holders[0].client.address, "");
}
END_TEST

START_TEST(of_more_labels_than_there_may_be_the_first_are_read)
{
    static const char bytes[] =
        "\x72\x16\x22\x14\x32\x02\x0a\x00\x32\x00\x32\x00"
        "\x32\x00\x32\x00\x32\x00\x32\x00\x32\x00\x32\x00";
    struct wire_server_message decoded;

    ck_assert_int_eq(wire_decode_server((const uint8_t *)bytes,
                                        sizeof(bytes) - 1, &arena, &decoded),
                     PERMIT_OK);
    ck_assert_int_eq(decoded.type, WIRE_PAGE);
    ck_assert_uint_eq(decoded.page.holders[0].labels_count, WIRE_LABELS_MAX);
    for (int i = 0; i < WIRE_LABELS_MAX; i++) {
        ck_assert_str_eq(decoded.page.holders[0].labels[i].key, "");
        ck_assert_str_eq(decoded.page.holders[0].labels[i].value, "");
    }
}
END_TEST

/* -------------------------------------------------------------- prefixes */

START_TEST(every_prefix_of_every_message_is_read_or_broken)
{
    size_t length;
    uint8_t *bytes = from_hex(client_cases[_i].hex, &length);

    for (size_t prefix = 0; prefix < length; prefix++) {
        struct wire_client_message decoded = {.type = WIRE_KICK};
        uint8_t *part = malloc(prefix + 1);
        enum permit_status status;

        ck_assert_ptr_nonnull(part);
        memcpy(part, bytes, prefix);
        status = wire_decode_client(part, prefix, &arena, &decoded);
        ck_assert(status == PERMIT_OK ||
                  (status == PERMIT_E_PROTOCOL && decoded.type == WIRE_KICK));
        free(part);
    }
    free(bytes);
}
END_TEST

START_TEST(every_prefix_from_a_server_is_read_or_broken)
{
    size_t length;
    uint8_t *bytes = from_hex(server_cases[_i].hex, &length);

    for (size_t prefix = 0; prefix < length; prefix++) {
        struct wire_server_message decoded = {.type = WIRE_PONG};
        uint8_t *part = malloc(prefix + 1);
        enum permit_status status;

        ck_assert_ptr_nonnull(part);
        memcpy(part, bytes, prefix);
        status = wire_decode_server(part, prefix, &arena, &decoded);
        ck_assert(status == PERMIT_OK ||
                  (status == PERMIT_E_PROTOCOL && decoded.type == WIRE_PONG));
        free(part);
    }
    free(bytes);
}
END_TEST

/* ------------------------------------------------------------- capacities */

/* What is decoded takes the same room each time: a little less than that, and
 * the message is broken, wherever the room ended. */
START_TEST(a_message_of_a_server_that_the_arena_cannot_hold_is_broken)
{
    struct wire_server_message decoded;
    struct wire_arena small = arena;
    size_t length;
    uint8_t *bytes = from_hex(server_cases[_i].hex, &length);

    ck_assert_int_eq(wire_decode_server(bytes, length, &arena, &decoded),
                     PERMIT_OK);
    for (small.capacity = 0; small.capacity < arena.used; small.capacity++) {
        decoded.type = WIRE_SERVER_UNKNOWN;
        ck_assert_int_eq(wire_decode_server(bytes, length, &small, &decoded),
                         PERMIT_E_PROTOCOL);
        ck_assert_int_eq(decoded.type, WIRE_SERVER_UNKNOWN);
    }
    ck_assert_int_eq(wire_decode_server(bytes, length, &small, &decoded),
                     PERMIT_OK);
    free(bytes);
}
END_TEST

START_TEST(no_frame_is_longer_than_a_frame_may_be)
{
    static char detail[FRAME_BYTES_MAX + 1];
    static uint8_t frame[2 * FRAME_BYTES_MAX];
    struct wire_server_message message = {
        .id = 1, .type = WIRE_REFUSED, .refused = {.detail = detail}};

    message.refused.reason = PERMIT_E_TIMEOUT;
    memset(detail, 'x', FRAME_BYTES_MAX);
    ck_assert_uint_eq(wire_encode_server(&message, frame, sizeof(frame)), 0);
    detail[FRAME_BYTES_MAX - 100] = '\0';
    ck_assert_uint_gt(wire_encode_server(&message, frame, sizeof(frame)),
                      FRAME_BYTES_MAX - 100);
}
END_TEST

/* Sessions are not listed yet: their page is as empty as any. */
START_TEST(a_page_without_rows_is_the_same_of_every_kind)
{
    struct wire_server_message message = {
        .id = 1, .type = WIRE_PAGE, .page = {.kind = WIRE_LIST_SEMAPHORES}};
    uint8_t expected[64];
    uint8_t frame[64];
    size_t length = wire_encode_server(&message, expected, sizeof(expected));

    ck_assert_uint_gt(length, FRAME_HEADER_BYTES);
    for (int kind = WIRE_LIST_HOLDERS; kind <= WIRE_LIST_SESSIONS; kind++) {
        message.page.kind = (enum wire_list_kind)kind;
        ck_assert_uint_eq(wire_encode_server(&message, frame, sizeof(frame)),
                          length);
        ck_assert_mem_eq(frame, expected, length);
    }
}
END_TEST

START_TEST(no_frame_is_written_beyond_its_buffer)
{
    uint8_t frame[4096];
    size_t length =
        wire_encode_client(&client_cases[_i].message, frame, sizeof(frame));

    for (size_t capacity = 0; capacity < length; capacity++) {
        uint8_t *small = malloc(capacity + (capacity == 0));

        ck_assert_ptr_nonnull(small);
        ck_assert_uint_eq(
            wire_encode_client(&client_cases[_i].message, small, capacity), 0);
        free(small);
    }
    ck_assert_uint_eq(
        wire_encode_client(&client_cases[_i].message, frame, length), length);
}
END_TEST

START_TEST(the_largest_request_has_a_bound)
{
    static char texts[WIRE_LABELS_MAX][WIRE_TEXT_BYTES_MAX + 1];
    struct wire_client_message message = {
        .id = UINT64_MAX,
        .answered_below = UINT64_MAX,
        .type = WIRE_ACQUIRE,
        .acquire = {.parts_count = WIRE_PARTS_MAX,
                    .wait_ms = INT64_MAX,
                    .hold_ms = INT64_MAX,
                    .priority = UINT32_MAX,
                    .settle = true,
                    .join = true,
                    .waiting = true,
                    .labels_count = WIRE_LABELS_MAX}};
    uint8_t frame[WIRE_REQUEST_BYTES_MAX];

    for (size_t i = 0; i < WIRE_LABELS_MAX; i++) {
        memset(texts[i], 'x', WIRE_TEXT_BYTES_MAX);
        message.acquire.labels[i] = (struct permit_label){texts[i], texts[i]};
        message.acquire.parts[i] =
            (struct wire_part){texts[i], UINT32_MAX, true, UINT32_MAX};
    }
    ck_assert_uint_gt(wire_encode_client(&message, frame, sizeof(frame)), 0);
}
END_TEST

/* The rows are the largest: those that fit into a frame are in the page, and
 * fit into a client's arena. */
static void assert_page(enum wire_list_kind kind, uint32_t labels_count,
                        uint32_t expected)
{
    static char text[WIRE_TEXT_BYTES_MAX + 1];
    static struct permit_semaphore_info semaphores[WIRE_PAGE_ROWS_MAX];
    static struct permit_holder_info holders[WIRE_PAGE_ROWS_MAX];
    static struct permit_waiter_info waiters[WIRE_PAGE_ROWS_MAX];
    static uint8_t frame[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
    const struct permit_client_info client = {
        UINT64_MAX, text, text, UINT64_MAX, text, text, true};
    struct wire_server_message message = {.id = UINT64_MAX,
                                          .type = WIRE_PAGE,
                                          .page = {.kind = kind,
                                                   .total = UINT64_MAX,
                                                   .offset = UINT64_MAX,
                                                   .count = WIRE_PAGE_ROWS_MAX,
                                                   .semaphores = semaphores,
                                                   .holders = holders,
                                                   .waiters = waiters}};
    struct wire_server_message decoded;
    struct permit_label labels[WIRE_LABELS_MAX];
    size_t length;

    memset(text, 'x', WIRE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < WIRE_LABELS_MAX; i++) {
        labels[i] = (struct permit_label){text, text};
    }
    for (size_t i = 0; i < WIRE_PAGE_ROWS_MAX; i++) {
        memset(&semaphores[i], 0xff, sizeof(semaphores[i]));
        semaphores[i].name = text;
        semaphores[i].template_name = text;
        semaphores[i].kind = PERMIT_BOUNDED;
        semaphores[i].max_wait_ms = INT64_MIN;
        semaphores[i].hold_ms = INT64_MAX;
        semaphores[i].oldest_wait_ms = INT64_MAX;
        semaphores[i].oldest_hold_ms = INT64_MAX;
        semaphores[i].durable = true;
        semaphores[i].slots = true;
        semaphores[i].shadow = true;
        semaphores[i].refuse_hopeless = true;
        holders[i] = (struct permit_holder_info){.grant_id = UINT64_MAX,
                                                 .fence = UINT64_MAX,
                                                 .semaphore = text,
                                                 .permits = UINT32_MAX,
                                                 .client = client,
                                                 .held_ms = INT64_MAX,
                                                 .waited_ms = INT64_MAX,
                                                 .expires_in_ms = INT64_MAX,
                                                 .labels = labels,
                                                 .labels_count = labels_count};
        waiters[i] = (struct permit_waiter_info){
            .acquire_id = UINT64_MAX,
            .position = UINT64_MAX,
            .semaphore = text,
            .permits = UINT32_MAX,
            .client = client,
            .waited_ms = INT64_MAX,
            .expires_in_ms = INT64_MAX,
            .set_aside = PERMIT_SET_ASIDE_DISCONNECTED,
            .labels = labels,
            .labels_count = labels_count};
    }
    length = wire_encode_server(&message, frame, sizeof(frame));
    ck_assert_uint_gt(length, 0);
    ck_assert_int_eq(wire_decode_server(frame + FRAME_HEADER_BYTES,
                                        length - FRAME_HEADER_BYTES, &arena,
                                        &decoded),
                     PERMIT_OK);
    ck_assert_int_eq(decoded.page.kind, kind);
    ck_assert_uint_eq(decoded.page.count, expected);
}

START_TEST(a_page_of_the_most_and_largest_rows_without_labels_fits)
{
    assert_page((enum wire_list_kind)_i, 0, WIRE_PAGE_ROWS_MAX);
}
END_TEST

/* A row has some 2,900 bytes then. */
START_TEST(a_page_ends_before_the_first_row_that_does_not_fit)
{
    assert_page((enum wire_list_kind)_i, WIRE_LABELS_MAX, 22);
}
END_TEST

/* Whatever is left behind the last row that fits, the page fits. */
START_TEST(a_page_of_rows_of_any_size_is_written)
{
    static char text[WIRE_TEXT_BYTES_MAX + 1];
    static struct permit_waiter_info waiters[WIRE_PAGE_ROWS_MAX];
    static uint8_t frame[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
    struct permit_label labels[WIRE_LABELS_MAX];
    struct wire_server_message message = {.id = UINT64_MAX,
                                          .type = WIRE_PAGE,
                                          .page = {.kind = WIRE_LIST_WAITERS,
                                                   .total = UINT64_MAX,
                                                   .offset = UINT64_MAX,
                                                   .count = WIRE_PAGE_ROWS_MAX,
                                                   .waiters = waiters}};

    memset(text, 'x', WIRE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < WIRE_LABELS_MAX; i++) {
        labels[i] = (struct permit_label){text, text};
    }
    for (size_t i = 0; i < WIRE_PAGE_ROWS_MAX; i++) {
        waiters[i] = (struct permit_waiter_info){
            .semaphore = text,
            .client = {.name = "", .host = "", .purpose = "", .address = ""},
            .labels = labels,
            .labels_count = WIRE_LABELS_MAX};
    }
    for (size_t length = 0; length <= WIRE_TEXT_BYTES_MAX; length++) {
        labels[0].value = text + length;
        ck_assert_uint_gt(wire_encode_server(&message, frame, sizeof(frame)),
                          FRAME_BYTES_MAX - 4096);
    }
}
END_TEST

START_TEST(no_frame_of_a_server_is_written_beyond_its_buffer)
{
    const struct wire_server_message *message = &server_cases[_i].message;
    uint8_t frame[4096];
    size_t length = wire_encode_server(message, frame, sizeof(frame));

    for (size_t capacity = 0; capacity < length; capacity++) {
        uint8_t *small = malloc(capacity + (capacity == 0));

        ck_assert_ptr_nonnull(small);
        ck_assert_uint_eq(wire_encode_server(message, small, capacity), 0);
        free(small);
    }
}
END_TEST

/* ------------------------------------------------------------------- hash */

START_TEST(the_hash_leaves_out_id_mark_and_wait_and_nothing_else)
{
    struct wire_client_message message = client_cases[_i].message;
    uint64_t hash = wire_body_hash(&message);

    message.id ^= 1;
    message.answered_below ^= 1;
    if (message.type == WIRE_ACQUIRE) {
        message.acquire.wait_ms ^= 1;
    }
    ck_assert_uint_eq(wire_body_hash(&message), hash);
    for (int other = 0; other < (int)CLIENT_CASES; other++) {
        if (other != _i) {
            ck_assert_uint_ne(wire_body_hash(&client_cases[other].message),
                              hash);
        }
    }
}
END_TEST

#define VARIANT(member, ...)                                                   \
    do {                                                                       \
        struct wire_client_message variant = message;                          \
        variant.member = __VA_ARGS__;                                          \
        ck_assert_uint_ne(wire_body_hash(&variant), hash);                     \
    } while (0)

START_TEST(every_field_of_an_acquire_is_hashed)
{
    struct wire_client_message message = {
        .type = WIRE_ACQUIRE,
        .acquire = {.parts = {{"ab", 1, false, 0}, {"c", 1, false, 0}},
                    .parts_count = 2,
                    .labels = {{"job", "nightly"}},
                    .labels_count = 1}};
    uint64_t hash = wire_body_hash(&message);

    VARIANT(acquire.parts[0].semaphore, "a");
    VARIANT(acquire.parts[0].permits, 2);
    VARIANT(acquire.parts[1].consume, true);
    VARIANT(acquire.parts[1].expect_permits, 1);
    VARIANT(acquire.parts_count, 1);
    VARIANT(acquire.hold_ms, 1);
    VARIANT(acquire.priority, 1);
    VARIANT(acquire.settle, true);
    VARIANT(acquire.join, true);
    VARIANT(acquire.waiting, true);
    VARIANT(acquire.labels_count, 0);
    VARIANT(acquire.labels[0].key, "job2");
    VARIANT(acquire.labels[0].value, "weekly");
    /* "ab", "c" is not "a", "bc". */
    message.acquire.parts[0].semaphore = "a";
    message.acquire.parts[1].semaphore = "bc";
    ck_assert_uint_ne(wire_body_hash(&message), hash);
}
END_TEST

START_TEST(every_field_of_a_definition_and_a_release_is_hashed)
{
    struct wire_client_message message = {.type = WIRE_DEFINE,
                                          .define = {.semaphore = "a"}};
    uint64_t hash = wire_body_hash(&message);

    VARIANT(define.semaphore, "b");
    VARIANT(define.fields, WIRE_FIELD_KIND);
    VARIANT(define.kind, PERMIT_COUNTING);
    VARIANT(define.permits, 1);
    VARIANT(define.max_queue, 1);
    VARIANT(define.max_wait_ms, 1);
    VARIANT(define.hold_ms, 1);
    VARIANT(define.slots, true);
    message = (struct wire_client_message){
        .type = WIRE_RELEASE,
        .release = {.parts = {{.semaphore = "a"}}, .parts_count = 1}};
    hash = wire_body_hash(&message);
    VARIANT(release.acquire_id, 1);
    VARIANT(release.parts[0].permits, 1);
    VARIANT(release.parts_count, 0);
    VARIANT(release.has_outcome, true);
}
END_TEST

static TCase *make_tcase(void)
{
    TCase *tcase = tcase_create("wire");

    tcase_add_checked_fixture(tcase, make_arena, free_arena);
    tcase_add_loop_test(tcase, every_message_of_a_client_goes_both_ways, 0,
                        (int)CLIENT_CASES);
    tcase_add_loop_test(tcase, every_message_of_a_server_goes_both_ways, 0,
                        (int)SERVER_CASES);
    tcase_add_test(tcase, no_string_of_a_decoded_message_is_null);
    tcase_add_test(tcase, of_more_labels_than_there_may_be_the_first_are_read);
    tcase_add_loop_test(tcase, every_prefix_of_every_message_is_read_or_broken,
                        0, (int)CLIENT_CASES);
    tcase_add_loop_test(tcase, every_prefix_from_a_server_is_read_or_broken, 0,
                        (int)SERVER_CASES);
    tcase_add_loop_test(
        tcase, a_message_of_a_server_that_the_arena_cannot_hold_is_broken, 0,
        (int)SERVER_CASES);
    tcase_add_test(tcase, no_frame_is_longer_than_a_frame_may_be);
    tcase_add_test(tcase, a_page_without_rows_is_the_same_of_every_kind);
    tcase_add_loop_test(tcase, no_frame_is_written_beyond_its_buffer, 0,
                        (int)CLIENT_CASES);
    tcase_add_test(tcase, the_largest_request_has_a_bound);
    tcase_add_loop_test(tcase,
                        a_page_of_the_most_and_largest_rows_without_labels_fits,
                        WIRE_LIST_SEMAPHORES, WIRE_LIST_WAITERS + 1);
    tcase_add_loop_test(tcase,
                        a_page_ends_before_the_first_row_that_does_not_fit,
                        WIRE_LIST_HOLDERS, WIRE_LIST_WAITERS + 1);
    tcase_add_test(tcase, a_page_of_rows_of_any_size_is_written);
    tcase_add_loop_test(tcase,
                        no_frame_of_a_server_is_written_beyond_its_buffer, 0,
                        (int)SERVER_CASES);
    tcase_add_loop_test(tcase,
                        the_hash_leaves_out_id_mark_and_wait_and_nothing_else,
                        0, (int)CLIENT_CASES);
    tcase_add_test(tcase, every_field_of_an_acquire_is_hashed);
    tcase_add_test(tcase, every_field_of_a_definition_and_a_release_is_hashed);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("wire");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, make_tcase());
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
