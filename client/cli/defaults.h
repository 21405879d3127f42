/* SPDX-License-Identifier: MIT */
#ifndef CLI_DEFAULTS_H
#define CLI_DEFAULTS_H

/* The user's defaults: $XDG_CONFIG_HOME/permit/config.yaml, or else
 * ~/.config/permit/config.yaml. Its keys are options of the same names.
 *
 * Law: they come before what the environment and the command line say, so those
 * win; and nothing in the file is ignored. */

#include "options.h"

struct defaults;

/* Fills options with what the file says; a file that is not there says nothing.
 * Returns true, with *ret_defaults for defaults_destroy(): options' texts live
 * in it; or false with options->error, and options may have got some of it. */
bool defaults_load(struct options *options, struct defaults **ret_defaults);

/* Accepts NULL. */
void defaults_destroy(struct defaults *defaults);

#endif
