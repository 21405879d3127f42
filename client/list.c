/* SPDX-License-Identifier: MIT */
#include "list.h"

#include <string.h>

#include "memory.h"

/* No daemon has more rows than this: its own limits are far below. */
#define ROWS_MAX 16777216u

/* The strings, labels, parts and slots of one page. */
struct texts {
    struct texts *next;
    char bytes[];
};

struct permit_list {
    struct permit_allocator allocator;
    enum wire_list_kind kind;
    const char *name; /* Borrowed, as long as rows come. */
    size_t count;
    union {
        void *rows;
        struct permit_semaphore_info *semaphores;
        struct permit_holder_info *holders;
        struct permit_waiter_info *waiters;
    };
    size_t capacity;
    struct texts *texts;
};

struct permit_list *list_create(const struct permit_allocator *allocator,
                                enum wire_list_kind kind, const char *name)
{
    struct permit_list *list = memory_take(allocator, sizeof(*list));

    if (list != NULL) {
        list->allocator = *allocator;
        list->kind = kind;
        list->name = name;
    }
    return list;
}

void permit_list_destroy(struct permit_list *list)
{
    struct permit_allocator allocator;

    if (list == NULL) {
        return;
    }
    allocator = list->allocator;
    while (list->texts != NULL) {
        struct texts *next = list->texts->next;

        memory_give(&allocator, list->texts);
        list->texts = next;
    }
    memory_give(&allocator, list->rows);
    memory_give(&allocator, list);
}

/* ------------------------------------------------------------------- strings
 */

/* Counts the bytes of strings, labels, parts and slots, or with `to` moves them
 * there. */
struct mover {
    char *to; /* NULL: only count. */
    size_t bytes;
};

static void move(struct mover *mover, const char **text)
{
    size_t bytes = strlen(*text) + 1;

    if (mover->to != NULL) {
        memcpy(mover->to + mover->bytes, *text, bytes);
        *text = mover->to + mover->bytes;
    }
    mover->bytes += bytes;
}

static void move_client(struct mover *mover, struct permit_client_info *client)
{
    move(mover, &client->name);
    move(mover, &client->host);
    move(mover, &client->purpose);
    move(mover, &client->address);
}

/* Behind the link, bytes begins as aligned as a pointer; so do labels. */
static void move_labels(struct mover *mover, const struct permit_label **labels,
                        uint32_t count)
{
    const size_t align = _Alignof(struct permit_label);
    struct permit_label *moved = NULL;

    if (count == 0) {
        return;
    }
    mover->bytes = (mover->bytes + align - 1) / align * align;
    if (mover->to != NULL) {
        moved = (void *)(mover->to + mover->bytes);
    }
    mover->bytes += count * sizeof(*moved);
    for (uint32_t i = 0; i < count; i++) {
        struct permit_label label = (*labels)[i];

        move(mover, &label.key);
        move(mover, &label.value);
        if (moved != NULL) {
            moved[i] = label;
        }
    }
    *labels = moved != NULL ? moved : *labels;
}

static void move_slots(struct mover *mover, struct permit_part_info *part)
{
    const size_t align = _Alignof(uint32_t);
    size_t bytes = part->slots_count * sizeof(*part->slots);

    if (bytes == 0) {
        return;
    }
    mover->bytes = (mover->bytes + align - 1) / align * align;
    if (mover->to != NULL) {
        uint32_t *moved = (void *)(mover->to + mover->bytes);

        memcpy(moved, part->slots, bytes);
        part->slots = moved;
    }
    mover->bytes += bytes;
}

static void move_parts(struct mover *mover,
                       const struct permit_part_info **parts, uint32_t count)
{
    const size_t align = _Alignof(struct permit_part_info);
    struct permit_part_info *moved = NULL;

    mover->bytes = (mover->bytes + align - 1) / align * align;
    if (mover->to != NULL) {
        moved = (void *)(mover->to + mover->bytes);
    }
    mover->bytes += count * sizeof(*moved);
    for (uint32_t i = 0; i < count; i++) {
        struct permit_part_info part = (*parts)[i];

        move(mover, &part.semaphore);
        move_slots(mover, &part);
        if (moved != NULL) {
            moved[i] = part;
        }
    }
    *parts = moved != NULL ? moved : *parts;
}

/* A row is of the semaphore that was listed, whichever part that is. */
static void choose_part(const char *listed, uint32_t count,
                        const struct permit_part_info *parts,
                        struct permit_part_info *chosen)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(parts[i].semaphore, listed) == 0) {
            *chosen = parts[i];
        }
    }
}

static void move_holder(struct mover *mover, const char *listed,
                        struct permit_holder_info *row)
{
    struct permit_part_info chosen = {.semaphore = row->semaphore};

    move(mover, &chosen.semaphore);
    move_client(mover, &row->client);
    move_labels(mover, &row->labels, row->labels_count);
    move_parts(mover, &row->parts, row->parts_count);
    choose_part(listed, row->parts_count, row->parts, &chosen);
    row->semaphore = chosen.semaphore;
    row->slots = chosen.slots;
    row->slots_count = chosen.slots_count;
}

static void move_waiter(struct mover *mover, const char *listed,
                        struct permit_waiter_info *row)
{
    struct permit_part_info chosen = {.semaphore = row->semaphore};

    move(mover, &chosen.semaphore);
    move_client(mover, &row->client);
    move_labels(mover, &row->labels, row->labels_count);
    move_parts(mover, &row->parts, row->parts_count);
    choose_part(listed, row->parts_count, row->parts, &chosen);
    row->semaphore = chosen.semaphore;
}

static void move_rows(struct mover *mover, struct permit_list *list,
                      size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        if (list->kind == WIRE_LIST_SEMAPHORES) {
            move(mover, &list->semaphores[i].name);
            move(mover, &list->semaphores[i].template_name);
        } else if (list->kind == WIRE_LIST_HOLDERS) {
            move_holder(mover, list->name, &list->holders[i]);
        } else {
            move_waiter(mover, list->name, &list->waiters[i]);
        }
    }
}

/* -------------------------------------------------------------------- append
 */

static size_t row_bytes(const struct permit_list *list)
{
    if (list->kind == WIRE_LIST_SEMAPHORES) {
        return sizeof(*list->semaphores);
    }
    return list->kind == WIRE_LIST_HOLDERS ? sizeof(*list->holders)
                                           : sizeof(*list->waiters);
}

static const void *page_rows(const struct wire_page *page)
{
    if (page->kind == WIRE_LIST_SEMAPHORES) {
        return page->semaphores;
    }
    return page->kind == WIRE_LIST_HOLDERS ? (const void *)page->holders
                                           : (const void *)page->waiters;
}

static enum permit_status reserve(struct permit_list *list, size_t count)
{
    size_t capacity = list->capacity == 0 ? count : list->capacity;
    void *rows;

    while (capacity < list->count + count) {
        capacity *= 2;
    }
    if (capacity == list->capacity) {
        return PERMIT_OK;
    }
    /* ROWS_MAX bounds the product. */
    rows = memory_take_buffer(&list->allocator, capacity * row_bytes(list));
    if (rows == NULL) {
        return PERMIT_E_NOMEM;
    }
    if (list->count > 0) {
        memcpy(rows, list->rows, list->count * row_bytes(list));
    }
    memory_give(&list->allocator, list->rows);
    list->rows = rows;
    list->capacity = capacity;
    return PERMIT_OK;
}

enum permit_status list_append(struct permit_list *list,
                               const struct wire_page *page)
{
    size_t end = list->count + page->count;
    struct mover mover = {NULL, 0};
    struct texts *texts;

    if (page->count == 0) {
        /* There is at least one of those that are there. */
        return page->total > list->count ? PERMIT_E_PROTOCOL : PERMIT_OK;
    }
    if (page->kind != list->kind || page->offset != list->count ||
        end > page->total || end > ROWS_MAX) {
        return PERMIT_E_PROTOCOL;
    }
    if (reserve(list, page->count) != PERMIT_OK) {
        return PERMIT_E_NOMEM;
    }
    memcpy((char *)list->rows + list->count * row_bytes(list), page_rows(page),
           page->count * row_bytes(list));
    move_rows(&mover, list, list->count, end);
    texts = memory_take_buffer(&list->allocator, sizeof(*texts) + mover.bytes);
    if (texts == NULL) {
        return PERMIT_E_NOMEM;
    }
    texts->next = list->texts;
    list->texts = texts;
    mover = (struct mover){texts->bytes, 0};
    move_rows(&mover, list, list->count, end);
    list->count = end;
    return PERMIT_OK;
}

/* -------------------------------------------------------------------- rows */

size_t permit_list_count(const struct permit_list *list)
{
    return list->count;
}

const struct permit_semaphore_info *
permit_list_semaphore(const struct permit_list *list, size_t index)
{
    return list->kind == WIRE_LIST_SEMAPHORES && index < list->count
               ? &list->semaphores[index]
               : NULL;
}

const struct permit_holder_info *
permit_list_holder(const struct permit_list *list, size_t index)
{
    return list->kind == WIRE_LIST_HOLDERS && index < list->count
               ? &list->holders[index]
               : NULL;
}

const struct permit_waiter_info *
permit_list_waiter(const struct permit_list *list, size_t index)
{
    return list->kind == WIRE_LIST_WAITERS && index < list->count
               ? &list->waiters[index]
               : NULL;
}
