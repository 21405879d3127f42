/* SPDX-License-Identifier: MIT */
#include "async_requests.h"

#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "async_local.h"
#include "clock.h"
#include "memory.h"

enum permit_status async_refuse(struct permit_async *client,
                                enum permit_status status, const char *detail)
{
    (void)snprintf(client->call_text, sizeof(client->call_text), "%s", detail);
    client->error = client->call_text;
    return status;
}

enum permit_status async_check(struct permit_async *client)
{
    if (async_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    if (client->is_destroyed) {
        return async_refuse(client, PERMIT_E_CLOSED, "the client is destroyed");
    }
    return client->is_attached
               ? PERMIT_OK
               : async_refuse(client, PERMIT_E_INVALID,
                              "attach the client to a loop first");
}

struct async_request *async_request_create(struct permit_async *client,
                                           enum wire_client_type type,
                                           const char *name,
                                           permit_callback callback, void *arg)
{
    struct async_request *request = memory_take(
        &client->settings.allocator, sizeof(*request) + strlen(name) + 1);

    if (request != NULL) {
        request->type = type;
        request->callback = callback;
        request->arg = arg;
        memcpy(request->name, name, strlen(name) + 1);
    }
    return request;
}

/* There is a line, or one begins. Returns false if the server is away, and it
 * is too early to find out again. */
static bool has_way(struct permit_async *client, int64_t now_ns)
{
    core_advance(client->core, now_ns);
    async_collect(client);
    if (!core_has_line(client->core) &&
        backoff_refuses(&client->backoff, now_ns)) {
        return false;
    }
    if (core_is_down(client->core) && !core_wants_line(client->core)) {
        async_open(client, now_ns);
    }
    return true;
}

static int64_t answer_by(const struct permit_async *client, int64_t now_ns,
                         int64_t wait_ms)
{
    return wait_ms < 0 ? CORE_NEVER
                       : clock_after_ms(clock_after_ms(now_ns, wait_ms),
                                        client->settings.answer_timeout_ms);
}

enum permit_status async_ask(struct permit_async *client,
                             struct wire_client_message *message,
                             struct async_request *request, int64_t wait_ms,
                             uint64_t *ret_id)
{
    struct core_request taken = {.message = message, .arg = request};
    int64_t now_ns = clock_now_ns();
    enum permit_status status;
    const char *text;

    if (request == NULL) {
        return async_refuse(client, PERMIT_E_NOMEM,
                            permit_strerror(PERMIT_E_NOMEM));
    }
    if (has_way(client, now_ns)) {
        taken.answer_by_ns = answer_by(client, now_ns, wait_ms);
        taken.grant_arg = request->grant;
        status = core_ask(client->core, &taken, ret_id);
        text = permit_strerror(status);
    } else {
        status = client->backoff.status;
        text = client->backoff.text;
    }
    if (status == PERMIT_OK) {
        return PERMIT_OK;
    }
    *ret_id = async_local_id(client);
    if (async_acquire_locally(client, request, *ret_id, status)) {
        return PERMIT_OK;
    }
    async_request_free(client, request);
    return async_refuse(client, status, text);
}

/* ------------------------------------------------------------------- acquire
 */

static void forget(struct permit_grant *grant)
{
    struct permit_async *client = grant->async;

    async_detach_grant(grant);
    if (async_is_forked(client)) {
        return;
    }
    if (!grant->is_local) {
        core_advance(client->core, clock_now_ns());
        core_forget(client->core, grant->acquire_id);
    } else if (!atomic_load(&grant->is_released)) {
        async_release_locally(
            client, grant,
            &(struct grant_given){.is_whole = true,
                                  .permits = {permit_grant_permits(grant)}},
            NULL);
    }
    async_settle(client);
}

/* Gets ready all that an acquire needs, so that nothing fails once it is
 * granted. Returns NULL without memory. */
static struct async_request *create_acquire(
    struct permit_async *client, const struct permit_acquire_request *from,
    const struct wire_acquire *acquire, permit_callback callback, void *arg)
{
    struct async_request *request = async_request_create(
        client, WIRE_ACQUIRE, from->semaphore, callback, arg);

    if (request == NULL) {
        return NULL;
    }
    request->on_waiting = from->on_waiting;
    request->on_waiting_arg = from->on_waiting_arg;
    request->is_try = from->wait_ms == 0;
    request->wait_until_ns =
        from->wait_ms < 0 ? CORE_NEVER
                          : clock_after_ms(clock_now_ns(), from->wait_ms);
    if (!grant_is_needed(acquire)) {
        return request;
    }
    request->grant =
        grant_create(&client->settings.allocator, &client->belief, acquire);
    if (request->grant == NULL) {
        async_request_free(client, request);
        return NULL;
    }
    request->grant->async = client;
    request->grant->forget = forget;
    request->grant->on_lost = from->on_lost;
    request->grant->on_lost_arg = from->on_lost_arg;
    return request;
}

static enum permit_status read_acquire(
    const struct permit_acquire_request *from, permit_callback callback,
    struct permit_acquire_request *ret_request, const char **ret_detail)
{
    enum permit_status status = ask_read_acquire(from, ret_request, ret_detail);

    if (status != PERMIT_OK) {
        return status;
    }
    if (callback == NULL || ret_request->cancel_fd != -1 ||
        ret_request->ret_refusal != NULL || ret_request->ret_outcome != NULL) {
        *ret_detail = callback == NULL
                          ? "who asks needs a callback"
                          : "cancel_fd, ret_refusal and ret_outcome are the "
                            "blocking face's";
        return PERMIT_E_INVALID;
    }
    return PERMIT_OK;
}

enum permit_status permit_async_acquire(
    struct permit_async *client, const struct permit_acquire_request *request,
    permit_callback callback, void *arg, uint64_t *ret_request_id)
{
    struct permit_acquire_request own;
    struct wire_client_message message;
    struct async_request *taken;
    enum permit_status status = async_check(client);
    const char *detail = "";
    uint64_t id = 0;

    if (status != PERMIT_OK) {
        return status;
    }
    status = read_acquire(request, callback, &own, &detail);
    if (status == PERMIT_OK) {
        status = ask_acquire(&own, &message, &detail);
    }
    if (status != PERMIT_OK) {
        return async_refuse(client, status, detail);
    }
    taken = create_acquire(client, &own, &message.acquire, callback, arg);
    status = async_ask(client, &message, taken, own.wait_ms, &id);
    if (status == PERMIT_OK) {
        if (taken->grant != NULL) {
            taken->grant->acquire_id = id;
        }
        if (ret_request_id != NULL) {
            *ret_request_id = id;
        }
    }
    async_settle(client);
    return status;
}

enum permit_status
permit_async_why(struct permit_async *client,
                 const struct permit_acquire_request *request,
                 permit_callback callback, void *arg)
{
    struct permit_acquire_request own;
    struct wire_client_message message;
    enum permit_status status = async_check(client);
    const char *detail = "";
    uint64_t id;

    if (status != PERMIT_OK) {
        return status;
    }
    status = read_acquire(request, callback, &own, &detail);
    if (status == PERMIT_OK) {
        status = ask_why(&own, &message, &detail);
    }
    if (status != PERMIT_OK) {
        return async_refuse(client, status, detail);
    }
    status = async_ask(
        client, &message,
        async_request_create(client, WIRE_WHY, "", callback, arg), 0, &id);
    async_settle(client);
    return status;
}

enum permit_status permit_async_cancel(struct permit_async *client,
                                       uint64_t request_id)
{
    enum permit_status status = async_check(client);

    if (status != PERMIT_OK) {
        return status;
    }
    core_advance(client->core, clock_now_ns());
    if (!core_cancel(client->core, request_id) &&
        !async_cancel_locally(client, request_id)) {
        return async_refuse(client, PERMIT_E_NOT_FOUND,
                            "no such acquire is under way");
    }
    async_settle(client);
    return PERMIT_OK;
}

/* ------------------------------------------------------------------- grants
 */

/* Releases and Renews lose their grant with its handle. */
static void add_request(struct permit_grant *grant,
                        struct async_request *request)
{
    request->grant = grant;
    request->next = grant->requests;
    if (request->next != NULL) {
        request->next->previous = request;
    }
    grant->requests = request;
}

/* The client that may be asked about the grant, or why there is none. */
static enum permit_status check_grant(const struct permit_grant *grant)
{
    if (grant->async == NULL) {
        return grant->client != NULL ? PERMIT_E_INVALID : PERMIT_E_EXPIRED;
    }
    return async_check(grant->async);
}

/* The handle has already what is left of it; if that was not given back, the
 * answer restores it. */
static enum permit_status release(struct permit_async *client,
                                  struct permit_grant *grant,
                                  struct wire_client_message *message,
                                  struct async_request *request)
{
    int64_t now_ns = clock_now_ns();
    const struct core_request asked = {.message = message,
                                       .answer_by_ns =
                                           answer_by(client, now_ns, 0),
                                       .arg = request};
    enum permit_status status;
    uint64_t id;

    core_advance(client->core, now_ns);
    status = core_release(client->core, &asked, &id);
    if (status == PERMIT_OK) {
        grant_begin_release(grant, &request->given);
        add_request(grant, request);
    }
    return status;
}

static enum permit_status run_release(struct permit_grant *grant,
                                      const struct grant_release *what,
                                      permit_callback callback, void *arg)
{
    struct permit_async *client = grant->async;
    struct wire_client_message message;
    struct async_request *request;
    struct grant_given given;
    enum permit_status status = check_grant(grant);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    if (atomic_load(&grant->is_released)) {
        return async_refuse(client, PERMIT_E_NOT_HELD,
                            "it was given back before");
    }
    status = grant_ask_release(grant, what, &message, &given, &detail);
    if (status != PERMIT_OK) {
        return async_refuse(client, status, detail);
    }
    request = async_request_create(client, message.type, "", callback, arg);
    if (request == NULL) {
        status = PERMIT_E_NOMEM;
    } else if (grant->is_local) {
        async_release_locally(client, grant, &given, request);
    } else {
        request->given = given;
        status = release(client, grant, &message, request);
    }
    if (status != PERMIT_OK) {
        memory_give(&client->settings.allocator, request);
        return async_refuse(client, status, permit_strerror(status));
    }
    async_settle(client);
    return PERMIT_OK;
}

enum permit_status permit_async_release(struct permit_grant *grant,
                                        uint32_t permits,
                                        permit_callback callback, void *arg)
{
    const struct permit_part part = {grant->parts[0].semaphore, permits};

    return run_release(
        grant, &(struct grant_release){.parts = &part, .count = permits > 0},
        callback, arg);
}

enum permit_status permit_async_release_parts(struct permit_grant *grant,
                                              const struct permit_part *parts,
                                              size_t count,
                                              permit_callback callback,
                                              void *arg)
{
    /* None is not all. */
    return count == 0 ? PERMIT_E_INVALID
                      : run_release(grant,
                                    &(struct grant_release){.parts = parts,
                                                            .count = count},
                                    callback, arg);
}

enum permit_status permit_async_release_outcome(struct permit_grant *grant,
                                                const void *outcome,
                                                size_t outcome_bytes,
                                                permit_callback callback,
                                                void *arg)
{
    return run_release(
        grant,
        &(struct grant_release){.outcome = outcome_bytes == 0 ? "" : outcome,
                                .outcome_bytes = outcome_bytes},
        callback, arg);
}

enum permit_status permit_async_settle(struct permit_grant *grant,
                                       const struct permit_part *actual,
                                       size_t count, permit_callback callback,
                                       void *arg)
{
    return run_release(grant,
                       &(struct grant_release){
                           .parts = actual, .count = count, .is_settle = true},
                       callback, arg);
}

static enum permit_status renew(struct permit_async *client,
                                struct permit_grant *grant,
                                struct wire_client_message *message,
                                struct async_request *request)
{
    int64_t now_ns = clock_now_ns();
    const struct core_request asked = {.message = message,
                                       .answer_by_ns =
                                           answer_by(client, now_ns, 0),
                                       .arg = request};
    enum permit_status status;
    uint64_t id;

    core_advance(client->core, now_ns);
    status = core_ask(client->core, &asked, &id);
    if (status == PERMIT_OK) {
        grant_set_hold(grant, core_hold_until(client->core, grant->acquire_id));
        add_request(grant, request);
    }
    /* Without a line the grant went with its session. */
    return status == PERMIT_E_DISCONNECTED ? PERMIT_E_EXPIRED : status;
}

enum permit_status permit_async_renew(struct permit_grant *grant,
                                      int64_t hold_ms, permit_callback callback,
                                      void *arg)
{
    struct permit_async *client = grant->async;
    struct wire_client_message message;
    struct async_request *request;
    enum permit_status status = check_grant(grant);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    status = ask_renew(grant->acquire_id, hold_ms, &message, &detail);
    if (status != PERMIT_OK) {
        return async_refuse(client, status, detail);
    }
    status = grant_may_renew(grant);
    if (status != PERMIT_OK) {
        return async_refuse(client, status, permit_strerror(status));
    }
    request = async_request_create(client, WIRE_RENEW, "", callback, arg);
    if (request == NULL) {
        status = PERMIT_E_NOMEM;
    } else if (grant->is_local) {
        async_renew_locally(client, request);
    } else {
        status = renew(client, grant, &message, request);
    }
    if (status != PERMIT_OK) {
        memory_give(&client->settings.allocator, request);
        return async_refuse(client, status, permit_strerror(status));
    }
    async_settle(client);
    return PERMIT_OK;
}
