/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 0))) static void
note(struct stage *stage, const char *format, va_list arguments)
{
    char *line = stage->lines[stage->lines_count % STAGE_LINES];
    int length = snprintf(line, STAGE_LINE_BYTES, "[%9.3f] ",
                          (double)stage->now_ns / (double)STAGE_MS);

    (void)vsnprintf(line + length, STAGE_LINE_BYTES - (size_t)length, format,
                    arguments);
    stage->lines_count++;
    if (stage->voice == STAGE_LOUD) {
        printf("%s\n", line);
    }
}

void stage_note(struct stage *stage, const char *format, ...)
{
    va_list arguments;

    if (stage->voice != STAGE_SILENT) {
        va_start(arguments, format);
        note(stage, format, arguments);
        va_end(arguments);
    }
}

void stage_fail(struct stage *stage, const char *format, ...)
{
    va_list arguments;

    if (stage->has_failed) {
        return;
    }
    stage->has_failed = true;
    if (stage->voice == STAGE_TAIL) {
        uint64_t i = stage->lines_count < STAGE_LINES
                         ? 0
                         : stage->lines_count - STAGE_LINES;

        for (; i < stage->lines_count; i++) {
            printf("%s\n", stage->lines[i % STAGE_LINES]);
        }
    }
    printf("FAILED seed %" PRIu64 " at %.3f ms: ", stage->seed,
           (double)stage->now_ns / (double)STAGE_MS);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

int64_t stage_delay_ns(struct stage *stage, int64_t most_ms)
{
    int64_t most_ns = most_ms * STAGE_MS;

    if (!random_chance(&stage->random, 20)) {
        most_ns /= 20;
    }
    return (int64_t)(random_next(&stage->random) % (uint64_t)(most_ns + 1));
}
