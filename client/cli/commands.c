/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <string.h>

const char commands_doc[] =
    "Permits of a permitd: how many at a time, over many machines.\n\n"
    "  run      run a command while holding a permit\n"
    "  hold     hold a permit until stdin ends\n"
    "  take     take for good: tokens of a rate, permits of a counting "
    "semaphore\n"
    "  post     add permits to a counting semaphore\n"
    "  renew    within run --hold: count the hold anew\n"
    "  verify   ask whether a grant is alive\n"
    "  status   show semaphores\n"
    "  holders  show who holds permits of one\n"
    "  waiters  show who waits for them, in order\n"
    "  why      say why an acquire would wait now, and what would free it\n"
    "  set      define a semaphore, or change it\n"
    "  delete   delete one\n"
    "  export   write definitions to a file\n"
    "  apply    define what a file says\n"
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
#define OPTION_PARTS                                                           \
    {"also",                                                                   \
     OPTION_ALSO,                                                              \
     "SEM[:N]",                                                                \
     0,                                                                        \
     "N (1) permits of another semaphore too, all or nothing; 8 semaphores "   \
     "in all. A name that ends in a colon and digits needs its N",             \
     0},                                                                       \
        {"take",                                                               \
         OPTION_TAKE,                                                          \
         "SEM[:N]",                                                            \
         0,                                                                    \
         "the same, for good: tokens of a rate, permits of a counting "        \
         "semaphore",                                                          \
         0},                                                                   \
    {                                                                          \
        "priority", OPTION_PRIORITY, "N", 0,                                   \
            "0 (default) to 7: each counts as having come 10 s earlier, or "   \
            "what the daemon has",                                             \
            0                                                                  \
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
    OPTION_PARTS,
    {"join", OPTION_JOIN, NULL, 0,
     "somebody else's work would do: if a run of SEM ends with 0 before there "
     "is a permit, exit with 0 and print its outcome, without running CMD",
     0},
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

static const struct argp_option why_options[] = {OPTION_P, OPTION_PARTS, {0}};

static const struct argp_option post_options[] = {OPTION_P, {0}};

static const struct argp_option renew_options[] = {
    {"hold", OPTION_HOLD_ANEW, "DUR", 0, "for DUR (as before)", 0}, {0}};

static const struct argp_option set_options[] = {
    {"kind", OPTION_KIND, "KIND", 0, "bounded (default), counting or rate", 0},
    {"permits", OPTION_PERMITS_DEFINED, "N", 0,
     "how many (1; counting: its start, may be 0)", 0},
    {"rate", OPTION_RATE, "N/UNIT", 0,
     "of a rate: so many tokens per s, m, h, d or DUR: 100/s, 5/250ms", 0},
    {"burst", OPTION_BURST, "N", 0,
     "of a rate: the most tokens that gather, and those it has at first (N of "
     "--rate)",
     0},
    {"max-queue", OPTION_MAX_QUEUE, "N", 0, "at most so many waiters", 0},
    {"max-wait", OPTION_MAX_WAIT, "DUR", 0, "the most anybody may wait", 0},
    {"hold", OPTION_HOLD_MAX, "DUR", 0, "the most a grant may be kept", 0},
    {"bypass", OPTION_BYPASS, "K", 0,
     "let later requests that fit pass one that does not, each at most K times "
     "(0: strictly in order)",
     0},
    {"per-session", OPTION_PER_SESSION, "N", 0,
     "no session holds more than N of it (inf: any number)", 0},
    {"slots", OPTION_SLOTS, NULL, 0,
     "each permit gets a number of its own, from 0 (bounded, at most 1024 "
     "permits)",
     0},
    {"no-slots", OPTION_NO_SLOTS, NULL, 0, "not so, or not any more", 0},
    {"shadow", OPTION_SHADOW, NULL, 0,
     "grant everything, and count what would have been refused or waited", 0},
    {"no-shadow", OPTION_NO_SHADOW, NULL, 0, "in earnest, from now on", 0},
    {"refuse-hopeless", OPTION_REFUSE_HOPELESS, NULL, 0,
     "refuse at once who would wait longer than it may, by how long permits "
     "were held lately",
     0},
    {"no-refuse-hopeless", OPTION_NO_REFUSE_HOPELESS, NULL, 0,
     "let them wait all the same", 0},
    UNSERVED(0, "no-durable", NULL),
    {0}};

static const struct argp_option apply_options[] = {
    {"dry-run", 'n', NULL, 0, "only say what would change", 0}, {0}};

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
         "The permits are taken before the command starts; what is taken for "
         "good, such as tokens of a rate, does not come back.\n\n"
         "The command finds PERMIT_SEMAPHORE, PERMIT_GRANT, PERMIT_FENCE, "
         "PERMIT_PERMITS, PERMIT_SLOTS (\"0,2\", if SEM has slots), "
         "PERMIT_PARTS (\"db=1 api=2\"), PERMIT_WAITED_MS, PERMIT_SESSION, "
         "PERMIT_DEPTH and, with --hold, PERMIT_CONTROL (for permit renew) in "
         "its environment; and PERMIT_OUTCOME, a file: what it writes there, "
         "up to 4096 bytes, is the outcome for those who join, if it ends with "
         "0.\n\n"
         "Lines of --status-fd have \"event\" and \"semaphore\". waiting: "
         "position, waiters, held, permits, waits_for, permits_in_the_way, "
         "retry_after_seconds, waited_seconds. granted: grant_id, "
         "fence, permits, session_id, waited_seconds. lost: grant_id, fence, "
         "loss (hold, session, revoked, kicked or deleted). released: "
         "grant_id, fence, held_seconds. joined: outcome_bytes. A line that "
         "nobody reads is dropped.\n\n"
         "Examples:\n"
         "  permit run builds -- make -j4\n"
         "  permit run -n nightly ./report || echo \"it runs elsewhere\"\n"
         "  permit run -w 30s -p 2 db -c 'pg_dump app | gzip > app.gz'\n"
         "  permit run -w 1h --on-unreachable wait nightly ./report\n"
         "  permit run db --also api:2 --also builds -- ./import\n"
         "  permit run --join cache -c './fill > \"$PERMIT_OUTCOME\"'\n",
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
     .doc = "Takes for good: tokens of a rate, or permits of a counting "
            "semaphore. Exits when it has them: there is nothing to give back."
            "\v"
            "Examples:\n"
            "  permit take orders && ./ship-one\n"
            "  permit take -w 10s api -p 5 && curl http://api.example.org/\n"
            "  permit take -n mails || echo \"no mail any more today\"\n",
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
    {.name = "why",
     .run = why_command,
     .options = why_options,
     .arguments = "SEM",
     .doc = "Says whether an acquire would be granted now; if not, what is in "
            "its way and what would free it. Takes nothing, and exits with 0 "
            "either way."
            "\v"
            "Examples:\n"
            "  permit why builds\n"
            "  permit why db -p 2 --also api:5\n",
     .needs_semaphore = true},
    {.name = "set",
     .run = set_command,
     .options = set_options,
     .arguments = "SEM",
     .doc = "Defines SEM, or changes it; what is not named stays as it is."
            "\v"
            "A SEM that ends in a star is a template: a name that begins so is "
            "made by it on first use, and forgotten when it is idle; the "
            "longest template wins.\n\n"
            "Examples:\n"
            "  permit set jobs --permits 3 --max-wait 30m\n"
            "  permit set orders --kind counting --permits 0\n"
            "  permit set api --rate 100/s --burst 200\n"
            "  permit set 'team/*' --permits 4 --per-session 2\n"
            "  permit set jobs --permits 2 --shadow  # what would it refuse?\n",
     .needs_semaphore = true,
     .defines = true},
    {.name = "delete",
     .run = delete_command,
     .options = delete_options,
     .arguments = "SEM",
     .doc = "Deletes SEM. Those who wait for it are told so; with grants out "
            "it is refused (75)."
            "\v"
            "Examples:\n"
            "  permit delete -y jobs\n",
     .needs_semaphore = true,
     .defines = true},
    {.name = "export",
     .run = export_command,
     .arguments = "[SEM|PREFIX*]",
     .doc = "Writes definitions as YAML, in the shape of the daemon's "
            "configuration: all, one, or those that begin with PREFIX; but for "
            "what templates made."
            "\v"
            "Examples:\n"
            "  permit export > semaphores.yaml\n",
     .takes_prefix = true},
    {.name = "apply",
     .run = apply_command,
     .options = apply_options,
     .arguments = "FILE",
     .doc = "Defines what a file of permit export says, and tells what "
            "changed. What is the same already is left alone, and so is what "
            "the file does not name."
            "\v"
            "- is stdin. Nothing is changed if the file makes no sense.\n\n"
            "Examples:\n"
            "  permit apply -n semaphores.yaml\n"
            "  permit apply semaphores.yaml\n",
     .takes_file = true},
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
    "sessions", "watch", "top",   "bench",  "pause",  "resume",
    "revoke",   "kick",  "drain", "backup", "config", "completion"};

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
