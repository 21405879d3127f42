/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "permit/error.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_BYTES 3

/* ------------------------------------------------------------ small pieces */

/* How UTF-8 characters begin: the range of the second byte goes by the first,
 * so that none is longer than need be, a surrogate, or above U+10FFFF. */
static const struct utf8_form {
    unsigned char first, last, second_first, second_last;
    size_t bytes;
} utf8_forms[] = {
    {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* A NUL is in no range, so nothing behind the end is read. */
static bool has_form(const unsigned char *text, const struct utf8_form *form)
{
    if (text[0] < form->first || text[0] > form->last ||
        (form->bytes > 1 &&
         (text[1] < form->second_first || text[1] > form->second_last))) {
        return false;
    }
    for (size_t at = 2; at < form->bytes; at++) {
        if (text[at] < 0x80 || text[at] > 0xbf) {
            return false;
        }
    }
    return true;
}

/* Returns the bytes of the UTF-8 character that text begins with, or 0 if it
 * begins with none. */
static size_t utf8_bytes(const unsigned char *text)
{
    for (size_t i = 0; i < sizeof(utf8_forms) / sizeof(utf8_forms[0]); i++) {
        if (has_form(text, &utf8_forms[i])) {
            return utf8_forms[i].bytes;
        }
    }
    return 0;
}

/* Returns a copy in which bytes that are not UTF-8 are replaced, for
 * cJSON_free(), or NULL without memory. */
static char *to_utf8(const char *text)
{
    size_t length = strlen(text);
    char *valid = cJSON_malloc(length * REPLACEMENT_BYTES + 1);
    char *end = valid;

    if (valid == NULL) {
        return NULL;
    }
    while (*text != '\0') {
        size_t bytes = utf8_bytes((const unsigned char *)text);

        if (bytes == 0) {
            memcpy(end, REPLACEMENT, REPLACEMENT_BYTES);
            end += REPLACEMENT_BYTES;
            text++;
            continue;
        }
        memcpy(end, text, bytes);
        end += bytes;
        text += bytes;
    }
    *end = '\0';
    return valid;
}

bool json_add_text(cJSON *object, const char *key, const char *text)
{
    char *valid = to_utf8(text);
    bool is_added =
        valid != NULL && cJSON_AddStringToObject(object, key, valid) != NULL;

    cJSON_free(valid);
    return is_added;
}

bool json_add_time(cJSON *object, const char *key, int64_t wall_ms)
{
    const int64_t year_10000_ms = INT64_C(253402300800000);
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    char date[sizeof("9999-12-31T23:59:59")];
    char text[sizeof(date) + sizeof(".999Z")];

    if (wall_ms < 0 || wall_ms >= year_10000_ms) {
        return cJSON_AddNullToObject(object, key) != NULL;
    }
    (void)gmtime_r(&seconds, &parts); /* Fails beyond the year 2147485547. */
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(wall_ms % 1000));
    return cJSON_AddStringToObject(object, key, text) != NULL;
}

bool json_add_id(cJSON *object, const char *key, uint64_t id)
{
    char text[sizeof("18446744073709551615")];

    (void)snprintf(text, sizeof(text), "%" PRIu64, id);
    return cJSON_AddStringToObject(object, key, text) != NULL;
}

bool json_add_seconds(cJSON *object, const char *key, int64_t ms)
{
    if (ms < 0) {
        return cJSON_AddNullToObject(object, key) != NULL;
    }
    return cJSON_AddNumberToObject(object, key, (double)ms / 1000) != NULL;
}

static bool add_number(cJSON *object, const char *key, uint64_t number)
{
    return cJSON_AddNumberToObject(object, key, (double)number) != NULL;
}

static bool add_bool(cJSON *object, const char *key, bool value)
{
    return cJSON_AddBoolToObject(object, key, value) != NULL;
}

static bool add_null(cJSON *object, const char *key)
{
    return cJSON_AddNullToObject(object, key) != NULL;
}

/* Returns the object if it is complete, else deletes it. */
static cJSON *complete_or_nothing(cJSON *object, bool is_complete)
{
    if (!is_complete) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

/* -------------------------------------------------------------- semaphores */

static const char *kind_name(enum permit_kind kind)
{
    switch (kind) {
    case PERMIT_BOUNDED:
        return "bounded";
    case PERMIT_COUNTING:
        return "counting";
    case PERMIT_RATE:
        return "rate";
    }
    return "unknown";
}

/* A RATE is busy until its bucket is full again. */
static bool is_idle(const struct permit_semaphore_info *info)
{
    return info->holders == 0 && info->waiters == 0 &&
           (info->kind != PERMIT_RATE || info->available >= info->burst);
}

const char *json_state(const struct permit_semaphore_info *info)
{
    bool is_bounded = info->kind == PERMIT_BOUNDED;

    if (is_idle(info)) {
        return "idle";
    }
    if (is_bounded && info->held > info->permits && !info->shadow) {
        return "shrunk";
    }
    if ((info->kind != PERMIT_COUNTING && info->available == 0) ||
        info->waiters > 0) {
        return "saturated";
    }
    return "active";
}

static bool add_rate(cJSON *object, const struct permit_semaphore_info *info)
{
    cJSON *rate;

    if (info->kind != PERMIT_RATE) {
        return add_null(object, "rate");
    }
    rate = cJSON_AddObjectToObject(object, "rate");
    return rate != NULL && add_number(rate, "permits", info->rate) &&
           json_add_seconds(rate, "per_seconds", (int64_t)info->per_ms) &&
           add_number(rate, "burst", info->burst) &&
           add_number(rate, "tokens", info->available);
}

static bool add_or_null(cJSON *object, const char *key, uint64_t number)
{
    return number == 0 ? add_null(object, key)
                       : add_number(object, key, number);
}

/* From rate to what would have been without shadow. */
static bool add_policies(cJSON *object,
                         const struct permit_semaphore_info *info)
{
    return add_rate(object, info) &&
           (info->template_name[0] == '\0'
                ? add_null(object, "template")
                : json_add_text(object, "template", info->template_name)) &&
           add_or_null(object, "per_session", info->per_session) &&
           add_bool(object, "refuse_hopeless", info->refuse_hopeless) &&
           add_bool(object, "durable", info->durable) &&
           add_bool(object, "shadow", info->shadow) &&
           add_number(object, "would_refuse_total", info->would_refuse_total) &&
           add_number(object, "would_wait_total", info->would_wait_total);
}

static bool add_totals(cJSON *object, const struct permit_semaphore_info *info)
{
    cJSON *totals = cJSON_AddObjectToObject(object, "totals");
    cJSON *lost;
    bool ok = totals != NULL &&
              add_number(totals, "grants_total", info->grants_total) &&
              add_number(totals, "timeouts_total", info->timeouts_total) &&
              add_number(totals, "queue_full_total", info->queue_full_total) &&
              add_number(totals, "hopeless_total", info->hopeless_total) &&
              add_number(totals, "joined_total", info->joined_total);

    lost = ok ? cJSON_AddObjectToObject(totals, "lost_total") : NULL;
    ok = lost != NULL;
    for (int loss = 1; ok && loss <= PERMIT_LOSS_COUNT; loss++) {
        ok = add_number(lost, permit_loss_name((enum permit_loss)loss),
                        info->lost_total[loss - 1]);
    }
    return ok;
}

cJSON *json_semaphore(const struct permit_semaphore_info *info)
{
    cJSON *object = cJSON_CreateObject();
    bool ok =
        object != NULL && json_add_text(object, "name", info->name) &&
        json_add_text(object, "kind", kind_name(info->kind)) &&
        (info->kind == PERMIT_RATE
             ? add_null(object, "permits")
             : add_number(object, "permits", info->permits)) &&
        add_number(object, "held", info->held) &&
        add_number(object, "available", info->available) &&
        add_number(object, "holders", info->holders) &&
        add_number(object, "waiters", info->waiters) &&
        add_number(object, "waiting_permits", info->waiting_permits) &&
        add_number(object, "max_queue", info->max_queue) &&
        add_number(object, "bypass", info->bypass) &&
        add_bool(object, "slots", info->slots) &&
        json_add_text(object, "state", json_state(info)) &&
        json_add_id(object, "fence", info->fence) &&
        json_add_seconds(object, "oldest_wait_seconds", info->oldest_wait_ms) &&
        json_add_seconds(object, "oldest_hold_seconds", info->oldest_hold_ms) &&
        json_add_seconds(object, "max_wait_seconds", info->max_wait_ms) &&
        json_add_seconds(object, "hold_seconds",
                         info->hold_ms > 0 ? info->hold_ms : -1) &&
        add_policies(object, info) && add_null(object, "wait_p95_seconds") &&
        add_totals(object, info);

    return complete_or_nothing(object, ok);
}

/* ----------------------------------------------------- holders and waiters */

static bool add_parts(cJSON *object, const struct permit_part_info *parts,
                      uint32_t count)
{
    cJSON *added = cJSON_AddArrayToObject(object, "parts");
    bool is_added = added != NULL;

    for (uint32_t i = 0; i < count && is_added; i++) {
        cJSON *part = cJSON_CreateObject();

        is_added = part != NULL &&
                   json_add_text(part, "semaphore", parts[i].semaphore) &&
                   add_number(part, "permits", parts[i].permits);
        if (is_added) {
            (void)cJSON_AddItemToArray(added, part); /* Both are there. */
        } else {
            cJSON_Delete(part);
        }
    }
    return is_added;
}

static bool add_slots(cJSON *object, const uint32_t *slots, uint32_t count)
{
    cJSON *added = cJSON_AddArrayToObject(object, "slots");
    bool is_added = added != NULL;

    for (uint32_t i = 0; i < count && is_added; i++) {
        is_added = cJSON_AddItemToArray(added, cJSON_CreateNumber(slots[i]));
    }
    return is_added;
}

/* From session_id to identity. */
static bool add_client(cJSON *object, const struct permit_client_info *client)
{
    return json_add_id(object, "session_id", client->session_id) &&
           json_add_text(object, "name", client->name) &&
           json_add_text(object, "host", client->host) &&
           add_number(object, "pid", client->pid) &&
           json_add_text(object, "purpose", client->purpose) &&
           json_add_text(object, "address", client->address) &&
           add_null(object, "identity");
}

/* Keys that become the same because they are not UTF-8 are shown once, with the
 * first value: an object has no key twice. */
static bool add_label(cJSON *object, const struct permit_label *label)
{
    char *key = to_utf8(label->key);
    bool is_added =
        key != NULL && (cJSON_GetObjectItemCaseSensitive(object, key) != NULL ||
                        json_add_text(object, key, label->value));

    cJSON_free(key);
    return is_added;
}

static bool add_labels(cJSON *object, const struct permit_label *labels,
                       uint32_t count)
{
    cJSON *added = cJSON_AddObjectToObject(object, "labels");
    bool is_added = added != NULL;

    for (uint32_t i = 0; i < count && is_added; i++) {
        is_added = add_label(added, &labels[i]);
    }
    return is_added;
}

/* Adds when something `in_ms` from now will be; null if in_ms is negative. */
static bool add_time_in(cJSON *object, const char *key, int64_t now_ms,
                        int64_t in_ms)
{
    if (in_ms < 0 || in_ms > INT64_MAX - now_ms) {
        return add_null(object, key);
    }
    return json_add_time(object, key, now_ms + in_ms);
}

cJSON *json_holder(const struct permit_holder_info *info, int64_t now_ms)
{
    cJSON *object = cJSON_CreateObject();
    bool ok = object != NULL &&
              json_add_id(object, "grant_id", info->grant_id) &&
              json_add_id(object, "fence", info->fence) &&
              add_number(object, "permits", info->permits) &&
              add_slots(object, info->slots, info->slots_count) &&
              add_parts(object, info->parts, info->parts_count) &&
              add_client(object, &info->client) &&
              add_labels(object, info->labels, info->labels_count) &&
              json_add_time(object, "granted_at", now_ms - info->held_ms) &&
              json_add_seconds(object, "held_seconds", info->held_ms) &&
              json_add_seconds(object, "waited_seconds", info->waited_ms) &&
              add_time_in(object, "expires_at", now_ms, info->expires_in_ms) &&
              add_bool(object, "connected", info->client.connected) &&
              add_bool(object, "stale", false);

    return complete_or_nothing(object, ok);
}

static bool add_set_aside(cJSON *object, enum permit_set_aside set_aside)
{
    switch (set_aside) {
    case PERMIT_SET_ASIDE_NO:
        break;
    case PERMIT_SET_ASIDE_PAUSED:
        return json_add_text(object, "set_aside", "paused");
    case PERMIT_SET_ASIDE_SHARE:
        return json_add_text(object, "set_aside", "share");
    case PERMIT_SET_ASIDE_DISCONNECTED:
        return json_add_text(object, "set_aside", "disconnected");
    }
    return add_null(object, "set_aside");
}

cJSON *json_waiter(const struct permit_waiter_info *info, int64_t now_ms)
{
    cJSON *object = cJSON_CreateObject();
    bool ok = object != NULL &&
              json_add_id(object, "request_id", info->acquire_id) &&
              add_number(object, "position", info->position) &&
              add_number(object, "permits", info->permits) &&
              add_parts(object, info->parts, info->parts_count) &&
              add_number(object, "priority", info->priority) &&
              add_client(object, &info->client) &&
              add_labels(object, info->labels, info->labels_count) &&
              json_add_time(object, "queued_at", now_ms - info->waited_ms) &&
              json_add_seconds(object, "waited_seconds", info->waited_ms) &&
              add_time_in(object, "deadline", now_ms, info->expires_in_ms) &&
              add_set_aside(object, info->set_aside);

    return complete_or_nothing(object, ok);
}
