/* SPDX-License-Identifier: MIT */
#ifndef SIM_RECORDS_H
#define SIM_RECORDS_H

/* The records of one event, as they come: each whole, in order, and found again
 * when an answer tells of it. And records that are broken. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "random.h"

/* More than any event of the world makes. */
#define RECORDS_MAX 8192

struct records {
    uint64_t seq; /* Of the latest. */
    bool is_torn; /* The latest goes with one that has not come yet. */
    size_t count;
    struct {
        enum engine_record_type type;
        uint64_t session_id;
        uint64_t request_id;
        uint64_t grant_id;
    } rows[RECORDS_MAX];
};

/* An event begins: forgets those of the one before. */
void records_begin(struct records *records);

/* Adds one. Returns what is wrong with it, or NULL; constant. */
const char *records_note(struct records *records,
                         const struct engine_record *record);

/* Was there such a record since the event began? A request_id or grant_id of 0
 * is any. */
bool records_have(const struct records *records, enum engine_record_type type,
                  uint64_t session_id, uint64_t request_id, uint64_t grant_id);

/* Returns a copy in which something is wrong, so that it fits no state at all.
 */
struct engine_record records_spoil(const struct engine_record *record,
                                   struct random *random);

#endif
