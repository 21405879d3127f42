/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"

/* ------------------------------------------------------------------- acquire
 */

/* Tells the caller of its place. Locked; unlocked while it is told. */
static void tell_waiting(struct permit_client *client, struct call *call,
                         const struct permit_acquire_request *request)
{
    const struct wire_waiting from = call->waiting;
    char text[4][WIRE_TEXT_BYTES_MAX + 1];
    struct permit_client_info oldest = from.oldest;
    const struct permit_waiting waiting = {
        .position = from.position,
        .queue_length = from.queue_length,
        .held = from.held,
        .permits = from.permits,
        .oldest = from.has_oldest ? &oldest : NULL,
        .oldest_held_ms = from.oldest_held_ms,
        .semaphore = text[3],
        .permits_in_the_way = from.permits_in_the_way,
        .retry_after_ms = from.retry_after_ms};

    memcpy(text, call->waiting_text, sizeof(text));
    oldest.name = text[0];
    oldest.host = text[1];
    oldest.purpose = text[2];
    call->has_waiting = false;
    (void)pthread_mutex_unlock(&client->mutex);
    request->on_waiting(request->on_waiting_arg, &waiting);
    (void)pthread_mutex_lock(&client->mutex);
}

/* Waits for the call or for cancel_fd, -1: none any more. Locked; unlocked
 * while it waits. Returns true if the call is to be cancelled. */
static bool wait_or_cancel(struct permit_client *client, struct call *call,
                           int cancel_fd)
{
    struct pollfd poll_fds[2] = {{.fd = call->event_fd, .events = POLLIN},
                                 {.fd = cancel_fd, .events = POLLIN}};
    uint64_t count;

    (void)pthread_mutex_unlock(&client->mutex);
    (void)poll(poll_fds, 2, -1); /* A signal of the caller's: looks again. */
    (void)!read(call->event_fd, &count, sizeof(count));
    (void)pthread_mutex_lock(&client->mutex);
    return poll_fds[1].revents != 0;
}

static void cancel(struct permit_client *client, struct call *call, uint64_t id)
{
    if (call->is_local) {
        client_cancel_locally(client, call);
        return;
    }
    core_advance(client->core, clock_now_ns());
    (void)core_cancel(client->core, id);
    io_push(client);
}

/* Locked. */
static void wait_acquired(struct permit_client *client, struct call *call,
                          uint64_t id,
                          const struct permit_acquire_request *request)
{
    int cancel_fd = request->cancel_fd;

    while (!call->is_done) {
        if (call->has_waiting && request->on_waiting != NULL) {
            tell_waiting(client, call, request);
        } else if (call->event_fd == -1) {
            (void)pthread_cond_wait(&call->done, &client->mutex);
        } else if (wait_or_cancel(client, call, cancel_fd) && !call->is_done) {
            cancel_fd = -1;
            cancel(client, call, id);
        }
    }
}

static void forget(struct permit_grant *grant)
{
    struct permit_client *client = grant->client;

    if (client_is_forked(client)) {
        return;
    }
    (void)pthread_mutex_lock(&client->mutex);
    loss_forget(grant);
    if (!grant->is_local) {
        core_advance(client->core, clock_now_ns());
        core_forget(client->core, grant->acquire_id);
        io_push(client);
    } else if (!atomic_load(&grant->is_released)) {
        (void)client_release_locally(
            grant,
            &(struct grant_given){.is_whole = true,
                                  .permits = {permit_grant_permits(grant)}});
    }
    (void)pthread_mutex_unlock(&client->mutex);
}

/* Gets ready all that an acquire needs, so that nothing fails once it is
 * granted. */
static enum permit_status prepare(struct permit_client *client,
                                  const struct permit_acquire_request *request,
                                  bool takes_grant,
                                  struct wire_client_message *message,
                                  struct call *call)
{
    const char *detail = "";
    enum permit_status status = ask_acquire(request, message, &detail);
    bool makes_grant =
        status == PERMIT_OK && grant_is_needed(&message->acquire);

    if (makes_grant && !takes_grant) {
        status = PERMIT_E_INVALID;
        detail = "ret_grant is NULL, but the request makes a grant";
    }
    if (status != PERMIT_OK) {
        return call_fail(call, status, detail);
    }
    if (request->cancel_fd != -1) {
        if (fcntl(request->cancel_fd, F_GETFD) < 0 && errno == EBADF) {
            return call_fail(call, PERMIT_E_INVALID, "cancel_fd is not open");
        }
        call->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (call->event_fd == -1) {
            return call_fail(call, PERMIT_E_NOMEM, "no more descriptors");
        }
    }
    call->ret_outcome = request->ret_outcome;
    if (makes_grant) {
        call->grant = grant_create(&client->settings.allocator, &client->belief,
                                   &message->acquire);
        if (call->grant == NULL) {
            return call_fail(call, PERMIT_E_NOMEM, "out of memory");
        }
        call->grant->client = client;
        call->grant->forget = forget;
        call->grant->on_lost = request->on_lost;
        call->grant->on_lost_arg = request->on_lost_arg;
    }
    return PERMIT_OK;
}

/* Asks the server and waits, then the client itself if the server is away.
 * Locked. */
static void ask(struct permit_client *client,
                const struct permit_acquire_request *request,
                struct wire_client_message *message, struct call *call)
{
    int64_t wait_until_ns =
        request->wait_ms < 0 ? CORE_NEVER
                             : clock_after_ms(clock_now_ns(), request->wait_ms);
    uint64_t id = 0;

    if (client_ask(client, message, call, &id) == PERMIT_OK) {
        if (call->grant != NULL) {
            call->grant->acquire_id = id;
        }
        wait_acquired(client, call, id, request);
    }
    client_acquire_locally(client, call, request, wait_until_ns);
    wait_acquired(client, call, id, request);
}

/* *request is of this version. */
static enum permit_status run(struct permit_client *client,
                              const struct permit_acquire_request *request,
                              bool takes_grant, struct call *call)
{
    struct wire_client_message message;
    enum permit_status status =
        prepare(client, request, takes_grant, &message, call);

    (void)pthread_mutex_lock(&client->mutex);
    if (status == PERMIT_OK) {
        ask(client, request, &message, call);
    }
    client_note(client, call);
    (void)pthread_mutex_unlock(&client->mutex);
    return call->status;
}

enum permit_status permit_acquire(struct permit_client *client,
                                  const struct permit_acquire_request *request,
                                  struct permit_grant **ret_grant)
{
    struct permit_acquire_request own;
    enum permit_status status;
    const char *detail;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    status = ask_read_acquire(request, &own, &detail);
    if (status != PERMIT_OK) {
        return call_refuse(client, &call, status, detail);
    }
    status = run(client, &own, ret_grant != NULL, &call);
    if (own.ret_refusal != NULL) {
        *own.ret_refusal = call.refusal;
    }
    if (status != PERMIT_OK) {
        grant_free(call.grant);
    } else if (ret_grant != NULL) {
        *ret_grant = call.grant;
        if (own.on_lost != NULL && call.grant != NULL) {
            loss_hand_out(call.grant);
        }
    }
    call_deinit(&call);
    return status;
}

enum permit_status permit_try(struct permit_client *client,
                              const char *semaphore, uint32_t permits,
                              struct permit_grant **ret_grant)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = semaphore;
    request.permits = permits;
    request.wait_ms = 0;
    return permit_acquire(client, &request, ret_grant);
}

/* ------------------------------------------------------------------- release
 */

/* Waits for the answer of what core_ask() or core_release() returned. Returns
 * how it ended. Locked; unlocked while it waits. */
static enum permit_status await_answer(struct permit_client *client,
                                       struct call *call,
                                       enum permit_status status)
{
    if (status == PERMIT_OK) {
        io_push(client);
        while (!call->is_done) {
            (void)pthread_cond_wait(&call->done, &client->mutex);
        }
        status = call->status;
    }
    return status;
}

/* Locked; unlocked while it waits. */
static enum permit_status release(struct permit_grant *grant,
                                  struct wire_client_message *message,
                                  struct grant_given *given, struct call *call)
{
    struct permit_client *client = grant->client;
    int64_t now_ns = clock_now_ns();
    const struct core_request request = {
        .message = message,
        .answer_by_ns = client_answer_by(client, now_ns, 0),
        .arg = call};
    enum permit_status status;
    uint64_t id;

    grant_begin_release(grant, given);
    core_advance(client->core, now_ns);
    status = core_release(client->core, &request, &id);
    status = await_answer(client, call, status);
    status = grant_end_release(grant, given, status);
    (void)pthread_cond_broadcast(&client->changed);
    return status;
}

/* Locked; unlocked while it waits. */
static enum permit_status give(struct permit_grant *grant,
                               const struct grant_release *what,
                               struct call *call, const char **ret_detail)
{
    struct permit_client *client = grant->client;
    struct wire_client_message message;
    struct grant_given given;
    enum permit_status status;

    if (loss_is_being_told(client)) {
        *ret_detail = LOSS_MAY_NOT_ASK;
        return PERMIT_E_INVALID;
    }
    if (atomic_load(&grant->is_released)) {
        *ret_detail = "it was given back before";
        return PERMIT_E_NOT_HELD;
    }
    status = grant_ask_release(grant, what, &message, &given, ret_detail);
    if (status != PERMIT_OK) {
        return status;
    }
    return grant->is_local ? client_release_locally(grant, &given)
                           : release(grant, &message, &given, call);
}

/* Gives back or settles. */
static enum permit_status run_release(struct permit_grant *grant,
                                      const struct grant_release *what)
{
    struct permit_client *client = grant->client;
    enum permit_status status;
    const char *detail = NULL;
    struct call call;

    if (client == NULL) {
        return PERMIT_E_INVALID; /* Of the non-blocking face. */
    }
    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    (void)pthread_mutex_lock(&client->mutex);
    status = give(grant, what, &call, &detail);
    if (call.text[0] == '\0') {
        (void)call_fail(&call, status,
                        detail != NULL ? detail : permit_strerror(status));
    }
    call.status = status;
    client_note(client, &call);
    (void)pthread_mutex_unlock(&client->mutex);
    call_deinit(&call);
    return status;
}

enum permit_status permit_grant_release(struct permit_grant *grant,
                                        uint32_t permits)
{
    const struct permit_part part = {grant->parts[0].semaphore, permits};

    return run_release(
        grant, &(struct grant_release){.parts = &part, .count = permits > 0});
}

enum permit_status permit_grant_release_parts(struct permit_grant *grant,
                                              const struct permit_part *parts,
                                              size_t count)
{
    /* None is not all. */
    return count == 0 ? PERMIT_E_INVALID
                      : run_release(grant, &(struct grant_release){
                                               .parts = parts, .count = count});
}

enum permit_status permit_grant_release_outcome(struct permit_grant *grant,
                                                const void *outcome,
                                                size_t outcome_bytes)
{
    return run_release(grant, &(struct grant_release){
                                  .outcome = outcome_bytes == 0 ? "" : outcome,
                                  .outcome_bytes = outcome_bytes});
}

enum permit_status permit_grant_settle(struct permit_grant *grant,
                                       const struct permit_part *actual,
                                       size_t count)
{
    return run_release(grant, &(struct grant_release){.parts = actual,
                                                      .count = count,
                                                      .is_settle = true});
}

/* --------------------------------------------------------------------- renew
 */

/* Asks for it, unless it makes no sense. Locked. */
static enum permit_status ask_for_renewal(struct permit_grant *grant,
                                          int64_t hold_ms, struct call *call,
                                          const char **ret_detail)
{
    struct permit_client *client = grant->client;
    int64_t now_ns = clock_now_ns();
    struct wire_client_message message;
    const struct core_request request = {
        .message = &message,
        .answer_by_ns = client_answer_by(client, now_ns, 0),
        .arg = call};
    enum permit_status status =
        ask_renew(grant->acquire_id, hold_ms, &message, ret_detail);
    uint64_t id;

    if (status == PERMIT_OK) {
        status = grant_may_renew(grant);
    }
    if (status != PERMIT_OK || grant->is_local) {
        call->is_done = true; /* A local one has no hold. */
        return status;
    }
    call->grant = grant;
    core_advance(client->core, now_ns);
    status = core_ask(client->core, &request, &id);
    if (status == PERMIT_OK) {
        grant_set_hold(grant, core_hold_until(client->core, grant->acquire_id));
    }
    /* Without a line the grant went with its session. */
    return status == PERMIT_E_DISCONNECTED ? PERMIT_E_EXPIRED : status;
}

enum permit_status permit_grant_renew(struct permit_grant *grant,
                                      int64_t hold_ms)
{
    struct permit_client *client = grant->client;
    enum permit_status status = PERMIT_E_INVALID;
    const char *detail = LOSS_MAY_NOT_ASK;
    struct call call;

    if (client == NULL) {
        return PERMIT_E_INVALID; /* Of the non-blocking face. */
    }
    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    (void)pthread_mutex_lock(&client->mutex);
    if (!loss_is_being_told(client)) {
        detail = "";
        status = ask_for_renewal(grant, hold_ms, &call, &detail);
        status = await_answer(client, &call, status);
    }
    if (call.text[0] == '\0') {
        (void)call_fail(&call, status,
                        *detail != '\0' ? detail : permit_strerror(status));
    }
    client_note(client, &call);
    (void)pthread_mutex_unlock(&client->mutex);
    call_deinit(&call);
    return status;
}
