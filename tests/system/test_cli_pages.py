# SPDX-License-Identifier: MIT
"""What is written about `permit`: its man page, and the recipes of README,
which run as they stand there."""
import os
import pathlib
import re
import stat
import subprocess

import pytest

from cli import environment, finish, permit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "deploy" / "man" / "permit.1"
README = (ROOT / "README.md").read_text()
RECIPES = re.findall(r"```sh\n(.*?)```",
                     README[README.index("### Recipes"):
                            README.index("The server is `-s")], re.DOTALL)
COMMANDS = ["run", "hold", "take", "post", "renew", "verify", "status",
            "holders", "waiters", "why", "ping", "set", "delete", "export",
            "apply"]


# ------------------------------------------------------------------- man page

def options_of(daemon, *command):
    text = permit(daemon, *command, "--help").stdout
    return set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", text, re.MULTILINE))


def test_the_page_has_each_command_and_each_option(shared):
    page = PAGE.read_text()
    shown = permit(shared, "--help").stdout
    known = options_of(shared)
    assert re.findall(r"^\.It Cm (\w+)", page, re.MULTILINE) == COMMANDS
    for command in COMMANDS:
        assert re.search(rf"^ *{command} ", shown, re.MULTILINE), command
        known |= options_of(shared, command)
    assert set(re.findall(r"Fl Fl ([a-z-]+)", page)) == known


def test_the_page_is_clean():
    done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", PAGE],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# -------------------------------------------------------------------- recipes

@pytest.fixture(name="place")
def fixture_place(tmp_path):
    """A directory whose programs say that they ran, with their arguments, and
    whether another one was running."""
    for name in ("deploy", "report", "rebuild", "lead", "send-mail"):
        program = tmp_path / name
        program.write_text(
            '#!/bin/sh\nmkdir "in-$$"; sleep 0.02\n'
            'echo "$(basename "$0") $# $(ls -d in-* | wc -l)" >> log\n'
            'rmdir "in-$$"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def sh(daemon, place, text, **env):
    permit_at = pathlib.Path(os.environ["PERMIT_BIN"]).parent
    return subprocess.Popen(
        ["/bin/sh", "-e", "-c", text], cwd=place,
        env={**environment(daemon, env),
             "PATH": f"{permit_at}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def recipe(word):
    found, = (text for text in RECIPES if word in text)
    return found


def log(place):
    path = place / "log"
    return path.read_text().splitlines() if path.exists() else []


def test_no_recipe_is_forgotten():
    assert len(RECIPES) == 5


def test_a_mutex_lets_one_in_at_a_time(start_daemon, place):
    daemon = start_daemon()
    for process in [sh(daemon, place, recipe("./deploy")) for _ in range(4)]:
        assert finish(process)[0] == 0
    assert log(place) == ["deploy 0 1"] * 4


def test_a_writer_is_alone(start_daemon, place):
    daemon = start_daemon()
    for process in [sh(daemon, place, recipe("./rebuild")) for _ in range(4)]:
        assert finish(process)[0] == 0
    assert sorted(row for row in log(place) if "rebuild" in row) == [
        "rebuild 0 1"] * 4
    assert sum("report" in row for row in log(place)) == 4


def test_one_leads_and_then_the_next(start_daemon, place):
    daemon = start_daemon()
    processes = [sh(daemon, place, recipe("leader")) for _ in range(3)]
    for process in processes:
        assert finish(process)[0] == 0
    assert log(place) == ["lead 2 1"] * 3


def test_a_budget_ends(start_daemon, place):
    daemon = start_daemon()
    process = sh(daemon, place, recipe("mails"))
    assert finish(process)[0] == 0
    assert log(place) == ["send-mail 0 1"]
    assert permit(daemon, "take", "-p", "499", "mails").returncode == 0
    code, _, err = finish(sh(daemon, place, recipe("mails")))
    assert code == 75, err
    assert log(place) == ["send-mail 0 1"]


def test_a_trial_counts_and_then_is_in_earnest(start_daemon, place):
    daemon = start_daemon()
    code, out, err = finish(sh(daemon, place, recipe("--shadow")))
    assert (code, err) == (0, "")
    assert '"would_refuse_total":0' in out
    assert '"would_wait_total":0' in out
    assert not daemon.semaphore("api")["shadow"]
