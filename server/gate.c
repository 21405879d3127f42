/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What waits is a queue over one array: from `head` on, up to `tail`. When
 * there is no room behind, it moves to the front if it fills at most half of
 * the array, else the array doubles: so adding costs O(1) on average, and the
 * bytes of frames that follow each other lie side by side. */
struct queue {
    uint8_t *bytes;
    size_t head;
    size_t tail;
    size_t capacity;
};

#define QUEUE_BYTES_MIN 4096
#define GONE_BYTES_MAX 65536 /* As long as that is less than half. */

/* One frame; its bytes lie in `frames` in the same order. */
struct entry {
    uint64_t connection_id;
    uint64_t seq; /* The newest record when it was made. */
    uint32_t length;
    bool is_answer;
    bool passes;
    bool is_marked;
    bool is_gone; /* It has left, or nobody wants it any more. */
};

struct gate {
    struct store *store;
    struct queue records; /* Of struct engine_record: the next batch. */
    struct queue entries; /* Of struct entry. */
    struct queue frames;  /* Bytes. */
    uint64_t newest_seq;
    /* While the store is late, how far was looked for frames that pass; offsets
     * from the queues' heads. */
    size_t looked_entries;
    size_t looked_frames;
    size_t gone_bytes; /* Of frames that are gone but still in the queue. */
    bool has_failed;
};

/* Makes room for `size` more bytes and returns them, or NULL. */
static void *queue_add(struct queue *queue, size_t size)
{
    size_t length = queue->tail - queue->head;
    void *room;

    if (queue->capacity - queue->tail < size) {
        if (length + size > queue->capacity / 2) {
            size_t capacity = 2 * queue->capacity + QUEUE_BYTES_MIN;
            uint8_t *bytes;

            while (capacity / 2 < length + size) {
                capacity *= 2;
            }
            bytes = realloc(queue->bytes, capacity);
            if (bytes == NULL) {
                return NULL;
            }
            queue->bytes = bytes;
            queue->capacity = capacity;
        }
        memmove(queue->bytes, queue->bytes + queue->head, length);
        queue->head = 0;
        queue->tail = length;
    }
    room = queue->bytes + queue->tail;
    queue->tail += size;
    return room;
}

static void queue_remove(struct queue *queue, size_t size)
{
    assert(size <= queue->tail - queue->head);
    queue->head += size;
    if (queue->head == queue->tail) {
        queue->head = 0;
        queue->tail = 0;
    }
}

static size_t entries_count(const struct gate *gate)
{
    return (gate->entries.tail - gate->entries.head) / sizeof(struct entry);
}

static struct entry *entry_at(const struct gate *gate, size_t index)
{
    return (struct entry *)(void *)(gate->entries.bytes + gate->entries.head) +
           index;
}

/* ----------------------------------------------------------- create, destroy
 */

struct gate *gate_create(struct store *store)
{
    struct gate *gate = calloc(1, sizeof(*gate));

    if (gate == NULL) {
        return NULL;
    }
    gate->store = store;
    gate->newest_seq = store->durable_seq(store);
    return gate;
}

void gate_destroy(struct gate *gate)
{
    if (gate == NULL) {
        return;
    }
    free(gate->records.bytes);
    free(gate->entries.bytes);
    free(gate->frames.bytes);
    free(gate);
}

/* ----------------------------------------------------------------------- in
 */

enum permit_status gate_record(struct gate *gate,
                               const struct engine_record *record)
{
    struct engine_record *copy = queue_add(&gate->records, sizeof(*copy));

    if (copy == NULL) {
        return PERMIT_E_NOMEM;
    }
    assert(record->seq > gate->newest_seq);
    *copy = *record;
    gate->newest_seq = record->seq;
    return PERMIT_OK;
}

/* Closes the holes that frames left which passed others or were forgotten: a
 * store that is late for long must not make them grow. */
static void drop_gone(struct gate *gate)
{
    size_t count = entries_count(gate);
    uint8_t *bytes = gate->frames.bytes + gate->frames.head;
    size_t from = 0;
    size_t to = 0;
    size_t kept = 0;
    size_t looked_entries = 0;
    size_t looked_frames = 0;

    for (size_t i = 0; i < count; i++) {
        struct entry entry = *entry_at(gate, i);

        if (!entry.is_gone) {
            memmove(bytes + to, bytes + from, entry.length);
            *entry_at(gate, kept) = entry;
            kept++;
            to += entry.length;
            if (i < gate->looked_entries) {
                looked_entries = kept;
                looked_frames = to;
            }
        }
        from += entry.length;
    }
    gate->entries.tail = gate->entries.head + kept * sizeof(struct entry);
    gate->frames.tail = gate->frames.head + to;
    gate->looked_entries = looked_entries;
    gate->looked_frames = looked_frames;
    gate->gone_bytes = 0;
}

enum permit_status gate_frame(struct gate *gate, uint64_t connection_id,
                              const uint8_t *bytes, size_t length,
                              bool is_answer, bool passes)
{
    struct entry *entry;
    uint8_t *copy;

    assert(length >= 1 && length <= UINT32_MAX);
    if (gate->gone_bytes > GONE_BYTES_MAX &&
        gate->gone_bytes > (gate->frames.tail - gate->frames.head) / 2) {
        drop_gone(gate);
    }
    copy = queue_add(&gate->frames, length);
    if (copy == NULL) {
        return PERMIT_E_NOMEM;
    }
    entry = queue_add(&gate->entries, sizeof(*entry));
    if (entry == NULL) {
        gate->frames.tail -= length;
        return PERMIT_E_NOMEM;
    }
    memcpy(copy, bytes, length);
    *entry = (struct entry){.connection_id = connection_id,
                            .seq = gate->newest_seq,
                            .length = (uint32_t)length,
                            .is_answer = is_answer,
                            .passes = passes};
    return PERMIT_OK;
}

void gate_mark(struct gate *gate)
{
    struct entry *newest = entry_at(gate, entries_count(gate) - 1);

    assert(!newest->passes && !newest->is_gone);
    newest->is_marked = true;
}

enum permit_status gate_flush(struct gate *gate)
{
    size_t count = (gate->records.tail - gate->records.head) /
                   sizeof(struct engine_record);
    const struct engine_record *records;

    if (gate->has_failed) {
        return PERMIT_E_UNAVAILABLE;
    }
    if (count == 0 || gate->store->is_busy(gate->store)) {
        return PERMIT_OK;
    }
    records = (const void *)(gate->records.bytes + gate->records.head);
    if (gate->store->put(gate->store, records, count) != PERMIT_OK) {
        gate->has_failed = true;
        return PERMIT_E_UNAVAILABLE;
    }
    queue_remove(&gate->records, count * sizeof(struct engine_record));
    return PERMIT_OK;
}

/* ---------------------------------------------------------------------- out
 */

/* Drops the oldest entry and its bytes, and what was looked at with it. */
static void pop_entry(struct gate *gate)
{
    uint32_t length = entry_at(gate, 0)->length;

    if (entry_at(gate, 0)->is_gone) {
        gate->gone_bytes -= length;
    }
    queue_remove(&gate->entries, sizeof(struct entry));
    queue_remove(&gate->frames, length);
    if (gate->looked_entries > 0) {
        gate->looked_entries--;
        gate->looked_frames -= length;
    }
}

/* Takes the oldest frames of one connection that follow each other and are
 * durable. They are gone from the queues, but not overwritten before more is
 * added. */
static bool next_durable(struct gate *gate, struct gate_chunk *ret_chunk)
{
    uint64_t durable_seq = gate->store->durable_seq(gate->store);
    struct gate_chunk chunk = {0};

    while (entries_count(gate) > 0) {
        const struct entry *entry = entry_at(gate, 0);

        if (entry->is_gone && chunk.length == 0) {
            pop_entry(gate);
            continue;
        }
        if (entry->is_gone || entry->seq > durable_seq ||
            (chunk.length > 0 && entry->connection_id != chunk.connection_id)) {
            break;
        }
        if (chunk.length == 0) {
            chunk.connection_id = entry->connection_id;
            chunk.bytes = gate->frames.bytes + gate->frames.head;
        }
        chunk.length += entry->length;
        chunk.answers += entry->is_answer ? 1 : 0;
        chunk.marked += entry->is_marked ? 1 : 0;
        pop_entry(gate);
    }
    if (chunk.length == 0) {
        return false;
    }
    *ret_chunk = chunk;
    return true;
}

/* Takes the next frame that may pass those that are not durable. */
static bool next_passing(struct gate *gate, struct gate_chunk *ret_chunk)
{
    while (gate->looked_entries < entries_count(gate)) {
        struct entry *entry = entry_at(gate, gate->looked_entries);
        size_t offset = gate->frames.head + gate->looked_frames;

        gate->looked_entries++;
        gate->looked_frames += entry->length;
        if (entry->passes && !entry->is_gone) {
            entry->is_gone = true;
            gate->gone_bytes += entry->length;
            *ret_chunk =
                (struct gate_chunk){.connection_id = entry->connection_id,
                                    .bytes = gate->frames.bytes + offset,
                                    .length = entry->length,
                                    .answers = entry->is_answer ? 1 : 0};
            return true;
        }
    }
    return false;
}

bool gate_next(struct gate *gate, struct gate_chunk *ret_chunk)
{
    bool is_flushed = gate->records.head == gate->records.tail ||
                      gate->store->is_busy(gate->store) || gate->has_failed;

    return next_durable(gate, ret_chunk) ||
           (is_flushed && next_passing(gate, ret_chunk));
}

bool gate_holds(const struct gate *gate, uint64_t connection_id)
{
    for (size_t i = 0; i < entries_count(gate); i++) {
        const struct entry *entry = entry_at(gate, i);

        if (entry->connection_id == connection_id && !entry->is_gone) {
            return true;
        }
    }
    return false;
}

void gate_forget(struct gate *gate, uint64_t connection_id)
{
    for (size_t i = 0; i < entries_count(gate); i++) {
        struct entry *entry = entry_at(gate, i);

        if (entry->connection_id == connection_id && !entry->is_gone) {
            entry->is_gone = true;
            gate->gone_bytes += entry->length;
        }
    }
}
