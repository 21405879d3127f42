/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <string.h>

const char commands_doc[] =
    "Permits of a permitd: how many at a time, over many machines.\n\n"
    "  run      run a command while holding a permit\n"
    "  hold     hold a permit until stdin ends\n"
    "  take     take permits of a counting semaphore for good\n"
    "  post     add permits to a counting semaphore\n"
    "  renew    within run --hold: count the hold anew\n"
    "  verify   ask whether a grant is alive\n"
    "  status   show semaphores\n"
    "  holders  show who holds permits of one\n"
    "  waiters  show who waits for them, in order\n"
    "  set      define a semaphore, or change it\n"
    "  delete   delete one\n"
    "  ping     ask the daemon for a sign of life\n"
    "\v"
    "DUR is 1.5 (seconds), 250ms, 30s, 5m, 2h, 7d or inf.\n\n"
    "Defaults come from $XDG_CONFIG_HOME/permit/config.yaml (or "
    "~/.config/permit/config.yaml), before $PERMIT_SERVER, $PERMIT_CLIENT_NAME "
    "and the options: server, name, and for run progress, progress_interval, "
    "kill_after, on_lost, on_unreachable, as the options of these names.\n\n"
    "Examples:\n"
    "  permit set jobs --permits 3\n"
    "  permit run jobs -- make -j4\n"
    "  permit status\n";

#define OPTION_N                                                               \
    {                                                                          \
        "nonblock", 'n', NULL, 0, "do not wait: as --wait 0", 0                \
    }
#define OPTION_W                                                               \
    {                                                                          \
        "wait", 'w', "DUR", 0, "wait no longer (no limit)", 0                  \
    }
#define OPTION_P                                                               \
    {                                                                          \
        "permits", 'p', "N", 0, "so many permits (1)", 0                       \
    }
#define OPTION_NAMES                                                           \
    {"name",                                                                   \
     OPTION_NAME,                                                              \
     "STR",                                                                    \
     0,                                                                        \
     "who ($PERMIT_CLIENT_NAME, or "                                           \
     "user@host:pid)",                                                         \
     0},                                                                       \
    {                                                                          \
        "label", OPTION_LABEL, "K=V", 0,                                       \
            "shown to operators with the permit; up to 8 of them", 0           \
    }
/* Not served yet, and refused by name. */
#define UNSERVED(number, name, argument)                                       \
    {                                                                          \
        name, OPTION_UNSERVED + 1 + (number), argument, OPTION_HIDDEN, NULL, 0 \
    }

static const struct argp_option run_options[] = {
    OPTION_N,
    OPTION_W,
    OPTION_P,
    {"conflict-exit-code", 'E', "N", 0,
     "exit with N, not 75, if there is no permit", 0},
    {"command", 'c', "STR", 0, "run STR by /bin/sh", 0},
    {"hold", OPTION_HOLD, "DUR", 0,
     "keep the permit for at most DUR (no limit of its own); the command gets "
     "the signal of --on-lost earlier, by --kill-after",
     0},
    {"expect-permits", OPTION_EXPECT_PERMITS, "N", 0,
     "fail if the semaphore is defined otherwise", 0},
    {"kill-after", OPTION_KILL_AFTER, "DUR", 0,
     "from TERM to KILL when the permit is lost (5s, or half of what the "
     "client may believe)",
     0},
    {"linger", OPTION_LINGER, "DUR", 0,
     "how long the permit outlives a cut line or an outage of the daemon (30s; "
     "at least the daemon's session timeout, or 0: not at all)",
     0},
    {"on-lost", OPTION_ON_LOST, "HOW", 0,
     "what the command gets when the permit is lost: term (default), kill, "
     "another signal by name or number, or ignore, which lets it run on while "
     "the permit is another's",
     0},
    {"on-unreachable", OPTION_ON_UNREACHABLE, "HOW", 0,
     "if the daemon is away: fail (default), wait as long as --wait says, or "
     "run the command without a permit",
     0},
    OPTION_NAMES,
    {"purpose", OPTION_PURPOSE, "STR", 0,
     "what for (the command's name, without its arguments)", 0},
    {"no-stdin", OPTION_NO_STDIN, NULL, 0, "the command reads /dev/null", 0},
    {"progress", OPTION_PROGRESS, "STYLE", 0,
     "while waiting: auto, line, plain or none", 0},
    {"progress-interval", OPTION_PROGRESS_INTERVAL, "DUR", 0,
     "of plain lines (10s)", 0},
    {"status-fd", OPTION_STATUS_FD, "N", 0,
     "write to descriptor N, one JSON object a line, what becomes of the "
     "permit",
     0},
    UNSERVED(0, "also", "SEM"),
    UNSERVED(1, "take", "SEM"),
    UNSERVED(2, "join", NULL),
    UNSERVED(3, "priority", "N"),
    {0}};

static const struct argp_option hold_options[] = {
    OPTION_N,
    OPTION_W,
    OPTION_P,
    {"hold", OPTION_HOLD, "DUR", 0, "no longer than DUR (no limit)", 0},
    OPTION_NAMES,
    {"purpose", OPTION_PURPOSE, "STR", 0,
     "what for (the name of what has started it)", 0},
    {0}};

static const struct argp_option take_options[] = {
    OPTION_N, OPTION_W, OPTION_P, {0}};

static const struct argp_option post_options[] = {OPTION_P, {0}};

static const struct argp_option renew_options[] = {
    {"hold", OPTION_HOLD_ANEW, "DUR", 0, "for DUR (as before)", 0}, {0}};

static const struct argp_option set_options[] = {
    {"kind", OPTION_KIND, "KIND", 0, "bounded (default) or counting", 0},
    {"permits", OPTION_PERMITS_DEFINED, "N", 0,
     "how many (1; counting: its start, may be 0)", 0},
    {"max-queue", OPTION_MAX_QUEUE, "N", 0, "at most so many waiters", 0},
    {"max-wait", OPTION_MAX_WAIT, "DUR", 0, "the most anybody may wait", 0},
    {"hold", OPTION_HOLD_MAX, "DUR", 0, "the most a grant may be kept", 0},
    {"slots", OPTION_SLOTS, NULL, 0,
     "each permit gets a number of its own, from 0 (bounded, at most 1024 "
     "permits)",
     0},
    UNSERVED(0, "rate", "N/UNIT"),
    UNSERVED(1, "burst", "N"),
    UNSERVED(2, "bypass", "K"),
    UNSERVED(3, "per-session", "N"),
    UNSERVED(4, "no-durable", NULL),
    {0}};

static const struct argp_option delete_options[] = {
    {"force", OPTION_FORCE, NULL, 0, "revoke the grants that are out", 0},
    {"yes", 'y', NULL, 0, "do not ask", 0},
    {0}};

static const struct argp_option holders_options[] = {UNSERVED(0, "stale", NULL),
                                                     {0}};

static const struct argp_option ping_options[] = {
    {"count", 'c', "N", 0, "so many round trips (1)", 0},
    {"interval", 'i', "DUR", 0, "between two (1s)", 0},
    {0}};

static const struct command commands[] = {
    {.name = "run",
     .run = run_command,
     .options = run_options,
     .arguments = "SEM [OPTION...] [--] CMD [ARG...]\nSEM -c STR",
     .doc =
         "Runs a command while holding a permit of SEM. The permit is given "
         "back when the command and all that it started have ended, and not "
         "before. Exits with the command's code; 75 if there is no permit in "
         "time; 124 if the permit was lost, and the command stopped for it; "
         "69 if the daemon is away."
         "\v"
         "The command finds PERMIT_SEMAPHORE, PERMIT_GRANT, PERMIT_FENCE, "
         "PERMIT_PERMITS, PERMIT_SLOTS (\"0,2\", if SEM has slots), "
         "PERMIT_PARTS, PERMIT_WAITED_MS, PERMIT_SESSION, PERMIT_DEPTH and, "
         "with --hold, PERMIT_CONTROL (for permit renew) in "
         "its environment.\n\n"
         "Lines of --status-fd have \"event\" and \"semaphore\". waiting: "
         "position, waiters, held, permits, waited_seconds. granted: grant_id, "
         "fence, permits, session_id, waited_seconds. lost: grant_id, fence, "
         "loss (hold, session, revoked, kicked or deleted). released: "
         "grant_id, fence, held_seconds. A line that nobody reads is "
         "dropped.\n\n"
         "Examples:\n"
         "  permit run builds -- make -j4\n"
         "  permit run -n nightly ./report || echo \"it runs elsewhere\"\n"
         "  permit run -w 30s -p 2 db -c 'pg_dump app | gzip > app.gz'\n"
         "  permit run -w 1h --on-unreachable wait nightly ./report\n",
     .needs_semaphore = true,
     .takes_command = true},
    {.name = "hold",
     .run = hold_command,
     .options = hold_options,
     .arguments = "SEM",
     .doc =
         "Acquires, prints GRANT and FENCE, and holds until stdin ends or a "
         "signal comes. 124 if the permit was lost."
         "\v"
         "For a part of a bash script, as its coprocess: the permit is given "
         "back when the script is over, however it ends.\n\n"
         "Examples:\n"
         "  coproc PERMIT { permit hold -w 5m jobs; }\n"
         "  pid=$PERMIT_PID in=${PERMIT[1]}\n"
         "  read -r grant fence <&\"${PERMIT[0]}\" || { wait \"$pid\"; exit; "
         "}\n"
         "  ./work --fence \"$fence\"\n"
         "  exec {in}>&-  # gives it back\n"
         "  wait \"$pid\" || echo 'the permit was lost' >&2\n",
     .needs_semaphore = true},
    {.name = "take",
     .run = take_command,
     .options = take_options,
     .arguments = "SEM",
     .doc = "Takes permits of a counting semaphore for good."
            "\v"
            "Examples:\n"
            "  permit take orders && ./ship-one\n",
     .needs_semaphore = true},
    {.name = "post",
     .run = post_command,
     .options = post_options,
     .arguments = "SEM",
     .doc = "Adds permits to a counting semaphore, and prints how many it has."
            "\v"
            "Examples:\n"
            "  permit post orders -p 5\n",
     .needs_semaphore = true},
    {.name = "renew",
     .run = renew_command,
     .options = renew_options,
     .arguments = "",
     .doc = "Within a command of permit run --hold: counts its hold anew, from "
            "now. 124 if the permit is lost, or about to be."
            "\v"
            "Examples:\n"
            "  permit run --hold 10m db -c 'for f in *.sql; do\n"
            "      psql -f \"$f\" && permit renew || exit; done'\n"},
    {.name = "verify",
     .run = verify_command,
     .arguments = "GRANT FENCE",
     .doc = "Asks whether a grant is alive, and has this fence: 124 if not."
            "\v"
            "Examples:\n"
            "  permit verify \"$PERMIT_GRANT\" \"$PERMIT_FENCE\"\n",
     .needs_grant = true},
    {.name = "status",
     .run = status_command,
     .arguments = "[SEM|PREFIX*]",
     .doc = "Shows semaphores: all, one, or those that begin with PREFIX."
            "\v"
            "Examples:\n"
            "  permit status 'team-a/*'\n"
            "  permit status --json jobs | jq .waiters\n",
     .takes_prefix = true},
    {.name = "holders",
     .run = holders_command,
     .options = holders_options,
     .arguments = "SEM",
     .doc = "Shows who holds permits of SEM, the oldest first."
            "\v"
            "Examples:\n"
            "  permit holders jobs\n",
     .needs_semaphore = true},
    {.name = "waiters",
     .run = waiters_command,
     .arguments = "SEM",
     .doc = "Shows who waits for permits of SEM, the next first."
            "\v"
            "Examples:\n"
            "  permit waiters jobs\n",
     .needs_semaphore = true},
    {.name = "set",
     .run = set_command,
     .options = set_options,
     .arguments = "SEM",
     .doc = "Defines SEM, or changes it; what is not named stays as it is."
            "\v"
            "Examples:\n"
            "  permit set jobs --permits 3 --max-wait 30m\n"
            "  permit set orders --kind counting --permits 0\n",
     .needs_semaphore = true},
    {.name = "delete",
     .run = delete_command,
     .options = delete_options,
     .arguments = "SEM",
     .doc = "Deletes SEM. Those who wait for it are told so; with grants out "
            "it is refused (75)."
            "\v"
            "Examples:\n"
            "  permit delete -y jobs\n",
     .needs_semaphore = true},
    {.name = "ping",
     .run = ping_command,
     .options = ping_options,
     .arguments = "",
     .doc = "Asks the daemon for a sign of life; 69 if it is away."
            "\v"
            "Examples:\n"
            "  permit ping -c 10 -i 200ms\n"},
};

static const char *const unserved_commands[] = {
    "why",    "sessions", "watch",  "top",    "bench",
    "pause",  "resume",   "revoke", "kick",   "drain",
    "backup", "export",   "apply",  "config", "completion"};

const struct command *commands_find(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

bool commands_is_unserved(const char *name)
{
    for (size_t i = 0;
         i < sizeof(unserved_commands) / sizeof(*unserved_commands); i++) {
        if (strcmp(unserved_commands[i], name) == 0) {
            return true;
        }
    }
    return false;
}
