/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTIONS_READ_H
#define CLI_OPTIONS_READ_H

/* The kinds of texts that options have: numbers, durations, words.
 *
 * Law: what is wrong is remembered in options->error, the first of it, and
 * names the option: `what`. */

#include <argp.h>

#include "options.h"

/* Remembers what is wrong, if nothing was before. Returns 0. */
error_t options_refuse(struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads a number, in digits alone. Returns false if it is none up to max. */
bool options_read_number(const char *text, uint64_t max, uint64_t *ret_number);

/* Those that follow return 0, and set what they read unless it is wrong. */

error_t options_read_count(struct options *options, const char *what,
                           const char *text, uint32_t max,
                           uint32_t *ret_number);

/* At least 1. */
error_t options_read_some(struct options *options, const char *what,
                          const char *text, uint32_t max, uint32_t *ret_number);

/* Of a client's free text: borrowed. */
error_t options_read_text(struct options *options, const char *what,
                          const char *text, const char **ret_text);

/* `none_ms` is what "inf" means to the option. */
error_t options_read_duration(struct options *options, const char *what,
                              const char *text, int64_t none_ms,
                              int64_t *ret_ms);

error_t options_read_word(struct options *options, const char *what,
                          const char *text, const char *const *words,
                          int *ret_index);

#endif
