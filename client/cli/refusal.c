/* SPDX-License-Identifier: MIT */
#include "refusal.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "text.h"

const char *refusal_words(char text[REFUSAL_BYTES],
                          const struct permit_refusal *refusal)
{
    char oldest[2 * PERMIT_TEXT_BYTES + TEXT_AGE_BYTES + 32] = "";
    char after[TEXT_AGE_BYTES + 32] = "";
    char way[64] = "";
    char time[TEXT_AGE_BYTES];

    if (refusal->has_oldest) {
        (void)snprintf(oldest, sizeof(oldest), ", the oldest: %s %s (%s)",
                       refusal->oldest_name, refusal->oldest_purpose,
                       text_age(time, sizeof(time), refusal->oldest_held_ms));
    }
    if (refusal->position > 0) {
        (void)snprintf(way, sizeof(way),
                       "; %" PRIu64 " in the way, %" PRIu64 " before it",
                       refusal->permits_in_the_way, refusal->position - 1);
    }
    if (refusal->retry_after_ms > 0) {
        (void)snprintf(after, sizeof(after), "; try again after %s",
                       text_delay(time, sizeof(time), refusal->retry_after_ms));
    }
    (void)snprintf(text, REFUSAL_BYTES, "%s%s%s", way, oldest, after);
    return text;
}

static bool add_oldest(cJSON *object, const struct permit_refusal *refusal)
{
    cJSON *oldest;

    if (!refusal->has_oldest) {
        return cJSON_AddNullToObject(object, "oldest") != NULL;
    }
    oldest = cJSON_AddObjectToObject(object, "oldest");
    return json_add_text(oldest, "name", refusal->oldest_name) &&
           json_add_text(oldest, "host", refusal->oldest_host) &&
           cJSON_AddNumberToObject(oldest, "pid",
                                   (double)refusal->oldest_pid) != NULL &&
           json_add_text(oldest, "purpose", refusal->oldest_purpose) &&
           json_add_seconds(oldest, "held_seconds", refusal->oldest_held_ms);
}

bool refusal_add_json(cJSON *object, const struct permit_refusal *refusal)
{
    return json_add_text(object, "semaphore", refusal->semaphore) &&
           cJSON_AddNumberToObject(object, "position",
                                   (double)refusal->position) != NULL &&
           cJSON_AddNumberToObject(object, "permits_in_the_way",
                                   (double)refusal->permits_in_the_way) !=
               NULL &&
           add_oldest(object, refusal);
}
