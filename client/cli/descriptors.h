/* SPDX-License-Identifier: MIT */
#ifndef CLI_DESCRIPTORS_H
#define CLI_DESCRIPTORS_H

/* Which descriptors of its caller `permit run` keeps: none that the command is
 * given, so that whoever reads the command's output, or writes its input, sees
 * the end when the command is done with it. */

#include <stdbool.h>
#include <stddef.h>

#define DESCRIPTORS_KEPT_MAX 8

/* Opens those of 0 to 2 that the caller has closed, so that nothing of ours
 * gets their numbers; a command still sees them closed. Returns 0 or a negative
 * errno. */
int descriptors_reserve_standard(void);

/* Closes every descriptor above 2 but those in `kept` (-1 is none), and puts
 * /dev/null in the place of 0 and 1, and of 2 if `stderr_too`. */
void descriptors_let_go(const int *kept, size_t kept_count, bool stderr_too);

/* Puts /dev/null in the place of `descriptor`; 0 to 2 must not be free. Returns
 * 0 or a negative errno. */
int descriptor_to_null(int descriptor);

#endif
