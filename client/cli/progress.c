/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

#define LINE_BYTES 2048

struct line {
    char *text;
    size_t bytes;
    size_t at;
};

static void __attribute__((format(printf, 2, 3)))
append(struct line *line, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line->text + line->at, line->bytes - line->at, format,
                       arguments);
    va_end(arguments);
    if (length > 0) {
        size_t end = line->at + (size_t)length;

        line->at = end < line->bytes ? end : line->bytes - 1;
    }
}

static const char *ordinal_of(uint64_t number)
{
    if (number / 10 % 10 == 1) {
        return "th";
    }
    switch (number % 10) {
    case 1:
        return "st";
    case 2:
        return "nd";
    case 3:
        return "rd";
    default:
        return "th";
    }
}

void progress_format(char *buffer, size_t bytes, const struct options *options,
                     const struct permit_waiting *waiting, int64_t waited_ms)
{
    char age[TEXT_AGE_BYTES];
    char name[TEXT_ESCAPED_BYTES];
    char purpose[TEXT_ESCAPED_BYTES];
    struct line line = {buffer, bytes, 0};

    assert(bytes > 0);
    append(&line,
           "permit: waiting for %s · %" PRIu64 "%s of %" PRIu64 " · %" PRIu64
           "/%" PRIu64 " held · %s",
           options->parts_count == 0 ? options->semaphore : waiting->semaphore,
           waiting->position, ordinal_of(waiting->position),
           waiting->queue_length, waiting->held, waiting->permits,
           text_age(age, sizeof(age), waited_ms));
    if (options->wait_ms > waited_ms) {
        append(&line, ", gives up in %s",
               text_age(age, sizeof(age), options->wait_ms - waited_ms));
    }
    if (waiting->retry_after_ms > 0) {
        append(&line, " · its turn in %s",
               text_age(age, sizeof(age), waiting->retry_after_ms));
    }
    if (waiting->oldest != NULL) {
        append(&line, " · oldest: %s %s (%s)",
               text_escape(name, sizeof(name), waiting->oldest->name),
               text_escape(purpose, sizeof(purpose), waiting->oldest->purpose),
               text_age(age, sizeof(age), waiting->oldest_held_ms));
    }
}

/* Cuts the text to the terminal's width, at a character's end: a line that
 * wraps cannot be redrawn. */
static void cut_to_terminal(char *text)
{
    struct winsize size;
    size_t columns = 0;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
        return;
    }
    for (; *text != '\0'; text++) {
        bool is_begin = ((unsigned char)*text & 0xc0) != 0x80;

        if (is_begin && ++columns >= size.ws_col) {
            *text = '\0';
            return;
        }
    }
}

/* Shows what was told last, as it is now, if that is due. Locked. */
static void show(struct progress *progress)
{
    struct permit_waiting waiting = progress->told;
    int64_t now_ms = clock_now_ms();
    char text[LINE_BYTES];
    bool is_due = progress->position == 0 ||
                  (progress->position != waiting.position &&
                   now_ms - progress->said_at_ms >=
                       progress->options->progress_interval_ms);

    if (progress->style == PROGRESS_PLAIN && !is_due) {
        return;
    }
    progress->position = waiting.position;
    progress->said_at_ms = now_ms;
    waiting.oldest_held_ms += now_ms - progress->told_at_ms;
    waiting.retry_after_ms -= now_ms - progress->told_at_ms;
    progress_format(text, sizeof(text), progress->options, &waiting,
                    now_ms - progress->began_at_ms);
    if (progress->style == PROGRESS_LINE) {
        cut_to_terminal(text);
        (void)fprintf(stderr, "\r%s\033[K", text);
    } else {
        (void)fprintf(stderr, "%s\n", text);
    }
}

static void *show_thread(void *arg)
{
    struct progress *progress = arg;
    struct timespec at;

    (void)pthread_mutex_lock(&progress->mutex);
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    while (!progress->is_over) {
        at.tv_sec++;
        while (!progress->is_over &&
               pthread_cond_timedwait(&progress->changed, &progress->mutex,
                                      &at) == 0) {
        }
        if (!progress->is_over && progress->told_at_ms != 0) {
            show(progress);
        }
    }
    (void)pthread_mutex_unlock(&progress->mutex);
    return NULL;
}

/* Without a thread it is shown only when the server tells something. */
static void start_thread(struct progress *progress)
{
    pthread_condattr_t attributes;
    sigset_t all;
    sigset_t before;

    (void)pthread_mutex_init(&progress->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&progress->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    progress->has_thread =
        pthread_create(&progress->thread, NULL, show_thread, progress) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void progress_begin(struct progress *progress, const struct options *options,
                    struct status_fd *status, int64_t began_at_ms)
{
    *progress = (struct progress){.options = options,
                                  .status = status,
                                  .style = options->progress,
                                  .began_at_ms = began_at_ms};
    if (options->quiet || options->json) {
        progress->style = PROGRESS_NONE;
    } else if (progress->style == PROGRESS_AUTO) {
        progress->style =
            isatty(STDERR_FILENO) ? PROGRESS_LINE : PROGRESS_PLAIN;
    }
    if (progress->style != PROGRESS_NONE) {
        start_thread(progress);
    }
}

bool progress_wants_waiting(const struct progress *progress)
{
    return progress->style != PROGRESS_NONE ||
           (progress->status != NULL && progress->status->fd != -1);
}

/* Keeps what is told until something else is, and shows it. */
static void tell(struct progress *progress,
                 const struct permit_waiting *waiting)
{
    (void)pthread_mutex_lock(&progress->mutex);
    progress->told = *waiting;
    progress->told_at_ms = clock_now_ms();
    (void)snprintf(progress->semaphore, sizeof(progress->semaphore), "%s",
                   waiting->semaphore);
    progress->told.semaphore = progress->semaphore;
    if (waiting->oldest != NULL) {
        progress->oldest = *waiting->oldest;
        (void)snprintf(progress->name, sizeof(progress->name), "%s",
                       waiting->oldest->name);
        (void)snprintf(progress->purpose, sizeof(progress->purpose), "%s",
                       waiting->oldest->purpose);
        progress->oldest.name = progress->name;
        progress->oldest.purpose = progress->purpose;
        progress->told.oldest = &progress->oldest;
    }
    show(progress);
    (void)pthread_mutex_unlock(&progress->mutex);
}

void progress_waiting(void *arg, const struct permit_waiting *waiting)
{
    struct progress *progress = arg;

    if (progress->status != NULL) {
        status_fd_waiting(progress->status, waiting,
                          clock_now_ms() - progress->began_at_ms);
    }
    if (progress->style != PROGRESS_NONE) {
        tell(progress, waiting);
    }
}

static void stop_thread(struct progress *progress)
{
    (void)pthread_mutex_lock(&progress->mutex);
    progress->is_over = true;
    (void)pthread_cond_signal(&progress->changed);
    (void)pthread_mutex_unlock(&progress->mutex);
    if (progress->has_thread) {
        (void)pthread_join(progress->thread, NULL);
    }
    (void)pthread_cond_destroy(&progress->changed);
    (void)pthread_mutex_destroy(&progress->mutex);
}

void progress_end(struct progress *progress, bool is_granted)
{
    char age[TEXT_AGE_BYTES];

    if (progress->style != PROGRESS_NONE) {
        stop_thread(progress);
    }
    if (progress->position == 0) {
        return;
    }
    if (progress->style == PROGRESS_LINE) {
        (void)fputs("\r\033[K", stderr);
    } else if (is_granted) {
        (void)fprintf(
            stderr, "permit: granted %s after %s\n",
            progress->options->semaphore,
            text_age(age, sizeof(age), clock_now_ms() - progress->began_at_ms));
    }
}
