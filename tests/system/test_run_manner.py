# SPDX-License-Identifier: MIT
"""`permit run` when it goes wrong: a daemon that is away, a permit that is lost,
signals while it waits, and what it tells the program that has started it."""
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import wire
from cli import (Pipe, define, environment, finish, fixture_jobs, permit,
                 start)  # fixture_jobs is used by its name
from conftest import eventually


@pytest.fixture(name="pipe")
def fixture_pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture(name="holder")
def fixture_holder(shared, jobs):
    """Holds the one permit of `jobs` until its stdin ends."""
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        yield holder
        if holder.returncode is None:
            assert finish(holder)[0] == 0


def start_with(pipe, option, daemon, *args, **options):
    """Starts `permit run` with the pipe as descriptor 9, for --OPTION=9."""
    process = start(daemon, "run", f"--{option}=9", *args, pipe=pipe, **options)
    pipe.close_writer()
    return process


def events_of(pipe):
    """What is told on --status-fd, to its end."""
    events = []
    while line := pipe.line():
        events.append(json.loads(line))
    return events


class Scripted:
    """A server that welcomes everybody, drops the line of the first Acquires,
    and gives the later ones the answer that it is told, or none."""

    def __init__(self, drops=0, kind=None, **refused):
        self.drops = drops
        self.kind = kind or wire.pb.BOUNDED
        self.refused = refused
        self.waits = []
        self.is_asked = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addresses = [self.listener.getsockname()]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            while True:
                line, _ = self.listener.accept()
                threading.Thread(target=self.talk, args=(line,),
                                 daemon=True).start()
        except OSError:
            pass  # Closed.

    def talk(self, line):
        with line, line.makefile("rb") as stream:
            line.sendall(wire.PREFACE)
            stream.read(4)
            while len(head := stream.read(4)) == 4:
                asked = wire.pb.ClientMessage.FromString(
                    stream.read(struct.unpack(">I", head)[0]))
                answer = wire.pb.ServerMessage(id=asked.id)
                if wire.kind(asked) == "hello":
                    answer.welcome.session_id = 7
                    answer.welcome.secret = bytes(16)
                    answer.welcome.heartbeat_ms = 5000
                    answer.welcome.session_timeout_ms = 15000
                elif wire.kind(asked) == "acquire":
                    self.waits.append(asked.acquire.wait_ms)
                    self.is_asked.set()
                    if len(self.waits) <= self.drops:
                        return
                    for key, value in self.refused.items():
                        setattr(answer.refused, key, value)
                elif wire.kind(asked) == "query":
                    answer.semaphore.name = asked.query.semaphore
                    answer.semaphore.kind = self.kind
                elif wire.kind(asked) == "bye":
                    return
                if wire.kind(answer) is None:
                    continue
                line.sendall(wire.frame(answer))

    def close(self):
        self.listener.close()


class Dropping(Scripted):
    """A server that closes every connection at once."""

    count = 0

    def talk(self, line):
        self.count += 1
        line.close()


# ------------------------------------------------------------ unreachable

AWAY = {"PERMIT_SERVER": "permit://127.0.0.1:1"}


def test_without_a_daemon_the_command_may_run_without_a_permit(shared, jobs):
    outer = {"PERMIT_GRANT": "1", "PERMIT_FENCE": "2", "PERMIT_DEPTH": "1",
             "PERMIT_SLOTS": "0", "PERMIT_CONTROL": "/x"}
    done = permit(shared, "run", "-q", "--on-unreachable=run", jobs, "-c",
                  "env; exit 5", env={**outer, **AWAY})
    assert done.returncode == 5
    ours = [line for line in done.stdout.splitlines()
            if line.startswith("PERMIT_") and line.split("=")[0] not in
            ("PERMIT_SERVER", "PERMIT_BIN")]
    assert not ours
    assert "127.0.0.1:1" in done.stderr
    assert f"runs without a permit of {jobs}" in done.stderr


def test_a_command_without_a_permit_has_its_signals(shared, jobs, pipe):
    process = start(shared, "run", "--on-unreachable=run", jobs, "-c",
                    "trap 'exit 4' USR1; echo up >&9; while :; do sleep 0.01;"
                    "done", env=AWAY, pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    process.send_signal(signal.SIGUSR1)
    assert finish(process)[0] == 4


def test_only_what_is_away_is_run_without_a_permit(holder, shared, jobs):
    done = permit(shared, "run", "-n", "--on-unreachable=run", jobs, "true")
    assert done.returncode == 75
    assert holder.poll() is None


def test_a_wait_for_the_daemon_ends_with_the_wait(shared, jobs):
    done = permit(shared, "run", "-w", "0.3", "--on-unreachable=wait", jobs,
                  "true", env=AWAY)
    assert done.returncode == 69
    assert done.stderr.count("trying again") == 1
    assert permit(shared, "run", "-n", "--on-unreachable=wait", jobs, "true",
                  env=AWAY).returncode == 69


def test_a_wait_for_the_daemon_tries_less_and_less_often():
    """In the mean five times in a second; without a pause, hundreds."""
    dropping = Dropping()
    assert permit(dropping, "run", "-w", 1, "--on-unreachable=wait", "jobs",
                  "true").returncode == 69
    assert 1 < dropping.count < 30
    dropping.close()


def test_who_waits_survives_a_daemon_that_goes_away(start_daemon, pipe):
    """In its queue, and before it comes."""
    first = start_daemon()
    define(first, "jobs")
    with start(first, "hold", "jobs", stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        waiter = start(first, "run", "-q", "-w", "1m", "--on-unreachable=wait",
                       "jobs", "-c", "echo up >&9; exit 3", pipe=pipe)
        pipe.close_writer()
        eventually(lambda: first.semaphore("jobs")["waiters"] == 1)
        first.kill()
        assert holder.wait(10) == 124
    assert pipe.is_quiet(0.3)
    second = start_daemon({"semaphores": [{"name": "jobs", "permits": 1}]},
                          listen=[f"127.0.0.1:{first.port}"])
    assert pipe.line() == "up"
    assert finish(waiter)[0] == 3
    assert second.semaphore("jobs")["totals"]["grants_total"] == 1


@pytest.mark.parametrize("args, kind", [
    (["jobs"], wire.pb.RATE), (["--take", "more", "jobs"], wire.pb.COUNTING)])
def test_what_is_taken_for_good_is_not_asked_twice(args, kind):
    server = Scripted(drops=1, kind=kind)
    done = permit(server, "run", "-w", 60, *args, "true")
    assert done.returncode == 74
    assert "it may have happened or not" in done.stderr
    assert len(server.waits) == 1


def test_who_is_asked_anew_has_waited_already():
    server = Scripted(drops=2, reason=wire.pb.TIMEOUT)
    assert permit(server, "run", "-w", 60, "jobs", "true").returncode == 75
    first, second, third = server.waits
    assert 50000 < third <= second <= first <= 60000
    assert third < first
    server.close()


def test_a_lost_take_is_not_asked_again(start_daemon):
    daemon = start_daemon()
    assert permit(daemon, "set", "jobs", "--kind", "counting", "--permits",
                  0).returncode == 0
    waiter = start(daemon, "take", "--json", "jobs")
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1)
    daemon.kill()
    code, _, err = finish(waiter)
    assert code == 74
    assert json.loads(err)["error"]["reason"] == "outcome_unknown"


# ------------------------------------------------- signals while it waits

@pytest.mark.parametrize("command", ["run", "hold"])
def test_a_signal_ends_an_attempt_to_connect_at_once(shared, jobs, command):
    """To somebody who takes the line and says nothing."""
    args = ["--on-unreachable=wait"] if command == "run" else []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = start(shared, command, *args, jobs,
                        *(["true"] if command == "run" else []),
                        env={"PERMIT_SERVER": address})
        line, _ = silent.accept()
        process.send_signal(signal.SIGTERM)
        assert process.wait(3) == 143
        line.close()
    finish(process)


def test_a_signal_ends_the_pause_between_two_attempts(shared, jobs):
    process = start(shared, "run", "--on-unreachable=wait", jobs, "true",
                    env=AWAY)
    assert "trying again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(3) == 130
    finish(process)


def test_a_second_signal_ends_a_wait_at_once(shared, jobs):
    """The first waits for an answer to its Cancel, which does not come."""
    server = Scripted()
    process = start(server, "run", jobs, "true")
    assert server.is_asked.wait(10)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(3) == 143
    finish(process)
    server.close()


def test_a_grant_that_crosses_a_signal_is_given_back(holder, shared, jobs):
    waiter = start(shared, "run", "-q", jobs, "--", "echo", "never")
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    waiter.send_signal(signal.SIGSTOP)
    finish(holder)
    eventually(lambda: shared.semaphore(jobs)["held"] == 1)  # On its way.
    waiter.send_signal(signal.SIGINT)
    waiter.send_signal(signal.SIGCONT)
    assert finish(waiter) == (130, "", "")
    assert shared.semaphore(jobs)["held"] == 0
    assert sum(shared.semaphore(jobs)["totals"]["lost_total"].values()) == 0


# -------------------------------------------------------------------- lost

def test_a_lost_permit_may_be_ignored(start_daemon, pipe):
    """Past the deadline, too, when another may have it."""
    daemon = start_daemon({"session": {"heartbeat": "100ms",
                                       "timeout": "300ms"}})
    define(daemon, "jobs")
    process = start(daemon, "run", "--on-lost=ignore", "jobs", "-c",
                    "echo up >&9; read line; echo $line >&9; exit 6",
                    stdin=subprocess.PIPE, pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    daemon.kill()
    assert "is lost (session): the command runs on" in process.stderr.readline()
    assert pipe.is_quiet(0.5)
    process.stdin.write("still here\n")
    process.stdin.flush()
    assert pipe.line() == "still here"
    assert finish(process)[0] == 6


@pytest.mark.parametrize("how, told", [("usr1", "usr1"), ("15", "term"),
                                       ("kill", "")])
def test_a_lost_command_gets_what_was_asked_for(shared, jobs, pipe, how, told):
    """At kill_after before the end of the hold; and KILL is not waited for."""
    define(shared, jobs)
    hold, after = ("5.3", "5") if how == "kill" else ("0.6", "0.3")
    began = time.monotonic()
    process = start(shared, "run", "--on-lost", how, "--hold", hold,
                    "--kill-after", after, jobs, "-c",
                    "trap 'echo usr1 >&9' USR1; trap 'echo term >&9' TERM;"
                    "echo up >&9; while :; do sleep 0.01; done", pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    assert pipe.line() == told  # At once its end, for kill.
    assert finish(process)[0] == 124
    assert told == "" or pipe.is_ended()
    assert 0.3 <= time.monotonic() - began < 3


def test_what_is_taken_back_ends_within_its_grace(start_daemon, pipe):
    """However long --kill-after is: then the permits are another's."""
    daemon = start_daemon({"session": {"grace": "500ms"}})
    define(daemon, "jobs")
    process = start(daemon, "run", "--kill-after", "8", "jobs", "-c",
                    "trap 'echo term >&9' TERM;"
                    "echo up >&9; while :; do sleep 0.01; done", pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    began = time.monotonic()
    assert permit(daemon, "delete", "--force", "-y", "jobs").returncode == 0
    assert pipe.line() == "term"
    assert pipe.is_ended()
    assert time.monotonic() - began < 4
    code, _, err = finish(process)
    assert code == 124
    assert "is lost (deleted)" in err


def test_a_wrapper_that_slept_too_long_says_what_was_lost(start_daemon, pipe):
    daemon = start_daemon({"session": {"heartbeat": "100ms",
                                       "timeout": "300ms"}})
    define(daemon, "jobs")
    process = start(daemon, "run", "--linger", "300ms", "jobs", "-c",
                    "echo up >&9; exec sleep 1000", pipe=pipe)
    pipe.close_writer()
    assert pipe.line() == "up"
    process.send_signal(signal.SIGSTOP)
    assert pipe.is_ended()  # The guard kept the deadline.
    process.send_signal(signal.SIGCONT)
    code, _, err = finish(process)
    assert code == 124
    assert "lost (session)" in err


# --------------------------------------------------------------- status-fd

def test_status_fd_tells_wait_grant_and_release(holder, shared, jobs, pipe):
    process = start_with(pipe, "status-fd", shared, "-q", jobs, "ls",
                         "/proc/self/fd")
    first = json.loads(pipe.line())
    assert first.pop("waited_seconds") >= 0
    assert first == {"event": "waiting", "semaphore": jobs, "position": 1,
                     "waiters": 1, "held": 1, "permits": 1, "waits_for": jobs,
                     "permits_in_the_way": 1, "retry_after_seconds": None}
    finish(holder)
    granted, released = events_of(pipe)
    assert granted["event"] == "granted" and released["event"] == "released"
    for event in (granted, released):
        assert event["semaphore"] == jobs
        assert event["grant_id"] == granted["grant_id"]
        assert int(event["fence"]) > 0
    assert granted["permits"] == 1 and int(granted["session_id"]) > 0
    assert granted["waited_seconds"] >= 0 and released["held_seconds"] >= 0
    code, out, err = finish(process)
    assert (code, err) == (0, "")
    assert out.split() == ["0", "1", "2", "3"]  # Not the status's.


def test_status_fd_tells_a_loss(shared, jobs, pipe):
    define(shared, jobs)
    process = start_with(pipe, "status-fd", shared, "--hold=200ms", jobs,
                         "sleep", 1000)
    granted, lost = events_of(pipe)
    assert (granted["event"], lost["event"]) == ("granted", "lost")
    assert lost["loss"] == "hold" and lost["fence"] == granted["fence"]
    assert finish(process)[0] == 124


def test_a_status_fd_that_is_full_or_closed_does_no_harm(holder, shared, jobs,
                                                         pipe):
    os.set_blocking(pipe.writer, False)
    while True:
        try:
            os.write(pipe.writer, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(pipe.writer, True)
    full = start(shared, "run", "-q", "--status-fd=9", jobs, "true", pipe=pipe)
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    other = Pipe()
    closed = start(shared, "run", "--status-fd=9", jobs, "true", pipe=other)
    other.close()
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 2)
    finish(holder)
    assert finish(full)[0] == 0
    assert finish(closed)[0] == 0


def test_a_status_fd_may_be_a_socket(shared, jobs):
    define(shared, jobs)
    ours, theirs = socket.socketpair()
    with ours, ours.makefile() as lines:
        with theirs:
            number = theirs.fileno()
            done = subprocess.run(
                [os.environ["PERMIT_BIN"], "run", f"--status-fd={number}", jobs,
                 "true"], env=environment(shared), pass_fds=(number,),
                check=False)
        assert done.returncode == 0
        assert [json.loads(line)["event"] for line in lines] == ["granted",
                                                                 "released"]


def test_a_status_fd_that_is_none_is_64(shared, jobs):
    define(shared, jobs)
    with open("/dev/null", "rb") as reader:
        fcntl.fcntl(reader, fcntl.F_SETFD, 0)
        for number in (977, reader.fileno()):
            done = permit(shared, "run", "--json", f"--status-fd={number}",
                          jobs, "true", pass_fds=(reader.fileno(),))
            assert done.returncode == 64
            assert str(number) in json.loads(done.stderr)["error"]["message"]


# ------------------------------------------------------------------ others

def test_labels_are_shown(holder, shared, jobs):
    waiter = start(shared, "run", "-q", "--label=job=nightly", "--label", "x=",
                   jobs, "--", os.environ["PERMIT_BIN"], "holders", "--json",
                   jobs)
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    rows = json.loads(permit(shared, "waiters", "--json", jobs).stdout)
    assert rows["waiters"][0]["labels"] == {"job": "nightly", "x": ""}
    finish(holder)
    code, out, _ = finish(waiter)
    assert code == 0
    assert json.loads(out)["holders"][0]["labels"] == {"job": "nightly",
                                                       "x": ""}


def test_a_refusal_says_after_how_long_to_try_again():
    server = Scripted(reason=wire.pb.PAUSED, retry_after_ms=1500)
    done = permit(server, "run", "--json", "-n", "jobs", "true")
    assert done.returncode == 75
    error = json.loads(done.stderr)["error"]
    assert error["reason"] == "paused"
    assert error["retry_after_seconds"] == 1.5
    server.close()


def read_terminal(fd):
    assert select.select([fd], [], [], 10)[0]
    try:
        return os.read(fd, 4096).decode()
    except OSError:  # Nobody has it open any more.
        return ""


def test_a_terminals_line_grows_older_while_nothing_happens(holder, shared,
                                                            jobs):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([os.environ["PERMIT_BIN"], "run", jobs, "true"],
                               env=environment(shared), stderr=theirs,
                               stdin=subprocess.DEVNULL)
    os.close(theirs)
    text = ""
    while " held · 1s ·" not in text:
        text += read_terminal(ours)
    assert text.startswith(f"\rpermit: waiting for {jobs} · 1st of 1 ")
    assert "\n" not in text
    finish(holder)
    while more := read_terminal(ours):
        text += more
    os.close(ours)
    assert text.endswith("\r\x1b[K")
    assert process.wait(10) == 0


def test_plain_progress_tells_each_place_but_not_all_at_once(holder, shared,
                                                             jobs):
    """A place that changed within the interval is told when that is over."""
    first = start(shared, "hold", jobs, stdin=subprocess.PIPE)
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    waiter = start(shared, "run", "--progress-interval=1.2", jobs, "true")
    assert "· 2nd of 2 ·" in waiter.stderr.readline()
    first.send_signal(signal.SIGTERM)
    assert finish(first)[0] == 143
    line = waiter.stderr.readline()
    assert "· 1st of 1 ·" in line
    assert " held · 0s" not in line
    finish(holder)
    assert finish(waiter)[0] == 0
