/* SPDX-License-Identifier: MIT */
#ifndef TAKES_H
#define TAKES_H

/* What a session took for good, or of RATEs to settle, and was not told yet, so
 * that it can come back if the session ends untold.
 *
 * It knows how far a Granted came: not sent, in the gate, in the buffer of the
 * connection. What the kernel has a byte of is told, and forgotten here; so is
 * what it cannot keep, without memory. It changes nothing in the engine.
 *
 * Law: in the gate and in the buffer they lie in the order of their frames,
 * those of one acquire side by side. */

#include <stdbool.h>
#include <stdint.h>

struct take {
    uint64_t acquire_id;
    uint64_t offset;  /* In the buffer: bytes of output before its chunk. */
    uint32_t permits; /* 0: nothing of it comes back. */
    bool is_kept;     /* For its Settle. */
    struct take *next;
    struct take *prev;
    char semaphore[]; /* Ends with a NUL. */
};

/* Zeroed, it has none. */
struct takes {
    struct take *unsent;
    struct take *in_gate;
    struct take *in_buffer;
};

/* Frees all. */
void takes_deinit(struct takes *takes);

/* Keeps one part of an acquire that is not sent. */
void takes_add(struct takes *takes, uint64_t acquire_id, const char *semaphore,
               uint32_t permits, bool is_kept);

/* The Granted of an acquire goes into the gate. Returns false if that tells of
 * nothing that is kept here. One that is on its way already counts as told. */
bool takes_send(struct takes *takes, uint64_t acquire_id);

/* A chunk with `count` of them left the gate. It lies behind `offset` bytes of
 * output, of all of which the kernel has `written` bytes. */
void takes_leave_gate(struct takes *takes, uint32_t count, uint64_t offset,
                      uint64_t written);

/* Nothing more is written, and the kernel has `written` bytes of the output:
 * what is not among them is unsent. */
void takes_cut(struct takes *takes, uint64_t written);

/* What is on its way counts as told from now on. */
void takes_trust(struct takes *takes);

/* The semaphore is deleted: what was taken of it can't come back. */
void takes_forget(struct takes *takes, const char *semaphore);

/* The acquire was settled: its session has said what it used. */
void takes_settle(struct takes *takes, uint64_t acquire_id);

/* Moves all that is unsent to the end of *unsent, a list by next and prev. */
void takes_move_unsent(struct takes *takes, struct take **unsent);

#endif
