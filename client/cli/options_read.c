/* SPDX-License-Identifier: MIT */
#include "options_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "wire.h"

error_t options_refuse(struct options *options, const char *format, ...)
{
    va_list arguments;

    if (options->error[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(options->error, sizeof(options->error), format,
                        arguments);
        va_end(arguments);
    }
    return 0;
}

bool options_read_number(const char *text, uint64_t max, uint64_t *ret_number)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text < '0' ||
        *text > '9' || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

error_t options_read_count(struct options *options, const char *what,
                           const char *text, uint32_t max, uint32_t *ret_number)
{
    uint64_t number;

    if (!options_read_number(text, max, &number)) {
        return options_refuse(options, "%s: '%s' is no number up to %u", what,
                              text, max);
    }
    *ret_number = (uint32_t)number;
    return 0;
}

error_t options_read_text(struct options *options, const char *what,
                          const char *text, const char **ret_text)
{
    if (strlen(text) > WIRE_TEXT_BYTES_MAX) {
        return options_refuse(options, "%s: longer than %d bytes", what,
                              WIRE_TEXT_BYTES_MAX);
    }
    *ret_text = text;
    return 0;
}

error_t options_read_duration(struct options *options, const char *what,
                              const char *text, int64_t none_ms,
                              int64_t *ret_ms)
{
    int64_t ms;

    if (!duration_parse(text, &ms)) {
        return options_refuse(
            options,
            "%s: '%s' is no duration such as 1.5, 250ms, 30s, 5m, "
            "2h, 7d or inf",
            what, text);
    }
    *ret_ms = ms == DURATION_INF ? none_ms : ms;
    return 0;
}

error_t options_read_word(struct options *options, const char *what,
                          const char *text, const char *const *words,
                          int *ret_index)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return options_refuse(options, "%s: no such choice: '%s'", what, text);
}

error_t options_read_some(struct options *options, const char *what,
                          const char *text, uint32_t max, uint32_t *ret_number)
{
    uint32_t number = 1;

    (void)options_read_count(options, what, text, max, &number);
    if (number == 0) {
        return options_refuse(options, "%s: must be at least 1", what);
    }
    *ret_number = number;
    return 0;
}
