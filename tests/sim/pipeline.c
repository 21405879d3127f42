/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "late_store.h"

#define FRAME_BYTES_MAX 600

/* A frame begins with this; the rest of its bytes follows from its number. */
struct head {
    uint64_t number; /* Of the frame, in the order in which they were made. */
    uint64_t length;
};

struct frame {
    uint64_t connection_id;
    uint64_t needed_seq; /* The newest record when it was made. */
    bool is_answer;
    bool passes;
    bool is_marked;
    bool is_gone; /* It left, or its connection was forgotten. */
};

struct pipeline {
    struct random random;
    struct late_store *late;
    struct gate *gate;
    struct frame *frames;
    size_t frames_count;
    size_t frames_size;
    size_t first_waiting; /* All before it are gone. */
    uint64_t seq;         /* Of the newest record. */
    uint32_t fail_in;     /* Steps until the store fails; 0: never. */
    uint32_t late_percent;
    uint32_t turn_percent;
    bool has_failed;
    uint64_t latest_connection_id;
    const char *broken;
};

struct pipeline *pipeline_create(uint64_t seed)
{
    struct pipeline *pipeline = calloc(1, sizeof(*pipeline));

    if (pipeline == NULL) {
        return NULL;
    }
    pipeline->random.state = random_mix(seed) + 1;
    pipeline->late_percent = random_between(&pipeline->random, 1, 100);
    pipeline->turn_percent = random_between(&pipeline->random, 20, 100);
    if (random_chance(&pipeline->random, 10)) {
        pipeline->fail_in = random_between(&pipeline->random, 1, 2000);
    }
    pipeline->late = late_store_create();
    if (pipeline->late != NULL) {
        pipeline->gate = gate_create(late_store_as_store(pipeline->late));
    }
    if (pipeline->gate == NULL) {
        pipeline_destroy(pipeline);
        return NULL;
    }
    return pipeline;
}

void pipeline_destroy(struct pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    gate_destroy(pipeline->gate);
    late_store_destroy(pipeline->late);
    free(pipeline->frames);
    free(pipeline);
}

static void demand(struct pipeline *pipeline, bool holds, const char *law)
{
    if (!holds && pipeline->broken == NULL) {
        pipeline->broken = law;
    }
}

/* ------------------------------------------------------------------ going in
 */

static uint8_t byte_of(uint64_t number, size_t i)
{
    return (uint8_t)(number * 31 + i * 7);
}

static void send(struct pipeline *pipeline, uint64_t connection_id,
                 bool is_answer, bool passes)
{
    uint8_t bytes[FRAME_BYTES_MAX];
    struct head head = {pipeline->frames_count,
                        random_between(&pipeline->random, sizeof(head), 60)};
    enum permit_status status;

    if (random_chance(&pipeline->random, 2)) {
        head.length = FRAME_BYTES_MAX;
    }
    if (pipeline->frames_count == pipeline->frames_size) {
        size_t size = 2 * pipeline->frames_size + 1024;
        struct frame *grown = realloc(pipeline->frames, size * sizeof(*grown));

        if (grown == NULL) {
            abort(); /* A test has nothing better to do. */
        }
        pipeline->frames = grown;
        pipeline->frames_size = size;
    }
    for (size_t i = sizeof(head); i < head.length; i++) {
        bytes[i] = byte_of(head.number, i);
    }
    memcpy(bytes, &head, sizeof(head));
    pipeline->frames[pipeline->frames_count++] = (struct frame){
        .connection_id = connection_id,
        .needed_seq = pipeline->seq,
        .is_answer = is_answer,
        .passes = passes,
        .is_marked = !passes && random_chance(&pipeline->random, 20)};
    status = gate_frame(pipeline->gate, connection_id, bytes, head.length,
                        is_answer, passes);
    demand(pipeline, status == PERMIT_OK, "the gate takes frames");
    if (pipeline->frames[head.number].is_marked) {
        gate_mark(pipeline->gate);
    }
    pipeline->latest_connection_id = connection_id;
}

void pipeline_effect(struct pipeline *pipeline,
                     const struct engine_effect *effect)
{
    if (effect->type == ENGINE_EFFECT_RECORD) {
        demand(pipeline,
               gate_record(pipeline->gate, effect->record) == PERMIT_OK,
               "the gate takes records");
        pipeline->seq = effect->record->seq;
    } else if (effect->session_id != 0) {
        send(pipeline, effect->session_id, effect->type == ENGINE_EFFECT_ANSWER,
             /* passes= */ false);
    }
}

/* --------------------------------------------------------------- coming out */

/* The first frame that waits to that connection and passes, or does not. */
static struct frame *first_of(struct pipeline *pipeline, uint64_t connection_id,
                              bool passes)
{
    for (size_t i = pipeline->first_waiting; i < pipeline->frames_count; i++) {
        struct frame *frame = &pipeline->frames[i];

        if (!frame->is_gone && frame->connection_id == connection_id &&
            frame->passes == passes) {
            return frame;
        }
    }
    return NULL;
}

static void leave(struct pipeline *pipeline, const struct gate_chunk *chunk,
                  const uint8_t *bytes, const struct head *head)
{
    struct store *store = late_store_as_store(pipeline->late);
    struct frame *frame;

    demand(pipeline, head->number < pipeline->frames_count,
           "a frame that leaves was made");
    if (pipeline->broken != NULL) {
        return;
    }
    frame = &pipeline->frames[head->number];
    demand(pipeline, !frame->is_gone, "no frame leaves twice");
    demand(pipeline, frame->connection_id == chunk->connection_id,
           "a frame leaves to its own connection");
    demand(pipeline,
           frame->passes || frame->needed_seq <= store->durable_seq(store),
           "no frame leaves before its record is durable");
    demand(pipeline,
           frame == first_of(pipeline, chunk->connection_id, frame->passes),
           "frames leave in order");
    for (size_t i = sizeof(*head); i < head->length; i++) {
        demand(pipeline, bytes[i] == byte_of(head->number, i),
               "a frame leaves as it was made");
    }
    frame->is_gone = true;
}

static void take_chunk(struct pipeline *pipeline,
                       const struct gate_chunk *chunk)
{
    uint32_t answers = 0;
    uint32_t marked = 0;
    size_t at = 0;

    while (pipeline->broken == NULL && at < chunk->length) {
        struct head head;

        demand(pipeline, chunk->length - at >= sizeof(head),
               "whole frames leave");
        if (pipeline->broken != NULL) {
            return;
        }
        memcpy(&head, chunk->bytes + at, sizeof(head));
        demand(pipeline,
               head.length >= sizeof(head) && head.length <= chunk->length - at,
               "whole frames leave");
        if (pipeline->broken == NULL) {
            leave(pipeline, chunk, chunk->bytes + at, &head);
        }
        if (pipeline->broken == NULL) {
            answers += pipeline->frames[head.number].is_answer;
            marked += pipeline->frames[head.number].is_marked;
            at += head.length;
        }
    }
    demand(pipeline, chunk->length > 0, "a chunk is not empty");
    demand(pipeline, chunk->answers == answers, "answers are counted");
    demand(pipeline, chunk->marked == marked, "marked frames are counted");
}

/* Takes all that may leave. */
static void drain(struct pipeline *pipeline)
{
    struct gate_chunk chunk;

    while (pipeline->broken == NULL && gate_next(pipeline->gate, &chunk)) {
        take_chunk(pipeline, &chunk);
    }
    while (pipeline->first_waiting < pipeline->frames_count &&
           pipeline->frames[pipeline->first_waiting].is_gone) {
        pipeline->first_waiting++;
    }
}

/* Ends a turn. What could leave has left then. */
static void end_turn(struct pipeline *pipeline)
{
    struct store *store = late_store_as_store(pipeline->late);
    enum permit_status status = gate_flush(pipeline->gate);

    demand(pipeline, status == PERMIT_OK || pipeline->has_failed,
           "the store has not failed");
    drain(pipeline);
    for (size_t i = pipeline->first_waiting; i < pipeline->frames_count; i++) {
        const struct frame *frame = &pipeline->frames[i];

        demand(pipeline,
               frame->is_gone ||
                   (!frame->passes &&
                    frame->needed_seq > store->durable_seq(store)),
               "what may leave does not wait");
    }
    demand(pipeline,
           pipeline->has_failed || store->is_busy(store) ||
               pipeline->seq == store->durable_seq(store),
           "what is not durable is under way");
}

static void hang_up(struct pipeline *pipeline)
{
    uint64_t connection_id = pipeline->latest_connection_id;
    bool waits = first_of(pipeline, connection_id, false) != NULL ||
                 first_of(pipeline, connection_id, true) != NULL;

    demand(pipeline, gate_holds(pipeline->gate, connection_id) == waits,
           "the gate knows for whom it holds something");
    if (random_chance(&pipeline->random, 80)) {
        return;
    }
    gate_forget(pipeline->gate, connection_id);
    for (size_t i = pipeline->first_waiting; i < pipeline->frames_count; i++) {
        if (pipeline->frames[i].connection_id == connection_id) {
            pipeline->frames[i].is_gone = true;
        }
    }
    demand(pipeline, !gate_holds(pipeline->gate, connection_id),
           "the gate holds nothing for whom it forgot");
}

static void check_store(struct pipeline *pipeline)
{
    const char *violation = late_store_violation(pipeline->late);

    if (violation != NULL) {
        demand(pipeline, false, violation);
    }
}

const char *pipeline_step(struct pipeline *pipeline)
{
    struct random *random = &pipeline->random;
    struct store *store = late_store_as_store(pipeline->late);

    if (pipeline->fail_in > 0 && --pipeline->fail_in == 0) {
        late_store_fail(pipeline->late);
        pipeline->has_failed = true;
    }
    if (random_chance(random, 5) && pipeline->latest_connection_id != 0) {
        send(pipeline, pipeline->latest_connection_id,
             random_chance(random, 50), /* passes= */ true);
    }
    if (random_chance(random, pipeline->turn_percent)) {
        end_turn(pipeline);
    }
    if (random_chance(random, pipeline->late_percent)) {
        late_store_finish(pipeline->late);
        drain(pipeline);
        end_turn(pipeline);
    } else if (random_chance(random, 10)) {
        late_store_advance(pipeline->late,
                           store->durable_seq(store) + random_below(random, 4));
        drain(pipeline);
    }
    if (random_chance(random, 5) && pipeline->latest_connection_id != 0) {
        hang_up(pipeline);
    }
    check_store(pipeline);
    return pipeline->broken;
}

const char *pipeline_finish(struct pipeline *pipeline)
{
    for (int i = 0; i < 3; i++) { /* Under way, the batch, and what is left. */
        end_turn(pipeline);
        late_store_finish(pipeline->late);
    }
    end_turn(pipeline);
    demand(pipeline,
           pipeline->has_failed ||
               pipeline->first_waiting == pipeline->frames_count,
           "no frame is lost");
    check_store(pipeline);
    return pipeline->broken;
}

const struct engine_record *pipeline_records(const struct pipeline *pipeline,
                                             size_t *ret_count,
                                             bool *ret_complete)
{
    const struct engine_record *records =
        late_store_records(pipeline->late, ret_count);

    *ret_complete = *ret_count == pipeline->seq;
    return records;
}
