/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_SETTINGS_H
#define CLIENT_SETTINGS_H

/* What a client was made with: permit_options, checked, copied, and filled in
 * from the environment. */

#include <stdarg.h>

#include "core.h"
#include "permit/request.h"
#include "wire.h"

struct settings {
    struct permit_allocator allocator;
    char *servers;
    char name[WIRE_TEXT_BYTES_MAX + 1];
    char host[WIRE_TEXT_BYTES_MAX + 1];
    char purpose[WIRE_TEXT_BYTES_MAX + 1];
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    int64_t linger_ms;
    int64_t heartbeat_ms;
    uint32_t local_permits;        /* Or LOCAL_LIMIT_NONE. */
    struct permit_session_key end; /* Its id is 0: none. */
    uint64_t seed; /* Of chance: another for each client. Not for secrets. */
    void (*log)(void *arg, enum permit_log_level level, const char *text);
    void *log_arg;
};

/* `options` may be NULL. Returns PERMIT_OK, and *ret_settings is to be given to
 * settings_deinit(); or PERMIT_E_INVALID, PERMIT_E_UNSUPPORTED, PERMIT_E_NOMEM,
 * and `error`, if not NULL, gets the text, cut to error_bytes. */
enum permit_status settings_init(const struct permit_options *options,
                                 struct settings *ret_settings, char *error,
                                 size_t error_bytes);

void settings_deinit(struct settings *settings);

/* Borrowed from the settings. */
struct core_options settings_core_options(const struct settings *settings);

/* Says it to the user's log, if there is one. */
void settings_log(const struct settings *settings, enum permit_log_level level,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
