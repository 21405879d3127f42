/* SPDX-License-Identifier: MIT */

/* One message: the first byte of the input says whose, 'S' a server's. What is
 * decoded is written again and decoded again, and must not have changed. */

#include <assert.h>
#include <string.h>

#include "frame.h"
#include "fuzz.h"
#include "permit/error.h"
#include "wire.h"

static _Alignas(16) uint8_t memory[2][WIRE_ARENA_BYTES];
static uint8_t frames[2][FRAME_HEADER_BYTES + FRAME_BYTES_MAX];

static void check_text(const char *text)
{
    assert(text != NULL && strlen(text) <= WIRE_TEXT_BYTES_MAX);
}

static void check_name(const char *name)
{
    const char *detail;

    assert(wire_check_name(name, strlen(name), true, &detail) == PERMIT_OK);
}

static void check_parts(const struct wire_part *parts, uint32_t count)
{
    assert(count <= WIRE_PARTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        check_name(parts[i].semaphore);
        assert(parts[i].permits >= 1 && parts[i].permits <= WIRE_PERMITS_MAX);
        assert(parts[i].expect_permits <= WIRE_PERMITS_MAX);
    }
}

static void check_labels(const struct permit_label *labels, uint32_t count)
{
    assert(count <= WIRE_LABELS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert(labels[i].key[0] != '\0');
        check_text(labels[i].key);
        check_text(labels[i].value);
    }
}

/* What the rest of the daemon relies on. */
static void check_client_message(const struct wire_client_message *message)
{
    if (message->type == WIRE_HELLO) {
        check_text(message->hello.name);
        check_text(message->hello.host);
        check_text(message->hello.purpose);
        check_text(message->hello.client);
        assert(message->hello.linger_ms >= 0);
        assert(message->hello.token.length <= WIRE_TOKEN_BYTES_MAX);
    } else if (message->type == WIRE_RENEW) {
        assert(message->renew.hold_ms >= 0);
    } else if (message->type == WIRE_ACQUIRE) {
        assert(message->acquire.parts_count >= 1);
        check_parts(message->acquire.parts, message->acquire.parts_count);
        assert(message->acquire.wait_ms >= -1);
        assert(message->acquire.hold_ms >= 0);
        assert(message->acquire.priority <= WIRE_PRIORITY_MAX);
        check_labels(message->acquire.labels, message->acquire.labels_count);
    } else if (message->type == WIRE_RELEASE) {
        check_parts(message->release.parts, message->release.parts_count);
    } else if (message->type == WIRE_DEFINE) {
        check_name(message->define.semaphore);
        assert(message->define.permits <= WIRE_PERMITS_MAX);
        assert(message->define.max_queue <= UINT32_MAX);
        assert(message->define.max_wait_ms >= -1);
        assert(message->define.hold_ms >= 0);
    } else if (message->type == WIRE_LIST) {
        check_text(message->list.name);
    }
}

static void check_client(const uint8_t *data, size_t size)
{
    struct wire_arena arenas[2] = {
        {.bytes = memory[0], .capacity = WIRE_ARENA_BYTES},
        {.bytes = memory[1], .capacity = WIRE_ARENA_BYTES}};
    struct wire_client_message first;
    struct wire_client_message second;
    size_t length;

    if (size > FRAME_BYTES_MAX ||
        wire_decode_client(data, size, &arenas[0], &first) != PERMIT_OK) {
        return;
    }
    assert(arenas[0].used <= WIRE_ARENA_EXTRA_BYTES + WIRE_ARENA_FACTOR * size);
    assert((first.status == PERMIT_OK) == (first.detail[0] == '\0'));
    if (first.status != PERMIT_OK) {
        assert(first.status == PERMIT_E_INVALID);
        return;
    }
    check_client_message(&first);
    length = wire_encode_client(&first, frames[0], sizeof(frames[0]));
    assert(length > 0);
    assert(wire_decode_client(frames[0] + FRAME_HEADER_BYTES,
                              length - FRAME_HEADER_BYTES, &arenas[1],
                              &second) == PERMIT_OK);
    assert(second.status == PERMIT_OK && second.type == first.type);
    assert(wire_body_hash(&second) == wire_body_hash(&first));
    assert(wire_encode_client(&second, frames[1], sizeof(frames[1])) == length);
    assert(memcmp(frames[0], frames[1], length) == 0);
}

/* Has it more than a frame holds of a server that keeps to the limits? */
static bool is_too_much(const struct wire_server_message *message)
{
    const struct wire_live_grants *grants = message->type == WIRE_WELCOME
                                                ? &message->welcome.grants
                                                : &message->grants;
    const struct wire_page *page = &message->page;
    size_t parts = 0;

    if (message->type == WIRE_GRANTS || message->type == WIRE_WELCOME) {
        for (uint32_t i = 0; i < grants->count; i++) {
            parts += grants->rows[i].parts_count;
        }
        return grants->count > WIRE_GRANTS_PARTS_MAX ||
               parts > WIRE_GRANTS_PARTS_MAX;
    }
    if (message->type == WIRE_GRANTED) {
        return message->granted.parts_count > WIRE_PARTS_MAX;
    }
    for (uint32_t i = 0; message->type == WIRE_PAGE && i < page->count; i++) {
        parts = page->kind == WIRE_LIST_HOLDERS   ? page->holders[i].parts_count
                : page->kind == WIRE_LIST_WAITERS ? page->waiters[i].parts_count
                                                  : 0;
        if (i >= WIRE_PAGE_ROWS_MAX || parts > WIRE_PARTS_MAX) {
            return true;
        }
    }
    return false;
}

static void check_server(const uint8_t *data, size_t size)
{
    struct wire_arena arenas[2] = {
        {.bytes = memory[0], .capacity = WIRE_ARENA_BYTES},
        {.bytes = memory[1], .capacity = WIRE_ARENA_BYTES}};
    struct wire_server_message first;
    struct wire_server_message second;
    size_t length;

    if (size > FRAME_BYTES_MAX ||
        wire_decode_server(data, size, &arenas[0], &first) != PERMIT_OK ||
        first.type == WIRE_SERVER_UNKNOWN || is_too_much(&first)) {
        return;
    }
    length = wire_encode_server(&first, frames[0], sizeof(frames[0]));
    if (length == 0) {
        return; /* All fields of its rows in full: more than it was. */
    }
    assert(wire_decode_server(frames[0] + FRAME_HEADER_BYTES,
                              length - FRAME_HEADER_BYTES, &arenas[1],
                              &second) == PERMIT_OK);
    assert(second.type == first.type);
    assert(wire_encode_server(&second, frames[1], sizeof(frames[1])) == length);
    assert(memcmp(frames[0], frames[1], length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] == 'S') {
        check_server(data + 1, size - 1);
    } else {
        check_client(data + 1, size - 1);
    }
    return 0;
}
