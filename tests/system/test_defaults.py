# SPDX-License-Identifier: MIT
"""The user's defaults in config.yaml: below the environment and the flags."""
import json
import os
import pathlib

import pytest

from cli import define, fixture_jobs, permit  # used by its name

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
AWAY = "permit://127.0.0.1:1"


@pytest.fixture(name="config")
def fixture_config(tmp_path):
    """Writes a config.yaml; returns the environment that has it."""
    (tmp_path / "permit").mkdir()

    def write(text):
        (tmp_path / "permit" / "config.yaml").write_text(text)
        return {"XDG_CONFIG_HOME": str(tmp_path)}

    write.path = tmp_path / "permit" / "config.yaml"
    return write


def holder_name(shared, jobs, env, *args):
    done = permit(shared, "run", "--json", *args, jobs,
                  os.environ["PERMIT_BIN"], "holders", "--json", jobs, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["holders"][0]["name"]


def test_flags_win_over_the_environment_over_the_file(shared, jobs, config):
    define(shared, jobs)
    file = config("name: from-file\n")
    both = {**file, "PERMIT_CLIENT_NAME": "from-environment"}
    assert holder_name(shared, jobs, file) == "from-file"
    assert holder_name(shared, jobs, both) == "from-environment"
    assert holder_name(shared, jobs, both, "--name=flag") == "flag"


def test_the_server_of_the_file_is_the_last_choice(shared, config):
    host, port = shared.addresses[0]
    env = config(f"server: permit://{host}:{port}\n")
    assert permit(shared, "ping", env={**env, "PERMIT_SERVER": ""}
                  ).returncode == 0
    assert permit(shared, "ping", env={**env, "PERMIT_SERVER": AWAY}
                  ).returncode == 69
    assert permit(shared, "ping", "-s", AWAY, env={**env, "PERMIT_SERVER": ""}
                  ).returncode == 69


def test_each_key_does_what_its_option_does(shared, jobs, config):
    define(shared, jobs)
    env = config("progress: none\nprogress_interval: 1m\nkill_after: 300ms\n"
                 "on_lost: usr1\non_unreachable: run\n")
    done = permit(shared, "run", "--hold", "600ms", jobs, "-c",
                  "trap 'echo usr1; exit' USR1; while :; do sleep 0.01; done",
                  env=env)
    assert (done.returncode, done.stdout) == (124, "usr1\n")
    done = permit(shared, "run", jobs, "echo", "ran",
                  env={**env, "PERMIT_SERVER": AWAY})
    assert (done.returncode, done.stdout) == (0, "ran\n")
    done = permit(shared, "run", "--on-unreachable=fail", jobs, "echo", "ran",
                  env={**env, "PERMIT_SERVER": AWAY})
    assert (done.returncode, done.stdout) == (69, "")


def test_home_has_it_where_xdg_says_nothing(shared, jobs, tmp_path):
    define(shared, jobs)
    (tmp_path / ".config" / "permit").mkdir(parents=True)
    (tmp_path / ".config" / "permit" / "config.yaml").write_text("name: home\n")
    for xdg in ("", "relative/is/ignored"):
        env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": xdg}
        assert holder_name(shared, jobs, env) == "home"


def test_the_readmes_file_is_right(shared, config):
    host, port = shared.addresses[0]
    text = README.read_text().split("```yaml\n")[1].split("```")[0]
    for key in ("server", "name", "progress", "progress_interval",
                "kill_after", "on_lost", "on_unreachable"):
        assert f"{key}: " in text
    done = permit(shared, "-s", f"{host}:{port}", "ping", env=config(text))
    assert done.returncode == 0, done.stderr


def test_an_empty_file_says_nothing(shared, config):
    assert permit(shared, "ping", env=config("")).returncode == 0
    assert permit(shared, "ping", env=config("# nothing\n")).returncode == 0


@pytest.mark.parametrize("text, said", [
    ("name: a\nnonsense: 1\n", ["line: ", "column: ", "nonsense"]),
    ("name: [a]\n", ["line: 1, column: 7"]),
    ("- a\n", ["MAPPING"]),
    ("name: a\nname: b\n", ["line: ", "name"]),
    ("name: &a b\nprogress: *a\n", ["line: 2"]),
    (f"name: {'x' * 129}\n", ["name: ", "longer than 128 bytes"]),
    ("progress: often\n", [": progress: ", "no such choice"]),
    ("kill_after: soon\n", ["kill_after: ", "no duration"]),
    ("on_lost: 0\n", ["on_lost: ", "neither a signal nor ignore"])])
def test_what_is_wrong_in_the_file_is_78(shared, config, text, said):
    env = config(text)
    done = permit(shared, "--json", "ping", env=env)
    assert done.returncode == 78
    error = json.loads(done.stderr)["error"]
    assert error["reason"] == "config"
    for part in [str(config.path), *said]:
        assert part in error["message"]
    assert permit(shared, "ping", env=env).returncode == 78
    # Who asks for help, or makes another mistake, hears of that.
    assert permit(shared, "run", "--help", env=env).returncode == 0
    assert permit(shared, "run", env=env).returncode == 64


def test_a_file_that_cannot_be_read_is_78(shared, config):
    env = config("")
    config.path.unlink()
    assert permit(shared, "ping", env=env).returncode == 0
    config.path.mkdir()  # Root may read everything else.
    done = permit(shared, "ping", env=env)
    assert done.returncode == 78
    assert str(config.path) in done.stderr
    config.path.rmdir()
    config.path.symlink_to(config.path)
    assert permit(shared, "ping", env=env).returncode == 78
    config.path.unlink()
    os.mkfifo(config.path)  # Nobody waits for who writes it.
    done = permit(shared, "ping", env=env)
    assert done.returncode == 78
    assert "not a regular file" in done.stderr
