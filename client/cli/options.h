/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/* The command line of `permit`, read: one struct for all commands.
 *
 * It checks what can be said without a daemon, and connects to none.
 *
 * Law: an option that this version does not serve is refused by name, never
 * passed over. */

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "permit/permit.h"
#include "wire.h"

enum progress_style {
    PROGRESS_AUTO = 1,
    PROGRESS_LINE,
    PROGRESS_PLAIN,
    PROGRESS_NONE
};

/* What run does if the daemon is away: whenever it would exit with 69. */
enum unreachable { UNREACHABLE_FAIL = 1, UNREACHABLE_WAIT, UNREACHABLE_RUN };

/* Another semaphore of the same acquire: --also, --take. */
struct options_part {
    char semaphore[WIRE_NAME_BYTES_MAX + 1];
    uint32_t permits;
    bool take; /* For good. */
};

#define OPTIONS_DURATION_UNSET INT64_MIN
#define OPTIONS_LOST_IGNORE (-1)

struct options {
    const struct command *command;
    int command_index; /* Of its name in argv; 0: there is none. */
    /* Of every command. */
    const char *server; /* NULL: the library's default. */
    bool json;
    bool quiet;
    bool verbose;
    /* What it is about. */
    const char *semaphore; /* Or a prefix for status; NULL if none. */
    bool is_prefix;
    uint32_t permits;
    int64_t wait_ms; /* -1: no limit. */
    int64_t hold_ms; /* 0: no limit. */
    uint32_t priority;
    struct options_part parts[WIRE_PARTS_MAX - 1]; /* Beside `semaphore`. */
    size_t parts_count;
    bool join;
    /* verify */
    uint64_t grant_id;
    uint64_t fence;
    uint32_t numbers_count; /* Of these two. */
    /* run */
    char **argv; /* The command's, ending with NULL. */
    char *shell_argv[4];
    const char *name;
    const char *purpose;
    uint32_t expect_permits;
    int conflict_code;     /* -1: the status's own. */
    int64_t kill_after_ms; /* OPTIONS_DURATION_UNSET: the default. */
    int64_t linger_ms;     /* Of run: OPTIONS_DURATION_UNSET is the default. */
    int64_t heartbeat_ms;  /* Ping at least so often; 0: as the daemon says. */
    int on_lost;           /* A signal, or OPTIONS_LOST_IGNORE. */
    enum unreachable on_unreachable;
    int status_fd; /* -1: none. */
    struct permit_label labels[WIRE_LABELS_MAX];
    char label_keys[WIRE_LABELS_MAX][WIRE_TEXT_BYTES_MAX + 1];
    size_t labels_count;
    bool no_stdin;
    enum progress_style progress;
    int64_t progress_interval_ms;
    /* set, delete, ping */
    struct permit_definition definition;
    bool force;
    bool yes;
    bool dry_run;     /* apply */
    const char *file; /* apply */
    uint32_t count;
    int64_t interval_ms;
    char error[512]; /* What is wrong, see options_take(). */
    bool help;
    bool usage;
};

/* One of permit's commands. */
struct command {
    const char *name;
    int (*run)(const struct options *options); /* Returns the exit code. */
    const struct argp_option *options;         /* NULL: the common ones only. */
    const char *arguments;                     /* "SEM", for --help. */
    const char *doc;                           /* A paragraph, \v, examples. */
    bool defines; /* Its semaphore may be a template. */
    bool needs_semaphore;
    bool needs_grant; /* Its number and its fence. */
    bool takes_prefix;
    bool takes_command;
    bool takes_file;
};

/* Keys of the options that have no letter, or one that another command uses
 * otherwise. From OPTION_UNSERVED on: not served yet. */
enum option_key {
    OPTION_JSON = 256,
    OPTION_ALSO,
    OPTION_BURST,
    OPTION_BYPASS,
    OPTION_HELP,
    OPTION_USAGE,
    OPTION_VERSION,
    OPTION_EXPECT_PERMITS,
    OPTION_FORCE,
    OPTION_HOLD,
    OPTION_HOLD_ANEW,
    OPTION_HOLD_MAX,
    OPTION_JOIN,
    OPTION_KILL_AFTER,
    OPTION_KIND,
    OPTION_LABEL,
    OPTION_LINGER,
    OPTION_MAX_QUEUE,
    OPTION_MAX_WAIT,
    OPTION_NAME,
    OPTION_NO_REFUSE_HOPELESS,
    OPTION_NO_SHADOW,
    OPTION_NO_SLOTS,
    OPTION_NO_STDIN,
    OPTION_ON_LOST,
    OPTION_ON_UNREACHABLE,
    OPTION_PER_SESSION,
    OPTION_PERMITS_DEFINED,
    OPTION_PRIORITY,
    OPTION_PROGRESS,
    OPTION_PROGRESS_INTERVAL,
    OPTION_PURPOSE,
    OPTION_RATE,
    OPTION_REFUSE_HOPELESS,
    OPTION_SHADOW,
    OPTION_SLOTS,
    OPTION_STATUS_FD,
    OPTION_TAKE,
    OPTION_UNSERVED
};

/* Where options_parse* leave the caller. */
enum options_result {
    OPTIONS_GO = 1,
    OPTIONS_DONE, /* --help and the like were answered: exit 0. */
    OPTIONS_WRONG /* Said on stderr: exit EX_USAGE. */
};

/* Reads what precedes the command, and where that is. */
enum options_result options_parse_global(int argc, char **argv,
                                         struct options *options);

/* Reads a command's own; argv[0] is the command's name. options->command is
 * set. What options gets points into argv. */
enum options_result options_parse(int argc, char **argv,
                                  struct options *options);

/* Is there a --json among the arguments, up to "--"? For errors that end the
 * reading before it comes to one. */
bool options_ask_for_json(int argc, char *const *argv);

void options_init(struct options *options);

/* The prefix that is asked for, without its star; "" for everything. Returns
 * prefix. */
const char *options_prefix(const struct options *options,
                           char prefix[WIRE_NAME_BYTES_MAX + 1]);

#endif
