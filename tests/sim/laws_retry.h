/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_RETRY_H
#define SIM_LAWS_RETRY_H

/* A try that only RATEs refuse is told when to come again: who comes again with
 * nothing in between is refused until then, and served from then on. */

#include "engine.h"

struct retry_laws {
    bool is_known; /* An event was refused so, */
    bool is_due;   /* the one before the present. */
    uint64_t session_id;
    uint64_t from_ns;
    struct engine_part parts[LIMIT_PARTS_MAX];
    uint32_t parts_count;
};

/* An event begins. */
void retry_laws_event(struct retry_laws *laws);

/* The answer to the present event, which is an ACQUIRE. is_alone: nobody waits
 * for anything. Returns what is broken, or NULL; constant. */
const char *retry_laws_answer(struct retry_laws *laws,
                              const struct engine_event *event,
                              const struct engine_answer *answer,
                              bool is_alone);

/* The daemon is started, or started again. */
void retry_laws_forget(struct retry_laws *laws);

#endif
