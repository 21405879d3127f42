#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of rates, holds and shares that their own tests have to find.

  mutants.py list                      one line a mutant: its name and its file
  mutants.py write NAME SOURCE COPY    writes the mutated copy
  mutants.py check NAME SOURCE PROGRAM runs the test with it; exit status 0 only
                                       if it found what is to be found

As tests/sim/mutants.py, whose ways it goes.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "sim"))
import mutants as sim  # noqa: E402

BUCKET = "server/engine/bucket.c"
HOLDS = "server/engine/holds.c"
SHARES = "server/engine/shares.c"

# Name, file, old text, new text.
sim.MUTANTS[:] = [
    ("bucket_none", BUCKET, "", ""),
    ("bucket_drifts", BUCKET,
     "bucket->fraction = parts % bucket->per_ns;", "bucket->fraction = 0;"),
    ("bucket_drifts_after_a_rest", BUCKET,
     "bucket->fraction = (uint64_t)(many - tokens * bucket->per_ns);",
     "bucket->fraction = 0 * (uint64_t)many;"),
    ("bucket_forgets_parts_of_a_token", BUCKET,
     "bucket->fraction = parts; return", "return"),
    ("bucket_overflows", BUCKET,
     "if (!__builtin_mul_overflow(elapsed_ns, bucket->rate, &parts) && "
     "!__builtin_add_overflow(parts, bucket->fraction, &parts)) {",
     "parts = elapsed_ns * bucket->rate + bucket->fraction; if (true) {"),
    ("bucket_carry_overflows", BUCKET,
     "!__builtin_add_overflow(parts, bucket->fraction, &parts)",
     "(parts += bucket->fraction) + 1 != 0"),
    ("bucket_cuts_a_long_rest", BUCKET,
     "tokens < bucket->burst ? (uint64_t)tokens : bucket->burst",
     "(uint64_t)tokens"),
    ("bucket_token_a_ns_late", BUCKET,
     "if (parts < bucket->per_ns)", "if (parts <= bucket->per_ns)"),
    ("bucket_full_keeps_a_fraction", BUCKET,
     "bucket->tokens = bucket->burst; bucket->fraction = 0;",
     "bucket->tokens = bucket->burst;"),
    ("bucket_above_burst", BUCKET,
     "if (more >= bucket->burst - bucket->tokens) {",
     "if (more > bucket->burst) {"),
    ("bucket_changes_the_past", BUCKET,
     "(void)bucket_tokens(bucket, now_ns); define(bucket, rate, per_ms, burst);",
     "define(bucket, rate, per_ms, burst); (void)bucket_tokens(bucket, now_ns);"),
    ("bucket_change_keeps_the_old_unit", BUCKET,
     "(uint64_t)((wide)bucket->fraction * bucket->per_ns / old_per_ns)",
     "bucket->fraction < bucket->per_ns ? bucket->fraction : old_per_ns * 0"),
    ("bucket_change_clips_nothing", BUCKET,
     "if (bucket->tokens >= burst) {", "if (bucket->tokens > burst) {"),
    ("bucket_wakes_a_ns_late", BUCKET,
     "(delay_ns - bucket->fraction - 1) / bucket->rate + 1",
     "(delay_ns - bucket->fraction) / bucket->rate + 1"),
    ("bucket_wakes_a_ns_early", BUCKET,
     "(parts + bucket->rate - 1) / bucket->rate", "parts / bucket->rate"),
    ("bucket_wakes_without_the_fraction", BUCKET,
     "(wide)missing * bucket->per_ns - bucket->fraction",
     "(wide)missing * bucket->per_ns"),
    ("bucket_never_is_soon", BUCKET,
     "delay < TIME_NEVER ? (uint64_t)delay : TIME_NEVER", "(uint64_t)delay"),
    ("holds_old_ones_count", HOLDS,
     "holds->permits_ms_sum -= (wide)hold->permits * hold->held_ms;", ""),
    ("holds_round_down", HOLDS,
     "dividend / divisor + (dividend % divisor != 0)", "dividend / divisor"),
    ("holds_lose_the_rest_of_the_mean", HOLDS,
     "rest = (uint64_t)(holds->permits_ms_sum % holds->permits_sum);",
     "rest = 0;"),
    ("holds_estimate_overflows", HOLDS,
     "estimate < INT64_MAX ? (uint64_t)estimate : INT64_MAX",
     "(uint64_t)estimate"),
    ("shares_of_another_semaphore", SHARES,
     "share_at(shares, index)->semaphore != semaphore", "semaphore == 0"),
    ("shares_keep_empty_ones", SHARES,
     "if (share->permits == 0) {", "if (share->permits == 1) {"),
]


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "check":
        sim.check(*arguments[1:], [])
    else:
        sim.main(arguments)


main(sys.argv[1:])
