/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_FRAME_H
#define PERMIT_FRAME_H

/* The preface and the length prefix of permit.proto, over memory. It owns no
 * buffer and knows no message.
 *
 * Law: a length is compared with its limit before anything is done with it. */

#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION 0x01
#define FRAME_PREFACE_BYTES 4
#define FRAME_HEADER_BYTES 4
#define FRAME_BYTES_MAX_BEFORE_WELCOME 1024u
#define FRAME_BYTES_MAX 65536u

/* What both sides send first. */
extern const uint8_t frame_preface[FRAME_PREFACE_BYTES];

struct frame {
    const uint8_t *message; /* Into the caller's bytes. */
    uint32_t message_bytes;
};

/* Reads the peer's preface. Returns FRAME_PREFACE_BYTES when it is there, 0
 * when so far it may become one, PERMIT_E_VERSION when it is another version's,
 * PERMIT_E_PROTOCOL as soon as it is anything else. */
int frame_read_preface(const uint8_t *bytes, size_t length);

/* Returns the bytes that the first frame occupies, 0 when more input is needed,
 * or PERMIT_E_PROTOCOL when its length is above message_bytes_max. *ret_frame
 * is set only when the result is positive. */
int64_t frame_parse(const uint8_t *bytes, size_t length,
                    uint32_t message_bytes_max, struct frame *ret_frame);

/* Writes the header of a frame of message_bytes to header. */
void frame_write_header(uint8_t header[FRAME_HEADER_BYTES],
                        uint32_t message_bytes);

#endif
