/* SPDX-License-Identifier: MIT */
#include "player.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

_Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "history_player: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

void note(const struct player *player, int64_t at_ns, const char *format, ...)
{
    char line[256];
    int length = snprintf(line, sizeof(line), "%" PRId64 " ", at_ns);
    va_list arguments;

    va_start(arguments, format);
    length += vsnprintf(line + length, sizeof(line) - (size_t)length, format,
                        arguments);
    va_end(arguments);
    line[length++] = '\n';
    if (write(player->file, line, (size_t)length) != length) {
        fail("write");
    }
}

int64_t random_ns(struct player *player, uint32_t least_ms, uint32_t most_ms)
{
    return random_between(&player->random, least_ms * 1000, most_ms * 1000) *
           (NS_PER_MS / 1000);
}

/* --------------------------------------------------------------- believing
 */

/* Writes down how long it believes, if that changed. What is less than before
 * may be so since the turn began. */
static void look(struct task *task)
{
    int64_t at_ns = now_ns();
    int64_t until_ns = at_ns + permit_grant_left_ms(task->grant) * NS_PER_MS;
    int64_t change_ns = until_ns - task->until_ns;

    if (change_ns > 3 * NS_PER_MS) {
        note(task->player, at_ns, "until %" PRIu64 " %" PRId64, task->acquire,
             until_ns);
    } else if (change_ns < -3 * NS_PER_MS && task->until_ns > at_ns) {
        note(task->player, task->player->turn_ns, "until %" PRIu64 " %" PRId64,
             task->acquire, until_ns);
    } else {
        return;
    }
    task->until_ns = until_ns;
}

void look_at_all(struct player *player)
{
    for (size_t i = 0; i < TASKS; i++) {
        struct task *task = &player->tasks[i];

        if (task->state == TASK_HOLDS || task->state == TASK_PARTIAL) {
            look(task);
        }
    }
}

/* --------------------------------------------------------------- callbacks
 */

static void rest(struct task *task, uint32_t least_ms, uint32_t most_ms)
{
    task->state = TASK_IDLE;
    task->due_ns = now_ns() + random_ns(task->player, least_ms, most_ms);
}

static void note_end(struct task *task, enum permit_status status)
{
    note(task->player, now_ns(), "end %" PRIu64 " %s", task->number,
         permit_status_reason(status));
}

static void on_waiting(void *arg, const struct permit_waiting *waiting)
{
    struct task *task = arg;

    (void)waiting;
    if (!task->is_waiting) {
        task->is_waiting = true;
        note(task->player, now_ns(), "waiting %" PRIu64, task->number);
    }
}

static void on_lost(void *arg, struct permit_grant *grant,
                    enum permit_loss loss)
{
    struct task *task = arg;

    (void)grant;
    (void)loss;
    note(task->player, task->player->turn_ns, "lost %" PRIu64, task->acquire);
    task->until_ns = 0;
    task->due_ns = 0; /* To be released: EXPIRED, if it can be asked. */
}

static int64_t holds_ns(struct task *task)
{
    if (strcmp(task->semaphore->name, "kept") == 0) {
        return random_ns(task->player, 50, 3000);
    }
    if (random_chance(&task->player->random, 5)) {
        return random_ns(task->player, 20, 300);
    }
    return random_ns(task->player, 0, 10);
}

static void on_acquired(void *arg, const struct permit_answer *answer)
{
    struct task *task = arg;

    if (answer->status == PERMIT_OK && answer->grant != NULL) {
        task->grant = answer->grant;
        task->acquire = task->number;
        task->until_ns = 0;
        task->state = TASK_HOLDS;
        note(task->player, now_ns(),
             "granted %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64,
             task->number, permit_grant_fence(task->grant),
             permit_grant_id(task->grant), permit_grant_waited_ms(task->grant));
        task->due_ns = now_ns() + holds_ns(task);
        return;
    }
    note_end(task, answer->status);
    if (answer->status == PERMIT_OK) {
        task->state = TASK_OWES;
        task->due_ns = now_ns() + random_ns(task->player, 0, 20);
    } else if (answer->status == PERMIT_E_DISCONNECTED) {
        rest(task, 50, 200);
    } else {
        rest(task, 0, 10);
    }
}

static void on_released(void *arg, const struct permit_answer *answer)
{
    struct task *task = arg;

    note_end(task, answer->status);
    if (task->state == TASK_PARTIAL && answer->status == PERMIT_OK) {
        task->state = TASK_HOLDS;
        task->due_ns = now_ns() + random_ns(task->player, 0, 10);
        return;
    }
    permit_grant_destroy(task->grant);
    task->grant = NULL;
    rest(task, 0, 10);
}

static void on_posted(void *arg, const struct permit_answer *answer)
{
    note_end(arg, answer->status);
    rest(arg, 0, 20);
}

/* ------------------------------------------------------------------- asking
 */

static int64_t ask(struct task *task, const char *what)
{
    int64_t at_ns = now_ns();

    task->number = ++task->player->numbers;
    note(task->player, at_ns, "ask %" PRIu64 " %s", task->number, what);
    return at_ns;
}

void task_acquire(struct task *task, int64_t wait_ms, int64_t hold_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    enum permit_status status;
    char what[128];

    request.semaphore = task->semaphore->name;
    request.permits = task->permits;
    request.wait_ms = wait_ms;
    request.hold_ms = hold_ms;
    request.consume = task->consumes;
    request.on_waiting = on_waiting;
    request.on_waiting_arg = task;
    request.on_lost = on_lost;
    request.on_lost_arg = task;
    (void)snprintf(what, sizeof(what),
                   task->consumes ? "consume %s %" PRIu32 " %" PRId64
                                  : "acquire %s %" PRIu32 " %" PRId64
                                    " %" PRId64,
                   request.semaphore, request.permits, wait_ms, hold_ms);
    (void)ask(task, what);
    task->is_waiting = false;
    task->is_cancelled = false;
    task->state = TASK_ASKED;
    task->due_ns = HISTORY_NEVER;
    status = permit_async_acquire(task->player->client, &request, on_acquired,
                                  task, &task->request_id);
    if (status != PERMIT_OK) {
        note_end(task, status);
        rest(task, 50, 100);
    }
}

void task_release(struct task *task)
{
    uint32_t left = permit_grant_permits(task->grant);
    bool is_part = left > 1 && random_chance(&task->player->random, 30);
    enum permit_status status;
    char what[64];

    task->state = is_part ? TASK_PARTIAL : TASK_RELEASING;
    task->due_ns = HISTORY_NEVER;
    (void)snprintf(what, sizeof(what), "release %" PRIu64 " %" PRIu32,
                   task->acquire, is_part ? 1 : left);
    (void)ask(task, what);
    status =
        permit_async_release(task->grant, is_part ? 1 : 0, on_released, task);
    if (status != PERMIT_OK) {
        struct permit_answer answer = {.status = status};

        task->state = TASK_RELEASING;
        on_released(task, &answer);
    }
}

void task_post(struct task *task)
{
    enum permit_status status;
    char what[128];

    task->state = TASK_POSTING;
    task->due_ns = HISTORY_NEVER;
    (void)snprintf(what, sizeof(what), "post %s %" PRIu32,
                   task->semaphore->name, task->permits);
    (void)ask(task, what);
    status = permit_async_post(task->player->client, task->semaphore->name,
                               task->permits, on_posted, task);
    if (status != PERMIT_OK) {
        struct permit_answer answer = {.status = status};

        on_posted(task, &answer);
    }
}

void task_cancel(struct task *task)
{
    note(task->player, now_ns(), "cancel %" PRIu64, task->number);
    task->is_cancelled = true;
    task->due_ns = HISTORY_NEVER;
    (void)permit_async_cancel(task->player->client, task->request_id);
}
