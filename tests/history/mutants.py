#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Daemons with a fault each, which a history has to show.

  mutants.py list                      one line a mutant: its name and its file
  mutants.py write NAME SOURCE COPY    writes the mutated copy
  mutants.py check NAME SOURCE DAEMON BUILD
                                       runs histories until the first violation;
                                       exit status 0 only if it is the one that
                                       is to be found

As tests/sim/mutants.py, whose ways it goes.
"""

import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "sim"))
import mutants as sim  # noqa: E402

LIMIT_S = 90  # Of rounds, for a mutant that stays unseen.
CALM = ["--seconds", "3", "--faults", ""]
STOPS = ["--seconds", "4", "--faults", "stop", "--off", "0.5", "--on", "1000"]
CUTS = ["--seconds", "5", "--faults", "cut", "--clients", "12", "--off", "0.5", "--on", "1000"]

# Name, file, old text, new text, what the history has to break, faults.
MUTANTS = [
    ("grant_one_too_many", sim.SEMAPHORES,
     "(int64_t)semaphore->permits - (int64_t)semaphore->held",
     "(int64_t)semaphore->permits + 1 - (int64_t)semaphore->held",
     "belief", CALM),
    ("release_forgotten", "server/engine/parts.c",
     "semaphore->held -= permits;",
     "semaphore->held -= permits == 2 ? 1 : permits;",
     "waits", CALM),
    ("order_broken", sim.QUEUE,
     "a->key_ns < b->key_ns", "a->key_ns > b->key_ns",
     "order", CALM),
    ("freed_too_early", sim.SESSIONS,
     "uint64_t end_ns = deadline_after_ms(session->heard_ns, session->timeout_ms);",
     "uint64_t end_ns = deadline_after_ms(session->heard_ns, session->timeout_ms / 2);",
     "belief", STOPS),
    ("linger_ignored", sim.SESSIONS,
     "by_client && session->linger_ms == 0", "by_client",
     "belief", CUTS),
    ("resend_taken_twice", "server/requests.c",
     # What is held already stays: the engine has one acquire of an id.
     "case ANSWERS_ANSWERED: session_answer_again(session, message, former);",
     "case ANSWERS_ANSWERED:"
     " if (message->type == WIRE_ACQUIRE && !message->acquire.parts[0].consume) {"
     " session_answer_again(session, message, former); } else {"
     " sessions_do(session->all, event); }",
     "belief|outcome|value", CUTS),
]
sim.MUTANTS[:] = [mutant[:4] for mutant in MUTANTS]


def check(name, source, daemon, build):
    if sim.mutate(name, source) is None:
        sys.exit(f"{name}: the old text is not in {source} exactly once")
    law, faults = next(mutant[4:] for mutant in MUTANTS if mutant[0] == name)
    limit = time.monotonic() + LIMIT_S
    seed = 0
    while time.monotonic() < limit:
        seed += 1
        command = [os.path.join(HERE, "run"), "--seed", str(seed), "--build", build,
                   "--daemon", daemon, "--until-violation", *faults]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            print(done.stdout, flush=True)
            if done.returncode != 1 or not re.search(f"^violation: ({law}): ", done.stdout, re.M):
                sys.exit(f"{name}: this is not what is wrong with it")
            return
    sys.exit(f"{name}: no history showed it in {LIMIT_S} s")


def main(arguments):
    if len(arguments) == 5 and arguments[0] == "check":
        check(*arguments[1:])
    else:
        sim.main(arguments)


main(sys.argv[1:])
