/* SPDX-License-Identifier: MIT */
/* What a Release or a Settle makes of the handle of a grant, for both faces. */
#include <string.h>

#include "grant.h"

/* Returns the index of a part, or parts_count. */
static uint32_t find_part(const struct permit_grant *grant,
                          const char *semaphore)
{
    uint32_t i = 0;

    while (i < grant->parts_count &&
           strcmp(grant->parts[i].semaphore, semaphore) != 0) {
        i++;
    }
    return i;
}

/* What the server refuses as a whole takes nothing from the handle. */
static void note_part(const struct permit_grant *grant,
                      const struct permit_part *part, struct grant_given *given)
{
    uint32_t i = find_part(grant, part->semaphore);

    if (i == grant->parts_count || given->permits[i] != 0 ||
        part->permits > atomic_load(&grant->parts[i].permits)) {
        given->is_too_much = true;
    } else {
        given->permits[i] = part->permits;
    }
}

/* All that is left, by name or not. */
static bool is_whole(const struct permit_grant *grant,
                     const struct grant_given *given)
{
    for (uint32_t i = 0; i < grant->parts_count; i++) {
        if (given->permits[i] != atomic_load(&grant->parts[i].permits)) {
            return false;
        }
    }
    return !given->is_too_much && !atomic_load(&grant->is_to_settle);
}

static enum permit_status check(const struct grant_release *release,
                                const char **ret_detail)
{
    enum permit_status status = PERMIT_OK;

    if (release->count > WIRE_PARTS_MAX ||
        (release->count > 0 && release->parts == NULL) ||
        (release->outcome_bytes > 0 && release->outcome == NULL) ||
        release->outcome_bytes > WIRE_OUTCOME_BYTES_MAX) {
        *ret_detail = "a grant has at most 8 parts, an outcome 4096 bytes";
        return PERMIT_E_INVALID;
    }
    for (size_t i = 0; i < release->count && status == PERMIT_OK; i++) {
        const char *name = release->parts[i].semaphore;

        status = wire_check_name(name, name == NULL ? 0 : strlen(name), false,
                                 ret_detail);
    }
    return status;
}

enum permit_status grant_ask_release(const struct permit_grant *grant,
                                     const struct grant_release *release,
                                     struct wire_client_message *ret_message,
                                     struct grant_given *ret_given,
                                     const char **ret_detail)
{
    struct wire_release *to = &ret_message->release;
    enum permit_status status = check(release, ret_detail);

    if (status != PERMIT_OK) {
        return status;
    }
    memset(ret_given, 0, sizeof(*ret_given));
    memset(ret_message, 0, sizeof(*ret_message));
    ret_given->is_settle = release->is_settle;
    ret_message->type = release->is_settle ? WIRE_SETTLE : WIRE_RELEASE;
    to->acquire_id = grant->acquire_id;
    to->has_outcome = release->outcome != NULL;
    to->outcome.data = release->outcome;
    to->outcome.length = release->outcome_bytes;
    for (size_t i = 0; i < release->count; i++) {
        to->parts[i].semaphore = release->parts[i].semaphore;
        to->parts[i].permits = release->parts[i].permits;
        if (!release->is_settle) {
            note_part(grant, &release->parts[i], ret_given);
        }
    }
    to->parts_count = (uint32_t)release->count;
    if (release->is_settle) {
        return PERMIT_OK;
    }
    if (release->count == 0) {
        ret_given->is_whole = true;
        for (uint32_t i = 0; i < grant->parts_count; i++) {
            ret_given->permits[i] = atomic_load(&grant->parts[i].permits);
        }
    } else if (is_whole(grant, ret_given)) {
        ret_given->is_whole = true;
        to->parts_count = 0;
    }
    return PERMIT_OK;
}

void grant_begin_release(struct permit_grant *grant, struct grant_given *given)
{
    given->is_late = grant_was_unprotected(grant);
    if (given->is_late) {
        grant_lose_by_clock(grant);
    }
    for (uint32_t i = 0; i < grant->parts_count && !given->is_too_much; i++) {
        atomic_fetch_sub(&grant->parts[i].permits, given->permits[i]);
    }
    if (given->is_whole) {
        atomic_store(&grant->is_released, true);
    }
}

/* For all that the client can know; else it may be tried again. */
static bool is_given_back(enum permit_status status)
{
    return status == PERMIT_OK || status == PERMIT_E_NOT_HELD ||
           status == PERMIT_E_EXPIRED || status == PERMIT_E_NO_ANSWER ||
           status == PERMIT_E_OUTCOME_UNKNOWN;
}

/* Of a Settle; or all, for the server knows better what is left. */
static void end_parts(struct permit_grant *grant, bool all)
{
    bool is_empty = true;

    atomic_store(&grant->is_to_settle, false);
    for (uint32_t i = 0; i < grant->parts_count; i++) {
        struct grant_part *part = &grant->parts[i];

        if (all || part->is_taken) {
            atomic_store(&part->permits, 0);
        }
        is_empty = is_empty && atomic_load(&part->permits) == 0;
    }
    if (is_empty) {
        atomic_store(&grant->is_released, true);
    }
}

enum permit_status grant_end_release(struct permit_grant *grant,
                                     const struct grant_given *given,
                                     enum permit_status status)
{
    bool is_over = status == PERMIT_E_NOT_HELD || status == PERMIT_E_EXPIRED ||
                   (status == PERMIT_OK && given->is_too_much);

    if (!is_given_back(status)) {
        for (uint32_t i = 0; i < grant->parts_count && !given->is_too_much;
             i++) {
            atomic_fetch_add(&grant->parts[i].permits, given->permits[i]);
        }
        if (given->is_whole) { /* Else another's release may be under way. */
            atomic_store(&grant->is_released, false);
        }
    } else if (is_over || given->is_settle) {
        end_parts(grant, is_over);
    }
    return status == PERMIT_OK && given->is_late ? PERMIT_E_EXPIRED : status;
}
