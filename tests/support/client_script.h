/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_SCRIPT_H
#define CLIENT_SCRIPT_H

/* A client's core on a fake clock, with a server that says what the test says.
 * What the core sends and reports becomes a transcript:
 *
 *     [  10] > 2 ACQUIRE jobs 1
 *     [  30] a GRANTED
 *
 * "> id WHAT" was sent; "a" is the request that a test calls so. */

#include "core.h"

#define SCRIPT_NEVER -1

struct client_script {
    struct core *core;
    int64_t now_ms;
    char transcript[8192];
    size_t length;
    uint64_t session_timeout_ms;
    uint64_t heartbeat_ms;
    int64_t linger_ms;
    uint64_t hello_id;
    bool is_stuck;   /* The socket takes nothing. */
    bool is_deaf;    /* Events are the test's to take. */
    size_t split;    /* Feed so many bytes at a time; 0: all at once. */
    bool shows_more; /* Of an ACQUIRE its wait, of HELLO its sessions. */
};

/* A core that is up, at 0 ms; its Hello was sent at 0, Welcome came at 0. The
 * heartbeat is 5 s, the session timeout 15 s, the answer timeout 1 s. */
void client_script_start(struct client_script *script);

/* The same, with this linger. */
void client_script_start_lingering(struct client_script *script,
                                   int64_t linger_ms);

/* The same, but nothing came yet. */
void client_script_open(struct client_script *script);

void client_script_stop(struct client_script *script);

/* It is now_ms. */
void client_script_at(struct client_script *script, int64_t now_ms);

/* The server says so. */
void client_script_say(struct client_script *script,
                       const struct wire_server_message *message);
void client_script_say_bytes(struct client_script *script, const uint8_t *bytes,
                             size_t length);
void client_script_welcome(struct client_script *script);

/* The line broke; a new one, whose Hello has the id. */
void client_script_break(struct client_script *script);
uint64_t client_script_reopen(struct client_script *script);

/* The answer to that: the session goes on, with these grants, `count` ids of
 * their acquires; more will come if so. */
void client_script_resumed(struct client_script *script, uint64_t hello_id,
                           const uint64_t *acquire_ids, uint32_t count,
                           bool more);
void client_script_grants(struct client_script *script, uint64_t hello_id,
                          const uint64_t *acquire_ids, uint32_t count,
                          bool more);
/* Or it is a new session, 9. */
void client_script_replaced(struct client_script *script, uint64_t hello_id);
void client_script_granted(struct client_script *script, uint64_t id,
                           int64_t waited_ms, int64_t hold_ms);
void client_script_refused(struct client_script *script, uint64_t id,
                           enum permit_status reason);
void client_script_say_type(struct client_script *script, uint64_t id,
                            enum wire_server_type type);
void client_script_lost(struct client_script *script, uint64_t id,
                        uint64_t grant_id, enum permit_loss loss);
void client_script_renewed(struct client_script *script, uint64_t id,
                           int64_t hold_ms);

/* Asks, as `name`; returns the id, or 0 if it could not be asked. Answers are
 * waited for until a second after the wait. */
uint64_t client_script_acquire(struct client_script *script, const char *name,
                               int64_t wait_ms, int64_t hold_ms, bool consume);
uint64_t client_script_ask(struct client_script *script, const char *name,
                           enum wire_client_type type);
uint64_t client_script_renew(struct client_script *script, const char *name,
                             uint64_t acquire_id, int64_t hold_ms);
uint64_t client_script_ask_message(struct client_script *script,
                                   const char *name,
                                   struct wire_client_message *message,
                                   int64_t wait_ms);
enum permit_status client_script_release(struct client_script *script,
                                         const char *name, uint64_t acquire_id,
                                         uint32_t permits);
/* The same, of any Release or Settle. */
enum permit_status client_script_give(struct client_script *script,
                                      const char *name,
                                      struct wire_client_message *message);

/* Writes what is sent and what happened, once more. */
void client_script_go_on(struct client_script *script);

/* Compares the transcript since the last time. */
void client_script_expect(struct client_script *script, const char *expected);

#endif
