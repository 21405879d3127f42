# SPDX-License-Identifier: MIT
"""Slots: what the command line, the command it runs, HTTP, the configuration
and a session that comes back are told of them."""
import json
import signal

import pytest

from cli import finish, permit, start
from conftest import eventually
from wire import acquire_frame, kind, part, pb, reason


@pytest.fixture(name="slots")
def fixture_slots(shared, jobs):
    """A semaphore with slots, of three permits."""
    done = permit(shared, "set", jobs, "--permits", 3, "--slots")
    assert done.returncode == 0, done.stderr
    return jobs


def granted_slots(answer):
    assert kind(answer) == "granted", answer
    return [list(row.slots) for row in answer.granted.slots]


def test_a_command_finds_its_slots(shared, slots):
    with shared.client() as line:
        assert granted_slots(line.acquire(slots)) == [[0]]
        done = permit(shared, "run", "-p", 2, slots, "-c",
                      "echo $PERMIT_SLOTS; env")
        assert done.stdout.startswith("1,2\n")
        assert f"PERMIT_PARTS={slots}=2" in done.stdout
    permit(shared, "set", "--permits", 1, plain := slots + "-plain")
    done = permit(shared, "run", plain, "env")
    assert done.returncode == 0 and "PERMIT_SLOTS" not in done.stdout


def test_a_command_finds_a_thousand_slots(shared, jobs):
    permit(shared, "set", jobs, "--permits", 1024, "--slots")
    done = permit(shared, "run", "-p", 1024, jobs, "-c", "echo $PERMIT_SLOTS")
    assert done.stdout.strip() == ",".join(str(i) for i in range(1024))


def test_people_and_programs_are_shown_them(shared, slots):
    with shared.client() as line:
        line.acquire(slots)
        second = line.acquire(slots, 2)
        assert kind(line.call("release", acquire_id=second.id, parts=[
            pb.Part(semaphore=slots.encode(), permits=1)])) == "done"
        done = permit(shared, "--json", "holders", slots)
        rows = json.loads(done.stdout)["holders"]
        assert [row["slots"] for row in rows] == [[0], [1]]
        _, _, page = shared.get(f"/api/v1/semaphores/{slots}/holders")
        assert [row["slots"] for row in page["holders"]] == [[0], [1]]
        page = line.list("HOLDERS", slots)
        assert [list(row.parts[0].slots) for row in page.holders] == [[0], [1]]
        assert json.loads(permit(shared, "--json", "status",
                                 slots).stdout)["slots"] is True
        assert shared.semaphore(slots)["slots"] is True
        assert line.query(slots).slots


def test_c22_slots_beyond_a_shrink_retire(shared, slots):
    with shared.client() as line:
        lines = [line.acquire(slots) for _ in range(3)]
        assert permit(shared, "set", slots, "--permits", 2).returncode == 0
        waiting = line.send("acquire", parts=[part(slots)], wait_ms=-1)
        for gone in (lines[2], lines[1]):
            assert kind(line.release(gone.id)) == "done"
        assert granted_slots(line.answer(waiting)) == [[1]]
        line.define(slots, 3)
        assert granted_slots(line.acquire(slots)) == [[2]]


def test_they_change_only_while_nothing_is_out(shared, slots):
    with shared.client() as line:
        held = line.acquire(slots)
        assert reason(line.define(slots, slots=False)) == "CONFLICT"
        done = permit(shared, "set", slots, "--permits", 1025)
        assert done.returncode != 0 and "1024" in done.stderr
        line.release(held.id)
        assert kind(line.define(slots, slots=False)) == "done"
        assert granted_slots(line.acquire(slots)) == []
        done = permit(shared, "set", slots, "--slots")
        assert done.returncode != 0 and "grants are out" in done.stderr


def test_a_session_that_comes_back_is_told_them(shared, slots):
    line = shared.client(hello={"linger_ms": 60000})
    line.acquire(slots, 2)
    line.close()
    key = pb.SessionKey(id=line.welcome.session_id,
                        secret=line.welcome.secret)
    with shared.client(hello={"resume": key}) as back:
        [grant] = back.welcome.grants
        assert list(grant.parts[0].slots) == [0, 1]
        back.send_raw(acquire_frame(grant.acquire_id, slots, 2))
        assert granted_slots(back.answer(grant.acquire_id)) == [[0, 1]]


def test_the_configuration_defines_them(start_daemon):
    config = {"semaphores": [{"name": "gpu", "permits": 2, "slots": True}]}
    daemon = start_daemon(config)
    with daemon.client() as line:
        held = line.acquire("gpu")
        assert granted_slots(held) == [[0]]
        daemon.write_config({"semaphores": [{"name": "gpu", "permits": 2}]})
        daemon.send_signal(signal.SIGHUP)
        eventually(lambda: "semaphore_refused" in daemon.log())
        assert "grants are out" in daemon.log()
        assert line.query("gpu").slots
        config["semaphores"][0]["permits"] = 3
        daemon.write_config(config)
        daemon.send_signal(signal.SIGHUP)
        eventually(lambda: line.query("gpu").permits == 3)
        assert granted_slots(line.acquire("gpu", 2)) == [[1, 2]]


def test_a_command_that_loses_its_permit_has_had_them(shared, slots):
    process = start(shared, "run", "--hold", "300ms", "--kill-after", "100ms",
                    slots, "-c", "echo $PERMIT_SLOTS; exec sleep 60")
    code, out, _ = finish(process)
    assert code == 124 and out == "0\n"
