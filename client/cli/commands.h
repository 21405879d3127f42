/* SPDX-License-Identifier: MIT */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

/* The commands of `permit`: their options, their words, their functions. */

#include "options.h"

/* For `permit --help`. */
extern const char commands_doc[];

/* Returns the command of that name, or NULL. */
const struct command *commands_find(const char *name);

/* Is it the name of a command that this version does not serve? */
bool commands_is_unserved(const char *name);

/* Each returns permit's exit code. */
int run_command(const struct options *options);
int hold_command(const struct options *options);
int take_command(const struct options *options);
int post_command(const struct options *options);
int set_command(const struct options *options);
int delete_command(const struct options *options);
int status_command(const struct options *options);
int holders_command(const struct options *options);
int waiters_command(const struct options *options);
int renew_command(const struct options *options);
int verify_command(const struct options *options);
int why_command(const struct options *options);
int export_command(const struct options *options);
int apply_command(const struct options *options);
int ping_command(const struct options *options);

#endif
