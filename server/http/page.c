/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "http_private.h"
#include "labels.h"

#define TEXT_BYTES (WIRE_TEXT_BYTES_MAX + 1)

_Static_assert(HTTP_SLICE_ROWS <= SESSION_VIEW_ROWS_MAX,
               "a slice is one call of a view");

/* A row and its strings: what a view returns lives only until the next call. */
struct row {
    union {
        struct permit_semaphore_info semaphore;
        struct permit_holder_info holder;
        struct permit_waiter_info waiter;
    };
    char texts[5][TEXT_BYTES];
    struct permit_label *labels;    /* NULL: it has none. */
    struct permit_part_info *parts; /* With their names behind them. */
};

/* A page under way: its rows are taken in one turn, as one snapshot, and
 * rendered in as many as they need. A filter by state looks at all semaphores,
 * and only its slices are snapshots. Pages take turns: a turn of the loop works
 * at one of them. */
struct page {
    TAILQ_ENTRY(page) entry;
    struct http *http;
    struct evhttp_request *request;
    struct evbuffer *body;
    enum wire_list_kind kind;
    struct query query;
    char semaphore[WIRE_NAME_BYTES_MAX + 1];
    struct http_facts facts; /* Times of the snapshot. */
    struct row *rows;
    size_t rows_count;
    size_t scanned;  /* Next row to look at. */
    size_t matching; /* Rows that there are, of those that are asked for. */
    bool is_taken;   /* The snapshot is complete. */
    uint32_t slots[PERMIT_SLOTS_MAX]; /* Of all rows: no slot has two. */
    uint32_t slots_count;
    size_t rendered;
    bool is_rendered;
    struct metrics *metrics; /* It is these; nothing of the above but body. */
};

union slice {
    struct permit_semaphore_info semaphores[HTTP_SLICE_ROWS];
    struct permit_holder_info holders[HTTP_SLICE_ROWS];
    struct permit_waiter_info waiters[HTTP_SLICE_ROWS];
};

static const char *const keys[] = {[WIRE_LIST_SEMAPHORES] = "semaphores",
                                   [WIRE_LIST_HOLDERS] = "holders",
                                   [WIRE_LIST_WAITERS] = "waiters"};

/* ---------------------------------------------------------------- snapshot */

static const char *keep(char to[TEXT_BYTES], const char *from)
{
    (void)snprintf(to, TEXT_BYTES, "%s", from);
    return to;
}

static void keep_client(struct row *row, struct permit_client_info *client)
{
    client->name = keep(row->texts[1], client->name);
    client->host = keep(row->texts[2], client->host);
    client->purpose = keep(row->texts[3], client->purpose);
    client->address = keep(row->texts[4], client->address);
}

/* Returns false without memory. */
static bool keep_labels(struct row *row, const struct permit_label **labels,
                        uint32_t count)
{
    if (count > 0) {
        *labels = row->labels = labels_copy(*labels, count);
    }
    return count == 0 || row->labels != NULL;
}

/* Returns false without memory. Slots are the row's own. */
static bool keep_parts(struct row *row, const struct permit_part_info **parts,
                       uint32_t count)
{
    const struct permit_part_info *from = *parts;
    size_t bytes = count * sizeof(*from);
    struct permit_part_info *copy;
    char *name;

    for (uint32_t i = 0; i < count; i++) {
        bytes += strlen(from[i].semaphore) + 1;
    }
    copy = calloc(1, bytes);
    if (copy == NULL) {
        return false;
    }
    name = (char *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = (struct permit_part_info){name, from[i].permits, 0, NULL};
        name = stpcpy(name, from[i].semaphore) + 1;
    }
    *parts = row->parts = copy;
    return true;
}

static void keep_slots(struct page *page, struct permit_holder_info *holder)
{
    uint32_t *kept = page->slots + page->slots_count;

    assert(holder->slots_count <= PERMIT_SLOTS_MAX - page->slots_count);
    if (holder->slots_count > 0) {
        memcpy(kept, holder->slots, holder->slots_count * sizeof(*kept));
        holder->slots = kept;
        page->slots_count += holder->slots_count;
    }
}

/* Returns false without memory. */
static bool keep_row(struct page *page, const union slice *slice, size_t i)
{
    struct row *row = &page->rows[page->rows_count++];

    if (page->kind == WIRE_LIST_SEMAPHORES) {
        row->semaphore = slice->semaphores[i];
        row->semaphore.name = keep(row->texts[0], row->semaphore.name);
        row->semaphore.template_name =
            keep(row->texts[1], row->semaphore.template_name);
    } else if (page->kind == WIRE_LIST_HOLDERS) {
        row->holder = slice->holders[i];
        row->holder.semaphore = keep(row->texts[0], row->holder.semaphore);
        keep_client(row, &row->holder.client);
        keep_slots(page, &row->holder);
        return keep_parts(row, &row->holder.parts, row->holder.parts_count) &&
               keep_labels(row, &row->holder.labels, row->holder.labels_count);
    } else {
        row->waiter = slice->waiters[i];
        row->waiter.semaphore = keep(row->texts[0], row->waiter.semaphore);
        keep_client(row, &row->waiter.client);
        return keep_parts(row, &row->waiter.parts, row->waiter.parts_count) &&
               keep_labels(row, &row->waiter.labels, row->waiter.labels_count);
    }
    return true;
}

static size_t view(struct page *page, union slice *slice, size_t rows_max,
                   size_t *ret_total)
{
    struct sessions *sessions = page->http->options.sessions;
    uint64_t now_ns = page->facts.now_ns;

    if (page->kind == WIRE_LIST_SEMAPHORES) {
        return sessions_view_semaphores(sessions, page->query.prefix,
                                        page->scanned, now_ns,
                                        slice->semaphores, rows_max, ret_total);
    }
    if (page->kind == WIRE_LIST_HOLDERS) {
        return sessions_view_holders(sessions, page->semaphore, page->scanned,
                                     now_ns, slice->holders, rows_max,
                                     ret_total);
    }
    return sessions_view_waiters(sessions, page->semaphore, page->scanned,
                                 now_ns, slice->waiters, rows_max, ret_total);
}

/* Without a filter: the wanted rows, from offset on. Returns false without
 * memory. */
static bool take_rows(struct page *page)
{
    union slice slice;
    size_t count = 1;

    page->scanned = page->query.offset;
    do {
        size_t left = page->query.limit - page->rows_count;

        count =
            view(page, &slice, left < HTTP_SLICE_ROWS ? left : HTTP_SLICE_ROWS,
                 &page->matching);
        for (size_t i = 0; i < count; i++) {
            if (!keep_row(page, &slice, i)) {
                return false;
            }
        }
        page->scanned += count;
    } while (count > 0 && page->rows_count < page->query.limit);
    page->is_taken = true;
    return true;
}

static void keep_if_it_matches(struct page *page, const union slice *slice,
                               size_t i)
{
    if (strcmp(json_state(&slice->semaphores[i]), page->query.state) != 0) {
        return;
    }
    if (page->matching >= page->query.offset &&
        page->rows_count < page->query.limit) {
        (void)keep_row(page, slice, i); /* Semaphores have no labels. */
    }
    page->matching++;
}

/* With a filter: all rows, a few slices a turn. */
static void take_matching_rows(struct page *page)
{
    union slice slice;
    size_t total;

    for (int turn = 0; turn < SCAN_SLICES && !page->is_taken; turn++) {
        size_t count = view(page, &slice, HTTP_SLICE_ROWS, &total);

        for (size_t i = 0; i < count; i++) {
            keep_if_it_matches(page, &slice, i);
        }
        page->scanned += count;
        page->is_taken = count == 0;
    }
}

/* --------------------------------------------------------------- rendering */

/* Adds the text of json to the body, but for its last so many bytes. Deletes
 * json. */
static bool add_json(struct page *page, cJSON *json, size_t but_last)
{
    char *text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
    bool is_added = text != NULL && evbuffer_add(page->body, text,
                                                 strlen(text) - but_last) == 0;

    cJSON_free(text);
    cJSON_Delete(json);
    return is_added;
}

/* Everything up to the first row. */
static bool add_head(struct page *page)
{
    cJSON *head = cJSON_CreateObject();

    if (head == NULL || !json_add_text(head, "boot_id", page->facts.boot_id) ||
        !json_add_time(head, "now", page->facts.now_ms) ||
        cJSON_AddNumberToObject(head, "total", (double)page->matching) ==
            NULL ||
        cJSON_AddNumberToObject(head, "offset", (double)page->query.offset) ==
            NULL ||
        cJSON_AddNumberToObject(head, "limit", (double)page->query.limit) ==
            NULL ||
        cJSON_AddArrayToObject(head, keys[page->kind]) == NULL) {
        cJSON_Delete(head);
        return false;
    }
    return add_json(page, head, strlen("]}"));
}

static cJSON *row_json(const struct page *page, const struct row *row)
{
    if (page->kind == WIRE_LIST_SEMAPHORES) {
        return json_semaphore(&row->semaphore);
    }
    if (page->kind == WIRE_LIST_HOLDERS) {
        return json_holder(&row->holder, page->facts.now_ms);
    }
    return json_waiter(&row->waiter, page->facts.now_ms);
}

/* Renders the next slice. Returns false without memory. */
static bool render(struct page *page)
{
    size_t end = page->rendered + HTTP_SLICE_ROWS;

    if (page->rendered == 0 && !add_head(page)) {
        return false;
    }
    end = end < page->rows_count ? end : page->rows_count;
    while (page->rendered < end) {
        if (page->rendered > 0 && evbuffer_add(page->body, ",", 1) != 0) {
            return false;
        }
        if (!add_json(page, row_json(page, &page->rows[page->rendered]), 0)) {
            return false;
        }
        page->rendered++;
    }
    page->is_rendered = page->rendered == page->rows_count;
    return !page->is_rendered ||
           evbuffer_add(page->body, "]}", strlen("]}")) == 0;
}

/* ----------------------------------------------------------------- the page */

void page_destroy(struct page *page)
{
    TAILQ_REMOVE(&page->http->pages, page, entry);
    /* Its connection is gone: then nobody else frees the request. */
    if (page->request != NULL &&
        evhttp_request_get_connection(page->request) == NULL) {
        evhttp_request_free(page->request);
    }
    evbuffer_free(page->body);
    for (size_t i = 0; i < page->rows_count; i++) {
        free(page->rows[i].labels);
        free(page->rows[i].parts);
    }
    free(page->rows);
    metrics_destroy(page->metrics);
    free(page);
}

static void work_later(struct http *http)
{
    const struct timeval at_once = {0, 0};

    /* A timer, for what is active at once comes before reading sockets. */
    if (!TAILQ_EMPTY(&http->pages)) {
        (void)event_add(http->work, &at_once);
    }
}

/* Does a turn's work. Returns whether the page is whole, or can't be. */
static bool page_continue(struct page *page, bool *ret_has_memory)
{
    *ret_has_memory = true;
    if (page->metrics != NULL) {
        *ret_has_memory =
            metrics_continue(page->metrics, page->body, &page->is_rendered);
        return page->is_rendered || !*ret_has_memory;
    }
    if (!page->is_taken && page->query.state != NULL) {
        take_matching_rows(page);
    } else if (!page->is_taken) {
        *ret_has_memory = take_rows(page);
    }
    if (page->is_taken) {
        *ret_has_memory = render(page);
    }
    return page->is_rendered || !*ret_has_memory;
}

void page_work(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;
    struct page *page = TAILQ_FIRST(&http->pages);
    struct evhttp_request *request = page->request;
    bool has_memory;

    (void)fd;
    (void)what;
    if (evhttp_request_get_connection(request) == NULL) {
        page_destroy(page);
    } else if (!page_continue(page, &has_memory)) {
        TAILQ_REMOVE(&http->pages, page, entry);
        TAILQ_INSERT_TAIL(&http->pages, page, entry);
    } else {
        if (has_memory) {
            reply_body(request,
                       page->metrics != NULL ? METRICS_TYPE
                                             : "application/json",
                       page->body);
        } else {
            reply_no_memory(request);
        }
        page->request = NULL;
        page_destroy(page);
    }
    work_later(http);
}

void page_serve(struct http *http, struct evhttp_request *request,
                enum wire_list_kind kind, const char *name)
{
    struct permit_semaphore_info semaphore;
    enum permit_status reason;
    struct query query;
    const char *detail = query_parse(request, kind, &query, &reason);
    struct page *page;

    if (detail != NULL) {
        reply_problem(request, HTTP_BADREQUEST, reason, detail);
        return;
    }
    page = calloc(1, sizeof(*page));
    if (page == NULL) {
        reply_no_memory(request);
        return;
    }
    http->options.get_facts(http->options.arg, &page->facts);
    if (kind != WIRE_LIST_SEMAPHORES &&
        !sessions_view_semaphore(http->options.sessions, name,
                                 page->facts.now_ns, &semaphore)) {
        free(page);
        reply_no_semaphore(request);
        return;
    }
    page->rows = calloc(query.limit + (query.limit == 0), sizeof(*page->rows));
    page->body = evbuffer_new();
    if (page->rows == NULL || page->body == NULL) {
        if (page->body != NULL) {
            evbuffer_free(page->body);
        }
        free(page->rows);
        free(page);
        reply_no_memory(request);
        return;
    }
    page->http = http;
    page->request = request;
    page->kind = kind;
    page->query = query;
    (void)snprintf(page->semaphore, sizeof(page->semaphore), "%s", name);
    TAILQ_INSERT_TAIL(&http->pages, page, entry);
    work_later(http);
}

void page_serve_metrics(struct http *http, struct evhttp_request *request)
{
    struct page *page = calloc(1, sizeof(*page));
    struct evbuffer *body = evbuffer_new();
    struct metrics *metrics = metrics_create(&http->options);

    if (page == NULL || body == NULL || metrics == NULL) {
        metrics_destroy(metrics);
        if (body != NULL) {
            evbuffer_free(body);
        }
        free(page);
        reply_no_memory(request);
        return;
    }
    page->http = http;
    page->request = request;
    page->body = body;
    page->metrics = metrics;
    TAILQ_INSERT_TAIL(&http->pages, page, entry);
    work_later(http);
}

void page_serve_semaphore(struct http *http, struct evhttp_request *request,
                          const char *name)
{
    struct permit_semaphore_info semaphore;
    struct http_facts facts;

    http->options.get_facts(http->options.arg, &facts);
    if (!sessions_view_semaphore(http->options.sessions, name, facts.now_ns,
                                 &semaphore)) {
        reply_no_semaphore(request);
        return;
    }
    reply_json(request, json_semaphore(&semaphore));
}
