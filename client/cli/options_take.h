/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTIONS_TAKE_H
#define CLI_OPTIONS_TAKE_H

/* One option's text, read into struct options: for the command line and for the
 * user's file of defaults alike.
 *
 * Law: what is wrong is remembered in options->error, the first of it, and the
 * reading goes on: a --json that follows says how it is to be told. */

#include <argp.h>

#include "options.h"

/* Takes the option of that key (a letter or enum option_key). Returns 0, also
 * if options->error says now what is wrong; ARGP_ERR_UNKNOWN if the key is none
 * of a command's; ECANCELED if only --help or --usage is to be answered. Texts
 * are borrowed. */
error_t options_take(struct options *options, int key, char *text);

#endif
