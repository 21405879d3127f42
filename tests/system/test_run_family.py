# SPDX-License-Identifier: MIT
"""`permit run` and whatever its command may be: what reaches the command and
its descendants, and commands that do not want to end."""
import fcntl
import json
import os
import resource
import signal
import subprocess

import pytest

from cli import (Pipe, children_of, define, environment, finish, fixture_jobs,
                 kill, nothing_left_behind, permit, start, state_of)
# fixture_jobs is used by its name
from conftest import eventually

SHORT = {"session": {"heartbeat": "300ms", "timeout": "900ms"}}
RUN_AWAY_MS = "1000"


@pytest.fixture(name="pipe")
def fixture_pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


def start_in(daemon, pipe, name, *command, options=()):
    """Starts a command that has the pipe as descriptor 9."""
    process = start(daemon, "run", *options, name, "--", *command, pipe=pipe)
    pipe.close_writer()
    return process


def start_python(daemon, pipe, name, script, *args, options=()):
    return start_in(daemon, pipe, name, "/usr/bin/python3", "-ISc", script,
                    *args, options=options)


def guard_of(process):
    guard, = children_of(process.pid)
    return guard


# ------------------------------------------------------------------- signals

# A child, and an orphan in a session of its own; each says what it is sent.
THREE = """
import os, signal, sys
NUMBERS = [getattr(signal, "SIG" + name) for name in sys.argv[1].split()]
def say(text):
    os.write(9, (text + "\\n").encode())
def serve(who):
    for number in NUMBERS:
        signal.signal(number, lambda n, _: say(f"{who} {n}"))
    say(who)
    while True:
        signal.pause()
if os.fork() == 0:
    serve("child")
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork() == 0:
        serve("orphan")
    os._exit(0)
os.waitpid(middle, 0)
serve("command")
"""
NAMES = "HUP INT TERM QUIT USR1 USR2 WINCH CONT"


def test_each_signal_reaches_all_of_the_command(shared, jobs, pipe):
    define(shared, jobs)
    process = start_python(shared, pipe, jobs, THREE, NAMES)
    who = {"command", "child", "orphan"}
    assert {pipe.line() for _ in who} == who
    for name in NAMES.split():
        number = getattr(signal, "SIG" + name)
        process.send_signal(number)
        assert {pipe.line() for _ in who} == {f"{one} {number:d}"
                                              for one in who}
    process.kill()
    assert pipe.is_ended()
    finish(process)


def test_a_stop_stops_the_command_and_continuing_goes_on(shared, jobs, pipe):
    define(shared, jobs)
    process = start_python(shared, pipe, jobs, THREE, "USR1")
    who = {"command", "child", "orphan"}
    assert {pipe.line() for _ in who} == who
    command = min(children_of(guard_of(process)))
    process.send_signal(signal.SIGTSTP)
    eventually(lambda: state_of(process.pid) == state_of(command) == "T")
    process.send_signal(signal.SIGCONT)
    # However soon it goes on again, nobody stays stopped.
    for _ in range(20):
        process.send_signal(signal.SIGTSTP)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGUSR1)
        assert {pipe.line() for _ in who} == {f"{one} 10" for one in who}
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143


# ----------------------------------------------------- what the command gets

def run_both(daemon, jobs, *command, **options):
    """What a command prints under `permit run`, and without."""
    mine = subprocess.run([os.environ["PERMIT_BIN"], "run", jobs, "--",
                           *command], env=environment(daemon),
                          capture_output=True, text=True, timeout=20,
                          check=False, **options)
    plain = subprocess.run(command, capture_output=True, text=True, timeout=20,
                           check=False, **options)
    return mine, plain


def set_odd_signals():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGALRM])


@pytest.mark.parametrize("before", [None, set_odd_signals])
def test_signals_are_as_without_permit(shared, jobs, before):
    define(shared, jobs)
    mine, plain = run_both(shared, jobs, "grep", "-E", "Sig(Blk|Ign|Cgt)",
                           "/proc/self/status", preexec_fn=before)
    assert mine.stdout == plain.stdout != ""
    assert mine.stderr == ""


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2),
                                    (0, 1, 2)])
def test_what_the_caller_closed_is_closed(shared, jobs, tmp_path, closed):
    """And none of ours has its number, where a message would be written."""
    define(shared, jobs)
    found = tmp_path / "found"
    process = subprocess.Popen(
        [os.environ["PERMIT_BIN"], "run", "-v", jobs, "/usr/bin/python3",
         "-ISc", "import os, sys\n"
         "found = [n for n in range(9) if os.path.exists(f'/proc/self/fd/{n}')]"
         "\nopen(sys.argv[1], 'w').write(repr(found)); os._exit(5)",
         str(found)], env=environment(shared), stdin=subprocess.DEVNULL,
        preexec_fn=lambda: [os.close(number) for number in closed])
    assert process.wait(20) == 5
    assert json.loads(found.read_text()) == [number for number in range(3)
                                             if number not in closed]


def make_file(path, text, mode=0o755):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_what_cannot_be_executed_ends_as_env_would(shared, jobs, tmp_path):
    define(shared, jobs)
    for command in (
            str(tmp_path), "/etc/passwd/x", "", "no-such-command",
            make_file(tmp_path / "plain", "exit 7\n"),  # By a shell.
            make_file(tmp_path / "interpreter", "#!/nonexistent/x\n"),
            make_file(tmp_path / "mode", "#!/bin/sh\n", 0o644),
            make_file(tmp_path / "garbage", "\x7fELF"), "x" * 5000):
        _, env = run_both(shared, jobs, "env", command)
        mine, _ = run_both(shared, jobs, "true")
        mine = permit(shared, "run", jobs, "--", command)
        assert mine.returncode == env.returncode, command
        assert shared.semaphore(jobs)["held"] == 0


def test_arguments_that_are_too_long_by_then(shared, jobs):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        waiter = start(shared, "run", "-q", jobs, "--", "true",
                       *["x" * 100000] * 5)
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
        resource.prlimit(guard_of(waiter), resource.RLIMIT_STACK,
                         (500000, 500000))
        assert finish(holder)[0] == 0
        code, _, err = finish(waiter)
    assert code == 126
    assert os.strerror(7) in err
    assert shared.semaphore(jobs)["held"] == 0


# ------------------------------------------------------------------- attacks

def expect_all_dead(daemon, name, pipe, process, attack):
    """The next run begins only when the command and all of it are dead."""
    waiter = start(daemon, "run", "-q", name, "true")
    eventually(lambda: daemon.semaphore(name)["waiters"] == 1)
    attack()
    assert finish(waiter)[0] == 0
    assert pipe.is_ended(0)
    process.kill()
    finish(process)


@pytest.mark.parametrize("end", ["none", "wrapper", "guard", "deadline"])
def test_descendants_that_fork_for_ever(start_daemon, pipe, end):
    """However they run, the permit waits for the last of them."""
    daemon = start_daemon()
    define(daemon, "jobs")
    options = ("--hold", "600ms") if end == "deadline" else ()
    process = start_in(daemon, pipe, "jobs", os.environ["FORKER_BIN"],
                       RUN_AWAY_MS, options=options)
    assert pipe.line() == "up"
    if end == "guard":
        attack = lambda: kill(guard_of(process))
    elif end == "wrapper":
        attack = process.kill
    else:
        attack = lambda: None
    expect_all_dead(daemon, "jobs", pipe, process, attack)


def test_a_stopped_guard_wakes_when_its_wrapper_dies(shared, jobs, pipe):
    define(shared, jobs)
    process = start_in(shared, pipe, jobs, "/bin/sh", "-c",
                       "setsid sleep 1000 & echo up >&9; kill -STOP $PPID;"
                       "echo stopped >&9; exec sleep 1000")
    assert pipe.line() == "up"
    assert pipe.line() == "stopped"
    with nothing_left_behind():  # And nobody else wakes it.
        expect_all_dead(shared, jobs, pipe, process, process.kill)


def test_a_stopped_guard_does_not_keep_signals(shared, jobs, pipe):
    define(shared, jobs)
    process = start_in(shared, pipe, jobs, "/bin/sh", "-c",
                       "echo up >&9; exec sleep 1000")
    assert pipe.line() == "up"
    kill(guard_of(process), signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143


def test_a_guard_that_does_not_kill_is_killed_in_time(start_daemon, pipe):
    """A debugger has stopped it: the wrapper does its work at the deadline."""
    daemon = start_daemon(SHORT)
    define(daemon, "jobs")
    process = start_in(daemon, pipe, "jobs", "/bin/sh", "-c",
                       "trap '' TERM; setsid sleep 1000 & echo up >&9;"
                       "while :; do sleep 1000; done",
                       options=("--linger", "0"))
    assert pipe.line() == "up"
    with subprocess.Popen(
            ["/usr/bin/python3", "-ISc", TRACE, str(guard_of(process))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        if tracer.stdout.readline() != b"traced\n":
            pytest.skip("nobody may trace here")
        waiter = start(daemon, "run", "-q", "jobs", "true")
        eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1)
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            assert pipe.is_ended()
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        tracer.stdin.close()  # Until now the dead guard is the tracer's.
        code, _, err = finish(process)
        assert finish(waiter)[0] == 0
    assert code == 124
    assert "lost" in err


TRACE = """
import ctypes, os, sys
PTRACE_ATTACH = 16
libc = ctypes.CDLL(None, use_errno=True)
guard = int(sys.argv[1])
if libc.ptrace(PTRACE_ATTACH, guard, None, None) == 0:
    os.waitpid(guard, 0)
    print("traced", flush=True)
else:
    print(os.strerror(ctypes.get_errno()), flush=True)
sys.stdin.read()
"""

ATTACKS = {
    "kills its guard": "os.kill(os.getppid(), 9)",
    "kills its wrapper": "os.kill(wrapper, 9)",
    "stops its wrapper": "os.kill(wrapper, 19)",
    "stops its guard and kills its wrapper":
        "os.kill(os.getppid(), 19); os.kill(wrapper, 9)",
    "closes everything": "os.closerange(0, 9)",
    "joins the wrapper's group": "os.setpgid(0, os.getpgid(wrapper))",
    "joins the guard's group": "os.setpgid(0, os.getppid())",
    "leads a session": "os.setpgid(0, os.getpgid(wrapper)); os.setsid()",
    "ignores all": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)]",
    "stops itself": "os.kill(os.getpid(), 19)",
    "clears its death signal": "libc.prctl(1, 0)",
    "adopts its descendants itself": "libc.prctl(36, 1)",
    "is traced by its child": """
tracer = os.fork()
if tracer == 0:
    libc.ptrace(16, os.getppid(), None, None)
    signal.pause()
signal.pause()
""",
    "hides behind a vanished thread": """
import threading
threading.Thread(target=signal.sigwait, args=({signal.SIGUSR1},)).start()
libc.pthread_exit(None)
"""}
PRELUDE = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
with open(f"/proc/{os.getppid()}/stat") as file:
    wrapper = int(file.read().rsplit(")", 1)[1].split()[1])
there, say = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(say, b"!")
    signal.pause()
os.read(there, 1)
os.write(9, b"up\\n")
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_the_command_does_all_die_first(start_daemon, pipe, attack):
    """In a daemon whose sessions time out soon, if somebody is stopped."""
    daemon = start_daemon(SHORT)
    define(daemon, "jobs")
    with nothing_left_behind():
        process = start_python(daemon, pipe, "jobs", PRELUDE + ATTACKS[attack]
                               + "\nsignal.pause()")
        assert pipe.line() == "up"
        waiter = start(daemon, "run", "-q", "jobs", "true")
        eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1 or
                   waiter.poll() is not None)
        if attack != "kills its guard":  # Both would be one too many.
            process.kill()
        assert finish(waiter)[0] == 0
        assert pipe.is_ended(0)
        finish(process)
