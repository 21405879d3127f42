/* SPDX-License-Identifier: MIT */
/* The entries of `semaphores`: read, checked as definitions, and merged over
 * the files. */
#include "config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define YEAR_MS (INT64_C(365) * 24 * 3600 * 1000)

#define AT(field) offsetof(struct engine_definition, field)
#define COUNT(name, min, max, inf)                                             \
    {                                                                          \
        "", #name, CONFIG_COUNT, AT(name), min, max, inf, false                \
    }
#define DURATION(name, field, min, inf)                                        \
    {                                                                          \
        "", name, CONFIG_DURATION, AT(field), min, 100 * YEAR_MS, inf, false   \
    }
#define OTHER(name, type)                                                      \
    {                                                                          \
        "", #name, type, AT(name), 0, 0, CONFIG_NO_INF, false                  \
    }

enum key {
    KEY_KIND,
    KEY_PERMITS,
    KEY_RATE,
    KEY_BURST,
    KEY_MAX_QUEUE,
    KEY_MAX_WAIT,
    KEY_HOLD,
    KEY_BYPASS,
    KEY_PER_SESSION,
    KEY_SLOTS,
    KEY_SHADOW,
    KEY_REFUSE_HOPELESS
};

const struct config_key config_semaphore_keys[CONFIG_SEMAPHORE_KEYS_COUNT] = {
    [KEY_KIND] = OTHER(kind, CONFIG_KIND),
    [KEY_PERMITS] = COUNT(permits, 0, LIMIT_PERMITS_MAX, CONFIG_NO_INF),
    [KEY_RATE] = OTHER(rate, CONFIG_RATE),
    [KEY_BURST] = COUNT(burst, 1, LIMIT_PERMITS_MAX, CONFIG_NO_INF),
    [KEY_MAX_QUEUE] = COUNT(max_queue, 0, UINT32_MAX, CONFIG_NO_INF),
    [KEY_MAX_WAIT] = DURATION("max_wait", max_wait_ms, 0, -1),
    [KEY_HOLD] = DURATION("hold", hold_ms, 1, 0),
    [KEY_BYPASS] = COUNT(bypass, 0, LIMIT_BYPASS_MAX, CONFIG_NO_INF),
    [KEY_PER_SESSION] = COUNT(per_session, 1, LIMIT_PERMITS_MAX, 0),
    [KEY_SLOTS] = OTHER(slots, CONFIG_BOOL),
    [KEY_SHADOW] = OTHER(shadow, CONFIG_BOOL),
    [KEY_REFUSE_HOPELESS] = OTHER(refuse_hopeless, CONFIG_BOOL),
};

/* -------------------------------------------------------------------- check */

static const char *check_rate(const struct config_raw_semaphore *raw,
                              const struct engine_definition *definition)
{
    if (raw->values[KEY_RATE] == NULL || raw->values[KEY_BURST] == NULL) {
        return "rate, burst: must be there for kind rate, like rate: 50/s, "
               "burst: 100";
    }
    if (raw->values[KEY_PERMITS] != NULL) {
        return "permits: must not be there for kind rate, which has rate and "
               "burst";
    }
    if (definition->per_session > 0) {
        return "per_session: must not be there for kind rate";
    }
    return NULL;
}

/* Returns what is wrong between a semaphore's keys, or NULL. */
static const char *check(const struct config_raw_semaphore *raw,
                         const struct engine_definition *definition)
{
    bool is_bounded = definition->kind == ENGINE_BOUNDED;

    if (definition->slots &&
        (!is_bounded || definition->permits > LIMIT_SLOTS_MAX)) {
        return "slots: must be false, but for a bounded semaphore of at most "
               "1024 permits";
    }
    if (definition->shadow &&
        (definition->kind == ENGINE_COUNTING || definition->slots)) {
        return "shadow: must be false for a counting semaphore and one with "
               "slots";
    }
    if (definition->kind == ENGINE_RATE) {
        return check_rate(raw, definition);
    }
    if (raw->values[KEY_RATE] != NULL || raw->values[KEY_BURST] != NULL) {
        return "rate, burst: must not be there but for kind rate";
    }
    if (is_bounded && definition->permits == 0) {
        return "permits: must be at least 1; a counting semaphore may start at "
               "0";
    }
    return NULL;
}

/* --------------------------------------------------------------------- read */

/* Sets *ret_definition, or returns false with what is wrong in error. */
static bool read_semaphore(const struct config_raw_semaphore *raw,
                           const struct engine_definition *defaults,
                           struct engine_definition *ret_definition,
                           char error[CONFIG_ERROR_BYTES])
{
    struct engine_definition definition = *defaults;
    char reason[CONFIG_ERROR_BYTES];
    const char *wrong;

    if (wire_check_name(raw->name, strlen(raw->name), true, &wrong) !=
        PERMIT_OK) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s", wrong);
        return false;
    }
    for (size_t i = 0; i < CONFIG_SEMAPHORE_KEYS_COUNT; i++) {
        const struct config_key *key = &config_semaphore_keys[i];
        if (raw->values[i] != NULL &&
            !config_set(&definition, key, raw->values[i], reason)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %.300s", key->name,
                           reason);
            return false;
        }
    }
    wrong = check(raw, &definition);
    if (wrong != NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s", wrong);
        return false;
    }
    definition.fields = ENGINE_FIELD_KIND | ENGINE_FIELD_MAX_QUEUE |
                        ENGINE_FIELD_MAX_WAIT | ENGINE_FIELD_HOLD |
                        ENGINE_FIELD_SLOTS | ENGINE_FIELD_BYPASS |
                        ENGINE_FIELD_PER_SESSION | ENGINE_FIELD_SHADOW |
                        ENGINE_FIELD_REFUSE_HOPELESS;
    if (definition.kind == ENGINE_RATE) {
        definition.permits = 0;
        definition.fields |=
            ENGINE_FIELD_RATE | ENGINE_FIELD_PER_MS | ENGINE_FIELD_BURST;
    } else {
        definition.fields |= ENGINE_FIELD_PERMITS;
    }
    *ret_definition = definition;
    return true;
}

static bool add_semaphore(struct config *config,
                          const struct config_raw_semaphore *raw,
                          char error[CONFIG_ERROR_BYTES])
{
    struct config_semaphore *added =
        &config->semaphores[config->semaphores_count];

    if (!read_semaphore(raw, &config->defaults, &added->definition, error)) {
        return false;
    }
    (void)snprintf(error, CONFIG_ERROR_BYTES, "no memory");
    added->name = strdup(raw->name);
    added->file = config->files_count;
    config->semaphores_count += added->name != NULL;
    return added->name != NULL;
}

bool config_same_definition(const struct engine_definition *a,
                            const struct engine_definition *b)
{
    bool is_same = true;

    for (size_t i = 0; is_same && i < CONFIG_SEMAPHORE_KEYS_COUNT; i++) {
        is_same = config_is_same(a, b, &config_semaphore_keys[i]);
    }
    return is_same;
}

/* -------------------------------------------------------------------- merge */

/* By name; of one name, what came later first. */
static int compare(const void *left, const void *right)
{
    const struct config_semaphore *a = left;
    const struct config_semaphore *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->file < b->file) - (a->file > b->file);
}

/* Sorts them, and keeps of each name the latest file's. Returns the name that
 * one file has twice, or NULL. */
static const char *merge_semaphores(struct config *config)
{
    struct config_semaphore *all = config->semaphores;
    size_t kept = 0;

    if (config->semaphores_count == 0) {
        return NULL;
    }
    qsort(all, config->semaphores_count, sizeof(*all), compare);
    for (size_t i = 1; i < config->semaphores_count; i++) {
        if (compare(&all[i - 1], &all[i]) == 0) {
            return all[i].name;
        }
    }
    for (size_t i = 1; i < config->semaphores_count; i++) {
        if (strcmp(all[kept].name, all[i].name) == 0) {
            free(all[i].name);
        } else {
            all[++kept] = all[i];
        }
    }
    config->semaphores_count = kept + 1;
    return NULL;
}

bool config_add_semaphores(struct config *config,
                           const struct config_raw_semaphore *raw,
                           unsigned count, const char *file,
                           char error[CONFIG_ERROR_BYTES])
{
    size_t room = config->semaphores_count + count;
    struct config_semaphore *semaphores =
        realloc(config->semaphores, (room + 1) * sizeof(*semaphores));
    char reason[CONFIG_ERROR_BYTES];
    const char *twice;

    if (semaphores == NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%.150s: no memory", file);
        return false;
    }
    config->semaphores = semaphores;
    config->files_count++;
    for (unsigned i = 0; i < count; i++) {
        if (!add_semaphore(config, &raw[i], reason)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES,
                           "%.120s: semaphores[%u] (%.128s): %.200s", file, i,
                           raw[i].name, reason);
            return false;
        }
    }
    twice = merge_semaphores(config);
    if (twice != NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%.150s: semaphores: %.128s is there twice", file,
                       twice);
    }
    return twice == NULL;
}

static int compare_name(const void *name, const void *semaphore)
{
    return strcmp(name, ((const struct config_semaphore *)semaphore)->name);
}

const struct config_semaphore *config_find(const struct config *config,
                                           const char *name)
{
    return config->semaphores_count == 0
               ? NULL
               : bsearch(name, config->semaphores, config->semaphores_count,
                         sizeof(*config->semaphores), compare_name);
}
