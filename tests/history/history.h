/* SPDX-License-Identifier: MIT */
#ifndef HISTORY_H
#define HISTORY_H

/* What clients saw of a daemon: one text a client, one line an event, as a
 * table of operations.
 *
 * It judges nothing; laws.h and search.h do. It knows nothing of the daemon
 * but what the clients wrote down, all on one clock (CLOCK_BOOTTIME, ns).
 *
 * Law: a stamp is on the side on which it accuses nobody. What was asked is
 * stamped before the call, what was answered after it; a belief begins after
 * the library said so, and ends before it may have ended.
 *
 * A client's lines, each after its stamp:
 *
 *     client LINGER_MS                    the first one
 *     ask R acquire SEMAPHORE PERMITS WAIT_MS HOLD_MS
 *     ask R consume SEMAPHORE PERMITS WAIT_MS
 *     ask R post SEMAPHORE PERMITS
 *     ask R release ACQUIRE PERMITS       R counts from 1
 *     waiting R                           the server said that it queues
 *     cancel R
 *     granted R FENCE GRANT WAITED_MS     the outcome of an acquire
 *     end R REASON                        any other outcome
 *     until R NS                          believed in until then, as known now
 *     lost R                              believed in no more
 *     value SEMAPHORE N                   of a counting one, when all is done
 *     bye                                 it ended by itself
 *     killed                              by the run, which adds this line
 *
 * The run's own, in a text that is read first:
 *
 *     semaphore NAME bounded|counting PERMITS
 *     fault                               the first one
 *     settled                             what ended clients had is free */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/error.h"

#define HISTORY_NEVER INT64_MAX
#define HISTORY_NAME_BYTES 64

struct history_semaphore {
    char name[HISTORY_NAME_BYTES];
    bool is_counting;
    int64_t permits;     /* As defined. */
    int64_t value;       /* Counting, at the end; -1: not asked for. */
    int64_t value_at_ns; /* When that was learnt. */
};

enum history_type {
    HISTORY_ACQUIRE = 1,
    HISTORY_CONSUME,
    HISTORY_POST,
    HISTORY_RELEASE
};

struct history_operation {
    enum history_type type;
    size_t client;
    uint64_t request;
    size_t semaphore;
    int64_t permits;
    int64_t wait_ms;
    int64_t hold_ms;
    int64_t asked_ns;
    int64_t waiting_ns;   /* NEVER: nobody said that it queues. */
    int64_t cancel_ns;    /* NEVER: not cancelled. */
    int64_t ended_ns;     /* NEVER: it has no outcome. */
    int64_t again_ns;     /* NEVER: it has no second outcome. */
    int64_t lost_ns;      /* Acquire; NEVER: not lost. */
    int64_t believed_ns;  /* Acquire: until when, as known last; 0: never. */
    int64_t back_permits; /* Acquire: given back, and answered so. */
    int64_t back_ns;      /* Acquire: when that was all of it; else NEVER. */
    enum permit_status status;
    uint64_t fence;
    uint64_t grant_id;
    int64_t waited_ms;
    size_t acquire; /* Release: whose. */
};

enum history_mark_type { MARK_UNTIL = 1, MARK_LOST, MARK_RELEASE };

/* What changed the belief in a grant, in the order of its client's lines. */
struct history_mark {
    enum history_mark_type type;
    size_t acquire;
    int64_t at_ns;
    int64_t value; /* Until: ns; release: permits. */
};

struct history_client {
    char name[HISTORY_NAME_BYTES];
    int64_t linger_ms;
    int64_t ended_ns; /* Killed, or said bye; NEVER. */
    bool was_killed;
    size_t first; /* Of its operations, which are side by side. */
    size_t count;
};

struct history {
    struct history_semaphore *semaphores;
    size_t semaphores_count;
    struct history_client *clients;
    size_t clients_count;
    struct history_operation *operations;
    size_t operations_count;
    struct history_mark *marks;
    size_t marks_count;
    int64_t fault_ns;   /* NEVER: there was none. */
    int64_t settled_ns; /* NEVER. */
};

void history_init(struct history *history);
void history_deinit(struct history *history);

/* Reads one text; `name` says whose. Returns true, or false with a sentence in
 * `error`: where it is broken. */
bool history_read(struct history *history, const char *name, const char *text,
                  char *error, size_t error_bytes);

/* Reads DIRECTORY/NAME.history. As history_read(). */
bool history_read_file(struct history *history, const char *directory,
                       const char *name, char *error, size_t error_bytes);

/* Writes the operations of one semaphore, for people. */
void history_print(const struct history *history, size_t semaphore);

/* Did the outcome come from the server, and say all? What has none, or ended
 * with a failure, may have had an effect or not. */
bool history_is_plain(const struct history_operation *operation);

/* May it have had its effect? */
bool history_may_have_happened(const struct history_operation *operation);

/* "client 3.0 request 17", for sentences; the buffer is the caller's. */
#define HISTORY_WHO_BYTES 112
const char *history_who(const struct history *history,
                        const struct history_operation *operation,
                        char who[HISTORY_WHO_BYTES]);

#endif
