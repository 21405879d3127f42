# SPDX-License-Identifier: MIT
"""How fast a killed client's permits are another's, in a Release build."""
import statistics
import time

from conftest import Child


def test_a1_within_50_ms(shared, jobs):
    took = []
    with shared.client() as line:
        line.define(jobs)
        for _ in range(20):
            child = Child(shared, jobs)
            waiting = line.send_acquire(jobs, wait_ms=-1)
            line.ping()
            begun = time.monotonic()
            child.kill()
            grant = line.answer(waiting)
            took.append(time.monotonic() - begun)
            child.reap()
            line.release(grant.id)
    median = statistics.median(took)
    print(f"\nkill to the next grant: median {median * 1000:.2f} ms, "
          f"max {max(took) * 1000:.2f} ms")
    assert median < 0.05, took
