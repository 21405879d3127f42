/* SPDX-License-Identifier: MIT */
#include "options_take.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options_read.h"
#include "options_set.h"
#include "wire.h"

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

/* SEM[:N]: what follows the last colon is N if it is digits alone, so a name
 * that ends so itself needs its N. */
static error_t take_part(struct options *options, const char *what,
                         const char *text, bool take)
{
    struct options_part part = {.permits = 1, .take = take};
    const char *colon = strrchr(text, ':');
    size_t length = strlen(text);
    const char *detail = "";

    if (colon != NULL && colon[1] != '\0' &&
        colon[1 + strspn(colon + 1, "0123456789")] == '\0') {
        (void)options_read_some(options, what, colon + 1, WIRE_PERMITS_MAX,
                                &part.permits);
        length = (size_t)(colon - text);
    }
    if (wire_check_name(text, length, /* template_too= */ false, &detail) !=
        PERMIT_OK) {
        return options_refuse(options, "%s: '%s': %s", what, text, detail);
    }
    if (options->parts_count == WIRE_PARTS_MAX - 1) {
        return options_refuse(options, "%s: at most %d semaphores in all", what,
                              WIRE_PARTS_MAX);
    }
    memcpy(part.semaphore, text, length);
    options->parts[options->parts_count++] = part;
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
        options->dry_run = true; /* What -n is to apply. */
        return 0;
    case 'w':
        return options_read_duration(options, "--wait", text, -1,
                                     &options->wait_ms);
    case 'p':
        return options_read_count(options, "--permits", text, WIRE_PERMITS_MAX,
                                  &options->permits);
    case OPTION_HOLD:
        return options_read_duration(options, "--hold", text, 0,
                                     &options->hold_ms);
    case OPTION_ALSO:
        return take_part(options, "--also", text, /* take= */ false);
    case OPTION_TAKE:
        return take_part(options, "--take", text, /* take= */ true);
    case OPTION_PRIORITY:
        return options_read_count(options, "--priority", text,
                                  WIRE_PRIORITY_MAX, &options->priority);
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
        return options_read_text(options, "--name", text, &options->name);
    case OPTION_PURPOSE:
        return options_read_text(options, "--purpose", text, &options->purpose);
    case OPTION_LABEL:
        return take_label(options, text);
    case OPTION_ON_LOST:
        return take_on_lost(options, text);
    case OPTION_ON_UNREACHABLE:
        error =
            options_read_word(options, "--on-unreachable", text, ways, &index);
        options->on_unreachable = (enum unreachable)(UNREACHABLE_FAIL + index);
        return error;
    case OPTION_PROGRESS:
        error = options_read_word(options, "--progress", text, styles, &index);
        options->progress = (enum progress_style)(PROGRESS_AUTO + index);
        return error;
    case OPTION_PROGRESS_INTERVAL:
        return options_read_duration(options, "--progress-interval", text,
                                     INT64_MAX, &options->progress_interval_ms);
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
        error = options_read_count(options, "--conflict-exit-code", text, 255,
                                   &number);
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
        return options_read_some(options, "--expect-permits", text,
                                 WIRE_PERMITS_MAX, &options->expect_permits);
    case OPTION_JOIN:
        options->join = true;
        return 0;
    case OPTION_KILL_AFTER:
        return options_read_duration(options, "--kill-after", text, INT64_MAX,
                                     &options->kill_after_ms);
    case OPTION_LINGER:
        return options_read_duration(options, "--linger", text, INT64_MAX,
                                     &options->linger_ms);
    case OPTION_NO_STDIN:
        options->no_stdin = true;
        return 0;
    case OPTION_STATUS_FD:
        error = options_read_count(options, "--status-fd", text, INT32_MAX,
                                   &number);
        options->status_fd = (int)number;
        return error == 0 && number <= STDERR_FILENO
                   ? options_refuse(options, "--status-fd: 0, 1 and 2 are the "
                                             "command's")
                   : error;
    default:
        return parse_manner_of_run(options, key, text);
    }
}

static error_t parse_other(struct options *options, int key, char *text)
{
    error_t error;

    switch (key) {
    case OPTION_HOLD_ANEW:
        error = options_read_duration(options, "--hold", text, 0,
                                      &options->hold_ms);
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
        return options_read_some(options, "--count", text, UINT32_MAX,
                                 &options->count);
    case 'i':
        return options_read_duration(options, "--interval", text, INT64_MAX,
                                     &options->interval_ms);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

error_t options_take(struct options *options, int key, char *text)
{
    static error_t (*const groups[])(struct options *, int, char *) = {
        parse_common, parse_acquire, parse_run, options_set_take, parse_other};
    error_t error = ARGP_ERR_UNKNOWN;

    for (size_t i = 0;
         i < sizeof(groups) / sizeof(*groups) && error == ARGP_ERR_UNKNOWN;
         i++) {
        error = groups[i](options, key, text);
    }
    return error;
}
