/* SPDX-License-Identifier: MIT */
#include "laws_slots.h"

#include <stdlib.h>
#include <string.h>

#include "owners.h"
#include "world.h"

#define GRANTS_MAX 4096
#define NAMES_MAX (WORLD_NAMES + 1)
#define NO_NAME NAMES_MAX

struct held {
    uint64_t grant_id;
    uint64_t session_id;
    size_t name; /* NO_NAME: of a semaphore that was deleted. */
    size_t was_name;
    uint32_t permits;
};

struct slot_laws {
    struct engine_definition definitions[NAMES_MAX];
    struct owners owners[NAMES_MAX];
    struct held held[GRANTS_MAX];
    size_t held_count;
    struct engine_slots latest[LIMIT_PARTS_MAX]; /* Of the latest grant. */
    uint64_t latest_grant_id;
    uint32_t latest_count;
};

struct slot_laws *slot_laws_create(void)
{
    return calloc(1, sizeof(struct slot_laws));
}

void slot_laws_destroy(struct slot_laws *laws)
{
    free(laws);
}

static size_t name_of(const char *name)
{
    size_t i = 0;

    while (i < WORLD_NAMES && strcmp(world_name((uint32_t)i), name) != 0) {
        i++;
    }
    return i; /* The last is for all that are not in the list. */
}

static const char *granted(struct slot_laws *laws,
                           const struct engine_record *record)
{
    size_t name = name_of(record->semaphore);
    const struct engine_definition *definition = &laws->definitions[name];
    uint32_t list[LIMIT_SLOTS_MAX];
    size_t count = engine_slots_list(&record->slots, list);

    if (laws->latest_grant_id != record->grant_id) {
        laws->latest_count = 0;
    }
    laws->latest_grant_id = record->grant_id;
    if (laws->latest_count == LIMIT_PARTS_MAX) {
        return "a grant has only so many parts";
    }
    laws->latest[laws->latest_count++] = record->slots;
    if (!definition->slots) {
        return count == 0 ? NULL : "without slots nobody gets one";
    }
    if (laws->held_count == GRANTS_MAX) {
        return "too many grants";
    }
    laws->held[laws->held_count++] = (struct held){
        record->grant_id, record->session_id, name, name, record->permits};
    if (!owners_take(&laws->owners[name], &record->slots, record->permits,
                     record->grant_id)) {
        return "a grant gets one slot a permit, and nobody else's";
    }
    return list[count - 1] < definition->permits
               ? NULL
               : "no slot is given at or above the permits";
}

static void give_back(struct slot_laws *laws, size_t i, uint32_t permits)
{
    struct held *held = &laws->held[i];

    if (held->name != NO_NAME) {
        owners_give_back(&laws->owners[held->name], held->grant_id, permits);
    }
    held->permits -= permits;
    if (held->permits == 0) {
        *held = laws->held[--laws->held_count];
    }
}

static void deleted(struct slot_laws *laws, size_t name)
{
    memset(&laws->owners[name], 0, sizeof(laws->owners[name]));
    memset(&laws->definitions[name], 0, sizeof(laws->definitions[name]));
    for (size_t i = 0; i < laws->held_count; i++) {
        if (laws->held[i].name == name) {
            laws->held[i].name = NO_NAME;
        }
    }
}

static const char *recorded(struct slot_laws *laws,
                            const struct engine_record *record)
{
    bool has_ended = record->type == ENGINE_RECORD_SESSION_ENDED;
    bool has_expired = record->type == ENGINE_RECORD_EXPIRED;

    if (record->type == ENGINE_RECORD_GRANTED) {
        return granted(laws, record);
    }
    if (record->type == ENGINE_RECORD_DEFINED) {
        laws->definitions[name_of(record->semaphore)] = record->definition;
    } else if (record->type == ENGINE_RECORD_DELETED) {
        deleted(laws, name_of(record->semaphore));
    }
    for (size_t i = laws->held_count; i-- > 0;) {
        const struct held *held = &laws->held[i];

        if ((has_ended && held->session_id == record->session_id) ||
            (has_expired && held->grant_id == record->grant_id)) {
            give_back(laws, i, held->permits);
        } else if (record->type == ENGINE_RECORD_RELEASED &&
                   held->grant_id == record->grant_id &&
                   held->was_name == name_of(record->semaphore)) {
            give_back(laws, i, record->permits);
        }
    }
    return NULL;
}

const char *slot_laws_effect(struct slot_laws *laws,
                             const struct engine_effect *effect)
{
    const struct engine_answer *answer = &effect->answer;

    if (effect->type == ENGINE_EFFECT_RECORD) {
        return recorded(laws, effect->record);
    }
    if (effect->type != ENGINE_EFFECT_ANSWER || answer->to != ENGINE_ACQUIRE ||
        answer->status != PERMIT_OK || answer->grant_id == 0) {
        return NULL;
    }
    if (answer->grant_id != laws->latest_grant_id ||
        answer->granted_count != laws->latest_count) {
        return "a grant is recorded before it is told";
    }
    for (uint32_t i = 0; i < answer->granted_count; i++) {
        if (memcmp(&answer->granted[i].slots, &laws->latest[i],
                   sizeof(laws->latest[i])) != 0) {
            return "the slots that are told are those that are recorded";
        }
    }
    return NULL;
}
