/* SPDX-License-Identifier: MIT */
#ifndef TESTS_WIRE_CASES_CLIENT_H
#define TESTS_WIRE_CASES_CLIENT_H

/* Every message of a client: as protobuf's text format, as bytes, as our
 * struct. The bytes come from protoc, not from our code: wire_cases.py checks
 * that, and makes the corpus of the fuzz targets from them. */

#include "wire.h"

#define CLIENT(text, hex, ...)                                                 \
    {                                                                          \
        text, hex,                                                             \
        {                                                                      \
            __VA_ARGS__, .detail = ""                                          \
        }                                                                      \
    }
static const struct client_case {
    const char *text;
    const char *hex;
    struct wire_client_message message;
} client_cases[] = {
    CLIENT(
        "id: 1 hello { name: 'alice@ci-4:812' host: 'ci-4' pid: 812 purpose: "
        "'make' client: 'libpermit/0.1.0' token: 'secret' linger_ms: 15000 "
        "resume { id: 7 secret: '0123456789abcdef' } end { id: 8 } }",
        "08016a550a0e616c6963654063692d343a383132120463692d3418ac0622046d616b65"
        "2a0f6c69627065726d69742f302e312e30320673656372657438987542140807121030"
        "3132333435363738396162636465664a020808",
        .id = 1, .type = WIRE_HELLO,
        .hello = {.name = "alice@ci-4:812",
                  .host = "ci-4",
                  .pid = 812,
                  .purpose = "make",
                  .client = "libpermit/0.1.0",
                  .token = {(const uint8_t *)"secret", 6},
                  .linger_ms = 15000,
                  .has_resume = true,
                  .has_end = true,
                  .resume = {7, {(const uint8_t *)"0123456789abcdef", 16}},
                  .end = {8, {NULL, 0}}}),
    CLIENT("hello {}", "6a00", .type = WIRE_HELLO,
           .hello = {.name = "", .host = "", .purpose = "", .client = ""}),
    CLIENT("id: 2 answered_below: 1 ping {}", "080210012a00", .id = 2,
           .answered_below = 1, .type = WIRE_PING),
    CLIENT("id: 18446744073709551615 bye {}", "08ffffffffffffffffff017200",
           .id = UINT64_MAX, .type = WIRE_BYE),
    CLIENT(
        "id: 3 acquire { parts { semaphore: 'jobs' permits: 1 } wait_ms: -1 }",
        "08031a0c0a080a046a6f627310011001", .id = 3, .type = WIRE_ACQUIRE,
        .acquire = {.parts = {{.semaphore = "jobs", .permits = 1}},
                    .parts_count = 1,
                    .wait_ms = -1}),
    CLIENT("id: 4 acquire { parts { semaphore: 'a' permits: 2147483647 "
           "consume: true expect_permits: 8 } parts { semaphore: 'b/c' "
           "permits: 2 } wait_ms: 500 hold_ms: 60000 priority: 7 settle: true "
           "join: true waiting: true labels { key: 'job' value: 'nightly' } "
           "labels { key: 'k' } }",
           "08041a3c0a0d0a016110ffffffff07180120080a070a03622f63100210e80718e0d"
           "4032007280130013801420e0a036a6f6212076e696768746c7942030a016b",
           .id = 4, .type = WIRE_ACQUIRE,
           .acquire = {.parts = {{.semaphore = "a",
                                  .permits = 2147483647,
                                  .consume = true,
                                  .expect_permits = 8},
                                 {.semaphore = "b/c", .permits = 2}},
                       .parts_count = 2,
                       .wait_ms = 500,
                       .hold_ms = 60000,
                       .priority = 7,
                       .settle = true,
                       .join = true,
                       .waiting = true,
                       .labels = {{"job", "nightly"}, {"k", ""}},
                       .labels_count = 2}),
    CLIENT("id: 5 cancel { acquire_id: 4 }", "080532020804", .id = 5,
           .type = WIRE_CANCEL, .cancel = {4}),
    CLIENT("id: 6 release { acquire_id: 4 }", "080622020804", .id = 6,
           .type = WIRE_RELEASE, .release = {.acquire_id = 4}),
    CLIENT("id: 7 release { acquire_id: 4 parts { semaphore: 'a' permits: 3 } "
           "}",
           "08072209080412050a01611003", .id = 7, .type = WIRE_RELEASE,
           .release = {.acquire_id = 4,
                       .parts = {{.semaphore = "a", .permits = 3}},
                       .parts_count = 1}),
    CLIENT("id: 8 post { semaphore: 'jobs' permits: 300 }",
           "08083a090a046a6f627310ac02", .id = 8, .type = WIRE_POST,
           .post = {"jobs", 300}),
    CLIENT("id: 9 query { semaphore: 'jobs' }", "08095a060a046a6f6273", .id = 9,
           .type = WIRE_QUERY, .query = {"jobs"}),
    CLIENT(
        "id: 10 list { kind: LIST_SEMAPHORES name: 'te' offset: 64 limit: 32 }",
        "080a620a08011202746518402020", .id = 10, .type = WIRE_LIST,
        .list = {WIRE_LIST_SEMAPHORES, "te", 64, 32}),
    CLIENT("id: 11 list { kind: LIST_HOLDERS name: 'jobs' }",
           "080b6208080212046a6f6273", .id = 11, .type = WIRE_LIST,
           .list = {WIRE_LIST_HOLDERS, "jobs", 0, 0}),
    CLIENT("id: 12 list { kind: LIST_WAITERS name: 'jobs' }",
           "080c6208080312046a6f6273", .id = 12, .type = WIRE_LIST,
           .list = {WIRE_LIST_WAITERS, "jobs", 0, 0}),
    CLIENT("id: 13 list { kind: LIST_SESSIONS }", "080d62020804", .id = 13,
           .type = WIRE_LIST, .list = {WIRE_LIST_SESSIONS, "", 0, 0}),
    CLIENT("id: 14 define { semaphore: 'jobs' fields: [FIELD_KIND, "
           "FIELD_PERMITS, FIELD_MAX_QUEUE, FIELD_MAX_WAIT, FIELD_HOLD] kind: "
           "COUNTING permits: 3 max_queue: 100 max_wait_ms: -1 hold_ms: 5 }",
           "080e8201170a046a6f62731205030408090a18022003406448015005", .id = 14,
           .type = WIRE_DEFINE,
           .define = {.semaphore = "jobs",
                      .fields = WIRE_FIELD_KIND | WIRE_FIELD_PERMITS |
                                WIRE_FIELD_MAX_QUEUE | WIRE_FIELD_MAX_WAIT |
                                WIRE_FIELD_HOLD,
                      .kind = PERMIT_COUNTING,
                      .permits = 3,
                      .max_queue = 100,
                      .max_wait_ms = -1,
                      .hold_ms = 5}),
    CLIENT("id: 14 define { semaphore: 'jobs' fields: [FIELD_PERMITS, "
           "FIELD_SLOTS] permits: 8 slots: true }",
           "080e82010e0a046a6f62731202040d20086801", .id = 14,
           .type = WIRE_DEFINE,
           .define = {.semaphore = "jobs",
                      .fields = WIRE_FIELD_PERMITS | WIRE_FIELD_SLOTS,
                      .permits = 8,
                      .slots = true}),
    CLIENT("id: 15 define { semaphore: 'team/*' fields: [FIELD_BYPASS, "
           "FIELD_PER_SESSION, FIELD_SLOTS, FIELD_NOT_DURABLE, FIELD_SHADOW, "
           "FIELD_REFUSE_HOPELESS] }",
           "080f8201100a067465616d2f2a12060b0c0d0e0f10", .id = 15,
           .type = WIRE_DEFINE,
           .define = {.semaphore = "team/*",
                      .is_template = true,
                      .fields = WIRE_FIELD_BYPASS | WIRE_FIELD_PER_SESSION |
                                WIRE_FIELD_SLOTS | WIRE_FIELD_NOT_DURABLE |
                                WIRE_FIELD_SHADOW |
                                WIRE_FIELD_REFUSE_HOPELESS}),
    CLIENT("id: 16 delete { semaphore: 'jobs' force: true }",
           "08108a01080a046a6f62731001", .id = 16, .type = WIRE_DELETE,
           .delete = {"jobs", true}),
    CLIENT("id: 17 renew { acquire_id: 3 hold_ms: 60000 }",
           "08114a06080310e0d403", .id = 17, .type = WIRE_RENEW,
           .renew = {3, 60000}),
    CLIENT("id: 17 settle {}", "08114200", .id = 17, .type = WIRE_SETTLE),
    CLIENT("id: 17 verify { grant_id: 30118790737957893 fence: 5 }",
           "0811520b0885a880f8969cc0351005", .id = 17, .type = WIRE_VERIFY,
           .verify = {30118790737957893, 5}),
    CLIENT("id: 17 watch {}", "08117a00", .id = 17, .type = WIRE_WATCH),
    CLIENT("id: 17 pause {}", "0811920100", .id = 17, .type = WIRE_PAUSE),
    CLIENT("id: 17 resume {}", "08119a0100", .id = 17, .type = WIRE_RESUME),
    CLIENT("id: 17 revoke {}", "0811a20100", .id = 17, .type = WIRE_REVOKE),
    CLIENT("id: 17 kick {}", "0811aa0100", .id = 17, .type = WIRE_KICK),
    CLIENT("id: 17 drain {}", "0811b20100", .id = 17, .type = WIRE_DRAIN),
    CLIENT("id: 8 release { acquire_id: 3 has_outcome: true }",
           "0808220408032001", .id = 8, .type = WIRE_RELEASE,
           .release = {.acquire_id = 3, .has_outcome = true}),
    CLIENT("id: 8 release { acquire_id: 3 outcome: 'built' has_outcome: "
           "true }",
           "0808220b08031a056275696c742001", .id = 8, .type = WIRE_RELEASE,
           .release = {.acquire_id = 3,
                       .has_outcome = true,
                       .outcome = {(const uint8_t *)"built", 5}}),
    CLIENT("id: 17 settle { acquire_id: 3 actual { semaphore: 'api' } ac"
           "tual { semaphore: 'b' permits: 2 } }",
           "08114210080312050a0361706912050a01621002", .id = 17,
           .type = WIRE_SETTLE,
           .release = {.acquire_id = 3,
                       .parts = {{.semaphore = "api"},
                                 {.semaphore = "b", .permits = 2}},
                       .parts_count = 2}),
    CLIENT("id: 17 why { parts { semaphore: 'db' permits: 1 } parts { se"
           "maphore: 'api' permits: 2 consume: true expect_permits: 9 } "
           "priority: 7 }",
           "0811ba01170a060a02646210010a0b0a036170691002180120091007", .id = 17,
           .type = WIRE_WHY,
           .acquire = {.parts = {{.semaphore = "db", .permits = 1},
                                 {.semaphore = "api",
                                  .permits = 2,
                                  .consume = true,
                                  .expect_permits = 9}},
                       .parts_count = 2,
                       .priority = 7}),
    CLIENT("id: 15 define { semaphore: 'team/*' fields: [FIELD_KIND, FIE"
           "LD_RATE, FIELD_PER_MS, FIELD_BURST, FIELD_BYPASS, FIELD_PER_"
           "SESSION, FIELD_NOT_DURABLE, FIELD_SHADOW, FIELD_REFUSE_HOPEL"
           "ESS] kind: RATE rate: 2147483647 per_ms: 31622400000 burst: "
           "100 bypass: 65535 per_session: 4 not_durable: true shadow: t"
           "rue refuse_hopeless: true }",
           "080f8201300a067465616d2f2a1209030506070b0c0e0f10180328ffffff"
           "ff07308090dee675386458ffff03600470017801800101",
           .id = 15, .type = WIRE_DEFINE,
           .define = {.semaphore = "team/*",
                      .is_template = true,
                      .fields = WIRE_FIELD_KIND | WIRE_FIELD_RATE |
                                WIRE_FIELD_PER | WIRE_FIELD_BURST |
                                WIRE_FIELD_BYPASS | WIRE_FIELD_PER_SESSION |
                                WIRE_FIELD_NOT_DURABLE | WIRE_FIELD_SHADOW |
                                WIRE_FIELD_REFUSE_HOPELESS,
                      .kind = PERMIT_RATE,
                      .rate = 2147483647,
                      .per_ms = 31622400000,
                      .burst = 100,
                      .bypass = 65535,
                      .per_session = 4,
                      .not_durable = true,
                      .shadow = true,
                      .refuse_hopeless = true}),
    CLIENT("id: 9 query { semaphore: 'team/*' }", "08095a080a067465616d2f2a",
           .id = 9, .type = WIRE_QUERY, .query = {"team/*"}),
    CLIENT("id: 16 delete { semaphore: 'team/*' }",
           "08108a01080a067465616d2f2a", .id = 16, .type = WIRE_DELETE,
           .delete = {"team/*", false}),
    CLIENT("id: 18", "0812", .id = 18, .type = WIRE_UNKNOWN),
};

#define CLIENT_CASES (sizeof(client_cases) / sizeof(client_cases[0]))

#endif
