/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <assert.h>
#include <string.h>

#include "core_private.h"

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
    if (core->next_request == &request->entry) {
        core->next_request = request->entry.next;
    }
    if (core->next_put == &request->entry) {
        core->next_put = request->entry.next;
    }
    id_table_remove(&core->requests, &request->entry);
    core->requests_count--;
    memory_give(&core->allocator, request);
}

void core_remove_grant(struct core *core, struct held_grant *grant)
{
    if (grant != NULL) {
        /* A walk removes only what it has passed, and nobody else while it is
         * under way. */
        assert(core->next_grant != &grant->entry);
        id_table_remove(&core->grants, &grant->entry);
        memory_give(&core->allocator, grant);
    }
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
    char *name = (char *)request->frame + request->frame_bytes;

    request->parts_count = (uint8_t)acquire->parts_count;
    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        const struct wire_part *part = &acquire->parts[i];

        request->permits[i] = part->permits;
        if (part->consume) {
            request->consume |= (uint8_t)(1u << i);
            name = stpcpy(name, part->semaphore) + 1;
        }
    }
    request->join = acquire->join;
    request->hold_ms = acquire->hold_ms;
    if (acquire->wait_ms > 0) {
        request->wait_until_ns =
            core_add_ns(request->asked_ns, core_ns_from_ms(acquire->wait_ms));
    }
}

/* Of the names that are kept beside its frame. */
static size_t names_bytes(const struct wire_client_message *message)
{
    const struct wire_acquire *acquire = &message->acquire;
    size_t bytes = 0;

    if (message->type != WIRE_ACQUIRE) {
        return 0;
    }
    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        if (acquire->parts[i].consume) {
            bytes += strlen(acquire->parts[i].semaphore) + 1;
        }
    }
    return bytes;
}

uint64_t core_held_permits(const struct request *acquire, uint32_t taken)
{
    uint64_t permits = 0;

    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        if (((taken | acquire->consume) >> i & 1) == 0) {
            permits += acquire->permits[i];
        }
    }
    return permits;
}

static uint64_t released_permits(const struct wire_release *release)
{
    uint64_t permits = 0;

    for (uint32_t i = 0; i < release->parts_count; i++) {
        permits += release->parts[i].permits;
    }
    return permits;
}

/* A hold that is to be shorter is so from now on: the server may know of it
 * long before its answer comes. */
static void note_renew(struct core *core, struct request *request,
                       const struct wire_client_message *message)
{
    struct held_grant *grant = core_find_grant(core, message->renew.acquire_id);
    int64_t until_ns;

    request->grant = message->renew.acquire_id;
    request->hold_ms = message->renew.hold_ms;
    if (grant == NULL || !grant->is_granted) {
        return; /* It has no hold yet that could end. */
    }
    if (request->hold_ms == 0) {
        request->hold_ms = grant->hold_ms; /* As before. */
    }
    grant->hold_ms = request->hold_ms;
    until_ns = core_hold_end(request->asked_ns, request->hold_ms);
    if (until_ns < grant->until_ns) {
        grant->until_ns = until_ns;
        core_fall_due(core, until_ns);
    }
}

int64_t core_hold_end(int64_t from_ns, int64_t hold_ms)
{
    int64_t hold_ns = core_ns_from_ms(hold_ms);

    return hold_ms == 0 ? CORE_NEVER
                        : core_add_ns(from_ns, hold_ns - hold_ns / 1000);
}

int64_t core_hold_until(const struct core *core, uint64_t acquire_id)
{
    const struct held_grant *grant = core_find_grant(core, acquire_id);

    return grant == NULL ? 0 : grant->until_ns;
}

/* The grant is made before its acquire is sent, so that no answer can find the
 * client without memory for it. */
static void expect_grant(struct core *core, struct held_grant *grant,
                         const struct request *request, void *arg)
{
    grant->entry.id = request->entry.id;
    grant->permits = core_held_permits(request, 0);
    grant->until_ns = CORE_NEVER;
    grant->arg = arg;
    id_table_add(&core->grants, &grant->entry);
}

/* Makes what is to be kept of a request until its answer. Returns NULL without
 * memory. */
static struct request *make_request(struct core *core,
                                    const struct core_request *from)
{
    struct wire_client_message *message = from->message;
    const struct id_entry *oldest = core->requests.first;
    uint8_t frame[WIRE_REQUEST_BYTES_MAX];
    struct request *request;
    size_t bytes;

    message->id = core->next_id;
    message->answered_below = oldest == NULL ? message->id : oldest->id;
    bytes = wire_encode_client(message, frame, sizeof(frame));
    assert(bytes > 0);
    request = memory_take(&core->allocator,
                          sizeof(*request) + bytes + names_bytes(message));
    if (request == NULL) {
        return NULL;
    }
    request->entry.id = message->id;
    request->type = message->type;
    request->asked_ns = core->now_ns;
    request->deadline_ns = from->answer_by_ns;
    request->wait_until_ns = CORE_NEVER;
    request->offset = CORE_NOT_PUT;
    request->arg = from->arg;
    request->frame_bytes = bytes;
    memcpy(request->frame, frame, bytes);
    if (message->type == WIRE_ACQUIRE) {
        note_acquire(request, &message->acquire);
    } else if (message->type == WIRE_RELEASE || message->type == WIRE_SETTLE) {
        request->grant = message->release.acquire_id;
        request->released = released_permits(&message->release);
    } else if (message->type == WIRE_RENEW) {
        note_renew(core, request, message);
    }
    return request;
}

/* Whatever the state is. */
static enum permit_status ask(struct core *core,
                              const struct core_request *from, uint64_t *ret_id)
{
    struct wire_client_message *message = from->message;
    struct request *request = make_request(core, from);
    struct held_grant *grant = NULL;
    bool makes_grant =
        request != NULL && message->type == WIRE_ACQUIRE &&
        (message->acquire.settle || core_held_permits(request, 0) > 0);

    if (makes_grant) {
        grant = memory_take(&core->allocator, sizeof(*grant));
    }
    if (request == NULL || (makes_grant && grant == NULL)) {
        memory_give(&core->allocator, grant);
        memory_give(&core->allocator, request);
        return PERMIT_E_NOMEM;
    }
    core->next_id++;
    core->counters.requests_total++;
    id_table_add(&core->requests, &request->entry);
    core->requests_count++;
    if (core->next_put == NULL) {
        core->next_put = &request->entry;
    }
    if (grant != NULL) {
        expect_grant(core, grant, request, from->grant_arg);
        grant->settles = message->acquire.settle;
    }
    core_fall_due(core, request->deadline_ns);
    *ret_id = message->id;
    return PERMIT_OK;
}

enum permit_status core_ask(struct core *core, const struct core_request *from,
                            uint64_t *ret_id)
{
    if (!core_is_open(core)) {
        return PERMIT_E_DISCONNECTED;
    }
    if (core->requests_count >= CORE_REQUESTS_MAX) {
        return PERMIT_E_TOO_MANY;
    }
    return ask(core, from, ret_id);
}

void core_ask_silently(struct core *core, struct wire_client_message *message)
{
    const struct core_request request = {.message = message,
                                         .answer_by_ns = CORE_NEVER};
    enum permit_status status;
    uint64_t id;

    status = ask(core, &request, &id);
    if (status != PERMIT_OK) {
        core_end(core, status, permit_strerror(status));
        return;
    }
    core_find_request(core, id)->is_silent = true;
}

void core_ping(struct core *core)
{
    struct wire_client_message message = {.type = WIRE_PING};

    core->ping_sent_ns = core->now_ns;
    if (core->unheard_ns == CORE_NEVER) {
        core->unheard_ns = core->now_ns;
    }
    core_ask_silently(core, &message);
}

void core_cancel_silently(struct core *core, struct request *acquire)
{
    struct wire_client_message message = {.type = WIRE_CANCEL};

    message.cancel.acquire_id = acquire->entry.id;
    core_ask_silently(core, &message);
}

bool core_was_sent(const struct core *core, const struct request *request)
{
    return request->was_sent || (request->offset != CORE_NOT_PUT &&
                                 request->offset < core->sent_total);
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
    if (request->offset == CORE_NOT_PUT && !request->was_sent) {
        deadline_ns = core->now_ns; /* It was not sent: it ends at once. */
    } else {
        core_cancel_silently(core, request);
    }
    if (request->deadline_ns > deadline_ns) {
        request->deadline_ns = deadline_ns;
        core_fall_due(core, deadline_ns);
    }
    return true;
}

enum permit_status core_release(struct core *core,
                                const struct core_request *request,
                                uint64_t *ret_id)
{
    const struct wire_client_message *message = request->message;
    struct held_grant *grant =
        core_find_grant(core, message->release.acquire_id);
    enum permit_status status;

    if (grant == NULL || grant->loss == PERMIT_LOSS_SESSION ||
        !core_is_open(core)) {
        return PERMIT_E_EXPIRED;
    }
    status = core_ask(core, request, ret_id);
    if (status != PERMIT_OK) {
        return status;
    }
    if (message->type == WIRE_SETTLE) {
        grant->settling++;
    } else if (message->release.parts_count == 0) {
        grant->is_releasing = true;
    } else {
        grant->releasing += released_permits(&message->release);
    }
    return PERMIT_OK;
}

void core_release_silently(struct core *core, uint64_t acquire_id)
{
    struct wire_client_message message = {.type = WIRE_RELEASE};

    message.release.acquire_id = acquire_id;
    core_ask_silently(core, &message);
}

void core_give_back(struct core *core, struct held_grant *grant)
{
    grant->arg = NULL;
    grant->is_releasing = true;
    core_release_silently(core, grant->entry.id);
}

void core_forget(struct core *core, uint64_t acquire_id)
{
    struct held_grant *grant = core_find_grant(core, acquire_id);

    if (grant == NULL) {
        return;
    }
    grant->arg = NULL;
    if (!grant->is_releasing && grant->is_granted && core->session.id != 0) {
        core_give_back(core, grant);
    }
}
