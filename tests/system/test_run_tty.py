# SPDX-License-Identifier: MIT
"""`permit run` at a terminal: as if the command ran without it."""
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from cli import (PATIENCE, Pipe, children_of, define, environment, finish,
                 fixture_jobs, kill, nothing_left_behind, permit, start,
                 state_of)  # fixture_jobs is used by its name
from conftest import eventually


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()


class Terminal:
    """A program with a terminal, whose session it leads, in the foreground."""

    def __init__(self, daemon, *args, program=None, pipe=None):
        program = program or os.environ["PERMIT_BIN"]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if pipe is not None:
                os.dup2(pipe.writer, 9)
            # A continuation takes the stop from who seeks leaks, for ever.
            os.execve(program, [program, *args], environment(
                daemon, {"PERMIT_BIN": os.environ["PERMIT_BIN"],
                         "ASAN_OPTIONS": "detect_leaks=0"}))
        if pipe is not None:
            pipe.close_writer()
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
        before, self.text = self.text.split(text, 1)
        return before

    def expect_number(self):
        """What stands between here and a dot."""
        return int(self.expect("."))

    def press(self, keys):
        os.write(self.fd, keys)

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def state(self):
        return state_of(self.pid)

    def is_dead(self):
        """Then the pair that waitpid gives. What it says is read meanwhile:
        who closes a terminal waits for that."""
        if self.fd != -1 and select.select([self.fd], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                self.text += os.read(self.fd, 4096).decode()
        pair = os.waitpid(self.pid, os.WNOHANG)
        return pair if pair[0] != 0 else None

    def wait(self):
        _, status = eventually(self.is_dead, PATIENCE)
        if self.fd != -1:
            os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Shell(Terminal):
    """A shell with job control, which may itself be the command of a `permit
    run`. What is typed is not echoed."""

    def __init__(self, daemon, *run, pipe=None):
        program, *args = [*run, "/bin/bash", "--norc", "--noprofile",
                          "--noediting", "-i"]
        super().__init__(daemon, *args, program=program, pipe=pipe)
        self.press(b"stty -echo; PS1='[she''ll] ' PS2=; unset HISTFILE\n")

    def type(self, line):
        """Types it at the next prompt; returns what came before that."""
        before = self.expect("[shell] ")
        self.press(line.replace("permit ", '"$PERMIT_BIN" ').encode() + b"\n")
        return before

    def start_job(self, name, command):
        """Returns (wrapper, guard, command) of a job that prints its pid."""
        self.type(f"permit run {name} {command}")
        self.expect("pid=")
        pid = self.expect_number()
        guard = parent_of(pid)
        return parent_of(guard), guard, pid

    def stop_job(self, wrapper, command):
        self.press(b"\x1a")
        self.expect("Stopped")
        eventually(lambda: state_of(wrapper) == state_of(command) == "T")

    def exit(self):
        self.type("exit 0")
        assert self.wait() == 0


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


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


def test_no_moment_loses_ctrl_c(shared, jobs):
    """Nor the one between the grant and the command's first instruction."""
    define(shared, jobs)
    for moment in range(25):
        terminal = Terminal(shared, "run", jobs, "sleep", "1000")
        eventually(lambda: name_of(terminal.pid) == "permit", interval=0.001)
        select.select([], [], [], moment * 0.002)
        terminal.press(b"\x03")
        assert terminal.wait() in (130, -signal.SIGINT)
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


# ------------------------------------------------------------- job control

SLEEPS = "sh -c 'echo pid=$$.; exec sleep 1000'"
COUNTS_INT = """sh -c 'trap "echo int; n=1" INT; echo pid=$$.
while [ -z "$n" ]; do sleep 0.01; done; sleep 0.1; exit 9'"""


def test_ctrl_c_in_a_shell(shared, jobs):
    """The command has it once; who does not catch it is 130."""
    define(shared, jobs)
    shell = Shell(shared)
    shell.start_job(jobs, COUNTS_INT)
    shell.press(b"\x03")
    assert shell.type("echo code=$?.").count("int") == 1
    shell.expect("code=")
    assert shell.expect_number() == 9
    shell.start_job(jobs, SLEEPS)
    shell.press(b"\x03")
    shell.type("echo code=$?.")
    shell.expect("code=")
    assert shell.expect_number() == 130
    assert shared.semaphore(jobs)["held"] == 0
    shell.exit()


def test_stopped_in_the_background_and_in_the_foreground_again(shared, jobs):
    define(shared, jobs)
    shell = Shell(shared)
    wrapper, guard, command = shell.start_job(
        jobs, "sh -c 'echo pid=$$.; while read line; do echo \"<$line>\"; done'")
    shell.stop_job(wrapper, command)
    assert state_of(guard) != "T"
    assert shared.semaphore(jobs)["held"] == 1
    shell.type("bg")
    # It reads the terminal: nobody may, in the background.
    shell.type("until jobs | grep -q Stopped; do sleep 0.01; done")
    shell.type("fg")
    eventually(lambda: "T" not in (state_of(wrapper), state_of(command)))
    shell.press(b"hello\n")
    shell.expect("<hello>")
    shell.stop_job(wrapper, command)
    shell.type("fg")
    shell.press(b"again\n")
    shell.expect("<again>")
    shell.press(b"\x04")
    shell.type("echo code=$?.")
    shell.expect("code=")
    assert shell.expect_number() == 0
    shell.exit()


def test_stopped_for_too_long_is_lost(start_daemon):
    """The guard keeps the deadline, and the shell is told when it asks."""
    daemon = start_daemon({"session": {"heartbeat": "300ms",
                                       "timeout": "900ms"}})
    define(daemon, "jobs")
    shell = Shell(daemon)
    wrapper, _, command = shell.start_job("--linger 900ms jobs", SLEEPS)
    shell.stop_job(wrapper, command)
    assert permit(daemon, "run", "jobs", "true").returncode == 0
    assert not os.path.exists(f"/proc/{command}")
    assert state_of(wrapper) == "T"
    shell.type("fg")
    assert "lost" in shell.type("echo code=$?.")
    shell.expect("code=")
    assert shell.expect_number() == 124
    shell.exit()


def test_a_job_in_the_background(shared, jobs):
    define(shared, jobs)
    pipe = Pipe()
    shell = Shell(shared, pipe=pipe)
    shell.type(f"permit run {jobs} sh -c 'echo $$ >&9; exec sleep 1000' &")
    command = int(pipe.line())
    shell.expect("[shell] ")
    shell.press(b"\x03")  # It is not for the background.
    shell.type("kill -INT %1; wait %1; echo code=$?.")
    shell.expect("code=")
    assert shell.expect_number() == 130
    assert not os.path.exists(f"/proc/{command}")
    shell.exit()
    pipe.close()


def test_a_pipeline(shared, jobs):
    define(shared, jobs)
    shell = Shell(shared)
    shell.type(f"echo ping | permit run {jobs} sed s/i/o/ | cat")
    shell.expect("pong")
    shell.type(f"permit run {jobs} {SLEEPS} | cat")
    shell.expect("pid=")
    shell.press(b"\x03")
    shell.type("echo code=${PIPESTATUS[0]}.")
    shell.expect("code=")
    assert shell.expect_number() == 130
    # No terminal to read, but one to be stopped from.
    shell.type(f"(sleep 1000; :) | permit run {jobs} {SLEEPS}")
    shell.expect("pid=")
    command = shell.expect_number()
    shell.press(b"\x1a")
    shell.expect("Stopped")
    eventually(lambda: state_of(command) == "T")
    shell.type("fg")
    eventually(lambda: state_of(command) == "S")
    shell.press(b"\x03")
    shell.type("true")
    assert not os.path.exists(f"/proc/{command}")
    shell.exit()


def test_a_shell_with_jobs_of_its_own_under_a_permit(shared, jobs):
    define(shared, jobs)
    shell = Shell(shared, os.environ["PERMIT_BIN"], "run", jobs)
    shell.type("sleep 1000")
    eventually(lambda: "sleep" in names_below(shell.pid))
    bash, = children_of(*children_of(shell.pid))
    shell.press(b"\x1a")
    shell.expect("Stopped")
    shell.type("fg")
    eventually(lambda: os.tcgetpgrp(shell.fd) != bash)
    shell.press(b"\x03")
    shell.type("exit 3")
    assert shell.wait() == 3


def names_below(pid):
    found = []
    for child in children_of(pid):
        try:
            found += [name_of(child), *names_below(child)]
        except FileNotFoundError:
            pass
    return found


def test_the_size_of_the_window_reaches_the_command(shared, jobs):
    define(shared, jobs)
    terminal = Terminal(shared, "run", jobs, "-c",
                        "trap 'stty size; exit 5' WINCH; echo ready;"
                        "while :; do sleep 0.01; done")
    terminal.expect("ready")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", 33, 77, 0, 0))
    terminal.expect("33 77")
    assert terminal.wait() == 5


THREE_DEEP = ("sh -c 'sh -c \"setsid sleep 1000 & (sleep 1000; :); :\" & "
              "echo up >&9; wait'")


@pytest.mark.parametrize("leader", ["permit", "shell"])
def test_all_end_when_the_terminal_hangs_up(shared, jobs, leader):
    """The terminal tells the leader of the session alone."""
    define(shared, jobs)
    pipe = Pipe()
    with nothing_left_behind():
        if leader == "shell":
            terminal = Shell(shared, pipe=pipe)
            terminal.type(f"permit run {jobs} {THREE_DEEP}")
        else:
            terminal = Terminal(shared, "run", jobs, "-c", THREE_DEEP,
                                pipe=pipe)
        assert pipe.line() == "up"
        terminal.hang_up()
        assert pipe.is_ended()
        terminal.wait()
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)
    pipe.close()


def test_all_end_when_the_shell_of_a_stopped_job_is_killed(start_daemon):
    """Nobody could continue it: the kernel does, when the command is dead."""
    daemon = start_daemon({"session": {"heartbeat": "300ms",
                                       "timeout": "900ms"}})
    define(daemon, "jobs")
    with nothing_left_behind():
        shell = Shell(daemon)
        wrapper, _, command = shell.start_job("--linger 900ms jobs", SLEEPS)
        shell.stop_job(wrapper, command)
        kill(shell.pid)
        shell.wait()
        eventually(lambda: not os.path.exists(f"/proc/{wrapper}")
                   or state_of(wrapper) == "Z")
    assert permit(daemon, "run", "jobs", "true").returncode == 0


def test_every_generation_is_told_to_end(shared, jobs):
    """The command is in the wrapper's group, so each is told when it has lost
    its parent."""
    define(shared, jobs)
    pipe = Pipe()
    terminal = Terminal(shared, "run", jobs, "-c", THREE_DEEP, pipe=pipe)
    assert pipe.line() == "up"
    kill(terminal.pid, signal.SIGTERM)
    assert terminal.wait() == 143
    assert pipe.is_ended(0)
    pipe.close()


# ---------------------------------------------------------------- questions

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


@pytest.mark.parametrize("no_color, bold, plain", [
    ("NO_COLOR=", "\x1b[1m", "\x1b[0m"), ("NO_COLOR=1", "", "")])
def test_the_head_of_a_table_is_bold(shared, no_color, bold, plain):
    define(shared, "t")
    terminal = Terminal(shared, no_color, os.environ["PERMIT_BIN"], "status",
                        "t", program="/usr/bin/env")
    assert terminal.expect("NAME") == bold
    head = terminal.expect("\r\n")
    assert "\x1b" not in head
    assert terminal.expect("t ") == plain
    assert terminal.wait() == 0


def test_delete_asks(shared, jobs):
    define(shared, jobs)
    terminal = Terminal(shared, "delete", jobs)
    terminal.expect("[y/N]")
    terminal.press(b"n\n")
    assert terminal.wait() == 75
    terminal = Terminal(shared, "delete", jobs)
    terminal.expect("[y/N]")
    terminal.press(b"\x04")  # The end of the input is no yes.
    assert terminal.wait() == 75
    terminal = Terminal(shared, "delete", jobs)
    terminal.expect("[y/N]")
    terminal.press(b"Y\n")
    assert terminal.wait() == 0
    assert permit(shared, "status", jobs).returncode == 78
