/* SPDX-License-Identifier: MIT */
#include "duration.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MS_MAX                                                        \
    9007199254740992.0 /* 2^53: a double is exact so far.                      \
                        */

static const struct {
    const char *name;
    double ms;
} units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
             {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

bool duration_parse(const char *text, int64_t *ret_ms)
{
    char *end;
    char after;
    double number;

    if (strcmp(text, "inf") == 0) {
        *ret_ms = DURATION_INF;
        return true;
    }
    /* strtod() also takes signs, spaces, hexadecimal, "nan" and exponents. */
    after = text[strspn(text, "0123456789.")];
    if (!isdigit((unsigned char)text[0]) ||
        (after != '\0' && strchr("eExX", after) != NULL)) {
        return false;
    }
    number = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) == 0) {
            double ms = number * units[i].ms;
            if (ms > DURATION_MS_MAX) {
                return false;
            }
            *ret_ms = ms > 0 && ms < 1 ? 1 : (int64_t)(ms + 0.5);
            return true;
        }
    }
    return false;
}

char *duration_print(char buffer[DURATION_TEXT_BYTES], int64_t ms)
{
    size_t unit = sizeof(units) / sizeof(units[0]) - 1;

    assert(ms >= DURATION_INF);
    if (ms == DURATION_INF) {
        (void)snprintf(buffer, DURATION_TEXT_BYTES, "inf");
        return buffer;
    }
    while (ms % (int64_t)units[unit].ms != 0 || (ms == 0 && unit > 2)) {
        unit--; /* It ends at "ms" at the latest; 0 is "0s". */
    }
    (void)snprintf(buffer, DURATION_TEXT_BYTES, "%" PRId64 "%s",
                   ms / (int64_t)units[unit].ms, units[unit].name);
    return buffer;
}

const char *rate_parse(const char *text, uint32_t *ret_rate,
                       uint64_t *ret_per_ms)
{
    const char *slash = strchr(text, '/');
    unsigned long long rate;
    int64_t per_ms = -1;
    char one[] = "1?"; /* "s" alone is 1s. */
    char *end;

    errno = 0;
    rate = strtoull(text, &end, 10);
    if (slash == NULL || !isdigit((unsigned char)text[0]) || end != slash) {
        return "N/UNIT, like 100/s, 5/250ms or 1000/d";
    }
    if (errno != 0 || rate < 1 || rate > RATE_MAX) {
        return "of 1 to 2147483647 tokens";
    }
    one[1] = slash[1];
    if (!duration_parse(strlen(slash) == 2 && isalpha((unsigned char)slash[1])
                            ? one
                            : slash + 1,
                        &per_ms)) {
        return "per s, m, h, d or a duration, like 100/s or 5/250ms";
    }
    if (per_ms < 1 || per_ms > RATE_PER_MS_MAX) {
        return "per 1ms to 366d";
    }
    *ret_rate = (uint32_t)rate;
    *ret_per_ms = (uint64_t)per_ms;
    return NULL;
}

char *rate_print(char buffer[RATE_TEXT_BYTES], uint32_t rate, uint64_t per_ms)
{
    char per[DURATION_TEXT_BYTES];
    bool is_unit;

    assert(per_ms >= 1 && per_ms <= RATE_PER_MS_MAX);
    (void)duration_print(per, (int64_t)per_ms);
    is_unit = per[0] == '1' && strlen(per) == 2; /* "1s", but not "1ms". */
    (void)snprintf(buffer, RATE_TEXT_BYTES, "%" PRIu32 "/%s", rate,
                   is_unit ? per + 1 : per);
    return buffer;
}
