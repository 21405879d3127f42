# SPDX-License-Identifier: MIT
"""A program that uses libpermit, in a process of its own."""
import os
import select
import signal
import subprocess
import time

import pytest

PATIENCE = 20


class User:
    """One client and one grant; see tests/support/library_user.c."""

    def __init__(self, daemon, answer_timeout_ms=5000, linger_ms=0,
                 env=None):
        host, port = daemon.addresses[0]
        self.process = subprocess.Popen(
            [os.environ["USER_BIN"], f"permit://{host}:{port}",
             str(answer_timeout_ms), str(linger_ms)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})})
        self.text = b""
        assert self.answer() == "ready"

    def say(self, *words):
        """Asks; it may be stopped, or busy with what was asked before."""
        line = " ".join(map(str, words)) + "\n"
        os.write(self.process.stdin.fileno(), line.encode())

    def answer(self, timeout=PATIENCE):
        """The next line."""
        out = self.process.stdout.fileno()
        deadline = time.monotonic() + timeout
        while b"\n" not in self.text:
            left = max(0, deadline - time.monotonic())
            assert select.select([out], [], [], left)[0], "it says nothing"
            data = os.read(out, 4096)
            assert data, self.process.stderr.read().decode()
            self.text += data
        line, self.text = self.text.split(b"\n", 1)
        return line.decode()

    def ask(self, *words, timeout=PATIENCE):
        self.say(*words)
        return self.answer(timeout)

    def acquire(self, semaphore, wait_ms=0, hold_ms=0):
        """Must be granted; returns the fence."""
        status, fence = self.ask("acquire", semaphore, wait_ms,
                                 hold_ms).split()
        assert status == "PERMIT_OK", status
        return int(fence)

    def send_signal(self, number):
        self.process.send_signal(number)

    def begin_end(self):
        self.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.stdin = None

    def end(self):
        """It ends by itself, cleanly."""
        _, error = self.process.communicate(timeout=PATIENCE)
        assert (self.process.returncode, error) == (0, b"")


@pytest.fixture(name="start_user")
def fixture_start_user():
    """A factory: start_user(daemon, …) returns a User."""
    users = []

    def start(*args, **options):
        users.append(User(*args, **options))
        return users[-1]
    yield start
    for user in users:
        user.begin_end()
    for user in users:
        user.end()
