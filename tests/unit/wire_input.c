/* SPDX-License-Identifier: MIT */

/* What a client may not send, and what becomes of it: FAULTS C6 to C11 at the
 * level of one message. */

#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>
/* The descriptors are walked here: no other test sees the generated code. */
#include <permit.pb-c.h>

#include "frame.h"

static struct wire_arena arena;
static struct wire_client_message decoded;

static void make_arena(void)
{
    arena = (struct wire_arena){.bytes = malloc(WIRE_ARENA_BYTES),
                                .capacity = WIRE_ARENA_BYTES};
    ck_assert_ptr_nonnull(arena.bytes);
    memset(&decoded, 0, sizeof(decoded));
}

static void free_arena(void)
{
    free(arena.bytes);
}

static enum permit_status decode(const void *bytes, size_t length)
{
    return wire_decode_client(bytes, length, &arena, &decoded);
}

/* ------------------------------------------------- C7: nothing is recursive */

static void walk(const ProtobufCMessageDescriptor *descriptor, int depth)
{
    ck_assert_int_le(depth, 8);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

        /* `string` ends at a NUL and takes any bytes: names are `bytes`. */
        ck_assert_int_ne(field->type, PROTOBUF_C_TYPE_STRING);
        /* What the scan of wire.c knows. */
        ck_assert(field->type == PROTOBUF_C_TYPE_UINT64 ||
                  field->type == PROTOBUF_C_TYPE_SINT64 ||
                  field->type == PROTOBUF_C_TYPE_UINT32 ||
                  field->type == PROTOBUF_C_TYPE_BOOL ||
                  field->type == PROTOBUF_C_TYPE_ENUM ||
                  field->type == PROTOBUF_C_TYPE_BYTES ||
                  field->type == PROTOBUF_C_TYPE_MESSAGE);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            walk(field->descriptor, depth + 1);
        }
    }
}

START_TEST(c7_no_type_is_recursive)
{
    walk(&permit__v1__client_message__descriptor, 0);
    walk(&permit__v1__server_message__descriptor, 0);
}
END_TEST

START_TEST(c7_ten_thousand_levels_are_just_bytes)
{
    /* Length-prefixed fields 3 (acquire) in fields 1 (parts) in ... */
    static uint8_t bytes[60000];
    size_t at = sizeof(bytes);

    while (at > 4) {
        size_t length = sizeof(bytes) - at;

        if (length > 127) {
            bytes[--at] = (uint8_t)(length >> 7);
            bytes[--at] = (uint8_t)(length | 0x80);
        } else {
            bytes[--at] = (uint8_t)length;
        }
        bytes[--at] = 0x1a;
        if (length > 16000) {
            break; /* Two bytes of length are enough: some 5,000 levels. */
        }
    }
    ck_assert_int_eq(decode(bytes + at, sizeof(bytes) - at), PERMIT_E_PROTOCOL);
}
END_TEST

/* --------------------------------------------- C6, C9: unknown and broken */

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *name;
    const char *bytes;
    size_t length;
    enum permit_status expected;
    enum wire_client_type type;
} shape_cases[] = {
    {"empty", BYTES(""), PERMIT_OK, WIRE_UNKNOWN},
    {"no member", BYTES("\x08\x05"), PERMIT_OK, WIRE_UNKNOWN},
    {"a member of later", BYTES("\x08\x05\xc2\x01\x00"), PERMIT_OK,
     WIRE_UNKNOWN},
    {"unknown varint", BYTES("\xa8\x06\x01\x2a\x00"), PERMIT_OK, WIRE_PING},
    {"unknown 64 bit",
     BYTES("\xa9\x06"
           "12345678\x2a\x00"),
     PERMIT_OK, WIRE_PING},
    {"unknown bytes",
     BYTES("\xaa\x06\x03"
           "abc\x2a\x00"),
     PERMIT_OK, WIRE_PING},
    {"unknown 32 bit",
     BYTES("\xad\x06"
           "1234\x2a\x00"),
     PERMIT_OK, WIRE_PING},
    {"unknown inside", BYTES("\x2a\x03\xa8\x06\x01"), PERMIT_OK, WIRE_PING},
    {"the last member wins", BYTES("\x2a\x00\x72\x00"), PERMIT_OK, WIRE_BYE},
    {"the last number wins", BYTES("\x08\x01\x08\x05\x2a\x00"), PERMIT_OK,
     WIRE_PING},
    {"long tag, small number", BYTES("\x88\x00\x05\x2a\x00"), PERMIT_OK,
     WIRE_PING},
    {"ten bytes of varint",
     BYTES("\x08\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00\x2a\x00"), PERMIT_OK,
     WIRE_PING},
    {"eleven bytes of varint",
     BYTES("\x08\x85\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x2a\x00"),
     PERMIT_E_PROTOCOL, 0},
    {"eleven bytes, unknown",
     BYTES("\xa8\x06\x85\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
     PERMIT_E_PROTOCOL, 0},
    {"a varint without end", BYTES("\x08\xff"), PERMIT_E_PROTOCOL, 0},
    {"a tag without value", BYTES("\x08"), PERMIT_E_PROTOCOL, 0},
    {"a tag without end", BYTES("\x88"), PERMIT_E_PROTOCOL, 0},
    {"a tag above 32 bits", BYTES("\x88\x80\x80\x80\x10\x01"),
     PERMIT_E_PROTOCOL, 0},
    {"field 0", BYTES("\x00\x01"), PERMIT_E_PROTOCOL, 0},
    {"field 0, two bytes", BYTES("\x80\x00\x01"), PERMIT_E_PROTOCOL, 0},
    {"field 0 inside", BYTES("\x2a\x03\x80\x00\x01"), PERMIT_E_PROTOCOL, 0},
    {"a group", BYTES("\x2b\x2c"), PERMIT_E_PROTOCOL, 0},
    {"an unknown group", BYTES("\xab\x06\xac\x06"), PERMIT_E_PROTOCOL, 0},
    {"wire type 6", BYTES("\xae\x06"), PERMIT_E_PROTOCOL, 0},
    {"wire type 7", BYTES("\xaf\x06"), PERMIT_E_PROTOCOL, 0},
    {"id as bytes", BYTES("\x0a\x01\x05"), PERMIT_E_PROTOCOL, 0},
    {"id as 64 bit",
     BYTES("\x09"
           "12345678"),
     PERMIT_E_PROTOCOL, 0},
    {"ping as varint", BYTES("\x28\x01"), PERMIT_E_PROTOCOL, 0},
    {"name as varint", BYTES("\x5a\x02\x08\x01"), PERMIT_E_PROTOCOL, 0},
    /* delete.force: protobuf-c would take any wire type for a bool. */
    {"bool as 32 bit",
     BYTES("\x8a\x01\x05\x15"
           "1234"),
     PERMIT_E_PROTOCOL, 0},
    {"bool as bytes", BYTES("\x8a\x01\x03\x12\x01\x01"), PERMIT_E_PROTOCOL, 0},
    {"a length past the end", BYTES("\x2a\x01"), PERMIT_E_PROTOCOL, 0},
    {"a length of 2^63", BYTES("\x2a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
     PERMIT_E_PROTOCOL, 0},
    {"a length of 2^64-1",
     BYTES("\xaa\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
     PERMIT_E_PROTOCOL, 0},
    {"a length of 2^32", BYTES("\x2a\x80\x80\x80\x80\x10"), PERMIT_E_PROTOCOL,
     0},
    {"a part past its acquire",
     BYTES("\x1a\x02\x0a\x05"
           "abc"),
     PERMIT_E_PROTOCOL, 0},
    {"bytes that are no message", BYTES("\xff\xff\xff\xff\xff\xff"),
     PERMIT_E_PROTOCOL, 0},
    /* A server's message: Granted is 2, Done 3 with no parts. */
    {"a server's granted", BYTES("\x08\x01\x12\x04\x08\x01\x10\x01"),
     PERMIT_E_PROTOCOL, 0},
};

START_TEST(c6_c9_a_message_is_read_unknown_or_broken)
{
    uint8_t *bytes = malloc(shape_cases[_i].length + 1);

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, shape_cases[_i].bytes, shape_cases[_i].length);
    ck_assert_msg(decode(bytes, shape_cases[_i].length) ==
                      shape_cases[_i].expected,
                  "%s", shape_cases[_i].name);
    ck_assert_msg(decoded.type == shape_cases[_i].type, "%s: type %d",
                  shape_cases[_i].name, (int)decoded.type);
    ck_assert_int_eq(decoded.status, PERMIT_OK);
    if (shape_cases[_i].expected == PERMIT_OK && decoded.id != 0) {
        ck_assert_uint_eq(decoded.id, 5);
    }
    free(bytes);
}
END_TEST

START_TEST(c9_packed_or_not_is_the_same)
{
    /* define "a", fields 4 and 8. */
    static const char packed[] = "\x82\x01\x07\x0a\x01"
                                 "a\x12\x02\x04\x08";
    static const char single[] = "\x82\x01\x07\x0a\x01"
                                 "a\x10\x04\x10\x08";

    ck_assert_int_eq(decode(packed, sizeof(packed) - 1), PERMIT_OK);
    ck_assert_uint_eq(decoded.define.fields,
                      WIRE_FIELD_PERMITS | WIRE_FIELD_MAX_QUEUE);
    ck_assert_int_eq(decode(single, sizeof(single) - 1), PERMIT_OK);
    ck_assert_uint_eq(decoded.define.fields,
                      WIRE_FIELD_PERMITS | WIRE_FIELD_MAX_QUEUE);
}
END_TEST

START_TEST(c9_a_packed_varint_without_end_is_broken)
{
    static const char bytes[] = "\x82\x01\x07\x0a\x01"
                                "a\x12\x02\x04\x88";

    ck_assert_int_eq(decode(bytes, sizeof(bytes) - 1), PERMIT_E_PROTOCOL);
}
END_TEST

START_TEST(c9_a_member_that_comes_twice_is_replaced_not_merged)
{
    /* acquire { parts { "a" 1 } } twice: one part, not two. */
    static const char bytes[] = "\x1a\x07\x0a\x05\x0a\x01"
                                "a\x10\x01"
                                "\x1a\x07\x0a\x05\x0a\x01"
                                "b\x10\x02";

    ck_assert_int_eq(decode(bytes, sizeof(bytes) - 1), PERMIT_OK);
    ck_assert_int_eq(decoded.status, PERMIT_OK);
    ck_assert_uint_eq(decoded.acquire.parts_count, 1);
    ck_assert_str_eq(decoded.acquire.parts[0].semaphore, "b");
}
END_TEST

/* -------------------------------------------------------- C8: amplification */

static const struct {
    const char *name;
    uint8_t pair[2];
    uint8_t head[8]; /* Of the member that the pairs are in; length first. */
} amplifier_cases[] = {
    {"unknown fields", {0x08, 0x01}, {4, 0x2a, 0xfc, 0xff, 0x03}},
    {"unknown empty bytes", {0x0a, 0x00}, {4, 0x2a, 0xfc, 0xff, 0x03}},
    {"members of the oneof", {0x2a, 0x00}, {0}},
    {"parts", {0x0a, 0x00}, {4, 0x1a, 0xfc, 0xff, 0x03}},
    {"labels", {0x42, 0x00}, {4, 0x1a, 0xfc, 0xff, 0x03}},
    {"fields of a definition", {0x10, 0x04}, {5, 0x82, 0x01, 0xfb, 0xff, 0x03}},
};

START_TEST(c8_what_amplifies_is_broken_and_takes_only_the_arena)
{
    static uint8_t bytes[FRAME_BYTES_MAX];
    size_t head = amplifier_cases[_i].head[0];

    memcpy(bytes, amplifier_cases[_i].head + 1, head);
    for (size_t at = head; at + 1 < sizeof(bytes); at += 2) {
        memcpy(bytes + at, amplifier_cases[_i].pair, 2);
    }
    ck_assert_msg(decode(bytes, sizeof(bytes) - (head % 2)) ==
                      PERMIT_E_PROTOCOL,
                  "%s", amplifier_cases[_i].name);
    ck_assert_uint_le(arena.used, arena.capacity);
    ck_assert_int_eq(decoded.type, 0);
}
END_TEST

/* Empty bytes of an unknown field, again and again. */
static void fill_unknown(uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        bytes[at] = at % 2 == 0 ? 0x0a : 0x00;
    }
}

START_TEST(c8_the_budget_is_eight_times_the_frame)
{
    uint8_t large[3 + 1020] = {0x2a, 0xfc, 0x07}; /* A Ping of 1,020 bytes. */
    uint8_t tiny[2 + 60] = {0x2a, 60};

    fill_unknown(large + 3, 1020);
    ck_assert_int_eq(decode(large, sizeof(large)), PERMIT_E_PROTOCOL);
    ck_assert_uint_le(arena.used, WIRE_ARENA_FACTOR * sizeof(large) +
                                      WIRE_ARENA_EXTRA_BYTES);
    /* Thirty fields are within what a tiny frame may need besides. */
    fill_unknown(tiny + 2, 60);
    ck_assert_int_eq(decode(tiny, sizeof(tiny)), PERMIT_OK);
    ck_assert_int_eq(decoded.type, WIRE_PING);
}
END_TEST

START_TEST(an_arena_is_flat_and_may_be_small)
{
    static const char bytes[] = "\x08\x05\x5a\x03\x0a\x01"
                                "a"; /* Query. */
    size_t used;

    ck_assert_int_eq(decode(bytes, sizeof(bytes) - 1), PERMIT_OK);
    used = arena.used;
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(decode(bytes, sizeof(bytes) - 1), PERMIT_OK);
        ck_assert_uint_eq(arena.used, used);
    }
    for (size_t capacity = 0; capacity < used; capacity++) {
        struct wire_arena small = {.bytes = aligned_alloc(16, 4096),
                                   .capacity = capacity};

        ck_assert_int_eq(wire_decode_client((const uint8_t *)bytes,
                                            sizeof(bytes) - 1, &small,
                                            &decoded),
                         PERMIT_E_PROTOCOL);
        free(small.bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_input");
    TCase *tcase = tcase_create("wire_input");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, make_arena, free_arena);
    tcase_add_test(tcase, c7_no_type_is_recursive);
    tcase_add_test(tcase, c7_ten_thousand_levels_are_just_bytes);
    tcase_add_loop_test(tcase, c6_c9_a_message_is_read_unknown_or_broken, 0,
                        (int)(sizeof(shape_cases) / sizeof(shape_cases[0])));
    tcase_add_test(tcase, c9_packed_or_not_is_the_same);
    tcase_add_test(tcase, c9_a_packed_varint_without_end_is_broken);
    tcase_add_test(tcase, c9_a_member_that_comes_twice_is_replaced_not_merged);
    tcase_add_loop_test(
        tcase, c8_what_amplifies_is_broken_and_takes_only_the_arena, 0,
        (int)(sizeof(amplifier_cases) / sizeof(amplifier_cases[0])));
    tcase_add_test(tcase, c8_the_budget_is_eight_times_the_frame);
    tcase_add_test(tcase, an_arena_is_flat_and_may_be_small);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
