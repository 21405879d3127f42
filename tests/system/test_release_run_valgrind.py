# SPDX-License-Identifier: MIT
"""`permit run` under valgrind: the wrapper and its guard. A command is itself
again once it is executed."""
import os
import re
import signal
import subprocess

import pytest

from cli import define, environment, finish, fixture_jobs, start
# fixture_jobs is used by its name
from conftest import eventually


@pytest.fixture(name="valgrind")
def fixture_valgrind(shared, tmp_path):
    """Starts permit; in the end valgrind must have nothing to say of either
    process, and the wrapper no socket open."""
    started = []

    def run(*args):
        started.append(subprocess.Popen(
            ["valgrind", "-q", "--leak-check=full", "--track-fds=yes",
             f"--log-file={tmp_path}/%p.log", os.environ["PERMIT_BIN"], *args],
            env=environment(shared), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    logs = {int(log.stem): log.read_text() for log in tmp_path.glob("*.log")}
    assert len(logs) >= 2  # The guard's too.
    for pid, text in logs.items():
        assert not re.search(r"Invalid|uninitialised|unaddressable| lost in "
                             r"|Process terminating", text), text
        assert pid != started[0].pid or not re.search(r"Open AF_", text), text


@pytest.mark.parametrize("command, code", [
    (("true",), 0), (("/nonexistent/x",), 127),
    (("sh", "-c", "setsid sleep 0.1 & kill -KILL $$"), 137)])
def test_a_command(shared, jobs, valgrind, command, code):
    define(shared, jobs)
    assert finish(valgrind("run", jobs, "--", *command), 60)[0] == code


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_wait(shared, jobs, valgrind, is_cancelled):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        waiter = valgrind("run", jobs, "true")
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 1, 60)
        if is_cancelled:
            waiter.send_signal(signal.SIGTERM)
            assert finish(waiter, 60)[0] == 143
        assert finish(holder)[0] == 0
        if not is_cancelled:
            assert finish(waiter, 60)[0] == 0
