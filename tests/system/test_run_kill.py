# SPDX-License-Identifier: MIT
"""`permit run` while somebody kills wrappers and guards at any moment.

Who may run at once is seen by the kernel: each command takes one of as many
lock files as there are permits, and its descendants, who cannot be told from
others any more, inherit the lock. One more than the permits finds none free.

RUN_KILLS=200 tests more moments."""
import os
import random
import select
import signal

import pytest

from cli import (Pipe, children_of, define, finish, fixture_jobs, kill,
                 nothing_left_behind, start)  # fixture_jobs is used by its name
from conftest import eventually

KILLS = int(os.environ.get("RUN_KILLS", "30"))
PERMITS = 2
CONTENDERS = 4

# Takes a lock, leaves an orphan that hides, lives for a moment.
COMMAND = """
for slot in "$1".*; do
    exec 8>"$slot"
    if flock -n 8; then
        trap '' TERM
        (setsid sh -c "sleep $2; exit" 9>&- &)
        (sleep $3 &)
        sleep $2
        exit 0
    fi
done
echo "over its permits" >&9
"""


class Contenders:
    """As many runs as are wanted at once, and new ones for those that ended."""

    def __init__(self, daemon, name, directory):
        self.daemon, self.name, self.locks = daemon, name, directory / "lock"
        for slot in range(PERMITS):
            (directory / f"lock.{slot}").touch()
        self.complaints = Pipe()
        self.processes = []
        self.hurt = set()  # Their wrapper or their guard was killed.
        self.codes = set()

    def start(self):
        times = [f"{random.uniform(0, 0.04):.3f}" for _ in range(2)]
        self.processes.append(start(
            self.daemon, "run", "-q", self.name, "--", "sh", "-c", COMMAND,
            "sh", self.locks, *times, pipe=self.complaints,
            # Whoever seeks leaks is a child too, and must not be killed.
            env={"ASAN_OPTIONS": "detect_leaks=0"}))

    def refill(self):
        for process in self.processes[:]:
            if process.poll() is not None:
                code, _, err = finish(process)
                self.codes.add(code)
                assert code in (0, 137, -signal.SIGKILL), err
                self.processes.remove(process)
        while len(self.processes) < CONTENDERS:
            self.start()

    def kill_one(self):
        """A wrapper or a guard; at times there is no guard yet, or no more."""
        process = random.choice(self.processes)
        if process.pid in self.hurt:
            return  # Who loses both leaves a session that lingers.
        self.hurt.add(process.pid)
        victims = [process.pid, *children_of(process.pid)]
        victim = random.choice(victims)
        try:
            kill(victim)
        except ProcessLookupError:
            pass

    def end(self):
        for process in self.processes:
            self.codes.add(finish(process)[0])
        self.complaints.close_writer()
        assert self.complaints.is_ended()
        self.complaints.close()


def test_never_more_than_its_permits_whoever_is_killed(shared, jobs, tmp_path):
    define(shared, jobs, PERMITS)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    random.seed(seed)
    with nothing_left_behind():
        contenders = Contenders(shared, jobs, tmp_path)
        for _ in range(KILLS):
            contenders.refill()
            select.select([], [], [], random.uniform(0, 0.08))
            contenders.kill_one()
        contenders.end()
    assert {0, -signal.SIGKILL} <= contenders.codes
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 0)
    eventually(lambda: shared.count_fds() == shared.fds_idle)


@pytest.mark.parametrize("_", range(5))
def test_if_both_die_at_once_the_command_is_gone(shared, jobs, _):
    define(shared, jobs)
    pipe = Pipe()
    process = start(shared, "run", "--linger", "0", jobs, "--", "sh", "-c",
                    "trap '' HUP TERM; echo up >&9; while :; do read x; done",
                    stdin=None, pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    guard, = children_of(process.pid)
    kill(process.pid, signal.SIGSTOP)  # So it cannot do anything in between.
    kill(guard)
    kill(process.pid)
    assert pipe.is_ended()
    assert finish(process)[0] == -signal.SIGKILL
    assert finish(start(shared, "run", jobs, "true"))[0] == 0
    pipe.close()
