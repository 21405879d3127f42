/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

/* The keys of the configuration that have one value, as a table: their names,
 * types, ranges and places in struct config. Shared by config.c,
 * config_file.c and config_print.c alone; it knows nothing of lists.
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
    CONFIG_FORMAT
};

struct config_key {
    const char *section; /* "" at the top. */
    const char *name;
    enum config_type type;
    size_t offset; /* In struct config. */
    int64_t min;
    int64_t max;
    int64_t inf; /* What "inf" stands for, or CONFIG_NO_INF. */
    bool needs_restart;
};

#define CONFIG_NO_INF INT64_MIN
#define CONFIG_KEYS_COUNT 32
extern const struct config_key config_keys[CONFIG_KEYS_COUNT];

/* A word of a key and what it stands for; a table ends with NULL. */
struct config_name {
    const char *text;
    int value;
};

extern const struct config_name config_level_names[];
extern const struct config_name config_format_names[];

/* Reads text as the value of key. Returns false with what it must be in error,
 * after "path: ". */
bool config_set(struct config *config, const struct config_key *key,
                const char *text, char error[CONFIG_ERROR_BYTES]);

/* Reads text as true or false. */
bool config_read_bool(const char *text, bool *ret_value);

/* Reads text as whole number of min to max. */
bool config_read_count(const char *text, int64_t min, int64_t max,
                       int64_t *ret_number);

/* Adds what file says to *config; nothing else is checked. */
bool config_read_file(struct config *config, const char *file,
                      char error[CONFIG_ERROR_BYTES]);

#endif
