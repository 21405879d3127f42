# SPDX-License-Identifier: MIT
"""`permit run`: what it promises about the command, with real processes."""
import contextlib
import json
import os
import signal
import statistics
import subprocess
import time

import pytest

from cli import (Pipe, children_of, define, finish, fixture_jobs, kill,
                 permit, start)  # fixture_jobs is used by its name
from conftest import eventually

SHORT = {"session": {"heartbeat": "300ms", "timeout": "900ms"}}


@pytest.fixture(name="pipe")
def fixture_pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


def start_in(daemon, pipe, name, script, *options, **popen):
    """Starts a shell command that has the pipe as descriptor 9."""
    process = start(daemon, "run", *options, name, "--", "/bin/sh", "-c",
                    script, pipe=pipe, **popen)
    pipe.close_writer()
    return process


# ------------------------------------------------------------------- the job

def test_twelve_runs_of_three_are_served_in_order(shared, jobs, tmp_path):
    define(shared, jobs, 3)
    log = tmp_path / "log"
    script = ('echo "+$1" >>"$2"; while [ ! -e "$2.$1" ]; do sleep 0.01; done;'
              'echo "-$1" >>"$2"')
    processes = []
    for number in range(12):
        processes.append(start(shared, "run", "-q", jobs, "--", "sh", "-c",
                               script, "sh", number, log))
        # In the order of their arrival, which is ours.
        eventually(lambda: sum(shared.semaphore(jobs)[key]
                               for key in ("holders", "waiters"))
                   == number + 1)
    for number in range(12):
        eventually(lambda: f"+{min(number + 2, 11)}" in
                   (log.read_text().split() if log.exists() else []))
        (tmp_path / f"log.{number}").touch()
    for process in processes:
        assert finish(process)[0] == 0
    alive = 0
    for line in log.read_text().split():
        alive += 1 if line[0] == "+" else -1
        assert 0 <= alive <= 3
    # The first three start together; each further one waits for an end.
    started = [int(line[1:]) for line in log.read_text().split()
               if line[0] == "+"]
    assert sorted(started[:3]) == [0, 1, 2]
    assert started[3:] == list(range(3, 12))


def test_a1_sigkill_of_a_wrapper_ends_its_command_before_the_next(shared, jobs):
    """Twenty times: the median of the time from kill to the next command."""
    define(shared, jobs)
    times = []
    pipe = Pipe()
    holder = start_in(shared, pipe, jobs, "echo up >&9; exec sleep 1000")
    assert pipe.line() == "up"
    for _ in range(20):
        next_pipe = Pipe()
        waiter = start_in(shared, next_pipe, jobs,
                          "echo up >&9; exec sleep 1000")
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
        began = time.monotonic()
        holder.kill()
        assert next_pipe.line() == "up"
        times.append(time.monotonic() - began)
        assert pipe.is_ended(0)  # It was dead before the next one ran.
        pipe.close()
        finish(holder)
        holder, pipe = waiter, next_pipe
    holder.kill()
    finish(holder)
    pipe.close()
    median = statistics.median(times)
    print(f"kill to next command: median {median * 1000:.1f} ms, "
          f"max {max(times) * 1000:.1f} ms")
    assert median < float(os.environ.get("RUN_KILL_SECONDS", "1"))


def test_a_wait_ends_in_time(shared, jobs):
    define(shared, jobs, 1)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        began = time.monotonic()
        done = permit(shared, "run", "-w", "0.5", jobs, "true")
        assert 0.5 <= time.monotonic() - began < 1
        assert done.returncode == 75
        assert permit(shared, "run", "-n", jobs, "true").returncode == 75
        assert permit(shared, "run", "-w", "0", jobs, "true").returncode == 75
        assert permit(shared, "run", "-n", "-E", "9", jobs,
                      "true").returncode == 9
        done = permit(shared, "run", "--json", "-n", jobs, "true")
        assert json.loads(done.stderr)["error"]["reason"] == "would_block"
        assert finish(holder)[0] == 0


# -------------------------------------------------------------------- codes

@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 3", 3), ("exit 75", 75), ("exit 255", 255),
    ("kill -KILL $$", 137), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)])
def test_the_exit_code_is_the_commands(shared, jobs, script, code):
    define(shared, jobs)
    done = permit(shared, "run", jobs, "-c", script)
    assert done.returncode == code, done.stderr


def test_what_cannot_be_executed_gives_the_permit_back(shared, jobs, tmp_path):
    define(shared, jobs)
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for command, code in (("no-such-command", 127), (plain, 126),
                          (tmp_path, 126), ("/nonexistent/x", 127)):
        done = permit(shared, "run", jobs, "--", command)
        assert done.returncode == code
        assert str(command) in done.stderr
        assert shared.semaphore(jobs)["held"] == 0


@pytest.mark.parametrize("args, code, reason", [
    (["no-such-semaphore", "true"], 78, "not_found"),
    (["-p", "2", "JOBS", "true"], 78, "impossible"),
    (["--expect-permits", "7", "JOBS", "true"], 78, "limit_mismatch"),
    (["bad name", "true"], 64, "invalid"),
    (["-p", "0", "JOBS", "true"], 64, "invalid"),
    (["-w", "soon", "JOBS", "true"], 64, "invalid"),
    (["JOBS"], 64, "invalid"),
    ([], 64, "invalid"),
    (["--also", "JOBS", "JOBS", "true"], 64, "invalid"),
    (["--also", "no-such-semaphore", "JOBS", "true"], 78, "not_found"),
    (["--kill-after", "60s", "JOBS", "true"], 64, "invalid"),
    (["--hold", "1s", "--kill-after", "1s", "JOBS", "true"], 64, "invalid"),
    (["JOBS", "no-such-command"], 127, "exec")])
def test_errors_with_json(shared, jobs, args, code, reason):
    define(shared, jobs)
    args = [jobs if arg == "JOBS" else arg for arg in args]
    done = permit(shared, "run", "--json", *args)
    assert done.returncode == code
    assert done.stdout == ""
    error = json.loads(done.stderr)["error"]
    assert error["reason"] == reason
    assert error["message"]
    assert "retry_after_seconds" in error
    assert permit(shared, "run", *args).returncode == code


def test_a_daemon_that_is_away_is_69(shared, jobs):
    env = {"PERMIT_SERVER": "permit://127.0.0.1:1"}
    done = permit(shared, "run", jobs, "touch", "never", env=env)
    assert done.returncode == 69
    assert "127.0.0.1:1" in done.stderr


# ----------------------------------------------------- what the command gets

def test_stdin_reaches_the_command_and_stdout_is_its_own(shared, jobs):
    define(shared, jobs)
    data = "x" * 200000
    done = permit(shared, "run", jobs, "cat", input=data)
    assert done.stdout == data
    done = permit(shared, "run", "--no-stdin", jobs, "cat", input="not this")
    assert done.stdout == ""


def test_the_environment_and_nested_runs(shared, jobs):
    define(shared, jobs, 2)
    inner = jobs[:90] + ".inner"
    define(shared, inner)
    done = permit(shared, "run", "-p", "2", jobs, "--",
                  os.environ["PERMIT_BIN"], "run", inner, "env",
                  env={"PERMIT_GRANT": "outermost", "KEPT": "yes"})
    assert done.returncode == 0, done.stderr
    env = dict(line.split("=", 1) for line in done.stdout.splitlines()
               if "=" in line)
    assert env["PERMIT_SEMAPHORE"] == inner
    assert env["PERMIT_PERMITS"] == "1"
    assert env["PERMIT_PARTS"] == inner + "=1"
    assert env["PERMIT_DEPTH"] == "2"
    assert int(env["PERMIT_GRANT"]) > 0 and int(env["PERMIT_FENCE"]) > 0
    assert int(env["PERMIT_WAITED_MS"]) >= 0
    assert int(env["PERMIT_SESSION"]) > 0
    assert env["KEPT"] == "yes" and env["PERMIT_SERVER"].startswith("permit:")
    done = permit(shared, "run", "-p", "2", jobs, "-c", "echo $PERMIT_PARTS")
    assert done.stdout == jobs + "=2\n"


def test_a8_the_command_has_no_descriptor_of_ours(shared, jobs):
    define(shared, jobs)
    done = permit(shared, "run", jobs, "ls", "/proc/self/fd")
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3 is ls' own.


def test_who_reads_the_output_sees_its_end_at_the_commands_own(shared, jobs):
    """Neither wrapper nor guard keeps the output open, though both live."""
    define(shared, jobs)
    pipe = Pipe()
    process = start_in(shared, pipe, jobs,
                       "exec 1>&- 9>&-; read wait", stdin=subprocess.PIPE)
    assert pipe.is_ended()
    assert process.stdout.read() == ""
    assert process.poll() is None
    process.stdin.close()
    process.wait()
    process.stderr.close()
    pipe.close()


# ------------------------------------------------------------------- signals

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP,
                                    signal.SIGINT, signal.SIGQUIT])
def test_a_signal_reaches_the_grandchildren_of_a_shell(shared, jobs, pipe,
                                                       number):
    define(shared, jobs)
    # No shell at the end: between two commands dash may keep an INT to itself.
    process = start_in(shared, pipe, jobs,
                       "sh -c '/usr/bin/python3 -c \"import os, signal;"
                       "signal.signal(2, signal.SIG_DFL);"
                       "os.write(9, b\\\"up\\n\\\"); signal.pause()\"; exit 1';"
                       "exit 2")
    assert pipe.line() == "up"
    process.send_signal(number)
    assert pipe.is_ended()
    assert finish(process)[0] == 128 + number
    assert shared.semaphore(jobs)["held"] == 0


def test_usr1_is_passed_on(shared, jobs, pipe):
    define(shared, jobs)
    process = start_in(shared, pipe, jobs,
                       "trap 'echo usr1 >&9; exit 4' USR1; echo up >&9;"
                       "while :; do sleep 0.01; done")
    assert pipe.line() == "up"
    process.send_signal(signal.SIGUSR1)
    assert pipe.line() == "usr1"
    assert finish(process)[0] == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_waiting_cancels(shared, jobs, number):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        waiter = start(shared, "run", jobs, "true")
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
        waiter.send_signal(number)
        assert finish(waiter)[0] == 128 + number
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 0)
        assert finish(holder)[0] == 0


# --------------------------------------------------------------- descendants

def test_a_descendant_in_the_background_keeps_the_permit(shared, jobs, pipe):
    define(shared, jobs)
    process = start_in(shared, pipe, jobs,
                       "exec 8<&0; (echo up >&9; read wait <&8) & exit 6",
                       stdin=subprocess.PIPE)
    assert pipe.line() == "up"
    assert permit(shared, "run", "-n", jobs, "true").returncode == 75
    assert process.poll() is None
    process.stdin.close()
    assert pipe.is_ended()
    assert process.wait(10) == 6
    assert permit(shared, "run", "-n", jobs, "true").returncode == 0
    process.stdout.close()
    process.stderr.close()


HIDING = [
    "sleep 1000 & echo up >&9; wait",
    "trap '' TERM INT HUP; echo up >&9; while :; do sleep 1000; done",
    "setsid sh -c '(setsid sh -c \"echo up >&9; exec sleep 1000\" &)'; exit 0",
    "setsid sleep 1000 & echo up >&9; kill -STOP $$"]


@pytest.mark.parametrize("script", HIDING)
@pytest.mark.parametrize("victim", ["wrapper", "guard"])
def test_all_are_dead_before_the_permit_is_free(shared, jobs, pipe, script,
                                                victim):
    define(shared, jobs)
    process = start_in(shared, pipe, jobs, script)
    assert pipe.line() == "up"
    waiter = start(shared, "run", "-q", jobs, "true")
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    if victim == "wrapper":
        process.kill()
    else:
        kill(children_of(process.pid)[0])
    assert finish(waiter)[0] == 0
    assert pipe.is_ended(0)
    code, _, err = finish(process)
    if victim == "wrapper":
        assert code == -signal.SIGKILL
    else:
        assert code == 137 and "guard" in err


def sockets_of(pid):
    links = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
            links.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return {link for link in links if link.startswith("socket:")}


def test_the_guard_holds_the_line_too(shared, jobs, pipe):
    """What makes the daemon wait for it: see also the guard's unit test."""
    define(shared, jobs)
    process = start_in(shared, pipe, jobs, "echo up >&9; exec sleep 1000")
    assert pipe.line() == "up"
    guard, = children_of(process.pid)
    command, = children_of(guard)
    assert len(sockets_of(process.pid) & sockets_of(guard)) == 1
    assert not sockets_of(command)
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143


# ---------------------------------------------------------------------- loss

def test_a2_a_stopped_wrapper_loses_its_command_at_the_deadline(start_daemon,
                                                                pipe):
    daemon = start_daemon(SHORT)
    define(daemon, "jobs")
    process = start_in(daemon, pipe, "jobs", "echo up >&9; exec sleep 1000",
                       "--linger", "0")
    assert pipe.line() == "up"
    waiter = start(daemon, "run", "-q", "jobs", "true")
    eventually(lambda: daemon.semaphore("jobs")["waiters"] == 1)
    process.send_signal(signal.SIGSTOP)
    assert finish(waiter)[0] == 0
    assert pipe.is_ended(0)
    process.send_signal(signal.SIGCONT)
    code, _, err = finish(process)
    assert code == 124
    assert "lost" in err


def test_a_cut_line_is_term_then_kill_then_124(start_daemon, pipe):
    daemon = start_daemon()
    define(daemon, "jobs")
    process = start_in(daemon, pipe, "jobs",
                       "trap 'echo term >&9' TERM; echo up >&9;"
                       "while :; do sleep 0.01; done",
                       "--kill-after", "200ms", "--linger", "0")
    assert pipe.line() == "up"
    daemon.kill()
    assert pipe.line() == "term"
    assert pipe.is_ended()
    code, _, err = finish(process)
    assert code == 124
    assert "lost" in err


def test_a_silent_daemon_is_a_loss_in_time(start_daemon, pipe):
    daemon = start_daemon(SHORT)
    define(daemon, "jobs")
    process = start_in(daemon, pipe, "jobs",
                       "trap 'echo term >&9' TERM; echo up >&9;"
                       "while :; do sleep 0.01; done", "--linger", "0")
    assert pipe.line() == "up"
    os.kill(daemon.pid, signal.SIGSTOP)
    assert pipe.line() == "term"
    assert pipe.is_ended()
    code, _, err = finish(process)
    os.kill(daemon.pid, signal.SIGCONT)
    assert code == 124
    assert "lost" in err


def test_the_end_of_its_hold_is_a_loss(shared, jobs, pipe):
    define(shared, jobs)
    process = start_in(shared, pipe, jobs,
                       "trap 'echo term >&9; exit 0' TERM; echo up >&9;"
                       "while :; do sleep 0.01; done",
                       "--hold", "1s", "--kill-after", "500ms")
    assert pipe.line() == "up"
    assert pipe.line() == "term"
    code, _, err = finish(process)
    assert code == 124
    assert "lost" in err
    assert shared.semaphore(jobs)["held"] == 0


# ------------------------------------------------------------------ progress

def test_progress_is_a_line_at_once_and_one_on_the_grant(shared, jobs):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        waiter = start(shared, "run", "-w", "1m", jobs, "true")
        quiet = start(shared, "run", "-q", jobs, "true")
        line = waiter.stderr.readline()
        assert line.startswith(f"permit: waiting for {jobs} · ")
        assert " · 1/1 held · 0s, gives up in " in line
        assert " · oldest: " in line
        assert finish(holder)[0] == 0
        code, _, err = finish(waiter)
        assert code == 0
        assert err.startswith(f"permit: granted {jobs} after ")
        assert finish(quiet) == (0, "", "")


def test_a_short_wait_has_its_line_too(shared, jobs):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        done = permit(shared, "run", "-w", "0.2", jobs, "true")
        assert done.returncode == 75
        assert done.stderr.startswith(f"permit: waiting for {jobs} · 1st of 1 ")
        assert finish(holder)[0] == 0
