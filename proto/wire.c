/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <assert.h>
#include <string.h>

#include "frame.h"
#include "wire_private.h"

#define ARENA_ALIGN_BYTES 16u

/* ------------------------------------------------------------------- names */

static bool is_name_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("._:/@+-", byte) != NULL);
}

enum permit_status wire_check_name(const char *name, size_t length,
                                   bool template_too, const char **ret_detail)
{
    size_t plain_bytes = length;

    if (length == 0) {
        *ret_detail = "name the semaphore";
        return PERMIT_E_INVALID;
    }
    if (length > WIRE_NAME_BYTES_MAX) {
        *ret_detail = "a name has at most 128 bytes";
        return PERMIT_E_INVALID;
    }
    if (name[0] == '-') {
        *ret_detail = "a name does not begin with '-'";
        return PERMIT_E_INVALID;
    }
    if (template_too && name[length - 1] == '*') {
        plain_bytes--;
    }
    if (plain_bytes == 0) {
        *ret_detail = "a template has something before its '*'";
        return PERMIT_E_INVALID;
    }
    for (size_t i = 0; i < plain_bytes; i++) {
        if (is_name_byte((unsigned char)name[i])) {
            continue;
        }
        *ret_detail =
            name[i] == '*'
                ? "'*' is only for the end of the name of a template, where it "
                  "is defined"
                : "a name consists of A-Z a-z 0-9 . _ : / @ + -";
        return PERMIT_E_INVALID;
    }
    return PERMIT_OK;
}

/* ------------------------------------------------------------------- arena */

static void arena_reset(struct wire_arena *arena, size_t budget_bytes)
{
    assert((uintptr_t)arena->bytes % ARENA_ALIGN_BYTES == 0);
    arena->used = 0;
    arena->budget =
        budget_bytes < arena->capacity ? budget_bytes : arena->capacity;
}

/* Every block has room for one byte more than asked, for wire_text(). */
static void *arena_alloc(void *arg, size_t bytes)
{
    struct wire_arena *arena = arg;
    size_t left = arena->budget - arena->used;
    size_t block_bytes;

    if (bytes >= left) {
        return NULL;
    }
    block_bytes =
        (bytes + ARENA_ALIGN_BYTES) & ~((size_t)ARENA_ALIGN_BYTES - 1);
    if (block_bytes > left) {
        return NULL;
    }
    arena->used += block_bytes;
    return arena->bytes + arena->used - block_bytes;
}

/* Nothing comes back before the next message, so that a message which makes
 * protobuf-c free and take again is over the budget soon. */
static void arena_free(void *arg, void *pointer)
{
    (void)arg;
    (void)pointer;
}

void *wire_arena_take(struct wire_arena *arena, size_t bytes)
{
    void *block = arena_alloc(arena, bytes);

    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

/* ----------------------------------------------------------------- parsing */

/* Reads a varint of at most ten bytes. Returns its bytes, or 0. */
static size_t scan_varint(const uint8_t *bytes, size_t length,
                          uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < length && i < 10; i++) {
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if ((bytes[i] & 0x80) == 0) {
            *ret_value = value;
            return i + 1;
        }
    }
    return 0;
}

static bool has_wire_type(const ProtobufCFieldDescriptor *field,
                          ProtobufCWireType wire_type)
{
    bool is_bytes = field->type == PROTOBUF_C_TYPE_BYTES ||
                    field->type == PROTOBUF_C_TYPE_MESSAGE;

    if (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        return is_bytes || field->label == PROTOBUF_C_LABEL_REPEATED;
    }
    return !is_bytes && wire_type == PROTOBUF_C_WIRE_TYPE_VARINT;
}

/* Measures the value that begins at bytes: so many bytes as it returns, and
 * *ret_rest more, which may be more than there are. Returns 0 if it is broken.
 */
static size_t scan_value(ProtobufCWireType wire_type, const uint8_t *bytes,
                         size_t length, uint64_t *ret_rest)
{
    size_t used = 0;

    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        used = scan_varint(bytes, length, ret_rest);
        *ret_rest = 0;
        return used;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return scan_varint(bytes, length, ret_rest);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        *ret_rest = 7;
        return length > 0;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        *ret_rest = 3;
        return length > 0;
    }
    return 0; /* A group. */
}

/* Is the message well-formed as permit.proto says? protobuf-c checks most of it
 * itself, but takes any wire type for a bool and field number 0 in a tag that
 * is longer than it need be. The depth is that of the descriptors, which have
 * no cycle. */
static bool scan(const ProtobufCMessageDescriptor *descriptor,
                 const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        const ProtobufCFieldDescriptor *field;
        ProtobufCWireType wire_type;
        uint64_t tag;
        uint64_t rest = 0;
        size_t tag_bytes = scan_varint(bytes, length, &tag);
        size_t used;

        if (tag_bytes == 0 || tag > UINT32_MAX || tag >> 3 == 0) {
            return false;
        }
        field = protobuf_c_message_descriptor_get_field(descriptor,
                                                        (unsigned)(tag >> 3));
        wire_type = (ProtobufCWireType)(tag & 7);
        used =
            scan_value(wire_type, bytes + tag_bytes, length - tag_bytes, &rest);
        if (used == 0 || rest > length - tag_bytes - used ||
            (field != NULL && !has_wire_type(field, wire_type))) {
            return false;
        }
        bytes += tag_bytes + used;
        length -= tag_bytes + used;
        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            !scan(field->descriptor, bytes, (size_t)rest)) {
            return false;
        }
        bytes += rest;
        length -= (size_t)rest;
    }
    return true;
}

const ProtobufCMessage *
wire_unpack(const ProtobufCMessageDescriptor *descriptor,
            const uint8_t *message, size_t length, struct wire_arena *arena,
            size_t budget_bytes)
{
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};

    if (!scan(descriptor, message, length)) {
        return NULL;
    }
    arena_reset(arena, budget_bytes);
    return protobuf_c_message_unpack(descriptor, &allocator, length, message);
}

/* -------------------------------------------------------- fields, both ways */

const char *wire_text(ProtobufCBinaryData from)
{
    if (from.len == 0) {
        return "";
    }
    from.data[from.len] = '\0';
    return (const char *)from.data;
}

ProtobufCBinaryData wire_from_text(const char *text)
{
    /* Packing only reads it; protobuf-c has one type for both ways. */
    ProtobufCBinaryData bytes = {strlen(text), (uint8_t *)text};

    return bytes;
}

void wire_fill_label(const struct permit_label *from, Permit__V1__Label *to)
{
    permit__v1__label__init(to);
    to->key = wire_from_text(from->key);
    to->value = wire_from_text(from->value);
}

int64_t wire_duration_ms(uint64_t from)
{
    return from > INT64_MAX ? INT64_MAX : (int64_t)from;
}

uint32_t wire_saturate_u32(uint64_t from)
{
    return from > UINT32_MAX ? UINT32_MAX : (uint32_t)from;
}

size_t wire_pack_frame(const ProtobufCMessage *message, uint8_t *buffer,
                       size_t capacity)
{
    size_t message_bytes = protobuf_c_message_get_packed_size(message);

    if (message_bytes > FRAME_BYTES_MAX ||
        FRAME_HEADER_BYTES + message_bytes > capacity) {
        return 0;
    }
    frame_write_header(buffer, (uint32_t)message_bytes);
    (void)protobuf_c_message_pack(message, buffer + FRAME_HEADER_BYTES);
    return FRAME_HEADER_BYTES + message_bytes;
}
