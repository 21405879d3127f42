/* SPDX-License-Identifier: MIT */
/* What a server's message shows: semaphores, holders, waiters. */
#include <assert.h>

#include "frame.h"
#include "wire_private.h"

#define PAGE_CASE PERMIT__V1__SERVER_MESSAGE__MESSAGE_PAGE
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

void wire_fill_semaphore(const struct permit_semaphore_info *from,
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
    to->per_ms = from->per_ms;
    to->rate = from->rate;
    to->burst = from->burst;
    to->bypass = from->bypass;
    to->per_session = from->per_session;
    to->template_ =
        wire_from_text(from->template_name == NULL ? "" : from->template_name);
    to->shadow = from->shadow;
    to->refuse_hopeless = from->refuse_hopeless;
    to->would_refuse_total = from->would_refuse_total;
    to->would_wait_total = from->would_wait_total;
    to->hopeless_total = from->hopeless_total;
    to->joined_total = from->joined_total;
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
    Permit__V1__Part parts[WIRE_PARTS_MAX];
    Permit__V1__Part *part_pointers[WIRE_PARTS_MAX];
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

/* Returns how many there are: `parts`, or `only` if there are none. */
static size_t fill_parts(const struct permit_part_info *parts, uint32_t count,
                         const struct permit_part_info *only,
                         struct row_parts *to)
{
    parts = count == 0 ? only : parts;
    count = count == 0 ? 1 : count;
    assert(count <= WIRE_PARTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        wire_fill_part(&parts[i], &to->parts[i]);
        to->part_pointers[i] = &to->parts[i];
    }
    return count;
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
    return wire_pack_server(message, PAGE_CASE, &page->base, buffer, capacity);
}

static size_t encode_semaphores(const struct wire_server_message *message,
                                uint8_t *buffer, size_t capacity)
{
    Permit__V1__Semaphore rows[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Semaphore *pointers[WIRE_PAGE_ROWS_MAX];
    Permit__V1__Page page = begin_page(message);
    size_t room = room_for_rows(capacity);

    for (uint32_t i = 0; i < message->page.count; i++) {
        wire_fill_semaphore(&message->page.semaphores[i], &rows[i]);
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
        const struct permit_part_info only = {.semaphore = from->semaphore,
                                              .permits = from->permits,
                                              .slots = from->slots,
                                              .slots_count = from->slots_count};

        permit__v1__holder__init(&rows[i]);
        fill_client(&from->client, &parts[i].client);
        fill_labels(from->labels, from->labels_count, &parts[i]);
        rows[i].grant_id = from->grant_id;
        rows[i].fence = from->fence;
        rows[i].permits = from->permits;
        rows[i].n_parts =
            fill_parts(from->parts, from->parts_count, &only, &parts[i]);
        rows[i].parts = parts[i].part_pointers;
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
        const struct permit_part_info only = {.semaphore = from->semaphore,
                                              .permits = from->permits};

        permit__v1__waiter__init(&rows[i]);
        fill_client(&from->client, &parts[i].client);
        fill_labels(from->labels, from->labels_count, &parts[i]);
        rows[i].acquire_id = from->acquire_id;
        rows[i].position = from->position;
        rows[i].permits = from->permits;
        rows[i].priority = from->priority;
        rows[i].n_parts =
            fill_parts(from->parts, from->parts_count, &only, &parts[i]);
        rows[i].parts = parts[i].part_pointers;
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

size_t wire_encode_page(const struct wire_server_message *message,
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
    return wire_pack_server(message, PAGE_CASE, &to.base, buffer, capacity);
}
