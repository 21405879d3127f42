/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_WIRE_PRIVATE_H
#define PERMIT_WIRE_PRIVATE_H

/* What the wire*.c share; they alone see the generated code. Everybody else
 * includes wire.h. */

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

/* Returns NULL and sets *ret_name, or says what is wrong with the name. */
const char *wire_check_semaphore(ProtobufCBinaryData name, bool template_too,
                                 const char **ret_name);

/* Returns NULL, or what is wrong. */
const char *wire_decode_define(const Permit__V1__ClientMessage *outer,
                               struct wire_client_message *ret_message);

/* Read a page, and the parts of a row, which are in the arena already. Return
 * PERMIT_OK, PERMIT_E_UNSUPPORTED, or PERMIT_E_PROTOCOL if the arena is full.
 */
enum permit_status wire_decode_page(const Permit__V1__ServerMessage *outer,
                                    struct wire_arena *arena,
                                    struct wire_server_message *ret_message);
enum permit_status wire_read_parts(Permit__V1__Part *const *from, size_t count,
                                   struct wire_arena *arena,
                                   const struct permit_part_info **ret_parts,
                                   uint32_t *ret_count);
enum permit_status wire_read_semaphore(const Permit__V1__Semaphore *from,
                                       struct permit_semaphore_info *to);

/* Ages travel plus one, so that 0 can say that there is none. */
int64_t wire_less_1(uint64_t age_ms_plus_1);

size_t wire_encode_page(const struct wire_server_message *message,
                        uint8_t *buffer, size_t capacity);
void wire_fill_semaphore(const struct permit_semaphore_info *from,
                         Permit__V1__Semaphore *to);
void wire_fill_part(const struct permit_part_info *from, Permit__V1__Part *to);

/* Packs *member as the member `message_case` of a server's message. */
size_t wire_pack_server(const struct wire_server_message *message,
                        int message_case, ProtobufCMessage *member,
                        uint8_t *buffer, size_t capacity);

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
