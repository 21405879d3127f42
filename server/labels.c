/* SPDX-License-Identifier: MIT */
#include "labels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 4

void labels_deinit(struct labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        free(labels->entries[i].labels);
    }
    free(labels->entries);
    *labels = (struct labels){0};
}

struct permit_label *labels_copy(const struct permit_label *from,
                                 uint32_t count)
{
    size_t bytes = count * sizeof(*from);
    struct permit_label *copy;
    char *text;

    assert(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        bytes += strlen(from[i].key) + 1 + strlen(from[i].value) + 1;
    }
    copy = calloc(1, bytes);
    if (copy == NULL) {
        return NULL;
    }
    text = (char *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i].key = text;
        text = stpcpy(text, from[i].key) + 1;
        copy[i].value = text;
        text = stpcpy(text, from[i].value) + 1;
    }
    return copy;
}

/* Returns the entry of an acquire, or NULL. */
static struct labels_entry *find(const struct labels *labels,
                                 uint64_t acquire_id)
{
    uint32_t low = 0;
    uint32_t high = labels->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (labels->entries[middle].acquire_id == acquire_id) {
            return &labels->entries[middle];
        }
        if (labels->entries[middle].acquire_id < acquire_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Clears up, and if more than half of the entries are kept doubles the room:
 * so an entry is moved only a few times in its life. */
static bool make_room(struct labels *labels)
{
    uint32_t kept = 0;

    if (labels->kept >= labels->capacity / 2) {
        uint32_t capacity =
            labels->capacity == 0 ? CAPACITY_MIN : 2 * labels->capacity;
        struct labels_entry *grown =
            reallocarray(labels->entries, capacity, sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        labels->entries = grown;
        labels->capacity = capacity;
    }
    for (uint32_t i = 0; i < labels->count; i++) {
        if (labels->entries[i].labels != NULL) {
            labels->entries[kept++] = labels->entries[i];
        }
    }
    assert(kept == labels->kept);
    labels->count = kept;
    return true;
}

bool labels_keep(struct labels *labels, uint64_t acquire_id,
                 const struct permit_label *from, uint32_t count)
{
    struct permit_label *copy;

    assert(labels->count == 0 ||
           labels->entries[labels->count - 1].acquire_id < acquire_id);
    if (labels->count == labels->capacity && !make_room(labels)) {
        return false;
    }
    copy = labels_copy(from, count);
    if (copy == NULL) {
        return false;
    }
    labels->entries[labels->count++] = (struct labels_entry){
        .acquire_id = acquire_id, .labels = copy, .labels_count = count};
    labels->kept++;
    return true;
}

void labels_drop(struct labels *labels, uint64_t acquire_id)
{
    struct labels_entry *entry = find(labels, acquire_id);

    if (entry == NULL || entry->labels == NULL) {
        return;
    }
    free(entry->labels);
    entry->labels = NULL;
    labels->kept--;
    /* The id of the newest may come again, if its acquire was not begun. */
    while (labels->count > 0 &&
           labels->entries[labels->count - 1].labels == NULL) {
        labels->count--;
    }
    if (labels->count == 0) {
        labels_deinit(labels);
    }
}

uint32_t labels_find(const struct labels *labels, uint64_t acquire_id,
                     const struct permit_label **ret_labels)
{
    const struct labels_entry *entry = find(labels, acquire_id);

    *ret_labels = entry == NULL ? NULL : entry->labels;
    return *ret_labels == NULL ? 0 : entry->labels_count;
}
