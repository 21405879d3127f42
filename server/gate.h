/* SPDX-License-Identifier: MIT */
#ifndef GATE_H
#define GATE_H

/* The gate between what was decided and what is told: records go to the store
 * as one batch a turn, and answers wait here until it is durable.
 *
 * It knows frames as bytes with a connection's number, and records; neither
 * sockets nor sessions.
 *
 * Law: no frame leaves before the newest record at the time it was made is
 * durable, and frames to one connection leave in order; only a frame that is
 * marked `passes` (Ping, INVALID, DENIED, UNSUPPORTED, UNAVAILABLE, Goaway)
 * may overtake those that wait. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "store/store.h"

struct gate;

/* Bytes that may leave now: whole frames to one connection. */
struct gate_chunk {
    uint64_t connection_id;
    const uint8_t *bytes; /* Until the next call of the gate. */
    size_t length;
    uint32_t answers; /* Final answers among them. */
    uint32_t marked;  /* Those that gate_mark() marked. */
};

/* The store is borrowed. Returns NULL without memory. */
struct gate *gate_create(struct store *store);

/* Accepts NULL. */
void gate_destroy(struct gate *gate);

/* Adds a copy of a record to the batch of this turn. Returns PERMIT_OK, or
 * PERMIT_E_NOMEM: the caller must stop the daemon, for the record is lost. */
enum permit_status gate_record(struct gate *gate,
                               const struct engine_record *record);

/* Adds a copy of a frame to connection_id; is_answer says that it is the final
 * answer of a request. Returns PERMIT_OK, or PERMIT_E_NOMEM: the caller must
 * close that connection. */
enum permit_status gate_frame(struct gate *gate, uint64_t connection_id,
                              const uint8_t *bytes, size_t length,
                              bool is_answer, bool passes);

/* Marks the newest frame, which must not pass others, so that the chunk with
 * which it leaves tells of it. */
void gate_mark(struct gate *gate);

/* Ends a turn: hands the records so far to the store, if it is not busy.
 * Returns PERMIT_OK, or PERMIT_E_UNAVAILABLE when the store has failed. Call it
 * too when the store became durable. */
enum permit_status gate_flush(struct gate *gate);

/* Takes the next chunk that may leave. Returns false when there is none. */
bool gate_next(struct gate *gate, struct gate_chunk *ret_chunk);

/* Does anything still wait for connection_id? O(what waits). */
bool gate_holds(const struct gate *gate, uint64_t connection_id);

/* Forgets the frames of a connection that is gone. O(what waits). */
void gate_forget(struct gate *gate, uint64_t connection_id);

#endif
