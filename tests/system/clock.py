# SPDX-License-Identifier: MIT
"""Clocks of a process's own; see tests/support/other_clock.c."""
import os
import struct


class OtherClock:
    """A file says what the clocks of those started with `env` show."""

    def __init__(self, path, rate=1.0):
        self.path = path
        self.rate = rate
        self.jump()
        options = os.environ.get("ASAN_OPTIONS", "")
        self.env = {"LD_PRELOAD": os.environ["CLOCK_LIB"],
                    "OTHER_CLOCK": str(path),
                    "ASAN_OPTIONS": options + ":verify_asan_link_order=0"}

    def jump(self, wall_s=0, boot_s=0):
        """So much later it is, by the wall clock, by CLOCK_BOOTTIME."""
        data = struct.pack("=qqq", int(wall_s * 10**9), int(boot_s * 10**9),
                           round(self.rate * 10**6))
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(data)
