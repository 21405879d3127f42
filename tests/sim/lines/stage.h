/* SPDX-License-Identifier: MIT */
#ifndef STAGE_H
#define STAGE_H

/* What all that plays in one run shares: chance, time, a transcript, and the
 * first thing that went wrong.
 *
 * Law: the same seed gives the same run. */

#include <stdbool.h>
#include <stdint.h>

#include "../random.h"

#define STAGE_MS INT64_C(1000000) /* In nanoseconds. */
#define STAGE_NEVER INT64_MAX
#define STAGE_LINES 120u /* The end of a transcript. */
#define STAGE_LINE_BYTES 160u

enum stage_voice {
    STAGE_SILENT = 1,
    STAGE_TAIL, /* Keeps the last lines, for when it fails. */
    STAGE_LOUD  /* Prints every line. */
};

struct stage {
    uint64_t seed;
    struct random random;
    int64_t now_ns;
    enum stage_voice voice;
    bool has_failed;
    uint64_t lines_count;
    char lines[STAGE_LINES][STAGE_LINE_BYTES];
};

/* Adds a line to the transcript. */
__attribute__((format(printf, 2, 3))) void stage_note(struct stage *stage,
                                                      const char *format, ...);

/* Something is not as it ought to be: the run is over. */
__attribute__((format(printf, 2, 3))) void stage_fail(struct stage *stage,
                                                      const char *format, ...);

/* 0 to most_ms, most often little. */
int64_t stage_delay_ns(struct stage *stage, int64_t most_ms);

#endif
