/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint32_t name_bytes[NAME_CLASS_COUNT] = {NAME_BYTES_SHORT, 65,
                                                      LIMIT_NAME_BYTES_MAX + 1};

static uint64_t name_hash(const struct engine *engine, const char *name)
{
    return XXH3_64bits_withSecret(name, strlen(name), engine->secret,
                                  sizeof(engine->secret));
}

static bool name_is_before(const void *item, const void *other)
{
    return strcmp(((const struct semaphore *)item)->name,
                  ((const struct semaphore *)other)->name) < 0;
}

bool semaphores_init(struct engine *engine)
{
    uint32_t capacity = engine->limits.max_semaphores;

    if (!pool_init(&engine->semaphores, sizeof(struct semaphore), capacity) ||
        !pool_init(&engine->slot_maps, sizeof(struct slot_map),
                   engine->limits.max_semaphores_with_slots) ||
        !table_init(&engine->semaphores_by_name, capacity)) {
        return false;
    }
    for (int i = 0; i < NAME_CLASS_COUNT; i++) {
        engine->names[i] = calloc((size_t)capacity + 1, name_bytes[i]);
        if (engine->names[i] == NULL) {
            return false;
        }
    }
    engine->names_tree = (struct tree){
        .items = engine->semaphores.items,
        .stride = engine->semaphores.stride,
        .is_before = name_is_before,
    };
    return true;
}

void semaphores_deinit(struct engine *engine)
{
    for (int i = 0; i < NAME_CLASS_COUNT; i++) {
        free(engine->names[i]);
    }
    table_deinit(&engine->semaphores_by_name);
    pool_deinit(&engine->slot_maps);
    pool_deinit(&engine->semaphores);
}

struct semaphore *semaphore_at(const struct engine *engine, uint32_t index)
{
    return index == 0 ? NULL : pool_at(&engine->semaphores, index);
}

uint32_t semaphore_index(const struct engine *engine,
                         const struct semaphore *semaphore)
{
    return (uint32_t)(semaphore - (const struct semaphore *)(const void *)
                                      engine->semaphores.items);
}

struct semaphore *semaphore_find(const struct engine *engine, const char *name)
{
    const struct table *table = &engine->semaphores_by_name;
    uint32_t index = table_first(table, name_hash(engine, name));

    while (index != 0) {
        struct semaphore *semaphore = semaphore_at(engine, index);
        if (strcmp(semaphore->name, name) == 0) {
            return semaphore;
        }
        index = table_next(table, index);
    }
    return NULL;
}

/* Stores the name in the room of its class that belongs to the index. */
static const char *name_store(struct engine *engine, uint32_t index,
                              const char *name)
{
    size_t length = strlen(name);
    int class = 0;
    char *stored;

    assert(length >= 1 && length <= LIMIT_NAME_BYTES_MAX);
    while (length >= name_bytes[class]) {
        class ++;
    }
    stored = engine->names[class] + (size_t)name_bytes[class] * index;
    memcpy(stored, name, length + 1);
    return stored;
}

struct semaphore *semaphore_add(struct engine *engine, const char *name,
                                const struct engine_definition *definition)
{
    uint32_t index = pool_take(&engine->semaphores);
    struct semaphore *semaphore = semaphore_at(engine, index);
    uint64_t hash = name_hash(engine, name);

    assert(semaphore != NULL);
    semaphore->name = name_store(engine, index, name);
    semaphore->kind = (uint8_t)definition->kind;
    if (definition->kind == ENGINE_COUNTING) {
        semaphore->value = definition->permits;
    }
    semaphore_change(engine, semaphore, definition);
    semaphore->by_name.priority = (uint32_t)(hash >> 32);
    table_insert(&engine->semaphores_by_name, hash, index);
    tree_insert(&engine->names_tree, &engine->names_root, index);
    return semaphore;
}

/* Its slots, which are all free. */
static void give_slot_map(struct engine *engine, struct semaphore *semaphore)
{
    if (semaphore->slot_map != 0) {
        assert(semaphore->holders.count == 0);
        pool_give(&engine->slot_maps, semaphore->slot_map);
        semaphore->slot_map = 0;
    }
}

struct slot_map *semaphore_slot_map(const struct engine *engine,
                                    const struct semaphore *semaphore)
{
    return semaphore->slot_map == 0
               ? NULL
               : pool_at(&engine->slot_maps, semaphore->slot_map);
}

void semaphore_change(struct engine *engine, struct semaphore *semaphore,
                      const struct engine_definition *definition)
{
    assert(semaphore->kind == definition->kind);
    if (!definition->slots) {
        give_slot_map(engine, semaphore);
    } else if (semaphore->slot_map == 0) {
        semaphore->slot_map = pool_take(&engine->slot_maps);
        assert(semaphore->slot_map != 0);
    }
    semaphore->permits = definition->permits;
    semaphore->max_queue = definition->max_queue;
    semaphore->max_wait_ms = definition->max_wait_ms;
    semaphore->hold_ms = definition->hold_ms;
}

struct engine_definition semaphore_definition(const struct semaphore *semaphore)
{
    return (struct engine_definition){
        .fields = ENGINE_FIELD_ALL,
        .kind = (enum engine_kind)semaphore->kind,
        .permits = semaphore->permits,
        .max_queue = semaphore->max_queue,
        .max_wait_ms = semaphore->max_wait_ms,
        .hold_ms = semaphore->hold_ms,
        .slots = semaphore->slot_map != 0,
    };
}

void semaphore_delete(struct engine *engine, struct semaphore *semaphore)
{
    uint32_t index = semaphore_index(engine, semaphore);

    assert(!semaphore->is_deleted && !semaphore->is_to_be_served);
    semaphore->is_deleted = true;
    table_remove(&engine->semaphores_by_name,
                 name_hash(engine, semaphore->name), index);
    tree_remove(&engine->names_tree, &engine->names_root, index);
}

void semaphore_remove_if_idle(struct engine *engine,
                              struct semaphore *semaphore)
{
    if (semaphore->is_deleted && semaphore->holders.count == 0) {
        assert(semaphore->queue.root == 0 && semaphore->held == 0);
        give_slot_map(engine, semaphore);
        pool_give(&engine->semaphores, semaphore_index(engine, semaphore));
    }
}

int64_t semaphore_free_permits(const struct semaphore *semaphore)
{
    return semaphore->kind == ENGINE_COUNTING
               ? (int64_t)semaphore->value
               : (int64_t)semaphore->permits - semaphore->held;
}

void semaphore_mark_to_be_served(struct engine *engine,
                                 struct semaphore *semaphore)
{
    uint32_t index = semaphore_index(engine, semaphore);

    if (semaphore->is_to_be_served || semaphore->is_deleted ||
        semaphore->queue.root == 0) {
        return;
    }
    semaphore->is_to_be_served = true;
    semaphore->serve_next = 0;
    if (engine->serve_last == 0) {
        assert(engine->serve_first == 0);
        engine->serve_first = index;
    } else {
        semaphore_at(engine, engine->serve_last)->serve_next = index;
    }
    engine->serve_last = index;
}

void semaphore_unmark_first(struct engine *engine)
{
    struct semaphore *semaphore = semaphore_at(engine, engine->serve_first);

    assert(semaphore->is_to_be_served);
    semaphore->is_to_be_served = false;
    engine->serve_first = semaphore->serve_next;
    if (engine->serve_first == 0) {
        engine->serve_last = 0;
    }
}

void semaphore_take(struct engine *engine, struct semaphore *semaphore,
                    const struct engine_record *record)
{
    assert(semaphore_free_permits(semaphore) >= record->permits);
    assert(record->grant_id != 0);
    if (semaphore->kind == ENGINE_COUNTING) {
        semaphore->value -= record->permits;
    }
    if (engine->fence < record->grant_id) {
        engine->fence = record->grant_id;
    }
    semaphore->fence = record->grant_id;
    semaphore->grants_total++;
    engine->grants_total++;
}
