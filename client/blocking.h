/* SPDX-License-Identifier: MIT */
#ifndef BLOCKING_H
#define BLOCKING_H

/* What the files of the blocking face share: blocking.c has the client, its
 * calls and its connection, io.c the I/O thread, acquire.c and requests.c the
 * calls, blocking_local.c what is granted while the daemon is away, and loss.c
 * tells of grants that are lost. Nobody else includes it.
 *
 * Law: one mutex guards everything but what is atomic; only the I/O thread
 * drains the core's events and closes the connection. */

#include <pthread.h>
#include <stdbool.h>

#include "backoff.h"
#include "connector.h"
#include "core.h"
#include "fork_mark.h"
#include "grant.h"
#include "local_limit.h"
#include "permit/permit.h"
#include "settings.h"

#define NS_PER_MS INT64_C(1000000)

struct lookup;

struct permit_client {
    struct settings settings;
    struct belief belief;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* The line or a grant; on CLOCK_MONOTONIC. */
    pthread_t thread;
    struct core *core;
    struct connector connector;
    struct backoff backoff;
    struct lookup *lookup; /* What the connector waits for, or NULL. */
    int fd;                /* The connection; -1: none. */
    int silent_fd; /* The one before, which the server may think whole. */
    int wake_fd;   /* An eventfd for the I/O thread. */
    int timer_fd;  /* Runs through a suspend, as the beliefs do. */
    int64_t armed_ns;
    bool is_stopping;
    struct local_limit local;
    struct grant_list lost;         /* Their on_lost is to be called, */
    struct permit_grant *telling;   /* and that of this one is. */
    enum permit_status down_status; /* Why the last line ended. */
    char error[CORE_TEXT_BYTES];    /* permit_client_last_error(). */
};

/* One call under way, on the caller's stack. */
struct call {
    pthread_cond_t done;
    int event_fd; /* Instead of `done` where a cancel_fd is watched too. */
    bool is_done;
    enum permit_status status;
    char text[CORE_TEXT_BYTES];
    struct permit_refusal refusal;
    struct permit_grant *grant;   /* Acquire, NULL: to consume; Renew. */
    bool is_local;                /* Acquire: asked of the client itself, */
    struct local_wait local_wait; /* and waits there while not done. */
    uint64_t available;           /* Post. */
    struct permit_list *list;     /* List and Query. */
    uint64_t total;               /* List. */
    uint32_t page_count;
    bool has_waiting;
    struct wire_waiting waiting; /* Its strings are in waiting_text. */
    char waiting_text[4][WIRE_TEXT_BYTES_MAX + 1];
    struct permit_outcome *ret_outcome; /* Acquire; or NULL. */
};

/* ----------------------------------------------------------------- blocking.c
 */

static inline bool client_is_forked(const struct permit_client *client)
{
    return fork_mark_is_child(client->belief.fork_mark);
}

void call_wake(struct call *call);

void call_init(struct call *call);
void call_deinit(struct call *call);

/* Ends a call that was never asked: sets its status and text. Returns status.
 */
enum permit_status call_fail(struct call *call, enum permit_status status,
                             const char *text);

/* The same, keeps the text, and is done with the call. Not locked. */
enum permit_status call_refuse(struct permit_client *client, struct call *call,
                               enum permit_status status, const char *text);

/* When a call that starts now, and may wait so long, is to return. */
int64_t client_answer_by(const struct permit_client *client, int64_t now_ns,
                         int64_t wait_ms);

/* Asks; begins to connect unless there is a line. Locked; unlocked while the
 * I/O thread ends a broken line. Returns PERMIT_OK when call->is_done will
 * become true. */
enum permit_status client_ask(struct permit_client *client,
                              struct wire_client_message *message,
                              struct call *call, uint64_t *ret_id);

/* Asks, waits, and keeps the text of a failure. Not locked. */
enum permit_status client_call(struct permit_client *client,
                               struct wire_client_message *message,
                               struct call *call);

/* Keeps the text of a call that did not end with PERMIT_OK. Locked. */
void client_note(struct permit_client *client, const struct call *call);

/* ----------------------------------------------------------- blocking_local.c
 */

/* An acquire has ended: if the daemon is away it goes on here, until until_ns,
 * as the client's settings say. call->is_done tells whether it has ended then
 * too. Locked. */
void client_acquire_locally(struct permit_client *client, struct call *call,
                            const struct permit_acquire_request *request,
                            int64_t until_ns);

/* Ends a call that waits here. Locked. */
void client_cancel_locally(struct permit_client *client, struct call *call);

/* As permit_grant_release(), of a local grant that is not released. Locked. */
enum permit_status client_release_locally(struct permit_grant *grant,
                                          const struct grant_given *given);

/* Tells those who waited here, and whose wait is over. Locked. */
void client_end_local_waits(struct permit_client *client);

/* ----------------------------------------------------------------------- io.c
 */

void *io_main(void *client);

/* Begins a line, which must be a session by deadline_ns. Locked. */
void io_open_line(struct permit_client *client, int64_t deadline_ns);

/* Writes what the core has, arms the timer, and leaves the rest to the I/O
 * thread. Locked. */
void io_push(struct permit_client *client);

void io_wake(const struct permit_client *client);

/* --------------------------------------------------------------------- loss.c
 */

#define LOSS_MAY_NOT_ASK "on_lost may not ask: it keeps the line waiting"

/* Is it the I/O thread that calls? Then it is in an on_lost. */
bool loss_is_being_told(const struct permit_client *client);

/* The grant is lost: its on_lost, if it has one, is due. In the I/O thread,
 * locked. */
void loss_note(struct permit_client *client, struct permit_grant *grant);

/* The caller of the acquire has it: now its on_lost may be called. Not locked.
 */
void loss_hand_out(struct permit_grant *grant);

/* Calls on_lost for all who are due. In the I/O thread; locked, unlocked while
 * it calls. */
void loss_tell(struct permit_client *client);

/* Nothing of the grant's is called any more; waits until what is being called
 * returns, but within it. Locked. */
void loss_forget(struct permit_grant *grant);

#endif
