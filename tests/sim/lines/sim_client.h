/* SPDX-License-Identifier: MIT */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

/* A client: the real core, a face as io.c is one, over lines instead of
 * sockets, and callers who ask this and that.
 *
 * Law: each request has one answer, in its time, and nobody is called again at
 * once for nothing. */

#include "ledger.h"
#include "line.h"
#include "sim_server.h"
#include "stage.h"

struct sim_client;

struct sim_client_options {
    struct stage *stage;
    struct ledger *ledger;
    struct sim_server *server;
    int number;
    int64_t linger_ms;
    int64_t session_timeout_ms;
    int64_t delay_ms; /* Of its lines. */
    size_t room;      /* Of its lines, in bytes. */
};

/* Returns NULL without memory. */
struct sim_client *sim_client_create(const struct sim_client_options *options);

/* Accepts NULL. */
void sim_client_destroy(struct sim_client *client);

void sim_client_turn(struct sim_client *client);
int64_t sim_client_wake_ns(const struct sim_client *client);

/* ------------------------------------------------------------------ faults */

/* Something disturbs it until then: what it loses meanwhile, and for a while
 * after, is lost for a reason. */
void sim_client_disturb(struct sim_client *client, int64_t until_ns);

/* It does not run. */
void sim_client_pause(struct sim_client *client, int64_t until_ns);

/* It is no more, and comes back then, as another. The lines that it had are
 * closed, or just silent for ever. */
void sim_client_die(struct sim_client *client, bool is_silent,
                    int64_t reborn_ns);

/* Its session ends; it may go on with another. */
void sim_client_end(struct sim_client *client);

/* No line can be opened before. */
void sim_client_refuse(struct sim_client *client, int64_t until_ns);

/* Nothing comes to it before, on whatever line. */
void sim_client_deafen(struct sim_client *client, int64_t until_ns);

/* NULL if there is none. */
struct line *sim_client_line(const struct sim_client *client);

/* Is it opening another line beside a silent one? */
bool sim_client_goes_on(const struct sim_client *client);

/* Does it linger for as long as a silent line is kept? */
bool sim_client_bears_forgery(const struct sim_client *client);

/* Its callers ask nothing more; and all of its grants are given back. */
void sim_client_hush(struct sim_client *client);

/* -------------------------------------------------------------------- laws */

/* Each grant that is believed in is held at the server. Adds the permits to
 * sums, by semaphore. */
void sim_client_check_belief(struct sim_client *client,
                             uint32_t sums[SEMAPHORES]);

/* Nothing has disturbed it for long: the server knows of it what it knows. */
void sim_client_check_calm(struct sim_client *client,
                           const struct engine *engine);

#endif
