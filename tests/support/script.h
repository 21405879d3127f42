/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_SCRIPT_H
#define SUPPORT_SCRIPT_H

/* Scripts for the engine on a fake clock: events in, a transcript out, to be
 * compared with what is expected.
 *
 * Sessions are known by small numbers of the script's own, so that no test
 * depends on ids. It asserts by Check, and does not know what is right: but
 * after each script the engine must be consistent, and an engine restored from
 * its records must be in the same state. */

#include <stdint.h>

#include "engine.h"

#define SCRIPT_SESSIONS_MAX 64

struct script {
    struct engine *engine;
    struct engine_limits limits;
    uint64_t now_ns;
    uint64_t session_ids[SCRIPT_SESSIONS_MAX]; /* By number; 0: never opened. */
    bool shows_records;
    bool is_quiet;        /* Long runs: neither transcript nor records. */
    bool shows_obstacles; /* All of them; else of what has no retry. */
    struct engine_part parts[LIMIT_PARTS_MAX]; /* Of the latest request. */
    char names[LIMIT_PARTS_MAX + 1][LIMIT_NAME_BYTES_MAX + 1];
    uint64_t calls; /* Of engine_apply() and engine_continue(). */
    uint64_t effects;
    struct engine_answer answer; /* The latest; what it points to is gone. */
    char *transcript;
    size_t transcript_bytes;
    struct engine_record *records;
    size_t records_count;
};

/* Limits of a few dozens, time 0, no session. */
void script_init(struct script *script);
void script_init_with(struct script *script,
                      const struct engine_limits *limits);

/* Checks the engine and what is restored from its records, then frees all. */
void script_finish(struct script *script);

/* Applies an event at now_ns, and drains its effects to the end. */
void script_apply(struct script *script, const struct engine_event *event);

void script_tick(struct script *script, uint64_t now_ms);
/* Opens sessions first to last, with a timeout of silence. */
void script_open(struct script *script, int first, int last,
                 int64_t timeout_ms);
/* The same, with a linger. */
void script_open_lingering(struct script *script, int first, int last,
                           int64_t timeout_ms, int64_t linger_ms);
/* By the server, or by the client. */
void script_disconnect(struct script *script, int session);
void script_hang_up(struct script *script, int session);
/* Opens a session that goes on with one, or ends it first. */
void script_resume(struct script *script, int session);
void script_open_ending(struct script *script, int session, int ended);
void script_end(struct script *script, int session);
void script_heard(struct script *script, int session);
void script_drain(struct script *script);

/* Of one permit of "jobs", or of the parts that a text names: "jobs 2 api 1"; a
 * "!" behind the permits takes them for good. */
void script_acquire(struct script *script, int session, uint64_t request_id,
                    int64_t wait_ms);
void script_acquire_some(struct script *script, int session,
                         uint64_t request_id, int64_t wait_ms,
                         uint32_t permits);
void script_acquire_hold(struct script *script, int session,
                         uint64_t request_id, int64_t wait_ms, int64_t hold_ms);
void script_acquire_of(struct script *script, int session, uint64_t request_id,
                       int64_t wait_ms, const char *parts);
/* To be changed and applied before the next request. */
struct engine_event script_acquire_event(struct script *script, int session,
                                         uint64_t request_id, int64_t wait_ms,
                                         const char *parts);
void script_consume(struct script *script, int session, uint64_t request_id,
                    int64_t wait_ms, uint32_t permits);
void script_cancel(struct script *script, int session, uint64_t request_id,
                   uint64_t acquire_id);
void script_release(struct script *script, int session, uint64_t request_id,
                    uint64_t acquire_id);
void script_release_some(struct script *script, int session,
                         uint64_t request_id, uint64_t acquire_id,
                         const char *parts);
void script_release_with(struct script *script, int session,
                         uint64_t request_id, uint64_t acquire_id,
                         const char *outcome);
void script_settle(struct script *script, int session, uint64_t request_id,
                   uint64_t acquire_id, const char *actual);
void script_why(struct script *script, int session, uint64_t request_id,
                const char *parts);

void script_renew(struct script *script, int session, uint64_t request_id,
                  uint64_t acquire_id, int64_t hold_ms);
void script_verify(struct script *script, int session, uint64_t request_id,
                   uint64_t grant_id, uint64_t fence);

/* The server's own, by session 0. */
void script_bounded(struct script *script, const char *semaphore,
                    uint32_t permits);
void script_counting(struct script *script, const char *semaphore,
                     uint32_t permits);
/* A bounded one, with or without slots. */
void script_slots(struct script *script, const char *semaphore,
                  uint32_t permits, bool slots);
/* Its fields as a text: "kind=3 rate=10 burst=20". */
void script_define_as(struct script *script, const char *semaphore,
                      const char *text);
void script_define(struct script *script, const char *semaphore,
                   const struct engine_definition *definition);
void script_delete(struct script *script, const char *semaphore, bool force,
                   int64_t grace_ms);
void script_post(struct script *script, const char *semaphore,
                 uint32_t permits);

/* Asserts that the transcript since the last call is this; then forgets it. */
void script_expect(struct script *script, const char *expected);
void script_forget(struct script *script);

/* For the script's own files: add to the transcript. */
void script_print(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void script_print_effect(struct script *script,
                         const struct engine_effect *effect);

struct engine_semaphore_view script_view(const struct script *script,
                                         const char *semaphore);

extern const uint8_t script_secret[ENGINE_HASH_SECRET_BYTES];

/* A new engine, restored from the script's records. */
struct engine *script_restore(const struct script *script);

/* Asserts that both have the same semaphores, sessions and grants. */
void script_assert_same(const struct engine *a, const struct engine *b);

#endif
