# SPDX-License-Identifier: MIT
"""Processes that share one RATE semaphore, and what they may have got."""
import os
import subprocess

PATIENCE = 60


class Shared:
    """What some processes got that took all they could, for some seconds, of a
    semaphore whose bucket was full."""

    def __init__(self, daemon, name, rate, burst, processes, seconds):
        host, port = daemon.addresses[0]
        cpu = daemon.cpu_seconds()
        done = subprocess.run(
            [os.environ["RATE_USERS_BIN"], f"permit://{host}:{port}", name,
             str(processes), str(seconds)],
            stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True)
        seconds, *counts = done.stdout.split()
        self.seconds = float(seconds)
        self.counts = [int(count) for count in counts]
        self.total = sum(self.counts)
        # Never more than was there and flowed in; and no less than flowed in,
        # if they were never away so long that `burst` tokens came meanwhile.
        self.least = int(rate * self.seconds)
        self.most = int(burst + rate * self.seconds)
        self.shares = sorted(count / self.total for count in self.counts)
        self.cpu = (daemon.cpu_seconds() - cpu) / self.seconds


def config(name, rate, burst):
    return {"semaphores": [{"name": name, "kind": "rate", "rate": f"{rate}/s",
                            "burst": burst}]}
