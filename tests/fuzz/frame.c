/* SPDX-License-Identifier: MIT */

/* A stream of bytes as a connection would read it: preface, frames, and the
 * messages in them. */

#include "frame.h"

#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "permit/error.h"
#include "wire.h"

static _Alignas(16) uint8_t memory[WIRE_ARENA_BYTES];

/* Reading less never says more: all prefixes of a frame wait for the rest, and
 * a frame is told broken from its header alone. */
static void check_prefixes(const uint8_t *bytes, int64_t frame_bytes,
                           uint32_t message_bytes_max)
{
    struct frame frame;

    for (int64_t length = 0; length < frame_bytes; length += 1 + length / 8) {
        assert(frame_parse(bytes, (size_t)length, message_bytes_max, &frame) ==
               0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_arena arena = {.bytes = memory, .capacity = sizeof(memory)};
    uint32_t message_bytes_max = FRAME_BYTES_MAX_BEFORE_WELCOME;
    size_t at;
    int preface = frame_read_preface(data, size);

    assert(preface == FRAME_PREFACE_BYTES || preface == 0 ||
           preface == PERMIT_E_VERSION || preface == PERMIT_E_PROTOCOL);
    for (size_t length = 0; length < size && length < FRAME_PREFACE_BYTES;
         length++) {
        int early = frame_read_preface(data, length);

        assert(early == 0 || early == preface);
    }
    if (preface <= 0) {
        return 0;
    }
    at = FRAME_PREFACE_BYTES;
    for (;;) {
        struct wire_client_message message;
        struct frame frame;
        int64_t frame_bytes =
            frame_parse(data + at, size - at, message_bytes_max, &frame);

        if (frame_bytes <= 0) {
            assert(frame_bytes == 0 || frame_bytes == PERMIT_E_PROTOCOL);
            return 0;
        }
        assert(frame.message == data + at + FRAME_HEADER_BYTES);
        assert(frame.message_bytes <= message_bytes_max);
        assert((size_t)frame_bytes <= size - at);
        assert(frame_bytes ==
               FRAME_HEADER_BYTES + (int64_t)frame.message_bytes);
        check_prefixes(data + at, frame_bytes, message_bytes_max);
        (void)wire_decode_client(frame.message, frame.message_bytes, &arena,
                                 &message);
        at += (size_t)frame_bytes;
        message_bytes_max = FRAME_BYTES_MAX;
    }
}
