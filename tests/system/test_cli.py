# SPDX-License-Identifier: MIT
"""The commands of `permit`, but run: what they print and how they exit."""
import json
import os
import signal
import subprocess

import pytest

from cli import define, finish, fixture_jobs, permit, start
from conftest import eventually


def hold(daemon, *args):
    """A `permit hold` that holds; ends with its stdin."""
    process = start(daemon, "hold", *args, stdin=subprocess.PIPE)
    process.grant, process.fence = process.stdout.readline().split()
    return process


# ------------------------------------------------------------------- looking

def test_status_is_a_table_for_people(shared, jobs):
    define(shared, jobs, 3)
    with hold(shared, jobs) as holder:
        lines = permit(shared, "status", jobs).stdout.splitlines()
        assert lines[0].split() == ["NAME", "KIND", "PERMITS", "HELD",
                                    "AVAILABLE", "HOLDERS", "WAITERS",
                                    "OLDEST", "WAIT", "STATE"]
        assert lines[1].split() == [jobs, "bounded", "3", "1", "2", "1", "0",
                                    "-", "active"]
        assert len(lines) == 2
        assert finish(holder)[0] == 0


def test_json_is_what_http_says(shared, jobs):
    define(shared, jobs, 2)
    with hold(shared, "-p", "2", jobs) as holder:
        waiter = start(shared, "run", "-q", jobs, "true")
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
        ages = ("oldest_wait_seconds", "oldest_hold_seconds")
        own = json.loads(permit(shared, "status", "--json", jobs).stdout)
        http = shared.semaphore(jobs)
        assert ({**own, **dict.fromkeys(ages)}
                == {**http, **dict.fromkeys(ages)})
        for key in ("holders", "waiters"):
            own = json.loads(permit(shared, "--json", key, jobs).stdout)
            _, _, http = shared.get(f"/api/v1/semaphores/{jobs}/{key}")
            assert own["total"] == http["total"] == 1
            assert own[key][0].keys() == http[key][0].keys()
            for name in ("name", "pid", "purpose", "session_id", "permits"):
                assert own[key][0][name] == http[key][0][name]
        assert json.loads(permit(shared, "--json", "holders", jobs).stdout)[
            "holders"][0]["grant_id"] == holder.grant
        assert finish(holder)[0] == 0
        assert finish(waiter)[0] == 0


def test_status_of_a_prefix(shared, jobs):
    jobs = jobs[-80:].lstrip("-")
    for name in (".a", ".b"):
        define(shared, jobs + name)
    both = json.loads(permit(shared, "status", "--json", jobs + "*").stdout)
    assert [row["name"] for row in both["semaphores"]] == [jobs + ".a",
                                                           jobs + ".b"]
    none = permit(shared, "status", "--json", "none-of-this*")
    assert json.loads(none.stdout)["semaphores"] == []
    everything = json.loads(permit(shared, "status", "--json").stdout)
    assert everything["total"] >= 2


def test_holders_and_waiters_come_in_order(shared, jobs):
    define(shared, jobs)
    with hold(shared, jobs) as holder:
        waiters = []
        for number in range(3):
            waiters.append(start(shared, "run", "-q", "--name", f"w{number}",
                                 "--purpose", "a test", jobs, "true"))
            eventually(lambda: shared.semaphore(jobs)["waiters"] == number + 1)
        lines = permit(shared, "waiters", jobs).stdout.splitlines()
        assert [line.split()[:2] for line in lines[1:]] == [
            ["1", "w0"], ["2", "w1"], ["3", "w2"]]
        assert "a test" in lines[1]
        line = permit(shared, "holders", jobs).stdout.splitlines()[1]
        assert str(holder.pid) in line and holder.fence in line
        assert finish(holder)[0] == 0
        for waiter in waiters:
            assert finish(waiter)[0] == 0


def test_what_peers_say_never_reaches_the_terminal(shared, jobs):
    define(shared, jobs)
    client = shared.client(name="\x1b[31mevil\x07", hello={
        "purpose": "\x1b]0;title\x07\nnew line"})
    with hold(shared, jobs) as holder:
        waiter = start(shared, "run", "-q", "--name", "\x1b[2J\u009b1m", jobs,
                       "true")
        eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
        out = permit(shared, "waiters", jobs).stdout
        assert "\\x1b[2J" in out
        assert all(char == "\n" or char.isprintable() for char in out)
        assert finish(holder)[0] == 0
        assert finish(waiter)[0] == 0
    client.close()


# ------------------------------------------------------------------ defining

def test_set_defines_and_changes(shared, jobs):
    assert permit(shared, "set", jobs).returncode == 0
    assert shared.semaphore(jobs)["permits"] == 1
    done = permit(shared, "set", "--json", jobs, "--permits", 4,
                  "--max-queue", 7, "--max-wait", "90s", "--hold", "2m")
    assert json.loads(done.stdout) == {"name": jobs}
    now = shared.semaphore(jobs)
    assert (now["permits"], now["max_queue"], now["max_wait_seconds"],
            now["hold_seconds"]) == (4, 7, 90, 120)
    assert permit(shared, "set", jobs, "--permits", 5).returncode == 0
    now = shared.semaphore(jobs)
    assert (now["permits"], now["max_queue"]) == (5, 7)
    done = permit(shared, "set", jobs, "--kind", "counting")
    assert done.returncode == 64


def test_a_kind_that_would_change_is_named(shared, jobs):
    assert permit(shared, "set", jobs, "--kind", "counting", "--permits",
                  0).returncode == 0
    done = permit(shared, "set", jobs, "--kind", "bounded")
    assert done.returncode == 64
    assert "the kind cannot change" in done.stderr


def test_delete(shared, jobs):
    define(shared, jobs)
    with hold(shared, jobs) as holder:
        done = permit(shared, "delete", "--json", jobs)
        assert done.returncode == 75
        assert json.loads(done.stderr)["error"]["reason"] == "conflict"
        assert finish(holder)[0] == 0
    assert permit(shared, "delete", "-y", jobs).returncode == 0
    assert permit(shared, "delete", jobs).returncode == 78
    assert permit(shared, "status", jobs).returncode == 78


# -------------------------------------------------------- hold, take and post

def test_hold_prints_grant_and_fence_and_ends_with_stdin(shared, jobs):
    define(shared, jobs)
    with hold(shared, jobs) as holder:
        row = shared.get(f"/api/v1/semaphores/{jobs}/holders")[2]["holders"][0]
        assert (row["grant_id"], row["fence"]) == (holder.grant, holder.fence)
        assert permit(shared, "hold", "-n", jobs).returncode == 75
        assert finish(holder)[0] == 0
    assert shared.semaphore(jobs)["held"] == 0
    done = permit(shared, "hold", "--json", jobs)
    assert json.loads(done.stdout)["semaphore"] == jobs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGHUP])
def test_hold_ends_with_a_signal(shared, jobs, number):
    define(shared, jobs)
    with hold(shared, jobs) as holder:
        holder.send_signal(number)
        assert holder.wait(10) == 0
    assert shared.semaphore(jobs)["held"] == 0


def test_hold_that_is_over_is_124(shared, jobs):
    define(shared, jobs)
    with hold(shared, "--hold", "200ms", jobs) as holder:
        assert holder.wait(10) == 124
        assert "lost" in holder.stderr.read()
    assert shared.semaphore(jobs)["held"] == 0


def test_hold_loses_its_permit_with_the_line(start_daemon):
    daemon = start_daemon()
    define(daemon, "jobs")
    with hold(daemon, "jobs") as holder:
        daemon.kill()
        assert holder.wait(10) == 124


def test_take_and_post(shared, jobs):
    assert permit(shared, "set", jobs, "--kind", "counting", "--permits",
                  0).returncode == 0
    assert permit(shared, "take", "-n", jobs).returncode == 75
    waiter = start(shared, "take", jobs)
    eventually(lambda: shared.semaphore(jobs)["waiters"] == 1)
    assert permit(shared, "post", jobs, "-p", 3).stdout == "2\n"
    assert finish(waiter)[0] == 0
    assert permit(shared, "take", "-p", 2, jobs).returncode == 0
    done = permit(shared, "post", "--json", jobs)
    assert json.loads(done.stdout) == {"semaphore": jobs, "available": 1}
    assert shared.semaphore(jobs)["held"] == 0  # Taken for good.
    assert permit(shared, "post", jobs, "-p", 2147483647).returncode == 64
    bounded = jobs + ".b"
    define(shared, bounded)
    assert permit(shared, "take", bounded).returncode == 64
    assert permit(shared, "post", bounded).returncode == 64


# --------------------------------------------------------------------- others

def test_ping(shared):
    done = permit(shared, "ping", "-c", 3, "-i", "1ms")
    assert done.returncode == 0
    assert done.stdout.startswith("3 round trips, min/avg/max ")
    times = json.loads(permit(shared, "ping", "--json").stdout)
    assert times["count"] == 1
    assert 0 < times["min_seconds"] <= times["max_seconds"] < 1


@pytest.mark.parametrize("args", [
    ["ping"], ["status"], ["status", "x"], ["holders", "x"], ["waiters", "x"],
    ["set", "x"], ["delete", "-y", "x"], ["hold", "x"], ["take", "x"],
    ["post", "x"]])
def test_a_daemon_that_is_away_is_69(shared, args):
    env = {"PERMIT_SERVER": "permit://127.0.0.1:1"}
    done = permit(shared, *args, env=env)
    assert done.returncode == 69
    assert "127.0.0.1:1" in done.stderr
    done = permit(shared, "--json", *args, env=env)
    assert done.returncode == 69
    assert json.loads(done.stderr)["error"]["reason"] == "disconnected"


@pytest.mark.parametrize("args", [
    [], ["nonsense"], ["watch"], ["--nonsense"], ["status", "--nonsense"],
    ["status", "a", "b"], ["set"], ["set", "-bad"], ["holders", "a b"],
    ["post", "x", "-p", "0"], ["set", "x", "--no-durable"], ["-s"]])
def test_usage_errors_are_64(shared, args):
    done = permit(shared, *args)
    assert done.returncode == 64
    assert done.stdout == "" and done.stderr.startswith("permit")
    for position in (0, len(args)):
        if position and args[-1] == "-s":
            continue  # --json would be its argument.
        done = permit(shared, *args[:position], "--json", *args[position:])
        assert done.returncode == 64
        assert json.loads(done.stderr)["error"]["reason"] == "invalid"


def test_help_ends_with_examples(shared):
    for args in ([], ["run"], ["hold"], ["take"], ["post"], ["status"],
                 ["holders"], ["waiters"], ["set"], ["delete"], ["ping"]):
        done = permit(shared, *args, "--help")
        assert done.returncode == 0
        assert done.stderr == ""
        examples = done.stdout.split("Examples:")[1]
        assert "permit " + " ".join(args) in examples
        assert permit(shared, *args, "--usage").returncode == 0
    assert permit(shared, "--version").stdout.startswith("permit ")


def test_other_addresses(start_daemon, tmp_path):
    daemon = start_daemon(listen=["127.0.0.1:0", f"unix:{tmp_path}/sock"])
    port = daemon.port
    for server in (f"permit://127.0.0.1:{port}", f"127.0.0.1:{port}",
                   f"unix://{tmp_path}/sock"):
        assert permit(daemon, "-s", server, "ping").returncode == 0
        assert permit(daemon, "ping", "-s", server).returncode == 0
    assert permit(daemon, "ping", "-s", "nonsense://x").returncode == 64
    assert os.path.exists(tmp_path / "sock")
