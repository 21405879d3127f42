/* SPDX-License-Identifier: MIT */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

/* PERMIT_OUTCOME: what the command of `permit run` leaves for those who join,
 * in a file without a name, which is gone with the wrapper. The command need
 * not inherit it: it opens it by the wrapper's number.
 *
 * It knows neither the daemon nor what an outcome means. */

#include <stddef.h>

#include "permit/permit.h"

#define OUTCOME_PATH_BYTES 64

/* Makes the file. Returns its descriptor, closed on exec, or -1. */
int outcome_create(void);

/* Where the command finds it. Returns path. */
const char *outcome_path(int file, char path[OUTCOME_PATH_BYTES]);

/* Reads what is in it; -1 is an empty one. Returns its bytes, which may be more
 * than the PERMIT_OUTCOME_BYTES_MAX that are read at most, or a negative errno.
 */
int64_t outcome_read(int file, unsigned char data[PERMIT_OUTCOME_BYTES_MAX]);

#endif
