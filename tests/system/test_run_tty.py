# SPDX-License-Identifier: MIT
"""`permit run` at a terminal: as if the command ran without it."""
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from cli import (PATIENCE, children_of, define, environment, fixture_jobs,
                 kill, permit)  # fixture_jobs is used by its name
from conftest import eventually


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()


class Terminal:
    """`permit` with a terminal: it leads the session, in the foreground."""

    def __init__(self, daemon, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(os.environ["PERMIT_BIN"],
                      [os.environ["PERMIT_BIN"], *args], environment(daemon))
        self.text = ""

    def expect(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.text:
            left = max(0, deadline - time.monotonic())
            assert select.select([self.fd], [], [], left)[0], self.text
            try:
                self.text += os.read(self.fd, 4096).decode()
            except OSError:  # Nobody has the terminal open any more.
                assert text in self.text, self.text
        self.text = self.text.split(text, 1)[1]

    def press(self, keys):
        os.write(self.fd, keys)

    def state(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def wait(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_the_command_is_in_the_foreground(shared, jobs):
    """It may read the terminal, and Ctrl-C reaches it once, from there."""
    define(shared, jobs)
    terminal = Terminal(shared, "run", jobs, "-c",
                        "trap 'echo got-int' INT; echo ready; read line;"
                        "read line; echo \"<$line>\"; exit 3")
    terminal.expect("ready")
    terminal.press(b"\x03")
    terminal.expect("got-int")
    terminal.press(b"hello\n")
    terminal.press(b"world\n")
    terminal.expect(">")
    assert "got-int" not in terminal.text
    assert terminal.wait() == 3


@pytest.mark.parametrize("keys, number", [(b"\x03", signal.SIGINT),
                                          (b"\x1c", signal.SIGQUIT)])
def test_keys_end_the_command(shared, jobs, keys, number):
    define(shared, jobs)
    terminal = Terminal(shared, "run", jobs, "sleep", "1000")
    eventually(lambda: "sleep" in [
        name_of(command) for guard in children_of(terminal.pid)
        for command in children_of(guard)])
    terminal.press(keys)
    assert terminal.wait() == 128 + number
    assert shared.semaphore(jobs)["held"] == 0


def test_a_signal_ends_the_children_of_a_shell(shared, jobs):
    define(shared, jobs)
    terminal = Terminal(shared, "run", jobs, "-c",
                        "sleep 1000 & echo ready; wait; exit 1")
    terminal.expect("ready")
    kill(terminal.pid, signal.SIGTERM)
    assert terminal.wait() == 143
    assert shared.semaphore(jobs)["held"] == 0


def test_tstp_stops_both_and_cont_goes_on(shared, jobs):
    define(shared, jobs)
    terminal = Terminal(shared, "run", jobs, "-c",
                        "echo pid=$$.; read line; echo \"<$line>\"")
    terminal.expect("pid=")
    terminal.expect(".")
    kill(terminal.pid, signal.SIGTSTP)
    eventually(lambda: terminal.state() == "T")
    assert shared.semaphore(jobs)["held"] == 1
    kill(terminal.pid, signal.SIGCONT)
    terminal.press(b"on\n")
    terminal.expect("<on>")
    assert terminal.wait() == 0


def test_waiting_is_one_line_redrawn(shared, jobs):
    define(shared, jobs)
    with subprocess.Popen([os.environ["PERMIT_BIN"], "hold", jobs],
                          env=environment(shared), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        terminal = Terminal(shared, "run", "-w", "1m", jobs, "echo", "done")
        terminal.expect(f"\rpermit: waiting for {jobs} · 1st of 1 · ")
        terminal.expect("\x1b[K")
        holder.stdin.close()
        terminal.expect("\r\x1b[K")
        terminal.expect("done")
        assert terminal.wait() == 0
    assert "\x1b" not in permit(shared, "status", jobs).stdout


def test_delete_asks(shared, jobs):
    define(shared, jobs)
    terminal = Terminal(shared, "delete", jobs)
    terminal.expect("[y/N]")
    terminal.press(b"n\n")
    assert terminal.wait() == 75
    terminal = Terminal(shared, "delete", jobs)
    terminal.expect("[y/N]")
    terminal.press(b"y\n")
    assert terminal.wait() == 0
    assert permit(shared, "status", jobs).returncode == 78
