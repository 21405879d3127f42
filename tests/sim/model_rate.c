/* SPDX-License-Identifier: MIT */
/* Tokens of a RATE: all of them counted in 1 / per_ns of one, as whole numbers
 * of 128 bits. */
#include "model.h"

#include <assert.h>

#include "model_state.h"

__extension__ typedef unsigned __int128 count_t;

static count_t count_of(const struct model_tokens *tokens)
{
    return (count_t)tokens->whole * tokens->per_ns + tokens->fraction;
}

static struct model_tokens tokens_of(count_t count, uint64_t burst,
                                     uint64_t per_ns, uint64_t at_ns)
{
    count_t most = (count_t)burst * per_ns;

    count = count < most ? count : most;
    return (struct model_tokens){at_ns, (uint64_t)(count / per_ns),
                                 (uint64_t)(count % per_ns), per_ns};
}

struct model_tokens model_tokens_at(const struct model_semaphore *semaphore,
                                    uint64_t time_ns)
{
    const struct model_tokens *tokens = &semaphore->tokens;
    const struct engine_definition *definition = &semaphore->definition;

    assert(time_ns >= tokens->at_ns && tokens->per_ns != 0);
    return tokens_of(count_of(tokens) +
                         (count_t)definition->rate * (time_ns - tokens->at_ns),
                     definition->burst, tokens->per_ns, time_ns);
}

uint64_t model_tokens_when(const struct model_semaphore *semaphore,
                           uint64_t now_ns, uint64_t permits)
{
    struct model_tokens tokens = model_tokens_at(semaphore, now_ns);
    count_t wanted = (count_t)permits * tokens.per_ns;
    count_t rate = semaphore->definition.rate;
    count_t wait_ns;

    if (wanted <= count_of(&tokens)) {
        return now_ns;
    }
    wait_ns = (wanted - count_of(&tokens) + rate - 1) / rate;
    return wait_ns >= TIME_NEVER - now_ns ? TIME_NEVER
                                          : now_ns + (uint64_t)wait_ns;
}

void model_tokens_define(struct model_semaphore *semaphore,
                         const struct engine_definition *old, uint64_t now_ns)
{
    const struct engine_definition *definition = &semaphore->definition;
    uint64_t per_ns = definition->per_ms * NS_PER_MS;
    struct model_semaphore before = *semaphore;
    struct model_tokens tokens;

    if (definition->kind != ENGINE_RATE) {
        return;
    }
    if (old == NULL) {
        semaphore->tokens =
            (struct model_tokens){now_ns, definition->burst, 0, per_ns};
        return;
    }
    before.definition = *old;
    tokens = model_tokens_at(&before, now_ns);
    /* Another per_ms rounds the fraction down. */
    semaphore->tokens =
        tokens_of((count_t)tokens.whole * per_ns +
                      (count_t)tokens.fraction * per_ns / tokens.per_ns,
                  definition->burst, per_ns, now_ns);
}

void model_tokens_add(struct model_semaphore *semaphore, int64_t permits,
                      uint64_t now_ns)
{
    struct model_tokens tokens = model_tokens_at(semaphore, now_ns);
    count_t count = count_of(&tokens);

    if (permits < 0) {
        assert(tokens.whole >= (uint64_t)-permits);
        count -= (count_t)-permits * tokens.per_ns;
    } else {
        count += (count_t)permits * tokens.per_ns;
    }
    semaphore->tokens =
        tokens_of(count, semaphore->definition.burst, tokens.per_ns, now_ns);
}
