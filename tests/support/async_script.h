/* SPDX-License-Identifier: MIT */
#ifndef ASYNC_SCRIPT_H
#define ASYNC_SCRIPT_H

/* A client of the non-blocking face in a loop that the test turns by hand, and
 * a server on a Unix socket that says what the test says. All in one thread:
 * what one side writes the other can read at once. What happens becomes a
 * transcript:
 *
 *     > 2 ACQUIRE jobs
 *     a OK
 *
 * "> id WHAT" came to the server; "a" is the request that a test calls so. */

#include <sys/types.h>

#include "permit/async.h"
#include "wire.h"

#define ASYNC_SCRIPT_ASKED_MAX 64
#define TURN_MS 10000 /* A loop that waits longer is stuck. */

struct async_script;

/* What an answer calls, besides being noted. */
struct asked {
    struct async_script *script;
    const char *name;
    uint64_t id;
    struct permit_grant *grant; /* It owns. */
};

struct async_script {
    struct permit_async *client;
    char directory[64];
    char path[96];
    char server[256];
    int listener;
    int line; /* -1: none. */
    struct asked asked[ASYNC_SCRIPT_ASKED_MAX];
    size_t asked_count;
    /* The test's own, called by every callback; what is "OK" here is "waits",
     * "LOST" and so on too. May be NULL. */
    void (*then)(struct asked *asked, const char *what);
    bool holds_back; /* What the server says is not read yet. */
    size_t split;    /* The server writes so many bytes at a time; 0: all. */
    bool is_quiet;   /* Nothing is noted. */

    /* The loop. */
    int read_fd;        /* -1: not added. */
    int write_fd;       /* As read_fd. */
    int64_t timer_ms;   /* As it was set; -1: not. */
    ino_t inode;        /* Of what was added last. */
    size_t hooks_total; /* Calls of those that may fail, */
    size_t calls_total; /* and of all. */
    bool is_detached;

    char transcript[16384];
    size_t length;
};

/* A client that is attached, with default options, and a server that listens.
 */
void async_script_start(struct async_script *script);

/* The same, with the options given; server is the script's if it is NULL, and
 * goes on with it if it ends with a comma. */
void async_script_start_with(struct async_script *script,
                             const struct permit_options *options);

/* From now on the n-th hook (1 is the first) of a script fails; with `all`,
 * every later one too. 0: none. */
void async_script_fail_hook(size_t n, bool all);

/* Destroys the client, unless a test did, and all grants. */
void async_script_stop(struct async_script *script);

/* A line is up, asked for by a Ping; nothing of it is in the transcript. */
void async_script_connect(struct async_script *script);

/* Turns the loop until nothing is to be done. */
void async_script_run(struct async_script *script);

/* Waits for the loop's descriptors and timer, and does once what came. */
void async_script_turn(struct async_script *script);

__attribute__((format(printf, 2, 3))) void
async_script_note(struct async_script *script, const char *format, ...);

/* Compares the transcript since the last time. */
void async_script_expect(struct async_script *script, const char *expected);

/* -------------------------------------------------------------- the client */

/* Remembers a request by its name; for its callback's arg. */
struct asked *async_script_name(struct async_script *script, const char *name);
struct asked *async_script_find(struct async_script *script, const char *name);

void async_script_answered(void *arg, const struct permit_answer *answer);

/* Asks for a permit of "jobs", without a limit of the wait, with on_waiting and
 * on_lost; a status that is not PERMIT_OK is noted. */
struct asked *async_script_acquire(struct async_script *script,
                                   const char *name);
struct asked *async_script_ping(struct async_script *script, const char *name);
struct asked *async_script_list(struct async_script *script, const char *name);

/* Gives back the grant of request `of`. */
void async_script_release(struct async_script *script, const char *name,
                          const char *of, uint32_t permits);

/* Renews the grant of request `of`. */
void async_script_renew(struct async_script *script, const char *name,
                        const char *of, int64_t hold_ms);

/* -------------------------------------------------------------- the server */

/* Takes the connection that waits. */
void async_script_accept(struct async_script *script);

/* Notes what came. */
void async_script_hear(struct async_script *script);

/* Turns the loop, and says so; turns it again after each part. */
void async_script_say_bytes(struct async_script *script, const uint8_t *bytes,
                            size_t length);
void async_script_say(struct async_script *script,
                      const struct wire_server_message *message);
void async_script_welcome(struct async_script *script, uint64_t hello_id);
void async_script_granted(struct async_script *script, uint64_t id);
void async_script_refused(struct async_script *script, uint64_t id,
                          enum permit_status reason);
void async_script_say_type(struct async_script *script, uint64_t id,
                           enum wire_server_type type);
void async_script_lost(struct async_script *script, uint64_t id,
                       enum permit_loss loss);

/* The server is gone; the loop is not turned. */
void async_script_hang_up(struct async_script *script);

#endif
