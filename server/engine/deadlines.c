/* SPDX-License-Identifier: MIT */
#include "deadlines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine_limits.h"

bool deadlines_init(struct deadlines *deadlines, uint32_t capacity)
{
    memset(deadlines, 0, sizeof(*deadlines));
    deadlines->heap = calloc((size_t)capacity + 1, sizeof(struct deadline *));
    deadlines->capacity = capacity;
    return deadlines->heap != NULL;
}

void deadlines_deinit(struct deadlines *deadlines)
{
    free(deadlines->heap);
    memset(deadlines, 0, sizeof(*deadlines));
}

static bool is_before(const struct deadline *a, const struct deadline *b)
{
    if (a->time_ns != b->time_ns) {
        return a->time_ns < b->time_ns;
    }
    if (a->class != b->class) {
        return a->class < b->class;
    }
    return a->sequence < b->sequence;
}

static void put(struct deadlines *deadlines, struct deadline *deadline,
                uint32_t position)
{
    deadlines->heap[position] = deadline;
    deadline->position = position;
}

/* Moves a deadline up, then down, to where it belongs. */
static void sift(struct deadlines *deadlines, struct deadline *deadline)
{
    uint32_t position = deadline->position;
    uint32_t child;

    assert(position >= 1 && position <= deadlines->count);
    while (position > 1 && is_before(deadline, deadlines->heap[position / 2])) {
        put(deadlines, deadlines->heap[position / 2], position);
        position /= 2;
    }
    while ((child = position * 2) <= deadlines->count) {
        if (child < deadlines->count &&
            is_before(deadlines->heap[child + 1], deadlines->heap[child])) {
            child++;
        }
        if (!is_before(deadlines->heap[child], deadline)) {
            break;
        }
        put(deadlines, deadlines->heap[child], position);
        position = child;
    }
    put(deadlines, deadline, position);
}

static void set(struct deadlines *deadlines, struct deadline *deadline,
                enum deadline_class class, uint64_t sequence, uint64_t time_ns)
{
    if (time_ns == TIME_NEVER) {
        deadlines_clear(deadlines, deadline);
        return;
    }
    deadline->class = (uint8_t) class;
    deadline->sequence = sequence;
    if (deadline->position == 0) {
        assert(deadlines->count < deadlines->capacity);
        put(deadlines, deadline, ++deadlines->count);
    }
    deadline->time_ns = time_ns;
    sift(deadlines, deadline);
}

void deadlines_set(struct deadlines *deadlines, struct deadline *deadline,
                   enum deadline_class class, uint64_t time_ns)
{
    set(deadlines, deadline, class, ++deadlines->sequence, time_ns);
}

void deadlines_set_numbered(struct deadlines *deadlines,
                            struct deadline *deadline, uint64_t number,
                            uint64_t time_ns)
{
    set(deadlines, deadline, DEADLINE_TOKENS, number, time_ns);
}

void deadlines_move(struct deadlines *deadlines, struct deadline *deadline,
                    uint64_t time_ns)
{
    assert(deadline->position != 0);
    if (time_ns == TIME_NEVER) {
        deadlines_clear(deadlines, deadline);
        return;
    }
    deadline->time_ns = time_ns;
    sift(deadlines, deadline);
}

void deadlines_clear(struct deadlines *deadlines, struct deadline *deadline)
{
    struct deadline *last;

    if (deadline->position == 0) {
        return;
    }
    assert(deadlines->heap[deadline->position] == deadline);
    last = deadlines->heap[deadlines->count--];
    if (last != deadline) {
        put(deadlines, last, deadline->position);
        sift(deadlines, last);
    }
    deadline->position = 0;
}

void deadlines_shift(struct deadlines *deadlines, uint64_t delay_ns)
{
    for (uint32_t i = 1; i <= deadlines->count; i++) {
        /* All move alike, so their order stays. */
        assert(deadlines->heap[i]->time_ns < TIME_NEVER - delay_ns);
        deadlines->heap[i]->time_ns += delay_ns;
    }
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count == 0 ? NULL : deadlines->heap[1];
}

void deadlines_check(const struct deadlines *deadlines)
{
    assert(deadlines->count <= deadlines->capacity);
    for (uint32_t i = 1; i <= deadlines->count; i++) {
        assert(deadlines->heap[i]->position == i);
        assert(i == 1 ||
               !is_before(deadlines->heap[i], deadlines->heap[i / 2]));
    }
}

uint64_t deadline_after_ms(uint64_t time_ns, int64_t delay_ms)
{
    uint64_t delay_ns;

    assert(delay_ms >= 0);
    if (__builtin_mul_overflow((uint64_t)delay_ms, NS_PER_MS, &delay_ns) ||
        __builtin_add_overflow(time_ns, delay_ns, &time_ns)) {
        return TIME_NEVER;
    }
    return time_ns;
}
