/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

/* The keys of the configuration that have one value, as tables: their names,
 * types, ranges and places in struct config, or, of the entries of
 * `semaphores`, in struct engine_definition. Shared by config*.c alone; it
 * knows nothing of lists.
 *
 * Law: a key that is in the table is read, printed and compared by its type,
 * and nowhere by its name. */

#include "config.h"

enum config_type {
    CONFIG_BOOL = 1,
    CONFIG_ADDRESS,  /* char *; "null" is none. */
    CONFIG_DURATION, /* int64_t milliseconds. */
    CONFIG_COUNT,    /* uint32_t. */
    CONFIG_BYTES,    /* uint32_t. */
    CONFIG_PERIOD,   /* uint32_t milliseconds. */
    CONFIG_LEVEL,
    CONFIG_FORMAT,
    CONFIG_KIND,
    CONFIG_RATE /* Of a definition: its rate and per_ms. */
};

struct config_key {
    const char *section; /* "" at the top. */
    const char *name;
    enum config_type type;
    size_t offset;
    int64_t min;
    int64_t max;
    int64_t inf; /* What "inf" stands for, or CONFIG_NO_INF. */
    bool needs_restart;
};

#define CONFIG_NO_INF INT64_MIN
#define CONFIG_KEYS_COUNT 36
extern const struct config_key config_keys[CONFIG_KEYS_COUNT];

/* Of a semaphore, but for its name. */
#define CONFIG_SEMAPHORE_KEYS_COUNT 12
extern const struct config_key
    config_semaphore_keys[CONFIG_SEMAPHORE_KEYS_COUNT];

/* An entry of `semaphores` as a file says it; what is not there is NULL. */
struct config_raw_semaphore {
    char *name;
    char *values[CONFIG_SEMAPHORE_KEYS_COUNT];
};

/* A word of a key and what it stands for; a table ends with NULL. */
struct config_name {
    const char *text;
    int value;
};

extern const struct config_name config_level_names[];
extern const struct config_name config_format_names[];
extern const struct config_name config_kind_names[];

/* Reads text as the value of key in the struct that it is a key of. Returns
 * false with what it must be in error, after "path: ". */
bool config_set(void *base, const struct config_key *key, const char *text,
                char error[CONFIG_ERROR_BYTES]);

/* Is the value of key the same in both? */
bool config_is_same(const void *before, const void *after,
                    const struct config_key *key);

/* Adds the semaphores of a file to *config. */
bool config_add_semaphores(struct config *config,
                           const struct config_raw_semaphore *raw,
                           unsigned count, const char *file,
                           char error[CONFIG_ERROR_BYTES]);

/* Adds what file says to *config; nothing else is checked. */
bool config_read_file(struct config *config, const char *file,
                      char error[CONFIG_ERROR_BYTES]);

#endif
