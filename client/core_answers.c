/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <string.h>

#include "core_private.h"

/* ------------------------------------------------------------------ answers
 */

/* Ends a request. Returns true if somebody waits for it. */
bool core_answer(struct core *core, struct request *request,
                 enum permit_status status, struct core_event *ret_event)
{
    const struct wire_server_message *message = &core->message;
    bool is_heard = !request->is_silent;

    if (is_heard) {
        *ret_event = (struct core_event){.type = CORE_EVENT_ANSWER,
                                         .arg = request->arg,
                                         .status = status,
                                         .text = message->type == WIRE_REFUSED
                                                     ? message->refused.detail
                                                     : "",
                                         .until_ns = CORE_NEVER,
                                         .id = request->entry.id,
                                         .message = message};
    }
    core_remove_request(core, request);
    return is_heard;
}

/* The server says nothing that makes a belief longer than the client asked for:
 * not a hold beyond the one asked for, */
static int64_t hold_in_force(const struct request *request, int64_t hold_ms)
{
    if (request->hold_ms != 0 && (hold_ms == 0 || hold_ms > request->hold_ms)) {
        return request->hold_ms;
    }
    return hold_ms;
}

/* nor a wait before the request. */
static int64_t hold_until(const struct core *core,
                          const struct request *request, int64_t hold_ms,
                          int64_t waited_ms)
{
    int64_t waited_ns = core_ns_from_ms(waited_ms);

    if (waited_ns > core->now_ns - request->asked_ns) {
        waited_ns = core->now_ns - request->asked_ns;
    }
    return core_hold_end(request->asked_ns + waited_ns, hold_ms);
}

/* Of a RATE nothing can be given back. */
static void post_back(struct core *core, const struct request *request)
{
    struct wire_client_message message = {.type = WIRE_POST};
    const char *name = (const char *)request->frame + request->frame_bytes;

    for (uint32_t i = 0; i < request->parts_count; i++) {
        if ((request->consume >> i & 1) != 0) {
            message.post.semaphore = name;
            message.post.permits = request->permits[i];
            core_ask_silently(core, &message);
            name += strlen(name) + 1;
        }
    }
}

/* A grant of which nothing is held has ended already. Returns it, or NULL. */
static struct held_grant *granted(struct core *core,
                                  const struct request *request)
{
    struct held_grant *grant = core_find_grant(core, request->entry.id);

    if (grant == NULL) {
        return NULL;
    }
    grant->permits = core_held_permits(request, core->message.granted.taken);
    if (grant->permits == 0 && !grant->settles) {
        core_remove_grant(core, grant);
        return NULL;
    }
    return grant;
}

static bool take_granted(struct core *core, struct request *request,
                         struct core_event *ret_event)
{
    struct held_grant *grant = granted(core, request);
    bool is_cancelled = request->is_cancelled && grant != NULL;
    bool is_heard;
    int64_t hold_ms = hold_in_force(request, core->message.granted.hold_ms);
    int64_t until_ns =
        hold_until(core, request, hold_ms, core->message.granted.waited_ms);

    if (grant != NULL && (core->message.granted.grant_id == 0 ||
                          core->message.granted.fence == 0)) {
        core_break(core, PERMIT_E_PROTOCOL, "the server's grant has no number");
        return false;
    }
    core->counters.waits_total += core->message.granted.waited_ms > 0;
    if (grant != NULL) {
        grant->is_granted = true;
        grant->grant_id = core->message.granted.grant_id;
        grant->hold_ms = hold_ms;
        grant->until_ns = until_ns;
        core_fall_due(core, until_ns);
    }
    if (request->is_silent || is_cancelled) {
        if (grant != NULL) {
            core_give_back(core, grant);
        }
        post_back(core, request);
    }
    if (core->message.granted.lost) {
        until_ns = core->now_ns; /* Its Lost follows. */
    }
    is_heard =
        core_answer(core, request,
                    is_cancelled ? PERMIT_E_CANCELLED : PERMIT_OK, ret_event);
    if (is_heard) {
        ret_event->until_ns = until_ns;
        ret_event->is_held = grant != NULL && !is_cancelled;
    }
    return is_heard;
}

/* A Release or a Settle says that there is no such grant. */
static bool is_over(enum permit_status status)
{
    return status == PERMIT_E_NOT_HELD || status == PERMIT_E_EXPIRED;
}

static void end_settle(struct core *core, struct held_grant *grant,
                       enum permit_status status)
{
    grant->settling--;
    grant->settles = grant->settles && status != PERMIT_OK;
    if (is_over(status) || (grant->permits == 0 && !grant->settles)) {
        core_remove_grant(core, grant);
    }
}

/* A handle that has not given all back hears of its end in any case: where the
 * server says that a part was all, or that it holds nothing, with the session.
 */
static void end_release(struct core *core, const struct request *request,
                        enum permit_status status)
{
    struct held_grant *grant = core_find_grant(core, request->grant);

    if (grant == NULL) {
        return;
    }
    if (request->type == WIRE_SETTLE) {
        end_settle(core, grant, status);
    } else if (request->released > 0) {
        grant->releasing -= request->released;
        if (status == PERMIT_OK &&
            request->released < grant->permits + grant->settles) {
            grant->permits -= request->released;
        }
    } else if (status == PERMIT_OK || is_over(status)) {
        core_remove_grant(core, grant);
    } else {
        grant->is_releasing = false;
        if (request->is_silent || grant->arg == NULL) {
            /* Nobody will ask again: the session's end gives it back. */
            core_break(core, status, "the server cannot take a permit back");
        }
    }
}

/* By enum wire_client_type, what answers it besides Refused. */
static const enum wire_server_type answers[WIRE_CLIENT_TYPE_COUNT] = {
    [WIRE_PING] = WIRE_PONG,       [WIRE_BYE] = WIRE_DONE,
    [WIRE_ACQUIRE] = WIRE_GRANTED, [WIRE_CANCEL] = WIRE_CANCELLED,
    [WIRE_RELEASE] = WIRE_DONE,    [WIRE_POST] = WIRE_POSTED,
    [WIRE_QUERY] = WIRE_SEMAPHORE, [WIRE_LIST] = WIRE_PAGE,
    [WIRE_DEFINE] = WIRE_DONE,     [WIRE_DELETE] = WIRE_DONE,
    [WIRE_RENEW] = WIRE_RENEWED,   [WIRE_VERIFY] = WIRE_DONE,
    [WIRE_SETTLE] = WIRE_DONE,     [WIRE_WHY] = WIRE_DONE,
};

static bool may_answer(const struct request *request,
                       enum wire_server_type type)
{
    return type == WIRE_REFUSED || type == WIRE_SERVER_UNKNOWN ||
           type == answers[request->type] ||
           (type == WIRE_JOINED && request->join);
}

/* Is a Renew of the same grant under way behind this one? */
static bool is_overtaken(const struct request *renew)
{
    for (struct id_entry *entry = renew->entry.next; entry != NULL;
         entry = entry->next) {
        if (request_of(entry)->type == WIRE_RENEW &&
            request_of(entry)->grant == renew->grant) {
            return true;
        }
    }
    return false;
}

/* Counts the hold anew from when Renew was sent. A grant that the client has
 * stopped believing in meanwhile is not believed in again; nor is one for
 * longer by a Renew that nobody waits for any more, or behind which a shorter
 * hold may be on its way. */
static bool take_renewed(struct core *core, struct request *request,
                         struct core_event *ret_event)
{
    struct held_grant *grant = core_find_grant(core, request->grant);
    int64_t hold_ms = hold_in_force(request, core->message.renewed.hold_ms);
    int64_t until_ns = hold_until(core, request, hold_ms, 0);
    bool may_lengthen = !request->is_silent && !is_overtaken(request);
    bool is_late = grant == NULL || !grant->is_granted || grant->loss != 0;
    bool is_heard;

    if (!is_late) {
        if (!may_lengthen && until_ns > grant->until_ns) {
            until_ns = grant->until_ns;
        }
        if (may_lengthen) {
            grant->hold_ms = hold_ms;
        }
        grant->until_ns = until_ns;
        core_fall_due(core, until_ns);
        is_late = until_ns <= core->now_ns;
    }
    is_heard = core_answer(core, request,
                           is_late ? PERMIT_E_EXPIRED : PERMIT_OK, ret_event);
    if (is_heard && !is_late) {
        ret_event->until_ns = until_ns;
    }
    return is_heard;
}

static bool take_answer(struct core *core, struct request *request,
                        struct core_event *ret_event)
{
    enum permit_status status = PERMIT_OK;

    if (core->message.type == WIRE_REFUSED) {
        status = core->message.refused.reason;
    } else if (core->message.type == WIRE_SERVER_UNKNOWN) {
        status = PERMIT_E_UNSUPPORTED; /* A newer server's answer. */
    } else if (core->message.type == WIRE_JOINED) {
        status = PERMIT_JOINED;
    } else if (request->type == WIRE_ACQUIRE) {
        return take_granted(core, request, ret_event);
    } else if (request->type == WIRE_RENEW) {
        return take_renewed(core, request, ret_event);
    }
    if (request->type == WIRE_PING && status == PERMIT_OK) {
        core_alive(core, request->asked_ns);
    } else if (request->type == WIRE_RELEASE || request->type == WIRE_SETTLE) {
        end_release(core, request, status);
    } else if (request->type == WIRE_ACQUIRE) {
        core->counters.waits_total += status == PERMIT_E_TIMEOUT ||
                                      status == PERMIT_E_CANCELLED ||
                                      status == PERMIT_JOINED;
        core_remove_grant(core, core_find_grant(core, request->entry.id));
    }
    return core_answer(core, request, status, ret_event);
}

/* ------------------------------------------------------------------- pushes
 */

bool core_lose(struct core *core, struct held_grant *grant,
               enum permit_loss loss, struct core_event *ret_event)
{
    if (!grant->is_granted || grant->loss != 0) {
        return false;
    }
    grant->loss = loss;
    core->counters.losses_total += grant->arg != NULL;
    *ret_event = (struct core_event){.type = CORE_EVENT_LOST,
                                     .arg = grant->arg,
                                     .text = "",
                                     .loss = loss,
                                     .until_ns = core->now_ns};
    return grant->arg != NULL;
}

/* A listed grant may be lost before its Granted is repeated, which says so, or
 * before it is released because nobody knows it. */
static bool is_lost_unheard(const struct core *core,
                            const struct held_grant *grant)
{
    return grant == NULL ? core->message.id < core->repeats_below
                         : grant->is_listed && !grant->is_granted;
}

static bool take_lost(struct core *core, struct core_event *ret_event)
{
    struct held_grant *grant = core_find_grant(core, core->message.id);

    if (is_lost_unheard(core, grant)) {
        return false;
    }
    if (grant == NULL || !grant->is_granted ||
        grant->grant_id != core->message.lost.grant_id) {
        core_break(core, PERMIT_E_PROTOCOL,
                   "the server took back a grant that is not ours");
        return false;
    }
    if (!core_lose(core, grant, core->message.lost.reason, ret_event)) {
        return false;
    }
    /* As with a session: done with it before the server gives it away. */
    ret_event->until_ns = core_add_ns(
        core->now_ns, core_ns_from_ms(core->message.lost.grace_ms) / 10 * 9);
    return true;
}

static bool take_waiting(struct core *core, const struct request *request,
                         struct core_event *ret_event)
{
    if (request == NULL || request->type != WIRE_ACQUIRE ||
        request->is_silent) {
        return false; /* It says nothing that anybody believes. */
    }
    *ret_event = (struct core_event){.type = CORE_EVENT_WAITING,
                                     .arg = request->arg,
                                     .text = "",
                                     .message = &core->message};
    return true;
}

bool core_take_message(struct core *core, struct core_event *ret_event)
{
    enum wire_server_type type = core->message.type;
    struct request *request = core_find_request(core, core->message.id);

    if (type == WIRE_WAITING) {
        return take_waiting(core, request, ret_event);
    }
    if (type == WIRE_LOST) {
        return take_lost(core, ret_event);
    }
    if (type == WIRE_SERVER_UNKNOWN && request == NULL) {
        return false; /* Of a newer version, and not an answer. */
    }
    if (request == NULL && core->message.id < core->repeats_below) {
        return false; /* Its answer came, and crossed that it was sent again. */
    }
    if (request == NULL || !may_answer(request, type)) {
        core_break(core, PERMIT_E_PROTOCOL,
                   "the server answered what was not asked");
        return false;
    }
    return take_answer(core, request, ret_event);
}
