/* SPDX-License-Identifier: MIT */
#ifndef LOG_H
#define LOG_H

/* The log: one line an event on stderr, key=value.
 *
 *     log_event(LOG_INFO, "session_ended", "session=%" PRIu64, id);
 *
 * It starts with "<6>" where stderr is the journal's, else with the time and
 * the level. A field that a peer chose goes through log_text().
 *
 * Law: logging never blocks and never fails. A line that stderr does not take
 * at once is dropped, and so is what one place says more than LOG_SITE_MAX
 * times a second; both are counted, and the count is in the next line. */

#include <stddef.h>
#include <stdint.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG */

#define LOG_SITE_MAX 200
#define LOG_TEXT_BYTES (4 * 128 + 3)

enum log_format {
    LOG_FORMAT_AUTO = 1, /* The journal's where stderr is the journal's. */
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JOURNAL
};

struct log_site {
    int64_t second;
    uint32_t count;
    uint32_t suppressed;
};

/* Sets the least urgent level that is written, and the form. The state is the
 * process' own, as stderr is. */
void log_set(int level, enum log_format format);

/* Copies text to buffer, quoted, with what is no printable ASCII, quotes and
 * backslashes escaped as \xNN; text past 128 bytes is cut. Returns buffer. */
const char *log_text(char buffer[LOG_TEXT_BYTES], const char *text);

/* Lines that were dropped so far. */
uint64_t log_dropped(void);

__attribute__((format(printf, 4, 5))) void log_write(struct log_site *site,
                                                     int level,
                                                     const char *event,
                                                     const char *format, ...);

#define log_event(level, event, ...)                                           \
    do {                                                                       \
        static struct log_site log_site;                                       \
        log_write(&log_site, (level), (event), __VA_ARGS__);                   \
    } while (0)

#endif
