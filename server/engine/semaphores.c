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
        !pool_init(&engine->holds, sizeof(struct holds),
                   engine->limits.max_semaphores_with_estimates) ||
        !pool_init(&engine->rarities, sizeof(struct rarity), capacity) ||
        !shares_init(&engine->shares, engine->limits.max_grants,
                     engine->id_key) ||
        !table_init(&engine->semaphores_by_name, capacity, capacity)) {
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
    shares_deinit(&engine->shares);
    pool_deinit(&engine->rarities);
    pool_deinit(&engine->holds);
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

struct semaphore *template_find(const struct engine *engine, const char *name)
{
    char pattern[LIMIT_NAME_BYTES_MAX + 2];
    struct semaphore *template = NULL;

    for (size_t length = strlen(name);
         engine->templates > 0 && template == NULL && length > 0; length--) {
        memcpy(pattern, name, length);
        pattern[length] = '*';
        pattern[length + 1] = '\0';
        template = length < LIMIT_NAME_BYTES_MAX
                       ? semaphore_find(engine, pattern)
                       : NULL;
    }
    return template;
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
    semaphore->is_template = name[strlen(name) - 1] == '*';
    engine->templates += semaphore->is_template ? 1 : 0;
    semaphore->kind = (uint8_t)definition->kind;
    if (definition->kind == ENGINE_COUNTING) {
        semaphore->value = definition->permits;
    } else if (definition->kind == ENGINE_RATE) {
        semaphore_start_bucket(engine, semaphore, definition);
    }
    semaphore_change(engine, semaphore, definition);
    semaphore->by_name.priority = (uint32_t)(hash >> 32);
    table_insert(&engine->semaphores_by_name, hash, index);
    tree_insert(&engine->names_tree, &engine->names_root, index);
    return semaphore;
}

void semaphore_set_maker(struct engine *engine, struct semaphore *semaphore,
                         uint32_t template_bytes, uint64_t maker_id)
{
    struct session *maker = engine_session_find(engine, maker_id);

    assert(template_bytes > 0 && semaphore->template_bytes == 0);
    semaphore->template_bytes = (uint8_t)template_bytes;
    semaphore_rarity(engine, semaphore)->maker_id = maker_id;
    engine->made++;
    if (maker != NULL) {
        maker->made++;
    }
}

void semaphore_unset_maker(struct engine *engine, struct semaphore *semaphore)
{
    struct session *maker;

    if (semaphore->template_bytes == 0) {
        return;
    }
    maker = engine_session_find(engine,
                                semaphore_rarity(engine, semaphore)->maker_id);
    semaphore->template_bytes = 0;
    engine->made--;
    if (maker != NULL) {
        maker->made--;
    }
}

struct rarity *semaphore_rarity(struct engine *engine,
                                struct semaphore *semaphore)
{
    struct rarity *rarity;

    if (semaphore->rarity == 0) {
        semaphore->rarity = pool_take(&engine->rarities);
        rarity = pool_at(&engine->rarities, semaphore->rarity);
        rarity->deadline.owner = DEADLINE_OF_RARITY;
        rarity->number = ++engine->making;
        rarity->semaphore = semaphore_index(engine, semaphore);
    }
    return pool_at(&engine->rarities, semaphore->rarity);
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

/* A RATE's waits are known without. */
static bool keeps_holds(const struct engine_definition *definition)
{
    return definition->kind != ENGINE_RATE;
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
    if (semaphore->kind == ENGINE_RATE) {
        bucket_change(semaphore_bucket(engine, semaphore), definition->rate,
                      definition->per_ms, definition->burst, engine->now_ns);
    }
    if (!definition->refuse_hopeless && semaphore->holds != 0) {
        pool_give(&engine->holds, semaphore->holds);
        semaphore->holds = 0;
    } else if (definition->refuse_hopeless && semaphore->holds == 0 &&
               keeps_holds(definition)) {
        semaphore->holds = pool_take(&engine->holds);
        assert(semaphore->holds != 0);
    }
    semaphore->bypass = (uint16_t)definition->bypass;
    semaphore->per_session = definition->per_session;
    semaphore->counts_shares =
        semaphore->counts_shares ||
        (semaphore->per_session != 0 && semaphore->holders.count == 0);
    semaphore->shadow = definition->shadow;
    semaphore->refuse_hopeless = definition->refuse_hopeless;
    semaphore->permits = semaphore->kind == ENGINE_RATE ? definition->burst
                                                        : definition->permits;
    semaphore->max_queue = definition->max_queue;
    semaphore->max_wait_ms = definition->max_wait_ms;
    semaphore->hold_ms = definition->hold_ms;
}

struct engine_definition semaphore_definition(const struct engine *engine,
                                              const struct semaphore *semaphore)
{
    struct engine_definition definition = {
        .fields = ENGINE_FIELD_ALL,
        .kind = (enum engine_kind)semaphore->kind,
        .permits = semaphore->permits,
        .max_queue = semaphore->max_queue,
        .max_wait_ms = semaphore->max_wait_ms,
        .hold_ms = semaphore->hold_ms,
        .slots = semaphore->slot_map != 0,
        .bypass = semaphore->bypass,
        .per_session = semaphore->per_session,
        .shadow = semaphore->shadow,
        .refuse_hopeless = semaphore->refuse_hopeless,
    };

    if (semaphore->kind == ENGINE_RATE) {
        const struct bucket *bucket = semaphore_bucket(engine, semaphore);
        definition.permits = 0;
        definition.rate = bucket->rate;
        definition.per_ms = bucket->per_ns / NS_PER_MS;
        definition.burst = bucket->burst;
    }
    return definition;
}

void semaphore_share(struct engine *engine, const struct semaphore *semaphore,
                     struct session *session, int64_t permits)
{
    uint32_t index = semaphore_index(engine, semaphore);
    uint32_t session_index = engine_session_index(engine, session);

    assert(semaphore->counts_shares && permits != 0);
    if (permits > 0) {
        shares_add(&engine->shares, session_index, index, (uint32_t)permits);
    } else {
        shares_sub(&engine->shares, session_index, index, (uint32_t)-permits);
    }
}

uint64_t semaphore_share_of(const struct engine *engine,
                            const struct semaphore *semaphore,
                            const struct session *session)
{
    assert(semaphore->per_session != 0 && semaphore->counts_shares);
    return shares_get(&engine->shares, engine_session_index(engine, session),
                      semaphore_index(engine, semaphore));
}

void semaphore_delete(struct engine *engine, struct semaphore *semaphore)
{
    uint32_t index = semaphore_index(engine, semaphore);

    assert(!semaphore->is_deleted && !semaphore->is_to_be_served);
    semaphore->is_deleted = true;
    semaphore_unset_maker(engine, semaphore);
    engine->templates -= semaphore->is_template ? 1 : 0;
    if (semaphore->rarity != 0) {
        deadlines_clear(&engine->deadlines,
                        &semaphore_rarity(engine, semaphore)->deadline);
    }
    table_remove(&engine->semaphores_by_name,
                 name_hash(engine, semaphore->name), index);
    tree_remove(&engine->names_tree, &engine->names_root, index);
}

void semaphore_remove_if_idle(struct engine *engine,
                              struct semaphore *semaphore)
{
    if (!semaphore->is_deleted || semaphore->holders.count > 0) {
        return;
    }
    assert(semaphore->queue.root == 0 && semaphore->held == 0);
    give_slot_map(engine, semaphore);
    if (semaphore->holds != 0) {
        pool_give(&engine->holds, semaphore->holds);
    }
    if (semaphore->rarity != 0) {
        pool_give(&engine->rarities, semaphore->rarity);
    }
    pool_give(&engine->semaphores, semaphore_index(engine, semaphore));
}

int64_t semaphore_free_permits(const struct engine *engine,
                               const struct semaphore *semaphore)
{
    if (semaphore->kind == ENGINE_RATE) {
        return semaphore_bucket(engine, semaphore)->tokens;
    }
    return semaphore->kind == ENGINE_COUNTING
               ? (int64_t)semaphore->value
               : (int64_t)semaphore->permits - (int64_t)semaphore->held;
}

uint32_t semaphore_first_place(const struct engine *engine,
                               const struct semaphore *semaphore)
{
    return tree_nth(&engine->queues.tree, semaphore->queue.root, 0);
}

bool semaphore_is_idle(const struct engine *engine,
                       const struct semaphore *semaphore)
{
    return semaphore->holders.count == 0 && semaphore->queue.root == 0 &&
           (semaphore->kind != ENGINE_COUNTING ||
            semaphore->value == semaphore->permits) &&
           (semaphore->kind != ENGINE_RATE ||
            bucket_is_full(semaphore_bucket(engine, semaphore)));
}

static bool awaits_tokens(const struct engine *engine,
                          const struct semaphore *semaphore)
{
    const struct rarity *rarity;

    if (semaphore->kind != ENGINE_RATE) {
        return false;
    }
    rarity = pool_at(&engine->rarities, semaphore->rarity);
    return rarity->deadline.position != 0;
}

void semaphore_mark_to_be_served(struct engine *engine,
                                 struct semaphore *semaphore)
{
    uint32_t index = semaphore_index(engine, semaphore);

    if (semaphore->is_to_be_served || semaphore->is_deleted ||
        !engine->is_started ||
        (semaphore->queue.root == 0 && semaphore->template_bytes == 0 &&
         !awaits_tokens(engine, semaphore))) {
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
    engine->serve_place = 0;
    engine->serve_first = semaphore->serve_next;
    if (engine->serve_first == 0) {
        engine->serve_last = 0;
    }
}

void semaphore_take(struct engine *engine, struct semaphore *semaphore,
                    const struct engine_record *record)
{
    assert(record->grant_id != 0);
    if (semaphore->kind == ENGINE_COUNTING) {
        assert(semaphore->value >= record->permits);
        semaphore->value -= record->permits;
        if (semaphore->queue.root == 0) { /* It may be what it was at first. */
            semaphore_mark_to_be_served(engine, semaphore);
        }
    } else if (semaphore->kind == ENGINE_RATE) {
        /* In shadow, or restored, there may be fewer. */
        struct bucket *bucket = semaphore_bucket(engine, semaphore);
        bucket_take(bucket, bucket->tokens < record->permits ? bucket->tokens
                                                             : record->permits);
        semaphore_mark_to_be_served(engine, semaphore);
    }
    if (engine->fence < record->grant_id) {
        engine->fence = record->grant_id;
    }
    semaphore->fence = record->grant_id;
    semaphore->grants_total++;
}
