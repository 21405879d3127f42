/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define LINE_BYTES 2048 /* Below PIPE_BUF: a pipe takes it whole or not. */

static struct {
    int level;
    bool is_journal;
    uint64_t dropped;      /* Ever. */
    uint64_t dropped_told; /* Of these, how many a line has told. */
} state = {.level = LOG_INFO};

/* systemd sets JOURNAL_STREAM to the device and inode of its own stream. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char own[64];

    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0) {
        return false;
    }
    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(own, stream) == 0;
}

void log_set(int level, enum log_format format)
{
    state.level = level;
    state.is_journal = format == LOG_FORMAT_JOURNAL ||
                       (format == LOG_FORMAT_AUTO && stderr_is_journal());
}

const char *log_text(char buffer[LOG_TEXT_BYTES], const char *text)
{
    char *at = buffer;

    *at++ = '"';
    for (size_t i = 0; i < 128 && text[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\') {
            at += snprintf(at, 5, "\\x%02x", byte);
        } else {
            *at++ = (char)byte;
        }
    }
    *at++ = '"';
    *at = '\0';
    return buffer;
}

uint64_t log_dropped(void)
{
    return state.dropped;
}

/* Writes what begins each line. */
static int put_head(char *line, size_t bytes, int level, const char *event)
{
    static const char *const names[] = {[LOG_ERR] = "error",
                                        [LOG_WARNING] = "warning",
                                        [LOG_NOTICE] = "notice",
                                        [LOG_INFO] = "info",
                                        [LOG_DEBUG] = "debug"};
    int64_t wall_ms = clock_wall_ms();
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;

    if (state.is_journal) {
        return snprintf(line, bytes, "<%d>event=%s ", level, event);
    }
    (void)gmtime_r(&seconds, &utc);
    return snprintf(
        line, bytes,
        "time=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ level=%s event=%s ",
        utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
        utc.tm_min, utc.tm_sec, (int)(wall_ms % 1000), names[level], event);
}

/* One place may say LOG_SITE_MAX lines a second. */
static bool site_has_room(struct log_site *site)
{
    int64_t second = clock_wall_ms() / 1000;

    if (site->second != second) {
        site->second = second;
        site->count = 0;
    }
    if (site->count >= LOG_SITE_MAX) {
        site->suppressed++;
        return false;
    }
    site->count++;
    return true;
}

void log_write(struct log_site *site, int level, const char *event,
               const char *format, ...)
{
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[LINE_BYTES];
    va_list arguments;
    size_t length;

    if (level > state.level || !site_has_room(site)) {
        return;
    }
    length = (size_t)put_head(line, sizeof(line), level, event);
    va_start(arguments, format);
    (void)vsnprintf(line + length, sizeof(line) - length, format, arguments);
    va_end(arguments);
    length = strlen(line);
    if (site->suppressed > 0 || state.dropped > state.dropped_told) {
        (void)snprintf(line + length, sizeof(line) - length,
                       " suppressed=%" PRIu32 " dropped=%" PRIu64,
                       site->suppressed, state.dropped - state.dropped_told);
        length = strlen(line);
    }
    if (length > sizeof(line) - 2) {
        length = sizeof(line) - 2;
    }
    line[length++] = '\n';
    if (poll(&output, 1, 0) != 1 || (output.revents & POLLOUT) == 0 ||
        write(STDERR_FILENO, line, length) != (ssize_t)length) {
        state.dropped++; /* Nobody to tell it to: the next line does. */
        return;
    }
    site->suppressed = 0;
    state.dropped_told = state.dropped;
}
