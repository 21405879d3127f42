/* SPDX-License-Identifier: MIT */
#ifndef PLAYER_H
#define PLAYER_H

/* A client that writes down what it sees: its tasks, each of which asks for one
 * thing at a time, and what they write.
 *
 * What to ask for, and when, is player.c's.
 *
 * Law: stamps are on the side that history.h says. The library learns what it
 * learns within a turn of the loop, so that a stamp before the turn is before
 * any loss in it. */

#include <permit/adapter/poll.h>
#include <permit/async.h>

#include "history.h"
#include "random.h"

#define NS_PER_MS INT64_C(1000000)
#define TASKS 4

enum task_state {
    TASK_IDLE = 1, /* Until due. */
    TASK_ASKED,    /* Due: to be cancelled. */
    TASK_HOLDS,    /* Due: to be released. */
    TASK_PARTIAL,  /* A part of it is being given back. */
    TASK_RELEASING,
    TASK_POSTING,
    TASK_OWES /* Due: to post what it consumed. */
};

/* One thing at a time. */
struct task {
    struct player *player;
    enum task_state state;
    int64_t due_ns;
    const struct history_semaphore *semaphore;
    uint32_t permits;
    bool consumes;
    bool is_waiting;     /* Said so already. */
    bool is_cancelled;   /* That was asked for. */
    uint64_t request_id; /* The library's. */
    uint64_t number;     /* The history's, of what is under way. */
    uint64_t acquire;    /* The history's, of what it holds. */
    struct permit_grant *grant;
    int64_t until_ns; /* As written down last. */
    bool is_small;
    int64_t period; /* Small: which one, and how much of it is done. */
    int done;
};

struct player {
    struct permit_async *client;
    struct permit_poll tie;
    struct history world; /* For its semaphores. */
    struct random random;
    int file;
    uint64_t numbers;
    int64_t began_ns; /* Of the first small period; 0: it has no part. */
    int64_t until_ns;
    int64_t turn_ns; /* Nothing was learnt since the last turn, and before. */
    struct task tasks[TASKS];
    bool is_value_known; /* Last. */
};

/* CLOCK_BOOTTIME. */
int64_t now_ns(void);

/* Says what failed, with errno, and exits. */
_Noreturn void fail(const char *what);

/* Writes one line: the stamp and what is said. */
__attribute__((format(printf, 3, 4))) void
note(const struct player *player, int64_t at_ns, const char *format, ...);

int64_t random_ns(struct player *player, uint32_t least_ms, uint32_t most_ms);

/* Writes down until when each grant is believed in, where that changed. */
void look_at_all(struct player *player);

/* Ask for task->permits of task->semaphore; give back a part or all of what the
 * task holds; post what it consumed; end its wait. */
void task_acquire(struct task *task, int64_t wait_ms, int64_t hold_ms);
void task_release(struct task *task);
void task_post(struct task *task);
void task_cancel(struct task *task);

#endif
