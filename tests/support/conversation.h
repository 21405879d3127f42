/* SPDX-License-Identifier: MIT */
#ifndef CONVERSATION_H
#define CONVERSATION_H

/* Clients that talk with real sessions over a real engine and gate, on a fake
 * clock, without a socket. What they hear is a transcript, one line a frame:
 *
 *     c1 #2 granted
 *     c2 #7 refused would_block
 *
 * Law: a turn ends when the test says so, as the server's does. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "gate.h"
#include "late_store.h"
#include "session.h"
#include "wire.h"

#define CLIENTS_MAX 8
#define TRANSCRIPT_BYTES (1 << 20)

struct conversation {
    struct engine_limits engine_limits;
    struct session_limits limits;
    struct engine *engine;
    struct store *store;
    struct late_store *late; /* NULL: the store is memory. */
    struct gate *gate;
    struct sessions *sessions;
    struct session *clients[CLIENTS_MAX + 1]; /* From 1 on; by connection. */
    uint8_t arena[WIRE_ARENA_BYTES];
    uint64_t now_ns;
    uint32_t answers[CLIENTS_MAX + 1];     /* Final answers heard. */
    uint64_t last_id[CLIENTS_MAX + 1];     /* Of the latest answer heard. */
    uint64_t session_ids[CLIENTS_MAX + 1]; /* As Welcome said. */
    bool ids_rise;                         /* So far, for every client. */
    bool is_plugged[CLIENTS_MAX + 1];
    size_t length;
    char transcript[TRANSCRIPT_BYTES];
};

/* Makes it, over the memory store or one that is late. Returns NULL without
 * memory. limits may be NULL. */
struct conversation *conversation_create(bool is_late,
                                         const struct session_limits *limits);

/* Ends every client first; checks that nothing is left. */
void conversation_destroy(struct conversation *conversation);

/* Connects client `number`; says nothing. Returns false without memory. */
bool conversation_connect(struct conversation *conversation, int number);

/* Connects it and says preface and Hello, with id 1. Hears nothing yet. */
bool conversation_hello(struct conversation *conversation, int number);

/* The same, with that linger and with keys: to go on with the session of
 * another client, or to end it; 0 is nobody. */
bool conversation_return(struct conversation *conversation, int number,
                         int64_t linger_ms, int resumed, int ended);

/* The secret of every session. */
extern const uint8_t conversation_secret[WIRE_SECRET_BYTES];

/* Connects it and says preface and this Hello, with id 1. */
bool conversation_greet(struct conversation *conversation, int number,
                        const struct wire_hello *hello);

/* Says bytes; returns how many were used. */
size_t conversation_say_bytes(struct conversation *conversation, int number,
                              const uint8_t *bytes, size_t length);

/* Says one message, which must be used whole. */
void conversation_say(struct conversation *conversation, int number,
                      const struct wire_client_message *message);

/* The requests that tests say most. permits 0: everything, where that may be.
 */
void say_define(struct conversation *conversation, int number, uint64_t id,
                const char *semaphore, uint32_t permits);
void say_acquire(struct conversation *conversation, int number, uint64_t id,
                 const char *semaphore, uint32_t permits, int64_t wait_ms);
void say_release(struct conversation *conversation, int number, uint64_t id,
                 uint64_t acquire_id);

/* Ends the turn: what may leave is heard. */
void conversation_turn(struct conversation *conversation);

/* Lets time pass to ms, and ends the turn. */
void conversation_advance(struct conversation *conversation, uint64_t ms);

/* Nothing is heard any more: what leaves the gate stays in the connection's
 * buffer, behind what the kernel has. */
void conversation_plug(struct conversation *conversation, int number);

/* The connection is gone, and what it had not written with it. */
void conversation_cut(struct conversation *conversation, int number,
                      enum session_disconnect how);

/* The connection is gone. */
void conversation_end(struct conversation *conversation, int number,
                      enum session_disconnect how);

/* Ends the turn; the transcript since the last call must be this. */
void conversation_expect(struct conversation *conversation,
                         const char *expected);

/* Encodes a message after `length` bytes; returns the new length. */
size_t append_message(uint8_t *bytes, size_t length, size_t capacity,
                      const struct wire_client_message *message);

#endif
