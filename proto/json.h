/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_JSON_H
#define PERMIT_JSON_H

/* Semaphores, holders and waiters as JSON: the one shape that the HTTP endpoint
 * and the command line show.
 *
 * It knows neither paths nor pages, and prints nothing. All functions return
 * NULL or false without memory, and leak nothing then; what is returned belongs
 * to the caller.
 *
 * Law: the result is valid JSON whatever bytes a client named itself with; keys
 * are always there, null where there is nothing to say. */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "permit/info.h"

cJSON *json_semaphore(const struct permit_semaphore_info *info);

/* "idle", "active", "saturated", "paused" or "shrunk". */
const char *json_state(const struct permit_semaphore_info *info);

/* now_ms is the wall clock, in ms since the epoch, only to print times. */
cJSON *json_holder(const struct permit_holder_info *info, int64_t now_ms);
cJSON *json_waiter(const struct permit_waiter_info *info, int64_t now_ms);

/* Adds a time as RFC 3339, UTC, with ms; null if it is outside the years 1970
 * to 9999. */
bool json_add_time(cJSON *object, const char *key, int64_t wall_ms);

/* Adds a text; bytes that are not UTF-8 become U+FFFD. */
bool json_add_text(cJSON *object, const char *key, const char *text);

/* Adds a 64-bit id or fence as a string: numbers lose digits above 2^53. */
bool json_add_id(cJSON *object, const char *key, uint64_t id);

/* Adds a duration in seconds; null if it is negative. */
bool json_add_seconds(cJSON *object, const char *key, int64_t ms);

#endif
