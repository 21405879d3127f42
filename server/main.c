/* SPDX-License-Identifier: MIT */
/* permitd: options, configuration, serve. */

#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "listener.h"
#include "log.h"
#include "server.h"

/* glibc looks it up by its name. */
__attribute__((visibility("default"))) const char *argp_program_version =
    SERVER_NAME " " SERVER_VERSION;

enum option_key {
    OPTION_CONFIG = 256,
    OPTION_LISTEN,
    OPTION_HTTP,
    OPTION_READY_FD,
    OPTION_CHECK,
    OPTION_PRINT,
    OPTION_DATA_DIR, /* From here on, none is served yet. */
    OPTION_DUMP,
    OPTION_SALVAGE,
    OPTION_TRACE
};

static const struct argp_option options[] = {
    {"config", OPTION_CONFIG, "FILE", 0,
     "Read the configuration from FILE, and from conf.d/*.yaml beside it", 0},
    {"listen", OPTION_LISTEN, "ADDR", 0,
     "Serve the protocol on HOST:PORT or unix:PATH (127.0.0.1:7417); may be "
     "given more than once",
     0},
    {"http", OPTION_HTTP, "ADDR", 0,
     "Serve the status endpoint on HOST:PORT (127.0.0.1:7418); null: nowhere",
     0},
    {"ready-fd", OPTION_READY_FD, "N", 0,
     "Write the addresses to descriptor N once they are served", 0},
    {"check-config", OPTION_CHECK, "FILE", 0, "Check FILE and exit", 0},
    {"print-config", OPTION_PRINT, NULL, 0,
     "Print the configuration in force and exit", 0},
    {"data-dir", OPTION_DATA_DIR, "DIR", OPTION_HIDDEN, NULL, 0},
    {"dump", OPTION_DUMP, "DIR", OPTION_HIDDEN, NULL, 0},
    {"salvage", OPTION_SALVAGE, "DIR", OPTION_HIDDEN, NULL, 0},
    {"trace", OPTION_TRACE, "FILE", OPTION_HIDDEN, NULL, 0},
    {0}};

struct arguments {
    struct config_flags flags;
    int ready_fd;
    bool only_check;
    bool only_print;
};

static const char *option_name(int key)
{
    const struct argp_option *option = options;

    while (option->key != key) {
        option++;
    }
    return option->name;
}

/* Whether the address may be served depends on the configuration; here it must
 * only be one. */
static void check_address(const struct argp_state *state, int key,
                          const char *address)
{
    char error[LISTENER_TEXT_BYTES];

    if (!listener_check(address, true, error)) {
        argp_error(state, "--%s %s", option_name(key), error);
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end;
    long number;

    switch (key) {
    case OPTION_CONFIG:
        arguments->flags.file = argument;
        return 0;
    case OPTION_LISTEN:
        if (arguments->flags.listen_count == CONFIG_ADDRESSES_MAX) {
            argp_error(state, "--listen: at most %d", CONFIG_ADDRESSES_MAX);
        }
        check_address(state, key, argument);
        arguments->flags.listen[arguments->flags.listen_count++] = argument;
        return 0;
    case OPTION_HTTP:
        if (strcmp(argument, "null") != 0) {
            check_address(state, key, argument);
        }
        arguments->flags.http_listen = argument;
        return 0;
    case OPTION_READY_FD:
        number = strtol(argument, &end, 10);
        if (*end != '\0' || end == argument || number < 0 || number > 1 << 20 ||
            fcntl((int)number, F_GETFD) < 0) {
            argp_error(state, "--ready-fd %s: is no open descriptor", argument);
        }
        arguments->ready_fd = (int)number;
        return 0;
    case OPTION_CHECK:
        arguments->flags.file = argument;
        arguments->only_check = true;
        return 0;
    case OPTION_PRINT:
        arguments->only_print = true;
        return 0;
    case OPTION_DATA_DIR:
    case OPTION_DUMP:
    case OPTION_SALVAGE:
    case OPTION_TRACE:
        argp_error(state, "--%s is not served yet", option_name(key));
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument: %s", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc = "permitd -- the daemon that holds named semaphores\v"
           "It runs in the foreground and logs to stderr. SIGTERM stops it, "
           "SIGUSR2 drains it, SIGHUP loads the configuration again.\n\n"
           "Exit: 0 stopped or drained, 64 usage, 69 an address is not to be "
           "had, 71 no memory or randomness, 74 the store failed, 78 "
           "configuration.\n\n"
           "Examples:\n"
           "  permitd --config /etc/permitd/permitd.yaml\n"
           "  permitd --listen 127.0.0.1:0 --listen unix:/run/permitd.sock"};

int main(int argc, char **argv)
{
    struct arguments arguments = {.ready_fd = -1};
    struct config *config;
    struct server *server;
    char error[CONFIG_ERROR_BYTES];
    enum server_exit result;

    argp_err_exit_status = EX_USAGE;
    (void)argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (!config_load(&arguments.flags, &config, error)) {
        (void)fprintf(stderr, "permitd: %s\n", error);
        return SERVER_EXIT_CONFIG;
    }
    if (arguments.only_check || arguments.only_print) {
        if (arguments.only_print) {
            config_print(config, stdout);
        }
        config_destroy(config);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    log_set(config->log_level, config->log_format);
    result = server_create(config, &arguments.flags, &server, error);
    if (result != SERVER_EXIT_STOPPED) {
        (void)fprintf(stderr, "permitd: %s\n", error);
        return (int)result;
    }
    if (arguments.ready_fd >= 0) {
        server_tell_ready(server, arguments.ready_fd);
    }
    result = server_run(server);
    server_destroy(server);
    return (int)result;
}
