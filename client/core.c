/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core_private.h"

#define INPUT_BYTES (FRAME_HEADER_BYTES + FRAME_BYTES_MAX)
#define OUTPUT_BYTES_FIRST 4096u
/* Pings a session timeout, at least: one may be late, and one lost in time. */
#define PINGS_PER_TIMEOUT 3
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

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
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
    core->input = memory_take_buffer(allocator, INPUT_BYTES);
    core->output = memory_take_buffer(allocator, OUTPUT_BYTES_FIRST);
    core->output_capacity = OUTPUT_BYTES_FIRST;
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

enum permit_status core_reserve(struct core *core)
{
    size_t need = WIRE_REQUEST_BYTES_MAX;
    size_t used = core->output_end - core->output_start;
    size_t capacity = core->output_capacity;
    uint8_t *grown;

    if (need <= capacity - core->output_end) {
        return PERMIT_OK;
    }
    if (used + need <= capacity / 2) {
        memmove(core->output, core->output + core->output_start, used);
    } else {
        grown = memory_take_buffer(&core->allocator, capacity * 2);
        if (grown == NULL) {
            return PERMIT_E_NOMEM;
        }
        memcpy(grown, core->output + core->output_start, used);
        memory_give(&core->allocator, core->output);
        core->output = grown;
        core->output_capacity = capacity * 2;
    }
    core->output_start = 0;
    core->output_end = used;
    return PERMIT_OK;
}

size_t core_put(struct core *core, struct wire_client_message *message)
{
    const struct id_entry *oldest = core->requests.first;
    size_t bytes;

    message->id = core->next_id++;
    message->answered_below = oldest == NULL ? message->id : oldest->id;
    bytes = wire_encode_client(message, core->output + core->output_end,
                               core->output_capacity - core->output_end);
    assert(bytes > 0);
    core->output_end += bytes;
    core->output_total += bytes;
    core->counters.requests_total++;
    return bytes;
}

const uint8_t *core_output(const struct core *core, size_t *ret_length)
{
    size_t length = 0;

    if (core->state == CORE_STATE_READY) {
        length = core->output_end - core->output_start;
    } else if (core->state == CORE_STATE_OPENING) {
        length = (size_t)(core->hello_end - core->sent_total);
    }
    *ret_length = length;
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

/* ------------------------------------------------------------ open and break
 */

void core_open(struct core *core, int64_t now_ns, int64_t welcome_by_ns)
{
    struct wire_client_message message = {.type = WIRE_HELLO};

    assert(core->state == CORE_STATE_DOWN);
    core_advance(core, now_ns);
    core->state = CORE_STATE_OPENING;
    core->welcome_by_ns = welcome_by_ns;
    core->hello_sent_ns = core->now_ns;
    core->has_preface = false;
    core->input_start = 0;
    core->input_end = 0;
    core->sent_total = 0;
    core->output_start = 0;
    memcpy(core->output, frame_preface, FRAME_PREFACE_BYTES);
    core->output_end = FRAME_PREFACE_BYTES;
    core->output_total = FRAME_PREFACE_BYTES;
    core->goaway_text[0] = '\0';
    core->due_ns = welcome_by_ns;
    message.hello = core->hello;
    (void)core_put(core, &message);
    core->hello_id = message.id;
    core->hello_end = core->output_total;
    core->gap_bytes = 0;
}

void core_break(struct core *core, enum permit_status status, const char *text)
{
    if (core->state == CORE_STATE_DOWN || core->state == CORE_STATE_BROKEN) {
        return;
    }
    core->state = CORE_STATE_BROKEN;
    core->session_id = 0;
    core->down_status = status;
    if (status == PERMIT_E_DISCONNECTED && core->goaway_text[0] != '\0') {
        text = core->goaway_text;
    }
    (void)snprintf(core->down_text, sizeof(core->down_text), "%s", text);
}

/* -------------------------------------------------------------------- time */

void core_advance(struct core *core, int64_t now_ns)
{
    if (now_ns > core->now_ns) {
        core->now_ns = now_ns;
    }
}

void core_alive(struct core *core, int64_t sent_ns)
{
    int64_t until_ns = core_add_ns(sent_ns, core->belief_ns);

    if (until_ns > core->believed_until_ns) {
        core->believed_until_ns = until_ns;
    }
}

static int64_t line_due(const struct core *core)
{
    if (core->state == CORE_STATE_OPENING) {
        return core->welcome_by_ns;
    }
    return min_ns(core->believed_until_ns,
                  core_add_ns(core->ping_sent_ns, core->ping_interval_ns));
}

static void take_line_due(struct core *core)
{
    if (core->state == CORE_STATE_OPENING) {
        if (core->now_ns >= core->welcome_by_ns) {
            core_break(core, PERMIT_E_DISCONNECTED,
                       "no answer to Hello in time");
        }
    } else if (core->now_ns >= core->believed_until_ns) {
        core_break(core, PERMIT_E_DISCONNECTED,
                   "the server was silent for too long");
    } else if (core->now_ns - core->ping_sent_ns >= core->ping_interval_ns) {
        core_ping(core);
    }
}

int64_t core_next_deadline(const struct core *core)
{
    switch (core->state) {
    case CORE_STATE_DOWN:
        return CORE_NEVER;
    case CORE_STATE_BROKEN:
        return 0;
    case CORE_STATE_OPENING:
    case CORE_STATE_READY:
        break;
    }
    return core->due_ns;
}

/* -------------------------------------------------------------------- input
 */

size_t core_feed(struct core *core, const uint8_t *bytes, size_t length)
{
    size_t used = core->input_end - core->input_start;

    if (core->state == CORE_STATE_DOWN || core->state == CORE_STATE_BROKEN) {
        return length; /* Nobody will look at it. */
    }
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

/* ------------------------------------------------------------------ opening
 */

static bool take_welcome(struct core *core, struct core_event *ret_event)
{
    const struct wire_welcome *welcome = &core->message.welcome;
    int64_t timeout_ns = core_ns_from_ms(welcome->session_timeout_ms);

    if (core->message.id != core->hello_id || welcome->session_id == 0 ||
        welcome->heartbeat_ms <= 0 || timeout_ns < PINGS_PER_TIMEOUT ||
        welcome->resumed) {
        core_break(core, PERMIT_E_PROTOCOL, "the server's Welcome is broken");
        return false;
    }
    core_close_gaps(core);
    core->state = CORE_STATE_READY;
    core->session_id = welcome->session_id;
    core->ping_sent_ns = core->hello_sent_ns;
    core->ping_interval_ns = min_ns(core_ns_from_ms(welcome->heartbeat_ms),
                                    timeout_ns / PINGS_PER_TIMEOUT);
    core->belief_ns = timeout_ns / 10 * 9;
    core->believed_until_ns = 0;
    core->counters.reconnects_total += core->had_session;
    core->had_session = true;
    core_alive(core, core->hello_sent_ns);
    core_fall_due(core, line_due(core));
    *ret_event = (struct core_event){
        .type = CORE_EVENT_READY, .text = "", .message = &core->message};
    return true;
}

/* In state OPENING. Returns true if it made an event. */
static bool take_opening(struct core *core, struct core_event *ret_event)
{
    const struct wire_server_message *message = &core->message;

    if (message->type == WIRE_WELCOME) {
        return take_welcome(core, ret_event);
    }
    if (message->type == WIRE_REFUSED && message->id == core->hello_id) {
        core_break(core, message->refused.reason,
                   message->refused.detail[0] != '\0'
                       ? message->refused.detail
                       : permit_strerror(message->refused.reason));
    } else if (message->type != WIRE_GOAWAY) {
        core_break(core, PERMIT_E_PROTOCOL,
                   "the server did not answer Hello first");
    }
    return false;
}

static const char *goaway_name(enum wire_goaway_reason reason)
{
    switch (reason) {
#define X(name, value, text)                                                   \
    case name:                                                                 \
        return text;
        WIRE_GOAWAY_MAP(X)
#undef X
    }
    return "unknown";
}

/* Only kept: the end of the line follows, or all goes on (a drain). */
static void note_goaway(struct core *core)
{
    (void)snprintf(core->goaway_text, sizeof(core->goaway_text),
                   "the server said goodbye (%s)%s%s",
                   goaway_name(core->message.goaway.reason),
                   core->message.goaway.detail[0] == '\0' ? "" : ": ",
                   core->message.goaway.detail);
}

/* ------------------------------------------------------------------- events
 */

static bool take_broken(struct core *core, struct core_event *ret_event)
{
    if (core_take_ruin(core, ret_event)) {
        return true;
    }
    core->state = CORE_STATE_DOWN;
    *ret_event = (struct core_event){.type = CORE_EVENT_DOWN,
                                     .status = core->down_status,
                                     .text = core->down_text};
    return true;
}

/* One step in state OPENING or READY. Returns false if there is nothing to do;
 * *ret_made says whether it made an event. */
static bool step(struct core *core, struct core_event *ret_event,
                 bool *ret_made)
{
    *ret_made = false;
    if (core->now_ns >= core->due_ns) {
        take_line_due(core);
        *ret_made =
            core->state != CORE_STATE_BROKEN && core_take_due(core, ret_event);
        if (!*ret_made && core->state != CORE_STATE_BROKEN) {
            core->due_ns = min_ns(line_due(core), core_due(core));
        }
        return true;
    }
    if (!read_message(core)) {
        return core->state == CORE_STATE_BROKEN;
    }
    if (core->message.type == WIRE_GOAWAY) {
        note_goaway(core);
    }
    *ret_made = core->state == CORE_STATE_OPENING
                    ? take_opening(core, ret_event)
                    : core_take_message(core, ret_event);
    return true;
}

bool core_next_event(struct core *core, struct core_event *ret_event)
{
    bool made = false;

    while (!made) {
        if (core->state == CORE_STATE_DOWN) {
            return false;
        }
        if (core->state == CORE_STATE_BROKEN) {
            return take_broken(core, ret_event);
        }
        if (!step(core, ret_event, &made)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ asking
 */

bool core_is_ready(const struct core *core)
{
    return core->state == CORE_STATE_READY &&
           core->now_ns < core->believed_until_ns;
}

bool core_is_open(const struct core *core)
{
    return core->state == CORE_STATE_OPENING || core_is_ready(core);
}

bool core_is_down(const struct core *core)
{
    return core->state == CORE_STATE_DOWN;
}

int64_t core_believed_until(const struct core *core)
{
    return core->state == CORE_STATE_READY ? core->believed_until_ns : 0;
}

uint64_t core_session_id(const struct core *core)
{
    return core->session_id;
}

int64_t core_heartbeat_ns(const struct core *core)
{
    return core->ping_interval_ns;
}

const struct permit_counters *core_counters(const struct core *core)
{
    return &core->counters;
}
