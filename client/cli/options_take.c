/* SPDX-License-Identifier: MIT */
#include "options_take.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duration.h"
#include "wire.h"

error_t options_refuse(struct options *options, const char *format, ...)
{
    va_list arguments;

    if (options->error[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(options->error, sizeof(options->error), format,
                        arguments);
        va_end(arguments);
    }
    return 0;
}

bool options_read_number(const char *text, uint64_t max, uint64_t *ret_number)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text < '0' ||
        *text > '9' || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

static error_t take_number(struct options *options, const char *what,
                           const char *text, uint32_t max, uint32_t *ret_number)
{
    uint64_t number;

    if (!options_read_number(text, max, &number)) {
        return options_refuse(options, "%s: '%s' is no number up to %u", what,
                              text, max);
    }
    *ret_number = (uint32_t)number;
    return 0;
}

static error_t take_text(struct options *options, const char *what,
                         const char *text, const char **ret_text)
{
    if (strlen(text) > WIRE_TEXT_BYTES_MAX) {
        return options_refuse(options, "%s: longer than %d bytes", what,
                              WIRE_TEXT_BYTES_MAX);
    }
    *ret_text = text;
    return 0;
}

/* `none_ms` is what "inf" means to the option. */
static error_t take_duration(struct options *options, const char *what,
                             const char *text, int64_t none_ms, int64_t *ret_ms)
{
    int64_t ms;

    if (!duration_parse(text, &ms)) {
        return options_refuse(
            options,
            "%s: '%s' is no duration such as 1.5, 250ms, 30s, 5m, "
            "2h, 7d or inf",
            what, text);
    }
    *ret_ms = ms == DURATION_INF ? none_ms : ms;
    return 0;
}

static error_t take_word(struct options *options, const char *what,
                         const char *text, const char *const *words,
                         int *ret_index)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return options_refuse(options, "%s: no such choice: '%s'", what, text);
}

/* A signal's number, or its name with or without SIG. Returns 0 for anything
 * else. */
static int find_signal(const char *text)
{
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    const char *abbreviation;
    char *end;
    long number = strtol(text, &end, 10);

    if (*end == '\0' && number > 0 && number <= SIGRTMAX) {
        return (int)number;
    }
    for (int i = 1; i < NSIG; i++) {
        abbreviation = sigabbrev_np(i);
        if (abbreviation != NULL && strcasecmp(name, abbreviation) == 0) {
            return i;
        }
    }
    return 0;
}

static error_t take_on_lost(struct options *options, const char *text)
{
    options->on_lost =
        strcmp(text, "ignore") == 0 ? OPTIONS_LOST_IGNORE : find_signal(text);
    return options->on_lost != 0
               ? 0
               : options_refuse(options,
                                "--on-lost: '%s' is neither a signal nor "
                                "ignore",
                                text);
}

static error_t take_label(struct options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - text);
    char *key;

    if (length == 0 || length > WIRE_TEXT_BYTES_MAX ||
        strlen(equals + 1) > WIRE_TEXT_BYTES_MAX) {
        return options_refuse(options,
                              "--label: '%s' is not K=V, with at most %d bytes "
                              "each",
                              text, WIRE_TEXT_BYTES_MAX);
    }
    for (size_t i = 0; i < options->labels_count; i++) {
        if (strncmp(options->labels[i].key, text, length) == 0 &&
            options->labels[i].key[length] == '\0') {
            return options_refuse(options, "--label: '%s' is there twice",
                                  options->labels[i].key);
        }
    }
    if (options->labels_count == WIRE_LABELS_MAX) {
        return options_refuse(options, "--label: at most %d of them",
                              WIRE_LABELS_MAX);
    }
    key = options->label_keys[options->labels_count];
    memcpy(key, text, length);
    key[length] = '\0';
    options->labels[options->labels_count++] =
        (struct permit_label){.key = key, .value = equals + 1};
    return 0;
}

/* ----------------------------------------------- the groups of options */

static error_t parse_common(struct options *options, int key, char *text)
{
    switch (key) {
    case 's':
        options->server = text;
        return 0;
    case 'q':
        options->quiet = true;
        return 0;
    case 'v':
        options->verbose = true;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_HELP:
        options->help = true;
        return ECANCELED;
    case OPTION_USAGE:
        options->usage = true;
        return ECANCELED;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_acquire(struct options *options, int key, char *text)
{
    switch (key) {
    case 'n':
        options->wait_ms = 0;
        return 0;
    case 'w':
        return take_duration(options, "--wait", text, -1, &options->wait_ms);
    case 'p':
        return take_number(options, "--permits", text, WIRE_PERMITS_MAX,
                           &options->permits);
    case OPTION_HOLD:
        return take_duration(options, "--hold", text, 0, &options->hold_ms);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Who asks, and what happens when it goes wrong. */
static error_t parse_manner_of_run(struct options *options, int key, char *text)
{
    static const char *const styles[] = {"auto", "line", "plain", "none", NULL};
    static const char *const ways[] = {"fail", "wait", "run", NULL};
    int index = 0;
    error_t error;

    switch (key) {
    case OPTION_NAME:
        return take_text(options, "--name", text, &options->name);
    case OPTION_PURPOSE:
        return take_text(options, "--purpose", text, &options->purpose);
    case OPTION_LABEL:
        return take_label(options, text);
    case OPTION_ON_LOST:
        return take_on_lost(options, text);
    case OPTION_ON_UNREACHABLE:
        error = take_word(options, "--on-unreachable", text, ways, &index);
        options->on_unreachable = (enum unreachable)(UNREACHABLE_FAIL + index);
        return error;
    case OPTION_PROGRESS:
        error = take_word(options, "--progress", text, styles, &index);
        options->progress = (enum progress_style)(PROGRESS_AUTO + index);
        return error;
    case OPTION_PROGRESS_INTERVAL:
        return take_duration(options, "--progress-interval", text, INT64_MAX,
                             &options->progress_interval_ms);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_run(struct options *options, int key, char *text)
{
    uint32_t number = 0;
    error_t error;

    switch (key) {
    case 'E':
        error =
            take_number(options, "--conflict-exit-code", text, 255, &number);
        options->conflict_code = (int)number;
        return error;
    case 'c':
        if (!options->command->takes_command) {
            return ARGP_ERR_UNKNOWN; /* ping's --count. */
        }
        options->shell_argv[0] = "/bin/sh";
        options->shell_argv[1] = "-c";
        options->shell_argv[2] = text;
        options->argv = options->shell_argv;
        return 0;
    case OPTION_EXPECT_PERMITS:
        error = take_number(options, "--expect-permits", text, WIRE_PERMITS_MAX,
                            &options->expect_permits);
        return error == 0 && options->expect_permits == 0
                   ? options_refuse(options,
                                    "--expect-permits: must be at least 1")
                   : error;
    case OPTION_KILL_AFTER:
        return take_duration(options, "--kill-after", text, INT64_MAX,
                             &options->kill_after_ms);
    case OPTION_LINGER:
        return take_duration(options, "--linger", text, INT64_MAX,
                             &options->linger_ms);
    case OPTION_NO_STDIN:
        options->no_stdin = true;
        return 0;
    case OPTION_STATUS_FD:
        error = take_number(options, "--status-fd", text, INT32_MAX, &number);
        options->status_fd = (int)number;
        return error == 0 && number <= STDERR_FILENO
                   ? options_refuse(options, "--status-fd: 0, 1 and 2 are the "
                                             "command's")
                   : error;
    default:
        return parse_manner_of_run(options, key, text);
    }
}

static error_t parse_kind(struct options *options, const char *text)
{
    static const char *const kinds[] = {"bounded", "counting", NULL};
    int index = 0;
    error_t error;

    if (strcmp(text, "rate") == 0) {
        return options_refuse(options, "--kind rate is not served yet");
    }
    error = take_word(options, "--kind", text, kinds, &index);
    options->definition.kind = (enum permit_kind)(PERMIT_BOUNDED + index);
    options->definition.fields |= PERMIT_DEFINE_KIND;
    return error;
}

static error_t parse_set(struct options *options, int key, char *text)
{
    struct permit_definition *definition = &options->definition;

    switch (key) {
    case OPTION_KIND:
        return parse_kind(options, text);
    case OPTION_PERMITS_DEFINED:
        definition->fields |= PERMIT_DEFINE_PERMITS;
        return take_number(options, "--permits", text, WIRE_PERMITS_MAX,
                           &definition->permits);
    case OPTION_MAX_QUEUE:
        definition->fields |= PERMIT_DEFINE_MAX_QUEUE;
        return take_number(options, "--max-queue", text, UINT32_MAX,
                           &definition->max_queue);
    case OPTION_MAX_WAIT:
        definition->fields |= PERMIT_DEFINE_MAX_WAIT;
        return take_duration(options, "--max-wait", text, -1,
                             &definition->max_wait_ms);
    case OPTION_HOLD_MAX:
        definition->fields |= PERMIT_DEFINE_HOLD;
        return take_duration(options, "--hold", text, 0, &definition->hold_ms);
    case OPTION_SLOTS:
        definition->fields |= PERMIT_DEFINE_SLOTS;
        definition->slots = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_other(struct options *options, int key, char *text)
{
    error_t error;

    switch (key) {
    case OPTION_HOLD_ANEW:
        error = take_duration(options, "--hold", text, 0, &options->hold_ms);
        return error == 0 && options->hold_ms == 0
                   ? options_refuse(options,
                                    "--hold: '%s' is no limit; without --hold "
                                    "it is as before",
                                    text)
                   : error;
    case OPTION_FORCE:
        options->force = true;
        return 0;
    case 'y':
        options->yes = true;
        return 0;
    case 'c':
        error =
            take_number(options, "--count", text, UINT32_MAX, &options->count);
        return error == 0 && options->count == 0
                   ? options_refuse(options, "--count: must be at least 1")
                   : error;
    case 'i':
        return take_duration(options, "--interval", text, INT64_MAX,
                             &options->interval_ms);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

error_t options_take(struct options *options, int key, char *text)
{
    static error_t (*const groups[])(struct options *, int, char *) = {
        parse_common, parse_acquire, parse_run, parse_set, parse_other};
    error_t error = ARGP_ERR_UNKNOWN;

    for (size_t i = 0;
         i < sizeof(groups) / sizeof(*groups) && error == ARGP_ERR_UNKNOWN;
         i++) {
        error = groups[i](options, key, text);
    }
    return error;
}
