/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <assert.h>
#include <string.h>

#include "permit/error.h"

const uint8_t frame_preface[FRAME_PREFACE_BYTES] = {0x93, 'P', 'M',
                                                    FRAME_VERSION};

#define MAGIC_BYTES (FRAME_PREFACE_BYTES - 1)

int frame_read_preface(const uint8_t *bytes, size_t length)
{
    size_t magic_bytes = length < MAGIC_BYTES ? length : MAGIC_BYTES;

    if (magic_bytes > 0 && memcmp(bytes, frame_preface, magic_bytes) != 0) {
        return PERMIT_E_PROTOCOL;
    }
    if (length < FRAME_PREFACE_BYTES) {
        return 0;
    }
    if (bytes[MAGIC_BYTES] != FRAME_VERSION) {
        return PERMIT_E_VERSION;
    }
    return FRAME_PREFACE_BYTES;
}

int64_t frame_parse(const uint8_t *bytes, size_t length,
                    uint32_t message_bytes_max, struct frame *ret_frame)
{
    uint32_t message_bytes;

    if (length < FRAME_HEADER_BYTES) {
        return 0;
    }
    message_bytes = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                    (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
    if (message_bytes > message_bytes_max) {
        return PERMIT_E_PROTOCOL;
    }
    if (length - FRAME_HEADER_BYTES < message_bytes) {
        return 0;
    }
    ret_frame->message = bytes + FRAME_HEADER_BYTES;
    ret_frame->message_bytes = message_bytes;
    return (int64_t)message_bytes + FRAME_HEADER_BYTES;
}

void frame_write_header(uint8_t header[FRAME_HEADER_BYTES],
                        uint32_t message_bytes)
{
    assert(message_bytes <= FRAME_BYTES_MAX);
    header[0] = (uint8_t)(message_bytes >> 24);
    header[1] = (uint8_t)(message_bytes >> 16);
    header[2] = (uint8_t)(message_bytes >> 8);
    header[3] = (uint8_t)message_bytes;
}
