# SPDX-License-Identifier: MIT
"""What a queue costs when it is long: instructions are counted, not time."""
import os
import re
import subprocess


def instructions(directory, waiters):
    """To cancel some of the waiters and let some time out, in the middle."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--instr-atstart=no",
         "--collect-atstart=no",
         f"--callgrind-out-file={directory}/{waiters}",
         os.environ["MANY_BIN"], str(waiters)],
        capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def test_c15_the_middle_of_a_million_costs_little_more_than_of_thousands(
        tmp_path):
    """A million is 500 times as many and has 1.8 times the logarithm."""
    few = instructions(tmp_path, 2000)
    many = instructions(tmp_path, 1000000)
    print(few, many)
    assert many < 3 * few
