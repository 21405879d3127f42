/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8
#define LINE_BYTES_MAX 512

/* One line, taken apart. */
struct line {
    char text[LINE_BYTES_MAX];
    const char *words[WORDS_MAX]; /* After the stamp. */
    size_t words_count;
    int64_t at_ns;
};

/* Room for one more, doubled whenever it is a power of two. */
static void *grow(void *items, size_t count, size_t bytes)
{
    if ((count & (count - 1)) != 0) {
        return items;
    }
    items = reallocarray(items, count == 0 ? 1 : 2 * count, bytes);
    if (items == NULL) {
        abort(); /* A checker without memory has nothing to say. */
    }
    return items;
}

void history_init(struct history *history)
{
    memset(history, 0, sizeof(*history));
    history->fault_ns = HISTORY_NEVER;
    history->settled_ns = HISTORY_NEVER;
}

void history_deinit(struct history *history)
{
    free(history->semaphores);
    free(history->clients);
    free(history->operations);
    free(history->marks);
}

/* ------------------------------------------------------------------- words
 */

static bool number_of(const struct line *line, size_t index, int64_t *ret_value)
{
    char *end;

    if (index >= line->words_count) {
        return false;
    }
    errno = 0;
    *ret_value = strtoll(line->words[index], &end, 10);
    return errno == 0 && end != line->words[index] && *end == '\0';
}

static bool is_word(const struct line *line, size_t index, const char *word)
{
    return index < line->words_count && strcmp(line->words[index], word) == 0;
}

static bool name_of(const struct line *line, size_t index, char *ret_name)
{
    if (index >= line->words_count ||
        strlen(line->words[index]) >= HISTORY_NAME_BYTES) {
        return false;
    }
    (void)strcpy(ret_name, line->words[index]);
    return true;
}

static bool semaphore_of(const struct history *history, const struct line *line,
                         size_t index, size_t *ret_semaphore)
{
    for (size_t i = 0; i < history->semaphores_count; i++) {
        if (is_word(line, index, history->semaphores[i].name)) {
            *ret_semaphore = i;
            return true;
        }
    }
    return false;
}

static bool status_of(const struct line *line, size_t index,
                      enum permit_status *ret_status)
{
    static const struct {
        enum permit_status status;
        const char *reason;
    } statuses[] = {{PERMIT_OK, "ok"},
#define X(name, value, json, text) {name, json},
                    PERMIT_ERROR_MAP(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (is_word(line, index, statuses[i].reason)) {
            *ret_status = statuses[i].status;
            return true;
        }
    }
    return false;
}

/* The client's operation that a word names; NULL: it has none such. */
static struct history_operation *
operation_of(struct history *history, const struct line *line, size_t index)
{
    const struct history_client *client =
        &history->clients[history->clients_count - 1];
    int64_t request;

    if (!number_of(line, index, &request) || request < 1 ||
        request > (int64_t)client->count) {
        return NULL;
    }
    return &history->operations[client->first + (size_t)request - 1];
}

/* -------------------------------------------------------------------- lines
 */

static bool take_semaphore(struct history *history, const struct line *line)
{
    struct history_semaphore semaphore = {.value = -1};

    semaphore.is_counting = is_word(line, 2, "counting");
    if (!name_of(line, 1, semaphore.name) ||
        !number_of(line, 3, &semaphore.permits) ||
        (!semaphore.is_counting && !is_word(line, 2, "bounded"))) {
        return false;
    }
    history->semaphores =
        grow(history->semaphores, history->semaphores_count, sizeof(semaphore));
    history->semaphores[history->semaphores_count++] = semaphore;
    return true;
}

static bool take_client(struct history *history, const struct line *line,
                        const char *name)
{
    struct history_client client = {.ended_ns = HISTORY_NEVER,
                                    .first = history->operations_count};

    (void)snprintf(client.name, sizeof(client.name), "%s", name);
    if (!number_of(line, 1, &client.linger_ms)) {
        return false;
    }
    history->clients =
        grow(history->clients, history->clients_count, sizeof(client));
    history->clients[history->clients_count++] = client;
    return true;
}

static void mark(struct history *history, enum history_mark_type type,
                 const struct history_operation *acquire, int64_t at_ns,
                 int64_t value)
{
    struct history_mark new = {.type = type,
                               .acquire =
                                   (size_t)(acquire - history->operations),
                               .at_ns = at_ns,
                               .value = value};

    history->marks = grow(history->marks, history->marks_count, sizeof(new));
    history->marks[history->marks_count++] = new;
}

static bool fill_release(struct history *history, const struct line *line,
                         struct history_operation *operation)
{
    const struct history_operation *acquire = operation_of(history, line, 3);

    if (acquire == NULL || acquire->type != HISTORY_ACQUIRE ||
        !number_of(line, 4, &operation->permits)) {
        return false;
    }
    operation->acquire = (size_t)(acquire - history->operations);
    operation->semaphore = acquire->semaphore;
    mark(history, MARK_RELEASE, acquire, line->at_ns, operation->permits);
    return true;
}

/* What is asked of a semaphore by name. */
static bool fill_ask(const struct history *history, const struct line *line,
                     struct history_operation *operation)
{
    bool is_post = operation->type == HISTORY_POST;

    return semaphore_of(history, line, 3, &operation->semaphore) &&
           number_of(line, 4, &operation->permits) &&
           (is_post || number_of(line, 5, &operation->wait_ms)) &&
           (operation->type != HISTORY_ACQUIRE ||
            number_of(line, 6, &operation->hold_ms));
}

static bool take_ask(struct history *history, const struct line *line)
{
    static const char *const types[] = {"acquire", "consume", "post",
                                        "release"};
    struct history_client *client =
        &history->clients[history->clients_count - 1];
    struct history_operation operation = {
        .client = history->clients_count - 1,
        .request = client->count + 1,
        .asked_ns = line->at_ns,
        .waiting_ns = HISTORY_NEVER,
        .cancel_ns = HISTORY_NEVER,
        .ended_ns = HISTORY_NEVER,
        .again_ns = HISTORY_NEVER,
        .lost_ns = HISTORY_NEVER,
        .back_ns = HISTORY_NEVER,
    };
    int64_t request;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (is_word(line, 2, types[i])) {
            operation.type = (enum history_type)(i + HISTORY_ACQUIRE);
        }
    }
    if (operation.type == 0 || !number_of(line, 1, &request) ||
        (uint64_t)request != operation.request ||
        !(operation.type == HISTORY_RELEASE
              ? fill_release(history, line, &operation)
              : fill_ask(history, line, &operation))) {
        return false;
    }
    history->operations =
        grow(history->operations, history->operations_count, sizeof(operation));
    history->operations[history->operations_count++] = operation;
    client->count++;
    return true;
}

/* A release that was answered: its permits are back, or were before. */
static void note_back(struct history *history,
                      const struct history_operation *release)
{
    struct history_operation *acquire = &history->operations[release->acquire];

    if (release->status == PERMIT_OK) {
        acquire->back_permits += release->permits;
        if (acquire->back_permits == acquire->permits) {
            acquire->back_ns = release->ended_ns;
        }
    }
}

static bool take_end(struct history *history, const struct line *line)
{
    struct history_operation *operation = operation_of(history, line, 1);
    int64_t numbers[3] = {0, 0, 0};

    if (operation == NULL) {
        return false;
    }
    if (operation->ended_ns != HISTORY_NEVER) {
        operation->again_ns = line->at_ns;
        return true;
    }
    if (is_word(line, 0, "end")) {
        if (!status_of(line, 2, &operation->status)) {
            return false;
        }
    } else if (operation->type != HISTORY_ACQUIRE ||
               !number_of(line, 2, &numbers[0]) ||
               !number_of(line, 3, &numbers[1]) ||
               !number_of(line, 4, &numbers[2])) {
        return false;
    }
    operation->ended_ns = line->at_ns;
    operation->fence = (uint64_t)numbers[0];
    operation->grant_id = (uint64_t)numbers[1];
    operation->waited_ms = numbers[2];
    if (operation->type == HISTORY_RELEASE) {
        note_back(history, operation);
    }
    return true;
}

static bool take_belief(struct history *history, const struct line *line)
{
    struct history_operation *operation = operation_of(history, line, 1);
    int64_t until_ns = 0;

    if (operation == NULL || operation->type != HISTORY_ACQUIRE) {
        return false;
    }
    if (is_word(line, 0, "lost")) {
        operation->lost_ns = line->at_ns;
        mark(history, MARK_LOST, operation, line->at_ns, 0);
        return true;
    }
    if (!number_of(line, 2, &until_ns)) {
        return false;
    }
    operation->believed_ns = until_ns;
    mark(history, MARK_UNTIL, operation, line->at_ns, until_ns);
    return true;
}

static bool take_stamp(struct history *history, const struct line *line)
{
    struct history_operation *operation = operation_of(history, line, 1);

    if (operation == NULL) {
        return false;
    }
    if (is_word(line, 0, "cancel")) {
        operation->cancel_ns = line->at_ns;
    } else if (operation->waiting_ns == HISTORY_NEVER) {
        operation->waiting_ns = line->at_ns; /* It is said again later. */
    }
    return true;
}

static bool take_value(struct history *history, const struct line *line)
{
    size_t semaphore;

    if (!semaphore_of(history, line, 1, &semaphore)) {
        return false;
    }
    history->semaphores[semaphore].value_at_ns = line->at_ns;
    return number_of(line, 2, &history->semaphores[semaphore].value);
}

static bool take_end_of_client(struct history *history, const struct line *line)
{
    struct history_client *client =
        &history->clients[history->clients_count - 1];

    client->ended_ns = line->at_ns;
    client->was_killed = is_word(line, 0, "killed");
    return true;
}

/* Lines that are the run's, and the client's first. */
static bool take_of_run(struct history *history, const struct line *line,
                        const char *name, bool *ret_is_client)
{
    if (is_word(line, 0, "semaphore")) {
        return take_semaphore(history, line);
    }
    if (is_word(line, 0, "fault")) {
        history->fault_ns = line->at_ns;
        return true;
    }
    if (is_word(line, 0, "settled")) {
        history->settled_ns = line->at_ns;
        return true;
    }
    *ret_is_client =
        is_word(line, 0, "client") && take_client(history, line, name);
    return *ret_is_client;
}

static bool take_line(struct history *history, const struct line *line)
{
    static const struct {
        const char *word;
        bool (*take)(struct history *history, const struct line *line);
    } takers[] = {
        {"ask", take_ask},           {"waiting", take_stamp},
        {"cancel", take_stamp},      {"granted", take_end},
        {"end", take_end},           {"until", take_belief},
        {"lost", take_belief},       {"value", take_value},
        {"bye", take_end_of_client}, {"killed", take_end_of_client},
    };

    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        if (is_word(line, 0, takers[i].word)) {
            return takers[i].take(history, line);
        }
    }
    return false;
}

/* Takes one line apart. Returns false if it is none. */
static bool split(struct line *line)
{
    char *rest = line->text;
    const char *stamp = strsep(&rest, " ");
    char *end;

    errno = 0;
    line->at_ns = strtoll(stamp, &end, 10);
    line->words_count = 0;
    while (rest != NULL && line->words_count < WORDS_MAX) {
        line->words[line->words_count++] = strsep(&rest, " ");
    }
    return errno == 0 && end != stamp && *end == '\0' &&
           line->words_count > 0 && rest == NULL;
}

bool history_read(struct history *history, const char *name, const char *text,
                  char *error, size_t error_bytes)
{
    bool is_client = false;
    struct line line;
    size_t number = 0;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        int shown = (int)(length < 80 ? length : 80);
        bool is_whole = text[length] == '\n' && length < LINE_BYTES_MAX;

        number++;
        if (is_whole) {
            memcpy(line.text, text, length);
            line.text[length] = '\0';
        }
        if (!is_whole || !split(&line) ||
            !(is_client ? take_line(history, &line)
                        : take_of_run(history, &line, name, &is_client))) {
            (void)snprintf(error, error_bytes, "%s:%zu is broken: %.*s", name,
                           number, shown, text);
            return false;
        }
        text += length + 1;
    }
    return true;
}

/* ------------------------------------------------------------------ asking
 */

bool history_is_plain(const struct history_operation *operation)
{
    return operation->ended_ns != HISTORY_NEVER &&
           (operation->status == PERMIT_OK ||
            operation->status == PERMIT_E_WOULD_BLOCK ||
            operation->status == PERMIT_E_TIMEOUT ||
            operation->status == PERMIT_E_CANCELLED);
}

bool history_may_have_happened(const struct history_operation *operation)
{
    if (operation->ended_ns == HISTORY_NEVER) {
        return true;
    }
    return operation->status == PERMIT_OK ||
           operation->status == PERMIT_E_NO_ANSWER ||
           operation->status == PERMIT_E_OUTCOME_UNKNOWN ||
           operation->status == PERMIT_E_CLOSED;
}
