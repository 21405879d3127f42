/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
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
           options->semaphore, waiting->position, ordinal_of(waiting->position),
           waiting->queue_length, waiting->held, waiting->permits,
           text_age(age, sizeof(age), waited_ms));
    if (options->wait_ms > waited_ms) {
        append(&line, ", gives up in %s",
               text_age(age, sizeof(age), options->wait_ms - waited_ms));
    }
    if (waiting->oldest != NULL) {
        append(&line, " · oldest: %s %s (%s)",
               text_escape(name, sizeof(name), waiting->oldest->name),
               text_escape(purpose, sizeof(purpose), waiting->oldest->purpose),
               text_age(age, sizeof(age), waiting->oldest_held_ms));
    }
}

void progress_init(struct progress *progress, const struct options *options)
{
    *progress = (struct progress){.options = options,
                                  .style = options->progress,
                                  .began_at_ms = clock_now_ms()};
    if (options->quiet || options->json) {
        progress->style = PROGRESS_NONE;
    } else if (progress->style == PROGRESS_AUTO) {
        progress->style =
            isatty(STDERR_FILENO) ? PROGRESS_LINE : PROGRESS_PLAIN;
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

void progress_waiting(void *arg, const struct permit_waiting *waiting)
{
    struct progress *progress = arg;
    char text[LINE_BYTES];
    int64_t now_ms = clock_now_ms();
    bool is_due = progress->position == 0 ||
                  (progress->position != waiting->position &&
                   now_ms - progress->said_at_ms >=
                       progress->options->progress_interval_ms);

    if (progress->style == PROGRESS_NONE ||
        (progress->style == PROGRESS_PLAIN && !is_due)) {
        return;
    }
    progress->position = waiting->position;
    progress->said_at_ms = now_ms;
    progress_format(text, sizeof(text), progress->options, waiting,
                    now_ms - progress->began_at_ms);
    if (progress->style == PROGRESS_LINE) {
        cut_to_terminal(text);
        (void)fprintf(stderr, "\r%s\033[K", text);
    } else {
        (void)fprintf(stderr, "%s\n", text);
    }
}

void progress_end(struct progress *progress, bool is_granted)
{
    char age[TEXT_AGE_BYTES];

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
