/* SPDX-License-Identifier: MIT */
#ifndef ASYNC_PRIVATE_H
#define ASYNC_PRIVATE_H

/* What the files of the non-blocking face share: async.c has the client and
 * what its loop calls, async_line.c its connection, async_answers.c its
 * callbacks; async_requests.h and async_local.h are beside it. Nobody else
 * includes it.
 *
 * Law: a callback is only called while is_dispatching, and then nothing frees
 * the client; what a broken line leaves is taken from the core as a whole
 * before the first callback hears of it, so that it may ask anew. */

#include <stdbool.h>

#include "backoff.h"
#include "connector.h"
#include "core.h"
#include "fork_mark.h"
#include "grant.h"
#include "local_limit.h"
#include "permit/async.h"
#include "settings.h"

#define READ_BYTES 16384

/* One that was taken: the core's arg. */
struct async_request {
    enum wire_client_type type;
    permit_callback callback;
    void *arg;
    /* Of its grant's requests; or, once it has ended, of the client's. */
    struct async_request *next;
    struct async_request *previous;
    uint64_t id;               /* Once it has ended, or waits here. */
    enum permit_status status; /* Once it has ended, */
    const char *text;          /* and why; NULL: as the last line. */
    /* Acquire: its own until it is handed out, NULL to consume. Release, Renew:
     * the one that it is about, NULL once its handle is gone. */
    struct permit_grant *grant;
    void (*on_waiting)(void *arg, const struct permit_waiting *waiting);
    void *on_waiting_arg;
    bool is_try;                  /* Acquire. */
    int64_t wait_until_ns;        /* Acquire. */
    struct local_wait local_wait; /* Acquire: while it waits here. */
    struct grant_given given;     /* Release, Settle. */
    struct permit_list *list;     /* Query and List. */
    enum wire_list_kind kind;     /* List. */
    char name[];                  /* List, acquire. */
};

struct permit_async {
    struct settings settings;
    struct belief belief;
    struct core *core;
    struct connector connector;
    struct backoff backoff;
    int fd;        /* The connection; -1: none. */
    int silent_fd; /* The one before, which the server may think whole. */
    uint64_t lines_total; /* Begun: tells one connection from the next. */

    struct permit_loop loop;
    bool is_attached;
    bool is_dispatching; /* A call of the loop, or the end, is under way. */
    bool is_destroyed;   /* In a callback: it ends with the call of the loop. */
    int watched_fd;      /* While is_reading or is_writing. */
    bool is_reading;
    bool is_writing;
    int64_t armed_ns; /* CORE_NEVER: not. */

    void (*resolve)(void *arg, struct permit_async *client, uint64_t lookup_id,
                    const char *host, const char *port);
    void *resolve_arg;
    uint64_t lookup_id;
    bool is_looking_up;
    bool is_driving; /* The connector: resolve() may answer from within. */

    struct local_limit local;
    uint64_t local_ids; /* Of what the core was not asked. */

    struct grant_list grants; /* Handed out. */
    struct grant_list lost;   /* Of these, whose on_lost is to be called. */
    struct async_request *ended_first; /* To be told, oldest first. */
    struct async_request *ended_last;

    char down_text[CORE_TEXT_BYTES];   /* Why the last line ended. */
    char answer_text[CORE_TEXT_BYTES]; /* Why the last answer failed. */
    char call_text[CORE_TEXT_BYTES];   /* Why the last call failed. */
    const char *error;                 /* The latest of the three. */
    uint8_t input[READ_BYTES];
};

static inline bool async_is_forked(const struct permit_async *client)
{
    return fork_mark_is_child(client->belief.fork_mark);
}

/* ----------------------------------------------------------- async_answers.c
 */

/* Takes what a broken line leaves, for async_tell() later: no callback. */
void async_collect(struct permit_async *client);

/* Calls back for all that the core has, until that destroys the client or
 * forks. */
void async_drain(struct permit_async *client);

/* Calls back for the next request that a broken line ended. Returns false if
 * there is none. */
bool async_tell_ended(struct permit_async *client);

/* A request has ended, as `text` says: to be told. Not the core's text. */
void async_keep_ended(struct permit_async *client,
                      struct async_request *request, enum permit_status status,
                      const char *text);

/* Frees a request and what it still owns. */
void async_request_free(struct permit_async *client,
                        struct async_request *request);

/* The handle leaves its client: not valid, and nothing refers to it. */
void async_detach_grant(struct permit_grant *grant);

/* -------------------------------------------------------------- async_line.c
 */

/* Begins a line. */
void async_open(struct permit_async *client, int64_t now_ns);

/* Closes what there is of the line: the core is down. What is only silent is
 * kept until async_go_on() finds that nobody takes it for the session's. */
void async_close(struct permit_async *client, bool is_silent);

/* Goes on with a session that has lost its line, if it is time. */
void async_go_on(struct permit_async *client);

/* Goes on with connecting if its time has come, or if the loop says that the
 * descriptor is writable. */
void async_connect(struct permit_async *client, bool is_writable);

/* Looks up what the connector asks for, and takes what it has connected. */
void async_drive(struct permit_async *client);

/* Feeds what came, and calls back. */
void async_read(struct permit_async *client);

/* Writes what the socket takes. If that breaks the line, it calls back for what
 * came before, and for what it leaves. */
void async_write(struct permit_async *client);

/* From now to a time that is not CORE_NEVER; 0 if it is past. */
int64_t async_ms_until(int64_t at_ns);

/* Tells the loop what is waited for; while dispatching the end does. */
void async_settle(struct permit_async *client);

#endif
