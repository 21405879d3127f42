/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "duration.h"
#include "report.h"
#include "wire.h"

static const struct argp_option common_options[] = {
    {"server", 's', "URL", 0,
     "permit://HOST[:7417] or unix:///PATH; else $PERMIT_SERVER, else "
     "permit://127.0.0.1:7417",
     -1},
    {"json", OPTION_JSON, NULL, 0,
     "print one object on stdout, and errors as one on stderr", -1},
    {"quiet", 'q', NULL, 0, "say nothing but errors", -1},
    {"verbose", 'v', NULL, 0, "say more", -1},
    {"help", OPTION_HELP, NULL, 0, "print this", -1},
    {"usage", OPTION_USAGE, NULL, 0, "print a short form of it", -1},
    {0}};

static const struct argp_option global_options[] = {
    {"version", OPTION_VERSION, NULL, 0, "print the version", -1}, {0}};

/* Remembers what is wrong; ends the parsing. */
static error_t __attribute__((format(printf, 2, 3)))
refuse(struct options *options, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(options->error, sizeof(options->error), format, arguments);
    va_end(arguments);
    return EINVAL;
}

static error_t take_number(struct options *options, const char *what,
                           const char *text, uint32_t max, uint32_t *ret_number)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text < '0' ||
        *text > '9' || number > max) {
        return refuse(options, "%s: '%s' is no number from 0 to %u", what, text,
                      max);
    }
    *ret_number = (uint32_t)number;
    return 0;
}

/* `none_ms` is what "inf" means to the option. */
static error_t take_duration(struct options *options, const char *what,
                             const char *text, int64_t none_ms, int64_t *ret_ms)
{
    int64_t ms;

    if (!duration_parse(text, &ms)) {
        return refuse(options,
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
    return refuse(options, "%s: no such choice: '%s'", what, text);
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

static error_t parse_choice_of_run(struct options *options, int key, char *text)
{
    static const char *const styles[] = {"auto", "line", "plain", "none", NULL};
    int index = 0;
    error_t error;

    switch (key) {
    case OPTION_PROGRESS:
        error = take_word(options, "--progress", text, styles, &index);
        options->progress = (enum progress_style)(PROGRESS_AUTO + index);
        return error;
    case OPTION_ON_LOST:
        return strcmp(text, "term") == 0
                   ? 0
                   : refuse(options, "--on-lost=%s is not served yet", text);
    case OPTION_ON_UNREACHABLE:
        return strcmp(text, "fail") == 0
                   ? 0
                   : refuse(options, "--on-unreachable=%s is not served yet",
                            text);
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
    case OPTION_NAME:
        options->name = text;
        return 0;
    case OPTION_PURPOSE:
        options->purpose = text;
        return 0;
    case OPTION_EXPECT_PERMITS:
        error = take_number(options, "--expect-permits", text, WIRE_PERMITS_MAX,
                            &options->expect_permits);
        return error == 0 && options->expect_permits == 0
                   ? refuse(options, "--expect-permits: must be at least 1")
                   : error;
    case OPTION_KILL_AFTER:
        return take_duration(options, "--kill-after", text, INT64_MAX,
                             &options->kill_after_ms);
    case OPTION_NO_STDIN:
        options->no_stdin = true;
        return 0;
    case OPTION_PROGRESS_INTERVAL:
        return take_duration(options, "--progress-interval", text, INT64_MAX,
                             &options->progress_interval_ms);
    default:
        return parse_choice_of_run(options, key, text);
    }
}

static error_t parse_kind(struct options *options, const char *text)
{
    static const char *const kinds[] = {"bounded", "counting", NULL};
    int index = 0;
    error_t error;

    if (strcmp(text, "rate") == 0) {
        return refuse(options, "--kind rate is not served yet");
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
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_other(struct options *options, int key, char *text)
{
    error_t error;

    switch (key) {
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
                   ? refuse(options, "--count: must be at least 1")
                   : error;
    case 'i':
        return take_duration(options, "--interval", text, INT64_MAX,
                             &options->interval_ms);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_unserved(struct options *options, int key)
{
    const struct argp_option *option = options->command->options;

    while (option->key != key) {
        assert(option->name != NULL);
        option++;
    }
    return refuse(options, "--%s is not served yet", option->name);
}

/* ------------------------------------------------------------- arguments */

static error_t take_semaphore(struct options *options, char *text)
{
    size_t length = strlen(text);
    const char *detail = "";

    options->semaphore = text;
    if (options->command->takes_prefix && length > 0 &&
        text[length - 1] == '*') {
        options->is_prefix = true;
        return length - 1 <= WIRE_NAME_BYTES_MAX
                   ? 0
                   : refuse(options, "'%s': too long", text);
    }
    if (wire_check_name(text, length, /* template_too= */ true, &detail) !=
        PERMIT_OK) {
        return refuse(options, "'%s': %s", text, detail);
    }
    return text[length - 1] == '*'
               ? refuse(options, "'%s': templates are not served yet", text)
               : 0;
}

static error_t take_argument(struct options *options, char *text,
                             struct argp_state *state)
{
    if (options->semaphore == NULL &&
        (options->command->needs_semaphore || options->command->takes_prefix)) {
        return take_semaphore(options, text);
    }
    if (options->command->takes_command && options->argv == NULL) {
        options->argv = &state->argv[state->next - 1];
        state->next = state->argc; /* The rest is the command's own. */
        return 0;
    }
    return refuse(options, "what is '%s'?", text);
}

static error_t check_end(struct options *options)
{
    if (options->command->needs_semaphore && options->semaphore == NULL) {
        return refuse(options, "which semaphore?");
    }
    if (options->command->takes_command && options->argv == NULL) {
        return refuse(options, "which command?");
    }
    if (options->permits == 0) {
        return refuse(options, "--permits: must be at least 1");
    }
    return 0;
}

static error_t parse_command(int key, char *text, struct argp_state *state)
{
    static error_t (*const groups[])(struct options *, int, char *) = {
        parse_acquire, parse_run, parse_set, parse_other};
    struct options *options = state->input;
    error_t error = ARGP_ERR_UNKNOWN;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = options;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        return take_argument(options, text, state);
    }
    if (key == ARGP_KEY_SUCCESS) {
        return check_end(options);
    }
    if (key > OPTION_UNSERVED && key < ARGP_KEY_END) {
        return parse_unserved(options, key);
    }
    for (size_t i = 0;
         i < sizeof(groups) / sizeof(*groups) && error == ARGP_ERR_UNKNOWN;
         i++) {
        error = groups[i](options, key, text);
    }
    return error;
}

static error_t parse_common_key(int key, char *text, struct argp_state *state)
{
    return parse_common(state->input, key, text);
}

static error_t parse_global_key(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;

    (void)text; /* The command's name, or nothing. */
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = options;
        return 0;
    }
    if (key == OPTION_VERSION) {
        (void)printf("permit %s\n", PERMIT_VERSION_STRING);
        return ECANCELED;
    }
    if (key == ARGP_KEY_ARG) {
        options->command_index = state->next - 1;
        state->next = state->argc; /* What follows is the command's own. */
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ----------------------------------------------------------------- parse */

/* Says what is wrong: our own words, or argp's where it found it. */
static enum options_result say_wrong(const struct argp *argp, int argc,
                                     char **argv, struct options *options)
{
    char program[64];
    struct options again = *options;
    char *name = argv[0];

    if (options->error[0] != '\0') {
        report_error(options, permit_status_reason(PERMIT_E_INVALID), "%s",
                     options->error);
    } else if (options->json) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "no such option, or it lacks its argument");
    } else {
        (void)snprintf(program, sizeof(program), "permit%s%s",
                       options->command == NULL ? "" : " ",
                       options->command == NULL ? "" : options->command->name);
        argv[0] = program;
        (void)argp_parse(argp, argc, argv,
                         ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_EXIT, NULL,
                         &again);
        argv[0] = name;
    }
    return OPTIONS_WRONG;
}

static enum options_result parse(const struct argp *argp, int argc, char **argv,
                                 struct options *options)
{
    char program[64];
    error_t error =
        argp_parse(argp, argc, argv,
                   ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP,
                   NULL, options);

    if (error == 0) {
        return OPTIONS_GO;
    }
    if (error == ENOMEM) {
        (void)report_status(options, NULL, PERMIT_E_NOMEM);
        return OPTIONS_WRONG;
    }
    if (error != ECANCELED) {
        return say_wrong(argp, argc, argv, options);
    }
    (void)snprintf(program, sizeof(program), "permit%s%s",
                   options->command == NULL ? "" : " ",
                   options->command == NULL ? "" : options->command->name);
    if (options->help) {
        argp_help(argp, stdout,
                  ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC, program);
    } else if (options->usage) {
        argp_help(argp, stdout, ARGP_HELP_USAGE, program);
    }
    return OPTIONS_DONE;
}

enum options_result options_parse_global(int argc, char **argv,
                                         struct options *options)
{
    static const struct argp common = {.options = common_options,
                                       .parser = parse_common_key};
    const struct argp_child children[] = {{&common, 0, NULL, 0}, {0}};
    const struct argp argp = {.options = global_options,
                              .parser = parse_global_key,
                              .args_doc = "COMMAND [ARG...]",
                              .doc = commands_doc,
                              .children = children};

    return parse(&argp, argc, argv, options);
}

enum options_result options_parse(int argc, char **argv,
                                  struct options *options)
{
    static const struct argp common = {.options = common_options,
                                       .parser = parse_common_key};
    const struct argp_child children[] = {{&common, 0, NULL, 0}, {0}};
    const struct argp argp = {.options = options->command->options,
                              .parser = parse_command,
                              .args_doc = options->command->arguments,
                              .doc = options->command->doc,
                              .children = children};

    return parse(&argp, argc, argv, options);
}

void options_init(struct options *options)
{
    const struct options initial = {
        .permits = 1,
        .wait_ms = -1,
        .conflict_code = -1,
        .kill_after_ms = OPTIONS_DURATION_UNSET,
        .progress = PROGRESS_AUTO,
        .progress_interval_ms = 10000,
        .definition = PERMIT_DEFINITION_INIT,
        .count = 1,
        .interval_ms = 1000,
    };

    *options = initial;
}
