/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_DURATION_H
#define PERMIT_DURATION_H

/* Durations and rates as people write them, in the configuration and on the
 * command line: "1.5" (seconds), "250ms", "30s", "5m", "2h", "7d", "inf"; and
 * "100/s", "5/250ms". What is written here is read back as the same. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DURATION_INF (-1)
#define DURATION_TEXT_BYTES 24 /* Of any duration, with its NUL. */

/* Of RATEs: tokens, and the time in which so many come. */
#define RATE_MAX 2147483647
#define RATE_PER_MS_MAX INT64_C(31622400000) /* A leap year. */
#define RATE_TEXT_BYTES (12 + DURATION_TEXT_BYTES)

/* Reads all of text. Returns true and sets *ret_ms: milliseconds, rounded, but
 * never to 0 what is more; DURATION_INF for "inf". Returns false if it is no
 * duration, is negative, or has more than 2^53 milliseconds. */
bool duration_parse(const char *text, int64_t *ret_ms);

/* Writes ms (DURATION_INF: "inf") in the largest unit that it is a whole number
 * of. Returns buffer. */
char *duration_print(char buffer[DURATION_TEXT_BYTES], int64_t ms);

/* Reads all of text: N/UNIT, where UNIT is s, m, h, d or a duration. Returns
 * NULL and sets both, each at least 1; or what the text must be, to be said
 * after "must be". */
const char *rate_parse(const char *text, uint32_t *ret_rate,
                       uint64_t *ret_per_ms);

/* Writes a rate. Returns buffer. */
char *rate_print(char buffer[RATE_TEXT_BYTES], uint32_t rate, uint64_t per_ms);

#endif
