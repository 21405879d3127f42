/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_MIN 8

void answers_init(struct answers *answers, uint32_t kept_max,
                  uint64_t outcomes_max)
{
    *answers =
        (struct answers){.kept_max = kept_max, .outcomes_max = outcomes_max};
}

static struct answers_entry *at(const struct answers *answers, uint32_t index)
{
    assert(index < answers->count);
    return &answers->entries[(answers->head + index) & (answers->capacity - 1)];
}

static void drop_outcome(struct answers *answers, struct answers_entry *entry)
{
    if (entry->state == ANSWERS_KEPT && entry->answer.is_joined) {
        answers->outcomes_bytes -= entry->answer.outcome->length;
        outcome_drop(entry->answer.outcome);
    }
}

void answers_deinit(struct answers *answers)
{
    for (uint32_t i = 0; i < answers->count; i++) {
        drop_outcome(answers, at(answers, i));
    }
    free(answers->entries);
    answers->entries = NULL;
}

/* Returns the index of the first entry whose id is not less. */
static uint32_t lower_bound(const struct answers *answers, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = answers->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at(answers, middle)->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Returns the entry of an id, or NULL. */
static struct answers_entry *find(const struct answers *answers, uint64_t id)
{
    uint32_t index;

    /* Most clients count: then its place follows from the first id. */
    if (answers->count > 0 && id >= at(answers, 0)->id) {
        uint64_t guess = id - at(answers, 0)->id;
        if (guess < answers->count && at(answers, (uint32_t)guess)->id == id) {
            return at(answers, (uint32_t)guess);
        }
    }
    index = lower_bound(answers, id);
    return index < answers->count && at(answers, index)->id == id
               ? at(answers, index)
               : NULL;
}

enum answers_found answers_find(const struct answers *answers, uint64_t id,
                                uint64_t body_hash,
                                const struct answer **ret_answer)
{
    const struct answers_entry *entry;

    if (id > answers->newest_id && id >= answers->below) {
        return ANSWERS_NEW;
    }
    entry = id < answers->below ? NULL : find(answers, id);
    if (entry == NULL || entry->state == ANSWERS_FORGOTTEN) {
        return ANSWERS_STALE;
    }
    if (entry->body_hash != body_hash) {
        return ANSWERS_CONFLICT;
    }
    if (entry->state == ANSWERS_WAITS) {
        return ANSWERS_UNDER_WAY;
    }
    *ret_answer = &entry->answer;
    return ANSWERS_ANSWERED;
}

/* Moves the entries that are still of use to `entries`, in order. */
static void compact(struct answers *answers, struct answers_entry *entries,
                    uint32_t capacity)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < answers->count; i++) {
        if (at(answers, i)->state != ANSWERS_FORGOTTEN) {
            entries[count++] = *at(answers, i);
        }
    }
    free(answers->entries);
    answers->entries = entries;
    answers->capacity = capacity;
    answers->head = 0;
    answers->count = count;
}

/* Doubles the ring, or, if half of it is forgotten, only clears it up. */
static enum permit_status make_room(struct answers *answers)
{
    uint32_t used = 0;
    uint32_t capacity = answers->capacity;
    struct answers_entry *entries;

    for (uint32_t i = 0; i < answers->count; i++) {
        used += at(answers, i)->state != ANSWERS_FORGOTTEN;
    }
    if (used >= capacity / 2) {
        capacity = capacity == 0 ? CAPACITY_MIN : 2 * capacity;
    }
    entries = malloc(capacity * sizeof(*entries));
    if (entries == NULL) {
        return PERMIT_E_UNAVAILABLE;
    }
    compact(answers, entries, capacity);
    return PERMIT_OK;
}

static void drop_front(struct answers *answers)
{
    while (answers->count > 0 && at(answers, 0)->state == ANSWERS_FORGOTTEN) {
        answers->head = (answers->head + 1) & (answers->capacity - 1);
        answers->count--;
    }
}

enum permit_status answers_begin(struct answers *answers, uint64_t id,
                                 uint64_t body_hash)
{
    assert(id > answers->newest_id && id >= answers->below);
    if (answers->count == answers->capacity &&
        make_room(answers) != PERMIT_OK) {
        return PERMIT_E_UNAVAILABLE;
    }
    answers->count++;
    *at(answers, answers->count - 1) = (struct answers_entry){
        .id = id, .body_hash = body_hash, .state = ANSWERS_WAITS};
    answers->newest_id = id;
    return PERMIT_OK;
}

static void forget_one(struct answers *answers, struct answers_entry *entry)
{
    drop_outcome(answers, entry);
    entry->state = ANSWERS_FORGOTTEN;
    answers->kept--;
}

/* Forgets the answers that are kept of ids below `below`, at most `most`. */
static void forget(struct answers *answers, uint64_t below, uint32_t most)
{
    uint32_t index = lower_bound(answers, answers->kept_from);

    for (; most > 0 && index < answers->count && at(answers, index)->id < below;
         index++) {
        struct answers_entry *entry = at(answers, index);
        answers->kept_from = entry->id + 1;
        if (entry->state == ANSWERS_KEPT) {
            forget_one(answers, entry);
            most--;
        }
    }
    drop_front(answers);
}

/* Forgets the oldest that joined, until the others have room. */
static void forget_joined(struct answers *answers)
{
    uint32_t index;

    if (answers->outcomes_bytes <= answers->outcomes_max) {
        return;
    }
    index = lower_bound(answers, answers->joined_from);
    for (; answers->outcomes_bytes > answers->outcomes_max; index++) {
        struct answers_entry *entry = at(answers, index);

        answers->joined_from = entry->id + 1;
        if (entry->state == ANSWERS_KEPT && entry->answer.is_joined) {
            forget_one(answers, entry);
        }
    }
    drop_front(answers);
}

void answers_end(struct answers *answers, uint64_t id,
                 const struct answer *answer)
{
    struct answers_entry *entry = find(answers, id);

    assert(entry != NULL && entry->state == ANSWERS_WAITS);
    if (answer == NULL || id < answers->below) {
        if (answer != NULL && answer->is_joined) {
            outcome_drop(answer->outcome); /* The client wants it no more. */
        }
        entry->state = ANSWERS_FORGOTTEN;
        drop_front(answers);
        return;
    }
    entry->answer = *answer;
    entry->state = ANSWERS_KEPT;
    answers->kept++;
    if (id < answers->kept_from) {
        answers->kept_from = id;
    }
    if (answer->is_joined) {
        answers->outcomes_bytes += answer->outcome->length;
        if (id < answers->joined_from) {
            answers->joined_from = id;
        }
    }
    if (answers->kept > answers->kept_max) {
        forget(answers, UINT64_MAX, 1);
    }
    forget_joined(answers);
}

void answers_lose(struct answers *answers, uint64_t id, enum permit_loss loss)
{
    struct answers_entry *entry = find(answers, id);

    if (entry != NULL && entry->state == ANSWERS_KEPT) {
        entry->lost = loss;
    }
}

enum permit_loss answers_loss(const struct answers *answers, uint64_t id)
{
    const struct answers_entry *entry = find(answers, id);

    assert(entry != NULL && entry->state == ANSWERS_KEPT);
    return entry->lost;
}

void answers_forget(struct answers *answers, uint64_t below)
{
    if (below <= answers->below) {
        return;
    }
    answers->below = below;
    forget(answers, below, UINT32_MAX);
}
