/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTIONS_SET_H
#define CLI_OPTIONS_SET_H

/* The options of `permit set`: what a definition sets. They are the keys of a
 * file for `permit apply`, too. */

#include <argp.h>

#include "options.h"

/* As options_take(), of these options alone. */
error_t options_set_take(struct options *options, int key, char *text);

/* Refuses what the options say together and cannot be. Returns 0. */
error_t options_set_check(struct options *options);

#endif
