/* SPDX-License-Identifier: MIT */
#include "status_fd.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "json.h"

/* Opens what fd is open on anew, so that O_NONBLOCK is ours alone; where that
 * cannot be, a copy. */
static int open_own(int fd)
{
    char path[32];
    struct stat what;
    int own = -1;

    if (fstat(fd, &what) == 0 &&
        (S_ISFIFO(what.st_mode) || S_ISCHR(what.st_mode))) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    }
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

int status_fd_open(struct status_fd *status, int fd, const char *semaphore)
{
    int flags;

    *status = (struct status_fd){.fd = -1, .semaphore = semaphore};
    if (fd == -1) {
        return 0;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -errno;
    }
    if ((flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    status->fd = open_own(fd);
    if (status->fd < 0) {
        return -errno;
    }
    (void)close(fd);
    return 0;
}

void status_fd_close(struct status_fd *status)
{
    if (status->fd != -1) {
        (void)close(status->fd);
        status->fd = -1;
    }
}

static void put(int fd, const char *line, size_t length)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    ssize_t written;

    if (poll(&room, 1, 0) <= 0 || (room.revents & POLLOUT) == 0) {
        return;
    }
    written = send(fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK) {
        written = write(fd, line, length);
    }
    if (written > 0 && (size_t)written < length) {
        (void)descriptor_to_null(fd); /* What follows would not be a line. */
    }
}

/* Writes the object as a line and frees it; NULL is nothing to say. */
static void say(const struct status_fd *status, cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    size_t length;

    if (text != NULL) {
        length = strlen(text);
        text[length] = '\n'; /* In place of its NUL. */
        put(status->fd, text, length + 1);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}

/* Returns NULL, which cJSON takes everywhere, if nobody wants to know or
 * without memory; what memory lacks for later is left out. */
static cJSON *begin(const struct status_fd *status, const char *event)
{
    cJSON *object = status->fd == -1 ? NULL : cJSON_CreateObject();

    (void)cJSON_AddStringToObject(object, "event", event);
    (void)json_add_text(object, "semaphore", status->semaphore);
    return object;
}

static cJSON *begin_of_grant(const struct status_fd *status, const char *event)
{
    cJSON *object = begin(status, event);

    (void)json_add_id(object, "grant_id", status->grant_id);
    (void)json_add_id(object, "fence", status->fence);
    return object;
}

void status_fd_waiting(const struct status_fd *status,
                       const struct permit_waiting *waiting, int64_t waited_ms)
{
    cJSON *object = begin(status, "waiting");

    (void)cJSON_AddNumberToObject(object, "position",
                                  (double)waiting->position);
    (void)cJSON_AddNumberToObject(object, "waiters",
                                  (double)waiting->queue_length);
    (void)cJSON_AddNumberToObject(object, "held", (double)waiting->held);
    (void)cJSON_AddNumberToObject(object, "permits", (double)waiting->permits);
    (void)json_add_text(object, "waits_for", waiting->semaphore);
    (void)cJSON_AddNumberToObject(object, "permits_in_the_way",
                                  (double)waiting->permits_in_the_way);
    (void)json_add_seconds(object, "retry_after_seconds",
                           waiting->retry_after_ms > 0 ? waiting->retry_after_ms
                                                       : -1);
    (void)json_add_seconds(object, "waited_seconds", waited_ms);
    say(status, object);
}

void status_fd_granted(struct status_fd *status, struct permit_client *client,
                       const struct permit_grant *grant, uint32_t permits)
{
    cJSON *object;

    status->granted_at_ms = clock_now_ms();
    if (grant == NULL) {
        object = begin(status, "granted");
    } else {
        status->grant_id = permit_grant_id(grant);
        status->fence = permit_grant_fence(grant);
        object = begin_of_grant(status, "granted");
    }
    (void)cJSON_AddNumberToObject(object, "permits", permits);
    (void)json_add_id(object, "session_id", permit_client_session_id(client));
    if (grant != NULL) {
        (void)json_add_seconds(object, "waited_seconds",
                               permit_grant_waited_ms(grant));
    }
    say(status, object);
}

void status_fd_joined(const struct status_fd *status, size_t outcome_bytes)
{
    cJSON *object = begin(status, "joined");

    (void)cJSON_AddNumberToObject(object, "outcome_bytes",
                                  (double)outcome_bytes);
    say(status, object);
}

void status_fd_lost(const struct status_fd *status, enum permit_loss loss)
{
    cJSON *object = begin_of_grant(status, "lost");

    (void)cJSON_AddStringToObject(object, "loss", permit_loss_name(loss));
    say(status, object);
}

void status_fd_released(const struct status_fd *status)
{
    cJSON *object = begin_of_grant(status, "released");

    (void)json_add_seconds(object, "held_seconds",
                           clock_now_ms() - status->granted_at_ms);
    say(status, object);
}
