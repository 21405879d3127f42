# SPDX-License-Identifier: MIT
"""`permit` when something around it is wrong: a full disk, a key pressed too
early, a daemon that goes, a home that is none."""
import json
import os
import signal
import subprocess

import pytest

from cli import (PATIENCE, define, environment, finish, fixture_jobs, permit,
                 start)  # fixture_jobs is used by its name
from conftest import eventually


# A table and a number are for people, who would take nothing for none.
@pytest.mark.parametrize("args", [
    ["ping"], ["ping", "--json"], ["status"], ["status", "--json"],
    ["holders", "{}"], ["waiters", "{}"], ["hold", "{}"],
    ["hold", "--json", "{}"], ["post", "{}-pool"],
    ["take", "--json", "{}-pool"], ["set", "--json", "{}-new"]])
def test_an_answer_that_a_full_disk_loses_is_74(shared, jobs, args):
    define(shared, jobs)
    define(shared, jobs + "-pool", kind="counting")
    command = [os.environ["PERMIT_BIN"], *(arg.format(jobs) for arg in args)]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False,
                              env=environment(shared), timeout=PATIENCE)
    assert done.returncode == 74
    assert "cannot write to stdout" in done.stderr
    assert shared.semaphore(jobs)["held"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("args", [["hold"], ["take"], ["take", "-w", "1m"]])
def test_a_signal_ends_a_wait(shared, jobs, args, number):
    kind = {"kind": "counting"} if args[0] == "take" else {}
    define(shared, jobs, permits=0 if kind else 1, **kind)
    if not kind:
        holder = start(shared, "hold", jobs, stdin=subprocess.PIPE)
        assert holder.stdout.readline()
    waiter = start(shared, *args, jobs)
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    waiter.send_signal(number)
    code, out, _ = finish(waiter)
    assert (code, out) == (128 + number, "")
    assert shared.semaphore(jobs)["waiters"] == 0
    if not kind:
        assert finish(holder)[0] == 0


def test_a_signal_ends_the_attempts_to_connect(shared, jobs):
    waiter = start(shared, "run", "--on-unreachable", "wait", jobs, "true",
                   env={"PERMIT_SERVER": "permit://127.0.0.1:1"})
    assert "trying again" in waiter.stderr.readline()
    waiter.send_signal(signal.SIGTERM)
    code, out, err = finish(waiter)
    assert code in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert (out, err) == ("", "")


def test_a_ping_that_loses_its_daemon_is_69(start_daemon):
    daemon = start_daemon()
    ping = start(daemon, "ping", "-c", 1000, "-i", "20ms")
    eventually(lambda: daemon.get("/status")[2]["sessions"]["current"] == 1)
    daemon.kill()
    code, out, err = finish(ping)
    assert (code, out) == (69, "")
    assert err.startswith("permit")


def test_a_quiet_ping_says_nothing(shared):
    done = permit(shared, "ping", "-q", "-c", 2, "-i", "0s")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_hold_does_not_mind_what_comes_in(shared, jobs):
    define(shared, jobs)
    holder = start(shared, "hold", jobs, stdin=subprocess.PIPE)
    assert holder.stdout.readline()
    holder.stdin.write("some text\n" * 1000)
    holder.stdin.flush()
    assert permit(shared, "run", "-n", jobs, "true").returncode == 75
    assert shared.semaphore(jobs)["held"] == 1
    assert finish(holder)[0] == 0
    assert shared.semaphore(jobs)["held"] == 0


# Nobody says where defaults are, or it cannot be a place: there are none.
@pytest.mark.parametrize("home", [
    {"XDG_CONFIG_HOME": "", "HOME": ""},
    {"XDG_CONFIG_HOME": "", "HOME": "/" + "x" * 5000},
    {"XDG_CONFIG_HOME": "/" + "x" * 5000},
    {"XDG_CONFIG_HOME": "relative", "HOME": "/nonexistent"},
    {"XDG_CONFIG_HOME": "/dev/null"}])
def test_without_a_home_there_are_no_defaults(shared, home):
    assert permit(shared, "ping", env=home).returncode == 0


def test_no_environment_at_all_will_do(shared):
    host, port = shared.addresses[0]
    done = subprocess.run(
        [os.environ["PERMIT_BIN"], "ping", "--json", "-s", f"{host}:{port}"],
        env={}, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0
    assert json.loads(done.stdout)["count"] == 1
