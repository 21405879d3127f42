/* SPDX-License-Identifier: MIT */

/* The simulation: random events to the engine, its effects compared with those
 * of an independent model and led through the gate. `--help` says how. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static const char help[] =
    "Usage: sim [--seed N | --seeds A..B] [--events N]\n"
    "\n"
    "Runs the engine and the gate against a model of what they ought to do.\n"
    "\n"
    "  --seed N      replay one seed and print all that happens\n"
    "  --seeds A..B  run these seeds (default 1..1000)\n"
    "  --events N    events of each seed (default 2000)\n"
    "  --no-checks   leave the engine's own checks out\n"
    "\n"
    "Exit status: 0 all went as it ought to, 1 it did not, 2 bad usage.\n"
    "A deeper run: sim --seeds 1..20000 --events 5000\n";

/* Reads a number that ends at *end; returns false if there is none. */
static bool read_number(const char *text, char **end, uint64_t *ret_number)
{
    if (*text < '0' || *text > '9') {
        return false;
    }
    *ret_number = strtoull(text, end, 10);
    return true;
}

struct arguments {
    uint64_t first;
    uint64_t last;
    struct run_options options;
};

/* Obeys one option. Returns how many arguments it took; 0 if it makes no sense.
 */
static int read_option(struct arguments *arguments, char **argv)
{
    const char *value = argv[1] == NULL ? "" : argv[1];
    char *end = NULL;

    if (strcmp(argv[0], "--no-checks") == 0) {
        arguments->options.own_checks = false;
        return 1;
    }
    if (strcmp(argv[0], "--seed") == 0 &&
        read_number(value, &end, &arguments->first) && *end == '\0') {
        arguments->last = arguments->first;
        arguments->options.transcript = true;
        return 2;
    }
    if (strcmp(argv[0], "--seeds") == 0 &&
        read_number(value, &end, &arguments->first) &&
        strncmp(end, "..", 2) == 0 &&
        read_number(end + 2, &end, &arguments->last) && *end == '\0') {
        return 2;
    }
    if (strcmp(argv[0], "--events") == 0 &&
        read_number(value, &end, &arguments->options.events) && *end == '\0' &&
        arguments->options.events <= 1000000) {
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        1, 1000, {.events = 2000, .transcript = false, .own_checks = true}};
    struct run_counts counts = {0};

    for (int i = 1; i < argc;) {
        int taken = read_option(&arguments, argv + i);

        if (strcmp(argv[i], "--help") == 0) {
            printf("%s", help);
            return 0;
        }
        if (taken == 0) {
            fprintf(stderr, "%s", help);
            return 2;
        }
        i += taken;
    }
    for (uint64_t seed = arguments.first; seed <= arguments.last; seed++) {
        if (!run_seed(seed, &arguments.options, &counts)) {
            printf("replay: sim --seed %" PRIu64 " --events %" PRIu64 "\n",
                   seed, arguments.options.events);
            return 1;
        }
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64
           " effects, %" PRIu64 " in slices, %" PRIu64 " restarts\n",
           arguments.last - arguments.first + 1, counts.events, counts.effects,
           counts.continued, counts.restarts);
    return 0;
}
