/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "options_read.h"
#include "options_set.h"
#include "options_take.h"
#include "report.h"
#include "wire.h"

static const struct argp_option common_options[] = {
    {"server", 's', "URL", 0,
     "permit://HOST[:7417] or unix:///PATH, or several with commas between; "
     "else $PERMIT_SERVER, else permit://127.0.0.1:7417",
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

static error_t parse_unserved(struct options *options, int key)
{
    const struct argp_option *option = options->command->options;

    while (option->key != key) {
        assert(option->name != NULL);
        option++;
    }
    return options_refuse(options, "--%s is not served yet", option->name);
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
                   : options_refuse(options, "'%s': too long", text);
    }
    if (wire_check_name(text, length, /* template_too= */ true, &detail) !=
        PERMIT_OK) {
        return options_refuse(options, "'%s': %s", text, detail);
    }
    return options->command->defines || text[length - 1] != '*'
               ? 0
               : options_refuse(options,
                                "'%s' is a template, which makes semaphores: "
                                "name one of them, without the star",
                                text);
}

static error_t take_grant_number(struct options *options, const char *text)
{
    uint64_t *number =
        options->numbers_count == 0 ? &options->grant_id : &options->fence;

    options->numbers_count++;
    return options_read_number(text, UINT64_MAX, number)
               ? 0
               : options_refuse(options, "'%s' is no number", text);
}

static error_t take_argument(struct options *options, char *text,
                             struct argp_state *state)
{
    if (options->semaphore == NULL &&
        (options->command->needs_semaphore || options->command->takes_prefix)) {
        return take_semaphore(options, text);
    }
    if (options->command->takes_file && options->file == NULL) {
        options->file = text;
        return 0;
    }
    if (options->command->needs_grant && options->numbers_count < 2) {
        return take_grant_number(options, text);
    }
    if (options->command->takes_command && options->argv == NULL) {
        options->argv = &state->argv[state->next - 1];
        state->next = state->argc; /* The rest is the command's own. */
        return 0;
    }
    return options_refuse(options, "what is '%s'?", text);
}

/* What --also and --take name goes with the semaphore. */
static error_t check_parts(struct options *options)
{
    for (size_t i = 0; i < options->parts_count; i++) {
        const char *name = options->parts[i].semaphore;
        bool is_twice = strcmp(name, options->semaphore) == 0;

        for (size_t k = 0; k < i; k++) {
            is_twice =
                is_twice || strcmp(name, options->parts[k].semaphore) == 0;
        }
        if (is_twice) {
            return options_refuse(options,
                                  "'%s' is there twice: ask for all permits "
                                  "of a semaphore at once",
                                  name);
        }
    }
    return options->join && options->parts_count > 0
               ? options_refuse(options, "--join is for one semaphore, without "
                                         "--also and --take")
               : 0;
}

static error_t check_end(struct options *options)
{
    if (options->command->needs_semaphore && options->semaphore == NULL) {
        return options_refuse(options, "which semaphore?");
    }
    if (options->command->needs_grant && options->numbers_count < 2) {
        return options_refuse(options, "which grant? Its number and its fence");
    }
    if (options->command->takes_command && options->argv == NULL) {
        return options_refuse(options, "which command?");
    }
    if (options->permits == 0) {
        return options_refuse(options, "--permits: must be at least 1");
    }
    if (options->command->takes_file && options->file == NULL) {
        return options_refuse(options, "which file?");
    }
    if (options->semaphore != NULL) {
        (void)check_parts(options);
    }
    return options_set_check(options);
}

static error_t parse_command(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;

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
    return options_take(options, key, text);
}

static error_t parse_common_key(int key, char *text, struct argp_state *state)
{
    return options_take(state->input, key, text);
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

bool options_ask_for_json(int argc, char *const *argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

/* Says what is wrong: our own words, or argp's where it found it. */
static enum options_result say_wrong(const struct argp *argp, int argc,
                                     char **argv, struct options *options)
{
    char program[64];
    struct options again = *options;
    char *name = argv[0];

    options->json = options->json || (options->error[0] == '\0' &&
                                      options_ask_for_json(argc, argv));
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

    if (error == 0 && options->error[0] == '\0') {
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
        .linger_ms = OPTIONS_DURATION_UNSET,
        .on_lost = SIGTERM,
        .on_unreachable = UNREACHABLE_FAIL,
        .status_fd = -1,
        .progress = PROGRESS_AUTO,
        .progress_interval_ms = 10000,
        .definition = PERMIT_DEFINITION_INIT,
        .count = 1,
        .interval_ms = 1000,
    };

    *options = initial;
}

const char *options_prefix(const struct options *options,
                           char prefix[WIRE_NAME_BYTES_MAX + 1])
{
    size_t length = options->is_prefix ? strlen(options->semaphore) - 1 : 0;

    assert(length <= WIRE_NAME_BYTES_MAX);
    (void)snprintf(prefix, WIRE_NAME_BYTES_MAX + 1, "%.*s", (int)length,
                   options->is_prefix ? options->semaphore : "");
    return prefix;
}
