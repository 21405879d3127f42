# SPDX-License-Identifier: MIT
"""`permit` in tests: run it, start it, and see who lives."""
import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
import time

import pytest

PATIENCE = 20


@pytest.fixture(name="jobs")
def fixture_jobs(request):
    """A semaphore's name that no other test of the file uses."""
    return re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[-100:].lstrip("-")


def environment(daemon, extra=None):
    host, port = daemon.addresses[0]
    env = {**os.environ, "PERMIT_SERVER": f"permit://{host}:{port}"}
    env.pop("PERMIT_DEPTH", None)
    env["XDG_CONFIG_HOME"] = "/nonexistent"  # Not the tester's own defaults.
    return {**env, **(extra or {})}


def permit(daemon, *args, stdin=subprocess.DEVNULL, env=None, timeout=PATIENCE,
           **options):
    """Runs `permit ARGS` to its end."""
    if "input" not in options:
        options["stdin"] = stdin
    done = subprocess.run([os.environ["PERMIT_BIN"], *map(str, args)],
                          env=environment(daemon, env), capture_output=True,
                          text=True, timeout=timeout, check=False, **options)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


def start(daemon, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
          env=None, pipe=None):
    """Starts `permit ARGS`; a pipe is its descriptor 9, and its command's."""
    command = [os.environ["PERMIT_BIN"], *map(str, args)]
    if pipe is not None:
        command = ["/bin/bash", "-c",
                   f'exec 9>&{pipe.writer} {pipe.writer}>&-; exec "$@"',
                   "bash", *command]
    return subprocess.Popen(command, env=environment(daemon, env), stdin=stdin,
                            stdout=stdout, stderr=subprocess.PIPE, text=True,
                            pass_fds=() if pipe is None else (pipe.writer,))


def finish(process, timeout=PATIENCE):
    """Waits for its end; returns (exit code, stdout, stderr)."""
    out, err = process.communicate(timeout=timeout)
    assert "Sanitizer" not in err, err
    return process.returncode, out, err


def define(daemon, name, permits=1, **options):
    args = [f"--{key.replace('_', '-')}={value}"
            for key, value in options.items()]
    done = permit(daemon, "set", name, "--permits", permits, *args)
    assert done.returncode == 0, done.stderr


class Pipe:
    """A pipe whose write end commands inherit: what they write is read, and
    its end says that all who have it are dead."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        self.text = b""

    def close_writer(self):
        os.close(self.writer)
        self.writer = -1

    def line(self, timeout=PATIENCE):
        """The next line, without its end; "" when all writers are dead."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.text:
            left = max(0, deadline - time.monotonic())
            assert select.select([self.reader], [], [], left)[0], "no line"
            data = os.read(self.reader, 4096)
            if not data:
                assert not self.text, self.text
                return ""
            self.text += data
        line, self.text = self.text.split(b"\n", 1)
        return line.decode()

    def is_quiet(self, timeout=0.1):
        return not self.text and not select.select([self.reader], [], [],
                                                   timeout)[0]

    def is_ended(self, timeout=PATIENCE):
        return self.line(timeout) == ""

    def close(self):
        os.close(self.reader)
        if self.writer != -1:
            os.close(self.writer)


def children_of(pid):
    """The process's children."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children",
                      encoding="ascii") as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


@contextlib.contextmanager
def nothing_left_behind():
    """What starts within must be dead and buried at the end: an orphan, even a
    dead one, would be this process's child."""
    pr_set_child_subreaper = 36
    before = set(children_of(os.getpid()))
    assert ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1) == 0
    try:
        yield
        deadline = time.monotonic() + PATIENCE
        while left := set(children_of(os.getpid())) - before:
            # A dead wrapper's guard comes here when it has done its work.
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            assert time.monotonic() < deadline, left
            select.select([], [], [], 0.005)
    finally:
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 0)


def state_of(pid):
    """As ps says it: T is stopped."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)
