# SPDX-License-Identifier: MIT
"""What the engine costs: instructions are counted, not time."""
import os
import re
import subprocess


def instructions(directory, binary, number):
    """What the program counts of itself, for a number."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--instr-atstart=no",
         "--collect-atstart=no",
         f"--callgrind-out-file={directory}/{number}",
         os.environ[binary], str(number)],
        capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def test_c15_the_middle_of_a_million_costs_little_more_than_of_thousands(
        tmp_path):
    """A million is 500 times as many and has 1.8 times the logarithm."""
    few = instructions(tmp_path, "MANY_BIN", 2000)
    many = instructions(tmp_path, "MANY_BIN", 1000000)
    print(few, many)
    assert many < 3 * few


def test_three_semaphores_at_once_cost_at_most_twice_one(tmp_path):
    one = instructions(tmp_path, "PARTS_BIN", 1)
    three = instructions(tmp_path, "PARTS_BIN", 3)
    print(one, three)
    assert three <= 2 * one
