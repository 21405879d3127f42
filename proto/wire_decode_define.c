/* SPDX-License-Identifier: MIT */
/* The Define of a client. Functions return NULL, or what is wrong. */
#include "wire_private.h"

static const char *decode_define_fields(const Permit__V1__Define *from,
                                        uint32_t *ret_fields)
{
    uint32_t fields = 0;

    for (size_t i = 0; i < from->n_fields; i++) {
        int field = (int)from->fields[i];

        if (field < PERMIT__V1__DEFINE_FIELD__FIELD_KIND) {
            return "fields names a field that can't be set";
        }
        fields |= field > PERMIT__V1__DEFINE_FIELD__FIELD_REFUSE_HOPELESS
                      ? (uint32_t)WIRE_FIELD_NEWER
                      : UINT32_C(1) << field;
    }
    *ret_fields = fields;
    return NULL;
}

static const char *decode_define_permits(const Permit__V1__Define *from,
                                         struct wire_define *to)
{
    bool is_bounded =
        (to->fields & WIRE_FIELD_KIND) != 0 && to->kind == PERMIT_BOUNDED;

    if (from->permits > WIRE_PERMITS_MAX) {
        return "permits are at most 2147483647";
    }
    if (from->permits == 0 && is_bounded) {
        return "a bounded semaphore has at least 1 permit";
    }
    to->permits = (uint32_t)from->permits;
    return NULL;
}

/* A number that a definition may set. */
struct range {
    uint32_t field;
    uint64_t from;
    uint64_t min;
    uint64_t max;
    const char *detail;
};

static const char *decode_define_numbers(const Permit__V1__Define *from,
                                         struct wire_define *to)
{
    const struct range ranges[] = {
        {WIRE_FIELD_RATE, from->rate, 1, WIRE_PERMITS_MAX,
         "a rate is 1 to 2147483647 tokens"},
        {WIRE_FIELD_PER, from->per_ms, 1, WIRE_RATE_PER_MS_MAX,
         "per_ms is 1 to 31622400000, a leap year"},
        {WIRE_FIELD_BURST, from->burst, 1, WIRE_PERMITS_MAX,
         "burst is 1 to 2147483647 tokens"},
        {WIRE_FIELD_BYPASS, from->bypass, 0, WIRE_BYPASS_MAX,
         "bypass is at most 65535"},
        {WIRE_FIELD_PER_SESSION, from->per_session, 0, WIRE_PERMITS_MAX,
         "per_session is at most 2147483647"}};
    uint64_t values[sizeof(ranges) / sizeof(ranges[0])] = {0};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        const struct range *range = &ranges[i];

        if ((to->fields & range->field) == 0) {
            continue;
        }
        if (range->from < range->min || range->from > range->max) {
            return range->detail;
        }
        values[i] = range->from;
    }
    to->rate = (uint32_t)values[0];
    to->per_ms = values[1];
    to->burst = (uint32_t)values[2];
    to->bypass = (uint32_t)values[3];
    to->per_session = (uint32_t)values[4];
    return NULL;
}

static bool read_flag(const struct wire_define *define, uint32_t field,
                      protobuf_c_boolean value)
{
    return (define->fields & field) != 0 && value != 0;
}

/* What `fields` does not name stays 0, so that equal definitions have equal
 * hashes. */
const char *wire_decode_define(const Permit__V1__ClientMessage *outer,
                               struct wire_client_message *ret_message)
{
    const Permit__V1__Define *from = outer->define;
    struct wire_define *to = &ret_message->define;
    const char *detail =
        wire_check_semaphore(from->semaphore, true, &to->semaphore);

    if (detail == NULL) {
        detail = decode_define_fields(from, &to->fields);
    }
    if (detail != NULL) {
        return detail;
    }
    to->is_template = to->semaphore[from->semaphore.len - 1] == '*';
    if ((to->fields & WIRE_FIELD_KIND) != 0) {
        if ((int)from->kind < PERMIT_BOUNDED || (int)from->kind > PERMIT_RATE) {
            return "kind is BOUNDED, COUNTING or RATE";
        }
        to->kind = (enum permit_kind)from->kind;
    }
    if ((to->fields & WIRE_FIELD_MAX_QUEUE) != 0) {
        to->max_queue = wire_saturate_u32(from->max_queue);
    }
    if ((to->fields & WIRE_FIELD_MAX_WAIT) != 0) {
        if (from->max_wait_ms < -1) {
            return "max_wait_ms is -1 (no limit), 0 or more";
        }
        to->max_wait_ms = from->max_wait_ms;
    }
    if ((to->fields & WIRE_FIELD_HOLD) != 0) {
        to->hold_ms = wire_duration_ms(from->hold_ms);
    }
    to->slots = read_flag(to, WIRE_FIELD_SLOTS, from->slots);
    to->not_durable = read_flag(to, WIRE_FIELD_NOT_DURABLE, from->not_durable);
    to->shadow = read_flag(to, WIRE_FIELD_SHADOW, from->shadow);
    to->refuse_hopeless =
        read_flag(to, WIRE_FIELD_REFUSE_HOPELESS, from->refuse_hopeless);
    if ((to->fields & WIRE_FIELD_PERMITS) != 0) {
        detail = decode_define_permits(from, to);
    }
    return detail != NULL ? detail : decode_define_numbers(from, to);
}
