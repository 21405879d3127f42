# SPDX-License-Identifier: MIT
"""`permit hold` as the coprocess of a bash script: as its --help has it, and
the README."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

from cli import (define, environment, finish, fixture_jobs, permit,
                 start)  # fixture_jobs is used by its name
from conftest import eventually

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def example():
    done = subprocess.run([os.environ["PERMIT_BIN"], "hold", "--help"],
                          check=True, capture_output=True, text=True)
    return re.sub("^  ", "", done.stdout.split("Examples:\n")[1], flags=re.M)


def start_script(daemon, jobs, work, *options):
    """The example, with another semaphore and other work."""
    script = example().replace("-w 5m jobs", " ".join([*options, jobs]))
    script = script.replace("./work --fence", work)
    path = os.path.dirname(os.environ["PERMIT_BIN"]) + ":" + os.environ["PATH"]
    return subprocess.Popen(["bash", "-c", script], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**environment(daemon), "PATH": path},
                            text=True)


def test_the_readme_has_the_example(shared):
    """`shared` for the environment that all tests of the file have."""
    assert shared.port
    assert example().strip() in README.read_text()


def test_a_script_holds_a_permit_and_gives_it_back(shared, jobs):
    define(shared, jobs)
    script = start_script(shared, jobs, "permit holders " + jobs + "; echo")
    code, out, err = finish(script)
    assert (code, err) == (0, "")
    row, fence = out.splitlines()[1:]
    assert fence in row and "bash" in row.split()  # Its purpose: its parent.
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)


def test_a_script_hears_that_its_permit_was_lost(shared, jobs):
    define(shared, jobs)
    script = start_script(shared, jobs, "sleep 0.5; echo", "--hold=200ms")
    code, _, err = finish(script)
    assert code == 0
    assert "is lost (hold)" in err and "the permit was lost" in err


def test_a_script_without_a_permit_ends_with_holds_code(shared, jobs):
    define(shared, jobs)
    with start(shared, "hold", jobs, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        script = start_script(shared, jobs, "echo never", "-n")
        code, out, _ = finish(script)
        assert (code, out) == (75, "")
        assert finish(holder)[0] == 0


def test_a_script_that_just_ends_gives_its_permit_back(shared, jobs):
    define(shared, jobs)
    script = start_script(shared, jobs, "exit 3; echo")
    assert finish(script)[0] == 3
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)


def test_a_killed_script_gives_its_permit_back(shared, jobs):
    define(shared, jobs)
    script = start_script(shared, jobs,
                          "echo up; while :; do read -rt 1000 <>/dev/zero; done"
                          "; echo")
    assert script.stdout.readline() == "up\n"
    assert shared.semaphore(jobs)["held"] == 1
    script.send_signal(signal.SIGKILL)
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)
    finish(script)


@pytest.mark.parametrize("options, purpose, labels", [
    ([], "python3", {}),
    (["--purpose=p", "--name=n", "--label=a=b"], "p", {"a": "b"})])
def test_hold_says_who_and_what_for(shared, jobs, options, purpose, labels):
    define(shared, jobs)
    with start(shared, "hold", *options, jobs,
               stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        row = shared.get(f"/api/v1/semaphores/{jobs}/holders")[2]["holders"][0]
        assert row["purpose"].startswith(purpose) and row["labels"] == labels
        assert (row["name"] == "n") == bool(options)
        assert finish(holder)[0] == 0
    assert permit(shared, "hold", jobs).returncode == 0
