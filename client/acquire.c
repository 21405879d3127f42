/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

/* --------------------------------------------------------------------- grant
 */

static struct permit_grant *create_grant(struct permit_client *client,
                                         uint32_t permits)
{
    struct permit_grant *grant = calloc(1, sizeof(*grant));
    pthread_condattr_t attributes;

    if (grant == NULL) {
        return NULL;
    }
    grant->client = client;
    atomic_init(&grant->permits, permits);
    grant->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&grant->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return grant;
}

static void free_grant(struct permit_grant *grant)
{
    if (grant == NULL) {
        return;
    }
    if (grant->event_fd != -1) {
        (void)close(grant->event_fd);
    }
    if (!client_is_forked(grant->client)) {
        (void)pthread_cond_destroy(&grant->changed);
    }
    free(grant);
}

/* ------------------------------------------------------------------- acquire
 */

/* Tells the caller of its place. Locked; unlocked while it is told. */
static void tell_waiting(struct permit_client *client, struct call *call,
                         const struct permit_acquire_request *request)
{
    const struct wire_waiting from = call->waiting;
    char text[3][WIRE_TEXT_BYTES_MAX + 1];
    struct permit_client_info oldest = from.oldest;
    const struct permit_waiting waiting = {
        .position = from.position,
        .queue_length = from.queue_length,
        .held = from.held,
        .permits = from.permits,
        .oldest = from.has_oldest ? &oldest : NULL,
        .oldest_held_ms = from.oldest_held_ms};

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
            core_advance(client->core, clock_now_ns());
            core_cancel(client->core, id);
            io_push(client);
        }
    }
}

static enum permit_status check(struct call *call,
                                const struct permit_acquire_request *request)
{
    if (request->struct_size != sizeof(*request)) {
        return call_fail(call, PERMIT_E_INVALID,
                         "start from PERMIT_ACQUIRE_REQUEST_INIT");
    }
    if (request->permits == 0 || request->permits > WIRE_PERMITS_MAX) {
        return call_fail(call, PERMIT_E_INVALID, "permits are 1 to 2147483647");
    }
    if (request->wait_ms < -1 || request->hold_ms < 0) {
        return call_fail(call, PERMIT_E_INVALID,
                         "a wait is at least -1, a hold at least 0");
    }
    return client_check_name(call, request->semaphore, false);
}

/* Gets ready all that an acquire needs, so that nothing fails once it is
 * granted. */
static enum permit_status prepare(struct permit_client *client,
                                  const struct permit_acquire_request *request,
                                  struct call *call)
{
    if (check(call, request) != PERMIT_OK) {
        return call->status;
    }
    if (request->cancel_fd != -1) {
        call->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (call->event_fd == -1) {
            return call_fail(call, PERMIT_E_NOMEM, "no more descriptors");
        }
    }
    if (!request->consume) {
        call->grant = create_grant(client, request->permits);
        if (call->grant == NULL) {
            return call_fail(call, PERMIT_E_NOMEM, "");
        }
    }
    return PERMIT_OK;
}

static void fill(struct wire_client_message *message,
                 const struct permit_acquire_request *request)
{
    memset(message, 0, sizeof(*message));
    message->type = WIRE_ACQUIRE;
    message->acquire.parts_count = 1;
    message->acquire.parts[0].semaphore = request->semaphore;
    message->acquire.parts[0].permits = request->permits;
    message->acquire.parts[0].consume = request->consume;
    message->acquire.parts[0].expect_permits = request->expect_permits;
    message->acquire.wait_ms = request->wait_ms;
    message->acquire.hold_ms = request->hold_ms;
    message->acquire.waiting = request->on_waiting != NULL;
}

enum permit_status permit_acquire(struct permit_client *client,
                                  const struct permit_acquire_request *request,
                                  struct permit_grant **ret_grant)
{
    struct wire_client_message message;
    enum permit_status status;
    struct call call;
    uint64_t id;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    status = prepare(client, request, &call);
    (void)pthread_mutex_lock(&client->mutex);
    if (status == PERMIT_OK) {
        fill(&message, request);
        status = client_ask(client, &message, &call, &id);
    }
    if (status == PERMIT_OK) {
        if (call.grant != NULL) {
            call.grant->acquire_id = id;
        }
        wait_acquired(client, &call, id, request);
        status = call.status;
    }
    client_note(client, &call);
    (void)pthread_mutex_unlock(&client->mutex);
    if (status == PERMIT_OK) {
        *ret_grant = call.grant;
    } else {
        free_grant(call.grant);
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

static int64_t believed_until(const struct permit_grant *grant)
{
    int64_t session_ns = atomic_load(&grant->client->believed_until_ns);
    int64_t hold_ns = atomic_load(&grant->until_ns);

    /* After the session's deadline: a later session's belief is stored only
     * after all grants of this one are lost. */
    if (atomic_load(&grant->loss) != 0 || atomic_load(&grant->is_released) ||
        client_is_forked(grant->client)) {
        return 0;
    }
    return session_ns < hold_ns ? session_ns : hold_ns;
}

/* Is it over although nobody with the right to it said so? */
static bool was_unprotected(const struct permit_grant *grant)
{
    int loss = atomic_load(&grant->loss);

    return loss == PERMIT_LOSS_HOLD || loss == PERMIT_LOSS_SESSION ||
           (loss == 0 && believed_until(grant) <= clock_now_ns());
}

/* Is the grant given back for all that the client can know? Else it may be
 * tried again. */
static bool is_final(enum permit_status status)
{
    return status == PERMIT_OK || status == PERMIT_E_NOT_HELD ||
           status == PERMIT_E_EXPIRED || status == PERMIT_E_NO_ANSWER ||
           status == PERMIT_E_OUTCOME_UNKNOWN;
}

/* Locked; unlocked while it waits. */
static void release(struct permit_grant *grant, uint32_t permits,
                    struct call *call)
{
    struct permit_client *client = grant->client;
    uint32_t left = atomic_load(&grant->permits);
    bool is_whole = permits == 0 || permits == left;
    bool is_late = was_unprotected(grant);
    int64_t now_ns = clock_now_ns();
    enum permit_status status;
    uint64_t id;

    atomic_store(&grant->is_released, is_whole);
    core_advance(client->core, now_ns);
    status =
        core_release(client->core, grant->acquire_id, is_whole ? 0 : permits,
                     client_answer_by(client, now_ns, 0), call, &id);
    if (status == PERMIT_OK) {
        io_push(client);
        while (!call->is_done) {
            (void)pthread_cond_wait(&call->done, &client->mutex);
        }
        status = call->status;
    }
    if (status == PERMIT_OK && !is_whole) {
        atomic_fetch_sub(&grant->permits, permits);
    }
    if (is_whole && !is_final(status)) {
        atomic_store(&grant->is_released, false);
    }
    call->status = status == PERMIT_OK && is_late ? PERMIT_E_EXPIRED : status;
    (void)pthread_cond_broadcast(&grant->changed);
}

enum permit_status permit_grant_release(struct permit_grant *grant,
                                        uint32_t permits)
{
    struct permit_client *client = grant->client;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    (void)pthread_mutex_lock(&client->mutex);
    if (atomic_load(&grant->is_released)) {
        (void)call_fail(&call, PERMIT_E_NOT_HELD, "it was given back before");
    } else {
        release(grant, permits, &call);
    }
    client_note(client, &call);
    (void)pthread_mutex_unlock(&client->mutex);
    call_deinit(&call);
    return call.status;
}

void permit_grant_destroy(struct permit_grant *grant)
{
    struct permit_client *client;

    if (grant == NULL) {
        return;
    }
    client = grant->client;
    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        core_advance(client->core, clock_now_ns());
        core_forget(client->core, grant->acquire_id);
        io_push(client);
        (void)pthread_mutex_unlock(&client->mutex);
    }
    free_grant(grant);
}

/* --------------------------------------------------------------------- loss
 */

bool permit_grant_is_valid(const struct permit_grant *grant)
{
    return believed_until(grant) > clock_now_ns();
}

int64_t permit_grant_left_ms(const struct permit_grant *grant)
{
    int64_t left_ns = believed_until(grant) - clock_now_ns();

    return left_ns > 0 ? left_ns / NS_PER_MS : 0;
}

enum permit_loss permit_grant_get_loss(const struct permit_grant *grant)
{
    return (enum permit_loss)atomic_load(&grant->loss);
}

/* Returns false when the time is over. Locked. */
static bool wait_changed(struct permit_grant *grant, int64_t timeout_ms,
                         const struct timespec *deadline)
{
    pthread_mutex_t *mutex = &grant->client->mutex;

    if (timeout_ms < 0) {
        return pthread_cond_wait(&grant->changed, mutex) == 0;
    }
    return pthread_cond_timedwait(&grant->changed, mutex, deadline) !=
           ETIMEDOUT;
}

enum permit_status permit_grant_wait_lost(struct permit_grant *grant,
                                          int64_t timeout_ms,
                                          enum permit_loss *ret_loss)
{
    struct permit_client *client = grant->client;
    enum permit_status status = PERMIT_OK;
    struct timespec deadline;
    int loss = 0;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += timeout_ms % 1000 * NS_PER_MS;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&client->mutex);
    while (status == PERMIT_OK) {
        loss = atomic_load(&grant->loss);
        if (loss != 0) {
            status = PERMIT_E_LOST;
        } else if (atomic_load(&grant->is_released)) {
            status = PERMIT_E_NOT_HELD;
        } else if (!wait_changed(grant, timeout_ms, &deadline)) {
            loss = atomic_load(&grant->loss);
            status = loss != 0 ? PERMIT_E_LOST : PERMIT_E_TIMEOUT;
        }
    }
    (void)pthread_mutex_unlock(&client->mutex);
    if (status == PERMIT_E_LOST) {
        *ret_loss = (enum permit_loss)loss;
    }
    return status;
}

int permit_grant_event_fd(const struct permit_grant *grant)
{
    return grant->event_fd;
}

/* ---------------------------------------------------------------- what it is
 */

uint64_t permit_grant_id(const struct permit_grant *grant)
{
    return grant->id;
}

uint64_t permit_grant_fence(const struct permit_grant *grant)
{
    return grant->fence;
}

uint32_t permit_grant_permits(const struct permit_grant *grant)
{
    return atomic_load(&grant->permits);
}

int64_t permit_grant_waited_ms(const struct permit_grant *grant)
{
    return grant->waited_ms;
}
