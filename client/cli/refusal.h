/* SPDX-License-Identifier: MIT */
#ifndef CLI_REFUSAL_H
#define CLI_REFUSAL_H

/* What is in the way of an acquire, as a refusal says it: in words, and as
 * JSON. */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "permit/permit.h"

/* Of what refusal_words() writes, with its NUL. */
#define REFUSAL_BYTES 1024

/* Writes what is to be said after why it was refused: "; 2 in the way, ...", or
 * "" if there is nothing. Returns text. */
const char *refusal_words(char text[REFUSAL_BYTES],
                          const struct permit_refusal *refusal);

/* Adds semaphore, position, permits_in_the_way and oldest. Returns false
 * without memory. */
bool refusal_add_json(cJSON *object, const struct permit_refusal *refusal);

#endif
