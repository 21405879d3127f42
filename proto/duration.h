/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_DURATION_H
#define PERMIT_DURATION_H

/* Durations as people write them, in the configuration and on the command line:
 * "1.5" (seconds), "250ms", "30s", "5m", "2h", "7d", "inf". */

#include <stdbool.h>
#include <stdint.h>

#define DURATION_INF (-1)

/* Reads all of text. Returns true and sets *ret_ms: milliseconds, rounded, but
 * never to 0 what is more; DURATION_INF for "inf". Returns false if it is no
 * duration, is negative, or has more than 2^53 milliseconds. */
bool duration_parse(const char *text, int64_t *ret_ms);

#endif
