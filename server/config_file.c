/* SPDX-License-Identifier: MIT */
/* One file of the configuration, by libcyaml: it knows the shape, and keeps
 * each value as text for config_set() to read. */
#include "config_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "listener.h"
#include "wire.h"
#include "yaml.h"

struct raw_semaphore {
    char *name;
    char *kind;
    char *permits;
    char *max_queue;
    char *max_wait;
    char *hold;
    char *slots;
};

struct raw {
    char *values[CONFIG_KEYS_COUNT];
    char **listen;
    unsigned listen_count;
    char **allowed_hosts;
    unsigned allowed_hosts_count;
    struct raw_semaphore *semaphores;
    unsigned semaphores_count;
};

static const char *const sections[] = {"http", "session", "limits", "defaults",
                                       "log"};
#define SECTIONS_COUNT (sizeof(sections) / sizeof(sections[0]))

/* Keys that CONVENTIONS name for later versions. */
static const char *const later_keys[] = {"tls",
                                         "operator_token_file",
                                         "data_dir",
                                         "sync",
                                         "startup_wait",
                                         "priority_step",
                                         "metrics",
                                         "write",
                                         "token_file",
                                         "max_templated",
                                         "rate",
                                         "burst",
                                         "bypass",
                                         "per_session",
                                         "durable",
                                         "shadow",
                                         "refuse_hopeless"};

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t semaphore_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_semaphore,
                           name, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("kind", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct raw_semaphore, kind, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("permits", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct raw_semaphore, permits, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("max_queue",
                           CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct raw_semaphore, max_queue, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("max_wait", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct raw_semaphore, max_wait, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("hold", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct raw_semaphore, hold, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("slots", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct raw_semaphore, slots, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END};

static const cyaml_schema_value_t semaphore_entry = {CYAML_VALUE_MAPPING(
    CYAML_FLAG_DEFAULT, struct raw_semaphore, semaphore_fields)};

static cyaml_schema_field_t list_field(const char *key, size_t offset,
                                       size_t count_offset, size_t entry_bytes,
                                       const cyaml_schema_value_t *entry)
{
    return (cyaml_schema_field_t){
        .key = key,
        .data_offset = (uint32_t)offset,
        .count_offset = (uint32_t)count_offset,
        .count_size = sizeof(unsigned),
        .value = {.type = CYAML_SEQUENCE,
                  .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                  .data_size = (uint32_t)entry_bytes,
                  .sequence = {.entry = entry, .min = 0, .max = 1000000}}};
}

/* Fills fields with the keys of a section, and ends them. */
static size_t section_fields(const char *section, cyaml_schema_field_t *fields)
{
    size_t count = 0;

    for (size_t i = 0; i < CONFIG_KEYS_COUNT; i++) {
        if (strcmp(config_keys[i].section, section) != 0) {
            continue;
        }
        fields[count++] = (cyaml_schema_field_t){
            .key = config_keys[i].name,
            .data_offset =
                (uint32_t)(offsetof(struct raw, values) + i * sizeof(char *)),
            .value = {.type = CYAML_STRING,
                      .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                      .data_size = sizeof(char),
                      .string = {.min = 0, .max = CYAML_UNLIMITED}}};
    }
    return count;
}

/* The schema, made from the table of keys; it lies in *schema. */
struct schema {
    cyaml_schema_field_t sections[SECTIONS_COUNT][CONFIG_KEYS_COUNT + 2];
    cyaml_schema_field_t top[CONFIG_KEYS_COUNT + SECTIONS_COUNT + 4];
    cyaml_schema_value_t root;
};

static void schema_init(struct schema *schema)
{
    size_t top;

    memset(schema, 0, sizeof(*schema));
    top = section_fields("", schema->top);
    for (size_t i = 0; i < SECTIONS_COUNT; i++) {
        size_t count = section_fields(sections[i], schema->sections[i]);
        if (i == 0) {
            schema->sections[i][count] =
                list_field("allowed_hosts", offsetof(struct raw, allowed_hosts),
                           offsetof(struct raw, allowed_hosts_count),
                           sizeof(char *), &text_entry);
        }
        schema->top[top++] = (cyaml_schema_field_t){
            .key = sections[i],
            .value = {.type = CYAML_MAPPING,
                      .flags = CYAML_FLAG_OPTIONAL,
                      .data_size = sizeof(struct raw),
                      .mapping = {.fields = schema->sections[i]}}};
    }
    schema->top[top++] = list_field("listen", offsetof(struct raw, listen),
                                    offsetof(struct raw, listen_count),
                                    sizeof(char *), &text_entry);
    schema->top[top++] =
        list_field("semaphores", offsetof(struct raw, semaphores),
                   offsetof(struct raw, semaphores_count),
                   sizeof(struct raw_semaphore), &semaphore_entry);
    schema->root = (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                          .flags = CYAML_FLAG_POINTER,
                                          .data_size = sizeof(struct raw),
                                          .mapping = {.fields = schema->top}};
}

static void explain(const char *file, const struct yaml_complaint *complaint,
                    char error[CONFIG_ERROR_BYTES])
{
    const char *key = strrchr(complaint->reason, ' ');

    for (size_t i = 0;
         key != NULL && i < sizeof(later_keys) / sizeof(later_keys[0]); i++) {
        if (strcmp(key + 1, later_keys[i]) == 0) {
            (void)snprintf(error, CONFIG_ERROR_BYTES,
                           "%.200s: %s: %s is not served yet: remove it", file,
                           complaint->place, later_keys[i]);
            return;
        }
    }
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%.120s: %s%s%.200s", file,
                   complaint->place, complaint->place[0] == '\0' ? "" : ": ",
                   complaint->reason);
}

/* -------------------------------------------------------------- semaphores */

static bool read_semaphore(const struct raw_semaphore *raw,
                           const struct engine_definition *defaults,
                           struct engine_definition *ret_definition,
                           const char **ret_wrong)
{
    struct engine_definition definition = *defaults;
    int64_t number = definition.permits;
    const char *detail;

    definition.fields = ENGINE_FIELD_KIND | ENGINE_FIELD_PERMITS |
                        ENGINE_FIELD_MAX_QUEUE | ENGINE_FIELD_MAX_WAIT |
                        ENGINE_FIELD_HOLD | ENGINE_FIELD_SLOTS;
    *ret_wrong = "templates are not served yet";
    if (raw->name[0] != '\0' && raw->name[strlen(raw->name) - 1] == '*') {
        return false;
    }
    if (wire_check_name(raw->name, strlen(raw->name), false, &detail) !=
        PERMIT_OK) {
        *ret_wrong = detail;
        return false;
    }
    *ret_wrong = "kind: must be bounded or counting; rate is not served yet";
    if (raw->kind != NULL && strcmp(raw->kind, "counting") == 0) {
        definition.kind = ENGINE_COUNTING;
    } else if (raw->kind != NULL && strcmp(raw->kind, "bounded") != 0) {
        return false;
    }
    *ret_wrong = "permits: must be a whole number of 1 to 2147483647 (counting "
                 "may start at 0)";
    if (raw->permits != NULL &&
        !config_read_count(raw->permits,
                           definition.kind == ENGINE_COUNTING ? 0 : 1,
                           LIMIT_PERMITS_MAX, &number)) {
        return false;
    }
    definition.permits = (uint32_t)number;
    *ret_wrong = "max_queue: must be a whole number of 0 to 4294967295";
    number = definition.max_queue;
    if (raw->max_queue != NULL &&
        !config_read_count(raw->max_queue, 0, UINT32_MAX, &number)) {
        return false;
    }
    definition.max_queue = (uint32_t)number;
    *ret_wrong = "max_wait: must be a duration, like 30s, or inf";
    if (raw->max_wait != NULL &&
        !duration_parse(raw->max_wait, &definition.max_wait_ms)) {
        return false;
    }
    *ret_wrong = "hold: must be a duration above 0, like 4h, or inf";
    if (raw->hold != NULL && (!duration_parse(raw->hold, &definition.hold_ms) ||
                              definition.hold_ms == 0)) {
        return false;
    }
    if (definition.hold_ms == DURATION_INF) {
        definition.hold_ms = 0;
    }
    *ret_wrong = "slots: must be true or false; true only for a bounded "
                 "semaphore of at most 1024 permits";
    if (raw->slots != NULL &&
        !config_read_bool(raw->slots, &definition.slots)) {
        return false;
    }
    if (definition.slots && (definition.kind != ENGINE_BOUNDED ||
                             definition.permits > LIMIT_SLOTS_MAX)) {
        return false;
    }
    *ret_definition = definition;
    return true;
}

static bool add_semaphore(struct config *config,
                          const struct raw_semaphore *raw,
                          const char **ret_wrong)
{
    struct engine_definition definition;
    struct config_semaphore *added;

    if (!read_semaphore(raw, &config->defaults, &definition, ret_wrong)) {
        return false;
    }
    *ret_wrong = "no memory";
    added = &config->semaphores[config->semaphores_count];
    added->name = strdup(raw->name);
    added->file = config->files_count;
    added->definition = definition;
    config->semaphores_count += added->name != NULL;
    return added->name != NULL;
}

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

static bool add_semaphores(struct config *config, const struct raw *raw,
                           const char *file, char error[CONFIG_ERROR_BYTES])
{
    size_t room = config->semaphores_count + raw->semaphores_count;
    struct config_semaphore *semaphores =
        realloc(config->semaphores, (room + 1) * sizeof(*semaphores));
    const char *wrong = "no memory";

    if (semaphores == NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%.150s: no memory", file);
        return false;
    }
    config->semaphores = semaphores;
    config->files_count++;
    for (unsigned i = 0; i < raw->semaphores_count; i++) {
        if (!add_semaphore(config, &raw->semaphores[i], &wrong)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES,
                           "%.150s: semaphores[%u] (%.128s): %s", file, i,
                           raw->semaphores[i].name, wrong);
            return false;
        }
    }
    wrong = merge_semaphores(config);
    if (wrong != NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%.150s: semaphores: %.128s is there twice", file,
                       wrong);
    }
    return wrong == NULL;
}

/* --------------------------------------------------------------- all of it */

static bool set_list(char **items, size_t *count, char *const *texts,
                     unsigned texts_count)
{
    if (texts_count > CONFIG_ADDRESSES_MAX) {
        return false;
    }
    while (*count > 0) {
        free(items[--*count]);
    }
    for (unsigned i = 0; i < texts_count; i++) {
        items[*count] = strdup(texts[i]);
        if (items[*count] == NULL) {
            return false;
        }
        (*count)++;
    }
    return true;
}

static bool apply(struct config *config, const struct raw *raw,
                  const char *file, char error[CONFIG_ERROR_BYTES])
{
    char reason[CONFIG_ERROR_BYTES];

    for (size_t i = 0; i < CONFIG_KEYS_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        if (raw->values[i] != NULL &&
            !config_set(config, key, raw->values[i], reason)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%.150s: %s%s%s: %.200s",
                           file, key->section,
                           key->section[0] == '\0' ? "" : ".", key->name,
                           reason);
            return false;
        }
    }
    if ((raw->listen != NULL && !set_list(config->listen, &config->listen_count,
                                          raw->listen, raw->listen_count)) ||
        (raw->allowed_hosts != NULL &&
         !set_list(config->http_allowed_hosts,
                   &config->http_allowed_hosts_count, raw->allowed_hosts,
                   raw->allowed_hosts_count))) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%.150s: listen, allowed_hosts: at most %d each", file,
                       CONFIG_ADDRESSES_MAX);
        return false;
    }
    for (unsigned i = 0; i < raw->listen_count; i++) {
        if (!listener_check(raw->listen[i], true, reason)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES,
                           "%.150s: listen[%u]: %.200s", file, i, reason);
            return false;
        }
    }
    return add_semaphores(config, raw, file, error);
}

bool config_read_file(struct config *config, const char *file,
                      char error[CONFIG_ERROR_BYTES])
{
    struct yaml_complaint complaint;
    struct schema schema;
    void *raw;
    bool is_applied;

    schema_init(&schema);
    if (!yaml_load(file, &schema.root, &raw, &complaint)) {
        explain(file, &complaint, error);
        return false;
    }
    /* An empty file has nothing to say, and no raw either. */
    is_applied = raw == NULL || apply(config, raw, file, error);
    yaml_free(&schema.root, raw);
    return is_applied;
}
