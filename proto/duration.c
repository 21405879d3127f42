/* SPDX-License-Identifier: MIT */
#include "duration.h"

#include <ctype.h>
#include <stddef.h>
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
