/* SPDX-License-Identifier: MIT */
/* Metrics, in the text format 0.0.4 of Prometheus.
 *
 * Only a semaphore that the configuration names has series of its own; all
 * others are summed into one, `_other`, so that no client makes series. What
 * that counts is all that the engine counted but what the named ones did: it
 * keeps what is gone, and never falls while the configuration stays. Its gauges
 * are of several turns, for there may be many others. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <protobuf-c/protobuf-c.h>

#include "http_private.h"

#define OTHER "_other"

enum value {
    VALUE_PERMITS,
    VALUE_HELD,
    VALUE_HOLDERS,
    VALUE_WAITERS,
    VALUE_WAITING_PERMITS,
    VALUE_OLDEST_WAIT_MS,
    VALUE_OLDEST_HOLD_MS,
    VALUE_TOKENS,
    VALUE_BURST,
    VALUE_LOST, /* One of each loss: the first of the counters. */
    VALUE_WOULD_REFUSE = VALUE_LOST + PERMIT_LOSS_COUNT,
    VALUE_WOULD_WAIT,
    VALUE_COUNT
};

struct row {
    char name[WIRE_NAME_BYTES_MAX + 1];
    bool has_tokens;
    uint64_t values[VALUE_COUNT];
};

struct metrics {
    struct sessions *sessions;
    struct http_facts facts;
    struct engine_totals totals;
    struct row *rows; /* By name, and then the others'. */
    size_t named_count;
    size_t scanned; /* Of all semaphores, for the others' gauges. */
    bool is_scanned;
    size_t family; /* What to render next, */
    size_t row;    /* and of which row. */
};

static const struct family {
    const char *name;
    const char *help;
    enum value value;
} families[] = {
    {"permitd_permits", "Permits as defined; 0 for a rate.", VALUE_PERMITS},
    {"permitd_permits_held", "Permits out in grants.", VALUE_HELD},
    {"permitd_holders", "Grants.", VALUE_HOLDERS},
    {"permitd_waiters", "Acquires that wait.", VALUE_WAITERS},
    {"permitd_waiting_permits", "Permits that all waiters together ask for.",
     VALUE_WAITING_PERMITS},
    {"permitd_oldest_wait_seconds",
     "How long the first waiter waits; 0: nobody waits.", VALUE_OLDEST_WAIT_MS},
    {"permitd_oldest_hold_seconds",
     "How long the oldest grant is held; 0: nobody holds.",
     VALUE_OLDEST_HOLD_MS},
    {"permitd_tokens_available", "Tokens of a rate that could be taken now.",
     VALUE_TOKENS},
    {"permitd_tokens_burst", "The most tokens of a rate that gather.",
     VALUE_BURST},
    {"permitd_releases_total", "Grants that ended by loss, by its reason.",
     VALUE_LOST},
    {"permitd_would_refuse_total",
     "Acquires granted in shadow that would have been refused.",
     VALUE_WOULD_REFUSE},
    {"permitd_would_wait_total",
     "Acquires granted in shadow that would have waited.", VALUE_WOULD_WAIT},
};

#define FAMILIES_COUNT (sizeof(families) / sizeof(families[0]))

/* ---------------------------------------------------------------- snapshot */

/* Of a semaphore, and not of a template, which has no permits itself. */
static bool is_semaphore(const char *name)
{
    return name[strlen(name) - 1] != '*';
}

static uint64_t not_negative(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms : 0;
}

static void set_row(struct row *row, const struct permit_semaphore_info *info)
{
    *row = (struct row){
        .has_tokens = info->kind == PERMIT_RATE,
        .values = {[VALUE_PERMITS] = info->permits,
                   [VALUE_HELD] = info->held,
                   [VALUE_HOLDERS] = info->holders,
                   [VALUE_WAITERS] = info->waiters,
                   [VALUE_WAITING_PERMITS] = info->waiting_permits,
                   [VALUE_OLDEST_WAIT_MS] = not_negative(info->oldest_wait_ms),
                   [VALUE_OLDEST_HOLD_MS] = not_negative(info->oldest_hold_ms),
                   [VALUE_TOKENS] =
                       info->kind == PERMIT_RATE ? info->available : 0,
                   [VALUE_BURST] = info->burst,
                   [VALUE_WOULD_REFUSE] = info->would_refuse_total,
                   [VALUE_WOULD_WAIT] = info->would_wait_total}};
    (void)stpcpy(row->name, info->name);
    memcpy(&row->values[VALUE_LOST], info->lost_total,
           sizeof(info->lost_total));
}

/* All that was counted, but what the named ones did. */
static void set_others_counters(struct metrics *metrics)
{
    struct row *others = &metrics->rows[metrics->named_count];

    (void)stpcpy(others->name, OTHER);
    others->has_tokens = true;
    memcpy(&others->values[VALUE_LOST], metrics->totals.lost_parts_total,
           sizeof(metrics->totals.lost_parts_total));
    others->values[VALUE_WOULD_REFUSE] = metrics->totals.would_refuse_total;
    others->values[VALUE_WOULD_WAIT] = metrics->totals.would_wait_total;
    for (size_t i = 0; i < metrics->named_count; i++) {
        for (size_t value = VALUE_LOST; value < VALUE_COUNT; value++) {
            assert(others->values[value] >= metrics->rows[i].values[value]);
            others->values[value] -= metrics->rows[i].values[value];
        }
    }
}

struct metrics *metrics_create(const struct http_options *options)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    struct permit_semaphore_info info;
    const char *name;
    size_t count = 0;

    if (metrics == NULL) {
        return NULL;
    }
    while (count < HTTP_METRICS_SEMAPHORES_MAX &&
           options->get_configured(options->arg, count) != NULL) {
        count++;
    }
    metrics->rows = calloc(count + 1, sizeof(*metrics->rows));
    if (metrics->rows == NULL) {
        free(metrics);
        return NULL;
    }
    metrics->sessions = options->sessions;
    options->get_facts(options->arg, &metrics->facts);
    engine_get_totals(options->engine, &metrics->totals);
    for (size_t i = 0; metrics->named_count < count; i++) {
        name = options->get_configured(options->arg, i);
        if (name == NULL) {
            break;
        }
        if (is_semaphore(name) && strcmp(name, OTHER) != 0 &&
            sessions_view_semaphore(metrics->sessions, name,
                                    metrics->facts.now_ns, &info)) {
            set_row(&metrics->rows[metrics->named_count++], &info);
        }
    }
    set_others_counters(metrics);
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics != NULL) {
        free(metrics->rows);
        free(metrics);
    }
}

/* ------------------------------------------------------------------ others */

static int compare(const void *name, const void *row)
{
    return strcmp(name, ((const struct row *)row)->name);
}

static void add_to_others(struct metrics *metrics,
                          const struct permit_semaphore_info *info)
{
    uint64_t *values = metrics->rows[metrics->named_count].values;
    struct row row;

    if (!is_semaphore(info->name) ||
        bsearch(info->name, metrics->rows, metrics->named_count, sizeof(row),
                compare) != NULL) {
        return;
    }
    set_row(&row, info);
    for (size_t i = 0; i < VALUE_LOST; i++) {
        if (i != VALUE_OLDEST_WAIT_MS && i != VALUE_OLDEST_HOLD_MS) {
            values[i] += row.values[i];
        } else if (values[i] < row.values[i]) {
            values[i] = row.values[i];
        }
    }
}

static void scan(struct metrics *metrics)
{
    struct permit_semaphore_info slice[HTTP_SLICE_ROWS];
    size_t total;

    for (int turn = 0; turn < SCAN_SLICES && !metrics->is_scanned; turn++) {
        size_t count = sessions_view_semaphores(
            metrics->sessions, "", metrics->scanned, metrics->facts.now_ns,
            slice, HTTP_SLICE_ROWS, &total);

        for (size_t i = 0; i < count; i++) {
            add_to_others(metrics, &slice[i]);
        }
        metrics->scanned += count;
        metrics->is_scanned = count == 0;
    }
}

/* --------------------------------------------------------------- rendering */

static bool add_head(struct evbuffer *body, const char *name, const char *help,
                     const char *type)
{
    return evbuffer_add_printf(body, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                               name, type) >= 0;
}

static bool add_gauge(struct evbuffer *body, const char *name, const char *help,
                      int64_t value)
{
    return add_head(body, name, help, "gauge") &&
           evbuffer_add_printf(body, "%s %" PRId64 "\n", name, value) >= 0;
}

static bool add_daemon(const struct metrics *metrics, struct evbuffer *body)
{
    const struct http_facts *facts = &metrics->facts;
    const struct engine_totals *totals = &metrics->totals;
    const char *const build = "permitd_build_info";

    return add_head(body, build, "1; its labels say what runs.", "gauge") &&
           evbuffer_add_printf(body,
                               "%s{version=\"%s\",revision=\"%s\","
                               "protobuf_c=\"%s\",libevent=\"%s\"} 1\n",
                               build, facts->version,
                               facts->revision != NULL ? facts->revision : "",
                               protobuf_c_version(),
                               event_get_version()) >= 0 &&
           add_gauge(body, "permitd_ready", "Does it grant?",
                     status_is_ready(facts, totals)) &&
           add_gauge(body, "permitd_draining", "Does it grant no more?",
                     totals->draining) &&
           add_gauge(body, "permitd_store_ok", "Does the store work?",
                     !facts->store_failed) &&
           add_gauge(body, "permitd_config_last_reload_successful",
                     "Was the latest configuration taken?",
                     facts->last_reload_ok) &&
           add_gauge(
               body, "permitd_config_last_reload_success_timestamp_seconds",
               "When a configuration was last taken; 0: there is none.",
               facts->config_loaded_ms < 0 ? 0
                                           : facts->config_loaded_ms / 1000) &&
           add_gauge(body, "permitd_connections", "Connections of clients.",
                     facts->connections) &&
           add_gauge(body, "permitd_connections_max",
                     "The most connections of clients.",
                     facts->connections_max) &&
           add_gauge(body, "permitd_sessions", "Sessions.", totals->sessions);
}

/* Adds NAME{semaphore="…", and leaves the brace open. No name of a semaphore
 * has a byte that a label's value had to escape. */
static bool open_series(struct evbuffer *body, const char *name,
                        const struct row *row)
{
    return evbuffer_add_printf(body, "%s{semaphore=\"%s\"", name, row->name) >=
           0;
}

static bool add_losses(struct evbuffer *body, const char *name,
                       const struct row *row)
{
    for (int loss = 1; loss <= PERMIT_LOSS_COUNT; loss++) {
        if (!open_series(body, name, row) ||
            evbuffer_add_printf(body, ",reason=\"%s\"} %" PRIu64 "\n",
                                permit_loss_name((enum permit_loss)loss),
                                row->values[VALUE_LOST + loss - 1]) < 0) {
            return false;
        }
    }
    return true;
}

static bool add_row(struct evbuffer *body, const struct family *family,
                    const struct row *row)
{
    uint64_t value = row->values[family->value];

    if (family->value == VALUE_LOST) {
        return add_losses(body, family->name, row);
    }
    if (!row->has_tokens &&
        (family->value == VALUE_TOKENS || family->value == VALUE_BURST)) {
        return true;
    }
    if (!open_series(body, family->name, row)) {
        return false;
    }
    if (family->value == VALUE_OLDEST_WAIT_MS ||
        family->value == VALUE_OLDEST_HOLD_MS) {
        return evbuffer_add_printf(body, "} %" PRIu64 ".%03u\n", value / 1000,
                                   (unsigned)(value % 1000)) >= 0;
    }
    return evbuffer_add_printf(body, "} %" PRIu64 "\n", value) >= 0;
}

/* Renders the next slice. Returns false without memory. */
static bool render(struct metrics *metrics, struct evbuffer *body)
{
    for (int i = 0; i < HTTP_SLICE_ROWS && metrics->family < FAMILIES_COUNT;
         i++) {
        const struct family *family = &families[metrics->family];

        if (metrics->row == 0 &&
            !add_head(body, family->name, family->help,
                      family->value < VALUE_LOST ? "gauge" : "counter")) {
            return false;
        }
        if (!add_row(body, family, &metrics->rows[metrics->row])) {
            return false;
        }
        if (metrics->row++ == metrics->named_count) {
            metrics->row = 0;
            metrics->family++;
        }
    }
    return true;
}

bool metrics_continue(struct metrics *metrics, struct evbuffer *body,
                      bool *ret_is_whole)
{
    bool has_memory;

    if (!metrics->is_scanned) {
        scan(metrics);
        return true;
    }
    has_memory = (evbuffer_get_length(body) > 0 || add_daemon(metrics, body)) &&
                 render(metrics, body);
    *ret_is_whole = has_memory && metrics->family == FAMILIES_COUNT;
    return has_memory;
}
