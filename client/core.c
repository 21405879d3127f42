/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core_private.h"

#define INPUT_BYTES (FRAME_HEADER_BYTES + FRAME_BYTES_MAX)
#define OUTPUT_BYTES 65536u
/* A WIRE_ARENA_BYTES of the right type. */
#define ARENA_BYTES ((size_t)WIRE_ARENA_BYTES)

int64_t core_add_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns > CORE_NEVER - b_ns ? CORE_NEVER : a_ns + b_ns;
}

int64_t core_ns_from_ms(int64_t ms)
{
    return ms > CORE_NEVER / NS_PER_MS ? CORE_NEVER : ms * NS_PER_MS;
}

/* ------------------------------------------------------- create and destroy
 */

static const char *copy_text(struct core *core, size_t index, const char *text)
{
    assert(strlen(text) <= WIRE_TEXT_BYTES_MAX);
    (void)snprintf(core->hello_text[index], sizeof(core->hello_text[index]),
                   "%s", text);
    return core->hello_text[index];
}

struct core *core_create(const struct core_options *options)
{
    const struct permit_allocator *allocator = options->allocator;
    struct core *core = memory_take(allocator, sizeof(*core));

    if (core == NULL) {
        return NULL;
    }
    core->allocator = *allocator;
    core->counters.struct_size = sizeof(core->counters);
    core->state = CORE_STATE_DOWN;
    core->due_ns = CORE_NEVER;
    core->answer_timeout_ms = options->answer_timeout_ms;
    core->next_id = 1;
    core->hello.name = copy_text(core, 0, options->name);
    core->hello.host = copy_text(core, 1, options->host);
    core->hello.purpose = copy_text(core, 2, options->purpose);
    core->hello.pid = options->pid;
    core->hello.client = "libpermit/0.1.0";
    core->hello.linger_ms = options->linger_ms;
    core->heartbeat_ms = options->heartbeat_ms;
    if (options->end != NULL) {
        core->former = *options->end;
    }
    core->input = memory_take_buffer(allocator, INPUT_BYTES);
    core->output = memory_take_buffer(allocator, OUTPUT_BYTES);
    core->arena.bytes = memory_take_buffer(allocator, ARENA_BYTES);
    core->arena.capacity = ARENA_BYTES;
    if (core->input == NULL || core->output == NULL ||
        core->arena.bytes == NULL) {
        core_destroy(core);
        return NULL;
    }
    return core;
}

static void free_all(struct core *core, struct id_table *table)
{
    while (table->first != NULL) {
        struct id_entry *entry = table->first;

        id_table_remove(table, entry);
        /* The first member of what was allocated. */
        memory_give(&core->allocator, entry);
    }
}

void core_destroy(struct core *core)
{
    struct permit_allocator allocator;

    if (core == NULL) {
        return;
    }
    allocator = core->allocator;
    free_all(core, &core->requests);
    free_all(core, &core->grants);
    memory_give(&allocator, core->arena.bytes);
    memory_give(&allocator, core->output);
    memory_give(&allocator, core->input);
    memory_give(&allocator, core);
}

/* -------------------------------------------------------------------- output
 */

static size_t copy_frame(const struct request *request, uint8_t *to)
{
    memcpy(to, request->frame, request->frame_bytes);
    return request->frame_bytes;
}

/* What is left of a wait stays a wait, so that it ends as one. */
static size_t put_rest(struct core *core, const struct request *request,
                       uint8_t *to, size_t room)
{
    int64_t left_ms =
        (request->wait_until_ns - core->now_ns + NS_PER_MS - 1) / NS_PER_MS;

    return wire_rewrite_wait(request->frame, request->frame_bytes,
                             left_ms > 0 ? left_ms : 1, &core->arena, to, room);
}

static void put(struct core *core, struct request *request)
{
    uint8_t *to = core->output + core->output_end;
    size_t bytes;

    if (request->wait_until_ns == CORE_NEVER ||
        core->now_ns == request->asked_ns) {
        bytes = copy_frame(request, to);
    } else {
        bytes = put_rest(core, request, to, OUTPUT_BYTES - core->output_end);
    }
    request->offset = core->output_total;
    core->output_end += bytes;
    core->output_total += bytes;
}

/* Of a session that is not believed in yet nothing is asked, for what it
 * granted would not be believed in either; and what was cancelled before it
 * left ends without leaving. */
static bool may_put(const struct core *core, const struct request *request)
{
    return request->offset == CORE_NOT_PUT &&
           (core->is_believed || request->type == WIRE_PING) &&
           (!request->is_cancelled || request->was_sent);
}

/* Puts the requests that this line has not, in the order of their ids, as long
 * as there is room. */
static void fill_output(struct core *core)
{
    struct id_entry *entry = core->next_put;
    size_t used = core->output_end - core->output_start;

    if (core->output_start >= OUTPUT_BYTES / 2) {
        memmove(core->output, core->output + core->output_start, used);
        core->output_start = 0;
        core->output_end = used;
    }
    while (entry != NULL &&
           OUTPUT_BYTES - core->output_end >= WIRE_REQUEST_BYTES_MAX) {
        if (may_put(core, request_of(entry))) {
            put(core, request_of(entry));
        }
        entry = entry->next;
    }
    while (core->next_put != NULL &&
           request_of(core->next_put)->offset != CORE_NOT_PUT) {
        core->next_put = core->next_put->next;
    }
}

const uint8_t *core_output(struct core *core, size_t *ret_length)
{
    bool has_line =
        core->state != CORE_STATE_DOWN && core->state != CORE_STATE_BROKEN;

    if (core->state == CORE_STATE_READY) {
        fill_output(core);
    }
    *ret_length = has_line ? core->output_end - core->output_start : 0;
    return core->output + core->output_start;
}

void core_sent(struct core *core, size_t bytes)
{
    assert(bytes <= core->output_end - core->output_start);
    if (core->sent_total == 0) {
        core->hello_sent_ns = core->now_ns;
    }
    core->output_start += bytes;
    core->sent_total += bytes;
    if (core->output_start == core->output_end) {
        core->output_start = 0;
        core->output_end = 0;
    }
}

/* -------------------------------------------------------------------- input
 */

size_t core_feed(struct core *core, const uint8_t *bytes, size_t length)
{
    size_t used = core->input_end - core->input_start;

    if (core->state == CORE_STATE_DOWN || core->state == CORE_STATE_BROKEN) {
        return length; /* Nobody will look at it. */
    }
    core->unheard_ns = CORE_NEVER;
    memmove(core->input, core->input + core->input_start, used);
    core->input_start = 0;
    core->input_end = used;
    if (length > INPUT_BYTES - used) {
        length = INPUT_BYTES - used;
    }
    memcpy(core->input + used, bytes, length);
    core->input_end += length;
    return length;
}

static bool read_preface(struct core *core)
{
    int used = frame_read_preface(core->input + core->input_start,
                                  core->input_end - core->input_start);

    if (used < 0) {
        core_break(core, (enum permit_status)used,
                   used == PERMIT_E_VERSION
                       ? "the server speaks another version of the protocol"
                       : "what answers there is not a permitd");
        return false;
    }
    core->input_start += (size_t)used;
    core->has_preface = used > 0;
    return core->has_preface;
}

/* Reads the next message. Returns false if there is none, or it is broken. */
static bool read_message(struct core *core)
{
    struct frame frame;
    int64_t used;

    if (!core->has_preface && !read_preface(core)) {
        return false;
    }
    used = frame_parse(core->input + core->input_start,
                       core->input_end - core->input_start, FRAME_BYTES_MAX,
                       &frame);
    if (used == 0) {
        return false;
    }
    if (used < 0 ||
        wire_decode_server(frame.message, frame.message_bytes, &core->arena,
                           &core->message) != PERMIT_OK) {
        core_break(core, PERMIT_E_PROTOCOL, "the server's message is broken");
        return false;
    }
    core->input_start += (size_t)used;
    return true;
}

/* ------------------------------------------------------------------- events
 */

static void make_down(struct core *core, struct core_event *ret_event)
{
    core->state = CORE_STATE_DOWN;
    core_fall_due(core, core_line_due(core));
    *ret_event = (struct core_event){.type = CORE_EVENT_DOWN,
                                     .status = core->down_status,
                                     .text = core->down_text,
                                     .is_silent = core->is_silent &&
                                                  core->session.id != 0,
                                     .retry_after_ms = core->retry_after_ms};
}

static void make_ready(struct core *core, struct core_event *ret_event)
{
    core_settle(core);
    *ret_event = (struct core_event){.type = CORE_EVENT_READY, .text = ""};
}

/* Deals with the next message. Returns false if there is none and nothing
 * broke; *ret_made says whether it made an event. */
static bool take_next(struct core *core, struct core_event *ret_event,
                      bool *ret_made)
{
    if (core->state == CORE_STATE_DOWN) {
        return false;
    }
    if (!read_message(core)) {
        return core->state == CORE_STATE_BROKEN;
    }
    if (core->message.type == WIRE_GOAWAY) {
        core_note_goaway(core);
    } else if (core->state == CORE_STATE_READY) {
        *ret_made = core_take_message(core, ret_event);
    } else {
        core_take_opening(core);
    }
    return true;
}

bool core_next_event(struct core *core, struct core_event *ret_event)
{
    bool made = false;

    while (!made) {
        if (core->walk != CORE_WALK_NONE) {
            made = core_take_walk(core, ret_event);
        } else if (core->state == CORE_STATE_BROKEN) {
            make_down(core, ret_event);
            made = true;
        } else if (core->state == CORE_STATE_SETTLING) {
            make_ready(core, ret_event);
            made = true;
        } else if (core->now_ns >= core->due_ns) {
            core_take_line_due(core);
        } else if (!take_next(core, ret_event, &made)) {
            return false;
        }
    }
    return true;
}

int64_t core_next_deadline(const struct core *core)
{
    bool has_events = core->walk != CORE_WALK_NONE || /* As in SETTLING. */
                      core->state == CORE_STATE_BROKEN;

    return has_events ? 0 : core->due_ns;
}

const struct permit_counters *core_counters(const struct core *core)
{
    return &core->counters;
}
