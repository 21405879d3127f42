/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8
#define RETRY_MS 100 /* While the process has no descriptor left. */
/* Who connects and says nothing keeps others waiting for so long. */
#define REQUEST_S 1
/* Longer than the library keeps its caller, a few times. */
#define ANSWER_S 20

/* Each is one packet; both ends are of one build. */
struct control_request {
    uint64_t grant_id;
    int64_t hold_ms; /* 0: as before. */
};

struct control_answer {
    int32_t status; /* enum permit_status */
    char text[CONTROL_TEXT_BYTES];
};

struct control {
    struct permit_client *client;
    struct permit_grant *grant;
    int64_t kill_after_ms;
    int listener;
    int renewed; /* An eventfd, for the watch. */
    char name[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t settled;
    bool is_stopping;
    bool is_settled;
    bool is_lost; /* Then: it came too late. */
};

static bool is_own_user(int line)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(line, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           peer.uid == geteuid();
}

static void limit_receive(int line, time_t seconds)
{
    const struct timeval limit = {.tv_sec = seconds};

    /* Without it a silent peer is waited for, and nothing else fails. */
    (void)setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/* --------------------------------------------------------------- the wrapper
 */

/* Waits until the watch has told the guard. Returns false if it came too late.
 */
static bool await_settled(struct control *control)
{
    bool is_in_time;

    (void)pthread_mutex_lock(&control->mutex);
    control->is_settled = false;
    (void)eventfd_write(control->renewed, 1); /* 1 never overflows it. */
    while (!control->is_settled && !control->is_stopping) {
        (void)pthread_cond_wait(&control->settled, &control->mutex);
    }
    is_in_time = control->is_settled && !control->is_lost;
    (void)pthread_mutex_unlock(&control->mutex);
    return is_in_time;
}

static enum permit_status obey(struct control *control,
                               const struct control_request *request,
                               char text[CONTROL_TEXT_BYTES])
{
    enum permit_status status;

    if (request->grant_id != permit_grant_id(control->grant)) {
        (void)snprintf(text, CONTROL_TEXT_BYTES,
                       "this run has another grant than PERMIT_GRANT says");
        return PERMIT_E_NOT_HELD;
    }
    if (request->hold_ms > 0 && request->hold_ms <= control->kill_after_ms) {
        (void)snprintf(text, CONTROL_TEXT_BYTES,
                       "a hold must be longer than the run's --kill-after");
        return PERMIT_E_INVALID;
    }
    status = permit_grant_renew(control->grant, request->hold_ms);
    if (status != PERMIT_OK) {
        permit_client_last_error(control->client, text, CONTROL_TEXT_BYTES);
    } else if (!await_settled(control)) {
        (void)snprintf(text, CONTROL_TEXT_BYTES,
                       "it came too late: the command is being stopped");
        return PERMIT_E_LOST;
    }
    return status;
}

static void serve(struct control *control, int line)
{
    struct control_request request;
    struct control_answer answer;

    limit_receive(line, REQUEST_S);
    if (!is_own_user(line) ||
        recv(line, &request, sizeof(request), 0) != (ssize_t)sizeof(request)) {
        return;
    }
    memset(&answer, 0, sizeof(answer));
    answer.status = obey(control, &request, answer.text);
    (void)send(line, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void *control_main(void *arg)
{
    struct control *control = arg;
    bool is_listening = true;
    int line;

    while (is_listening) {
        line = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
        if (line >= 0) {
            serve(control, line);
            (void)close(line);
        } else if (errno == EINVAL) {
            is_listening = false; /* It is shut down. */
        } else {
            (void)poll(NULL, 0, RETRY_MS);
        }
    }
    return NULL;
}

/* Listens under a name that the kernel chooses. Returns 0 or a negative errno.
 */
static int listen_anywhere(struct control *control)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(address);
    size_t offset = offsetof(struct sockaddr_un, sun_path);

    control->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (control->listener < 0 ||
        bind(control->listener, (const struct sockaddr *)&address,
             sizeof(address.sun_family)) < 0 ||
        listen(control->listener, BACKLOG) < 0 ||
        getsockname(control->listener, (struct sockaddr *)&address, &length) <
            0) {
        return -errno;
    }
    (void)snprintf(control->name, sizeof(control->name), "@%.*s",
                   (int)(length - offset - 1), address.sun_path + 1);
    return 0;
}

/* No signal is for this thread. Returns 0 or a negative errno. */
static int start_thread(struct control *control)
{
    sigset_t all;
    sigset_t before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&control->thread, NULL, control_main, control);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

static void free_control(struct control *control)
{
    if (control->listener >= 0) {
        (void)close(control->listener);
    }
    if (control->renewed >= 0) {
        (void)close(control->renewed);
    }
    (void)pthread_cond_destroy(&control->settled);
    (void)pthread_mutex_destroy(&control->mutex);
    free(control);
}

int control_create(struct permit_client *client, struct permit_grant *grant,
                   int64_t kill_after_ms, struct control **ret_control)
{
    struct control *control = calloc(1, sizeof(*control));
    int error;

    if (control == NULL) {
        return -ENOMEM;
    }
    control->client = client;
    control->grant = grant;
    control->kill_after_ms = kill_after_ms;
    (void)pthread_mutex_init(&control->mutex, NULL);
    (void)pthread_cond_init(&control->settled, NULL);
    control->renewed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = control->renewed < 0 ? -errno : 0;
    control->listener = -1;
    if (error == 0) {
        error = listen_anywhere(control);
    }
    if (error == 0) {
        error = start_thread(control);
    }
    if (error < 0) {
        free_control(control);
        return error;
    }
    *ret_control = control;
    return 0;
}

void control_destroy(struct control *control)
{
    if (control == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&control->mutex);
    control->is_stopping = true;
    (void)pthread_cond_broadcast(&control->settled);
    (void)pthread_mutex_unlock(&control->mutex);
    (void)shutdown(control->listener, SHUT_RDWR); /* Ends accept4(). */
    (void)pthread_join(control->thread, NULL);
    free_control(control);
}

const char *control_name(const struct control *control)
{
    return control->name;
}

int control_fd(const struct control *control)
{
    return control == NULL ? -1 : control->renewed;
}

void control_settle(struct control *control, bool is_lost)
{
    eventfd_t count;

    (void)eventfd_read(control->renewed, &count); /* Empty is as good. */
    (void)pthread_mutex_lock(&control->mutex);
    control->is_lost = is_lost;
    control->is_settled = true;
    (void)pthread_cond_broadcast(&control->settled);
    (void)pthread_mutex_unlock(&control->mutex);
}

/* --------------------------------------------------------------- the command
 */

static enum permit_status fail(enum permit_status status, const char *why,
                               char text[CONTROL_TEXT_BYTES])
{
    (void)snprintf(text, CONTROL_TEXT_BYTES, "%s", why);
    return status;
}

static enum permit_status ask(int line, const struct sockaddr_un *address,
                              socklen_t length,
                              const struct control_request *request,
                              char text[CONTROL_TEXT_BYTES])
{
    struct control_answer answer;
    ssize_t received;

    if (connect(line, (const struct sockaddr *)address, length) < 0) {
        return fail(PERMIT_E_LOST,
                    "the permit run that PERMIT_CONTROL names is gone", text);
    }
    if (!is_own_user(line)) {
        return fail(PERMIT_E_DENIED, "PERMIT_CONTROL is another user's", text);
    }
    limit_receive(line, ANSWER_S);
    received = -1;
    if (send(line, request, sizeof(*request), MSG_NOSIGNAL) >= 0) {
        received = recv(line, &answer, sizeof(answer), 0);
    }
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return fail(PERMIT_E_NO_ANSWER, "the permit run does not answer", text);
    }
    if (received != (ssize_t)sizeof(answer)) {
        return fail(PERMIT_E_LOST, "the permit run has ended", text);
    }
    answer.text[sizeof(answer.text) - 1] = '\0';
    return fail(answer.status, answer.text, text);
}

enum permit_status control_ask(const char *name, uint64_t grant_id,
                               int64_t hold_ms, char text[CONTROL_TEXT_BYTES])
{
    const struct control_request request = {grant_id, hold_ms};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    enum permit_status status;
    int line;

    if (name[0] != '@' || length > sizeof(address.sun_path)) {
        return fail(PERMIT_E_INVALID, "PERMIT_CONTROL is no permit run's",
                    text);
    }
    memcpy(address.sun_path + 1, name + 1, length - 1);
    line = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (line < 0) {
        return fail(PERMIT_E_NOMEM, "no more descriptors", text);
    }
    status = ask(line, &address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
                 &request, text);
    (void)close(line);
    return status;
}
