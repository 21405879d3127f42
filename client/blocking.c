/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "lookup.h"
#include "memory.h"
#include "sized.h"
#include "transport.h"

#define BYE_MS 1000

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* -------------------------------------------------------------------- calls
 */

void call_init(struct call *call)
{
    memset(call, 0, sizeof(*call));
    call->event_fd = -1;
    (void)pthread_cond_init(&call->done, NULL);
}

void call_wake(struct call *call)
{
    if (call->event_fd == -1) {
        (void)pthread_cond_signal(&call->done);
    } else {
        transport_raise(call->event_fd);
    }
}

void call_deinit(struct call *call)
{
    if (call->event_fd != -1) {
        (void)close(call->event_fd);
    }
    (void)pthread_cond_destroy(&call->done);
}

enum permit_status call_fail(struct call *call, enum permit_status status,
                             const char *text)
{
    call->status = status;
    (void)snprintf(call->text, sizeof(call->text), "%s", text);
    return status;
}

void client_note(struct permit_client *client, const struct call *call)
{
    if (call->status < PERMIT_OK) {
        (void)snprintf(client->error, sizeof(client->error), "%s", call->text);
    }
}

enum permit_status call_refuse(struct permit_client *client, struct call *call,
                               enum permit_status status, const char *text)
{
    (void)call_fail(call, status, text);
    (void)pthread_mutex_lock(&client->mutex);
    client_note(client, call);
    (void)pthread_mutex_unlock(&client->mutex);
    call_deinit(call);
    return status;
}

int64_t client_answer_by(const struct permit_client *client, int64_t now_ns,
                         int64_t wait_ms)
{
    if (wait_ms < 0) {
        return CORE_NEVER;
    }
    return clock_after_ms(clock_after_ms(now_ns, wait_ms),
                          client->settings.answer_timeout_ms);
}

enum permit_status client_ask(struct permit_client *client,
                              struct wire_client_message *message,
                              struct call *call, uint64_t *ret_id)
{
    bool is_acquire = message->type == WIRE_ACQUIRE;
    int64_t now_ns = clock_now_ns();
    const struct core_request request = {
        .message = message,
        .answer_by_ns = client_answer_by(
            client, now_ns, is_acquire ? message->acquire.wait_ms : 0),
        .arg = call,
        .grant_arg = call->grant};
    enum permit_status status;

    if (loss_is_being_told(client)) {
        return call_fail(call, PERMIT_E_INVALID, LOSS_MAY_NOT_ASK);
    }
    core_advance(client->core, now_ns);
    while (!core_is_open(client->core) && !core_is_down(client->core)) {
        /* The I/O thread alone ends a line that broke. */
        io_wake(client);
        (void)pthread_cond_wait(&client->changed, &client->mutex);
        core_advance(client->core, clock_now_ns());
    }
    if (!core_has_line(client->core) &&
        backoff_refuses(&client->backoff, now_ns)) {
        call->refusal.retry_after_ms =
            backoff_refuses_ms(&client->backoff, now_ns);
        return call_fail(call, client->backoff.status, client->backoff.text);
    }
    if (core_is_down(client->core) && !core_wants_line(client->core)) {
        io_open_line(
            client,
            min_ns(clock_after_ms(now_ns, client->settings.connect_timeout_ms),
                   client_answer_by(client, now_ns, 0)));
    }
    status = core_ask(client->core, &request, ret_id);
    if (status != PERMIT_OK) {
        return call_fail(call, status, permit_strerror(status));
    }
    io_push(client);
    return PERMIT_OK;
}

enum permit_status client_call(struct permit_client *client,
                               struct wire_client_message *message,
                               struct call *call)
{
    enum permit_status status;
    uint64_t id;

    (void)pthread_mutex_lock(&client->mutex);
    status = client_ask(client, message, call, &id);
    while (status == PERMIT_OK && !call->is_done) {
        (void)pthread_cond_wait(&call->done, &client->mutex);
    }
    client_note(client, call);
    (void)pthread_mutex_unlock(&client->mutex);
    return call->status;
}

/* ------------------------------------------------------------------- create
 */

/* No signal of the host is ever handled in the I/O thread. */
static int start_thread(struct permit_client *client)
{
    sigset_t all;
    sigset_t before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&client->thread, NULL, io_main, client);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void close_fd(int fd)
{
    if (fd != -1) {
        (void)close(fd);
    }
}

static void free_client(struct permit_client *client)
{
    struct permit_allocator allocator = client->settings.allocator;

    lookup_drop(client->lookup);
    connector_stop(&client->connector);
    close_fd(client->fd);
    close_fd(client->silent_fd);
    close_fd(client->wake_fd);
    close_fd(client->timer_fd);
    local_limit_deinit(&client->local);
    core_destroy(client->core);
    fork_mark_destroy(client->belief.fork_mark);
    settings_deinit(&client->settings);
    memory_give(&allocator, client);
}

static void init_lock(struct permit_client *client)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&client->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&client->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* A client whose I/O thread runs, without a line. Takes ownership of settings.
 * Returns NULL with errno set. */
static struct permit_client *start_client(struct settings *settings)
{
    struct permit_client *client =
        memory_take(&settings->allocator, sizeof(*client));
    struct core_options options;
    int error;

    if (client == NULL) {
        settings_deinit(settings);
        errno = ENOMEM;
        return NULL;
    }
    client->settings = *settings;
    client->armed_ns = CORE_NEVER;
    local_limit_init(&client->local, &client->settings.allocator,
                     client->settings.local_permits);
    client->fd = -1;
    client->silent_fd = -1;
    backoff_init(&client->backoff, client->settings.seed);
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client->timer_fd =
        timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    client->belief.fork_mark = fork_mark_create();
    if (client->wake_fd == -1 || client->timer_fd == -1 ||
        client->belief.fork_mark == NULL) {
        goto fail;
    }
    options = settings_core_options(&client->settings);
    client->core = core_create(&options);
    if (client->core == NULL) {
        errno = ENOMEM;
        goto fail;
    }
    init_lock(client);
    errno = start_thread(client);
    if (errno != 0) {
        (void)pthread_cond_destroy(&client->changed);
        (void)pthread_mutex_destroy(&client->mutex);
        goto fail;
    }
    return client;
fail:
    error = errno;
    free_client(client);
    errno = error;
    return NULL;
}

/* Waits for the session, or for the end of the attempt. */
static enum permit_status await_session(struct permit_client *client)
{
    enum permit_status status = PERMIT_OK;

    (void)pthread_mutex_lock(&client->mutex);
    io_open_line(client, clock_after_ms(clock_now_ns(),
                                        client->settings.connect_timeout_ms));
    io_push(client);
    while (!core_has_line(client->core) && !core_is_down(client->core)) {
        (void)pthread_cond_wait(&client->changed, &client->mutex);
    }
    if (core_is_down(client->core)) {
        status = client->down_status;
    }
    (void)pthread_mutex_unlock(&client->mutex);
    return status;
}

enum permit_status permit_client_create(const struct permit_options *options,
                                        struct permit_client **ret_client,
                                        char *error, size_t error_bytes)
{
    struct settings settings;
    struct permit_client *client;
    enum permit_status status;
    char text[128];

    status = settings_init(options, &settings, error, error_bytes);
    if (status != PERMIT_OK) {
        return status;
    }
    client = start_client(&settings);
    if (client == NULL) {
        if (error != NULL && error_bytes > 0) {
            (void)snprintf(error, error_bytes, "%s",
                           strerror_r(errno, text, sizeof(text)));
        }
        return PERMIT_E_NOMEM;
    }
    status = await_session(client);
    if (status != PERMIT_OK) {
        if (error != NULL) {
            permit_client_last_error(client, error, error_bytes);
        }
        permit_client_destroy(client);
        return status;
    }
    *ret_client = client;
    return PERMIT_OK;
}

/* -------------------------------------------------------------- the client */

/* Ends the session in words, so that the server need not find out. Locked. */
static void say_bye(struct permit_client *client)
{
    struct wire_client_message message = {.type = WIRE_BYE};
    struct call call;
    struct core_request request = {.message = &message, .arg = &call};
    int64_t now_ns = clock_now_ns();
    uint64_t id;

    call_init(&call);
    core_advance(client->core, now_ns);
    request.answer_by_ns = clock_after_ms(now_ns, BYE_MS);
    if (core_session_id(client->core) != 0 &&
        core_ask(client->core, &request, &id) == PERMIT_OK) {
        io_push(client);
        while (!call.is_done) {
            (void)pthread_cond_wait(&call.done, &client->mutex);
        }
    }
    call_deinit(&call);
}

void permit_client_destroy(struct permit_client *client)
{
    if (client == NULL) {
        return;
    }
    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        say_bye(client);
        client->is_stopping = true;
        io_wake(client);
        (void)pthread_mutex_unlock(&client->mutex);
        (void)pthread_join(client->thread, NULL);
        (void)pthread_cond_destroy(&client->changed);
        (void)pthread_mutex_destroy(&client->mutex);
    }
    free_client(client); /* In a child: its copies. */
}

void permit_client_last_error(struct permit_client *client, char *text,
                              size_t text_bytes)
{
    if (text_bytes == 0) {
        return;
    }
    text[0] = '\0';
    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        (void)snprintf(text, text_bytes, "%s", client->error);
        (void)pthread_mutex_unlock(&client->mutex);
    }
}

uint64_t permit_client_session_id(struct permit_client *client)
{
    uint64_t id = 0;

    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        id = core_session_id(client->core);
        (void)pthread_mutex_unlock(&client->mutex);
    }
    return id;
}

enum permit_status permit_client_session_key(struct permit_client *client,
                                             struct permit_session_key *ret_key)
{
    bool has_session;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    (void)pthread_mutex_lock(&client->mutex);
    has_session = core_session_key(client->core, ret_key);
    (void)pthread_mutex_unlock(&client->mutex);
    return has_session ? PERMIT_OK : PERMIT_E_DISCONNECTED;
}

int permit_client_fd(struct permit_client *client)
{
    int fd = -1;

    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        if (client->fd != -1) {
            fd = fcntl(client->fd, F_DUPFD_CLOEXEC, 0);
        }
        (void)pthread_mutex_unlock(&client->mutex);
    }
    return fd;
}

int64_t permit_client_deadline_ms(struct permit_client *client)
{
    int64_t until_ns;

    if (client_is_forked(client)) {
        return 0;
    }
    until_ns = atomic_load(&client->belief.until_ns);
    return until_ns <= clock_now_ns() ? 0 : until_ns / NS_PER_MS;
}

int64_t permit_client_heartbeat_ms(struct permit_client *client)
{
    int64_t heartbeat_ns = 0;

    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        heartbeat_ns = core_heartbeat_ns(client->core);
        (void)pthread_mutex_unlock(&client->mutex);
    }
    return heartbeat_ns / NS_PER_MS;
}

enum permit_status permit_client_counters(struct permit_client *client,
                                          struct permit_counters *ret_counters)
{
    enum permit_status status;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    (void)pthread_mutex_lock(&client->mutex);
    status = sized_give(ret_counters, core_counters(client->core),
                        sizeof(*ret_counters), sizeof(*ret_counters));
    (void)pthread_mutex_unlock(&client->mutex);
    return status;
}
