/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "config_keys.h"
#include "duration.h"

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
    char text[DURATION_TEXT_BYTES];

    (void)fputs(duration_print(text, ms == inf ? DURATION_INF : ms), file);
}

static void print_count(FILE *file, uint32_t count, int64_t inf)
{
    if (count == inf) {
        (void)fputs("inf", file);
    } else {
        (void)fprintf(file, "%" PRIu32, count);
    }
}

static void print_address(FILE *file, const char *text)
{
    (void)fprintf(file, text == NULL ? "null" : "\"%s\"", text);
}

static void print_rate(FILE *file, const struct engine_definition *definition)
{
    char text[RATE_TEXT_BYTES];

    (void)fputs(rate_print(text, definition->rate, definition->per_ms), file);
}

static void print_value(FILE *file, const void *base,
                        const struct config_key *key)
{
    const void *field = (const char *)base + key->offset;

    switch (key->type) {
    case CONFIG_BOOL:
        (void)fputs(*(const bool *)field ? "true" : "false", file);
        break;
    case CONFIG_ADDRESS:
        print_address(file, *(char *const *)field);
        break;
    case CONFIG_DURATION:
        print_duration(file, *(const int64_t *)field, key->inf);
        break;
    case CONFIG_PERIOD:
        print_duration(file, *(const uint32_t *)field, key->inf);
        break;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
        print_count(file, *(const uint32_t *)field, key->inf);
        break;
    case CONFIG_LEVEL:
        (void)fputs(name_of(config_level_names, *(const int *)field), file);
        break;
    case CONFIG_FORMAT:
        (void)fputs(
            name_of(config_format_names, (int)*(const enum log_format *)field),
            file);
        break;
    case CONFIG_KIND:
        (void)fputs(
            name_of(config_kind_names, (int)*(const enum engine_kind *)field),
            file);
        break;
    case CONFIG_RATE:
        print_rate(file, base);
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

/* Has a semaphore of that kind the key? */
static bool has_key(enum engine_kind kind, size_t offset)
{
    bool is_of_rates = offset == offsetof(struct engine_definition, rate) ||
                       offset == offsetof(struct engine_definition, burst);
    bool is_of_others =
        offset == offsetof(struct engine_definition, permits) ||
        offset == offsetof(struct engine_definition, per_session);

    return kind == ENGINE_RATE ? !is_of_others : !is_of_rates;
}

static void print_semaphores(FILE *file, const struct config *config)
{
    (void)fputs(config->semaphores_count == 0 ? "semaphores: []\n"
                                              : "semaphores:\n",
                file);
    for (size_t i = 0; i < config->semaphores_count; i++) {
        const struct config_semaphore *semaphore = &config->semaphores[i];

        (void)fprintf(file, "  - {name: \"%s\"", semaphore->name);
        for (size_t j = 0; j < CONFIG_SEMAPHORE_KEYS_COUNT; j++) {
            const struct config_key *key = &config_semaphore_keys[j];

            if (has_key(semaphore->definition.kind, key->offset)) {
                (void)fprintf(file, ", %s: ", key->name);
                print_value(file, &semaphore->definition, key);
            }
        }
        (void)fputs("}\n", file);
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

/* Bytes that its value has, but for an address and a rate. */
static size_t value_bytes(enum config_type type)
{
    return type == CONFIG_BOOL       ? sizeof(bool)
           : type == CONFIG_DURATION ? sizeof(int64_t)
                                     : sizeof(uint32_t);
}

_Static_assert(sizeof(enum engine_kind) == sizeof(uint32_t) &&
                   sizeof(enum log_format) == sizeof(uint32_t),
               "enums are compared like numbers");

bool config_is_same(const void *before, const void *after,
                    const struct config_key *key)
{
    const char *a = (const char *)before + key->offset;
    const char *b = (const char *)after + key->offset;

    if (key->type == CONFIG_ADDRESS) {
        const char *x = *(char *const *)(const void *)a;
        const char *y = *(char *const *)(const void *)b;
        return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
    }
    if (key->type == CONFIG_RATE) {
        const struct engine_definition *x = before;
        const struct engine_definition *y = after;
        return x->rate == y->rate && x->per_ms == y->per_ms;
    }
    return memcmp(a, b, value_bytes(key->type)) == 0;
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
        if (key->needs_restart && !config_is_same(before, after, key)) {
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
