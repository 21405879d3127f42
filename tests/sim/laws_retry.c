/* SPDX-License-Identifier: MIT */
#include "laws_retry.h"

#include <string.h>

static bool is_repeated(const struct retry_laws *laws,
                        const struct engine_event *event)
{
    if (!laws->is_due || event->session_id != laws->session_id ||
        event->acquire.parts_count != laws->parts_count) {
        return false;
    }
    for (uint32_t i = 0; i < laws->parts_count; i++) {
        const struct engine_part *part = &event->acquire.parts[i];

        if (strcmp(part->semaphore, laws->parts[i].semaphore) != 0 ||
            part->permits != laws->parts[i].permits) {
            return false;
        }
    }
    return true;
}

void retry_laws_event(struct retry_laws *laws)
{
    laws->is_due = laws->is_known;
    laws->is_known = false;
}

const char *retry_laws_answer(struct retry_laws *laws,
                              const struct engine_event *event,
                              const struct engine_answer *answer, bool is_alone)
{
    bool is_limited = answer->status == PERMIT_E_RATE_LIMITED;
    const char *problem = NULL;

    if (is_repeated(laws, event) && is_alone) {
        if (event->now_ns >= laws->from_ns && is_limited) {
            problem = "who comes again when he was told to is served";
        } else if (event->now_ns + NS_PER_MS <= laws->from_ns &&
                   answer->status == PERMIT_OK) {
            problem = "nobody is told to come again later than he need";
        }
    }
    laws->is_known =
        is_limited && is_alone && answer->obstacle.retry_after_ms > 0;
    laws->session_id = event->session_id;
    laws->from_ns = event->now_ns + answer->obstacle.retry_after_ms * NS_PER_MS;
    laws->parts_count = event->acquire.parts_count;
    memcpy(laws->parts, event->acquire.parts,
           laws->parts_count * sizeof(laws->parts[0]));
    return problem;
}

void retry_laws_forget(struct retry_laws *laws)
{
    laws->is_known = false;
}
