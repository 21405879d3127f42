#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults that the simulation has to find, each one change of one source file.

  mutants.py list                      one line a mutant: its name and its file
  mutants.py write NAME SOURCE COPY    writes the mutated copy
  mutants.py check NAME SOURCE PROGRAM runs the simulation with it; exit status
                                       0 only if it found what is to be found

A mutant whose old text is not in the file exactly once is written unchanged, so
that the build goes on; its check says so and fails. `none` changes nothing, and
shows that the same command passes without a fault.
"""

import re
import subprocess
import sys

SEEDS = "1..200"
TIMEOUT_S = 60  # A mutant that never ends is found, too.

GATE = "server/gate.c"

# Name, file, old text, new text. Blanks and line ends in the old text stand for
# any blanks, so that formatting does not matter.
MUTANTS = [
    ("none", GATE, "", ""),
    ("answer_before_durable", GATE,
     "entry->is_gone || entry->seq > durable_seq ||",
     "entry->is_gone ||"),
    ("pushes_overtake_answers", GATE,
     ".passes = passes}", ".passes = passes || !is_answer}"),
    ("frame_leaves_twice", GATE,
     "if (entry->passes && !entry->is_gone) { entry->is_gone = true;",
     "if (entry->passes && !entry->is_gone) {"),
    ("frame_to_another_connection", GATE,
     "(chunk.length > 0 && entry->connection_id != chunk.connection_id)",
     "false"),
    ("batch_while_busy", GATE,
     "count == 0 || gate->store->is_busy(gate->store)", "count == 0"),
]


def find(name):
    for mutant in MUTANTS:
        if mutant[0] == name:
            return mutant
    sys.exit(f"mutants.py: no mutant {name!r}")


def mutate(name, source):
    """Returns the mutated text, or None if the old text is not there once."""
    _, _, old, new = find(name)
    with open(source, encoding="utf-8") as file:
        text = file.read()
    if not old:
        return text
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    if len(re.findall(pattern, text)) != 1:
        return None
    return re.sub(pattern, lambda _: new, text)


def write(name, source, copy):
    text = mutate(name, source)
    if text is None:
        with open(source, encoding="utf-8") as file:
            text = file.read()
    with open(copy, "w", encoding="utf-8") as file:
        file.write(text)


def check(name, source, program):
    if mutate(name, source) is None:
        sys.exit(f"{name}: the old text is not in {source} exactly once")
    command = [program, "--no-checks", "--seeds", SEEDS]
    try:
        status = subprocess.run(command, timeout=TIMEOUT_S, check=False,
                                stdout=sys.stdout).returncode
    except subprocess.TimeoutExpired:
        status = "endless"
    print(f"{name}: exit status {status}", flush=True)
    if (status == 0) != (name == "none"):
        sys.exit(f"{name}: the simulation is wrong about it")


def main(arguments):
    if arguments == ["list"]:
        for name, file, _, _ in MUTANTS:
            print(name, file)
    elif len(arguments) == 4 and arguments[0] == "write":
        write(*arguments[1:])
    elif len(arguments) == 4 and arguments[0] == "check":
        check(*arguments[1:])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
