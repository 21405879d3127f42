/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct outcome *outcome_create(const uint8_t *bytes, uint32_t length)
{
    struct outcome *outcome = malloc(sizeof(*outcome) + length);

    if (outcome != NULL) {
        outcome->users = 1;
        outcome->length = length;
        memcpy(outcome->bytes, bytes, length);
    }
    return outcome;
}

void outcome_drop(struct outcome *outcome)
{
    if (outcome == NULL) {
        return;
    }
    assert(outcome->users > 0);
    if (--outcome->users == 0) {
        free(outcome);
    }
}
