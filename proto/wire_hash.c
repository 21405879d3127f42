/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return XXH3_64bits_withSeed(&value, sizeof(value), hash);
}

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t length)
{
    return XXH3_64bits_withSeed(bytes, length, hash); /* The length counts. */
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return mix_bytes(hash, text, strlen(text));
}

static uint64_t mix_parts(uint64_t hash, const struct wire_part *parts,
                          uint32_t count)
{
    hash = mix(hash, count);
    for (uint32_t i = 0; i < count; i++) {
        hash = mix_text(hash, parts[i].semaphore);
        hash = mix(hash, parts[i].permits);
        hash = mix(hash, parts[i].consume);
        hash = mix(hash, parts[i].expect_permits);
    }
    return hash;
}

static uint64_t mix_key(uint64_t hash, bool has_key,
                        const struct wire_session_key *key)
{
    hash = mix(hash, has_key);
    if (has_key) {
        hash = mix(hash, key->id);
        hash = mix_bytes(hash, key->secret.data, key->secret.length);
    }
    return hash;
}

static uint64_t hash_hello(const struct wire_client_message *message,
                           uint64_t hash)
{
    const struct wire_hello *hello = &message->hello;

    hash = mix_text(hash, hello->name);
    hash = mix_text(hash, hello->host);
    hash = mix(hash, hello->pid);
    hash = mix_text(hash, hello->purpose);
    hash = mix_text(hash, hello->client);
    hash = mix_bytes(hash, hello->token.data, hello->token.length);
    hash = mix(hash, (uint64_t)hello->linger_ms);
    hash = mix_key(hash, hello->has_resume, &hello->resume);
    return mix_key(hash, hello->has_end, &hello->end);
}

static uint64_t hash_acquire(const struct wire_client_message *message,
                             uint64_t hash)
{
    const struct wire_acquire *acquire = &message->acquire;

    hash = mix_parts(hash, acquire->parts, acquire->parts_count);
    hash = mix(hash, (uint64_t)acquire->hold_ms);
    hash = mix(hash, acquire->priority);
    hash = mix(hash, acquire->settle);
    hash = mix(hash, acquire->join);
    hash = mix(hash, acquire->waiting);
    hash = mix(hash, acquire->labels_count);
    for (uint32_t i = 0; i < acquire->labels_count; i++) {
        hash = mix_text(hash, acquire->labels[i].key);
        hash = mix_text(hash, acquire->labels[i].value);
    }
    return hash;
}

static uint64_t hash_cancel(const struct wire_client_message *message,
                            uint64_t hash)
{
    return mix(hash, message->cancel.acquire_id);
}

static uint64_t hash_release(const struct wire_client_message *message,
                             uint64_t hash)
{
    const struct wire_release *release = &message->release;

    hash = mix(hash, release->acquire_id);
    hash = mix_parts(hash, release->parts, release->parts_count);
    hash = mix(hash, release->has_outcome);
    return mix_bytes(hash, release->outcome.data, release->outcome.length);
}

static uint64_t hash_renew(const struct wire_client_message *message,
                           uint64_t hash)
{
    hash = mix(hash, message->renew.acquire_id);
    return mix(hash, (uint64_t)message->renew.hold_ms);
}

static uint64_t hash_verify(const struct wire_client_message *message,
                            uint64_t hash)
{
    hash = mix(hash, message->verify.grant_id);
    return mix(hash, message->verify.fence);
}

static uint64_t hash_post(const struct wire_client_message *message,
                          uint64_t hash)
{
    hash = mix_text(hash, message->post.semaphore);
    return mix(hash, message->post.permits);
}

static uint64_t hash_query(const struct wire_client_message *message,
                           uint64_t hash)
{
    return mix_text(hash, message->query.semaphore);
}

static uint64_t hash_list(const struct wire_client_message *message,
                          uint64_t hash)
{
    hash = mix(hash, message->list.kind);
    hash = mix_text(hash, message->list.name);
    hash = mix(hash, message->list.offset);
    return mix(hash, message->list.limit);
}

static uint64_t hash_define(const struct wire_client_message *message,
                            uint64_t hash)
{
    const struct wire_define *define = &message->define;

    hash = mix_text(hash, define->semaphore);
    hash = mix(hash, define->fields);
    hash = mix(hash, define->kind);
    hash = mix(hash, define->permits);
    hash = mix(hash, define->max_queue);
    hash = mix(hash, (uint64_t)define->max_wait_ms);
    hash = mix(hash, (uint64_t)define->hold_ms);
    hash = mix(hash, define->rate);
    hash = mix(hash, define->per_ms);
    hash = mix(hash, define->burst);
    hash = mix(hash, define->bypass);
    hash = mix(hash, define->per_session);
    hash = mix(hash, define->slots);
    hash = mix(hash, define->not_durable);
    hash = mix(hash, define->shadow);
    return mix(hash, define->refuse_hopeless);
}

static uint64_t hash_delete(const struct wire_client_message *message,
                            uint64_t hash)
{
    hash = mix_text(hash, message->delete.semaphore);
    return mix(hash, message->delete.force);
}

uint64_t wire_body_hash(const struct wire_client_message *message)
{
    /* Without a function: a body without fields, or one that is not told. */
    static uint64_t (*const hashes[WIRE_CLIENT_TYPE_COUNT])(
        const struct wire_client_message *message, uint64_t hash) = {
        [WIRE_HELLO] = hash_hello,   [WIRE_ACQUIRE] = hash_acquire,
        [WIRE_CANCEL] = hash_cancel, [WIRE_RELEASE] = hash_release,
        [WIRE_POST] = hash_post,     [WIRE_QUERY] = hash_query,
        [WIRE_LIST] = hash_list,     [WIRE_DEFINE] = hash_define,
        [WIRE_DELETE] = hash_delete, [WIRE_RENEW] = hash_renew,
        [WIRE_VERIFY] = hash_verify, [WIRE_SETTLE] = hash_release,
    };
    uint64_t hash = mix(0, message->type);

    if (message->type == WIRE_UNKNOWN || hashes[message->type] == NULL) {
        return hash;
    }
    return hashes[message->type](message, hash);
}
