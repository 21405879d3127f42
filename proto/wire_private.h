/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_WIRE_PRIVATE_H
#define PERMIT_WIRE_PRIVATE_H

/* What wire.c, wire_client.c and wire_server.c share; they alone see the
 * generated code. Everybody else includes wire.h. */

#include "permit.pb-c.h"
#include "wire.h"

/* Parses a message of `descriptor` into the arena, of which it may use
 * budget_bytes and no more than there are. Returns NULL if it is broken or
 * needs more. */
const ProtobufCMessage *
wire_unpack(const ProtobufCMessageDescriptor *descriptor,
            const uint8_t *message, size_t length, struct wire_arena *arena,
            size_t budget_bytes);

/* Takes zeroed memory from the arena. Returns NULL over the budget. */
void *wire_arena_take(struct wire_arena *arena, size_t bytes);

/* The bytes of an unpacked field, with a NUL put behind them: the arena keeps
 * room for it. */
const char *wire_text(ProtobufCBinaryData from);

/* A text as the bytes of a field to be packed. */
ProtobufCBinaryData wire_from_text(const char *text);

/* A label to be packed; its texts are borrowed. */
void wire_fill_label(const struct permit_label *from, Permit__V1__Label *to);

/* Milliseconds and numbers from the wire, saturating. */
int64_t wire_duration_ms(uint64_t from);
uint32_t wire_saturate_u32(uint64_t from);

/* Writes the frame of a message; 0 if it has more than capacity. */
size_t wire_pack_frame(const ProtobufCMessage *message, uint8_t *buffer,
                       size_t capacity);

#endif
