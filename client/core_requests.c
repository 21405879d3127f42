/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <assert.h>
#include <string.h>

#include "core_private.h"

static struct request *request_of(struct id_entry *entry)
{
    return (struct request *)entry;
}

static struct held_grant *grant_of(struct id_entry *entry)
{
    return (struct held_grant *)entry;
}

struct request *core_find_request(const struct core *core, uint64_t id)
{
    return request_of(id_table_find(&core->requests, id));
}

struct held_grant *core_find_grant(const struct core *core, uint64_t id)
{
    return grant_of(id_table_find(&core->grants, id));
}

void core_remove_request(struct core *core, struct request *request)
{
    if (core->next_due_request == &request->entry) {
        core->next_due_request = request->entry.next;
    }
    id_table_remove(&core->requests, &request->entry);
    core->requests_count--;
    memory_give(&core->allocator, request);
}

void core_remove_grant(struct core *core, struct held_grant *grant)
{
    if (grant != NULL) {
        if (core->next_due_grant == &grant->entry) {
            core->next_due_grant = grant->entry.next;
        }
        id_table_remove(&core->grants, &grant->entry);
        memory_give(&core->allocator, grant);
    }
}

static void copy_name(char to[WIRE_NAME_BYTES_MAX + 1], const char *from)
{
    assert(strlen(from) <= WIRE_NAME_BYTES_MAX);
    memcpy(to, from, strlen(from) + 1);
}

void core_fall_due(struct core *core, int64_t at_ns)
{
    if (at_ns < core->due_ns) {
        core->due_ns = at_ns;
    }
}

/* -------------------------------------------------------------------- ask */

static void note_acquire(struct request *request,
                         const struct wire_acquire *acquire)
{
    const struct wire_part *part = &acquire->parts[0];

    assert(acquire->parts_count == 1);
    request->consume = part->consume;
    request->permits = part->permits;
    request->hold_ms = acquire->hold_ms;
    copy_name(request->semaphore, part->semaphore);
}

static void note_release(struct request *request,
                         const struct wire_release *release)
{
    request->grant = release->acquire_id;
    request->permits =
        release->parts_count == 0 ? 0 : release->parts[0].permits;
}

static void note_renew(struct core *core, struct request *request,
                       const struct wire_client_message *message)
{
    const struct held_grant *grant =
        core_find_grant(core, message->renew.acquire_id);

    request->grant = message->renew.acquire_id;
    request->hold_ms = message->renew.hold_ms;
    if (request->hold_ms == 0 && grant != NULL) {
        request->hold_ms = grant->hold_ms; /* As before. */
    }
}

/* The grant is made before its acquire is sent, so that no answer can find the
 * client without memory for it. */
static void expect_grant(struct core *core, struct held_grant *grant,
                         const struct request *request, void *arg)
{
    grant->entry.id = request->entry.id;
    grant->permits = request->permits;
    grant->until_ns = CORE_NEVER;
    grant->arg = arg;
    copy_name(grant->semaphore, request->semaphore);
    id_table_add(&core->grants, &grant->entry);
}

enum permit_status core_ask(struct core *core, const struct core_request *from,
                            uint64_t *ret_id)
{
    struct wire_client_message *message = from->message;
    bool makes_grant =
        message->type == WIRE_ACQUIRE && !message->acquire.parts[0].consume;
    struct held_grant *grant = NULL;
    struct request *request;

    if (!core_is_open(core)) {
        return PERMIT_E_DISCONNECTED;
    }
    /* What the core asks by itself has no arg, and always its room. */
    if (core->requests_count >= CORE_REQUESTS_MAX && from->arg != NULL) {
        return PERMIT_E_TOO_MANY;
    }
    request = memory_take(&core->allocator, sizeof(*request));
    if (makes_grant) {
        grant = memory_take(&core->allocator, sizeof(*grant));
    }
    if (request == NULL || (makes_grant && grant == NULL) ||
        core_reserve(core) != PERMIT_OK) {
        memory_give(&core->allocator, grant);
        memory_give(&core->allocator, request);
        return PERMIT_E_NOMEM;
    }
    request->type = message->type;
    request->sent_ns = core->now_ns;
    request->deadline_ns = from->answer_by_ns;
    request->offset = core->output_total;
    request->arg = from->arg;
    if (message->type == WIRE_ACQUIRE) {
        note_acquire(request, &message->acquire);
    } else if (message->type == WIRE_RELEASE) {
        note_release(request, &message->release);
    } else if (message->type == WIRE_RENEW) {
        note_renew(core, request, message);
    }
    request->bytes = core_put(core, message);
    request->entry.id = message->id;
    id_table_add(&core->requests, &request->entry);
    core->requests_count++;
    if (grant != NULL) {
        expect_grant(core, grant, request, from->grant_arg);
    }
    core_fall_due(core, request->deadline_ns);
    *ret_id = message->id;
    return PERMIT_OK;
}

void core_ask_silently(struct core *core, struct wire_client_message *message)
{
    const struct core_request request = {.message = message,
                                         .answer_by_ns = CORE_NEVER};
    enum permit_status status;
    uint64_t id;

    status = core_ask(core, &request, &id);
    if (status != PERMIT_OK) {
        core_break(core, status, permit_strerror(status));
        return;
    }
    core_find_request(core, id)->is_silent = true;
}

void core_ping(struct core *core)
{
    struct wire_client_message message = {.type = WIRE_PING};

    core->ping_sent_ns = core->now_ns;
    core_ask_silently(core, &message);
}

static void cancel_silently(struct core *core, struct request *acquire)
{
    struct wire_client_message message = {.type = WIRE_CANCEL};

    message.cancel.acquire_id = acquire->entry.id;
    core_ask_silently(core, &message);
}

bool core_cancel(struct core *core, uint64_t acquire_id)
{
    struct request *request = core_find_request(core, acquire_id);
    int64_t deadline_ns =
        core_add_ns(core->now_ns, core_ns_from_ms(core->answer_timeout_ms));

    if (request == NULL || request->type != WIRE_ACQUIRE ||
        request->is_silent) {
        return false;
    }
    if (!core_is_open(core) || request->is_cancelled) {
        return true; /* Its end is under way. */
    }
    request->is_cancelled = true;
    if (core->state == CORE_STATE_OPENING) {
        deadline_ns = core->now_ns; /* It was not sent: it ends at once. */
    } else {
        cancel_silently(core, request);
    }
    if (request->deadline_ns > deadline_ns) {
        request->deadline_ns = deadline_ns;
        core_fall_due(core, deadline_ns);
    }
    return true;
}

enum permit_status core_release(struct core *core, uint64_t acquire_id,
                                uint32_t permits, int64_t answer_by_ns,
                                void *arg, uint64_t *ret_id)
{
    struct wire_client_message message = {.type = WIRE_RELEASE};
    const struct core_request request = {
        .message = &message, .answer_by_ns = answer_by_ns, .arg = arg};
    struct held_grant *grant = core_find_grant(core, acquire_id);
    enum permit_status status;

    if (grant == NULL || !core_is_ready(core)) {
        return PERMIT_E_EXPIRED;
    }
    message.release.acquire_id = acquire_id;
    if (permits > 0) {
        message.release.parts_count = 1;
        message.release.parts[0].semaphore = grant->semaphore;
        message.release.parts[0].permits = permits;
    }
    status = core_ask(core, &request, ret_id);
    if (status == PERMIT_OK && permits == 0) {
        grant->is_releasing = true;
    }
    return status;
}

void core_give_back(struct core *core, struct held_grant *grant)
{
    struct wire_client_message message = {.type = WIRE_RELEASE};

    grant->arg = NULL;
    grant->is_releasing = true;
    message.release.acquire_id = grant->entry.id;
    core_ask_silently(core, &message);
}

void core_forget(struct core *core, uint64_t acquire_id)
{
    struct held_grant *grant = core_find_grant(core, acquire_id);

    if (grant == NULL) {
        return;
    }
    grant->arg = NULL;
    if (!grant->is_releasing && core->state == CORE_STATE_READY) {
        core_give_back(core, grant);
    }
}

/* --------------------------------------------------------------------- time
 */

static uint8_t *output_at(struct core *core, uint64_t offset)
{
    assert(offset >= core->sent_total);
    return core->output + core->output_start +
           (size_t)(offset - core->sent_total);
}

/* Before Welcome the output has Hello and, in their order, the requests. */
void core_close_gaps(struct core *core)
{
    uint64_t at = core->hello_end;

    if (core->gap_bytes == 0) {
        return;
    }
    for (struct id_entry *entry = core->requests.first; entry != NULL;
         entry = entry->next) {
        struct request *request = request_of(entry);

        memmove(output_at(core, at), output_at(core, request->offset),
                request->bytes);
        request->offset = at;
        at += request->bytes;
    }
    assert(core->output_total - at == core->gap_bytes);
    core->output_end -= core->gap_bytes;
    core->output_total = at;
    core->gap_bytes = 0;
}

/* Before Welcome it was not sent, and never will be. Its bytes go with many
 * others', so that many of them cost no more than they are. */
static void give_up_unsent(struct core *core, struct request *request,
                           struct core_event *ret_event)
{
    *ret_event = (struct core_event){
        .type = CORE_EVENT_ANSWER,
        .arg = request->arg,
        .status =
            request->is_cancelled ? PERMIT_E_CANCELLED : PERMIT_E_DISCONNECTED,
        .text = request->is_cancelled ? "" : "no connection in time",
        .until_ns = CORE_NEVER,
        .id = request->entry.id};
    core->gap_bytes += request->bytes;
    core_remove_grant(core, core_find_grant(core, request->entry.id));
    core_remove_request(core, request);
    if (core->gap_bytes > (core->output_end - core->output_start) / 2) {
        core_close_gaps(core);
    }
}

/* The caller is let go; what may still come is the core's to give back. */
static void give_up(struct core *core, struct request *request,
                    struct core_event *ret_event)
{
    if (core->state == CORE_STATE_OPENING) {
        give_up_unsent(core, request, ret_event);
        return;
    }
    *ret_event = (struct core_event){.type = CORE_EVENT_ANSWER,
                                     .arg = request->arg,
                                     .status = PERMIT_E_NO_ANSWER,
                                     .text = "",
                                     .until_ns = CORE_NEVER,
                                     .id = request->entry.id};
    request->is_silent = true;
    request->deadline_ns = CORE_NEVER;
    if (request->type == WIRE_ACQUIRE && !request->is_cancelled) {
        cancel_silently(core, request);
    }
}

/* One look at each, however many of them make an event. */
bool core_take_due(struct core *core, struct core_event *ret_event)
{
    if (!core->is_taking_due) {
        core->is_taking_due = true;
        core->next_due_grant = core->grants.first;
        core->next_due_request = core->requests.first;
    }
    while (core->next_due_grant != NULL) {
        struct held_grant *grant = grant_of(core->next_due_grant);

        core->next_due_grant = grant->entry.next;
        if (grant->until_ns <= core->now_ns &&
            core_lose(core, grant, PERMIT_LOSS_HOLD, ret_event)) {
            return true;
        }
    }
    while (core->next_due_request != NULL) {
        struct request *request = request_of(core->next_due_request);

        core->next_due_request = request->entry.next;
        if (request->deadline_ns <= core->now_ns) {
            give_up(core, request, ret_event);
            return true;
        }
    }
    core->is_taking_due = false;
    return false;
}

int64_t core_due(const struct core *core)
{
    int64_t due_ns = CORE_NEVER;

    for (struct id_entry *entry = core->grants.first; entry != NULL;
         entry = entry->next) {
        const struct held_grant *grant = grant_of(entry);

        if (!grant->is_lost && grant->until_ns < due_ns) {
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

/* --------------------------------------------------------------------- ruin
 */

/* Nothing was asked if no byte of it left, or if it only asks. Before Welcome
 * none left: then it is as why there was none. */
static enum permit_status outcome_of(const struct core *core,
                                     const struct request *request)
{
    bool only_asks = request->type == WIRE_PING ||
                     request->type == WIRE_QUERY || request->type == WIRE_LIST;

    if (core->sent_total <= core->hello_end) {
        return core->down_status;
    }
    return only_asks || core->sent_total <= request->offset
               ? PERMIT_E_DISCONNECTED
               : PERMIT_E_OUTCOME_UNKNOWN;
}

bool core_take_ruin(struct core *core, struct core_event *ret_event)
{
    while (core->grants.first != NULL) {
        struct held_grant *grant = grant_of(core->grants.first);
        bool is_heard = core_lose(core, grant, PERMIT_LOSS_SESSION, ret_event);

        core_remove_grant(core, grant);
        if (is_heard) {
            return true;
        }
    }
    while (core->requests.first != NULL) {
        struct request *request = request_of(core->requests.first);
        enum permit_status status = outcome_of(core, request);

        core->message.type = WIRE_SERVER_UNKNOWN;
        if (core_answer(core, request, status, ret_event)) {
            ret_event->text = core->down_text;
            ret_event->message = NULL;
            return true;
        }
    }
    return false;
}
