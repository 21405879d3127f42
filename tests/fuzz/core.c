/* SPDX-License-Identifier: MIT */

/* The client's core against whatever a server, a caller and the time may do:
 * the input is a list of steps. What must hold is asserted after each: one
 * answer a request, a grant that is believed in was granted and not lost, no
 * deadline that comes again at once, memory that is bounded and all given back.
 */

#include "core_run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "fuzz.h"

static uint8_t frame_bytes[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];

/* ------------------------------------------------------------------- memory
 */

static size_t bytes_live;

union block {
    size_t bytes;
    max_align_t aligned;
};

static void *take(void *arg, size_t bytes)
{
    union block *block = malloc(sizeof(*block) + bytes);

    (void)arg;
    assert(block != NULL);
    block->bytes = bytes;
    bytes_live += bytes;
    assert(bytes_live < BYTES_MAX);
    return block + 1;
}

static void give(void *arg, void *memory)
{
    union block *block = (union block *)memory - 1;

    (void)arg;
    bytes_live -= block->bytes;
    free(block);
}

/* -------------------------------------------------------------------- input
 */

uint8_t next_byte(struct run *run)
{
    if (run->size == 0) {
        return 0;
    }
    run->size--;
    return *run->data++;
}

/* Small numbers, and those at the edges. */
int64_t next_number(struct run *run)
{
    static const int64_t edges[] = {
        0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX / 1000000, UINT32_MAX, 15000};
    uint8_t byte = next_byte(run);

    return byte >= 248 ? edges[byte - 248]
                       : (int64_t)byte * (next_byte(run) + 1);
}

static struct slot *next_slot(struct run *run)
{
    return &run->slots[next_byte(run) % SLOTS];
}

/* --------------------------------------------------------------- what comes
 */

static void take_answer(struct run *run, const struct core_event *event)
{
    struct slot *slot = event->arg;

    assert(slot->is_pending && event->id == slot->id);
    slot->is_pending = false;
    if (slot->released != NULL) {
        /* Given back as a whole, or not: no loss need be told. */
        slot->released->may_be_gone = true;
    }
    /* No Renew makes a hold longer than it asked for. */
    assert(slot->hold_end_ns == 0 || event->status != PERMIT_OK ||
           event->until_ns <= slot->hold_end_ns);
    if (slot->makes_grant) {
        assert(slot->grant == HOLDS_NOTHING);
        assert(!event->is_held || event->status == PERMIT_OK);
        slot->grant = event->is_held ? HOLDS : HOLDS_NO_MORE;
        /* Nobody holds what the server did not grant. */
        assert(slot->grant != HOLDS || run->is_raw ||
               run->granted[slot->id % IDS]);
    }
}

static void take_event(struct run *run, const struct core_event *event)
{
    struct slot *slot = event->arg;

    switch (event->type) {
    case CORE_EVENT_READY:
        break;
    case CORE_EVENT_ANSWER:
        assert(event->text != NULL);
        take_answer(run, event);
        break;
    case CORE_EVENT_WAITING:
        assert(slot->is_pending);
        break;
    case CORE_EVENT_LOST:
        assert(slot->grant == HOLDS);
        slot->grant = HOLDS_NO_MORE;
        break;
    case CORE_EVENT_DOWN:
        break;
    }
}

/* Nothing outlives the session. */
static void check_ended(struct run *run)
{
    for (size_t i = 0; i < SLOTS; i++) {
        assert(!run->slots[i].is_pending);
        assert(run->slots[i].grant != HOLDS || run->slots[i].may_be_gone);
        run->slots[i].grant = HOLDS_NO_MORE;
    }
}

void drain(struct run *run)
{
    struct core_event event;
    int64_t belief_ms =
        run->timeout_ms > run->linger_ms ? run->timeout_ms : run->linger_ms;
    int64_t belief_ns = belief_ms * NS_PER_MS;

    core_advance(run->core, run->now_ns);
    while (core_next_event(run->core, &event)) {
        take_event(run, &event);
    }
    /* Nobody is called again at once, for nothing. */
    assert(core_next_deadline(run->core) > run->now_ns);
    if (core_is_down(run->core) && !core_wants_line(run->core)) {
        check_ended(run);
    }
    assert(run->is_raw ||
           core_believed_until(run->core) <= run->now_ns + belief_ns);
    assert(core_session_id(run->core) != 0 ||
           core_believed_until(run->core) == 0);
}

/* -------------------------------------------------------------------- steps
 */

void feed(struct run *run, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t used = core_feed(run->core, bytes, length);

        bytes += used;
        length -= used;
        if (length > 0) {
            drain(run);
        }
    }
}

static void feed_raw(struct run *run)
{
    size_t length = next_byte(run);

    length = length < run->size ? length : run->size;
    run->is_raw = true;
    feed(run, run->data, length);
    run->data += length;
    run->size -= length;
}

static void feed_preface_and_welcome(struct run *run)
{
    struct wire_server_message message = {.id = run->hello_id,
                                          .type = WIRE_WELCOME};
    int64_t timeout_ms = next_number(run);
    size_t length;

    message.welcome.session_id = 1 + next_byte(run);
    message.welcome.boot_id = "";
    message.welcome.server = "";
    message.welcome.heartbeat_ms = next_number(run);
    message.welcome.session_timeout_ms = timeout_ms;
    if (timeout_ms <= 0 || timeout_ms >= INT64_MAX / NS_PER_MS / 4) {
        run->is_raw = true;
    } else if (timeout_ms > run->timeout_ms) {
        run->timeout_ms = timeout_ms;
    }
    length = wire_encode_server(&message, frame_bytes, sizeof(frame_bytes));
    feed(run, frame_preface, FRAME_PREFACE_BYTES);
    feed(run, frame_bytes, length);
}

static void feed_answer(struct run *run)
{
    uint8_t what = next_byte(run);
    struct wire_server_message message = {
        .type = what >= 247 ? WIRE_JOINED
                            : WIRE_PONG + what % (WIRE_JOINED - WIRE_PONG)};
    struct slot *slot = next_slot(run);
    const struct permit_semaphore_info row = {.name = "a",
                                              .kind = PERMIT_BOUNDED};
    size_t length;

    message.id = slot->id + next_byte(run) % 3;
    if (message.type == WIRE_GRANTED) {
        message.granted.grant_id = message.id + 1000;
        message.granted.fence = next_byte(run);
        message.granted.taken = (uint32_t)message.granted.fence / 64;
        message.granted.waited_ms = next_number(run);
        message.granted.hold_ms = next_number(run);
        run->granted[message.id % IDS] = true;
    } else if (message.type == WIRE_RENEWED) {
        message.renewed.hold_ms = next_number(run);
    } else if (message.type == WIRE_REFUSED) {
        message.refused.reason = (enum permit_status)(-1 - next_byte(run) % 21);
        message.refused.detail = "";
    } else if (message.type == WIRE_CANCELLED) {
        message.cancelled = (enum wire_cancel_outcome)(1 + next_byte(run) % 3);
    } else if (message.type == WIRE_SEMAPHORE) {
        message.semaphore = row;
    } else if (message.type == WIRE_PAGE) {
        message.page = (struct wire_page){.kind = WIRE_LIST_SEMAPHORES,
                                          .total = next_byte(run),
                                          .count = 1,
                                          .semaphores = &row};
    } else if (message.type == WIRE_LOST) {
        message.lost.grant_id = message.id + 1000 + next_byte(run) % 2;
        message.lost.reason =
            (enum permit_loss)(1 + next_byte(run) % PERMIT_LOSS_COUNT);
    } else if (message.type == WIRE_GOAWAY) {
        message.goaway.reason = WIRE_GOAWAY_SHUTDOWN;
        message.goaway.detail = "";
    }
    length = wire_encode_server(&message, frame_bytes, sizeof(frame_bytes));
    feed(run, frame_bytes, length);
}

static void ask(struct run *run)
{
    static const enum wire_client_type types[] = {
        WIRE_ACQUIRE, WIRE_ACQUIRE, WIRE_POST,   WIRE_PING,
        WIRE_QUERY,   WIRE_LIST,    WIRE_DEFINE, WIRE_DELETE};
    struct slot *slot = next_slot(run);
    uint8_t how = next_byte(run);
    struct wire_client_message message = {
        .type = types[how % (sizeof(types) / sizeof(*types))]};
    struct core_request request = {.message = &message, .arg = slot};
    int64_t wait_ms = next_number(run);

    if (slot->is_pending || slot->grant == HOLDS) {
        return;
    }
    if (message.type == WIRE_QUERY && how >= 128) {
        message.type = WIRE_WHY;
    }
    request.answer_by_ns = wait_ms < 0 || wait_ms > 1000000
                               ? CORE_NEVER
                               : run->now_ns + wait_ms * NS_PER_MS;
    if (message.type == WIRE_ACQUIRE || message.type == WIRE_WHY) {
        message.acquire.parts_count = 1u + how / 128;
        message.acquire.parts[1] = (struct wire_part){
            .semaphore = "api", .permits = 1, .consume = how / 64 % 2 == 1};
        message.acquire.settle = how % 16 == 1;
        message.acquire.join = how % 16 == 0;
        message.acquire.parts[0].semaphore = "jobs";
        message.acquire.parts[0].permits = 1 + how / 16;
        message.acquire.parts[0].consume = how / 8 % 2 == 1;
        message.acquire.wait_ms = wait_ms < 0 ? -1 : wait_ms;
        message.acquire.hold_ms = how % 3 == 0 ? how : 0;
        message.acquire.waiting = true;
        request.grant_arg = slot;
    } else if (message.type == WIRE_POST) {
        message.post.semaphore = "jobs";
        message.post.permits = 1;
    } else if (message.type == WIRE_QUERY) {
        message.query.semaphore = "jobs";
    } else if (message.type == WIRE_LIST) {
        message.list.kind = WIRE_LIST_SEMAPHORES;
        message.list.name = "";
    } else if (message.type == WIRE_DEFINE) {
        message.define.semaphore = "jobs";
    } else if (message.type == WIRE_DELETE) {
        message.delete.semaphore = "jobs";
    }
    if (core_ask(run->core, &request, &slot->id) == PERMIT_OK) {
        slot->may_be_gone = false;
        slot->released = NULL;
        slot->hold_end_ns = 0;
        slot->is_pending = true;
        slot->grant = HOLDS_NOTHING;
        slot->makes_grant =
            message.type == WIRE_ACQUIRE &&
            (message.acquire.settle || !message.acquire.parts[0].consume ||
             (message.acquire.parts_count > 1 &&
              !message.acquire.parts[1].consume));
    }
}

static void release(struct run *run)
{
    struct slot *grant = next_slot(run);
    struct slot *slot = next_slot(run);
    uint8_t how = next_byte(run);
    bool is_settle = how >= 192;
    struct wire_client_message message = {
        .type = is_settle ? WIRE_SETTLE : WIRE_RELEASE,
        .release = {.acquire_id = grant->id,
                    .parts = {{.semaphore = "jobs", .permits = how % 3}},
                    .parts_count = how % 3 != 0,
                    .has_outcome = how % 3 == 0 && how >= 128 && !is_settle}};
    const struct core_request request = {.message = &message,
                                         .answer_by_ns =
                                             run->now_ns + NS_PER_MS,
                                         .arg = slot};

    if (slot->is_pending || slot->grant == HOLDS || grant->grant != HOLDS) {
        return;
    }
    if (core_release(run->core, &request, &slot->id) == PERMIT_OK) {
        slot->released = how % 3 == 0 || is_settle ? grant : NULL;
        slot->hold_end_ns = 0;
        slot->is_pending = true;
        slot->makes_grant = false;
        slot->grant = HOLDS_NOTHING;
    }
}

static void renew(struct run *run)
{
    struct slot *grant = next_slot(run);
    struct slot *slot = next_slot(run);
    struct wire_client_message message = {
        .type = WIRE_RENEW,
        .renew = {.acquire_id = grant->id, .hold_ms = next_byte(run)}};
    const struct core_request request = {.message = &message,
                                         .arg = slot,
                                         .answer_by_ns =
                                             run->now_ns + 100 * NS_PER_MS};

    if (slot->is_pending || slot->grant == HOLDS || slot == grant) {
        return;
    }
    core_advance(run->core, run->now_ns);
    if (core_ask(run->core, &request, &slot->id) == PERMIT_OK) {
        slot->released = NULL;
        slot->is_pending = true;
        slot->makes_grant = false;
        slot->grant = HOLDS_NOTHING;
        slot->hold_end_ns =
            message.renew.hold_ms == 0
                ? 0
                : run->now_ns + message.renew.hold_ms * NS_PER_MS;
        /* From now on, whatever becomes of the answer. */
        assert(grant->grant != HOLDS || slot->hold_end_ns == 0 ||
               core_hold_until(run->core, grant->id) <= slot->hold_end_ns);
    }
}

static void forget(struct run *run)
{
    struct slot *slot = next_slot(run);

    if (slot->grant == HOLDS) {
        core_forget(run->core, slot->id);
        slot->grant = HOLDS_NO_MORE;
    }
}

void open_line(struct run *run)
{
    struct wire_client_message message;
    static _Alignas(16) uint8_t memory[WIRE_ARENA_BYTES];
    struct wire_arena arena = {.bytes = memory, .capacity = sizeof(memory)};
    struct frame frame;
    const uint8_t *output;
    size_t length;

    if (!core_is_down(run->core)) {
        return;
    }
    core_open(run->core, run->now_ns, run->now_ns + 1000 * NS_PER_MS);
    run->line++;
    run->is_greeted = false;
    run->has_greeted = false;
    run->said_bytes = 0;
    output = core_output(run->core, &length);
    assert(frame_parse(output + FRAME_PREFACE_BYTES,
                       length - FRAME_PREFACE_BYTES, FRAME_BYTES_MAX,
                       &frame) > 0);
    assert(wire_decode_client(frame.message, frame.message_bytes, &arena,
                              &message) == PERMIT_OK);
    assert(message.type == WIRE_HELLO);
    run->hello_id = message.id;
}

static void send_some(struct run *run)
{
    const uint8_t *output;
    size_t length;
    size_t most = (size_t)next_byte(run) * 8;

    core_advance(run->core, run->now_ns);
    output = core_output(run->core, &length);
    length = length < most ? length : most;
    check_said(run, output, length);
    core_sent(run->core, length);
}

/* Time never goes back; a deadline may be past, if nobody has drained. */
static void advance(struct run *run)
{
    int64_t ms = next_number(run);
    int64_t due_ns = core_next_deadline(run->core);

    if (ms >= 0 && ms <= 100000000) {
        run->now_ns += ms * NS_PER_MS;
    } else if (due_ns != CORE_NEVER && due_ns > run->now_ns &&
               run->now_ns < CORE_NEVER / 4) {
        run->now_ns = due_ns;
    }
}

static void step(struct run *run)
{
    uint8_t what = next_byte(run);

    if (what >= 240) {
        step_line(run);
        drain(run);
        return;
    }
    switch (what % 12) {
    case 0:
        advance(run);
        break;
    case 1:
        ask(run);
        break;
    case 2:
        (void)core_cancel(run->core, next_slot(run)->id);
        break;
    case 3:
        release(run);
        break;
    case 4:
        forget(run);
        break;
    case 5:
        feed_raw(run);
        break;
    case 6:
    case 7:
        feed_answer(run);
        break;
    case 8:
        core_break(run->core, PERMIT_E_DISCONNECTED, "cut");
        break;
    case 9:
        open_line(run);
        break;
    case 10:
        feed_preface_and_welcome(run);
        break;
    default:
        if (what / 12 % 4 == 3) {
            renew(run);
        } else {
            send_some(run);
        }
        break;
    }
    if (what < 192) {
        drain(run); /* Else more happens before anybody looks. */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct permit_allocator allocator = {take, give, NULL};
    const struct core_options options = {.name = "n",
                                         .host = "h",
                                         .purpose = "p",
                                         .answer_timeout_ms = 100,
                                         .linger_ms = 10000,
                                         .allocator = &allocator};
    struct run run = {.data = data, .size = size, .now_ns = 1};

    run.core = core_create(&options);
    while (run.size > 0) {
        step(&run);
    }
    core_end(run.core, PERMIT_E_DISCONNECTED, "the end");
    drain(&run);
    assert(core_is_down(run.core));
    core_destroy(run.core);
    assert(bytes_live == 0);
    return 0;
}
