/* SPDX-License-Identifier: MIT */
#include "async_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "ask.h"
#include "async_local.h"
#include "clock.h"
#include "list.h"
#include "memory.h"
#include "transport.h"

/* ------------------------------------------------------------------- grants
 */

void async_detach_grant(struct permit_grant *grant)
{
    struct permit_async *client = grant->async;

    grant_list_remove(grant->is_loss_due ? &client->lost : &client->grants,
                      grant);
    while (grant->requests != NULL) {
        grant->requests->grant = NULL;
        grant->requests = grant->requests->next;
    }
    grant->async = NULL;
    grant->belief = NULL;
}

/* No handle hears of what it has released. */
static void take_lost(struct permit_async *client,
                      const struct core_event *event)
{
    struct permit_grant *grant = event->arg;

    if (async_is_forked(client)) {
        return; /* Its eventfd is the parent's too. */
    }
    grant_lose(grant, event);
    if (grant->on_lost != NULL && !client->is_destroyed) {
        grant_list_remove(&client->grants, grant);
        grant_list_add(&client->lost, grant);
        grant->is_loss_due = true;
    }
}

static void tell_lost(struct permit_async *client)
{
    struct permit_grant *grant = client->lost.first;

    grant_list_remove(&client->lost, grant);
    grant_list_add(&client->grants, grant);
    grant->is_loss_due = false;
    if (!atomic_load(&grant->is_released)) {
        grant->on_lost(grant->on_lost_arg, grant, permit_grant_get_loss(grant));
    }
}

/* ----------------------------------------------------------------- requests
 */

void async_request_free(struct permit_async *client,
                        struct async_request *request)
{
    if (request->type == WIRE_ACQUIRE) {
        grant_free(request->grant);
    }
    permit_list_destroy(request->list);
    memory_give(&client->settings.allocator, request);
}

/* The request's grant is the receiver's from now on. */
static void hand_out(struct permit_async *client, struct async_request *request,
                     struct permit_answer *answer)
{
    grant_list_add(&client->grants, request->grant);
    answer->grant = request->grant;
    request->grant = NULL;
}

/* What the server refuses says why by itself; what else failed names the
 * server. */
static void describe(struct permit_async *client, enum permit_status status,
                     const struct core_event *event)
{
    if (event->message == NULL) {
        connector_describe(&client->connector, status, event->text,
                           client->answer_text, sizeof(client->answer_text));
    } else {
        (void)snprintf(client->answer_text, sizeof(client->answer_text), "%s",
                       *event->text != '\0' ? event->text
                                            : permit_strerror(status));
    }
}

/* The request ends; what the answer has, it owns no more. `text` is the
 * client's, and why it failed. */
static void tell(struct permit_async *client, struct async_request *request,
                 struct permit_answer *answer, const char *text)
{
    permit_callback callback = request->callback;
    void *arg = request->arg;

    answer->text = "";
    if (answer->status < PERMIT_OK) {
        answer->text = text;
        client->error = text;
    }
    async_request_free(client, request);
    if (callback != NULL) {
        callback(arg, answer);
    }
}

bool async_tell_ended(struct permit_async *client)
{
    struct async_request *request = client->ended_first;
    const char *text = client->down_text;
    struct permit_answer answer = {0};

    if (request == NULL) {
        return false;
    }
    client->ended_first = request->next;
    answer.status = request->status;
    answer.request_id = request->id;
    if (answer.status == PERMIT_OK && request->type == WIRE_ACQUIRE) {
        if (client->is_destroyed) {
            answer.status = PERMIT_E_CLOSED; /* The grant is freed with it. */
            request->text = permit_strerror(answer.status);
        } else {
            hand_out(client, request, &answer);
        }
    }
    if (request->text != NULL) {
        text = request->text;
    } else if (answer.status == PERMIT_E_OUTCOME_UNKNOWN) {
        (void)snprintf(client->answer_text, sizeof(client->answer_text),
                       "%.*s: %s", CORE_TEXT_BYTES - 128, client->down_text,
                       permit_strerror(answer.status));
        text = client->answer_text;
    }
    tell(client, request, &answer, text);
    return true;
}

void async_keep_ended(struct permit_async *client,
                      struct async_request *request, enum permit_status status,
                      const char *text)
{
    request->text = text != NULL && client->is_destroyed
                        ? permit_strerror(PERMIT_E_CLOSED)
                        : text;
    request->status = client->is_destroyed ? PERMIT_E_CLOSED : status;
    request->next = NULL;
    if (client->ended_first == NULL) {
        client->ended_first = request;
    } else {
        client->ended_last->next = request;
    }
    client->ended_last = request;
}

/* ------------------------------------------------------------------ answers
 */

static void take_grant(struct permit_async *client,
                       struct async_request *request,
                       const struct core_event *event,
                       struct permit_answer *answer)
{
    if (event->is_held) {
        grant_take(request->grant, event);
        hand_out(client, request, answer);
    }
}

static void remove_request(struct async_request *request)
{
    struct permit_grant *grant = request->grant;

    if (request->previous == NULL) {
        grant->requests = request->next;
    } else {
        request->previous->next = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
}

/* The handle may be gone. Returns the status of the answer. */
static enum permit_status end_release(struct async_request *request,
                                      enum permit_status status)
{
    if (request->grant != NULL) {
        remove_request(request);
        return grant_end_release(request->grant, &request->given, status);
    }
    return status == PERMIT_OK && request->given.is_late ? PERMIT_E_EXPIRED
                                                         : status;
}

/* The handle may be gone. */
static void end_renew(struct async_request *request,
                      const struct core_event *event)
{
    if (request->grant != NULL) {
        remove_request(request);
        if (event->status == PERMIT_OK) {
            grant_set_hold(request->grant, event->until_ns);
        }
    }
}

/* Asks for the page behind those that came. */
static enum permit_status ask_page(struct permit_async *client,
                                   struct async_request *request)
{
    struct wire_client_message message;
    const struct core_request next = {
        .message = &message,
        .answer_by_ns =
            clock_after_ms(clock_now_ns(), client->settings.answer_timeout_ms),
        .arg = request};
    const char *detail;
    uint64_t id;
    enum permit_status status =
        ask_list(request->kind, request->name, &message, &detail);

    if (status != PERMIT_OK) {
        return status;
    }
    message.list.offset = permit_list_count(request->list);
    return core_ask(client->core, &next, &id);
}

/* Returns true if the list goes on; else *ret_status is how it ended. */
static bool take_page(struct permit_async *client,
                      struct async_request *request,
                      const struct wire_page *page,
                      enum permit_status *ret_status)
{
    enum permit_status status = list_append(request->list, page);

    if (status == PERMIT_OK && request->type == WIRE_LIST && page->count > 0 &&
        permit_list_count(request->list) < page->total) {
        status = ask_page(client, request);
        if (status == PERMIT_OK) {
            return true;
        }
    }
    *ret_status = status;
    return false;
}

/* Takes what a PERMIT_OK brings. Returns true if the request goes on. */
static bool take_result(struct permit_async *client,
                        struct async_request *request,
                        const struct core_event *event,
                        struct permit_answer *answer)
{
    const struct wire_server_message *message = event->message;
    struct wire_page row = {
        .kind = WIRE_LIST_SEMAPHORES, .total = 1, .count = 1};
    bool goes_on = false;

    assert(message != NULL); /* The client says PERMIT_OK never by itself. */
    if (message->type == WIRE_GRANTED) {
        take_grant(client, request, event, answer);
    } else if (message->type == WIRE_POSTED) {
        answer->available = message->posted.available;
    } else if (message->type == WIRE_SEMAPHORE) {
        row.semaphores = &message->semaphore;
        goes_on = take_page(client, request, &row, &answer->status);
    } else if (message->type == WIRE_PAGE) {
        goes_on = take_page(client, request, &message->page, &answer->status);
    }
    if (request->list != NULL && !goes_on && answer->status == PERMIT_OK) {
        answer->list = request->list;
        request->list = NULL;
    }
    return goes_on;
}

static void take_answer(struct permit_async *client,
                        const struct core_event *event)
{
    const struct wire_server_message *message = event->message;
    struct async_request *request = event->arg;
    struct permit_answer answer = {.status = event->status,
                                   .request_id = event->id};

    if (request == NULL) {
        return; /* Bye. */
    }
    if (request->type == WIRE_RELEASE || request->type == WIRE_SETTLE) {
        answer.status = end_release(request, answer.status);
    } else if (request->type == WIRE_RENEW) {
        end_renew(request, event);
    }
    if (async_acquire_locally(client, request, event->id, answer.status)) {
        return;
    }
    if (message == NULL && !core_is_open(client->core)) {
        request->id = event->id;
        async_keep_ended(client, request, answer.status, NULL);
        return;
    }
    if (event->status == PERMIT_OK &&
        take_result(client, request, event, &answer)) {
        return;
    }
    if (message != NULL && message->type == WIRE_REFUSED) {
        ask_read_refusal(&message->refused, &answer.refusal);
    }
    if (event->status == PERMIT_JOINED) {
        answer.outcome = message->joined.outcome.data;
        answer.outcome_bytes = message->joined.outcome.length;
    } else if (answer.status != PERMIT_OK) {
        describe(client, answer.status, event);
    }
    tell(client, request, &answer, client->answer_text);
}

/* ------------------------------------------------------------------- events
 */

static const char *copy(char to[WIRE_TEXT_BYTES_MAX + 1], const char *from)
{
    (void)snprintf(to, WIRE_TEXT_BYTES_MAX + 1, "%s", from);
    return to;
}

/* The callback may ask: nothing of the core's is lent to it. */
static void take_waiting(const struct core_event *event)
{
    const struct async_request *request = event->arg;
    const struct wire_waiting *from = &event->message->waiting;
    struct permit_client_info oldest = from->oldest;
    char text[4][WIRE_TEXT_BYTES_MAX + 1];
    const struct permit_waiting waiting = {
        .position = from->position,
        .queue_length = from->queue_length,
        .held = from->held,
        .permits = from->permits,
        .oldest = from->has_oldest ? &oldest : NULL,
        .oldest_held_ms = from->oldest_held_ms,
        .semaphore = copy(text[3], from->semaphore),
        .permits_in_the_way = from->permits_in_the_way,
        .retry_after_ms = from->retry_after_ms};

    if (request->on_waiting == NULL) {
        return; /* The server was not asked for it. */
    }
    oldest.name = copy(text[0], oldest.name);
    oldest.host = copy(text[1], oldest.host);
    oldest.purpose = copy(text[2], oldest.purpose);
    request->on_waiting(request->on_waiting_arg, &waiting);
}

static void take_down(struct permit_async *client,
                      const struct core_event *event)
{
    connector_describe(&client->connector, event->status, event->text,
                       client->down_text, sizeof(client->down_text));
    if (!client->is_destroyed) {
        client->error = client->down_text;
        settings_log(&client->settings, PERMIT_LOG_WARNING, "%s",
                     client->down_text);
    }
    backoff_end(&client->backoff, clock_now_ns(), event->retry_after_ms,
                event->status, client->down_text);
    async_close(client, event->is_silent);
}

static void take_event(struct permit_async *client,
                       const struct core_event *event)
{
    switch (event->type) {
    case CORE_EVENT_READY:
        transport_set_timeout(client->fd,
                              core_session_timeout_ns(client->core));
        backoff_succeed(&client->backoff);
        settings_log(&client->settings, PERMIT_LOG_INFO,
                     "connected to %s, session %" PRIu64,
                     client->connector.address.written,
                     core_session_id(client->core));
        break;
    case CORE_EVENT_ANSWER:
        take_answer(client, event);
        break;
    case CORE_EVENT_WAITING:
        take_waiting(event);
        break;
    case CORE_EVENT_LOST:
        take_lost(client, event);
        break;
    case CORE_EVENT_DOWN:
        take_down(client, event);
        break;
    }
}

/* The belief is published before callbacks can look at what it belongs to. */
static bool next_event(struct permit_async *client,
                       struct core_event *ret_event)
{
    bool has_event = core_next_event(client->core, ret_event);

    atomic_store(&client->belief.until_ns, core_believed_until(client->core));
    return has_event;
}

void async_collect(struct permit_async *client)
{
    struct core_event event;

    while (!core_is_open(client->core) && next_event(client, &event)) {
        take_event(client, &event);
    }
}

void async_drain(struct permit_async *client)
{
    struct core_event event;
    bool has_more = true;

    while (has_more && !client->is_destroyed && !async_is_forked(client)) {
        async_collect(client);
        async_end_local_waits(client);
        if (client->lost.first != NULL) {
            tell_lost(client);
        } else if (!async_tell_ended(client)) {
            has_more = next_event(client, &event);
            if (has_more) {
                take_event(client, &event);
            }
        }
    }
}
