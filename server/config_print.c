/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "config_keys.h"

static const char *name_of(const struct config_name *names, int value)
{
    while (names->value != value) {
        names++;
        assert(names->text != NULL);
    }
    return names->text;
}

static void print_duration(FILE *file, int64_t ms, int64_t inf)
{
    if (ms == inf) {
        (void)fputs("inf", file);
    } else if (ms % 1000 == 0) {
        (void)fprintf(file, "%" PRId64 "s", ms / 1000);
    } else {
        (void)fprintf(file, "%" PRId64 "ms", ms);
    }
}

static void print_value(FILE *file, const struct config *config,
                        const struct config_key *key)
{
    const void *field = (const char *)config + key->offset;
    const char *text;

    switch (key->type) {
    case CONFIG_BOOL:
        (void)fputs(*(const bool *)field ? "true" : "false", file);
        break;
    case CONFIG_ADDRESS:
        text = *(char *const *)field;
        (void)fprintf(file, text == NULL ? "null" : "\"%s\"", text);
        break;
    case CONFIG_DURATION:
        print_duration(file, *(const int64_t *)field, key->inf);
        break;
    case CONFIG_PERIOD:
        print_duration(file, *(const uint32_t *)field, key->inf);
        break;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
        (void)fprintf(file, "%" PRIu32, *(const uint32_t *)field);
        break;
    case CONFIG_LEVEL:
        (void)fputs(name_of(config_level_names, *(const int *)field), file);
        break;
    case CONFIG_FORMAT:
        (void)fputs(
            name_of(config_format_names, (int)*(const enum log_format *)field),
            file);
        break;
    }
}

static void print_list(FILE *file, char *const *items, size_t count)
{
    (void)fputc('[', file);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(file, "%s\"%s\"", i == 0 ? "" : ", ", items[i]);
    }
    (void)fputs("]\n", file);
}

static void print_semaphores(FILE *file, const struct config *config)
{
    (void)fputs(config->semaphores_count == 0 ? "semaphores: []\n"
                                              : "semaphores:\n",
                file);
    for (size_t i = 0; i < config->semaphores_count; i++) {
        const struct engine_definition *definition =
            &config->semaphores[i].definition;
        (void)fprintf(file,
                      "  - {name: \"%s\", kind: %s, permits: %" PRIu32
                      ", max_queue: %" PRIu32 ", max_wait: ",
                      config->semaphores[i].name,
                      definition->kind == ENGINE_BOUNDED ? "bounded"
                                                         : "counting",
                      definition->permits, definition->max_queue);
        print_duration(file, definition->max_wait_ms, -1);
        (void)fputs(", hold: ", file);
        print_duration(file, definition->hold_ms, 0);
        (void)fprintf(file, ", slots: %s}\n",
                      definition->slots ? "true" : "false");
    }
}

void config_print(const struct config *config, FILE *file)
{
    const char *section = "";

    (void)fputs("listen: ", file);
    print_list(file, config->listen, config->listen_count);
    for (size_t i = 0; i < CONFIG_KEYS_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        if (strcmp(section, key->section) != 0) {
            section = key->section;
            (void)fprintf(file, "%s:\n", section);
        }
        (void)fprintf(file, "%s%s: ", section[0] == '\0' ? "" : "  ",
                      key->name);
        print_value(file, config, key);
        (void)fputc('\n', file);
        if (key->type == CONFIG_ADDRESS) {
            (void)fputs("  allowed_hosts: ", file);
            print_list(file, config->http_allowed_hosts,
                       config->http_allowed_hosts_count);
        }
    }
    print_semaphores(file, config);
}

static bool is_same(const struct config *before, const struct config *after,
                    const struct config_key *key)
{
    const char *a = (const char *)before + key->offset;
    const char *b = (const char *)after + key->offset;
    size_t bytes = key->type == CONFIG_BOOL       ? sizeof(bool)
                   : key->type == CONFIG_DURATION ? sizeof(int64_t)
                                                  : sizeof(uint32_t);

    if (key->type == CONFIG_ADDRESS) {
        const char *x = *(char *const *)(const void *)a;
        const char *y = *(char *const *)(const void *)b;
        return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
    }
    return memcmp(a, b, bytes) == 0;
}

static bool same_list(char *const *a, size_t a_count, char *const *b,
                      size_t b_count)
{
    bool same = a_count == b_count;

    for (size_t i = 0; same && i < a_count; i++) {
        same = strcmp(a[i], b[i]) == 0;
    }
    return same;
}

bool config_next_restart_key(const struct config *before,
                             const struct config *after, size_t *index,
                             char name[CONFIG_KEY_BYTES])
{
    while (*index < CONFIG_KEYS_COUNT) {
        const struct config_key *key = &config_keys[(*index)++];
        if (key->needs_restart && !is_same(before, after, key)) {
            (void)snprintf(name, CONFIG_KEY_BYTES, "%s%s%s", key->section,
                           key->section[0] == '\0' ? "" : ".", key->name);
            return true;
        }
    }
    if (*index == CONFIG_KEYS_COUNT) {
        (*index)++;
        if (!same_list(before->listen, before->listen_count, after->listen,
                       after->listen_count)) {
            (void)snprintf(name, CONFIG_KEY_BYTES, "listen");
            return true;
        }
    }
    if (*index == CONFIG_KEYS_COUNT + 1) {
        (*index)++;
        if (!same_list(
                before->http_allowed_hosts, before->http_allowed_hosts_count,
                after->http_allowed_hosts, after->http_allowed_hosts_count)) {
            (void)snprintf(name, CONFIG_KEY_BYTES, "http.allowed_hosts");
            return true;
        }
    }
    return false;
}
