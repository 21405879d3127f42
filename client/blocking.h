/* SPDX-License-Identifier: MIT */
#ifndef BLOCKING_H
#define BLOCKING_H

/* What the files of the blocking face share: blocking.c has the client, its
 * calls and its connection, io.c the I/O thread, acquire.c and requests.c the
 * calls. Nobody else includes it.
 *
 * Law: one mutex guards everything but what is atomic; only the I/O thread
 * drains the core's events and closes the connection. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core.h"
#include "permit/permit.h"

#define NS_PER_MS INT64_C(1000000)

struct permit_client {
    pid_t pid; /* Of the process that made it. */
    char *servers;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* The line came up or went down. */
    pthread_t thread;
    struct core *core;
    int fd;       /* The connection; -1: none. */
    int wake_fd;  /* An eventfd for the I/O thread. */
    int timer_fd; /* Runs through a suspend, as the beliefs do. */
    int64_t armed_ns;
    bool is_connecting;
    bool is_stopping;
    bool was_ready;           /* This line, ever. */
    uint64_t failed_attempts; /* To connect. */
    enum permit_status down_status;
    char down_text[CORE_TEXT_BYTES];
    char error[CORE_TEXT_BYTES]; /* permit_client_last_error(). */
    _Atomic int64_t believed_until_ns;
};

struct permit_grant {
    struct permit_client *client;
    uint64_t acquire_id;
    uint64_t id;
    uint64_t fence;
    int64_t waited_ms;
    _Atomic uint32_t permits; /* Not given back yet. */
    _Atomic int64_t until_ns; /* Of its hold. */
    _Atomic int loss;         /* enum permit_loss, or 0. */
    atomic_bool is_released;
    int event_fd;
    pthread_cond_t changed; /* Lost or given back. */
};

/* One call under way, on the caller's stack. */
struct call {
    pthread_cond_t done;
    int event_fd; /* Instead of `done` where a cancel_fd is watched too. */
    bool is_done;
    enum permit_status status;
    char text[CORE_TEXT_BYTES];
    struct permit_grant *grant; /* Acquire; NULL: to consume. */
    uint64_t available;         /* Post. */
    struct permit_list *list;   /* List and Query. */
    uint64_t total;             /* List. */
    uint32_t page_count;
    bool has_waiting;
    struct wire_waiting waiting; /* Its strings are in waiting_text. */
    char waiting_text[3][WIRE_TEXT_BYTES_MAX + 1];
};

/* ----------------------------------------------------------------- blocking.c
 */

bool client_is_forked(const struct permit_client *client);

void call_init(struct call *call);
void call_deinit(struct call *call);

/* Ends a call that was never asked: sets its status and text. Returns status.
 */
enum permit_status call_fail(struct call *call, enum permit_status status,
                             const char *text);

/* When a call that starts now, and may wait so long, is to return. */
int64_t client_answer_by(const struct permit_client *client, int64_t now_ns,
                         int64_t wait_ms);

/* Connects, unless the line is up, and asks. Locked; unlocked while it
 * connects. Returns PERMIT_OK when call->is_done will become true. */
enum permit_status client_ask(struct permit_client *client,
                              struct wire_client_message *message,
                              struct call *call, uint64_t *ret_id);

/* Asks, waits, and keeps the text of a failure. Not locked. */
enum permit_status client_call(struct permit_client *client,
                               struct wire_client_message *message,
                               struct call *call);

/* Keeps the text of a call that did not end with PERMIT_OK. Locked. */
void client_note(struct permit_client *client, const struct call *call);

/* Returns PERMIT_OK if name may name a semaphore; else the call has failed. */
enum permit_status client_check_name(struct call *call, const char *name,
                                     bool template_too);

/* ----------------------------------------------------------------------- io.c
 */

void *io_main(void *client);

/* Writes what the core has, arms the timer, and leaves the rest to the I/O
 * thread. Locked. */
void io_push(struct permit_client *client);

void io_wake(const struct permit_client *client);

#endif
