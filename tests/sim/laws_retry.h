/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_RETRY_H
#define SIM_LAWS_RETRY_H

/* A try that only RATEs refuse is told when to come again: who comes again with
 * nothing in between is refused until then, and served from then on. */

#include "engine.h"

struct retry_laws {
    bool is_known; /* The latest event was refused so. */
    uint64_t session_id;
    uint64_t from_ns;
    struct engine_part parts[LIMIT_PARTS_MAX];
    uint32_t parts_count;
};

/* The answer to the present event, which is an ACQUIRE. is_alone: nobody waits
 * for anything. Returns what is broken, or NULL; constant. */
const char *retry_laws_answer(struct retry_laws *laws,
                              const struct engine_event *event,
                              const struct engine_answer *answer,
                              bool is_alone);

/* An event begins that is no ACQUIRE, or the daemon was started again. */
void retry_laws_forget(struct retry_laws *laws);

#endif
