/* SPDX-License-Identifier: MIT */
/* One file of the configuration, by libcyaml: it knows the shape, and keeps
 * each value as text for config_set() to read. */
#include "config_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "listener.h"
#include "yaml.h"

struct raw {
    char *values[CONFIG_KEYS_COUNT];
    char **listen;
    unsigned listen_count;
    char **allowed_hosts;
    unsigned allowed_hosts_count;
    struct config_raw_semaphore *semaphores;
    unsigned semaphores_count;
};

static const char *const sections[] = {"http", "session", "limits", "defaults",
                                       "log"};
#define SECTIONS_COUNT (sizeof(sections) / sizeof(sections[0]))

/* Keys that CONVENTIONS name for later versions. */
static const char *const later_keys[] = {
    "tls",   "operator_token_file", "data_dir",
    "sync",  "startup_wait",        "metrics",
    "write", "token_file",          "durable"};

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

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

static cyaml_schema_field_t text_field(const char *key, size_t offset,
                                       bool is_optional)
{
    return (cyaml_schema_field_t){
        .key = key,
        .data_offset = (uint32_t)offset,
        .value = {.type = CYAML_STRING,
                  .flags = is_optional
                               ? CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL
                               : CYAML_FLAG_POINTER,
                  .data_size = sizeof(char),
                  .string = {.min = 0, .max = CYAML_UNLIMITED}}};
}

/* Fills fields with the keys of a section, and returns how many. */
static size_t section_fields(const char *section, cyaml_schema_field_t *fields)
{
    size_t count = 0;

    for (size_t i = 0; i < CONFIG_KEYS_COUNT; i++) {
        if (strcmp(config_keys[i].section, section) == 0) {
            fields[count++] = text_field(
                config_keys[i].name,
                offsetof(struct raw, values) + i * sizeof(char *), true);
        }
    }
    return count;
}

static void semaphore_fields(cyaml_schema_field_t *fields)
{
    fields[0] =
        text_field("name", offsetof(struct config_raw_semaphore, name), false);
    for (size_t i = 0; i < CONFIG_SEMAPHORE_KEYS_COUNT; i++) {
        fields[1 + i] = text_field(
            config_semaphore_keys[i].name,
            offsetof(struct config_raw_semaphore, values) + i * sizeof(char *),
            true);
    }
}

/* The schema, made from the tables of keys; it lies in *schema. */
struct schema {
    cyaml_schema_field_t semaphore[CONFIG_SEMAPHORE_KEYS_COUNT + 2];
    cyaml_schema_value_t semaphore_entry;
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
    semaphore_fields(schema->semaphore);
    schema->semaphore_entry =
        (cyaml_schema_value_t){.type = CYAML_MAPPING,
                               .data_size = sizeof(struct config_raw_semaphore),
                               .mapping = {.fields = schema->semaphore}};
    schema->top[top++] = list_field(
        "semaphores", offsetof(struct raw, semaphores),
        offsetof(struct raw, semaphores_count),
        sizeof(struct config_raw_semaphore), &schema->semaphore_entry);
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
    return config_add_semaphores(config, raw->semaphores, raw->semaphores_count,
                                 file, error);
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
