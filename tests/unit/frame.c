/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "permit/error.h"
#include "wire_cases_client.h"
#include "wire_cases_server.h"

/* ----------------------------------------------------------------- preface */

START_TEST(the_preface_is_read_a_byte_at_a_time)
{
    for (size_t length = 0; length < FRAME_PREFACE_BYTES; length++) {
        ck_assert_int_eq(frame_read_preface(frame_preface, length), 0);
    }
    ck_assert_int_eq(frame_read_preface(frame_preface, FRAME_PREFACE_BYTES),
                     FRAME_PREFACE_BYTES);
    ck_assert_int_eq(
        frame_read_preface((const uint8_t *)"\x93PM\x01garbage", 11),
        FRAME_PREFACE_BYTES);
}
END_TEST

/* C3, C4, C6. */
static const struct {
    const char *bytes;
    size_t length;
    int expected;
} preface_cases[] = {
    {"\x93PM\x00", 4, PERMIT_E_VERSION},
    {"\x93PM\x02", 4, PERMIT_E_VERSION},
    {"\x93PM\xff", 4, PERMIT_E_VERSION},
    {"G", 1, PERMIT_E_PROTOCOL},
    {"GET / HTTP/1.1\r\n", 16, PERMIT_E_PROTOCOL},
    {"\x16\x03\x01\x02\x00", 5, PERMIT_E_PROTOCOL}, /* TLS. */
    {"SSH-2.0-OpenSSH_9.2\r\n", 21, PERMIT_E_PROTOCOL},
    {"*1\r\n$4\r\nPING\r\n", 14, PERMIT_E_PROTOCOL},
    {"\x00\x00\x00\x00", 4, PERMIT_E_PROTOCOL},
    {"\xff\xff\xff\xff", 4, PERMIT_E_PROTOCOL},
    {"\x93", 1, 0},
    {"\x93Q", 2, PERMIT_E_PROTOCOL},
    {"\x93PN", 3, PERMIT_E_PROTOCOL},
    {"x\x93PM\x01", 5, PERMIT_E_PROTOCOL}, /* Never a scan forward. */
};

START_TEST(c3_c4_c6_anything_else_is_told_from_the_preface)
{
    ck_assert_int_eq(
        frame_read_preface((const uint8_t *)preface_cases[_i].bytes,
                           preface_cases[_i].length),
        preface_cases[_i].expected);
}
END_TEST

/* ------------------------------------------------------------------ lengths */

static const struct {
    uint32_t message_bytes_max;
    uint8_t header[FRAME_HEADER_BYTES];
    int64_t expected;
} length_cases[] = {
    {FRAME_BYTES_MAX_BEFORE_WELCOME, {0x00, 0x00, 0x00, 0x00}, 4},
    {FRAME_BYTES_MAX_BEFORE_WELCOME, {0x00, 0x00, 0x00, 0x01}, 0},
    {FRAME_BYTES_MAX_BEFORE_WELCOME, {0x00, 0x00, 0x04, 0x00}, 0},
    {FRAME_BYTES_MAX_BEFORE_WELCOME,
     {0x00, 0x00, 0x04, 0x01},
     PERMIT_E_PROTOCOL},
    {FRAME_BYTES_MAX, {0x00, 0x00, 0x04, 0x01}, 0},
    {FRAME_BYTES_MAX, {0x00, 0x01, 0x00, 0x00}, 0},
    {FRAME_BYTES_MAX, {0x00, 0x01, 0x00, 0x01}, PERMIT_E_PROTOCOL},
    {FRAME_BYTES_MAX, {0x7f, 0xff, 0xff, 0xff}, PERMIT_E_PROTOCOL},
    {FRAME_BYTES_MAX, {0x80, 0x00, 0x00, 0x00}, PERMIT_E_PROTOCOL},
    {FRAME_BYTES_MAX, {0xff, 0xff, 0xff, 0xff}, PERMIT_E_PROTOCOL},
    {UINT32_MAX, {0xff, 0xff, 0xff, 0xff}, 0}, /* No sum overflows. */
};

START_TEST(c1_a_length_is_compared_with_its_limit_first)
{
    struct frame frame = {NULL, 0};

    ck_assert_int_eq(frame_parse(length_cases[_i].header, FRAME_HEADER_BYTES,
                                 length_cases[_i].message_bytes_max, &frame),
                     length_cases[_i].expected);
    ck_assert_uint_eq(frame.message_bytes, 0);
    for (size_t length = 0; length < FRAME_HEADER_BYTES; length++) {
        ck_assert_int_eq(frame_parse(length_cases[_i].header, length,
                                     length_cases[_i].message_bytes_max,
                                     &frame),
                         0);
    }
}
END_TEST

/* ------------------------------------------------------------------- splits */

START_TEST(every_split_of_every_frame_waits_for_the_rest)
{
    uint8_t buffer[4096];
    struct frame frame = {NULL, 0};
    size_t length =
        wire_encode_client(&client_cases[_i].message, buffer, sizeof(buffer));

    ck_assert_uint_ge(length, FRAME_HEADER_BYTES);
    for (size_t split = 0; split < length; split++) {
        /* Exactly so many bytes, so that ASan sees a read behind them. */
        uint8_t *part = malloc(split + 1);

        ck_assert_ptr_nonnull(part);
        memcpy(part, buffer, split);
        ck_assert_int_eq(frame_parse(part, split, FRAME_BYTES_MAX, &frame), 0);
        ck_assert_ptr_null(frame.message);
        free(part);
    }
    ck_assert_int_eq(
        frame_parse(buffer, sizeof(buffer), FRAME_BYTES_MAX, &frame),
        (int64_t)length);
    ck_assert_ptr_eq(frame.message, buffer + FRAME_HEADER_BYTES);
    ck_assert_uint_eq(frame.message_bytes, length - FRAME_HEADER_BYTES);
}
END_TEST

START_TEST(headers_are_written_as_they_are_read)
{
    static const uint32_t lengths[] = {0, 1, 255, 256, 1024, 65535, 65536};
    uint8_t *bytes = calloc(1, FRAME_HEADER_BYTES + FRAME_BYTES_MAX);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct frame frame;

        frame_write_header(bytes, lengths[i]);
        ck_assert_int_eq(frame_parse(bytes,
                                     FRAME_HEADER_BYTES + FRAME_BYTES_MAX,
                                     FRAME_BYTES_MAX, &frame),
                         FRAME_HEADER_BYTES + (int64_t)lengths[i]);
        ck_assert_uint_eq(frame.message_bytes, lengths[i]);
    }
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = tcase_create("frame");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, the_preface_is_read_a_byte_at_a_time);
    tcase_add_loop_test(
        tcase, c3_c4_c6_anything_else_is_told_from_the_preface, 0,
        (int)(sizeof(preface_cases) / sizeof(preface_cases[0])));
    tcase_add_loop_test(tcase, c1_a_length_is_compared_with_its_limit_first, 0,
                        (int)(sizeof(length_cases) / sizeof(length_cases[0])));
    tcase_add_loop_test(tcase, every_split_of_every_frame_waits_for_the_rest, 0,
                        (int)CLIENT_CASES);
    tcase_add_test(tcase, headers_are_written_as_they_are_read);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
