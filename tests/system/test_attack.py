# SPDX-License-Identifier: MIT
"""Hostile clients for three seconds; attack.py runs longer by command."""
import os

import attack


def test_nobody_notices_hostile_clients(start_daemon):
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # Shown when it fails.
    attack.attack(start_daemon(attack.CONFIG), seed, 3, 100)
