/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <assert.h>

#include "frame.h"
#include "wire_private.h"

/* The most that a page has besides its rows: the frame's header, the id, the
 * page's own tag and length, total and offset; and that a row has before it:
 * its tag and length. */
#define PAGE_HEAD_BYTES (FRAME_HEADER_BYTES + 11 + 4 + 11 + 11)
#define ROW_HEAD_BYTES 4

/* Ages travel plus one, so that 0 can say that there is none. */
static uint64_t plus_1(int64_t age_ms)
{
    return (uint64_t)(age_ms + (age_ms < INT64_MAX));
}

/* Packs *member as the member `message_case` of the oneof. */
static size_t pack(const struct wire_server_message *message, int message_case,
                   ProtobufCMessage *member, uint8_t *buffer, size_t capacity)
{
    Permit__V1__ServerMessage outer = PERMIT__V1__SERVER_MESSAGE__INIT;

    outer.id = message->id;
    outer.message_case = (Permit__V1__ServerMessage__MessageCase)message_case;
    /* All members are pointers to messages; packing goes by the case. */
    outer.pong = (Permit__V1__Pong *)member;
    return wire_pack_frame(&outer.base, buffer, capacity);
}

#define CASE(name) PERMIT__V1__SERVER_MESSAGE__MESSAGE_##name

static void fill_part(const char *semaphore, uint32_t permits,
                      const uint32_t *slots, uint32_t slots_count,
                      Permit__V1__Part *to)
{
    permit__v1__part__init(to);
    to->semaphore = wire_from_text(semaphore);
    to->permits = permits;
    to->n_slots = slots_count;
    to->slots = (uint32_t *)slots; /* Only read. */
}

/* What the rows of live grants point to. */
struct live_rows {
    Permit__V1__LiveGrant rows[WIRE_GRANTS_ROWS_MAX];
    Permit__V1__LiveGrant *pointers[WIRE_GRANTS_ROWS_MAX];
    Permit__V1__Part parts[WIRE_GRANTS_ROWS_MAX];
    Permit__V1__Part *part_pointers[WIRE_GRANTS_ROWS_MAX];
};

static void fill_live(const struct wire_live_grants *from, struct live_rows *to)
{
    assert(from->count <= WIRE_GRANTS_ROWS_MAX);
    for (uint32_t i = 0; i < from->count; i++) {
        permit__v1__live_grant__init(&to->rows[i]);
        fill_part(from->rows[i].semaphore, from->rows[i].permits,
                  from->rows[i].slots, from->rows[i].slots_count,
                  &to->parts[i]);
        to->part_pointers[i] = &to->parts[i];
        to->rows[i].acquire_id = from->rows[i].acquire_id;
        to->rows[i].grant_id = from->rows[i].grant_id;
        to->rows[i].fence = from->rows[i].fence;
        to->rows[i].n_parts = 1;
        to->rows[i].parts = &to->part_pointers[i];
        to->pointers[i] = &to->rows[i];
    }
}

static size_t encode_grants(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Grants to = PERMIT__V1__GRANTS__INIT;
    struct live_rows live;

    fill_live(&message->grants, &live);
    to.n_grants = message->grants.count;
    to.grants = live.pointers;
    to.more = message->grants.more;
    return pack(message, CASE(GRANTS), &to.base, buffer, capacity);
}

static size_t encode_welcome(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_welcome *from = &message->welcome;
    Permit__V1__Welcome to = PERMIT__V1__WELCOME__INIT;
    struct live_rows live;

    fill_live(&from->grants, &live);
    to.n_grants = from->grants.count;
    to.grants = live.pointers;
    to.more = from->grants.more;
    to.session_id = from->session_id;
    to.secret.data = (uint8_t *)from->secret; /* Only read. */
    to.secret.len = sizeof(from->secret);
    to.boot_id = wire_from_text(from->boot_id);
    to.heartbeat_ms = (uint64_t)from->heartbeat_ms;
    to.session_timeout_ms = (uint64_t)from->session_timeout_ms;
    to.linger_ms = (uint64_t)from->linger_ms;
    to.grants_survive_restart = from->grants_survive_restart;
    to.resumed = from->resumed;
    to.server = wire_from_text(from->server);
    return pack(message, CASE(WELCOME), &to.base, buffer, capacity);
}

static size_t encode_granted(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Granted to = PERMIT__V1__GRANTED__INIT;
    Permit__V1__Part part;
    Permit__V1__Part *part_pointer = &part;

    if (message->granted.slots_count > 0) {
        fill_part(message->granted.semaphore, message->granted.slots_count,
                  message->granted.slots, message->granted.slots_count, &part);
        to.n_slots = 1;
        to.slots = &part_pointer;
    }
    to.grant_id = message->granted.grant_id;
    to.fence = message->granted.fence;
    to.waited_ms = (uint64_t)message->granted.waited_ms;
    to.hold_ms = (uint64_t)message->granted.hold_ms;
    to.lost = message->granted.lost;
    return pack(message, CASE(GRANTED), &to.base, buffer, capacity);
}

static size_t encode_refused(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Refused to = PERMIT__V1__REFUSED__INIT;

    assert(message->refused.reason <= PERMIT_E_WOULD_BLOCK &&
           message->refused.reason >= PERMIT_E_UNAVAILABLE);
    to.reason = (Permit__V1__Reason)-message->refused.reason;
    to.detail = wire_from_text(message->refused.detail);
    to.position = message->refused.position;
    to.permits_in_the_way = message->refused.permits_in_the_way;
    to.retry_after_ms = (uint64_t)message->refused.retry_after_ms;
    return pack(message, CASE(REFUSED), &to.base, buffer, capacity);
}

static size_t encode_cancelled(const struct wire_server_message *message,
                               uint8_t *buffer, size_t capacity)
{
    Permit__V1__Cancelled to = PERMIT__V1__CANCELLED__INIT;

    to.outcome = (Permit__V1__CancelOutcome)message->cancelled;
    return pack(message, CASE(CANCELLED), &to.base, buffer, capacity);
}

static size_t encode_posted(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Posted to = PERMIT__V1__POSTED__INIT;

    to.available = message->posted.available;
    return pack(message, CASE(POSTED), &to.base, buffer, capacity);
}

static size_t encode_renewed(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Renewed to = PERMIT__V1__RENEWED__INIT;

    to.hold_ms = (uint64_t)message->renewed.hold_ms;
    return pack(message, CASE(RENEWED), &to.base, buffer, capacity);
}

static void fill_semaphore(const struct permit_semaphore_info *from,
                           Permit__V1__Semaphore *to)
{
    permit__v1__semaphore__init(to);
    to->name = wire_from_text(from->name);
    to->kind = (Permit__V1__Kind)from->kind;
    to->permits = from->permits;
    to->held = from->held;
    to->available = from->available;
    to->holders = from->holders;
    to->waiters = from->waiters;
    to->waiting_permits = from->waiting_permits;
    to->max_queue = from->max_queue;
    to->max_wait_ms = from->max_wait_ms;
    to->hold_ms = (uint64_t)from->hold_ms;
    to->fence = from->fence;
    to->oldest_wait_ms_plus_1 = plus_1(from->oldest_wait_ms);
    to->oldest_hold_ms_plus_1 = plus_1(from->oldest_hold_ms);
    to->grants_total = from->grants_total;
    to->timeouts_total = from->timeouts_total;
    to->queue_full_total = from->queue_full_total;
    to->n_lost_total = PERMIT_LOSS_COUNT;
    to->lost_total = (uint64_t *)from->lost_total; /* Only read. */
    to->durable = from->durable;
    to->slots = from->slots;
}

static size_t encode_semaphore(const struct wire_server_message *message,
                               uint8_t *buffer, size_t capacity)
{
    Permit__V1__Semaphore to;

    fill_semaphore(&message->semaphore, &to);
    return pack(message, CASE(SEMAPHORE), &to.base, buffer, capacity);
}

static void fill_client(const struct permit_client_info *from,
                        Permit__V1__Client *to)
{
    permit__v1__client__init(to);
    to->session_id = from->session_id;
    to->name = wire_from_text(from->name);
    to->host = wire_from_text(from->host);
    to->pid = from->pid;
    to->purpose = wire_from_text(from->purpose);
    to->address = wire_from_text(from->address);
    to->connected = from->connected;
}

/* What a row of holders or waiters points to. */
struct row_parts {
    Permit__V1__Client client;
    Permit__V1__Part part;
    Permit__V1__Part *part_pointer;
    Permit__V1__Label labels[WIRE_LABELS_MAX];
    Permit__V1__Label *label_pointers[WIRE_LABELS_MAX];
};

static void fill_labels(const struct permit_label *from, uint32_t count,
                        struct row_parts *to)
{
    assert(count <= WIRE_LABELS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        wire_fill_label(&from[i], &to->labels[i]);
        to->label_pointers[i] = &to->labels[i];
    }
}

/* How many bytes the rows of a page may have together. */
static size_t room_for_rows(size_t capacity)
{
    size_t room = capacity < FRAME_HEADER_BYTES + FRAME_BYTES_MAX
                      ? capacity
                      : FRAME_HEADER_BYTES + FRAME_BYTES_MAX;

    return room < PAGE_HEAD_BYTES ? 0 : room - PAGE_HEAD_BYTES;
}

/* Takes the room that a row needs. Returns false if there is not so much. */
static bool take_room(const ProtobufCMessage *row, size_t *room)
{
    size_t bytes = ROW_HEAD_BYTES + protobuf_c_message_get_packed_size(row);

    if (bytes > *room) {
        return false;
    }
    *room -= bytes;
    return true;
}

/* All of a page but its rows. */
static Permit__V1__Page begin_page(const struct wire_server_message *message)
{
    Permit__V1__Page page = PERMIT__V1__PAGE__INIT;

    page.total = message->page.total;
    page.offset = message->page.offset;
    return page;
}

/* A page with rows has at least one. */
static size_t pack_page(const struct wire_server_message *message,
                        Permit__V1__Page *page, uint8_t *buffer,
                        size_t capacity)
{
    if (message->page.count > 0 &&
        page->n_semaphores + page->n_holders + page->n_waiters == 0) {
        return 0;
    }
    return pack(message, CASE(PAGE), &page->base, buffer, capacity);
}

static size_t encode_semaphores(const struct wire_server_message *message,
                                uint8_t *buffer, size_t capacity)
{
    Permit__V1__Semaphore rows[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Semaphore *pointers[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Page page = begin_page(message);
    size_t room = room_for_rows(capacity);

    for (uint32_t i = 0; i < message->page.count; i++) {
        fill_semaphore(&message->page.semaphores[i], &rows[i]);
        if (!take_room(&rows[i].base, &room)) {
            break;
        }
        pointers[page.n_semaphores++] = &rows[i];
    }
    page.semaphores = pointers;
    return pack_page(message, &page, buffer, capacity);
}

static size_t encode_holders(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Holder rows[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Holder *pointers[WIRE_PAGE_ROWS_MAX];
    struct row_parts parts[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Page page = begin_page(message);
    size_t room = room_for_rows(capacity);

    for (uint32_t i = 0; i < message->page.count; i++) {
        const struct permit_holder_info *from = &message->page.holders[i];

        permit__v1__holder__init(&rows[i]);
        fill_client(&from->client, &parts[i].client);
        fill_part(from->semaphore, from->permits, from->slots,
                  from->slots_count, &parts[i].part);
        parts[i].part_pointer = &parts[i].part;
        fill_labels(from->labels, from->labels_count, &parts[i]);
        rows[i].grant_id = from->grant_id;
        rows[i].fence = from->fence;
        rows[i].permits = from->permits;
        rows[i].n_parts = 1;
        rows[i].parts = &parts[i].part_pointer;
        rows[i].client = &parts[i].client;
        rows[i].n_labels = from->labels_count;
        rows[i].labels = parts[i].label_pointers;
        rows[i].held_ms = (uint64_t)from->held_ms;
        rows[i].waited_ms = (uint64_t)from->waited_ms;
        rows[i].expires_in_ms_plus_1 = plus_1(from->expires_in_ms);
        if (!take_room(&rows[i].base, &room)) {
            break;
        }
        pointers[page.n_holders++] = &rows[i];
    }
    page.holders = pointers;
    return pack_page(message, &page, buffer, capacity);
}

static size_t encode_waiters(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Waiter rows[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Waiter *pointers[WIRE_PAGE_ROWS_MAX];
    struct row_parts parts[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Page page = begin_page(message);
    size_t room = room_for_rows(capacity);

    for (uint32_t i = 0; i < message->page.count; i++) {
        const struct permit_waiter_info *from = &message->page.waiters[i];

        permit__v1__waiter__init(&rows[i]);
        fill_client(&from->client, &parts[i].client);
        fill_part(from->semaphore, from->permits, NULL, 0, &parts[i].part);
        parts[i].part_pointer = &parts[i].part;
        fill_labels(from->labels, from->labels_count, &parts[i]);
        rows[i].acquire_id = from->acquire_id;
        rows[i].position = from->position;
        rows[i].permits = from->permits;
        rows[i].n_parts = 1;
        rows[i].parts = &parts[i].part_pointer;
        rows[i].client = &parts[i].client;
        rows[i].n_labels = from->labels_count;
        rows[i].labels = parts[i].label_pointers;
        rows[i].waited_ms = (uint64_t)from->waited_ms;
        rows[i].expires_in_ms_plus_1 = plus_1(from->expires_in_ms);
        rows[i].set_aside = (Permit__V1__SetAside)from->set_aside;
        if (!take_room(&rows[i].base, &room)) {
            break;
        }
        pointers[page.n_waiters++] = &rows[i];
    }
    page.waiters = pointers;
    return pack_page(message, &page, buffer, capacity);
}

static size_t encode_page(const struct wire_server_message *message,
                          uint8_t *buffer, size_t capacity)
{
    Permit__V1__Page to = begin_page(message);

    assert(message->page.count <= WIRE_PAGE_ROWS_MAX);
    switch (message->page.kind) {
    case WIRE_LIST_SEMAPHORES:
        return encode_semaphores(message, buffer, capacity);
    case WIRE_LIST_HOLDERS:
        return encode_holders(message, buffer, capacity);
    case WIRE_LIST_WAITERS:
        return encode_waiters(message, buffer, capacity);
    case WIRE_LIST_SESSIONS:
        break;
    }
    assert(message->page.count == 0);
    return pack(message, CASE(PAGE), &to.base, buffer, capacity);
}

static size_t encode_waiting(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_waiting *from = &message->waiting;
    Permit__V1__Waiting to = PERMIT__V1__WAITING__INIT;
    Permit__V1__HolderName oldest = PERMIT__V1__HOLDER_NAME__INIT;

    to.position = from->position;
    to.queue_length = from->queue_length;
    to.held = from->held;
    to.permits = from->permits;
    if (from->has_oldest) {
        oldest.name = wire_from_text(from->oldest.name);
        oldest.host = wire_from_text(from->oldest.host);
        oldest.pid = from->oldest.pid;
        oldest.purpose = wire_from_text(from->oldest.purpose);
        oldest.held_ms = (uint64_t)from->oldest_held_ms;
        to.oldest = &oldest;
    }
    return pack(message, CASE(WAITING), &to.base, buffer, capacity);
}

static size_t encode_lost(const struct wire_server_message *message,
                          uint8_t *buffer, size_t capacity)
{
    Permit__V1__Lost to = PERMIT__V1__LOST__INIT;

    to.grant_id = message->lost.grant_id;
    to.reason = (Permit__V1__LossReason)message->lost.reason;
    to.grace_ms = (uint64_t)message->lost.grace_ms;
    return pack(message, CASE(LOST), &to.base, buffer, capacity);
}

static size_t encode_goaway(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Goaway to = PERMIT__V1__GOAWAY__INIT;

    to.reason = (Permit__V1__GoawayReason)message->goaway.reason;
    to.retry_after_ms = (uint64_t)message->goaway.retry_after_ms;
    to.detail = wire_from_text(message->goaway.detail);
    return pack(message, CASE(GOAWAY), &to.base, buffer, capacity);
}

size_t wire_encode_server(const struct wire_server_message *message,
                          uint8_t *buffer, size_t capacity)
{
    static size_t (*const encoders[])(const struct wire_server_message *message,
                                      uint8_t *buffer, size_t capacity) = {
        [WIRE_WELCOME] = encode_welcome, [WIRE_GRANTED] = encode_granted,
        [WIRE_REFUSED] = encode_refused, [WIRE_CANCELLED] = encode_cancelled,
        [WIRE_POSTED] = encode_posted,   [WIRE_SEMAPHORE] = encode_semaphore,
        [WIRE_PAGE] = encode_page,       [WIRE_WAITING] = encode_waiting,
        [WIRE_LOST] = encode_lost,       [WIRE_GOAWAY] = encode_goaway,
        [WIRE_RENEWED] = encode_renewed, [WIRE_GRANTS] = encode_grants,
    };
    Permit__V1__Pong pong = PERMIT__V1__PONG__INIT;
    Permit__V1__Done done = PERMIT__V1__DONE__INIT;

    assert(message->type >= WIRE_WELCOME &&
           message->type < WIRE_SERVER_UNKNOWN);
    if (message->type == WIRE_PONG) {
        return pack(message, CASE(PONG), &pong.base, buffer, capacity);
    }
    if (message->type == WIRE_DONE) {
        return pack(message, CASE(DONE), &done.base, buffer, capacity);
    }
    return encoders[message->type](message, buffer, capacity);
}
