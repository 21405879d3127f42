# SPDX-License-Identifier: MIT
"""`permit renew` within `permit run --hold`, and `permit verify`."""
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from cli import (Pipe, define, finish, fixture_jobs, permit,
                 start)  # fixture_jobs is used by its name
from conftest import eventually

OTHER_USER = 65534  # Of nobody.
RENEW = '"$PERMIT_BIN" renew '


@pytest.fixture(name="pipe")
def fixture_pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


def start_script(daemon, pipe, script, *options):
    """A run of a shell that has the pipe as descriptor 9."""
    process = start(daemon, "run", *options, "--", "/bin/sh", "-c", script,
                    pipe=pipe)
    pipe.close_writer()
    return process


def run_script(daemon, script, *options):
    return permit(daemon, "run", *options, "--", "/bin/sh", "-c", script)


# -------------------------------------------------------------------- renew

def test_a_command_outlives_its_hold_by_renewing(shared, jobs):
    define(shared, jobs)
    done = run_script(shared, f"for i in 1 2 3; do sleep 0.7; {RENEW} ||"
                      "exit 9; done", "--hold=1.6", "--kill-after=300ms", jobs)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_guard_knows_when_renew_says_so(shared, jobs, pipe):
    """A stopped wrapper tells it nothing any more."""
    define(shared, jobs)
    run = start_script(shared, pipe,
                       f"{RENEW} --hold=1m && echo renewed >&9; exec sleep 1000",
                       "--hold=1.5", jobs)
    began = time.monotonic()
    assert pipe.line() == "renewed"
    run.send_signal(signal.SIGSTOP)
    try:
        assert pipe.is_quiet(began + 2.5 - time.monotonic())
    finally:
        run.send_signal(signal.SIGCONT)
    holder = shared.get(f"/api/v1/semaphores/{jobs}/holders")[2]["holders"][0]
    assert holder["expires_at"] > holder["granted_at"]
    run.send_signal(signal.SIGTERM)
    assert finish(run)[0] == 128 + signal.SIGTERM


def test_a_shorter_hold_ends_so_early(shared, jobs):
    define(shared, jobs)
    began = time.monotonic()
    done = run_script(shared, RENEW + "--hold=900ms; sleep 60", "--hold=1m",
                      "--kill-after=100ms", jobs)
    assert done.returncode == 124 and "(hold)" in done.stderr
    assert time.monotonic() - began < 15


def test_a_hold_that_leaves_nothing_is_refused(shared, jobs):
    define(shared, jobs)
    done = run_script(shared, RENEW + "--hold=2s; echo $?; sleep 0.1",
                      "--hold=1m", "--kill-after=2s", jobs)
    assert (done.returncode, done.stdout) == (0, "64\n")
    assert "longer than the run's --kill-after" in done.stderr


def test_what_is_lost_is_not_renewed(shared, jobs):
    define(shared, jobs)
    done = run_script(shared, f"sleep 0.4; {RENEW} --json; echo $?",
                      "--hold=100ms", "--on-lost=ignore", jobs)
    assert done.stdout == "124\n"
    assert json.loads(done.stderr.splitlines()[-1])["error"]["reason"] in (
        "expired", "lost")


def test_without_a_hold_there_is_nothing_to_renew(shared, jobs):
    define(shared, jobs, 2)
    inner = '"$PERMIT_BIN" run ' + jobs + f" -c '{RENEW}'"
    for done in (permit(shared, "renew"),
                 run_script(shared, RENEW, jobs),
                 run_script(shared, inner, "--hold=1m", jobs)):
        assert done.returncode == 64
        assert "only a command of permit run --hold" in done.stderr


@pytest.mark.parametrize("variable, value, code", [
    ("PERMIT_GRANT", "1", 124),  # Of an outer run, say.
    ("PERMIT_GRANT", "x", 64),
    ("PERMIT_CONTROL", "@nobody-listens-here", 124),
    ("PERMIT_CONTROL", "/tmp/x", 64),
    ("PERMIT_CONTROL", "@" + 108 * "x", 64)])
def test_who_asks_for_another_run_is_told_so(shared, jobs, variable, value,
                                             code):
    define(shared, jobs)
    done = run_script(shared, f"{variable}={value} {RENEW}", "--hold=1m", jobs)
    assert done.returncode == code and done.stderr.startswith("permit renew: ")


def test_several_ask_at_once_and_each_is_answered(shared, jobs):
    define(shared, jobs)
    done = run_script(shared, f"for i in 1 2 3 4; do {RENEW} --json & done;"
                      "wait", "--hold=1m", jobs)
    assert done.returncode == 0
    grants = {json.loads(line)["grant_id"] for line in done.stdout.splitlines()}
    assert len(done.stdout.splitlines()) == 4 and len(grants) == 1


def test_who_says_nothing_keeps_nobody_for_long(shared, jobs, pipe):
    define(shared, jobs)
    run = start_script(shared, pipe, "echo $PERMIT_CONTROL $PERMIT_GRANT >&9;"
                       "exec sleep 1000", "--hold=1m", jobs)
    name, grant = pipe.line().split()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(name.replace("@", "\0"))
        done = permit(shared, "renew", env={"PERMIT_CONTROL": name,
                                            "PERMIT_GRANT": grant})
        assert done.returncode == 0, done.stderr
    run.send_signal(signal.SIGTERM)
    finish(run)


# ------------------------------------------------------------- another's user

def as_other_user(function):
    """Runs it in a child that is another user; returns its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 99
        with contextlib.suppress(BaseException):
            os.setuid(OTHER_USER)
            code = function()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


needs_root = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root can be another user")


@needs_root
def test_another_user_s_process_is_not_obeyed(shared, jobs, pipe):
    define(shared, jobs)
    run = start_script(shared, pipe, "echo $PERMIT_CONTROL $PERMIT_GRANT >&9;"
                       "exec sleep 1000", "--hold=1m", jobs)
    name, grant = pipe.line().split()

    def ask():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.settimeout(20)
            line.connect(name.replace("@", "\0"))
            try:
                line.send(struct.pack("=Qq", int(grant), 50000))
                return len(line.recv(1024))
            except (BrokenPipeError, ConnectionResetError):
                return 0

    assert as_other_user(ask) == 0  # The end, without a word.
    assert ask() > 0  # The test's own user is.
    run.send_signal(signal.SIGTERM)
    finish(run)


@needs_root
def test_another_user_s_socket_is_not_believed(shared):
    name = f"@permit-test-{os.getpid()}"
    listening, ready = os.pipe()

    def listen():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(name.replace("@", "\0"))
            listener.listen()
            os.write(ready, b"x")
            line = listener.accept()[0]
            return len(line.recv(1024))

    thread = threading.Thread(target=as_other_user, args=[listen])
    thread.start()
    assert os.read(listening, 1) == b"x"
    done = permit(shared, "renew", env={"PERMIT_CONTROL": name,
                                        "PERMIT_GRANT": "1"})
    thread.join()
    assert done.returncode == 77 and "another user's" in done.stderr


# -------------------------------------------------------------------- verify

def test_verify_says_whether_a_grant_is_alive(shared, jobs):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        grant, fence = holder.stdout.readline().split()
        assert permit(shared, "verify", grant, fence).returncode == 0
        done = permit(shared, "--json", "verify", grant, fence)
        assert json.loads(done.stdout) == {"grant_id": grant}
        for numbers in ((grant, int(fence) - 1), (int(grant) + 9, fence),
                        (0, 0), (2 ** 64 - 1, 2 ** 64 - 1)):
            done = permit(shared, "--json", "verify", *numbers)
            assert done.returncode == 124
            assert json.loads(done.stderr)["error"]["reason"] == "not_held"
        assert finish(holder)[0] == 0
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)
    assert permit(shared, "verify", grant, fence).returncode == 124


def test_a_command_verifies_itself(shared, jobs):
    define(shared, jobs)
    verify = '"$PERMIT_BIN" verify $PERMIT_GRANT $PERMIT_FENCE; echo $?'
    done = run_script(shared, f"{verify}; sleep 0.6; {verify}", "--hold=300ms",
                      "--on-lost=ignore", jobs)
    assert done.stdout == "0\n124\n"
