/* SPDX-License-Identifier: MIT */
#include "core.h"

#include "core_private.h"

/* Nothing was asked if no byte of it left, or if it only asks. Before Welcome
 * none left: then it is as why there was none. */
static enum permit_status outcome_of(const struct core *core,
                                     const struct request *request)
{
    bool only_asks = request->type == WIRE_PING ||
                     request->type == WIRE_QUERY ||
                     request->type == WIRE_LIST ||
                     request->type == WIRE_VERIFY || request->type == WIRE_WHY;
    bool is_given_back =
        request->type == WIRE_RELEASE || request->type == WIRE_SETTLE;

    if (is_given_back && !core_was_sent(core, request)) {
        return PERMIT_E_EXPIRED; /* Its grant went with the session. */
    }
    if (!core_was_sent(core, request) && !core->was_welcome) {
        return core->down_status;
    }
    return only_asks || !core_was_sent(core, request)
               ? PERMIT_E_DISCONNECTED
               : PERMIT_E_OUTCOME_UNKNOWN;
}

/* What never left is asked of the next session, unless it speaks of a grant of
 * the former one. */
static bool is_next_session_s(const struct core *core,
                              const struct request *request)
{
    return !core_was_sent(core, request) && request->type != WIRE_RELEASE &&
           request->type != WIRE_SETTLE && request->type != WIRE_RENEW &&
           request->type != WIRE_CANCEL;
}

/* Ends what the server will not answer. Returns true if that made an event. */
static bool end_request(struct core *core, struct request *request,
                        struct core_event *ret_event)
{
    enum permit_status status = outcome_of(core, request);

    core->message.type = WIRE_SERVER_UNKNOWN;
    if (!core_answer(core, request, status, ret_event)) {
        return false;
    }
    ret_event->text = core->down_text;
    ret_event->message = NULL;
    return true;
}

/* The caller is let go. What may still come is the core's to give back; what
 * never left never will, but for what gives back. */
static void give_up(struct core *core, struct request *request,
                    struct core_event *ret_event)
{
    bool is_unsent = request->offset == CORE_NOT_PUT && !request->was_sent;

    *ret_event = (struct core_event){.type = CORE_EVENT_ANSWER,
                                     .arg = request->arg,
                                     .status = PERMIT_E_NO_ANSWER,
                                     .text = "",
                                     .until_ns = CORE_NEVER,
                                     .id = request->entry.id};
    if (is_unsent && request->type != WIRE_RELEASE &&
        request->type != WIRE_SETTLE) {
        ret_event->status =
            request->is_cancelled ? PERMIT_E_CANCELLED : PERMIT_E_DISCONNECTED;
        ret_event->text = request->is_cancelled ? "" : "no connection in time";
        core_remove_grant(core, core_find_grant(core, request->entry.id));
        core_remove_request(core, request);
        return;
    }
    request->is_silent = true;
    request->deadline_ns = CORE_NEVER;
    if (request->type == WIRE_ACQUIRE && !request->is_cancelled) {
        core_cancel_silently(core, request);
    }
}

/* -------------------------------------------------------------------- visits
 */

static bool is_unlisted(const struct held_grant *grant)
{
    bool is_kept = (grant->settles && grant->settling == 0) ||
                   grant->releasing < grant->permits;

    return grant->is_granted && !grant->is_listed && !grant->is_releasing &&
           is_kept;
}

/* On a line that goes on with the session. */
static bool visit_resumed(struct core *core, struct held_grant *grant,
                          struct core_event *ret_event)
{
    bool is_heard;

    if (is_unlisted(grant)) {
        is_heard = core_lose(core, grant, PERMIT_LOSS_SESSION, ret_event);
        core_remove_grant(core, grant);
        return is_heard;
    }
    if (grant->loss == PERMIT_LOSS_SESSION && !grant->is_releasing) {
        core_give_back(core, grant); /* The client stopped believing in it. */
    }
    return false;
}

/* On a line that goes on nobody else gives back what is not believed in. */
static bool visit_due(struct core *core, struct held_grant *grant,
                      struct core_event *ret_event)
{
    bool is_heard;

    if (core->session.id != 0 && !core->is_believed) {
        is_heard = core_lose(core, grant, PERMIT_LOSS_SESSION, ret_event);
        if (core_has_line(core) && grant->loss == PERMIT_LOSS_SESSION &&
            !grant->is_releasing) {
            core_give_back(core, grant);
        }
        return is_heard;
    }
    return grant->until_ns <= core->now_ns &&
           core_lose(core, grant, PERMIT_LOSS_HOLD, ret_event);
}

static bool visit_grant(struct core *core, struct held_grant *grant,
                        struct core_event *ret_event)
{
    const struct request *acquire = core_find_request(core, grant->entry.id);
    bool is_heard;

    switch (core->walk) {
    case CORE_WALK_NONE: /* Unreached: only a walk visits. */
        break;
    case CORE_WALK_DUE:
        return visit_due(core, grant, ret_event);
    case CORE_WALK_RESUMED:
        return visit_resumed(core, grant, ret_event);
    case CORE_WALK_REPLACED:
        if (acquire != NULL && is_next_session_s(core, acquire)) {
            break;
        }
        /* fall through */
    case CORE_WALK_ENDED:
        is_heard = core_lose(core, grant, PERMIT_LOSS_SESSION, ret_event);
        core_remove_grant(core, grant);
        return is_heard;
    }
    return false;
}

static bool visit_request(struct core *core, struct request *request,
                          struct core_event *ret_event)
{
    switch (core->walk) {
    case CORE_WALK_NONE: /* Unreached: only a walk visits. */
    case CORE_WALK_RESUMED:
        break;
    case CORE_WALK_DUE:
        if (request->deadline_ns <= core->now_ns) {
            give_up(core, request, ret_event);
            return true;
        }
        break;
    case CORE_WALK_REPLACED:
        return !is_next_session_s(core, request) &&
               end_request(core, request, ret_event);
    case CORE_WALK_ENDED:
        return end_request(core, request, ret_event);
    }
    return false;
}

/* ---------------------------------------------------------------------- walk
 */

void core_walk(struct core *core, enum core_walk walk)
{
    core->walk = walk;
    core->next_grant = core->grants.first;
    core->next_request = core->requests.first;
}

static int64_t next_due(const struct core *core)
{
    int64_t due_ns = core_line_due(core);

    for (struct id_entry *entry = core->grants.first; entry != NULL;
         entry = entry->next) {
        const struct held_grant *grant = grant_of(entry);

        if (grant->loss == 0 && grant->until_ns < due_ns) {
            due_ns = grant->until_ns;
        }
    }
    for (struct id_entry *entry = core->requests.first; entry != NULL;
         entry = entry->next) {
        if (request_of(entry)->deadline_ns < due_ns) {
            due_ns = request_of(entry)->deadline_ns;
        }
    }
    return due_ns;
}

bool core_take_walk(struct core *core, struct core_event *ret_event)
{
    while (core->next_grant != NULL) {
        struct held_grant *grant = grant_of(core->next_grant);

        core->next_grant = grant->entry.next;
        if (visit_grant(core, grant, ret_event)) {
            return true;
        }
    }
    while (core->next_request != NULL) {
        struct request *request = request_of(core->next_request);

        core->next_request = request->entry.next;
        if (visit_request(core, request, ret_event)) {
            return true;
        }
    }
    core->walk = CORE_WALK_NONE;
    core->due_ns = next_due(core);
    return false;
}
