# SPDX-License-Identifier: MIT
"""FAULTS A, processes: what else they must survive than the tests of sessions,
of resume and of `permit run` show."""
import select
import signal

import pytest


# ------------------------------------------------------------------- signals

@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGUSR2])
def test_a6_more_signals_do_not_change_the_end(start_daemon, first):
    for _ in range(5):
        daemon = start_daemon()
        daemon.send_signal(first)
        while daemon.process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                           signal.SIGUSR2):
                daemon.send_signal(number)
            select.select([], [], [], 0.0002)
        assert daemon.wait() == 0
