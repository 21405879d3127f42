/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "wire.h"

/* ------------------------------------------------------------------ permitd
 *
 * The two hot frames are written here, in the bytes of proto/permit.proto, for
 * the generator must cost less than the server that it measures. Request ids
 * are varints padded to four bytes, which every decoder takes. */

#define ID_BYTES 4
#define ID_MAX ((1u << 28) - 1)

#define TAG_ID 0x08
#define TAG_ANSWERED_BELOW 0x10
#define TAG_ACQUIRE 0x1a
#define TAG_RELEASE 0x22
#define TAG_PARTS 0x0a
#define TAG_SEMAPHORE 0x0a
#define TAG_PERMITS 0x10
#define TAG_ACQUIRE_ID 0x08
#define TAG_GRANTED 0x12
#define TAG_DONE 0x1a
#define TAG_WELCOME 0x42

static uint8_t *put_id(uint8_t *at, uint8_t tag, uint64_t id)
{
    assert(id <= ID_MAX);
    *at++ = tag;
    for (int i = 0; i < ID_BYTES; i++) {
        *at++ = (uint8_t)((id & 0x7f) | (i < ID_BYTES - 1 ? 0x80 : 0));
        id >>= 7;
    }
    return at;
}

static size_t permitd_setup(struct peer_state *state, uint8_t *bytes,
                            uint32_t *ret_answers)
{
    char name[16];
    struct wire_client_message hello = {.id = 1, .type = WIRE_HELLO};
    struct wire_client_message define = {.id = 2, .type = WIRE_DEFINE};
    size_t length = FRAME_PREFACE_BYTES;

    (void)snprintf(name, sizeof(name), "%03u", state->connection);
    hello.hello.name = "bench";
    hello.hello.host = hello.hello.purpose = hello.hello.client = "";
    define.define.semaphore = name;
    define.define.fields = WIRE_FIELD_PERMITS;
    define.define.permits = 1000000;
    memcpy(bytes, frame_preface, FRAME_PREFACE_BYTES);
    length += wire_encode_client(&hello, bytes + length,
                                 PEER_SETUP_BYTES_MAX - length);
    length += wire_encode_client(&define, bytes + length,
                                 PEER_SETUP_BYTES_MAX - length);
    state->request_id = 2;
    *ret_answers = 3; /* Its preface too. */
    return length;
}

static size_t permitd_acquire(struct peer_state *state, uint8_t *bytes,
                              bool is_first)
{
    uint8_t *at = bytes + FRAME_HEADER_BYTES;
    char name[16];

    state->request_id++;
    at = put_id(at, TAG_ID, state->request_id);
    if (is_first) {
        at = put_id(at, TAG_ANSWERED_BELOW, state->request_id);
    }
    (void)snprintf(name, sizeof(name), "%03u", state->connection % 1000);
    *at++ = TAG_ACQUIRE;
    *at++ = 9;
    *at++ = TAG_PARTS;
    *at++ = 7;
    *at++ = TAG_SEMAPHORE;
    *at++ = 3;
    memcpy(at, name, 3);
    at += 3;
    *at++ = TAG_PERMITS;
    *at++ = 1;
    frame_write_header(bytes, (uint32_t)(at - bytes) - FRAME_HEADER_BYTES);
    return (size_t)(at - bytes);
}

static size_t permitd_release(struct peer_state *state, uint8_t *bytes)
{
    uint8_t *at = bytes + FRAME_HEADER_BYTES;
    uint64_t acquire_id = state->request_id;

    state->request_id++;
    at = put_id(at, TAG_ID, state->request_id);
    *at++ = TAG_RELEASE;
    *at++ = 1 + ID_BYTES;
    at = put_id(at, TAG_ACQUIRE_ID, acquire_id);
    frame_write_header(bytes, (uint32_t)(at - bytes) - FRAME_HEADER_BYTES);
    return (size_t)(at - bytes);
}

/* Is the message Welcome, Granted or Done? Its id comes first. */
static bool is_expected(const struct frame *frame)
{
    uint32_t at = 1;
    uint8_t tag;

    while (at < frame->message_bytes && (frame->message[at] & 0x80) != 0) {
        at++;
    }
    at++;
    if (at >= frame->message_bytes) {
        return false;
    }
    tag = frame->message[at];
    return tag == TAG_GRANTED || tag == TAG_DONE || tag == TAG_WELCOME;
}

static int64_t permitd_count(const uint8_t *bytes, size_t length,
                             size_t *ret_used)
{
    struct frame frame;
    int64_t answers = 0;
    int64_t used;
    size_t at = 0;

    if (length >= FRAME_PREFACE_BYTES &&
        frame_read_preface(bytes, length) == FRAME_PREFACE_BYTES) {
        at = FRAME_PREFACE_BYTES;
        answers++;
    }
    while ((used = frame_parse(bytes + at, length - at, FRAME_BYTES_MAX,
                               &frame)) > 0) {
        if (!is_expected(&frame)) {
            return -1;
        }
        at += (size_t)used;
        answers++;
    }
    *ret_used = at;
    return used < 0 ? used : answers;
}

/* --------------------------------------------------------------------- echo
 *
 * It is sent permitd's own frames. */

static size_t echo_setup(struct peer_state *state, uint8_t *bytes,
                         uint32_t *ret_answers)
{
    (void)bytes;
    state->request_id = 2;
    *ret_answers = 0;
    return 0;
}

static int64_t echo_count(const uint8_t *bytes, size_t length, size_t *ret_used)
{
    (void)bytes;
    *ret_used = length;
    return (int64_t)length;
}

/* ----------------------------------------------------------- text protocols */

/* PoolCounter says LOCKED or RELEASED, Redis ":number", memcached STORED or a
 * number; their errors begin with '-' or "E". */
static int64_t text_count(const uint8_t *bytes, size_t length, size_t *ret_used)
{
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + length;
    const uint8_t *newline;
    int64_t lines = 0;

    while (at < end &&
           (newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (*at == '-' || *at == 'E') {
            return -1;
        }
        lines++;
        at = newline + 1;
    }
    *ret_used = (size_t)(at - bytes);
    return lines;
}

/* Writes format, in which every '#' stands for the connection's number in three
 * digits, and every '@' for the script. */
static size_t text(const struct peer_state *state, uint8_t *bytes,
                   const char *format)
{
    size_t length = 0;

    for (; *format != '\0'; format++) {
        char number[16];
        const char *piece = number;

        if (*format == '#') {
            (void)snprintf(number, sizeof(number), "%03u", state->connection);
        } else if (*format == '@') {
            piece = state->script;
        } else {
            number[0] = *format;
            number[1] = '\0';
        }
        memcpy(bytes + length, piece, strlen(piece));
        length += strlen(piece);
    }
    return length;
}

#define TEXT_PEER(peer, setup_text, acquire_text, release_text)                \
    static size_t peer##_setup(struct peer_state *state, uint8_t *bytes,       \
                               uint32_t *ret_answers)                          \
    {                                                                          \
        *ret_answers = (setup_text)[0] == '\0' ? 0 : 1;                        \
        return text(state, bytes, setup_text);                                 \
    }                                                                          \
    static size_t peer##_acquire(struct peer_state *state, uint8_t *bytes,     \
                                 bool is_first)                                \
    {                                                                          \
        (void)is_first;                                                        \
        return text(state, bytes, acquire_text);                               \
    }                                                                          \
    static size_t peer##_release(struct peer_state *state, uint8_t *bytes)     \
    {                                                                          \
        return text(state, bytes, release_text);                               \
    }

TEXT_PEER(poolcounter, "", "ACQ4ME k# 1000 1000 10\n", "RELEASE k#\n")
TEXT_PEER(memcached, "set k# 0 0 9\r\n100000000\r\n", "decr k# 1\r\n",
          "incr k# 1\r\n")
TEXT_PEER(redis, "*3\r\n$3\r\nSET\r\n$4\r\nk#\r\n$9\r\n100000000\r\n",
          "*2\r\n$4\r\nDECR\r\n$4\r\nk#\r\n",
          "*2\r\n$4\r\nINCR\r\n$4\r\nk#\r\n")
TEXT_PEER(redis_lua, "",
          "*5\r\n$7\r\nEVALSHA\r\n$40\r\n@\r\n$1\r\n1\r\n$4\r\ns#\r\n"
          "$6\r\nholder\r\n",
          "*3\r\n$4\r\nZREM\r\n$4\r\ns#\r\n$6\r\nholder\r\n")

static const struct peer peers[] = {
    {"permitd", permitd_setup, permitd_acquire, permitd_release, permitd_count,
     false},
    /* It is sent permitd's own frames. */
    {"echo", echo_setup, permitd_acquire, permitd_release, echo_count, true},
    {"poolcounter", poolcounter_setup, poolcounter_acquire, poolcounter_release,
     text_count, false},
    {"memcached", memcached_setup, memcached_acquire, memcached_release,
     text_count, false},
    {"redis", redis_setup, redis_acquire, redis_release, text_count, false},
    {"redis_lua", redis_lua_setup, redis_lua_acquire, redis_lua_release,
     text_count, false},
};

const struct peer *peer_find(const char *name)
{
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        if (strcmp(peers[i].name, name) == 0) {
            return &peers[i];
        }
    }
    return NULL;
}
