/* SPDX-License-Identifier: MIT */
/* Requests that are answered from views and change nothing. */
#include "session_private.h"

typedef void read_fn(struct session *session,
                     const struct wire_client_message *message);

static void read_ping(struct session *session,
                      const struct wire_client_message *message)
{
    struct wire_server_message pong = {.id = message->id, .type = WIRE_PONG};

    session_send(session, &pong, true);
}

static void read_query(struct session *session,
                       const struct wire_client_message *message)
{
    struct sessions *sessions = session->all;
    struct wire_server_message answer = {.id = message->id,
                                         .type = WIRE_SEMAPHORE};

    if (!sessions_view_semaphore(sessions, message->query.semaphore,
                                 sessions->now_ns, &answer.semaphore)) {
        session_refuse(session, message->id, PERMIT_E_NOT_FOUND,
                       "there is no such semaphore: define it first");
        return;
    }
    session_send(session, &answer, true);
}

static void read_list(struct session *session,
                      const struct wire_client_message *message)
{
    struct sessions *sessions = session->all;
    struct wire_server_message answer = {.id = message->id, .type = WIRE_PAGE};
    struct wire_page *page = &answer.page;
    union {
        struct permit_semaphore_info semaphores[WIRE_PAGE_ROWS_MAX];
        struct permit_holder_info holders[WIRE_PAGE_ROWS_MAX];
        struct permit_waiter_info waiters[WIRE_PAGE_ROWS_MAX];
    } rows;
    const char *name = message->list.name;
    uint64_t limit = message->list.limit;
    size_t offset = message->list.offset;
    size_t total = 0;
    size_t count = 0;
    struct permit_semaphore_info found;

    if (limit == 0 || limit > WIRE_PAGE_ROWS_MAX) {
        limit = WIRE_PAGE_ROWS_MAX;
    }
    if (message->list.kind != WIRE_LIST_SEMAPHORES &&
        message->list.kind != WIRE_LIST_SESSIONS &&
        !sessions_view_semaphore(sessions, name, sessions->now_ns, &found)) {
        session_refuse(session, message->id, PERMIT_E_NOT_FOUND,
                       "there is no such semaphore: define it first");
        return;
    }
    switch (message->list.kind) {
    case WIRE_LIST_SEMAPHORES:
        count =
            sessions_view_semaphores(sessions, name, offset, sessions->now_ns,
                                     rows.semaphores, limit, &total);
        page->semaphores = rows.semaphores;
        break;
    case WIRE_LIST_HOLDERS:
        count = sessions_view_holders(sessions, name, offset, sessions->now_ns,
                                      rows.holders, limit, &total);
        page->holders = rows.holders;
        break;
    case WIRE_LIST_WAITERS:
        count = sessions_view_waiters(sessions, name, offset, sessions->now_ns,
                                      rows.waiters, limit, &total);
        page->waiters = rows.waiters;
        break;
    case WIRE_LIST_SESSIONS:
        session_refuse(session, message->id, PERMIT_E_UNSUPPORTED,
                       "lists of sessions are not served yet");
        return;
    }
    page->kind = message->list.kind;
    page->total = total;
    page->offset = offset;
    page->count = (uint32_t)count;
    session_send(session, &answer, true);
}

/* A type without an entry is no question, or not served yet. */
static read_fn *const table[WIRE_CLIENT_TYPE_COUNT + 1] = {
    [WIRE_PING] = read_ping,
    [WIRE_QUERY] = read_query,
    [WIRE_LIST] = read_list,
};

bool session_read(struct session *session,
                  const struct wire_client_message *message)
{
    if (table[message->type] == NULL) {
        return false;
    }
    table[message->type](session, message);
    return true;
}
