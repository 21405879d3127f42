# SPDX-License-Identifier: MIT
"""Processes that share one rate get together exactly what flows in; by itself
tests/bench/rate shows it at full length, and how fairly."""
from rate import Shared, config


def test_eight_processes_get_exactly_what_flows_in(start_daemon):
    daemon = start_daemon(config("api", 200, 100))
    shared = Shared(daemon, "api", 200, 100, processes=8, seconds=2)
    assert shared.least <= shared.total <= shared.most, vars(shared)
    assert daemon.semaphore("api")["totals"]["grants_total"] == shared.total
