/* SPDX-License-Identifier: MIT */
#ifndef SIM_TRANSCRIPT_H
#define SIM_TRANSCRIPT_H

/* Events and effects as lines for people, and whether two effects are the same.
 */

#include <stdbool.h>
#include <stddef.h>

#include "engine.h"

#define TRANSCRIPT_LINE_MAX 1000

/* Write one line without its end, NUL-terminated, and return line. */
char *transcript_event(const struct engine_event *event,
                       char line[TRANSCRIPT_LINE_MAX]);
char *transcript_effect(const struct engine_effect *effect,
                        char line[TRANSCRIPT_LINE_MAX]);

/* Do both tell the same? Texts for people and what the answer in question does
 * not use are not looked at. Not for RECORD. */
bool transcript_is_same(const struct engine_effect *one,
                        const struct engine_effect *other);

bool transcript_is_same_obstacle(const struct engine_obstacle *one,
                                 const struct engine_obstacle *other);

#endif
