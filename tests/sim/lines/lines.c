/* SPDX-License-Identifier: MIT */

/* The simulation of clients and sessions: the real core of libpermit, and the
 * real half of the server, over lines that break at any byte. `--help` says
 * how. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

static const char help[] =
    "Usage: sim_lines [--seed N | --seeds A..B] [--steps N]\n"
    "\n"
    "Runs clients and a server over lines that break, stall and come late,\n"
    "while both pause, and clients die and come back.\n"
    "\n"
    "  --seed N      replay one seed and print all that happens\n"
    "  --seeds A..B  run these seeds (default 1..1000)\n"
    "  --steps N     steps of each seed, before it calms down (default 3000)\n"
    "\n"
    "Exit status: 0 all laws held, 1 one did not, 2 bad usage.\n";

struct arguments {
    uint64_t first;
    uint64_t last;
    uint64_t steps;
    enum stage_voice voice;
};

static bool read_number(const char *text, char **end, uint64_t *ret_number)
{
    if (*text < '0' || *text > '9') {
        return false;
    }
    *ret_number = strtoull(text, end, 10);
    return true;
}

/* Obeys one option and its value. Returns false if it makes no sense. */
static bool read_option(struct arguments *arguments, const char *option,
                        const char *value)
{
    char *end = NULL;

    if (strcmp(option, "--seed") == 0) {
        arguments->voice = STAGE_LOUD;
        if (!read_number(value, &end, &arguments->first) || *end != '\0') {
            return false;
        }
        arguments->last = arguments->first;
        return true;
    }
    if (strcmp(option, "--seeds") == 0) {
        return read_number(value, &end, &arguments->first) &&
               strncmp(end, "..", 2) == 0 &&
               read_number(end + 2, &end, &arguments->last) && *end == '\0';
    }
    return strcmp(option, "--steps") == 0 &&
           read_number(value, &end, &arguments->steps) && *end == '\0';
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .first = 1, .last = 1000, .steps = 3000, .voice = STAGE_SILENT};
    struct play_counts counts = {0};

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("%s", help);
        return 0;
    }
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !read_option(&arguments, argv[i], argv[i + 1])) {
            fprintf(stderr, "%s", help);
            return 2;
        }
    }
    for (uint64_t seed = arguments.first; seed <= arguments.last; seed++) {
        if (!play_seed(seed, arguments.steps, arguments.voice, &counts)) {
            if (arguments.voice == STAGE_SILENT) { /* Its last moments. */
                (void)play_seed(seed, arguments.steps, STAGE_TAIL, &counts);
            }
            printf("replay: sim_lines --seed %" PRIu64 " --steps %" PRIu64 "\n",
                   seed, arguments.steps);
            return 1;
        }
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " steps, %.1f h of virtual time, "
           "%" PRIu64 " sessions, %" PRIu64 " requests, %" PRIu64 " faults\n",
           arguments.last - arguments.first + 1, counts.steps,
           (double)counts.ms / 3600000, counts.sessions, counts.requests,
           counts.faults);
    return 0;
}
