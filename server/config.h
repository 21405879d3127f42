/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_H
#define CONFIG_H

/* The configuration: files, environment and flags, read into one struct, or
 * refused as a whole with the place and what to do.
 *
 * A flag wins over PERMITD_SECTION_KEY in the environment, that over a file,
 * that over the default. FILE is read first, then conf.d/ *.yaml beside it, in
 * the order of their names; a later file wins key by key, and by semaphore.
 *
 * Law: nothing in a file is ignored. A key that is not known, or not served
 * yet, is refused by its name. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/engine.h"
#include "log.h"

#define CONFIG_ADDRESSES_MAX 16
#define CONFIG_ERROR_BYTES 512
#define CONFIG_KEY_BYTES 64

struct config_semaphore {
    char *name;
    unsigned file; /* The number of the file that it is from. */
    struct engine_definition definition;
};

struct config {
    char *listen[CONFIG_ADDRESSES_MAX]; /* "HOST:PORT", "unix:PATH". */
    size_t listen_count;
    bool insecure_listen;
    char *http_listen; /* NULL: none. */
    char *http_allowed_hosts[CONFIG_ADDRESSES_MAX];
    size_t http_allowed_hosts_count;
    int64_t drain_timeout_ms; /* -1: no limit. */
    int64_t priority_step_ms;
    int64_t heartbeat_ms;
    int64_t session_timeout_ms;
    int64_t linger_max_ms;
    int64_t grace_ms;
    struct engine_limits engine_limits;
    struct session_limits session_limits;
    struct engine_definition defaults; /* Of a semaphore in a file. */
    int log_level;                     /* LOG_ERR to LOG_DEBUG. */
    enum log_format log_format;
    struct config_semaphore *semaphores; /* By name. */
    size_t semaphores_count;
    unsigned files_count;
};

/* Flags that win over everything; NULL or 0 where not given. Borrowed. */
struct config_flags {
    const char *file;
    const char *listen[CONFIG_ADDRESSES_MAX];
    size_t listen_count;
    const char *http_listen;
};

/* Reads the configuration. Returns true and sets *ret_config, to be freed with
 * config_destroy(); or false, with a sentence in error that names file and line
 * or key, and says what would be right. */
bool config_load(const struct config_flags *flags, struct config **ret_config,
                 char error[CONFIG_ERROR_BYTES]);

/* Accepts NULL. */
void config_destroy(struct config *config);

/* Writes it as YAML, every key. */
void config_print(const struct config *config, FILE *file);

/* Sets name to the next key whose value differs and that only a restart changes
 * ("limits.max_sessions"), or returns false when there are no more; start with
 * *index 0. */
bool config_next_restart_key(const struct config *before,
                             const struct config *after, size_t *index,
                             char name[CONFIG_KEY_BYTES]);

/* Do both say the same of a semaphore? */
bool config_same_definition(const struct engine_definition *a,
                            const struct engine_definition *b);

/* Returns the entry of that name, or NULL. */
const struct config_semaphore *config_find(const struct config *config,
                                           const char *name);

#endif
