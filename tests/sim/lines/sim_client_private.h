/* SPDX-License-Identifier: MIT */
#ifndef SIM_CLIENT_PRIVATE_H
#define SIM_CLIENT_PRIVATE_H

/* What sim_client.c, the face, and callers.c, who ask, share. */

#include "core.h"
#include "sim_client.h"

#define LIVE_MAX 24u

struct sim_client {
    struct sim_client_options options;
    struct stage *stage;
    struct ledger *ledger;
    struct core *core; /* NULL: it is dead. */
    struct life *life;
    struct line *line;
    struct line *silent_line; /* Kept open until another is ready. */
    int64_t connect_ns;       /* When the line is there; STAGE_NEVER. */
    int64_t open_ns;          /* No line before. */
    uint64_t session_id;      /* Of the last line; 0. */
    int64_t belief_until_ns;  /* By its own clock. */
    int64_t offset_ns;        /* Of its clock. */
    int64_t rate_ppm;         /* Its clock is so much faster; then it asks for
                               * no holds, which bear less. */
    int64_t act_ns;
    int64_t paused_until_ns;
    int64_t refused_until_ns;
    int64_t deaf_until_ns;
    int64_t disturbed_until_ns;
    int64_t reborn_ns;
    bool is_hushed;
    struct asked *live[LIVE_MAX]; /* What is not over for the callers. */
    size_t live_count;
};

/* By its own clock. */
int64_t sim_client_now_ns(const struct sim_client *client);

void sim_client_open(struct sim_client *client);

/* --------------------------------------------------------------- callers.c */

/* A caller does something; the next one some time later. */
void sim_client_act(struct sim_client *client);
void sim_client_rest(struct sim_client *client);

void sim_client_take_answer(struct sim_client *client,
                            const struct core_event *event);

/* Nobody waits past his time. */
void sim_client_check_answers(struct sim_client *client);

/* Nothing outlives the session. */
void sim_client_check_ended(struct sim_client *client);

#endif
