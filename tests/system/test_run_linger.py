# SPDX-License-Identifier: MIT
"""permit run over lines that break and fall silent, and what is left of it when
it is killed meanwhile (CONVENTIONS 3.4 i to iii)."""
import os
import re
import signal
import time

import pytest

from cli import Pipe, children_of, define, finish, kill, permit, start
from conftest import eventually
from proxy import fixture_start_proxy  # pylint: disable=unused-import

SHORT = {"session": {"heartbeat": "300ms", "timeout": "900ms"}}
LINGER = 2  # Seconds; and so `permit run` believes for 0.9 of it.


@pytest.fixture(name="pipe")
def fixture_pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture(name="until")
def fixture_until(tmp_path):
    """A file: the command ends when it is there."""
    return tmp_path / "until"


def start_until(proxy, pipe, until, *options):
    """Starts a command that says when it is up, and when it gets TERM."""
    process = start(proxy, "run", *options, "jobs", "-c",
                    "trap 'echo term >&9' TERM; echo up >&9;"
                    f"while [ ! -e {until} ]; do sleep 0.01; done", pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    return process


def is_connected(daemon):
    _, _, data = daemon.get("/api/v1/semaphores/jobs/holders")
    holders = data["holders"]
    return len(holders) == 1 and holders[0]["connected"]


def go_on(daemon, proxy):
    """Another line is there, and the session has it."""
    eventually(lambda: max(proxy("lines"), default=0) > 1
               and is_connected(daemon))


def end_well(process, until):
    until.touch()
    code, _, err = finish(process)
    assert (code, "lost" in err) == (0, False), err


@pytest.mark.parametrize("end", ["fin", "rst"])
def test_a_cut_line_does_not_disturb_the_command(start_daemon, start_proxy,
                                                 pipe, until, end):
    daemon = start_daemon()
    proxy = start_proxy(daemon)
    define(daemon, "jobs")
    process = start_until(proxy, pipe, until)
    fence = daemon.semaphore("jobs")["fence"]
    proxy(end, 1, "both")
    go_on(daemon, proxy)
    assert permit(daemon, "run", "-n", "jobs", "true").returncode == 75
    assert daemon.semaphore("jobs")["fence"] == fence
    end_well(process, until)
    assert daemon.semaphore("jobs")["held"] == 0


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_a_silent_line_is_left_for_another(start_daemon, start_proxy, pipe,
                                           until, direction):
    daemon = start_daemon(SHORT)
    proxy = start_proxy(daemon)
    define(daemon, "jobs")
    process = start_until(proxy, pipe, until, "--linger", f"{LINGER}s")
    proxy("hole", 1, direction, "on")
    go_on(daemon, proxy)
    end_well(process, until)


def test_an_outage_that_lasts_is_a_loss_in_time(start_daemon, start_proxy,
                                                pipe, until):
    daemon = start_daemon(SHORT)
    proxy = start_proxy(daemon)
    define(daemon, "jobs")
    process = start_until(proxy, pipe, until, "--linger", f"{LINGER}s",
                          "--kill-after", "300ms")
    waiter = start(daemon, "run", "-q", "jobs", "true")
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1)
    proxy("refuse", "on")
    cut = time.monotonic()
    proxy("fin", 1, "both")
    assert pipe.line() == "term"
    assert pipe.is_ended()
    assert time.monotonic() < cut + LINGER
    assert waiter.poll() is None
    code, _, err = finish(process)
    assert code == 124
    assert "lost (session)" in err
    assert finish(waiter)[0] == 0


def test_a_daemon_that_has_forgotten_is_a_loss_at_once(start_daemon, pipe,
                                                       until):
    daemon = start_daemon()
    define(daemon, "jobs")
    process = start_until(daemon, pipe, until, "--kill-after", "200ms")
    daemon.kill()
    host, port = daemon.addresses[0]
    start_daemon(listen=(f"{host}:{port}",))
    assert pipe.line() == "term"
    assert pipe.is_ended()
    assert finish(process)[0] == 124


def sockets(pid):
    """Inodes of its TCP sockets."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        match = re.fullmatch(r"socket:\[(\d+)\]",
                             os.readlink(f"/proc/{pid}/fd/{fd}"))
        if match:
            found.add(match[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        return found & {line.split()[9] for line in table}


def test_the_guard_has_the_line_that_there_is(start_daemon, start_proxy, pipe,
                                              until):
    daemon = start_daemon()
    proxy = start_proxy(daemon)
    define(daemon, "jobs")
    process = start_until(proxy, pipe, until)
    guard, = children_of(process.pid)
    first = sockets(process.pid)
    assert len(first) == 1 and sockets(guard) == first
    proxy("fin", 1, "both")
    go_on(daemon, proxy)
    eventually(lambda: sockets(guard) == sockets(process.pid) != first)
    end_well(process, until)


def test_a_killed_wrapper_ends_its_session(start_daemon, start_proxy, pipe,
                                           until):
    """Its linger is 30 s, and its line is down: the guard tries until it can."""
    daemon = start_daemon()
    proxy = start_proxy(daemon)
    define(daemon, "jobs")
    process = start_until(proxy, pipe, until)
    proxy("refuse", "on")
    proxy("fin", 1, "both")
    eventually(lambda: not is_connected(daemon))
    kill(process.pid)
    assert pipe.is_ended()
    assert daemon.semaphore("jobs")["held"] == 1
    proxy("refuse", "off")
    eventually(lambda: daemon.semaphore("jobs")["held"] == 0)
    finish(process)


def test_a_wrapper_that_is_killed_while_it_waits_leaves_no_waiter(start_daemon):
    daemon = start_daemon()
    define(daemon, "jobs")
    holder = start(daemon, "hold", "jobs", stdin=-1)
    eventually(lambda: daemon.semaphore("jobs")["held"] == 1)
    waiter = start(daemon, "run", "-q", "jobs", "true")
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1)
    kill(waiter.pid)
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 0)
    finish(waiter)
    holder.stdin.close()
    holder.stdin = None
    finish(holder)


def test_a_linger_that_is_too_short_is_refused(start_daemon):
    daemon = start_daemon()
    define(daemon, "jobs")
    done = permit(daemon, "run", "--linger", "5s", "jobs", "true")
    assert done.returncode == 64
    assert "--linger must be at least the daemon's session timeout" \
        in done.stderr
    assert permit(daemon, "run", "--linger", "0", "jobs", "true"
                  ).returncode == 0


def test_a_wrapper_that_waits_keeps_its_place_over_a_cut(start_daemon,
                                                         start_proxy):
    daemon = start_daemon()
    proxy = start_proxy(daemon)
    define(daemon, "jobs")
    holder = start(daemon, "hold", "jobs", stdin=-1)
    eventually(lambda: daemon.semaphore("jobs")["held"] == 1)
    first = start(proxy, "run", "-q", "jobs", "true")
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1)
    second = start(daemon, "run", "-q", "jobs", "sleep", "1000")
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 2)
    proxy("rst", 1, "both")
    eventually(lambda: max(proxy("lines"), default=0) > 1 and
               not any(waiter["set_aside"] for waiter in daemon.get(
                   "/api/v1/semaphores/jobs/waiters")[2]["waiters"]))
    holder.stdin.close()
    holder.stdin = None
    finish(holder)
    assert finish(first)[0] == 0  # Before the second one, which stays.
    second.send_signal(signal.SIGTERM)
    finish(second)
